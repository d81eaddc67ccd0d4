// SPDX-License-Identifier: Apache-2.0
#include "guest_acpi.h"

#include <bulkhead/guest_map.h>
#include <core/log.h>
#include <core/vpci.h>
#include <string.h>

/* What has been written, and where. Running out of room is a CHECK: it depends on the partition's configuration only.
 */
struct writer {
    uint8_t *bytes;
    uint32_t used, size;
};

static void put(struct writer *writer, const void *data, uint32_t size)
{
    CHECK(size <= writer->size - writer->used);
    memcpy(writer->bytes + writer->used, data, size);
    writer->used += size;
}

static void put_number(struct writer *writer, uint64_t value, uint32_t size)
{
    put(writer, &value, size);
}
#define put8(writer, value) put_number(writer, value, 1)
#define put16(writer, value) put_number(writer, value, 2)
#define put32(writer, value) put_number(writer, value, 4)
#define put64(writer, value) put_number(writer, value, 8)

static void put_zeros(struct writer *writer, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        put8(writer, 0);
}

static void checksum(struct writer *writer, uint32_t start, uint32_t size, uint32_t at)
{
    uint8_t sum = 0;

    writer->bytes[start + at] = 0;
    for (uint32_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + writer->bytes[start + i]);
    writer->bytes[start + at] = (uint8_t)-sum;
}

/* --- Tables: 5.2.6 --- */

#define TABLE_LENGTH 4
#define TABLE_CHECKSUM 9

static uint32_t table_begin(struct writer *writer, const char *signature, uint8_t revision)
{
    uint32_t start;

    put_zeros(writer, -writer->used % 16);
    start = writer->used;
    put(writer, signature, 4);
    put32(writer, 0);
    put8(writer, revision);
    put8(writer, 0);
    put(writer, "BLKHD BULKHEAD", 14);
    put32(writer, 1);
    put(writer, "BLKH", 4);
    put32(writer, 1);
    return start;
}

static void table_end(struct writer *writer, uint32_t start)
{
    uint32_t length = writer->used - start;

    memcpy(writer->bytes + start + TABLE_LENGTH, &length, 4);
    checksum(writer, start, length, TABLE_CHECKSUM);
}

enum address_space { SPACE_MEMORY = 0, SPACE_IO = 1 };

/* Generic address structure, 5.2.3.2; access size 1: byte, 3: 32 bits. */
static void put_gas(struct writer *writer, enum address_space space, uint8_t bits, uint8_t access, uint64_t address)
{
    put8(writer, space);
    put8(writer, bits);
    put8(writer, 0);
    put8(writer, access);
    put64(writer, address);
}

/* --- AML: chapter 20 --- */

enum aml {
    AML_ZERO = 0x00,
    AML_ONE = 0x01,
    AML_NAME = 0x08,
    AML_BYTE = 0x0a,
    AML_DWORD = 0x0c,
    AML_STRING = 0x0d,
    AML_SCOPE = 0x10,
    AML_BUFFER = 0x11,
    AML_PACKAGE = 0x12,
    AML_EXTENDED = 0x5b,
    AML_DEVICE = 0x82,
};

/* A PkgLength of two bytes, which counts itself and what follows it. */
static uint32_t package_begin(struct writer *writer)
{
    put16(writer, 0);
    return writer->used - 2;
}

static void package_end(struct writer *writer, uint32_t start)
{
    uint32_t length = writer->used - start;

    CHECK(length < 1 << 12);
    writer->bytes[start] = (uint8_t)(0x40 | (length & 15));
    writer->bytes[start + 1] = (uint8_t)(length >> 4);
}

static void put_name(struct writer *writer, const char *name)
{
    put8(writer, AML_NAME);
    put(writer, name, 4);
}

static void put_integer(struct writer *writer, uint32_t value)
{
    if (value > 1) {
        put8(writer, value < 256 ? AML_BYTE : AML_DWORD);
        put_number(writer, value, value < 256 ? 1 : 4);
    } else {
        put8(writer, value);
    }
}

static void put_string(struct writer *writer, const char *text)
{
    put8(writer, AML_STRING);
    put(writer, text, (uint32_t)strlen(text) + 1);
}

static void put_named_integer(struct writer *writer, const char *name, uint32_t value)
{
    put_name(writer, name);
    put_integer(writer, value);
}

static void put_named_string(struct writer *writer, const char *name, const char *text)
{
    put_name(writer, name);
    put_string(writer, text);
}

/* "PNP" and a number of four digits, 6.1.5 and 19.3.4. */
static uint32_t pnp_id(uint16_t number)
{
    return 0xd041u | (uint32_t)(number >> 8 | (number & 0xff) << 8) << 16;
}

static uint32_t device_begin(struct writer *writer, const char *name)
{
    uint32_t package;

    put8(writer, AML_EXTENDED);
    put8(writer, AML_DEVICE);
    package = package_begin(writer);
    put(writer, name, 4);
    return package;
}

/* _CRS: a buffer, whose length is an integer of one byte. */
struct resources {
    uint32_t package, length;
};

static struct resources resources_begin(struct writer *writer)
{
    struct resources resources;

    put_name(writer, "_CRS");
    put8(writer, AML_BUFFER);
    resources.package = package_begin(writer);
    put8(writer, AML_BYTE);
    resources.length = writer->used;
    put8(writer, 0);
    return resources;
}

static void resources_end(struct writer *writer, struct resources resources)
{
    put16(writer, 0x79); /* end tag, no checksum */
    CHECK(writer->used - resources.length - 1 < 256);
    writer->bytes[resources.length] = (uint8_t)(writer->used - resources.length - 1);
    package_end(writer, resources.package);
}

/* 6.4.2.5 */
static void put_ports(struct writer *writer, uint16_t base, uint8_t count)
{
    put16(writer, 0x0147); /* 16-bit decoding */
    put16(writer, base);
    put16(writer, base);
    put8(writer, 1);
    put8(writer, count);
}

/* 6.4.3.4 */
static void put_memory(struct writer *writer, uint32_t base, uint32_t size)
{
    put8(writer, 0x86);
    put16(writer, 9);
    put8(writer, 1); /* read and write */
    put32(writer, base);
    put32(writer, size);
}

/* 6.4.3.5.2, 6.4.3.5.3: what a bridge hands on. */
static void put_window(struct writer *writer, uint32_t base, uint32_t size)
{
    put8(writer, 0x87);
    put16(writer, 23);
    put8(writer, 0);       /* memory */
    put16(writer, 0x010c); /* fixed; read and write */
    put32(writer, 0);
    put32(writer, base);
    put32(writer, base + size - 1);
    put32(writer, 0);
    put32(writer, size);
}

static void put_buses(struct writer *writer, uint16_t count)
{
    put8(writer, 0x88);
    put16(writer, 13);
    put8(writer, 2);
    put16(writer, 0x000c);
    put32(writer, 0);
    put16(writer, count - 1u);
    put16(writer, 0);
    put16(writer, count);
}

/* 6.4.3.6: edge-triggered, active high, not shared. */
static void put_line(struct writer *writer, uint32_t line)
{
    put8(writer, 0x89);
    put16(writer, 6);
    put8(writer, 3);
    put8(writer, 1);
    put32(writer, line);
}

static void put_uart(struct writer *writer)
{
    uint32_t device = device_begin(writer, "COM1");
    struct resources resources;

    put_named_integer(writer, "_HID", pnp_id(0x0501));
    put_named_integer(writer, "_UID", 0);
    resources = resources_begin(writer);
    put_ports(writer, GUEST_PORT_UART, 8);
    put_line(writer, GUEST_LINE_UART);
    resources_end(writer, resources);
    package_end(writer, device);
}

static void put_rtc(struct writer *writer)
{
    uint32_t device = device_begin(writer, "RTC_");
    struct resources resources;

    put_named_integer(writer, "_HID", pnp_id(0x0b00));
    resources = resources_begin(writer);
    put_ports(writer, GUEST_PORT_RTC, 2);
    resources_end(writer, resources);
    package_end(writer, device);
}

static void put_virtio(struct writer *writer, uint32_t slot)
{
    const char name[] = {'V', 'R', '0', "0123456789ABCDEF"[slot & 15], '\0'};
    uint32_t device = device_begin(writer, name);
    struct resources resources;

    put_named_string(writer, "_HID", "LNRO0005");
    put_named_integer(writer, "_UID", slot);
    put_named_integer(writer, "_CCA", 1);
    resources = resources_begin(writer);
    put_memory(writer, (uint32_t)(GUEST_VIRTIO_BASE + slot * PAGE_SIZE), PAGE_SIZE);
    put_line(writer, guest_virtio_line(slot));
    resources_end(writer, resources);
    package_end(writer, device);
}

/* PCI Firmware specification 3.3, 4.1.2 and 4.2.1: ECAM is a motherboard resource. */
static void put_pci(struct writer *writer, struct vpci_host host)
{
    uint32_t device = device_begin(writer, "PCI0");
    struct resources resources;

    put_named_integer(writer, "_HID", pnp_id(0x0a08));
    put_named_integer(writer, "_CID", pnp_id(0x0a03));
    put_named_integer(writer, "_UID", 0);
    put_named_integer(writer, "_SEG", 0);
    put_named_integer(writer, "_BBN", 0);
    resources = resources_begin(writer);
    put_buses(writer, (uint16_t)host.buses);
    put_window(writer, (uint32_t)host.window.value, (uint32_t)host.window_size);
    resources_end(writer, resources);
    package_end(writer, device);
    device = device_begin(writer, "RES0");
    put_named_integer(writer, "_HID", pnp_id(0x0c02));
    resources = resources_begin(writer);
    put_memory(writer, (uint32_t)host.ecam.value, host.buses * MIB);
    resources_end(writer, resources);
    package_end(writer, device);
}

/* Microsoft's "Virtual Machine Generation ID". It changes while the guest does not run, so nothing is notified. */
static void put_generation_id(struct writer *writer, struct ipa address)
{
    uint32_t device = device_begin(writer, "VGEN"), package;

    put_named_string(writer, "_HID", "BLKH0001");
    put_name(writer, "_CID");
    put8(writer, AML_PACKAGE);
    package = package_begin(writer);
    put8(writer, 2);
    put_string(writer, "VM_Gen_Counter"); /* the specification's name, and Linux' for it */
    put_string(writer, "VMGENCTR");
    package_end(writer, package);
    put_named_string(writer, "_DDN", "VM_Gen_Counter");
    put_name(writer, "ADDR");
    put8(writer, AML_PACKAGE);
    package = package_begin(writer);
    put8(writer, 2);
    put_integer(writer, (uint32_t)address.value);
    put_integer(writer, (uint32_t)(address.value >> 32));
    package_end(writer, package);
    package_end(writer, device);
}

static void put_dsdt(struct writer *writer, const struct domain *domain, struct ipa generation_id)
{
    uint32_t table = table_begin(writer, "DSDT", 2), scope, package;

    put8(writer, AML_SCOPE);
    scope = package_begin(writer);
    put(writer, "_SB_", 4);
    if (domain->config->flags & PARTITION_UART)
        put_uart(writer);
    if (domain->config->flags & PARTITION_RTC)
        put_rtc(writer);
    put_generation_id(writer, generation_id);
    if (vpci_host(domain).functions)
        put_pci(writer, vpci_host(domain));
    for (uint32_t i = 0; i < channel_count; i++)
        if (channels[i].front == domain->index)
            put_virtio(writer, channels[i].slot);
    package_end(writer, scope);
    put_name(writer, "_S5_");
    put8(writer, AML_PACKAGE);
    package = package_begin(writer);
    put8(writer, 4);
    put_integer(writer, GUEST_SLEEP_OFF);
    put_zeros(writer, 3);
    package_end(writer, package);
    table_end(writer, table);
}

/* --- FADT: 5.2.9 --- */

enum {
    FADT_WBINVD = 1 << 0,
    FADT_POWER_BUTTON = 1 << 4, /* no fixed button */
    FADT_SLEEP_BUTTON = 1 << 5,
    FADT_RESET = 1 << 10,
    FADT_HEADLESS = 1 << 12,
    FADT_HARDWARE_REDUCED = 1 << 20,
    BOOT_LEGACY_DEVICES = 1 << 0,
    BOOT_NO_VGA = 1 << 2,
    BOOT_NO_MSI = 1 << 3,
    BOOT_NO_RTC = 1 << 5,
};

static void put_fadt(struct writer *writer, const struct domain *domain, uint64_t dsdt)
{
    uint32_t table = table_begin(writer, "FACP", 6);
    uint32_t boot = BOOT_NO_VGA | (vpci_host(domain).functions ? 0 : BOOT_NO_MSI),
             flags = FADT_WBINVD | FADT_POWER_BUTTON | FADT_SLEEP_BUTTON | FADT_RESET | FADT_HEADLESS |
                     FADT_HARDWARE_REDUCED;

    if (domain->config->flags & PARTITION_UART)
        boot |= BOOT_LEGACY_DEVICES;
    if (!(domain->config->flags & PARTITION_RTC))
        boot |= BOOT_NO_RTC;
    put_zeros(writer, 4);
    put32(writer, dsdt);
    put_zeros(writer, 109 - 44); /* from the preferred power profile to the century: none of it when hardware-reduced */
    put16(writer, boot);
    put8(writer, 0);
    put32(writer, flags);
    put_gas(writer, SPACE_IO, 8, 1, GUEST_PORT_RESET);
    put8(writer, GUEST_RESET_VALUE);
    put_zeros(writer, 2);
    put8(writer, 5); /* minor version */
    put64(writer, 0);
    put64(writer, dsdt);
    put_zeros(writer, 244 - 148); /* blocks of the fixed hardware */
    put_gas(writer, SPACE_IO, 8, 1, GUEST_PORT_SLEEP_CONTROL);
    put_gas(writer, SPACE_IO, 8, 1, GUEST_PORT_SLEEP_STATUS);
    put(writer, "BULKHEAD", 8); /* the hypervisor's vendor */
    CHECK(writer->used - table == 276);
    table_end(writer, table);
}

/* --- MADT: 5.2.12 --- */

static void put_madt(struct writer *writer, const struct domain *domain)
{
    uint32_t table = table_begin(writer, "APIC", 5);

    put32(writer, GUEST_APIC_BASE);
    put32(writer, 0); /* no PC-AT interrupt controllers */
    for (uint32_t i = 0; i < domain->vcpu_count; i++) {
        put16(writer, 0x0800); /* local APIC; x2APIC's entries are for IDs above 254 */
        put8(writer, i);
        put8(writer, i);
        put32(writer, 1);
    }
    put16(writer, 0x0c01); /* IOAPIC */
    put16(writer, domain->vcpu_count);
    put32(writer, GUEST_IOAPIC_BASE);
    put32(writer, 0);
    table_end(writer, table);
}

/* --- MCFG: PCI Firmware specification 3.3, 4.1.2 --- */

static void put_mcfg(struct writer *writer, struct vpci_host host)
{
    uint32_t table = table_begin(writer, "MCFG", 1);

    put_zeros(writer, 8);
    put64(writer, host.ecam.value);
    put16(writer, 0); /* segment */
    put8(writer, 0);
    put8(writer, host.buses - 1);
    put_zeros(writer, 4);
    table_end(writer, table);
}

/* --- WDAT --- */

#define WDAT_ENABLED 1
#define WDAT_TICK_MS 100
#define WDAT_COUNT_MAX 36000
enum wdat_register { WDAT_CONTROL = 0, WDAT_COUNT = 4, WDAT_PING = 8, WDAT_STATUS = 12, WDAT_REMAINING = 16 };

static void put_wdat(struct writer *writer)
{
    enum instruction { READ_VALUE, READ_COUNT, WRITE_VALUE, WRITE_COUNT };
    static const struct {
        uint8_t action, instruction, place;
        uint32_t value, mask;
    } entries[] = {
        {1, WRITE_VALUE, WDAT_PING, 1, UINT32_MAX},     /* reset: count again from the start */
        {4, READ_COUNT, WDAT_REMAINING, 0, UINT32_MAX}, /* get the current count */
        {5, READ_COUNT, WDAT_COUNT, 0, UINT32_MAX},     /* get, */
        {6, WRITE_COUNT, WDAT_COUNT, 0, UINT32_MAX},    /* set the count that it starts from */
        {8, READ_VALUE, WDAT_CONTROL, 1, 1},            /* does it run? */
        {9, WRITE_VALUE, WDAT_CONTROL, 1, UINT32_MAX},  /* start */
        {10, READ_VALUE, WDAT_CONTROL, 0, 1},           /* is it stopped? */
        {11, WRITE_VALUE, WDAT_CONTROL, 0, UINT32_MAX}, /* stop */
        {32, READ_VALUE, WDAT_STATUS, 1, 1},            /* was it the cause of the last restart? */
        {33, WRITE_VALUE, WDAT_STATUS, 1, UINT32_MAX},  /* forget that */
    };
    uint32_t table = table_begin(writer, "WDAT", 1);

    put32(writer, 32); /* bytes up to the entries */
    put16(writer, 0xff);
    put8(writer, 0xff); /* no PCI device */
    put8(writer, 0xff);
    put32(writer, 0xff);
    put32(writer, WDAT_TICK_MS);
    put32(writer, WDAT_COUNT_MAX);
    put32(writer, 1000 / WDAT_TICK_MS);
    put32(writer, WDAT_ENABLED);
    put32(writer, sizeof(entries) / sizeof(*entries));
    for (uint32_t i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
        put8(writer, entries[i].action);
        put8(writer, entries[i].instruction);
        put16(writer, 0);
        put_gas(writer, SPACE_MEMORY, 32, 3, GUEST_WATCHDOG_BASE + entries[i].place);
        put32(writer, entries[i].value);
        put32(writer, entries[i].mask);
    }
    table_end(writer, table);
}

/* --- All of them: 5.2.5, 5.2.8 --- */

#define RSDP_BYTES 36
#define RSDP_BYTES_1 20 /* those of ACPI 1.0 */
#define TABLES_MAX 5

uint32_t guest_acpi_write(const struct domain *domain, struct ipa generation_id, void *buffer, struct ipa address,
                          uint32_t size)
{
    struct writer writer = {.bytes = buffer, .size = size, .used = RSDP_BYTES};
    struct writer pointer = {.bytes = buffer, .size = RSDP_BYTES};
    uint32_t tables[TABLES_MAX], count = 0, dsdt = 48, xsdt;

    put_dsdt(&writer, domain, generation_id);
    tables[count++] = (writer.used + 15) & ~15u;
    put_fadt(&writer, domain, address.value + dsdt);
    tables[count++] = (writer.used + 15) & ~15u;
    put_madt(&writer, domain);
    if (domain->config->flags & PARTITION_WATCHDOG) {
        tables[count++] = (writer.used + 15) & ~15u;
        put_wdat(&writer);
    }
    if (vpci_host(domain).functions) {
        tables[count++] = (writer.used + 15) & ~15u;
        put_mcfg(&writer, vpci_host(domain));
    }
    xsdt = table_begin(&writer, "XSDT", 1);
    for (uint32_t i = 0; i < count; i++)
        put64(&writer, address.value + tables[i]);
    table_end(&writer, xsdt);

    put(&pointer, "RSD PTR \0BLKHD ", 15);
    put8(&pointer, 2);
    put32(&pointer, 0);
    put32(&pointer, RSDP_BYTES);
    put64(&pointer, address.value + xsdt);
    put32(&pointer, 0);
    checksum(&pointer, 0, RSDP_BYTES_1, 8);
    checksum(&pointer, 0, RSDP_BYTES, 32);
    return writer.used;
}
