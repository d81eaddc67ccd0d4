// SPDX-License-Identifier: Apache-2.0
#include "edu.h"

#include <bulkhead/guest_map.h>

#define DEVICES 32u
#define CAPABILITY_MSI 5u
#define CAPABILITIES_MAX 48u
#define MSI_ENABLE (1u << 16)
#define MSI_64_BITS (1u << 23)

enum edu_register {
    EDU_INTERRUPT_STATUS = 0x24,
    EDU_INTERRUPT_RAISE = 0x60,
    EDU_INTERRUPT_ACKNOWLEDGE = 0x64,
    EDU_DMA_FROM = 0x80,
    EDU_DMA_TO = 0x88,
    EDU_DMA_COUNT = 0x90,
    EDU_DMA_COMMAND = 0x98,
};
#define EDU_BUFFER 0x40000u /* as DMA_FROM and DMA_TO name it */
#define EDU_DMA_RUN 1u
#define EDU_DMA_TO_MEMORY 2u
#define EDU_DMA_INTERRUPT 4u

static uint32_t find_msi(uint64_t config)
{
    uint32_t at = read32(config + PCI_CAPABILITIES) & 0xfc;

    for (uint32_t i = 0; at >= 0x40 && i < CAPABILITIES_MAX; i++) {
        uint32_t capability = read32(config + at);

        if ((capability & 0xff) == CAPABILITY_MSI)
            return at;
        at = capability >> 8 & 0xfc;
    }
    return 0;
}

struct edu edu_find(void)
{
    struct edu edu = {0};

    for (uint32_t device = 0; device < DEVICES; device++) {
        uint64_t config = GUEST_PCI_ECAM + device * 0x8000ull;

        if (read32(config + PCI_ID) != EDU_ID)
            continue;
        edu.config = config;
        edu.registers = read32(config + PCI_BAR0) & ~15u;
        edu.msi = find_msi(config);
        edu_command(&edu, PCI_MEMORY | PCI_MASTER);
        /* A former life's transfer goes on over a reset, which edu has none of, and until its end some registers cannot be
         * written: QEMU 10.0 writes outside of its own buffer when source and target are not those of one transfer. */
        if (!edu_wait(&edu))
            check(false, "the device's last transfer comes to an end");
        break;
    }
    return edu;
}

void edu_command(const struct edu *edu, uint32_t bits)
{
    write16(edu->config + PCI_COMMAND, (uint16_t)bits);
}

void edu_message(const struct edu *edu, uint64_t address, uint32_t data)
{
    uint32_t control = read32(edu->config + edu->msi);

    write32(edu->config + edu->msi, control & ~MSI_ENABLE);
    write32(edu->config + edu->msi + 4, (uint32_t)address);
    if (control & MSI_64_BITS)
        write32(edu->config + edu->msi + 8, (uint32_t)(address >> 32));
    write16(edu->config + edu->msi + (control & MSI_64_BITS ? 12 : 8), (uint16_t)data);
    write32(edu->config + edu->msi, control | MSI_ENABLE);
}

void edu_begin(const struct edu *edu, uint64_t address, uint32_t length, bool write_memory, bool interrupt)
{
    write64(edu->registers + EDU_DMA_FROM, write_memory ? EDU_BUFFER : address);
    write64(edu->registers + EDU_DMA_TO, write_memory ? address : EDU_BUFFER);
    write64(edu->registers + EDU_DMA_COUNT, length);
    write64(edu->registers + EDU_DMA_COMMAND,
            EDU_DMA_RUN | (write_memory ? EDU_DMA_TO_MEMORY : 0) | (interrupt ? EDU_DMA_INTERRUPT : 0));
}

bool edu_wait(const struct edu *edu)
{
    uint64_t end = now_ms() + PATIENCE_MS;

    while (read32(edu->registers + EDU_DMA_COMMAND) & EDU_DMA_RUN)
        if (now_ms() > end)
            return false;
    return true;
}

void edu_read(const struct edu *edu, uint64_t address, uint32_t length)
{
    edu_begin(edu, address, length, false, false);
    if (!edu_wait(edu))
        check(false, "the device reads at %lx and comes to an end", address);
}

void edu_write(const struct edu *edu, uint64_t address, uint32_t length)
{
    edu_begin(edu, address, length, true, false);
    if (!edu_wait(edu))
        check(false, "the device writes at %lx and comes to an end", address);
}

void edu_interrupt(const struct edu *edu)
{
    write32(edu->registers + EDU_INTERRUPT_RAISE, 1);
}

void edu_acknowledge(const struct edu *edu)
{
    write32(edu->registers + EDU_INTERRUPT_ACKNOWLEDGE, read32(edu->registers + EDU_INTERRUPT_STATUS));
}
