// SPDX-License-Identifier: GPL-2.0-only
/*
 * RNDIS control: requests and their answers, what a host says of itself, what it
 * is told, and what it says unasked.
 */
#include <linux/ctype.h>
#include <linux/ethtool.h>
#include <linux/nls.h>
#include <linux/unaligned.h>

#include "../../netvsc.h"
#include "../../rndis_filter.h"
#include "fake_bus.h"

#define SILENCE_MS	60	/* that a test waits for a host that says nothing */
#define INITIALIZE	FAKE_KEY_RNDIS(RNDIS_INITIALIZE)

static void no_cb(void *ctx)
{
}

/* A bus whose primary is open and whose versions are agreed on */
static struct fake_bus *negotiated(struct kunit *test)
{
	struct fake_bus *bus = fake_bus_new(test);
	struct netvsc *nv = bus->nv;

	fake_bus_make_chans(bus, 2);
	KUNIT_ASSERT_EQ(test, nvsp_open(nv, no_cb), 0);
	nv->sess.version = NVSP_VERSION_6_1;
	return bus;
}

static int learn(struct fake_bus *bus)
{
	nvsp_set_deadline(bus->nv);
	return rndis_filter_connect(bus->nv);
}

/* Exchanges */

/* What comes of an answer */
enum outcome { GOOD, REFUSED, TIMEOUT, GONE, IO };

struct deviation_case {
	const char *name;
	enum fake_how how;
	u32 value;
	enum outcome outcome;
};

static const struct deviation_case deviation_cases[] = {
	{ "silence", FAKE_NONE, 0, TIMEOUT },
	{ "late", FAKE_LATE, 0, TIMEOUT },
	{ "twice", FAKE_TWICE, 0, GOOD },
	{ "reply before completion", FAKE_DONE_LAST, 0, GOOD },
	{ "no completion", FAKE_DONE_NONE, 0, TIMEOUT },
	{ "neither", FAKE_DONE_MUTE, 0, TIMEOUT },
	{ "late completion", FAKE_DONE_LATE, 0, TIMEOUT },
	{ "completion refuses", FAKE_DONE_STATUS, NVSP_STATUS_FAILURE, REFUSED },
	{ "completion refuses RNDIS", FAKE_DONE_STATUS,
	  NVSP_STATUS_INVALID_RNDIS, REFUSED },
	{ "refused", FAKE_STATUS, RNDIS_STATUS_FAILURE, REFUSED },
	{ "status wild", FAKE_STATUS, U32_MAX, REFUSED },
	{ "other id", FAKE_ID, 1, TIMEOUT },
	{ "id before", FAKE_ID, U32_MAX, TIMEOUT },
	{ "type of RESET", FAKE_TYPE, RNDIS_RESET | RNDIS_COMPLETION, TIMEOUT },
	{ "type of KEEPALIVE", FAKE_TYPE, RNDIS_KEEPALIVE | RNDIS_COMPLETION,
	  TIMEOUT },
	{ "type of a question", FAKE_TYPE, RNDIS_QUERY, TIMEOUT },
	{ "own length too long", FAKE_WORD, 100000, TIMEOUT },
	{ "own length 0", FAKE_WORD, 0, TIMEOUT },
	{ "empty", FAKE_LENGTH, 0, TIMEOUT },
	{ "header only", FAKE_LENGTH, 8, TIMEOUT },
	{ "short of its status", FAKE_LENGTH, 15, TIMEOUT },
	{ "rescind", FAKE_RESCIND, 0, GONE },
	{ "not sent", FAKE_ERROR, EIO, IO },
	{ "ring full for good", FAKE_ERROR, EAGAIN, TIMEOUT },
};

KUNIT_ARRAY_PARAM_DESC(deviation, deviation_cases, name);

struct question {
	u32 key;
	int refused;	/* what connecting comes to then */
};

static const struct question questions[] = {
	{ INITIALIZE, -EINVAL },
	{ OID_MAX_FRAME_SIZE, 0 },
	{ OID_PERMANENT_ADDRESS, -EINVAL },
	{ OID_FRIENDLY_NAME, 0 },
	{ OID_OFFLOAD_HW_CAPS, 0 },
	{ OID_OFFLOAD_PARAMS, 0 },
	{ OID_MEDIA_CONNECT_STATUS, 0 },
	{ OID_LINK_SPEED, 0 },
	{ OID_RSS_CAPS, 0 },
};

static int expected(const struct question *question, enum outcome outcome)
{
	static const int results[] = {
		[TIMEOUT] = -ETIMEDOUT, [GONE] = -ENODEV, [IO] = -EIO,
	};

	return outcome == REFUSED ? question->refused : results[outcome];
}

static void deviation(struct kunit *test)
{
	const struct deviation_case *param = test->param_value;
	struct fake_bus *bus = negotiated(test);
	struct netvsc *nv = bus->nv;
	struct fake_rule *rule;
	int i;

	nv->timeout_ms = SILENCE_MS;
	for (i = 0; i < ARRAY_SIZE(questions); i++) {
		if (param->outcome != TIMEOUT)
			nv->timeout_ms = 5000;
		fake_bus_no_rules(bus);
		bus->rescinded = false;
		bus->refused = 0;
		rule = fake_bus_rule(bus, questions[i].key, param->how,
				     param->value);
		rule->offset = offsetof(struct rndis_hdr, len);
		KUNIT_EXPECT_EQ_MSG(test, learn(bus),
				    expected(&questions[i], param->outcome),
				    "key %#x", questions[i].key);
		KUNIT_EXPECT_GE(test, rule->used, 1);
		if (param->how == FAKE_TWICE)
			KUNIT_EXPECT_EQ(test, bus->refused, 1);
		if (param->how == FAKE_DONE_LATE)
			KUNIT_EXPECT_EQ(test, fake_bus_deliver(bus), 1);
		else
			KUNIT_EXPECT_EQ(test, fake_bus_deliver(bus), 0);
	}
	fake_bus_no_rules(bus);
	bus->rescinded = false;
	KUNIT_EXPECT_EQ(test, learn(bus), 0);
	nvsp_close(nv);
	rndis_filter_release(nv);
	KUNIT_EXPECT_TRUE(test, list_empty(&nv->requests));
	KUNIT_EXPECT_TRUE(test, list_empty(&nv->xacts));
}

/* A page that comes back late is freed by the next request at the latest */
static void late_page_is_freed(struct kunit *test)
{
	struct fake_bus *bus = negotiated(test);
	struct netvsc *nv = bus->nv;

	nv->timeout_ms = SILENCE_MS;
	fake_bus_rule(bus, OID_PACKET_FILTER, FAKE_DONE_LATE, 0);
	nvsp_set_deadline(nv);
	KUNIT_EXPECT_EQ(test, rndis_filter_set_filter(nv, 1), -ETIMEDOUT);
	KUNIT_EXPECT_FALSE(test, list_empty(&nv->requests));
	KUNIT_EXPECT_EQ(test, fake_bus_deliver(bus), 1);
	fake_bus_no_rules(bus);
	nvsp_set_deadline(nv);
	KUNIT_EXPECT_EQ(test, rndis_filter_set_filter(nv, 1), 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&nv->requests));
}

/* The reply comes when nobody waits, but the page is still the host's */
static void late_reply_without_completion(struct kunit *test)
{
	struct fake_bus *bus = negotiated(test);
	struct netvsc *nv = bus->nv;
	struct fake_sent *sent;
	__le32 reply[4] = {
		cpu_to_le32(RNDIS_SET | RNDIS_COMPLETION), cpu_to_le32(16),
	};

	nv->timeout_ms = SILENCE_MS;
	fake_bus_rule(bus, OID_PACKET_FILTER, FAKE_DONE_MUTE, 0);
	nvsp_set_deadline(nv);
	KUNIT_EXPECT_EQ(test, rndis_filter_set_filter(nv, 1), -ETIMEDOUT);
	sent = fake_bus_sent(bus, OID_PACKET_FILTER, 0);
	KUNIT_ASSERT_NOT_NULL(test, sent);
	memcpy(&reply[2], sent->data + 8, sizeof(reply[2]));
	KUNIT_EXPECT_FALSE(test, rndis_filter_receive(nv->chans[0], reply,
						      sizeof(reply)));
	/* and not before the channel is closed is the page ours */
	fake_bus_no_rules(bus);
	nvsp_set_deadline(nv);
	KUNIT_EXPECT_EQ(test, rndis_filter_set_filter(nv, 1), 0);
	KUNIT_EXPECT_TRUE(test, list_is_singular(&nv->requests));
}

static void message_layout(struct kunit *test)
{
	const struct nvsp_msg_rndis_packet *msg;
	struct fake_bus *bus = negotiated(test);
	const struct rndis_query *ask;
	struct fake_sent *sent;
	u32 id = 0;

	KUNIT_ASSERT_EQ(test, learn(bus), 0);
	KUNIT_EXPECT_EQ(test, bus->nsent, 9);
	list_for_each_entry(sent, &bus->sent, node) {
		msg = (void *)sent->msg;
		ask = (void *)sent->data;
		KUNIT_EXPECT_EQ(test, sent->len, NVSP_MSG_SIZE);
		KUNIT_EXPECT_EQ(test, le32_to_cpu(msg->type), NVSP_RNDIS_PACKET);
		KUNIT_EXPECT_EQ(test, le32_to_cpu(msg->channel_type),
				NVSP_CHANNEL_CONTROL);
		KUNIT_EXPECT_EQ(test, le32_to_cpu(msg->section_index),
				NVSP_NO_SECTION);
		KUNIT_EXPECT_EQ(test, sent->ranges, 1);
		KUNIT_EXPECT_EQ(test, le32_to_cpu(ask->hdr.len), sent->data_len);
		KUNIT_EXPECT_GT(test, le32_to_cpu(ask->id), id);
		id = le32_to_cpu(ask->id);
		if (sent->key == INITIALIZE)
			continue;
		KUNIT_EXPECT_EQ(test, le32_to_cpu(ask->info_offset) +
				RNDIS_OFFSET_BASE, sizeof(*ask));
		KUNIT_EXPECT_EQ(test, le32_to_cpu(ask->info_len) + sizeof(*ask),
				sent->data_len);
	}
}

/* An answer of any length is taken, or refused; never more than there is room */
static void long_answers(struct kunit *test)
{
	static const u32 sizes[] = {
		0, 1, 511, 512, 513, 4095, 4096, 4097, 4124, 4125, 8000, 65536,
	};
	struct fake_bus *bus = negotiated(test);
	u8 *bytes;
	int i, k;

	bytes = kunit_kzalloc(test, 65536, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, bytes);
	memset(bytes, 0x02, 65536);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (k = 1; k < ARRAY_SIZE(questions); k++) {
			if (questions[k].key == OID_OFFLOAD_PARAMS)
				continue;
			fake_bus_no_rules(bus);
			fake_bus_rule(bus, questions[k].key, FAKE_INFO,
				      sizes[i])->bytes = bytes;
			KUNIT_EXPECT_EQ_MSG(test, learn(bus),
					    questions[k].refused,
					    "key %#x, size %u",
					    questions[k].key, sizes[i]);
		}
	}
}

struct range_case {
	u32 offset;
	u32 len;
	bool good;
};

/* Where the information of an answer of 28 bytes is said to be */
static void information_outside(struct kunit *test)
{
	static const struct range_case cases[] = {
		{ 16, 4, true }, { 16, 5, false }, { 17, 4, false },
		{ 15, 4, false }, { 0, 4, false }, { 20, 4, false },
		{ 16, 0, false }, { U32_MAX, 4, false }, { 16, U32_MAX, false },
		{ U32_MAX - 3, 8, false }, { U32_MAX - 7, 16, false },
	};
	struct fake_bus *bus = negotiated(test);
	struct netvsc *nv = bus->nv;
	__le32 answer[7] = {
		cpu_to_le32(RNDIS_QUERY | RNDIS_COMPLETION), cpu_to_le32(28),
		0, 0, 0, 0, cpu_to_le32(1234),
	};
	u32 want;
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		answer[4] = cpu_to_le32(cases[i].len);
		answer[5] = cpu_to_le32(cases[i].offset);
		fake_bus_no_rules(bus);
		fake_bus_rule(bus, OID_MAX_FRAME_SIZE, FAKE_BYTES,
			      sizeof(answer))->bytes = answer;
		KUNIT_EXPECT_EQ(test, learn(bus), 0);
		want = ETH_DATA_LEN;
		if (cases[i].good)
			want = 1234;
		KUNIT_EXPECT_EQ_MSG(test, nv->sess.frame_max, want, "%u at %u",
				    cases[i].len, cases[i].offset);
	}
}

/* What the host says of itself */

struct init_case {
	const char *name;
	u32 offset;
	u32 value;
	int ret;
	u32 packets;
	u32 align;
};

#define INIT(field)	offsetof(struct rndis_initialize_c, field)

static const struct init_case init_cases[] = {
	{ "right", INIT(device_flags), 1, 0, 8, 8 },
	{ "no packets", INIT(max_packets), 0, 0, 1, 8 },
	{ "one packet", INIT(max_packets), 1, 0, 1, 8 },
	{ "64 packets", INIT(max_packets), 64, 0, 64, 8 },
	{ "65 packets", INIT(max_packets), 65, 0, 64, 8 },
	{ "packets wild", INIT(max_packets), U32_MAX, 0, 64, 8 },
	{ "factor 0", INIT(alignment_factor), 0, 0, 8, 1 },
	{ "factor 7", INIT(alignment_factor), 7, 0, 8, 128 },
	{ "factor 8", INIT(alignment_factor), 8, -EINVAL },
	{ "factor 31", INIT(alignment_factor), 31, -EINVAL },
	{ "factor 32", INIT(alignment_factor), 32, -EINVAL },
	{ "factor wild", INIT(alignment_factor), U32_MAX, -EINVAL },
	{ "major 0", INIT(major), 0, -EPROTO },
	{ "major 2", INIT(major), 2, -EPROTO },
	{ "minor 7", INIT(minor), 7, 0, 8, 8 },
	{ "status", INIT(status), 1, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(init, init_cases, name);

static void initialize(struct kunit *test)
{
	const struct init_case *param = test->param_value;
	struct fake_bus *bus = negotiated(test);
	struct nvsp_session *sess = &bus->nv->sess;

	fake_bus_rule(bus, INITIALIZE, FAKE_WORD, param->value)->offset =
		param->offset;
	KUNIT_EXPECT_EQ(test, learn(bus), param->ret);
	if (param->ret)
		return;
	KUNIT_EXPECT_EQ(test, sess->max_packets, param->packets);
	KUNIT_EXPECT_EQ(test, sess->align, param->align);
	KUNIT_EXPECT_EQ(test, sess->max_transfer, 0x4000);
}

static void initialize_length(struct kunit *test)
{
	struct fake_bus *bus = negotiated(test);
	u32 len;

	for (len = 16; len <= 56; len += 4) {
		fake_bus_no_rules(bus);
		fake_bus_rule(bus, INITIALIZE, FAKE_LENGTH, len);
		KUNIT_EXPECT_EQ_MSG(test, learn(bus), len < 44 ? -EINVAL : 0,
				    "length %u", len);
	}
}

struct word_case {
	u32 said;
	u32 taken;
};

static void frame_size(struct kunit *test)
{
	static const struct word_case cases[] = {
		{ 0, ETH_DATA_LEN }, { 67, ETH_DATA_LEN }, { 68, 68 },
		{ 1499, 1499 }, { 1500, 1500 }, { 65521, 65521 },
		{ 65522, 65521 }, { 65535, 65521 }, { U32_MAX, 65521 },
	};
	struct fake_bus *bus = negotiated(test);
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		bus->host.frame_max = cases[i].said;
		KUNIT_EXPECT_EQ(test, learn(bus), 0);
		KUNIT_EXPECT_EQ(test, bus->nv->sess.frame_max, cases[i].taken);
	}
}

/* Less than a number is no number, and what is taken then is ours */
static void short_numbers(struct kunit *test)
{
	static const u32 oids[] = {
		OID_MAX_FRAME_SIZE, OID_MEDIA_CONNECT_STATUS, OID_LINK_SPEED,
	};
	static const u8 bytes[3] = { 0x07, 0x07, 0x07 };
	struct fake_bus *bus = negotiated(test);
	struct netvsc *nv = bus->nv;
	int i, len;

	for (len = 0; len < 4; len++) {
		fake_bus_no_rules(bus);
		for (i = 0; i < ARRAY_SIZE(oids); i++)
			fake_bus_rule(bus, oids[i], FAKE_INFO, len)->bytes = bytes;
		nv->sess.frame_max = 0;
		nv->link.up = false;
		nv->link.speed = 0;
		KUNIT_EXPECT_EQ(test, learn(bus), 0);
		KUNIT_EXPECT_EQ(test, nv->sess.frame_max, ETH_DATA_LEN);
		KUNIT_EXPECT_TRUE(test, nv->link.up);
		KUNIT_EXPECT_EQ(test, nv->link.speed, (u32)SPEED_UNKNOWN);
	}
}

struct mac_case {
	const char *name;
	u8 mac[8];
	u32 len;
	int ret;
};

static const struct mac_case mac_cases[] = {
	{ "right", { 0x00, 0x15, 0x5d, 1, 2, 3 }, 6, 0 },
	{ "locally administered", { 0x02, 0x15, 0x5d, 1, 2, 3 }, 6, 0 },
	{ "zero", { 0 }, 6, -EINVAL },
	{ "multicast", { 0x01, 0x15, 0x5d, 1, 2, 3 }, 6, -EINVAL },
	{ "broadcast", { 255, 255, 255, 255, 255, 255 }, 6, -EINVAL },
	{ "none", { 0 }, 0, -EINVAL },
	{ "5 bytes", { 0x00, 0x15, 0x5d, 1, 2, 3 }, 5, -EINVAL },
	{ "7 bytes", { 0x00, 0x15, 0x5d, 1, 2, 3 }, 7, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(mac, mac_cases, name);

static void permanent_address(struct kunit *test)
{
	const struct mac_case *param = test->param_value;
	struct fake_bus *bus = negotiated(test);

	fake_bus_rule(bus, OID_PERMANENT_ADDRESS, FAKE_INFO, param->len)->bytes =
		param->mac;
	KUNIT_EXPECT_EQ(test, learn(bus), param->ret);
	if (!param->ret)
		KUNIT_EXPECT_MEMEQ(test, bus->nv->sess.mac, param->mac, ETH_ALEN);
}

struct name_case {
	const char *name;
	u16 utf16[16];
	u32 len;
	const char *taken;
};

static const struct name_case name_cases[] = {
	{ "right", { 'n', '1', 0 }, 6, "n1" },
	{ "no end", { 'n', '1' }, 4, "n1" },
	{ "odd length", { 'n', '1', 'x' }, 5, "n1" },
	{ "one byte", { 'n' }, 1, "" },
	{ "nothing", { 0 }, 0, "" },
	{ "end first", { 0, 'n', '1' }, 6, "" },
	{ "behind the end", { 'n', 0, '1' }, 6, "n" },
	{ "no name", { 'N', 'e', 't', 'w', 'o', 'r', 'k', ' ', 'A', 'd', 'a',
		       'p', 't', 'e', 'r', 0 }, 32, "" },
	{ "two bytes", { 0xe4, 0 }, 4, "\xc3\xa4" },
	{ "three bytes", { 0x20ac, 0 }, 4, "\xe2\x82\xac" },
	{ "pair", { 0xd83d, 0xde00, 0 }, 6, "\xf0\x9f\x98\x80" },
	{ "high half only", { 'a', 0xd83d, 'b', 0 }, 8, "ab" },
	{ "low half only", { 'a', 0xde00, 'b', 0 }, 8, "ab" },
	{ "high half last", { 'a', 0xd83d }, 4, "a" },
	{ "halves swapped", { 'a', 0xde00, 0xd83d, 'b' }, 8, "ab" },
};

KUNIT_ARRAY_PARAM_DESC(name, name_cases, name);

static void friendly_name(struct kunit *test)
{
	const struct name_case *param = test->param_value;
	struct fake_bus *bus = negotiated(test);
	__le16 utf16[16];
	int i;

	for (i = 0; i < 16; i++)
		utf16[i] = cpu_to_le16(param->utf16[i]);
	fake_bus_rule(bus, OID_FRIENDLY_NAME, FAKE_INFO, param->len)->bytes =
		utf16;
	KUNIT_EXPECT_EQ(test, learn(bus), 0);
	KUNIT_EXPECT_STREQ(test, bus->nv->sess.name, param->taken);
}

/* As long as can be, and longer: still a string, and still UTF-8 */
static void long_friendly_name(struct kunit *test)
{
	static const u16 chars[] = { 'x', 0xe4, 0x20ac, 0xd83d, 0xffff };
	struct fake_bus *bus = negotiated(test);
	char *name = bus->nv->sess.name;
	wchar_t *back;
	__le16 *utf16;
	u32 len;
	int i, n;

	utf16 = kunit_kzalloc(test, 600, GFP_KERNEL);
	back = kunit_kzalloc(test, 2 * IFALIASZ, GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, utf16 && back);
	for (i = 0; i < ARRAY_SIZE(chars); i++) {
		for (n = 0; n < 300; n++)
			utf16[n] = cpu_to_le16(chars[i]);
		for (len = 509; len <= 514; len++) {
			fake_bus_no_rules(bus);
			fake_bus_rule(bus, OID_FRIENDLY_NAME, FAKE_INFO,
				      len)->bytes = utf16;
			memset(name, 'y', IFALIASZ);
			KUNIT_EXPECT_EQ(test, learn(bus), 0);
			KUNIT_EXPECT_LT(test, strnlen(name, IFALIASZ), IFALIASZ);
			KUNIT_EXPECT_GE(test,
					utf8s_to_utf16s(name,
							strnlen(name, IFALIASZ),
							UTF16_HOST_ENDIAN, back,
							IFALIASZ), 0);
		}
	}
}

struct offload_case {
	const char *name;
	u8 type;
	u8 revision;
	u16 size;
	u32 len;
	u32 ipv4, ipv6, lso_max, v6_flags;
	u32 encapsulation;
	u8 rsc4, rsc6;
	u32 csum;
	u32 tso4, tso6;
	bool rsc;
};

#define CSUM4	(NETVSC_CSUM_TCP4 | NETVSC_CSUM_UDP4)
#define CSUM6	(NETVSC_CSUM_TCP6 | NETVSC_CSUM_UDP6)
#define CSUMS	(CSUM4 | CSUM6)

static const struct offload_case offload_cases[] = {
	{ "all", 0xa7, 3, 156, 156, 0x55, 0x55, 62780, 5, 2, 1, 1,
	  CSUMS, 62780, 62780, true },
	{ "nothing", 0xa7, 3, 156, 156, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, false },
	{ "more than is known", 0xa7, 9, 200, 200, 0x55, 0x55, 62780, 5, 2, 1, 1,
	  CSUMS, 62780, 62780, true },
	{ "revision 2", 0xa7, 2, 144, 144, 0x55, 0x55, 62780, 5, 2, 1, 1,
	  CSUMS, 62780, 62780, false },
	{ "revision 1", 0xa7, 1, 112, 112, 0x55, 0x55, 62780, 5, 2, 1, 1,
	  CSUMS, 62780, 62780, false },
	{ "behind its size", 0xa7, 3, 144, 156, 0x55, 0x55, 62780, 5, 2, 1, 1,
	  CSUMS, 62780, 62780, false },
	{ "between revisions", 0xa7, 3, 145, 156, 0x55, 0x55, 62780, 5, 2, 1, 1,
	  CSUMS, 62780, 62780, false },
	{ "wrong type", 0x80, 3, 156, 156, 0x55, 0x55, 62780, 5, 2, 1, 1 },
	{ "revision 0", 0xa7, 0, 156, 156, 0x55, 0x55, 62780, 5, 2, 1, 1 },
	{ "size 0", 0xa7, 3, 0, 156, 0x55, 0x55, 62780, 5, 2, 1, 1 },
	{ "size 111", 0xa7, 3, 111, 156, 0x55, 0x55, 62780, 5, 2, 1, 1 },
	{ "size beyond the answer", 0xa7, 3, 156, 155, 0x55, 0x55, 62780, 5, 2,
	  1, 1 },
	{ "size wild", 0xa7, 3, 0xffff, 156, 0x55, 0x55, 62780, 5, 2, 1, 1 },
	{ "header only", 0xa7, 3, 156, 4, 0x55, 0x55, 62780, 5, 2, 1, 1 },
	{ "not even that", 0xa7, 3, 156, 3, 0x55, 0x55, 62780, 5, 2, 1, 1 },
	{ "IPv4 without options", 0xa7, 3, 156, 156, 0x50, 0x55, 62780, 5, 2, 0,
	  0, CSUM6, 0, 62780, false },
	{ "IPv4 without UDP", 0xa7, 3, 156, 156, 0x14, 0x55, 62780, 5, 2, 0, 0,
	  NETVSC_CSUM_TCP4 | CSUM6, 62780, 62780, false },
	{ "IPv4 UDP only", 0xa7, 3, 156, 156, 0x40, 0x55, 62780, 5, 2, 0, 0,
	  CSUM6, 0, 62780, false },
	{ "IPv6 without extension headers", 0xa7, 3, 156, 156, 0x55, 0x54, 62780,
	  5, 2, 0, 0, CSUM4, 62780, 0, false },
	{ "IPv6 without UDP", 0xa7, 3, 156, 156, 0x55, 0x15, 62780, 5, 2, 0, 0,
	  CSUM4 | NETVSC_CSUM_TCP6, 62780, 62780, false },
	{ "LSOv6 without extension headers", 0xa7, 3, 156, 156, 0x55, 0x55,
	  62780, 4, 2, 0, 0, CSUMS, 62780, 0, false },
	{ "LSO, no encapsulation", 0xa7, 3, 156, 156, 0x55, 0x55, 62780, 5, 1, 0,
	  0, CSUMS, 0, 0, false },
	{ "LSO 0", 0xa7, 3, 156, 156, 0x55, 0x55, 0, 5, 2, 0, 0, CSUMS, 0, 0,
	  false },
	{ "LSO of the MTU", 0xa7, 3, 156, 156, 0x55, 0x55, 1514, 5, 2, 0, 0,
	  CSUMS, 0, 0, false },
	{ "LSO of a byte more", 0xa7, 3, 156, 156, 0x55, 0x55, 1515, 5, 2, 0, 0,
	  CSUMS, 1515, 1515, false },
	{ "LSO wild", 0xa7, 3, 156, 156, 0x55, 0x55, U32_MAX, 5, 2, 0, 0,
	  CSUMS, GSO_LEGACY_MAX_SIZE, GSO_LEGACY_MAX_SIZE, false },
	{ "RSC of IPv4", 0xa7, 3, 156, 156, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, false },
	{ "RSC of IPv6", 0xa7, 3, 156, 156, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, false },
};

KUNIT_ARRAY_PARAM_DESC(offload, offload_cases, name);

static void offload_caps(struct kunit *test)
{
	const struct offload_case *param = test->param_value;
	struct fake_bus *bus = negotiated(test);
	struct nvsp_session *sess = &bus->nv->sess;
	struct ndis_offload *caps;

	caps = kunit_kzalloc(test, 256, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, caps);
	caps->hdr.type = param->type;
	caps->hdr.revision = param->revision;
	caps->hdr.size = cpu_to_le16(param->size);
	caps->ipv4_tx.flags = cpu_to_le32(param->ipv4);
	caps->ipv6_tx.flags = cpu_to_le32(param->ipv6);
	caps->lso_v4.encapsulation = cpu_to_le32(param->encapsulation);
	caps->lso_v4.max_size = cpu_to_le32(param->lso_max);
	caps->lso_v6 = caps->lso_v4;
	caps->lso_v6_flags = cpu_to_le32(param->v6_flags);
	caps->rsc_v4 = param->rsc4;
	caps->rsc_v6 = param->rsc6;
	fake_bus_rule(bus, OID_OFFLOAD_HW_CAPS, FAKE_INFO, param->len)->bytes =
		caps;
	KUNIT_EXPECT_EQ(test, learn(bus), 0);
	KUNIT_EXPECT_EQ(test, sess->csum, param->csum);
	KUNIT_EXPECT_EQ(test, sess->tso4_max, param->tso4);
	KUNIT_EXPECT_EQ(test, sess->tso6_max, param->tso6);
	KUNIT_EXPECT_EQ(test, sess->rsc, param->rsc);
}

struct ask_case {
	u32 version;
	u8 revision;
	u16 size;
	u32 params;
};

static void offload_messages(struct kunit *test)
{
	static const struct ask_case cases[] = {
		{ NVSP_VERSION_1, 1, 112, 22 }, { NVSP_VERSION_2, 1, 112, 22 },
		{ NVSP_VERSION_4, 2, 144, 22 }, { NVSP_VERSION_5, 3, 156, 28 },
		{ NVSP_VERSION_6, 3, 156, 28 }, { NVSP_VERSION_6_1, 3, 156, 28 },
	};
	/* of IPv4: header, TCP, UDP; of IPv6: TCP, UDP; LSO: 1, IPsec, 2, 2; at 22: RSC */
	static const u8 params[2][28] = {
		{ 0x80, 3, 22, 0, 1, 4, 0, 4, 0, 0, 0, 2, 2 },
		{ 0x80, 3, 28, 0, 1, 4, 4, 4, 4, 0, 0, 2, 2, [22] = 2, [23] = 2 },
	};
	struct fake_bus *bus = negotiated(test);
	const struct ndis_object *hdr;
	struct fake_sent *sent;
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		fake_bus_forget(bus);
		bus->nv->sess.version = cases[i].version;
		KUNIT_EXPECT_EQ(test, learn(bus), 0);
		sent = fake_bus_sent(bus, OID_OFFLOAD_HW_CAPS, 0);
		KUNIT_ASSERT_NOT_NULL(test, sent);
		hdr = (void *)sent->data + sizeof(struct rndis_query);
		KUNIT_EXPECT_EQ(test, sent->data_len, 28 + cases[i].size);
		KUNIT_EXPECT_EQ(test, hdr->type, NDIS_OBJECT_OFFLOAD);
		KUNIT_EXPECT_EQ(test, hdr->revision, cases[i].revision);
		KUNIT_EXPECT_EQ(test, le16_to_cpu(hdr->size), cases[i].size);
		sent = fake_bus_sent(bus, OID_OFFLOAD_PARAMS, 0);
		KUNIT_ASSERT_NOT_NULL(test, sent);
		KUNIT_ASSERT_EQ(test, sent->data_len, 28 + cases[i].params);
		KUNIT_EXPECT_MEMEQ(test, sent->data + 28,
				   params[cases[i].version >= NVSP_VERSION_5],
				   cases[i].params);
	}
}

struct rsc_case {
	u32 version;
	u8 v4, v6;
	bool lro;
	u8 said;	/* at connect */
	u8 on, off;	/* when told so later */
};

/* Coalescing is on or off with LRO, and is left alone where it is not offered */
static void rsc_messages(struct kunit *test)
{
	static const struct rsc_case cases[] = {
		{ NVSP_VERSION_6_1, 1, 1, true, 2, 2, 1 },
		{ NVSP_VERSION_6_1, 1, 1, false, 1, 2, 1 },
		{ NVSP_VERSION_6_1, 1, 0, true, 0, 0, 0 },
		{ NVSP_VERSION_6_1, 0, 1, true, 0, 0, 0 },
		{ NVSP_VERSION_6_1, 0, 0, false, 0, 0, 0 },
		{ NVSP_VERSION_5, 1, 1, true, 2, 2, 1 },
		{ NVSP_VERSION_4, 1, 1, true, 0, 0, 0 },
	};
	const u32 at = sizeof(struct rndis_query);
	struct fake_bus *bus = negotiated(test);
	u8 said[sizeof(struct ndis_offload_params)];
	struct fake_sent *sent;
	u32 i, k, len;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		fake_bus_forget(bus);
		bus->nv->sess.version = cases[i].version;
		bus->nv->cfg.features = cases[i].lro ? NETIF_F_LRO : 0;
		bus->host.offload.rsc_v4 = cases[i].v4;
		bus->host.offload.rsc_v6 = cases[i].v6;
		len = cases[i].version < NVSP_VERSION_5 ? 22 : 28;
		KUNIT_EXPECT_EQ(test, learn(bus), 0);
		KUNIT_EXPECT_EQ(test, rndis_filter_set_rsc(bus->nv, true), 0);
		KUNIT_EXPECT_EQ(test, rndis_filter_set_rsc(bus->nv, false), 0);
		for (k = 0; k < 3; k++) {
			sent = fake_bus_sent(bus, OID_OFFLOAD_PARAMS, k);
			KUNIT_ASSERT_NOT_NULL(test, sent);
			KUNIT_ASSERT_EQ(test, sent->data_len, at + len);
			memset(said, 0, sizeof(said));
			said[0] = 0x80;
			said[1] = 3;
			said[2] = len;
			said[22] = k == 0 ? cases[i].said :
				   k == 1 ? cases[i].on : cases[i].off;
			said[23] = said[22];
			/* the first message says the rest, too */
			KUNIT_EXPECT_MEMEQ(test, sent->data + at, said,
					   k ? len : 4);
			if (len > 22)
				KUNIT_EXPECT_MEMEQ(test, sent->data + at + 22,
						   said + 22, 6);
		}
	}
}

/* Offloads that the host offers and then refuses are not used */
static void offloads_refused(struct kunit *test)
{
	struct fake_bus *bus = negotiated(test);
	struct nvsp_session *sess = &bus->nv->sess;

	fake_bus_rule(bus, OID_OFFLOAD_PARAMS, FAKE_STATUS, RNDIS_STATUS_FAILURE);
	KUNIT_EXPECT_EQ(test, learn(bus), 0);
	KUNIT_EXPECT_EQ(test, sess->csum, 0);
	KUNIT_EXPECT_EQ(test, sess->tso4_max, 0);
	KUNIT_EXPECT_EQ(test, sess->tso6_max, 0);
	KUNIT_EXPECT_FALSE(test, sess->rsc);
	KUNIT_EXPECT_EQ(test, rndis_filter_set_rsc(bus->nv, true), -EINVAL);
}

/* A host that refuses coalescing alone takes the others when asked again */
static void rsc_refused(struct kunit *test)
{
	struct fake_bus *bus = negotiated(test);
	struct nvsp_session *sess = &bus->nv->sess;

	fake_bus_rule(bus, OID_OFFLOAD_PARAMS, FAKE_STATUS,
		      RNDIS_STATUS_FAILURE)->times = 1;
	KUNIT_EXPECT_EQ(test, learn(bus), 0);
	KUNIT_EXPECT_NE(test, sess->csum, 0);
	KUNIT_EXPECT_NE(test, sess->tso4_max, 0);
	KUNIT_EXPECT_FALSE(test, sess->rsc);
	KUNIT_EXPECT_EQ(test, fake_bus_count(bus, OID_OFFLOAD_PARAMS), 2);
}

struct rss_case {
	const char *name;
	u8 type;
	u16 size;
	u32 len;
	u32 queues;
	u16 said;
	u32 channels;
	u32 entries;
};

static const struct rss_case rss_cases[] = {
	{ "right", 0x88, 18, 18, 8, 128, 8, 128 },
	{ "longer", 0x88, 24, 24, 8, 128, 8, 128 },
	{ "no queue", 0x88, 18, 18, 0, 128, 1, 0 },
	{ "one queue", 0x88, 18, 18, 1, 128, 1, 0 },
	{ "two queues", 0x88, 18, 18, 2, 128, 2, 128 },
	{ "64 queues", 0x88, 18, 18, 64, 128, 64, 128 },
	{ "65 queues", 0x88, 18, 18, 65, 128, 64, 128 },
	{ "queues wild", 0x88, 18, 18, U32_MAX, 128, 64, 128 },
	{ "no entries", 0x88, 18, 18, 8, 0, 8, 128 },
	{ "one entry", 0x88, 18, 18, 8, 1, 8, 1 },
	{ "256 entries", 0x88, 18, 18, 8, 256, 8, 256 },
	{ "257 entries", 0x88, 18, 18, 8, 257, 8, 128 },
	{ "entries wild", 0x88, 18, 18, 8, 0xffff, 8, 128 },
	{ "revision 1", 0x88, 16, 16, 8, 64, 8, 128 },
	{ "behind its size", 0x88, 16, 18, 8, 64, 8, 128 },
	{ "half an entry", 0x88, 17, 17, 8, 64, 8, 128 },
	{ "size 15", 0x88, 15, 18, 8, 128, 1, 0 },
	{ "size beyond the answer", 0x88, 18, 17, 8, 128, 1, 0 },
	{ "short", 0x88, 18, 15, 8, 128, 1, 0 },
	{ "empty", 0x88, 18, 0, 8, 128, 1, 0 },
	{ "wrong type", 0xa7, 18, 18, 8, 128, 1, 0 },
};

KUNIT_ARRAY_PARAM_DESC(rss, rss_cases, name);

static void rss_caps(struct kunit *test)
{
	const struct rss_case *param = test->param_value;
	struct fake_bus *bus = negotiated(test);
	struct ndis_rss_caps caps[2] = {};

	caps->hdr.type = param->type;
	caps->hdr.revision = 2;
	caps->hdr.size = cpu_to_le16(param->size);
	caps->queues = cpu_to_le32(param->queues);
	caps->table_entries = cpu_to_le16(param->said);
	fake_bus_rule(bus, OID_RSS_CAPS, FAKE_INFO, param->len)->bytes = caps;
	KUNIT_EXPECT_EQ(test, learn(bus), 0);
	KUNIT_EXPECT_EQ(test, bus->nv->sess.max_channels, param->channels);
	KUNIT_EXPECT_EQ(test, bus->nv->sess.rss_entries, param->entries);
}

static void old_hosts_are_not_asked(struct kunit *test)
{
	struct fake_bus *bus = negotiated(test);

	bus->nv->sess.version = NVSP_VERSION_4;
	KUNIT_EXPECT_EQ(test, learn(bus), 0);
	KUNIT_EXPECT_EQ(test, fake_bus_count(bus, OID_RSS_CAPS), 0);
	KUNIT_EXPECT_EQ(test, fake_bus_count(bus, OID_LINK_SPEED), 0);
	KUNIT_EXPECT_EQ(test, bus->nv->sess.max_channels, 1);
	KUNIT_EXPECT_EQ(test, bus->nv->sess.rss_entries, 0);
	KUNIT_EXPECT_EQ(test, bus->nv->link.speed, (u32)SPEED_UNKNOWN);
}

/* The link */

static void link_state(struct kunit *test)
{
	static const u32 media[] = { 0, 1, 2, U32_MAX };
	struct fake_bus *bus = negotiated(test);
	int i;

	for (i = 0; i < ARRAY_SIZE(media); i++) {
		bus->host.media = media[i];
		bus->host.speed = 400000000;
		KUNIT_EXPECT_EQ(test, learn(bus), 0);
		KUNIT_EXPECT_EQ(test, bus->nv->link.up, !media[i]);
		KUNIT_EXPECT_EQ(test, bus->nv->link.speed, 40000);
	}
}

static bool indicate(struct fake_bus *bus, u32 status)
{
	const __le32 msg[5] = {
		cpu_to_le32(RNDIS_INDICATE), cpu_to_le32(20), cpu_to_le32(status),
	};

	return rndis_filter_receive(bus->nv->chans[0], msg, sizeof(msg));
}

static void unplug(struct fake_bus *bus)
{
	KUNIT_EXPECT_TRUE(bus->test,
			  indicate(bus, RNDIS_STATUS_MEDIA_DISCONNECT));
}

/* News that overtakes the answer to a question is newer than that */
static void news_overtakes_the_answer(struct kunit *test)
{
	struct fake_bus *bus = negotiated(test);

	fake_bus_rule(bus, OID_MEDIA_CONNECT_STATUS, FAKE_CALL, 0)->call = unplug;
	KUNIT_EXPECT_EQ(test, learn(bus), 0);
	KUNIT_EXPECT_FALSE(test, bus->nv->link.up);
	fake_bus_no_rules(bus);
	KUNIT_EXPECT_EQ(test, learn(bus), 0);
	KUNIT_EXPECT_TRUE(test, bus->nv->link.up);
}

/* The state stays what it was if the host does not answer */
static void silent_link(struct kunit *test)
{
	struct fake_bus *bus = negotiated(test);
	struct netvsc *nv = bus->nv;

	nv->timeout_ms = SILENCE_MS;
	fake_bus_rule(bus, OID_MEDIA_CONNECT_STATUS, FAKE_NONE, 0);
	nv->link.up = false;
	nv->link.speed = 77;
	KUNIT_EXPECT_EQ(test, learn(bus), -ETIMEDOUT);
	KUNIT_EXPECT_FALSE(test, nv->link.up);
	KUNIT_EXPECT_EQ(test, nv->link.speed, 77);
}

struct event_case {
	const char *name;
	u32 status;
	u32 len;	/* there */
	u32 own;	/* said */
	u32 buf_len;
	u32 buf_offset;
	bool taken;
	bool up;	/* was up before all but "connect" */
	bool link, flap;
	u32 speed;
};

#define WAS	1	/* speed in Mbit/s that there was before */

static const struct event_case event_cases[] = {
	{ "connect", RNDIS_STATUS_MEDIA_CONNECT, 20, 20, 0, 0,
	  true, true, true, false, WAS },
	{ "disconnect", RNDIS_STATUS_MEDIA_DISCONNECT, 20, 20, 0, 0,
	  true, false, true, true, WAS },
	{ "network change", RNDIS_STATUS_NETWORK_CHANGE, 20, 20, 0, 0,
	  true, true, true, true, WAS },
	{ "speed", RNDIS_STATUS_LINK_SPEED, 24, 24, 4, 12,
	  true, true, false, false, 40000 },
	{ "speed behind a gap", RNDIS_STATUS_LINK_SPEED, 28, 28, 4, 16,
	  true, true, false, false, 40000 },
	{ "speed behind the message", RNDIS_STATUS_LINK_SPEED, 24, 20, 4, 12,
	  true, true, false, false, 40000 },
	{ "speed and more", RNDIS_STATUS_LINK_SPEED, 32, 32, 12, 12,
	  true, true, false, false, 40000 },
	{ "speed without buffer", RNDIS_STATUS_LINK_SPEED, 24, 24, 0, 12,
	  true, true, false, false, WAS },
	{ "speed of 3 bytes", RNDIS_STATUS_LINK_SPEED, 24, 24, 3, 12,
	  true, true, false, false, WAS },
	{ "speed in the header", RNDIS_STATUS_LINK_SPEED, 24, 24, 4, 11,
	  true, true, false, false, WAS },
	{ "speed outside", RNDIS_STATUS_LINK_SPEED, 24, 24, 4, 13,
	  true, true, false, false, WAS },
	{ "speed too long", RNDIS_STATUS_LINK_SPEED, 24, 24, 5, 12,
	  true, true, false, false, WAS },
	{ "speed's offset wild", RNDIS_STATUS_LINK_SPEED, 24, 24, 4, U32_MAX - 3,
	  true, true, false, false, WAS },
	{ "speed's length wild", RNDIS_STATUS_LINK_SPEED, 24, 24, U32_MAX, 12,
	  true, true, false, false, WAS },
	{ "offloads", 0x40020006, 24, 24, 4, 12, true, true, false, false, WAS },
	{ "unknown", 0x4001ffff, 20, 20, 0, 0, true, true, false, false, WAS },
	{ "short", RNDIS_STATUS_MEDIA_DISCONNECT, 19, 19, 0, 0,
	  false, true, false, false, WAS },
	{ "header only", RNDIS_STATUS_MEDIA_DISCONNECT, 8, 8, 0, 0,
	  false, true, false, false, WAS },
	{ "part of it", RNDIS_STATUS_MEDIA_DISCONNECT, 7, 7, 0, 0,
	  false, true, false, false, WAS },
	{ "nothing", RNDIS_STATUS_MEDIA_DISCONNECT, 0, 0, 0, 0,
	  false, true, false, false, WAS },
	{ "says less than a header", RNDIS_STATUS_MEDIA_DISCONNECT, 20, 7, 0, 0,
	  false, true, false, false, WAS },
	{ "says more than there is", RNDIS_STATUS_MEDIA_DISCONNECT, 20, 21, 0, 0,
	  false, true, false, false, WAS },
};

KUNIT_ARRAY_PARAM_DESC(event, event_cases, name);

static void indication(struct kunit *test)
{
	const struct event_case *param = test->param_value;
	struct fake_bus *bus = negotiated(test);
	struct netvsc *nv = bus->nv;
	__le32 words[8] = {
		cpu_to_le32(RNDIS_INDICATE), cpu_to_le32(param->own),
		cpu_to_le32(param->status), cpu_to_le32(param->buf_len),
		cpu_to_le32(param->buf_offset),
	};
	u8 *msg;

	if (param->buf_offset >= 12 && param->buf_offset <= 16)
		put_unaligned_le32(400000000, (u8 *)words + 8 + param->buf_offset);
	msg = kunit_kzalloc(test, max(param->len, 1u), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, msg);
	memcpy(msg, words, param->len);
	nv->link.up = param->status != RNDIS_STATUS_MEDIA_CONNECT;
	nv->link.speed = WAS;
	/* nothing takes the news out of our hands */
	KUNIT_EXPECT_EQ(test, rndis_filter_receive(nv->chans[0], msg, param->len),
			param->taken);
	KUNIT_EXPECT_EQ(test, nv->link.up, param->up);
	KUNIT_EXPECT_EQ(test, nv->link.speed, param->speed);
	KUNIT_EXPECT_EQ(test, test_bit(NETVSC_EVENT_LINK, &nv->events),
			param->link);
	KUNIT_EXPECT_EQ(test, test_bit(NETVSC_EVENT_FLAP, &nv->events),
			param->flap);
}

/* What nobody asked for, and what no host sends */
static void unsolicited(struct kunit *test)
{
	static const u32 types[] = {
		0, RNDIS_PACKET, RNDIS_INITIALIZE, RNDIS_HALT, RNDIS_QUERY,
		RNDIS_SET, RNDIS_RESET, 0x7fffffff, 0x80000000,
		RNDIS_INITIALIZE | RNDIS_COMPLETION,
		RNDIS_QUERY | RNDIS_COMPLETION, RNDIS_SET | RNDIS_COMPLETION,
		RNDIS_RESET | RNDIS_COMPLETION,
		RNDIS_KEEPALIVE | RNDIS_COMPLETION, U32_MAX,
	};
	struct fake_bus *bus = negotiated(test);
	struct netvsc_chan *ch = bus->nv->chans[0];
	__le32 *msg = kunit_kzalloc(test, 16, GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, msg);
	msg[1] = cpu_to_le32(16);
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		msg[0] = cpu_to_le32(types[i]);
		KUNIT_EXPECT_FALSE_MSG(test, rndis_filter_receive(ch, msg, 16),
				       "type %#x", types[i]);
	}
	KUNIT_EXPECT_EQ(test, bus->nsent, 0);
}

static void only_the_primary_has_control(struct kunit *test)
{
	const __le32 msg[5] = {
		cpu_to_le32(RNDIS_INDICATE), cpu_to_le32(20),
		cpu_to_le32(RNDIS_STATUS_MEDIA_DISCONNECT),
	};
	struct fake_bus *bus = negotiated(test);

	KUNIT_EXPECT_FALSE(test, rndis_filter_receive(bus->nv->chans[1], msg,
						      sizeof(msg)));
	KUNIT_EXPECT_TRUE(test, bus->nv->link.up);
}

/* What the host is told */

static const u8 *set_info(struct fake_bus *bus, u32 oid, u32 nth, u32 *len)
{
	struct fake_sent *sent = fake_bus_sent(bus, oid, nth);

	*len = sent ? sent->data_len - sizeof(struct rndis_query) : 0;
	return sent ? sent->data + sizeof(struct rndis_query) : NULL;
}

struct set_case {
	const char *name;
	enum fake_how how;
	u32 value;
	int filter;	/* what setting the filter or the address comes to */
	int rss;
};

static const struct set_case set_cases[] = {
	{ "taken", FAKE_CALL, 0, 0, 0 },
	{ "refused", FAKE_STATUS, RNDIS_STATUS_FAILURE, -EIO, -EINVAL },
	{ "message refused", FAKE_DONE_STATUS, 2, -EIO, -EINVAL },
	{ "silence", FAKE_NONE, 0, -ETIMEDOUT, -ETIMEDOUT },
	{ "short", FAKE_LENGTH, 15, -ETIMEDOUT, -ETIMEDOUT },
	{ "rescind", FAKE_RESCIND, 0, -ENODEV, -ENODEV },
	{ "not sent", FAKE_ERROR, EIO, -EIO, -EIO },
};

KUNIT_ARRAY_PARAM_DESC(set, set_cases, name);

static void set(struct kunit *test)
{
	const struct set_case *param = test->param_value;
	static const u8 mac[ETH_ALEN] = { 0x02, 1, 2, 3, 4, 5 };
	struct fake_bus *bus = negotiated(test);
	struct netvsc *nv = bus->nv;

	nv->sess.rss_entries = 4;
	nv->timeout_ms = SILENCE_MS;
	fake_bus_rule(bus, FAKE_ANY, param->how, param->value);
	nvsp_set_deadline(nv);
	KUNIT_EXPECT_EQ(test, rndis_filter_set_filter(nv, 9), param->filter);
	bus->rescinded = false;
	nvsp_set_deadline(nv);
	KUNIT_EXPECT_EQ(test, rndis_filter_set_mac(nv, mac), param->filter);
	bus->rescinded = false;
	nvsp_set_deadline(nv);
	KUNIT_EXPECT_EQ(test, rndis_filter_set_rss(nv, &nv->cfg.rss), param->rss);
}

static void filter_message(struct kunit *test)
{
	struct fake_bus *bus = negotiated(test);
	const u8 *info;
	u32 len;

	KUNIT_EXPECT_EQ(test, rndis_filter_set_filter(bus->nv, 0x1d), 0);
	info = set_info(bus, OID_PACKET_FILTER, 0, &len);
	KUNIT_ASSERT_EQ(test, len, 4);
	KUNIT_EXPECT_EQ(test, get_unaligned_le32(info), 0x1d);
}

static void mac_message(struct kunit *test)
{
	static const u8 mac[ETH_ALEN] = { 0x02, 0x0a, 0xbc, 0xde, 0xf0, 0x09 };
	static const char text[] = "NetworkAddress020abcdef009";
	struct fake_bus *bus = negotiated(test);
	const struct rndis_config_param *param;
	const u8 *info;
	u32 len, i;

	KUNIT_EXPECT_EQ(test, rndis_filter_set_mac(bus->nv, mac), 0);
	info = set_info(bus, OID_RNDIS_CONFIG_PARAM, 0, &len);
	KUNIT_ASSERT_EQ(test, len, 20 + 2 * strlen(text));
	param = (const void *)info;
	KUNIT_EXPECT_EQ(test, le32_to_cpu(param->name_offset), 20);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(param->name_bytes), 28);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(param->type), RNDIS_CONFIG_STRING);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(param->value_offset), 48);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(param->value_bytes), 24);
	for (i = 0; i < strlen(text); i++)
		KUNIT_EXPECT_EQ(test, tolower(get_unaligned_le16(info + 20 + 2 * i)),
				tolower(text[i]));
}

static void rss_messages(struct kunit *test)
{
	struct fake_bus *bus = negotiated(test);
	const struct ndis_rss_params *params;
	struct netvsc *nv = bus->nv;
	const u8 *info;
	u32 len, i, n;

	nv->sess.rss_entries = 8;
	for (i = 0; i < 8; i++)
		nv->cfg.rss.table[i] = 7 - i;
	/* hosts may refuse to disable it */
	fake_bus_rule(bus, OID_RSS_PARAMS, FAKE_STATUS,
		      RNDIS_STATUS_FAILURE)->times = 1;
	KUNIT_EXPECT_EQ(test, rndis_filter_set_rss(nv, &nv->cfg.rss), 0);
	KUNIT_EXPECT_EQ(test, bus->nsent, 2);
	for (n = 0; n < 2; n++) {
		info = set_info(bus, OID_RSS_PARAMS, n, &len);
		KUNIT_ASSERT_EQ(test, len, 40 + 8 * 4 + NETVSC_HASH_KEY_LEN);
		params = (const void *)info;
		KUNIT_EXPECT_EQ(test, params->hdr.type, NDIS_OBJECT_RSS_PARAMS);
		KUNIT_EXPECT_EQ(test, le16_to_cpu(params->flags),
				n ? 0 : NDIS_RSS_FLAG_DISABLE);
		KUNIT_EXPECT_EQ(test, le16_to_cpu(params->table_bytes), 32);
		KUNIT_EXPECT_EQ(test, le32_to_cpu(params->table_offset), 40);
		KUNIT_EXPECT_EQ(test, le32_to_cpu(params->key_offset), 72);
		for (i = 0; i < 8; i++)
			KUNIT_EXPECT_EQ(test, get_unaligned_le32(info + 40 + 4 * i),
					7 - i);
		KUNIT_EXPECT_MEMEQ(test, info + 72, nv->cfg.rss.key,
				   NETVSC_HASH_KEY_LEN);
	}
	nv->sess.rss_entries = 0;
	KUNIT_EXPECT_EQ(test, rndis_filter_set_rss(nv, &nv->cfg.rss), 0);
	KUNIT_EXPECT_EQ(test, bus->nsent, 2);
}

/* The host asks, NAPI notes it, and the event work answers [3.2] */
static void keepalive(struct kunit *test)
{
	struct fake_bus *bus = negotiated(test);
	struct netvsc *nv = bus->nv;
	struct fake_sent *sent;
	__le32 *msg = kunit_kzalloc(test, 12, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, msg);
	msg[0] = cpu_to_le32(RNDIS_KEEPALIVE);
	msg[1] = cpu_to_le32(12);
	msg[2] = cpu_to_le32(0x12345678);
	KUNIT_EXPECT_FALSE(test, rndis_filter_receive(nv->chans[0], msg, 11));
	KUNIT_EXPECT_FALSE(test, test_bit(NETVSC_EVENT_KEEPALIVE, &nv->events));
	KUNIT_EXPECT_TRUE(test, rndis_filter_receive(nv->chans[0], msg, 12));
	KUNIT_EXPECT_EQ(test, bus->nsent, 0);
	KUNIT_EXPECT_TRUE(test, test_bit(NETVSC_EVENT_KEEPALIVE, &nv->events));

	rndis_filter_answer_keepalive(nv);
	KUNIT_ASSERT_EQ(test, bus->nsent, 1);
	sent = fake_bus_sent(bus, FAKE_KEY_RNDIS(RNDIS_KEEPALIVE |
						 RNDIS_COMPLETION), 0);
	KUNIT_ASSERT_NOT_NULL(test, sent);
	KUNIT_EXPECT_EQ(test, get_unaligned_le32(sent->data + 4), 16);
	KUNIT_EXPECT_EQ(test, get_unaligned_le32(sent->data + 8), 0x12345678);
	KUNIT_EXPECT_EQ(test, get_unaligned_le32(sent->data + 12), 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&nv->requests));
}

static void halt_message(struct kunit *test)
{
	static const enum fake_how hows[] = { FAKE_CALL, FAKE_DONE_LATE };
	struct fake_bus *bus = negotiated(test);
	struct netvsc *nv = bus->nv;
	int i;

	for (i = 0; i < ARRAY_SIZE(hows); i++) {
		fake_bus_no_rules(bus);
		fake_bus_rule(bus, FAKE_KEY_RNDIS(RNDIS_HALT), hows[i], 0);
		rndis_filter_halt(nv);
		KUNIT_EXPECT_EQ(test, list_empty(&nv->requests), !i);
	}
	/* waited for the second one, though not for ever */
	KUNIT_EXPECT_TRUE(test, time_after_eq(jiffies, nv->deadline));
	KUNIT_EXPECT_EQ(test, bus->nsent, 2);
	rndis_filter_release(nv);
	KUNIT_EXPECT_TRUE(test, list_empty(&nv->requests));
	KUNIT_EXPECT_TRUE(test, list_empty(&nv->xacts));
	KUNIT_EXPECT_EQ(test, fake_bus_deliver(bus), 0);
}

static struct kunit_case rndis_cases[] = {
	KUNIT_CASE_PARAM_ATTR(deviation, deviation_gen_params,
			      {.speed = KUNIT_SPEED_SLOW}),
	KUNIT_CASE(keepalive),
	KUNIT_CASE(late_page_is_freed),
	KUNIT_CASE(late_reply_without_completion),
	KUNIT_CASE(message_layout),
	KUNIT_CASE_SLOW(long_answers),
	KUNIT_CASE(information_outside),
	KUNIT_CASE_PARAM(initialize, init_gen_params),
	KUNIT_CASE(initialize_length),
	KUNIT_CASE(frame_size),
	KUNIT_CASE(short_numbers),
	KUNIT_CASE_PARAM(permanent_address, mac_gen_params),
	KUNIT_CASE_PARAM(friendly_name, name_gen_params),
	KUNIT_CASE(long_friendly_name),
	KUNIT_CASE_PARAM(offload_caps, offload_gen_params),
	KUNIT_CASE(offload_messages),
	KUNIT_CASE(rsc_messages),
	KUNIT_CASE(offloads_refused),
	KUNIT_CASE(rsc_refused),
	KUNIT_CASE_PARAM(rss_caps, rss_gen_params),
	KUNIT_CASE(old_hosts_are_not_asked),
	KUNIT_CASE(link_state),
	KUNIT_CASE(news_overtakes_the_answer),
	KUNIT_CASE(silent_link),
	KUNIT_CASE_PARAM(indication, event_gen_params),
	KUNIT_CASE(unsolicited),
	KUNIT_CASE(only_the_primary_has_control),
	KUNIT_CASE_PARAM(set, set_gen_params),
	KUNIT_CASE(filter_message),
	KUNIT_CASE(mac_message),
	KUNIT_CASE(rss_messages),
	KUNIT_CASE(halt_message),
	{}
};

static struct kunit_suite rndis_suite = {
	.name = "hv_netvsc_rndis",
	.test_cases = rndis_cases,
};

kunit_test_suite(rndis_suite);
