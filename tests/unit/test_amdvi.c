// SPDX-License-Identifier: Apache-2.0
/*
 * AMD-Vi (devices/iommu/amdvi.c) against a unit that is a thread: it executes commands as they come, and stops at what
 * no unit would understand. QEMU's model records no faults, so that the event log is seen here only.
 */
#include <arch/apic.h>
#include <arch/ivrs.h>
#include <arch/stage2.h>
#include <core/arch.h>
#include <core/deadline.h>
#include <core/memory.h>
#include <core/pci.h>
#include <devices/iommu/amdvi.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COMMANDS_MAX 512
#define INVALIDATE_ALL (1ull << 6)
#define READ_WRITE (3ull << 61)
#define NIC 0x10
#define BEHIND_BRIDGE 0x208
#define IOAPIC 0xa0

struct ivrs ivrs;
struct platform platform;
struct cpu cpus[BULKHEAD_CPUS_MAX];
struct pci_function *pci_functions;
uint32_t pci_function_count;

static _Alignas(4096) uint8_t registers[0x4000];
static uint64_t commands[COMMANDS_MAX][2];
static uint32_t command_count;
static _Atomic bool wrong, over;
static pthread_t thread;
static const struct iommu_ops *ops;

static uint64_t *at(uint32_t offset)
{
    return (uint64_t *)(registers + offset);
}

static void *unit(void *unused)
{
    uint64_t head = 0;

    (void)unused;
    while (!over) {
        uint64_t tail = __atomic_load_n(at(0x2008), __ATOMIC_ACQUIRE), *command;

        if (head == tail || !(*at(0x18) & 1u << 12))
            continue;
        command = (uint64_t *)((*at(0x08) & 0xffffffffff000) + head);
        if (command_count < COMMANDS_MAX)
            memcpy(commands[command_count++], command, 16);
        head = (head + 16) % 4096;
        if (command[0] >> 60 == 1)
            __atomic_store_n((uint64_t *)(command[0] & 0xffffffffffff8), command[1], __ATOMIC_RELEASE);
        else if (command[0] >> 60 == 0 || command[0] >> 60 > 8)
            wrong = true;
        __atomic_store_n(at(0x2000), head, __ATOMIC_RELEASE);
    }
    return NULL;
}

/* What the driver asks of the kernel. */

void *memory_pages(uint64_t count)
{
    static _Alignas(4096) uint8_t pool[128][4096]; /* of all tests: the driver keeps interrupt tables */
    static uint64_t used;

    used += count;
    assert_true(used <= sizeof(pool) / sizeof(pool[0]));
    return pool[used - count];
}
struct hpa kernel_hpa(const void *address)
{
    return hpa((uint64_t)address);
}
void *kernel_map_device(struct hpa base, uint64_t size)
{
    assert_true(base.value == 0xfed80000 && size == sizeof(registers));
    return registers;
}
uint64_t time_ns(void)
{
    return 0;
}
static char said[256];
void log_line(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(said, sizeof(said), format, arguments);
    va_end(arguments);
}
void check_failed(const char *file, int line, const char *text)
{
    mock_assert(0, text, file, line);
    abort();
}
static unsigned sent;
void apic_send(uint32_t cpu, uint8_t vector)
{
    assert_true(cpu == 0 && vector == VECTOR_IOMMU);
    sent++;
}
static struct {
    uint32_t requester;
    uint64_t base;
} reserved[8];
static unsigned reserved_count;
void iommu_reserve(uint32_t requester, struct hpa base, uint64_t size)
{
    assert_int_equal(size, 0x1000);
    reserved[reserved_count].requester = requester;
    reserved[reserved_count++].base = base.value;
}
static struct {
    uint32_t requester;
    uint64_t address;
    enum iommu_refusal what;
} faults[600];
static unsigned fault_count;
void iommu_fault(uint32_t requester, uint64_t address, enum iommu_refusal what)
{
    faults[fault_count].requester = requester;
    faults[fault_count].address = address;
    faults[fault_count++].what = what;
}
static struct nested_tables mapped;
void nested_map(const struct nested_tables *tables, uint64_t from, uint64_t to, uint64_t length, uint32_t rights)
{
    assert_true(from == 0 && to == 0x40000000 && length == 0x200000 && rights == STAGE2_READ);
    mapped = *tables;
}
static uint32_t message[8], unit_command;
static struct pci_function functions[] = {{.requester = 0x02, .msi = 0x48},
                                          {.requester = NIC},
                                          {.requester = 0x18, .bridge = true},
                                          {.requester = BEHIND_BRIDGE}};
struct pci_function *pci_find(uint16_t requester)
{
    for (uint32_t i = 0; i < pci_function_count; i++)
        if (functions[i].requester == requester)
            return &functions[i];
    return NULL;
}
uint32_t pci_read(const struct pci_function *function, uint32_t offset, uint32_t width)
{
    (void)function, (void)width;
    return offset == 0x4a ? 0x80 : 0; /* MSI with 64-bit addresses */
}
void pci_write(const struct pci_function *function, uint32_t offset, uint32_t width, uint32_t value)
{
    (void)width;
    assert_int_equal(function->requester, 0x02);
    if (offset == PCI_COMMAND)
        unit_command = value;
    else
        message[(offset - 0x48) / 2 % 8] = value;
}

/* A machine of one unit, which has buses 0 to 2; what is on bus 2 goes by a bridge's name. */
static void machine(uint64_t features)
{
    struct iommu found;

    over = wrong = false;
    command_count = fault_count = reserved_count = sent = 0;
    memset(registers, 0, sizeof(registers));
    *at(0x30) = features;
    ivrs = (struct ivrs){.unit_count = 1,
                         .unit = {{hpa(0xfed80000), 0x02, 0x0f}},
                         .range_count = 2,
                         .range = {{0x00, 0x1ff, 0}, {0x200, 0x2ff, 0x19}},
                         .ioapic_count = 1,
                         .ioapic = {{3, IOAPIC}},
                         .memory_count = 1,
                         .memory = {{0x10, 0x18, hpa(0x7f000000), 0x1000}},
                         .physical_bits = 40};
    platform.arch.ioapic_count = 1;
    platform.arch.ioapic[0].id = 3;
    pci_functions = functions;
    pci_function_count = sizeof(functions) / sizeof(functions[0]);
    cpus[1].id = 5;
    cpus[2].id = 0x12345;
    pthread_create(&thread, NULL, unit, NULL);
    found = amdvi_find();
    ops = found.ops;
    assert_non_null(ops);
    assert_int_equal(found.address_bits, 40);
}

static int teardown(void **state)
{
    (void)state;
    over = true;
    pthread_join(thread, NULL);
    assert_false(wrong);
    return 0;
}

static uint64_t *entry(uint32_t requester)
{
    return (uint64_t *)(*at(0x00) & 0xffffffffff000) + 4 * requester;
}

static void expect_commands(uint32_t from, uint32_t count, const uint64_t wanted[][2])
{
    assert_int_equal(command_count - from, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(commands[from + i][0], wanted[i][0]);
        assert_int_equal(commands[from + i][1], wanted[i][1]);
    }
    assert_int_equal(commands[from + count][0] >> 60, 1); /* waited for */
    assert_int_equal(commands[from + count][0] & 1, 1);
}

static void everything_is_blocked_at_first(void **state)
{
    const uint64_t *empty;

    (void)state;
    machine(INVALIDATE_ALL);
    assert_int_equal(*at(0x00) & 0xfff, 3 * 2 - 1); /* three buses of two pages */
    assert_int_equal(*at(0x08) >> 56, 8);
    assert_int_equal(*at(0x10) >> 56, 8);
    /* on, HT tunnel, event log, PassPW, ResPassPW, coherent, isochronous, commands */
    assert_int_equal(*at(0x18), 1u << 12 | 1u << 11 | 1u << 10 | 3u << 8 | 1u << 2 | 1u << 1 | 1u);
    expect_commands(0, 1, (const uint64_t[][2]){{8ull << 60, 0}});
    for (uint32_t i = 0; i < 0x300; i++) {
        assert_int_equal(entry(i)[0] & 0xfff, 3 | 4 << 9);
        assert_int_equal(entry(i)[0] >> 52, 0); /* no rights */
        assert_int_equal(entry(i)[1] | entry(i)[3], 0);
        assert_int_equal(entry(i)[2], i == IOAPIC ? 1ull << 60 | 1 : 1); /* nothing is sent, but by the IOAPIC */
    }
    empty = (const uint64_t *)(entry(0)[0] & 0xffffffffff000);
    for (uint32_t i = 0; i < 512; i++)
        assert_int_equal(empty[i], 0);
    assert_int_equal(platform.arch.ioapic[0].requester, IOAPIC);
    assert_int_equal(reserved_count, 1); /* the NIC's, the bridge has none */
    assert_int_equal(reserved[0].requester, NIC);
    assert_int_equal(message[2], 0xfee00000);
    assert_int_equal(message[6], VECTOR_IOMMU);
    assert_int_equal(message[1], 0x81);
    assert_int_equal(unit_command, COMMAND_MASTER);
}

static void a_device_is_let_in_and_out(void **state)
{
    struct iommu_space space = {.id = 7};
    uint32_t from;

    (void)state;
    machine(INVALIDATE_ALL);
    ops->create(&space);
    ops->map(&space, ipa(0), hpa(0x40000000), 0x200000, STAGE2_READ);
    assert_ptr_equal(mapped.root, space.root);
    assert_int_equal(mapped.format->table, READ_WRITE | 1);
    assert_int_equal(mapped.format->level, 1 << 9);
    assert_int_equal(mapped.format->read, 1ull << 61 | 1);
    assert_int_equal(mapped.format->write, 1ull << 62 | 1);
    assert_true(ops->covers(NIC) && ops->covers(NIC) && !ops->covers(0x300) && !ops->covers(IOAPIC));
    from = command_count;
    ops->attach(NIC, &space);
    expect_commands(from, 2, (const uint64_t[][2]){{2ull << 60 | NIC, 0}, {5ull << 60 | NIC, 0}});
    assert_int_equal(entry(NIC)[0], READ_WRITE | space.root_hpa | 4 << 9 | 3);
    assert_int_equal(entry(NIC)[1], 7);
    assert_int_equal(entry(NIC)[2] & 0xfff, 9 << 1 | 1); /* 512 messages */
    assert_int_equal(entry(NIC)[2] >> 52, 2 << 8);
    assert_int_equal(entry(NIC + 1)[0] >> 52, 0);
    from = command_count;
    ops->invalidate(&space);
    expect_commands(from, 1, (const uint64_t[][2]){{3ull << 60 | 7ull << 32, 0x7ffffffffffff003}});
    ops->attach(NIC, NULL);
    assert_int_equal(entry(NIC)[0], entry(NIC + 1)[0]);
    assert_int_equal(entry(NIC)[1], 0);
    assert_int_equal(entry(NIC)[2], 1);
}

static void who_is_behind_a_bridge_goes_by_its_name(void **state)
{
    struct iommu_space space = {.id = 7};

    (void)state;
    machine(0);
    ops->create(&space);
    assert_true(ops->covers(BEHIND_BRIDGE));
    ops->attach(BEHIND_BRIDGE, &space);
    assert_int_equal(entry(0x19)[1], 7);
    assert_int_equal(entry(BEHIND_BRIDGE)[1], 0);
}

static void expect_message(bool works, uint32_t requester, uint32_t cpu, uint8_t vector, uint64_t address,
                           uint32_t data)
{
    struct message sent_message = {0, 0};

    assert_int_equal(ops->remap(300, requester, cpu, vector, &sent_message), works);
    if (works) {
        assert_int_equal(sent_message.address, address);
        assert_int_equal(sent_message.data, data);
    }
}

static void messages_are_remapped(void **state)
{
    struct iommu_space space = {.id = 7};
    const uint32_t *narrow;

    (void)state;
    machine(0);
    ops->create(&space);
    assert_true(ops->covers(NIC));
    ops->attach(NIC, &space);
    narrow = (const uint32_t *)(entry(NIC)[2] & 0xfffffffffffc0);
    expect_message(true, NIC, 1, 0x41, 0xfee00000, 300);
    assert_int_equal(narrow[300], 0x41 << 16 | 5 << 8 | 1);
    assert_int_equal(narrow[299] | narrow[301], 0);
    assert_int_equal(commands[command_count - 2][0], 5ull << 60 | NIC);
    expect_message(false, NIC, 2, 0x41, 0, 0);  /* 8 bits do not reach it */
    expect_message(false, 0x11, 1, 0x41, 0, 0); /* not assigned */
    expect_message(true, NIC, 1, 0, 0xfee00000, 300);
    assert_int_equal(narrow[300], 0);
    expect_message(true, IOAPIC, 1, 0x34, 0xfee05000, 0x34); /* as it is */
    expect_message(false, IOAPIC, 2, 0x34, 0, 0);
}

static void record(uint64_t first, uint64_t second)
{
    uint64_t *log = (uint64_t *)((*at(0x10) & 0xffffffffff000) + *at(0x2018));

    log[0] = first;
    log[1] = second;
    *at(0x2018) = (*at(0x2018) + 16) % 4096;
}

static void expect_fault(unsigned i, uint32_t requester, uint64_t address, enum iommu_refusal what)
{
    assert_true(i < fault_count);
    assert_int_equal(faults[i].requester, requester);
    assert_int_equal(faults[i].address, address);
    assert_int_equal(faults[i].what, what);
}

static void faults_are_told(void **state)
{
    (void)state;
    machine(0);
    record(2ull << 60 | NIC, 0x1000);
    record(2ull << 60 | 1ull << 53 | 7ull << 32 | BEHIND_BRIDGE, 0xffff800000000000);
    record(2ull << 60 | 1ull << 51 | NIC, 0xfee01004);
    record(2ull << 60 | 1ull << 51 | NIC, 0xfef00000);
    record(8ull << 60 | 0xffff, 1);
    record(5ull << 60 | 0x1234, 2); /* a command's, no device's */
    ops->poll_faults();
    assert_int_equal(fault_count, 5);
    expect_fault(0, NIC, 0x1000, IOMMU_REFUSED_READ);
    expect_fault(1, BEHIND_BRIDGE, 0xffff800000000000, IOMMU_REFUSED_WRITE);
    expect_fault(2, NIC, 0xfee01004, IOMMU_REFUSED_MESSAGE);
    expect_fault(3, NIC, 0xfef00000, IOMMU_REFUSED_READ);
    expect_fault(4, 0xffff, 1, IOMMU_REFUSED_READ);
    assert_string_equal(said, "AMD-Vi: event 5000000000001234 2");
    assert_int_equal(*at(0x2010), 6 * 16);
    for (unsigned n = 0; n < 255; n++) /* once around */
        record(2ull << 60 | NIC, n);
    ops->poll_faults();
    assert_int_equal(fault_count, 5 + 255);
    expect_fault(5 + 254, NIC, 254, IOMMU_REFUSED_READ);
    assert_int_equal(*at(0x2010), *at(0x2018));
    ops->poll_faults();
    assert_int_equal(fault_count, 5 + 255);
}

/* A unit that is mad, or lies about its log's end: a bounded number. */
static void a_log_that_runs_over_goes_on(void **state)
{
    (void)state;
    machine(0);
    *at(0x2020) = 1;
    record(2ull << 60 | NIC, 0x1000);
    ops->poll_faults();
    assert_int_equal(fault_count, 1);
    assert_int_equal(*at(0x18) & (1u << 2), 1u << 2); /* logs again */
    *at(0x2018) = 0xfffff0;
    ops->poll_faults();
    assert_true(fault_count <= 1 + 256);
}

static void faults_interrupt_while_listened_to(void **state)
{
    (void)state;
    machine(0);
    ops->listen(true);
    assert_int_equal(*at(0x18) & (1u << 3), 1u << 3);
    assert_int_equal(sent, 0);
    ops->listen(false);
    assert_int_equal(*at(0x18) & (1u << 3), 0);
    record(2ull << 60 | NIC, 0x1000);
    ops->listen(true);
    assert_int_equal(sent, 1); /* what came meanwhile */
}

static void a_table_that_is_damaged_is_not_used(void **state)
{
    (void)state;
    ivrs = (struct ivrs){.unit_count = 0};
    assert_null(amdvi_find().ops);
    ivrs = (struct ivrs){.unit_count = 1, .damaged = true};
    assert_null(amdvi_find().ops);
    assert_non_null(strstr(said, "damaged"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(everything_is_blocked_at_first, teardown),
        cmocka_unit_test_teardown(a_device_is_let_in_and_out, teardown),
        cmocka_unit_test_teardown(who_is_behind_a_bridge_goes_by_its_name, teardown),
        cmocka_unit_test_teardown(messages_are_remapped, teardown),
        cmocka_unit_test_teardown(faults_are_told, teardown),
        cmocka_unit_test_teardown(a_log_that_runs_over_goes_on, teardown),
        cmocka_unit_test_teardown(faults_interrupt_while_listened_to, teardown),
        cmocka_unit_test(a_table_that_is_damaged_is_not_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
