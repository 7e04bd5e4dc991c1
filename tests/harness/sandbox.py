# SPDX-License-Identifier: GPL-2.0-only
"""Everything that a run starts lives in anonymous namespaces, below one process.

When that process dies, by whatever signal, the kernel ends all that is in its PID namespace, and
with the last of them go the network namespace with its tap and the mount namespace with its tmpfs.
"""

import contextlib
import ctypes
import errno
import os
import signal
import sys
import tempfile
import traceback

from common import HARNESS, ROOT, Stop, note, tool, usage

CLONE_NEWNS = 0x00020000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
SYS_PIVOT_ROOT = 155

RUN_DIR = "/run-vm"
PEER_MAC = "02:00:00:00:00:01"
# of the peer: each NIC has networks of its own
ADDRESSES = [(f"192.0.{n}.1/24", f"2001:db8:{n - 2:x}::1/64") for n in range(2, 8)]

STOPPERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# Set in the child of contained().
private = False
run_dir = RUN_DIR

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result:
        err = ctypes.get_errno()
        if err in (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EINVAL, errno.ENOSPC):
            raise usage(f"no right to {what} ({os.strerror(err)})")
        raise Stop(f"cannot {what}: {os.strerror(err)}")


def _mount(source, target, fstype="", flags=0, data=""):
    args = [s.encode() for s in (source, target, fstype)]
    _check(_libc.mount(*args, ctypes.c_ulong(flags), data.encode()), f"mount on {target}")


def _unshare(flags, name):
    _check(_libc.unshare(flags), f"make a {name} namespace")


def contained(function, network, private=None, required=True):
    """Run function in a child with its own PID and mount namespaces, and return its exit status.

    network: an empty network namespace too. private (default: network): a private root, in which
    RUN_DIR is a tmpfs, /src the checkout, and /share may be bound. Not required: without the right
    to make namespaces, run function all the same, with a temporary directory for its files.
    """
    private = network if private is None else private
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryDirectory(
        prefix="hv-"
    ) if not required else contextlib.nullcontext() as temp:
        child = os.fork()
        if not child:
            _run(lambda: _outer_child(function, network, private, temp))
        return wait_forwarding(child)


def beside(function):
    """Inside contained(): start another process that runs function, in namespaces of its own. Its number."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        _die_with_parent()
        _run(lambda: contained(function, network=True))
    return child


def wait_forwarding(child):
    """The exit status of a process that is told of every signal, and is waited for all the same."""
    caught = []

    def stop(signo, _frame):
        caught.append(signo)
        os.kill(child, signal.SIGTERM)

    old = {s: signal.signal(s, stop) for s in STOPPERS}
    _, status = os.waitpid(child, 0)
    for signo, handler in old.items():
        signal.signal(signo, handler)
    if caught:
        return 128 + caught[0]
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _run(function):
    """Run function as the whole of this process."""
    status = HARNESS
    # an emulator that is gone is an error of a socket; it is to be told, and not to end us
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        status = function() or 0
    except BrokenPipeError:  # nobody reads what we print
        status = 128 + signal.SIGPIPE
    except Stop as e:
        note(f"tests/run: {e}")
        status = e.status
    except SystemExit as e:
        status = e.code if isinstance(e.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            pass
        os._exit(status)


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1 and os.getpid() != 1:
        os._exit(HARNESS)


def _on_signals(handler):
    for signo in STOPPERS:
        signal.signal(signo, handler)


def _outer_child(function, network, private, fallback_dir):
    """Unshares. PR_SET_PDEATHSIG chains: caller - this - PID 1 of the namespace."""
    _on_signals(lambda *_: os._exit(HARNESS))
    _die_with_parent()
    try:
        _unshare(CLONE_NEWNS, "mount")
        _unshare(CLONE_NEWPID, "PID")
        if network:
            _unshare(CLONE_NEWNET, "network")
    except Stop as e:
        if not fallback_dir:
            raise
        note(f"tests/run: {e}: running without")
        return _plain(function, fallback_dir)
    _on_signals(signal.SIG_IGN)
    init = os.fork()
    if not init:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _run(lambda: _init(function, network, private))
    # PID 1 can be waited for only after all of its namespace is dead: files can be removed then.
    _on_signals(lambda *_: os.kill(init, signal.SIGKILL))
    _, status = os.waitpid(init, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _plain(function, directory):
    """Without namespaces: orphans of what function starts become ours, to be ended."""
    global run_dir
    run_dir = directory
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    _on_signals(lambda signo, _frame: sys.exit(128 + signo))
    try:
        return function()
    finally:
        while children := _children():
            for pid in children:
                os.kill(pid, signal.SIGKILL)
            os.wait()


def _children():
    with open(f"/proc/{os.getpid()}/task/{os.getpid()}/children") as f:
        return [int(pid) for pid in f.read().split()]


def _init(function, network, with_root):
    """PID 1: reaps the orphans, so that the harness itself waits only for what it started."""
    _mount("none", "/", flags=MS_REC | MS_PRIVATE)
    if with_root:
        _private_root()
    _mount("proc", "/proc", "proc")
    if network:
        _mount_sysfs()
    worker = os.fork()
    if not worker:
        os.setsid()
        _on_signals(signal.SIG_DFL)
        _run(function)
    while True:
        pid, status = os.wait()
        if pid == worker:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _private_root():
    """A tmpfs as root with all of the machine bound into it: new names at its top are ours."""
    global private
    _mount("tmpfs", "/mnt", "tmpfs", data="mode=755")
    os.mkdir("/mnt/old-root")
    _check(_libc.syscall(SYS_PIVOT_ROOT, b"/mnt", b"/mnt/old-root"), "change the root")
    os.chdir("/")
    # RUN_DIR is there already where one run is inside another, as in the test of the runner
    ours = {"src", "share", "old-root", RUN_DIR[1:]}
    for name in sorted(set(os.listdir("/old-root")) - ours):
        path = f"/old-root/{name}"
        if os.path.islink(path):
            os.symlink(os.readlink(path), f"/{name}")
        elif os.path.isdir(path):
            os.mkdir(f"/{name}")
            _mount(path, f"/{name}", flags=MS_BIND | MS_REC)
    _check(_libc.umount2(b"/old-root", MNT_DETACH), "leave the old root")
    os.rmdir("/old-root")
    # virtiofsd leaves locked PID files there, which outlive it and would stop a second run
    if os.path.isdir("/run"):
        _mount("tmpfs", "/run", "tmpfs", data="mode=755")
    os.mkdir(RUN_DIR, 0o700)
    bind(ROOT, "/src", read_only=True)
    os.mkdir("/share")
    os.chdir("/src")
    private = True


def _mount_sysfs():
    """/sys of the peer's interfaces; where it is refused, only the peer's tools see less."""
    try:
        _mount("sysfs", "/sys", "sysfs")
    except Stop:
        pass


def bind(source, target, read_only=False):
    os.makedirs(target, exist_ok=True)
    _mount(source, target, flags=MS_BIND | MS_REC)
    if read_only:
        _mount("none", target, flags=MS_BIND | MS_REMOUNT | MS_RDONLY)


def unbind(target):
    _libc.umount2(target.encode(), MNT_DETACH)


def make_tap(number=0):
    """The peer of a NIC: this namespace's end of a tap, the other one being QEMU's."""
    name = f"tap{number}"
    if not os.path.exists("/dev/net/tun"):
        raise usage("no /dev/net/tun on this machine: taps cannot be made")
    _ip("link set lo up", "configure a network namespace (CAP_NET_ADMIN)")
    if f"{name}:" in tool("ip", "link", "show"):
        _ip(
            f"link del {name}", "delete a tap"
        )  # with the neighbours, metrics, offloads of the boot before
    _ip(f"tuntap add dev {name} mode tap vnet_hdr", "make a tap (TUNSETIFF on /dev/net/tun)")
    _ip(f"link set {name} address {PEER_MAC}", "configure a tap")
    for address in ADDRESSES[number]:
        _ip(f"addr add {address} dev {name} nodad", "configure a tap")
    # in the middle of a test nobody answers what a kernel asks for ever
    with open(f"/proc/sys/net/ipv6/conf/{name}/router_solicitations", "w", encoding="ascii") as setting:
        setting.write("0")
    _ip(f"link set {name} up", "configure a tap")


def _ip(words, right):
    try:
        tool("ip", *words.split())
    except Stop as e:
        raise usage(f"no right to {right}: {e}") from None
