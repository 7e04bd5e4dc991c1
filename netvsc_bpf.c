// SPDX-License-Identifier: GPL-2.0-only
/*
 * XDP: run a program on a received frame, send frames that programs give, and may
 * a program be attached?
 *
 * No session depends on a program: it may come and go under traffic.
 */
#include <linux/bpf.h>
#include <linux/bpf_trace.h>
#include <linux/filter.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <net/xdp.h>

#include "netvsc_bpf.h"
#include "netvsc_tx.h"
#include "rndis_proto.h"

static void netvsc_bpf_count(struct netvsc_chan *ch, u64_stats_t *counter)
{
	u64_stats_update_begin(&ch->rx_stats.sync);
	u64_stats_inc(counter);
	u64_stats_update_end(&ch->rx_stats.sync);
}

/* A frame that went elsewhere has been received, too */
static void netvsc_bpf_count_sent(struct netvsc_chan *ch, u64_stats_t *counter,
				  u32 bytes)
{
	u64_stats_update_begin(&ch->rx_stats.sync);
	u64_stats_inc(counter);
	u64_stats_inc(&ch->rx_stats.packets);
	u64_stats_add(&ch->rx_stats.bytes, bytes);
	u64_stats_update_end(&ch->rx_stats.sync);
}

static struct netdev_queue *netvsc_bpf_txq(const struct netvsc_chan *ch)
{
	return netdev_get_tx_queue(ch->nv->ndev, ch->index);
}

/* Send a frame back, with the tag that it came with; false: it stays ours */
static bool netvsc_bpf_tx(struct netvsc_chan *ch, struct netvsc_frame *frame)
{
	int tci = frame->desc.infos & RNDIS_INFO_VLAN ? frame->desc.vlan_tci : -1;
	struct xdp_frame *xdpf = xdp_convert_buff_to_frame(&frame->xdp);
	struct netdev_queue *txq = netvsc_bpf_txq(ch);
	int ret = -EBUSY;

	if (unlikely(!xdpf))
		return false;
	__netif_tx_lock(txq, smp_processor_id());
	if (likely(!netif_xmit_frozen_or_drv_stopped(txq)))
		ret = netvsc_tx_frame(ch, xdpf, tci);
	__netif_tx_unlock(txq);
	return !ret;
}

/**
 * netvsc_bpf_run() - run a program on a received frame
 * @ch: channel
 * @prog: program
 * @frame: frame; what the program leaves of it, if it is to be passed up
 *
 * Context: NAPI. Return: true: pass it up; false: it is gone, and counted.
 */
bool netvsc_bpf_run(struct netvsc_chan *ch, struct bpf_prog *prog,
		    struct netvsc_frame *frame)
{
	struct net_device *ndev = ch->nv->ndev;
	u32 act, bytes;

	if (unlikely(xdp_buff_has_frags(&frame->xdp) &&
		     netvsc_bpf_is_linear(prog)))
		goto drop;	/* would see its beginning only */
	act = bpf_prog_run_xdp(prog, &frame->xdp);
	bytes = xdp_get_buff_len(&frame->xdp);
	switch (act) {
	case XDP_PASS:
		return true;
	case XDP_TX:
		if (unlikely(!netvsc_bpf_tx(ch, frame)))
			break;
		ch->rx.xdp_todo |= NETVSC_XDP_TX;
		netvsc_bpf_count_sent(ch, &ch->rx_stats.xdp_tx, bytes);
		return false;
	case XDP_REDIRECT:
		if (unlikely(xdp_do_redirect(ndev, &frame->xdp, prog)))
			break;
		ch->rx.xdp_todo |= NETVSC_XDP_REDIRECT;
		netvsc_bpf_count_sent(ch, &ch->rx_stats.xdp_redirect, bytes);
		return false;
	default:
		bpf_warn_invalid_xdp_action(ndev, prog, act);
		break;
	case XDP_ABORTED:
		break;
	case XDP_DROP:
		goto drop;
	}
	trace_xdp_exception(ndev, prog, act);
drop:
	netvsc_bpf_count(ch, &ch->rx_stats.xdp_drop);
	xdp_return_buff(&frame->xdp);
	return false;
}

/**
 * netvsc_bpf_poll_end() - no frame that a program sent waits any more
 * @ch: channel, at the end of a poll that has run a program
 *
 * Context: NAPI.
 */
void netvsc_bpf_poll_end(struct netvsc_chan *ch)
{
	struct netdev_queue *txq = netvsc_bpf_txq(ch);

	if (ch->rx.xdp_todo & NETVSC_XDP_REDIRECT)
		xdp_do_flush();
	if (ch->rx.xdp_todo & NETVSC_XDP_TX) {
		__netif_tx_lock(txq, smp_processor_id());
		netvsc_tx_frames_end(ch);
		__netif_tx_unlock(txq);
	}
	ch->rx.xdp_todo = 0;
}

/* May it have all of them? One that takes no pieces would send the first of each */
static bool netvsc_bpf_vf_takes(const struct net_device *vf_ndev, int n,
				struct xdp_frame **frames)
{
	if (!vf_ndev->netdev_ops->ndo_xdp_xmit)
		return false;
	if (READ_ONCE(vf_ndev->xdp_features) & NETDEV_XDP_ACT_NDO_XMIT_SG)
		return true;
	while (n && !xdp_frame_has_frags(frames[n - 1]))
		n--;
	return !n;
}

static int netvsc_bpf_xmit(struct netvsc_chan *ch, int n,
			   struct xdp_frame **frames)
{
	struct netdev_queue *txq = netvsc_bpf_txq(ch);
	struct netvsc *nv = ch->nv;
	int sent = 0;

	while (sent < n && !netif_xmit_frozen_or_drv_stopped(txq) &&
	       !netvsc_tx_frame(ch, frames[sent], -1))
		sent++;
	if (!READ_ONCE(nv->vf.in_use)) {	/* else they are the VF's packets */
		u64_stats_update_begin(&ch->tx_stats.sync);
		u64_stats_add(&ch->tx_stats.xdp_xmit, sent);
		u64_stats_update_end(&ch->tx_stats.sync);
	}
	netvsc_tx_frames_end(ch);
	return sent;
}

/**
 * netvsc_xdp_xmit() - ndo_xdp_xmit
 * @ndev: the interface
 * @n: number of frames
 * @frames: frames
 * @flags: XDP_XMIT_*
 *
 * Under the lock of the queue, also by the VF: who switches the data path waits for
 * it, and then no frame is on its way by the old one. Nothing waits for a call with
 * XDP_XMIT_FLUSH: where a map's program drops all of the rest, none comes.
 *
 * Context: softirq or BH disabled, RCU. Return: number of the first frames that
 * were taken, the others stay the caller's; or a negative error: none was.
 */
int netvsc_xdp_xmit(struct net_device *ndev, int n, struct xdp_frame **frames,
		    u32 flags)
{
	u32 queues = READ_ONCE(ndev->real_num_tx_queues);
	struct netvsc *nv = netdev_priv(ndev);
	struct net_device *vf_ndev = NULL;
	struct netdev_queue *txq;
	struct netvsc_chan *ch;
	int sent = -EOPNOTSUPP;

	if (unlikely(flags & ~XDP_XMIT_FLAGS_MASK))
		return -EINVAL;
	ch = nv->chans[smp_processor_id() % queues];
	txq = netvsc_bpf_txq(ch);
	__netif_tx_lock(txq, smp_processor_id());
	if (READ_ONCE(nv->vf.in_use) && ch->tx.running)
		vf_ndev = netvsc_tx_vf(nv);
	if (vf_ndev && netvsc_bpf_vf_takes(vf_ndev, n, frames))
		sent = vf_ndev->netdev_ops->ndo_xdp_xmit(vf_ndev, n, frames,
							 XDP_XMIT_FLUSH);
	/* it may take none on this processor */
	if (sent < 0)
		sent = netvsc_bpf_xmit(ch, n, frames);
	__netif_tx_unlock(txq);
	return sent;
}

/**
 * netvsc_bpf_check() - may this program run with these settings?
 * @nv: the device
 * @prog: program, or NULL
 * @mtu: in bytes
 * @features: the interface's
 * @extack: where a refusal is explained, or NULL
 *
 * Context: process. Return: 0 or -EOPNOTSUPP, which was said.
 */
int netvsc_bpf_check(const struct netvsc *nv, const struct bpf_prog *prog,
		     u32 mtu, netdev_features_t features,
		     struct netlink_ext_ack *extack)
{
	/* of a frame in one piece, with all that XDP and the stack want around it */
	u32 bytes = SKB_HEAD_ALIGN(XDP_PACKET_HEADROOM + ETH_HLEN + mtu);

	if (!netvsc_bpf_is_linear(prog))
		return 0;
	if (bytes > NETVSC_PIECE) {
		netdev_err(nv->ndev, "XDP: mtu:%u too large, buf_max:%u\n", mtu,
			   bytes);
		NL_SET_ERR_MSG_MOD(extack, "XDP: mtu too large");
		return -EOPNOTSUPP;
	}
	if (features & NETIF_F_LRO) {
		netdev_err(nv->ndev, "XDP: not support LRO\n");
		NL_SET_ERR_MSG_MOD(extack, "XDP: not support LRO");
		return -EOPNOTSUPP;
	}
	return 0;
}

/**
 * netvsc_bpf_set() - replace the program
 * @nv: the device
 * @prog: another one, whose reference is ours from now on, or NULL
 *
 * The old one is put; polls that are under way may still run it.
 *
 * Context: process, RTNL.
 */
void netvsc_bpf_set(struct netvsc *nv, struct bpf_prog *prog)
{
	ASSERT_RTNL();
	prog = rcu_replace_pointer(nv->xdp_prog, prog, lockdep_rtnl_is_held());
	if (prog)
		bpf_prog_put(prog);
}

/**
 * netvsc_bpf_register() - tell XDP of a channel's queue and its memory
 * @ch: channel, whose page pool is there
 *
 * Context: process, RTNL or not registered. Return: 0 or a negative error.
 */
int netvsc_bpf_register(struct netvsc_chan *ch)
{
	struct netvsc_rx *rx = &ch->rx;
	int ret;

	ret = xdp_rxq_info_reg(&rx->xdp_rxq, ch->nv->ndev, ch->index,
			       rx->napi.napi_id);
	if (ret)
		return ret;
	ret = xdp_rxq_info_reg_mem_model(&rx->xdp_rxq, MEM_TYPE_PAGE_POOL,
					 rx->pool);
	if (ret)
		xdp_rxq_info_unreg(&rx->xdp_rxq);
	return ret;
}

/**
 * netvsc_bpf_unregister() - undo netvsc_bpf_register()
 * @ch: channel, closed
 *
 * Context: process, RTNL.
 */
void netvsc_bpf_unregister(struct netvsc_chan *ch)
{
	xdp_rxq_info_unreg(&ch->rx.xdp_rxq);
}

/* Hosts hash the ports of TCP only; their checksum says whether it was TCP */
static enum xdp_rss_hash_type netvsc_xdp_hash_type(const struct netvsc_frame *frame)
{
	const struct ethhdr *eth = frame->xdp.data;

	if (rndis_rx_is_tcp(&frame->desc))
		return XDP_RSS_TYPE_L4_ANY;
	if (frame->xdp.data + sizeof(*eth) > frame->xdp.data_end)
		return XDP_RSS_TYPE_NONE;
	return eth->h_proto == htons(ETH_P_IPV6) ? XDP_RSS_TYPE_L3_IPV6 :
						   XDP_RSS_TYPE_L3_IPV4;
}

static int netvsc_xdp_rx_hash(const struct xdp_md *ctx, u32 *hash,
			      enum xdp_rss_hash_type *type)
{
	const struct netvsc_frame *frame = (const void *)ctx;

	if (!(frame->desc.infos & RNDIS_INFO_HASH))
		return -ENODATA;
	*hash = frame->desc.hash;
	*type = netvsc_xdp_hash_type(frame);
	return 0;
}

static int netvsc_xdp_rx_vlan_tag(const struct xdp_md *ctx, __be16 *proto,
				  u16 *tci)
{
	const struct netvsc_frame *frame = (const void *)ctx;

	if (!(frame->desc.infos & RNDIS_INFO_VLAN))
		return -ENODATA;
	*proto = htons(ETH_P_8021Q);
	*tci = frame->desc.vlan_tci;
	return 0;
}

/* What a program may ask of a frame, with its struct netvsc_frame */
const struct xdp_metadata_ops netvsc_xdp_metadata_ops = {
	.xmo_rx_hash		= netvsc_xdp_rx_hash,
	.xmo_rx_vlan_tag	= netvsc_xdp_rx_vlan_tag,
};
