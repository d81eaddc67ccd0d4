// SPDX-License-Identifier: Apache-2.0
/*
 * What U-Boot on x86 takes for a Linux kernel: it enters the separation kernel, which is a Multiboot one, with the
 * bundle as its module, and its watchdog started. U-Boot has checked all three, and loaded this one and the kernel's
 * file; the bundle lies where it was read. What U-Boot has measured, it tells on the command line; it goes behind the
 * bundle, as the loader for UEFI leaves it there (docs/attestation.md).
 */
#include <boot/watchdog.h>
#include <lib/event_log.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PAGE 4096ull
#define LOG_ROOM 512u /* of a page: three short events */
#define PCR_STARTER 4u
#define PCR_KERNEL 8u

/* Linux's boot parameters (Documentation/arch/x86/zero-page.rst, boot.rst), as far as U-Boot fills them in. */
#define RANGES_AT 0x1e8
#define RANGE_TABLE 0x2d0
#define RANGES_MAX 128
#define RAMDISK_IMAGE 0x218
#define RAMDISK_SIZE 0x21c
#define COMMAND_LINE 0x228
#define COMMAND_LINE_MAX 512u
struct range {
    uint64_t base, length;
    uint32_t type; /* 1: RAM, as Multiboot has it */
} __attribute__((packed));

/* Multiboot Specification 0.6.96 */
#define MAGIC 0x1badb002u
#define HEADER_WITHIN 8192
#define HAS_ADDRESSES (1u << 16)
#define HAS_COMMAND_LINE (1u << 2)
#define MODULES (1u << 3)
#define MEMORY_MAP (1u << 6)
struct header {
    uint32_t magic, flags, checksum, header, load, load_end, bss_end, entry;
};
struct information {
    uint32_t flags, memory[2], boot_device, command_line, modules_count, modules, symbols[4], map_bytes, map, more[18];
};
struct module {
    uint32_t start, end, string, reserved;
};
struct map_entry {
    uint32_t size;
    struct range range;
} __attribute__((packed));

#define COM1 0x3f8
#define READY 0x20 /* line status: the transmitter is empty */
#define READY_SPINS 100000u

void starter_main(const uint8_t *parameters);
__attribute__((noreturn)) void enter_kernel(uint32_t entry, uint32_t information);

static struct information information;
static struct module module;
static struct map_entry map[RANGES_MAX];

static void out(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static uint8_t in(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

void say(const char *text)
{
    for (; *text != 0; text++) {
        for (uint32_t spins = 0; spins < READY_SPINS && !(in(COM1 + 5) & READY); spins++)
            ;
        out(COM1, (uint8_t)*text);
    }
}

/* By the reset control register (ICH9 and others): the try that U-Boot took from a slot on trial is gone, and the other
 * slot is next. */
__attribute__((noreturn)) static void give_up(const char *why)
{
    say("Bulkhead: ");
    say(why);
    say("\r\n");
    for (;;)
        out(0xcf9, 6);
}

static uint32_t get(const uint8_t *from)
{
    uint32_t value;

    __builtin_memcpy(&value, from, sizeof(value));
    return value;
}

/* Upwards: `to` may lie within `from` only where it is lower. */
static void copy(uint64_t to, uint64_t from, uint64_t bytes)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

static void clear(uint64_t at, uint64_t bytes)
{
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(0) : "memory");
}

static const struct header *find_header(const uint8_t *file)
{
    for (uint32_t at = 0; at + sizeof(struct header) <= HEADER_WITHIN; at += 4) {
        const struct header *header = (const struct header *)(file + at);

        if (header->magic == MAGIC && header->magic + header->flags + header->checksum == 0)
            return header;
    }
    return 0;
}

static bool is_ram(uint64_t base, uint64_t end)
{
    for (uint32_t i = 0; i < information.map_bytes / sizeof(map[0]); i++)
        if (map[i].range.type == 1 && base >= map[i].range.base && end - map[i].range.base <= map[i].range.length)
            return true;
    return false;
}

static void read_memory_map(const uint8_t *parameters)
{
    uint32_t count = parameters[RANGES_AT];

    if (count > RANGES_MAX)
        count = RANGES_MAX;
    for (uint32_t i = 0; i < count; i++) {
        map[i].size = sizeof(map[i].range);
        __builtin_memcpy(&map[i].range, parameters + RANGE_TABLE + i * sizeof(struct range), sizeof(struct range));
    }
    information.flags |= MEMORY_MAP;
    information.map = (uint32_t)(uintptr_t)map;
    information.map_bytes = count * (uint32_t)sizeof(map[0]);
}

/* The digest that a word of U-Boot's command line tells: `word` and 64 digits. */
static bool find_digest(const char *line, const char *word, uint8_t digest[EVENT_DIGEST_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0, length = strlen(word);

    while (at + length < COMMAND_LINE_MAX && line[at] != 0 && memcmp(line + at, word, length) != 0)
        at++;
    if (at + length + 2 * EVENT_DIGEST_BYTES > COMMAND_LINE_MAX || line[at] == 0)
        return false;
    for (uint32_t i = 0; i < 2 * EVENT_DIGEST_BYTES; i++) {
        const char *digit = memchr(digits, line[at + length + i], sizeof(digits) - 1);

        if (digit == NULL)
            return false;
        digest[i / 2] = (uint8_t)(digest[i / 2] << 4 | (digit - digits));
    }
    return true;
}

static uint32_t note(uint8_t *log, uint32_t length, const char *line, const char *word, uint32_t pcr, const char *what)
{
    uint8_t digest[EVENT_DIGEST_BYTES] = {0};
    struct event event = {.pcr = pcr, .type = EV_IPL, .sha256 = digest, .data = (const uint8_t *)what};

    event.length = (uint32_t)strlen(what) + 1;
    return find_digest(line, word, digest) ? length + event_log_put(log + length, LOG_ROOM - length, &event) : length;
}

/* On the page behind the bundle, over what nobody needs any more of the slot. */
static void place_log(const char *line)
{
    uint64_t place = (module.end + PAGE - 1) & ~(PAGE - 1);
    uint8_t *log = (uint8_t *)(uintptr_t)place;
    uint32_t begun;

    if (line == NULL || !is_ram(place, place + PAGE))
        return;
    memset(log, 0, PAGE);
    begun = event_log_begin(log, LOG_ROOM);
    begun = note(log, begun, line, " bulkhead.starter=", PCR_STARTER, "starter");
    note(log, begun, line, " bulkhead.kernel=", PCR_KERNEL, "kernel");
    module.end = (uint32_t)(place + PAGE);
}

/* Modules begin on pages; down, since nobody needs what lies before it. */
static void place_bundle(const uint8_t *parameters)
{
    uint32_t start = get(parameters + RAMDISK_IMAGE), bytes = get(parameters + RAMDISK_SIZE);

    module.start = start & ~(uint32_t)(PAGE - 1);
    module.end = module.start + bytes;
    if (bytes == 0 || !is_ram(module.start, (uint64_t)start + bytes))
        give_up("U-Boot gives no bundle");
    copy(module.start, start, bytes);
    information.flags |= MODULES;
    information.modules_count = 1;
    information.modules = (uint32_t)(uintptr_t)&module;
}

void starter_main(const uint8_t *parameters)
{
    const uint8_t *file = (const uint8_t *)(uintptr_t)KERNEL_FILE;
    const struct header *found = find_header(file);
    struct header header;
    uint64_t head;

    start_watchdog(true);
    if (found == 0 || !(found->flags & HAS_ADDRESSES))
        give_up("the kernel has no Multiboot header");
    header = *found;
    head = (uint64_t)((const uint8_t *)found - file);
    information.flags = HAS_COMMAND_LINE;
    information.command_line = get(parameters + COMMAND_LINE);
    read_memory_map(parameters);
    place_bundle(parameters);
    place_log((const char *)(uintptr_t)get(parameters + COMMAND_LINE));
    if (header.load > header.load_end || header.load_end > header.bss_end || header.header - header.load > head ||
        header.bss_end > KERNEL_FILE || !is_ram(header.load, header.bss_end))
        give_up("the kernel does not fit where it belongs");
    copy(header.load, (uint64_t)(uintptr_t)file + head - (header.header - header.load), header.load_end - header.load);
    clear(header.load_end, header.bss_end - header.load_end);
    enter_kernel(header.entry, (uint32_t)(uintptr_t)&information);
}
