# SPDX-License-Identifier: LGPL-2.1-or-later
"""Another password for the account, with everything real: `zonectl account passwd`, then each host signs in again."""
from homeward_lab.lab import ACCOUNT, PASSWORD

ANOTHER = "quite another password"


def anchor(host):
    return host.get_property("identity", "AccountCertificate")


def test_another_password(make_lab):
    lab = make_lab()
    desktop, laptop = lab.desktop, lab.laptop
    lab.ping(desktop, laptop)
    former = anchor(desktop)
    lab.zone.run(lab.zone.as_user("homeward-zone") +
                 ["/run/lab/bin/zonectl", "--config", "/etc/homeward/zoned.conf", "account", "passwd", ACCOUNT,
                  "--password-fd", "0"], input=ANOTHER + "\n", env=lab.zone.sanitizer_environment("zonectl"))
    # At the next thing they want of the zone the hosts know, and tell what to do.
    for host in desktop, laptop:
        host.call("registrar", "Refresh")
        host.wait_for(("registrar", "State", "bad-key"), lab.patience)
        assert "sign out and in again" in host.get_property("registrar", "Reason")
        assert "sign out and in again" in host.homewardctl("status").stdout
    # The tunnel they have stays.
    lab.ping(desktop, laptop)
    desktop.homewardctl("sign-out")
    assert lab.sign_in(desktop, password=PASSWORD, check=False).returncode == 5, "the former password"
    lab.sign_in(desktop, password=ANOTHER)
    assert anchor(desktop) != former and anchor(laptop) == former
    laptop.homewardctl("sign-out")
    lab.sign_in(laptop, password=ANOTHER)
    assert anchor(laptop) == anchor(desktop)
    lab.wait_all_see()
    lab.ping(desktop, laptop)
