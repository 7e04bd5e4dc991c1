// SPDX-License-Identifier: GPL-2.0-only
/*
 * Statistics, and the ethtool verbs. A verb that changes what the host knows of
 * says so in a struct netvsc_config; netvsc_reconfigure() does it, or leaves
 * all as it was.
 */
#include <linux/cpumask.h>
#include <linux/ethtool.h>
#include <linux/mm.h>
#include <linux/rtnetlink.h>
#include <linux/string.h>
#include <net/netdev_queues.h>

#include "hyperv_net.h"
#include "netvsc_config.h"
#include "netvsc_ethtool.h"
#include "netvsc_vf.h"
#include "netvsc_vmbus.h"
#include "nvsp_proto.h"

#define NETVSC_REGS_VERSION	1

/**
 * struct netvsc_stat - a counter that each channel has
 * @name: for user space; may be a format that takes a number
 * @sync: offset of what guards it in struct netvsc_chan
 * @value: its own offset there; 0: nothing counts this, it is always 0
 */
struct netvsc_stat {
	const char *name;
	size_t sync;
	size_t value;
};

#define NETVSC_STAT(_name, _sync, _value) {			\
	.name = _name,						\
	.sync = offsetof(struct netvsc_chan, _sync),		\
	.value = offsetof(struct netvsc_chan, _value),		\
}

#define NETVSC_TX_STAT(_name, _field) \
	NETVSC_STAT(_name, tx_stats.sync, tx_stats._field)
#define NETVSC_DONE_STAT(_name, _field) \
	NETVSC_STAT(_name, done_stats.sync, done_stats._field)
#define NETVSC_RX_STAT(_name, _field) \
	NETVSC_STAT(_name, rx_stats.sync, rx_stats._field)

/* Names, order and meaning of all three tables are user interface. */

/* The sum over all channels */
static const struct netvsc_stat netvsc_device_stats[] = {
	NETVSC_TX_STAT("tx_scattered", scattered),
	NETVSC_TX_STAT("tx_no_memory", no_memory),
	NETVSC_TX_STAT("tx_no_space", no_space),
	NETVSC_TX_STAT("tx_too_big", too_big),
	NETVSC_TX_STAT("tx_busy", busy),
	NETVSC_TX_STAT("tx_send_full", send_full),
	NETVSC_RX_STAT("rx_comp_busy", comp_busy),
	NETVSC_RX_STAT("rx_no_memory", no_memory),
	NETVSC_TX_STAT("stop_queue", stop_queue),
	NETVSC_TX_STAT("wake_queue", wake_queue),
	NETVSC_TX_STAT("vlan_error", vlan_error),
	{ .name = "vf_rx_packets" },
	{ .name = "vf_rx_bytes" },
	{ .name = "vf_tx_packets" },
	{ .name = "vf_tx_bytes" },
	{ .name = "vf_tx_dropped" },
};

/* Of each channel in use */
static const struct netvsc_stat netvsc_queue_stats[] = {
	NETVSC_DONE_STAT("tx_queue_%u_packets", packets),
	NETVSC_DONE_STAT("tx_queue_%u_bytes", bytes),
	NETVSC_TX_STAT("tx_queue_%u_xdp_xmit", xdp_xmit),
	NETVSC_RX_STAT("rx_queue_%u_packets", packets),
	NETVSC_RX_STAT("rx_queue_%u_bytes", bytes),
	NETVSC_RX_STAT("rx_queue_%u_xdp_drop", xdp_drop),
	NETVSC_RX_STAT("rx_queue_%u_xdp_redirect", xdp_redirect),
	NETVSC_RX_STAT("rx_queue_%u_xdp_tx", xdp_tx),
};

/* Of each CPU: the sum over the channels that interrupt it */
static const struct netvsc_stat netvsc_cpu_stats[] = {
	NETVSC_RX_STAT("cpu%u_rx_packets", packets),
	NETVSC_RX_STAT("cpu%u_rx_bytes", bytes),
	NETVSC_DONE_STAT("cpu%u_tx_packets", packets),
	NETVSC_DONE_STAT("cpu%u_tx_bytes", bytes),
	{ .name = "cpu%u_vf_rx_packets" },
	{ .name = "cpu%u_vf_rx_bytes" },
	{ .name = "cpu%u_vf_tx_packets" },
	{ .name = "cpu%u_vf_tx_bytes" },
};

static u64 netvsc_read_stat(const struct u64_stats_sync *sync,
			    const u64_stats_t *value)
{
	unsigned int start;
	u64 seen;

	do {
		start = u64_stats_fetch_begin(sync);
		seen = u64_stats_read(value);
	} while (u64_stats_fetch_retry(sync, start));
	return seen;
}

static void netvsc_add_stats(const struct netvsc_chan *ch,
			     const struct netvsc_stat *stats, u32 count,
			     u64 *data)
{
	const void *base = ch;
	u32 i;

	for (i = 0; i < count; i++) {
		if (!stats[i].value)
			continue;
		data[i] += netvsc_read_stat(base + stats[i].sync,
					    base + stats[i].value);
	}
}

/* What the last entries of netvsc_device_stats are */
enum {
	VF_RX_PACKETS,
	VF_RX_BYTES,
	VF_TX_PACKETS,
	VF_TX_BYTES,
	VF_TX_DROPPED,
	VF_STATS,
};

/* What went by the VF on a CPU */
static void netvsc_add_vf_stats(const struct netvsc *nv, u32 cpu, u64 *data)
{
	const struct netvsc_vf_stats *stats = per_cpu_ptr(nv->vf.stats, cpu);

	data[VF_RX_PACKETS] += netvsc_read_stat(&stats->syncp, &stats->rx_packets);
	data[VF_RX_BYTES] += netvsc_read_stat(&stats->syncp, &stats->rx_bytes);
	data[VF_TX_PACKETS] += netvsc_read_stat(&stats->syncp, &stats->tx_packets);
	data[VF_TX_BYTES] += netvsc_read_stat(&stats->syncp, &stats->tx_bytes);
	data[VF_TX_DROPPED] += netvsc_read_stat(&stats->syncp, &stats->tx_dropped);
}

static void netvsc_sum_vf_stats(const struct netvsc *nv, u64 *data)
{
	u32 cpu;

	for_each_possible_cpu(cpu)
		netvsc_add_vf_stats(nv, cpu, data);
}

/**
 * netvsc_get_stats64() - ndo_get_stats64
 * @ndev: the net_device
 * @s: where to, zeroed
 *
 * Channels that are no longer in use count on, so that nothing goes back.
 *
 * Context: any; no lock.
 */
void netvsc_get_stats64(struct net_device *ndev, struct rtnl_link_stats64 *s)
{
	static const struct netvsc_stat stats[] = {
		NETVSC_RX_STAT(NULL, packets),
		NETVSC_RX_STAT(NULL, bytes),
		NETVSC_RX_STAT(NULL, multicast),
		NETVSC_DONE_STAT(NULL, packets),
		NETVSC_DONE_STAT(NULL, bytes),
		NETVSC_TX_STAT(NULL, dropped),
		NETVSC_RX_STAT(NULL, no_memory),
		NETVSC_RX_STAT(NULL, early),
		NETVSC_RX_STAT(NULL, length_errors),
		NETVSC_RX_STAT(NULL, refused),
		NETVSC_DONE_STAT(NULL, failed),
	};
	const struct netvsc *nv = netdev_priv(ndev);
	/* Pairs with the release after a channel was made. */
	u32 made = smp_load_acquire(&nv->nchans_made);
	u64 sum[ARRAY_SIZE(stats)] = {}, vf[VF_STATS] = {};
	u32 i;

	for (i = 0; i < made; i++)
		netvsc_add_stats(nv->chans[i], stats, ARRAY_SIZE(stats), sum);
	netvsc_sum_vf_stats(nv, vf);

	netdev_stats_to_stats64(s, &ndev->stats);
	s->rx_packets += sum[0] + vf[VF_RX_PACKETS];
	s->rx_bytes += sum[1] + vf[VF_RX_BYTES];
	s->multicast += sum[2];
	s->tx_packets += sum[3] + vf[VF_TX_PACKETS];
	s->tx_bytes += sum[4] + vf[VF_TX_BYTES];
	s->tx_dropped += sum[5] + vf[VF_TX_DROPPED];
	s->rx_dropped += sum[6] + sum[7];
	s->rx_length_errors += sum[8];
	s->rx_errors += sum[8] + sum[9];
	s->tx_errors += sum[10];
}

static void netvsc_get_queue_stats_rx(struct net_device *ndev, int index,
				      struct netdev_queue_stats_rx *rx)
{
	const struct netvsc *nv = netdev_priv(ndev);
	const struct netvsc_rx_stats *stats = &nv->chans[index]->rx_stats;
	unsigned int start;

	do {
		start = u64_stats_fetch_begin(&stats->sync);
		rx->packets = u64_stats_read(&stats->packets);
		rx->bytes = u64_stats_read(&stats->bytes);
		rx->alloc_fail = u64_stats_read(&stats->no_memory);
	} while (u64_stats_fetch_retry(&stats->sync, start));
}

static void netvsc_get_queue_stats_tx(struct net_device *ndev, int index,
				      struct netdev_queue_stats_tx *tx)
{
	const struct netvsc *nv = netdev_priv(ndev);
	const struct netvsc_chan *ch = nv->chans[index];
	unsigned int start;

	do {
		start = u64_stats_fetch_begin(&ch->done_stats.sync);
		tx->packets = u64_stats_read(&ch->done_stats.packets);
		tx->bytes = u64_stats_read(&ch->done_stats.bytes);
		tx->hw_drops = u64_stats_read(&ch->done_stats.failed);
	} while (u64_stats_fetch_retry(&ch->done_stats.sync, start));
	do {
		start = u64_stats_fetch_begin(&ch->tx_stats.sync);
		tx->stop = u64_stats_read(&ch->tx_stats.stop_queue);
		tx->wake = u64_stats_read(&ch->tx_stats.wake_queue);
	} while (u64_stats_fetch_retry(&ch->tx_stats.sync, start));
}

/* What went by the VF, and what channels have counted that are not in use now: with
 * it, and the queues, there is all that netvsc_get_stats64() tells, and no total
 * goes back.
 */
static void netvsc_get_base_stats(struct net_device *ndev,
				  struct netdev_queue_stats_rx *rx,
				  struct netdev_queue_stats_tx *tx)
{
	const struct netvsc *nv = netdev_priv(ndev);
	u64 vf[VF_STATS] = {};

	ASSERT_RTNL();

	netvsc_sum_vf_stats(nv, vf);
	rx->packets = vf[VF_RX_PACKETS];
	rx->bytes = vf[VF_RX_BYTES];
	rx->alloc_fail = 0;
	tx->packets = vf[VF_TX_PACKETS];
	tx->bytes = vf[VF_TX_BYTES];
	tx->hw_drops = 0;
	tx->stop = 0;
	tx->wake = 0;
	netdev_stat_queue_sum(ndev,
			      ndev->real_num_rx_queues, nv->nchans_made, rx,
			      ndev->real_num_tx_queues, nv->nchans_made, tx);
}

const struct netdev_stat_ops netvsc_stat_ops = {
	.get_queue_stats_rx	= netvsc_get_queue_stats_rx,
	.get_queue_stats_tx	= netvsc_get_queue_stats_tx,
	.get_base_stats		= netvsc_get_base_stats,
};

static int netvsc_get_sset_count(struct net_device *ndev, int set)
{
	struct netvsc *nv = netdev_priv(ndev);

	ASSERT_RTNL();

	if (!netvsc_has_session(nv->state))
		return -ENODEV;
	if (set != ETH_SS_STATS)
		return -EOPNOTSUPP;
	nv->stat_cpus = num_present_cpus();
	return ARRAY_SIZE(netvsc_device_stats) +
	       ARRAY_SIZE(netvsc_queue_stats) * nv->nchans +
	       ARRAY_SIZE(netvsc_cpu_stats) * nv->stat_cpus;
}

/* Also formats a name that does not take the number. */
static void netvsc_put_names(u8 **data, const struct netvsc_stat *stats,
			     u32 count, u32 number)
{
	u32 i;

	for (i = 0; i < count; i++)
		ethtool_sprintf(data, stats[i].name, number);
}

static void netvsc_get_strings(struct net_device *ndev, u32 set, u8 *data)
{
	const struct netvsc *nv = netdev_priv(ndev);
	u32 i, cpus = nv->stat_cpus;

	ASSERT_RTNL();

	if (!netvsc_has_session(nv->state) || set != ETH_SS_STATS)
		return;

	netvsc_put_names(&data, netvsc_device_stats,
			 ARRAY_SIZE(netvsc_device_stats), 0);
	for (i = 0; i < nv->nchans; i++)
		netvsc_put_names(&data, netvsc_queue_stats,
				 ARRAY_SIZE(netvsc_queue_stats), i);
	/* RTNL does not keep a CPU from being added since the set was sized. */
	for_each_present_cpu(i) {
		if (!cpus--)
			break;
		netvsc_put_names(&data, netvsc_cpu_stats,
				 ARRAY_SIZE(netvsc_cpu_stats), i);
	}
}

/* What a channel counted that is not in use now goes to the primary's CPU, so
 * that the sum over CPUs stays that of the device.
 */
static u32 netvsc_chan_cpu(const struct netvsc_chan *ch)
{
	const struct netvsc *nv = ch->nv;

	ASSERT_RTNL();

	if (ch->index < nv->nchans)
		return netvsc_vmbus_cpu(ch->chn);
	return netvsc_vmbus_cpu(nv->hdev->channel);
}

static void netvsc_add_cpu_stats(const struct netvsc *nv, u32 cpu, u64 *data)
{
	u64 vf[VF_STATS] = {};
	u32 i;

	ASSERT_RTNL();

	/* the VF's count twice: by themselves, too */
	netvsc_add_vf_stats(nv, cpu, vf);
	for (i = VF_RX_PACKETS; i <= VF_TX_BYTES; i++) {
		data[i] += vf[i];
		data[VF_TX_BYTES + 1 + i] += vf[i];
	}
	for (i = 0; i < nv->nchans_made; i++) {
		if (netvsc_chan_cpu(nv->chans[i]) == cpu)
			netvsc_add_stats(nv->chans[i], netvsc_cpu_stats,
					 ARRAY_SIZE(netvsc_cpu_stats), data);
	}
}

static void netvsc_get_ethtool_stats(struct net_device *ndev,
				     struct ethtool_stats *stats, u64 *data)
{
	const struct netvsc *nv = netdev_priv(ndev);
	const u64 *end = data + stats->n_stats;
	u32 i;

	ASSERT_RTNL();

	memset(data, 0, stats->n_stats * sizeof(*data));
	if (!netvsc_has_session(nv->state))
		return;

	for (i = 0; i < nv->nchans_made; i++)
		netvsc_add_stats(nv->chans[i], netvsc_device_stats,
				 ARRAY_SIZE(netvsc_device_stats), data);
	data += ARRAY_SIZE(netvsc_device_stats);
	netvsc_sum_vf_stats(nv, data - VF_STATS);

	for (i = 0; i < nv->nchans; i++) {
		netvsc_add_stats(nv->chans[i], netvsc_queue_stats,
				 ARRAY_SIZE(netvsc_queue_stats), data);
		data += ARRAY_SIZE(netvsc_queue_stats);
	}

	/* see netvsc_get_strings() */
	for_each_present_cpu(i) {
		if (data + ARRAY_SIZE(netvsc_cpu_stats) > end)
			break;
		netvsc_add_cpu_stats(nv, i, data);
		data += ARRAY_SIZE(netvsc_cpu_stats);
	}
}

static void netvsc_get_drvinfo(struct net_device *ndev,
			       struct ethtool_drvinfo *info)
{
	strscpy(info->driver, KBUILD_MODNAME, sizeof(info->driver));
	strscpy(info->fw_version, "N/A", sizeof(info->fw_version));
}

static int netvsc_get_regs_len(struct net_device *ndev)
{
	return NETVSC_SEND_TABLE * sizeof(u32);
}

static void netvsc_get_regs(struct net_device *ndev, struct ethtool_regs *regs,
			    void *data)
{
	const struct netvsc *nv = netdev_priv(ndev);
	u32 *table = data;
	u32 i;

	regs->version = NETVSC_REGS_VERSION;
	for (i = 0; i < NETVSC_SEND_TABLE; i++)
		table[i] = READ_ONCE(nv->tx_table[i]);
}

static u32 netvsc_get_msglevel(struct net_device *ndev)
{
	const struct netvsc *nv = netdev_priv(ndev);

	return nv->msg_enable;
}

static void netvsc_set_msglevel(struct net_device *ndev, u32 level)
{
	struct netvsc *nv = netdev_priv(ndev);

	nv->msg_enable = level;
}

static int netvsc_get_link_ksettings(struct net_device *ndev,
				     struct ethtool_link_ksettings *cmd)
{
	const struct netvsc *nv = netdev_priv(ndev);
	struct net_device *vf_ndev = rtnl_dereference(nv->vf.ndev);

	if (vf_ndev)
		return __ethtool_get_link_ksettings(vf_ndev, cmd);
	cmd->base.speed = READ_ONCE(nv->link.speed);
	cmd->base.duplex = nv->duplex;
	cmd->base.port = PORT_OTHER;
	return 0;
}

/* Cosmetic without a VF: the host is told nothing, and its next word on the speed
 * holds.
 */
static int netvsc_set_link_ksettings(struct net_device *ndev,
				     const struct ethtool_link_ksettings *cmd)
{
	struct netvsc *nv = netdev_priv(ndev);
	struct net_device *vf_ndev = rtnl_dereference(nv->vf.ndev);
	u32 speed;
	int ret;

	ASSERT_RTNL();

	if (vf_ndev && !vf_ndev->ethtool_ops->set_link_ksettings)
		return -EOPNOTSUPP;
	if (vf_ndev)
		return vf_ndev->ethtool_ops->set_link_ksettings(vf_ndev, cmd);
	ret = ethtool_virtdev_set_link_ksettings(ndev, cmd, &speed,
						 &nv->duplex);
	if (!ret)
		WRITE_ONCE(nv->link.speed, speed);
	return ret;
}

static void netvsc_get_channels(struct net_device *ndev,
				struct ethtool_channels *channels)
{
	const struct netvsc *nv = netdev_priv(ndev);

	ASSERT_RTNL();

	if (!netvsc_has_session(nv->state))
		return;
	channels->max_combined = netvsc_max_channels(nv);
	channels->combined_count = nv->nchans;
}

static int netvsc_set_channels(struct net_device *ndev,
			       struct ethtool_channels *channels)
{
	struct netvsc *nv = netdev_priv(ndev);
	struct netvsc_config want = nv->cfg;
	u32 count = channels->combined_count;
	int ret;

	ASSERT_RTNL();

	if (!netvsc_has_session(nv->state))
		return -ENODEV;
	if (nv->sess.version < NVSP_VERSION_5)
		return -EINVAL;
	if (channels->rx_count || channels->tx_count || channels->other_count)
		return -EINVAL;
	if (!count || count > netvsc_max_channels(nv))
		return -EINVAL;

	want.channels = count;
	/* also to ask again for what the host has not granted the last time */
	want.session++;
	ret = netvsc_reconfigure(nv, &want, nv->state, NULL);
	if (ret && nv->state == NETVSC_DEAD)
		netdev_err(ndev, "restoring channel setting failed\n");
	return ret;
}

/* Before a host has said its own, and if it refused a buffer, there is no
 * section size.
 */
static u32 netvsc_rx_section(const struct netvsc *nv)
{
	return nv->sess.rx_section_size ?: NETVSC_RX_SECTION;
}

static u32 netvsc_tx_section(const struct netvsc *nv)
{
	return nv->sess.tx_section_size ?: NETVSC_TX_SECTION;
}

static void netvsc_get_ringparam(struct net_device *ndev,
				 struct ethtool_ringparam *ring,
				 struct kernel_ethtool_ringparam *kernel_ring,
				 struct netlink_ext_ack *extack)
{
	const struct netvsc *nv = netdev_priv(ndev);

	ASSERT_RTNL();

	if (!netvsc_has_session(nv->state))
		return;
	ring->rx_max_pending = netvsc_rx_bytes_max(nv) / netvsc_rx_section(nv);
	ring->rx_pending = nv->sess.rx_sections;
	ring->tx_max_pending = NVSP_SEND_BUF_MAX / netvsc_tx_section(nv);
	ring->tx_pending = nv->sess.tx_sections;
}

/* Bytes for @asked sections, where there are @bytes with @now in them. The host
 * may make fewer of the same bytes than would fit, so that a number which did
 * not change leaves them alone.
 */
static u32 netvsc_section_bytes(u32 asked, u32 now, u32 size, u32 bytes)
{
	if (asked == now)
		return bytes;
	asked = max_t(u32, asked, NETVSC_SECTIONS_MIN);
	return asked == now ? bytes : PAGE_ALIGN(asked * size);
}

static int netvsc_set_ringparam(struct net_device *ndev,
				struct ethtool_ringparam *ring,
				struct kernel_ethtool_ringparam *kernel_ring,
				struct netlink_ext_ack *extack)
{
	struct netvsc *nv = netdev_priv(ndev);
	struct netvsc_config want = nv->cfg;
	int ret;

	ASSERT_RTNL();

	if (!netvsc_has_session(nv->state))
		return -ENODEV;

	want.rx_bytes = netvsc_section_bytes(ring->rx_pending,
					     nv->sess.rx_sections,
					     netvsc_rx_section(nv),
					     want.rx_bytes);
	want.tx_bytes = netvsc_section_bytes(ring->tx_pending,
					     nv->sess.tx_sections,
					     netvsc_tx_section(nv),
					     want.tx_bytes);
	if (want.rx_bytes == nv->cfg.rx_bytes &&
	    want.tx_bytes == nv->cfg.tx_bytes)
		return 0;
	ret = netvsc_reconfigure(nv, &want, nv->state, extack);
	if (ret && nv->state == NETVSC_DEAD)
		netdev_err(ndev, "restoring ringparam failed\n");
	return ret;
}

static u32 netvsc_get_rxfh_key_size(struct net_device *ndev)
{
	return NETVSC_HASH_KEY_LEN;
}

static u32 netvsc_get_rxfh_indir_size(struct net_device *ndev)
{
	const struct netvsc *nv = netdev_priv(ndev);

	ASSERT_RTNL();

	return netvsc_has_session(nv->state) ? nv->sess.rss_entries : 0;
}

static int netvsc_get_rxfh(struct net_device *ndev,
			   struct ethtool_rxfh_param *rxfh)
{
	const struct netvsc *nv = netdev_priv(ndev);
	u32 i;

	ASSERT_RTNL();

	if (!netvsc_has_session(nv->state))
		return -ENODEV;

	rxfh->hfunc = ETH_RSS_HASH_TOP;
	if (rxfh->indir) {
		for (i = 0; i < nv->sess.rss_entries; i++)
			rxfh->indir[i] = nv->rss.table[i];
	}
	if (rxfh->key)
		memcpy(rxfh->key, nv->rss.key, NETVSC_HASH_KEY_LEN);
	return 0;
}

static int netvsc_copy_table(const struct netvsc *nv, const u32 *indir,
			     u16 *table)
{
	u32 i, entries = nv->sess.rss_entries;

	ASSERT_RTNL();

	for (i = 0; i < entries; i++) {
		if (indir[i] >= nv->nchans)
			return -EINVAL;
		table[i] = indir[i];
	}
	/* again, for a VF that has more */
	for (; entries && i < NETVSC_RSS_TABLE_MAX; i++)
		table[i] = table[i - entries];
	return 0;
}

static int netvsc_set_rxfh(struct net_device *ndev,
			   struct ethtool_rxfh_param *rxfh,
			   struct netlink_ext_ack *extack)
{
	struct netvsc *nv = netdev_priv(ndev);
	struct netvsc_config want = nv->cfg;
	int ret;

	ASSERT_RTNL();

	if (!netvsc_has_session(nv->state))
		return -ENODEV;
	if (rxfh->hfunc != ETH_RSS_HASH_NO_CHANGE &&
	    rxfh->hfunc != ETH_RSS_HASH_TOP)
		return -EOPNOTSUPP;
	/* A host with a single queue does not take a key either. */
	if (!nv->sess.rss_entries) {
		NL_SET_ERR_MSG_MOD(extack, "the host has a single queue");
		return -EOPNOTSUPP;
	}
	if (!rxfh->indir && !rxfh->key)
		return 0;

	if (rxfh->indir) {
		ret = netvsc_copy_table(nv, rxfh->indir, want.rss.table);
		if (ret) {
			NL_SET_ERR_MSG_MOD(extack,
					   "the table names a channel that is not in use");
			return ret;
		}
	}
	/* what the host did not take when it was connected is worth another try */
	if (!nv->rss_told)
		want.rss_again++;
	if (rxfh->key)
		memcpy(want.rss.key, rxfh->key, NETVSC_HASH_KEY_LEN);
	return netvsc_vf_reconfigure(nv, &want, nv->state, extack);
}

#define NETVSC_HASH_L3	(RXH_IP_SRC | RXH_IP_DST)
#define NETVSC_HASH_L4	(NETVSC_HASH_L3 | RXH_L4_B_0_1 | RXH_L4_B_2_3)

/* The bit of nv->l4_hash that a kind of flow has, or 0 */
static u32 netvsc_l4_bit(u32 flow_type)
{
	switch (flow_type) {
	case TCP_V4_FLOW:
		return NETVSC_HASH_TCP4;
	case UDP_V4_FLOW:
		return NETVSC_HASH_UDP4;
	case TCP_V6_FLOW:
		return NETVSC_HASH_TCP6;
	case UDP_V6_FLOW:
		return NETVSC_HASH_UDP6;
	default:
		return 0;
	}
}

static u64 netvsc_hash_fields(const struct netvsc *nv, u32 flow_type)
{
	u32 bit = netvsc_l4_bit(flow_type);

	if (bit)
		return READ_ONCE(nv->l4_hash) & bit ? NETVSC_HASH_L4 :
						      NETVSC_HASH_L3;
	if (flow_type == IPV4_FLOW || flow_type == IPV6_FLOW)
		return NETVSC_HASH_L3;
	return 0;
}

static int netvsc_get_rxnfc(struct net_device *ndev, struct ethtool_rxnfc *info,
			    u32 *rule_locs)
{
	const struct netvsc *nv = netdev_priv(ndev);

	ASSERT_RTNL();

	if (!netvsc_has_session(nv->state))
		return -ENODEV;

	switch (info->cmd) {
	case ETHTOOL_GRXRINGS:
		info->data = nv->nchans;
		return 0;
	case ETHTOOL_GRXFH:
		info->data = netvsc_hash_fields(nv, info->flow_type);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/* Only the choice of the transmit queue looks at this, so the host is not told. */
static int netvsc_set_rxnfc(struct net_device *ndev, struct ethtool_rxnfc *info)
{
	struct netvsc *nv = netdev_priv(ndev);
	u32 bit = netvsc_l4_bit(info->flow_type);

	ASSERT_RTNL();

	if (info->cmd != ETHTOOL_SRXFH || !bit)
		return -EOPNOTSUPP;

	switch (info->data) {
	case NETVSC_HASH_L4:
		WRITE_ONCE(nv->l4_hash, nv->l4_hash | bit);
		return 0;
	case NETVSC_HASH_L3:
		WRITE_ONCE(nv->l4_hash, nv->l4_hash & ~bit);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

const struct ethtool_ops netvsc_ethtool_ops = {
	.get_channels		= netvsc_get_channels,
	.get_drvinfo		= netvsc_get_drvinfo,
	.get_ethtool_stats	= netvsc_get_ethtool_stats,
	.get_link		= ethtool_op_get_link,
	.get_link_ksettings	= netvsc_get_link_ksettings,
	.get_msglevel		= netvsc_get_msglevel,
	.get_regs		= netvsc_get_regs,
	.get_regs_len		= netvsc_get_regs_len,
	.get_ringparam		= netvsc_get_ringparam,
	.get_rxfh		= netvsc_get_rxfh,
	.get_rxfh_indir_size	= netvsc_get_rxfh_indir_size,
	.get_rxfh_key_size	= netvsc_get_rxfh_key_size,
	.get_rxnfc		= netvsc_get_rxnfc,
	.get_sset_count		= netvsc_get_sset_count,
	.get_strings		= netvsc_get_strings,
	.get_ts_info		= ethtool_op_get_ts_info,
	.set_channels		= netvsc_set_channels,
	.set_link_ksettings	= netvsc_set_link_ksettings,
	.set_msglevel		= netvsc_set_msglevel,
	.set_ringparam		= netvsc_set_ringparam,
	.set_rxfh		= netvsc_set_rxfh,
	.set_rxnfc		= netvsc_set_rxnfc,
};
