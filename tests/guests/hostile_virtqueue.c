// SPDX-License-Identifier: Apache-2.0
/*
 * A driver that breaks every rule of virtio, against each back-end that it has. What is asked of the other side: it
 * touches nothing that is not this guest's, it goes on serving others, and after a reset it serves this guest again
 * (issue 2, point 7).
 */
#include "support/virtio.h"

#define NEXT VIRTIO_DESCRIPTOR_NEXT
#define WRITE VIRTIO_DESCRIPTOR_WRITE
#define INDIRECT VIRTIO_DESCRIPTOR_INDIRECT
#define ROUNDS 100u

/* Far from all that this program needs: a disk may read all of its megabyte to here. */
static uint8_t *const memory = (uint8_t *)(GUEST_MEMORY_BASE + 8 * 1024 * 1024);
static struct virtio_device device;
static uint64_t seed = 88172645463325252ull;
static uint64_t memory_end;

static uint64_t wild_address(void)
{
    const uint64_t addresses[] = {
        0,
        1,
        0x08000000,
        0x09000000,
        device.base,
        0x3ffffff0,
        memory_end - 1,
        memory_end,
        memory_end + 4096,
        0x80000000,
        0x100000000,
        1ull << 40,
        1ull << 63,
        ~0ull,
        ~0ull - 4095,
        (uint64_t)memory,
        (uint64_t)device.queue[0].descriptors,
        (uint64_t)device.queue[0].available,
        (uint64_t)device.queue[0].used,
    };

    return addresses[random_next(&seed) % (sizeof(addresses) / sizeof(addresses[0]))];
}

static uint32_t wild_length(void)
{
    static const uint32_t lengths[] = {0, 1, 2, 11, 12, 16, 17, 512, 4096, 65536, 0x7fffffff, 0x80000000, 0xffffffff};

    return lengths[random_next(&seed) % (sizeof(lengths) / sizeof(lengths[0]))];
}

static struct virtio_queue *any_queue(void)
{
    return &device.queue[random_next(&seed) % device.queues];
}

static void ring(struct virtio_queue *queue, uint16_t head)
{
    virtio_offer(queue, head);
    virtio_notify(&device, queue->index);
}

static void wild_addresses(uint32_t round)
{
    struct virtio_queue *queue = &device.queue[round % device.queues];

    virtio_describe(queue, 0, (uint64_t)memory, 16, NEXT | (round & 1 ? WRITE : 0), 1);
    virtio_describe(queue, 1, wild_address(), wild_length(), NEXT | (round & 2 ? WRITE : 0), 2);
    virtio_describe(queue, 2, wild_address(), wild_length(), WRITE, 0);
    ring(queue, (uint16_t)(round % 3));
}

static void loops(uint32_t round)
{
    struct virtio_queue *queue = any_queue();

    for (uint32_t i = 0; i < VIRTIO_QUEUE_SIZE; i++)
        virtio_describe(queue, i, (uint64_t)memory, 16, NEXT | (round & 1 ? WRITE : 0),
                        (uint16_t)(round & 2 ? i : (i + 1) % VIRTIO_QUEUE_SIZE));
    ring(queue, (uint16_t)(round % VIRTIO_QUEUE_SIZE));
}

static void huge_lengths(uint32_t round)
{
    struct virtio_queue *queue = any_queue();

    for (uint32_t i = 0; i < 8; i++)
        virtio_describe(queue, i, (uint64_t)memory, 0xffffffff - (round & 7),
                        (i < 7 ? NEXT : 0) | (round & 8 ? WRITE : 0), (uint16_t)(i + 1));
    ring(queue, 0);
}

static void index_jumps(uint32_t round)
{
    static const uint16_t jumps[] = {1, 63, 64, 65, 100, 0x7fff, 0x8000, 0x8001, 0xffff};
    struct virtio_queue *queue = any_queue();

    virtio_describe(queue, 0, (uint64_t)memory, 64, 0, 0);
    queue->available->index += jumps[round % (sizeof(jumps) / sizeof(jumps[0]))];
    virtio_notify(&device, queue->index);
}

static void wild_heads(uint32_t round)
{
    struct virtio_queue *queue = any_queue();

    virtio_describe(queue, 5, (uint64_t)memory, 64, NEXT, (uint16_t)random_next(&seed));
    ring(queue, round & 1 ? 5 : (uint16_t)random_next(&seed));
}

static void indirect_tables(uint32_t round)
{
    struct virtio_queue *queue = any_queue();
    volatile struct virtio_descriptor *table = (volatile struct virtio_descriptor *)memory;
    static const uint32_t lengths[] = {
        0, 1, 15, 16, 17, 64, 4096, 16 * VIRTIO_QUEUE_SIZE, 16 * (VIRTIO_QUEUE_SIZE + 1), 0xfffffff0};

    for (uint32_t i = 0; i < 64; i++) {
        table[i].address = wild_address();
        table[i].length = wild_length();
        table[i].flags = (uint16_t)(random_next(&seed) & 7);
        table[i].next = (uint16_t)(random_next(&seed) % 80);
    }
    virtio_describe(queue, 0, round & 1 ? (uint64_t)memory : wild_address(), lengths[round % 10],
                    INDIRECT | (round & 2 ? NEXT : 0) | (round & 4 ? WRITE : 0), 0);
    ring(queue, 0);
}

/* The same chain many times over, and completions that nobody takes. */
static void same_heads(uint32_t round)
{
    struct virtio_queue *queue = any_queue();

    (void)round;
    virtio_describe(queue, 0, (uint64_t)memory, 16, NEXT, 1);
    virtio_describe(queue, 1, (uint64_t)memory + 512, 512, NEXT | WRITE, 2);
    virtio_describe(queue, 2, (uint64_t)memory + 1024, 1, WRITE, 0);
    for (uint32_t i = 0; i < VIRTIO_QUEUE_SIZE; i++)
        virtio_offer(queue, 0);
    virtio_notify(&device, queue->index);
}

/* Random bytes as headers: block types, network offloads. */
static void wild_headers(uint32_t round)
{
    struct virtio_queue *queue = &device.queue[device.queues - 1];

    for (uint32_t i = 0; i < 2048; i += 8)
        *(uint64_t *)&memory[i] = random_next(&seed);
    if (round & 1)
        *(uint32_t *)memory = (uint32_t)(random_next(&seed) % 16);
    virtio_describe(queue, 0, (uint64_t)memory, round & 2 ? 16 : (uint32_t)(random_next(&seed) % 80), NEXT, 1);
    virtio_describe(queue, 1, (uint64_t)memory + 64, (uint32_t)(random_next(&seed) % 2000),
                    NEXT | (round & 4 ? WRITE : 0), 2);
    virtio_describe(queue, 2, (uint64_t)memory + 4096, 1, round & 8 ? WRITE : 0, 0);
    ring(queue, 0);
}

/* Queues where there is no memory, or each on top of the other; reconfigured while they run. */
static void queue_addresses(uint32_t round)
{
    struct virtio_queue *queue = any_queue();
    static const uint32_t registers[] = {VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_DRIVER_LOW,
                                         VIRTIO_MMIO_QUEUE_DEVICE_LOW};
    uint64_t address = wild_address();

    virtio_write(&device, VIRTIO_MMIO_QUEUE_SEL, queue->index);
    if (round & 1)
        virtio_write(&device, VIRTIO_MMIO_QUEUE_READY, 0);
    virtio_write(&device, VIRTIO_MMIO_QUEUE_NUM, (uint32_t)random_next(&seed) & (round & 2 ? 0x1ff : ~0u));
    virtio_write(&device, registers[round % 3], (uint32_t)address);
    virtio_write(&device, registers[round % 3] + 4, (uint32_t)(address >> 32));
    virtio_write(&device, VIRTIO_MMIO_QUEUE_READY, 1);
    if (round & 4)
        virtio_write(&device, VIRTIO_MMIO_STATUS, 15);
    ring(queue, (uint16_t)(round % VIRTIO_QUEUE_SIZE));
}

static void random_registers(uint32_t round)
{
    (void)round;
    for (uint32_t i = 0; i < 100; i++) {
        uint64_t number = random_next(&seed), value = random_next(&seed);
        uint64_t address = device.base + (number & 1 ? number >> 8 & 0xfff : number >> 8 & 0xff);

        fault_expect();
        switch (number >> 1 & 3) {
        case 0:
            write8(address, (uint8_t)value);
            break;
        case 1:
            write16(address & ~1ull, (uint16_t)value);
            break;
        case 2:
            write32(address & ~3ull, (uint32_t)(number & 8 ? value : value & 3));
            break;
        default:
            write64(address & ~7ull, value);
            break;
        }
        fault_taken();
    }
}

static void notify_storm(uint32_t round)
{
    for (uint32_t i = 0; i < 500; i++)
        virtio_notify(&device, round & 1 ? i & 7 : (uint32_t)random_next(&seed));
}

static void reset_storm(uint32_t round)
{
    (void)round;
    wild_headers(8);
    virtio_reset(&device);
    virtio_start(&device);
}

static const struct attack {
    const char *name;
    void (*run)(uint32_t round);
    uint32_t restart_every; /* rounds */
} attacks[] = {
    {"wild addresses", wild_addresses, 1},
    {"descriptor loops", loops, 1},
    {"huge lengths", huge_lengths, 1},
    {"index jumps", index_jumps, 1},
    {"wild heads", wild_heads, 1},
    {"indirect tables", indirect_tables, 1},
    {"the same chain again and again", same_heads, 7},
    {"wild headers", wild_headers, 5},
    {"queues at wild addresses", queue_addresses, 2},
    {"random register writes", random_registers, 10},
    {"notify storm", notify_storm, 50},
    {"reset storm", reset_storm, 50},
};

/* What a second CPU changes while the first one rings. */
static volatile bool change;
static volatile struct virtio_descriptor *changed[2]; /* by queue; at the same place in every start */

static void changer(uint32_t index)
{
    uint64_t own = 0x9e3779b97f4a7c15ull + index;

    while (change) {
        uint32_t which = (uint32_t)(random_next(&own) % 4);
        volatile struct virtio_descriptor *descriptor = &changed[random_next(&own) % device.queues][which];

        switch (random_next(&own) % 6) {
        case 0:
            descriptor->address = random_next(&own) % 2 ? (uint64_t)memory : ~0ull << (random_next(&own) % 40);
            break;
        case 1:
            descriptor->length = random_next(&own) % 2 ? 16 : (uint32_t)random_next(&own);
            break;
        case 2:
            descriptor->flags = (uint16_t)(random_next(&own) % 8);
            break;
        case 3:
            descriptor->next = (uint16_t)(random_next(&own) % 5);
            break;
        case 4:
            *(volatile uint32_t *)memory = (uint32_t)(random_next(&own) % 16);
            break;
        default:
            descriptor->address = (uint64_t)memory;
            descriptor->length = 16;
            descriptor->flags = which < 2 ? NEXT : WRITE;
            descriptor->next = (uint16_t)(which + 1);
            break;
        }
    }
}

static bool changed_in_flight(void)
{
    bool followed = true;

    if (!virtio_start(&device))
        return false;
    for (uint32_t i = 0; i < device.queues; i++)
        changed[i] = device.queue[i].descriptors;
    change = true;
    if (cpu_start(1, changer) != 0)
        return false;
    for (uint64_t end = now_ms() + 2000; now_ms() < end && followed;) {
        followed = virtio_start(&device);
        for (uint32_t i = 0; i < 200; i++) {
            virtio_describe(any_queue(), 0, (uint64_t)memory, 16, NEXT, 1);
            ring(any_queue(), (uint16_t)(i % 4));
        }
    }
    change = false;
    for (uint64_t end = now_ms() + PATIENCE_MS; !cpu_is_off(1) && now_ms() < end;)
        cpu_relax();
    return followed;
}

static void try_device(uint32_t id, const char *name)
{
    uint32_t rounds;

    device = virtio_find(id);
    if (device.base == 0) {
        check(false, "%s: there is one", name);
        return;
    }
    check(virtio_start(&device) && virtio_works(&device), "%s: works", name);
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        bool followed = true;

        for (rounds = 0; rounds < ROUNDS && followed; rounds++) {
            if (rounds % attacks[i].restart_every == 0)
                followed = virtio_start(&device);
            attacks[i].run(rounds);
        }
        check(followed, "%s: %s: can be reset %u times", name, attacks[i].name,
              (unsigned)(rounds / attacks[i].restart_every));
        check(virtio_start(&device) && virtio_works(&device), "%s: works after that", name);
    }
    if (guest_cpus() > 1) {
        check(changed_in_flight(), "%s: descriptors that change in flight", name);
        check(virtio_start(&device) && virtio_works(&device), "%s: works after that", name);
    }
    virtio_reset(&device);
}

void guest_main(void)
{
    struct guest_memory all = guest_memory();

    memory_end = all.base + all.size;
    try_device(VIRTIO_ID_BLOCK, "block");
    try_device(VIRTIO_ID_NET, "network");
    try_device(VIRTIO_ID_CONSOLE, "console");
    try_device(VIRTIO_ID_ENTROPY, "entropy");
    check(machine_errors() == 0, "no error that the machine reports");
}
