/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel and one guest, as a back-end under test sees them: a register page, granted memory, hypercalls that are
 * recorded, and the event loop. A test plays the driver by writing the guest's memory and ringing.
 */
#ifndef TESTS_UNIT_FAKE_FRONT_H
#define TESTS_UNIT_FAKE_FRONT_H

#include <bulkhead/channel.h>
#include <lib/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#define FRONT_BASE 0x40000000ull /* the guest's ipa of front_memory */
#define FRONT_SIZE (1u << 20)
#define FRONT_QUEUE_SIZE 256u
/* Where front_start() puts the first queue. */
#define FRONT_DESCRIPTORS 0x0000u
#define FRONT_AVAILABLE 0x1000u
#define FRONT_USED 0x2000u
#define FRONT_DATA 0x10000u

struct front {
    uint64_t offered_features;
    uint8_t config[CHANNEL_CONFIG_SIZE];
    uint32_t offers, attaches, signals, fails, reset_dones;
};
extern struct front front;
extern uint8_t *front_memory; /* FRONT_SIZE bytes, exactly: a byte more is ASan's */

void front_reset_all(void); /* before each test; forgets the back-end's doorbell */
struct channel_state *front_state(void);
/* The driver has set up queue 0, of FRONT_QUEUE_SIZE, and writes DRIVER_OK. */
void front_start(uint64_t features);
/* The driver writes 0 to Status, or the guest stops; returns whether RESET_DONE came at once. */
bool front_stop(void);
void front_ring(uint32_t bits);
/* Runs the event loop until nothing is pending. */
void front_loop(void);

/* The driver's side of queue 0. */
struct virtio_descriptor *front_descriptor(uint32_t index);
struct virtio_available *front_available(void);
struct virtio_used *front_used(void);
void front_describe(uint32_t index, uint64_t address, uint32_t length, uint16_t flags, uint16_t next);
void front_offer(uint16_t head); /* makes a chain available; does not ring */

#endif
