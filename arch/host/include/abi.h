/* SPDX-License-Identifier: Apache-2.0 */
/* The UEFI loader in a test: its functions and the firmware's are called as all others. */
#ifndef BOOT_EFI_ABI_H
#define BOOT_EFI_ABI_H

#define EFI

#endif
