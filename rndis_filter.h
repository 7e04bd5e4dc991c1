/* SPDX-License-Identifier: GPL-2.0-only */
/* RNDIS control: what rndis_filter.c offers to the files above it. */
#ifndef _RNDIS_FILTER_H
#define _RNDIS_FILTER_H

#include "hyperv_net.h"

int rndis_filter_connect(struct netvsc *nv);
void rndis_filter_halt(struct netvsc *nv);
void rndis_filter_release(struct netvsc *nv);

int rndis_filter_set_rsc(struct netvsc *nv, bool on);
int rndis_filter_set_rss(struct netvsc *nv, const struct netvsc_rss *rss);
int rndis_filter_set_filter(struct netvsc *nv, u32 filter);
int rndis_filter_set_mac(struct netvsc *nv, const u8 *mac);

void rndis_filter_answer_keepalive(struct netvsc *nv);
bool rndis_filter_receive(struct netvsc_chan *ch, const void *msg, u32 len);

#endif
