#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host moves among homes whose gateways do whatever gateways do; then everybody's word is held against the others'.

    mapping.py [MOVES] [--seed N] [--build FOLDER] [--quiet]

Between the moves gateways reboot, get other addresses, are switched to other protocols, refuse, fall silent, lose packets,
forget mappings behind everybody's back and lie; mapper is stopped for a moment or killed. At each checkpoint and at the end all of it is put in
order again, the host visits each home, and there the mappings on the bus, the gateway's own rules and what the zone
says must be the same, with nothing left over; and what was sent to gateways must have been little.
"""
import argparse
import json
import os
import random
import signal
import struct
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lab"))
from homeward_lab import BusError, Lab, wait_until  # noqa: E402
from homeward_lab.lab import ACCOUNT  # noqa: E402
from homeward_lab.mappings import MAPPING, Caller, GatewayTraffic  # noqa: E402
from homeward_lab.network import PROTOCOLS  # noqa: E402
from homeward_lab.played import PcpRequest, PlayedGateway, PlayedIgd, natpmp_address, natpmp_map, pcp_answer, \
    pcp_map  # noqa: E402

CHECKPOINT = 100  # moves
# What a change of the network or of a gateway may cost, on average: three mappings, with UPnP two or three connections for
# each; where nobody answers, each of three protocols repeats itself.
PACKETS_PER_CHANGE = 12
# What programs besides the house's want: label, protocol, port.
WISHES = (("web", "tcp", 8080), ("game", "udp", 27015))


class Liar:
    """Answers as no gateway should, by PCP, NAT-PMP and UPnP, until close()."""

    def __init__(self, gateway, seed):
        self.random = random.Random(seed)
        self.address = gateway.wan_address
        self.gateway = gateway
        gateway.stop_miniupnpd()
        self.played = PlayedGateway(gateway)
        self.igd = PlayedIgd(gateway, external=self.address)
        self.played.serve(self.answer)
        choose = self.random.choice
        self.igd.search = lambda octets, peer: choose((
            [], [self.igd.search_answer(octets)] * choose((1, 1, 50)), [os.urandom(300)],
            [self.igd.search_answer(octets, location=f"http://{choose(('11.0.0.1', '127.0.0.1', '192.168.250.1'))}:80/x")]))
        self.igd.pages["/rootDesc.xml"] = lambda call: choose((
            lambda: self.igd.description.encode(), lambda: b"<root>" * 1000, lambda: call.drip(b"<?xml", b" "),
            lambda: call.flood(10 << 20) and None, lambda: b""))()
        self.igd.actions["AddPortMapping"] = lambda call: choose((
            lambda: self.igd.fault(choose((402, 501, 606, 714, 718, 724, 725, 99999)), "words"),
            lambda: {}, lambda: self.igd.http("<s:Envelope>"), lambda: self.igd.http(os.urandom(50))))()

    def answer(self, octets):
        """To be run by one thread."""
        epoch = self.random.choice((0, 1, 1000, 2**31, 2**32 - 1))
        lifetime = self.random.choice((0, 1, 2, 3600, 2**31, 2**32 - 1))
        port = self.random.choice((0, 1, 4500, 65535))
        address = self.random.choice((self.address, "0.0.0.0", "127.0.0.1", "192.168.1.1", "224.0.0.1", "100.64.1.1"))
        answers = [os.urandom(self.random.randrange(0, 200)), b""]
        if len(octets) >= 2 and octets[0] == 0:
            result = self.random.choice((0, 0, 0, 1, 2, 3, 4, 5, 77))
            answers += [natpmp_address(address, epoch, result)] * 3 + [octets]
            if len(octets) >= 12:
                internal, = struct.unpack_from("!H", octets, 4)
                answers += [natpmp_map(self.random.choice((internal, port)), port, lifetime, epoch, octets[1], result)] * 5
        else:
            try:
                request = PcpRequest(octets)
            except ValueError:
                return None
            result = self.random.choice((0, 0, 0, *range(1, 14), 200))
            if request.opcode == PcpRequest.MAP:
                answers += [pcp_map(request, address, port, lifetime, epoch, result),
                            pcp_map(request, address, port, lifetime, epoch, nonce=os.urandom(12)),
                            pcp_map(request, address, protocol=132), pcp_map(request, address, internal=port)] * 2
            answers += [pcp_answer(request.opcode, result, lifetime, epoch), pcp_answer(5), natpmp_address(address, epoch, 1)]
        answer = self.random.choice(answers)
        return [answer[:self.random.randrange(len(answer) + 1)] if self.random.random() < 0.1 else answer]

    def close(self):
        self.played.close()
        self.igd.close()


class World:
    def __init__(self, arguments):
        self.arguments = arguments
        self.random = random.Random(arguments.seed)
        self.lab = Lab(build=arguments.build, homes={"desktop": "A"}, supervise=True)
        self.host = self.lab.desktop
        self.homes = list(self.lab.gateways.values())
        self.liars = {}
        self.done = {}
        self.n_changes = self.n_moves = self.n_checks = 0
        # A mapping that was only for a proof, in a network that was left, runs out by itself after two minutes.
        self.patience = 180 + self.lab.patience
        self.longest = 0
        self.begun = time.monotonic()

    def say(self, text):
        if not self.arguments.quiet:
            print(f"[{time.monotonic() - self.begun:7.1f} s] {text}", flush=True)

    def start(self):
        self.lab.start()
        self.lab.sign_in_all()
        self.traffic = GatewayTraffic(self.host)
        self.caller = Caller(self.host)
        self.wish()

    # What happens.

    def act(self):
        actions = [(self.move, 12), (self.reboot, 3), (self.other_address, 3), (self.other_protocols, 3), (self.refuse, 1),
                   (self.fall_silent, 1), (self.lose, 2), (self.recover, 4), (self.forget, 2), (self.lie, 2),
                   (self.kill, 2), (self.freeze, 1), (self.unplug, 1), (self.flap, 1)]
        action = self.random.choices([a for a, _ in actions], [w for _, w in actions])[0]
        home = self.host.gateway if self.host.gateway in self.homes and self.random.random() < 0.8 else \
            self.random.choice(self.homes)
        action(home)
        self.n_changes += 1
        self.done[action.__name__] = self.done.get(action.__name__, 0) + 1

    def move(self, home):
        self.host.move(self.random.choice(self.homes))
        self.n_moves += 1

    def reboot(self, home):
        self.end_lie(home)
        home.reboot(self.new_address(home) if self.random.random() < 0.5 else None)

    def other_address(self, home):
        home.change_address(self.new_address(home))

    def new_address(self, home):
        return f"11.0.{home.number}.{self.random.choice([n for n in range(1, 250) if f'11.0.{home.number}.{n}' != home.wan_address])}"

    def other_protocols(self, home):
        self.end_lie(home)
        home.set_protocols([p for p in PROTOCOLS if self.random.random() < 0.5], "igd")

    def refuse(self, home):
        self.end_lie(home)
        home.set_protocols(self.random.choice((PROTOCOLS, ("nat-pmp",), ("pcp",), ("upnp-igd",))), "refusing")

    def fall_silent(self, home):
        home.lose(100)

    def lose(self, home):
        home.lose(self.random.choice((10, 30, 60)))

    def forget(self, home):
        home.forget_mappings()

    def recover(self, home):
        self.end_lie(home)
        home.lose(0)
        if home.kind != "igd" or home.protocols != PROTOCOLS:
            home.set_protocols(PROTOCOLS, "igd")

    def lie(self, home):
        self.end_lie(home)
        self.liars[home] = Liar(home, self.random.randrange(1 << 30))

    def end_lie(self, home):
        liar = self.liars.pop(home, None)
        if liar:
            liar.close()
            home.forget_mappings()
            home.start_miniupnpd()

    def kill(self, home):
        starts = self.host.daemons["mapper"].starts
        self.host.kill_daemon("mapper")
        self.host.wait_restarted("mapper", starts)
        self.host.wait_for(lambda: self.host.bus.owner("org.homeward.Mapper1"), self.patience)
        self.wish()

    def freeze(self, home):
        """What happens meanwhile, mapper learns afterwards."""
        self.host.kill_daemon("mapper", signal.SIGSTOP, wait=False)
        self.random.choice((self.reboot, self.other_address, self.forget, self.move))(home)
        self.host.kill_daemon("mapper", signal.SIGCONT, wait=False)

    def unplug(self, home):
        self.host.disconnect()
        self.host.wait_for(lambda: self.host.get_property("mapper", "State") == "no-network", self.patience)
        self.move(home)

    def flap(self, home):
        """The address goes and comes back before anybody has settled on anything."""
        prefix = f"{self.host.address}/24"
        router = self.host.gateway.lan_address
        self.host.batch([f"address del {prefix} dev eth0", f"address add {prefix} brd + dev eth0",
                         f"route replace default via {router} dev eth0"])

    def wish(self):
        for label, protocol, port in WISHES:
            self.caller.add(label, protocol, port, lifetime=120)

    # What must hold.

    def order(self):
        """Every gateway speaks everything and loses nothing."""
        for home in self.homes:
            self.recover(home)

    def check(self):
        """Visits each home."""
        self.order()
        for home in self.random.sample(self.homes, len(self.homes)):
            self.n_moves += 1
            self.n_changes += 1
            begun = time.monotonic()
            self.host.move(home)
            story = {}
            try:
                wait_until(lambda: self.agree(home, story), self.patience, every=0.05)
            except TimeoutError:
                raise AssertionError(f"after {self.n_moves} moves (seed {self.arguments.seed}) there is no agreement at "
                                     f"{home.name}: {json.dumps(story, indent=1, default=str)}") from None
            self.longest = max(self.longest, time.monotonic() - begun)
        self.n_checks += 1
        self.packets_in_all = packets = self.traffic.packets()
        allowed = PACKETS_PER_CHANGE * self.n_changes
        self.say(f"{self.n_moves} moves: all agree; {packets} packets to gateways in {self.n_changes} changes")
        assert packets <= allowed, f"{packets} packets to gateways, more than {allowed}"

    def agree(self, home, story):
        """Whether bus, gateway and zone say the same; what they say is put into `story`."""
        story["reason"] = self.host.get_property("mapper", "Reason")
        generation = self.host.get_property("mapper", "NetworkGeneration")
        objects = self.host.get_objects("mapper", MAPPING)
        story["bus"] = {(seen["Label"]): (seen["State"], seen["External"], seen["Internal"], seen["Protocol"],
                                          seen["Generation"], seen["LastError"]) for seen in objects.values()}
        wanted = {"udp": {}, "tcp": {}}
        for seen in objects.values():
            if seen["State"] != "mapped" or seen["External"][0] != home.wan_address or seen["Generation"] != generation:
                return False
            wanted["tcp" if seen["Label"] == "web" else "udp"][seen["External"][1]] = tuple(seen["Internal"])
        if len(wanted["udp"]) < 2 or not wanted["tcp"]:
            return False
        story["gateway"] = {protocol: home.mappings(protocol) for protocol in ("udp", "tcp")}
        story["wanted"] = wanted
        if story["gateway"] != wanted:
            return False
        story["zone"] = self.zone_endpoint()
        return story["zone"] == tuple(next(s["External"] for s in objects.values() if s["Label"] == "tunnel"))

    def zone_endpoint(self):
        """(address, port) that the zone tells others."""
        shown = json.loads(self.lab.zone.run(
            self.lab.zone.as_user("homeward-zone") + ["/run/lab/bin/zonectl", "--config", "/etc/homeward/zoned.conf", "zone",
                                                      "show", ACCOUNT, "--json"],
            env=self.lab.zone.sanitizer_environment("zonectl")).stdout)
        records = [record["record"].split() for record in shown]
        port = next((int(words[-2]) for words in records if words[3] == "SRV" and
                     words[0].lower().startswith("_autotunnel._udp.desktop.")), None)
        address = next((words[-1] for words in records if words[3] == "A" and
                        words[0].lower().startswith("autotunnel-")), None)
        return address, port

    def work(self):
        next_check = CHECKPOINT
        while self.n_moves < self.arguments.moves:
            self.act()
            # How far mapper gets in between is part of what is random.
            time.sleep(self.random.choice((0, 0.01, 0.03, 0.1, 0.3, 0.6)))
            if next_check <= self.n_moves < self.arguments.moves:
                next_check += CHECKPOINT
                self.check()
        self.check()

    def finish(self):
        """What is released is gone at the gateway, too."""
        home = self.host.gateway
        for path, seen in self.host.get_objects("mapper", MAPPING).items():
            if seen["Label"] in [label for label, _, _ in WISHES]:
                self.caller.release(path)
        wait_until(lambda: home.mappings("tcp") == {} and len(home.mappings()) == 1, 20)
        bad = self.lab.end_house()
        assert not bad, f"ended badly: {bad}"
        assert home.mappings() == {}, f"left over: {home.mappings()}"

    def close(self):
        for liar in self.liars.values():
            liar.close()
        self.lab.close()


def run(arguments):
    world = World(arguments)
    try:
        world.start()
        world.work()
        world.finish()
    except BaseException:
        world.lab.show_logs(lines=15)
        raise
    finally:
        world.close()
    return world


def main():
    parser = argparse.ArgumentParser(prog="./run soak mapping", description=__doc__.split("\n\n")[0],
                                     epilog="The same seed does the same things in the same order; what comes between "
                                     "them is up to the machine.")
    parser.add_argument("moves", type=int, nargs="?", default=1000, metavar="MOVES", help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--build", help="where the daemons are (default: build)")
    parser.add_argument("--quiet", action="store_true", help="only the end")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    try:
        world = run(arguments)
    except (AssertionError, TimeoutError, BusError) as problem:
        print(f"FAILED: {problem}")
        return 1
    done = ", ".join(f"{count} {name}" for name, count in sorted(world.done.items()))
    print(f"{world.n_moves} moves ({done}): at {world.n_checks} checkpoints bus, gateways and zone agreed in each of "
          f"{len(world.homes)} homes, after {world.longest:.1f} s at most; {world.packets_in_all} packets to gateways")
    return 0


if __name__ == "__main__":
    sys.exit(main())
