/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_BITS_H
#define _SHIM_BITS_H

#define BIT(n)		(1u << (n))
#define GENMASK(h, l)	((~0u << (l)) & (~0u >> (31 - (h))))

#endif
