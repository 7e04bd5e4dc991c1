// SPDX-License-Identifier: GPL-2.0-only
/* The codec, called so that whatever it does wrong shows. */
#include "codec.h"

#include <stdlib.h>
#include <string.h>

#define UNTOUCHED 0x5c

/* Exactly len bytes; the sanitizer knows what is behind them */
static u8 *exact(const u8 *bytes, u32 len)
{
	u8 *copy = malloc(len);

	if (!copy)
		abort();
	memcpy(copy, bytes, len);
	return copy;
}

static u32 msg_type_fetches(u32 len)
{
	return len < 8 ? 0 : 2;
}

int checked_type(const u8 *bytes, u32 len, u32 *type)
{
	u32 want = UNTOUCHED;
	int hostile, err = 0;

	for (hostile = 0; hostile <= 1; hostile++) {
		u8 *msg = exact(bytes, len);

		*type = UNTOUCHED;
		watch_begin(msg, len, hostile);
		err = rndis_msg_type(msg, len, type);
		if (watch_end() > msg_type_fetches(len))
			codec_fail("type: too many fetches");
		free(msg);
		EXPECT("type: result", err, model_type(bytes, len, &want));
		EXPECT("type", *type, want);
	}
	return err;
}

static void same_desc(const struct rndis_rx_desc *got, const struct rndis_rx_desc *want)
{
	EXPECT("parse", got->data_offset, want->data_offset);
	EXPECT("parse", got->data_len, want->data_len);
	EXPECT("parse", got->infos, want->infos);
	EXPECT("parse", got->hash, want->hash);
	EXPECT("parse", got->csum, want->csum);
	EXPECT("parse", got->vlan_tci, want->vlan_tci);
	EXPECT("parse", got->packet_id, want->packet_id);
}

/* Five words of the header, and four of each info, which has at least 12 bytes */
static u32 parse_fetches(u32 len)
{
	return len < 44 ? 0 : 5 + (len - 44) / 12 * 4;
}

int checked_parse(const u8 *bytes, u32 len, struct rndis_rx_desc *desc)
{
	struct rndis_rx_desc want;
	int hostile, err = 0;

	for (hostile = 0; hostile <= 1; hostile++) {
		u8 *msg = exact(bytes, len);

		/* what is not said must stay as it was: here it is not zero */
		memset(desc, UNTOUCHED, sizeof(*desc));
		memset(&want, UNTOUCHED, sizeof(want));
		watch_begin(msg, len, hostile);
		err = rndis_msg_parse(msg, len, desc);
		if (watch_end() > parse_fetches(len))
			codec_fail("parse: too many fetches");
		free(msg);
		EXPECT("parse: result", err, model_parse(bytes, len, &want));
		if (!err)
			same_desc(desc, &want);
	}
	return err;
}

int checked_reply(const u8 *bytes, u32 len, struct rndis_reply *reply)
{
	struct rndis_reply want;
	u8 *msg = exact(bytes, len);
	int err;

	memset(reply, UNTOUCHED, sizeof(*reply));
	memset(&want, UNTOUCHED, sizeof(want));
	err = rndis_msg_parse_reply(msg, len, reply);
	free(msg);
	EXPECT("reply: result", err, model_reply(bytes, len, &want));
	if (err)
		return err;
	EXPECT("reply", reply->type, want.type);
	EXPECT("reply", reply->id, want.id);
	EXPECT("reply", reply->status, want.status);
	EXPECT("reply", reply->info_offset, want.info_offset);
	EXPECT("reply", reply->info_len, want.info_len);
	return 0;
}

int checked_event(const u8 *bytes, u32 len, struct rndis_event *event)
{
	struct rndis_event want;
	int hostile, err = 0;

	for (hostile = 0; hostile <= 1; hostile++) {
		u8 *msg = exact(bytes, len);

		*event = (struct rndis_event){ UNTOUCHED, true, UNTOUCHED };
		want = *event;
		watch_begin(msg, len, hostile);
		err = rndis_msg_parse_event(msg, len, event);
		if (watch_end() > 4)
			codec_fail("event: too many fetches");
		free(msg);
		EXPECT("event: result", err, model_event(bytes, len, &want));
		if (err)
			continue;
		EXPECT("event", event->status, want.status);
		EXPECT("event", event->has_value, want.has_value);
		EXPECT("event", event->value, want.value);
	}
	return err;
}

/*
 * Builds twice, over different garbage: what it writes must not depend on what
 * was there, and it must write all that it says.
 */
u32 checked_build(u8 *bytes, const struct rndis_tx_desc *desc)
{
	u32 len = rndis_msg_hdr_len(desc);
	int garbage;

	for (garbage = 0x00; garbage <= 0xff; garbage += 0xff) {
		u8 *msg = malloc(len);

		if (!msg)
			abort();
		memset(msg, garbage, len);
		EXPECT("build: length", rndis_msg_build(msg, desc), len);
		if (garbage && memcmp(msg, bytes, len))
			codec_fail("build: not all of %u bytes written", len);
		memcpy(bytes, msg, len);
		free(msg);
	}
	return len;
}
