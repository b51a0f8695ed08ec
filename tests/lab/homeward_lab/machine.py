# SPDX-License-Identifier: LGPL-2.1-or-later
"""A virtual machine with a kernel that is not this machine's: Debian's cloud kernel in qemu, and in it this machine's own
files, of which nothing is written back. qemu computes; KVM may be there and yet start no machine.

    result = run_in_machine(["/usr/bin/python3", "-m", "pytest", ...], folder)      # status, console
"""
import os
import resource
import shlex
import shutil
import subprocess

from .daemons import TOP
from .namespace import PATIENCE, _die_with_parent, wait_until

UNPACKED = os.path.join(TOP, ".cache/unpacked/linux-image")
VIRTIOFSD = ("/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd")
# What it takes to have the files; everything else the kernel asks for itself, of modprobe.
_FIRST_MODULES = ("virtio_pci", "virtiofs", "overlay")

_INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev
mkdir -p /dev/pts /dev/shm; mount -t devpts none /dev/pts; mount -t tmpfs none /dev/shm
ln -sf /proc/self/fd /dev/fd; ln -sf fd/0 /dev/stdin; ln -sf fd/1 /dev/stdout; ln -sf fd/2 /dev/stderr
mkdir -p /dev/net; mknod -m 666 /dev/net/tun c 10 200
ip link set lo up
for m in $(cat /modules); do insmod /$m; done
mount -t virtiofs -o ro files /files || poweroff -f
mount -t tmpfs none /changes; mkdir /changes/upper /changes/work
mount -t overlay -o lowerdir=/files,upperdir=/changes/upper,workdir=/changes/work none /root
# For modprobe, whom the kernel starts with what is the root here.
mount -o bind /files@modules@ /lib/modules
for m in proc sys dev; do mount -o rbind /$m /root/$m; done
mount -t tmpfs none /root/run; mount -t tmpfs none /root/tmp; mkdir -p /root/run/lock
echo "@begin@ $(uname -r) after $(cut -d' ' -f1 /proc/uptime) s"
chroot /root /bin/sh -c @command@ </dev/null
echo "@end@ $?"
poweroff -f
"""


class NoMachine(Exception):
    """It did not begin, for a reason of this machine's."""


def why_not():
    """Why no machine can be had here, or None."""
    if os.geteuid() != 0:
        return "needs root (virtiofsd)"
    if os.uname().machine != "x86_64":
        return "the kernel for the virtual machine is of x86_64"
    if not shutil.which("qemu-system-x86_64"):
        return "qemu-system-x86 is not installed"
    if not any(map(os.path.exists, VIRTIOFSD)):
        return "virtiofsd is not installed"
    if not os.path.exists("/bin/busybox"):
        return "busybox-static is not installed"
    if not os.path.isdir(os.path.join(UNPACKED, "lib/modules")):
        return "there is no kernel for the virtual machine: tools/fetch-unpacked says why"
    return None


def _newc(entries):
    """A cpio archive, as a kernel unpacks it, of (path, mode, octets)."""
    parts = []
    for number, (path, mode, octets) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        name = path.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(octets), 0, 0, 0, 0, len(name), 0)
        parts += [b"070701", b"".join(b"%08x" % field for field in fields), name, bytes(-(110 + len(name)) % 4), octets,
                  bytes(-len(octets) % 4)]
    return b"".join(parts)


def _module_files(release):
    """The first modules and what they need, in an order in which they can be loaded."""
    folder = os.path.join(UNPACKED, "lib/modules", release)
    needs = {}
    with open(os.path.join(folder, "modules.dep")) as file:
        for line in file:
            path, _, others = line.partition(":")
            needs[path] = others.split()
    by_name = {os.path.basename(path)[:-len(".ko")].replace("-", "_"): path for path in needs}
    found = []

    def take(path):
        for other in needs[path]:
            take(other)
        if path not in found:
            found.append(path)
    for name in _FIRST_MODULES:
        take(by_name[name])
    return [os.path.join(folder, path) for path in found]


def _make_initrd(path, release, command, mark):
    folders = ("bin", "dev", "proc", "sys", "files", "changes", "root", "lib", "lib/modules", "sbin")
    entries = [(folder, 0o40755, b"") for folder in folders]
    init = _INIT.replace("@modules@", os.path.join(UNPACKED, "lib/modules")).replace("@command@", shlex.quote(command))
    init = init.replace("@begin@", mark + "-begin").replace("@end@", mark + "-end")
    entries.append(("init", 0o100755, init.encode()))
    with open("/bin/busybox", "rb") as file:
        entries.append(("bin/busybox", 0o100755, file.read()))
    entries.append(("sbin/modprobe", 0o120777, b"/bin/busybox"))
    modules = _module_files(release)
    for module in modules:
        with open(module, "rb") as file:
            entries.append((os.path.basename(module), 0o100644, file.read()))
    entries.append(("modules", 0o100644, "\n".join(map(os.path.basename, modules)).encode()))
    with open(path, "wb") as file:
        file.write(_newc(entries))


def _start_virtiofsd(socket, log):
    program = next(filter(os.path.exists, VIRTIOFSD))
    files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1 << 20)
    return subprocess.Popen([program, f"--socket-path={socket}", "-o", "source=/", "-o", "sandbox=chroot",
                             "-o", "cache=always", "-o", "log_level=err", f"--rlimit-nofile={files}"],
                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_die_with_parent)


def run_in_machine(argv, folder, environment=None, timeout=900, memory=1024):
    """Boots, runs argv as root there, and returns (its exit status, what was printed). Status None: it came to no end.
    `folder` is for files of ours; to be called from a thread that lives as long."""
    release, = os.listdir(os.path.join(UNPACKED, "lib/modules"))
    mark = "machine" + os.urandom(4).hex()
    assignments = [f"{name}={value}" for name, value in (environment or {}).items()]
    command = shlex.join(["env", "-C", TOP, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                          *assignments, *argv]) + " 2>&1"
    initrd, socket = os.path.join(folder, "initrd"), os.path.join(folder, "files")
    _make_initrd(initrd, release, command, mark)
    with open(os.path.join(folder, "virtiofsd.log"), "wb") as log:
        files = _start_virtiofsd(socket, log)
    try:
        wait_until(lambda: os.path.exists(socket) or files.poll() is not None, PATIENCE, "virtiofsd")
        output = _boot(folder, release, initrd, socket, timeout, memory)
    finally:
        files.kill()
        files.wait()
        os.unlink(initrd)
    _, begun, after = output.partition(mark + "-begin")
    if not begun:
        with open(os.path.join(folder, "virtiofsd.log"), errors="replace") as log:
            raise NoMachine(f"no virtual machine could be started: {output[-500:]} {log.read()[-500:]}")
    printed, ended, status = after.rpartition(mark + "-end ")
    if not ended:
        return None, output
    return int(status.split()[0]), printed


def _boot(folder, release, initrd, socket, timeout, memory):
    argv = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(memory),
            "-nodefaults", "-no-reboot", "-display", "none", "-kernel", os.path.join(UNPACKED, "boot", "vmlinuz-" + release), "-initrd", initrd,
            "-append", "console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off random.trust_cpu=on",
            "-serial", "stdio",
            "-object", f"memory-backend-memfd,id=memory,size={memory}M,share=on", "-numa", "node,memdev=memory",
            "-chardev", f"socket,id=files,path={socket}", "-device", "vhost-user-fs-pci,chardev=files,tag=files"]
    qemu = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder,
                            preexec_fn=_die_with_parent)
    try:
        return qemu.communicate(timeout=timeout)[0].decode(errors="replace").replace("\r\n", "\n")
    except subprocess.TimeoutExpired:
        qemu.kill()
        return qemu.communicate()[0].decode(errors="replace") + f"\nno end after {timeout} s\n"
