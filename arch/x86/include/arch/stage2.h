/* SPDX-License-Identifier: Apache-2.0 */
/* Nested paging, what core/arch.h does not have. */
#ifndef ARCH_STAGE2_H
#define ARCH_STAGE2_H

#include <core/vcpu.h>

/*
 * Own CPU of the domain, one of its CPUs at a time: replaces a page of the domain's memory by a page of the kernel's;
 * `with` 0 gives the memory back. The caller's translations are forgotten, those of other vCPUs that run are not.
 * False: not the domain's memory, or no table is left to say it with (there are enough for ten such pages).
 */
bool stage2_overlay(struct domain *domain, struct ipa page, struct hpa with, uint32_t rights);
/* Own CPU of the domain, which is stopped and has got all its memory back: the tables are to spare again. */
void stage2_overlay_reset(struct domain *domain);

#endif
