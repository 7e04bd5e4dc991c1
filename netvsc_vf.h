/* SPDX-License-Identifier: GPL-2.0-only */
/* The VF: what netvsc_vf.c offers to the files above it. */
#ifndef _NETVSC_VF_H
#define _NETVSC_VF_H

#include "hyperv_net.h"

int netvsc_vf_init(void);
void netvsc_vf_exit(void);

void netvsc_vf_add(struct netvsc *nv);
void netvsc_vf_remove(struct netvsc *nv);
unsigned long netvsc_vf_work(struct netvsc *nv);

int netvsc_vf_reconfigure(struct netvsc *nv, const struct netvsc_config *want,
			  enum netvsc_state target, struct netlink_ext_ack *extack);
void netvsc_vf_open(struct netvsc *nv);
void netvsc_vf_close(struct netvsc *nv);
void netvsc_vf_set_rx_mode(struct netvsc *nv);
void netvsc_vf_change_flags(struct netvsc *nv);
void netvsc_vf_set_features(struct netvsc *nv, netdev_features_t features);
int netvsc_vf_set_mac(struct netvsc *nv, const u8 *addr,
		      struct netlink_ext_ack *extack);
int netvsc_vf_set_prog(struct netvsc *nv, struct bpf_prog *prog,
		       struct netlink_ext_ack *extack);

#endif
