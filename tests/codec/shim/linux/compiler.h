/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_COMPILER_H
#define _SHIM_COMPILER_H

#define OPTIMIZER_HIDE_VAR(var)	__asm__("" : "=r" (var) : "0" (var))

#endif
