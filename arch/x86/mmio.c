// SPDX-License-Identifier: Apache-2.0
/* Nested page faults: accesses of emulated registers, or of nothing. */
#include "decode.h"
#include "exit.h"
#include "guest_memory.h"

#include <core/deadline.h>
#include <core/mmio.h>

#define RETRY_NS 1000000u /* how long at most before a guest repeats an access that has to wait */

static void wake_up(struct deadline *deadline)
{
    (void)deadline;
}

/* The guest's access has to wait for something that another CPU does, which interrupts this one when it is done. */
static void wait_and_retry(struct vcpu *vcpu)
{
    static struct deadline retry[BULKHEAD_CPUS_MAX];

    retry[vcpu->cpu].expired = wake_up;
    deadline_set(&retry[vcpu->cpu], time_ns() + RETRY_NS);
    cpu_wait();
}

static struct instruction decode_at(struct vcpu *vcpu, const struct page_fault *fault, const struct guest_state *state)
{
    enum code_size size = state->code64 ? CODE_64 : state->code32 ? CODE_32 : CODE_16;
    uint8_t bytes[INSTRUCTION_MAX];
    unsigned count;

    if (fault->bytes_count)
        return decode(fault->bytes, fault->bytes_count, size);
    count = guest_fetch(vcpu, state, (state->code64 ? 0 : state->code_base) + vcpu->arch.rip, bytes, sizeof(bytes));
    return decode(bytes, count, size);
}

/* Nobody is at that address: as on a bus, ones are read, and what is written is lost. */
static enum mmio_result access_nothing(struct vcpu *vcpu, struct mmio_access *access)
{
    count_exit(vcpu, EXIT_ABORT_INJECTED);
    access->value = UINT64_MAX;
    return MMIO_DONE;
}

void exit_page(struct vcpu *vcpu, const struct page_fault *fault)
{
    const struct mmio_region *region = mmio_find(vcpu->domain, fault->ipa);
    struct mmio_access access = {.write = fault->write};
    struct instruction instruction;
    struct guest_state state;
    enum mmio_result result;

    if (fault->fetch || fault->on_walk)
        return exit_refuse(vcpu);
    vendor->state(vcpu, &state);
    instruction = decode_at(vcpu, fault, &state);
    if (!instruction.length || instruction.write != fault->write ||
        (fault->ipa.value & (PAGE_SIZE - 1)) + instruction.width > PAGE_SIZE ||
        (!instruction.write && instruction.reg == RSP))
        return exit_refuse(vcpu);
    access.width = (uint8_t)instruction.width;
    if (instruction.write)
        access.value = instruction_source(&instruction, instruction.immediate    ? instruction.value
                                                        : instruction.reg == RSP ? state.rsp
                                                                                 : vcpu->arch.x[instruction.reg]);
    if (region) {
        access.offset = fault->ipa.value - region->base;
        count_exit(vcpu, region->kind);
        result = region->access(vcpu, region->device, &access);
    } else {
        result = access_nothing(vcpu, &access);
    }
    if (result == MMIO_RETRY)
        return wait_and_retry(vcpu);
    if (result != MMIO_DONE)
        return exit_refuse(vcpu);
    if (!instruction.write)
        vcpu->arch.x[instruction.reg] = instruction_result(&instruction, vcpu->arch.x[instruction.reg], access.value);
    vcpu->arch.rip += instruction.length;
    if (!state.code64)
        vcpu->arch.rip = (uint32_t)vcpu->arch.rip;
}
