// SPDX-License-Identifier: Apache-2.0
/* The end of it: reset by whatever the machine has, power-off by ACPI's S5. */
#include <arch/cpu.h>
#include <core/arch.h>

#define RESET_CONTROL 0xcf9 /* of chipsets: 2 selects a system reset, 6 does it */
#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_RESET 0xfe
#define SLEEP_ENABLE (1u << 13)
#define SPINS 1000000

static void wait(void)
{
    for (uint32_t i = 0; i < SPINS; i++)
        cpu_relax();
}

void machine_reset(void)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) no_idt = {0, 0};

    if (platform.arch.reset_port)
        port_write8(platform.arch.reset_port, platform.arch.reset_value);
    if (platform.arch.reset_memory.value)
        *(volatile uint8_t *)kernel_map_device(platform.arch.reset_memory, 1) = platform.arch.reset_value;
    wait();
    port_write8(RESET_CONTROL, 2);
    port_write8(RESET_CONTROL, 6);
    wait();
    port_write8(KEYBOARD_COMMAND, KEYBOARD_RESET);
    wait();
    __asm__ volatile("lidt %0\n\tud2" ::"m"(no_idt)); /* a triple fault */
    for (;;)
        __asm__ volatile("cli\n\thlt");
}

void machine_off(void)
{
    for (uint32_t i = 0; i < 2 && platform.arch.can_sleep; i++)
        if (platform.arch.sleep_port[i])
            port_write16(platform.arch.sleep_port[i], (uint16_t)(platform.arch.sleep_type[i] << 10 | SLEEP_ENABLE));
    for (;;)
        __asm__ volatile("cli\n\thlt");
}
