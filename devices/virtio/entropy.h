/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes from the machine: the CPU's generator where there is one, a virtio entropy device, or the board's own
 * source. */
#ifndef DEVICES_VIRTIO_ENTROPY_H
#define DEVICES_VIRTIO_ENTROPY_H

#include <mgmt/loop.h>
#include <stddef.h>

/* Whether the machine has a source at all. */
bool entropy_present(void);
/* Loop or worker: up to `length` bytes of full entropy; what was handed out is not kept. Fewer: the device has not
 * delivered yet; ask again later. */
size_t entropy_take(void *buffer, size_t length);
/* Loop: signals `source` once, as soon as at least 64 bytes are there (at once when they are). One waiter. */
void entropy_when_ready(struct loop_source *source);
/* Drivers: what fills the pool where there is neither device nor CPU generator, a block of full entropy at a time, in
 * loop context, a few milliseconds each. False: it cannot, and never will. */
#define ENTROPY_BLOCK 32u
void entropy_add_source(bool (*source)(uint8_t block[ENTROPY_BLOCK]));

#endif
