/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's VMBus: contact, offers, GPADLs, channels and their rings.
 *
 * Everything runs under the big lock.  Guest memory is read through host
 * pointers that were checked to be RAM when the guest shared it; what is read
 * from it is copied before it is looked at.
 */
#ifndef HV_VMBUS_H
#define HV_VMBUS_H

#include "hw/qdev-core.h"
#include "qemu/uuid.h"

#define TYPE_HV_BUS "hv-bus"

#define TYPE_HV_DEVICE "hv-device"
OBJECT_DECLARE_TYPE(HvDevice, HvDeviceClass, HV_DEVICE)

typedef struct HvChan HvChan;

/* Guest pages shared under one handle, protocol 1.5. */
typedef struct HvGpadl {
    uint32_t id;
    uint32_t relid;
    uint32_t npages;
    uint32_t got;               /* PFNs seen so far */
    uint8_t **page;             /* host address of each page */
    bool bad;                   /* a PFN was not RAM: will be refused */
    bool created;               /* answered with success */
    bool torn;                  /* the guest took it back: do not touch */
    unsigned refs;
    QTAILQ_ENTRY(HvGpadl) next;
} HvGpadl;

/* One direction of a channel, protocol 1.7. */
typedef struct HvRing {
    uint8_t *ctl;               /* control page */
    uint8_t **page;             /* data pages */
    uint32_t size;              /* bytes of data */
    uint32_t index;             /* our own index; never read back */
    uint64_t total;             /* bytes ever consumed */
} HvRing;

/* A packet from the guest; descriptor and payload are a private copy. */
typedef struct HvPacket {
    uint16_t type;
    bool wants_completion;
    uint64_t tid;
    const uint8_t *desc;        /* type-specific part */
    uint32_t desc_len;
    uint8_t *payload;
    size_t payload_len;
    uint64_t position;          /* of its first byte, in HvRing.total terms */
} HvPacket;

typedef enum {
    HV_CHAN_WITHHELD,           /* the guest does not know of it */
    HV_CHAN_OFFERED,
    HV_CHAN_OPEN,
} HvChanState;

typedef struct HvChanCounters {
    uint64_t doorbells;         /* SignalEvent calls for this channel */
    uint64_t interrupts;        /* events we raised for it */
} HvChanCounters;

struct HvChan {
    HvDevice *dev;
    uint16_t index;             /* 0 = primary */
    HvChanState state;
    uint32_t relid;             /* while not withheld */
    uint32_t target_vp;
    HvGpadl *rings;
    HvRing in;                  /* guest to host */
    HvRing out;                 /* host to guest */
    uint8_t *packet;            /* copy of the packet being looked at */
    size_t packet_size;
    uint32_t pending_pop;       /* ring bytes of the packet last peeked at */
    QEMUBH *worker;
    QEMUTimer *late_worker;     /* instead of it, under -icount */
    uint32_t out_want;          /* room that somebody waits for, 0 = nobody */
    bool broken;                /* a protocol error: mute until closed */
    HvChanCounters count;
};

struct HvDevice {
    DeviceState parent_obj;

    QemuUUID instance;
    unsigned nchans;            /* most channels this device can have */
    HvChan *chan;
    QTAILQ_ENTRY(HvDevice) next;
};

struct HvDeviceClass {
    DeviceClass parent_class;

    const uint8_t *class_guid;  /* 16 bytes, wire order */
    DeviceRealize realize;      /* sets nchans */
    /* a channel was opened, is about to lose its rings, has work */
    void (*opened)(HvChan *chan);
    void (*closed)(HvChan *chan, bool by_guest);
    void (*work)(HvChan *chan);
    /* would the device still touch this memory */
    bool (*uses)(HvDevice *dev, HvGpadl *gpadl);
    /* the guest takes memory back; let go of it */
    void (*torn)(HvDevice *dev, HvGpadl *gpadl);
};

/* hv_chan_offer: make a withheld channel known to the guest. */
void hv_chan_offer(HvChan *chan);

/* hv_chan_rescind: take a channel back; it becomes withheld. */
void hv_chan_rescind(HvChan *chan);

/**
 * hv_chan_wake: the channel has work.
 * The worker runs soon, in the main loop.  Where instructions are the clock
 * (-icount) it runs a fixed number of them later, so that what a packet costs
 * the guest does not depend on how fast this machine is.
 */
void hv_chan_wake(HvChan *chan);

/* hv_chan_break: stop listening to the guest until it closes the channel. */
void hv_chan_break(HvChan *chan);

static inline bool hv_chan_is_open(const HvChan *chan)
{
    return chan->state == HV_CHAN_OPEN;
}

/* --- rings; legal on open channels only --- */

/* hv_chan_begin, hv_chan_end: bracket around taking packets; end is true when
 * more arrived meanwhile. */
void hv_chan_begin(HvChan *chan);
bool hv_chan_end(HvChan *chan, uint64_t total_at_begin);

/* hv_chan_peek: the next packet; false when there is none or the ring is broken. */
bool hv_chan_peek(HvChan *chan, HvPacket *pkt);

/* hv_chan_pop: done with the packet of the last peek. */
void hv_chan_pop(HvChan *chan);

/* hv_chan_horizon: position up to which the guest has written by now. */
uint64_t hv_chan_horizon(HvChan *chan);

/**
 * hv_chan_send: put one packet into the ring to the guest and signal by rule 1.9.
 * @desc: type-specific part, @payload: what follows it
 * Returns false when there is no room; the worker runs again when there is.
 */
bool hv_chan_send(HvChan *chan, uint16_t type, bool wants_completion, uint64_t tid,
                  const void *desc, uint32_t desc_len, const void *payload,
                  uint32_t payload_len);

/* hv_chan_room: is there room for a packet of @bytes; if not ask for a wake-up. */
bool hv_chan_room(HvChan *chan, uint32_t bytes);

/* --- GPADLs --- */

/* hv_gpadl_get: the guest's handle @id on @chan with a reference, or NULL. */
HvGpadl *hv_gpadl_get(HvChan *chan, uint32_t id);
void hv_gpadl_put(HvGpadl *gpadl);

/* Copy to and from shared memory; the caller has checked the bounds. */
void hv_gpadl_write(HvGpadl *gpadl, uint64_t offset, const void *buf, size_t len);
void hv_gpadl_read(HvGpadl *gpadl, uint64_t offset, void *buf, size_t len);

static inline uint64_t hv_gpadl_bytes(const HvGpadl *gpadl)
{
    return (uint64_t)gpadl->npages * 4096;
}

#endif
