/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's ACPI tables: hardware-reduced, no PCI. ACPI 6.5; WDAT by Microsoft's specification. */
#ifndef ARCH_X86_GUEST_ACPI_H
#define ARCH_X86_GUEST_ACPI_H

#include <core/vcpu.h>

#define GENERATION_ID_SIZE 16

/* Boot CPU: writes the tables to `buffer`, which will lie at `address`, both aligned to 16; the RSDP is the first thing
 * there. `generation_id`: where the domain's VM generation ID lies. The bytes used. */
uint32_t guest_acpi_write(const struct domain *domain, struct ipa generation_id, void *buffer, struct ipa address,
                          uint32_t size);

#endif
