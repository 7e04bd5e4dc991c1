/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hv_wirelog.h"

/* the longest is a request for RSS, with its table and key */
#define MOST_BYTES 1024

static FILE *log_file;

bool hv_wirelog_open(const char *path, Error **errp)
{
    g_clear_pointer(&log_file, fclose);
    if (!path || !*path) {
        return true;
    }
    log_file = fopen(path, "w");
    if (!log_file) {
        error_setg_errno(errp, errno, "cannot write wire log '%s'", path);
        return false;
    }
    setvbuf(log_file, NULL, _IOLBF, 0);
    return true;
}

void hv_wirelog(const char *fmt, ...)
{
    va_list ap;

    if (!log_file) {
        return;
    }
    va_start(ap, fmt);
    vfprintf(log_file, fmt, ap);
    va_end(ap);
    fputc('\n', log_file);
}

void hv_wirelog_bytes(const char *what, unsigned chan, uint32_t type,
                      const void *buf, size_t len)
{
    const uint8_t *b = buf;

    if (!log_file) {
        return;
    }
    fprintf(log_file, "%s chan %u type 0x%x len %zu:", what, chan, type, len);
    for (size_t i = 0; i < len && i < MOST_BYTES; i++) {
        fprintf(log_file, "%s%02x", i % 4 ? "" : " ", b[i]);
    }
    fputs(len > MOST_BYTES ? " ...\n" : "\n", log_file);
}
