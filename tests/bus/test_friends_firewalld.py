# SPDX-License-Identifier: LGPL-2.1-or-later
"""The real firewalld, with the files that are shipped for it and polkit's rule."""
import pytest

from homeward_lab import firewalld, resolved, wait_until
from test_friends import zone_of
from test_tunneld import Keys, ends, internet  # noqa: F401

LISTEN = """
import socket, sys
s = socket.create_server((sys.argv[1], 7072), family=socket.AF_INET6)
print("ready", flush=True)
s.accept()[0].sendall(b"in")
"""
CONNECT = "import socket, sys; print(socket.create_connection((sys.argv[1], 7072)).recv(9).decode())"


@pytest.mark.skipif(firewalld.missing() is not None, reason=firewalld.missing() or "")
def test_real_firewalld(ends):  # noqa: F811
    """tunneld, which is not root, may; what comes through the tunnel is let in, and the port when the user opens it."""
    desktop, laptop = ends
    host = desktop.host
    resolved.start_polkit(host)
    firewalld.start_firewalld(host)
    wait_until(lambda: zone_of(desktop) == "homeward", 120, "the zone")
    asked = ["--get-zone-of-interface=homeward0"]
    assert firewalld.firewall_cmd(host, *asked) == "homeward"
    firewalld.firewall_cmd(host, "--zone=public", "--add-service=homeward")
    assert firewalld.firewall_cmd(host, "--info-service=homeward").count("udp") == 2
    Keys().install(laptop, desktop)
    laptop.ping(desktop)
    there = host.popen(["/usr/bin/python3", "-c", LISTEN, desktop.id], stdout=-1)
    assert there.stdout.readline() == b"ready\n"
    assert laptop.host.run(["/usr/bin/python3", "-c", CONNECT, desktop.id]).stdout == "in\n"
    firewalld.firewall_cmd(host, "--reload")
    wait_until(lambda: firewalld.firewall_cmd(host, *asked, check=False) == "homeward", 120, "the zone again")
