/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens to the NIC by command: news of the link, a subchannel taken back,
 * another send table.
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qapi/error.h"
#include "hv_netvsc.h"

#define EVENTS_MAX      100000      /* that wait at a time */

static const struct {
    const char *name;
    uint32_t status;
} news[] = {
    { "connect", RNDIS_STATUS_CONNECT },
    { "disconnect", RNDIS_STATUS_DISCONNECT },
    { "change", RNDIS_STATUS_NETWORK_CHANGE },
    { "speed", RNDIS_STATUS_LINK_SPEED },
};

/* The RNDIS status of @name, 0 = there is none. */
static uint32_t news_status(const char *name)
{
    for (int i = 0; i < ARRAY_SIZE(news); i++) {
        if (!strcmp(news[i].name, name)) {
            return news[i].status;
        }
    }
    return 0;
}

static bool all_known(char **name)
{
    while (*name && news_status(*name)) {
        name++;
    }
    return !*name;
}

/* Queues all of @name, @count times; false when these are too many. */
static bool queue_news(HvNic *nic, char **name, unsigned count)
{
    unsigned room = EVENTS_MAX - g_queue_get_length(&nic->events);

    if (count > room / MAX(g_strv_length(name), 1)) {
        return false;
    }
    while (count--) {
        for (char **n = name; *n; n++) {
            g_queue_push_tail(&nic->events, GUINT_TO_POINTER(news_status(*n)));
        }
    }
    return true;
}

/* "NEWS[,NEWS]... [COUNT]" */
static void event_indicate(HvNic *nic, const char *args, Error **errp)
{
    g_auto(GStrv) word = g_strsplit(args, " ", 3);
    g_auto(GStrv) name = g_strsplit(word[0] ?: "", ",", 0);
    unsigned n = g_strv_length(word), count = 1;

    if (!nic->rndis_up) {
        error_setg(errp, "there is no RNDIS session");
    } else if (n > 2 || (n == 2 && qemu_strtoui(word[1], NULL, 10, &count)) ||
               !all_known(name) || !queue_news(nic, name, count)) {
        error_setg(errp, "indicate NEWS[,NEWS]... [COUNT], NEWS being connect, "
                   "disconnect, change or speed, at most %u at a time", EVENTS_MAX);
    }
    rndis_flush(nic);
}

static void event_rescind(HvNic *nic, const char *arg, Error **errp)
{
    HvChan *chan = nic->parent_obj.chan;
    unsigned index;

    if (qemu_strtoui(arg, NULL, 10, &index) || !index || index >= nic->queues) {
        error_setg(errp, "rescind 1 to %u", nic->queues - 1);
    } else if (chan[index].state == HV_CHAN_WITHHELD) {
        error_setg(errp, "the guest does not have subchannel %u", index);
    } else {
        hv_chan_rescind(&chan[index]);
    }
}

/* "KEY=NUMBER" of the message, or the next entry. */
static bool table_word(NicSendTable *table, const char *word, unsigned *entries)
{
    const struct {
        const char *key;
        uint32_t *field;
    } keys[] = {
        { "count=", &table->count }, { "at=", &table->at },
        { "offset=", &table->field }, { "size=", &table->size },
    };
    const char *number = word;
    uint32_t *to = *entries < NVSP_SEND_TABLE_ENTRIES ? &table->entry[*entries] : NULL;

    for (int i = 0; i < ARRAY_SIZE(keys); i++) {
        if (!strstart(word, keys[i].key, &number)) {
            continue;
        }
        if (qemu_strtoui(number, NULL, 0, keys[i].field)) {
            return false;
        }
        if (keys[i].field == &table->at) {
            table->field = table->at;
            table->size = table->at + sizeof(table->entry);
        }
        return true;
    }
    ++*entries;
    return to && !qemu_strtoui(number, NULL, 0, to);
}

/*
 * "[KEY=NUMBER]... ENTRY...", the entries repeated until there are 16 of them.  What
 * stands behind at= is told of a message that has its table there.
 */
static void event_table(HvNic *nic, const char *args, Error **errp)
{
    g_auto(GStrv) words = g_strsplit(args, " ", 0);
    NicSendTable table = nic_default_table(nic);
    unsigned entries = 0;
    bool good = true;

    for (char **w = words; *w && good; w++) {
        good = table_word(&table, *w, &entries);
    }
    if (!good || table.size < 4 || table.size > NVSP_SEND_TABLE_SIZE_MAX ||
        table.at > NVSP_SEND_TABLE_SIZE_MAX) {
        error_setg(errp, "send-table [count=N] [at=N] [offset=N] [size=N] ENTRY..., "
                   "at most %u entries and %u bytes", NVSP_SEND_TABLE_ENTRIES,
                   NVSP_SEND_TABLE_SIZE_MAX);
        return;
    }
    for (unsigned i = entries; entries && i < NVSP_SEND_TABLE_ENTRIES; i++) {
        table.entry[i] = table.entry[i % entries];
    }
    if (!nic->version || !nic_put_table(nic, &table)) {
        error_setg(errp, "no session, or no room in the ring to the guest");
    }
}

bool event_do(HvNic *nic, const char *text, Error **errp)
{
    if (g_str_has_prefix(text, "indicate ")) {
        event_indicate(nic, text + strlen("indicate "), errp);
    } else if (g_str_has_prefix(text, "rescind ")) {
        event_rescind(nic, text + strlen("rescind "), errp);
    } else if (g_str_has_prefix(text, "send-table ")) {
        event_table(nic, text + strlen("send-table "), errp);
    } else {
        return false;
    }
    return true;
}
