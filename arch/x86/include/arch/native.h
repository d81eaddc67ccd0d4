/* SPDX-License-Identifier: Apache-2.0 */
/* Small parts of lib/native.h that are worth inlining, on x86-64. Every architecture has these names, but for ports. */
#ifndef ARCH_NATIVE_H
#define ARCH_NATIVE_H

#include <stdbool.h>
#include <stdint.h>

/* Code for interrupt handlers: touches general registers only. */
#define INTERRUPT_CONTEXT __attribute__((target("general-regs-only")))

/* Masks interrupts and says whether they were enabled; hand that to interrupt_restore(). Nests. */
static inline INTERRUPT_CONTEXT bool interrupt_mask(void)
{
    uint64_t flags;

    __asm__ volatile("pushfq\n\tpopq %0\n\tcli" : "=r"(flags)::"memory");
    return flags & 0x200;
}

static inline INTERRUPT_CONTEXT void interrupt_restore(bool enabled)
{
    if (enabled)
        __asm__ volatile("sti" ::: "memory");
}

/* Sleeps until an interrupt was pending, which is taken; interrupts are masked before and after. */
static inline void cpu_sleep(void)
{
    __asm__ volatile("sti\n\thlt\n\tcli" ::: "memory");
}

/* The time stamp counter, and its frequency (timer.c). */
static inline uint64_t counter_read(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

uint64_t counter_frequency(void);

/* Device registers. */
static inline INTERRUPT_CONTEXT uint8_t mmio_read8(uintptr_t address)
{
    return *(const volatile uint8_t *)address;
}
static inline INTERRUPT_CONTEXT uint16_t mmio_read16(uintptr_t address)
{
    return *(const volatile uint16_t *)address;
}
static inline INTERRUPT_CONTEXT uint32_t mmio_read32(uintptr_t address)
{
    return *(const volatile uint32_t *)address;
}
static inline INTERRUPT_CONTEXT void mmio_write8(uintptr_t address, uint8_t value)
{
    *(volatile uint8_t *)address = value;
}
static inline INTERRUPT_CONTEXT void mmio_write16(uintptr_t address, uint16_t value)
{
    *(volatile uint16_t *)address = value;
}
static inline INTERRUPT_CONTEXT void mmio_write32(uintptr_t address, uint32_t value)
{
    *(volatile uint32_t *)address = value;
}

static inline INTERRUPT_CONTEXT uint8_t port_read8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}
static inline uint16_t port_read16(uint16_t port)
{
    uint16_t value;

    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}
static inline void port_write16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port) : "memory");
}
static inline INTERRUPT_CONTEXT void port_write8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

/* Orders memory that a device shares: full, stores before stores, loads before loads (the last two are always). */
static inline void device_barrier(void)
{
    __asm__ volatile("mfence" ::: "memory");
}
static inline void device_store_barrier(void)
{
    __asm__ volatile("" ::: "memory");
}
static inline void device_load_barrier(void)
{
    __asm__ volatile("" ::: "memory");
}

/* Memory of a device that does not see the caches: here all do. */
static inline void memory_clean(const volatile void *base, uint64_t size)
{
    (void)base, (void)size;
}
static inline void memory_discard(const volatile void *base, uint64_t size)
{
    (void)base, (void)size;
}

#endif
