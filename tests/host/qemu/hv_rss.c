/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Receive side scaling: protocol 4.5. */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "net/eth.h"
#include "hv_audit.h"
#include "hv_netvsc.h"

static void parse_ipv4(const uint8_t *frame, size_t len, NicFlow *f)
{
    const uint8_t *ip = frame + f->l3;
    unsigned header = (ip[0] & 15) * 4;

    f->family = 4;
    if (header < 20 || f->l3 + header > len || lduw_be_p(ip + 6) & 0x3FFF) {
        return;
    }
    f->proto = ip[9];
    f->l4 = f->l3 + header;
}

static bool is_extension(uint8_t next)
{
    return next == IP6_HOP_BY_HOP || next == IP6_ROUTING || next == IP6_FRAGMENT ||
           next == IP6_DESTINATON || next == IP6_AUTHENTICATION;
}

void flow_parse(const uint8_t *frame, size_t len, NicFlow *f)
{
    unsigned at = 12;
    uint16_t type;

    *f = (NicFlow){ 0 };
    if (len < 14) {
        return;
    }
    type = lduw_be_p(frame + at);
    if ((type == ETH_P_VLAN || type == ETH_P_DVLAN) && len >= 18) {
        f->tag_bytes = 4;
    }
    if (type == ETH_P_VLAN && len >= 18) {
        f->tagged = true;
        f->vlan = lduw_be_p(frame + 14);
        at = 16;
        type = lduw_be_p(frame + at);
    }
    f->l3 = at + 2;
    if (type == ETH_P_IP && len >= f->l3 + 20u && frame[f->l3] >> 4 == 4) {
        parse_ipv4(frame, len, f);
    } else if (type == ETH_P_IPV6 && len >= f->l3 + 40u &&
               frame[f->l3] >> 4 == 6) {
        f->family = 6;
        f->proto = frame[f->l3 + 6];
        f->l4 = f->l3 + 40;
        f->extended = is_extension(f->proto);
    } else {
        f->l3 = 0;
    }
    if (f->l4 && f->l4 + (f->proto == IP_PROTO_TCP ? 20u : 8u) > len) {
        f->l4 = 0;
        f->proto = 0;
    }
}

static uint32_t toeplitz(const uint8_t *key, const uint8_t *data, unsigned len)
{
    uint32_t window = ldl_be_p(key), hash = 0;

    for (unsigned i = 0; i < len; i++) {
        for (int bit = 7; bit >= 0; bit--) {
            if (data[i] >> bit & 1) {
                hash ^= window;
            }
            window = window << 1 | (key[i + 4] >> bit & 1);
        }
    }
    return hash;
}

static uint32_t hash_types(const NicFlow *f, bool *ports)
{
    bool v4 = f->family == 4;

    *ports = true;
    if (f->l4 && f->proto == IP_PROTO_TCP) {
        return v4 ? RSS_HASH_TCP_IPV4 : RSS_HASH_TCP_IPV6;
    }
    if (f->l4 && f->proto == IP_PROTO_UDP) {
        return v4 ? RSS_HASH_UDP_IPV4 : RSS_HASH_UDP_IPV6;
    }
    return 0;
}

bool rss_hash(const HvNic *nic, const uint8_t *frame, const NicFlow *f,
              uint32_t *hash)
{
    bool v4 = f->family == 4, ports;
    unsigned len = v4 ? 8 : 32;
    uint8_t tuple[36];

    if (!nic->rss.on || !f->l3) {
        return false;
    }
    if (!(nic->rss.hash & hash_types(f, &ports))) {
        if (!(nic->rss.hash & (v4 ? RSS_HASH_IPV4 : RSS_HASH_IPV6))) {
            return false;
        }
        ports = false;
    }
    memcpy(tuple, frame + f->l3 + (v4 ? 12 : 8), len);
    if (ports) {
        memcpy(tuple + len, frame + f->l4, 4);
        len += 4;
    }
    *hash = toeplitz(nic->rss.key, tuple, len);
    return true;
}

HvChan *rss_channel(HvNic *nic, bool hashed, uint32_t hash)
{
    HvChan *primary = nic->parent_obj.chan, *chan;

    if (!hashed) {
        return primary;
    }
    chan = &primary[nic->rss.table[hash % nic->rss_entries]];
    return hv_chan_is_open(chan) && !chan->broken ? chan : primary;
}

static uint32_t refuse(const char *what, uint32_t value)
{
    hv_audit(HV_AUDIT_RNDIS_OBJECT, "RSS parameters: %s %u", what, value);
    return RNDIS_STATUS_INVALID_DATA;
}

uint32_t rss_set(HvNic *nic, const uint8_t *obj, size_t len)
{
    uint32_t table_bytes, table_at, key_bytes, key_at;
    NicRss rss = { .on = true };

    if (len < 28 || obj[0] != NDIS_RSS_PARAMETERS) {
        return refuse("object of bytes", len);
    }
    rss.hash = ldl_le_p(obj + 8);
    if (lduw_le_p(obj + 4) & RSS_FLAG_DISABLE || !(rss.hash & RSS_HASH_FUNCTION)) {
        nic->rss.on = false;
        return RNDIS_STATUS_OK;
    }
    table_bytes = lduw_le_p(obj + 12);
    table_at = ldl_le_p(obj + 16);
    key_bytes = lduw_le_p(obj + 20);
    key_at = ldl_le_p(obj + 24);
    if (key_bytes != RSS_KEY_SIZE || key_at < 28 || key_at > len ||
        len - key_at < key_bytes) {
        return refuse("key bytes", key_bytes);
    }
    if (!table_bytes || table_bytes % 4 || table_at < 28 || table_at > len ||
        len - table_at < table_bytes) {
        return refuse("table bytes", table_bytes);
    }
    memcpy(rss.key, obj + key_at, RSS_KEY_SIZE);
    for (unsigned i = 0; i < nic->rss_entries; i++) {
        rss.table[i] = ldl_le_p(obj + table_at + 4 * i % table_bytes);
        if (rss.table[i] >= nic->queues) {
            return refuse("table entry", rss.table[i]);
        }
    }
    nic->rss = rss;
    return RNDIS_STATUS_OK;
}
