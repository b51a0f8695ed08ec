# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the secrets are, and that they are nowhere else: a whole session with everything real, watched by root."""
import os
import signal
import subprocess
import sys

import pytest

from homeward_lab.daemons import DAEMONS, HOUSE, USERS, has_sanitizers
from homeward_lab.lab import ACCOUNT, DOMAIN, PASSWORD
from homeward_lab.secrets import (IkeMessages, Monitor, account_secrets, files, memory, needles, processes, search,
                                  stored_secrets)

CREDENTIALS = "/var/lib/homeward/identity/credentials"
CHILD = "org.homeward.Key1.ChildSa"
# Who may have what in its memory. Of the account, nobody anything but the PPK: not its TSIG key, not its seed.
MAY_HAVE = {
    "identity": ("host's key", "TSIG key", "PPK"),
    "registrar": ("TSIG key",),
    "llq-watcher": ("TSIG key",),
    "keyd": ("PPK", "SK_", "ESP key"),
    "tunneld": ("ESP key",),
    "mapper": (),
}
# And has it, which shows that the search sees it.
MUST_HAVE = {"identity": ("host's key", "TSIG key", "PPK"), "registrar": ("TSIG key",), "llq-watcher": ("TSIG key",),
             "keyd": ("SK_ei", "SK_er"), "tunneld": ("ESP key",), "mapper": ()}


def of(found, kinds):
    return {name for name in found if name.startswith(kinds)}


class Session:
    """One, from before the sign-in to after the sign-out."""

    def __init__(self, lab):
        self.lab = lab
        self.desktop, self.laptop = lab.desktop, lab.laptop
        self.monitors = {host.name: Monitor(host) for host in (self.desktop, self.laptop)}
        self.capture = lab.capture()
        self.account = account_secrets(PASSWORD.encode(), f"{ACCOUNT}.{DOMAIN}")

    def run(self):
        lab, desktop = self.lab, self.desktop
        lab.sign_in_all()
        lab.wait_all_see()
        lab.ping(desktop, self.laptop)
        before = self.keyd()
        spis = self.children()
        desktop.homewardctl("tunnels", "--rekey", "laptop")
        desktop.wait_for(lambda: self.children() and not self.children() & spis, lab.patience, "new keys")
        lab.ping(desktop, self.laptop)
        # Whom nobody knows: for that, the account's own key is on this host once more, and goes again.
        desktop.wait_for(lambda: desktop.homewardctl("forget", "--offline", "phone", "--password-fd", "0",
                                                     input=PASSWORD + "\n", timeout=120, check=False).returncode == 0,
                         lab.patience, "the zone's word on who was forgotten")
        account = needles(self.account)
        desktop.wait_for(lambda: all(search(account, memory(desktop.daemon_pid(name))) <= {"PPK"} for name in HOUSE),
                         what="the account's keys to be wiped")
        self.regions = {(host.name, name): list(memory(host.daemon_pid(name)))
                        for host in lab.hosts.values() for name in HOUSE}
        # What a core would hold if there were one (test_no_core). keyd has working keys all over its memory.
        self.dumped = {name: list(memory(desktop.daemon_pid(name), dumped=True))
                       for name in HOUSE if name not in ("keyd", "tunneld") and not lab.sanitized}
        self.stored = {}
        for host in lab.hosts.values():
            with open(host.path(CREDENTIALS), "rb") as file:
                self.stored[host.name] = stored_secrets(file.read())
        desktop.homewardctl("tunnels", "--end", "laptop")
        self.capture.stop()
        with open(lab.internet.path("/run/lab/tmp/wire.pcap"), "rb") as file:
            messages = IkeMessages(file.read())
        # Two keys of AES-128-GCM with their salts.
        self.esp = {octets for monitor in self.monitors.values() for octets in monitor.passed if len(octets) == 40}
        now = self.regions["desktop", "keyd"]
        keys = messages.keys_in(before)
        self.ike = {**keys, **messages.keys_in(now), **messages.seeds_in(before, self.esp),
                    **messages.authenticators_in(before, keys)}

    def keyd(self):
        return list(memory(self.desktop.daemon_pid("keyd")))

    def children(self):
        return {child["SpiIn"] for child in self.desktop.get_objects("keyd", CHILD).values()}

    def secrets(self, host):
        """All that was in use there, by name."""
        pieces = {f"ESP key {number}.{at}": octets[at:at + 16] for number, octets in enumerate(sorted(self.esp))
                  for at in range(0, len(octets) - 15, 20)}
        # Without the salt.
        ike = {name: octets[:16] if name.startswith("SK_e") else octets for name, octets in self.ike.items()}
        return {**self.account, **self.stored[host.name], **ike, **pieces}


def look_everywhere(host, wanted):
    """{where: names} beside memory and the bus."""
    found = {path: search(wanted, content) for path, content in files(host, "/run", "/var/lib/homeward", "/etc/homeward")
             if not path.endswith(CREDENTIALS)}
    for pid in processes(host):
        for name in "cmdline", "environ":
            try:
                with open(f"/proc/{pid}/{name}", "rb") as file:
                    found[f"/proc/{pid}/{name}"] = search(wanted, file.read())
            except OSError:
                pass
    return {where: names for where, names in found.items() if names}


def plant(host, secret):
    """A secret in each place that is searched, in one form each."""
    host.bus.owner("x." + secret.hex())
    host.write("/run/lab/planted", b"text" + secret[::-1])
    return host.popen(["sh", "-c", "kept=$PLANTED; read -r never; echo $kept"], stdin=subprocess.PIPE,
                      env={"PLANTED": secret.hex().upper()})


def test_secrets_stay_where_they_belong(make_lab):
    session = Session(make_lab(sign_in=False))
    session.run()
    desktop, laptop = session.desktop, session.laptop
    for kind in "SK_ei", "SK_er", "SK_d", "SK_pi", "SK_pr":
        assert of(session.ike, kind), session.ike.keys()
    # A pair for each direction, before and after the renewal.
    assert len(session.esp) >= 2, session.esp

    for host in desktop, laptop:
        wanted = needles(session.secrets(host))
        for name in HOUSE:
            found = search(wanted, session.regions[host.name, name])
            assert not {secret for secret in found if not secret.startswith(MAY_HAVE[name] or ("nothing",))}, (host.name, name)
            if host is desktop:
                if name in session.dumped:
                    assert not search(wanted, session.dumped[name]), name
                for kind in MUST_HAVE[name]:
                    assert of(found, kind), (name, kind, found)
        assert not look_everywhere(host, wanted)

    wanted = {host.name: needles(session.secrets(host)) for host in (desktop, laptop)}
    desktop.homewardctl("sign-out")
    for host in desktop, laptop:
        captured = session.monitors[host.name].complete()
        assert captured.count(b"GetTsigKey") >= 2 and b"InstallSa" in captured and b"SignIn" in captured
        if host is desktop:
            assert b"GetSubmission" in captured and session.account["account's TSIG key"] in session.monitors[host.name].passed
        assert not search(wanted[host.name], captured)
    # Nothing is left of what is forgotten.
    assert not os.path.exists(desktop.path(CREDENTIALS)) and not look_everywhere(desktop, wanted["desktop"])
    for name in HOUSE:
        left = []

        def gone(name=name, left=left):
            left[:] = search(wanted["desktop"], memory(desktop.daemon_pid(name)))
            return not left
        desktop.wait_for(gone, what=lambda: (name, left))

    # All of this can find something.
    secret = session.stored["laptop"]["host's key"]
    process = plant(laptop, secret)
    assert search(wanted["laptop"], session.monitors["laptop"].complete()) == {"host's key"}
    laptop.wait_for(lambda: "host's key" in search(wanted["laptop"], memory(process.inner_pid)), what="the planted secret")
    places = look_everywhere(laptop, wanted["laptop"])
    assert {os.path.basename(place) for place in places} == {"planted", "environ"}, places
    for monitor in session.monitors.values():
        monitor.close()


# In the host: a program as a user, where it may write a core as large as it likes; its status when it was aborted.
ABORTED = """
import os, resource, signal, sys
uid, argv = int(sys.argv[1]), sys.argv[2:]
pid = os.fork()
if not pid:
    os.chdir("/run/lab/cores")
    os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    os.execv(argv[0], argv)
sys.stdin.readline()
try:
    resource.prlimit(pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
except PermissionError:
    pass
os.kill(pid, signal.SIGABRT)
status = os.waitpid(pid, 0)[1]
print(os.WTERMSIG(status), os.WCOREDUMP(status))
"""


def abort(host, user, argv, ready):
    """Whether a core was written of it."""
    process = host.popen([sys.executable, "-c", ABORTED, str(USERS[user]), *argv], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
    host.wait_for(ready, what=f"{argv[0]} to be ready")
    number, core = process.communicate("now\n", timeout=60)[0].split()
    assert number == str(int(signal.SIGABRT))
    return core == "True"


def test_no_core(make_host):
    """Of any of them, even where the machine's owner raises the limit afterwards, if that is allowed to them here."""
    host = make_host("desktop")
    if has_sanitizers(host.build):
        pytest.skip("the leak checker has to read the process's memory")
    host.run("mkdir -m 1777 /run/lab/cores")
    if not abort(host, "homeward-key", ["/bin/sh", "-c", "touch /run/lab/cores/ready; exec sleep 1000"],
                 lambda: os.path.exists(host.path("/run/lab/cores/ready"))):
        pytest.skip("this machine writes no cores at all")
    for name in HOUSE:
        daemon = DAEMONS[name]
        if daemon.capabilities:
            continue
        host.write(f"/etc/homeward/{name}.conf", "")
        assert not abort(host, daemon.user, [host.program(name), "--config", f"/etc/homeward/{name}.conf"],
                         lambda daemon=daemon: host.bus.owner(daemon.bus_name)), name
