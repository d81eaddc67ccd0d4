/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state store: small named values that an operator changes at run time, in the disk's partition "state". They live
 * in memory; state_commit() makes what is there stable, whole or not at all, whenever the power goes.
 *
 * The partition has STATE_BANKS banks from byte STATE_FIRST_BANK on (before them: the slot record, storage/slots.h).
 * Each holds all values. A commit writes one bank after the other, the one that is valid now last; in each the values,
 * a flush, the header, a flush. So one bank at most is ever torn, and the newest whole one counts. Loop context.
 */
#ifndef STORAGE_STATE_H
#define STORAGE_STATE_H

#include <devices/disk/disk.h>
#include <storage/state_format.h>

#define STATE_FIRST_BANK 65536u /* bytes from the start of the partition */
#define STATE_BANKS 3u
#define STATE_PARTITION_MIN (STATE_FIRST_BANK + STATE_BANKS * STATE_BANK_BYTES)

enum state_result {
    STATE_OK,
    STATE_NONE, /* open: no bank is whole, the store is empty. As after a first boot, or all is lost: see `damaged` */
    STATE_IO_ERROR,  /* open: no bank can be read; commit: not one could be written, the old values are still there */
    STATE_UNUSABLE,  /* the partition is too small, or the disk's blocks are strange */
    STATE_READ_ONLY, /* commit: the disk is */
};

struct state {
    struct disk *disk;
    uint64_t first, sectors; /* the partition, in 512-byte units */
    /* Called once for each state_open() and state_commit(), maybe from within. */
    void (*done)(struct state *state, enum state_result result);
    void *owner;
    /* What is stable, and counters. */
    uint64_t sequence;
    uint64_t commits, failed_commits, bank_errors, healed;
    uint32_t damaged; /* open: banks that began as one and were not whole, or could not be read */
    bool busy;
    /* The store's. */
    bool healing, committing; /* committing: and no bank has the new values yet */
    uint8_t step;
    uint32_t current, bank, pending; /* current: a newest whole bank, STATE_BANKS: none; pending: banks to be written */
    uint32_t length, stored;         /* of the values in memory; of those that `buffer` has for the banks */
    uint32_t held[STATE_BANKS];      /* bytes of values in each bank, as far as they can be anybody's */
    uint32_t offset, end;            /* of what is left to transfer in the bank */
    struct disk_request request;
    struct segment segment;
    uint8_t values[STATE_VALUES_BYTES];
    uint8_t buffer[STATE_BANK_BYTES];
};

/* Reads the store; `disk`, `first`, `sectors`, `done` and `owner` are set by the caller. Banks that are damaged or old
 * are written again before done(). */
void state_open(struct state *state);
/* Makes the values stable. False: busy, done() is not called. */
bool state_commit(struct state *state);

/* Values in memory: free to use once opened, during a commit as well (which took its copy). */
bool state_get(const struct state *state, const char *name, struct state_value *value); /* until the next change */
enum state_set_result state_set(struct state *state, const char *name, uint8_t flags, const void *data, size_t size);
bool state_remove(struct state *state, const char *name);
/* Factory reset: removes all values but STATE_KEPT. Commit it; if the power goes before that is done, do it again. */
void state_reset(struct state *state);

#endif
