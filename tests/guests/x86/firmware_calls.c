// SPDX-License-Identifier: Apache-2.0
/* The other maker's instruction, and calls from where they do not come from. */
#include "tests/guests/hostile_calls.h"

static void __attribute__((noipa, naked)) other_instruction(__attribute__((unused)) uint32_t maker)
{
    __asm__("cmp $0x756e6547, %edi\n\tje 1f\n\tvmcall\n\tret\n1:\tvmmcall\n\tret");
}

/* Undefined, or no such function: never a call of another kind. */
static void other_makers_call(void)
{
    struct fault fault;

    fault_expect();
    other_instruction(cpuid(0, 0).ebx);
    fault = fault_taken();
    check(fault.count <= 1 && (fault.count == 0 || fault.vector == FAULT_UNDEFINED),
          "the other maker's call is undefined, or nothing (%lu faults, vector %lu)", fault.count, fault.vector);
}

void firmware_calls(void)
{
    other_makers_call();
    call_kernel(0, 0, 0, 0, 0);
    check(true, "function 0 ends");
}
