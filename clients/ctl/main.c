/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "bus-interfaces/errors.h"
#include "clients/ctl/ctl.h"
#include "clients/ctl/daemons.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	ctl_command run;
} commands[] = {
	{ "status", ctl_status_command },     { "hosts", ctl_hosts_command },
	{ "services", ctl_services_command }, { "watch", ctl_watch_command },
	{ "trace", ctl_trace_command },       { "sign-in", ctl_sign_in_command },
	{ "sign-out", ctl_sign_out_command }, { "set-name", ctl_set_name_command },
	{ "share", ctl_share_command },       { "unshare", ctl_unshare_command },
	{ "shares", ctl_shares_command },     { "netcheck", ctl_netcheck_command },
	{ "tunnels", ctl_tunnels_command },   { "metrics", ctl_metrics_command },
	{ "forget", ctl_forget_command },     { "why", ctl_why_command },
};

static const char help[] =
	"Usage: homewardctl [--json] COMMAND [ARGUMENT...]\n"
	"\n"
	"  status             who this host is, its network, mapping, lease, peers and keys\n"
	"    --live             what goes to and comes from each peer, each second, until Ctrl-C\n"
	"    --times N          so often, then end\n"
	"  netcheck           whether others can reach this host from the internet, and what to do "
	"in the\n"
	"                     router; asks anew, and works without an account\n"
	"    --no-check         say what is known already\n"
	"    --wait SECONDS     wait so long for it at most (15)\n"
	"  hosts              the account's other hosts\n"
	"  tunnels            the keys shared with them: algorithms, age, when they are renewed\n"
	"    --rekey HOST       renew them now, without a gap\n"
	"    --end HOST         end them on both sides\n"
	"  why HOST           whether another host is reached, where it stops, and what to do "
	"about "
	"it\n"
	"    --wait SECONDS     try so long for it at most (15)\n"
	"  metrics            what the daemons count, as OpenMetrics text, for a textfile "
	"collector\n"
	"  services           what the account's other hosts share: ssh, printers, ...\n"
	"  watch              every change as it happens, until Ctrl-C\n"
	"  trace              the last network change as a timeline across the daemons\n"
	"    --generation N     another change\n"
	"    --all              all that the daemons remember\n"
	"  sign-in [ACCOUNT]  sign this host in as alice@members.example.org; asks for the "
	"password on\n"
	"                     the terminal, or reads standard input when that is none\n"
	"    --password-fd N    read the password from this descriptor\n"
	"    --no-wait          do not wait for the zone server's word\n"
	"    --timeout SECONDS  wait so long for it (60)\n"
	"  sign-out           forget account and keys\n"
	"  forget HOST        take another host out of the account, one that was lost, say: its "
	"keys "
	"are worth\n"
	"                     nothing from then on, until somebody signs it in anew; asks for the "
	"account's\n"
	"                     password as sign-in does\n"
	"    --offline          also one that is not in the zone now\n"
	"    --password-fd N    read the password from this descriptor\n"
	"  set-name NAME      another name for this host, while it is signed out\n"
	"  share SERVICE      let the account's other hosts find a service of this host: ssh, smb, "
	"vnc,\n"
	"                     ipp, http, ... or a type such as _http._tcp; until unshare, also "
	"after a\n"
	"                     restart\n"
	"    --port N           its port, where it is not the usual one\n"
	"    --name NAME        what people see; the host's name\n"
	"    --txt KEY[=VALUE]  more about it, for programs; may come more than once\n"
	"    --subtype _SUB     may come more than once\n"
	"    --from-lan         those of the type that this host announces by Avahi, as long as it "
	"does\n"
	"    --everyone         with --from-lan: those of the other machines there, too; this host "
	"has\n"
	"                       to forward their ports\n"
	"  unshare SERVICE    by its name, type or number; --all for all\n"
	"    --from-lan         stop carrying the type from the local network\n"
	"  shares             what this host shares\n"
	"  help               this text\n"
	"\n"
	"  --json             print JSON: one object (watch: one a line)\n"
	"  --version          print the version\n"
	"\n"
	"Exit status: 0 done; 1 something failed; 2 wrong usage; 3 the system bus or a daemon "
	"cannot be\n"
	"reached; 4 not permitted; 5 the zone server refuses the account; 6 the host's name is "
	"taken;\n"
	"7 signed in, but the zone server has not confirmed it yet, or a host could not be "
	"forgotten;\n"
	"8 netcheck: others cannot reach this host, why: the host is not reached; 9 netcheck, why: "
	"it\n"
	"could not be found out.\n";

__attribute__((format(printf, 1, 0))) static void print_complaint(const char *format,
								  va_list arguments)
{
	fputs("homewardctl: ", stderr);
	vfprintf(stderr, format, arguments);
}

enum ctl_status ctl_complain(enum ctl_status status, const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	va_start(arguments, format);
	print_complaint(format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return status;
}

enum ctl_status ctl_misuse(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_complaint(format, arguments);
	va_end(arguments);
	fputs("; see \"homewardctl help\"\n", stderr);
	return CTL_MISUSE;
}

enum ctl_status ctl_no_arguments(int argc, char **argv)
{
	return argc > 1 ? ctl_misuse("%s: \"%s\" is one argument too many", argv[0], argv[1])
			: CTL_DONE;
}

enum ctl_status ctl_connect(struct ctl *ctl)
{
	int r = sd_bus_open_system(&ctl->bus);

	if (r >= 0)
		return CTL_DONE;
	return ctl_complain(CTL_UNREACHABLE,
			    "cannot connect to the system bus: %s; is dbus running?", strerror(-r));
}

bool ctl_is_absent(const sd_bus_error *error)
{
	return sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
	       sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER);
}

enum ctl_status ctl_complain_call(const struct ctl_daemon *daemon, const sd_bus_error *error)
{
	if (ctl_is_absent(error))
		return ctl_complain(CTL_UNREACHABLE,
				    "%s is not running; start it with \"systemctl start %s\"",
				    daemon->name, daemon->unit);
	if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED))
		return ctl_complain(CTL_NOT_PERMITTED,
				    "only root may do that: run it as root or with sudo");
	if (sd_bus_error_has_name(error, HOMEWARD_ERROR_ACCESS_DENIED))
		return ctl_complain(CTL_NOT_PERMITTED, "%s", error->message);
	if (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) ||
	    sd_bus_error_has_name(error, SD_BUS_ERROR_TIMEOUT) ||
	    sd_bus_error_has_name(error, SD_BUS_ERROR_DISCONNECTED))
		return ctl_complain(CTL_UNREACHABLE, "%s does not answer: %s", daemon->name,
				    error->message);
	/* The daemon's message says what was wrong with which argument. */
	if (sd_bus_error_has_name(error, HOMEWARD_ERROR_INVALID_ARGUMENT))
		return ctl_complain(CTL_MISUSE, "%s", error->message);
	return ctl_complain(CTL_FAILED, "%s: %s", daemon->name,
			    error->message ? error->message : error->name);
}

/* Options that mean the same before and after the command are taken out of the arguments. */
static int take_common_options(struct ctl *ctl, int argc, char **argv)
{
	int n = 0;

	for (int i = 0; i < argc; i++) {
		if (i > 0 && !strcmp(argv[i], "--json"))
			ctl->json = true;
		else
			argv[n++] = argv[i];
	}
	argv[n] = NULL;
	return n;
}

static bool wants_help(const char *argument)
{
	return argument && (!strcmp(argument, "--help") || !strcmp(argument, "-h"));
}

static enum ctl_status run(struct ctl *ctl, int argc, char **argv)
{
	if (argc < 2)
		return ctl_misuse("a command is missing");
	if (!strcmp(argv[1], "help") || wants_help(argv[1]) || wants_help(argv[2])) {
		fputs(help, stdout);
		return CTL_DONE;
	}
	if (!strcmp(argv[1], "--version")) {
		puts(PACKAGE_STRING);
		return CTL_DONE;
	}
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(ctl, argc - 1, argv + 1);
	return ctl_misuse("\"%s\" is not a command", argv[1]);
}

int main(int argc, char **argv)
{
	const char *terminal = getenv("TERM");
	struct ctl ctl = {
		.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && terminal &&
			  strcmp(terminal, "dumb") != 0,
		.interactive = isatty(STDERR_FILENO),
	};
	enum ctl_status status;

	setlocale(LC_ALL, "");
	argc = take_common_options(&ctl, argc, argv);
	status = run(&ctl, argc, argv);
	sd_bus_flush_close_unref(ctl.bus);
	/* What could not be printed was not done. */
	if (fflush(stdout) != 0 || ferror(stdout))
		status = status == CTL_DONE ? CTL_FAILED : status;
	return status;
}
