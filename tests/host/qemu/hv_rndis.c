/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RNDIS control and the OIDs: protocol 3.2, 3.7, 3.8 and 4. */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "hv_audit.h"
#include "hv_mangle.h"
#include "hv_netvsc.h"
#include "hv_wirelog.h"

#define REPLY_MAX       1024

/* An answer under construction: what an OID query fills. */
typedef struct Reply {
    uint8_t data[REPLY_MAX];
    uint32_t len;
    uint32_t status;
} Reply;

/* --- messages to the guest --- */

static void queue_message(HvNic *nic, const uint8_t *msg, uint32_t len)
{
    uint32_t type = ldl_le_p(msg);
    g_autofree uint8_t *copy = g_memdup2(msg, len);
    size_t keep = len;

    hv_wirelog_bytes("rndis h2g", 0, type, msg, len);
    if (!hv_mangle(HV_H2G, HV_LAYER_RNDIS, 0, type, copy, &keep)) {
        return;
    }
    nic->control_bytes += keep;
    g_queue_push_tail(&nic->control, g_byte_array_append(g_byte_array_new(), copy,
                                                         keep));
}

/* An answer; the guest must not ask for more than it takes. */
static void queue_answer(HvNic *nic, const uint8_t *msg, uint32_t len)
{
    queue_message(nic, msg, len);
    /* twice, as our own indications may have filled it once */
    if (nic->control_bytes > 2 * NIC_CONTROL_QUEUE) {
        hv_audit(HV_AUDIT_RNDIS_FLOOD, "%zu bytes of answers not taken",
                 nic->control_bytes);
        nic_fail(nic);
    }
}

/* u32 in units of 100 bit/s */
static uint32_t speed_word(const HvNic *nic)
{
    return MIN((uint64_t)nic->speed * 10000, UINT32_MAX);
}

static void queue_indication(HvNic *nic, uint32_t status, const uint8_t *buf,
                             uint32_t len)
{
    uint8_t m[20 + NDIS_OFFLOAD_SIZE] = { 0 };

    stl_le_p(m, RNDIS_INDICATE);
    stl_le_p(m + 4, 20 + len);
    stl_le_p(m + 8, status);
    stl_le_p(m + 12, len);
    stl_le_p(m + 16, len ? 12 : 0);
    if (len) {
        memcpy(m + 20, buf, len);
    }
    queue_message(nic, m, 20 + len);
}

/* Queue the next indication that a command asked for; false: there is none. */
static bool queue_event(HvNic *nic)
{
    uint32_t status;
    uint8_t speed[4];

    if (!nic->rndis_up || g_queue_is_empty(&nic->events)) {
        return false;
    }
    status = GPOINTER_TO_UINT(g_queue_pop_head(&nic->events));
    stl_le_p(speed, speed_word(nic));
    queue_indication(nic, status, speed,
                     status == RNDIS_STATUS_LINK_SPEED ? sizeof(speed) : 0);
    return true;
}

/* False when some have to wait. */
static bool flush_control(HvNic *nic)
{
    HvChan *primary = nic->parent_obj.chan;
    GByteArray *msg;

    while ((msg = g_queue_peek_head(&nic->control)) &&
           hv_chan_room(primary, NIC_ANSWER_ROOM)) {
        int64_t section = rx_put_control(nic, msg->data, msg->len);
        NicRange range = {
            .section = section,
            .len = MIN(msg->len, nic->recv.size),
        };

        if (section < 0) {
            return false;
        }
        rx_announce(primary, 1, &range, 1);
        nic->control_bytes -= msg->len;
        g_byte_array_unref(g_queue_pop_head(&nic->control));
    }
    return !msg;
}

void rndis_flush(HvNic *nic)
{
    if (!hv_chan_is_open(nic->parent_obj.chan) || nic->recv.revoked) {
        return;
    }
    do {
        if (!flush_control(nic)) {
            return;
        }
    } while (queue_event(nic));
    if (nic->stale) {
        nic->stale = false;
        rndis_link(nic);
        rndis_speed(nic);
    }
}

void rndis_reset(HvNic *nic)
{
    GByteArray *msg;

    while ((msg = g_queue_pop_head(&nic->control))) {
        g_byte_array_unref(msg);
    }
    nic->control_bytes = 0;
    nic->stale = false;
    g_queue_clear(&nic->events);
}

static void indicate(HvNic *nic, uint32_t status, const uint8_t *buf, uint32_t len)
{
    if (!nic->rndis_up) {
        return;                 /* the guest asks when it comes up */
    }
    if (nic->control_bytes > NIC_CONTROL_QUEUE) {
        nic->stale = true;      /* only the last state matters, and it comes */
        return;
    }
    queue_indication(nic, status, buf, len);
    rndis_flush(nic);
}

void rndis_link(HvNic *nic)
{
    indicate(nic, nic->link ? RNDIS_STATUS_CONNECT : RNDIS_STATUS_DISCONNECT, NULL,
             0);
}

void rndis_speed(HvNic *nic)
{
    uint8_t buf[4];

    if (!(nic->caps & NVSP_CAP_TEAMING)) {
        return;
    }
    stl_le_p(buf, speed_word(nic));
    indicate(nic, RNDIS_STATUS_LINK_SPEED, buf, sizeof(buf));
}

/* --- offloads, 4.2 and 4.3 --- */

bool rndis_offers_rsc(const HvNic *nic)
{
    return (nic->can.rsc4 || nic->can.rsc6) && nic->version >= NVSP_V61 &&
           nic->caps & NVSP_CAP_RSC;
}

/* One direction's pair of encapsulation and flags, if it has any flag. */
static void put_csum(uint8_t *o, uint32_t flags)
{
    if (flags) {
        stl_le_p(o, 2);         /* 802.3 */
        stl_le_p(o + 4, flags | 0x005);
    }
}

static void put_lso(uint8_t *o, uint32_t max)
{
    stl_le_p(o, 2);
    stl_le_p(o + 4, max);
    stl_le_p(o + 8, NDIS_LSO_MIN_SEGMENTS);
}

/* @v: what there is, or what is on */
static void offload_object(const HvNic *nic, uint8_t *o, const NicOffload *v)
{
    memset(o, 0, NDIS_OFFLOAD_SIZE);
    o[0] = NDIS_OFFLOAD;
    o[1] = 3;
    stw_le_p(o + 2, NDIS_OFFLOAD_SIZE);
    for (int rx = 0; rx < 2; rx++) {
        put_csum(o + 4 + 8 * rx, (v->tcp4 >> rx & 1) * 0x010 |
                 (v->udp4 >> rx & 1) * 0x040 | (v->ip4 >> rx & 1) * 0x100);
        put_csum(o + 20 + 8 * rx, (v->tcp6 >> rx & 1) * 0x010 |
                 (v->udp6 >> rx & 1) * 0x040);
    }
    if (v->lso4) {
        put_lso(o + 80, nic->lso_max);
    }
    if (v->lso6) {
        put_lso(o + 92, nic->lso_max);
        stl_le_p(o + 104, 0x005);
    }
    o[144] = rndis_offers_rsc(nic) && v->rsc4;
    o[145] = rndis_offers_rsc(nic) && v->rsc6;
}

static uint32_t object_error(const char *what, const uint8_t *obj, size_t len)
{
    hv_audit(HV_AUDIT_RNDIS_OBJECT, "%s of %zu bytes, type 0x%02x", what, len,
             len ? obj[0] : 0);
    return len < 4 ? RNDIS_STATUS_FAILURE : RNDIS_STATUS_INVALID_DATA;
}

/* 0 no change, 1 off, 2 tx, 3 rx, 4 both */
static bool take_csum(uint8_t value, bool can, uint8_t *bits)
{
    static const uint8_t meaning[] = { 0, 0, 1, 2, 3 };

    if (value >= ARRAY_SIZE(meaning)) {
        return false;
    }
    if (value) {
        *bits = can ? meaning[value] : 0;
    }
    return true;
}

/* 0 no change, 1 off, 2 on */
static bool take_switch(uint8_t value, bool can, bool *on)
{
    if (value > 2) {
        return false;
    }
    if (value) {
        *on = can && value == 2;
    }
    return true;
}

static uint32_t set_offload(HvNic *nic, const uint8_t *o, size_t len)
{
    NicOffload new = nic->offload;
    const NicOffload *can = &nic->can;
    bool rsc = rndis_offers_rsc(nic);
    bool has_rsc = len >= 24 && lduw_le_p(o + 2) >= 24;

    if (len < 20 || o[0] != NDIS_DEFAULT || !o[1] || lduw_le_p(o + 2) < 20) {
        return object_error("offload parameters", o, len);
    }
    if (o[9] == 2) {
        return RNDIS_STATUS_NOT_SUPPORTED;      /* LSO version 1 */
    }
    if (!take_csum(o[4], can->ip4, &new.ip4) || !take_csum(o[5], can->tcp4, &new.tcp4) ||
        !take_csum(o[6], can->udp4, &new.udp4) ||
        !take_csum(o[7], can->tcp6, &new.tcp6) ||
        !take_csum(o[8], can->udp6, &new.udp6) ||
        !take_switch(o[11], can->lso4, &new.lso4) ||
        !take_switch(o[12], can->lso6, &new.lso6) ||
        (has_rsc && (!take_switch(o[22], rsc && can->rsc4, &new.rsc4) ||
                     !take_switch(o[23], rsc && can->rsc6, &new.rsc6)))) {
        return object_error("offload parameters", o, len);
    }
    rsc_flush(nic);             /* as it was asked for when it was coalesced */
    nic->offload = new;
    return RNDIS_STATUS_OK;
}

static void indicate_offload(HvNic *nic)
{
    uint8_t caps[NDIS_OFFLOAD_SIZE];

    offload_object(nic, caps, &nic->offload);
    indicate(nic, RNDIS_STATUS_OFFLOAD, caps, sizeof(caps));
}

/* --- queries --- */

static void reply_bytes(Reply *r, const void *data, uint32_t len)
{
    memcpy(r->data, data, len);
    r->len = len;
}

static void reply_u32(Reply *r, uint32_t value)
{
    stl_le_p(r->data, value);
    r->len = 4;
}

static void reply_name(const HvNic *nic, Reply *r)
{
    const char *name = nic->friendly_name ?: "Network Device";

    g_autofree gunichar2 *utf16 = g_utf8_to_utf16(name, -1, NULL, NULL, NULL);

    r->len = 512;               /* UTF-16LE, zero padded */
    for (size_t i = 0; utf16 && utf16[i] && i < 255; i++) {
        stw_le_p(r->data + 2 * i, utf16[i]);
    }
}

static void reply_rss(const HvNic *nic, Reply *r)
{
    if (!nic->offer.rss || nic->version < NVSP_V5) {
        r->status = RNDIS_STATUS_NOT_SUPPORTED;
        return;
    }
    r->data[0] = NDIS_RSS_CAPABILITIES;
    r->data[1] = 2;
    stw_le_p(r->data + 2, 18);
    stl_le_p(r->data + 4, 0x00000301);
    stl_le_p(r->data + 8, 1);
    stl_le_p(r->data + 12, nic->queues);
    stw_le_p(r->data + 16, nic->rss_entries);
    r->len = 18;
}

static void reply_link_state(const HvNic *nic, Reply *r)
{
    r->data[0] = NDIS_DEFAULT;
    r->data[1] = 1;
    stw_le_p(r->data + 2, 40);
    stl_le_p(r->data + 4, nic->link ? 1 : 2);
    stl_le_p(r->data + 8, 2);
    stq_le_p(r->data + 16, nic->speed * 1000000ull);
    stq_le_p(r->data + 24, nic->speed * 1000000ull);
    r->len = 40;
}

static void reply_encapsulation(Reply *r)
{
    r->data[0] = NDIS_ENCAPSULATION;
    r->data[1] = 1;
    stw_le_p(r->data + 2, 28);
    for (int at = 4; at < 28; at += 12) {
        stl_le_p(r->data + at, 1);
        stl_le_p(r->data + at + 4, 2);
        stl_le_p(r->data + at + 8, 14);
    }
    r->len = 28;
}

static const struct {
    uint32_t oid;
    uint32_t value;
} constants[] = {
    { OID_HARDWARE_STATUS, 0 }, { OID_MEDIA_SUPPORTED, 0 },
    { OID_MEDIA_IN_USE, 0 }, { OID_TX_BUFFER_SPACE, 262144 },
    { OID_RX_BUFFER_SPACE, 262144 }, { OID_VENDOR_ID, 0x0000155D },
    { OID_MAC_OPTIONS, 0x0000024D }, { OID_MAX_SEND_PACKETS, UINT32_MAX },
    { OID_MAX_MULTICAST, 0 }, { OID_ALIGN_ERRORS, 0 }, { OID_ONE_COLLISION, 0 },
    { OID_MORE_COLLISIONS, 0 }, { OID_PACKET_FILTER, 0 },
};

static const uint32_t answered[] = {
    OID_SUPPORTED_LIST, OID_MAX_LOOKAHEAD, OID_MAX_FRAME_SIZE, OID_LINK_SPEED,
    OID_TX_BLOCK_SIZE, OID_RX_BLOCK_SIZE, OID_VENDOR_DESCRIPTION, OID_CUR_LOOKAHEAD,
    OID_DRIVER_VERSION, OID_MAX_TOTAL_SIZE, OID_MEDIA_CONNECT,
    OID_VENDOR_DRIVER_VERSION, OID_RSS_CAPABILITIES, OID_MAX_LINK_SPEED,
    OID_LINK_STATE, OID_FRIENDLY_NAME, OID_PERMANENT_ADDRESS, OID_CURRENT_ADDRESS,
    OID_ENCAPSULATION, OID_OFFLOAD_CURRENT, OID_OFFLOAD_CAPABILITIES,
};

static void reply_supported(Reply *r)
{
    for (int i = 0; i < ARRAY_SIZE(constants); i++, r->len += 4) {
        stl_le_p(r->data + r->len, constants[i].oid);
    }
    for (int i = 0; i < ARRAY_SIZE(answered); i++, r->len += 4) {
        stl_le_p(r->data + r->len, answered[i]);
    }
}

static void reply_offload(const HvNic *nic, Reply *r, const NicOffload *now)
{
    offload_object(nic, r->data, now);
    r->len = NDIS_OFFLOAD_SIZE;
}

/*
 * A guest names the revision that it understands, which goes with the version of
 * NVSP; it gets no later one.
 */
static void shorten_offload(const HvNic *nic, Reply *r, const uint8_t *in, size_t len)
{
    static const uint16_t sizes[] = { NDIS_OFFLOAD_SIZE_1, NDIS_OFFLOAD_SIZE_2,
                                      NDIS_OFFLOAD_SIZE };
    int revision = nic->version >= NVSP_V5 ? 3 : nic->version >= NVSP_V4 ? 2 : 1;

    if (!len) {
        return;                 /* asks for whatever there is */
    }
    if (len < 4 || in[0] != NDIS_OFFLOAD || in[1] != revision ||
        lduw_le_p(in + 2) != sizes[revision - 1] || len < sizes[revision - 1]) {
        hv_audit(HV_AUDIT_OFFLOAD_QUERY, "type 0x%02x revision %u size %u in %zu bytes",
                 in[0], len < 4 ? 0 : in[1], len < 4 ? 0 : lduw_le_p(in + 2), len);
    }
    if (len >= 4 && in[0] == NDIS_OFFLOAD && in[1] >= 1 && in[1] < r->data[1]) {
        r->data[1] = in[1];
        r->len = sizes[in[1] - 1];
        stw_le_p(r->data + 2, r->len);
    }
}

/* OIDs that are one u32; false when @oid is not one of these. */
static bool query_number(const HvNic *nic, uint32_t oid, Reply *r)
{
    switch (oid) {
    case OID_MAX_LOOKAHEAD:
    case OID_CUR_LOOKAHEAD:
    case OID_MAX_FRAME_SIZE:
        reply_u32(r, nic->mtu_field - 14);
        return true;
    case OID_TX_BLOCK_SIZE:
    case OID_RX_BLOCK_SIZE:
    case OID_MAX_TOTAL_SIZE:
        reply_u32(r, nic->mtu_field);
        return true;
    case OID_LINK_SPEED:
        reply_u32(r, speed_word(nic));
        return true;
    case OID_MEDIA_CONNECT:
        reply_u32(r, nic->link ? 0 : 1);
        return true;
    }
    for (int i = 0; i < ARRAY_SIZE(constants); i++) {
        if (constants[i].oid == oid) {
            reply_u32(r, constants[i].value);
            return true;
        }
    }
    return false;
}

static void query_oid(HvNic *nic, uint32_t oid, const uint8_t *in, size_t len, Reply *r)
{
    static const uint8_t driver_version[2] = { 0x00, 0x01 };

    switch (oid) {
    case OID_SUPPORTED_LIST:
        reply_supported(r);
        break;
    case OID_MAX_LINK_SPEED:
        stq_le_p(r->data, nic->speed * 1000000ull);
        stq_le_p(r->data + 8, nic->speed * 1000000ull);
        r->len = 16;
        break;
    case OID_VENDOR_DESCRIPTION:
        reply_bytes(r, "Emulated Hyper-V NIC.", 21);
        break;
    case OID_DRIVER_VERSION:
    case OID_VENDOR_DRIVER_VERSION:
        reply_bytes(r, driver_version, 2);
        break;
    case OID_PERMANENT_ADDRESS:
        reply_bytes(r, nic->conf.macaddr.a, 6);
        break;
    case OID_CURRENT_ADDRESS:
        reply_bytes(r, nic->mac, 6);
        break;
    case OID_FRIENDLY_NAME:
        reply_name(nic, r);
        break;
    case OID_RSS_CAPABILITIES:
        reply_rss(nic, r);
        break;
    case OID_LINK_STATE:
        reply_link_state(nic, r);
        break;
    case OID_ENCAPSULATION:
        reply_encapsulation(r);
        break;
    case OID_OFFLOAD_CAPABILITIES:
        reply_offload(nic, r, &nic->can);
        shorten_offload(nic, r, in, len);
        break;
    case OID_OFFLOAD_CURRENT:
        reply_offload(nic, r, &nic->offload);
        break;
    default:
        if (!query_number(nic, oid, r)) {
            r->status = RNDIS_STATUS_NOT_SUPPORTED;
        }
    }
}

/* --- sets --- */

static uint32_t set_filter(HvNic *nic, const uint8_t *in, size_t len)
{
    uint32_t before;

    if (len < 4) {
        return object_error("packet filter", in, len);
    }
    before = nic->filter;
    if (!ldl_le_p(in)) {
        rsc_flush(nic);
    }
    tx_filter_set(nic, ldl_le_p(in));
    greet_filter(nic, before);
    return RNDIS_STATUS_OK;
}

/* 12 hex digits in UTF-16LE; false when they are not that */
static bool parse_mac(const uint8_t *text, size_t bytes, uint8_t mac[6])
{
    if (bytes != 24) {
        return false;
    }
    memset(mac, 0, 6);
    for (int i = 0; i < 12; i++) {
        uint16_t c = lduw_le_p(text + 2 * i);

        if (c > 127 || !g_ascii_isxdigit(c)) {
            return false;
        }
        mac[i / 2] = mac[i / 2] << 4 | g_ascii_xdigit_value(c);
    }
    return !(mac[0] & 1);
}

static bool utf16_equal(const uint8_t *text, size_t bytes, const char *ascii)
{
    if (bytes != 2 * strlen(ascii)) {
        return false;
    }
    for (size_t i = 0; ascii[i]; i++) {
        if (lduw_le_p(text + 2 * i) != (uint8_t)ascii[i]) {
            return false;
        }
    }
    return true;
}

static uint32_t set_config_parameter(HvNic *nic, const uint8_t *in, size_t len)
{
    uint32_t name_at, name_len, value_at, value_len;
    uint8_t mac[6];

    if (len < 20) {
        return object_error("config parameter", in, len);
    }
    name_at = ldl_le_p(in);
    name_len = ldl_le_p(in + 4);
    value_at = ldl_le_p(in + 12);
    value_len = ldl_le_p(in + 16);
    if (name_len > 255 || value_len > 255 || name_at > len || value_at > len ||
        len - name_at < name_len || len - value_at < value_len) {
        return object_error("config parameter", in, len);
    }
    if (utf16_equal(in + name_at, name_len, "NetworkAddress")) {
        if (!parse_mac(in + value_at, value_len, mac)) {
            return object_error("NetworkAddress", in, len);
        }
        memcpy(nic->mac, mac, 6);
    }
    return RNDIS_STATUS_OK;
}

static uint32_t set_oid(HvNic *nic, uint32_t oid, const uint8_t *in, size_t len)
{
    switch (oid) {
    case OID_PACKET_FILTER:
        return set_filter(nic, in, len);
    case OID_OFFLOAD_PARAMETERS:
        return set_offload(nic, in, len);
    case OID_RSS_PARAMETERS:
        return nic->offer.rss ? rss_set(nic, in, len) : RNDIS_STATUS_NOT_SUPPORTED;
    case OID_CONFIG_PARAMETER:
        return set_config_parameter(nic, in, len);
    case OID_NETWORK_ADDRESSES:
    case OID_ENCAPSULATION:
        return RNDIS_STATUS_OK;
    default:
        return RNDIS_STATUS_NOT_SUPPORTED;
    }
}

/* --- messages from the guest --- */

static void on_initialize(HvNic *nic, const uint8_t *msg, size_t len)
{
    uint8_t m[52] = { 0 };

    if (nic->rndis_up) {
        hv_audit(HV_AUDIT_RNDIS_STATE, "INITIALIZE twice");
        nic_fail(nic);
        return;
    }
    nic->rndis_up = true;
    stl_le_p(m, RNDIS_INITIALIZE | RNDIS_COMPLETE);
    stl_le_p(m + 4, sizeof(m));
    stl_le_p(m + 8, ldl_le_p(msg + 8));
    stl_le_p(m + 16, 1);
    stl_le_p(m + 24, 1);
    stl_le_p(m + 32, RNDIS_MAX_PACKETS);
    stl_le_p(m + 36, 0xEFFFFFFF);
    stl_le_p(m + 40, RNDIS_ALIGN_SHIFT);
    queue_answer(nic, m, sizeof(m));
    vf_rndis_up(nic);
}

static void on_halt(HvNic *nic, const uint8_t *msg, size_t len)
{
    nic->rndis_up = false;
    tx_filter_set(nic, 0);
}

/* The information buffer of a QUERY or SET; NULL (named) when it is outside. */
static const uint8_t *request_input(const uint8_t *msg, size_t len, uint32_t *n)
{
    uint32_t at = ldl_le_p(msg + 20);

    *n = ldl_le_p(msg + 16);
    if (!*n) {
        return msg + len;       /* offset 0 or 20: disagreement D8 */
    }
    if (at < 20 || at > len - 8 || len - 8 - at < *n) {
        hv_audit(HV_AUDIT_RNDIS_REQUEST, "input of %u bytes at %u in %zu bytes", *n,
                 at, len);
        return NULL;
    }
    return msg + 8 + at;
}

static void on_query(HvNic *nic, const uint8_t *msg, size_t len)
{
    g_autofree Reply *r = g_new0(Reply, 1);
    g_autofree uint8_t *m = NULL;
    const uint8_t *in;
    uint32_t n;

    in = request_input(msg, len, &n);
    if (in) {
        query_oid(nic, ldl_le_p(msg + 12), in, n, r);
    } else {
        r->status = RNDIS_STATUS_INVALID_DATA;
    }
    m = g_malloc0(24 + r->len);
    stl_le_p(m, RNDIS_QUERY | RNDIS_COMPLETE);
    stl_le_p(m + 4, 24 + r->len);
    stl_le_p(m + 8, ldl_le_p(msg + 8));
    stl_le_p(m + 12, r->status);
    stl_le_p(m + 16, r->len);
    stl_le_p(m + 20, 16);
    memcpy(m + 24, r->data, r->len);
    queue_answer(nic, m, 24 + r->len);
}

static void on_set(HvNic *nic, const uint8_t *msg, size_t len)
{
    uint8_t m[16] = { 0 };
    const uint8_t *in;
    uint32_t n, status, oid = ldl_le_p(msg + 12);
    uint32_t old_filter = nic->filter;

    in = request_input(msg, len, &n);
    status = in ? set_oid(nic, oid, in, n) : RNDIS_STATUS_INVALID_DATA;
    stl_le_p(m, RNDIS_SET | RNDIS_COMPLETE);
    stl_le_p(m + 4, sizeof(m));
    stl_le_p(m + 8, ldl_le_p(msg + 8));
    stl_le_p(m + 12, status);
    queue_answer(nic, m, sizeof(m));
    if (oid == OID_OFFLOAD_PARAMETERS && !status) {
        indicate_offload(nic);
    }
    if (!old_filter && nic->filter) {
        rx_resume(nic);
    }
}

static void on_keepalive(HvNic *nic, const uint8_t *msg, size_t len)
{
    uint8_t m[16] = { 0 };

    stl_le_p(m, RNDIS_KEEPALIVE | RNDIS_COMPLETE);
    stl_le_p(m + 4, sizeof(m));
    stl_le_p(m + 8, ldl_le_p(msg + 8));
    queue_answer(nic, m, sizeof(m));
}

static void on_reset(HvNic *nic, const uint8_t *msg, size_t len)
{
    uint8_t m[16] = { 0 };

    stl_le_p(m, RNDIS_RESET | RNDIS_COMPLETE);
    stl_le_p(m + 4, sizeof(m));
    stl_le_p(m + 8, RNDIS_STATUS_NOT_SUPPORTED);
    queue_answer(nic, m, sizeof(m));
}

static const struct {
    void (*handle)(HvNic *nic, const uint8_t *msg, size_t len);
    unsigned min;
} requests[] = {
    [RNDIS_INITIALIZE] = { on_initialize, 24 },
    [RNDIS_HALT] = { on_halt, 12 },
    [RNDIS_QUERY] = { on_query, 28 },
    [RNDIS_SET] = { on_set, 28 },
    [RNDIS_RESET] = { on_reset, 12 },
    [RNDIS_KEEPALIVE] = { on_keepalive, 12 },
};

void rndis_control(HvNic *nic, uint8_t *msg, size_t len)
{
    uint32_t type = len >= 8 ? ldl_le_p(msg) : 0;
    uint32_t own = len >= 8 ? ldl_le_p(msg + 4) : 0;

    hv_wirelog_bytes("rndis g2h", 0, type, msg, len);
    if (own < 12 || own > len) {
        hv_audit(HV_AUDIT_RNDIS_LENGTH, "control message of %u bytes in %zu", own,
                 len);
        return;
    }
    if (type == (RNDIS_KEEPALIVE | RNDIS_COMPLETE)) {
        if (own == 16 && !ldl_le_p(msg + 12)) {
            nic->keepalives++;
        } else {
            hv_audit(HV_AUDIT_RNDIS_LENGTH, "KEEPALIVE C of %u bytes, status 0x%x", own,
                     own < 16 ? 0 : ldl_le_p(msg + 12));
        }
        return;
    }
    if (type >= ARRAY_SIZE(requests) || !requests[type].handle) {
        hv_audit(HV_AUDIT_RNDIS_TYPE, "control message type 0x%x", type);
        return;
    }
    if (own < requests[type].min) {
        hv_audit(HV_AUDIT_RNDIS_LENGTH, "control message type %u of %u bytes", type,
                 own);
        return;
    }
    if (!nic->rndis_up && type != RNDIS_INITIALIZE) {
        hv_audit(HV_AUDIT_RNDIS_STATE, "message type %u before INITIALIZE", type);
    }
    requests[type].handle(nic, msg, own);
}
