/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The synthetic NIC of the host: the device, and NVSP (protocol 2). */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "hw/qdev-properties.h"
#include "hv_audit.h"
#include "hv_mangle.h"
#include "hv_netvsc.h"
#include "hv_wirelog.h"
#include "standard-headers/linux/virtio_net.h"

#define WORK_BUDGET     256     /* packets of one channel before others get a turn */

static const uint8_t class_guid[16] = {
    0x63, 0x51, 0x61, 0xF8, 0x3E, 0xDF, 0xC5, 0x46,
    0x91, 0x3F, 0xF2, 0xD2, 0xF9, 0x65, 0xED, 0x0E,
};

static const struct {
    const char *name;
    uint32_t word;
} nvsp_versions[] = {
    { "1", NVSP_V1 }, { "2", NVSP_V2 }, { "4", NVSP_V4 },
    { "5", NVSP_V5 }, { "6", NVSP_V6 }, { "6.1", NVSP_V61 },
};

static bool version_known(uint32_t word)
{
    for (int i = 0; i < ARRAY_SIZE(nvsp_versions); i++) {
        if (nvsp_versions[i].word == word) {
            return true;
        }
    }
    return false;
}

void nic_fail(HvNic *nic)
{
    for (unsigned i = 0; i < nic->queues; i++) {
        if (hv_chan_is_open(&nic->parent_obj.chan[i])) {
            hv_chan_break(&nic->parent_obj.chan[i]);
        }
    }
}

void nic_wake(HvNic *nic)
{
    for (unsigned i = 0; i < nic->queues; i++) {
        hv_chan_wake(&nic->parent_obj.chan[i]);
    }
}

void nic_complete(HvChan *chan, uint64_t tid, uint32_t type, uint8_t *msg,
                  uint32_t len)
{
    HvNic *nic = HV_NETVSC(chan->dev);
    size_t keep = MAX(len, nic_message_size(nic));

    stl_le_p(msg, type);
    if (type != NVSP_RNDIS_COMPLETE) {
        hv_wirelog_bytes("nvsp h2g", chan->index, type, msg, keep);
    }
    if (!hv_mangle(HV_H2G, HV_LAYER_NVSP, chan->index, type, msg, &keep)) {
        return;
    }
    if (!hv_chan_send(chan, PKT_COMPLETION, false, tid, NULL, 0, msg, keep)) {
        hv_chan_break(chan);    /* the room was checked before: indices are lies */
    }
    nic_chan(chan)->count.completions_sent++;
}

void nic_complete_empty(HvChan *chan, uint64_t tid)
{
    hv_chan_send(chan, PKT_COMPLETION, false, tid, NULL, 0, NULL, 0);
    nic_chan(chan)->count.completions_sent++;
}

static void complete_empty(HvChan *chan, HvPacket *pkt)
{
    if (pkt->wants_completion) {
        nic_complete_empty(chan, pkt->tid);
    }
}

/* --- buffers, 2.4 --- */

static void buffer_release(NicBuffer *b)
{
    hv_gpadl_put(b->gpadl);
    b->gpadl = NULL;
    b->count = 0;
}

static void recv_sections_init(HvNic *nic)
{
    g_free(nic->free_section);
    nic->free_section = g_new(uint32_t, nic->recv.count);
    nic->nfree = nic->recv.count;
    for (uint32_t i = 0; i < nic->nfree; i++) {
        nic->free_section[i] = nic->recv.count - 1 - i;
    }
}

/* True when the buffer of messages 101 and 104 is good; fills @b. */
static bool buffer_take(HvChan *chan, NicBuffer *b, const uint8_t *m, uint32_t size,
                        uint32_t least)
{
    HvGpadl *g = hv_gpadl_get(chan, ldl_le_p(m + 4));

    b->announced = true;
    b->revoked = false;
    b->id = lduw_le_p(m + 8);
    b->size = size;
    if (!g) {
        hv_audit(HV_AUDIT_NVSP_BUFFER, "no GPADL 0x%x", ldl_le_p(m + 4));
        return false;
    }
    if (hv_gpadl_bytes(g) / size < least) {
        hv_gpadl_put(g);        /* too small: refused, but it may ask */
        return false;
    }
    b->gpadl = g;
    b->count = hv_gpadl_bytes(g) / size;
    b->accepted = true;
    return true;
}

/* Bytes of a receive section, and where in it the data is. */
static uint32_t recv_section_size(HvNic *nic)
{
    uint32_t frame = nic->mtu_field + 4;

    nic->headroom = NVSP_RX_HEADROOM;
    if (!nic->recv_section) {
        return NVSP_RX_HEADROOM + nic->mtu_field + NVSP_RX_TAILROOM;
    }
    if (nic->recv_section < NVSP_RX_HEADROOM + frame) {
        nic->headroom = MAX(NVSP_RX_HEADROOM_MIN,
                            (int)(nic->recv_section - frame) & ~7);
    }
    return MAX(nic->recv_section, nic->headroom + frame);
}

static void nvsp_recv_buf(HvNic *nic, HvChan *chan, HvPacket *pkt)
{
    uint32_t size = recv_section_size(nic);
    bool ok = buffer_take(chan, &nic->recv, pkt->payload, size,
                          NVSP_CONTROL_SECTIONS + nic->queues);
    uint8_t m[40] = { 0 };

    stl_le_p(m + 4, ok ? NVSP_STATUS_OK : NVSP_STATUS_FAIL);
    if (ok) {
        recv_sections_init(nic);
        stl_le_p(m + 8, 1);
        stl_le_p(m + 16, size);
        stl_le_p(m + 20, nic->recv.count);
        stl_le_p(m + 24, size * nic->recv.count);
    }
    nic_complete(chan, pkt->tid, NVSP_RECV_BUF_COMPLETE, m, 28);
}

static void nvsp_send_buf(HvNic *nic, HvChan *chan, HvPacket *pkt)
{
    bool ok = buffer_take(chan, &nic->send, pkt->payload, nic->send_section, 1);
    uint8_t m[40] = { 0 };

    stl_le_p(m + 4, ok ? NVSP_STATUS_OK : NVSP_STATUS_FAIL);
    if (ok) {
        g_free(nic->use);
        nic->use = g_new0(NicSectionUse, nic->send.count);
        stl_le_p(m + 8, nic->send.size);
    }
    nic_complete(chan, pkt->tid, NVSP_SEND_BUF_COMPLETE, m, 12);
}

static void nvsp_revoke(HvNic *nic, HvChan *chan, HvPacket *pkt)
{
    bool recv = ldl_le_p(pkt->payload) == NVSP_REVOKE_RECV_BUF;
    NicBuffer *b = recv ? &nic->recv : &nic->send;
    uint16_t id = lduw_le_p(pkt->payload + 4);

    if (!b->announced || b->revoked || b->id != id) {
        hv_audit(HV_AUDIT_NVSP_REVOKE, "%s buffer, id 0x%x",
                 recv ? "receive" : "send", id);
        nic_fail(nic);
        return;
    }
    if (nic->filter) {
        hv_audit(HV_AUDIT_TEARDOWN_ORDER, "revoke with packet filter 0x%x",
                 nic->filter);
    }
    b->revoked = true;
    if (recv) {
        rx_drop_pending(nic);
    }
}

/* --- the other messages --- */

static void nvsp_init(HvNic *nic, HvChan *chan, HvPacket *pkt)
{
    uint32_t version = ldl_le_p(pkt->payload + 4);
    uint8_t m[40] = { 0 };
    bool ok = version_known(version) && version <= nic->nvsp_max;

    if (nic->version || ldl_le_p(pkt->payload + 8) != version) {
        hv_audit(HV_AUDIT_NVSP_INIT, "versions 0x%x and 0x%x, agreed before: 0x%x",
                 version, ldl_le_p(pkt->payload + 8), nic->version);
        if (nic->version) {
            nic_fail(nic);
            return;
        }
    }
    stl_le_p(m + 4, ok && version == NVSP_V1 ? 2 : UINT32_MAX);
    stl_le_p(m + 8, NVSP_MDL_CHAIN);
    stl_le_p(m + 12, ok ? NVSP_STATUS_OK : NVSP_STATUS_NONE);
    nic_complete(chan, pkt->tid, NVSP_INIT_COMPLETE, m, 16);
    nic->version = ok ? version : 0;
}

static void nvsp_ndis_version(HvNic *nic, HvChan *chan, HvPacket *pkt)
{
    nic->got_ndis_version = true;
    complete_empty(chan, pkt);
}

static void nvsp_ndis_config(HvNic *nic, HvChan *chan, HvPacket *pkt)
{
    uint32_t field = ldl_le_p(pkt->payload + 4);

    nic->got_config = true;
    nic->caps = ldl_le_p(pkt->payload + 12);
    if (field < ETH_FIELD_DEFAULT || field > nic->mtu_max + 14) {
        field = MIN(ETH_FIELD_DEFAULT, nic->mtu_max + 14);
    }
    nic->mtu_field = field;
    complete_empty(chan, pkt);
}

static void nvsp_oid_query(HvNic *nic, HvChan *chan, HvPacket *pkt)
{
    uint8_t m[40] = { 0 };

    stl_le_p(m + 4, RNDIS_STATUS_NOT_SUPPORTED);
    nic_complete(chan, pkt->tid, NVSP_OID_QUERY_COMPLETE, m, 12);
}

static void nvsp_subchannel(HvNic *nic, HvChan *chan, HvPacket *pkt)
{
    uint32_t op = ldl_le_p(pkt->payload + 4), n = ldl_le_p(pkt->payload + 8);
    bool ok = op == 1 && n >= 1 && n < nic->queues && !nic->granted;
    uint8_t m[40] = { 0 };

    if (!ok) {
        hv_audit(HV_AUDIT_NVSP_CHANNELS, "operation %u, %u channels, %u before", op,
                 n, nic->granted);
    }
    stl_le_p(m + 4, ok ? NVSP_STATUS_OK : NVSP_STATUS_FAIL);
    stl_le_p(m + 8, ok ? n : 0);
    nic_complete(chan, pkt->tid, NVSP_SUBCHANNEL, m, 12);
    if (ok) {
        nic->granted = n;
        for (unsigned i = 1; i <= n; i++) {
            hv_chan_offer(&nic->parent_obj.chan[i]);
        }
    }
}

static void nvsp_rndis(HvNic *nic, HvChan *chan, HvPacket *pkt)
{
    bool data = !ldl_le_p(pkt->payload + 4);
    uint32_t section = ldl_le_p(pkt->payload + 8);
    uint32_t status = tx_packet(chan, pkt);
    uint64_t horizon = hv_chan_horizon(chan);
    uint8_t m[40] = { 0 };

    if (data && pkt->wants_completion && hold_completion(chan, pkt, status)) {
        return;
    }
    stl_le_p(m + 4, status);
    if (pkt->wants_completion) {
        nic_complete(chan, pkt->tid, NVSP_RNDIS_COMPLETE, m, 8);
    }
    tx_published(chan, section, horizon);
    rndis_flush(nic);
}

bool nic_put_table(HvNic *nic, const NicSendTable *table)
{
    HvChan *primary = nic->parent_obj.chan;
    uint8_t m[NVSP_SEND_TABLE_SIZE_MAX] = { 0 };
    size_t keep = table->size;

    if (!hv_chan_room(primary, table->size)) {
        return false;
    }
    stl_le_p(m, NVSP_SEND_TABLE);
    stl_le_p(m + 4, table->count);
    stl_le_p(m + 8, table->field);
    for (unsigned i = 0; i < NVSP_SEND_TABLE_ENTRIES; i++) {
        if (table->at + 4 * i + 4 <= table->size) {
            stl_le_p(m + table->at + 4 * i, table->entry[i]);
        }
    }
    hv_wirelog_bytes("nvsp h2g", 0, NVSP_SEND_TABLE, m, keep);
    if (hv_mangle(HV_H2G, HV_LAYER_NVSP, 0, NVSP_SEND_TABLE, m, &keep)) {
        hv_chan_send(primary, PKT_INBAND, false, 0, NULL, 0, m, keep);
    }
    return true;
}

NicSendTable nic_default_table(const HvNic *nic)
{
    NicSendTable table = {
        .count = NVSP_SEND_TABLE_ENTRIES,
        .at = nic->table_at,
        .field = nic->table_field ?: nic->table_at,
        .size = nic->table_at + 4 * NVSP_SEND_TABLE_ENTRIES,
    };

    for (unsigned i = 0; i < NVSP_SEND_TABLE_ENTRIES; i++) {
        table.entry[i] = i % (nic->granted + 1);
    }
    return table;
}

/* After the last granted subchannel is open: where to send what (2.10). */
static void send_table(HvNic *nic)
{
    HvChan *primary = nic->parent_obj.chan;
    NicSendTable table = nic_default_table(nic);

    for (unsigned i = 1; i <= nic->granted; i++) {
        if (!hv_chan_is_open(&primary[i])) {
            return;
        }
    }
    if (nic->granted && !nic->table_sent) {
        nic->table_sent = nic_put_table(nic, &table);
    }
}

/* --- which message when, 2.12 --- */

enum {
    NEEDS_ANSWER = 1 << 0,      /* useless without the completion flag */
    ONCE = 1 << 1,
    ANY_CHANNEL = 1 << 2,
};

static const struct {
    uint32_t type;
    uint32_t since;
    uint8_t min, fields;        /* least length; bytes in use */
    uint8_t flags;
    void (*handle)(HvNic *nic, HvChan *chan, HvPacket *pkt);
} messages[] = {
    { NVSP_INIT, 0, 12, 12, NEEDS_ANSWER, nvsp_init },
    { NVSP_NDIS_VERSION, NVSP_V1, 12, 12, ONCE, nvsp_ndis_version },
    { NVSP_NDIS_CONFIG, NVSP_V2, 20, 20, ONCE, nvsp_ndis_config },
    { NVSP_RECV_BUF, NVSP_V1, 10, 12, ONCE | NEEDS_ANSWER, nvsp_recv_buf },
    { NVSP_SEND_BUF, NVSP_V1, 10, 12, ONCE | NEEDS_ANSWER, nvsp_send_buf },
    { NVSP_REVOKE_RECV_BUF, NVSP_V1, 6, 8, 0, nvsp_revoke },
    { NVSP_REVOKE_SEND_BUF, NVSP_V1, 6, 8, 0, nvsp_revoke },
    { NVSP_RNDIS, NVSP_V1, 16, 16, ANY_CHANNEL, nvsp_rndis },
    { NVSP_SWITCH_PATH, NVSP_V4, 8, 8, 0, vf_switch },
    { NVSP_OID_QUERY, NVSP_V5, 12, 12, NEEDS_ANSWER, nvsp_oid_query },
    { NVSP_SUBCHANNEL, NVSP_V5, 12, 12, NEEDS_ANSWER, nvsp_subchannel },
};

static bool already_done(const HvNic *nic, uint32_t type)
{
    switch (type) {
    case NVSP_NDIS_VERSION:
        return nic->got_ndis_version;
    case NVSP_NDIS_CONFIG:
        return nic->got_config;
    case NVSP_RECV_BUF:
        return nic->recv.accepted;      /* not if it was refused */
    case NVSP_SEND_BUF:
        return nic->send.accepted;
    default:
        return false;
    }
}

static bool too_early(const HvNic *nic, uint32_t type)
{
    bool configured = nic->got_config || nic->version < NVSP_V2;

    switch (type) {
    case NVSP_RECV_BUF:
        return !configured;
    case NVSP_RNDIS:
    case NVSP_SUBCHANNEL:
        return !configured || !nic->got_ndis_version || !nic->recv.announced;
    default:
        return false;
    }
}

/* Index into messages, or -1 when the guest broke a rule that ends the session. */
static int message_check(HvNic *nic, HvChan *chan, HvPacket *pkt)
{
    uint32_t type = ldl_le_p(pkt->payload);
    int i;

    for (i = 0; i < ARRAY_SIZE(messages); i++) {
        if (messages[i].type == type) {
            break;
        }
    }
    if (type != NVSP_INIT && !nic->version) {
        hv_audit(HV_AUDIT_NVSP_ORDER, "message %u before INIT", type);
    } else if (i == ARRAY_SIZE(messages)) {
        hv_audit(HV_AUDIT_NVSP_TYPE, "message %u", type);
    } else if (messages[i].since > nic->version && type != NVSP_INIT) {
        hv_audit(HV_AUDIT_NVSP_VERSION_GATE, "message %u with version 0x%x", type,
                 nic->version);
    } else if (pkt->payload_len < messages[i].min) {
        hv_audit(HV_AUDIT_NVSP_LENGTH, "message %u of %zu bytes", type,
                 pkt->payload_len);
    } else if (chan->index && !(messages[i].flags & ANY_CHANNEL)) {
        hv_audit(HV_AUDIT_NVSP_SUBCHANNEL, "message %u on channel %u", type,
                 chan->index);
    } else if (messages[i].flags & NEEDS_ANSWER && !pkt->wants_completion) {
        hv_audit(HV_AUDIT_NVSP_NO_ANSWER, "message %u without the flag", type);
    } else if (messages[i].flags & ONCE && already_done(nic, type)) {
        hv_audit(HV_AUDIT_NVSP_TWICE, "message %u", type);
    } else if (too_early(nic, type)) {
        hv_audit(HV_AUDIT_NVSP_ORDER, "message %u too early", type);
    } else {
        return i;
    }
    return -1;
}

static void check_unused_bytes(HvPacket *pkt, uint32_t type, unsigned fields)
{
    for (size_t i = fields; i < pkt->payload_len; i++) {
        if (pkt->payload[i]) {
            hv_audit(HV_AUDIT_PAD_NVSP, "message %u, byte %zu is 0x%02x", type, i,
                     pkt->payload[i]);
            return;
        }
    }
}

static void nvsp_message(HvNic *nic, HvChan *chan, HvPacket *pkt)
{
    uint32_t type;
    int i;

    if (pkt->payload_len < 4) {
        hv_audit(HV_AUDIT_NVSP_LENGTH, "message of %zu bytes", pkt->payload_len);
        nic_fail(nic);
        return;
    }
    type = ldl_le_p(pkt->payload);
    if (!hv_mangle(HV_G2H, HV_LAYER_NVSP, chan->index, type, pkt->payload,
                   &pkt->payload_len)) {
        return;
    }
    if (pkt->wants_completion && !pkt->tid) {
        hv_audit(HV_AUDIT_TRANSACTION_ZERO, "message %u", type);
    }
    if (type != NVSP_RNDIS) {
        hv_wirelog_bytes("nvsp g2h", chan->index, type, pkt->payload,
                         pkt->payload_len);
    }
    i = message_check(nic, chan, pkt);
    if (pkt->type == PKT_GPA_DIRECT && type != NVSP_RNDIS) {
        hv_audit(HV_AUDIT_RING_TYPE, "message %u with page ranges", type);
        i = -1;
    }
    if (i < 0) {
        nic_fail(nic);
        return;
    }
    check_unused_bytes(pkt, type, messages[i].fields);
    messages[i].handle(nic, chan, pkt);
}

/* --- the channel --- */

static void chan_work(HvChan *chan)
{
    HvNic *nic = HV_NETVSC(chan->dev);
    unsigned budget = WORK_BUDGET;
    uint64_t from = chan->in.total;
    HvPacket pkt;
    bool more;

    rx_flush(chan);
    if (chan->index == 0) {
        send_table(nic);
        rndis_flush(nic);
        vf_flush(nic);
    }
    hold_flush(chan);
    if (chan->index >= nic->rings_read) {
        rx_resume(nic);
        return;
    }
    hv_chan_begin(chan);
    while (budget && !tx_blocked(nic) && hv_chan_room(chan, NIC_ANSWER_ROOM) &&
           hv_chan_peek(chan, &pkt)) {
        if (pkt.type == PKT_COMPLETION) {
            rx_completed(chan, &pkt);
        } else {
            nvsp_message(nic, chan, &pkt);
        }
        hv_chan_pop(chan);
        budget--;
    }
    more = hv_chan_end(chan, from);
    /* completions made sections free that these may wait for */
    rx_flush(chan);
    rndis_flush(nic);
    vf_flush(nic);
    /* without room the guest's signal, without the backend its callback wakes us */
    if (more && !tx_blocked(nic) &&
        (!budget || hv_chan_room(chan, NIC_ANSWER_ROOM))) {
        hv_chan_wake(chan);
    }
    rx_resume(nic);
}

static void session_reset(HvNic *nic)
{
    buffer_release(&nic->recv);
    buffer_release(&nic->send);
    memset(&nic->recv, 0, sizeof(nic->recv));
    memset(&nic->send, 0, sizeof(nic->send));
    g_clear_pointer(&nic->free_section, g_free);
    g_clear_pointer(&nic->use, g_free);
    nic->nfree = 0;
    nic->version = 0;
    nic->got_config = nic->got_ndis_version = false;
    nic->caps = 0;
    nic->mtu_field = MIN(ETH_FIELD_DEFAULT, nic->mtu_max + 14);
    nic->granted = 0;
    nic->table_sent = false;
    nic->rndis_up = false;
    nic->filter = 0;            /* channels hear of it when they are opened */
    vf_reset(nic);
    memset(&nic->offload, 0, sizeof(nic->offload));
    memset(&nic->rss, 0, sizeof(nic->rss));
    nic->gen.wanted = 0;
    rndis_reset(nic);
}

static void chan_opened(HvChan *chan)
{
    HvNic *nic = HV_NETVSC(chan->dev);

    hv_wirelog("channel %u opened", chan->index);
    tx_chan_opened(chan);
    greet_opened(chan);
    if (chan->index && nic->parent_obj.chan[0].broken) {
        hv_chan_break(chan);
    } else if (chan->index) {
        hv_chan_wake(&nic->parent_obj.chan[0]);       /* send table */
    }
}

/* The order of 2.12, as far as the guest's CLOSE of the primary shows it. */
static void check_close(HvNic *nic)
{
    HvChan *chan = nic->parent_obj.chan;

    if ((nic->recv.gpadl && !nic->recv.revoked) ||
        (nic->send.gpadl && !nic->send.revoked)) {
        hv_audit(HV_AUDIT_TEARDOWN_ORDER, "closed with a buffer not revoked");
    }
    if (nic->filter) {
        hv_audit(HV_AUDIT_TEARDOWN_ORDER, "closed with packet filter 0x%x",
                 nic->filter);
    }
    for (unsigned i = 1; i < nic->queues; i++) {
        if (hv_chan_is_open(&chan[i])) {
            hv_audit(HV_AUDIT_TEARDOWN_ORDER, "the primary before channel %u", i);
            return;
        }
    }
}

static void chan_closed(HvChan *chan, bool by_guest)
{
    HvNic *nic = HV_NETVSC(chan->dev);
    /* a channel that stopped listening may have missed what was right */
    bool judge = by_guest && !chan->broken;

    hv_wirelog("channel %u closed", chan->index);
    rx_chan_closed(chan, judge);
    hold_closed(chan);
    if (chan->index) {
        /* its sections are free for what waits on other channels */
        hv_chan_wake(&nic->parent_obj.chan[0]);
        return;
    }
    if (judge) {
        check_close(nic);
    }
    for (unsigned i = 1; i < nic->queues; i++) {
        rx_chan_closed(&nic->parent_obj.chan[i], judge);
        hold_closed(&nic->parent_obj.chan[i]);
    }
    session_reset(nic);
    if (!by_guest) {            /* the machine or the bus starts anew */
        memcpy(nic->mac, nic->conf.macaddr.a, 6);
    }
}

static bool gpadl_uses(HvDevice *dev, HvGpadl *g)
{
    HvNic *nic = HV_NETVSC(dev);

    return (nic->recv.gpadl == g && !nic->recv.revoked) ||
           (nic->send.gpadl == g && !nic->send.revoked);
}

static void gpadl_torn(HvDevice *dev, HvGpadl *g)
{
    HvNic *nic = HV_NETVSC(dev);

    if (nic->recv.gpadl == g) {
        rx_buffer_gone(nic);
        buffer_release(&nic->recv);
    }
    if (nic->send.gpadl == g) {
        buffer_release(&nic->send);
    }
}

/* --- what the outside sees --- */

static bool visit_number(Visitor *v, const char *name, uint64_t value)
{
    return visit_type_uint64(v, name, &value, &error_abort);
}

static void visit_chan(Visitor *v, HvNic *nic, unsigned i)
{
    HvChan *chan = &nic->parent_obj.chan[i];
    NicChan *nc = &nic->nchan[i];

    visit_start_struct(v, NULL, NULL, 0, &error_abort);
    visit_number(v, "channel", i);
    visit_number(v, "open", hv_chan_is_open(chan));
    visit_number(v, "broken", chan->broken);
    visit_number(v, "target-vp", chan->target_vp);
    visit_number(v, "tx-packets", nc->count.tx_packets);
    visit_number(v, "tx-bytes", nc->count.tx_bytes);
    visit_number(v, "tx-messages", nc->count.tx_messages);
    visit_number(v, "tx-section-messages", nc->count.tx_section_messages);
    visit_number(v, "tx-errors", nc->count.tx_errors);
    visit_number(v, "rx-packets", nc->count.rx_packets);
    visit_number(v, "rx-bytes", nc->count.rx_bytes);
    visit_number(v, "rx-messages", nc->count.rx_messages);
    visit_number(v, "rx-sections-in-use", nc->rx_sections);
    visit_number(v, "tx-held", g_queue_get_length(&nc->held));
    visit_number(v, "completions-sent", nc->count.completions_sent);
    visit_number(v, "completions-received", nc->count.completions_received);
    visit_number(v, "doorbells", chan->count.doorbells);
    visit_number(v, "interrupts", chan->count.interrupts);
    visit_end_struct(v, NULL);
}

static void get_counters(Object *obj, Visitor *v, const char *name, void *opaque,
                         Error **errp)
{
    HvNic *nic = HV_NETVSC(obj);
    /* an output visitor only needs a non-null list to look at */
    GenericList head = { 0 }, *list = &head;

    if (!visit_start_struct(v, name, NULL, 0, errp)) {
        return;
    }
    visit_number(v, "nvsp", nic->version);
    visit_number(v, "filter", nic->filter);
    visit_number(v, "rx-section-size", nic->recv.size);
    visit_number(v, "rx-sections", nic->recv.count);
    visit_number(v, "rx-sections-free", nic->nfree);
    visit_number(v, "tx-section-size", nic->send.size);
    visit_number(v, "tx-sections", nic->send.count);
    visit_number(v, "rss", nic->rss.on);
    visit_number(v, "rx-no-section", nic->rx_no_section);
    visit_number(v, "rx-filtered", nic->rx_filtered);
    visit_number(v, "keepalives", nic->keepalives);
    visit_number(v, "rx-oversize", nic->rx_oversize);
    visit_number(v, "rx-down", nic->rx_down);
    visit_number(v, "tx-dropped", nic->tx_dropped);
    visit_number(v, "vf-plugged", nic->vf.port && nic->vf.port->peer);
    visit_number(v, "vf-slot-on", vf_slot_is_on(nic));
    visit_number(v, "vf-associated", nic->vf.associated);
    visit_number(v, "vf-path", nic->vf_path);
    visit_number(v, "vf-switches", nic->vf.switches);
    visit_number(v, "vf-refused", nic->vf.refused);
    visit_number(v, "vf-unanswered", g_queue_get_length(&nic->vf.requests));
    visit_number(v, "vf-tx-packets", nic->vf.tx_packets);
    visit_number(v, "vf-rx-packets", nic->vf.rx_packets);
    visit_number(v, "vf-rx-dropped", nic->vf.rx_dropped);
    visit_number(v, "wrong-path-vf", nic->vf.wrong_vf);
    visit_number(v, "wrong-path-synthetic", nic->vf.wrong_synthetic);
    visit_number(v, "rsc-packets", nic->rsc_packets);
    visit_number(v, "rsc-segments", nic->rsc_segments);
    visit_number(v, "generated", nic->gen.sent);
    visit_number(v, "generator-running", nic->gen.wanted != 0);
    visit_number(v, "generator-instructions",
                 nic->gen.last_instruction - nic->gen.first_instruction);
    visit_number(v, "meter-packets", nic->meter.packets);
    visit_number(v, "meter-instructions", nic->meter.last - nic->meter.first);
    visit_start_list(v, "channels", &list, sizeof(head), &error_abort);
    for (unsigned i = 0; i < nic->queues; i++) {
        visit_chan(v, nic, i);
    }
    visit_end_list(v, (void **)&list);
    visit_end_struct(v, NULL);
}

static bool get_link(Object *obj, Error **errp)
{
    return HV_NETVSC(obj)->link;
}

static void set_link(Object *obj, bool up, Error **errp)
{
    HvNic *nic = HV_NETVSC(obj);

    if (nic->link != up) {
        nic->link = up;
        if (nic->nic) {
            rndis_link(nic);
        }
    }
}

static void get_speed(Object *obj, Visitor *v, const char *name, void *opaque,
                      Error **errp)
{
    visit_type_uint32(v, name, &HV_NETVSC(obj)->speed, errp);
}

static void set_speed(Object *obj, Visitor *v, const char *name, void *opaque,
                      Error **errp)
{
    HvNic *nic = HV_NETVSC(obj);

    if (visit_type_uint32(v, name, &nic->speed, errp) && nic->nic) {
        rndis_speed(nic);
    }
}

static void nic_do(Object *obj, const char *text, Error **errp)
{
    if (g_str_has_prefix(text, "generate ")) {
        rx_generate(HV_NETVSC(obj), text + strlen("generate "), errp);
    } else if (g_str_has_prefix(text, "meter ")) {
        HV_NETVSC(obj)->meter = (NicMeter){ .size = atoi(text + strlen("meter ")) };
    } else if (!strcmp(text, "kick")) {
        nic_wake(HV_NETVSC(obj));
    } else if (!hold_do(HV_NETVSC(obj), text, errp) &&
               !rsc_do(HV_NETVSC(obj), text, errp) &&
               !vf_do(HV_NETVSC(obj), text, errp) &&
               !event_do(HV_NETVSC(obj), text, errp)) {
        error_setg(errp, "unknown command '%s': generate, meter, kick, txhold, ringhold, "
                   "greet, batch, rsc, indicate, rescind, send-table or vf", text);
    }
}

static void link_status_changed(NetClientState *nc)
{
    set_link(OBJECT(qemu_get_nic_opaque(nc)), !nc->link_down, NULL);
}

static NetClientInfo net_info = {
    .type = NET_CLIENT_DRIVER_NIC,
    .size = sizeof(NICState),
    .can_receive = rx_can_receive,
    .receive = rx_receive,
    .link_status_changed = link_status_changed,
};

static void backend_setup(HvNic *nic)
{
    NetClientState *peer = qemu_get_queue(nic->nic)->peer;

    if (nic->use_vnet && peer && qemu_has_vnet_hdr(peer)) {
        nic->vnet_len = sizeof(struct virtio_net_hdr);
        qemu_using_vnet_hdr(peer, true);
        qemu_set_vnet_hdr_len(peer, nic->vnet_len);
        qemu_set_offload(peer, 1, 0, 0, 0, 0);
    }
}

static bool sizes_fit(HvNic *nic, Error **errp)
{
    const struct {
        const char *name;
        uint32_t value, min, max;
    } sizes[] = {
        { "mtu", nic->mtu_max, 68, ETH_FIELD_MAX - 14 },
        { "lso-max", nic->lso_max, 1514, NDIS_LSO_MAX },
        { "rss-entries", nic->rss_entries, 1, RSS_TABLE_SIZE },
        { "rx-section", nic->recv_section, 0, 65536 },
        { "tx-section", nic->send_section, 68, 65536 },
        { "table-at", nic->table_at, NVSP_SEND_TABLE_AT, 64 },
        { "table-field", nic->table_field, 0, UINT32_MAX },
    };

    for (int i = 0; i < ARRAY_SIZE(sizes); i++) {
        if (sizes[i].value < sizes[i].min || sizes[i].value > sizes[i].max) {
            error_setg(errp, "%s must be %u to %u", sizes[i].name, sizes[i].min,
                       sizes[i].max);
            return false;
        }
    }
    return true;
}

/* A part is there when its kind is; what needs a checksum is not without it. */
static void offers_setup(HvNic *nic)
{
    const NicSwitches *s = &nic->offer;

    nic->can = (NicOffload){
        .ip4 = s->csum && s->ip4 ? 3 : 0,
        .tcp4 = s->csum && s->tcp4 ? 3 : 0,
        .udp4 = s->csum && s->udp4 ? 3 : 0,
        .tcp6 = s->csum && s->tcp6 ? 3 : 0,
        .udp6 = s->csum && s->udp6 ? 3 : 0,
    };
    nic->can.lso4 = s->lso && s->lso4 && nic->can.tcp4;
    nic->can.lso6 = s->lso && s->lso6 && nic->can.tcp6;
    nic->can.rsc4 = s->rsc && s->rsc4 && nic->can.tcp4;
    nic->can.rsc6 = s->rsc && s->rsc6 && nic->can.tcp6;
}

static void nic_realize(DeviceState *qdev, Error **errp)
{
    HvNic *nic = HV_NETVSC(qdev);
    const char *name = nic->nvsp_name ?: "6.1";

    for (int i = 0; i < ARRAY_SIZE(nvsp_versions); i++) {
        if (!strcmp(nvsp_versions[i].name, name)) {
            nic->nvsp_max = nvsp_versions[i].word;
        }
    }
    if (!nic->nvsp_max) {
        error_setg(errp, "nvsp '%s' is not one of 1, 2, 4, 5, 6, 6.1", name);
        return;
    }
    if (!nic->queues || nic->queues > NVSP_MAX_QUEUES) {
        error_setg(errp, "queues must be 1 to %u", NVSP_MAX_QUEUES);
        return;
    }
    if (!sizes_fit(nic, errp)) {
        return;
    }
    nic->parent_obj.nchans = nic->queues;
    nic->nchan = g_new0(NicChan, nic->queues);
    for (unsigned i = 0; i < nic->queues; i++) {
        nic->nchan[i].outstanding = g_hash_table_new_full(g_int64_hash,
                                                          g_int64_equal, g_free,
                                                          g_free);
    }
    hold_init(nic);
    rsc_init(nic);
    g_queue_init(&nic->control);
    g_queue_init(&nic->events);
    nic->flush_bh = qemu_bh_new(rx_flush_all, nic);
    nic->scratch = g_malloc(NIC_MESSAGE_MAX);
    qemu_macaddr_default_if_unset(&nic->conf.macaddr);
    memcpy(nic->mac, nic->conf.macaddr.a, 6);
    nic->nic = qemu_new_nic(&net_info, &nic->conf, TYPE_HV_NETVSC, qdev->id,
                            &qdev->mem_reentrancy_guard, nic);
    offers_setup(nic);
    backend_setup(nic);
    vf_init(nic);
    session_reset(nic);
}

static Property nic_properties[] = {
    DEFINE_NIC_PROPERTIES(HvNic, conf),
    DEFINE_PROP_STRING("nvsp", HvNic, nvsp_name),
    DEFINE_PROP_STRING("name", HvNic, friendly_name),
    DEFINE_PROP_UINT32("queues", HvNic, queues, 4),
    DEFINE_PROP_UINT32("mtu", HvNic, mtu_max, ETH_FIELD_MAX - 14),
    DEFINE_PROP_BOOL("csum", HvNic, offer.csum, true),
    DEFINE_PROP_BOOL("csum-ip4", HvNic, offer.ip4, true),
    DEFINE_PROP_BOOL("csum-tcp4", HvNic, offer.tcp4, true),
    DEFINE_PROP_BOOL("csum-udp4", HvNic, offer.udp4, true),
    DEFINE_PROP_BOOL("csum-tcp6", HvNic, offer.tcp6, true),
    DEFINE_PROP_BOOL("csum-udp6", HvNic, offer.udp6, true),
    DEFINE_PROP_BOOL("lso", HvNic, offer.lso, true),
    DEFINE_PROP_BOOL("lso4", HvNic, offer.lso4, true),
    DEFINE_PROP_BOOL("lso6", HvNic, offer.lso6, true),
    DEFINE_PROP_UINT32("lso-max", HvNic, lso_max, NDIS_LSO_MAX),
    DEFINE_PROP_BOOL("rsc", HvNic, offer.rsc, true),
    DEFINE_PROP_BOOL("rsc4", HvNic, offer.rsc4, true),
    DEFINE_PROP_BOOL("rsc6", HvNic, offer.rsc6, true),
    DEFINE_PROP_BOOL("rss", HvNic, offer.rss, true),
    DEFINE_PROP_UINT32("rss-entries", HvNic, rss_entries, RSS_TABLE_SIZE),
    DEFINE_PROP_UINT32("rx-section", HvNic, recv_section, 0),
    DEFINE_PROP_UINT32("tx-section", HvNic, send_section, NVSP_SEND_SECTION),
    DEFINE_PROP_UINT32("table-at", HvNic, table_at, NVSP_SEND_TABLE_AT),
    DEFINE_PROP_UINT32("table-field", HvNic, table_field, 0),
    DEFINE_PROP_STRING("vf", HvNic, vf.netdev),
    DEFINE_PROP_STRING("vf-slot", HvNic, vf.slot),
    DEFINE_PROP_UINT32("vf-serial", HvNic, vf.serial, 0),
    DEFINE_PROP_BOOL("vnet-hdr", HvNic, use_vnet, true),
    DEFINE_PROP_BOOL("full-ranges", HvNic, full_ranges, true),
    DEFINE_PROP_END_OF_LIST()
};

static void nic_init(Object *obj)
{
    HvNic *nic = HV_NETVSC(obj);

    nic->link = true;
    nic->speed = 10000;
    object_property_add_bool(obj, "link", get_link, set_link);
    object_property_add(obj, "speed", "uint32", get_speed, set_speed, NULL, NULL);
    object_property_add_str(obj, "do", NULL, nic_do);
    object_property_add(obj, "counters", "HvNicCounters", get_counters, NULL, NULL,
                        NULL);
}

static void nic_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    HvDeviceClass *hc = HV_DEVICE_CLASS(klass);

    dc->desc = "Hyper-V synthetic network adapter";
    set_bit(DEVICE_CATEGORY_NETWORK, dc->categories);
    device_class_set_props(dc, nic_properties);
    hc->class_guid = class_guid;
    hc->realize = nic_realize;
    hc->opened = chan_opened;
    hc->closed = chan_closed;
    hc->work = chan_work;
    hc->uses = gpadl_uses;
    hc->torn = gpadl_torn;
}

static const TypeInfo nic_type = {
    .name = TYPE_HV_NETVSC,
    .parent = TYPE_HV_DEVICE,
    .instance_size = sizeof(HvNic),
    .instance_init = nic_init,
    .class_init = nic_class_init,
};

static void register_types(void)
{
    type_register_static(&nic_type);
}

type_init(register_types)
