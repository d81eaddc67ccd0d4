// SPDX-License-Identifier: Apache-2.0
/* The check of the bundle (issue 5, point 3): no flipped byte goes unnoticed, and each is named. */
#include <core/arch.h>
#include <core/bundle.h>
#include <core/log.h>
#include <core/status.h>
#include <lib/sha256/sha256.h>
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test_key.c"
// clang-format off
#include <cmocka.h>
// clang-format on

#define BLOCK 112 /* docs/verified-boot.md */

struct file {
    uint8_t *data;
    size_t size;
};
static char said[4096];

void log_line(const char *format, ...)
{
    size_t length = strlen(said);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(said + length, sizeof(said) - length - 1, format, arguments);
    va_end(arguments);
    strcat(said, "\n");
}
void digest_sha256(const void *data, size_t length, uint8_t digest[32])
{
    sha256_generic(data, length, digest);
}

static char measured[4096]; /* names, each behind a blank */

void status_measured(const char *name, const uint8_t sha256[32])
{
    uint8_t expected[32];

    strcat(strcat(measured, " "), name);
    if (strcmp(name, "bundle") == 0 || bundle_image(name) == NULL)
        return;
    sha256_generic(bundle_image(name)->data, bundle_image(name)->size, expected);
    assert_memory_equal(sha256, expected, 32);
}

static struct file load(const char *name)
{
    char path[4096];
    FILE *stream;
    struct file file = {malloc(1 << 16), 0};

    snprintf(path, sizeof(path), "%s%s", BUNDLES, name);
    stream = fopen(path, "rb");
    assert_non_null(stream);
    file.size = fread(file.data, 1, 1 << 16, stream);
    fclose(stream);
    file.data = realloc(file.data, file.size); /* a byte behind its end is nobody's */
    return file;
}

static bool open_bundle(const struct file *file)
{
    said[0] = measured[0] = 0;
    return bundle_open(file->data, file->size, &bundle_trust);
}

static void refused(const struct file *file, const char *why)
{
    assert_false(open_bundle(file));
    if (!strstr(said, why))
        fail_msg("'%s' is not in:\n%s", why, said);
    assert_null(bundle_image("one"));
    assert_null(bundle_image_at(0));
}

static void refused_file(const char *name, const char *why)
{
    struct file file = load(name);

    refused(&file, why);
    free(file.data);
}

static void test_takes_what_the_key_has_signed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct file file = load(i ? "elsewhere.itb" : "good.itb");

        assert_true(open_bundle(&file));
        assert_non_null(strstr(said, "DEVELOPMENT"));
        assert_non_null(strstr(said, "Bundle: version 5, signed with key"));
        assert_non_null(strstr(said, "3 images checked"));
        assert_string_equal(measured, " bundle one two three");
        assert_true(bundle_end() <= file.size && file.size - bundle_end() < 64);
        assert_int_equal(bundle_image("two")->size, 320);
        assert_memory_equal(bundle_image("two")->data, "image 2\nimage 2\n", 16);
        assert_string_equal(bundle_image_at(2)->name, "three");
        assert_null(bundle_image_at(3));
        assert_null(bundle_image("four"));
        free(file.data);
    }
}

static void test_refuses_what_it_has_not(void **state)
{
    (void)state;
    refused_file("unsigned.itb", "it is not signed");
    refused_file("other.itb", "it is signed with another key");
    refused_file("empty.itb", "its signature is damaged, or not the key's");
    refused_file("one", "it is no flattened image tree");
}

static void test_a_forger_without_the_key(void **state)
{
    struct file good = load("good.itb"), old = load("old.itb");
    uint32_t total = fdt_totalsize(good.data);
    uint8_t *block = good.data + total - BLOCK;

    (void)state;
    good.data[total - BLOCK - 1] ^= 1; /* a changed tree, its digest put right */
    sha256_generic(good.data, total - BLOCK, block + 16);
    refused(&good, "its signature is damaged, or not the key's");
    good.data[total - BLOCK - 1] ^= 1;
    sha256_generic(good.data, total - BLOCK, block + 16);
    assert_true(open_bundle(&good));
    memcpy(block, old.data + fdt_totalsize(old.data) - BLOCK, BLOCK); /* the key's signature of something else */
    refused(&good, "its tree is damaged");
    memset(block + 48, 0, 64); /* r = s = 0 */
    refused(&good, "Bundle:");
    memset(block + 48, 0xff, 64);
    refused(&good, "Bundle:");
    free(good.data);
    free(old.data);
}

static void test_versions(void **state)
{
    struct file good = load("good.itb");
    struct bundle_trust trust = bundle_trust;

    (void)state;
    assert_memory_equal(trust.mark, BUNDLE_TRUST_MARK, sizeof(trust.mark));
    refused_file("old.itb", "version 2 is too old: this machine takes version 3 or later");
    trust.version_minimum = 5;
    assert_true(bundle_open(good.data, good.size, &trust));
    trust.version_minimum = 6;
    said[0] = 0;
    assert_false(bundle_open(good.data, good.size, &trust));
    assert_non_null(strstr(said, "version 5 is too old: this machine takes version 6 or later"));
    free(good.data);
}

/* What must be said of a flip at `at`. */
static const char *name_of(const struct file *file, size_t at, const struct image place[3])
{
    size_t total = fdt_totalsize(file->data);
    static char text[64];

    if (at < 8) /* the magic number; where the block is looked for */
        return "its header is damaged";
    if (at < total - BLOCK)
        return "its tree is damaged";
    if (at < total)
        return "its signature is damaged";
    for (uint32_t i = 0; i < 3; i++) {
        const struct image *image = &place[i];
        bool inside = at < (size_t)(image->data + image->size - file->data);

        if (!inside)
            continue;
        snprintf(text, sizeof(text), "image '%s' is damaged%s", image->name,
                 at < (size_t)(image->data - file->data) ? ", before its first byte" : "\n");
        return text;
    }
    fail_msg("byte %zu belongs to nothing", at);
    return NULL;
}

static void test_one_flipped_bit_anywhere(void **state)
{
    struct file good = load("good.itb");
    size_t total = fdt_totalsize(good.data);
    struct image place[3];
    unsigned flips = 0;

    (void)state;
    assert_true(open_bundle(&good));
    for (uint32_t i = 0; i < 3; i++)
        place[i] = *bundle_image_at(i);
    for (size_t at = 0; at < good.size; at++) {
        bool dense = at < sizeof(struct fdt_header) || (at >= total - BLOCK && at < total);

        for (unsigned bit = 0; bit < 8; bit++) {
            const char *why = name_of(&good, at, place);

            if (!dense && bit != at % 8)
                continue;
            good.data[at] ^= (uint8_t)(1 << bit);
            refused(&good, why);
            good.data[at] ^= (uint8_t)(1 << bit);
            flips++;
        }
    }
    print_message("%u flips in %zu bytes\n", flips, good.size);
    free(good.data);
}

static void test_each_damaged_image_is_named(void **state)
{
    struct file good = load("good.itb");

    (void)state;
    good.data[good.size - 1] ^= 0x80;
    good.data[fdt_totalsize(good.data)] ^= 0x80;
    refused(&good, "image 'one' is damaged\n");
    assert_non_null(strstr(said, "image 'three' is damaged\n"));
    assert_null(strstr(said, "'two'"));
    free(good.data);
}

static void test_lengths(void **state)
{
    struct file good = load("good.itb"), longer = {malloc(good.size + 100), good.size + 100};

    (void)state;
    for (size_t size = 0; size < good.size; size += size < 128 || size + 200 > good.size ? 1 : 61) {
        struct file part = {malloc(size + 1), size};

        part.data = realloc(part.data, size ? size : 1);
        memcpy(part.data, good.data, size);
        refused(&part, "Bundle:");
        free(part.data);
    }
    memcpy(longer.data, good.data, good.size);
    memset(longer.data + good.size, 0xa5, 100); /* as loaders may fill up: nobody reads it */
    assert_true(open_bundle(&longer));
    free(longer.data);
    free(good.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_what_the_key_has_signed),
        cmocka_unit_test(test_refuses_what_it_has_not),
        cmocka_unit_test(test_a_forger_without_the_key),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_one_flipped_bit_anywhere),
        cmocka_unit_test(test_each_damaged_image_is_named),
        cmocka_unit_test(test_lengths),
    };

    return cmocka_run_group_tests_name("bundle", tests, NULL, NULL);
}
