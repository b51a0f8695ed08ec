# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the hosts speak with the zone's server: by TLS with a server they know, and what they say when they do not."""
import re

from homeward_lab.daemons import HOUSE
from homeward_lab.lab import CONFIGS

# What may be asked in the clear, of the server and by the names of RFC 6281 and RFC 6698: where the server is.
DISCOVERY = re.compile(r"(_dns-(update|llq|push)-tls\._(udp|tcp)\.alice\.|_853\._tcp\.ns\.|_stun\._udp\.|ns\.)?"
                       r"members\.example\.org", re.I)
WRONG_PIN = "sha256/" + "A" * 43 + "="


def transport(host):
    return host.get_property("llq-watcher", "Transport")


def watching(lab):
    for host in lab.hosts.values():
        host.wait_for(("llq-watcher", "State", "watching"), lab.patience)
        assert transport(host) == "push-tls"


def test_nothing_but_discovery_in_the_clear(make_lab):
    lab = make_lab(start=False)
    lab.start_network()
    capture = lab.capture()
    lab.start_zone()
    for host in lab.hosts.values():
        lab.start_house(host)
    lab.sign_in_all()
    lab.wait_all_see()
    watching(lab)
    lab.laptop.move(lab.gateways["C"])
    lab.published(lab.laptop)
    lab.wait_all_see()
    lab.gateways["A"].reboot("11.0.1.77")
    lab.published(lab.desktop)
    lab.wait_all_see()
    watching(lab)
    for host in lab.hosts.values():
        for name in reversed(HOUSE):
            host.stop_daemon(name)
    assert capture.stop() == 0
    result = capture.examine({}, [])
    assert result["problems"] == [] and result["frames"]["dns-tls"] > 20
    clear = capture.clear_dns()
    assert clear
    assert [message for message in clear if message[0] or "1" in message[1] or "2" in message[1]
            or not DISCOVERY.fullmatch(message[2])] == []


def test_first_events_by_push_after_a_gateway_forgot_everything(make_lab):
    """The gateway reboots with the same address: the TCP connection's mapping is gone, and neither end is told."""
    lab = make_lab()
    watching(lab)
    lab.gateways["B"].reboot(lab.gateways["B"].wan_address)
    lab.desktop.move(lab.gateways["D"])
    lab.published(lab.desktop)
    lab.wait_sees(lab.laptop, lab.desktop)
    watching(lab)


def test_server_killed_and_back(make_lab):
    lab = make_lab()
    watching(lab)
    lab.zone.daemons["zoned"].supervise = False
    lab.zone.kill_daemon("zoned")
    lab.laptop.wait_for(("llq-watcher", "State", "retrying"), 60)
    seen = next(iter(lab.laptop.get_objects("llq-watcher", "org.homeward.Watcher1.Host").values()))
    assert not seen["Live"] and seen["NotHeardSince"] > 0 and seen["Endpoint"][0]
    assert "was last heard" in lab.laptop.homewardctl("hosts").stdout
    status = " ".join(lab.laptop.homewardctl("status", check=False).stdout.split())
    assert re.search(r"server (refuses|closed the connection|does not answer)", status), status
    # The tunnel needs nobody.
    lab.ping(lab.desktop, lab.laptop)
    lab.zone.restart_daemon("zoned")
    watching(lab)
    lab.wait_all_see()
    assert "was last heard" not in lab.laptop.homewardctl("hosts").stdout


def test_another_certificate(make_lab):
    """The server's new key is known by its signed record; with a pin the new key is refused in words."""
    lab = make_lab()
    watching(lab)
    pin = re.search(r"sha256/\S+", lab.zone.run(lab.zone.as_user("homeward-zone") + ["/run/lab/bin/zonectl", "--config",
                    "/etc/homeward/zoned.conf", "tls", "pin"], env=lab.zone.sanitizer_environment("zonectl")).stdout).group(0)
    for name in "registrar", "llq-watcher":
        lab.laptop.stop_daemon(name)
        lab.laptop.start_daemon(name, f"[server]\npin = {WRONG_PIN}\npin = {pin}\n" + CONFIGS.get(name, ""), supervise=True)
    watching(lab)
    lab.published(lab.laptop)
    lab.zone.stop_daemon("zoned")
    lab.zone.run(["sh", "-c", "rm -f /var/lib/homeward/zoned/tls-*.pem"])
    lab.zone.restart_daemon("zoned")
    lab.laptop.wait_for(("llq-watcher", "State", "retrying"), 60)
    lab.laptop.wait_for(lambda: "none of the pins configured in /etc/homeward/llq-watcher.conf" in
                        lab.laptop.get_property("llq-watcher", "Reason"), 60)
    lab.laptop.call("registrar", "Refresh")
    lab.laptop.wait_for(("registrar", "State", "untrusted-server"), 60)
    status = lab.laptop.homewardctl("status", check=False).stdout
    assert "none of the pins" in " ".join(status.split())
    lab.desktop.wait_for(("llq-watcher", "State", "watching"), 60)
    assert transport(lab.desktop) == "push-tls"


def test_long_lived_queries_by_tls(make_lab):
    """Only this way: set up, told of a move, and begun anew in another network."""
    lab = make_lab()
    lab.laptop.stop_daemon("llq-watcher")
    lab.laptop.start_daemon("llq-watcher", "[server]\ntransport = llq-tls\n", supervise=True)
    lab.wait_all_see()
    lab.laptop.wait_for(("llq-watcher", "State", "watching"), lab.patience)
    assert transport(lab.laptop) == "llq-tls"
    lab.desktop.move(lab.gateways["D"])
    lab.published(lab.desktop)
    lab.wait_all_see()
    assert lab.laptop.get_property("llq-watcher", "Counters")["Events"] > 0
    lab.laptop.move(lab.gateways["C"])
    lab.published(lab.laptop)
    lab.desktop.move(lab.gateways["A"])
    lab.published(lab.desktop)
    lab.wait_all_see()
    lab.laptop.wait_for(("llq-watcher", "State", "watching"), lab.patience)
    assert transport(lab.laptop) == "llq-tls"


def test_in_the_clear_where_it_is_wanted(make_lab):
    """Which is how it was before there was TLS."""
    lab = make_lab()
    for name, transport_word in ("registrar", ""), ("llq-watcher", "transport = llq-udp\n"):
        lab.laptop.stop_daemon(name)
        lab.laptop.start_daemon(name, f"[server]\nencryption = none\n{transport_word}" + CONFIGS.get(name, ""), supervise=True)
    lab.published(lab.laptop)
    lab.wait_all_see()
    assert transport(lab.laptop) == "llq-udp" and lab.laptop.get_property("registrar", "Published")[3].endswith(":53")
