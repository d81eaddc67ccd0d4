// SPDX-License-Identifier: Apache-2.0
/* mbedTLS' SHA-256 alone, under its own names. */
#include <sha256.c>
