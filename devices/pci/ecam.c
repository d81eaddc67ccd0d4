/* SPDX-License-Identifier: Apache-2.0 */
#include <devices/pci/pci.h>
#include <lib/native.h>
#include <lib/tree.h>
#include <stdio.h>

#define BUS_SIZE (1u << 20)
#define DEVICE_SIZE (1u << 15)
#define FUNCTION_SIZE (1u << 12)
#define BUSES_MAX 64u

#define ID_NONE 0xffffu
#define HEADER_MULTIFUNCTION 0x80u
#define HEADER_BRIDGE 1u
#define STATUS_HAS_CAPABILITIES (0x10u << 16)
#define CAPABILITIES_MAX 48u

#define COMMAND_MEMORY 0x2u
#define COMMAND_MASTER 0x4u
#define COMMAND_NO_INTX 0x400u

#define BAR_IO 0x1u
#define BAR_64_BITS 0x4u
#define BAR_TYPE 0x6u
#define BAR_ADDRESS (~15u)

#define MSI_CONTROL 2u
#define MSI_ENABLE 0x1u
#define MSI_SEVERAL 0x70u
#define MSI_64_BITS 0x80u
#define MSI_ADDRESS 4u
#define MSI_DATA 8u /* behind an address of 32 bits */
#define MSIX_CONTROL 2u
#define MSIX_ENABLE 0x8000u
#define MSIX_MASK_ALL 0x4000u
#define MSIX_TABLE 4u
#define MSIX_BAR 7u
#define MSIX_ENTRY_SIZE 16u

static uint32_t messages_taken;

static void scan_device(uintptr_t window, uintptr_t device, void (*found)(const struct pci_function *function))
{
    uint32_t number = (uint32_t)((device - window) / FUNCTION_SIZE), functions = 1;

    for (uint32_t i = 0; i < functions; i++) {
        struct pci_function function = {.config = device + i * FUNCTION_SIZE, .requester = (uint16_t)(number + i)};
        uint8_t type;

        if ((mmio_read32(function.config + PCI_ID) & 0xffff) == ID_NONE) {
            functions = 8; /* of a device whose first function is another domain's, or of none */
            continue;
        }
        type = mmio_read8(function.config + PCI_HEADER_TYPE);
        if (type & HEADER_MULTIFUNCTION)
            functions = 8;
        if ((type & ~HEADER_MULTIFUNCTION) == HEADER_BRIDGE)
            continue;
        snprintf(function.name, sizeof function.name, "%02x:%02x.%x", (uint8_t)(function.requester >> 8),
                 function.requester >> 3 & 31, function.requester & 7);
        found(&function);
    }
}

/* All the buses of the window, whether or not this domain sees the bridges to them. */
void pci_scan(void (*found)(const struct pci_function *function))
{
    struct tree_range range = tree_reg(tree_compatible(-1, "pci-host-ecam-generic"), 0);

    if (range.size < BUS_SIZE)
        return; /* no PCI here */
    if (range.size > BUSES_MAX * (uint64_t)BUS_SIZE)
        range.size = BUSES_MAX * (uint64_t)BUS_SIZE;
    memory_map(range.base, range.size, MEMORY_DEVICE);
    for (uint64_t at = range.base; at < range.base + range.size; at += DEVICE_SIZE)
        scan_device(range.base, at, found);
}

uint32_t pci_capability(const struct pci_function *function, uint32_t kind, uint32_t after)
{
    uint32_t at = after ? after + 1 : PCI_CAPABILITIES;

    if (!(mmio_read32(function->config + PCI_COMMAND) & STATUS_HAS_CAPABILITIES))
        return 0;
    for (uint32_t i = 0; i < CAPABILITIES_MAX; i++) {
        at = mmio_read8(function->config + at) & 0xfcu;
        if (at < 0x40)
            return 0;
        if (mmio_read8(function->config + at) == kind)
            return at;
        at++;
    }
    return 0;
}

uintptr_t pci_bar(const struct pci_function *function, uint32_t index, uint32_t offset, uint32_t length)
{
    uint64_t low, address;

    if (index >= PCI_BARS)
        return 0;
    low = mmio_read32(function->config + PCI_BAR0 + 4 * index);
    address = low & BAR_ADDRESS;
    if (low & BAR_IO || ((low & BAR_TYPE) == BAR_64_BITS && index == PCI_BARS - 1))
        return 0;
    if ((low & BAR_TYPE) == BAR_64_BITS)
        address |= (uint64_t)mmio_read32(function->config + PCI_BAR0 + 4 * index + 4) << 32;
    if (!address || address + offset < address)
        return 0;
    address += offset;
    memory_map(address, length, MEMORY_DEVICE);
    return address;
}

static void command_set(const struct pci_function *function, uint16_t bits)
{
    mmio_write16(function->config + PCI_COMMAND, mmio_read16(function->config + PCI_COMMAND) | bits);
}

void pci_enable(const struct pci_function *function)
{
    command_set(function, COMMAND_MEMORY | COMMAND_NO_INTX);
}

void pci_enable_master(const struct pci_function *function)
{
    command_set(function, COMMAND_MASTER);
}

void pci_disable_master(const struct pci_function *function)
{
    uint16_t command = mmio_read16(function->config + PCI_COMMAND);

    mmio_write16(function->config + PCI_COMMAND, command & (uint16_t)~COMMAND_MASTER);
    mmio_read16(function->config + PCI_COMMAND); /* it has arrived */
}

static bool msix_enable(const struct pci_function *function, uint32_t at, const struct tree_message *message)
{
    uint32_t where = mmio_read32(function->config + at + MSIX_TABLE);
    uintptr_t entry = pci_bar(function, where & MSIX_BAR, where & ~MSIX_BAR, MSIX_ENTRY_SIZE);

    if (!entry)
        return false;
    mmio_write16(function->config + at + MSIX_CONTROL, MSIX_ENABLE | MSIX_MASK_ALL);
    mmio_write32(entry, message->address);
    mmio_write32(entry + 4, 0);
    mmio_write32(entry + 8, message->data);
    mmio_write32(entry + 12, 0);
    mmio_write16(function->config + at + MSIX_CONTROL, MSIX_ENABLE);
    return true;
}

static void msi_enable(const struct pci_function *function, uint32_t at, const struct tree_message *message)
{
    uintptr_t capability = function->config + at;
    uint16_t control = mmio_read16(capability + MSI_CONTROL) & (uint16_t) ~(MSI_ENABLE | MSI_SEVERAL);
    uint32_t data = MSI_DATA;

    mmio_write16(capability + MSI_CONTROL, control);
    mmio_write32(capability + MSI_ADDRESS, message->address);
    if (control & MSI_64_BITS) {
        mmio_write32(capability + MSI_ADDRESS + 4, 0);
        data += 4;
    }
    mmio_write16(capability + data, (uint16_t)message->data);
    mmio_write16(capability + MSI_CONTROL, control | MSI_ENABLE);
}

uint32_t pci_message(const struct pci_function *function)
{
    uint32_t msix = pci_capability(function, PCI_CAPABILITY_MSIX, 0), msi;
    struct tree_message message =
        tree_message(tree_compatible(-1, "pci-host-ecam-generic"), "bulkhead,messages", messages_taken);

    if (!message.interrupt)
        return 0;
    if (!msix || !msix_enable(function, msix, &message)) {
        msi = pci_capability(function, PCI_CAPABILITY_MSI, 0);
        if (!msi)
            return 0;
        msi_enable(function, msi, &message);
    }
    messages_taken++;
    return message.interrupt;
}
