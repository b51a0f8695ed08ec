# SPDX-License-Identifier: LGPL-2.1-or-later
"""`homewardctl why HOST` with everything real: each cause is made, and each has its own verdict."""
import json

from homeward_lab import wait_until
from homeward_lab.lab import ACCOUNT, DOMAIN

NOT_REACHED = 8


def why(host, name, *options, status):
    """What it says as JSON, and that people are told the same."""
    result = host.homewardctl("why", name, "--json", *options, check=False)
    assert result.returncode == status, (result.returncode, result.stdout, result.stderr)
    told = json.loads(result.stdout)
    assert told["reached"] is (status == 0) and told["summary"]
    assert bool(told["advice"]) == (status != 0)
    return told


def marks(told):
    return {step["step"]: step["mark"] for step in told["steps"]}


def all_is_well(host):
    told = why(host, "laptop", "--wait", "100", status=0)
    return told if set(marks(told).values()) == {"good"} else None


def test_reached_and_what_ends_it(make_lab):
    lab = make_lab()
    desktop, laptop = lab.desktop, lab.laptop
    # Nothing was said yet: it makes the tunnel itself.
    told = why(desktop, "laptop", "--wait", "100", status=0)
    assert told["kind"] == "reached" and told["summary"].startswith("laptop is reached, at 11.0.2.1:")
    # Of daemons that are asked one after the other, the first may have heard less than the last.
    told = wait_until(lambda: all_is_well(desktop), lab.patience, every=0.2)
    assert list(marks(told)) == [
        "daemons", "account", "network", "server", "host", "endpoint", "mapping", "tunnel", "keys", "traffic keys", "traffic"]
    text = desktop.homewardctl("why", lab.full_name(laptop), "--wait", "100").stdout
    assert text.splitlines()[0] == told["summary"] and "aes128gcm16" in text
    assert json.loads(desktop.homewardctl("why", "desktop", "--json").stdout)["kind"] == "self"
    told = why(desktop, "nobody", status=NOT_REACHED)
    assert told["kind"] == "unknown-name" and "it has laptop" in told["steps"][-1]["text"]
    # The other side's keyd ends and takes its leave.
    laptop.stop_daemon("keyd")
    desktop.wait_for(lambda: not desktop.get_objects("keyd", "org.homeward.Key1.IkeSa"), lab.patience)
    told = why(desktop, "laptop", "--wait", "6", status=NOT_REACHED)
    assert told["kind"] == "no-answer" and "11.0.2.1:" in told["summary"] and "homewardctl status" in told["advice"]
    laptop.start_daemon("keyd", supervise=True)
    assert why(desktop, "laptop", "--wait", "100", status=0)["kind"] == "reached"
    # It is killed, tunnel and all, and says nothing any more.
    for name in "keyd", "tunneld":
        laptop.daemons[name].supervise = False
        laptop.kill_daemon(name)
    told = why(desktop, "laptop", "--wait", "6", status=NOT_REACHED)
    assert told["kind"] in ("silent", "no-answer")
    # It leaves the zone.
    for name in "registrar", "llq-watcher":
        laptop.stop_daemon(name)
    desktop.wait_for(lambda: lab.sees(desktop, laptop) is None, lab.patience)
    assert why(desktop, "laptop", "--wait", "6", status=NOT_REACHED)["kind"] in ("unknown-name", "not-published")
    # Our own side.
    desktop.stop_daemon("tunneld")
    told = why(desktop, "laptop", status=NOT_REACHED)
    assert told["kind"] == "daemon" and told["advice"] == "Start it: systemctl start homeward-tunnel"
    desktop.start_daemon("tunneld", supervise=True)
    desktop.disconnect()
    desktop.wait_for(("mapper", "State", "no-network"))
    assert why(desktop, "laptop", status=NOT_REACHED)["kind"] == "network"
    desktop.homewardctl("sign-out")
    assert why(desktop, "laptop", status=NOT_REACHED)["kind"] == "signed-out"


def test_its_router_maps_nothing(make_lab):
    """It publishes an address that only its own network knows."""
    lab = make_lab(kinds={"B": "plain"})
    told = why(lab.desktop, "laptop", "--wait", "6", status=NOT_REACHED)
    assert told["kind"] == "unmapped" and lab.laptop.address in told["summary"]
    assert "homewardctl netcheck" in told["advice"] and "let it begin" in told["advice"]
    # Which helps.
    assert why(lab.laptop, "desktop", "--wait", "100", status=0)["kind"] == "reached"
    assert why(lab.desktop, "laptop", "--wait", "100", status=0)["kind"] == "reached"


def test_another_password(make_lab):
    """The account has a new one. What laptop published with the old one stays until its lease ends."""
    lab = make_lab()
    desktop = lab.desktop
    lab.zone.run(lab.zone.as_user("homeward-zone") + ["/run/lab/bin/zonectl", "--config", "/etc/homeward/zoned.conf", "account",
                                                      "passwd", ACCOUNT, "--password-fd", "0"], input="quite another one\n",
                 timeout=120, env=lab.zone.sanitizer_environment("zonectl"))
    for name in "registrar", "llq-watcher":
        lab.laptop.stop_daemon(name, signal=9)
    desktop.homewardctl("sign-out")
    desktop.wait_for(("registrar", "State", "signed-out"), lab.patience)
    assert desktop.homewardctl("sign-in", f"{ACCOUNT}@{DOMAIN}", "--password-fd", "0", "--timeout", "100",
                               input="quite another one\n").returncode == 0
    wait_until(lambda: desktop.get_objects("tunneld", "org.homeward.Tunnel1.Peer"), what="laptop in desktop's view")
    told = why(desktop, "laptop", "--wait", "60", status=NOT_REACHED)
    assert told["kind"] == "other-account", told
    # The server refuses who has the old one.
    lab.laptop.start_daemon("llq-watcher")
    lab.laptop.start_daemon("registrar", "[registration]\nstartup-delay-msec = 0\n")
    lab.laptop.wait_for(("registrar", "State", "bad-key"), lab.patience)
    lab.laptop.wait_for(("llq-watcher", "State", lambda state: state != "watching"), lab.patience)
    told = why(lab.laptop, "desktop", status=NOT_REACHED)
    assert told["kind"] == "refused" and "homewardctl sign-out" in told["advice"]
