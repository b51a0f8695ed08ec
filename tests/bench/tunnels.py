# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tunnels of several makers, each between two hosts of its own, for tunnel.py.

A Wire is two hosts and what is between them:

    veth  a cable of two veth ends: super-packets cross it whole, as with a card that has every offload
    nic   the same without TSO and USO, with GRO in software: each packet of 1500 octets is made and merged by the kernel
    nat   a gateway between that translates the first host's address (nftables)

A Tunnel has `inner` (the addresses of both ends inside) and tells its processes. No packet leaves the namespaces.
"""
import fcntl
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "tests/lab"), os.path.join(TOP, "tests/bus")]
from fakes import Fake  # noqa: E402
from homeward_lab import Host, Namespace, wait_until  # noqa: E402
from homeward_lab.namespace import link  # noqa: E402

WIRES = ("veth", "nic", "nat")
FAR_ADDRESS = "11.99.0.2"
_MASQUERADE = """table ip nat {
  chain post { type nat hook postrouting priority 100; policy accept;
    oifname "wan" masquerade
  }
}
"""


def sealed(octets):
    """A memfd that nobody can change."""
    fd = os.memfd_create("keys", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    os.write(fd, octets)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
    return fd


class Wire:
    """near can reach far at `far_address`; far sees near at `near_address`."""

    def __init__(self, kind, bus=False):
        self.kind = kind
        self.near, self.far = (Host(name, bus=bus) for name in ("near", "far"))
        self.gateway = None
        self.far_address = FAR_ADDRESS
        self.near_address = "11.99.0.1"
        self.local_address = "192.168.99.10" if kind == "nat" else self.near_address
        for host in self.near, self.far:
            host.wait_ready()
        if kind == "nat":
            self._connect_gateway()
        else:
            link(self.near, "v0", self.far, "v0")
        self.near.batch([f"address add {self.local_address}/24 dev v0", "link set v0 up"])
        self.far.batch([f"address add {FAR_ADDRESS}/24 dev v0", "link set v0 up"])
        if kind == "nat":
            self.near.batch(["route add default via 192.168.99.1"])
        if kind == "nic":
            for host in self.near, self.far:
                host.run(["ethtool", "-K", "v0", "tso", "off", "gso", "on", "tx-udp-segmentation", "off", "gro", "on"])

    def _connect_gateway(self):
        gateway = self.gateway = Namespace("gateway")
        gateway.wait_ready()
        gateway.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
        link(self.near, "v0", gateway, "lan")
        link(gateway, "wan", self.far, "v0")
        gateway.batch(["address add 192.168.99.1/24 dev lan", "link set lan up",
                       f"address add {self.near_address}/24 dev wan", "link set wan up"])
        gateway.write("/run/lab/nat.nft", _MASQUERADE)
        gateway.run(["nft", "-f", "/run/lab/nat.nft"])

    def close(self):
        for thing in self.near, self.far, self.gateway:
            if thing is not None:
                thing.close()


class Tunnel:
    name, bus = None, False
    inner = ("fd11::1", "fd11::2")

    def __init__(self, wire):
        self.wire, self.near, self.far = wire, wire.near, wire.far
        self.processes = []
        self.servers = []

    def pids(self):
        return [process.inner_pid for process in self.processes]

    def spawn(self, host, argv, env=None):
        with open(host.path(f"/run/lab/{self.name}.log"), "ab") as log:
            process = host.popen(argv, env=env, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def address_device(self, device, mtu=None):
        for host, address in zip((self.near, self.far), self.inner):
            wait_until(lambda host=host: host.run(["ip", "link", "show", "dev", device], check=False).returncode == 0, 20,
                       f"{self.name}: {device}")
            host.batch([f"address replace {address}/64 dev {device} nodad",
                        f"link set {device} up" + (f" mtu {mtu}" if mtu else "")])

    def start(self):
        """Until a packet came through."""
        self.up()
        wait_until(lambda: self.near.run(["ping", "-n", "-c", "1", "-W", "1", self.inner[1]], check=False).returncode == 0,
                   60, f"{self.name}: a ping through\n" + self.log())
        server = self.far.popen(["iperf3", "-s", "-B", self.inner[1]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.servers.append(server)

        def listens():
            with open(f"/proc/{self.far.init_pid}/net/tcp6", encoding="ascii") as six, \
                    open(f"/proc/{self.far.init_pid}/net/tcp", encoding="ascii") as four:
                # Port 5201, state LISTEN.
                return any(":1451 " in line and " 0A " in line for line in [*six, *four])
        wait_until(listens, 20, f"{self.name}: iperf3")

    def log(self):
        texts = []
        for host in self.near, self.far:
            try:
                texts.append(host.read(f"/run/lab/{self.name}.log")[-600:])
            except OSError:
                pass
        return "\n".join(texts)

    def mtu(self):
        """Of the interface that the inner address is on."""
        words = self.near.run(["ip", "route", "get", self.inner[1]]).stdout.split()
        device = words[words.index("dev") + 1]
        return int(self.near.run(["cat", f"/sys/class/net/{device}/mtu"], check=False).stdout or 0)

    def close(self):
        self.wire.close()


class Bare(Tunnel):
    """No tunnel: what the wire itself does."""
    name = "bare"

    def up(self):
        if self.wire.kind == "nat":
            self.wire.gateway.batch(["address add fd10::f/64 dev lan", "address add fd11::f/64 dev wan"])
            self.wire.gateway.run(["sysctl", "-qw", "net.ipv6.conf.all.forwarding=1"])
            self.inner = ("fd10::1", "fd11::2")
        self.near.batch([f"address add {self.inner[0]}/64 dev v0 nodad"])
        self.far.batch([f"address add {self.inner[1]}/64 dev v0 nodad"])
        if self.wire.kind == "nat":
            self.near.batch(["route add default via fd10::f"])
            self.far.batch(["route add default via fd11::f"])


class Homeward(Tunnel):
    """tunneld with associations that we give it over its bus: what is measured is the data path, and keyd, who else makes
    them, has nothing to do while data flows. Its neighbours are played."""
    name, bus = "homeward", True
    program = None
    inner = ("fd01:203:405:607:22:69ff:fe8e:342a", "fda1:a2a3:a4a5:a6a7:216:3eff:fe00:1")
    algorithm, keymat_size = "aes128gcm16", 20
    config = ""

    def up(self):
        wire = self.wire
        addresses = (wire.local_address, wire.far_address)
        outside = (wire.near_address, wire.far_address)
        names = [f"{host.name}.alice.members.example.org" for host in (self.near, self.far)]
        keymats = [os.urandom(self.keymat_size) for _ in range(2)]
        self.fakes = []
        for i, host in enumerate((self.near, self.far)):
            self.fakes += [Fake(host, "identity", {"State": ("s", "signed-in"), "HostId": ("s", self.inner[i])}),
                           Fake(host, "mapper", {"State": ("s", "ready"), "NetworkGeneration": ("t", 1),
                                                 "LocalAddress": ("s", addresses[i])},
                                {"AddMapping": lambda *a: ("o", "/org/homeward/Mapper1/mapping/1")}),
                           Fake(host, "llq-watcher", {"State": ("s", "watching")})]
            if self.program:
                host.program = lambda name: f"/run/lab/build/{self.program}"
            host.start_daemon("tunneld", self.config)
            host.wait_for(("tunneld", "State", "ready"))
            self.processes.append(host.daemons["tunneld"].process)
        # The far end has them first, as a responder would.
        for i in 1, 0:
            fd = sealed(keymats[i] + keymats[1 - i])
            with (self.near, self.far)[i].connect_bus("homeward-key") as bus:
                bus.call("org.homeward.Tunnel1", "/org/homeward/Tunnel1", "org.homeward.Tunnel1", "InstallSa",
                         "ss(sq)uusbbh", names[1 - i], self.inner[1 - i], (outside[1 - i], 4500), 0x40000001 + i,
                         0x40000001 + (1 - i), self.algorithm, True, i == 0, fd)
            os.close(fd)

    def close(self):
        for fake in getattr(self, "fakes", ()):
            fake.close()
        super().close()


class HomewardWithoutCrypto(Homeward):
    """The same with a program whose packets are not encrypted (tests/bench/module.mk): the price of cryptography."""
    name = "nocrypto"
    program = "tests/bench/tunneld-nocrypto"


class WireguardGo(Tunnel):
    name = "wireguard-go"
    program = "wireguard-go"

    def up(self):
        for host in self.near, self.far:
            self.spawn(host, [self.program, "-f", "wg0"], {"LOG_LEVEL": "error"})
        keys = [self.near.run(["wg", "genkey"]).stdout.strip() for _ in range(2)]
        public = [self.near.run(["wg", "pubkey"], input=key + "\n").stdout.strip() for key in keys]
        for i, host in enumerate((self.near, self.far)):
            wait_until(lambda host=host: host.run(["wg", "show", "wg0"], check=False).returncode == 0, 20, "wg0")
            host.write("/run/lab/wg.key", keys[i], 0o600)
            host.run(["wg", "set", "wg0", "listen-port", "51820", "private-key", "/run/lab/wg.key", "peer", public[1 - i],
                      "allowed-ips", f"{self.inner[1 - i]}/128"] +
                     (["endpoint", f"{self.wire.far_address}:51820"] if i == 0 else []))
        self.address_device("wg0")


class WireguardGoNew(WireguardGo):
    """That of 2025, with super-packets both ways, from Debian's unstable; unpacked beside (tools/fetch-bench), not installed."""
    name = "wireguard-go-new"
    program = os.path.join(TOP, ".cache/unpacked/wireguard-go-new/usr/bin/wireguard-go")


class StrongSwan(Tunnel):
    """charon with kernel-libipsec: ESP in UDP in user space, as Debian has it."""
    name = "strongswan"
    mobike, dead_peer_detection = "no", "0s"
    conf = """charon-systemd {
  load = random nonce openssl aes sha1 sha2 hmac kdf gcm pem pkcs1 pubkey x509 curve25519 kernel-libipsec kernel-netlink socket-default vici
  install_virtual_ip = no
  journal { default = -1 }
  syslog { daemon { default = -1 } }
  plugins { vici { socket = unix:///run/lab/vici }
            kernel-libipsec { allow_peer_ts = no }
            kernel-netlink { fwmark = !0x42 }
            socket-default { fwmark = 0x42 } }
}
"""
    swanctl = """connections { home {
   version = 2
   proposals = aes128gcm16-prfsha256-curve25519
   encap = yes
   mobike = %(mobike)s
   dpd_delay = %(dpd)s
   remote_addrs = %(remote)s
   local  { auth = psk
            id = %(here)s }
   remote { auth = psk
            id = %(there)s }
   children { t { local_ts = %(inside)s/128
                  remote_ts = %(outside)s/128
                  esp_proposals = aes128gcm16
                  rekey_time = 0 } }
} }
secrets { ike-1 { id-1 = near
                  id-2 = far
                  secret = "bench only" } }
"""

    def up(self):
        environment = {"STRONGSWAN_CONF": "/run/lab/strongswan.conf", "SWANCTL_DIR": "/run/lab/swanctl"}
        for i, host in enumerate((self.near, self.far)):
            for folder in "conf.d", "x509", "x509ca", "private", "pkcs8":
                os.makedirs(host.path(f"/run/lab/swanctl/{folder}"))
            host.write("/run/lab/strongswan.conf", self.conf)
            host.write("/run/lab/swanctl/swanctl.conf", self.swanctl % {
                "remote": self.wire.far_address if i == 0 else "%any", "here": ("near", "far")[i], "there": ("far", "near")[i],
                "inside": self.inner[i], "outside": self.inner[1 - i], "mobike": self.mobike,
                "dpd": self.dead_peer_detection})
            host.batch([f"address add {self.inner[i]}/128 dev lo nodad"])
            self.spawn(host, ["/usr/sbin/charon-systemd"], environment)

        def control(host, *words):
            return host.run(["swanctl", *words, "--uri", "unix:///run/lab/vici"], env=environment, check=False)
        for host in self.far, self.near:
            wait_until(lambda host=host: control(host, "--load-all").returncode == 0, 20, "charon")
        wait_until(lambda: control(self.near, "--initiate", "--child", "t").returncode == 0, 30, "strongSwan")


class OpenVpn(Tunnel):
    """Point to point with TLS, UDP, AES-128-GCM."""
    name = "openvpn"

    def up(self):
        prints = []
        for host in self.near, self.far:
            host.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                      "30", "-keyout", "/run/lab/key", "-out", "/run/lab/crt", "-subj", f"/CN={host.name}"])
            prints.append(host.run(["openssl", "x509", "-in", "/run/lab/crt", "-noout", "-fingerprint", "-sha256"])
                          .stdout.strip().split("=")[1])
        common = ("--dev-type tun --dev ovpn0 --proto udp4 --disable-dco --data-ciphers AES-128-GCM --auth none --tun-mtu 1420 "
                  "--mssfix 0 --sndbuf 2097152 --rcvbuf 2097152 --txqueuelen 1000 --verb 1 --cert /run/lab/crt --key "
                  "/run/lab/key --peer-fingerprint").split()
        self.spawn(self.far, ["openvpn", *common, prints[0], "--tls-server", "--dh", "none", "--lport", "1194", "--float"])
        self.spawn(self.near, ["openvpn", *common, prints[1], "--tls-client", "--lport", "1194", "--remote",
                               self.wire.far_address, "1194"])
        self.address_device("ovpn0", mtu=1420)


class Nebula(Tunnel):
    """AES-GCM; this version has IPv4 alone inside."""
    name = "nebula"
    inner = ("192.168.77.1", "192.168.77.2")
    conf = """pki: {ca: /run/lab/n/ca.crt, cert: /run/lab/n/%(name)s.crt, key: /run/lab/n/%(name)s.key}
static_host_map: {%(map)s}
lighthouse: {am_lighthouse: %(lighthouse)s, interval: 10, hosts: [%(hosts)s]}
listen: {host: 0.0.0.0, port: 4242, batch: 64, read_buffer: 4194304, write_buffer: 4194304}
punchy: {punch: false}
cipher: aes
tun: {dev: neb0, mtu: 1420, tx_queue: 1000}
logging: {level: error}
firewall:
  outbound: [{port: any, proto: any, host: any}]
  inbound: [{port: any, proto: any, host: any}]
"""

    def up(self):
        os.makedirs(self.near.path("/run/lab/n"))
        os.makedirs(self.far.path("/run/lab/n"))
        self.near.run("cd /run/lab/n; nebula-cert ca -name t -duration 720h; for s in near:1 far:2; do nebula-cert sign -name "
                      "${s%:*} -ip 192.168.77.${s#*:}/24 -duration 719h; done")
        for file in "ca.crt", "far.crt", "far.key":
            self.far.write(f"/run/lab/n/{file}", self.near.read(f"/run/lab/n/{file}"))
        for i, host in enumerate((self.near, self.far)):
            host.write("/run/lab/n/conf.yml", self.conf % {
                "name": host.name, "map": f'"192.168.77.2": ["{self.wire.far_address}:4242"]' if i == 0 else "",
                "lighthouse": "false" if i == 0 else "true", "hosts": '"192.168.77.2"' if i == 0 else ""})
            self.spawn(host, ["nebula", "-config", "/run/lab/n/conf.yml"])


class Tinc(Tunnel):
    """Version 1.0 has no AEAD: AES-128-CBC and SHA-256."""
    name = "tinc"

    def up(self):
        texts = {}
        for i, host in enumerate((self.near, self.far)):
            os.makedirs(host.path("/run/lab/tinc/hosts"))
            host.run(["openssl", "genrsa", "-traditional", "-out", "/run/lab/tinc/rsa_key.priv", "2048"])
            host.run(["chmod", "600", "/run/lab/tinc/rsa_key.priv"])
            host.write("/run/lab/tinc/tinc.conf", f"Name = {host.name}\n" + ("ConnectTo = far\n" if i == 0 else "") +
                       "Interface = tinc0\nDeviceType = tun\nMode = router\nAddressFamily = ipv4\n"
                       "UDPRcvBuf = 2097152\nUDPSndBuf = 2097152\nReplayWindow = 64\n")
            host.write("/run/lab/tinc/tinc-up", "#!/bin/sh\nip link set $INTERFACE mtu 1400 up\n", 0o755)
            texts[host.name] = ((f"Address = {self.wire.far_address}\n" if i == 1 else "") + f"Subnet = {self.inner[i]}/128\n"
                                "Cipher = aes-128-cbc\nDigest = sha256\nCompression = 0\n" +
                                host.run(["openssl", "rsa", "-in", "/run/lab/tinc/rsa_key.priv", "-RSAPublicKey_out"]).stdout)
        for host in self.far, self.near:
            for name, text in texts.items():
                host.write(f"/run/lab/tinc/hosts/{name}", text)
            self.spawn(host, ["tincd", "-D", "-c", "/run/lab/tinc", "--pidfile=/run/lab/tinc.pid"])
        self.address_device("tinc0")


class Fastd(Tunnel):
    name = "fastd"

    def up(self):
        public, secret = [], []
        for host in self.near, self.far:
            secret.append(host.run(["fastd", "--generate-key", "--machine-readable"]).stdout.strip())
            host.write("/run/lab/fastd.key", f'secret "{secret[-1]}";\n')
            public.append(host.run(["fastd", "--config", "/run/lab/fastd.key", "--show-key", "--machine-readable"]).stdout.strip())
        for i, host in enumerate((self.near, self.far)):
            remote = f"remote {self.wire.far_address}:10000;" if i == 0 else ""
            host.write("/run/lab/fastd.conf", 'log level warn;\nmode tun;\ninterface "fastd0";\nmtu 1400;\n'
                       f'method "aes128-gcm";\nbind 0.0.0.0:10000;\nsecret "{secret[i]}";\n'
                       f'peer "other" {{ key "{public[1 - i]}"; {remote} }}\n')
            self.spawn(host, ["fastd", "--config", "/run/lab/fastd.conf"])
        self.address_device("fastd0")


TUNNELS = {kind.name: kind for kind in (Homeward, HomewardWithoutCrypto, WireguardGo, WireguardGoNew, StrongSwan, OpenVpn, Nebula,
                                        Tinc, Fastd, Bare)}
