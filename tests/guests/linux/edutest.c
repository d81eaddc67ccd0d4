// SPDX-License-Identifier: Apache-2.0
/*
 * Drives QEMU's teaching device "edu" (1234:11e8) from user space: its DMA engine goes wherever it is told.
 *
 *     edutest copy                  a page of ours to the device and back to another page, compared
 *     edutest write ADDRESS [BYTES] the device writes 4096 (BYTES) bytes of 0xa5 there
 *     edutest read ADDRESS [BYTES]  the device reads there; then says what it got
 *     edutest storm ADDRESS SECONDS writes there without a pause
 *
 * Addresses are those of the device's bus: in a guest, the guest's.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define DEVICES "/sys/bus/pci/devices"
#define PAGE 4096u
#define BUFFER 0x40000u /* in the device's own addresses */

enum edu_register {
    EDU_ID = 0x00,
    EDU_LIVENESS = 0x04,
    EDU_SOURCE = 0x80,
    EDU_DESTINATION = 0x88,
    EDU_COUNT = 0x90,
    EDU_COMMAND = 0x98,
};
#define COMMAND_START 1u
#define COMMAND_TO_MEMORY 2u

static volatile uint8_t *registers;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int open_in(const char *device, const char *name, int flags)
{
    char path[320];
    int file;

    snprintf(path, sizeof path, DEVICES "/%s/%s", device, name);
    file = open(path, flags);
    if (file < 0)
        fail(path);
    return file;
}

static bool has(const char *device, const char *name, const char *wanted)
{
    char text[16] = "";
    int file = open_in(device, name, O_RDONLY);

    if (read(file, text, sizeof text - 1) < 0)
        fail(name);
    close(file);
    return strncmp(text, wanted, strlen(wanted)) == 0;
}

static void find(void)
{
    DIR *folder = opendir(DEVICES);
    uint16_t command;
    const struct dirent *entry;
    int file;

    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.' || !has(entry->d_name, "vendor", "0x1234") ||
            !has(entry->d_name, "device", "0x11e8"))
            continue;
        file = open_in(entry->d_name, "config", O_RDWR);
        if (pread(file, &command, sizeof command, 4) != sizeof command)
            fail("config");
        command |= 6; /* memory, bus master */
        if (pwrite(file, &command, sizeof command, 4) != sizeof command)
            fail("config");
        close(file);
        file = open_in(entry->d_name, "resource0", O_RDWR | O_SYNC);
        registers = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (registers == MAP_FAILED)
            fail("resource0");
        return;
    }
    fprintf(stderr, "there is no edu device\n");
    exit(1);
}

static uint32_t get(uint32_t offset)
{
    return *(volatile uint32_t *)(registers + offset);
}

static void set(uint32_t offset, uint64_t value)
{
    *(volatile uint64_t *)(registers + offset) = value;
}

/* It takes a tenth of a second. */
static void transfer(uint64_t source, uint64_t destination, uint64_t bytes, uint32_t command)
{
    set(EDU_SOURCE, source);
    set(EDU_DESTINATION, destination);
    set(EDU_COUNT, bytes);
    set(EDU_COMMAND, COMMAND_START | command);
    for (int i = 0; i < 5000; i++) {
        if (!(get(EDU_COMMAND) & COMMAND_START))
            return;
        usleep(1000);
    }
    fprintf(stderr, "the transfer does not end\n");
    exit(1);
}

static uint64_t bus_address(const void *page)
{
    int file = open("/proc/self/pagemap", O_RDONLY);
    uint64_t entry = 0;

    if (file < 0 || pread(file, &entry, sizeof entry, (off_t)((uintptr_t)page / PAGE * sizeof entry)) != sizeof entry)
        fail("pagemap");
    close(file);
    return (entry & ((1ull << 55) - 1)) * PAGE;
}

static uint8_t *new_page(uint8_t fill)
{
    uint8_t *page =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);

    if (page == MAP_FAILED)
        fail("mmap");
    memset(page, fill, PAGE);
    return page;
}

static int copy(void)
{
    uint8_t *from = new_page(0), *to = new_page(0xff);

    for (uint32_t i = 0; i < PAGE; i++)
        from[i] = (uint8_t)(i * 7 + i / 251);
    transfer(bus_address(from), BUFFER, PAGE, 0);
    transfer(BUFFER, bus_address(to), PAGE, COMMAND_TO_MEMORY);
    if (memcmp(from, to, PAGE) != 0) {
        fprintf(stderr, "what came back differs\n");
        return 1;
    }
    printf("copied %u bytes there and back\n", PAGE);
    return 0;
}

/* The device's buffer to be all `fill`, through a page of ours. */
static void fill_buffer(uint8_t fill)
{
    transfer(bus_address(new_page(fill)), BUFFER, PAGE, 0);
}

static int read_there(uint64_t address, uint64_t bytes)
{
    uint8_t *page = new_page(0);
    uint32_t same = 0;

    fill_buffer(0x5a);
    transfer(address, BUFFER, bytes, 0);
    transfer(BUFFER, bus_address(page), PAGE, COMMAND_TO_MEMORY);
    while (same < bytes && page[same] == 0x5a)
        same++;
    if (same == bytes)
        printf("read nothing at %#" PRIx64 "\n", address);
    else
        printf("read %02x %02x %02x %02x at %#" PRIx64 "\n", page[same], page[same + 1], page[same + 2], page[same + 3],
               address + same);
    return 0;
}

int main(int count, char **argument)
{
    uint64_t address = count > 2 ? strtoull(argument[2], NULL, 0) : 0,
             bytes = count > 3 ? strtoull(argument[3], NULL, 0) : PAGE;

    if (count < 2 || (strcmp(argument[1], "copy") != 0 && count < 3)) {
        fprintf(stderr, "usage: edutest copy | write ADDRESS [BYTES] | read ADDRESS [BYTES] | storm ADDRESS SECONDS\n");
        return 2;
    }
    find();
    *(volatile uint32_t *)(registers + EDU_LIVENESS) = 0x12345678;
    if ((get(EDU_ID) & 0xff) != 0xed || get(EDU_LIVENESS) != ~0x12345678u) {
        fprintf(stderr, "the device is not well: id %08x\n", get(EDU_ID));
        return 1;
    }
    if (strcmp(argument[1], "copy") == 0)
        return copy();
    if (strcmp(argument[1], "read") == 0)
        return read_there(address, bytes);
    fill_buffer(0xa5);
    if (strcmp(argument[1], "storm") == 0) {
        for (time_t end = time(NULL) + (time_t)bytes; time(NULL) < end;)
            transfer(BUFFER, address, PAGE, COMMAND_TO_MEMORY);
        return 0;
    }
    transfer(BUFFER, address, bytes, COMMAND_TO_MEMORY);
    printf("wrote %" PRIu64 " bytes at %#" PRIx64 "\n", bytes, address);
    return 0;
}
