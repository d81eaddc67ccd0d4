// SPDX-License-Identifier: Apache-2.0
/* x86: nested page faults, from the guest's page tables to the emulated register. */
#include "../../arch/x86/exit.h"
#include "../../arch/x86/guest_memory.h"

#include <core/arch.h>
#include <core/deadline.h>
#include <core/mmio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MEMORY_IPA 0x100000ull
#define MEMORY_HPA 0x40000000ull
#define MEMORY_SIZE (8 * MIB)
#define DEVICE 0xfec00000ull
#define CR0_PG (1ull << 31)
#define CR4_PSE (1ull << 4)
#define CR4_PAE (1ull << 5)
#define EFER_LMA (1ull << 10)

static uint8_t *memory;
static struct domain domain = {
    .memory = {MEMORY_HPA}, .memory_ipa = {MEMORY_IPA}, .memory_size = MEMORY_SIZE, .index = 1};
static struct vcpu_status status;
static struct vcpu vcpu = {.domain = &domain, .status = &status};
static struct guest_state guest;
static uint32_t faults;
static struct mmio_access last;
static uint64_t answer;

void *window_open(struct hpa base)
{
    assert_in_range(base.value, MEMORY_HPA, MEMORY_HPA + MEMORY_SIZE - 1);
    return memory + (base.value - MEMORY_HPA);
}
void window_close(void) {}
void inject_general_protection(struct vcpu *of)
{
    (void)of;
    faults++;
}
uint64_t time_ns(void)
{
    return 0;
}
void deadline_set(struct deadline *deadline, uint64_t at)
{
    (void)deadline, (void)at;
}

void cpu_wait(void) {}

static enum mmio_result access_device(struct vcpu *of, void *device, struct mmio_access *access)
{
    (void)of, (void)device;
    if (access->offset >= 0x800)
        return MMIO_ABORT;
    if (!access->write)
        access->value = answer;
    last = *access;
    return MMIO_DONE;
}
static const struct mmio_region region = {DEVICE, PAGE_SIZE, access_device, NULL, EXIT_REGISTER};

const struct mmio_region *mmio_find(const struct domain *of, struct ipa address)
{
    (void)of;
    return address.value / PAGE_SIZE == DEVICE / PAGE_SIZE ? &region : NULL;
}

static void get_state(struct vcpu *of, struct guest_state *state)
{
    (void)of;
    *state = guest;
}
static const struct vendor fake = {.state = get_state};
const struct vendor *vendor = &fake;

static void poke(uint64_t at, uint64_t value, unsigned size)
{
    memcpy(memory + (at - MEMORY_IPA), &value, size);
}

static uint8_t nothing[4];

/* What the guest would execute at `linear` is what stands at that ipa. */
static bool fetches(uint64_t linear, uint64_t from)
{
    uint8_t bytes[4];

    memcpy(memory + from - MEMORY_IPA, "here", sizeof(bytes));
    return guest_fetch(&vcpu, &guest, linear, bytes, sizeof(bytes)) == sizeof(bytes) && !memcmp(bytes, "here", sizeof(bytes));
}

/* The program at `rip` of a flat address space. */
static void code(uint64_t rip, const char *bytes, size_t size)
{
    memcpy(memory + (rip - MEMORY_IPA), bytes, size);
    vcpu.arch.rip = rip;
}
#define CODE(rip, bytes) code(rip, bytes, sizeof(bytes) - 1)

static void fault(uint64_t address, bool write)
{
    exit_page(&vcpu, &(struct page_fault){.ipa = ipa(address), .write = write});
}

static int set_up(void **state)
{
    (void)state;
    free(memory);
    memory = calloc(1, MEMORY_SIZE);
    memset(&vcpu.arch, 0, sizeof(vcpu.arch));
    memset(&status, 0, sizeof(status));
    memset(&last, 0, sizeof(last));
    guest = (struct guest_state){.code64 = true};
    faults = 0;
    answer = 0x1122334455667788;
    return 0;
}

static void a_write_reaches_the_device(void **state)
{
    (void)state;
    vcpu.arch.x[RAX] = 0x123456789;
    CODE(0x200000, "\x89\x07"); /* mov %eax, (%rdi) */
    fault(DEVICE + 0x50, true);
    assert_int_equal(last.offset, 0x50);
    assert_int_equal(last.width, 4);
    assert_int_equal(last.value, 0x23456789);
    assert_true(last.write);
    assert_int_equal(vcpu.arch.rip, 0x200002);
    assert_int_equal(status.exits[EXIT_REGISTER], 1);
    guest.rsp = 0xabcd;
    CODE(0x200000, "\x48\x89\x27"); /* mov %rsp, (%rdi) */
    fault(DEVICE, true);
    assert_int_equal(last.value, 0xabcd);
}

static void a_read_comes_back(void **state)
{
    (void)state;
    vcpu.arch.x[R9] = UINT64_MAX;
    CODE(0x200000, "\x44\x8b\x0f"); /* mov (%rdi), %r9d */
    fault(DEVICE, false);
    assert_int_equal(vcpu.arch.x[R9], 0x55667788);
    CODE(0x200000, "\x8a\x27"); /* mov (%rdi), %ah */
    fault(DEVICE, false);
    assert_int_equal(vcpu.arch.x[RAX], 0x8800);
    assert_int_equal(faults, 0);
}

static void nobody_reads_ones(void **state)
{
    (void)state;
    CODE(0x200000, "\x8b\x07"); /* mov (%rdi), %eax */
    fault(0xf0000000, false);
    assert_int_equal(vcpu.arch.x[RAX], 0xffffffff);
    assert_int_equal(vcpu.arch.rip, 0x200002);
    assert_int_equal(status.exits[EXIT_ABORT_INJECTED], 1);
}

static void what_is_no_move_faults(void **state)
{
    (void)state;
    CODE(0x200000, "\x01\x07"); /* add %eax, (%rdi) */
    fault(DEVICE, true);
    CODE(0x200000, "\x8b\x07"); /* a read that was a write */
    fault(DEVICE, true);
    CODE(0x200000, "\x89\x07"); /* over the page's end */
    fault(DEVICE + 0xffe, true);
    CODE(0x200000, "\x8b\x27"); /* into rsp */
    fault(DEVICE, false);
    CODE(0x200000, "\x89\x07"); /* the device refuses */
    fault(DEVICE + 0x800, true);
    exit_page(&vcpu, &(struct page_fault){.ipa = ipa(DEVICE), .fetch = true});
    exit_page(&vcpu, &(struct page_fault){.ipa = ipa(DEVICE), .on_walk = true});
    vcpu.arch.rip = MEMORY_IPA - 8; /* code outside of memory */
    fault(DEVICE, true);
    vcpu.arch.rip = MEMORY_IPA + MEMORY_SIZE - 1; /* and at its end */
    fault(DEVICE, true);
    assert_int_equal(faults, 9);
    assert_int_equal(last.width, 0);
}

/* An instruction over two pages that are far from each other. */
static void four_levels(void **state)
{
    static const char bytes[] = "\xc7\x05\x00\x00\x00\x00\x78\x56\x34\x12"; /* movl $0x12345678, 0(%rip) */

    (void)state;
    guest.cr0 = CR0_PG;
    guest.cr4 = CR4_PAE;
    guest.efer = EFER_LMA;
    guest.cr3 = 0x101018;
    vcpu.arch.rip = 0xffffffff80000ffb;
    poke(0x101000 + 511 * 8, 0x102067, 8);
    poke(0x102000 + 510 * 8, 0x103067, 8);
    poke(0x103000, 0x104067, 8);
    poke(0x104000, 0x8000000000300063, 8);
    poke(0x104008, 0x200063, 8);
    memcpy(memory + 0x300ffb - MEMORY_IPA, bytes, 5);
    memcpy(memory + 0x200000 - MEMORY_IPA, bytes + 5, 5);
    fault(DEVICE, true);
    assert_int_equal(last.value, 0x12345678);
    assert_int_equal(vcpu.arch.rip, 0xffffffff80001005);

    poke(0x103000, 0x4000e3, 8); /* the same as one page of 2 MiB */
    memcpy(memory + 0x400ffb - MEMORY_IPA, bytes, 10);
    vcpu.arch.rip = 0xffffffff80000ffb;
    last.value = 0;
    fault(DEVICE, true);
    assert_int_equal(last.value, 0x12345678);
    assert_true(fetches(0xffffffff801ffff8, 0x5ffff8));
    assert_int_equal(guest_fetch(&vcpu, &guest, 0xffffffff80200000, nothing, 4), 0);
    assert_int_equal(guest_fetch(&vcpu, &guest, 0, nothing, 4), 0);
    guest.cr3 = 0xfffffffff000; /* tables outside of memory */
    assert_int_equal(guest_fetch(&vcpu, &guest, 0, nothing, 4), 0);
}

static void older_page_tables(void **state)
{
    (void)state;
    guest = (struct guest_state){.code32 = true, .cr0 = CR0_PG, .cr3 = 0x101000};
    poke(0x101000 + 0x300 * 4, 0x102067, 4);
    poke(0x102000 + 4, 0x300067, 4);
    assert_true(fetches(0xc0001234, 0x300234));
    guest.cr4 = CR4_PSE;
    poke(0x101000 + 0x301 * 4, 0x4000e7, 4);
    assert_true(fetches(0xc0412345, 0x412345));
    guest.cr4 = CR4_PAE;
    guest.cr3 = 0x105020;
    poke(0x105020 + 24, 0x106001, 8);
    poke(0x106000 + 8, 0x107067, 8);
    poke(0x107000, 0x300067, 8);
    assert_true(fetches(0xffffffffc0200123, 0x300123));
    guest.cr0 = 0;
    assert_true(fetches(0x300123, 0x300123));
}

static void sixteen_bit_code_has_a_base(void **state)
{
    (void)state;
    guest = (struct guest_state){.code_base = 0x200000};
    CODE(0x200010, "\x66\xa3\x00\x00"); /* mov %eax, 0 */
    vcpu.arch.rip = 0x10;
    vcpu.arch.x[RAX] = 77;
    fault(DEVICE, true);
    assert_int_equal(last.value, 77);
    assert_int_equal(vcpu.arch.rip, 0x14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_write_reaches_the_device, set_up),
        cmocka_unit_test_setup(a_read_comes_back, set_up),
        cmocka_unit_test_setup(nobody_reads_ones, set_up),
        cmocka_unit_test_setup(what_is_no_move_faults, set_up),
        cmocka_unit_test_setup(four_levels, set_up),
        cmocka_unit_test_setup(older_page_tables, set_up),
        cmocka_unit_test_setup(sixteen_bit_code_has_a_base, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
