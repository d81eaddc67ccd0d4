/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An x86 guest that does anything, in any order, to its local APICs, IOAPIC, ports, Hyper-V registers and watchdog on
 * the fake machine. Each operation is 8 bytes: what, CPU, which register, value. What must hold: the machine's CHECKs,
 * the sanitizers, and that a local APIC's sets are what their summaries say.
 */
#include "../../arch/host/machine.h"

#include <arch/pio.h>
#include <bulkhead/guest_map.h>
#include <core/channel.h>
#include <core/console.h>
#include <core/interrupt.h>
#include <core/log.h>
#include <devices/rtc/cmos.h>
#include <devices/serial/uart.h>
#include <devices/serial/uart16550.h>
#include <devices/watchdog/wdat.h>
#include <string.h>

#define OPERATION 8u
#define OPERATIONS_MAX 512u
#define GUEST (&domains[1])
#define NOTHING 1023u

const struct partition_config partitions[] = {
    {.name = "management", .flags = PARTITION_MANAGEMENT, .cpus = 1, .uart_console = 0xff},
    {.name = "guest", .flags = PARTITION_UART, .cpus = 0x06, .uart_console = 0},
};
const uint32_t partition_count = 2;
const struct channel_config channels[1];
const uint32_t channel_count = 0;
const uint32_t console_count = 1;

/* First numbers of groups of 16 MSRs. */
static const uint32_t msrs[] = {0x800, 0x810,      0x820,      0x830,      0x1b,
                                0x6e0, 0x40000000, 0x40000020, 0x40000070, 0x40000110};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    machine_init();
    console_init();
    channel_init();
    uart16550_init(GUEST);
    cmos_init(GUEST);
    wdat_init(GUEST);
    GUEST->memory_size = 64 * MIB;
    return 0;
}

static void restart(void)
{
    hyperv_reset(GUEST);
    uart16550_reset(GUEST);
    cmos_reset(GUEST);
    wdat_reset(GUEST);
    machine_start();
    for (uint32_t cpu = 1; cpu < 3; cpu++) {
        machine_on(cpu);
        vlapic_msr_write(vcpu_current(), 0x80f, 0x1ff);
    }
}

static void access_msr(uint32_t msr, bool write, uint64_t value)
{
    if (msr >> 30 == 1) {
        if (write)
            hyperv_msr_write(vcpu_current(), msr, value);
        else
            hyperv_msr_read(vcpu_current(), msr, &value);
    } else if (write) {
        vlapic_msr_write(vcpu_current(), msr, value);
    } else {
        vlapic_msr_read(vcpu_current(), msr, &value);
    }
}

static void operate(const uint8_t *data)
{
    static const uint16_t ports[] = {GUEST_PORT_UART, GUEST_PORT_RTC, GUEST_PORT_UART + 6, 0xfffe};
    uint64_t value = data[2] & 0x80
                         ? UINT64_MAX
                         : data[3] | (uint64_t)data[4] << 8 | (uint64_t)data[5] << 16 | (uint64_t)(data[6] & 3) << 32;
    uint32_t number = data[1], short_value = (uint32_t)value;

    machine_on(1 + (data[0] >> 7));
    switch (data[0] & 0x0f) {
    case 0:
        if (machine_take() != NOTHING && data[2] & 1)
            machine_end(0);
        break;
    case 1:
        machine_end(0);
        break;
    case 2:
        machine_sleep(data[3] * 10000000ull);
        break;
    case 3:
        interrupt_raise(GUEST, number);
        break;
    case 4:
        interrupt_set_level(GUEST, number % 32, data[2] & 1);
        break;
    case 5:
        vlapic_send(GUEST->vcpu[number % 2], data[3], data[2] & 1);
        break;
    case 6:
        pio_access(vcpu_current(), (uint16_t)(ports[number % 4] + data[7] % 8), (uint8_t)(1u << data[2] % 3),
                   data[2] & 8, &short_value);
        break;
    case 7:
        uart_input(0, data, OPERATION);
        break;
    case 8:
        machine_write(GUEST_WATCHDOG_BASE + number, 1u << data[2] % 4, value);
        machine_read(GUEST_WATCHDOG_BASE + number, 4);
        break;
    case 9:
        vlapic_set_tpr(vcpu_current(), data[3]);
        break;
    case 10:
        interrupt_untaken(vcpu_current());
        break;
    case 11:
        machine_write(GUEST_IOAPIC_BASE, 4, number);
        machine_write(GUEST_IOAPIC_BASE + 0x10, 4, value);
        break;
    case 12:
        machine_write(GUEST_IOAPIC_BASE + number, 1u << data[2] % 4, value);
        machine_read(GUEST_IOAPIC_BASE + number, 1u << data[2] % 4);
        break;
    default:
        access_msr(msrs[number % (sizeof(msrs) / sizeof(msrs[0]))] + data[7] % 16, data[2] & 1, value);
        break;
    }
    if (data[2] & 0x20)
        machine_settle();
}

/* `set`: the MSR of its first word. */
static void check_set(const struct vlapic *vlapic, uint32_t set, uint8_t used)
{
    for (uint32_t word = 0; word < 8; word++)
        CHECK((used >> word & 1) == (vlapic->page[VLAPIC_REGISTER(set + word)] != 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    restart();
    for (size_t i = 0; i + OPERATION <= size && i / OPERATION < OPERATIONS_MAX; i += OPERATION)
        operate(data + i);
    machine_settle();
    for (uint32_t v = 0; v < GUEST->vcpu_count; v++) {
        const struct vlapic *vlapic = &GUEST->vcpu[v]->arch.vlapic;

        check_set(vlapic, 0x820, vlapic->requested);
        check_set(vlapic, 0x810, vlapic->served);
        CHECK(vlapic->lazy == 0 || vlapic->assist != NULL);
        CHECK(vlapic->next == 0 || vlapic->page[VLAPIC_REGISTER(0x820 + vlapic->next / 32)] >> vlapic->next % 32 & 1);
    }
    return 0;
}
