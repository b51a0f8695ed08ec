# SPDX-License-Identifier: LGPL-2.1-or-later
"""Gateways that a test plays itself, octet by octet: what no real one would do on purpose.

    played = PlayedGateway(make_gateway(kind="plain"))
    played.expect("0000"); played.send_address("11.0.1.1")
    played.serve(lambda octets: [answer, answer])            # from a thread, until close()

    igd = PlayedIgd(make_gateway(kind="plain"))
    igd.actions["AddPortMapping"] = lambda call: igd.fault(718, "ConflictInMappingEntry")
    igd.pages["/rootDesc.xml"] = lambda call: call.drip(b"<?xml", b" ")    # an HTTP answer that never ends
"""
import re
import select
import socket
import struct
import threading

from .mappings import socket_in

GROUP = ("224.0.0.1", 5350)
SSDP_GROUP = ("239.255.255.250", 1900)


class _Server:
    """A thread that runs until close()."""

    def _start(self, work):
        self._ending = threading.Event()
        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()

    def _stop(self):
        if getattr(self, "_thread", None):
            self._ending.set()
            self._thread.join()


class PlayedGateway(_Server):
    """NAT-PMP and PCP by the test's own hand, on a gateway whose port 5351 is free."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.address = gateway.lan_address
        self.socket = socket_in(gateway, (gateway.lan_address, 5351))
        self.peer = None
        self.requests = []  # of serve()
        self._expected = set()

    def receive(self):
        octets, self.peer = self.socket.recvfrom(2048)
        self._expected.add(octets.hex())
        return octets

    def expect(self, text):
        """The next request, which is this one. One from before may come once more: the test was slow to answer it."""
        before = set(self._expected)
        seen = self.receive().hex()
        while seen != text and seen in before:
            seen = self.receive().hex()
        assert seen == text

    def send(self, octets):
        self.socket.sendto(octets, self.peer)

    def send_address(self, address, epoch=1000):
        self.send(natpmp_address(address, epoch))

    def send_map(self, internal, external, lifetime, epoch=1000, operation=1, result=0):
        self.send(natpmp_map(internal, external, lifetime, epoch, operation, result))

    def announce(self, octets):
        self.socket.sendto(octets, GROUP)

    def send_elsewhere(self, octets, address):
        """From another address of the gateway's machine, port 5351; the address is added if it must be."""
        self.gateway.batch([f"address replace {address}/24 dev br-lan"])
        with socket_in(self.gateway, (address, 5351)) as other:
            other.sendto(octets, self.peer)

    def serve(self, handler):
        """Answers each request from now on: handler(octets) -> octets, a list of them, or None. May be called again
        with another handler."""
        self._handler = handler
        if getattr(self, "_thread", None) is None:
            self._start(self._work)

    def _work(self):
        while not self._ending.is_set():
            if not select.select([self.socket], [], [], 0.05)[0]:
                continue
            octets = self.receive()
            self.requests.append(octets)
            answers = self._handler(octets)
            for answer in [answers] if isinstance(answers, bytes) else answers or ():
                try:
                    self.send(answer)
                except OSError:
                    # The gateway loses it (Gateway.lose()), or has no network at the moment.
                    pass

    def close(self):
        self._stop()
        self.socket.close()


def natpmp_address(address, epoch=1000, result=0):
    return struct.pack("!BBHI4s", 0, 128, result, epoch, socket.inet_aton(address))


def natpmp_map(internal, external, lifetime, epoch=1000, operation=1, result=0):
    return struct.pack("!BBHIHHI", 0, 128 + operation, result, epoch, internal, external, lifetime)


class PcpRequest:
    """What a PCP request says (RFC 6887 §7.1, §11.1, §7.3). Raises ValueError when it is none."""

    ANNOUNCE, MAP, PEER = 0, 1, 2

    def __init__(self, octets):
        self.octets = octets
        if len(octets) < 24 or len(octets) % 4 or len(octets) > 1100 or octets[0] != 2 or octets[1] & 0x80:
            raise ValueError(octets.hex())
        self.opcode = octets[1]
        self.lifetime, = struct.unpack_from("!I", octets, 4)
        self.client = _mapped_address(octets[8:24])
        self.nonce, self.protocol, self.internal, self.external, self.address = b"", 0, 0, 0, None
        at = 24
        if self.opcode == self.MAP:
            self.nonce = octets[24:36]
            self.protocol = octets[36]
            self.internal, self.external = struct.unpack_from("!HH", octets, 40)
            self.address = _mapped_address(octets[44:60])
            at = 60
        self.options = []
        while at + 4 <= len(octets):
            code, length = octets[at], struct.unpack_from("!H", octets, at + 2)[0]
            self.options.append((code, octets[at + 4:at + 4 + length]))
            at += 4 + (length + 3) // 4 * 4


def _mapped_address(octets):
    """An IPv4 address as PCP writes it (::ffff:a.b.c.d), in dots; else hexadecimal."""
    if octets[:12] == bytes(10) + b"\xff\xff":
        return socket.inet_ntoa(octets[12:])
    return octets.hex()


def pcp_address(address):
    return bytes(10) + b"\xff\xff" + socket.inet_aton(address)


def pcp_answer(opcode, result=0, lifetime=0, epoch=1000, payload=b"", version=2):
    return struct.pack("!BBBBII", version, 0x80 | opcode, 0, result, lifetime, epoch) + bytes(12) + payload


def pcp_map(request, address, external=None, lifetime=None, epoch=1000, result=0, nonce=None, protocol=None,
            internal=None, options=b""):
    """The answer to a PcpRequest MAP; what is not told is as the request has it."""
    payload = struct.pack("!12sB3xHH16s", request.nonce if nonce is None else nonce,
                          request.protocol if protocol is None else protocol,
                          request.internal if internal is None else internal,
                          external if external is not None else request.external or request.internal,
                          pcp_address(address))
    return pcp_answer(PcpRequest.MAP, result, request.lifetime if lifetime is None else lifetime, epoch,
                      payload + options)


_DEVICE = """<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor></specVersion>
<device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:%(version)d</deviceType>
<friendlyName>played</friendlyName><manufacturer>lab</manufacturer><modelName>played</modelName><UDN>uuid:%(uuid)s</UDN>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANDevice:%(version)d</deviceType>
<friendlyName>WAN</friendlyName><manufacturer>lab</manufacturer><modelName>WAN</modelName><UDN>uuid:%(uuid)s</UDN>
<serviceList><service><serviceType>urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1</serviceType>
<serviceId>urn:upnp-org:serviceId:WANCommonIFC1</serviceId><SCPDURL>/common.xml</SCPDURL>
<controlURL>/common</controlURL><eventSubURL>/common-events</eventSubURL></service></serviceList>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:%(version)d</deviceType>
<friendlyName>connection</friendlyName><manufacturer>lab</manufacturer><modelName>c</modelName><UDN>uuid:%(uuid)s</UDN>
<serviceList><service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:%(version)d</serviceType>
<serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId><SCPDURL>/scpd.xml</SCPDURL>
<controlURL>%(control)s</controlURL><eventSubURL>%(events)s</eventSubURL></service></serviceList>
</device></deviceList></device></deviceList></device></root>
"""

_SOAP = """<?xml version="1.0"?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">
<s:Body>%s</s:Body></s:Envelope>
"""


class _Call:
    """One HTTP request, and its connection for who wants to do something odd with it."""

    def __init__(self, connection, ending, head, body):
        self.connection, self.ending, self.body = connection, ending, body
        lines = head.decode(errors="replace").split("\r\n")
        self.method, self.path, _ = (lines[0].split(" ") + ["", ""])[:3]
        self.headers = {name.strip().lower(): value.strip()
                        for name, _, value in (line.partition(":") for line in lines[1:])}
        self.action = self.headers.get("soapaction", "").strip('"').rpartition("#")[2]
        self.arguments = dict(re.findall(r"<(\w+)(?: [^>]*)?>([^<]*)</\1>", body.decode(errors="replace")))

    def drip(self, begin, piece, every=0.1, head=b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n"):
        """An answer without an end: a piece now and then until somebody has enough."""
        self.connection.sendall(head + begin)
        while not self.ending.wait(every):
            self.connection.sendall(piece)

    def flood(self, octets, head=b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n"):
        """So many octets of something; returns how many the other side took."""
        sent, chunk = 0, b"<a>" * 21845
        try:
            self.connection.sendall(head)
            while sent < octets:
                self.connection.sendall(chunk)
                sent += len(chunk)
        except OSError:
            pass
        return sent


class PlayedIgd(_Server):
    """UPnP: SSDP, descriptions, SOAP actions and event subscriptions of a gateway (any kind whose ports are free).

    actions  {action: function(call) -> octets of an HTTP answer, a dictionary of results, or None (it has answered)}
    pages    {path: function(call) -> octets of the body, or None (it has answered)}
    search   function(octets, peer) -> list of SSDP answers
    calls    what was asked: (method, path, action, arguments)
    searches what was searched for: (peer, octets)"""

    UUID = "00000000-0000-0000-0000-00000000beef"

    def __init__(self, gateway, version=1, port=5000, address=None, external="11.0.1.1", control="/ctl", events="/evt"):
        self.gateway, self.version, self.port, self.external = gateway, version, port, external
        self.address = address or gateway.lan_address
        self.calls, self.searches, self.mappings, self.subscribers = [], [], {}, {}
        self.location = f"http://{self.address}:{port}/rootDesc.xml"
        self.description = _DEVICE % {"version": version, "uuid": self.UUID, "control": control, "events": events}
        self.pages = {"/rootDesc.xml": lambda call: self.description.encode()}
        self.control, self.events = control, events
        self.actions = {"GetExternalIPAddress": lambda call: {"NewExternalIPAddress": self.external},
                        "GetStatusInfo": lambda call: {"NewConnectionStatus": "Connected", "NewLastConnectionError":
                                                       "ERROR_NONE", "NewUptime": "1000"},
                        "AddPortMapping": self._add, "AddAnyPortMapping": self._add_any,
                        "DeletePortMapping": self._delete, "GetSpecificPortMappingEntry": self._entry}
        self.search = lambda octets, peer: [self.search_answer(octets)]
        self._listener = socket_in(gateway, (self.address, port), socket.SOCK_STREAM)
        self._listener.listen(64)
        self._ssdp = socket_in(gateway)
        self._ssdp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._ssdp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(self.address))
        self._ssdp.bind(("", 1900))
        self._ssdp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                              socket.inet_aton(SSDP_GROUP[0]) + socket.inet_aton(self.address))
        self._answering = []
        self._start(self._work)

    # Answers.

    def search_answer(self, octets=b"", location=None, target=None):
        asked = re.search(rb"^ST: *(.*?)\r?$", octets, re.M | re.I)
        target = target or (asked[1].decode(errors="replace") if asked else "upnp:rootdevice")
        if target == "ssdp:all":
            target = f"urn:schemas-upnp-org:device:InternetGatewayDevice:{self.version}"
        return (f"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: {target}\r\nUSN: uuid:{self.UUID}::{target}\r\n"
                f"EXT:\r\nSERVER: lab/1 UPnP/1.1 played/1\r\nLOCATION: {location or self.location}\r\n\r\n").encode()

    def fault(self, code, words, status=500):
        return self.http(_SOAP % ("<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>"
                                  '<UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>%d</errorCode>'
                                  "<errorDescription>%s</errorDescription></UPnPError></detail></s:Fault>"
                                  % (code, words)), status)

    def result(self, action, values):
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in values.items())
        return self.http(_SOAP % (f'<u:{action}Response xmlns:u="urn:schemas-upnp-org:service:WANIPConnection:'
                                  f'{self.version}">{inner}</u:{action}Response>'))

    @staticmethod
    def http(body, status=200, headers=""):
        octets = body if isinstance(body, bytes) else body.encode()
        return (f"HTTP/1.1 {status} {'OK' if status == 200 else 'Error'}\r\nContent-Type: text/xml\r\n"
                f"Content-Length: {len(octets)}\r\nConnection: close\r\n{headers}\r\n").encode() + octets

    def notify(self, **variables):
        """The event to everybody who subscribed. Returns the statuses they answered."""
        statuses = []
        for ident, subscriber in list(self.subscribers.items()):
            match = re.match(r"http://([\d.]+):(\d+)(/.*)", subscriber["callback"])
            body = ('<?xml version="1.0"?><e:propertyset xmlns:e="urn:schemas-upnp-org:event-1-0">' +
                    "".join(f"<e:property><{n}>{v}</{n}></e:property>" for n, v in variables.items()) +
                    "</e:propertyset>")
            with socket_in(self.gateway, (self.address, 0), socket.SOCK_STREAM) as connection:
                connection.connect((match[1], int(match[2])))
                connection.sendall((f"NOTIFY {match[3]} HTTP/1.1\r\nHOST: {match[1]}:{match[2]}\r\nNT: upnp:event\r\n"
                                    f"NTS: upnp:propchange\r\nSID: {ident}\r\nSEQ: {subscriber['seq']}\r\n"
                                    f"Content-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode())
                subscriber["seq"] += 1
                statuses.append(int((connection.recv(4096).split(b" ") + [b"0", b"0"])[1]))
        return statuses

    def _add(self, call):
        key = call.arguments.get("NewProtocol"), int(call.arguments.get("NewExternalPort") or 0)
        self.mappings[key] = (call.arguments.get("NewInternalClient"), int(call.arguments.get("NewInternalPort") or 0))
        return {}

    def _add_any(self, call):
        if self.version < 2:
            return self.fault(401, "Invalid Action")
        self._add(call)
        return {"NewReservedPort": call.arguments.get("NewExternalPort")}

    def _delete(self, call):
        key = call.arguments.get("NewProtocol"), int(call.arguments.get("NewExternalPort") or 0)
        return {} if self.mappings.pop(key, None) else self.fault(714, "NoSuchEntryInArray")

    def _entry(self, call):
        key = call.arguments.get("NewProtocol"), int(call.arguments.get("NewExternalPort") or 0)
        if key not in self.mappings:
            return self.fault(714, "NoSuchEntryInArray")
        address, port = self.mappings[key]
        return {"NewInternalPort": port, "NewInternalClient": address, "NewEnabled": 1,
                "NewPortMappingDescription": "", "NewLeaseDuration": 0}

    # The work.

    def _work(self):
        while not self._ending.is_set():
            ready = select.select([self._listener, self._ssdp], [], [], 0.05)[0]
            if self._ssdp in ready:
                octets, peer = self._ssdp.recvfrom(4096)
                if octets.startswith(b"M-SEARCH"):
                    self.searches.append((peer, octets))
                    for answer in self.search(octets, peer) or ():
                        try:
                            self._ssdp.sendto(answer, peer)
                        except OSError:
                            pass
            if self._listener in ready:
                connection, _ = self._listener.accept()
                thread = threading.Thread(target=self._converse, args=(connection,), daemon=True)
                self._answering.append(thread)
                thread.start()

    def _converse(self, connection):
        with connection:
            connection.settimeout(60)
            try:
                call = self._read(connection)
                if call is not None:
                    self.calls.append((call.method, call.path, call.action, call.arguments))
                    answer = self._answer(call)
                    if answer is not None:
                        connection.sendall(answer)
            except OSError:
                # The other side has had enough.
                pass

    def _read(self, connection):
        octets = b""
        while b"\r\n\r\n" not in octets:
            more = connection.recv(65536)
            if not more:
                return None
            octets += more
        head, _, body = octets.partition(b"\r\n\r\n")
        length = re.search(rb"^Content-Length: *(\d+)", head, re.M | re.I)
        while length and len(body) < int(length[1]):
            more = connection.recv(65536)
            if not more:
                return None
            body += more
        return _Call(connection, self._ending, head, body)

    def _answer(self, call):
        if call.action:
            made = self.actions.get(call.action, lambda call: self.fault(401, "Invalid Action"))(call)
            return self.result(call.action, made) if isinstance(made, dict) else made
        if call.method in ("SUBSCRIBE", "UNSUBSCRIBE") and call.path == self.events:
            return self._subscription(call)
        if call.path in self.pages:
            body = self.pages[call.path](call)
            return None if body is None else self.http(body)
        return self.http("", 404)

    def _subscription(self, call):
        if call.method == "UNSUBSCRIBE":
            self.subscribers.pop(call.headers.get("sid"), None)
            return self.http("")
        ident = call.headers.get("sid") or f"uuid:played-{len(self.subscribers) + 1}"
        if "callback" in call.headers:
            self.subscribers[ident] = {"callback": call.headers["callback"].strip("<>"), "seq": 0}
        return self.http("", headers=f"SID: {ident}\r\nTIMEOUT: {call.headers.get('timeout', 'Second-1800')}\r\n")

    def close(self):
        self._stop()
        for thread in self._answering:
            thread.join(10)
        self._listener.close()
        self._ssdp.close()
