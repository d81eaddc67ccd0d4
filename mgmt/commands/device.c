/* SPDX-License-Identifier: Apache-2.0 */
/* device list, show: the machine's PCI functions, who has them, what they were refused. */
#include <bulkhead/partition.h>
#include <mgmt/command.h>
#include <mgmt/loop.h>
#include <mgmt/output.h>
#include <mgmt/platform.h>
#include <stdio.h>
#include <string.h>

#define ADDRESS_TEXT 8 /* "00:1f.7" */

static uint32_t device_count(void)
{
    uint32_t count = __atomic_load_n(&platform_status()->devices, __ATOMIC_ACQUIRE);

    return count < BULKHEAD_DEVICES_MAX ? count : BULKHEAD_DEVICES_MAX;
}

static const char *address_text(char text[ADDRESS_TEXT], uint16_t requester)
{
    snprintf(text, ADDRESS_TEXT, "%02x:%02x.%x", requester >> 8u, requester >> 3u & 31u, requester & 7u);
    return text;
}

static const char *named(const char *const *name, uint32_t names, uint32_t index)
{
    return index < names && name[index] != NULL ? name[index] : "unknown";
}
#define NAMED(table, index) named(table, sizeof(table) / sizeof *(table), index)

/* PCI Code and ID Assignment Specification 1.15, 1: what servers have. */
static const char *class_text(uint32_t class_code)
{
    static const struct {
        uint32_t code, mask;
        const char *text;
    } known[] = {
        {0x010601, 0xffffff, "AHCI disk controller"},
        {0x010802, 0xffffff, "NVMe disk"},
        {0x010000, 0xff0000, "disk controller"},
        {0x020000, 0xffff00, "NIC"},
        {0x020000, 0xff0000, "network controller"},
        {0x030000, 0xff0000, "display controller"},
        {0x040000, 0xff0000, "audio, video"},
        {0x060000, 0xffff00, "host bridge"},
        {0x060100, 0xffff00, "ISA bridge"},
        {0x060400, 0xffff00, "PCI bridge"},
        {0x060000, 0xff0000, "bridge"},
        {0x070000, 0xffff00, "serial port"},
        {0x080600, 0xffff00, "IOMMU"},
        {0x0c0330, 0xffffff, "USB controller (xHCI)"},
        {0x0c0300, 0xffff00, "USB controller"},
        {0x0c0500, 0xffff00, "SMBus controller"},
        {0x120000, 0xff0000, "accelerator"},
    };

    for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++) {
        if ((class_code & known[i].mask) == known[i].code)
            return known[i].text;
    }
    return "other";
}

static const char *state_text(const struct device_status *device)
{
    static const char *const name[] = {
        [DEVICE_UNUSED] = "unused", [DEVICE_OWNED] = "owned", [DEVICE_REFUSED] = "refused", [DEVICE_LOST] = "lost"};

    return NAMED(name, __atomic_load_n(&device->state, __ATOMIC_ACQUIRE));
}

static void row_owner(struct output_row *row, const struct device_status *device)
{
    if (device->owner < partition_count)
        row_text(row, partitions[device->owner].name);
    else
        row_none(row);
}

static void row_identity(struct output_row *row, const struct device_status *device)
{
    char text[ADDRESS_TEXT];

    row_text(row, address_text(text, device->requester));
    row_format(row, "%04x:%04x", device->vendor, device->device);
    row_format(row, "%s%s", class_text(device->class_code), device->flags & DEVICE_VIRTUAL ? ", virtual function" : "");
    row_owner(row, device);
    row_text(row, state_text(device));
}

/* device list */

static enum output_step list_row(struct output_row *row, struct output_cursor *cursor)
{
    const struct device_status *device = &platform_status()->device[cursor->row];

    if (cursor->row >= device_count())
        return OUTPUT_END;
    row_identity(row, device);
    row_flag(row, device->flags & DEVICE_IOMMU);
    row_number(row, device->messages);
    row_number(row, device->resets);
    row_number(row, device->faults);
    return OUTPUT_ROW;
}

static const struct output_column list_columns[] = {
    {"address", "ADDRESS"},       {"ids", "IDS"},       {"class", "CLASS"},
    {"owner", "OWNER"},           {"state", "STATE"},   {"iommu", "IOMMU"},
    {"interrupts", "INTERRUPTS"}, {"resets", "RESETS"}, {"faults", "FAULTS"},
};
static const struct output_section list_section = {
    .key = "devices",
    .kind = OUTPUT_TABLE,
    .empty = "the kernel found no PCI functions",
    .column = list_columns,
    .columns = sizeof list_columns / sizeof list_columns[0],
    .row = list_row,
};

static int run_list(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    (void)argument;
    output_section(session, &list_section, 0);
    return COMMAND_OK;
}
COMMAND(device_list, "device list", "[--json]", "the machine's PCI functions, their owners, what they were refused",
        run_list, NULL);

/* device show */

static const char *reset_text(uint8_t kind)
{
    static const char *const name[] = {
        [RESET_NONE] = "none",
        [RESET_FUNCTION] = "function-level reset",
        [RESET_ADVANCED] = "function-level reset (advanced features)",
        [RESET_POWER] = "power management (D3hot to D0)",
        [RESET_BUS] = "its bridge's bus reset",
        [RESET_STATUS] = "virtio's device status",
    };

    return NAMED(name, kind);
}

static enum output_step show_row(struct output_row *row, struct output_cursor *cursor)
{
    const struct status_page *status = platform_status();
    const struct device_status *device = &status->device[cursor->argument];
    uint64_t faults = __atomic_load_n(&device->faults, __ATOMIC_ACQUIRE);
    char text[ADDRESS_TEXT];

    row_identity(row, device);
    row_format(row, "%06x", (unsigned)device->class_code);
    if (device->flags & DEVICE_IOMMU)
        row_bytes_text(row, status->iommu, strnlen(status->iommu, sizeof status->iommu));
    else
        row_none(row);
    row_flag(row, device->flags & DEVICE_REMAPPED);
    row_flag(row, device->flags & DEVICE_RESERVED);
    row_text(row, address_text(text, device->group));
    row_text(row, reset_text(device->reset));
    row_number(row, device->messages);
    row_number(row, device->resets);
    row_number(row, faults);
    if (faults == 0) {
        row_none(row);
        row_none(row);
        return OUTPUT_ROW;
    }
    row_hex(row, device->fault_address);
    if (device->fault_ns != 0 && time_ns() > device->fault_ns)
        row_duration(row, time_ns() - device->fault_ns);
    else
        row_none(row);
    return OUTPUT_ROW;
}

static const struct output_column show_columns[] = {
    {"address", "address"},
    {"ids", "vendor and device"},
    {"class", "class"},
    {"owner", "owner"},
    {"state", "state"},
    {"class_code", "class code"},
    {"iommu", "IOMMU"},
    {"remapped", "interrupts remapped"},
    {"reserved", "firmware's memory"},
    {"group", "isolation group"},
    {"reset", "reset by"},
    {"interrupts", "interrupts"},
    {"resets", "resets"},
    {"faults", "faults"},
    {"fault_address", "last fault at"},
    {"fault_before_s", "since then"},
};
static const struct output_section show_section = {
    .key = "device",
    .kind = OUTPUT_RECORD,
    .column = show_columns,
    .columns = sizeof show_columns / sizeof show_columns[0],
    .row = show_row,
};

static const char *complete(int index, int n)
{
    static char text[ADDRESS_TEXT];

    return index == 0 && n >= 0 && (uint32_t)n < device_count()
               ? address_text(text, platform_status()->device[n].requester)
               : NULL;
}

static int run_show(struct session *session, int arguments, char **argument)
{
    const char *wanted = strncmp(argument[0], "0000:", 5) == 0 ? argument[0] + 5 : argument[0];

    (void)arguments;
    for (uint32_t i = 0; i < device_count(); i++) {
        char text[ADDRESS_TEXT];

        if (strcmp(address_text(text, platform_status()->device[i].requester), wanted) == 0) {
            output_section(session, &show_section, i);
            return COMMAND_OK;
        }
    }
    output_error(session, "no PCI function '%s'; 'device list' shows those that there are, such as 00:03.0",
                 argument[0]);
    return COMMAND_FAILED;
}
COMMAND(device_show, "device show", "ADDRESS [--json]", "one PCI function: owner, IOMMU, reset, faults", run_show,
        complete);
