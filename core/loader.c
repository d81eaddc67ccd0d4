// SPDX-License-Identifier: Apache-2.0
#include <core/loader.h>

#include <bulkhead/load_plan.h>
#include <core/arch.h>
#include <core/bundle.h>
#include <core/log.h>
#include <core/memory.h>
#include <core/slot.h>
#include <string.h>

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

static bool refused;

void loader_init(void)
{
    if (!platform.bundle.size)
        log_line("Bundle: there is none");
    refused = !platform.bundle.size || !bundle_open(kernel_map_blocks(platform.bundle.base, platform.bundle.size),
                                                    platform.bundle.size, &bundle_trust);
    if (refused)
        slot_refused();
}

/* The bundle's builder may have meant anything: a segment lies within its image and within the domain's memory. */
static bool take_segment(struct plan *plan, const struct domain *domain, const struct load_segment *wanted)
{
    const struct image *image = bundle_image_at(wanted->image);

    if (!image || wanted->from > image->size || wanted->size > image->size - wanted->from ||
        wanted->to > domain->memory_size || wanted->size > domain->memory_size - wanted->to)
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
    const struct image *image = bundle_image(domain->config->plan);

    if (refused)
        return false;
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
            log_line("%s: segment %u lies outside of its image or of memory", name, i);
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
