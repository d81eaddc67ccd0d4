/* SPDX-License-Identifier: Apache-2.0 */
/* A piece of memory, one of several that make a packet or a request. */
#ifndef LIB_SEGMENT_H
#define LIB_SEGMENT_H

#include <stddef.h>

struct segment {
    void *base;
    size_t length;
};

#endif
