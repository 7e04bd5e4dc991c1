# SPDX-License-Identifier: GPL-2.0-only
"""tests/check: programs that look at the tree or at the harness, and may boot guests themselves."""

import dataclasses
import os
import signal
import subprocess
import tempfile
import time

import results
import sandbox
from common import TESTS, TIMEOUT, usage
from header import read
from progress import Progress

# The test of the runner has checks of its own, to be interrupted.
DIRECTORY = os.environ.get("HV_CHECKS") or os.path.join(TESTS, "check")


@dataclasses.dataclass
class Check:
    name: str
    path: str
    seconds: float

    def limit(self):
        return 6 * self.seconds + 60


def _load(name):
    path = os.path.join(DIRECTORY, name)
    header = read(path, {"seconds"})
    try:
        return Check(name, path, float(header["seconds"]))
    except (KeyError, ValueError) as e:
        raise usage(f"{path}: its header lacks or garbles {e}") from None


def choose(wanted):
    """The checks that wanted (names or prefixes) mean; all without one. Cheapest first."""
    found = [
        _load(n)
        for n in sorted(os.listdir(DIRECTORY))
        if os.access(os.path.join(DIRECTORY, n), os.X_OK)
    ]
    for word in wanted:
        if not any(c.name.startswith(word) for c in found):
            known = " ".join(c.name for c in found)
            raise usage(f"no such check: {word} (there are: {known})")
    chosen = [c for c in found if not wanted or any(c.name.startswith(w) for w in wanted)]
    return sorted(chosen, key=lambda c: c.seconds)


def _wait(process, limit):
    """Its status. What it left in its session ends with it, as nobody else knows of that."""
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        return TIMEOUT
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def _one(check):
    """(status, output) of a check. Its files are in the private root, which goes away with us."""
    place = "/" if sandbox.private else None
    with tempfile.TemporaryDirectory(
        prefix="hv-check-", dir=place, ignore_cleanup_errors=True
    ) as temp, tempfile.TemporaryFile(dir=place) as output, Progress(f"check {check.name}"):
        process = subprocess.Popen(
            [check.path],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": temp},
            start_new_session=True,
        )
        status = _wait(process, check.limit())
        output.seek(0)
        return status, output.read()


def run(chosen):
    """Run them, a line each; the counts by verdict. To be called inside sandbox.contained()."""
    counts = results.counts()
    for check in chosen:
        started = time.monotonic()
        status, output = _one(check)
        verdict = "FAIL" if status else "ok"
        lines = output.decode(errors="replace").splitlines()[-40:]
        seconds = time.monotonic() - started
        results.add(
            counts,
            verdict,
            f"check  {check.name:30} {seconds:6.1f}s",
            [f"exit status {status}", *lines] if status else (),
        )
    return counts
