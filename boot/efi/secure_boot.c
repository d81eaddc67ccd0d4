// SPDX-License-Identifier: Apache-2.0
#include "secure_boot.h"
#include "start.h"

#define ATTRIBUTES 0x27 /* non-volatile, for boot and run time, written with a signature that has a time */
#define APPEND 0x40

static const struct efi_guid global_guid = {
    0x8be4df61, 0x93ca, 0x11d2, {0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c}};
static const struct efi_guid security_guid = {
    0xd719b2cb, 0x3d3a, 0x4596, {0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f}};

/* A variable of one byte; -1: the firmware has none. */
static int read_flag(const char16_t *name)
{
    uint8_t value;
    uint64_t size = sizeof(value);

    return system_table->runtime->get_variable(name, &global_guid, NULL, &size, &value) || size != 1 ? -1 : value;
}

static bool enroll(struct efi_file *root, const char16_t *path, const char16_t *name, const struct efi_guid *vendor,
                   uint32_t more)
{
    struct bytes list;

    if (!read_contents(root, path, &list))
        return more != 0; /* nothing to add */
    return !system_table->runtime->set_variable(name, vendor, ATTRIBUTES | more, list.length, list.data);
}

/* PK comes last: it ends Setup Mode. Before, whatever is written may be written again. */
static void enroll_all(void *device)
{
    struct efi_file_system *volume;
    struct efi_file *root;
    struct bytes wish;

    if (boot->handle_protocol(device, &file_system_guid, (void **)&volume) || volume->open_volume(volume, &root) ||
        !read_contents(root, u"\\EFI\\keys\\enroll", &wish))
        return;
    if (!enroll(root, u"\\EFI\\keys\\dbx.auth", u"dbx", &security_guid, APPEND) ||
        !enroll(root, u"\\EFI\\keys\\db.auth", u"db", &security_guid, 0) ||
        !enroll(root, u"\\EFI\\keys\\KEK.auth", u"KEK", &global_guid, 0) ||
        !enroll(root, u"\\EFI\\keys\\PK.auth", u"PK", &global_guid, 0)) {
        say("Bulkhead: Secure Boot: the keys in EFI/keys cannot be enrolled\r\n");
        return;
    }
    if (read_flag(u"SetupMode") == 1) { /* resets would have no end */
        say("Bulkhead: Secure Boot: the keys of EFI/keys were written, but the firmware is still in Setup Mode\r\n");
        return;
    }
    say("Bulkhead: Secure Boot: the keys of EFI/keys are enrolled; resetting\r\n");
    system_table->runtime->reset_system(EFI_RESET_COLD, 0, 0, NULL);
}

void secure_boot_begin(void *device)
{
    int state = read_flag(u"SecureBoot"), setup = read_flag(u"SetupMode");

    if (secure_boot_key_is_development)
        say("Bulkhead: DANGER: loader and kernel are signed with a DEVELOPMENT key\r\n");
    if (setup == 1)
        enroll_all(device);
    say(state == 1   ? "Bulkhead: Secure Boot is on\r\n"
        : setup == 1 ? "Bulkhead: Secure Boot is off: the firmware has no keys (Setup Mode)\r\n"
        : state == 0 ? "Bulkhead: Secure Boot is off\r\n"
                     : "Bulkhead: the firmware has no Secure Boot\r\n");
}

const char *load_problem(efi_status status)
{
    return status == EFI_SECURITY_VIOLATION || status == EFI_ACCESS_DENIED
               ? "Secure Boot: the kernel is not signed with a key that the firmware has, or it is revoked"
               : "the firmware refuses the kernel";
}
