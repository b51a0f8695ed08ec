# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host is forgotten: by the others at once, by the zone for good, and it is told so itself."""
import base64
import datetime
import os
import re
import signal

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from homeward_lab import wait_until
from homeward_lab.lab import ACCOUNT, DOMAIN, PASSWORD, ZONE_ADDRESS

ACCOUNT_DOMAIN = f"{ACCOUNT}.{DOMAIN}"
FORGOTTEN = "it was forgotten"

# Signs what it sends with a key that it is given; prints how the server answers.
ASK = f"""
import base64, sys, dns.message, dns.query, dns.rcode, dns.tsig, dns.tsigkeyring, dns.update
name, secret, kind = sys.argv[1:]
ring = dns.tsigkeyring.from_text({{name: secret}})
if kind == "update":
    message = dns.update.Update("{ACCOUNT_DOMAIN}", keyring=ring, keyname=name, keyalgorithm="hmac-sha256")
    message.replace("laptop", 10, "A", "192.0.2.1")
else:
    message = dns.message.make_query(kind.split()[0], kind.split()[1])
    message.use_tsig(ring, keyname=name, algorithm="hmac-sha256")
try:
    answer = dns.query.tcp(message, "{ZONE_ADDRESS}", timeout=20)
    print(dns.rcode.to_text(answer.rcode()))
    for rrset in answer.answer:
        print(rrset.to_text())
except dns.tsig.PeerError as error:
    print(type(error).__name__)
"""


def ask(host, key, kind):
    name, secret = key
    return host.run(["python3", "-c", ASK, name, base64.b64encode(secret).decode(), kind], timeout=60).stdout.split("\n")


def tsig_key(host):
    with host.connect_bus("homeward-registrar") as bus:
        name, _, fd = bus.call("org.homeward.Identity1", "/org/homeward/Identity1", "org.homeward.Identity1",
                               "GetTsigKey")
    try:
        return name, os.pread(fd, 100, 0)
    finally:
        os.close(fd)


def forget(lab, by, host, *options, password=PASSWORD, check=True):
    """Once the zone has told whom it knows to be forgotten; before that nobody can be."""
    def answer():
        done = by.homewardctl("forget", *options, host, "--password-fd", "0", input=password + "\n", timeout=120, check=False)
        return None if "has not told yet" in done.stderr else done
    done = wait_until(answer, lab.patience, every=0.1)
    assert not check or done.returncode == 0, done.stderr
    return done


def revoked(host):
    return dict(host.get_property("identity", "Revoked"))


def peers(host):
    return {peer["Name"].split(".")[0]: peer for peer in host.get_objects("tunneld", "org.homeward.Tunnel1.Peer").values()}


def has_sa(host, other):
    return any(sa["Peer"].startswith(other + ".") and sa["State"] == "established"
               for sa in host.get_objects("keyd", "org.homeward.Key1.IkeSa").values())


def when(host, daemon, words):
    """Microseconds of the first entry of the timeline with these words; None: there is none."""
    return next((at for _, at, text in host.get_property(daemon, "Timeline") if words in text), None)


def test_forget_while_traffic_flows(make_lab):
    lab = make_lab(homes={"desktop": "A", "laptop": "B", "tablet": "D"})
    desktop, laptop, tablet = lab.desktop, lab.laptop, lab.tablet
    key = tsig_key(laptop)
    assert ask(laptop, key, "update")[0] == "NOERROR"
    for other in desktop, tablet:
        lab.ping(other, laptop)
    assert has_sa(desktop, "laptop") and has_sa(tablet, "laptop")

    # What is asked wrongly is said, and changes nothing.
    for arguments, password, status, words in (
            (["laptop"], "wrong", 5, "wrong password"), (["tower"], PASSWORD, 2, "--offline tower"),
            (["desktop"], PASSWORD, 2, "sign-out")):
        said = forget(lab, desktop, *arguments, password=password, check=False)
        assert said.returncode == status and words in said.stderr, said.stderr
    assert "which host" in desktop.homewardctl("forget", check=False).stderr
    assert revoked(desktop) == {}

    # A thief would see to it that it hears nothing more of the zone.
    laptop.stop_daemon("llq-watcher")
    laptop.stop_daemon("registrar", signal.SIGKILL)  # or it would take its leave of the zone
    traffic = laptop.popen(["ping", "-6", "-n", "-q", "-i", "0.2", lab.host_id(tablet)])
    said = forget(lab, desktop, "laptop")
    assert "laptop is forgotten" in said.stdout

    for other in desktop, tablet:
        other.wait_for(lambda other=other: "laptop" in revoked(other), lab.patience, f"{other.name} knows")
        other.wait_for(lambda other=other: not has_sa(other, "laptop"), lab.patience, f"no keys at {other.name}")
        other.wait_for(lambda other=other: "laptop" not in peers(other), lab.patience, f"no peer at {other.name}")
        other.wait_for(lambda other=other: not lab.sees(other, laptop), lab.patience, f"out of {other.name}'s view")
        known, cut = when(other, "identity", "laptop was forgotten"), when(other, "keyd", "was forgotten: its keys end")
        assert known is not None and cut is not None and known <= cut
        done = when(desktop, "identity", "forgetting laptop: done")
        print(f"{other.name}: cut {(cut - known) / 1000:.1f} ms after it knew, "
              f"{(cut - done) / 1000:.1f} ms after the zone had it")
    # Its own keys are as good as ever, and nobody takes them.
    tablet.wait_for(lambda: tablet.get_property("keyd", "Counters")["ForgottenPeers"] > 0, lab.patience,
                    "an attempt that was refused")
    assert FORGOTTEN in " ".join(text for _, _, text in tablet.get_property("keyd", "Timeline"))
    assert not has_sa(tablet, "laptop") and laptop.get_property("identity", "SignedIn")
    traffic.terminate()
    traffic.wait()

    # The zone has nothing of it and takes nothing from it, before and after a restart.
    for _ in range(2):
        assert ask(laptop, key, "update")[0] == "PeerBadKey"
        for name in f"laptop.{ACCOUNT_DOMAIN} AAAA", f"desktop.{ACCOUNT_DOMAIN} AAAA", f"{ACCOUNT_DOMAIN} SOA":
            assert ask(laptop, key, name)[0] == "PeerBadKey"
        assert ask(desktop, tsig_key(desktop), f"laptop.{ACCOUNT_DOMAIN} AAAA")[:2] == ["NXDOMAIN", ""]
        answer = ask(laptop, key, f"_revoked.{ACCOUNT_DOMAIN} CERT")
        assert answer[0] == "NOERROR" and " PKIX 0 0 " in answer[1], answer
        lab.zone.restart_daemon("zoned")
    octets = base64.b64decode(answer[1].split(" PKIX 0 0 ")[1].replace(" ", ""))
    files = {"list": octets, "account": desktop.get_property("identity", "AccountCertificate")}
    for name, content in files.items():
        with open(desktop.path("/run/lab/tmp/" + name), "wb") as file:
            file.write(content)
    checked = desktop.run("cd /run/lab/tmp && openssl x509 -inform der -in account -out account.pem && "
                          "openssl crl -inform der -in list -CAfile account.pem -noout -text 2>&1").stdout
    assert "verify OK" in checked and "DNS:laptop" in checked

    # Once it may hear it, it says what happened, wherever one looks.
    for name in "llq-watcher", "registrar":
        laptop.start_daemon(name, "[registration]\nstartup-delay-msec = 0\n" if name == "registrar" else None,
                            supervise=True)
    laptop.wait_for(("identity", "State", "signed-out"), lab.patience)
    assert laptop.get_property("identity", "Forgotten") == revoked(desktop)["laptop"]
    status = " ".join(laptop.homewardctl("status", check=False).stdout.split())
    assert re.search(r"this host was forgotten on \d{4}-\d\d-\d\d \d\d:\d\d UTC", status), status
    assert f"homewardctl sign-in {ACCOUNT}@{DOMAIN}" in status
    assert "laptop" in desktop.homewardctl("hosts").stdout.split("forgotten")[1]

    # With the password it is a member again, with another key.
    lab.sign_in(laptop)
    lab.wait_all_see()
    assert tsig_key(laptop)[0] != key[0] and ask(laptop, tsig_key(laptop), "update")[0] == "NOERROR"
    assert ask(laptop, key, "update")[0] == "PeerBadKey"
    for other in desktop, tablet:
        lab.ping(other, laptop)
        assert "laptop" in revoked(other)

    # Forgotten again, by another host and while it listens: it takes its leave by itself.
    first = revoked(desktop)["laptop"]
    forget(lab, tablet, "laptop")
    laptop.wait_for(("identity", "State", "signed-out"), lab.patience)
    assert laptop.get_property("identity", "Forgotten") == revoked(tablet)["laptop"] > first
    desktop.wait_for(lambda: revoked(desktop) == revoked(tablet), lab.patience, "the desktop knows")
    assert desktop.get_property("identity", "RevocationNumber") == 2


def test_forget_while_another_is_away(make_lab):
    """Who was away learns it when it comes back, and keeps it when nobody tells it any more."""
    lab = make_lab(homes={"desktop": "A", "laptop": "B", "tablet": "D"})
    desktop, laptop, tablet = lab.desktop, lab.laptop, lab.tablet
    lab.ping(tablet, laptop)
    tablet.disconnect()
    laptop.stop_daemon("llq-watcher")
    laptop.stop_daemon("registrar", signal.SIGKILL)  # or it would take its leave of the zone
    forget(lab, desktop, f"laptop.{ACCOUNT_DOMAIN}")
    assert revoked(tablet) == {}
    tablet.move(lab.gateways["D"])
    tablet.wait_for(lambda: "laptop" in revoked(tablet), lab.patience, "the tablet knows")
    tablet.wait_for(lambda: not has_sa(tablet, "laptop"), lab.patience, "no keys at the tablet")
    # Without a zone, and with every daemon that could know begun anew: what is stored counts.
    tablet.stop_daemon("llq-watcher")
    tablet.restart_daemon("identity")
    tablet.kill_daemon("keyd")
    tablet.wait_for(("keyd", "State", "ready"), lab.patience)
    traffic = laptop.popen(["ping", "-6", "-n", "-q", "-i", "0.2", lab.host_id(tablet)])
    tablet.wait_for(lambda: tablet.get_property("keyd", "Counters")["ForgottenPeers"] > 0, lab.patience,
                    "an attempt that was refused")
    assert not has_sa(tablet, "laptop")
    traffic.terminate()
    traffic.wait()
    # A host that is switched off can be forgotten as well; the zone has to be there for it.
    said = forget(lab, desktop, "phone", check=False)
    assert said.returncode == 2 and "--offline phone" in said.stderr
    forget(lab, desktop, "phone", "--offline")
    assert sorted(revoked(desktop)) == ["laptop", "phone"]
    lab.zone.stop_daemon("zoned")
    said = forget(lab, desktop, "tower", "--offline", check=False)
    assert said.returncode == 7 and "\"tower\" is not forgotten" in said.stderr, said.stderr
    assert sorted(revoked(desktop)) == ["laptop", "phone"]


def operator(lab, *lines):
    """What whoever runs the zone can do: they have the account's TSIG key, and not its signing key."""
    lab.zone.run(["rm", "-f", "/run/account.key"])
    lab.zone.run(["/run/lab/bin/zonectl", "--config", "/etc/homeward/zoned.conf", "account", "key", ACCOUNT, "--output",
                  "/run/account.key"], env=lab.zone.sanitizer_environment("zonectl"))
    lab.zone.run(["nsupdate", "-k", "/run/account.key"], input=f"server {ZONE_ADDRESS}\nzone {ACCOUNT_DOMAIN}\n" +
                 "".join(line + "\n" for line in lines) + "send\n", timeout=60)


def forged(*hosts):
    """A list of all of these, by a key of our own; otherwise as the account's."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, ACCOUNT_DOMAIN + " account")])
    now = datetime.datetime(2099, 1, 1)
    builder = (x509.CertificateRevocationListBuilder().issuer_name(name).last_update(now)
               .next_update(datetime.datetime(2100, 1, 1)).add_extension(x509.CRLNumber(99), critical=False))
    for serial, host in enumerate(hosts, 1):
        value = bytes([0x30, len(host) + 2, 0x82, len(host)]) + host.encode()
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
            .add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), value), critical=False).build())
    signed = builder.sign(ed25519.Ed25519PrivateKey.generate(), None)
    return base64.b64encode(signed.public_bytes(serialization.Encoding.DER)).decode()


def test_a_hostile_zone_takes_nothing_back(make_lab):
    lab = make_lab()
    desktop, laptop = lab.desktop, lab.laptop
    lab.ping(desktop, laptop)
    forget(lab, desktop, "phone", "--offline")
    first = ask(desktop, tsig_key(desktop), f"_revoked.{ACCOUNT_DOMAIN} CERT")[1].split(" PKIX 0 0 ")[1]
    laptop.stop_daemon("llq-watcher")
    forget(lab, desktop, "laptop")
    desktop.wait_for(lambda: not has_sa(desktop, "laptop"), lab.patience, "no keys")
    everything = revoked(desktop)
    assert sorted(everything) == ["laptop", "phone"]

    def shows(text, counter, value):
        operator(lab, f"update delete _revoked.{ACCOUNT_DOMAIN} CERT", *([text] if text else []))
        if counter:
            desktop.wait_for(lambda: desktop.get_property("identity", "Counters")[counter] >= value, lab.patience, counter)
        assert revoked(desktop) == everything and desktop.get_property("identity", "SignedIn")
    record = f"update add _revoked.{ACCOUNT_DOMAIN} 10 CERT PKIX 0 0 "
    shows(record + first, "ListsOld", 1)
    shows(record + forged("tablet", "laptop"), "ListsRefused", 1)
    shows(record + "AAAA", "ListsRefused", 2)
    shows(None, None, None)
    # Where the zone has the forgotten one in again, it is seen there, and spoken to no more.
    laptop.call("registrar", "Refresh")
    desktop.wait_for(lambda: lab.sees(desktop, laptop), lab.patience, "the laptop in the zone again")

    def refused():
        # Again and again: a ping that begins before tunneld has heard of the laptop finds no route, and ends.
        desktop.run(["ping", "-6", "-n", "-q", "-c", "1", "-W", "1", lab.host_id(laptop)], check=False)
        return FORGOTTEN in peers(desktop).get("laptop", {"LastError": ""})["LastError"]
    desktop.wait_for(refused, lab.patience, "the reason at the peer")
    assert not has_sa(desktop, "laptop")
    # It can keep this host out of the zone, but not make it believe that its owner did.
    shows(record + forged("desktop"), "ListsRefused", desktop.get_property("identity", "Counters")["ListsRefused"] + 1)
    desktop.wait_for(lambda: desktop.get_property("llq-watcher", "State") != "watching", lab.patience, "the refusal")
    assert desktop.get_property("identity", "SignedIn") and revoked(desktop) == everything
