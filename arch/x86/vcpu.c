// SPDX-License-Identifier: Apache-2.0
/* The state in which a vCPU starts: the domain's first as its image asks for, the others by a SIPI. */
#include "guest_cpu.h"
#include "vendor.h"

#include <arch/cpu.h>
#include <core/arch.h>
#include <string.h>

#define ACCESS_CODE_64 0xa09b /* G, L; present, accessed, executable and readable */
#define ACCESS_CODE_32 0xc09b
#define ACCESS_DATA_32 0xc093
#define ACCESS_CODE_16 0x009b
#define ACCESS_DATA_16 0x0093
#define ACCESS_TSS 0x008b
#define ACCESS_LDT 0x0082

static void data_segments(struct start_state *state, struct segment segment)
{
    static const uint8_t which[] = {ES, SS, DS, FS, GS};

    for (unsigned i = 0; i < sizeof(which); i++)
        state->segment[which[i]] = segment;
}

/* SDM volume 3A, 10.4.4: CS is the page, IP 0. */
static void start_by_sipi(struct vcpu *vcpu, struct start_state *state, uint64_t entry)
{
    data_segments(state, (struct segment){.limit = 0xffff, .access = ACCESS_DATA_16});
    state->segment[CS] = (struct segment){entry, 0xffff, (uint16_t)(entry >> 4), ACCESS_CODE_16};
    state->gdt_limit = 0xffff;
    state->cr0 = CR0_ET;
    vcpu->arch.x[RDX] = cpuid(1, 0).eax;
    vcpu->arch.rip = 0;
}

static void start_image(struct vcpu *vcpu, struct start_state *state, uint64_t entry, uint64_t context)
{
    const struct guest_start *start = &vcpu->domain->arch.start;

    data_segments(state, (struct segment){.limit = UINT32_MAX, .selector = GUEST_DS, .access = ACCESS_DATA_32});
    state->segment[CS] = (struct segment){
        .limit = UINT32_MAX, .selector = GUEST_CS, .access = start->wide ? ACCESS_CODE_64 : ACCESS_CODE_32};
    state->gdt_base = start->gdt.value;
    state->gdt_limit = GUEST_GDT_BYTES - 1;
    state->cr0 = CR0_PE | CR0_ET | CR0_NE;
    vcpu->arch.rip = entry;
    if (start->wide) {
        state->cr0 |= CR0_PG | CR0_WP | CR0_MP;
        state->cr3 = start->cr3.value;
        state->cr4 = CR4_PAE;
        state->efer = EFER_LME | EFER_LMA | EFER_NXE;
        vcpu->arch.x[RDI] = vcpu->arch.x[RSI] = context;
    } else {
        vcpu->arch.x[RAX] = GUEST_MULTIBOOT_MAGIC;
        vcpu->arch.x[RBX] = context;
    }
}

void vcpu_reset(struct vcpu *vcpu, uint64_t entry, uint64_t context)
{
    struct start_state state = {0};

    memset(vcpu->arch.x, 0, sizeof(vcpu->arch.x));
    state.segment[LDTR] = (struct segment){.limit = 0xffff, .access = ACCESS_LDT};
    state.segment[TR] = (struct segment){.limit = 0xffff, .access = ACCESS_TSS};
    if (context == VCPU_CONTEXT_SIPI)
        start_by_sipi(vcpu, &state, entry);
    else
        start_image(vcpu, &state, entry, context);
    vcpu->arch.tsc_offset = vcpu->domain->arch.counter_offset;
    vcpu->arch.nmi_pending = false;
    vcpu->arch.resets++;
    vendor->reset(vcpu, &state);
    xstate_reset();
    guest_msr_reset();
    hyperv_reset_vcpu(vcpu);
    vlapic_reset(vcpu);
    stage2_invalidate(vcpu->domain);
}

void vcpu_enter(struct vcpu *vcpu)
{
    vendor->enter(vcpu);
    __builtin_unreachable();
}
