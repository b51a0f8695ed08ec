# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernel data path where it cannot be: it says so, and the other one carries the packets. Where it can be is
tests/lab/test_kernel_datapath.py."""
import pytest

from homeward_lab import BusError
from test_tunneld import ERROR, End, Keys, internet  # noqa: F401


def test_without_it_the_user_path_stays(make_host, internet):  # noqa: F811
    desktop, laptop = [End(make_host(name), internet) for name in ("desktop", "laptop")]
    desktop.see(laptop)
    laptop.see(desktop)
    # Whatever this machine's kernel can do, tunneld has no packet socket here.
    desktop.start("[datapath]\nkind = kernel\n")
    laptop.start()
    assert [end.host.get_property("tunneld", "Datapath") for end in (desktop, laptop)] == ["user", "user"]
    assert "this kernel cannot do it" in desktop.host.get_property("tunneld", "DatapathReason")
    assert "preferred" in laptop.host.get_property("tunneld", "DatapathReason")
    Keys().install(desktop, laptop)
    desktop.host.ping(laptop.id, "-i", "0.05", count=3)
    laptop.host.ping(desktop.id, "-i", "0.05", count=3)
    for end in desktop, laptop:
        with pytest.raises(BusError) as error:
            end.host.bus.call("org.homeward.Tunnel1", "/org/homeward/Tunnel1", "org.homeward.Tunnel1", "UseDatapath", "s",
                              "kernel")
        assert error.value.name == ERROR + "Failed"
        # What it is already can always be asked for where the configuration leaves the choice.
        assert end.host.get_property("tunneld", "Datapath") == "user"
    desktop.host.ping(laptop.id)
    for end in desktop, laptop:
        for fake in end.identity, end.mapper, end.watcher, end.keyd:
            fake.close()
