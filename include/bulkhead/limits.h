/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes that both sides of a boundary agree on. The resolver (tools/resolver) reads them from here too. */
#ifndef BULKHEAD_LIMITS_H
#define BULKHEAD_LIMITS_H

#define BULKHEAD_PARTITIONS_MAX 8
#define BULKHEAD_CPUS_MAX 8
#define BULKHEAD_CHANNELS_MAX 64
#define BULKHEAD_QUEUES_MAX 4       /* virtqueues a channel */
#define BULKHEAD_QUEUE_SIZE_MAX 256 /* descriptors a virtqueue */
#define BULKHEAD_CONSOLES_MAX 16    /* console rings in all */
#define BULKHEAD_NAME_MAX 16        /* bytes of a name with its NUL */
#define BULKHEAD_DEVICES_MAX 128    /* PCI functions that the kernel knows */
#define BULKHEAD_CONSOLE_RING_SIZE 65536
#define BULKHEAD_LOG_RING_SIZE 65536
#define BULKHEAD_EVENTS_MAX 64 /* supervision events kept in the persistent log */

#endif
