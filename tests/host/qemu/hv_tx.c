/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guest sends: NVSP 107, protocol 2.7, 3.3, 3.4, 5.3 to 5.5.
 *
 * A message is gathered from the send section and the page ranges into one
 * private buffer before anything of it is looked at, then checked whole, and
 * only a message without a fault is transmitted.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/iov.h"
#include "qemu/main-loop.h"
#include "net/checksum.h"
#include "net/eth.h"
#include "sysemu/cpu-timers.h"
#include "standard-headers/linux/virtio_net.h"
#include "hv_audit.h"
#include "hv_cpu.h"
#include "hv_mangle.h"
#include "hv_netvsc.h"

#define RANGES_MAX      64      /* announced are 34; some more are taken */

/* A checked frame, and what the guest asks to be done with it. */
typedef struct TxFrame {
    uint8_t *data;
    uint32_t len;
    bool csum, tcp, ip_header;  /* compute the transport / IPv4 header checksum */
    bool v6, lso;
    uint32_t l3;                /* offset of the IP header */
    uint32_t l4;                /* offset of the transport header */
    uint32_t mss;
    bool tagged;
    uint16_t tci;
} TxFrame;

bool tx_blocked(HvNic *nic)
{
    return nic->tx_queued;
}

/* --- gathering --- */

static bool section_is_busy(HvChan *chan, HvPacket *pkt, uint32_t index)
{
    NicSectionUse *use = &HV_NETVSC(chan->dev)->use[index];

    /*
     * A section is free from the moment its completion can be seen.  A packet
     * that was in the ring before that moment used it too early.  Only told
     * for packets of one channel: rings of two have no common order.
     */
    return use->used && use->chan == chan->index && pkt->position < use->horizon;
}

void tx_published(HvChan *chan, uint32_t section, uint64_t horizon)
{
    HvNic *nic = HV_NETVSC(chan->dev);

    if (!chan->broken && nic->use && section < nic->send.count) {
        nic->use[section] = (NicSectionUse){
            .used = true,
            .chan = chan->index,
            .horizon = horizon,
        };
    }
}

/* Bytes of the message in its section, or -1. */
static int gather_section(HvChan *chan, HvPacket *pkt)
{
    HvNic *nic = HV_NETVSC(chan->dev);
    uint32_t index = ldl_le_p(pkt->payload + 8);
    uint32_t size = ldl_le_p(pkt->payload + 12);

    if (index == NVSP_NO_SECTION) {
        if (size) {
            hv_audit(HV_AUDIT_SECTION_SIZE, "%u bytes in no section", size);
        }
        return 0;
    }
    if (nic->send.revoked) {
        hv_audit(HV_AUDIT_AFTER_REVOKE, "section %u", index);
        return -1;
    }
    if (!nic->send.gpadl || index >= nic->send.count) {
        hv_audit(HV_AUDIT_SECTION_INDEX, "section %u of %u", index,
                 nic->send.gpadl ? nic->send.count : 0);
        return -1;
    }
    if (size > nic->send.size || size < 8) {
        hv_audit(HV_AUDIT_SECTION_SIZE, "%u bytes in a section of %u", size,
                 nic->send.size);
        return -1;
    }
    if (section_is_busy(chan, pkt, index)) {
        hv_audit(HV_AUDIT_SECTION_IN_USE, "section %u on channel %u", index,
                 chan->index);
    }
    nic_chan(chan)->count.tx_section_messages++;
    hv_gpadl_read(nic->send.gpadl, (uint64_t)index * nic->send.size, nic->scratch,
                  size);
    return size;
}

/* Copies one range of @pages; false (named) when it is not what it should be. */
static bool gather_range(const uint8_t *pages, uint32_t offset, uint32_t count,
                         uint8_t *to)
{
    for (uint32_t done = 0; done < count; pages += 8) {
        uint64_t pfn = ldq_le_p(pages);
        uint32_t n = MIN(count - done, HV_PAGE_SIZE - offset);
        uint8_t *page = pfn < UINT64_MAX / HV_PAGE_SIZE
            ? hv_ram(pfn * HV_PAGE_SIZE) : NULL;

        if (!page) {
            hv_audit(HV_AUDIT_RANGE_RAM, "PFN 0x%" PRIx64, pfn);
            return false;
        }
        memcpy(to + done, page + offset, n);
        done += n;
        offset = 0;
    }
    return true;
}

/*
 * Adds the page ranges behind the @have bytes of the section.  Returns the
 * message's length, or -1; *@first is the length of the first range.
 */
static int gather_ranges(HvNic *nic, HvPacket *pkt, uint32_t have, uint32_t *first)
{
    const uint8_t *at = pkt->desc + 8, *end = pkt->desc + pkt->desc_len;
    uint32_t ranges = pkt->desc_len >= 8 ? ldl_le_p(pkt->desc + 4) : 0;

    if (pkt->desc_len >= 8 && ldl_le_p(pkt->desc)) {
        hv_audit(HV_AUDIT_RANGE_SHAPE, "reserved word is 0x%x", ldl_le_p(pkt->desc));
    }
    if (!ranges || ranges > RANGES_MAX) {
        hv_audit(HV_AUDIT_RANGE_COUNT, "%u ranges in %u bytes", ranges,
                 pkt->desc_len);
        return -1;
    }
    if (ranges > NVSP_MDL_CHAIN) {
        hv_audit(HV_AUDIT_RANGE_COUNT, "%u ranges, announced were %u", ranges,
                 NVSP_MDL_CHAIN);
    }
    for (uint32_t i = 0; i < ranges; i++) {
        uint32_t count = 0, offset = 0;
        size_t pages = SIZE_MAX;

        if (end - at >= 8) {
            count = ldl_le_p(at);
            offset = ldl_le_p(at + 4);
            pages = DIV_ROUND_UP((uint64_t)offset + count, HV_PAGE_SIZE);
        }
        if (!count || offset >= HV_PAGE_SIZE || count > NIC_MESSAGE_MAX - have ||
            pages > (size_t)(end - at - 8) / 8) {
            hv_audit(HV_AUDIT_RANGE_SHAPE, "range %u: %u bytes at %u, %td left", i,
                     count, offset, end - at);
            return -1;
        }
        if (!gather_range(at + 8, offset, count, nic->scratch + have)) {
            return -1;
        }
        *first = i ? *first : count;
        have += count;
        at += 8 + 8 * pages;
    }
    if (at != end) {
        hv_audit(HV_AUDIT_RANGE_SHAPE, "%td bytes behind the last range", end - at);
        return -1;
    }
    return have;
}

/* The whole message in nic->scratch; its length, or -1. */
static int gather(HvChan *chan, HvPacket *pkt, uint32_t *first)
{
    HvNic *nic = HV_NETVSC(chan->dev);
    int len = gather_section(chan, pkt);

    *first = len > 0 ? len : 0;
    if (len < 0 || pkt->type == PKT_INBAND) {
        if (!len) {
            hv_audit(HV_AUDIT_RNDIS_LENGTH, "in-band packet without a section");
        }
        return len > 0 ? len : -1;
    }
    return gather_ranges(nic, pkt, len, len ? &(uint32_t){ 0 } : first);
}

/* --- checking --- */

/* Only what was offered may be asked for. */
static bool can_checksum(const HvNic *nic, const TxFrame *f)
{
    const NicOffload *can = &nic->can;

    if (f->ip_header && !can->ip4) {
        return false;
    }
    return !f->csum || (f->v6 ? (f->tcp ? can->tcp6 : can->udp6)
                              : (f->tcp ? can->tcp4 : can->udp4));
}

static bool ppi_checksum(const HvNic *nic, TxFrame *f, uint32_t value)
{
    uint32_t family = value & (CSUM_TX_IPV4 | CSUM_TX_IPV6);
    uint32_t least, need;

    f->v6 = family == CSUM_TX_IPV6;
    least = f->l3 + (f->v6 ? 40 : 20);
    f->l4 = (value >> 16 & 0x3FF) ?: least;
    f->csum = value & (CSUM_TX_TCP | CSUM_TX_UDP);
    f->tcp = value & CSUM_TX_TCP;
    f->ip_header = value & CSUM_TX_IP_HEADER;
    need = f->csum ? (f->tcp ? 18 : 8) : 0;
    if ((family != CSUM_TX_IPV4 && family != CSUM_TX_IPV6) || !can_checksum(nic, f) ||
        value & CSUM_TX_RESERVED || f->l4 < least || f->l4 + need > f->len ||
        (f->v6 && f->ip_header) || (value & CSUM_TX_TCP && value & CSUM_TX_UDP)) {
        hv_audit(HV_AUDIT_RNDIS_CSUM, "0x%08x for %u bytes", value, f->len);
        return false;
    }
    return true;
}

static bool ppi_lso(const HvNic *nic, TxFrame *f, uint32_t value)
{
    uint32_t header;

    f->lso = true;
    f->mss = value & 0xFFFFF;
    f->l4 = value >> 20 & 0x3FF;
    f->v6 = value >> 31;
    if (!(value >> 30 & 1) || !f->mss || f->l4 < f->l3 + (f->v6 ? 40 : 20) ||
        f->l4 + 13 > f->len || !(f->v6 ? nic->can.lso6 : nic->can.lso4)) {
        hv_audit(HV_AUDIT_RNDIS_LSO, "0x%08x for %u bytes", value, f->len);
        return false;
    }
    header = f->l4 + (f->data[f->l4 + 12] >> 4) * 4;
    if (header < f->l4 + 20 || header >= f->len || f->len > nic->lso_max + 18) {
        hv_audit(HV_AUDIT_RNDIS_LSO, "headers of %u bytes in %u", header, f->len);
        return false;
    }
    if (f->len - header < f->mss * (NDIS_LSO_MIN_SEGMENTS - 1) + 1) {
        hv_audit(HV_AUDIT_RNDIS_LSO, "%u bytes for segments of %u", f->len - header,
                 f->mss);
        return false;
    }
    return true;
}

static bool ppi_vlan(TxFrame *f, uint32_t value)
{
    if (value >> 16) {
        hv_audit(HV_AUDIT_RNDIS_VLAN, "0x%08x", value);
        return false;
    }
    f->tagged = true;
    f->tci = (value & 7) << 13 | (value >> 3 & 1) << 12 | value >> 4;
    return true;
}

static bool ppi_take(const HvNic *nic, TxFrame *f, uint32_t type,
                     const uint8_t *data, uint32_t len)
{
    bool known = type == PPI_CHECKSUM || type == PPI_LSO || type == PPI_VLAN;

    if (known && len < 4) {
        hv_audit(HV_AUDIT_RNDIS_PPI, "type %u with %u bytes of data", type, len);
        return false;
    }
    switch (type) {
    case PPI_CHECKSUM:
        return ppi_checksum(nic, f, ldl_le_p(data));
    case PPI_LSO:
        return ppi_lso(nic, f, ldl_le_p(data));
    case PPI_VLAN:
        return ppi_vlan(f, ldl_le_p(data));
    default:
        return true;            /* a hash, or one that we do not know */
    }
}

/* The IPv4 header that we are to fill in must be all there. */
static bool ip_header_is_whole(const TxFrame *f)
{
    unsigned header;

    if (f->v6 || !(f->lso || f->ip_header)) {
        return true;
    }
    header = (f->data[f->l3] & 15) * 4;
    if (f->data[f->l3] >> 4 == 4 && header >= 20 && f->l3 + header <= f->l4) {
        return true;
    }
    hv_audit(f->lso ? HV_AUDIT_RNDIS_LSO : HV_AUDIT_RNDIS_CSUM,
             "IPv4 header of %u bytes, transport at %u", header, f->l4);
    return false;
}

static bool parse_ppis(const HvNic *nic, TxFrame *f, const uint8_t *at,
                       uint32_t left)
{
    const uint64_t both = 1 << PPI_CHECKSUM | 1 << PPI_LSO;
    uint64_t seen = 0;

    while (left) {
        uint32_t size, type, data;

        if (left < PPI_HEADER) {
            hv_audit(HV_AUDIT_RNDIS_PPI, "%u bytes left over", left);
            return false;
        }
        size = ldl_le_p(at);
        type = ldl_le_p(at + 4);
        data = ldl_le_p(at + 8);
        if (size < PPI_HEADER || size % 4 || size > left || data < PPI_HEADER ||
            data > size) {
            hv_audit(HV_AUDIT_RNDIS_PPI, "size %u type 0x%x offset %u, %u left", size,
                     type, data, left);
            return false;
        }
        if (type < 64 && seen >> type & 1) {
            hv_audit(HV_AUDIT_RNDIS_PPI, "type %u twice", type);
            return false;
        }
        seen |= type < 64 ? 1ull << type : 0;
        if ((seen & both) == both) {
            hv_audit(HV_AUDIT_RNDIS_LSO, "checksum info beside LSO");
            return false;
        }
        if (!ppi_take(nic, f, type, at + data, size - data)) {
            return false;
        }
        at += size;
        left -= size;
    }
    return ip_header_is_whole(f);
}

static bool check_offsets(const uint8_t *m, uint32_t len)
{
    uint32_t at = ldl_le_p(m + 8), bytes = ldl_le_p(m + 12);
    uint32_t ppi = ldl_le_p(m + 28), ppi_bytes = ldl_le_p(m + 32);

    if (ldl_le_p(m + 16) || ldl_le_p(m + 20) || ldl_le_p(m + 24) ||
        ldl_le_p(m + 36) || ldl_le_p(m + 40)) {
        hv_audit(HV_AUDIT_RNDIS_RESERVED, "out-of-band, VC or reserved field set");
        return false;
    }
    if (at < RNDIS_PACKET_HEADER - 8 || at > len - 8 || bytes > len - 8 - at ||
        bytes < 14) {
        hv_audit(HV_AUDIT_RNDIS_DATA, "%u bytes at %u in %u", bytes, at, len);
        return false;
    }
    if (ppi_bytes && (ppi < RNDIS_PACKET_HEADER - 8 || ppi > len - 8 ||
                      ppi_bytes > len - 8 - ppi || ppi % 4 || ppi_bytes % 4 ||
                      at < ppi + ppi_bytes)) {
        hv_audit(HV_AUDIT_RNDIS_PPI, "%u bytes at %u, data at %u in %u", ppi_bytes,
                 ppi, at, len);
        return false;
    }
    return true;
}

static void check_padding(const uint8_t *m, uint32_t from, uint32_t len)
{
    for (uint32_t i = from; i < len; i++) {
        if (m[i]) {
            hv_audit(HV_AUDIT_PAD_RNDIS, "byte %u of %u is 0x%02x", i, len, m[i]);
            return;
        }
    }
}

/* The pseudo header's sum as a driver prepares it: without the length for LSO. */
static uint32_t pseudo_sum(const TxFrame *f)
{
    uint8_t *ip = f->data + f->l3;
    uint32_t sum = f->lso || f->tcp ? IP_PROTO_TCP : IP_PROTO_UDP;

    if (!f->lso) {
        sum += f->v6 ? lduw_be_p(ip + 4) - (f->l4 - f->l3 - 40)
                     : lduw_be_p(ip + 2) - (f->l4 - f->l3);
    }
    return f->v6 ? sum + net_checksum_add(32, ip + 8)
                 : sum + net_checksum_add(8, ip + 12);
}

/* What is wrong with the frame for the offload that is asked for, or NULL. */
static const char *offload_misfit(const TxFrame *f, const NicFlow *flow)
{
    uint8_t proto = f->lso || f->tcp ? IP_PROTO_TCP : IP_PROTO_UDP;
    const uint8_t *ip = f->data + f->l3;
    uint32_t field = f->l4 + (proto == IP_PROTO_TCP ? 16 : 6);

    if (flow->family != (f->v6 ? 6 : 4)) {
        return "the IP version";
    }
    if (flow->extended) {
        return NULL;            /* the driver knows what is behind these headers */
    }
    if (flow->proto != proto || flow->l4 != f->l4) {
        return "the transport protocol or its offset";
    }
    if (f->lso && (f->v6 ? lduw_be_p(ip + 4) : lduw_be_p(ip + 2) | lduw_be_p(ip + 10))) {
        return "IP length or checksum not 0";
    }
    /* 0 and 0xFFFF are the same sum */
    return (pseudo_sum(f) + 0xFFFF - lduw_be_p(f->data + field)) % 0xFFFF
        ? "the pseudo header's sum" : NULL;
}

/*
 * A frame that does not fit its offload leaves with a wrong checksum, or none;
 * the peer behind a tap would believe us and not look.
 */
static void check_offload(const TxFrame *f, const NicFlow *flow)
{
    const char *why = f->csum || f->lso ? offload_misfit(f, flow) : NULL;

    if (why) {
        hv_audit(HV_AUDIT_OFFLOAD_FRAME, "%s, in a frame of %u bytes with %s", why,
                 f->len, f->lso ? "LSO" : "a checksum to do");
    }
}

/* One PACKET message of @len bytes. */
static bool parse_packet(HvNic *nic, uint8_t *m, uint32_t len, TxFrame *f)
{
    uint32_t at, limit = nic->mtu_field;
    NicFlow flow;

    if (!check_offsets(m, len)) {
        return false;
    }
    at = 8 + ldl_le_p(m + 8);
    *f = (TxFrame){ .data = m + at, .len = ldl_le_p(m + 12) };
    flow_parse(f->data, f->len, &flow);
    f->l3 = flow.tagged ? 18 : 14;
    if (ldl_le_p(m + 32) &&
        !parse_ppis(nic, f, m + 8 + ldl_le_p(m + 28), ldl_le_p(m + 32))) {
        return false;
    }
    check_offload(f, &flow);
    if (flow.tagged) {
        hv_audit(HV_AUDIT_INFRAME_VLAN, "tag 0x%04x in the frame", flow.vlan);
    }
    limit += flow.tag_bytes;
    if (f->len > limit && !f->lso) {
        hv_audit(HV_AUDIT_RNDIS_DATA, "frame of %u bytes, limit %u", f->len, limit);
        return false;
    }
    check_padding(m, at + f->len, len);
    return true;
}

/* Header and per-packet infos of a checked message. */
static uint32_t header_length(const uint8_t *m)
{
    uint32_t ppis = ldl_le_p(m + 32);

    return ppis ? MAX(RNDIS_PACKET_HEADER, 8 + ldl_le_p(m + 28) + ppis)
                : RNDIS_PACKET_HEADER;
}

/* All messages of a batch into @frames; how many, or -1. */
static int parse_batch(HvNic *nic, uint32_t len, uint32_t first, TxFrame *frames)
{
    uint32_t at = 0;
    int n = 0;

    while (at < len) {
        uint8_t *m = nic->scratch + at;
        uint32_t left = len - at, own = left >= 8 ? ldl_le_p(m + 4) : 0;
        size_t keep = left;
        bool keep_it = true;

        if (left >= 8) {
            keep_it = hv_mangle(HV_G2H, HV_LAYER_RNDIS, 0, ldl_le_p(m), m, &keep);
            own = ldl_le_p(m + 4);
        }
        if (own < RNDIS_PACKET_HEADER || own > left) {
            hv_audit(HV_AUDIT_RNDIS_LENGTH, "message of %u bytes, %u left", own,
                     left);
            return -1;
        }
        if (ldl_le_p(m) != RNDIS_PACKET) {
            hv_audit(HV_AUDIT_RNDIS_TYPE, "message type 0x%x among data",
                     ldl_le_p(m));
            return -1;
        }
        if (n == RNDIS_MAX_PACKETS) {
            hv_audit(HV_AUDIT_RNDIS_COUNT, "more than %d messages",
                     RNDIS_MAX_PACKETS);
            return -1;
        }
        if (own < left && own % (1 << RNDIS_ALIGN_SHIFT)) {
            hv_audit(HV_AUDIT_RNDIS_ALIGN, "message of %u bytes is not the last",
                     own);
            return -1;
        }
        if (!parse_packet(nic, m, own, &frames[n])) {
            return -1;
        }
        if (!n && first < header_length(m)) {
            hv_audit(HV_AUDIT_RNDIS_SPLIT, "first range has %u bytes, header %u",
                     first, header_length(m));
        }
        n += keep_it;
        at += own;
    }
    return n;
}

/* --- transmitting --- */

static void fix_ip_header(uint8_t *ip)
{
    unsigned len = (ip[0] & 15) * 4;

    stw_be_p(ip + 10, 0);
    stw_be_p(ip + 10, net_checksum_finish(net_checksum_add(len, ip)));
}

static unsigned header_bytes(const TxFrame *f)
{
    return f->l4 + (f->data[f->l4 + 12] >> 4) * 4;
}

/* What LSO leaves empty, for a frame that is @len bytes long. */
static void fill_lengths(const TxFrame *f, uint8_t *frame, unsigned len)
{
    uint8_t *ip = frame + f->l3;

    if (f->v6) {
        stw_be_p(ip + 4, len - f->l3 - 40);
    } else {
        stw_be_p(ip + 2, len - f->l3);
        fix_ip_header(ip);
    }
}

/*
 * LSO leaves lengths and the IP checksum empty and the length out of the TCP
 * pseudo sum; whoever segments behind us wants them filled in.
 */
static void prepare_lso(TxFrame *f, struct virtio_net_hdr *h)
{
    uint8_t *l4 = f->data + f->l4;
    uint32_t sum = lduw_be_p(l4 + 16) + (f->len - f->l4);

    fill_lengths(f, f->data, f->len);
    while (sum >> 16) {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    stw_be_p(l4 + 16, sum);
    h->gso_type = f->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
    h->gso_size = cpu_to_le16(f->mss);
    h->hdr_len = cpu_to_le16(header_bytes(f) + (f->tagged ? 4 : 0));
    f->csum = f->tcp = true;
}

/* Bytes of the frame up to the end of its IP packet, without padding. */
static unsigned packet_end(const TxFrame *f)
{
    const uint8_t *ip = f->data + f->l3;
    unsigned end = f->l3 + (f->v6 ? 40 + lduw_be_p(ip + 4) : lduw_be_p(ip + 2));

    return end > f->l4 && end <= f->len ? end : f->len;
}

/* The field has the pseudo header's sum. */
static void compute_checksum(TxFrame *f)
{
    uint8_t *at = f->data + f->l4 + (f->tcp ? 16 : 6);
    uint16_t sum = net_checksum_finish(net_checksum_add(packet_end(f) - f->l4,
                                                        f->data + f->l4));

    stw_be_p(at, sum || f->tcp ? sum : 0xFFFF);
}

static void prepare(HvNic *nic, TxFrame *f, struct virtio_net_hdr *h)
{
    if (f->lso) {
        prepare_lso(f, h);
    } else if (f->ip_header) {
        fix_ip_header(f->data + f->l3);
    }
    if (f->csum && nic->vnet_len) {
        h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        h->csum_start = cpu_to_le16(f->l4 + (f->tagged ? 4 : 0));
        h->csum_offset = cpu_to_le16(f->tcp ? 16 : 6);
    } else if (f->csum) {
        compute_checksum(f);
    }
}

static void taken(NetClientState *nc, ssize_t len)
{
    HvNic *nic = qemu_get_nic_opaque(nc);

    if (nic->tx_queued && !--nic->tx_queued) {
        nic_wake(nic);
    }
}

/* One frame to the backend, with its tag in it. */
static void put_on_wire(HvNic *nic, const TxFrame *f, struct virtio_net_hdr *h)
{
    uint8_t tag[4];
    struct iovec iov[4] = { { h, nic->vnet_len }, { f->data, f->len } };
    int n = 2;

    if (f->tagged) {
        stw_be_p(tag, ETH_P_VLAN);
        stw_be_p(tag + 2, f->tci);
        iov[1].iov_len = 12;
        iov[2] = (struct iovec){ tag, 4 };
        iov[3] = (struct iovec){ f->data + 12, f->len - 12 };
        n = 4;
    }
    if (icount_enabled()) {
        /* a slow backend must not cost the guest instructions: it may drop */
        qemu_sendv_packet(qemu_get_queue(nic->nic), iov, n);
    } else if (!qemu_sendv_packet_async(qemu_get_queue(nic->nic), iov, n, taken)) {
        nic->tx_queued++;
    }
}

/* The headers of the segment that has the data from @at on: @seg has the frame's. */
static void fix_segment(const TxFrame *f, TxFrame *seg, unsigned number, unsigned at,
                        bool last)
{
    uint8_t *ip = seg->data + seg->l3, *tcp = seg->data + seg->l4;

    if (!f->v6) {
        stw_be_p(ip + 4, lduw_be_p(f->data + f->l3 + 4) + number);
    }
    fill_lengths(f, seg->data, seg->len);
    stl_be_p(tcp + 4, ldl_be_p(f->data + f->l4 + 4) + at);
    if (number) {
        tcp[13] &= ~TH_CWR;
    }
    if (!last) {
        tcp[13] &= ~(TH_FIN | TH_PUSH);
    }
    /* the frame's field has the pseudo header's sum but for the length */
    stw_be_p(tcp + 16, net_checksum_finish(net_checksum_add(seg->len - seg->l4, tcp) +
                                           seg->len - seg->l4));
}

/* What a NIC does when nobody behind it could: segments of their own, 5.5. */
static void segment(HvNic *nic, const TxFrame *f)
{
    unsigned header = header_bytes(f), left = f->len - header, at = 0;
    g_autofree uint8_t *data = g_malloc(header + MIN(f->mss, left));
    struct virtio_net_hdr none = { 0 };
    TxFrame seg = *f;

    seg.data = data;
    for (unsigned i = 0; left; i++) {
        unsigned n = MIN(f->mss, left);

        memcpy(data, f->data, header);
        memcpy(data + header, f->data + header + at, n);
        seg.len = header + n;
        left -= n;
        fix_segment(f, &seg, i, at, !left);
        put_on_wire(nic, &seg, &none);
        at += n;
    }
}

static void transmit(HvNic *nic, TxFrame *f)
{
    struct virtio_net_hdr h = { 0 };

    if (!nic->link) {
        nic->tx_dropped++;
        return;
    }
    if (f->lso && !nic->vnet_len) {
        segment(nic, f);
        return;
    }
    prepare(nic, f, &h);
    put_on_wire(nic, f, &h);
}

static void meter(NicMeter *m, uint32_t len)
{
    if (len == m->size) {
        m->last = hv_instructions();
        m->first = m->packets++ ? m->first : m->last;
    }
}

/* --- promises that depend on the time --- */

/* What @chan holds at this moment the guest may have sent before it asked. */
static uint64_t from_now(HvChan *chan, bool forbidden)
{
    return forbidden ? hv_chan_horizon(chan) : UINT64_MAX;
}

void tx_filter_set(HvNic *nic, uint32_t filter)
{
    for (unsigned i = 0; !nic->filter != !filter && i < nic->queues; i++) {
        if (hv_chan_is_open(&nic->parent_obj.chan[i])) {
            nic->nchan[i].down_from = from_now(&nic->parent_obj.chan[i], !filter);
        }
    }
    nic->filter = filter;
}

void tx_path_set(HvNic *nic, bool vf)
{
    for (unsigned i = 0; nic->vf_path != vf && i < nic->queues; i++) {
        if (hv_chan_is_open(&nic->parent_obj.chan[i])) {
            nic->nchan[i].vf_from = from_now(&nic->parent_obj.chan[i], vf);
        }
    }
    nic->vf_path = vf;
}

void tx_chan_opened(HvChan *chan)
{
    HvNic *nic = HV_NETVSC(chan->dev);

    nic_chan(chan)->down_from = nic->filter ? UINT64_MAX : 0;
    nic_chan(chan)->vf_from = nic->vf_path ? 0 : UINT64_MAX;
}

static uint32_t data_message(HvChan *chan, HvPacket *pkt, uint32_t len, uint32_t first)
{
    HvNic *nic = HV_NETVSC(chan->dev);
    NicChan *nc = nic_chan(chan);
    TxFrame frames[RNDIS_MAX_PACKETS];
    int n = parse_batch(nic, len, first, frames);
    bool lost = false;

    if (n < 0) {
        return NVSP_STATUS_FAIL;
    }
    if (pkt->position >= nc->down_from) {
        hv_audit(HV_AUDIT_BEFORE_FILTER, "%d packets on channel %u", n, chan->index);
    }
    if (pkt->position >= nc->vf_from) {
        hv_audit(HV_AUDIT_DATA_WHILE_VF, "%d packets on channel %u", n, chan->index);
        nic->vf.wrong_synthetic += n;
        lost = nic->vf.drop;
    }
    for (int i = 0; i < n; i++) {
        meter(&nic->meter, frames[i].len);
        nc->count.tx_packets++;
        nc->count.tx_bytes += frames[i].len;
        if (!lost) {
            transmit(nic, &frames[i]);
        }
    }
    return NVSP_STATUS_OK;
}

uint32_t tx_packet(HvChan *chan, HvPacket *pkt)
{
    HvNic *nic = HV_NETVSC(chan->dev);
    uint32_t channel_type = ldl_le_p(pkt->payload + 4), first, status;
    size_t keep;
    int len = gather(chan, pkt, &first);

    nic_chan(chan)->count.tx_messages++;
    status = NVSP_STATUS_FAIL;
    if (channel_type > 1 || (channel_type == 1 && chan->index)) {
        hv_audit(HV_AUDIT_CHANNEL_TYPE, "type %u on channel %u", channel_type,
                 chan->index);
    } else if (len >= 0 && channel_type == 1) {
        keep = len;
        if (len < 8 || hv_mangle(HV_G2H, HV_LAYER_RNDIS, 0, ldl_le_p(nic->scratch),
                                 nic->scratch, &keep)) {
            rndis_control(nic, nic->scratch, keep);
        }
        status = NVSP_STATUS_OK;
    } else if (len >= 0) {
        status = data_message(chan, pkt, len, first);
    }
    if (status != NVSP_STATUS_OK) {
        nic_chan(chan)->count.tx_errors++;
    }
    return status;
}
