/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A readable record of the control traffic: VMBus messages, NVSP messages and
 * RNDIS control, one line each, for people and for tests that compare the
 * order in which two drivers ask.
 */
#ifndef HV_WIRELOG_H
#define HV_WIRELOG_H

/* hv_wirelog_open: log to @path from now on; NULL closes.  False with @errp. */
bool hv_wirelog_open(const char *path, Error **errp);

/* hv_wirelog: write one line. */
void hv_wirelog(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

/* hv_wirelog_bytes: one line that ends in the first bytes of @buf in hex. */
void hv_wirelog_bytes(const char *what, unsigned chan, uint32_t type,
                      const void *buf, size_t len);

#endif
