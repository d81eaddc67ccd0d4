/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Updates: fills the boot slot that does not run, as bytes arrive, and opens it for one trial boot (docs/update.md).
 *
 * What was sent is refused before anything on the disk changes if it is not for this board, too old, too large, or not
 * signed. Then the slot that stays is read and compared with its own manifest: nothing is written while it is not
 * whole. The other one is closed before its first byte, and opened when all of it was read back. So the power may go
 * at any moment. Memory is fixed. Loop context.
 */
#ifndef STORAGE_UPDATE_H
#define STORAGE_UPDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <storage/manifest.h>
#include <storage/slots.h>

enum update_phase {
    UPDATE_IDLE,
    UPDATE_INSPECTING, /* the slots' manifests are read */
    UPDATE_HEADER,     /* the manifest arrives */
    UPDATE_SIGNATURE,  /* it is being checked */
    UPDATE_KEPT,       /* the slot that stays is compared with its manifest */
    UPDATE_CLOSING,
    UPDATE_WRITING,  /* arrives and is written */
    UPDATE_SEALING,  /* the manifest, a flush */
    UPDATE_CHECKING, /* read back */
    UPDATE_OPENING,
    UPDATE_DONE,
    UPDATE_FAILED,
};

struct update_status {
    enum update_phase phase;
    uint32_t slot;                              /* that is written */
    uint64_t done, total;                       /* bytes, of this phase */
    char problem[160];                          /* UPDATE_FAILED */
    uint64_t started, completed, failed, bytes; /* counters: updates, and bytes written to slots */
};
const struct update_status *update_status(void);
bool update_busy(void);

/* Reads the manifests of both slots, once the partition "state" was found; done(): they are known. False: busy. */
bool update_inspect(void (*done)(void));
/* The slot that runs: what the loader told the kernel, else what it noted on the disk, unless the manifests say that it
 * must be the other. -1: unknown, or none. */
int update_running(void);
/* NULL: it has none, or none that is whole. */
const struct manifest *update_manifest(uint32_t slot);
/* What is wrong with a slot's manifest, for people; NULL: nothing, or the slot was never filled. */
const char *update_manifest_problem(uint32_t slot);
/* Why a slot that has a manifest could not be started, as far as its bytes tell, after they were all read: for people,
 * or NULL: they are what was installed. done() once; false: busy. */
bool update_examine(uint32_t slot, void (*done)(const char *why));
/* The lowest version that may be installed, or run: that of the store (value "rollback") or of the configuration. */
uint32_t update_version_minimum(void);

/* Begins; `changed` is called when the phase changed or more can be received, maybe from within a call into here.
 * NULL, or why it cannot be. */
const char *update_begin(void (*changed)(void *owner), void *owner);
/* Bytes of the file; returns how many were taken, less while the disk is behind. */
size_t update_receive(const uint8_t *data, size_t length);
/* It is to end: fails, at once or in a moment. False: there is none, or all its bytes are there and it goes on. */
bool update_abandon(const char *why);
void update_forget(void); /* `changed` is not called any more */

#endif
