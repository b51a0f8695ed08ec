# SPDX-License-Identifier: LGPL-2.1-or-later
"""For all tests that run processes: the lab library, and hosts that end with their test."""
import os
import shutil
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lab"))


def _why_not():
    if os.geteuid() != 0:
        return "needs root (namespaces)"
    for tool in ("unshare", "nsenter", "setpriv", "dbus-daemon", "ip"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    return None


@pytest.fixture
def namespaces():
    """Skips where namespaces cannot be made."""
    reason = _why_not()
    if reason:
        pytest.skip(reason)


@pytest.fixture
def make_host(namespaces, request):
    """make_host(name, **options) -> Host; all end with the test, and their logs are shown if it failed."""
    from homeward_lab import Host
    hosts = []

    def make(name="host", **options):
        host = Host(name, **options)
        hosts.append(host)
        host.wait_ready()
        return host
    yield make
    failed = getattr(request.node, "report_call", None) is not None and request.node.report_call.failed
    problems = []
    for host in hosts:
        if failed:
            for name in host.daemons:
                print(host.log_tail(name, 60), end="")
        try:
            host.close()
        except AssertionError as error:
            problems.append(str(error))
    assert not problems, "\n".join(problems)


@pytest.fixture
def make_internet(namespaces):
    """make_internet() -> Internet; ends with the test."""
    from homeward_lab import Internet
    made = []

    def make(name="internet"):
        made.append(Internet(name))
        return made[-1]
    yield make
    for internet in made:
        internet.close()


@pytest.fixture
def make_gateway(make_internet):
    """make_gateway(name="A", number=1, internet=None, kind="igd", ...) -> Gateway; ends with the test."""
    from homeward_lab import Gateway
    made = []

    def make(name="A", number=1, internet=None, **options):
        made.append(Gateway(name, number, internet or (made[0].internet if made else make_internet()), **options))
        made[-1].wait_ready()
        return made[-1]
    yield make
    for gateway in made:
        gateway.close()


# What takes longest begins first, so that at the end nobody waits for one.
LONG = ("test_they_end_with_the_lease", "test_kernel_datapath.py", "test_kills.py", "test_moves.py", "test_ike_matrix.py", "test_hostile.py", "test_demo.py",
        "test_tunnel_soak.py", "test_mapping_soak.py", "test_soak.py", "test_two_labs_at_once", "test_transport.py", "test_forwarded_by_hand",
        "test_gateway_gets_another_address", "test_server_gone_and_back", "test_server_goes_away", "test_a_silent_server",
        "not_heard_is_not_called_live", "test_names_outlive", "test_a_flood_of_services")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: next((place for place, words in enumerate(LONG) if words in item.nodeid), len(LONG)))


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    setattr(item, f"report_{call.when}", outcome.get_result())
