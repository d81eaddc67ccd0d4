// SPDX-License-Identifier: Apache-2.0
/* Giving firmware the keys for Secure Boot (issue 5, point 3): in Setup Mode only, where somebody wants it, and a reset
 * only where they were taken. */
#include <boot/efi/secure_boot.h>
#include <boot/efi/start.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static char console[1024], written[128];
static uint8_t setup_mode, is_on;
static bool has_wish, keeps_setup_mode;
static const char *refused; /* a variable that the firmware does not take */
static jmp_buf reset;

const bool secure_boot_key_is_development;
const struct efi_guid file_system_guid;
struct efi_system_table *system_table;
struct efi_boot_services *boot;

void say(const char *text)
{
    strcat(console, text);
}

static const char *narrow(const char16_t *wide)
{
    static char text[64];

    for (uint32_t i = 0; (text[i] = (char)wide[i]) != 0; i++)
        assert_true(i + 1 < sizeof text);
    return text;
}

static efi_status get(const char16_t *name, const struct efi_guid *vendor, uint32_t *attributes, uint64_t *size,
                      void *data)
{
    bool is_setup = strcmp(narrow(name), "SetupMode") == 0;

    (void)vendor, (void)attributes;
    assert_true(is_setup || strcmp(narrow(name), "SecureBoot") == 0);
    *(uint8_t *)data = is_setup ? setup_mode : is_on;
    *size = 1;
    return 0;
}

static efi_status set(const char16_t *name, const struct efi_guid *vendor, uint32_t attributes, uint64_t size,
                      const void *data)
{
    (void)vendor, (void)attributes, (void)size, (void)data;
    if (refused != NULL && strcmp(narrow(name), refused) == 0)
        return EFI_SECURITY_VIOLATION;
    strcat(strcat(written, narrow(name)), " ");
    if (strcmp(narrow(name), "PK") == 0)
        setup_mode = keeps_setup_mode;
    return 0;
}

static void cold_reset(uint32_t how, efi_status why, uint64_t size, const void *data)
{
    assert_true(how == EFI_RESET_COLD && why == 0 && size == 0 && data == NULL);
    longjmp(reset, 1);
}

static efi_status open_volume(struct efi_file_system *of, struct efi_file **root)
{
    (void)of;
    *root = NULL;
    return 0;
}

static efi_status find_protocol(void *device, const struct efi_guid *protocol, void **found)
{
    static struct efi_file_system files = {.open_volume = open_volume};

    (void)device;
    assert_ptr_equal(protocol, &file_system_guid);
    *found = &files;
    return 0;
}

/* Everything but a list of what is revoked. */
bool read_contents(struct efi_file *folder, const char16_t *name, struct bytes *contents)
{
    static uint8_t data[4];

    (void)folder;
    *contents = (struct bytes){data, sizeof data};
    if (strcmp(narrow(name), "\\EFI\\keys\\enroll") == 0)
        return has_wish;
    return strcmp(narrow(name), "\\EFI\\keys\\dbx.auth") != 0;
}

static int setup(void **state)
{
    static struct efi_runtime_services runtime = {.get_variable = get, .set_variable = set, .reset_system = cold_reset};
    static struct efi_boot_services services = {.handle_protocol = find_protocol};
    static struct efi_system_table table = {.runtime = &runtime};

    (void)state;
    system_table = &table;
    boot = &services;
    console[0] = written[0] = 0;
    setup_mode = 1;
    has_wish = true;
    is_on = 0;
    keeps_setup_mode = false;
    refused = NULL;
    return 0;
}

/* True: the machine was reset. */
static bool begin(void)
{
    if (setjmp(reset) != 0)
        return true;
    secure_boot_begin(NULL);
    return false;
}

static void test_enrolled(void **state)
{
    (void)state;
    assert_true(begin());
    assert_string_equal(written, "db KEK PK ");
    assert_non_null(strstr(console, "the keys of EFI/keys are enrolled; resetting"));
}

static void test_not_asked_for(void **state)
{
    (void)state;
    has_wish = false;
    assert_false(begin());
    assert_non_null(strstr(console, "(Setup Mode)"));
    has_wish = true;
    is_on = 1;
    setup_mode = 0;
    assert_false(begin());
    assert_non_null(strstr(console, "Secure Boot is on"));
    assert_string_equal(written, "");
}

/* What was written so far may be written again at the next start; without PK nothing is checked. */
static void test_refused(void **state)
{
    static const char *const names[] = {"db", "KEK", "PK"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        setup(state);
        refused = names[i];
        assert_false(begin());
        assert_non_null(strstr(console, "the keys in EFI/keys cannot be enrolled"));
        assert_null(strstr(written, "PK"));
    }
}

/* Firmware that takes everything and forgets it: it would be reset for ever. */
static void test_forgetful_firmware(void **state)
{
    (void)state;
    keeps_setup_mode = true;
    assert_false(begin());
    assert_non_null(strstr(console, "were written, but the firmware is still in Setup Mode"));
    assert_non_null(strstr(console, "Secure Boot is off"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_enrolled, setup),
        cmocka_unit_test_setup(test_not_asked_for, setup),
        cmocka_unit_test_setup(test_refused, setup),
        cmocka_unit_test_setup(test_forgetful_firmware, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
