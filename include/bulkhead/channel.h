/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A channel joins one front-end (a guest's virtio driver) to one back-end (our server for it).
 *
 * Its register page is a virtio-mmio version 2 bank (virtio 1.2, section 4.2.2) that lies in kernel memory: mapped
 * read-only into the front-end at its virtio slot and read-only into the back-end's domain. The front-end's reads are
 * plain loads; its writes trap, and the kernel updates the page. What the back-end needs to serve the queues stands
 * behind the registers in the same page, so a restarted back-end re-attaches to running queues by reading it.
 *
 * Doorbells: one page a back-end domain, read-write for it. The kernel ORs bits in (release) and raises the doorbell
 * interrupt when `summary` was zero for that channel's word; the domain takes them with an atomic exchange (acquire).
 * Nothing in that page is ever read back by the kernel as anything but "is an interrupt needed".
 */
#ifndef BULKHEAD_CHANNEL_H
#define BULKHEAD_CHANNEL_H

#include <bulkhead/limits.h>
#include <stdint.h>

/* Offsets into the register page, virtio 1.2 table 4.1. */
enum virtio_mmio_register {
    VIRTIO_MMIO_MAGIC = 0x000, /* 0x74726976 */
    VIRTIO_MMIO_VERSION = 0x004,
    VIRTIO_MMIO_DEVICE_ID = 0x008,
    VIRTIO_MMIO_VENDOR_ID = 0x00c,
    VIRTIO_MMIO_DEVICE_FEATURES = 0x010,
    VIRTIO_MMIO_DEVICE_FEATURES_SEL = 0x014,
    VIRTIO_MMIO_DRIVER_FEATURES = 0x020,
    VIRTIO_MMIO_DRIVER_FEATURES_SEL = 0x024,
    VIRTIO_MMIO_QUEUE_SEL = 0x030,
    VIRTIO_MMIO_QUEUE_NUM_MAX = 0x034,
    VIRTIO_MMIO_QUEUE_NUM = 0x038,
    VIRTIO_MMIO_QUEUE_READY = 0x044,
    VIRTIO_MMIO_QUEUE_NOTIFY = 0x050,
    VIRTIO_MMIO_INTERRUPT_STATUS = 0x060,
    VIRTIO_MMIO_INTERRUPT_ACK = 0x064,
    VIRTIO_MMIO_STATUS = 0x070,
    VIRTIO_MMIO_QUEUE_DESC_LOW = 0x080,
    VIRTIO_MMIO_QUEUE_DESC_HIGH = 0x084,
    VIRTIO_MMIO_QUEUE_DRIVER_LOW = 0x090,
    VIRTIO_MMIO_QUEUE_DRIVER_HIGH = 0x094,
    VIRTIO_MMIO_QUEUE_DEVICE_LOW = 0x0a0,
    VIRTIO_MMIO_QUEUE_DEVICE_HIGH = 0x0a4,
    VIRTIO_MMIO_SHM_LEN_LOW = 0x0b0,  /* reads -1: no shared memory region */
    VIRTIO_MMIO_SHM_LEN_HIGH = 0x0b4, /* likewise */
    VIRTIO_MMIO_CONFIG_GENERATION = 0x0fc,
    VIRTIO_MMIO_CONFIG = 0x100,
};
#define VIRTIO_MMIO_MAGIC_VALUE 0x74726976u
#define BULKHEAD_VIRTIO_VENDOR 0x48424b42u /* "BKBH" */
#define CHANNEL_CONFIG_SIZE 256u
#define CHANNEL_STATE_OFFSET 0x800u

enum virtio_status {
    VIRTIO_STATUS_ACKNOWLEDGE = 1,
    VIRTIO_STATUS_DRIVER = 2,
    VIRTIO_STATUS_DRIVER_OK = 4,
    VIRTIO_STATUS_FEATURES_OK = 8,
    VIRTIO_STATUS_NEEDS_RESET = 64,
    VIRTIO_STATUS_FAILED = 128,
};

enum virtio_device_id {
    VIRTIO_ID_NET = 1,
    VIRTIO_ID_BLOCK = 2,
    VIRTIO_ID_CONSOLE = 3,
    VIRTIO_ID_ENTROPY = 4,
};

struct channel_queue {
    uint32_t size;  /* a power of two, 1..BULKHEAD_QUEUE_SIZE_MAX, checked by the kernel */
    uint32_t ready; /* 0 or 1 */
    /* Front-end's ipa. Not checked against the grant: the back-end does that with each use. Aligned as virtio asks. */
    uint64_t descriptors;
    uint64_t driver; /* available ring */
    uint64_t device; /* used ring */
};

enum channel_flags {
    CHANNEL_ATTACHED = 1,  /* the back-end serves it */
    CHANNEL_RESETTING = 2, /* the front-end resets or its domain stops: let go of every buffer, then RESET_DONE */
};

/* At CHANNEL_STATE_OFFSET of the register page; written by the kernel alone. */
struct channel_state {
    uint32_t flags;
    uint32_t generation;      /* counts front-end resets: a back-end that cached queue state compares it */
    uint64_t driver_features; /* what the driver accepted; final once FEATURES_OK stands in Status */
    struct channel_queue queue[BULKHEAD_QUEUES_MAX];
    uint64_t notifies, interrupts, resets, failures; /* counters */
};

/* Doorbell bits in doorbell_page.channel[n]: bit q for a notify of queue q (q < 4), and */
#define DOORBELL_STATUS 0x100u /* status, features or flags of the channel changed: read its page */
/* and in doorbell_page.system: */
#define DOORBELL_DOMAIN 1u  /* a domain's state changed: read the status page */
#define DOORBELL_CONSOLE 2u /* console rings grew, or a UART has room for input again */
#define DOORBELL_LOG 4u     /* the kernel log grew */

struct doorbell_page {
    _Atomic uint64_t summary; /* bit n: channel[n] is non-zero. Take this first, then the words. */
    _Atomic uint32_t system;
    uint32_t reserved;
    _Atomic uint32_t channel[BULKHEAD_CHANNELS_MAX];
};

#endif
