// SPDX-License-Identifier: Apache-2.0
/*
 * Kernel images. A bzImage is entered by Linux's 64-bit boot protocol; a 64-bit ELF file by PVH if it has PVH's note,
 * else as a native domain; a file with a Multiboot header by Multiboot; anything else is a flat binary. The bundle is
 * hashed, but a builder may put anything into it: every offset is checked against the file.
 */
#include <arch/boot_params.h>
#include <arch/guest_start.h>
#include <bulkhead/guest_map.h>
#include <core/arch.h>
#include <core/loader.h>
#include <lib/elf.h>
#include <string.h>

#define KERNEL_64_ENTRY 0x200
#define LINUX_FALLBACK_BASE MIB /* where pref_address lies outside of memory */

/* Xen's include/public/elfnote.h: the physical address of the 32-bit entry. */
#define NOTE_PVH_ENTRY 18
#define NOTES_MAX 64

#define MULTIBOOT_HEADER_MAGIC 0x1badb002u
#define MULTIBOOT_SEARCH 8192
enum multiboot_flags { MULTIBOOT_ADDRESSES = 1 << 16, MULTIBOOT_UNKNOWN = 0xfff8 }; /* required, but beyond us */

struct multiboot_header {
    uint32_t magic, flags, checksum, header, load, load_end, bss_end, entry;
};

/*
 * Where a PC's CPU starts after a reset, F000:FFF0: Linux goes there when hardware-reduced ACPI has made it believe in
 * a reset by EFI (arch/x86/kernel/reboot.c). It asks for that reset.
 */
#define RESET_ENTRY 0xffff0ull
_Static_assert(GUEST_PORT_RESET < 0x10000 && GUEST_RESET_VALUE < 0x100, "operands of the code below");
static const uint8_t reset_code[] = {
    0xba,
    GUEST_PORT_RESET & 0xff,
    GUEST_PORT_RESET >> 8, /* mov $GUEST_PORT_RESET, %dx */
    0xb0,
    GUEST_RESET_VALUE, /* mov $GUEST_RESET_VALUE, %al */
    0xee,
    0xf4,
    0xeb,
    0xfd, /* out %al, %dx; 1: hlt; jmp 1b */
};

static bool plan_linux(struct domain *domain, const struct image *image, struct plan *plan)
{
    struct setup_header header;
    uint64_t start, size, base;

    memcpy(&header, image->data + BOOT_HEADER, sizeof(header));
    start = (header.setup_sects ? header.setup_sects + 1u : 5u) * 512ull;
    if (header.version < BOOT_VERSION_MIN || !(header.xloadflags & XLF_KERNEL_64) || start >= image->size)
        return false;
    size = image->size - start;
    base = header.pref_address;
    if (base > domain->memory_size || domain->memory_size - base < header.init_size + DESCRIPTION_BYTES_MAX)
        base = LINUX_FALLBACK_BASE;
    if (base != header.pref_address && !header.relocatable_kernel)
        return false;
    domain->arch.start = (struct guest_start){.image = IMAGE_LINUX, .mode = START_LONG};
    plan->entry = ipa(base + KERNEL_64_ENTRY);
    return loader_place(plan, domain, (struct segment){base, size, image->data + start},
                        header.init_size > size ? header.init_size : size);
}

/* The entry by PVH in the notes [at, end), or 0. */
static uint32_t pvh_entry(const uint8_t *at, const uint8_t *end)
{
    for (unsigned i = 0; i < NOTES_MAX && end - at >= 12; i++) {
        uint32_t note[3], entry; /* bytes of name, of value, type */
        uint64_t name, value;

        memcpy(note, at, sizeof(note));
        at += sizeof(note);
        name = (note[0] + 3ull) & ~3ull;
        value = (note[1] + 3ull) & ~3ull;
        if (name + value > (uint64_t)(end - at))
            return 0;
        if (note[2] == NOTE_PVH_ENTRY && note[0] == 4 && !memcmp(at, "Xen", 4) && note[1] >= sizeof(entry)) {
            memcpy(&entry, at + name, sizeof(entry));
            return entry;
        }
        at += name + value;
    }
    return 0;
}

static uint32_t find_pvh_entry(const struct image *image)
{
    struct elf_header header;
    uint32_t entry = 0;

    memcpy(&header, image->data, sizeof(header));
    for (unsigned i = 0; i < header.program_header_count && !entry; i++) {
        struct elf_program_header program;

        memcpy(&program, image->data + header.program_headers + i * sizeof(program), sizeof(program));
        if (program.type == ELF_SEGMENT_NOTE && program.offset <= image->size &&
            program.file_size <= image->size - program.offset)
            entry = pvh_entry(image->data + program.offset, image->data + program.offset + program.file_size);
    }
    return entry;
}

static bool plan_elf64(struct domain *domain, const struct image *image, struct plan *plan)
{
    uint32_t entry;

    domain->arch.start = (struct guest_start){.image = IMAGE_NATIVE, .mode = START_LONG};
    if (!loader_place_elf(plan, domain, image, ELF_MACHINE_X86_64))
        return false;
    entry = find_pvh_entry(image);
    if (entry) {
        domain->arch.start = (struct guest_start){.image = IMAGE_PVH, .mode = START_PROTECTED};
        plan->entry = ipa(entry);
    }
    return true;
}

static bool find_multiboot(const struct image *image, struct multiboot_header *header, uint64_t *offset)
{
    for (*offset = 0; *offset < MULTIBOOT_SEARCH && *offset + sizeof(*header) <= image->size; *offset += 4) {
        memcpy(header, image->data + *offset, sizeof(*header));
        if (header->magic == MULTIBOOT_HEADER_MAGIC && header->magic + header->flags + header->checksum == 0)
            return true;
    }
    return false;
}

static bool plan_elf32(struct domain *domain, const struct image *image, struct plan *plan)
{
    struct elf32_header header;

    memcpy(&header, image->data, sizeof(header));
    if (header.program_header_size != sizeof(struct elf32_program_header) || header.program_headers > image->size ||
        header.program_header_count * sizeof(struct elf32_program_header) > image->size - header.program_headers)
        return false;
    for (unsigned i = 0; i < header.program_header_count; i++) {
        struct elf32_program_header program;

        memcpy(&program, image->data + header.program_headers + i * sizeof(program), sizeof(program));
        if (program.type != ELF_SEGMENT_LOAD || !program.memory_size)
            continue;
        if (program.offset > image->size || program.file_size > image->size - program.offset ||
            !loader_place(plan, domain,
                          (struct segment){program.physical_address, program.file_size, image->data + program.offset},
                          program.memory_size))
            return false;
    }
    plan->entry = ipa(header.entry);
    return true;
}

/* Multiboot 0.6.96, section 3.1. */
static bool plan_multiboot(struct domain *domain, const struct image *image, const struct multiboot_header *header,
                           uint64_t offset, struct plan *plan)
{
    uint64_t from, size, memory_size;

    if (header->flags & MULTIBOOT_UNKNOWN)
        return false;
    domain->arch.start = (struct guest_start){.image = IMAGE_MULTIBOOT, .mode = START_PROTECTED};
    if (!(header->flags & MULTIBOOT_ADDRESSES))
        return image->size >= sizeof(struct elf32_header) && image->data[4] == ELF_CLASS_32 &&
               !memcmp(image->data, ELF_MAGIC, 4) && plan_elf32(domain, image, plan);
    if (header->load > header->header || header->header - header->load > offset)
        return false;
    from = offset - (header->header - header->load);
    size = header->load_end ? (uint64_t)header->load_end - header->load : image->size - from;
    memory_size = header->bss_end ? (uint64_t)header->bss_end - header->load : size;
    if (header->load_end && (header->load_end < header->load || size > image->size - from))
        return false;
    if (header->bss_end && header->bss_end < header->load)
        return false;
    plan->entry = ipa(header->entry);
    return loader_place(plan, domain, (struct segment){header->load, size, image->data + from},
                        memory_size > size ? memory_size : size);
}

static bool is_linux(const struct image *image)
{
    struct setup_header header;

    if (image->size < BOOT_HEADER + sizeof(header))
        return false;
    memcpy(&header, image->data + BOOT_HEADER, sizeof(header));
    return header.boot_flag == BOOT_FLAG && header.header == BOOT_MAGIC;
}

/* A guest has its memory from 0 on. */
static bool place_reset_code(const struct domain *domain, struct plan *plan)
{
    return domain->config->flags & PARTITION_MANAGEMENT ||
           loader_place(plan, domain, (struct segment){RESET_ENTRY, sizeof(reset_code), reset_code},
                        sizeof(reset_code));
}

bool arch_plan_image(struct domain *domain, const struct image *image, struct plan *plan)
{
    struct multiboot_header header;
    uint64_t offset;

    if (domain->memory_ipa.value + domain->memory_size > GUEST_MEMORY_END || !place_reset_code(domain, plan))
        return false;
    if (is_linux(image))
        return plan_linux(domain, image, plan);
    if (image->size >= sizeof(struct elf_header) && !memcmp(image->data, ELF_MAGIC, 4) &&
        image->data[4] == ELF_CLASS_64)
        return plan_elf64(domain, image, plan);
    if (find_multiboot(image, &header, &offset))
        return plan_multiboot(domain, image, &header, offset, plan);
    domain->arch.start = (struct guest_start){.image = IMAGE_FLAT, .mode = START_PROTECTED};
    plan->entry = ipa(GUEST_FLAT_BASE);
    return loader_place(plan, domain, (struct segment){GUEST_FLAT_BASE, image->size, image->data}, image->size);
}
