/* SPDX-License-Identifier: Apache-2.0 */
/* The memory behind malloc(): from the image's end up; whole pages that stay (page tables) from the far end down. */
#include <errno.h>
#include <lib/native.h>
#include <lib/native/parts.h>
#include <string.h>
#include <sys/lock.h>
#include <unistd.h>

#define PAGE 4096ull

static uint64_t heap_base, heap_break, heap_end, heap_size;

void heap_init(uint64_t base, uint64_t end)
{
    heap_base = heap_break = base;
    heap_end = end & ~(PAGE - 1);
    heap_size = heap_end - heap_base;
}

void *heap_take_page(void)
{
    if (heap_end - heap_break < PAGE)
        panic("no memory for page tables");
    heap_end -= PAGE;
    return memset((void *)heap_end, 0, PAGE);
}

/* For malloc(), under its lock. */
void *sbrk(ptrdiff_t change)
{
    uint64_t before = heap_break;

    if (change < 0 ? (uint64_t)-change > heap_break - heap_base : (uint64_t)change > heap_end - heap_break) {
        errno = ENOMEM;
        return (void *)-1;
    }
    heap_break += (uint64_t)change;
    return (void *)before;
}

struct memory_use memory_use(void)
{
    return (struct memory_use){
        .text = (size_t)(constants_end - image_start),
        .data = (size_t)(image_end - constants_end),
        .heap = heap_size,
        .heap_peak = (heap_break - heap_base) + (heap_base + heap_size - heap_end),
    };
}

/*
 * The C library's lock. One CPU: with interrupts masked the background context is not left, so the loop never meets a
 * lock that is held. What is done under it is short.
 */
static uint32_t lock_depth;
static bool lock_enabled;

struct __lock {
    char unused;
};
struct __lock __lock___libc_recursive_mutex;

void __retarget_lock_acquire_recursive(_LOCK_T lock)
{
    bool enabled = interrupt_mask();

    (void)lock;
    if (lock_depth++ == 0)
        lock_enabled = enabled;
}

void __retarget_lock_release_recursive(_LOCK_T lock)
{
    (void)lock;
    if (--lock_depth == 0)
        interrupt_restore(lock_enabled);
}

void __retarget_lock_acquire(_LOCK_T lock)
{
    __retarget_lock_acquire_recursive(lock);
}
void __retarget_lock_release(_LOCK_T lock)
{
    __retarget_lock_release_recursive(lock);
}
void __retarget_lock_init(_LOCK_T *lock)
{
    *lock = &__lock___libc_recursive_mutex;
}
void __retarget_lock_init_recursive(_LOCK_T *lock)
{
    *lock = &__lock___libc_recursive_mutex;
}
void __retarget_lock_close(_LOCK_T lock)
{
    (void)lock;
}
void __retarget_lock_close_recursive(_LOCK_T lock)
{
    (void)lock;
}
