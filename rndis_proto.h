/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * RNDIS messages, per-packet infos, and the OIDs and NDIS objects in use, as
 * they are in memory shared with the host. Numbers in brackets name the
 * sections of the protocol reference.
 *
 * Layouts and values only: no function, no driver state; user space compiles
 * it, too. All fields are little endian; nothing is padded by the compiler.
 */
#ifndef _RNDIS_PROTO_H
#define _RNDIS_PROTO_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>

/* Message types [3.1] */
#define RNDIS_PACKET			0x00000001
#define RNDIS_INITIALIZE		0x00000002
#define RNDIS_HALT			0x00000003
#define RNDIS_QUERY			0x00000004
#define RNDIS_SET			0x00000005
#define RNDIS_RESET			0x00000006
#define RNDIS_INDICATE			0x00000007
#define RNDIS_KEEPALIVE			0x00000008
#define RNDIS_COMPLETION		0x80000000	/* or'ed to its request's */

struct rndis_hdr {			/* [3.1] */
	__le32 type;
	__le32 len;			/* from the first byte of this header */
} __packed;
static_assert(sizeof(struct rndis_hdr) == 8);

/* What an offset field in a message counts from [3.1] */
#define RNDIS_OFFSET_BASE		8

struct rndis_packet {			/* [3.3] */
	struct rndis_hdr hdr;
	__le32 data_offset;
	__le32 data_len;
	__le32 oob_offset;
	__le32 oob_len;
	__le32 oob_count;
	__le32 ppi_offset;
	__le32 ppi_len;
	__le32 vc_handle;
	__le32 reserved;
} __packed;
static_assert(sizeof(struct rndis_packet) == 44);

struct rndis_ppi {			/* [3.4] */
	__le32 size;			/* with this header */
	__le32 type;			/* bit 31: internal */
	__le32 offset;			/* of the data, from here */
} __packed;
static_assert(sizeof(struct rndis_ppi) == 12);

/* A PPI as the guest sends it: all have one word of data */
struct rndis_ppi_word {
	struct rndis_ppi ppi;
	__le32 data;
} __packed;
static_assert(sizeof(struct rndis_ppi_word) == 16);

#define RNDIS_PPI_INTERNAL		0x80000000
#define RNDIS_PPI_CSUM			0
#define RNDIS_PPI_LSO			2
#define RNDIS_PPI_VLAN			6
#define RNDIS_PPI_HASH			8
#define RNDIS_PPI_PACKET_ID		(1 | RNDIS_PPI_INTERNAL)

/* Checksum, transmit [3.4] */
#define RNDIS_TX_CSUM_IPV4		BIT(0)
#define RNDIS_TX_CSUM_IPV6		BIT(1)
#define RNDIS_TX_CSUM_TCP		BIT(2)
#define RNDIS_TX_CSUM_UDP		BIT(3)
#define RNDIS_TX_CSUM_IPHDR		BIT(4)
#define RNDIS_TX_CSUM_OFFSET		GENMASK(25, 16)

/* Checksum, receive [3.4] */
#define RNDIS_RX_CSUM_TCP_BAD		BIT(0)
#define RNDIS_RX_CSUM_UDP_BAD		BIT(1)
#define RNDIS_RX_CSUM_IP_BAD		BIT(2)
#define RNDIS_RX_CSUM_TCP_GOOD		BIT(3)
#define RNDIS_RX_CSUM_UDP_GOOD		BIT(4)
#define RNDIS_RX_CSUM_IP_GOOD		BIT(5)
#define RNDIS_RX_CSUM_LOOPBACK		BIT(6)
#define RNDIS_RX_CSUM_TCP_INVALID	BIT(7)
#define RNDIS_RX_CSUM_IP_INVALID	BIT(8)

/* LSO version 2 [3.4] */
#define RNDIS_LSO_MSS			GENMASK(19, 0)
#define RNDIS_LSO_TCP_OFFSET		GENMASK(29, 20)
#define RNDIS_LSO_V2			BIT(30)
#define RNDIS_LSO_IPV6			BIT(31)

/* 802.1Q: not in the order of a TCI [3.4] */
#define RNDIS_VLAN_PRIO			GENMASK(2, 0)
#define RNDIS_VLAN_DEI			BIT(3)
#define RNDIS_VLAN_ID			GENMASK(15, 4)

/* Packet id: one word of version, flags and id [3.4, 3.5] */
#define RNDIS_PACKET_ID_FRAGMENT	BIT(8)
#define RNDIS_PACKET_ID_FIRST		BIT(9)
#define RNDIS_PACKET_ID_LAST		BIT(10)

struct rndis_initialize {		/* [3.2] */
	struct rndis_hdr hdr;
	__le32 id;
	__le32 major;
	__le32 minor;
	__le32 max_transfer;
} __packed;
static_assert(sizeof(struct rndis_initialize) == 24);

#define RNDIS_MAJOR_VERSION		1
#define RNDIS_MINOR_VERSION		0
#define RNDIS_MAX_TRANSFER		0x4000

struct rndis_initialize_c {		/* [3.2] */
	struct rndis_hdr hdr;
	__le32 id;
	__le32 status;
	__le32 major;
	__le32 minor;
	__le32 device_flags;
	__le32 medium;
	__le32 max_packets;
	__le32 max_transfer;
	__le32 alignment_factor;
	__le32 af_offset;
	__le32 af_size;
} __packed;
static_assert(sizeof(struct rndis_initialize_c) == 52);

struct rndis_halt {			/* also KEEPALIVE [3.2] */
	struct rndis_hdr hdr;
	__le32 id;
} __packed;
static_assert(sizeof(struct rndis_halt) == 12);

struct rndis_query {			/* QUERY and SET [3.2] */
	struct rndis_hdr hdr;
	__le32 id;
	__le32 oid;
	__le32 info_len;
	__le32 info_offset;
	__le32 vc_handle;
} __packed;
static_assert(sizeof(struct rndis_query) == 28);

struct rndis_query_c {			/* [3.2] */
	struct rndis_hdr hdr;
	__le32 id;
	__le32 status;
	__le32 info_len;
	__le32 info_offset;
} __packed;
static_assert(sizeof(struct rndis_query_c) == 24);

struct rndis_set_c {			/* also KEEPALIVE C [3.2] */
	struct rndis_hdr hdr;
	__le32 id;
	__le32 status;
} __packed;
static_assert(sizeof(struct rndis_set_c) == 16);

struct rndis_indicate {			/* [3.2, 3.7] */
	struct rndis_hdr hdr;
	__le32 status;
	__le32 buf_len;
	__le32 buf_offset;
} __packed;
static_assert(sizeof(struct rndis_indicate) == 20);

/* The longest information that a reply carries, beside its header [3.2] */
#define RNDIS_INFO_MAX			4096

/* Status codes [3.6] */
#define RNDIS_STATUS_SUCCESS		0x00000000
#define RNDIS_STATUS_MEDIA_CONNECT	0x4001000b
#define RNDIS_STATUS_MEDIA_DISCONNECT	0x4001000c
#define RNDIS_STATUS_LINK_SPEED		0x40010013
#define RNDIS_STATUS_NETWORK_CHANGE	0x40010018
#define RNDIS_STATUS_FAILURE		0xc0000001

/* OIDs in use [3.8] */
#define OID_MAX_FRAME_SIZE		0x00010106
#define OID_LINK_SPEED			0x00010107
#define OID_PACKET_FILTER		0x0001010e
#define OID_MEDIA_CONNECT_STATUS	0x00010114
#define OID_RSS_CAPS			0x00010203
#define OID_RSS_PARAMS			0x00010204
#define OID_RNDIS_CONFIG_PARAM		0x0001021b
#define OID_FRIENDLY_NAME		0x00020216
#define OID_PERMANENT_ADDRESS		0x01010101
#define OID_OFFLOAD_PARAMS		0xfc01020c
#define OID_OFFLOAD_HW_CAPS		0xfc01020d

/* Packet filter [3.8] */
#define NDIS_FILTER_DIRECTED		0x0001
#define NDIS_FILTER_ALL_MULTICAST	0x0004
#define NDIS_FILTER_BROADCAST		0x0008
#define NDIS_FILTER_PROMISCUOUS		0x0020

#define NDIS_MEDIA_CONNECTED		0
#define NDIS_FRIENDLY_NAME_BYTES	512	/* UTF-16LE with its end */
#define NDIS_LINK_SPEED_UNIT		100	/* bit/s */

/* Objects [4.1] */
struct ndis_object {
	u8 type;
	u8 revision;
	__le16 size;
} __packed;
static_assert(sizeof(struct ndis_object) == 4);

#define NDIS_OBJECT_DEFAULT		0x80
#define NDIS_OBJECT_RSS_CAPS		0x88
#define NDIS_OBJECT_RSS_PARAMS		0x89
#define NDIS_OBJECT_OFFLOAD		0xa7

struct ndis_csum_caps {			/* part of struct ndis_offload */
	__le32 encapsulation;
	__le32 flags;
} __packed;

struct ndis_lso_caps {			/* part of struct ndis_offload */
	__le32 encapsulation;
	__le32 max_size;
	__le32 min_segments;
} __packed;

struct ndis_offload {			/* [4.2], up to revision 3 */
	struct ndis_object hdr;
	struct ndis_csum_caps ipv4_tx;
	struct ndis_csum_caps ipv4_rx;
	struct ndis_csum_caps ipv6_tx;
	struct ndis_csum_caps ipv6_rx;
	__le32 lso_v1[4];
	__le32 ipsec_v1[7];
	struct ndis_lso_caps lso_v4;
	struct ndis_lso_caps lso_v6;
	__le32 lso_v6_flags;
	__le32 flags;
	u8 ipsec_v2[32];		/* from here: revision 2 */
	u8 rsc_v4;			/* from here: revision 3 */
	u8 rsc_v6;
	__le16 pad;
	__le32 nvgre_flags;
	__le32 nvgre_max_header;
} __packed;
static_assert(sizeof(struct ndis_offload) == 156);
static_assert(offsetof(struct ndis_offload, ipsec_v2) == 112);
static_assert(offsetof(struct ndis_offload, rsc_v4) == 144);

#define NDIS_OFFLOAD_SIZE_1		112
#define NDIS_OFFLOAD_SIZE_2		144
#define NDIS_OFFLOAD_SIZE_3		156

#define NDIS_ENCAPSULATION_8023		0x2
#define NDIS_CSUM_IP_OPTIONS		0x001	/* IPv4; extension headers in IPv6 */
#define NDIS_CSUM_TCP_OPTIONS		0x004
#define NDIS_CSUM_TCP			0x010
#define NDIS_CSUM_UDP			0x040
#define NDIS_LSO_V6_EXT_HEADERS		0x001
#define NDIS_LSO_V6_TCP_OPTIONS		0x004

struct ndis_offload_params {		/* [4.3], revision 3 as guests send it */
	struct ndis_object hdr;
	u8 ipv4_csum;
	u8 tcp_v4_csum;
	u8 udp_v4_csum;
	u8 tcp_v6_csum;
	u8 udp_v6_csum;
	u8 lso_v1;
	u8 ipsec_v1;
	u8 lso_v4;
	u8 lso_v6;
	u8 tcp_connection_v4;
	u8 tcp_connection_v6;
	u8 pad;
	__le32 flags;
	u8 ipsec_v2;
	u8 ipsec_v2_v4;
	u8 rsc_v4;
	u8 rsc_v6;
	u8 encapsulated;
	u8 encapsulation_types;
	u8 reserved[2];
} __packed;
static_assert(sizeof(struct ndis_offload_params) == 28);

#define NDIS_OFFLOAD_PARAMS_REVISION	3
#define NDIS_OFFLOAD_PARAMS_SIZE_OLD	22	/* NVSP 4 and below */

#define NDIS_PARAM_NO_CHANGE		0
#define NDIS_CSUM_OFF			1
#define NDIS_CSUM_BOTH			4
#define NDIS_OFFLOAD_OFF		1
#define NDIS_OFFLOAD_ON			2

struct ndis_rss_caps {			/* [4.4] */
	struct ndis_object hdr;
	__le32 flags;
	__le32 interrupts;
	__le32 queues;
	__le16 table_entries;		/* revision 2 */
	__le16 pad;
} __packed;
static_assert(sizeof(struct ndis_rss_caps) == 20);

#define NDIS_RSS_CAPS_SIZE_1		16
#define NDIS_RSS_CAPS_SIZE_2		18

struct ndis_rss_params {		/* [4.5]; table, then key, behind it */
	struct ndis_object hdr;
	__le16 flags;
	__le16 base_cpu;
	__le32 hash_info;
	__le16 table_bytes;
	__le16 pad1;
	__le32 table_offset;
	__le16 key_bytes;
	__le16 pad2;
	__le32 key_offset;
	__le32 masks_offset;
	__le32 masks;
	__le32 mask_size;
} __packed;
static_assert(sizeof(struct ndis_rss_params) == 40);

#define NDIS_RSS_FLAG_DISABLE		0x10
#define NDIS_HASH_TOEPLITZ		0x00000001
#define NDIS_HASH_IPV4			0x00000100
#define NDIS_HASH_TCP_IPV4		0x00000200
#define NDIS_HASH_IPV6			0x00000400
#define NDIS_HASH_TCP_IPV6		0x00001000

struct rndis_config_param {		/* [4.6]; name, then value, behind it */
	__le32 name_offset;
	__le32 name_bytes;
	__le32 type;
	__le32 value_offset;
	__le32 value_bytes;
} __packed;
static_assert(sizeof(struct rndis_config_param) == 20);

#define RNDIS_CONFIG_STRING		2

#endif
