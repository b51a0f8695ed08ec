# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small D-Bus client: enough to call methods, pass descriptors and wait for signals, from outside the host.

Values: variants are unwrapped when read, and written as (signature, value); "ay" is bytes; "h" is a descriptor
(received ones are the caller's to close); structs are tuples.
"""
import array
import collections
import ctypes
import os
import select
import socket
import struct
import time

from .namespace import PATIENCE

_libc = ctypes.CDLL(None, use_errno=True)
_SYS_SETRESUID = {"x86_64": 117, "aarch64": 147}.get(os.uname().machine, 117)

_CALL, _RETURN, _ERROR, _SIGNAL = 1, 2, 3, 4
_FIXED = {"y": "B", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d", "b": "I", "h": "I"}
_ALIGN = {"y": 1, "n": 2, "q": 2, "i": 4, "u": 4, "x": 8, "t": 8, "d": 8, "b": 4, "h": 4, "s": 4, "o": 4, "g": 1,
          "v": 1, "a": 4, "(": 8, "{": 8}


class BusError(Exception):
    """An error answer. name: org.freedesktop.DBus.Error.ServiceUnknown and the like."""

    def __init__(self, name, message):
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message


Signal = collections.namedtuple("Signal", "sender path interface member values")


def split_signature(signature):
    """The complete types of a signature, one by one."""
    parts, i = [], 0
    while i < len(signature):
        start = i
        while signature[i] == "a":
            i += 1
        if signature[i] in "({":
            depth = 0
            while True:
                depth += signature[i] in "({"
                depth -= signature[i] in ")}"
                i += 1
                if not depth:
                    break
        else:
            i += 1
        parts.append(signature[start:i])
    return parts


class _Writer:
    def __init__(self):
        self.data = bytearray()
        self.fds = []

    def pad(self, n):
        self.data += b"\0" * (-len(self.data) % n)

    def put(self, signature, value):
        kind = signature[0]
        self.pad(_ALIGN[kind])
        if kind == "h":
            self.fds.append(value)
            value = len(self.fds) - 1
        if kind in _FIXED:
            self.data += struct.pack("<" + _FIXED[kind], value)
        elif kind in "so":
            raw = value.encode()
            self.data += struct.pack("<I", len(raw)) + raw + b"\0"
        elif kind == "g":
            self.data += bytes([len(value)]) + value.encode() + b"\0"
        elif kind == "v":
            self.put("g", value[0])
            self.put(*value)
        elif kind == "a":
            self._array(signature[1:], value)
        else:
            for part, item in zip(split_signature(signature[1:-1]), value):
                self.put(part, item)

    def _array(self, element, value):
        at = len(self.data)
        self.data += b"\0\0\0\0"
        self.pad(_ALIGN[element[0]])
        start = len(self.data)
        if element == "y":
            self.data += bytes(value)
        else:
            for item in (value.items() if element[0] == "{" else value):
                self.put(element, item)
        struct.pack_into("<I", self.data, at, len(self.data) - start)


class _Reader:
    def __init__(self, data, fds=(), order="<", at=0):
        self.data, self.fds, self.order, self.at = data, fds, order, at

    def get(self, signature):
        kind = signature[0]
        self.at += -self.at % _ALIGN[kind]
        if kind in _FIXED:
            code = self.order + _FIXED[kind]
            value, = struct.unpack_from(code, self.data, self.at)
            self.at += struct.calcsize(code)
            return bool(value) if kind == "b" else self.fds[value] if kind == "h" else value
        if kind in "sog":
            length = self.data[self.at] if kind == "g" else self.get("u")
            self.at += kind == "g"
            value = bytes(self.data[self.at:self.at + length]).decode()
            self.at += length + 1
            return value
        if kind == "v":
            return self.get(self.get("g"))
        if kind == "a":
            return self._array(signature[1:])
        return tuple(self.get(part) for part in split_signature(signature[1:-1]))

    def _array(self, element):
        length = self.get("u")
        self.at += -self.at % _ALIGN[element[0]]
        end = self.at + length
        if element == "y":
            value = bytes(self.data[self.at:end])
            self.at = end
            return value
        items = []
        while self.at < end:
            items.append(self.get(element))
        return dict(items) if element[0] == "{" else items


class Bus:
    """A connection to the bus whose socket is at `path`, as user id `uid`. For one thread at a time."""

    def __init__(self, path, uid=0):
        self._socket = socket.socket(socket.AF_UNIX)
        handle = os.open(path, os.O_PATH)
        try:
            # The credentials are taken at connect(); this thread alone changes its effective user for it.
            if uid:
                _libc.syscall(_SYS_SETRESUID, -1, uid, -1)
            try:
                self._socket.connect(f"/proc/self/fd/{handle}")
            finally:
                if uid:
                    _libc.syscall(_SYS_SETRESUID, -1, 0, -1)
        finally:
            os.close(handle)
        self._data = bytearray()
        self._fds = []
        self._serial = 0
        self._replies = {}
        self.signals = collections.deque()
        self._authenticate(uid)
        self.unique_name = self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello")

    def _authenticate(self, uid):
        self._socket.settimeout(PATIENCE)
        self._socket.sendall(b"\0AUTH EXTERNAL " + str(uid).encode().hex().encode() + b"\r\nNEGOTIATE_UNIX_FD\r\n")
        answer = b""
        while answer.count(b"\r\n") < 2:
            more = self._socket.recv(512)
            if not more or answer.startswith(b"REJECTED"):
                raise ConnectionError(f"bus refused uid {uid}: {answer.decode()}")
            answer += more
        self._socket.sendall(b"BEGIN\r\n")

    def close(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _send(self, kind, fields, signature, arguments):
        self._serial += 1
        body = _Writer()
        for part, value in zip(split_signature(signature), arguments, strict=True):
            body.put(part, value)
        if signature:
            fields = fields + [(8, ("g", signature))]
        if body.fds:
            fields = fields + [(9, ("u", len(body.fds)))]
        head = _Writer()
        for part, value in zip("yyyyuu", (ord("l"), kind, 0, 1, len(body.data), self._serial)):
            head.put(part, value)
        head.put("a(yv)", fields)
        head.pad(8)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", body.fds))] if body.fds else []
        message = bytes(head.data + body.data)
        sent = self._socket.sendmsg([message], ancillary)
        self._socket.sendall(message[sent:])
        return self._serial

    def call(self, destination, path, interface, method, signature="", *arguments, timeout=PATIENCE):
        """Calls a method. Returns None, the one value, or a tuple. Raises BusError or TimeoutError."""
        serial = self.send_call(destination, path, interface, method, signature, *arguments)
        return self.wait_reply(serial, timeout, f"{destination} {method}")

    def send_call(self, destination, path, interface, method, signature="", *arguments):
        """The first half of call(); what it returns is for wait_reply()."""
        fields = [(1, ("o", path)), (2, ("s", interface)), (3, ("s", method)), (6, ("s", destination))]
        return self._send(_CALL, fields, signature, arguments)

    def wait_reply(self, serial, timeout=PATIENCE, what="reply"):
        deadline = time.monotonic() + timeout
        while serial not in self._replies:
            self._receive(deadline, what)
        kind, error, values = self._replies.pop(serial)
        if kind == _ERROR:
            raise BusError(error, values[0] if values else "")
        return None if not values else values[0] if len(values) == 1 else values

    def add_match(self, rule="type='signal',path_namespace='/org/homeward'"):
        """From now on signals that match are kept in `signals`."""
        self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s", rule)

    def wait_signal(self, predicate=lambda signal: True, timeout=PATIENCE):
        """Takes signals until one satisfies predicate; returns it."""
        deadline = time.monotonic() + timeout
        while True:
            while self.signals:
                signal = self.signals.popleft()
                if predicate(signal):
                    return signal
            self._receive(deadline, "signal")

    def _receive(self, deadline, what):
        while not self._take_message():
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._socket], [], [], left)[0]:
                raise TimeoutError(f"no answer: {what}")
            data, fds, _, _ = socket.recv_fds(self._socket, 65536, 16)
            if not data:
                raise ConnectionError("the bus closed the connection")
            self._data += data
            self._fds += fds

    def _take_message(self):
        if len(self._data) < 16:
            return False
        order = "<" if self._data[0] == ord("l") else ">"
        body_length, serial, fields_length = struct.unpack_from(order + "III", self._data, 4)
        head = (16 + fields_length + 7) & ~7
        if len(self._data) < head + body_length:
            return False
        kind = self._data[1]
        fields = dict(_Reader(self._data, order=order, at=12).get("a(yv)"))
        fds, self._fds = self._fds[:fields.get(9, 0)], self._fds[fields.get(9, 0):]
        body = _Reader(bytes(self._data[head:head + body_length]), fds, order)
        values = tuple(body.get(part) for part in split_signature(fields.get(8, "")))
        del self._data[:head + body_length]
        if kind == _SIGNAL:
            if fields.get(7) != "org.freedesktop.DBus":
                self.signals.append(Signal(fields.get(7), fields.get(1), fields.get(2), fields.get(3), values))
        elif kind in (_RETURN, _ERROR):
            self._replies[fields[5]] = (kind, fields.get(4), values)
        return True

    # What is asked most.

    def get(self, destination, path, interface, name):
        return self.call(destination, path, "org.freedesktop.DBus.Properties", "Get", "ss", interface, name)

    def get_all(self, destination, path, interface):
        return self.call(destination, path, "org.freedesktop.DBus.Properties", "GetAll", "s", interface)

    def objects(self, destination, path="/org/homeward"):
        """{path: {interface: {property: value}}}"""
        return self.call(destination, path, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")

    def introspect(self, destination, path):
        return self.call(destination, path, "org.freedesktop.DBus.Introspectable", "Introspect")

    def owner(self, name):
        """The unique name that owns `name`, or None."""
        try:
            return self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetNameOwner",
                             "s", name)
        except BusError:
            return None

    def owner_pid(self, name):
        return self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                         "GetConnectionUnixProcessID", "s", name)
