# SPDX-License-Identifier: LGPL-2.1-or-later
"""The internet (one bridge, 11.0.0.0/16) and home gateways with real nftables NAT and real miniupnpd.

11.0.0.0/8 because miniupnpd takes an external address only if it is none of the reserved ones.
"""
import ipaddress
import sys
import time

from .namespace import Namespace, link, wait_until

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
  chain out { type filter hook postrouting priority 300; policy accept;
    oifname "wan" ip saddr 192.168.0.0/16 drop
    oifname "wan" icmp type destination-unreachable drop
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
  chain forward { type filter hook forward priority 10; policy drop;
    ct state established,related accept
    ct status dnat accept
    iifname "br-lan" oifname "wan" accept
  }
  chain post { type nat hook postrouting priority 110; policy accept;
    oifname "wan" masquerade %(masquerade)s
  }
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
port=0
enable_natpmp=yes
enable_upnp=yes
secure_mode=no
system_uptime=no
notify_interval=30
clean_ruleset_interval=600
uuid=00000000-0000-0000-0000-0000000000%02d
upnp_table_name=miniupnpd
upnp_nat_table_name=miniupnpd
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
allow 0-65535 192.168.0.0/16 0-65535
deny 0-65535 0.0.0.0/0 0-65535
"""

# A router whose owner switched port mapping off: it tells its external address and refuses the rest. Not miniupnpd
# with a "deny" rule, which tries all 65535 ports before it says so.
_REFUSER = """
import socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 5351))
begin = time.monotonic()
while True:
    request, peer = s.recvfrom(1100)
    epoch = int(time.monotonic() - begin)
    if len(request) >= 2 and request[0] == 0 and request[1] == 0:
        s.sendto(struct.pack("!BBHI4s", 0, 128, 0, epoch, socket.inet_aton(sys.argv[2])), peer)
    elif len(request) >= 12 and request[0] == 0 and request[1] in (1, 2):
        s.sendto(struct.pack("!BBHI", 0, 128 + request[1], 2, epoch) + request[4:8] + bytes(4), peer)
    elif len(request) >= 2:
        s.sendto(struct.pack("!BBHI", 0, 128 | request[1], 1, epoch), peer)
"""


class Gateway(Namespace):
    """A home router, number N: WAN 11.0.N.1, LAN 192.168.N.1/24. kind:

    igd        NAT with NAT-PMP (and PCP, UPnP) by miniupnpd
    plain      NAT alone; port 5351 is closed and says so (ICMP)
    refusing   answers NAT-PMP, gives no mapping (result 2)
    silent     NAT alone; what comes to port 5351 vanishes
    symmetric  NAT alone with another port for each destination
    """

    KINDS = ("igd", "plain", "refusing", "silent", "symmetric")

    def __init__(self, name, number, internet, kind="igd", wan_address=None, uplink_mbit=None):
        if kind not in self.KINDS:
            raise ValueError(kind)
        self.number, self.internet, self.kind = number, internet, kind
        self.wan_address = wan_address or f"11.0.{number}.1"
        self.lan_address = f"192.168.{number}.1"
        self.uplink_mbit = uplink_mbit
        self._leases = {}
        self._miniupnpd = None
        self.setup = _NO_IPV6 + f"""
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.all.rp_filter=0
ip link add br-lan type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip address add {self.lan_address}/24 dev br-lan
ip link set br-lan up
"""
        super().__init__(name)

    def wait_ready(self):
        with self._lock:
            if self._ready:
                return
            super().wait_ready()
            rules = _OPEN % {"input": "    udp dport 5351 drop\n" if self.kind == "silent" else "",
                             "masquerade": "random" if self.kind == "symmetric" else ""}
            self.write("/run/lab/open.nft", rules)
            self.write("/run/lab/closed.nft", _CLOSED)
            self.write("/run/lab/miniupnpd.conf", _MINIUPNPD % (self.number % 100))
            port = f"w-{self.name}"[:15]
            link(self, "wan", self.internet, port)
            self.internet.batch([f"link set {port} master br0 up"])
            self.run(self._up_script())
            if self.uplink_mbit:
                self.limit_uplink(self.uplink_mbit)
            self.start_miniupnpd()

    def _up_script(self):
        return (f"printf 'address add {self.wan_address}/16 brd + dev wan\\nlink set wan up\\n' | ip -batch -\n"
                "nft -f /run/lab/open.nft\n")

    def limit_uplink(self, mbit):
        """What goes out to the internet, at most so many Mbit/s."""
        self.uplink_mbit = mbit
        self.run(["tc", "qdisc", "replace", "dev", "wan", "root", "tbf", "rate", f"{mbit}mbit", "burst", "128kb",
                  "latency", "30ms"])

    # Port mapping.

    def start_miniupnpd(self, wait=True):
        if self.kind not in ("igd", "refusing"):
            return
        argv = ["/usr/sbin/miniupnpd", "-d", "-f", "/run/lab/miniupnpd.conf", "-P", "/run/lab/miniupnpd.pid"]
        if self.kind == "refusing":
            argv = [sys.executable, "-c", _REFUSER, self.lan_address, self.wan_address]
        with open(self.path("/run/lab/miniupnpd.log"), "ab") as log:
            self._miniupnpd = self.popen(argv, stdout=log, stderr=log)
        if wait:
            wait_until(self._listens, 5, f"{self.name}: miniupnpd", every=0.005)

    def _listens(self):
        if self._miniupnpd.poll() is not None:
            raise RuntimeError(f"miniupnpd ended: {self.read('/run/lab/miniupnpd.log')}")
        # The port in hexadecimal, as /proc/net/udp writes it; of the process, whose network is the gateway's.
        with open(f"/proc/{self.init_pid}/net/udp") as file:
            return any(line.split()[1].endswith(":14E7") for line in file if ":" in line)

    def stop_miniupnpd(self, kill=False):
        if self._miniupnpd is not None:
            if kill:
                self._miniupnpd.kill()
                self._miniupnpd.wait(5)
            else:
                self._miniupnpd.end()
            self._miniupnpd = None

    def mappings(self):
        """The UDP port mappings in force: {external port: (address, port)}."""
        rules = self.run(["nft", "-n", "list", "chain", "inet", "miniupnpd", "prerouting_miniupnpd"]).stdout
        found = {}
        for words in (line.split() for line in rules.splitlines()):
            # iif "wan" @nh,72,8 0x11 th dport 4501 dnat ip to 192.168.1.10:4501
            if "dnat" in words and "0x11" in words:
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

    def lease(self, name):
        """The LAN address of the host of this name, always the same one, as a DHCP server would give it."""
        last = self._leases.setdefault(name, 10 + len(self._leases))
        return str(ipaddress.ip_address(f"192.168.{self.number}.0") + last)

    def close(self):
        super().close()
        if self._miniupnpd is not None:
            self._miniupnpd.wait(5)
