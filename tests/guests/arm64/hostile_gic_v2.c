// SPDX-License-Identifier: Apache-2.0
/*
 * Every register of a GICv2, in every width: the distributor, which the kernel makes, and the CPU interface, which is
 * the hardware's own for guests (issue 2, point 7; issue 5, point 6).
 */
#include "gic_sweep.h"

#define DISTRIBUTOR_SIZE 0x1000u
#define INTERFACE_SIZE 0x2000u
#define SPURIOUS 1023u
#define OWN_SGI 5u

static uint32_t distributor(uint32_t offset)
{
    return read32(GUEST_GICD_BASE + offset);
}

static void quieten(void)
{
    for (uint32_t i = 0; i < 32; i++) {
        write32(GUEST_GICD_BASE + 0x180 + 4 * i, ~0u); /* GICD_ICENABLER */
        write32(GUEST_GICD_BASE + 0x280 + 4 * i, ~0u); /* GICD_ICPENDR */
        write32(GUEST_GICD_BASE + 0x380 + 4 * i, ~0u); /* GICD_ICACTIVER */
    }
    for (uint32_t i = 0; i < 16; i += 4)
        write32(GUEST_GICD_BASE + 0xf10 + i, ~0u); /* GICD_CPENDSGIR */
    for (uint32_t i = 0; i < 32; i += 4)
        write32(GUEST_GICD_BASE + 0x400 + i, 0x80808080); /* GICD_IPRIORITYR */
    for (uint32_t i = 0; i < 32; i += 4)
        write32(GUEST_GICC_BASE + 0xd0 + i, 0); /* GICC_APR, GICC_NSAPR: no priority is active */
}

/* Acknowledges and ends what is pending, until nothing is; whether `id` was among it. */
static bool taken(uint32_t id)
{
    bool found = false;
    uint32_t got;

    for (uint64_t end = now_ms() + PATIENCE_MS; !found && now_ms() < end;) {
        got = read32(GUEST_GICC_BASE + 0xc); /* GICC_IAR */
        if ((got & SPURIOUS) == SPURIOUS)
            continue;
        write32(GUEST_GICC_BASE + 0x10, got); /* GICC_EOIR */
        found = (got & SPURIOUS) == id;
    }
    return found;
}

static void works_still(const char *after)
{
    write32(GUEST_GICD_BASE, 1);                          /* GICD_CTLR */
    write32(GUEST_GICC_BASE + 4, 0xf0);                   /* GICC_PMR */
    write32(GUEST_GICC_BASE + 8, 0);                      /* GICC_BPR */
    write32(GUEST_GICC_BASE, 1);                          /* GICC_CTLR */
    write32(GUEST_GICD_BASE + 0xf00, 2u << 24 | OWN_SGI); /* GICD_SGIR: to itself */
    check(taken(OWN_SGI), "its own SGI arrives after %s", after);
}

static uint64_t sweep_both(bool write, uint64_t value)
{
    ends = aborts = 0;
    return sweep(GUEST_GICD_BASE, DISTRIBUTOR_SIZE, write, value) +
           sweep(GUEST_GICC_BASE, INTERFACE_SIZE, write, value);
}

void guest_main(void)
{
    uint32_t identity = distributor(0xfe8), type = distributor(4); /* GICD_ICPIDR2, GICD_TYPER */

    check((identity >> 4 & 15) == 2, "the distributor is a GICv2");
    check((type >> 5 & 7) + 1 == guest_cpus(), "it has an interface for each CPU");
    works_still("the start");
    check(sweep_both(false, 0) == 0, "%lu reads end; %lu with an abort", ends, aborts);
    for (size_t v = 0; v < SWEEPS; v++) {
        uint64_t wrong = sweep_both(true, sweep_values[v]);

        check(wrong == 0, "%lu writes of %lx end; %lu with an abort", ends, sweep_values[v], aborts);
    }
    quieten();
    works_still("the sweep");

    fault_expect();
    read_at(GUEST_GICD_BASE + DISTRIBUTOR_SIZE, 4);
    check(fault_taken().count == 1, "there is nothing behind the distributor");
    fault_expect();
    read_at(GUEST_GICC_BASE + INTERFACE_SIZE, 4);
    check(fault_taken().count == 1, "there is nothing behind the CPU interface");
    check(distributor(0xfe8) == identity && distributor(4) == type, "read-only registers are as they were");
}
