/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This appliance's partition "state": the first one of that name on its disks, in their order. Its slot record and its
 * state store, opened once at start; and where the boot slots lie on that disk. Loop context.
 */
#ifndef STORAGE_STATE_PARTITION_H
#define STORAGE_STATE_PARTITION_H

#include <storage/slots.h>
#include <storage/state.h>

/* A module's start (MODULE_SERVICE). */
void state_partition_start(void);

/* The opened store, or NULL; and for people how it stands with it: "stored", "being stored", or what is wrong. */
struct state *state_store(void);
const char *state_store_status(void);
/* settled() is called once it is known whether there is a store (else NULL): now, or later. For STATE_SETTLED_MAX. */
#define STATE_SETTLED_MAX 8u
void state_when_settled(void (*settled)(struct state *store));
/* Makes the store's values stable, after a commit that is under way; the log tells of failures. False: no store. */
bool state_store_commit(void);

/* What the slot record said at start or was set to since. False: there is none. */
bool slots_get(struct slots *slots);
/* Writes it and then its copy, each followed by a flush; done(true): both are stable. One at a time: false, done() is
 * not called, while another is under way or where there is no record's place. */
bool slots_put(const struct slots *slots, void (*done)(bool success));

/* The partition "boot-a" (0) or "boot-b" (1) of the same disk. False: there is none. */
struct slot_place {
    struct disk *disk;
    uint64_t first, sectors; /* 512-byte units */
};
bool slots_place(uint32_t slot, struct slot_place *place);

#endif
