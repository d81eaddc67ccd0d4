// SPDX-License-Identifier: Apache-2.0
/* Volumes are named as configured: storage/volume_label.c for tests without a state store. */
#include <bulkhead/management.h>
#include <stddef.h>
#include <storage/volume_label.h>

void volume_labels_read(void (*done)(void))
{
    done();
}

const char *volume_label(uint32_t index)
{
    return disks[index].label != NULL ? disks[index].label : "";
}
