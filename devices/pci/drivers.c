/* SPDX-License-Identifier: Apache-2.0 */
/* Gives each PCI function of this domain to its driver. One pass for all of them: disks and NICs count as the bus does.
 */
#include <devices/pci/pci.h>
#include <mgmt/module.h>

static bool (*const drivers[])(const struct pci_function *function) = {
    virtio_pci_probe, nvme_probe, ahci_probe, e1000e_probe, igb_probe,
};

static void found(const struct pci_function *function)
{
    for (uint32_t i = 0; i < sizeof drivers / sizeof *drivers; i++)
        if (drivers[i](function))
            return;
}

static void pci_start(void)
{
    pci_scan(found);
}
MODULE(MODULE_DEVICE, pci, pci_start);
