/* SPDX-License-Identifier: Apache-2.0 */
/* ELF files, as far as loading one asks (System V ABI, chapters 4 and 5). */
#ifndef LIB_ELF_H
#define LIB_ELF_H

#include <stdint.h>

#define ELF_MAGIC "\177ELF"
#define ELF_CLASS_32 1
#define ELF_CLASS_64 2
#define ELF_MACHINE_X86_64 62
#define ELF_MACHINE_AARCH64 183
#define ELF_TYPE_DYNAMIC 3 /* position-independent */
#define ELF_SEGMENT_LOAD 1
#define ELF_SEGMENT_NOTE 4

struct elf_header {
    uint8_t magic[4], elf_class, data, ident_version, reserved[9];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, program_headers, section_headers;
    uint32_t flags;
    uint16_t header_size, program_header_size, program_header_count, section_header_size, section_header_count, names;
};

struct elf_program_header {
    uint32_t type, flags;
    uint64_t offset, virtual_address, physical_address, file_size, memory_size, alignment;
};

struct elf32_header {
    uint8_t magic[4], elf_class, data, ident_version, reserved[9];
    uint16_t type, machine;
    uint32_t version, entry, program_headers, section_headers, flags;
    uint16_t header_size, program_header_size, program_header_count, section_header_size, section_header_count, names;
};

struct elf32_program_header {
    uint32_t type, offset, virtual_address, physical_address, file_size, memory_size, flags, alignment;
};

#endif
