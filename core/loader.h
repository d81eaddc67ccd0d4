/* SPDX-License-Identifier: Apache-2.0 */
/* The bundle, and what of it goes where in a domain's memory. */
#ifndef CORE_LOADER_H
#define CORE_LOADER_H

#include <core/vcpu.h>

/* Boot CPU: maps and checks the bundle. Where it is refused, no domain can be started. */
void loader_init(void);
/* Boot CPU, after everything else about the domain is built: takes over its load plan and describes its machine. False:
 * it cannot be started, the reason is in the log. */
bool loader_plan(struct domain *domain);
/* A CPU of the domain, all its vCPUs parked: scrubs its memory, copies the images. */
void loader_load(struct domain *domain);
struct ipa loader_entry(const struct domain *domain);
/* The first argument of vCPU 0. */
struct ipa loader_context(const struct domain *domain);

#endif
