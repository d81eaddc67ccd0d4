/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes from the machine: the CPU's generator where there is one, and a virtio entropy device. */
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

#endif
