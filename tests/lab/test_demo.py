# SPDX-License-Identifier: LGPL-2.1-or-later
"""What people start by hand: the demo and the shell."""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))


def test_demo(namespaces):
    """The whole of it with a smaller file; its own judgement and the facts that it is made of."""
    done = subprocess.run([sys.executable, os.path.join(HERE, "demo"), "--json", "--mib", "64", "--uplink", "60"],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["ok"] and result["sha256_match"] and result["same_connection"]
    assert result["sha256"]["sent"] == result["sha256"]["received"]
    assert result["connection"]["accepts"] == 1 and result["connection"]["octets"] == 64 << 20
    assert list(result["stall_ms"]) == ["laptop_moves", "gateway_reboots", "both_move"] == [
        move["name"] for move in result["moves"]]
    assert all(move["settled"] and move["timeline"] for move in result["moves"])
    # In octets: what passes a wire of the lab may be many packets in one frame.
    assert result["wire"]["problems"] == [] and result["wire"]["octets"]["esp"] > 64 << 20


def test_shell(namespaces):
    commands = ("hostname\nlab\nlab move desktop cafe\nip -4 -br address show dev eth0\nlab reboot C 11.0.3.77\n"
                "lab move desktop nowhere\necho status=$?\nexit 3\n")
    done = subprocess.run([sys.executable, os.path.join(HERE, "shell"), "--network-only", "desktop"], input=commands,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 3, done.stdout + done.stderr
    for words in ("\ndesktop\n", "gateway A  11.0.1.1", "desktop is behind gateway C with 192.168.3.10",
                  "192.168.3.10/24", "with 11.0.3.77", "status=1"):
        assert words in done.stdout, done.stdout
    assert 'there is no gateway "nowhere"' in done.stdout
