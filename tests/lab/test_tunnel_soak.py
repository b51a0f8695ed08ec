# SPDX-License-Identifier: LGPL-2.1-or-later
"""A short piece of `./run soak tunnel`, and whether its witness would notice."""
import os
import subprocess

import pytest
from homeward_lab import TOP, Namespace, build_directory
from homeward_lab.namespace import link

SECRET = bytes(range(100, 116))

SEND = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
for line in sys.stdin:
    s.sendto(bytes.fromhex(line), ("a0", 0))
"""


def test_half_a_minute(namespaces):
    done = subprocess.run(["/usr/bin/python3", os.path.join(TOP, "tests/soak/tunnel.py"), "30", "--hosts", "2",
                           "--build", build_directory()], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=1200)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]


def frame(payload, source="0b000101", protocol=17):
    """From port 4500 to port 4500, in Ethernet."""
    udp = bytes.fromhex("11941194") + (8 + len(payload)).to_bytes(2, "big") + bytes(2) + payload
    ip = bytes.fromhex("4500") + (20 + len(udp)).to_bytes(2, "big") + bytes.fromhex("0000400040") + bytes([protocol, 0, 0])
    return bytes(12) + b"\x08\x00" + ip + bytes.fromhex(source) + bytes.fromhex("0b000201") + udp


def esp(spi, sequence, iv, payload=bytes(40)):
    return spi.to_bytes(4, "big") + sequence.to_bytes(4, "big") + iv.to_bytes(8, "big") + payload


FINE = [frame(esp(0x1001, 1, 1)), frame(esp(0x1001, 2, 2)), frame(esp(0x1002, 1, 1)), frame(b"\xff")]
WRONG = {
    "number": ([frame(esp(0x1001, 1, 5, bytes(44)))], "SPI 00001001 number 1 went out twice"),
    "again": ([FINE[0]], "SPI 00001001 number 1 went out twice"),
    "vector": ([frame(esp(0x1001, 3, 2))], "SPI 00001001 initialisation vector 0000000000000002 went out twice"),
    "secret": ([frame(esp(0x1001, 9, 9, bytes(9) + SECRET))], "secret 0 is in clear"),
    "inner": ([bytes(12) + b"\x86\xdd\x60" + bytes(5) + b"\x06" + bytes(60)], "not expected at here a0"),
    "other": ([frame(bytes(20), protocol=132)], "not expected at here a0"),
    "nothing": ([], None),
}


@pytest.mark.parametrize("what", WRONG)
def test_witness(namespaces, what):
    frames, words = WRONG[what]
    with Namespace("here") as here, Namespace("there") as there:
        here.wait_ready()
        there.wait_ready()
        for namespace in here, there:
            namespace.run(["sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"])
        link(here, "a0", there, "b0")
        here.batch(["link set a0 up"])
        there.batch(["link set b0 up"])
        witness = subprocess.Popen([os.path.join(build_directory(), "tests/soak/witness"), "-n", SECRET.hex(),
                                    f"here:{here.init_pid}:a0:sender", f"there:{there.init_pid}:b0"],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert witness.stdout.readline() == "ready\n"
        here.run(["/usr/bin/python3", "-c", SEND], input="".join(f.hex() + "\n" for f in FINE + frames))
        said = witness.communicate("end\n", timeout=120)[0]
    assert (witness.returncode == 0) == (words is None), said
    assert words is None or f"wrong: {words}" in said
    assert words is not None or "3 ESP packets sent, each once" in said
