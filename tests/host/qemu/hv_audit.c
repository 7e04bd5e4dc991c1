/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "hv_audit.h"
#include "hv_wirelog.h"

enum { VIOLATION, PROMISE };

static const struct {
    const char *name;
    int class;
    const char *section;
} kinds[] = {
#define X(id, name, class, section) { name, class, section },
    HV_AUDIT_KINDS(X)
#undef X
};

static struct {
    uint64_t count;
    char *first;
} seen[HV_AUDIT__COUNT];

static const char *class_name(int kind)
{
    return kinds[kind].class == VIOLATION ? "violation" : "promise";
}

void hv_audit(HvAuditKind kind, const char *fmt, ...)
{
    va_list ap;

    if (seen[kind].count++) {
        return;
    }
    va_start(ap, fmt);
    seen[kind].first = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    warn_report("audit: %s %s (section %s): %s", class_name(kind),
                kinds[kind].name, kinds[kind].section, seen[kind].first);
    hv_wirelog("audit %s %s: %s", class_name(kind), kinds[kind].name,
               seen[kind].first);
}

void hv_audit_clear(void)
{
    for (int i = 0; i < HV_AUDIT__COUNT; i++) {
        seen[i].count = 0;
        g_clear_pointer(&seen[i].first, g_free);
    }
}

static bool visit_kind(Visitor *v, int i)
{
    char *name = (char *)kinds[i].name;
    char *class = (char *)class_name(i);
    char *section = (char *)kinds[i].section;

    return visit_start_struct(v, NULL, NULL, 0, &error_abort) &&
           visit_type_str(v, "kind", &name, &error_abort) &&
           visit_type_str(v, "class", &class, &error_abort) &&
           visit_type_uint64(v, "count", &seen[i].count, &error_abort) &&
           visit_type_str(v, "section", &section, &error_abort) &&
           visit_type_str(v, "first", &seen[i].first, &error_abort);
}

static void get_audit(Object *obj, Visitor *v, const char *name, void *opaque,
                      Error **errp)
{
    /* an output visitor only needs a non-null list to look at */
    GenericList head = { 0 };
    GenericList *list = &head;

    if (!visit_start_list(v, name, &list, sizeof(head), errp)) {
        return;
    }
    for (int i = 0; i < HV_AUDIT__COUNT; i++) {
        if (seen[i].count) {
            visit_kind(v, i);
            visit_end_struct(v, NULL);
        }
    }
    visit_end_list(v, (void **)&list);
}

void hv_audit_add_property(Object *obj)
{
    object_property_add(obj, "audit", "HvAuditList", get_audit, NULL, NULL,
                        NULL);
}
