/* SPDX-License-Identifier: Apache-2.0 */
#define PE_MACHINE 0x8664 /* x86-64 */
#include <boot/efi/pe_headers.S>
