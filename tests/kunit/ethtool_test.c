// SPDX-License-Identifier: GPL-2.0-only
/*
 * Statistics and ethtool: names and order of the counters and which of ours each
 * shows, queue statistics, and the fields that flows are hashed by.
 */
#include <kunit/static_stub.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <net/netdev_queues.h>

#include "../../netvsc_ethtool.h"
#include "../../netvsc_vmbus.h"
#include "datapath.h"

/* The counters: each channel's of all kinds have another value */

static const size_t counters[] = {
	offsetof(struct netvsc_chan, tx_stats.scattered),
	offsetof(struct netvsc_chan, tx_stats.no_memory),
	offsetof(struct netvsc_chan, tx_stats.no_space),
	offsetof(struct netvsc_chan, tx_stats.too_big),
	offsetof(struct netvsc_chan, tx_stats.busy),
	offsetof(struct netvsc_chan, tx_stats.send_full),
	offsetof(struct netvsc_chan, tx_stats.stop_queue),
	offsetof(struct netvsc_chan, tx_stats.wake_queue),
	offsetof(struct netvsc_chan, tx_stats.vlan_error),
	offsetof(struct netvsc_chan, tx_stats.dropped),
	offsetof(struct netvsc_chan, done_stats.packets),
	offsetof(struct netvsc_chan, done_stats.bytes),
	offsetof(struct netvsc_chan, done_stats.failed),
	offsetof(struct netvsc_chan, done_stats.strays),
	offsetof(struct netvsc_chan, rx_stats.packets),
	offsetof(struct netvsc_chan, rx_stats.bytes),
	offsetof(struct netvsc_chan, rx_stats.multicast),
	offsetof(struct netvsc_chan, rx_stats.no_memory),
	offsetof(struct netvsc_chan, rx_stats.length_errors),
	offsetof(struct netvsc_chan, rx_stats.refused),
	offsetof(struct netvsc_chan, rx_stats.early),
	offsetof(struct netvsc_chan, rx_stats.comp_busy),
};

static u64 counter(u32 channel, size_t offset)
{
	return (offset + 1) << (16 * channel);
}

static void count(struct datapath *dp)
{
	u32 i, n;

	for (i = 0; i < dp->nv->nchans_made; i++)
		for (n = 0; n < ARRAY_SIZE(counters); n++)
			u64_stats_set((void *)dp->nv->chans[i] + counters[n],
				      counter(i, counters[n]));
}

/* ethtool -S */

/**
 * struct line - a line of ethtool -S
 * @name: may be a format
 * @counter: its offset in struct netvsc_chan; 0: nothing counts it
 */
struct line {
	const char *name;
	size_t counter;
};

#define STAT(_name, _counter) { _name, offsetof(struct netvsc_chan, _counter) }

static const struct line device_stats[] = {
	STAT("tx_scattered", tx_stats.scattered),
	STAT("tx_no_memory", tx_stats.no_memory),
	STAT("tx_no_space", tx_stats.no_space),
	STAT("tx_too_big", tx_stats.too_big),
	STAT("tx_busy", tx_stats.busy),
	STAT("tx_send_full", tx_stats.send_full),
	STAT("rx_comp_busy", rx_stats.comp_busy),
	STAT("rx_no_memory", rx_stats.no_memory),
	STAT("stop_queue", tx_stats.stop_queue),
	STAT("wake_queue", tx_stats.wake_queue),
	STAT("vlan_error", tx_stats.vlan_error),
	{ "vf_rx_packets" },
	{ "vf_rx_bytes" },
	{ "vf_tx_packets" },
	{ "vf_tx_bytes" },
	{ "vf_tx_dropped" },
};

static const struct line queue_stats[] = {
	STAT("tx_queue_%u_packets", done_stats.packets),
	STAT("tx_queue_%u_bytes", done_stats.bytes),
	{ "tx_queue_%u_xdp_xmit" },
	STAT("rx_queue_%u_packets", rx_stats.packets),
	STAT("rx_queue_%u_bytes", rx_stats.bytes),
	{ "rx_queue_%u_xdp_drop" },
	{ "rx_queue_%u_xdp_redirect" },
	{ "rx_queue_%u_xdp_tx" },
};

static const struct line cpu_stats[] = {
	STAT("cpu%u_rx_packets", rx_stats.packets),
	STAT("cpu%u_rx_bytes", rx_stats.bytes),
	STAT("cpu%u_tx_packets", done_stats.packets),
	STAT("cpu%u_tx_bytes", done_stats.bytes),
	{ "cpu%u_vf_rx_packets" },
	{ "cpu%u_vf_rx_bytes" },
	{ "cpu%u_vf_tx_packets" },
	{ "cpu%u_vf_tx_bytes" },
};

/* What ethtool -S shows, and how far it has been looked at */
struct shown {
	struct kunit *test;
	u32 count;
	u32 at;
	char (*names)[ETH_GSTRING_LEN];
	u64 *values;
};

static void show(struct datapath *dp, struct shown *shown)
{
	const struct ethtool_ops *ops = &netvsc_ethtool_ops;
	struct ethtool_stats stats = {};

	rtnl_lock();
	stats.n_stats = ops->get_sset_count(dp->ndev, ETH_SS_STATS);
	shown->test = dp->test;
	shown->count = stats.n_stats;
	shown->at = 0;
	shown->names = kunit_kcalloc(dp->test, stats.n_stats, ETH_GSTRING_LEN,
				     GFP_KERNEL);
	shown->values = kunit_kcalloc(dp->test, stats.n_stats, sizeof(u64),
				      GFP_KERNEL);
	if (shown->names && shown->values) {
		ops->get_strings(dp->ndev, ETH_SS_STATS, (u8 *)shown->names);
		ops->get_ethtool_stats(dp->ndev, &stats, shown->values);
	}
	rtnl_unlock();
	KUNIT_ASSERT_NOT_NULL(dp->test, shown->names);
	KUNIT_ASSERT_NOT_NULL(dp->test, shown->values);
}

/* The next one, of channels that have a bit in @channels */
static void expect_stat(struct shown *shown, const struct line *stat, u32 number,
			u32 channels)
{
	char name[ETH_GSTRING_LEN];
	u64 value = 0;
	u32 i;

	KUNIT_ASSERT_LT(shown->test, shown->at, shown->count);
	snprintf(name, sizeof(name), stat->name, number);
	KUNIT_EXPECT_STREQ(shown->test, shown->names[shown->at], name);
	for (i = 0; i < DATAPATH_CHANS; i++)
		if (stat->counter && (channels & BIT(i)))
			value += counter(i, stat->counter);
	KUNIT_EXPECT_EQ_MSG(shown->test, shown->values[shown->at], value, "%s", name);
	shown->at++;
}

/* Channels are for processors 0 and 1 in turn; those that were closed count for
 * the primary's
 */
static u32 channels_of(u32 cpu, u32 made, u32 used)
{
	u32 i, found = 0;

	for (i = 0; i < made; i++)
		if ((i < used ? i & 1 : 0) == cpu)
			found |= BIT(i);
	return found;
}

static u32 cpu_of(const struct vmbus_channel *chn)
{
	return chn->target_cpu;
}

static void expect_stats(struct datapath *dp, u32 used)
{
	u32 i, n, made = dp->nv->nchans_made;
	struct shown shown;

	dp->nv->nchans = used;
	show(dp, &shown);
	KUNIT_EXPECT_EQ(dp->test, shown.count,
			11 + 5 + 8 * used + 8 * num_present_cpus());
	for (n = 0; n < ARRAY_SIZE(device_stats); n++)
		expect_stat(&shown, &device_stats[n], 0, GENMASK(made - 1, 0));
	for (i = 0; i < used; i++)
		for (n = 0; n < ARRAY_SIZE(queue_stats); n++)
			expect_stat(&shown, &queue_stats[n], i, BIT(i));
	for_each_present_cpu(i)
		for (n = 0; n < ARRAY_SIZE(cpu_stats); n++)
			expect_stat(&shown, &cpu_stats[n], i,
				    channels_of(i, made, used));
	KUNIT_EXPECT_EQ(dp->test, shown.at, shown.count);
	dp->nv->nchans = made;
}

static void stats_are(struct kunit *test, u32 made, u32 used)
{
	struct datapath *dp = datapath_new(test, made);
	struct hv_device *hdev = kunit_kzalloc(test, sizeof(*hdev), GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, hdev);
	kunit_activate_static_stub(test, netvsc_vmbus_cpu, cpu_of);
	for (i = 0; i < made; i++)
		dp->chns[i].target_cpu = i & 1;
	hdev->channel = &dp->chns[0];
	dp->nv->hdev = hdev;
	count(dp);
	expect_stats(dp, used);
}

static void stats_1(struct kunit *test)
{
	stats_are(test, 1, 1);
}

static void stats_4(struct kunit *test)
{
	stats_are(test, 4, 4);
}

static void stats_closed(struct kunit *test)
{
	stats_are(test, 4, 2);
}

static u64 shown_value(const struct shown *shown, const char *name)
{
	u32 i;

	for (i = 0; i < shown->count; i++)
		if (!strcmp(shown->names[i], name))
			return shown->values[i];
	KUNIT_FAIL(shown->test, "no %s", name);
	return 0;
}

static void set_vf_stats(struct datapath *dp, u32 cpu, u64 first)
{
	struct netvsc_vf_stats *stats = per_cpu_ptr(dp->nv->vf.stats, cpu);

	u64_stats_set(&stats->rx_packets, first);
	u64_stats_set(&stats->rx_bytes, first + 1);
	u64_stats_set(&stats->tx_packets, first + 2);
	u64_stats_set(&stats->tx_bytes, first + 3);
	u64_stats_set(&stats->tx_dropped, first + 4);
}

/* What went by the VF: of all processors, of each; 64 bits of everything */
static void stats_vf(struct kunit *test)
{
	const u64 first = 5ULL << 32, second = 7ULL << 40;
	struct datapath *dp = datapath_new(test, 1);
	struct rtnl_link_stats64 totals = {};
	struct shown shown;

	set_vf_stats(dp, 0, first);
	set_vf_stats(dp, 1, second);
	show(dp, &shown);
	KUNIT_EXPECT_EQ(test, shown_value(&shown, "vf_rx_packets"), first + second);
	KUNIT_EXPECT_EQ(test, shown_value(&shown, "vf_rx_bytes"), first + second + 2);
	KUNIT_EXPECT_EQ(test, shown_value(&shown, "vf_tx_packets"), first + second + 4);
	KUNIT_EXPECT_EQ(test, shown_value(&shown, "vf_tx_bytes"), first + second + 6);
	KUNIT_EXPECT_EQ(test, shown_value(&shown, "vf_tx_dropped"), first + second + 8);
	KUNIT_EXPECT_EQ(test, shown_value(&shown, "cpu0_vf_rx_packets"), first);
	KUNIT_EXPECT_EQ(test, shown_value(&shown, "cpu1_vf_tx_bytes"), second + 3);
	KUNIT_EXPECT_EQ(test, shown_value(&shown, "cpu1_rx_bytes"), second + 1);
	netvsc_get_stats64(dp->ndev, &totals);
	KUNIT_EXPECT_EQ(test, totals.rx_packets, first + second);
	KUNIT_EXPECT_EQ(test, totals.tx_bytes, first + second + 6);
	KUNIT_EXPECT_EQ(test, totals.tx_dropped, first + second + 8);
}

static void stats_without_session(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 1);

	dp->nv->state = NETVSC_DEAD;
	rtnl_lock();
	KUNIT_EXPECT_EQ(test, netvsc_ethtool_ops.get_sset_count(dp->ndev, ETH_SS_STATS),
			-ENODEV);
	dp->nv->state = NETVSC_RUNNING;
	KUNIT_EXPECT_EQ(test, netvsc_ethtool_ops.get_sset_count(dp->ndev, ETH_SS_TEST),
			-EOPNOTSUPP);
	rtnl_unlock();
}

/* Queue statistics of netdev-genl */

#define OF(_counter)	offsetof(struct netvsc_chan, _counter)

static u64 total(const struct datapath *dp, size_t offset)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < dp->nv->nchans_made; i++)
		sum += counter(i, offset);
	return sum;
}

static void expect_rx(struct kunit *test, const struct netdev_queue_stats_rx *rx,
		      u64 packets, u64 bytes, u64 alloc_fail)
{
	struct netdev_queue_stats_rx want;

	memset(&want, 0xff, sizeof(want));	/* is not told */
	want.packets = packets;
	want.bytes = bytes;
	want.alloc_fail = alloc_fail;
	KUNIT_EXPECT_MEMEQ(test, rx, &want, sizeof(want));
}

static void expect_tx(struct kunit *test, const struct netdev_queue_stats_tx *tx,
		      u64 packets, u64 bytes, u64 drops, u64 stop, u64 wake)
{
	struct netdev_queue_stats_tx want;

	memset(&want, 0xff, sizeof(want));
	want.packets = packets;
	want.bytes = bytes;
	want.hw_drops = drops;
	want.stop = stop;
	want.wake = wake;
	KUNIT_EXPECT_MEMEQ(test, tx, &want, sizeof(want));
}

static void queue_stats_of_one(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 4);
	struct netdev_queue_stats_rx rx;
	struct netdev_queue_stats_tx tx;
	u32 i;

	count(dp);
	for (i = 0; i < 4; i++) {
		memset(&rx, 0xff, sizeof(rx));
		memset(&tx, 0xff, sizeof(tx));
		netvsc_stat_ops.get_queue_stats_rx(dp->ndev, i, &rx);
		netvsc_stat_ops.get_queue_stats_tx(dp->ndev, i, &tx);
		expect_rx(test, &rx, counter(i, OF(rx_stats.packets)),
			  counter(i, OF(rx_stats.bytes)),
			  counter(i, OF(rx_stats.no_memory)));
		expect_tx(test, &tx, counter(i, OF(done_stats.packets)),
			  counter(i, OF(done_stats.bytes)),
			  counter(i, OF(done_stats.failed)),
			  counter(i, OF(tx_stats.stop_queue)),
			  counter(i, OF(tx_stats.wake_queue)));
	}
}

/* Base and queues in use, as the core sums them up, and what ip -s link tells */
static void queue_stats_of_all(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 4);
	struct rtnl_link_stats64 link = {};
	struct netdev_queue_stats_rx rx;
	struct netdev_queue_stats_tx tx;
	u32 used;

	count(dp);
	dp->ndev->stat_ops = &netvsc_stat_ops;
	netvsc_get_stats64(dp->ndev, &link);
	for (used = 1; used <= 4; used++) {
		dp->ndev->real_num_rx_queues = used;
		dp->ndev->real_num_tx_queues = used;
		memset(&rx, 0xff, sizeof(rx));
		memset(&tx, 0xff, sizeof(tx));
		rtnl_lock();
		netvsc_stat_ops.get_base_stats(dp->ndev, &rx, &tx);
		netdev_stat_queue_sum(dp->ndev, 0, used, &rx, 0, used, &tx);
		rtnl_unlock();
		expect_rx(test, &rx, link.rx_packets, link.rx_bytes,
			  total(dp, OF(rx_stats.no_memory)));
		expect_tx(test, &tx, link.tx_packets, link.tx_bytes,
			  link.tx_errors, total(dp, OF(tx_stats.stop_queue)),
			  total(dp, OF(tx_stats.wake_queue)));
	}
	KUNIT_EXPECT_EQ(test, link.rx_packets, total(dp, OF(rx_stats.packets)));
	KUNIT_EXPECT_EQ(test, link.tx_bytes, total(dp, OF(done_stats.bytes)));
}

/* Fields that flows are hashed by */

#define L3	(RXH_IP_SRC | RXH_IP_DST)
#define L4	(L3 | RXH_L4_B_0_1 | RXH_L4_B_2_3)

struct hash_case {
	const char *name;
	u32 flow;
	u64 fields;	/* at first */
	u32 bit;	/* 0: they cannot be changed */
};

static const struct hash_case hash_cases[] = {
	{ "tcp4", TCP_V4_FLOW, L4, NETVSC_HASH_TCP4 },
	{ "tcp6", TCP_V6_FLOW, L4, NETVSC_HASH_TCP6 },
	{ "udp4", UDP_V4_FLOW, L4, NETVSC_HASH_UDP4 },
	{ "udp6", UDP_V6_FLOW, L4, NETVSC_HASH_UDP6 },
	{ "ipv4", IPV4_FLOW, L3 },
	{ "ipv6", IPV6_FLOW, L3 },
	{ "sctp4", SCTP_V4_FLOW },
	{ "sctp6", SCTP_V6_FLOW },
	{ "ah4", AH_V4_FLOW },
	{ "ah6", AH_V6_FLOW },
	{ "ah-esp4", AH_ESP_V4_FLOW },
	{ "ah-esp6", AH_ESP_V6_FLOW },
	{ "esp4", ESP_V4_FLOW },
	{ "esp6", ESP_V6_FLOW },
	{ "ether", ETHER_FLOW },
	{ "gtpu4", GTPU_V4_FLOW },
	{ "none", 0 },
	{ "unknown", U32_MAX },
};

KUNIT_ARRAY_PARAM_DESC(hash, hash_cases, name);

static u64 fields_of(struct datapath *dp, u32 flow)
{
	struct ethtool_rxnfc info = {
		.cmd = ETHTOOL_GRXFH,
		.flow_type = flow,
		.data = U64_MAX,
	};
	int ret;

	rtnl_lock();
	ret = netvsc_ethtool_ops.get_rxnfc(dp->ndev, &info, NULL);
	rtnl_unlock();
	KUNIT_EXPECT_EQ(dp->test, ret, 0);
	return info.data;
}

static int set_fields(struct datapath *dp, u32 flow, u64 fields)
{
	struct ethtool_rxnfc info = {
		.cmd = ETHTOOL_SRXFH,
		.flow_type = flow,
		.data = fields,
	};
	int ret;

	rtnl_lock();
	ret = netvsc_ethtool_ops.set_rxnfc(dp->ndev, &info);
	rtnl_unlock();
	return ret;
}

/* The one that was changed has these fields, all others theirs */
static void expect_fields(struct datapath *dp, u32 changed, u64 fields)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(hash_cases); i++)
		KUNIT_EXPECT_EQ_MSG(dp->test, fields_of(dp, hash_cases[i].flow),
				    hash_cases[i].flow == changed ?
				    fields : hash_cases[i].fields,
				    "%s", hash_cases[i].name);
}

static void hash_fields(struct kunit *test)
{
	const struct hash_case *param = test->param_value;
	struct datapath *dp = datapath_new(test, 1);
	u64 fields, now = param->fields;
	bool may;

	expect_fields(dp, param->flow, now);
	/* each of the fields that there are, in each company */
	for (fields = 0; fields < BIT(9); fields++) {
		may = param->bit && (fields == L3 || fields == L4);
		KUNIT_EXPECT_EQ_MSG(test, set_fields(dp, param->flow, fields),
				    may ? 0 : -EOPNOTSUPP, "fields %#llx", fields);
		if (may)
			now = fields;
		KUNIT_EXPECT_EQ(test, dp->nv->l4_hash,
				now == param->fields ? NETVSC_HASH_ALL :
				NETVSC_HASH_ALL & ~param->bit);
		if (may)
			expect_fields(dp, param->flow, now);
	}
	KUNIT_EXPECT_EQ(test, set_fields(dp, param->flow, L4 | RXH_DISCARD),
			-EOPNOTSUPP);
	expect_fields(dp, param->flow, now);
}

static void other_commands(struct kunit *test)
{
	struct datapath *dp = datapath_new(test, 3);
	struct ethtool_rxnfc info = { .cmd = ETHTOOL_GRXRINGS };
	const struct ethtool_ops *ops = &netvsc_ethtool_ops;

	rtnl_lock();
	KUNIT_EXPECT_EQ(test, ops->get_rxnfc(dp->ndev, &info, NULL), 0);
	KUNIT_EXPECT_EQ(test, info.data, 3);
	for (info.cmd = ETHTOOL_GRXCLSRLCNT; info.cmd <= ETHTOOL_SRXCLSRLINS; info.cmd++) {
		KUNIT_EXPECT_EQ(test, ops->get_rxnfc(dp->ndev, &info, NULL),
				-EOPNOTSUPP);
		KUNIT_EXPECT_EQ(test, ops->set_rxnfc(dp->ndev, &info), -EOPNOTSUPP);
	}
	info.cmd = ETHTOOL_GRXFH;
	dp->nv->state = NETVSC_DOWN;
	KUNIT_EXPECT_EQ(test, ops->get_rxnfc(dp->ndev, &info, NULL), -ENODEV);
	dp->nv->state = NETVSC_RUNNING;
	rtnl_unlock();
}

static struct kunit_case ethtool_cases[] = {
	KUNIT_CASE(stats_1),
	KUNIT_CASE(stats_4),
	KUNIT_CASE(stats_closed),
	KUNIT_CASE(stats_vf),
	KUNIT_CASE(stats_without_session),
	KUNIT_CASE(queue_stats_of_one),
	KUNIT_CASE(queue_stats_of_all),
	KUNIT_CASE_PARAM(hash_fields, hash_gen_params),
	KUNIT_CASE(other_commands),
	{}
};

static struct kunit_suite ethtool_suite = {
	.name = "hv_netvsc_ethtool",
	.test_cases = ethtool_cases,
};

kunit_test_suite(ethtool_suite);
