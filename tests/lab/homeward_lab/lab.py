# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole lab: an internet, a zone server, homes A, B, D, a café C, and two hosts of one person.

    with Lab() as lab:
        lab.start()
        lab.sign_in_all()
        lab.wait_all_see()
        lab.laptop.move(lab.gateways["C"])
"""
import ipaddress
import sys
import time

from .capture import Capture
from .daemons import DAEMONS, HOUSE, build_directory, has_sanitizers
from .host import Host
from .namespace import answered, wait_until
from .network import Gateway, Internet
from .transfer import Transfer, make_file

DOMAIN = "members.example.org"
ACCOUNT = "alice"
PASSWORD = "correct horse battery staple"
ZONE_ADDRESS = "11.0.0.53"

# name: (number, kind); cafe is C.
GATEWAYS = {"A": (1, "igd"), "B": (2, "igd"), "C": (3, "igd"), "D": (4, "igd")}
HOMES = {"desktop": "A", "laptop": "B"}

# The wait that spreads the hosts of a whole town after a power cut is not for two of them.
CONFIGS = {"registrar": "[registration]\nstartup-delay-msec = 0\n"}

ZONED_CONFIG = f"""[zone]
name = {DOMAIN}
server-address = {ZONE_ADDRESS}
"""


class Lab:
    """gateways, hosts: by name. kinds: {gateway: kind} where it is not igd. supervise: daemons that end are started
    again, as their units would. say: a function that gets a line for people at each step."""

    def __init__(self, build=None, kinds=None, homes=None, supervise=True, say=None, uplink_mbit=None):
        self.build = build_directory(build)
        self.supervise = supervise
        self._say = say or (lambda line: None)
        self.sanitized = has_sanitizers(self.build)
        # Scheduling on two busy cores, scrypt under a sanitizer: what an event may take at most.
        self.patience = 120 if self.sanitized else 60
        homes = homes or HOMES
        kinds = kinds or {}
        self.transfer = None
        self.mark = None
        self.internet = Internet()
        self.gateways = {name: Gateway(name, number, self.internet, kinds.get(name, kind),
                                       uplink_mbit=(uplink_mbit or {}).get(name))
                         for name, (number, kind) in GATEWAYS.items()}
        self.zone = Host("zone", build=self.build, bus=False)
        self.hosts = {name: Host(name, build=self.build) for name in homes}
        self.homes = homes

    def __getattr__(self, name):
        # lab.desktop, lab.laptop
        try:
            return self.__dict__["hosts"][name]
        except KeyError:
            raise AttributeError(name) from None

    # Standing up.

    def missing_programs(self):
        """Daemons that are not built, by name."""
        return [name for name in DAEMONS if not self.desktop.has_program(name)]

    def start(self):
        """Everything up to six daemons on each host, signed out."""
        self.start_network()
        self.start_zone()
        for host in self.hosts.values():
            self.start_house(host)

    def start_network(self):
        self._say("an internet, gateways " + ", ".join(f"{g.name} ({g.kind}, {g.wan_address})"
                                                         for g in self.gateways.values()))
        self.internet.wait_ready()
        for gateway in self.gateways.values():
            gateway.wait_ready()
        self.zone.attach_internet(self.internet, ZONE_ADDRESS)
        for name, home in self.homes.items():
            self.hosts[name].move(self.gateway(home))
            self._say(f"{name} behind gateway {home}: {self.hosts[name].address}")

    def start_zone(self, account=ACCOUNT, password=PASSWORD):
        """zoned on 11.0.0.53, with an account."""
        self.zone.start_daemon("zoned", ZONED_CONFIG, supervise=self.supervise)
        self._say(f"zone server for {DOMAIN} at {ZONE_ADDRESS}")
        self.add_account(account, password)

    def add_account(self, account, password):
        self.zone.run(self.zone.as_user("homeward-zone") +
                      ["/run/lab/bin/zonectl", "--config", "/etc/homeward/zoned.conf", "account", "add", account,
                       "--password-fd", "0"], input=password + "\n", timeout=60,
                      env=self.zone.sanitizer_environment("zonectl"))
        self._say(f"account {account} made")

    def start_house(self, host):
        """The six daemons, at once: each waits for its neighbours by itself."""
        for name in HOUSE:
            host.start_daemon(name, CONFIGS.get(name), wait=False, supervise=self.supervise)
        for name in HOUSE:
            wait_until(lambda name=name: host.bus.owner(DAEMONS[name].bus_name), self.patience,
                       f"{host.name}: {name} on the bus\n{host.log_tail(name)}")
        self._say(f"{host.name}: " + ", ".join(HOUSE) + " run")

    def gateway(self, gateway):
        """By name or the thing itself; "cafe" is C."""
        if isinstance(gateway, Gateway):
            return gateway
        return self.gateways[{"cafe": "C", "café": "C"}.get(gateway, gateway.upper())]

    # What people do.

    def sign_in(self, host, account=ACCOUNT, password=PASSWORD, check=True, wait=True):
        """wait: for the zone's verdict; homewardctl takes back what is refused, so who wants to look at that does not
        wait."""
        return host.homewardctl("sign-in", f"{account}@{DOMAIN}", "--password-fd", "0",
                                *(("--timeout", "100") if wait else ("--no-wait",)), input=password + "\n", timeout=120,
                                check=check)

    def sign_in_all(self):
        for host in self.hosts.values():
            self.sign_in(host)
            self._say(f"{host.name} signed in as {ACCOUNT}@{DOMAIN}, host id {self.host_id(host)}")

    def host_id(self, host):
        return host.get_property("identity", "HostId")

    def full_name(self, host):
        return f"{host.name}.{ACCOUNT}.{DOMAIN}"

    def published(self, host, timeout=None):
        """Until the zone has what the host knows about its present network."""
        def holds():
            generation = host.get_property("mapper", "NetworkGeneration")
            return (self.knows_its_place(host) and host.get_property("registrar", "State") == "published"
                    and host.get_property("registrar", "Published")[0] >= generation > 0)
        return host.wait_for(holds, timeout or self.patience, f"{host.name} published")

    def sees(self, host, other):
        """What host's watcher knows of the other, or None."""
        for seen in host.get_objects("llq-watcher", "org.homeward.Watcher1.Host").values():
            if seen["Name"] == self.full_name(other) and seen["Live"] and seen["Endpoint"][0]:
                return seen
        return None

    def knows_its_place(self, host):
        """Whether its mapper has noticed where the host is now."""
        if host.get_property("mapper", "LocalAddress") != host.address:
            return False
        place = host.gateway
        if not isinstance(place, Gateway) or place.kind != "igd":
            return True
        return (self.external(host) or ("",))[0] == place.wan_address

    def external(self, host):
        """(address, port) where others reach the host's tunnel, as its own mapper says."""
        for mapping in host.get_objects("mapper", "org.homeward.Mapper1.Mapping").values():
            if mapping["Label"] == "tunnel" and mapping["State"] in ("mapped", "public"):
                return mapping["External"]
        return None

    def wait_sees(self, host, other, timeout=None):
        """Until host knows where the other is reached at present, and its tunneld has heard of it."""
        def holds():
            seen = self.knows_its_place(other) and self.sees(host, other)
            return (seen and tuple(seen["Endpoint"]) == tuple(self.external(other) or ()) and
                    self.has_route(host, seen["HostId"]) and seen)
        return host.wait_for(holds, timeout or self.patience, f"{host.name} sees {other.name}")

    @staticmethod
    def has_route(host, host_id):
        """Whether the kernel gives packets to that host id to tunneld, which reads the watcher's word a moment later."""
        with open(f"/proc/{host.init_pid}/net/ipv6_route") as file:
            return any(line.startswith(ipaddress.IPv6Address(host_id).packed.hex() + " 80 ") and
                       line.split()[-1] == "homeward0" for line in file)

    def wait_all_see(self, timeout=None):
        for host in self.hosts.values():
            for other in self.hosts.values():
                if host is not other:
                    seen = self.wait_sees(host, other, timeout)
                    self._say(f"{host.name} sees {other.name} at {seen['Endpoint'][0]}:{seen['Endpoint'][1]}")

    def ping(self, host, other, timeout=60):
        """By host id, through the tunnel, until an answer comes: what is under way when something is killed may be
        lost. Raises when none comes. Returns what ping says."""
        text = host.run(["ping", "-6", "-n", "-c", "1", "-w", timeout, "-i", "0.2", self.host_id(other)], check=False,
                        timeout=timeout + 60).stdout
        assert answered(text), f"{host.name} does not reach {other.name}: {text}"
        return text

    def start_transfer(self, source=None, sink=None, size=256 << 20):
        """One TCP connection with random octets, by host id."""
        source, sink = source or self.desktop, sink or self.laptop
        self.mark = make_file(source, "/run/lab/tmp/sent", size)
        self.transfer = Transfer(source, sink, self.host_id(sink))
        return self.transfer

    def capture(self):
        return Capture(self.internet)

    def timelines(self):
        """[(microseconds of CLOCK_REALTIME, host, daemon, generation, words)] of all daemons, in order."""
        entries = []
        for host in self.hosts.values():
            for name in HOUSE:
                if host.is_running(name):
                    entries += [(at, host.name, name, generation, words)
                                for generation, at, words in host.get_property(name, "Timeline")]
        return sorted(entries)

    # The end.

    def show_logs(self, file=sys.stderr, lines=30):
        for host in [self.zone, *self.hosts.values()]:
            for name in host.daemons:
                print(host.log_tail(name, lines), end="", file=file)

    def end_house(self):
        """Stops all daemons in an orderly way, so that sanitizers report leaks. Returns {(host, daemon): status} of
        those that did not end with 0."""
        bad = {}
        for host in [*self.hosts.values(), self.zone]:
            for name in list(host.daemons):
                if host.is_running(name):
                    status = host.stop_daemon(name)
                    if status:
                        bad[host.name, name] = status
        return bad

    def close(self):
        problems = []
        if self.transfer is not None:
            self.transfer.close()
        for host in [*self.hosts.values(), self.zone]:
            try:
                host.close()
            except AssertionError as error:
                problems.append(str(error))
        for gateway in self.gateways.values():
            gateway.close()
        self.internet.close()
        if problems:
            raise AssertionError("\n".join(problems))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None and issubclass(kind, Exception):
            self.show_logs()
        self.close()


def realtime_of(monotonic):
    """The CLOCK_REALTIME microseconds of a time.monotonic() not long ago."""
    return int((time.time() - time.monotonic() + monotonic) * 1e6)
