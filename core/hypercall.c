// SPDX-License-Identifier: Apache-2.0
#include <core/hypercall.h>

#include <bulkhead/hypercall.h>
#include <core/arch.h>
#include <core/channel.h>
#include <core/console.h>
#include <core/heartbeat.h>
#include <core/log.h>
#include <devices/serial/uart.h>

#define BYTES_MAX 56 /* that seven registers carry */
#ifdef CONFIG_BENCH
#define NOTHING_ANSWER HC_OK
#else
#define NOTHING_ANSWER HC_E_UNKNOWN
#endif

static bool may_write(const struct domain *domain, uint64_t console)
{
    return console < console_count && (console_owner[console] == domain->index || domain_manages(domain));
}

static int64_t console_write_call(struct domain *domain, const uint64_t *x)
{
    if (x[2] < 1 || x[2] > BYTES_MAX)
        return HC_E_RANGE;
    if (!may_write(domain, x[1]))
        return HC_E_DENIED;
    console_write((uint32_t)x[1], &x[3], (uint32_t)x[2]);
    return HC_OK;
}

static int64_t console_input_call(uint64_t *x)
{
    if (x[1] >= console_count || x[2] < 1 || x[2] > BYTES_MAX)
        return HC_E_RANGE;
    x[1] = uart_input((uint32_t)x[1], &x[3], (uint32_t)x[2]);
    return HC_OK;
}

static int64_t reset_done(struct domain *domain, const uint64_t *x)
{
    int64_t result = channel_call(domain, x);

    if (result == HC_OK)
        domain_let_go(&domains[channels[x[1]].front]);
    return result;
}

static int64_t domain_control(struct domain *caller, uint64_t partition, uint64_t operation)
{
    struct domain *target = &domains[partition < partition_count ? partition : 0];

    if (partition >= partition_count || operation > DOMAIN_OP_RESTART)
        return HC_E_RANGE;
    if (target == caller)
        return HC_E_DENIED;
    switch (operation) {
    case DOMAIN_OP_START:
        return domain_start(target);
    case DOMAIN_OP_RESTART:
        return domain_restart(target);
    default:
        return domain_halt(target);
    }
}

static int64_t system_call(uint64_t operation, uint64_t cause)
{
    if (operation > 1 || cause > UINT8_MAX)
        return HC_E_RANGE;
    log_line("The management domain %s the appliance", operation ? "powers off" : "resets");
    log_event(UINT8_MAX, EVENT_RESET, (enum stop_cause)cause, operation);
    if (operation)
        machine_off();
    machine_reset();
}

static int64_t event_call(const uint64_t *x)
{
    if (x[1] >= partition_count && x[1] != UINT8_MAX)
        return HC_E_RANGE;
    if ((x[2] != EVENT_RESTART && x[2] != EVENT_GIVE_UP && x[2] != EVENT_RESET && x[2] != EVENT_STOP) ||
        x[3] > UINT8_MAX)
        return HC_E_RANGE;
    log_event((uint8_t)x[1], (enum event_kind)x[2], (enum stop_cause)x[3], x[4]);
    return HC_OK;
}

static int64_t log_write(const uint64_t *x)
{
    if (x[1] < 1 || x[1] > BYTES_MAX)
        return HC_E_RANGE;
    log_append(&x[2], (uint32_t)x[1]);
    return HC_OK;
}

/* Calls that only the management domain may make. */
static int64_t management_call(struct domain *domain, uint64_t *x)
{
    if (!domain_manages(domain))
        return HC_E_DENIED;
    switch ((uint32_t)x[0]) {
    case HC_CONSOLE_INPUT:
        return console_input_call(x);
    case HC_DOMAIN_CONTROL:
        return domain_control(domain, x[1], x[2]);
    case HC_SYSTEM:
        return system_call(x[1], x[2]);
    case HC_LOG_WRITE:
        return log_write(x);
    default:
        return event_call(x);
    }
}

static int64_t version(const struct domain *domain, uint64_t *x)
{
    x[1] = BULKHEAD_ABI_VERSION;
    x[2] = domain->index;
    x[3] = partition_count;
    return HC_OK;
}

static int64_t answer(struct vcpu *vcpu, uint64_t *x)
{
    struct domain *domain = vcpu->domain;

    switch ((uint32_t)x[0]) {
    case HC_CHANNEL_SIGNAL:
        return channel_signal(domain, x[1], x[2]);
    case HC_CONSOLE_WRITE:
        return console_write_call(domain, x);
    case HC_VERSION:
        return version(domain, x);
    case HC_CHANNEL_OFFER:
    case HC_CHANNEL_CONFIG:
    case HC_CHANNEL_ATTACH:
    case HC_CHANNEL_FAIL:
        return channel_call(domain, x);
    case HC_CHANNEL_RESET_DONE:
        return reset_done(domain, x);
    case HC_HEARTBEAT:
        return heartbeat_beat(vcpu, x[1]);
    case HC_PANIC:
        domain_stop(domain, CAUSE_PANIC, x[1]);
        vcpu_park(vcpu);
        return (int64_t)x[0]; /* a register of the next start */
    case HC_CONSOLE_INPUT:
    case HC_DOMAIN_CONTROL:
    case HC_SYSTEM:
    case HC_LOG_WRITE:
    case HC_EVENT:
        return management_call(domain, x);
    case HC_NOTHING:
        return NOTHING_ANSWER;
    default:
        return HC_E_UNKNOWN;
    }
}

void hypercall(struct vcpu *vcpu, uint64_t *x)
{
    if (((uint32_t)x[0] & ~0xffu) != HC_BASE)
        return arch_firmware_call(vcpu);
    vcpu->status->exits[EXIT_HYPERCALL]++;
    x[0] = (uint64_t)answer(vcpu, x);
}
