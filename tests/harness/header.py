# SPDX-License-Identifier: GPL-2.0-only
"""The `# key: value` lines at the top of a scenario or of a check."""

import re

from common import usage


def read(path, keys):
    """Those of a file, as a dict; a key that is not one of keys is a mistake."""
    found = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            if not line.startswith("#"):
                break
            match = re.match(r"# ([\w.]+): *(.*\S)", line)
            if match and match[1] in found:
                raise usage(f"{path}: {match[1]} is declared twice")
            if match and match[1] in keys:
                found[match[1]] = match[2]
            elif match:
                raise usage(f"{path}: unknown key {match[1]} (known: {', '.join(sorted(keys))})")
    return found
