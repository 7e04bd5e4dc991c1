/* SPDX-License-Identifier: GPL-2.0-only */
/* Tests of the RNDIS codec in user space: what their files share. */
#ifndef _CODEC_H
#define _CODEC_H

#include <errno.h>
#include <stdio.h>

#include "rndis_msg.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof(*(a)))

struct codec_test {
	const char *name;
	void (*run)(void);
};

extern const struct codec_test golden_tests[], malformed_tests[], exhaustive_tests[];

/* main.c: the test fails; fuzz.c: the program ends */
void codec_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define EXPECT(what, got, want) do { \
	long got_ = (long)(got), want_ = (long)(want); \
	if (got_ != want_) \
		codec_fail("%s: %s is 0x%lx, not 0x%lx", what, #got, got_, want_); \
} while (0)

/* A message under construction */
static inline void put32(u8 *bytes, u32 at, u32 word)
{
	for (int i = 0; i < 4; i++)
		bytes[at + i] = word >> 8 * i;
}

static inline u32 get32(const u8 *bytes, u64 at)
{
	return bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 |
	       (u32)bytes[at + 3] << 24;
}

/*
 * watch.c: sees every fetch from the memory given. A hostile one changes each
 * byte as soon as it was fetched.
 */
void watch_begin(void *memory, u32 len, bool hostile);
u32 watch_end(void);

/*
 * checked.c: call the codec on a copy of exactly len bytes, so that the sanitizer
 * sees whatever is read beyond it; compare with the model, and with what comes
 * out when the host interferes. Return what the codec did.
 */
int checked_type(const u8 *bytes, u32 len, u32 *type);
int checked_parse(const u8 *bytes, u32 len, struct rndis_rx_desc *desc);
int checked_reply(const u8 *bytes, u32 len, struct rndis_reply *reply);
int checked_event(const u8 *bytes, u32 len, struct rndis_event *event);
u32 checked_build(u8 *bytes, const struct rndis_tx_desc *desc);

/* model.c: the protocol's rules once more, written to be obvious */
int model_type(const u8 *bytes, u64 len, u32 *type);
int model_parse(const u8 *bytes, u64 len, struct rndis_rx_desc *desc);
int model_reply(const u8 *bytes, u64 len, struct rndis_reply *reply);
int model_event(const u8 *bytes, u64 len, struct rndis_event *event);

#endif
