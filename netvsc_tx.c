// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transmit: the queue of a packet, its description, its way into a send section
 * or behind page ranges, flow control, and its completion.
 *
 * Requests and send sections go round without a lock: the transmit side takes
 * them under the tx lock, NAPI gives them back, through rings of one producer
 * and one consumer.
 */
#include <linux/bitfield.h>
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netpoll.h>
#include <linux/tcp.h>
#include <net/flow_dissector.h>
#include <net/ip6_checksum.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "netvsc_trace.h"
#include "netvsc_tx.h"
#include "netvsc_vmbus.h"
#include "nvsp_proto.h"
#include "rndis_msg.h"

/* Page ranges of a packet: its header's, its linear part's, its fragments' */
#define NETVSC_RANGES_MAX	min_t(u32, 32, MAX_SKB_FRAGS + 2)
/* and the pages in them, of the longest frame: two more in each for its ends */
#define NETVSC_PFNS_MAX		((GSO_LEGACY_MAX_SIZE >> HV_HYP_PAGE_SHIFT) + 2 * 32)
#define NETVSC_DESC_MAX \
	(offsetof(struct vmbus_packet_mpb_array, range) + \
	 32 * sizeof(struct hv_mpb_array) + NETVSC_PFNS_MAX * sizeof(u64))

/* Percent of the ring that is free when a queue is stopped, and is woken */
#define NETVSC_ROOM_STOP	10
#define NETVSC_ROOM_WAKE	21

#define NETVSC_HDR_PAGES	(NETVSC_REQS * NETVSC_HDR_SLOT / PAGE_SIZE)

static_assert(RNDIS_TX_HDR_MAX <= NETVSC_HDR_SLOT);
static_assert(NETVSC_REQS <= U16_MAX);

static void netvsc_tx_count(struct netvsc_chan *ch, u64_stats_t *counter)
{
	u64_stats_update_begin(&ch->tx_stats.sync);
	u64_stats_inc(counter);
	u64_stats_update_end(&ch->tx_stats.sync);
}

static struct netdev_queue *netvsc_txq(const struct netvsc_chan *ch)
{
	return netdev_get_tx_queue(ch->nv->ndev, ch->index);
}

static void netvsc_tx_assert_lock(const struct netvsc_chan *ch)
{
	lockdep_assert_held(&netvsc_txq(ch)->_xmit_lock);
}

/* NAPI side of a ring: there is always room for what was taken from it */
static void netvsc_free_put(struct netvsc_free *ring, u16 number)
{
	ring->slot[ring->head & ring->mask] = number;
	/* pairs with netvsc_free_get(): the number is there */
	smp_store_release(&ring->head, ring->head + 1);
}

/* Transmit side of a ring: -1 if it is empty */
static int netvsc_free_get(struct netvsc_free *ring)
{
	u16 number;

	/* pairs with netvsc_free_put() */
	if (smp_load_acquire(&ring->head) == ring->tail)
		return -1;
	number = ring->slot[ring->tail & ring->mask];
	/* pairs with netvsc_free_count() of NAPI: the entry has been read */
	smp_store_release(&ring->tail, ring->tail + 1);
	return number;
}

static u32 netvsc_free_count(const struct netvsc_free *ring)
{
	return READ_ONCE(ring->head) - READ_ONCE(ring->tail);
}

static u32 netvsc_reqs_free(const struct netvsc_tx *tx)
{
	return netvsc_free_count(&tx->free_reqs) + NETVSC_REQS - tx->fresh;
}

/**
 * netvsc_tx_idle() - has the host completed all that was sent?
 * @ch: channel
 *
 * Context: process, without the tx lock; the answer holds only while nothing is
 * sent.
 */
bool netvsc_tx_idle(const struct netvsc_chan *ch)
{
	struct netdev_queue *txq = netvsc_txq(ch);
	u32 held;
	bool idle;

	__netif_tx_lock_bh(txq);
	held = ch->tx.spare ? 1 : 0;
	idle = !ch->tx.batch &&
	       netvsc_reqs_free(&ch->tx) + held == NETVSC_REQS;
	__netif_tx_unlock_bh(txq);
	return idle;
}

static struct netvsc_req *netvsc_req_get(struct netvsc_tx *tx)
{
	struct netvsc_req *req = tx->spare;
	int number;

	if (unlikely(req)) {
		tx->spare = NULL;
		return req;
	}
	number = netvsc_free_get(&tx->free_reqs);
	if (unlikely(number < 0)) {
		if (tx->fresh == NETVSC_REQS)
			return NULL;
		number = tx->fresh++;
	}
	req = &tx->reqs[number];
	req->held = 0;
	req->section = NETVSC_NO_SECTION;
	req->packets = 0;
	req->bytes = 0;
	req->fill = 0;
	return req;
}

/* A request that was not sent after all; what it carried has been freed */
static void netvsc_req_unget(struct netvsc_tx *tx, struct netvsc_req *req)
{
	req->held = 0;
	req->packets = 0;
	req->bytes = 0;
	req->fill = 0;
	tx->spare = req;
}

/*
 * From here on a completion may take the request, even before the host has been
 * told of it: hosts may guess.
 */
static u64 netvsc_req_arm(struct netvsc_tx *tx, struct netvsc_req *req)
{
	u64 id = (u64)(++tx->generation & S32_MAX) << 32;

	id |= (req - tx->reqs) + 1;
	/* pairs with the cmpxchg() of netvsc_tx_complete() */
	smp_store_release(&req->id, id);
	return id;
}

/* Take it back after a failed send; false: somebody has completed it */
static bool netvsc_req_disarm(struct netvsc_req *req, u64 id)
{
	return cmpxchg(&req->id, id, 0) == id;
}

static u32 netvsc_section_get(struct netvsc_chan *ch)
{
	struct netvsc *nv = ch->nv;
	u32 count = nv->sess.tx_sections;
	int number = netvsc_free_get(&ch->tx.free_sections);
	u32 section;

	if (likely(number >= 0))
		return number;
	section = find_first_zero_bit(nv->bufs->sections, count);
	while (section < count) {
		if (!test_and_set_bit(section, nv->bufs->sections))
			return section;
		section = find_next_zero_bit(nv->bufs->sections, count, section);
	}
	return NETVSC_NO_SECTION;
}

static void netvsc_section_put(struct netvsc_chan *ch, u32 section)
{
	struct netvsc_free *cache = &ch->tx.free_sections;

	if (section == NETVSC_NO_SECTION)
		return;
	if (netvsc_free_count(cache) < READ_ONCE(ch->tx.section_cache))
		netvsc_free_put(cache, section);
	else
		clear_bit(section, ch->nv->bufs->sections);
}

/* The addresses only, for protocols whose ports the user took out */
static u32 netvsc_tx_hash(const struct netvsc *nv, struct sk_buff *skb)
{
	u32 l4 = READ_ONCE(nv->l4_hash);
	struct flow_keys keys;
	u32 bit = 0;
	bool v6;

	if (likely(l4 == NETVSC_HASH_ALL) ||
	    !skb_flow_dissect_flow_keys(skb, &keys, 0))
		return skb_get_hash(skb);
	v6 = keys.control.addr_type == FLOW_DISSECTOR_KEY_IPV6_ADDRS;
	if (keys.basic.ip_proto == IPPROTO_TCP)
		bit = v6 ? NETVSC_HASH_TCP6 : NETVSC_HASH_TCP4;
	else if (keys.basic.ip_proto == IPPROTO_UDP)
		bit = v6 ? NETVSC_HASH_UDP6 : NETVSC_HASH_UDP4;
	if (!bit || (l4 & bit))
		return skb_get_hash(skb);
	/* sockets choose a flow label each, as they do a port */
	keys.tags.flow_label = 0;
	keys.ports.ports = 0;
	return flow_hash_from_keys(&keys);
}

static u16 netvsc_pick_queue(struct netvsc *nv, struct sk_buff *skb, u32 count)
{
	u32 queue, entry;

	if (skb_rx_queue_recorded(skb)) {
		queue = skb_get_rx_queue(skb);
	} else {
		entry = netvsc_tx_hash(nv, skb) % NETVSC_SEND_TABLE;
		queue = READ_ONCE(nv->tx_table[entry]);
	}
	/* a division costs more than all of the above */
	return likely(queue < count) ? queue : queue % count;
}

/* The VF's own choice: who sends by one of its queues has one of ours for it */
static u16 netvsc_vf_pick_queue(const struct netvsc *nv, struct sk_buff *skb)
{
	struct net_device *vf_ndev;
	u16 queue = 0;

	rcu_read_lock();	/* a socket that goes past the qdisc holds nothing */
	vf_ndev = rcu_dereference(nv->vf.ndev);
	if (vf_ndev && vf_ndev->netdev_ops->ndo_select_queue)
		queue = vf_ndev->netdev_ops->ndo_select_queue(vf_ndev, skb, NULL);
	else if (vf_ndev)
		queue = netdev_pick_tx(vf_ndev, skb, NULL);
	rcu_read_unlock();
	return queue;
}

/**
 * netvsc_select_queue() - ndo_select_queue
 * @ndev: the device
 * @skb: packet
 * @sb_dev: unused
 *
 * Where the VF carries the traffic, its choice. A socket stays on its queue while
 * packets are in flight, so that they are not reordered; else the receive queue of
 * a forwarded packet, else the host's send table [2.10].
 *
 * Context: any; BH need not be disabled. Return: below real_num_tx_queues.
 */
u16 netvsc_select_queue(struct net_device *ndev, struct sk_buff *skb,
			struct net_device *sb_dev)
{
	u32 count = READ_ONCE(ndev->real_num_tx_queues);
	struct netvsc *nv = netdev_priv(ndev);
	struct sock *sk = skb->sk;
	int old, queue;

	if (count <= 1)
		return 0;
	if (unlikely(READ_ONCE(nv->vf.in_use)))
		return netvsc_vf_pick_queue(nv, skb) % count;
	old = sk_tx_queue_get(sk);
	if (old >= 0 && old < count && !skb->ooo_okay)
		return old;
	queue = netvsc_pick_queue(nv, skb, count);
	if (queue != old && sk && sk_fullsock(sk) &&
	    rcu_access_pointer(sk->sk_dst_cache))
		sk_tx_queue_set(sk, queue);
	return queue;
}

/**
 * netvsc_features_check() - ndo_features_check
 * @skb: packet
 * @ndev: the device
 * @features: that it may have made for it
 *
 * Behind a tag of another kind than 802.1Q, which stays in the frame, no host
 * finds the headers.
 *
 * Context: BH disabled. Return: those of the features that are possible.
 */
netdev_features_t netvsc_features_check(struct sk_buff *skb,
					struct net_device *ndev,
					netdev_features_t features)
{
	__be16 tag = skb_vlan_tag_present(skb) ? skb->vlan_proto : skb->protocol;

	if (unlikely(tag == htons(ETH_P_8021AD)))
		return features & ~(NETIF_F_CSUM_MASK | NETIF_F_GSO_MASK);
	return vlan_features_check(skb, features);
}

/* Lengths and checksums as the host expects them of a frame to cut [3.4] */
static int netvsc_tx_lso(struct sk_buff *skb, struct rndis_tx_desc *desc)
{
	struct iphdr *ip;

	if (skb_cow_head(skb, 0))
		return -ENOMEM;
	desc->lso = FIELD_PREP(RNDIS_LSO_MSS, skb_shinfo(skb)->gso_size) |
		    FIELD_PREP(RNDIS_LSO_TCP_OFFSET, skb_transport_offset(skb)) |
		    RNDIS_LSO_V2;
	if (skb_shinfo(skb)->gso_type & SKB_GSO_TCPV6) {
		desc->lso |= RNDIS_LSO_IPV6;
		tcp_v6_gso_csum_prep(skb);
	} else {
		ip = ip_hdr(skb);
		ip->tot_len = 0;
		ip->check = 0;
		tcp_hdr(skb)->check = ~csum_tcpudp_magic(ip->saddr, ip->daddr, 0,
							 IPPROTO_TCP, 0);
	}
	desc->infos |= RNDIS_INFO_LSO;
	return 0;
}

/*
 * Checksum word for an L4 protocol, 0 if the host does not make its checksum, or
 * the one that is wanted is another: of a packet inside of this one
 */
static u32 netvsc_tx_csum_word(u32 caps, struct sk_buff *skb)
{
	bool v6 = skb->protocol == htons(ETH_P_IPV6);
	u32 word, tcp, udp, start;
	u8 proto;

	if (skb->protocol == htons(ETH_P_IP)) {
		proto = ip_hdr(skb)->protocol;
		start = ip_hdrlen(skb);
		tcp = caps & NETVSC_CSUM_TCP4;
		udp = caps & NETVSC_CSUM_UDP4;
	} else if (v6) {
		proto = ipv6_hdr(skb)->nexthdr;
		start = sizeof(struct ipv6hdr);
		tcp = caps & NETVSC_CSUM_TCP6;
		udp = caps & NETVSC_CSUM_UDP6;
	} else {
		return 0;
	}
	if (skb_checksum_start_offset(skb) != skb_network_offset(skb) + start)
		return 0;
	if (proto == IPPROTO_TCP && tcp &&
	    skb->csum_offset == offsetof(struct tcphdr, check))
		word = RNDIS_TX_CSUM_TCP;
	else if (proto == IPPROTO_UDP && udp &&
		 skb->csum_offset == offsetof(struct udphdr, check))
		word = RNDIS_TX_CSUM_UDP;
	else
		return 0;
	word |= v6 ? RNDIS_TX_CSUM_IPV6 : RNDIS_TX_CSUM_IPV4;
	return word | FIELD_PREP(RNDIS_TX_CSUM_OFFSET, skb_transport_offset(skb));
}

static int netvsc_tx_csum(const struct netvsc *nv, struct sk_buff *skb,
			  struct rndis_tx_desc *desc)
{
	desc->csum = netvsc_tx_csum_word(nv->sess.csum, skb);
	if (!desc->csum)
		return skb_checksum_help(skb);
	desc->infos |= RNDIS_INFO_CSUM;
	return 0;
}

static u16 netvsc_tx_tci(const struct sk_buff *skb)
{
	return skb_vlan_tag_get(skb);
}

/**
 * netvsc_tx_describe() - what the host is to be told of a packet
 * @ch: channel
 * @skb: packet
 * @desc: result
 *
 * Writes to the packet only where it is to be cut, or lacks a checksum that the
 * host does not make, and only after making its headers its own.
 *
 * Context: tx lock. Return: 0 or -ENOMEM.
 */
static int netvsc_tx_describe(const struct netvsc_chan *ch, struct sk_buff *skb,
			      struct rndis_tx_desc *desc)
{
	const struct netvsc *nv = ch->nv;

	desc->data_len = skb->len;
	desc->infos = 0;
	if (READ_ONCE(nv->nchans) > 1 && skb->hash) {
		desc->hash = skb->hash;
		desc->infos = RNDIS_INFO_HASH;
	}
	if (skb_vlan_tag_present(skb)) {
		desc->vlan_tci = netvsc_tx_tci(skb);
		desc->infos |= RNDIS_INFO_VLAN;
	}
	if (skb_is_gso(skb))
		return netvsc_tx_lso(skb, desc);
	if (skb->ip_summed == CHECKSUM_PARTIAL)
		return netvsc_tx_csum(nv, skb, desc);
	return 0;
}

/* Give up what a request carries */
static void netvsc_req_drop(struct netvsc_chan *ch, struct netvsc_req *req)
{
	u64_stats_update_begin(&ch->tx_stats.sync);
	u64_stats_add(&ch->tx_stats.dropped, req->packets);
	u64_stats_update_end(&ch->tx_stats.sync);
	if (req->held & NETVSC_HELD_XDP)
		xdp_return_frame((void *)(req->held - NETVSC_HELD_XDP));
	else
		dev_kfree_skb_any((struct sk_buff *)req->held);
}

/*
 * Count bytes against the queue's byte limit, before the host can complete them.
 * What was counted and then not sent counts for the next, or NAPI takes it off.
 * Return: the batch is to be flushed.
 */
static bool netvsc_tx_sent(struct netvsc_chan *ch, u32 bytes, bool more)
{
	u32 credit;

	if (unlikely(ch->tx.unsent)) {
		credit = min(ch->tx.unsent, bytes);
		WRITE_ONCE(ch->tx.unsent, ch->tx.unsent - credit);
		bytes -= credit;
	}
	return __netdev_tx_sent_queue(netvsc_txq(ch), bytes, more);
}

/* Look again soon: no completion may come that would */
static void netvsc_tx_retry(struct netvsc_chan *ch)
{
	if (ch->tx.running)
		mod_timer(&ch->rx.retry, jiffies + 1);
}

static void netvsc_tx_unsent(struct netvsc_chan *ch, u32 bytes)
{
	WRITE_ONCE(ch->tx.unsent, ch->tx.unsent + bytes);
	netvsc_tx_retry(ch);
}

/* What a request carries is lost: its ring takes nothing any more */
static void netvsc_tx_lost(struct netvsc_chan *ch, const struct netvsc_req *req,
			   u32 ranges, int error)
{
	struct netvsc *nv = ch->nv;

	u64_stats_update_begin(&ch->tx_stats.sync);
	u64_stats_add(&ch->tx_stats.no_space, req->packets);
	u64_stats_update_end(&ch->tx_stats.sync);
	netvsc_tx_unsent(ch, req->bytes);
	if (net_ratelimit())
		netdev_err(nv->ndev,
			   "Unable to send packet pages %u len %u, ret %d\n",
			   ranges, req->bytes, error);
	if (error == -ENODEV)
		netvsc_post_event(nv, NETVSC_EVENT_CHANNEL);
}

/*
 * netvsc_tx_flush() - put the batch on the ring
 *
 * If there is no room it stays: netvsc_tx_flow() stops the queue, and NAPI tries
 * again. On any other error its packets are dropped.
 */
static int netvsc_tx_flush(struct netvsc_chan *ch)
{
	struct netvsc_req *req = ch->tx.batch;
	union nvsp_msg msg = {
		.rndis.type = cpu_to_le32(NVSP_RNDIS_PACKET),
		.rndis.channel_type = cpu_to_le32(NVSP_CHANNEL_DATA),
		.rndis.section_index = cpu_to_le32(req->section),
		.rndis.section_size = cpu_to_le32(req->fill),
	};
	u32 section = req->section, fill = req->fill;
	u64 id = netvsc_req_arm(&ch->tx, req);
	int ret;

	netvsc_tx_assert_lock(ch);
	ret = netvsc_vmbus_send(ch->chn, &msg, sizeof(msg), id, true);
	if (likely(!ret)) {
		ch->tx.batch = NULL;
		trace_nvsp_send_pkt(ch->nv->ndev, ch->index, NVSP_CHANNEL_DATA,
				    section, fill);
		return 0;
	}
	if (!netvsc_req_disarm(req, id)) {
		ch->tx.batch = NULL;
		return 0;
	}
	if (ret == -EAGAIN)
		return ret;
	ch->tx.batch = NULL;
	netvsc_tx_lost(ch, req, 0, ret);
	netvsc_req_drop(ch, req);
	netvsc_req_unget(&ch->tx, req);
	return ret;
}

static bool netvsc_tx_room(const struct netvsc_chan *ch, u32 percent)
{
	return netvsc_reqs_free(&ch->tx) > 1 &&
	       netvsc_vmbus_tx_room(ch->chn) >= percent;
}

/* Each stop has its end, whatever ends it */
static void netvsc_tx_set_stopped(struct netvsc_chan *ch, bool stopped)
{
	netvsc_tx_assert_lock(ch);
	if (ch->tx.stopped == stopped)
		return;
	WRITE_ONCE(ch->tx.stopped, stopped);
	netvsc_tx_count(ch, stopped ? &ch->tx_stats.stop_queue :
				      &ch->tx_stats.wake_queue);
}

/*
 * netvsc_tx_flow() - stop the queue when the ring or the table is nearly full,
 * wake it when there is room again; the one place that does either
 * @full: something did not fit
 *
 * Called under the tx lock after each send, and by NAPI. The barrier pairs with
 * the other side's: whoever comes second sees what the first has done. A batch
 * does not wait on a stopped queue.
 */
static void netvsc_tx_flow(struct netvsc_chan *ch, struct netdev_queue *txq,
			   bool full)
{
	netvsc_tx_assert_lock(ch);
	if (!ch->tx.stopped) {
		if (likely(!full && netvsc_tx_room(ch, NETVSC_ROOM_STOP)))
			return;
		netif_tx_stop_queue(txq);
		netvsc_tx_set_stopped(ch, true);
		smp_mb();	/* pairs with that of netvsc_tx_poll_end() */
	}
	if (ch->tx.batch && netvsc_tx_flush(ch) == -EAGAIN)
		netvsc_tx_retry(ch);
	if (!netif_carrier_ok(ch->nv->ndev))
		return;		/* the link wakes it */
	if (!ch->tx.batch && netvsc_tx_room(ch, NETVSC_ROOM_WAKE)) {
		netvsc_tx_set_stopped(ch, false);
		netif_tx_wake_queue(txq);
	} else if (netvsc_reqs_free(&ch->tx) > 1) {
		netvsc_tx_retry(ch);	/* the ring may empty unannounced */
	}
}

static bool netvsc_batch_takes(const struct netvsc *nv,
			       const struct netvsc_req *req, u32 len)
{
	u32 limit = min(nv->sess.tx_section_size, nv->sess.max_transfer);

	return req->packets < nv->sess.max_packets && req->fill + len <= limit;
}

/* The request that takes len more bytes; NULL: there is none, see *ret */
static __always_inline struct netvsc_req *
netvsc_batch_get(struct netvsc_chan *ch, u32 len, int *ret)
{
	struct netvsc_req *req = ch->tx.batch;

	netvsc_tx_assert_lock(ch);
	*ret = -EBUSY;
	if (req) {
		if (netvsc_batch_takes(ch->nv, req, len))
			return req;
		if (netvsc_tx_flush(ch) == -EAGAIN)
			return NULL;
	}
	req = netvsc_req_get(&ch->tx);
	if (unlikely(!req))
		return NULL;
	if (req->section == NETVSC_NO_SECTION)
		req->section = netvsc_section_get(ch);
	if (unlikely(req->section == NETVSC_NO_SECTION)) {
		netvsc_req_unget(&ch->tx, req);
		netvsc_tx_count(ch, &ch->tx_stats.send_full);
		*ret = -ENOSPC;
		return NULL;
	}
	ch->tx.batch = req;
	return req;
}

/* A message of len bytes in the batch's section, without its frame: that is copied
 * to where this points; or an error, see netvsc_batch_get()
 */
static __always_inline u8 *
netvsc_batch_begin(struct netvsc_chan *ch, const struct rndis_tx_desc *desc,
		   u32 len)
{
	struct netvsc *nv = ch->nv;
	struct netvsc_req *req;
	u8 *to;
	int ret;

	req = netvsc_batch_get(ch, len, &ret);
	if (unlikely(!req))
		return ERR_PTR(ret);
	to = nv->bufs->tx.base + req->section * nv->sess.tx_section_size +
	     req->fill;
	to += rndis_msg_build(to, desc);
	if (desc->pad)
		memset(to + desc->data_len, 0, desc->pad);
	return to;
}

/* The frame has been copied. Return: the batch is to be flushed. */
static __always_inline bool
netvsc_batch_end(struct netvsc_chan *ch, const struct rndis_tx_desc *desc,
		 u32 len, bool more)
{
	struct netvsc_req *req = ch->tx.batch;

	req->fill += len;
	req->packets++;
	req->bytes += desc->data_len;
	return netvsc_tx_sent(ch, desc->data_len, more);
}

/* Copy a packet into the batch's section, len bytes of message; the packet is
 * free to go then
 */
static int netvsc_tx_copy(struct netvsc_chan *ch, struct sk_buff *skb,
			  const struct rndis_tx_desc *desc, u32 len, bool more)
{
	u8 *to = netvsc_batch_begin(ch, desc, len);

	if (IS_ERR(to))
		return PTR_ERR(to);
	if (likely(!skb_is_nonlinear(skb)))
		memcpy(to, skb->data, skb->len);
	else
		skb_copy_bits(skb, 0, to, skb->len);
	skb_tx_timestamp(skb);
	if (netvsc_batch_end(ch, desc, len, more))
		netvsc_tx_flush(ch);
	dev_consume_skb_any(skb);
	return 0;
}

/* One physically contiguous piece as a range of the descriptor at *at */
static void *netvsc_tx_range(void *at, phys_addr_t phys, u32 len)
{
	u32 offset = phys & ~HV_HYP_PAGE_MASK;
	u32 pages = DIV_ROUND_UP(offset + len, HV_HYP_PAGE_SIZE);
	u64 pfn = phys >> HV_HYP_PAGE_SHIFT;
	struct hv_mpb_array *range = at;
	u32 i;

	range->len = len;
	range->offset = offset;
	for (i = 0; i < pages; i++)
		range->pfn_array[i] = pfn + i;
	return &range->pfn_array[pages];
}

/*
 * netvsc_tx_ranges() - describe a packet as page ranges
 * @hdr_len: bytes of its header, which is in @req
 * @head: its linear part, of @len bytes
 * @info: its fragments, or NULL
 *
 * The header is one range, as hosts demand; then the linear part and each
 * fragment. Return: bytes of the descriptor.
 */
static u32 netvsc_tx_ranges(struct vmbus_packet_mpb_array *desc,
			    const struct netvsc_req *req, u32 hdr_len,
			    void *head, u32 len,
			    const struct skb_shared_info *info)
{
	void *at = &desc->range;
	u32 ranges = 1;
	int i;

	at = netvsc_tx_range(at, virt_to_phys(req->hdr), hdr_len);
	if (len) {
		at = netvsc_tx_range(at, virt_to_phys(head), len);
		ranges++;
	}
	for (i = 0; info && i < info->nr_frags; i++) {
		const skb_frag_t *frag = &info->frags[i];

		at = netvsc_tx_range(at, page_to_phys(skb_frag_page(frag)) +
				     skb_frag_off(frag), skb_frag_size(frag));
		ranges++;
	}
	desc->rangecount = ranges;
	return at - (void *)desc;
}

/* Make linear what has too many pieces for the host */
static int netvsc_tx_fit(struct netvsc_chan *ch, struct sk_buff *skb)
{
	if (likely(skb_shinfo(skb)->nr_frags + 2 <= NETVSC_RANGES_MAX &&
		   skb->len <= GSO_LEGACY_MAX_SIZE))
		return 0;
	if (skb->len > GSO_LEGACY_MAX_SIZE) {
		netvsc_tx_count(ch, &ch->tx_stats.too_big);
		return -E2BIG;
	}
	if (skb_shared(skb) || skb_linearize(skb)) {
		netvsc_tx_count(ch, &ch->tx_stats.no_memory);
		return -ENOMEM;
	}
	netvsc_tx_count(ch, &ch->tx_stats.scattered);
	return 0;
}

/* Put a request on the ring whose page ranges are in the channel's descriptor.
 * -EBUSY: no room; else it cannot be sent. What it carries is the caller's then.
 */
static int netvsc_tx_send(struct netvsc_chan *ch, struct netvsc_req *req,
			  u32 desc_len)
{
	union nvsp_msg msg = {
		.rndis.type = cpu_to_le32(NVSP_RNDIS_PACKET),
		.rndis.channel_type = cpu_to_le32(NVSP_CHANNEL_DATA),
		.rndis.section_index = cpu_to_le32(NVSP_NO_SECTION),
	};
	u64 id;
	int ret;

	netvsc_tx_sent(ch, req->bytes, false);
	id = netvsc_req_arm(&ch->tx, req);
	ret = netvsc_vmbus_send_pages(ch->chn, ch->tx.desc, desc_len, &msg,
				      sizeof(msg), id);
	if (likely(!ret)) {
		trace_nvsp_send_pkt(ch->nv->ndev, ch->index, NVSP_CHANNEL_DATA,
				    NVSP_NO_SECTION, 0);
		return 0;
	}
	if (!netvsc_req_disarm(req, id))
		return 0;
	if (ret == -EAGAIN) {
		netvsc_tx_unsent(ch, req->bytes);
		ret = -EBUSY;
	} else {
		netvsc_tx_lost(ch, req, ch->tx.desc->rangecount, ret);
	}
	netvsc_req_unget(&ch->tx, req);
	return ret;
}

/* A request for a packet that is sent from where it lies, behind the batch */
static struct netvsc_req *netvsc_pages_get(struct netvsc_chan *ch,
					   const struct rndis_tx_desc *desc)
{
	struct netvsc_req *req;

	netvsc_tx_assert_lock(ch);
	if (ch->tx.batch && netvsc_tx_flush(ch) == -EAGAIN)
		return NULL;
	req = netvsc_req_get(&ch->tx);
	if (likely(req)) {
		req->packets = 1;
		req->bytes = desc->data_len;
	}
	return req;
}

/* Send a packet from where it lies */
static int netvsc_tx_pages(struct netvsc_chan *ch, struct sk_buff *skb,
			   const struct rndis_tx_desc *desc)
{
	struct netvsc_req *req;
	u32 len;
	int ret;

	ret = netvsc_tx_fit(ch, skb);
	if (ret)
		return ret;
	req = netvsc_pages_get(ch, desc);
	if (unlikely(!req))
		return -EBUSY;
	req->held = (unsigned long)skb;
	len = rndis_msg_build(req->hdr, desc);
	len = netvsc_tx_ranges(ch->tx.desc, req, len, skb->data,
			       skb_headlen(skb), skb_shinfo(skb));
	skb_tx_timestamp(skb);
	return netvsc_tx_send(ch, req, len);
}

/*
 * netvsc_tx_place() - hand a described packet to the host
 *
 * By copy if it fits a send section, else by page ranges. Without @more the
 * batch goes, too. Return: 0: it is the host's, or in the batch, and @skb may be
 * gone; -EBUSY: no room, nothing has happened; else it cannot be sent.
 */
static int netvsc_tx_place(struct netvsc_chan *ch, struct sk_buff *skb,
			   struct rndis_tx_desc *desc, bool more)
{
	const struct nvsp_session *sess = &ch->nv->sess;
	u32 bytes = rndis_msg_hdr_len(desc) + skb->len;
	u32 len = ALIGN(bytes, sess->align);
	int ret;

	if (len <= sess->tx_section_size && len <= sess->max_transfer) {
		desc->pad = len - bytes;
		ret = netvsc_tx_copy(ch, skb, desc, len, more);
		if (ret != -ENOSPC)
			return ret;
	}
	desc->pad = 0;
	return netvsc_tx_pages(ch, skb, desc);
}

/*
 * An 802.1Q tag in the frame, as packet sockets send it, which hosts drop: move
 * it to where the others are. NULL: the packet is gone, and counted.
 */
static struct sk_buff *netvsc_tx_untag(struct netvsc_chan *ch,
				       struct sk_buff *skb)
{
	u64_stats_t *error = &ch->tx_stats.no_memory;
	u16 tci;

	skb = skb_share_check(skb, GFP_ATOMIC);
	if (!skb)
		goto dropped;
	skb_reset_mac_header(skb);
	if (!eth_type_vlan(eth_hdr(skb)->h_proto))
		return skb;
	if (!__skb_vlan_pop(skb, &tci)) {
		__vlan_hwaccel_put_tag(skb, htons(ETH_P_8021Q), tci);
		skb->protocol = eth_hdr(skb)->h_proto;
		return skb;
	}
	dev_kfree_skb_any(skb);
	error = &ch->tx_stats.vlan_error;
dropped:
	u64_stats_update_begin(&ch->tx_stats.sync);
	u64_stats_inc(error);
	u64_stats_inc(&ch->tx_stats.dropped);
	u64_stats_update_end(&ch->tx_stats.sync);
	return NULL;
}

/* A tag in a frame, which hosts drop: tell them of it as they want it */
static void netvsc_frame_untag(struct xdp_frame *xdpf, struct rndis_tx_desc *desc)
{
	const struct vlan_ethhdr *vlan = xdpf->data;

	if (xdpf->len < VLAN_ETH_HLEN ||
	    likely(vlan->h_vlan_proto != htons(ETH_P_8021Q)))
		return;
	desc->vlan_tci = ntohs(vlan->h_vlan_TCI);
	desc->infos |= RNDIS_INFO_VLAN;
	desc->data_len -= VLAN_HLEN;
	xdpf->data = memmove(xdpf->data + VLAN_HLEN, xdpf->data, 2 * ETH_ALEN);
	xdpf->len -= VLAN_HLEN;
	xdpf->headroom += VLAN_HLEN;
}

static const struct skb_shared_info *
netvsc_frame_info(struct xdp_frame *xdpf)
{
	return xdp_frame_has_frags(xdpf) ? xdp_get_shared_info_from_frame(xdpf) :
					   NULL;
}

static void netvsc_frame_copy(u8 *to, struct xdp_frame *xdpf)
{
	const struct skb_shared_info *info = netvsc_frame_info(xdpf);
	int i;

	memcpy(to, xdpf->data, xdpf->len);
	to += xdpf->len;
	for (i = 0; info && i < info->nr_frags; i++) {
		memcpy(to, skb_frag_address(&info->frags[i]),
		       skb_frag_size(&info->frags[i]));
		to += skb_frag_size(&info->frags[i]);
	}
}

/* By copy, as netvsc_tx_copy() does it */
static int netvsc_frame_batch(struct netvsc_chan *ch, struct xdp_frame *xdpf,
			      const struct rndis_tx_desc *desc, u32 len)
{
	u8 *to = netvsc_batch_begin(ch, desc, len);

	if (IS_ERR(to))
		return PTR_ERR(to);
	netvsc_frame_copy(to, xdpf);
	if (netvsc_batch_end(ch, desc, len, true))
		netvsc_tx_flush(ch);
	xdp_return_frame(xdpf);
	return 0;
}

/* A tag of 802.1ad stays in the frame, and is not counted, as nowhere else */
static bool netvsc_frame_fits(const struct netvsc_chan *ch,
			      const struct xdp_frame *xdpf, u32 len)
{
	u32 max = READ_ONCE(ch->nv->ndev->mtu) + ETH_HLEN;
	const struct ethhdr *eth = xdpf->data;

	if (xdpf->len < ETH_HLEN)
		return false;
	return len <= max || (len <= max + VLAN_HLEN &&
			      eth->h_proto == htons(ETH_P_8021AD));
}

/* From where it lies */
static int netvsc_frame_pages(struct netvsc_chan *ch, struct xdp_frame *xdpf,
			      const struct rndis_tx_desc *desc)
{
	const struct skb_shared_info *info = netvsc_frame_info(xdpf);
	struct netvsc_req *req;
	u32 len;

	if (info && unlikely(info->nr_frags + 2 > NETVSC_RANGES_MAX))
		return -EMSGSIZE;
	req = netvsc_pages_get(ch, desc);
	if (unlikely(!req))
		return -EBUSY;
	req->held = (unsigned long)xdpf | NETVSC_HELD_XDP;
	len = rndis_msg_build(req->hdr, desc);
	len = netvsc_tx_ranges(ch->tx.desc, req, len, xdpf->data, xdpf->len,
			       info);
	return netvsc_tx_send(ch, req, len);
}

static void netvsc_vf_send(struct netvsc *nv, struct net_device *vf_ndev,
			   struct sk_buff *skb)
{
	struct netvsc_vf_stats *stats = this_cpu_ptr(nv->vf.stats);
	u32 len = skb->len;
	int ret;

	skb->dev = vf_ndev;
	/* ours is no queue of its, nor one that it was received on */
	skb_set_queue_mapping(skb, 0);
	ret = dev_queue_xmit(skb);
	u64_stats_update_begin(&stats->syncp);
	if (likely(ret == NET_XMIT_SUCCESS || ret == NET_XMIT_CN)) {
		u64_stats_inc(&stats->tx_packets);
		u64_stats_add(&stats->tx_bytes, len);
	} else {
		u64_stats_inc(&stats->tx_dropped);
	}
	u64_stats_update_end(&stats->syncp);
}

/* By the VF, as a packet: it may take no frames, none in pieces, no tag beside them */
static int netvsc_frame_vf(struct netvsc_chan *ch, struct xdp_frame *xdpf,
			   const struct rndis_tx_desc *desc)
{
	struct net_device *vf_ndev = netvsc_tx_vf(ch->nv);
	struct sk_buff *skb;

	if (unlikely(!vf_ndev))
		return -ENETDOWN;
	skb = xdp_build_skb_from_frame(xdpf, vf_ndev);
	if (unlikely(!skb))
		return -ENOMEM;
	skb_reset_network_header(skb);
	skb_push(skb, ETH_HLEN);
	if (desc->infos & RNDIS_INFO_VLAN)
		__vlan_hwaccel_put_tag(skb, htons(ETH_P_8021Q), desc->vlan_tci);
	netvsc_vf_send(ch->nv, vf_ndev, skb);
	return 0;
}

/**
 * netvsc_tx_frame() - send a frame of an XDP program
 * @ch: channel
 * @xdpf: frame
 * @tci: of the tag that it is to have, or -1
 *
 * It may wait in the batch until netvsc_tx_frames_end(), or be the VF's at once.
 *
 * Context: tx lock, softirq. Return: 0: it is the host's, the VF's, or in the batch,
 * and @xdpf may be gone; else it is still the caller's.
 */
int netvsc_tx_frame(struct netvsc_chan *ch, struct xdp_frame *xdpf, int tci)
{
	const struct nvsp_session *sess = &ch->nv->sess;
	struct rndis_tx_desc desc = { .data_len = xdp_get_frame_len(xdpf) };
	u32 bytes, len;
	int ret;

	netvsc_tx_assert_lock(ch);
	if (unlikely(!ch->tx.running))
		return -ENETDOWN;
	if (tci >= 0) {
		desc.vlan_tci = tci;
		desc.infos = RNDIS_INFO_VLAN;
	} else {
		netvsc_frame_untag(xdpf, &desc);
	}
	if (unlikely(!netvsc_frame_fits(ch, xdpf, desc.data_len)))
		return -EMSGSIZE;
	if (unlikely(READ_ONCE(ch->nv->vf.in_use)))
		return netvsc_frame_vf(ch, xdpf, &desc);
	bytes = rndis_msg_hdr_len(&desc) + desc.data_len;
	len = ALIGN(bytes, sess->align);
	if (len <= sess->tx_section_size && len <= sess->max_transfer) {
		desc.pad = len - bytes;
		ret = netvsc_frame_batch(ch, xdpf, &desc, len);
		if (ret != -ENOSPC)
			return ret;
	}
	desc.pad = 0;
	return netvsc_frame_pages(ch, xdpf, &desc);
}

/**
 * netvsc_tx_frames_end() - no more frames come: none is to wait
 * @ch: channel
 *
 * Context: tx lock.
 */
void netvsc_tx_frames_end(struct netvsc_chan *ch)
{
	if (!ch->tx.running)
		return;
	if (ch->tx.batch)
		netvsc_tx_flush(ch);
	netvsc_tx_flow(ch, netvsc_txq(ch), ch->tx.batch);
}

/* A packet that will not be sent: free and count it */
static void netvsc_tx_drop(struct netvsc_chan *ch, struct sk_buff *skb)
{
	netvsc_tx_count(ch, &ch->tx_stats.dropped);
	dev_kfree_skb_any(skb);
}

/*
 * Send a packet by the VF. The host drops what comes by the synthetic path now: where
 * the VF has just lost its link, packets wait until the event work has seen to that.
 */
static netdev_tx_t netvsc_vf_xmit(struct netvsc *nv, struct netdev_queue *txq,
				  struct sk_buff *skb)
{
	struct net_device *vf_ndev = netvsc_tx_vf(nv);

	if (unlikely(!vf_ndev)) {
		netif_tx_stop_queue(txq);
		return NETDEV_TX_BUSY;
	}
	netvsc_vf_send(nv, vf_ndev, skb);
	return NETDEV_TX_OK;
}

/**
 * netvsc_start_xmit() - ndo_start_xmit
 * @skb: packet
 * @ndev: the device
 *
 * Context: tx lock, BH disabled or netpoll. Return: NETDEV_TX_OK, or
 * NETDEV_TX_BUSY with the queue stopped.
 */
netdev_tx_t netvsc_start_xmit(struct sk_buff *skb, struct net_device *ndev)
{
	u16 queue = skb_get_queue_mapping(skb);
	struct netvsc *nv = netdev_priv(ndev);
	struct netvsc_chan *ch = nv->chans[queue];
	struct netdev_queue *txq = netdev_get_tx_queue(ndev, queue);
	bool more = netdev_xmit_more();
	struct rndis_tx_desc desc;
	struct sk_buff *orig = skb;
	int ret;

	if (unlikely(!ch->tx.running)) {
		netvsc_tx_drop(ch, skb);
		return NETDEV_TX_OK;
	}
	if (unlikely(READ_ONCE(nv->vf.in_use)) && !netpoll_tx_running(ndev))
		return netvsc_vf_xmit(nv, txq, skb);
	if (unlikely(skb->protocol == htons(ETH_P_8021Q) &&
		     !skb_vlan_tag_present(skb))) {
		skb = netvsc_tx_untag(ch, skb);
		if (!skb)
			goto flush;
	}
	if (unlikely(netvsc_tx_describe(ch, skb, &desc))) {
		netvsc_tx_count(ch, &ch->tx_stats.no_memory);
		goto drop;
	}
	ret = netvsc_tx_place(ch, skb, &desc, more);
	if (unlikely(ret == -EBUSY))
		goto busy;
	if (unlikely(ret))
		goto drop;
	/* into a batch that there was: ring and requests are as they were */
	if (more && ch->tx.batch && ch->tx.batch->packets > 1 && !ch->tx.stopped)
		return NETDEV_TX_OK;
	netvsc_tx_flow(ch, txq, !more && ch->tx.batch);
	return NETDEV_TX_OK;

drop:
	netvsc_tx_drop(ch, skb);
flush:
	if (!more && ch->tx.batch)
		netvsc_tx_flush(ch);
	netvsc_tx_flow(ch, txq, !more && ch->tx.batch);
	return NETDEV_TX_OK;

busy:
	netvsc_tx_count(ch, &ch->tx_stats.busy);
	netvsc_tx_flow(ch, txq, true);
	if (likely(skb == orig))
		return NETDEV_TX_BUSY;
	netvsc_tx_drop(ch, skb);	/* the caller's is gone */
	return NETDEV_TX_OK;
}

/**
 * netvsc_tx_free_frame() - give a frame's memory back, as soon as that may be
 * @ch: channel
 * @xdpf: frame
 * @budget: of the NAPI poll; 0: netpoll polls, and what frames are in is for softirqs
 *	only
 *
 * Context: NAPI, or process with NAPI disabled.
 */
void netvsc_tx_free_frame(struct netvsc_chan *ch, struct xdp_frame *xdpf, int budget)
{
	if (likely(budget)) {
		xdp_return_frame(xdpf);
		return;
	}
	put_unaligned(ch->rx.late, (struct xdp_frame **)xdpf->data);
	ch->rx.late = xdpf;
	mod_timer(&ch->rx.retry, jiffies + 1);
}

/* What was sent from where it lay is free to go */
static void netvsc_req_done(struct netvsc_chan *ch, const struct netvsc_req *req,
			    int budget)
{
	if (likely(!(req->held & NETVSC_HELD_XDP)))
		napi_consume_skb((struct sk_buff *)req->held, budget);
	else
		netvsc_tx_free_frame(ch, (void *)(req->held - NETVSC_HELD_XDP),
				     budget);
}

/**
 * netvsc_tx_free_late() - give back the memory that netpoll could not
 * @ch: channel
 *
 * Context: NAPI, or process with NAPI disabled.
 */
void netvsc_tx_free_late(struct netvsc_chan *ch)
{
	struct xdp_frame *xdpf;

	while (ch->rx.late) {
		xdpf = ch->rx.late;
		ch->rx.late = get_unaligned((struct xdp_frame **)xdpf->data);
		xdp_return_frame(xdpf);
	}
}

/**
 * netvsc_tx_complete() - the host has completed a request
 * @ch: channel that it said so on
 * @id: transaction id, anything
 * @status: NVSP_STATUS_*
 * @budget: of the NAPI poll
 *
 * Whatever the status, what the request held is free [2.7].
 *
 * Context: NAPI. Return: false if no request of this channel has that id.
 */
bool netvsc_tx_complete(struct netvsc_chan *ch, u64 id, u32 status, int budget)
{
	u32 number = (u32)id - 1;
	struct netvsc_req *req;

	if (unlikely(number >= NETVSC_REQS))
		return false;
	req = &ch->tx.reqs[number];
	if (unlikely(cmpxchg(&req->id, id, 0) != id))
		return false;
	ch->rx.done_packets += req->packets;
	ch->rx.done_bytes += req->bytes;
	if (unlikely(status != NVSP_STATUS_SUCCESS)) {
		u64_stats_update_begin(&ch->done_stats.sync);
		u64_stats_add(&ch->done_stats.failed, req->packets);
		u64_stats_update_end(&ch->done_stats.sync);
		if (net_ratelimit())
			netdev_err(ch->nv->ndev,
				   "nvsp_rndis_pkt_complete error status: %x\n",
				   status);
	}
	if (req->held)
		netvsc_req_done(ch, req, budget);
	netvsc_section_put(ch, req->section);
	netvsc_free_put(&ch->tx.free_reqs, number);
	return true;
}

/* What was stopped, or waits, gets another chance; tx lock and NAPI */
static void netvsc_tx_unblock(struct netvsc_chan *ch, struct netdev_queue *txq)
{
	struct netvsc_tx *tx = &ch->tx;

	if (tx->unsent) {
		netdev_tx_completed_queue(txq, 0, tx->unsent);
		WRITE_ONCE(tx->unsent, 0);
	}
	if (tx->running) {
		if (tx->stopped)
			netvsc_tx_flow(ch, txq, true);
		return;
	}
	if (tx->batch && netvsc_tx_flush(ch) == -EAGAIN)
		mod_timer(&ch->rx.retry, jiffies + 1);
	netvsc_tx_set_stopped(ch, tx->batch);
}

/**
 * netvsc_tx_poll_end() - account for completions, and wake the queue
 * @ch: channel
 *
 * Context: NAPI, at the end of a poll.
 */
void netvsc_tx_poll_end(struct netvsc_chan *ch)
{
	struct netdev_queue *txq = netvsc_txq(ch);

	if (ch->rx.done_packets) {
		u64_stats_update_begin(&ch->done_stats.sync);
		u64_stats_add(&ch->done_stats.packets, ch->rx.done_packets);
		u64_stats_add(&ch->done_stats.bytes, ch->rx.done_bytes);
		u64_stats_update_end(&ch->done_stats.sync);
		netdev_tx_completed_queue(txq, ch->rx.done_packets,
					  ch->rx.done_bytes);
		ch->rx.done_packets = 0;
		ch->rx.done_bytes = 0;
	}
	smp_mb();	/* pairs with that of netvsc_tx_flow() */
	if (likely(!READ_ONCE(ch->tx.stopped) && !READ_ONCE(ch->tx.unsent)))
		return;
	/* not to wait: netpoll may poll inside of a transmit on this CPU */
	if (__netif_tx_trylock(txq)) {
		netvsc_tx_unblock(ch, txq);
		__netif_tx_unlock(txq);
	} else {
		mod_timer(&ch->rx.retry, jiffies + 1);
	}
}

/**
 * netvsc_tx_start() - let packets be sent
 * @nv: device; its channels are open
 *
 * Queues are woken by netvsc_tx_set_link() after it.
 *
 * Context: RTNL.
 */
void netvsc_tx_start(struct netvsc *nv)
{
	u32 share = nv->sess.tx_sections / (2 * nv->nchans);
	struct netvsc_chan *ch;
	u32 i;

	for (i = 0; i < nv->nchans; i++) {
		ch = nv->chans[i];
		__netif_tx_lock_bh(netvsc_txq(ch));
		WRITE_ONCE(ch->tx.section_cache,
			   min_t(u32, share, NETVSC_SECTION_CACHE));
		ch->tx.running = true;
		__netif_tx_unlock_bh(netvsc_txq(ch));
	}
}

/**
 * netvsc_tx_set_link() - wake the queues, or stop them: the link has changed
 * @nv: device; the interface's carrier is as @up already
 * @up: there is a link
 *
 * A queue that is stopped for want of room is not woken, and on one that was
 * stopped no batch waits.
 *
 * Context: RTNL.
 */
void netvsc_tx_set_link(struct netvsc *nv, bool up)
{
	struct netdev_queue *txq;
	struct netvsc_chan *ch;
	u32 i;

	for (i = 0; i < nv->nchans; i++) {
		ch = nv->chans[i];
		txq = netvsc_txq(ch);
		__netif_tx_lock_bh(txq);
		if (!up)
			netif_tx_stop_queue(txq);
		if (ch->tx.stopped || ch->tx.batch)
			netvsc_tx_flow(ch, txq, true);
		else if (up)
			netif_tx_wake_queue(txq);
		__netif_tx_unlock_bh(txq);
	}
}

/**
 * netvsc_tx_stop() - send nothing more
 * @nv: device
 *
 * When it returns no transmit runs, and no completion wakes a queue. What was
 * sent is still to be completed.
 *
 * Context: RTNL, sleeps not.
 */
void netvsc_tx_stop(struct netvsc *nv)
{
	struct netdev_queue *txq;
	struct netvsc_chan *ch;
	u32 i;

	for (i = 0; i < nv->nchans; i++) {
		ch = nv->chans[i];
		txq = netvsc_txq(ch);
		__netif_tx_lock_bh(txq);
		/* what does not fit goes later; nothing else may be under way */
		if (ch->tx.batch && netvsc_tx_flush(ch) == -EAGAIN)
			netvsc_tx_retry(ch);
		ch->tx.running = false;
		netvsc_tx_set_stopped(ch, ch->tx.batch);
		__netif_tx_unlock_bh(txq);
	}
	netif_tx_disable(nv->ndev);
}

static void netvsc_tx_reset(struct netvsc_chan *ch)
{
	struct netvsc_tx *tx = &ch->tx;
	u32 i;

	tx->batch = NULL;
	tx->spare = NULL;
	tx->unsent = 0;
	tx->fresh = 0;
	for (i = 0; i < NETVSC_REQS; i++) {
		tx->reqs[i].id = 0;
		tx->reqs[i].hdr = page_address(tx->hdr_pages[i * NETVSC_HDR_SLOT / PAGE_SIZE]) +
				  i * NETVSC_HDR_SLOT % PAGE_SIZE;
	}
	tx->free_reqs.mask = NETVSC_REQS - 1;
	tx->free_reqs.head = 0;
	tx->free_reqs.tail = 0;
	tx->free_sections.mask = NETVSC_SECTION_CACHE - 1;
	tx->free_sections.head = 0;
	tx->free_sections.tail = 0;
}

/**
 * netvsc_tx_free() - release a channel's transmit side
 * @ch: channel, closed, and netvsc_tx_release() done
 *
 * Context: process, RTNL.
 */
void netvsc_tx_free(struct netvsc_chan *ch)
{
	struct netvsc_tx *tx = &ch->tx;
	u32 i;

	for (i = 0; tx->hdr_pages && i < NETVSC_HDR_PAGES; i++)
		if (tx->hdr_pages[i])
			__free_page(tx->hdr_pages[i]);
	kfree(tx->hdr_pages);
	kfree(tx->free_sections.slot);
	kfree(tx->free_reqs.slot);
	kvfree(tx->reqs);
	kfree(tx->desc);
	tx->hdr_pages = NULL;
	tx->free_sections.slot = NULL;
	tx->free_reqs.slot = NULL;
	tx->reqs = NULL;
	tx->desc = NULL;
}

/**
 * netvsc_tx_alloc() - make a channel's transmit side
 * @ch: channel, not open
 *
 * Context: process, RTNL. Return: 0 or -ENOMEM.
 */
int netvsc_tx_alloc(struct netvsc_chan *ch)
{
	struct netvsc_tx *tx = &ch->tx;
	u32 i;

	tx->desc = kzalloc(NETVSC_DESC_MAX, GFP_KERNEL);
	tx->reqs = kvcalloc(NETVSC_REQS, sizeof(*tx->reqs), GFP_KERNEL);
	tx->free_reqs.slot = kcalloc(NETVSC_REQS, sizeof(u16), GFP_KERNEL);
	tx->free_sections.slot = kcalloc(NETVSC_SECTION_CACHE, sizeof(u16),
					 GFP_KERNEL);
	tx->hdr_pages = kcalloc(NETVSC_HDR_PAGES, sizeof(struct page *),
				GFP_KERNEL);
	if (!tx->desc || !tx->reqs || !tx->free_reqs.slot ||
	    !tx->free_sections.slot || !tx->hdr_pages)
		goto no_memory;
	for (i = 0; i < NETVSC_HDR_PAGES; i++) {
		tx->hdr_pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!tx->hdr_pages[i])
			goto no_memory;
	}
	netvsc_tx_reset(ch);
	return 0;

no_memory:
	netvsc_tx_free(ch);
	return -ENOMEM;
}

/**
 * netvsc_tx_release() - take back all that the host has not completed
 * @ch: channel; closed, so that the host has nothing of it any more
 *
 * Those packets are dropped and counted.
 *
 * Context: process, RTNL.
 */
void netvsc_tx_release(struct netvsc_chan *ch)
{
	struct netdev_queue *txq = netvsc_txq(ch);
	struct netvsc_tx *tx = &ch->tx;
	u32 i;

	__netif_tx_lock_bh(txq);
	for (i = 0; i < NETVSC_REQS; i++)
		if (tx->reqs[i].id || &tx->reqs[i] == tx->batch)
			netvsc_req_drop(ch, &tx->reqs[i]);
	netdev_tx_reset_queue(txq);
	netvsc_tx_set_stopped(ch, false);
	netvsc_tx_reset(ch);
	__netif_tx_unlock_bh(txq);
}
