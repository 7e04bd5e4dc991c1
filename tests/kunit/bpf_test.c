// SPDX-License-Identifier: GPL-2.0-only
/*
 * XDP: verdicts, frames that are sent for programs, who may be attached.
 *
 * Programs have been verified by nobody, and so name the kernel's own fields.
 */
#include <kunit/test.h>
#include <linux/bpf.h>
#include <linux/etherdevice.h>
#include <linux/filter.h>
#include <linux/if_vlan.h>
#include <linux/ipv6.h>
#include <net/ip6_checksum.h>
#include <net/page_pool/helpers.h>
#include <net/xdp.h>

#include "../../netvsc_bpf.h"
#include "../../netvsc_config.h"
#include "../../netvsc_rx.h"
#include "../../netvsc_tx.h"
#include "../../nvsp_proto.h"
#include "../../rndis_proto.h"
#include "datapath.h"
#include "fake_bus.h"

#define LEN		100
#define ONE_PIECE	NETVSC_PIECE_HEAD	/* the longest frame in one */
#define BIG		(DATAPATH_TX_SECTION + 1)
#define MTU		9000
#define ID		77
#define REFS		1000
#define UNKNOWN_ACTION	9

/* Programs */

static void prog_free(void *prog)
{
	bpf_prog_free(prog);
}

static struct bpf_prog *prog_new(struct kunit *test, const struct bpf_insn *code,
				 u32 count, bool frags)
{
	struct bpf_prog *prog = bpf_prog_alloc(bpf_prog_size(count), 0);
	int err = 0;

	KUNIT_ASSERT_NOT_NULL(test, prog);
	prog->len = count;
	prog->type = BPF_PROG_TYPE_XDP;
	prog->aux->xdp_has_frags = frags;
	/* none of ours is the last one: nobody has told the kernel of it */
	atomic64_set(&prog->aux->refcnt, REFS);
	memcpy(prog->insnsi, code, count * sizeof(*code));
	prog = bpf_prog_select_runtime(prog, &err);
	KUNIT_ASSERT_EQ(test, err, 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, prog_free, prog), 0);
	return prog;
}

/* It always says the same */
static struct bpf_prog *verdict(struct kunit *test, u32 act, bool frags)
{
	const struct bpf_insn code[] = {
		BPF_MOV64_IMM(BPF_REG_0, act),
		BPF_EXIT_INSN(),
	};

	return prog_new(test, code, ARRAY_SIZE(code), frags);
}

/* It moves the beginning by so many bytes, as bpf_xdp_adjust_head() does */
static struct bpf_prog *moved(struct kunit *test, u32 act, int bytes)
{
	const struct bpf_insn code[] = {
		BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1,
			    offsetof(struct xdp_buff, data)),
		BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, bytes),
		BPF_STX_MEM(BPF_DW, BPF_REG_1, BPF_REG_2,
			    offsetof(struct xdp_buff, data)),
		BPF_STX_MEM(BPF_DW, BPF_REG_1, BPF_REG_2,
			    offsetof(struct xdp_buff, data_meta)),
		BPF_MOV64_IMM(BPF_REG_0, act),
		BPF_EXIT_INSN(),
	};

	return prog_new(test, code, ARRAY_SIZE(code), true);
}

static u64 refs(const struct bpf_prog *prog)
{
	return atomic64_read(&prog->aux->refcnt);
}

static struct datapath *with_prog(struct kunit *test, struct bpf_prog *prog)
{
	struct datapath *dp = datapath_new(test, 1);

	dp->ndev->mtu = MTU;
	rcu_assign_pointer(dp->nv->xdp_prog, prog);
	return dp;
}

static struct netvsc_chan *chan(struct datapath *dp)
{
	return dp->nv->chans[0];
}

/* Frames from the host */

/* A packet of one frame, with an info unless its type is negative; the frame */
static u8 *put_info(struct datapath *dp, u32 len, u32 seed, int type, u32 word)
{
	static const struct nvsp_msg_rndis_packet msg = {
		.type = cpu_to_le32(NVSP_RNDIS_PACKET),
		.section_index = cpu_to_le32(NVSP_NO_SECTION),
	};
	u32 infos = type < 0 ? 0 : 16, total = 44 + infos + len, i;
	const u32 head[] = {
		RNDIS_PACKET, total, 36 + infos, len, 0, 0, 0,
		infos ? 36 : 0, infos, 0, 0, 16, type, 12, word,
	};
	const __le32 xfer[] = {
		cpu_to_le32(NVSP_RECV_BUF_ID), cpu_to_le32(1),
		cpu_to_le32(total), 0,
	};
	u8 *to = dp->nv->bufs->rx.base;

	for (i = 0; i < (44 + infos) / 4; i++)
		put_unaligned_le32(head[i], to + 4 * i);
	datapath_fill(to + 44 + infos, len, seed);
	datapath_put(dp, 0, VM_PKT_DATA_USING_XFER_PAGES,
		     VMBUS_DATA_PACKET_FLAG_COMPLETION_REQUESTED, ID, xfer,
		     sizeof(xfer), &msg, sizeof(msg));
	return to + 44 + infos;
}

/* With a tag unless that is negative */
static void put(struct datapath *dp, u32 len, u32 seed, int tci)
{
	put_info(dp, len, seed, tci < 0 ? -1 : 6, tci);
}

/* And a poll; a frame is acknowledged whatever becomes of it */
static void receive(struct datapath *dp, u32 len, u32 seed, int tci)
{
	u32 acks = dp->nacks;

	put(dp, len, seed, tci);
	KUNIT_EXPECT_EQ(dp->test, datapath_poll(dp, 0, 64), 1);
	KUNIT_EXPECT_EQ(dp->test, dp->nacks, acks + 1);
}

static void expect_passed(struct datapath *dp, u32 len, u32 seed)
{
	struct sk_buff *skb = __skb_dequeue(&dp->frames);
	u8 *bytes;

	KUNIT_ASSERT_NOT_NULL_MSG(dp->test, skb, "frame of %u bytes", len);
	skb_push(skb, ETH_HLEN);
	bytes = kunit_kzalloc(dp->test, len, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(dp->test, bytes);
	KUNIT_EXPECT_EQ(dp->test, skb->len, len);
	skb_copy_bits(skb, 0, bytes, min(len, skb->len));
	KUNIT_EXPECT_TRUE_MSG(dp->test, datapath_filled(bytes, len, seed),
			      "bytes of a frame of %u", len);
	kunit_kfree(dp->test, bytes);
	kfree_skb(skb);
}

static void expect_nothing(struct datapath *dp)
{
	KUNIT_EXPECT_EQ(dp->test, skb_queue_len(&dp->frames), 0);
	KUNIT_EXPECT_TRUE(dp->test, list_empty(&dp->sent));
}

/* So many since the beginning */
static void expect_counts(struct datapath *dp, u32 dropped, u32 sent, u32 packets)
{
	struct netvsc_rx_stats *stats = &chan(dp)->rx_stats;

	KUNIT_EXPECT_EQ(dp->test, u64_stats_read(&stats->xdp_drop), dropped);
	KUNIT_EXPECT_EQ(dp->test, u64_stats_read(&stats->xdp_tx), sent);
	KUNIT_EXPECT_EQ(dp->test, u64_stats_read(&stats->packets), packets);
}

/* Pages that the pool ever took from the kernel */
static u32 pages(struct datapath *dp)
{
	return chan(dp)->rx.pool->pages_state_hold_cnt;
}

/* The only frame of a message that waits for its completion */
static void expect_sent(struct datapath *dp, u32 len, u32 seed, u32 skip, int tci)
{
	struct datapath_frame frame = {};

	KUNIT_ASSERT_TRUE_MSG(dp->test, datapath_frame(dp, datapath_sent(dp, 0), 0,
						       &frame),
			      "nothing sent, frame of %u bytes", len);
	KUNIT_EXPECT_EQ(dp->test, frame.len, len);
	KUNIT_EXPECT_TRUE_MSG(dp->test, datapath_filled(frame.data, skip ?: len, seed),
			      "bytes of a frame of %u", len);
	KUNIT_EXPECT_EQ(dp->test, frame.infos, tci < 0 ? 0 : DATAPATH_VLAN);
	if (tci >= 0)
		KUNIT_EXPECT_EQ(dp->test, frame.vlan, tci);
}

/* May it be attached? */

struct check_case {
	const char *name;
	bool prog;
	bool frags;
	u32 mtu;
	bool lro;
	const char *refused;
};

static const struct check_case check_rows[] = {
	{ "none", false, false, 65521, true },
	{ "plain", true, false, 1500, false },
	{ "longest", true, false, ONE_PIECE - ETH_HLEN, false },
	{ "too long", true, false, ONE_PIECE - ETH_HLEN + 1, false,
	  "hv_netvsc: XDP: mtu too large" },
	{ "much too long", true, false, 65521, false,
	  "hv_netvsc: XDP: mtu too large" },
	{ "LRO", true, false, 1500, true, "hv_netvsc: XDP: not support LRO" },
	{ "frags", true, true, 65521, false },
	{ "frags and LRO", true, true, 65521, true },
};

KUNIT_ARRAY_PARAM_DESC(check, check_rows, name);

static void xdp_check(struct kunit *test)
{
	const struct check_case *row = test->param_value;
	struct bpf_prog *prog = row->prog ? verdict(test, XDP_PASS, row->frags) :
					    NULL;
	netdev_features_t features = row->lro ? NETIF_F_LRO : 0;
	struct datapath *dp = datapath_new(test, 1);
	int ret = row->refused ? -EOPNOTSUPP : 0;
	struct netlink_ext_ack extack = {};

	KUNIT_EXPECT_EQ(test, netvsc_bpf_check(dp->nv, prog, row->mtu, features,
					       &extack), ret);
	KUNIT_EXPECT_STREQ(test, extack._msg ?: "", row->refused ?: "");
	KUNIT_EXPECT_EQ(test, netvsc_bpf_check(dp->nv, prog, row->mtu, features,
					       NULL), ret);
	if (prog)
		KUNIT_EXPECT_EQ(test, refs(prog), REFS);
}

static int with_mtu(struct fake_bus *bus, u32 mtu)
{
	struct netvsc_config want = bus->nv->cfg;

	want.mtu = mtu;
	want.features &= ~NETIF_F_LRO;
	return fake_bus_reconfigure(bus, &want, NETVSC_RUNNING);
}

/* A program outlives changes, and refuses what it could not live with */
static void xdp_config(struct kunit *test)
{
	struct bpf_prog *plain = verdict(test, XDP_PASS, false);
	struct bpf_prog *frags = verdict(test, XDP_PASS, true);
	struct fake_bus *bus = fake_bus_new(test);
	struct netvsc *nv = bus->nv;
	u32 mtu;

	KUNIT_ASSERT_EQ(test, fake_bus_run(bus, 2), 0);
	mtu = nv->cfg.mtu;
	rcu_assign_pointer(nv->xdp_prog, plain);
	KUNIT_EXPECT_EQ(test, with_mtu(bus, ONE_PIECE - ETH_HLEN + 1), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, nv->cfg.mtu, mtu);
	KUNIT_EXPECT_EQ(test, nv->state, NETVSC_RUNNING);
	KUNIT_EXPECT_EQ(test, with_mtu(bus, ONE_PIECE - ETH_HLEN), 0);
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(nv->xdp_prog), plain);
	rcu_assign_pointer(nv->xdp_prog, frags);
	KUNIT_EXPECT_EQ(test, with_mtu(bus, MTU), 0);
	KUNIT_EXPECT_EQ(test, nv->cfg.mtu, MTU);
	KUNIT_EXPECT_PTR_EQ(test, rcu_access_pointer(nv->xdp_prog), frags);
	RCU_INIT_POINTER(nv->xdp_prog, NULL);
	KUNIT_EXPECT_EQ(test, refs(plain), REFS);
	KUNIT_EXPECT_EQ(test, refs(frags), REFS);
}

static bool keeps_lro(struct netvsc *nv, struct bpf_prog *prog)
{
	netdev_features_t features;

	rtnl_lock();
	rcu_assign_pointer(nv->xdp_prog, prog);
	features = netvsc_fix_features(nv->ndev, NETIF_F_LRO | NETIF_F_RXCSUM);
	RCU_INIT_POINTER(nv->xdp_prog, NULL);
	rtnl_unlock();
	return features & NETIF_F_LRO;
}

static void xdp_lro(struct kunit *test)
{
	struct fake_bus *bus = fake_bus_new(test);

	KUNIT_ASSERT_EQ(test, fake_bus_run(bus, 1), 0);
	KUNIT_EXPECT_TRUE(test, keeps_lro(bus->nv, NULL));
	KUNIT_EXPECT_FALSE(test, keeps_lro(bus->nv, verdict(test, XDP_PASS, false)));
	KUNIT_EXPECT_TRUE(test, keeps_lro(bus->nv, verdict(test, XDP_PASS, true)));
}

/* The reference that is handed over is the only one that is put */
static void xdp_refs(struct kunit *test)
{
	struct bpf_prog *first = verdict(test, XDP_PASS, false);
	struct bpf_prog *second = verdict(test, XDP_DROP, false);
	struct datapath *dp = datapath_new(test, 1);

	rtnl_lock();
	netvsc_bpf_set(dp->nv, first);
	KUNIT_EXPECT_EQ(test, refs(first), REFS);
	netvsc_bpf_set(dp->nv, second);
	KUNIT_EXPECT_EQ(test, refs(first), REFS - 1);
	KUNIT_EXPECT_EQ(test, refs(second), REFS);
	netvsc_bpf_set(dp->nv, second);
	KUNIT_EXPECT_EQ(test, refs(second), REFS - 1);
	netvsc_bpf_set(dp->nv, NULL);
	KUNIT_EXPECT_EQ(test, refs(second), REFS - 2);
	netvsc_bpf_set(dp->nv, NULL);
	KUNIT_EXPECT_EQ(test, refs(first), REFS - 1);
	KUNIT_EXPECT_EQ(test, refs(second), REFS - 2);
	rtnl_unlock();
}

/* Verdicts */

static void xdp_pass(struct kunit *test)
{
	struct datapath *dp = with_prog(test, verdict(test, XDP_PASS, false));
	u32 len, n = 0;

	for (len = ETH_HLEN; len <= ONE_PIECE; len += len < 80 ||
	     len > ONE_PIECE - 70 ? 1 : 37) {
		receive(dp, len, len, -1);
		expect_passed(dp, len, len);
		n++;
	}
	receive(dp, ONE_PIECE, 1, -1);
	expect_passed(dp, ONE_PIECE, 1);
	expect_counts(dp, 0, 0, n + 1);
	datapath_settle(dp);
}

struct drop_case {
	const char *name;
	u32 act;
};

static const struct drop_case drop_rows[] = {
	{ "DROP", XDP_DROP },
	{ "ABORTED", XDP_ABORTED },
	{ "unknown", UNKNOWN_ACTION },
	{ "REDIRECT to nowhere", XDP_REDIRECT },
};

KUNIT_ARRAY_PARAM_DESC(drop, drop_rows, name);

/* Counted, acknowledged, and their memory is what the next ones come in */
static void xdp_drop(struct kunit *test)
{
	const struct drop_case *row = test->param_value;
	struct datapath *dp = with_prog(test, verdict(test, row->act, true));
	u32 i, taken;

	receive(dp, LEN, 0, -1);
	receive(dp, BIG, 0, -1);
	taken = pages(dp);
	for (i = 0; i < 1000; i++)
		receive(dp, i % 2 ? LEN + i : BIG, i, i % 3 ? -1 : 5);
	expect_nothing(dp);
	expect_counts(dp, 1002, 0, 0);
	KUNIT_EXPECT_EQ(test, pages(dp), taken);
	datapath_settle(dp);
}

/* Runts are none of the program's business */
static void xdp_runts(struct kunit *test)
{
	struct datapath *dp = with_prog(test, verdict(test, XDP_DROP, true));
	u32 len;

	for (len = 1; len < ETH_HLEN; len++)
		receive(dp, len, len, -1);
	expect_nothing(dp);
	expect_counts(dp, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&chan(dp)->rx_stats.length_errors),
			ETH_HLEN - 1);
	datapath_settle(dp);
}

/* A program that takes one piece is not run on the first of several */
static void xdp_too_long(struct kunit *test)
{
	struct datapath *dp = with_prog(test, verdict(test, XDP_PASS, false));

	receive(dp, ONE_PIECE + 1, 0, -1);
	receive(dp, MTU, 0, -1);
	expect_nothing(dp);
	expect_counts(dp, 2, 0, 0);
	datapath_settle(dp);
}

static void xdp_frags(struct kunit *test)
{
	struct datapath *dp = with_prog(test, verdict(test, XDP_PASS, true));
	u32 len;

	for (len = ONE_PIECE - 3; len <= ONE_PIECE + 3; len++) {
		receive(dp, len, len, -1);
		expect_passed(dp, len, len);
	}
	for (len = ONE_PIECE + NETVSC_PIECE - 3; len < 65536; len += 4093) {
		receive(dp, len, len, -1);
		expect_passed(dp, len, len);
	}
	datapath_settle(dp);
}

/* The skb begins where the program has put the beginning */
static void xdp_moved(struct kunit *test)
{
	static const int bytes[] = { -200, -4, 0, 1, 20 };
	struct datapath *dp;
	struct sk_buff *skb;
	u32 i;

	dp = with_prog(test, NULL);
	for (i = 0; i < ARRAY_SIZE(bytes); i++) {
		rcu_assign_pointer(dp->nv->xdp_prog,
				   moved(test, XDP_PASS, bytes[i]));
		receive(dp, LEN, 3, -1);
		skb = __skb_dequeue(&dp->frames);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		skb_push(skb, ETH_HLEN);
		KUNIT_EXPECT_EQ(test, skb->len, LEN - bytes[i]);
		if (bytes[i] <= 0)
			KUNIT_EXPECT_TRUE(test, datapath_filled(skb->data - bytes[i],
								LEN, 3));
		KUNIT_EXPECT_EQ(test, skb_metadata_len(skb), 0);
		kfree_skb(skb);
	}
	datapath_settle(dp);
}

/* Frames that are sent back */

static void xdp_tx(struct kunit *test)
{
	static const u32 lens[] = {
		ETH_HLEN, 60, LEN, 1514, ONE_PIECE, ONE_PIECE + 1,
		DATAPATH_TX_SECTION - 44, BIG, MTU + ETH_HLEN,
	};
	struct datapath *dp = with_prog(test, verdict(test, XDP_TX, true));
	u32 i, len;

	for (i = 0; i < 2 * ARRAY_SIZE(lens); i++) {
		len = lens[i / 2];
		receive(dp, len, len, i % 2 ? 5 : -1);
		expect_sent(dp, len, len, 0, i % 2 ? 5 : -1);
		dp->accepted++;
		datapath_complete_all(dp);
	}
	expect_nothing(dp);
	expect_counts(dp, 0, i, i);
	datapath_settle(dp);
}

/* A TCP segment of a guest on the same host, which has left the sums away [3.4] */
static void put_unsummed(struct datapath *dp, u32 len, bool v6)
{
	u8 *ip = put_info(dp, len, len, 0, RNDIS_RX_CSUM_TCP_GOOD |
			  RNDIS_RX_CSUM_TCP_INVALID | RNDIS_RX_CSUM_IP_GOOD |
			  RNDIS_RX_CSUM_IP_INVALID) + ETH_HLEN;

	len -= ETH_HLEN;
	put_unaligned_be16(v6 ? ETH_P_IPV6 : ETH_P_IP, ip - 2);
	if (v6) {
		put_unaligned_be32(0x60000000, ip);
		put_unaligned_be16(len - sizeof(struct ipv6hdr), ip + 4);
		ip[6] = IPPROTO_TCP;
	} else {
		ip[0] = 0x46;
		put_unaligned_be16(len, ip + 2);
		put_unaligned_be16(0, ip + 6);
		ip[9] = IPPROTO_TCP;
	}
}

static void expect_sums(struct kunit *test, const u8 *ip, u32 len, bool v6)
{
	u32 head = v6 ? sizeof(struct ipv6hdr) : 24;
	__wsum sum = csum_partial(ip + head, len - head, 0);
	__sum16 whole;

	if (v6) {
		whole = csum_ipv6_magic((const void *)(ip + 8),
					(const void *)(ip + 24), len - head,
					IPPROTO_TCP, sum);
	} else {
		KUNIT_EXPECT_EQ(test, (__force u16)ip_fast_csum(ip, 6), 0);
		whole = csum_tcpudp_magic(*(const __be32 *)(ip + 12),
					  *(const __be32 *)(ip + 16),
					  len - head, IPPROTO_TCP, sum);
	}
	KUNIT_EXPECT_EQ_MSG(test, (__force u16)whole, 0, "frame of %u bytes",
			    len + ETH_HLEN);
}

/* Whoever sends it on makes them; and it is not to be read behind what is no segment */
static void xdp_tx_sums(struct kunit *test)
{
	static const u32 lens[] = {
		ETH_HLEN + 60, LEN, LEN + 1, 1514, ONE_PIECE, ONE_PIECE + 1,
		BIG, BIG + 1, MTU + ETH_HLEN,
	};
	struct datapath *dp = with_prog(test, verdict(test, XDP_TX, true));
	struct datapath_frame frame = {};
	u32 i, len;

	for (i = 0; i < 2 * ARRAY_SIZE(lens); i++) {
		len = lens[i / 2];
		put_unsummed(dp, len, i & 1);
		KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 1);
		KUNIT_ASSERT_TRUE(test, datapath_frame(dp, datapath_sent(dp, 0),
						       0, &frame));
		KUNIT_EXPECT_EQ(test, frame.len, len);
		expect_sums(test, frame.data + ETH_HLEN, len - ETH_HLEN, i & 1);
		dp->accepted++;
		datapath_complete_all(dp);
	}
	for (len = ETH_HLEN; len < ETH_HLEN + 60; len++) {
		put_info(dp, len, len, 0, RNDIS_RX_CSUM_TCP_GOOD |
			 RNDIS_RX_CSUM_TCP_INVALID);
		put_unaligned_be16(len & 1 ? ETH_P_IP : ETH_P_IPV6,
				   dp->nv->bufs->rx.base + 60 + 12);
		KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 1);
		dp->accepted++;
		datapath_complete_all(dp);
	}
	datapath_settle(dp);
}

/* What is kept until the host is done with it does not grow without end */
static void xdp_tx_memory(struct kunit *test)
{
	struct datapath *dp = with_prog(test, verdict(test, XDP_TX, true));
	u32 i, taken = 0;

	for (i = 0; i < 600; i++) {
		if (i == 100)
			taken = pages(dp);
		receive(dp, i % 2 ? LEN : BIG, i, -1);
		dp->accepted++;
		datapath_complete_all(dp);
	}
	KUNIT_EXPECT_LE(test, pages(dp), taken + 64);
	datapath_settle(dp);
}

/* A poll's frames go in messages of several, and none waits behind it */
static void xdp_tx_batch(struct kunit *test)
{
	struct datapath *dp = with_prog(test, verdict(test, XDP_TX, false));
	u32 i, n = 0;
	struct datapath_sent *sent;
	struct datapath_frame frame;

	for (i = 0; i < 20; i++)
		put(dp, LEN, 7, -1);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 20);
	list_for_each_entry(sent, &dp->sent, node)
		for (i = 0; datapath_frame(dp, sent, i, &frame); i++)
			n++;
	KUNIT_EXPECT_EQ(test, n, 20);
	KUNIT_EXPECT_EQ(test, dp->nsent, 3);	/* 8 at most, says the session */
	dp->accepted = 20;
	datapath_settle(dp);
}

/* The longest frame is what the MTU lets others send */
static void xdp_tx_too_long(struct kunit *test)
{
	struct datapath *dp = with_prog(test, verdict(test, XDP_TX, true));

	receive(dp, MTU + ETH_HLEN + 1, 0, -1);
	rcu_assign_pointer(dp->nv->xdp_prog, moved(test, XDP_TX, LEN - 13));
	receive(dp, LEN, 0, -1);
	expect_nothing(dp);
	expect_counts(dp, 2, 0, 0);
	datapath_settle(dp);
}

static void xdp_tx_full(struct kunit *test)
{
	struct datapath *dp = with_prog(test, verdict(test, XDP_TX, true));
	u32 i, sent;

	dp->send_error = -EAGAIN;
	dp->send_errors = -1;
	for (i = 0; i < 50; i++)
		receive(dp, i % 2 ? LEN : BIG, i, -1);
	dp->send_errors = 0;
	datapath_poll(dp, 0, 64);
	sent = u64_stats_read(&chan(dp)->rx_stats.xdp_tx);
	KUNIT_EXPECT_LT(test, sent, 25);	/* what is in the batch */
	expect_counts(dp, 50 - sent, sent, sent);
	dp->accepted = sent;
	datapath_settle(dp);
}

/* A host that completes nothing: requests come to an end */
static void xdp_tx_requests(struct kunit *test)
{
	struct datapath *dp = with_prog(test, verdict(test, XDP_TX, true));
	u32 i, sent;

	for (i = 0; i < NETVSC_REQS + 100; i++)
		receive(dp, BIG, i, -1);
	sent = u64_stats_read(&chan(dp)->rx_stats.xdp_tx);
	KUNIT_EXPECT_GE(test, sent, NETVSC_REQS - 1);
	KUNIT_EXPECT_LE(test, sent, NETVSC_REQS);
	expect_counts(dp, i - sent, sent, sent);
	KUNIT_EXPECT_EQ(test, dp->nsent, sent);
	dp->accepted = sent;
	datapath_settle(dp);
}

/* An error for which there is no second try */
static void xdp_tx_error(struct kunit *test)
{
	struct datapath *dp = with_prog(test, verdict(test, XDP_TX, true));

	dp->send_error = -ENODEV;
	dp->send_errors = 1;
	receive(dp, BIG, 0, -1);
	receive(dp, BIG, 0, -1);
	expect_counts(dp, 1, 1, 1);
	dp->accepted = 1;
	datapath_settle(dp);
}

/* While queues are stopped for a change of the configuration */
static void xdp_tx_stopped(struct kunit *test)
{
	struct datapath *dp = with_prog(test, verdict(test, XDP_TX, true));

	rtnl_lock();
	netvsc_tx_stop(dp->nv);
	rtnl_unlock();
	receive(dp, LEN, 0, -1);
	receive(dp, BIG, 0, -1);
	expect_nothing(dp);
	expect_counts(dp, 2, 0, 0);
	netvsc_tx_start(dp->nv);
	netvsc_tx_set_link(dp->nv, true);
	receive(dp, LEN, 0, -1);
	expect_counts(dp, 2, 1, 1);
	dp->accepted = 1;
	datapath_settle(dp);
}

/* netpoll must not give back memory; what it completes stays until a poll may */
static void xdp_tx_late(struct kunit *test)
{
	const struct nvsp_msg_rndis_complete done = {
		.type = cpu_to_le32(NVSP_RNDIS_PACKET_COMPLETE),
		.status = cpu_to_le32(NVSP_STATUS_SUCCESS),
	};
	struct datapath *dp = with_prog(test, verdict(test, XDP_TX, true));
	u32 i;

	for (i = 0; i < 3; i++)
		receive(dp, BIG, i, -1);
	for (i = 0; i < 3; i++)
		datapath_put(dp, 0, VM_PKT_COMP, 0, datapath_sent(dp, i)->id,
			     NULL, 0, &done, sizeof(done));
	datapath_forget(dp);
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 0), 0);
	KUNIT_EXPECT_NOT_NULL(test, chan(dp)->rx.late);
	KUNIT_EXPECT_TRUE(test, dp->retry);
	KUNIT_EXPECT_TRUE(test, netvsc_tx_idle(chan(dp)));
	KUNIT_EXPECT_EQ(test, datapath_poll(dp, 0, 64), 0);
	KUNIT_EXPECT_NULL(test, chan(dp)->rx.late);
	dp->accepted = 3;
	datapath_settle(dp);
}

/* Frames of others */

/* In a page of its own, of which the test has a reference, too */
static struct xdp_frame *frame_new(struct kunit *test, u32 len, u32 seed)
{
	struct page *page = alloc_page(GFP_KERNEL);
	struct xdp_frame *xdpf;

	KUNIT_ASSERT_NOT_NULL(test, page);
	get_page(page);
	xdpf = page_address(page);
	memset(xdpf, 0, sizeof(*xdpf));
	xdpf->data = page_address(page) + XDP_PACKET_HEADROOM;
	xdpf->len = len;
	xdpf->headroom = XDP_PACKET_HEADROOM - sizeof(*xdpf);
	xdpf->frame_sz = PAGE_SIZE;
	xdpf->mem.type = MEM_TYPE_PAGE_ORDER0;
	datapath_fill(xdpf->data, len, seed);
	return xdpf;
}

/* Is it ours alone? */
static bool frame_is_back(struct xdp_frame *xdpf)
{
	return page_count(virt_to_page(xdpf)) == 1;
}

static int xmit(struct datapath *dp, struct xdp_frame **frames, u32 count, u32 flags)
{
	int sent;

	local_bh_disable();
	sent = netvsc_xdp_xmit(dp->ndev, count, frames, flags);
	local_bh_enable();
	if (sent > 0)
		dp->accepted += sent;
	return sent;
}

#define FRAMES	16

/* Expect that the first were taken, and give back all */
static void xmit_end(struct datapath *dp, struct xdp_frame **frames, u32 taken)
{
	u32 i;

	datapath_settle(dp);
	KUNIT_EXPECT_EQ(dp->test, u64_stats_read(&chan(dp)->tx_stats.xdp_xmit), taken);
	for (i = 0; i < FRAMES; i++) {
		KUNIT_EXPECT_EQ_MSG(dp->test, frame_is_back(frames[i]), i < taken,
				    "frame %u of which %u were taken", i, taken);
		if (i >= taken)
			put_page(virt_to_page(frames[i]));
		put_page(virt_to_page(frames[i]));
	}
}

static void frames_new(struct kunit *test, struct xdp_frame **frames, u32 len)
{
	u32 i;

	for (i = 0; i < FRAMES; i++)
		frames[i] = frame_new(test, len, i);
}

/* They are too long for a section: all are sent, and go from where they lie */
static struct datapath *xmit_from_pages(struct kunit *test, struct xdp_frame **frames)
{
	struct datapath *dp = with_prog(test, NULL);

	dp->nv->sess.tx_section_size = 1024;
	frames_new(test, frames, 1514);
	KUNIT_EXPECT_EQ(test, xmit(dp, frames, FRAMES, XDP_XMIT_FLUSH), FRAMES);
	KUNIT_EXPECT_EQ(test, dp->nsent, FRAMES);
	return dp;
}

static void xmit_all(struct kunit *test)
{
	struct datapath *dp = with_prog(test, NULL);
	struct xdp_frame *frames[FRAMES];
	struct datapath_frame frame;
	struct datapath_sent *sent;
	u32 i, n = 0;

	frames_new(test, frames, LEN);
	KUNIT_EXPECT_EQ(test, xmit(dp, frames, FRAMES, XDP_XMIT_FLUSH), FRAMES);
	list_for_each_entry(sent, &dp->sent, node)
		for (i = 0; datapath_frame(dp, sent, i, &frame); i++)
			KUNIT_EXPECT_TRUE(test, datapath_filled(frame.data, LEN, n++));
	KUNIT_EXPECT_EQ(test, n, FRAMES);
	KUNIT_EXPECT_EQ(test, dp->nsent, 2);
	xmit_end(dp, frames, FRAMES);
}

/* The call that would say that no more come may not be made */
static void xmit_no_flush(struct kunit *test)
{
	struct datapath *dp = with_prog(test, NULL);
	struct xdp_frame *frames[FRAMES];

	frames_new(test, frames, LEN);
	KUNIT_EXPECT_EQ(test, xmit(dp, frames, 3, 0), 3);
	KUNIT_EXPECT_EQ(test, dp->nsent, 1);
	KUNIT_EXPECT_EQ(test, xmit(dp, frames + 3, 1, XDP_XMIT_FLUSH), 1);
	KUNIT_EXPECT_EQ(test, dp->nsent, 2);
	xmit_end(dp, frames, 4);
}

static void xmit_refused(struct kunit *test)
{
	struct datapath *dp = with_prog(test, NULL);
	struct xdp_frame *frames[FRAMES];

	frames_new(test, frames, LEN);
	KUNIT_EXPECT_EQ(test, xmit(dp, frames, FRAMES, XDP_XMIT_FLUSH << 1), -EINVAL);
	rtnl_lock();
	netvsc_tx_stop(dp->nv);
	rtnl_unlock();
	KUNIT_EXPECT_LE(test, xmit(dp, frames, FRAMES, XDP_XMIT_FLUSH), 0);
	netvsc_tx_start(dp->nv);
	netvsc_tx_set_link(dp->nv, true);
	expect_nothing(dp);
	xmit_end(dp, frames, 0);
}

/* A tag of 802.1ad stays in the frame, whose length may be more by it */
static void xmit_stag(struct kunit *test)
{
	struct datapath *dp = with_prog(test, NULL);
	struct xdp_frame *frames[FRAMES];
	struct ethhdr *eth;
	u32 i;

	dp->ndev->mtu = 1500;
	frames_new(test, frames, 1514 + VLAN_HLEN);
	for (i = 0; i < 3; i++) {
		eth = frames[i]->data;
		eth->h_proto = htons(ETH_P_8021AD);
	}
	frames[2]->len++;
	KUNIT_EXPECT_EQ(test, xmit(dp, frames, FRAMES, XDP_XMIT_FLUSH), 2);
	xmit_end(dp, frames, 2);
}

/* The first that does not fit ends it: those behind it stay the caller's */
static void xmit_too_long(struct kunit *test)
{
	struct datapath *dp = with_prog(test, NULL);
	struct xdp_frame *frames[FRAMES];

	dp->ndev->mtu = 1500;
	frames_new(test, frames, 1514);
	frames[5]->len++;
	KUNIT_EXPECT_EQ(test, xmit(dp, frames, FRAMES, XDP_XMIT_FLUSH), 5);
	xmit_end(dp, frames, 5);
}

/* Those that go from where they lie are free when the host is done with them */
static void xmit_pages(struct kunit *test)
{
	struct xdp_frame *frames[FRAMES];
	struct datapath *dp = xmit_from_pages(test, frames);
	u32 i;

	for (i = 0; i < FRAMES; i++)
		KUNIT_EXPECT_FALSE(test, frame_is_back(frames[i]));
	xmit_end(dp, frames, FRAMES);
}

static void xmit_full(struct kunit *test)
{
	struct datapath *dp = with_prog(test, NULL);
	struct xdp_frame *frames[FRAMES];

	dp->nv->sess.tx_section_size = 1024;
	frames_new(test, frames, 1514);
	KUNIT_EXPECT_EQ(test, xmit(dp, frames, 6, XDP_XMIT_FLUSH), 6);
	dp->send_error = -EAGAIN;
	dp->send_errors = -1;
	KUNIT_EXPECT_EQ(test, xmit(dp, frames + 6, FRAMES - 6, XDP_XMIT_FLUSH), 0);
	dp->send_errors = 0;
	xmit_end(dp, frames, 6);
}

/* A tag in the frame is told beside it */
static void xmit_tag(struct kunit *test)
{
	struct datapath *dp = with_prog(test, NULL);
	struct xdp_frame *frames[FRAMES];
	struct vlan_ethhdr *vlan;

	frames_new(test, frames, LEN);
	vlan = frames[0]->data;
	vlan->h_vlan_proto = htons(ETH_P_8021Q);
	vlan->h_vlan_TCI = htons(0x6005);
	KUNIT_EXPECT_EQ(test, xmit(dp, frames, 1, XDP_XMIT_FLUSH), 1);
	expect_sent(dp, LEN - VLAN_HLEN, 0, 2 * ETH_ALEN, 0x53);	/* [3.4] */
	xmit_end(dp, frames, 1);
}

/* The interface goes while frames are under way: they are given back */
static void xmit_release(struct kunit *test)
{
	struct xdp_frame *frames[FRAMES];
	struct datapath *dp = xmit_from_pages(test, frames);
	u32 i;

	rtnl_lock();
	netvsc_tx_stop(dp->nv);
	rtnl_unlock();
	datapath_forget(dp);
	netvsc_tx_release(chan(dp));
	KUNIT_EXPECT_EQ(test, u64_stats_read(&chan(dp)->tx_stats.dropped), FRAMES);
	for (i = 0; i < FRAMES; i++) {
		KUNIT_EXPECT_TRUE(test, frame_is_back(frames[i]));
		put_page(virt_to_page(frames[i]));
	}
}

/* What the host says of a frame */

static void xdp_metadata(struct kunit *test)
{
	struct netvsc_frame frame = {};
	const struct xdp_md *ctx = (const void *)&frame.xdp;
	struct ethhdr eth = { .h_proto = htons(ETH_P_IPV6) };
	enum xdp_rss_hash_type type;
	__be16 proto;
	u32 hash;
	u16 tci;

	frame.xdp.data = &eth;
	frame.xdp.data_end = &eth + 1;
	KUNIT_EXPECT_EQ(test, netvsc_xdp_metadata_ops.xmo_rx_hash(ctx, &hash, &type),
			-ENODATA);
	KUNIT_EXPECT_EQ(test, netvsc_xdp_metadata_ops.xmo_rx_vlan_tag(ctx, &proto, &tci),
			-ENODATA);
	frame.desc = (struct rndis_rx_desc) {
		.infos = RNDIS_INFO_HASH | RNDIS_INFO_VLAN,
		.hash = 0x12345678,
		.vlan_tci = 0xe005,
	};
	KUNIT_EXPECT_EQ(test, netvsc_xdp_metadata_ops.xmo_rx_vlan_tag(ctx, &proto, &tci),
			0);
	KUNIT_EXPECT_EQ(test, ntohs(proto), ETH_P_8021Q);
	KUNIT_EXPECT_EQ(test, tci, 0xe005);
	KUNIT_EXPECT_EQ(test, netvsc_xdp_metadata_ops.xmo_rx_hash(ctx, &hash, &type), 0);
	KUNIT_EXPECT_EQ(test, hash, 0x12345678);
	KUNIT_EXPECT_EQ(test, type, XDP_RSS_TYPE_L3_IPV6);
	eth.h_proto = htons(ETH_P_IP);
	KUNIT_EXPECT_EQ(test, netvsc_xdp_metadata_ops.xmo_rx_hash(ctx, &hash, &type), 0);
	KUNIT_EXPECT_EQ(test, type, XDP_RSS_TYPE_L3_IPV4);
	frame.desc.infos |= RNDIS_INFO_CSUM;
	frame.desc.csum = RNDIS_RX_CSUM_TCP_GOOD;
	KUNIT_EXPECT_EQ(test, netvsc_xdp_metadata_ops.xmo_rx_hash(ctx, &hash, &type), 0);
	KUNIT_EXPECT_EQ(test, type, XDP_RSS_TYPE_L4_ANY);
	/* a program may have cut the frame to nothing */
	frame.desc.csum = 0;
	frame.xdp.data_end = frame.xdp.data;
	KUNIT_EXPECT_EQ(test, netvsc_xdp_metadata_ops.xmo_rx_hash(ctx, &hash, &type), 0);
	KUNIT_EXPECT_EQ(test, type, XDP_RSS_TYPE_NONE);
}

static struct kunit_case bpf_cases[] = {
	KUNIT_CASE_PARAM(xdp_check, check_gen_params),
	KUNIT_CASE(xdp_config),
	KUNIT_CASE(xdp_lro),
	KUNIT_CASE(xdp_refs),
	KUNIT_CASE(xdp_pass),
	KUNIT_CASE_PARAM(xdp_drop, drop_gen_params),
	KUNIT_CASE(xdp_runts),
	KUNIT_CASE(xdp_too_long),
	KUNIT_CASE(xdp_frags),
	KUNIT_CASE(xdp_moved),
	KUNIT_CASE(xdp_tx),
	KUNIT_CASE(xdp_tx_sums),
	KUNIT_CASE(xdp_tx_memory),
	KUNIT_CASE(xdp_tx_batch),
	KUNIT_CASE(xdp_tx_too_long),
	KUNIT_CASE(xdp_tx_full),
	KUNIT_CASE(xdp_tx_requests),
	KUNIT_CASE(xdp_tx_error),
	KUNIT_CASE(xdp_tx_stopped),
	KUNIT_CASE(xdp_tx_late),
	KUNIT_CASE(xmit_all),
	KUNIT_CASE(xmit_no_flush),
	KUNIT_CASE(xmit_refused),
	KUNIT_CASE(xmit_stag),
	KUNIT_CASE(xmit_too_long),
	KUNIT_CASE(xmit_pages),
	KUNIT_CASE(xmit_full),
	KUNIT_CASE(xmit_tag),
	KUNIT_CASE(xmit_release),
	KUNIT_CASE(xdp_metadata),
	{}
};

static struct kunit_suite bpf_suite = {
	.name = "hv_netvsc_bpf",
	.test_cases = bpf_cases,
};

kunit_test_suite(bpf_suite);
