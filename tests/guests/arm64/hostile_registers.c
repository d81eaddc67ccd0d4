// SPDX-License-Identifier: Apache-2.0
/* Wild system registers and instructions: undefined at EL1, or harmless; the sweep comes to its end (issue 2, point 7).
 */
#include "tests/guests/support/guest.h"

static uint32_t code[2] __attribute__((aligned(64)));

#define RET 0xd65f03c0u

/* Runs one instruction with `value` in x0. */
static struct fault run(uint32_t instruction, uint64_t value)
{
    code[0] = instruction;
    code[1] = RET;
    __asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" ::"r"(code) : "memory");
    fault_expect();
    __asm__ volatile("mov x0, %0\n\tblr %1" ::"r"(value), "r"(code)
                     : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
                       "x15", "x16", "x17", "x30", "memory");
    return fault_taken();
}

/* op0, op1, CRn, CRm, op2 as the instruction has them. */
static uint32_t encode(bool read, uint32_t op0, uint32_t op1, uint32_t crn, uint32_t crm, uint32_t op2)
{
    return 0xd5000000u | (uint32_t)read << 21 | op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5;
}

/* Registers of EL2 and EL3, and the aliases that only EL2 has. */
static bool is_above(uint32_t op1)
{
    return op1 >= 4;
}

static void sweep_reads(void)
{
    uint32_t undefined = 0, answered = 0, wrong = 0, above = 0, last = 0;

    for (uint32_t op0 = 2; op0 <= 3; op0++) {
        for (uint32_t rest = 0; rest < 1u << 14; rest++) {
            uint32_t op1 = rest >> 11, crn = rest >> 7 & 15, crm = rest >> 3 & 15, op2 = rest & 7;
            uint32_t instruction = encode(true, op0, op1, crn, crm, op2);
            struct fault fault = run(instruction, 0);

            if (fault.count == 0)
                answered++;
            else if (fault.count == 1 && fault_class(fault) == FAULT_UNDEFINED)
                undefined++;
            else
                wrong++, last = instruction;
            if (op0 == 3 && is_above(op1) && fault.count == 0)
                above++, last = instruction;
        }
    }
    check(wrong == 0, "MRS of every encoding: %u answered, %u undefined, %u else (%x)", (unsigned)answered,
          (unsigned)undefined, (unsigned)wrong, (unsigned)last);
    check(above == 0, "no register of EL2 or EL3 answers (%u, %x)", (unsigned)above, (unsigned)last);
}

/* Whether a wild value could end this very test, by what the architecture says about the guest's own registers. */
static bool is_ours(uint32_t op0, uint32_t op1, uint32_t crn, uint32_t crm)
{
    if (op0 == 2)
        return op1 == 0 && crn == 1; /* OS lock and double lock */
    if (op1 == 3)
        return crn == 4 || crn == 13; /* PSTATE fields, thread pointers */
    if (op1 >= 3)
        return false;
    return !(crn == 0 || crn == 9 || crn == 11 || crn == 15 || (crn == 12 && crm >= 8));
}

static void sweep_writes(uint64_t value)
{
    uint32_t undefined = 0, taken = 0, wrong = 0, above = 0, last = 0;

    for (uint32_t op0 = 2; op0 <= 3; op0++) {
        for (uint32_t rest = 0; rest < 1u << 14; rest++) {
            uint32_t op1 = rest >> 11, crn = rest >> 7 & 15, crm = rest >> 3 & 15, op2 = rest & 7;
            uint32_t instruction = encode(false, op0, op1, crn, crm, op2);
            struct fault fault;

            if (is_ours(op0, op1, crn, crm))
                continue;
            fault = run(instruction, value);
            if (fault.count == 0)
                taken++;
            else if (fault.count == 1 && fault_class(fault) == FAULT_UNDEFINED)
                undefined++;
            else
                wrong++, last = instruction;
            if (op0 == 3 && is_above(op1) && fault.count == 0)
                above++, last = instruction;
        }
    }
    check(wrong == 0 && above == 0, "MSR of %lx to wild encodings: %u taken, %u undefined, %u else, %u above EL1 (%x)",
          value, (unsigned)taken, (unsigned)undefined, (unsigned)wrong, (unsigned)above, (unsigned)last);
    timer_off();
}

/* SYS: TLB and cache maintenance, address translation. Those of EL2 and EL3 are undefined. */
static void sweep_system(void)
{
    uint32_t above = 0, wrong = 0, last = 0;

    for (uint32_t rest = 0; rest < 1u << 14; rest++) {
        uint32_t op1 = rest >> 11, crn = rest >> 7 & 15, crm = rest >> 3 & 15, op2 = rest & 7;
        uint32_t instruction = encode(false, 1, op1, crn, crm, op2);
        struct fault fault;

        if (!is_above(op1))
            continue;
        fault = run(instruction, 0);
        if (fault.count > 1 || (fault.count == 1 && fault_class(fault) != FAULT_UNDEFINED))
            wrong++, last = instruction;
        above += fault.count == 0;
    }
    check(wrong == 0, "SYS above EL1: %u did nothing, %u went wrong (%x)", (unsigned)above, (unsigned)wrong,
          (unsigned)last);
}

/* Set/way maintenance and TLB invalidation of the guest's own: allowed, and confined. */
static void own_maintenance(void)
{
    static const uint32_t instructions[] = {
        0xd5087640, /* dc isw, x0 */
        0xd5087a40, /* dc csw, x0 */
        0xd5087e40, /* dc cisw, x0 */
        0xd508831f, /* tlbi vmalle1is */
        0xd508871f, /* tlbi vmalle1 */
        0xd508711f, /* ic ialluis */
    };
    uint32_t wrong = 0;

    for (size_t i = 0; i < sizeof(instructions) / sizeof(instructions[0]); i++)
        for (uint64_t way = 0; way < 64; way++)
            wrong += run(instructions[i], way << 5).count != 0;
    check(wrong == 0, "set/way and TLB maintenance of its own (%u faults)", (unsigned)wrong);
}

static void undefined_instructions(void)
{
    static const uint32_t instructions[] = {
        0x00000000, /* udf */
        0xd4000003, /* smc #0 */
        0xd4a00001, /* dcps1 */
        0xd4a00002, /* dcps2 */
        0xd4a00003, /* dcps3 */
        0x04000000, /* SVE */
        0xffffffff,
    };
    uint32_t wrong = 0;

    for (size_t i = 0; i < sizeof(instructions) / sizeof(instructions[0]); i++) {
        wrong += run(instructions[i], 0).count > 1;
    }
    check(wrong == 0, "undefined instructions (%u wrong)", (unsigned)wrong);
}

void guest_main(void)
{
    sweep_reads();
    sweep_writes(~0ull);
    sweep_writes(0x5a5aa5a512345678);
    sweep_system();
    own_maintenance();
    undefined_instructions();
    check(serror_count == 0, "no SError");
}
