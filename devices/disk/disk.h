/* SPDX-License-Identifier: Apache-2.0 */
/* A physical disk as the volume store sees it: asynchronous requests, completed from the event loop. */
#ifndef DEVICES_DISK_DISK_H
#define DEVICES_DISK_DISK_H

#include <lib/segment.h>
#include <stdbool.h>
#include <stdint.h>

enum disk_operation { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD, DISK_WRITE_ZEROES };
enum disk_result { DISK_OK = 0, DISK_IO_ERROR = -1, DISK_UNSUPPORTED = -2, DISK_GONE = -3 };

struct disk_request {
    uint8_t operation; /* enum disk_operation */
    uint8_t reserved;
    uint16_t segments; /* READ and WRITE; 1..disk->segments_max */
    /* Valid and unchanged until done(). In memory of this domain or of a guest that granted it: the device reads or
     * writes it directly. No length is 0; only their sum is a multiple of the block size. */
    const struct segment *segment;
    uint64_t sector;  /* 512-byte units, on this disk */
    uint64_t sectors; /* length in 512-byte units, also for READ and WRITE */
    /* Called once, from the event loop, never from within submit(). */
    void (*done)(struct disk_request *request, enum disk_result result);
    void *owner;
    struct disk_request *next; /* the driver's, while it has the request */
};

struct disk {
    const char *name;
    uint64_t sectors;    /* 512-byte units */
    uint32_t block_size; /* 512 or 4096: sector and length of every request are multiples of it */
    uint32_t segments_max;
    uint32_t max_transfer;                                    /* bytes a READ or WRITE */
    uint32_t max_discard;                                     /* sectors a DISCARD; 0 without has_discard */
    uint32_t max_write_zeroes;                                /* sectors a WRITE_ZEROES; 0 without has_write_zeroes */
    bool read_only, has_flush, has_discard, has_write_zeroes; /* no has_flush: a WRITE is stable once done */
    uint64_t reads, writes, flushes, discards, errors, read_bytes, written_bytes; /* counters */
    uint64_t resets; /* of its controller, because that did not answer or broke its rules */
    /* Takes the request, queueing it without limit but its own memory (a linked list). */
    void (*submit)(struct disk *disk, struct disk_request *request);
};

/* Disks in discovery order. */
struct disk *disk_get(uint32_t index); /* NULL: no such disk */

#endif
