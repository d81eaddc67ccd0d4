// SPDX-License-Identifier: Apache-2.0
/*
 * Firmware's tables of any bytes: the input is what lies behind the BIOS area's first 64 bytes. Its first byte chooses
 * whether a sound RSDP leads to it (1), by an RSDT (2) and not an XSDT, and whether checksums are repaired (4).
 */
#include <boot/x86/acpi.h>
#include <stdlib.h>
#include <string.h>

#define ROOT 0xe0000u
#define TABLES (ROOT + 64)
#define MAPPINGS_MAX 1024

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct platform platform;
struct facts facts;
static const uint8_t *input;
static size_t input_size;
static uint8_t mode, root[36];
static void *mappings[MAPPINGS_MAX];
static unsigned mapping_count;

static uint8_t checksum(const uint8_t *data, size_t size)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum - data[i]);
    return sum;
}

static void make_root(void)
{
    uint64_t tables = TABLES;

    memset(root, 0, sizeof(root));
    memcpy(root, "RSD PTR ", 8);
    root[15] = mode & 2 ? 0 : 2;
    memcpy(root + 16, &tables, 4);
    memcpy(root + 24, &tables, 8);
    root[8] = checksum(root, 20);
}

/* What of `from`, which lies at `at`, is in the memory. */
static void place(uint8_t *memory, uint64_t base, uint64_t size, const uint8_t *from, uint64_t at, uint64_t length)
{
    uint64_t begin = at > base ? at : base, end = at + length < base + size ? at + length : base + size;

    if (begin < end)
        memcpy(memory + (begin - base), from + (begin - at), end - begin);
}

/* Of exactly that size: a byte more is ASan's. */
const uint8_t *firmware_memory(uint64_t base, uint64_t size)
{
    uint8_t *memory = calloc(1, size);

    place(memory, base, size, input, TABLES, input_size);
    if (mode & 1)
        place(memory, base, size, root, ROOT, sizeof(root));
    if ((mode & 4) && base >= TABLES && size > 36)
        memory[9] = (uint8_t)(memory[9] + checksum(memory, size));
    if (mapping_count == MAPPINGS_MAX)
        abort();
    return mappings[mapping_count++] = memory;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    mode = data[0];
    input = data + 1;
    input_size = size - 1;
    platform = (struct platform){.cpu_count = 1};
    facts = (struct facts){0};
    make_root();
    acpi_read();
    while (mapping_count > 0)
        free(mappings[--mapping_count]);
    if (platform.cpu_count > BULKHEAD_CPUS_MAX || platform.arch.ioapic_count > IOAPICS_MAX)
        abort();
    return 0;
}
