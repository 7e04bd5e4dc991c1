/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * NVSP: the messages between the network adapter's guest and host side, as they
 * are on the VMBus ring. Numbers in brackets name the sections of the protocol
 * reference that each fact is from.
 *
 * Layouts, versions and message types only: no function, no driver state. All
 * fields are little endian; nothing is padded by the compiler.
 */
#ifndef _NVSP_PROTO_H
#define _NVSP_PROTO_H

#include <linux/build_bug.h>
#include <linux/types.h>

/* Versions, newest first in the order that a guest tries them [2.1] */
#define NVSP_VERSION_6_1	0x00060001
#define NVSP_VERSION_6		0x00060000
#define NVSP_VERSION_5		0x00050000
#define NVSP_VERSION_4		0x00040000
#define NVSP_VERSION_2		0x00030002
#define NVSP_VERSION_1		0x00000002

/* NDIS version that goes with it [2.1] */
#define NDIS_VERSION_MAJOR	6
#define NDIS_VERSION_MINOR_1	1	/* NVSP 4 and below */
#define NDIS_VERSION_MINOR_30	30	/* NVSP 5 and above */

/* Message types in use [2.2] */
enum nvsp_msg_type {
	NVSP_INIT			= 1,
	NVSP_INIT_COMPLETE		= 2,
	NVSP_NDIS_VERSION		= 100,
	NVSP_RECV_BUF			= 101,
	NVSP_RECV_BUF_COMPLETE		= 102,
	NVSP_REVOKE_RECV_BUF		= 103,
	NVSP_SEND_BUF			= 104,
	NVSP_SEND_BUF_COMPLETE		= 105,
	NVSP_REVOKE_SEND_BUF		= 106,
	NVSP_RNDIS_PACKET		= 107,
	NVSP_RNDIS_PACKET_COMPLETE	= 108,
	NVSP_NDIS_CONFIG		= 125,
	NVSP_VF_ASSOCIATION		= 128,
	NVSP_SWITCH_DATA_PATH		= 129,
	NVSP_UPLINK_STATE		= 130,
	NVSP_SUBCHANNEL			= 133,	/* request and completion */
	NVSP_INDIRECTION_TABLE		= 134,
};

/* Status words in completions [2.1] */
#define NVSP_STATUS_SUCCESS		1
#define NVSP_STATUS_FAILURE		2
#define NVSP_STATUS_INVALID_RNDIS	5

/* Every message of the guest has this size, whatever the version [2.1] */
#define NVSP_MSG_SIZE			40

/* Ids that the guest gives its buffers; the first is also the page set id of
 * received packets [2.4]
 */
#define NVSP_RECV_BUF_ID		0xcafe
#define NVSP_SEND_BUF_ID		0

/* Historic upper bounds of the receive buffer, in bytes (interface: rings) */
#define NVSP_RECV_BUF_MAX		(31u << 20)
#define NVSP_RECV_BUF_MAX_OLD		(15u << 20)	/* NVSP 2 and below */
#define NVSP_SEND_BUF_MAX		(15u << 20)

struct nvsp_msg_init {			/* 1 [2.3] */
	__le32 type;
	__le32 version_min;
	__le32 version_max;		/* the same word */
} __packed;
static_assert(sizeof(struct nvsp_msg_init) == 12);

struct nvsp_msg_init_complete {		/* 2 [2.3] */
	__le32 type;
	__le32 deprecated;
	__le32 max_mdl_chain;
	__le32 status;
} __packed;
static_assert(sizeof(struct nvsp_msg_init_complete) == 16);

struct nvsp_msg_ndis_version {		/* 100 [2.5] */
	__le32 type;
	__le32 major;
	__le32 minor;
} __packed;
static_assert(sizeof(struct nvsp_msg_ndis_version) == 12);

struct nvsp_msg_ndis_config {		/* 125 [2.5] */
	__le32 type;
	__le32 mtu;			/* with the Ethernet header */
	__le32 reserved;
	__le64 capabilities;
} __packed;
static_assert(sizeof(struct nvsp_msg_ndis_config) == 20);

/* Capability bits of NDIS CONFIG [2.5] */
#define NDIS_CAP_SRIOV			BIT_ULL(2)
#define NDIS_CAP_IEEE8021Q		BIT_ULL(3)
#define NDIS_CAP_TEAMING		BIT_ULL(5)
#define NDIS_CAP_RSC			BIT_ULL(7)

struct nvsp_msg_buf {			/* 101, 104 [2.4] */
	__le32 type;
	__le32 gpadl;
	__le16 id;
	__le16 reserved;
} __packed;
static_assert(sizeof(struct nvsp_msg_buf) == 12);

struct nvsp_msg_recv_buf_complete {	/* 102 [2.4] */
	__le32 type;
	__le32 status;
	__le32 num_sections;		/* 1 */
	__le32 offset;			/* of section 0: 0 */
	__le32 sub_alloc_size;
	__le32 num_sub_allocs;
	__le32 end_offset;
} __packed;
static_assert(sizeof(struct nvsp_msg_recv_buf_complete) == 28);

struct nvsp_msg_send_buf_complete {	/* 105 [2.4] */
	__le32 type;
	__le32 status;
	__le32 section_size;
} __packed;
static_assert(sizeof(struct nvsp_msg_send_buf_complete) == 12);

struct nvsp_msg_revoke {		/* 103, 106 [2.6] */
	__le32 type;
	__le16 id;
} __packed;
static_assert(sizeof(struct nvsp_msg_revoke) == 6);

/* Channel types of RNDIS PACKET [2.7] */
#define NVSP_CHANNEL_DATA		0
#define NVSP_CHANNEL_CONTROL		1
#define NVSP_NO_SECTION			0xffffffffu

struct nvsp_msg_rndis_packet {		/* 107 [2.7] */
	__le32 type;
	__le32 channel_type;
	__le32 section_index;
	__le32 section_size;		/* bytes in use */
} __packed;
static_assert(sizeof(struct nvsp_msg_rndis_packet) == 16);

struct nvsp_msg_rndis_complete {	/* 108 [2.7] */
	__le32 type;
	__le32 status;
} __packed;
static_assert(sizeof(struct nvsp_msg_rndis_complete) == 8);

struct nvsp_msg_vf_association {	/* 128 [2.8] */
	__le32 type;
	__le32 allocated;
	__le32 serial;
} __packed;
static_assert(sizeof(struct nvsp_msg_vf_association) == 12);

struct nvsp_msg_switch_data_path {	/* 129 [2.8] */
	__le32 type;
	__le32 data_path;
} __packed;
static_assert(sizeof(struct nvsp_msg_switch_data_path) == 8);

#define NVSP_SUBCHANNEL_ALLOCATE	1

struct nvsp_msg_subchannel {		/* 133, request [2.9] */
	__le32 type;
	__le32 operation;
	__le32 count;			/* without the primary */
} __packed;
static_assert(sizeof(struct nvsp_msg_subchannel) == 12);

struct nvsp_msg_subchannel_complete {	/* 133, completion [2.9] */
	__le32 type;
	__le32 status;
	__le32 granted;
} __packed;
static_assert(sizeof(struct nvsp_msg_subchannel_complete) == 12);

#define NVSP_SEND_TABLE_SIZE		16

struct nvsp_msg_indirection_table {	/* 134 [2.10] */
	__le32 type;
	__le32 count;
	__le32 offset;			/* of the table, from type */
} __packed;
static_assert(sizeof(struct nvsp_msg_indirection_table) == 12);

/* Where hosts of NVSP 6 and below have the table in a message of at least
 * this many bytes, whatever their offset field says [2.10]
 */
#define NVSP_TABLE_OLD_OFFSET		40
#define NVSP_TABLE_OLD_SIZE		(NVSP_TABLE_OLD_OFFSET + 4 * NVSP_SEND_TABLE_SIZE)

/* What the guest sends: one of the above, zeroes behind it */
union nvsp_msg {
	__le32 type;
	struct nvsp_msg_init init;
	struct nvsp_msg_ndis_version ndis_version;
	struct nvsp_msg_ndis_config ndis_config;
	struct nvsp_msg_buf buf;
	struct nvsp_msg_revoke revoke;
	struct nvsp_msg_rndis_packet rndis;
	struct nvsp_msg_switch_data_path data_path;
	struct nvsp_msg_subchannel subchannel;
	u8 bytes[NVSP_MSG_SIZE];
} __packed;
static_assert(sizeof(union nvsp_msg) == NVSP_MSG_SIZE);

#endif
