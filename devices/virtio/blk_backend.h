/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio-blk back-end: a guest's requests become a volume's. The guest's buffers go to the physical disk as they
 * are. A module: it attaches each channel of disks[] once its volume has opened, or could not be; a guest then finds a
 * disk of no sectors.
 *
 * Durability: what a guest's WRITE that was answered has written is on the disk once a FLUSH sent after it is answered.
 * A driver that does not accept VIRTIO_BLK_F_FLUSH gets write-through instead: its WRITE is answered after the disk's
 * FLUSH.
 */
#ifndef DEVICES_VIRTIO_BLK_BACKEND_H
#define DEVICES_VIRTIO_BLK_BACKEND_H

void blk_backend_start(void);

#endif
