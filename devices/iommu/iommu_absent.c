// SPDX-License-Identifier: Apache-2.0
/* A kernel without a driver of any IOMMU: arch_iommu_find() says what it leaves alone. */
#include <core/log.h>
#include <devices/iommu/iommu.h>

void iommu_init(void)
{
    (void)arch_iommu_find();
    log_line("No IOMMU: devices reach all memory");
}

bool iommu_present(void)
{
    return false;
}

bool iommu_remaps(void)
{
    return false;
}

bool iommu_assign(struct domain *domain, uint32_t requester)
{
    (void)domain, (void)requester;
    return false;
}

bool iommu_serves(const struct domain *domain)
{
    (void)domain;
    return false;
}

void iommu_map(struct domain *domain, struct ipa ipa, struct hpa hpa, uint64_t size, uint32_t rights)
{
    (void)domain, (void)ipa, (void)hpa, (void)size, (void)rights;
}

void iommu_start(struct domain *domain)
{
    (void)domain;
}

void iommu_stop(struct domain *domain)
{
    (void)domain;
}

bool iommu_remap(uint32_t entry, uint32_t requester, uint32_t cpu, uint8_t vector, struct message *message)
{
    (void)entry, (void)requester, (void)cpu, (void)vector, (void)message;
    return false;
}

void iommu_fault_interrupt(void) {}
