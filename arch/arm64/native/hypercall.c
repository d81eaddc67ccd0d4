/* SPDX-License-Identifier: Apache-2.0 */
#include <lib/hypercall.h>
#include <string.h>

struct registers {
    uint64_t x[10];
};

/* SMCCC 1.1: x0..x3 return results, x4..x17 keep their values. Memory: the kernel writes pages that it shares. */
static void call(struct registers *r)
{
    register uint64_t x0 __asm__("x0") = r->x[0];
    register uint64_t x1 __asm__("x1") = r->x[1];
    register uint64_t x2 __asm__("x2") = r->x[2];
    register uint64_t x3 __asm__("x3") = r->x[3];
    register uint64_t x4 __asm__("x4") = r->x[4];
    register uint64_t x5 __asm__("x5") = r->x[5];
    register uint64_t x6 __asm__("x6") = r->x[6];
    register uint64_t x7 __asm__("x7") = r->x[7];
    register uint64_t x8 __asm__("x8") = r->x[8];
    register uint64_t x9 __asm__("x9") = r->x[9];

    __asm__ volatile("hvc #0"
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
                     : "r"(x4), "r"(x5), "r"(x6), "r"(x7), "r"(x8), "r"(x9)
                     : "memory");
    r->x[0] = x0;
    r->x[1] = x1;
    r->x[2] = x2;
    r->x[3] = x3;
}

static int64_t call4(uint64_t function, uint64_t x1, uint64_t x2, uint64_t x3, uint64_t x4)
{
    register uint64_t r0 __asm__("x0") = function;
    register uint64_t r1 __asm__("x1") = x1;
    register uint64_t r2 __asm__("x2") = x2;
    register uint64_t r3 __asm__("x3") = x3;
    register uint64_t r4 __asm__("x4") = x4;

    __asm__ volatile("hvc #0" : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3) : "r"(r4) : "memory");
    return (int64_t)r0;
}

struct hypercall_version hypercall_version(void)
{
    struct registers r = {{HC_VERSION}};

    call(&r);
    return (struct hypercall_version){(int64_t)r.x[0], (uint32_t)r.x[1], (uint32_t)r.x[2], (uint32_t)r.x[3]};
}

/* Bytes packed little-endian from register `first` on; the length stands in the register before. */
static void pack(struct registers *r, uint32_t first, const void *data, uint32_t length)
{
    r->x[first - 1] = length;
    memcpy(&r->x[first], data, length <= HYPERCALL_BYTES_MAX ? length : HYPERCALL_BYTES_MAX);
}

int64_t hypercall_console_write(uint32_t console, const void *data, uint32_t length)
{
    struct registers r = {{HC_CONSOLE_WRITE, console}};

    pack(&r, 3, data, length);
    call(&r);
    return (int64_t)r.x[0];
}

int64_t hypercall_console_input(uint32_t console, const void *data, uint32_t length)
{
    struct registers r = {{HC_CONSOLE_INPUT, console}};

    pack(&r, 3, data, length);
    call(&r);
    return (int64_t)r.x[0] ? (int64_t)r.x[0] : (int64_t)r.x[1];
}

int64_t hypercall_log_write(const void *data, uint32_t length)
{
    struct registers r = {{HC_LOG_WRITE}};

    pack(&r, 2, data, length);
    call(&r);
    return (int64_t)r.x[0];
}

int64_t hypercall_channel_offer(uint32_t channel, uint64_t features, uint32_t queues, uint32_t size)
{
    return call4(HC_CHANNEL_OFFER, channel, features, queues, size);
}

int64_t hypercall_channel_config(uint32_t channel, uint32_t offset, uint32_t width, uint64_t value)
{
    return call4(HC_CHANNEL_CONFIG, channel, offset, width, value);
}

int64_t hypercall_channel_attach(uint32_t channel)
{
    return call4(HC_CHANNEL_ATTACH, channel, 0, 0, 0);
}

int64_t hypercall_channel_signal(uint32_t channel, uint32_t bits)
{
    return call4(HC_CHANNEL_SIGNAL, channel, bits, 0, 0);
}

int64_t hypercall_channel_reset_done(uint32_t channel)
{
    return call4(HC_CHANNEL_RESET_DONE, channel, 0, 0, 0);
}

int64_t hypercall_channel_fail(uint32_t channel)
{
    return call4(HC_CHANNEL_FAIL, channel, 0, 0, 0);
}

int64_t hypercall_domain_control(uint32_t partition, enum domain_operation operation)
{
    return call4(HC_DOMAIN_CONTROL, partition, operation, 0, 0);
}

int64_t hypercall_heartbeat(uint32_t within_ms)
{
    return call4(HC_HEARTBEAT, within_ms, 0, 0, 0);
}

int64_t hypercall_system(bool power_off, enum stop_cause cause)
{
    return call4(HC_SYSTEM, power_off, cause, 0, 0);
}

int64_t hypercall_event(uint32_t partition, enum event_kind kind, enum stop_cause cause, uint64_t detail)
{
    return call4(HC_EVENT, partition, kind, cause, detail);
}

_Noreturn void hypercall_panic(uint64_t detail)
{
    for (;;) {
        call4(HC_PANIC, detail, 0, 0, 0);
        __asm__ volatile("wfi");
    }
}
