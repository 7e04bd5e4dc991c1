// SPDX-License-Identifier: GPL-2.0-only
/*
 * The verbs that users have: what each refuses and with which error, and what it
 * says without a session. A refusal asks the host nothing and changes nothing.
 */
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>

#include "../../netvsc_config.h"
#include "../../netvsc_ethtool.h"
#include "fake_bus.h"

static const struct ethtool_ops *const ops = &netvsc_ethtool_ops;

static int set_channels(struct fake_bus *bus, struct ethtool_channels *channels)
{
	int ret;

	rtnl_lock();
	ret = ops->set_channels(bus->ndev, channels);
	rtnl_unlock();
	return ret;
}

static void get_rings(struct fake_bus *bus, struct ethtool_ringparam *rings)
{
	memset(rings, 0, sizeof(*rings));
	rtnl_lock();
	ops->get_ringparam(bus->ndev, rings, NULL, NULL);
	rtnl_unlock();
}

static int set_rings(struct fake_bus *bus, u32 rx, u32 tx)
{
	struct ethtool_ringparam rings = { .rx_pending = rx, .tx_pending = tx };
	int ret;

	rtnl_lock();
	ret = ops->set_ringparam(bus->ndev, &rings, NULL, NULL);
	rtnl_unlock();
	return ret;
}

static int set_rxfh(struct fake_bus *bus, u8 hfunc, u32 *indir, u8 *key)
{
	struct ethtool_rxfh_param rxfh = {
		.hfunc = hfunc, .indir = indir, .key = key,
	};
	int ret;

	rtnl_lock();
	ret = ops->set_rxfh(bus->ndev, &rxfh, NULL);
	rtnl_unlock();
	return ret;
}

static int get_rxfh(struct fake_bus *bus, u32 *indir, u8 *key)
{
	struct ethtool_rxfh_param rxfh = { .indir = indir, .key = key };
	int ret;

	rtnl_lock();
	ret = ops->get_rxfh(bus->ndev, &rxfh);
	rtnl_unlock();
	return ret;
}

/* Without a session: what asks is told nothing, what sets is refused */
static void without_session(struct kunit *test)
{
	static const enum netvsc_state states[] = { NETVSC_DOWN, NETVSC_DEAD };
	struct fake_bus *bus = fake_bus_new(test);
	struct ethtool_channels none = {}, channels;
	struct ethtool_ringparam no_rings = {}, rings;
	u8 key[NETVSC_HASH_KEY_LEN] = {};
	u32 i, entry = 0;

	for (i = 0; i < ARRAY_SIZE(states); i++) {
		bus->nv->state = states[i];
		memset(&channels, 0, sizeof(channels));
		rtnl_lock();
		ops->get_channels(bus->ndev, &channels);
		KUNIT_EXPECT_EQ(test, ops->get_rxfh_indir_size(bus->ndev), 0);
		rtnl_unlock();
		KUNIT_EXPECT_MEMEQ(test, &channels, &none, sizeof(none));
		get_rings(bus, &rings);
		KUNIT_EXPECT_MEMEQ(test, &rings, &no_rings, sizeof(no_rings));
		channels.combined_count = 1;
		KUNIT_EXPECT_EQ(test, set_channels(bus, &channels), -ENODEV);
		KUNIT_EXPECT_EQ(test, set_rings(bus, 100, 20), -ENODEV);
		KUNIT_EXPECT_EQ(test, get_rxfh(bus, NULL, key), -ENODEV);
		KUNIT_EXPECT_EQ(test, set_rxfh(bus, 0, &entry, key), -ENODEV);
	}
	bus->nv->state = NETVSC_DOWN;
	KUNIT_EXPECT_EQ(test, bus->nsent, 0);
}

struct channels_case {
	const char *name;
	u32 version;
	struct ethtool_channels asked;
	int ret;
};

/* Of a host with two channels; the core refuses some of these before */
static const struct channels_case channels_cases[] = {
	{ "one", NVSP_VERSION_6_1, { .combined_count = 1 }, 0 },
	{ "none", NVSP_VERSION_6_1, { .combined_count = 0 }, -EINVAL },
	{ "three", NVSP_VERSION_6_1, { .combined_count = 3 }, -EINVAL },
	{ "wild", NVSP_VERSION_6_1, { .combined_count = U32_MAX }, -EINVAL },
	{ "receive", NVSP_VERSION_6_1, { .combined_count = 1, .rx_count = 1 },
	  -EINVAL },
	{ "transmit", NVSP_VERSION_6_1, { .combined_count = 1, .tx_count = 1 },
	  -EINVAL },
	{ "other", NVSP_VERSION_6_1, { .combined_count = 1, .other_count = 1 },
	  -EINVAL },
	{ "one, old host", NVSP_VERSION_4, { .combined_count = 1 }, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(channels, channels_cases, name);

static void channels(struct kunit *test)
{
	const struct channels_case *param = test->param_value;
	struct fake_bus *bus = fake_bus_new(test);
	struct ethtool_channels asked = param->asked;

	bus->host.version = param->version;
	bus->host.rss.queues = cpu_to_le32(2);
	KUNIT_ASSERT_EQ(test, fake_bus_run(bus, 1), 0);
	KUNIT_EXPECT_EQ(test, set_channels(bus, &asked), param->ret);
	KUNIT_EXPECT_EQ(test, !bus->nsent, !!param->ret);
	KUNIT_EXPECT_EQ(test, bus->nv->nchans, 1);
	KUNIT_EXPECT_EQ(test, bus->nv->state, NETVSC_RUNNING);
}

/* Fewer than 10 sections are 10; what comes to the same asks the host nothing */
static void least_rings(struct kunit *test)
{
	struct fake_bus *bus = fake_bus_new(test);
	struct netvsc *nv = bus->nv;
	u32 n;

	KUNIT_ASSERT_EQ(test, fake_bus_run(bus, 1), 0);
	KUNIT_EXPECT_EQ(test, set_rings(bus, 9, 20), 0);
	KUNIT_EXPECT_GT(test, bus->nsent, 0);
	KUNIT_EXPECT_EQ(test, nv->cfg.rx_bytes,
			PAGE_ALIGN(10 * NETVSC_RX_SECTION));
	KUNIT_EXPECT_EQ(test, nv->cfg.tx_bytes,
			PAGE_ALIGN(20 * NETVSC_TX_SECTION));
	KUNIT_EXPECT_EQ(test, set_rings(bus, 10, 9), 0);
	KUNIT_EXPECT_EQ(test, nv->cfg.tx_bytes,
			PAGE_ALIGN(10 * NETVSC_TX_SECTION));
	fake_bus_forget(bus);
	for (n = 0; n <= 10; n++)
		KUNIT_EXPECT_EQ(test, set_rings(bus, n, n), 0);
	KUNIT_EXPECT_EQ(test, bus->nsent, 0);
	KUNIT_EXPECT_EQ(test, nv->state, NETVSC_RUNNING);
}

struct limits_case {
	u32 version;
	u32 mtu;
	u32 rx_bytes;
};

/* What may be asked for at most depends on the host's version */
static void limits_of_versions(struct kunit *test)
{
	static const struct limits_case cases[] = {
		{ NVSP_VERSION_1, 1500, 15 << 20 },
		{ NVSP_VERSION_2, 65521, 15 << 20 },
		{ NVSP_VERSION_4, 65521, 31 << 20 },
		{ NVSP_VERSION_6_1, 65521, 31 << 20 },
	};
	struct ethtool_ringparam rings;
	struct fake_bus *bus;
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		bus = fake_bus_new(test);
		bus->host.version = cases[i].version;
		KUNIT_ASSERT_EQ(test, fake_bus_connect(bus), 0);
		KUNIT_EXPECT_EQ(test, bus->ndev->max_mtu, cases[i].mtu);
		get_rings(bus, &rings);
		KUNIT_EXPECT_EQ(test, rings.rx_max_pending,
				cases[i].rx_bytes / NETVSC_RX_SECTION);
		KUNIT_EXPECT_EQ(test, rings.tx_max_pending,
				(15 << 20) / NETVSC_TX_SECTION);
		fake_bus_end(bus);
	}
}

/* Of a host that has two channels in use, or NULL on a machine with one */
static struct fake_bus *two_channels(struct kunit *test)
{
	struct fake_bus *bus = fake_bus_new(test);

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs 2 processors");
	KUNIT_ASSERT_EQ(test, fake_bus_run(bus, 2), 0);
	KUNIT_ASSERT_EQ(test, bus->nv->nchans, 2);
	return bus;
}

static void rss(struct kunit *test)
{
	struct fake_bus *bus = two_channels(test);
	struct netvsc *nv = bus->nv;
	u32 *table = kunit_kcalloc(test, NETVSC_RSS_TABLE_DEFAULT, sizeof(*table),
				   GFP_KERNEL);
	u8 key[NETVSC_HASH_KEY_LEN] = { 1 };

	KUNIT_ASSERT_NOT_NULL(test, table);
	KUNIT_EXPECT_EQ(test, set_rxfh(bus, ETH_RSS_HASH_XOR, NULL, NULL),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, set_rxfh(bus, ETH_RSS_HASH_CRC32, table, key),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, set_rxfh(bus, ETH_RSS_HASH_TOP, NULL, NULL), 0);
	table[NETVSC_RSS_TABLE_DEFAULT - 1] = 2;
	KUNIT_EXPECT_EQ(test, set_rxfh(bus, ETH_RSS_HASH_TOP, table, NULL),
			-EINVAL);
	table[NETVSC_RSS_TABLE_DEFAULT - 1] = U32_MAX;
	KUNIT_EXPECT_EQ(test, set_rxfh(bus, 0, table, key), -EINVAL);
	nv->sess.rss_entries = 0;
	KUNIT_EXPECT_EQ(test, set_rxfh(bus, 0, NULL, key), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, set_rxfh(bus, 0, table, NULL), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, set_rxfh(bus, ETH_RSS_HASH_TOP, NULL, NULL),
			-EOPNOTSUPP);
	nv->sess.rss_entries = NETVSC_RSS_TABLE_DEFAULT;
	KUNIT_EXPECT_EQ(test, bus->nsent, 0);
	KUNIT_EXPECT_EQ(test, get_rxfh(bus, table, key), 0);
	KUNIT_EXPECT_NE(test, key[0], 1);
	KUNIT_EXPECT_EQ(test, table[NETVSC_RSS_TABLE_DEFAULT - 1], 1);
}

/* A key that the host refuses is not the one that is shown, or asked for again */
static void rss_key_refused(struct kunit *test)
{
	struct fake_bus *bus = two_channels(test);
	u8 old[NETVSC_HASH_KEY_LEN], now[NETVSC_HASH_KEY_LEN];
	u8 key[NETVSC_HASH_KEY_LEN] = { 1, 2, 3 };
	struct fake_rule *rule;

	KUNIT_EXPECT_EQ(test, get_rxfh(bus, NULL, old), 0);
	/* it may refuse to disable what there is; not what is wanted */
	rule = fake_bus_rule(bus, OID_RSS_PARAMS, FAKE_STATUS,
			     RNDIS_STATUS_FAILURE);
	rule->skip = 1;
	rule->times = 1;
	KUNIT_EXPECT_EQ(test, set_rxfh(bus, 0, NULL, key), -EINVAL);
	KUNIT_EXPECT_EQ(test, get_rxfh(bus, NULL, now), 0);
	KUNIT_EXPECT_MEMEQ(test, now, old, sizeof(now));
	KUNIT_EXPECT_MEMEQ(test, bus->nv->cfg.rss.key, old, sizeof(old));
	KUNIT_EXPECT_EQ(test, set_rxfh(bus, 0, NULL, key), 0);
	KUNIT_EXPECT_EQ(test, get_rxfh(bus, NULL, now), 0);
	KUNIT_EXPECT_MEMEQ(test, now, key, sizeof(now));
}

/* ip -s link, in each state: each counter where it belongs, those of the core, too */
static void totals(struct kunit *test)
{
	static const enum netvsc_state states[] = {
		NETVSC_RUNNING, NETVSC_CONNECTED, NETVSC_DEAD, NETVSC_DOWN,
	};
	struct fake_bus *bus = fake_bus_new(test);
	struct netvsc *nv = bus->nv;
	struct rtnl_link_stats64 want = {
		.rx_packets = 1 + 50, .rx_bytes = 20 + 600, .multicast = 300,
		.rx_dropped = 4000 + 50000 + 2, .rx_length_errors = 600000,
		.rx_errors = 600000 + 7000000, .rx_nohandler = 1,
		.tx_packets = 2 + 70, .tx_bytes = 30 + 800, .tx_errors = 400,
		.tx_dropped = 5000 + 60 + 700 + 3, .collisions = 60000,
	}, seen;
	struct netvsc_vf_stats *vf;
	struct netvsc_chan *ch;
	u32 i;

	KUNIT_ASSERT_EQ(test, fake_bus_run(bus, 1), 0);
	ch = nv->chans[0];
	u64_stats_set(&ch->rx_stats.packets, 1);
	u64_stats_set(&ch->rx_stats.bytes, 20);
	u64_stats_set(&ch->rx_stats.multicast, 300);
	u64_stats_set(&ch->rx_stats.no_memory, 4000);
	u64_stats_set(&ch->rx_stats.early, 50000);
	u64_stats_set(&ch->rx_stats.length_errors, 600000);
	u64_stats_set(&ch->rx_stats.refused, 7000000);
	u64_stats_set(&ch->done_stats.packets, 2);
	u64_stats_set(&ch->done_stats.bytes, 30);
	u64_stats_set(&ch->done_stats.failed, 400);
	u64_stats_set(&ch->tx_stats.dropped, 5000);
	vf = per_cpu_ptr(nv->vf.stats, 0);
	u64_stats_set(&vf->rx_packets, 50);
	u64_stats_set(&vf->rx_bytes, 600);
	u64_stats_set(&vf->tx_packets, 70);
	u64_stats_set(&vf->tx_bytes, 800);
	u64_stats_set(&vf->tx_dropped, 60);
	bus->ndev->stats.collisions = 60000;
	bus->ndev->stats.tx_dropped = 700;
	for (i = 0; i < 3; i++)
		dev_core_stats_tx_dropped_inc(bus->ndev);
	for (i = 0; i < 2; i++)
		dev_core_stats_rx_dropped_inc(bus->ndev);
	dev_core_stats_rx_nohandler_inc(bus->ndev);
	for (i = 0; i < ARRAY_SIZE(states); i++) {
		nv->state = states[i];
		dev_get_stats(bus->ndev, &seen);
		KUNIT_EXPECT_MEMEQ(test, &seen, &want, sizeof(want));
	}
	nv->state = NETVSC_RUNNING;
}

static struct kunit_case interface_cases[] = {
	KUNIT_CASE(without_session),
	KUNIT_CASE_PARAM(channels, channels_gen_params),
	KUNIT_CASE(least_rings),
	KUNIT_CASE(limits_of_versions),
	KUNIT_CASE(rss),
	KUNIT_CASE(rss_key_refused),
	KUNIT_CASE(totals),
	{}
};

static struct kunit_suite interface_suite = {
	.name = "hv_netvsc_interface",
	.test_cases = interface_cases,
};

kunit_test_suite(interface_suite);
