// SPDX-License-Identifier: Apache-2.0
/*
 * A guest of any behaviour against the virtio-blk back-end. The input is a program: bytes that write the guest's memory
 * (rings, descriptors, headers), ring, let the disk complete or fail, reset. The fake disk asserts that no request
 * leaves the volume; ASan, that none leaves the guest's memory.
 */
#include "../unit/fake_disk.h"
#include "../unit/fake_front.h"
#include <bulkhead/management.h>
#include <bulkhead/partition.h>
#include <devices/virtio/blk.h>
#include <devices/virtio/blk_backend.h>
#include <mgmt/bulkhead_log.h>
#include <stdlib.h>
#include <storage/volume.h>
#include <string.h>

#define SECTORS 256u
#define VOLUME_FIRST 64u
#define VOLUME_LAST 127u

const struct disk_config disks[1] = {{.source = DISK_GPT, .label = "data", .serial = "fuzz"}};
const uint32_t disk_count = 1;
const struct partition_config partitions[1] = {{.name = "guest"}};
const struct channel_config channels[1] = {{.device_id = VIRTIO_ID_BLOCK}};
const uint32_t partition_count = 1, channel_count = 1;

static struct fake_disk *fake;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void bulkhead_log(const char *format, ...)
{
    (void)format;
}

static void begin(void)
{
    static const struct fake_partition one[] = {{"data", VOLUME_FIRST, VOLUME_LAST}};

    front_reset_all();
    fake = fake_disk_make(0, SECTORS);
    fake->disk.segments_max = 4;
    fake->disk.max_transfer = 4096;
    fake_disk_write_gpt(fake, one, 1);
    volume_start();
    blk_backend_start();
    fake_disk_run_all(fake);
    memset(fake->cached, 0x11, SECTORS * 512);
    fake->hold = true;
}

static void check_neighbours(void)
{
    for (uint32_t sector = 0; sector < SECTORS; sector++)
        if (sector < VOLUME_FIRST || sector > VOLUME_LAST)
            for (uint32_t i = 0; i < 512; i++)
                if (fake->cached[sector * 512 + i] != 0x11)
                    abort();
}

struct input {
    const uint8_t *data;
    size_t size;
};

static uint32_t take(struct input *input, uint32_t bytes)
{
    uint32_t value = 0;

    for (; bytes > 0 && input->size > 0; bytes--, input->size--)
        value = value << 8 | *input->data++;
    return value;
}

static void drain(void)
{
    fake->hold = false;
    fake->next_result = DISK_OK;
    for (uint32_t i = 0; i < 100000 && fake->count > 0; i++) {
        fake_disk_run_all(fake);
        front_loop();
    }
    fake->hold = true;
}

/* A request that is nearly right, with one or the other thing wrong. */
static void offer_request(struct input *input)
{
    uint32_t n = take(input, 1) % 64, wrong = take(input, 1);
    struct virtio_blk_header header = {.type = take(input, 1) % 14, .sector = take(input, 1)};
    uint32_t length = (take(input, 1) % 20) * (wrong & 1 ? 100 : 512);

    memcpy(front_memory + 0x4000 + n * 16, &header, sizeof(header));
    front_describe(3 * n, FRONT_BASE + 0x4000 + n * 16, 16, VIRTIO_DESCRIPTOR_NEXT, (uint16_t)(3 * n + 1));
    front_describe(3 * n + 1, FRONT_BASE + FRONT_DATA + n * 0x100, length,
                   VIRTIO_DESCRIPTOR_NEXT | (header.type == 0 || wrong & 2 ? VIRTIO_DESCRIPTOR_WRITE : 0),
                   (uint16_t)(3 * n + 2));
    front_describe(3 * n + 2, FRONT_BASE + 0x8000 + n, 1, VIRTIO_DESCRIPTOR_WRITE, 0);
    if (wrong & 4)
        front_descriptor(3 * n + take(input, 1) % 3)->length = take(input, 4);
    if (wrong & 8)
        front_descriptor(3 * n + take(input, 1) % 3)->address = FRONT_BASE + take(input, 4);
    if (wrong & 16)
        front_descriptor(3 * n + take(input, 1) % 3)->flags = (uint16_t)take(input, 1);
    if (wrong & 32)
        front_descriptor(3 * n + take(input, 1) % 3)->next = (uint16_t)take(input, 2);
    front_offer((uint16_t)(3 * n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t features =
        VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES;
    struct input input = {data, size};

    if (fake == NULL)
        begin();
    memset(front_memory, 0, 2 * FRONT_DATA);
    fake->next_result = DISK_OK;
    front_start(features | (take(&input, 1) & 1 ? VIRTIO_F_EVENT_IDX | VIRTIO_BLK_F_FLUSH : 0));
    for (uint32_t steps = 0; input.size > 0 && steps < 400; steps++) {
        switch (take(&input, 1) % 8) {
        case 0:
        case 1:
        case 2:
            offer_request(&input);
            break;
        case 3:
            front_ring(1);
            break;
        case 4:
            if (fake->count > 0)
                fake_disk_complete(fake, take(&input, 1) % fake->count);
            front_loop();
            break;
        case 5:
            fake->next_result = -(int)(take(&input, 1) % 4);
            break;
        case 6: { /* any byte of rings, headers and data */
            uint32_t at = take(&input, 2);

            front_memory[at] = (uint8_t)take(&input, 1);
            break;
        }
        default:
            if (!front_stop())
                drain();
            front_start(features);
            break;
        }
    }
    drain();
    if (!front_stop())
        abort(); /* nothing is in flight any more */
    check_neighbours();
    return 0;
}
