// SPDX-License-Identifier: Apache-2.0
#include <core/arch.h>
#include <core/bundle.h>
#include <core/log.h>
#include <core/status.h>
#include <lib/p256/p256.h>
#include <libfdt.h>
#include <string.h>

#define IMAGES_MAX 32
#define MARK "BHSIGN01"

/* The last bytes of the tree's total size: signed is what lies before. All but the signature is to tell what is wrong.
 */
struct signature_block {
    uint8_t mark[8], key_id[8], digest[32], signature[P256_SIGNATURE_SIZE];
};

static struct image images[IMAGES_MAX];
static uint32_t image_count, version;
static uint64_t end; /* behind the last image */

static uint64_t identity(const uint8_t id[8])
{
    uint64_t value;

    memcpy(&value, id, sizeof(value));
    return __builtin_bswap64(value);
}

/* Reads nothing of the bundle but where the block is, by two numbers, and the block. */
static bool is_signed(const uint8_t *bundle, uint64_t size, const struct bundle_trust *trust)
{
    uint8_t digest[32];
    struct signature_block block;
    uint64_t total;
    bool genuine, whole, ours, marked;

    if (size < sizeof(struct fdt_header) || fdt_magic(bundle) != FDT_MAGIC) {
        log_line("Bundle: its header is damaged, or it is no flattened image tree");
        return false;
    }
    total = fdt_totalsize(bundle);
    if (total > size || total < sizeof(struct fdt_header) + sizeof(block)) {
        log_line("Bundle: its header is damaged, or it is cut off: %lu bytes, and its tree has %lu", size, total);
        return false;
    }
    total -= sizeof(block);
    memcpy(&block, bundle + total, sizeof(block));
    digest_sha256(bundle, total, digest);
    genuine = p256_verify(block.signature, trust->key, digest);
    whole = !memcmp(block.digest, digest, sizeof(digest));
    ours = !memcmp(block.key_id, trust->key_id, sizeof(block.key_id));
    marked = !memcmp(block.mark, MARK, sizeof(block.mark));
    if (genuine && whole && ours && marked) {
        status_measured("bundle", digest);
        return true;
    }
    if (!genuine && !marked)
        log_line("Bundle: it is not signed, or its header is damaged");
    else if (!genuine && !whole)
        log_line("Bundle: its tree is damaged (header, names, sizes or digests)");
    else if (!genuine && !ours)
        log_line("Bundle: it is signed with another key, %016lx; this kernel's is %016lx", identity(block.key_id),
                 identity(trust->key_id));
    else
        log_line("Bundle: its signature is damaged, or not the key's");
    return false;
}

/* `number`: what it was before, where the property is not there. */
static bool get_number(const void *bundle, int node, const char *property, uint32_t *number)
{
    int length;
    const fdt32_t *value = fdt_getprop(bundle, node, property, &length);

    if (!value || length != sizeof(*value))
        return false;
    *number = fdt32_ld(value);
    return true;
}

static bool is_recent(const void *bundle, const struct bundle_trust *trust)
{
    version = 0;
    get_number(bundle, 0, "bulkhead,version", &version);
    if (version < trust->version_minimum)
        log_line("Bundle: version %u is too old: this machine takes version %u or later", version,
                 trust->version_minimum);
    else
        log_line("Bundle: version %u, signed with key %016lx", version, identity(trust->key_id));
    return version >= trust->version_minimum;
}

/* From the byte behind what was checked before, `end`, to its own last one. */
static bool add_image(const uint8_t *bundle, uint64_t size, int node)
{
    struct image *image = &images[image_count++];
    int hash = fdt_subnode_offset(bundle, node, "hash-1"), length = 0;
    const void *expected = fdt_getprop(bundle, hash, "value", &length);
    uint32_t offset, bytes;
    uint64_t from = end;
    uint8_t digest[32], filling = 0;

    image->name = fdt_get_name(bundle, node, NULL);
    if (!get_number(bundle, node, "data-offset", &offset) || !get_number(bundle, node, "data-size", &bytes) ||
        length != sizeof(digest)) {
        log_line("Bundle: image '%s' is described without place, size or digest", image->name);
        return false;
    }
    *image = (struct image){image->name, bundle + fdt_totalsize(bundle) + offset, bytes};
    end = fdt_totalsize(bundle) + (uint64_t)offset + bytes;
    if (end > size || end - bytes < from) {
        log_line("Bundle: image '%s' is cut off, or not in its place", image->name);
        return false;
    }
    while (from < end - bytes)
        filling |= bundle[from++];
    digest_sha256(image->data, image->size, digest);
    if (filling || memcmp(digest, expected, sizeof(digest))) {
        log_line("Bundle: image '%s' is damaged%s", image->name, filling ? ", before its first byte" : "");
        return false;
    }
    status_measured(image->name, digest);
    return true;
}

bool bundle_open(const void *bundle, uint64_t size, const struct bundle_trust *trust)
{
    int parent, node;
    bool good = true;

    if (trust->is_development)
        log_line("DANGER: this kernel takes bundles of a DEVELOPMENT key: whoever has that key decides what runs here");
    image_count = 0;
    if (!is_signed(bundle, size, trust) || !is_recent(bundle, trust))
        return false;
    end = fdt_totalsize(bundle);
    parent = fdt_path_offset(bundle, "/images");
    if (parent < 0) {
        log_line("Bundle: it has no /images");
        return false;
    }
    fdt_for_each_subnode(node, bundle, parent)
    {
        if (image_count == IMAGES_MAX) {
            log_line("Bundle: it has more than %u images", IMAGES_MAX);
            good = false;
            break;
        }
        good = add_image(bundle, size, node) && good;
    }
    if (good)
        log_line("Bundle: %u images checked, %lu KiB", image_count, end / 1024);
    else
        image_count = 0;
    return good;
}

const struct image *bundle_image(const char *name)
{
    for (uint32_t i = 0; i < image_count; i++)
        if (!strcmp(images[i].name, name))
            return &images[i];
    return NULL;
}

const struct image *bundle_image_at(uint32_t number)
{
    return number < image_count ? &images[number] : NULL;
}

uint32_t bundle_version(void)
{
    return version;
}

uint64_t bundle_end(void)
{
    return end;
}
