/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hyper-V as a processor sees it, for TCG.
 *
 * A hypercall is an ordinary MSR write: the hypercall page holds a few bytes of
 * code that save rcx and rdx and write to HV_MSR_CALL, so that the translator
 * needs no change.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "hw/core/cpu.h"
#include "hw/pci/pci.h"
#include "sysemu/cpu-timers.h"
#include "sysemu/reset.h"
#include "cpu.h"
#include "hv_audit.h"
#include "hv_cpu.h"
#include "hv_wire.h"

#define HV_MSR_FIRST            0x40000000u
#define HV_MSR_GUEST_OS_ID      0x40000000u
#define HV_MSR_HYPERCALL        0x40000001u
#define HV_MSR_VP_INDEX         0x40000002u
#define HV_MSR_TIME_REF_COUNT   0x40000020u
#define HV_MSR_SCONTROL         0x40000080u
#define HV_MSR_SVERSION         0x40000081u
#define HV_MSR_SIEFP            0x40000082u
#define HV_MSR_SIMP             0x40000083u
#define HV_MSR_EOM              0x40000084u
#define HV_MSR_SINT0            0x40000090u
#define HV_MSR_CALL             0x400000F0u     /* ours: the trap of the page */
#define HV_MSR_TSC_INVARIANT    0x40000118u
#define HV_MSR_LAST             0x400001FFu

#define HV_SINTS                16
#define HV_SINT_MASKED          (1u << 16)
#define HV_SINT_SLOT            256u
#define HV_ENABLE               1u
#define HV_MAX_VP               64

#define HV_CALL_POST_MESSAGE    0x005C
#define HV_CALL_SIGNAL_EVENT    0x005D
#define HV_CALL_FAST            (1u << 16)

/* Message slot of the SIM page */
#define MSG_TYPE                0
#define MSG_SIZE                4
#define MSG_FLAGS               5
#define MSG_SENDER              8
#define MSG_PAYLOAD             16
#define MSG_FLAG_PENDING        1

typedef struct HvVp {
    uint64_t scontrol;
    uint64_t siefp;
    uint64_t simp;
    uint64_t sint[HV_SINTS];
    uint8_t *messages;          /* host address of the SIM page, or NULL */
    uint8_t *events;            /* host address of the SIEF page, or NULL */
} HvVp;

static struct {
    const HvCpuOps *ops;        /* NULL: no Hyper-V on this machine */
    uint64_t guest_os_id;       /* of the partition, not of a processor */
    uint64_t hypercall;
    uint64_t tsc_invariant;
    HvVp vp[HV_MAX_VP];
} hv;

void *hv_ram(uint64_t gpa)
{
    hwaddr at, len = HV_PAGE_SIZE;
    MemoryRegion *mr;

    if (gpa & (HV_PAGE_SIZE - 1)) {
        return NULL;
    }
    RCU_READ_LOCK_GUARD();
    mr = address_space_translate(&address_space_memory, gpa, &at, &len, true,
                                 MEMTXATTRS_UNSPECIFIED);
    if (len < HV_PAGE_SIZE || !memory_access_is_direct(mr, true) ||
        object_dynamic_cast(memory_region_owner(mr), TYPE_PCI_DEVICE)) {
        return NULL;            /* the memory of a PCI device may be unplugged */
    }
    return (uint8_t *)memory_region_get_ram_ptr(mr) + at;
}

uint64_t hv_instructions(void)
{
    return icount_enabled() ? icount_get_raw() : 0;
}

/* --- CPUID --- */

bool hv_cpuid(CPUX86State *env, uint32_t leaf, uint32_t *eax, uint32_t *ebx,
              uint32_t *ecx, uint32_t *edx)
{
    static const uint32_t leaves[][4] = {
        /* highest leaf, "Microsoft Hv" */
        { 0x40000006, 0x7263694D, 0x666F736F, 0x76482074 },
        { 0x31237648, 0, 0, 0 },                        /* "Hv#1" */
        { 14393, 10 << 16, 0, 0 },                      /* build, version */
        /*
         * time reference counter, SynIC, hypercall, VP index, invariant TSC
         * control; post messages, signal events
         */
        { 1 << 1 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 15, 1 << 4 | 1 << 5, 0, 0 },
        { 1 << 5 | 1 << 9, 0xFFFFFFFF, 0, 0 },  /* relaxed timing, no auto-EOI */
        { HV_MAX_VP, 0, 0, 0 },
        { 0, 0, 0, 0 },
    };

    if (!hv.ops || leaf < 0x40000000 ||
        leaf >= 0x40000000 + ARRAY_SIZE(leaves)) {
        return false;
    }
    *eax = leaves[leaf - 0x40000000][0];
    *ebx = leaves[leaf - 0x40000000][1];
    *ecx = leaves[leaf - 0x40000000][2];
    *edx = leaves[leaf - 0x40000000][3];
    return true;
}

/* --- SynIC --- */

bool hv_vp_exists(uint32_t vp)
{
    return vp < HV_MAX_VP && qemu_get_cpu(vp) != NULL;
}

static void sint_interrupt(uint32_t vp, unsigned sint)
{
    uint64_t value = hv.vp[vp].sint[sint];
    uint32_t apic_id = X86_CPU(qemu_get_cpu(vp))->apic_id;

    if (value & HV_SINT_MASKED) {
        return;
    }
    address_space_stl_le(&address_space_memory, 0xFEE00000u | apic_id << 12,
                         value & 0xFF, MEMTXATTRS_UNSPECIFIED, NULL);
}

bool hv_synic_post(uint32_t vp, unsigned sint, uint32_t type,
                   const void *payload, unsigned len)
{
    uint8_t *slot;

    if (!hv_vp_exists(vp) || !(hv.vp[vp].scontrol & HV_ENABLE) ||
        !hv.vp[vp].messages || hv.vp[vp].sint[sint] & HV_SINT_MASKED) {
        return false;           /* slot_free comes with the MSR that changes it */
    }
    slot = hv.vp[vp].messages + sint * HV_SINT_SLOT;
    if (qatomic_read((uint32_t *)(slot + MSG_TYPE))) {
        slot[MSG_FLAGS] = MSG_FLAG_PENDING;
        /* pairs with the guest's barrier between freeing and this flag */
        smp_mb();
        if (qatomic_read((uint32_t *)(slot + MSG_TYPE))) {
            return false;
        }
    }
    slot[MSG_SIZE] = len;
    slot[MSG_FLAGS] = 0;
    stw_le_p(slot + MSG_FLAGS + 1, 0);
    stq_le_p(slot + MSG_SENDER, 0);
    memcpy(slot + MSG_PAYLOAD, payload, len);
    smp_wmb();
    qatomic_set((uint32_t *)(slot + MSG_TYPE), cpu_to_le32(type));
    sint_interrupt(vp, sint);
    return true;
}

void hv_synic_event(uint32_t vp, unsigned sint, unsigned flag)
{
    uint32_t bit = 1u << (flag % 32);
    uint32_t *word;

    if (!hv_vp_exists(vp) || !(hv.vp[vp].scontrol & HV_ENABLE) ||
        !hv.vp[vp].events) {
        return;
    }
    word = (uint32_t *)(hv.vp[vp].events + sint * HV_SINT_SLOT) + flag / 32;
    if (!(qatomic_fetch_or(word, cpu_to_le32(bit)) & cpu_to_le32(bit))) {
        sint_interrupt(vp, sint);
    }
}

/* SIMP and SIEFP name a page of guest RAM that we write to directly. */
static uint8_t *synic_page(uint64_t value)
{
    return value & HV_ENABLE ? hv_ram(value & ~(uint64_t)(HV_PAGE_SIZE - 1)) : NULL;
}

static bool synic_write(HvVp *vp, uint32_t msr, uint64_t val)
{
    switch (msr) {
    case HV_MSR_SCONTROL:
        vp->scontrol = val;
        break;
    case HV_MSR_SIEFP:
        vp->siefp = val;
        vp->events = synic_page(val);
        return true;
    case HV_MSR_SIMP:
        vp->simp = val;
        vp->messages = synic_page(val);
        break;
    case HV_MSR_EOM:
        break;
    case HV_MSR_SINT0 ... HV_MSR_SINT0 + HV_SINTS - 1:
        vp->sint[msr - HV_MSR_SINT0] = val;
        break;
    default:
        return false;
    }
    hv.ops->slot_free();
    return true;
}

static bool synic_read(const HvVp *vp, uint32_t msr, uint64_t *val)
{
    switch (msr) {
    case HV_MSR_SCONTROL:
        *val = vp->scontrol;
        return true;
    case HV_MSR_SVERSION:
        *val = 1;
        return true;
    case HV_MSR_SIEFP:
        *val = vp->siefp;
        return true;
    case HV_MSR_SIMP:
        *val = vp->simp;
        return true;
    case HV_MSR_EOM:
        *val = 0;
        return true;
    case HV_MSR_SINT0 ... HV_MSR_SINT0 + HV_SINTS - 1:
        *val = vp->sint[msr - HV_MSR_SINT0];
        return true;
    default:
        return false;
    }
}

/* --- hypercalls --- */

/* Copies the input of a call: RAM, within one page, aligned to 8. */
static bool read_input(uint64_t gpa, void *buf, size_t len)
{
    uint32_t in_page = gpa % HV_PAGE_SIZE;
    uint8_t *page = hv_ram(gpa - in_page);

    if (!page || in_page % 8 || in_page + len > HV_PAGE_SIZE) {
        hv_audit(HV_AUDIT_HYPERCALL, "input at 0x%" PRIx64, gpa);
        return false;
    }
    memcpy(buf, page + in_page, len);
    return true;
}

static uint16_t call_post_message(uint64_t input)
{
    uint8_t buf[16 + HV_MESSAGE_PAYLOAD];
    uint32_t len;

    if (!read_input(input, buf, sizeof(buf))) {
        return HV_STATUS_INVALID_INPUT;
    }
    len = ldl_le_p(buf + 12);
    if (len > HV_MESSAGE_PAYLOAD) {
        hv_audit(HV_AUDIT_HYPERCALL, "PostMessage of %u bytes", len);
        return HV_STATUS_INVALID_INPUT;
    }
    return hv.ops->post_message(ldl_le_p(buf), ldl_le_p(buf + 8), buf + 16, len);
}

/* u32 connection id, u16 flag number: 0, since a channel has one flag */
static uint16_t call_signal_event(uint64_t input, bool fast)
{
    uint8_t buf[8];

    if (!fast) {
        if (!read_input(input, buf, sizeof(buf))) {
            return HV_STATUS_INVALID_INPUT;
        }
        input = ldq_le_p(buf);
    }
    if ((uint16_t)(input >> 32)) {
        hv_audit(HV_AUDIT_HYPERCALL, "SignalEvent with flag %u",
                 (uint16_t)(input >> 32));
    }
    return hv.ops->signal_event(input);
}

static uint16_t hypercall(CPUX86State *env)
{
    uint64_t control = env->regs[R_R10], input = env->regs[R_R11];

    if (!(hv.hypercall & HV_ENABLE)) {
        return HV_STATUS_INVALID_CODE;
    }
    switch (control & 0xFFFF) {
    case HV_CALL_POST_MESSAGE:
        return call_post_message(input);
    case HV_CALL_SIGNAL_EVENT:
        return call_signal_event(input, control & HV_CALL_FAST);
    default:
        return HV_STATUS_INVALID_CODE;
    }
}

/* The page that the guest calls; privileged code only, as wrmsr is. */
static void write_hypercall_page(uint64_t gpa)
{
    static const uint8_t code[] = {
        0x49, 0x89, 0xCA,                       /* mov %rcx,%r10 */
        0x49, 0x89, 0xD3,                       /* mov %rdx,%r11 */
        0xB9, 0xF0, 0x00, 0x00, 0x40,           /* mov $HV_MSR_CALL,%ecx */
        0x0F, 0x30,                             /* wrmsr */
        0xC3,                                   /* ret */
    };

    address_space_write(&address_space_memory, gpa, MEMTXATTRS_UNSPECIFIED,
                        code, sizeof(code));
}

/* --- MSRs --- */

static bool is_ours(const CPUState *cs, uint32_t msr)
{
    return hv.ops && msr >= HV_MSR_FIRST && msr <= HV_MSR_LAST &&
           cs->cpu_index < HV_MAX_VP;
}

static void partition_write(uint32_t msr, uint64_t val)
{
    switch (msr) {
    case HV_MSR_GUEST_OS_ID:
        hv.guest_os_id = val;
        break;
    case HV_MSR_HYPERCALL:
        hv.hypercall = val;
        if (val & HV_ENABLE) {
            write_hypercall_page(val & ~(uint64_t)(HV_PAGE_SIZE - 1));
        }
        break;
    case HV_MSR_TSC_INVARIANT:
        hv.tsc_invariant = val;
        break;
    }
}

static uint64_t partition_read(CPUState *cs, uint32_t msr)
{
    switch (msr) {
    case HV_MSR_GUEST_OS_ID:
        return hv.guest_os_id;
    case HV_MSR_HYPERCALL:
        return hv.hypercall;
    case HV_MSR_VP_INDEX:
        return cs->cpu_index;
    case HV_MSR_TIME_REF_COUNT:
        return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) / 100;
    case HV_MSR_TSC_INVARIANT:
        return hv.tsc_invariant;
    default:
        return 0;
    }
}

/*
 * Under -icount only the last instruction of a block may look at the clock.
 * wrmsr always is that; rdmsr need not be, so allow it for the length of the
 * call.  The clock is then ahead by the rest of the block, some nanoseconds.
 */
static bool enter(CPUState *cs, uint32_t *can_do_io)
{
    bool held = qemu_mutex_iothread_locked();

    *can_do_io = cs->can_do_io;
    cs->can_do_io = 1;
    if (!held) {
        qemu_mutex_lock_iothread();
    }
    return held;
}

static void leave(CPUState *cs, bool held, uint32_t can_do_io)
{
    if (!held) {
        qemu_mutex_unlock_iothread();
    }
    cs->can_do_io = can_do_io;
}

bool hv_wrmsr(CPUX86State *env)
{
    CPUState *cs = env_cpu(env);
    uint32_t msr = env->regs[R_ECX], can_do_io;
    uint64_t val = (uint32_t)env->regs[R_EAX] |
                   (uint64_t)(uint32_t)env->regs[R_EDX] << 32;
    bool held;

    if (!is_ours(cs, msr)) {
        return false;
    }
    held = enter(cs, &can_do_io);
    if (msr == HV_MSR_CALL) {
        env->regs[R_EAX] = hypercall(env);
    } else if (!synic_write(&hv.vp[cs->cpu_index], msr, val)) {
        partition_write(msr, val);
    }
    leave(cs, held, can_do_io);
    return true;
}

bool hv_rdmsr(CPUX86State *env)
{
    CPUState *cs = env_cpu(env);
    uint32_t msr = env->regs[R_ECX], can_do_io;
    uint64_t val;
    bool held;

    if (!is_ours(cs, msr)) {
        return false;
    }
    held = enter(cs, &can_do_io);
    if (!synic_read(&hv.vp[cs->cpu_index], msr, &val)) {
        val = partition_read(cs, msr);
    }
    leave(cs, held, can_do_io);
    env->regs[R_EAX] = (uint32_t)val;
    env->regs[R_EDX] = val >> 32;
    return true;
}

static void reset(void *opaque)
{
    hv.guest_os_id = 0;
    hv.hypercall = 0;
    hv.tsc_invariant = 0;
    memset(hv.vp, 0, sizeof(hv.vp));
    for (int vp = 0; vp < HV_MAX_VP; vp++) {
        for (int i = 0; i < HV_SINTS; i++) {
            hv.vp[vp].sint[i] = HV_SINT_MASKED;
        }
    }
    hv.ops->reset();
}

void hv_cpu_enable(const HvCpuOps *ops)
{
    hv.ops = ops;
    qemu_register_reset(reset, NULL);
}
