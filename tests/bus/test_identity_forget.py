# SPDX-License-Identifier: LGPL-2.1-or-later
"""Forgetting a host, as identity does it: the list, who may have it, and what a list in the zone may do."""
import datetime
import hmac
import os
import subprocess
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from test_identity import (ACCOUNT, PASSWORD, STATE, as_user, get, host, pipe_with, read_sealed,  # noqa: F401
                           refused, sign_in)

HOST_EXTENSION = x509.ObjectIdentifier("2.5.29.17")  # subjectAltName, with one dNSName
IDENTITY = "org.homeward.Identity1", "/org/homeward/Identity1", "org.homeward.Identity1"
EPOCH = datetime.datetime(1970, 1, 1)


def expand(key, info):
    return HKDFExpand(hashes.SHA256(), 32, info).derive(key)


def keys(password=PASSWORD, account=ACCOUNT):
    """(the account's TSIG key, its signing key)"""
    master = Scrypt(salt=account.encode(), length=32, n=2**17, r=8, p=1).derive(password)
    master = hmac.digest(b"\0" * 32, master, "sha256")
    return (expand(master, b"homeward account tsig v1"),
            ed25519.Ed25519PrivateKey.from_private_bytes(expand(master, b"homeward account signing v1")))


def make_list(number, hosts, key=None, account=ACCOUNT):
    """A revocation list by another X.509 library than ours."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, account + " account")])
    builder = (x509.CertificateRevocationListBuilder().issuer_name(name).last_update(datetime.datetime(2026, 1, 1))
               .next_update(datetime.datetime(2100, 1, 1)).add_extension(x509.CRLNumber(number), critical=False))
    for serial, (label, until) in enumerate(sorted(hosts.items()), 1):
        value = bytes([0x30, len(label) + 2, 0x82, len(label)]) + label.encode()
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial)
            .revocation_date(EPOCH + datetime.timedelta(seconds=until))
            .add_extension(x509.UnrecognizedExtension(HOST_EXTENSION, value), critical=False).build())
    return builder.sign(key or keys()[1], None).public_bytes(serialization.Encoding.DER)


def read_list(octets):
    """(number, {host: until})"""
    parsed = x509.load_der_x509_crl(octets)
    hosts = {entry.extensions.get_extension_for_oid(HOST_EXTENSION).value.value[4:].decode():
             int((entry.revocation_date - EPOCH).total_seconds()) for entry in parsed}
    return parsed.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number, hosts


def show(host, *lists):
    as_user(host, "homeward-watcher", "TakeRevocationLists", "aay", list(lists))


def ask_forget(host, name, password=PASSWORD, bus=None):
    fd = pipe_with(password)
    try:
        return (bus or host.bus).call(*IDENTITY, "Forget", "sh", name, fd)
    finally:
        os.close(fd)


@pytest.fixture
def member(host):  # noqa: F811
    host.start_daemon("identity")
    sign_in(host)
    return host


def revoked(host):
    return {name: until for name, until in get(host, "Revoked")}


def submitted(host, name, password=PASSWORD, former=()):
    """Asks to forget it; what registrar gets, once there is something. The call goes on in a thread."""
    answers = []

    def call():
        with host.connect_bus() as bus:
            try:
                answers.append(ask_forget(host, name, password, bus))
            except Exception as error:  # told by the test
                answers.append(error)
    thread = threading.Thread(target=call)
    thread.start()
    host.wait_for(lambda: get(host, "Submission"), timeout=60, what="something to submit")
    number, label, before, made, key_name, algorithm, fd = as_user(host, "homeward-registrar", "GetSubmission")
    assert (label, [bytes(item) for item in before]) == (name, list(former))
    assert (key_name, algorithm) == (ACCOUNT, "hmac-sha256")
    assert read_sealed(fd) == keys()[0]
    return number, bytes(made), thread, answers


def test_a_list_is_made_and_counts_when_the_zone_has_it(member):
    show(member)
    number, made, thread, answers = submitted(member, "laptop")
    assert get(member, "Revoked") == [] and not answers
    refused("Busy", ask_forget, member, "phone")
    refused("NoSuchObject", as_user, member, "homeward-registrar", "FinishSubmission", "tbs", number + 1, True, "")
    as_user(member, "homeward-registrar", "FinishSubmission", "tbs", number, True, "")
    thread.join()
    assert not isinstance(answers[0], Exception), answers
    assert get(member, "Submission") == 0 and get(member, "RevocationNumber") == 1
    assert list(revoked(member)) == ["laptop"]
    refused("NoSuchObject", as_user, member, "homeward-registrar", "GetSubmission")
    # What openssl(1) says of it, with the account's certificate alone.
    for name, octets in ("list", made), ("account", get(member, "AccountCertificate")):
        with open(member.path("/" + name), "wb") as file:
            file.write(octets)
    subprocess.run(["openssl", "x509", "-inform", "der", "-in", member.path("/account"), "-out",
                    member.path("/account.pem")], check=True)
    checked = subprocess.run(["openssl", "crl", "-inform", "der", "-in", member.path("/list"), "-noout", "-CAfile",
                              member.path("/account.pem")], check=True, capture_output=True, text=True)
    assert "verify OK" in checked.stderr
    assert read_list(made) == (1, revoked(member))
    # It is kept, and the next list has both hosts.
    member.restart_daemon("identity")
    assert list(revoked(member)) == ["laptop"] and get(member, "RevocationNumber") == 1
    show(member, made)
    number, second, thread, _ = submitted(member, "phone", former=[made])
    assert read_list(second)[0] == 2 and sorted(read_list(second)[1]) == ["laptop", "phone"]
    # The zone's word counts as much as registrar's.
    show(member, second)
    thread.join()
    assert sorted(revoked(member)) == ["laptop", "phone"] and get(member, "Submission") == 0


def test_a_clock_that_is_behind_forgets_as_well(member):
    far = 4000000000
    show(member, make_list(4, {"laptop": far}))
    number, made, thread, _ = submitted(member, "laptop", former=[make_list(4, {"laptop": far})])
    assert read_list(made) == (5, {"laptop": far + 1})
    as_user(member, "homeward-registrar", "FinishSubmission", "tbs", number, True, "")
    thread.join()
    assert revoked(member) == {"laptop": far + 1}


def test_what_the_zone_did_not_take_is_not_known(member):
    show(member)
    number, _, thread, answers = submitted(member, "laptop")
    as_user(member, "homeward-registrar", "FinishSubmission", "tbs", number, False, "the server is away")
    thread.join()
    assert answers[0].name == "org.homeward.Error.NotPublished" and answers[0].message == "the server is away"
    assert get(member, "Revoked") == [] and get(member, "Submission") == 0


def test_what_is_wrong_is_said(member):
    assert "not told yet" in refused("NotPublished", ask_forget, member, "laptop")
    show(member)
    assert "not the account's password" in refused("WrongPassword", ask_forget, member, "laptop", b"wrong")
    assert "empty" in refused("InvalidArgument", ask_forget, member, "laptop", b"")
    assert "this host itself" in refused("InvalidArgument", ask_forget, member, "Desktop")
    for name in "", "two.labels", "-x", "x" * 64:
        assert "one label" in refused("InvalidArgument", ask_forget, member, name)
    assert get(member, "Submission") == 0 and get(member, "Revoked") == []
    refused("InvalidArgument", show, member, *[b"x"] * 9)
    refused("InvalidArgument", show, member, b"x" * 16385)
    member.call("identity", "SignOut")
    refused("NotSignedIn", ask_forget, member, "laptop")
    refused("NotSignedIn", show, member)
    refused("NotSignedIn", as_user, member, "homeward-registrar", "GetSubmission")


def test_only_the_accounts_key_makes_a_list(member):
    good = make_list(5, {"laptop": 1764000000})
    damaged = bytearray(good)
    damaged[-1] ^= 1
    show(member, make_list(9, {"phone": 1}, ed25519.Ed25519PrivateKey.generate()), b"", b"no list", bytes(damaged),
         make_list(9, {"phone": 1}, keys(b"another password")[1]),
         make_list(9, {"phone": 1}, account="bob.members.example.org"), good)
    assert revoked(member) == {"laptop": 1764000000} and get(member, "RevocationNumber") == 5
    assert get(member, "Counters")["ListsRefused"] == 6


def test_what_was_forgotten_stays_forgotten(member):
    first, second = make_list(5, {"laptop": 1764000000}), make_list(6, {"laptop": 1764000000, "phone": 1764000001})
    show(member, second)
    both = {"laptop": 1764000000, "phone": 1764000001}
    assert revoked(member) == both
    for lists in (first,), (), (make_list(6, {}),), (make_list(7, {}),), (make_list(8, {"laptop": 3}),):
        show(member, *lists)
        assert revoked(member) == both
    assert get(member, "Counters")["ListsOld"] == 1
    assert get(member, "RevocationNumber") == 8
    member.restart_daemon("identity")
    assert revoked(member) == both and get(member, "RevocationNumber") == 8
    # Another account knows nothing of it, and neither does another password.
    member.call("identity", "SignOut")
    assert get(member, "Revoked") == [] and get(member, "RevocationNumber") == 0
    sign_in(member)
    assert revoked(member) == both
    member.call("identity", "SignOut")
    sign_in(member, password=b"another")
    assert get(member, "Revoked") == []


def test_a_forgotten_host_says_so_and_comes_back(member):
    issued = int(get(member, "TsigKeyName")[8:16], 16)
    show(member, make_list(1, {"desktop": issued - 1}))
    assert get(member, "State") == "signed-in"
    show(member, make_list(2, {"desktop": issued + 500}))
    for _ in range(2):
        assert get(member, "State") == "signed-out" and not get(member, "SignedIn")
        assert get(member, "Forgotten") == issued + 500
        reason = get(member, "Reason")
        assert "was forgotten on" in reason and "homewardctl sign-in alice@members.example.org" in reason
        assert get(member, "TsigKeyName") == "" and get(member, "Certificate") == b""
        refused("NotSignedIn", as_user, member, "homeward-registrar", "GetTsigKey")
        assert not os.path.exists(member.path(STATE + "/credentials"))
        member.restart_daemon("identity")
    # Signed in anew, it is later than what was forgotten, whatever its clock says.
    sign_in(member)
    assert get(member, "State") == "signed-in" and get(member, "Forgotten") == 0
    assert int(get(member, "TsigKeyName")[8:16], 16) == issued + 501
    assert revoked(member) == {"desktop": issued + 500}
    show(member, make_list(2, {"desktop": issued + 500}))
    assert get(member, "State") == "signed-in"
    serial = x509.load_der_x509_certificate(get(member, "Certificate")).serial_number.to_bytes(16, "big")
    assert serial[0] == 0x21 and int.from_bytes(serial[1:6], "big") == issued + 501


def test_who_may_call(member):
    for method, signature, arguments in (("GetSubmission", "", ()), ("FinishSubmission", "tbs", (1, True, "")),
                                         ("TakeRevocationLists", "aay", ([],))):
        allowed = "homeward-watcher" if method == "TakeRevocationLists" else "homeward-registrar"
        for user in None, "homeward-registrar", "homeward-watcher", "homeward-key":
            if user == allowed:
                continue
            with pytest.raises(Exception) as caught:
                as_user(member, user, method, signature, *arguments)
            assert caught.value.name == "org.freedesktop.DBus.Error.AccessDenied"
    fd = pipe_with(PASSWORD)
    with pytest.raises(Exception) as caught:
        as_user(member, "homeward-registrar", "Forget", "sh", "laptop", fd)
    os.close(fd)
    assert caught.value.name == "org.freedesktop.DBus.Error.AccessDenied"


def test_signing_out_takes_what_waits_with_it(member):
    show(member)
    _, _, thread, answers = submitted(member, "laptop")
    member.call("identity", "SignOut")
    thread.join()
    assert "signed out" in answers[0].message
    assert get(member, "Submission") == 0
