/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest and its back-end that do anything, in any order, to every emulated register and channel of the fake machine.
 * Each operation is 8 bytes: what, CPU, width, value, and where. What must hold: the machine's CHECKs (one list
 * register an interrupt, no linked one pending and active, settling ends), the sanitizers, the bounds of queues.
 */
#include "../../arch/arm64/vgic.h"
#include "../../arch/host/channel_calls.h"
#include "../../arch/host/machine.h"

#include <bulkhead/guest_map.h>
#include <core/console.h>
#include <core/interrupt.h>
#include <core/log.h>
#include <devices/rtc/pl031.h>
#include <devices/serial/pl011.h>
#include <devices/serial/uart.h>
#include <devices/watchdog/sbsa.h>
#include <string.h>

#define OPERATION 8u
#define OPERATIONS_MAX 512u
#define BACK (&domains[0])
#define GUEST (&domains[1])

const struct partition_config partitions[] = {
    {.name = "management", .flags = PARTITION_MANAGEMENT, .cpus = 1, .uart_console = 0xff},
    {.name = "guest", .flags = PARTITION_UART, .cpus = 0x06, .uart_console = 0},
};
const uint32_t partition_count = 2;
const struct channel_config channels[] = {
    {.device_id = VIRTIO_ID_NET, .front = 1, .back = 0, .slot = 0, .console = 0xff},
    {.device_id = VIRTIO_ID_BLOCK, .front = 1, .back = 0, .slot = 1, .console = 0xff},
};
const uint32_t channel_count = 2;
const uint32_t console_count = 1;

static const struct {
    uint64_t base, size;
} places[] = {
    {GUEST_GICD_BASE, 0x10000},     {GUEST_GICD_BASE, 0x1000},
    {GUEST_GICR_BASE, 0x40000},     {GUEST_GICR_BASE + 0x10000, 0x1000},
    {GUEST_UART_BASE, 0x50},        {GUEST_RTC_BASE, 0x20},
    {GUEST_WATCHDOG_CONTROL, 0x18}, {GUEST_WATCHDOG_REFRESH, 4},
    {GUEST_VIRTIO_BASE, 0x200},     {GUEST_VIRTIO_BASE + PAGE_SIZE, 0x200},
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    machine_init();
    console_init();
    channel_init();
    pl011_init(GUEST);
    pl031_init(GUEST);
    sbsa_init(GUEST);
    interrupt_pass_through(GUEST, 70);
    return 0;
}

static void restart(void)
{
    channel_reset_back(BACK);
    CHECK(channel_reset_front(GUEST));
    pl011_reset(GUEST);
    pl031_reset(GUEST);
    sbsa_reset(GUEST);
    machine_start();
}

/* A GICv2 has a distributor of one page, and no redistributors. */
static bool reaches(uint32_t place, uint64_t offset, uint32_t width)
{
    return offset + width <= places[place].size && mmio_find(GUEST, ipa(places[place].base + offset));
}

static void operate(const uint8_t *data)
{
    static const uint32_t interesting[] = {0, 1, 2, 3, 15, 128, 256, UINT32_MAX};
    uint32_t place = data[1] % (sizeof(places) / sizeof(places[0])), width = 1u << data[2] % 4;
    uint64_t offset = (uint64_t)(data[4] | data[5] << 8 | (data[6] & 3) << 16) % places[place].size;
    uint64_t value = data[2] & 0x80 ? interesting[data[3] % 8] : data[3] * 0x0101010101010101ull;
    uint64_t channel = data[1] % 3;

    machine_on(1 + (data[0] >> 7));
    switch (data[0] & 0x0f) {
    case 0:
        machine_end(machine_take());
        break;
    case 1:
        machine_take();
        break;
    case 2:
        vgic_sgi_register(vcpu_current(), value);
        break;
    case 3:
        machine_sleep(data[3] * 100000000ull);
        break;
    case 4:
        machine_on(0);
        channel_offer(BACK, channel, UINT64_MAX, 1 + data[2] % 4, 1u << data[3] % 9);
        channel_attach(BACK, channel);
        break;
    case 5:
        machine_on(0);
        channel_signal(BACK, channel, data[3]);
        break;
    case 6:
        machine_on(0);
        channel_reset_done(BACK, channel);
        break;
    case 7:
        machine_on(0);
        if (data[3] % 2)
            channel_fail(BACK, channel);
        else
            channel_reset_back(BACK);
        break;
    case 8:
        machine_on(0);
        uart_input(0, data, OPERATION);
        break;
    case 9:
        vgic_physical(vcpu_current(), data[3] % 2 ? 27 : 70, false);
        break;
    case 10:
        channel_reset_front(GUEST);
        break;
    case 11:
        if (reaches(place, offset, width))
            machine_read(places[place].base + offset, width);
        break;
    default:
        if (reaches(place, offset, width))
            machine_write(places[place].base + (data[2] & 0x40 ? offset & ~3ull : offset), width, value);
        break;
    }
    if (data[2] & 0x20)
        machine_settle();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    restart();
    for (size_t i = 0; i + OPERATION <= size && i / OPERATION < OPERATIONS_MAX; i += OPERATION)
        operate(data + i);
    for (uint32_t i = 0; i < channel_count; i++) {
        const struct channel_state *state =
            (const struct channel_state *)(channel_register_page(i).value + CHANNEL_STATE_OFFSET);

        for (uint32_t queue = 0; queue < BULKHEAD_QUEUES_MAX; queue++)
            CHECK(state->queue[queue].size <= BULKHEAD_QUEUE_SIZE_MAX && state->queue[queue].ready <= 1);
    }
    machine_settle();
    return 0;
}
