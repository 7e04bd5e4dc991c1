// SPDX-License-Identifier: GPL-2.0-only
/*
 * All combinations of small values, against the model. What matters lies at the
 * end of the message's memory, so that the first byte too many shows.
 */
#include "codec.h"

#include <string.h>

#define RANGE_MAX 160

/* Types that the parser knows, and two that it does not */
static const u32 info_types[] = { 0, 6, 8, 0x80000001, 9, 0x80000000 };

/* A PACKET with a frame of a byte, and @area bytes of infos up to its end */
static u32 packet(u8 *bytes, u32 area)
{
	u32 len = area ? 44 + area : 45;

	memset(bytes, 0, RANGE_MAX);
	put32(bytes, 0, RNDIS_PACKET);
	put32(bytes, 4, len);
	put32(bytes, 8, 36);
	put32(bytes, 12, 1);
	put32(bytes, 28, 36);
	put32(bytes, 32, area);
	return len;
}

static void put_info(u8 *bytes, u32 at, u32 size, u32 type, u32 offset)
{
	put32(bytes, at, size);
	put32(bytes, at + 4, type);
	put32(bytes, at + 8, offset);
}

/* Size, data offset and type of an info, in areas of any length */
static void one_info(void)
{
	u8 bytes[RANGE_MAX];
	struct rndis_rx_desc rx;

	for (u32 area = 0; area <= 64; area++) {
		u32 len = packet(bytes, area);

		for (u32 size = 0; size <= 68; size++)
			for (u32 offset = 0; offset <= 68; offset++) {
				u32 type = (size + offset + area) % ARRAY_SIZE(info_types);

				put_info(bytes, 44, size, info_types[type], offset);
				checked_parse(bytes, len, &rx);
			}
	}
}

/* The same for each type, where the area is of just the size that matters */
static void each_type(void)
{
	u8 bytes[RANGE_MAX];
	struct rndis_rx_desc rx;

	for (u32 i = 0; i < ARRAY_SIZE(info_types); i++)
		for (u32 area = 8; area <= 28; area += 4) {
			u32 len = packet(bytes, area);

			for (u32 size = 0; size <= 32; size++)
				for (u32 offset = 0; offset <= 32; offset++) {
					put_info(bytes, 44, size, info_types[i],
						 offset);
					checked_parse(bytes, len, &rx);
				}
		}
}

/* The second of two infos, behind a first one of any good size */
static void second_info(void)
{
	u8 bytes[RANGE_MAX];
	struct rndis_rx_desc rx;

	for (u32 first = 12; first <= 24; first += 4)
		for (u32 rest = 0; rest <= 24; rest++) {
			u32 len = packet(bytes, first + rest);

			put_info(bytes, 44, first, 9, 12);
			for (u32 size = 0; size <= 28; size++)
				for (u32 offset = 0; offset <= 28; offset++) {
					put_info(bytes, 44 + first, size, 6, offset);
					checked_parse(bytes, len, &rx);
				}
		}
}

/* Infos of the smallest size: 85 of them fit, however long the range is */
static void many_infos(void)
{
	static u8 bytes[44 + 12 * 300];
	struct rndis_rx_desc rx;

	for (u32 count = 1; count <= 300; count++) {
		u32 len = 44 + 12 * count;

		memset(bytes, 0, sizeof(bytes));
		packet(bytes, 12 * count);
		for (u32 i = 0; i < count; i++)
			put_info(bytes, 44 + 12 * i, 12, 9, 0);
		EXPECT("many infos", checked_parse(bytes, len, &rx),
		       count <= 85 ? 0 : -EMSGSIZE);
	}
}

/* Where the frame is, in ranges of any length */
static void frame(void)
{
	u8 bytes[RANGE_MAX];
	struct rndis_rx_desc rx;

	for (u32 len = 44; len <= 60; len++)
		for (u32 offset = 0; offset <= 72; offset++)
			for (u32 data_len = 0; data_len <= 32; data_len++) {
				packet(bytes, 0);
				put32(bytes, 4, len);
				put32(bytes, 8, offset);
				put32(bytes, 12, data_len);
				checked_parse(bytes, len, &rx);
			}
}

/* Where the infos are, in ranges of any length; their memory is zero */
static void area(void)
{
	u8 bytes[RANGE_MAX];
	struct rndis_rx_desc rx;

	for (u32 len = 45; len <= 64; len++)
		for (u32 offset = 0; offset <= 72; offset++)
			for (u32 area_len = 0; area_len <= 32; area_len++) {
				packet(bytes, 0);
				put32(bytes, 4, len);
				put32(bytes, 28, offset);
				put32(bytes, 32, area_len);
				checked_parse(bytes, len, &rx);
			}
}

static void message_length(void)
{
	u8 bytes[RANGE_MAX];
	struct rndis_rx_desc rx;
	u32 type;

	for (u32 len = 0; len <= 100; len++)
		for (u32 own = 0; own <= 104; own++) {
			packet(bytes, 0);
			put32(bytes, 4, own);
			checked_parse(bytes, len, &rx);
			checked_type(bytes, len, &type);
		}
}

/* Values around the places where 32 bits wrap, in each field of the header */
static void wraps(void)
{
	static const u32 fields[] = { 4, 8, 12, 28, 32, 44, 52 };
	u8 bytes[RANGE_MAX];
	struct rndis_rx_desc rx;
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(fields); i++)
		for (j = 0; j < ARRAY_SIZE(fields); j++)
			for (int a = -160; a < 160; a++)
				for (int b = -160; b < 160; b += 7) {
					u32 len = packet(bytes, 16);

					put_info(bytes, 44, 16, 8, 12);
					put32(bytes, fields[i], a);
					put32(bytes, fields[j], b);
					checked_parse(bytes, len, &rx);
				}
}

/* Completions of each type: their length, and where the information is */
static void replies(void)
{
	static const u32 types[] = {
		0x80000002, 0x80000004, 0x80000005, 0x80000008, 0x80000006, 4, 0,
	};
	u8 bytes[RANGE_MAX] = {};
	struct rndis_reply reply;

	for (u32 i = 0; i < ARRAY_SIZE(types); i++)
		for (u32 len = 0; len <= 56; len++)
			for (u32 own = 0; own <= 60; own++) {
				put32(bytes, 0, types[i]);
				put32(bytes, 4, own);
				checked_reply(bytes, len, &reply);
			}
}

static void reply_infos(void)
{
	u8 bytes[RANGE_MAX] = {};
	struct rndis_reply reply;

	put32(bytes, 0, 0x80000004);
	for (u32 len = 24; len <= 40; len++)
		for (u32 own = 24; own <= len; own++)
			for (u32 info_len = 0; info_len <= 20; info_len++)
				for (u32 offset = -12; offset != 40; offset++) {
					put32(bytes, 4, own);
					put32(bytes, 16, info_len);
					put32(bytes, 20, offset);
					checked_reply(bytes, len, &reply);
				}
}

static void events(void)
{
	u8 bytes[RANGE_MAX] = {};
	struct rndis_event event;

	put32(bytes, 0, RNDIS_INDICATE);
	for (u32 len = 0; len <= 40; len++)
		for (u32 buf_len = -12; buf_len != 24; buf_len++)
			for (u32 offset = -12; offset != 44; offset++) {
				put32(bytes, 4, 20);
				put32(bytes, 12, buf_len);
				put32(bytes, 16, offset);
				checked_event(bytes, len, &event);
			}
}

const struct codec_test exhaustive_tests[] = {
	{ "all-one-info", one_info },
	{ "all-each-type", each_type },
	{ "all-second-info", second_info },
	{ "all-many-infos", many_infos },
	{ "all-frame", frame },
	{ "all-area", area },
	{ "all-message-length", message_length },
	{ "all-wraps", wraps },
	{ "all-replies", replies },
	{ "all-reply-infos", reply_infos },
	{ "all-events", events },
	{}
};
