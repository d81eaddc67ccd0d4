// SPDX-License-Identifier: Apache-2.0
#include "fake_disk.h"
#include <assert.h>
#include <stdlib.h>
#include <storage/gpt.h>
#include <string.h>

#define SECTOR 512u

static struct fake_disk *fakes[FAKE_DISKS_MAX];

struct disk *disk_get(uint32_t index)
{
    return index < FAKE_DISKS_MAX && fakes[index] != NULL ? &fakes[index]->disk : NULL;
}

static void submit(struct disk *disk, struct disk_request *request)
{
    struct fake_disk *fake = (struct fake_disk *)disk;

    assert(fake->count < sizeof(fake->waiting) / sizeof(fake->waiting[0]));
    for (uint32_t i = 0; i < fake->count; i++)
        assert(fake->waiting[i] != request); /* it is the driver's until it is done */
    fake->submitted++;
    fake->waiting[fake->count++] = request;
}

struct fake_disk *fake_disk_make(uint32_t index, uint64_t sectors)
{
    struct fake_disk *fake = calloc(1, sizeof(*fake));

    fake->disk = (struct disk){
        .name = "fake0",
        .sectors = sectors,
        .block_size = 512,
        .segments_max = 64,
        .max_transfer = 1 << 20,
        .max_discard = 1 << 16,
        .max_write_zeroes = 1 << 16,
        .has_flush = true,
        .has_discard = true,
        .has_write_zeroes = true,
        .submit = submit,
    };
    fake->stable = calloc(sectors, SECTOR);
    fake->cached = calloc(sectors, SECTOR);
    fake->fail_sector = UINT64_MAX;
    fakes[index] = fake;
    return fake;
}

void fake_disk_free_all(void)
{
    for (uint32_t i = 0; i < FAKE_DISKS_MAX; i++) {
        if (fakes[i] != NULL) {
            free(fakes[i]->stable);
            free(fakes[i]->cached);
        }
        free(fakes[i]);
        fakes[i] = NULL;
    }
}

static void transfer(struct fake_disk *fake, struct disk_request *request)
{
    uint8_t *at = fake->cached + request->sector * SECTOR;
    uint64_t total = 0;

    assert(request->segments > 0 && request->segments <= fake->disk.segments_max);
    for (uint32_t i = 0; i < request->segments; i++) {
        const struct segment *segment = &request->segment[i];

        assert(segment->length > 0);
        if (request->operation == DISK_READ)
            memcpy(segment->base, at + total, segment->length);
        else
            memcpy(at + total, segment->base, segment->length);
        total += segment->length;
    }
    assert(total == request->sectors * SECTOR && total <= fake->disk.max_transfer);
}

static void carry_out(struct fake_disk *fake, struct disk_request *request)
{
    assert(request->operation == DISK_FLUSH ||
           (request->sector < fake->disk.sectors && request->sectors <= fake->disk.sectors - request->sector));
    assert(request->sector * SECTOR % fake->disk.block_size == 0 &&
           request->sectors * SECTOR % fake->disk.block_size == 0);
    switch (request->operation) {
    case DISK_READ:
    case DISK_WRITE:
        transfer(fake, request);
        break;
    case DISK_FLUSH:
        memcpy(fake->stable, fake->cached, fake->disk.sectors * SECTOR);
        break;
    default:
        assert(request->operation == DISK_DISCARD ? fake->disk.has_discard : fake->disk.has_write_zeroes);
        memset(fake->cached + request->sector * SECTOR, 0, request->sectors * SECTOR);
        break;
    }
}

void fake_disk_complete(struct fake_disk *fake, uint32_t n)
{
    struct disk_request *request = fake->waiting[n];
    enum disk_result result = fake->next_result;

    assert(n < fake->count);
    fake->count--;
    memmove(&fake->waiting[n], &fake->waiting[n + 1], (fake->count - n) * sizeof(fake->waiting[0]));
    fake->next_result = DISK_OK;
    if (request->operation <= DISK_WRITE && fake->fail_sector >= request->sector &&
        fake->fail_sector < request->sector + request->sectors)
        result = DISK_IO_ERROR;
    if (result == DISK_OK)
        carry_out(fake, request);
    request->done(request, result);
}

void fake_disk_run_all(struct fake_disk *fake)
{
    while (fake->count > 0 && !fake->hold)
        fake_disk_complete(fake, 0);
}

void fake_disk_power_cut(struct fake_disk *fake)
{
    fake->count = 0;
    memcpy(fake->cached, fake->stable, fake->disk.sectors * SECTOR);
}

static void put32(uint8_t *to, uint32_t value)
{
    memcpy(to, &value, sizeof(value));
}

static void put64(uint8_t *to, uint64_t value)
{
    memcpy(to, &value, sizeof(value));
}

void fake_disk_seal_gpt(struct fake_disk *fake, uint64_t lba)
{
    uint32_t block_size = fake->disk.block_size, entries, entry_size, header_size;
    uint8_t *header = fake->cached + lba * block_size;
    uint64_t table;

    memcpy(&table, header + 72, 8);
    memcpy(&entries, header + 80, 4);
    memcpy(&entry_size, header + 84, 4);
    memcpy(&header_size, header + 12, 4);
    if (table < fake->disk.sectors * SECTOR / block_size &&
        (uint64_t)entries * entry_size <= fake->disk.sectors * SECTOR - table * block_size)
        put32(header + 88, gpt_crc32(fake->cached + table * block_size, (size_t)entries * entry_size));
    put32(header + 16, 0);
    if (header_size <= block_size)
        put32(header + 16, gpt_crc32(header, header_size));
    memcpy(fake->stable, fake->cached, fake->disk.sectors * SECTOR);
}

static void write_copy(struct fake_disk *fake, uint64_t lba, uint64_t alternate, uint64_t table,
                       const struct fake_partition *partition, uint32_t count)
{
    uint32_t block_size = fake->disk.block_size;
    uint64_t blocks = fake->disk.sectors * SECTOR / block_size, table_blocks = 128 * 128 / block_size;
    uint8_t *header = fake->cached + lba * block_size, *entry = fake->cached + table * block_size;

    memcpy(header, "EFI PART", 8);
    put32(header + 8, 0x10000);
    put32(header + 12, 92);
    put64(header + 24, lba);
    put64(header + 32, alternate);
    put64(header + 40, 2 + table_blocks);
    put64(header + 48, blocks - 2 - table_blocks);
    put64(header + 72, table);
    put32(header + 80, 128);
    put32(header + 84, 128);
    for (uint32_t i = 0; i < count; i++, entry += 128) {
        memset(entry, 0xa5, 32);
        put64(entry + 32, partition[i].first);
        put64(entry + 40, partition[i].last);
        for (size_t c = 0; c < strlen(partition[i].name); c++)
            entry[56 + 2 * c] = (uint8_t)partition[i].name[c];
    }
    fake_disk_seal_gpt(fake, lba);
}

void fake_disk_write_gpt(struct fake_disk *fake, const struct fake_partition *partition, uint32_t count)
{
    uint64_t blocks = fake->disk.sectors * SECTOR / fake->disk.block_size;

    write_copy(fake, 1, blocks - 1, 2, partition, count);
    write_copy(fake, blocks - 1, 1, blocks - 1 - 128 * 128 / fake->disk.block_size, partition, count);
}
