/* SPDX-License-Identifier: Apache-2.0 */
/* Small parts of lib/native.h that are worth inlining, on arm64. Every architecture has these names. */
#ifndef ARCH_NATIVE_H
#define ARCH_NATIVE_H

#include <stdbool.h>
#include <stdint.h>

/* Code for interrupt handlers: touches general registers only. */
#define INTERRUPT_CONTEXT __attribute__((target("general-regs-only")))

/* Masks interrupts and says whether they were enabled; hand that to interrupt_restore(). Nests. */
static inline INTERRUPT_CONTEXT bool interrupt_mask(void)
{
    uint64_t daif;

    __asm__ volatile("mrs %0, daif\n\tmsr daifset, #2" : "=r"(daif)::"memory");
    return !(daif & 0x80);
}

static inline INTERRUPT_CONTEXT void interrupt_restore(bool enabled)
{
    if (enabled)
        __asm__ volatile("msr daifclr, #2" ::: "memory");
}

/* Sleeps until an interrupt is pending; interrupts are masked and stay so. */
static inline void cpu_sleep(void)
{
    __asm__ volatile("dsb sy\n\twfi" ::: "memory");
}

/* The system counter, and its frequency. */
static inline uint64_t counter_read(void)
{
    uint64_t count;

    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(count)::"memory");
    return count;
}

static inline uint64_t counter_frequency(void)
{
    uint64_t hertz;

    __asm__("mrs %0, cntfrq_el0" : "=r"(hertz));
    return hertz;
}

/* Device registers. */
static inline INTERRUPT_CONTEXT uint32_t mmio_read32(uintptr_t address)
{
    uint32_t value;

    __asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static inline INTERRUPT_CONTEXT uint16_t mmio_read16(uintptr_t address)
{
    uint32_t value;

    __asm__ volatile("ldrh %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
    return (uint16_t)value;
}

static inline INTERRUPT_CONTEXT uint8_t mmio_read8(uintptr_t address)
{
    uint32_t value;

    __asm__ volatile("ldrb %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
    return (uint8_t)value;
}

static inline INTERRUPT_CONTEXT void mmio_write8(uintptr_t address, uint8_t value)
{
    __asm__ volatile("strb %w0, [%1]" ::"r"(value), "r"(address) : "memory");
}

static inline INTERRUPT_CONTEXT void mmio_write16(uintptr_t address, uint16_t value)
{
    __asm__ volatile("strh %w0, [%1]" ::"r"(value), "r"(address) : "memory");
}

static inline INTERRUPT_CONTEXT void mmio_write32(uintptr_t address, uint32_t value)
{
    __asm__ volatile("str %w0, [%1]" ::"r"(value), "r"(address) : "memory");
}

/* Orders memory that a device shares: full, stores before stores, loads before loads. */
static inline void device_barrier(void)
{
    __asm__ volatile("dmb osh" ::: "memory");
}
static inline void device_store_barrier(void)
{
    __asm__ volatile("dmb oshst" ::: "memory");
}
static inline void device_load_barrier(void)
{
    __asm__ volatile("dmb oshld" ::: "memory");
}

/* Memory of a device that does not see the caches (Arm ARM D7.5): in lines, whose size is CTR_EL0.DminLine. */
static inline uintptr_t cache_line(void)
{
    uint64_t type;

    __asm__("mrs %0, ctr_el0" : "=r"(type));
    return 4u << (type >> 16 & 15);
}
/* What was written there is in memory when this returns: before the device reads it. */
static inline void memory_clean(const volatile void *base, uint64_t size)
{
    uintptr_t line = cache_line(), end = (uintptr_t)base + size;

    for (uintptr_t at = (uintptr_t)base & ~(line - 1); at < end; at += line)
        __asm__ volatile("dc cvac, %0" ::"r"(at) : "memory");
    __asm__ volatile("dsb sy" ::: "memory");
}
/* Nothing of it is in the caches when this returns: before the device writes there, so that no line is written back
 * over it, and again before that is read. Whole lines: what else lies in them is kept. */
static inline void memory_discard(const volatile void *base, uint64_t size)
{
    uintptr_t line = cache_line(), end = (uintptr_t)base + size;

    for (uintptr_t at = (uintptr_t)base & ~(line - 1); at < end; at += line)
        __asm__ volatile("dc civac, %0" ::"r"(at) : "memory");
    __asm__ volatile("dsb sy" ::: "memory");
}

#endif
