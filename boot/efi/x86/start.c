// SPDX-License-Identifier: Apache-2.0
/* The kernel is a UEFI application, which the firmware loads and starts. It finds the bundle as a file beside it: on a
 * file system that this loader pretends to have. The log of what was measured is the end of that file. */
#include <boot/efi/measure.h>
#include <boot/efi/start.h>
#include <string.h>

/* A file system with one file, whatever it is asked for. */
static struct efi_file root, file;
static struct efi_file_system file_system;
static struct bytes contents;
static uint64_t position, log_at, length; /* of the file */
static uint32_t log_room;
static void *bundle_device;

static EFI efi_status open_file(struct efi_file *from, struct efi_file **opened, const char16_t *name, uint64_t mode,
                                uint64_t attributes)
{
    (void)from, (void)name, (void)attributes;
    if (mode != 1)
        return EFI_NOT_FOUND;
    position = 0;
    *opened = &file;
    return 0;
}

static EFI efi_status close_file(struct efi_file *from)
{
    (void)from;
    return 0;
}

/* All of it is read to one place. */
static EFI efi_status read_file(struct efi_file *from, uint64_t *size, void *buffer)
{
    uint64_t left;

    (void)from;
    if (*size > length - position)
        *size = length - position;
    left = position < contents.length ? contents.length - position : 0;
    memset(buffer, 0, *size);
    memcpy(buffer, contents.data + position, left < *size ? left : *size);
    position += *size;
    if (log_room > 0 && position == length)
        measure_place((uint8_t *)buffer + *size - log_room);
    return 0;
}

static EFI efi_status get_position(struct efi_file *from, uint64_t *to)
{
    (void)from;
    *to = position;
    return 0;
}

static EFI efi_status set_position(struct efi_file *from, uint64_t to)
{
    (void)from;
    position = to < length ? to : length; /* all ones: the end */
    return 0;
}

static EFI efi_status open_volume(struct efi_file_system *from, struct efi_file **opened)
{
    (void)from;
    *opened = &root;
    return 0;
}

static void make_file_system(void)
{
    if (bundle_device != NULL)
        return;
    file = (struct efi_file){.revision = 0x10000};
    file.open = open_file;
    file.close = close_file;
    file.read = read_file;
    file.get_position = get_position;
    file.set_position = set_position;
    root = file;
    file_system.revision = 0x10000;
    file_system.open_volume = open_volume;
    if (boot->install_protocol(&bundle_device, &file_system_guid, EFI_NATIVE_INTERFACE, &file_system))
        bundle_device = NULL;
}

const char *start_kernel(void *image, void *device, char slot, const struct bytes *kernel, const struct bytes *bundle)
{
    static char16_t options[] = u"bulkhead.slot=?"; /* as by U-Boot (boot/u-boot/boot.cmd) */
    struct efi_device_path *path = NULL;
    struct efi_loaded_image *loaded;
    efi_status status;
    void *handle;

    make_file_system();
    contents = *bundle;
    boot->handle_protocol(device, &device_path_guid, (void **)&path);
    status = boot->load_image(false, image, path, kernel->data, kernel->length, &handle);
    if (status)
        return load_problem(status);
    if (boot->handle_protocol(handle, &loaded_image_guid, (void **)&loaded))
        return "the firmware lost the kernel";
    log_at = ((uint64_t)contents.length + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    log_room = measure_room();
    length = log_room > 0 ? log_at + log_room : contents.length;
    loaded->device = bundle_device;
    options[sizeof(options) / sizeof(*options) - 2] = (uint8_t)slot;
    loaded->options = slot != 0 ? options : NULL;
    loaded->options_size = slot != 0 ? sizeof(options) : 0;
    boot->start_image(handle, NULL, NULL);
    return "the kernel came back";
}
