// SPDX-License-Identifier: Apache-2.0
/*
 * Message interrupts on arm64 (arch/arm64/its.c), against an ITS that is a thread: it executes commands as they come
 * and keeps what they map.
 */
#include <arch/gic.h>
#include <arch/host_tree.h>
#include <arch/its.h>
#include <bulkhead/guest_map.h>
#include <core/arch.h>
#include <core/interrupt.h>
#include <core/log.h>
#include <core/memory.h>
#include <core/message.h>
#include <devices/iommu/iommu.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../../arch/arm64/vgic.h"
#include <cmocka.h>

#define ITS 1
#define GIC 2
#define PCI 3
#define EVENTS_MAX 1024
#define GUEST (&domains[1])
#define OTHER (&domains[2])
#define SETSPI (GUEST_GICD_BASE + GUEST_GICD_SETSPI)
#define FIRST_INTID (32u + GUEST_LINE_MESSAGES)

const struct partition_config partitions[] = {
    {.name = "management", .flags = PARTITION_MANAGEMENT}, {.name = "guest"}, {.name = "other"}};
const uint32_t partition_count = 3;
struct domain domains[BULKHEAD_PARTITIONS_MAX];
struct platform platform;
static struct vcpu vcpus[4];
static struct device_status status[3];

/* --- The ITS --- */

static _Alignas(4096) uint8_t registers[0x10000], redistributors[4][0x20000];
static struct {
    uint32_t device, event, lpi, collection;
} events[EVENTS_MAX];
static uint32_t event_count, device_count, collections;
static _Atomic bool wrong, over;
static pthread_t thread;

static volatile uint64_t *at(uint32_t offset)
{
    return (volatile uint64_t *)(registers + offset);
}

static void execute(const uint64_t *command)
{
    uint32_t device = (uint32_t)(command[0] >> 32), event = (uint32_t)command[1], number = (uint32_t)(command[1] >> 32);
    uint32_t collection = command[2] & 0xffff;

    switch (command[0] & 0xff) {
    case 0x01: /* MOVI */
        for (uint32_t i = 0; i < event_count; i++)
            if (events[i].device == device && events[i].event == event)
                events[i].collection = collection;
        wrong |= !(collections >> collection & 1);
        break;
    case 0x05:
        break;
    case 0x08: /* MAPD */
        device_count++;
        wrong |= (command[2] & 0xff) || !(command[2] >> 63);
        break;
    case 0x09: /* MAPC */
        wrong |= (command[2] >> 16 & 0xffff) != collection + 4;
        collections |= 1u << collection;
        break;
    case 0x0a: /* MAPTI */
        for (uint32_t i = 0; i < event_count; i++)
            wrong |= events[i].lpi == number || (events[i].device == device && events[i].event == event);
        wrong |= number < 8192 || event_count == EVENTS_MAX || !(collections >> collection & 1);
        events[event_count].device = device;
        events[event_count].event = event;
        events[event_count].collection = collection;
        events[event_count++].lpi = number;
        break;
    default:
        wrong = true;
    }
}

static void *run(void *unused)
{
    (void)unused;
    for (; !over; sched_yield()) {
        uint64_t from = *at(0x90), to = *at(0x88);

        if (!(*at(0) & 1))
            *(volatile uint32_t *)registers = 1u << 31; /* quiescent */
        if (from == to)
            continue;
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        execute((const uint64_t *)((*at(0x80) & 0xffffffffff000) + from));
        *at(0x90) = (from + 32) % 4096;
    }
    return NULL;
}

static uint32_t collection_of(uint32_t lpi)
{
    for (uint32_t i = 0; i < event_count; i++)
        if (events[i].lpi == lpi)
            return events[i].collection;
    return UINT32_MAX;
}

/* --- What it asks of the kernel --- */

int host_tree_find(const char *name, int previous)
{
    return previous >= 0                            ? -1
           : !strcmp(name, "arm,gic-v3-its")        ? ITS
           : !strcmp(name, "pci-host-ecam-generic") ? PCI
                                                    : -1;
}
int host_tree_phandle(uint32_t phandle)
{
    return (int)phandle;
}
uint32_t host_tree_cell(int node, const char *name, unsigned index)
{
    static const uint32_t map[] = {0, ITS, 0x100, 0x1000, 0x1000, GIC, 0, 0x1000};

    assert_int_equal(node, PCI);
    return !strcmp(name, "msi-map") && index < sizeof(map) / sizeof(*map) ? map[index] : HOST_TREE_NONE;
}
unsigned host_tree_regs(int node, struct memory_range *ranges, unsigned limit)
{
    assert_true(node == ITS && limit);
    ranges[0] = (struct memory_range){hpa(0x08080000), 0x20000};
    return 1;
}
bool gic_has_lpis(void)
{
    return true;
}
uint8_t *gic_redistributor(uint32_t cpu)
{
    return redistributors[cpu];
}
void *kernel_map_device(struct hpa base, uint64_t size)
{
    assert_true(base.value == 0x08080000 && size == sizeof(registers));
    return registers;
}
void *memory_pages_aligned(uint64_t count)
{
    static _Alignas(0x10000) uint8_t pool[128 * 4096];
    static uint64_t used;

    used = (used + count - 1) / count * count + count;
    assert_true(used * PAGE_SIZE <= sizeof(pool));
    return pool + (used - count) * PAGE_SIZE;
}
void *memory_pages(uint64_t count)
{
    return memory_pages_aligned(count);
}
struct hpa kernel_hpa(const void *address)
{
    return hpa((uint64_t)address);
}
void cache_clean(const void *address, uint64_t size)
{
    (void)address, (void)size;
}
bool iommu_serves(const struct domain *domain)
{
    (void)domain;
    return true;
}
static uint32_t lines;
void log_line(const char *format, ...)
{
    (void)format;
    lines++;
}
void check_failed(const char *file, int line, const char *text)
{
    mock_assert(0, text, file, line);
    abort();
}
static struct domain *raised_domain;
static uint32_t raised_line, raised;
void interrupt_raise(struct domain *domain, uint32_t line)
{
    raised_domain = domain;
    raised_line = line;
    raised++;
}
void vgic_add_messages(struct domain *domain)
{
    domain->arch.vgic.messages = true;
}

static int setup(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < partition_count; i++) {
        domains[i].config = &partitions[i];
        domains[i].index = i;
    }
    for (uint32_t i = 0; i < 4; i++) {
        vcpus[i].cpu = i;
        *(uint64_t *)(redistributors[i] + 8) = 1 | (i + 4) << 8; /* LPIs; processor number i + 4 */
    }
    domains[1].vcpu_count = 2;
    domains[1].vcpu[0] = &vcpus[1];
    domains[1].vcpu[1] = &vcpus[2];
    domains[2].vcpu_count = 1;
    domains[2].vcpu[0] = &vcpus[3];
    *at(8) = 15ull << 13 | 15ull << 8 | 11ull << 4 | 1; /* 16 bits of devices and events; ITT entries of 12 bytes */
    *at(0x100) = 1ull << 56 | 7ull << 48;
    *at(0x108) = 4ull << 56 | 7ull << 48;
    pthread_create(&thread, NULL, run, NULL);
    its_init();
    return 0;
}

static void functions_get_events_of_their_own(void **state)
{
    (void)state;
    assert_int_equal(its_doorbell().page.value, 0x08090000);
    assert_int_equal(message_reserve(GUEST, 0x20, 3, &status[0]), 3);
    assert_int_equal(message_reserve(GUEST, 0x28, 1000, &status[1]), GUEST_MESSAGES);
    assert_int_equal(message_reserve(OTHER, 0x30, 2, &status[2]), 2);
    assert_true(GUEST->arch.vgic.messages && OTHER->arch.vgic.messages);
    assert_int_equal(device_count, 3);
    assert_int_equal(events[0].device, 0x120); /* as msi-map says */
    assert_int_equal(event_count, 3 + GUEST_MESSAGES + 2);
    assert_int_equal(collections, 0xe);
    for (uint32_t i = 1; i < 4; i++)
        assert_true(*(uint32_t *)redistributors[i] & 1);
    assert_false(*(uint32_t *)redistributors[0] & 1);                   /* nobody's messages go there */
    assert_int_equal(message_reserve(GUEST, 0x1000, 1, &status[0]), 0); /* another controller's */
    assert_int_equal(message_reserve(GUEST, 0x2000, 1, &status[0]), 0); /* nobody's */
}

static bool bind(struct domain *domain, uint32_t requester, uint32_t index, uint64_t address, uint32_t data)
{
    struct message physical = {0};
    bool bound = message_bind(domain, requester, index, (struct message){address, data}, &physical);

    assert_true(!bound || (physical.address == 0x08090040 && physical.data == index));
    return bound;
}

static void a_message_is_what_its_guest_means(void **state)
{
    (void)state;
    its_interrupt(8192);
    assert_int_equal(raised, 0); /* not bound */
    assert_true(bind(GUEST, 0x20, 0, SETSPI, FIRST_INTID));
    assert_true(bind(GUEST, 0x20, 2, SETSPI, FIRST_INTID + GUEST_MESSAGES - 1));
    assert_false(bind(GUEST, 0x20, 3, SETSPI, FIRST_INTID)); /* it has no such message */
    assert_false(bind(GUEST, 0x20, 1, SETSPI + 4, FIRST_INTID));
    assert_false(bind(GUEST, 0x20, 1, 0x08090040, 0));
    assert_false(bind(GUEST, 0x20, 1, SETSPI, FIRST_INTID - 1));
    assert_false(bind(GUEST, 0x20, 1, SETSPI, FIRST_INTID + GUEST_MESSAGES));
    assert_false(bind(GUEST, 0x20, 1, SETSPI, 27));
    assert_false(bind(OTHER, 0x20, 0, SETSPI, FIRST_INTID)); /* another's function */
    assert_false(bind(GUEST, 0x30, 0, SETSPI, FIRST_INTID));
    its_interrupt(8192);
    assert_true(raised == 1 && raised_domain == GUEST && raised_line == GUEST_LINE_MESSAGES);
    its_interrupt(8194);
    assert_true(raised == 2 && raised_line == GUEST_LINE_MESSAGES + GUEST_MESSAGES - 1);
    its_interrupt(8193);
    its_interrupt(8192 + 500);
    its_interrupt(8192 + 100000);
    its_interrupt(8191);
    assert_int_equal(raised, 2);
    assert_int_equal(status[0].messages, 2);
}

static void it_goes_where_its_line_is_routed(void **state)
{
    (void)state;
    assert_int_equal(collection_of(8192), 1);
    its_route(GUEST, GUEST_LINE_MESSAGES, 2);
    assert_int_equal(collection_of(8192), 2);
    assert_int_equal(collection_of(8194), 1);
    GUEST->arch.vgic.route[GUEST_LINE_MESSAGES + 5] = 1;
    assert_true(bind(GUEST, 0x20, 1, SETSPI, FIRST_INTID + 5));
    assert_int_equal(collection_of(8193), 2);
    GUEST->arch.vgic.route[GUEST_LINE_MESSAGES + 6] = VGIC_NOBODY;
    assert_true(bind(GUEST, 0x20, 1, SETSPI, FIRST_INTID + 6)); /* stays */
    assert_int_equal(collection_of(8193), 2);
    its_route(OTHER, GUEST_LINE_MESSAGES, 3);
    assert_int_equal(collection_of(8192), 2);
}

static void nothing_is_left_of_a_stopped_domain(void **state)
{
    (void)state;
    assert_true(bind(OTHER, 0x30, 0, SETSPI, FIRST_INTID));
    message_unbind(GUEST, 0x20, 1);
    message_unbind(GUEST, 0x30, 0); /* not its own */
    raised = 0;
    its_interrupt(8193);
    assert_int_equal(raised, 0);
    message_reset(GUEST);
    for (uint32_t i = 0; i < 3 + GUEST_MESSAGES; i++)
        its_interrupt(8192 + i);
    assert_int_equal(raised, 0);
    its_interrupt(8192 + 3 + GUEST_MESSAGES);
    assert_true(raised == 1 && raised_domain == OTHER);
}

static void there_is_an_end(void **state)
{
    uint32_t total = 0;

    (void)state;
    for (uint32_t requester = 0x100; requester < 0x120; requester++)
        total += message_reserve(OTHER, requester, 1000, &status[2]);
    assert_int_equal(total, 512 - 3 - GUEST_MESSAGES - 2);
    assert_int_equal(message_reserve(OTHER, 0x200, 1, &status[2]), 0);
    assert_false(wrong);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_get_events_of_their_own),
        cmocka_unit_test(a_message_is_what_its_guest_means),
        cmocka_unit_test(it_goes_where_its_line_is_routed),
        cmocka_unit_test(nothing_is_left_of_a_stopped_domain),
        cmocka_unit_test(there_is_an_end),
    };
    int failed = cmocka_run_group_tests(tests, setup, NULL);

    over = true;
    pthread_join(thread, NULL);
    return failed;
}
