// SPDX-License-Identifier: Apache-2.0
#include <bulkhead/channel.h>
#include <bulkhead/management.h>
#include <bulkhead/partition.h>
#include <inttypes.h>
#include <mgmt/bulkhead_log.h>
#include <stdio.h>
#include <storage/state_partition.h>
#include <storage/volume_label.h>
#include <string.h>

#define LABEL_MAX 36u /* of a GPT */

static char kept[BULKHEAD_CHANNELS_MAX][LABEL_MAX + 1];
static bool is_kept[BULKHEAD_CHANNELS_MAX];
static void (*when_read)(void);

/* Kernel, state and the firmware's files are no guest's. */
static bool is_own(const char *label)
{
    static const char *const own[] = {"esp", "boot-a", "boot-b", "state"};

    for (uint32_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strcmp(label, own[i]) == 0)
            return true;
    return false;
}

static void take(uint32_t index, const char *key, const struct state_value *value)
{
    is_kept[index] = true;
    kept[index][0] = 0;
    if (value->length > LABEL_MAX || memchr(value->data, 0, value->length) != NULL) {
        bulkhead_log("volume %" PRIu32 ": the value %s is no name of a partition", index, key);
        return;
    }
    memcpy(kept[index], value->data, value->length);
    kept[index][value->length] = 0;
    if (is_own(kept[index])) {
        bulkhead_log("volume %" PRIu32 ": the value %s names a partition of the appliance's own", index, key);
        kept[index][0] = 0;
    }
}

static void settled(struct state *store)
{
    for (uint32_t i = 0; i < disk_count && i < BULKHEAD_CHANNELS_MAX && store != NULL; i++) {
        uint32_t front = channels[disks[i].channel].front, number = 0;
        struct state_value value;
        char key[64];

        for (uint32_t before = 0; before < i; before++)
            number += channels[disks[before].channel].front == front;
        snprintf(key, sizeof key, "disk.%s.%" PRIu32, partitions[front].name, number);
        is_kept[i] = false;
        if (disks[i].source == DISK_GPT && state_get(store, key, &value))
            take(i, key, &value);
    }
    when_read();
}

void volume_labels_read(void (*done)(void))
{
    when_read = done;
    state_when_settled(settled);
}

const char *volume_label(uint32_t index)
{
    if (index < BULKHEAD_CHANNELS_MAX && is_kept[index])
        return kept[index];
    return disks[index].label != NULL ? disks[index].label : "";
}
