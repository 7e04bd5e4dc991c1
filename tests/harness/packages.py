# SPDX-License-Identifier: GPL-2.0-only
"""Guests from Debian's packages: the kernel, its modules, the root file system, the initramfs."""

import functools
import glob
import os
import re
import shutil
import struct
import subprocess

import cache
import debugkernel
from common import GUEST, Stop, note, tool, usage

DEBIAN_KERNELS = ("6.12", "6.1")
DEBUG = "debug"  # ours, from the source of the first of them
KERNELS = (*DEBIAN_KERNELS, DEBUG)

# What a guest's user land has, beside what these depend on. Not installed but unpacked.
ROOT_PACKAGES = (
    "base-files bash bpftool coreutils dash diffutils ethtool findutils gawk grep gzip hostname"
    " iperf3 iproute2 iputils-ping kmod libc-bin libcap2-bin mount procps python3 sed socat tar"
    " tcpdump udev util-linux xdp-tools"
).split()

# The initramfs loads these, if they are not built in, to reach its disks; the rest goes by alias.
EARLY_MODULES = "virtio_pci virtio_blk virtio_console virtiofs".split()

# What unpacks a kernel's image, by its first bytes.
UNPACKERS = {b"\x28\xb5\x2f\xfd": "zstd", b"\x02\x21\x4c\x18": "lz4"}
# The note with the address where QEMU starts an ELF file.
PVH = re.compile(rb"\x04\0\0\0[\x04\x08]\0\0\0\x12\0\0\0Xen\0")

# Of busybox, only these are in the guest, and apart: what a user calls is Debian's.
BUSYBOX_APPLETS = "sh mount mkdir ln cp cmp ls date ifconfig insmod usleep switch_root poweroff".split()


def _newest_kernel(series):
    pattern = f"^linux-image-{re.escape(series)}\\.[0-9].*-cloud-amd64$"
    names = [
        line.split(" - ")[0]
        for line in tool("apt-cache", "search", "--names-only", pattern).splitlines()
    ]
    policy = tool("apt-cache", "policy", *names) if names else ""
    found = re.findall(r"^(linux-image-\S+):\n.*\n  Candidate: (\d\S*)", policy, re.MULTILINE)
    if not found:
        raise usage(
            f"no kernel package linux-image-{series}.*-cloud-amd64: apt on this machine offers none"
        )
    newest = found[0]
    for item in found[1:]:
        if not subprocess.run(["dpkg", "--compare-versions", item[1], "gt", newest[1]]).returncode:
            newest = item
    return newest


def _choice(what, ask):
    """The words of ask(), asked again only when apt's lists or its configuration changed:
    asking apt takes longer than all else of a warm start."""
    lists = sorted(
        glob.glob("/var/lib/apt/lists/*_InRelease") + glob.glob("/etc/apt/**", recursive=True)
    )
    stamps = [f"{name} {os.stat(name).st_mtime_ns}" for name in lists if os.path.exists(name)]

    def build(temp):
        with open(f"{temp}/choice", "w") as f:
            f.write(" ".join(ask()))

    with open(cache.obtain(f"choice-{what}", cache.key_of(*stamps), build) + "/choice") as f:
        return tuple(f.read().split())


@functools.lru_cache(None)
def kernel_package(series):
    """(package, version) of the newest cloud kernel of a series that apt offers."""
    if series not in DEBIAN_KERNELS:
        raise usage(f"no such kernel: {series} (known: {', '.join(DEBIAN_KERNELS)})")
    return _choice(series, lambda: _newest_kernel(series))


@functools.lru_cache(None)
def source_package(series):
    """(package, version) of the newest source of a series that apt offers."""
    package = f"linux-source-{series}"

    def ask():
        policy = tool("apt-cache", "policy", package)
        found = re.search(r"^  Candidate: (\d\S*)", policy, re.MULTILINE)
        if not found:
            raise usage(f"no package {package}: apt on this machine offers none")
        return package, found[1]

    return _choice(f"source-{series}", ask)


def _root_versions():
    """NAME=VERSION of all that the root file system may be made from, as apt offers it now."""
    kinds = "recommends suggests conflicts breaks replaces enhances".split()
    options = [f"--no-{kind}" for kind in kinds]
    found = tool("apt-cache", "depends", "--recurse", *options, *ROOT_PACKAGES)
    names = sorted(set(re.findall(r"^([a-z0-9]\S*)$", found, re.MULTILINE)))
    policy = tool("apt-cache", "policy", *names)
    return [
        f"{name}={version}"
        for name, version in re.findall(r"^(\S+):\n.*\n  Candidate: (\d\S*)", policy, re.MULTILINE)
    ]


def _fetch(package, version, temp):
    tool(
        "apt-get",
        "-q",
        "download",
        f"{package}={version}" if version else package,
        "-o",
        "APT::Sandbox::User=root",
        cwd=temp,
    )
    return glob.glob(os.path.join(temp, "*.deb"))[0]


def _unpacked(image):
    """The ELF file in a kernel's image (see Documentation/arch/x86/boot.rst of a kernel), which an emulator starts
    by its PVH note: a guest takes two seconds to unpack it. None if it has none, or is packed in another way."""
    with open(image, "rb") as f:
        data = f.read()
    at, length = struct.unpack_from("<II", data, 0x248)
    payload = data[(data[0x1F1] + 1) * 512 + at :][:length]
    program = UNPACKERS.get(payload[:4])
    if not program:
        return None
    # its length is behind it
    done = subprocess.run([program, "-dc"], input=payload[:-4], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout if PVH.search(done.stdout) and not done.returncode else None


def _build_kernel(package, version, temp):
    deb = _fetch(package, version, temp)
    tree = os.path.join(temp, "tree")
    tool("dpkg-deb", "-x", deb, tree)
    os.unlink(deb)
    release = package[len("linux-image-") :]
    os.rename(f"{tree}/boot/vmlinuz-{release}", f"{temp}/vmlinuz")
    unpacked = _unpacked(f"{temp}/vmlinuz")
    if unpacked:
        with open(f"{temp}/vmlinux", "wb") as f:
            f.write(unpacked)
    os.rename(f"{tree}/lib/modules/{release}", f"{temp}/modules")
    shutil.rmtree(tree)
    packed = glob.glob(f"{temp}/modules/**/*.ko.xz", recursive=True)
    for at in range(0, len(packed), 500):
        tool("xz", "-d", "-T0", *packed[at : at + 500])
    os.makedirs(f"{temp}/base/lib/modules")
    os.symlink("../../../modules", f"{temp}/base/lib/modules/{release}")
    tool("depmod", "-b", f"{temp}/base", release)
    with open(f"{temp}/release", "w") as f:
        f.write(release)


def _debug_kernel():
    package, version = source_package(DEBIAN_KERNELS[0])

    def build(temp):
        note(f"tests/run: building a kernel from {package} {version}: 10 minutes or more, once")
        debugkernel.build(_fetch(package, version, temp), temp)

    return cache.obtain(
        "kernel-debug", cache.key_of(package, version, debugkernel.recipe()), build
    )


def kernel(series):
    """The cached directory of a kernel: vmlinuz, vmlinux if that is quicker to boot, modules/, release."""
    if series == DEBUG:
        return _debug_kernel()
    package, version = kernel_package(series)

    def build(temp):
        note(f"tests/run: unpacking {package} {version}")
        _build_kernel(package, version, temp)

    return cache.obtain(f"kernel-{series}", cache.key_of(package, version, "4"), build)


def _needed(deb):
    """What a package of kernel headers needs to build modules: its other packages of headers and
    tools. (NAME, VERSION), the version None where any will do."""
    for item in tool("dpkg-deb", "-f", deb, "Depends").split(","):
        found = re.match(r"\s*(linux-(?:headers|kbuild)-\S+)(?: \(= (\S+)\))?", item)
        if found:
            yield found.groups()


def _build_headers(package, version, temp):
    """The headers where they are, and not in /usr: their paths are made relative."""
    deb = _fetch(package, version, temp)
    needed = list(_needed(deb))
    while True:
        tool("dpkg-deb", "-x", deb, temp)
        os.unlink(deb)
        if not needed:
            break
        deb = _fetch(*needed.pop(), temp)
    makefile = f"{temp}/usr/src/{package}/Makefile"
    with open(makefile) as f:
        text = f.read()
    with open(makefile, "w") as f:
        f.write(re.sub(r"^include /usr/src/", "include $(dir $(lastword $(MAKEFILE_LIST)))../", text))


def build_directory(series):
    """Where modules for a kernel are built: make -C THIS M=DIRECTORY."""
    if series == DEBUG:
        return f"{kernel(series)}/source/{debugkernel.HEADERS}"
    image, version = kernel_package(series)
    package = image.replace("-image-", "-headers-")

    def build(temp):
        note(f"tests/run: unpacking {package} {version}")
        _build_headers(package, version, temp)

    path = cache.obtain(f"headers-{series}", cache.key_of(package, version, "1"), build)
    return f"{path}/usr/src/{package}"


def _build_scripts(package, version, temp):
    deb = _fetch(package, version, temp)
    tool("dpkg-deb", "-x", deb, f"{temp}/tree")
    archive = glob.glob(f"{temp}/tree/usr/src/*.tar.xz")[0]
    options = ["--strip-components=1", "--wildcards", "--no-anchored"]
    tool("tar", "-xJf", archive, "-C", temp, *options, "scripts/*checkpatch*", "scripts/spelling.txt")
    shutil.rmtree(f"{temp}/tree")
    os.unlink(deb)


def source(series):
    """A directory with that of a kernel's source which looks at other sources: checkpatch."""
    package, version = source_package(series)

    def build(temp):
        note(f"tests/run: unpacking the scripts of {package} {version}")
        _build_scripts(package, version, temp)

    return cache.obtain(f"scripts-{series}", cache.key_of(package, version, "1"), build)


def _debian_sources():
    lines = tool(
        "apt-get",
        "indextargets",
        "--format",
        "deb $(REPO_URI) $(CODENAME) $(COMPONENT)",
        "Origin: Debian",
        "Identifier: Packages",
    ).splitlines()
    lines = sorted({line for line in lines if line.startswith("deb ")})
    if not lines:
        raise usage("apt has no package lists of Debian: run apt-get update")
    return "\n".join(lines) + "\n"


def _build_root(temp):
    root = os.path.join(temp, "root")
    tool(
        "mmdebstrap",
        "--mode=root",
        "--variant=extract",
        "--aptopt=APT::Install-Recommends \"false\"",
        "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
        "--include=" + ",".join(ROOT_PACKAGES),
        "",
        root,
        "-",
        input=_debian_sources().encode(),
        stdin=None,
        env={**os.environ, "TMPDIR": temp},
    )
    # What the packages' scripts would have done, as far as a guest needs it.
    for name, text in {
        "passwd": "root:x:0:0:root:/root:/bin/bash\ntcpdump:x:100:65534::/:/bin/false\n"
        "nobody:x:65534:65534:nobody:/:/bin/false\n",
        "group": "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
        "hosts": "127.0.0.1 localhost\n::1 localhost\n192.0.2.1 peer\n192.0.2.2 guest\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
        "hostname": "guest\n",
    }.items():
        with open(f"{root}/etc/{name}", "w") as f:
            f.write(text)
    for link, target in {"sh": "dash", "awk": "gawk"}.items():
        if not os.path.lexists(f"{root}/usr/bin/{link}"):
            os.symlink(target, f"{root}/usr/bin/{link}")
    tool("chroot", root, "/sbin/ldconfig")
    for waste in ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/lib/apt", "var/cache"):
        shutil.rmtree(f"{root}/{waste}", ignore_errors=True)
    tool("chroot", root, "sh", "-c", "exec python3 -m compileall -q /usr/lib/python3.[0-9]*")


def root_tree():
    def build(temp):
        note("tests/run: unpacking the guest's root file system")
        _build_root(temp)

    with open(__file__, "rb") as f:
        recipe = f.read().decode()
    recipe = recipe[recipe.index("def _build_root") : recipe.index("def root_tree")]
    versions = _choice("root", _root_versions)
    return cache.obtain("root", cache.key_of(recipe, *ROOT_PACKAGES, *versions), build)


def disk(series):
    """The cached root disk of a kernel: user land and modules in one ext4 image."""
    kernel_dir, root_dir = kernel(series), root_tree()
    with open(f"{kernel_dir}/release") as f:
        release = f.read()

    def build(temp):
        note(f"tests/run: making the root disk of {release}")
        tree, image = f"{temp}/tree", f"{temp}/disk"
        tool("cp", "-al", f"{root_dir}/root", tree)
        os.makedirs(f"{tree}/usr/lib/modules")
        tool("cp", "-al", f"{kernel_dir}/modules", f"{tree}/usr/lib/modules/{release}")
        for name in ("src", "share"):
            os.makedirs(f"{tree}/{name}", exist_ok=True)
        tool(
            "mke2fs",
            "-q",
            "-t",
            "ext4",
            "-O",
            "^has_journal,^metadata_csum",
            "-m",
            "0",
            "-E",
            "root_owner=0:0",
            "-d",
            tree,
            image,
            "768M",
        )
        shutil.rmtree(tree)

    key = cache.key_of(os.path.basename(kernel_dir), os.path.basename(root_dir), "2")
    return cache.obtain(f"disk-{series}", key, build) + "/disk"


def _early_modules(modules):
    """Paths of EARLY_MODULES and what they need, in the order of loading."""
    needs, paths = {}, {}
    with open(f"{modules}/modules.dep") as f:
        for line in f:
            path, deps = line.rstrip("\n").split(":")
            paths[os.path.basename(path).split(".")[0].replace("-", "_")] = path
            needs[path] = deps.split()
    order = []
    for name in EARLY_MODULES:
        path = paths.get(name)
        if path:  # else it is built in
            # modules.dep lists the nearest dependency first
            order += [p for p in reversed(needs[path]) if p not in order] + [path]
    return list(dict.fromkeys(order))


def pack(top, path):
    """Append a directory to an archive that an initramfs is made of."""
    names = tool("find", ".", cwd=top)
    packed = subprocess.run(
        ["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"],
        cwd=top,
        input=names.encode(),
        stdout=subprocess.PIPE,
    )
    if packed.returncode:
        raise Stop("cpio failed")
    with open(path, "ab") as f:
        f.write(packed.stdout)


def _build_initramfs(kernel_dir, temp):
    top = f"{temp}/top"
    for name in ("bin", "dev", "proc", "sys", "root", "modules", "hv/bin", "hv/busybox"):
        os.makedirs(f"{top}/{name}")
    shutil.copy("/bin/busybox", f"{top}/hv/busybox/busybox")
    os.symlink("../hv/busybox/busybox", f"{top}/bin/busybox")
    for applet in BUSYBOX_APPLETS:
        os.symlink("busybox", f"{top}/hv/busybox/{applet}")
    shutil.copy(f"{GUEST}/initramfs-init", f"{top}/init")
    order = _early_modules(f"{kernel_dir}/modules")
    for path in order:
        shutil.copy(f"{kernel_dir}/modules/{path}", f"{top}/modules")
    with open(f"{top}/modules/list", "w") as f:
        f.writelines(os.path.basename(path) + "\n" for path in order)
    agent = f"{top}/hv/bin/agent"
    tool(
        "gcc",
        "-static",
        "-Os",
        "-s",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-o",
        agent,
        f"{GUEST}/agent.c",
    )
    for name in ("peer", "host"):
        os.symlink("agent", f"{top}/hv/bin/{name}")
    for name in ("init", "netup"):
        shutil.copy(f"{GUEST}/{name}", f"{top}/hv/{name}")
    pack(top, f"{temp}/initramfs")
    shutil.rmtree(top)


def initramfs(series):
    kernel_dir = kernel(series)
    inputs = [
        ("file", os.path.join(GUEST, name))
        for name in ("initramfs-init", "init", "netup", "agent.c")
    ]
    key = cache.key_of(os.path.basename(kernel_dir), *EARLY_MODULES, *BUSYBOX_APPLETS, "2", *inputs)
    return (
        cache.obtain(f"initramfs-{series}", key, lambda temp: _build_initramfs(kernel_dir, temp))
        + "/initramfs"
    )


def guest(series):
    """What a boot of this kernel needs, but for the NIC's driver: paths and the release."""
    with open(kernel(series) + "/release") as f:
        release = f.read()
    images = [f"{kernel(series)}/{name}" for name in ("vmlinux", "vmlinuz")]
    return {
        "kernel": next(image for image in images if os.path.exists(image)),
        "modules": kernel(series) + "/modules",
        "disk": disk(series),
        "initramfs": initramfs(series),
        "release": release,
    }
