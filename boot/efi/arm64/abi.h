/* SPDX-License-Identifier: Apache-2.0 */
/* How UEFI's functions are called on arm64: as all others. */
#ifndef BOOT_EFI_ABI_H
#define BOOT_EFI_ABI_H

#define EFI

#endif
