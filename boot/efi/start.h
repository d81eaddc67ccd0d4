/* SPDX-License-Identifier: Apache-2.0 */
/* Of the loader: what it has found, and what every architecture does with it. */
#ifndef BOOT_EFI_START_H
#define BOOT_EFI_START_H

#include "efi.h"
#include <boot/watchdog.h>
#include <lib/sha256/sha256.h>

#define PAGE 4096u

struct bytes {
    uint8_t *data;
    uint32_t length;
};

#pragma GCC visibility push(hidden) /* at a fixed distance: nobody fills in a table of their addresses */
extern struct efi_system_table *system_table;
extern struct efi_boot_services *boot;
extern const struct efi_guid loaded_image_guid, file_system_guid, device_path_guid;
#pragma GCC visibility pop

/* Whole pages, until the firmware's services end; NULL: there is no memory. */
void *allocate(uint64_t bytes);

/* lib/sha256, by the CPU's instructions where it has them: a slot is tens of megabytes. */
EFI void digest_of(const void *data, size_t length, uint8_t digest[SHA256_SIZE]);

/* A file of the folder `folder`. */
bool read_contents(struct efi_file *folder, const char16_t *name, struct bytes *contents);

/* Why the firmware did not load the kernel. */
const char *load_problem(efi_status status);

/* Starts the kernel; `image` is the loader, `device` what it came from, `slot` the letter that the kernel is told, 0:
 * none. Comes back only when it does not work, and says why. May be called again with another kernel. */
const char *start_kernel(void *image, void *device, char slot, const struct bytes *kernel, const struct bytes *bundle);

#endif
