/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's synthetic NIC.  One file for each of its jobs: hv_netvsc.c is the
 * device and NVSP, hv_rndis.c the control messages and OIDs, hv_tx.c what the
 * guest sends, hv_rx.c what it gets, hv_rss.c which channel gets it, hv_rsc.c what
 * of it is coalesced, hv_vf.c what goes by a VF instead.
 */
#ifndef HV_NETVSC_H
#define HV_NETVSC_H

#include "net/net.h"
#include "hv_vmbus.h"
#include "hv_wire.h"

#define TYPE_HV_NETVSC "hv-netvsc"
OBJECT_DECLARE_SIMPLE_TYPE(HvNic, HV_NETVSC)

/* Most bytes of one RNDIS message or batch that a guest may send. */
#define NIC_MESSAGE_MAX         (128 * 1024)
/* Room that any single answer takes in the ring, checked before a request is read. */
#define NIC_ANSWER_ROOM         144
#define NIC_CONTROL_QUEUE       (100 * 1024)
#define NIC_FRAMES_MAX          375     /* ranges in a packet without coalesced frames */
#define NIC_RANGES_MAX          562     /* with them, and fragments of one */

typedef struct NicRange {
    uint32_t section;
    uint32_t len;
    bool more;                          /* the frame goes on in the next range */
} NicRange;

/* Where the headers of a frame are, and what they tell. */
typedef struct NicFlow {
    uint16_t vlan;              /* TCI, when tagged */
    bool tagged;                /* by 802.1Q */
    uint8_t tag_bytes;          /* of an outer tag, by which a frame may be longer */
    uint16_t l3;                /* offset of the IP header, 0 = not IP */
    uint16_t l4;                /* offset of the transport header, 0 = none */
    uint8_t family;             /* 4, 6 or 0 */
    uint8_t proto;              /* transport protocol of an unfragmented packet */
    bool extended;              /* IPv6 with extension headers: proto is the first's */
} NicFlow;

/* A frame for the guest: what is known of it beside its bytes. */
typedef struct NicFrame {
    uint8_t *data;
    size_t len;
    NicFlow flow;
    bool checked, bad;          /* the transport checksum is known to be good, or not */
    bool hashed;
    uint32_t hash;
} NicFrame;

/* What is told of a frame beside it: per-packet infos, 3.4. */
typedef struct NicInfo {
    bool whole;                 /* not a later fragment, which has only the last info */
    uint32_t csum;              /* CSUM_RX_* */
    bool hashed, tagged;
    uint32_t hash;
    uint16_t tci;
    uint8_t rsc;                /* RSC_*, 0 = is no fragment */
    uint16_t id;                /* of the coalesced frame */
} NicInfo;

/* A transfer-page packet that the guest has not completed yet. */
typedef struct NicRxPacket {
    unsigned n;
    NicRange range[];
} NicRxPacket;

typedef struct NicChanCounters {
    uint64_t tx_packets, tx_bytes, tx_messages, tx_errors;
    uint64_t rx_packets, rx_bytes, rx_messages;
    uint64_t completions_sent, completions_received;
    uint64_t tx_section_messages;       /* messages that used a send section */
} NicChanCounters;

typedef struct NicChan {
    HvChan *chan;
    NicRange pending[NIC_RANGES_MAX];   /* filled sections not yet announced */
    unsigned npending;
    GHashTable *outstanding;            /* transaction id -> NicRxPacket */
    uint32_t rx_sections;               /* receive sections the guest holds */
    GQueue held;                        /* see hv_hold.c */
    /* Positions in the ring from which data breaks a promise, UINT64_MAX = none:
     * the packet filter is 0, the data path is the VF. */
    uint64_t down_from, vf_from;
    NicChanCounters count;
} NicChan;

/* One of the two shared buffers. */
typedef struct NicBuffer {
    HvGpadl *gpadl;
    uint16_t id;
    uint32_t size;                      /* bytes of a section */
    uint32_t count;
    bool announced;                     /* by 101 or 104, ever, in this session */
    bool accepted;                      /* and taken: not a second time */
    bool revoked;
} NicBuffer;

/* When a send section may be used again: see hv_tx.c. */
typedef struct NicSectionUse {
    uint64_t horizon;
    uint16_t chan;
    bool used;
} NicSectionUse;

typedef struct NicRss {
    bool on;
    uint32_t hash;                      /* RSS_HASH_* */
    uint8_t key[RSS_KEY_SIZE];
    uint32_t table[RSS_TABLE_SIZE];     /* as many as are announced */
} NicRss;

/* Per protocol: may the device send a checked (tx) or report a good (rx) sum. */
typedef struct NicOffload {
    uint8_t ip4, tcp4, udp4, tcp6, udp6;        /* bit 0 tx, bit 1 rx */
    bool lso4, lso6, rsc4, rsc6;
} NicOffload;

typedef struct NicRsc NicRsc;           /* see hv_rsc.c */

/* Settings: what is offered, of each kind at all and of its parts. */
typedef struct NicSwitches {
    bool csum, lso, rsc, rss;
    bool ip4, tcp4, udp4, tcp6, udp6;
    bool lso4, lso6, rsc4, rsc6;
} NicSwitches;

/* See hv_vf.c. */
typedef struct NicVf {
    /* settings */
    char *netdev;                       /* the name of the port for a VF, if there is one */
    char *slot;                         /* the id of its slot */
    uint32_t serial;                    /* as told to the guest */

    bool mixed;                         /* broadcast and multicast stay synthetic */
    bool drop;                          /* what comes on the wrong path */
    NetClientState *port;
    bool associated;                    /* the guest is told of a VF */
    bool told;                          /* in this session it was, ever */
    bool refuse;                        /* to switch to it */
    int64_t delay;                      /* ms, of the answers to 129 */
    GQueue requests, news;
    QEMUTimer *timer;
    uint64_t tx_packets, rx_packets, rx_dropped;
    uint64_t wrong_vf, wrong_synthetic; /* frames that the guest sent the wrong way */
    uint64_t switches, refused;
} NicVf;

typedef struct NicGenerator {
    uint64_t wanted, sent;
    uint32_t size;
    uint8_t frame[ETH_FIELD_MAX];
    uint64_t first_instruction, last_instruction;
} NicGenerator;

/* What the guest spends from the first to the last frame of one size it sends. */
typedef struct NicMeter {
    uint32_t size;
    uint64_t packets, first, last;
} NicMeter;

struct HvNic {
    HvDevice parent_obj;

    /* settings */
    NICConf conf;
    char *nvsp_name;
    char *friendly_name;
    uint32_t queues;
    uint32_t mtu_max;                   /* highest L3 MTU */
    uint32_t speed;                     /* Mbit/s */
    NicSwitches offer;
    uint32_t lso_max;                   /* bytes */
    uint32_t rss_entries;               /* of the table, as announced */
    uint32_t recv_section, send_section; /* bytes; the first is a minimum, 0 = none */
    uint32_t table_at, table_field;     /* of the send table: where it is, is told to be */
    bool full_ranges;
    bool use_vnet;                      /* the backend's header, if it has one */
    bool link;
    bool hold_sends;                    /* see hv_hold.c */
    unsigned rings_read;                /* so many channels' rings are looked at */
    unsigned greeting;                  /* frames that wait for the packet filter */
    unsigned batch;                     /* most frames in a packet for the guest */
    uint32_t nvsp_max;
    NicOffload can;                     /* follows from what is offered */
    NicVf vf;

    NICState *nic;
    NicChan *nchan;
    unsigned vnet_len;                  /* backend's header, 0 = none */
    unsigned tx_queued;                 /* frames the backend has not taken yet */
    QEMUBH *flush_bh;
    uint8_t mac[6];                     /* current address */

    /* the session: forgotten when the primary closes, but for the last two */
    uint32_t version;                   /* NVSP, 0 = not agreed */
    bool got_config, got_ndis_version;
    uint32_t caps;
    uint32_t mtu_field;                 /* with Ethernet header */
    NicBuffer recv, send;
    uint32_t headroom;                  /* bytes before the data in a receive section */
    uint32_t *free_section;
    unsigned nfree;
    NicSectionUse *use;
    unsigned granted;                   /* subchannels asked for and granted */
    bool table_sent;
    bool rndis_up;
    uint32_t filter;
    bool vf_path;                       /* data goes by the VF */
    NicOffload offload;
    NicRss rss;
    NicRsc *rsc;
    GQueue control;                     /* GByteArray: messages for the guest */
    size_t control_bytes;
    bool stale;                         /* an indication was not queued: too many */
    GQueue events;                      /* RNDIS_STATUS_*: indications by command */

    uint64_t next_tid;
    uint8_t *scratch;                   /* one gathered message of the guest */
    NicGenerator gen;
    NicMeter meter;
    uint64_t rsc_packets, rsc_segments;
    uint64_t rx_no_section, rx_filtered, rx_oversize, rx_down, tx_dropped, keepalives;
};

static inline NicChan *nic_chan(HvChan *chan)
{
    return &HV_NETVSC(chan->dev)->nchan[chan->index];
}

/* nic_message_size: below 6.1 the host's messages are 28 bytes, later 40 (2.1). */
static inline uint32_t nic_message_size(const HvNic *nic)
{
    return nic->version >= NVSP_V61 ? 40 : 28;
}

/* The message with the send indirection table, 2.10. */
typedef struct NicSendTable {
    uint32_t count;                     /* as told */
    uint32_t at, field;                 /* where the entries are, are told to be */
    uint32_t size;                      /* bytes of the message */
    uint32_t entry[NVSP_SEND_TABLE_ENTRIES];
} NicSendTable;

/* hv_netvsc.c */
/* nic_put_table: send it; false when there is no room in the ring. */
bool nic_put_table(HvNic *nic, const NicSendTable *table);
/* nic_default_table: what is sent when all channels are open. */
NicSendTable nic_default_table(const HvNic *nic);
/* nic_fail: the guest broke the protocol for good; stop listening to it. */
void nic_fail(HvNic *nic);
/* nic_wake: look at all rings, as if the guest had rung every doorbell. */
void nic_wake(HvNic *nic);
/* nic_complete: answer a request with an NVSP message of @len bytes. */
void nic_complete(HvChan *chan, uint64_t tid, uint32_t type, uint8_t *msg,
                  uint32_t len);
/* nic_complete_empty: the same without a message. */
void nic_complete_empty(HvChan *chan, uint64_t tid);

/* hv_rndis.c */
/* rndis_control: handle one gathered control message. */
void rndis_control(HvNic *nic, uint8_t *msg, size_t len);
/* rndis_flush: send queued control messages as long as there is room. */
void rndis_flush(HvNic *nic);
/* rndis_link, rndis_speed: tell the guest. */
void rndis_link(HvNic *nic);
void rndis_speed(HvNic *nic);
/* rndis_offers_rsc: the guest is offered coalesced frames, or would be. */
bool rndis_offers_rsc(const HvNic *nic);
/* rndis_reset: forget what is queued. */
void rndis_reset(HvNic *nic);

/* hv_tx.c */
/* tx_packet: handle NVSP 107 of @pkt; the status for its completion. */
uint32_t tx_packet(HvChan *chan, HvPacket *pkt);
/* tx_filter_set: the packet filter is @filter now. */
void tx_filter_set(HvNic *nic, uint32_t filter);
/* tx_path_set: data goes by the VF now, or not. */
void tx_path_set(HvNic *nic, bool vf);
/* tx_chan_opened: what was set before @chan was opened holds for it too. */
void tx_chan_opened(HvChan *chan);
/* tx_published: packets before @horizon were written before the completion of the
 * packet in @section could be seen; UINT64_MAX: there is none yet. */
void tx_published(HvChan *chan, uint32_t section, uint64_t horizon);
bool tx_blocked(HvNic *nic);

/* hv_rx.c */
bool rx_can_receive(NetClientState *nc);
ssize_t rx_receive(NetClientState *nc, const uint8_t *buf, size_t size);
/* rx_put_control: write one message into a free section; -1 when there is none. */
int64_t rx_put_control(HvNic *nic, const uint8_t *msg, size_t len);
/* rx_section_get: a free section, as long as @keep others are left; -1 when not. */
int64_t rx_section_get(HvNic *nic, unsigned keep);
void rx_section_put(HvNic *nic, uint32_t section);
void rx_section_write(HvNic *nic, uint32_t section, uint32_t at, const void *buf,
                      size_t len);
/* rx_put_data: the frame's bytes, at their place in the section; without its tag if
 * @info has it. Returns how many. */
uint32_t rx_put_data(HvNic *nic, uint32_t section, const NicFrame *f,
                     const NicInfo *info);
/* rx_put_header: the RNDIS message around @len bytes of data; the length of its
 * range, 0 when a rule wants this fragment to be left out. */
uint32_t rx_put_header(HvChan *chan, uint32_t section, const NicInfo *info,
                       uint32_t len);
/* rx_info: what the guest is told of @f. */
NicInfo rx_info(const HvNic *nic, const NicFrame *f);
/* rx_ip_header_is_good: its checksum fits. */
bool rx_ip_header_is_good(const NicFrame *f);
/* rx_announce: one transfer-page packet over filled sections; false = no room. */
bool rx_announce(HvChan *chan, uint32_t channel_type, const NicRange *range,
                 unsigned n);
/* rx_flush: announce what is pending on @chan. */
void rx_flush(HvChan *chan);
/* rx_flush_all: the same on all channels, at the end of a burst of the backend; a
 * bottom half, @opaque is the NIC. */
void rx_flush_all(void *opaque);
/* rx_resume: sections came back; take more from the backend or the generator. */
void rx_resume(HvNic *nic);
/* rx_completed: the guest's completion of @tid. */
void rx_completed(HvChan *chan, HvPacket *pkt);
/* rx_drop_pending: forget what is filled but not announced. */
void rx_drop_pending(HvNic *nic);
/* rx_buffer_gone: the guest took the receive buffer away; what it has not completed
 * has no sections any more. */
void rx_buffer_gone(HvNic *nic);
/* rx_chan_closed: all that the guest held on @chan is free again. */
void rx_chan_closed(HvChan *chan, bool by_guest);
/* rx_generate: "COUNT SIZE [raw | udp SOURCE DESTINATION [PORT PORT]]" */
void rx_generate(HvNic *nic, const char *args, Error **errp);

/* rx_greet: one frame of @size bytes on @chan, whatever its state */
void rx_greet(HvChan *chan, unsigned size);

/* hv_hold.c */
void hold_init(HvNic *nic);
/* hold_do: a command of this file; false: it is none. */
bool hold_do(HvNic *nic, const char *text, Error **errp);
/* hold_completion: keep the completion of @pkt for later; false: it may go now. */
bool hold_completion(HvChan *chan, HvPacket *pkt, uint32_t status);
/* hold_flush: complete what is held no more. */
void hold_flush(HvChan *chan);
/* hold_closed: forget it. */
void hold_closed(HvChan *chan);
/* greet_opened, greet_filter: be the first on a channel, and as data may flow. */
void greet_opened(HvChan *chan);
void greet_filter(HvNic *nic, uint32_t before);

/* hv_event.c */
/* event_do: a command of this file; false: it is none. */
bool event_do(HvNic *nic, const char *text, Error **errp);

/* hv_vf.c */
void vf_init(HvNic *nic);
/* vf_reset: the session is over. */
void vf_reset(HvNic *nic);
/* vf_rndis_up: from now on the guest may hear of a VF. */
void vf_rndis_up(HvNic *nic);
/* vf_flush: send what is due, as long as there is room. */
void vf_flush(HvNic *nic);
/* vf_switch: handle NVSP 129. */
void vf_switch(HvNic *nic, HvChan *chan, HvPacket *pkt);
/* vf_completed: @tid is that of a message about the VF, which needs no completion. */
bool vf_completed(HvChan *chan, uint64_t tid);
/* vf_takes: this frame of the backend goes to the VF. */
bool vf_takes(const HvNic *nic, const uint8_t *frame);
/* vf_deliver: give it to it; its checksum is done. */
void vf_deliver(HvNic *nic, NicFrame *f);
/* vf_slot_is_on: the guest gives the VF's slot power, or has not finished to end that. */
bool vf_slot_is_on(const HvNic *nic);
/* vf_do: a command of this file; false: it is none. */
bool vf_do(HvNic *nic, const char *text, Error **errp);

/* hv_rsc.c */
typedef enum {
    RSC_NOT,                    /* the frame goes its usual way */
    RSC_TAKEN,
    RSC_WAIT,                   /* the backend must offer it again later */
} RscVerdict;

void rsc_init(HvNic *nic);
/* rsc_offer: coalesce @f for @chan with others of its flow, or let these go first. */
RscVerdict rsc_offer(HvChan *chan, NicFrame *f);
/* rsc_burst_ends: let all go that is coalesced, unless it is told to hold it. */
void rsc_burst_ends(HvNic *nic);
/* rsc_flush: let all go. */
void rsc_flush(HvNic *nic);
/* rsc_resume: let go what could not. */
void rsc_resume(HvNic *nic);
/* rsc_drop: forget what is coalesced for @chan, or for all if it is NULL. */
void rsc_drop(HvNic *nic, HvChan *chan);
/* rsc_do: a command of this file; false: it is none. */
bool rsc_do(HvNic *nic, const char *text, Error **errp);

/* hv_rss.c */
/* flow_parse: where the headers of @frame are. */
void flow_parse(const uint8_t *frame, size_t len, NicFlow *flow);
/* rss_hash: Toeplitz hash by the guest's settings; false when none applies. */
bool rss_hash(const HvNic *nic, const uint8_t *frame, const NicFlow *flow,
              uint32_t *hash);
/* rss_channel: the channel that frames with this hash go to. */
HvChan *rss_channel(HvNic *nic, bool hashed, uint32_t hash);
/* rss_set: OID 0x00010204; an RNDIS status. */
uint32_t rss_set(HvNic *nic, const uint8_t *obj, size_t len);

#endif
