/* SPDX-License-Identifier: Apache-2.0 */
/* What the drivers of disks share. All calls from the event loop. */
#ifndef DEVICES_DISK_DRIVER_H
#define DEVICES_DISK_DRIVER_H

#include <devices/disk/disk.h>

#define DISK_PAGE 4096u
#define DISK_SEGMENTS_MAX 126u
#define DISK_TRANSFER_MAX (512u << 10) /* bytes, of the drivers that use disk_copy_take() */
#define DISK_TIMEOUT_NS 10000000000ull /* a request that takes longer: the controller is reset */
#define DISK_LOOK_NS 1000000000ull     /* how often a driver looks for those, while it has requests */
#define DISK_STEP_NS 10000000ull       /* how often it looks how far a reset has come */
#define DISK_RESETS_MAX 4u             /* without one request that succeeds between them: the device is given up */

/* Gives the disk its name and its place in disk_get()'s order; false: there are too many. */
bool disk_add(struct disk *disk);

/* Requests that the device does not have. */
struct disk_list {
    struct disk_request *first, *last;
};
void disk_list_add(struct disk_list *list, struct disk_request *request);   /* as the last */
void disk_list_again(struct disk_list *list, struct disk_request *request); /* as the first */
struct disk_request *disk_list_take(struct disk_list *list);                /* the first; NULL: there is none */

/* Whether the disk can do that: DISK_OK, or the result to finish it with. */
enum disk_result disk_check(const struct disk *disk, const struct disk_request *request);
/* Counts it, and calls done(). */
void disk_finish(struct disk *disk, struct disk_request *request, enum disk_result result);
/* All of the list. */
void disk_finish_all(struct disk *disk, struct disk_list *list, enum disk_result result);

/*
 * Memory for one request whose segments the controller cannot take as they lie: DISK_TRANSFER_MAX bytes, page-aligned.
 * Few and shared by all drivers. NULL: none is free (or there is no memory); ask again when a request has finished.
 */
uint8_t *disk_copy_take(void);
void disk_copy_give(uint8_t *copy);

#endif
