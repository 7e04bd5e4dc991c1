# SPDX-License-Identifier: GPL-2.0-only
"""Recordings: what a user sees of two drivers, line beside line, but for differences that are meant.

A recording is an executable of tests/same with a header, and prints. Each runs on either driver, on
the same host and kernel. What Debian's driver says is kept in the cache, by all that it is made from.
Documentation/differences.toml lists the lines that may differ, and why.
"""

import dataclasses
import difflib
import fnmatch
import itertools
import os
import re
import time
import tomllib

import cache
import emulator
import results
import sriov
import vm
from common import GUEST, ROOT, TESTS, Stop, usage
from header import read
from progress import Progress

DIRECTORY = os.path.join(TESTS, "same")
DIFFERENCES = os.path.join(ROOT, "Documentation", "differences.toml")
# sizes: PROCESSORSxQUEUES...; hosts: settings of the NIC, with a | between two hosts, - for none, of which
# profile=NAME is one; check: those of SIZE/NVSP that make check records, on the first of the hosts; guest: last,
# where a driver is left in such a state that no other recording may follow in this guest
KEYS = {"title", "seconds", "driver", "sizes", "nvsp", "hosts", "vf", "check", "guest"}
ROW = {"recordings", "section", "reason"}
LINES = {"stock", "ours"}
STOPPED = "STOP: "  # begins a line that says why a recording ended early
CACHED = "said-stock"
SCRIPTS = ("record.sh", "lib.sh", "wiretext", "netup")  # of tests/guest, that all recordings use
SHOWN = 60  # lines of what differs
UNLOAD_SECONDS = 30


@dataclasses.dataclass(frozen=True)
class Difference:
    """One that is meant: lines of both drivers in the same place, or of one of them only."""

    recordings: tuple  # patterns of the shell
    place: re.Pattern  # of the title and the command above it
    lines: tuple  # a pattern for each of the two drivers; None: it has no such line
    section: str
    reason: str

    def is_for(self, name, place=None):
        return any(fnmatch.fnmatch(name, pattern) for pattern in self.recordings) and (
            place is None or self.place.search(place)
        )


@dataclasses.dataclass
class Recording:
    name: str
    title: str
    seconds: float
    load: bool
    last: bool
    specs: list  # of vm.Spec, but for the driver
    tools: tuple  # of tests/guest, beside SCRIPTS

    def limit(self):
        return 6 * self.seconds + 60


def differences(path=DIFFERENCES):
    """Those of the table."""
    try:
        with open(path, "rb") as f:
            rows = tomllib.load(f)["difference"]
    except tomllib.TOMLDecodeError as e:
        raise usage(f"{path}: {e}") from None
    found = []
    for row in rows:
        lines = tuple(re.compile(row[key]) if key in row else None for key in ("stock", "ours"))
        if lines == (None, None) or set(row) - LINES - {"place"} != ROW:
            raise usage(f"{path}: an entry has no line, lacks a key or has another one: {row}")
        place = re.compile(row.get("place", ""))
        found.append(
            Difference(tuple(row["recordings"]), place, lines, row["section"], row["reason"])
        )
    return found


def _hosts(text):
    for words in text.split("|"):
        yield dict(word.partition("=")[::2] for word in words.split() if word != "-")


def _in_check(header, specs):
    """Those that make check records."""
    found = []
    for word in header.get("check", "").split():
        fit = [s for s in specs if f"{s.cpus}x{s.queues}/{s.nvsp}" == word]
        if not fit:
            raise ValueError(f"check: {word}")
        found.append(fit[0])
    return found


def _load(name, kernel, brief):
    path = os.path.join(DIRECTORY, name)
    header = read(path, KEYS)
    if not header.get("title") or not os.access(path, os.X_OK):
        raise usage(f"{path} has no title, or is not executable")
    try:
        seconds = float(header["seconds"])
        sizes = [tuple(map(int, size.split("x"))) for size in header.get("sizes", "4x4").split()]
        vfs = sriov.parse(header.get("vf", "").split())
        hosts = [(host.pop("profile", None), host) for host in _hosts(header.get("hosts", "-"))]
        specs = [
            vm.Spec(
                kernel=kernel,
                cpus=cpus,
                queues=queues,
                nvsp=nvsp,
                profile=profile,
                host=host,
                vfs=vfs,
                wire=True,
            )
            for (cpus, queues), (profile, host) in itertools.product(sizes, hosts)
            for nvsp in header.get("nvsp", emulator.profile(profile).get("nvsp", "6.1")).split()
        ]
        in_check = _in_check(header, specs)
        if (guest := header.get("guest", "last")) != "last":
            raise ValueError(f"guest: {guest}")
    except (KeyError, ValueError) as e:
        raise usage(f"{path}: its header lacks or garbles {e}") from None
    load = header.get("driver", "load") == "load"
    used = re.findall(r"(?:\$tools|/src/tests/guest)/([\w.]+)", _read(path))
    tools = tuple(sorted(set(used) - set(SCRIPTS)))
    last = "guest" in header
    return Recording(name, header["title"], seconds, load, last, in_check if brief else specs, tools)


def choose(names, kernel, brief=False):
    """The recordings that names (or prefixes) mean, all without a name; briefly as in make check."""
    known = sorted(n for n in os.listdir(DIRECTORY) if not n.startswith((".", "_")))
    for word in names:
        if not any(name.startswith(word) for name in known):
            raise usage(f"no such recording: {word} (there are: {' '.join(known)})")
    chosen = [
        name
        for name in known
        if not names
        or name in names
        or any(name.startswith(word) and word not in known for word in names)
    ]
    return [_load(name, kernel, brief) for name in chosen]


def groups(recordings):
    """[(spec, recordings)]: the boots for each driver."""
    found = {}
    for recording in recordings:
        for spec in recording.specs:
            found.setdefault(spec.key(), (spec, []))[1].append(recording)
    return sorted(found.values(), key=lambda item: item[0].key()[3:5])


def _place(spec):
    return f"{spec.cpus}x{spec.queues} {spec.place()}"


def _read(path):
    with open(path, encoding="utf-8", newline="") as f:
        return f.read()


def _write(path, text):
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(text)


class Meant:
    """The table of differences, and which of its rows a run has needed."""

    def __init__(self, rows):
        self._rows = rows
        self._needed = set()

    def unexplained(self, name, pair):
        """What differs between two lists of lines beyond the table: lines with -, + and their place."""
        said = []
        matcher = difflib.SequenceMatcher(None, *pair, autojunk=False)
        for what, a, a_end, b, b_end in matcher.get_opcodes():
            if what == "equal":
                continue
            place = self._place(pair[0][: a + (a < a_end)])
            left = self._without(name, place, pair[0][a:a_end], pair[1][b:b_end])
            if any(left):
                said.append(f"@ {place}")
                said += [f"- {line}" for line in left[0]] + [f"+ {line}" for line in left[1]]
        return said

    @staticmethod
    def _place(lines):
        """The last title among them and the last command below it."""
        title, command = "", ""
        for line in lines:
            if line.startswith("--- "):
                title, command = line, ""
            elif line.startswith("$ "):
                command = line
        return " ".join(filter(None, (title, command))) or "the beginning"

    def _without(self, name, place, stock, ours):
        """What the rows do not explain. A row of two lines takes one of each, as often as there are both."""
        left = [list(stock), list(ours)]
        for at, row in enumerate(self._rows):
            while row.is_for(name, place):
                taken = [self._first(row.lines[i], left[i]) for i in (0, 1)]
                if any(row.lines[i] and taken[i] is None for i in (0, 1)):
                    break
                for i in (0, 1):
                    if taken[i] is not None:
                        del left[i][taken[i]]
                self._needed.add(at)
        return left

    @staticmethod
    def _first(pattern, lines):
        if not pattern:
            return None
        return next((at for at, line in enumerate(lines) if pattern.fullmatch(line)), None)

    def unneeded(self, names):
        """Rows for recordings that ran, which explained nothing."""
        return [
            row
            for at, row in enumerate(self._rows)
            if at not in self._needed and any(row.is_for(n) for n in names)
        ]


class Recorder:
    """Records two drivers, compares, and prints a line per recording."""

    def __init__(self, files, drivers, directory=None, fresh=False):
        self._files, self._drivers, self._directory = files, drivers, directory
        twice = drivers == ("stock", "stock")
        self._fresh = fresh or twice
        self._meant = Meant([] if twice else differences())
        self.counts = results.counts()

    def run(self, boots, whole):
        names = set()
        for spec, recordings in boots:
            started = time.monotonic()
            texts = [self._record(spec, recordings, driver) for driver in self._drivers]
            for recording in recordings:
                self._compare(spec, recording, [text.get(recording.name) for text in texts])
                names.add(recording.name)
            print(f"     {_place(spec)}: {time.monotonic() - started:.0f} s", flush=True)
        if whole:
            for row in self._meant.unneeded(names):
                self._say("FAIL", f"not seen: {row.reason}", [])
        return self.counts

    def _record(self, spec, recordings, driver):
        """{name: text} on a driver; what went wrong is in the text, as its last line."""
        spec = dataclasses.replace(spec, driver=driver)
        if driver != "stock" or self._fresh:
            return self._boots(spec, recordings)
        keys = {r.name: self._key(spec, r) for r in recordings}
        found = {name: cache.find(CACHED, key) for name, key in keys.items()}
        texts = {name: _read(f"{path}/text") for name, path in found.items() if path}
        new = self._boots(spec, [r for r in recordings if r.name not in texts])
        for name, text in new.items():
            if STOPPED not in text:
                cache.obtain(CACHED, keys[name], lambda temp: _write(f"{temp}/text", text))
        return {**texts, **new}

    def _key(self, spec, recording):
        """Of all that Debian's driver says in a recording: it changes with the kernel, the host, the guest's
        user land and the scripts, and with nothing else."""
        inputs = [("file", os.path.join(DIRECTORY, recording.name))]
        inputs += [("file", os.path.join(GUEST, name)) for name in SCRIPTS + recording.tools]
        files = [self._files[key] for key in ("kernel", "disk", "initramfs")]
        files += [self._files["stock"]["initramfs"], emulator.path()]
        return cache.key_of(*(os.path.relpath(f, cache.directory()) for f in files), repr(spec), *inputs)

    def _boots(self, spec, recordings):
        texts, guest = {}, None
        todo = list(recordings)
        while todo:
            try:
                if guest and not self._unload(guest):
                    texts[list(texts)[-1]] += self._stays(spec)
                    guest.close()
                    guest = None
                if not guest:
                    guest = self._boot(spec)
                    self._unload(guest)
                texts[todo[0].name] = self._one(guest, todo[0])
                guest.tainted |= todo[0].last
            except Stop as e:
                texts[todo[0].name] = f"{STOPPED}{e}\n"
            todo = todo[1:]
            if guest and (guest.dead or guest.tainted):
                guest.close()
                guest = None
        if guest:
            guest.close()
        return texts

    def _boot(self, spec):
        with Progress(f"booting {spec.driver}"):
            deadline = time.monotonic() + 120
            return vm.Vm(spec, self._files, vm.tap_network(spec.nics()), deadline=deadline)

    @staticmethod
    def _unload(guest):
        """Can the driver go?"""
        guest.set_deadline(time.monotonic() + UNLOAD_SECONDS)
        command = "[ ! -d /sys/module/hv_netvsc ] || exec rmmod hv_netvsc"
        try:
            return not guest.exec(["sh", "-c", command])[0]
        except Stop:
            return False

    @staticmethod
    def _stays(spec):
        """What that means: Debian's driver does not forget what a recording made the host forget."""
        return "" if spec.driver == "stock" else f"{STOPPED}the driver cannot be unloaded\n"

    def _one(self, guest, recording):
        """Its text, on a driver that was just loaded, or is not there."""
        guest.set_deadline(time.monotonic() + recording.limit())
        guest.set_up_network(load=recording.load)
        output = bytearray()
        with Progress(f"{guest.spec.driver} {_place(guest.spec)}  {recording.name}"):
            try:
                status = guest.start(
                    [f"/src/tests/same/{recording.name}"], (output.extend, output.extend)
                )()
            except Stop:
                guest.tainted = True
                raise
            finally:
                guest.end_services()
        text = output.decode(errors="replace")
        if status:
            text += f"{STOPPED}exit status {status}\n"
        said = guest.console.new_warnings() + self._complaints(guest)
        return text + "".join(f"{STOPPED}{line}\n" for line in said)

    @staticmethod
    def _complaints(guest):
        """What the host says that the driver must not have done, and forgets."""
        classes = ("violation",) if guest.spec.driver == "stock" else ("violation", "promise")
        found = [
            f"{item['class']} {item['kind']}, {item['count']} times; first: {item['first']}"
            for item in guest.audit()
            if item["class"] in classes
        ]
        guest.host(["vmbus-do", "audit-clear"])
        return found

    def _compare(self, spec, recording, pair):
        for driver, text in zip(("stock", "ours"), pair):
            self._keep(spec, recording.name, driver, text)
        place = f"{_place(spec):28} {recording.name:16}"
        stops = [
            f"{driver}: {line}"
            for driver, text in zip(self._drivers, pair)
            for line in text.splitlines()
            if line.startswith(STOPPED)
        ]
        lines = [text.splitlines() for text in pair]
        said = stops + self._meant.unexplained(recording.name, lines)
        self._say("FAIL" if said else "ok", f"{place} {len(lines[0])} lines", said)

    def _keep(self, spec, name, side, text):
        if self._directory:
            path = os.path.join(self._directory, f"{name}.{_place(spec).replace(' ', '-')}.{side}")
            _write(path, text)

    def _say(self, verdict, text, lines):
        more = [f"... {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
        results.add(self.counts, verdict, f"same  {text}", lines[:SHOWN] + more)
