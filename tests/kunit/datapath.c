// SPDX-License-Identifier: GPL-2.0-only
/*
 * The datapath by itself; datapath.h says how. The host's side here reads what
 * the driver writes by the layouts of the wire, not with the driver's codec.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/etherdevice.h>
#include <linux/filter.h>
#include <linux/vmalloc.h>
#include <net/page_pool/helpers.h>
#include <net/sch_generic.h>

#include "../../netvsc_rx.h"
#include "../../netvsc_tx.h"
#include "../../netvsc_vmbus.h"
#include "../../nvsp_proto.h"
#include "../../rndis_proto.h"
#include "datapath.h"

/**
 * struct datapath_packet - a packet of the host that the driver has to read
 * @node: in dp->in
 * @bytes: descriptor and what follows
 */
struct datapath_packet {
	struct list_head node;
	u8 bytes[] __aligned(8);
};

static struct datapath *datapath_of(void)
{
	return kunit_get_current_test()->priv;
}

/* To be reported where it is allowed to sleep */
static void datapath_fault(struct datapath *dp, const char *what)
{
	if (!dp->fault)
		dp->fault = what;
}

static void datapath_report(struct datapath *dp)
{
	if (dp->fault)
		KUNIT_FAIL(dp->test, "%s", dp->fault);
	dp->fault = NULL;
}

static u32 datapath_index(struct datapath *dp, const struct vmbus_channel *chn)
{
	return chn - dp->chns;
}

/* Is this call to fail? A negative number of times: for ever */
static bool datapath_fails(int *times)
{
	if (!*times)
		return false;
	if (*times > 0)
		(*times)--;
	return true;
}

static void datapath_guess(struct datapath *dp, u32 queue, u64 id)
{
	netvsc_tx_complete(dp->nv->chans[queue], id, NVSP_STATUS_SUCCESS,
			   NAPI_POLL_WEIGHT);
}

static bool datapath_send_fails(struct datapath *dp, u32 queue, u64 id)
{
	if (!datapath_fails(&dp->send_errors))
		return false;
	if (dp->guess)
		datapath_guess(dp, queue, id);
	return true;
}

/* It is on the ring, and the host is so fast that it is done with */
static void datapath_done_at_once(struct datapath *dp, struct datapath_sent *sent)
{
	if (!dp->at_once)
		return;
	datapath_guess(dp, sent->queue, sent->id);
	list_del(&sent->node);
	kfree(sent);
}

static void datapath_check_msg(struct datapath *dp, const void *msg, u32 len)
{
	const union nvsp_msg *nvsp = msg;
	u32 i;

	if (len != NVSP_MSG_SIZE ||
	    nvsp->type != cpu_to_le32(NVSP_RNDIS_PACKET) ||
	    nvsp->rndis.channel_type != cpu_to_le32(NVSP_CHANNEL_DATA))
		datapath_fault(dp, "not an RNDIS PACKET message of NVSP");
	for (i = sizeof(nvsp->rndis); i < len; i++)
		if (nvsp->bytes[i])
			datapath_fault(dp, "no zeroes behind an NVSP message");
}

/* A packet is on the ring; its data still has to be copied */
static struct datapath_sent *datapath_new_sent(struct datapath *dp, u32 queue,
					       u64 id, u32 len)
{
	struct datapath_sent *sent;

	lockdep_assert_held(&netdev_get_tx_queue(dp->ndev, queue)->_xmit_lock);
	list_for_each_entry(sent, &dp->sent, node)
		if (sent->queue == queue && sent->id == id)
			datapath_fault(dp, "a transaction id twice");
	if (!id || (id & NVSP_XACT_ID))
		datapath_fault(dp, "not a transaction id of data");

	sent = kzalloc(struct_size(sent, data, len), GFP_ATOMIC);
	if (!sent) {
		datapath_fault(dp, "no memory");
		return NULL;
	}
	sent->queue = queue;
	sent->id = id;
	sent->section = NETVSC_NO_SECTION;
	list_add_tail(&sent->node, &dp->sent);
	dp->nsent++;
	return sent;
}

static int datapath_send(struct vmbus_channel *chn, const void *msg, u32 len,
			 u64 id, bool reply)
{
	struct datapath *dp = datapath_of();
	const struct nvsp_session *sess = &dp->nv->sess;
	const union nvsp_msg *nvsp = msg;
	u32 section = le32_to_cpu(nvsp->rndis.section_index);
	u32 fill = le32_to_cpu(nvsp->rndis.section_size);
	struct datapath_sent *sent;

	if (datapath_send_fails(dp, datapath_index(dp, chn), id))
		return dp->send_error;
	datapath_check_msg(dp, msg, len);
	if (!reply || section >= sess->tx_sections || !fill ||
	    fill > sess->tx_section_size) {
		datapath_fault(dp, "not a send section");
		return 0;
	}
	list_for_each_entry(sent, &dp->sent, node)
		if (sent->section == section)
			datapath_fault(dp, "a section twice");
	sent = datapath_new_sent(dp, datapath_index(dp, chn), id, fill);
	if (!sent)
		return 0;
	sent->section = section;
	sent->len = fill;
	memcpy(sent->data, dp->nv->bufs->tx.base +
	       section * sess->tx_section_size, fill);
	datapath_done_at_once(dp, sent);
	return 0;
}

/* Copy a range; returns what follows it in the descriptor */
static const void *datapath_copy_range(struct datapath *dp,
				       struct datapath_sent *sent,
				       const struct hv_mpb_array *range)
{
	u32 pages = DIV_ROUND_UP(range->offset + range->len, HV_HYP_PAGE_SIZE);
	u32 i, offset = range->offset, left = range->len, piece;

	if (!range->len || range->offset >= HV_HYP_PAGE_SIZE)
		datapath_fault(dp, "an impossible page range");
	for (i = 0; i < pages; i++) {
		if (range->pfn_array[i] != range->pfn_array[0] + i)
			datapath_fault(dp, "a range is not contiguous");
		piece = min_t(u32, left, HV_HYP_PAGE_SIZE - offset);
		memcpy(sent->data + sent->len,
		       phys_to_virt(range->pfn_array[i] << HV_HYP_PAGE_SHIFT) +
		       offset, piece);
		sent->len += piece;
		left -= piece;
		offset = 0;
	}
	return &range->pfn_array[pages];
}

static u32 datapath_ranges_len(const struct vmbus_packet_mpb_array *desc)
{
	const struct hv_mpb_array *range = &desc->range;
	u32 i, len = 0;

	for (i = 0; i < desc->rangecount; i++) {
		len += range->len;
		range = (const void *)&range->pfn_array[DIV_ROUND_UP(range->offset + range->len,
								      HV_HYP_PAGE_SIZE)];
	}
	return len;
}

static int datapath_send_pages(struct vmbus_channel *chn,
			       struct vmbus_packet_mpb_array *desc,
			       u32 desc_len, const void *msg, u32 len, u64 id)
{
	struct datapath *dp = datapath_of();
	const union nvsp_msg *nvsp = msg;
	const struct hv_mpb_array *range = &desc->range;
	struct datapath_sent *sent;
	u32 i;

	if (datapath_send_fails(dp, datapath_index(dp, chn), id))
		return dp->send_error;
	datapath_check_msg(dp, msg, len);
	if (nvsp->rndis.section_index != cpu_to_le32(NVSP_NO_SECTION) ||
	    nvsp->rndis.section_size || desc->rangecount < 2 ||
	    desc->rangecount > 32)
		datapath_fault(dp, "not a packet of page ranges");
	sent = datapath_new_sent(dp, datapath_index(dp, chn), id,
				 datapath_ranges_len(desc));
	if (!sent)
		return 0;
	sent->ranges = desc->rangecount;
	sent->first_len = range->len;
	if (range->offset + range->len > HV_HYP_PAGE_SIZE)
		datapath_fault(dp, "a header in two pages");
	for (i = 0; i < desc->rangecount; i++)
		range = datapath_copy_range(dp, sent, range);
	if ((const void *)range != (const void *)desc + desc_len)
		datapath_fault(dp, "a descriptor of a wrong length");
	datapath_done_at_once(dp, sent);
	return 0;
}

static int datapath_ack(struct vmbus_channel *chn, u64 id, const void *msg,
			u32 len)
{
	struct datapath *dp = datapath_of();
	const struct nvsp_msg_rndis_complete *done = msg;
	struct datapath_ack *ack;

	if (datapath_fails(&dp->ack_errors))
		return dp->ack_error;
	if (len != sizeof(*done) ||
	    done->type != cpu_to_le32(NVSP_RNDIS_PACKET_COMPLETE))
		datapath_fault(dp, "not a completion of NVSP");
	ack = kzalloc(sizeof(*ack), GFP_ATOMIC);
	if (!ack)
		return 0;
	ack->queue = datapath_index(dp, chn);
	ack->id = id;
	ack->status = le32_to_cpu(done->status);
	list_add_tail(&ack->node, &dp->acks);
	dp->nacks++;
	return 0;
}

static struct vmpacket_descriptor *datapath_first(struct vmbus_channel *chn)
{
	struct datapath *dp = datapath_of();
	struct datapath_packet *packet;

	packet = list_first_entry_or_null(&dp->in[datapath_index(dp, chn)],
					  struct datapath_packet, node);
	return packet ? (void *)packet->bytes : NULL;
}

/* The driver has done with a packet: KASAN sees if it looks at it again */
static struct vmpacket_descriptor *
datapath_next(struct vmbus_channel *chn, const struct vmpacket_descriptor *pkt)
{
	struct datapath *dp = datapath_of();
	struct datapath_packet *packet;

	if (pkt != datapath_first(chn)) {
		datapath_fault(dp, "stepped over a packet that is not first");
		return NULL;
	}
	packet = list_first_entry(&dp->in[datapath_index(dp, chn)],
				  struct datapath_packet, node);
	list_del(&packet->node);
	kfree(packet);
	return datapath_first(chn);
}

static void datapath_read_end(struct vmbus_channel *chn)
{
}

static void datapath_mask(struct vmbus_channel *chn)
{
	struct datapath *dp = datapath_of();

	dp->masked[datapath_index(dp, chn)] = true;
}

static bool datapath_unmask(struct vmbus_channel *chn)
{
	struct datapath *dp = datapath_of();

	dp->masked[datapath_index(dp, chn)] = false;
	return dp->more_came;
}

static u32 datapath_room(const struct vmbus_channel *chn)
{
	return datapath_of()->room;
}

static void datapath_deliver(struct netvsc_chan *ch, struct sk_buff *skb)
{
	__skb_queue_tail(&datapath_of()->frames, skb);
}

static void datapath_stubs(struct kunit *test)
{
	kunit_activate_static_stub(test, netvsc_vmbus_send, datapath_send);
	kunit_activate_static_stub(test, netvsc_vmbus_send_pages,
				   datapath_send_pages);
	kunit_activate_static_stub(test, netvsc_vmbus_complete, datapath_ack);
	kunit_activate_static_stub(test, netvsc_vmbus_first, datapath_first);
	kunit_activate_static_stub(test, netvsc_vmbus_next, datapath_next);
	kunit_activate_static_stub(test, netvsc_vmbus_read_end,
				   datapath_read_end);
	kunit_activate_static_stub(test, netvsc_vmbus_mask, datapath_mask);
	kunit_activate_static_stub(test, netvsc_vmbus_unmask, datapath_unmask);
	kunit_activate_static_stub(test, netvsc_vmbus_tx_room, datapath_room);
	kunit_activate_static_stub(test, netvsc_rx_deliver, datapath_deliver);
}

static void datapath_event(struct work_struct *work)
{
	struct netvsc *nv = container_of(work, struct netvsc, event_work.work);

	clear_bit(NETVSC_EVENT_CHANNEL, &nv->events);
}

static void datapath_init_session(struct datapath *dp, u32 channels)
{
	struct netvsc *nv = dp->nv;

	nv->ndev = dp->ndev;
	nv->state = NETVSC_RUNNING;
	nv->nchans = channels;
	nv->l4_hash = NETVSC_HASH_ALL;
	spin_lock_init(&nv->xact_lock);
	INIT_LIST_HEAD(&nv->xacts);
	INIT_LIST_HEAD(&nv->requests);
	INIT_DELAYED_WORK(&nv->event_work, datapath_event);
	nv->sess = (struct nvsp_session) {
		.version = NVSP_VERSION_6_1,
		.rx_section_size = DATAPATH_RX_SECTION,
		.rx_sections = DATAPATH_RX_SECTIONS,
		.tx_section_size = DATAPATH_TX_SECTION,
		.tx_sections = DATAPATH_TX_SECTIONS,
		.max_packets = 8,
		.max_transfer = 0x4000,
		.align = 8,
		.csum = NETVSC_CSUM_TCP4 | NETVSC_CSUM_UDP4 |
			NETVSC_CSUM_TCP6 | NETVSC_CSUM_UDP6,
	};
}

static int datapath_make_bufs(struct datapath *dp)
{
	struct netvsc_bufs *bufs;

	bufs = kzalloc(sizeof(*bufs), GFP_KERNEL);
	if (!bufs)
		return -ENOMEM;
	dp->nv->bufs = bufs;
	bufs->rx.bytes = DATAPATH_RX_SECTIONS * DATAPATH_RX_SECTION;
	bufs->tx.bytes = DATAPATH_TX_SECTIONS * DATAPATH_TX_SECTION;
	bufs->rx.base = vzalloc(bufs->rx.bytes);
	bufs->tx.base = vzalloc(bufs->tx.bytes);
	bufs->sections = bitmap_zalloc(DATAPATH_TX_SECTIONS, GFP_KERNEL);
	if (!bufs->rx.base || !bufs->tx.base || !bufs->sections)
		return -ENOMEM;
	/* what the driver does not write must not look as if it had */
	memset(bufs->tx.base, 0xee, bufs->tx.bytes);
	return 0;
}

static int datapath_make_chan(struct datapath *dp, u32 index)
{
	struct netdev_queue *txq = netdev_get_tx_queue(dp->ndev, index);
	struct netvsc_chan *ch = kvzalloc(sizeof(*ch), GFP_KERNEL);
	int ret;

	if (!ch)
		return -ENOMEM;
	ch->nv = dp->nv;
	ch->index = index;
	ch->chn = &dp->chns[index];
	ch->open = true;
	u64_stats_init(&ch->tx_stats.sync);
	u64_stats_init(&ch->done_stats.sync);
	u64_stats_init(&ch->rx_stats.sync);
	/* as of a device that is registered */
	rcu_assign_pointer(txq->qdisc, &noop_qdisc);
	ret = netvsc_tx_alloc(ch);
	if (!ret)
		ret = netvsc_rx_alloc(ch);
	if (ret) {
		netvsc_tx_free(ch);
		kvfree(ch);
		return ret;
	}
	dp->nv->chans[index] = ch;
	dp->nv->nchans_made = index + 1;
	return 0;
}

static void datapath_free_in(struct datapath *dp, u32 index)
{
	struct datapath_packet *packet, *next;

	list_for_each_entry_safe(packet, next, &dp->in[index], node)
		kfree(packet);
	INIT_LIST_HEAD(&dp->in[index]);
}

static void datapath_free_chan(struct datapath *dp, u32 index)
{
	struct netvsc_chan *ch = dp->nv->chans[index];

	timer_delete_sync(&ch->rx.retry);
	netvsc_tx_release(ch);
	netvsc_rx_free(ch);
	synchronize_net();
	netvsc_tx_free(ch);
	kvfree(ch);
	datapath_free_in(dp, index);
}

void datapath_forget(struct datapath *dp)
{
	struct datapath_sent *sent, *next;

	list_for_each_entry_safe(sent, next, &dp->sent, node)
		kfree(sent);
	INIT_LIST_HEAD(&dp->sent);
}

void datapath_forget_acks(struct datapath *dp)
{
	struct datapath_ack *ack, *next;

	list_for_each_entry_safe(ack, next, &dp->acks, node)
		kfree(ack);
	INIT_LIST_HEAD(&dp->acks);
	dp->nacks = 0;
}

static void datapath_free(void *ctx)
{
	struct datapath *dp = ctx;
	struct netvsc_bufs *bufs = dp->nv->bufs;
	u32 i;

	datapath_report(dp);
	__skb_queue_purge(&dp->frames);
	datapath_forget(dp);
	datapath_forget_acks(dp);
	for (i = 0; i < dp->nv->nchans_made; i++)
		datapath_free_chan(dp, i);
	cancel_delayed_work_sync(&dp->nv->event_work);
	if (bufs) {
		vfree(bufs->rx.base);
		vfree(bufs->tx.base);
		bitmap_free(bufs->sections);
		kfree(bufs);
	}
	free_percpu(dp->nv->vf.stats);
	free_netdev(dp->ndev);
}

struct datapath *datapath_new(struct kunit *test, u32 channels)
{
	struct datapath *dp;
	u32 i;

	dp = kunit_kzalloc(test, sizeof(*dp), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, dp);
	dp->test = test;
	dp->room = 100;
	INIT_LIST_HEAD(&dp->sent);
	INIT_LIST_HEAD(&dp->acks);
	__skb_queue_head_init(&dp->frames);
	for (i = 0; i < DATAPATH_CHANS; i++)
		INIT_LIST_HEAD(&dp->in[i]);
	dp->chns = kunit_kcalloc(test, channels, sizeof(*dp->chns), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, dp->chns);
	dp->ndev = alloc_etherdev_mq(sizeof(struct netvsc), channels);
	KUNIT_ASSERT_NOT_NULL(test, dp->ndev);
	dp->ndev->features |= NETIF_F_RXCSUM | NETIF_F_RXHASH;
	dp->nv = netdev_priv(dp->ndev);
	test->priv = dp;
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, datapath_free, dp),
			0);
	dp->nv->vf.stats = netdev_alloc_pcpu_stats(struct netvsc_vf_stats);
	KUNIT_ASSERT_NOT_NULL(test, dp->nv->vf.stats);
	datapath_init_session(dp, channels);
	KUNIT_ASSERT_EQ(test, datapath_make_bufs(dp), 0);
	for (i = 0; i < channels; i++)
		KUNIT_ASSERT_EQ(test, datapath_make_chan(dp, i), 0);
	datapath_stubs(test);
	netvsc_tx_start(dp->nv);
	return dp;
}

netdev_tx_t datapath_xmit(struct datapath *dp, struct sk_buff *skb, bool more)
{
	static const struct net_device_ops ops = {
		.ndo_start_xmit = netvsc_start_xmit,
	};
	u16 queue = skb_get_queue_mapping(skb);
	struct netdev_queue *txq = netdev_get_tx_queue(dp->ndev, queue);
	netdev_tx_t ret;

	local_bh_disable();
	__netif_tx_lock(txq, smp_processor_id());
	ret = __netdev_start_xmit(&ops, skb, dp->ndev, more);
	__netif_tx_unlock(txq);
	dp->retry = timer_pending(&dp->nv->chans[queue]->rx.retry);
	local_bh_enable();
	if (ret == NETDEV_TX_OK)
		dp->accepted++;
	datapath_report(dp);
	return ret;
}

void datapath_fill(u8 *to, u32 len, u32 seed)
{
	u32 i;

	for (i = 0; i < len; i++)
		to[i] = (seed * 31 + i + (i >> 8) * 7) | 1;	/* no zeroes */
}

bool datapath_filled(const u8 *bytes, u32 len, u32 seed)
{
	u32 i;

	for (i = 0; i < len; i++)
		if (bytes[i] != (u8)((seed * 31 + i + (i >> 8) * 7) | 1))
			return false;
	return true;
}

struct sk_buff *datapath_skb(struct datapath *dp, u16 queue, u32 len, u32 seed)
{
	struct sk_buff *skb = alloc_skb(len + NET_SKB_PAD, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(dp->test, skb);
	skb_reserve(skb, NET_SKB_PAD);
	datapath_fill(skb_put(skb, len), len, seed);
	skb->dev = dp->ndev;
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, ETH_HLEN);
	skb->protocol = htons(ETH_P_802_3);
	skb_set_queue_mapping(skb, queue);
	return skb;
}

struct datapath_sent *datapath_sent(struct datapath *dp, u32 nth)
{
	struct datapath_sent *sent;

	list_for_each_entry(sent, &dp->sent, node)
		if (!nth--)
			return sent;
	return NULL;
}

static u32 datapath_word(const u8 *bytes, u32 offset)
{
	return get_unaligned_le32(bytes + offset);
}

/* Infos: size, type, 12, word. Once each, and nothing else, is what we send. */
static bool datapath_infos(const u8 *msg, u32 bytes, struct datapath_frame *frame)
{
	const u8 *info = msg + 44;
	u32 type;

	for (; bytes >= 16; bytes -= 16, info += 16) {
		type = datapath_word(info, 4);
		if (datapath_word(info, 0) != 16 || datapath_word(info, 8) != 12 ||
		    type > 8 || (frame->infos & BIT(type)))
			return false;
		frame->infos |= BIT(type);
		if (type == 0)
			frame->csum = datapath_word(info, 12);
		else if (type == 2)
			frame->lso = datapath_word(info, 12);
		else if (type == 6)
			frame->vlan = datapath_word(info, 12);
		else if (type == 8)
			frame->hash = datapath_word(info, 12);
		else
			return false;
	}
	return !bytes;
}

/* One message; false: it is not as 3.3 of the protocol reference says */
static bool datapath_parse(const u8 *msg, u32 left, struct datapath_frame *frame)
{
	u32 infos, i;

	memset(frame, 0, sizeof(*frame));
	if (left < 44 || datapath_word(msg, 0) != RNDIS_PACKET)
		return false;
	frame->msg_len = datapath_word(msg, 4);
	frame->head_len = datapath_word(msg, 8) + 8;
	frame->len = datapath_word(msg, 12);
	infos = datapath_word(msg, 32);
	if (frame->msg_len > left || frame->head_len != 44 + infos ||
	    frame->head_len + frame->len > frame->msg_len)
		return false;
	if (datapath_word(msg, 28) != (infos ? 36 : 0) ||
	    datapath_word(msg, 16) || datapath_word(msg, 20) ||
	    datapath_word(msg, 24) || datapath_word(msg, 36) ||
	    datapath_word(msg, 40))
		return false;
	frame->data = msg + frame->head_len;
	for (i = frame->head_len + frame->len; i < frame->msg_len; i++)
		if (msg[i])
			return false;
	return datapath_infos(msg, infos, frame);
}

bool datapath_frame(struct datapath *dp, const struct datapath_sent *sent,
		    u32 nth, struct datapath_frame *frame)
{
	u32 at = 0;

	do {
		if (!sent || at >= sent->len)
			return false;
		if (!datapath_parse(sent->data + at, sent->len - at, frame)) {
			KUNIT_FAIL(dp->test, "an RNDIS message makes no sense");
			return false;
		}
		at += frame->msg_len;
	} while (nth--);
	return true;
}

bool datapath_complete_id(struct datapath *dp, u32 queue, u64 id, u32 status)
{
	bool known;

	local_bh_disable();
	known = netvsc_tx_complete(dp->nv->chans[queue], id, status,
				   NAPI_POLL_WEIGHT);
	local_bh_enable();
	return known;
}

void datapath_poll_end(struct datapath *dp, u32 queue)
{
	local_bh_disable();
	netvsc_tx_poll_end(dp->nv->chans[queue]);
	dp->retry = timer_pending(&dp->nv->chans[queue]->rx.retry);
	local_bh_enable();
	datapath_report(dp);
}

void datapath_complete(struct datapath *dp, struct datapath_sent *sent)
{
	u32 queue = sent->queue;

	list_del(&sent->node);
	KUNIT_EXPECT_TRUE(dp->test, datapath_complete_id(dp, queue, sent->id,
							 NVSP_STATUS_SUCCESS));
	kfree(sent);
	datapath_poll_end(dp, queue);
}

void datapath_complete_all(struct datapath *dp)
{
	u32 i;

	while (!list_empty(&dp->sent))
		datapath_complete(dp, datapath_sent(dp, 0));
	for (i = 0; i < dp->nv->nchans; i++)
		datapath_poll_end(dp, i);
}

/* Bits of the map are sections in a cache; no section is in two */
static void datapath_check_sections(struct datapath *dp)
{
	DECLARE_BITMAP(cached, DATAPATH_TX_SECTIONS) = {};
	struct netvsc_free *cache;
	u32 i, at;

	for (i = 0; i < dp->nv->nchans; i++) {
		struct netvsc_req *spare = dp->nv->chans[i]->tx.spare;

		cache = &dp->nv->chans[i]->tx.free_sections;
		KUNIT_EXPECT_LE(dp->test, cache->head - cache->tail,
				dp->nv->chans[i]->tx.section_cache);
		for (at = cache->tail; at != cache->head; at++)
			if (test_and_set_bit(cache->slot[at & cache->mask],
					     cached))
				KUNIT_FAIL(dp->test, "a section twice");
		if (spare && spare->section != NETVSC_NO_SECTION &&
		    test_and_set_bit(spare->section, cached))
			KUNIT_FAIL(dp->test, "a section twice");
	}
	KUNIT_EXPECT_TRUE_MSG(dp->test,
			      bitmap_equal(cached, dp->nv->bufs->sections,
					   dp->nv->sess.tx_sections),
			      "sections in use: %*pb, cached: %*pb",
			      DATAPATH_TX_SECTIONS, dp->nv->bufs->sections,
			      DATAPATH_TX_SECTIONS, cached);
}

static void datapath_check_limit(struct datapath *dp, u32 queue)
{
#ifdef CONFIG_BQL
	struct netdev_queue *txq = netdev_get_tx_queue(dp->ndev, queue);

	KUNIT_EXPECT_EQ(dp->test, txq->dql.num_queued - txq->dql.num_completed,
			dp->nv->chans[queue]->tx.unsent);
	KUNIT_EXPECT_FALSE(dp->test, test_bit(__QUEUE_STATE_STACK_XOFF,
					      &txq->state));
#endif
}

void datapath_settle(struct datapath *dp)
{
	u64 done = 0;
	u32 i;

	datapath_complete_all(dp);
	for (i = 0; i < dp->nv->nchans; i++) {
		KUNIT_EXPECT_TRUE(dp->test, netvsc_tx_idle(dp->nv->chans[i]));
		KUNIT_EXPECT_FALSE(dp->test, netif_tx_queue_stopped
				   (netdev_get_tx_queue(dp->ndev, i)));
		KUNIT_EXPECT_EQ(dp->test, u64_stats_read(&dp->nv->chans[i]->tx_stats.stop_queue),
				u64_stats_read(&dp->nv->chans[i]->tx_stats.wake_queue));
		done += u64_stats_read(&dp->nv->chans[i]->done_stats.packets) +
			u64_stats_read(&dp->nv->chans[i]->tx_stats.dropped);
		datapath_check_limit(dp, i);
	}
	KUNIT_EXPECT_EQ(dp->test, done, dp->accepted);
	datapath_check_sections(dp);
	datapath_report(dp);
}

void datapath_put(struct datapath *dp, u32 queue, u16 type, u16 flags, u64 id,
		  const void *rest, u32 rest_len, const void *msg, u32 len)
{
	u32 head = sizeof(struct vmpacket_descriptor) + rest_len;
	struct datapath_packet *packet;
	struct vmpacket_descriptor *pkt;

	packet = kzalloc(sizeof(*packet) + head + ALIGN(len, 8), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(dp->test, packet);
	pkt = (void *)packet->bytes;
	pkt->type = type;
	pkt->offset8 = head >> 3;
	pkt->len8 = (head + ALIGN(len, 8)) >> 3;
	pkt->flags = flags;
	pkt->trans_id = id;
	memcpy(packet->bytes + sizeof(*pkt), rest, rest_len);
	memcpy(packet->bytes + head, msg, len);
	list_add_tail(&packet->node, &dp->in[queue]);
}

/*
 * NAPI is never enabled, so that neither the retry timer nor anything else runs
 * the poll outside of this thread; here it is owned as if it had been scheduled.
 */
int datapath_poll(struct datapath *dp, u32 queue, int budget)
{
	struct napi_struct *napi = &dp->nv->chans[queue]->rx.napi;
	struct bpf_net_context context, *outer = NULL;
	int work;

	local_bh_disable();
	if (budget)	/* netpoll has none */
		outer = bpf_net_ctx_set(&context);
	clear_bit(NAPI_STATE_MISSED, &napi->state);
	clear_bit(NAPI_STATE_NPSVC, &napi->state);
	work = napi->poll(napi, budget);
	bpf_net_ctx_clear(outer);
	dp->scheduled = test_and_set_bit(NAPI_STATE_SCHED, &napi->state);
	set_bit(NAPI_STATE_NPSVC, &napi->state);
	local_irq_disable();
	list_del_init(&napi->poll_list);
	local_irq_enable();
	WRITE_ONCE(napi->list_owner, -1);
	dp->retry = timer_pending(&dp->nv->chans[queue]->rx.retry);
	local_bh_enable();
	datapath_report(dp);
	return work;
}
