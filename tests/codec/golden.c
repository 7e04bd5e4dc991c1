// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages as the protocol reference has them, word for word. Numbers in brackets
 * name its sections.
 */
#include "codec.h"

#include <string.h>

#define WORDS_MAX 128

/* Words to bytes; returns their number */
static u32 lay(u8 *bytes, const u32 *words, u32 count)
{
	for (u32 i = 0; i < count; i++)
		put32(bytes, 4 * i, words[i]);
	return 4 * count;
}

static void built_as(const struct rndis_tx_desc *tx, const u32 *words, u32 count)
{
	u8 got[RNDIS_TX_HDR_MAX], want[RNDIS_TX_HDR_MAX];
	u32 len = lay(want, words, count);

	EXPECT("built", checked_build(got, tx), len);
	for (u32 i = 0; i < len; i++)
		if (got[i] != want[i])
			codec_fail("byte %u is %02x, not %02x", i, got[i], want[i]);
}

#define BUILT_AS(tx, words) built_as(tx, words, ARRAY_SIZE(words))

/* The example of [3.3]: a tagged TCP frame of 98 bytes; VLAN 100, priority 3 */
static const u32 example[] = {
	1, 174, 68, 98, 0, 0, 0, 36, 32, 0, 0,
	16, 6, 12, 3 | 0 << 3 | 100 << 4,
	16, 0, 12, 0x00220005,
};

static const struct rndis_tx_desc example_tx = {
	.data_len = 98,
	.infos = RNDIS_INFO_VLAN | RNDIS_INFO_CSUM,
	.vlan_tci = 3 << 13 | 100,
	.csum = RNDIS_TX_CSUM_IPV4 | RNDIS_TX_CSUM_TCP | 34 << 16,
};

static void build_example(void)
{
	BUILT_AS(&example_tx, example);
}

static void build_batch_member(void)
{
	struct rndis_tx_desc tx = example_tx;
	u32 words[ARRAY_SIZE(example)];

	memcpy(words, example, sizeof(words));
	words[1] = 176;
	tx.pad = 2;
	BUILT_AS(&tx, words);
}

static void build_bare(void)
{
	static const u32 words[] = { 1, 44 + 60, 36, 60, 0, 0, 0, 0, 0, 0, 0 };
	struct rndis_tx_desc tx = {
		.data_len = 60,
		.hash = ~0u, .csum = ~0u, .lso = ~0u, .vlan_tci = 0xffff,
	};

	BUILT_AS(&tx, words);
}

static void build_hash(void)
{
	static const u32 words[] = {
		1, 44 + 16 + 60, 52, 60, 0, 0, 0, 36, 16, 0, 0,
		16, 8, 12, 0x12345678,
	};
	struct rndis_tx_desc tx = {
		.data_len = 60, .infos = RNDIS_INFO_HASH, .hash = 0x12345678,
	};

	BUILT_AS(&tx, words);
}

static void build_vlan(void)
{
	static const u32 words[] = {
		1, 44 + 16 + 60, 52, 60, 0, 0, 0, 36, 16, 0, 0,
		16, 6, 12, 0x0000fffd,
	};
	struct rndis_tx_desc tx = {
		.data_len = 60, .infos = RNDIS_INFO_VLAN,
		.vlan_tci = 5 << 13 | 1 << 12 | 0xfff,
	};

	BUILT_AS(&tx, words);
}

/* MSS 1460, TCP header at 54, version 2, IPv6 */
static void build_lso(void)
{
	static const u32 words[] = {
		1, 44 + 16 + 60000, 52, 60000, 0, 0, 0, 36, 16, 0, 0,
		16, 2, 12, 0xc36005b4,
	};
	struct rndis_tx_desc tx = {
		.data_len = 60000, .infos = RNDIS_INFO_LSO,
		.lso = RNDIS_LSO_IPV6 | RNDIS_LSO_V2 | 54 << 20 | 1460,
	};

	BUILT_AS(&tx, words);
}

static void build_csum(void)
{
	static const u32 words[] = {
		1, 44 + 16 + 60, 52, 60, 0, 0, 0, 36, 16, 0, 0,
		16, 0, 12, 0x0036000a,
	};
	struct rndis_tx_desc tx = {
		.data_len = 60, .infos = RNDIS_INFO_CSUM,
		.csum = RNDIS_TX_CSUM_IPV6 | RNDIS_TX_CSUM_UDP | 54 << 16,
	};

	BUILT_AS(&tx, words);
}

static void build_all(void)
{
	static const u32 words[] = {
		1, 44 + 64 + 60 + 4, 100, 60, 0, 0, 0, 36, 64, 0, 0,
		16, 8, 12, 1,
		16, 6, 12, 2 << 4,
		16, 2, 12, 3,
		16, 0, 12, 4,
	};
	struct rndis_tx_desc tx = {
		.data_len = 60,
		.pad = 4,
		.infos = RNDIS_INFO_HASH | RNDIS_INFO_VLAN | RNDIS_INFO_LSO |
			 RNDIS_INFO_CSUM,
		.hash = 1, .vlan_tci = 2, .lso = 3, .csum = 4,
	};

	EXPECT("longest header", RNDIS_TX_HDR_MAX, sizeof(words));
	BUILT_AS(&tx, words);
}

/* Message of these words and then zeroes, len bytes in all */
static void parsed_from(const u32 *words, u32 count, u32 len, struct rndis_rx_desc *rx)
{
	u8 bytes[4 * WORDS_MAX] = {};

	lay(bytes, words, count);
	EXPECT("parsed", checked_parse(bytes, len, rx), 0);
}

#define PARSED_FROM(words, len, rx) parsed_from(words, ARRAY_SIZE(words), len, rx)

static void parse_example(void)
{
	struct rndis_rx_desc rx;

	PARSED_FROM(example, 174, &rx);
	EXPECT("example", rx.data_offset, 76);
	EXPECT("example", rx.data_len, 98);
	EXPECT("example", rx.infos, RNDIS_INFO_VLAN | RNDIS_INFO_CSUM);
	EXPECT("example", rx.vlan_tci, 3 << 13 | 100);
}

static void parse_bare(void)
{
	static const u32 words[] = { 1, 45, 36, 1, 0, 0, 0, 0, 0, 0, 0 };
	struct rndis_rx_desc rx;

	PARSED_FROM(words, 45, &rx);
	EXPECT("bare", rx.data_offset, 44);
	EXPECT("bare", rx.data_len, 1);
	EXPECT("bare", rx.infos, 0);
}

/* A host's: length of the whole suballocation, infos at 44, frame at 256 [3.3] */
static void parse_suballocation(void)
{
	static const u32 words[] = {
		1, 512, 248, 256, 0, 0, 0, 36, 16, 0, 0,
		16, 0, 12, RNDIS_RX_CSUM_TCP_GOOD | RNDIS_RX_CSUM_IP_GOOD,
	};
	struct rndis_rx_desc rx;

	PARSED_FROM(words, 512, &rx);
	EXPECT("suballocation", rx.data_offset, 256);
	EXPECT("suballocation", rx.data_len, 256);
	EXPECT("suballocation", rx.infos, RNDIS_INFO_CSUM);
	EXPECT("suballocation", rx.csum, 0x28);
}

/* A message length that is shorter than the range: the frame may lie behind it */
static void parse_short_length(void)
{
	static const u32 words[] = { 1, 44, 36, 20, 0, 0, 0, 0, 0, 0, 0 };
	struct rndis_rx_desc rx;

	PARSED_FROM(words, 64, &rx);
	EXPECT("short length", rx.data_len, 20);
}

/* One info of 16 bytes, and its meaning */
static void parse_one(u32 type, u32 word, struct rndis_rx_desc *rx)
{
	const u32 words[] = {
		1, 64, 52, 4, 0, 0, 0, 36, 16, 0, 0, 16, type, 12, word,
	};

	PARSED_FROM(words, 64, rx);
}

static void parse_hash(void)
{
	struct rndis_rx_desc rx;

	parse_one(8, 0xfedcba98, &rx);
	EXPECT("hash", rx.infos, RNDIS_INFO_HASH);
	EXPECT("hash", rx.hash, 0xfedcba98);
}

/* All words of the lower half, with and without the upper one */
static void parse_vlan(void)
{
	struct rndis_rx_desc rx;

	for (u32 word = 0; word <= 0xffff; word++) {
		parse_one(6, word | (word & 1 ? 0xffff0000 : 0), &rx);
		EXPECT("VLAN", rx.infos, RNDIS_INFO_VLAN);
		EXPECT("VLAN", rx.vlan_tci >> 13, word & 7);
		EXPECT("VLAN", rx.vlan_tci >> 12 & 1, word >> 3 & 1);
		EXPECT("VLAN", rx.vlan_tci & 0xfff, word >> 4);
	}
}

static void parse_csum(void)
{
	struct rndis_rx_desc rx;

	for (u32 word = 0; word <= 0x1ff; word++) {
		bool contradiction = word & (word >> 3) & 7;

		parse_one(0, word | (word & 1 ? 0xfffffe00 : 0), &rx);
		EXPECT("checksum", rx.infos, RNDIS_INFO_CSUM);
		EXPECT("checksum", rx.csum, contradiction ? 0 : word);
	}
}

/* Version 1, flags, id 0xabcd; bits that mean nothing are not passed on */
static void parse_packet_id(void)
{
	struct rndis_rx_desc rx;

	for (u32 flags = 0; flags <= 0xff; flags++) {
		parse_one(0x80000001, 0xabcd0001 | flags << 8, &rx);
		EXPECT("packet id", rx.infos, RNDIS_INFO_PACKET_ID);
		EXPECT("packet id", rx.packet_id, (flags & 7) << 8);
	}
}

static void parse_unknown(void)
{
	static const u32 types[] = {
		1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 0x7fffffff, 0xffffffff,
		0x80000000, 0x80000002, 0x80000006, 0x80000008,
	};
	struct rndis_rx_desc rx;

	for (u32 i = 0; i < ARRAY_SIZE(types); i++) {
		parse_one(types[i], ~0u, &rx);
		EXPECT("unknown", rx.infos, 0);
	}
}

/* An unknown one without data, and with an offset that makes no sense */
static void parse_unknown_empty(void)
{
	static const u32 words[] = {
		1, 72, 64, 1, 0, 0, 0, 36, 28, 0, 0,
		12, 9, 0xffffffff,
		16, 8, 12, 77,
		0,
	};
	struct rndis_rx_desc rx;

	PARSED_FROM(words, 76, &rx);
	EXPECT("unknown, empty", rx.infos, RNDIS_INFO_HASH);
	EXPECT("unknown, empty", rx.hash, 77);
}

static void parse_all(void)
{
	static const u32 words[] = {
		1, 148, 104, 36, 0, 0, 0, 36, 68, 0, 0,
		16, 0x80000001, 12, 0xbeef0301,
		16, 8, 12, 0x11111111,
		16, 6, 12, 7 | 1 << 3 | 1 << 4,
		20, 0, 16, 0xffffffff, RNDIS_RX_CSUM_UDP_BAD,
	};
	struct rndis_rx_desc rx;

	PARSED_FROM(words, 148, &rx);
	EXPECT("all", rx.infos, RNDIS_INFO_HASH | RNDIS_INFO_VLAN |
				RNDIS_INFO_CSUM | RNDIS_INFO_PACKET_ID);
	EXPECT("all", rx.hash, 0x11111111);
	EXPECT("all", rx.vlan_tci, 0xf001);
	EXPECT("all", rx.csum, RNDIS_RX_CSUM_UDP_BAD);
	EXPECT("all", rx.packet_id, RNDIS_PACKET_ID_FRAGMENT | RNDIS_PACKET_ID_FIRST);
}

static void parse_last_counts(void)
{
	static const u32 words[] = {
		1, 96, 84, 4, 0, 0, 0, 36, 48, 0, 0,
		16, 8, 12, 1,
		16, 8, 12, 2,
		16, 8, 12, 3,
	};
	struct rndis_rx_desc rx;

	PARSED_FROM(words, 96, &rx);
	EXPECT("last counts", rx.hash, 3);
}

/* Offset 0 means no infos, whatever their length says */
static void parse_no_infos(void)
{
	static const u32 words[] = { 1, 48, 36, 4, 0, 0, 0, 0, 0xffffffff, 0, 0, 0 };
	struct rndis_rx_desc rx;

	PARSED_FROM(words, 48, &rx);
	EXPECT("no infos", rx.infos, 0);
}

/* The fields that no one uses may have any value */
static void parse_unused_fields(void)
{
	static const u32 words[] = {
		0x99999999, 48, 36, 4, ~0u, ~0u, ~0u, 36, 0, ~0u, ~0u, 0,
	};
	struct rndis_rx_desc rx;

	PARSED_FROM(words, 48, &rx);
	EXPECT("unused fields", rx.infos, 0);
}

/* What every combination of infos says must come out again */
static void round_trip(void)
{
	u8 bytes[RNDIS_TX_HDR_MAX + 64] = {};
	struct rndis_rx_desc rx;
	u32 infos, len;

	for (infos = 0; infos < 16; infos++) {
		struct rndis_tx_desc tx = {
			.data_len = 60, .pad = infos % 4, .infos = infos,
			.hash = 0xdeadbeef, .csum = RNDIS_TX_CSUM_IPV4,
			.lso = 0x40000000, .vlan_tci = 0x6123,
		};

		len = checked_build(bytes, &tx);
		EXPECT("header", len, 44 + 16 * __builtin_popcount(infos));
		EXPECT("round trip", get32(bytes, 4), len + 60 + tx.pad);
		EXPECT("round trip", checked_parse(bytes, len + 60 + tx.pad, &rx), 0);
		EXPECT("round trip", rx.data_offset, len);
		EXPECT("round trip", rx.data_len, 60);
		EXPECT("round trip", rx.infos, infos & ~RNDIS_INFO_LSO);
		EXPECT("round trip", rx.hash, infos & RNDIS_INFO_HASH ?
		       0xdeadbeef : 0x5c5c5c5c);
		EXPECT("round trip", rx.vlan_tci, infos & RNDIS_INFO_VLAN ?
		       0x6123 : 0x5c5c);
	}
}

static void round_trip_vlan(void)
{
	u8 bytes[RNDIS_TX_HDR_MAX + 1] = {};
	struct rndis_tx_desc tx = { .data_len = 1, .infos = RNDIS_INFO_VLAN };
	struct rndis_rx_desc rx;

	for (u32 tci = 0; tci <= 0xffff; tci++) {
		tx.vlan_tci = tci;
		checked_build(bytes, &tx);
		EXPECT("round trip", checked_parse(bytes, 61, &rx), 0);
		EXPECT("round trip", rx.vlan_tci, tci);
	}
}

static int reply_from(const u32 *words, u32 count, u32 len, struct rndis_reply *reply)
{
	u8 bytes[4 * WORDS_MAX] = {};

	lay(bytes, words, count);
	return checked_reply(bytes, len, reply);
}

#define REPLY_FROM(words, len, reply) \
	reply_from(words, ARRAY_SIZE(words), len, reply)

/* A host's values; some leave away what is reserved at the end [3.2] */
static void reply_initialize(void)
{
	u32 words[] = {
		0x80000002, 52, 7, 0, 1, 0, 1, 0, 8, 0xefffffff, 3, 0, 0,
	};
	struct rndis_reply reply;

	for (words[1] = 52; words[1] >= 44; words[1] -= 4) {
		EXPECT("INITIALIZE C", REPLY_FROM(words, words[1], &reply), 0);
		EXPECT("INITIALIZE C", reply.type, 0x80000002);
		EXPECT("INITIALIZE C", reply.id, 7);
		EXPECT("INITIALIZE C", reply.status, 0);
		EXPECT("INITIALIZE C", reply.info_len, 0);
	}
}

static void reply_query(void)
{
	static const u32 words[] = { 0x80000004, 28, 8, 0, 4, 16, 1500 };
	static const u32 gap[] = { 0x80000004, 36, 9, 0, 4, 24, 0, 0, 1500 };
	struct rndis_reply reply;

	EXPECT("QUERY C", REPLY_FROM(words, 28, &reply), 0);
	EXPECT("QUERY C", reply.info_offset, 24);
	EXPECT("QUERY C", reply.info_len, 4);
	EXPECT("QUERY C", REPLY_FROM(words, 200, &reply), 0);
	EXPECT("QUERY C", reply.info_len, 4);
	EXPECT("QUERY C", REPLY_FROM(gap, 36, &reply), 0);
	EXPECT("QUERY C", reply.info_offset, 32);
}

/* Failed, without information: its offset does not matter */
static void reply_query_failed(void)
{
	u32 words[] = { 0x80000004, 24, 8, 0xc00000bb, 0, 0 };
	static const u32 offsets[] = { 0, 16, 20, 0xffffffff };
	struct rndis_reply reply;

	for (u32 i = 0; i < ARRAY_SIZE(offsets); i++) {
		words[5] = offsets[i];
		EXPECT("QUERY C", REPLY_FROM(words, 24, &reply), 0);
		EXPECT("QUERY C", reply.status, 0xc00000bb);
		EXPECT("QUERY C", reply.info_len, 0);
	}
}

static void reply_set(void)
{
	static const u32 words[] = { 0x80000005, 16, 9, 0xc0010015 };
	static const u32 keepalive[] = { 0x80000008, 16, 10, 0 };
	struct rndis_reply reply;

	EXPECT("SET C", REPLY_FROM(words, 16, &reply), 0);
	EXPECT("SET C", reply.id, 9);
	EXPECT("SET C", reply.status, 0xc0010015);
	EXPECT("KEEPALIVE C", REPLY_FROM(keepalive, 16, &reply), 0);
	EXPECT("KEEPALIVE C", reply.id, 10);
}

static void event_from(const u32 *words, u32 count, u32 len, struct rndis_event *event)
{
	u8 bytes[4 * WORDS_MAX] = {};
	u32 type;

	lay(bytes, words, count);
	EXPECT("INDICATE", checked_type(bytes, len, &type), 0);
	EXPECT("INDICATE", type, RNDIS_INDICATE);
	EXPECT("INDICATE", checked_event(bytes, len, event), 0);
}

#define EVENT_FROM(words, len, event) \
	event_from(words, ARRAY_SIZE(words), len, event)

static void event_media(void)
{
	static const u32 words[] = { 7, 20, 0x4001000c, 0, 0 };
	struct rndis_event event;

	EVENT_FROM(words, 20, &event);
	EXPECT("media", event.status, RNDIS_STATUS_MEDIA_DISCONNECT);
	EXPECT("media", event.has_value, false);
}

static void event_speed(void)
{
	static const u32 words[] = { 7, 24, 0x40010013, 4, 12, 100000000 };
	struct rndis_event event;

	EVENT_FROM(words, 24, &event);
	EXPECT("speed", event.status, RNDIS_STATUS_LINK_SPEED);
	EXPECT("speed", event.has_value, true);
	EXPECT("speed", event.value, 100000000);
}

/* Old hosts do not count the buffer in the message's length [3.7, D10] */
static void event_old_host(void)
{
	static const u32 words[] = { 7, 20, 0x40010013, 4, 12, 10000 };
	struct rndis_event event;

	EVENT_FROM(words, 24, &event);
	EXPECT("old host", event.has_value, true);
	EXPECT("old host", event.value, 10000);
}

static void types(void)
{
	static const u32 known[] = {
		1, 7, 8, 0x80000002, 0x80000004, 0x80000005, 0x80000006,
		0x80000008, 0, 0xffffffff,
	};
	u32 type;

	for (u32 i = 0; i < ARRAY_SIZE(known); i++) {
		u8 bytes[8];

		put32(bytes, 0, known[i]);
		put32(bytes, 4, 8);
		EXPECT("type", checked_type(bytes, 8, &type), 0);
		EXPECT("type", type, known[i]);
	}
}

const struct codec_test golden_tests[] = {
	{ "build-example", build_example },
	{ "build-batch-member", build_batch_member },
	{ "build-bare", build_bare },
	{ "build-hash", build_hash },
	{ "build-vlan", build_vlan },
	{ "build-lso", build_lso },
	{ "build-csum", build_csum },
	{ "build-all", build_all },
	{ "parse-example", parse_example },
	{ "parse-bare", parse_bare },
	{ "parse-suballocation", parse_suballocation },
	{ "parse-short-length", parse_short_length },
	{ "parse-hash", parse_hash },
	{ "parse-vlan", parse_vlan },
	{ "parse-csum", parse_csum },
	{ "parse-packet-id", parse_packet_id },
	{ "parse-unknown", parse_unknown },
	{ "parse-unknown-empty", parse_unknown_empty },
	{ "parse-all", parse_all },
	{ "parse-last-counts", parse_last_counts },
	{ "parse-no-infos", parse_no_infos },
	{ "parse-unused-fields", parse_unused_fields },
	{ "round-trip", round_trip },
	{ "round-trip-vlan", round_trip_vlan },
	{ "reply-initialize", reply_initialize },
	{ "reply-query", reply_query },
	{ "reply-query-failed", reply_query_failed },
	{ "reply-set", reply_set },
	{ "event-media", event_media },
	{ "event-speed", event_speed },
	{ "event-old-host", event_old_host },
	{ "types", types },
	{}
};
