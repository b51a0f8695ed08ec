#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How fast and how large the members zone gets: zoned beside BIND 9, on loopback of a network namespace of its own.

    zone.py [--json] [PART...]

Only figures of one run on one machine can be compared. docs/BENCHMARKS.md says what each of them includes.
"""
import argparse
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import BUILD, ZONE, Named, Subscribers, Zoned, account_domain, fsync_rate, generate, write_keys  # noqa: E402

FOLDER = os.path.join(BUILD, "bench")
# So many accounts with so many hosts each where it does not matter how many.
ACCOUNTS, HOSTS = 100, 10
WINDOWS = (64, 256)


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

    def keys(self, n, name="keys"):
        path = os.path.join(FOLDER, name)
        write_keys(path, range(n))
        return path

    def zoned(self, accounts, port=5300):
        return Zoned(os.path.join(FOLDER, "zoned"), port, range(accounts))

    def named(self, accounts, port=5301):
        return Named(os.path.join(FOLDER, "named"), port, range(accounts))

    # Beside BIND --------------------------------------------------------------------------------------------------

    def options(self, server):
        return ["--hosts", HOSTS] + (["--zone", ZONE] if isinstance(server, Named) else [])

    def best_window(self, mode, server, keys):
        """The window that suits this server, and how many requests fill the wanted time."""
        rates = {}
        for window in WINDOWS:
            probe = generate(mode, keys, server.port, *self.options(server), "--window", window,
                             "--count", 2000 if mode == "update" else 20000)
            rates[window] = probe["rate"]
        window = max(rates, key=rates.get)
        return window, max(1000, int(rates[window] * self.arguments.seconds))

    def compare(self, mode, keys, servers):
        """Alternating runs; the runs of each server."""
        plans = {server: self.best_window(mode, server, keys) for server in servers}
        runs = {server: [] for server in servers}
        for _ in range(self.arguments.rounds):
            for server in servers:
                window, count = plans[server]
                disk = fsync_rate(FOLDER, 0.5) if mode == "update" else 0
                before, transactions = server.processor(), getattr(server, "status", dict)().get("Transactions", 0)
                run = generate(mode, keys, server.port, *self.options(server), "--window", window, "--count", count)
                run["processor"] = (server.processor() - before) / run["seconds"]
                run["transactions"] = getattr(server, "status", dict)().get("Transactions", 0) - transactions
                run["fsyncs"] = disk
                if run["noerror"] != count or run["bad_signatures"]:
                    self.say(f"{type(server).__name__}: not all were answered: {run}")
                runs[server].append(run)
                self.say(f"{mode} {type(server).__name__}: {run['rate']:.0f}/s, window {window}, "
                         f"p99 {run['latency']['p99_ms']:.1f} ms, server {run['processor']:.2f} processors, "
                         f"generator {run['generator_processor']:.2f}, resent {run['resent']}")
        return runs

    def part_bind(self):
        keys = self.keys(ACCOUNTS)
        servers = [self.zoned(ACCOUNTS).start(), self.named(ACCOUNTS).start()]
        zoned, named = servers
        try:
            for mode, key, target in (("update", "update_vs_bind", 5), ("query", "query_vs_bind", 1)):
                runs = self.compare(mode, keys, servers)
                rates = {server: statistics.median(run["rate"] for run in runs[server]) for server in servers}
                ratio = rates[zoned] / rates[named]
                self.results[key] = round(ratio, 2)
                self.results[f"{mode}_per_second"] = round(rates[zoned])
                self.results[f"{mode}_per_second_bind"] = round(rates[named])
                name = "Durable signed UPDATEs with lease" if mode == "update" else "Signed queries over UDP"
                self.row(f"{name}, zoned / BIND, per second", f"{rates[zoned]:.0f} / {rates[named]:.0f} = {ratio:.1f}",
                         f">= {target}", ratio >= target)
                if mode == "update":
                    self.disk(runs[zoned])
        finally:
            for server in servers:
                server.stop()

    def disk(self, runs):
        fsyncs = statistics.median(run["fsyncs"] for run in runs)
        commits = statistics.median(run["transactions"] / run["seconds"] for run in runs)
        batch = statistics.median(run["answered"] / max(1, run["transactions"]) for run in runs)
        self.results.update(fsync_per_second=round(fsyncs), commits_per_second=round(commits),
                            updates_per_commit=round(batch, 1))
        self.row("fsyncs of 4 KiB that the disk does per second", f"{fsyncs:.0f}")
        self.row("zoned's transactions per second, UPDATEs in each", f"{commits:.0f} of {fsyncs:.0f}, {batch:.1f}")

    # Subscriptions ------------------------------------------------------------------------------------------------

    def part_memory(self):
        accounts = 1000
        keys = self.keys(accounts)
        server = self.zoned(accounts).start()
        subscribers = None
        try:
            generate("update", keys, server.port, "--hosts", HOSTS, "--count", accounts * HOSTS)
            for kind, key, most in (("llq", "llq_bytes", 2048), ("push", "push_bytes", 24576)):
                # Afresh: memory that UPDATEs have left over would hide some of it.
                server.stop()
                server.start()
                before = server.rss()
                count = self.arguments.subscriptions
                if kind == "push":
                    count = min(count, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 200)
                subscribers = Subscribers(keys, server.port, "--hosts", HOSTS, f"--{kind}", count, "--window", 128,
                                          "--sockets", 8, "--tls-port", server.port + 100)
                live = subscribers.ready["live"]
                each = (server.rss() - before) / max(1, live)
                self.results[key] = round(each)
                self.results[f"{kind}_live"] = live
                self.results[f"{kind}_setup_seconds"] = subscribers.ready["seconds"]
                self.row(f"Memory for each of {live} live {kind} subscriptions, octets", f"{each:.0f}", f"<= {most}",
                         each <= most and live == count)
                subscribers.stop()
                subscribers = None
        finally:
            if subscribers:
                subscribers.stop()
            server.stop()

    def part_fanout(self):
        count = 10000
        keys = self.keys(1)
        server = self.zoned(1).start()
        subscribers = None
        try:
            generate("update", keys, server.port, "--hosts", 1, "--count", 1)
            for kind, key in (("llq", "fanout_10k_ms"), ("push", "fanout_10k_push_ms")):
                subscribers = Subscribers(keys, server.port, f"--{kind}", count, "--window", 128, "--sockets", 8,
                                          "--tls-port", server.port + 100)
                lasts, n_missed = [], 0
                for _ in range(self.arguments.fanouts):
                    told = subscribers.change(1, 500, count, 10000)
                    n_missed += count - told["arrived_last"]
                    lasts.append(told["event"]["max_ms"])
                    self.say(f"{kind}: {told['event']}, sent again {told['repeated']}, missing "
                             f"{count - told['arrived_last']}")
                subscribers.stop()
                subscribers = None
                value = max(lasts) if n_missed else statistics.median(lasts)
                self.results[key] = round(value, 1)
                self.results[f"{key[:-3]}_all_ms"] = lasts
                self.results[f"{key[:-3]}_missed"] = n_missed
                self.row(f"One change to 10,000 {kind} subscribers of one name, last event, ms", f"{value:.1f}" +
                         (f", {n_missed} never" if n_missed else ""), "<= 100", value <= 100 and not n_missed)
        finally:
            if subscribers:
                subscribers.stop()
            server.stop()

    def part_event(self):
        keys = self.keys(ACCOUNTS)
        server = self.zoned(ACCOUNTS).start()
        subscribers = None
        try:
            for kind, prefix in (("llq", "event"), ("push", "event_push")):
                subscribers = Subscribers(keys, server.port, "--hosts", HOSTS, f"--{kind}", ACCOUNTS * HOSTS,
                                          "--tls-port", server.port + 100)
                told = subscribers.change(1000, 2, 1, 2000)
                subscribers.stop()
                subscribers = None
                self.check(told)
                for name, most in (("p50", 3), ("p99", 15)):
                    value = told["event"][f"{name}_ms"]
                    self.results[f"{prefix}_{name}_ms"] = value
                    self.row(f"UPDATE sent to {kind} event received, {name} of 1,000, ms", f"{value:.2f}",
                             f"<= {most}", value <= most)
        finally:
            if subscribers:
                subscribers.stop()
            server.stop()

    def check(self, told):
        if told["unanswered"] or told["refused"] or told["incomplete"] or told["bad_signatures"]:
            self.say(f"something went missing: {told}")

    # With the number of accounts ------------------------------------------------------------------------------------

    def part_curve(self):
        curve = []
        keys = self.keys(1000)
        for accounts in self.arguments.accounts:
            server = self.zoned(accounts)
            begun = time.monotonic()
            server.start()
            started = time.monotonic() - begun
            try:
                curve.append(self.measure_accounts(server, keys, accounts, started))
            finally:
                server.stop()
        self.results["curve"] = curve
        for point in curve:
            self.row(f"{point['accounts']} accounts: event p50, p99 ms; processor ms per change",
                     f"{point['event_p50_ms']:.2f}, {point['event_p99_ms']:.2f}; {point['processor_ms']:.3f}")
        if len(curve) > 1:
            growth = curve[-1]["processor_ms"] / max(curve[0]["processor_ms"], 1e-9)
            self.results["curve_growth"] = round(growth, 2)
            self.row("Cost per event, most accounts / fewest", f"{growth:.2f}", "does not grow (<= 1.5)",
                     growth <= 1.5)

    def measure_accounts(self, server, keys, accounts, started):
        rss = server.rss()
        subscribers = Subscribers(keys, server.port, "--llq", 1000)
        try:
            subscribers.change(100, 0, 1, 2000)
            before = server.processor()
            told = subscribers.change(5000, 0, 1, 2000)
            spent = server.processor() - before
        finally:
            subscribers.stop()
        self.check(told)
        return {"accounts": accounts, "start_seconds": round(started, 2), "rss": rss,
                "event_p50_ms": told["event"]["p50_ms"], "event_p99_ms": told["event"]["p99_ms"],
                "processor_ms": round(spent * 1000 / told["changes"], 4)}

    # All ------------------------------------------------------------------------------------------------------------

    def machine(self):
        with open("/proc/cpuinfo") as file:
            model = re.search(r"model name\s*: (.*)", file.read())
        bind = subprocess.run(["named", "-v"], stdout=subprocess.PIPE, text=True).stdout.split("(")[0].strip()
        filesystem = subprocess.run(["stat", "-f", "-c", "%T", FOLDER], stdout=subprocess.PIPE, text=True).stdout
        return {"processors": os.cpu_count(), "model": model[1] if model else platform.machine(),
                "kernel": platform.release(), "bind": bind, "filesystem": filesystem.strip(),
                "load_before": round(os.getloadavg()[0], 2)}

    def run(self):
        os.makedirs(FOLDER, exist_ok=True)
        self.results["machine"] = self.machine()
        for part in self.arguments.parts or PARTS:
            self.say(f"part {part}")
            getattr(self, f"part_{part}")()
        if self.arguments.json:
            print(json.dumps(self.results))
            return
        width = max(len(row[0]) for row in self.table)
        print(f"{self.results['machine']}")
        for what, value, target, met in self.table:
            print(f"{what:{width}}  {value:28}  {target:24}  {met}")


PARTS = ("bind", "memory", "fanout", "event", "curve")


def main():
    parser = argparse.ArgumentParser(prog="./run bench zone", description=__doc__.split("\n\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"only these ({', '.join(PARTS)})")
    parser.add_argument("--json", action="store_true", help="one object at the end instead of the table")
    parser.add_argument("--rounds", type=int, default=3, help="alternating runs beside BIND (3)")
    parser.add_argument("--seconds", type=float, default=4, help="length of each of them (4)")
    parser.add_argument("--subscriptions", type=int, default=50000, help="of each kind (50000)")
    parser.add_argument("--fanouts", type=int, default=5, help="changes to 10,000 subscribers (5)")
    parser.add_argument("--accounts", type=lambda text: [int(part) for part in text.split(",")],
                        default=[1000, 10000, 100000], help="points of the curve (1000,10000,100000)")
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part \"{unknown[0]}\"")
    if os.environ.get("HOMEWARD_BENCH") != "inside":
        os.environ["HOMEWARD_BENCH"] = "inside"
        os.execvp("unshare", ["unshare", "--net", "--", sys.executable, *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # A descriptor for each TLS connection.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    Bench(arguments).run()


if __name__ == "__main__":
    sys.exit(main())
