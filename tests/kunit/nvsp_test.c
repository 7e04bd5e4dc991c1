// SPDX-License-Identifier: GPL-2.0-only
/*
 * The NVSP session: exchanges, versions, buffers, subchannels, notices.
 */
#include <linux/unaligned.h>
#include <linux/vmalloc.h>

#include "../../netvsc.h"
#include "../../netvsc_vmbus.h"
#include "fake_bus.h"

#define RX_BYTES	(16 * PAGE_SIZE)
#define TX_BYTES	(4 * PAGE_SIZE)
#define SILENCE_MS	60	/* that a test waits for a host that says nothing */

/* A deadline that is near enough to be waited for */
static void be_brief(struct fake_bus *bus)
{
	bus->nv->timeout_ms = SILENCE_MS;
	nvsp_set_deadline(bus->nv);
}

static void no_cb(void *ctx)
{
}

/* A bus whose primary is open */
static struct fake_bus *opened(struct kunit *test, u32 chans)
{
	struct fake_bus *bus = fake_bus_new(test);

	fake_bus_make_chans(bus, chans);
	KUNIT_ASSERT_EQ(test, nvsp_open(bus->nv, no_cb), 0);
	return bus;
}

/* Exchanges */

enum whose { OWN, UNKNOWN, OTHERS, EARLIER, NO_TOP_BIT, ZERO };

struct xact_case {
	const char *name;
	enum nvsp_xact_kind kind;
	u32 type;
	u32 len;
	enum whose id;
	bool taken;
};

/* Against an exchange for type 102 of at least 28 bytes, or one for 108 */
static const struct xact_case xact_cases[] = {
	{ "right", NVSP_XACT_MESSAGE, 102, 28, OWN, true },
	{ "longer", NVSP_XACT_MESSAGE, 102, 200, OWN, true },
	{ "wrong type", NVSP_XACT_MESSAGE, 105, 28, OWN, false },
	{ "completion of data", NVSP_XACT_MESSAGE, 108, 28, OWN, false },
	{ "type 0", NVSP_XACT_MESSAGE, 0, 28, OWN, false },
	{ "short by a byte", NVSP_XACT_MESSAGE, 102, 27, OWN, false },
	{ "type only", NVSP_XACT_MESSAGE, 102, 4, OWN, false },
	{ "part of type", NVSP_XACT_MESSAGE, 102, 3, OWN, false },
	{ "empty", NVSP_XACT_MESSAGE, 102, 0, OWN, false },
	{ "unknown id", NVSP_XACT_MESSAGE, 102, 28, UNKNOWN, false },
	{ "id 0", NVSP_XACT_MESSAGE, 102, 28, ZERO, false },
	{ "id of a data packet", NVSP_XACT_MESSAGE, 102, 28, NO_TOP_BIT, false },
	{ "id of another exchange", NVSP_XACT_MESSAGE, 102, 28, OTHERS, false },
	{ "id of one that is over", NVSP_XACT_MESSAGE, 102, 28, EARLIER, false },
	{ "RNDIS", NVSP_XACT_RNDIS, 108, 8, OWN, true },
	{ "RNDIS, longer", NVSP_XACT_RNDIS, 108, 40, OWN, true },
	{ "RNDIS, short", NVSP_XACT_RNDIS, 108, 7, OWN, false },
	{ "RNDIS, wrong type", NVSP_XACT_RNDIS, 102, 28, OWN, false },
	{ "RNDIS, empty", NVSP_XACT_RNDIS, 108, 0, OWN, false },
};

KUNIT_ARRAY_PARAM_DESC(xact, xact_cases, name);

static void start(struct netvsc *nv, struct nvsp_xact *xact, u32 type, u32 min)
{
	xact->kind = NVSP_XACT_MESSAGE;
	xact->reply_type = type;
	xact->reply_min = min;
	nvsp_xact_start(nv, xact);
}

static void transaction(struct kunit *test)
{
	const struct xact_case *param = test->param_value;
	struct fake_bus *bus = fake_bus_new(test);
	struct nvsp_xact earlier, other, xact;
	struct netvsc *nv = bus->nv;
	u64 ids[] = {
		[UNKNOWN] = NVSP_XACT_ID | 4711,
		[ZERO] = 0,
	};
	u8 *msg;

	msg = kunit_kzalloc(test, max(param->len, 4u), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, msg);
	put_unaligned_le32(param->type, msg);
	start(nv, &earlier, 102, 28);
	nvsp_xact_end(nv, &earlier);
	start(nv, &other, 2, 16);
	start(nv, &xact, 102, 28);
	nvsp_xact_end(nv, &xact);
	xact.kind = param->kind;
	nvsp_xact_start(nv, &xact);
	ids[OWN] = xact.id;
	ids[OTHERS] = other.id;
	ids[EARLIER] = earlier.id;
	ids[NO_TOP_BIT] = xact.id & ~NVSP_XACT_ID;

	KUNIT_EXPECT_EQ(test, nvsp_complete(nv, ids[param->id], msg, param->len),
			param->taken);
	KUNIT_EXPECT_EQ(test, completion_done(&xact.done), param->taken);
	KUNIT_EXPECT_EQ(test, xact.answered, param->taken);
	KUNIT_EXPECT_EQ(test, xact.reply_len, param->taken ?
			min(param->len, (u32)NVSP_REPLY_MAX) : 0);
	KUNIT_EXPECT_FALSE(test, completion_done(&other.done));
	KUNIT_EXPECT_FALSE(test, other.answered);
	nvsp_xact_end(nv, &xact);
	nvsp_xact_end(nv, &other);
	KUNIT_EXPECT_TRUE(test, list_empty(&nv->xacts));
}

static void ids_are_never_the_same(struct kunit *test)
{
	struct fake_bus *bus = fake_bus_new(test);
	struct nvsp_xact xacts[3];
	int i;

	for (i = 0; i < ARRAY_SIZE(xacts); i++) {
		start(bus->nv, &xacts[i], 102, 28);
		KUNIT_EXPECT_TRUE(test, xacts[i].id & NVSP_XACT_ID);
		KUNIT_EXPECT_TRUE(test, !i || xacts[i].id != xacts[i - 1].id);
		nvsp_xact_end(bus->nv, &xacts[i]);
	}
}

static void second_answer_changes_nothing(struct kunit *test)
{
	struct fake_bus *bus = fake_bus_new(test);
	struct netvsc *nv = bus->nv;
	__le32 msg[7] = { cpu_to_le32(102), cpu_to_le32(1) };
	struct nvsp_xact xact;

	start(nv, &xact, 102, 28);
	KUNIT_EXPECT_TRUE(test, nvsp_complete(nv, xact.id, msg, sizeof(msg)));
	msg[1] = cpu_to_le32(77);
	KUNIT_EXPECT_FALSE(test, nvsp_complete(nv, xact.id, msg, sizeof(msg)));
	nvsp_xact_end(nv, &xact);
	KUNIT_EXPECT_EQ(test, get_unaligned_le32(xact.reply + 4), 1);
}

static void answer_before_the_question(struct kunit *test)
{
	struct fake_bus *bus = fake_bus_new(test);
	struct netvsc *nv = bus->nv;
	__le32 msg[7] = { cpu_to_le32(102) };
	struct nvsp_xact xact;

	start(nv, &xact, 102, 28);
	nvsp_xact_end(nv, &xact);
	KUNIT_EXPECT_FALSE(test, nvsp_complete(nv, xact.id + 1, msg, sizeof(msg)));
	start(nv, &xact, 102, 28);
	KUNIT_EXPECT_FALSE(test, completion_done(&xact.done));
	nvsp_xact_end(nv, &xact);
}

static void wait_ends(struct kunit *test)
{
	struct fake_bus *bus = fake_bus_new(test);
	struct netvsc *nv = bus->nv;
	struct completion done;
	unsigned long begun;

	init_completion(&done);
	be_brief(bus);
	begun = jiffies;
	KUNIT_EXPECT_EQ(test, nvsp_wait(nv, &done), -ETIMEDOUT);
	KUNIT_EXPECT_GE(test, jiffies - begun, msecs_to_jiffies(SILENCE_MS) - 1);
	KUNIT_EXPECT_LT(test, jiffies - begun, 5 * HZ);

	/* what is done counts, even now */
	complete(&done);
	KUNIT_EXPECT_EQ(test, nvsp_wait(nv, &done), 0);

	nv->timeout_ms = 60000;
	nvsp_set_deadline(nv);
	bus->rescinded = true;
	begun = jiffies;
	KUNIT_EXPECT_EQ(test, nvsp_wait(nv, &done), -ENODEV);
	KUNIT_EXPECT_LT(test, jiffies - begun, 5 * HZ);
	complete(&done);
	KUNIT_EXPECT_EQ(test, nvsp_wait(nv, &done), 0);
}

/* Versions */

struct version_case {
	const char *name;
	u32 version;
	bool isolated;
	int ret;
	u32 tries;
	u32 configs;
	u32 minor;
	u64 caps;
};

#define CAPS_NEW	(NDIS_CAP_SRIOV | NDIS_CAP_IEEE8021Q | NDIS_CAP_TEAMING)

static const struct version_case version_cases[] = {
	{ "6.1", NVSP_VERSION_6_1, false, 0, 1, 1, 30, CAPS_NEW | NDIS_CAP_RSC },
	{ "6", NVSP_VERSION_6, false, 0, 2, 1, 30, CAPS_NEW },
	{ "5", NVSP_VERSION_5, false, 0, 3, 1, 30, CAPS_NEW },
	{ "4", NVSP_VERSION_4, false, 0, 4, 1, 1, NDIS_CAP_IEEE8021Q },
	{ "2", NVSP_VERSION_2, false, 0, 5, 1, 1, NDIS_CAP_IEEE8021Q },
	{ "1", NVSP_VERSION_1, false, 0, 6, 0, 1, 0 },
	{ "none", 0, false, -EPROTO, 6 },
	{ "6.1, isolated", NVSP_VERSION_6_1, true, 0, 1, 1, 30,
	  (CAPS_NEW & ~NDIS_CAP_SRIOV) | NDIS_CAP_RSC },
	{ "6, isolated", NVSP_VERSION_6, true, -EPROTO, 1 },
	{ "none, isolated", 0, true, -EPROTO, 1 },
};

KUNIT_ARRAY_PARAM_DESC(version, version_cases, name);

static void version(struct kunit *test)
{
	const struct version_case *param = test->param_value;
	struct fake_bus *bus = opened(test, 1);
	const union nvsp_msg *msg;
	struct fake_sent *sent;

	bus->host.version = param->version;
	bus->isolated = param->isolated;
	bus->nv->cfg.mtu = 4321;
	KUNIT_EXPECT_EQ(test, nvsp_negotiate(bus->nv), param->ret);
	KUNIT_EXPECT_EQ(test, fake_bus_count(bus, NVSP_INIT), param->tries);
	KUNIT_EXPECT_EQ(test, fake_bus_count(bus, NVSP_NDIS_CONFIG), param->configs);
	KUNIT_EXPECT_EQ(test, fake_bus_count(bus, NVSP_NDIS_VERSION), !param->ret);
	if (param->ret)
		return;

	KUNIT_EXPECT_EQ(test, bus->nv->sess.version, param->version);
	sent = fake_bus_sent(bus, NVSP_NDIS_VERSION, 0);
	KUNIT_ASSERT_NOT_NULL(test, sent);
	KUNIT_EXPECT_FALSE(test, sent->reply);
	KUNIT_EXPECT_EQ(test, sent->len, NVSP_MSG_SIZE);
	msg = (void *)sent->msg;
	KUNIT_EXPECT_EQ(test, le32_to_cpu(msg->ndis_version.major), 6);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(msg->ndis_version.minor), param->minor);
	sent = fake_bus_sent(bus, NVSP_NDIS_CONFIG, 0);
	if (!sent)
		return;
	msg = (void *)sent->msg;
	KUNIT_EXPECT_EQ(test, le32_to_cpu(msg->ndis_config.mtu), 4321 + ETH_HLEN);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(msg->ndis_config.capabilities),
			param->caps);
}

struct deviation_case {
	const char *name;
	enum fake_how how;
	u32 value;
	int ret;
};

/* How any exchange may go, seen at the first */
static const struct deviation_case deviation_cases[] = {
	{ "silence", FAKE_NONE, 0, -ETIMEDOUT },
	{ "late", FAKE_LATE, 0, -ETIMEDOUT },
	{ "twice", FAKE_TWICE, 0, 0 },
	{ "wrong type", FAKE_TYPE, NVSP_RECV_BUF_COMPLETE, -ETIMEDOUT },
	{ "question as answer", FAKE_TYPE, NVSP_INIT, -ETIMEDOUT },
	{ "short", FAKE_LENGTH, 15, -ETIMEDOUT },
	{ "empty", FAKE_LENGTH, 0, -ETIMEDOUT },
	{ "longer", FAKE_LENGTH, 64, 0 },
	{ "wrong id", FAKE_ID, 1, -ETIMEDOUT },
	{ "rescind", FAKE_RESCIND, 0, -ENODEV },
	{ "send fails", FAKE_ERROR, EIO, -EIO },
	{ "ring full for good", FAKE_ERROR, EAGAIN, -ETIMEDOUT },
	{ "channel gone", FAKE_ERROR, ENODEV, -ENODEV },
};

KUNIT_ARRAY_PARAM_DESC(deviation, deviation_cases, name);

static void deviation(struct kunit *test)
{
	const struct deviation_case *param = test->param_value;
	struct fake_bus *bus = opened(test, 1);

	be_brief(bus);
	fake_bus_rule(bus, NVSP_INIT, param->how, param->value);
	KUNIT_EXPECT_EQ(test, nvsp_negotiate(bus->nv), param->ret);
	KUNIT_EXPECT_TRUE(test, list_empty(&bus->nv->xacts));
	/* what comes now is nobody's */
	KUNIT_EXPECT_EQ(test, fake_bus_deliver(bus), 0);
	if (param->ret)
		KUNIT_EXPECT_EQ(test, fake_bus_count(bus, NVSP_NDIS_VERSION), 0);
	if (param->how == FAKE_TWICE)
		KUNIT_EXPECT_EQ(test, bus->refused, 1);
}

static void ring_is_full_for_a_while(struct kunit *test)
{
	struct fake_bus *bus = opened(test, 1);

	fake_bus_fail(bus, FAKE_SEND, 1, EAGAIN);
	bus->fail_times[FAKE_SEND] = 3;
	KUNIT_EXPECT_EQ(test, nvsp_negotiate(bus->nv), 0);
	KUNIT_EXPECT_EQ(test, fake_bus_count(bus, NVSP_INIT), 1);
}

static void message_without_answer_fails(struct kunit *test)
{
	static const u32 types[] = { NVSP_NDIS_CONFIG, NVSP_NDIS_VERSION };
	struct fake_bus *bus = opened(test, 1);
	int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		fake_bus_no_rules(bus);
		fake_bus_rule(bus, types[i], FAKE_ERROR, EIO);
		KUNIT_EXPECT_EQ(test, nvsp_negotiate(bus->nv), -EIO);
	}
}

static void open_fails(struct kunit *test)
{
	struct fake_bus *bus = fake_bus_new(test);

	fake_bus_make_chans(bus, 1);
	fake_bus_fail(bus, FAKE_ALLOC_RING, 1, ENOMEM);
	KUNIT_EXPECT_EQ(test, nvsp_open(bus->nv, no_cb), -ENOMEM);
	KUNIT_EXPECT_FALSE(test, bus->nv->chans[0]->open);
	fake_bus_fail(bus, FAKE_OPEN, 1, EAGAIN);
	KUNIT_EXPECT_EQ(test, nvsp_open(bus->nv, no_cb), -EAGAIN);
	KUNIT_EXPECT_FALSE(test, bus->nv->chans[0]->open);
	KUNIT_EXPECT_NULL(test, bus->nv->chans[0]->chn);
	KUNIT_EXPECT_EQ(test, nvsp_open(bus->nv, no_cb), 0);
	KUNIT_EXPECT_TRUE(test, bus->nv->chans[0]->open);
	KUNIT_EXPECT_PTR_EQ(test, bus->primary->ctx, (void *)bus->nv->chans[0]);
	nvsp_close(bus->nv);
	KUNIT_EXPECT_FALSE(test, bus->nv->chans[0]->open);
	KUNIT_EXPECT_NULL(test, bus->nv->chans[0]->chn);
	nvsp_close(bus->nv);
	KUNIT_EXPECT_EQ(test, bus->calls[FAKE_CLOSE], 1);
}

/* Buffers */

static struct fake_bus *negotiated(struct kunit *test, u32 chans)
{
	struct fake_bus *bus = opened(test, chans);

	KUNIT_ASSERT_EQ(test, nvsp_negotiate(bus->nv), 0);
	fake_bus_make_bufs(bus, RX_BYTES, TX_BYTES);
	fake_bus_forget(bus);
	return bus;
}

struct rx_case {
	const char *name;
	u32 status, sections, offset, size, count;
	int ret;
};

static const struct rx_case rx_cases[] = {
	{ "right", 1, 1, 0, 1728, RX_BYTES / 1728, 0 },
	{ "refused", 2, 1, 0, 1728, 37, -EINVAL },
	{ "status 0", 0, 1, 0, 1728, 37, -EINVAL },
	{ "status wild", U32_MAX, 1, 0, 1728, 37, -EINVAL },
	{ "no section", 1, 0, 0, 1728, 37, -EINVAL },
	{ "two sections", 1, 2, 0, 1728, 37, -EINVAL },
	{ "sections wild", 1, U32_MAX, 0, 1728, 37, -EINVAL },
	{ "offset 1", 1, 1, 1, 1728, 37, -EINVAL },
	{ "offset wild", 1, 1, U32_MAX, 1728, 37, -EINVAL },
	{ "size 0", 1, 1, 0, 0, 37, -EINVAL },
	{ "size 67", 1, 1, 0, 67, 37, -EINVAL },
	{ "size 68", 1, 1, 0, 68, 37, 0 },
	{ "all of it in the shortest", 1, 1, 0, 68, RX_BYTES / 68, 0 },
	{ "one more than that", 1, 1, 0, 68, RX_BYTES / 68 + 1, -EINVAL },
	{ "all of it in one", 1, 1, 0, RX_BYTES, 1, 0 },
	{ "all of it twice", 1, 1, 0, RX_BYTES, 2, -EINVAL },
	{ "a byte too long", 1, 1, 0, RX_BYTES + 1, 1, -EINVAL },
	{ "size wild", 1, 1, 0, U32_MAX, 1, -EINVAL },
	{ "count 0", 1, 1, 0, 1728, 0, -EINVAL },
	{ "count wild", 1, 1, 0, 1728, U32_MAX, -EINVAL },
	{ "product wraps to 0", 1, 1, 0, RX_BYTES, 0x10000, -EINVAL },
	{ "product wraps to 128", 1, 1, 0, 128, 0x2000001, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(rx, rx_cases, name);

static void rx_buffer(struct kunit *test)
{
	const struct rx_case *param = test->param_value;
	struct fake_bus *bus = negotiated(test, 1);
	struct netvsc *nv = bus->nv;
	const __le32 answer[] = {
		cpu_to_le32(NVSP_RECV_BUF_COMPLETE), cpu_to_le32(param->status),
		cpu_to_le32(param->sections), cpu_to_le32(param->offset),
		cpu_to_le32(param->size), cpu_to_le32(param->count), 0,
	};

	fake_bus_rule(bus, NVSP_RECV_BUF, FAKE_BYTES, sizeof(answer))->bytes =
		answer;
	KUNIT_EXPECT_EQ(test, nvsp_share_buffers(nv), param->ret);
	if (!param->ret) {
		KUNIT_EXPECT_EQ(test, nv->sess.rx_section_size, param->size);
		KUNIT_EXPECT_EQ(test, nv->sess.rx_sections, param->count);
	} else {
		KUNIT_EXPECT_EQ(test, nv->sess.rx_sections, 0);
		KUNIT_EXPECT_EQ(test, fake_bus_count(bus, NVSP_SEND_BUF), 0);
	}
	nvsp_close(nv);
	KUNIT_EXPECT_EQ(test, fake_bus_still_shared(bus), 0);
}

/* However large the buffer, there is a limit to what the host can divide it into */
static void most_sections(struct kunit *test)
{
	struct fake_bus *bus = negotiated(test, 1);
	struct netvsc *nv = bus->nv;
	int i;

	vfree(nv->bufs->rx.base);
	vfree(nv->bufs->tx.base);
	nv->bufs->rx.bytes = NVSP_RECV_BUF_MAX;
	nv->bufs->tx.bytes = NVSP_SEND_BUF_MAX;
	nv->bufs->rx.base = vzalloc(nv->bufs->rx.bytes);
	nv->bufs->tx.base = vzalloc(nv->bufs->tx.bytes);
	KUNIT_ASSERT_TRUE(test, nv->bufs->rx.base && nv->bufs->tx.base);
	for (i = 0; i < 2; i++) {
		const __le32 rx[] = {
			cpu_to_le32(NVSP_RECV_BUF_COMPLETE), cpu_to_le32(1),
			cpu_to_le32(1), 0, cpu_to_le32(68),
			cpu_to_le32(NETVSC_RX_SECTIONS_MAX + i), 0,
		};
		const __le32 tx[] = {
			cpu_to_le32(NVSP_SEND_BUF_COMPLETE), cpu_to_le32(1),
			cpu_to_le32(68),
		};

		fake_bus_no_rules(bus);
		fake_bus_rule(bus, NVSP_RECV_BUF, FAKE_BYTES, sizeof(rx))->bytes = rx;
		fake_bus_rule(bus, NVSP_SEND_BUF, FAKE_BYTES, sizeof(tx))->bytes = tx;
		KUNIT_EXPECT_EQ(test, nvsp_share_buffers(nv), i ? -EINVAL : 0);
		if (!i)
			KUNIT_EXPECT_EQ(test, nv->sess.tx_sections,
					NETVSC_TX_SECTIONS_MAX);
		nvsp_close(nv);
		KUNIT_ASSERT_EQ(test, nvsp_open(nv, no_cb), 0);
	}
}

struct tx_case {
	const char *name;
	u32 status, size;
	u32 sections;
	u32 shared;
};

static const struct tx_case tx_cases[] = {
	{ "right", 1, 6144, TX_BYTES / 6144, 2 },
	{ "refused", 2, 6144, 0, 1 },
	{ "status 0", 0, 6144, 0, 1 },
	{ "size 0", 1, 0, 0, 2 },
	{ "size 64", 1, 64, 0, 2 },
	{ "size 67", 1, 67, 0, 2 },
	{ "size 68", 1, 68, TX_BYTES / 68, 2 },
	{ "size 70", 1, 70, 0, 2 },
	{ "all of it", 1, TX_BYTES, 1, 2 },
	{ "longer", 1, TX_BYTES + 4, 0, 2 },
	{ "wild", 1, U32_MAX - 3, 0, 2 },
};

KUNIT_ARRAY_PARAM_DESC(tx, tx_cases, name);

static void tx_buffer(struct kunit *test)
{
	const struct tx_case *param = test->param_value;
	struct fake_bus *bus = negotiated(test, 1);
	struct netvsc *nv = bus->nv;
	const __le32 answer[] = {
		cpu_to_le32(NVSP_SEND_BUF_COMPLETE), cpu_to_le32(param->status),
		cpu_to_le32(param->size),
	};

	/* a host of before */
	nv->sess.tx_sections = 99;
	nv->sess.tx_section_size = 99;
	fake_bus_rule(bus, NVSP_SEND_BUF, FAKE_BYTES, sizeof(answer))->bytes =
		answer;
	KUNIT_EXPECT_EQ(test, nvsp_share_buffers(nv), 0);
	KUNIT_EXPECT_EQ(test, nv->sess.tx_sections, param->sections);
	KUNIT_EXPECT_EQ(test, nv->sess.tx_section_size,
			param->sections ? param->size : 0);
	KUNIT_EXPECT_EQ(test, fake_bus_still_shared(bus), param->shared);
	nvsp_close(nv);
	KUNIT_EXPECT_EQ(test, fake_bus_still_shared(bus), 0);
}

static void buffer_messages(struct kunit *test)
{
	struct fake_bus *bus = negotiated(test, 1);
	struct netvsc *nv = bus->nv;
	const union nvsp_msg *msg;

	KUNIT_ASSERT_EQ(test, nvsp_share_buffers(nv), 0);
	nvsp_revoke_buffers(nv);
	KUNIT_ASSERT_EQ(test, bus->nsent, 4);
	msg = (void *)fake_bus_sent(bus, NVSP_RECV_BUF, 0)->msg;
	KUNIT_EXPECT_EQ(test, le32_to_cpu(msg->buf.gpadl), bus->shares[0].handle);
	KUNIT_EXPECT_EQ(test, le16_to_cpu(msg->buf.id), NVSP_RECV_BUF_ID);
	msg = (void *)fake_bus_sent(bus, NVSP_SEND_BUF, 0)->msg;
	KUNIT_EXPECT_EQ(test, le32_to_cpu(msg->buf.gpadl), bus->shares[1].handle);
	KUNIT_EXPECT_EQ(test, le16_to_cpu(msg->buf.id), NVSP_SEND_BUF_ID);
	msg = (void *)fake_bus_sent(bus, NVSP_REVOKE_RECV_BUF, 0)->msg;
	KUNIT_EXPECT_EQ(test, le16_to_cpu(msg->revoke.id), NVSP_RECV_BUF_ID);
	msg = (void *)fake_bus_sent(bus, NVSP_REVOKE_SEND_BUF, 0)->msg;
	KUNIT_EXPECT_EQ(test, le16_to_cpu(msg->revoke.id), NVSP_SEND_BUF_ID);
	KUNIT_EXPECT_EQ(test, fake_bus_still_shared(bus), 2);
}

struct buf_fault_case {
	const char *name;
	u32 type;	/* a rule for it, or a failing share if 0 */
	enum fake_how how;
	u32 value;	/* or which share */
	int ret;
};

static const struct buf_fault_case buf_fault_cases[] = {
	{ "first share", 0, 0, 1, -ENOMEM },
	{ "second share", 0, 0, 2, -ENOMEM },
	{ "101 unanswered", NVSP_RECV_BUF, FAKE_NONE, 0, -ETIMEDOUT },
	{ "101 short", NVSP_RECV_BUF, FAKE_LENGTH, 27, -ETIMEDOUT },
	{ "101 as 104", NVSP_RECV_BUF, FAKE_TYPE, 105, -ETIMEDOUT },
	{ "101 rescind", NVSP_RECV_BUF, FAKE_RESCIND, 0, -ENODEV },
	{ "101 not sent", NVSP_RECV_BUF, FAKE_ERROR, EIO, -EIO },
	{ "104 unanswered", NVSP_SEND_BUF, FAKE_NONE, 0, -ETIMEDOUT },
	{ "104 short", NVSP_SEND_BUF, FAKE_LENGTH, 11, -ETIMEDOUT },
	{ "104 rescind", NVSP_SEND_BUF, FAKE_RESCIND, 0, -ENODEV },
	{ "104 not sent", NVSP_SEND_BUF, FAKE_ERROR, EIO, -EIO },
};

KUNIT_ARRAY_PARAM_DESC(buf_fault, buf_fault_cases, name);

static void buffer_fault(struct kunit *test)
{
	const struct buf_fault_case *param = test->param_value;
	struct fake_bus *bus = negotiated(test, 1);

	be_brief(bus);
	if (param->type)
		fake_bus_rule(bus, param->type, param->how, param->value);
	else
		fake_bus_fail(bus, FAKE_SHARE, param->value, ENOMEM);
	KUNIT_EXPECT_EQ(test, nvsp_share_buffers(bus->nv), param->ret);
	KUNIT_EXPECT_FALSE(test, bus->nv->bufs->rx.leaked);
	KUNIT_EXPECT_FALSE(test, bus->nv->bufs->tx.leaked);
	nvsp_close(bus->nv);
	KUNIT_EXPECT_EQ(test, fake_bus_still_shared(bus), 0);
}

/* Memory that the host may still write to is never freed */
static void memory_is_left_to_the_host(struct kunit *test)
{
	struct fake_bus *bus = negotiated(test, 1);
	struct netvsc_bufs *bufs = bus->nv->bufs;
	void *base = bufs->tx.base;

	bus->decrypted = true;
	fake_bus_fail(bus, FAKE_SHARE, 2, ENOMEM);
	KUNIT_EXPECT_EQ(test, nvsp_share_buffers(bus->nv), -ENOMEM);
	KUNIT_EXPECT_TRUE(test, bufs->tx.leaked);
	KUNIT_EXPECT_FALSE(test, bufs->rx.leaked);
	fake_bus_fail(bus, FAKE_UNSHARE, 1, EIO);
	nvsp_close(bus->nv);
	KUNIT_EXPECT_TRUE(test, bufs->rx.leaked);
	KUNIT_EXPECT_FALSE(test, bufs->rx.shared);
	fake_bus_end(bus);	/* which frees the first of the two */
	vfree(base);
}

/* Subchannels */

struct sub_case {
	const char *name;
	u32 want;
	u32 grant;
	u32 offers[6];	/* 0 ends them; none: those granted */
	u32 noffers;
	bool none;
	enum fake_call fail;
	u32 fail_at;
	u32 result;
	u32 open;	/* subchannels that are, in the end */
};

static const struct sub_case sub_cases[] = {
	{ "all", 4, 63, .result = 4, .open = 4 },
	{ "most", 63, 63, .result = 63, .open = 63 },
	{ "beyond the most", 200, 63, .result = 63, .open = 63 },
	{ "granted none", 4, 0, .result = 0 },
	{ "granted fewer", 4, 2, .result = 2, .open = 2 },
	{ "never offered", 4, 4, .none = true, .result = 0 },
	{ "last is missing", 4, 4, { 1, 2, 3 }, 3, .result = 3, .open = 3 },
	{ "hole", 4, 4, { 1, 2, 4 }, 3, .result = 2, .open = 3 },
	{ "first is missing", 4, 4, { 2, 3, 4 }, 3, .result = 0, .open = 3 },
	{ "any order", 4, 4, { 3, 1, 4, 2 }, 4, .result = 4, .open = 4 },
	{ "twice", 2, 2, { 1, 1, 2, 2 }, 4, .result = 2, .open = 2 },
	{ "the primary's", 2, 2, { 0, 1, 2 }, 3, .result = 2, .open = 2 },
	{ "beyond what is wanted", 2, 2, { 3, 1, 2 }, 3, .result = 2, .open = 2 },
	{ "64", 2, 2, { 64, 1, 2 }, 3, .result = 2, .open = 2 },
	{ "65535", 2, 2, { 65535, 1, 2 }, 3, .result = 2, .open = 2 },
	{ "first does not open", 4, 4, .fail = FAKE_OPEN, .fail_at = 1,
	  .result = 0, .open = 3 },
	{ "second does not open", 4, 4, .fail = FAKE_OPEN, .fail_at = 2,
	  .result = 1, .open = 3 },
	{ "last does not open", 4, 4, .fail = FAKE_OPEN, .fail_at = 4,
	  .result = 3, .open = 3 },
	{ "second has no ring", 4, 4, .fail = FAKE_ALLOC_RING, .fail_at = 2,
	  .result = 1, .open = 3 },
};

KUNIT_ARRAY_PARAM_DESC(sub, sub_cases, name);

static void check_subchannels(struct kunit *test, struct fake_bus *bus, u32 open)
{
	struct netvsc *nv = bus->nv;
	struct fake_chan *fc;
	u32 i;

	KUNIT_EXPECT_EQ(test, fake_bus_still_open(bus), open + 1);
	KUNIT_EXPECT_EQ(test, nv->offers.opening, 0);
	for (i = 1; i < nv->nchans_made; i++) {
		fc = fake_bus_chan(bus, i);
		KUNIT_EXPECT_EQ(test, nv->chans[i]->open, !!fc);
		KUNIT_EXPECT_PTR_EQ(test, nv->chans[i]->chn,
				    fc ? &fc->chn : NULL);
		if (fc)
			KUNIT_EXPECT_PTR_EQ(test, fc->ctx, (void *)nv->chans[i]);
	}
	for (i = 0; i < bus->noffered; i++)
		KUNIT_EXPECT_EQ(test, bus->offered[i]->ring,
				bus->offered[i]->open);
}

static void subchannels(struct kunit *test)
{
	const struct sub_case *param = test->param_value;
	u32 want = min(param->want, NETVSC_CHANNELS_MAX - 1);
	struct fake_bus *bus = negotiated(test, want + 1);
	struct netvsc *nv = bus->nv;
	struct fake_chan *late;

	be_brief(bus);
	bus->host.grant = param->grant;
	memcpy(bus->offers, param->offers, sizeof(param->offers));
	bus->noffers = param->noffers;
	bus->no_offers = param->none;
	if (param->fail_at)
		fake_bus_fail(bus, param->fail, param->fail_at, ENOMEM);
	KUNIT_EXPECT_EQ(test, nvsp_open_subchannels(nv, param->want, no_cb),
			param->result);
	check_subchannels(test, bus, param->open);

	/* nothing is taken any more */
	late = fake_bus_offer(bus, 1);
	KUNIT_ASSERT_NOT_NULL(test, late);
	KUNIT_EXPECT_FALSE(test, late->open);

	nvsp_close(nv);
	check_subchannels(test, bus, -1);
}

static void subchannels_offered_after_the_answer(struct kunit *test)
{
	struct fake_bus *bus = negotiated(test, 5);

	bus->offers_last = true;
	KUNIT_EXPECT_EQ(test, nvsp_open_subchannels(bus->nv, 4, no_cb), 4);
	check_subchannels(test, bus, 4);
}

struct sub_answer_case {
	const char *name;
	enum fake_how how;
	u32 value;
	u32 offset;
};

/* None of these grants anything, though the host may offer */
static const struct sub_answer_case sub_answer_cases[] = {
	{ "more than wanted", FAKE_WORD, 5, 8 },
	{ "wild", FAKE_WORD, U32_MAX, 8 },
	{ "failure", FAKE_STATUS, NVSP_STATUS_FAILURE },
	{ "status 0", FAKE_STATUS, 0 },
	{ "short", FAKE_LENGTH, 11 },
	{ "type", FAKE_TYPE, NVSP_SEND_BUF_COMPLETE },
	{ "silence", FAKE_NONE },
	{ "rescind", FAKE_RESCIND },
	{ "not sent", FAKE_ERROR, EIO },
};

KUNIT_ARRAY_PARAM_DESC(sub_answer, sub_answer_cases, name);

static void subchannel_answer(struct kunit *test)
{
	const struct sub_answer_case *param = test->param_value;
	struct fake_bus *bus = negotiated(test, 5);
	struct fake_rule *rule;

	be_brief(bus);
	rule = fake_bus_rule(bus, NVSP_SUBCHANNEL, param->how, param->value);
	rule->offset = param->offset;
	KUNIT_EXPECT_EQ(test, nvsp_open_subchannels(bus->nv, 4, no_cb), 0);
	check_subchannels(test, bus, param->how == FAKE_ERROR ? 0 : 4);
	nvsp_close(bus->nv);
	check_subchannels(test, bus, -1);
}

static void no_subchannels_are_asked_for(struct kunit *test)
{
	struct fake_bus *bus = negotiated(test, 5);

	KUNIT_EXPECT_EQ(test, nvsp_open_subchannels(bus->nv, 0, no_cb), 0);
	bus->nv->sess.version = NVSP_VERSION_4;
	KUNIT_EXPECT_EQ(test, nvsp_open_subchannels(bus->nv, 4, no_cb), 0);
	KUNIT_EXPECT_EQ(test, bus->nsent, 0);
}

static void hide_device(struct fake_bus *bus)
{
	hv_set_drvdata(&bus->hdev, NULL);
}

static void offer_to_a_device_that_goes(struct kunit *test)
{
	struct fake_bus *bus = negotiated(test, 5);
	struct fake_chan *fc;

	KUNIT_EXPECT_EQ(test, nvsp_open_subchannels(bus->nv, 1, no_cb), 1);
	hide_device(bus);
	bus->nv->offers.accept = 4;
	fc = fake_bus_offer(bus, 2);
	bus->nv->offers.accept = 0;
	KUNIT_ASSERT_NOT_NULL(test, fc);
	KUNIT_EXPECT_FALSE(test, fc->open);
	KUNIT_EXPECT_FALSE(test, fc->ring);
}

static void rescinded_offer(struct kunit *test)
{
	struct fake_bus *bus = negotiated(test, 5);

	be_brief(bus);
	bus->offers_last = true;
	fake_bus_rule(bus, NVSP_SUBCHANNEL, FAKE_RESCIND, 0);
	KUNIT_EXPECT_EQ(test, nvsp_open_subchannels(bus->nv, 4, no_cb), 0);
	check_subchannels(test, bus, 0);
	KUNIT_EXPECT_EQ(test, bus->calls[FAKE_OPEN], 1);
}

/* Notices */

struct table_case {
	const char *name;
	u32 version;
	u32 count;
	u32 offset;
	u32 len;
	u32 at;		/* where the table is taken from; 0: refused */
};

#define TABLE_BYTES	(NVSP_SEND_TABLE_SIZE * 4)

static const struct table_case table_cases[] = {
	{ "right", NVSP_VERSION_6_1, 16, 12, 76, 12 },
	{ "behind a gap", NVSP_VERSION_6_1, 16, 100, 164, 100 },
	{ "not aligned", NVSP_VERSION_6_1, 16, 13, 77, 13 },
	{ "15 entries", NVSP_VERSION_6_1, 15, 12, 76, 0 },
	{ "17 entries", NVSP_VERSION_6_1, 17, 12, 80, 0 },
	{ "no entries", NVSP_VERSION_6_1, 0, 12, 76, 0 },
	{ "entries wild", NVSP_VERSION_6_1, 0x40000010, 12, 76, 0 },
	{ "short by a byte", NVSP_VERSION_6_1, 16, 12, 75, 0 },
	{ "shorter than the table", NVSP_VERSION_6_1, 16, 12, 63, 0 },
	{ "only as long as it", NVSP_VERSION_6_1, 16, 12, 64, 0 },
	{ "offset in the header", NVSP_VERSION_6_1, 16, 11, 76, 0 },
	{ "offset 0", NVSP_VERSION_6_1, 16, 0, 76, 0 },
	{ "offset behind the end", NVSP_VERSION_6_1, 16, 13, 76, 0 },
	{ "offset wraps", NVSP_VERSION_6_1, 16, U32_MAX - 63, 76, 0 },
	{ "offset wild", NVSP_VERSION_6_1, 16, U32_MAX, 76, 0 },
	{ "header cut", NVSP_VERSION_6_1, 16, 12, 11, 0 },
	{ "type only", NVSP_VERSION_6_1, 16, 12, 4, 0 },
	{ "less than that", NVSP_VERSION_6_1, 16, 12, 3, 0 },
	{ "6: offset 0, long", NVSP_VERSION_6, 16, 0, 104, 40 },
	{ "6: offset 12, long", NVSP_VERSION_6, 16, 12, 104, 40 },
	{ "6: offset 12, short of it", NVSP_VERSION_6, 16, 12, 103, 12 },
	{ "6: offset 12, short", NVSP_VERSION_6, 16, 12, 76, 12 },
	{ "5: offset wild, long", NVSP_VERSION_5, 16, U32_MAX, 200, 40 },
	{ "6.1: offset 0, long", NVSP_VERSION_6_1, 16, 0, 104, 0 },
	{ "6.1: offset 12, long", NVSP_VERSION_6_1, 16, 12, 104, 12 },
};

KUNIT_ARRAY_PARAM_DESC(table, table_cases, name);

/* Exactly so many bytes: reading on is an error that KASAN sees */
static u8 *table_msg(struct kunit *test, const struct table_case *param)
{
	const __le32 head[] = {
		cpu_to_le32(NVSP_INDIRECTION_TABLE), cpu_to_le32(param->count),
		cpu_to_le32(param->offset),
	};
	u8 *msg = kunit_kzalloc(test, param->len, GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, msg);
	memcpy(msg, head, min_t(u32, sizeof(head), param->len));
	for (i = 0; param->at && i < NVSP_SEND_TABLE_SIZE; i++)
		put_unaligned_le32(15 - i, msg + param->at + 4 * i);
	return msg;
}

static void send_table(struct kunit *test)
{
	const struct table_case *param = test->param_value;
	struct fake_bus *bus = fake_bus_new(test);
	struct netvsc *nv = bus->nv;
	int ret;
	u32 i;

	nv->sess.version = param->version;
	nv->nchans = 16;
	for (i = 0; i < NVSP_SEND_TABLE_SIZE; i++)
		nv->tx_table[i] = 7;
	ret = nvsp_notice(nv, table_msg(test, param), param->len);
	KUNIT_EXPECT_EQ(test, !ret, !!param->at);
	for (i = 0; i < NVSP_SEND_TABLE_SIZE; i++)
		KUNIT_EXPECT_EQ(test, nv->tx_table[i], param->at ? 15 - i : 7);
	nv->nchans = 0;
}

/* The table may come before the channels are in use: it is reduced when used */
static void send_table_entries(struct kunit *test)
{
	static const u32 entries[NVSP_SEND_TABLE_SIZE] = {
		0, 1, 3, 4, 5, 63, 64, 65, 255, 256, 0xffff, 0x10000, 0x10001,
		0x7fffffff, 0x80000000, U32_MAX,
	};
	struct fake_bus *bus = fake_bus_new(test);
	struct netvsc *nv = bus->nv;
	__le32 msg[3 + 16] = {
		cpu_to_le32(NVSP_INDIRECTION_TABLE), cpu_to_le32(16),
		cpu_to_le32(12),
	};
	u32 i;

	for (i = 0; i < 16; i++)
		msg[3 + i] = cpu_to_le32(entries[i]);
	nv->sess.version = NVSP_VERSION_6_1;
	KUNIT_EXPECT_EQ(test, nvsp_notice(nv, msg, sizeof(msg)), 0);
	for (i = 0; i < 16; i++)
		KUNIT_EXPECT_EQ(test, nv->tx_table[i],
				entries[i] % NETVSC_CHANNELS_MAX);
}

struct notice_case {
	u32 type;
	bool taken;
};

static void notices(struct kunit *test)
{
	static const struct notice_case cases[] = {
		{ NVSP_VF_ASSOCIATION, true }, { NVSP_SWITCH_DATA_PATH, true },
		{ NVSP_UPLINK_STATE, true }, { 0, false }, { NVSP_INIT, false },
		{ NVSP_INIT_COMPLETE, false }, { NVSP_RNDIS_PACKET, false },
		{ NVSP_RNDIS_PACKET_COMPLETE, false }, { NVSP_SUBCHANNEL, false },
		{ 135, false }, { U32_MAX, false },
	};
	struct fake_bus *bus = fake_bus_new(test);
	u8 *msg = kunit_kzalloc(test, 40, GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, msg);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		put_unaligned_le32(cases[i].type, msg);
		KUNIT_EXPECT_EQ(test, nvsp_notice(bus->nv, msg, 40),
				cases[i].taken ? 0 : -EOPNOTSUPP);
		KUNIT_EXPECT_EQ(test, nvsp_notice(bus->nv, msg, 3), -EMSGSIZE);
		KUNIT_EXPECT_EQ(test, nvsp_notice(bus->nv, msg, 0), -EMSGSIZE);
	}
}

static void notice_meanwhile(struct fake_bus *bus)
{
	__le32 table[3 + 16] = {
		cpu_to_le32(NVSP_INDIRECTION_TABLE), cpu_to_le32(16),
		cpu_to_le32(12),
	};
	const __le32 vf[3] = { cpu_to_le32(NVSP_VF_ASSOCIATION) };

	KUNIT_EXPECT_EQ(bus->test, nvsp_notice(bus->nv, table, sizeof(table)), 0);
	KUNIT_EXPECT_EQ(bus->test, nvsp_notice(bus->nv, vf, sizeof(vf)), 0);
}

static void notices_between_question_and_answer(struct kunit *test)
{
	static const u32 keys[] = {
		NVSP_INIT, NVSP_RECV_BUF, NVSP_SEND_BUF, NVSP_SUBCHANNEL,
	};
	struct fake_bus *bus = opened(test, 5);
	struct netvsc *nv = bus->nv;
	int i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		fake_bus_rule(bus, keys[i], FAKE_CALL, 0)->call = notice_meanwhile;
	fake_bus_make_bufs(bus, RX_BYTES, TX_BYTES);
	KUNIT_EXPECT_EQ(test, nvsp_negotiate(nv), 0);
	KUNIT_EXPECT_EQ(test, nvsp_share_buffers(nv), 0);
	KUNIT_EXPECT_EQ(test, nvsp_open_subchannels(nv, 4, no_cb), 4);
	for (i = 0; i < ARRAY_SIZE(keys); i++)
		KUNIT_EXPECT_EQ(test, bus->rules[i].used, 1);
}

static struct kunit_case nvsp_cases[] = {
	KUNIT_CASE_PARAM(transaction, xact_gen_params),
	KUNIT_CASE(ids_are_never_the_same),
	KUNIT_CASE(second_answer_changes_nothing),
	KUNIT_CASE(answer_before_the_question),
	KUNIT_CASE(wait_ends),
	KUNIT_CASE_PARAM(version, version_gen_params),
	KUNIT_CASE_PARAM(deviation, deviation_gen_params),
	KUNIT_CASE(ring_is_full_for_a_while),
	KUNIT_CASE(message_without_answer_fails),
	KUNIT_CASE(open_fails),
	KUNIT_CASE_PARAM(rx_buffer, rx_gen_params),
	KUNIT_CASE_PARAM(tx_buffer, tx_gen_params),
	KUNIT_CASE(most_sections),
	KUNIT_CASE(buffer_messages),
	KUNIT_CASE_PARAM(buffer_fault, buf_fault_gen_params),
	KUNIT_CASE(memory_is_left_to_the_host),
	KUNIT_CASE_PARAM(subchannels, sub_gen_params),
	KUNIT_CASE(subchannels_offered_after_the_answer),
	KUNIT_CASE_PARAM(subchannel_answer, sub_answer_gen_params),
	KUNIT_CASE(no_subchannels_are_asked_for),
	KUNIT_CASE(offer_to_a_device_that_goes),
	KUNIT_CASE(rescinded_offer),
	KUNIT_CASE_PARAM(send_table, table_gen_params),
	KUNIT_CASE(send_table_entries),
	KUNIT_CASE(notices),
	KUNIT_CASE(notices_between_question_and_answer),
	{}
};

static struct kunit_suite nvsp_suite = {
	.name = "hv_netvsc_nvsp",
	.test_cases = nvsp_cases,
};

kunit_test_suite(nvsp_suite);
