# SPDX-License-Identifier: LGPL-2.1-or-later
"""A short piece of `./run soak mapping`."""
import os
import subprocess

from homeward_lab import TOP, build_directory


def test_forty_moves(namespaces):
    done = subprocess.run(["/usr/bin/python3", os.path.join(TOP, "tests/soak/mapping.py"), "40", "--seed", "20261123",
                           "--build", build_directory()], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=500)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
