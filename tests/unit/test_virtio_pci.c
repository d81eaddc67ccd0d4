/* SPDX-License-Identifier: Apache-2.0 */
/* PCI functions behind an ECAM window, and virtio devices among them: those that are in order, and those that are not. */
#include <bulkhead/channel.h>
#include <devices/pci/pci.h>
#include <devices/virtio/device.h>
#include <lib/tree.h>
#include <mgmt/bulkhead_log.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define BUSES 3u
#define BUS_SIZE 0x100000u
#define CAPABILITIES 0x40u /* each 0x20 bytes: MSI-X, then common, device, notify */
#define BAR_SIZE 0x10000u
#define COMMON 0x1000u /* in the BAR */
#define DEVICE 0x2000u
#define NOTIFY 0x3000u
#define STATUS (COMMON + 0x14)
#define NOTIFY_STEP 4u
#define COMMAND_MASTER 4u

static uint8_t *ecam, *bar;
static bool stubborn; /* Status does not become 0 */
static bool master_at_reset;
static struct virtio_device *probed[8];
static uint32_t probes, log_lines;
static uint32_t messages = 16;

/* --- What stands under the code --- */

static uint8_t *function_at(uint32_t bus, uint32_t device, uint32_t index)
{
    return ecam + bus * BUS_SIZE + device * 0x8000 + index * 0x1000;
}

uint8_t mmio_read8(uintptr_t address)
{
    return *(uint8_t *)address;
}
uint16_t mmio_read16(uintptr_t address)
{
    uint16_t value;

    memcpy(&value, (void *)address, sizeof value);
    return value;
}
uint32_t mmio_read32(uintptr_t address)
{
    uint32_t value;

    memcpy(&value, (void *)address, sizeof value);
    return value;
}
void mmio_write8(uintptr_t address, uint8_t value)
{
    if (address == (uintptr_t)bar + STATUS && value == 0) {
        master_at_reset = master_at_reset || function_at(0, 2, 0)[4] & COMMAND_MASTER;
        if (stubborn)
            return;
    }
    *(uint8_t *)address = value;
}
void mmio_write16(uintptr_t address, uint16_t value)
{
    memcpy((void *)address, &value, sizeof value);
}
void mmio_write32(uintptr_t address, uint32_t value)
{
    memcpy((void *)address, &value, sizeof value);
}

int tree_compatible(int previous, const char *compatible)
{
    return previous < 0 && strcmp(compatible, "pci-host-ecam-generic") == 0 ? 1 : -1;
}
struct tree_range tree_reg(int node, uint32_t index)
{
    return node == 1 && index == 0 ? (struct tree_range){(uintptr_t)ecam, BUSES * BUS_SIZE} : (struct tree_range){0};
}
uint32_t tree_interrupt(int node, uint32_t index, bool *level)
{
    (void)node, (void)index, (void)level;
    return 0;
}
struct tree_message tree_message(int node, const char *property, uint32_t index)
{
    assert_string_equal(property, "bulkhead,messages");
    return node == 1 && index < messages ? (struct tree_message){0xfee01000, 0x40 + index, 24 + index}
                                         : (struct tree_message){0};
}
void memory_map(uint64_t base, uint64_t size, enum memory_kind kind)
{
    assert_true(base != 0 && size != 0 && kind == MEMORY_DEVICE);
}
bool interrupt_register(uint32_t id, bool level, struct interrupt_handler *handler)
{
    return id >= 24 && !level && handler;
}
void loop_signal(struct loop_source *source)
{
    (void)source;
}
void bulkhead_log(const char *format, ...)
{
    (void)format;
    log_lines++;
}
_Noreturn void panic(const char *format, ...)
{
    fail_msg("%s", format);
    abort();
}
static void probe(struct virtio_device *device)
{
    probed[probes++] = device;
}
void virtio_net_probe(struct virtio_device *device)
{
    probe(device);
}
void virtio_blk_probe(struct virtio_device *device)
{
    probe(device);
}
void virtio_entropy_probe(struct virtio_device *device)
{
    probe(device);
}

/* --- A machine with one device --- */

static void put16(uint8_t *at, uint16_t value)
{
    memcpy(at, &value, sizeof value);
}
static void put32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
}

static uint8_t *capability(uint8_t *function, uint32_t number, uint8_t kind, bool last)
{
    uint8_t *at = function + CAPABILITIES + number * 0x20;

    at[0] = kind;
    at[1] = last ? 0 : (uint8_t)(CAPABILITIES + (number + 1) * 0x20);
    return at;
}

static void structure(uint8_t *function, uint32_t number, uint8_t type, uint32_t offset, uint32_t length, bool last)
{
    uint8_t *at = capability(function, number, 9, last);

    at[3] = type;
    at[4] = 0; /* BAR */
    put32(at + 8, offset);
    put32(at + 12, length);
    put32(at + 16, NOTIFY_STEP);
}

static uint8_t *add_device(uint32_t bus, uint32_t device, uint16_t id, uint16_t subsystem)
{
    uint8_t *function = function_at(bus, device, 0), *msix;

    memset(function, 0, 0x1000);
    put16(function, 0x1af4);
    put16(function + 2, id);
    put16(function + 6, 0x10); /* status: capabilities */
    put16(function + 0x2e, subsystem);
    put32(function + 0x10, (uint32_t)(uintptr_t)bar | 4);
    put32(function + 0x14, (uint32_t)((uintptr_t)bar >> 32));
    function[0x34] = CAPABILITIES;
    msix = capability(function, 0, 0x11, false);
    put32(msix + 4, 0); /* table: BAR 0, offset 0 */
    structure(function, 1, 1, COMMON, 0x38, false);
    structure(function, 2, 4, DEVICE, 0x100, false);
    structure(function, 3, 2, NOTIFY, 0x100, true);
    return function;
}

static void found(const struct pci_function *function)
{
    virtio_pci_probe(function);
}

static void start(void)
{
    pci_scan(found);
}

static int set_up(void **state)
{
    (void)state;
    ecam = aligned_alloc(BUS_SIZE, BUSES * BUS_SIZE);
    bar = aligned_alloc(BAR_SIZE, BAR_SIZE);
    memset(ecam, 0xff, BUSES * BUS_SIZE);
    memset(bar, 0, BAR_SIZE);
    put16(bar + COMMON + 0x18, 256); /* queue size */
    probes = log_lines = 0;
    stubborn = master_at_reset = false;
    messages = 16;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(ecam);
    free(bar);
    return 0;
}

/* --- Tests --- */

static void test_a_modern_device(void **state)
{
    uint8_t *function = add_device(0, 2, 0x1041, 0x1100);
    struct driver_queue queue;
    uint32_t data;

    (void)state;
    bar[STATUS] = 0xf; /* of a former life */
    start();
    assert_int_equal(probes, 1);
    assert_int_equal(probed[0]->id, VIRTIO_ID_NET);
    assert_int_equal(bar[STATUS], 0);
    assert_false(master_at_reset);
    assert_true(function[4] & COMMAND_MASTER);
    assert_int_equal(mmio_read32((uintptr_t)bar), 0xfee01000);
    data = mmio_read32((uintptr_t)bar + 8);
    assert_int_equal(probed[0]->interrupt, data - 0x40 + 24);
    assert_int_equal(mmio_read16((uintptr_t)function + CAPABILITIES + 2), 0x8000);

    put32(bar + COMMON + 4, 1); /* features: both halves */
    assert_true(virtio_device_begin(probed[0], ~0ull));
    assert_int_equal(probed[0]->features, 0x100000001ull);
    put16(bar + COMMON + 0x1e, 3); /* queue_notify_off */
    assert_true(virtio_device_queue(probed[0], 1, 64, &queue));
    assert_int_equal(mmio_read16((uintptr_t)bar + COMMON + 0x18), 64);
    assert_int_equal(mmio_read16((uintptr_t)bar + COMMON + 0x1c), 1);
    assert_ptr_equal((void *)((uintptr_t)mmio_read32((uintptr_t)bar + COMMON + 0x20) |
                              (uintptr_t)mmio_read32((uintptr_t)bar + COMMON + 0x24) << 32),
                     queue.descriptor);
    virtio_device_notify(probed[0], 1);
    assert_int_equal(mmio_read16((uintptr_t)bar + NOTIFY + 3 * NOTIFY_STEP), 1);
    bar[DEVICE + 0xfc] = 7;
    assert_int_equal(virtio_config_u32(probed[0], 0xfc), 7);
    assert_int_equal(virtio_config_u32(probed[0], 0xfd), 0); /* beyond the end */
    assert_int_equal(virtio_config_u8(probed[0], 0x100), 0);
    free(queue.descriptor);
}

static void test_transitional_and_strangers(void **state)
{
    uint8_t *other;

    (void)state;
    add_device(0, 1, 0x1000, 2); /* transitional: the subsystem says block */
    other = add_device(0, 3, 0x1042, 0);
    put16(other, 0x8086);           /* another vendor */
    add_device(0, 4, 0x1080, 0);    /* not a virtio device's number */
    add_device(0, 5, 0x1042 + 7, 0); /* 9P: nobody's */
    start();
    assert_int_equal(probes, 1);
    assert_int_equal(probed[0]->id, VIRTIO_ID_BLOCK);
}

static void test_buses(void **state)
{
    uint8_t *bridge = function_at(0, 1, 0);

    (void)state;
    memset(bridge, 0, 0x1000);
    put32(bridge, 0x12348086);
    bridge[0x0e] = 1; /* a bridge: never a driver's */
    add_device(1, 0, 0x1044, 0);
    memcpy(function_at(1, 0, 3), function_at(1, 0, 0), 0x1000); /* but device 0 has only one function */
    add_device(2, 31, 0x1044, 0)[0x0e] = 0x80;
    memcpy(function_at(2, 31, 7), function_at(2, 31, 0), 0x1000);
    start();
    assert_int_equal(probes, 3);
    assert_int_equal(probed[0]->id, VIRTIO_ID_ENTROPY);
}

static void test_what_is_not_in_order(void **state)
{
    uint8_t *function;

    (void)state;
    function = add_device(0, 2, 0x1041, 0);
    function[CAPABILITIES + 0x20 + 1] = CAPABILITIES + 0x20; /* a circle of capabilities */
    start();
    assert_int_equal(probes, 0);
    function = add_device(0, 2, 0x1041, 0);
    put32(function + 0x10, 1); /* an I/O BAR */
    start();
    assert_int_equal(probes, 0);
    function = add_device(0, 2, 0x1041, 0);
    function[CAPABILITIES + 0x20 + 4] = 6; /* no such BAR */
    start();
    assert_int_equal(probes, 0);
    function = add_device(0, 2, 0x1041, 0);
    put32(function + 0x10, 4);
    put32(function + 0x14, 0); /* the firmware gave it no place */
    start();
    assert_int_equal(probes, 0);
    function = add_device(0, 2, 0x1041, 0);
    put32(function + CAPABILITIES + 0x20 + 12, 8); /* too short for its registers */
    start();
    assert_int_equal(probes, 0);
    assert_int_equal(log_lines, 5);
    function = add_device(0, 2, 0x1041, 0);
    stubborn = true;
    bar[STATUS] = 4;
    start();
    assert_int_equal(probes, 0);
    assert_false(function[4] & COMMAND_MASTER);
}

static void test_msi_where_there_is_no_msix(void **state)
{
    uint8_t *function = add_device(0, 2, 0x1041, 0), *msi = function + CAPABILITIES;

    (void)state;
    msi[0] = 5;
    put16(msi + 2, 0x80 | 0x20 | 0x70); /* 64 bits; several messages were on */
    start();
    assert_int_equal(mmio_read16((uintptr_t)msi + 2), 0x80 | 0x1);
    assert_int_equal(mmio_read32((uintptr_t)msi + 4), 0xfee01000);
    assert_int_equal(mmio_read32((uintptr_t)msi + 8), 0);
    assert_int_equal(mmio_read16((uintptr_t)msi + 12), probed[0]->interrupt - 24 + 0x40);

    function = add_device(0, 2, 0x1041, 0);
    msi[0] = 5;
    put16(msi + 2, 0); /* 32 bits */
    start();
    assert_int_equal(mmio_read16((uintptr_t)msi + 2), 1);
    assert_int_equal(mmio_read16((uintptr_t)msi + 8), probed[1]->interrupt - 24 + 0x40);
    assert_int_equal(probed[1]->interrupt, probed[0]->interrupt + 1);

    function = add_device(0, 2, 0x1041, 0);
    msi[0] = 0x12; /* neither */
    start();
    assert_int_equal(probed[2]->interrupt, 0);
    assert_true(function[4] & COMMAND_MASTER);
}

static void test_queues_and_interrupts_that_do_not_fit(void **state)
{
    struct loop_source source = {0};
    struct driver_queue queue;

    (void)state;
    messages = 0;
    add_device(0, 2, 0x1041, 0);
    start();
    assert_int_equal(probes, 1);
    assert_false(virtio_device_ready(probed[0], &source)); /* no message was left for it */
    assert_true(probed[0]->failed);

    messages = 16;
    start();
    put16(bar + COMMON + 0x1e, 0x40); /* the last address is 0x3f * 4 */
    assert_false(virtio_device_queue(probed[1], 0, 64, &queue));
    start();
    put16(bar + COMMON + 0x1e, 0);
    put16(bar + COMMON + 0x1c, 1); /* enabled already */
    assert_false(virtio_device_queue(probed[2], 0, 64, &queue));
    start();
    assert_false(virtio_device_queue(probed[3], VIRTIO_DEVICE_QUEUES_MAX, 64, &queue));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_modern_device, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_transitional_and_strangers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_buses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_not_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_msi_where_there_is_no_msix, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_queues_and_interrupts_that_do_not_fit, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
