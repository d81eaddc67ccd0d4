// SPDX-License-Identifier: Apache-2.0
/*
 * The bench guest: COUNT of each operation between marks that the TCG plugin sees (tests/bench/plugin.c). A raw image
 * of its own rather than a native domain, so that nothing but the operation stands between the marks. It runs with the
 * MMU off and one vCPU spinning or waiting for the other.
 */
#include <bulkhead/channel.h>
#include <bulkhead/guest_map.h>
#include <bulkhead/partition.h>
#include <stdint.h>

#define COUNT 10000
#define MARK(n) __asm__ volatile("hint %0" ::"i"(n) : "memory")
#define MEASURE(n, step)                                                                                               \
    do {                                                                                                               \
        MARK(96 + n);                                                                                                  \
        for (int i = 0; i < COUNT; i++) {                                                                              \
            step;                                                                                                      \
        }                                                                                                              \
        MARK(112 + n);                                                                                                 \
    } while (0)

#define read_register(name)                                                                                            \
    ({                                                                                                                 \
        uint64_t value_;                                                                                               \
        __asm__ volatile("mrs %0, " #name : "=r"(value_)::"memory");                                                   \
        value_;                                                                                                        \
    })
#define write_register(name, value) __asm__ volatile("msr " #name ", %0\n isb" ::"r"((uint64_t)(value)) : "memory")

#define SGI 3
#define VIRTUAL_TIMER 27
#define PSCI_VERSION 0x84000000u
#define PSCI_CPU_ON 0xc4000003u
#define PSCI_SYSTEM_OFF 0x84000008u
#define SMCCC_VERSION 0x80000000u

static volatile uint64_t taken[2]; /* interrupts a vCPU */
static volatile uint32_t second_ready, second_waits, finished;
static volatile uint64_t entropy; /* register page of the virtio-rng */

void secondary_start(void);

/* Assembly, because a load or store with writeback, which the compiler may choose, has no valid syndrome to emulate it
 * by. */
static uint32_t mmio_read(uint64_t address)
{
    uint32_t value;

    __asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static void mmio_write(uint64_t address, uint32_t value)
{
    __asm__ volatile("str %w0, [%1]" ::"r"(value), "r"(address) : "memory");
}

static uint64_t hypercall(uint64_t function, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = a;
    register uint64_t x2 __asm__("x2") = b;
    register uint64_t x3 __asm__("x3") = c;

    __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory");
    return x0;
}

static void print(const char *text)
{
    for (; *text; text++)
        mmio_write(GUEST_UART_BASE, (uint8_t)*text);
}

static void print_number(uint64_t value)
{
    char text[19] = "0x";

    for (int i = 0; i < 16; i++)
        text[2 + i] = "0123456789abcdef"[value >> (60 - 4 * i) & 15];
    text[18] = 0;
    print(text);
}

void bench_unexpected(uint64_t syndrome, uint64_t pc, uint64_t address)
{
    print("BENCH FAIL: exception, ESR "), print_number(syndrome);
    print(" at "), print_number(pc);
    print(" address "), print_number(address);
    print("\n");
    hypercall(PSCI_SYSTEM_OFF, 0, 0, 0);
}

static uint64_t this_cpu(void)
{
    return read_register(mpidr_el1) & 1;
}

void bench_interrupt(void)
{
    uint64_t id = read_register(icc_iar1_el1);

    if (id == VIRTUAL_TIMER)
        write_register(cntv_ctl_el0, 0);
    else if (id >= 32 && entropy != 0)
        mmio_write(entropy + VIRTIO_MMIO_INTERRUPT_ACK, mmio_read(entropy + VIRTIO_MMIO_INTERRUPT_STATUS));
    if (id < 1020) {
        taken[this_cpu()]++;
        write_register(icc_eoir1_el1, id);
    }
}

static void interrupts_init(void)
{
    uint64_t frame = GUEST_GICR_BASE + this_cpu() * 0x20000;

    mmio_write(GUEST_GICD_BASE, 0x12);                       /* ARE, group 1 */
    mmio_write(frame + 0x14, mmio_read(frame + 0x14) & ~2u); /* GICR_WAKER */
    while (mmio_read(frame + 0x14) & 4) {
    }
    mmio_write(frame + 0x10080, 0xffffffff); /* IGROUPR0 */
    mmio_write(frame + 0x10100, 1u << SGI | 1u << VIRTUAL_TIMER);
    for (int i = 0; i < 32; i += 4)
        mmio_write(frame + 0x10400 + (uint64_t)i, 0x80808080);
    write_register(icc_sre_el1, 7);
    write_register(icc_pmr_el1, 0xff);
    write_register(icc_igrpen1_el1, 1);
    __asm__ volatile("msr daifclr, #2");
}

void secondary_main(void)
{
    interrupts_init();
    second_ready = 1;
    while (!finished) {
        if (second_waits)
            __asm__ volatile("wfi");
        else
            __asm__ volatile("yield");
    }
    for (;;)
        __asm__ volatile("wfi");
}

static void self_sgi(void)
{
    uint64_t before = taken[0];

    write_register(icc_sgi1r_el1, (uint64_t)SGI << 24 | 1);
    while (taken[0] == before)
        __asm__ volatile("yield");
}

static void timer_interrupt(void)
{
    uint64_t before = taken[0];

    write_register(cntv_cval_el0, 0);
    write_register(cntv_ctl_el0, 1);
    while (taken[0] == before)
        __asm__ volatile("yield");
}

static void other_sgi(void)
{
    uint64_t before = taken[1];

    write_register(icc_sgi1r_el1, (uint64_t)SGI << 24 | 2);
    while (taken[1] == before)
        __asm__ volatile("yield");
}

/* A virtio-rng with one queue of 8, driven by hand: enough for a doorbell with and without a request behind it. */
static struct {
    struct {
        uint64_t address;
        uint32_t length;
        uint16_t flags, next;
    } descriptor[8];
    struct {
        volatile uint16_t flags, index, ring[8], used_event;
    } available;
    _Alignas(8) struct {
        volatile uint16_t flags, index;
        struct {
            volatile uint32_t id, length;
        } ring[8];
        volatile uint16_t available_event;
    } used;
    uint8_t data[64];
} queue __attribute__((aligned(4096)));

static void virtio_write(uint32_t offset, uint32_t value)
{
    mmio_write(entropy + offset, value);
}

static int entropy_init(void)
{
    /* The configuration gives this guest its virtio-rng first, so it stands in slot 0. */
    if (mmio_read(GUEST_VIRTIO_BASE + VIRTIO_MMIO_DEVICE_ID) != VIRTIO_ID_ENTROPY)
        return 0;
    entropy = GUEST_VIRTIO_BASE;
    mmio_write(GUEST_GICD_BASE + 0x84, 0xffffffff); /* IGROUPR1 */
    mmio_write(GUEST_GICD_BASE + 0x104, 1u << GUEST_LINE_VIRTIO);
    for (uint64_t i = 32; i < 64; i += 4)
        mmio_write(GUEST_GICD_BASE + 0x400 + i, 0x80808080);
    virtio_write(VIRTIO_MMIO_STATUS, 0);
    virtio_write(VIRTIO_MMIO_STATUS, 1);
    virtio_write(VIRTIO_MMIO_STATUS, 3);
    virtio_write(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
    virtio_write(VIRTIO_MMIO_DRIVER_FEATURES, 1); /* VERSION_1 */
    virtio_write(VIRTIO_MMIO_STATUS, 11);
    virtio_write(VIRTIO_MMIO_QUEUE_SEL, 0);
    virtio_write(VIRTIO_MMIO_QUEUE_NUM, 8);
    virtio_write(VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)(uintptr_t)&queue.descriptor);
    virtio_write(VIRTIO_MMIO_QUEUE_DRIVER_LOW, (uint32_t)(uintptr_t)&queue.available);
    virtio_write(VIRTIO_MMIO_QUEUE_DEVICE_LOW, (uint32_t)(uintptr_t)&queue.used);
    virtio_write(VIRTIO_MMIO_QUEUE_READY, 1);
    virtio_write(VIRTIO_MMIO_STATUS, 15);
    return 1;
}

/* One request for 16 random bytes, there and back by interrupt. */
static void entropy_request(void)
{
    uint64_t before = taken[0];

    queue.descriptor[0].address = (uint64_t)(uintptr_t)queue.data;
    queue.descriptor[0].length = 16;
    queue.descriptor[0].flags = 2;
    queue.available.ring[queue.available.index % 8] = 0;
    __asm__ volatile("dmb sy" ::: "memory");
    queue.available.index++;
    __asm__ volatile("dmb sy" ::: "memory");
    virtio_write(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
    while (taken[0] == before)
        __asm__ volatile("wfi");
}

void bench_main(void)
{
    uint64_t sink = 0;
    int has_entropy;

    print("BENCH start\n");
    interrupts_init();
    /* Waits for the back-end, so from here on the management domain has started and sleeps. */
    has_entropy = entropy_init();
    if (has_entropy)
        entropy_request();
    for (int i = 0; i < 100; i++) {
        self_sgi();
        timer_interrupt();
    }
    MEASURE(1, hypercall(PSCI_VERSION, 0, 0, 0));
    MEASURE(2, hypercall(SMCCC_VERSION, 0, 0, 0));
    MEASURE(3, sink += mmio_read(GUEST_GICD_BASE + 4));
    MEASURE(4, sink += mmio_read(GUEST_UART_BASE + 0x18));
    MEASURE(5, self_sgi());
    MEASURE(6, timer_interrupt());
    if ((int64_t)hypercall(PSCI_CPU_ON, 1, (uint64_t)(uintptr_t)secondary_start, 0) == 0) {
        while (!second_ready)
            __asm__ volatile("yield");
        MEASURE(7, other_sgi());
        second_waits = 1;
        other_sgi();
        MEASURE(8, other_sgi());
        finished = 1;
        other_sgi();
    } else
        print("BENCH one vCPU: no IPI measured\n");
    if (has_entropy) {
        MEASURE(9, sink += mmio_read(entropy + VIRTIO_MMIO_INTERRUPT_STATUS));
        MEASURE(10, virtio_write(VIRTIO_MMIO_QUEUE_NOTIFY, 0));
        entropy_request();
        MARK(96 + 11);
        for (int i = 0; i < 1000; i++)
            entropy_request();
        MARK(112 + 11);
    } else
        print("BENCH no virtio-rng in slot 0: no doorbell measured\n");
    print("BENCH done\n");
    hypercall(PSCI_SYSTEM_OFF, 0, 0, 0);
}
