/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VMBus of the host: protocol 1.2 to 1.6.
 *
 * Written anew rather than patched into QEMU's vmbus.c, which offers all
 * subchannels at once, cannot rescind, drops a bad GPADL without an answer and
 * has assertions that a guest can reach.  It keeps the type name vmbus-bridge,
 * by which QEMU's ACPI code finds the bus and describes it to the guest.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "hw/hyperv/vmbus-bridge.h"
#include "sysemu/cpu-timers.h"
#include "hv_audit.h"
#include "hv_cpu.h"
#include "hv_mangle.h"
#include "hv_vmbus.h"
#include "hv_wire.h"
#include "hv_wirelog.h"

/* How long the host takes to look after a doorbell, in guest time. */
#define ICOUNT_LATENCY_NS       50000
#define INCOMING_MAX            16      /* as a message port has, 1.1 */
#define OUTGOING_MAX            1024
#define GPADL_HEADER_PFNS       26
#define GPADL_BODY_PFNS         28
#define GPADL_MAX               1024
#define RING_PAGES_MIN          4       /* two pages each side */

typedef struct Message {
    size_t len;
    uint8_t data[HV_MESSAGE_PAYLOAD];
} Message;

/* What a relid stands for; @chan is NULL from a rescind until its release. */
typedef struct Relid {
    bool used, ever;
    HvChan *chan;
} Relid;

typedef struct HvBridge {
    VMBusBridge parent;         /* first: QEMU's ACPI code looks into it */

    BusState *hv_bus;
    char *version_name;
    char *wirelog;
    uint32_t version_max;

    uint32_t protocol;          /* 0: no contact */
    uint32_t message_vp;
    bool offers_requested;
    Relid relid[VMBUS_MAX_RELID + 1];
    uint32_t last_relid;
    unsigned gpadl_count;
    QTAILQ_HEAD(, HvGpadl) gpadls;
    QTAILQ_HEAD(, HvDevice) devices;
    GQueue incoming;
    GQueue outgoing;
    QEMUBH *incoming_bh;
    QEMUBH *outgoing_bh;
} HvBridge;

static HvBridge *bridge;        /* one per machine */

static const struct {
    const char *name;
    uint32_t word;
} versions[] = {
    { "2.4", VMBUS_V2_4 }, { "3.0", VMBUS_V3_0 }, { "4.0", VMBUS_V4_0 },
    { "4.1", VMBUS_V4_1 }, { "5.0", VMBUS_V5_0 }, { "5.1", VMBUS_V5_1 },
    { "5.2", VMBUS_V5_2 }, { "5.3", VMBUS_V5_3 },
};

static uint32_t version_word(const char *name)
{
    for (int i = 0; i < ARRAY_SIZE(versions); i++) {
        if (!strcmp(versions[i].name, name)) {
            return versions[i].word;
        }
    }
    return 0;
}

static bool version_known(uint32_t word)
{
    for (int i = 0; i < ARRAY_SIZE(versions); i++) {
        if (versions[i].word == word) {
            return true;
        }
    }
    return false;
}

/* --- messages to the guest --- */

static void deliver(void *opaque)
{
    Message *m;

    while ((m = g_queue_peek_head(&bridge->outgoing)) &&
           hv_synic_post(bridge->message_vp, HV_VMBUS_SINT,
                         HV_MESSAGE_TYPE_VMBUS, m->data, m->len)) {
        g_free(g_queue_pop_head(&bridge->outgoing));
    }
}

static void post(const uint8_t *data, size_t len)
{
    Message *m = g_new0(Message, 1);
    uint32_t type = ldl_le_p(data);

    m->len = len;
    memcpy(m->data, data, len);
    if (!hv_mangle(HV_H2G, HV_LAYER_VMBUS, 0, type, m->data, &m->len)) {
        g_free(m);
        return;
    }
    hv_wirelog_bytes("vmbus h2g", 0, type, m->data, m->len);
    g_queue_push_tail(&bridge->outgoing, m);
    deliver(NULL);
}

/* A message of up to four words behind the header. */
static void post_words(uint32_t type, unsigned n, const uint32_t *words)
{
    uint8_t data[24] = { 0 };

    assert(n <= 4);
    stl_le_p(data, type);
    for (unsigned i = 0; i < n; i++) {
        stl_le_p(data + 8 + 4 * i, words[i]);
    }
    post(data, 8 + 4 * n);
}

#define POST(type, ...) \
    post_words(type, ARRAY_SIZE(((uint32_t[]){ __VA_ARGS__ })), \
               (uint32_t[]){ __VA_ARGS__ })

/*
 * The channel that a message speaks of.  NULL when it was rescinded, which is
 * nobody's fault, and when there never was one, which is named.
 */
static HvChan *message_chan(uint32_t relid)
{
    if (relid <= VMBUS_MAX_RELID && bridge->relid[relid].used) {
        return bridge->relid[relid].chan;
    }
    hv_audit(HV_AUDIT_VMBUS_RELID, "message for relid %u", relid);
    return NULL;
}

/* The channel was rescinded, and the GPADLs with it: 1.5 allows to speak of them. */
static bool relid_is_gone(uint32_t relid)
{
    return relid <= VMBUS_MAX_RELID && bridge->relid[relid].ever &&
           !bridge->relid[relid].chan;
}

/*
 * Doorbells and messages come on different ways.  What the guest put into the
 * ring before it posted a message about the channel counts before the message.
 */
static void chan_drain(HvChan *chan)
{
    uint64_t before, end;

    if (!chan || !hv_chan_is_open(chan)) {
        return;
    }
    end = hv_chan_horizon(chan);        /* the guest may go on writing for ever */
    do {
        before = chan->in.total;
        HV_DEVICE_GET_CLASS(chan->dev)->work(chan);
        /* no progress: empty, or it has to wait for room */
    } while (!chan->broken && chan->in.total != before && chan->in.total < end);
}

/* --- GPADLs --- */

static HvGpadl *gpadl_find(uint32_t id)
{
    HvGpadl *g;

    QTAILQ_FOREACH(g, &bridge->gpadls, next) {
        if (g->id == id) {
            return g;
        }
    }
    return NULL;
}

void hv_gpadl_put(HvGpadl *g)
{
    if (g && !--g->refs) {
        g_free(g->page);
        g_free(g);
    }
}

HvGpadl *hv_gpadl_get(HvChan *chan, uint32_t id)
{
    HvGpadl *g = gpadl_find(id);

    if (!g || !g->created || g->relid != chan->relid) {
        return NULL;
    }
    g->refs++;
    return g;
}

/* Off the list; users that still hold a reference see that it is torn. */
static void gpadl_drop(HvGpadl *g)
{
    HvDevice *dev;

    g->torn = true;
    QTAILQ_REMOVE(&bridge->gpadls, g, next);
    bridge->gpadl_count--;
    QTAILQ_FOREACH(dev, &bridge->devices, next) {
        HV_DEVICE_GET_CLASS(dev)->torn(dev, g);
    }
    hv_gpadl_put(g);
}

static void gpadl_drop_relid(uint32_t relid)
{
    HvGpadl *g, *next;

    QTAILQ_FOREACH_SAFE(g, &bridge->gpadls, next, next) {
        if (g->relid == relid) {
            gpadl_drop(g);
        }
    }
}

static void gpadl_copy(HvGpadl *g, uint64_t offset, uint8_t *buf, size_t len,
                       bool write)
{
    if (offset > hv_gpadl_bytes(g) || len > hv_gpadl_bytes(g) - offset) {
        error_report_once("bug in this host: %zu bytes at %" PRIu64 " of a GPADL of "
                          "%" PRIu64, len, offset, hv_gpadl_bytes(g));
        return;
    }
    while (len && !g->torn) {
        uint32_t in_page = offset % HV_PAGE_SIZE;
        uint8_t *at = g->page[offset / HV_PAGE_SIZE] + in_page;
        size_t n = MIN(len, HV_PAGE_SIZE - in_page);

        if (write) {
            memcpy(at, buf, n);
        } else {
            memcpy(buf, at, n);
        }
        buf += n;
        offset += n;
        len -= n;
    }
}

void hv_gpadl_write(HvGpadl *g, uint64_t offset, const void *buf, size_t len)
{
    gpadl_copy(g, offset, (uint8_t *)buf, len, true);
}

void hv_gpadl_read(HvGpadl *g, uint64_t offset, void *buf, size_t len)
{
    gpadl_copy(g, offset, buf, len, false);
}

static void gpadl_take_pfns(HvGpadl *g, const uint8_t *data, size_t bytes,
                            unsigned most)
{
    unsigned n = MIN(bytes / 8, most);

    for (unsigned i = 0; i < n && g->got < g->npages; i++, g->got++) {
        uint64_t pfn = ldq_le_p(data + 8 * i);

        g->page[g->got] = pfn < UINT64_MAX / HV_PAGE_SIZE
            ? hv_ram(pfn * HV_PAGE_SIZE) : NULL;
        if (!g->page[g->got]) {
            hv_audit(HV_AUDIT_GPADL_RAM, "GPADL 0x%x, PFN 0x%" PRIx64, g->id, pfn);
            g->bad = true;
        }
    }
    if (g->got == g->npages) {
        g->created = !g->bad;
        POST(VMBUS_GPADL_CREATED, g->relid, g->id,
             g->bad ? VMBUS_STATUS_FAILED : 0);
        if (g->bad) {
            gpadl_drop(g);
        }
    }
}

static void msg_gpadl_header(const uint8_t *m, size_t len)
{
    uint32_t relid = ldl_le_p(m + 8), id = ldl_le_p(m + 12);
    uint16_t bytes = lduw_le_p(m + 16), ranges = lduw_le_p(m + 18);
    uint32_t count = ldl_le_p(m + 20), offset = ldl_le_p(m + 24);
    uint32_t npages = bytes / 8 - 1;
    HvGpadl *g;

    if (!message_chan(relid)) {
        POST(VMBUS_GPADL_CREATED, relid, id, VMBUS_STATUS_FAILED);
        return;
    }
    if (ranges != 1 || offset || bytes < 16 || bytes % 8 ||
        count != npages * HV_PAGE_SIZE || len < 28) {
        hv_audit(HV_AUDIT_GPADL_SHAPE,
                 "%u ranges, %u bytes of range data, %u bytes at offset %u",
                 ranges, bytes, count, offset);
        POST(VMBUS_GPADL_CREATED, relid, id, VMBUS_STATUS_FAILED);
        return;
    }
    if (gpadl_find(id) || bridge->gpadl_count >= GPADL_MAX) {
        hv_audit(HV_AUDIT_GPADL_ID, "GPADL 0x%x is in use, or one of too many",
                 id);
        POST(VMBUS_GPADL_CREATED, relid, id, VMBUS_STATUS_FAILED);
        return;
    }
    g = g_new0(HvGpadl, 1);
    g->refs = 1;
    g->id = id;
    g->relid = relid;
    g->npages = npages;
    g->page = g_new0(uint8_t *, npages);
    QTAILQ_INSERT_TAIL(&bridge->gpadls, g, next);
    bridge->gpadl_count++;
    gpadl_take_pfns(g, m + 28, len - 28, GPADL_HEADER_PFNS);
}

static void msg_gpadl_body(const uint8_t *m, size_t len)
{
    HvGpadl *g = gpadl_find(ldl_le_p(m + 12));

    if (!g || g->got == g->npages) {
        hv_audit(HV_AUDIT_GPADL_ID, "body for GPADL 0x%x that expects none",
                 ldl_le_p(m + 12));
        return;
    }
    gpadl_take_pfns(g, m + 16, len - 16, GPADL_BODY_PFNS);
}

/*
 * May the guest take @g back now?  A ring goes after its channel, always.  A
 * buffer must be revoked first; from 4.0 on it also goes after the close
 * (disagreement D7), which other drivers than ours are only told.
 */
static void check_teardown(HvGpadl *g, HvChan *chan)
{
    if (!chan || !hv_chan_is_open(chan)) {
        return;
    }
    if (chan->rings == g) {
        hv_audit(HV_AUDIT_GPADL_IN_USE, "GPADL 0x%x is the ring of an open channel",
                 g->id);
        hv_chan_break(chan);
    } else if (HV_DEVICE_GET_CLASS(chan->dev)->uses(chan->dev, g)) {
        hv_audit(HV_AUDIT_GPADL_IN_USE, "GPADL 0x%x is a buffer not revoked", g->id);
    } else if (g->refs > 1 && bridge->protocol >= VMBUS_V4_0) {
        hv_audit(HV_AUDIT_TEARDOWN_ORDER, "GPADL 0x%x before the channel is closed",
                 g->id);
    }
}

static void msg_gpadl_teardown(const uint8_t *m, size_t len)
{
    uint32_t relid = ldl_le_p(m + 8), id = ldl_le_p(m + 12);
    HvGpadl *g = gpadl_find(id);

    if (g && g->relid == relid) {
        chan_drain(bridge->relid[relid].chan);
        check_teardown(g, bridge->relid[relid].chan);
        gpadl_drop(g);
    } else if (g || (!relid_is_gone(relid) && message_chan(relid))) {
        hv_audit(HV_AUDIT_GPADL_ID, "teardown of GPADL 0x%x with relid %u", id,
                 relid);
    }
    POST(VMBUS_GPADL_TORNDOWN, id);
}

/* --- channels --- */

static void chan_worker(void *opaque)
{
    HvChan *chan = opaque;

    if (hv_chan_is_open(chan) && !chan->broken) {
        HV_DEVICE_GET_CLASS(chan->dev)->work(chan);
    }
}

void hv_chan_wake(HvChan *chan)
{
    if (!icount_enabled()) {
        qemu_bh_schedule(chan->worker);
    } else if (!timer_pending(chan->late_worker)) {
        timer_mod(chan->late_worker,
                  qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) + ICOUNT_LATENCY_NS);
    }
}

void hv_chan_break(HvChan *chan)
{
    if (!chan->broken) {
        chan->broken = true;
        warn_report_once("channel %u (relid %u) stopped: the guest broke the protocol",
                    chan->index, chan->relid);
    }
}

/* Lets go of the rings; the device hears of it first, and whose wish it was. */
static void chan_close(HvChan *chan, bool by_guest)
{
    if (!hv_chan_is_open(chan)) {
        return;
    }
    HV_DEVICE_GET_CLASS(chan->dev)->closed(chan, by_guest);
    chan->state = HV_CHAN_OFFERED;
    chan->broken = false;
    qemu_bh_cancel(chan->worker);
    timer_del(chan->late_worker);
    hv_gpadl_put(chan->rings);
    chan->rings = NULL;
    memset(&chan->in, 0, sizeof(chan->in));
    memset(&chan->out, 0, sizeof(chan->out));
}

/* Back to the state before the offer.  The relid may outlive this. */
static void chan_withhold(HvChan *chan)
{
    chan_close(chan, false);
    if (chan->state != HV_CHAN_WITHHELD) {
        bridge->relid[chan->relid].chan = NULL;
        chan->state = HV_CHAN_WITHHELD;
        chan->relid = 0;
    }
}

void hv_chan_rescind(HvChan *chan)
{
    uint32_t relid = chan->relid;

    if (chan->state == HV_CHAN_WITHHELD) {
        return;
    }
    chan_withhold(chan);
    POST(VMBUS_RESCIND, relid);
}

static uint32_t relid_alloc(HvChan *chan)
{
    for (int i = 0; i < VMBUS_MAX_RELID; i++) {
        uint32_t id = bridge->last_relid % VMBUS_MAX_RELID + 1;

        bridge->last_relid = id;
        if (!bridge->relid[id].used) {
            bridge->relid[id] = (Relid){ .used = true, .ever = true, .chan = chan };
            return id;
        }
    }
    return 0;
}

void hv_chan_offer(HvChan *chan)
{
    uint8_t m[VMBUS_OFFER_SIZE] = { 0 };
    QemuUUID wire;

    if (chan->state != HV_CHAN_WITHHELD) {
        return;
    }
    chan->relid = relid_alloc(chan);
    if (!chan->relid) {
        warn_report_once("no channel id left for channel %u", chan->index);
        return;
    }
    chan->state = HV_CHAN_OFFERED;
    stl_le_p(m, VMBUS_OFFER);
    memcpy(m + 8, HV_DEVICE_GET_CLASS(chan->dev)->class_guid, 16);
    wire = qemu_uuid_bswap(chan->dev->instance);
    memcpy(m + 24, &wire, 16);
    stw_le_p(m + 180, chan->index);
    stl_le_p(m + 184, chan->relid);
    stw_le_p(m + 190, 1);
    stl_le_p(m + 192, HV_CONN_EVENT_BASE + chan->relid);
    post(m, sizeof(m));
}

static void ring_init(HvRing *r, HvGpadl *g, uint32_t first, uint32_t end)
{
    r->ctl = g->page[first];
    r->page = g->page + first + 1;
    r->size = (end - first - 1) * HV_PAGE_SIZE;
    r->index = 0;
    r->total = 0;
}

static const char *open_error(HvChan *chan, HvGpadl *g, uint32_t vp, uint32_t split)
{
    if (hv_chan_is_open(chan)) {
        return "already open";
    }
    if (!g) {
        return "no such GPADL on this channel";
    }
    if (g->npages < RING_PAGES_MIN || split < 2 || split > g->npages - 2) {
        return "ring too small";
    }
    return vp != UINT32_MAX && !hv_vp_exists(vp) ? "no such processor" : NULL;
}

static void msg_open(const uint8_t *m, size_t len)
{
    uint32_t relid = ldl_le_p(m + 8), open_id = ldl_le_p(m + 12);
    uint32_t vp = ldl_le_p(m + 20), split = ldl_le_p(m + 24);
    HvChan *chan = message_chan(relid);
    const char *why = "rescinded";
    HvGpadl *g = NULL;

    if (chan) {
        g = hv_gpadl_get(chan, ldl_le_p(m + 16));
        why = open_error(chan, g, vp, split);
    }
    if (why) {
        if (chan) {
            hv_audit(HV_AUDIT_OPEN_REFUSED, "relid %u: %s", relid, why);
        }
        hv_gpadl_put(g);
        POST(VMBUS_OPEN_RESULT, relid, open_id, VMBUS_STATUS_FAILED);
        return;
    }
    chan->rings = g;
    chan->target_vp = vp;
    ring_init(&chan->in, g, 0, split);
    ring_init(&chan->out, g, split, g->npages);
    stl_le_p(chan->out.ctl + RING_FEATURES, 1);
    chan->out_want = 0;
    chan->state = HV_CHAN_OPEN;
    /* what this sends comes before the answer */
    HV_DEVICE_GET_CLASS(chan->dev)->opened(chan);
    POST(VMBUS_OPEN_RESULT, relid, open_id, 0);
    hv_chan_wake(chan);
}

static void msg_close(const uint8_t *m, size_t len)
{
    HvChan *chan = message_chan(ldl_le_p(m + 8));

    if (!chan) {
        return;                 /* CLOSE of a rescinded channel is legal */
    }
    if (!hv_chan_is_open(chan)) {
        hv_audit(HV_AUDIT_CLOSE_STATE, "relid %u", chan->relid);
        return;
    }
    chan_drain(chan);
    chan_close(chan, true);
    /* with the primary its subchannels go; they are offered afresh on demand */
    for (unsigned i = 1; chan->index == 0 && i < chan->dev->nchans; i++) {
        hv_chan_rescind(&chan->dev->chan[i]);
    }
}

static void msg_released(const uint8_t *m, size_t len)
{
    uint32_t relid = ldl_le_p(m + 8);

    if (relid > VMBUS_MAX_RELID || !bridge->relid[relid].used ||
        bridge->relid[relid].chan) {
        hv_audit(HV_AUDIT_VMBUS_RELID, "release of relid %u", relid);
        return;
    }
    gpadl_drop_relid(relid);
    bridge->relid[relid].used = false;
}

static void msg_modify(const uint8_t *m, size_t len)
{
    uint32_t relid = ldl_le_p(m + 8), vp = ldl_le_p(m + 12);
    HvChan *chan = message_chan(relid);
    bool ok = chan && hv_chan_is_open(chan) &&
              (vp == UINT32_MAX || hv_vp_exists(vp));

    if (ok) {
        chan->target_vp = vp;
    } else if (chan) {
        hv_audit(HV_AUDIT_TARGET_VP, "relid %u to processor %u", relid, vp);
    }
    if (bridge->protocol >= VMBUS_V5_3) {
        POST(VMBUS_MODIFY_RESPONSE, relid, ok ? 0 : VMBUS_STATUS_FAILED);
    }
}

/* --- contact, offers, unload --- */

static void drop_messages(GQueue *queue)
{
    Message *m;

    while ((m = g_queue_pop_head(queue))) {
        g_free(m);
    }
}

/* Everything back to before the first contact. */
static void bus_reset(void)
{
    HvGpadl *g, *next;
    HvDevice *dev;

    QTAILQ_FOREACH(dev, &bridge->devices, next) {
        for (unsigned i = 0; i < dev->nchans; i++) {
            chan_withhold(&dev->chan[i]);
        }
    }
    QTAILQ_FOREACH_SAFE(g, &bridge->gpadls, next, next) {
        gpadl_drop(g);
    }
    memset(bridge->relid, 0, sizeof(bridge->relid));
    drop_messages(&bridge->incoming);
    drop_messages(&bridge->outgoing);
    bridge->last_relid = 0;
    bridge->protocol = 0;
    bridge->offers_requested = false;
}

static void msg_contact(const uint8_t *m, size_t len)
{
    uint32_t version = ldl_le_p(m + 8);
    uint64_t monitor1 = ldq_le_p(m + 24), monitor2 = ldq_le_p(m + 32);
    uint8_t reply[16] = { 0 };
    bool ok = version_known(version) && version <= bridge->version_max;

    bus_reset();
    bridge->message_vp = ldl_le_p(m + 12);
    if (!hv_vp_exists(bridge->message_vp)) {
        hv_audit(HV_AUDIT_TARGET_VP, "messages to processor %u",
                 bridge->message_vp);
        bridge->message_vp = 0;
        ok = false;
    }
    if (!monitor1 != !monitor2) {
        hv_audit(HV_AUDIT_VMBUS_STATE, "one of two monitor pages");
        ok = false;
    }
    stl_le_p(reply, VMBUS_VERSION);
    reply[8] = ok;
    if (ok) {
        bridge->protocol = version;
        stl_le_p(reply + 12, version >= VMBUS_V5_0 ? HV_CONN_MESSAGE_OWN : version);
    }
    post(reply, sizeof(reply));
}

static void msg_request_offers(const uint8_t *m, size_t len)
{
    HvDevice *dev;

    if (bridge->offers_requested) {
        hv_audit(HV_AUDIT_VMBUS_STATE, "offers requested twice");
        return;
    }
    bridge->offers_requested = true;
    QTAILQ_FOREACH(dev, &bridge->devices, next) {
        hv_chan_offer(&dev->chan[0]);
    }
    post_words(VMBUS_ALL_OFFERS, 0, NULL);
}

static void msg_unload(const uint8_t *m, size_t len)
{
    bus_reset();
    post_words(VMBUS_UNLOAD_RESPONSE, 0, NULL);
}

/* --- messages from the guest --- */

static const struct {
    void (*handle)(const uint8_t *m, size_t len);
    unsigned min;
    uint32_t since;
} messages[] = {
    [VMBUS_REQUEST_OFFERS] = { msg_request_offers, 8 },
    [VMBUS_OPEN] = { msg_open, 148 },
    [VMBUS_CLOSE] = { msg_close, 12 },
    [VMBUS_GPADL_HEADER] = { msg_gpadl_header, 28 },
    [VMBUS_GPADL_BODY] = { msg_gpadl_body, 16 },
    [VMBUS_GPADL_TEARDOWN] = { msg_gpadl_teardown, 16 },
    [VMBUS_RELID_RELEASED] = { msg_released, 12 },
    [VMBUS_CONTACT] = { msg_contact, 40 },
    [VMBUS_UNLOAD] = { msg_unload, 8 },
    [VMBUS_MODIFY] = { msg_modify, 16, VMBUS_V4_1 },
};

static bool message_is_legal(uint32_t type, size_t len)
{
    if (type >= ARRAY_SIZE(messages) || !messages[type].handle) {
        hv_audit(HV_AUDIT_VMBUS_TYPE, "message type %u", type);
        return false;
    }
    if (len < messages[type].min) {
        hv_audit(HV_AUDIT_VMBUS_LENGTH, "message type %u of %zu bytes", type, len);
        return false;
    }
    if (type == VMBUS_RELID_RELEASED && !bridge->protocol) {
        return false;           /* Linux says so once more after UNLOAD */
    }
    if (type != VMBUS_CONTACT &&
        (!bridge->protocol || bridge->protocol < messages[type].since)) {
        hv_audit(HV_AUDIT_VMBUS_STATE, "message type %u with protocol 0x%x", type,
                 bridge->protocol);
        return false;
    }
    return true;
}

static void handle(Message *m)
{
    uint32_t type;

    if (m->len < 8) {
        hv_audit(HV_AUDIT_VMBUS_LENGTH, "message of %zu bytes", m->len);
        return;
    }
    type = ldl_le_p(m->data);
    if (!hv_mangle(HV_G2H, HV_LAYER_VMBUS, 0, type, m->data, &m->len)) {
        return;
    }
    type = ldl_le_p(m->data);
    hv_wirelog_bytes("vmbus g2h", 0, type, m->data, m->len);
    if (message_is_legal(type, m->len)) {
        messages[type].handle(m->data, m->len);
    }
}

static void incoming(void *opaque)
{
    Message *m;

    /* a guest that never reads its answers gets no more of them */
    while (g_queue_get_length(&bridge->outgoing) < OUTGOING_MAX &&
           (m = g_queue_pop_head(&bridge->incoming))) {
        handle(m);
        g_free(m);
    }
}

/* After an agreement there is one right port (1.1); contact may use any. */
static void check_port(uint32_t conn, uint32_t type)
{
    uint32_t right = bridge->protocol >= VMBUS_V5_0 ? HV_CONN_MESSAGE_OWN
                                                    : HV_CONN_MESSAGE_V1;

    if (bridge->protocol && type != VMBUS_CONTACT && conn != right) {
        hv_audit(HV_AUDIT_HYPERCALL, "message type %u to port %u, not %u", type, conn,
                 right);
    }
}

static bool port_exists(uint32_t conn)
{
    if (conn == HV_CONN_MESSAGE_V1) {
        return true;
    }
    return bridge->version_max >= VMBUS_V5_0 &&
           (conn == HV_CONN_MESSAGE_V5 || conn == HV_CONN_MESSAGE_OWN);
}

static uint16_t on_post_message(uint32_t conn, uint32_t type,
                                const uint8_t *payload, uint32_t len)
{
    uint32_t word;
    Message *m;

    if (!port_exists(conn)) {
        return HV_STATUS_INVALID_CONNECTION;
    }
    word = len >= 4 ? ldl_le_p(payload) : 0;
    check_port(conn, word);
    if (word == VMBUS_CONTACT || word == VMBUS_UNLOAD) {
        /* nobody may be left to read what was for the kernel before */
        drop_messages(&bridge->incoming);
        drop_messages(&bridge->outgoing);
    }
    if (g_queue_get_length(&bridge->incoming) >= INCOMING_MAX) {
        return HV_STATUS_NO_BUFFERS;
    }
    if (type != HV_MESSAGE_TYPE_VMBUS) {
        hv_audit(HV_AUDIT_HYPERCALL, "message of type %u posted", type);
        return HV_STATUS_INVALID_INPUT;
    }
    m = g_new0(Message, 1);
    m->len = len;
    memcpy(m->data, payload, len);
    g_queue_push_tail(&bridge->incoming, m);
    qemu_bh_schedule(bridge->incoming_bh);
    return HV_STATUS_SUCCESS;
}

static uint16_t on_signal_event(uint32_t conn)
{
    uint32_t relid = conn - HV_CONN_EVENT_BASE;
    HvChan *chan;

    if (conn < HV_CONN_EVENT_BASE || relid > VMBUS_MAX_RELID ||
        !bridge->relid[relid].used) {
        return HV_STATUS_INVALID_CONNECTION;
    }
    chan = bridge->relid[relid].chan;
    if (chan) {
        chan->count.doorbells++;
        hv_chan_wake(chan);
    }
    return HV_STATUS_SUCCESS;
}

static void on_slot_free(void)
{
    qemu_bh_schedule(bridge->outgoing_bh);
    qemu_bh_schedule(bridge->incoming_bh);
}

static const HvCpuOps cpu_ops = {
    .post_message = on_post_message,
    .signal_event = on_signal_event,
    .slot_free = on_slot_free,
    .reset = bus_reset,
};

/* --- devices on the bus --- */

static void device_realize(DeviceState *qdev, Error **errp)
{
    HvDevice *dev = HV_DEVICE(qdev);
    HvDevice *other;

    if (qemu_uuid_is_null(&dev->instance)) {
        error_setg(errp, "instanceid must be set");
        return;
    }
    QTAILQ_FOREACH(other, &bridge->devices, next) {
        if (qemu_uuid_is_equal(&other->instance, &dev->instance)) {
            error_setg(errp, "instanceid is that of another device");
            return;
        }
    }
    HV_DEVICE_GET_CLASS(dev)->realize(qdev, errp);
    if (*errp) {
        return;
    }
    dev->chan = g_new0(HvChan, dev->nchans);
    for (unsigned i = 0; i < dev->nchans; i++) {
        dev->chan[i].dev = dev;
        dev->chan[i].index = i;
        dev->chan[i].worker = qemu_bh_new(chan_worker, &dev->chan[i]);
        dev->chan[i].late_worker = timer_new_ns(QEMU_CLOCK_VIRTUAL, chan_worker,
                                                &dev->chan[i]);
    }
    QTAILQ_INSERT_TAIL(&bridge->devices, dev, next);
    if (bridge->offers_requested) {
        hv_chan_offer(&dev->chan[0]);
    }
}

static Property device_properties[] = {
    DEFINE_PROP_UUID("instanceid", HvDevice, instance),
    DEFINE_PROP_END_OF_LIST()
};

static void device_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    dc->bus_type = TYPE_HV_BUS;
    dc->realize = device_realize;
    dc->user_creatable = true;
    dc->hotpluggable = false;
    device_class_set_props(dc, device_properties);
}

/* --- the bridge --- */

static void bridge_do(Object *obj, const char *text, Error **errp)
{
    if (g_str_has_prefix(text, "mangle ")) {
        hv_mangle_add(text + strlen("mangle "), errp);
    } else if (!strcmp(text, "mangle-clear")) {
        hv_mangle_clear();
    } else if (!strcmp(text, "audit-clear")) {
        hv_audit_clear();
    } else {
        error_setg(errp, "unknown command '%s': mangle, mangle-clear or "
                   "audit-clear", text);
    }
}

static void get_mangled(Object *obj, Visitor *v, const char *name, void *opaque,
                        Error **errp)
{
    uint64_t n = hv_mangle_hits();

    visit_type_uint64(v, name, &n, errp);
}

static void get_instructions(Object *obj, Visitor *v, const char *name,
                             void *opaque, Error **errp)
{
    uint64_t n = hv_instructions();

    visit_type_uint64(v, name, &n, errp);
}

static void get_protocol(Object *obj, Visitor *v, const char *name, void *opaque,
                         Error **errp)
{
    visit_type_uint32(v, name, &bridge->protocol, errp);
}

static void bridge_realize(DeviceState *qdev, Error **errp)
{
    HvBridge *b = (HvBridge *)qdev;

    if (bridge) {
        error_setg(errp, "there can be only one vmbus-bridge");
        return;
    }
    b->version_max = version_word(b->version_name ?: "5.3");
    if (!b->version_max) {
        error_setg(errp, "version '%s' is not one of 2.4, 3.0, 4.0, 4.1, 5.0 to "
                   "5.3", b->version_name);
        return;
    }
    if (!hv_wirelog_open(b->wirelog, errp)) {
        return;
    }
    QTAILQ_INIT(&b->gpadls);
    QTAILQ_INIT(&b->devices);
    g_queue_init(&b->incoming);
    g_queue_init(&b->outgoing);
    bridge = b;
    b->incoming_bh = qemu_bh_new(incoming, NULL);
    b->outgoing_bh = qemu_bh_new(deliver, NULL);
    b->hv_bus = qbus_new(TYPE_HV_BUS, qdev, "vmbus");
    hv_cpu_enable(&cpu_ops);
}

static Property bridge_properties[] = {
    DEFINE_PROP_UINT8("irq", HvBridge, parent.irq, 7),
    DEFINE_PROP_STRING("version", HvBridge, version_name),
    DEFINE_PROP_STRING("wirelog", HvBridge, wirelog),
    DEFINE_PROP_END_OF_LIST()
};

static void bridge_init(Object *obj)
{
    object_property_add_str(obj, "do", NULL, bridge_do);
    object_property_add(obj, "mangled", "uint64", get_mangled, NULL, NULL, NULL);
    object_property_add(obj, "protocol", "uint32", get_protocol, NULL, NULL, NULL);
    object_property_add(obj, "instructions", "uint64", get_instructions, NULL,
                        NULL, NULL);
    hv_audit_add_property(obj);
}

static void bridge_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    dc->realize = bridge_realize;
    dc->user_creatable = true;
    device_class_set_props(dc, bridge_properties);
    set_bit(DEVICE_CATEGORY_BRIDGE, dc->categories);
}

static const TypeInfo types[] = {
    {
        .name = TYPE_HV_BUS,
        .parent = TYPE_BUS,
        .instance_size = sizeof(BusState),
    }, {
        .name = TYPE_HV_DEVICE,
        .parent = TYPE_DEVICE,
        .abstract = true,
        .instance_size = sizeof(HvDevice),
        .class_size = sizeof(HvDeviceClass),
        .class_init = device_class_init,
    }, {
        .name = TYPE_VMBUS_BRIDGE,
        .parent = TYPE_SYS_BUS_DEVICE,
        .instance_size = sizeof(HvBridge),
        .instance_init = bridge_init,
        .class_init = bridge_class_init,
    },
};

DEFINE_TYPES(types)
