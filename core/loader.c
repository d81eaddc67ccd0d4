// SPDX-License-Identifier: Apache-2.0
#include <core/loader.h>

#include <core/arch.h>
#include <core/log.h>
#include <core/memory.h>
#include <lib/elf.h>
#include <libfdt.h>
#include <string.h>

#define IMAGES_MAX 32

static struct plan plans[BULKHEAD_PARTITIONS_MAX];

static struct image images[IMAGES_MAX];
static uint32_t image_count;

static bool image_is_genuine(const void *bundle, int node, const struct image *image)
{
    int hash = fdt_subnode_offset(bundle, node, "hash-1"), length;
    const char *algorithm = fdt_getprop(bundle, hash, "algo", NULL);
    const void *expected = fdt_getprop(bundle, hash, "value", &length);
    uint8_t digest[32];

    if (!algorithm || strcmp(algorithm, "sha256") || !expected || length != sizeof(digest))
        return false;
    digest_sha256(image->data, image->size, digest);
    return !memcmp(digest, expected, sizeof(digest));
}

void loader_init(void)
{
    const void *bundle;
    int parent, node, length;

    if (!platform.bundle.size) {
        log_line("There is no bundle: no domain can be started");
        return;
    }
    bundle = kernel_map_blocks(platform.bundle.base, platform.bundle.size);
    if (fdt_check_header(bundle) || fdt_totalsize(bundle) > platform.bundle.size) {
        log_line("The bundle is not a flattened image tree");
        return;
    }
    parent = fdt_path_offset(bundle, "/images");
    if (parent < 0) {
        log_line("The bundle has no /images");
        return;
    }
    fdt_for_each_subnode(node, bundle, parent)
    {
        struct image *image = &images[image_count];

        if (image_count == IMAGES_MAX) {
            log_line("The bundle has more than %u images", IMAGES_MAX);
            break;
        }
        image->name = fdt_get_name(bundle, node, NULL);
        image->data = fdt_getprop(bundle, node, "data", &length);
        image->size = length > 0 ? (uint64_t)length : 0;
        if (image->data && image_is_genuine(bundle, node, image))
            image_count++;
        else
            log_line("Image '%s' does not match its SHA-256: it is not used", image->name);
    }
    log_line("Bundle: %u images checked, %lu KiB", image_count, platform.bundle.size / 1024);
}

static const struct image *find_image(const char *name)
{
    for (uint32_t i = 0; i < image_count; i++)
        if (!strcmp(images[i].name, name))
            return &images[i];
    return NULL;
}

bool loader_place(struct plan *plan, const struct domain *domain, struct segment segment, uint64_t memory_size)
{
    if (plan->segments == SEGMENTS_MAX || segment.size > memory_size || segment.offset > domain->memory_size ||
        memory_size > domain->memory_size - segment.offset)
        return false;
    plan->segment[plan->segments++] = segment;
    if (segment.offset + memory_size > plan->end)
        plan->end = segment.offset + memory_size;
    return true;
}

bool loader_place_elf(struct plan *plan, const struct domain *domain, const struct image *image, uint16_t machine)
{
    struct elf_header header;
    uint64_t base;

    if (image->size < sizeof(header))
        return false;
    memcpy(&header, image->data, sizeof(header));
    if (header.elf_class != ELF_CLASS_64 || header.machine != machine ||
        header.program_header_size != sizeof(struct elf_program_header) || header.program_headers > image->size ||
        header.program_header_count * sizeof(struct elf_program_header) > image->size - header.program_headers)
        return false;
    base = header.type == ELF_TYPE_DYNAMIC ? 0 : domain->memory_ipa.value;
    for (unsigned i = 0; i < header.program_header_count; i++) {
        struct elf_program_header program;

        memcpy(&program, image->data + header.program_headers + i * sizeof(program), sizeof(program));
        if (program.type != ELF_SEGMENT_LOAD || !program.memory_size)
            continue;
        if (program.offset > image->size || program.file_size > image->size - program.offset ||
            program.file_size > program.memory_size ||
            !loader_place(
                plan, domain,
                (struct segment){program.physical_address - base, program.file_size, image->data + program.offset},
                program.memory_size))
            return false;
    }
    plan->entry = ipa(domain->memory_ipa.value + header.entry - base);
    return true;
}

static void describe(struct plan *plan, struct domain *domain, const struct guest_images *guest)
{
    uint64_t offset = domain->memory_size - DESCRIPTION_BYTES_MAX;
    uint8_t *buffer = memory_pages(DESCRIPTION_BYTES_MAX / PAGE_SIZE);
    struct description description = arch_domain_describe(domain, guest, buffer, DESCRIPTION_BYTES_MAX);

    memory_trim(buffer, (description.size + PAGE_SIZE - 1) / PAGE_SIZE);
    plan->segment[plan->segments++] = (struct segment){offset, description.size, buffer};
    plan->description = buffer;
    plan->context = ipa(domain->memory_ipa.value + offset + description.context);
}

bool loader_plan(struct domain *domain)
{
    struct plan *plan = &plans[domain->index];
    const struct partition_config *config = domain->config;
    const struct image *kernel = find_image(config->kernel);
    const struct image *initrd = find_image(config->initrd);
    struct guest_images guest = {.kernel = kernel,
                                 .tables = find_image(config->tables),
                                 .description =
                                     ipa(domain->memory_ipa.value + domain->memory_size - DESCRIPTION_BYTES_MAX)};
    const char *missing = !kernel                              ? config->kernel
                          : config->initrd[0] && !initrd       ? config->initrd
                          : config->tables[0] && !guest.tables ? config->tables
                                                               : NULL;

    if (missing) {
        log_line("%s: image '%s' is not in the bundle", config->name, missing);
        return false;
    }
    if (!arch_plan_image(domain, kernel, plan)) {
        log_line("%s: image '%s' does not fit its memory, or is damaged", config->name, config->kernel);
        return false;
    }
    if (initrd) {
        uint64_t top = domain->memory_size - DESCRIPTION_BYTES_MAX;
        uint64_t offset = initrd->size < top ? (top - initrd->size) & ~(PAGE_SIZE - 1) : 0;

        if (offset < plan->end ||
            !loader_place(plan, domain, (struct segment){offset, initrd->size, initrd->data}, initrd->size)) {
            log_line("%s: image '%s' does not fit beside the kernel", config->name, config->initrd);
            return false;
        }
        guest.initrd = ipa(domain->memory_ipa.value + offset);
        guest.initrd_size = initrd->size;
    }
    if (plan->end > domain->memory_size - DESCRIPTION_BYTES_MAX || plan->segments == SEGMENTS_MAX ||
        (guest.tables && guest.tables->size > TABLES_BYTES_MAX)) {
        log_line("%s: no room for the description of its machine", config->name);
        return false;
    }
    describe(plan, domain, &guest);
    return true;
}

/* Both ends of what `segment` has in [from, from + WINDOW_SIZE). */
static void copy_part(const struct segment *segment, uint64_t from, uint8_t *window)
{
    uint64_t start = segment->offset > from ? segment->offset : from;
    uint64_t end =
        segment->offset + segment->size < from + WINDOW_SIZE ? segment->offset + segment->size : from + WINDOW_SIZE;

    if (start < end)
        memory_copy(window + (start - from), segment->data + (start - segment->offset), end - start);
}

static bool covers(const struct segment *segment, uint64_t from)
{
    return segment->offset <= from && segment->offset + segment->size >= from + WINDOW_SIZE;
}

void loader_load(struct domain *domain)
{
    const struct plan *plan = &plans[domain->index];

    arch_domain_renew(plan->description);
    for (uint64_t from = 0; from < domain->memory_size; from += WINDOW_SIZE) {
        uint8_t *window = window_open(hpa(domain->memory.value + from));
        bool covered = false;

        for (uint32_t i = 0; i < plan->segments; i++)
            covered = covered || covers(&plan->segment[i], from);
        if (!covered)
            memory_scrub(window, WINDOW_SIZE);
        for (uint32_t i = 0; i < plan->segments; i++)
            copy_part(&plan->segment[i], from, window);
    }
    window_close();
}

struct ipa loader_entry(const struct domain *domain)
{
    return plans[domain->index].entry;
}

struct ipa loader_context(const struct domain *domain)
{
    return plans[domain->index].context;
}
