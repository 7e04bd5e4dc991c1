/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hv_netvsc: the driver's own structs. No wire struct and no prototype is here:
 * nvsp_proto.h and rndis_proto.h have the former, the header of each file the
 * latter.
 *
 * Locks. A field group names the one that it needs.
 *
 *  RTNL		configuration, state, the shape of the channel array. Before
 *			register_netdevice() and after unregister_netdevice() has
 *			returned, probe and remove own these alone.
 *  tx lock		__netif_tx_lock() of the channel's queue: all of struct
 *			netvsc_tx.
 *  NAPI		ownership of the channel's NAPI instance: all of struct
 *			netvsc_rx.
 *  nv->xact_lock	leaf, taken from any context: exchanges with the host that
 *			wait for an answer, the acceptance of subchannels, and
 *			what the host last said of the link, of a VF and of the
 *			transmit table.
 *
 * What changes under traffic and is read without a lock (transmit table, hash
 * levels, link) is written by WRITE_ONCE() and read by READ_ONCE().
 */
#ifndef _HYPERV_NET_H
#define _HYPERV_NET_H

#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/hyperv.h>
#include <linux/netdevice.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/u64_stats_sync.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/xdp.h>

#define NETVSC_CHANNELS_MAX	64
#define NETVSC_DEFAULT_CHANNELS	16
#define NETVSC_HASH_KEY_LEN	40
#define NETVSC_RSS_TABLE_MAX	256
#define NETVSC_RSS_TABLE_DEFAULT 128
#define NETVSC_SEND_TABLE	16	/* entries of nv->tx_table */
#define NETVSC_RX_RANGES_MAX	562	/* of a transfer page packet */
#define NETVSC_MAX_PACKET	4624	/* bytes of a ring packet: so many ranges */

#define NETVSC_RING_PAGES	128	/* of 4096 bytes, a ring and direction */
#define NETVSC_RING_PAGES_MIN	64
/* The bus allocates both of a channel's rings in one piece */
#define NETVSC_RING_PAGES_MAX \
	((PAGE_SIZE << MAX_PAGE_ORDER) / HV_HYP_PAGE_SIZE / 2)

#define NETVSC_SECTIONS_MIN	10
/* What buffers are counted in while no host has said its own */
#define NETVSC_RX_SECTION	1728
#define NETVSC_TX_SECTION	6144
#define NETVSC_RX_BYTES		(16 * SZ_1M)
/* as many as ethtool -G would make of the same number */
#define NETVSC_TX_BYTES		(SZ_1M / NETVSC_TX_SECTION * NETVSC_TX_SECTION)
/* More receive sections than this are the host's mistake */
#define NETVSC_RX_SECTIONS_MAX	SZ_128K
#define NETVSC_TX_SECTIONS_MAX	SZ_64K	/* they are counted in 16 bits */

#define NETVSC_MTU_MIN		68
#define NETVSC_MTU_MAX		(65535 - ETH_HLEN)

#define NETVSC_TIMEOUT_MS	10000	/* of an operation that waits for the host */
#define NETVSC_LINK_INTERVAL	(2 * HZ)

struct bpf_prog;
struct netvsc;
struct netvsc_chan;
struct netvsc_frame;
struct netvsc_plan;
struct netvsc_req;
struct page_pool;
struct vmpacket_descriptor;

/**
 * enum netvsc_state - what there is; written by netvsc_set_state() only
 * @NETVSC_DOWN: no session with the host: before probe has connected, while
 *	suspended, after remove
 * @NETVSC_CONNECTED: session, channels open, NAPI enabled; packet filter 0
 * @NETVSC_RUNNING: the interface is up and moves packets
 * @NETVSC_DEAD: a reconfiguration failed and so did the way back: present,
 *	carrier off, no session. Opening the interface tries to connect again.
 */
enum netvsc_state {
	NETVSC_DOWN,
	NETVSC_CONNECTED,
	NETVSC_RUNNING,
	NETVSC_DEAD,
};

/**
 * enum netvsc_event - bits of nv->events: news for the event work
 * @NETVSC_EVENT_SUBCHANNELS: probe is over, the other channels may be opened
 * @NETVSC_EVENT_LINK: the host said something about the link
 * @NETVSC_EVENT_FLAP: and it had been down, or the network had changed, since
 * @NETVSC_EVENT_FILTER: the receive mode changed
 * @NETVSC_EVENT_CHANNEL: a channel takes no packets any more
 * @NETVSC_EVENT_KEEPALIVE: the host asks whether the guest is alive
 * @NETVSC_EVENT_VF: something about the VF may have changed
 */
enum netvsc_event {
	NETVSC_EVENT_SUBCHANNELS,
	NETVSC_EVENT_LINK,
	NETVSC_EVENT_FLAP,
	NETVSC_EVENT_FILTER,
	NETVSC_EVENT_CHANNEL,
	NETVSC_EVENT_KEEPALIVE,
	NETVSC_EVENT_VF,
};

/**
 * struct netvsc_rss - how received flows are spread over channels
 * @key: Toeplitz key
 * @table: channel index of each entry
 *
 * The number of entries in use is the session's.
 */
struct netvsc_rss {
	u8 key[NETVSC_HASH_KEY_LEN];
	u16 table[NETVSC_RSS_TABLE_MAX];
};

/**
 * struct netvsc_config - what the user asked for, by value
 * @session: another number asks for another session, with the rest as it is
 * @rss_again: another number asks for @rss to be told to the host, as it is
 * @mtu: L3 MTU in bytes
 * @channels: wanted; the host may grant fewer, and may grant all the next time
 * @rx_bytes: size of the receive buffer
 * @tx_bytes: size of the send buffer
 * @features: the net_device's, as they were last set
 * @filter: packet filter while the interface is up, NDIS_FILTER_*
 * @rss: wanted spreading of received flows
 * @vf_path: packets go by the VF; while the interface is up
 *
 * Lock: RTNL. Only netvsc_config.c writes nv->cfg, and probe.
 */
struct netvsc_config {
	u32 session;
	u32 rss_again;
	u32 mtu;
	u32 channels;
	u32 rx_bytes;
	u32 tx_bytes;
	netdev_features_t features;
	u32 filter;
	struct netvsc_rss rss;
	bool vf_path;
};

/* Protocol classes that the host makes transmit checksums for */
#define NETVSC_CSUM_TCP4	BIT(0)
#define NETVSC_CSUM_UDP4	BIT(1)
#define NETVSC_CSUM_TCP6	BIT(4)
#define NETVSC_CSUM_UDP6	BIT(5)

/**
 * struct nvsp_session - what was agreed with the host
 * @version: NVSP version
 * @capabilities: NDIS_CAP_* that the host was told of
 * @ndis_minor: minor NDIS version that it was told
 * @rx_section_size: the longest receive range, in bytes
 * @rx_sections: most receive packets that the host may have outstanding
 * @tx_section_size: of the send buffer, in bytes
 * @tx_sections: 0: there is no send buffer
 * @max_packets: RNDIS messages in one send section, at least 1
 * @max_transfer: bytes of RNDIS messages in one NVSP packet
 * @align: what messages that share a section are padded to, in bytes
 * @csum: NETVSC_CSUM_* that the host makes
 * @tso4_max: longest IPv4 frame that it segments, 0 for none
 * @tso6_max: the same for IPv6
 * @rsc: it can coalesce received segments
 * @max_channels: that it may grant, with the primary, at least 1
 * @rss_entries: of its indirection table; 0: a single queue
 * @frame_max: L3 MTU that it takes at most
 * @mac: permanent address
 * @name: friendly name, UTF-8; empty if none
 *
 * Plain values, checked. Written by netvsc.c and rndis_filter.c while
 * connecting, read by all; valid in state CONNECTED and RUNNING.
 */
struct nvsp_session {
	u32 version;
	u64 capabilities;
	u32 ndis_minor;
	u32 rx_section_size;
	u32 rx_sections;
	u32 tx_section_size;
	u32 tx_sections;
	u32 max_packets;
	u32 max_transfer;
	u32 align;
	u32 csum;
	u32 tso4_max;
	u32 tso6_max;
	bool rsc;
	u32 max_channels;
	u32 rss_entries;
	u32 frame_max;
	u8 mac[ETH_ALEN];
	char name[IFALIASZ];
};

/**
 * struct netvsc_mem - one buffer that is shared with the host
 * @base: page aligned memory
 * @bytes: its size, whole pages
 * @gpadl: its handle while shared
 * @shared: the host may have it
 * @leaked: taking it back failed: never free it, nor use it again
 */
struct netvsc_mem {
	void *base;
	u32 bytes;
	struct vmbus_gpadl gpadl;
	bool shared;
	bool leaked;
};

/**
 * struct netvsc_bufs - receive and send buffer, and who has which send section
 * @rx: receive buffer
 * @tx: send buffer
 * @sections: bit n: send section n is in use, or in a channel's cache; atomic
 *
 * Born when the sizes are set, kept over a reconnect of equal sizes. Written by
 * the configuration path; the datapath reads it while a channel is open.
 */
struct netvsc_bufs {
	struct netvsc_mem rx;
	struct netvsc_mem tx;
	unsigned long *sections;
};

#define NETVSC_NO_SECTION	U32_MAX

/**
 * struct netvsc_tx_stats - per channel, for the life of the device
 * @sync: written under the tx lock
 * @scattered: packets of too many page ranges, made linear
 * @no_memory: dropped: no memory for that, or for a copy of the headers
 * @no_space: dropped: the ring takes nothing any more
 * @too_big: dropped: longer than any frame that a host takes
 * @busy: NETDEV_TX_BUSY returned
 * @send_full: no section free, sent by page ranges
 * @stop_queue: queue stopped
 * @wake_queue: queue woken
 * @vlan_error: dropped: a tag in the frame could not be taken out
 * @dropped: all packets dropped
 * @xdp_xmit: frames that ndo_xdp_xmit() has taken
 */
struct netvsc_tx_stats {
	struct u64_stats_sync sync;
	u64_stats_t scattered;
	u64_stats_t no_memory;
	u64_stats_t no_space;
	u64_stats_t too_big;
	u64_stats_t busy;
	u64_stats_t send_full;
	u64_stats_t stop_queue;
	u64_stats_t wake_queue;
	u64_stats_t vlan_error;
	u64_stats_t dropped;
	u64_stats_t xdp_xmit;
};

/**
 * struct netvsc_done_stats - transmit completions of a channel
 * @sync: written by NAPI
 * @packets: completed, a TSO packet counts once
 * @bytes: of their frames
 * @failed: packets in messages that the host completed with an error
 * @strays: completions that no request waited for
 */
struct netvsc_done_stats {
	struct u64_stats_sync sync;
	u64_stats_t packets;
	u64_stats_t bytes;
	u64_stats_t failed;
	u64_stats_t strays;
};

/**
 * struct netvsc_rx_stats - per channel, for the life of the device
 * @sync: written by NAPI
 * @packets: passed up, or sent elsewhere by an XDP program
 * @bytes: of their frames
 * @multicast: multicast and broadcast frames among them
 * @no_memory: dropped for want of memory
 * @length_errors: frames too short for an Ethernet header, or too long
 * @refused: packets, ranges and messages that made no sense
 * @early: frames that came while the interface was not up, or that had to make
 *	way for netpoll
 * @comp_busy: times that acknowledgments did not fit the ring, and waited
 * @xdp_drop: frames that an XDP program dropped, or was not to see
 * @xdp_redirect: frames that it redirected
 * @xdp_tx: frames that it sent back
 */
struct netvsc_rx_stats {
	struct u64_stats_sync sync;
	u64_stats_t packets;
	u64_stats_t bytes;
	u64_stats_t multicast;
	u64_stats_t no_memory;
	u64_stats_t length_errors;
	u64_stats_t refused;
	u64_stats_t early;
	u64_stats_t comp_busy;
	u64_stats_t xdp_drop;
	u64_stats_t xdp_redirect;
	u64_stats_t xdp_tx;
};

#define NETVSC_REQS		1024	/* a channel; a power of two */
#define NETVSC_HDR_SLOT		128	/* bytes; divides the page size */
#define NETVSC_SECTION_CACHE	16	/* a channel; a power of two */

#define NETVSC_HELD_XDP		BIT(0)

/**
 * struct netvsc_req - a packet on the ring that the host has to complete
 * @id: transaction id of its current use; 0: free
 * @held: freed at completion: an skb, or an xdp_frame and NETVSC_HELD_XDP; 0 if
 *	all was copied into a section
 * @hdr: memory for an RNDIS header, NETVSC_HDR_SLOT bytes within one page
 * @section: send section, or NETVSC_NO_SECTION
 * @packets: that it carries
 * @bytes: of their frames
 * @fill: bytes of the section in use
 *
 * Taken under the tx lock, given back by NAPI: at its completion, or by the
 * configuration path when the channel is closed. On a cache line of its own, as
 * the two may be at neighbours at once.
 */
struct netvsc_req {
	u64 id;
	unsigned long held;
	void *hdr;
	u32 section;
	u32 packets;
	u32 bytes;
	u32 fill;
} ____cacheline_aligned_in_smp;

/**
 * struct netvsc_free - hands numbers back from NAPI to the transmit side
 * @slot: the ring's entries
 * @mask: entries less 1
 * @head: numbers ever put in; written by NAPI
 * @tail: numbers ever taken; written under the tx lock
 *
 * One producer, one consumer, a cache line each.
 */
struct netvsc_free {
	u16 *slot;
	u32 mask;
	u32 head ____cacheline_aligned_in_smp;
	u32 tail ____cacheline_aligned_in_smp;
};

/**
 * struct netvsc_tx - a channel's transmit side
 * @running: packets may be sent; cleared before the queue is stopped for good
 * @generation: of transaction ids
 * @fresh: requests from this number on have never been used: the others, which
 *	are in the cache, go first
 * @batch: request whose section still takes packets, or NULL
 * @spare: request that was taken and not used, or NULL; never beside @batch
 * @stopped: for want of room the queue is stopped, or @batch waits; read by NAPI
 *	with READ_ONCE()
 * @unsent: bytes that the queue's limit has counted and that were not sent;
 *	read by NAPI with READ_ONCE()
 * @section_cache: sections that @free_sections may keep; read by NAPI with
 *	READ_ONCE()
 * @desc: room for the longest descriptor of page ranges
 * @reqs: NETVSC_REQS of them
 * @hdr_pages: memory of their header slots
 * @free_reqs: numbers of used ones that are free
 * @free_sections: section cache
 *
 * Lock: the tx lock, but for what NAPI writes of @free_reqs and @free_sections.
 * What is written for each message is on another cache line than what NAPI reads.
 */
struct netvsc_tx {
	bool running;
	u32 generation;
	u32 fresh;
	struct netvsc_req *batch;
	struct netvsc_req *spare;

	bool stopped ____cacheline_aligned_in_smp;
	u32 unsent;
	u32 section_cache;
	struct vmbus_packet_mpb_array *desc;
	struct netvsc_req *reqs;
	struct page **hdr_pages;

	struct netvsc_free free_reqs;
	struct netvsc_free free_sections;
};

/**
 * struct netvsc_ack - a received packet to be completed
 * @id: its transaction id
 * @status: NVSP_STATUS_*
 */
struct netvsc_ack {
	u64 id;
	u32 status;
};

#define NETVSC_ACK_BATCH	64
#define NETVSC_ACKS_MIN		256	/* a power of two */

/**
 * struct netvsc_rsc - a coalesced frame of which not all fragments have come
 * @frame: what has come, if not @lost
 * @count: fragments that have come; 0: there is no such frame
 * @first: bytes of the first
 * @lost: for want of memory, or as none may be passed up
 */
struct netvsc_rsc {
	struct netvsc_frame *frame;
	u32 count;
	u32 first;
	bool lost;
};

/* What an XDP program did that its poll has to finish */
#define NETVSC_XDP_TX		BIT(0)
#define NETVSC_XDP_REDIRECT	BIT(1)

/**
 * struct netvsc_rx - a channel's receive side
 * @napi: its NAPI instance
 * @enabled: NAPI is; RTNL
 * @pool: memory for frames
 * @xdp_rxq: the queue, as XDP programs know it
 * @xdp_todo: NETVSC_XDP_*
 * @pkt: bus's private copy of the packet that the last poll did not finish
 * @next_range: of it
 * @pkt_status: so far
 * @rsc: coalesced frame of @pkt
 * @acks: ring of acknowledgments to send
 * @ack_size: its entries, a power of two
 * @ack_head: entries ever put in
 * @ack_tail: entries ever sent
 * @late: frames whose sending was completed as netpoll polled, which may not give
 *	their memory back; each begins with the address of the next
 * @done_packets: completed since the last look at the queue's byte limit
 * @done_bytes: of those
 * @empty_polls: polls in a row that found nothing
 * @netpoll: frames are dropped, as netpoll polls, under which none is passed up
 * @retry: polls again when the ring was full
 *
 * Lock: NAPI.
 */
struct netvsc_rx {
	struct napi_struct napi;
	bool enabled;
	struct page_pool *pool;
	struct xdp_rxq_info xdp_rxq;
	u32 xdp_todo;
	struct vmpacket_descriptor *pkt;
	u32 next_range;
	u32 pkt_status;
	struct netvsc_rsc rsc;
	struct netvsc_ack *acks;
	u32 ack_size;
	u32 ack_head;
	u32 ack_tail;
	struct xdp_frame *late;
	u32 done_packets;
	u32 done_bytes;
	u32 empty_polls;
	bool netpoll;
	struct timer_list retry;
};

/**
 * struct netvsc_chan - one queue
 * @nv: its device
 * @chn: VMBus channel; valid while @open
 * @index: of the queue; 0 is the primary
 * @open: the channel is open. Written by the configuration path, and by the
 *	subchannel callback under the xact lock.
 * @tx: transmit side
 * @rx: receive side
 * @tx_stats: written under the tx lock
 * @done_stats: written by NAPI
 * @rx_stats: written by NAPI
 *
 * Born at the first use of the queue, before the host has said which processor
 * it is for; dies after unregister_netdev(), so that counters never go back.
 * What @tx and @rx point to lives from connect to disconnect.
 */
struct netvsc_chan {
	struct netvsc *nv;
	struct vmbus_channel *chn;
	u16 index;
	bool open;

	struct netvsc_tx tx ____cacheline_aligned_in_smp;
	struct netvsc_tx_stats tx_stats;

	struct netvsc_rx rx ____cacheline_aligned_in_smp;
	struct netvsc_done_stats done_stats;
	struct netvsc_rx_stats rx_stats;
};

/**
 * enum nvsp_xact_kind - what sort of answer an exchange waits for
 * @NVSP_XACT_MESSAGE: an NVSP message
 * @NVSP_XACT_RNDIS: completion 108 of an RNDIS control message
 * @NVSP_XACT_EMPTY: any completion, as it has nothing in it
 */
enum nvsp_xact_kind {
	NVSP_XACT_MESSAGE,
	NVSP_XACT_RNDIS,
	NVSP_XACT_EMPTY,
};

#define NVSP_REPLY_MAX		40	/* bytes of an answer that are kept */

/**
 * struct nvsp_xact - an NVSP exchange that is not over
 * @node: in nv->xacts
 * @id: transaction id; its top bit tells it from a netvsc_req's
 * @kind: what sort of answer it takes
 * @reply_type: NVSP type that the answer must have
 * @reply_min: bytes that the answer must have
 * @reply: copy of the answer
 * @reply_len: bytes of it that the host sent, at most NVSP_REPLY_MAX
 * @answered: there is an answer
 * @done: completed with it
 *
 * Lock: nv->xact_lock while it is in nv->xacts; its owner's before and after.
 */
struct nvsp_xact {
	struct list_head node;
	u64 id;
	enum nvsp_xact_kind kind;
	u32 reply_type;
	u32 reply_min;
	u8 reply[NVSP_REPLY_MAX];
	u32 reply_len;
	bool answered;
	struct completion done;
};

#define NVSP_XACT_ID		BIT_ULL(63)

/**
 * struct nvsp_offers - subchannels on their way
 * @accept: channel indexes 1 to this are opened when offered; 0: none is
 * @taken: bit n: an offer of index n was taken; none is taken twice
 * @opening: callbacks that are just opening a channel
 * @cb: what the subchannels are to be opened with
 * @wait: woken when a callback is done with its channel
 *
 * Lock: nv->xact_lock.
 */
struct nvsp_offers {
	u32 accept;
	DECLARE_BITMAP(taken, NETVSC_CHANNELS_MAX);
	u32 opening;
	void (*cb)(void *ctx);
	wait_queue_head_t wait;
};

/**
 * struct netvsc_link - what the host said of the link
 * @up: connected
 * @news: how often the host has said something about @up without being asked;
 *	an answer that it overtakes is not believed
 * @speed: Mbit/s, or SPEED_UNKNOWN
 * @next: jiffies before which the event work shall not act on news again
 *
 * @up and @speed: written by NAPI of the primary and the configuration path,
 * with WRITE_ONCE(); @up and @news under nv->xact_lock. @next: the event work.
 */
struct netvsc_link {
	bool up;
	u32 news;
	u32 speed;
	unsigned long next;
};

/**
 * struct netvsc_vf_stats - what goes between an interface and its VF, on a CPU
 * @syncp: written in softirq
 * @rx_packets: that came from the VF
 * @rx_bytes: of them
 * @tx_packets: that the VF took
 * @tx_bytes: of them
 * @tx_dropped: that it did not take
 */
struct netvsc_vf_stats {
	struct u64_stats_sync syncp;
	u64_stats_t rx_packets;
	u64_stats_t rx_bytes;
	u64_stats_t tx_packets;
	u64_stats_t tx_bytes;
	u64_stats_t tx_dropped;
};

/**
 * struct netvsc_vf - a PCI function that the host gives beside the interface
 * @node: RTNL: in the list of all devices that may have a VF
 * @ndev: RTNL, RCU: its net_device when it has joined
 * @tracker: of the reference to it
 * @allocated: the host says that there is one
 * @serial: its number
 * @in_use: packets are sent by it: it has joined and the host has switched;
 *	READ_ONCE()
 * @taken_back: how often the host has switched back on its own
 * @seen_back: and how often that was noticed; RTNL
 * @flags: IFF_PROMISC and IFF_ALLMULTI that it got from the interface; RTNL
 * @has_prog: it runs the interface's XDP program; RTNL
 * @set_up: it has got the interface's settings; RTNL
 * @due: jiffies when it is to; RTNL
 * @next: jiffies before which it is not switched to; RTNL
 * @failures: to switch to it, lately; RTNL
 * @headroom: that the interface needed without it; RTNL
 * @stats: per CPU, for the life of the device
 *
 * @allocated and @serial: nv->xact_lock. @in_use: written by NAPI of the primary,
 * to false, and by the configuration path, which looks at @taken_back then.
 */
struct netvsc_vf {
	struct list_head node;
	struct net_device __rcu *ndev;
	netdevice_tracker tracker;
	bool allocated;
	u32 serial;
	bool in_use;
	u32 taken_back;
	u32 seen_back;
	u32 flags;
	bool has_prog;
	bool set_up;
	unsigned long due;
	unsigned long next;
	u32 failures;
	u16 headroom;
	struct netvsc_vf_stats __percpu *stats;
};

/**
 * struct netvsc - the driver's device, in the net_device's private area
 * @ndev: its net_device
 * @hdev: its VMBus device
 * @state: RTNL; read by the datapath with READ_ONCE()
 * @cfg: RTNL: the configuration that is wanted, as far as the host takes it
 * @plan: RTNL: room for a change that is being made
 * @xdp_prog: RTNL, RCU: XDP program; not of @cfg, as no session depends on it
 * @rss: RTNL: the spreading in force: that of @cfg, or an even one where its
 *	table names channels that there are not
 * @sess: RTNL: what was agreed with the host
 * @bufs: RTNL; the datapath reads it while a channel is open
 * @chans: channels ever used; published by @nchans_made
 * @nchans_made: number of them; smp_store_release(), never goes down
 * @nchans: channels in use, 0 to nchans_made; READ_ONCE()
 * @tx_table: nv->xact_lock: channel for each hash; READ_ONCE()
 * @l4_hash: NETVSC_HASH_*: flows hashed with their ports; READ_ONCE()
 * @msg_enable: netif_msg_*
 * @duplex: as set by the user, cosmetic
 * @stat_cpus: RTNL: CPUs that the set of statistics was last sized for
 * @registered: register_netdevice() has succeeded
 * @rss_told: the host has taken the spreading that it was asked for last
 * @ring_bytes: of a ring in one direction
 * @timeout_ms: that an operation may wait for the host
 * @deadline: jiffies until which the operation may wait for the host
 * @xact_lock: see above
 * @xacts: exchanges that are not over
 * @xact_serial: number of exchanges ever begun
 * @requests: RNDIS requests that are not over; of netvsc's rndis_filter.c
 * @request_serial: number of them ever begun
 * @keepalive_id: of the last KEEPALIVE of the host
 * @offers: subchannels on their way
 * @events: bits of enum netvsc_event
 * @event_work: takes them
 * @watch: looks whether the host has taken subchannels back
 * @link: what the host said of the link
 * @vf: the VF
 */
struct netvsc {
	struct net_device *ndev;
	struct hv_device *hdev;
	enum netvsc_state state;
	struct netvsc_config cfg;
	struct netvsc_plan *plan;
	struct bpf_prog __rcu *xdp_prog;
	struct netvsc_rss rss;
	struct nvsp_session sess;
	struct netvsc_bufs *bufs;
	struct netvsc_chan *chans[NETVSC_CHANNELS_MAX];
	u32 nchans_made;
	u32 nchans;
	u16 tx_table[NETVSC_SEND_TABLE];
	u32 l4_hash;
	u32 msg_enable;
	u8 duplex;
	u32 stat_cpus;
	bool registered;
	bool rss_told;
	u32 ring_bytes;
	u32 timeout_ms;
	unsigned long deadline;

	spinlock_t xact_lock;	/* leaf; see the table above */
	struct list_head xacts;
	u32 xact_serial;
	struct list_head requests;
	u32 request_serial;
	u32 keepalive_id;
	struct nvsp_offers offers;

	unsigned long events;
	struct delayed_work event_work;
	struct timer_list watch;
	struct netvsc_link link;
	struct netvsc_vf vf;
};

/* Bits of nv->l4_hash */
#define NETVSC_HASH_TCP4	BIT(0)
#define NETVSC_HASH_UDP4	BIT(1)
#define NETVSC_HASH_TCP6	BIT(2)
#define NETVSC_HASH_UDP6	BIT(3)
#define NETVSC_HASH_ALL		GENMASK(3, 0)

/* In such a state requests can be sent to the host */
static inline bool netvsc_has_session(enum netvsc_state state)
{
	return state == NETVSC_CONNECTED || state == NETVSC_RUNNING;
}

/**
 * netvsc_post_event() - leave news for the event work
 * @nv: the device
 * @event: the news
 *
 * Context: any.
 */
static inline void netvsc_post_event(struct netvsc *nv, enum netvsc_event event)
{
	set_bit(event, &nv->events);
	mod_delayed_work(system_long_wq, &nv->event_work, 0);
}

#endif
