# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host: a Namespace that looks like a machine with homeward installed, with its own system bus.

    with Host("desktop") as host:
        host.start_daemon("identity", "[paths]\\n...")
        assert host.get_property("identity", "State") == "signed-out"
        host.wait_for(("identity", "SignedIn", True))

What is there: users homeward-*, the folders of packaging/tmpfiles, /etc/homeward (empty), /run (empty), a system
bus at the usual place with the real policy, /dev/net/tun. The rest, /tmp too, is the machine's. A Host without a network has only "lo"; plug it
into a Gateway or the Internet (network.py) with move() or attach_internet().
"""
import glob
import hashlib
import os
import shlex
import signal as signals
import socket
import subprocess
import threading
import time

from .bus import Bus, BusError
from .daemons import DAEMONS, TOOLS, TOP, USERS, build_directory, object_path
from .namespace import PATIENCE, Namespace, link, wait_until

_SETUP = """
shadow /etc
shadow /var/lib
shadow /usr/local
for e in passwd group shadow hosts hostname resolv.conf homeward machine-id; do own /etc/$e; done
own /var/lib/homeward; own /usr/local/etc; own /usr/local/var
mkdir -p /run/lab/bus.d /etc/homeward /usr/local/etc /usr/local/var/lib /run/dbus /run/lab/sanitizer /run/lab/notify /run/lab/bin
chmod 1777 /run/lab/sanitizer
mkdir -p /dev/net; mount -t tmpfs -o mode=755 lab /dev/net
mknod -m 666 /dev/net/tun c 10 200
mkdir -p /var/lib/homeward /run/homeward
ln -s /etc/homeward /usr/local/etc/homeward
ln -s /run /usr/local/var/run
ln -s /var/lib/homeward /usr/local/var/lib/homeward
sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv4.ping_group_range="0 2147483647"
"""

# The rules of the system bus as Debian ships them, and ours.
_BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <user>messagebus</user>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Introspectable"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Properties"/>
    <deny send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"
          send_member="UpdateActivationEnvironment"/>
    <deny send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Debug.Stats"/>
    <deny send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.systemd1.Activator"/>
  </policy>
  <policy user="root">
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Monitoring"/>
  </policy>
  <include>%s</include>
  <includedir>/run/lab/bus.d</includedir>
</busconfig>
"""

POLICY = os.path.join(TOP, "packaging/bus/org.homeward.conf")


class _Running:
    """A daemon that should be running, and the thread that starts it again when it should."""

    def __init__(self, host, daemon, arguments, supervise):
        self.host, self.daemon, self.arguments, self.supervise = host, daemon, arguments, supervise
        self.wanted = True
        self.process = None
        self.starts = 0
        self.statuses = []
        self.changed = threading.Condition()

    def start(self):
        self.process = self.host._spawn_daemon(self.daemon, self.arguments)
        self.starts += 1
        threading.Thread(target=self._watch, args=(self.process,), daemon=True).start()

    def _watch(self, process):
        status = process.wait()
        with self.changed:
            self.statuses.append(status)
            self.changed.notify_all()
            if not (self.wanted and self.supervise and not self.host.closed):
                return
        # As the unit's RestartSec.
        time.sleep(0.1)
        with self.changed:
            if self.wanted and not self.host.closed:
                self.start()
                self.changed.notify_all()


class Host(Namespace):
    def __init__(self, name, build=None, policy=POLICY, nameserver="11.0.0.53", bus=True):
        """Ready at once; `policy` is an additional bus configuration file (ours unless told)."""
        self.build = build_directory(build)
        # Where daemons find their programs after they have become users who may not see where the tree lies: mapper
        # starts one.
        self.setup = _SETUP + f"mkdir /run/lab/build; mount --bind {shlex.quote(self.build)} /run/lab/build\n"
        self.policy = policy
        self.nameserver = nameserver
        digest = hashlib.sha256(name.encode()).digest()
        # The same network card wherever the host goes: universally administered, not multicast.
        self.mac = "00:16:3e:" + ":".join(f"{b:02x}" for b in digest[:3])
        self.with_bus = bus
        self.daemons = {}
        # {daemon: {name: value}}: what its service manager would add to its environment.
        self.environment = {}
        self.gateway = None
        self.address = None
        self._has_card = False
        self._bus = None
        self._dbus_process = None
        super().__init__(name)

    # Standing up.

    def wait_ready(self):
        with self._lock:
            if self._ready:
                return
            super().wait_ready()
            self._write_etc()
            self._make_folders()
            self._link_tools()
            if self.with_bus:
                self.start_bus()

    def _write_etc(self):
        with open("/etc/passwd") as file:
            passwd = [line for line in file if not line.startswith("homeward-")]
        with open("/etc/group") as file:
            group = [line for line in file if not line.startswith("homeward-")]
        users = dict(USERS)
        if not any(line.startswith("messagebus:") for line in passwd):
            users["messagebus"] = 64000
        passwd += [f"{user}:x:{uid}:{uid}::/nonexistent:/usr/sbin/nologin\n" for user, uid in users.items()]
        group += [f"{user}:x:{uid}:\n" for user, uid in users.items()]
        self.write("/etc/passwd", "".join(passwd))
        self.write("/etc/group", "".join(group))
        self.write("/etc/hostname", self.name + "\n")
        self.write("/etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n::1 localhost\n")
        self.write("/etc/resolv.conf", f"nameserver {self.nameserver}\noptions timeout:1 attempts:3\n")
        self.write("/etc/machine-id", hashlib.sha256(os.urandom(16)).hexdigest()[:32] + "\n")

    def _make_folders(self):
        for path in glob.glob(os.path.join(TOP, "packaging/tmpfiles/*.conf")):
            with open(path) as file:
                for fields in (line.split() for line in file if line.startswith("d ")):
                    _, folder, mode, user, group = fields[:5]
                    full = self.path(folder)
                    os.makedirs(full, exist_ok=True)
                    os.chown(full, USERS.get(user, 0), USERS.get(group, 0))
                    os.chmod(full, int(mode, 8))

    def _link_tools(self):
        for name, program in TOOLS.items():
            os.symlink(os.path.join("/run/lab/build", program), self.path(f"/run/lab/bin/{name}"))

    def start_bus(self):
        """The system bus. Started by the constructor; again after stop_bus()."""
        # A copy: the daemon reads it again after it has become a user who may not see where the tree lies.
        with open(self.policy, "rb") as file:
            self.write("/run/lab/policy.conf", file.read())
        self.write("/run/lab/bus.conf", _BUS_CONFIG % "/run/lab/policy.conf")
        socket_path = self.path("/run/dbus/system_bus_socket")
        if os.path.lexists(socket_path):
            os.unlink(socket_path)
        with open(self.path("/run/lab/dbus-daemon.log"), "ab") as log:
            self._dbus_process = self.popen(
                ["dbus-daemon", "--config-file=/run/lab/bus.conf", "--nofork", "--nopidfile", "--nosyslog"],
                stdout=log, stderr=log)
        try:
            wait_until(lambda: self.connect_bus().close() is None, 10, "system bus", every=0.003)
        except TimeoutError:
            raise RuntimeError(self.read("/run/lab/dbus-daemon.log")) from None

    def add_bus_policy(self, path):
        """The rules that another package ships with its service; in force when this returns."""
        with open(path, "rb") as file:
            self.write(f"/run/lab/bus.d/{os.path.basename(path)}", file.read())
        with self._lock:
            self.bus.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig")

    def stop_bus(self):
        self._dbus_process.end()
        self._bus = None

    # Talking to it.

    def connect_bus(self, user=None):
        """A new connection to the host's bus: as root, or as a user such as "homeward-tunnel"."""
        uid = 0 if user is None else user if isinstance(user, int) else USERS[user]
        return Bus(self.path("/run/dbus/system_bus_socket"), uid)

    @property
    def bus(self):
        """root's connection, made at the first use."""
        with self._lock:
            if self._bus is None:
                self._bus = self.connect_bus()
            return self._bus

    @staticmethod
    def bus_name(name):
        """mapper -> org.homeward.Mapper1; a bus name stays what it is."""
        return DAEMONS[name].bus_name if name in DAEMONS else name

    def get_property(self, daemon, name, path=None, interface=None):
        """One property of a daemon's manager object, or of the object at path."""
        bus_name = self.bus_name(daemon)
        with self._lock:
            return self.bus.get(bus_name, path or object_path(bus_name), interface or bus_name, name)

    def get_properties(self, daemon, path=None, interface=None):
        bus_name = self.bus_name(daemon)
        with self._lock:
            return self.bus.get_all(bus_name, path or object_path(bus_name), interface or bus_name)

    def get_objects(self, daemon, interface=None):
        """{path: {interface: {property: value}}} of everything the daemon has; with interface, {path: {property:
        value}} of the objects that have it."""
        with self._lock:
            objects = self.bus.objects(self.bus_name(daemon))
        if interface is None:
            return objects
        return {path: has[interface] for path, has in objects.items() if interface in has}

    def call(self, daemon, method, signature="", *arguments, path=None, interface=None, timeout=PATIENCE):
        bus_name = self.bus_name(daemon)
        with self._lock:
            return self.bus.call(bus_name, path or object_path(bus_name), interface or bus_name, method, signature,
                                 *arguments, timeout=timeout)

    def wait_for(self, condition, timeout=PATIENCE, what=None):
        """condition: a function, or (daemon, property, value or function of the value). Returns what was true."""
        if callable(condition):
            return wait_until(condition, timeout, what)
        daemon, name, wanted = condition
        seen = []

        def holds():
            seen[:] = [self.get_property(daemon, name)]
            return (wanted(seen[0]) if callable(wanted) else seen[0] == wanted) and seen
        try:
            return wait_until(holds, timeout, what)[0]
        except TimeoutError:
            reason = ""
            try:
                reason = self.get_property(daemon, "Reason")
            except (BusError, OSError):
                pass
            raise TimeoutError(f"{self.name}: {daemon} {name} did not become {wanted!r} within {timeout} s; it is "
                               f"{seen} ({reason})\n{self.log_tail(daemon)}") from None

    # Daemons.

    def program(self, name):
        """As the host sees it."""
        return os.path.join("/run/lab/build", DAEMONS[name].program)

    def has_program(self, name):
        return os.access(os.path.join(self.build, DAEMONS[name].program), os.X_OK)

    def log_path(self, name):
        return self.path(f"/run/lab/{name}.log")

    def log(self, name):
        """What the daemon wrote to its standard output and error so far."""
        try:
            return self.read(f"/run/lab/{name}.log")
        except OSError:
            return ""

    def log_tail(self, name, lines=25):
        return "".join(f"  {self.name} {name}: {line}\n" for line in self.log(name).splitlines()[-lines:])

    def as_user(self, user, capabilities=()):
        """The words before a command that give it a user and nothing but these capabilities."""
        uid = USERS[user]
        caps = "".join(f",+{c}" for c in capabilities)
        return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--no-new-privs",
                f"--inh-caps=-all{caps}", f"--ambient-caps=-all{caps}", f"--bounding-set=-all{caps}", "--"]

    def sanitizer_environment(self, name):
        base = f"/run/lab/sanitizer/{name}"
        return {"ASAN_OPTIONS": f"log_path={base}.asan:detect_leaks=1:abort_on_error=0:exitcode=86",
                "UBSAN_OPTIONS": f"log_path={base}.ubsan:print_stacktrace=1",
                "LSAN_OPTIONS": f"log_path={base}.lsan:report_objects=0"}

    def _spawn_daemon(self, daemon, arguments):
        notify = f"/run/lab/notify/{daemon.name}"
        argv = self.as_user(daemon.user, daemon.capabilities) + [self.program(daemon.name), *arguments]
        with open(self.log_path(daemon.name), "ab") as log:
            return self.popen(argv, env={**self.sanitizer_environment(daemon.name), "NOTIFY_SOCKET": notify,
                                         **self.environment.get(daemon.name, {})}, stdout=log, stderr=log)

    def start_daemon(self, name, config=None, arguments=None, wait=True, supervise=False, timeout=PATIENCE):
        """Starts a daemon as its user. config: text of /etc/homeward/NAME.conf (None: leave it as it is). It is run
        with "--config /etc/homeward/NAME.conf" unless arguments says otherwise. wait: until it says READY=1.
        supervise: it is started again 100 ms after it ended, as its unit would."""
        daemon = DAEMONS[name]
        if name in self.daemons and self.daemons[name].process.poll() is None:
            raise RuntimeError(f"{self.name}: {name} is running already")
        path = f"/etc/homeward/{name}.conf"
        if config is not None or not os.path.exists(self.path(path)):
            self.write(path, config or "")
        ready = self._notify_socket(name)
        running = _Running(self, daemon, ["--config", path] if arguments is None else arguments, supervise)
        self.daemons[name] = running
        running.start()
        if wait:
            self._wait_notify(name, ready, running, timeout)
        return running.process

    def _notify_socket(self, name):
        path = self.path(f"/run/lab/notify/{name}")
        if os.path.lexists(path):
            os.unlink(path)
        ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ready.bind(path)
        os.chmod(path, 0o666)
        return ready

    def _wait_notify(self, name, ready, running, timeout):
        deadline = time.monotonic() + timeout
        ready.settimeout(0.05)
        with ready:
            while True:
                try:
                    if b"READY=1" in ready.recv(4096).split(b"\n"):
                        return
                except TimeoutError:
                    pass
                if running.statuses and not running.supervise:
                    raise RuntimeError(f"{self.name}: {name} ended with {running.statuses[-1]}\n{self.log_tail(name)}")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{self.name}: {name} is not ready\n{self.log_tail(name)}")

    def daemon_pid(self, name):
        """The running daemon's process, as we see it."""
        return self.daemons[name].process.inner_pid

    def is_running(self, name):
        return name in self.daemons and self.daemons[name].process.poll() is None

    def kill_daemon(self, name, signal=signals.SIGKILL, wait=True, timeout=PATIENCE):
        """Sends a signal to the daemon. A supervised one comes back by itself. wait: until this process ended;
        returns its exit status then."""
        process = self.daemons[name].process
        process.send_signal(signal)
        return process.wait(timeout) if wait else None

    def stop_daemon(self, name, signal=signals.SIGTERM, timeout=PATIENCE):
        """Ends it for good, and returns its exit status."""
        running = self.daemons[name]
        with running.changed:
            running.wanted = False
            process = running.process
        process.send_signal(signal)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise TimeoutError(f"{self.name}: {name} does not end\n{self.log_tail(name)}") from None

    def restart_daemon(self, name, signal=signals.SIGTERM):
        """Stops it and starts it with the same configuration."""
        old = self.daemons[name]
        if old.process.poll() is None:
            self.stop_daemon(name, signal)
        return self.start_daemon(name, arguments=old.arguments, supervise=old.supervise)

    def wait_restarted(self, name, starts, timeout=PATIENCE):
        """Until a supervised daemon was started more than `starts` times (see daemons[name].starts)."""
        running = self.daemons[name]
        with running.changed:
            if not running.changed.wait_for(lambda: running.starts > starts, timeout):
                raise TimeoutError(f"{self.name}: {name} was not started again")

    def homewardctl(self, *arguments, check=True, input=None, timeout=120, **options):
        return self.run(["/run/lab/bin/homewardctl", *arguments], check=check, input=input, timeout=timeout,
                        env=self.sanitizer_environment("homewardctl"), **options)

    def sanitizer_reports(self):
        """The texts that AddressSanitizer and its kin wrote."""
        reports = []
        for path in sorted(glob.glob(self.path("/run/lab/sanitizer/*"))):
            with open(path, errors="replace") as file:
                reports.append(f"{self.name} {os.path.basename(path)}:\n{file.read()}")
        return reports

    # The network. Like a Wi-Fi card: the same interface and hardware address everywhere.

    def _unplug(self):
        if self.gateway is not None:
            # Takes the other end away: the carrier is lost, as when a station leaves its access point.
            far = f"h-{self.name}"[:15]
            self.gateway.batch([f"link set {far} netns {self.init_pid} name air0"])
            self.gateway = None

    def _plug(self, place, bridge, address, length, router):
        far = f"h-{self.name}"[:15]
        if not self._has_card:
            link(self, "eth0", self, "air0", a_mac=self.mac)
            self._has_card = True
        self.batch([f"link set air0 netns {place.init_pid} name {far}"])
        self.gateway = place
        place.batch([f"link set {far} master {bridge} up"])
        self.batch(["link set eth0 up", "address flush dev eth0 scope global",
                    f"address add {address}/{length} brd + dev eth0"] +
                   ([f"route add default via {router} dev eth0"] if router else []))
        self.address = address

    def move(self, gateway, address=None):
        """To the network behind a Gateway, break before make: carrier lost, carrier there, then a new address and
        default route. Returns (time.monotonic() when the old network was gone, when the new one stood)."""
        gone = time.monotonic()
        self._unplug()
        self._plug(gateway, "br-lan", address or gateway.lease(self.name), 24, gateway.lan_address)
        return gone, time.monotonic()

    def add_uplink(self, gateway, interface="eth1", metric=600):
        """A further card, with a default route of that metric. Returns the address it has there."""
        far = f"{interface}-{self.name}"[:15]
        link(self, interface, gateway, far)
        address = gateway.lease(f"{self.name} {interface}")
        gateway.batch([f"link set {far} master br-lan up"])
        self.batch([f"link set {interface} up", f"address add {address}/{gateway.lan.prefixlen} brd + dev {interface}",
                    f"route add default via {gateway.lan_address} dev {interface} metric {metric}"])
        return address

    def attach_internet(self, internet, address):
        """To the internet itself, without a gateway: a public address."""
        self._unplug()
        self._plug(internet, "br0", address, 16, internet.address)

    def disconnect(self):
        """Carrier lost, and the address with it. move() connects again."""
        self._unplug()
        self.batch(["address flush dev eth0 scope global"])
        self.address = None

    def close(self):
        """Ends everything inside; raises AssertionError if a sanitizer had something to say."""
        if self.closed:
            return
        reports = []
        if self._ready:
            for running in self.daemons.values():
                running.wanted = False
            if any("asan" in n or os.path.getsize(n) for n in glob.glob(self.path("/run/lab/sanitizer/*"))):
                reports = self.sanitizer_reports()
        if self._bus is not None:
            self._bus.close()
        super().close()
        if reports:
            raise AssertionError("\n".join(reports))
