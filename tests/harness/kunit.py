# SPDX-License-Identifier: GPL-2.0-only
"""The KUnit suites of tests/kunit: a kernel with our driver and them built in, and what it says.

kunit.py of the kernel's source builds and boots it. Its own way to end is a reboot after the last
suite; here it goes on to an init that asks kmemleak what was left (tests/guest/kunit-init).
"""

import filecmp
import glob
import json
import os
import re
import shutil
import tempfile
import time

import cache
import debugkernel
import driver
import emulator
import packages
import results
import sandbox
from common import GUEST, ROOT, TESTS, Stop, note, usage
from console import WARNING
from progress import Progress

SECONDS = 75
LIMIT = 15 * 60  # a slow machine that runs checks beside it takes five minutes
QEMU_CONFIG = os.path.join(TESTS, "kunit", "qemu.py")
APPLETS = "sh mount sleep cat echo reboot".split()
END = "kmemleak has been asked"  # tests/guest/kunit-init says so
LOG_LINES = 40
MADE = re.compile(r"^vmlinux|^bzImage$|\.(o|a|ko|cmd|bin|elf|symvers)$")


def exist():
    """Is there a driver, and a suite?"""
    return bool(glob.glob(f"{ROOT}/Kconfig") and glob.glob(f"{ROOT}/tests/kunit/*.c"))


def _sources():
    """Relative to the checkout."""
    suites = glob.glob("tests/kunit/*.[ch]", root_dir=ROOT)
    return sorted(["Kconfig", *driver.sources(), *(s for s in suites if not s.endswith(".mod.c"))])


def _put_sources(names, to):
    """Make a directory hold our files and no others; what does not change keeps its time, so that
    make knows."""
    for directory, _, files in os.walk(to):
        for name in files:
            path = os.path.join(directory, name)
            if os.path.relpath(path, to) not in names:
                os.unlink(path)
    for name in names:
        old, new = os.path.join(to, name), os.path.join(ROOT, name)
        if not os.path.exists(old) or not filecmp.cmp(old, new, shallow=False):
            os.makedirs(os.path.dirname(old), exist_ok=True)
            shutil.copyfile(new, old)


def _distrust_unfinished(objects, mark):
    """A build that was killed leaves files that make would take for finished."""
    if os.path.exists(mark):
        since = os.stat(mark).st_mtime
        for directory, _, files in os.walk(objects):
            for name in files:
                path = os.path.join(directory, name)
                if MADE.search(name) and os.stat(path).st_mtime >= since:
                    os.unlink(path)
    with open(mark, "w", encoding="utf-8"):
        os.utime(mark)


def _build(kernel_dir, names, temp):
    source = f"{kernel_dir}/source"
    mark = f"{kernel_dir}/unfinished"
    _distrust_unfinished(f"{source}/{debugkernel.OBJECTS}", mark)
    _put_sources(names, f"{source}/{debugkernel.LOCATION}")
    try:
        debugkernel.compile_kernel(source, debugkernel.CONFIG)
    except Stop:  # of a mistake in the sources: make has cleaned up after itself
        os.unlink(mark)
        raise
    os.unlink(mark)
    shutil.copy(debugkernel.image(source), f"{temp}/bzImage")


def _build_initramfs(temp):
    top = f"{temp}/top"
    for name in ("bin", "dev", "proc", "debug"):
        os.makedirs(f"{top}/{name}")
    shutil.copy("/bin/busybox", f"{top}/bin/busybox")
    for applet in APPLETS:
        os.symlink("busybox", f"{top}/bin/{applet}")
    shutil.copy(f"{GUEST}/kunit-init", f"{top}/init")
    packages.pack(top, f"{temp}/initramfs")
    shutil.rmtree(top)


def prepare():
    """What run() needs, as a dict of paths."""
    kernel_dir = packages.kernel(packages.DEBUG)
    names = _sources()
    files = [("file", os.path.join(ROOT, name)) for name in names]
    key = cache.key_of(os.path.basename(kernel_dir), ("file", debugkernel.CONFIG), *names, *files)
    init = cache.key_of(("file", f"{GUEST}/kunit-init"), *APPLETS, "1")
    return {
        "source": f"{kernel_dir}/source",
        "kernel": cache.obtain("kunit", key, lambda temp: _build(kernel_dir, names, temp))
        + "/bzImage",
        "initramfs": cache.obtain("kunit-init", init, _build_initramfs) + "/initramfs",
    }


def _boot(files, pattern, limit, temp):
    """One run of kunit.py: (its status, what it said, its results, the kernel's log)."""
    build_dir = f"{temp}/build"
    kernel = f"{build_dir}/arch/x86/boot/bzImage"
    os.makedirs(os.path.dirname(kernel))
    os.symlink(files["kernel"], kernel)
    os.mkdir(f"{temp}/bin")
    os.symlink(emulator.path(), f"{temp}/bin/qemu-system-x86_64")
    qemu = ["-initrd", files["initramfs"], "-cpu", emulator.CPU, "-smp", "4", "-m", "512"]
    for directory in emulator.DIRS:
        qemu += ["-L", directory]
    status, said = debugkernel.kunit_py(
        files["source"],
        "exec",
        "--arch=x86_64",
        f"--build_dir={build_dir}",
        f"--qemu_config={QEMU_CONFIG}",
        f"--qemu_args={' '.join(qemu)}",
        f"--timeout={limit:.0f}",
        f"--json={temp}/results",
        *([pattern] if pattern else []),
        PATH=f"{temp}/bin:{debugkernel.MAKE_ENV['PATH']}",
    )
    return status, said, _read(f"{temp}/results"), _read(f"{build_dir}/test.log")


def _read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read().replace("\r", "")
    except FileNotFoundError:
        return ""


VERDICTS = {"PASS": "ok", "SKIP": "skip"}


def _worst(group):
    """The verdict of a case with parameters."""
    verdicts = [VERDICTS.get(case["status"], "FAIL") for case in group["test_cases"]]
    verdicts += [_worst(inner) for inner in group["sub_groups"]]
    return "FAIL" if "FAIL" in verdicts else "ok" if "ok" in verdicts else "skip"


def _cases(found):
    """(suite.case, verdict) of kunit.py's results."""
    top = json.loads(found) if found else {"sub_groups": [], "test_cases": []}
    for case in top["test_cases"]:  # a suite without cases
        yield case["name"], VERDICTS.get(case["status"], "FAIL")
    for suite in top["sub_groups"]:
        for case in suite["test_cases"]:
            yield f"{suite['name']}.{case['name']}", VERDICTS.get(case["status"], "FAIL")
        for group in suite["sub_groups"]:
            yield f"{suite['name']}.{group['name']}", _worst(group)


class Log:
    """What the kernel said, by case: its lines and its seconds, which are the guest's."""

    LINE = re.compile(r"^\[ *(\d+\.\d+)\](?:\[[^]]*\])? (.*)")
    CASE = re.compile(r"    (?:not )?ok \d+ (\S+)")
    SUITE = re.compile(r"    # Subtest: (\S+)")

    def __init__(self, text):
        self._found = {}
        suite, begun, lines = "", 0.0, []
        for line in text.splitlines():
            stamp = self.LINE.match(line)
            at, words = (float(stamp[1]), stamp[2]) if stamp else (begun, line)
            lines.append(line)
            new, case = self.SUITE.match(words), self.CASE.match(words)
            if case:
                self._found[f"{suite}.{case[1]}"] = (at - begun, lines)
            if new:
                suite = new[1]
            if new or case:
                begun, lines = at, []

    def of(self, case):
        return self._found.get(case, (0.0, []))


def _print(counts, name, verdict, seconds, detail="", lines=()):
    text = f"kunit  {name:48} {seconds:6.1f}s  {detail}"
    results.add(counts, verdict, text, lines[-LOG_LINES:])


def _faults(status, text, counts):
    """What is wrong with a run beside its cases."""
    yield from (f"the kernel warns: {line}" for line in text.splitlines() if WARNING.search(line))
    if END not in text:
        yield "the kernel crashed, or out of time"
    elif status and not counts["FAIL"]:
        yield f"kunit.py's exit status is {status}"


def _run_one(files, pattern, limit):
    """One boot; the counts by verdict."""
    counts = results.counts()
    started = time.monotonic()
    place = "/" if sandbox.private else None
    with tempfile.TemporaryDirectory(prefix="hv-kunit-", dir=place) as temp, Progress("kunit"):
        status, said, found, text = _boot(files, pattern, limit, temp)
    seconds = time.monotonic() - started
    log = Log(text)
    for name, verdict in _cases(found):
        took, lines = log.of(name)
        _print(counts, name, verdict, took, lines=lines if verdict == "FAIL" else ())
    if END in text and not sum(counts.values()):
        raise usage(f"no such suite: {pattern}" if pattern else "the kernel has no suites")
    faults = list(_faults(status, text, counts))
    verdict = "FAIL" if faults else "ok"
    lines = (text or said).splitlines() if faults else []
    _print(counts, "the kernel", verdict, seconds, faults[0] if faults else "", lines)
    for fault in faults[1:]:
        print(f"    | {fault}")
    return counts


def patterns(names):
    """kunit.py's for these names: a name is also the prefix of several."""
    for name in names:
        if not re.fullmatch(r"[\w.*?\[\]-]+", name):
            raise usage(f"no such suite: {name}")
    return [name if re.search(r"[*?[]", name) else f"{name}*" for name in names] or [""]


def run(files, names=()):
    """Run suites, a line for each case; the counts by verdict. To be called inside
    sandbox.contained()."""
    total = results.counts()
    for pattern in patterns(names):
        counts = _run_one(files, pattern, LIMIT)
        total = {verdict: n + counts[verdict] for verdict, n in total.items()}
    return total
