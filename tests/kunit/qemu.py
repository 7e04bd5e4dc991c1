# SPDX-License-Identifier: GPL-2.0-only
"""kunit.py's --qemu_config for the harness: a panic ends the emulator, and kunit_shutdown=, which
kunit.py appends, goes to init and not to the kernel: it runs on after the last suite."""

from ..qemu_config import QemuArchParams

QEMU_ARCH = QemuArchParams(
    linux_arch="x86_64",
    kconfig="",
    qemu_arch="x86_64",
    kernel_path="arch/x86/boot/bzImage",
    kernel_command_line="console=ttyS0 8250.nr_uarts=1 panic=-1 tsc=reliable no_timer_check --",
    extra_qemu_params=["-bios", "qboot.rom"],
)
