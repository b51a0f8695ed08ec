# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for homewardctl

_homewardctl() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' i
	local commands='status metrics netcheck hosts tunnels why services watch trace sign-in sign-out forget set-name share unshare shares help'
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-*) ;;
		*)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	COMPREPLY=()
	case $previous in
	--times | --password-fd | --timeout | --wait | --generation | --port | --name | --txt | --subtype | --rekey | --end) return ;;
	esac
	case $command in
	'')
		if [[ $current == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W '--json --help --version' -- "$current")
		else
			mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current")
		fi
		;;
	sign-in) mapfile -t COMPREPLY < <(compgen -W '--password-fd --no-wait --timeout --json' -- "$current") ;;
	forget) mapfile -t COMPREPLY < <(compgen -W '--offline --password-fd --json' -- "$current") ;;
	netcheck) mapfile -t COMPREPLY < <(compgen -W '--no-check --wait --json' -- "$current") ;;
	trace) mapfile -t COMPREPLY < <(compgen -W '--generation --all --json' -- "$current") ;;
	why)
		if [[ $current == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W '--wait --json' -- "$current")
		else
			mapfile -t COMPREPLY < <(compgen -W "$(homewardctl hosts 2>/dev/null | sed -n 's/^\([a-z0-9-]*\)\..*/\1/p')" -- "$current")
		fi
		;;
	tunnels) mapfile -t COMPREPLY < <(compgen -W '--rekey --end --json' -- "$current") ;;
	share)
		if [[ $current == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W '--port --name --txt --subtype --from-lan --everyone --json' -- "$current")
		else
			mapfile -t COMPREPLY < <(compgen -W 'ssh sftp http https webdav ftp smb nfs afp vnc rdp ipp ipps printer git' -- "$current")
		fi
		;;
	unshare) mapfile -t COMPREPLY < <(compgen -W '--all --from-lan --json' -- "$current") ;;
	status) mapfile -t COMPREPLY < <(compgen -W '--live --times --json' -- "$current") ;;
	hosts | services | watch | sign-out | shares) mapfile -t COMPREPLY < <(compgen -W '--json' -- "$current") ;;
	set-name) [[ $current == -* ]] && mapfile -t COMPREPLY < <(compgen -W '--json' -- "$current") ;;
	esac
}
complete -F _homewardctl homewardctl
