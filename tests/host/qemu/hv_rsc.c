/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Receive segment coalescing: protocol 3.5 and 5.7.
 *
 * TCP segments of one flow that follow each other become one frame in several
 * sections: the first has the headers and its data, each other one only data.
 * A segment's data lies in its section from when it came; the headers, which
 * depend on all segments, are written when the frame goes.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "net/checksum.h"
#include "net/eth.h"
#include "hv_netvsc.h"

#define UNITS           16      /* flows that are coalesced at a time */
#define HEADERS_MAX     (18 + 40 + 32)
#define TCP_HEADER      20
#define TIMESTAMPS      12      /* the option with its padding */

/* What is looked at in a segment. */
typedef struct Segment {
    unsigned head;              /* bytes before the data */
    unsigned len;               /* of the data */
    uint32_t seq, ack;
    bool push;
    bool stamped;               /* has timestamps */
    uint32_t value, echo;
} Segment;

/* Segments that become one frame. */
typedef struct Unit {
    HvChan *chan;               /* NULL = none */
    uint64_t since;             /* the oldest must go when there are too many */
    NicFlow flow;
    NicInfo info;               /* of the first segment, while it is the only one */
    uint8_t head[HEADERS_MAX];
    Segment last;
    unsigned size;              /* data of each segment but the last */
    unsigned total;             /* data of all */
    uint32_t sum;               /* of all data */
    unsigned n;
    NicRange range[NIC_RANGES_MAX];
} Unit;

struct NicRsc {
    Unit unit[UNITS];
    uint64_t begun;
    uint16_t id;
    unsigned hold;              /* ms, 0 = until the burst ends */
    QEMUTimer *timer;
    bool late;                  /* something could not go when it had to */
};

/* --- is it one that can be coalesced --- */

static bool parse_options(const uint8_t *tcp, unsigned len, Segment *s)
{
    static const uint8_t stamps[4] = { 1, 1, 8, 10 };

    s->stamped = len == TCP_HEADER + TIMESTAMPS;
    if (!s->stamped) {
        return len == TCP_HEADER;
    }
    s->value = ldl_be_p(tcp + TCP_HEADER + 4);
    s->echo = ldl_be_p(tcp + TCP_HEADER + 8);
    return !memcmp(tcp + TCP_HEADER, stamps, sizeof(stamps));
}

static bool parse_tcp(const NicFrame *f, Segment *s)
{
    const uint8_t *tcp = f->data + f->flow.l4;
    unsigned len = (tcp[12] >> 4) * 4;

    s->head = f->flow.l4 + len;
    if (s->head >= f->len || ((tcp[12] & 15) | (tcp[13] & ~TH_PUSH)) != TH_ACK) {
        return false;
    }
    s->len = f->len - s->head;
    s->seq = ldl_be_p(tcp + 4);
    s->ack = ldl_be_p(tcp + 8);
    s->push = tcp[13] & TH_PUSH;
    return parse_options(tcp, len, s);
}

/* No options, and no padding behind the data. */
static bool ip_is_plain(const NicFrame *f)
{
    const uint8_t *ip = f->data + f->flow.l3;

    if (f->flow.family == 4) {
        return ip[0] == 0x45 && f->flow.l3 + lduw_be_p(ip + 2) == f->len &&
               rx_ip_header_is_good(f);
    }
    return f->flow.l3 + 40 + lduw_be_p(ip + 4) == f->len;
}

static bool parse(const HvNic *nic, const NicFrame *f, Segment *s)
{
    const NicOffload *o = &nic->offload;
    bool v4 = f->flow.family == 4;

    return (v4 ? o->rsc4 : o->rsc6) && (v4 ? o->tcp4 : o->tcp6) & 2 && f->checked &&
           ip_is_plain(f) && parse_tcp(f, s);
}

/* --- does it go on with what is there --- */

static bool same_flow(const Unit *u, const NicFrame *f)
{
    bool v4 = u->flow.family == 4;

    return u->chan && u->flow.family == f->flow.family &&
           !memcmp(u->head + u->flow.l4, f->data + f->flow.l4, 4) &&
           !memcmp(u->head + u->flow.l3 + (v4 ? 12 : 8),
                   f->data + f->flow.l3 + (v4 ? 12 : 8), v4 ? 8 : 32);
}

static Unit *find_unit(NicRsc *rsc, const NicFrame *f)
{
    for (int i = 0; i < UNITS; i++) {
        if (same_flow(&rsc->unit[i], f)) {
            return &rsc->unit[i];
        }
    }
    return NULL;
}

/* All that must be the same in each: addresses, tag, service, may it be cut. */
static bool same_headers(const Unit *u, const NicFrame *f)
{
    const uint8_t *a = u->head + u->flow.l3, *b = f->data + f->flow.l3;

    if (memcmp(u->head, f->data, 12) || u->flow.tagged != f->flow.tagged ||
        u->flow.vlan != f->flow.vlan || u->flow.l3 != f->flow.l3) {
        return false;
    }
    return u->flow.family == 4 ? a[1] == b[1] && a[6] == b[6] : !memcmp(a, b, 4);
}

static bool not_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) >= 0;
}

static bool goes_on(const Unit *u, const NicFrame *f, const Segment *s)
{
    const Segment *last = &u->last;
    unsigned payload = s->head - f->flow.l3 - (u->flow.family == 4 ? 0 : 40);

    return same_headers(u, f) && s->seq == last->seq + last->len &&
           not_before(s->ack, last->ack) && s->stamped == last->stamped &&
           (!s->stamped || (not_before(s->value, last->value) &&
                            not_before(s->echo, last->echo))) &&
           s->len <= u->size && u->n < NIC_RANGES_MAX &&
           payload + u->total + s->len <= UINT16_MAX;
}

/* --- the frame goes --- */

static void update_tcp(Unit *u)
{
    unsigned len = u->last.head - u->flow.l4;
    uint8_t *tcp = u->head + u->flow.l4, *ip = u->head + u->flow.l3;
    uint32_t sum = IP_PROTO_TCP + len + u->total + u->sum;

    stw_be_p(tcp + 16, 0);
    sum += u->flow.family == 4 ? net_checksum_add(8, ip + 12)
                               : net_checksum_add(32, ip + 8);
    sum += net_checksum_add(len, tcp);
    stw_be_p(tcp + 16, net_checksum_finish(sum));
}

/* The checksum of an IPv4 header stays that of the first segment. */
static void update_headers(Unit *u)
{
    uint8_t *ip = u->head + u->flow.l3;

    if (u->flow.family == 4) {
        stw_be_p(ip + 2, u->last.head - u->flow.l3 + u->total);
    } else {
        stw_be_p(ip + 4, u->last.head - u->flow.l4 + u->total);
    }
    update_tcp(u);
}

static void put_headers(HvNic *nic, Unit *u)
{
    NicFrame head = { .data = u->head, .len = u->last.head };

    update_headers(u);
    rx_put_data(nic, u->range[0].section, &head, &u->info);
    u->info.csum = CSUM_RX_TCP_GOOD;
    if (u->flow.family == 4) {
        u->info.csum |= CSUM_RX_IP_GOOD | CSUM_RX_IP_STALE;
    }
    u->info.id = ++nic->rsc->id;
    nic->rsc_packets++;
    nic->rsc_segments += u->n;
}

static uint8_t fragment_flags(const Unit *u, unsigned i)
{
    return u->n == 1 ? 0 : RSC_FRAGMENT | (i ? 0 : RSC_FIRST) |
                           (i == u->n - 1 ? RSC_LAST : 0);
}

static void append_ranges(HvNic *nic, NicChan *nc, Unit *u)
{
    unsigned first = nc->npending;

    for (unsigned i = 0; i < u->n; i++) {
        NicRange r = u->range[i];

        u->info.whole = !i;
        u->info.rsc = fragment_flags(u, i);
        r.len = rx_put_header(u->chan, r.section, &u->info, r.len);
        r.more = true;
        if (r.len) {
            nc->pending[nc->npending++] = r;
        } else {
            rx_section_put(nic, r.section);
        }
    }
    if (nc->npending > first) {
        nc->pending[nc->npending - 1].more = false;
    }
}

/* False when its channel has no room yet. */
static bool let_go(HvNic *nic, Unit *u)
{
    NicChan *nc = nic_chan(u->chan);

    if (nc->npending + u->n > NIC_RANGES_MAX) {
        rx_flush(u->chan);
        if (nc->npending + u->n > NIC_RANGES_MAX) {
            nic->rsc->late = true;
            return false;
        }
    }
    if (u->n > 1) {
        put_headers(nic, u);
    }
    nc->count.rx_packets++;
    nc->count.rx_bytes += u->last.head + u->total - (u->info.tagged ? 4 : 0);
    append_ranges(nic, nc, u);
    u->chan = NULL;
    qemu_bh_schedule(nic->flush_bh);
    return true;
}

void rsc_flush(HvNic *nic)
{
    nic->rsc->late = false;
    for (int i = 0; i < UNITS; i++) {
        if (nic->rsc->unit[i].chan) {
            let_go(nic, &nic->rsc->unit[i]);
        }
    }
}

void rsc_burst_ends(HvNic *nic)
{
    if (!nic->rsc->hold) {
        rsc_flush(nic);
    }
}

void rsc_resume(HvNic *nic)
{
    if (nic->rsc->late) {
        rsc_flush(nic);
    }
}

void rsc_drop(HvNic *nic, HvChan *chan)
{
    for (int i = 0; i < UNITS; i++) {
        Unit *u = &nic->rsc->unit[i];

        if (!u->chan || (chan && u->chan != chan)) {
            continue;
        }
        for (unsigned k = 0; k < u->n; k++) {
            rx_section_put(nic, u->range[k].section);
        }
        u->chan = NULL;
    }
}

/* --- a segment comes --- */

static bool take_section(HvNic *nic, Unit *u)
{
    int64_t section = rx_section_get(nic, NVSP_CONTROL_SECTIONS);

    if (section < 0) {
        nic->rx_no_section++;
        rsc_flush(nic);         /* these may be what has them all */
        return false;
    }
    u->range[u->n++].section = section;
    return true;
}

/* The newest of what changes, the fewest of the hops. */
static void merge_headers(Unit *u, const NicFrame *f, const Segment *s)
{
    unsigned hops = u->flow.l3 + (u->flow.family == 4 ? 8 : 7);
    unsigned tcp = u->flow.l4;

    u->head[hops] = MIN(u->head[hops], f->data[hops]);
    memcpy(u->head + tcp + 8, f->data + tcp + 8, 8);    /* ack to window */
    if (s->stamped) {
        memcpy(u->head + tcp + TCP_HEADER, f->data + tcp + TCP_HEADER, TIMESTAMPS);
    }
}

static RscVerdict append(HvNic *nic, Unit *u, NicFrame *f, const Segment *s)
{
    uint8_t *data = f->data + s->head;
    NicRange *r = &u->range[u->n];

    if (!take_section(nic, u)) {
        return RSC_WAIT;
    }
    r->len = s->len;
    rx_section_write(nic, r->section, nic->headroom, data, s->len);
    merge_headers(u, f, s);
    u->sum += net_checksum_add_cont(s->len, data, u->total);
    u->total += s->len;
    u->last = *s;
    if (s->push || s->len < u->size) {
        let_go(nic, u);         /* if it cannot now, it has no follower all the same */
        u->size = 0;
    }
    return RSC_TAKEN;
}

static void schedule(HvNic *nic)
{
    NicRsc *rsc = nic->rsc;

    if (!rsc->hold) {
        qemu_bh_schedule(nic->flush_bh);
    } else if (!timer_pending(rsc->timer)) {
        timer_mod(rsc->timer, qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) + rsc->hold);
    }
}

/* A unit that is free, or was until now the oldest; NULL when that cannot go. */
static Unit *free_unit(HvNic *nic)
{
    Unit *oldest = nic->rsc->unit;

    for (int i = 0; i < UNITS; i++) {
        Unit *u = &nic->rsc->unit[i];

        if (!u->chan) {
            return u;
        }
        oldest = u->since < oldest->since ? u : oldest;
    }
    return let_go(nic, oldest) ? oldest : NULL;
}

static RscVerdict begin(HvChan *chan, NicFrame *f, const Segment *s)
{
    HvNic *nic = HV_NETVSC(chan->dev);
    Unit *u = free_unit(nic);

    if (!u) {
        return RSC_WAIT;
    }
    u->n = 0;
    if (!take_section(nic, u)) {
        return RSC_WAIT;
    }
    u->chan = chan;
    u->since = nic->rsc->begun++;
    u->flow = f->flow;
    u->info = rx_info(nic, f);
    u->last = *s;
    u->size = u->total = s->len;
    u->sum = net_checksum_add(s->len, f->data + s->head);
    memcpy(u->head, f->data, s->head);
    u->range[0].len = rx_put_data(nic, u->range[0].section, f, &u->info);
    schedule(nic);
    return RSC_TAKEN;
}

RscVerdict rsc_offer(HvChan *chan, NicFrame *f)
{
    HvNic *nic = HV_NETVSC(chan->dev);
    Segment s;
    bool can;
    Unit *u;

    if (!(nic->offload.rsc4 || nic->offload.rsc6) || !f->flow.l4 ||
        f->flow.proto != IP_PROTO_TCP) {
        return RSC_NOT;
    }
    u = find_unit(nic->rsc, f);
    can = parse(nic, f, &s);
    if (u && can && goes_on(u, f, &s)) {
        return append(nic, u, f, &s);
    }
    if (u && !let_go(nic, u)) {
        return RSC_WAIT;
    }
    return can && !s.push ? begin(chan, f, &s) : RSC_NOT;
}

/* --- by command --- */

static void hold_ends(void *opaque)
{
    HvNic *nic = opaque;

    rsc_flush(nic);
}

void rsc_init(HvNic *nic)
{
    nic->rsc = g_new0(NicRsc, 1);
    nic->rsc->timer = timer_new_ms(QEMU_CLOCK_VIRTUAL, hold_ends, nic);
}

/* "rsc hold MS": coalesce for so long, whatever bursts there are; 0: as bursts end. */
bool rsc_do(HvNic *nic, const char *text, Error **errp)
{
    const char *number;
    unsigned ms;

    if (!g_str_has_prefix(text, "rsc ")) {
        return false;
    }
    if (!strstart(text, "rsc hold ", &number) ||
        qemu_strtoui(number, NULL, 10, &ms)) {
        error_setg(errp, "rsc hold MS");
        return true;
    }
    nic->rsc->hold = ms;
    if (!ms) {
        timer_del(nic->rsc->timer);
        rsc_flush(nic);
    }
    return true;
}
