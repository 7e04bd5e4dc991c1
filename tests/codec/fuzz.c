// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer's target. The first byte of an input chooses what the others are.
 * Exit as soon as codec and model disagree, or the sanitizers find something.
 */
#include "codec.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX 4096

void codec_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	abort();
}

/* What is built must be parsed to the same again */
static void round_trip(const u8 *bytes, u32 len)
{
	u8 msg[RNDIS_TX_HDR_MAX + UINT8_MAX];
	struct rndis_rx_desc rx;
	struct rndis_tx_desc tx;
	u32 hdr_len;

	if (len < 20)
		return;
	memset(msg, 0, sizeof(msg));
	tx.data_len = bytes[0] ? bytes[0] : 1;
	tx.pad = bytes[1] % (UINT8_MAX + 1 - tx.data_len);
	tx.infos = bytes[2] & (RNDIS_INFO_HASH | RNDIS_INFO_VLAN | RNDIS_INFO_LSO |
			       RNDIS_INFO_CSUM);
	tx.hash = get32(bytes, 4);
	tx.csum = get32(bytes, 8);
	tx.lso = get32(bytes, 12);
	tx.vlan_tci = get32(bytes, 16);
	hdr_len = checked_build(msg, &tx);

	EXPECT("round trip", checked_parse(msg, hdr_len + tx.data_len + tx.pad, &rx), 0);
	EXPECT("round trip", rx.data_offset, hdr_len);
	EXPECT("round trip", rx.data_len, tx.data_len);
	EXPECT("round trip", rx.infos, tx.infos & ~RNDIS_INFO_LSO);
	if (tx.infos & RNDIS_INFO_HASH)
		EXPECT("round trip", rx.hash, tx.hash);
	if (tx.infos & RNDIS_INFO_VLAN)
		EXPECT("round trip", rx.vlan_tci, tx.vlan_tci);
}

int LLVMFuzzerTestOneInput(const u8 *bytes, size_t len);

int LLVMFuzzerTestOneInput(const u8 *bytes, size_t len)
{
	struct rndis_rx_desc desc;
	struct rndis_reply reply;
	struct rndis_event event;
	u32 type;

	if (!len || len > INPUT_MAX)
		return 0;
	len--;
	switch (*bytes++ % 4) {
	case 0:
		checked_type(bytes, len, &type);
		checked_parse(bytes, len, &desc);
		break;
	case 1:
		checked_reply(bytes, len, &reply);
		break;
	case 2:
		checked_event(bytes, len, &event);
		break;
	case 3:
		round_trip(bytes, len);
		break;
	}
	return 0;
}
