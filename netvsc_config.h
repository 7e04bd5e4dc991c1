/* SPDX-License-Identifier: GPL-2.0-only */
/* Configuration: what netvsc_config.c offers to the files above it. */
#ifndef _NETVSC_CONFIG_H
#define _NETVSC_CONFIG_H

#include "hyperv_net.h"

int netvsc_reconfigure(struct netvsc *nv, const struct netvsc_config *want,
		       enum netvsc_state target, struct netlink_ext_ack *extack);
int netvsc_add_subchannels(struct netvsc *nv);

void netvsc_config_init(struct netvsc *nv);
int netvsc_config_connect(struct netvsc *nv);
void netvsc_config_disconnect(struct netvsc *nv);
void netvsc_config_free(struct netvsc *nv);

u32 netvsc_max_channels(const struct netvsc *nv);
u32 netvsc_rx_bytes_max(const struct netvsc *nv);
void netvsc_rss_default(struct netvsc_rss *rss, u32 channels);
void netvsc_update_carrier(struct netvsc *nv);

#endif
