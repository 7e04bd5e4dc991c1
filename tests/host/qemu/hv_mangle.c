/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/queue.h"
#include "qapi/error.h"
#include "hv_mangle.h"
#include "hv_wirelog.h"

typedef struct Rule {
    HvDirection dir;
    HvLayer layer;
    int64_t type, chan;                 /* -1 = any */
    uint64_t skip, count;
    bool forever, drop, xor;
    int64_t offset, len;                /* -1 = not given */
    uint64_t value, width;
    QTAILQ_ENTRY(Rule) next;
} Rule;

static const char *const layer_names[] = { "vmbus", "ring", "nvsp", "rndis", "rsc" };

static QTAILQ_HEAD(, Rule) rules = QTAILQ_HEAD_INITIALIZER(rules);
static uint64_t hits;

static bool parse_number(const char *key, const char *text, uint64_t *out,
                         Error **errp)
{
    if (!text || qemu_strtou64(text, NULL, 0, out)) {
        error_setg(errp, "mangle: %s needs a number", key);
        return false;
    }
    return true;
}

static bool parse_name(const char *key, const char *text, Rule *r, Error **errp)
{
    if (!strcmp(key, "dir")) {
        if (!text || (strcmp(text, "g2h") && strcmp(text, "h2g"))) {
            error_setg(errp, "mangle: dir is g2h or h2g");
            return false;
        }
        r->dir = strcmp(text, "g2h") ? HV_H2G : HV_G2H;
        return true;
    }
    for (int i = 0; text && i < HV_LAYER__COUNT; i++) {
        if (!strcmp(text, layer_names[i])) {
            r->layer = i;
            return true;
        }
    }
    error_setg(errp, "mangle: layer is vmbus, ring, nvsp, rndis or rsc");
    return false;
}

static bool parse_word(char *word, Rule *r, Error **errp)
{
    char *text = strchr(word, '=');
    uint64_t n;

    if (text) {
        *text++ = '\0';
    }
    if (!strcmp(word, "drop")) {
        r->drop = true;
        return true;
    }
    if (!strcmp(word, "xor")) {
        r->xor = true;
        return true;
    }
    if (!strcmp(word, "dir") || !strcmp(word, "layer")) {
        return parse_name(word, text, r, errp);
    }
    if (!parse_number(word, text, &n, errp)) {
        return false;
    }
    if (!strcmp(word, "type")) {
        r->type = n;
    } else if (!strcmp(word, "chan")) {
        r->chan = n;
    } else if (!strcmp(word, "skip")) {
        r->skip = n;
    } else if (!strcmp(word, "count")) {
        r->count = n;
        r->forever = !n;
    } else if (!strcmp(word, "offset")) {
        r->offset = n;
    } else if (!strcmp(word, "value")) {
        r->value = n;
    } else if (!strcmp(word, "len")) {
        r->len = n;
    } else if (!strcmp(word, "width") &&
               (n == 1 || n == 2 || n == 4 || n == 8)) {
        r->width = n;
    } else {
        error_setg(errp, "mangle: unknown word '%s'", word);
        return false;
    }
    return true;
}

bool hv_mangle_add(const char *text, Error **errp)
{
    g_auto(GStrv) words = g_strsplit(text, " ", 0);
    g_autofree Rule *r = g_new0(Rule, 1);

    r->type = r->chan = r->offset = r->len = -1;
    r->count = 1;
    r->width = 4;
    for (char **w = words; *w; w++) {
        if (**w && !parse_word(*w, r, errp)) {
            return false;
        }
    }
    if (r->offset < 0 && r->len < 0 && !r->drop) {
        error_setg(errp, "mangle: nothing to do (offset=, len= or drop)");
        return false;
    }
    QTAILQ_INSERT_TAIL(&rules, r, next);
    g_steal_pointer(&r);
    return true;
}

void hv_mangle_clear(void)
{
    Rule *r, *next;

    QTAILQ_FOREACH_SAFE(r, &rules, next, next) {
        QTAILQ_REMOVE(&rules, r, next);
        g_free(r);
    }
    hits = 0;
}

uint64_t hv_mangle_hits(void)
{
    return hits;
}

static bool matches(Rule *r, HvDirection dir, HvLayer layer, unsigned chan,
                    uint32_t type)
{
    if (r->dir != dir || r->layer != layer ||
        (r->type >= 0 && r->type != type) || (r->chan >= 0 && r->chan != chan)) {
        return false;
    }
    if (r->skip) {
        r->skip--;
        return false;
    }
    return true;
}

static void patch(const Rule *r, uint8_t *buf, size_t len)
{
    uint8_t value[8];

    if (r->offset < 0 || r->offset + r->width > len) {
        return;
    }
    stq_le_p(value, r->value);
    for (size_t i = 0; i < r->width; i++) {
        buf[r->offset + i] = r->xor ? buf[r->offset + i] ^ value[i] : value[i];
    }
}

bool hv_mangle(HvDirection dir, HvLayer layer, unsigned chan, uint32_t type,
               void *buf, size_t *len)
{
    bool keep = true;
    Rule *r, *next;

    QTAILQ_FOREACH_SAFE(r, &rules, next, next) {
        if (!matches(r, dir, layer, chan, type)) {
            continue;
        }
        hits++;
        hv_wirelog("mangle %s %s chan %u type 0x%x", dir ? "h2g" : "g2h",
                   layer_names[layer], chan, type);
        patch(r, buf, *len);
        if (r->len >= 0) {
            *len = MIN(*len, (size_t)r->len);
        }
        keep &= !r->drop;
        if (!r->forever && !--r->count) {
            QTAILQ_REMOVE(&rules, r, next);
            g_free(r);
        }
    }
    return keep;
}
