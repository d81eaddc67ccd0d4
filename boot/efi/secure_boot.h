/* SPDX-License-Identifier: Apache-2.0 */
/* UEFI Secure Boot (UEFI Specification 2.10, 32): what the firmware does of it, and giving it our keys. */
#ifndef BOOT_EFI_SECURE_BOOT_H
#define BOOT_EFI_SECURE_BOOT_H

#include <stdbool.h>

#pragma GCC visibility push(hidden)
/* Of what this file and the kernel are signed with (generated/secure_boot_key.c). */
extern const bool secure_boot_key_is_development;
#pragma GCC visibility pop

/* Says whether the firmware checks what it starts. Firmware that is in Setup Mode gets the keys of the folder EFI/keys
 * on the partition `device`, if a file "enroll" is among them; then the machine is reset, unless it stays in that mode.
 */
void secure_boot_begin(void *device);

#endif
