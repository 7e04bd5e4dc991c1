/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guard around QEMU's translator.
 *
 * In QEMU 7.2 a processor may translate code that another one is patching, and
 * keep the stale block: a page is protected only when the finished block is
 * linked to it, and a write to protected code first drops the blocks and then
 * writes.  A Linux guest meets this when it patches static keys: a block that
 * caught the temporary int3 makes it panic later ("Oops: int3").  Flipping a
 * static key in a loop on four busy processors shows it within a minute; see
 * tests/scenarios/host-patching.
 *
 * So a new block is compared with its bytes once more after it is linked, and
 * a processor that wrote to code drops the blocks there once more after the
 * write, when it next loads a control register, as Linux does after each patch
 * when it leaves its temporary address space.
 */
#ifndef HV_CODE_H
#define HV_CODE_H

/* hv_code_remember: @code, to the end of its page, is about to be translated. */
void hv_code_remember(const void *code);

/* hv_code_changed: did the first @size bytes change since; after linking. */
bool hv_code_changed(const void *code, size_t size);

/* hv_code_written: this processor is about to write @size bytes of code. */
void hv_code_written(uint64_t ram_addr, unsigned size);

/* hv_code_settle: what it wrote is in memory now. */
void hv_code_settle(void);

#endif
