// SPDX-License-Identifier: Apache-2.0
/* x86: what guests see of this very machine's CPU: nothing that is not on the lists. */
#include "../../arch/x86/guest_cpu.h"
#include "../../arch/x86/vendor.h"

#include <arch/cpu.h>
#include <arch/timer.h>
#include <core/platform.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BIT(n) (1u << (n))
#define MSR_ARCH_CAPABILITIES 0x10au /* is the machine's: not for a program */
#define CR4_OF_GUEST CR4_OSXSAVE

static struct domain domain = {.vcpu_count = 3};
static struct vcpu vcpu = {.domain = &domain, .index = 2};
struct platform platform;

static void state(struct vcpu *of, struct guest_state *guest)
{
    (void)of;
    *guest = (struct guest_state){.cr4 = CR4_OF_GUEST};
}
static bool no_read(struct vcpu *of, uint32_t msr, uint64_t *value)
{
    (void)of, (void)msr, (void)value;
    return false;
}
static bool no_write(struct vcpu *of, uint32_t msr, uint64_t value)
{
    (void)of, (void)msr, (void)value;
    return false;
}
const struct vendor svm = {.state = state, .msr_read = no_read, .msr_write = no_write};
const struct vendor vmx = {.state = state, .msr_read = no_read, .msr_write = no_write};
const struct vendor *vendor = &svm;
static const struct apic_virtualization some_apic;
const struct apic_virtualization *apic_virtualization = &some_apic; /* so that no timer is lent */

uint64_t xstate_components(void)
{
    return cpuid(1, 0).ecx & BIT(26) ? 7 : 0;
}
struct cpuid hyperv_cpuid(const struct vcpu *of, uint32_t leaf)
{
    (void)of;
    return (struct cpuid){.eax = leaf};
}
bool hyperv_tsc_invariant(const struct vcpu *of)
{
    (void)of;
    return false;
}
bool hyperv_msr_read(struct vcpu *of, uint32_t msr, uint64_t *value)
{
    return no_read(of, msr, value);
}
bool hyperv_msr_write(struct vcpu *of, uint32_t msr, uint64_t value)
{
    return no_write(of, msr, value);
}
bool vlapic_msr_read(struct vcpu *of, uint32_t msr, uint64_t *value)
{
    return no_read(of, msr, value);
}
bool vlapic_msr_write(struct vcpu *of, uint32_t msr, uint64_t value)
{
    return no_write(of, msr, value);
}

static void what_is_not_handled_is_hidden(void **unused)
{
    struct cpuid basic = guest_cpuid(&vcpu, 1, 0), structured = guest_cpuid(&vcpu, 7, 0),
                 extended = guest_cpuid(&vcpu, 0x80000001, 0);

    (void)unused;
    /* MONITOR, DS-CPL, VMX, SMX, EST, TM2, PDCM; MCE, MTRR, MCA, DS, ACPI, TM */
    assert_int_equal(basic.ecx & (BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(15)), 0);
    assert_int_equal(basic.edx & (BIT(7) | BIT(12) | BIT(14) | BIT(21) | BIT(22) | BIT(29)), 0);
    /* TSC_ADJUST, SGX, HLE, RTM, MPX, PT; PKU, CET, LA57, ENQCMD; AMX, UINTR, IBT */
    assert_int_equal(structured.ebx & (BIT(1) | BIT(2) | BIT(4) | BIT(11) | BIT(14) | BIT(25)), 0);
    assert_int_equal(structured.ecx & (BIT(3) | BIT(4) | BIT(7) | BIT(16) | BIT(29)), 0);
    assert_int_equal(structured.edx & (BIT(5) | BIT(20) | BIT(22) | BIT(24) | BIT(25)), 0);
    assert_int_equal(structured.ebx & (BIT(16) | BIT(30) | BIT(31)), 0); /* AVX-512, whose state the guest has not */
    /* SVM, extended APIC space, IBS, SKINIT, topology and performance extensions */
    assert_int_equal(extended.ecx & (BIT(2) | BIT(3) | BIT(10) | BIT(12) | BIT(22) | BIT(23) | BIT(24)), 0);
    assert_int_equal(guest_cpuid(&vcpu, 0xd, 1).eax & (BIT(3) | BIT(4)), 0); /* XSAVES, XFD */
    for (uint32_t leaf = 0xe; leaf < 0x40; leaf++)
        assert_int_equal(guest_cpuid(&vcpu, leaf, 0).eax | guest_cpuid(&vcpu, leaf, 0).ebx, 0);
    assert_int_equal(guest_cpuid(&vcpu, 0xa, 0).eax, 0);        /* performance counters */
    assert_int_equal(guest_cpuid(&vcpu, 0x8000000a, 0).eax, 0); /* SVM's own */
    assert_int_equal(guest_cpuid(&vcpu, UINT32_MAX, 0).eax, 0);
}

static void nothing_is_made_up(void **unused)
{
    static const uint32_t leaves[] = {7, 0x80000008, 0x80000021};

    (void)unused;
    for (unsigned i = 0; i < sizeof(leaves) / sizeof(*leaves); i++) {
        struct cpuid host = cpuid(leaves[i], 0), guest = guest_cpuid(&vcpu, leaves[i], 0);

        assert_int_equal(guest.ebx & ~host.ebx, 0);
        assert_int_equal(guest.edx & ~host.edx, 0);
    }
    assert_int_equal(guest_cpuid(&vcpu, 1, 0).ecx & ~(cpuid(1, 0).ecx | BIT(21) | BIT(24) | BIT(27) | BIT(31)), 0);
    assert_true(guest_cpuid(&vcpu, 0, 0).eax <= cpuid(0, 0).eax);
    assert_int_equal(guest_cpuid(&vcpu, 0, 0).ebx, cpuid(0, 0).ebx);
}

static void the_topology_is_the_domain_s(void **unused)
{
    struct cpuid basic = guest_cpuid(&vcpu, 1, 0), cores = guest_cpuid(&vcpu, 0xb, 1);

    (void)unused;
    assert_int_equal(basic.ebx >> 24, 2);
    assert_int_equal(basic.ebx >> 16 & 0xff, 3);
    assert_true(basic.ecx & BIT(31));
    assert_int_equal(guest_cpuid(&vcpu, 0xb, 0).ebx, 1);
    assert_int_equal(cores.eax, 2);
    assert_int_equal(cores.ebx & 0xffff, 3);
    assert_int_equal(cores.edx, 2);
    assert_int_equal(guest_cpuid(&vcpu, 0xb, 2).ebx, 0);
    assert_int_equal(guest_cpuid(&vcpu, 0x40000001, 0).eax, 0x40000001);
}

static void msrs_are_few(void **unused)
{
    static const uint32_t bases[] = {0, 0x40000000, 0x4b564d00, 0xc0000000, 0xc0010000, 0xfffff000};

    (void)unused;
    for (unsigned kind = 0; kind < 2; kind++) {
        unsigned readable = 0, writable = 0;

        vendor = kind ? &vmx : &svm;
        for (unsigned i = 0; i < sizeof(bases) / sizeof(*bases); i++)
            for (uint32_t msr = bases[i]; msr - bases[i] < 0x2000; msr++) {
                uint64_t value;

                if (msr == MSR_ARCH_CAPABILITIES)
                    continue;
                readable += guest_msr_read(&vcpu, msr, &value);
                writable += guest_msr_write(&vcpu, msr, UINT64_MAX);
                if (msr == UINT32_MAX)
                    break;
            }
        assert_in_range(readable, 4, 12);
        assert_in_range(writable, 1, 8);
        assert_false(guest_msr_write(&vcpu, 0xc0010117, 0)); /* VM_HSAVE_PA */
        assert_false(guest_msr_write(&vcpu, 0x3a, 5));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_handled_is_hidden),
        cmocka_unit_test(nothing_is_made_up),
        cmocka_unit_test(the_topology_is_the_domain_s),
        cmocka_unit_test(msrs_are_few),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
