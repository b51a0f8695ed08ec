# SPDX-License-Identifier: LGPL-2.1-or-later
"""The real firewalld on a Host, never installed on this machine, whose packet filter it would take over: `./run deps` unpacks
it (tools/fetch-unpacked).

    resolved.start_polkit(host); firewalld = start_firewalld(host)
    firewall_cmd(host, "--get-zone-of-interface=homeward0")
"""
import importlib.util
import os
import subprocess

from .daemons import TOP
from .namespace import wait_until
from .resolved import POLKIT, UNPACKED

BUS_NAME = "org.fedoraproject.FirewallD1"
FIREWALLD = os.path.join(UNPACKED, "firewalld")
LIBRARIES = [os.path.join(UNPACKED, package, "usr/lib/python3/dist-packages")
             for package in ("python3-firewall", "python3-nftables")]
_ENVIRONMENT = {"PYTHONPATH": ":".join(LIBRARIES)}


def missing():
    """Why it cannot run; None if it can."""
    for path in FIREWALLD, POLKIT, *LIBRARIES:
        if not os.path.isdir(path):
            return f"{path} is not there: ./run deps"
    for module in "dbus", "gi":
        if importlib.util.find_spec(module) is None:
            return f"python3-{module} is not installed"
    return None


def start_firewalld(host):
    """With the zones and services that it ships, and ours. A rule of polkit decides who may: its own action is copied."""
    host.run(f"""
mkdir -p /usr/share/polkit-1/actions /run/lab/firewalld/default /run/lab/firewalld/system
cp {FIREWALLD}/usr/share/polkit-1/actions/{BUS_NAME}.server.policy.choice /usr/share/polkit-1/actions/{BUS_NAME}.policy
cp -r {FIREWALLD}/usr/lib/firewalld/* /run/lab/firewalld/default
cp {TOP}/packaging/firewalld/zones/*.xml /run/lab/firewalld/default/zones
cp {TOP}/packaging/firewalld/services/*.xml /run/lab/firewalld/default/services
cp {FIREWALLD}/etc/firewalld/firewalld.conf /run/lab/firewalld/system
""")
    host.add_bus_policy(os.path.join(FIREWALLD, "usr/share/dbus-1/system.d/FirewallD.conf"))
    log = "/run/lab/firewalld.log"
    with open(host.path(log), "ab") as file:
        process = host.popen(
            ["/usr/bin/python3", os.path.join(FIREWALLD, "usr/sbin/firewalld"), "--nofork", "--nopid",
             "--log-file=/run/lab/firewalld/log", "--default-config=/run/lab/firewalld/default", "--system-config=/run/lab/firewalld/system"],
            env=_ENVIRONMENT, stdout=file, stderr=subprocess.STDOUT)

    def owned():
        if process.poll() is not None:
            raise RuntimeError(f"firewalld ended with {process.returncode}\n{host.read(log)}")
        return host.bus.owner(BUS_NAME)
    wait_until(owned, 60, "firewalld on the bus")
    return process


def firewall_cmd(host, *arguments, check=True):
    """What it says, without the end of the line."""
    return host.run(["/usr/bin/python3", os.path.join(FIREWALLD, "usr/bin/firewall-cmd"), *arguments], env=_ENVIRONMENT,
                    check=check).stdout.strip()
