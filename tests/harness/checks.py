# SPDX-License-Identifier: GPL-2.0-only
"""tests/check: programs that look at the tree or at the runner itself, without a guest of ours."""

import os
import subprocess
import time

from common import TESTS, usage
from progress import Progress

DIRECTORY = os.path.join(TESTS, "check")
LIMIT = 600


def names(wanted):
    """The checks that wanted (names or prefixes) mean; all without one."""
    found = sorted(n for n in os.listdir(DIRECTORY) if os.access(os.path.join(DIRECTORY, n), os.X_OK))
    for word in wanted:
        if not any(n.startswith(word) for n in found):
            raise usage(f"no such check: {word} (there are: {' '.join(found)})")
    return [n for n in found if not wanted or any(n.startswith(w) for w in wanted)]


def _one(name):
    with Progress(f"check {name}"):
        try:
            done = subprocess.run([os.path.join(DIRECTORY, name)], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT)
        except subprocess.TimeoutExpired as e:
            return 124, e.stdout or b""
    return done.returncode, done.stdout


def run(chosen):
    """Run them, a line each; the counts by verdict."""
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    for name in chosen:
        started = time.monotonic()
        status, output = _one(name)
        verdict = "FAIL" if status else "ok"
        counts[verdict] += 1
        print(f"{verdict:4} check  {name:30} {time.monotonic() - started:6.1f}s", flush=True)
        if status:
            for line in output.decode(errors="replace").splitlines()[-40:]:
                print(f"    | {line}", flush=True)
    return counts
