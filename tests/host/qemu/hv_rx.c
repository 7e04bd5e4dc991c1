/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames for the guest: protocol 2.4, 2.7, 3.3, 3.4 and 5.6. */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/main-loop.h"
#include "qapi/error.h"
#include "net/checksum.h"
#include "net/eth.h"
#include "standard-headers/linux/virtio_net.h"
#include "hv_audit.h"
#include "hv_cpu.h"
#include "hv_mangle.h"
#include "hv_netvsc.h"

/* --- sections --- */

int64_t rx_section_get(HvNic *nic, unsigned keep)
{
    if (!nic->recv.gpadl || nic->recv.revoked || nic->nfree <= keep) {
        return -1;
    }
    return nic->free_section[--nic->nfree];
}

void rx_section_put(HvNic *nic, uint32_t section)
{
    /* the buffer may be gone, with a close or a torn GPADL */
    if (nic->free_section && nic->nfree < nic->recv.count &&
        section < nic->recv.count) {
        nic->free_section[nic->nfree++] = section;
    }
}

void rx_section_write(HvNic *nic, uint32_t section, uint32_t at, const void *buf,
                      size_t len)
{
    hv_gpadl_write(nic->recv.gpadl, (uint64_t)section * nic->recv.size + at, buf,
                   len);
}

int64_t rx_put_control(HvNic *nic, const uint8_t *msg, size_t len)
{
    int64_t section = rx_section_get(nic, 0);

    if (section >= 0) {
        rx_section_write(nic, section, 0, msg, MIN(len, nic->recv.size));
    }
    return section;
}

/* --- transfer-page packets --- */

bool rx_announce(HvChan *chan, uint32_t channel_type, const NicRange *range,
                 unsigned n)
{
    HvNic *nic = HV_NETVSC(chan->dev);
    NicChan *nc = nic_chan(chan);
    uint32_t desc_len = 8 + 8 * n;
    g_autofree uint8_t *desc = g_malloc0(desc_len);
    uint8_t m[40] = { 0 };
    size_t keep = nic_message_size(nic);
    /* data may not take the room that the answer to a request was promised */
    uint32_t spare = channel_type ? 0 : NIC_ANSWER_ROOM + RING_DESC + RING_FOOTER;
    NicRxPacket *p;
    int64_t *tid;

    if (!hv_chan_room(chan, desc_len + sizeof(m) + spare)) {
        return false;
    }
    stw_le_p(desc, nic->recv.id);
    stl_le_p(desc + 4, n);
    for (unsigned i = 0; i < n; i++) {
        stl_le_p(desc + 8 + 8 * i, range[i].len);
        stl_le_p(desc + 12 + 8 * i, range[i].section * nic->recv.size);
    }
    stl_le_p(m, NVSP_RNDIS);
    stl_le_p(m + 4, channel_type);
    stl_le_p(m + 8, NVSP_NO_SECTION);
    p = g_malloc(sizeof(*p) + n * sizeof(NicRange));
    p->n = n;
    memcpy(p->range, range, n * sizeof(NicRange));
    tid = g_new(int64_t, 1);
    *tid = ++nic->next_tid;
    g_hash_table_insert(nc->outstanding, tid, p);
    nc->rx_sections += n;
    nc->count.rx_messages++;
    if (hv_mangle(HV_H2G, HV_LAYER_NVSP, chan->index, NVSP_RNDIS, m, &keep)) {
        hv_chan_send(chan, PKT_XFER_PAGES, true, *tid, desc, desc_len, m, keep);
    }
    return true;
}

/* How many of @left ranges go into the next packet: whole frames, at least one. */
static unsigned packet_ranges(const HvNic *nic, const NicRange *range, unsigned left)
{
    bool rsc = nic->offload.rsc4 || nic->offload.rsc6;
    unsigned limit = rsc ? NIC_RANGES_MAX : NIC_FRAMES_MAX;
    unsigned n = 0, frames = 0;

    for (unsigned i = 0; i < left && frames < nic->batch; i++) {
        if (n && i >= limit) {
            break;
        }
        if (!range[i].more) {
            n = i + 1;
            frames++;
        }
    }
    return n;
}

void rx_flush(HvChan *chan)
{
    HvNic *nic = HV_NETVSC(chan->dev);
    NicChan *nc = nic_chan(chan);
    unsigned n, done = 0;

    if (!nic->recv.gpadl || nic->recv.revoked || !hv_chan_is_open(chan) ||
        chan->broken) {
        return;
    }
    while (done < nc->npending) {
        n = packet_ranges(nic, nc->pending + done, nc->npending - done);
        if (!rx_announce(chan, 0, nc->pending + done, n)) {
            break;
        }
        done += n;
    }
    nc->npending -= done;
    memmove(nc->pending, nc->pending + done, nc->npending * sizeof(nc->pending[0]));
}

void rx_flush_all(void *opaque)
{
    HvNic *nic = opaque;

    qemu_bh_cancel(nic->flush_bh);
    rsc_burst_ends(nic);
    for (unsigned i = 0; i < nic->queues; i++) {
        rx_flush(&nic->parent_obj.chan[i]);
    }
}

static void release_packet(HvNic *nic, NicChan *nc, NicRxPacket *p)
{
    for (unsigned i = 0; i < p->n; i++) {
        rx_section_put(nic, p->range[i].section);
    }
    nc->rx_sections -= p->n;
}

void rx_completed(HvChan *chan, HvPacket *pkt)
{
    HvNic *nic = HV_NETVSC(chan->dev);
    NicChan *nc = nic_chan(chan);
    NicRxPacket *p;

    if (!hv_mangle(HV_G2H, HV_LAYER_NVSP, chan->index, NVSP_RNDIS_COMPLETE,
                   pkt->payload, &pkt->payload_len)) {
        return;
    }
    if (vf_completed(chan, pkt->tid)) {
        return;
    }
    p = g_hash_table_lookup(nc->outstanding, &pkt->tid);
    if (!p) {
        hv_audit(HV_AUDIT_COMPLETION_ID, "id 0x%" PRIx64 " on channel %u", pkt->tid,
                 chan->index);
        nic_fail(nic);
        return;
    }
    if (pkt->payload_len < 8 || ldl_le_p(pkt->payload) != NVSP_RNDIS_COMPLETE) {
        hv_audit(HV_AUDIT_COMPLETION_TYPE, "type %u in %zu bytes",
                 pkt->payload_len >= 4 ? ldl_le_p(pkt->payload) : 0,
                 pkt->payload_len);
        nic_fail(nic);
        return;
    }
    nc->count.completions_received++;
    release_packet(nic, nc, p);
    g_hash_table_remove(nc->outstanding, &pkt->tid);
}

static void drop_pending(HvNic *nic, NicChan *nc)
{
    for (unsigned i = 0; i < nc->npending; i++) {
        rx_section_put(nic, nc->pending[i].section);
    }
    nc->npending = 0;
}

void rx_drop_pending(HvNic *nic)
{
    rsc_drop(nic, NULL);
    for (unsigned i = 0; i < nic->queues; i++) {
        drop_pending(nic, &nic->nchan[i]);
    }
}

void rx_buffer_gone(HvNic *nic)
{
    GHashTableIter iter;
    gpointer p;

    rx_drop_pending(nic);
    for (unsigned i = 0; i < nic->queues; i++) {
        NicChan *nc = &nic->nchan[i];

        if (nc->rx_sections) {
            hv_audit(HV_AUDIT_RX_LEFT, "buffer torn with %u sections of channel %u "
                     "not returned", nc->rx_sections, i);
        }
        nc->rx_sections = 0;
        g_hash_table_iter_init(&iter, nc->outstanding);
        while (g_hash_table_iter_next(&iter, NULL, &p)) {
            ((NicRxPacket *)p)->n = 0;  /* the id may still come, once */
        }
    }
}

void rx_chan_closed(HvChan *chan, bool by_guest)
{
    HvNic *nic = HV_NETVSC(chan->dev);
    NicChan *nc = nic_chan(chan);
    GHashTableIter iter;
    gpointer p;

    if (nc->rx_sections && by_guest) {
        hv_audit(HV_AUDIT_RX_LEFT, "channel %u closed with %u sections not returned",
                 chan->index, nc->rx_sections);
    }
    g_hash_table_iter_init(&iter, nc->outstanding);
    while (g_hash_table_iter_next(&iter, NULL, &p)) {
        release_packet(nic, nc, p);
    }
    g_hash_table_remove_all(nc->outstanding);
    rsc_drop(nic, chan);
    drop_pending(nic, nc);
}

/* --- one frame --- */

/*
 * A frame from a local kernel comes with its transport checksum still to be
 * done.  Do it, so that the bytes are right whatever the guest does with them.
 */
static void finish_checksum(NicFrame *f, const struct virtio_net_hdr *h)
{
    uint16_t start = lduw_le_p(&h->csum_start);
    uint16_t at = start + lduw_le_p(&h->csum_offset);
    uint16_t sum;

    if (h->flags & VIRTIO_NET_HDR_F_DATA_VALID) {
        f->checked = true;
    }
    if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || start >= f->len ||
        at + 2u > f->len) {
        return;
    }
    sum = net_checksum_finish(net_checksum_add(f->len - start, f->data + start));
    if (!sum && lduw_le_p(&h->csum_offset) == 6) {
        sum = 0xFFFF;           /* UDP has no zero sum */
    }
    stw_be_p(f->data + at, sum);
    f->checked = true;
}

/* Bytes from the transport header to the end of the IP packet; 0: not all there. */
static unsigned transport_length(const NicFrame *f)
{
    const uint8_t *ip = f->data + f->flow.l3;
    unsigned end = f->flow.l3 + (f->flow.family == 4 ? lduw_be_p(ip + 2)
                                                     : 40 + lduw_be_p(ip + 4));

    return end > f->flow.l4 && end <= f->len ? end - f->flow.l4 : 0;
}

/* A frame from elsewhere comes with a checksum that a NIC verifies. */
static void verify_checksum(NicFrame *f)
{
    bool tcp = f->flow.proto == IP_PROTO_TCP, v4 = f->flow.family == 4;
    unsigned len = f->flow.l4 ? transport_length(f) : 0;
    uint8_t *l4 = f->data + f->flow.l4, *ip = f->data + f->flow.l3;
    uint32_t sum;

    if (f->checked || len < (tcp ? 20 : 8) ||
        !(tcp || (f->flow.proto == IP_PROTO_UDP && lduw_be_p(l4 + 6)))) {
        return;
    }
    sum = f->flow.proto + len + net_checksum_add(len, l4) +
          net_checksum_add(v4 ? 8 : 32, ip + (v4 ? 12 : 8));
    f->checked = !net_checksum_finish(sum);
    f->bad = !f->checked;
}

static bool filter_passes(const HvNic *nic, const uint8_t *dst)
{
    static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };

    if (nic->filter & FILTER_PROMISCUOUS) {
        return true;
    }
    if (!memcmp(dst, broadcast, 6)) {
        return nic->filter & FILTER_BROADCAST;
    }
    if (dst[0] & 1) {
        return nic->filter & (FILTER_ALL_MULTICAST | FILTER_MULTICAST);
    }
    /* the guest may use its own address or go back to the permanent one */
    return nic->filter & FILTER_DIRECTED &&
           (!memcmp(dst, nic->mac, 6) || !memcmp(dst, nic->conf.macaddr.a, 6));
}

static uint32_t put_ppi(uint8_t *at, uint32_t type, uint32_t value)
{
    stl_le_p(at, PPI_HEADER + 4);
    stl_le_p(at + 4, type);
    stl_le_p(at + 8, PPI_HEADER);
    stl_le_p(at + 12, value);
    return PPI_HEADER + 4;
}

bool rx_ip_header_is_good(const NicFrame *f)
{
    unsigned header = (f->data[f->flow.l3] & 15) * 4;

    return header >= 20 && f->flow.l3 + header <= f->len &&
           !net_checksum_finish(net_checksum_add(header, f->data + f->flow.l3));
}

static uint32_t rx_checksum_bits(const HvNic *nic, const NicFrame *f)
{
    const NicOffload *o = &nic->offload;
    bool v4 = f->flow.family == 4;
    uint32_t bits = 0;

    if (f->flow.proto == IP_PROTO_TCP && (v4 ? o->tcp4 : o->tcp6) & 2) {
        bits |= f->checked ? CSUM_RX_TCP_GOOD : f->bad ? CSUM_RX_TCP_BAD : 0;
    }
    if (f->flow.proto == IP_PROTO_UDP && (v4 ? o->udp4 : o->udp6) & 2) {
        bits |= f->checked ? CSUM_RX_UDP_GOOD : f->bad ? CSUM_RX_UDP_BAD : 0;
    }
    if (v4 && o->ip4 & 2) {
        bits |= rx_ip_header_is_good(f) ? CSUM_RX_IP_GOOD : CSUM_RX_IP_BAD;
    }
    return bits;
}

/* A tag travels beside the frame only when the guest said that it wants that. */
static bool takes_tags_apart(const HvNic *nic, const NicFrame *f)
{
    return f->flow.tagged && nic->caps & NVSP_CAP_VLAN;
}

NicInfo rx_info(const HvNic *nic, const NicFrame *f)
{
    return (NicInfo){
        .whole = true,
        .csum = rx_checksum_bits(nic, f),
        .hashed = f->hashed,
        .hash = f->hash,
        .tagged = takes_tags_apart(nic, f),
        .tci = f->flow.vlan,
    };
}

static uint32_t put_infos(uint8_t *h, const NicInfo *info)
{
    uint32_t at = RNDIS_PACKET_HEADER;
    uint16_t tci = info->tci;

    if (info->whole) {
        at += put_ppi(h + at, PPI_CHECKSUM, info->csum);
    }
    if (info->whole && info->hashed) {
        at += put_ppi(h + at, PPI_HASH, info->hash);
    }
    if (info->whole && info->tagged) {
        at += put_ppi(h + at, PPI_VLAN, tci >> 13 | (tci >> 12 & 1) << 3 |
                      (tci & 0xFFF) << 4);
    }
    if (info->rsc) {
        at += put_ppi(h + at, PPI_PACKET_ID, RSC_VERSION | info->rsc << 8 |
                      (uint32_t)info->id << 16);
    }
    return at - RNDIS_PACKET_HEADER;
}

uint32_t rx_put_header(HvChan *chan, uint32_t section, const NicInfo *info,
                       uint32_t len)
{
    HvNic *nic = HV_NETVSC(chan->dev);
    uint8_t h[NVSP_RX_HEADROOM] = { 0 };
    size_t keep = sizeof(h);
    uint32_t total;

    /* one known host claims the whole section in both lengths, others do not */
    total = nic->full_ranges ? nic->recv.size : nic->headroom + len;
    stl_le_p(h, RNDIS_PACKET);
    stl_le_p(h + 4, total);
    stl_le_p(h + 8, nic->headroom - 8);
    stl_le_p(h + 12, len);
    stl_le_p(h + 32, put_infos(h, info));
    stl_le_p(h + 28, ldl_le_p(h + 32) ? RNDIS_PACKET_HEADER - 8 : 0);
    hv_mangle(HV_H2G, HV_LAYER_RNDIS, 0, RNDIS_PACKET, h, &keep);
    if (info->rsc && !hv_mangle(HV_H2G, HV_LAYER_RSC, chan->index, info->rsc, h,
                                &keep)) {
        return 0;
    }
    rx_section_write(nic, section, 0, h, nic->headroom);
    return total;
}

uint32_t rx_put_data(HvNic *nic, uint32_t section, const NicFrame *f,
                     const NicInfo *info)
{
    if (!info->tagged) {
        rx_section_write(nic, section, nic->headroom, f->data, f->len);
        return f->len;
    }
    rx_section_write(nic, section, nic->headroom, f->data, 12);
    rx_section_write(nic, section, nic->headroom + 12, f->data + 16, f->len - 16);
    return f->len - 4;
}

/* The RNDIS message of @f in @section; the length of its range. */
static uint32_t put_frame(HvChan *chan, uint32_t section, const NicFrame *f)
{
    HvNic *nic = HV_NETVSC(chan->dev);
    NicInfo info = rx_info(nic, f);

    return rx_put_header(chan, section, &info, rx_put_data(nic, section, f, &info));
}

/* False when the frame must wait: no section, or its channel is full. */
static bool deliver(HvNic *nic, NicFrame *f)
{
    HvChan *chan;
    NicChan *nc;
    RscVerdict verdict;
    int64_t section;

    f->hashed = rss_hash(nic, f->data, &f->flow, &f->hash);
    chan = rss_channel(nic, f->hashed, f->hash);
    verdict = rsc_offer(chan, f);
    if (verdict != RSC_NOT) {
        return verdict == RSC_TAKEN;
    }
    nc = nic_chan(chan);
    if (nc->npending >= nic->batch) {
        rx_flush(chan);
    }
    if (nc->npending == NIC_RANGES_MAX) {
        return false;
    }
    section = rx_section_get(nic, NVSP_CONTROL_SECTIONS);
    if (section < 0) {
        nic->rx_no_section++;
        return false;
    }
    nc->pending[nc->npending++] = (NicRange){ section, put_frame(chan, section, f) };
    nc->count.rx_packets++;
    nc->count.rx_bytes += f->len - (takes_tags_apart(nic, f) ? 4 : 0);
    qemu_bh_schedule(nic->flush_bh);
    return true;
}

static bool is_up(HvNic *nic)
{
    HvChan *primary = nic->parent_obj.chan;

    return primary && hv_chan_is_open(primary) && !primary->broken && nic->rndis_up &&
           nic->filter && nic->recv.gpadl && !nic->recv.revoked && nic->link;
}

bool rx_can_receive(NetClientState *nc)
{
    HvNic *nic = qemu_get_nic_opaque(nc);

    return !is_up(nic) || nic->vf_path || nic->nfree > NVSP_CONTROL_SECTIONS;
}

ssize_t rx_receive(NetClientState *nc, const uint8_t *buf, size_t size)
{
    HvNic *nic = qemu_get_nic_opaque(nc);
    static const struct virtio_net_hdr no_header;
    const struct virtio_net_hdr *h = nic->vnet_len
        ? (const struct virtio_net_hdr *)buf : &no_header;
    uint8_t copy[ETH_FIELD_MAX + 4];
    NicFrame f = { .data = copy, .len = size - nic->vnet_len };
    bool by_vf;

    if (size < nic->vnet_len + 14u || f.len > sizeof(copy)) {
        nic->rx_oversize++;
        return size;
    }
    by_vf = vf_takes(nic, buf + nic->vnet_len);
    if (!by_vf && !is_up(nic)) {
        nic->rx_down++;
        return size;
    }
    if (!by_vf && !filter_passes(nic, buf + nic->vnet_len)) {
        nic->rx_filtered++;
        return size;
    }
    memcpy(copy, buf + nic->vnet_len, f.len);
    finish_checksum(&f, h);
    if (by_vf) {
        vf_deliver(nic, &f);
        return size;
    }
    flow_parse(f.data, f.len, &f.flow);
    verify_checksum(&f);
    if (f.len > nic->mtu_field + f.flow.tag_bytes) {
        nic->rx_oversize++;
        return size;
    }
    return deliver(nic, &f) ? size : 0;
}

/* --- a source of frames inside the device --- */

/*
 * Frames as fast as sections come free, so that what the guest spends on one
 * can be measured without a peer's pace.
 */
static void generator_run(HvNic *nic)
{
    NicGenerator *g = &nic->gen;
    NicFrame f = { .data = g->frame, .len = g->size };

    if (!is_up(nic)) {
        return;
    }
    flow_parse(f.data, f.len, &f.flow);
    while (g->sent < g->wanted && deliver(nic, &f)) {
        if (!g->sent++) {
            g->first_instruction = hv_instructions();
        }
    }
    rx_flush_all(nic);
    if (g->wanted && g->sent == g->wanted &&
        nic->nfree == nic->recv.count) {
        g->last_instruction = hv_instructions();
        g->wanted = 0;
    }
}

void rx_resume(HvNic *nic)
{
    NicGenerator *g = &nic->gen;

    if (g->wanted) {
        generator_run(nic);
    }
    rsc_resume(nic);
    if (nic->nic && nic->nfree > NVSP_CONTROL_SECTIONS) {
        qemu_flush_queued_packets(qemu_get_queue(nic->nic));
    }
}

/* Writes an IP header for @len bytes of UDP; its own length, or 0. */
static unsigned put_ip(uint8_t *ip, unsigned len, const char *src, const char *dst)
{
    if (inet_pton(AF_INET, src, ip + 12) == 1 && inet_pton(AF_INET, dst, ip + 16) == 1) {
        ip[0] = 0x45;
        stw_be_p(ip + 2, 20 + len);
        ip[8] = 64;
        ip[9] = IP_PROTO_UDP;
        stw_be_p(ip + 10, net_checksum_finish(net_checksum_add(20, ip)));
        return 20;
    }
    if (inet_pton(AF_INET6, src, ip + 8) == 1 && inet_pton(AF_INET6, dst, ip + 24) == 1) {
        ip[0] = 0x60;
        stw_be_p(ip + 4, len);
        ip[6] = IP_PROTO_UDP;
        ip[7] = 64;
        return 40;
    }
    return 0;
}

/* A datagram of "udp SOURCE DESTINATION [PORT PORT]", whose sum is missing. */
static bool build_udp(NicGenerator *g, char **word)
{
    bool v6 = word[1] && strchr(word[1], ':');
    unsigned ports[2] = { 9, 9 }, header = 14 + (v6 ? 40 : 20);
    uint8_t *udp = g->frame + header;

    if (strcmp(word[0], "udp") || !word[1] || !word[2] || g->size < header + 8) {
        return false;
    }
    for (int i = 0; i < 2 && word[3]; i++) {
        if (qemu_strtoui(word[3 + i], NULL, 0, &ports[i]) || ports[i] > UINT16_MAX) {
            return false;
        }
    }
    stw_be_p(g->frame + 12, v6 ? ETH_P_IPV6 : ETH_P_IP);
    stw_be_p(udp, ports[0]);
    stw_be_p(udp + 2, ports[1]);
    stw_be_p(udp + 4, g->size - header);
    return put_ip(g->frame + 14, g->size - header, word[1], word[2]) == header - 14;
}

/* An Ethernet header of an EtherType that nobody knows */
static void raw_header(const HvNic *nic, uint8_t *data)
{
    memcpy(data, nic->mac, 6);
    data[6] = 0x02;
    stw_be_p(data + 12, 0x88B5);
}

/* @word: what kind of frame; none for one of an unknown EtherType. */
static bool build_frame(HvNic *nic, unsigned size, char **word)
{
    NicGenerator *g = &nic->gen;

    g->size = size;
    memset(g->frame, 0, sizeof(g->frame));
    raw_header(nic, g->frame);
    return !word[0] || (!strcmp(word[0], "raw") && !word[1]) || build_udp(g, word);
}

void rx_greet(HvChan *chan, unsigned size)
{
    HvNic *nic = HV_NETVSC(chan->dev);
    int64_t section = rx_section_get(nic, NVSP_CONTROL_SECTIONS);
    g_autofree uint8_t *data = g_malloc0(size);
    NicFrame f = { .data = data, .len = size };
    NicRange range;

    if (section < 0) {
        return;
    }
    raw_header(nic, data);
    range = (NicRange){ section, put_frame(chan, section, &f) };
    if (!rx_announce(chan, 0, &range, 1)) {
        rx_section_put(nic, section);
    }
}

void rx_generate(HvNic *nic, const char *args, Error **errp)
{
    g_auto(GStrv) w = g_strsplit(args, " ", 7);
    unsigned n = g_strv_length(w);
    NicGenerator *g = &nic->gen;
    uint64_t count;
    unsigned size;

    if (g->wanted) {
        error_setg(errp, "frames are being generated");
        return;
    }
    if (n < 2 || n == 6 || qemu_strtou64(w[0], NULL, 0, &count) ||
        qemu_strtoui(w[1], NULL, 0, &size) || size < 14 ||
        size > nic->mtu_field || !build_frame(nic, size, w + 2)) {
        error_setg(errp, "generate COUNT SIZE [raw | udp SOURCE DESTINATION [PORT PORT]], "
                   "size 14 to %u", nic->mtu_field);
        return;
    }
    if (!is_up(nic)) {
        error_setg(errp, "the interface is down");
        return;
    }
    g->sent = 0;
    g->wanted = count;
    generator_run(nic);
}
