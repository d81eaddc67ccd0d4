// SPDX-License-Identifier: Apache-2.0
/* PSCI 1.1 and the SMC Calling Convention 1.1 for guests. What is not here is NOT_SUPPORTED. */
#include <arch/platform.h>
#include <arch/psci.h>
#include <core/arch.h>

#define PSCI_1_1 0x10001
#define SMCCC_1_1 0x10001
#define MIGRATE_NOT_REQUIRED 2

/* A vCPU's affinity is its index in the domain. NULL: there is no such vCPU. */
static struct vcpu *vcpu_of_affinity(struct domain *domain, uint64_t affinity)
{
    return affinity < domain->vcpu_count ? domain->vcpu[affinity] : NULL;
}

static int64_t cpu_on(struct domain *domain, uint64_t affinity, uint64_t entry, uint64_t context)
{
    struct vcpu *target = vcpu_of_affinity(domain, affinity);
    int64_t result = PSCI_SUCCESS;

    if (!target)
        return PSCI_INVALID_PARAMETERS;
    if (entry - domain->memory_ipa.value >= domain->memory_size || entry & 3)
        return PSCI_INVALID_ADDRESS;
    spinlock_acquire(&domain->lock);
    if (target->power == VCPU_ON) {
        result = PSCI_ALREADY_ON;
    } else if (target->power == VCPU_ON_PENDING) {
        result = PSCI_ON_PENDING;
    } else {
        target->entry = entry;
        target->context = context;
        target->power = VCPU_ON_PENDING;
    }
    spinlock_release(&domain->lock);
    if (result == PSCI_SUCCESS)
        cpu_request(target->cpu, CPU_REQUEST_POWER);
    return result;
}

static int64_t affinity_info(struct domain *domain, uint64_t affinity, uint64_t level)
{
    struct vcpu *target = vcpu_of_affinity(domain, affinity);

    if (!target || level)
        return PSCI_INVALID_PARAMETERS;
    return target->power == VCPU_ON ? 0 : target->power == VCPU_OFF ? 1 : 2;
}

static int64_t features(uint32_t function)
{
    switch (function) {
    case PSCI_VERSION:
    case PSCI_CPU_SUSPEND:
    case PSCI_CPU_SUSPEND | SMCCC_64:
    case PSCI_CPU_OFF:
    case PSCI_CPU_ON:
    case PSCI_CPU_ON | SMCCC_64:
    case PSCI_AFFINITY_INFO:
    case PSCI_AFFINITY_INFO | SMCCC_64:
    case PSCI_MIGRATE_INFO_TYPE:
    case PSCI_SYSTEM_OFF:
    case PSCI_SYSTEM_RESET:
    case PSCI_SYSTEM_RESET2:
    case PSCI_SYSTEM_RESET2 | SMCCC_64:
    case PSCI_FEATURES:
    case SMCCC_VERSION:
        return PSCI_SUCCESS;
    default:
        return PSCI_NOT_SUPPORTED;
    }
}

static int64_t arch_features(uint32_t function)
{
    return function == SMCCC_VERSION || function == SMCCC_ARCH_FEATURES ? PSCI_SUCCESS : PSCI_NOT_SUPPORTED;
}

/* The vCPU leaves the guest here, and comes back with the registers of its next start. */
static void stop(struct vcpu *vcpu, enum stop_cause cause, uint64_t detail)
{
    domain_stop(vcpu->domain, cause, detail);
    vcpu_park(vcpu);
}

static void cpu_off(struct vcpu *vcpu)
{
    vcpu_power_off(vcpu);
    vcpu_park(vcpu);
}

void arch_firmware_call(struct vcpu *vcpu)
{
    struct domain *domain = vcpu->domain;
    uint64_t *x = vcpu->arch.x;
    uint32_t function = (uint32_t)x[0];
    bool wide = function & SMCCC_64;
    uint64_t a = wide ? x[1] : (uint32_t)x[1];
    uint64_t b = wide ? x[2] : (uint32_t)x[2];
    uint64_t c = wide ? x[3] : (uint32_t)x[3];

    vcpu->status->exits[EXIT_PSCI]++;
    switch (function) {
    case PSCI_VERSION:
        x[0] = PSCI_1_1;
        return;
    case PSCI_CPU_SUSPEND: /* a standby state that the vCPU wakes from at once: WFI is what saves power */
    case PSCI_CPU_SUSPEND | SMCCC_64:
        x[0] = PSCI_SUCCESS;
        return;
    case PSCI_CPU_OFF:
        cpu_off(vcpu);
        return;
    case PSCI_CPU_ON:
    case PSCI_CPU_ON | SMCCC_64:
        x[0] = (uint64_t)cpu_on(domain, a, b, c);
        return;
    case PSCI_AFFINITY_INFO:
    case PSCI_AFFINITY_INFO | SMCCC_64:
        x[0] = (uint64_t)affinity_info(domain, a, b);
        return;
    case PSCI_MIGRATE_INFO_TYPE:
        x[0] = MIGRATE_NOT_REQUIRED;
        return;
    case PSCI_SYSTEM_OFF:
        stop(vcpu, CAUSE_POWER_OFF, function);
        return;
    case PSCI_SYSTEM_RESET:
    case PSCI_SYSTEM_RESET2:
    case PSCI_SYSTEM_RESET2 | SMCCC_64:
        stop(vcpu, CAUSE_GUEST_RESET, function);
        return;
    case PSCI_FEATURES:
        x[0] = (uint64_t)features((uint32_t)a);
        return;
    case SMCCC_VERSION:
        x[0] = SMCCC_1_1;
        return;
    case SMCCC_ARCH_FEATURES:
        x[0] = (uint64_t)arch_features((uint32_t)a);
        return;
    default:
        x[0] = (uint64_t)PSCI_NOT_SUPPORTED;
        return;
    }
}
