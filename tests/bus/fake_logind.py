# SPDX-License-Identifier: LGPL-2.1-or-later
"""logind as the template of python-dbusmock plays it.

    logind = Logind(host)          # skip the test when missing() says so
    logind.prepare_for_sleep(True)
"""
import importlib.util
import os

from homeward_lab import wait_until

POLICY = "/usr/share/dbus-1/system.d/org.freedesktop.login1.conf"
LOGIND = "org.freedesktop.login1"
PATH, MANAGER, MOCK = "/org/freedesktop/login1", LOGIND + ".Manager", "org.freedesktop.DBus.Mock"


def missing():
    """Words, when it cannot be played here; else None."""
    if importlib.util.find_spec("dbusmock") is None or not os.path.exists(POLICY):
        return "python3-dbusmock is not installed"
    return None


class Logind:
    def __init__(self, host, delay_usec=5000000):
        self.host = host
        host.add_bus_policy(POLICY)
        host.write("/run/lab/bus.d/mock.conf", f"""<busconfig><policy user="root">
            <allow send_destination="{LOGIND}"/></policy></busconfig>""")
        host.bus.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig")
        with open(host.path("/run/lab/logind.log"), "wb") as log:
            self.process = host.popen(["/usr/bin/python3", "-m", "dbusmock", "--system", "--template", "logind"],
                                      stdout=log, stderr=log)
        wait_until(lambda: host.bus.owner(LOGIND), 20, "logind on the bus")
        wait_until(lambda: self.locks() is not None, 20, "logind answers")
        self.call(MOCK, "AddProperty", "ssv", MANAGER, "InhibitDelayMaxUSec", ("t", delay_usec))

    def call(self, interface, method, *arguments):
        return self.host.bus.call(LOGIND, PATH, interface, method, *arguments)

    def locks(self):
        return [(what, who, mode) for what, who, why, mode, uid, pid in self.call(MANAGER, "ListInhibitors")]

    def wait_lock(self, held):
        wait_until(lambda: (self.locks() == [("sleep", "homeward", "delay")]) if held else self.locks() == [], 20,
                   f"lock held: {held}")

    def prepare_for_sleep(self, sleeping):
        self.call(MOCK, "EmitSignal", "sssav", MANAGER, "PrepareForSleep", "b", [("b", sleeping)])
