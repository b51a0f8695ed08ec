# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests/lab/test_kernel_datapath.py runs in a machine whose kernel has IPsec: two hosts with tunneld, their
neighbours played. That machine is computed, a hundred times slower than a real one, so this does without pytest and
without what makes the lab's hosts whole.

It prints "ok NAME" or "failed NAME" and why, for each of the stories that it is called with."""
import ctypes
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
import types

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARY = os.path.join(HERE, "..", "homeward_lab")

# The library without what it loads for everybody.
_package = types.ModuleType("homeward_lab")
_package.__path__ = [LIBRARY]
sys.modules["homeward_lab"] = _package
from homeward_lab import bus, daemons, namespace  # noqa: E402
_package.Bus, _package.DAEMONS = bus.Bus, daemons.DAEMONS
# One user for all: the bus policy is looked at elsewhere.
for _user in daemons.USERS:
    daemons.USERS[_user] = 0
sys.path.insert(0, os.path.join(HERE, "..", "..", "bus"))
from fakes import Fake  # noqa: E402

_libc = ctypes.CDLL(None, use_errno=True)
TUNNELD = os.path.join(daemons.build_directory(), "services/tunneld/tunneld")
IDS = {"desktop": "fd01:203:405:607:22:69ff:fe8e:342a", "laptop": "fda1:a2a3:a4a5:a6a7:216:3eff:fe00:1"}
ADDRESSES = {"desktop": "11.0.1.10", "laptop": "11.0.2.20"}
KEYMAT = {"aes128gcm16": 20, "aes256gcm16": 36, "chacha20poly1305": 36}
TUNNEL = "org.homeward.Tunnel1"
SEALS = 0xF
PATIENCE = 240
MARK = b"what is inside stays inside, 32 o"
BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth><policy context="default">
<allow own="*"/><allow send_destination="*"/><allow eavesdrop="true"/><allow user="*"/></policy></busconfig>
"""


def wait_until(holds, what):
    """An end of that is for a broken product only: the machine may be a hundred times slower than a real one."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            last = holds()
            if last:
                return last
        except (LookupError, OSError, bus.BusError) as error:
            last = error
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {PATIENCE} s; last: {last!r}")
        time.sleep(0.05)


def sh(text, check=True):
    done = subprocess.run(["sh", "-c", text], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace")
    if check and done.returncode:
        raise RuntimeError(f"{text}: {done.returncode}\n{done.stdout}")
    return done.stdout


def inside(name, make):
    """What make() returns in that network namespace."""
    result = []

    def work():
        with open(f"/run/netns/{name}") as file:
            if _libc.setns(file.fileno(), 0x40000000):
                raise OSError(ctypes.get_errno(), "setns")
        result.append(make())
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return result[0]


class Host:
    """A namespace with a bus, tunneld and the four who talk to it."""

    def __init__(self, name):
        self.name, self.id, self.address = name, IDS[name], ADDRESSES[name]
        self.folder = f"/run/{name}"
        self.generation, self.process, self.kind = 0, None, None
        self.log = f"{self.folder}/tunneld.log"
        os.makedirs(self.folder)
        sh(f"""ip netns add {name}; ip -n {name} link set lo up
               ip link add {name} netns internet type veth peer name eth0 netns {name}
               ip -n internet link set {name} master wire up
               ip -n {name} link set eth0 up; ip -n {name} addr add {self.address}/8 dev eth0""")
        self.path_of_bus = f"{self.folder}/bus"
        with open(f"{self.folder}/bus.conf", "w") as file:
            file.write(BUS_CONFIG % self.path_of_bus)
        self.daemon = subprocess.Popen(["dbus-daemon", f"--config-file={self.folder}/bus.conf", "--nofork", "--nopidfile",
                                        "--nosyslog", "--print-address"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.daemon.stdout.readline()
        self.identity = Fake(self, "identity", {"State": ("s", "signed-in"), "HostId": ("s", self.id)})
        self.mapper = Fake(self, "mapper", {"State": ("s", "ready"), "NetworkGeneration": ("t", 0),
                                            "LocalAddress": ("s", "")},
                           {"AddMapping": lambda *a: ("o", "/org/homeward/Mapper1/mapping/1")})
        self.watcher = Fake(self, "llq-watcher", {"State": ("s", "watching")})
        self.bus = bus.Bus(self.path_of_bus)
        self.tell_network()

    def path(self, path):
        return self.path_of_bus

    def tell_network(self):
        self.generation += 1
        self.mapper.change(NetworkGeneration=("t", self.generation), LocalAddress=("s", self.address))

    def move(self, address):
        sh(f"ip -n {self.name} addr del {self.address}/8 dev eth0; ip -n {self.name} addr add {address}/8 dev eth0")
        self.address = address
        self.tell_network()

    def see(self, other):
        self.watcher.add("/org/homeward/Watcher1/host/" + other.name, "org.homeward.Watcher1.Host",
                         Name=("s", other.name + ".alice.members.example.org"), HostId=("s", other.id),
                         Endpoint=("(sq)", (other.address, 4500)), EndpointGeneration=("t", 1), Live=("b", True))

    def start(self, kind, shown=None):
        """With this data path; `shown`: another one is used in the end."""
        self.kind = kind
        with open(f"{self.folder}/tunneld.conf", "w") as file:
            file.write(f"[datapath]\nkind = {kind}\n")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self.name}", TUNNELD, "--config", f"{self.folder}/tunneld.conf"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.path_of_bus}"})
        wait_until(lambda: self.process.poll() is not None or self.get("State") == "ready", "tunneld")
        wait_until(lambda: "local" in self.sh(f"ip -6 route get {self.id}", check=False), "local route")
        self.await_datapath(shown or kind)

    def await_datapath(self, kind):
        wait_until(lambda: "until the kernel has shown" not in self.get("DatapathReason"), "the proof")
        assert self.get("Datapath") == kind, self.get("DatapathReason")

    def stop(self, how=15):
        if self.process:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def sh(self, text, check=True):
        return sh(f"exec nsenter --net=/run/netns/{self.name} sh -c '{text}'", check)

    def get(self, name):
        return self.bus.get(TUNNEL, "/org/homeward/Tunnel1", TUNNEL, name)

    def call(self, method, signature="", *arguments):
        return self.bus.call(TUNNEL, "/org/homeward/Tunnel1", TUNNEL, method, signature, *arguments)

    def peer(self, other):
        for interfaces in self.bus.objects(TUNNEL).values():
            properties = interfaces.get(TUNNEL + ".Peer")
            if properties and properties["HostId"] == other.id:
                return properties
        raise LookupError(other.name)

    def ping(self, other, options="", count=3):
        text = self.sh(f"ping -n -i 0.1 -c {count} -w {PATIENCE} {options} {other.id}", check=False)
        assert namespace.answered(text) >= set(range(1, count + 1)), text
        return text

    def states(self):
        """{spi: (source, destination, packets, text)} of those with keys. Of a packet that finds none, in the moment of a
        move, the kernel itself notes for half a minute that one is wanted."""
        found = {}
        for text in re.split(r"\n(?=src )", self.sh("ip -s xfrm state")):
            head = re.match(r"src (\S+) dst (\S+)\s+proto esp spi 0x([0-9a-f]+)", text)
            if head and "\taead " in text:
                packets = re.search(r"current:\s+\d+\(bytes\), (\d+)\(packets\)", text)
                found[int(head[3], 16)] = (head[1], head[2], int(packets[1]), text)
        return found

    def by_kernel(self):
        return sum(state[2] for state in self.states().values())


class Keys:
    """One negotiation's outcome."""

    last_spi = 0x40000000

    def __init__(self, algorithm="aes128gcm16", esn=True):
        self.algorithm, self.esn = algorithm, esn
        Keys.last_spi += 2
        self.spis = Keys.last_spi, Keys.last_spi + 1
        self.keymats = os.urandom(KEYMAT[algorithm]), os.urandom(KEYMAT[algorithm])

    def install(self, initiator, responder):
        for here, there, i in (responder, initiator, 1), (initiator, responder, 0):
            fd = os.memfd_create("keys", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
            os.write(fd, self.keymats[i] + self.keymats[1 - i])
            __import__("fcntl").fcntl(fd, 1033, SEALS)
            here.call("InstallSa", "ss(sq)uusbbh", there.name + ".alice.members.example.org", there.id,
                      (there.address, 4500), self.spis[i], self.spis[1 - i], self.algorithm, self.esn, not i, fd)
            os.close(fd)


class Connection:
    """One TCP connection of two hosts, inside the tunnel, on which whatever is said is echoed."""

    def __init__(self, here, there):
        self.listener = inside(there.name, lambda: socket.create_server((there.id, 0), family=socket.AF_INET6))
        self.client = inside(here.name, lambda: socket.create_connection(self.listener.getsockname()[:2], PATIENCE,
                                                                         (here.id, 0)))
        self.server = self.listener.accept()[0]
        self.client.settimeout(PATIENCE)
        self.thread = threading.Thread(target=self._echo, daemon=True)
        self.thread.start()

    def _echo(self):
        while True:
            data = self.server.recv(65536)
            if not data:
                return
            self.server.sendall(data)

    def say(self, octets=200000):
        """There and back, octet by octet the same."""
        data = os.urandom(octets)
        writer = threading.Thread(target=self.client.sendall, args=(data,), daemon=True)
        writer.start()
        heard = bytearray()
        while len(heard) < octets:
            more = self.client.recv(65536)
            assert more, "the connection ended"
            heard += more
        writer.join()
        assert heard == data

    def close(self):
        for end in self.client, self.server, self.listener:
            end.close()


class Wire:
    """Every frame on the wire between the two."""

    def __init__(self):
        self.socket = inside("internet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)
        self.socket.bind(("wire", 0))

    def frames(self):
        while True:
            try:
                yield self.socket.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return

    def look_at_numbers(self):
        """No association has sent a number twice, nor an IV: with AES-GCM that would be the end of its key."""
        seen = set()
        for frame in self.frames():
            if frame[12:14] != b"\x08\x00" or frame[23] != 17:
                continue
            esp = frame[14 + (frame[14] & 15) * 4 + 8:]
            if len(esp) < 40 or esp[:4] == bytes(4):
                continue
            for what in ("number", esp[:8]), ("IV", esp[:4] + esp[8:16]):
                assert what not in seen, what
                seen.add(what)
        assert seen


def start_both(desktop, laptop, kinds=("kernel", "kernel")):
    """Both at the addresses they had at first, with these data paths and without keys. Daemons that are as they should be
    go on: to start one takes seconds here."""
    for host, kind in zip((desktop, laptop), kinds):
        if host.address != ADDRESSES[host.name]:
            host.move(ADDRESSES[host.name])
        if host.kind != kind or not host.process or host.process.poll() is not None:
            host.stop()
            host.start(kind)
    for host, other, kind in (desktop, laptop, kinds[0]), (laptop, desktop, kinds[1]):
        for spi in host.peer(other)["Spis"]:
            host.call("RemoveSa", "u", spi)
        if kind == "kernel":
            host.call("UseDatapath", "s", kind)
        assert not host.states(), host.states()


def datagrams(here, there):
    """A socket that sends to another, in which all of it waits; nothing goes back."""
    listener = inside(there.name, lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
    listener.bind((there.id, 0))
    listener.settimeout(PATIENCE)
    sender = inside(here.name, lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
    sender.bind((here.id, 0))
    sender.connect(listener.getsockname()[:2])
    return sender, listener


def one_way(here, there):
    """Who only receives says again and again that it does, without being asked: who asks stands still. What it says is
    not answered in turn."""
    sender, listener = datagrams(here, there)
    here.process.send_signal(19)
    before = there.peer(here)["Counters"]["AnswersSent"]
    try:
        wait_until(lambda: sender.send(bytes(200)) and there.peer(here)["Counters"]["AnswersSent"] >= before + 5,
                   "a sign of life")
    finally:
        here.process.send_signal(18)
    sender.close()
    listener.close()

    def sent():
        return [host.get("Counters")["EspOut"] for host in (here, there)]

    def is_quiet():
        before = sent()
        time.sleep(0.3)
        return sent() == before
    wait_until(is_quiet, "an end of the conversation")


def traffic(desktop, laptop, algorithm="aes128gcm16", esn=True):
    start_both(desktop, laptop)
    keys = Keys(algorithm, esn)
    keys.install(desktop, laptop)
    desktop.ping(laptop)
    laptop.ping(desktop, "-s 4000")
    for here, there, i in (desktop, laptop, 0), (laptop, desktop, 1):
        states = here.states()
        # What ip(8) says is what we said.
        for direction, spi in enumerate((keys.spis[i], keys.spis[1 - i])):
            source, destination, packets, text = states[spi]
            wanted = (here, there) if direction else (there, here)
            assert (source, destination) == tuple(host.address for host in wanted), text
            assert packets >= 6 and "sport 4500 dport 4500" in text and "replay_window 4096" in text, text
            assert ("esn" in re.search(r"flag (.*)", text)[1]) == esn, text
        assert len(states) == 2, states
        wait_until(lambda: here.peer(there)["Counters"]["PacketsIn"] >= 6, "the kernel tells what came")
        counters = here.get("Counters")
        assert not any(counters[name] for name in ("BadIcv", "Replayed", "Malformed")), counters
    one_way(laptop, desktop)


def open_channel(host):
    """What keyd has of tunneld."""
    fd = host.call("OpenIkeChannel")
    channel = socket.socket(fileno=fd)
    channel.settimeout(PATIENCE)
    return channel


def ike_reaches_keyd(desktop, laptop):
    """On the port that the kernel takes ESP from, both ways, beside traffic."""
    start_both(desktop, laptop)
    Keys().install(desktop, laptop)
    channels = {host: open_channel(host) for host in (desktop, laptop)}
    desktop.ping(laptop)
    for here, there in (desktop, laptop), (laptop, desktop):
        for size in 28, 1200:
            message = os.urandom(size)
            channels[here].send(socket.inet_aton(there.address) + struct.pack("!HH", 4500, 0) + message)
            heard = channels[there].recv(65536)
            assert heard == socket.inet_aton(here.address) + struct.pack("!HH", 4500, 0) + message, heard
    laptop.ping(desktop)
    for channel in channels.values():
        channel.close()


def expiry(desktop, laptop):
    """A limit is told of by the kernel, and shows as Worn, upon which keyd makes new keys."""
    start_both(desktop, laptop)
    first = Keys()
    first.install(desktop, laptop)
    told = desktop.get("Counters")["KernelExpired"]
    desktop.call("LimitSa", "utt", first.spis[0], 0, 8)
    desktop.ping(laptop, "-s 1000", count=12)
    wait_until(lambda: desktop.get("Counters")["KernelExpired"] > told, "the kernel tells of the limit")
    assert desktop.peer(laptop)["Worn"] == first.spis[0]
    second = Keys()
    second.install(desktop, laptop)
    desktop.ping(laptop)
    wait_until(lambda: laptop.peer(desktop)["Spis"][0] == second.spis[1], "the responder sends on the new pair")
    laptop.ping(desktop)
    for host, spi in (desktop, first.spis[0]), (laptop, first.spis[1]):
        host.call("RemoveSa", "u", spi)
        assert set(host.states()) == set(second.spis)
    assert desktop.peer(laptop)["Worn"] == 0
    desktop.ping(laptop)


def sequence(host, spi):
    """The last number that the kernel's state has used."""
    text = host.states()[spi][3]
    found = re.search(r"oseq-hi 0x([0-9a-f]+), oseq 0x([0-9a-f]+)", text) or re.search(
        r"oseq_hi 0x([0-9a-f]+), oseq 0x([0-9a-f]+)", text)
    if found:
        return int(found[1], 16) << 32 | int(found[2], 16)
    return int(re.search(r"oseq 0x([0-9a-f]+)", text)[1], 16)


def roaming(desktop, laptop):
    """One side moves, then the other, while a connection goes on. The other side learns it from the kernel; numbers go on."""
    start_both(desktop, laptop)
    wire = Wire()
    keys = Keys()
    keys.install(desktop, laptop)
    connection = Connection(desktop, laptop)
    connection.say()
    for mover, other, i, address in (laptop, desktop, 1, "11.0.3.30"), (desktop, laptop, 0, "11.0.4.40"):
        out = keys.spis[1 - i]
        before, told = sequence(mover, out), other.get("Counters")["KernelMappings"]
        assert before > 0
        mover.move(address)
        wait_until(lambda: other.peer(mover)["Endpoint"] == (address, 4500), "the other side follows")
        connection.say()
        assert other.peer(mover)["EndpointSource"] == "packet"
        assert mover.states()[out][:2] == (address, other.address)
        assert other.states()[out][:2] == (address, other.address)
        assert sequence(mover, out) > before
        assert other.get("Counters")["KernelMappings"] > told
        for host in mover, other:
            # What was under way to the old place is lost; nothing is taken twice, and nothing is broken.
            assert not host.get("Counters")["BadIcv"], host.get("Counters")
    connection.close()
    wire.look_at_numbers()


def live_switch(desktop, laptop):
    """From one data path to the other and back, on one side, while a connection goes on."""
    start_both(desktop, laptop)
    wire = Wire()
    Keys().install(desktop, laptop)
    connection = Connection(desktop, laptop)
    connection.say()
    for kind in "user", "kernel", "user":
        desktop.call("UseDatapath", "s", kind)
        assert desktop.get("Datapath") == kind
        old = desktop.peer(laptop)["Spis"][0]
        wait_until(lambda: desktop.peer(laptop)["Worn"] == old, "new keys are asked for")
        # The old pair is sealed where it was, and opened in the other place.
        assert any(spi == old for spi in desktop.states()) == (kind == "kernel"), desktop.states()
        connection.say()
        keys = Keys()
        keys.install(desktop, laptop)
        connection.say()
        wait_until(lambda: laptop.peer(desktop)["Spis"][0] == keys.spis[1], "the other side sends on the new pair")
        for host, spi in (desktop, old), (laptop, None):
            for spi in host.peer(laptop if host is desktop else desktop)["Spis"][1:]:
                host.call("RemoveSa", "u", spi)
        before, ours = desktop.by_kernel(), desktop.get("Counters")["EspOut"]
        connection.say()
        if kind == "kernel":
            assert desktop.by_kernel() > before + 50
        else:
            assert not desktop.states() and desktop.get("Counters")["EspOut"] > ours
        assert "homeward0" + ("-k" if kind == "kernel" else "") + " " in desktop.sh(f"ip -6 route get {laptop.id}") + " "
    for host in desktop, laptop:
        counters = host.get("Counters")
        assert not any(counters[name] for name in ("BadIcv", "Malformed", "WrongSelector")), counters
    connection.close()
    wire.look_at_numbers()


def kernel_to_user(desktop, laptop):
    """One end has the one, the other the other; who has the user path is told of the other's moves as ever."""
    start_both(desktop, laptop, ("kernel", "user"))
    told = desktop.get("Counters")["DummiesIn"]
    Keys("chacha20poly1305", False).install(laptop, desktop)
    connection = Connection(desktop, laptop)
    connection.say()
    desktop.ping(laptop, "-s 4000")
    laptop.ping(desktop, "-s 4000")
    assert desktop.by_kernel() > 50 and not laptop.states()
    for mover, other, address in (desktop, laptop, "11.0.3.30"), (laptop, desktop, "11.0.4.40"):
        mover.move(address)
        wait_until(lambda: other.peer(mover)["Endpoint"] == (address, 4500), "the other side follows")
        connection.say()
    # Dummy packets of the one are heard by the other in a form that the kernel lets through.
    wait_until(lambda: desktop.get("Counters")["DummiesIn"] > told and laptop.get("Counters")["DummiesIn"], "dummy packets")
    connection.close()


def flushed(desktop, laptop):
    """Somebody takes the states away: nobody knows their numbers now, so there must be other keys."""
    start_both(desktop, laptop)
    Keys().install(desktop, laptop)
    desktop.ping(laptop)
    told = desktop.get("Counters")["KernelAcquires"]
    desktop.sh("ip xfrm state flush")
    desktop.sh(f"ping -c 1 -W 1 {laptop.id}", check=False)
    wait_until(lambda: desktop.sh(f"ping -c 1 -W 1 {laptop.id}", check=False) and
               desktop.peer(laptop)["State"] == "acquiring", "new keys are asked for")
    assert desktop.get("Counters")["KernelAcquires"] > told
    # What waited goes through the kernel then, and is counted once.
    sender, listener = datagrams(desktop, laptop)
    before = desktop.peer(laptop)["Counters"]
    for i in range(20):
        sender.send(bytes([i]))
    wait_until(lambda: desktop.peer(laptop)["Counters"]["Held"] >= before["Held"] + 20, "it waits")
    keys = Keys()
    keys.install(desktop, laptop)
    assert sorted(listener.recv(9) for i in range(20)) == [bytes([i]) for i in range(20)]
    desktop.ping(laptop)
    after = wait_until(lambda: (found := desktop.peer(laptop)["Counters"])["PacketsOut"] >= before["PacketsOut"] + 20 and found,
                       "the kernel tells of it")
    assert after["PacketsOut"] - before["PacketsOut"] <= desktop.states()[keys.spis[1]][2], (before, after)
    assert after["Resent"] >= before["Resent"] + 20
    sender.close()
    listener.close()


def crowded(desktop, laptop):
    """Of another program's associations the kernel tells us more than it keeps. It answers us all the same."""
    start_both(desktop, laptop)
    keys = Keys()
    keys.install(desktop, laptop)
    desktop.ping(laptop)
    with open(f"{desktop.folder}/others", "w") as file:
        for spi in range(3000):
            file.write(f"xfrm state add src 11.0.9.1 dst 11.0.9.2 proto esp spi {0x1000 + spi} mode tunnel "
                       f"aead rfc4106(gcm(aes)) 0x{bytes(20).hex()} 128\n")
    desktop.sh(f"ip -batch {desktop.folder}/others")
    desktop.call("RemoveSa", "u", keys.spis[0])
    assert not set(keys.spis) & set(desktop.states())
    desktop.sh("ip xfrm state flush")
    Keys().install(desktop, laptop)
    desktop.ping(laptop)


def leak(desktop, laptop):
    """With tunneld killed, and with its interfaces taken away, nothing leaves in the clear, though there is a way."""
    start_both(desktop, laptop)
    desktop.sh("ip addr replace 2001:db8::2/64 dev eth0 nodad; ip -6 route replace default via fe80::1 dev eth0; "
               "ip -6 neigh replace fe80::1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent")
    Keys().install(desktop, laptop)
    desktop.ping(laptop)
    wire = Wire()

    def send(n=50):
        refused = 0
        for source in "::", desktop.id:
            with inside(desktop.name, lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as sender:
                for i in range(n):
                    try:
                        if not i:
                            sender.bind((source, 0))
                        sender.sendto(MARK, (laptop.id, 9999))
                    except OSError:
                        refused += 1
        return refused

    def look():
        # The other one may ask by itself what has become of this one.
        frames, here = list(wire.frames()), socket.inet_aton(desktop.address)
        return any(MARK in frame for frame in frames), any(
            frame[12:14] == b"\x08\x00" and frame[23] == 17 and frame[26:30] == here for frame in frames)
    send()
    assert look() == (False, True)
    desktop.stop(9)
    send()
    # The kernel goes on sealing: that is no leak.
    assert look() == (False, True)
    desktop.sh("ip link del homeward0-k")
    send()
    assert look()[0] is False
    desktop.sh("ip link del homeward0")
    assert send() == 100
    assert look() == (False, False)
    # Such a leak would be seen.
    desktop.sh(f"ip -6 route del unreachable {laptop.id}")
    send()
    assert look()[0] is True
    desktop.sh("ip -6 route del default", check=False)
    # The next one begins with a clean kernel. One that never gives the packet back that is to prove it is not used.
    desktop.sh("ip link set lo down")
    desktop.start("kernel", "user")
    assert "is not ours" in desktop.get("DatapathReason")
    assert not desktop.states()
    desktop.sh("ip link set lo up")
    # Of keys from before the kernel knows nothing, so others are made.
    Keys().install(desktop, laptop)
    desktop.ping(laptop)
    desktop.call("UseDatapath", "s", "kernel")
    desktop.await_datapath("kernel")
    Keys().install(desktop, laptop)
    desktop.ping(laptop)
    assert desktop.by_kernel() >= 6


STORIES = {story.__name__: story for story in (
    traffic, ike_reaches_keyd, expiry, roaming, live_switch, kernel_to_user, flushed, crowded, leak)}


def main():
    global PATIENCE
    if sys.argv[1].isdigit():
        PATIENCE = int(sys.argv.pop(1))
    sh("ip netns add internet; ip -n internet link add wire type bridge; ip -n internet link set wire promisc on up")
    hosts = [Host(name) for name in IDS]
    hosts[0].see(hosts[1])
    hosts[1].see(hosts[0])
    print(f"both stand after {time.monotonic():.0f} s", flush=True)
    for name in sys.argv[1:]:
        begun = time.monotonic()
        try:
            STORIES[name](*hosts)
            print(f"ok {name}", f"({time.monotonic() - begun:.0f} s)", flush=True)
        except Exception:
            print(f"failed {name}", traceback.format_exc(), sep="\n")
            for host in hosts:
                text = host.sh("ip -s xfrm state; ip xfrm policy; ip -6 route; cat /proc/net/xfrm_stat; tail -n 40 " + host.log,
                               check=False)
                print(f"-- {host.name}", *(line for line in text.splitlines()
                                           if not re.search(r"00000000 000|\t0$|expire |INF|aead|addr 0.0", line)), sep="\n")
                if host.process and host.process.poll() is None:
                    print(host.peer(hosts[host is hosts[0]]), host.get("Counters"), flush=True)
    for host in hosts:
        host.stop(9)


if __name__ == "__main__":
    main()
