/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk for tests, with a volatile write cache and faults to order. Requests wait until the test lets them go, in
 * any order it likes; what a FLUSH has not covered is lost by fake_disk_power_cut().
 */
#ifndef TESTS_UNIT_FAKE_DISK_H
#define TESTS_UNIT_FAKE_DISK_H

#include <devices/disk/disk.h>

#define FAKE_DISKS_MAX 4

struct fake_disk {
    struct disk disk;
    uint8_t *stable, *cached; /* sectors * 512 bytes each */
    struct disk_request *waiting[1024];
    uint32_t count;
    bool hold;                    /* fake_disk_run_all() does nothing */
    enum disk_result next_result; /* of the next request that completes; DISK_OK again after it */
    uint64_t fail_sector;         /* a READ or WRITE that touches it fails; UINT64_MAX: none */
    uint64_t submitted;
};

/* Makes disk `index` of disk_get(); everything on, nothing failing. */
struct fake_disk *fake_disk_make(uint32_t index, uint64_t sectors);
void fake_disk_free_all(void);
/* Completes the n-th waiting request. */
void fake_disk_complete(struct fake_disk *fake, uint32_t n);
/* Completes what waits, oldest first, and what that submits. */
void fake_disk_run_all(struct fake_disk *fake);
void fake_disk_power_cut(struct fake_disk *fake); /* the cache is lost, waiting requests are dropped */

/* A GPT with primary and backup: `count` partitions. */
struct fake_partition {
    const char *name;
    uint64_t first, last; /* blocks */
};
void fake_disk_write_gpt(struct fake_disk *fake, const struct fake_partition *partition, uint32_t count);
/* Recomputes the checksums of header and table that stand at block `lba`, after a test changed them. */
void fake_disk_seal_gpt(struct fake_disk *fake, uint64_t lba);

#endif
