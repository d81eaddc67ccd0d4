/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The physical GIC. All interrupts come to EL2, where they are dropped (EOIR) and, if the kernel's own, deactivated
 * (DIR) at once; those of a domain stay active until the guest ends them through the list register.
 */
#include "gic.h"

#include "exit.h"
#include "vgic.h"
#include <arch/gic.h>
#include <arch/gic_cpu.h>
#include <arch/its.h>
#include <core/arch.h>
#include <core/deadline.h>
#include <core/log.h>
#include <core/platform.h>

#define GICD_CTLR_RWP (1u << 31) /* GICv3 only */
#define POLLS_MAX 1000000u
#define PRIORITY 0xa0a0a0a0u

uint8_t *gic_distributor;
static uint32_t maintenance_intid, virtual_timer_intid, timer_intid;
static struct claim {
    uint32_t intid;
    void (*handler)(void);
} claims[4];
static uint32_t claim_count;

void gic_poll(const uint8_t *base, uint64_t offset, uint32_t mask)
{
    for (uint32_t i = 0; i < POLLS_MAX; i++) {
        if (!(read32(base, offset) & mask))
            return;
        cpu_relax();
    }
    log_line("GIC: register %lx does not settle.", offset);
}

static void set_bit(uint32_t cpu, uint32_t intid, enum gic_register offset)
{
    write32(gic_registers(cpu, intid), offset + intid / 32 * 4, 1u << intid % 32);
}

void gic_enable(uint32_t cpu, uint32_t intid, bool on)
{
    set_bit(cpu, intid, on ? GICD_ISENABLER : GICD_ICENABLER);
}

void gic_set_pending(uint32_t cpu, uint32_t intid, bool pending)
{
    set_bit(cpu, intid, pending ? GICD_ISPENDR : GICD_ICPENDR);
}

void gic_deactivate(uint32_t cpu, uint32_t intid)
{
    set_bit(cpu, intid, GICD_ICACTIVER);
}

void gic_configure(uint32_t intid, bool edge)
{
    /* Two bits an interrupt. A word is shared by domains: their writes must not undo each other's. */
    static struct spinlock lock;
    uint64_t offset = GICD_ICFGR + intid / 16 * 4;
    uint32_t bit = 2u << intid % 16 * 2, old;

    spinlock_acquire(&lock);
    old = read32(gic_distributor, offset);
    write32(gic_distributor, offset, edge ? old | bit : old & ~bit);
    spinlock_release(&lock);
}

void gic_claim(uint32_t intid, void (*handler)(void))
{
    CHECK(claim_count < sizeof(claims) / sizeof(*claims) && intid >= 32);
    claims[claim_count++] = (struct claim){intid, handler};
    gic_configure(intid, true);
    gic_route(intid, vcpu_current()->cpu);
    gic_enable(0, intid, true);
}

/* --- Start --- */

/* 32 interrupts: disabled, neither pending nor active. */
static void clear(uint8_t *registers, uint32_t word)
{
    write32(registers, GICD_ICENABLER + 4 * word, UINT32_MAX);
    write32(registers, GICD_ICPENDR + 4 * word, UINT32_MAX);
    write32(registers, GICD_ICACTIVER + 4 * word, UINT32_MAX);
    write32(registers, GICD_IGROUPR + 4 * word, GIC_GROUPS);
    for (uint32_t i = 0; i < 8; i++)
        write32(registers, GICD_IPRIORITYR + 32 * word + 4 * i, PRIORITY);
}

void gic_init(void)
{
    const struct arch_platform *arch = &platform.arch;
    uint32_t on, words;

    maintenance_intid = arch->maintenance_intid;
    virtual_timer_intid = arch->timer_virtual_intid;
    timer_intid = arch->timer_hypervisor_intid;
    gic_distributor = kernel_map_device(arch->gicd, arch->gicd_size);
    on = gic_map();
    write32(gic_distributor, GICD_CTLR, 0);
    gic_poll(gic_distributor, GICD_CTLR, GICD_CTLR_RWP);
    words = (read32(gic_distributor, GICD_TYPER) & 31) + 1;
    for (uint32_t word = 1; word < words; word++)
        clear(gic_distributor, word);
    write32(gic_distributor, GICD_CTLR, on);
    gic_poll(gic_distributor, GICD_CTLR, GICD_CTLR_RWP);
}

void gic_init_cpu(void)
{
    uint32_t cpu = vcpu_current()->cpu;

    gic_init_interface(cpu);
    clear(gic_registers(cpu, 0), 0);
    for (uint32_t all = vgic_lr_all(); all != 0; all &= all - 1)
        vgic_lr_write((uint32_t)__builtin_ctz(all), 0);
    vgic_lr_underflow(false);
    isb();

    gic_enable(cpu, INTID_KICK, true);
    gic_enable(cpu, timer_intid, true);
    if (maintenance_intid != 0)
        gic_enable(cpu, maintenance_intid, true);
}

/* --- Interrupts --- */

void cpu_request(uint32_t cpu, uint32_t requests)
{
    uint32_t old = __atomic_fetch_or((uint32_t *)&cpus[cpu].requests, requests, __ATOMIC_ACQ_REL);

    if ((old & requests) == requests)
        return; /* it was told, and has not looked yet */
    dsb_ishst();
    gic_kick(cpu);
}

static inline void end(uint32_t acknowledged)
{
    gic_drop(acknowledged);
    gic_end(acknowledged);
}

/* True: the vCPU's or its domain's state may have changed. */
static inline bool take_requests(struct vcpu *vcpu, bool parked)
{
    uint32_t requests = __atomic_exchange_n((uint32_t *)&cpus[vcpu->cpu].requests, 0, __ATOMIC_ACQUIRE);

    if (requests & CPU_REQUEST_HALT)
        cpu_halt();
    if (!parked)
        vgic_drain(vcpu);
    else if (vcpu->domain != NULL)
        vgic_settle(vcpu); /* the inbox keeps what came until the vCPU starts */
    return requests & CPU_REQUEST_POWER;
}

/* A shared interrupt that belongs to no domain; one that nobody claims is switched off. */
static void handle_own(uint32_t intid)
{
    for (uint32_t i = 0; i < claim_count; i++)
        if (claims[i].intid == intid) {
            claims[i].handler();
            gic_deactivate(0, intid);
            return;
        }
    gic_enable(vcpu_current()->cpu, intid, false);
    gic_deactivate(vcpu_current()->cpu, intid);
}

/* `parked`: the CPU is not in its guest, and its list registers are not in use. */
static inline bool handle(struct vcpu *vcpu, uint32_t acknowledged, bool parked)
{
    uint32_t intid = gic_intid(acknowledged);

    if (intid == INTID_KICK) {
        end(acknowledged);
        count_exit(vcpu, EXIT_INTERRUPT);
        return take_requests(vcpu, parked);
    }
    if (intid == timer_intid) {
        end(acknowledged);
        deadline_interrupt();
        return true;
    }
    if (intid == maintenance_intid) {
        vgic_maintenance(vcpu);
        end(acknowledged);
        return false;
    }
    count_exit(vcpu, intid == virtual_timer_intid ? EXIT_TIMER : EXIT_INTERRUPT);
    gic_drop(acknowledged);
    if (intid >= LPI_FIRST)
        its_interrupt(intid);
    else if (vcpu->domain == NULL || !vgic_physical(vcpu, intid, parked))
        handle_own(intid);
    return false;
}

/* What the sender wrote before is seen after. */
static inline uint32_t acknowledge(void)
{
    uint32_t acknowledged = gic_acknowledge();

    dsb_sy();
    return acknowledged;
}

static inline bool is_one(uint32_t acknowledged)
{
    return gic_intid(acknowledged) < INTID_NONE || gic_intid(acknowledged) >= LPI_FIRST;
}

bool gic_interrupt(struct vcpu *vcpu)
{
    uint32_t acknowledged = acknowledge();

    return is_one(acknowledged) && handle(vcpu, acknowledged, false);
}

void interrupts_poll(void)
{
    struct vcpu *vcpu = vcpu_current();

    for (uint32_t acknowledged; is_one(acknowledged = acknowledge());)
        handle(vcpu, acknowledged, true);
}
