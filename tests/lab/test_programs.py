# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs that people use, through the tunnel, and the host at one end goes somewhere else in the middle of it."""
import hashlib
import json
import os
import subprocess

import pytest
from homeward_lab import wait_until
from test_names import SSHD, start_sshd

SIZE = 32 << 20

pytestmark = pytest.mark.xdist_group("programs")


@pytest.fixture
def lab(shared_lab):
    """Both hosts at home, whatever the test before did."""
    for host, home in ((shared_lab.desktop, "A"), (shared_lab.laptop, "B")):
        if host.gateway is not shared_lab.gateways[home]:
            host.move(shared_lab.gateways[home])
    for host in shared_lab.hosts.values():
        shared_lab.published(host)
    shared_lab.wait_all_see()
    shared_lab.ping(shared_lab.desktop, shared_lab.laptop)
    return shared_lab


@pytest.fixture
def running():
    """Programs that serve; they end with the test."""
    processes = []
    yield processes
    for process in processes:
        process.kill()
        process.wait(60)


def carried(host):
    """Octets, both ways."""
    return sum(int(host.run(["cat", f"/sys/class/net/homeward0/statistics/{way}_bytes"]).stdout) for way in ("rx", "tx"))


def with_a_move(lab, host, process, octets=SIZE // 4):
    """Moves the laptop when so much went through the tunnel. Returns what the process said, which must end well."""
    begun = carried(host)
    wait_until(lambda: carried(host) >= begun + octets or process.poll() is not None, what="something flows")
    lab.laptop.move(lab.gateways["C"])
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, (process.returncode, out.decode(), err.decode())
    return out.decode()


def start(host, argv):
    return host.popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def write_random(host, path, size=SIZE):
    data = os.urandom(size)
    host.write(path, data)
    return hashlib.sha256(data).hexdigest()


def hash_of(host, path):
    with open(host.path(path), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


@pytest.mark.parametrize("options", (["-n", SIZE], ["-n", SIZE, "-R"], ["-n", SIZE, "-P", 4], ["-u", "-b", "20M", "-t", 4]),
                         ids=("stream", "back", "four", "datagrams"))
def test_iperf3(lab, running, options):
    address = lab.host_id(lab.laptop)
    server = lab.laptop.popen(["iperf3", "-6", "-s", "-1", "-B", address, "--forceflush"], stdout=subprocess.PIPE)
    running.append(server)
    while b"listening" not in (line := server.stdout.readline()):
        assert line, "iperf3 ended"
    said = with_a_move(lab, lab.desktop, start(lab.desktop, ["iperf3", "-6", "-J", "-c", address, *options]), 2 << 20)
    result = json.loads(said)
    assert "error" not in result, result["error"]
    if "-u" in options:
        assert result["end"]["sum"]["packets"] > result["end"]["sum"]["lost_packets"]
    else:
        assert result["end"]["sum_received"]["bytes"] >= SIZE * 3 // 4
    server.wait(60)


def ssh_command(lab, running):
    """To the desktop, from the laptop."""
    if not os.path.exists(SSHD):
        pytest.skip("tools/fetch-unpacked did not fetch openssh-server")
    if not hasattr(lab, "ssh_key"):
        # Another module of the machine's would say that root is locked.
        lab.desktop.run(["rm", "-f", "/etc/nsswitch.conf"])
        lab.desktop.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n")
        lab.ssh_key = start_sshd(lab.desktop, lab.host_id(lab.desktop))
        lab.laptop.write("/run/lab/tmp/key", lab.ssh_key, mode=0o600)
    return ["ssh", "-F", "none", "-i", "/run/lab/tmp/key", "-o", "UserKnownHostsFile=/run/lab/tmp/known",
            "-o", "StrictHostKeyChecking=accept-new", "-o", "BatchMode=yes"]


def test_ssh(lab, running):
    """One connection, with much going up and the answer down."""
    command = ssh_command(lab, running)
    wanted = write_random(lab.laptop, "/run/lab/tmp/up")
    process = start(lab.laptop, ["sh", "-c", '"$@" </run/lab/tmp/up', "sh", *command, f"root@{lab.host_id(lab.desktop)}",
                                 "sha256sum"])
    assert with_a_move(lab, lab.laptop, process).split()[0] == wanted


def test_rsync(lab, running):
    """A tree, from there to here."""
    command = ssh_command(lab, running)
    sizes = [0, 1, 1000, 70000, SIZE // 3, SIZE // 2]
    wanted = [write_random(lab.desktop, f"/run/lab/tmp/tree/{n}/file", size) for n, size in enumerate(sizes)]
    process = start(lab.laptop, ["rsync", "-r", "-e", " ".join(command), f"root@[{lab.host_id(lab.desktop)}]:/run/lab/tmp/tree",
                                 "/run/lab/tmp/copy"])
    with_a_move(lab, lab.laptop, process)
    assert [hash_of(lab.laptop, f"/run/lab/tmp/copy/tree/{n}/file") for n in range(len(sizes))] == wanted


def test_http(lab, running):
    address = lab.host_id(lab.desktop)
    wanted = write_random(lab.desktop, "/run/lab/tmp/www/file")
    server = lab.desktop.popen(["/usr/bin/python3", "-u", "-m", "http.server", "-b", address, "-d", "/run/lab/tmp/www", "8080"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    running.append(server)
    assert b"Serving" in server.stdout.readline()
    process = start(lab.laptop, ["curl", "-sS", "-f", "-o", "/run/lab/tmp/down", f"http://[{address}]:8080/file"])
    with_a_move(lab, lab.laptop, process)
    assert hash_of(lab.laptop, "/run/lab/tmp/down") == wanted
