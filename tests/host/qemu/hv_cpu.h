/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hypervisor's side of a processor under TCG: CPUID leaves, MSRs, the
 * hypercall page and the synthetic interrupt controller (SynIC).
 *
 * All of it sleeps until a vmbus-bridge exists: without one the machine shows
 * no Hyper-V.
 */
#ifndef HV_CPU_H
#define HV_CPU_H

/*
 * The three places where QEMU's processor asks us first.  True means that the
 * leaf or MSR was ours and is done.  Context: vCPU thread, big lock not held.
 */
struct CPUArchState;
bool hv_cpuid(struct CPUArchState *env, uint32_t leaf, uint32_t *eax,
              uint32_t *ebx, uint32_t *ecx, uint32_t *edx);
bool hv_wrmsr(struct CPUArchState *env);
bool hv_rdmsr(struct CPUArchState *env);

/* What the bus above wants to hear.  Context: big lock held. */
typedef struct HvCpuOps {
    /* PostMessage; returns a hypercall status */
    uint16_t (*post_message)(uint32_t conn, uint32_t type, const uint8_t *payload,
                             uint32_t len);
    /* SignalEvent; returns a hypercall status */
    uint16_t (*signal_event)(uint32_t conn);
    /* a message slot became free (EOM) */
    void (*slot_free)(void);
    /* the processors were reset */
    void (*reset)(void);
} HvCpuOps;

/* hv_cpu_enable: show Hyper-V to the guest and pass its calls to @ops. */
void hv_cpu_enable(const HvCpuOps *ops);

/* hv_vp_exists: is there a processor with this VP index. */
bool hv_vp_exists(uint32_t vp);

/**
 * hv_synic_post: put a message into the slot of a SINT and interrupt.
 * Returns false when the slot is still taken (slot_free follows) or the guest
 * has not switched its SynIC on (slot_free follows when it does).
 */
bool hv_synic_post(uint32_t vp, unsigned sint, uint32_t type,
                   const void *payload, unsigned len);

/* hv_synic_event: set an event flag of a SINT; interrupt if it was clear. */
void hv_synic_event(uint32_t vp, unsigned sint, unsigned flag);

/**
 * hv_ram: host address of one page of guest RAM.
 * Returns NULL for anything that is not writable RAM.  The address stays good
 * as long as the machine lives: guest memory is never unplugged here.
 */
void *hv_ram(uint64_t gpa);

/* hv_instructions: instructions that the guest has executed; 0 without -icount. */
uint64_t hv_instructions(void);

#endif
