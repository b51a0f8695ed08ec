# SPDX-License-Identifier: LGPL-2.1-or-later
"""tunneld on a bus of its own, its neighbours faked: two of them in two namespaces, with keys we know."""
import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from fakes import Fake
from homeward_lab import BusError, answered, complete, wait_until

ERROR = "org.homeward.Error."
IDS = {"desktop": "fd01:203:405:607:22:69ff:fe8e:342a", "laptop": "fda1:a2a3:a4a5:a6a7:216:3eff:fe00:1"}
PUBLIC = {"desktop": "11.0.1.10", "laptop": "11.0.2.20"}
ALGORITHMS = {"aes128gcm16": 20, "aes256gcm16": 36, "chacha20poly1305": 36}
HOST_INTERFACE = "org.homeward.Watcher1.Host"
PEER_INTERFACE = "org.homeward.Tunnel1.Peer"
SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def full_name(name):
    return f"{name}.alice.members.example.org"


def resent(one, other):
    """Packets that either sent twice. A silence of 100 ms is doubt, and a busy machine has such silences."""
    return sum(a.peer(b)["Counters"]["Resent"] for a, b in ((one, other), (other, one)))


class End:
    """A host with tunneld and the four who talk to it."""

    def __init__(self, host, internet, address=None):
        self.host, self.name = host, host.name
        self.internet, self.id = internet, IDS[self.name]
        self.generation = 0
        self.identity = Fake(host, "identity", {"State": ("s", "signed-in"), "HostId": ("s", self.id)})
        self.mapper = Fake(host, "mapper", {"State": ("s", "ready"), "NetworkGeneration": ("t", 0),
                                            "LocalAddress": ("s", "")},
                           {"AddMapping": lambda *a: ("o", "/org/homeward/Mapper1/mapping/1")})
        self.watcher = Fake(host, "llq-watcher", {"State": ("s", "watching")})
        self.keyd = Fake(host, "keyd")
        self.move(internet, address or PUBLIC[self.name])

    def move(self, internet, address, tell=True):
        self.host.attach_internet(internet, address)
        self.address = address
        if tell:
            self.tell_network()

    def tell_network(self, address=None):
        self.generation += 1
        self.mapper.change(NetworkGeneration=("t", self.generation),
                           LocalAddress=("s", self.address if address is None else address))

    def start(self, config="", **options):
        self.host.start_daemon("tunneld", config, **options)
        self.host.wait_for(("tunneld", "State", "ready"))
        self.wait_receiving()

    def wait_receiving(self):
        """The kernel receives for a new address some time after it has it, longer on a busy machine."""
        wait_until(lambda: "local" in self.host.run(["ip", "-6", "route", "get", addresses(self.host)[0]],
                                                check=False).stdout, 10, "local route")

    def see(self, other, generation=1, endpoint=None):
        """The zone has the other host."""
        self.watcher.add("/org/homeward/Watcher1/host/" + other.name, HOST_INTERFACE,
                         Name=("s", full_name(other.name)), HostId=("s", other.id),
                         Endpoint=("(sq)", endpoint or (other.address, 4500)), EndpointGeneration=("t", generation),
                         Live=("b", True))

    def see_again(self, other, generation, endpoint):
        self.watcher.change("/org/homeward/Watcher1/host/" + other.name, HOST_INTERFACE,
                            Endpoint=("(sq)", endpoint), EndpointGeneration=("t", generation))

    def call(self, method, signature="", *arguments):
        """As keyd, which alone may."""
        with self.host.connect_bus("homeward-key") as bus:
            return bus.call("org.homeward.Tunnel1", "/org/homeward/Tunnel1", "org.homeward.Tunnel1", method, signature,
                            *arguments)

    def install(self, other, spi_in, spi_out, key_in, key_out, initiator, algorithm="aes128gcm16", esn=True,
                endpoint=None):
        fd = sealed(key_in + key_out)
        try:
            return self.call("InstallSa", "ss(sq)uusbbh", full_name(other.name), other.id,
                             endpoint or (other.address, 4500), spi_in, spi_out, algorithm, esn, initiator, fd)
        finally:
            os.close(fd)

    def counters(self):
        return self.host.get_property("tunneld", "Counters")

    def peers(self):
        return self.host.get_objects("tunneld", PEER_INTERFACE)

    def peer(self, other):
        for properties in self.peers().values():
            if properties["HostId"] == other.id:
                return properties
        raise LookupError(other.name)

    def wait_peer(self, other, timeout=10, **wanted):
        def holds():
            peer = self.peer(other)
            return all(peer[name] == value for name, value in wanted.items())
        wait_until(holds, timeout, f"{self.name}: {other.name} with {wanted}")

    def wait_counter(self, name, at_least=1):
        wait_until(lambda: self.counters()[name] >= at_least, 10, f"{self.name}: {name} {at_least}")

    def timeline(self):
        return [words for _, _, words in self.host.get_property("tunneld", "Timeline")]

    def ping(self, other, *options, check=True):
        return self.host.run(["ping", "-n", "-c", "1", "-W", "60", *options, other.id], check=check, timeout=120)


def sealed(octets, seals=SEALS):
    fd = os.memfd_create("keys", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    os.write(fd, octets)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


class Keys:
    """One negotiation's outcome, known to us."""

    last_spi = 0x40000000

    def __init__(self, algorithm="aes128gcm16", esn=True):
        self.algorithm, self.esn = algorithm, esn
        Keys.last_spi += 2
        self.spis = Keys.last_spi, Keys.last_spi + 1
        self.keymats = os.urandom(ALGORITHMS[algorithm]), os.urandom(ALGORITHMS[algorithm])

    def install(self, initiator, responder, responder_first=True):
        """spis[0] and keymats[0] are for what comes to the initiator."""
        def at_responder():
            responder.install(initiator, self.spis[1], self.spis[0], self.keymats[1], self.keymats[0], False,
                              self.algorithm, self.esn)
        if responder_first:
            at_responder()
        initiator.install(responder, self.spis[0], self.spis[1], self.keymats[0], self.keymats[1], True,
                          self.algorithm, self.esn)
        if not responder_first:
            at_responder()

    def seal(self, to_initiator, sequence, payload, next_header=41):
        """A packet, by an implementation that is not ours."""
        which = 0 if to_initiator else 1
        key, salt = self.keymats[which][:-4], self.keymats[which][-4:]
        cipher = (ChaCha20Poly1305 if self.algorithm.startswith("chacha") else AESGCM)(key)
        padding = bytes(range(1, -(len(payload) + 2) % 4 + 1))
        text = payload + padding + bytes([len(padding), next_header])
        iv = struct.pack("!Q", sequence + (1 << 40))
        aad = struct.pack("!IQ" if self.esn else "!II", self.spis[which], sequence)
        head = struct.pack("!II", self.spis[which], sequence & 0xFFFFFFFF)
        return head + iv + cipher.encrypt(salt + iv, text, aad)


@pytest.fixture
def internet(make_internet):
    internet = make_internet()
    internet.wait_ready()
    return internet


@pytest.fixture
def ends(make_host, internet):
    """desktop and laptop on the internet, tunneld running on both, seeing each other."""
    made = [End(make_host(name), internet) for name in ("desktop", "laptop")]
    desktop, laptop = made
    desktop.see(laptop)
    laptop.see(desktop)
    for end in made:
        end.start()
    desktop.wait_peer(laptop, State="idle")
    laptop.wait_peer(desktop, State="idle")
    yield made
    for end in made:
        for fake in end.identity, end.mapper, end.watcher, end.keyd:
            fake.close()


@pytest.fixture
def tunnel(ends):
    keys = Keys()
    keys.install(*ends)
    return (*ends, keys)


def send_raw(internet, address, datagrams, port=4500, source_port=4500):
    """From the internet's own address."""
    script = ("import socket, sys\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
              "s.bind(('', int(sys.argv[3])))\n"
              "for line in sys.stdin: s.sendto(bytes.fromhex(line), (sys.argv[1], int(sys.argv[2])))\n")
    internet.run(["/usr/bin/python3", "-c", script, address, str(port), str(source_port)],
                 input="".join(d.hex() + "\n" for d in datagrams))


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
@pytest.mark.parametrize("esn", [True, False])
def test_ping_through(ends, algorithm, esn):
    desktop, laptop = ends
    Keys(algorithm, esn).install(desktop, laptop)
    desktop.host.ping(laptop.id, "-i", "0.05", count=3)
    said = laptop.host.ping(desktop.id, "-i", "0.05", "-s", "1300", count=3)
    assert "DUP" not in said or resent(desktop, laptop), said
    for here, there in (desktop, laptop), (laptop, desktop):
        peer = here.peer(there)
        assert peer["State"] == "established" and len(peer["Spis"]) == 1
        assert peer["LastHandshake"] and peer["LastReceived"]
        assert peer["Counters"]["PacketsIn"] >= 6 and peer["Counters"]["PacketsOut"] >= 6
        counters = here.counters()
        assert not any(counters[n] for n in ("BadIcv", "Malformed", "Replayed", "WrongSelector", "TunErrors"))


# What it says and does on its own.

def test_state_and_properties(make_host, internet):
    host = make_host("desktop")
    host.start_daemon("tunneld")
    get = lambda name: host.get_property("tunneld", name)
    assert get("State") == "waiting-identity" and get("Reason")
    assert (get("Interface"), get("Address"), get("Port"), get("Datapath")) == ("homeward0", "", 4500, "user")
    identity = Fake(host, "identity", {"State": ("s", "signed-out"), "HostId": ("s", IDS["desktop"])})
    host.wait_for(("tunneld", "State", "signed-out"))
    assert addresses(host) == []
    identity.change(State=("s", "signed-in"))
    host.wait_for(("tunneld", "State", "waiting-mapper"))
    wait_until(lambda: get("Address") == IDS["desktop"] and addresses(host) == [IDS["desktop"]], what="the address")
    mapper = Fake(host, "mapper", {"State": ("s", "no-network"), "NetworkGeneration": ("t", 4),
                                   "LocalAddress": ("s", "")})
    host.wait_for(("tunneld", "State", "no-network"))
    host.attach_internet(internet, "11.0.1.10")
    mapper.change(State=("s", "ready"), NetworkGeneration=("t", 5), LocalAddress=("s", "11.0.1.10"))
    host.wait_for(("tunneld", "State", "ready"))
    assert get("Generation") == 5
    assert (5, "moved to 11.0.1.10") in [(g, words) for g, _, words in get("Timeline")]
    # An older word is not acted on.
    mapper.change(NetworkGeneration=("t", 3), LocalAddress=("s", "11.0.1.99"))
    mapper.change(NetworkGeneration=("t", 6), LocalAddress=("s", "11.0.1.10"))
    host.wait_for(("tunneld", "Generation", 6))
    assert "moved to 11.0.1.99" not in [words for _, _, words in get("Timeline")]
    identity.change(State=("s", "signed-out"))
    host.wait_for(("tunneld", "State", "signed-out"))
    wait_until(lambda: get("Address") == "" and addresses(host) == [], what="no address")
    # Without neighbours it keeps what it knew.
    identity.change(State=("s", "signed-in"))
    host.wait_for(("tunneld", "State", "ready"))
    identity.close()
    mapper.close()
    assert get("Address") == IDS["desktop"] and get("State") == "ready"


def addresses(host):
    text = host.run(["ip", "-6", "address", "show", "dev", "homeward0"], check=False).stdout
    return re.findall(r"inet6 ([0-9a-f:]+)/128", text)


def routes(host):
    text = host.run(["ip", "-6", "route", "show", "dev", "homeward0"], check=False).stdout
    return {line.split()[0]: line for line in text.splitlines() if line.startswith("fd")}


def test_asks_for_a_mapping_of_each_mapper(make_host):
    host = make_host("desktop")
    answers = [("error", "org.homeward.Error.Failed")]
    shows = {"State": ("s", "no-network"), "LocalAddress": ("s", "")}
    methods = {"AddMapping": lambda *a: answers.pop(0) if answers else ("o", "/org/homeward/Mapper1/mapping/1")}
    mapper = Fake(host, "mapper", shows, methods)
    host.start_daemon("tunneld", "[tunnel]\nport = 4501\n")
    wait_until(lambda: len(mapper.calls) == 2, 10, "asked again after an error")
    assert mapper.calls[1].values == ("tunnel", "udp", 4501, 4501, 0)
    mapper.close()
    mapper = Fake(host, "mapper", shows, methods)
    wait_until(lambda: len(mapper.calls) == 1, 10, "asked the next mapper")
    mapper.change(State=("s", "ready"))
    host.run(["true"])
    assert len(mapper.calls) == 1
    mapper.close()


@pytest.mark.parametrize("line, expected", [("port = 0", "1"), ("mtu = 9000", "1438"), ("mtu = 1279", "1280"),
                                            ("interface = a/b", "interface"), ("colour = red", "colour")])
def test_bad_configuration_is_one_line(make_host, line, expected):
    host = make_host("desktop")
    host.write("/etc/homeward/tunneld.conf", f"[tunnel]\n{line}\n")
    result = host.run(host.as_user("homeward-tunnel", ("net_admin",)) +
                      [host.program("tunneld"), "--config", "/etc/homeward/tunneld.conf"], check=False)
    assert result.returncode == 1
    complaint, = result.stderr.strip().splitlines()
    assert "tunneld.conf:2" in complaint and expected in complaint


def test_says_what_is_missing(make_host):
    host = make_host("desktop")
    host.run(["chmod", "600", "/dev/net/tun"])
    result = host.run(host.as_user("homeward-tunnel", ("net_admin",)) + [host.program("tunneld")], check=False)
    assert result.returncode == 1 and "/dev/net/tun" in result.stderr
    host.run(["chmod", "666", "/dev/net/tun"])
    result = host.run(host.as_user("homeward-tunnel") + [host.program("tunneld")], check=False)
    assert result.returncode == 1 and "CAP_NET_ADMIN" in result.stderr


def test_interface_address_and_routes(ends):
    desktop, laptop = ends
    assert addresses(desktop.host) == [desktop.id]
    link = desktop.host.run(["ip", "-d", "link", "show", "homeward0"]).stdout
    assert "mtu 1438" in link and "persist on" in link
    wait_until(lambda: set(routes(desktop.host)) == {laptop.id}, what="the route")
    assert f"src {desktop.id}" in routes(desktop.host)[laptop.id]
    got = desktop.host.run(["ip", "-6", "route", "get", laptop.id]).stdout
    assert "dev homeward0" in got and f"src {desktop.id}" in got
    # A host whose lease ended goes, and its route; one that the watcher cannot see now stays.
    desktop.watcher.change(State=("s", "retrying"))
    desktop.watcher.remove("/org/homeward/Watcher1/host/laptop")
    desktop.watcher.close()
    assert desktop.peer(laptop)
    desktop.watcher = Fake(desktop.host, "llq-watcher", {"State": ("s", "discovering")})
    assert desktop.peer(laptop)
    desktop.watcher.change(State=("s", "watching"))
    wait_until(lambda: not desktop.peers() and routes(desktop.host) == {}, 10, "peer gone")
    # Programs that still send to it do not reach the user's own network.
    assert laptop.id in desktop.host.run(["ip", "-6", "route", "show", "type", "unreachable"]).stdout
    # Its number is not used again.
    desktop.see(laptop)
    wait_until(desktop.peers, 10)
    assert list(desktop.peers()) == ["/org/homeward/Tunnel1/peer/2"]


def test_sigterm_takes_the_interface_away(ends):
    desktop, _ = ends
    assert desktop.host.stop_daemon("tunneld") == 0
    assert desktop.host.run(["ip", "link", "show", "homeward0"], check=False).returncode != 0


def test_interface_taken_away_is_made_again(ends):
    desktop, laptop = ends
    desktop.host.stop_daemon("tunneld")
    desktop.start(supervise=True)
    starts = desktop.host.daemons["tunneld"].starts
    desktop.host.batch(["link delete homeward0"])
    desktop.host.wait_restarted("tunneld", starts)
    assert desktop.host.daemons["tunneld"].statuses == [1]
    wait_until(lambda: addresses(desktop.host) == [desktop.id] and set(routes(desktop.host)) == {laptop.id}, 10)


def test_says_that_ipv6_is_disabled(make_host):
    host = make_host("desktop")
    host.run(["sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"])
    identity = Fake(host, "identity", {"State": ("s", "signed-in"), "HostId": ("s", IDS["desktop"])})
    host.start_daemon("tunneld")
    host.wait_for(("tunneld", "Reason", lambda reason: "disable_ipv6" in reason))
    identity.close()


# Security associations.

def test_install_errors(ends):
    desktop, laptop = ends

    def install(name=full_name("laptop"), host_id=laptop.id, endpoint=("11.0.2.20", 4500), spi_in=0x40000001,
                spi_out=0x40000002, algorithm="aes128gcm16", keys=bytes(40), seals=SEALS):
        fd = sealed(keys, seals)
        try:
            desktop.call("InstallSa", "ss(sq)uusbbh", name, host_id, endpoint, spi_in, spi_out, algorithm, True, True,
                         fd)
        finally:
            os.close(fd)

    for wrong in ({"name": ""}, {"name": "x" * 256}, {"host_id": "11.0.2.20"}, {"host_id": desktop.id},
                  {"endpoint": ("", 0)}, {"endpoint": ("11.0.2.20", 0)}, {"endpoint": ("0.0.0.0", 4500)},
                  {"spi_in": 0x3fffffff}, {"spi_out": 255}, {"algorithm": "null"}, {"keys": bytes(39)},
                  {"keys": bytes(41)}, {"algorithm": "aes256gcm16"}, {"seals": fcntl.F_SEAL_GROW}):
        with pytest.raises(BusError) as caught:
            install(**wrong)
        assert caught.value.name == ERROR + "InvalidArgument" and caught.value.message, wrong
    assert desktop.peer(laptop)["State"] == "idle"
    install()
    with pytest.raises(BusError) as caught:
        install()
    assert caught.value.name == ERROR + "AlreadyExists"
    for i in range(15):
        install(spi_in=0x40000100 + i)
    with pytest.raises(BusError) as caught:
        install(spi_in=0x40000200)
    assert caught.value.name == ERROR + "LimitsExceeded"
    assert len(desktop.peer(laptop)["Spis"]) == 16
    for spi in desktop.peer(laptop)["Spis"][:8]:
        desktop.call("RemoveSa", "u", spi)
    desktop.call("RemoveSa", "u", 0x40000001)
    assert desktop.peer(laptop)["Spis"]
    with pytest.raises(BusError) as caught:
        desktop.call("RemovePeerSas", "o", "/org/homeward/Tunnel1/peer/99")
    assert caught.value.name == ERROR + "NoSuchObject"
    path, = desktop.peers()
    desktop.call("RemovePeerSas", "o", path)
    assert desktop.peer(laptop)["State"] == "idle" and desktop.peer(laptop)["Spis"] == []


@pytest.mark.parametrize("user", [None, "homeward-registrar", "homeward-watcher"])
def test_only_keyd_may(ends, user):
    desktop, _ = ends
    for method, signature, arguments in (("OpenIkeChannel", "", ()), ("RemoveSa", "u", (1,)), ("RemovePeerSas", "o", ("/",)),
                                         ("AcquireFailed", "os", ("/", "x")), ("RetireSa", "u", (1,)),
                                         ("LimitSa", "utt", (1, 1, 1)), ("MoveSa", "u(sq)", (1, ("192.0.2.1", 1)))):
        with desktop.host.connect_bus(user) as bus, pytest.raises(BusError) as caught:
            bus.call("org.homeward.Tunnel1", "/org/homeward/Tunnel1", "org.homeward.Tunnel1", method, signature,
                     *arguments)
        assert caught.value.name == "org.freedesktop.DBus.Error.AccessDenied"


def test_peer_that_only_keyd_knows(ends):
    desktop, laptop = ends
    for end in ends:
        end.watcher.remove("/org/homeward/Watcher1/host/" + ("laptop" if end is desktop else "desktop"))
        wait_until(lambda end=end: not end.peers(), 10)
    keys = Keys()
    keys.install(desktop, laptop)
    desktop.ping(laptop)
    desktop.call("RemoveSa", "u", keys.spis[0])
    wait_until(lambda: not desktop.peers(), 10, "peer that nobody wants is gone")


def test_acquire_holds_packets_until_install(ends):
    desktop, laptop = ends
    desktop.host.bus.add_match()
    ping = desktop.host.popen(["ping", "-n", "-c", "3", "-i", "0.2", "-W", "60", laptop.id], stdout=-1)
    signal_ = desktop.host.bus.wait_signal(lambda s: s.member == "Acquire")
    path, = signal_.values
    assert desktop.peers()[path]["HostId"] == laptop.id
    desktop.wait_peer(laptop, State="acquiring")
    wait_until(lambda: desktop.peer(laptop)["Counters"]["Held"] >= 2, 10)
    Keys().install(desktop, laptop)
    text = ping.communicate(timeout=120)[0].decode()
    assert "3 received" in text and ("duplicates" not in text or resent(desktop, laptop)), text


def test_responder_holds_too(ends):
    desktop, laptop = ends
    ping = laptop.host.popen(["ping", "-n", "-c", "1", "-W", "60", desktop.id], stdout=-1)
    laptop.wait_peer(desktop, State="acquiring")
    Keys().install(desktop, laptop)
    text = ping.communicate(timeout=120)[0].decode()
    assert "1 received" in text and ("duplicates" not in text or resent(desktop, laptop)), text


def test_acquire_failed_says_unreachable(ends):
    desktop, laptop = ends
    for _ in range(2):
        ping = desktop.host.popen(["ping", "-n", "-c", "1", "-W", "60", laptop.id], stdout=-1)
        desktop.wait_peer(laptop, State="acquiring")
        path = next(iter(desktop.peers()))
        desktop.call("AcquireFailed", "os", path, "authentication failed")
        text = ping.communicate(timeout=120)[0].decode()
        assert "Address unreachable" in text, text
        assert desktop.peer(laptop)["State"] == "idle"
        assert desktop.peer(laptop)["LastError"] == "authentication failed"
    with pytest.raises(BusError) as caught:
        desktop.call("AcquireFailed", "os", "/org/homeward/Tunnel1/peer/99", "x")
    assert caught.value.name == ERROR + "NoSuchObject"


def test_unknown_destination_says_unreachable(ends):
    desktop, _ = ends
    desktop.host.batch(["route add fd99::/64 dev homeward0"])
    text = desktop.host.run(["ping", "-n", "-c", "1", "-W", "60", "fd99::1"], check=False).stdout
    assert "No route" in text
    desktop.wait_counter("UnknownDestination")


def test_rekey_loses_nothing(tunnel):
    desktop, laptop, _ = tunnel
    ping = desktop.host.popen(["ping", "-n", "-c", "300", "-i", "0.02", "-w", "60", laptop.id], stdout=-1)
    for round in range(6):
        wanted = 30 * (round + 1)
        wait_until(lambda: laptop.peer(desktop)["Counters"]["PacketsIn"] > wanted, 10)
        keys = Keys(("aes128gcm16", "chacha20poly1305")[round % 2])
        initiator, responder = (desktop, laptop) if round % 2 else (laptop, desktop)
        keys.install(initiator, responder)
        wait_until(lambda: initiator.peer(responder)["Spis"][0] == keys.spis[0], 10)
        wait_until(lambda: responder.peer(initiator)["Spis"][0] == keys.spis[1], 10)
    text = ping.communicate(timeout=120)[0].decode()
    assert answered(text) >= set(range(1, 301)), text
    assert "duplicates" not in text or resent(desktop, laptop), text
    assert len(desktop.peer(laptop)["Spis"]) == 7
    for spi in desktop.peer(laptop)["Spis"][1:]:
        desktop.call("RemoveSa", "u", spi)
    desktop.ping(laptop)


def test_removing_both_ends_makes_idle_and_acquires_anew(tunnel):
    desktop, laptop, keys = tunnel
    desktop.call("RemoveSa", "u", keys.spis[0])
    assert desktop.peer(laptop)["State"] == "idle"
    # The other side goes on sending on what we do not have.
    ping = laptop.host.popen(["ping", "-n", "-i", "0.2", desktop.id], stdout=subprocess.DEVNULL)
    desktop.wait_peer(laptop, State="acquiring")
    assert desktop.counters()["UnknownSpi"]
    ping.end()
    Keys().install(desktop, laptop)
    desktop.ping(laptop)


# What comes in.

def inner(source, destination, payload=b"homeward", next_header=59, first=0x60000000):
    return struct.pack("!IHBB", first, len(payload), next_header, 64) + socket.inet_pton(socket.AF_INET6, source) + \
        socket.inet_pton(socket.AF_INET6, destination) + payload


def test_malformed_forged_and_replayed_are_counted(tunnel, internet):
    desktop, laptop, keys = tunnel
    desktop.host.ping(laptop.id, "-i", "0.01", count=3)
    before, of_laptop = desktop.counters(), laptop.counters()["EspOut"]
    good = [keys.seal(True, n, inner(laptop.id, desktop.id)) for n in range(1000, 1004)]
    forged = bytearray(good[0])
    forged[-1] ^= 1
    send_raw(internet, desktop.address, [bytes([0xff]), b"", b"\x01", b"1234567", bytes(forged), good[0][:20],
                                         good[0][:-4], good[0], good[0], good[0],
                                         keys.seal(True, 1001, inner("fd00::1", desktop.id)),
                                         keys.seal(True, 1002, inner(laptop.id, "fd00::1")),
                                         keys.seal(True, 1003, b"\x45" + inner(laptop.id, desktop.id)[1:]),
                                         keys.seal(True, 1004, inner(laptop.id, desktop.id)[:30]),
                                         keys.seal(True, 1005, b"something", next_header=6),
                                         keys.seal(True, 1006, b"", next_header=59),
                                         b"\x40\x00\x00\x00" + bytes(60)])
    desktop.wait_counter("UnknownSpi", before["UnknownSpi"] + 1)
    after = desktop.counters()
    grown = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    # What laptop itself may have sent meanwhile: on a busy machine a silence is doubt, which is asked and answered.
    more = laptop.counters()["EspOut"] - of_laptop
    for name in "DummiesOut", "EspOut", *(("Resent", "PacketsIn", "PacketsOut", "Replayed") if more else ()):
        grown.pop(name, None)
    wanted = {"KeepalivesIn": 1, "Malformed": 3 + 1 + 3, "BadIcv": 2, "Replayed": 2, "WrongSelector": 2, "UnknownSpi": 1}
    assert 0 <= grown.pop("EspIn") - 7 <= more and 0 <= grown.pop("DummiesIn") - 1 <= more
    assert grown == {name: count for name, count in wanted.items() if name in grown or not more}, grown


def test_congestion_marks(tunnel, internet):
    """RFC 6040: out with the inner mark, in with the worse of both."""
    desktop, laptop, keys = tunnel
    dump = internet.popen(["tcpdump", "-i", "br0", "-n", "-v", "-l", "-c", "1",
                           f"udp port 4500 and src {desktop.address} and ip[1] & 3 == 2"], stdout=-1, stderr=-1)
    wait_until(lambda: b"listening" in dump.stderr.readline(), 10)
    # What else is in that octet is for nobody on the way.
    desktop.ping(laptop, "-Q", "0xba")
    assert b"tos 0x2,ECT(0)" in dump.communicate(timeout=120)[0]
    # Congestion on the way, which a packet that cannot say so does not survive.
    internet.run("nft -f -", input="table bridge lab {\nchain forward {\ntype filter hook forward priority 0\n"
                 "udp dport 4500 ip ecn set ce\n}\n}\n")
    before = laptop.counters()["CongestionDropped"]
    assert desktop.ping(laptop, "-W", "0.5", check=False).returncode == 1
    laptop.wait_counter("CongestionDropped", before + 1)
    assert desktop.ping(laptop, "-Q", "2").returncode == 0


def test_kernel_noise_is_dropped_quietly(ends):
    desktop, _ = ends
    desktop.host.run(["ping", "-n", "-c", "1", "-W", "0.1", "-I", "homeward0", "ff02::1"], check=False)
    desktop.wait_counter("NoiseDropped")
    assert desktop.counters()["SendErrors"] == 0


# Where the other one is.

def test_endpoint_follows_packets(tunnel, internet):
    desktop, laptop, _ = tunnel
    desktop.ping(laptop)
    # Nobody told laptop's daemon or the zone that it moved: its packets do.
    laptop.move(internet, "11.0.7.7", tell=False)
    laptop.ping(desktop)
    desktop.wait_peer(laptop, Endpoint=("11.0.7.7", 4500), EndpointSource="packet")
    assert "endpoint of laptop moved to 11.0.7.7:4500 (packet)" in desktop.timeline()
    desktop.ping(laptop)


def test_endpoint_follows_the_zone_when_it_changes(tunnel, internet):
    desktop, laptop, _ = tunnel
    assert desktop.peer(laptop)["EndpointSource"] == "ike"
    # The same endpoint again is no news, with whatever else changed.
    desktop.watcher.change("/org/homeward/Watcher1/host/laptop", HOST_INTERFACE, Since=("t", 5))
    # Both moved at once: nobody's packets arrive. Packets on the way are held and sent when the zone says where to.
    for side in desktop, laptop:
        os.kill(side.host.daemon_pid("tunneld"), signal.SIGSTOP)
    laptop.move(internet, "11.0.7.7", tell=False)
    desktop.move(internet, "11.0.8.8", tell=False)
    for side in desktop, laptop:
        os.kill(side.host.daemon_pid("tunneld"), signal.SIGCONT)
    laptop.tell_network()
    desktop.tell_network()
    ping = desktop.host.popen(["ping", "-n", "-c", "1", "-W", "60", laptop.id], stdout=-1)
    wait_until(lambda: desktop.peer(laptop)["Counters"]["Held"], 10)
    assert desktop.peer(laptop)["EndpointSource"] == "ike"
    desktop.see_again(laptop, 2, ("11.0.7.7", 4500))
    text = ping.communicate(timeout=120)[0].decode()
    assert "1 received" in text and ("duplicates" not in text or resent(desktop, laptop)), text
    # Its answer to desktop's packet found the way by that packet.
    assert desktop.peer(laptop)["EndpointSource"] == "dns"
    assert laptop.peer(desktop)["Endpoint"] == ("11.0.8.8", 4500)
    assert laptop.peer(desktop)["EndpointSource"] == "packet"
    # Repeated, also by a watcher that started anew, it does not move what a packet moved since.
    laptop.move(internet, "11.0.9.9")
    desktop.wait_peer(laptop, Endpoint=("11.0.9.9", 4500))
    desktop.watcher.close()
    desktop.watcher = Fake(desktop.host, "llq-watcher", {"State": ("s", "watching")})
    desktop.see(laptop, generation=3, endpoint=("11.0.7.7", 4500))
    desktop.see_again(laptop, 3, ("11.0.7.7", 4500))
    desktop.ping(laptop)
    assert desktop.peer(laptop)["Endpoint"] == ("11.0.9.9", 4500)


def settled_probes(here, there):
    """How many probes were sent when no more are."""
    def count():
        return here.peer(there)["Counters"]["ProbesSent"]
    seen = [count()]

    def is_settled():
        time.sleep(0.5)
        seen.append(count())
        return seen[-1] == seen[-2]
    wait_until(is_settled)
    return seen[-1]


def test_own_move_is_told_at_once(tunnel, internet):
    """No packet of anybody's is needed for the other side to learn it."""
    desktop, laptop, _ = tunnel
    laptop.move(internet, "11.0.7.7")
    desktop.wait_peer(laptop, Endpoint=("11.0.7.7", 4500), EndpointSource="packet")
    wait_until(lambda: any(re.fullmatch(r"first packet from desktop again after \d+ ms", words)
                           for words in laptop.timeline()), 10, "proof noted")
    # The kernel's routes tell it before the mapper does.
    wait_until(lambda: "moved to 11.0.7.7" in laptop.timeline(), 60, "the mapper's word")
    assert "probe sent to desktop at 11.0.1.10:4500" in laptop.timeline()
    # It was answered: nothing more is sent. (Who gets no answer probes on for half a minute, ten times a second; a busy
    # machine answers late.)
    assert 0 < settled_probes(laptop, desktop) < 150


def test_forged_or_replayed_packets_move_nothing(tunnel, internet):
    desktop, laptop, keys = tunnel
    desktop.ping(laptop)
    seen = keys.seal(True, 500, inner(laptop.id, desktop.id))
    send_raw(internet, desktop.address, [seen], source_port=4499)
    desktop.wait_peer(laptop, Endpoint=(internet.address, 4499))
    forged = bytearray(keys.seal(True, 501, inner(laptop.id, desktop.id)))
    forged[30] ^= 1
    before = desktop.counters()
    # A stranger on the way repeats, forges, and delays.
    send_raw(laptop.host, desktop.address, [seen, bytes(forged), keys.seal(True, 400, inner(laptop.id, desktop.id))],
             source_port=4498)
    wait_until(lambda: desktop.counters()["EspIn"] > before["EspIn"], 10)
    desktop.wait_counter("BadIcv", before["BadIcv"] + 1)
    assert desktop.peer(laptop)["Endpoint"] == (internet.address, 4499)


def test_without_a_network_packets_are_held(tunnel, internet):
    desktop, laptop, _ = tunnel
    desktop.ping(laptop)
    desktop.host.disconnect()
    desktop.tell_network("")
    desktop.host.wait_for(("tunneld", "State", "no-network"))
    ping = desktop.host.popen(["ping", "-n", "-c", "4", "-i", "0.2", "-W", "60", laptop.id], stdout=-1)
    wait_until(lambda: desktop.peer(laptop)["Counters"]["Held"] >= 3, 10)
    assert desktop.counters()["SendErrors"] == 0
    desktop.move(internet, "11.0.8.8")
    text = ping.communicate(timeout=120)[0].decode()
    assert "4 received" in text and ("duplicates" not in text or resent(desktop, laptop)), text


def test_route_lost_before_mapper_says_so(tunnel, internet):
    desktop, laptop, _ = tunnel
    desktop.ping(laptop)
    desktop.host.disconnect()
    ping = desktop.host.popen(["ping", "-n", "-c", "2", "-i", "0.2", "-W", "60", laptop.id], stdout=-1)
    desktop.wait_counter("SendErrors")
    desktop.move(internet, "11.0.8.8")
    text = ping.communicate(timeout=120)[0].decode()
    assert "2 received" in text, text


STREAM = """
import select, socket, sys
def run(s, out):
    # Both ways at once: what we sent comes back, in order. Until the input ends.
    i = 0
    while not select.select([sys.stdin], [], [], 0.01)[0]:
        s.sendall(i.to_bytes(4, "big"))
        got = b""
        while len(got) < 4:
            more = s.recv(4 - len(got))
            if not more: sys.exit("closed")
            got += more
        assert got == i.to_bytes(4, "big")
        i += 1
        out.write(f"{i}\\n"); out.flush()
if sys.argv[1] == "listen":
    l = socket.socket(socket.AF_INET6); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    l.bind((sys.argv[2], 7777)); l.listen(); print("ready", flush=True)
    s, _ = l.accept()
    while True:
        data = s.recv(65536)
        if not data: break
        s.sendall(data)
else:
    run(socket.create_connection((sys.argv[2], 7777)), sys.stdout)
"""


class Stream:
    """A TCP connection between two ends that says how far it came, until finish()."""

    def __init__(self, client, server):
        self.server = server.host.popen(["/usr/bin/python3", "-c", STREAM, "listen", server.id], stdout=-1)
        assert self.server.stdout.readline() == b"ready\n"
        self.client = client.host.popen(["/usr/bin/python3", "-c", STREAM, "connect", server.id],
                                        stdin=-1, stdout=-1, stderr=-1)
        self.rounds = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.client.stdout:
            self.rounds = int(line)

    def wait(self, more=10):
        """So many more rounds from now on."""
        wanted = self.rounds + more
        wait_until(lambda: self.rounds >= wanted or self.client.poll() is not None, what="the connection goes on")
        assert self.rounds >= wanted, self.client.stderr.read()

    def finish(self):
        self.wait()
        self.client.stdin.close()
        assert self.client.wait(120) == 0, self.client.stderr.read()
        self._reader.join()


def test_connection_survives_moves_and_kills(tunnel, internet):
    desktop, laptop, _ = tunnel
    stream = Stream(desktop, laptop)
    stream.wait()
    laptop.move(internet, "11.0.7.7")
    stream.wait()
    desktop.move(internet, "11.0.8.8")
    stream.wait()
    # Killed: interface, address and route stay, so the connection only sees silence.
    device = desktop.host.run(["cat", "/sys/class/net/homeward0/ifindex"]).stdout
    desktop.host.kill_daemon("tunneld", signal.SIGKILL)
    assert addresses(desktop.host) == [desktop.id] and laptop.id in routes(desktop.host)
    desktop.start()
    assert desktop.host.run(["cat", "/sys/class/net/homeward0/ifindex"]).stdout == device
    wait_until(lambda: addresses(desktop.host) == [desktop.id] and set(routes(desktop.host)) == {laptop.id},
               what="nothing more and nothing less than before")
    # The connection's own packets ask for a new negotiation, on either side.
    wait_until(lambda: desktop.peer(laptop)["State"] == "acquiring", 10, "acquiring")
    Keys().install(desktop, laptop)
    stream.wait()
    laptop.host.kill_daemon("tunneld", signal.SIGKILL)
    laptop.start()
    wait_until(lambda: laptop.peer(desktop)["State"] == "acquiring", 10, "acquiring")
    Keys().install(desktop, laptop)
    stream.finish()


def test_leftovers_of_another_account_go(ends):
    """A process that was killed left an address and routes which are not ours any more."""
    desktop, laptop = ends
    desktop.host.kill_daemon("tunneld", signal.SIGKILL)
    desktop.host.batch(["route add fd99::1/128 dev homeward0"])
    desktop.identity.change(HostId=("s", "fd55::1"))
    desktop.start()
    wait_until(lambda: set(routes(desktop.host)) == {laptop.id} and "src fd55::1" in routes(desktop.host)[laptop.id], 10)
    wait_until(lambda: addresses(desktop.host) == ["fd55::1"])


def test_sign_out_ends_the_tunnels(tunnel):
    desktop, laptop, _ = tunnel
    desktop.identity.change(State=("s", "signed-out"))
    desktop.host.wait_for(("tunneld", "State", "signed-out"))
    wait_until(lambda: addresses(desktop.host) == [] and routes(desktop.host) == {} and desktop.peers() == {},
               what="nothing is left")
    desktop.identity.change(State=("s", "signed-in"))
    desktop.wait_peer(laptop, State="idle")
    desktop.wait_receiving()
    Keys().install(desktop, laptop)
    desktop.ping(laptop)


def test_another_account_ends_the_tunnels(tunnel):
    """Also where keyd is not there to say so, and nobody saw a sign-out: the host id is the machine's."""
    desktop, laptop, _ = tunnel
    desktop.identity.change(Account=("s", "alice"), Domain=("s", "members.example.org"))
    desktop.ping(laptop)
    desktop.keyd.close()
    desktop.watcher.change(State=("s", "connecting"))
    desktop.identity.change(Account=("s", "bob"))
    wait_until(lambda: not any(peer["Spis"] for peer in desktop.peers().values()), 10, "no associations")
    assert addresses(desktop.host) == [desktop.id]


# IKE.

def test_ike_channel(ends):
    desktop, laptop = ends
    ends_of_channel = []
    for end in ends:
        fd = end.call("OpenIkeChannel")
        ends_of_channel.append(socket.socket(fileno=fd))
    here, there = ends_of_channel
    assert here.type == socket.SOCK_SEQPACKET and not os.get_blocking(here.fileno())
    message = bytes(range(256)) * 8
    remote = socket.inet_aton(laptop.address) + struct.pack("!HH", 4500, 0)
    here.send(remote + message)
    there.settimeout(60)
    assert there.recv(65536) == socket.inet_aton(desktop.address) + struct.pack("!HH", 4500, 0) + message
    # Malformed records, and none to read what comes.
    dropped = desktop.counters()["IkeDropped"]
    for record in b"x", remote, remote[:6] + b"\0\1" + message, bytes(8) + message:
        here.send(record)
    desktop.wait_counter("IkeDropped", dropped + 4)
    # A new channel closes the old one.
    again = socket.socket(fileno=desktop.call("OpenIkeChannel"))
    here.settimeout(60)
    assert here.recv(100) == b""
    there.send(socket.inet_aton(desktop.address) + struct.pack("!HH", 4500, 0) + b"second")
    again.settimeout(60)
    assert again.recv(100)[8:] == b"second"
    # Not read, it overflows: dropped and counted.
    dropped = desktop.counters()["IkeDropped"]
    for _ in range(2000):
        send = there.send(socket.inet_aton(desktop.address) + struct.pack("!HH", 4500, 0) + bytes(1000))
        assert send
        if desktop.counters()["IkeDropped"] > dropped:
            break
    assert desktop.counters()["IkeDropped"] > dropped
    again.close()
    there.close()


# An independent look.

def test_tshark_decrypts_what_is_on_the_wire(tunnel, internet, tmp_path):
    desktop, laptop, keys = tunnel
    path = "/run/lab/tmp/tunnel.pcap"
    dump = internet.popen(["tcpdump", "-i", "br0", "-n", "-Z", "root", "-w", path, "udp"], stderr=-1)
    wait_until(lambda: b"listening" in dump.stderr.readline(), 10)
    desktop.host.ping(laptop.id, "-i", "0.05", count=5)
    laptop.move(internet, "11.0.7.7")
    desktop.wait_peer(laptop, EndpointSource="packet")
    laptop.ping(desktop)
    complete(internet, dump, path)
    dump.terminate()
    dump.wait(60)
    capture = internet.path(path)
    rows = [f'"IPv4","*","*","0x{spi:08x}","AES-GCM with 16 octet ICV [RFC4106]","0x{keymat.hex()}","NULL",""'
            for spi, keymat in zip(keys.spis, keys.keymats)]
    (tmp_path / "esp_sa").write_text("\n".join(rows) + "\n")
    environment = dict(os.environ, WIRESHARK_CONFIG_DIR=str(tmp_path), HOME=str(tmp_path))
    shown = subprocess.run(["tshark", "-n", "-r", capture, "-o", "esp.enable_encryption_decode:TRUE", "-V"],
                           capture_output=True, text=True, env=environment, timeout=60).stdout
    assert "Malformed" not in shown
    assert shown.count("Echo (ping) request") >= 6 and shown.count("Echo (ping) reply") >= 6
    # Dummies: a probe from where it moved to, and its answer, both ending in next header 59.
    for word in b"hwpr", b"hwan":
        assert re.search(rf"ESP Decrypted Data: {word.hex()}[0-9a-f]{{8}}(0102023b|[0-9a-f]{{12}}003b)", shown)
    assert f"Source Address: {desktop.id}" in shown
