#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hosts talk through the tunnel while everything happens to it that may; then every octet and every packet is checked.

    tunnel.py [SECONDS] [--hosts 2|3] [--seed N] [--build FOLDER] [--quiet]

TCP both ways with hashes, datagrams with numbers, pings of odd sizes and fragments go between the hosts. Meanwhile hosts
move, gateways get other addresses and reboot, IKE and child associations get new keys, tunneld and keyd are killed and
come back, the roads lose, double and reorder, and become narrow. A witness sees every frame of every interface below the
tunnel: no pair of SPI and sequence number and no initialisation vector of an SPI leaves a sender twice, nothing that
belongs inside is outside.
"""
import argparse
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lab"))
from homeward_lab import HOUSE, BusError, Lab, talk  # noqa: E402
from homeward_lab.talk import Lines  # noqa: E402

IKE, CHILD, PEER = "org.homeward.Key1.IkeSa", "org.homeward.Key1.ChildSa", "org.homeward.Tunnel1.Peer"
HOMES = {"desktop": "A", "laptop": "B", "phone": "C"}
WIDE = 1500
# Checkpoints beside the one at the end.
CHECK_EVERY = 60
# What a daemon that lived for so long may have grown since it was half so old: caches, queues that were longer for a while,
# what the allocator keeps. What leaks is reported by its sanitizer.
OLD_ENOUGH, GROWTH_KIB = 60, 48 << 10
# So that freed memory is not taken for growth.
QUARANTINE = ":quarantine_size_mb=4:thread_local_quarantine_size_kb=64"
# Seconds after which it is told why not all flows again yet.
SLOW = 40
# Counters of tunneld that nothing here may raise.
NEVER = ("BadIcv", "Malformed", "WrongSelector", "SequenceExhausted", "TunErrors")


class World:
    def __init__(self, arguments):
        self.arguments = arguments
        self.random = random.Random(arguments.seed)
        self.lab = Lab(build=arguments.build, homes=dict(list(HOMES.items())[:arguments.hosts]), supervise=True)
        self.hosts = list(self.lab.hosts.values())
        self.homes = list(self.lab.gateways.values())
        self.mark = os.urandom(16)
        self.roads, self.talks, self.listeners = {}, [], []
        self.witness = None
        self.done = {}
        self.ages, self.grown = {}, []
        self.patience = 300
        self.begun = time.monotonic()

    def say(self, text):
        if not self.arguments.quiet:
            print(f"[{time.monotonic() - self.begun:7.1f} s] {text}", flush=True)

    # Standing up.

    def start(self):
        for host in self.hosts:
            for name in HOUSE:
                host.environment[name] = {"ASAN_OPTIONS": host.sanitizer_environment(name)["ASAN_OPTIONS"] + QUARANTINE}
        self.lab.start_network()
        for number, home in enumerate(self.homes):
            self.make_road(home, self.arguments.seed + number)
        self.lab.start_zone()
        for host in self.hosts:
            self.lab.start_house(host)
        self.lab.sign_in_all()
        self.lab.wait_all_see()
        self.start_witness()
        self.start_traffic()
        self.say(f"{len(self.hosts)} hosts talk")

    def program(self, name):
        return os.path.join(self.lab.build, "tests/soak", name)

    def make_road(self, home, seed):
        """Between a gateway and the internet. What goes over it are packets, not the kernel's super-packets, so that single
        ones get lost."""
        internet, port = self.lab.internet, f"w-{home.name}"
        internet.batch([f"link set {port} nomaster", f"link add r-{home.name} type veth peer name q-{home.name}",
                        f"link set q-{home.name} master br0 up", f"link set r-{home.name} up"])
        for namespace, interface in (home, "wan"), (internet, f"q-{home.name}"):
            namespace.run(["ethtool", "-K", interface, "tx", "off", "tso", "off", "gso", "off", "tx-udp-segmentation", "off"])
        process = internet.popen([self.program("rough-road"), seed, port, f"r-{home.name}"], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE)
        self.roads[home] = Lines(process, f"road {home.name}")
        self.roads[home].wait_line("ready")

    def start_witness(self):
        if tuple(map(int, re.match(r"(\d+)\.(\d+)", os.uname().release).groups())) < (6, 2):
            # Such a kernel cannot tell how a super-packet of UDP is to be cut; so it cuts them before they are seen.
            for host in self.hosts:
                host.run(["ethtool", "-K", "eth0", "tx-udp-segmentation", "off"])
        places = [f"{host.name}:{host.init_pid}:eth0:sender" for host in self.hosts]
        places += [f"{home.name}:{home.init_pid}:wan" for home in self.homes]
        places += [f"internet:{self.lab.internet.init_pid}:q-{home.name}" for home in self.homes]
        needles = [self.mark.hex()]
        for host in self.hosts:
            needles.append(socket.inet_pton(socket.AF_INET6, self.lab.host_id(host)).hex())
        process = subprocess.Popen([self.program("witness"), *(word for needle in needles for word in ("-n", needle)), *places],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.witness = Lines(process, "witness")
        self.witness.wait_line("ready")

    def start_traffic(self):
        self.listeners = [talk.listen(host, self.lab.host_id(host), self.mark) for host in self.hosts]
        pairs = [(a, b) for i, a in enumerate(self.hosts) for b in self.hosts[i + 1:]]
        self.talks = [talk.talk(here, self.lab.host_id(there), self.mark, self.arguments.seed + 10 * number)
                      for number, (here, there) in enumerate(pairs)]

    # What happens.

    def deck(self):
        """Everything, in another order each time."""
        cards = [self.move] * 3 + [self.other_address] * 2 + [self.reboot] + [self.both_move] * 2 + \
            [self.rekey_ike] * 2 + [self.rekey_child] * 3 + [self.kill_tunneld] * 2 + [self.kill_keyd] * 2 + \
            [self.rough] * 3 + [self.smooth] + [self.narrow] * 2 + [self.freeze]
        self.random.shuffle(cards)
        return cards

    def free_homes(self, *movers):
        """Where nobody else is: these routers do not lead back in what comes from inside for their outside."""
        taken = [host.gateway for host in self.hosts if host not in movers]
        return [home for home in self.homes if home not in taken]

    def move(self, host):
        host.move(self.random.choice(self.free_homes(host)))

    def both_move(self, _):
        """At once, and one of them maybe by its gateway's new address alone."""
        pair = self.random.sample(self.hosts, 2)
        places = self.random.sample(self.free_homes(*pair), 2)
        movers = [threading.Thread(target=host.move, args=(place,)) for host, place in zip(pair, places)]
        for mover in movers:
            mover.start()
        if self.random.random() < 0.5:
            self.change_address(places[0])
        for mover in movers:
            mover.join()

    def other_address(self, host):
        self.change_address(host.gateway)

    def change_address(self, home):
        """And the router forgets what it translated to the former one, as those do that remember it is gone. (One that does
        not sends on from an address that nobody answers to, as long as there is anything to send.)"""
        former = home.wan_address
        home.change_address(self.new_address(home))
        self.route_as_provider(home)
        home.run(["conntrack", "-D", "--orig-dst", former], check=False)

    def reboot(self, host):
        home = host.gateway
        home.reboot(self.new_address(home) if self.random.random() < 0.5 else None)
        self.route_as_provider(home)

    @staticmethod
    def route_as_provider(home):
        """What is for an address that the gateway no longer has does not come there, although its neighbours remember for
        half a minute where it was, and its port mappings are for any address."""
        home.run(["nft", "-f", "-"], input="""table ip provider
delete table ip provider
table ip provider {
  chain in { type filter hook prerouting priority -300; policy accept;
    iifname "wan" ip daddr != { %s, 11.0.255.255, 224.0.0.0/4, 255.255.255.255 } drop
  }
}
""" % home.wan_address)

    def new_address(self, home):
        return f"11.0.{home.number}.{self.random.choice([n for n in range(1, 250) if f'11.0.{home.number}.{n}' != home.wan_address])}"

    def rekey(self, host, interface):
        """Whatever becomes of it: the association may go or be replaced at this very moment."""
        try:
            path = self.random.choice(sorted(host.get_objects("keyd", interface)))
            host.call("keyd", "Rekey", path=path, interface=interface)
        except (BusError, IndexError, OSError) as error:
            self.say(f"{host.name} has no new keys: {error}")

    def rekey_ike(self, host):
        self.rekey(host, IKE)

    def rekey_child(self, host):
        self.rekey(host, CHILD)

    def kill(self, host, name):
        starts = host.daemons[name].starts
        host.kill_daemon(name)
        host.wait_restarted(name, starts)

    def kill_tunneld(self, host):
        self.kill(host, "tunneld")

    def kill_keyd(self, host):
        self.kill(host, "keyd")

    def rough(self, host):
        """Of a thousand packets: lost, doubled, late."""
        choose = self.random.choice
        self.set_road(host.gateway, choose((0, 5, 20, 50)), choose((0, 20, 200)), choose((0, 50, 300)))

    def smooth(self, _):
        for home in self.homes:
            self.set_road(home, 0, 0, 0)

    def set_road(self, home, lost, doubled, late):
        self.roads[home].tell(f"{lost} {doubled} {late}")

    def narrow(self, host):
        self.set_width(host.gateway, self.random.choice((1300, 1400, 1450)))

    @staticmethod
    def set_width(home, octets):
        home.batch([f"link set wan mtu {octets}"])

    def freeze(self, host):
        """A machine that has no time for tunneld for a moment."""
        host.kill_daemon("tunneld", 19, wait=False)
        time.sleep(self.random.choice((0.05, 0.3, 1)))
        host.kill_daemon("tunneld", 18, wait=False)

    # What must hold.

    def look_at_memory(self):
        for host in self.hosts:
            for name in HOUSE:
                try:
                    pid = host.daemon_pid(name)
                    with open(f"/proc/{pid}/status") as file:
                        resident = int(re.search(r"VmRSS:\s*(\d+)", file.read())[1])
                    files = len(os.listdir(f"/proc/{pid}/fd"))
                except (OSError, LookupError, TypeError):
                    continue
                self.ages.setdefault((host.name, name, pid), []).append((time.monotonic(), resident, files))

    def judge_memory(self):
        for (host, name, pid), seen in self.ages.items():
            if seen[-1][0] - seen[0][0] < OLD_ENOUGH:
                continue
            half = len(seen) // 2
            grown = max(r for _, r, _ in seen[half:]) - max(r for _, r, _ in seen[:half])
            files = max(f for _, _, f in seen[half:]) - max(f for _, _, f in seen[:half])
            self.grown.append(grown)
            assert grown < GROWTH_KIB and files < 16, f"{host}: {name} grew by {grown} KiB and {files} descriptors: {seen}"

    def check(self):
        """With all in order again, everybody sees everybody, and everything flows."""
        self.smooth(None)
        for home in self.homes:
            self.set_width(home, WIDE)
        for host in self.hosts:
            self.lab.published(host, self.patience)
        self.lab.wait_all_see(self.patience)
        story = threading.Timer(SLOW, self.tell_story, (time.time() - SLOW,))
        story.start()
        for talker in self.talks:
            talker.wait_flow(self.patience)
        story.cancel()
        self.look_at_memory()
        self.say(f"all flows: {self.talks[0].counts}")

    def tell_story(self, since):
        """What the daemons did that makes it last so long."""
        for at, host, name, _, words in self.lab.timelines():
            if at >= since * 1e6 and name in ("tunneld", "keyd", "llq-watcher", "mapper"):
                self.say(f"slow: {at / 1e6 - since:9.3f} {host} {name}: {words}")
        for host in self.hosts:
            self.say(f"slow: {host.name} at {self.lab.external(host)}: " + ", ".join(
                f"{peer['Name'].partition('.')[0]} {peer['State']} at {peer['Endpoint']} ({peer['EndpointSource']})"
                for peer in host.get_objects("tunneld", PEER).values()))

    def work(self):
        end = time.monotonic() + self.arguments.seconds
        next_check = time.monotonic() + CHECK_EVERY
        cards = []
        while time.monotonic() < end:
            cards = cards or self.deck()
            card, host = cards.pop(), self.random.choice(self.hosts)
            self.say(f"{card.__name__} {host.name}")
            card(host)
            self.done[card.__name__] = self.done.get(card.__name__, 0) + 1
            # Who has little time has as much happen in it.
            time.sleep(self.random.choice((0, 0.1, 0.5, 1, 2, 3)) * min(1, self.arguments.seconds / 60))
            self.look_at_memory()
            if next_check < time.monotonic() < end - CHECK_EVERY / 2:
                next_check = time.monotonic() + CHECK_EVERY
                self.check()
        self.check()

    def finish(self):
        talk.end(self.talks + self.listeners, self.patience)
        self.judge_memory()
        for host in self.hosts:
            counters = host.get_property("tunneld", "Counters")
            assert not any(counters.get(name) for name in NEVER), f"{host.name}: {counters}"
        bad = self.lab.end_house()
        assert not bad, f"ended badly: {bad}"
        status = self.witness.end(self.patience)
        assert status == 0, "\n".join(str(line) for line in self.witness.lines)
        for road in self.roads.values():
            assert road.end(60) == 0, f"{road.name} ended badly"

    def report(self):
        done = ", ".join(f"{count} {name}" for name, count in sorted(self.done.items()))
        print(f"{done}")
        for talker in self.talks:
            print(f"{talker.name}: {talker.counts}")
        print("\n".join(line for line in self.witness.lines if line and line.startswith("saw")))
        if self.grown:
            print(f"the daemons that lived long grew by {max(self.grown)} KiB at most")

    def close(self):
        for each in [self.witness, *self.talks, *self.listeners, *self.roads.values()]:
            if each is not None:
                each.kill()
        self.lab.close()


def run(arguments):
    world = World(arguments)
    try:
        try:
            world.start()
            world.work()
            world.finish()
            world.report()
        except BaseException:
            world.lab.show_logs(lines=60)
            if world.witness is not None:
                print("\n".join(str(line) for line in world.witness.lines), file=sys.stderr)
            raise
    finally:
        world.close()


def main():
    parser = argparse.ArgumentParser(prog="./run soak tunnel", description=__doc__.splitlines()[0])
    parser.add_argument("seconds", type=float, nargs="?", default=600, metavar="SECONDS", help="(600)")
    parser.add_argument("--hosts", type=int, choices=(2, 3), default=3, help="how many (3)")
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--build", default=os.path.join(TOP, "build-sanitize"), metavar="FOLDER",
                        help="whose programs run (build-sanitize)")
    parser.add_argument("--quiet", action="store_true", help="only the result")
    arguments = parser.parse_args()
    try:
        run(arguments)
    except (AssertionError, TimeoutError, RuntimeError) as problem:
        print(f"FAILED: {problem}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
