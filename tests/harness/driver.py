# SPDX-License-Identifier: GPL-2.0-only
"""The NIC's driver in a guest: ours, built for its kernel, or the one that came with the kernel.

The root disk has the kernel's own modules. What a driver adds to them is appended to the initramfs,
which lays it over the disk: so a change of the driver makes no new disk. It also has the build id of
the module that is to be loaded, which netup compares with that of the loaded one.
"""

import filecmp
import glob
import os
import shutil
import subprocess

import cache
import packages
from common import GUEST, ROOT, Stop, note, tool

DRIVERS = ("ours", "stock")
# Kernels that ours builds for; the first one is the default.
KERNELS = ("6.12", packages.DEBUG)
MODULE = "hv_netvsc.ko"
NOTE = ".note.gnu.build-id"
# A driver of VFs that tests tell what to refuse.
TEST_VF = [os.path.join(GUEST, "testvf", name) for name in ("Makefile", "testvf.c")]
BUILD_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


def kernels(name):
    """Those that a driver can run on."""
    return KERNELS if name == "ours" else packages.DEBIAN_KERNELS


def sources():
    """Names of the files that the module is built from, relative to the checkout."""
    patterns = ("Makefile", "*.[ch]", "compat/**/*.[ch]")
    return sorted(
        os.path.relpath(path, ROOT)
        for pattern in patterns
        for path in glob.glob(os.path.join(ROOT, pattern), recursive=True)
        if not path.endswith(".mod.c")
    )


def copy_sources(to):
    """A copy, as the checkout may be read-only, and is not to be littered."""
    for name in sources():
        os.makedirs(os.path.dirname(f"{to}/{name}"), exist_ok=True)
        shutil.copy(os.path.join(ROOT, name), f"{to}/{name}")


def make(source, kdir, *words):
    """Run make as a user does: (status, what it and the compiler said, with our names)."""
    jobs = f"-j{os.cpu_count()}"
    done = subprocess.run(
        ["make", "-s", jobs, "--no-print-directory", "-C", source, f"KDIR={kdir}", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=BUILD_ENV,
    )
    return done.returncode, done.stdout.decode(errors="replace").replace(f"{source}/", "")


def _in_cache(path):
    """A name for what the cache has, wherever the cache is."""
    return os.path.relpath(path, cache.directory())


def _build(series, source, name, temp):
    """Build a copy of sources for a kernel; of it stays the module."""
    status, said = make(source, packages.build_directory(series))
    if status:
        note(said.rstrip())
        raise Stop(f"{name} cannot be built for {series} (make's lines are above)")
    os.rename(f"{source}/{name}", f"{temp}/{name}")
    shutil.rmtree(source)


def _build_module(series, temp):
    copy_sources(f"{temp}/source")
    _build(series, f"{temp}/source", MODULE, temp)


def module(series):
    """The path of our module, built for a kernel."""
    kdir = packages.build_directory(series)
    names = sources()
    files = [("file", os.path.join(ROOT, name)) for name in names]
    key = cache.key_of(_in_cache(kdir), *names, *files)
    path = cache.obtain(f"module-{series}", key, lambda temp: _build_module(series, temp))
    return f"{path}/{MODULE}"


def _build_test_vf(series, temp):
    os.makedirs(f"{temp}/source")
    os.makedirs(f"{temp}/top/hv")
    for path in TEST_VF:
        shutil.copy(path, f"{temp}/source")
    _build(series, f"{temp}/source", "testvf.ko", temp)
    tool("objcopy", "--strip-debug", f"{temp}/testvf.ko", f"{temp}/top/hv/testvf.ko")
    packages.pack(f"{temp}/top", f"{temp}/archive")


def _test_vf(series):
    """An archive that boots with VFs append to their initramfs: /run/hv/testvf.ko."""
    kdir = packages.build_directory(series)
    key = cache.key_of(_in_cache(kdir), *(("file", path) for path in TEST_VF))
    made = cache.obtain(f"testvf-{series}", key, lambda temp: _build_test_vf(series, temp))
    return f"{made}/archive"


def _stock_module(files):
    found = glob.glob(f"{files['modules']}/**/{MODULE}", recursive=True)
    if not found:
        raise Stop(f"{files['release']} has no {MODULE}")
    return found[0]


def _lay_over(files, path, top):
    """In top, what must change in the guest's /usr/lib/modules so that it has our module."""
    release, old = files["release"], files["modules"]
    base = f"{top}.base"
    new = f"{base}/lib/modules/{release}"
    os.makedirs(f"{new}/updates")
    tool("cp", "-al", f"{old}/kernel", new)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        shutil.copy(f"{old}/{name}", new)
    tool("objcopy", "--strip-debug", path, f"{new}/updates/{MODULE}")
    tool("depmod", "-b", base, release)
    shutil.rmtree(f"{new}/kernel")
    for name in os.listdir(new):
        if os.path.exists(f"{old}/{name}") and filecmp.cmp(
            f"{old}/{name}", f"{new}/{name}", shallow=False
        ):
            os.unlink(f"{new}/{name}")
    os.makedirs(f"{top}/overlay/usr/lib/modules")
    os.rename(new, f"{top}/overlay/usr/lib/modules/{release}")
    shutil.rmtree(base)


def _build_initramfs(name, files, path, temp):
    top = f"{temp}/top"
    os.makedirs(f"{top}/hv/driver")
    build_id = f"{top}/hv/driver/{NOTE}"
    tool("objcopy", "-O", "binary", "--only-section", NOTE, path, build_id)
    if name == "ours":
        _lay_over(files, path, top)
    shutil.copy(build_id, f"{temp}/{NOTE}")
    shutil.copy(files["initramfs"], f"{temp}/initramfs")
    packages.pack(top, f"{temp}/initramfs")
    shutil.rmtree(top)


def _build_id(path):
    """What the note says, in the usual words: the last 20 bytes."""
    with open(path, "rb") as f:
        return f.read()[-20:].hex()


def guest(series, name):
    """What a driver adds to packages.guest(series), as a dict."""
    files = packages.guest(series)
    path = module(series) if name == "ours" else _stock_module(files)
    key = cache.key_of(*map(_in_cache, (files["modules"], files["initramfs"], path)), "1")
    made = cache.obtain(
        f"driver-{name}-{series}", key, lambda temp: _build_initramfs(name, files, path, temp)
    )
    found = {"initramfs": f"{made}/initramfs", "build-id": _build_id(f"{made}/{NOTE}")}
    if series in KERNELS:
        found["vf"] = _test_vf(series)
    return found


def describe(spec, files):
    """What netup has made sure of."""
    what = f"{spec.driver} hv_netvsc, build id {files[spec.driver]['build-id'][:12]}"
    return what if spec.load else f"not loaded: {what}"
