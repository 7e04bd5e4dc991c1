/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _NETVSC_ETHTOOL_H
#define _NETVSC_ETHTOOL_H

#include <linux/ethtool.h>

extern const struct ethtool_ops netvsc_ethtool_ops;

#endif
