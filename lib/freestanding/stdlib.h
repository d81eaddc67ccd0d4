/* SPDX-License-Identifier: Apache-2.0 */
/* libfdt includes <stdlib.h>; the parts of it that the kernel is linked with use nothing from there. */
#ifndef LIB_FREESTANDING_STDLIB_H
#define LIB_FREESTANDING_STDLIB_H

#include <stddef.h>

#endif
