/* SPDX-License-Identifier: GPL-2.0-only */
/* Configuration: what netvsc_config.c offers to the files above it. */
#ifndef _NETVSC_CONFIG_H
#define _NETVSC_CONFIG_H

#include "hyperv_net.h"

/* What a change takes, beside writing it down */
#define NETVSC_STEP_CONNECT	BIT(0)	/* make a session */
#define NETVSC_STEP_DISCONNECT	BIT(1)	/* end the one there is */
#define NETVSC_STEP_BUFS	BIT(2)	/* other buffers */
#define NETVSC_STEP_OFFLOADS	BIT(3)
#define NETVSC_STEP_RSS		BIT(4)
#define NETVSC_STEP_FILTER	BIT(5)
#define NETVSC_STEP_PATH	BIT(6)	/* VF or not */
#define NETVSC_STEP_PAUSE	BIT(7)	/* stop moving packets */
#define NETVSC_STEP_RESUME	BIT(8)	/* begin to */

int netvsc_reconfigure(struct netvsc *nv, const struct netvsc_config *want,
		       enum netvsc_state target, struct netlink_ext_ack *extack);
int netvsc_add_subchannels(struct netvsc *nv);
netdev_features_t netvsc_fix_features(struct net_device *ndev,
				      netdev_features_t features);
int netvsc_set_features(struct net_device *ndev, netdev_features_t features);
void netvsc_replace_channels(struct netvsc *nv);

void netvsc_config_init(struct netvsc *nv);
int netvsc_config_connect(struct netvsc *nv);
void netvsc_config_disconnect(struct netvsc *nv);
void netvsc_config_free(struct netvsc *nv);

u32 netvsc_max_channels(const struct netvsc *nv);
u32 netvsc_rx_bytes_max(const struct netvsc *nv);
void netvsc_rss_default(struct netvsc_rss *rss, u32 channels);
void netvsc_set_carrier(struct netvsc *nv, bool up);
void netvsc_update_carrier(struct netvsc *nv);

#if IS_ENABLED(CONFIG_KUNIT)
int netvsc_validate(const struct netvsc *nv, const struct netvsc_config *want,
		    struct netlink_ext_ack *extack);
u32 netvsc_diff(const struct netvsc *nv, const struct netvsc_config *want,
		enum netvsc_state target);
#endif

#endif
