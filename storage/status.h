/* SPDX-License-Identifier: Apache-2.0 */
/* What the `disk` command shows: volumes and what serves them. The physical disks: disk_get() of devices/disk/disk.h.
 */
#ifndef STORAGE_STATUS_H
#define STORAGE_STATUS_H

#include <storage/volume.h>

struct storage_status {
    const struct volume *volume; /* place, size, state, status text and counters */
    const char *partition;       /* whose virtio-blk it is: the name of the front-end's partition */
    const char *source;          /* "disk", "partition" or "region" */
    uint32_t channel;
    bool attached;      /* the back-end serves the channel */
    uint32_t in_flight; /* requests taken from the guest and not yet answered */
    uint64_t requests;  /* taken from the guest, in all */
    uint64_t failed;    /* answered with an error */
    uint64_t malformed; /* what was no request at all: the channel then failed */
    uint64_t resets;    /* by the guest, or because it stopped */
};

/* The volume of disks[index]; false: out of range. */
bool storage_status_get(uint32_t index, struct storage_status *status);

#endif
