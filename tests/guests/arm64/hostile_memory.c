// SPDX-License-Identifier: Apache-2.0
/* Accesses outside of the partition: each is answered with an external abort, whatever its kind (issue 2, point 7). */
#include "tests/guests/support/guest.h"

struct access {
    const char *name;
    void (*run)(uint64_t address);
    bool aligned_only; /* left out at addresses that are not a multiple of 16 */
};

#define ACCESS(name, text)                                                                                             \
    static void name(uint64_t address)                                                                                 \
    {                                                                                                                  \
        __asm__ volatile(text ::"r"(address) : "x8", "x9", "x10", "v0", "v1", "memory");                               \
    }

ACCESS(load_8, "ldrb w8, [%0]")
ACCESS(load_16, "ldrh w8, [%0]")
ACCESS(load_32, "ldr w8, [%0]")
ACCESS(load_64, "ldr x8, [%0]")
ACCESS(load_signed, "ldrsw x8, [%0]")
ACCESS(load_pair, "ldp x8, x9, [%0]")
ACCESS(load_simd, "ldr q0, [%0]")
ACCESS(load_structure, "ld2 {v0.16b, v1.16b}, [%0]")
ACCESS(load_acquire, "ldar x8, [%0]")
ACCESS(load_exclusive, "ldaxr x8, [%0]")
ACCESS(load_post_index, "mov x10, %0\n\tldr x8, [x10], #8")
ACCESS(store_8, "strb wzr, [%0]")
ACCESS(store_16, "strh wzr, [%0]")
ACCESS(store_32, "str wzr, [%0]")
ACCESS(store_64, "str xzr, [%0]")
ACCESS(store_pair, "stp xzr, xzr, [%0]")
ACCESS(store_simd, "movi v0.16b, #0\n\tstr q0, [%0]")
ACCESS(store_structure, "st2 {v0.16b, v1.16b}, [%0]")
ACCESS(store_release, "stlr xzr, [%0]")
ACCESS(store_pre_index, "mov x10, %0\n\tstr xzr, [x10, #0]!")
ACCESS(cache_zero, "dc zva, %0")
ACCESS(atomic_add, ".arch_extension lse\n\tmov x8, #1\n\tldadd x8, x9, [%0]")
ACCESS(atomic_swap, ".arch_extension lse\n\tswpal x8, x9, [%0]")
ACCESS(atomic_compare, ".arch_extension lse\n\tcasal x8, x9, [%0]")

static const struct access accesses[] = {
    {"load of 8 bits", load_8, false},
    {"load of 16 bits", load_16, false},
    {"load of 32 bits", load_32, false},
    {"load of 64 bits", load_64, false},
    {"signed load", load_signed, false},
    {"load of a pair", load_pair, false},
    {"SIMD load", load_simd, false},
    {"structure load", load_structure, false},
    {"load-acquire", load_acquire, true},
    {"load-exclusive", load_exclusive, true},
    {"post-indexed load", load_post_index, false},
    {"store of 8 bits", store_8, false},
    {"store of 16 bits", store_16, false},
    {"store of 32 bits", store_32, false},
    {"store of 64 bits", store_64, false},
    {"store of a pair", store_pair, false},
    {"SIMD store", store_simd, false},
    {"structure store", store_structure, false},
    {"store-release", store_release, true},
    {"pre-indexed store", store_pre_index, false},
    {"DC ZVA", cache_zero, true},
};
static const struct access atomics[] = {
    {"atomic add", atomic_add, true}, {"atomic swap", atomic_swap, true}, {"compare and swap", atomic_compare, true}};

/* Guest physical addresses that are nobody's in a guest, as virtual ones. */
static uint64_t outside[32];
static uint32_t outside_count;

static bool is_external_abort(struct fault fault)
{
    return fault.count == 1 && fault_class(fault) == FAULT_DATA_ABORT && (fault.esr & 0x3f) == FAULT_STATUS_EXTERNAL;
}

static void try_access(const struct access *access)
{
    uint32_t wrong = 0, tried = 0;
    struct fault last = {0};
    uint64_t where = 0;

    for (uint32_t i = 0; i < outside_count; i++) {
        struct fault fault;

        if (access->aligned_only && outside[i] % 16 != 0)
            continue;
        fault_expect();
        access->run(outside[i]);
        fault = fault_taken();
        tried++;
        if (!is_external_abort(fault)) {
            wrong++;
            last = fault;
            where = outside[i];
        }
    }
    if (wrong == 0)
        check(true, "%s: external abort at %u addresses", access->name, (unsigned)tried);
    else
        check(false, "%s: %u of %u addresses; %lx: %lu faults, ESR %lx", access->name, (unsigned)wrong, (unsigned)tried,
              where, last.count, last.esr);
}

static void try_execute(void)
{
    uint32_t wrong = 0;

    for (uint32_t i = 0; i < outside_count; i++) {
        struct fault fault;

        if (outside[i] % 4 != 0)
            continue;
        fault_expect();
        ((void (*)(void))outside[i])();
        fault = fault_taken();
        wrong += fault.count != 1 || fault_class(fault) != FAULT_INSTRUCTION_ABORT ||
                 (fault.esr & 0x3f) != FAULT_STATUS_EXTERNAL || fault.elr != outside[i];
    }
    check(wrong == 0, "execution: instruction abort, external (%u wrong)", (unsigned)wrong);
}

/* The first half lies in our memory, the second does not. */
static void try_page_crossing(uint64_t end)
{
    volatile uint64_t *last = (uint64_t *)(end - 8);
    struct fault fault;

    *last = 0x1122334455667788;
    fault_expect();
    load_64(end - 4);
    fault = fault_taken();
    check(is_external_abort(fault), "a load across the end of memory (ESR %lx)", fault.esr);
    fault_expect();
    store_64(end - 4);
    fault = fault_taken();
    check(is_external_abort(fault), "a store across the end of memory (ESR %lx)", fault.esr);
    fault_expect();
    load_pair(end - 8);
    fault = fault_taken();
    check(is_external_abort(fault), "a pair across the end of memory (ESR %lx)", fault.esr);
    check((uint32_t)*last == 0x55667788, "the word before the end is as it was");
}

/* Emulated registers reached in ways that no syndrome describes: an abort, or an answer, but always an end. */
static void try_strange_on_device(void)
{
    static const uint64_t devices[] = {GUEST_UART_BASE, GUEST_GICD_BASE, GUEST_GICR_BASE};
    uint64_t done = 0;

    for (size_t d = 0; d < sizeof(devices) / sizeof(devices[0]); d++) {
        uint64_t address = WINDOW_LOW + devices[d] + 0x18;

        for (size_t i = 0; i < sizeof(accesses) / sizeof(accesses[0]); i++) {
            if (accesses[i].run == cache_zero)
                continue;
            fault_expect();
            accesses[i].run(address + (accesses[i].aligned_only ? 0 : 1));
            done += fault_taken().count <= 1;
        }
    }
    check(done == 60, "every kind of access to emulated registers ends (%lu)", done);
}

static void try_tables_outside(void)
{
    uint64_t table, answer;

    /* An address translation through tables that lie outside: the answer is an abort, or a failed translation. */
    __asm__ volatile("mrs %0, ttbr0_el1" : "=r"(table));
    fault_expect();
    __asm__ volatile("at s1e1r, %1\n\tisb\n\tmrs %0, par_el1" : "=r"(answer) : "r"(WINDOW_UNMAPPED));
    fault_taken();
    check((answer & 1) != 0, "AT of an unmapped address fails (PAR %lx)", answer);
}

static bool has_atomics(void)
{
    uint64_t features;

    __asm__("mrs %0, id_aa64isar0_el1" : "=r"(features));
    return (features >> 20 & 15) >= 2;
}

void guest_main(void)
{
    struct guest_memory memory = guest_memory();
    uint64_t end = memory.base + memory.size;
    const uint64_t list[] = {
        WINDOW_LOW,
        WINDOW_LOW + 0x1000,
        WINDOW_LOW + 0x00100008,
        WINDOW_LOW + 0x07fffff0,
        WINDOW_LOW + 0x08020000,
        WINDOW_LOW + 0x08090000,
        WINDOW_LOW + GUEST_GICR_BASE + 0x20000 * BULKHEAD_CPUS_MAX,
        WINDOW_LOW + GUEST_UART_BASE + 0x1000,
        WINDOW_LOW + 0x09050000,
        WINDOW_LOW + 0x0b000000,
        WINDOW_LOW + 0x10000000,
        WINDOW_LOW + 0x3eff0000,
        WINDOW_LOW + 0x3ffffff0,
        WINDOW_LOW + 0x20000001, /* not aligned */
        end,
        end + 3,
        end + 0x1000,
        end + 0x200000,
        end + 0x40000000,
        0x100000000,
        WINDOW_36_BITS,
        WINDOW_36_BITS + 0x3ffffff0,
    };

    outside_count = sizeof(list) / sizeof(list[0]);
    for (uint32_t i = 0; i < outside_count; i++)
        outside[i] = list[i];
    for (size_t i = 0; i < sizeof(accesses) / sizeof(accesses[0]); i++)
        try_access(&accesses[i]);
    for (size_t i = 0; has_atomics() && i < sizeof(atomics) / sizeof(atomics[0]); i++)
        try_access(&atomics[i]);
    try_execute();
    try_page_crossing(end);
    try_strange_on_device();
    try_tables_outside();
    check(serror_count == 0, "no SError");
}
