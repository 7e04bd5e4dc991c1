// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMBus channel layer. No other file of the driver calls the bus's channel
 * and ring functions, so that tests can replace the host here.
 *
 * The bus does not serialise the calls for one channel: opening and closing is
 * the configuration path's, each ring has one reader, NAPI, and the bus locks
 * the writers of a ring itself.
 */
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <kunit/static_stub.h>
#include <asm/mshyperv.h>

#include "hyperv_net.h"
#include "netvsc_vmbus.h"

/**
 * netvsc_vmbus_alloc_ring() - allocate the memory of a channel's two rings
 * @chn: channel that is not open
 * @bytes: of a ring in one direction, whole pages
 *
 * A channel that has its rings keeps them, whatever their size: they survive
 * netvsc_vmbus_close(), so that opening again needs no large allocation.
 *
 * Context: process, may sleep; the channel is the caller's alone.
 * Return: 0, -ENOMEM, or -EINVAL for a size that is not of whole pages.
 */
int netvsc_vmbus_alloc_ring(struct vmbus_channel *chn, u32 bytes)
{
	KUNIT_STATIC_STUB_REDIRECT(netvsc_vmbus_alloc_ring, chn, bytes);

	if (chn->ringbuffer_page)
		return 0;

	return vmbus_alloc_ring(chn, bytes, bytes);
}

/**
 * netvsc_vmbus_free_ring() - free the memory of a channel's rings
 * @chn: channel that is not open; need not have rings
 *
 * Context: process, may sleep; the channel is the caller's alone.
 */
void netvsc_vmbus_free_ring(struct vmbus_channel *chn)
{
	KUNIT_STATIC_STUB_REDIRECT(netvsc_vmbus_free_ring, chn);

	vmbus_free_ring(chn);
}

/* Does the host still have what it was told to give back? The bus reports only
 * whether the memory was made private again, not that the host never heard of
 * it; but it forgets the handle only after the host's answer. A rescinded
 * channel has nothing shared any more.
 */
static bool netvsc_vmbus_still_shared(const struct vmbus_channel *chn,
				      const struct vmbus_gpadl *gpadl)
{
	return gpadl->gpadl_handle && !READ_ONCE(chn->rescind);
}

/**
 * netvsc_vmbus_open() - open a channel on the rings that it has
 * @chn: channel with rings
 * @cb: called in hard interrupt when the host has put something on the ring;
 *	may be called before this returns
 * @ctx: argument of @cb
 *
 * Transaction ids are the driver's: the bus's table of requests stays off. The
 * callback masks the interrupt itself. Packets are copied out of the ring up to
 * NETVSC_MAX_PACKET bytes.
 *
 * If opening fails and the host may still write to the rings, their pages are
 * lost on purpose: netvsc_vmbus_free_ring() does not find them.
 *
 * Context: process, may sleep. Waits for the host without a deadline; a rescind
 * ends the wait.
 * Return: 0, or the bus's error: -ENODEV after a rescind, -EAGAIN if the host
 * refused.
 */
int netvsc_vmbus_open(struct vmbus_channel *chn, void (*cb)(void *), void *ctx)
{
	int ret;

	KUNIT_STATIC_STUB_REDIRECT(netvsc_vmbus_open, chn, cb, ctx);

	chn->max_pkt_size = NETVSC_MAX_PACKET;
	chn->rqstor_size = 0;
	chn->next_request_id_callback = NULL;
	set_channel_read_mode(chn, HV_CALL_ISR);

	ret = vmbus_connect_ring(chn, cb, ctx);
	if (ret && netvsc_vmbus_still_shared(chn, &chn->ringbuffer_gpadlhandle))
		chn->ringbuffer_page = NULL;
	/* a callback of an open that failed would stay, and be called */
	if (ret && !chn->primary_channel)
		vmbus_disconnect_ring(chn);
	return ret;
}

/* Undo what opening a channel did to one of its rings. The bus maps the ring
 * and allocates the copy of a packet each time a ring is connected, over what
 * the time before has left; it releases both only together with the pages,
 * which are kept here. Readers of the channel's sysfs files hold the mutex and
 * look for NULL.
 */
static void netvsc_vmbus_unmap(struct hv_ring_buffer_info *ring)
{
	mutex_lock(&ring->ring_buffer_mutex);
	vunmap(ring->ring_buffer);
	ring->ring_buffer = NULL;
	mutex_unlock(&ring->ring_buffer_mutex);

	kfree(ring->pkt_buffer);
	ring->pkt_buffer = NULL;
	ring->pkt_buffer_size = 0;
}

/**
 * netvsc_vmbus_close() - close a device's channels
 * @primary: its primary channel; one that is not open is left alone
 *
 * The bus closes the subchannels first and frees their rings. The primary keeps
 * its rings for the next time. But if the host may still write to them, their
 * pages are lost on purpose: neither netvsc_vmbus_free_ring() nor another open
 * finds them again.
 *
 * Context: process, may sleep. NAPI of all channels is disabled, and nobody
 * sends. Waits for the host without a deadline; a rescind ends the wait.
 * Return: 0, or a negative error if the host may not have closed the channel.
 */
int netvsc_vmbus_close(struct vmbus_channel *primary)
{
	bool open;
	int ret;

	KUNIT_STATIC_STUB_REDIRECT(netvsc_vmbus_close, primary);

	open = primary->state == CHANNEL_OPENED_STATE;
	ret = vmbus_disconnect_ring(primary);
	if (!open)
		return 0;

	if (!ret && netvsc_vmbus_still_shared(primary,
					      &primary->ringbuffer_gpadlhandle))
		ret = -EIO;
	if (ret)
		primary->ringbuffer_page = NULL;

	netvsc_vmbus_unmap(&primary->outbound);
	netvsc_vmbus_unmap(&primary->inbound);
	return ret;
}

/**
 * netvsc_vmbus_send() - put an in-band packet on the ring
 * @chn: open channel
 * @msg: payload
 * @len: bytes of it
 * @id: transaction id, not 0
 * @reply: the host shall complete it
 *
 * Context: any.
 * Return: 0, -EAGAIN if the ring has no room, -ENODEV after a rescind, -EIO if
 * the host has broken the ring.
 */
int netvsc_vmbus_send(struct vmbus_channel *chn, const void *msg, u32 len,
		      u64 id, bool reply)
{
	u32 flags = reply ? VMBUS_DATA_PACKET_FLAG_COMPLETION_REQUESTED : 0;

	KUNIT_STATIC_STUB_REDIRECT(netvsc_vmbus_send, chn, msg, len, id, reply);

	/* the bus takes the payload without const, but only reads it */
	return vmbus_sendpacket(chn, (void *)msg, len, id, VM_PKT_DATA_INBAND,
				flags);
}

/**
 * netvsc_vmbus_send_pages() - put a packet with page ranges on the ring
 * @chn: open channel
 * @desc: descriptor with its range count and ranges; the bus fills in the rest
 * @desc_len: bytes of it
 * @msg: payload
 * @len: bytes of it
 * @id: transaction id, not 0; the host will complete it
 *
 * Context: any.
 * Return: as netvsc_vmbus_send().
 */
int netvsc_vmbus_send_pages(struct vmbus_channel *chn,
			    struct vmbus_packet_mpb_array *desc, u32 desc_len,
			    const void *msg, u32 len, u64 id)
{
	KUNIT_STATIC_STUB_REDIRECT(netvsc_vmbus_send_pages, chn, desc, desc_len,
				   msg, len, id);

	return vmbus_sendpacket_mpb_desc(chn, desc, desc_len, (void *)msg, len,
					 id);
}

/**
 * netvsc_vmbus_complete() - complete a packet of the host
 * @chn: channel that it came on
 * @id: its transaction id
 * @msg: payload of the completion
 * @len: bytes of it
 *
 * Context: any.
 * Return: as netvsc_vmbus_send().
 */
int netvsc_vmbus_complete(struct vmbus_channel *chn, u64 id, const void *msg,
			  u32 len)
{
	KUNIT_STATIC_STUB_REDIRECT(netvsc_vmbus_complete, chn, id, msg, len);

	return vmbus_sendpacket(chn, (void *)msg, len, id, VM_PKT_COMP, 0);
}

/**
 * netvsc_vmbus_first() - the first packet on the ring that was not read yet
 * @chn: open channel
 *
 * Its header lengths are checked against the bytes that were copied.
 *
 * Context: NAPI of the channel.
 * Return: the bus's private copy, valid until netvsc_vmbus_next(); NULL if
 * there is none.
 */
struct vmpacket_descriptor *netvsc_vmbus_first(struct vmbus_channel *chn)
{
	KUNIT_STATIC_STUB_REDIRECT(netvsc_vmbus_first, chn);

	return hv_pkt_iter_first(chn);
}

/**
 * netvsc_vmbus_next() - step over a packet
 * @chn: open channel
 * @pkt: the packet that netvsc_vmbus_first() or this has returned
 *
 * Context: NAPI of the channel.
 * Return: the packet behind it, as netvsc_vmbus_first(); NULL if there is none.
 */
struct vmpacket_descriptor *
netvsc_vmbus_next(struct vmbus_channel *chn,
		  const struct vmpacket_descriptor *pkt)
{
	KUNIT_STATIC_STUB_REDIRECT(netvsc_vmbus_next, chn, pkt);

	return __hv_pkt_iter_next(chn, pkt);
}

/**
 * netvsc_vmbus_read_end() - give the room of packets stepped over to the host
 * @chn: open channel
 *
 * Context: NAPI of the channel.
 */
void netvsc_vmbus_read_end(struct vmbus_channel *chn)
{
	KUNIT_STATIC_STUB_REDIRECT(netvsc_vmbus_read_end, chn);

	hv_pkt_iter_close(chn);
}

/**
 * netvsc_vmbus_mask() - ask the host not to signal new packets
 * @chn: open channel
 *
 * Context: any; the channel's callback or its NAPI.
 */
void netvsc_vmbus_mask(struct vmbus_channel *chn)
{
	KUNIT_STATIC_STUB_REDIRECT(netvsc_vmbus_mask, chn);

	hv_begin_read(&chn->inbound);
}

/**
 * netvsc_vmbus_unmask() - ask the host to signal new packets
 * @chn: open channel
 *
 * Context: NAPI of the channel, or before it first runs.
 * Return: true if there are packets already that may never be signalled.
 */
bool netvsc_vmbus_unmask(struct vmbus_channel *chn)
{
	KUNIT_STATIC_STUB_REDIRECT(netvsc_vmbus_unmask, chn);

	return hv_end_read(&chn->inbound) != 0;
}

/**
 * netvsc_vmbus_tx_room() - how much of the ring to the host is free
 * @chn: open channel
 *
 * The host can write to both indexes, so the bytes that they make are clamped
 * to the ring's size: this bounds the result, and the product in it.
 *
 * Context: any.
 * Return: percent, 0 to 100.
 */
u32 netvsc_vmbus_tx_room(const struct vmbus_channel *chn)
{
	const struct hv_ring_buffer_info *ring = &chn->outbound;
	u32 bytes, percent;

	KUNIT_STATIC_STUB_REDIRECT(netvsc_vmbus_tx_room, chn);

	bytes = min(hv_get_bytes_to_write(ring), ring->ring_datasize);
	percent = reciprocal_divide(bytes * 10,
				    ring->ring_size_div10_reciprocal);
	return min(percent, 100u);
}

/**
 * netvsc_vmbus_drained() - are both rings of a channel empty?
 * @chn: open channel
 *
 * A host that breaks an index keeps this false; the caller's deadline ends its
 * wait.
 *
 * Context: any.
 * Return: true if neither side has anything to read.
 */
bool netvsc_vmbus_drained(const struct vmbus_channel *chn)
{
	KUNIT_STATIC_STUB_REDIRECT(netvsc_vmbus_drained, chn);

	return !hv_get_bytes_to_read(&chn->inbound) &&
	       !hv_get_bytes_to_read(&chn->outbound);
}

/**
 * netvsc_vmbus_rescinded() - has the host taken a channel back?
 * @chn: channel
 *
 * Context: any.
 * Return: true if nothing comes from the host any more.
 */
bool netvsc_vmbus_rescinded(const struct vmbus_channel *chn)
{
	KUNIT_STATIC_STUB_REDIRECT(netvsc_vmbus_rescinded, chn);

	return READ_ONCE(chn->rescind);
}

/**
 * netvsc_vmbus_share() - share memory with the host
 * @chn: open channel
 * @base: page aligned memory
 * @bytes: its size, whole pages
 * @gpadl: takes the handle. Its member decrypted, if set after an error, says
 *	that the memory must never be freed.
 *
 * Context: process, may sleep. Waits for the host without a deadline; a rescind
 * ends the wait.
 * Return: 0 or the bus's error.
 */
int netvsc_vmbus_share(struct vmbus_channel *chn, void *base, u32 bytes,
		       struct vmbus_gpadl *gpadl)
{
	KUNIT_STATIC_STUB_REDIRECT(netvsc_vmbus_share, chn, base, bytes, gpadl);

	return vmbus_establish_gpadl(chn, base, bytes, gpadl);
}

/**
 * netvsc_vmbus_unshare() - take memory back from the host
 * @chn: channel that it was shared on; need not be open any more
 * @gpadl: its handle
 *
 * Context: process, may sleep. Waits for the host without a deadline; a rescind
 * ends the wait.
 * Return: 0, or an error if the memory must never be freed.
 */
int netvsc_vmbus_unshare(struct vmbus_channel *chn, struct vmbus_gpadl *gpadl)
{
	int ret;

	KUNIT_STATIC_STUB_REDIRECT(netvsc_vmbus_unshare, chn, gpadl);

	ret = vmbus_teardown_gpadl(chn, gpadl);
	if (!ret && netvsc_vmbus_still_shared(chn, gpadl))
		ret = -EIO;
	return ret;
}

/**
 * netvsc_vmbus_want_offers() - be told when subchannels are offered
 * @primary: open primary channel
 * @cb: called in process context from a bus work queue, with each subchannel.
 *	The bus may free a channel that is not open when @cb has returned.
 *
 * Closing the channel, and a rescind, end it.
 *
 * Context: process.
 */
void netvsc_vmbus_want_offers(struct vmbus_channel *primary,
			      void (*cb)(struct vmbus_channel *))
{
	KUNIT_STATIC_STUB_REDIRECT(netvsc_vmbus_want_offers, primary, cb);

	vmbus_set_sc_create_callback(primary, cb);
}

/**
 * netvsc_vmbus_index() - a channel's index, as the host has chosen it
 * @chn: channel
 *
 * Context: any.
 * Return: any value; 0 is the primary.
 */
u16 netvsc_vmbus_index(const struct vmbus_channel *chn)
{
	KUNIT_STATIC_STUB_REDIRECT(netvsc_vmbus_index, chn);

	return chn->offermsg.offer.sub_channel_index;
}

/**
 * netvsc_vmbus_isolated() - is this guest isolated from its host?
 *
 * Context: any.
 * Return: true for a confidential guest.
 */
bool netvsc_vmbus_isolated(void)
{
	KUNIT_STATIC_STUB_REDIRECT(netvsc_vmbus_isolated);

	return hv_is_isolation_supported();
}

/**
 * netvsc_vmbus_cpu() - processor that takes a channel's interrupts
 * @chn: channel
 *
 * Context: any; the bus may move it at any time.
 */
u32 netvsc_vmbus_cpu(const struct vmbus_channel *chn)
{
	KUNIT_STATIC_STUB_REDIRECT(netvsc_vmbus_cpu, chn);

	return READ_ONCE(chn->target_cpu);
}
