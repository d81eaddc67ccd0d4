// SPDX-License-Identifier: Apache-2.0
/* Accesses outside of the guest's memory: every width, read-modify-write, strings, SIMD, across the end, execution:
 * answered as by a bus where nobody is, or refused; and its own memory is as it was (issue 2, point 7). */
#include "instruction.h"
#include <bulkhead/guest_map.h>

/* Instructions that access (%rdi) or (%rsi). */
static const struct access {
    const char *name;
    uint8_t bytes[8], count;
    bool write;
} accesses[] = {
    {"mov (%rdi),%al", {0x8a, 0x07}, 2, false},
    {"mov (%rdi),%ax", {0x66, 0x8b, 0x07}, 3, false},
    {"mov (%rdi),%eax", {0x8b, 0x07}, 2, false},
    {"mov (%rdi),%rax", {0x48, 0x8b, 0x07}, 3, false},
    {"movzbl (%rdi),%eax", {0x0f, 0xb6, 0x07}, 3, false},
    {"movswq (%rdi),%rax", {0x48, 0x0f, 0xbf, 0x07}, 4, false},
    {"movslq (%rdi),%rax", {0x48, 0x63, 0x07}, 3, false},
    {"cmp %eax,(%rdi)", {0x39, 0x07}, 2, false},
    {"test %eax,(%rdi)", {0x85, 0x07}, 2, false},
    {"add (%rdi),%eax", {0x03, 0x07}, 2, false},
    {"pushq (%rdi); pop", {0xff, 0x37, 0x58}, 3, false},
    {"lodsl", {0xad}, 1, false},
    {"movsb", {0xa4}, 1, true},
    {"rep movsq", {0xf3, 0x48, 0xa5}, 3, true},
    {"rep stosb", {0xf3, 0xaa}, 2, true},
    {"mov %al,(%rdi)", {0x88, 0x07}, 2, true},
    {"mov %ax,(%rdi)", {0x66, 0x89, 0x07}, 3, true},
    {"mov %eax,(%rdi)", {0x89, 0x07}, 2, true},
    {"mov %rax,(%rdi)", {0x48, 0x89, 0x07}, 3, true},
    {"movl $1,(%rdi)", {0xc7, 0x07, 1, 0, 0, 0}, 6, true},
    {"add %eax,(%rdi)", {0x01, 0x07}, 2, true},
    {"lock incl (%rdi)", {0xf0, 0xff, 0x07}, 3, true},
    {"lock xadd %eax,(%rdi)", {0xf0, 0x0f, 0xc1, 0x07}, 4, true},
    {"xchg %eax,(%rdi)", {0x87, 0x07}, 2, true},
    {"lock cmpxchg8b (%rdi)", {0xf0, 0x0f, 0xc7, 0x0f}, 4, true},
    {"lock cmpxchg16b (%rdi)", {0xf0, 0x48, 0x0f, 0xc7, 0x0f}, 5, true},
    {"bts $5,(%rdi)", {0x0f, 0xba, 0x2f, 5}, 4, true},
    {"movups (%rdi),%xmm0", {0x0f, 0x10, 0x07}, 3, false},
    {"movups %xmm0,(%rdi)", {0x0f, 0x11, 0x07}, 3, true},
    {"movnti %eax,(%rdi)", {0x0f, 0xc3, 0x07}, 3, true},
    {"fildll (%rdi)", {0xdf, 0x2f}, 2, false},
    {"fxsave (%rdi)", {0x0f, 0xae, 0x07}, 3, true},
    {"clflush (%rdi)", {0x0f, 0xae, 0x3f}, 3, false},
    {"prefetcht0 (%rdi)", {0x0f, 0x18, 0x0f}, 3, false},
    {"sgdt (%rdi)", {0x0f, 0x01, 0x07}, 3, true},
    {"invlpg (%rdi)", {0x0f, 0x01, 0x3f}, 3, false},
};
#define ACCESSES (sizeof(accesses) / sizeof(accesses[0]))

static uint32_t wrong;

static void try(const struct access *access, uint64_t address)
{
    static uint64_t source[4];
    struct registers registers = {.rax = 0x0123456789abcdef, .rcx = 3, .rsi = (uint64_t)source, .rdi = address};
    struct fault fault;

    if (access->bytes[0] == 0xad) /* lodsl reads (%rsi) */
        registers.rsi = address;
    fault = instruction_run(access->bytes, access->count, &registers);
    __asm__ volatile("fninit");
    if (fault.count > 1 || (fault.count == 1 && fault.vector != FAULT_GENERAL_PROTECTION &&
                            fault.vector != FAULT_PAGE && fault.vector != FAULT_UNDEFINED)) {
        check(false, "%s at %lx: %lu faults, vector %lu", access->name, address, fault.count, fault.vector);
        wrong++;
    }
}

static void try_all(uint64_t address)
{
    for (size_t i = 0; i < ACCESSES; i++)
        try(&accesses[i], address);
}

static void reads_are_ones(uint64_t address)
{
    struct registers registers = {.rdi = address};
    struct fault fault = instruction_run(INSTRUCTION(0x48, 0x8b, 0x07), &registers);

    check(fault.count == 0 ? registers.rax == ~0ull : is_refused(fault), "a read at %lx finds nothing (%lx)", address,
          registers.rax);
}

static void execute(uint64_t address)
{
    struct registers registers = {.rax = address};
    struct fault fault = instruction_run(INSTRUCTION(0x50, 0xc3), &registers); /* push %rax; ret: to there */

    check(fault.count == 1 && fault.vector != 8, "executing at %lx faults (vector %lu)", address, fault.vector);
}

void guest_main(void)
{
    struct guest_memory memory = guest_memory();
    uint64_t end = memory.base + memory.size;
    const uint64_t places[] = {
        end,
        end + 0x1000,
        end + 0x200000,
        0x80000000,
        0xc0000000,
        0xf0000000,
        GUEST_VIRTIO_BASE + 15 * 0x1000,
        GUEST_IOAPIC_BASE + 0x1000,
        GUEST_APIC_BASE,
        0xfed00000,
        0xfffff000,
        0xfffffff0,
        WINDOW_36_BITS,
        WINDOW_40_BITS,
        WINDOW_UNMAPPED,
    };
    volatile uint64_t *edge = (volatile uint64_t *)(end - 4096);
    uint64_t sum = 0;

    for (uint32_t i = 0; i < 512; i++)
        edge[i] = i * 0x9e3779b97f4a7c15ull;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        print("at %lx\n", places[i]);
        try_all(places[i]);
    }
    check(wrong == 0, "accesses outside of its memory (%u wrong)", (unsigned)wrong);
    wrong = 0;
    for (uint64_t address = end - 16; address < end; address += 3)
        try_all(address); /* across the end */
    check(wrong == 0, "accesses across its end (%u wrong)", (unsigned)wrong);
    for (uint32_t i = 0; i < 508; i++)
        sum += edge[i] != i * 0x9e3779b97f4a7c15ull;
    check(sum == 0, "its last page is as it was (%lu differ)", sum);
    reads_are_ones(end + 0x1000);
    reads_are_ones(0xf0000000);
    execute(end + 0x1000);
    execute(0xf0000000);
    execute(WINDOW_36_BITS);
}
