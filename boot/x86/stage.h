/* SPDX-License-Identifier: Apache-2.0 */
/* Of the stage in front of the kernel: what its parts are to each other. */
#ifndef BOOT_X86_STAGE_H
#define BOOT_X86_STAGE_H

#include "acpi.h"
#include "multiboot.h"

#include <arch/layout.h>

#pragma GCC visibility push(hidden)
extern uint8_t stage_start[], stage_end[]; /* where it lies, zeroed data and all */
extern const uint8_t kernel_start[], kernel_end[];
extern bool by_efi;
#pragma GCC visibility pop

static inline uint32_t port_read32(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("in %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

/* `hz`: 4 MHz to 200 GHz. */
static inline struct time_scale time_scale(uint64_t hz)
{
    uint64_t ns = divide128(NS_PER_S >> (64 - SCALE_SHIFT), NS_PER_S << SCALE_SHIFT, hz);

    return (struct time_scale){ns, divide128(1ull << (2 * SCALE_SHIFT - 64), 0, ns) + 1};
}

/* RAM that the loader gives. */
void stage_add_ram(uint64_t base, uint64_t size);
/* Part of what is under `address` is needed at where the kernel goes. */
bool stage_in_the_way(uint64_t address, uint64_t size);
/* The loader has said what it has to: finds out the rest, and enters the kernel. `flaw`: NULL, or why it must not run. */
_Noreturn void stage_leave(const char *flaw);

/* A page of registers, until the next is mapped. */
volatile uint8_t *stage_map_device(uint64_t address);
/* The machine's clocks, into `platform`. NULL, or why it cannot be used. */
const char *timers_measure(void);
/* UNIX time by the CMOS clock; 0: there is none. */
uint64_t clock_read(void);

/* head.S, by a Multiboot loader: paging on, the first 4 GiB mapped, on a stack of the stage's. */
_Noreturn void multiboot_main(const struct multiboot_information *information);

/* UEFI's memory map has that, as memory (efi.c). */
bool efi_is_memory(uint64_t address, uint64_t size);

#endif
