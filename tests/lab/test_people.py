# SPDX-License-Identifier: LGPL-2.1-or-later
"""homewardctl with everything real: what a person is told."""
import json

from homeward_lab import introspection
from homeward_lab.daemons import HOUSE
from homeward_lab.lab import ACCOUNT, DOMAIN, PASSWORD

WHO = f"{ACCOUNT}@{DOMAIN}"


def sign_in(lab, host, who=WHO, password=PASSWORD):
    return host.homewardctl("sign-in", who, "--timeout", "100", input=password, check=False, timeout=150)


def test_sign_in_is_told_the_truth(make_lab):
    lab = make_lab(sign_in=False)
    lab.laptop.homewardctl("set-name", "desktop")
    for who, password in (WHO, "wrong"), (f"bob@{DOMAIN}", PASSWORD):
        result = sign_in(lab, lab.desktop, who, password)
        assert result.returncode == 5 and "wrong password or unknown account" in result.stderr, result
        lab.desktop.wait_for(("registrar", "State", "signed-out"), lab.patience)
    result = sign_in(lab, lab.desktop)
    assert result.returncode == 0 and result.stdout == f"signed in as desktop.{ACCOUNT}.{DOMAIN}\n", result
    # A second machine with that name is told so, and does not disturb the first.
    result = sign_in(lab, lab.laptop)
    assert result.returncode == 6 and '"desktop"' in result.stderr and "set-name" in result.stderr, result
    assert lab.desktop.get_property("registrar", "State") == "published"
    lab.laptop.homewardctl("set-name", "laptop")
    assert sign_in(lab, lab.laptop).returncode == 0


def test_status_trace_and_contract_of_a_pair(make_lab):
    lab = make_lab()
    lab.desktop.run(["ping", "-6", "-c1", "-W60", lab.host_id(lab.laptop)])
    status = lab.desktop.homewardctl("status").stdout
    assert f"desktop.{ACCOUNT}.{DOMAIN}" in status and "laptop" in status and "established" in status
    state = json.loads(lab.desktop.homewardctl("status", "--json").stdout)
    assert all(state[name]["running"] for name in HOUSE)
    assert state["llq-watcher"]["hosts"][0]["host_id"] == lab.host_id(lab.laptop)
    assert state["tunneld"]["peers"] and state["keyd"]["ike_sas"] and state["keyd"]["child_sas"]
    # Objects that only exist between hosts, compared with bus-interfaces/.
    seen = set()
    for name in HOUSE:
        seen |= introspection.check(lab.desktop, name)
    # Services need somebody to share one: tests/bus/test_services.py and test_shares.py compare theirs.
    assert seen | {"org.homeward.Registrar1.Service", "org.homeward.Watcher1.Service"} == set(introspection.contract())

    lab.laptop.move(lab.gateways["C"])
    lab.published(lab.laptop)
    generation = lab.laptop.get_property("mapper", "NetworkGeneration")
    trace = json.loads(lab.laptop.homewardctl("trace", "--json").stdout)
    assert trace["generation"] == generation
    assert {"mapper", "registrar"} <= {entry["daemon"] for entry in trace["entries"]}
    times = [entry["ms"] for entry in trace["entries"]]
    assert times[0] == 0 and times == sorted(times)
    assert f"network change {generation}" in lab.laptop.homewardctl("trace").stdout
