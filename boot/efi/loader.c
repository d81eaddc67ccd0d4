// SPDX-License-Identifier: Apache-2.0
/*
 * The loader for UEFI machines: chooses the boot slot as U-Boot's ab_select does, reads the slot's FIT, checks the
 * SHA-256 of all of it and the bundle's signature and version, and has the firmware load the kernel (which is where
 * Secure Boot checks it). A slot that is damaged, forged or too old is named and left for the other one. How the kernel
 * is entered is the architecture's (start.h). Runs wherever the firmware put it.
 */
#include "bundle.h"
#include "measure.h"
#include "secure_boot.h"
#include "start.h"
#include <libfdt.h>
#include <storage/gpt.h>
#include <storage/slots.h>
#include <storage/state.h>
#include <string.h>

#define FRONT_BYTES 8192u /* of the partition "state": what the slot record and its copy lie in */
#define PATH_MAX 1024u
#define CHUNK (1u << 20)
#define MESSAGE_BYTES 832u /* bootloader_message: command, status, arguments */
#define MESSAGE_ARGUMENTS 64u

static const struct efi_guid block_io_guid = {
    0x964e5b21, 0x6459, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
const struct efi_guid file_system_guid = {0x964e5b22, 0x6459, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
const struct efi_guid device_path_guid = {0x09576e91, 0x6d3f, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
const struct efi_guid loaded_image_guid = {
    0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};

struct efi_system_table *system_table;
struct efi_boot_services *boot;
static struct efi_block_io *disk;
static struct gpt_header header;
static uint8_t *table, *front;
static struct gpt_range state_range;
static struct slots slots;
static bool slots_known, failed[SLOTS];
static uint32_t version_minimum;  /* of a bundle: what the state store keeps */
static struct bytes state_values; /* data NULL: there is no state store */

EFI efi_status efi_main(void *image, struct efi_system_table *system);

void say(const char *text)
{
    char16_t wide[2] = {0, 0};

    for (; *text != 0; text++) {
        wide[0] = (uint8_t)*text;
        system_table->output->output_string(system_table->output, wide);
    }
}

static void say_slot(uint32_t slot, const char *text)
{
    char name[2] = {(char)('a' + slot), 0};

    say("Bulkhead: slot ");
    say(name);
    say(": ");
    say(text);
    say("\r\n");
}

static efi_status give_up(const char *why)
{
    say("Bulkhead: ");
    say(why);
    say("\r\n");
    return EFI_LOAD_ERROR;
}

void *allocate(uint64_t bytes)
{
    uint64_t address;

    return boot->allocate_pages(EFI_ANY_PAGES, EFI_LOADER_DATA, (bytes + PAGE - 1) / PAGE, &address) ? NULL
                                                                                                     : (void *)address;
}

/* The disk whose partition `device` is: its path without the last node. */
static bool find_disk(void *device)
{
    static uint8_t copy[PATH_MAX];
    struct efi_device_path *path, *node = (struct efi_device_path *)copy;
    uint32_t at = 0, partition = 0;
    void *handle;

    if (boot->handle_protocol(device, &device_path_guid, (void **)&path))
        return false;
    for (;;) {
        const struct efi_device_path *from = (const struct efi_device_path *)((const uint8_t *)path + at);
        uint32_t length = from->length[0] | (uint32_t)from->length[1] << 8;

        if (length < sizeof(*from) || length > PATH_MAX - at)
            return false;
        memcpy(copy + at, from, length);
        if (from->type == EFI_PATH_END)
            break;
        if (from->type == EFI_PATH_MEDIA && from->subtype == EFI_PATH_MEDIA_PARTITION)
            partition = at;
        at += length;
    }
    if (partition == 0)
        return false;
    memcpy(copy + partition, copy + at, sizeof(*node));
    return !boot->locate_device_path(&block_io_guid, &node, &handle) &&
           !boot->handle_protocol(handle, &block_io_guid, (void **)&disk) && !disk->media->partition &&
           (disk->media->block_size == 512 || disk->media->block_size == PAGE);
}

static bool read_blocks(uint64_t block, uint64_t bytes, void *to)
{
    uint32_t size = disk->media->block_size;

    for (uint64_t at = 0; at < bytes; at += CHUNK) {
        uint64_t left = (bytes - at + size - 1) / size * size;

        if (disk->read(disk, disk->media->id, block + at / size, left < CHUNK ? left : CHUNK, (uint8_t *)to + at))
            return false;
    }
    return true;
}

static bool read_table(void)
{
    uint64_t blocks = disk->media->last_block + 1, lba[2] = {1, disk->media->last_block};
    uint8_t *block = allocate(GPT_BLOCK_MAX);

    table = allocate(GPT_TABLE_MAX + GPT_BLOCK_MAX);
    for (uint32_t i = 0; i < 2 && block != NULL && table != NULL; i++)
        if (read_blocks(lba[i], disk->media->block_size, block) &&
            gpt_header_parse(block, disk->media->block_size, lba[i], blocks, &header) &&
            read_blocks(header.table, (uint64_t)header.table_blocks * disk->media->block_size, table) &&
            gpt_table_check(&header, table))
            return true;
    return false;
}

static const struct efi_guid variable_guid = {
    0x0a9f7c52, 0x2f4e, 0x5d0b, {0x9a, 0x3c, 0x5b, 0x1e, 0x7d, 0x3f, 0x6a, 0x10}};

/* A variable of the firmware asks for a factory reset: the wish is handed on as Android's bootloader_message, stable,
 * before the variable goes. */
static void take_reset_wish(void)
{
    static const char wanted[] = CONFIG_FACTORY_RESET_VARIABLE;
    char16_t name[sizeof(wanted)];
    uint8_t data[64];
    uint64_t size = sizeof(data);
    uint32_t block = disk->media->block_size;

    for (uint32_t i = 0; i < sizeof(wanted); i++)
        name[i] = (uint8_t)wanted[i];
    if (sizeof(wanted) == 1 || system_table->runtime->get_variable(name, &variable_guid, NULL, &size, data))
        return;
    memset(front, 0, MESSAGE_BYTES);
    memcpy(front, "boot-recovery", 13);
    memcpy(front + MESSAGE_ARGUMENTS, "recovery\n--wipe_data\n", 21);
    if (disk->write(disk, disk->media->id, state_range.first, (MESSAGE_BYTES + block - 1) & ~(uint64_t)(block - 1),
                    front) ||
        disk->flush(disk)) {
        say("Bulkhead: the factory reset that a variable asks for cannot be noted\r\n");
        return;
    }
    system_table->runtime->set_variable(name, &variable_guid, 0, 0, NULL);
    say("Bulkhead: factory reset, since a variable of the firmware asks for it\r\n");
}

/* The value "rollback" of the newest whole bank; 0: none. */
static void read_minimum(void)
{
    uint32_t size = disk->media->block_size;
    uint8_t *bank = allocate(STATE_BANK_BYTES);
    uint64_t newest = 0;

    state_values.data = allocate(STATE_VALUES_BYTES);

    for (uint32_t i = 0; i < STATE_BANKS && bank != NULL && state_range.blocks >= STATE_PARTITION_MIN / size; i++) {
        uint64_t offset = STATE_FIRST_BANK + (uint64_t)i * STATE_BANK_BYTES;
        struct state_bank header;
        struct state_value value;

        if (!read_blocks(state_range.first + offset / size, STATE_BANK_BYTES, bank) ||
            !state_bank_check(bank, &header) || header.sequence < newest)
            continue;
        newest = header.sequence;
        state_values.length = state_values.data != NULL ? header.length : 0;
        memcpy(state_values.data, bank + STATE_HEADER_BYTES, state_values.length);
        version_minimum = 0;
        if (state_value_find(bank + STATE_HEADER_BYTES, header.length, "rollback", &value))
            for (uint32_t n = 0; n < value.length && value.data[n] >= '0' && value.data[n] <= '9'; n++)
                version_minimum = version_minimum * 10 + value.data[n] - '0';
    }
}

static void read_record(void)
{
    front = allocate(FRONT_BYTES);
    slots_known = front != NULL && gpt_find(&header, table, "state", &state_range) == GPT_FOUND &&
                  state_range.blocks >= FRONT_BYTES / disk->media->block_size &&
                  read_blocks(state_range.first, FRONT_BYTES, front) &&
                  slots_read(front + SLOTS_OFFSET, front + SLOTS_BACKUP_OFFSET, &slots);
    if (!slots_known)
        say("Bulkhead: the slots' record cannot be used; trying slot a, then slot b\r\n");
    if (slots_known) {
        read_minimum();
        take_reset_wish();
    }
}

/* The record, stable, and then its copy: a try that is taken is gone even if the power goes now. */
static void write_record(void)
{
    static const uint32_t offset[] = {SLOTS_OFFSET, SLOTS_BACKUP_OFFSET};
    uint8_t before[SLOTS_BYTES];
    uint32_t size = disk->media->block_size;

    for (uint32_t i = 0; i < 2; i++) {
        memcpy(before, front + offset[i], sizeof(before));
        slots_write(&slots, front + offset[i]);
        if (memcmp(before, front + offset[i], sizeof(before)) == 0)
            continue;
        if (disk->write(disk, disk->media->id, state_range.first + offset[i] / size, size,
                        front + (offset[i] & ~(size - 1))) ||
            disk->flush(disk))
            say("Bulkhead: the slots' record cannot be written\r\n");
    }
}

/* The next slot, with its try taken; -1: there is none. */
static int choose(void)
{
    struct slots left = slots;
    int next;

    if (!slots_known)
        return failed[0] ? (failed[1] ? -1 : 1) : 0;
    for (uint32_t i = 0; i < SLOTS; i++)
        left.slot[i].corrupted |= failed[i];
    next = slots_boot(&left);
    if (next < 0)
        return -1;
    slots.last = (int8_t)next;
    slots.slot[next].tries = left.slot[next].tries;
    write_record();
    return next;
}

static int find_image(const void *fit, const char *name, struct bytes *image)
{
    int node = fdt_subnode_offset(fit, fdt_path_offset(fit, "/images"), name), length = 0;

    image->data = (uint8_t *)(uintptr_t)fdt_getprop(fit, node, "data", &length);
    image->length = (uint32_t)length;
    return image->data != NULL ? node : -1;
}

/* True: the image is not what its own SHA-256 says. */
static bool is_damaged(const void *fit, int node, const struct bytes *image)
{
    uint8_t digest[SHA256_SIZE];
    int hash = fdt_subnode_offset(fit, node, "hash-1"), length;
    const uint8_t *expected = fdt_getprop(fit, hash, "value", &length);

    digest_of(image->data, image->length, digest);
    return expected != NULL && length == SHA256_SIZE && memcmp(digest, expected, SHA256_SIZE) != 0;
}

/* Its seal, the SHA-256 of the whole FIT, is right, so that each byte is as it was written; or what of it is not. */
static const char *open_fit(const uint8_t *fit, uint32_t size, struct bytes *kernel, struct bytes *bundle)
{
    uint8_t digest[SHA256_SIZE];
    int kernel_node = find_image(fit, "kernel", kernel), bundle_node = find_image(fit, "bundle", bundle);

    digest_of(fit, size, digest);
    if (memcmp(digest, fit + size, SHA256_SIZE) == 0)
        return kernel_node >= 0 && bundle_node >= 0 ? NULL : "lacks kernel or bundle";
    if (kernel_node >= 0 && is_damaged(fit, kernel_node, kernel))
        return "the kernel is damaged";
    if (bundle_node >= 0 && is_damaged(fit, bundle_node, bundle))
        return "the bundle is damaged";
    return "is damaged: its header, names or digests, or the seal behind it";
}

static const char *read_slot(uint32_t slot, struct bytes *kernel, struct bytes *bundle)
{
    static const char *const unreadable = "cannot be read";
    char name[] = "boot-a";
    struct gpt_range range;
    uint64_t room;
    uint8_t *fit;
    uint32_t size;
    const char *problem;

    name[5] = (char)('a' + slot);
    if (gpt_find(&header, table, name, &range) != GPT_FOUND)
        return "has no partition";
    room = range.blocks * disk->media->block_size;
    fit = allocate(PAGE);
    if (fit == NULL || room < PAGE || !read_blocks(range.first, PAGE, fit))
        return unreadable;
    size = fdt_totalsize(fit);
    if (fdt_magic(fit) != FDT_MAGIC || size < PAGE || size > room - SHA256_SIZE)
        return "holds no kernel";
    fit = allocate((uint64_t)size + SHA256_SIZE + PAGE);
    if (fit == NULL || !read_blocks(range.first, (uint64_t)size + SHA256_SIZE, fit))
        return unreadable;
    if (fdt_check_header(fit) != 0 || fdt_totalsize(fit) != size)
        return "its header is damaged";
    problem = open_fit(fit, size, kernel, bundle);
    return problem != NULL ? problem : check_bundle(kernel, bundle, version_minimum);
}

/* --- Without slots: files beside the loader, as on a stick or a network disk --- */

bool read_contents(struct efi_file *folder, const char16_t *name, struct bytes *contents)
{
    struct efi_file *file;
    uint64_t size = 0, got;

    if (folder->open(folder, &file, name, 1, 0))
        return false;
    contents->data = NULL;
    if (!file->set_position(file, UINT64_MAX) && !file->get_position(file, &size) && !file->set_position(file, 0) &&
        size > 0 && size <= UINT32_MAX)
        contents->data = allocate(size);
    for (contents->length = 0; contents->data != NULL && contents->length < size; contents->length += (uint32_t)got) {
        got = size - contents->length;
        if (file->read(file, &got, contents->data + contents->length) || got == 0)
            contents->data = NULL;
    }
    file->close(file);
    return contents->data != NULL;
}

static bool read_files(void *device, struct bytes *kernel, struct bytes *bundle)
{
    struct efi_file_system *volume;
    struct efi_file *folder;

    return !boot->handle_protocol(device, &file_system_guid, (void **)&volume) &&
           !volume->open_volume(volume, &folder) && read_contents(folder, u"\\bulkhead.bin", kernel) &&
           read_contents(folder, u"\\bundle.itb", bundle);
}

EFI efi_status efi_main(void *image, struct efi_system_table *system)
{
    struct efi_loaded_image *loaded;
    struct bytes kernel, bundle;
    int slot;

    system_table = system;
    boot = system->boot;
    if (boot->handle_protocol(image, &loaded_image_guid, (void **)&loaded))
        return give_up("the disk that this came from cannot be found");
    secure_boot_begin(loaded->device);
    if (!find_disk(loaded->device) || !read_table()) {
        if (!read_files(loaded->device, &kernel, &bundle))
            return give_up("no valid GPT, primary or backup, on the disk that this came from, and no bulkhead.bin and "
                           "bundle.itb beside it");
        say("Bulkhead: bulkhead.bin: starting\r\n");
        measure_slot(&kernel, &bundle, &state_values);
        return give_up(start_kernel(image, loaded->device, &kernel, &bundle));
    }
    read_record();
    start_watchdog(false);
    while ((slot = choose()) >= 0) {
        const char *problem = read_slot((uint32_t)slot, &kernel, &bundle);

        if (problem == NULL) {
            say_slot((uint32_t)slot, "starting");
            measure_slot(&kernel, &bundle, &state_values);
            problem = start_kernel(image, loaded->device, &kernel, &bundle);
        }
        say_slot((uint32_t)slot, problem);
        failed[slot] = true;
    }
    return give_up("no slot boots");
}
