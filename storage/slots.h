/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which boot slot starts: Android's bootloader_control block, which U-Boot's `ab_select` reads, counts down and writes.
 * It stands at byte SLOTS_OFFSET of the partition "state", with a copy at SLOTS_BACKUP_OFFSET. Bytes only, no I/O; all
 * of it may come from a disk, and every function is total.
 *
 * A slot can boot while it has tries left. Only boots of an unconfirmed slot take one. So an update goes: the idle slot
 * is closed, filled, checked, opened for one trial; the trial is confirmed, or the next boot takes the other slot.
 */
#ifndef STORAGE_SLOTS_H
#define STORAGE_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#define SLOTS 2u
#define SLOTS_OFFSET 0x800u         /* where Android's misc partition has it */
#define SLOTS_BACKUP_OFFSET 0x1800u /* U-Boot's CONFIG_ANDROID_AB_BACKUP_OFFSET=0x1000 */
#define SLOTS_BYTES 32u
#define SLOTS_TRIES_MAX 7u
#define SLOTS_PRIORITY_MAX 15u

struct slot {
    uint8_t priority; /* 0..15; of two that can boot the higher one does */
    uint8_t tries;    /* 0..7; 0: it does not boot */
    bool successful;  /* confirmed: booting takes no try */
    bool corrupted;   /* it does not boot */
};

struct slots {
    int8_t last; /* the slot that was chosen last, -1: none yet */
    struct slot slot[SLOTS];
};

/* False: not such a block, damaged, of a newer version, or not of SLOTS slots. */
bool slots_parse(const uint8_t block[SLOTS_BYTES], struct slots *slots);
void slots_write(const struct slots *slots, uint8_t block[SLOTS_BYTES]);
/* The primary, or the backup where that is damaged. False: neither is whole. */
bool slots_read(const uint8_t primary[SLOTS_BYTES], const uint8_t backup[SLOTS_BYTES], struct slots *slots);

/* The slot that the next boot takes, as U-Boot chooses; -1: none can boot. */
int slots_next(const struct slots *slots);
/* What choosing does to the block: a loader of ours writes it before it starts the slot. */
int slots_boot(struct slots *slots);

void slots_close(struct slots *slots, uint32_t slot);   /* it is about to be filled, or is damaged: does not boot */
void slots_trial(struct slots *slots, uint32_t slot);   /* it boots once, the other one after that */
void slots_confirm(struct slots *slots, uint32_t slot); /* it boots from now on */

/* By the record as the loader left it, once `running` has started: the confirmed slot that it went by, since it could
 * not start it. -1: none. (A trial that it went by has lost its try, and is not told from one that ended early.) */
int slots_gone_by(const struct slots *slots, uint32_t running);
/* That slot does not boot until it is filled; its priority stays. The loaders still take it before they give up. */
void slots_refuse(struct slots *slots, uint32_t slot);

#endif
