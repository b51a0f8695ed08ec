# SPDX-License-Identifier: LGPL-2.1-or-later
"""identity on a bus of its own: sign-in, secrets, what a restart, a reboot and a crash keep."""
import fcntl
import hashlib
import hmac
import ipaddress
import os
import re
import signal
import socket
import stat
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from homeward_lab import Bus, BusError

ACCOUNT = "alice.members.example.org"
PASSWORD = b"correct horse battery staple"
STATE = "/var/lib/homeward/identity"
RUNTIME = "/run/homeward/identity"
ERROR = "org.homeward.Error."


def plug(host, mac="00:22:69:8e:34:2a", name="eth0", route=True):
    host.batch([f"link add {name} address {mac} type veth peer name {name}-far", f"link set {name} up",
                f"link set {name}-far up"] +
               (["address add 192.168.1.2/24 dev " + name, "route add default via 192.168.1.1"] if route else []))


@pytest.fixture
def host(make_host):
    host = make_host("desktop")
    plug(host)
    return host


def pipe_with(octets):
    read, write = os.pipe()
    os.write(write, octets)
    os.close(write)
    return read


def sign_in(host, account="alice@members.example.org", password=PASSWORD, bus=None):
    fd = pipe_with(password)
    try:
        (bus or host.bus).call("org.homeward.Identity1", "/org/homeward/Identity1", "org.homeward.Identity1", "SignIn",
                               "sh", account, fd)
    finally:
        os.close(fd)


def get(host, name):
    return host.get_property("identity", name)


def refused(error, call, *arguments, **options):
    with pytest.raises(BusError) as caught:
        call(*arguments, **options)
    assert caught.value.name == ERROR + error
    assert caught.value.message
    return caught.value.message


def as_user(host, user, method, signature="", *arguments):
    with host.connect_bus(user) as bus:
        return bus.call("org.homeward.Identity1", "/org/homeward/Identity1", "org.homeward.Identity1", method,
                        signature, *arguments)


def read_sealed(fd):
    try:
        seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
        assert seals == fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        return os.pread(fd, 100, 0)
    finally:
        os.close(fd)


def tsig_key(host, user="homeward-registrar"):
    name, algorithm, fd = as_user(host, user, "GetTsigKey")
    return name, algorithm, read_sealed(fd)


def test_host_id_and_names(host):
    host.start_daemon("identity")
    assert get(host, "State") == "signed-out"
    assert get(host, "Eui64") == "00-22-69-FF-FE-8E-34-2A"
    assert get(host, "TunnelLabel") == "AutoTunnel-00-22-69-FF-FE-8E-34-2A"
    address = ipaddress.IPv6Address(get(host, "HostId")).packed
    assert address[0] == 0xFD and address[8:] == bytes.fromhex("002269fffe8e342a")
    assert get(host, "HostName") == "desktop"
    assert not get(host, "SignedIn")
    for name in "Domain", "Account", "TsigKeyName":
        assert get(host, name) == ""
    assert get(host, "Certificate") == get(host, "AccountCertificate") == b""


def test_modified_eui64_is_a_setting(host):
    host.start_daemon("identity", "[identity]\nmodified-eui64 = yes\n")
    assert get(host, "TunnelLabel") == "AutoTunnel-02-22-69-FF-FE-8E-34-2A"
    assert ipaddress.IPv6Address(get(host, "HostId")).packed[8:] == bytes.fromhex("022269fffe8e342a")


def test_host_id_stays_over_restart_and_network_change(host):
    host.start_daemon("identity")
    first = get(host, "HostId")
    host.batch(["link set eth0 down", "link set eth0 address 00:22:69:00:00:01", "link set eth0 up",
                "route add default via 192.168.1.1"])
    host.restart_daemon("identity")
    assert get(host, "HostId") == first
    # The machine's power goes: /run is gone.
    host.stop_daemon("identity")
    os.unlink(host.path(RUNTIME + "/host-id"))
    host.restart_daemon("identity")
    assert get(host, "Eui64") == "00-22-69-FF-FE-00-00-01"
    assert ipaddress.IPv6Address(get(host, "HostId")).packed[:8] != ipaddress.IPv6Address(first).packed[:8]


def test_host_id_is_kept_for_good_by_a_setting(host):
    host.start_daemon("identity", "[identity]\nkeep-host-id = yes\n")
    first = get(host, "HostId")
    host.stop_daemon("identity")
    os.unlink(host.path(RUNTIME + "/host-id"))
    host.restart_daemon("identity")
    assert get(host, "HostId") == first
    host.stop_daemon("identity")
    host.start_daemon("identity", "[identity]\nkeep-host-id = no\n")
    assert not os.path.exists(host.path(STATE + "/host-id"))


def test_hosts_with_the_same_card_differ(make_host):
    ids = set()
    for name in "one", "two", "three":
        host = make_host(name)
        plug(host)
        host.start_daemon("identity")
        ids.add(ipaddress.IPv6Address(get(host, "HostId")).packed[1:8])
    assert len(ids) == 3


def test_waits_for_an_interface(make_host):
    host = make_host("desktop")
    host.start_daemon("identity")
    assert get(host, "State") == "starting" and get(host, "HostId") == "" and "interface" in get(host, "Reason")
    refused("Busy", sign_in, host)
    host.bus.add_match()
    plug(host, mac="00:22:69:00:00:07")
    host.bus.wait_signal(lambda s: s.member == "PropertiesChanged" and "HostId" in s.values[1])
    host.wait_for(("identity", "State", "signed-out"))
    assert get(host, "Eui64") == "00-22-69-FF-FE-00-00-07"


def test_prefers_the_default_route(make_host):
    host = make_host("desktop")
    plug(host, mac="00:22:69:00:00:01", name="card1", route=False)
    plug(host, mac="00:22:69:00:00:02", name="card2", route=True)
    host.start_daemon("identity")
    assert get(host, "Eui64").endswith("00-00-02")


def test_default_route_of_another_table_or_over_a_tunnel_does_not_count(make_host):
    host = make_host("desktop")
    plug(host, mac="00:22:69:00:00:01", name="card1", route=False)
    plug(host, mac="00:22:69:00:00:02", name="card2", route=True)
    host.run(["ip", "tuntap", "add", "vpn", "mode", "tun"])
    host.batch(["address add 10.0.1.2/24 dev card1", "link set vpn up", "route del default",
                "route add default via 192.168.1.1 metric 100", "route add default dev vpn metric 1",
                "route add default via 10.0.1.1 dev card1 table 1000"])
    host.start_daemon("identity")
    assert get(host, "Eui64").endswith("00-00-02")


def test_takes_the_first_interface_without_a_default_route(make_host):
    host = make_host("desktop")
    plug(host, mac="00:22:69:00:00:01", name="card1", route=False)
    plug(host, mac="00:22:69:00:00:02", name="card2", route=False)
    host.start_daemon("identity")
    host.wait_for(("identity", "State", "signed-out"))
    macs = [host.run(["cat", f"/sys/class/net/{name}/address"]).stdout.strip() for name in ("card1-far", "card1")]
    wanted = macs[0] if int(host.run(["cat", "/sys/class/net/card1-far/ifindex"]).stdout) < int(
        host.run(["cat", "/sys/class/net/card1/ifindex"]).stdout) else macs[1]
    assert get(host, "Eui64").replace("-", "").replace("FFFE", "").lower() == wanted.replace(":", "")


def test_random_id_without_an_ethernet_interface(make_host):
    host = make_host("desktop")
    host.run(["ip", "tuntap", "add", "ppp0", "mode", "tun"])
    host.run(["ip", "link", "set", "ppp0", "up"])
    host.start_daemon("identity")
    host.wait_for(("identity", "State", "signed-out"))
    assert int(get(host, "Eui64")[:2], 16) & 3 == 0
    assert re.fullmatch(r"AutoTunnel(-[0-9A-F]{2}){8}", get(host, "TunnelLabel"))


def test_sign_in_makes_what_the_design_says(host):
    host.start_daemon("identity")
    host.bus.add_match()
    sign_in(host, password=PASSWORD + b"\n")
    changed = host.bus.wait_signal(lambda s: s.member == "PropertiesChanged" and s.values[1].get("SignedIn"))
    assert changed.values[1]["State"] == "signed-in"
    assert get(host, "State") == "signed-in" and get(host, "SignedIn") is True
    assert get(host, "Reason") == f"signed in as desktop.{ACCOUNT}"
    assert (get(host, "Account"), get(host, "Domain")) == ("alice", "members.example.org")
    key_name = get(host, "TsigKeyName")
    assert re.fullmatch(r"[0-9a-f]{16}\.desktop\." + re.escape(ACCOUNT), key_name)

    def expand(key, info):
        return HKDFExpand(hashes.SHA256(), 32, info).derive(hmac.digest(b"\0" * 32, key, "sha256"))
    master = Scrypt(salt=ACCOUNT.encode(), length=32, n=2**17, r=8, p=1).derive(PASSWORD)
    account_tsig = expand(master, b"homeward account tsig v1")
    host_tsig = expand(account_tsig, b"homeward host tsig v1 " + key_name.encode())
    assert tsig_key(host) == (key_name, "hmac-sha256", host_tsig)
    assert tsig_key(host, "homeward-watcher")[2] == host_tsig

    ppk_name, fd = as_user(host, "homeward-key", "GetPpk")
    assert (ppk_name, read_sealed(fd)) == (ACCOUNT, expand(master, b"homeward account ppk v1"))

    seed = expand(master, b"homeward account signing v1")
    signing = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key()
    account = x509.load_der_x509_certificate(get(host, "AccountCertificate"))
    raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
    assert account.public_key().public_bytes(*raw) == signing.public_bytes(*raw)
    signing.verify(account.signature, account.tbs_certificate_bytes)
    assert account.subject == account.issuer and account.subject.rfc4514_string() == f"CN={ACCOUNT} account"
    assert account.not_valid_before.year == 2020 and account.not_valid_after.year == 2120

    certificate = x509.load_der_x509_certificate(get(host, "Certificate"))
    signing.verify(certificate.signature, certificate.tbs_certificate_bytes)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        f"desktop.{ACCOUNT}", f"AutoTunnel-00-22-69-FF-FE-8E-34-2A.{ACCOUNT}"]
    assert isinstance(certificate.public_key().curve, ec.SECP256R1)
    signature = as_user(host, "homeward-key", "Sign", "ay", b"octets to sign")
    certificate.public_key().verify(signature, b"octets to sign", ec.ECDSA(hashes.SHA256()))


def test_every_host_derives_the_same_account_certificate(make_host):
    certificates = []
    for name, mac in ("desktop", "00:22:69:8e:34:2a"), ("laptop", "00:16:3e:00:00:01"):
        host = make_host(name)
        plug(host, mac=mac)
        host.start_daemon("identity")
        sign_in(host)
        certificates.append((get(host, "AccountCertificate"), get(host, "Certificate")))
    assert certificates[0][0] == certificates[1][0]
    assert certificates[0][1] != certificates[1][1]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_restart_keeps_the_account(host, how):
    host.start_daemon("identity")
    sign_in(host)
    names = "HostId", "HostName", "Account", "Domain", "TsigKeyName", "Certificate", "AccountCertificate", "State"
    before, secret = [get(host, name) for name in names], tsig_key(host)
    host.kill_daemon("identity", how)
    host.restart_daemon("identity")
    assert [get(host, name) for name in names] == before
    assert tsig_key(host) == secret


def test_after_a_reboot_with_another_card_label_and_certificate_agree(host):
    host.start_daemon("identity")
    sign_in(host)
    before = get(host, "HostId")
    host.stop_daemon("identity")
    os.unlink(host.path(RUNTIME + "/host-id"))
    host.batch(["link set eth0 down", "link set eth0 address 00:22:69:00:00:01", "link set eth0 up",
                "route add default via 192.168.1.1"])
    host.restart_daemon("identity")
    assert get(host, "TunnelLabel") == "AutoTunnel-00-22-69-FF-FE-8E-34-2A"
    after = ipaddress.IPv6Address(get(host, "HostId")).packed
    assert after[8:] == ipaddress.IPv6Address(before).packed[8:] and after[:8] != ipaddress.IPv6Address(before).packed[:8]


def test_a_state_file_cut_short_means_signed_out(host):
    host.start_daemon("identity")
    sign_in(host)
    host.stop_daemon("identity")
    path = host.path(STATE + "/credentials")
    os.truncate(path, os.stat(path).st_size - 1)
    host.restart_daemon("identity")
    assert get(host, "State") == "signed-out" and "cannot be read" in get(host, "Reason")
    sign_in(host)
    assert get(host, "State") == "signed-in"


def test_killed_while_signing_in_is_signed_out_or_in(host):
    host.start_daemon("identity")
    fd = pipe_with(PASSWORD)
    bus = host.connect_bus()
    thread = threading.Thread(target=lambda: pytest.raises((ConnectionError, BusError, TimeoutError), bus.call,
                                                           "org.homeward.Identity1", "/org/homeward/Identity1",
                                                           "org.homeward.Identity1", "SignIn", "sh",
                                                           "alice@members.example.org", fd))
    thread.start()
    host.wait_for(("identity", "State", "signing-in"))
    host.kill_daemon("identity")
    thread.join()
    bus.close()
    os.close(fd)
    host.restart_daemon("identity")
    assert get(host, "State") == "signed-out" and get(host, "Certificate") == b""
    sign_in(host)


def test_what_a_killed_sign_in_left_is_removed(host):
    """Killed between writing the file and giving it its name."""
    host.start_daemon("identity")
    sign_in(host)
    host.stop_daemon("identity")
    unfinished = host.path(STATE + "/credentials.new")
    os.rename(host.path(STATE + "/credentials"), unfinished)
    with open(unfinished, "rb") as left:
        host.restart_daemon("identity")
        assert get(host, "State") == "signed-out" and not os.path.exists(unfinished)
        assert not any(left.read()), "overwritten too"
    sign_in(host)
    with open(unfinished, "wb") as left:
        left.write(b"keys")
    owner = os.stat(host.path(STATE))
    os.chown(unfinished, owner.st_uid, owner.st_gid)
    host.call("identity", "SignOut")
    assert os.listdir(host.path(STATE)) == ["machine-tag"]


def test_sign_out_forgets_but_the_machine_stays_itself(host):
    host.start_daemon("identity")
    sign_in(host)
    key_name, host_id = get(host, "TsigKeyName"), get(host, "HostId")
    host.call("identity", "SignOut")
    assert get(host, "State") == "signed-out" and get(host, "TsigKeyName") == "" and get(host, "Certificate") == b""
    assert not os.path.exists(host.path(STATE + "/credentials"))
    assert get(host, "HostId") == host_id
    refused("NotSignedIn", host.call, "identity", "SignOut")
    refused("NotSignedIn", as_user, host, "homeward-registrar", "GetTsigKey")
    refused("NotSignedIn", as_user, host, "homeward-key", "Sign", "ay", b"x")
    host.restart_daemon("identity")
    assert get(host, "State") == "signed-out"
    sign_in(host)
    # The machine's digits stay, those of the sign-in's time do not go back.
    assert get(host, "TsigKeyName")[:8] == key_name[:8] and get(host, "TsigKeyName") >= key_name


def test_arguments_are_checked(host):
    host.start_daemon("identity")
    for account in "alice", "", "alice@", "@members.example.org", "al ice@members.example.org", "a@b", "a.b@c.d@e.f", \
            "a" * 64 + "@members.example.org", "alice@" + "x." * 125 + "org", "-a@members.example.org":
        assert "alice@members.example.org" in refused("InvalidArgument", sign_in, host, account)
    assert "empty" in refused("InvalidArgument", sign_in, host, password=b"")
    assert "empty" in refused("InvalidArgument", sign_in, host, password=b"\n")
    assert "1024" in refused("InvalidArgument", sign_in, host, password=b"x" * 1025)
    assert get(host, "State") == "signed-out"
    sign_in(host, "ALICE.Members.Example.ORG.", b"x" * 1024 + b"\n")
    assert get(host, "Account") == "alice" and get(host, "Domain") == "members.example.org"
    refused("AlreadySignedIn", sign_in, host)
    refused("AlreadySignedIn", host.call, "identity", "SetHostName", "s", "other")
    refused("InvalidArgument", as_user, host, "homeward-key", "Sign", "ay", b"")
    refused("InvalidArgument", as_user, host, "homeward-key", "Sign", "ay", b"x" * 65537)
    assert as_user(host, "homeward-key", "Sign", "ay", b"x" * 65536)
    counters = get(host, "Counters")
    assert counters["SignIns"] == 1 and counters["Signatures"] == 1 and counters["SignaturesRefused"] == 2
    assert counters["SignInsRefused"] == 14


def test_busy_while_the_password_has_not_ended(host):
    host.start_daemon("identity")
    read, write = os.pipe()
    os.write(write, PASSWORD[:5])
    bus = host.connect_bus()
    answer = []
    thread = threading.Thread(target=lambda: answer.append(
        bus.call("org.homeward.Identity1", "/org/homeward/Identity1", "org.homeward.Identity1", "SignIn", "sh",
                 "alice@members.example.org", read)))
    thread.start()
    host.wait_for(("identity", "State", "signing-in"))
    refused("Busy", sign_in, host)
    refused("Busy", host.call, "identity", "SignOut")
    refused("Busy", host.call, "identity", "SetHostName", "s", "other")
    refused("NotSignedIn", as_user, host, "homeward-registrar", "GetTsigKey")
    os.write(write, PASSWORD[5:])
    os.close(write)
    thread.join()
    assert answer == [None] and get(host, "State") == "signed-in"
    bus.close()
    os.close(read)


def test_a_password_that_never_ends_is_given_up(host):
    host.start_daemon("identity", "[identity]\npassword-timeout = 1\n")
    read, write = os.pipe()
    os.write(write, PASSWORD)
    assert "did not end" in refused("InvalidArgument", host.call, "identity", "SignIn", "sh", "alice@members.example.org",
                                    read)
    assert get(host, "State") == "signed-out" and get(host, "Counters")["SignInsRefused"] == 1
    os.close(read)
    os.close(write)
    sign_in(host)


def test_finishes_for_a_caller_that_left(host):
    host.start_daemon("identity")
    read, write = os.pipe()
    bus = host.connect_bus()
    with pytest.raises(TimeoutError):
        bus.call("org.homeward.Identity1", "/org/homeward/Identity1", "org.homeward.Identity1", "SignIn", "sh",
                 "alice@members.example.org", read, timeout=0)
    bus.close()
    host.wait_for(("identity", "State", "signing-in"))
    os.write(write, PASSWORD)
    os.close(write)
    host.wait_for(("identity", "State", "signed-in"))
    os.close(read)


def test_stops_at_once_though_a_password_is_awaited(host):
    host.start_daemon("identity")
    read, write = os.pipe()
    with host.connect_bus() as bus:
        with pytest.raises(TimeoutError):
            bus.call("org.homeward.Identity1", "/org/homeward/Identity1", "org.homeward.Identity1", "SignIn", "sh",
                     "alice@members.example.org", read, timeout=0)
        host.wait_for(("identity", "State", "signing-in"))
        assert host.stop_daemon("identity", timeout=4) == 0
    assert "<3>" not in host.log("identity"), "no error: it was asked to"
    os.close(read)
    os.close(write)


def test_password_from_a_memfd_and_from_a_bad_descriptor(host):
    host.start_daemon("identity")
    with open(os.devnull, "wb") as sink:
        refused("InvalidArgument", host.call, "identity", "SignIn", "sh", "alice@members.example.org", sink.fileno())
    fd = os.memfd_create("password")
    os.write(fd, PASSWORD)
    os.lseek(fd, 0, os.SEEK_SET)
    host.call("identity", "SignIn", "sh", "alice@members.example.org", fd)
    os.close(fd)
    assert get(host, "State") == "signed-in"


def test_host_name(host):
    host.start_daemon("identity")
    for name in "", "a.b", "-a", "a-", "a_b", "x" * 64, "ä", "autotunnel-00":
        refused("InvalidArgument", host.call, "identity", "SetHostName", "s", name)
    host.call("identity", "SetHostName", "s", "Laptop-2")
    assert get(host, "HostName") == "laptop-2"
    host.restart_daemon("identity")
    assert get(host, "HostName") == "laptop-2"
    sign_in(host)
    assert f"laptop-2.{ACCOUNT}" in get(host, "TsigKeyName")
    host.stop_daemon("identity")
    host.start_daemon("identity", "[identity]\nhost-name = other\n")
    assert get(host, "HostName") == "laptop-2", "the certificate's name wins while signed in"
    host.call("identity", "SignOut")
    assert get(host, "HostName") == "other"
    assert "configuration" in refused("InvalidArgument", host.call, "identity", "SetHostName", "s", "third")


def test_policy_gives_secrets_to_one_daemon_each(host):
    host.start_daemon("identity")
    sign_in(host)
    denied = "org.freedesktop.DBus.Error.AccessDenied"
    for method, arguments, allowed in (
            ("Sign", ("ay", b"x"), {"homeward-key"}),
            ("GetTsigKey", (), {"homeward-registrar", "homeward-watcher"}),
            ("GetPpk", (), {"homeward-key"}),
            ("SignOut", (), set()), ("SetHostName", ("s", "x"), set())):
        for user in "homeward-key", "homeward-registrar", "homeward-watcher", "homeward-tunnel", "homeward-mapper", 65534:
            if user not in allowed:
                with pytest.raises(BusError) as error:
                    as_user(host, user, method, *arguments)
                assert error.value.name == denied, (user, method)
    for method, arguments in ("Sign", ("ay", b"x")), ("GetTsigKey", ()), ("GetPpk", ()):
        with pytest.raises(BusError) as error:
            as_user(host, None, method, *arguments)
        assert error.value.name == denied, method
    with host.connect_bus(65534) as bus:
        assert bus.get("org.homeward.Identity1", "/org/homeward/Identity1", "org.homeward.Identity1", "SignedIn")


def test_nothing_secret_is_left_in_files_logs_or_sight(host):
    host.start_daemon("identity", arguments=["--config", "/etc/homeward/identity.conf", "--debug"])
    sign_in(host)
    _, _, secret = tsig_key(host)
    account_tsig_parts = [PASSWORD]
    pid = host.daemon_pid("identity")
    for name in "cmdline", "environ":
        with open(f"/proc/{pid}/{name}", "rb") as file:
            assert PASSWORD not in file.read()
    log = host.log("identity").encode()
    for needle in account_tsig_parts + [secret, secret.hex().encode(), b"PRIVATE"]:
        assert needle not in log
    for folder in STATE, RUNTIME:
        status = os.stat(host.path(folder))
        assert stat.S_IMODE(status.st_mode) == 0o700
        for entry in os.listdir(host.path(folder)):
            path = host.path(f"{folder}/{entry}")
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
            with open(path, "rb") as file:
                assert PASSWORD not in file.read()
    assert sorted(os.listdir(host.path(STATE))) == ["credentials", "machine-tag"]


def memory(pid):
    """All that the process can read of itself."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            start, end = (int(n, 16) for n in line.split()[0].split("-"))
            if line.split()[1].startswith("rw") and end - start < 1 << 30:
                try:
                    mem.seek(start)
                    yield mem.read(end - start)
                except (OSError, ValueError):
                    pass


def test_account_secrets_are_wiped_from_memory(host):
    host.start_daemon("identity")
    sign_in(host)

    def expand(key, info):
        return HKDFExpand(hashes.SHA256(), 32, info).derive(hmac.digest(b"\0" * 32, key, "sha256"))
    master = Scrypt(salt=ACCOUNT.encode(), length=32, n=2**17, r=8, p=1).derive(PASSWORD)
    wiped = {"password": PASSWORD, "master": master, "account key": expand(master, b"homeward account tsig v1"),
             "seed": expand(master, b"homeward account signing v1")}
    _, _, host_secret = tsig_key(host)
    found, control = set(), False
    for region in memory(host.daemon_pid("identity")):
        found |= {name for name, octets in wiped.items() if octets in region}
        control |= host_secret in region
    assert control, "the search sees the process's memory"
    assert not found


def test_bad_configuration_is_one_line(host):
    for config, line, words in (("[identity]\nhost_name = x\n", 2, "unknown key"),
                                ("[identity]\n\nhost-name = a.b\n", 3, "letters, digits"),
                                ("[identity]\nkeep-host-id = maybe\n", 2, "yes or no"),
                                ("nonsense\n", 1, "expected")):
        host.write("/etc/homeward/identity.conf", config)
        result = host.run([host.program("identity"), "--config", "/etc/homeward/identity.conf"], check=False)
        assert result.returncode == 1
        assert result.stderr.count("\n") == 1
        assert f"/etc/homeward/identity.conf:{line}: " in result.stderr and words in result.stderr


def test_an_uncommon_host_name_becomes_a_label(host):
    host.run("echo My_Machine.local >/proc/sys/kernel/hostname")
    host.start_daemon("identity")
    assert get(host, "HostName") == "my-machine"
    host.stop_daemon("identity")
    host.run("echo localhost >/proc/sys/kernel/hostname")
    host.restart_daemon("identity")
    assert re.fullmatch(r"host-[0-9a-f]{8}", get(host, "HostName"))
