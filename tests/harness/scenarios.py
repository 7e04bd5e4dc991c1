# SPDX-License-Identifier: GPL-2.0-only
"""Scenarios: executables of tests/scenarios with a header; how they are chosen, grouped and run."""

import dataclasses
import os
import shlex
import shutil
import time

import driver
import emulator
import packages
import results
import sandbox
import sriov
import vm
from common import TESTS, Stop, usage
from header import read
from progress import Progress

DIRECTORY = os.path.join(TESTS, "scenarios")
# What may differ between drivers, as ours.KEY and stock.KEY. check: on which KERNEL or KERNEL/NVSP of
# them all it runs in make check: ours on its first kernel unless told, stock nowhere. profile: real hosts
# that it runs on, one after the other, whose queues and NVSP version are what others' defaults are. long:
# the seconds that it takes in tests/run long, where it runs with the words behind them as arguments.
SETTINGS = {"seconds", "cpus", "queues", "kernel", "nvsp", "profile", "host", "vf", "check", "long"}
KEYS = {"title", "for", "driver", "layer", "share"} | SETTINGS
KEYS |= {f"{name}.{key}" for name in driver.DRIVERS for key in SETTINGS}
SKIPPED = 77
OUTPUT_LINES = 30
BOOT_SECONDS = 6
SCRATCH = sandbox.RUN_DIR + "/scratch"


@dataclasses.dataclass
class Scenario:
    name: str
    title: str
    seconds: float
    layer: str
    share: bool
    load: bool  # is the driver there when it starts
    specs: list  # of vm.Spec: one per boot that it wants
    arguments: tuple = ()

    def limit(self):
        return 4 * self.seconds + 20


@dataclasses.dataclass
class Group:
    """Scenarios that share a boot."""

    spec: vm.Spec
    share: bool
    scenarios: list

    def seconds(self):
        return (BOOT_SECONDS + sum(s.seconds for s in self.scenarios)) * self.spec.slowness()


def _choice(path, header, key, choices, default):
    value = header.get(key, default)
    if value not in choices:
        raise usage(f"{path}: {key}: {value} is not one of {', '.join(choices)}")
    return value


def _load(name, drv, brief, long):
    """A scenario on a driver; None if it is not for that one, or has no long form and is to have it."""
    path = os.path.join(DIRECTORY, name)
    header = read(path, KEYS)
    layer = _choice(path, header, "layer", ("guest", "host"), "guest")
    # the host's own tests use the bus without a driver, or the one that the host is believed for
    meant_for = _choice(path, header, "for", ("both", *driver.DRIVERS), "both")
    if meant_for not in ("both", drv) or (layer == "host" and drv != "stock"):
        return None
    header.update({key: header[f"{drv}.{key}"] for key in SETTINGS if f"{drv}.{key}" in header})
    arguments = ()
    if long:
        if "long" not in header:
            return None
        header["seconds"], *arguments = header["long"].split() or [""]
    try:
        title, seconds = header["title"], float(header["seconds"])
        cpus = int(header.get("cpus", "4"))
        queues = int(header["queues"]) if "queues" in header else None
    except (KeyError, ValueError) as e:
        raise usage(f"{path}: its header lacks or garbles {e}") from None
    if not os.access(path, os.X_OK):
        raise usage(f"{path} is not executable")
    host = dict(word.partition("=")[::2] for word in shlex.split(header.get("host", "")))
    vfs = _vfs(path, header)
    load = _choice(path, header, "driver", ("load", "none"), "load") == "load"
    kernels = [k for k in _kernels(path, header, drv) if k in driver.kernels(drv)]
    specs = [
        vm.Spec(
            kernel=kernel,
            driver=drv,
            load=load,
            cpus=cpus,
            queues=queues or int(real.get("queues", 4)),
            nvsp=nvsp,
            profile=name,
            host=host,
            vfs=vfs,
        )
        for kernel in kernels
        for name, real in _profiles(path, header)
        for nvsp in header.get("nvsp", real.get("nvsp", "6.1")).split()
    ]
    if brief and (layer == "guest" or "check" in header):
        wanted = header.get("check", driver.KERNELS[0] if drv == "ours" else "").split()
        specs = [s for s in specs if s.kernel in wanted or f"{s.kernel}/{s.nvsp}" in wanted]
    return Scenario(
        name,
        title,
        seconds,
        layer,
        _choice(path, header, "share", ("yes", "no"), "no") == "yes",
        load,
        specs,
        tuple(arguments),
    )


def _vfs(path, header):
    try:
        return sriov.parse(header.get("vf", "").split())
    except Stop as e:
        raise usage(f"{path}: {e}") from None


def _profiles(path, header):
    """[(name, settings)] of those that it names, or of none."""
    names = header.get("profile", "").split() or [None]
    try:
        return [(name, emulator.profile(name)) for name in names]
    except Stop as e:
        raise usage(f"{path}: {e}") from None


def _kernels(path, header, drv):
    """Those that it names, or all that its driver runs on."""
    named = header.get("kernel", "").split()
    for kernel in named:
        if kernel not in packages.KERNELS:
            raise usage(f"{path}: kernel: {kernel} is not one of {', '.join(packages.KERNELS)}")
    return named or driver.kernels(drv)


def load_all(drv, brief=False, long=False):
    """All that are for a driver; brief: with what they are to run on in make check; long: that have a
    long form, in that one."""
    names = sorted(
        n
        for n in os.listdir(DIRECTORY)
        if not n.startswith((".", "_")) and os.path.isfile(os.path.join(DIRECTORY, n))
    )
    found = [_load(name, drv, brief, long) for name in names]
    return [s for s in found if s]


def choose(scenarios, names):
    """Those that names (or prefixes) mean; all without a name."""
    for name in names:
        if not any(s.name.startswith(name) for s in scenarios):
            known = " ".join(s.name for s in scenarios) or "none"
            raise usage(f"no such scenario: {name} (there are: {known})")
    chosen = []
    for s in scenarios:
        exact = s.name in names
        prefixed = any(s.name.startswith(n) and n not in {x.name for x in scenarios} for n in names)
        if not names or exact or prefixed:
            chosen.append(s)
    return chosen


def group(scenarios, kernels, nvsps):
    """The boots for these scenarios, cheapest first."""
    groups = {}
    for s in scenarios:
        for spec in s.specs:
            if spec.kernel in kernels and spec.nvsp in nvsps:
                # One that starts without the driver can go first in a boot of others, unless it
                # tests the host: those take the device for themselves.
                load = s.load or s.layer == "guest"
                key = (dataclasses.replace(spec, load=load).key(), s.share)
                groups.setdefault(key, Group(spec, s.share, [])).scenarios.append(s)
    found = list(groups.values())
    for g in found:
        g.scenarios.sort(key=lambda s: (s.load, s.seconds))
    return sorted(found, key=Group.seconds)


class Runner:
    """Runs groups and prints a line per result."""

    def __init__(self, files, allow_violations=False):
        self._files, self._allow = files, allow_violations
        self._promises = {}
        self.counts = results.counts()

    def run(self, groups):
        for g in groups:
            todo = list(g.scenarios)
            while todo:
                g.spec = dataclasses.replace(g.spec, load=todo[0].load)
                todo = self._boot(g, todo)
        for kind, count in sorted(self._promises.items()):
            print(f"promise broken {count} times: {kind}")
        return self.counts

    def _result(self, spec, name, verdict, seconds, detail="", lines=()):
        where = f"{spec.driver:5} {spec.kernel:5} nvsp {spec.nvsp:3} {spec.profile or ''}".rstrip()
        results.add(self.counts, verdict, f"{where}  {name:24} {seconds:6.1f}s  {detail}", lines)

    def _boot(self, g, todo):
        """One boot. Returns the scenarios that are still to be run, in another boot."""
        self._audit, guest = {}, None
        if g.share:
            shutil.rmtree(SCRATCH, ignore_errors=True)
            os.makedirs(SCRATCH)
        started = time.monotonic()
        try:
            with Progress("booting"):
                network = vm.tap_network(g.spec.nics())
                guest = vm.Vm(
                    g.spec,
                    self._files[g.spec.kernel],
                    network,
                    share=SCRATCH if g.share else None,
                    deadline=started + 120 * g.spec.slowness(),
                )
            faults = self._faults(guest)
        except Stop as e:
            faults = [str(e)]
        if faults:
            for s in todo:
                seconds = time.monotonic() - started
                self._result(g.spec, s.name, "FAIL", seconds, f"boot: {faults[0]}", faults[1:])
            self._show_logs()
            if guest:
                guest.close()
            return []
        try:
            return self._scenarios(g, guest, todo)
        finally:
            guest.close()

    def _scenarios(self, g, guest, todo):
        for at, s in enumerate(todo):
            if at and not self._repair(g.spec, guest, s):
                return todo[at + 1 :]
            self._scenario(g.spec, guest, s)
            if guest.dead or guest.tainted:
                return todo[at + 1 :]
        return []

    def _repair(self, spec, guest, s):
        """Bring back the interface, which the last scenario may have left down or unloaded."""
        started = time.monotonic()
        guest.set_deadline(started + 60)
        try:
            guest.set_up_network(load=s.load)
            return True
        except Stop as e:
            self._result(
                spec, s.name, "FAIL", time.monotonic() - started, f"after the scenario before: {e}"
            )
            self._show_logs()
            return False

    def _scenario(self, spec, guest, s):
        started = time.monotonic()
        output = bytearray()
        guest.set_deadline(started + s.limit() * spec.slowness())
        try:
            with Progress(f"{spec.driver} {spec.kernel} nvsp {spec.nvsp}  {s.name}"):
                status = guest.start(
                    [f"/src/tests/scenarios/{s.name}", *s.arguments], (output.extend, output.extend)
                )()
            faults = [f"exit status {status}"] if status not in (0, SKIPPED) else []
        except Stop as e:
            status, faults = e.status, [str(e)]
            guest.tainted = True
        guest.end_services()
        faults += self._faults(guest)
        text = output.decode(errors="replace").rstrip()
        seconds = time.monotonic() - started
        if faults:
            said = text.splitlines()[-OUTPUT_LINES:]
            self._result(spec, s.name, "FAIL", seconds, faults[0], faults[1:] + said)
            self._show_logs()
        elif status == SKIPPED:
            self._result(
                spec, s.name, "skip", seconds, text.splitlines()[-1] if text else "no reason given"
            )
        else:
            self._result(spec, s.name, "ok", seconds)

    def _show_logs(self):
        console, log = vm.last_logs()
        for title, text in (("console", console), ("emulator", log)):
            lines = text.splitlines()[-OUTPUT_LINES:]
            if lines:
                print(f"    +-- {title}, its end")
                print("\n".join(f"    | {line}" for line in lines), flush=True)

    def _faults(self, guest):
        """What the console and the audit say since the last call."""
        faults = [f"the kernel warns: {line}" for line in guest.console.new_warnings()]
        if guest.dead:
            return faults
        try:
            audit = guest.audit()
        except Stop as e:  # a silent emulator; the next scenario gets another one
            guest.tainted = True
            return faults + [str(e)]
        seen = {}
        for item in audit:
            key = (item["class"], item["kind"])
            seen[key] = item["count"]
            count = item["count"] - self._audit.get(key, 0)
            if count <= 0:
                continue
            text = (
                f"{item['kind']} (section {item['section']}), {count} times; first: {item['first']}"
            )
            if item["class"] == "promise" and guest.spec.driver == "stock":
                self._promises[item["kind"]] = self._promises.get(item["kind"], 0) + count
            elif not self._allow:
                faults.append(f"{item['class']}: {text}")
        self._audit = seen
        return faults
