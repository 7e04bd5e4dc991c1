# SPDX-License-Identifier: GPL-2.0-only
# The user's commands. tests/run does the work; see tests/run --help.

help:
	@echo 'make demo         boot an unmodified Debian guest on the emulated Hyper-V host and move traffic'
	@echo 'make check        run all tests'
	@echo 'make clean-cache  delete what the tests keep outside the checkout (emulator, kernels, images)'

demo:
	tests/run demo

check:
	tests/run

clean-cache:
	rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/hv_netvsc"

.PHONY: help demo check clean-cache
