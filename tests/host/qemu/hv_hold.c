/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host that takes its time, or is early: it holds completions back, does not
 * look at its rings, and has packets ready the moment that it may send them.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qapi/error.h"
#include "hv_netvsc.h"

#define GREETING_SIZE   60      /* bytes of a frame */

/* A packet of the guest that is done with, but not completed yet. */
typedef struct Held {
    uint64_t tid;
    uint32_t section;
    uint32_t status;
} Held;

void hold_init(HvNic *nic)
{
    nic->batch = NIC_FRAMES_MAX;
    nic->rings_read = UINT_MAX;
    for (unsigned i = 0; i < nic->queues; i++) {
        g_queue_init(&nic->nchan[i].held);
    }
}

bool hold_completion(HvChan *chan, HvPacket *pkt, uint32_t status)
{
    HvNic *nic = HV_NETVSC(chan->dev);
    Held *h;

    /* behind those that wait, even if no more are held */
    if (!nic->hold_sends && g_queue_is_empty(&nic_chan(chan)->held)) {
        return false;
    }
    h = g_new(Held, 1);
    *h = (Held){ pkt->tid, ldl_le_p(pkt->payload + 8), status };
    g_queue_push_tail(&nic_chan(chan)->held, h);
    tx_published(chan, h->section, UINT64_MAX);
    return true;
}

/* Complete up to @limit packets of @chan, as far as there is room. */
static void complete_held(HvChan *chan, uint64_t limit)
{
    GQueue *held = &nic_chan(chan)->held;
    uint8_t m[40] = { 0 };

    while (limit-- && !g_queue_is_empty(held) && hv_chan_is_open(chan) &&
           hv_chan_room(chan, NIC_ANSWER_ROOM)) {
        g_autofree Held *h = g_queue_pop_head(held);
        uint64_t horizon = hv_chan_horizon(chan);

        stl_le_p(m + 4, h->status);
        nic_complete(chan, h->tid, NVSP_RNDIS_COMPLETE, m, 8);
        tx_published(chan, h->section, horizon);
    }
}

void hold_flush(HvChan *chan)
{
    if (!HV_NETVSC(chan->dev)->hold_sends) {
        complete_held(chan, UINT64_MAX);
    }
}

void hold_closed(HvChan *chan)
{
    g_queue_clear_full(&nic_chan(chan)->held, g_free);
}

/* "on", "off", or how many of each channel are completed while it stays on. */
static void hold_sends(HvNic *nic, const char *arg, Error **errp)
{
    uint64_t count;

    if (!strcmp(arg, "on")) {
        nic->hold_sends = true;
    } else if (!strcmp(arg, "off")) {
        nic->hold_sends = false;
        nic_wake(nic);
    } else if (!qemu_strtou64(arg, NULL, 10, &count)) {
        for (unsigned i = 0; i < nic->queues; i++) {
            complete_held(&nic->parent_obj.chan[i], count);
        }
    } else {
        error_setg(errp, "txhold on, off or COUNT");
    }
}

/* "on": no ring is looked at; "sub": only the primary channel's is; "off". */
static void hold_rings(HvNic *nic, const char *arg, Error **errp)
{
    if (!strcmp(arg, "on")) {
        nic->rings_read = 0;
    } else if (!strcmp(arg, "sub")) {
        nic->rings_read = 1;
    } else if (!strcmp(arg, "off")) {
        nic->rings_read = UINT_MAX;
    } else {
        error_setg(errp, "ringhold on, sub or off");
        return;
    }
    nic_wake(nic);
}

static void set_greeting(HvNic *nic, const char *arg, Error **errp)
{
    unsigned count;

    if (qemu_strtoui(arg, NULL, 10, &count)) {
        error_setg(errp, "greet COUNT");
        return;
    }
    nic->greeting = count;
}

static void set_batch(HvNic *nic, const char *arg, Error **errp)
{
    unsigned count;

    if (qemu_strtoui(arg, NULL, 10, &count) || !count || count > NIC_FRAMES_MAX) {
        error_setg(errp, "batch 1 to %u", NIC_FRAMES_MAX);
        return;
    }
    nic->batch = count;
}

bool hold_do(HvNic *nic, const char *text, Error **errp)
{
    static const struct {
        const char *verb;
        void (*handle)(HvNic *nic, const char *arg, Error **errp);
    } verbs[] = {
        { "txhold ", hold_sends },
        { "ringhold ", hold_rings },
        { "greet ", set_greeting },
        { "batch ", set_batch },
    };

    for (int i = 0; i < ARRAY_SIZE(verbs); i++) {
        if (g_str_has_prefix(text, verbs[i].verb)) {
            verbs[i].handle(nic, text + strlen(verbs[i].verb), errp);
            return true;
        }
    }
    return false;
}

/* Says nothing: there is no VF. It only is what the guest finds first. */
static void greet_in_band(HvNic *nic, HvChan *chan)
{
    uint8_t m[40] = { 0 };

    stl_le_p(m, NVSP_VF_ASSOCIATION);
    hv_chan_send(chan, PKT_INBAND, false, 0, NULL, 0, m, 28);
}

void greet_opened(HvChan *chan)
{
    HvNic *nic = HV_NETVSC(chan->dev);

    if (!nic->greeting) {
        return;
    }
    if (chan->index) {
        rx_greet(chan, GREETING_SIZE);
    } else {
        greet_in_band(nic, chan);
    }
}

void greet_filter(HvNic *nic, uint32_t before)
{
    g_autofree char *frames = g_strdup_printf("%u %u", nic->greeting, GREETING_SIZE);

    if (nic->greeting && !before && nic->filter) {
        rx_generate(nic, frames, NULL);
    }
}
