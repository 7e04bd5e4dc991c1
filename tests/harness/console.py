# SPDX-License-Identifier: GPL-2.0-only
"""The guest's console: what in it is a failure."""

import re

WARNING = re.compile(
    r"WARNING: |BUG: |Oops|Kernel panic|KASAN|KCSAN|UBSAN|general protection fault|"
    r"INFO: task .* blocked|detected stalls? on|rcu_\w+ kthread starved|possible recursive locking|"
    r"possible circular locking|inconsistent lock state|suspicious RCU usage|"
    r"sleeping function called|"
    r"unregister_netdevice: waiting|kmemleak: [1-9]|NETDEV WATCHDOG|"
    r"invalid opcode|Unable to handle kernel|list_(add|del) corruption|refcount_t: "
)


class Console:
    """Reads the log as it grows, and remembers where the next question begins."""

    def __init__(self, path):
        self._path = path
        self._seen = 0

    def text(self):
        try:
            with open(self._path, "rb") as f:
                return f.read().decode(errors="replace").replace("\r", "")
        except FileNotFoundError:
            return ""

    def tail(self, lines):
        return "\n".join(self.text().splitlines()[-lines:])

    def new_warnings(self):
        """The lines since the last call that tell of a fault in the kernel."""
        text = self.text()
        fresh, self._seen = text[self._seen :], len(text)
        return [line for line in fresh.splitlines() if WARNING.search(line)]
