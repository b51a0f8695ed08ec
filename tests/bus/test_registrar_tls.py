# SPDX-License-Identifier: LGPL-2.1-or-later
"""registrar's way to the server by TLS, its neighbours and the zone's server played by the test."""
import dns.opcode
import dns.rdatatype
import pytest

from fake_zone import ADDRESS, PORT, TlsServer, TlsZone, fake_identity, fake_mapper, move

CONFIG = f"[server]\naddress = {ADDRESS}\nport = {PORT}\n%s[registration]\nstartup-delay-msec = 0\n"


@pytest.fixture
def host(make_host):
    return make_host("desktop")


@pytest.fixture
def zone(host):
    zone = TlsZone(host)
    yield zone
    zone.close()


def start(host, settings=""):
    neighbours = fake_identity(host), fake_mapper(host)
    host.start_daemon("registrar", CONFIG % settings)
    return neighbours


def get(host, name):
    return host.get_property("registrar", name)


def wait_state(host, state):
    host.wait_for(("registrar", "State", state), 30)


def in_clear(zone):
    return [r for r in zone.requests if r and r.tcp != "tls" and r.message.opcode() == dns.opcode.UPDATE]


def asked(zone):
    return [(r.message.question[0].name.to_text().split(".alice.")[0], dns.rdatatype.to_text(r.message.question[0].rdtype))
            for r in zone.requests if r and r.message.opcode() == dns.opcode.QUERY]


def test_updates_go_by_tls(host, zone):
    identity, mapper = start(host)
    update = zone.wait_update()
    assert update.tcp == "tls" and len(update.octets) % 128 == 0 and any(o.otype == 12 for o in update.message.options)
    wait_state(host, "published")
    assert get(host, "Published")[3] == f"{ADDRESS}:{zone.tls.port}"
    assert asked(zone) == [("_dns-update-tls._udp", "SRV"), ("ns", "A"), (f"_{zone.tls.port}._tcp.ns", "TLSA")]
    # The network changed: a connection of its own, at once, to the server that is known.
    n = len(zone.requests)
    move(mapper, 2, "198.51.100.7")
    zone.wait_update(after=n)
    host.wait_for(lambda: get(host, "Published")[0] == 2)
    # More only where an answer was waited for too long.
    assert zone.tls.n_connections >= 2 and not in_clear(zone)
    host.stop_daemon("registrar")
    assert zone.wait_update(withdrawal=True).tcp == "tls" and not in_clear(zone)


def test_the_other_spelling(host, zone):
    zone.records["_dns-update-tls._tcp", "SRV"] = zone.records.pop(("_dns-update-tls._udp", "SRV"))
    start(host)
    wait_state(host, "published")
    assert asked(zone)[:2] == [("_dns-update-tls._udp", "SRV"), ("_dns-update-tls._tcp", "SRV")] and not in_clear(zone)


def test_no_tls_no_update(host, zone):
    del zone.records["_dns-update-tls._udp", "SRV"]
    start(host)
    wait_state(host, "retrying")
    assert "the account's domain names no server for TLS" in get(host, "Reason") and not in_clear(zone)


def test_preferred_means_also_without(host, zone):
    del zone.records["_dns-update-tls._udp", "SRV"]
    start(host, "encryption = preferred\n")
    wait_state(host, "published")
    assert in_clear(zone) and get(host, "Published")[3] == f"{ADDRESS}:{PORT}"


def test_preferred_but_nobody_listens(host, zone):
    zone.records["_dns-update-tls._udp", "SRV"] = ["0 0 9999 ns"]
    start(host, "encryption = preferred\n")
    wait_state(host, "published")
    assert in_clear(zone)


def test_a_lost_connection(host, zone):
    zone.tls.cut = 1
    start(host)
    wait_state(host, "published")
    assert zone.tls.n_connections >= 2 and not in_clear(zone)


def test_right_pin_and_wrong_pin(host, zone):
    zone.records[f"_{zone.tls.port}._tcp.ns", "TLSA"] = ["3 1 1 " + "00" * 32]
    start(host, f"pin = sha256/{'A' * 43}=\npin = {zone.tls.pin}\n")
    wait_state(host, "published")
    host.stop_daemon("registrar")
    host.start_daemon("registrar", CONFIG % f"pin = sha256/{'A' * 43}=\n")
    wait_state(host, "untrusted-server")
    assert get(host, "Reason") == (f"the server's certificate has pin {zone.tls.pin}, none of the pins configured in "
                                   "/etc/homeward/registrar.conf: if its key was changed on purpose, put this pin there")


def test_a_certificate_nobody_vouches_for(host, zone):
    del zone.records[f"_{zone.tls.port}._tcp.ns", "TLSA"]
    start(host, "encryption = preferred\n")
    wait_state(host, "untrusted-server")
    assert "self-signed" in get(host, "Reason") and zone.tls.pin in get(host, "Reason")
    assert not [r for r in zone.requests if r.message.opcode() == dns.opcode.UPDATE]


def test_no_word_about_the_certificate(host, zone):
    """Who keeps the word from us does not leave it to the authorities."""
    take = zone.take_query
    zone.take_query = lambda message: None if message.question[0].rdtype == dns.rdatatype.TLSA else take(message)
    start(host)
    host.wait_for(("registrar", "State", "unreachable"), 40)
    assert f"does not answer for _{zone.tls.port}._tcp.ns." in get(host, "Reason") and not zone.tls.connections
    zone.take_query = take
    wait_state(host, "published")


def test_a_tls_server_that_answers_no_questions(host, zone):
    other = TlsServer(host, lambda octets, source: zone._take(octets, source, "tls"), address="127.0.0.9")
    zone.records["_dns-update-tls._udp", "SRV"] = ["0 0 8853 other"]
    zone.records["other", "A"] = ["127.0.0.9"]
    zone.records["_8853._tcp.other", "TLSA"] = ["3 1 1 " + other.digest.hex()]
    start(host)
    wait_state(host, "published")
    assert get(host, "Published")[3] == "127.0.0.9:8853"
    other.close()


def test_a_wrong_certificate_and_a_server_that_is_not_there(host, zone):
    """Who shows a wrong certificate can keep us from the other servers, too."""
    zone.records["_dns-update-tls._udp", "SRV"] = [f"0 0 {zone.tls.port} ns", "1 0 9999 ns"]
    zone.records[f"_{zone.tls.port}._tcp.ns", "TLSA"] = ["3 1 1 " + "00" * 32]
    start(host, "encryption = preferred\n")
    wait_state(host, "untrusted-server")
    assert zone.tls.pin in get(host, "Reason")
    assert not [r for r in zone.requests if r.message.opcode() == dns.opcode.UPDATE]


def test_a_new_certificate_is_found_by_its_record(host, zone):
    identity, mapper = start(host)
    wait_state(host, "published")
    zone.tls.drop_all()
    zone.tls.new_certificate()
    move(mapper, 2, "198.51.100.7")
    wait_state(host, "untrusted-server")
    assert zone.tls.pin in get(host, "Reason")
    zone.publish_pin()
    host.wait_for(lambda: get(host, "Published")[0] == 2, 30)


def test_the_next_server(host, zone):
    other = TlsServer(host, lambda octets, source: zone._take(octets, source, "tls"), port=8854)
    zone.records["_dns-update-tls._udp", "SRV"] = ["5 0 8854 other", "1 0 8855 ns"]
    zone.records["other", "A"] = [ADDRESS]
    zone.records["_8854._tcp.other", "TLSA"] = ["3 1 1 " + other.digest.hex()]
    start(host)
    wait_state(host, "published")
    assert get(host, "Published")[3] == f"{ADDRESS}:8854" and not in_clear(zone)
    other.close()


def test_wrong_settings(host):
    for text, words in (("encryption = perhaps", "tls"), ("pin = sha256/short", "base64"), ("pin = md5", "base64")):
        process = host.start_daemon("registrar", f"[server]\n{text}\n", wait=False)
        assert process.wait(60) == 1 and words in host.log_tail("registrar")
