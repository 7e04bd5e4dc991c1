/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A host to be scripted in the place of the VMBus: what netvsc_vmbus.c asks of
 * the bus goes here, in the thread of the test alone. It answers before the
 * send returns, as a well-behaved host unless a rule says otherwise.
 */
#ifndef _FAKE_BUS_H
#define _FAKE_BUS_H

#include <kunit/test.h>

#include "../../hyperv_net.h"
#include "../../nvsp_proto.h"
#include "../../rndis_proto.h"

struct fake_bus;

/* Calls that can fail */
enum fake_call {
	FAKE_ALLOC_RING,
	FAKE_OPEN,
	FAKE_CLOSE,
	FAKE_SEND,
	FAKE_SEND_PAGES,
	FAKE_COMPLETE,
	FAKE_SHARE,
	FAKE_UNSHARE,
	FAKE_CALLS,
};

/* What a rule is about: an NVSP type, an OID, or one of these */
#define FAKE_KEY_RNDIS(type)	(0x80000000 | (type))
#define FAKE_ANY		0	/* whatever has an answer */

/* What the host does instead of a right answer */
enum fake_how {
	FAKE_NONE,	/* silence */
	FAKE_LATE,	/* only when fake_bus_deliver() is called */
	FAKE_TWICE,	/* the second is counted in bus->refused if refused */
	FAKE_TYPE,	/* message type @value */
	FAKE_LENGTH,	/* only @value bytes of it; RNDIS: its own length, too */
	FAKE_STATUS,	/* status word @value */
	FAKE_WORD,	/* word at byte @offset is @value */
	FAKE_INFO,	/* RNDIS: information is @value bytes of @bytes */
	FAKE_BYTES,	/* all of it is @value bytes of @bytes; RNDIS: but for the id */
	FAKE_ID,	/* another id, @value is added */
	FAKE_ERROR,	/* the send fails with errno -@value */
	FAKE_RESCIND,	/* silence, and the channel is rescinded */
	FAKE_CALL,	/* calls @call before the right answer */
	/* of an RNDIS request's completion 108 */
	FAKE_DONE_NONE,	/* never comes, the reply does */
	FAKE_DONE_LATE,	/* the same, but fake_bus_deliver() */
	FAKE_DONE_LAST,	/* comes after the reply */
	FAKE_DONE_MUTE,	/* never comes, and neither does the reply */
	FAKE_DONE_STATUS, /* has status @value, and there is no reply */
};

/**
 * struct fake_rule - a deviation
 * @key: of what
 * @how: which
 * @value: see enum fake_how
 * @offset: the same
 * @bytes: the same
 * @call: the same
 * @skip: exchanges that fit and are answered right before the rule counts
 * @times: exchanges that it counts for; 0: all
 * @used: exchanges that it has counted for
 */
struct fake_rule {
	u32 key;
	enum fake_how how;
	u32 value;
	u32 offset;
	const void *bytes;
	void (*call)(struct fake_bus *bus);
	u32 skip;
	u32 times;
	u32 used;
};

/**
 * struct fake_sent - something that the driver put on a ring
 * @node: in bus->sent
 * @index: of the channel
 * @id: transaction id
 * @reply: a completion was asked for
 * @completion: netvsc_vmbus_complete()
 * @key: NVSP type; of an RNDIS control message its OID or FAKE_KEY_RNDIS()
 * @len: bytes of @msg
 * @msg: the NVSP message
 * @ranges: page ranges
 * @desc_len: bytes of the descriptor
 * @data_len: bytes of @data
 * @data: what the page ranges or the send section had, or NULL
 */
struct fake_sent {
	struct list_head node;
	u32 index;
	u64 id;
	bool reply;
	bool completion;
	u32 key;
	u32 len;
	u8 msg[64];
	u32 ranges;
	u32 desc_len;
	u32 data_len;
	u8 *data;
};

/**
 * struct fake_chan - one channel
 * @bus: its bus
 * @chn: what the driver sees
 * @index: that the host has given it
 * @ring: has rings
 * @open: is open
 * @rescinded: was taken back
 * @masked: interrupts are masked
 * @polled: fake_bus_poll() has not come to an end, and owns the NAPI instance
 * @memory: two empty rings, for those that read outside of the test's thread
 * @in: packets to be read, struct fake_packet
 * @cb: channel callback
 * @ctx: its argument
 */
struct fake_chan {
	struct fake_bus *bus;
	struct vmbus_channel chn;
	u32 index;
	bool ring;
	bool open;
	bool rescinded;
	bool masked;
	bool polled;
	void *memory;
	struct list_head in;
	void (*cb)(void *ctx);
	void *ctx;
};

struct fake_packet {
	struct list_head node;
	u32 len;
	u8 bytes[] __aligned(8);
};

/**
 * struct fake_shared - memory that the host has, or once had
 * @base: it
 * @bytes: its size
 * @handle: GPADL
 * @shared: it is the host's
 * @lost: the driver was told that it must never be freed
 */
struct fake_shared {
	void *base;
	u32 bytes;
	u32 handle;
	bool shared;
	bool lost;
};

/* What a well-behaved host of today says; tests may write to it */
struct fake_host {
	u32 version;
	u32 rx_section;
	u32 tx_section;
	u32 grant;	/* subchannels at most */
	u32 max_packets;
	u32 max_transfer;
	u32 align;
	u32 frame_max;
	u32 speed;
	u32 media;
	u8 mac[ETH_ALEN];
	__le16 name[16];
	u32 name_bytes;
	struct ndis_offload offload;
	struct ndis_rss_caps rss;
};

#define FAKE_RULES	24
#define FAKE_SHARES	64
#define FAKE_OFFERS	80
#define FAKE_HELD	8

/* An answer on its way; to an RNDIS message, or with an NVSP transaction id */
struct fake_answer {
	bool rndis;
	u64 id;
	u32 len;
	u8 *msg;
};

/**
 * struct fake_bus - the bus and the host
 * @test: its test
 * @ndev: its device; registered by fake_bus_connect()
 * @nv: its private data
 * @hdev: VMBus device
 * @registered: @ndev is
 * @ended: fake_bus_end() has run
 * @primary: the primary channel
 * @host: see there
 * @rules: see there
 * @nrules: number of them
 * @sent: all that was sent, struct fake_sent
 * @nsent: number of it
 * @shares: all that was ever shared
 * @nshares: number of it
 * @calls: by kind
 * @fail_at: which call of a kind fails, from 1 on; 0: none
 * @fail_errno: with what, positive
 * @fail_times: so many in a row; 0: all from then on
 * @all_calls: of all kinds that can fail, sends included
 * @all_fail_at: which of all of them fails, as @fail_at
 * @all_fail_errno: as @fail_errno
 * @all_fail_times: as @fail_times
 * @exchanges: answers that were due
 * @refused: answers that the driver did not take
 * @held: answers for fake_bus_deliver()
 * @nheld: number of them
 * @offers: indexes that are offered instead of those granted, if @noffers
 * @noffers: number of them
 * @no_offers: nothing is offered
 * @offers_last: offers come after the answer to the request
 * @offer_cb: as set by netvsc_vmbus_want_offers()
 * @offered: the subchannels that were offered
 * @noffered: number of them
 * @isolated: the guest is
 * @rescinded: all is taken back
 * @decrypted: a share that fails leaves its memory decrypted
 * @undrained: rings are never empty
 * @room: percent of the ring that is free
 * @events: times that the event work ran
 */
struct fake_bus {
	struct kunit *test;
	struct net_device *ndev;
	struct netvsc *nv;
	struct hv_device hdev;
	bool registered;
	bool ended;
	struct fake_chan *primary;
	struct fake_host host;
	struct fake_rule rules[FAKE_RULES];
	u32 nrules;
	struct list_head sent;
	u32 nsent;
	struct fake_shared shares[FAKE_SHARES];
	u32 nshares;
	u32 calls[FAKE_CALLS];
	u32 fail_at[FAKE_CALLS];
	u32 fail_errno[FAKE_CALLS];
	u32 fail_times[FAKE_CALLS];
	u32 all_calls;
	u32 all_fail_at;
	u32 all_fail_errno;
	u32 all_fail_times;
	u32 exchanges;
	u32 refused;
	struct fake_answer held[FAKE_HELD];
	u32 nheld;
	u32 offers[FAKE_OFFERS];
	u32 noffers;
	bool no_offers;
	bool offers_last;
	void (*offer_cb)(struct vmbus_channel *chn);
	struct fake_chan *offered[FAKE_OFFERS];
	u32 noffered;
	bool isolated;
	bool rescinded;
	bool decrypted;
	bool undrained;
	u32 room;
	atomic_t events;
};

/* The bus of a test, in state DOWN. All of it goes with the test. */
struct fake_bus *fake_bus_new(struct kunit *test);
/* End all, and expect that nothing is left; the end of the test does it, too */
void fake_bus_end(struct fake_bus *bus);

/* Deviate: returns the rule, for its other members; value as in the enum */
struct fake_rule *fake_bus_rule(struct fake_bus *bus, u32 key,
				enum fake_how how, u32 value);
void fake_bus_no_rules(struct fake_bus *bus);
/* Fail the nth call of a kind from now on, once */
void fake_bus_fail(struct fake_bus *bus, enum fake_call call, u32 nth, int error);
/* Offer a subchannel now; its open state tells whether it was taken */
struct fake_chan *fake_bus_offer(struct fake_bus *bus, u32 index);
/* Give what was held back; returns how much of it the driver took */
u32 fake_bus_deliver(struct fake_bus *bus);

/* Parts of what netvsc_config.c makes, for tests below it */
void fake_bus_make_chans(struct fake_bus *bus, u32 count);
void fake_bus_make_bufs(struct fake_bus *bus, u32 rx_bytes, u32 tx_bytes);
/*
 * netvsc_config_connect(), netvsc_add_subchannels() and netvsc_reconfigure()
 * under RTNL. No more channels are opened than the machine has processors.
 */
int fake_bus_connect(struct fake_bus *bus);
int fake_bus_grow(struct fake_bus *bus);
int fake_bus_reconfigure(struct fake_bus *bus, const struct netvsc_config *want,
			 enum netvsc_state target);
/* All: RUNNING with so many channels, and what was sent forgotten */
int fake_bus_run(struct fake_bus *bus, u32 channels);

/* What was sent: the nth of a key, from 0 on; NULL if there are fewer */
struct fake_sent *fake_bus_sent(struct fake_bus *bus, u32 key, u32 nth);
u32 fake_bus_count(struct fake_bus *bus, u32 key);
void fake_bus_forget(struct fake_bus *bus);
u32 fake_bus_still_shared(const struct fake_bus *bus);
/* The channel that the driver has opened with an index; NULL if none */
struct fake_chan *fake_bus_chan(struct fake_bus *bus, u32 index);
u32 fake_bus_still_open(const struct fake_bus *bus);

/*
 * Packets for the driver to read: with a VMBus header of head bytes, of which
 * rest is what lies between descriptor and payload. fake_bus_poll() polls the
 * channel's NAPI in the test's thread, after a poll that the driver has scheduled
 * elsewhere: that one finds nothing.
 */
void fake_bus_put(struct fake_bus *bus, u32 index, u16 type, u16 flags, u64 id,
		  const void *rest, u32 rest_len, const void *msg, u32 len);
void fake_bus_put_xfer(struct fake_bus *bus, u32 index, u64 id, u16 pageset,
		       u32 count, const struct vmtransfer_page_range *ranges);
int fake_bus_poll(struct fake_bus *bus, u32 index, int budget);

#endif
