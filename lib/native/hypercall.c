/* SPDX-License-Identifier: Apache-2.0 */
#include <arch/hypercall.h>
#include <lib/hypercall.h>
#include <lib/native.h>
#include <string.h>

struct registers {
    uint64_t x[10];
};

static void call(struct registers *r)
{
    hypercall_invoke(r->x);
}

static int64_t call4(uint64_t function, uint64_t x1, uint64_t x2, uint64_t x3, uint64_t x4)
{
    return hypercall_invoke4(function, x1, x2, x3, x4);
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
        cpu_sleep();
    }
}
