# SPDX-License-Identifier: LGPL-2.1-or-later
"""An account as identity makes it (docs/ARCHITECTURE.md), by another implementation of X.509.

    account = Account("alice.members.example.org")
    host = account.issue("desktop", "00-22-69-FF-FE-8E-34-2A")
    identity = Fake(machine, "identity", host.properties("fd01:...:342a"), {"Sign": host.sign})
"""
import datetime
import fcntl
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(**used):
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: used.get(name, False) for name in names})


class Account:
    def __init__(self, domain="alice.members.example.org"):
        self.domain = domain
        self.key = ed25519.Ed25519PrivateKey.generate()
        self.certificate = self._build(domain, self.key.public_key()).add_extension(
            x509.BasicConstraints(True, 0), True).add_extension(
            _usage(key_cert_sign=True), True).sign(self.key, None)

    def _issuer(self):
        return _name(self.domain[:64])

    def _build(self, subject, public_key, days=0):
        now = datetime.datetime.utcnow() + datetime.timedelta(days=days)
        return x509.CertificateBuilder().subject_name(_name(subject[:64])).issuer_name(self._issuer()).public_key(
            public_key).serial_number(x509.random_serial_number()).not_valid_before(
            now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=30))

    def issue(self, label, eui64, key=None, names=None, days=0):
        """names: of the certificate instead of the right ones. days: by which its time (an hour ago to a month
        ahead) is moved."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        names = names or [f"{label}.{self.domain}", f"AutoTunnel-{eui64}.{self.domain}"]
        certificate = self._build(names[0], key.public_key(), days).add_extension(
            x509.BasicConstraints(False, None), True).add_extension(
            _usage(digital_signature=True), True).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False).sign(self.key, None)
        return HostKey(self, label, eui64, key, certificate)

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


class HostKey:
    def __init__(self, account, label, eui64, key, certificate):
        self.account, self.label, self.eui64, self.key, self.certificate = account, label, eui64, key, certificate

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self):
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption()).decode()

    def sign(self, octets):
        """Identity1.Sign"""
        return "ay", self.key.sign(bytes(octets), ec.ECDSA(hashes.SHA256()))

    def ppk(self, secret):
        """Identity1.GetPpk; the octets `secret` in a sealed memfd."""
        fds = []

        def give():
            fds.append(os.memfd_create("ppk", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC))
            os.write(fds[-1], secret)
            fcntl.fcntl(fds[-1], fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW |
                        fcntl.F_SEAL_WRITE)
            return "sh", self.account.domain, fds[-1]
        return give

    def properties(self, host_id):
        """What Identity1 shows when signed in."""
        account, domain = self.account.domain.split(".", 1)
        der = serialization.Encoding.DER
        return {"State": ("s", "signed-in"), "SignedIn": ("b", True), "HostId": ("s", host_id),
                "Eui64": ("s", self.eui64), "TunnelLabel": ("s", f"AutoTunnel-{self.eui64}"),
                "HostName": ("s", self.label), "Account": ("s", account), "Domain": ("s", domain),
                "Certificate": ("ay", self.certificate.public_bytes(der)),
                "AccountCertificate": ("ay", self.account.certificate.public_bytes(der))}
