/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes: what disks[] of bulkhead/management.h promises the guests, as ranges of physical disks. A volume is a whole
 * disk, a GPT partition, or a region of one; opening it finds out where that is, and every request is checked against
 * that range before a disk sees it. Writable volumes never overlap another volume. Loop context.
 *
 * Order: a FLUSH covers every WRITE that was done before it was submitted; requests in flight together have no order.
 */
#ifndef STORAGE_VOLUME_H
#define STORAGE_VOLUME_H

#include <bulkhead/management.h>
#include <devices/disk/disk.h>

enum volume_state {
    VOLUME_OPENING,
    VOLUME_READY,
    VOLUME_UNAVAILABLE, /* for good: see `status` */
};

struct volume {
    const struct disk_config *config;
    const char *label; /* of its GPT partition, or ""; NULL: not known yet */
    struct disk *disk; /* NULL: there is no such disk */
    enum volume_state state;
    uint64_t first;   /* sector on the disk */
    uint64_t sectors; /* 0 unless VOLUME_READY */
    bool read_only;   /* by configuration, or because the disk is */
    char status[96];  /* for people: "ready", or why not */
    uint32_t in_flight;
    uint64_t reads, writes, flushes, discards, write_zeroes, refused, errors, read_bytes, written_bytes; /* counters */
    /* Set by the user while the state is VOLUME_OPENING, or NULL: called once, when it no longer is. */
    void (*opened)(struct volume *volume);
    void *user;
};

/* A request to a volume; the same as a disk's, with `sector` counted from the volume's start. */
struct volume_request {
    struct disk_request disk;
    struct volume *volume;
    void (*done)(struct volume_request *request, enum disk_result result); /* once, never from within volume_submit() */
    void *owner;
};

/* Once, after the disks are probed: begins to open disks[0..disk_count-1]. A module's start (MODULE_SERVICE). */
void volume_start(void);
/* The volume of disks[index]; NULL out of range. */
struct volume *volume_get(uint32_t index);

/* The caller fills operation, segments, segment, sector and sectors of `request->disk`, and done and owner. False:
 * refused (not ready, out of the volume, not on a block's boundary, more than the disk takes, a write to a read-only
 * volume, something the disk cannot do); done() is not called. */
bool volume_submit(struct volume *volume, struct volume_request *request);

#endif
