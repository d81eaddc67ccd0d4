/* SPDX-License-Identifier: Apache-2.0 */
/* Which virtual functions a physical one has, and whose they are: from the configuration's tables
 * (bulkhead/partition.h). */
#include <bulkhead/partition.h>
#include <devices/pci/pci.h>
#include <lib/native.h>
#include <mgmt/platform.h>

/* The n-th of its kind among the machine's functions, whoever has the others, as the kernel counts them. */
static uint32_t instance(const struct pci_function *function, uint32_t id)
{
    const struct status_page *status = platform_status();
    uint32_t before = 0;

    for (uint32_t i = 0; i < status->devices && i < BULKHEAD_DEVICES_MAX; i++) {
        const struct device_status *device = &status->device[i];

        before += !(device->flags & DEVICE_VIRTUAL) && (device->vendor | (uint32_t)device->device << 16) == id &&
                  device->requester < function->requester;
    }
    return before;
}

static bool selected(const struct pci_function *function, const struct pci_selector *selector)
{
    uint32_t id = mmio_read32(function->config + PCI_ID);

    if (!selector->by_id)
        return selector->address == function->requester;
    return (selector->vendor | (uint32_t)selector->device << 16) == id && selector->instance == instance(function, id);
}

uint32_t pci_virtual_count(const struct pci_function *function)
{
    for (uint32_t i = 0; i < sriov_count; i++)
        if (selected(function, &sriov[i].function))
            return sriov[i].vfs;
    return 0;
}

const struct pci_config *pci_virtual(const struct pci_function *function, uint32_t index)
{
    for (uint32_t p = 0; p < partition_count; p++)
        for (uint32_t i = 0; i < partitions[p].pci_count; i++) {
            const struct pci_config *config = &partitions[p].pci[i];

            if (config->flags & PCI_VIRTUAL && config->vf == index && selected(function, &config->function))
                return config;
        }
    return NULL;
}
