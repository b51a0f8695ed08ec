# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine-shaped hole in this machine: own network, mounts, process ids and host name.

A Namespace is held by an init process. It ends when the write end of its standard input closes, and it gets
SIGKILL when the process that made it dies; the kernel then kills every process inside and drops the network
and the mounts. What it writes is on a tmpfs of its own (/run). So there is nothing to clean up, whatever happened, and two
labs on one machine do not meet. None of the network namespaces is connected to the machine's own.
"""
import ctypes
import os
import re
import shlex
import signal
import subprocess
import threading
import time

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1

# Seconds that whatever must happen may take. They end a test whose product is broken and cost nothing otherwise, so they are
# more than any busy machine needs, and more than the minute after which daemons try again at the latest.
PATIENCE = 120

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/root",
}

# A folder whose entries are the machine's own, by symlink, except where the caller then puts files. Needs no
# overlay file system, and no folder has to exist on the machine beforehand.
SHADOW = """
shadow() {
  n=$(echo "$1" | tr / _); mkdir -p /run/.machine/$n "$1"
  mount --bind "$1" /run/.machine/$n; mount -t tmpfs -o mode=755 lab "$1"
  for e in /run/.machine/$n/* /run/.machine/$n/.[!.]*; do
    [ -e "$e" ] || [ -L "$e" ] || continue
    ln -s "$e" "$1/${e##*/}"
  done
}
own() { rm -rf "$1"; }
"""

_SETUP = """
set -e
mount -t tmpfs -o mode=755 lab /run
mkdir -p /run/lab/tmp /run/lock
mount -t sysfs -o ro lab /sys 2>/dev/null || true
# Without a syslog some say everything there. A serial line takes milliseconds for it, and the processor with it.
mount --bind /dev/null /dev/console 2>/dev/null || true
ip link set lo up
"""

# Until the input ends. The shell cannot do that itself: an orphan that becomes its child and ends, as what a daemon left
# behind does, ends its read, too.
_INIT = """
exec 3<&0
cat <&3 >/dev/null &
reader=$!
echo ready
while kill -0 $reader 2>/dev/null; do wait $reader || true; done
"""


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process(subprocess.Popen):
    """A process in a namespace. pid is that of the helper which entered it; inner_pid the process itself, as we
    see it. Signals go to the process itself."""

    _inner = None

    @property
    def inner_pid(self):
        deadline = time.monotonic() + PATIENCE
        while self._inner is None:
            try:
                with open(f"/proc/{self.pid}/task/{self.pid}/children") as file:
                    children = file.read().split()
            except OSError:
                children = []
            if children:
                self._inner = int(children[0])
            elif self.poll() is not None or time.monotonic() > deadline:
                raise ProcessLookupError(f"{self.args[-1]} ended")
            else:
                time.sleep(0.001)
        return self._inner

    def send_signal(self, number):
        if self.poll() is None:
            try:
                os.kill(self.inner_pid, number)
                # The helper stopped itself together with the process.
                if number == signal.SIGCONT:
                    os.kill(self.pid, number)
            except ProcessLookupError:
                pass

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def end(self, timeout=PATIENCE):
        """SIGTERM, then SIGKILL; returns the exit status."""
        self.terminate()
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.wait(timeout)


class Namespace:
    """See the module. Make it in a thread that lives as long as it (the main thread): its init is bound to it."""

    setup = ""

    def __init__(self, name):
        self.name = name
        self.closed = False
        self._lock = threading.RLock()
        script = (SHADOW + _SETUP + f"hostname {shlex.quote(name)}\n" + self.setup + _INIT)
        self._init = subprocess.Popen(
            ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child=KILL", "--mount-proc",
             "--propagation", "private", "sh", "-c", script],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(_ENVIRONMENT),
            preexec_fn=_die_with_parent, cwd="/")
        self._ready = False

    def wait_ready(self):
        """Until the namespace stands. Called by whatever needs it; several may be made before the first waits."""
        with self._lock:
            if self._ready:
                return
            if self._init.stdout.readline() != b"ready\n":
                raise RuntimeError(f"{self.name}: {self._init.stderr.read().decode()}")
            with open(f"/proc/{self._init.pid}/task/{self._init.pid}/children") as file:
                self._init_pid = int(file.read().split()[0])
            self._ready = True

    @property
    def init_pid(self):
        """Of its first process, as we see it: for nsenter -t, and `ip link ... netns`."""
        self.wait_ready()
        return self._init_pid

    def path(self, path):
        """How a file of the namespace is reached from here. (Not through symlinks that are absolute.)"""
        return f"/proc/{self.init_pid}/root{path}"

    def read(self, path):
        with open(self.path(path), "rb") as file:
            return file.read().decode(errors="replace")

    def write(self, path, text, mode=0o644):
        full = self.path(path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
        os.chmod(full, mode)

    def enter_argv(self, argv):
        """The command that runs argv inside, for one's own subprocess or exec."""
        pid = str(self.init_pid)
        return ["nsenter", "-t", pid, "-n", "-m", "-u", "-p", "--wd=/", "--", *argv]

    def popen(self, argv, env=None, **options):
        """Starts argv inside and returns a Process (a subprocess.Popen)."""
        environment = {**_ENVIRONMENT, **(env or {})}
        options.setdefault("stdin", subprocess.DEVNULL)
        return Process(self.enter_argv([str(a) for a in argv]), env=environment, cwd="/", **options)

    def run(self, argv, check=True, timeout=120, input=None, env=None, **options):
        """Runs argv inside to its end and returns the CompletedProcess; output is text. With check, a failure
        raises with what the command said."""
        if input is None:
            options.setdefault("stdin", subprocess.DEVNULL)
        else:
            options["stdin"] = subprocess.PIPE
        if isinstance(argv, str):
            argv = ["sh", "-ec", argv]
        process = self.popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        data = input.encode() if isinstance(input, str) else input
        try:
            out, err = process.communicate(data, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise RuntimeError(f"{self.name}: {argv} took longer than {timeout} s\n{out.decode()}{err.decode()}")
        result = subprocess.CompletedProcess(argv, process.returncode, out.decode(errors="replace"),
                                             err.decode(errors="replace"))
        if check and result.returncode:
            raise RuntimeError(f"{self.name}: {argv} ended with {result.returncode}\n{result.stdout}{result.stderr}")
        return result

    def ping(self, address, *options, count=1, timeout=PATIENCE):
        """Pings address, and raises unless the first count of them were answered. Returns what ping said."""
        text = self.run(["ping", "-n", "-c", str(count), "-w", str(timeout), *options, address], check=False,
                        timeout=timeout + 30).stdout
        assert answered(text) >= set(range(1, count + 1)), text
        return text

    def batch(self, lines):
        """Several ip(8) commands in one process. It is in our pid namespace, so "netns PID" means what init_pid says."""
        result = subprocess.run(["nsenter", "-t", str(self.init_pid), "-n", "--", "ip", "-batch", "-"],
                                input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=PATIENCE)
        if result.returncode:
            raise RuntimeError(f"{self.name}: {lines}: {result.stderr}")

    def close(self):
        """Ends everything inside."""
        if self.closed:
            return
        self.closed = True
        self._init.kill()
        self._init.wait()
        for pipe in (self._init.stdin, self._init.stdout, self._init.stderr):
            pipe.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def answered(text):
    """The numbers of those pings that were answered, by what ping says. With -c and -w, ping waits for as many answers,
    and sends more, with higher numbers, until they have come. Its -W is for the first answer only: once there was one,
    the last has no longer than the interval."""
    return {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl=", text)}


def link(a, a_name, b, b_name, a_mac=None):
    """A cable between two namespaces: a veth pair, still down."""
    mac = f"address {a_mac} " if a_mac else ""
    a.batch([f"link add {a_name} {mac}type veth peer name {b_name} netns {b.init_pid}"])


def wait_until(predicate, timeout=PATIENCE, what=None, every=0.015):
    """Calls predicate until it returns something true, and returns that. A predicate that raises LookupError,
    OSError or BusError counts as not yet; after the time TimeoutError tells the last answer. Seconds are made PATIENCE at
    least: only who wants to see it fail tells less than one."""
    from .bus import BusError
    if timeout >= 1:
        timeout = max(timeout, PATIENCE)
    deadline = time.monotonic() + timeout
    while True:
        try:
            last = predicate()
            if last:
                return last
        except (LookupError, OSError, BusError) as error:
            last = error
        if time.monotonic() >= deadline:
            raise TimeoutError(f"{what or getattr(predicate, '__doc__', None) or 'condition'}: not within "
                               f"{timeout} s; last: {last!r}")
        time.sleep(every)
