/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/exec-all.h"
#include "hv_code.h"
#include "hv_wire.h"

/* More writes than one patch makes; the oldest are forgotten. */
#define WRITES  32

static __thread uint8_t seen[HV_PAGE_SIZE];
static __thread struct {
    uint64_t at;
    unsigned size;
} writes[WRITES];
static __thread unsigned nwrites;

/* A block may run into the next page; only its part in the first is compared. */
static size_t to_page_end(const void *code)
{
    return HV_PAGE_SIZE - (uintptr_t)code % HV_PAGE_SIZE;
}

void hv_code_remember(const void *code)
{
    if (code) {
        memcpy(seen, code, to_page_end(code));
    }
}

bool hv_code_changed(const void *code, size_t size)
{
    return code && memcmp(seen, code, MIN(size, to_page_end(code)));
}

void hv_code_written(uint64_t ram_addr, unsigned size)
{
    unsigned i = nwrites++ % WRITES;

    writes[i].at = ram_addr;
    writes[i].size = size;
}

void hv_code_settle(void)
{
    for (unsigned i = 0; i < MIN(nwrites, WRITES); i++) {
        tb_invalidate_phys_range(writes[i].at, writes[i].at + writes[i].size);
    }
    nwrites = 0;
}
