/* SPDX-License-Identifier: GPL-2.0-only */
/* Receive: what netvsc_rx.c offers to the files above it. */
#ifndef _NETVSC_RX_H
#define _NETVSC_RX_H

#include "hyperv_net.h"

void netvsc_channel_cb(void *ctx);

int netvsc_rx_alloc(struct netvsc_chan *ch);
void netvsc_rx_enable(struct netvsc_chan *ch);
void netvsc_rx_disable(struct netvsc_chan *ch);
void netvsc_rx_halt(struct netvsc_chan *ch);
void netvsc_rx_free(struct netvsc_chan *ch);
bool netvsc_rx_idle(const struct netvsc_chan *ch);

#if IS_ENABLED(CONFIG_KUNIT)
void netvsc_rx_deliver(struct netvsc_chan *ch, struct sk_buff *skb);
#endif

#endif
