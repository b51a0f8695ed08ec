# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command `lab` inside the hosts: a socket in each host, answered by the lab's own process.

A request is one line of words as JSON, with the asker's terminal size; the answer is text to print, or, for `enter`,
the master side of a terminal with a shell in the other host, which the asker connects to its own.
"""
import fcntl
import json
import os
import pty
import socket
import subprocess
import sys
import termios
import threading

SOCKET = "/run/lab/control"
SHELL = ["bash", "--norc", "-i"]

HELP = """Inside the lab:
  lab                       where everything is
  lab enter HOST            a shell in another host (desktop, laptop, zone, or gateway A, B, C, D); exit returns
  lab move HOST GATEWAY     to another network, as Wi-Fi does (cafe is C); lab move HOST away: no network
  lab reboot GATEWAY [WAN]  a gateway forgets everything and comes back, with another address if told
  lab kill HOST DAEMON      SIGKILL; it is started again after 100 ms
  lab log HOST DAEMON       what it wrote
  lab help                  this
  homewardctl status        and hosts, watch, trace: what homeward thinks
"""

# What `lab` is inside a host. Only the standard library, and nothing of this package: it runs in the host.
CLIENT = """#!/usr/bin/python3
import array, fcntl, json, os, select, signal, socket, struct, sys, termios, tty
s = socket.socket(socket.AF_UNIX)
s.connect("%s")
try: size = fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)).hex()
except OSError: size = None
s.sendall(json.dumps([size, *sys.argv[1:]]).encode() + b"\\n")
data, fds, _, _ = socket.recv_fds(s, 1, 1)
if fds:
    master = fds[0]
    def resize(*_): fcntl.ioctl(master, termios.TIOCSWINSZ, fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))
    signal.signal(signal.SIGWINCH, resize)
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        while True:
            ready = select.select([0, master], [], [])[0]
            if master in ready:
                try: data = os.read(master, 65536)
                except OSError: break
                if not data: break
                os.write(1, data)
            if 0 in ready:
                data = os.read(0, 65536)
                if not data: break
                os.write(master, data)
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
else:
    text = data
    while data: data = s.recv(65536); text += data
    sys.stdout.write(text[1:].decode())
    sys.exit(0 if text[:1] == b"0" else 1)
""" % SOCKET


class Control:
    """Serves the sockets of all hosts of a lab until the process ends."""

    def __init__(self, lab):
        self.lab = lab
        self._lock = threading.Lock()
        for host in [*lab.hosts.values(), lab.zone]:
            host.write("/run/lab/bin/lab", CLIENT, 0o755)
            self._listen(host)

    def _listen(self, host):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(host.path(SOCKET))
        listener.listen(8)

        def serve():
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()
        threading.Thread(target=serve, daemon=True).start()

    def _answer(self, connection):
        with connection:
            size, *words = json.loads(connection.makefile().readline())
            if words[:1] == ["enter"] and len(words) == 2 and size:
                self._enter(connection, words[1], bytes.fromhex(size))
                return
            try:
                with self._lock:
                    answer = b"0" + self.command(words).encode()
            except (LookupError, ValueError, RuntimeError, TimeoutError, OSError) as error:
                answer = b"1" + f"lab: {error}\n".encode()
            connection.sendall(answer)

    def _place(self, name):
        places = {**self.lab.hosts, "zone": self.lab.zone, "internet": self.lab.internet}
        if name in places:
            return places[name]
        try:
            return self.lab.gateway(name)
        except KeyError:
            raise LookupError(f'there is no "{name}"; there is {", ".join([*places, *self.lab.gateways])}') from None

    def _enter(self, connection, name, size):
        try:
            place = self._place(name)
        except LookupError as error:
            connection.sendall(b"1" + f"lab: {error}\n".encode())
            return
        master, slave = pty.openpty()
        fcntl.ioctl(master, termios.TIOCSWINSZ, size)
        process = subprocess.Popen(["setsid", "--ctty", *place.enter_argv(SHELL)], stdin=slave, stdout=slave,
                                   stderr=slave, env=shell_environment(place), cwd="/")
        os.close(slave)
        socket.send_fds(connection, [b"f"], [master])
        os.close(master)
        process.wait()

    def _host(self, name):
        if name == "zone":
            return self.lab.zone
        try:
            return self.lab.hosts[name]
        except KeyError:
            raise LookupError(f'there is no host "{name}"; there is {", ".join(self.lab.hosts)}') from None

    def _gateway(self, name):
        try:
            return self.lab.gateway(name)
        except KeyError:
            raise LookupError(f'there is no gateway "{name}"; there is {", ".join(self.lab.gateways)}') from None

    def command(self, words):
        """Carries out one `lab` command and returns what to print."""
        match words:
            case []:
                return self._overview()
            case ["move", name, "away"]:
                self._host(name).disconnect()
                return f"{name} has no network\n"
            case ["move", name, gateway]:
                host, gateway = self._host(name), self._gateway(gateway)
                gone, there = host.move(gateway)
                return (f"{name} is behind gateway {gateway.name} with {host.address} "
                        f"({(there - gone) * 1000:.0f} ms without a network)\n")
            case ["reboot", gateway, *address] if len(address) < 2:
                gateway = self._gateway(gateway)
                seconds = gateway.reboot(*address)
                return f"gateway {gateway.name} is back after {seconds * 1000:.0f} ms with {gateway.wan_address}\n"
            case ["kill", name, daemon]:
                self._host(name).kill_daemon(daemon)
                return f"{daemon} on {name} was killed\n"
            case ["log", name, daemon]:
                return self._host(name).log(daemon)
            case _:
                return HELP

    def _overview(self):
        lines = [f"internet   11.0.0.0/16; zone server {self.lab.zone.address} for members.example.org"]
        for gateway in self.lab.gateways.values():
            behind = [h.name for h in self.lab.hosts.values() if h.gateway is gateway]
            lines.append(f"gateway {gateway.name}  {gateway.wan_address:12} {gateway.kind:9} LAN 192.168.{gateway.number}.0/24"
                         + (f"  {', '.join(behind)}" if behind else ""))
        for host in self.lab.hosts.values():
            lines.append(f"{host.name:10} {host.address or 'no network'}")
        return "\n".join(lines) + "\n\"lab help\" tells what you can do\n"


def shell_environment(place):
    return {"PATH": "/run/lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
            "LANG": "C.UTF-8", "PS1": rf"\[\e[1m\]{place.name}\[\e[0m\]:\w# ", "HISTFILE": "",
            "TERM": os.environ.get("TERM", "dumb")}


def interactive(place):
    """A shell at our own terminal; returns its exit status."""
    return subprocess.call(place.enter_argv(SHELL), env=shell_environment(place), stdin=sys.stdin)
