/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/hypercall.h>
#include <core/deadline.h>
#include <core/heartbeat.h>
#include <core/interrupt.h>

#define NS_PER_MS 1000000ull
#define PERIOD_MS_MAX 600000u
#define LOOKS 4 /* how often a vCPU's progress is looked at within progress_ms */

static struct timeout heartbeats[BULKHEAD_PARTITIONS_MAX];
static struct deadline progress[BULKHEAD_CPUS_MAX];

static void heartbeat_missed(struct timeout *timeout)
{
    domain_stop(timeout->owner, CAUSE_HEARTBEAT, 0);
}

static void expect(struct domain *domain, uint64_t milliseconds)
{
    struct timeout *timeout = &heartbeats[domain->index];

    timeout->owner = domain;
    timeout->expired = heartbeat_missed;
    if (milliseconds != 0)
        timeout_set(timeout, time_ns() + milliseconds * NS_PER_MS);
    else
        timeout_cancel(timeout);
}

void heartbeat_start(struct domain *domain)
{
    expect(domain, domain->config->heartbeat_ms);
}

void heartbeat_stop(struct domain *domain)
{
    expect(domain, 0);
}

int64_t heartbeat_beat(struct vcpu *vcpu, uint64_t milliseconds)
{
    if (milliseconds > PERIOD_MS_MAX)
        return HC_E_RANGE;
    expect(vcpu->domain, milliseconds != 0 ? milliseconds : vcpu->domain->config->heartbeat_ms);
    return HC_OK;
}

static void look(struct deadline *deadline)
{
    struct vcpu *vcpu = deadline->owner;
    uint64_t now = time_ns(), limit = vcpu->domain->config->progress_ms * NS_PER_MS;

    if (!interrupt_untaken(vcpu))
        vcpu->progress_stamp = 0;
    else if (vcpu->progress_stamp == 0)
        vcpu->progress_stamp = now - limit / LOOKS;

    if (vcpu->progress_stamp != 0 && now - vcpu->progress_stamp >= limit)
        domain_stop(vcpu->domain, CAUSE_NO_PROGRESS, vcpu->index);
    else
        deadline_set(deadline, now + limit / LOOKS);
}

void progress_start(struct vcpu *vcpu)
{
    struct deadline *deadline = &progress[vcpu->cpu];

    vcpu->progress_stamp = 0;
    deadline->owner = vcpu;
    deadline->expired = look;
    if (vcpu->domain->config->progress_ms != 0)
        deadline_set(deadline, time_ns() + vcpu->domain->config->progress_ms * NS_PER_MS / LOOKS);
}

void progress_stop(struct vcpu *vcpu)
{
    deadline_cancel(&progress[vcpu->cpu]);
}
