# SPDX-License-Identifier: GPL-2.0-only
# Kbuild reads the first part, in drivers/net/hyperv as well as out of a kernel's tree; the second
# one holds the user's commands (make help).

ifneq ($(KERNELRELEASE),)

ifneq ($(KBUILD_EXTMOD),)
CONFIG_HYPERV_NET := m
endif

obj-$(CONFIG_HYPERV_NET) += hv_netvsc.o

hv_netvsc-y := netvsc_drv.o netvsc_debugfs.o netvsc_ethtool.o netvsc_vf.o netvsc_config.o netvsc_rx.o netvsc_bpf.o \
	       netvsc_tx.o rndis_filter.o netvsc.o netvsc_vmbus.o rndis_msg.o netvsc_trace.o
hv_netvsc-$(CONFIG_HYPERV_NET_KUNIT_TEST) += tests/kunit/fake_bus.o
hv_netvsc-$(CONFIG_HYPERV_NET_KUNIT_TEST) += tests/kunit/bpf_test.o
hv_netvsc-$(CONFIG_HYPERV_NET_KUNIT_TEST) += tests/kunit/nvsp_test.o
hv_netvsc-$(CONFIG_HYPERV_NET_KUNIT_TEST) += tests/kunit/rndis_test.o
hv_netvsc-$(CONFIG_HYPERV_NET_KUNIT_TEST) += tests/kunit/config_test.o
hv_netvsc-$(CONFIG_HYPERV_NET_KUNIT_TEST) += tests/kunit/interface_test.o
hv_netvsc-$(CONFIG_HYPERV_NET_KUNIT_TEST) += tests/kunit/debugfs_test.o
hv_netvsc-$(CONFIG_HYPERV_NET_KUNIT_TEST) += tests/kunit/ethtool_test.o

hv_netvsc-$(CONFIG_HYPERV_NET_KUNIT_TEST) += \
	tests/kunit/datapath.o tests/kunit/netvsc_tx_test.o tests/kunit/netvsc_rx_test.o

# TRACE_INCLUDE_PATH is relative to the include path.
CFLAGS_netvsc_trace.o := -I$(src)

else

KDIR ?= /lib/modules/$(shell uname -r)/build
INSTALL_MOD_DIR ?= updates
DEPMOD ?= depmod

# sbin, where depmod is, need not be in the path of who installs
export PATH := $(PATH):/usr/sbin:/sbin

here := $(CURDIR)
release = $(shell cat '$(KDIR)/include/config/kernel.release' 2>/dev/null || \
		  $(MAKE) -s --no-print-directory -C '$(KDIR)' kernelrelease)
installed = $(INSTALL_MOD_PATH)/lib/modules/$(release)
kbuild = $(MAKE) -C '$(KDIR)' M='$(here)'
run_depmod = $(DEPMOD) $(if $(INSTALL_MOD_PATH),-b '$(INSTALL_MOD_PATH)') $(release)

modules: | $(KDIR)
	+$(kbuild) modules

$(KDIR):
	@echo '$@: no such directory: install the headers of the kernel, or say KDIR=DIRECTORY' >&2
	@exit 1

# updates/ comes before the kernel's own modules for depmod, and so for modprobe.
install: modules
	install -D -m 644 hv_netvsc.ko '$(installed)/$(INSTALL_MOD_DIR)/hv_netvsc.ko'
	$(run_depmod)

uninstall: | $(KDIR)
	rm -f '$(installed)/$(INSTALL_MOD_DIR)/hv_netvsc.ko'
	$(run_depmod)

clean: | $(KDIR)
	+$(kbuild) clean

help:
	@echo 'make              build hv_netvsc.ko for the running kernel; KDIR=DIRECTORY: for that one'
	@echo 'make install      put it where modprobe prefers it to the kernel'"'"'s own (INSTALL_MOD_PATH=ROOT)'
	@echo 'make uninstall    take it away again'
	@echo 'make clean        delete what the build made here'
	@echo 'make demo         boot a Debian guest with it on the emulated Hyper-V host and move traffic'
	@echo 'make check        run all tests'
	@echo 'make clean-cache  delete what the tests keep outside the checkout (emulator, kernels, images)'

demo:
	tests/run demo

check:
	tests/run

clean-cache:
	rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/hv_netvsc"

.DEFAULT_GOAL := modules
.PHONY: modules install uninstall clean help demo check clean-cache

endif
