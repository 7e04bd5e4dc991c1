/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The audit: what the guest did that it must not do.
 *
 * A violation breaks the wire protocol and fails the run of any driver.  A
 * promise is a stricter rule that only our own driver makes; other drivers
 * may break it.  Each kind is logged the first time and counted after that.
 */
#ifndef HV_AUDIT_H
#define HV_AUDIT_H

#include "qom/object.h"

/* X(identifier, printed name, class, section of the protocol reference) */
#define HV_AUDIT_KINDS(X) \
    X(HYPERCALL,         "hypercall",             VIOLATION, "1.1")  \
    X(VMBUS_LENGTH,      "vmbus-length",          VIOLATION, "1.2")  \
    X(VMBUS_TYPE,        "vmbus-type",            VIOLATION, "1.2")  \
    X(VMBUS_STATE,       "vmbus-state",           VIOLATION, "1.3")  \
    X(VMBUS_RELID,       "vmbus-relid",           VIOLATION, "1.4")  \
    X(GPADL_SHAPE,       "gpadl-shape",           VIOLATION, "1.5")  \
    X(GPADL_RAM,         "gpadl-not-ram",         VIOLATION, "1.5")  \
    X(GPADL_ID,          "gpadl-id",              VIOLATION, "1.5")  \
    X(GPADL_IN_USE,      "gpadl-in-use",          VIOLATION, "2.12") \
    X(OPEN_REFUSED,      "open-refused",          VIOLATION, "1.6")  \
    X(CLOSE_STATE,       "close-not-open",        VIOLATION, "1.6")  \
    X(TARGET_VP,         "target-vp",             VIOLATION, "1.2")  \
    X(RING_INDEX,        "ring-index",            VIOLATION, "1.7")  \
    X(RING_DESC,         "ring-descriptor",       VIOLATION, "1.8")  \
    X(RING_TYPE,         "ring-packet-type",      VIOLATION, "1.8")  \
    X(RANGE_COUNT,       "range-count",           VIOLATION, "1.8")  \
    X(RANGE_SHAPE,       "range-shape",           VIOLATION, "1.8")  \
    X(RANGE_RAM,         "range-not-ram",         VIOLATION, "1.8")  \
    X(TRANSACTION_ZERO,  "transaction-id-0",      VIOLATION, "1.10") \
    X(COMPLETION_ID,     "completion-id",         VIOLATION, "1.10") \
    X(COMPLETION_TYPE,   "completion-type",       VIOLATION, "2.7")  \
    X(NVSP_LENGTH,       "nvsp-length",           VIOLATION, "2.1")  \
    X(NVSP_TYPE,         "nvsp-type",             VIOLATION, "2.2")  \
    X(NVSP_VERSION_GATE, "nvsp-newer-than-version", VIOLATION, "2.2") \
    X(NVSP_NO_ANSWER,    "nvsp-completion-flag",  VIOLATION, "2.2")  \
    X(NVSP_INIT,         "nvsp-init",             VIOLATION, "2.3")  \
    X(NVSP_ORDER,        "nvsp-order",            VIOLATION, "2.12") \
    X(NVSP_TWICE,        "nvsp-twice",            VIOLATION, "2.12") \
    X(NVSP_BUFFER,       "nvsp-buffer",           VIOLATION, "2.4")  \
    X(NVSP_REVOKE,       "nvsp-revoke",           VIOLATION, "2.6")  \
    X(NVSP_SUBCHANNEL,   "nvsp-on-subchannel",    VIOLATION, "2.12") \
    X(NVSP_CHANNELS,     "nvsp-channel-request",  VIOLATION, "2.9")  \
    X(NVSP_PATH,         "nvsp-data-path",        VIOLATION, "2.8")  \
    X(CHANNEL_TYPE,      "rndis-channel-type",    VIOLATION, "2.7")  \
    X(SECTION_INDEX,     "section-index",         VIOLATION, "2.7")  \
    X(SECTION_SIZE,      "section-size",          VIOLATION, "2.7")  \
    X(SECTION_IN_USE,    "section-in-use",        VIOLATION, "2.4")  \
    X(AFTER_REVOKE,      "buffer-after-revoke",   VIOLATION, "2.6")  \
    X(RNDIS_LENGTH,      "rndis-length",          VIOLATION, "3.3")  \
    X(RNDIS_TYPE,        "rndis-type",            VIOLATION, "3.1")  \
    X(RNDIS_STATE,       "rndis-state",           VIOLATION, "2.12") \
    X(RNDIS_COUNT,       "rndis-packets",         VIOLATION, "3.3")  \
    X(RNDIS_ALIGN,       "rndis-alignment",       VIOLATION, "3.3")  \
    X(RNDIS_RESERVED,    "rndis-reserved",        VIOLATION, "3.3")  \
    X(RNDIS_DATA,        "rndis-data",            VIOLATION, "3.3")  \
    X(RNDIS_PPI,         "rndis-ppi",             VIOLATION, "3.4")  \
    X(RNDIS_CSUM,        "rndis-checksum",        VIOLATION, "3.4")  \
    X(RNDIS_LSO,         "rndis-lso",             VIOLATION, "5.5")  \
    X(OFFLOAD_FRAME,     "offload-frame",         VIOLATION, "3.4")  \
    X(RNDIS_VLAN,        "rndis-vlan",            VIOLATION, "3.4")  \
    X(RNDIS_SPLIT,       "rndis-header-split",    VIOLATION, "5.4")  \
    X(RNDIS_REQUEST,     "rndis-request",         VIOLATION, "3.2")  \
    X(RNDIS_OBJECT,      "rndis-object",          VIOLATION, "4.1")  \
    X(RNDIS_FLOOD,       "rndis-control-flood",   VIOLATION, "6.2")  \
    X(OFFLOAD_QUERY,     "offload-query",         PROMISE,   "4.2")  \
    X(PAD_NVSP,          "nvsp-unused-not-zero",  PROMISE,   "2.1")  \
    X(PAD_RNDIS,         "rndis-padding-not-zero", PROMISE,  "3.3")  \
    X(BEFORE_FILTER,     "data-before-filter",    PROMISE,   "2.12") \
    X(DATA_WHILE_VF,     "data-while-vf",         PROMISE,   "2.8")  \
    X(PATH_NO_VF,        "nvsp-path-without-vf",  PROMISE,   "2.8")  \
    X(INFRAME_VLAN,      "in-frame-vlan",         PROMISE,   "3.4")  \
    X(RX_LEFT,           "rx-not-returned",       PROMISE,   "2.12") \
    X(TEARDOWN_ORDER,    "teardown-order",        PROMISE,   "2.12")

typedef enum {
#define X(id, name, class, section) HV_AUDIT_##id,
    HV_AUDIT_KINDS(X)
#undef X
    HV_AUDIT__COUNT
} HvAuditKind;

/**
 * hv_audit: count a misdeed of the guest; log it when it is the first of its kind.
 * @kind: which rule
 * @fmt: what was seen, with numbers
 *
 * Context: big lock held.
 */
void hv_audit(HvAuditKind kind, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* hv_audit_clear: forget all counts; each kind is logged again. */
void hv_audit_clear(void);

/* hv_audit_add_property: the list of kinds seen so far as property "audit" of @obj. */
void hv_audit_add_property(Object *obj);

#endif
