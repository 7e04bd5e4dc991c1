# SPDX-License-Identifier: GPL-2.0-only
"""TCP connections that carry data both ways, compared on arrival, while a test changes something."""

import os
import re
import subprocess
import sys

from xdplib import TOOLS, equal, run, say, wait_for


class Streams:
    """pause: seconds between two sends of each end, so that it leaves the processors to others."""

    def __init__(self, flows=1, pause=0.1, port=6100):
        self.flows, self.port = flows, port
        words = [f"{TOOLS}/tcpstream", "--flows", str(flows), "--pause", str(pause)]
        ends = [os.environ["PEER4"], str(port)]
        self.there = subprocess.Popen(["peer", *words, "--listen", *ends], stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True)
        self.here = subprocess.Popen([*words, *ends], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.last = {}
        self.moves()

    def _bytes(self):
        """{port: (acknowledged, received)} of each."""
        text = run("ss", "-HOtin", "dst", os.environ["PEER4"], "dport", "=", str(self.port))
        found = re.findall(r":(\d+) +\S+:\d+ .*bytes_acked:(\d+) .*bytes_received:(\d+)", text)
        return {port: (int(acked), int(received)) for port, acked, received in found}

    def check(self):
        for end in self.here, self.there:
            if end.poll() is not None:
                sys.exit(f"FAIL: the streams ended: {end.stdout.read()}")

    def _moved(self):
        self.check()
        now = self._bytes()
        return len(now) == self.flows and all(
            now[port][way] > self.last.get(port, (0, 0))[way] + 100000 // self.flows for port in now for way in (0, 1))

    def moves(self, seconds=20):
        """Wait until data has passed both ways in each, from now on."""
        self.last = self._bytes()
        wait_for("data both ways in all streams", self._moved, seconds)

    def stop(self):
        """What each end sent, the other one got, and nothing came wrong."""
        self.check()
        self.here.terminate()
        here, there = (end.communicate()[0].strip() for end in (self.here, self.there))
        equal("status of the ends", (0, 0), (self.here.returncode, self.there.returncode))
        equal("bytes", here, re.sub(r"sent (.*) received (.*)", r"sent \2 received \1", there))
        say("streams:", here)
