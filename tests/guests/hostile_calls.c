// SPDX-License-Identifier: Apache-2.0
/* Hypercalls that do not exist or are not this guest's to make, forbidden PSCI, SMC (issue 2, point 7). */
#include "support/guest.h"

#define NOT_SUPPORTED (-1)
#define INVALID_PARAMETERS (-2)
#define ALREADY_ON (-4)
#define INVALID_ADDRESS (-9)

static bool is_unknown(uint64_t x0)
{
    return (int64_t)x0 == NOT_SUPPORTED || x0 == 0xffffffff;
}

/* Every owner, both widths, fast and yielding; PSCI (owner 4) and our own have their tests. */
static void unknown_functions(void)
{
    static const uint32_t numbers[] = {0x00, 0x11, 0x7f, 0xff, 0x100, 0x1234, 0x7fff, 0xfffe};
    uint32_t wrong = 0, last = 0, tried = 0;

    for (uint32_t owner = 0; owner < 64; owner++) {
        for (uint32_t kind = 0; kind < 4; kind++) {
            for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
                uint32_t function = kind << 30 | owner << 24 | numbers[i];

                if (owner == 4 || (owner == 0 && kind >= 2) || (owner == 6 && numbers[i] <= 0x11))
                    continue;
                tried++;
                if (!is_unknown(call_hvc(function, ~0ull, ~0ull, ~0ull, ~0ull).x[0]))
                    wrong++, last = function;
            }
        }
    }
    check(wrong == 0, "%u unknown functions are not supported (%u wrong, %x)", (unsigned)tried, (unsigned)wrong,
          (unsigned)last);
}

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

static void denied(const char *name, uint32_t function, uint64_t x1, uint64_t x2, uint64_t x3, uint64_t x4)
{
    int64_t answer = (int64_t)call_hvc(function, x1, x2, x3, x4).x[0];

    if (answer >= 0 || answer < -5)
        check(false, "%s(%lx, %lx, %lx) is refused: %ld", name, x1, x2, x3, answer);
}

static void not_its_right(void)
{
    static const uint64_t numbers[] = {0, 1, 2, 3, 7, 8, 15, 16, 63, 64, 255, 256, 0xffffffff, 0x100000000, ~0ull};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uint64_t n = numbers[i];

        denied("CONSOLE_INPUT", HC_CONSOLE_INPUT, n, 8, 0x4141414141414141, 0);
        denied("CHANNEL_OFFER", HC_CHANNEL_OFFER, n, ~0ull, 4, 256);
        denied("CHANNEL_CONFIG", HC_CHANNEL_CONFIG, n, 0, 8, ~0ull);
        denied("CHANNEL_CONFIG", HC_CHANNEL_CONFIG, n, ~0ull, 8, ~0ull);
        denied("CHANNEL_ATTACH", HC_CHANNEL_ATTACH, n, 0, 0, 0);
        denied("CHANNEL_SIGNAL", HC_CHANNEL_SIGNAL, n, 3, 0, 0);
        denied("CHANNEL_RESET_DONE", HC_CHANNEL_RESET_DONE, n, 0, 0, 0);
        denied("CHANNEL_FAIL", HC_CHANNEL_FAIL, n, 0, 0, 0);
        for (uint64_t operation = 0; operation < 4; operation++)
            denied("DOMAIN_CONTROL", HC_DOMAIN_CONTROL, n, operation, 0, 0);
        denied("SYSTEM", HC_SYSTEM, n, 0, 0, 0);
        denied("LOG_WRITE", HC_LOG_WRITE, n, 0x41, 0, 0);
        denied("EVENT", HC_EVENT, n, 1, 0, 0);
    }
    check(true, "what belongs to others was asked for");
}

/* A domain may write consoles of its own, and no other. */
static void consoles(void)
{
    uint32_t own = 0;

    for (uint64_t ring = 0; ring < 40; ring++)
        own += call_hvc(HC_CONSOLE_WRITE, ring, 5, 0x0a6b6f6f6cull, 0).x[0] == 0; /* "look\n" */
    check(own <= 2, "it writes no console but its own (%u)", (unsigned)own);
    check((int64_t)call_hvc(HC_CONSOLE_WRITE, ~0ull, 5, 0, 0).x[0] < 0, "a console beyond all");
    check((int64_t)call_hvc(HC_CONSOLE_WRITE, 0, 57, 0, 0).x[0] < 0, "more bytes than fit");
    check((int64_t)call_hvc(HC_CONSOLE_WRITE, 0, ~0ull, 0, 0).x[0] < 0, "many more bytes than fit");
}

static void its_right(void)
{
    struct call_result version = call_hvc(HC_VERSION, 0, 0, 0, 0);

    check(version.x[0] == 0 && version.x[1] == BULKHEAD_ABI_VERSION, "HC_VERSION answers");
    check((int64_t)call_hvc(HC_HEARTBEAT, 600001, 0, 0, 0).x[0] < 0, "a heartbeat in more than 600 s is refused");
    check((int64_t)call_hvc(HC_HEARTBEAT, ~0ull, 0, 0, 0).x[0] < 0, "likewise");
    call_hvc(HC_HEARTBEAT, 0, 0, 0, 0);
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

void guest_main(void)
{
    unknown_functions();
    other_immediates();
    its_right();
    not_its_right();
    consoles();
    psci();
    smc();
}
