/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel and several guests with a virtio-net each, as devices/virtio/net_backend.c sees them. Guest i has NIC i;
 * all are on one switch, which also has an uplink without offloads. Tests drive the guests' side of the queues.
 */
#ifndef TESTS_UNIT_FAKE_GUESTS_H
#define TESTS_UNIT_FAKE_GUESTS_H

#include <bulkhead/channel.h>
#include <lib/virtio_ring.h>
#include <net/vswitch.h>
#include <stdbool.h>
#include <stdint.h>

#define GUESTS 3u
#define GUEST_BASE 0x40000000ull
#define GUEST_MEMORY (1u << 20)
/* Guest-physical offsets of queue q (0 receive, 1 transmit), 0x4000 apart. */
#define GUEST_QUEUE_SIZE 64u
#define GUEST_DESCRIPTORS(q) (0x4000u * (q))
#define GUEST_AVAILABLE(q) (GUEST_DESCRIPTORS(q) + 0x1000u)
#define GUEST_USED(q) (GUEST_DESCRIPTORS(q) + 0x2000u)
#define GUEST_TABLE 0x8000u /* for indirect descriptors */
#define GUEST_BUFFERS 0x10000u

struct guest {
    uint8_t *memory; /* GUEST_MEMORY bytes, exactly */
    uint32_t signals, fails, reset_dones;
    uint16_t seen; /* of the receive queue's used ring */
};
extern struct guest guests[GUESTS];
extern uint64_t guests_now_ns;

/* What left through the uplink. */
struct uplink_frame {
    uint32_t length;
    struct virtio_net_header offload;
    uint8_t bytes[2048];
};
extern struct uplink_frame uplink_frames[64];
extern uint32_t uplink_count;
void uplink_input(const uint8_t *frame, uint32_t length);

/* Before each test: drivers reset, memory zero. */
void guests_begin(void);

struct virtio_available *guest_available(uint32_t guest, uint32_t queue);
struct virtio_used *guest_used(uint32_t guest, uint32_t queue);
void guest_describe(uint32_t guest, uint32_t table, uint32_t index, uint64_t address, uint32_t length, uint16_t flags,
                    uint16_t next);
void guest_offer(uint32_t guest, uint32_t queue, uint16_t head);
/* The driver is ready, both queues set up. */
void guest_start(uint32_t guest, uint64_t features);
void guest_reset(uint32_t guest);
void guest_ring(uint32_t guest, uint32_t bits);
void guests_loop(void);
/* Lets time pass; runs timers. */
void guests_wait(uint64_t ns);

#endif
