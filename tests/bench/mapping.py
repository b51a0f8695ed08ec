#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How fast mapper maps after a move, and how little it says while nothing happens.

    mapping.py [--json] [--moves N] [--minutes N] [PART...]

A host moves between two homes with real gateways (miniupnpd) that speak one protocol. Measured is from the kernel's word
of the new address to the mapped endpoint on the bus; beside it, after each move, the raw exchange of another program
with the same gateway. docs/BENCHMARKS.md says what is included.
"""
import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "tests/lab"), os.path.dirname(os.path.abspath(__file__))]
from homeward_lab import Gateway, Host, Internet  # noqa: E402
from homeward_lab.mappings import Caller, socket_in, wait_mapping  # noqa: E402
from mapping_clock import Clock  # noqa: E402
import mapping_raw  # noqa: E402

# As services/mapper/network-state.h has it: quiet for so long and a network counts as settled.
SETTLE_MSEC = 20
GOAL_MSEC = 3
# protocol: (key of the result, program of the raw exchange)
PROTOCOLS = {"nat-pmp": ("natpmp", "natpmpc"), "pcp": ("pcp", "a bare PCP client"), "upnp-igd": ("upnp", "upnpc -u")}
PORT, RAW_PORT = 4500, 4600
# What a home may have, for the count of packets.
KINDS = {"pcp": {"protocols": ("pcp",)}, "nat-pmp": {"protocols": ("nat-pmp",)},
         "upnp-igd": {"protocols": ("upnp-igd",)}, "all three": {},
         "none, port closed": {"kind": "plain"}, "none, silent": {"kind": "silent"},
         "refusing": {"kind": "refusing", "protocols": ("pcp", "nat-pmp")}}


def percentile(values, part):
    """The smallest value that so large a part of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def milliseconds(values):
    return {"p50": round(percentile(values, 0.5) * 1e3, 2), "p99": round(percentile(values, 0.99) * 1e3, 2)}


class Move:
    """What the clock saw of one move, in seconds after the kernel's word of the address."""

    def __init__(self, events, address, endpoint_path, wan_address):
        starts = [event[1] for event in events if event[0] == "notification" and event[2:] == ("address", address)]
        self.start = starts[0]
        self.announced = next(event[1] for event in events if _announces(event, endpoint_path, wan_address)) - self.start
        self.local = next((event[1] - self.start for event in events if event[0] == "bus" and
                           event[3].get("LocalAddress") == address and event[1] >= self.start), None)
        # Whatever came before the settle starts its waiting anew.
        quiet = [event[1] - self.start for event in events if event[0] == "notification" and
                 (self.local is None or event[1] < self.start + self.local)]
        self.last_notification = max(quiet)
        packets = [event for event in events if event[0] == "packet" and event[1] >= self.start]
        self.asked = min((event[1] for event in packets if event[2] == "out"), default=self.start) - self.start
        self.answered = max((event[1] for event in packets if event[2] == "in" and event[1] < self.start + self.announced),
                            default=self.start) - self.start
        self.settle = self.last_notification + SETTLE_MSEC / 1e3
        # What was neither waiting for quiet nor for the gateway.
        waited = mapping_raw.waiting([packet for packet in packets if packet[1] <= self.start + self.announced])
        self.own = self.announced - self.settle - waited


def _was_late(events, address):
    """Whether the clock slept between the kernel's word and mapper's, or just before."""
    starts = [event[1] for event in events if event[0] == "notification" and event[2:] == ("address", address)]
    return not starts or any(event[0] == "late" and event[1] >= starts[0] - 0.001 for event in events)


def _announces(event, path, wan_address):
    return (event[0] == "bus" and event[2] == path and event[3].get("State") == "mapped" and
            event[3].get("External", ("",))[0] == wan_address)


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.results = {}
        self.table = []

    def say(self, text):
        print(f"# {text}", file=sys.stderr, flush=True)

    def row(self, what, value, target="", met=None):
        self.table.append((what, value, target, "" if met is None else "yes" if met else "NO"))
        self.say(f"{what}: {value}" + (f" (wanted: {target})" if target else ""))

    # Moves --------------------------------------------------------------------------------------------------------

    def part_moves(self):
        for protocol in self.arguments.protocols:
            with Internet() as internet, Gateway("A", 1, internet, protocols=(protocol,)) as first, \
                    Gateway("B", 2, internet, protocols=(protocol,)) as second, Host("desktop") as host:
                for place in (internet, first, second, host):
                    place.wait_ready()
                self.measure(protocol, host, (first, second))

    def measure(self, protocol, host, homes):
        host.move(homes[1])
        host.start_daemon("mapper", f"[gateway]\nprotocols = {protocol}\n")
        caller = Caller(host)
        path = caller.add("tunnel", "udp", PORT)
        wait_mapping(host, path, "mapped")
        clock = Clock(host)
        moves, raw, number, n_late = [], [], 0, 0
        try:
            while len(moves) < self.arguments.moves and number < 3 * self.arguments.moves + 2:
                home = homes[number % 2]
                home.forget_mappings()
                clock.begin()
                host.move(home)
                events = clock.until(lambda event: _announces(event, path, home.wan_address))
                exchange = self.raw_exchange(protocol, host, home, clock)
                number += 1
                # The first move to each home meets a gateway that is not known yet.
                if number <= 2:
                    continue
                if _was_late(events, host.address):
                    n_late += 1
                    continue
                moves.append(Move(events, host.address, path, home.wan_address))
                raw.append(exchange)
            if n_late:
                self.say(f"{protocol}: {n_late} moves were done again because the clock itself did not get a processor")
            self.tell(protocol, moves, raw)
            self.results[PROTOCOLS[protocol][0]]["done_again"] = n_late
        finally:
            clock.close()
        host.stop_daemon("mapper")

    def raw_exchange(self, protocol, host, home, clock):
        """Seconds between the packets of another program that wants the same of the same gateway."""
        clock.begin()
        if protocol == "pcp":
            with socket_in(host, (host.address, 0)) as client:
                mapping_raw.pcp(client, home.lan_address, host.address, RAW_PORT)
        elif protocol == "nat-pmp":
            host.run(["natpmpc", "-g", home.lan_address, "-a", str(RAW_PORT), str(RAW_PORT), "udp", "3600"])
        else:
            host.run(["upnpc", "-u", home.description_url, "-a", host.address, str(RAW_PORT), str(RAW_PORT), "udp", "3600"])
        return mapping_raw.duration(protocol, [event for event in clock.so_far() if event[0] == "packet"])

    def tell(self, protocol, moves, raw):
        key, program = PROTOCOLS[protocol]
        total = [move.announced for move in moves]
        over = (statistics.median(total) - statistics.median(raw) - statistics.median(move.settle for move in moves)) * 1e3
        over_99 = (percentile([move.announced - move.settle for move in moves], 0.99) - percentile(raw, 0.99)) * 1e3
        figures = {"total_ms": milliseconds(total), "raw_ms": milliseconds(raw),
                   "local_address_ms": milliseconds([move.local for move in moves if move.local is not None]),
                   "settle_ms": milliseconds([move.settle for move in moves]),
                   "settled_to_asked_ms": milliseconds([move.asked - move.settle for move in moves]),
                   "own_exchange_ms": milliseconds([move.answered - move.asked for move in moves]),
                   "answered_to_announced_ms": milliseconds([move.announced - move.answered for move in moves]),
                   "own_ms": milliseconds([move.own for move in moves])}
        self.results[f"{key}_over_ms"] = round(over, 2)
        self.results[f"{key}_over_p99_ms"] = round(over_99, 2)
        self.results[key] = {"moves": len(moves), **figures}
        words = {"total_ms": "address to endpoint", "raw_ms": f"raw exchange by {program}",
                 "settle_ms": "of that, the kernel's burst and the settle time", "local_address_ms":
                 "address to local address announced", "settled_to_asked_ms": "settled to first packet",
                 "own_exchange_ms": "first packet to last answer", "answered_to_announced_ms": "last answer to bus",
                 "own_ms": "neither settling nor waiting for the gateway's answer"}
        for name, text in words.items():
            self.row(f"{protocol}: {text}, p50 and p99, ms", f"{figures[name]['p50']}, {figures[name]['p99']}")
        self.row(f"{protocol}: above raw exchange and settle time, p50 and p99, ms", f"{over:.2f}, {over_99:.2f}",
                 f"p50 <= {GOAL_MSEC}", over <= GOAL_MSEC)

    # Packets ------------------------------------------------------------------------------------------------------

    def part_packets(self):
        """Each kind of gateway at the same time, each with a host of its own."""
        counts = {}
        threads = []
        with Internet() as internet:
            internet.wait_ready()
            homes = []
            try:
                for number, (kind, options) in enumerate(KINDS.items(), 1):
                    gateway, host = Gateway(f"G{number}", number, internet, **options), Host(f"h{number}")
                    homes += [gateway, host]
                    gateway.wait_ready()
                    host.wait_ready()
                    threads.append(threading.Thread(target=self.count, args=(kind, gateway, host, counts)))
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            finally:
                for namespace in reversed(homes):
                    namespace.close()
        for kind, (minutes, own) in counts.items():
            self.row(f"packets to a gateway that speaks {kind}, in each minute, by tshark",
                     " ".join(map(str, minutes)) + f"; mapper's own count of all {own}", "a handful in the last",
                     minutes[-1] <= 5)
        self.results["packets_per_minute"] = {kind: minutes for kind, (minutes, _) in counts.items()}
        self.results["packets_in_last_minute"] = max(minutes[-1] for minutes, _ in counts.values())

    def count(self, kind, gateway, host, counts):
        """tshark at the gateway, from the moment the host arrives."""
        address = gateway.lease(host.name)
        wanted = f"(udp or tcp) and src host {address} and (dst host {gateway.lan_address} or multicast)"
        tshark = gateway.popen(["tshark", "-l", "-n", "-i", "br-lan", "-f", wanted, "-T", "fields", "-e", "frame.time_epoch"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        times = []
        for line in tshark.stderr:
            if "Capturing" in line:
                break
        reader = threading.Thread(target=lambda: times.extend(float(line) for line in tshark.stdout), daemon=True)
        reader.start()
        host.move(gateway)
        begun = time.time()
        host.start_daemon("mapper")
        caller = Caller(host)
        caller.add("tunnel", "udp", PORT)
        caller.add("web", "tcp", 8080)
        minutes = self.arguments.minutes
        # This is the measurement: that much time passes.
        time.sleep(minutes * 60)
        own = host.get_property("mapper", "GatewayPackets")
        tshark.terminate()
        tshark.wait(10)
        reader.join()
        tshark.stderr.close()
        tshark.stdout.close()
        counts[kind] = ([sum(begun + 60 * m <= at < begun + 60 * (m + 1) for at in times) for m in range(minutes)], own)
        caller.leave()
        host.stop_daemon("mapper")


def machine():
    with open("/proc/cpuinfo") as file:
        model = re.search(r"^model name\s*: (.*)$", file.read(), re.M)
    return f"{os.cpu_count()} processors ({model[1] if model else platform.machine()}), Linux {platform.release()}, " \
           f"load {os.getloadavg()[0]:.1f}"


PARTS = {"moves": Bench.part_moves, "packets": Bench.part_packets}


def main():
    parser = argparse.ArgumentParser(
        prog="./run bench mapping", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="How fast mapper maps after a move, and how many packets it sends while nothing happens.",
        epilog="""parts:
  moves     from the kernel's address event to the endpoint on the bus, beside natpmpc, upnpc and a bare PCP exchange
  packets   packets a minute to each kind of gateway, counted by tshark""")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    parser.add_argument("--moves", type=int, default=100, help="moves with each protocol (default: %(default)s)")
    parser.add_argument("--minutes", type=int, default=3, help="how long packets are counted (default: %(default)s)")
    parser.add_argument("--protocols", type=lambda text: text.split(","), default=list(PROTOCOLS), metavar="P,P",
                        help="only these (default: all three)")
    parser.add_argument("parts", nargs="*", metavar="PART", help="only these (default: all)")
    arguments = parser.parse_args()
    for part in arguments.parts:
        if part not in PARTS:
            parser.error(f"there is no part \"{part}\"; there are: {' '.join(PARTS)}")
    for protocol in arguments.protocols:
        if protocol not in PROTOCOLS:
            parser.error(f"there is no protocol \"{protocol}\"; there are: {' '.join(PROTOCOLS)}")
    bench = Bench(arguments)
    bench.say(machine())
    # All that is measured and compared, that what else runs on this machine matters less.
    os.nice(-15)
    for part in arguments.parts or PARTS:
        PARTS[part](bench)
    if arguments.json:
        print(json.dumps({"machine": machine(), **bench.results}, indent=2))
    else:
        for what, value, target, met in bench.table:
            print(f"{what}: {value}" + (f"  (wanted: {target}; met: {met})" if met else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
