/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel's gigabit NICs: what the 82574 and the 82576 have in common is in intel.c, what differs in a struct
 * intel_model. One queue each way, one message, frames of up to 1522 bytes on the wire. Loop context.
 */
#ifndef DEVICES_NIC_INTEL_H
#define DEVICES_NIC_INTEL_H

#include <devices/nic/nic.h>
#include <devices/pci/pci.h>
#include <lib/native.h>
#include <mgmt/loop.h>

#define INTEL_VENDOR 0x8086u

/* Registers that both have */
#define INTEL_CTRL 0x0000u
#define INTEL_STATUS 0x0008u
#define INTEL_STATUS_LINK 0x2u
#define INTEL_CTRL_EXT 0x0018u
#define INTEL_ICR 0x00c0u
#define INTEL_IMS 0x00d0u
#define INTEL_IMC 0x00d8u
#define INTEL_RCTL 0x0100u
#define INTEL_TCTL 0x0400u
#define INTEL_RXCSUM 0x5000u
#define INTEL_RAL 0x5400u
#define INTEL_RAH 0x5404u
/* of a ring, from its first one on */
#define RING_BASE 0x00u
#define RING_LENGTH 0x08u
#define RING_HEAD 0x10u
#define RING_TAIL 0x18u
#define RING_CONTROL 0x28u

#define INTEL_ICR_LINK 0x04u /* in ICR, IMS, IMC */

/* A frame's transmit offloads, checked against its headers. */
struct intel_offload {
    bool checksum, segment, ipv6, tcp;
    uint32_t ip, transport, payload, size; /* where the headers begin and end; bytes a segment */
};

struct intel_descriptor {
    uint64_t address;
    uint32_t command, status;
};

struct intel;

struct intel_model {
    const char *name;
    uint16_t device;               /* of PCI */
    uint32_t receive, transmit;    /* rings of queue 0 */
    uint32_t mask, unmask, causes; /* registers that hold the message back and let it go; the bits in them */
    /* After the reset and before receiver and transmitter run: how its causes become the message, its kind of receive
     * descriptor. */
    void (*start)(struct intel *nic);
    /* Both rings are set up: the queues, where they have to be switched on. */
    void (*start_queues)(struct intel *nic);
    /* What ICR said beside the link; NULL: nothing more. */
    void (*attend)(struct intel *nic, uint32_t causes);
    /* The descriptor that tells of the offloads, and the two words of those that hold the frame (`length` bytes). */
    struct intel_descriptor (*context)(const struct intel_offload *offload, uint32_t length);
    struct intel_descriptor (*data)(const struct intel_offload *offload, uint32_t length);
};

#define INTEL_RING_SIZE 256u
#define INTEL_BUFFER_SIZE 2048u

struct intel_ring {
    struct intel_descriptor *descriptor; /* INTEL_RING_SIZE */
    uint8_t *buffers;                    /* one a descriptor */
    uintptr_t registers;
    uint32_t next; /* received: the one that the device fills next; sent: the first free one */
};

struct intel {
    struct nic nic;
    const struct intel_model *model;
    struct pci_function function;
    uintptr_t registers;
    uint32_t queue;           /* of the device's: behind those of its virtual functions */
    uint32_t receive_control; /* what the model adds to RCTL */
    uint32_t virtual_ready;   /* mask of virtual functions whose drivers have come */
    struct loop_source source;
    struct interrupt_handler handler;
    struct intel_ring rx, tx;
    bool rx_skip;                      /* up to the end of a frame that does not fit its buffer */
    uint16_t tx_last[INTEL_RING_SIZE]; /* of the frame that begins here */
    uint32_t tx_clean;                 /* the first that the device may still have */
    uint32_t tx_kicked;
    uint64_t tx_full_ns; /* since when the oldest frame keeps others out; 0: it does not */
    bool restart, failed;
};

static inline uint32_t intel_get(const struct intel *nic, uint32_t offset)
{
    return mmio_read32(nic->registers + offset);
}
static inline void intel_set(const struct intel *nic, uint32_t offset, uint32_t value)
{
    mmio_write32(nic->registers + offset, value);
}

/* A model's probe. */
bool intel_probe(const struct pci_function *function, const struct intel_model *model);

#endif
