# SPDX-License-Identifier: GPL-2.0-only
"""tests/run: see --help."""

import sys

import cli

if __name__ == "__main__":
    sys.exit(cli.main(sys.argv[1:]))
