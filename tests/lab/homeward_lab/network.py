# SPDX-License-Identifier: LGPL-2.1-or-later
"""The internet (one bridge, 11.0.0.0/16) and home gateways with real nftables NAT and real miniupnpd.

11.0.0.0/8 because miniupnpd takes an external address only if it is none of the reserved ones.
"""
import ipaddress
import sys
import time

from .namespace import Namespace, link, wait_until

PROTOCOLS = ("pcp", "nat-pmp", "upnp-igd")

_NO_IPV6 = "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1\n"


class Internet(Namespace):
    """Everybody's neighbour. `address` answers pings."""

    address = "11.0.0.1"
    setup = _NO_IPV6 + f"""
ip link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip address add {address}/16 dev br0
ip link set br0 up
"""

    def __init__(self, name="internet"):
        super().__init__(name)


# nft 1.0.6 wants a line of its own for each rule. The guard is there in every state of a gateway: what it has not
# translated does not go out. Nor do its complaints about addresses behind it: like most home routers it is silent
# towards the internet.
_GUARD = """flush ruleset
table inet guard {
  chain in { type filter hook prerouting priority -300; policy accept;
%(guard_in)s  }
  chain out { type filter hook postrouting priority 300; policy accept;
%(guard)s    oifname "wan" icmp type destination-unreachable drop
  }
}
"""

_CLOSED = _GUARD + """table inet lab {
  chain input { type filter hook input priority 10; policy accept;
    iifname "wan" drop
  }
  chain forward { type filter hook forward priority 10; policy drop;
  }
}
"""

_OPEN = _GUARD + """table inet lab {
  chain input { type filter hook input priority 10; policy accept;
    iifname "wan" ct state established,related accept
    iifname "wan" drop
%(input)s  }
  chain output { type filter hook output priority 10; policy accept;
%(output)s  }
  chain trouble {
  }
  chain before { type filter hook input priority 5; policy accept;
    iifname "br-lan" jump trouble
  }
  chain after { type filter hook output priority 5; policy accept;
    oifname "br-lan" jump trouble
  }
  chain forward { type filter hook forward priority 10; policy drop;
    ct state established,related accept
    ct status dnat accept
    iifname "br-lan" oifname "wan" accept
%(forward)s  }
  chain post { type nat hook postrouting priority 110; policy accept;
%(post)s  }
}
table inet miniupnpd {
  chain forward { type filter hook forward priority 0; policy accept;
    jump miniupnpd
  }
  chain miniupnpd { }
  chain prerouting { type nat hook prerouting priority -100; policy accept;
    jump prerouting_miniupnpd
  }
  chain postrouting { type nat hook postrouting priority 100; policy accept;
    jump postrouting_miniupnpd
  }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
}
"""

# Without a lease file: a router that forgets its mappings when it reboots.
_MINIUPNPD = """ext_ifname=wan
listening_ip=br-lan
port=5000
enable_natpmp=%(natpmp)s
enable_upnp=%(upnp)s
secure_mode=no
system_uptime=no
min_lifetime=2
notify_interval=30
clean_ruleset_interval=600
uuid=00000000-0000-0000-0000-0000000000%(number)02d
upnp_table_name=miniupnpd
upnp_nat_table_name=miniupnpd
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
%(more)s%(allow)sdeny 0-65535 0.0.0.0/0 0-65535
"""

# A router whose owner switched port mapping off: it tells its external address and refuses the rest. Not miniupnpd
# with a "deny" rule, which tries all 65535 ports before it says so.
_REFUSER = """
import fcntl, socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 5351))
natpmp, pcp = "nat-pmp" in sys.argv[3:], "pcp" in sys.argv[3:]
begin = time.monotonic()
def wan():
    try:
        return fcntl.ioctl(s.fileno(), 0x8915, struct.pack("256s", b"wan"))[20:24]
    except OSError:
        return bytes(4)
while True:
    request, peer = s.recvfrom(1100)
    epoch = int(time.monotonic() - begin)
    if len(request) >= 24 and request[0] == 2 and pcp:
        result = 0 if request[1] == 0 else 2
        s.sendto(struct.pack("!BBBBII", 2, 128 | request[1], 0, result, 0 if request[1] == 0 else 1800, epoch) + bytes(12) +
                 request[24:], peer)
    elif not natpmp or len(request) < 2:
        pass
    elif request[0] == 0 and request[1] == 0:
        s.sendto(struct.pack("!BBHI4s", 0, 128, 0, epoch, wan()), peer)
    elif len(request) >= 12 and request[0] == 0 and request[1] in (1, 2):
        s.sendto(struct.pack("!BBHI", 0, 128 + request[1], 2, epoch) + request[4:8] + bytes(4), peer)
    else:
        s.sendto(struct.pack("!BBHI", 0, 128 | request[1], 1, epoch), peer)
"""


class Gateway(Namespace):
    """A home router, number N: WAN 11.0.N.1, LAN 192.168.N.1/24. kind:

    igd        NAT with port mapping by miniupnpd: PCP, NAT-PMP, UPnP, or those that `protocols` tells
    plain      NAT alone; port 5351 is closed and says so (ICMP)
    refusing   answers and gives no mapping (result 2; UPnP, if told in `protocols`: error 606)
    silent     NAT alone; what comes to port 5351 vanishes
    symmetric  NAT alone with another port for each destination
    router     no NAT at all: forwards between its LAN and that of the gateway it is connected to

    internet: the Internet, or a Gateway that this one is behind. lan: another network than 192.168.N.0/24.
    random_ports: another port for each destination, whatever the kind. Filtering is always address and port dependent
    (RFC 4787), mapping endpoint independent as long as no two hosts use the same port. ext_ip: what miniupnpd says its
    address is, true or not."""

    KINDS = ("igd", "plain", "refusing", "silent", "symmetric", "router")

    def __init__(self, name, number, internet, kind="igd", wan_address=None, uplink_mbit=None, protocols=None,
                 lan=None, random_ports=False, ext_ip=None, wan_prefix=None):
        if kind not in self.KINDS:
            raise ValueError(kind)
        self.number, self.internet, self.kind = number, internet, kind
        self.upstream = internet if isinstance(internet, Gateway) else None
        self.lan = ipaddress.ip_network(lan or f"192.168.{number}.0/24")
        self.lan_address = str(self.lan[1])
        self.wan_address = wan_address or (self.upstream.lease(name) if self.upstream else f"11.0.{number}.1")
        self.wan_prefix = wan_prefix or (self.upstream.lan.prefixlen if self.upstream else 16)
        self.protocols = tuple(protocols if protocols is not None else
                               ("nat-pmp",) if kind == "refusing" else PROTOCOLS if kind == "igd" else ())
        self.random_ports = random_ports or kind == "symmetric"
        self.ext_ip = ext_ip
        self.uplink_mbit = uplink_mbit
        self._leases = {}
        self._miniupnpd, self._boot_id = [], 0
        self.setup = _NO_IPV6 + f"""
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0
sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0
ip link add br-lan type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip address add {self.lan_address}/{self.lan.prefixlen} dev br-lan
ip link set br-lan up
"""
        super().__init__(name)

    def wait_ready(self):
        with self._lock:
            if self._ready:
                return
            super().wait_ready()
            self._write_rules()
            port = f"w-{self.name}"[:15]
            link(self, "wan", self.internet, port)
            self.internet.batch([f"link set {port} master {'br-lan' if self.upstream else 'br0'} up"])
            self.run(self._up_script())
            if self.kind == "router":
                self.upstream.run(["ip", "route", "replace", str(self.lan), "via", self.wan_address])
            if self.uplink_mbit:
                self.limit_uplink(self.uplink_mbit)
            self.start_miniupnpd()

    def _write_rules(self):
        at_input, at_output, forward = "", "", ""
        if self.kind == "silent":
            at_input = "    udp dport 5351 drop\n"
        # miniupnpd has one switch for both: the first octet of a message is its version. Without UPnP it does not
        # notice that its address changes, so that is not switched off but cut off.
        for protocol, version in (("pcp", 2), ("nat-pmp", 0)):
            if self.kind == "igd" and protocol not in self.protocols:
                at_input += f"    udp dport 5351 @th,64,8 {version} drop\n"
                at_output += f"    udp sport 5351 @th,64,8 {version} drop\n"
        if self.kind == "igd" and "upnp-igd" not in self.protocols:
            at_input += ('    udp dport 1900 drop\n    iifname "br-lan" tcp dport 5000 reject with tcp reset\n')
            at_output += '    oifname "br-lan" udp dport 1900 drop\n'
        if self.kind == "router":
            guard, guard_in, post, forward = "", "", "", '    iifname "wan" oifname "br-lan" accept\n'
        else:
            # Nor do providers forward what comes from an address that they have given to somebody else (BCP 38), or bring what
            # is for one: who has heard nothing of a change still sends to its MAC.
            guard_in = '    iifname "wan" meta nfproto ipv4 fib daddr type unicast drop\n'
            guard = (f'    oifname "wan" ip saddr {self.lan} drop\n'
                     '    oifname "wan" meta nfproto ipv4 fib saddr type != local drop\n')
            if self.upstream is None:
                guard += '    oifname "wan" ip saddr 192.168.0.0/16 drop\n'
            post = f'    oifname "wan" masquerade {"random" if self.random_ports else ""}\n'
        values = {"guard": guard, "guard_in": guard_in, "input": at_input, "output": at_output, "forward": forward, "post": post}
        self.write("/run/lab/open.nft", _OPEN % values)
        self.write("/run/lab/closed.nft", _CLOSED % values)

    def _up_script(self):
        lines = [f"address add {self.wan_address}/{self.wan_prefix} brd + dev wan", "link set wan up"]
        if self.upstream:
            lines.append(f"route replace default via {self.upstream.lan_address}")
        return "printf '%s' '" + "\n".join(lines) + "\n' | ip -batch -\nnft -f /run/lab/open.nft\n"

    def limit_uplink(self, mbit):
        """What goes out to the internet, at most so many Mbit/s."""
        self.uplink_mbit = mbit
        self.run(["tc", "qdisc", "replace", "dev", "wan", "root", "tbf", "rate", f"{mbit}mbit", "burst", "128kb",
                  "latency", "30ms"])

    # Port mapping.

    @property
    def description_url(self):
        """Of the UPnP device."""
        return f"http://{self.lan_address}:5000/rootDesc.xml"

    def _servers(self):
        """[(argv, whether it has port 5351, whether it has port 5000)]"""
        by_number = "nat-pmp" in self.protocols or "pcp" in self.protocols
        upnp = "upnp-igd" in self.protocols
        # By itself it takes the second of its start, and ours may start twice in one: then nothing in what it announces
        # says that it was restarted.
        self._boot_id = max(self._boot_id + 1, int(time.time()))
        miniupnpd = ["/usr/sbin/miniupnpd", "-d", "-f", "/run/lab/miniupnpd.conf", "-P", "/run/lab/miniupnpd.pid",
                     "-b", str(self._boot_id)]
        if self.kind == "igd" and self.protocols:
            return [(miniupnpd, by_number, upnp)]
        if self.kind != "refusing":
            return []
        refuser = [sys.executable, "-c", _REFUSER, self.lan_address, self.wan_address, *self.protocols]
        return [(refuser, True, False)] * by_number + [(miniupnpd, False, True)] * upnp

    def start_miniupnpd(self, wait=True):
        by_number = self.kind == "igd" and ("nat-pmp" in self.protocols or "pcp" in self.protocols)
        allowed = {str(self.lan), "192.168.0.0/16"} if self.kind == "igd" else ()
        self.write("/run/lab/miniupnpd.conf", _MINIUPNPD % {
            "natpmp": "yes" if by_number else "no", "upnp": "yes" if by_number or "upnp-igd" in self.protocols else "no",
            "number": self.number % 100, "more": f"ext_ip={self.ext_ip}\n" if self.ext_ip else "",
            "allow": "".join(f"allow 0-65535 {network} 0-65535\n" for network in sorted(allowed))})
        for argv, by_number, upnp in self._servers():
            with open(self.path("/run/lab/miniupnpd.log"), "ab") as log:
                process = self.popen(argv, stdout=log, stderr=log)
            self._miniupnpd.append(process)
            if wait:
                wait_until(lambda: self._listens(process, by_number, upnp), 5, f"{self.name}: miniupnpd", every=0.005)

    def _listens(self, process, by_number, upnp):
        if process.poll() is not None:
            raise RuntimeError(f"miniupnpd ended: {self.read('/run/lab/miniupnpd.log')}")
        return (not by_number or self._bound("udp", 5351)) and (not upnp or self._bound("tcp", 5000))

    def _bound(self, protocol, port):
        # The port in hexadecimal, as /proc/net/udp writes it; of the process, whose network is the gateway's.
        for name in (protocol, protocol + "6"):
            with open(f"/proc/{self.init_pid}/net/{name}") as file:
                if any(line.split()[1].endswith(f":{port:04X}") for line in file if ":" in line):
                    return True
        return False

    def stop_miniupnpd(self, kill=False):
        for process in self._miniupnpd:
            if kill:
                process.kill()
                process.wait(60)
            else:
                process.end()
        self._miniupnpd = []

    def set_protocols(self, protocols, kind=None):
        """As its owner does on its page: the mappings there are get lost, connections stay."""
        self.stop_miniupnpd()
        self.protocols, self.kind = tuple(protocols), kind or self.kind
        self._write_rules()
        self.run(["nft", "-f", "/run/lab/open.nft"])
        self.start_miniupnpd()

    def mappings(self, protocol="udp"):
        """The port mappings in force: {external port: (address, port)}."""
        rules = self.run(["nft", "-n", "list", "chain", "inet", "miniupnpd", "prerouting_miniupnpd"]).stdout
        number = {"udp": "0x11", "tcp": "0x6"}[protocol]
        found = {}
        for words in (line.split() for line in rules.splitlines()):
            # iif "wan" @nh,72,8 0x11 th dport 4501 dnat ip to 192.168.1.10:4501
            if "dnat" in words and number in words:
                address, port = words[words.index("to") + 1].rsplit(":", 1)
                found[int(words[words.index("dport") + 1])] = (address, int(port))
        return found

    # Events.

    def reboot(self, wan_address=None):
        """Loses power and comes back, maybe with another address from its provider: mappings and connections are
        forgotten. Returns the seconds from the first packet lost to the mapping service answering again."""
        begin = time.monotonic()
        self.stop_miniupnpd(kill=True)
        self.run("nft -f /run/lab/closed.nft\nip address flush dev wan\nconntrack -F 2>/dev/null\n")
        if wan_address:
            self.wan_address = wan_address
        self.run(self._up_script())
        self.start_miniupnpd()
        return time.monotonic() - begin

    def change_address(self, wan_address, forget=True):
        """The provider gives it another one; the mappings stay in its tables. forget: so do not the connections that came
        in by them at the former address. Those that were made from inside the kernel forgets by itself; a router that
        keeps the others sends on from the former address, and nobody gets it. Returns the seconds that it took."""
        former, self.wan_address = self.wan_address, wan_address
        lines = [f"address del {former}/{self.wan_prefix} dev wan", f"address add {wan_address}/{self.wan_prefix} brd + dev wan"]
        if self.upstream:
            lines.append(f"route replace default via {self.upstream.lan_address}")
        batch = "\\n".join(lines)
        # The clock of the one who does it: starting a shell is not part of it.
        took = self.run(["bash", "-ec", f"begin=$EPOCHREALTIME; printf '{batch}\\n' | ip -batch -\n" +
                         (f"conntrack -D --orig-dst {former} >/dev/null 2>&1 || true\n" if forget else "") +
                         "echo $begin $EPOCHREALTIME"]).stdout.split()
        return float(took[1]) - float(took[0])

    def forget_mappings(self):
        """Behind everybody's back: no announcement, and the epoch goes on. (By miniupnpd's own hand: it remembers what
        it put into the kernel's tables.)"""
        for protocol in ("udp", "tcp") if self._miniupnpd else ():
            for port in self.mappings(protocol):
                self.run(["upnpc", "-u", self.description_url, "-d", str(port), protocol.upper()], check=False)
        if self.mappings("udp") or self.mappings("tcp"):
            # It has no address, or does not run.
            self.run("".join(f"nft flush chain inet miniupnpd {chain}\n" for chain in
                             ("prerouting_miniupnpd", "postrouting_miniupnpd", "miniupnpd")))

    def lose(self, percent):
        """So many of the packets between its LAN and itself get lost, whichever way; 0: none again. What it forwards
        passes."""
        self.run("nft flush chain inet lab trouble\n" +
                 (f"nft add rule inet lab trouble numgen random mod 100 '<' {percent} drop\n" if 0 < percent < 100 else
                  "nft add rule inet lab trouble drop\n" if percent else ""))

    def lease(self, name):
        """The LAN address of the host of this name, always the same one, as a DHCP server would give it."""
        last = self._leases.setdefault(name, 10 + len(self._leases))
        return str(self.lan[last])

    def close(self):
        super().close()
        for process in self._miniupnpd:
            process.wait(60)
