/* SPDX-License-Identifier: Apache-2.0 */
/* The compiler's <limits.h> goes on to the C library's; a freestanding program has nothing to add. */
