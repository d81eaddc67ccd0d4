/* SPDX-License-Identifier: Apache-2.0 */
/* lib/native.h's inline parts for host programs: the test supplies the hardware. */
#ifndef ARCH_NATIVE_H
#define ARCH_NATIVE_H

#include <stdbool.h>
#include <stdint.h>

#define INTERRUPT_CONTEXT

bool interrupt_mask(void);
void interrupt_restore(bool enabled);
void cpu_sleep(void);
uint64_t counter_read(void);
uint64_t counter_frequency(void);
uint32_t mmio_read32(uintptr_t address);
uint16_t mmio_read16(uintptr_t address);
uint8_t mmio_read8(uintptr_t address);
void mmio_write8(uintptr_t address, uint8_t value);
void mmio_write16(uintptr_t address, uint16_t value);
void mmio_write32(uintptr_t address, uint32_t value);

static inline void device_barrier(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
static inline void device_store_barrier(void)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
}
static inline void device_load_barrier(void)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
}

static inline void memory_clean(const volatile void *base, uint64_t size)
{
    (void)base, (void)size;
}
static inline void memory_discard(const volatile void *base, uint64_t size)
{
    (void)base, (void)size;
}

#endif
