// SPDX-License-Identifier: Apache-2.0
/* A controller of SD cards whose registers read as any bytes, now and then as the driver hopes: whatever it says, each
 * request is answered once, and nothing but its memory is written. */
#include <devices/disk/disk.h>
#include <lib/tree.h>
#include <mgmt/module.h>
#include <stdlib.h>
#include <string.h>
#include <tests/unit/fake_pci.h>

#define REQUESTS 4u
#define BYTES 2048u

extern const struct module module_sdhci;
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *script;
static size_t left;
static uint32_t command;

static uint32_t next(void)
{
    return left ? left--, *script++ : 0;
}

/* Mostly what comes next in a life without trouble, so that much of it is reached. */
static uint32_t hoped(uint32_t offset)
{
    switch (offset) {
    case 0x10:
        return command == 8 ? 0x1aa : command == 41 ? 0xc0ff8000 : command == 55 ? 0x920 : 0x12340900;
    case 0x18:
        return 0x00003b37; /* CSD: some size */
    case 0x1c:
        return command == 9 ? 0x00400e00 : 0x900;
    case 0x24:
        return 0xb0000;
    case 0x2c:
        return 2;
    case 0x30:
        return 0x33;
    case 0x40:
        return 0x01006400;
    default:
        return 0x00020000;
    }
}

uint32_t model_read(uint32_t offset)
{
    uint32_t choice = next();

    if (offset == 0x20)
        return choice;
    if (choice < 200)
        return hoped(offset);
    if (choice < 250)
        return hoped(offset) ^ next() << choice % 25;
    return next() | next() << 8 | next() << 16 | next() << 24;
}

void model_write(uint32_t offset, uint32_t value)
{
    if (offset == 0x0c) {
        command = value >> 24 & 63;
        if (value & 1)
            abort(); /* DMA */
    }
}

int tree_compatible(int previous, const char *compatible)
{
    return previous < 0 && !strcmp(compatible, "arasan,sdhci-8.9a") ? 7 : -1;
}
struct tree_range tree_reg(int node, uint32_t index)
{
    (void)node, (void)index;
    return (struct tree_range){FAKE_REGISTERS, 0x1000};
}
uint32_t tree_interrupt(int node, uint32_t index, bool *level)
{
    (void)node, (void)index;
    *level = false;
    return 24;
}
bool tree_has(int node, const char *property)
{
    (void)node, (void)property;
    return next() & 1;
}
void memory_map(uint64_t base, uint64_t size, enum memory_kind kind)
{
    (void)base, (void)size, (void)kind;
}

/* Of disk.h, as devices/disk/driver.c has it, for one disk at a time. */
#include "devices/disk/driver.c"

static uint32_t answered;

static void done(struct disk_request *request, enum disk_result result)
{
    (void)result;
    if (request->owner)
        abort(); /* twice */
    request->owner = request;
    answered++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct disk_request request[REQUESTS];
    struct segment segment[REQUESTS];

    script = data;
    left = size;
    answered = disk_count = 0;
    fake_pci_reset();
    fake_look_ns = 1000000;
    module_sdhci.start();
    for (uint32_t i = 0; disk_get(0) && i < REQUESTS; i++) {
        segment[i] = (struct segment){malloc(BYTES), BYTES};
        request[i] = (struct disk_request){.operation = i % 2 ? DISK_WRITE : DISK_READ,
                                           .segments = 1,
                                           .segment = &segment[i],
                                           .sector = i * 8,
                                           .sectors = BYTES / 512,
                                           .done = done};
        memset(segment[i].base, 0, BYTES);
        disk_get(0)->submit(disk_get(0), &request[i]);
        fake_run();
        fake_interrupt();
    }
    if (disk_get(0)) {
        for (uint32_t i = 0; i < 400 && answered < REQUESTS; i++) {
            fake_pass(1000000000);
            fake_interrupt();
        }
        if (answered != REQUESTS)
            abort();
        for (uint32_t i = 0; i < REQUESTS; i++)
            free(segment[i].base);
    }
    return 0;
}
