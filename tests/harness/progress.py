# SPDX-License-Identifier: GPL-2.0-only
"""No silent minute: a line on stderr as long as something goes on."""

import threading
import time

from common import note

INTERVAL = 20


class Progress:
    """with Progress("what"): says every INTERVAL seconds that it is still at it."""

    def __init__(self, what):
        self._what = what
        self._done = threading.Event()

    def __enter__(self):
        self._started = time.monotonic()
        threading.Thread(target=self._tell, daemon=True).start()
        return self

    def _tell(self):
        while not self._done.wait(INTERVAL):
            note(f"...  {self._what}, {time.monotonic() - self._started:.0f} s")

    def __exit__(self, *_):
        self._done.set()
