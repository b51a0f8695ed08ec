#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How fast data goes through the tunnel, beside the tunnels that somebody would install instead.

    tunnel.py [--json] [--quick] [--rounds N] [--seconds N] [--congestion NAME] [--tunnels NAME,...] [WIRE...]

Two hosts for each tunnel; everything is up at once, and each round measures each tunnel in turn, in another order. Medians.
WIRE: veth, nic (no offloads on the wire), nat (a gateway between); all three unless told, or the one that TB_VETH tells.
docs/BENCHMARKS.md says what is included.
"""
import argparse
import json
import os
import platform
import re
import shutil
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tunnels import TOP, TUNNELS, WIRES, Wire, WireguardGoNew  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
OTHERS = ("openvpn", "nebula", "tinc", "fastd")
PROGRAMS = {"wireguard-go": "wireguard-go", "wireguard-go-new": WireguardGoNew.program, "strongswan": "charon-systemd",
            "openvpn": "openvpn", "nebula": "nebula", "tinc": "tincd", "fastd": "fastd",
            "nocrypto": os.path.join(TOP, "build/tests/bench/tunneld-nocrypto")}
PINGS = 1000


def seconds_of(pids):
    """Of the processors, for these processes."""
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICK


def resident_mib(pids):
    """Of the largest."""
    sizes = []
    for pid in pids:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            sizes.append(int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) / 1024)
    return max(sizes, default=0)


def wakeups(pids):
    """How often their threads went to sleep so far: as often they were woken."""
    total = 0
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as file:
                total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", file.read(), re.M)[1])
    return total


def iperf(tunnel, seconds, *options):
    """iperf3's word at the end, and the seconds of processors that the tunnel's processes took meanwhile."""
    before = seconds_of(tunnel.pids())
    text = tunnel.near.run(["iperf3", "-c", tunnel.inner[1], "-B", tunnel.inner[0], "-J", "-t", seconds, *options],
                           check=False, timeout=seconds + 60).stdout
    used = seconds_of(tunnel.pids()) - before
    said = json.loads(text)
    if "error" in said:
        raise RuntimeError(f"{tunnel.name}: iperf3: {said['error']}")
    return said["end"], used


def tcp(key, *streams):
    def measure(tunnel, options):
        end, used = iperf(tunnel, options.seconds, "-C", options.congestion, *streams)
        received = dict(end["sum_received"])
        for name in ("bytes", "bits_per_second") if "sum_received_bidir_reverse" in end else ():
            received[name] += end["sum_received_bidir_reverse"][name]
        return {f"{key}_gbps": received["bits_per_second"] / 1e9, f"{key}_s_per_gb": used / (received["bytes"] / 1e9),
                f"{key}_resent": end["sum_sent"].get("retransmits", 0)}
    return measure


def small(tunnel, options):
    """Packets of 200 octets, as many as the sender can make."""
    end, used = iperf(tunnel, options.seconds, "-u", "-b", "0", "-l", "200")
    arrived = end["sum"]["packets"] - end["sum"]["lost_packets"]
    return {"pps": arrived / end["sum"]["seconds"], "pps_us_each": used / max(arrived, 1) * 1e6,
            "pps_lost": end["sum"]["lost_packets"] / max(end["sum"]["packets"], 1)}


def round_trip(tunnel, options):
    text = tunnel.near.run(["ping", "-n", "-c", PINGS, "-i", "0.002", "-W", "1", tunnel.inner[1]], check=False,
                           timeout=120).stdout
    times = sorted(float(value) * 1000 for value in re.findall(r"time=([\d.]+)", text))
    return {"rtt_p50_us": statistics.median(times), "rtt_p99_us": times[int(len(times) * 0.99)],
            "rtt_lost": 1 - len(times) / PINGS}


TESTS = (tcp("tcp"), tcp("reverse", "-R"), tcp("four", "-P", "4"), tcp("both", "--bidir"), small, round_trip)


def measure_round(tunnels, turn, options, results):
    for test in TESTS:
        for tunnel in tunnels[turn % len(tunnels):] + tunnels[:turn % len(tunnels)]:
            try:
                figures = test(tunnel, options)
            except (RuntimeError, ValueError, KeyError, ZeroDivisionError, statistics.StatisticsError) as error:
                print(f"{tunnel.name}: {error}", file=sys.stderr)
                results[tunnel.name].setdefault("failed", []).append(1)
                continue
            figures["rss_mib"] = resident_mib(tunnel.pids())
            for key, value in figures.items():
                results[tunnel.name].setdefault(key, []).append(value)


def measure_idle(tunnels, seconds, results):
    """All at the same time, after a pause in which what was under way came to rest."""
    time.sleep(min(seconds, 5))
    before = {tunnel.name: wakeups(tunnel.pids()) for tunnel in tunnels}
    time.sleep(seconds)
    for tunnel in tunnels:
        woken = wakeups(tunnel.pids()) - before[tunnel.name]
        results[tunnel.name]["idle_wakeups_a_minute"] = [woken * 60 / seconds]


def measure_wire(kind, names, options):
    tunnels, results = [], {}
    try:
        for name in names:
            tunnel = TUNNELS[name](Wire(kind, TUNNELS[name].bus))
            tunnels.append(tunnel)
            try:
                tunnel.start()
            except (RuntimeError, TimeoutError) as error:
                print(f"{name} over {kind} did not come up: {error}", file=sys.stderr)
                tunnels.remove(tunnel)
                tunnel.close()
                continue
            results[name] = {"mtu": [tunnel.mtu()]}
        for turn in range(options.rounds):
            measure_round(tunnels, turn, options, results)
        if options.idle:
            measure_idle(tunnels, options.idle, results)
    finally:
        for tunnel in tunnels:
            tunnel.close()
    return {name: {key: round(statistics.median(values), 3) for key, values in figures.items()}
            for name, figures in results.items()}


def ratio(one, other, digits=2):
    return round(one / other, digits) if one and other else None


def compare(results):
    """Ours divided by theirs."""
    ours = results.get("homeward", {})

    def against(name, key):
        return ratio(ours.get(key), results.get(name, {}).get(key))
    best = max((results[name]["tcp_gbps"] for name in OTHERS if "tcp_gbps" in results.get(name, {})), default=None)
    return {"tcp_vs_wireguard_go": against("wireguard-go", "tcp_gbps"),
            "tcp_vs_wireguard_go_new": against("wireguard-go-new", "tcp_gbps"),
            "tcp_vs_strongswan": against("strongswan", "tcp_gbps"), "tcp_vs_best_peer": ratio(ours.get("tcp_gbps"), best),
            "tcp_vs_nocrypto": against("nocrypto", "tcp_gbps"), "tcp_vs_bare": against("bare", "tcp_gbps"),
            "cpu_vs_wireguard_go": ratio(ours.get("tcp_s_per_gb"), results.get("wireguard-go", {}).get("tcp_s_per_gb"), 3),
            "pps_vs_wireguard_go": against("wireguard-go", "pps"), "rtt_vs_wireguard_go": against("wireguard-go", "rtt_p50_us"),
            "four_vs_one": ratio(ours.get("four_gbps"), ours.get("tcp_gbps")),
            "reverse_vs_one": ratio(ours.get("reverse_gbps"), ours.get("tcp_gbps")), "rss_mib": ours.get("rss_mib")}


COLUMNS = (("tcp_gbps", "Gb/s", 2), ("reverse_gbps", "back", 2), ("four_gbps", "four", 2), ("both_gbps", "both", 2),
           ("tcp_s_per_gb", "s/GB", 2), ("pps", "200 B/s", 0), ("rtt_p50_us", "p50 us", 0), ("rtt_p99_us", "p99 us", 0),
           ("rss_mib", "MiB", 1), ("idle_wakeups_a_minute", "idle/min", 0), ("mtu", "MTU", 0))


def show(kind, results):
    print(f"\n{kind:14}" + "".join(f"{title:>10}" for _, title, _ in COLUMNS))
    for name, figures in results.items():
        print(f"{name:14}" + "".join(f"{figures[key]:10.{digits}f}" if key in figures else f"{'-':>10}"
                                     for key, _, digits in COLUMNS))
    print("homeward: " + ", ".join(f"{key} {value}" for key, value in compare(results).items() if value is not None))


def parse_options():
    parser = argparse.ArgumentParser(prog="./run bench tunnel", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wires", nargs="*", choices=[[], *WIRES], metavar="WIRE", help="veth, nic, nat (all)")
    parser.add_argument("--json", action="store_true", help="one object")
    parser.add_argument("--quick", action="store_true", help="veth alone, one round of 2 seconds, 10 idle seconds")
    parser.add_argument("--rounds", type=int, help="of each wire (3)")
    parser.add_argument("--seconds", type=int, help="of each measurement (5)")
    parser.add_argument("--congestion", default="cubic", help="control of TCP, one that the kernel has (cubic)")
    parser.add_argument("--idle", type=int, help="seconds in which nothing flows (60; 0: not measured)")
    parser.add_argument("--tunnels", help="names, with commas between: " + ", ".join(TUNNELS) + " (all)")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (2 if options.quick else 5)
    if options.idle is None:
        options.idle = 10 if options.quick else 60
    if not options.wires:
        told = os.environ.get("TB_VETH")
        options.wires = [told] if told in WIRES else ["veth"] if options.quick else list(WIRES)
    return options


def main():
    options = parse_options()
    names = options.tunnels.split(",") if options.tunnels else list(TUNNELS)
    for name in list(names):
        if name not in TUNNELS:
            raise SystemExit(f"there is no tunnel \"{name}\"")
        if name in PROGRAMS and not shutil.which(PROGRAMS[name]):
            print(f"{name} is left out: there is no {PROGRAMS[name]}", file=sys.stderr)
            names.remove(name)
    wires = {kind: measure_wire(kind, names, options) for kind in options.wires}
    machine = f"{os.cpu_count()} processors, {platform.machine()}, Linux {platform.release()}, load {os.getloadavg()[0]:.1f}"
    if options.json:
        print(json.dumps({**compare(wires[options.wires[0]]), "machine": machine, "rounds": options.rounds,
                          "seconds": options.seconds, "congestion": options.congestion,
                          "wires": {kind: {"compared": compare(results), **results} for kind, results in wires.items()}}))
        return
    for kind, results in wires.items():
        show(kind, results)
    print(f"\n{machine}")


if __name__ == "__main__":
    main()
