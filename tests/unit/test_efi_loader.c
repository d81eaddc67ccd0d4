// SPDX-License-Identifier: Apache-2.0
/* The loader for UEFI machines on a fake firmware: a flipped bit in any byte of a slot is found and named, and the
 * other slot boots (issue 5, point 3). */
#include "fake_disk.h"
#include <boot/efi/loader.c>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "test_key.c"
// clang-format off
#include <cmocka.h>
// clang-format on

#define A 100u
#define B 200u
#define SLOT_SECTORS 64u
#define STATE_AT 300u
#define SECTORS 1024u
#define KERNEL_BYTES 1000u
#define ROOMS 64u

static struct fake_disk *fake;
static char console[8192];
static void *rooms[ROOMS]; /* that the firmware gave */
static uint32_t rooms_count, writes;
static char told; /* the slot that the kernel was told */
static jmp_buf started;
static uint8_t slot_image[SLOT_SECTORS * 512]; /* a whole one */
static uint32_t slot_size;                     /* with its seal */
static struct bytes kernel_place, bundle_place;

/* The firmware */

static efi_status output(struct efi_text_output *to, const char16_t *text)
{
    size_t length = strlen(console);

    (void)to;
    assert_true(length + 2 < sizeof(console));
    console[length] = (char)text[0];
    console[length + 1] = 0;
    return 0;
}

static efi_status give_pages(uint32_t how, uint32_t type, uint64_t pages, uint64_t *address)
{
    (void)how, (void)type;
    assert_true(rooms_count < ROOMS && pages > 0 && pages < 1000);
    rooms[rooms_count] = aligned_alloc(PAGE, pages * PAGE);
    *address = (uint64_t)rooms[rooms_count++];
    return 0;
}

static struct efi_block_media media = {.block_size = 512, .last_block = SECTORS - 1};

static efi_status read_disk(struct efi_block_io *from, uint32_t id, uint64_t block, uint64_t size, void *buffer)
{
    (void)from, (void)id;
    if (block >= SECTORS || size > (SECTORS - block) * 512 || size % 512 != 0)
        return EFI_LOAD_ERROR;
    memcpy(buffer, fake->cached + block * 512, size);
    return 0;
}

static efi_status write_disk(struct efi_block_io *to, uint32_t id, uint64_t block, uint64_t size, const void *buffer)
{
    (void)to, (void)id;
    assert_true(block >= STATE_AT && size % 512 == 0 && block + size / 512 <= STATE_AT + 16);
    memcpy(fake->cached + block * 512, buffer, size);
    writes++;
    return 0;
}

static efi_status flush_disk(struct efi_block_io *of)
{
    (void)of;
    return 0;
}

static struct efi_block_io block_io = {.media = &media, .read = read_disk, .write = write_disk, .flush = flush_disk};
static struct efi_loaded_image loaded_image;
static struct {
    struct efi_device_path controller, partition;
    uint8_t of_it[38];
    struct efi_device_path end;
} path = {{1, 1, {4, 0}}, {EFI_PATH_MEDIA, EFI_PATH_MEDIA_PARTITION, {42, 0}}, {0}, {EFI_PATH_END, 0xff, {4, 0}}};

static efi_status find_protocol(void *handle, const struct efi_guid *protocol, void **found)
{
    (void)handle;
    *found = memcmp(protocol, &loaded_image_guid, sizeof(*protocol)) == 0  ? (void *)&loaded_image
             : memcmp(protocol, &device_path_guid, sizeof(*protocol)) == 0 ? (void *)&path
             : memcmp(protocol, &block_io_guid, sizeof(*protocol)) == 0    ? (void *)&block_io
                                                                           : NULL;
    return *found != NULL ? 0 : EFI_NOT_FOUND;
}

static efi_status locate_path(const struct efi_guid *protocol, struct efi_device_path **node, void **handle)
{
    (void)protocol, (void)node;
    *handle = &block_io;
    return 0;
}

static efi_status no_variable(const char16_t *name, const struct efi_guid *vendor, uint32_t *attributes, uint64_t *size,
                              void *data)
{
    (void)name, (void)vendor, (void)attributes, (void)size, (void)data;
    return EFI_NOT_FOUND;
}

static struct efi_text_output text_output = {.output_string = output};
static struct efi_boot_services services = {
    .allocate_pages = give_pages, .handle_protocol = find_protocol, .locate_device_path = locate_path};
static struct efi_runtime_services runtime = {.get_variable = no_variable};
static struct efi_system_table firmware = {.output = &text_output, .boot = &services, .runtime = &runtime};

/* The loader's other files */

void secure_boot_begin(void *device)
{
    (void)device;
}
void start_watchdog(bool bare)
{
    (void)bare;
}
void measure_slot(const struct bytes *kernel, const struct bytes *bundle, const struct bytes *state)
{
    (void)kernel, (void)bundle, (void)state;
}
void digest_of(const void *data, size_t length, uint8_t digest[SHA256_SIZE])
{
    sha256_generic(data, length, digest);
}
const char *start_kernel(void *image, void *device, char slot, const struct bytes *kernel, const struct bytes *bundle)
{
    (void)image, (void)device;
    assert_true(kernel->length == KERNEL_BYTES && bundle->length == bundle_place.length);
    told = slot;
    longjmp(started, 1);
}

/* The disk */

static void put_image(void *fit, const char *name, const uint8_t *data, uint32_t length)
{
    uint8_t digest[SHA256_SIZE];

    sha256_generic(data, length, digest);
    assert_int_equal(fdt_begin_node(fit, name), 0);
    assert_int_equal(fdt_property(fit, "data", data, (int)length), 0);
    assert_int_equal(fdt_begin_node(fit, "hash-1"), 0);
    assert_int_equal(fdt_property_string(fit, "algo", "sha256"), 0);
    assert_int_equal(fdt_property(fit, "value", digest, sizeof(digest)), 0);
    assert_int_equal(fdt_end_node(fit), 0);
    assert_int_equal(fdt_end_node(fit), 0);
}

/* As tools/image/container.py makes it, of a kernel that is little more than the key, and a signed bundle. */
static void make_slot(void)
{
    static uint8_t bundle[1 << 14];
    uint8_t kernel[KERNEL_BYTES], filling[1500] = {0};
    FILE *stream = fopen(BUNDLES "good.itb", "rb");
    size_t size;

    assert_non_null(stream);
    size = fread(bundle, 1, sizeof(bundle), stream);
    fclose(stream);
    memset(kernel, 0x5a, sizeof(kernel));
    memcpy(kernel + 333, &bundle_trust, sizeof(bundle_trust));
    assert_int_equal(fdt_create(slot_image, sizeof(slot_image) - SHA256_SIZE), 0);
    assert_int_equal(fdt_finish_reservemap(slot_image), 0);
    assert_int_equal(fdt_begin_node(slot_image, ""), 0);
    assert_int_equal(fdt_begin_node(slot_image, "images"), 0);
    put_image(slot_image, "kernel", kernel, sizeof(kernel));
    assert_int_equal(fdt_property(slot_image, "padding", filling, sizeof(filling)), 0);
    put_image(slot_image, "bundle", bundle, (uint32_t)size);
    assert_int_equal(fdt_end_node(slot_image), 0);
    assert_int_equal(fdt_end_node(slot_image), 0);
    assert_int_equal(fdt_finish(slot_image), 0);
    slot_size = fdt_totalsize(slot_image) + SHA256_SIZE;
    assert_true(slot_size > PAGE + SHA256_SIZE);
    sha256_generic(slot_image, slot_size - SHA256_SIZE, slot_image + slot_size - SHA256_SIZE);
    assert_true(find_image(slot_image, "kernel", &kernel_place) >= 0);
    assert_true(find_image(slot_image, "bundle", &bundle_place) >= 0);
}

static void write_slots(const struct slots *record)
{
    slots_write(record, fake->cached + STATE_AT * 512 + SLOTS_OFFSET);
    slots_write(record, fake->cached + STATE_AT * 512 + SLOTS_BACKUP_OFFSET);
}

static int setup(void **state)
{
    const struct fake_partition map[] = {
        {"boot-a", A, A + SLOT_SECTORS - 1}, {"boot-b", B, B + SLOT_SECTORS - 1}, {"state", STATE_AT, STATE_AT + 600}};

    (void)state;
    if (slot_size == 0)
        make_slot();
    fake = fake_disk_make(0, SECTORS);
    fake_disk_write_gpt(fake, map, 3);
    memcpy(fake->cached + A * 512, slot_image, sizeof(slot_image));
    memcpy(fake->cached + B * 512, slot_image, sizeof(slot_image));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_disk_free_all();
    return 0;
}

static struct slots both(void)
{
    struct slots record = {.last = 0};

    slots_confirm(&record, 1);
    slots_confirm(&record, 0);
    return record;
}

/* One start of the machine: the letter of the slot that starts, or 0. */
static char starts(struct slots record)
{
    write_slots(&record);
    console[0] = told = 0;
    failed[0] = failed[1] = slots_known = false;
    version_minimum = writes = 0;
    if (setjmp(started) == 0)
        efi_main(NULL, &firmware);
    while (rooms_count > 0)
        free(rooms[--rooms_count]);
    return told;
}

static bool is_in(const struct bytes *place, uint32_t at)
{
    return at >= (uint32_t)(place->data - slot_image) && at < (uint32_t)(place->data - slot_image) + place->length;
}

static void flip(uint32_t at, uint32_t bit)
{
    const char *said, *expected = is_in(&kernel_place, at)   ? "Bulkhead: slot a: the kernel is damaged\r\n"
                                  : is_in(&bundle_place, at) ? "Bulkhead: slot a: the bundle is damaged\r\n"
                                                             : "Bulkhead: slot a: ";

    fake->cached[A * 512 + at] ^= (uint8_t)(1 << bit);
    assert_int_equal(starts(both()), 'b');
    fake->cached[A * 512 + at] ^= (uint8_t)(1 << bit);
    said = strstr(console, expected);
    if (said == NULL || strstr(console, "Bulkhead: slot a: starting") != NULL)
        fail_msg("byte %u, bit %u: %s", at, bit, console);
    assert_non_null(strstr(said, "Bulkhead: slot b: starting\r\n"));
}

static void test_each_byte(void **state)
{
    (void)state;
    assert_int_equal(starts(both()), 'a');
    for (uint32_t at = 0; at < slot_size; at++)
        for (uint32_t bit = 0; bit < 8; bit++)
            if (at < 64 || bit == at % 8)
                flip(at, bit);
    print_message("%u bytes\n", slot_size);
}

/* What is behind it in its partition is not read. */
static void test_what_lies_behind(void **state)
{
    (void)state;
    for (uint32_t at = slot_size; at < SLOT_SECTORS * 512; at += 97) {
        fake->cached[A * 512 + at] ^= 1;
        assert_int_equal(starts(both()), 'a');
    }
}

/* A slot that the record would not start is the last resort, which leaves the record alone. */
static void test_the_last_resort(void **state)
{
    struct slots record = both();

    (void)state;
    slots_refuse(&record, 0);
    assert_int_equal(starts(record), 'b');
    fake->cached[B * 512 + 700] ^= 1;
    writes = 0;
    assert_int_equal(starts(record), 'a');
    assert_non_null(strstr(console, "slot b: "));
    assert_int_equal(writes, 2); /* slot b was chosen */
    slots_close(&record, 1);
    assert_int_equal(starts(record), 'a');
    assert_int_equal(writes, 0);
    fake->cached[A * 512 + 700] ^= 1;
    assert_int_equal(starts(record), 0);
    assert_non_null(strstr(console, "slot a: "));
    assert_non_null(strstr(console, "slot b: "));
    assert_non_null(strstr(console, "no slot boots"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_byte),
        TEST(test_what_lies_behind),
        TEST(test_the_last_resort),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
