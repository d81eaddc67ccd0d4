/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest sees of a GICv3 (Arm IHI 0069): one security state, affinity routing always on, group 1 only, no LPIs,
 * no ITS, no extended ranges. A width or an offset that the architecture does not define reads zero and ignores writes.
 */
#include "vgic.h"

#include <core/interrupt.h>
#include <core/platform.h>

#define FRAME_SIZE 0x10000u
#define IMPLEMENTER 0x0000042bu /* GICD_IIDR: product 0, Arm's code: the field has no code for us */

enum distributor_register {
    GICD_CTLR = 0x0000,
    GICD_TYPER = 0x0004,
    GICD_IIDR = 0x0008,
    GICD_SETSPI_NSR = GUEST_GICD_SETSPI,
    GICD_CLRSPI_NSR = 0x0048,
    GICD_BANKS = 0x0080,
    GICD_ICPENDR = 0x0280,
    GICD_BANKS_END = 0x0d00,
    GICD_IROUTER = 0x6000,
    GICD_IROUTER_END = 0x8000,
    GIC_PIDR2 = 0xffe8,
};
#define GICD_CTLR_GROUP1 (1u << 1)
#define GICD_CTLR_ALWAYS (1u << 4 | 1u << 6) /* affinity routing; one security state */
#define GICD_CTLR_RWP (1u << 31)
#define GICD_TYPER_MBIS (1u << 16)
#define GICD_TYPER_ALWAYS (9u << 19 | 1u << 25) /* 10 bits of INTID; no 1-of-N */
#define PIDR2_GICV3 0x3bu

enum redistributor_register {
    GICR_CTLR = 0x0000,
    GICR_IIDR = 0x0004,
    GICR_TYPER = 0x0008,
    GICR_WAKER = 0x0014,
};
#define GICR_CTLR_RWP (1u << 3)
#define GICR_TYPER_LAST (1u << 4)
#define GICR_WAKER_SLEEP (1u << 1)
#define GICR_WAKER_ASLEEP (1u << 2)

/* --- SGIs --- */

/* ICC_SGI1R_EL1: target list [15:0], affinity 1 [23:16], INTID [27:24], affinity 2 [39:32], everybody else [40],
 * range selector [47:44], affinity 3 [55:48]. A vCPU's affinity 0 is its index; the others are zero. */
void vgic_sgi_register(struct vcpu *vcpu, uint64_t value)
{
    uint32_t targets;

    if (value & 1ull << 40)
        targets = ~(1u << vcpu->index);
    else if (value & 0x00fff0ff00ff0000ull)
        return;
    else
        targets = value & 0xffff;
    vgic_sgi(vcpu, targets, (uint32_t)(value >> 24 & 15));
}

/* --- Distributor --- */

static uint64_t route_read(struct vcpu *vcpu, uint64_t offset)
{
    uint64_t intid = (offset - GICD_IROUTER) / 8;

    if (intid < 32 || intid >= vcpu->domain->arch.vgic.words * 32 || offset % 8 != 0)
        return 0;
    return vcpu->domain->arch.vgic.route[intid - 32];
}

/* The upper half (affinity 3) is always zero, so it is not kept. What names no vCPU is routed to nobody. */
static void route_write(struct vcpu *vcpu, uint64_t offset, uint32_t value)
{
    uint64_t intid = (offset - GICD_IROUTER) / 8;

    if (intid < 32 || intid >= vcpu->domain->arch.vgic.words * 32 || offset % 8 != 0)
        return;
    vgic_route(vcpu, (uint32_t)intid, value < vcpu->domain->vcpu_count ? (uint8_t)value : VGIC_NOBODY);
}

/* What is read most comes apart, so that nothing is saved for what is not called. */
static inline uint32_t typer(const struct vcpu *vcpu)
{
    const struct vgic_domain *vgic = &vcpu->domain->arch.vgic;

    return GICD_TYPER_ALWAYS | (vgic->messages ? GICD_TYPER_MBIS : 0) | (vgic->words - 1);
}

static uint32_t distributor_read(struct vcpu *vcpu, uint64_t offset)
{
    const struct vgic_domain *vgic = &vcpu->domain->arch.vgic;

    switch (offset) {
    case GICD_CTLR:
        return GICD_CTLR_ALWAYS | (vgic->enabled ? GICD_CTLR_GROUP1 : 0) | (vgic->unsettled ? GICD_CTLR_RWP : 0);
    case GICD_TYPER:
        return typer(vcpu);
    case GICD_IIDR:
        return IMPLEMENTER;
    case GIC_PIDR2:
        return PIDR2_GICV3;
    default:
        break;
    }
    if (offset >= GICD_IROUTER && offset < GICD_IROUTER_END)
        return (uint32_t)route_read(vcpu, offset);
    if (offset >= GICD_BANKS && offset < GICD_BANKS_END && !vgic_bank_is_private((uint32_t)offset))
        return vgic_bank_read(vcpu, (uint32_t)offset);
    return 0;
}

/* A message by software: one that stands for no device's interrupt is ignored, as the architecture says of INTIDs. */
static void message_write(struct vcpu *vcpu, uint32_t intid, bool pending)
{
    if (!vgic_is_message(vcpu->domain, intid))
        return;
    if (pending)
        interrupt_raise(vcpu->domain, intid - 32);
    else
        vgic_bank_write(vcpu, GICD_ICPENDR + intid / 32 * 4, 1u << intid % 32, UINT32_MAX);
}

static void distributor_write(struct vcpu *vcpu, uint64_t offset, uint32_t value, uint32_t mask)
{
    if (offset == GICD_CTLR)
        vgic_enable(vcpu, value & GICD_CTLR_GROUP1);
    else if (offset == GICD_SETSPI_NSR || offset == GICD_CLRSPI_NSR)
        message_write(vcpu, value & 0x3ff, offset == GICD_SETSPI_NSR);
    else if (offset >= GICD_IROUTER && offset < GICD_IROUTER_END)
        route_write(vcpu, offset, value);
    else if (offset >= GICD_BANKS && offset < GICD_BANKS_END && !vgic_bank_is_private((uint32_t)offset))
        vgic_bank_write(vcpu, (uint32_t)offset, value, mask);
}

/* --- Redistributors: two frames a vCPU, one vCPU after the other --- */

static uint32_t redistributor_read(struct vcpu *vcpu, uint64_t offset)
{
    const struct vgic_vcpu *vgic = &vcpu->arch.vgic;

    switch (offset) {
    case GICR_CTLR:
        return vcpu->domain->arch.vgic.unsettled >> vcpu->index & 1 ? GICR_CTLR_RWP : 0;
    case GICR_IIDR:
        return IMPLEMENTER;
    case GICR_TYPER:
        return vcpu->index << 8 | (vcpu->index + 1 == vcpu->domain->vcpu_count ? GICR_TYPER_LAST : 0);
    case GICR_TYPER + 4:
        return vcpu->index; /* affinity */
    case GICR_WAKER:
        return vgic->asleep ? GICR_WAKER_SLEEP | GICR_WAKER_ASLEEP : 0;
    case GIC_PIDR2:
        return PIDR2_GICV3;
    default:
        break;
    }
    offset -= FRAME_SIZE;
    if (offset >= GICD_BANKS && offset < GICD_BANKS_END && vgic_bank_is_private((uint32_t)offset))
        return vgic_bank_read(vcpu, (uint32_t)offset);
    return offset == GIC_PIDR2 ? PIDR2_GICV3 : 0;
}

static void redistributor_write(struct vcpu *vcpu, uint64_t offset, uint32_t value, uint32_t mask)
{
    if (offset == GICR_WAKER)
        vcpu->arch.vgic.asleep = value & GICR_WAKER_SLEEP;
    offset -= FRAME_SIZE;
    if (offset >= GICD_BANKS && offset < GICD_BANKS_END && vgic_bank_is_private((uint32_t)offset))
        vgic_bank_write(vcpu, (uint32_t)offset, value, mask);
}

/* --- Widths: words; bytes of a priority; pairs of words for the 64-bit registers --- */

static bool is_pair(uint64_t offset, bool redistributor)
{
    return offset % 8 == 0 &&
           (redistributor ? offset == GICR_TYPER : offset >= GICD_IROUTER && offset < GICD_IROUTER_END);
}

static bool is_priority(uint64_t offset)
{
    return offset % FRAME_SIZE >= 0x400 && offset % FRAME_SIZE < 0x800;
}

typedef uint32_t read_word(struct vcpu *vcpu, uint64_t offset);
typedef void write_word(struct vcpu *vcpu, uint64_t offset, uint32_t value, uint32_t mask);

/* All but aligned words. */
static void access_odd(struct vcpu *vcpu, struct mmio_access *access, bool pair, read_word *read, write_word *write)
{
    uint64_t offset = access->offset, word = offset & ~3ull;
    uint32_t shift = (uint32_t)(offset & 3) * 8;

    if (access->width == 8 && pair) {
        if (access->write)
            write(vcpu, word, access->value >> 32 ? UINT32_MAX : (uint32_t)access->value, UINT32_MAX);
        else
            access->value = read(vcpu, word) | (uint64_t)read(vcpu, word + 4) << 32;
    } else if (access->width == 2 && access->write && write == distributor_write &&
               (offset == GICD_SETSPI_NSR || offset == GICD_CLRSPI_NSR)) {
        write(vcpu, offset, (uint32_t)access->value & 0xffff, UINT32_MAX);
    } else if (access->width == 1 && is_priority(offset)) {
        if (access->write)
            write(vcpu, word, (uint32_t)(access->value & 0xff) << shift, 0xffu << shift);
        else
            access->value = read(vcpu, word) >> shift & 0xff;
    } else {
        access->value = 0;
    }
}

static enum mmio_result distributor_any(struct vcpu *vcpu, struct mmio_access *access)
{
    if (access->width != 4 || access->offset % 4 != 0)
        access_odd(vcpu, access, is_pair(access->offset, false), distributor_read, distributor_write);
    else if (access->write)
        distributor_write(vcpu, access->offset, (uint32_t)access->value, UINT32_MAX);
    else
        access->value = distributor_read(vcpu, access->offset);
    return MMIO_DONE;
}

static enum mmio_result distributor_access(struct vcpu *vcpu, void *device, struct mmio_access *access)
{
    (void)device;
    if (access->offset != GICD_TYPER || access->width != 4 || access->write)
        return distributor_any(vcpu, access);
    access->value = typer(vcpu);
    return MMIO_DONE;
}

static enum mmio_result redistributor_access(struct vcpu *vcpu, void *device, struct mmio_access *access)
{
    struct vcpu *target = vcpu->domain->vcpu[access->offset / (2 * FRAME_SIZE)]; /* bounded by the region's size */

    (void)device;
    access->offset %= 2 * FRAME_SIZE;
    if (access->width != 4 || access->offset % 4 != 0)
        access_odd(target, access, is_pair(access->offset, true), redistributor_read, redistributor_write);
    else if (access->write)
        redistributor_write(target, access->offset, (uint32_t)access->value, UINT32_MAX);
    else
        access->value = redistributor_read(target, access->offset);
    return MMIO_DONE;
}

const char *vgic_place(const struct domain *domain, struct range64 *ranges)
{
    bool own = !(domain->config->flags & PARTITION_MANAGEMENT);

    ranges[0] = (struct range64){own ? GUEST_GICD_BASE : platform.arch.gicd.value, FRAME_SIZE};
    ranges[1] = (struct range64){own ? GUEST_GICR_BASE : platform.arch.gicr[0].base.value,
                                 2ull * FRAME_SIZE * domain->vcpu_count};
    return "arm,gic-v3";
}

void vgic_init(struct domain *domain, uint64_t distributor, uint64_t redistributors)
{
    vgic_init_state(domain);
    mmio_add(domain, &(struct mmio_region){distributor, FRAME_SIZE, distributor_access, NULL, EXIT_REGISTER});
    mmio_add(domain, &(struct mmio_region){redistributors, 2ull * FRAME_SIZE * domain->vcpu_count, redistributor_access,
                                           NULL, EXIT_REGISTER});
}
