// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tables of messages that make no sense: each is a good one with a few words
 * changed. Where a limit lies, the last good value is in the table, too.
 */
#include "codec.h"

#include <string.h>

struct patch {
	u32 at;
	u32 word;
};

struct row {
	const char *why;
	u32 len;	/* of the range */
	int err;
	struct patch patch[4];	/* word 0 at 0 means none */
};

static u32 make(u8 *bytes, const u32 *words, u32 count, const struct row *row)
{
	u32 i;

	for (i = 0; i < count; i++)
		put32(bytes, 4 * i, words[i]);
	for (i = 0; i < ARRAY_SIZE(row->patch); i++)
		if (row->patch[i].at || row->patch[i].word)
			put32(bytes, row->patch[i].at, row->patch[i].word);
	return row->len;
}

/* Length and offset of the message's parts: see the comments in the table */
#define OWN	4
#define DATA	8
#define DATALEN	12
#define INFOS	28
#define INFOLEN	32
#define VLAN	44
#define CSUM	60

/* A range of 96 bytes: infos at 44, 32 of them, 14 bytes of a frame at 76 */
static const u32 packet[24] = {
	1, 92, 68, 14, 0, 0, 0, 36, 32, 0, 0,
	16, 6, 12, 0x641,
	16, 0, 12, 0x28,
};

static const struct row packets[] = {
	{ "the good one", 96, 0, {} },
	{ "nothing there", 0, -EMSGSIZE, {} },
	{ "one byte there", 1, -EMSGSIZE, {} },
	{ "a header's first half there", 8, -EMSGSIZE, {} },
	{ "a byte of the header is missing", 43, -EMSGSIZE, {} },
	{ "the header alone: its frame is outside", 44, -EMSGSIZE, { { OWN, 44 } } },

	{ "message length 0", 96, -EMSGSIZE, { { OWN, 0 } } },
	{ "message length of a common header", 96, -EMSGSIZE, { { OWN, 8 } } },
	{ "message length below the header", 96, -EMSGSIZE, { { OWN, 43 } } },
	{ "message length of the header", 96, 0, { { OWN, 44 } } },
	{ "message length of the range", 96, 0, { { OWN, 96 } } },
	{ "message length above the range", 96, -EMSGSIZE, { { OWN, 97 } } },
	{ "message length 2^31", 96, -EMSGSIZE, { { OWN, 0x80000000 } } },
	{ "message length 2^32 - 1", 96, -EMSGSIZE, { { OWN, 0xffffffff } } },

	{ "frame in the common header", 96, -EMSGSIZE, { { DATA, 0 } } },
	{ "frame in the header", 96, -EMSGSIZE, { { DATA, 35 } } },
	{ "frame behind the header", 96, 0, { { DATA, 36 } } },
	{ "frame to the range's end", 96, 0, { { DATA, 74 } } },
	{ "frame a byte beyond the range", 96, -EMSGSIZE, { { DATA, 75 } } },
	{ "frame at the range's end", 96, -EMSGSIZE, { { DATA, 88 } } },
	{ "frame offset of 2^31", 96, -EMSGSIZE, { { DATA, 0x80000000 } } },
	{ "frame offset of 2^32 - 1", 96, -EMSGSIZE, { { DATA, 0xffffffff } } },
	{ "frame offset + length wrap to 0", 96, -EMSGSIZE,
		{ { DATA, 0xfffffff2 } } },
	{ "8 + frame offset wraps", 96, -EMSGSIZE, { { DATA, 0xfffffff8 } } },
	{ "no frame", 96, -EBADMSG, { { DATALEN, 0 } } },
	{ "no frame, at the range's end", 96, -EBADMSG, { { DATA, 88 }, { DATALEN, 0 } } },
	{ "frame of a byte", 96, 0, { { DATALEN, 1 } } },
	{ "frame of the last byte", 96, 0, { { DATA, 87 }, { DATALEN, 1 } } },
	{ "frame of all that is there", 96, 0, { { DATA, 36 }, { DATALEN, 52 } } },
	{ "frame of a byte more", 96, -EMSGSIZE, { { DATA, 36 }, { DATALEN, 53 } } },
	{ "frame of 2^31 bytes", 96, -EMSGSIZE, { { DATALEN, 0x80000000 } } },
	{ "frame of 2^32 - 1 bytes", 96, -EMSGSIZE, { { DATALEN, 0xffffffff } } },
	{ "frame's end wraps to the header", 96, -EMSGSIZE, { { DATALEN, 0xffffffbc } } },
	{ "frame's end wraps into the range", 96, -EMSGSIZE, { { DATALEN, 0xfffffff0 } } },

	{ "infos in the common header", 96, -EMSGSIZE, { { INFOS, 1 } } },
	{ "infos in the header", 96, -EMSGSIZE, { { INFOS, 35 } } },
	{ "infos in the header, none of them", 96, -EMSGSIZE,
		{ { INFOS, 35 }, { INFOLEN, 0 } } },
	{ "no infos, offset 0", 96, 0, { { INFOS, 0 }, { INFOLEN, 0 } } },
	{ "no infos, behind the header", 96, 0, { { INFOLEN, 0 } } },
	{ "no infos, at the range's end", 96, 0, { { INFOS, 88 }, { INFOLEN, 0 } } },
	{ "no infos, beyond the range", 96, -EMSGSIZE, { { INFOS, 89 }, { INFOLEN, 0 } } },
	{ "infos beyond the range", 96, -EMSGSIZE, { { INFOS, 88 } } },
	{ "infos a byte beyond the range", 96, -EMSGSIZE, { { INFOLEN, 53 } } },
	{ "the most infos", 1200, 0, { { INFOLEN, 1024 }, { VLAN, 1024 } } },
	{ "more infos", 1200, -EMSGSIZE, { { INFOLEN, 1028 }, { VLAN, 1028 } } },
	{ "infos of 2^31 bytes", 96, -EMSGSIZE, { { INFOLEN, 0x80000000 } } },
	{ "infos of 2^32 - 1 bytes", 96, -EMSGSIZE, { { INFOLEN, 0xffffffff } } },
	{ "infos' end wraps", 96, -EMSGSIZE, { { INFOLEN, 0xffffffe0 } } },
	{ "info offset of 2^31", 96, -EMSGSIZE, { { INFOS, 0x80000000 } } },
	{ "info offset of 2^32 - 1", 96, -EMSGSIZE, { { INFOS, 0xffffffff } } },
	{ "infos to the range's end, zeroes behind the two", 96, -EBADMSG,
		{ { INFOLEN, 52 } } },

	{ "one info only", 96, 0, { { INFOLEN, 16 } } },
	{ "a part of an info's header", 96, -EBADMSG, { { INFOLEN, 4 } } },
	{ "an info without its last header byte", 96, -EBADMSG, { { INFOLEN, 11 } } },
	{ "an info without its data", 96, -EBADMSG, { { INFOLEN, 12 } } },
	{ "an info without its last byte", 96, -EBADMSG, { { INFOLEN, 15 } } },
	{ "a byte behind an info", 96, -EBADMSG, { { INFOLEN, 17 } } },
	{ "a header's part behind an info", 96, -EBADMSG, { { INFOLEN, 24 } } },
	{ "the second info without its last byte", 96, -EBADMSG, { { INFOLEN, 31 } } },

	{ "info size 0: endless in some drivers", 96, -EBADMSG, { { VLAN, 0 } } },
	{ "info size 4", 96, -EBADMSG, { { VLAN, 4 } } },
	{ "info size 11", 96, -EBADMSG, { { VLAN, 11 } } },
	{ "info size 12 without the data", 96, -EBADMSG, { { VLAN, 12 } } },
	{ "info size 13: not a multiple of 4", 96, -EBADMSG, { { VLAN, 13 } } },
	{ "info size 18: not a multiple of 4", 96, -EBADMSG, { { VLAN, 18 } } },
	{ "the only info has 17 bytes", 96, -EBADMSG, { { INFOLEN, 17 }, { VLAN, 17 } } },
	{ "info size of all infos", 96, 0, { { VLAN, 32 } } },
	{ "info size above that", 96, -EBADMSG, { { VLAN, 36 } } },
	{ "info size 2^31", 96, -EBADMSG, { { VLAN, 0x80000000 } } },
	{ "info size 2^32 - 4", 96, -EBADMSG, { { VLAN, 0xfffffffc } } },
	{ "info size 2^32 - 1", 96, -EBADMSG, { { VLAN, 0xffffffff } } },
	{ "second info of size 0", 96, -EBADMSG, { { CSUM, 0 } } },
	{ "second info of size 12", 96, -EBADMSG, { { CSUM, 12 } } },
	{ "second info above the rest", 96, -EBADMSG, { { CSUM, 20 } } },
	{ "unknown info of size 0", 96, -EBADMSG, { { VLAN, 0 }, { VLAN + 4, 9 } } },
	{ "unknown info of size 8", 96, -EBADMSG, { { VLAN, 8 }, { VLAN + 4, 9 } } },
	{ "unknown info above the rest", 96, -EBADMSG, { { VLAN, 36 }, { VLAN + 4, 9 } } },
	{ "unknown info of all infos", 96, 0, { { VLAN, 32 }, { VLAN + 4, 9 } } },

	{ "info's data in its header", 96, -EBADMSG, { { VLAN + 8, 0 } } },
	{ "info's data at 8", 96, -EBADMSG, { { VLAN + 8, 8 } } },
	{ "info's data at 11", 96, -EBADMSG, { { VLAN + 8, 11 } } },
	{ "info's data a byte beyond it", 96, -EBADMSG, { { VLAN + 8, 13 } } },
	{ "info's data behind it", 96, -EBADMSG, { { VLAN + 8, 16 } } },
	{ "info's data at 2^31", 96, -EBADMSG, { { VLAN + 8, 0x80000000 } } },
	{ "info's data at 2^32 - 4: the end wraps", 96, -EBADMSG, { { VLAN + 8, 0xfffffffc } } },
	{ "info's data at 2^32 - 1", 96, -EBADMSG, { { VLAN + 8, 0xffffffff } } },
	{ "hash without data", 96, -EBADMSG, { { VLAN + 4, 8 }, { VLAN + 8, 13 } } },
	{ "packet id without data", 96, -EBADMSG,
		{ { VLAN + 4, 0x80000001 }, { VLAN + 8, 13 } } },
	{ "checksum without data", 96, -EBADMSG, { { CSUM + 8, 13 } } },
	{ "unknown info's data anywhere", 96, 0, { { VLAN + 4, 9 }, { VLAN + 8, 0xffffffff } } },
	{}
};

static void parse(void)
{
	const struct row *row;

	for (row = packets; row->why; row++) {
		u8 bytes[1200] = {};
		struct rndis_rx_desc rx;
		u32 len = make(bytes, packet, ARRAY_SIZE(packet), row);

		EXPECT(row->why, checked_parse(bytes, len, &rx), row->err);
	}
}

static const struct row headers[] = {
	{ "the good one", 16, 0, {} },
	{ "nothing there", 0, -EMSGSIZE, {} },
	{ "half of it there", 4, -EMSGSIZE, {} },
	{ "a byte is missing", 7, -EMSGSIZE, { { OWN, 7 } } },
	{ "nothing behind it", 8, 0, { { OWN, 8 } } },
	{ "length 0", 16, -EMSGSIZE, { { OWN, 0 } } },
	{ "length 7", 16, -EMSGSIZE, { { OWN, 7 } } },
	{ "length of the range", 16, 0, { { OWN, 16 } } },
	{ "length above the range", 16, -EMSGSIZE, { { OWN, 17 } } },
	{ "length 2^31", 16, -EMSGSIZE, { { OWN, 0x80000000 } } },
	{ "length 2^32 - 1", 16, -EMSGSIZE, { { OWN, 0xffffffff } } },
	{}
};

static void type(void)
{
	static const u32 words[] = { 8, 12, 1, 0 };
	const struct row *row;

	for (row = headers; row->why; row++) {
		u8 bytes[sizeof(words)];
		u32 got, len = make(bytes, words, ARRAY_SIZE(words), row);

		EXPECT(row->why, checked_type(bytes, len, &got), row->err);
	}
}

#define TYPE	0
#define ILEN	16
#define IOFF	20

/* QUERY C with 8 bytes of information, 36 bytes in the range */
static const struct row replies[] = {
	{ "the good one", 36, 0, {} },
	{ "nothing there", 0, -EMSGSIZE, {} },
	{ "no status there", 12, -EMSGSIZE, { { OWN, 12 } } },
	{ "a part of the status there", 15, -EMSGSIZE, { { OWN, 15 } } },
	{ "no information's place there", 16, -EMSGSIZE, { { OWN, 16 } } },
	{ "a byte of its place missing", 23, -EMSGSIZE, { { OWN, 23 } } },
	{ "length 0", 36, -EMSGSIZE, { { OWN, 0 } } },
	{ "length above the range", 36, -EMSGSIZE, { { OWN, 37 } } },
	{ "length 2^32 - 1", 36, -EMSGSIZE, { { OWN, 0xffffffff } } },
	{ "length below its header", 36, -EMSGSIZE, { { OWN, 23 }, { ILEN, 0 } } },
	{ "length of its header, nothing else", 36, 0, { { OWN, 24 }, { ILEN, 0 } } },

	{ "information in the header", 36, -EMSGSIZE, { { IOFF, 15 } } },
	{ "information at its beginning", 36, -EMSGSIZE, { { IOFF, 0 } } },
	{ "information behind the message", 36, -EMSGSIZE, { { IOFF, 20 } } },
	{ "information to the message's end", 36, 0, { { IOFF, 20 }, { ILEN, 4 } } },
	{ "information a byte beyond it", 36, -EMSGSIZE, { { IOFF, 17 } } },
	{ "information in the range, not in the message", 36, -EMSGSIZE, { { ILEN, 12 } } },
	{ "information of 2^31 bytes", 36, -EMSGSIZE, { { ILEN, 0x80000000 } } },
	{ "information of 2^32 - 1 bytes", 36, -EMSGSIZE, { { ILEN, 0xffffffff } } },
	{ "information's end wraps", 36, -EMSGSIZE, { { ILEN, 0xfffffff0 } } },
	{ "information's offset 2^32 - 8", 36, -EMSGSIZE, { { IOFF, 0xfffffff8 } } },
	{ "no information, anywhere", 36, 0, { { ILEN, 0 }, { IOFF, 0xffffffff } } },

	{ "a request", 36, -EBADMSG, { { TYPE, 4 } } },
	{ "a PACKET", 36, -EBADMSG, { { TYPE, 1 } } },
	{ "INDICATE", 36, -EBADMSG, { { TYPE, 7 } } },
	{ "no type", 36, -EBADMSG, { { TYPE, 0x80000000 } } },
	{ "completion of a PACKET", 36, -EBADMSG, { { TYPE, 0x80000001 } } },
	{ "completion of HALT", 36, -EBADMSG, { { TYPE, 0x80000003 } } },
	{ "RESET C has no id", 36, -EBADMSG, { { TYPE, 0x80000006 } } },
	{ "a type nobody knows", 36, -EBADMSG, { { TYPE, 0xffffffff } } },

	{ "SET C", 36, 0, { { TYPE, 0x80000005 }, { OWN, 16 } } },
	{ "SET C too short", 36, -EMSGSIZE, { { TYPE, 0x80000005 }, { OWN, 15 } } },
	{ "SET C has no information", 36, 0, { { TYPE, 0x80000005 }, { IOFF, ~0u } } },
	{ "KEEPALIVE C", 36, 0, { { TYPE, 0x80000008 }, { OWN, 16 } } },
	{ "KEEPALIVE C too short", 36, -EMSGSIZE, { { TYPE, 0x80000008 }, { OWN, 15 } } },
	{ "INITIALIZE C too short", 44, -EMSGSIZE, { { TYPE, 0x80000002 }, { OWN, 43 } } },
	{ "INITIALIZE C", 44, 0, { { TYPE, 0x80000002 }, { OWN, 44 } } },
	{ "INITIALIZE C, range too short", 43, -EMSGSIZE,
		{ { TYPE, 0x80000002 }, { OWN, 44 } } },
	{}
};

static void reply(void)
{
	static const u32 words[11] = { 0x80000004, 32, 5, 0, 8, 16, 1, 2, 3 };
	const struct row *row;

	for (row = replies; row->why; row++) {
		u8 bytes[sizeof(words)];
		struct rndis_reply got;
		u32 len = make(bytes, words, ARRAY_SIZE(words), row);

		EXPECT(row->why, checked_reply(bytes, len, &got), row->err);
	}
}

#define BUFLEN	12
#define BUFOFF	16

/* err is 0 with a value, 1 without */
static const struct row events[] = {
	{ "the good one", 28, 0, {} },
	{ "nothing there", 0, -EMSGSIZE, {} },
	{ "a byte is missing", 19, -EMSGSIZE, {} },
	{ "nothing behind it", 20, 1, {} },
	{ "no buffer", 28, 1, { { BUFLEN, 0 }, { BUFOFF, 0 } } },
	{ "buffer without an offset", 28, 1, { { BUFOFF, 0 } } },
	{ "buffer in the header", 28, 1, { { BUFOFF, 11 } } },
	{ "buffer to the range's end", 28, 0, { { BUFOFF, 16 } } },
	{ "buffer a byte beyond the range", 28, 1, { { BUFOFF, 17 } } },
	{ "buffer beyond the range", 28, 1, { { BUFOFF, 20 } } },
	{ "buffer at 2^31", 28, 1, { { BUFOFF, 0x80000000 } } },
	{ "buffer at 2^32 - 8", 28, 1, { { BUFOFF, 0xfffffff8 } } },
	{ "buffer at 2^32 - 4", 28, 1, { { BUFOFF, 0xfffffffc } } },
	{ "buffer of 3 bytes", 28, 1, { { BUFLEN, 3 } } },
	{ "buffer of all that is there", 28, 0, { { BUFLEN, 8 } } },
	{ "buffer of more than is there", 28, 1, { { BUFLEN, 9 } } },
	{ "buffer of 2^32 - 1 bytes", 28, 1, { { BUFLEN, 0xffffffff } } },
	{ "buffer's end wraps", 28, 1, { { BUFLEN, 0xfffffff8 } } },
	{}
};

static void event(void)
{
	static const u32 words[] = { 7, 28, 0x40010013, 4, 12, 1000, 2000 };
	const struct row *row;

	for (row = events; row->why; row++) {
		u8 bytes[sizeof(words)];
		struct rndis_event got;
		u32 len = make(bytes, words, ARRAY_SIZE(words), row);
		int err = checked_event(bytes, len, &got);

		EXPECT(row->why, err ? err : !got.has_value, row->err);
	}
}

const struct codec_test malformed_tests[] = {
	{ "malformed-type", type },
	{ "malformed-parse", parse },
	{ "malformed-reply", reply },
	{ "malformed-event", event },
	{}
};
