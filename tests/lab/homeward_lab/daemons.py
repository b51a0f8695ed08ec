# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the house consists of, as packaging/ says it: programs, users, bus names, privileges."""
import collections
import os
import re

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))

Daemon = collections.namedtuple("Daemon", "name program user bus_name capabilities")

DAEMONS = {d.name: d for d in (
    Daemon("identity", "services/identity/identity", "homeward-identity", "org.homeward.Identity1", ()),
    Daemon("mapper", "services/mapper/mapper", "homeward-mapper", "org.homeward.Mapper1", ()),
    Daemon("registrar", "services/registrar/registrar", "homeward-registrar", "org.homeward.Registrar1", ()),
    Daemon("llq-watcher", "services/llq-watcher/llq-watcher", "homeward-watcher", "org.homeward.Watcher1", ()),
    Daemon("tunneld", "services/tunneld/tunneld", "homeward-tunnel", "org.homeward.Tunnel1", ("net_admin",)),
    Daemon("keyd", "services/keyd/keyd", "homeward-key", "org.homeward.Key1", ()),
    Daemon("zoned", "services/zoned/zoned", "homeward-zone", None, ("net_bind_service",)),
)}

# The six of every host, in the order in which a calm start has them. Any order works.
HOUSE = ("identity", "mapper", "tunneld", "keyd", "registrar", "llq-watcher")

_FIRST_UID = 64001
USERS = {user: _FIRST_UID + i for i, user in enumerate((
    "homeward-mapper", "homeward-identity", "homeward-registrar", "homeward-watcher", "homeward-tunnel",
    "homeward-key", "homeward-zone"))}

# What else a person runs, by the name it is run by.
TOOLS = {"homewardctl": "clients/ctl/homewardctl", "zonectl": "services/zoned/zonectl",
         "zoned": "services/zoned/zoned"}


def build_directory(build=None):
    return os.path.realpath(build or os.environ.get("BUILD") or os.path.join(TOP, "build"))


def has_sanitizers(build):
    """Whether the build directory holds programs with AddressSanitizer."""
    try:
        with open(os.path.join(build, "config.log"), errors="replace") as file:
            return re.search(r"^SANITIZE='.*address", file.read(), re.M) is not None
    except OSError:
        return False


def object_path(bus_name):
    """org.homeward.Mapper1 -> /org/homeward/Mapper1"""
    return "/" + bus_name.replace(".", "/")
