/* SPDX-License-Identifier: GPL-2.0-only */
/* Statistics and ethtool: what netvsc_ethtool.c offers to the files above it. */
#ifndef _NETVSC_ETHTOOL_H
#define _NETVSC_ETHTOOL_H

#include <linux/ethtool.h>
#include <linux/netdevice.h>

struct netdev_stat_ops;

extern const struct ethtool_ops netvsc_ethtool_ops;
extern const struct netdev_stat_ops netvsc_stat_ops;

void netvsc_get_stats64(struct net_device *ndev, struct rtnl_link_stats64 *s);

#endif
