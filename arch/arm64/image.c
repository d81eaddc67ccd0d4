// SPDX-License-Identifier: Apache-2.0
/* Kernel images: Linux's Image, ELF, and anything else as a flat binary at the start of memory. */
#include <core/arch.h>
#include <core/loader.h>
#include <lib/elf.h>
#include <string.h>

/* Linux's Documentation/arch/arm64/booting.rst */
struct image_header {
    uint32_t code[2];
    uint64_t text_offset, image_size, flags, reserved[3];
    uint8_t magic[4];
    uint32_t pe_offset;
};

static bool plan_linux(struct plan *plan, const struct domain *domain, const struct image *image)
{
    struct image_header header;
    uint64_t size;

    memcpy(&header, image->data, sizeof(header));
    size = header.image_size > image->size ? header.image_size : image->size;
    plan->entry = ipa(domain->memory_ipa.value + header.text_offset);
    return loader_place(plan, domain, (struct segment){header.text_offset, image->size, image->data}, size);
}

bool arch_plan_image(struct domain *domain, const struct image *image, struct plan *plan)
{
    if (image->size >= sizeof(struct image_header) &&
        !memcmp(image->data + offsetof(struct image_header, magic), "ARM\x64", 4))
        return plan_linux(plan, domain, image);
    if (image->size >= sizeof(ELF_MAGIC) - 1 && !memcmp(image->data, ELF_MAGIC, sizeof(ELF_MAGIC) - 1))
        return loader_place_elf(plan, domain, image, ELF_MACHINE_AARCH64);
    plan->entry = domain->memory_ipa;
    return loader_place(plan, domain, (struct segment){0, image->size, image->data}, image->size);
}
