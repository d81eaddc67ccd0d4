/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest sees of a GICv2 (Arm IHI 0048): one security state, group 0 only. The CPU interface is the hardware's,
 * GICV in the place of GICC; the distributor is here. Deviations: an SGI has no sender (it reads as CPU 0), so the same
 * one from two vCPUs is one; a shared interrupt has one target, the first that was named. A width or an offset that the
 * architecture does not define reads zero and ignores writes.
 */
#include "vgic.h"

#include <core/platform.h>

#define IMPLEMENTER 0x0000042bu /* GICD_IIDR, as for GICv3 */
#define INTERFACE_SIZE 0x2000u

enum distributor_register {
    GICD_CTLR = 0x000,
    GICD_TYPER = 0x004,
    GICD_IIDR = 0x008,
    GICD_BANKS = 0x100, /* but for GICD_IGROUPR */
    GICD_ICENABLER = 0x180,
    GICD_ISPENDR = 0x200,
    GICD_ICPENDR = 0x280,
    GICD_IPRIORITYR = 0x400,
    GICD_ITARGETSR = 0x800,
    GICD_ICFGR = 0xc00,
    GICD_BANKS_END = 0xd00,
    GICD_SGIR = 0xf00,
    GICD_CPENDSGIR = 0xf10,
    GICD_SPENDSGIR = 0xf20,
    GICD_SPENDSGIR_END = 0xf30,
    GICD_ICPIDR2 = 0xfe8,
};
#define ICPIDR2_GICV2 0x2bu
#define SGIS 0x0000ffffu
#define BYTES 0x01010101u

void vgic_sgi_register(struct vcpu *vcpu, uint64_t value)
{
    (void)vcpu, (void)value; /* GICv3's only */
}

/* GICD_SGIR: INTID [3:0], target list [23:16], filter [25:24]. */
static void sgi_write(struct vcpu *vcpu, uint32_t value)
{
    switch (value >> 24 & 3) {
    case 0:
        return vgic_sgi(vcpu, value >> 16 & 0xff, value & 15);
    case 1:
        return vgic_sgi(vcpu, ~(1u << vcpu->index), value & 15);
    case 2:
        return vgic_sgi(vcpu, 1u << vcpu->index, value & 15);
    default:
        return;
    }
}

/* Four SGIs' bits, each in a byte of its own. */
static uint32_t pending_sgis_read(struct vcpu *vcpu, uint32_t first)
{
    uint32_t bits = vgic_bank_read(vcpu, GICD_ISPENDR) >> first & 15;

    return (bits & 1) | (bits & 2) << 7 | (bits & 4) << 14 | (bits & 8) << 21;
}

static void pending_sgis_write(struct vcpu *vcpu, uint32_t first, uint32_t value, enum distributor_register what)
{
    uint32_t bits = 0;

    for (uint32_t i = 0; i < 4; i++)
        bits |= (value >> 8 * i & 0xff ? 1u : 0) << (first + i);
    vgic_bank_write(vcpu, what, bits, UINT32_MAX);
}

static uint32_t targets_read(struct vcpu *vcpu, uint32_t first)
{
    uint32_t value = 0;

    if (first < 32)
        return BYTES << vcpu->index;
    for (uint32_t i = 0; i < 4 && first / 32 < vcpu->domain->arch.vgic.words; i++) {
        uint8_t route = vcpu->domain->arch.vgic.route[first + i - 32];

        value |= route < vcpu->domain->vcpu_count ? 1u << (route + 8 * i) : 0;
    }
    return value;
}

static void targets_write(struct vcpu *vcpu, uint32_t first, uint32_t value, uint32_t mask)
{
    for (uint32_t i = 0; i < 4 && first >= 32 && first / 32 < vcpu->domain->arch.vgic.words; i++) {
        uint32_t targets = value >> 8 * i & ((1u << vcpu->domain->vcpu_count) - 1) & 0xff;

        if (mask >> 8 * i & 0xff)
            vgic_route(vcpu, first + i, targets ? (uint8_t)__builtin_ctz(targets) : VGIC_NOBODY);
    }
}

static uint32_t distributor_read(struct vcpu *vcpu, uint32_t offset)
{
    const struct vgic_domain *vgic = &vcpu->domain->arch.vgic;

    switch (offset) {
    case GICD_CTLR:
        return vgic->enabled;
    case GICD_TYPER:
        return (vgic->words - 1) | (vcpu->domain->vcpu_count - 1) << 5;
    case GICD_IIDR:
        return IMPLEMENTER;
    case GICD_ICPIDR2:
        return ICPIDR2_GICV2;
    default:
        break;
    }
    if (offset >= GICD_ITARGETSR && offset < GICD_ICFGR)
        return targets_read(vcpu, offset - GICD_ITARGETSR);
    if (offset >= GICD_CPENDSGIR && offset < GICD_SPENDSGIR_END)
        return pending_sgis_read(vcpu, offset & 0xc);
    if (offset >= GICD_BANKS && offset < GICD_BANKS_END)
        return vgic_bank_read(vcpu, offset);
    return 0;
}

static void distributor_write(struct vcpu *vcpu, uint32_t offset, uint32_t value, uint32_t mask)
{
    if (offset == GICD_CTLR)
        return vgic_enable(vcpu, value & 1);
    if (offset == GICD_SGIR)
        return sgi_write(vcpu, value);
    if (offset >= GICD_ITARGETSR && offset < GICD_ICFGR)
        return targets_write(vcpu, offset - GICD_ITARGETSR, value, mask);
    if (offset >= GICD_CPENDSGIR && offset < GICD_SPENDSGIR_END)
        return pending_sgis_write(vcpu, offset & 0xc, value, offset < GICD_SPENDSGIR ? GICD_ICPENDR : GICD_ISPENDR);
    if (offset == GICD_ICENABLER || offset == GICD_ISPENDR || offset == GICD_ICPENDR)
        value &= ~SGIS; /* always enabled; made pending by the registers above */
    if (offset >= GICD_BANKS && offset < GICD_BANKS_END)
        vgic_bank_write(vcpu, offset, value, mask);
}

/* Registers that have a byte an interrupt. */
static bool has_bytes(uint64_t offset)
{
    return (offset >= GICD_IPRIORITYR && offset < GICD_ICFGR) ||
           (offset >= GICD_CPENDSGIR && offset < GICD_SPENDSGIR_END);
}

static enum mmio_result distributor_access(struct vcpu *vcpu, void *device, struct mmio_access *access)
{
    uint32_t word = (uint32_t)access->offset & ~3u, shift = (access->offset & 3) * 8, mask = UINT32_MAX;

    (void)device;
    if (access->width == 1 && has_bytes(word))
        mask = 0xff;
    else if (access->width != 4 || shift)
        mask = 0;
    if (!access->write)
        access->value = mask ? distributor_read(vcpu, word) >> shift & mask : 0;
    else if (mask)
        distributor_write(vcpu, word, ((uint32_t)access->value & mask) << shift, mask << shift);
    return MMIO_DONE;
}

const char *vgic_place(const struct domain *domain, struct range64 *ranges)
{
    bool own = !(domain->config->flags & PARTITION_MANAGEMENT);

    ranges[0] = (struct range64){own ? GUEST_GICD_BASE : platform.arch.gicd.value, PAGE_SIZE};
    ranges[1] = (struct range64){own ? GUEST_GICC_BASE : platform.arch.gicc.value, INTERFACE_SIZE};
    return "arm,gic-400";
}

void vgic_init(struct domain *domain, uint64_t distributor, uint64_t interface)
{
    vgic_init_state(domain);
    mmio_add(domain, &(struct mmio_region){distributor, PAGE_SIZE, distributor_access, NULL, EXIT_REGISTER});
    vgic_map_interface(domain, ipa(interface));
}
