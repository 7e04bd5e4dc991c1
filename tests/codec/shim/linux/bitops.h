/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_BITOPS_H
#define _SHIM_BITOPS_H

#include <linux/bits.h>

#define hweight32(w)	((unsigned int)__builtin_popcount(w))

#endif
