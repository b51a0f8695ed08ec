# SPDX-License-Identifier: LGPL-2.1-or-later
"""zoned's STUN beside coturn's: coturn's clients ask zoned, from the open internet and through NATs of two kinds."""
import re
import shutil

import pytest

from homeward_lab import Namespace, link, wait_until

ZONE = "members.example.org"
FIRST, SECOND = "11.0.0.53", "11.0.0.54"
PLAIN = f"[zone]\nname = {ZONE}\nserver-address = {FIRST}\n"
TWO = PLAIN + f"[stun]\naddress = {FIRST}\nalternate-address = {SECOND}\n"

pytestmark = pytest.mark.skipif(not shutil.which("turnutils_natdiscovery"), reason="coturn is not installed")


@pytest.fixture
def make_server(make_host, make_internet):
    """make_server(config) -> a host on the internet with two addresses, where zoned runs."""
    def make(config, internet=None):
        host = make_host("server", bus=False)
        host.attach_internet(internet or make_internet(), FIRST)
        host.run(["ip", "address", "add", f"{SECOND}/16", "dev", "eth0"])
        host.start_daemon("zoned", config)
        return host
    return make


def metrics(server):
    text = server.run(server.as_user("homeward-zone") + ["/run/lab/bin/zonectl", "--config", "/etc/homeward/zoned.conf",
                                                         "status"],
                      env=server.sanitizer_environment("zonectl")).stdout
    return {name: int(value) for name, value in (line.split() for line in text.splitlines()) if name.startswith("Stun")}


class Client(Namespace):
    """Behind a gateway: a machine with nothing of homeward on it."""

    def __init__(self, gateway):
        super().__init__("client")
        self.wait_ready()
        self.address = gateway.lease("client")
        link(self, "eth0", gateway, "p-client")
        gateway.batch(["link set p-client master br-lan up"])
        self.batch([f"address add {self.address}/24 dev eth0", "link set eth0 up",
                    f"route add default via {gateway.lan_address}"])


@pytest.fixture
def make_client():
    made = []

    def make(gateway):
        made.append(Client(gateway))
        return made[-1]
    yield make
    for client in made:
        client.close()


def ask(host, *words, timeout=60):
    return host.run([*words], check=False, timeout=timeout).stdout


def test_plain(make_server):
    """One address: others' addresses told, behaviour not; and the zone says where."""
    server = make_server(PLAIN)
    text = ask(server, "turnutils_stunclient", FIRST)
    assert f"UDP reflexive addr: {FIRST}:" in text, text
    assert "RFC 5780" not in text, text
    # The way there, for resolvers that go label by label; nothing else below the zone is told to strangers.
    assert "NOERROR" in server.run(["dig", f"@{FIRST}", f"_udp.{ZONE}", "A"]).stdout
    assert "REFUSED" in server.run(["dig", f"@{FIRST}", f"_tcp.{ZONE}", "A"]).stdout
    assert "REFUSED" in server.run(["dig", f"@{FIRST}", f"x._udp.{ZONE}", "A"]).stdout
    answer = server.run(["dig", f"@{FIRST}", "+short", f"_stun._udp.{ZONE}", "SRV"]).stdout
    assert answer == f"0 0 3478 ns.{ZONE}.\n"
    counters = metrics(server)
    assert counters["StunRequests"] == counters["StunAnswers"] > 0
    assert counters["StunMalformed"] == 0


def test_port_taken(make_host, make_internet):
    """Somebody else answers STUN on this machine: zoned says so, leaves it to him, and out of the zone."""
    host = make_host("server", bus=False)
    host.attach_internet(make_internet(), FIRST)
    holder = host.popen(["/usr/bin/python3", "-c", "import signal, socket; s = socket.socket(socket.AF_INET, "
                         "socket.SOCK_DGRAM); s.bind(('', 3478)); print('bound', flush=True); signal.pause()"], stdout=-1)
    assert holder.stdout.readline() == b"bound\n"
    host.start_daemon("zoned", PLAIN)
    assert "no STUN: say in [stun]" in host.log("zoned")
    assert host.run(["dig", f"@{FIRST}", "+short", f"_stun._udp.{ZONE}", "SRV"]).stdout == ""
    host.stop_daemon("zoned")
    # Who wants it there gets it or hears of it.
    process = host.start_daemon("zoned", PLAIN + f"[stun]\naddress = {FIRST}\n", wait=False)
    assert process.wait(60) == 1
    assert "cannot answer STUN as [stun] says: Address already in use" in host.log("zoned")
    holder.end()


def test_behaviour_on_the_internet(make_server):
    """coturn's client finds all four of the sockets, and no NAT."""
    server = make_server(TWO)
    text = ask(server, "turnutils_stunclient", "-f", FIRST)
    assert "RFC 5780 response" in text, text
    assert f"Response origin: : {FIRST}:3478" in text and f"Other addr: : {SECOND}:3479" in text, text
    text = ask(server, "turnutils_natdiscovery", "-m", "-f", FIRST)
    assert "Endpoint Independent Filtering" in text, text
    assert metrics(server)["StunChanged"] > 0


@pytest.mark.parametrize("kind, mapping", [("plain", "Endpoint Independent Mapping"),
                                           ("symmetric", "Address and Port Dependent Mapping")])
def test_behaviour_through_nat(make_gateway, make_server, make_client, kind, mapping):
    gateway = make_gateway("A", 1, kind=kind)
    server = make_server(TWO, gateway.internet)
    client = make_client(gateway)
    text = ask(client, "turnutils_natdiscovery", "-m", "-f", FIRST)
    assert f"NAT with {mapping}!" in text, text
    assert "NAT with Address and Port Dependent Filtering!" in text, text
    assert re.search(rf"reflexive addr: {gateway.wan_address}:\d+", text), text
    assert metrics(server)["StunMalformed"] == 0


def test_padding_and_lifetime(make_gateway, make_server, make_client):
    """PADDING beyond what a packet holds, and RESPONSE-PORT."""
    gateway = make_gateway("A", 1, kind="plain")
    server = make_server(TWO, gateway.internet)
    client = make_client(gateway)
    text = ask(client, "turnutils_natdiscovery", "-m", "-P", FIRST)
    assert "NAT with Endpoint Independent Mapping!" in text, text
    # Its answer is sent to the port that another socket of the client was seen at.
    ask(client, "turnutils_natdiscovery", "-t", "-T", "1", FIRST)
    assert metrics(server)["StunRedirected"] > 0
    assert metrics(server)["StunMalformed"] == 0


_HOSTILE = """
import os, random, socket, struct, sys
random.seed(int(sys.argv[2]))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 3478))
good = struct.pack("!HHI", 1, 0, 0x2112a442) + bytes(12)
for i in range(2000):
    kind = i % 4
    octets = bytearray(good + bytes(random.randrange(256) for _ in range(4 * random.randrange(8))))
    if kind == 0:
        octets[2:4] = struct.pack("!H", len(octets) - 20)
    elif kind == 1:
        octets = bytearray(random.randrange(256) for _ in range(random.randrange(1400)))
    elif kind == 2:
        octets[random.randrange(len(octets))] ^= 1 << random.randrange(8)
    else:
        octets = octets[:random.randrange(len(octets))]
    try:
        s.send(octets)
    except OSError:
        pass
"""


def test_hostile(make_server):
    """Thousands of strange datagrams: counted, most without an answer, and who is alone with his address is answered."""
    server = make_server(TWO)
    server.run(["python3", "-c", _HOSTILE, FIRST, "1"])
    server.run(["python3", "-c", _HOSTILE, SECOND, "2"])
    wait_until(lambda: metrics(server)["StunMalformed"] > 1000, 10, "all of them counted")
    counters = metrics(server)
    # A burst, and what a second or two more allow.
    assert counters["StunAnswers"] < 64 + 32 * 10
    assert counters["StunAnswers"] + counters["StunLimited"] == counters["StunRequests"]
    server.run(["ip", "address", "add", "11.0.0.55/16", "dev", "eth0"])
    assert "UDP reflexive addr: 11.0.0.55:" in ask(server, "turnutils_stunclient", "-L", "11.0.0.55", FIRST)


# mapper asks coturn's server ------------------------------------------------------------------------------

_TURNSERVER = f"""listening-ip={FIRST}
listening-ip={SECOND}
stun-only
no-tcp
no-tls
no-dtls
no-cli
log-file=stdout
pidfile=/run/lab/turnserver.pid
userdb=/run/lab/turndb
"""


@pytest.fixture
def coturn(make_host):
    """coturn(internet, more="") -> the host where turnserver answers STUN on two addresses."""
    if not shutil.which("turnserver"):
        pytest.skip("turnserver is not installed")
    running = []

    def make(internet, more=""):
        host = make_host("coturn", bus=False)
        host.attach_internet(internet, FIRST)
        host.run(["ip", "address", "add", f"{SECOND}/16", "dev", "eth0"])
        host.write("/run/lab/turnserver.conf", _TURNSERVER + more)
        with open(host.path("/run/lab/turnserver.log"), "wb") as log:
            running.append(host.popen(["turnserver", "-c", "/run/lab/turnserver.conf"], stdout=log, stderr=log))
        wait_until(lambda: "UDP listener opened on" in host.read("/run/lab/turnserver.log") or
                   f"{FIRST}:3478" in host.run(["ss", "-Hlnu"]).stdout, 20, "turnserver")
        return host
    yield make
    for process in running:
        process.kill()


def ask_by_mapper(host, gateway, **wanted):
    host.move(gateway)
    host.start_daemon("mapper", f"[stun]\nservers = {FIRST}\n")
    seen = {}

    def holds():
        seen.update(host.get_properties("mapper"))
        return all(seen[name] == value for name, value in wanted.items())
    try:
        wait_until(holds, 40)
    except TimeoutError:
        raise AssertionError(f"wanted {wanted}, seen {seen}") from None
    assert seen["StunServer"] == f"{FIRST}:3478"
    assert seen["ReflexiveAddress"] == gateway.wan_address
    assert seen["Counters"]["StunAnswersMalformed"] == seen["Counters"]["StunAnswersForeign"] == 0
    return seen


@pytest.mark.parametrize("kind, mapping, verified",
                         [("igd", "endpoint-independent", "yes"), ("plain", "endpoint-independent", "unknown"),
                          ("symmetric", "address-and-port-dependent", "unknown")])
def test_mapper_asks_coturn(make_gateway, coturn, make_host, kind, mapping, verified):
    """Reflexive address, RFC 5780, and RESPONSE-PORT as others made them."""
    gateway = make_gateway("A", 1, kind=kind)
    coturn(gateway.internet)
    ask_by_mapper(make_host("desktop"), gateway, NatMapping=mapping, NatFiltering="address-and-port-dependent",
                  Verified=verified)


def test_mapper_asks_plain_coturn(make_gateway, coturn, make_host):
    """A server without RFC 5780 refuses RESPONSE-PORT: nothing is claimed."""
    gateway = make_gateway("A", 1)
    coturn(gateway.internet, "no-rfc5780\n")
    host = make_host("desktop")
    seen = ask_by_mapper(host, gateway, NatKind="nat", ReflexiveAddress=gateway.wan_address)
    wait_until(lambda: not gateway.mappings() and
               host.get_property("mapper", "Counters")["MappingsRemoved"] > 0, 20, "the proof is over")
    seen = host.get_properties("mapper")
    assert seen["Verified"] == seen["NatMapping"] == seen["NatFiltering"] == "unknown"
