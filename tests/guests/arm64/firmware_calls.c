// SPDX-License-Identifier: Apache-2.0
/* Forbidden PSCI, SMC, HVC with immediates. */
#include "tests/guests/hostile_calls.h"

#define INVALID_PARAMETERS (-2)
#define ALREADY_ON (-4)
#define INVALID_ADDRESS (-9)

/* SMCCC knows no immediate but 0. */
static void other_immediates(void)
{
    uint64_t answer;
    struct fault fault;

    fault_expect();
    __asm__ volatile("mov x0, %1\n\thvc #1\n\tnop\n\tmov %0, x0"
                     : "=r"(answer)
                     : "r"((uint64_t)HC_VERSION)
                     : "x0", "x1", "x2", "x3", "memory");
    fault = fault_taken();
    check(fault.count == 1 ? fault_class(fault) == FAULT_UNDEFINED : is_unknown(answer), "HVC #1 is unknown");
    fault_expect();
    __asm__ volatile("mov x0, %1\n\thvc #0xffff\n\tnop\n\tmov %0, x0"
                     : "=r"(answer)
                     : "r"((uint64_t)PSCI_SYSTEM_OFF)
                     : "x0", "x1", "x2", "x3", "memory");
    fault = fault_taken();
    check(fault.count == 1 ? fault_class(fault) == FAULT_UNDEFINED : is_unknown(answer), "HVC #0xffff is unknown");
}

static void psci(void)
{
    static const uint64_t targets[] = {8,           0x100, 0x10000,           0x80000000, 0xff00000000,
                                       0x100000000, ~0ull, 0xfffffffffffffffe};
    static const uint64_t addresses[] = {0, 0x1000, GUEST_UART_BASE, 0x3ffffffc, ~0ull, 0xffff000040080000};
    extern uint8_t secondary_start[];
    struct guest_memory memory = guest_memory();
    uint64_t entry = (uint64_t)secondary_start;
    uint32_t cpus = guest_cpus(), wrong = 0;
    int64_t answer;

    check(call_hvc(PSCI_VERSION, 0, 0, 0, 0).x[0] >> 16 == 1, "PSCI is 1.x");
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        wrong += (int64_t)call_hvc(PSCI_CPU_ON, targets[i], entry, 0, 0).x[0] != INVALID_PARAMETERS;
        wrong += (int64_t)call_hvc(PSCI_AFFINITY_INFO, targets[i], 0, 0, 0).x[0] != INVALID_PARAMETERS;
    }
    check(wrong == 0, "CPU_ON and AFFINITY_INFO of CPUs outside: invalid (%u wrong)", (unsigned)wrong);
    wrong = (int64_t)call_hvc(PSCI_CPU_ON, cpus, entry, 0, 0).x[0] != INVALID_PARAMETERS;
    check(wrong == 0, "CPU_ON of the CPU behind its last: invalid");
    answer = (int64_t)call_hvc(PSCI_CPU_ON, 0, entry, 0, 0).x[0];
    check(answer == ALREADY_ON, "CPU_ON of itself: already on (%ld)", answer);
    wrong = 0;
    for (size_t i = 0; cpus > 1 && i < sizeof(addresses) / sizeof(addresses[0]); i++)
        wrong += (int64_t)call_hvc(PSCI_CPU_ON, 1, addresses[i], 0, 0).x[0] != INVALID_ADDRESS;
    if (cpus > 1)
        wrong += (int64_t)call_hvc(PSCI_CPU_ON, 1, memory.base + memory.size, 0, 0).x[0] != INVALID_ADDRESS;
    check(wrong == 0, "CPU_ON at addresses outside: invalid address (%u wrong)", (unsigned)wrong);
    check(cpus == 1 || cpu_state(1) == 1, "and the CPU stays off");
    check(is_unknown(call_hvc(0x8400001f, 0, 0, 0, 0).x[0]), "an unknown PSCI function");
    check(is_unknown(call_hvc(0x840000ff, 0, 0, 0, 0).x[0]), "another");
    check(is_unknown(call_hvc(PSCI_FEATURES, 0x84001234, 0, 0, 0).x[0]), "PSCI_FEATURES of nothing");
}

static void smc(void)
{
    static const uint64_t functions[] = {PSCI_VERSION, PSCI_SYSTEM_OFF, HC_VERSION, 0x80000000, 0x82000000, ~0ull};
    uint32_t wrong = 0;

    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        struct call_result answer;
        struct fault fault;

        fault_expect();
        answer = call_smc(functions[i], 0, 0, 0);
        fault = fault_taken();
        wrong += fault.count == 1 ? fault_class(fault) != FAULT_UNDEFINED : !is_unknown(answer.x[0]);
    }
    check(wrong == 0, "SMC is undefined, or not supported (%u wrong)", (unsigned)wrong);
}

void firmware_calls(void)
{
    other_immediates();
    psci();
    smc();
}
