/* SPDX-License-Identifier: GPL-2.0-only */
/* The NVSP session: what netvsc.c offers to the files above it. */
#ifndef _NETVSC_H
#define _NETVSC_H

#include "hyperv_net.h"

void nvsp_set_deadline(struct netvsc *nv);
void nvsp_set_short_deadline(struct netvsc *nv);
unsigned long nvsp_limit_wait(struct netvsc *nv);
int nvsp_wait(struct netvsc *nv, struct completion *done);

int nvsp_open(struct netvsc *nv, void (*cb)(void *));
int nvsp_negotiate(struct netvsc *nv);
int nvsp_share_buffers(struct netvsc *nv);
u32 nvsp_open_subchannels(struct netvsc *nv, u32 want, void (*cb)(void *));
int nvsp_switch_path(struct netvsc *nv, bool vf);
void nvsp_tell_path(struct netvsc *nv);
void nvsp_revoke_buffers(struct netvsc *nv);
void nvsp_close(struct netvsc *nv);

void nvsp_xact_start(struct netvsc *nv, struct nvsp_xact *xact);
void nvsp_xact_end(struct netvsc *nv, struct nvsp_xact *xact);
int nvsp_send_control(struct netvsc *nv, struct page *page, u32 len, u64 id);

bool nvsp_complete(struct netvsc *nv, u64 id, const void *msg, u32 len);
int nvsp_notice(struct netvsc *nv, const void *msg, u32 len);

#endif
