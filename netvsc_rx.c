// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receive: the channel's interrupt, its NAPI poll, packets by their kind, frames
 * out of the receive buffer, and the acknowledgments that give it back.
 *
 * Frames are copied once, into recycled memory, before anything looks at them:
 * the host may go on writing to its copy.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/page_pool/helpers.h>

#include "netvsc.h"
#include "netvsc_bpf.h"
#include "netvsc_rx.h"
#include "netvsc_trace.h"
#include "netvsc_tx.h"
#include "netvsc_vmbus.h"
#include "nvsp_proto.h"
#include "rndis_filter.h"
#include "rndis_msg.h"

#define NETVSC_HEADROOM		(NET_SKB_PAD + NET_IP_ALIGN)
/* The longest frame, or head of one, that goes into one page with its skb */
#define NETVSC_LINEAR_MAX \
	(PAGE_SIZE - NETVSC_HEADROOM - \
	 SKB_DATA_ALIGN(sizeof(struct skb_shared_info)))
/* A frame of the largest MTU, and a tag that a host may leave in it */
#define NETVSC_FRAME_MAX	(NETVSC_MTU_MAX + VLAN_ETH_HLEN)
/* And of the longest packet that IP has, which is what segments coalesce into */
#define NETVSC_RSC_MAX		(65535 + ETH_HLEN)
/* Completions that a poll takes where no frame may be passed up */
#define NETVSC_NETPOLL_BUDGET	64
/* Polls in a row that may find nothing where the ring says that it is not empty */
#define NETVSC_EMPTY_POLLS	8

static void netvsc_rx_count(struct netvsc_chan *ch, u64_stats_t *counter)
{
	u64_stats_update_begin(&ch->rx_stats.sync);
	u64_stats_inc(counter);
	u64_stats_update_end(&ch->rx_stats.sync);
}

/* Something of the host that makes no sense: count it, and say so, where there is
 * a @level only if that is asked for
 */
static __printf(3, 4)
bool netvsc_rx_refuse(struct netvsc_chan *ch, u32 level, const char *format, ...)
{
	struct va_format text = { .fmt = format };
	va_list args;

	netvsc_rx_count(ch, &ch->rx_stats.refused);
	if ((level && !(ch->nv->msg_enable & level)) || !net_ratelimit())
		return false;
	va_start(args, format);
	text.va = &args;
	netdev_err(ch->nv->ndev, "%pV\n", &text);
	va_end(args);
	return false;
}

static int netvsc_ack_grow(struct netvsc_rx *rx, u32 sections)
{
	u32 i, size = rx->ack_size * 2;
	struct netvsc_ack *acks;

	if (rx->ack_size > sections)
		return -ENOSPC;
	acks = kvmalloc_array(size, sizeof(*acks), GFP_ATOMIC | __GFP_NOWARN);
	if (!acks)
		return -ENOMEM;
	for (i = rx->ack_tail; i != rx->ack_head; i++)
		acks[i & (size - 1)] = rx->acks[i & (rx->ack_size - 1)];
	kvfree(rx->acks);
	rx->acks = acks;
	rx->ack_size = size;
	return 0;
}

/*
 * netvsc_rx_ack_flush() - send the acknowledgments that wait
 *
 * Those that do not fit the ring wait for the retry timer, or the next poll; also
 * where the host has made an index nonsense, which it may put right. Only a ring
 * that was taken back needs none.
 */
static void netvsc_rx_ack_flush(struct netvsc_chan *ch)
{
	struct nvsp_msg_rndis_complete msg = {
		.type = cpu_to_le32(NVSP_RNDIS_PACKET_COMPLETE),
	};
	struct netvsc_rx *rx = &ch->rx;
	struct netvsc_ack *ack;
	int ret;

	while (rx->ack_tail != rx->ack_head) {
		ack = &rx->acks[rx->ack_tail & (rx->ack_size - 1)];
		msg.status = cpu_to_le32(ack->status);
		ret = netvsc_vmbus_complete(ch->chn, ack->id, &msg, sizeof(msg));
		if (ret && ret != -ENODEV) {
			netvsc_rx_count(ch, &ch->rx_stats.comp_busy);
			mod_timer(&rx->retry, jiffies + 1);
			return;
		}
		WRITE_ONCE(rx->ack_tail, rx->ack_tail + 1);
	}
}

/* Is there room for one more? As many can wait as the host has sections. */
static bool netvsc_rx_ack_room(struct netvsc_chan *ch)
{
	struct netvsc_rx *rx = &ch->rx;

	if (likely(rx->ack_head - rx->ack_tail < rx->ack_size))
		return true;
	netvsc_rx_ack_flush(ch);
	return rx->ack_head - rx->ack_tail < rx->ack_size ||
	       !netvsc_ack_grow(rx, ch->nv->sess.rx_sections);
}

/*
 * netvsc_rx_ack() - have a received packet completed, all ranges at once [2.7]
 *
 * The caller has seen that there is room.
 */
static void netvsc_rx_ack(struct netvsc_chan *ch,
			  const struct vmpacket_descriptor *pkt, u32 status)
{
	struct netvsc_rx *rx = &ch->rx;
	struct netvsc_ack *ack;

	if (!(pkt->flags & VMBUS_DATA_PACKET_FLAG_COMPLETION_REQUESTED))
		return;
	ack = &rx->acks[rx->ack_head & (rx->ack_size - 1)];
	ack->id = pkt->trans_id;
	ack->status = status;
	WRITE_ONCE(rx->ack_head, rx->ack_head + 1);
	if (!((rx->ack_head - rx->ack_tail) % NETVSC_ACK_BATCH))
		netvsc_rx_ack_flush(ch);
}

/* A frame and room for its skb in one piece of memory */
static __always_inline struct sk_buff *
netvsc_rx_build(struct netvsc_chan *ch, const void *data, u32 len)
{
	u32 size = SKB_HEAD_ALIGN(NETVSC_HEADROOM + len);
	struct sk_buff *skb;
	void *va;

	va = page_pool_dev_alloc_va(ch->rx.pool, &size);
	if (unlikely(!va))
		return NULL;
	memcpy(va + NETVSC_HEADROOM, data, len);
	skb = napi_build_skb(va, size);
	if (unlikely(!skb)) {
		page_pool_free_va(ch->rx.pool, va, true);
		return NULL;
	}
	skb_mark_for_recycle(skb);
	skb_reserve(skb, NETVSC_HEADROOM);
	__skb_put(skb, len);
	return skb;
}

/* Another piece of a frame's memory, with so much in it */
static bool netvsc_frame_add_piece(struct netvsc_chan *ch,
				   struct netvsc_frame *frame, const void *data,
				   u32 len)
{
	struct skb_shared_info *info = xdp_get_shared_info_from_buff(&frame->xdp);
	u32 offset, size = NETVSC_PIECE;
	struct page *page;

	page = page_pool_dev_alloc(ch->rx.pool, &offset, &size);
	if (unlikely(!page))
		return false;
	if (unlikely(page_is_pfmemalloc(page)))
		xdp_buff_set_frag_pfmemalloc(&frame->xdp);
	memcpy(page_address(page) + offset, data, len);
	skb_frag_fill_page_desc(&info->frags[info->nr_frags++], page, offset, len);
	info->xdp_frags_size += len;
	return true;
}

/* So much of what is to be added as the last piece has room for */
static u32 netvsc_frame_fill(struct netvsc_frame *frame, const void *data,
			     u32 len)
{
	struct skb_shared_info *info = xdp_get_shared_info_from_buff(&frame->xdp);
	struct xdp_buff *xdp = &frame->xdp;
	skb_frag_t *frag;
	void *to;

	if (!xdp_buff_has_frags(xdp)) {
		to = xdp->data_end;
		len = min_t(u32, len, xdp_data_hard_end(xdp) - to);
		xdp->data_end += len;
	} else {
		frag = &info->frags[info->nr_frags - 1];
		to = skb_frag_address(frag) + skb_frag_size(frag);
		len = min_t(u32, len, NETVSC_PIECE - skb_frag_size(frag));
		skb_frag_size_add(frag, len);
		info->xdp_frags_size += len;
	}
	memcpy(to, data, len);
	return len;
}

/* Into what room the last piece of its memory has, then into others */
static bool netvsc_frame_append(struct netvsc_chan *ch,
				struct netvsc_frame *frame, const void *data,
				u32 len)
{
	struct skb_shared_info *info = xdp_get_shared_info_from_buff(&frame->xdp);
	u32 piece, done = netvsc_frame_fill(frame, data, len);

	/* so many pieces there are always fragments for */
	BUILD_BUG_ON(DIV_ROUND_UP(NETVSC_FRAME_MAX - NETVSC_PIECE_HEAD,
				  NETVSC_PIECE) > MAX_SKB_FRAGS);
	if (done < len && !xdp_buff_has_frags(&frame->xdp)) {
		xdp_buff_set_frags_flag(&frame->xdp);
		info->nr_frags = 0;
		info->xdp_frags_size = 0;
	}
	for (; done < len; done += piece) {
		piece = min_t(u32, len - done, NETVSC_PIECE);
		if (!netvsc_frame_add_piece(ch, frame, data + done, piece))
			return false;
	}
	return true;
}

static void netvsc_frame_free(struct netvsc_frame *frame)
{
	xdp_return_buff(&frame->xdp);
}

/* A frame, or the first of it, in memory that a program may look at */
static bool netvsc_frame_begin(struct netvsc_chan *ch, struct netvsc_frame *frame,
			       const void *data, const struct rndis_rx_desc *desc)
{
	u32 size = NETVSC_PIECE;
	void *va;

	va = page_pool_dev_alloc_va(ch->rx.pool, &size);
	if (unlikely(!va))
		return false;
	xdp_init_buff(&frame->xdp, size, &ch->rx.xdp_rxq);
	xdp_prepare_buff(&frame->xdp, va, XDP_PACKET_HEADROOM, 0, true);
	frame->desc = *desc;
	if (likely(netvsc_frame_append(ch, frame, data, desc->data_len)))
		return true;
	netvsc_frame_free(frame);
	return false;
}

/* Its memory is the skb's then, or free */
static struct sk_buff *netvsc_frame_skb(struct netvsc_frame *frame)
{
	const struct skb_shared_info *info =
		xdp_get_shared_info_from_buff(&frame->xdp);
	struct xdp_buff *xdp = &frame->xdp;
	u32 frags = 0, bytes = 0;
	struct sk_buff *skb;

	if (xdp_buff_has_frags(xdp)) {	/* the skb forgets what it has not seen */
		frags = info->nr_frags;
		bytes = info->xdp_frags_size;
	}
	skb = napi_build_skb(xdp->data_hard_start, xdp->frame_sz);
	if (unlikely(!skb)) {
		netvsc_frame_free(frame);
		return NULL;
	}
	skb_mark_for_recycle(skb);
	skb_reserve(skb, xdp->data - xdp->data_hard_start);
	__skb_put(skb, xdp->data_end - xdp->data);
	if (xdp->data > xdp->data_meta)
		skb_metadata_set(skb, xdp->data - xdp->data_meta);
	if (frags)
		xdp_update_skb_shared_info(skb, frags, bytes, frags * NETVSC_PIECE,
					   xdp_buff_is_frag_pfmemalloc(xdp));
	return skb;
}

/* The host says good, but left the sum as it was: make it so [3.4]. @linear bytes of
 * the packet are at @data.
 */
static void netvsc_rx_ip_csum(void *data, u32 linear, __be16 protocol)
{
	struct iphdr *ip = data;

	if (protocol != htons(ETH_P_IP) || linear < sizeof(*ip) ||
	    ip->ihl < 5 || linear < ip->ihl * 4)
		return;
	ip->check = 0;
	ip->check = ip_fast_csum(ip, ip->ihl);
}

/**
 * struct netvsc_segment - a TCP segment in a packet
 * @head: bytes in front of it
 * @len: its length
 * @pseudo: sum of its pseudo header
 */
struct netvsc_segment {
	u32 head;
	u32 len;
	__sum16 pseudo;
};

/* Find it in a packet of @len bytes, @linear of which, with all of its header, are
 * at @data; false: there is none
 */
static bool netvsc_rx_segment(const void *data, u32 linear, u32 len,
			      __be16 protocol, struct netvsc_segment *seg)
{
	const struct ipv6hdr *ip6 = data;
	const struct iphdr *ip = data;
	u32 bytes;

	if (protocol == htons(ETH_P_IP) && linear >= sizeof(*ip) &&
	    ip->ihl >= 5 && ip->protocol == IPPROTO_TCP && !ip_is_fragment(ip)) {
		seg->head = ip->ihl * 4;
		bytes = ntohs(ip->tot_len);
		if (bytes < seg->head || bytes > len)
			return false;
		seg->len = bytes - seg->head;
		seg->pseudo = ~csum_tcpudp_magic(ip->saddr, ip->daddr, seg->len,
						 IPPROTO_TCP, 0);
	} else if (protocol == htons(ETH_P_IPV6) && linear >= sizeof(*ip6) &&
		   ip6->nexthdr == IPPROTO_TCP) {
		seg->head = sizeof(*ip6);
		seg->len = ntohs(ip6->payload_len);
		if (seg->len > len - seg->head)
			return false;
		seg->pseudo = ~csum_ipv6_magic(&ip6->saddr, &ip6->daddr,
					       seg->len, IPPROTO_TCP, 0);
	} else {
		return false;
	}
	return seg->len >= sizeof(struct tcphdr) &&
	       linear >= seg->head + sizeof(struct tcphdr);
}

/* A segment that was never summed up, as it did not leave the host: whoever
 * sends it on does that [3.4]
 */
static bool netvsc_rx_tcp_csum(struct sk_buff *skb)
{
	struct netvsc_segment seg;

	if (!netvsc_rx_segment(skb->data, skb_headlen(skb), skb->len,
			       skb->protocol, &seg))
		return false;
	((struct tcphdr *)(skb->data + seg.head))->check = seg.pseudo;
	return skb_partial_csum_set(skb, seg.head,
				    offsetof(struct tcphdr, check));
}

static __always_inline void netvsc_rx_csum(struct sk_buff *skb, u32 csum)
{
	const u32 tcp = RNDIS_RX_CSUM_TCP_GOOD | RNDIS_RX_CSUM_TCP_INVALID;

	if ((csum & (RNDIS_RX_CSUM_IP_GOOD | RNDIS_RX_CSUM_IP_INVALID)) ==
	    (RNDIS_RX_CSUM_IP_GOOD | RNDIS_RX_CSUM_IP_INVALID))
		netvsc_rx_ip_csum(skb->data, skb_headlen(skb), skb->protocol);
	if (unlikely((csum & tcp) == tcp) && netvsc_rx_tcp_csum(skb))
		return;
	if ((skb->dev->features & NETIF_F_RXCSUM) &&
	    (csum & (RNDIS_RX_CSUM_TCP_GOOD | RNDIS_RX_CSUM_UDP_GOOD)))
		skb->ip_summed = CHECKSUM_UNNECESSARY;
}

/* The host hashes the ports of TCP only */
static void netvsc_rx_hash(struct sk_buff *skb, const struct rndis_rx_desc *desc)
{
	if (skb->dev->features & NETIF_F_RXHASH)
		skb_set_hash(skb, desc->hash, rndis_rx_is_tcp(desc) ?
			     PKT_HASH_TYPE_L4 : PKT_HASH_TYPE_L3);
}

VISIBLE_IF_KUNIT void netvsc_rx_deliver(struct netvsc_chan *ch,
					struct sk_buff *skb)
{
	KUNIT_STATIC_STUB_REDIRECT(netvsc_rx_deliver, ch, skb);

	napi_gro_receive(&ch->rx.napi, skb);
}

/* What a frame is, and what the host says of it but its checksums */
static __always_inline void
netvsc_rx_describe(struct netvsc_chan *ch, struct sk_buff *skb,
		   const struct rndis_rx_desc *desc)
{
	skb->protocol = eth_type_trans(skb, ch->nv->ndev);
	if (desc->infos & RNDIS_INFO_HASH)
		netvsc_rx_hash(skb, desc);
	if (desc->infos & RNDIS_INFO_VLAN)
		__vlan_hwaccel_put_tag(skb, htons(ETH_P_8021Q), desc->vlan_tci);
	/* not one that only the host uses: see netvsc_grow() */
	if (likely(ch->index < READ_ONCE(ch->nv->nchans)))
		skb_record_rx_queue(skb, ch->index);
}

static __always_inline void
netvsc_rx_pass(struct netvsc_chan *ch, struct sk_buff *skb)
{
	u64_stats_update_begin(&ch->rx_stats.sync);
	u64_stats_inc(&ch->rx_stats.packets);
	u64_stats_add(&ch->rx_stats.bytes, skb->len + ETH_HLEN);
	if (skb->pkt_type == PACKET_MULTICAST ||
	    skb->pkt_type == PACKET_BROADCAST)
		u64_stats_inc(&ch->rx_stats.multicast);
	u64_stats_update_end(&ch->rx_stats.sync);

	netvsc_rx_deliver(ch, skb);
}

/* Make an skb of a frame and pass it up */
static void netvsc_rx_skb(struct netvsc_chan *ch, const void *data,
			  const struct rndis_rx_desc *desc)
{
	struct sk_buff *skb;

	skb = netvsc_rx_build(ch, data, desc->data_len);
	if (unlikely(!skb)) {
		netvsc_rx_count(ch, &ch->rx_stats.no_memory);
		return;
	}
	netvsc_rx_describe(ch, skb, desc);
	if (desc->infos & RNDIS_INFO_CSUM)
		netvsc_rx_csum(skb, desc->csum);
	netvsc_rx_pass(ch, skb);
}

static bool netvsc_rx_may_pass(const struct netvsc_chan *ch)
{
	return READ_ONCE(ch->nv->state) == NETVSC_RUNNING && !ch->rx.netpoll;
}

/* The sum of len bytes of a frame, from the offset on, which is in its first piece */
static __wsum netvsc_frame_sum(struct xdp_buff *xdp, u32 offset, u32 len)
{
	struct skb_shared_info *info = xdp_get_shared_info_from_buff(xdp);
	u32 done = min_t(u32, len, xdp->data_end - xdp->data - offset);
	__wsum sum = csum_partial(xdp->data + offset, done, 0);
	u32 part;
	int i;

	for (i = 0; done < len && i < info->nr_frags; i++) {
		part = min(len - done, skb_frag_size(&info->frags[i]));
		sum = csum_block_add(sum, csum_partial(skb_frag_address(&info->frags[i]),
						       part, 0), done);
		done += part;
	}
	return sum;
}

/* What a program sends on has no one behind it who makes the sums */
static noinline void netvsc_frame_csum(struct netvsc_frame *frame)
{
	const u32 ip = RNDIS_RX_CSUM_IP_GOOD | RNDIS_RX_CSUM_IP_INVALID;
	const u32 tcp = RNDIS_RX_CSUM_TCP_GOOD | RNDIS_RX_CSUM_TCP_INVALID;
	struct xdp_buff *xdp = &frame->xdp;
	struct ethhdr *eth = xdp->data;
	u32 *csum = &frame->desc.csum;
	u32 linear = xdp->data_end - xdp->data - ETH_HLEN;
	struct netvsc_segment seg;
	struct tcphdr *th;

	if ((*csum & ip) == ip)
		netvsc_rx_ip_csum(eth + 1, linear, eth->h_proto);
	if ((*csum & tcp) == tcp &&
	    netvsc_rx_segment(eth + 1, linear, xdp_get_buff_len(xdp) - ETH_HLEN,
			      eth->h_proto, &seg)) {
		th = (void *)(eth + 1) + seg.head;
		th->check = seg.pseudo;
		th->check = csum_fold(netvsc_frame_sum(xdp, ETH_HLEN + seg.head,
						       seg.len));
	}
	*csum &= ~(RNDIS_RX_CSUM_IP_INVALID | RNDIS_RX_CSUM_TCP_INVALID);
}

/*
 * netvsc_frame_run() - have the program see a frame, and make an skb of the rest
 *
 * Return: NULL: it is gone, and counted.
 */
static struct sk_buff *netvsc_frame_run(struct netvsc_chan *ch,
					struct netvsc_frame *frame)
{
	struct bpf_prog *prog = rcu_dereference_bh(ch->nv->xdp_prog);
	const u32 invalid = RNDIS_RX_CSUM_IP_INVALID | RNDIS_RX_CSUM_TCP_INVALID;
	struct sk_buff *skb;

	if (prog && (frame->desc.infos & RNDIS_INFO_CSUM) &&
	    unlikely(frame->desc.csum & invalid))
		netvsc_frame_csum(frame);
	if (prog && !netvsc_bpf_run(ch, prog, frame))
		return NULL;
	skb = netvsc_frame_skb(frame);
	if (unlikely(!skb)) {
		netvsc_rx_count(ch, &ch->rx_stats.no_memory);
		return NULL;
	}
	netvsc_rx_describe(ch, skb, &frame->desc);
	if (frame->desc.infos & RNDIS_INFO_CSUM)
		netvsc_rx_csum(skb, frame->desc.csum);
	return skb;
}

/* A frame that a program is to see, or that is longer than a page. Not inline, so
 * that it costs others nothing.
 */
static noinline void netvsc_rx_pieces(struct netvsc_chan *ch, const void *data,
				      const struct rndis_rx_desc *desc)
{
	struct netvsc_frame frame;
	struct sk_buff *skb;

	if (unlikely(!netvsc_frame_begin(ch, &frame, data, desc))) {
		netvsc_rx_count(ch, &ch->rx_stats.no_memory);
		return;
	}
	skb = netvsc_frame_run(ch, &frame);
	if (skb)
		netvsc_rx_pass(ch, skb);
}

/* Not by netvsc_frame_free(), which is for NAPI: here netpoll may poll, or the
 * interface go. There is always room for the frame's description.
 */
static void netvsc_rsc_free(struct netvsc_chan *ch)
{
	struct xdp_buff *xdp = &ch->rx.rsc.frame->xdp;

	netvsc_tx_free_frame(ch, xdp_convert_buff_to_frame(xdp), !ch->rx.netpoll);
}

/* There is no coalesced frame any more */
static void netvsc_rsc_end(struct netvsc_chan *ch)
{
	if (ch->rx.rsc.count && !ch->rx.rsc.lost)
		netvsc_rsc_free(ch);
	ch->rx.rsc.count = 0;
}

/* A coalesced frame stays without its last fragment [3.5] */
static void netvsc_rsc_break(struct netvsc_chan *ch)
{
	netvsc_rx_refuse(ch, 0, "Coalesced frame without its end, %u fragments",
			 ch->rx.rsc.count);
	ch->rx.pkt_status = NVSP_STATUS_FAILURE;
	netvsc_rsc_end(ch);
}

/* Bytes of an IP packet by its own word; skb_headlen() has its header */
static u32 netvsc_rx_ip_len(const struct sk_buff *skb)
{
	const struct ipv6hdr *ip6 = (const void *)skb->data;
	const struct iphdr *ip = (const void *)skb->data;

	if (skb->protocol == htons(ETH_P_IP))
		return ntohs(ip->tot_len);
	return sizeof(*ip6) + ntohs(ip6->payload_len);
}

/*
 * netvsc_rsc_gso() - make a coalesced frame what GRO would have made of it
 *
 * So that it can be sent on, and TCP sees how long segments are. The host does not
 * say that: with a segment in each fragment, as hosts do, it is the first one's.
 */
static void netvsc_rsc_gso(struct sk_buff *skb, const struct netvsc_rsc *rsc)
{
	struct skb_shared_info *info = skb_shinfo(skb);
	const struct tcphdr *tcp = tcp_hdr(skb);
	u32 head = skb_transport_offset(skb) + tcp->doff * 4;
	u32 mtu = READ_ONCE(skb->dev->mtu);
	u32 payload, size;

	if (tcp->doff < sizeof(*tcp) / 4 || head > skb_headlen(skb) ||
	    head >= mtu || netvsc_rx_ip_len(skb) != skb->len)
		return;
	payload = skb->len - head;
	size = rsc->first > ETH_HLEN + head ? rsc->first - ETH_HLEN - head : 0;
	/* or each fragment has one, and the headers are by themselves */
	size = max(size, DIV_ROUND_UP(payload, rsc->count - !size));
	size = min(size, mtu - head);
	if (payload <= size)
		return;
	info->gso_size = size;
	info->gso_segs = DIV_ROUND_UP(payload, size);
	info->gso_type = skb->protocol == htons(ETH_P_IP) ? SKB_GSO_TCPV4 :
							    SKB_GSO_TCPV6;
	if (tcp->cwr)
		info->gso_type |= SKB_GSO_TCP_ECN;
}

/* The sum of a TCP header is that of its own segment, if any: whether RXCSUM is on
 * or not, nobody could check the whole by it
 */
static void netvsc_rsc_finish(struct netvsc_chan *ch)
{
	struct netvsc_rsc *rsc = &ch->rx.rsc;
	struct rndis_rx_desc *desc = &rsc->frame->desc;
	struct sk_buff *skb = NULL;

	if (likely(!rsc->lost))
		skb = netvsc_frame_run(ch, rsc->frame);
	if (likely(skb)) {
		if ((desc->infos & RNDIS_INFO_CSUM) &&
		    (desc->csum & RNDIS_RX_CSUM_TCP_GOOD) &&
		    netvsc_rx_tcp_csum(skb))
			netvsc_rsc_gso(skb, rsc);
		netvsc_rx_pass(ch, skb);
	}
	rsc->count = 0;
}

/* May the frame be so long? One that is lost has no length. */
static bool netvsc_rsc_fits(const struct netvsc_rsc *rsc, u32 len)
{
	if (!rsc->count)
		return len >= ETH_HLEN && len <= NETVSC_RSC_MAX;
	return rsc->lost ||
	       len <= NETVSC_RSC_MAX - xdp_get_buff_len(&rsc->frame->xdp);
}

/* A fragment's data. Those to come make no sense by themselves: they are lost with
 * one that is
 */
static void netvsc_rsc_take(struct netvsc_chan *ch, const void *data,
			    const struct rndis_rx_desc *desc)
{
	struct netvsc_rsc *rsc = &ch->rx.rsc;
	u64_stats_t *counter = &ch->rx_stats.early;

	if (likely(netvsc_rx_may_pass(ch))) {
		counter = &ch->rx_stats.no_memory;
		if (rsc->count == 1 ?
		    netvsc_frame_begin(ch, rsc->frame, data, desc) :
		    netvsc_frame_append(ch, rsc->frame, data, desc->data_len))
			return;
	}
	if (rsc->count > 1)
		netvsc_rsc_free(ch);
	rsc->lost = true;
	netvsc_rx_count(ch, counter);
}

/*
 * netvsc_rsc_fragment() - a PACKET message that is a fragment of a frame [3.5]
 *
 * Not inline, so that it costs other frames nothing. Return: false: refused.
 */
static noinline bool netvsc_rsc_fragment(struct netvsc_chan *ch,
					 const void *data,
					 const struct rndis_rx_desc *desc)
{
	bool first = desc->packet_id & RNDIS_PACKET_ID_FIRST;
	struct netvsc_rsc *rsc = &ch->rx.rsc;

	if (first && rsc->count)
		netvsc_rsc_break(ch);
	if (!first && !rsc->count)
		return netvsc_rx_refuse(ch, 0, "Coalesced frame without its beginning, flags %#x",
					desc->packet_id);
	if (!netvsc_rsc_fits(rsc, desc->data_len)) {
		netvsc_rsc_end(ch);
		netvsc_rx_count(ch, &ch->rx_stats.length_errors);
		return false;
	}
	rsc->count++;
	if (first) {
		rsc->first = desc->data_len;
		rsc->lost = false;
	}
	if (!rsc->lost)
		netvsc_rsc_take(ch, data, desc);
	if (desc->packet_id & RNDIS_PACKET_ID_LAST)
		netvsc_rsc_finish(ch);
	return true;
}

static bool netvsc_rx_is_fragment(const struct rndis_rx_desc *desc)
{
	const u32 whole = RNDIS_PACKET_ID_FIRST | RNDIS_PACKET_ID_LAST;

	return (desc->packet_id & RNDIS_PACKET_ID_FRAGMENT) &&
	       (desc->packet_id & whole) != whole;
}

/* A PACKET message; false: refused */
static bool netvsc_rx_frame(struct netvsc_chan *ch, const void *msg, u32 len)
{
	struct rndis_rx_desc desc;
	int err;

	err = rndis_msg_parse(msg, len, &desc);
	if (unlikely(err))
		return netvsc_rx_refuse(ch, 0, err == -EBADMSG ?
					"Invalid ppi (packet length %u)" :
					"Invalid rndis packet (length %u)", len);
	if (unlikely(desc.infos & RNDIS_INFO_PACKET_ID) &&
	    netvsc_rx_is_fragment(&desc))
		return netvsc_rsc_fragment(ch, msg + desc.data_offset, &desc);
	if (unlikely(ch->rx.rsc.count))
		netvsc_rsc_break(ch);
	if (unlikely(desc.data_len < ETH_HLEN ||
		     desc.data_len > NETVSC_FRAME_MAX)) {
		netvsc_rx_count(ch, &ch->rx_stats.length_errors);
		return false;
	}
	if (unlikely(!netvsc_rx_may_pass(ch)))
		netvsc_rx_count(ch, &ch->rx_stats.early);
	else if (likely(desc.data_len <= NETVSC_LINEAR_MAX &&
			!rcu_access_pointer(ch->nv->xdp_prog)))
		netvsc_rx_skb(ch, msg + desc.data_offset, &desc);
	else
		netvsc_rx_pieces(ch, msg + desc.data_offset, &desc);
	return true;
}

/* The id of a message, of which @len bytes are there; 0: it has none */
static u32 netvsc_rx_id(const void *msg, u32 len, u32 type)
{
	const struct rndis_halt *head = msg;	/* all but PACKET have it there */

	if (type == RNDIS_PACKET || len < sizeof(*head))
		return 0;
	return get_unaligned_le32(&head->id);
}

/* The host may have written to the message since it was checked */
static u32 netvsc_rx_own_len(const void *msg, u32 len)
{
	const struct rndis_hdr *hdr = msg;

	return len < sizeof(*hdr) ? 0 : get_unaligned_le32(&hdr->len);
}

static void netvsc_rx_trace(const struct netvsc_chan *ch, const void *msg,
			    u32 len, u32 type)
{
	trace_rndis_recv(ch->nv->ndev, ch->index, netvsc_rx_id(msg, len, type),
			 type, min(len, netvsc_rx_own_len(msg, len)));
}

/* A message that is none of a packet; false: nobody wants it */
static bool netvsc_rx_control(struct netvsc_chan *ch, const void *msg, u32 len,
			      u32 type)
{
	if (rndis_filter_receive(ch, msg, len))
		return true;
	if (type & RNDIS_COMPLETION)
		return netvsc_rx_refuse(ch, 0,
					"no rndis request found for this response (id 0x%x res type 0x%x)",
					netvsc_rx_id(msg, len, type), type);
	return netvsc_rx_refuse(ch, 0, "unhandled rndis message (type %u len %u)",
				type, len);
}

/* Where and how long may a message be? */
static bool netvsc_rx_range_ok(struct netvsc_chan *ch, u32 offset, u32 len)
{
	u32 bytes = ch->nv->bufs->rx.bytes;
	u32 section = ch->nv->sess.rx_section_size;

	if (unlikely(offset > bytes || len > bytes - offset))
		return netvsc_rx_refuse(ch, NETIF_MSG_RX_ERR,
					"Packet offset:%u + len:%u too big",
					offset, len);
	if (unlikely(len > section))
		return netvsc_rx_refuse(ch, NETIF_MSG_RX_ERR,
					"Packet too big: buflen=%u recv_section_size=%u",
					len, section);
	return true;
}

/* One range of a transfer page packet, one RNDIS message; false: refused */
static bool netvsc_rx_range(struct netvsc_chan *ch,
			    const struct vmtransfer_page_range *range)
{
	u32 len = range->byte_count;
	const void *msg;
	u32 type;

	if (!netvsc_rx_range_ok(ch, range->byte_offset, len))
		return false;
	msg = ch->nv->bufs->rx.base + range->byte_offset;
	if (unlikely(rndis_msg_type(msg, len, &type)))
		return netvsc_rx_refuse(ch, 0,
					"Invalid rndis_msg (buflen: %u, msg_len: %u)",
					len, netvsc_rx_own_len(msg, len));
	if (trace_rndis_recv_enabled())
		netvsc_rx_trace(ch, msg, len, type);
	if (likely(type == RNDIS_PACKET))
		return netvsc_rx_frame(ch, msg, len);
	if (ch->rx.rsc.count)
		netvsc_rsc_break(ch);
	return netvsc_rx_control(ch, msg, len, type);
}

/* The head of a transfer page packet [1.8, 2.7, 6.1] */
static bool netvsc_rx_xfer_ok(struct netvsc_chan *ch,
			      const struct vmtransfer_page_packet_header *xfer)
{
	u32 head = (u32)xfer->d.offset8 << 3;
	u32 body = ((u32)xfer->d.len8 << 3) - head;
	const __le32 *type = (const void *)xfer + head;

	if (head < sizeof(*xfer) || body < sizeof(struct nvsp_msg_rndis_packet))
		return netvsc_rx_refuse(ch, NETIF_MSG_RX_ERR,
					"invalid nvsp header, length %u", body);
	if (le32_to_cpu(*type) != NVSP_RNDIS_PACKET)
		return netvsc_rx_refuse(ch, NETIF_MSG_RX_ERR,
					"Unknown nvsp packet type received %u",
					le32_to_cpu(*type));
	if (xfer->xfer_pageset_id != NVSP_RECV_BUF_ID)
		return netvsc_rx_refuse(ch, NETIF_MSG_RX_ERR,
					"Invalid xfer page set id - expecting %x got %x",
					NVSP_RECV_BUF_ID, xfer->xfer_pageset_id);
	if (!xfer->range_cnt || xfer->range_cnt > NETVSC_RX_RANGES_MAX ||
	    xfer->range_cnt > (head - sizeof(*xfer)) / sizeof(xfer->ranges[0]))
		return netvsc_rx_refuse(ch, NETIF_MSG_RX_ERR,
					"Range count is not valid: %u",
					xfer->range_cnt);
	return true;
}

/*
 * netvsc_rx_xfer() - take a transfer page packet, or the rest of it
 *
 * Each range counts as one. Return: false: the limit was reached before its end.
 */
static bool netvsc_rx_xfer(struct netvsc_chan *ch,
			   const struct vmpacket_descriptor *pkt, int limit,
			   int *work)
{
	const struct vmtransfer_page_packet_header *xfer = (const void *)pkt;
	struct netvsc_rx *rx = &ch->rx;
	u32 i = rx->next_range;

	if (!i) {
		rx->pkt_status = NVSP_STATUS_SUCCESS;
		if (unlikely(!netvsc_rx_xfer_ok(ch, xfer))) {
			(*work)++;
			netvsc_rx_ack(ch, pkt, NVSP_STATUS_FAILURE);
			return true;
		}
	}
	for (; i < xfer->range_cnt; i++) {
		if (*work >= limit) {
			rx->next_range = i;
			return false;
		}
		(*work)++;
		if (unlikely(!netvsc_rx_range(ch, &xfer->ranges[i]))) {
			rx->pkt_status = NVSP_STATUS_FAILURE;
			if (rx->rsc.count)
				netvsc_rsc_break(ch);
		}
	}
	if (unlikely(rx->rsc.count))
		netvsc_rsc_break(ch);
	rx->next_range = 0;
	netvsc_rx_ack(ch, pkt, rx->pkt_status);
	return true;
}

/* Type and status of what completes a packet that was sent */
static bool netvsc_rx_completed(struct netvsc_chan *ch, u64 id, const void *msg,
				u32 len, int budget)
{
	const struct nvsp_msg_rndis_complete *done = msg;

	return len >= sizeof(*done) &&
	       le32_to_cpu(done->type) == NVSP_RNDIS_PACKET_COMPLETE &&
	       netvsc_tx_complete(ch, id, le32_to_cpu(done->status), budget);
}

/* A completion that nobody waits for */
static void netvsc_rx_stray(struct netvsc_chan *ch, u64 id, const void *msg,
			    u32 len)
{
	u32 type = len < sizeof(__le32) ? 0 : get_unaligned_le32(msg);
	struct net_device *ndev = ch->nv->ndev;

	u64_stats_update_begin(&ch->done_stats.sync);
	u64_stats_inc(&ch->done_stats.strays);
	u64_stats_update_end(&ch->done_stats.sync);
	if (!net_ratelimit())
		return;
	if (id & NVSP_XACT_ID)
		netdev_err(ndev, "Unexpected VMBUS completion!!\n");
	else if (type != NVSP_RNDIS_PACKET_COMPLETE)
		netdev_err(ndev, "Unknown send completion type %u received!!\n",
			   type);
	else
		netdev_err(ndev, "Invalid transaction ID %llx\n", id);
}

/* A completion: of a control exchange, or of something sent */
static void netvsc_rx_completion(struct netvsc_chan *ch,
				 const struct vmpacket_descriptor *pkt,
				 const void *msg, u32 len, int budget)
{
	u64 id = pkt->trans_id;
	bool known;

	if (unlikely(id & NVSP_XACT_ID))
		known = !ch->index && nvsp_complete(ch->nv, id, msg, len);
	else
		known = netvsc_rx_completed(ch, id, msg, len, budget);
	if (unlikely(!known))
		netvsc_rx_stray(ch, id, msg, len);
}

/* An in-band message */
static void netvsc_rx_notice(struct netvsc_chan *ch, const void *msg, u32 len)
{
	u32 type = len < sizeof(__le32) ? 0 : get_unaligned_le32(msg);
	int err;

	err = ch->index ? -EOPNOTSUPP : nvsp_notice(ch->nv, msg, len);
	if (err == -EINVAL)
		netvsc_rx_count(ch, &ch->rx_stats.refused);
	else if (err)
		netvsc_rx_refuse(ch, NETIF_MSG_RX_ERR,
				 "Unknown nvsp packet type received %u", type);
}

/*
 * netvsc_dispatch() - a packet by its VMBus type
 *
 * @pkt is the bus's private copy, its offset and length made consistent there.
 * Return: false: the limit was reached before its end.
 */
static bool netvsc_dispatch(struct netvsc_chan *ch,
			    const struct vmpacket_descriptor *pkt, int budget,
			    int limit, int *work)
{
	u32 len = ((u32)pkt->len8 - pkt->offset8) << 3;
	const void *msg = (const void *)pkt + ((u32)pkt->offset8 << 3);

	if (trace_nvsp_recv_enabled() && !ch->rx.next_range &&
	    len >= sizeof(__le32))
		trace_nvsp_recv(ch->nv->ndev, ch->index,
				le32_to_cpu(*(const __le32 *)msg));
	if (pkt->type == VM_PKT_DATA_USING_XFER_PAGES)
		return netvsc_rx_xfer(ch, pkt, limit, work);
	(*work)++;
	if (pkt->type == VM_PKT_COMP)
		netvsc_rx_completion(ch, pkt, msg, len, budget);
	else if (pkt->type == VM_PKT_DATA_INBAND)
		netvsc_rx_notice(ch, msg, len);
	else
		netvsc_rx_refuse(ch, 0, "unhandled packet type %u", pkt->type);
	return true;
}

/*
 * May netpoll, under which no frame can be passed up, take what is no completion?
 * Only if a queue waits for a completion that must be behind it: then frames make
 * way, or the last words of a kernel would not get out.
 */
static bool netvsc_netpoll_takes(const struct netvsc_chan *ch, int work)
{
	return !work &&
	       netif_xmit_stopped(netdev_get_tx_queue(ch->nv->ndev, ch->index));
}

/* Take packets up to a limit; false: no more can be acknowledged just now */
static bool netvsc_rx_drain(struct netvsc_chan *ch, int budget, int *work)
{
	int limit = budget ?: NETVSC_NETPOLL_BUDGET;
	struct vmpacket_descriptor *pkt = ch->rx.pkt;
	bool room = true;

	if (!pkt)
		pkt = netvsc_vmbus_first(ch->chn);
	ch->rx.netpoll = !budget;
	while (pkt && *work < limit) {
		if (!budget && pkt->type != VM_PKT_COMP &&
		    !netvsc_netpoll_takes(ch, *work))
			break;
		room = pkt->type == VM_PKT_COMP || netvsc_rx_ack_room(ch);
		if (unlikely(!room))
			break;
		if (!netvsc_dispatch(ch, pkt, budget, limit, work))
			break;
		pkt = netvsc_vmbus_next(ch->chn, pkt);
	}
	WRITE_ONCE(ch->rx.pkt, pkt);
	return room;
}

/*
 * More came in before signals were on again. A ring whose index the host has
 * made nonsense of says so for ever: that is not to take the processor.
 */
static void netvsc_poll_again(struct netvsc_chan *ch, bool now)
{
	if (!now) {
		mod_timer(&ch->rx.retry, jiffies + 1);
	} else if (napi_schedule_prep(&ch->rx.napi)) {
		netvsc_vmbus_mask(ch->chn);
		__napi_schedule(&ch->rx.napi);
	}
}

/*
 * netvsc_poll() - NAPI poll of a channel
 *
 * Packets of every kind, and each frame, count against the budget. A packet of
 * many frames may be left in the middle: the bus's copy of it stays.
 */
static int netvsc_poll(struct napi_struct *napi, int budget)
{
	struct netvsc_chan *ch = container_of(napi, struct netvsc_chan, rx.napi);
	bool room, again;
	int work = 0;

	/* busy polling, and netpoll, need no signal: is there a ring at all? */
	if (unlikely(!smp_load_acquire(&ch->open))) {	/* with nvsp_opened() */
		if (budget)
			napi_complete_done(napi, 0);
		return 0;
	}
	room = netvsc_rx_drain(ch, budget, &work);
	netvsc_vmbus_read_end(ch->chn);
	if (ch->rx.ack_tail != ch->rx.ack_head)
		netvsc_rx_ack_flush(ch);
	if (unlikely(ch->rx.xdp_todo))
		netvsc_bpf_poll_end(ch);
	netvsc_tx_poll_end(ch);
	if (!budget)
		return 0;
	if (unlikely(ch->rx.late))
		netvsc_tx_free_late(ch);
	if (work >= budget)
		return budget;
	/* once this is complete, another poll may run beside the rest of it */
	ch->rx.empty_polls = work ? 0 : ch->rx.empty_polls + 1;
	again = ch->rx.empty_polls <= NETVSC_EMPTY_POLLS;
	if (!napi_complete_done(napi, work) || !room)
		return work;	/* without room the retry timer polls again */
	if (netvsc_vmbus_unmask(ch->chn))
		netvsc_poll_again(ch, again);
	return work;
}

/**
 * netvsc_channel_cb() - the host has signalled a channel
 * @ctx: struct netvsc_chan
 *
 * Context: hard interrupt.
 */
void netvsc_channel_cb(void *ctx)
{
	struct netvsc_chan *ch = ctx;

	/* too early, there is no ring: nvsp_opened() calls this again */
	if (unlikely(!smp_load_acquire(&ch->open)))
		return;
	if (napi_schedule_prep(&ch->rx.napi)) {
		netvsc_vmbus_mask(ch->chn);
		__napi_schedule_irqoff(&ch->rx.napi);
	}
}

static void netvsc_rx_retry(struct timer_list *timer)
{
	struct netvsc_chan *ch = from_timer(ch, timer, rx.retry);

	napi_schedule(&ch->rx.napi);
}

/**
 * netvsc_rx_alloc() - make a channel's receive side
 * @ch: channel, not open
 *
 * Context: process, RTNL. Return: 0 or a negative error.
 */
int netvsc_rx_alloc(struct netvsc_chan *ch)
{
	struct net_device *ndev = ch->nv->ndev;
	struct page_pool_params params = {
		.pool_size = 4 * NAPI_POLL_WEIGHT,
		.nid = NUMA_NO_NODE,
		.napi = &ch->rx.napi,
		.netdev = ndev,
		.queue_idx = ch->index,
	};
	struct netvsc_rx *rx = &ch->rx;
	int ret = -ENOMEM;

	rx->rsc.frame = kmalloc(sizeof(*rx->rsc.frame), GFP_KERNEL);
	rx->acks = kvmalloc_array(NETVSC_ACKS_MIN, sizeof(*rx->acks), GFP_KERNEL);
	if (!rx->rsc.frame || !rx->acks)
		goto err_memory;
	rx->pool = page_pool_create(&params);
	if (IS_ERR(rx->pool)) {
		ret = PTR_ERR(rx->pool);
		goto err_memory;
	}
	rx->ack_size = NETVSC_ACKS_MIN;
	timer_setup(&rx->retry, netvsc_rx_retry, 0);
	netif_napi_add(ndev, &rx->napi, netvsc_poll);
	ret = netvsc_bpf_register(ch);
	if (ret)
		goto err_napi;
	netif_queue_set_napi(ndev, ch->index, NETDEV_QUEUE_TYPE_RX, &rx->napi);
	netif_queue_set_napi(ndev, ch->index, NETDEV_QUEUE_TYPE_TX, &rx->napi);
	return 0;

err_napi:
	netif_napi_del(&rx->napi);
	page_pool_destroy(rx->pool);
err_memory:
	kvfree(rx->acks);
	kfree(rx->rsc.frame);
	return ret;
}

/**
 * netvsc_rx_enable() - receive from now on; before the channel is opened
 * @ch: channel
 *
 * Context: process, RTNL.
 */
void netvsc_rx_enable(struct netvsc_chan *ch)
{
	ch->rx.pkt = NULL;
	ch->rx.next_range = 0;
	ch->rx.ack_head = 0;
	ch->rx.ack_tail = 0;
	ch->rx.empty_polls = 0;
	napi_enable(&ch->rx.napi);
	ch->rx.enabled = true;
}

/**
 * netvsc_rx_disable() - receive no more; before the channel is closed
 * @ch: channel, whose transmit side is stopped
 *
 * A poll that NAPI holds to be over may still be about to unmask its ring: before
 * the channel is closed, a grace period has to pass, and netvsc_rx_halt() to run.
 *
 * Context: process, RTNL.
 */
void netvsc_rx_disable(struct netvsc_chan *ch)
{
	if (!ch->rx.enabled)
		return;
	napi_disable(&ch->rx.napi);
	local_bh_disable();	/* as memory that NAPI's pool gave is to be freed */
	netvsc_rsc_end(ch);
	netvsc_tx_free_late(ch);
	local_bh_enable();
	ch->rx.enabled = false;
}

/**
 * netvsc_rx_halt() - and look at the ring no more
 * @ch: channel, disabled; a grace period has passed since, if it was open
 *
 * A poll that was over for NAPI could have armed the timer in that time.
 *
 * Context: process, RTNL.
 */
void netvsc_rx_halt(struct netvsc_chan *ch)
{
	timer_delete_sync(&ch->rx.retry);
	ch->rx.done_packets = 0;
	ch->rx.done_bytes = 0;
}

/**
 * netvsc_rx_free() - release a channel's receive side
 * @ch: channel, closed
 *
 * The caller lets a grace period pass before the channel is used again.
 *
 * Context: process, RTNL.
 */
void netvsc_rx_free(struct netvsc_chan *ch)
{
	struct net_device *ndev = ch->nv->ndev;
	struct netvsc_rx *rx = &ch->rx;

	netvsc_bpf_unregister(ch);
	page_pool_destroy(rx->pool);
	netif_queue_set_napi(ndev, ch->index, NETDEV_QUEUE_TYPE_TX, NULL);
	netif_queue_set_napi(ndev, ch->index, NETDEV_QUEUE_TYPE_RX, NULL);
	__netif_napi_del(&rx->napi);
	kvfree(rx->acks);
	kfree(rx->rsc.frame);
	rx->pool = NULL;
	rx->acks = NULL;
	rx->rsc.frame = NULL;
}

/**
 * netvsc_rx_idle() - has all that was received been acknowledged?
 * @ch: channel
 *
 * Context: any; the answer holds only while nothing is received.
 */
bool netvsc_rx_idle(const struct netvsc_chan *ch)
{
	return !READ_ONCE(ch->rx.pkt) &&
	       READ_ONCE(ch->rx.ack_head) == READ_ONCE(ch->rx.ack_tail);
}
