# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lab: hosts, homes and an internet made of namespaces, each host with its own bus and its own real daemons.

namespace.py  what everything here is made of
bus.py        a small D-Bus client
daemons.py    programs, users, privileges of the house
host.py       Host: a machine with homeward installed
network.py    Internet, Gateway
"""
from .bus import Bus, BusError
from .daemons import DAEMONS, HOUSE, TOP, USERS, build_directory
from .host import Host
from .namespace import Namespace, Process, link, wait_until
from .network import Gateway, Internet

__all__ = ["Bus", "BusError", "DAEMONS", "Gateway", "HOUSE", "Host", "Internet", "Namespace", "Process", "TOP", "USERS", "build_directory",
           "link", "wait_until"]
