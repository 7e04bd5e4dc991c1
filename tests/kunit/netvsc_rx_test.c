// SPDX-License-Identifier: GPL-2.0-only
/* The receive path: packets by kind, ranges, frames, acknowledgments. */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/prandom.h>
#include <net/gso.h>
#include <net/ip6_checksum.h>
#include <net/page_pool/helpers.h>

#include "../../netvsc.h"
#include "../../netvsc_rx.h"
#include "../../netvsc_tx.h"
#include "../../nvsp_proto.h"
#include "../../rndis_proto.h"
#include "datapath.h"

#define COMPLETE	VMBUS_DATA_PACKET_FLAG_COMPLETION_REQUESTED
#define ID		0x1122334455667788ULL
#define LEN		100
#define LONGEST		65539		/* the largest MTU, and a tag */
#define PIECE		512		/* of the buffer, for short frames */
#define MAX_RANGES	600

/* What follows the descriptor of a transfer page packet [1.8] */
struct xfer {
	__le16 pageset;
	u8 sender_owns;
	u8 reserved;
	__le32 count;
	struct {
		__le32 bytes;
		__le32 offset;
	} ranges[MAX_RANGES];
};

static const struct nvsp_msg_rndis_packet data_msg = {
	.type = cpu_to_le32(NVSP_RNDIS_PACKET),
	.section_index = cpu_to_le32(NVSP_NO_SECTION),
};

static u8 *rx_buf(struct datapath *dp, u32 offset)
{
	return dp->nv->bufs->rx.base + offset;
}

static struct xfer *xfer_new(struct datapath *dp)
{
	struct xfer *xfer = kunit_kzalloc(dp->test, sizeof(*xfer), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(dp->test, xfer);
	xfer->pageset = cpu_to_le16(NVSP_RECV_BUF_ID);
	return xfer;
}

static void xfer_add(struct xfer *xfer, u32 bytes, u32 offset)
{
	u32 i = le32_to_cpu(xfer->count);

	xfer->ranges[i].bytes = cpu_to_le32(bytes);
	xfer->ranges[i].offset = cpu_to_le32(offset);
	xfer->count = cpu_to_le32(i + 1);
}

/* Put it on the ring; nothing must look at it any more once it is read */
static void xfer_put(struct datapath *dp, struct xfer *xfer, u64 id, u16 flags)
{
	u32 rest = 8 + 8 * le32_to_cpu(xfer->count);

	datapath_put(dp, 0, VM_PKT_DATA_USING_XFER_PAGES, flags, id, xfer, rest,
		     &data_msg, sizeof(data_msg));
	kunit_kfree(dp->test, xfer);
}

static void put_words(u8 *to, const u32 *words, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		put_unaligned_le32(words[i], to + 4 * i);
}

/* An RNDIS PACKET message: infos of 16 bytes each, and a frame; its length */
static u32 message(struct datapath *dp, u32 offset, const u32 (*infos)[2],
		   u32 ninfos, u32 len, u32 seed)
{
	u32 total = 44 + 16 * ninfos + len;
	const u32 head[] = {
		RNDIS_PACKET, total, 36 + 16 * ninfos, len, 0, 0, 0,
		ninfos ? 36 : 0, 16 * ninfos, 0, 0,
	};
	u8 *to = rx_buf(dp, offset);
	u32 i;

	put_words(to, head, ARRAY_SIZE(head));
	for (i = 0; i < ninfos; i++) {
		const u32 info[] = { 16, infos[i][0], 12, infos[i][1] };

		put_words(to + 44 + 16 * i, info, ARRAY_SIZE(info));
	}
	datapath_fill(to + total - len, len, seed);
	return total;
}

/* A packet of one frame, and a poll */
static void receive(struct datapath *dp, const u32 (*infos)[2], u32 ninfos,
		    u32 len, u32 seed)
{
	struct xfer *xfer = xfer_new(dp);

	xfer_add(xfer, message(dp, 0, infos, ninfos, len, seed), 0);
	xfer_put(dp, xfer, ID, COMPLETE);
	KUNIT_EXPECT_EQ(dp->test, datapath_poll(dp, 0, 64), 1);
}

/* The next frame that was passed up, as it was on the wire; or NULL */
static struct sk_buff *delivered(struct datapath *dp)
{
	struct sk_buff *skb = __skb_dequeue(&dp->frames);

	if (skb)
		skb_push(skb, ETH_HLEN);
	return skb;
}

static void expect_delivered(struct datapath *dp, u32 len, u32 seed)
{
	struct sk_buff *skb = delivered(dp);
	u8 *bytes;

	KUNIT_ASSERT_NOT_NULL_MSG(dp->test, skb, "frame %u", seed);
	KUNIT_EXPECT_EQ(dp->test, skb->len, len);
	bytes = kunit_kmalloc(dp->test, skb->len, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(dp->test, bytes);
	skb_copy_bits(skb, 0, bytes, skb->len);
	KUNIT_EXPECT_TRUE_MSG(dp->test, datapath_filled(bytes, skb->len, seed),
			      "bytes of frame %u, length %u", seed, len);
	kunit_kfree(dp->test, bytes);
	kfree_skb(skb);
}

static void expect_nothing(struct datapath *dp)
{
	KUNIT_EXPECT_EQ(dp->test, skb_queue_len(&dp->frames), 0);
}

/* Exactly one acknowledgment since the last look */
static void expect_ack(struct datapath *dp, u64 id, u32 status)
{
	struct datapath_ack *ack;

	KUNIT_EXPECT_EQ(dp->test, dp->nacks, 1);
	ack = list_first_entry_or_null(&dp->acks, struct datapath_ack, node);
	KUNIT_ASSERT_NOT_NULL(dp->test, ack);
	KUNIT_EXPECT_EQ(dp->test, ack->queue, 0);
	KUNIT_EXPECT_EQ(dp->test, ack->id, id);
	KUNIT_EXPECT_EQ(dp->test, ack->status, status);
	datapath_forget_acks(dp);
}

static void expect_acks(struct datapath *dp, u64 first, u32 count, u32 status)
{
	struct datapath_ack *ack;

	KUNIT_EXPECT_EQ(dp->test, dp->nacks, count);
	list_for_each_entry(ack, &dp->acks, node) {
		KUNIT_EXPECT_EQ(dp->test, ack->id, first++);
		KUNIT_EXPECT_EQ(dp->test, ack->status, status);
	}
	datapath_forget_acks(dp);
}

/* All read and acknowledged, interrupts on */
static void expect_idle(struct datapath *dp)
{
	KUNIT_EXPECT_TRUE(dp->test, netvsc_rx_idle(dp->nv->chans[0]));
	KUNIT_EXPECT_TRUE(dp->test, list_empty(&dp->in[0]));
	KUNIT_EXPECT_FALSE(dp->test, dp->scheduled);
	KUNIT_EXPECT_FALSE(dp->test, dp->masked[0]);
}

/* Frames */

static void rx_frames(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u32 len, n = 0;

	for (len = ETH_HLEN; len <= LONGEST; len += len < 80 ? 1 :
	     len % 4096 > 3500 || len % 4096 < 200 ? 37 : 1021) {
		receive(dp, NULL, 0, len, len);
		expect_delivered(dp, len, len);
		expect_ack(dp, ID, NVSP_STATUS_SUCCESS);
		n++;
	}
	receive(dp, NULL, 0, LONGEST, 3);
	expect_delivered(dp, LONGEST, 3);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->rx_stats.packets), n + 1);
	expect_idle(dp);
}

/* The edges of what fits one page with its skb, byte by byte */
static void rx_frames_page(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u32 most = PAGE_SIZE - NET_SKB_PAD - NET_IP_ALIGN -
		   SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
	u32 len;

	for (len = most - 70; len < most + 70; len++) {
		receive(dp, NULL, 0, len, len);
		expect_delivered(dp, len, len);
	}
	for (len = most + PAGE_SIZE - 3; len < most + PAGE_SIZE + 4; len++) {
		receive(dp, NULL, 0, len, len);
		expect_delivered(dp, len, len);
	}
}

/* Frames lie beside each other in recycled memory: they do not overlap */
static void rx_frames_kept(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u32 round, i;

	for (round = 0; round < 8; round++) {
		for (i = 0; i < 64; i++)
			receive(dp, NULL, 0, 60 + i * 29 % 1500, i + round);
		for (i = 0; i < 64; i++)
			expect_delivered(dp, 60 + i * 29 % 1500, i + round);
	}
}

/* The skb can be written to at both of its ends */
static void rx_frames_room(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct sk_buff *a, *b;

	receive(dp, NULL, 0, 1514, 1);
	receive(dp, NULL, 0, 1514, 2);
	a = delivered(dp);
	b = delivered(dp);
	KUNIT_ASSERT_NOT_NULL(test, a);
	KUNIT_ASSERT_NOT_NULL(test, b);
	KUNIT_EXPECT_GE(test, skb_headroom(b), NET_SKB_PAD);
	memset(skb_push(b, skb_headroom(b)), 0xff, b->len);
	memset(skb_put(a, skb_tailroom(a)), 0xff, skb_tailroom(a));
	KUNIT_EXPECT_TRUE(test, datapath_filled(a->data, 1514, 1));
	KUNIT_EXPECT_EQ(test, skb_shinfo(a)->nr_frags, 0);
	KUNIT_EXPECT_EQ(test, skb_shinfo(b)->nr_frags, 0);
	kfree_skb(a);
	kfree_skb(b);
}

static void rx_runts(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u32 len;

	for (len = 0; len < ETH_HLEN; len++) {
		receive(dp, NULL, 0, len, len);
		expect_ack(dp, ID, NVSP_STATUS_FAILURE);
	}
	receive(dp, NULL, 0, LONGEST + 1, 0);
	expect_ack(dp, ID, NVSP_STATUS_FAILURE);
	receive(dp, NULL, 0, 100000, 0);
	expect_ack(dp, ID, NVSP_STATUS_FAILURE);
	expect_nothing(dp);
	/* the empty one is no message at all */
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->rx_stats.length_errors),
			ETH_HLEN - 1 + 2);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->rx_stats.refused), 1);
	receive(dp, NULL, 0, ETH_HLEN, 0);
	expect_delivered(dp, ETH_HLEN, 0);
}

/* Metadata */

struct csum {
	const char *name;
	u32 word;
	bool good;
};

static const struct csum csums[] = {
	{ "none", 0, false },
	{ "TCP good", BIT(3), true },
	{ "UDP good", BIT(4), true },
	{ "TCP and IP good", BIT(3) | BIT(5), true },
	{ "IP good", BIT(5), false },
	{ "TCP bad", BIT(0), false },
	{ "UDP bad", BIT(1), false },
	{ "IP bad", BIT(2), false },
	{ "TCP bad, IP good", BIT(0) | BIT(5), false },
	{ "TCP good and bad", BIT(0) | BIT(3), false },
	{ "UDP good and bad", BIT(1) | BIT(4), false },
	{ "all", 0xffffffff, false },
	{ "unknown", 0xfffffe00, false },
};

static void csum_name(const struct csum *csum, char *name)
{
	strscpy(name, csum->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(csum, csums, csum_name);

static void rx_csum(struct kunit *test)
{
	const struct csum *csum = test->param_value;
	const u32 infos[][2] = { { 0, csum->word } };
	struct datapath *dp = datapath_new(test, 1);
	struct sk_buff *skb;
	u32 i;

	for (i = 0; i < 2; i++) {
		if (i)
			dp->ndev->features &= ~NETIF_F_RXCSUM;
		receive(dp, infos, 1, LEN, 1);
		skb = delivered(dp);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		KUNIT_EXPECT_EQ(test, (u8)skb->ip_summed, csum->good && !i ?
				CHECKSUM_UNNECESSARY : CHECKSUM_NONE);
		KUNIT_EXPECT_EQ(test, (u8)skb->csum_level, 0);
		KUNIT_EXPECT_TRUE(test, datapath_filled(skb->data, LEN, 1));
		kfree_skb(skb);
	}
}

static void put_ip(struct datapath *dp, u32 msg_len, u32 ihl)
{
	u8 *ip = rx_buf(dp, msg_len - LEN + ETH_HLEN);

	put_unaligned_be16(ETH_P_IP, ip - 2);
	ip[0] = 0x40 | ihl;
	put_unaligned_be16(0xbad0, ip + 10);
}

/* The IPv4 header's sum, which the host has left away, is put in [3.4] */
static void rx_ip_csum(struct kunit *test)
{
	static const u32 infos[][2] = { { 0, BIT(5) | BIT(8) } };
	struct datapath *dp = datapath_new(test, 1);
	struct sk_buff *skb;
	struct xfer *xfer;
	u32 ihl, len;

	for (ihl = 0; ihl < 16; ihl++) {
		len = message(dp, 0, infos, 1, LEN, 1);
		put_ip(dp, len, ihl);
		xfer = xfer_new(dp);
		xfer_add(xfer, len, 0);
		xfer_put(dp, xfer, ID, COMPLETE);
		datapath_poll(dp, 0, 64);
		skb = delivered(dp);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		if (ihl >= 5)
			KUNIT_EXPECT_EQ(test, ip_fast_csum(skb->data + ETH_HLEN,
							   ihl), 0);
		else
			KUNIT_EXPECT_EQ(test, 0xbad0, get_unaligned_be16
					(skb->data + ETH_HLEN + 10));
		kfree_skb(skb);
	}
	/* nothing behind the frame's end is summed up, or written to */
	for (len = ETH_HLEN; len < ETH_HLEN + 60; len++) {
		u32 total = message(dp, 0, infos, 1, len, 1);

		put_unaligned_be16(ETH_P_IP, rx_buf(dp, total - len + 12));
		if (len > ETH_HLEN)
			*rx_buf(dp, total - len + ETH_HLEN) = 0x4f;
		xfer = xfer_new(dp);
		xfer_add(xfer, total, 0);
		xfer_put(dp, xfer, ID, COMPLETE);
		datapath_poll(dp, 0, 64);
		kfree_skb(delivered(dp));
	}
	/* other protocols are left alone */
	receive(dp, infos, 1, LEN, 1);
	expect_delivered(dp, LEN, 1);
}

#define TCP_LEN		(LEN - ETH_HLEN)

/* A TCP segment in a frame of LEN bytes, with nonsense for a sum */
static void put_tcp(struct datapath *dp, u32 msg_len, bool v6, u32 ihl)
{
	u8 *ip = rx_buf(dp, msg_len - TCP_LEN);
	u32 head = v6 ? 40 : 4 * ihl;

	put_unaligned_be16(v6 ? ETH_P_IPV6 : ETH_P_IP, ip - 2);
	if (v6) {
		put_unaligned_be32(0x60000000, ip);
		put_unaligned_be16(TCP_LEN - head, ip + 4);
		ip[6] = IPPROTO_TCP;
	} else {
		ip[0] = 0x40 | ihl;
		put_unaligned_be16(TCP_LEN, ip + 2);
		put_unaligned_be16(0, ip + 6);
		ip[9] = IPPROTO_TCP;
	}
	put_unaligned_be16(0xbad0, ip + head + 16);
}

/* The sum over a segment and its pseudo header; 0 if it is right */
static u16 tcp_sum(const u8 *ip, bool v6)
{
	u32 head = v6 ? 40 : 4 * (ip[0] & 15), len = TCP_LEN - head;
	__wsum sum = csum_partial(ip + head, len, 0);

	if (v6)
		return (__force u16)csum_ipv6_magic((const void *)(ip + 8),
						    (const void *)(ip + 24), len,
						    IPPROTO_TCP, sum);
	return (__force u16)csum_tcpudp_magic(*(const __be32 *)(ip + 12),
					      *(const __be32 *)(ip + 16), len,
					      IPPROTO_TCP, sum);
}

/* A segment that did not leave the host, and was never summed up: whoever sends
 * it on does that [3.4]
 */
static void rx_tcp_csum(struct kunit *test)
{
	static const u32 infos[][2] = { { 0, BIT(3) | BIT(7) } };
	struct datapath *dp = datapath_new(test, 1);
	struct sk_buff *skb;
	struct xfer *xfer;
	u32 i, len;

	for (i = 0; i < 4; i++) {
		len = message(dp, 0, infos, 1, LEN, 1);
		put_tcp(dp, len, i & 1, i & 2 ? 7 : 5);
		if (i & 2)
			dp->ndev->features &= ~NETIF_F_RXCSUM;
		xfer = xfer_new(dp);
		xfer_add(xfer, len, 0);
		xfer_put(dp, xfer, ID, COMPLETE);
		datapath_poll(dp, 0, 64);
		skb = __skb_dequeue(&dp->frames);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		KUNIT_EXPECT_EQ(test, (u8)skb->ip_summed, CHECKSUM_PARTIAL);
		KUNIT_EXPECT_NE(test, tcp_sum(skb->data, i & 1), 0);
		KUNIT_EXPECT_EQ(test, skb_checksum_help(skb), 0);
		KUNIT_EXPECT_EQ(test, tcp_sum(skb->data, i & 1), 0);
		kfree_skb(skb);
	}
	/* what cannot be a segment is as good as the host says */
	dp->ndev->features |= NETIF_F_RXCSUM;
	for (len = ETH_HLEN; len < ETH_HLEN + 60; len++) {
		u32 total = message(dp, 0, infos, 1, len, 1);
		u8 *ip = rx_buf(dp, total - len + ETH_HLEN);

		put_unaligned_be16(len & 1 ? ETH_P_IP : ETH_P_IPV6, ip - 2);
		if (len > ETH_HLEN)
			ip[0] = 0x4f;
		xfer = xfer_new(dp);
		xfer_add(xfer, total, 0);
		xfer_put(dp, xfer, ID, COMPLETE);
		datapath_poll(dp, 0, 64);
		skb = delivered(dp);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		KUNIT_EXPECT_EQ(test, (u8)skb->ip_summed, CHECKSUM_UNNECESSARY);
		kfree_skb(skb);
	}
}

static void rx_hash(struct kunit *test)
{
	static const u32 infos[][2] = { { 8, 0xdeadbeef }, { 0, BIT(3) } };
	struct datapath *dp = datapath_new(test, 1);
	struct sk_buff *skb;
	u32 i;

	for (i = 0; i < 3; i++) {
		if (i == 2)
			dp->ndev->features &= ~NETIF_F_RXHASH;
		receive(dp, infos, i ? 2 : 1, LEN, 1);
		skb = delivered(dp);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		KUNIT_EXPECT_EQ(test, skb->hash, i == 2 ? 0 : 0xdeadbeef);
		KUNIT_EXPECT_EQ(test, (bool)skb->l4_hash, i == 1);
		KUNIT_EXPECT_EQ(test, skb_get_rx_queue(skb), 0);
		kfree_skb(skb);
	}
}

/* A channel that is open, but not in use, names no queue that there is not */
static void rx_queue(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 2);
	struct sk_buff *skb;
	u32 i;

	for (i = 0; i < 2; i++) {
		receive(dp, NULL, 0, LEN, 1);
		skb = delivered(dp);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		KUNIT_EXPECT_EQ(test, skb_rx_queue_recorded(skb), !i);
		kfree_skb(skb);
		dp->nv->nchans = 0;
	}
	dp->nv->nchans = 2;
}

static void rx_vlan(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct sk_buff *skb;
	u32 tci;

	for (tci = 0; tci <= U16_MAX; tci += tci % 3 ? 257 : 1) {
		const u32 infos[][2] = {
			{ 6, 0xabc00000 | tci >> 13 | (tci >> 12 & 1) << 3 |
			     (tci & 0xfff) << 4 },
		};

		receive(dp, infos, 1, LEN, tci);
		skb = __skb_dequeue(&dp->frames);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		KUNIT_EXPECT_TRUE(test, skb_vlan_tag_present(skb));
		KUNIT_EXPECT_EQ(test, skb->vlan_tci, tci);
		KUNIT_EXPECT_EQ(test, skb->vlan_proto, htons(ETH_P_8021Q));
		kfree_skb(skb);
	}
	/* nothing is left of it for the next frame */
	receive(dp, NULL, 0, LEN, 0);
	skb = delivered(dp);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_EXPECT_FALSE(test, skb_vlan_tag_present(skb));
	kfree_skb(skb);
}

/* Coalesced frames */

/* What a range of a transfer page packet has */
enum kind {
	BEGIN,		/* the first fragment */
	MORE,
	END,
	BOTH,		/* the first and the last in one: a frame of its own */
	PLAIN,		/* flags without the one that says fragment */
	FRAME,		/* no info */
	NO_RANGE,	/* outside of the buffer */
	NO_MESSAGE,	/* shorter than it says */
	EVENT,		/* a control message */
	KINDS,
};

static const u32 kind_flags[] = {
	[BEGIN] = 3, [MORE] = 1, [END] = 5, [BOTH] = 7, [PLAIN] = 6,
};

#define ITEMS		600

/* What is on its way, and what must come of it: a model of 3.5 */
struct rsc {
	struct datapath *dp;
	struct xfer *xfer;
	u64 id;
	u32 offset;		/* where the next message goes */
	u32 serial;
	u32 open, total, start;	/* fragments, bytes, first of @lens */
	u32 packet;		/* ranges in the packet so far */
	bool failed;
	u32 refused, too_long;
	u32 lens[ITEMS], seeds[ITEMS], nlens;
	struct {
		u32 start, count;
	} frames[ITEMS];
	u32 nframes;
	u32 statuses[ITEMS], npackets;
};

static struct rsc *rsc_new(struct datapath *dp)
{
	struct rsc *rsc = kunit_kzalloc(dp->test, sizeof(*rsc), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(dp->test, rsc);
	rsc->dp = dp;
	rsc->id = ID;
	rsc->xfer = xfer_new(dp);
	return rsc;
}

static void rsc_broken(struct rsc *rsc)
{
	if (!rsc->open)
		return;
	rsc->open = 0;
	rsc->refused++;
	rsc->failed = true;
}

static void rsc_refused(struct rsc *rsc)
{
	rsc->refused++;
	rsc->failed = true;
}

static void rsc_part(struct rsc *rsc, u32 len)
{
	rsc->lens[rsc->nlens] = len;
	rsc->seeds[rsc->nlens++] = rsc->serial;
	rsc->total += len;
	rsc->open++;
}

static void rsc_whole(struct rsc *rsc)
{
	rsc->frames[rsc->nframes].start = rsc->start;
	rsc->frames[rsc->nframes++].count = rsc->open;
	rsc->open = 0;
}

static void rsc_model(struct rsc *rsc, enum kind kind, u32 len)
{
	if (kind != MORE && kind != END)
		rsc_broken(rsc);
	if (kind == NO_RANGE || kind == NO_MESSAGE ||
	    ((kind == MORE || kind == END) && !rsc->open)) {
		rsc_refused(rsc);
		return;
	}
	if (kind == EVENT)
		return;
	if (!rsc->open) {
		rsc->start = rsc->nlens;
		rsc->total = 0;
	}
	if (rsc->total + len > 65535 + ETH_HLEN ||
	    (!rsc->open && len < ETH_HLEN)) {
		rsc->too_long++;
		rsc->failed = true;
		rsc->open = 0;
		return;
	}
	rsc_part(rsc, len);
	if (kind != BEGIN && kind != MORE)
		rsc_whole(rsc);
}

/* The next range, with these infos before the one that says fragment */
static u32 rsc_put_infos(struct rsc *rsc, enum kind kind, u32 len,
			 const u32 (*more)[2], u32 nmore)
{
	u32 infos[4][2], total, ninfos = nmore, at = rsc->offset;

	if (nmore)
		memcpy(infos, more, nmore * sizeof(infos[0]));
	if (kind < FRAME) {
		infos[ninfos][0] = 0x80000001;
		infos[ninfos++][1] = 1 | kind_flags[kind] << 8 | 0xbeef0000;
	}
	rsc_model(rsc, kind, len);
	total = message(rsc->dp, at, infos, ninfos, len, rsc->serial++);
	if (kind == NO_RANGE)
		at = DATAPATH_RX_SECTIONS * DATAPATH_RX_SECTION - 8;
	if (kind == EVENT) {
		const u32 event[] = { RNDIS_INDICATE, 20, 0x40010009 };

		put_words(rx_buf(rsc->dp, at), event, ARRAY_SIZE(event));
	}
	xfer_add(rsc->xfer, kind == NO_MESSAGE ? total - 1 : total, at);
	rsc->offset = ALIGN(rsc->offset + total, 8);
	rsc->packet++;
	return at + total - len;
}

static u32 rsc_put(struct rsc *rsc, enum kind kind, u32 len)
{
	return rsc_put_infos(rsc, kind, len, NULL, 0);
}

/* The end of a transfer page packet; there may be more of them */
static void rsc_end_packet(struct rsc *rsc)
{
	if (!rsc->packet)
		return;
	rsc_broken(rsc);
	rsc->statuses[rsc->npackets++] = rsc->failed ? NVSP_STATUS_FAILURE :
						       NVSP_STATUS_SUCCESS;
	rsc->failed = false;
	rsc->packet = 0;
	xfer_put(rsc->dp, rsc->xfer, rsc->id++, COMPLETE);
	rsc->xfer = xfer_new(rsc->dp);
}

static void rsc_expect_frame(struct rsc *rsc, u32 n)
{
	u32 start = rsc->frames[n].start, i, offset = 0;
	struct kunit *test = rsc->dp->test;
	struct sk_buff *skb = delivered(rsc->dp);
	u8 *bytes = kunit_kmalloc(test, SZ_128K, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL_MSG(test, skb, "frame %u", n);
	KUNIT_ASSERT_NOT_NULL(test, bytes);
	KUNIT_ASSERT_LE(test, skb->len, SZ_128K);
	skb_copy_bits(skb, 0, bytes, skb->len);
	for (i = start; i < start + rsc->frames[n].count; i++) {
		KUNIT_ASSERT_LE(test, offset + rsc->lens[i], skb->len);
		KUNIT_EXPECT_TRUE_MSG(test, datapath_filled(bytes + offset,
							    rsc->lens[i],
							    rsc->seeds[i]),
				      "frame %u, fragment %u", n, i - start);
		offset += rsc->lens[i];
	}
	KUNIT_EXPECT_EQ(test, skb->len, offset);
	/* in pages that are full, but for the last */
	KUNIT_EXPECT_LE(test, skb->truesize, skb->len + 2 * PAGE_SIZE);
	KUNIT_EXPECT_GE(test, skb->truesize, skb->len);
	kunit_kfree(test, bytes);
	kfree_skb(skb);
}

/* Poll until there is no more, and expect what the model says, and nothing else */
static void rsc_check(struct rsc *rsc, int budget)
{
	struct datapath *dp = rsc->dp;
	struct netvsc_rx_stats *stats = &dp->nv->chans[0]->rx_stats;
	struct datapath_ack *ack;
	u32 i;

	rsc_end_packet(rsc);
	for (i = 0; i < ITEMS && !list_empty(&dp->in[0]); i++)
		datapath_poll(dp, 0, budget);
	for (i = 0; i < rsc->nframes; i++)
		rsc_expect_frame(rsc, i);
	expect_nothing(dp);
	i = 0;
	list_for_each_entry(ack, &dp->acks, node)
		KUNIT_EXPECT_EQ(dp->test, ack->status, rsc->statuses[i++]);
	KUNIT_EXPECT_EQ(dp->test, i, rsc->npackets);
	datapath_forget_acks(dp);
	KUNIT_EXPECT_EQ(dp->test, u64_stats_read(&stats->refused), rsc->refused);
	KUNIT_EXPECT_EQ(dp->test, u64_stats_read(&stats->length_errors),
			rsc->too_long);
	KUNIT_EXPECT_EQ(dp->test, dp->nv->chans[0]->rx.rsc.count, 0);
}

/* Forget what has come and gone, but not what was refused */
static void rsc_forget(struct rsc *rsc)
{
	rsc->offset = 0;
	rsc->nlens = 0;
	rsc->nframes = 0;
	rsc->npackets = 0;
}

struct rsc_case {
	const char *name;
	enum kind kinds[6];
	u32 count;
	u32 frames;
	u32 refused;
	u32 status;
};

#define GOOD	NVSP_STATUS_SUCCESS
#define BAD	NVSP_STATUS_FAILURE

static const struct rsc_case rsc_cases[] = {
	{ "two fragments", { BEGIN, END }, 2, 1, 0, GOOD },
	{ "three", { BEGIN, MORE, END }, 3, 1, 0, GOOD },
	{ "one that is all", { BOTH }, 1, 1, 0, GOOD },
	{ "two frames", { BEGIN, END, BEGIN, MORE, END }, 5, 2, 0, GOOD },
	{ "beside others", { FRAME, BEGIN, END, FRAME }, 4, 3, 0, GOOD },
	{ "more without a beginning", { MORE }, 1, 0, 1, BAD },
	{ "end without a beginning", { END, FRAME }, 2, 1, 1, BAD },
	{ "more after the end", { BEGIN, END, MORE }, 3, 1, 1, BAD },
	{ "beginning is last", { BEGIN }, 1, 0, 1, BAD },
	{ "more is last", { BEGIN, MORE }, 2, 0, 1, BAD },
	{ "begins twice", { BEGIN, BEGIN, END }, 3, 1, 1, BAD },
	{ "frame in the middle", { BEGIN, FRAME, FRAME }, 3, 2, 1, BAD },
	{ "frame in the middle, end", { BEGIN, FRAME, END }, 3, 1, 2, BAD },
	{ "whole one in the middle", { BEGIN, BOTH, END }, 3, 1, 2, BAD },
	{ "no fragment in the middle", { BEGIN, PLAIN, END }, 3, 1, 2, BAD },
	{ "bad range in the middle", { BEGIN, NO_RANGE, END }, 3, 0, 3, BAD },
	{ "bad message in the middle", { BEGIN, NO_MESSAGE, END }, 3, 0, 3, BAD },
	{ "event in the middle", { BEGIN, EVENT, END }, 3, 0, 2, BAD },
	{ "event is last", { BEGIN, EVENT }, 2, 0, 1, BAD },
	{ "right after wrong", { BEGIN, FRAME, BEGIN, END }, 4, 2, 1, BAD },
};

KUNIT_ARRAY_PARAM_DESC(rsc, rsc_cases, name);

static void rsc_rows(struct kunit *test)
{
	const struct rsc_case *param = test->param_value;
	struct datapath *dp = datapath_new(test, 1);
	struct rsc *rsc = rsc_new(dp);
	u32 i, k;

	for (i = 0; i < 3; i++) {
		for (k = 0; k < param->count; k++)
			rsc_put(rsc, param->kinds[k], i ? 2000 : LEN);
		rsc_end_packet(rsc);
		/* what the table says, not only the model */
		KUNIT_EXPECT_EQ(test, rsc->nframes, param->frames);
		KUNIT_EXPECT_EQ(test, rsc->refused, param->refused * (i + 1));
		KUNIT_EXPECT_EQ(test, rsc->statuses[0], param->status);
		rsc_check(rsc, 64);
		rsc_forget(rsc);
		/* and nothing of it is left for the next */
		rsc_put(rsc, FRAME, LEN);
		rsc_check(rsc, 64);
		rsc_forget(rsc);
	}
	expect_idle(dp);
}

/* All there are of up to 4 ranges, in one packet and in two */
static void rsc_sequences(struct kunit *test)
{
	static const enum kind kinds[] = { BEGIN, MORE, END, FRAME, NO_RANGE };
	struct datapath *dp = datapath_new(test, 1);
	struct rsc *rsc = rsc_new(dp);
	u32 len, n, k, rest, all = 1, split;

	for (len = 1; len <= 4; len++) {
		all *= ARRAY_SIZE(kinds);
		for (n = 0; n < all; n++) {
			split = n % len;
			rest = n;
			for (k = 0; k < len; k++) {
				if (k && k == split)
					rsc_end_packet(rsc);
				rsc_put(rsc, kinds[rest % ARRAY_SIZE(kinds)],
					14 + (n + k) % 50);
				rest /= ARRAY_SIZE(kinds);
			}
			rsc_check(rsc, 64);
			rsc_forget(rsc);
		}
	}
	expect_idle(dp);
}

/* Long ones of all kinds, over packets and polls that end anywhere */
static void rsc_random(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct rsc *rsc = rsc_new(dp);
	struct rnd_state rnd;
	u32 round, i, n, kind;

	prandom_seed_state(&rnd, 3);
	for (round = 0; round < 300; round++) {
		n = 1 + prandom_u32_state(&rnd) % 40;
		for (i = 0; i < n; i++) {
			kind = prandom_u32_state(&rnd) % (2 * KINDS);
			/* most of it is right */
			if (kind >= KINDS)
				kind = rsc->open ? MORE : BEGIN;
			rsc_put(rsc, kind, 1 + prandom_u32_state(&rnd) %
					   (round % 3 ? 60 : 3000));
			if (!(prandom_u32_state(&rnd) % 16))
				rsc_end_packet(rsc);
		}
		rsc_check(rsc, 1 + prandom_u32_state(&rnd) % 30);
		rsc_forget(rsc);
	}
	expect_idle(dp);
}

/* A frame of so many bytes, in fragments of so many at most */
static void rsc_put_frame(struct rsc *rsc, u32 first, u32 total, u32 most,
			  struct rnd_state *rnd)
{
	u32 left = total - first, piece;

	rsc_put(rsc, BEGIN, first);
	while (left) {
		piece = rnd ? 1 + prandom_u32_state(rnd) % most : most;
		piece = min(piece, left);
		left -= piece;
		rsc_put(rsc, left ? MORE : END, piece);
	}
}

struct rsc_size {
	u32 first;
	u32 total;
	u32 most;
};

static const struct rsc_size rsc_size_cases[] = {
	{ 14, 15, 1 }, { 14, 14 + 561, 1 }, { 1514, 1514 + 1460, 1460 },
	{ 66, 65549, 1460 }, { 14, 65549, 117 }, { 1514, 65549, 1448 },
	{ 65548, 65549, 1 }, { 60000, 65549, 100 }, { 14, 65549, 65535 },
	{ 14, 65549, 32768 }, { 3711, 65549, 4096 }, { 3712, 65549, 4096 },
	{ 3713, 65549, 4095 }, { 4096, 65549, 4097 }, { 9014, 65549, 8948 },
	{ 14, 65550, 1460 }, { 1514, 65550, 64036 }, { 14, 100000, 1460 },
	{ 13, 2000, 1460 }, { 1, 2, 1 }, { 65550, 65551, 1 },
	{ 100000, 100001, 1 },
};

static void rsc_sizes(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct rsc *rsc = rsc_new(dp);
	const struct rsc_size *size;
	struct rnd_state rnd;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rsc_size_cases); i++) {
		size = &rsc_size_cases[i];
		rsc_put_frame(rsc, size->first, size->total, size->most, NULL);
		KUNIT_EXPECT_EQ_MSG(test, rsc->nframes,
				    size->first >= 14 && size->total <= 65549,
				    "%u of %u bytes", size->first, size->total);
		rsc_check(rsc, 64);
		rsc_forget(rsc);
	}
	prandom_seed_state(&rnd, 7);
	for (i = 0; i < 60; i++) {
		u32 most = 300 + prandom_u32_state(&rnd) % 5000;

		rsc_put_frame(rsc, 14 + prandom_u32_state(&rnd) % most,
			      5500 + prandom_u32_state(&rnd) % 60050, most, &rnd);
		rsc_check(rsc, 64);
		rsc_forget(rsc);
	}
	expect_idle(dp);
}

/* As many fragments as there may be, and one more: then the packet is nonsense */
static void rsc_counts(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct rsc *rsc;
	u32 n, i;

	for (n = 561; n <= 564; n++) {
		rsc = rsc_new(dp);
		for (i = 0; i < n; i++)
			rsc_put(rsc, !i ? BEGIN : i + 1 < n ? MORE : END, 14);
		xfer_put(dp, rsc->xfer, ID, COMPLETE);
		while (!list_empty(&dp->in[0]))
			datapath_poll(dp, 0, 64);
		expect_ack(dp, ID, n <= 562 ? GOOD : BAD);
		if (n <= 562)
			rsc_expect_frame(rsc, 0);
		expect_nothing(dp);
		receive(dp, NULL, 0, LEN, 1);
		expect_delivered(dp, LEN, 1);
		expect_ack(dp, ID, GOOD);
	}
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->rx_stats.refused), 2);
	expect_idle(dp);
}

/* What the host says with the first fragment counts, and for this frame alone */
static void rsc_infos(struct kunit *test)
{
	static const u32 first[][2] = {
		{ 0, BIT(4) | BIT(5) }, { 6, 0x0123 << 4 }, { 8, 0xdeadbeef },
	};
	static const u32 other[][2] = {
		{ 0, BIT(1) | BIT(2) }, { 6, 0x0456 << 4 }, { 8, 0x12345678 },
	};
	struct datapath *dp = datapath_new(test, 1);
	struct rsc *rsc = rsc_new(dp);
	struct sk_buff *skb;
	u32 i;

	rsc_put_infos(rsc, BEGIN, LEN, first, 3);
	rsc_put_infos(rsc, MORE, LEN, other, 3);
	rsc_put_infos(rsc, END, LEN, other, 3);
	rsc_put(rsc, BEGIN, LEN);
	rsc_put_infos(rsc, END, LEN, other, 3);
	rsc_put(rsc, FRAME, LEN);
	rsc_end_packet(rsc);
	datapath_poll(dp, 0, 64);
	for (i = 0; i < 3; i++) {
		skb = delivered(dp);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		KUNIT_EXPECT_EQ(test, (u8)skb->ip_summed, i ? CHECKSUM_NONE :
							    CHECKSUM_UNNECESSARY);
		KUNIT_EXPECT_EQ(test, skb_vlan_tag_present(skb), !i);
		KUNIT_EXPECT_EQ(test, skb->hash, i ? 0 : 0xdeadbeef);
		if (!i)
			KUNIT_EXPECT_EQ(test, skb_vlan_tag_get(skb), 0x0123);
		KUNIT_EXPECT_EQ(test, skb_get_rx_queue(skb), 0);
		KUNIT_EXPECT_FALSE(test, skb_is_gso(skb));
		kfree_skb(skb);
	}
	/* one packet, with all its bytes */
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->rx_stats.packets), 3);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->rx_stats.bytes), 6 * LEN);
	datapath_forget_acks(dp);
	expect_idle(dp);
}

struct rsc_tcp {
	const char *name;
	bool v6;
	u32 options;		/* bytes of them behind the TCP header */
	u32 first, piece, count;	/* payload of the fragments, and how many */
	u32 csum;
	u32 mtu;
	u32 doff;		/* instead of the right one */
	u32 more;		/* what the IP header says too much */
	u32 protocol;		/* instead of TCP */
	u32 size, segs;		/* of a GSO packet; 0: is none */
	u8 summed;
	bool off;		/* RXCSUM is */
	bool cwr;
};

#define TCP_GOOD	(BIT(3) | BIT(5))
#define PARTIAL		CHECKSUM_PARTIAL

static const struct rsc_tcp rsc_tcp_cases[] = {
	{ "IPv4", false, 0, 1460, 1460, 4, TCP_GOOD, .size = 1460, .segs = 4,
	  .summed = PARTIAL },
	{ "IPv6", true, 0, 1440, 1440, 4, TCP_GOOD, .size = 1440, .segs = 4,
	  .summed = PARTIAL },
	{ "options", false, 12, 1448, 1448, 45, TCP_GOOD, .size = 1448,
	  .segs = 45, .summed = PARTIAL },
	{ "short end", false, 12, 1448, 1400, 2, TCP_GOOD, .size = 1448,
	  .segs = 2, .summed = PARTIAL },
	{ "small segments", false, 12, 100, 100, 400, TCP_GOOD, .size = 100,
	  .segs = 400, .summed = PARTIAL },
	{ "header alone", false, 12, 0, 1400, 9, TCP_GOOD, .size = 1400,
	  .segs = 8, .summed = PARTIAL },
	{ "fragments are no segments", false, 0, 30000, 30000, 2, TCP_GOOD,
	  .size = 1460, .segs = 42, .summed = PARTIAL },
	{ "jumbo", false, 0, 8960, 8960, 7, TCP_GOOD, .mtu = 9000, .size = 8960,
	  .segs = 7, .summed = PARTIAL },
	{ "small MTU", false, 0, 1460, 1460, 4, TCP_GOOD, .mtu = 576,
	  .size = 536, .segs = 11, .summed = PARTIAL },
	{ "MTU of a header", false, 28, 1432, 1432, 4, TCP_GOOD, .mtu = 68,
	  .summed = PARTIAL },
	{ "two", false, 0, 500, 500, 2, TCP_GOOD, .size = 500, .segs = 2,
	  .summed = PARTIAL },
	{ "nothing in it", false, 0, 0, 1, 2, TCP_GOOD, .summed = PARTIAL },
	{ "window is reduced", false, 0, 1460, 1460, 4, TCP_GOOD, .size = 1460,
	  .segs = 4, .summed = PARTIAL, .cwr = true },
	{ "RXCSUM off", false, 0, 1460, 1460, 4, TCP_GOOD, .size = 1460,
	  .segs = 4, .summed = PARTIAL, .off = true },
	{ "no sum of IP", false, 0, 1460, 1460, 4, TCP_GOOD | BIT(8),
	  .size = 1460, .segs = 4, .summed = PARTIAL },
	{ "not checked", false, 0, 1460, 1460, 4, 0, .summed = CHECKSUM_NONE },
	{ "bad", false, 0, 1460, 1460, 4, BIT(0) | BIT(5),
	  .summed = CHECKSUM_NONE },
	{ "IP says less", false, 0, 1460, 1460, 4, TCP_GOOD, .more = -1460,
	  .summed = PARTIAL },
	{ "IP says more", false, 0, 1460, 1460, 4, TCP_GOOD, .more = 1,
	  .summed = CHECKSUM_UNNECESSARY },
	{ "IPv6 says less", true, 0, 1440, 1440, 4, TCP_GOOD, .more = -1,
	  .summed = PARTIAL },
	{ "data offset 4", false, 0, 1460, 1460, 4, TCP_GOOD, .doff = 4,
	  .summed = PARTIAL },
	{ "data offset behind the frame", false, 0, 1, 1, 2, TCP_GOOD,
	  .doff = 15, .summed = PARTIAL },
	{ "UDP", false, 0, 1460, 1460, 4, BIT(4) | BIT(5),
	  .protocol = IPPROTO_UDP, .summed = CHECKSUM_UNNECESSARY },
	{ "UDP that is good TCP", true, 0, 1460, 1460, 4, TCP_GOOD,
	  .protocol = IPPROTO_UDP, .summed = CHECKSUM_UNNECESSARY },
};

KUNIT_ARRAY_PARAM_DESC(rsc_tcp, rsc_tcp_cases, name);

static u32 rsc_tcp_head(const struct rsc_tcp *param)
{
	return (param->v6 ? 40 : 20) + 20 + param->options;
}

static void rsc_put_headers(u8 *frame, const struct rsc_tcp *param, u32 len)
{
	u8 *ip = frame + ETH_HLEN, *tcp = ip + (param->v6 ? 40 : 20);
	u8 protocol = param->protocol ?: IPPROTO_TCP;

	memset(frame, 0, ETH_HLEN + rsc_tcp_head(param));
	frame[0] = 2;
	put_unaligned_be16(param->v6 ? ETH_P_IPV6 : ETH_P_IP, ip - 2);
	len += param->more;
	if (param->v6) {
		put_unaligned_be32(0x60000000, ip);
		put_unaligned_be16(len - 40, ip + 4);
		ip[6] = protocol;
	} else {
		ip[0] = 0x45;
		put_unaligned_be16(len, ip + 2);
		ip[8] = 64;
		ip[9] = protocol;
		put_unaligned(ip_fast_csum(ip, 5), (__sum16 *)(ip + 10));
		if (param->csum & BIT(8))
			put_unaligned_be16(0xbad0, ip + 10);
	}
	tcp[12] = (param->doff ?: 5 + param->options / 4) << 4;
	tcp[13] = param->cwr ? 0x90 : 0x10;
	put_unaligned_be16(0xbad0, tcp + 16);
}

static u32 rsc_put_tcp(struct rsc *rsc, const struct rsc_tcp *param)
{
	const u32 infos[][2] = { { 0, param->csum } };
	u32 head = rsc_tcp_head(param), i, at;
	u32 len = head + param->first + param->piece * (param->count - 1);

	at = rsc_put_infos(rsc, BEGIN, ETH_HLEN + head + param->first, infos, 1);
	rsc_put_headers(rx_buf(rsc->dp, at), param, len);
	for (i = 1; i < param->count; i++)
		rsc_put(rsc, i + 1 < param->count ? MORE : END, param->piece);
	return len;
}

/* What the sums say of an IP packet; the fields in its headers are right */
static void expect_sums(struct kunit *test, const struct sk_buff *skb, bool v6)
{
	u32 ip_len = skb->len - ETH_HLEN, head = v6 ? 40 : 20;
	u8 *bytes = kunit_kmalloc(test, skb->len, GFP_KERNEL), *ip;
	__sum16 rest;
	__wsum sum;

	KUNIT_ASSERT_NOT_NULL(test, bytes);
	skb_copy_bits(skb, 0, bytes, skb->len);
	ip = bytes + ETH_HLEN;
	sum = csum_partial(ip + head, ip_len - head, 0);
	if (v6) {
		KUNIT_EXPECT_EQ(test, get_unaligned_be16(ip + 4), ip_len - 40);
		rest = csum_ipv6_magic((const void *)(ip + 8),
				       (const void *)(ip + 24), ip_len - head,
				       IPPROTO_TCP, sum);
	} else {
		KUNIT_EXPECT_EQ(test, get_unaligned_be16(ip + 2), ip_len);
		KUNIT_EXPECT_EQ(test, ip_fast_csum(ip, 5), 0);
		rest = csum_tcpudp_magic(*(const __be32 *)(ip + 12),
					 *(const __be32 *)(ip + 16),
					 ip_len - head, IPPROTO_TCP, sum);
	}
	KUNIT_EXPECT_EQ(test, (__force u16)rest, 0);
	kunit_kfree(test, bytes);
}

/* Cut by the stack it is segments again, each with the right sums and bytes */
static void expect_segments(struct kunit *test, struct sk_buff *skb,
			    const struct rsc_tcp *param)
{
	u32 head = ETH_HLEN + rsc_tcp_head(param), n = 0, offset = head;
	u32 total = skb->len;
	u8 *whole = kunit_kmalloc(test, 2 * SZ_64K, GFP_KERNEL);
	u8 *piece = whole + SZ_64K + 4096;
	struct sk_buff *segs, *seg, *next;

	KUNIT_ASSERT_NOT_NULL(test, whole);
	skb_copy_bits(skb, 0, whole, total);
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, ETH_HLEN);
	segs = skb_gso_segment(skb, NETIF_F_SG);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(segs));
	skb_list_walk_safe(segs, seg, next) {
		KUNIT_EXPECT_LE(test, seg->len - head, param->size);
		expect_sums(test, seg, param->v6);
		skb_copy_bits(seg, head, piece, seg->len - head);
		KUNIT_EXPECT_MEMEQ(test, piece, whole + offset, seg->len - head);
		offset += seg->len - head;
		kfree_skb(seg);
		n++;
	}
	KUNIT_EXPECT_EQ(test, n, param->segs);
	KUNIT_EXPECT_EQ(test, offset, total);
	kunit_kfree(test, whole);
}

/* A coalesced TCP packet is one that GRO could have made */
static void rsc_tcp(struct kunit *test)
{
	const struct rsc_tcp *param = test->param_value;
	struct datapath *dp = datapath_new(test, 1);
	struct rsc *rsc = rsc_new(dp);
	struct skb_shared_info *info;
	struct sk_buff *skb;
	u32 len, type;

	if (param->off)
		dp->ndev->features &= ~NETIF_F_RXCSUM;
	if (param->mtu)
		dp->ndev->mtu = param->mtu;
	len = rsc_put_tcp(rsc, param);
	rsc_end_packet(rsc);
	while (!list_empty(&dp->in[0]))
		datapath_poll(dp, 0, 64);
	skb = delivered(dp);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	KUNIT_EXPECT_EQ(test, skb->len, ETH_HLEN + len);
	KUNIT_EXPECT_EQ(test, (u8)skb->ip_summed, param->summed);
	info = skb_shinfo(skb);
	KUNIT_EXPECT_EQ(test, info->gso_size, param->size);
	KUNIT_EXPECT_EQ(test, info->gso_segs, param->segs);
	type = param->v6 ? SKB_GSO_TCPV6 : SKB_GSO_TCPV4;
	if (param->cwr)
		type |= SKB_GSO_TCP_ECN;
	KUNIT_EXPECT_EQ(test, info->gso_type, param->size ? type : 0);
	KUNIT_EXPECT_FALSE(test, skb_warn_if_lro(skb));
	if (param->size) {
		expect_segments(test, skb, param);
		skb_gso_reset(skb);
		KUNIT_EXPECT_EQ(test, skb_checksum_help(skb), 0);
		expect_sums(test, skb, param->v6);
	}
	kfree_skb(skb);
	datapath_forget_acks(dp);
	expect_idle(dp);
}

/* A frame that a poll has left in the middle waits for the next */
static void rsc_budget(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct rsc *rsc = rsc_new(dp);
	u32 i;

	rsc_put(rsc, FRAME, LEN);
	rsc_put_frame(rsc, 1514, 1514 + 100 * 300, 300, NULL);
	rsc_put(rsc, FRAME, LEN);
	rsc_end_packet(rsc);
	for (i = 0; i < 103; i += 20) {
		KUNIT_EXPECT_EQ(test, skb_queue_len(&dp->frames), !!i);
		KUNIT_EXPECT_EQ(test, dp->nacks, 0);
		KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 20), min(20u, 103 - i));
	}
	KUNIT_EXPECT_EQ(test, skb_queue_len(&dp->frames), 3);
	rsc_check(rsc, 64);
	expect_idle(dp);
}

/*
 * Under what a frame cannot be passed up, in the middle of one: all of it is lost,
 * and counted once. The host is not to blame, and the next frame is not lost.
 */
#define PIECES		20

static struct rsc *rsc_put_lost(struct datapath *dp)
{
	struct rsc *rsc = rsc_new(dp);

	rsc_put_frame(rsc, LEN, LEN + PIECES * 3000, 3000, NULL);
	rsc_put(rsc, FRAME, LEN);
	rsc_end_packet(rsc);
	return rsc;
}

static void rsc_expect_lost(struct rsc *rsc)
{
	struct datapath *dp = rsc->dp;

	KUNIT_EXPECT_EQ(dp->test, datapath_poll(dp, 0, 64), 1);
	rsc_expect_frame(rsc, 1);
	expect_nothing(dp);
	expect_ack(dp, ID, GOOD);
	KUNIT_EXPECT_EQ(dp->test, u64_stats_read(&dp->nv->chans[0]->rx_stats.refused), 0);
	expect_idle(dp);
}

static void rsc_not_running(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct netvsc_rx_stats *stats = &dp->nv->chans[0]->rx_stats;
	struct rsc *rsc;
	int i;

	for (i = 0; i <= PIECES; i++) {
		rsc = rsc_put_lost(dp);
		if (i)
			KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, i), i);
		dp->nv->state = NETVSC_CONNECTED;
		KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 1), 1);
		dp->nv->state = NETVSC_RUNNING;
		if (i < PIECES)
			KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, PIECES - i),
					PIECES - i);
		rsc_expect_lost(rsc);
		KUNIT_EXPECT_EQ(test, u64_stats_read(&stats->early), i + 1);
	}
}

static void rsc_netpoll(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct netvsc_rx_stats *stats = &dp->nv->chans[0]->rx_stats;

	/* its byte limit stops the queue, so that frames make way */
	datapath_xmit(dp, datapath_skb(dp, 0, LEN, 0), false);
	rsc_put_lost(dp);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 10), 10);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 0), 0);
	/* with the frame that follows it */
	KUNIT_EXPECT_EQ(test, u64_stats_read(&stats->early), 2);
	expect_nothing(dp);
	expect_ack(dp, ID, GOOD);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 0);
	receive(dp, NULL, 0, LEN, 7);
	expect_delivered(dp, LEN, 7);
	datapath_complete_all(dp);
	datapath_settle(dp);
}

static void rx_stats(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u32 i;

	/* the first byte of every frame is odd: multicast */
	for (i = 0; i < 4; i++)
		receive(dp, NULL, 0, LEN + i, i);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->rx_stats.packets), 4);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->rx_stats.bytes), 4 * LEN + 6);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->rx_stats.multicast), 4);
}

/* Ranges */

struct one_range {
	const char *name;
	u32 bytes;
	u32 offset;
	bool good;
};

#define BUF	(DATAPATH_RX_SECTIONS * DATAPATH_RX_SECTION)

static const struct one_range ranges[] = {
	{ "empty", 0, 0 },
	{ "7 bytes", 7, 0 },
	{ "8 bytes", 8, 0 },
	{ "shorter than its message", 44 + LEN - 1, 0 },
	{ "as long as its message", 44 + LEN, 0, true },
	{ "section", DATAPATH_RX_SECTION, 0, true },
	{ "section and a byte", DATAPATH_RX_SECTION + 1, 0 },
	{ "half of the numbers", 0x80000000, 0 },
	{ "all numbers", 0xffffffff, 0 },
	{ "last byte", 44 + LEN, BUF - 44 - LEN, true },
	{ "a byte behind the end", 44 + LEN, BUF - 44 - LEN + 1 },
	{ "begins at the end", 44 + LEN, BUF },
	{ "nothing at the end", 0, BUF },
	{ "begins behind the end", 44 + LEN, BUF + 1 },
	{ "offset is half", 44 + LEN, 0x80000000 },
	{ "wraps to 0", 44 + LEN, -(44 + LEN) },
	{ "wraps to 1", 44 + LEN, -(44 + LEN) + 1 },
	{ "wraps, section", DATAPATH_RX_SECTION, 0xffffffff },
	{ "wraps, all", 0xffffffff, 0xffffffff },
};

static void range_name(const struct one_range *range, char *name)
{
	strscpy(name, range->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(range, ranges, range_name);

/* Alone, and between good ones, which are delivered all the same */
static void rx_range(struct kunit *test)
{
	const struct one_range *range = test->param_value;
	struct datapath *dp = datapath_new(test, 1);
	u32 status = range->good ? NVSP_STATUS_SUCCESS : NVSP_STATUS_FAILURE;
	struct xfer *xfer;
	u32 i, place;

	/* what wraps finds a message, too */
	message(dp, 0, NULL, 0, LEN, 9);
	for (place = 0; place < 4; place++) {
		if (range->good)
			message(dp, range->offset, NULL, 0, LEN, 9);
		xfer = xfer_new(dp);
		for (i = 0; i < place; i++)
			xfer_add(xfer, message(dp, (i + 2) * PIECE, NULL, 0, LEN,
					       i), (i + 2) * PIECE);
		xfer_add(xfer, range->bytes, range->offset);
		xfer_add(xfer, message(dp, 8 * PIECE, NULL, 0, LEN, 8), 8 * PIECE);
		xfer_put(dp, xfer, ID + place, COMPLETE);
		KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), place + 2);
		for (i = 0; i < place; i++)
			expect_delivered(dp, LEN, i);
		if (range->good)
			expect_delivered(dp, LEN, 9);
		expect_delivered(dp, LEN, 8);
		expect_nothing(dp);
		expect_ack(dp, ID + place, status);
	}
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->rx_stats.refused),
			range->good ? 0 : 4);
	expect_idle(dp);
}

/* RNDIS types of data ranges: the unknown ones are refused, and given back */
static void rx_types(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct xfer *xfer;
	u32 type;

	for (type = 0; type <= 200; type++) {
		if (type == RNDIS_PACKET || type == RNDIS_INDICATE ||
		    type == RNDIS_KEEPALIVE)
			continue;
		message(dp, 0, NULL, 0, LEN, 0);
		put_unaligned_le32(type, rx_buf(dp, 0));
		xfer = xfer_new(dp);
		xfer_add(xfer, 44 + LEN, 0);
		xfer_put(dp, xfer, ID, COMPLETE);
		KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 1);
		expect_ack(dp, ID, NVSP_STATUS_FAILURE);
	}
	expect_nothing(dp);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->rx_stats.refused), 198);
	receive(dp, NULL, 0, LEN, 0);
	expect_delivered(dp, LEN, 0);
}

/* Heads of transfer page packets */

static void expect_refused(struct datapath *dp)
{
	KUNIT_EXPECT_EQ(dp->test, datapath_poll(dp, 0, 64), 1);
	expect_nothing(dp);
	expect_ack(dp, ID, NVSP_STATUS_FAILURE);
	expect_idle(dp);
	/* and the next is good */
	receive(dp, NULL, 0, LEN, 5);
	expect_delivered(dp, LEN, 5);
	expect_ack(dp, ID, NVSP_STATUS_SUCCESS);
}

static void rx_head_fields(struct kunit *test)
{
	static const u32 counts[] = {
		0, 2, 3, 562, 1u << 29, (1u << 29) + 1, 0x80000001, 0xffffffff,
	};
	static const u16 sets[] = { 0, 1, 0xcaff, 0xfeca, 0xffff };
	struct datapath *dp = datapath_new(test, 1);
	struct xfer *xfer = xfer_new(dp);
	u32 i;

	xfer_add(xfer, message(dp, 0, NULL, 0, LEN, 5), 0);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		xfer->count = cpu_to_le32(counts[i]);
		datapath_put(dp, 0, VM_PKT_DATA_USING_XFER_PAGES, COMPLETE, ID,
			     xfer, 16, &data_msg, sizeof(data_msg));
		expect_refused(dp);
	}
	xfer->count = cpu_to_le32(1);
	for (i = 0; i < ARRAY_SIZE(sets); i++) {
		xfer->pageset = cpu_to_le16(sets[i]);
		datapath_put(dp, 0, VM_PKT_DATA_USING_XFER_PAGES, COMPLETE, ID,
			     xfer, 16, &data_msg, sizeof(data_msg));
		expect_refused(dp);
	}
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->rx_stats.refused),
			ARRAY_SIZE(counts) + ARRAY_SIZE(sets));
}

/* NVSP messages that are none of data, and packets cut off anywhere */
static void rx_head_short(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct nvsp_msg_rndis_packet msg = data_msg;
	struct xfer *xfer = xfer_new(dp);
	u32 type, rest, len;

	xfer_add(xfer, message(dp, 0, NULL, 0, LEN, 5), 0);
	for (type = 0; type <= 200; type++) {
		if (type == NVSP_RNDIS_PACKET)
			continue;
		msg.type = cpu_to_le32(type);
		datapath_put(dp, 0, VM_PKT_DATA_USING_XFER_PAGES, COMPLETE, ID,
			     xfer, 16, &msg, sizeof(msg));
		expect_refused(dp);
	}
	for (rest = 0; rest <= 16; rest += 8)
		for (len = 0; len <= sizeof(msg); len += 8) {
			if (rest == 16 && len == sizeof(msg))
				continue;
			datapath_put(dp, 0, VM_PKT_DATA_USING_XFER_PAGES,
				     COMPLETE, ID, xfer, rest, &data_msg, len);
			expect_refused(dp);
		}
}

static void rx_no_flag(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct xfer *xfer;
	u32 i;

	for (i = 0; i < 3; i++) {
		xfer = xfer_new(dp);
		xfer_add(xfer, message(dp, 0, NULL, 0, LEN, 5), i == 1 ? BUF : 0);
		if (i == 2)
			xfer->pageset = 0;
		xfer_put(dp, xfer, ID, 0);
		KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 1);
	}
	expect_delivered(dp, LEN, 5);
	expect_nothing(dp);
	KUNIT_EXPECT_EQ(test, dp->nacks, 0);
	expect_idle(dp);
}

static void rx_not_running(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);

	dp->nv->state = NETVSC_CONNECTED;
	receive(dp, NULL, 0, LEN, 0);
	expect_ack(dp, ID, NVSP_STATUS_SUCCESS);
	expect_nothing(dp);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->rx_stats.early), 1);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->rx_stats.packets), 0);
	expect_idle(dp);
}

/* Budget */

/* Frames and acknowledgments of packets that are on the ring */
static void put_many(struct datapath *dp, u32 count, u64 id, u32 seed)
{
	struct xfer *xfer = xfer_new(dp);
	u32 i;

	for (i = 0; i < count; i++)
		xfer_add(xfer, message(dp, i * PIECE, NULL, 0, LEN, seed + i),
			 i * PIECE);
	xfer_put(dp, xfer, id, COMPLETE);
}

static void rx_budget(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u32 i, got;

	put_many(dp, 200, ID, 0);
	put_many(dp, 5, ID + 1, 0);
	for (i = 0; i < 3; i++) {
		got = i * 64;
		KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 64);
		KUNIT_EXPECT_TRUE(test, dp->scheduled);
		KUNIT_EXPECT_EQ(test, dp->nacks, 0);
		KUNIT_EXPECT_FALSE(test, netvsc_rx_idle(dp->nv->chans[0]));
		while (!skb_queue_empty(&dp->frames))
			expect_delivered(dp, LEN, got++);
		KUNIT_EXPECT_EQ(test, got, 64 * (i + 1));
	}
	/* the frames of the second packet are where the first's were */
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 8 + 5);
	for (got = 192; got < 200; got++)
		expect_delivered(dp, LEN, got);
	for (i = 0; i < 5; i++)
		expect_delivered(dp, LEN, i);
	expect_acks(dp, ID, 2, NVSP_STATUS_SUCCESS);
	expect_idle(dp);
}

/* A bad range in an early part of a packet is not forgotten */
static void rx_budget_status(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct xfer *xfer = xfer_new(dp);
	u32 i;

	xfer_add(xfer, LEN, BUF);
	for (i = 0; i < 99; i++)
		xfer_add(xfer, message(dp, i * PIECE, NULL, 0, LEN, i), i * PIECE);
	xfer_put(dp, xfer, ID, COMPLETE);
	put_many(dp, 1, ID + 1, 0);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 64);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 36), 36);
	expect_ack(dp, ID, NVSP_STATUS_FAILURE);
	KUNIT_EXPECT_TRUE(test, dp->scheduled);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 1);
	expect_ack(dp, ID + 1, NVSP_STATUS_SUCCESS);
	KUNIT_EXPECT_EQ(test, skb_queue_len(&dp->frames), 100);
	expect_idle(dp);
}

/* Everything counts, so that no host keeps a poll from ending */
static void rx_budget_junk(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	struct xfer *xfer;
	u32 i;

	for (i = 0; i < 100; i++) {
		datapath_put(dp, 0, VM_PKT_COMP, 0, i, NULL, 0, &data_msg, 8);
		datapath_put(dp, 0, VM_PKT_DATA_INBAND, 0, 0, NULL, 0, &data_msg,
			     16);
		xfer = xfer_new(dp);
		xfer->pageset = 0;
		xfer_put(dp, xfer, ID + i, COMPLETE);
		datapath_put(dp, 0, 3, 0, 0, NULL, 0, NULL, 0);
	}
	for (i = 0; i < 6; i++)
		KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 64);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 400 - 6 * 64);
	expect_acks(dp, ID, 100, NVSP_STATUS_FAILURE);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->rx_stats.refused), 300);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->done_stats.strays), 100);
	expect_idle(dp);
}

/* Ring packets of all types; those with data that are in order are not junk */
static void rx_ring_types(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u32 type, n = 0;

	for (type = 0; type < 40; type++) {
		if (type == VM_PKT_COMP || type == VM_PKT_DATA_USING_XFER_PAGES)
			continue;
		datapath_put(dp, 0, type, COMPLETE, ID, NULL, 0, &data_msg, 16);
		datapath_put(dp, 0, type, 0, ID, NULL, 0, NULL, 0);
		n += 2;
	}
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 200), n);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->rx_stats.refused), n);
	KUNIT_EXPECT_EQ(test, dp->nacks, 0);
	expect_idle(dp);
}

static void rx_inband_types(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 2);
	struct { __le32 type, zero[3]; } msg = {};
	u32 type, known = 0;

	for (type = 0; type <= 200; type++) {
		msg.type = cpu_to_le32(type);
		datapath_put(dp, 0, VM_PKT_DATA_INBAND, 0, 0, NULL, 0, &msg,
			     sizeof(msg));
		datapath_put(dp, 1, VM_PKT_DATA_INBAND, 0, 0, NULL, 0, &msg,
			     sizeof(msg));
		known += type >= NVSP_VF_ASSOCIATION && type <= NVSP_UPLINK_STATE;
	}
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 300), 201);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 1, 300), 201);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->rx_stats.refused),
			201 - known);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[1]->rx_stats.refused), 201);
	expect_idle(dp);
}

/* Completions: of the wrong kind, too short, of another channel; the right one */
static void rx_completions(struct kunit *test)
{
	struct { __le32 type, status, zero[4]; } msg = {
		.status = cpu_to_le32(NVSP_STATUS_SUCCESS),
	};
	struct nvsp_xact xact = { .kind = NVSP_XACT_RNDIS };
	struct datapath *dp = datapath_new(test, 2);
	u32 type, n = 0;
	u64 id;

	datapath_xmit(dp, datapath_skb(dp, 0, 8000, 1), false);
	id = datapath_sent(dp, 0)->id;
	for (type = 0; type <= 200; type++) {
		msg.type = cpu_to_le32(type);
		if (type == NVSP_RNDIS_PACKET_COMPLETE)
			continue;
		datapath_put(dp, 0, VM_PKT_COMP, 0, id, NULL, 0, &msg,
			     sizeof(msg));
		n++;
	}
	msg.type = cpu_to_le32(NVSP_RNDIS_PACKET_COMPLETE);
	datapath_put(dp, 0, VM_PKT_COMP, 0, id, NULL, 0, NULL, 0);
	datapath_put(dp, 0, VM_PKT_COMP, 0, id | NVSP_XACT_ID, NULL, 0, &msg, 8);
	datapath_put(dp, 1, VM_PKT_COMP, 0, id, NULL, 0, &msg, 8);
	datapath_put(dp, 1, VM_PKT_COMP, 0, id | NVSP_XACT_ID, NULL, 0, &msg, 8);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 300), n + 2);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 1, 300), 2);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->done_stats.strays), n + 2);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[1]->done_stats.strays), 2);
	KUNIT_EXPECT_FALSE(test, netvsc_tx_idle(dp->nv->chans[0]));
	/* the right one, twice */
	datapath_put(dp, 0, VM_PKT_COMP, 0, id, NULL, 0, &msg, 8);
	datapath_put(dp, 0, VM_PKT_COMP, 0, id, NULL, 0, &msg, 8);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 2);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->done_stats.strays), n + 3);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->done_stats.packets), 1);
	/* a control exchange is completed on the primary alone */
	nvsp_xact_start(dp->nv, &xact);
	datapath_put(dp, 1, VM_PKT_COMP, 0, xact.id, NULL, 0, &msg, 8);
	datapath_poll(dp, 1, 64);
	KUNIT_EXPECT_FALSE(test, xact.answered);
	datapath_put(dp, 0, VM_PKT_COMP, 0, xact.id, NULL, 0, &msg, 8);
	datapath_poll(dp, 0, 64);
	KUNIT_EXPECT_TRUE(test, xact.answered);
	nvsp_xact_end(dp->nv, &xact);
	datapath_forget(dp);
	datapath_settle(dp);
}

/* netpoll takes completions up to the first packet that is none */
static void rx_netpoll(struct kunit *test)
{
	struct nvsp_msg_rndis_complete msg = {
		.type = cpu_to_le32(NVSP_RNDIS_PACKET_COMPLETE),
		.status = cpu_to_le32(NVSP_STATUS_SUCCESS),
	};
	struct datapath *dp = datapath_new(test, 1);
	struct dql *dql = &netdev_get_tx_queue(dp->ndev, 0)->dql;
	u32 i;

	/* a byte limit at which the queue does not stop */
	dql->min_limit = 1 << 20;
	dql->limit = 1 << 20;
	dql->adj_limit = 1 << 20;
	for (i = 0; i < 3; i++)
		datapath_xmit(dp, datapath_skb(dp, 0, LEN, i), false);
	for (i = 0; i < 3; i++) {
		if (i == 2)
			put_many(dp, 100, ID, 0);
		datapath_put(dp, 0, VM_PKT_COMP, 0, datapath_sent(dp, i)->id,
			     NULL, 0, &msg, sizeof(msg));
	}
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 0), 0);
	KUNIT_EXPECT_TRUE(test, dp->scheduled);
	expect_nothing(dp);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->done_stats.packets), 2);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 64);
	/* in the middle of a packet, too */
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, skb_queue_len(&dp->frames), 64);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 37);
	for (i = 0; i < 100; i++)
		expect_delivered(dp, LEN, i);
	expect_ack(dp, ID, NVSP_STATUS_SUCCESS);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->done_stats.packets), 3);
	expect_idle(dp);
	datapath_forget(dp);
	datapath_settle(dp);
}

/* A queue waits for a completion behind frames: those make way, one a poll, but
 * are acknowledged. What stops it is its byte limit, which begins at 0.
 */
static void rx_netpoll_stopped(struct kunit *test)
{
	struct nvsp_msg_rndis_complete msg = {
		.type = cpu_to_le32(NVSP_RNDIS_PACKET_COMPLETE),
		.status = cpu_to_le32(NVSP_STATUS_SUCCESS),
	};
	struct datapath *dp = datapath_new(test, 1);
	struct netdev_queue *txq = netdev_get_tx_queue(dp->ndev, 0);
	u32 i;

	datapath_xmit(dp, datapath_skb(dp, 0, LEN, 0), false);
	for (i = 0; i < 3; i++)
		put_many(dp, 1, ID + i, 0);
	datapath_put(dp, 0, VM_PKT_COMP, 0, datapath_sent(dp, 0)->id, NULL, 0,
		     &msg, sizeof(msg));
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_TRUE(test, netif_xmit_stopped(txq));
		KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 0), 0);
	}
	/* the last one has taken what was behind it, too */
	KUNIT_EXPECT_FALSE(test, netif_xmit_stopped(txq));
	expect_nothing(dp);
	expect_acks(dp, ID, 3, NVSP_STATUS_SUCCESS);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->rx_stats.early), 3);
	datapath_poll(dp, 0, 64);
	receive(dp, NULL, 0, LEN, 7);
	expect_delivered(dp, LEN, 7);
	datapath_forget(dp);
	datapath_settle(dp);
}

/* Interrupts are on after a poll, or it runs again */
static void rx_unmask(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);

	receive(dp, NULL, 0, LEN, 0);
	KUNIT_EXPECT_FALSE(test, dp->masked[0]);
	KUNIT_EXPECT_FALSE(test, dp->scheduled);
	dp->more_came = true;
	receive(dp, NULL, 0, LEN, 0);
	KUNIT_EXPECT_TRUE(test, dp->masked[0]);
	KUNIT_EXPECT_TRUE(test, dp->scheduled);
	dp->more_came = false;
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 0);
	KUNIT_EXPECT_FALSE(test, dp->scheduled);
	/* as many as the budget: not over, whatever else there is */
	put_many(dp, 64, ID, 0);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 64);
	KUNIT_EXPECT_TRUE(test, dp->scheduled);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 0);
	KUNIT_EXPECT_FALSE(test, dp->scheduled);
	expect_idle(dp);
}

/* A ring that is never empty, and has nothing: not all the time is spent on it */
static void rx_empty_polls(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u32 i, again = 0;

	dp->more_came = true;
	for (i = 0; i < 50; i++) {
		KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 0);
		KUNIT_EXPECT_TRUE(test, dp->scheduled || dp->retry);
		again += dp->scheduled;
	}
	KUNIT_EXPECT_LT(test, again, 20);
	receive(dp, NULL, 0, LEN, 0);
	KUNIT_EXPECT_TRUE(test, dp->scheduled);
	expect_delivered(dp, LEN, 0);
}

/* Polled by others before it is open, or after it was closed */
static void rx_closed(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);

	dp->nv->chans[0]->open = false;
	dp->nv->chans[0]->chn = NULL;
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 0);
	KUNIT_EXPECT_FALSE(test, dp->scheduled);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 0), 0);
}

/* Acknowledgments */

static void put_packets(struct datapath *dp, u32 first, u32 count)
{
	u32 i;

	for (i = first; i < first + count; i++)
		put_many(dp, 1, ID + i, 0);
}

static void rx_ack_full(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u32 i, sent;

	dp->ack_error = -EAGAIN;
	dp->ack_errors = -1;
	put_packets(dp, 0, 10);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 10);
	KUNIT_EXPECT_EQ(test, skb_queue_len(&dp->frames), 10);
	KUNIT_EXPECT_EQ(test, dp->nacks, 0);
	KUNIT_EXPECT_TRUE(test, dp->retry);
	KUNIT_EXPECT_FALSE(test, netvsc_rx_idle(dp->nv->chans[0]));
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->rx_stats.comp_busy), 1);
	/* some fit, then some more */
	for (i = 0, sent = 0; i < 4; i++) {
		dp->ack_errors = 0;
		if (i < 3) {
			put_packets(dp, 10 + i, 1);
			dp->ack_errors = -1;
		}
		datapath_poll(dp, 0, 64);
		KUNIT_EXPECT_EQ(test, dp->retry, i < 3 || dp->retry);
		sent = dp->nacks;
	}
	KUNIT_EXPECT_EQ(test, sent, 13);
	expect_acks(dp, ID, 13, NVSP_STATUS_SUCCESS);
	expect_idle(dp);
}

/* As many wait as there are sections, then the driver reads no more */
static void rx_ack_grow(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);
	u32 i, sections = 1000, all = 2500;

	dp->nv->sess.rx_sections = sections;
	dp->ack_error = -EAGAIN;
	dp->ack_errors = -1;
	put_packets(dp, 0, all);
	/* from the middle of the list, so that it wraps when it grows */
	dp->nv->chans[0]->rx.ack_head = U32_MAX - 100;
	dp->nv->chans[0]->rx.ack_tail = U32_MAX - 100;
	for (i = 0; i < 20; i++)
		datapath_poll(dp, 0, 100);
	KUNIT_EXPECT_GE(test, dp->nv->chans[0]->rx.ack_size, sections);
	KUNIT_EXPECT_LE(test, dp->nv->chans[0]->rx.ack_size, 2048);
	KUNIT_EXPECT_GE(test, skb_queue_len(&dp->frames), sections);
	KUNIT_EXPECT_LE(test, skb_queue_len(&dp->frames), 2048);
	KUNIT_EXPECT_EQ(test, dp->nacks, 0);
	KUNIT_EXPECT_TRUE(test, dp->retry);
	KUNIT_EXPECT_FALSE(test, dp->scheduled);	/* does not spin */
	dp->ack_errors = 0;
	for (i = 0; i < 100 && !list_empty(&dp->in[0]); i++)
		datapath_poll(dp, 0, 100);
	KUNIT_EXPECT_EQ(test, skb_queue_len(&dp->frames), all);
	expect_acks(dp, ID, all, NVSP_STATUS_SUCCESS);
	expect_idle(dp);
}

/* With completions behind what cannot be acknowledged: they come through */
static void rx_ack_batch(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);

	put_packets(dp, 0, 100);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 64);
	expect_acks(dp, ID, 64, NVSP_STATUS_SUCCESS);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 36);
	expect_acks(dp, ID + 64, 36, NVSP_STATUS_SUCCESS);
	expect_idle(dp);
}

/* The host has made an index nonsense, for a while: nothing is lost meanwhile */
static void rx_ack_broken(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);

	dp->ack_error = -EIO;
	dp->ack_errors = -1;
	put_packets(dp, 0, 300);
	datapath_poll(dp, 0, 400);
	KUNIT_EXPECT_EQ(test, dp->nacks, 0);
	KUNIT_EXPECT_TRUE(test, dp->retry);
	dp->ack_errors = 0;
	datapath_poll(dp, 0, 400);
	datapath_poll(dp, 0, 400);
	expect_acks(dp, ID, 300, NVSP_STATUS_SUCCESS);
	expect_idle(dp);
}

/* The channel is gone: nothing waits for it */
static void rx_ack_gone(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);

	dp->ack_error = -ENODEV;
	dp->ack_errors = -1;
	put_packets(dp, 0, 10);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 10);
	KUNIT_EXPECT_FALSE(test, dp->retry);
	expect_idle(dp);
}

/* Memory */

static void rx_no_memory(struct kunit *test)
{
	/* pages larger than there are any */
	struct page_pool_params params = {
		.order = MAX_PAGE_ORDER + 1,
		.pool_size = 16,
		.nid = NUMA_NO_NODE,
	};
	struct datapath *dp = datapath_new(test, 1);
	struct netvsc_rx *rx = &dp->nv->chans[0]->rx;
	struct page_pool *none = page_pool_create(&params), *pool = rx->pool;
	u32 i;

	KUNIT_ASSERT_FALSE(test, IS_ERR(none));
	rx->pool = none;
	for (i = 0; i < 10; i++) {
		receive(dp, NULL, 0, i & 1 ? 9000 : LEN, 0);
		expect_ack(dp, ID, NVSP_STATUS_SUCCESS);
	}
	expect_nothing(dp);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->rx_stats.no_memory), 10);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&dp->nv->chans[0]->rx_stats.packets), 0);
	rx->pool = pool;
	page_pool_destroy(none);
	receive(dp, NULL, 0, 9000, 1);
	expect_delivered(dp, 9000, 1);
}

/* Without memory for a part of it a coalesced frame is lost, all of it and no other */
static void rsc_no_memory(struct kunit *test)
{
	/* pages larger than there are any */
	struct page_pool_params params = {
		.order = MAX_PAGE_ORDER + 1,
		.pool_size = 16,
		.nid = NUMA_NO_NODE,
	};
	struct datapath *dp = datapath_new(test, 1);
	struct netvsc_rx *rx = &dp->nv->chans[0]->rx;
	struct page_pool *none = page_pool_create(&params), *pool = rx->pool;
	u64_stats_t *no_memory = &dp->nv->chans[0]->rx_stats.no_memory;
	struct rsc *rsc;
	int i;

	KUNIT_ASSERT_FALSE(test, IS_ERR(none));
	for (i = 0; i < PIECES - 1; i++) {
		rsc = rsc_put_lost(dp);
		if (i)
			KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, i), i);
		rx->pool = none;
		/* one of two needs another page */
		KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 2), 2);
		rx->pool = pool;
		KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, PIECES - 1 - i),
				PIECES - 1 - i);
		rsc_expect_lost(rsc);
		KUNIT_EXPECT_EQ(test, u64_stats_read(no_memory), i + 1);
	}
	page_pool_destroy(none);
}

static struct kunit_case rx_cases[] = {
	KUNIT_CASE(rx_frames),
	KUNIT_CASE(rx_frames_page),
	KUNIT_CASE(rx_frames_kept),
	KUNIT_CASE(rx_frames_room),
	KUNIT_CASE(rx_runts),
	KUNIT_CASE_PARAM(rx_csum, csum_gen_params),
	KUNIT_CASE(rx_ip_csum),
	KUNIT_CASE(rx_tcp_csum),
	KUNIT_CASE(rx_hash),
	KUNIT_CASE(rx_queue),
	KUNIT_CASE(rx_vlan),
	KUNIT_CASE_PARAM(rsc_rows, rsc_gen_params),
	KUNIT_CASE_SLOW(rsc_sequences),
	KUNIT_CASE_SLOW(rsc_random),
	KUNIT_CASE_SLOW(rsc_sizes),
	KUNIT_CASE(rsc_counts),
	KUNIT_CASE(rsc_infos),
	KUNIT_CASE_PARAM(rsc_tcp, rsc_tcp_gen_params),
	KUNIT_CASE(rsc_budget),
	KUNIT_CASE(rsc_not_running),
	KUNIT_CASE(rsc_netpoll),
	KUNIT_CASE(rx_stats),
	KUNIT_CASE_PARAM(rx_range, range_gen_params),
	KUNIT_CASE(rx_types),
	KUNIT_CASE(rx_head_fields),
	KUNIT_CASE(rx_head_short),
	KUNIT_CASE(rx_no_flag),
	KUNIT_CASE(rx_not_running),
	KUNIT_CASE(rx_budget),
	KUNIT_CASE(rx_budget_status),
	KUNIT_CASE(rx_budget_junk),
	KUNIT_CASE(rx_ring_types),
	KUNIT_CASE(rx_inband_types),
	KUNIT_CASE(rx_completions),
	KUNIT_CASE(rx_netpoll),
	KUNIT_CASE(rx_netpoll_stopped),
	KUNIT_CASE(rx_unmask),
	KUNIT_CASE(rx_empty_polls),
	KUNIT_CASE(rx_closed),
	KUNIT_CASE(rx_ack_full),
	KUNIT_CASE_SLOW(rx_ack_grow),
	KUNIT_CASE(rx_ack_batch),
	KUNIT_CASE(rx_ack_broken),
	KUNIT_CASE(rx_ack_gone),
	KUNIT_CASE(rx_no_memory),
	KUNIT_CASE(rsc_no_memory),
	{}
};

static struct kunit_suite rx_suite = {
	.name = "hv_netvsc_rx",
	.test_cases = rx_cases,
};

kunit_test_suite(rx_suite);
