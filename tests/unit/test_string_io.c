// SPDX-License-Identifier: Apache-2.0
/* x86: INS and OUTS at emulated ports, by guest page tables and segments; their faults are those of the CPU. */
#include "../../arch/x86/exit.h"
#include "../../arch/x86/guest_memory.h"

#include <arch/cpu.h>
#include <arch/pio.h>
#include <core/arch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MEMORY_HPA 0x40000000ull
#define MEMORY_SIZE (8 * MIB)
#define CODE 0x200000u
#define DATA 0x300000u
#define TABLES 0x400000u
#define PORT 0x3f8
#define NEXT (CODE + 2)

static uint8_t *memory;
static struct domain domain = {.memory = {MEMORY_HPA}, .memory_size = MEMORY_SIZE};
static struct vcpu vcpu = {.domain = &domain};
static struct guest_state guest;
static struct segment segments[SEGMENTS];
static uint8_t port_bytes[1024];
static uint32_t port_count, faults, vector;
static int64_t fault_error;
static uint64_t cr2;

void *window_open(struct hpa base)
{
    assert_in_range(base.value, MEMORY_HPA, MEMORY_HPA + MEMORY_SIZE - 1);
    return memory + (base.value - MEMORY_HPA);
}
void window_close(void) {}
static void inject(struct vcpu *of, enum event_type type, uint32_t number, int64_t error)
{
    (void)of;
    assert_int_equal(type, EVENT_EXCEPTION);
    faults++;
    vector = number;
    fault_error = error;
}
void inject_general_protection(struct vcpu *of)
{
    inject(of, EVENT_EXCEPTION, VECTOR_GP, 0);
}
static void get_state(struct vcpu *of, struct guest_state *state)
{
    (void)of;
    *state = guest;
}
static void get_segment(struct vcpu *of, unsigned which, struct segment *segment)
{
    (void)of;
    *segment = segments[which];
}
static void set_cr2(struct vcpu *of, uint64_t linear)
{
    (void)of;
    cr2 = linear;
}
static const struct vendor fake = {
    .state = get_state, .segment = get_segment, .fault_address = set_cr2, .inject = inject};
const struct vendor *vendor = &fake;

/* Reads count up from 0x80. */
bool pio_access(struct vcpu *of, uint16_t port, uint8_t width, bool in, uint32_t *value)
{
    (void)of;
    assert_int_equal(port, PORT);
    if (in)
        *value = 0;
    for (unsigned i = 0; i < width; i++, port_count++) {
        if (in)
            *value |= (uint32_t)(uint8_t)(0x80 + port_count) << 8 * i;
        else
            port_bytes[port_count] = (uint8_t)(*value >> 8 * i);
    }
    return true;
}

static void poke(uint64_t at, uint64_t value, unsigned size)
{
    memcpy(memory + at, &value, size);
}

/* One exit of the instruction. */
static void run(const char *bytes, size_t size, unsigned width, bool in)
{
    struct port_access access = {.port = PORT, .width = (uint8_t)width, .in = in, .string = true, .repeat = false};

    for (size_t i = 0; i < size; i++)
        access.repeat |= (uint8_t)bytes[i] == 0xf3 || (uint8_t)bytes[i] == 0xf2;
    memcpy(memory + CODE, bytes, size);
    vcpu.arch.rip = CODE;
    port_count = 0;
    exit_port_string(&vcpu, &access, NEXT);
}
#define RUN(bytes, width, in) run(bytes, sizeof(bytes) - 1, width, in)

static int set_up(void **state)
{
    (void)state;
    free(memory);
    memory = calloc(1, MEMORY_SIZE);
    memset(&vcpu.arch, 0, sizeof(vcpu.arch));
    guest = (struct guest_state){.code64 = true, .efer = EFER_LMA | EFER_LME};
    for (unsigned i = 0; i < SEGMENTS; i++)
        segments[i] = (struct segment){0, UINT32_MAX, 8, 0xc093};
    faults = 0;
    for (unsigned i = 0; i < 256; i++)
        memory[DATA + i] = (uint8_t)i;
    return 0;
}

/* 4-level tables: the first 2 MiB of DATA's GiB by blocks, DATA's own by pages with those rights. */
static void page(uint64_t rights)
{
    guest.cr0 = CR0_PG | CR0_PE | CR0_WP;
    guest.cr4 = CR4_PAE;
    guest.cr3 = TABLES;
    poke(TABLES, (TABLES + 0x1000) | 7, 8);
    poke(TABLES + 0x1000, (TABLES + 0x2000) | 7, 8);
    for (uint64_t i = 0; i < 4; i++)
        poke(TABLES + 0x2000 + 8 * i, i << 21 | 0x87, 8);
    poke(TABLES + 0x2000 + 8, (TABLES + 0x3000) | 7, 8);
    for (uint64_t i = 0; i < 512; i++)
        poke(TABLES + 0x3000 + 8 * i, (CODE + (i << 12)) | (i == 0x100 ? rights : 7), 8);
}
static uint8_t leaf(void)
{
    return memory[TABLES + 0x3000 + 8 * 0x100];
}

static void goes_in_pieces(void **state)
{
    (void)state;
    vcpu.arch.x[RCX] = 100;
    vcpu.arch.x[RSI] = DATA;
    RUN("\xf3\x6e", 1, false);
    assert_int_equal(port_count, 64);
    assert_int_equal(vcpu.arch.rip, CODE);
    assert_int_equal(vcpu.arch.x[RCX], 36);
    assert_int_equal(vcpu.arch.x[RSI], DATA + 64);
    assert_memory_equal(port_bytes, memory + DATA, 64);
    RUN("\xf3\x6e", 1, false);
    assert_int_equal(port_count, 36);
    assert_memory_equal(port_bytes, memory + DATA + 64, 36);
    assert_int_equal(vcpu.arch.rip, NEXT);
    assert_int_equal(vcpu.arch.x[RCX], 0);
    RUN("\xf3\x6e", 1, false); /* nothing is left */
    assert_int_equal(port_count, 0);
    assert_int_equal(vcpu.arch.rip, NEXT);
    assert_int_equal(faults, 0);
}

static void one_without_a_prefix(void **state)
{
    (void)state;
    vcpu.arch.x[RCX] = 7;
    vcpu.arch.x[RDI] = DATA + 2;
    RUN("\x6d", 4, true);
    assert_int_equal(vcpu.arch.x[RCX], 7);
    assert_int_equal(vcpu.arch.x[RDI], DATA + 6);
    assert_memory_equal(memory + DATA, "\x00\x01\x80\x81\x82\x83\x06", 7);
    guest.rflags = RFLAGS_DF;
    RUN("\x66\x6d", 2, true);
    assert_int_equal(vcpu.arch.x[RDI], DATA + 4);
}

/* What of the registers is used and changed. */
static void address_sizes(void **state)
{
    (void)state;
    vcpu.arch.x[RCX] = 0xffffffff00000001;
    vcpu.arch.x[RSI] = 0xffffffff00000000 | DATA;
    RUN("\x67\xf3\x6e", 1, false);
    assert_int_equal(port_count, 1);
    assert_int_equal(vcpu.arch.x[RSI], DATA + 1);
    assert_int_equal(vcpu.arch.x[RCX], 0);
    guest = (struct guest_state){.cr0 = CR0_PE};
    guest.code_base = 0;
    vcpu.arch.x[RCX] = 0xaaaa0002;
    vcpu.arch.x[RSI] = 0xbbbbffff;
    segments[DS].base = DATA - 0xffff;
    memory[DATA - 0xffff] = 0x55;
    RUN("\xf3\x6e", 1, false);
    assert_int_equal(port_count, 2);
    assert_memory_equal(port_bytes, "\x00\x55", 2);
    assert_int_equal(vcpu.arch.x[RSI], 0xbbbb0001);
    assert_int_equal(vcpu.arch.x[RCX], 0xaaaa0000);
    vcpu.arch.x[RCX] = 1;
    vcpu.arch.x[RSI] = 0xffff;
    RUN("\x67\xf3\x6e", 1, false);
    assert_int_equal(vcpu.arch.x[RSI], 0x10000);
}

static void segments_of_long_mode_are_flat(void **state)
{
    (void)state;
    segments[DS] = segments[SS] = (struct segment){0x1000, 1, 0, 0};
    segments[GS].base = DATA;
    vcpu.arch.x[RSI] = 3;
    RUN("\x65\x6e", 1, false);
    assert_int_equal(port_bytes[0], 3);
    vcpu.arch.x[RSI] = DATA + 5;
    RUN("\x36\x6e", 1, false);
    assert_int_equal(port_bytes[0], 5);
    assert_int_equal(faults, 0);
    vcpu.arch.x[RSI] = 0x800000000000;
    RUN("\x6e", 1, false);
    assert_int_equal(faults, 1);
    assert_int_equal(vector, VECTOR_GP);
    vcpu.arch.x[RSI] = 0x7fffffffffff;
    RUN("\x6f", 4, false);
    assert_int_equal(faults, 2);
}

static void limits(void **state)
{
    static const struct {
        uint32_t limit;
        uint16_t access;
        uint32_t offset;
        bool in, fault;
    } cases[] = {
        {0xff, 0x4093, 0xfe, false, false},   {0xff, 0x4093, 0xff, false, true}, {0xff, 0x4091, 0, true, true},
        {0xff, 0x409b, 0, false, false},      {0xff, 0x4099, 0, false, true},    {0xff, 0x409b, 0, true, true},
        {0xff, 0x4013, 0, false, true},       {0xff, 0x4097, 0xff, true, true},  {0xff, 0x4097, 0x100, true, false},
        {0xff, 0x0097, 0xffff, false, true},  {0xff, 0x0097, 0xfffe, false, false},
        {UINT32_MAX, 0xc093, UINT32_MAX, false, true},
    };

    (void)state;
    guest = (struct guest_state){.cr0 = CR0_PE, .code32 = true};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        faults = 0;
        segments[ES] = segments[DS] = (struct segment){DATA, cases[i].limit, 8, cases[i].access};
        vcpu.arch.x[RSI] = vcpu.arch.x[RDI] = cases[i].offset;
        if (cases[i].in)
            RUN("\x66\x6d", 2, true);
        else
            RUN("\x66\x6f", 2, false);
        assert_int_equal(faults, cases[i].fault);
        assert_int_equal(vcpu.arch.rip, cases[i].fault ? CODE : NEXT);
        assert_true(!faults || (vector == VECTOR_GP && fault_error == 0));
    }
    segments[SS].limit = 0;
    RUN("\x36\x66\x6f", 2, false);
    assert_int_equal(vector, VECTOR_SS);
}

static void page_faults(void **state)
{
    static const struct {
        uint64_t rights, cr4, rflags;
        uint8_t cpl;
        bool in;
        int error; /* -1: none */
    } cases[] = {
        {7, 0, 0, 3, true, -1},          {5, 0, 0, 3, true, 7},         {5, 0, 0, 0, true, 3},
        {5, 0, 0, 0, false, -1},         {3, 0, 0, 3, false, 5},        {0, 0, 0, 3, false, 4},
        {0, 0, 0, 0, true, 2},           {7, CR4_SMAP, 0, 0, false, 1}, {7, CR4_SMAP, RFLAGS_AC, 0, false, -1},
        {3, CR4_SMAP, 0, 0, true, -1},   {7, CR4_SMAP, 0, 3, true, -1},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        page(cases[i].rights);
        guest.cr4 |= cases[i].cr4;
        guest.rflags = cases[i].rflags;
        guest.cpl = cases[i].cpl;
        faults = 0;
        fault_error = -1;
        vcpu.arch.x[RCX] = 8;
        vcpu.arch.x[RSI] = vcpu.arch.x[RDI] = DATA - 2;
        if (cases[i].in)
            RUN("\xf3\x6c", 1, true);
        else
            RUN("\xf3\x6e", 1, false);
        if (cases[i].cr4 & CR4_SMAP && cases[i].cpl == 0 && !cases[i].rflags && cases[i].rights == 3)
            continue; /* the page before is a user's */
        assert_int_equal(fault_error, cases[i].error);
        if (cases[i].error < 0) {
            assert_int_equal(leaf() & 0x60, cases[i].in ? 0x60 : 0x20);
            assert_int_equal(vcpu.arch.rip, NEXT);
        } else {
            assert_int_equal(leaf() & 0x60, 0);
            assert_int_equal(vector, VECTOR_PF);
            assert_int_equal(vcpu.arch.rip, CODE);
            if (!cases[i].cr4) {
                assert_int_equal(cr2, DATA);
                assert_int_equal(vcpu.arch.x[RCX], 6); /* two were done */
            }
        }
    }
}

/* What was read from a port is not lost. */
static void the_port_is_not_asked_before_the_memory_is_there(void **state)
{
    (void)state;
    page(0);
    vcpu.arch.x[RDI] = DATA - 2;
    RUN("\x6d", 4, true);
    assert_int_equal(port_count, 0);
    assert_int_equal(cr2, DATA);
    assert_int_equal(vector, VECTOR_PF);
    page(0x7 | 0x100000000); /* no memory is at that address */
    RUN("\x6d", 4, true);
    assert_int_equal(port_count, 0);
    assert_int_equal(vector, VECTOR_GP);
}

static void another_instruction_is_none_of_ours(void **state)
{
    (void)state;
    vcpu.arch.x[RSI] = DATA;
    RUN("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x6e", 1, false);
    assert_int_equal(faults, 1);
    RUN("\x90", 1, false);
    assert_int_equal(faults, 2);
    assert_int_equal(vcpu.arch.rip, CODE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(goes_in_pieces, set_up),
        cmocka_unit_test_setup(one_without_a_prefix, set_up),
        cmocka_unit_test_setup(address_sizes, set_up),
        cmocka_unit_test_setup(segments_of_long_mode_are_flat, set_up),
        cmocka_unit_test_setup(limits, set_up),
        cmocka_unit_test_setup(page_faults, set_up),
        cmocka_unit_test_setup(the_port_is_not_asked_before_the_memory_is_there, set_up),
        cmocka_unit_test_setup(another_instruction_is_none_of_ours, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
