/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The RNDIS codec: bytes to plain values and back. Pure functions: no VMBus, no
 * netdev, no allocation, no logging; user space compiles them, too.
 */
#ifndef _RNDIS_MSG_H
#define _RNDIS_MSG_H

#include <linux/bitops.h>

#include "rndis_proto.h"

/* Bits of rndis_rx_desc.infos and rndis_tx_desc.infos */
#define RNDIS_INFO_HASH		BIT(0)
#define RNDIS_INFO_VLAN		BIT(1)
#define RNDIS_INFO_LSO		BIT(2)	/* transmit only */
#define RNDIS_INFO_CSUM		BIT(3)
#define RNDIS_INFO_PACKET_ID	BIT(4)	/* receive only */

/*
 * The most infos in a received PACKET, in bytes: all types that there are need
 * less, and the host could make the walk as long as its memory.
 */
#define RNDIS_RX_INFOS_MAX	1024

/* The longest header that rndis_msg_build() writes, in bytes */
#define RNDIS_TX_HDR_MAX \
	(sizeof(struct rndis_packet) + 4 * sizeof(struct rndis_ppi_word))

/**
 * struct rndis_rx_desc - what a received PACKET message says
 * @data_offset: of the frame, in bytes from the message's first
 * @data_len: of the frame, in bytes; at least 1
 * @infos: RNDIS_INFO_*: which of the following are valid; the others are not
 *	written to
 * @hash: RSS hash
 * @csum: RNDIS_RX_CSUM_*; all bits zero where good and bad contradict
 * @vlan_tci: as in the 802.1Q header, host byte order
 * @packet_id: RNDIS_PACKET_ID_* flags
 *
 * Values, checked and copied: nothing in it points to shared memory.
 */
struct rndis_rx_desc {
	u32 data_offset;
	u32 data_len;
	u32 infos;
	u32 hash;
	u32 csum;
	u32 packet_id;
	u16 vlan_tci;
};

/* Was it a TCP segment? The host has looked at its checksum then. */
static inline bool rndis_rx_is_tcp(const struct rndis_rx_desc *desc)
{
	return (desc->infos & RNDIS_INFO_CSUM) &&
	       (desc->csum & (RNDIS_RX_CSUM_TCP_GOOD | RNDIS_RX_CSUM_TCP_BAD));
}

/**
 * struct rndis_tx_desc - what a PACKET message to send shall say
 * @data_len: of the frame, in bytes
 * @pad: bytes behind the frame that the message length counts, too
 * @infos: RNDIS_INFO_*: which of the following to send
 * @hash: flow hash
 * @csum: RNDIS_TX_CSUM_* word
 * @lso: RNDIS_LSO_* word
 * @vlan_tci: as in the 802.1Q header, host byte order
 */
struct rndis_tx_desc {
	u32 data_len;
	u32 pad;
	u32 infos;
	u32 hash;
	u32 csum;
	u32 lso;
	u16 vlan_tci;
};

/**
 * struct rndis_reply - a completion of a control request
 * @type: its type, with RNDIS_COMPLETION
 * @id: of the request
 * @status: RNDIS_STATUS_*
 * @info_offset: QUERY C: of the information, from the message's first byte
 * @info_len: QUERY C: its length in bytes, inside the message
 */
struct rndis_reply {
	u32 type;
	u32 id;
	u32 status;
	u32 info_offset;
	u32 info_len;
};

/**
 * struct rndis_event - an INDICATE message
 * @status: RNDIS_STATUS_*
 * @has_value: there was a first word in its buffer
 * @value: that word
 */
struct rndis_event {
	u32 status;
	bool has_value;
	u32 value;
};

/**
 * rndis_msg_type() - look at a message's header, without its body
 * @msg: the message; may be in memory that the host writes to meanwhile
 * @len: bytes of it that are there
 * @type: result: its type
 *
 * Context: any. Return: 0, or -EMSGSIZE if its length is not within 8 and @len.
 * INDICATE may say less than it has, as old hosts did [D10].
 */
int rndis_msg_type(const void *msg, u32 len, u32 *type);

/**
 * rndis_msg_parse() - parse a PACKET message
 * @msg: the message; may be in memory that the host writes to meanwhile: every
 *	byte of it is read at most once
 * @len: bytes of it that are there (the range's)
 * @desc: result, complete only if it returns 0
 *
 * One pass that always advances. Unknown infos are skipped by their checked
 * size; an info that says impossible things refuses the message. Of several
 * infos of a type the last counts. An info offset of 0 means no infos. The
 * message's type is not looked at: rndis_msg_type() has done that.
 *
 * Context: any. Return: 0, -EMSGSIZE (message, frame or info block not inside),
 * -EBADMSG (an info, or an empty frame).
 */
int rndis_msg_parse(const void *msg, u32 len, struct rndis_rx_desc *desc);

/**
 * rndis_msg_hdr_len() - bytes that rndis_msg_build() will write
 * @desc: the message
 */
static inline u32 rndis_msg_hdr_len(const struct rndis_tx_desc *desc)
{
	return sizeof(struct rndis_packet) +
	       hweight32(desc->infos) * sizeof(struct rndis_ppi_word);
}

/**
 * rndis_msg_build() - write the header and infos of a PACKET message
 * @buf: to here; never read
 * @desc: what it says
 *
 * The infos' order is hash, VLAN, LSO, checksum. The frame and @desc->pad bytes,
 * which the caller writes, follow.
 *
 * Context: any. Return: bytes written, rndis_msg_hdr_len() of them.
 */
u32 rndis_msg_build(void *buf, const struct rndis_tx_desc *desc);

/**
 * rndis_msg_parse_reply() - parse a completion of a control request
 * @msg: private copy
 * @len: its length in bytes
 * @reply: result, complete only if it returns 0
 *
 * INITIALIZE C must have its fields up to the alignment factor; some hosts leave
 * the reserved ones behind it away.
 *
 * Context: any. Return: 0, -EMSGSIZE (too short for its type, or information
 * not inside), -EBADMSG (not a completion with an id).
 */
int rndis_msg_parse_reply(const void *msg, u32 len, struct rndis_reply *reply);

/**
 * rndis_msg_parse_event() - parse an INDICATE message
 * @msg: the message; may be in memory that the host writes to meanwhile: every
 *	byte of it is read at most once
 * @len: bytes of it that are there (the range's): its buffer may lie behind the
 *	message's own length [3.7, D10]
 * @event: result; a buffer that is not inside counts as none
 *
 * The message's type and length are not looked at: rndis_msg_type() has done
 * that.
 *
 * Context: any. Return: 0, or -EMSGSIZE.
 */
int rndis_msg_parse_event(const void *msg, u32 len, struct rndis_event *event);

#endif
