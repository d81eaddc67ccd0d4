// SPDX-License-Identifier: Apache-2.0
/* The machine's own PSCI: CPUs, reset and power-off. Where it has none, reset and power-off are the board's. */
#include <arch/psci.h>
#include <core/arch.h>
#include <core/platform.h>

static int64_t call(uint64_t function, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t x0 asm("x0") = function;
    register uint64_t x1 asm("x1") = a;
    register uint64_t x2 asm("x2") = b;
    register uint64_t x3 asm("x3") = c;

    if (!platform.arch.psci)
        return PSCI_NOT_SUPPORTED;
    asm volatile("smc #0"
                 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
                 :
                 : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17",
                   "memory");
    return (int64_t)x0;
}

int64_t psci_cpu_on(uint64_t id, uint64_t entry, uint64_t context)
{
    return call(PSCI_CPU_ON | SMCCC_64, id, entry, context);
}

void psci_cpu_off(void)
{
    call(PSCI_CPU_OFF, 0, 0, 0);
}

void machine_reset(void)
{
    call(PSCI_SYSTEM_RESET, 0, 0, 0);
    power_cycle(false);
    for (;;)
        cpu_wait();
}

void machine_off(void)
{
    call(PSCI_SYSTEM_OFF, 0, 0, 0);
    power_cycle(true);
    for (;;)
        cpu_wait();
}
