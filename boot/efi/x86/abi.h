/* SPDX-License-Identifier: Apache-2.0 */
/* How UEFI's functions are called on x86-64. */
#ifndef BOOT_EFI_ABI_H
#define BOOT_EFI_ABI_H

#define EFI __attribute__((ms_abi))

#endif
