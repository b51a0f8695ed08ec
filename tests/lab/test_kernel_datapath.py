# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernel data path, under a kernel that has one: Debian's, in a machine that qemu computes. What happens there is in
kernel/guest.py; all of it is one run, of which each story is one test here."""
import re

import pytest

from homeward_lab.daemons import build_directory
from homeward_lab.machine import NoMachine, run_in_machine, why_not

STORIES = ("traffic", "ike_reaches_keyd", "expiry", "roaming", "live_switch", "kernel_to_user", "flushed", "crowded",
           "leak")

pytestmark = pytest.mark.xdist_group("kernel")


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """{story: (whether it came out well, what was said)}"""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    try:
        status, text = run_in_machine(["/usr/bin/python3", "-S", "tests/lab/kernel/guest.py", *STORIES],
                                      str(tmp_path_factory.mktemp("machine")), {"BUILD": build_directory()})
    except NoMachine as error:
        pytest.skip(str(error))
    found = {}
    for part in re.split(r"^(?=ok |failed )", text, flags=re.M):
        said = re.match(r"(ok|failed) (\w+)", part)
        if said:
            found[said[2]] = said[1] == "ok", part
    return found, status, f"status {status}\n{text}"


@pytest.mark.parametrize("story", STORIES)
def test_in_the_kernel(told, story):
    found, status, everything = told
    if status is None and story not in found:
        # Each step of a story has an end of its own; it is the machine that was too slow, or was killed.
        pytest.skip(f"the virtual machine did not come to it: {everything[-300:]}")
    assert story in found, everything
    well, text = found[story]
    assert well, text
