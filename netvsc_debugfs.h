/* SPDX-License-Identifier: GPL-2.0-only */
/* debugfs: what netvsc_debugfs.c offers to the files above it. */
#ifndef _NETVSC_DEBUGFS_H
#define _NETVSC_DEBUGFS_H

#include "hyperv_net.h"

struct seq_file;

void netvsc_debugfs_init(u32 *timeout_ms);
void netvsc_debugfs_exit(void);
void netvsc_debugfs_add(struct netvsc *nv);
void netvsc_debugfs_remove(struct netvsc *nv);

#if IS_ENABLED(CONFIG_KUNIT)
int netvsc_state_show(struct seq_file *m, void *unused);
#endif

#endif
