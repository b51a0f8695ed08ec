# SPDX-License-Identifier: LGPL-2.1-or-later
"""The short form of ./run soak."""
import os
import random
import subprocess

from homeward_lab import TOP


def test_soak(namespaces):
    """Updates, subscribers and kills: at the end everybody sees what was acknowledged, and nothing else."""
    seed = random.randrange(1 << 24)
    done = subprocess.run(["/usr/bin/python3", os.path.join(TOP, "tests/soak/soak.py"), "20", "--seed", str(seed),
                           "--build", os.environ.get("BUILD", os.path.join(TOP, "build"))],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=200)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-4000:]
