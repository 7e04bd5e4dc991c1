# SPDX-License-Identifier: GPL-2.0-only
"""What every module needs: paths, errors, and running a tool."""

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TESTS = os.path.join(ROOT, "tests")
GUEST = os.path.join(TESTS, "guest")

USAGE = 2
TIMEOUT = 124
HARNESS = 125


class Stop(Exception):
    """Ends the program with one line on stderr and an exit status."""

    def __init__(self, message, status=HARNESS):
        super().__init__(message)
        self.status = status


def usage(message):
    """The error of a user's mistake, or of a machine that lacks something."""
    return Stop(message, USAGE)


def note(message):
    print(message, file=sys.stderr, flush=True)


def tool(*argv, **kwargs):
    """Run a tool; return its stdout as text. Its failure is ours, with the end of its stderr."""
    try:
        done = subprocess.run(
            argv,
            stdin=kwargs.pop("stdin", subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **kwargs,
        )
    except FileNotFoundError:
        raise usage(f"{argv[0]} is not installed: run tests/setup") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise Stop(f"{argv[0]} failed ({done.returncode}): {lines[-1]}")
    return done.stdout.decode(errors="replace")
