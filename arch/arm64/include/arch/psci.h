/* SPDX-License-Identifier: Apache-2.0 */
/* PSCI (Arm DEN0022): ours for guests, and the firmware's for us. */
#ifndef ARCH_PSCI_H
#define ARCH_PSCI_H

#include <core/vcpu.h>

#define PSCI_VERSION 0x84000000u
#define PSCI_CPU_SUSPEND 0x84000001u
#define PSCI_CPU_OFF 0x84000002u
#define PSCI_CPU_ON 0x84000003u
#define PSCI_AFFINITY_INFO 0x84000004u
#define PSCI_MIGRATE_INFO_TYPE 0x84000006u
#define PSCI_SYSTEM_OFF 0x84000008u
#define PSCI_SYSTEM_RESET 0x84000009u
#define PSCI_FEATURES 0x8400000au
#define PSCI_SYSTEM_RESET2 0x84000012u
#define SMCCC_VERSION 0x80000000u
#define SMCCC_ARCH_FEATURES 0x80000001u
#define SMCCC_64 0x40000000u /* the function's 64-bit variant */

#define PSCI_SUCCESS 0
#define PSCI_NOT_SUPPORTED (-1)
#define PSCI_INVALID_PARAMETERS (-2)
#define PSCI_ALREADY_ON (-4)
#define PSCI_ON_PENDING (-5)
#define PSCI_INVALID_ADDRESS (-9)

/* Boot CPU, the machine's tree is mapped: what reset needs where there is no PSCI (power_absent.c, or a board's own).
 */
void power_init(void);
void power_cycle(bool off);
/* The machine's CPUs, by its firmware (psci_host.c). */
int64_t psci_cpu_on(uint64_t id, uint64_t entry, uint64_t context);
void psci_cpu_off(void); /* returns only if the firmware refuses */

#endif
