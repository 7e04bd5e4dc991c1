/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMBus channel layer: all that the driver asks of the bus. Each function
 * is a KUnit static stub, the seam that tests replace the host at.
 */
#ifndef _NETVSC_VMBUS_H
#define _NETVSC_VMBUS_H

#include <linux/hyperv.h>

int netvsc_vmbus_alloc_ring(struct vmbus_channel *chn, u32 bytes);
void netvsc_vmbus_free_ring(struct vmbus_channel *chn);
int netvsc_vmbus_open(struct vmbus_channel *chn, void (*cb)(void *), void *ctx);
int netvsc_vmbus_close(struct vmbus_channel *primary);

int netvsc_vmbus_send(struct vmbus_channel *chn, const void *msg, u32 len,
		      u64 id, bool reply);
int netvsc_vmbus_send_pages(struct vmbus_channel *chn,
			    struct vmbus_packet_mpb_array *desc, u32 desc_len,
			    const void *msg, u32 len, u64 id);
int netvsc_vmbus_complete(struct vmbus_channel *chn, u64 id, const void *msg,
			  u32 len);

struct vmpacket_descriptor *netvsc_vmbus_first(struct vmbus_channel *chn);
struct vmpacket_descriptor *
netvsc_vmbus_next(struct vmbus_channel *chn,
		  const struct vmpacket_descriptor *pkt);
void netvsc_vmbus_read_end(struct vmbus_channel *chn);
void netvsc_vmbus_mask(struct vmbus_channel *chn);
bool netvsc_vmbus_unmask(struct vmbus_channel *chn);

u32 netvsc_vmbus_tx_room(const struct vmbus_channel *chn);
bool netvsc_vmbus_drained(const struct vmbus_channel *chn);
bool netvsc_vmbus_rescinded(const struct vmbus_channel *chn);

int netvsc_vmbus_share(struct vmbus_channel *chn, void *base, u32 bytes,
		       struct vmbus_gpadl *gpadl);
int netvsc_vmbus_unshare(struct vmbus_channel *chn, struct vmbus_gpadl *gpadl);

void netvsc_vmbus_want_offers(struct vmbus_channel *primary,
			      void (*cb)(struct vmbus_channel *));
u16 netvsc_vmbus_index(const struct vmbus_channel *chn);
u32 netvsc_vmbus_cpu(const struct vmbus_channel *chn);
bool netvsc_vmbus_isolated(void);

#endif
