/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers of the Hyper-V wire formats that the emulated host speaks.  Layouts
 * are read and written by offset (ldl_le_p and friends), so that nothing here
 * depends on a compiler's idea of a struct, and nothing is shared with the
 * driver under test: a misreading on one side must not hide on the other.
 *
 * The section behind each group is that of the protocol reference.
 */
#ifndef HV_WIRE_H
#define HV_WIRE_H

#define HV_PAGE_SIZE                    4096u

/* SynIC, 1.1 */
#define HV_VMBUS_SINT                   2
#define HV_MESSAGE_TYPE_VMBUS           1
#define HV_MESSAGE_PAYLOAD              240
#define HV_CONN_MESSAGE_V1              1
#define HV_CONN_MESSAGE_V5              4
/* what VERSION RESPONSE of 5.0 and later names for all further messages */
#define HV_CONN_MESSAGE_OWN             5
#define HV_CONN_EVENT_BASE              16

#define HV_STATUS_SUCCESS               0
#define HV_STATUS_INVALID_CODE          2
#define HV_STATUS_INVALID_INPUT         3
#define HV_STATUS_INVALID_CONNECTION    18
#define HV_STATUS_NO_BUFFERS            19

/* VMBus control messages, 1.2 */
enum {
    VMBUS_OFFER = 1,
    VMBUS_RESCIND = 2,
    VMBUS_REQUEST_OFFERS = 3,
    VMBUS_ALL_OFFERS = 4,
    VMBUS_OPEN = 5,
    VMBUS_OPEN_RESULT = 6,
    VMBUS_CLOSE = 7,
    VMBUS_GPADL_HEADER = 8,
    VMBUS_GPADL_BODY = 9,
    VMBUS_GPADL_CREATED = 10,
    VMBUS_GPADL_TEARDOWN = 11,
    VMBUS_GPADL_TORNDOWN = 12,
    VMBUS_RELID_RELEASED = 13,
    VMBUS_CONTACT = 14,
    VMBUS_VERSION = 15,
    VMBUS_UNLOAD = 16,
    VMBUS_UNLOAD_RESPONSE = 17,
    VMBUS_MODIFY = 22,
    VMBUS_MODIFY_RESPONSE = 24,
};

#define VMBUS_V2_4                      0x00020004u
#define VMBUS_V3_0                      0x00030000u
#define VMBUS_V4_0                      0x00040000u
#define VMBUS_V4_1                      0x00040001u
#define VMBUS_V5_0                      0x00050000u
#define VMBUS_V5_1                      0x00050001u
#define VMBUS_V5_2                      0x00050002u
#define VMBUS_V5_3                      0x00050003u

#define VMBUS_OFFER_SIZE                196
#define VMBUS_MAX_RELID                 2047
#define VMBUS_STATUS_FAILED             0x8000FFFFu

/* Rings, 1.7 and 1.8 */
#define RING_WRITE_INDEX                0
#define RING_READ_INDEX                 4
#define RING_INTERRUPT_MASK             8
#define RING_PENDING_SIZE               12
#define RING_FEATURES                   64
#define RING_DESC                       16
#define RING_FOOTER                     8

enum {
    PKT_INBAND = 6,
    PKT_XFER_PAGES = 7,
    PKT_GPA_DIRECT = 9,
    PKT_COMPLETION = 11,
};

/* NVSP, 2 */
#define NVSP_V1                         0x00000002u
#define NVSP_V2                         0x00030002u
#define NVSP_V4                         0x00040000u
#define NVSP_V5                         0x00050000u
#define NVSP_V6                         0x00060000u
#define NVSP_V61                        0x00060001u

enum {
    NVSP_INIT = 1,
    NVSP_INIT_COMPLETE = 2,
    NVSP_NDIS_VERSION = 100,
    NVSP_RECV_BUF = 101,
    NVSP_RECV_BUF_COMPLETE = 102,
    NVSP_REVOKE_RECV_BUF = 103,
    NVSP_SEND_BUF = 104,
    NVSP_SEND_BUF_COMPLETE = 105,
    NVSP_REVOKE_SEND_BUF = 106,
    NVSP_RNDIS = 107,
    NVSP_RNDIS_COMPLETE = 108,
    NVSP_NDIS_CONFIG = 125,
    NVSP_VF_ASSOCIATION = 128,
    NVSP_SWITCH_PATH = 129,
    NVSP_OID_QUERY = 131,
    NVSP_OID_QUERY_COMPLETE = 132,
    NVSP_SUBCHANNEL = 133,
    NVSP_SEND_TABLE = 134,
};

#define NVSP_STATUS_NONE                0
#define NVSP_STATUS_OK                  1
#define NVSP_STATUS_FAIL                2
#define NVSP_NO_SECTION                 0xFFFFFFFFu
#define NVSP_CAP_SRIOV                  (1u << 2)
#define NVSP_CAP_VLAN                   (1u << 3)
#define NVSP_CAP_TEAMING                (1u << 5)
#define NVSP_CAP_RSC                    (1u << 7)
#define NVSP_MDL_CHAIN                  34
#define NVSP_RX_HEADROOM                256
#define NVSP_RX_HEADROOM_MIN            112     /* the header and all infos */
#define NVSP_RX_TAILROOM                36
#define NVSP_SEND_SECTION               6144
#define NVSP_SEND_TABLE_ENTRIES         16
#define NVSP_SEND_TABLE_AT              12
#define NVSP_SEND_TABLE_SIZE_MAX        256
#define NVSP_MAX_QUEUES                 64
#define NVSP_CONTROL_SECTIONS           16

#define ETH_FIELD_DEFAULT               1514u
#define ETH_FIELD_MAX                   9216u

/* RNDIS, 3 */
enum {
    RNDIS_PACKET = 1,
    RNDIS_INITIALIZE = 2,
    RNDIS_HALT = 3,
    RNDIS_QUERY = 4,
    RNDIS_SET = 5,
    RNDIS_RESET = 6,
    RNDIS_INDICATE = 7,
    RNDIS_KEEPALIVE = 8,
};
#define RNDIS_COMPLETE                  0x80000000u

#define RNDIS_PACKET_HEADER             44
#define RNDIS_MAX_PACKETS               8
#define RNDIS_ALIGN_SHIFT               3

#define RNDIS_STATUS_OK                 0x00000000u
#define RNDIS_STATUS_CONNECT            0x4001000Bu
#define RNDIS_STATUS_DISCONNECT         0x4001000Cu
#define RNDIS_STATUS_LINK_SPEED         0x40010013u
#define RNDIS_STATUS_NETWORK_CHANGE     0x40010018u
#define RNDIS_STATUS_OFFLOAD            0x40020006u
#define RNDIS_STATUS_FAILURE            0xC0000001u
#define RNDIS_STATUS_NOT_SUPPORTED      0xC00000BBu
#define RNDIS_STATUS_INVALID_DATA       0xC0010015u

/* Per-packet information, 3.4 */
#define PPI_HEADER                      12
#define PPI_CHECKSUM                    0
#define PPI_LSO                         2
#define PPI_VLAN                        6
#define PPI_HASH                        8
#define PPI_PACKET_ID                   0x80000001u     /* internal, type 1 */

#define RSC_VERSION                     1
#define RSC_FRAGMENT                    (1u << 0)
#define RSC_FIRST                       (1u << 1)
#define RSC_LAST                        (1u << 2)

#define CSUM_TX_IPV4                    (1u << 0)
#define CSUM_TX_IPV6                    (1u << 1)
#define CSUM_TX_TCP                     (1u << 2)
#define CSUM_TX_UDP                     (1u << 3)
#define CSUM_TX_IP_HEADER               (1u << 4)
#define CSUM_TX_RESERVED                0xFC00FFE0u
#define CSUM_RX_TCP_BAD                 (1u << 0)
#define CSUM_RX_UDP_BAD                 (1u << 1)
#define CSUM_RX_IP_BAD                  (1u << 2)
#define CSUM_RX_TCP_GOOD                (1u << 3)
#define CSUM_RX_UDP_GOOD                (1u << 4)
#define CSUM_RX_IP_GOOD                 (1u << 5)
#define CSUM_RX_IP_STALE                (1u << 8)       /* the field has no valid value */

/* OIDs, 3.8 */
#define OID_SUPPORTED_LIST              0x00010101u
#define OID_HARDWARE_STATUS             0x00010102u
#define OID_MEDIA_SUPPORTED             0x00010103u
#define OID_MEDIA_IN_USE                0x00010104u
#define OID_MAX_LOOKAHEAD               0x00010105u
#define OID_MAX_FRAME_SIZE              0x00010106u
#define OID_LINK_SPEED                  0x00010107u
#define OID_TX_BUFFER_SPACE             0x00010108u
#define OID_RX_BUFFER_SPACE             0x00010109u
#define OID_TX_BLOCK_SIZE               0x0001010Au
#define OID_RX_BLOCK_SIZE               0x0001010Bu
#define OID_VENDOR_ID                   0x0001010Cu
#define OID_VENDOR_DESCRIPTION          0x0001010Du
#define OID_PACKET_FILTER               0x0001010Eu
#define OID_CUR_LOOKAHEAD               0x0001010Fu
#define OID_DRIVER_VERSION              0x00010110u
#define OID_MAX_TOTAL_SIZE              0x00010111u
#define OID_MAC_OPTIONS                 0x00010113u
#define OID_MEDIA_CONNECT               0x00010114u
#define OID_MAX_SEND_PACKETS            0x00010115u
#define OID_VENDOR_DRIVER_VERSION       0x00010116u
#define OID_NETWORK_ADDRESSES           0x00010118u
#define OID_RSS_CAPABILITIES            0x00010203u
#define OID_RSS_PARAMETERS              0x00010204u
#define OID_MAX_LINK_SPEED              0x00010206u
#define OID_LINK_STATE                  0x00010207u
#define OID_FRIENDLY_NAME               0x00020216u
#define OID_CONFIG_PARAMETER            0x0001021Bu
#define OID_PERMANENT_ADDRESS           0x01010101u
#define OID_CURRENT_ADDRESS             0x01010102u
#define OID_MAX_MULTICAST               0x01010104u
#define OID_ENCAPSULATION               0x0101010Au
#define OID_ALIGN_ERRORS                0x01020101u
#define OID_ONE_COLLISION               0x01020102u
#define OID_MORE_COLLISIONS             0x01020103u
#define OID_OFFLOAD_CURRENT             0xFC01020Bu
#define OID_OFFLOAD_PARAMETERS          0xFC01020Cu
#define OID_OFFLOAD_CAPABILITIES        0xFC01020Du

#define FILTER_DIRECTED                 0x0001
#define FILTER_MULTICAST                0x0002
#define FILTER_ALL_MULTICAST            0x0004
#define FILTER_BROADCAST                0x0008
#define FILTER_PROMISCUOUS              0x0020

/* NDIS objects, 4 */
#define NDIS_DEFAULT                    0x80
#define NDIS_RSS_CAPABILITIES           0x88
#define NDIS_RSS_PARAMETERS             0x89
#define NDIS_OFFLOAD                    0xA7
#define NDIS_ENCAPSULATION              0xA8

#define NDIS_OFFLOAD_SIZE               156
#define NDIS_OFFLOAD_SIZE_1             112     /* revision 1, and 2 */
#define NDIS_OFFLOAD_SIZE_2             144
#define NDIS_LSO_MAX                    0xF53Cu
#define NDIS_LSO_MIN_SEGMENTS           2

#define RSS_KEY_SIZE                    40
#define RSS_TABLE_SIZE                  128
#define RSS_FLAG_DISABLE                0x10
#define RSS_HASH_FUNCTION               0x000000FFu
#define RSS_HASH_IPV4                   0x00000100u
#define RSS_HASH_TCP_IPV4               0x00000200u
#define RSS_HASH_IPV6                   0x00000400u
#define RSS_HASH_TCP_IPV6               0x00001000u
#define RSS_HASH_UDP_IPV4               0x00004000u
#define RSS_HASH_UDP_IPV6               0x00008000u

#endif
