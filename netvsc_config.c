// SPDX-License-Identifier: GPL-2.0-only
/*
 * Configuration: what it may be, what a change of it takes, and the one path
 * that makes every change. Open, stop, MTU, channels, rings, RSS, features,
 * filter, suspend, resume: each only says what it wants.
 */
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/vmalloc.h>
#include <kunit/visibility.h>
#include <net/netdev_queues.h>
#include <net/sch_generic.h>

#include "netvsc.h"
#include "netvsc_bpf.h"
#include "netvsc_config.h"
#include "netvsc_rx.h"
#include "netvsc_tx.h"
#include "netvsc_vmbus.h"
#include "nvsp_proto.h"
#include "rndis_filter.h"

/* How often to look for subchannels that are gone */
#define NETVSC_WATCH_INTERVAL	(2 * HZ)

/* So long what a VF has is waited for */
#define NETVSC_VF_DRAIN		(HZ / 10)

/* Features that the host must be told of */
#define NETVSC_HOST_FEATURES	NETIF_F_LRO
/* Features that depend on what the host offers */
#define NETVSC_HW_FEATURES \
	(NETIF_F_RXCSUM | NETIF_F_IP_CSUM | NETIF_F_TSO | NETIF_F_IPV6_CSUM | \
	 NETIF_F_TSO6 | NETIF_F_LRO | NETIF_F_SG | NETIF_F_RXHASH)

/* Send sections are no smaller than this; so many bits their map has */
#define NETVSC_TX_SECTION_MIN	68

/**
 * struct netvsc_plan - a change that is being made
 * @steps: NETVSC_STEP_*
 * @target: state to end in
 * @old_state: to go back to
 * @had_sections: the old session had a send buffer
 * @old: configuration to go back to
 * @old_bufs: buffers to go back to
 * @want: new configuration
 * @bufs: new buffers, or the old ones
 */
struct netvsc_plan {
	u32 steps;
	enum netvsc_state target;
	enum netvsc_state old_state;
	bool had_sections;
	struct netvsc_config old;
	struct netvsc_bufs *old_bufs;
	struct netvsc_config want;
	struct netvsc_bufs *bufs;
};

static void netvsc_assert_owner(const struct netvsc *nv)
{
	if (nv->registered)
		ASSERT_RTNL();
}

static void netvsc_set_state(struct netvsc *nv, enum netvsc_state state)
{
	netvsc_assert_owner(nv);
	WRITE_ONCE(nv->state, state);
}

/**
 * netvsc_max_channels() - most channels that may be asked for
 * @nv: the device
 *
 * Context: RTNL.
 */
u32 netvsc_max_channels(const struct netvsc *nv)
{
	u32 max = min_t(u32, num_online_cpus(), NETVSC_CHANNELS_MAX);

	if (!netvsc_has_session(nv->state) || nv->sess.version < NVSP_VERSION_5)
		return 1;
	return clamp_t(u32, nv->sess.max_channels, 1, max);
}

/**
 * netvsc_rx_bytes_max() - largest receive buffer that the host takes
 * @nv: the device
 *
 * Context: RTNL.
 */
u32 netvsc_rx_bytes_max(const struct netvsc *nv)
{
	if (nv->sess.version && nv->sess.version <= NVSP_VERSION_2)
		return NVSP_RECV_BUF_MAX_OLD;
	return NVSP_RECV_BUF_MAX;
}

/**
 * netvsc_rss_default() - spread flows evenly
 * @rss: its table is written
 * @channels: to spread over
 */
void netvsc_rss_default(struct netvsc_rss *rss, u32 channels)
{
	u32 i;

	for (i = 0; i < NETVSC_RSS_TABLE_MAX; i++)
		rss->table[i] = ethtool_rxfh_indir_default(i, channels);
}

/* 1: may it be at all? Pure. */
VISIBLE_IF_KUNIT int netvsc_validate(const struct netvsc *nv,
				     const struct netvsc_config *want,
				     struct netlink_ext_ack *extack)
{
	const struct bpf_prog *prog;
	u32 i;

	if (want->mtu < NETVSC_MTU_MIN || want->mtu > NETVSC_MTU_MAX) {
		NL_SET_ERR_MSG(extack, "MTU is out of range");
		return -EINVAL;
	}
	if (!want->channels || want->channels > NETVSC_CHANNELS_MAX) {
		NL_SET_ERR_MSG(extack, "number of channels is out of range");
		return -EINVAL;
	}
	if (!want->rx_bytes || want->rx_bytes > NVSP_RECV_BUF_MAX ||
	    !want->tx_bytes || want->tx_bytes > NVSP_SEND_BUF_MAX) {
		NL_SET_ERR_MSG(extack, "buffer size is out of range");
		return -EINVAL;
	}
	for (i = 0; nv->nchans > 1 && i < nv->sess.rss_entries; i++)
		if (want->rss.table[i] >= NETVSC_CHANNELS_MAX)
			return -EINVAL;
	prog = rcu_dereference_protected(nv->xdp_prog, !nv->registered ||
					 lockdep_rtnl_is_held());
	return netvsc_bpf_check(nv, prog, want->mtu, want->features, extack);
}

/* Does the change need another session? */
static bool netvsc_needs_session(const struct netvsc_config *old,
				 const struct netvsc_config *want)
{
	return old->session != want->session || old->mtu != want->mtu ||
	       old->channels != want->channels ||
	       old->rx_bytes != want->rx_bytes ||
	       old->tx_bytes != want->tx_bytes;
}

/* Steps between two sessions, or to and from one */
static u32 netvsc_diff_session(const struct netvsc *nv,
			       const struct netvsc_config *want,
			       enum netvsc_state target)
{
	bool has = netvsc_has_session(nv->state);
	bool needs = netvsc_has_session(target);
	u32 steps = 0;

	if (has && (!needs || netvsc_needs_session(&nv->cfg, want)))
		steps |= NETVSC_STEP_DISCONNECT;
	if (needs && (!has || steps))
		steps |= NETVSC_STEP_CONNECT;
	if (!nv->bufs || nv->cfg.rx_bytes != want->rx_bytes ||
	    nv->cfg.tx_bytes != want->tx_bytes)
		steps |= NETVSC_STEP_BUFS;
	return steps;
}

/* 2: what does it take? Pure. */
VISIBLE_IF_KUNIT u32 netvsc_diff(const struct netvsc *nv,
				 const struct netvsc_config *want,
				 enum netvsc_state target)
{
	const struct netvsc_config *old = &nv->cfg;
	u32 steps = netvsc_diff_session(nv, want, target);
	bool resume = target == NETVSC_RUNNING;

	if (nv->state == NETVSC_RUNNING &&
	    (target != NETVSC_RUNNING || (steps & NETVSC_STEP_DISCONNECT)))
		steps |= NETVSC_STEP_PAUSE;
	if (resume && (nv->state != NETVSC_RUNNING ||
		       (steps & NETVSC_STEP_DISCONNECT)))
		steps |= NETVSC_STEP_RESUME;
	/* a session begins, and an interface that is down stays, without a VF */
	if ((old->vf_path && !(steps & NETVSC_STEP_DISCONNECT)) !=
	    (want->vf_path && resume))
		steps |= NETVSC_STEP_PATH;
	if (steps & (NETVSC_STEP_CONNECT | NETVSC_STEP_DISCONNECT))
		return steps;
	if ((old->features ^ want->features) & NETVSC_HOST_FEATURES)
		steps |= NETVSC_STEP_OFFLOADS;
	if (memcmp(&old->rss, &want->rss, sizeof(old->rss)) ||
	    old->rss_again != want->rss_again)
		steps |= NETVSC_STEP_RSS;
	if (old->filter != want->filter && nv->state == NETVSC_RUNNING)
		steps |= NETVSC_STEP_FILTER;
	return steps;
}

static void netvsc_mem_free(struct netvsc_mem *mem)
{
	if (!mem->leaked)
		vfree(mem->base);
}

/* The host may still have the memory: lose it, and take other */
static int netvsc_mem_renew(struct netvsc_mem *mem)
{
	if (!mem->leaked)
		return 0;
	mem->base = vzalloc(mem->bytes);
	mem->leaked = !mem->base;
	return mem->base ? 0 : -ENOMEM;
}

static void netvsc_bufs_free(struct netvsc_bufs *bufs)
{
	if (!bufs)
		return;
	netvsc_mem_free(&bufs->rx);
	netvsc_mem_free(&bufs->tx);
	bitmap_free(bufs->sections);
	kfree(bufs);
}

static void netvsc_mem_alloc(const struct netvsc *nv, struct netvsc_mem *mem,
			     u32 bytes, const char *name)
{
	mem->bytes = PAGE_ALIGN(bytes);
	mem->base = vzalloc(mem->bytes);
	if (!mem->base)
		netdev_err(nv->ndev, "unable to allocate %s buffer of size %u\n",
			   name, mem->bytes);
}

static struct netvsc_bufs *netvsc_bufs_alloc(const struct netvsc *nv,
					     const struct netvsc_config *cfg)
{
	struct netvsc_bufs *bufs = kzalloc(sizeof(*bufs), GFP_KERNEL);

	if (!bufs)
		return NULL;
	netvsc_mem_alloc(nv, &bufs->rx, cfg->rx_bytes, "receive");
	netvsc_mem_alloc(nv, &bufs->tx, cfg->tx_bytes, "send");
	bufs->sections = bitmap_zalloc(bufs->tx.bytes / NETVSC_TX_SECTION_MIN,
				       GFP_KERNEL);
	if (bufs->rx.base && bufs->tx.base && bufs->sections)
		return bufs;
	netvsc_bufs_free(bufs);
	return NULL;
}

static bool netvsc_chan_made(const struct netvsc_chan *ch)
{
	return ch && ch->tx.reqs;
}

/* A channel's first use: it stays until the device goes, for its counters */
static int netvsc_chan_birth(struct netvsc *nv, u32 index)
{
	struct netvsc_chan *ch;

	if (index < nv->nchans_made)
		return 0;
	ch = kvzalloc(sizeof(*ch), GFP_KERNEL);
	if (!ch)
		return -ENOMEM;
	ch->nv = nv;
	ch->index = index;
	u64_stats_init(&ch->tx_stats.sync);
	u64_stats_init(&ch->done_stats.sync);
	u64_stats_init(&ch->rx_stats.sync);
	nv->chans[index] = ch;
	/* readers of the counters come without a lock */
	smp_store_release(&nv->nchans_made, index + 1);
	return 0;
}

static int netvsc_chan_make(struct netvsc *nv, u32 index)
{
	struct netvsc_chan *ch;
	int ret;

	ret = netvsc_chan_birth(nv, index);
	ch = nv->chans[index];
	if (ret || netvsc_chan_made(ch))
		return ret;
	ret = netvsc_tx_alloc(ch);
	if (ret)
		return ret;
	ret = netvsc_rx_alloc(ch);
	if (ret)
		netvsc_tx_free(ch);
	return ret;
}

static int netvsc_chans_make(struct netvsc *nv, u32 count)
{
	int ret = 0;
	u32 i;

	for (i = 0; i < count && !ret; i++)
		ret = netvsc_chan_make(nv, i);
	return ret;
}

/* Release the parts of channels that are not in use */
static void netvsc_chans_trim(struct netvsc *nv, u32 count)
{
	struct netvsc_chan *ch;
	bool any = false;
	u32 i;

	for (i = count; i < nv->nchans_made; i++) {
		ch = nv->chans[i];
		if (!netvsc_chan_made(ch) || ch->open)
			continue;
		netvsc_rx_disable(ch);
		netvsc_rx_halt(ch);
		netvsc_rx_free(ch);
		netvsc_tx_free(ch);
		any = true;
	}
	if (any)
		synchronize_net();	/* for their NAPI instances */
}

/* 3: everything of ours that the change needs; nothing is changed yet */
static int netvsc_prepare(struct netvsc *nv, struct netvsc_plan *plan)
{
	int ret;

	plan->bufs = nv->bufs;
	if (!(plan->steps & NETVSC_STEP_CONNECT))
		return 0;
	if (plan->steps & NETVSC_STEP_BUFS) {
		plan->bufs = netvsc_bufs_alloc(nv, &plan->want);
		if (!plan->bufs)
			return -ENOMEM;
	}
	/* those of the old configuration, too: the way back needs them */
	ret = netvsc_chans_make(nv, max(plan->want.channels, nv->cfg.channels));
	if (ret) {
		netvsc_chans_trim(nv, nv->nchans);
		if (plan->bufs != nv->bufs)
			netvsc_bufs_free(plan->bufs);
	}
	return ret;
}

/* Everything that was sent completed, all that was received acknowledged? */
static bool netvsc_drained(const struct netvsc *nv)
{
	const struct netvsc_chan *ch;
	u32 i;

	for (i = 0; i < nv->nchans; i++) {
		ch = nv->chans[i];
		if (netvsc_vmbus_rescinded(ch->chn))
			continue;	/* nothing comes on it any more */
		if (!netvsc_tx_idle(ch) || !netvsc_rx_idle(ch) ||
		    !netvsc_vmbus_drained(ch->chn))
			return false;
	}
	return true;
}

/* Wait for it, until the deadline */
static void netvsc_drain(struct netvsc *nv)
{
	while (!netvsc_drained(nv)) {
		if (netvsc_vmbus_rescinded(nv->hdev->channel))
			return;
		if (time_after(jiffies, nv->deadline)) {
			netdev_err(nv->ndev,
				   "Ring buffer not empty after closing rndis\n");
			return;
		}
		usleep_range(1000, 2000);
	}
}

/**
 * netvsc_set_carrier() - show a link, or none, and move packets only with one
 * @nv: the device
 * @up: there is one
 *
 * Context: RTNL.
 */
void netvsc_set_carrier(struct netvsc *nv, bool up)
{
	netvsc_assert_owner(nv);
	if (up)
		netif_carrier_on(nv->ndev);
	else
		netif_carrier_off(nv->ndev);
	netvsc_tx_set_link(nv, up);
}

/**
 * netvsc_update_carrier() - make the interface's link what the host says
 * @nv: the device
 *
 * An interface that is not up keeps the link that it had, if the host does not
 * say otherwise: it would have to be noticed anew when it is up again.
 *
 * Context: RTNL.
 */
void netvsc_update_carrier(struct netvsc *nv)
{
	bool up = READ_ONCE(nv->link.up);

	netvsc_assert_owner(nv);
	if (nv->state == NETVSC_RUNNING) {
		netvsc_set_carrier(nv, up);
		return;
	}
	if (!up)
		netif_carrier_off(nv->ndev);
	netvsc_tx_stop(nv);
}

/* Nothing waits in this queue of a VF, or is on its way from there to its ring, or in
 * that, as far as its driver tells
 */
static bool netvsc_vf_queue_drained(const struct netdev_queue *txq)
{
	if (!qdisc_is_empty(rcu_dereference(txq->qdisc)) ||
	    qdisc_is_running(rcu_dereference(txq->qdisc)))
		return false;
#ifdef CONFIG_BQL
	return READ_ONCE(txq->dql.num_queued) ==
	       READ_ONCE(txq->dql.num_completed);
#else
	return true;
#endif
}

static bool netvsc_vf_drained(struct net_device *vf_ndev)
{
	u32 i = 0;

	rcu_read_lock();
	while (i < vf_ndev->real_num_tx_queues &&
	       netvsc_vf_queue_drained(netdev_get_tx_queue(vf_ndev, i)))
		i++;
	rcu_read_unlock();
	return i == vf_ndev->real_num_tx_queues;
}

/* Packets that the VF has are lost once the path is not by it: wait for them, as
 * long as it is able to send them
 */
static void netvsc_drain_vf(struct netvsc *nv)
{
	struct net_device *vf_ndev = rtnl_dereference(nv->vf.ndev);
	unsigned long end = jiffies + NETVSC_VF_DRAIN;

	while (READ_ONCE(nv->vf.in_use) && vf_ndev && netif_running(vf_ndev) &&
	       netif_carrier_ok(vf_ndev) && !netvsc_vf_drained(vf_ndev) &&
	       time_before(jiffies, end))
		usleep_range(100, 200);
}

/* 4a: move no packet any more. The session stays. */
static void netvsc_pause(struct netvsc *nv)
{
	unsigned long whole;
	int ret;

	if (nv->state != NETVSC_RUNNING)
		return;
	netvsc_tx_stop(nv);
	netvsc_drain_vf(nv);
	whole = nvsp_limit_wait(nv);
	ret = rndis_filter_set_filter(nv, 0);
	if (ret && ret != -ENODEV)
		netdev_err(nv->ndev, "unable to close device (ret %d).\n", ret);
	netvsc_drain(nv);
	nv->deadline = whole;
	netvsc_set_state(nv, NETVSC_CONNECTED);
}

/* Nobody reads a ring any more, and no timer is to start it */
static void netvsc_quiesce(struct netvsc *nv)
{
	struct netvsc_chan *ch;
	u32 i;

	for (i = 0; i < nv->nchans_made; i++)
		if (netvsc_chan_made(nv->chans[i]))
			netvsc_rx_disable(nv->chans[i]);
	timer_delete_sync(&nv->watch);
	/* a poll that has given NAPI back may be about to look at its ring */
	synchronize_net();
	for (i = 0; i < nv->nchans_made; i++) {
		ch = nv->chans[i];
		if (netvsc_chan_made(ch))
			netvsc_rx_halt(ch);
	}
}

/* 4b: end the session, also one that was made by half */
static void netvsc_disconnect(struct netvsc *nv)
{
	unsigned long whole = nvsp_limit_wait(nv);
	struct netvsc_chan *ch;
	u32 i;

	WRITE_ONCE(nv->vf.in_use, false);
	netif_carrier_off(nv->ndev);
	if (netvsc_has_session(nv->state))
		rndis_filter_halt(nv);
	nvsp_revoke_buffers(nv);
	nv->deadline = whole;
	netvsc_quiesce(nv);
	nvsp_close(nv);
	rndis_filter_release(nv);
	for (i = 0; i < nv->nchans_made; i++) {
		ch = nv->chans[i];
		if (netvsc_chan_made(ch))
			netvsc_tx_release(ch);
	}
	WRITE_ONCE(nv->nchans, 0);
	netvsc_set_state(nv, NETVSC_DOWN);
}

/* What of the wanted spreading is possible with the channels that there are */
static void netvsc_choose_rss(struct netvsc *nv)
{
	u32 i;

	nv->rss = nv->cfg.rss;
	for (i = 0; i < nv->sess.rss_entries; i++) {
		if (nv->rss.table[i] < nv->nchans)
			continue;
		netvsc_rss_default(&nv->rss, nv->nchans);
		if (netif_is_rxfh_configured(nv->ndev))
			netdev_notice(nv->ndev,
				      "the indirection table needs more than %u channels: spreading evenly\n",
				      nv->nchans);
		return;
	}
}

static int netvsc_set_rss(struct netvsc *nv)
{
	int ret = 0;

	netvsc_choose_rss(nv);
	if (nv->nchans > 1)
		ret = rndis_filter_set_rss(nv, &nv->rss);
	nv->rss_told = !ret;
	return ret;
}

/* The channels that there are now: tell the datapath, the stack and the host */
static int netvsc_use_channels(struct netvsc *nv, u32 count)
{
	u32 old = nv->nchans;
	unsigned long whole;
	int ret;

	WRITE_ONCE(nv->nchans, count);
	if (nv->state == NETVSC_RUNNING)
		netvsc_tx_start(nv);
	ret = netif_set_real_num_queues(nv->ndev, count, count);
	if (ret) {
		netvsc_tx_stop(nv);
		WRITE_ONCE(nv->nchans, old);
		if (nv->state == NETVSC_RUNNING)
			netvsc_tx_start(nv);
		return ret;
	}
	if (!netif_is_rxfh_configured(nv->ndev))
		netvsc_rss_default(&nv->cfg.rss, nv->cfg.channels);
	/* without it all channels work, the host just does not choose them */
	whole = nvsp_limit_wait(nv);
	netvsc_set_rss(nv);
	nv->deadline = whole;
	return 0;
}

/* Spread what is sent evenly over channels, until the host sends a table of its own,
 * which may be any time. What it has sent since this was done for @before channels,
 * if not 0, stays.
 */
static void netvsc_fill_tx_table(struct netvsc *nv, u32 before, u32 count)
{
	unsigned long flags;
	u32 i = 0;

	spin_lock_irqsave(&nv->xact_lock, flags);
	while (before && i < NETVSC_SEND_TABLE && nv->tx_table[i] == i % before)
		i++;
	if (!before || i == NETVSC_SEND_TABLE)
		for (i = 0; i < NETVSC_SEND_TABLE; i++)
			WRITE_ONCE(nv->tx_table[i], i % count);
	spin_unlock_irqrestore(&nv->xact_lock, flags);
}

/* Ask for the other channels, and use what there is then. One that is open
 * behind a missing one is read, too: the host may send on it.
 */
static int netvsc_grow(struct netvsc *nv, u32 want)
{
	u32 i, count = 1;

	netvsc_fill_tx_table(nv, 0, want);
	for (i = 1; i < want; i++)
		netvsc_rx_enable(nv->chans[i]);
	if (want > 1)
		count += nvsp_open_subchannels(nv, want - 1, netvsc_channel_cb);
	for (i = count; i < want; i++)
		if (!nv->chans[i]->open)
			netvsc_rx_disable(nv->chans[i]);
	if (count < want) {
		netvsc_fill_tx_table(nv, want, count);
		netdev_notice(nv->ndev, "%u of %u channels are open\n",
			      count, want);
	}
	return netvsc_use_channels(nv, count);
}

/* Features follow what this host can do; none comes back by itself, but those
 * that a change has lost which failed
 */
static void netvsc_update_features(struct netvsc *nv)
{
	netdev_features_t hw = NETIF_F_RXCSUM | NETIF_F_SG | NETIF_F_RXHASH;
	const struct nvsp_session *sess = &nv->sess;
	struct net_device *ndev = nv->ndev;
	u32 tso_max = GSO_LEGACY_MAX_SIZE;

	if (sess->csum & NETVSC_CSUM_TCP4)
		hw |= NETIF_F_IP_CSUM;
	if (sess->csum & NETVSC_CSUM_TCP6)
		hw |= NETIF_F_IPV6_CSUM;
	if (sess->tso4_max) {
		hw |= NETIF_F_TSO;
		tso_max = min(tso_max, sess->tso4_max);
	}
	if (sess->tso6_max) {
		hw |= NETIF_F_TSO6;
		tso_max = min(tso_max, sess->tso6_max);
	}
	if (sess->rsc)
		hw |= NETIF_F_LRO;
	ndev->hw_features &= ~NETVSC_HW_FEATURES;
	ndev->hw_features |= hw;
	ndev->features &= ~NETVSC_HW_FEATURES;
	ndev->features |= nv->cfg.features & hw;
	nv->cfg.features = ndev->features;
	netif_set_tso_max_size(ndev, tso_max);
}

/**
 * netvsc_fix_features() - features that this host cannot do stay off, and LRO where
 *	a program takes frames in one piece only
 * @ndev: the interface
 * @features: that the user, or a device above, wants
 *
 * The stack remembers what was wanted of a host that offered more.
 *
 * Context: process, RTNL.
 */
netdev_features_t netvsc_fix_features(struct net_device *ndev,
				      netdev_features_t features)
{
	struct netvsc *nv = netdev_priv(ndev);

	features &= ~(NETVSC_HW_FEATURES & ~ndev->hw_features);
	if ((features & NETIF_F_LRO) &&
	    netvsc_bpf_is_linear(rtnl_dereference(nv->xdp_prog))) {
		netdev_info(ndev, "Skip LRO - unsupported with XDP\n");
		features &= ~NETIF_F_LRO;
	}
	return features;
}

/* A host forgets the address that the interface was given */
static void netvsc_restore_mac(struct netvsc *nv)
{
	unsigned long whole;
	int ret;

	if (!nv->registered || ether_addr_equal(nv->ndev->dev_addr, nv->sess.mac))
		return;
	whole = nvsp_limit_wait(nv);
	ret = rndis_filter_set_mac(nv, nv->ndev->dev_addr);
	nv->deadline = whole;
	if (ret)
		netdev_err(nv->ndev, "host does not take the hardware address: %d\n",
			   ret);
}

/* What the host made of the configuration */
static void netvsc_settle(struct netvsc *nv)
{
	struct netvsc_config *cfg = &nv->cfg;

	if (nv->sess.frame_max < cfg->mtu) {
		netdev_warn(nv->ndev, "host allows an MTU of %u only\n",
			    nv->sess.frame_max);
		cfg->mtu = nv->sess.frame_max;
	}
	WRITE_ONCE(nv->ndev->mtu, cfg->mtu);
	nv->ndev->max_mtu = nv->sess.version >= NVSP_VERSION_2 ?
			    NETVSC_MTU_MAX : ETH_DATA_LEN;
	netvsc_update_features(nv);
	netvsc_restore_mac(nv);
}

/* Old hosts take a shorter receive buffer only [2.4]: use the first part of it */
static void netvsc_limit_rx(struct netvsc *nv)
{
	u32 max = netvsc_rx_bytes_max(nv);

	nv->cfg.rx_bytes = min(nv->cfg.rx_bytes, max);
	nv->bufs->rx.bytes = min(nv->bufs->rx.bytes, max);
}

/* Versions and buffers: an NVSP session without RNDIS */
static int netvsc_connect_nvsp(struct netvsc *nv)
{
	int ret;

	ret = nvsp_negotiate(nv);
	if (!ret) {
		netvsc_limit_rx(nv);
		ret = nvsp_share_buffers(nv);
	}
	if (ret)
		netdev_err(nv->ndev, "unable to connect to NetVSP - %d\n", ret);
	return ret;
}

/*
 * netvsc_connect() - make a session with the configuration in force
 *
 * Without @all only the primary channel is opened. Ends in state CONNECTED, or
 * without a session and with an error.
 */
static int netvsc_connect(struct netvsc *nv, bool all)
{
	int ret;

	if (netvsc_mem_renew(&nv->bufs->rx) || netvsc_mem_renew(&nv->bufs->tx))
		return -ENOMEM;
	memset(&nv->sess, 0, sizeof(nv->sess));
	bitmap_zero(nv->bufs->sections,
		    nv->bufs->tx.bytes / NETVSC_TX_SECTION_MIN);
	netvsc_rx_enable(nv->chans[0]);
	ret = nvsp_open(nv, netvsc_channel_cb);
	if (!ret)
		ret = netvsc_connect_nvsp(nv);
	if (!ret)
		ret = rndis_filter_connect(nv);
	if (ret)
		goto err;
	netvsc_set_state(nv, NETVSC_CONNECTED);
	netvsc_settle(nv);
	if (all)	/* the event has nothing to add then */
		clear_bit(NETVSC_EVENT_SUBCHANNELS, &nv->events);
	ret = all ? netvsc_grow(nv, min(nv->cfg.channels,
					netvsc_max_channels(nv))) :
		    netvsc_grow(nv, 1);
	if (ret)
		goto err;
	return 0;

err:
	netvsc_disconnect(nv);
	return ret;
}

/*
 * The bus tells a driver of no subchannel that the host takes back, and whoever
 * waits for completions of it sends nothing and meets no error.
 */
static void netvsc_watch(struct timer_list *timer)
{
	struct netvsc *nv = from_timer(nv, timer, watch);
	u32 i;

	for (i = 1; i < READ_ONCE(nv->nchans); i++)
		if (netvsc_vmbus_rescinded(nv->chans[i]->chn)) {
			netvsc_post_event(nv, NETVSC_EVENT_CHANNEL);
			break;
		}
	mod_timer(&nv->watch, jiffies + NETVSC_WATCH_INTERVAL);
}

/* 6: move packets */
static int netvsc_resume(struct netvsc *nv)
{
	int ret;

	/* before the host may send: what comes first is not to be lost */
	netvsc_set_state(nv, NETVSC_RUNNING);
	ret = rndis_filter_set_filter(nv, nv->cfg.filter);
	if (ret) {
		netdev_err(nv->ndev, "unable to open device (ret %d).\n", ret);
		/* it may be in force all the same, as the answer was late */
		nvsp_set_short_deadline(nv);
		rndis_filter_set_filter(nv, 0);
		netvsc_set_state(nv, NETVSC_CONNECTED);
		return ret;
	}
	netvsc_tx_start(nv);
	netvsc_update_carrier(nv);
	mod_timer(&nv->watch, jiffies + NETVSC_WATCH_INTERVAL);
	/* a receive mode that an earlier session could not be told */
	netvsc_post_event(nv, NETVSC_EVENT_FILTER);
	netvsc_post_event(nv, NETVSC_EVENT_VF);
	return 0;
}

/* Wait until the host has completed all that was sent, a while */
static void netvsc_drain_tx(struct netvsc *nv)
{
	unsigned long whole = nvsp_limit_wait(nv);
	u32 i = 0;

	while (i < nv->nchans && time_before(jiffies, nv->deadline)) {
		if (netvsc_tx_idle(nv->chans[i]) ||
		    netvsc_vmbus_rescinded(nv->chans[i]->chn))
			i++;
		else
			usleep_range(500, 1000);
	}
	nv->deadline = whole;
}

/* Have the host switch, and believe it if it does not take that back at once */
static int netvsc_switch_path(struct netvsc *nv, bool vf)
{
	u32 back = READ_ONCE(nv->vf.taken_back);
	int ret;

	ret = nvsp_switch_path(nv, vf);
	if (ret || !vf)
		return ret;
	WRITE_ONCE(nv->vf.in_use, true);
	smp_mb();	/* pairs with that of nvsp_take_path() */
	if (READ_ONCE(nv->vf.taken_back) == back)
		return 0;
	WRITE_ONCE(nv->vf.in_use, false);
	return -ECONNREFUSED;
}

/*
 * netvsc_set_path() - send by the VF, or not any more
 *
 * Packets wait meanwhile: on each path what comes at the wrong time is lost.
 * Nothing fails because the VF is not to be had: then the path is the synthetic
 * one. The host is told so, as it may answer later.
 */
static void netvsc_set_path(struct netvsc *nv, bool vf)
{
	struct net_device *vf_ndev = rtnl_dereference(nv->vf.ndev);
	const char *name = vf_ndev ? netdev_name(vf_ndev) : "none";
	bool running = nv->state == NETVSC_RUNNING;
	unsigned long whole = nvsp_limit_wait(nv);
	int ret;

	if (running)
		netvsc_tx_stop(nv);
	netvsc_drain_vf(nv);
	WRITE_ONCE(nv->vf.in_use, false);
	if (vf)
		netvsc_drain_tx(nv);
	ret = netvsc_switch_path(nv, vf);
	if (ret && vf) {
		nv->cfg.vf_path = false;
		nv->vf.seen_back = READ_ONCE(nv->vf.taken_back);
		nvsp_tell_path(nv);
	}
	nv->deadline = whole;
	if (running) {
		netvsc_tx_start(nv);
		netvsc_tx_set_link(nv, netif_carrier_ok(nv->ndev));
	}
	if (ret)
		netdev_err(nv->ndev, "Data path failed to switch %s VF: %s, err: %d\n",
			   vf ? "to" : "from", name, ret);
	else
		netdev_info(nv->ndev, "Data path switched %s VF: %s\n",
			    vf ? "to" : "from", name);
}

/* Settings that do not need another session, in their order */
static int netvsc_apply(struct netvsc *nv, u32 steps)
{
	int ret = 0;

	if (steps & NETVSC_STEP_OFFLOADS)
		ret = rndis_filter_set_rsc(nv, nv->cfg.features & NETIF_F_LRO);
	if (!ret && (steps & NETVSC_STEP_RSS))
		ret = netvsc_set_rss(nv);
	if (!ret && (steps & NETVSC_STEP_FILTER))
		ret = rndis_filter_set_filter(nv, nv->cfg.filter);
	if (!ret && (steps & NETVSC_STEP_PATH) && netvsc_has_session(nv->state))
		netvsc_set_path(nv, nv->cfg.vf_path);
	return ret;
}

/* 5 and 6 */
static int netvsc_advance(struct netvsc *nv, struct netvsc_plan *plan)
{
	int ret = 0;

	nv->cfg = plan->want;
	nv->bufs = plan->bufs;
	if (plan->steps & NETVSC_STEP_CONNECT)
		ret = netvsc_connect(nv, true);
	/* one can do without a send buffer, but not lose it to a change of it */
	if (!ret && plan->had_sections && !nv->sess.tx_sections &&
	    plan->want.tx_bytes != plan->old.tx_bytes)
		ret = -EINVAL;
	if (!ret)
		ret = netvsc_apply(nv, plan->steps);
	if (!ret && (plan->steps & NETVSC_STEP_RESUME))
		ret = netvsc_resume(nv);
	return ret;
}

/* 7: the old configuration again. The device is dead if that fails, too. */
static void netvsc_go_back(struct netvsc *nv, struct netvsc_plan *plan)
{
	bool connected = netvsc_has_session(nv->state);
	int ret = 0;

	nvsp_set_deadline(nv);
	if (connected && (plan->steps & NETVSC_STEP_CONNECT)) {
		netvsc_pause(nv);
		netvsc_disconnect(nv);
		connected = false;
	}
	nv->cfg = plan->old;
	nv->bufs = plan->old_bufs;
	WRITE_ONCE(nv->ndev->mtu, nv->cfg.mtu);
	if (!netvsc_has_session(plan->old_state)) {
		netvsc_set_state(nv, plan->old_state);
		return;
	}
	if (!connected)
		ret = netvsc_connect(nv, true);
	else
		netvsc_apply(nv, plan->steps);
	if (!ret && !connected && nv->cfg.vf_path)
		netvsc_set_path(nv, true);
	if (!ret && plan->old_state == NETVSC_RUNNING &&
	    nv->state != NETVSC_RUNNING)
		ret = netvsc_resume(nv);
	if (!ret)
		return;
	if (netvsc_has_session(nv->state))
		netvsc_disconnect(nv);
	netvsc_set_state(nv, NETVSC_DEAD);
	/* what the host made of it in between does not count */
	nv->cfg = plan->old;
	nv->cfg.vf_path = false;
	WRITE_ONCE(nv->ndev->mtu, nv->cfg.mtu);
	netif_tx_disable(nv->ndev);
	netdev_err(nv->ndev, "no way back to the old configuration: %d\n", ret);
}

/* 8: what the change left over */
static void netvsc_release(struct netvsc *nv, struct netvsc_plan *plan)
{
	if (plan->bufs != nv->bufs)
		netvsc_bufs_free(plan->bufs);
	if (plan->old_bufs != nv->bufs)
		netvsc_bufs_free(plan->old_bufs);
	netvsc_chans_trim(nv, nv->nchans);
}

/**
 * netvsc_reconfigure() - the one path of every change
 * @nv: the device
 * @want: configuration to have, may not point to nv->cfg
 * @target: state to end in
 * @extack: where a refusal is explained, or NULL
 *
 * Afterwards the device has the new configuration and state, or the old ones
 * and an error is returned; or it is DEAD, if the host takes neither, and then
 * opening it tries again.
 *
 * Context: process, RTNL. Waits for the host up to a deadline, and up to another
 * for the way back. Return: 0 or a negative error.
 */
int netvsc_reconfigure(struct netvsc *nv, const struct netvsc_config *want,
		       enum netvsc_state target, struct netlink_ext_ack *extack)
{
	struct netvsc_plan *plan = nv->plan;
	int ret;

	netvsc_assert_owner(nv);
	ret = netvsc_validate(nv, want, extack);
	if (ret)
		return ret;
	plan->want = *want;
	plan->want.vf_path &= target == NETVSC_RUNNING;
	plan->old = nv->cfg;
	plan->old_bufs = nv->bufs;
	plan->old_state = nv->state;
	plan->had_sections = nv->sess.tx_sections;
	plan->target = target;
	plan->steps = netvsc_diff(nv, want, target);
	ret = netvsc_prepare(nv, plan);
	if (ret)
		return ret;

	nvsp_set_deadline(nv);
	if (plan->steps & NETVSC_STEP_PAUSE)
		netvsc_pause(nv);
	if (plan->steps & NETVSC_STEP_DISCONNECT)
		netvsc_disconnect(nv);
	ret = netvsc_advance(nv, plan);
	if (ret)
		netvsc_go_back(nv, plan);
	netvsc_release(nv, plan);
	/* devices above may want another change at once, which uses the plan, too */
	if (nv->registered && (plan->steps & NETVSC_STEP_CONNECT))
		netdev_features_change(nv->ndev);
	return ret;
}

/* The host is told of LRO only. Where it does not take that, this stays as it was,
 * and the other features change all the same.
 */
static int netvsc_change_features(struct net_device *ndev,
				  netdev_features_t features)
{
	struct netvsc *nv = netdev_priv(ndev);
	struct netvsc_config want = nv->cfg;
	int ret;

	if (!netvsc_has_session(nv->state))
		return -ENODEV;
	want.features = features;
	ret = netvsc_reconfigure(nv, &want, nv->state, NULL);
	if (!ret)
		return 0;
	want.features &= ~NETVSC_HOST_FEATURES;
	want.features |= nv->cfg.features & NETVSC_HOST_FEATURES;
	if (!netvsc_reconfigure(nv, &want, nv->state, NULL))
		ndev->features = want.features;
	return ret;
}

/**
 * netvsc_set_features() - ndo_set_features
 * @ndev: the interface
 * @features: to have
 *
 * LRO that is not wanted any more is off, whatever the host or its absence makes of
 * it: bridging and forwarding rely on that. What is coalesced all the same looks
 * like what GRO makes.
 *
 * Context: process, RTNL. Return: 0 or a negative error.
 */
int netvsc_set_features(struct net_device *ndev, netdev_features_t features)
{
	netdev_features_t off = ndev->features & ~features & NETVSC_HOST_FEATURES;
	struct netvsc *nv = netdev_priv(ndev);
	int ret;

	ret = netvsc_change_features(ndev, features);
	if (ret) {
		ndev->features &= ~off;
		nv->cfg.features &= ~off;
	}
	return ret;
}

/**
 * netvsc_config_connect() - the first session
 * @nv: the device, not registered, its configuration the default
 *
 * Opens the primary channel only: the offers of the others come through the
 * same bus that runs probe. nv->cfg.channels becomes what to ask for.
 *
 * Context: process, probe. Return: 0 or a negative error; nothing is left then
 * but what netvsc_config_free() frees.
 */
int netvsc_config_connect(struct netvsc *nv)
{
	u32 channels;
	int ret;

	nv->plan = kzalloc(sizeof(*nv->plan), GFP_KERNEL);
	nv->bufs = netvsc_bufs_alloc(nv, &nv->cfg);
	if (!nv->plan || !nv->bufs)
		return -ENOMEM;
	ret = netvsc_chans_make(nv, 1);
	if (ret)
		return ret;
	nvsp_set_deadline(nv);
	ret = netvsc_connect(nv, false);
	if (ret)
		return ret;
	channels = max_t(u32, NETVSC_DEFAULT_CHANNELS,
			 netif_get_num_default_rss_queues());
	nv->cfg.channels = min(channels, netvsc_max_channels(nv));
	return 0;
}

/**
 * netvsc_add_subchannels() - open the channels that probe left closed
 * @nv: the device
 *
 * Traffic on the primary goes on, whatever becomes of the others.
 *
 * Context: process, RTNL. Return: 0 or a negative error.
 */
int netvsc_add_subchannels(struct netvsc *nv)
{
	u32 want = min(nv->cfg.channels, netvsc_max_channels(nv));
	int ret;

	ASSERT_RTNL();
	if (!netvsc_has_session(nv->state) || nv->nchans != 1 || want < 2)
		return 0;
	ret = netvsc_chans_make(nv, want);
	if (!ret) {
		nvsp_set_deadline(nv);
		ret = netvsc_grow(nv, want);
	}
	netvsc_chans_trim(nv, nv->nchans);
	netvsc_update_carrier(nv);
	return ret;
}

/**
 * netvsc_replace_channels() - get new channels for those that the host took back
 * @nv: the device
 *
 * A host that takes back a subchannel alone leaves a queue on which nothing can
 * be sent. There are others only in another session.
 *
 * Context: process, RTNL.
 */
void netvsc_replace_channels(struct netvsc *nv)
{
	struct netvsc_config want = nv->cfg;
	u32 i;

	if (netvsc_vmbus_rescinded(nv->hdev->channel))
		return;		/* all goes */
	for (i = 1; i < nv->nchans; i++)
		if (netvsc_vmbus_rescinded(nv->chans[i]->chn))
			break;
	if (i >= nv->nchans)
		return;
	netdev_notice(nv->ndev, "host took channel %u back, connecting again\n", i);
	want.session++;
	netvsc_reconfigure(nv, &want, nv->state, NULL);
}

/**
 * netvsc_config_init() - the configuration that a device begins with
 * @nv: the device
 */
void netvsc_config_init(struct netvsc *nv)
{
	/* the key that everybody tests with [4.5] */
	static const char key[NETVSC_HASH_KEY_LEN + 1] =
		"\x6d\x5a\x56\xda\x25\x5b\x0e\xc2\x41\x67"
		"\x25\x3d\x43\xa3\x8f\xb0\xd0\xca\x2b\xcb"
		"\xae\x7b\x30\xb4\x77\xcb\x2d\xa3\x80\x30"
		"\xf2\x0c\x6a\x42\xb7\x3b\xbe\xac\x01\xfa";
	struct netvsc_config *cfg = &nv->cfg;

	/* does not wake an idle processor: nobody waits for packets there */
	timer_setup(&nv->watch, netvsc_watch, TIMER_DEFERRABLE);
	cfg->mtu = ETH_DATA_LEN;
	cfg->features = NETVSC_HOST_FEATURES;
	cfg->channels = 1;
	cfg->rx_bytes = NETVSC_RX_BYTES;
	cfg->tx_bytes = NETVSC_TX_BYTES;
	memcpy(cfg->rss.key, key, NETVSC_HASH_KEY_LEN);
	netvsc_rss_default(&cfg->rss, 1);
}

/**
 * netvsc_config_disconnect() - end the session for good
 * @nv: the device, being removed
 *
 * Context: process, RTNL or not registered.
 */
void netvsc_config_disconnect(struct netvsc *nv)
{
	nvsp_set_deadline(nv);
	if (netvsc_has_session(nv->state)) {
		netvsc_pause(nv);
		netvsc_disconnect(nv);
	}
	netvsc_set_state(nv, NETVSC_DOWN);
	netvsc_chans_trim(nv, 0);
	netvsc_vmbus_free_ring(nv->hdev->channel);
}

/**
 * netvsc_config_free() - free what counts outlive the session for
 * @nv: the device; nobody reads its counters any more
 */
void netvsc_config_free(struct netvsc *nv)
{
	u32 i;

	netvsc_bufs_free(nv->bufs);
	kfree(nv->plan);
	for (i = 0; i < nv->nchans_made; i++)
		kvfree(nv->chans[i]);
}
