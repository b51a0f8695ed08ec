# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sends octets as they are and gives back what comes, for use on a host:

    raw_client.py ADDRESS PORT udp|tcp|tls

Standard input is a JSON list of messages in hexadecimal; standard output the list of the answers, null where none came.
"""
import json
import socket
import ssl
import struct
import sys

PATIENCE = 60


def over_udp(address, message):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(PATIENCE)
        s.connect(address)
        s.send(message)
        return s.recv(65535)


def over_stream(address, message, tls):
    with socket.create_connection(address, PATIENCE) as plain:
        s = plain
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.set_alpn_protocols(["dot"])
            s = context.wrap_socket(plain)
        s.sendall(struct.pack("!H", len(message)) + message)
        data = b""
        while len(data) < 2 or len(data) < 2 + struct.unpack("!H", data[:2])[0]:
            more = s.recv(65535)
            if not more:
                return None
            data += more
        return data[2:]


def exchange(address, transport, message):
    try:
        if transport == "udp":
            return over_udp(address, message)
        return over_stream(address, message, transport == "tls")
    except OSError:
        return None


def main():
    address, port, transport = sys.argv[1:]
    answers = (exchange((address, int(port)), transport, bytes.fromhex(message)) for message in json.load(sys.stdin))
    json.dump([answer and answer.hex() for answer in answers], sys.stdout)


if __name__ == "__main__":
    main()
