/* SPDX-License-Identifier: Apache-2.0 */
/* What a domain must do to count as alive: its heartbeat, and vCPUs that take their interrupts. */
#ifndef CORE_HEARTBEAT_H
#define CORE_HEARTBEAT_H

#include <core/vcpu.h>

/* The domain's CPU that starts it: the first heartbeat is due, if the partition asks for one. Any CPU: no more is due.
 */
void heartbeat_start(struct domain *domain);
void heartbeat_stop(struct domain *domain);
/* HC_HEARTBEAT by `vcpu`, on its CPU. Returns enum hypercall_error. */
int64_t heartbeat_beat(struct vcpu *vcpu, uint64_t milliseconds);

/* Own CPU, before the vCPU enters its guest: watch its progress, if the partition asks for it; when it has parked: do
 * not. */
void progress_start(struct vcpu *vcpu);
void progress_stop(struct vcpu *vcpu);

#endif
