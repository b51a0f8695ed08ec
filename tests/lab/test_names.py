# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a person gets from the account's names: ordinary programs, the real systemd-resolved, everything real."""
import json
import os
import subprocess

import pytest

from homeward_lab import resolved, wait_until
from homeward_lab.lab import ACCOUNT, DOMAIN

ACCOUNT_DOMAIN = f"{ACCOUNT}.{DOMAIN}"
STUB, PORT = "127.0.0.62", "6281"
SSHD = os.path.join(resolved.UNPACKED, "openssh-server/usr/sbin/sshd")

ECHO = """
import socket, sys
listener = socket.create_server((sys.argv[1], 7777), family=socket.AF_INET6)
print("listening", flush=True)
while True:
    connection, source = listener.accept()
    connection.sendall(source[0].encode())
    connection.close()
"""


@pytest.fixture
def lab(make_lab):
    if resolved.missing():
        pytest.skip(resolved.missing())
    lab = make_lab()
    for host in lab.hosts.values():
        resolved.start_polkit(host)
        host.resolved = resolved.start_resolved(host)
    for host in lab.hosts.values():
        host.wait_for(("llq-watcher", "Names", "resolved"), lab.patience)
    return lab


def dig(host, name, kind, *options, server=STUB, port=PORT):
    return host.run(["dig", "+timeout=30", "+tries=1", f"@{server}", "-p", port, *options, name, kind], check=False).stdout


def looked_up(lab, host, other, timeout=None):
    """What getent says through nss-resolve, once it says something."""
    def found():
        return host.run(["getent", "ahosts", lab.full_name(other)], check=False, env=resolved.NSS).stdout.split()[:1]
    return wait_until(found, timeout or lab.patience, f"{host.name} looks {other.name} up")[0]


def start_sshd(host, address):
    """An SSH server for root with a key of its own. Returns the octets of the private key that opens it."""
    host.run("mkdir -p /run/sshd /run/lab/ssh; cd /run/lab/ssh; grep -q ^sshd: /etc/passwd || "
             "echo 'sshd:x:64110:64110::/run/sshd:/usr/sbin/nologin' >>/etc/passwd\n"
             "ssh-keygen -q -t ed25519 -N '' -f host; ssh-keygen -q -t ed25519 -N '' -f user; mv user.pub keys")
    host.write("/run/lab/ssh/config", f"""ListenAddress [{address}]:22
HostKey /run/lab/ssh/host
AuthorizedKeysFile /run/lab/ssh/keys
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PidFile none
""")
    with open(host.path("/run/lab/sshd.log"), "wb") as log:
        host.popen([SSHD, "-D", "-e", "-f", "/run/lab/ssh/config"], stdout=log, stderr=log)
    wait_until(lambda: "listening" in host.read("/run/lab/sshd.log"), 10, "sshd")
    return host.read("/run/lab/ssh/user")


def test_ordinary_programs_use_the_names(lab):
    laptop, desktop = lab.laptop, lab.desktop
    name, address = lab.full_name(desktop), lab.host_id(desktop)
    # The C library: through resolved's module, and through its DNS server.
    assert looked_up(lab, laptop, desktop) == address
    reverse = wait_until(lambda: laptop.run(["getent", "hosts", address], check=False, env=resolved.NSS).stdout.split(),
                         lab.patience, "the name of the address")
    assert reverse == [address, name]
    laptop.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
    wait_until(lambda: laptop.run(["getent", "hosts", name], check=False).stdout.split()[:1] == [address],
               what="the address by resolved's DNS server")
    # dig, of the stub itself and of resolved.
    for where in {}, {"server": "127.0.0.53", "port": "53"}:
        assert dig(laptop, name, "AAAA", "+short", **where).split() == [address]
        assert "status: NXDOMAIN" in dig(laptop, "nobody." + ACCOUNT_DOMAIN, "AAAA", **where)
        assert "status: NOERROR" in dig(laptop, name, "A", **where)
    assert dig(laptop, name, "TXT", "+short")
    status = resolved.resolvectl(laptop, "status", "homeward0")
    assert f"{STUB}:{PORT}" in status and f"~{ACCOUNT_DOMAIN}" in status and "-DefaultRoute" in status
    # Through the tunnel, by name.
    process = desktop.popen(["/usr/bin/python3", "-c", ECHO, address], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"listening\n"
    said = laptop.run(["bash", "-c", f"cat </dev/tcp/{name}/7777"], timeout=30).stdout
    assert said == lab.host_id(laptop)
    process.stdout.close()
    assert f"systemd-resolved asks {STUB}:{PORT} for names below {ACCOUNT_DOMAIN}" in laptop.homewardctl("status").stdout


def test_ssh_by_name(lab):
    laptop, desktop = lab.laptop, lab.desktop
    key = start_sshd(desktop, lab.host_id(desktop))
    laptop.write("/run/lab/tmp/key", key, mode=0o600)
    laptop.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
    # resolved has been told, but may still be about it.
    looked_up(lab, laptop, desktop)
    wait_until(lambda: laptop.run(["getent", "ahosts", lab.full_name(desktop)], check=False).stdout,
               what="the address by resolved's DNS server")
    command = ["ssh", "-F", "none", "-i", "/run/lab/tmp/key", "-o", "UserKnownHostsFile=/run/lab/tmp/known",
               "-o", "StrictHostKeyChecking=accept-new", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20",
               f"root@{lab.full_name(desktop)}", "hostname; echo $SSH_CONNECTION"]
    said = laptop.run(command, timeout=60).stdout.split()
    assert said[:2] == ["desktop", lab.host_id(laptop)] and said[3] == lab.host_id(desktop)
    # It is the name that is known, wherever the host goes.
    desktop.move(lab.gateways["C"])
    lab.wait_sees(laptop, desktop)
    assert laptop.run(command, timeout=60).stdout.split()[0] == "desktop"


def test_a_shared_service_is_found_and_used(lab):
    """From `homewardctl share ssh` on one host to ssh on the other, by nothing but what DNS-SD says."""
    laptop, desktop = lab.laptop, lab.desktop
    key = start_sshd(desktop, lab.host_id(desktop))
    laptop.write("/run/lab/tmp/key", key, mode=0o600)
    desktop.homewardctl("share", "ssh", "--subtype", "_work", "--txt", "user=root")

    def found(host):
        return json.loads(host.homewardctl("services", "--json").stdout)
    service = laptop.wait_for(lambda: [one for one in found(laptop) if one["live"]], lab.patience, "the service")[0]
    assert (service["name"], service["type"], service["host"]) == ("desktop", "_ssh._tcp", "desktop")
    # What a browser does: types, instances, where it is.
    browse = {"server": "127.0.0.53", "port": "53"}
    types = laptop.wait_for(lambda: dig(laptop, f"_services._dns-sd._udp.{ACCOUNT_DOMAIN}", "PTR", "+short",
                                        **browse).split(), lab.patience, "types")
    instance, = dig(laptop, types[0], "PTR", "+short", **browse).split()
    assert dig(laptop, f"_work._sub._ssh._tcp.{ACCOUNT_DOMAIN}", "PTR", "+short", **browse).split() == [instance]
    assert dig(laptop, instance, "TXT", "+short", **browse) == '"user=root"\n'
    _, _, port, target = dig(laptop, instance, "SRV", "+short", **browse).split()
    laptop.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
    wait_until(lambda: laptop.run(["getent", "ahosts", target.rstrip(".")], check=False).stdout,
               what="the address by resolved's DNS server")
    said = laptop.run(["ssh", "-F", "none", "-i", "/run/lab/tmp/key", "-o", "UserKnownHostsFile=/run/lab/tmp/known",
                       "-o", "StrictHostKeyChecking=accept-new", "-o", "BatchMode=yes", "-p", port,
                       f"root@{target.rstrip('.')}", "hostname"], timeout=60).stdout
    assert said == "desktop\n"
    desktop.homewardctl("unshare", "ssh")
    laptop.wait_for(lambda: found(laptop) == [], lab.patience, "the service is gone")


def test_names_come_back_after_kills_and_go_in_the_end(lab):
    laptop, desktop = lab.laptop, lab.desktop
    address = lab.host_id(desktop)
    laptop.resolved.kill()
    laptop.resolved.wait()
    laptop.wait_for(("llq-watcher", "Names", "manual"))
    laptop.resolved = resolved.run_resolved(laptop)
    laptop.wait_for(("llq-watcher", "Names", "resolved"), lab.patience)
    assert looked_up(lab, laptop, desktop) == address
    # llq-watcher killed: it comes back, and resolved is not disturbed.
    laptop.kill_daemon("llq-watcher")
    assert looked_up(lab, laptop, desktop) == address
    # tunneld killed: the interface may go and return.
    laptop.kill_daemon("tunneld")
    laptop.wait_for(("llq-watcher", "Names", "resolved"), lab.patience)
    assert looked_up(lab, laptop, desktop) == address
    # A host that signs out has no name any more.
    desktop.homewardctl("sign-out")
    laptop.wait_for(lambda: not laptop.run(["getent", "hosts", lab.full_name(desktop)], check=False,
                                           env=resolved.NSS).stdout, lab.patience, "desktop's name is gone")
    laptop.stop_daemon("llq-watcher")
    laptop.wait_for(lambda: resolved.link_settings(laptop)["Domains"] == [] == resolved.link_settings(laptop)["DNSEx"])
