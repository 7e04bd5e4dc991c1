/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The datapath by itself: channels that send and receive, with a session that
 * the test writes down instead of negotiating it, on rings that are lists. All
 * of it runs in the test's thread: no interrupt, no NAPI of its own.
 */
#ifndef _DATAPATH_H
#define _DATAPATH_H

#include <kunit/test.h>
#include <linux/skbuff.h>

#include "../../hyperv_net.h"

#define DATAPATH_CHANS		4
#define DATAPATH_RX_SECTION	SZ_128K
#define DATAPATH_RX_SECTIONS	2
#define DATAPATH_TX_SECTION	6144
#define DATAPATH_TX_SECTIONS	8

/* Bits of struct datapath_frame.infos: bit n for info type n */
#define DATAPATH_CSUM		BIT(0)
#define DATAPATH_LSO		BIT(2)
#define DATAPATH_VLAN		BIT(6)
#define DATAPATH_HASH		BIT(8)

/**
 * struct datapath_sent - a packet that the driver has put on a ring
 * @node: in dp->sent, in the order of the ring
 * @queue: of which channel
 * @id: transaction id
 * @section: send section, or NETVSC_NO_SECTION
 * @ranges: page ranges
 * @first_len: bytes of the first of them
 * @len: bytes of @data
 * @data: copy of the RNDIS messages, made when it was sent
 */
struct datapath_sent {
	struct list_head node;
	u16 queue;
	u64 id;
	u32 section;
	u32 ranges;
	u32 first_len;
	u32 len;
	u8 data[];
};

/**
 * struct datapath_frame - an RNDIS PACKET message as a host reads it
 * @data: the frame
 * @len: its bytes
 * @msg_len: bytes of the message
 * @head_len: bytes of it before the frame
 * @infos: which of the following there are
 * @csum: info 0
 * @lso: info 2
 * @vlan: info 6
 * @hash: info 8
 */
struct datapath_frame {
	const u8 *data;
	u32 len;
	u32 msg_len;
	u32 head_len;
	u32 infos;
	u32 csum;
	u32 lso;
	u32 vlan;
	u32 hash;
};

/**
 * struct datapath_ack - a completion that the driver has put on a ring
 * @node: in dp->acks
 * @queue: of which channel
 * @id: transaction id
 * @status: NVSP status word
 */
struct datapath_ack {
	struct list_head node;
	u16 queue;
	u64 id;
	u32 status;
};

/**
 * struct datapath - channels under test and the host's end of their rings
 * @test: its test
 * @ndev: not registered
 * @nv: its private data
 * @chns: what the driver knows its rings by
 * @sent: struct datapath_sent that were not completed
 * @nsent: number of packets ever sent
 * @acks: struct datapath_ack
 * @nacks: number of them
 * @frames: frames that were passed up
 * @in: by channel: struct datapath_packet that the driver has not read
 * @masked: by channel: interrupts are off
 * @more_came: what unmasking says
 * @send_error: of the next @send_errors sends
 * @send_errors: number of them, negative: all
 * @guess: sends that fail are completed nevertheless, before they return
 * @at_once: sends that do not fail are completed before they return
 * @ack_error: of the next @ack_errors completions
 * @ack_errors: number of them, negative: all
 * @room: percent of the ring that is free
 * @accepted: packets that the transmit function took
 * @retry: the retry timer ran when the driver was last left
 * @scheduled: the poll was not over, or was to run again
 * @fault: the first thing that is wrong on a ring
 */
struct datapath {
	struct kunit *test;
	struct net_device *ndev;
	struct netvsc *nv;
	struct vmbus_channel *chns;
	struct list_head sent;
	u32 nsent;
	struct list_head acks;
	u32 nacks;
	struct sk_buff_head frames;
	struct list_head in[DATAPATH_CHANS];
	bool masked[DATAPATH_CHANS];
	bool more_came;
	int send_error;
	int send_errors;
	bool guess;
	bool at_once;
	int ack_error;
	int ack_errors;
	u32 room;
	u32 accepted;
	bool retry;
	bool scheduled;
	const char *fault;
};

/* RUNNING, with so many channels; goes with the test. See DATAPATH_*. */
struct datapath *datapath_new(struct kunit *test, u32 channels);

/* netvsc_start_xmit() under the tx lock; counts what it takes */
netdev_tx_t datapath_xmit(struct datapath *dp, struct sk_buff *skb, bool more);
/* A linear frame to send on a queue, its bytes made of a seed */
struct sk_buff *datapath_skb(struct datapath *dp, u16 queue, u32 len, u32 seed);
void datapath_fill(u8 *to, u32 len, u32 seed);
bool datapath_filled(const u8 *bytes, u32 len, u32 seed);
/* The nth that is not completed, from 0 on */
struct datapath_sent *datapath_sent(struct datapath *dp, u32 nth);
/* The nth message in it; false: there are fewer, or it makes no sense */
bool datapath_frame(struct datapath *dp, const struct datapath_sent *sent,
		    u32 nth, struct datapath_frame *frame);
/* Complete it, forget it; and what NAPI does at the end of a poll */
void datapath_complete(struct datapath *dp, struct datapath_sent *sent);
void datapath_complete_all(struct datapath *dp);
/* Not to be completed: the test has done that, or nobody will */
void datapath_forget(struct datapath *dp);
void datapath_forget_acks(struct datapath *dp);
bool datapath_complete_id(struct datapath *dp, u32 queue, u64 id, u32 status);
void datapath_poll_end(struct datapath *dp, u32 queue);
/* Complete all; expect that nothing is lost, leaked or counted twice */
void datapath_settle(struct datapath *dp);

/* A packet for the driver to read; see 1.8 of the protocol reference */
void datapath_put(struct datapath *dp, u32 queue, u16 type, u16 flags, u64 id,
		  const void *rest, u32 rest_len, const void *msg, u32 len);
/* Its NAPI poll, called once */
int datapath_poll(struct datapath *dp, u32 queue, int budget);

#endif
