/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the kernel of a slot takes the slot's bundle. */
#ifndef BOOT_EFI_BUNDLE_H
#define BOOT_EFI_BUNDLE_H

#include "start.h"

/*
 * Checks all of the bundle by the key and the oldest version that are built into the kernel, or by `version_minimum`
 * where that is later. NULL: the kernel takes it; or what is wrong, whose details were said. The bundle is moved to
 * where a tree may begin, up to 7 bytes down: nobody may need what lies before it.
 */
const char *check_bundle(const struct bytes *kernel, struct bytes *bundle, uint32_t version_minimum);

#endif
