# SPDX-License-Identifier: GPL-2.0-only
"""Work that two processes do side by side, as guests seldom keep more than one processor busy.

Each has namespaces of its own, and so its own peer, and takes what is next when it is through.
"""

import json
import os

import results
import sandbox
from common import HARNESS

COUNT = 2


class _Queue:
    """Numbers below count, each of which one process gets."""

    def __init__(self, count):
        self._reader, writer = os.pipe()
        os.write(writer, b"".join(number.to_bytes(2, "little") for number in range(count)))
        os.close(writer)

    def __iter__(self):
        while number := os.read(self._reader, 2):
            yield int.from_bytes(number, "little")


def _work(queue, work):
    total = results.counts()
    for number in queue:
        results.include(total, work[number]())
    return total


def _other_lane(queue, work, writer):
    total = _work(queue, work)
    with os.fdopen(writer, "w") as f:
        json.dump([total, results.failures()], f)
    return 0


def run(first, work):
    """Do all of work, functions that return counts, and before it first, a list of them, in this process.
    To be called inside sandbox.contained(). The counts of all."""
    queue = _Queue(len(work))
    reader, writer = os.pipe()
    child = sandbox.beside(lambda: _other_lane(queue, work, writer))
    os.close(writer)
    total = results.counts()
    for function in first:
        results.include(total, function())
    results.include(total, _work(queue, work))
    with os.fdopen(reader) as f:
        said = f.read()
    _, status = os.waitpid(child, 0)
    if said:
        counts, failures = json.loads(said)
        results.include(total, counts, failures)
    else:
        results.add(total, "FAIL", f"the other lane ended with status {status or HARNESS}")
    return total
