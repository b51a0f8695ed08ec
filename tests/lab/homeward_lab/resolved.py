# SPDX-License-Identifier: LGPL-2.1-or-later
"""The real systemd-resolved and the real polkitd on a Host, with our polkit rule. Neither is ever installed on this
machine, where it would take over its names: `./run deps` fetches the packages and unpacks them (tools/fetch-unpacked).

    start_polkit(host); resolved = start_resolved(host)
    host.run(["getent", "hosts", "desktop.alice.members.example.org"], env=NSS)
"""
import glob
import os
import subprocess

from .daemons import TOP
from .namespace import SHADOW, wait_until

UNPACKED = os.path.join(TOP, ".cache/unpacked")
RESOLVED = os.path.join(UNPACKED, "systemd-resolved")
NSS_RESOLVE = os.path.join(UNPACKED, "libnss-resolve")
POLKIT = os.path.join(UNPACKED, "polkitd")
RULES = os.path.join(TOP, "packaging/polkit")
BUS_NAME = "org.freedesktop.resolve1"
MANAGER = "org.freedesktop.resolve1.Manager"
USERS = {"systemd-resolve": 64101, "polkitd": 64102}

# For programs that shall find the module of nsswitch.conf's "resolve".
NSS = {"LD_LIBRARY_PATH": next(iter(glob.glob(os.path.join(NSS_RESOLVE, "usr/lib/*/"))), "")}

_CONFIG = """[Resolve]
DNS=%s
FallbackDNS=
DNSSEC=no
LLMNR=no
MulticastDNS=no
DNSStubListener=yes
"""


def missing():
    """Why the tests with resolved cannot run; None if they can."""
    for path in RESOLVED, NSS_RESOLVE, POLKIT:
        if not os.path.isdir(path):
            return f"{path} is not there: ./run deps"
    return None


def _add_user(host, user):
    passwd = [line for line in host.read("/etc/passwd").splitlines() if not line.startswith(user + ":")]
    group = [line for line in host.read("/etc/group").splitlines() if not line.startswith(user + ":")]
    uid = USERS[user]
    host.write("/etc/passwd", "\n".join(passwd + [f"{user}:x:{uid}:{uid}::/nonexistent:/usr/sbin/nologin\n"]))
    host.write("/etc/group", "\n".join(group + [f"{user}:x:{uid}:\n"]))


def _wait_owner(host, name, process, log):
    def owned():
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended with {process.returncode}\n{host.read(log)}")
        return host.bus.owner(name)
    return wait_until(owned, 20, f"{name} on the bus")


def start_polkit(host, rules=RULES):
    """polkitd with the actions of resolved and ours, and the rules of the folder `rules`."""
    _add_user(host, "polkitd")
    host.add_bus_policy(os.path.join(POLKIT, "usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf"))
    host.run(SHADOW + f"""
shadow /usr/share
rm -rf /usr/share/polkit-1 /etc/polkit-1
mkdir -p /usr/share/polkit-1/actions /usr/share/polkit-1/rules.d /etc/polkit-1/rules.d /var/lib/polkit-1
cp {RESOLVED}/usr/share/polkit-1/actions/*.policy /usr/share/polkit-1/actions/
cp {POLKIT}/usr/share/polkit-1/rules.d/*.rules /usr/share/polkit-1/rules.d/
cp {rules}/*.rules /usr/share/polkit-1/rules.d/
cp {RULES}/*.policy /usr/share/polkit-1/actions/
chown polkitd /etc/polkit-1/rules.d /var/lib/polkit-1
""")
    log = "/run/lab/polkitd.log"
    with open(host.path(log), "ab") as file:
        process = host.popen([os.path.join(POLKIT, "usr/lib/polkit-1/polkitd"), "--no-debug"], stdout=file, stderr=file)
    _wait_owner(host, "org.freedesktop.PolicyKit1", process, log)
    return process


def start_resolved(host, upstream=None, resolv_conf=True):
    """systemd-resolved as its own user. upstream: the server of everything else. resolv_conf: /etc/resolv.conf and
    nsswitch.conf point to it from now on."""
    _add_user(host, "systemd-resolve")
    host.add_bus_policy(os.path.join(RESOLVED, "usr/share/dbus-1/system.d/org.freedesktop.resolve1.conf"))
    host.run("mkdir -p /run/systemd/resolve /run/systemd/netif/links; chown systemd-resolve /run/systemd/resolve\n"
             "mountpoint -q /etc/systemd || { rm -rf /etc/systemd; mkdir /etc/systemd; }")
    host.write("/etc/systemd/resolved.conf", _CONFIG % (upstream or host.nameserver))
    process = run_resolved(host)
    if resolv_conf:
        host.write("/etc/resolv.conf", "nameserver 127.0.0.53\noptions edns0 trust-ad timeout:2 attempts:3\n")
        host.run("rm -f /etc/nsswitch.conf")
        host.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files resolve [!UNAVAIL=return] dns\n")
    return process


def run_resolved(host):
    """Starts it (again)."""
    log = "/run/lab/resolved.log"
    uid = USERS["systemd-resolve"]
    caps = "-all,+setpcap,+net_raw,+net_bind_service"
    with open(host.path(log), "ab") as file:
        process = host.popen(
            ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", f"--inh-caps={caps}",
             f"--ambient-caps={caps}", f"--bounding-set={caps}", "--",
             os.path.join(RESOLVED, "lib/systemd/systemd-resolved")],
            env={"SYSTEMD_LOG_TARGET": "console", "SYSTEMD_LOG_LEVEL": os.environ.get("RESOLVED_LOG", "info")},
            stdout=file, stderr=file)
    _wait_owner(host, BUS_NAME, process, log)
    return process


_TUNNEL = """
import fcntl, os, struct, subprocess, sys, time
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH", b"homeward0", 0x1001))
subprocess.run(f"ip link set homeward0 up; ip address add {sys.argv[1]}/128 dev homeward0", shell=True)
print("up", flush=True)
time.sleep(1000)
"""


class PlayedTunnel:
    """An interface like tunneld's, which comes and goes as a test likes."""

    def __init__(self, host, address):
        self.host, self.address = host, address
        self.process = None

    def up(self):
        self.process = self.host.popen(["/usr/bin/python3", "-c", _TUNNEL, self.address], stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"up\n"

    def down(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
        self.process = None


def resolvectl(host, *arguments, check=True):
    return host.run([os.path.join(RESOLVED, "usr/bin/resolvectl"), "--no-pager", *arguments], check=check).stdout


def link_settings(host, interface="homeward0"):
    """What resolved holds for a link: {property: value} of its object; {} without the link."""
    index = int(host.read(f"/sys/class/net/{interface}/ifindex")) if os.path.exists(
        host.path(f"/sys/class/net/{interface}")) else 0
    if not index:
        return {}
    path = host.bus.call(BUS_NAME, "/org/freedesktop/resolve1", MANAGER, "GetLink", "i", index)
    return host.bus.get_all(BUS_NAME, path, "org.freedesktop.resolve1.Link")
