// SPDX-License-Identifier: GPL-2.0-only
/*
 * Configuration: what may be, what a change takes, and that one that fails at
 * any place leaves the old configuration, or a device that can be opened again.
 */
#include <kunit/static_stub.h>
#include <linux/etherdevice.h>
#include <linux/kmsg_dump.h>
#include <linux/rtnetlink.h>
#include <linux/unaligned.h>
#include <net/ip.h>

#include "../../netvsc.h"
#include "../../netvsc_config.h"
#include "../../netvsc_rx.h"
#include "../../netvsc_tx.h"
#include "../../rndis_filter.h"
#include "fake_bus.h"

#define SILENCE_MS	60	/* that a test waits for a host that says nothing */
#define SMALL		(8 * PAGE_SIZE)

/* 1: what may be */

struct validate_case {
	const char *name;
	u32 mtu, channels, rx_bytes, tx_bytes;
	int ret;
};

static const struct validate_case validate_cases[] = {
	{ "right", 1500, 2, SMALL, SMALL, 0 },
	{ "MTU 0", 0, 2, SMALL, SMALL, -EINVAL },
	{ "MTU 67", 67, 2, SMALL, SMALL, -EINVAL },
	{ "MTU 68", 68, 2, SMALL, SMALL, 0 },
	{ "MTU 65521", 65521, 2, SMALL, SMALL, 0 },
	{ "MTU 65522", 65522, 2, SMALL, SMALL, -EINVAL },
	{ "no channel", 1500, 0, SMALL, SMALL, -EINVAL },
	{ "64 channels", 1500, 64, SMALL, SMALL, 0 },
	{ "65 channels", 1500, 65, SMALL, SMALL, -EINVAL },
	{ "channels wild", 1500, U32_MAX, SMALL, SMALL, -EINVAL },
	{ "no receive buffer", 1500, 2, 0, SMALL, -EINVAL },
	{ "receive buffer of 31 MiB", 1500, 2, 31 << 20, SMALL, 0 },
	{ "of a byte more", 1500, 2, (31 << 20) + 1, SMALL, -EINVAL },
	{ "no send buffer", 1500, 2, SMALL, 0, -EINVAL },
	{ "send buffer of 15 MiB", 1500, 2, SMALL, 15 << 20, 0 },
	{ "of one byte more", 1500, 2, SMALL, (15 << 20) + 1, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(validate, validate_cases, name);

static void validate(struct kunit *test)
{
	const struct validate_case *param = test->param_value;
	struct fake_bus *bus = fake_bus_new(test);
	struct netvsc_config want = bus->nv->cfg;

	want.mtu = param->mtu;
	want.channels = param->channels;
	want.rx_bytes = param->rx_bytes;
	want.tx_bytes = param->tx_bytes;
	KUNIT_EXPECT_EQ(test, netvsc_validate(bus->nv, &want, NULL), param->ret);
	/* a refusal changes nothing, and asks the host nothing */
	if (!param->ret)
		return;
	KUNIT_EXPECT_EQ(test, fake_bus_connect(bus), 0);
	fake_bus_forget(bus);
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, NETVSC_RUNNING),
			param->ret);
	KUNIT_EXPECT_EQ(test, bus->nv->state, NETVSC_CONNECTED);
	KUNIT_EXPECT_EQ(test, bus->nsent, 0);
}

static void validate_rss(struct kunit *test)
{
	struct fake_bus *bus = fake_bus_new(test);
	struct netvsc_config want = bus->nv->cfg;
	struct netvsc *nv = bus->nv;

	nv->nchans = 2;
	nv->sess.rss_entries = 128;
	want.rss.table[127] = NETVSC_CHANNELS_MAX;
	KUNIT_EXPECT_EQ(test, netvsc_validate(nv, &want, NULL), -EINVAL);
	want.rss.table[127] = 0;
	want.rss.table[128] = NETVSC_CHANNELS_MAX;
	KUNIT_EXPECT_EQ(test, netvsc_validate(nv, &want, NULL), 0);
	nv->nchans = 0;
}

/* 2: what a change takes */

enum change {
	NOTHING, MTU, CHANNELS, RX_BYTES, TX_BYTES, SESSION, FEATURES, RSS, FILTER
};

static void make_change(struct netvsc_config *cfg, enum change change)
{
	if (change == MTU)
		cfg->mtu = cfg->mtu == 1400 ? 1500 : 1400;
	if (change == CHANNELS)
		cfg->channels = 3 - cfg->channels;
	if (change == RX_BYTES)
		cfg->rx_bytes ^= SMALL;
	if (change == TX_BYTES)
		cfg->tx_bytes ^= SMALL;
	if (change == SESSION)
		cfg->session++;
	if (change == FEATURES)
		cfg->features ^= NETIF_F_LRO;
	if (change == RSS)
		cfg->rss.table[3] ^= 1;
	if (change == FILTER)
		cfg->filter ^= NDIS_FILTER_ALL_MULTICAST;
}

#define CONNECT		NETVSC_STEP_CONNECT
#define DISCONNECT	NETVSC_STEP_DISCONNECT
#define RECONNECT	(CONNECT | DISCONNECT)
#define BUFS		NETVSC_STEP_BUFS
#define OFFLOADS	NETVSC_STEP_OFFLOADS
#define PAUSE		NETVSC_STEP_PAUSE
#define RESUME		NETVSC_STEP_RESUME
#define DOWN		NETVSC_DOWN
#define CONNECTED	NETVSC_CONNECTED
#define RUNNING		NETVSC_RUNNING
#define DEAD		NETVSC_DEAD

struct diff_case {
	enum netvsc_state from;
	enum netvsc_state to;
	enum change change;
	u32 steps;
	bool no_bufs;
	bool single;
};

static const struct diff_case diff_cases[] = {
	{ DOWN, DOWN, NOTHING, 0 },
	{ DOWN, CONNECTED, NOTHING, CONNECT },
	{ DOWN, RUNNING, NOTHING, CONNECT | RESUME },
	{ DEAD, RUNNING, NOTHING, CONNECT | RESUME },
	{ DEAD, CONNECTED, NOTHING, CONNECT },
	{ DEAD, RUNNING, FILTER, CONNECT | RESUME },
	{ CONNECTED, DOWN, NOTHING, DISCONNECT },
	{ CONNECTED, CONNECTED, NOTHING, 0 },
	{ CONNECTED, RUNNING, NOTHING, RESUME },
	{ RUNNING, DOWN, NOTHING, DISCONNECT | PAUSE },
	{ RUNNING, CONNECTED, NOTHING, PAUSE },
	{ RUNNING, RUNNING, NOTHING, 0 },
	{ CONNECTED, CONNECTED, MTU, RECONNECT },
	{ RUNNING, RUNNING, MTU, RECONNECT | PAUSE | RESUME },
	{ RUNNING, CONNECTED, MTU, RECONNECT | PAUSE },
	{ CONNECTED, RUNNING, MTU, RECONNECT | RESUME },
	{ CONNECTED, CONNECTED, CHANNELS, RECONNECT },
	{ RUNNING, RUNNING, CHANNELS, RECONNECT | PAUSE | RESUME },
	{ CONNECTED, CONNECTED, RX_BYTES, RECONNECT | BUFS },
	{ RUNNING, RUNNING, TX_BYTES, RECONNECT | BUFS | PAUSE | RESUME },
	{ DOWN, RUNNING, RX_BYTES, CONNECT | BUFS | RESUME },
	{ DOWN, CONNECTED, NOTHING, CONNECT | BUFS, .no_bufs = true },
	{ CONNECTED, CONNECTED, FEATURES, OFFLOADS },
	{ RUNNING, RUNNING, FEATURES, OFFLOADS },
	{ CONNECTED, CONNECTED, RSS, NETVSC_STEP_RSS },
	{ RUNNING, RUNNING, RSS, NETVSC_STEP_RSS },
	{ RUNNING, RUNNING, RSS, NETVSC_STEP_RSS, .single = true },
	{ CONNECTED, CONNECTED, SESSION, RECONNECT },
	{ RUNNING, RUNNING, SESSION, RECONNECT | PAUSE | RESUME },
	{ RUNNING, RUNNING, FILTER, NETVSC_STEP_FILTER },
	{ CONNECTED, CONNECTED, FILTER, 0 },
	{ CONNECTED, RUNNING, FILTER, RESUME },
};

static void diff_desc(const struct diff_case *param, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "state %u to %u, change %u%s",
		 param->from, param->to, param->change,
		 param->no_bufs ? ", no buffers" :
		 param->single ? ", single queue" : "");
}

KUNIT_ARRAY_PARAM(diff, diff_cases, diff_desc);

static void diff(struct kunit *test)
{
	const struct diff_case *param = test->param_value;
	struct fake_bus *bus = fake_bus_new(test);
	struct netvsc_config want = bus->nv->cfg;
	struct netvsc *nv = bus->nv;
	struct netvsc_bufs bufs = {};

	nv->state = param->from;
	nv->nchans = param->single ? 1 : 2;
	nv->bufs = param->no_bufs ? NULL : &bufs;
	make_change(&want, param->change);
	KUNIT_EXPECT_EQ(test, netvsc_diff(nv, &want, param->to), param->steps);
	nv->state = DOWN;
	nv->nchans = 0;
	nv->bufs = NULL;
}

/* The path itself */

static struct fake_bus *begin(struct kunit *test, enum netvsc_state state,
			      u32 channels)
{
	struct fake_bus *bus = fake_bus_new(test);
	struct netvsc_config want;

	if (channels > num_online_cpus())
		kunit_skip(test, "needs %u processors", channels);
	KUNIT_ASSERT_EQ(test, fake_bus_run(bus, channels), 0);
	KUNIT_ASSERT_EQ(test, bus->nv->nchans, channels);
	want = bus->nv->cfg;
	KUNIT_ASSERT_EQ(test, fake_bus_reconfigure(bus, &want, state), 0);
	fake_bus_forget(bus);
	return bus;
}

/* Is all as it should be in a state with a session, or without? */
static void check(struct fake_bus *bus, enum netvsc_state state)
{
	bool session = state == CONNECTED || state == RUNNING;
	struct kunit *test = bus->test;
	struct netvsc *nv = bus->nv;
	u32 i;

	KUNIT_EXPECT_EQ(test, nv->state, state);
	KUNIT_EXPECT_EQ(test, bus->primary->open, session);
	/* a host may refuse the send buffer, and gives it back then */
	KUNIT_EXPECT_EQ(test, fake_bus_still_shared(bus),
			session ? 1 + nv->bufs->tx.shared : 0);
	/* one that is not up keeps what it had */
	if (state != CONNECTED)
		KUNIT_EXPECT_EQ(test, netif_carrier_ok(nv->ndev),
				state == RUNNING);
	KUNIT_EXPECT_EQ(test, netif_tx_queue_stopped(netdev_get_tx_queue(nv->ndev, 0)),
			state != RUNNING);
	KUNIT_EXPECT_TRUE(test, list_empty(&nv->xacts));
	KUNIT_EXPECT_EQ(test, nv->nchans > 0, session);
	if (session) {
		KUNIT_EXPECT_LE(test, nv->nchans, nv->cfg.channels);
		KUNIT_EXPECT_EQ(test, nv->ndev->real_num_tx_queues, nv->nchans);
		KUNIT_EXPECT_EQ(test, nv->ndev->mtu, nv->cfg.mtu);
		KUNIT_EXPECT_EQ(test, nv->bufs->rx.bytes,
				PAGE_ALIGN(nv->cfg.rx_bytes));
		KUNIT_EXPECT_EQ(test, nv->bufs->tx.bytes,
				PAGE_ALIGN(nv->cfg.tx_bytes));
	}
	for (i = 0; session && i < nv->sess.rss_entries; i++)
		KUNIT_EXPECT_LT(test, nv->rss.table[i], nv->nchans);
	for (i = 0; i < nv->nchans_made; i++) {
		KUNIT_EXPECT_EQ(test, !!nv->chans[i]->tx.reqs,
				i < nv->nchans || nv->chans[i]->open);
		/* what is open is read, in use or not */
		KUNIT_EXPECT_EQ(test, nv->chans[i]->rx.enabled,
				i < nv->nchans || nv->chans[i]->open);
		KUNIT_EXPECT_EQ(test, nv->chans[i]->tx.running,
				i < nv->nchans && state == RUNNING);
	}
}

/* The wanted configuration stays as it is, whatever the host grants of it */
static void expect_config(struct fake_bus *bus, const struct netvsc_config *want)
{
	const struct netvsc_config *cfg = &bus->nv->cfg;
	struct kunit *test = bus->test;

	KUNIT_EXPECT_EQ(test, cfg->mtu, want->mtu);
	KUNIT_EXPECT_EQ(test, cfg->channels, want->channels);
	/* a host that refuses its offloads at first is not asked for this again */
	KUNIT_EXPECT_EQ(test, cfg->features & ~NETIF_F_LRO,
			want->features & ~NETIF_F_LRO);
	KUNIT_EXPECT_MEMEQ(test, &cfg->rss, &want->rss, sizeof(cfg->rss));
	KUNIT_EXPECT_EQ(test, cfg->rx_bytes, want->rx_bytes);
	KUNIT_EXPECT_EQ(test, cfg->tx_bytes, want->tx_bytes);
	KUNIT_EXPECT_EQ(test, cfg->filter, want->filter);
}

/* As ethtool does when a user sets a table: else it follows the channels */
static void use_table(struct fake_bus *bus)
{
	bus->ndev->priv_flags |= IFF_RXFH_CONFIGURED;
}

static void states(struct kunit *test)
{
	static const enum netvsc_state path[] = {
		RUNNING, RUNNING, CONNECTED, CONNECTED, DOWN, DOWN, CONNECTED,
		DOWN, RUNNING, DOWN, RUNNING, CONNECTED, RUNNING,
	};
	struct fake_bus *bus = begin(test, RUNNING, 1);
	struct netvsc_config want = bus->nv->cfg;
	int i;

	for (i = 0; i < ARRAY_SIZE(path); i++) {
		KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, path[i]), 0);
		check(bus, path[i]);
		expect_config(bus, &want);
	}
}

static void changes(struct kunit *test)
{
	static const enum netvsc_state states[] = { CONNECTED, RUNNING };
	struct fake_bus *bus = begin(test, CONNECTED, 2);
	struct netvsc_config want;
	int i, change;

	use_table(bus);
	for (i = 0; i < ARRAY_SIZE(states); i++) {
		for (change = NOTHING; change <= FILTER; change++) {
			want = bus->nv->cfg;
			make_change(&want, change);
			KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want,
								   states[i]), 0);
			check(bus, states[i]);
			expect_config(bus, &want);
			KUNIT_EXPECT_EQ(test, bus->nv->cfg.channels, want.channels);
			if (change == CHANNELS) {
				make_change(&want, change);
				KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want,
									   states[i]),
						0);
				KUNIT_EXPECT_EQ(test, bus->nv->nchans, 2);
			}
		}
	}
}

static void what_does_not_change_asks_nothing(struct kunit *test)
{
	struct fake_bus *bus = begin(test, RUNNING, 1);
	struct netvsc_config want = bus->nv->cfg;

	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	KUNIT_EXPECT_EQ(test, bus->nsent, 0);
}

static void open_and_stop_tell_the_filter(struct kunit *test)
{
	struct fake_bus *bus = begin(test, CONNECTED, 1);
	struct netvsc_config want = bus->nv->cfg;
	struct fake_sent *sent;

	want.filter = 0x20;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, CONNECTED), 0);
	KUNIT_EXPECT_EQ(test, bus->nsent, 2);
	sent = fake_bus_sent(bus, OID_PACKET_FILTER, 0);
	KUNIT_ASSERT_NOT_NULL(test, sent);
	KUNIT_EXPECT_EQ(test, get_unaligned_le32(sent->data + 28), 0x20);
	sent = fake_bus_sent(bus, OID_PACKET_FILTER, 1);
	KUNIT_ASSERT_NOT_NULL(test, sent);
	KUNIT_EXPECT_EQ(test, get_unaligned_le32(sent->data + 28), 0);
}

/* Nobody is told that the interface is up if the host refuses the filter */
static void filter_refused(struct kunit *test)
{
	struct fake_bus *bus = begin(test, CONNECTED, 1);
	struct netvsc_config old = bus->nv->cfg, want = old;

	want.filter = 0x20;
	fake_bus_rule(bus, OID_PACKET_FILTER, FAKE_STATUS, RNDIS_STATUS_FAILURE);
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), -EIO);
	check(bus, CONNECTED);
	expect_config(bus, &old);
	fake_bus_no_rules(bus);
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &old, RUNNING), 0);
	fake_bus_rule(bus, OID_PACKET_FILTER, FAKE_STATUS, RNDIS_STATUS_FAILURE);
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), -EIO);
	check(bus, RUNNING);
	expect_config(bus, &old);
	/* but stopping always succeeds */
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &old, CONNECTED), 0);
	check(bus, CONNECTED);
}

static void rss_refused(struct kunit *test)
{
	struct fake_bus *bus = begin(test, RUNNING, 2);
	struct netvsc_config old = bus->nv->cfg, want = old;
	const struct netvsc_rss *rss = &bus->nv->cfg.rss;
	u8 *table;

	make_change(&want, RSS);
	/* disabling, then what is wanted; the way back is taken */
	fake_bus_rule(bus, OID_RSS_PARAMS, FAKE_STATUS,
		      RNDIS_STATUS_FAILURE)->times = 2;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), -EINVAL);
	check(bus, RUNNING);
	KUNIT_EXPECT_MEMEQ(test, rss, &old.rss, sizeof(*rss));
	KUNIT_ASSERT_EQ(test, fake_bus_count(bus, OID_RSS_PARAMS), 4);
	table = fake_bus_sent(bus, OID_RSS_PARAMS, 3)->data + 28 + 40;
	KUNIT_EXPECT_EQ(test, get_unaligned_le32(table + 4 * 3),
			old.rss.table[3]);
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	KUNIT_EXPECT_MEMEQ(test, rss, &want.rss, sizeof(*rss));
}

static u32 told_entry(struct fake_bus *bus, u32 nth, u32 entry)
{
	struct fake_sent *sent = fake_bus_sent(bus, OID_RSS_PARAMS, nth);

	KUNIT_ASSERT_NOT_NULL(bus->test, sent);
	return get_unaligned_le32(sent->data + 28 + 40 + 4 * entry);
}

/*
 * The table in force names no channel that there is not, whatever the host
 * grants; and that of the user is there again when they are.
 */
static void rss_follows_channels(struct kunit *test)
{
	struct fake_bus *bus = begin(test, RUNNING, 2);
	struct netvsc_config want = bus->nv->cfg;
	struct netvsc *nv = bus->nv;
	u32 i, n;

	for (i = 0; i < NETVSC_RSS_TABLE_MAX; i++)
		want.rss.table[i] = i == 5;
	want.rss.key[7] ^= 0xff;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	use_table(bus);
	for (n = 0; n < 4; n++) {
		bus->host.grant = n & 1;
		want.mtu ^= 4;
		fake_bus_forget(bus);
		KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
		KUNIT_EXPECT_EQ(test, nv->nchans, 1 + (n & 1));
		check(bus, RUNNING);
		expect_config(bus, &want);
		KUNIT_EXPECT_MEMEQ(test, nv->rss.key, want.rss.key,
				   NETVSC_HASH_KEY_LEN);
		if (!bus->host.grant) {
			KUNIT_EXPECT_EQ(test, fake_bus_count(bus, OID_RSS_PARAMS),
					0);
			continue;
		}
		KUNIT_EXPECT_MEMEQ(test, &nv->rss, &want.rss, sizeof(nv->rss));
		KUNIT_ASSERT_EQ(test, fake_bus_count(bus, OID_RSS_PARAMS), 2);
		for (i = 0; i < NETVSC_RSS_TABLE_DEFAULT; i++)
			KUNIT_EXPECT_EQ(test, told_entry(bus, 1, i), i == 5);
	}
	/* one that nobody has set is even */
	bus->ndev->priv_flags &= ~IFF_RXFH_CONFIGURED;
	want.mtu ^= 4;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	for (i = 0; i < NETVSC_RSS_TABLE_DEFAULT; i++)
		KUNIT_EXPECT_EQ(test, nv->rss.table[i], i % 2);
}

/* What a user has made of a table */
enum table { UNSET, EVEN, WEIGHTS, ONE };

/* Of 4 channels that are wanted some are granted */
struct fold_case {
	const char *name;
	u32 entries;	/* of the host's table */
	u32 granted;
	enum table table;
	u32 of;		/* EVEN: over so many channels; ONE: this entry names the last */
	u32 weights[4];
	bool folds;	/* evenly over the granted ones */
};

static const struct fold_case fold_cases[] = {
	{ "none, 3", 128, 3, UNSET, .folds = true },
	{ "none, 2", 128, 2, UNSET, .folds = true },
	{ "none, 1", 128, 1, UNSET, .folds = true },
	{ "none, 3, short", 16, 3, UNSET, .folds = true },
	{ "none, 4", 128, 4, UNSET },
	{ "even over 4, 3", 128, 3, EVEN, 4, .folds = true },
	{ "even over 4, 2, short", 16, 2, EVEN, 4, .folds = true },
	{ "even over 4, 3, long", 256, 3, EVEN, 4, .folds = true },
	{ "even over 4, 4", 128, 4, EVEN, 4 },
	{ "even over 3, 3", 128, 3, EVEN, 3 },
	{ "even over 3, 2", 128, 2, EVEN, 3, .folds = true },
	{ "even over 2, 3", 128, 3, EVEN, 2 },
	{ "even over 2, 2, short", 16, 2, EVEN, 2 },
	{ "even over 2, 1", 128, 1, EVEN, 2, .folds = true },
	{ "even over 1, 1", 128, 1, EVEN, 1 },
	{ "weights of 4, 3", 128, 3, WEIGHTS, .weights = { 5, 1, 1, 1 }, .folds = true },
	{ "weights of 3, 3", 128, 3, WEIGHTS, .weights = { 1, 2, 5, 0 } },
	{ "weights of 2, 2, short", 16, 2, WEIGHTS, .weights = { 1, 3, 0, 0 } },
	{ "weights with a gap, 3", 128, 3, WEIGHTS, .weights = { 3, 0, 0, 1 },
	  .folds = true },
	{ "weight of the last, 3", 16, 3, WEIGHTS, .weights = { 0, 0, 0, 1 },
	  .folds = true },
	{ "weight of one, 2", 16, 2, WEIGHTS, .weights = { 0, 1, 0, 0 } },
	{ "first entry, 3", 128, 3, ONE, 0, .folds = true },
	{ "an entry, 3", 128, 3, ONE, 77, .folds = true },
	{ "an entry, 4", 128, 4, ONE, 77 },
	{ "last entry, 3", 128, 3, ONE, 127, .folds = true },
	{ "behind the last, 3", 128, 3, ONE, 128 },
	{ "last entry, 2, short", 16, 2, ONE, 15, .folds = true },
	{ "behind the last, 2, short", 16, 2, ONE, 16 },
	{ "last entry, 3, long", 256, 3, ONE, 255, .folds = true },
	{ "the only entry, 3", 1, 3, ONE, 0, .folds = true },
};

KUNIT_ARRAY_PARAM_DESC(fold, fold_cases, name);

/* As ethtool spreads weights: each has its part of the table, one behind the other */
static u32 weighted_entry(const struct fold_case *param, u32 entry)
{
	const u32 *weights = param->weights;
	u32 sum = weights[0] + weights[1] + weights[2] + weights[3];
	u32 channel = 0, part = weights[0];

	while (entry >= param->entries * part / sum)
		part += weights[++channel];
	return channel;
}

/* What is behind the host's table nobody sets: it is as it was at first */
static u32 user_entry(const struct fold_case *param, u32 entry)
{
	if (param->table == ONE)
		return entry == param->of ? 3 : 0;
	if (param->table == UNSET || entry >= param->entries)
		return entry % 4;
	return param->table == EVEN ? entry % param->of :
				      weighted_entry(param, entry);
}

/* Words of the log since the last time */
static u32 log_has(struct kmsg_dump_iter *log, const char *words)
{
	static char line[512];
	u32 count = 0;

	while (kmsg_dump_get_line(log, false, line, sizeof(line), NULL))
		count += !!strstr(line, words);
	return count;
}

/* The table in force, which the host is told if there is a choice */
static void expect_table(struct fake_bus *bus, const struct fold_case *param,
			 u32 channels, bool folded)
{
	u32 i, entry, told = channels > 1 ? 2 : 0;
	struct kunit *test = bus->test;

	KUNIT_EXPECT_EQ(test, bus->nv->nchans, channels);
	KUNIT_EXPECT_EQ(test, bus->nv->sess.rss_entries, param->entries);
	KUNIT_ASSERT_EQ(test, fake_bus_count(bus, OID_RSS_PARAMS), told);
	if (told)
		KUNIT_ASSERT_EQ(test, fake_bus_sent(bus, OID_RSS_PARAMS, 1)->data_len,
				28 + 40 + 4 * param->entries + NETVSC_HASH_KEY_LEN);
	for (i = 0; i < param->entries; i++) {
		entry = folded ? i % channels : user_entry(param, i);
		KUNIT_ASSERT_EQ_MSG(test, bus->nv->rss.table[i], entry, "entry %u", i);
		if (told)
			KUNIT_ASSERT_EQ_MSG(test, told_entry(bus, 1, i), entry,
					    "entry %u", i);
	}
}

/*
 * A table that the granted channels are too few for is an even one meanwhile; one
 * that they are enough for stays. What the user wants is remembered.
 */
static void rss_folds(struct kunit *test)
{
	static const char notice[] = "the indirection table needs more than";
	const struct fold_case *param = test->param_value;
	struct fake_bus *bus = begin(test, RUNNING, 4);
	struct netvsc_config want = bus->nv->cfg;
	struct kmsg_dump_iter log;
	char words[80];
	u32 i;

	bus->host.rss.table_entries = cpu_to_le16(param->entries);
	for (i = 0; i < NETVSC_RSS_TABLE_MAX; i++)
		want.rss.table[i] = user_entry(param, i);
	if (param->table != UNSET)
		use_table(bus);
	want.session++;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	expect_table(bus, param, 4, false);

	kmsg_dump_rewind(&log);
	log_has(&log, notice);
	bus->host.grant = param->granted - 1;
	want.session++;
	fake_bus_forget(bus);
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	expect_table(bus, param, param->granted, param->folds);
	check(bus, RUNNING);
	expect_config(bus, &want);
	/* a table of the user's own: that it is not in force is said */
	snprintf(words, sizeof(words), "%s %u channels: spreading evenly", notice,
		 param->granted);
	KUNIT_EXPECT_EQ(test, log_has(&log, words),
			param->folds && param->table != UNSET);

	bus->host.grant = 3;
	want.session++;
	fake_bus_forget(bus);
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	expect_table(bus, param, 4, false);
	expect_config(bus, &want);
	KUNIT_EXPECT_EQ(test, log_has(&log, notice), 0);
}

/* With one channel in use a key is kept, and holds when there are more */
static void rss_with_one_channel(struct kunit *test)
{
	struct fake_bus *bus = begin(test, RUNNING, 1);
	struct netvsc_config want = bus->nv->cfg;
	u8 *key;

	want.rss.key[0] = 1;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	KUNIT_EXPECT_EQ(test, bus->nsent, 0);
	KUNIT_EXPECT_EQ(test, bus->nv->rss.key[0], 1);
	if (num_online_cpus() < 2)
		return;
	want.channels = 2;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	KUNIT_ASSERT_EQ(test, fake_bus_count(bus, OID_RSS_PARAMS), 2);
	key = fake_bus_sent(bus, OID_RSS_PARAMS, 1)->data + 28 + 40 +
	      4 * NETVSC_RSS_TABLE_DEFAULT;
	KUNIT_EXPECT_EQ(test, key[0], 1);
}

/* What was not granted once is asked for the next time, and when told to */
static void fewer_channels_for_a_while(struct kunit *test)
{
	struct fake_bus *bus = begin(test, RUNNING, 2);
	struct netvsc_config want = bus->nv->cfg;

	bus->host.grant = 0;
	want.mtu = 1400;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	KUNIT_EXPECT_EQ(test, bus->nv->nchans, 1);
	expect_config(bus, &want);
	bus->host.grant = 1;
	want = bus->nv->cfg;
	want.session++;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	KUNIT_EXPECT_EQ(test, bus->nv->nchans, 2);
	check(bus, RUNNING);
	expect_config(bus, &want);
}

/* What probe left to the event, a change before it has done */
static void change_before_the_subchannels(struct kunit *test)
{
	struct fake_bus *bus = begin(test, RUNNING, 2);
	struct netvsc_config want = bus->nv->cfg;
	struct netvsc *nv = bus->nv;

	set_bit(NETVSC_EVENT_SUBCHANNELS, &nv->events);
	want.mtu = 1400;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	KUNIT_EXPECT_FALSE(test, test_bit(NETVSC_EVENT_SUBCHANNELS,
					  &nv->events));
}

/* RSS that failed as the host was connected is asked for again when told to */
static void rss_again(struct kunit *test)
{
	struct fake_bus *bus = begin(test, RUNNING, 2);
	struct netvsc_config want = bus->nv->cfg;

	fake_bus_rule(bus, OID_RSS_PARAMS, FAKE_STATUS, RNDIS_STATUS_FAILURE);
	want.mtu = 1400;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	KUNIT_EXPECT_FALSE(test, bus->nv->rss_told);
	fake_bus_no_rules(bus);
	want = bus->nv->cfg;
	KUNIT_EXPECT_EQ(test, netvsc_diff(bus->nv, &want, RUNNING), 0);
	want.rss_again++;
	fake_bus_forget(bus);
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	KUNIT_EXPECT_EQ(test, fake_bus_count(bus, OID_RSS_PARAMS), 2);
	KUNIT_EXPECT_TRUE(test, bus->nv->rss_told);
}

/* A send buffer that the host refuses is refused to who asked for it */
static void refused_send_buffer(struct kunit *test)
{
	struct fake_bus *bus = begin(test, RUNNING, 1);
	struct netvsc_config was = bus->nv->cfg, want = was;

	want.tx_bytes *= 2;
	fake_bus_rule(bus, NVSP_SEND_BUF, FAKE_STATUS,
		      NVSP_STATUS_FAILURE)->times = 1;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), -EINVAL);
	KUNIT_EXPECT_TRUE(test, bus->nv->sess.tx_sections);
	check(bus, RUNNING);
	expect_config(bus, &was);
	/* but one that has it as it was runs without */
	want = was;
	want.mtu = 1400;
	fake_bus_rule(bus, NVSP_SEND_BUF, FAKE_STATUS, NVSP_STATUS_FAILURE);
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	KUNIT_EXPECT_FALSE(test, bus->nv->sess.tx_sections);
}

/* A host that allows no frames, or says so too late, is told to send none */
static void filter_is_taken_back(struct kunit *test)
{
	struct fake_bus *bus = begin(test, CONNECTED, 1);
	struct netvsc_config want = bus->nv->cfg;
	struct fake_sent *sent;

	bus->nv->timeout_ms = 200;
	want.filter = 0x0d;
	fake_bus_rule(bus, OID_PACKET_FILTER, FAKE_NONE, 0);
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING),
			-ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, bus->nv->state, NETVSC_CONNECTED);
	KUNIT_ASSERT_EQ(test, fake_bus_count(bus, OID_PACKET_FILTER), 2);
	sent = fake_bus_sent(bus, OID_PACKET_FILTER, 1);
	KUNIT_EXPECT_EQ(test, get_unaligned_le32(sent->data + 28), 0);
}

/* Even over channels; 0: that of send_table_before_answer() */
static void expect_send_table(struct fake_bus *bus, u32 channels)
{
	u32 i;

	for (i = 0; i < NETVSC_SEND_TABLE; i++)
		KUNIT_EXPECT_EQ_MSG(bus->test, bus->nv->tx_table[i],
				    channels ? i % channels : i / 4, "entry %u of %u",
				    i, channels);
}

/* Behind a channel that does not open others do: the host may send on them */
static void open_behind_a_gap(struct kunit *test)
{
	struct fake_bus *bus = begin(test, RUNNING, 4);
	struct netvsc_config want = bus->nv->cfg;
	struct netvsc *nv = bus->nv;

	bus->nv->timeout_ms = 400;
	bus->offers[0] = 2;
	bus->offers[1] = 3;
	bus->noffers = 2;
	want.session++;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	KUNIT_EXPECT_EQ(test, nv->nchans, 1);
	KUNIT_EXPECT_TRUE(test, nv->chans[2]->open && nv->chans[3]->open);
	check(bus, RUNNING);
	expect_send_table(bus, 1);
	bus->noffers = 0;
	bus->nv->timeout_ms = 5000;
	want.session++;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	KUNIT_EXPECT_EQ(test, nv->nchans, 4);
	expect_send_table(bus, 4);
	check(bus, RUNNING);
}

/* The host's table comes before the answer: all that it grants are open by then */
static void send_table_before_answer(struct fake_bus *bus)
{
	__le32 table[3 + NVSP_SEND_TABLE_SIZE] = {
		cpu_to_le32(NVSP_INDIRECTION_TABLE),
		cpu_to_le32(NVSP_SEND_TABLE_SIZE), cpu_to_le32(12),
	};
	u32 i;

	for (i = 0; i < NVSP_SEND_TABLE_SIZE; i++)
		table[3 + i] = cpu_to_le32(i / 4);
	KUNIT_EXPECT_EQ(bus->test, nvsp_notice(bus->nv, table, sizeof(table)), 0);
}

/* That one stays; and where there is none, packets are spread evenly over what there
 * is, whatever the host of the session before has said
 */
static void send_table_while_growing(struct kunit *test)
{
	struct fake_bus *bus = begin(test, RUNNING, 4);
	struct netvsc_config want = bus->nv->cfg;
	struct netvsc *nv = bus->nv;
	u32 i, granted, sent;

	for (i = 0; i < 8; i++) {
		granted = 1 + i / 2;
		sent = !(i & 1);
		fake_bus_no_rules(bus);
		if (sent)
			fake_bus_rule(bus, NVSP_SUBCHANNEL, FAKE_CALL, 0)->call =
				send_table_before_answer;
		bus->host.grant = granted - 1;
		want.session++;
		KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
		KUNIT_EXPECT_EQ(test, nv->nchans, granted);
		expect_send_table(bus, sent ? 0 : granted);
	}
	fake_bus_no_rules(bus);
}

static void replace(struct fake_bus *bus)
{
	rtnl_lock();
	netvsc_replace_channels(bus->nv);
	rtnl_unlock();
}

/* A subchannel alone is taken back: there is a new session, with all of them */
static void channel_taken_back(struct kunit *test)
{
	struct fake_bus *bus = begin(test, RUNNING, 2);
	struct netvsc_config want = bus->nv->cfg;
	u32 session = want.session;

	replace(bus);
	KUNIT_EXPECT_EQ(test, bus->nsent, 0);
	fake_bus_chan(bus, 1)->rescinded = true;
	replace(bus);
	KUNIT_EXPECT_EQ(test, bus->nv->cfg.session, session + 1);
	KUNIT_EXPECT_EQ(test, bus->nv->nchans, 2);
	check(bus, RUNNING);
	want.session++;
	expect_config(bus, &want);
	/* and nothing if all is taken back: the bus will remove the device */
	fake_bus_forget(bus);
	fake_bus_chan(bus, 1)->rescinded = true;
	bus->rescinded = true;
	replace(bus);
	KUNIT_EXPECT_EQ(test, bus->nsent, 0);
	bus->rescinded = false;
}

/* A change that the host does not let fail, though it leaves these unanswered */
static const u32 options[] = {
	OID_RSS_PARAMS, NVSP_SUBCHANNEL, OID_RNDIS_CONFIG_PARAM,
};

static void silent_options(struct kunit *test)
{
	static const u8 mac[ETH_ALEN] = { 2, 1, 2, 3, 4, 5 };
	struct fake_bus *bus = begin(test, RUNNING, 2);
	struct netvsc_config want = bus->nv->cfg;
	unsigned long begun;
	int i;

	eth_hw_addr_set(bus->ndev, mac);
	bus->nv->timeout_ms = 1000;
	for (i = 0; i <= ARRAY_SIZE(options); i++) {
		fake_bus_no_rules(bus);
		if (i < ARRAY_SIZE(options))
			fake_bus_rule(bus, options[i], FAKE_NONE, 0);
		else	/* only to be closed is the session */
			fake_bus_rule(bus, OID_PACKET_FILTER, FAKE_NONE, 0)->times = 1;
		want.mtu ^= 4;
		begun = jiffies;
		KUNIT_EXPECT_EQ_MSG(test, fake_bus_reconfigure(bus, &want, RUNNING),
				    0, "option %d", i);
		KUNIT_EXPECT_LT(test, jiffies - begun, HZ);
		KUNIT_EXPECT_TRUE(test, bus->rules[0].used);
		check(bus, RUNNING);
		expect_config(bus, &want);
		KUNIT_EXPECT_EQ(test, bus->nv->nchans, i == 1 ? 1 : 2);
	}
}

/* The host has forgotten the address that the interface was given */
static void address_is_told_again(struct kunit *test)
{
	static const u8 mac[ETH_ALEN] = { 2, 1, 2, 3, 4, 5 };
	struct fake_bus *bus = begin(test, RUNNING, 1);
	struct netvsc_config want = bus->nv->cfg;
	struct fake_sent *sent;

	want.mtu = 1400;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	KUNIT_EXPECT_EQ(test, fake_bus_count(bus, OID_RNDIS_CONFIG_PARAM), 0);
	eth_hw_addr_set(bus->ndev, mac);
	want.mtu = 1500;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	KUNIT_ASSERT_EQ(test, fake_bus_count(bus, OID_RNDIS_CONFIG_PARAM), 1);
	sent = fake_bus_sent(bus, OID_RNDIS_CONFIG_PARAM, 0);
	/* the last of 12 digits */
	KUNIT_EXPECT_EQ(test, sent->data[sent->data_len - 2], '5');
}

/* A host of before takes no more than 15 MiB, which is known too late */
static void old_host_takes_less(struct kunit *test)
{
	struct fake_bus *bus = fake_bus_new(test);
	struct netvsc *nv = bus->nv;
	struct netvsc_config want;
	int i;

	bus->host.version = NVSP_VERSION_2;
	nv->cfg.rx_bytes = NETVSC_RX_BYTES;
	KUNIT_ASSERT_EQ(test, fake_bus_connect(bus), 0);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, nv->cfg.rx_bytes, 15 << 20);
		KUNIT_EXPECT_EQ(test, bus->shares[0].bytes, 15 << 20);
		want = nv->cfg;
		want.mtu ^= 4;
		KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
		check(bus, RUNNING);
	}
}

static void host_lowers_the_mtu(struct kunit *test)
{
	struct fake_bus *bus = begin(test, RUNNING, 1);
	struct netvsc_config want = bus->nv->cfg;

	bus->host.frame_max = 1600;
	want.mtu = 9000;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	KUNIT_EXPECT_EQ(test, bus->nv->cfg.mtu, 1600);
	KUNIT_EXPECT_EQ(test, bus->nv->ndev->mtu, 1600);
	check(bus, RUNNING);
}

/* Features go with a host that does not have them, but not with a failed change */
static void features_of_a_failed_change(struct kunit *test)
{
	const netdev_features_t mine = NETIF_F_IP_CSUM | NETIF_F_TSO | NETIF_F_SG;
	struct fake_bus *bus = begin(test, RUNNING, 1);
	struct netvsc_config want = bus->nv->cfg;

	want.features |= mine;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	bus->ndev->features |= mine;
	want.mtu = 1400;
	fake_bus_rule(bus, OID_OFFLOAD_HW_CAPS, FAKE_INFO, 0)->times = 1;
	/* after filter 0, that for the new session */
	fake_bus_rule(bus, OID_PACKET_FILTER, FAKE_STATUS, 1)->skip = 1;
	bus->rules[1].times = 1;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), -EIO);
	check(bus, RUNNING);
	KUNIT_EXPECT_EQ(test, bus->ndev->features & mine, mine);
	/* without tx-tcp-segmentation: the user's own choice stays */
	want.features &= ~NETIF_F_TSO;
	bus->ndev->features &= ~NETIF_F_TSO;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	KUNIT_EXPECT_EQ(test, bus->ndev->features & mine, mine & ~NETIF_F_TSO);
	fake_bus_no_rules(bus);
	fake_bus_rule(bus, OID_OFFLOAD_HW_CAPS, FAKE_INFO, 0)->times = 1;
	want.mtu = 1300;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	KUNIT_EXPECT_EQ(test, bus->ndev->features & mine, NETIF_F_SG);
	check(bus, RUNNING);
}

struct features_case {
	const char *name;
	u32 ipv4, ipv6;			/* flags of transmit checksums */
	u32 lso4, lso6;			/* encapsulations */
	u32 options6;			/* of LSO */
	u32 max4, max6;			/* of LSO */
	u8 rsc4, rsc6;
	netdev_features_t features;	/* beside those that there always are */
	u32 tso_max;
};

#define CSUM4	NETIF_F_IP_CSUM
#define CSUM6	NETIF_F_IPV6_CSUM
#define TSO4	NETIF_F_TSO
#define TSO6	NETIF_F_TSO6
#define LRO	NETIF_F_LRO
#define ALWAYS	(NETIF_F_RXCSUM | NETIF_F_SG | NETIF_F_RXHASH)
#define ALL	(ALWAYS | CSUM4 | CSUM6 | TSO4 | TSO6 | LRO)
#define LEGACY	GSO_LEGACY_MAX_SIZE

static const struct features_case features_cases[] = {
	{ "all", 0x55, 0x55, 2, 2, 5, 62780, 62780, 1, 1,
	  CSUM4 | CSUM6 | TSO4 | TSO6 | LRO, 62780 },
	{ "nothing", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, LEGACY },
	{ "IPv4 without options", 0x50, 0, 2, 2, 5, 62780, 62780, 0, 0, 0,
	  LEGACY },
	{ "IPv4 without TCP", 0x44, 0, 2, 2, 5, 62780, 62780, 0, 0, 0, LEGACY },
	{ "IPv4 without UDP", 0x14, 0, 0, 0, 0, 0, 0, 0, 0, CSUM4, LEGACY },
	{ "IPv4, LSO", 0x14, 0, 2, 2, 5, 30000, 20000, 0, 0, CSUM4 | TSO4,
	  30000 },
	{ "LSO of Ethernet and others", 0x14, 0, 0x1e, 0, 5, 30000, 0, 0, 0,
	  CSUM4 | TSO4, 30000 },
	{ "LSO of others only", 0x14, 0, 0x1d, 0x1d, 5, 30000, 30000, 0, 0,
	  CSUM4, LEGACY },
	{ "IPv6 without headers", 0, 0x54, 2, 2, 5, 62780, 62780, 0, 0, 0,
	  LEGACY },
	{ "IPv6 without options", 0, 0x51, 2, 2, 5, 62780, 62780, 0, 0, 0,
	  LEGACY },
	{ "IPv6 without TCP", 0, 0x45, 2, 2, 5, 62780, 62780, 0, 0, 0, LEGACY },
	{ "IPv6 without UDP", 0, 0x15, 0, 0, 0, 0, 0, 0, 0, CSUM6, LEGACY },
	{ "IPv6, LSO", 0, 0x15, 0, 2, 5, 0, 20000, 0, 0, CSUM6 | TSO6, 20000 },
	{ "LSO without headers", 0x55, 0x55, 2, 2, 4, 30000, 20000, 0, 0,
	  CSUM4 | CSUM6 | TSO4, 30000 },
	{ "LSO without options", 0x55, 0x55, 2, 2, 1, 30000, 20000, 0, 0,
	  CSUM4 | CSUM6 | TSO4, 30000 },
	{ "the shorter counts", 0x55, 0x55, 2, 2, 5, 30000, 20000, 0, 0,
	  CSUM4 | CSUM6 | TSO4 | TSO6, 20000 },
	{ "longer than there are", 0x55, 0x55, 2, 2, 5, 300000, 300000, 0, 0,
	  CSUM4 | CSUM6 | TSO4 | TSO6, LEGACY },
	{ "RSC alone", 0, 0, 0, 0, 0, 0, 0, 1, 1, LRO, LEGACY },
	{ "RSC of IPv4", 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, LEGACY },
	{ "RSC of IPv6", 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, LEGACY },
};

static void features_of_a_host(struct kunit *test)
{
	struct fake_bus *bus = begin(test, CONNECTED, 1);
	struct ndis_offload *offload = &bus->host.offload;
	struct netvsc_config want = bus->nv->cfg;
	const struct features_case *param;
	int i;

	/* what the host is told of is on from the beginning */
	KUNIT_EXPECT_TRUE(test, bus->ndev->features & LRO);
	for (i = 0; i < ARRAY_SIZE(features_cases); i++) {
		param = &features_cases[i];
		offload->ipv4_tx.flags = cpu_to_le32(param->ipv4);
		offload->ipv6_tx.flags = cpu_to_le32(param->ipv6);
		offload->lso_v4.encapsulation = cpu_to_le32(param->lso4);
		offload->lso_v6.encapsulation = cpu_to_le32(param->lso6);
		offload->lso_v4.max_size = cpu_to_le32(param->max4);
		offload->lso_v6.max_size = cpu_to_le32(param->max6);
		offload->lso_v6_flags = cpu_to_le32(param->options6);
		offload->rsc_v4 = param->rsc4;
		offload->rsc_v6 = param->rsc6;
		want.features |= ALL;
		want.session++;
		KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, CONNECTED),
				0);
		KUNIT_EXPECT_EQ_MSG(test, bus->ndev->hw_features & ALL,
				    param->features | ALWAYS, "%s", param->name);
		KUNIT_EXPECT_EQ(test, bus->ndev->features & ALL,
				param->features | ALWAYS);
		KUNIT_EXPECT_EQ_MSG(test, bus->ndev->tso_max_size, param->tso_max,
				    "%s", param->name);
	}
}

/* All that the host offers is on, as after probe */
static struct fake_bus *begin_features(struct kunit *test)
{
	struct fake_bus *bus = begin(test, RUNNING, 1);
	struct netvsc_config want = bus->nv->cfg;

	want.features |= bus->ndev->hw_features;
	KUNIT_ASSERT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	bus->ndev->wanted_features = bus->ndev->features;
	KUNIT_EXPECT_EQ(test, bus->ndev->features & ALL, ALL);
	fake_bus_forget(bus);
	return bus;
}

/* As ethtool -K does */
static void set_feature(struct fake_bus *bus, netdev_features_t feature, bool on)
{
	rtnl_lock();
	if (on)
		bus->ndev->wanted_features |= feature;
	else
		bus->ndev->wanted_features &= ~feature;
	netdev_update_features(bus->ndev);
	rtnl_unlock();
}

/* Is a packet of so many bytes left to the host to be cut, as far as the stack is
 * concerned?
 */
static bool left_to_host(struct fake_bus *bus, bool v6, u32 len, u32 mss)
{
	struct sk_buff *skb = alloc_skb(len, GFP_KERNEL);
	bool left;

	KUNIT_ASSERT_NOT_NULL(bus->test, skb);
	skb_put_zero(skb, len);
	skb->dev = bus->ndev;
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, ETH_HLEN);
	skb_set_transport_header(skb, ETH_HLEN + (v6 ? 40 : 20));
	skb->protocol = htons(v6 ? ETH_P_IPV6 : ETH_P_IP);
	if (!v6)
		ip_hdr(skb)->frag_off = htons(IP_DF);
	else
		skb->data[ETH_HLEN + 6] = IPPROTO_TCP;
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb_shinfo(skb)->gso_size = mss;
	skb_shinfo(skb)->gso_segs = DIV_ROUND_UP(len - ETH_HLEN - 60, mss);
	skb_shinfo(skb)->gso_type = v6 ? SKB_GSO_TCPV6 : SKB_GSO_TCPV4;
	left = netif_skb_features(skb) & (v6 ? TSO6 : TSO4);
	kfree_skb(skb);
	return left;
}

/* Segmentation is there with each MTU, and off only where the user has it so. Packets
 * that are longer than the host cuts are not for it, whatever their segments.
 */
static void segmentation_outlives_the_mtu(struct kunit *test)
{
	static const u32 mtus[] = { 1500, 65521, 1500, 62767, 62766, 9000, 65521, 68 };
	struct fake_bus *bus = begin_features(test);
	struct net_device *ndev = bus->ndev;
	netdev_features_t on = TSO4 | TSO6;
	struct netvsc_config want;
	u32 i, v6;

	bus->host.frame_max = NETVSC_MTU_MAX;
	for (i = 0; i < 3 * ARRAY_SIZE(mtus); i++) {
		if (i == ARRAY_SIZE(mtus)) {
			set_feature(bus, TSO4, false);
			on = TSO6;
		} else if (i == 2 * ARRAY_SIZE(mtus)) {
			set_feature(bus, TSO4, true);
			set_feature(bus, TSO6, false);
			on = TSO4;
		}
		want = bus->nv->cfg;
		want.mtu = mtus[i % ARRAY_SIZE(mtus)];
		KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
		KUNIT_EXPECT_EQ(test, ndev->mtu, want.mtu);
		KUNIT_EXPECT_EQ_MSG(test, ndev->features & (TSO4 | TSO6), on,
				    "MTU %u", want.mtu);
		KUNIT_EXPECT_EQ(test, ndev->hw_features & (TSO4 | TSO6),
				TSO4 | TSO6);
		KUNIT_EXPECT_EQ(test, ndev->tso_max_size, 62780);
		for (v6 = 0; v6 < 2; v6++) {
			KUNIT_EXPECT_EQ(test, left_to_host(bus, v6, 62000, 1400),
					!!(on & (v6 ? TSO6 : TSO4)));
			KUNIT_EXPECT_FALSE(test, left_to_host(bus, v6, 62781, 1400));
			KUNIT_EXPECT_FALSE(test, left_to_host(bus, v6, 65000, 62800));
		}
	}
	/* as host and user want it, where the host takes less than was asked for */
	bus->host.frame_max = 9000;
	want.mtu = 65000;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	KUNIT_EXPECT_EQ(test, ndev->mtu, 9000);
	KUNIT_EXPECT_EQ(test, ndev->features & (TSO4 | TSO6), on);
}

/* What the host was told last of coalescing: 1 is off, 2 on */
static u32 told_rsc(struct fake_bus *bus)
{
	u32 n = fake_bus_count(bus, OID_OFFLOAD_PARAMS);
	struct fake_sent *sent = n ? fake_bus_sent(bus, OID_OFFLOAD_PARAMS,
						   n - 1) : NULL;

	KUNIT_ASSERT_NOT_NULL(bus->test, sent);
	KUNIT_EXPECT_EQ(bus->test, sent->data[28 + 22], sent->data[28 + 23]);
	return sent->data[28 + 22];
}

static void expect_lro(struct fake_bus *bus, bool on)
{
	KUNIT_EXPECT_EQ(bus->test, !!(bus->ndev->features & LRO), on);
	KUNIT_EXPECT_EQ(bus->test, bus->nv->cfg.features, bus->ndev->features);
	check(bus, RUNNING);
}

static void lro(struct kunit *test)
{
	struct fake_bus *bus = begin_features(test);
	struct netvsc_config want;
	int i;

	for (i = 0; i < 4; i++) {
		fake_bus_forget(bus);
		set_feature(bus, LRO, i & 1);
		expect_lro(bus, i & 1);
		/* nothing else is told, and no session made */
		KUNIT_EXPECT_EQ(test, bus->nsent, 1);
		KUNIT_EXPECT_EQ(test, told_rsc(bus), 1 + (i & 1));
		want = bus->nv->cfg;
		want.mtu ^= 4;
		fake_bus_forget(bus);
		KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
		expect_lro(bus, i & 1);
		KUNIT_EXPECT_EQ(test, told_rsc(bus), 1 + (i & 1));
	}
	/* the host needs to know of no other */
	fake_bus_forget(bus);
	set_feature(bus, NETIF_F_RXHASH | CSUM4 | TSO4, false);
	KUNIT_EXPECT_EQ(test, bus->ndev->features & ALL,
			ALL & ~(NETIF_F_RXHASH | CSUM4 | TSO4));
	set_feature(bus, NETIF_F_RXHASH | CSUM4 | TSO4, true);
	KUNIT_EXPECT_EQ(test, bus->ndev->features & ALL, ALL);
	KUNIT_EXPECT_EQ(test, bus->nsent, 0);
	/* one that does not coalesce any more */
	bus->host.offload.rsc_v6 = 0;
	want = bus->nv->cfg;
	want.mtu ^= 4;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	expect_lro(bus, false);
	KUNIT_EXPECT_EQ(test, told_rsc(bus), 0);
	KUNIT_EXPECT_FALSE(test, bus->ndev->hw_features & LRO);
	set_feature(bus, LRO, true);
	expect_lro(bus, false);
}

/* LRO that the host does not take stays off. It is off in any case if it is not
 * wanted any more, and what the host need not know of changes all the same.
 */
static void lro_refused(struct kunit *test)
{
	static const enum fake_how hows[] = { FAKE_STATUS, FAKE_NONE };
	struct fake_bus *bus = begin_features(test);
	struct net_device *ndev = bus->ndev;
	int i, on;

	for (i = 0; i < ARRAY_SIZE(hows); i++) {
		for (on = 0; on < 2; on++) {
			set_feature(bus, LRO | CSUM4, !on);
			expect_lro(bus, !on);
			bus->nv->timeout_ms = SILENCE_MS;
			fake_bus_rule(bus, OID_OFFLOAD_PARAMS, hows[i],
				      RNDIS_STATUS_FAILURE)->times = 1;
			fake_bus_forget(bus);
			rtnl_lock();
			KUNIT_EXPECT_EQ(test, netvsc_set_features(ndev,
								  ndev->features ^
								  (LRO | CSUM4)),
					i ? -ETIMEDOUT : -EINVAL);
			rtnl_unlock();
			fake_bus_no_rules(bus);
			bus->nv->timeout_ms = 5000;
			expect_lro(bus, false);
			/* and told to the host, which may have heard */
			KUNIT_EXPECT_EQ(test, told_rsc(bus), 1 + !on);
			KUNIT_EXPECT_EQ(test, !!(ndev->features & CSUM4), on);
		}
	}
}

/* Nobody above is told that it stays on, also not without a host */
static void lro_disabled_without_host(struct kunit *test)
{
	static const enum fake_how hows[] = { FAKE_STATUS, FAKE_NONE, FAKE_STATUS };
	struct fake_bus *bus = begin_features(test);
	struct net_device *ndev = bus->ndev;
	struct netvsc_config want;
	int i;

	for (i = 0; i < ARRAY_SIZE(hows); i++) {
		set_feature(bus, LRO, true);
		expect_lro(bus, true);
		bus->nv->timeout_ms = SILENCE_MS;
		fake_bus_rule(bus, i < 2 ? OID_OFFLOAD_PARAMS : NVSP_INIT, hows[i],
			      i < 2 ? RNDIS_STATUS_FAILURE : NVSP_STATUS_FAILURE);
		if (i == 2) {
			want = bus->nv->cfg;
			want.mtu ^= 4;
			KUNIT_EXPECT_NE(test, fake_bus_reconfigure(bus, &want,
								   RUNNING), 0);
			KUNIT_EXPECT_EQ(test, bus->nv->state, DEAD);
		}
		rtnl_lock();
		dev_disable_lro(ndev);
		rtnl_unlock();
		KUNIT_EXPECT_FALSE(test, ndev->features & LRO);
		fake_bus_no_rules(bus);
		bus->nv->timeout_ms = 5000;
	}
	/* the next session knows of it */
	fake_bus_forget(bus);
	want = bus->nv->cfg;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	expect_lro(bus, false);
	KUNIT_EXPECT_EQ(test, told_rsc(bus), 1);
}

/* Devices above, which hear of each new session */

static struct fake_bus *below;
static enum netvsc_state seen;
static u32 heard;

static int hear(struct notifier_block *nb, unsigned long event, void *info)
{
	struct net_device *ndev = netdev_notifier_info_to_dev(info);

	if (event != NETDEV_FEAT_CHANGE || ndev != below->ndev)
		return NOTIFY_DONE;
	seen = below->nv->state;
	heard++;
	dev_disable_lro(ndev);
	return NOTIFY_DONE;
}

/* As a bridge does, at once. The change that it hears of is over by then. */
static void lro_is_disabled_from_above(struct kunit *test)
{
	struct notifier_block above = { .notifier_call = hear };
	struct fake_bus *bus = begin_features(test);
	struct netvsc_config want = bus->nv->cfg;
	u32 i, session;

	below = bus;
	KUNIT_ASSERT_EQ(test, register_netdevice_notifier(&above), 0);
	for (i = 0; i < 3; i++) {
		want = bus->nv->cfg;
		want.mtu ^= 4;
		if (i == 1)	/* of the new session: and back to the old */
			fake_bus_rule(bus, OID_PACKET_FILTER, FAKE_STATUS,
				      RNDIS_STATUS_FAILURE)->skip = 1;
		bus->rules[0].times = 1;
		fake_bus_forget(bus);
		heard = 0;
		seen = DOWN;
		KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING),
				i == 1 ? -EIO : 0);
		KUNIT_EXPECT_GE(test, heard, 1);
		KUNIT_EXPECT_EQ(test, seen, RUNNING);
		KUNIT_EXPECT_EQ(test, bus->nv->cfg.mtu,
				i == 1 ? want.mtu ^ 4 : want.mtu);
		expect_lro(bus, false);
		KUNIT_EXPECT_EQ(test, told_rsc(bus), 1);
		fake_bus_no_rules(bus);
		/* the user insists, and the device above, too */
		session = bus->nv->cfg.session;
		set_feature(bus, LRO, true);
		expect_lro(bus, false);
		KUNIT_EXPECT_EQ(test, bus->nv->cfg.session, session);
		if (i < 2) {
			unregister_netdevice_notifier(&above);
			set_feature(bus, LRO, true);
			expect_lro(bus, true);
			register_netdevice_notifier(&above);
		}
	}
	unregister_netdevice_notifier(&above);
}

static u32 passed;

static void pass(struct netvsc_chan *ch, struct sk_buff *skb)
{
	passed++;
	kfree_skb(skb);
}

#define FRAGMENTS	40

/* Fragments of a frame: the first of them, or only such as follow it */
static void put_fragments(struct fake_bus *bus, bool first)
{
	struct vmtransfer_page_range ranges[FRAGMENTS];
	u32 i, k, flags;
	u8 *to;

	for (i = 0; i < FRAGMENTS; i++) {
		const u32 words[] = {
			RNDIS_PACKET, 160, 52, 100, 0, 0, 0, 36, 16, 0, 0,
			16, RNDIS_PPI_PACKET_ID, 12, 1,
		};

		to = bus->nv->bufs->rx.base + i * 256;
		for (k = 0; k < ARRAY_SIZE(words); k++)
			put_unaligned_le32(words[k], to + 4 * k);
		flags = 1 | (first && !i ? 2 : 0) | (i + 1 == FRAGMENTS ? 4 : 0);
		put_unaligned_le32(1 | flags << 8, to + 44 + 12);
		ranges[i].byte_offset = i * 256;
		ranges[i].byte_count = 160;
	}
	fake_bus_put_xfer(bus, 0, 7, NVSP_RECV_BUF_ID, FRAGMENTS, ranges);
}

/* A session ends in the middle of a coalesced frame, which ends with it */
static void disconnect_in_a_coalesced_frame(struct kunit *test)
{
	struct fake_bus *bus = begin(test, RUNNING, 1);
	struct netvsc_config want = bus->nv->cfg;
	struct netvsc_chan *ch = bus->nv->chans[0];
	u64 refused;

	kunit_activate_static_stub(test, netvsc_rx_deliver, pass);
	passed = 0;
	put_fragments(bus, true);
	KUNIT_EXPECT_EQ(test, fake_bus_poll(bus, 0, 64), FRAGMENTS);
	KUNIT_EXPECT_EQ(test, passed, 1);
	put_fragments(bus, true);
	KUNIT_EXPECT_EQ(test, fake_bus_poll(bus, 0, 30), 30);
	KUNIT_EXPECT_EQ(test, ch->rx.rsc.count, 30);
	/* as NAPI does with a poll that is to end */
	local_bh_disable();
	napi_complete(&ch->rx.napi);
	local_bh_enable();
	fake_bus_chan(bus, 0)->polled = false;

	bus->nv->timeout_ms = 400;
	want.mtu = 1400;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	bus->nv->timeout_ms = 5000;
	KUNIT_EXPECT_EQ(test, ch->rx.rsc.count, 0);
	refused = u64_stats_read(&ch->rx_stats.refused);
	put_fragments(bus, false);
	KUNIT_EXPECT_EQ(test, fake_bus_poll(bus, 0, 64), FRAGMENTS);
	KUNIT_EXPECT_EQ(test, u64_stats_read(&ch->rx_stats.refused),
			refused + FRAGMENTS);
	KUNIT_EXPECT_EQ(test, passed, 1);
	check(bus, RUNNING);
}

static void more_channels_after_probe(struct kunit *test)
{
	struct fake_bus *bus = fake_bus_new(test);
	struct netvsc *nv = bus->nv;
	u32 n;

	KUNIT_ASSERT_EQ(test, fake_bus_connect(bus), 0);
	KUNIT_EXPECT_EQ(test, nv->nchans, 1);
	KUNIT_EXPECT_EQ(test, nv->cfg.channels, num_online_cpus());
	n = nv->cfg.channels;
	bus->host.grant = 0;
	KUNIT_EXPECT_EQ(test, fake_bus_grow(bus), 0);
	KUNIT_EXPECT_EQ(test, nv->nchans, 1);
	check(bus, CONNECTED);
	KUNIT_EXPECT_EQ(test, nv->cfg.channels, n);
	bus->host.grant = 63;
	KUNIT_EXPECT_EQ(test, fake_bus_grow(bus), 0);
	KUNIT_EXPECT_EQ(test, nv->nchans, n);
	check(bus, CONNECTED);
}

/* Connecting for the first time fails at each place in turn */
static void probe_fails(struct kunit *test)
{
	struct fake_bus *bus;
	u32 n;

	for (n = 1; n < 100; n++) {
		bus = fake_bus_new(test);
		bus->all_fail_at = n;
		bus->all_fail_errno = EIO;
		bus->all_fail_times = 1;
		if (!fake_bus_connect(bus))
			break;
		KUNIT_EXPECT_EQ(test, bus->nv->state, DOWN);
		KUNIT_EXPECT_EQ(test, fake_bus_still_shared(bus), 0);
		KUNIT_EXPECT_EQ(test, fake_bus_still_open(bus), 0);
		fake_bus_end(bus);
	}
	KUNIT_EXPECT_GT(test, n, 15);
	KUNIT_EXPECT_GT(test, n, bus->all_calls);
}

/* A change that fails at each place in turn */

enum fault { CALL, SILENCE, REFUSAL, FOR_GOOD };

struct fault_case {
	const char *name;
	enum netvsc_state state;
	enum change change;
	enum fault fault;
};

static const struct fault_case fault_cases[] = {
	{ "MTU, connected, call", CONNECTED, MTU, CALL },
	{ "MTU, running, call", RUNNING, MTU, CALL },
	{ "MTU, running, silence", RUNNING, MTU, SILENCE },
	{ "MTU, running, refusal", RUNNING, MTU, REFUSAL },
	{ "MTU, running, for good", RUNNING, MTU, FOR_GOOD },
	{ "channels, connected, call", CONNECTED, CHANNELS, CALL },
	{ "channels, running, call", RUNNING, CHANNELS, CALL },
	{ "channels, running, silence", RUNNING, CHANNELS, SILENCE },
	{ "channels, running, refusal", RUNNING, CHANNELS, REFUSAL },
	{ "channels, running, for good", RUNNING, CHANNELS, FOR_GOOD },
	{ "buffers, connected, call", CONNECTED, RX_BYTES, CALL },
	{ "buffers, running, call", RUNNING, RX_BYTES, CALL },
	{ "buffers, running, silence", RUNNING, RX_BYTES, SILENCE },
	{ "buffers, running, refusal", RUNNING, RX_BYTES, REFUSAL },
	{ "buffers, running, for good", RUNNING, RX_BYTES, FOR_GOOD },
	{ "features, running, call", RUNNING, FEATURES, CALL },
	{ "features, running, silence", RUNNING, FEATURES, SILENCE },
	{ "features, running, refusal", RUNNING, FEATURES, REFUSAL },
	{ "RSS, running, call", RUNNING, RSS, CALL },
	{ "RSS, running, silence", RUNNING, RSS, SILENCE },
	{ "RSS, running, refusal", RUNNING, RSS, REFUSAL },
	{ "filter, running, call", RUNNING, FILTER, CALL },
	{ "filter, running, silence", RUNNING, FILTER, SILENCE },
	{ "filter, running, refusal", RUNNING, FILTER, REFUSAL },
};

KUNIT_ARRAY_PARAM_DESC(fault, fault_cases, name);

static void inject(struct fake_bus *bus, enum fault fault, u32 n)
{
	struct fake_rule *rule;

	if (fault == CALL || fault == FOR_GOOD) {
		bus->all_fail_at = bus->all_calls + n;
		bus->all_fail_errno = EIO;
		bus->all_fail_times = fault == CALL;
		return;
	}
	rule = fake_bus_rule(bus, FAKE_ANY,
			     fault == SILENCE ? FAKE_NONE : FAKE_STATUS,
			     NVSP_STATUS_FAILURE);
	rule->skip = n - 1;
	rule->times = 1;
}

/* Was there anything to fail? */
static bool injected(const struct fake_bus *bus, enum fault fault)
{
	if (fault == CALL || fault == FOR_GOOD)
		return bus->all_calls >= bus->all_fail_at;
	return bus->rules[0].used;
}

static void fail_once(struct fake_bus *bus, const struct fault_case *param,
		      const struct netvsc_config *want)
{
	const struct netvsc_config old = bus->nv->cfg;
	struct kunit *test = bus->test;
	int ret;

	ret = fake_bus_reconfigure(bus, want, param->state);
	if (ret && param->fault == FOR_GOOD) {
		if (bus->nv->state == DEAD) {
			check(bus, DEAD);
			/* all that was set is known still */
			expect_config(bus, &old);
			KUNIT_EXPECT_EQ(test, bus->ndev->mtu, old.mtu);
			return;
		}
	}
	/* one fault is never the end */
	check(bus, param->state);
	expect_config(bus, ret ? &old : want);
	if (param->change == FEATURES)
		KUNIT_EXPECT_EQ(test, bus->nv->cfg.features,
				ret ? old.features : want->features);
}

static void fault(struct kunit *test)
{
	const struct fault_case *param = test->param_value;
	struct fake_bus *bus = begin(test, param->state, 2);
	struct netvsc_config base = bus->nv->cfg, want;
	/* three changes make the same calls: each has its third of the places */
	bool rebuilds = param->change < FEATURES;
	u32 n, first = rebuilds ? param->change : 1, step = rebuilds ? 3 : 1;
	u32 least = rebuilds ? 14 : 1;
	bool hit = true;

	BUILD_BUG_ON(MTU != 1 || CHANNELS != 2 || RX_BYTES != 3);
	use_table(bus);

	for (n = first; hit && n < 120; n += step) {
		want = base;
		make_change(&want, param->change);
		bus->nv->timeout_ms = param->fault == SILENCE ? SILENCE_MS : 5000;
		inject(bus, param->fault, n);
		fail_once(bus, param, &want);
		hit = injected(bus, param->fault);
		fake_bus_no_rules(bus);
		bus->nv->timeout_ms = 5000;
		/* whatever has happened, the next change works */
		want = base;
		want.tx_bytes ^= SMALL;
		KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want,
							   param->state), 0);
		check(bus, param->state);
		expect_config(bus, &want);
		KUNIT_EXPECT_EQ(test, bus->nv->nchans, want.channels);
		base = bus->nv->cfg;
		fake_bus_forget(bus);
	}
	KUNIT_EXPECT_FALSE(test, hit);
	KUNIT_EXPECT_GT(test, n, least);
	fake_bus_end(bus);
}

static void rescind(struct kunit *test)
{
	struct fake_bus *bus = begin(test, RUNNING, 2);
	struct netvsc_config want = bus->nv->cfg;
	unsigned long begun = jiffies;

	bus->nv->timeout_ms = 60000;
	bus->undrained = true;
	fake_bus_rule(bus, OID_PACKET_FILTER, FAKE_RESCIND, 0);
	want.mtu = 1400;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), -ENODEV);
	KUNIT_EXPECT_LT(test, jiffies - begun, 10 * HZ);
	check(bus, DEAD);
	KUNIT_EXPECT_EQ(test, bus->nv->cfg.mtu, ETH_DATA_LEN);
}

/* A ring that never gets empty does not hold up a change for good */
static void rings_are_never_empty(struct kunit *test)
{
	struct fake_bus *bus = begin(test, RUNNING, 1);
	struct netvsc_config want = bus->nv->cfg;
	unsigned long begun = jiffies;

	bus->undrained = true;
	bus->nv->timeout_ms = 2000;
	want.mtu = 1400;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	KUNIT_EXPECT_GE(test, jiffies - begun, msecs_to_jiffies(450));
	check(bus, RUNNING);
	bus->undrained = false;
}

static void dead_can_be_opened(struct kunit *test)
{
	struct fake_bus *bus = begin(test, RUNNING, 1);
	struct netvsc_config old = bus->nv->cfg, want = old;

	want.mtu = 1400;
	bus->fail_at[FAKE_OPEN] = 1;
	bus->fail_errno[FAKE_OPEN] = EAGAIN;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), -EAGAIN);
	check(bus, DEAD);
	expect_config(bus, &old);
	/* not yet */
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &old, RUNNING), -EAGAIN);
	check(bus, DEAD);
	fake_bus_no_rules(bus);
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &old, RUNNING), 0);
	check(bus, RUNNING);
	expect_config(bus, &old);
}

/* What the host did not give back is not shared again, not even in the change
 * that has lost it
 */
static void memory_that_is_lost_is_replaced(struct kunit *test)
{
	struct fake_bus *bus = begin(test, RUNNING, 1);
	struct netvsc_config want = bus->nv->cfg;
	void *lost = bus->nv->bufs->rx.base;

	want.mtu = 1400;
	fake_bus_fail(bus, FAKE_UNSHARE, 1, EIO);
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	check(bus, RUNNING);
	KUNIT_EXPECT_PTR_NE(test, bus->nv->bufs->rx.base, lost);
	KUNIT_EXPECT_FALSE(test, bus->nv->bufs->rx.leaked);
	want.mtu = 1500;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	check(bus, RUNNING);
}

/* Packets that a host puts on the primary's ring at any time of a set-up [T05] */

static u32 early_puts, early_passed;

static void early_deliver(struct netvsc_chan *ch, struct sk_buff *skb)
{
	early_passed += ch->nv->state == RUNNING;
	KUNIT_EXPECT_EQ(kunit_get_current_test(), ch->nv->state, RUNNING);
	kfree_skb(skb);
}

static void early_packets(struct fake_bus *bus)
{
	static const u32 frame[] = { RNDIS_PACKET, 104, 36, 60 };
	static const u32 event[] = {
		RNDIS_INDICATE, 20, RNDIS_STATUS_MEDIA_CONNECT,
	};
	static const struct vmtransfer_page_range ranges[] = {
		{ .byte_count = 104, .byte_offset = 0 },
		{ .byte_count = 20, .byte_offset = 2048 },
	};
	const __le32 table[3 + NVSP_SEND_TABLE_SIZE] = {
		cpu_to_le32(NVSP_INDIRECTION_TABLE),
		cpu_to_le32(NVSP_SEND_TABLE_SIZE), cpu_to_le32(12),
	};
	const __le32 stray[] = { cpu_to_le32(NVSP_RNDIS_PACKET_COMPLETE), 0 };
	u8 *base = bus->nv->bufs->rx.base;
	u32 i;

	memset(base, 0, 104);
	for (i = 0; i < ARRAY_SIZE(frame); i++)
		put_unaligned_le32(frame[i], base + 4 * i);
	memset(base + 2048, 0, 20);
	for (i = 0; i < ARRAY_SIZE(event); i++)
		put_unaligned_le32(event[i], base + 2048 + 4 * i);
	fake_bus_put_xfer(bus, 0, ++early_puts, NVSP_RECV_BUF_ID,
			  ARRAY_SIZE(ranges), ranges);
	fake_bus_put(bus, 0, VM_PKT_DATA_INBAND, 0, 0, NULL, 0, table,
		     sizeof(table));
	fake_bus_put(bus, 0, VM_PKT_COMP, 0, 1, NULL, 0, stray, sizeof(stray));
	/* or NAPI that the driver has scheduled takes them, in this very thread */
	fake_bus_poll(bus, 0, 64);
	KUNIT_EXPECT_TRUE_MSG(bus->test, list_empty(&fake_bus_chan(bus, 0)->in),
			      "packet %u, state %u", early_puts, bus->nv->state);
}

/* Each was completed once, as a failure while there was no receive buffer yet */
static void check_early(struct fake_bus *bus)
{
	struct fake_sent *sent;
	u32 n = 0;

	list_for_each_entry(sent, &bus->sent, node) {
		if (!sent->completion)
			continue;
		n++;
		KUNIT_EXPECT_EQ(bus->test, sent->id, n);
	}
	KUNIT_EXPECT_EQ(bus->test, n, early_puts);
	early_puts = 0;
	fake_bus_forget(bus);
}

static const u32 early_keys[] = {
	NVSP_INIT, NVSP_RECV_BUF, NVSP_SEND_BUF,
	FAKE_KEY_RNDIS(RNDIS_INITIALIZE), OID_MAX_FRAME_SIZE,
	OID_PERMANENT_ADDRESS, OID_OFFLOAD_HW_CAPS,
	OID_OFFLOAD_PARAMS, OID_MEDIA_CONNECT_STATUS, OID_LINK_SPEED,
	OID_RSS_CAPS, NVSP_SUBCHANNEL, OID_RSS_PARAMS, OID_PACKET_FILTER,
};

static void early(struct kunit *test)
{
	struct fake_bus *bus = fake_bus_new(test);
	struct netvsc_config want;
	int i;

	early_puts = 0;
	early_passed = 0;
	kunit_activate_static_stub(test, netvsc_rx_deliver, early_deliver);
	for (i = 0; i < ARRAY_SIZE(early_keys); i++)
		fake_bus_rule(bus, early_keys[i], FAKE_CALL, 0)->call =
			early_packets;
	KUNIT_ASSERT_EQ(test, fake_bus_connect(bus), 0);
	check_early(bus);
	want = bus->nv->cfg;
	want.channels = min(2u, num_online_cpus());
	want.filter = NDIS_FILTER_DIRECTED;
	KUNIT_EXPECT_EQ(test, fake_bus_reconfigure(bus, &want, RUNNING), 0);
	check_early(bus);
	for (i = MTU; i <= SESSION; i++) {
		make_change(&want, i);
		KUNIT_EXPECT_EQ_MSG(test, fake_bus_reconfigure(bus, &want, RUNNING),
				    0, "change %d", i);
		check(bus, RUNNING);
		check_early(bus);
	}
	for (i = 0; i < ARRAY_SIZE(early_keys); i++)
		KUNIT_EXPECT_GE(test, bus->rules[i].used, 1);
	/* with the answer to each filter but that before a session ends */
	KUNIT_EXPECT_GE(test, early_passed, 6);
	fake_bus_no_rules(bus);
}

/* A control message does not meet the batch that is being filled [T26] */
static void control_beside_a_batch(struct kunit *test)
{
	static const struct net_device_ops ops = {
		.ndo_start_xmit = netvsc_start_xmit,
	};
	static const u8 mac[ETH_ALEN] = { 2, 1, 2, 3, 4, 5 };
	struct fake_bus *bus = begin(test, RUNNING, 1);
	struct netvsc *nv = bus->nv;
	struct netvsc_tx *tx = &nv->chans[0]->tx;
	struct netvsc_req *batch = NULL;
	struct netdev_queue *txq = netdev_get_tx_queue(bus->ndev, 0);
	struct sk_buff *skb;
	u64 id = 0;
	int i;

	for (i = 0; i < 2; i++) {
		skb = alloc_skb(100, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, skb);
		memset(skb_put(skb, 100), i + 1, 100);
		__netif_tx_lock_bh(txq);
		KUNIT_EXPECT_EQ(test, __netdev_start_xmit(&ops, skb, bus->ndev, !i),
				NETDEV_TX_OK);
		__netif_tx_unlock_bh(txq);
		if (i)
			break;
		batch = tx->batch;
		KUNIT_ASSERT_NOT_NULL(test, batch);
		KUNIT_EXPECT_EQ(test, rndis_filter_set_filter(nv, 0x20), 0);
		KUNIT_EXPECT_EQ(test, rndis_filter_set_mac(nv, mac), 0);
		KUNIT_EXPECT_PTR_EQ(test, tx->batch, batch);
		KUNIT_EXPECT_EQ(test, batch->packets, 1);
		KUNIT_EXPECT_EQ(test, fake_bus_count(bus, NVSP_RNDIS_PACKET), 0);
	}
	KUNIT_ASSERT_EQ(test, fake_bus_count(bus, NVSP_RNDIS_PACKET), 1);
	id = fake_bus_sent(bus, NVSP_RNDIS_PACKET, 0)->id;
	KUNIT_EXPECT_EQ(test, fake_bus_sent(bus, NVSP_RNDIS_PACKET, 0)->data_len,
			2 * ALIGN(44 + 100, 8));
	local_bh_disable();
	KUNIT_EXPECT_TRUE(test, netvsc_tx_complete(nv->chans[0], id,
						   NVSP_STATUS_SUCCESS, 64));
	netvsc_tx_poll_end(nv->chans[0]);
	local_bh_enable();
	KUNIT_EXPECT_TRUE(test, netvsc_tx_idle(nv->chans[0]));
}

static struct kunit_case config_cases[] = {
	KUNIT_CASE_PARAM(validate, validate_gen_params),
	KUNIT_CASE(validate_rss),
	KUNIT_CASE_PARAM(diff, diff_gen_params),
	KUNIT_CASE(states),
	KUNIT_CASE(changes),
	KUNIT_CASE(what_does_not_change_asks_nothing),
	KUNIT_CASE(open_and_stop_tell_the_filter),
	KUNIT_CASE(filter_refused),
	KUNIT_CASE(rss_refused),
	KUNIT_CASE(rss_follows_channels),
	KUNIT_CASE_PARAM(rss_folds, fold_gen_params),
	KUNIT_CASE(rss_with_one_channel),
	KUNIT_CASE(fewer_channels_for_a_while),
	KUNIT_CASE(change_before_the_subchannels),
	KUNIT_CASE(rss_again),
	KUNIT_CASE(refused_send_buffer),
	KUNIT_CASE(filter_is_taken_back),
	KUNIT_CASE(open_behind_a_gap),
	KUNIT_CASE(send_table_while_growing),
	KUNIT_CASE(channel_taken_back),
	KUNIT_CASE(silent_options),
	KUNIT_CASE(address_is_told_again),
	KUNIT_CASE(old_host_takes_less),
	KUNIT_CASE(host_lowers_the_mtu),
	KUNIT_CASE(segmentation_outlives_the_mtu),
	KUNIT_CASE(features_of_a_failed_change),
	KUNIT_CASE(features_of_a_host),
	KUNIT_CASE(lro),
	KUNIT_CASE(lro_refused),
	KUNIT_CASE(lro_disabled_without_host),
	KUNIT_CASE(lro_is_disabled_from_above),
	KUNIT_CASE(disconnect_in_a_coalesced_frame),
	KUNIT_CASE(more_channels_after_probe),
	KUNIT_CASE_SLOW(probe_fails),
	KUNIT_CASE_PARAM_ATTR(fault, fault_gen_params,
			      {.speed = KUNIT_SPEED_SLOW}),
	KUNIT_CASE(rescind),
	KUNIT_CASE(rings_are_never_empty),
	KUNIT_CASE(dead_can_be_opened),
	KUNIT_CASE(memory_that_is_lost_is_replaced),
	KUNIT_CASE(early),
	KUNIT_CASE(control_beside_a_batch),
	{}
};

static struct kunit_suite config_suite = {
	.name = "hv_netvsc_config",
	.test_cases = config_cases,
};

kunit_test_suite(config_suite);
