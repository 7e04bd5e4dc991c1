/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scripted faults: rules that change, cut or swallow a message on its way.
 *
 * A rule acts on the private copy that the host has of a message: towards the
 * guest (h2g) after the host built it, from the guest (g2h) before the host
 * looks at it.  So the same rule language shows that a driver survives a wrong
 * host, and that the host names what a wrong driver does.
 *
 *   dir=g2h|h2g layer=vmbus|ring|nvsp|rndis|rsc [type=N] [chan=N] [skip=N] [count=N]
 *   and one or more of: offset=N value=N [width=1|2|4|8] [xor]   len=N   drop
 *
 * A frame for the guest cannot be dropped at layer rndis: drop its ring packet.
 * Layer rsc has only the fragments of coalesced frames, whose type is the flags of
 * the packet id (3 first, 1 between, 5 last); one that is dropped is left out.
 * type is the message type of the layer (packet type for ring), count how often
 * the rule acts (0 = for ever, default 1), skip how many matches pass first.
 */
#ifndef HV_MANGLE_H
#define HV_MANGLE_H

typedef enum { HV_G2H, HV_H2G } HvDirection;
typedef enum {
    HV_LAYER_VMBUS,
    HV_LAYER_RING,
    HV_LAYER_NVSP,
    HV_LAYER_RNDIS,
    HV_LAYER_RSC,
    HV_LAYER__COUNT
} HvLayer;

/* hv_mangle_add: parse @rule and put it behind those that exist. */
bool hv_mangle_add(const char *rule, Error **errp);

/* hv_mangle_clear: drop all rules. */
void hv_mangle_clear(void);

/* hv_mangle_hits: how many messages rules have changed since the last clear. */
uint64_t hv_mangle_hits(void);

/**
 * hv_mangle: let the rules act on one message.
 * @buf, @len: the message; its length may shrink
 * Returns false when the message is to be swallowed.
 */
bool hv_mangle(HvDirection dir, HvLayer layer, unsigned chan, uint32_t type,
               void *buf, size_t *len);

#endif
