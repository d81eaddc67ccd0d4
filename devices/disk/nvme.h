/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the driver of NVMe controllers have of each other (NVM Express base specification 2.0, NVM command
 * set 1.0): nvme_probe.c finds controllers and their namespaces, nvme.c brings a controller up and back, nvme_request.c
 * turns requests into commands, nvme_queue.c is what commands and completions travel through. Loop context.
 */
#ifndef DEVICES_DISK_NVME_H
#define DEVICES_DISK_NVME_H

#include <devices/disk/driver.h>
#include <devices/pci/pci.h>
#include <lib/native.h>
#include <mgmt/loop.h>

#define NVME_DISKS_MAX 4u        /* namespaces of one controller */
#define NVME_SECONDARIES_MAX 16u /* virtual functions of one */
#define NVME_SLOTS 63u
#define NVME_LIST_SIZE 2048u /* of a slot: PRP list, SGL, or range; never across a page */
#define NVME_ADMIN_LIMIT_NS 5000000000ull

/* Registers, 3.1.3 */
#define CAP 0x00u
#define CAP_QUEUE_ENTRIES 0xffffu /* - 1 */
#define CAP_TIMEOUT_SHIFT 24      /* in 500 ms */
#define CAP_STRIDE 0xfu           /* of the upper half */
#define CAP_NVM_COMMANDS (1u << (37 - 32))
#define CAP_PAGE_MIN (0xfu << (48 - 32))
#define CC 0x14u
#define CC_ENABLE (1u | 6u << 16 | 4u << 20) /* commands of 64 bytes, completions of 16, pages of 4 KiB */
#define CSTS 0x1cu
#define CSTS_READY 1u
#define CSTS_FATAL 2u
#define AQA 0x24u
#define ASQ 0x28u
#define ACQ 0x30u
#define DOORBELLS 0x1000u

/* Admin commands, section 5 */
enum {
    ADMIN_CREATE_SUBMISSION = 0x01,
    ADMIN_CREATE_COMPLETION = 0x05,
    ADMIN_IDENTIFY = 0x06,
    ADMIN_SET_FEATURES = 0x09,
    ADMIN_VIRTUALIZATION = 0x1c,
};
/* Virtualization Management (2.0, 5.26) */
#define VIRTUALIZATION_PRIMARY 1u /* resources for this controller, from its next reset on */
#define VIRTUALIZATION_SECONDARY 8u
#define VIRTUALIZATION_ONLINE 9u
#define RESOURCE_QUEUES (0u << 8)
#define RESOURCE_INTERRUPTS (1u << 8)
#define NVME_STATUS_PHASE 1u
#define NVME_STATUS_CODE 0x7ffu /* and its type, << 1 in the completion */

struct nvme_command {
    uint8_t opcode, flags;
    uint16_t id;
    uint32_t namespace_id;
    uint64_t reserved, metadata, data[2];
    uint32_t dword[6]; /* 10 to 15 */
};
_Static_assert(sizeof(struct nvme_command) == 64, "as CC says");

struct nvme_completion {
    uint32_t result, reserved;
    uint16_t head, queue, id, status;
};
_Static_assert(sizeof(struct nvme_completion) == 16, "as CC says");

struct nvme_queue {
    struct nvme_command *submission;             /* a page */
    volatile struct nvme_completion *completion; /* a page */
    uintptr_t tail_doorbell, head_doorbell;
    uint16_t size, tail, head, phase;
    bool tail_moved, head_moved; /* since the doorbells were rung */
};

struct nvme_disk {
    struct disk disk;
    struct nvme *nvme;
    uint32_t namespace_id, block_shift; /* sectors to blocks */
    struct disk_list waiting;
};

struct nvme_slot {
    struct disk_request *request; /* NULL: free */
    struct nvme_disk *disk;
    uint8_t *copy; /* what the controller has in place of the segments */
    uint64_t deadline_ns;
    struct nvme_slot *next; /* while free */
};

enum nvme_state { NVME_DISABLING, NVME_ENABLING, NVME_PREPARING, NVME_READY, NVME_GONE };

struct nvme {
    struct pci_function function;
    uintptr_t registers;
    enum nvme_state state;
    uint32_t stage; /* NVME_PREPARING */
    uint64_t deadline_ns, reset_limit_ns;
    struct nvme_queue admin, io;
    struct nvme_slot slot[NVME_SLOTS], *free;
    uint32_t slots, in_flight;
    uint8_t *lists; /* NVME_LIST_SIZE a slot */
    uint8_t *page;  /* that Identify fills */
    bool has_sgl;
    uint32_t transfer_max; /* bytes */
    struct nvme_disk disk[NVME_DISKS_MAX];
    uint32_t disk_count, next_disk;
    uint32_t resets_in_row;
    /* Its virtual functions: their controllers' numbers (0: it has none), and what each is given. */
    uint16_t secondary[NVME_SECONDARIES_MAX];
    uint32_t secondaries, secondary_queues, secondary_interrupts;
    struct interrupt_handler handler;
    struct loop_source source;
    struct loop_timer timer;
};

static inline uint32_t nvme_get(const struct nvme *nvme, uint32_t offset)
{
    return mmio_read32(nvme->registers + offset);
}

static inline void nvme_set(const struct nvme *nvme, uint32_t offset, uint32_t value)
{
    mmio_write32(nvme->registers + offset, value);
}

/* nvme_queue.c: a pair of queues. There is always room: no more commands are under way than a queue holds. */
void nvme_queue_init(struct nvme_queue *queue, uint16_t size /* commands, at most a page */);
void nvme_queue_put(struct nvme_queue *queue, const struct nvme_command *command);
/* The next completion: its `id` and `status`, to be checked; false: there is none. */
bool nvme_queue_take(struct nvme_queue *queue, struct nvme_completion *done);
/* Tells the controller of all that was put and taken since the last time. */
void nvme_queue_ring(struct nvme_queue *queue);

/* nvme.c: the controller's states. Neither NVME_READY nor NVME_GONE: nvme_step() gets it on, nvme_look() by a timer. */
void nvme_disable(struct nvme *nvme);
void nvme_step(struct nvme *nvme);
void nvme_look(struct loop_timer *timer);
void nvme_reset(struct nvme *nvme, const char *why);          /* what it has, is given to it again */
void nvme_give_up(struct nvme *nvme, const char *why);        /* what it has, fails; for ever */
void nvme_release(struct nvme *nvme, struct nvme_slot *slot); /* its command is done, or taken back */

/* nvme_request.c */
void nvme_submit(struct disk *disk, struct disk_request *request); /* disk.h's */
void nvme_serve(struct loop_source *source);                       /* takes completions, starts what waits */

#endif
