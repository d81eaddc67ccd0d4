// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/module.h>
#include <stdarg.h>
#include <stdio.h>
#include <storage/gpt_read.h>
#include <storage/volume.h>
#include <storage/volume_label.h>
#include <string.h>

#define SECTOR 512u
#define VOLUMES_MAX BULKHEAD_CHANNELS_MAX /* one channel a volume */

static struct volume volumes[VOLUMES_MAX];
static struct gpt_reader readers[VOLUMES_MAX]; /* one a disk that has GPT volumes, at the index of the first of them */

struct volume *volume_get(uint32_t index)
{
    if (index >= disk_count || index >= VOLUMES_MAX)
        return NULL;
    volumes[index].config = &disks[index];
    return &volumes[index];
}

static void settle(struct volume *volume, enum volume_state state)
{
    volume->state = state;
    if (state != VOLUME_READY) {
        volume->sectors = 0;
        bulkhead_log("volume %u: not available: %s", (unsigned)(volume - volumes), volume->status);
    }
    if (volume->opened != NULL)
        volume->opened(volume);
}

__attribute__((format(printf, 2, 3))) static void unavailable(struct volume *volume, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(volume->status, sizeof(volume->status), format, arguments);
    va_end(arguments);
    settle(volume, VOLUME_UNAVAILABLE);
}

/* A volume that already has its place on the same disk and shares sectors with this one; NULL: none, or both only read.
 */
static const struct volume *overlapping(const struct volume *volume)
{
    for (const struct volume *other = volumes; other < volumes + disk_count; other++) {
        if (other == volume || other->state != VOLUME_READY || other->disk != volume->disk ||
            (other->read_only && volume->read_only))
            continue;
        if (other->first < volume->first + volume->sectors && volume->first < other->first + other->sectors)
            return other;
    }
    return NULL;
}

/* The volume's container (disk or partition) is `sectors` at `first`, and lies on the disk; apply offset and size. */
static void place(struct volume *volume, uint64_t first, uint64_t sectors)
{
    const struct disk_config *config = volume->config;
    uint32_t sectors_a_block = volume->disk->block_size / SECTOR;
    uint64_t offset = 0, size = sectors;
    const struct volume *other;

    if (config->source == DISK_REGION) {
        offset = config->offset / SECTOR;
        if (offset >= sectors) {
            unavailable(volume, "region begins beyond the end of \"%s\" (%" PRIu64 " bytes)", volume->label,
                        sectors * SECTOR);
            return;
        }
        size = config->size != 0 ? config->size / SECTOR : sectors - offset;
        if (size > sectors - offset) {
            unavailable(volume, "region ends beyond the end of \"%s\" (%" PRIu64 " bytes)", volume->label,
                        sectors * SECTOR);
            return;
        }
    }
    size -= size % sectors_a_block;
    if (offset % sectors_a_block != 0 || size == 0) {
        unavailable(volume, "region is not made of whole blocks of %" PRIu32 " bytes", volume->disk->block_size);
        return;
    }
    volume->first = first + offset;
    volume->sectors = size;
    other = overlapping(volume);
    if (other != NULL) {
        unavailable(volume, "shares sectors with volume %u, and one of them may write", (unsigned)(other - volumes));
        return;
    }
    strcpy(volume->status, "ready");
    settle(volume, VOLUME_READY);
}

/* Whether the partition table of the volume's disk is what decides about it. */
static bool needs_table(const struct volume *volume)
{
    return volume->config->source == DISK_GPT || volume->config->source == DISK_REGION;
}

static void open_partition(struct volume *volume, const struct gpt_reader *reader)
{
    const char *label = volume->label;
    uint32_t sectors_a_block = volume->disk->block_size / SECTOR;
    struct gpt_range range = {0, 0};

    switch (gpt_find(&reader->header, reader->table, label, &range)) {
    case GPT_FOUND:
        place(volume, range.first * sectors_a_block, range.blocks * sectors_a_block);
        break;
    case GPT_NO_SUCH_NAME:
        unavailable(volume, "%s has no partition \"%s\"", volume->disk->name, label);
        break;
    case GPT_AMBIGUOUS:
        unavailable(volume, "%s has more than one partition \"%s\"", volume->disk->name, label);
        break;
    case GPT_BAD_RANGE:
        unavailable(volume, "partition \"%s\" lies outside of what %s has", label, volume->disk->name);
        break;
    case GPT_OVERLAP:
        unavailable(volume, "partition \"%s\" overlaps another on %s", label, volume->disk->name);
        break;
    }
}

static const char *table_problem(enum gpt_read_result result)
{
    switch (result) {
    case GPT_READ_IO_ERROR:
        return "cannot be read";
    case GPT_READ_NO_MEMORY:
        return "cannot be read: out of memory";
    default:
        return "has no valid GPT, primary or backup";
    }
}

static void table_read(struct gpt_reader *reader, enum gpt_read_result result)
{
    bool usable = result == GPT_READ_OK || result == GPT_READ_BACKUP;

    if (result == GPT_READ_BACKUP)
        bulkhead_log("%s: the primary GPT is damaged, its backup is used", reader->disk->name);
    for (uint32_t i = 0; i < disk_count; i++) {
        struct volume *volume = &volumes[i];

        if (volume->state != VOLUME_OPENING || volume->disk != reader->disk || !needs_table(volume))
            continue;
        if (usable)
            open_partition(volume, reader);
        else
            unavailable(volume, "%s %s", reader->disk->name, table_problem(result));
    }
    gpt_reader_release(reader);
}

/* Reads the table of volumes[index]'s disk, unless an earlier volume's start did. */
static void read_table(uint32_t index)
{
    struct disk *disk = volumes[index].disk;

    for (uint32_t i = 0; i < index; i++)
        if (readers[i].disk == disk)
            return;
    readers[index].disk = disk;
    readers[index].done = table_read;
    gpt_read(&readers[index]);
}

/* The labels are known. */
static void open_all(void)
{
    for (uint32_t i = 0; i < disk_count; i++)
        volumes[i].label = volume_label(i);
    for (uint32_t i = 0; i < disk_count; i++) {
        struct volume *volume = &volumes[i];
        struct disk *disk = volume->disk;

        if (disk == NULL)
            unavailable(volume, "disk %u is missing", volume->config->device);
        else if (disk->block_size != 512 && disk->block_size != 4096)
            unavailable(volume, "%s has blocks of %" PRIu32 " bytes", disk->name, disk->block_size);
        else if (needs_table(volume))
            read_table(i);
        else
            place(volume, 0, disk->sectors);
    }
}

void volume_start(void)
{
    for (uint32_t i = 0; i < disk_count; i++) {
        struct volume *volume = volume_get(i);

        volume->disk = disk_get(volume->config->device);
        strcpy(volume->status, "opening");
        volume->read_only = volume->config->read_only || (volume->disk != NULL && volume->disk->read_only);
    }
    volume_labels_read(open_all);
}

MODULE(MODULE_SERVICE, volume, volume_start);

static void request_done(struct disk_request *disk_request, enum disk_result result)
{
    struct volume_request *request = disk_request->owner;
    struct volume *volume = request->volume;

    volume->in_flight--;
    if (result != DISK_OK)
        volume->errors++;
    request->done(request, result);
}

/* Whether the disk takes a request of that kind and length; counts it. */
static bool accept(struct volume *volume, const struct disk_request *request)
{
    const struct disk *disk = volume->disk;
    uint64_t sectors = request->sectors;

    if (volume->read_only && request->operation != DISK_READ && request->operation != DISK_FLUSH)
        return false;
    switch (request->operation) {
    case DISK_READ:
    case DISK_WRITE:
        if (request->segments == 0 || request->segments > disk->segments_max || sectors > disk->max_transfer / SECTOR)
            return false;
        *(request->operation == DISK_READ ? &volume->reads : &volume->writes) += 1;
        *(request->operation == DISK_READ ? &volume->read_bytes : &volume->written_bytes) += sectors * SECTOR;
        return true;
    case DISK_FLUSH:
        if (!disk->has_flush)
            return false;
        volume->flushes++;
        return true;
    case DISK_DISCARD:
        if (!disk->has_discard || sectors > disk->max_discard)
            return false;
        volume->discards++;
        return true;
    case DISK_WRITE_ZEROES:
        if (!disk->has_write_zeroes || sectors > disk->max_write_zeroes)
            return false;
        volume->write_zeroes++;
        return true;
    default:
        return false;
    }
}

static bool in_range(const struct volume *volume, const struct disk_request *request)
{
    uint32_t sectors_a_block = volume->disk->block_size / SECTOR;

    if (request->operation == DISK_FLUSH)
        return request->sector == 0 && request->sectors == 0;
    return request->sectors != 0 && request->sector < volume->sectors &&
           request->sectors <= volume->sectors - request->sector && request->sector % sectors_a_block == 0 &&
           request->sectors % sectors_a_block == 0;
}

bool volume_submit(struct volume *volume, struct volume_request *request)
{
    if (volume->state != VOLUME_READY || !in_range(volume, &request->disk) || !accept(volume, &request->disk)) {
        volume->refused++;
        return false;
    }
    request->volume = volume;
    if (request->disk.operation != DISK_FLUSH)
        request->disk.sector += volume->first;
    request->disk.done = request_done;
    request->disk.owner = request;
    volume->in_flight++;
    volume->disk->submit(volume->disk, &request->disk);
    return true;
}
