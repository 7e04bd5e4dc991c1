/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Channel rings as the host uses them: protocol 1.7 to 1.9. */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/main-loop.h"
#include "hv_audit.h"
#include "hv_cpu.h"
#include "hv_mangle.h"
#include "hv_vmbus.h"
#include "hv_wire.h"

static uint32_t load(const HvRing *r, unsigned field)
{
    return le32_to_cpu(qatomic_load_acquire((uint32_t *)(r->ctl + field)));
}

static void store(HvRing *r, unsigned field, uint32_t value)
{
    qatomic_store_release((uint32_t *)(r->ctl + field), cpu_to_le32(value));
}

static uint32_t wrap(const HvRing *r, uint64_t offset)
{
    return offset % r->size;
}

static void ring_copy(HvRing *r, uint32_t offset, void *buf, size_t len, bool out)
{
    uint8_t *b = buf;

    while (len) {
        uint32_t in_page = offset % HV_PAGE_SIZE;
        uint8_t *at = r->page[offset / HV_PAGE_SIZE] + in_page;
        size_t n = MIN(len, HV_PAGE_SIZE - in_page);

        if (out) {
            memcpy(at, b, n);
        } else {
            memcpy(b, at, n);
        }
        b += n;
        len -= n;
        offset = wrap(r, offset + n);
    }
}

static void signal_guest(HvChan *chan)
{
    if (chan->target_vp != UINT32_MAX) {
        chan->count.interrupts++;
        hv_synic_event(chan->target_vp, HV_VMBUS_SINT, chan->relid);
    }
}

/* The guest's index of @r, or -1 after breaking the channel. */
static int64_t peer_index(HvChan *chan, HvRing *r, unsigned field)
{
    uint32_t index = load(r, field);

    if (index < r->size && index % 8 == 0) {
        return index;
    }
    if (chan->broken) {
        return -1;
    }
    hv_audit(HV_AUDIT_RING_INDEX, "%s index %u of a ring of %u bytes",
             field == RING_WRITE_INDEX ? "write" : "read", index, r->size);
    hv_chan_break(chan);
    return -1;
}

/* --- guest to host --- */

static uint32_t bytes_waiting(HvChan *chan)
{
    int64_t index = peer_index(chan, &chan->in, RING_WRITE_INDEX);

    return index < 0 ? 0 : wrap(&chan->in, index + chan->in.size - chan->in.index);
}

uint64_t hv_chan_horizon(HvChan *chan)
{
    return chan->in.total + bytes_waiting(chan);
}

void hv_chan_begin(HvChan *chan)
{
    store(&chan->in, RING_INTERRUPT_MASK, 1);
    smp_mb();
}

bool hv_chan_end(HvChan *chan, uint64_t total_at_begin)
{
    uint64_t taken = chan->in.total - total_at_begin;
    uint32_t want, room;

    store(&chan->in, RING_INTERRUPT_MASK, 0);
    smp_mb();
    want = load(&chan->in, RING_PENDING_SIZE) & ~7u;
    room = chan->in.size - bytes_waiting(chan);
    /* room before this batch is what would be free had we taken nothing of it */
    if (want && room >= want && (taken >= room || room - taken < want)) {
        signal_guest(chan);
    }
    return !chan->broken && room < chan->in.size;
}

static bool desc_is_sane(HvChan *chan, const uint8_t *desc, uint32_t avail)
{
    uint16_t type = lduw_le_p(desc), off8 = lduw_le_p(desc + 2);
    uint16_t len8 = lduw_le_p(desc + 4), flags = lduw_le_p(desc + 6);

    if (off8 < 2 || off8 > len8 || len8 * 8u + RING_FOOTER > avail || flags > 1 ||
        (type != PKT_GPA_DIRECT && off8 != 2) ||
        (type == PKT_COMPLETION && flags)) {
        hv_audit(HV_AUDIT_RING_DESC,
                 "type %u offset8 %u len8 %u flags 0x%x with %u bytes in the ring",
                 type, off8, len8, flags, avail);
        return false;
    }
    if (type != PKT_INBAND && type != PKT_GPA_DIRECT && type != PKT_COMPLETION) {
        hv_audit(HV_AUDIT_RING_TYPE, "packet type %u", type);
        return false;
    }
    return true;
}

bool hv_chan_peek(HvChan *chan, HvPacket *pkt)
{
    uint32_t avail = chan->broken ? 0 : bytes_waiting(chan);
    size_t keep = RING_DESC;
    uint8_t desc[RING_DESC];
    uint32_t off, len;
    bool pass;

    if (!avail) {
        return false;
    }
    if (avail < RING_DESC + RING_FOOTER) {
        hv_audit(HV_AUDIT_RING_DESC, "only %u bytes in the ring", avail);
        hv_chan_break(chan);
        return false;
    }
    ring_copy(&chan->in, chan->in.index, desc, RING_DESC, false);
    pass = hv_mangle(HV_G2H, HV_LAYER_RING, chan->index, lduw_le_p(desc), desc,
                     &keep);
    if (!desc_is_sane(chan, desc, avail)) {
        hv_chan_break(chan);
        return false;
    }
    off = lduw_le_p(desc + 2) * 8;
    len = lduw_le_p(desc + 4) * 8;
    if (len > chan->packet_size) {
        chan->packet = g_realloc(chan->packet, len);
        chan->packet_size = len;
    }
    ring_copy(&chan->in, wrap(&chan->in, chan->in.index + RING_DESC),
              chan->packet, len - RING_DESC, false);
    pkt->type = lduw_le_p(desc);
    pkt->wants_completion = lduw_le_p(desc + 6) & 1;
    pkt->tid = ldq_le_p(desc + 8);
    pkt->desc = chan->packet;
    pkt->desc_len = off - RING_DESC;
    pkt->payload = chan->packet + pkt->desc_len;
    pkt->payload_len = len - off;
    pkt->position = chan->in.total;
    /* what pop will skip; the guest cannot change its mind */
    chan->pending_pop = len + RING_FOOTER;
    if (!pass) {
        hv_chan_pop(chan);
        return hv_chan_peek(chan, pkt);
    }
    return true;
}

void hv_chan_pop(HvChan *chan)
{
    chan->in.index = wrap(&chan->in, chan->in.index + chan->pending_pop);
    chan->in.total += chan->pending_pop;
    chan->pending_pop = 0;
    store(&chan->in, RING_READ_INDEX, chan->in.index);
}

/* --- host to guest --- */

static int64_t out_free(HvChan *chan)
{
    int64_t index = peer_index(chan, &chan->out, RING_READ_INDEX);

    if (index < 0) {
        return -1;
    }
    return index == chan->out.index
        ? chan->out.size
        : wrap(&chan->out, index + chan->out.size - chan->out.index);
}

static bool has_room(HvChan *chan, uint32_t need)
{
    int64_t room = out_free(chan);

    if (room <= need) {
        return false;
    }
    if (chan->out_want && room > chan->out_want) {
        chan->out_want = 0;
        store(&chan->out, RING_PENDING_SIZE, 0);
    }
    return true;
}

bool hv_chan_room(HvChan *chan, uint32_t bytes)
{
    uint32_t need = ROUND_UP(bytes, 8) + RING_DESC + RING_FOOTER;

    if (chan->broken) {
        return false;
    }
    if (has_room(chan, need)) {
        return true;
    }
    /* several may wait: for the one that needs most */
    chan->out_want = MAX(chan->out_want, need);
    store(&chan->out, RING_PENDING_SIZE, chan->out_want + 8);
    smp_mb();
    return has_room(chan, need);
}

bool hv_chan_send(HvChan *chan, uint16_t type, bool wants_completion, uint64_t tid,
                  const void *desc, uint32_t desc_len, const void *payload,
                  uint32_t payload_len)
{
    uint32_t len = RING_DESC + desc_len + ROUND_UP(payload_len, 8);
    size_t keep = len;
    uint32_t start = chan->out.index;
    bool was_empty;

    if (!hv_chan_room(chan, desc_len + payload_len)) {
        return false;
    }
    g_autofree uint8_t *buf = g_malloc0(len + RING_FOOTER);

    stw_le_p(buf, type);
    stw_le_p(buf + 2, (RING_DESC + desc_len) / 8);
    stw_le_p(buf + 4, len / 8);
    stw_le_p(buf + 6, wants_completion);
    stq_le_p(buf + 8, tid);
    memcpy(buf + RING_DESC, desc, desc_len);
    memcpy(buf + RING_DESC + desc_len, payload, payload_len);
    if (!hv_mangle(HV_H2G, HV_LAYER_RING, chan->index, type, buf, &keep)) {
        return true;
    }
    stl_le_p(buf + len + 4, start);
    ring_copy(&chan->out, start, buf, len + RING_FOOTER, true);
    chan->out.index = wrap(&chan->out, start + len + RING_FOOTER);
    store(&chan->out, RING_WRITE_INDEX, chan->out.index);
    smp_mb();
    was_empty = load(&chan->out, RING_READ_INDEX) == start;
    if (was_empty && !load(&chan->out, RING_INTERRUPT_MASK)) {
        signal_guest(chan);
    }
    return true;
}
