/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Domains, vCPUs and physical CPUs. One vCPU a physical CPU, for ever: vCPU state that only its own CPU touches needs
 * no lock; what others may touch is atomic or says its lock.
 */
#ifndef CORE_VCPU_H
#define CORE_VCPU_H

#include <arch/vcpu.h> /* struct arch_vcpu: registers and per-vCPU devices of this architecture; struct arch_domain */
#include <bulkhead/partition.h>
#include <bulkhead/status.h>
#include <core/address.h>
#include <core/spinlock.h>

struct domain;

enum vcpu_power { VCPU_OFF, VCPU_ON_PENDING, VCPU_ON }; /* PSCI AFFINITY_INFO */

/* Why a CPU is asked to look up from its guest; bits of cpu.requests, set with cpu_request(). */
enum cpu_request {
    CPU_REQUEST_INTERRUPTS = 1, /* the vCPU's inbox of virtual interrupts has grown */
    CPU_REQUEST_POWER = 2,      /* vCPU on, domain stop, domain start: look at the domain's state */
    CPU_REQUEST_HALT = 4,       /* the appliance is being reset */
};

struct vcpu {
    struct arch_vcpu arch; /* first: assembly relies on it */
    struct domain *domain;
    uint32_t index;             /* in the domain */
    uint32_t cpu;               /* physical */
    _Atomic uint32_t power;     /* enum vcpu_power */
    uint64_t entry, context;    /* PSCI CPU_ON: where and with which x0, valid while VCPU_ON_PENDING */
    uint64_t progress_stamp;    /* deadline.c: when an interrupt was first seen untaken; 0: none */
    bool in;                    /* own CPU: the guest runs, or is about to; vcpu_park() has returned */
    struct vcpu_status *status; /* in the status page */
};

struct domain {
    const struct partition_config *config;
    uint32_t index;
    uint32_t vcpu_count;
    struct spinlock lock;      /* state transitions; the order is domain, then vgic, then channel */
    _Atomic uint32_t state;    /* enum domain_state; a vCPU leaves its guest when it is no longer RUNNING */
    _Atomic uint32_t vcpus_in; /* vCPUs that have not yet parked since the stop */
    uint32_t restart;          /* start again once stopped */
    struct hpa memory;
    struct ipa memory_ipa;
    uint64_t memory_size;
    struct arch_domain arch; /* stage-2 root, virtual distributor, RTC offset, ... */
    struct vcpu *vcpu[BULKHEAD_CPUS_MAX];
    struct domain_status *status;
};

struct cpu {
    struct vcpu *vcpu; /* NULL: this CPU belongs to nobody and sleeps */
    uint32_t index;    /* 0..; the logical number that partition_config.cpus uses */
    uint64_t id;       /* arm64: MPIDR affinity */
    _Atomic uint32_t requests;
    bool present;
};

extern struct domain domains[BULKHEAD_PARTITIONS_MAX];
extern struct cpu cpus[BULKHEAD_CPUS_MAX];
/* struct vcpu *vcpu_current(void): the calling CPU's; in arch/vcpu.h, inline where it is one instruction. */

/* Any CPU, no lock needed: set request bits on a CPU and interrupt it if it is not the caller. */
void cpu_request(uint32_t cpu, uint32_t requests);

static inline bool domain_manages(const struct domain *domain)
{
    return domain->config->flags & PARTITION_MANAGEMENT;
}

/* core/domain.c */
void domain_init(void);      /* boot CPU, once, after memory_place() */
void domain_start_all(void); /* boot CPU: those with PARTITION_AUTOSTART */
/* Any CPU, domain's lock not held. Asynchronous: the domain's own CPUs do the work. HC_OK or HC_E_STATE. */
int domain_start(struct domain *domain);
int domain_restart(struct domain *domain);
/* Any CPU. Records cause and detail, makes every vCPU leave its guest. The first cause stands. */
void domain_stop(struct domain *domain, enum stop_cause cause, uint64_t detail);
/* Any CPU: domain_stop() at the operator's request; HC_E_STATE if it does not run. */
int domain_halt(struct domain *domain);
/* Any CPU, no channel lock held: a back-end has let go of a channel of `front`, which may wait for that to stop. */
void domain_let_go(struct domain *front);
/* True if the memory of `front` is granted to `back`: that serves a channel of it. */
bool domain_grants(const struct domain *front, const struct domain *back);
/* Own CPU, PSCI CPU_OFF: the last one stops the domain. vcpu_park() follows. */
void vcpu_power_off(struct vcpu *vcpu);
/* The CPU of `vcpu`, from the exit path when it sees that its domain is not RUNNING or that it is off: parks until
 * there is something to run, and returns with the vCPU's registers set for it. */
void vcpu_park(struct vcpu *vcpu);

#endif
