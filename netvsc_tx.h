/* SPDX-License-Identifier: GPL-2.0-only */
/* Transmit: what netvsc_tx.c offers to the files above it. */
#ifndef _NETVSC_TX_H
#define _NETVSC_TX_H

#include "hyperv_net.h"

netdev_tx_t netvsc_start_xmit(struct sk_buff *skb, struct net_device *ndev);
netdev_features_t netvsc_features_check(struct sk_buff *skb,
					struct net_device *ndev,
					netdev_features_t features);
u16 netvsc_select_queue(struct net_device *ndev, struct sk_buff *skb,
			struct net_device *sb_dev);

int netvsc_tx_frame(struct netvsc_chan *ch, struct xdp_frame *xdpf, int tci);
void netvsc_tx_frames_end(struct netvsc_chan *ch);

bool netvsc_tx_complete(struct netvsc_chan *ch, u64 id, u32 status, int budget);
void netvsc_tx_poll_end(struct netvsc_chan *ch);
void netvsc_tx_free_frame(struct netvsc_chan *ch, struct xdp_frame *xdpf, int budget);
void netvsc_tx_free_late(struct netvsc_chan *ch);

int netvsc_tx_alloc(struct netvsc_chan *ch);
void netvsc_tx_release(struct netvsc_chan *ch);
void netvsc_tx_free(struct netvsc_chan *ch);
void netvsc_tx_start(struct netvsc *nv);
void netvsc_tx_stop(struct netvsc *nv);
void netvsc_tx_set_link(struct netvsc *nv, bool up);
bool netvsc_tx_idle(const struct netvsc_chan *ch);

/**
 * netvsc_tx_vf() - the VF, if packets can be sent by it now
 * @nv: the device; the data path is by the VF, or not
 *
 * Context: softirq or BH disabled. Return: its net_device, or NULL: also if it is
 * about to go, or has no link. Then the event work sees to it.
 */
static inline struct net_device *netvsc_tx_vf(struct netvsc *nv)
{
	struct net_device *vf_ndev = rcu_dereference_bh(nv->vf.ndev);

	if (vf_ndev && netif_running(vf_ndev) && netif_carrier_ok(vf_ndev))
		return vf_ndev;
	/* the kernel may keep a link that went down to itself for a second */
	netvsc_post_event(nv, NETVSC_EVENT_VF);
	return NULL;
}

#endif
