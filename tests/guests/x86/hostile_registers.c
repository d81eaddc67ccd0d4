// SPDX-License-Identifier: Apache-2.0
/* Wild model-specific registers, control registers, ports and instructions: refused, or harmless; the sweep comes to
 * its end (issue 2, point 7). */
#include "instruction.h"
#include <bulkhead/guest_map.h>

#define MSR_TSC 0x10u
#define MSR_TSC_ADJUST 0x3bu
#define MSR_X2APIC_FIRST 0x800u
#define MSR_X2APIC_LAST 0x8ffu
#define MSR_HYPERV_EOI 0x40000070u
#define MSR_HYPERV_ASSIST 0x40000073u
#define MSR_EFER 0xc0000080u
#define MSR_VM_HSAVE_PA 0xc0010117u
#define CPUID_1_ECX_VMX (1u << 5)
#define CPUID_1_ECX_HYPERVISOR (1u << 31)
#define CPUID_EXTENDED_ECX_SVM (1u << 2)

static const struct {
    uint32_t first, last;
} ranges[] = {
    {0, 0x2fff},
    {0x40000000, 0x400002ff},
    {0x4b564d00, 0x4b564dff}, /* KVM's */
    {0xc0000000, 0xc0001fff},
    {0xc0010000, 0xc0011fff},
    {0xfffffff0, 0xffffffff},
};
#define RANGES (sizeof(ranges) / sizeof(ranges[0]))

static struct fault read_msr(uint32_t msr, uint64_t *value)
{
    struct registers registers = {.rcx = msr};
    struct fault fault = instruction_run(INSTRUCTION(0x0f, 0x32), &registers);

    *value = (registers.rdx & UINT32_MAX) << 32 | (registers.rax & UINT32_MAX);
    return fault;
}

static struct fault write_msr(uint32_t msr, uint64_t value)
{
    struct registers registers = {.rcx = msr, .rax = (uint32_t)value, .rdx = value >> 32};

    return instruction_run(INSTRUCTION(0x0f, 0x30), &registers);
}

static bool is_wrong(struct fault fault)
{
    return fault.count > 1 || (fault.count == 1 && fault.vector != FAULT_GENERAL_PROTECTION);
}

static void sweep_reads(void)
{
    uint32_t refused = 0, answered = 0, wrong = 0, last = 0;

    for (size_t range = 0; range < RANGES; range++) {
        uint32_t msr = ranges[range].first;

        do {
            uint64_t value;
            struct fault fault = read_msr(msr, &value);

            answered += fault.count == 0;
            refused += fault.count != 0;
            if (is_wrong(fault))
                wrong++, last = msr;
        } while (msr++ != ranges[range].last);
    }
    check(wrong == 0, "RDMSR: %u answered, %u refused, %u else (%x)", (unsigned)answered, (unsigned)refused,
          (unsigned)wrong, (unsigned)last);
    check(answered < 300, "most registers are not there");
}

/* What could end this very test, by what the architecture says about the guest's own registers: its clock, its
 * interrupts. */
static bool is_ours(uint32_t msr)
{
    return msr == MSR_TSC || msr == MSR_TSC_ADJUST || msr == MSR_TSC_DEADLINE ||
           (msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST) || (msr >= MSR_HYPERV_EOI && msr <= MSR_HYPERV_ASSIST);
}

static void sweep_writes(uint64_t value)
{
    uint32_t refused = 0, taken = 0, wrong = 0, last = 0;

    for (size_t range = 0; range < RANGES; range++) {
        uint32_t msr = ranges[range].first;

        do {
            struct fault fault;
            uint64_t before;
            bool readable;

            if (is_ours(msr))
                continue;
            readable = read_msr(msr, &before).count == 0;
            fault = write_msr(msr, value);
            if (readable && fault.count == 0)
                write_msr(msr, before);
            taken += fault.count == 0;
            refused += fault.count != 0;
            if (is_wrong(fault))
                wrong++, last = msr;
        } while (msr++ != ranges[range].last);
    }
    check(wrong == 0, "WRMSR of %lx: %u taken, %u refused, %u else (%x)", value, (unsigned)taken, (unsigned)refused,
          (unsigned)wrong, (unsigned)last);
}

static void virtualization_is_hidden(void)
{
    struct cpuid first = cpuid(1, 0), extended = cpuid(0x80000001, 0);
    uint64_t efer = msr_read(MSR_EFER), cr4;

    check(!(first.ecx & CPUID_1_ECX_VMX) && !(extended.ecx & CPUID_EXTENDED_ECX_SVM), "CPUID shows no virtualization");
    check(first.ecx & CPUID_1_ECX_HYPERVISOR, "CPUID shows a hypervisor");
    check(!(efer & 1u << 12) && write_msr(MSR_EFER, efer | 1u << 12).vector == FAULT_GENERAL_PROTECTION,
          "EFER.SVME is refused");
    check(write_msr(MSR_VM_HSAVE_PA, 0x1000).vector == FAULT_GENERAL_PROTECTION, "VM_HSAVE_PA is refused");
    __asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
    check(!(cr4 & 1u << 13), "CR4.VMXE reads as zero");
}

static void sweep_cpuid(void)
{
    uint64_t sum = 0;

    for (uint32_t base = 0; base < 4; base++)
        for (uint32_t leaf = 0; leaf < 0x40; leaf++)
            for (uint32_t subleaf = 0; subleaf < 4; subleaf++)
                sum += cpuid(base << 30 | leaf, subleaf * 0x15).eax;
    sum += cpuid(UINT32_MAX, UINT32_MAX).eax;
    check(true, "CPUID of %u leaves (%lx)", 4u * 0x40, sum);
}

static void control_registers(void)
{
    uint64_t cr0, cr3, cr4;
    uint32_t wrong = 0;

    __asm__ volatile("movq %%cr0, %0\n\tmovq %%cr3, %1\n\tmovq %%cr4, %2" : "=r"(cr0), "=r"(cr3), "=r"(cr4));
    for (uint32_t bit = 32; bit < 64; bit++) {
        struct registers zero = {.rax = cr0 | 1ull << bit}, four = {.rax = cr4 | 1ull << bit};

        wrong += instruction_run(INSTRUCTION(0x0f, 0x22, 0xc0), &zero).vector != FAULT_GENERAL_PROTECTION;
        wrong += instruction_run(INSTRUCTION(0x0f, 0x22, 0xe0), &four).vector != FAULT_GENERAL_PROTECTION;
    }
    check(wrong == 0, "reserved bits of CR0 and CR4 are refused (%u were not)", (unsigned)wrong);
    wrong = 0;
    for (uint32_t bit = 0; bit < 32; bit++) { /* bits that would end this: PGE..PCIDE are fine, PAE is not */
        struct registers set = {.rax = cr4 | 1ull << bit}, back = {.rax = cr4};
        struct fault fault = instruction_run(INSTRUCTION(0x0f, 0x22, 0xe0), &set);

        wrong += is_wrong(fault);
        if (bit == 13)
            wrong += fault.count != 1;
        instruction_run(INSTRUCTION(0x0f, 0x22, 0xe0), &back);
    }
    check(wrong == 0, "each bit of CR4 is refused or set; VMXE is refused (%u wrong)", (unsigned)wrong);
    for (uint64_t value = 0; value < 64; value++) {
        struct registers eight = {.rax = value};

        wrong += is_wrong(instruction_run(INSTRUCTION(0x44, 0x0f, 0x22, 0xc0), &eight));
    }
    msr_write(MSR_X2APIC_TPR, 0);
    for (uint32_t bit = 0; bit < 64; bit++) {
        struct registers xcr = {
            .rcx = bit & 1, .rax = bit < 32 ? 1u << bit : 0, .rdx = bit < 32 ? 0 : 1u << (bit - 32)};

        wrong += instruction_run(INSTRUCTION(0x0f, 0x01, 0xd1), &xcr).count > 1;
    }
    check(wrong == 0, "CR8 and XCR0 of anything (%u wrong)", (unsigned)wrong);
    for (uint32_t number = 0; number < 8; number++) {
        struct registers debug = {.rax = 0xffff0ff0}, clear = {.rax = number == 7   ? 0x400
                                                                      : number == 6 ? 0xffff0ff0
                                                                                    : 0};

        if (number == 7)
            debug.rax = 0x500; /* no breakpoint enabled */
        wrong += instruction_run(INSTRUCTION(0x0f, 0x23, (uint8_t)(0xc0 | number << 3)), &debug).count > 1;
        instruction_run(INSTRUCTION(0x0f, 0x23, (uint8_t)(0xc0 | number << 3)), &clear);
    }
    check(wrong == 0, "debug registers (%u wrong)", (unsigned)wrong);
}

static void forbidden_instructions(void)
{
    static const struct {
        const char *name;
        uint8_t bytes[5], count;
        bool refused;
    } instructions[] = {
        {"VMLAUNCH", {0x0f, 0x01, 0xc2}, 3, true},
        {"VMRESUME", {0x0f, 0x01, 0xc3}, 3, true},
        {"VMXOFF", {0x0f, 0x01, 0xc4}, 3, true},
        /* QEMU takes the next three for RDRAND. */
        {"VMXON", {0xf3, 0x0f, 0xc7, 0x36}, 4, false},
        {"VMCLEAR", {0x66, 0x0f, 0xc7, 0x36}, 4, false},
        {"VMPTRLD", {0x0f, 0xc7, 0x36}, 3, false},
        {"VMREAD", {0x0f, 0x78, 0xc1}, 3, true},
        {"VMWRITE", {0x0f, 0x79, 0xc1}, 3, true},
        {"VMFUNC", {0x0f, 0x01, 0xd4}, 3, true},
        {"VMRUN", {0x0f, 0x01, 0xd8}, 3, true},
        {"VMLOAD", {0x0f, 0x01, 0xda}, 3, true},
        {"VMSAVE", {0x0f, 0x01, 0xdb}, 3, true},
        {"STGI", {0x0f, 0x01, 0xdc}, 3, true},
        {"CLGI", {0x0f, 0x01, 0xdd}, 3, true},
        {"SKINIT", {0x0f, 0x01, 0xde}, 3, true},
        {"INVLPGA", {0x0f, 0x01, 0xdf}, 3, true},
        {"GETSEC", {0x0f, 0x37}, 2, true},
        {"RSM", {0x0f, 0xaa}, 2, true},
        {"ENCLS", {0x0f, 0x01, 0xcf}, 3, true},
        {"RDPMC", {0x0f, 0x33}, 2, false},
        {"RDTSCP", {0x0f, 0x01, 0xf9}, 3, false},
        {"MONITOR", {0x0f, 0x01, 0xc8}, 3, false},
        {"INVD", {0x0f, 0x08}, 2, false},
        {"WBINVD", {0x0f, 0x09}, 2, false},
        {"PAUSE", {0xf3, 0x90}, 2, false},
        {"UD2", {0x0f, 0x0b}, 2, true},
        {"XSAVES", {0x0f, 0xc7, 0x2e}, 3, false},
        {"CLZERO", {0x0f, 0x01, 0xfc}, 3, false},
        {"RDPRU", {0x0f, 0x01, 0xfd}, 3, false},
    };
    static uint8_t scratch[8192] __attribute__((aligned(4096)));
    uint32_t wrong = 0;

    for (size_t i = 0; i < sizeof(instructions) / sizeof(instructions[0]); i++) {
        struct registers registers = {.rax = (uint64_t)scratch, .rsi = (uint64_t)scratch, .rdi = (uint64_t)scratch};
        struct fault fault = instruction_run(instructions[i].bytes, instructions[i].count, &registers);

        if (instructions[i].refused ? !is_refused(fault) : fault.count > 1) {
            check(false, "%s: %lu faults, vector %lu", instructions[i].name, fault.count, fault.vector);
            wrong++;
        }
    }
    check(wrong == 0, "instructions that guests do not have, and those that they share");
}

/* Those of the guest's own machine that would end it, or talk. */
static bool is_own_port(uint32_t port)
{
    return (port >= GUEST_PORT_UART && port < GUEST_PORT_UART + 8) ||
           (port >= GUEST_PORT_SLEEP_CONTROL && port <= GUEST_PORT_RESET);
}

static void sweep_ports(void)
{
    uint32_t answered = 0;

    for (uint32_t port = 0; port < 0x10000; port++) {
        uint32_t value = in8((uint16_t)port);

        answered += value != 0xff;
        if (port % 16 == 0)
            answered += in16((uint16_t)port) != 0xffff, answered += in32((uint16_t)port) != UINT32_MAX;
        if (is_own_port(port) || is_own_port(port + 3))
            continue;
        out8((uint16_t)port, 0xff);
        if (port % 16 == 0)
            out16((uint16_t)port, 0x5a5a), out32((uint16_t)port, 0xfee1dead);
    }
    check(answered < 64, "every port in and out: %u answered", (unsigned)answered);
    print("still here\n");
}

/* Strings at ports are refused, at those that are emulated and at others: nothing is read, written or counted down. */
static void string_ports(void)
{
    static char text[] = "by REP OUTSB\n";
    struct registers in = {.rcx = sizeof(text) - 1, .rdx = 0x1234, .rdi = (uint64_t)text};
    struct registers out = {.rcx = sizeof(text) - 1, .rdx = GUEST_PORT_UART, .rsi = (uint64_t)text};

    check(is_refused(instruction_run(INSTRUCTION(0xf3, 0x6c), &in)) && in.rcx == sizeof(text) - 1 && text[0] == 'b',
          "REP INSB is refused");
    check(is_refused(instruction_run(INSTRUCTION(0xf3, 0x6e), &out)) && out.rcx == sizeof(text) - 1, "REP OUTSB is refused");
    in = (struct registers){.rdx = GUEST_PORT_UART + 7, .rdi = WINDOW_UNMAPPED};
    check(is_refused(instruction_run(INSTRUCTION(0x6d), &in)), "INSL is refused, to an unmapped page too");
}

/* All general registers but RSP around one instruction. */
void run_with_all(const uint8_t *code, uint64_t general[16]);
__asm__(".text\nrun_with_all:\n\t"
        "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rsi; push %rdi\n\t"
        "mov %rsi, %rax\n\tmov 8(%rax), %rcx; mov 16(%rax), %rdx; mov 24(%rax), %rbx; mov 40(%rax), %rbp\n\t"
        "mov 48(%rax), %rsi; mov 56(%rax), %rdi; mov 64(%rax), %r8; mov 72(%rax), %r9; mov 80(%rax), %r10\n\t"
        "mov 88(%rax), %r11; mov 96(%rax), %r12; mov 104(%rax), %r13; mov 112(%rax), %r14; mov 120(%rax), %r15\n\t"
        "mov (%rax), %rax\n\tcall *(%rsp)\n\tpush %rax\n\tmov 16(%rsp), %rax\n\t"
        "mov %rcx, 8(%rax); mov %rdx, 16(%rax); mov %rbx, 24(%rax); mov %rbp, 40(%rax); mov %rsi, 48(%rax)\n\t"
        "mov %rdi, 56(%rax); mov %r8, 64(%rax); mov %r9, 72(%rax); mov %r10, 80(%rax); mov %r11, 88(%rax)\n\t"
        "mov %r12, 96(%rax); mov %r13, 104(%rax); mov %r14, 112(%rax); mov %r15, 120(%rax)\n\t"
        "pop %rcx\n\tmov %rcx, (%rax)\n\t"
        "pop %rdi; pop %rsi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n\tret");

/* What an exit leaves in registers is its result and nothing of the kernel's: FPU and debug registers included. */
static void registers_survive_exits(void)
{
    enum { RAX, RCX, RDX, RBX, RSP = 4, RDI = 7, R8 = 8 };
    static const struct {
        const char *name;
        uint8_t bytes[8], count;
        uint64_t rax, rcx, rdx;
        uint32_t results; /* registers, by number */
    } exits[] = {
        {"CPUID", {0x0f, 0xa2}, 2, 0x40000000, 0, 0, 1 << RAX | 1 << RCX | 1 << RDX | 1 << RBX},
        {"a call of no function (VMMCALL)", {0x0f, 0x01, 0xd9}, 3, 0x12345678, 0, 0, 1 << RAX},
        {"a call of no function (VMCALL)", {0x0f, 0x01, 0xc1}, 3, 0x12345678, 0, 0, 1 << RAX},
        {"RDMSR", {0x0f, 0x32}, 2, 1, MSR_X2APIC_ID, 1, 1 << RAX | 1 << RDX},
        {"WRMSR", {0x0f, 0x30}, 2, 0, MSR_X2APIC_TPR, 0, 0},
        {"a refused RDMSR", {0x0f, 0x32}, 2, 1, MSR_VM_HSAVE_PA, 1, 0},
        {"IN", {0xec}, 1, 0, 0, GUEST_PORT_UART + 5, 1 << RAX},
        {"OUT", {0xef}, 1, 0x77, 0, 0x1234, 0},
        {"a register of the IOAPIC", {0x41, 0x8b, 0x00}, 3, 0, 0, 0, 1 << RAX}, /* mov (%r8), %eax */
        {"a page fault", {0x8a, 0x07}, 2, 0x55, 0, 0, 0},                       /* mov (%rdi), %al */
    };
    static uint8_t code[16] __attribute__((aligned(64)));
    uint64_t general[16], dr[4], pattern = 0x1ead1ead00000000;
    uint32_t wrong = 0;

    for (size_t i = 0; i < sizeof(exits) / sizeof(exits[0]); i++) {
        for (unsigned r = 0; r < 16; r++)
            general[r] = pattern | i << 8 | r;
        general[RAX] = exits[i].rax;
        general[RCX] = exits[i].rcx;
        general[RDX] = exits[i].rdx;
        general[R8] = GUEST_IOAPIC_BASE;
        general[RDI] = WINDOW_UNMAPPED;
        for (unsigned b = 0; b < exits[i].count; b++)
            code[b] = exits[i].bytes[b];
        code[exits[i].count] = 0xc3;
        simd_set(pattern | i);
        __asm__ volatile("mov %0, %%dr0\n\tmov %0, %%dr1\n\tmov %0, %%dr2\n\tmov %0, %%dr3" ::"r"(0x100000 + i));
        fault_expect();
        run_with_all(code, general);
        fault_taken();
        __asm__ volatile("mov %%dr0, %0\n\tmov %%dr1, %1\n\tmov %%dr2, %2\n\tmov %%dr3, %3"
                         : "=r"(dr[0]), "=r"(dr[1]), "=r"(dr[2]), "=r"(dr[3]));
        for (unsigned r = 0; r < 16; r++) {
            uint64_t before = r == RAX   ? exits[i].rax
                              : r == RCX ? exits[i].rcx
                              : r == RDX ? exits[i].rdx
                              : r == R8  ? GUEST_IOAPIC_BASE
                              : r == RDI ? WINDOW_UNMAPPED
                                         : (pattern | i << 8 | r);

            bool is_result = exits[i].results >> r & 1;

            /* The kernel's addresses begin with as many ones. */
            if (is_result ? general[r] >> 40 == 0xffffff && general[r] != UINT64_MAX : general[r] != before) {
                check(false, "%s: register %u is %lx", exits[i].name, r, general[r]);
                wrong++;
            }
        }
        wrong += !simd_is(pattern | i) + (dr[0] != 0x100000 + i || dr[1] != dr[0] || dr[2] != dr[0] || dr[3] != dr[0]);
    }
    __asm__ volatile("mov %0, %%dr0\n\tmov %0, %%dr1\n\tmov %0, %%dr2\n\tmov %0, %%dr3" ::"r"(0ull));
    check(wrong == 0, "exits leave general, SIMD and debug registers as they were, but for results (%u)",
          (unsigned)wrong);
}

/* An instruction that exits is one step, as any other. */
static void single_steps(void)
{
    static const struct {
        const char *name;
        uint8_t bytes[3], count;
        uint64_t rcx, rdx;
    } steps[] = {{"CPUID", {0x0f, 0xa2}, 2, 0, 0},
                 {"RDMSR", {0x0f, 0x32}, 2, MSR_X2APIC_ID, 0},
                 {"OUT", {0xee}, 1, 0, 0x1234},
                 {"a register of the IOAPIC", {0x8b, 0x06}, 2, 0, 0}, /* mov (%rsi), %eax */
                 {"NOP", {0x90}, 1, 0, 0}};

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        /* pushfq; orl $0x100, (%rsp); popfq */
        uint8_t code[16] = {0x9c, 0x81, 0x0c, 0x24, 0x00, 0x01, 0x00, 0x00, 0x9d};
        struct registers registers = {.rcx = steps[i].rcx, .rdx = steps[i].rdx, .rsi = GUEST_IOAPIC_BASE};
        struct fault fault;
        uint64_t dr6;

        for (unsigned b = 0; b < steps[i].count; b++)
            code[9 + b] = steps[i].bytes[b];
        code[9 + steps[i].count] = 0x90;
        fault = instruction_run(code, 10u + steps[i].count, &registers);
        __asm__ volatile("mov %%dr6, %0" : "=r"(dr6));
        check(fault.count == 1 && fault.vector == 1 && fault.rip % 64 == 9u + steps[i].count && (dr6 & 0x4000),
              "a single step over %s (%lu faults, at %lu)", steps[i].name, fault.count, fault.rip % 64);
        __asm__ volatile("mov %0, %%dr6" ::"r"(0xffff0ff0ull));
    }
}

void guest_main(void)
{
    virtualization_is_hidden();
    registers_survive_exits();
    sweep_cpuid();
    sweep_reads();
    sweep_writes(~0ull);
    sweep_writes(0x5a5aa5a512345678);
    sweep_writes(0x12345678);
    control_registers();
    forbidden_instructions();
    sweep_ports();
    string_ports();
    single_steps();
    timer_off();
}
