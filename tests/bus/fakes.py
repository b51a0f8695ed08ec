# SPDX-License-Identifier: LGPL-2.1-or-later
"""Daemons that only say what a test tells them to.

    mapper = Fake(host, "mapper", {"State": ("s", "ready"), "LocalAddress": ("s", "11.0.0.2")})
    mapper.methods["AddMapping"] = lambda *arguments: ("o", "/org/homeward/Mapper1/mapping/1")
    mapper.change(LocalAddress=("s", "11.0.0.3"))
    assert mapper.calls[0].member == "AddMapping"

A property is (signature, value). The fake owns the daemon's name as the daemon's user.
"""
import collections
import struct
import threading

from homeward_lab import Bus, DAEMONS
from homeward_lab import bus as wire
from homeward_lab.daemons import USERS, object_path

Call = collections.namedtuple("Call", "sender path interface member values")


class Fake(Bus):
    def __init__(self, host, name, properties=None, methods=None):
        # What is shown and what is sent, by the test and by the thread that answers.
        self._write_lock = threading.RLock()
        self._requests = collections.deque()
        daemon = DAEMONS[name]
        self.bus_name = daemon.bus_name
        self.objects_shown = {object_path(self.bus_name): {self.bus_name: dict(properties or {})}}
        self.methods = dict(methods or {})
        self.calls = []
        self._ended = False
        super().__init__(host.path("/run/dbus/system_bus_socket"), USERS[daemon.user])
        answer = self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
                           "su", self.bus_name, 4)
        assert answer == 1, f"{self.bus_name}: {answer}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        """Leaves the bus, as a daemon that was killed."""
        self._ended = True
        try:
            self._socket.shutdown(2)
        except OSError:
            pass
        self._thread.join(5)
        super().close()

    # What it shows.

    def change(self, path=None, interface=None, **properties):
        """Sets properties and says so."""
        path, interface = path or object_path(self.bus_name), interface or self.bus_name
        with self._write_lock:
            self.objects_shown[path][interface].update(properties)
            self._signal(path, "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as", interface,
                         properties, [])

    def add(self, path, interface, **properties):
        with self._write_lock:
            self.objects_shown[path] = {interface: properties}
            self._signal("/org/homeward", "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", "oa{sa{sv}}", path,
                         self.objects_shown[path])

    def remove(self, path):
        with self._write_lock:
            interfaces = list(self.objects_shown.pop(path))
            self._signal("/org/homeward", "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved", "oas", path,
                         interfaces)

    def _signal(self, path, interface, member, signature, *arguments):
        self._send(4, [(1, ("o", path)), (2, ("s", interface)), (3, ("s", member))], signature, arguments)

    # Answering.

    def _send(self, *arguments):
        with self._write_lock:
            return super()._send(*arguments)

    def _serve(self):
        while not self._ended:
            try:
                # Somebody may have called while the constructor waited for the name.
                while self._take_message():
                    pass
                while self._requests:
                    self._answer(*self._requests.popleft())
                self._receive_some()
            except OSError:
                return

    def _receive_some(self):
        data, fds, _, _ = wire.socket.recv_fds(self._socket, 65536, 16)
        if not data:
            raise ConnectionError
        self._data += data
        self._fds += fds

    def _authenticate(self, uid):
        super()._authenticate(uid)
        self._socket.settimeout(None)

    def _take_message(self):
        # A call is looked at before the client, which knows nothing of calls, throws it away.
        if len(self._data) >= 16:
            order = "<" if self._data[0] == ord("l") else ">"
            body_length, serial, fields_length = struct.unpack_from(order + "III", self._data, 4)
            head = (16 + fields_length + 7) & ~7
            if len(self._data) >= head + body_length and self._data[1] == 1:
                fields = dict(wire._Reader(self._data, order=order, at=12).get("a(yv)"))
                n_fds = fields.get(9, 0)
                body = wire._Reader(bytes(self._data[head:head + body_length]), self._fds[:n_fds], order)
                values = tuple(body.get(part) for part in wire.split_signature(fields.get(8, "")))
                self._requests.append((serial, Call(fields.get(7), fields.get(1), fields.get(2), fields.get(3), values)))
        return super()._take_message()

    def _answer(self, serial, call):
        fields = [(5, ("u", serial)), (6, ("s", call.sender))]
        if call.member == "GetManagedObjects":
            with self._write_lock:
                self._send(2, fields, "a{oa{sa{sv}}}", (self.objects_shown,))
            return
        self.calls.append(call)
        answer = self.methods[call.member](*call.values) if call.member in self.methods else None
        if answer is None:
            self._send(2, fields, "", ())
        elif answer[0] == "error":
            self._send(3, fields + [(4, ("s", answer[1]))], "s", (answer[2] if len(answer) > 2 else "no",))
        else:
            self._send(2, fields, answer[0], answer[1:])
