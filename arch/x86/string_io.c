// SPDX-License-Identifier: Apache-2.0
/*
 * INS and OUTS at emulated ports (SDM volume 2A). So many at a time: then the guest repeats the instruction with what
 * is left in rCX, after the interrupts that wait. A fault leaves rSI, rDI and rCX as far as they have come.
 */
#include "decode.h"
#include "exit.h"
#include "guest_memory.h"
#include "vendor.h"

#include <arch/cpu.h>
#include <arch/pio.h>
#include <core/arch.h>

#define ELEMENTS_MAX 64

/* Types of segments */
#define TYPE_CODE 8u
#define TYPE_EXPANDS_DOWN 4u
#define TYPE_RIGHT 2u /* writable data, readable code */
#define ACCESS_BIG (1u << 14)

/* The linear address of `width` bytes, or a general protection or stack fault. */
static bool locate(struct vcpu *vcpu, const struct guest_state *state, unsigned which, uint64_t offset, unsigned width,
                   bool write, uint64_t *linear)
{
    struct segment segment;
    uint64_t last = offset + width - 1;
    bool valid;

    vendor->segment(vcpu, which, &segment);
    if (state->code64) {
        *linear = offset + (which >= FS ? segment.base : 0);
        last = *linear + width - 1;
        valid =
            (uint64_t)((int64_t)(*linear << 16) >> 16) == *linear && (uint64_t)((int64_t)(last << 16) >> 16) == last;
        which = DS;
    } else {
        *linear = (uint32_t)(segment.base + offset);
        if ((segment.access & (TYPE_CODE | TYPE_EXPANDS_DOWN)) == TYPE_EXPANDS_DOWN)
            valid = offset > segment.limit && last <= (segment.access & ACCESS_BIG ? UINT32_MAX : 0xffff);
        else
            valid = last <= segment.limit;
        valid = valid && (segment.access & ACCESS_PRESENT) &&
                (write ? (segment.access & (TYPE_CODE | TYPE_RIGHT)) == TYPE_RIGHT
                       : (segment.access & (TYPE_CODE | TYPE_RIGHT)) != TYPE_CODE);
    }
    if (!valid)
        vendor->inject(vcpu, EVENT_EXCEPTION, which == SS ? VECTOR_SS : VECTOR_GP, 0);
    return valid;
}

/* Before the port is asked, which may be for a byte that is read once only: all of the memory is there. */
static bool reach(struct vcpu *vcpu, const struct guest_state *state, uint64_t linear, unsigned width, bool write,
                  uint64_t at[4])
{
    uint32_t error;

    for (unsigned i = 0; i < width; i++) {
        at[i] = i && (linear + i) % PAGE_SIZE ? at[i - 1] + 1 : guest_reach(vcpu, state, linear + i, write, &error);
        if (at[i] == GUEST_UNMAPPED) {
            vendor->fault_address(vcpu, linear + i);
            vendor->inject(vcpu, EVENT_EXCEPTION, VECTOR_PF, error);
            return false;
        }
        if (!guest_byte(vcpu, at[i])) { /* registers, or nothing */
            inject_general_protection(vcpu);
            return false;
        }
    }
    return true;
}

static bool transfer(struct vcpu *vcpu, const struct port_access *access, const struct guest_state *state,
                     unsigned segment, uint64_t offset)
{
    uint64_t linear, at[4];
    uint32_t value = 0;

    if (!locate(vcpu, state, segment, offset, access->width, access->in, &linear) ||
        !reach(vcpu, state, linear, access->width, access->in, at))
        return false;
    for (unsigned i = 0; i < access->width && !access->in; i++)
        value |= (uint32_t) * (volatile uint8_t *)guest_byte(vcpu, at[i]) << 8 * i;
    pio_access(vcpu, access->port, access->width, access->in, &value);
    for (unsigned i = 0; i < access->width && access->in; i++)
        *guest_byte(vcpu, at[i]) = (uint8_t)(value >> 8 * i);
    return true;
}

static void add(uint64_t *reg, uint64_t value, unsigned size)
{
    value += *reg;
    *reg = size == 8 ? value : size == 4 ? (uint32_t)value : (*reg & ~0xffffull) | (value & 0xffff);
}

void exit_port_string(struct vcpu *vcpu, const struct port_access *access, uint64_t next_rip)
{
    uint64_t *x = vcpu->arch.x, *index = &x[access->in ? RDI : RSI], mask;
    uint8_t bytes[INSTRUCTION_MAX];
    struct string_instruction instruction;
    struct guest_state state;
    unsigned count;
    bool more;

    vendor->state(vcpu, &state);
    count = guest_fetch(vcpu, &state, (state.code64 ? 0 : state.code_base) + vcpu->arch.rip, bytes, sizeof(bytes));
    instruction = decode_string(bytes, count, state.code64 ? CODE_64 : state.code32 ? CODE_32 : CODE_16);
    if (!instruction.address_size) { /* another vCPU has written there meanwhile */
        inject_general_protection(vcpu);
        return;
    }
    mask = UINT64_MAX >> (64 - 8 * instruction.address_size);
    more = !access->repeat || (x[RCX] & mask);
    for (unsigned i = 0; i < ELEMENTS_MAX && more; i++) {
        if (!transfer(vcpu, access, &state, instruction.segment, *index & mask)) {
            window_close();
            return;
        }
        add(index, state.rflags & RFLAGS_DF ? -(uint64_t)access->width : access->width, instruction.address_size);
        if (access->repeat)
            add(&x[RCX], UINT64_MAX, instruction.address_size);
        more = access->repeat && (x[RCX] & mask);
    }
    window_close();
    if (!more)
        vcpu->arch.rip = next_rip;
}
