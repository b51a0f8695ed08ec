# SPDX-License-Identifier: LGPL-2.1-or-later
"""What identity stores: sealed where the service manager gives it a key, a plain file where not, and saying which."""
import os
import stat

from homeward_lab.daemons import TOP, USERS
from test_identity import ACCOUNT, STATE, get, host, sign_in, tsig_key  # noqa: F401

CREDENTIALS = "/run/lab/credentials"
KEYS = {word: word.encode() + b"\n" + os.urandom(32) for word in ("host", "tpm2", "host+tpm2")}


def give_key(host, octets):
    """What systemd does with LoadCredentialEncrypted=; None: what it does without."""
    host.environment["identity"] = {"CREDENTIALS_DIRECTORY": CREDENTIALS}
    folder = host.path(CREDENTIALS)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "homeward-store-key")
    if octets is None:
        os.unlink(path)
        return
    with open(path, "wb") as file:
        file.write(octets)
    os.chown(path, USERS["homeward-identity"], -1)
    os.chmod(path, 0o400)


def stored(host):
    path = host.path(STATE + "/credentials")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with open(path, "rb") as file:
        return file.read()


def status(host):
    """The row of `homewardctl status`."""
    row, = (line for line in host.homewardctl("status").stdout.splitlines() if line.split()[:1] == ["keys"])
    return row.strip()


def test_sealed(host):
    """The store key's three kinds differ in what is said of them; tests/unit/identity/test-sealed.c has the octets."""
    for word, key in KEYS.items():
        give_key(host, key)
        host.restart_daemon("identity") if "identity" in host.daemons else host.start_daemon("identity")
        assert get(host, "KeyProtection") == word and ("TPM" in status(host)) == ("tpm2" in word)
    sign_in(host)
    name, _, secret = tsig_key(host)
    octets = stored(host)
    assert octets.startswith(b"hwseal-1")
    for plain in (secret, b"alice", get(host, "Certificate")[:20], KEYS[word][-32:]):
        assert plain not in octets
    host.restart_daemon("identity")
    assert get(host, "SignedIn") and tsig_key(host)[::2] == (name, secret)
    assert get(host, "KeyProtection") == word and stored(host) == octets
    # A changed octet is noticed.
    host.stop_daemon("identity")
    with open(host.path(STATE + "/credentials"), "r+b") as file:
        file.write(octets[:100] + bytes([octets[100] ^ 1]))
    host.restart_daemon("identity")
    assert get(host, "State") == "signed-out" and "cannot be read" in get(host, "Reason")


def test_plain_without_a_key_and_said_so(host):
    host.start_daemon("identity")
    sign_in(host)
    assert get(host, "KeyProtection") == "none" and "not encrypted on disk" in status(host)
    assert tsig_key(host)[2] in stored(host)
    assert "plain file" in host.log("identity")


def test_no_key_that_can_be_used(host):
    for octets in b"none", b"", b"host\n" + bytes(31), b"chip\n" + bytes(32), bytes(1000):
        give_key(host, octets)
        before = len(host.log("identity"))
        host.restart_daemon("identity") if "identity" in host.daemons else host.start_daemon("identity")
        assert get(host, "KeyProtection") == "none" and get(host, "State") == "signed-out"
        assert ("<3>" in host.log("identity")[before:]) == (octets != b"none"), host.log("identity")


def test_a_plain_store_is_sealed_at_the_next_start(host):
    host.start_daemon("identity")
    sign_in(host)
    name, _, secret = tsig_key(host)
    host.stop_daemon("identity")
    give_key(host, KEYS["host"])
    with open(host.path(STATE + "/credentials"), "rb") as before:
        host.restart_daemon("identity")
        assert not any(before.read()), "overwritten too"
    assert get(host, "KeyProtection") == "host" and tsig_key(host)[::2] == (name, secret)
    assert stored(host).startswith(b"hwseal-1") and secret not in stored(host)


def test_a_sealed_store_without_its_key(host):
    give_key(host, KEYS["host+tpm2"])
    host.start_daemon("identity")
    sign_in(host)
    octets = stored(host)
    for key, words, protection in ((None, "its key is not there", "none"),
                                   (KEYS["host"], "a key that this machine has no more", "host")):
        give_key(host, key)
        host.restart_daemon("identity")
        assert get(host, "State") == "signed-out" and get(host, "KeyProtection") == protection
        assert words in get(host, "Reason") and "homewardctl sign-in" in get(host, "Reason")
        assert words in host.log("identity") and stored(host) == octets, "kept for a key that comes back"
    give_key(host, KEYS["host+tpm2"])
    host.restart_daemon("identity")
    assert get(host, "SignedIn")
    # Whoever cannot wait signs in anew.
    give_key(host, KEYS["host"])
    host.restart_daemon("identity")
    sign_in(host)
    assert get(host, "KeyProtection") == "host" and stored(host) != octets
    host.restart_daemon("identity")
    assert get(host, "Reason") == f"signed in as desktop.{ACCOUNT}"


def test_the_key_that_the_unit_makes(host):
    """packaging/units/make-store-key with the real systemd-creds, and what LoadCredentialEncrypted= then does."""
    script = os.path.join(TOP, "packaging/units/make-store-key")
    places = {"STATE_DIRECTORY": "/var/lib/homeward/identity-key", "RUNTIME_DIRECTORY": "/run/homeward/identity-key"}
    host.run("rm -f /var/lib/systemd; mkdir /var/lib/systemd\nmkdir " + " ".join(places.values()))

    def make(check=True):
        return host.run([script], env=places, check=check)

    def opened():
        made = host.run(["systemd-creds", "decrypt", "--name=homeward-store-key",
                         "/run/homeward/identity-key/store-key.cred", "/run/lab/opened"], check=False)
        assert made.returncode == 0, made.stderr
        with open(host.path("/run/lab/opened"), "rb") as file:
            return file.read()

    assert "protected by: host" in make().stderr
    key = opened()
    assert len(key.partition(b"\n")[2]) == 32
    make()
    assert opened() == key, "the same at the next boot"
    for path in host.path("/var/lib/homeward/identity-key/store-key.cred"), host.path(
            "/run/homeward/identity-key/store-key.cred"):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        with open(path, "rb") as file:
            assert key[-32:] not in file.read()
    give_key(host, key)
    host.start_daemon("identity")
    assert get(host, "KeyProtection") == key.partition(b"\n")[0].decode()
    # The machine's key is another one: nothing is given to identity, nothing is lost.
    host.run("mv /var/lib/systemd/credential.secret /var/lib/systemd/before")
    result = make(check=False)
    assert result.returncode == 1 and "sign in again" in result.stderr
    assert not os.path.exists(host.path("/run/homeward/identity-key/store-key.cred"))
    host.run("mv /var/lib/systemd/before /var/lib/systemd/credential.secret")
    make()
    assert opened() == key
