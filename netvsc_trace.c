// SPDX-License-Identifier: GPL-2.0-only
/* The bodies of the tracepoints; see netvsc_trace.h. */
#define CREATE_TRACE_POINTS
#include "netvsc_trace.h"
