/* SPDX-License-Identifier: GPL-2.0-only */
/* XDP: what netvsc_bpf.c offers to the files above it. */
#ifndef _NETVSC_BPF_H
#define _NETVSC_BPF_H

#include <linux/bpf.h>

#include "hyperv_net.h"
#include "rndis_msg.h"

/* Of a frame that is in no single piece of its own size; on large pages it is no page */
#define NETVSC_PIECE		SZ_4K
#define NETVSC_PIECE_HEAD \
	(NETVSC_PIECE - XDP_PACKET_HEADROOM - \
	 SKB_DATA_ALIGN(sizeof(struct skb_shared_info)))

/**
 * struct netvsc_frame - a received frame that a program may change
 * @xdp: its memory; first, as programs' questions come with its address
 * @desc: what the host said of it
 */
struct netvsc_frame {
	struct xdp_buff xdp;
	struct rndis_rx_desc desc;
};

/* Does it take frames in one piece only? */
static inline bool netvsc_bpf_is_linear(const struct bpf_prog *prog)
{
	return prog && !prog->aux->xdp_has_frags;
}

extern const struct xdp_metadata_ops netvsc_xdp_metadata_ops;

bool netvsc_bpf_run(struct netvsc_chan *ch, struct bpf_prog *prog,
		    struct netvsc_frame *frame);
void netvsc_bpf_poll_end(struct netvsc_chan *ch);

int netvsc_bpf_check(const struct netvsc *nv, const struct bpf_prog *prog,
		     u32 mtu, netdev_features_t features,
		     struct netlink_ext_ack *extack);
void netvsc_bpf_set(struct netvsc *nv, struct bpf_prog *prog);

int netvsc_bpf_register(struct netvsc_chan *ch);
void netvsc_bpf_unregister(struct netvsc_chan *ch);

int netvsc_xdp_xmit(struct net_device *ndev, int n, struct xdp_frame **frames,
		    u32 flags);

#endif
