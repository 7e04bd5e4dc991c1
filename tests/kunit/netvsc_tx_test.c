// SPDX-License-Identifier: GPL-2.0-only
/* The transmit path: requests, sections, batches, descriptions, flow control. */
#include <kunit/test.h>
#include <linux/bitfield.h>
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip6_checksum.h>
#include <net/sock.h>

#include "../../netvsc_tx.h"
#include "../../nvsp_proto.h"
#include "../../rndis_proto.h"
#include "datapath.h"

#define SMALL	100
#define BIG	(DATAPATH_TX_SECTION + 1)	/* goes by page ranges */

static void send(struct datapath *dp, u32 len, u32 seed, bool more)
{
	struct sk_buff *skb = datapath_skb(dp, 0, len, seed);

	KUNIT_ASSERT_EQ(dp->test, datapath_xmit(dp, skb, more), NETDEV_TX_OK);
}

/* Like the stack: what was refused is freed here, and not counted */
static netdev_tx_t send_refused(struct datapath *dp, u32 len, u32 seed)
{
	struct sk_buff *skb = datapath_skb(dp, 0, len, seed);
	netdev_tx_t ret = datapath_xmit(dp, skb, false);

	if (ret == NETDEV_TX_BUSY)
		kfree_skb(skb);
	return ret;
}

static bool stopped(struct datapath *dp)
{
	return netif_tx_queue_stopped(netdev_get_tx_queue(dp->ndev, 0));
}

static u32 wire_len(const struct datapath *dp, u32 len)
{
	return ALIGN(44 + len, dp->nv->sess.align);
}

static void expect_frame(struct datapath *dp, u32 message, u32 nth, u32 len,
			 u32 seed)
{
	struct datapath_frame frame = {};

	KUNIT_ASSERT_TRUE_MSG(dp->test,
			      datapath_frame(dp, datapath_sent(dp, message), nth,
					     &frame),
			      "no frame %u in message %u", nth, message);
	KUNIT_EXPECT_EQ(dp->test, frame.len, len);
	KUNIT_EXPECT_TRUE_MSG(dp->test, datapath_filled(frame.data, frame.len, seed),
			      "bytes of frame %u in message %u", nth, message);
}

static void expect_frames(struct datapath *dp, u32 message, u32 count)
{
	struct datapath_frame frame;
	u32 n = 0;

	while (datapath_frame(dp, datapath_sent(dp, message), n, &frame))
		n++;
	KUNIT_EXPECT_EQ_MSG(dp->test, n, count, "frames in message %u", message);
}

/* Requests */

/* A request's id is never the same again; those used last are used first */
static void tx_ids(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u64 *last, id;
	u32 i, slot;

	last = kunit_kcalloc(test, NETVSC_REQS, sizeof(*last), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, last);
	for (i = 0; i < 2 * NETVSC_REQS; i++) {
		send(dp, SMALL, i, false);
		/* up to 3 in flight */
		if (i < 3)
			continue;
		id = datapath_sent(dp, 0)->id;
		slot = (u32)id - 1;
		KUNIT_ASSERT_LT(test, slot, 4);
		KUNIT_ASSERT_GT(test, id, last[slot]);
		last[slot] = id;
		datapath_complete(dp, datapath_sent(dp, 0));
	}
	datapath_settle(dp);
}

/* Its generation wraps without touching the bit of control exchanges */
static void tx_ids_wrap(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u32 i;

	dp->nv->chans[0]->tx.generation = S32_MAX - 2;
	for (i = 0; i < 6; i++)
		send(dp, SMALL, i, false);
	dp->nv->chans[0]->tx.generation = U32_MAX - 2;
	for (i = 0; i < 6; i++)
		send(dp, BIG, i, false);
	datapath_settle(dp);
}

static void tx_wrong_ids(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 2);
	u32 i;
	u64 id;

	send(dp, SMALL, 0, false);
	id = datapath_sent(dp, 0)->id;
	{
		const u64 wrong[] = {
			0, id - 1, id + 1, (u32)id, id ^ BIT_ULL(32),
			id + BIT_ULL(32), id | NVSP_XACT_ID,
			(id & ~0xffffffffULL) | (NETVSC_REQS + 1),
			id & ~0xffffffffULL, id | 0xffffffff,
			id | BIT_ULL(31), U64_MAX,
		};

		for (i = 0; i < ARRAY_SIZE(wrong); i++)
			KUNIT_EXPECT_FALSE_MSG(test,
					       datapath_complete_id(dp, 0, wrong[i], 1),
					       "%llx is taken for %llx", wrong[i], id);
	}
	KUNIT_EXPECT_FALSE(test, datapath_complete_id(dp, 1, id, 1));
	KUNIT_EXPECT_FALSE(test, netvsc_tx_idle(dp->nv->chans[0]));
	datapath_complete(dp, datapath_sent(dp, 0));
	KUNIT_EXPECT_FALSE(test, datapath_complete_id(dp, 0, id, 1));
	datapath_poll_end(dp, 0);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->done_stats.packets), 1);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->done_stats.bytes), SMALL);
	datapath_settle(dp);
}

static void tx_failed_completion(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct datapath_sent *sent;
	u32 i;

	for (i = 0; i < 3; i++)
		send(dp, SMALL, i, i < 2);
	send(dp, BIG, 3, false);
	list_for_each_entry(sent, &dp->sent, node)
		KUNIT_EXPECT_TRUE(test, datapath_complete_id(dp, 0, sent->id, 2));
	datapath_forget(dp);
	datapath_poll_end(dp, 0);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->done_stats.failed), 4);
	datapath_settle(dp);
}

static void tx_table(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u32 i;

	for (i = 0; !stopped(dp) && i < NETVSC_REQS; i++)
		send(dp, BIG, i, false);
	KUNIT_EXPECT_EQ(test, i, NETVSC_REQS - 1);
	/* one that was on its way when the queue was stopped, and one too many */
	send(dp, BIG, i, false);
	KUNIT_EXPECT_EQ(test, send_refused(dp, BIG, 0), NETDEV_TX_BUSY);
	KUNIT_EXPECT_EQ(test, send_refused(dp, SMALL, 0), NETDEV_TX_BUSY);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->tx_stats.busy), 2);
	KUNIT_EXPECT_EQ(test, dp->nsent, NETVSC_REQS);
	KUNIT_EXPECT_TRUE(test, stopped(dp));
	datapath_complete(dp, datapath_sent(dp, 0));
	datapath_complete(dp, datapath_sent(dp, 0));
	KUNIT_EXPECT_FALSE(test, stopped(dp));
	send(dp, BIG, 0, false);
	datapath_settle(dp);
}

/* Sections */

static void tx_sections(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u32 round, i;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < DATAPATH_TX_SECTIONS; i++)
			send(dp, SMALL, i, false);
		KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->tx_stats.send_full),
				2 * round);
		send(dp, SMALL, i++, false);
		send(dp, SMALL, i++, true);	/* more does not hold it back */
		for (i = 0; i < DATAPATH_TX_SECTIONS + 2; i++) {
			KUNIT_EXPECT_EQ(test, !datapath_sent(dp, i)->ranges,
					i < DATAPATH_TX_SECTIONS);
			expect_frame(dp, i, 0, SMALL, i);
		}
		KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->tx_stats.send_full),
				2 * round + 2);
		datapath_settle(dp);
	}
}

/* What a channel's cache has no room for is there for the others */
static void tx_sections_shared(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 2);
	u32 i, queue;

	for (queue = 0; queue < 2; queue++) {
		for (i = 0; i < 6; i++)
			datapath_xmit(dp, datapath_skb(dp, queue, SMALL, i), false);
		for (i = 0; i < 6; i++)
			KUNIT_EXPECT_EQ(test, datapath_sent(dp, i)->ranges, 0);
		datapath_settle(dp);
		KUNIT_EXPECT_EQ(test, bitmap_weight(dp->nv->bufs->sections,
						    DATAPATH_TX_SECTIONS),
				2 * (queue + 1));
	}
}

static void tx_no_sections(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u32 i;

	dp->nv->sess.tx_sections = 0;
	dp->nv->sess.tx_section_size = 0;
	for (i = 0; i < 3; i++) {
		send(dp, SMALL + i, i, true);
		KUNIT_EXPECT_EQ(test, datapath_sent(dp, i)->ranges, 2);
		expect_frame(dp, i, 0, SMALL + i, i);
	}
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->tx_stats.send_full), 0);
	datapath_settle(dp);
}

/* Batches */

struct batch {
	const char *name;
	u32 max_packets;
	u32 max_transfer;
	u32 section_size;
	u32 align;
	u32 len;
	u32 fits;	/* frames in one message */
};

static const struct batch batches[] = {
	{ "one", 1, 0x4000, 6144, 8, 60, 1 },
	{ "packets", 3, 0x4000, 6144, 8, 60, 3 },
	{ "section", 100, 0x4000, 6144, 8, 1490, 4 },
	{ "section, full", 100, 0x4000, 6144, 8, 724, 8 },
	{ "section, one more byte", 100, 0x4000, 6144, 8, 725, 7 },
	{ "transfer", 100, 1000, 6144, 8, 60, 9 },
	{ "transfer, full", 100, 1040, 6144, 8, 60, 10 },
	{ "no padding", 5, 0x4000, 6144, 1, 61, 5 },
	{ "padding 3", 5, 0x4000, 6144, 4, 61, 5 },
	{ "padding 7", 5, 0x4000, 6144, 8, 61, 5 },
	{ "padding 128", 5, 0x4000, 6144, 128, 61, 5 },
};

static void batch_name(const struct batch *batch, char *name)
{
	strscpy(name, batch->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(batch, batches, batch_name);

static void tx_batch(struct kunit *test)
{
	const struct batch *batch = test->param_value;
	struct datapath *dp = datapath_new(test, 1);
	struct datapath_frame frame;
	u32 i, count = 2 * batch->fits + 1;

	dp->nv->sess.max_packets = batch->max_packets;
	dp->nv->sess.max_transfer = batch->max_transfer;
	dp->nv->sess.tx_section_size = batch->section_size;
	dp->nv->sess.align = batch->align;
	for (i = 0; i < count; i++)
		send(dp, batch->len, i, i + 1 < count);
	KUNIT_ASSERT_EQ(test, dp->nsent, 3);
	for (i = 0; i < count; i++) {
		expect_frame(dp, i / batch->fits, i % batch->fits, batch->len, i);
		datapath_frame(dp, datapath_sent(dp, i / batch->fits),
			       i % batch->fits, &frame);
		KUNIT_EXPECT_EQ(test, frame.msg_len, wire_len(dp, batch->len));
	}
	expect_frames(dp, 0, batch->fits);
	expect_frames(dp, 1, batch->fits);
	expect_frames(dp, 2, 1);
	datapath_settle(dp);
}

static void tx_batch_waits(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);

	send(dp, SMALL, 0, true);
	send(dp, SMALL, 1, true);
	KUNIT_EXPECT_EQ(test, dp->nsent, 0);
	KUNIT_EXPECT_FALSE(test, netvsc_tx_idle(dp->nv->chans[0]));
	send(dp, SMALL, 2, false);
	KUNIT_EXPECT_EQ(test, dp->nsent, 1);
	expect_frames(dp, 0, 3);
	datapath_settle(dp);
}

static void tx_order(struct kunit *test)
{
	static const u32 lens[] = { 60, 61, BIG, 62, BIG + 1, BIG + 2, 63, 64, 65 };
	struct datapath *dp = datapath_new(test, 1);
	struct datapath_frame frame;
	u32 i, message = 0, nth = 0;

	for (i = 0; i < ARRAY_SIZE(lens); i++)
		send(dp, lens[i], i, i + 1 < ARRAY_SIZE(lens));
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		if (!datapath_frame(dp, datapath_sent(dp, message), nth, &frame)) {
			message++;
			nth = 0;
		}
		expect_frame(dp, message, nth++, lens[i], i);
	}
	KUNIT_EXPECT_EQ(test, dp->nsent, message + 1);
	datapath_settle(dp);
}

/* A tag that is said to be there, and is not: the packet cannot be sent */
static struct sk_buff *bad_skb(struct datapath *dp)
{
	struct sk_buff *skb = datapath_skb(dp, 0, VLAN_ETH_HLEN - 1, 0);

	eth_hdr(skb)->h_proto = htons(ETH_P_8021Q);
	skb->protocol = htons(ETH_P_8021Q);
	return skb;
}

/* The last of a batch is dropped: the others go */
static void tx_batch_drop(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);

	send(dp, SMALL, 0, true);
	KUNIT_EXPECT_EQ(test, datapath_xmit(dp, bad_skb(dp), true), NETDEV_TX_OK);
	KUNIT_EXPECT_EQ(test, dp->nsent, 0);
	send(dp, SMALL, 1, true);
	KUNIT_EXPECT_EQ(test, datapath_xmit(dp, bad_skb(dp), false), NETDEV_TX_OK);
	KUNIT_EXPECT_EQ(test, dp->nsent, 1);
	expect_frames(dp, 0, 2);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->tx_stats.dropped), 2);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->tx_stats.vlan_error), 2);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->tx_stats.stop_queue), 0);
	datapath_settle(dp);
}

/* The ring is full when a batch is to go, while something else is under way */
static void tx_batch_full(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);

	send(dp, SMALL, 0, false);
	dp->send_error = -EAGAIN;
	dp->send_errors = -1;
	send(dp, SMALL, 1, true);
	send(dp, SMALL, 2, false);
	KUNIT_EXPECT_TRUE(test, stopped(dp));
	KUNIT_EXPECT_EQ(test, dp->nsent, 1);
	datapath_poll_end(dp, 0);
	KUNIT_EXPECT_TRUE(test, stopped(dp));
	dp->send_errors = 0;
	datapath_complete(dp, datapath_sent(dp, 0));
	KUNIT_EXPECT_FALSE(test, stopped(dp));
	expect_frame(dp, 0, 0, SMALL, 1);
	expect_frame(dp, 0, 1, SMALL, 2);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->tx_stats.dropped), 0);
	datapath_settle(dp);
}

/* The same with nothing under way: no completion will come, the timer helps */
static void tx_batch_full_idle(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);

	dp->send_error = -EAGAIN;
	dp->send_errors = -1;
	send(dp, SMALL, 0, false);
	KUNIT_EXPECT_TRUE(test, stopped(dp));
	KUNIT_EXPECT_TRUE(test, dp->retry);
	msleep(20);
	datapath_poll_end(dp, 0);
	KUNIT_EXPECT_TRUE(test, dp->retry);
	dp->send_errors = 0;
	datapath_poll_end(dp, 0);
	KUNIT_EXPECT_FALSE(test, stopped(dp));
	expect_frame(dp, 0, 0, SMALL, 0);
	datapath_settle(dp);
}

/* A batch that is full and does not fit the ring refuses the next packet */
static void tx_batch_full_next(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u32 i;

	dp->nv->sess.max_packets = 3;
	for (i = 0; i < 3; i++)
		send(dp, SMALL, i, true);
	dp->send_error = -EAGAIN;
	dp->send_errors = -1;
	KUNIT_EXPECT_EQ(test, send_refused(dp, SMALL, 3), NETDEV_TX_BUSY);
	KUNIT_EXPECT_EQ(test, send_refused(dp, BIG, 3), NETDEV_TX_BUSY);
	KUNIT_EXPECT_TRUE(test, stopped(dp));
	dp->send_errors = 0;
	datapath_poll_end(dp, 0);
	expect_frames(dp, 0, 3);
	send(dp, SMALL, 3, false);
	expect_frame(dp, 1, 0, SMALL, 3);
	datapath_settle(dp);
}

/* Errors that do not pass: everything is dropped, and counted */
static void tx_hard_error(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u32 i;

	dp->send_error = -ENODEV;
	dp->send_errors = -1;
	for (i = 0; i < 10; i++)
		send(dp, SMALL, i, i % 4 != 3);
	send(dp, BIG, i++, true);
	send(dp, BIG, i++, false);
	send(dp, SMALL, i++, false);
	KUNIT_EXPECT_EQ(test, dp->nsent, 0);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->tx_stats.dropped), i);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->tx_stats.no_space), i);
	KUNIT_EXPECT_FALSE(test, stopped(dp));
	dp->send_errors = 0;
	for (i = 0; i < 10; i++)
		send(dp, SMALL, i, i % 4 != 3);
	send(dp, BIG, i, false);
	expect_frames(dp, 0, 4);
	expect_frame(dp, 2, 1, SMALL, 9);
	datapath_settle(dp);
}

/* Sequences of few steps: packets in = completed + dropped */
static void tx_sequences(struct kunit *test)
{
	static const int errors[] = { 0, -EAGAIN, -ENODEV };
	struct datapath *dp = datapath_new(test, 1);
	u32 code, rest, step, seed = 0;

	dp->nv->sess.tx_sections = 2;
	dp->nv->sess.max_packets = 2;
	for (code = 0; code < 12 * 12 * 12; code += 5) {
		for (step = 0, rest = code; step < 3; step++, rest /= 12) {
			struct sk_buff *skb;

			dp->send_error = errors[rest % 3];
			dp->send_errors = dp->send_error ? -1 : 0;
			skb = datapath_skb(dp, 0, rest / 3 % 2 ? BIG : SMALL,
					   seed++);
			if (datapath_xmit(dp, skb, rest / 6 % 2) ==
			    NETDEV_TX_BUSY) {
				KUNIT_EXPECT_EQ(test, dp->send_error, -EAGAIN);
				kfree_skb(skb);
			}
		}
		dp->send_errors = 0;
		send(dp, SMALL, seed++, false);	/* ends what is more */
		datapath_settle(dp);
	}
}

/* Page ranges that do not fit the ring are the stack's again */
static void tx_pages_full(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct sk_buff *skb = datapath_skb(dp, 0, BIG, 0);
	u32 i;

	dp->send_error = -EAGAIN;
	dp->send_errors = -1;
	dp->room = 5;
	for (i = 0; i < 3; i++)
		KUNIT_ASSERT_EQ(test, datapath_xmit(dp, skb, false),
				NETDEV_TX_BUSY);
	KUNIT_EXPECT_TRUE(test, stopped(dp));
	KUNIT_EXPECT_TRUE(test, dp->retry);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->tx_stats.busy), 3);
	dp->send_errors = 0;
	dp->room = 100;
	datapath_poll_end(dp, 0);
	KUNIT_EXPECT_FALSE(test, stopped(dp));
	KUNIT_EXPECT_EQ(test, datapath_xmit(dp, skb, false), NETDEV_TX_OK);
	expect_frame(dp, 0, 0, BIG, 0);
	datapath_settle(dp);
}

/* The queue's byte limit counts no packet that was not sent */
static void tx_pages_full_limit(struct kunit *test)
{
#ifdef CONFIG_BQL
	struct datapath *dp = datapath_new(test, 1);
	struct netdev_queue *txq = netdev_get_tx_queue(dp->ndev, 0);
	struct sk_buff *skb = datapath_skb(dp, 0, 60000, 1);

	send(dp, BIG, 0, false);
	dp->send_error = -EAGAIN;
	dp->send_errors = -1;
	dp->room = 5;
	KUNIT_ASSERT_EQ(test, datapath_xmit(dp, skb, false), NETDEV_TX_BUSY);
	dp->send_errors = 0;
	dp->room = 100;
	datapath_complete(dp, datapath_sent(dp, 0));
	datapath_poll_end(dp, 0);
	KUNIT_EXPECT_FALSE(test, netif_xmit_frozen_or_stopped(txq));
	KUNIT_EXPECT_EQ(test, datapath_xmit(dp, skb, false), NETDEV_TX_OK);
	datapath_settle(dp);
#else
	kunit_skip(test, "no byte limits");
#endif
}

/* A host that completes what it was not sent: nothing is freed twice */
static void tx_guess(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u32 i;

	dp->guess = true;
	dp->send_error = -EAGAIN;
	for (i = 0; i < 8; i++) {
		dp->send_errors = 1 + (i & 1);
		send(dp, i & 2 ? BIG : SMALL, i, i & 4);
		datapath_poll_end(dp, 0);
	}
	dp->send_error = -ENODEV;
	for (i = 0; i < 8; i++) {
		dp->send_errors = 1;
		send(dp, i & 2 ? BIG : SMALL, i, i & 4);
	}
	dp->guess = false;
	dp->send_errors = 0;
	send(dp, SMALL, 0, false);
	datapath_settle(dp);
}

/* Flow control */

static void tx_stop_wake(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);

	dp->room = 10;
	send(dp, SMALL, 0, false);
	KUNIT_EXPECT_FALSE(test, stopped(dp));
	dp->room = 9;
	send(dp, SMALL, 1, true);
	KUNIT_EXPECT_TRUE(test, stopped(dp));
	KUNIT_EXPECT_EQ(test, dp->nsent, 2);	/* no batch waits on it */
	KUNIT_EXPECT_TRUE(test, dp->retry);
	dp->room = 20;
	datapath_complete(dp, datapath_sent(dp, 0));
	KUNIT_EXPECT_TRUE(test, stopped(dp));
	KUNIT_EXPECT_TRUE(test, dp->retry);
	datapath_complete(dp, datapath_sent(dp, 0));
	KUNIT_EXPECT_TRUE(test, stopped(dp));
	KUNIT_EXPECT_TRUE(test, dp->retry);
	dp->room = 21;
	datapath_poll_end(dp, 0);
	KUNIT_EXPECT_FALSE(test, stopped(dp));
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->tx_stats.stop_queue), 1);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->tx_stats.wake_queue), 1);
	datapath_settle(dp);
}

/* NAPI while somebody else sends: it does not wait, it comes back */
static void tx_wake_contended(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct netdev_queue *txq = netdev_get_tx_queue(dp->ndev, 0);

	dp->room = 5;
	send(dp, SMALL, 0, false);
	dp->room = 100;
	KUNIT_EXPECT_TRUE(test, stopped(dp));
	local_bh_disable();
	timer_delete(&dp->nv->chans[0]->rx.retry);
	__netif_tx_lock(txq, smp_processor_id());
	netvsc_tx_complete(dp->nv->chans[0], datapath_sent(dp, 0)->id, 1, 64);
	netvsc_tx_poll_end(dp->nv->chans[0]);
	dp->retry = timer_pending(&dp->nv->chans[0]->rx.retry);
	__netif_tx_unlock(txq);
	local_bh_enable();
	datapath_forget(dp);
	KUNIT_EXPECT_TRUE(test, dp->retry);
	KUNIT_EXPECT_TRUE(test, stopped(dp));
	datapath_poll_end(dp, 0);
	KUNIT_EXPECT_FALSE(test, stopped(dp));
	datapath_settle(dp);
}

static void tx_stop(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 2);

	send(dp, BIG, 0, false);
	send(dp, SMALL, 1, true);
	netvsc_tx_stop(dp->nv);
	KUNIT_EXPECT_EQ(test, dp->nsent, 2);	/* the batch went */
	KUNIT_EXPECT_TRUE(test, stopped(dp));
	send(dp, SMALL, 2, true);
	send(dp, SMALL, 3, false);
	send(dp, BIG, 4, false);
	KUNIT_EXPECT_EQ(test, dp->nsent, 2);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->tx_stats.dropped), 3);
	datapath_complete_all(dp);
	KUNIT_EXPECT_EQ(test, dp->nsent, 2);
	KUNIT_EXPECT_TRUE(test, stopped(dp));	/* not woken */
	KUNIT_EXPECT_FALSE(test, dp->retry);
	KUNIT_EXPECT_TRUE(test, netvsc_tx_idle(dp->nv->chans[0]));
	netvsc_tx_start(dp->nv);
	netvsc_tx_set_link(dp->nv, true);
	send(dp, SMALL, 5, false);
	datapath_settle(dp);
}

/* With a batch that does not fit the ring: it goes as soon as it does */
static void tx_stop_full(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct netvsc_chan *ch = dp->nv->chans[0];

	send(dp, SMALL, 0, true);
	send(dp, SMALL, 1, true);
	dp->send_error = -EAGAIN;
	dp->send_errors = -1;
	local_bh_disable();
	netvsc_tx_stop(dp->nv);
	dp->retry = timer_pending(&ch->rx.retry);
	local_bh_enable();
	KUNIT_EXPECT_TRUE(test, dp->retry);
	send(dp, SMALL, 2, false);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->tx_stats.dropped), 1);
	KUNIT_EXPECT_FALSE(test, netvsc_tx_idle(ch));
	datapath_poll_end(dp, 0);
	KUNIT_EXPECT_TRUE(test, dp->retry);
	dp->send_errors = 0;
	datapath_poll_end(dp, 0);
	KUNIT_EXPECT_EQ(test, dp->nsent, 1);
	expect_frames(dp, 0, 2);
	KUNIT_EXPECT_TRUE(test, stopped(dp));
	datapath_complete_all(dp);
	KUNIT_EXPECT_TRUE(test, netvsc_tx_idle(ch));
	netvsc_tx_start(dp->nv);
	netvsc_tx_set_link(dp->nv, true);
	send(dp, SMALL, 3, false);
	datapath_settle(dp);
}

/* Without a link the queue stays stopped, whatever is completed */
static void tx_no_carrier(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);

	send(dp, SMALL, 0, false);
	send(dp, SMALL, 1, true);
	netif_carrier_off(dp->ndev);
	netvsc_tx_set_link(dp->nv, false);
	KUNIT_EXPECT_EQ(test, dp->nsent, 2);	/* the batch went */
	datapath_complete_all(dp);
	KUNIT_EXPECT_TRUE(test, stopped(dp));
	netif_carrier_on(dp->ndev);
	netvsc_tx_set_link(dp->nv, true);
	KUNIT_EXPECT_FALSE(test, stopped(dp));
	datapath_settle(dp);
}

/* A link that goes and comes does not wake what has no room, nor forget it */
static void tx_link_and_room(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u32 i;

	dp->send_error = -EAGAIN;
	dp->send_errors = -1;
	dp->room = 5;
	send(dp, SMALL, 0, false);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_TRUE(test, stopped(dp));
		netif_carrier_off(dp->ndev);
		netvsc_tx_set_link(dp->nv, false);
		datapath_poll_end(dp, 0);
		KUNIT_EXPECT_TRUE(test, stopped(dp));
		netif_carrier_on(dp->ndev);
		netvsc_tx_set_link(dp->nv, true);
	}
	KUNIT_EXPECT_TRUE(test, stopped(dp));
	datapath_poll_end(dp, 0);
	KUNIT_EXPECT_TRUE(test, dp->retry);
	dp->send_errors = 0;
	dp->room = 100;
	datapath_poll_end(dp, 0);
	KUNIT_EXPECT_FALSE(test, stopped(dp));
	expect_frame(dp, 0, 0, SMALL, 0);
	datapath_settle(dp);
}

/* The host is done with a packet before the send has returned */
static void tx_done_at_once(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u32 i;

	dp->at_once = true;
	for (i = 0; i < 64; i++)
		send(dp, i & 1 ? BIG : SMALL, i, i % 8 == 2);
	KUNIT_EXPECT_EQ(test, dp->nsent, 64);
	KUNIT_EXPECT_TRUE(test, list_empty(&dp->sent));
	datapath_settle(dp);
}

/* The channel is closed: what the host has not completed is dropped */
static void tx_release(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u64 id;
	u32 i;

	for (i = 0; i < 4; i++)
		send(dp, i & 1 ? BIG : SMALL, i, false);
	id = datapath_sent(dp, 0)->id;
	send(dp, SMALL, i, true);
	send(dp, SMALL, i, true);
	netvsc_tx_release(dp->nv->chans[0]);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->tx_stats.dropped), 6);
	KUNIT_EXPECT_FALSE(test, datapath_complete_id(dp, 0, id, 1));
	datapath_forget(dp);
	bitmap_zero(dp->nv->bufs->sections, DATAPATH_TX_SECTIONS);
	send(dp, SMALL, 0, false);
	KUNIT_EXPECT_NE(test, datapath_sent(dp, 0)->id, id);
	datapath_settle(dp);
}

/* Behind tags of other kinds the host does not find what it is to work on */
static void tx_features(struct kunit *test)
{
	const netdev_features_t all = NETIF_F_IP_CSUM | NETIF_F_IPV6_CSUM |
				      NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_SG;
	struct datapath *dp = datapath_new(test, 1);
	struct sk_buff *skb = datapath_skb(dp, 0, SMALL, 0);

	skb->protocol = htons(ETH_P_IP);
	KUNIT_EXPECT_EQ(test, netvsc_features_check(skb, dp->ndev, all), all);
	__vlan_hwaccel_put_tag(skb, htons(ETH_P_8021Q), 5);
	KUNIT_EXPECT_EQ(test, netvsc_features_check(skb, dp->ndev, all), all);
	__vlan_hwaccel_put_tag(skb, htons(ETH_P_8021AD), 5);
	KUNIT_EXPECT_EQ(test, netvsc_features_check(skb, dp->ndev, all), NETIF_F_SG);
	__vlan_hwaccel_clear_tag(skb);
	skb->protocol = htons(ETH_P_8021AD);
	KUNIT_EXPECT_EQ(test, netvsc_features_check(skb, dp->ndev, all), NETIF_F_SG);
	kfree_skb(skb);
}

/* Descriptions */

static void tx_vlan(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct datapath_frame frame;
	struct sk_buff *skb;
	u32 tci, in_frame, n = 0;

	for (tci = 0; tci <= U16_MAX; tci += tci % 3 ? 101 : 1, n++) {
		in_frame = tci & 1;
		skb = datapath_skb(dp, 0, SMALL, tci);
		__vlan_hwaccel_put_tag(skb, htons(ETH_P_8021Q), tci);
		if (in_frame) {
			skb = __vlan_hwaccel_push_inside(skb);
			KUNIT_ASSERT_NOT_NULL(test, skb);
			skb->protocol = htons(ETH_P_8021Q);
		}
		datapath_xmit(dp, skb, false);
		KUNIT_ASSERT_TRUE(test, datapath_frame(dp, datapath_sent(dp, 0),
						       0, &frame));
		KUNIT_EXPECT_EQ(test, frame.infos, DATAPATH_VLAN);
		KUNIT_EXPECT_EQ_MSG(test, frame.vlan, tci >> 13 |
				    (tci >> 12 & 1) << 3 | (tci & 0xfff) << 4,
				    "TCI %04x", tci);
		expect_frame(dp, 0, 0, SMALL, tci);
		datapath_complete(dp, datapath_sent(dp, 0));
	}
	/* the tag is none of the frame's bytes, wherever it was */
	datapath_poll_end(dp, 0);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->done_stats.bytes),
			n * SMALL);
	datapath_settle(dp);
}

static void tx_hash(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 2);
	struct datapath_frame frame;
	struct sk_buff *skb;
	u32 i;

	for (i = 0; i < 4; i++) {
		skb = datapath_skb(dp, 0, SMALL, i);
		if (i & 1)
			skb_set_hash(skb, 0x80000001, PKT_HASH_TYPE_L4);
		dp->nv->nchans = i & 2 ? 2 : 1;
		datapath_xmit(dp, skb, false);
		KUNIT_ASSERT_TRUE(test, datapath_frame(dp, datapath_sent(dp, i),
						       0, &frame));
		KUNIT_EXPECT_EQ(test, frame.infos, i == 3 ? DATAPATH_HASH : 0);
		if (i == 3)
			KUNIT_EXPECT_EQ(test, frame.hash, 0x80000001);
	}
	datapath_settle(dp);
}

#define OPTIONS	8	/* bytes of an IPv6 extension header */

/* A frame whose L4 checksum is still to be made */
static struct sk_buff *ip_skb(struct datapath *dp, bool v6, u8 proto, u32 payload)
{
	u32 l3 = v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	u32 l4 = proto == IPPROTO_TCP ? sizeof(struct tcphdr) :
					sizeof(struct udphdr);
	struct sk_buff *skb = datapath_skb(dp, 0, ETH_HLEN + l3 + l4 + payload, 7);
	struct ipv6hdr *ip6 = ipv6_hdr(skb);
	struct iphdr *ip = ip_hdr(skb);
	__sum16 *check;

	skb_set_transport_header(skb, ETH_HLEN + l3);
	skb->protocol = v6 ? htons(ETH_P_IPV6) : htons(ETH_P_IP);
	eth_hdr(skb)->h_proto = skb->protocol;
	memset(ip, 0, l3 + l4);
	if (v6) {
		ip6->version = 6;
		ip6->payload_len = htons(l4 + payload);
		ip6->nexthdr = proto;
		ip6->saddr.s6_addr32[3] = htonl(0x0a000001);
		ip6->daddr.s6_addr32[3] = htonl(0x0a000002);
	} else {
		ip->version = 4;
		ip->ihl = 5;
		ip->tot_len = htons(l3 + l4 + payload);
		ip->protocol = proto;
		ip->saddr = htonl(0x0a000001);
		ip->daddr = htonl(0x0a000002);
	}
	if (proto == IPPROTO_TCP) {
		tcp_hdr(skb)->doff = 5;
		check = &tcp_hdr(skb)->check;
	} else {
		udp_hdr(skb)->len = htons(l4 + payload);
		check = &udp_hdr(skb)->check;
	}
	udp_hdr(skb)->source = htons(1000);
	udp_hdr(skb)->dest = htons(2000);
	*check = v6 ? ~csum_ipv6_magic(&ip6->saddr, &ip6->daddr, l4 + payload,
				       proto, 0) :
		      ~csum_tcpudp_magic(ip->saddr, ip->daddr, l4 + payload,
					 proto, 0);
	skb->csum_start = skb_transport_header(skb) - skb->head;
	skb->csum_offset = (u8 *)check - skb_transport_header(skb);
	skb->ip_summed = CHECKSUM_PARTIAL;
	return skb;
}

/* Is the L4 checksum of a frame as sent right? */
static bool summed(const struct datapath_frame *frame, bool v6, u8 proto)
{
	u32 l3 = v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	const struct ipv6hdr *ip6 = (const void *)frame->data + ETH_HLEN;
	const struct iphdr *ip = (const void *)frame->data + ETH_HLEN;
	u32 len = frame->len - ETH_HLEN - l3;
	__wsum sum = csum_partial(frame->data + ETH_HLEN + l3, len, 0);

	if (v6)
		return !csum_ipv6_magic(&ip6->saddr, &ip6->daddr, len, proto, sum);
	return !csum_tcpudp_magic(ip->saddr, ip->daddr, len, proto, sum);
}

static u32 csum_cap(bool v6, u8 proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return v6 ? NETVSC_CSUM_TCP6 : NETVSC_CSUM_TCP4;
	case IPPROTO_UDP:
		return v6 ? NETVSC_CSUM_UDP6 : NETVSC_CSUM_UDP4;
	default:
		return 0;
	}
}

static void tx_csum_one(struct datapath *dp, u32 caps, bool v6, u8 proto)
{
	u32 word = (v6 ? 0x00360002 : 0x00220001) |
		   (proto == IPPROTO_TCP ? BIT(2) : BIT(3));
	bool host = caps & csum_cap(v6, proto);
	struct datapath_frame frame = {};

	dp->nv->sess.csum = caps;
	datapath_xmit(dp, ip_skb(dp, v6, proto, 333), false);
	KUNIT_ASSERT_TRUE(dp->test, datapath_frame(dp, datapath_sent(dp, 0), 0,
						   &frame));
	KUNIT_EXPECT_EQ_MSG(dp->test, frame.infos, host ? DATAPATH_CSUM : 0,
			    "caps %x, v6 %d, protocol %u", caps, v6, proto);
	if (host)
		KUNIT_EXPECT_EQ(dp->test, frame.csum, word);
	KUNIT_EXPECT_EQ_MSG(dp->test, summed(&frame, v6, proto), !host,
			    "caps %x, v6 %d, protocol %u", caps, v6, proto);
	datapath_complete(dp, datapath_sent(dp, 0));
}

static void tx_csum(struct kunit *test)
{
	static const u8 protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE };
	static const u32 bits[] = {
		NETVSC_CSUM_TCP4, NETVSC_CSUM_UDP4,
		NETVSC_CSUM_TCP6, NETVSC_CSUM_UDP6,
	};
	struct datapath *dp = datapath_new(test, 1);
	struct datapath_frame frame;
	struct sk_buff *skb;
	u32 i, j, set, caps;

	for (set = 0; set < 16; set++) {
		for (caps = 0, j = 0; j < 4; j++)
			caps |= set & BIT(j) ? bits[j] : 0;
		for (i = 0; i < 2 * ARRAY_SIZE(protos); i++)
			tx_csum_one(dp, caps, i & 1, protos[i / 2]);
	}
	/* nothing to be done for those that have theirs */
	skb = ip_skb(dp, false, IPPROTO_TCP, 10);
	skb->ip_summed = CHECKSUM_NONE;
	datapath_xmit(dp, skb, false);
	KUNIT_ASSERT_TRUE(test, datapath_frame(dp, datapath_sent(dp, 0), 0, &frame));
	KUNIT_EXPECT_EQ(test, frame.infos, 0);
	datapath_settle(dp);
}

/* TCP behind an extension header: the host is not asked */
static void tx_csum_options(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct sk_buff *skb = ip_skb(dp, true, IPPROTO_TCP, 333);
	u32 at = ETH_HLEN + sizeof(struct ipv6hdr);
	struct datapath_frame frame;

	memmove(skb->data + at + OPTIONS, skb->data + at, sizeof(struct tcphdr));
	memset(skb->data + at, 0, OPTIONS);
	skb->data[at] = IPPROTO_TCP;
	ipv6_hdr(skb)->nexthdr = IPPROTO_DSTOPTS;
	skb->transport_header += OPTIONS;
	skb->csum_start += OPTIONS;
	datapath_xmit(dp, skb, false);
	KUNIT_ASSERT_TRUE(test, datapath_frame(dp, datapath_sent(dp, 0), 0, &frame));
	KUNIT_EXPECT_EQ(test, frame.infos, 0);
	datapath_settle(dp);
}

/* The sum of a packet inside of another one: the host would sum the outer one */
static void tx_csum_inside(struct kunit *test)
{
	static const struct {
		u32 behind;
		u16 offset;
	} inner[] = {
		{ 36, offsetof(struct tcphdr, check) },
		{ 36, offsetof(struct udphdr, check) },
		{ 0, offsetof(struct tcphdr, check) },
	};
	struct datapath *dp = datapath_new(test, 1);
	struct datapath_frame frame;
	struct sk_buff *skb;
	u32 i;

	for (i = 0; i < 2 * ARRAY_SIZE(inner); i++) {
		skb = ip_skb(dp, i & 1, IPPROTO_UDP, 333);
		skb->transport_header += inner[i / 2].behind;
		skb->csum_start += inner[i / 2].behind;
		skb->csum_offset = inner[i / 2].offset;
		datapath_xmit(dp, skb, false);
		KUNIT_ASSERT_TRUE(test, datapath_frame(dp, datapath_sent(dp, 0),
						       0, &frame));
		KUNIT_EXPECT_EQ(test, frame.infos, 0);
		datapath_complete(dp, datapath_sent(dp, 0));
	}
	datapath_settle(dp);
}

static struct sk_buff *lso_skb(struct datapath *dp, bool v6, u32 payload)
{
	struct sk_buff *skb = ip_skb(dp, v6, IPPROTO_TCP, payload);

	skb_shinfo(skb)->gso_size = 1400;
	skb_shinfo(skb)->gso_segs = DIV_ROUND_UP(payload, 1400);
	skb_shinfo(skb)->gso_type = v6 ? SKB_GSO_TCPV6 : SKB_GSO_TCPV4;
	return skb;
}

static void tx_lso(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct datapath_frame frame;
	const struct tcphdr *tcp;
	const struct iphdr *ip;
	const struct ipv6hdr *ip6;
	u32 i;

	for (i = 0; i < 4; i++) {
		bool v6 = i & 1;

		datapath_xmit(dp, lso_skb(dp, v6, i & 2 ? 30000 : 4000), false);
		KUNIT_ASSERT_TRUE(test, datapath_frame(dp, datapath_sent(dp, i),
						       0, &frame));
		KUNIT_EXPECT_EQ(test, !datapath_sent(dp, i)->ranges, !(i & 2));
		KUNIT_EXPECT_EQ(test, frame.infos, DATAPATH_LSO);
		KUNIT_EXPECT_EQ(test, frame.lso, 1400 | (v6 ? 54 : 34) << 20 |
				BIT(30) | (v6 ? BIT(31) : 0));
		ip = (const void *)frame.data + ETH_HLEN;
		ip6 = (const void *)ip;
		tcp = (const void *)frame.data + ETH_HLEN +
		      (v6 ? sizeof(*ip6) : sizeof(*ip));
		if (v6) {
			KUNIT_EXPECT_EQ(test, ip6->payload_len, 0);
			KUNIT_EXPECT_EQ(test, tcp->check,
					(__sum16)~csum_ipv6_magic(&ip6->saddr,
								  &ip6->daddr, 0,
								  IPPROTO_TCP, 0));
		} else {
			KUNIT_EXPECT_EQ(test, ip->tot_len, 0);
			KUNIT_EXPECT_EQ(test, ip->check, 0);
			KUNIT_EXPECT_EQ(test, tcp->check,
					(__sum16)~csum_tcpudp_magic(ip->saddr,
								    ip->daddr, 0,
								    IPPROTO_TCP, 0));
		}
	}
	datapath_settle(dp);
}

/* All infos at once, and the longest header */
static void tx_all_infos(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 2);
	struct datapath_frame frame;
	struct sk_buff *skb;
	u32 i;

	for (i = 0; i < 2; i++) {
		skb = lso_skb(dp, false, i ? 30000 : 3000);
		skb_set_hash(skb, 1234, PKT_HASH_TYPE_L4);
		__vlan_hwaccel_put_tag(skb, htons(ETH_P_8021Q), 0xffff);
		datapath_xmit(dp, skb, false);
		KUNIT_ASSERT_TRUE(test, datapath_frame(dp, datapath_sent(dp, i),
						       0, &frame));
		KUNIT_EXPECT_EQ(test, frame.infos,
				DATAPATH_HASH | DATAPATH_VLAN | DATAPATH_LSO);
		KUNIT_EXPECT_EQ(test, frame.head_len, 44 + 3 * 16);
	}
	datapath_settle(dp);
}

/* Page ranges */

/* Send it; expect its bytes behind a header that is a range of its own */
static void expect_pages(struct datapath *dp, struct sk_buff *skb)
{
	u32 ranges = 1 + !!skb_headlen(skb) + skb_shinfo(skb)->nr_frags;
	u8 *bytes = kunit_kmalloc(dp->test, skb->len, GFP_KERNEL);
	struct datapath_frame frame = {};
	u32 len = skb->len;

	KUNIT_ASSERT_NOT_NULL(dp->test, bytes);
	KUNIT_ASSERT_EQ(dp->test, skb_copy_bits(skb, 0, bytes, len), 0);
	KUNIT_ASSERT_EQ(dp->test, datapath_xmit(dp, skb, false), NETDEV_TX_OK);
	KUNIT_ASSERT_TRUE(dp->test, datapath_frame(dp, datapath_sent(dp, 0), 0,
						   &frame));
	KUNIT_ASSERT_EQ(dp->test, datapath_sent(dp, 0)->ranges, ranges);
	KUNIT_ASSERT_EQ(dp->test, datapath_sent(dp, 0)->first_len,
			frame.head_len);
	KUNIT_ASSERT_EQ(dp->test, frame.len, len);
	KUNIT_ASSERT_EQ(dp->test, frame.msg_len, frame.head_len + len);
	KUNIT_ASSERT_EQ(dp->test, datapath_sent(dp, 0)->len, frame.msg_len);
	KUNIT_ASSERT_EQ(dp->test, memcmp(frame.data, bytes, len), 0);
	datapath_complete(dp, datapath_sent(dp, 0));
	kunit_kfree(dp->test, bytes);
}

/* A linear frame that begins at an offset within a page */
static struct sk_buff *skb_at(struct datapath *dp, u32 offset, u32 len)
{
	struct sk_buff *skb = alloc_skb(len + PAGE_SIZE, GFP_KERNEL);
	u32 now;

	KUNIT_ASSERT_NOT_NULL(dp->test, skb);
	now = offset_in_page(skb->data);
	skb_reserve(skb, (offset - now) & (PAGE_SIZE - 1));
	datapath_fill(skb_put(skb, len), len, offset);
	skb->dev = dp->ndev;
	skb->protocol = htons(ETH_P_802_3);
	return skb;
}

static void tx_ranges_head(struct kunit *test)
{
	static const u32 lens[] = { 60, 1514, 4096, 4097, 9014 };
	struct datapath *dp = datapath_new(test, 1);
	u32 i, offset;

	dp->nv->sess.tx_section_size = 0;
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		for (offset = 0; offset < PAGE_SIZE; offset += 61)
			expect_pages(dp, skb_at(dp, offset, lens[i]));
		for (offset = PAGE_SIZE - 64; offset < PAGE_SIZE; offset += 3)
			expect_pages(dp, skb_at(dp, offset, lens[i]));
	}
	datapath_settle(dp);
}

/* Every slot for headers, with the longest one that we write */
static void tx_ranges_header(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 2);
	struct sk_buff *skb;
	u32 i;

	dp->nv->sess.tx_section_size = 0;
	for (i = 0; i < NETVSC_REQS; i++) {
		skb = skb_at(dp, i, 60);
		skb_set_hash(skb, i + 1, PKT_HASH_TYPE_L4);
		__vlan_hwaccel_put_tag(skb, htons(ETH_P_8021Q), i);
		expect_pages(dp, skb);
	}
	datapath_settle(dp);
}

#define FRAG_ORDER	3

static void add_frag(struct datapath *dp, struct sk_buff *skb, u32 offset, u32 len)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_COMP, FRAG_ORDER);

	KUNIT_ASSERT_NOT_NULL(dp->test, page);
	datapath_fill(page_address(page) + offset, len,
		      skb_shinfo(skb)->nr_frags);
	/* as the page pool and the socket layer do: the page that it begins in */
	skb_add_rx_frag(skb, skb_shinfo(skb)->nr_frags, page + offset / PAGE_SIZE,
			offset_in_page(offset), len, len);
}

static void tx_ranges_frags(struct kunit *test)
{
	static const u32 heads[] = { 0, 1, 14, 128 };
	struct datapath *dp = datapath_new(test, 1);
	struct sk_buff *skb;
	u32 i, frag, frags;

	dp->nv->sess.tx_section_size = 0;
	for (i = 0; i < 4 * (min_t(u32, MAX_SKB_FRAGS, 30) + 1); i++) {
		frags = i / 4;
		if (!frags && !heads[i % 4])
			continue;
		skb = skb_at(dp, 4090, heads[i % 4]);
		for (frag = 0; frag < frags; frag++)
			add_frag(dp, skb, (frag * 2531 + i * 977) % (5 * PAGE_SIZE),
				 1 + (frag * 1999 + i * 61) % 3000);
		expect_pages(dp, skb);
	}
	/* one fragment of many pages, and ends at the ends of pages */
	for (i = 0; i < 4; i++) {
		skb = skb_at(dp, 0, 54);
		add_frag(dp, skb, i & 1 ? 1 : 0,
			 6 * PAGE_SIZE - (i & 1 ? 1 : 0) + (i & 2 ? 1 : 0));
		expect_pages(dp, skb);
	}
	datapath_settle(dp);
}

/* The longest frame, in as many pieces as there may be */
static void tx_ranges_max(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u32 frags = MAX_SKB_FRAGS > 30 ? 30 : MAX_SKB_FRAGS;
	u32 piece = (GSO_LEGACY_MAX_SIZE - 54) / frags;
	struct sk_buff *skb = skb_at(dp, 4095, GSO_LEGACY_MAX_SIZE - frags * piece);
	u32 i;

	for (i = 0; i < frags; i++)
		add_frag(dp, skb, 4095, piece);
	KUNIT_ASSERT_EQ(test, skb->len, GSO_LEGACY_MAX_SIZE);
	expect_pages(dp, skb);
	datapath_settle(dp);
}

static void tx_too_big(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct sk_buff *skb = skb_at(dp, 0, 100);
	u32 i;

	for (i = 0; i < 3; i++)
		add_frag(dp, skb, 0, 6 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, datapath_xmit(dp, skb, false), NETDEV_TX_OK);
	KUNIT_EXPECT_EQ(test, dp->nsent, 0);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->tx_stats.dropped), 1);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->tx_stats.too_big), 1);
	datapath_settle(dp);
}

static void tx_linearize(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct datapath_frame frame;
	struct sk_buff *skb;
	u32 i;

	if (MAX_SKB_FRAGS + 2 <= 32)
		kunit_skip(test, "a packet never has too many fragments");
	skb = skb_at(dp, 0, 100);
	for (i = 0; i < MAX_SKB_FRAGS; i++)
		add_frag(dp, skb, i, 1000);
	KUNIT_EXPECT_EQ(test, datapath_xmit(dp, skb, false), NETDEV_TX_OK);
	KUNIT_ASSERT_TRUE(test, datapath_frame(dp, datapath_sent(dp, 0), 0, &frame));
	KUNIT_EXPECT_EQ(test, frame.len, 100 + MAX_SKB_FRAGS * 1000);
	for (i = 0; i < MAX_SKB_FRAGS; i++)
		KUNIT_EXPECT_TRUE(test, datapath_filled(frame.data + 100 + i * 1000,
							1000, i));
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->tx_stats.scattered), 1);
	datapath_settle(dp);
}

/* But not where it is somebody else's, too: that one keeps it as it is */
static void tx_linearize_shared(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	const struct netvsc_tx_stats *stats = &dp->nv->chans[0]->tx_stats;
	struct sk_buff *skb, *other;
	u32 i;

	if (MAX_SKB_FRAGS + 2 <= 32)
		kunit_skip(test, "a packet never has too many fragments");
	skb = skb_at(dp, 0, 100);
	for (i = 0; i < 31; i++)
		add_frag(dp, skb, i, 1000);
	other = skb_get(skb);
	KUNIT_EXPECT_EQ(test, datapath_xmit(dp, skb, false), NETDEV_TX_OK);
	KUNIT_EXPECT_EQ(test, dp->nsent, 0);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&stats->no_memory), 1);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&stats->dropped), 1);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&stats->scattered), 0);
	KUNIT_EXPECT_EQ(test, refcount_read(&other->users), 1);
	KUNIT_EXPECT_EQ(test, skb_shinfo(other)->nr_frags, 31);
	kfree_skb(other);
	datapath_settle(dp);
}

/* A frame in pieces that fits a section is copied from all of them */
static void tx_copy_frags(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct sk_buff *skb = skb_at(dp, 4000, 100);
	struct datapath_frame frame;
	u32 i;

	for (i = 0; i < 5; i++)
		add_frag(dp, skb, 4000 + i, 200 + i);
	datapath_xmit(dp, skb, false);
	KUNIT_ASSERT_TRUE(test, datapath_frame(dp, datapath_sent(dp, 0), 0, &frame));
	KUNIT_EXPECT_EQ(test, datapath_sent(dp, 0)->ranges, 0);
	KUNIT_EXPECT_TRUE(test, datapath_filled(frame.data, 100, 4000));
	frame.data += 100;
	for (i = 0; i < 5; frame.data += 200 + i, i++)
		KUNIT_EXPECT_TRUE(test, datapath_filled(frame.data, 200 + i, i));
	datapath_settle(dp);
}

/* Somebody else's packet */

static void expect_untouched(struct datapath *dp, struct sk_buff *skb, bool clone)
{
	struct sk_buff *other = clone ? skb_clone(skb, GFP_KERNEL) : skb_get(skb);
	u32 len = skb->len, protocol = skb->protocol;
	u8 *bytes;

	KUNIT_ASSERT_NOT_NULL(dp->test, other);
	bytes = kunit_kmalloc(dp->test, len, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(dp->test, bytes);
	memcpy(bytes, skb->data, len);
	KUNIT_EXPECT_EQ(dp->test, datapath_xmit(dp, skb, false), NETDEV_TX_OK);
	KUNIT_EXPECT_EQ(dp->test, other->len, len);
	KUNIT_EXPECT_EQ(dp->test, other->protocol, protocol);
	KUNIT_EXPECT_EQ(dp->test, memcmp(other->data, bytes, len), 0);
	datapath_complete_all(dp);
	KUNIT_EXPECT_EQ(dp->test, memcmp(other->data, bytes, len), 0);
	KUNIT_EXPECT_EQ(dp->test, refcount_read(&other->users), 1);
	kfree_skb(other);
}

static struct sk_buff *tagged_skb(struct datapath *dp, u32 len)
{
	struct sk_buff *skb = datapath_skb(dp, 0, len, 0);

	skb = vlan_insert_tag_set_proto(skb, htons(ETH_P_8021Q), 0x1234);
	KUNIT_ASSERT_NOT_NULL(dp->test, skb);
	return skb;
}

static void tx_others(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);

	expect_untouched(dp, datapath_skb(dp, 0, SMALL, 0), true);
	expect_untouched(dp, datapath_skb(dp, 0, SMALL, 0), false);
	expect_untouched(dp, datapath_skb(dp, 0, BIG, 0), true);
	expect_untouched(dp, datapath_skb(dp, 0, BIG, 0), false);
	expect_untouched(dp, tagged_skb(dp, SMALL), true);
	expect_untouched(dp, tagged_skb(dp, SMALL), false);
	expect_untouched(dp, tagged_skb(dp, BIG), true);
	expect_untouched(dp, tagged_skb(dp, BIG), false);
	expect_untouched(dp, lso_skb(dp, false, 30000), true);
	expect_untouched(dp, lso_skb(dp, true, 30000), true);
	dp->nv->sess.csum = 0;
	expect_untouched(dp, ip_skb(dp, false, IPPROTO_UDP, 100), true);
	expect_untouched(dp, ip_skb(dp, true, IPPROTO_TCP, BIG), true);
	datapath_settle(dp);
}

/* Refused, it is still the caller's, also if its tag was taken out */
static void tx_others_busy(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct sk_buff *skb = tagged_skb(dp, BIG), *other = skb_get(skb);

	dp->send_error = -EAGAIN;
	dp->send_errors = -1;
	dp->room = 5;
	if (datapath_xmit(dp, skb, false) == NETDEV_TX_BUSY) {
		KUNIT_EXPECT_EQ(test, refcount_read(&skb->users), 2);
		kfree_skb(skb);
	} else {
		KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->tx_stats.dropped), 1);
	}
	KUNIT_EXPECT_EQ(test, refcount_read(&other->users), 1);
	kfree_skb(other);
	dp->send_errors = 0;
	dp->room = 100;
	datapath_settle(dp);
}

/* Queues */

static u16 queue_of(struct datapath *dp, struct sk_buff *skb)
{
	u16 queue = netvsc_select_queue(dp->ndev, skb, NULL);

	KUNIT_EXPECT_LT(dp->test, queue, dp->ndev->real_num_tx_queues);
	return queue;
}

static void tx_queue_one(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 4);
	struct sk_buff *skb = ip_skb(dp, false, IPPROTO_TCP, 0);

	dp->ndev->real_num_tx_queues = 1;
	skb_set_hash(skb, 0x12345677, PKT_HASH_TYPE_L4);
	skb_record_rx_queue(skb, 3);
	memset16(dp->nv->tx_table, 3, NETVSC_SEND_TABLE);
	KUNIT_EXPECT_EQ(test, queue_of(dp, skb), 0);
	kfree_skb(skb);
}

static void tx_queue_table(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 4);
	struct sk_buff *skb = ip_skb(dp, false, IPPROTO_TCP, 0);
	u32 i;

	for (i = 0; i < NETVSC_SEND_TABLE; i++)
		dp->nv->tx_table[i] = i / 2;	/* some are out of range */
	for (i = 0; i < 64; i++) {
		__skb_set_hash(skb, i + 1, false, true);
		KUNIT_EXPECT_EQ(test, queue_of(dp, skb), (i + 1) % 16 / 2 % 4);
	}
	/* what came in on a queue goes out on it */
	for (i = 0; i < 8; i++) {
		skb_record_rx_queue(skb, i);
		KUNIT_EXPECT_EQ(test, queue_of(dp, skb), i % 4);
	}
	kfree_skb(skb);
}

static void tx_queue_socket(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 4);
	struct sk_buff *skb = ip_skb(dp, false, IPPROTO_TCP, 0);
	struct sock *sk = kunit_kzalloc(test, sizeof(*sk), GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, sk);
	sk->sk_state = TCP_ESTABLISHED;
	sk_tx_queue_clear(sk);
	skb->sk = sk;
	__skb_set_hash(skb, 2, false, true);
	for (i = 0; i < NETVSC_SEND_TABLE; i++)
		dp->nv->tx_table[i] = i % 4;
	/* not remembered as long as the socket has no route */
	KUNIT_EXPECT_EQ(test, queue_of(dp, skb), 2);
	KUNIT_EXPECT_EQ(test, sk_tx_queue_get(sk), -1);
	rcu_assign_pointer(sk->sk_dst_cache, (struct dst_entry *)sk);
	KUNIT_EXPECT_EQ(test, queue_of(dp, skb), 2);
	KUNIT_EXPECT_EQ(test, sk_tx_queue_get(sk), 2);
	/* kept while packets are under way, even if the table says otherwise */
	dp->nv->tx_table[2] = 3;
	KUNIT_EXPECT_EQ(test, queue_of(dp, skb), 2);
	skb->ooo_okay = 1;
	KUNIT_EXPECT_EQ(test, queue_of(dp, skb), 3);
	KUNIT_EXPECT_EQ(test, sk_tx_queue_get(sk), 3);
	/* nor longer than there is such a queue */
	skb->ooo_okay = 0;
	dp->ndev->real_num_tx_queues = 2;
	KUNIT_EXPECT_EQ(test, queue_of(dp, skb), 1);
	skb->sk = NULL;
	kfree_skb(skb);
}

/* How many of all flows between two hosts go to another queue than the first? */
static u32 spread(struct datapath *dp, bool v6, u8 proto)
{
	u32 port, first = 0, others = 0;
	struct sk_buff *skb;

	for (port = 1; port <= 24; port++) {
		skb = ip_skb(dp, v6, proto, 0);
		udp_hdr(skb)->source = htons(port * 37);
		udp_hdr(skb)->dest = htons(80 + port);
		if (v6)
			ipv6_hdr(skb)->flow_lbl[2] = port;
		if (port == 1)
			first = queue_of(dp, skb);
		else
			others += queue_of(dp, skb) != first;
		kfree_skb(skb);
	}
	return others;
}

static void tx_queue_l4(struct kunit *test)
{
	static const u32 bits[] = {
		NETVSC_HASH_TCP4, NETVSC_HASH_TCP6,
		NETVSC_HASH_UDP4, NETVSC_HASH_UDP6,
	};
	struct datapath *dp = datapath_new(test, 4);
	u32 off, i, others;

	for (i = 0; i < NETVSC_SEND_TABLE; i++)
		dp->nv->tx_table[i] = i % 4;
	for (off = 0; off < 16; off++) {
		dp->nv->l4_hash = NETVSC_HASH_ALL;
		for (i = 0; i < 4; i++)
			if (off & BIT(i))
				dp->nv->l4_hash &= ~bits[i];
		for (i = 0; i < 4; i++) {
			others = spread(dp, i & 1,
					i & 2 ? IPPROTO_UDP : IPPROTO_TCP);
			KUNIT_EXPECT_EQ_MSG(test, !others, !!(off & BIT(i)),
					    "protocol %u, off %x", i, off);
		}
	}
}

/* The VF */

static u16 vf_queue(struct net_device *ndev, struct sk_buff *skb,
		    struct net_device *sb_dev)
{
	return skb_get_rx_queue(skb);
}

static const struct net_device_ops vf_ops = {};
static const struct net_device_ops vf_ops_with_queues = {
	.ndo_select_queue = vf_queue,
};

static void vf_free(void *vf)
{
	free_netdev(vf);
}

/* One that is down, of 8 queues; the host has switched to it */
static struct net_device *vf_new(struct datapath *dp,
				 const struct net_device_ops *ops)
{
	struct net_device *vf = alloc_etherdev_mqs(0, 8, 8);

	KUNIT_ASSERT_NOT_NULL(dp->test, vf);
	KUNIT_ASSERT_EQ(dp->test, kunit_add_action_or_reset(dp->test, vf_free, vf), 0);
	vf->netdev_ops = ops;
	rcu_assign_pointer(dp->nv->vf.ndev, vf);
	WRITE_ONCE(dp->nv->vf.in_use, true);
	return vf;
}

static void vf_end(struct datapath *dp)
{
	WRITE_ONCE(dp->nv->vf.in_use, false);
	RCU_INIT_POINTER(dp->nv->vf.ndev, NULL);
}

static u16 queue_of_vf(struct datapath *dp, struct sk_buff *skb)
{
	u16 queue;

	rcu_read_lock_bh();
	queue = queue_of(dp, skb);
	rcu_read_unlock_bh();
	return queue;
}

static void tx_queue_vf(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 3);
	struct sk_buff *skb = ip_skb(dp, false, IPPROTO_TCP, 0);
	struct net_device *vf = vf_new(dp, &vf_ops_with_queues);
	u32 i;

	memset16(dp->nv->tx_table, 0, NETVSC_SEND_TABLE);
	for (i = 0; i < 8; i++) {
		skb_record_rx_queue(skb, i);
		KUNIT_EXPECT_EQ(test, queue_of_vf(dp, skb), i % 3);
	}
	/* the stack's choice, of its 8 queues: that of a forwarded packet, too */
	vf->netdev_ops = &vf_ops;
	for (i = 0; i < 8; i++) {
		skb_record_rx_queue(skb, i);
		KUNIT_EXPECT_EQ(test, queue_of_vf(dp, skb), i % 3);
	}
	/* one that the host has not switched to has no say */
	vf->netdev_ops = &vf_ops_with_queues;
	WRITE_ONCE(dp->nv->vf.in_use, false);
	skb_record_rx_queue(skb, 7);
	KUNIT_EXPECT_EQ(test, queue_of(dp, skb), 1);
	memset16(dp->nv->tx_table, 2, NETVSC_SEND_TABLE);
	skb->queue_mapping = 0;
	KUNIT_EXPECT_EQ(test, queue_of(dp, skb), 2);
	vf_end(dp);
	kfree_skb(skb);
}

/* The host drops what comes by the synthetic path, and the VF cannot send */
static void tx_vf_without_link(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);

	vf_new(dp, &vf_ops);
	KUNIT_EXPECT_EQ(test, send_refused(dp, 100, 1), NETDEV_TX_BUSY);
	KUNIT_EXPECT_TRUE(test, stopped(dp));
	KUNIT_EXPECT_TRUE(test, list_empty(&dp->sent));
	KUNIT_EXPECT_TRUE(test, test_bit(NETVSC_EVENT_VF, &dp->nv->events));
	vf_end(dp);
	netvsc_tx_set_link(dp->nv, true);
	KUNIT_EXPECT_FALSE(test, stopped(dp));
	send(dp, 100, 0, false);
	expect_frame(dp, 0, 0, 100, 0);
	datapath_settle(dp);
}

static struct kunit_case tx_cases[] = {
	KUNIT_CASE_SLOW(tx_ids),
	KUNIT_CASE(tx_ids_wrap),
	KUNIT_CASE(tx_wrong_ids),
	KUNIT_CASE(tx_failed_completion),
	KUNIT_CASE(tx_table),
	KUNIT_CASE(tx_sections),
	KUNIT_CASE(tx_sections_shared),
	KUNIT_CASE(tx_no_sections),
	KUNIT_CASE_PARAM(tx_batch, batch_gen_params),
	KUNIT_CASE(tx_batch_waits),
	KUNIT_CASE(tx_order),
	KUNIT_CASE(tx_batch_drop),
	KUNIT_CASE(tx_batch_full),
	KUNIT_CASE(tx_batch_full_idle),
	KUNIT_CASE(tx_batch_full_next),
	KUNIT_CASE(tx_hard_error),
	KUNIT_CASE_SLOW(tx_sequences),
	KUNIT_CASE(tx_pages_full),
	KUNIT_CASE(tx_pages_full_limit),
	KUNIT_CASE(tx_guess),
	KUNIT_CASE(tx_stop_wake),
	KUNIT_CASE(tx_wake_contended),
	KUNIT_CASE(tx_stop),
	KUNIT_CASE(tx_stop_full),
	KUNIT_CASE(tx_no_carrier),
	KUNIT_CASE(tx_link_and_room),
	KUNIT_CASE(tx_done_at_once),
	KUNIT_CASE(tx_release),
	KUNIT_CASE(tx_features),
	KUNIT_CASE(tx_vlan),
	KUNIT_CASE(tx_hash),
	KUNIT_CASE(tx_csum),
	KUNIT_CASE(tx_csum_options),
	KUNIT_CASE(tx_csum_inside),
	KUNIT_CASE(tx_lso),
	KUNIT_CASE(tx_all_infos),
	KUNIT_CASE(tx_ranges_head),
	KUNIT_CASE_SLOW(tx_ranges_header),
	KUNIT_CASE(tx_ranges_frags),
	KUNIT_CASE(tx_ranges_max),
	KUNIT_CASE(tx_too_big),
	KUNIT_CASE(tx_linearize),
	KUNIT_CASE(tx_linearize_shared),
	KUNIT_CASE(tx_copy_frags),
	KUNIT_CASE(tx_others),
	KUNIT_CASE(tx_others_busy),
	KUNIT_CASE(tx_queue_one),
	KUNIT_CASE(tx_queue_table),
	KUNIT_CASE(tx_queue_socket),
	KUNIT_CASE(tx_queue_l4),
	KUNIT_CASE(tx_queue_vf),
	KUNIT_CASE(tx_vf_without_link),
	{}
};

static struct kunit_suite tx_suite = {
	.name = "hv_netvsc_tx",
	.test_cases = tx_cases,
};

kunit_test_suite(tx_suite);
