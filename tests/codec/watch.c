// SPDX-License-Identifier: GPL-2.0-only
/* The host's side of a message's memory. */
#include <asm/byteorder.h>

#include "codec.h"

#include <stdlib.h>
#include <string.h>

#define WATCHED_MAX 8192

static struct {
	u8 *memory;
	u32 len;
	bool hostile;
	u32 fetches;	/* from the memory */
	u32 looks;	/* words converted, wherever they came from */
	u8 seen[WATCHED_MAX];
} watch;

void watch_begin(void *memory, u32 len, bool hostile)
{
	if (len > WATCHED_MAX)
		codec_fail("%u bytes are too many to watch", len);
	watch.memory = memory;
	watch.len = len;
	watch.hostile = hostile;
	watch.fetches = 0;
	watch.looks = 0;
	memset(watch.seen, 0, len);
}

/* Number of words fetched */
u32 watch_end(void)
{
	if (watch.looks != watch.fetches)
		codec_fail("%u words looked at, but %u fetched", watch.looks,
			   watch.fetches);
	watch.memory = NULL;
	return watch.fetches;
}

void *codec_memcpy(void *to, const void *from, size_t len)
{
	memcpy(to, from, len);
	if (!watch.memory)
		return to;
	if (watch.fetches++ > WATCHED_MAX) {
		codec_fail("endless: %u fetches from %u bytes", watch.fetches, watch.len);
		abort();
	}
	for (size_t i = 0, at = (u8 *)from - watch.memory; i < len; i++, at++) {
		if (at >= watch.len) {
			codec_fail("byte %zd of %u fetched", at, watch.len);
			break;
		}
		if (watch.seen[at]++)
			codec_fail("byte %zu fetched twice", at);
		if (watch.hostile)
			watch.memory[at] ^= 0xff;
	}
	return to;
}

u32 codec_le32_to_cpu(__le32 word)
{
	watch.looks++;
	return le32toh(word);
}
