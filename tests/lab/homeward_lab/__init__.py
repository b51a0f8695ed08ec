# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lab: hosts, homes and an internet made of namespaces, each host with its own bus and its own real daemons.

namespace.py  what everything here is made of
bus.py        a small D-Bus client
daemons.py    programs, users, privileges of the house
host.py       Host: a machine with homeward installed
network.py    Internet, Gateway
transfer.py   Transfer: one TCP connection watched closely
mappings.py   what programs want of mapper, and whether it works
played.py     gateways played octet by octet
capture.py    Capture: what passed the internet, and whether it may
lab.py        Lab: all of it, ready to use
"""
from .bus import Bus, BusError
from .capture import Capture, complete
from .daemons import DAEMONS, HOUSE, TOP, USERS, build_directory
from .host import Host
from .lab import Lab
from .namespace import Namespace, Process, answered, link, wait_until
from .network import Gateway, Internet
from .transfer import Transfer, make_file

__all__ = ["Bus", "BusError", "Capture", "DAEMONS", "Gateway", "HOUSE", "Host", "Internet", "Lab", "Namespace",
           "Process", "TOP", "Transfer", "USERS", "answered", "build_directory", "complete", "link", "make_file",
           "wait_until"]
