/* SPDX-License-Identifier: Apache-2.0 */
/* mbedTLS asks Linux's getauxval() what the CPU has; ours (net/cpu_features.c) reads the CPU's own registers. */
#ifndef NET_FEATURE_DETECTION_SYS_AUXV_H
#define NET_FEATURE_DETECTION_SYS_AUXV_H

#define AT_HWCAP 16
#define AT_HWCAP2 26
#define HWCAP_ASIMD (1u << 1)
#define HWCAP_AES (1u << 3)
#define HWCAP_SHA2 (1u << 6)

unsigned long getauxval(unsigned long type);

#endif
