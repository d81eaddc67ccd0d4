/* SPDX-License-Identifier: Apache-2.0 */
#include <devices/disk/driver.h>
#include <stdio.h>
#include <stdlib.h>

#define DISKS_MAX 8u
#define COPIES_MAX 4u

static struct disk *disks[DISKS_MAX];
static char names[DISKS_MAX][8];
static uint32_t disk_count;

static uint8_t *copies[COPIES_MAX]; /* the free ones */
static uint32_t copies_free, copies_made;

struct disk *disk_get(uint32_t index)
{
    return index < disk_count ? disks[index] : NULL;
}

bool disk_add(struct disk *disk)
{
    if (disk_count == DISKS_MAX)
        return false;
    snprintf(names[disk_count], sizeof names[disk_count], "disk%u", disk_count % 10);
    disk->name = names[disk_count];
    disks[disk_count++] = disk;
    return true;
}

void disk_list_add(struct disk_list *list, struct disk_request *request)
{
    request->next = NULL;
    if (list->first)
        list->last->next = request;
    else
        list->first = request;
    list->last = request;
}

void disk_list_again(struct disk_list *list, struct disk_request *request)
{
    request->next = list->first;
    if (!list->first)
        list->last = request;
    list->first = request;
}

struct disk_request *disk_list_take(struct disk_list *list)
{
    struct disk_request *request = list->first;

    if (request)
        list->first = request->next;
    return request;
}

/* What the device will transfer. */
static uint64_t segment_bytes(const struct disk_request *request)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < request->segments; i++)
        bytes += request->segment[i].length;
    return bytes;
}

enum disk_result disk_check(const struct disk *disk, const struct disk_request *request)
{
    bool data = request->operation == DISK_READ || request->operation == DISK_WRITE;
    bool range = request->operation == DISK_DISCARD || request->operation == DISK_WRITE_ZEROES;
    uint64_t most = request->operation == DISK_DISCARD ? disk->max_discard : disk->max_write_zeroes;
    uint64_t sectors_a_block = disk->block_size / 512;

    if (request->operation == DISK_FLUSH)
        return disk->has_flush ? DISK_OK : DISK_UNSUPPORTED;
    if (!data && !range)
        return DISK_UNSUPPORTED;
    if (request->sector > disk->sectors || request->sectors > disk->sectors - request->sector || !request->sectors ||
        request->sector % sectors_a_block || request->sectors % sectors_a_block)
        return DISK_IO_ERROR;
    if (disk->read_only && request->operation != DISK_READ)
        return DISK_IO_ERROR;
    if (range)
        return request->sectors <= most ? DISK_OK : DISK_UNSUPPORTED;
    if (!request->segments || request->segments > disk->segments_max || request->sectors > disk->max_transfer / 512)
        return DISK_IO_ERROR;
    return segment_bytes(request) == request->sectors * 512 ? DISK_OK : DISK_IO_ERROR;
}

void disk_finish(struct disk *disk, struct disk_request *request, enum disk_result result)
{
    if (result == DISK_OK) {
        disk->reads += request->operation == DISK_READ;
        disk->writes += request->operation == DISK_WRITE;
        disk->flushes += request->operation == DISK_FLUSH;
        disk->discards += request->operation == DISK_DISCARD;
        disk->read_bytes += request->operation == DISK_READ ? request->sectors * 512 : 0;
        disk->written_bytes += request->operation == DISK_WRITE ? request->sectors * 512 : 0;
    } else {
        disk->errors++;
    }
    request->done(request, result);
}

/* Those that are in it now: what done() submits is another's turn. */
void disk_finish_all(struct disk *disk, struct disk_list *list, enum disk_result result)
{
    struct disk_list all = *list;
    struct disk_request *request;

    list->first = NULL;
    while ((request = disk_list_take(&all)))
        disk_finish(disk, request, result);
}

uint8_t *disk_copy_take(void)
{
    if (!copies_free && copies_made < COPIES_MAX) {
        copies[0] = aligned_alloc(DISK_PAGE, DISK_TRANSFER_MAX);
        if (!copies[0])
            return NULL;
        copies_made++;
        copies_free = 1;
    }
    return copies_free ? copies[--copies_free] : NULL;
}

void disk_copy_give(uint8_t *copy)
{
    if (copy)
        copies[copies_free++] = copy;
}
