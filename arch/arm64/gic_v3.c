/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The physical GICv3 (Arm IHI 0069). All interrupts come to EL2, where they are dropped (EOIR) and, if the kernel's
 * own, deactivated (DIR) at once; those of a domain stay active until the guest ends them through the list register.
 */
#include <arch/gic.h>

#include "exit.h"
#include "vgic.h"
#include <arch/its.h>
#include <arch/sysreg.h>
#include <core/arch.h>
#include <core/deadline.h>
#include <core/log.h>
#include <core/platform.h>

enum gic_register {
    GICD_CTLR = 0x0000,
    GICD_TYPER = 0x0004,
    GICD_IGROUPR = 0x0080, /* and of the redistributor's second frame, from here on */
    GICD_ISENABLER = 0x0100,
    GICD_ICENABLER = 0x0180,
    GICD_ISPENDR = 0x0200,
    GICD_ICPENDR = 0x0280,
    GICD_ICACTIVER = 0x0380,
    GICD_IPRIORITYR = 0x0400,
    GICD_ICFGR = 0x0c00,
    GICD_IROUTER = 0x6000,
    GICR_TYPER = 0x0008,
    GICR_WAKER = 0x0014,
    GICR_SGI_FRAME = 0x10000,
};
#define GICD_CTLR_ON (1u << 4 | 1u << 1 | 1u << 0) /* affinity routing, group 1, seen from either security state */
#define GICD_CTLR_RWP (1u << 31)
#define GICD_TYPER_LPIS (1u << 17)
#define GICR_TYPER_VLPIS (1u << 1)
#define GICR_TYPER_LAST (1u << 4)
#define GICR_WAKER_SLEEP (1u << 1)
#define GICR_WAKER_ASLEEP (1u << 2)
#define POLLS_MAX 1000000u

#define INTID_KICK 1u /* SGI */
#define INTID_NONE 1020u
#define PRIORITY 0xa0a0a0a0u

#define ICC_SRE_ALL 0xfu  /* system registers, for EL1 too */
#define ICC_CTLR_SPLIT 2u /* EOImode: EOIR drops the priority, DIR deactivates */

static uint8_t *distributor;
static uint8_t *redistributor[BULKHEAD_CPUS_MAX];
static uint64_t kick_value[BULKHEAD_CPUS_MAX]; /* ICC_SGI1R_EL1 for each CPU */
static uint32_t maintenance_intid, virtual_timer_intid, timer_intid;
static uint8_t *gicr[GICR_REGIONS_MAX];
static struct claim {
    uint32_t intid;
    void (*handler)(void);
} claims[4];
static uint32_t claim_count;

static uint32_t read32(const uint8_t *base, uint64_t offset)
{
    return *(const volatile uint32_t *)(base + offset);
}

static void write32(uint8_t *base, uint64_t offset, uint32_t value)
{
    *(volatile uint32_t *)(base + offset) = value;
}

static void write64(uint8_t *base, uint64_t offset, uint64_t value)
{
    *(volatile uint64_t *)(base + offset) = value;
}

static void poll_until_clear(const uint8_t *base, uint64_t offset, uint32_t mask)
{
    for (uint32_t i = 0; i < POLLS_MAX; i++) {
        if (!(read32(base, offset) & mask))
            return;
        cpu_relax();
    }
    log_line("GIC: register %lx does not settle.", offset);
}

/* The registers of an interrupt: the distributor's, or the private ones of a CPU. */
static uint8_t *registers_of(uint32_t cpu, uint32_t intid)
{
    return intid < 32 ? redistributor[cpu] + GICR_SGI_FRAME : distributor;
}

static void set_bit(uint32_t cpu, uint32_t intid, enum gic_register offset)
{
    write32(registers_of(cpu, intid), offset + intid / 32 * 4, 1u << intid % 32);
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
    uint32_t bit = 2u << intid % 16 * 2;

    spinlock_acquire(&lock);
    write32(distributor, offset, edge ? read32(distributor, offset) | bit : read32(distributor, offset) & ~bit);
    spinlock_release(&lock);
}

void gic_route(uint32_t intid, uint32_t cpu)
{
    write64(distributor, GICD_IROUTER + 8ull * intid, cpus[cpu].id & 0xff00ffffffull);
}

void gic_claim(uint32_t intid, void (*handler)(void))
{
    CHECK(claim_count < sizeof(claims) / sizeof(*claims) && intid >= 32);
    claims[claim_count++] = (struct claim){intid, handler};
    gic_configure(intid, true);
    gic_route(intid, vcpu_current()->cpu);
    gic_enable(0, intid, true);
}

bool gic_has_lpis(void)
{
    return read32(distributor, GICD_TYPER) & GICD_TYPER_LPIS;
}

uint8_t *gic_redistributor(uint32_t cpu)
{
    return redistributor[cpu];
}

/* --- Start --- */

void gic_init(void)
{
    const struct arch_platform *arch = &platform.arch;

    maintenance_intid = arch->maintenance_intid;
    virtual_timer_intid = arch->timer_virtual_intid;
    timer_intid = arch->timer_hypervisor_intid;
    distributor = kernel_map_device(arch->gicd, arch->gicd_size);
    for (uint32_t i = 0; i < arch->gicr_count; i++)
        gicr[i] = kernel_map_device(arch->gicr[i].base, arch->gicr[i].size);

    write32(distributor, GICD_CTLR, 0);
    poll_until_clear(distributor, GICD_CTLR, GICD_CTLR_RWP);

    uint32_t words = (read32(distributor, GICD_TYPER) & 31) + 1;

    for (uint32_t word = 1; word < words; word++) {
        write32(distributor, GICD_ICENABLER + 4 * word, UINT32_MAX);
        write32(distributor, GICD_ICPENDR + 4 * word, UINT32_MAX);
        write32(distributor, GICD_ICACTIVER + 4 * word, UINT32_MAX);
        write32(distributor, GICD_IGROUPR + 4 * word, UINT32_MAX);
        for (uint32_t i = 0; i < 8; i++)
            write32(distributor, GICD_IPRIORITYR + 32 * word + 4 * i, PRIORITY);
    }
    write32(distributor, GICD_CTLR, GICD_CTLR_ON);
    poll_until_clear(distributor, GICD_CTLR, GICD_CTLR_RWP);
}

/* The two (GICv4: four) frames of the calling CPU, by its affinity. */
static uint8_t *find_redistributor(void)
{
    const struct arch_platform *arch = &platform.arch;
    uint64_t mpidr = sysreg_read(mpidr_el1);
    uint32_t affinity = (uint32_t)((mpidr >> 32 & 0xff) << 24 | (mpidr & 0xffffff));

    for (uint32_t i = 0; i < arch->gicr_count; i++) {
        uint64_t stride, offset = 0;

        for (; offset + 2 * GICR_SGI_FRAME <= arch->gicr[i].size; offset += stride) {
            uint32_t type = read32(gicr[i], offset + GICR_TYPER);

            if (read32(gicr[i], offset + GICR_TYPER + 4) == affinity)
                return gicr[i] + offset;
            if (type & GICR_TYPER_LAST)
                break;
            stride = type & GICR_TYPER_VLPIS ? 4 * GICR_SGI_FRAME : 2 * GICR_SGI_FRAME;
            if (arch->gicr_stride != 0)
                stride = arch->gicr_stride;
        }
    }
    return NULL;
}

void gic_init_cpu(void)
{
    uint32_t cpu = vcpu_current()->cpu;
    uint64_t id = sysreg_read(mpidr_el1);
    uint8_t *own = find_redistributor(), *frame = own + GICR_SGI_FRAME;

    CHECK(own != NULL);
    redistributor[cpu] = own;
    kick_value[cpu] = (id >> 32 & 0xff) << 48 | (id >> 16 & 0xff) << 32 | (id >> 8 & 0xff) << 16 |
                      (id >> 4 & 15) << 44 | (uint64_t)INTID_KICK << 24 | 1ull << (id & 15);

    write32(own, GICR_WAKER, read32(own, GICR_WAKER) & ~GICR_WAKER_SLEEP);
    poll_until_clear(own, GICR_WAKER, GICR_WAKER_ASLEEP);
    write32(frame, GICD_ICENABLER, UINT32_MAX);
    write32(frame, GICD_ICPENDR, UINT32_MAX);
    write32(frame, GICD_ICACTIVER, UINT32_MAX);
    write32(frame, GICD_IGROUPR, UINT32_MAX);
    for (uint32_t i = 0; i < 8; i++)
        write32(frame, GICD_IPRIORITYR + 4 * i, PRIORITY);

    sysreg_write(icc_sre_el2, ICC_SRE_ALL);
    isb();
    sysreg_write(icc_pmr_el1, 0xff);
    sysreg_write(icc_bpr1_el1, 0);
    sysreg_write(icc_ctlr_el1, ICC_CTLR_SPLIT);
    sysreg_write(icc_igrpen1_el1, 1);
    for (uint32_t all = vgic_lr_all(); all != 0; all &= all - 1)
        vgic_lr_write((uint32_t)__builtin_ctz(all), 0);
    sysreg_write(ich_vmcr_el2, 0);
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
    sysreg_write(icc_sgi1r_el1, kick_value[cpu]);
}

static inline void end(uint32_t intid)
{
    sysreg_write(icc_eoir1_el1, intid);
    sysreg_write(icc_dir_el1, intid);
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
static inline bool handle(struct vcpu *vcpu, uint32_t intid, bool parked)
{
    if (intid == INTID_KICK) {
        end(intid);
        count_exit(vcpu, EXIT_INTERRUPT);
        return take_requests(vcpu, parked);
    }
    if (intid == timer_intid) {
        end(intid);
        deadline_interrupt();
        return true;
    }
    if (intid == maintenance_intid) {
        vgic_maintenance(vcpu);
        end(intid);
        return false;
    }
    count_exit(vcpu, intid == virtual_timer_intid ? EXIT_TIMER : EXIT_INTERRUPT);
    sysreg_write(icc_eoir1_el1, intid);
    if (intid >= LPI_FIRST)
        its_interrupt(intid);
    else if (vcpu->domain == NULL || !vgic_physical(vcpu, intid, parked))
        handle_own(intid);
    return false;
}

bool gic_interrupt(struct vcpu *vcpu)
{
    uint32_t intid = (uint32_t)sysreg_read(icc_iar1_el1);

    dsb_sy(); /* what the sender wrote before is seen after */
    return (intid < INTID_NONE || intid >= LPI_FIRST) && handle(vcpu, intid, false);
}

void interrupts_poll(void)
{
    struct vcpu *vcpu = vcpu_current();

    for (;;) {
        uint32_t intid = (uint32_t)sysreg_read(icc_iar1_el1);

        dsb_sy();
        if (intid >= INTID_NONE && intid < LPI_FIRST)
            return;
        handle(vcpu, intid, true);
    }
}
