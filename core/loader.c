// SPDX-License-Identifier: Apache-2.0
#include <core/loader.h>

#include <bulkhead/load_plan.h>
#include <core/arch.h>
#include <core/log.h>
#include <core/memory.h>
#include <libfdt.h>
#include <string.h>

#define IMAGES_MAX 32

struct image {
    const char *name;
    const uint8_t *data;
    uint64_t size;
};
static struct image images[IMAGES_MAX];
static uint32_t image_count;

/* `size` bytes at `data` go to `offset` in the domain's memory. */
struct segment {
    uint64_t offset, size;
    const uint8_t *data;
};
static struct plan {
    struct segment segment[LOAD_SEGMENTS_MAX + 1]; /* the description, too */
    uint32_t segments;
    struct ipa entry, context;
    void *description; /* in the kernel's memory: what is copied to the end of the domain's */
} plans[BULKHEAD_PARTITIONS_MAX];

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
        image_count++;
        image->name = fdt_get_name(bundle, node, NULL);
        image->data = fdt_getprop(bundle, node, "data", &length);
        image->size = length > 0 ? (uint64_t)length : 0;
        if (!image->data || !image_is_genuine(bundle, node, image)) {
            log_line("Image '%s' does not match its SHA-256: it is not used", image->name);
            image->size = 0;
        }
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

/* The bundle's builder may have meant anything: a segment lies within its image and within the domain's memory. */
static bool take_segment(struct plan *plan, const struct domain *domain, const struct load_segment *wanted)
{
    const struct image *image;

    if (wanted->image >= image_count)
        return false;
    image = &images[wanted->image];
    if (wanted->from > image->size || wanted->size > image->size - wanted->from || wanted->to > domain->memory_size ||
        wanted->size > domain->memory_size - wanted->to)
        return false;
    plan->segment[plan->segments++] = (struct segment){wanted->to, wanted->size, image->data + wanted->from};
    return true;
}

static bool describe(struct plan *plan, struct domain *domain, const struct load_plan *wanted, const uint8_t *image)
{
    uint64_t offset = domain->memory_size - LOAD_DESCRIPTION_SIZE;
    uint8_t *buffer = memory_pages(LOAD_DESCRIPTION_SIZE / PAGE_SIZE);
    uint8_t *tree = buffer + LOAD_DESCRIPTION_SIZE - LOAD_TREE_SIZE_MAX; /* until it is part of the description */
    struct description description;

    memcpy(tree, image + wanted->tree, wanted->tree_size);
    description = arch_domain_describe(domain, wanted->protocol, tree, buffer, (size_t)(tree - buffer));

    memory_trim(buffer, (description.size + PAGE_SIZE - 1) / PAGE_SIZE);
    plan->segment[plan->segments++] = (struct segment){offset, description.size, buffer};
    plan->description = buffer;
    plan->context = ipa(domain->memory_ipa.value + offset + description.context);
    return description.size;
}

bool loader_plan(struct domain *domain)
{
    static struct load_plan wanted;
    struct plan *plan = &plans[domain->index];
    const char *name = domain->config->name;
    const struct image *image = find_image(domain->config->plan);

    if (!image || image->size < sizeof(wanted)) {
        log_line("%s: its load plan '%s' is not in the bundle", name, domain->config->plan);
        return false;
    }
    memcpy(&wanted, image->data, sizeof(wanted));
    if (wanted.magic != LOAD_PLAN_MAGIC || wanted.segments > LOAD_SEGMENTS_MAX ||
        wanted.memory_size != domain->memory_size || wanted.tree_size > LOAD_TREE_SIZE_MAX ||
        wanted.tree > image->size || wanted.tree_size > image->size - wanted.tree) {
        log_line("%s: the bundle was made for another kernel", name);
        return false;
    }
    for (uint32_t i = 0; i < wanted.segments; i++)
        if (!take_segment(plan, domain, &wanted.segment[i])) {
            log_line("%s: segment %u is of a damaged image, or lies outside of it or of memory", name, i);
            return false;
        }
    plan->entry = ipa(domain->memory_ipa.value + wanted.entry);
    return describe(plan, domain, &wanted, image->data);
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

    arch_domain_renew(domain, plan->description);
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
