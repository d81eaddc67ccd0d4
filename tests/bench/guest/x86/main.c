// SPDX-License-Identifier: Apache-2.0
/*
 * The bench guest on x86-64: COUNT of each operation between marks that the TCG plugin sees (tests/bench/plugin.c). It
 * runs under Bulkhead and, for comparison, under a small KVM program (tests/bench/peer), which gives it no virtio
 * device.
 */
#include <bulkhead/channel.h>
#include <bulkhead/guest_map.h>
#include <bulkhead/hypercall.h>
#include <stdint.h>

#define COUNT 10000
#define COUNT_SLOW 1000 /* where another CPU has to be woken up */
#define MARK(n) __asm__ volatile("nopl %c0(%%rax)" ::"i"(0x48420000 + (n)) : "memory")
#define MEASURE_TIMES(n, times, step)                                                                                  \
    do {                                                                                                               \
        MARK(96 + n);                                                                                                  \
        for (int i = 0; i < (times); i++) {                                                                            \
            step;                                                                                                      \
        }                                                                                                              \
        MARK(112 + n);                                                                                                 \
    } while (0)
#define MEASURE(n, step) MEASURE_TIMES(n, COUNT, step)

#define VECTOR_IPI 0x40
#define VECTOR_TIMER 0x41
#define VECTOR_COUNTED 0x44
#define VECTOR_DEVICE 0x50
#define TRAMPOLINE 0x8000u

enum {
    MSR_APIC_BASE = 0x1b,
    MSR_TSC_DEADLINE = 0x6e0,
    X2APIC_ID = 0x802,
    X2APIC_TPR = 0x808,
    X2APIC_EOI = 0x80b,
    X2APIC_SVR = 0x80f,
    X2APIC_ICR = 0x830,
    X2APIC_LVT_TIMER = 0x832,
    X2APIC_TIMER_INITIAL = 0x838,
    X2APIC_TIMER_DIVIDE = 0x83e,
    X2APIC_SELF_IPI = 0x83f,
    HYPERV_ASSIST_PAGE = 0x40000073,
    KVM_EOI_WORD = 0x4b564d04,
};
#define APIC_BASE_X2APIC 0x400u
#define TSC_DEADLINE_MODE (2u << 17)
#define ICR_INIT 0x4500u
#define ICR_STARTUP 0x4600u

static volatile uint64_t taken[2]; /* interrupts a vCPU */
static volatile uint32_t second_ready, second_waits, finished;
static volatile uint64_t entropy; /* register page of the virtio-rng */

void secondary_main(void);
void bench_main(void);

static uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (uint64_t)high << 32 | low;
}

static void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

static uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

static uint32_t mmio_read(uint64_t address)
{
    uint32_t value;

    __asm__ volatile("movl (%1), %0" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static void mmio_write(uint64_t address, uint32_t value)
{
    __asm__ volatile("movl %0, (%1)" ::"r"(value), "r"(address) : "memory");
}

static uint32_t cpuid(uint32_t leaf, uint32_t *ecx)
{
    uint32_t eax = leaf, ebx, edx;

    *ecx = 0;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(*ecx), "=d"(edx) : : "memory");
    return ebx;
}

static uint32_t intel;

static uint64_t hypercall(uint64_t function)
{
    uint64_t rdi = 0, rsi = 0, rdx = 0;

    if (intel)
        __asm__ volatile("vmcall" : "+a"(function), "+D"(rdi), "+S"(rsi), "+d"(rdx) : : "memory");
    else
        __asm__ volatile("vmmcall" : "+a"(function), "+D"(rdi), "+S"(rsi), "+d"(rdx) : : "memory");
    return function;
}

static void print(const char *text)
{
    for (; *text; text++)
        out8(GUEST_PORT_UART, (uint8_t)*text);
}

static void off(void)
{
    for (;;)
        out8(GUEST_PORT_SLEEP_CONTROL, GUEST_SLEEP_OFF << 2 | GUEST_SLEEP_ENABLE);
}

struct frame;

__attribute__((interrupt)) static void unexpected(struct frame *frame)
{
    (void)frame;
    print("BENCH FAIL: exception\n");
    off();
}

static uint32_t this_cpu(void)
{
    return (uint32_t)rdmsr(X2APIC_ID) & 1;
}

/* Each vector has one CPU that takes it, so that no handler has to ask where it runs. */
__attribute__((interrupt)) static void ipi(struct frame *frame)
{
    (void)frame;
    taken[0]++;
    wrmsr(X2APIC_EOI, 0);
}

__attribute__((interrupt)) static void second_ipi(struct frame *frame)
{
    (void)frame;
    taken[1]++;
    wrmsr(X2APIC_EOI, 0);
}

/* As Linux ends an interrupt where it has an assist page (TLFS, "Virtual APIC assist page"). */
static uint32_t assist[1024] __attribute__((aligned(4096)));

__attribute__((interrupt)) static void counted(struct frame *frame)
{
    (void)frame;
    taken[0]++;
    if (!(__atomic_exchange_n(assist, 0, __ATOMIC_RELAXED) & 1))
        wrmsr(X2APIC_EOI, 0);
}

__attribute__((interrupt)) static void device(struct frame *frame)
{
    (void)frame;
    mmio_write(entropy + VIRTIO_MMIO_INTERRUPT_ACK, mmio_read(entropy + VIRTIO_MMIO_INTERRUPT_STATUS));
    taken[0]++;
    wrmsr(X2APIC_EOI, 0);
}

static struct {
    uint16_t low, selector, flags, middle;
    uint32_t high, zero;
} idt[256] __attribute__((aligned(16)));

static void set_gate(uint32_t vector, void (*handler)(struct frame *))
{
    uint64_t address = (uint64_t)handler;
    uint16_t selector;

    __asm__("movw %%cs, %0" : "=r"(selector));
    idt[vector].low = (uint16_t)address;
    idt[vector].selector = selector;
    idt[vector].flags = 0x8e00;
    idt[vector].middle = (uint16_t)(address >> 16);
    idt[vector].high = (uint32_t)(address >> 32);
}

static void interrupts_init(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idtr = {sizeof(idt) - 1, (uint64_t)idt};

    __asm__ volatile("lidt %0" ::"m"(idtr));
    if (!(rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC))
        wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
    wrmsr(X2APIC_SVR, 0x1ff);
    wrmsr(X2APIC_TPR, 0);
    wrmsr(X2APIC_LVT_TIMER, TSC_DEADLINE_MODE | VECTOR_TIMER);
    __asm__ volatile("mfence; sti" ::: "memory");
}

void secondary_main(void)
{
    interrupts_init();
    second_ready = 1;
    while (!finished) {
        if (second_waits)
            __asm__ volatile("hlt");
        else
            __asm__ volatile("pause");
    }
    for (;;)
        __asm__ volatile("hlt");
}

static void self_ipi(void)
{
    uint64_t before = taken[0];

    wrmsr(X2APIC_SELF_IPI, VECTOR_IPI);
    while (taken[0] == before)
        __asm__ volatile("pause");
}

static void timer_interrupt(void)
{
    uint64_t before = taken[0];

    wrmsr(MSR_TSC_DEADLINE, 1);
    while (taken[0] == before)
        __asm__ volatile("pause");
}

static void counted_interrupt(uint32_t msr)
{
    uint64_t before = taken[0];

    wrmsr(msr, 1);
    while (taken[0] == before)
        __asm__ volatile("pause");
}

/* A timer interrupt as Linux has it: on KVM by the deadline, and KVM's own word that says whether an EOI is wanted. */
static void measure_counted(void)
{
    uint32_t ecx, msr = HYPERV_ASSIST_PAGE, timer = X2APIC_TIMER_INITIAL, mode = 0;

    if (cpuid(0x40000000, &ecx) == 0x4b4d564b) /* "KVMK" */
        msr = KVM_EOI_WORD, timer = MSR_TSC_DEADLINE, mode = TSC_DEADLINE_MODE;
    set_gate(VECTOR_COUNTED, counted);
    wrmsr(msr, (uint64_t)assist | 1);
    wrmsr(X2APIC_LVT_TIMER, mode | VECTOR_COUNTED);
    wrmsr(X2APIC_TIMER_DIVIDE, 0xb);
    MEASURE(14, counted_interrupt(timer));
    wrmsr(X2APIC_LVT_TIMER, TSC_DEADLINE_MODE | VECTOR_TIMER);
    wrmsr(msr, 0);
}

static void other_ipi(void)
{
    uint64_t before = taken[1];

    wrmsr(X2APIC_ICR, 1ull << 32 | (VECTOR_IPI + 2));
    while (taken[1] == before)
        __asm__ volatile("pause");
}

static void start_second(void)
{
    extern uint8_t trampoline[], trampoline_end[], trampoline_cr3[];
    volatile uint8_t *to = (volatile uint8_t *)(uint64_t)TRAMPOLINE;
    uint64_t cr3;

    __asm__ volatile("movq %%cr3, %0" : "=r"(cr3));
    *(uint32_t *)trampoline_cr3 = (uint32_t)cr3;
    for (uint8_t *from = trampoline; from < trampoline_end; from++)
        *to++ = *from;
    wrmsr(X2APIC_ICR, 1ull << 32 | ICR_INIT);
    for (int i = 0; i < 100000; i++)
        __asm__ volatile("pause");
    wrmsr(X2APIC_ICR, 1ull << 32 | ICR_STARTUP | TRAMPOLINE >> 12);
    while (!second_ready)
        __asm__ volatile("pause");
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

static void route(uint32_t pin, uint32_t vector)
{
    mmio_write(GUEST_IOAPIC_BASE, 0x11 + 2 * pin);
    mmio_write(GUEST_IOAPIC_BASE + 0x10, 0);
    mmio_write(GUEST_IOAPIC_BASE, 0x10 + 2 * pin);
    mmio_write(GUEST_IOAPIC_BASE + 0x10, vector);
}

static int entropy_init(void)
{
    /* The configuration gives this guest its virtio-rng first, so it stands in slot 0. */
    if (mmio_read(GUEST_VIRTIO_BASE + VIRTIO_MMIO_DEVICE_ID) != VIRTIO_ID_ENTROPY)
        return 0;
    entropy = GUEST_VIRTIO_BASE;
    route(guest_virtio_line(0), VECTOR_DEVICE);
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
    __asm__ volatile("mfence" ::: "memory");
    queue.available.index++;
    __asm__ volatile("mfence" ::: "memory");
    virtio_write(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
    __asm__ volatile("cli" ::: "memory");
    while (taken[0] == before)
        __asm__ volatile("sti; hlt; cli" ::: "memory");
    __asm__ volatile("sti" ::: "memory");
}

void bench_main(void)
{
    uint64_t sink = 0;
    uint32_t ecx;
    int has_entropy;

    intel = cpuid(0, &ecx) == 0x756e6547; /* "Genu" */
    for (uint32_t i = 0; i < 256; i++)
        set_gate(i, unexpected);
    set_gate(VECTOR_IPI, ipi);
    set_gate(VECTOR_TIMER, ipi);
    set_gate(VECTOR_IPI + 2, second_ipi);
    set_gate(VECTOR_DEVICE, device);
    print("BENCH start\n");
    interrupts_init();
    if (this_cpu() != 0)
        print("BENCH FAIL: not CPU 0\n");
    /* Waits for the back-end, so from here on the management domain has started and sleeps. */
    has_entropy = entropy_init();
    if (has_entropy)
        entropy_request();
    for (int i = 0; i < 100; i++)
        self_ipi();
    for (int i = 0; i < 100; i++)
        timer_interrupt();
    MEASURE(1, hypercall(HC_NOTHING));
    MEASURE(2, sink += cpuid(0, &ecx));
    MEASURE(3, sink += rdmsr(X2APIC_LVT_TIMER));
    MEASURE(4, sink += in8(GUEST_PORT_UART + 5));
    MEASURE(5, self_ipi());
    MEASURE(6, timer_interrupt());
    MEASURE(12, wrmsr(X2APIC_EOI, 0));
    MEASURE(13, sink += mmio_read(GUEST_IOAPIC_BASE));
    measure_counted();
    start_second();
    MEASURE_TIMES(7, COUNT_SLOW, other_ipi());
    second_waits = 1;
    other_ipi();
    MEASURE_TIMES(8, COUNT_SLOW, other_ipi());
    finished = 1;
    other_ipi();
    if (has_entropy) {
        MEASURE(9, sink += mmio_read(entropy + VIRTIO_MMIO_INTERRUPT_STATUS));
        MEASURE(10, virtio_write(VIRTIO_MMIO_QUEUE_NOTIFY, 0));
        entropy_request();
        MEASURE_TIMES(11, COUNT_SLOW, entropy_request());
    } else
        print("BENCH no virtio-rng in slot 0: no doorbell measured\n");
    print("BENCH done\n");
    off();
}
