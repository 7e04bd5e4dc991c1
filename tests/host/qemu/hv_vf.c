/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VF: its association, the switch of the data path, and its frames; protocol
 * 2.8 and 5.12.
 *
 * The VF itself is a PCI NIC of QEMU's, whose netdev is the port that is made here.
 * Port, synthetic NIC and backend are one switch: what comes from the backend goes
 * where the path leads, and only what the guest sends that way leaves.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "hw/pci/pci.h"
#include "hw/pci/pcie_port.h"
#include "standard-headers/linux/virtio_net.h"
#include "hv_audit.h"
#include "hv_mangle.h"
#include "hv_netvsc.h"
#include "hv_wirelog.h"

/* What known hosts use; a guest may complete both, or neither. */
#define ID_ASSOCIATION  0x8000000000000000ull
#define ID_PATH         0x8000000000000001ull
#define SILENT          INT64_MAX

/* What a VF is plugged into. */
typedef struct VfPort {
    NetClientState nc;
    HvNic *nic;
} VfPort;

/* A message 129 of the guest that is not answered yet. */
typedef struct VfRequest {
    uint64_t tid;
    bool wants_answer;
    bool vf;
    int64_t due;                /* ms */
} VfRequest;

/* A message 128 or 129 for the guest. */
typedef struct VfNews {
    uint32_t type, value, serial;
} VfNews;

static bool plugged(const HvNic *nic)
{
    return nic->vf.port && nic->vf.port->peer;
}

/* --- frames --- */

/* From the VF. */
static ssize_t port_receive(NetClientState *nc, const uint8_t *buf, size_t size)
{
    HvNic *nic = DO_UPCAST(VfPort, nc, nc)->nic;

    if (!nic->vf_path) {
        nic->vf.wrong_vf++;
    }
    if (!nic->link) {
        nic->tx_dropped++;
    } else if (nic->vf_path || !nic->vf.drop) {
        nic->vf.tx_packets++;
        qemu_send_packet(qemu_get_queue(nic->nic), buf, size);
    }
    return size;
}

/* The VF's header is the backend's, so that it leaves to it what we leave to it. */
static bool port_has_header(NetClientState *nc)
{
    return DO_UPCAST(VfPort, nc, nc)->nic->vnet_len;
}

static NetClientInfo port_info = {
    .type = NET_CLIENT_DRIVER_NONE,
    .size = sizeof(VfPort),
    .receive = port_receive,
    .has_vnet_hdr = port_has_header,
};

bool vf_takes(const HvNic *nic, const uint8_t *frame)
{
    return nic->vf_path && nic->link && !(nic->vf.mixed && frame[0] & 1);
}

/*
 * The VF cannot hold the backend back: that would hold back the synthetic NIC as
 * well.  What it has no room for is lost, as on a wire.
 */
void vf_deliver(HvNic *nic, NicFrame *f)
{
    struct virtio_net_hdr h = {
        .flags = f->checked ? VIRTIO_NET_HDR_F_DATA_VALID : 0,
    };
    struct iovec iov[] = { { &h, nic->vnet_len }, { f->data, f->len } };

    /* one kind says beforehand that it takes nothing, another one afterwards */
    if (plugged(nic) && qemu_can_send_packet(nic->vf.port) &&
        qemu_sendv_packet(nic->vf.port, iov, ARRAY_SIZE(iov)) > 0) {
        nic->vf.rx_packets++;
    } else {
        nic->vf.rx_dropped++;
    }
}

static void set_path(HvNic *nic, bool vf)
{
    nic->vf.switches += nic->vf_path != vf;
    tx_path_set(nic, vf);
    /* what the backend waits with may have got a way */
    qemu_flush_queued_packets(qemu_get_queue(nic->nic));
}

/* --- messages --- */

/* 2.8: version, the guest's capability, and not before INITIALIZE. */
static bool may_tell(const HvNic *nic)
{
    return nic->version >= NVSP_V4 && nic->caps & NVSP_CAP_SRIOV && nic->rndis_up;
}

static void tell(HvNic *nic, uint32_t type, uint32_t value, uint32_t serial)
{
    VfNews *n;

    if (may_tell(nic)) {
        n = g_new(VfNews, 1);
        *n = (VfNews){ type, value, serial };
        g_queue_push_tail(&nic->vf.news, n);
    }
}

void vf_rndis_up(HvNic *nic)
{
    if (nic->vf.associated) {
        tell(nic, NVSP_VF_ASSOCIATION, 1, nic->vf.serial);
    }
}

static void send_news(HvNic *nic, const VfNews *n)
{
    uint64_t tid = n->type == NVSP_SWITCH_PATH ? ID_PATH : ID_ASSOCIATION;
    uint8_t m[40] = { 0 };
    size_t keep = nic_message_size(nic);

    stl_le_p(m, n->type);
    stl_le_p(m + 4, n->value);
    stl_le_p(m + 8, n->serial);
    hv_wirelog_bytes("nvsp h2g", 0, n->type, m, keep);
    if (hv_mangle(HV_H2G, HV_LAYER_NVSP, 0, n->type, m, &keep)) {
        hv_chan_send(nic->parent_obj.chan, PKT_INBAND, true, tid, NULL, 0, m, keep);
    }
    nic->vf.told |= n->type == NVSP_VF_ASSOCIATION && n->value;
}

bool vf_completed(HvChan *chan, uint64_t tid)
{
    return !chan->index && (tid == ID_ASSOCIATION || tid == ID_PATH);
}

/*
 * The guest may see the answer before the path changes, but what it sends then is
 * looked at after that: both are done under the big lock.  What is on its rings up
 * to the answer is no mistake.
 */
static void answer(HvNic *nic, const VfRequest *r)
{
    bool can = nic->vf.associated && plugged(nic) && !nic->vf.refuse;

    if (r->wants_answer) {
        nic_complete_empty(nic->parent_obj.chan, r->tid);
    }
    set_path(nic, r->vf && can);
    if (r->vf && !can) {
        nic->vf.refused++;
        tell(nic, NVSP_SWITCH_PATH, 0, 0);
    }
}

void vf_flush(HvNic *nic)
{
    HvChan *primary = nic->parent_obj.chan;
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL);
    VfRequest *r;

    if (!hv_chan_is_open(primary) || primary->broken) {
        return;
    }
    while ((r = g_queue_peek_head(&nic->vf.requests)) && r->due <= now &&
           hv_chan_room(primary, NIC_ANSWER_ROOM)) {
        answer(nic, g_queue_pop_head(&nic->vf.requests));
        g_free(r);
    }
    if (r && r->due > now && r->due != SILENT) {
        timer_mod(nic->vf.timer, r->due);
    }
    /* not before the answer to INITIALIZE, which may still wait for a section */
    while (!g_queue_is_empty(&nic->vf.news) && g_queue_is_empty(&nic->control) &&
           hv_chan_room(primary, NIC_ANSWER_ROOM)) {
        g_autofree VfNews *n = g_queue_pop_head(&nic->vf.news);

        send_news(nic, n);
    }
}

static void answer_is_due(void *opaque)
{
    vf_flush(opaque);
}

void vf_switch(HvNic *nic, HvChan *chan, HvPacket *pkt)
{
    uint32_t path = ldl_le_p(pkt->payload + 4);
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL);
    VfRequest *r = g_new(VfRequest, 1);

    if (path > 1) {
        hv_audit(HV_AUDIT_NVSP_PATH, "data path %u", path);
    }
    /* later than that it may not have heard yet that the VF goes */
    if (path == 1 && !nic->vf.told) {
        hv_audit(HV_AUDIT_PATH_NO_VF, "the guest was never told of a VF");
    }
    *r = (VfRequest){
        .tid = pkt->tid,
        .wants_answer = pkt->wants_completion,
        .vf = path == 1,
        .due = nic->vf.delay == SILENT ? SILENT : now + nic->vf.delay,
    };
    g_queue_push_tail(&nic->vf.requests, r);
    vf_flush(nic);
}

/* --- commands --- */

static void vf_associate(HvNic *nic, const char *arg, Error **errp)
{
    unsigned serial;

    if (!arg || qemu_strtoui(arg, NULL, 0, &serial)) {
        error_setg(errp, "vf associate SERIAL");
        return;
    }
    nic->vf.associated = true;
    nic->vf.serial = serial;
    tell(nic, NVSP_VF_ASSOCIATION, 1, serial);
}

static void vf_forget(HvNic *nic, const char *arg, Error **errp)
{
    nic->vf.associated = false;
    tell(nic, NVSP_VF_ASSOCIATION, 0, nic->vf.serial);
}

/* The host has lost the VF: nobody was asked. */
static void vf_synthetic(HvNic *nic, const char *arg, Error **errp)
{
    set_path(nic, false);
    tell(nic, NVSP_SWITCH_PATH, 0, 0);
}

/* What becomes of messages 129 from now on. */
static void vf_set_switch(HvNic *nic, const char *arg, Error **errp)
{
    int64_t delay = 0;

    if (arg && strcmp(arg, "obey") && strcmp(arg, "refuse") && strcmp(arg, "silent") &&
        (qemu_strtoi64(arg, NULL, 10, &delay) || delay < 0 || delay > INT32_MAX)) {
        arg = NULL;
    }
    if (!arg) {
        error_setg(errp, "vf switch obey, refuse, silent or MILLISECONDS");
        return;
    }
    nic->vf.refuse = !strcmp(arg, "refuse");
    nic->vf.delay = strcmp(arg, "silent") ? delay : SILENT;
}

static void set_switch(bool *to, const char *name, const char *arg, Error **errp)
{
    if (g_strcmp0(arg, "on") && g_strcmp0(arg, "off")) {
        error_setg(errp, "vf %s on or off", name);
        return;
    }
    *to = !strcmp(arg, "on");
}

static void vf_mixed(HvNic *nic, const char *arg, Error **errp)
{
    set_switch(&nic->vf.mixed, "mixed", arg, errp);
}

static void vf_drop(HvNic *nic, const char *arg, Error **errp)
{
    set_switch(&nic->vf.drop, "drop", arg, errp);
}

static void vf_answer(HvNic *nic, const char *arg, Error **errp)
{
    for (GList *r = nic->vf.requests.head; r; r = r->next) {
        ((VfRequest *)r->data)->due = 0;
    }
}

static PCIDevice *find_slot(const HvNic *nic)
{
    Object *slot = nic->vf.slot
        ? object_resolve_path_type(nic->vf.slot, TYPE_PCIE_SLOT, NULL) : NULL;

    return slot ? PCI_DEVICE(slot) : NULL;
}

/* The guest is done with an empty slot when power and indicator are off. */
bool vf_slot_is_on(const HvNic *nic)
{
    PCIDevice *slot = find_slot(nic);
    uint16_t control, status;

    if (!slot) {
        return false;
    }
    pcie_cap_slot_get(slot, &control, &status);
    return (control & (PCI_EXP_SLTCTL_PCC | PCI_EXP_SLTCTL_PIC)) !=
           (PCI_EXP_SLTCTL_PWR_OFF | PCI_EXP_SLTCTL_PWR_IND_OFF);
}

/*
 * Out of its slot without a word before.  The port empties a slot when power and
 * indicator are switched off, and tells the guest that it is empty; the guest's
 * own control word stays as it is.
 */
static void vf_pull(HvNic *nic, const char *arg, Error **errp)
{
    PCIDevice *slot = plugged(nic) ? find_slot(nic) : NULL;
    uint16_t control, status;

    if (!slot) {
        error_setg(errp, "no VF is plugged into the slot");
        return;
    }
    pcie_cap_slot_get(slot, &control, &status);
    pcie_cap_slot_write_config(slot, control & ~PCI_EXP_SLTCTL_PCC, status,
                               slot->exp.exp_cap + PCI_EXP_SLTCTL,
                               PCI_EXP_SLTCTL_PWR_OFF | PCI_EXP_SLTCTL_PWR_IND_OFF, 2);
}

bool vf_do(HvNic *nic, const char *text, Error **errp)
{
    static const struct {
        const char *verb;
        void (*handle)(HvNic *nic, const char *arg, Error **errp);
    } verbs[] = {
        { "associate", vf_associate },
        { "forget", vf_forget },
        { "synthetic", vf_synthetic },
        { "switch", vf_set_switch },
        { "answer", vf_answer },
        { "mixed", vf_mixed },
        { "drop", vf_drop },
        { "pull", vf_pull },
    };
    g_auto(GStrv) word = g_strsplit(text, " ", 3);

    if (g_strcmp0(word[0], "vf")) {
        return false;
    }
    for (int i = 0; word[1] && i < ARRAY_SIZE(verbs); i++) {
        if (!strcmp(word[1], verbs[i].verb)) {
            verbs[i].handle(nic, word[2], errp);
            vf_flush(nic);
            return true;
        }
    }
    error_setg(errp, "vf associate SERIAL, forget, synthetic, switch HOW, answer, "
               "mixed on|off, drop on|off or pull");
    return true;
}

/* --- life --- */

void vf_init(HvNic *nic)
{
    nic->vf.timer = timer_new_ms(QEMU_CLOCK_VIRTUAL, answer_is_due, nic);
    g_queue_init(&nic->vf.requests);
    g_queue_init(&nic->vf.news);
    nic->vf.associated = nic->vf.serial;
    nic->vf.drop = true;
    if (nic->vf.netdev) {
        nic->vf.port = qemu_new_net_client(&port_info, NULL, "hv-vf", nic->vf.netdev);
        DO_UPCAST(VfPort, nc, nic->vf.port)->nic = nic;
    }
}

void vf_reset(HvNic *nic)
{
    g_queue_clear_full(&nic->vf.requests, g_free);
    g_queue_clear_full(&nic->vf.news, g_free);
    timer_del(nic->vf.timer);
    nic->vf.told = false;
    nic->vf_path = false;
}
