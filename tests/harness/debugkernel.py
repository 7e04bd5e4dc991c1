# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that finds mistakes: Debian's source of one, configured by tests/kunit/.kunitconfig.

It is built once, without a driver for the NIC: that is the kernel of guests. The objects stay, so
that the kernel of the KUnit suites, which has our driver built in, costs a few objects and a link.
"""

import glob
import os
import re
import shutil
import subprocess

from common import TESTS, Stop, note, tool

CONFIG = os.path.join(TESTS, "kunit", ".kunitconfig")
DRIVER_OPTION = "CONFIG_HYPERV_NET"
LOCATION = "drivers/net/hyperv"
OBJECTS = ".kunit"  # in the source, as kunit.py has it, so that paths in it are relative
HEADERS = "build"  # what of it is needed to build a module
MAKE_ENV = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
    "KBUILD_BUILD_USER": "tests",
    "KBUILD_BUILD_HOST": "hv",
}

# Other processors' code and what is only for graphics would be half of the tree. The stock driver
# is left out so that nobody mistakes it for ours; the rest is what Kconfig needs to be there.
LEFT_OUT = (
    LOCATION,
    "Documentation/*/*",
    "arch/[!x]*/*.[chS]",
    "arch/[!x]*/*.dts*",
    "drivers/gpu/*.[ch]",
)

# In the place of our driver, so that the rest of the kernel is built as if it were there: with what
# it selects, and with the head room that netdevice.h has for it. All of net/ depends on that.
STUB = """
config HYPERV_NET
	def_bool y
	select NLS
	select PAGE_POOL
	select UCS2_STRING
"""

# What of the objects a module is not built from.
WASTE = ("*.o", "*.a", "*.ko", "*.mod", "*.mod.c", ".*.cmd", "*.order", "vmlinux*", "*.map")
WASTE += ("*.bin", "*.s", "bzImage", "compile_commands.json", "*.gz", "*.lz4", ".tmp_*", "source")


def config():
    """The options, as the guest's kernel has them: without the driver's."""
    with open(CONFIG, encoding="utf-8") as f:
        lines = re.findall(r"^(?:# )?CONFIG_\w+(?:=.+| is not set)$", f.read(), re.MULTILINE)
    return "".join(f"{line}\n" for line in lines if DRIVER_OPTION not in line)


def recipe():
    """All that decides what is built, as text."""
    return "\0".join((config(), STUB, *LEFT_OUT, *WASTE, "1"))


def kunit_py(source, *words, **env):
    """kunit.py's (status, output)."""
    done = subprocess.run(
        ["/usr/bin/python3", "-B", f"{source}/tools/testing/kunit/kunit.py", *words],
        cwd=source,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**MAKE_ENV, **env},
    )
    return done.returncode, done.stdout.decode(errors="replace")


def _settle(source):
    """All paths in the objects are relative, but for those of objtool, whose build is one of its
    own. Where it finds itself moved, it is made again, and then all that it checked."""
    place = f"{source}/{OBJECTS}.place"
    if os.path.exists(place):
        with open(place, encoding="utf-8") as f:
            old = f.read()
        for path in glob.glob(f"{source}/{OBJECTS}/tools/**/.*.cmd", recursive=True):
            with open(path, encoding="utf-8") as f:
                text = f.read()
            if old in text:
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text.replace(old, source))
    with open(place, "w", encoding="utf-8") as f:
        f.write(source)


def compile_kernel(source, options):
    """Bring the objects up to date with a file of options."""
    _settle(source)
    status, said = kunit_py(
        source, "build", "--arch=x86_64", f"--build_dir={OBJECTS}", f"--kunitconfig={options}"
    )
    if status:
        note("\n".join(said.rstrip().splitlines()[-40:]))
        raise Stop("the kernel cannot be built (kunit.py's last lines are above)")


def image(source):
    return f"{source}/{OBJECTS}/arch/x86/boot/bzImage"


def _unpack(deb, temp):
    tool("dpkg-deb", "-x", deb, f"{temp}/deb")
    os.unlink(deb)
    archive = glob.glob(f"{temp}/deb/usr/src/linux-source-*.tar.*")[0]
    source = f"{temp}/source"
    os.mkdir(source)
    exclude = [f"--exclude=linux-source-*/{pattern}" for pattern in LEFT_OUT]
    tool("tar", "-xf", archive, "-C", source, "--strip-components=1", "--no-same-owner", *exclude)
    shutil.rmtree(f"{temp}/deb")
    os.mkdir(f"{source}/{LOCATION}")
    for name, text in (("Kconfig", STUB), ("Makefile", "")):
        with open(f"{source}/{LOCATION}/{name}", "w", encoding="utf-8") as f:
            f.write(text)
    return source


def _install_modules(source, temp):
    """modules/ and release, as those of Debian's kernels."""
    with open(f"{source}/{OBJECTS}/include/config/kernel.release", encoding="utf-8") as f:
        release = f.read().strip()
    base = f"{temp}/base"
    words = [f"O={OBJECTS}", "ARCH=x86_64", f"INSTALL_MOD_PATH={base}", "modules_install"]
    tool("make", "-C", source, *words, env=MAKE_ENV)
    os.unlink(f"{base}/lib/modules/{release}/build")
    os.rename(f"{base}/lib/modules/{release}", f"{temp}/modules")
    os.symlink("../../../modules", f"{base}/lib/modules/{release}")
    with open(f"{temp}/release", "w", encoding="utf-8") as f:
        f.write(release)


def _keep_headers(source):
    """A directory to build modules in, which a kernel with our driver built in does not change."""
    objects, headers = f"{source}/{OBJECTS}", f"{source}/{HEADERS}"
    shutil.copytree(objects, headers, symlinks=True, ignore=shutil.ignore_patterns(*WASTE))
    for directory, _, _ in os.walk(headers, topdown=False):
        if not os.listdir(directory):
            os.rmdir(directory)
    with open(f"{headers}/Makefile", "w", encoding="utf-8") as f:
        f.write("export KBUILD_OUTPUT := $(CURDIR)\ninclude ../Makefile\n")


def build(deb, temp):
    """From the package of the source, the files of a kernel and its source, all in temp."""
    source = _unpack(deb, temp)
    options = f"{temp}/options"
    with open(options, "w", encoding="utf-8") as f:
        f.write(config())
    compile_kernel(source, options)
    shutil.copy(image(source), f"{temp}/vmlinuz")
    _install_modules(source, temp)
    _keep_headers(source)
