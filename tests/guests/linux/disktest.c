// SPDX-License-Identifier: Apache-2.0
/*
 * A block device, for tests and for `make bench`:
 *
 *   disktest write DEVICE MEGABYTES SEED      writes a pattern that depends on place and seed, then fsync
 *   disktest verify DEVICE MEGABYTES SEED     compares
 *   disktest read DEVICE COUNT [KIB]          O_DIRECT reads of KIB (4) at scattered places, one at a time; ns each
 *   disktest discard|zeroes DEVICE OFFSET LENGTH   BLKDISCARD or BLKZEROOUT of bytes
 */
#define _GNU_SOURCE
#include "mark.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define MEGABYTE (1024 * 1024)

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void pattern(uint64_t *block, uint64_t place, uint64_t seed)
{
    uint64_t value = (place + 1) * 0x9e3779b97f4a7c15u ^ seed;

    for (int i = 0; i < MEGABYTE / 8; i++) {
        value ^= value << 13, value ^= value >> 7, value ^= value << 17;
        block[i] = value;
    }
}

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

int main(int arguments, char **argument)
{
    if (arguments < 4) {
        fputs("usage: disktest write|verify DEVICE MEGABYTES SEED | read DEVICE COUNT [KIB] | discard|zeroes DEVICE "
              "OFFSET LENGTH\n",
              stderr);
        return 2;
    }
    const char *verb = argument[1];
    uint64_t first = strtoull(argument[3], NULL, 0), second = arguments > 4 ? strtoull(argument[4], NULL, 0) : 0;
    int read_only = !strcmp(verb, "verify") || !strcmp(verb, "read");
    int device = open(argument[2], (read_only ? O_RDONLY : O_RDWR) | O_DIRECT);
    void *buffer, *expected;

    if (device < 0)
        die("disktest: open");
    if (posix_memalign(&buffer, 4096, MEGABYTE) || posix_memalign(&expected, 4096, MEGABYTE))
        die("disktest: memory");

    if (!strcmp(verb, "write") || !strcmp(verb, "verify")) {
        for (uint64_t place = 0; place < first; place++) {
            pattern(read_only ? expected : buffer, place, second);
            ssize_t done = read_only ? pread(device, buffer, MEGABYTE, (off_t)(place * MEGABYTE))
                                     : pwrite(device, buffer, MEGABYTE, (off_t)(place * MEGABYTE));
            if (done != MEGABYTE)
                die(verb);
            if (read_only && memcmp(buffer, expected, MEGABYTE)) {
                printf("disktest verify: megabyte %llu is WRONG\n", (unsigned long long)place);
                return 1;
            }
        }
        if (!read_only && fsync(device))
            die("disktest: fsync");
        printf("disktest %s: %llu MB right\n", verb, (unsigned long long)first);
    } else if (!strcmp(verb, "read")) {
        size_t size = (second ? second : 4) * 1024;
        off_t end = lseek(device, 0, SEEK_END);
        uint64_t blocks = (uint64_t)end / size, block = 0, start = now_ns();
        MARK_BEGIN(MARK_DISK);
        for (uint64_t i = 0; i < first; i++) {
            block = (block + 7919) % blocks;
            if (pread(device, buffer, size, (off_t)(block * size)) != (ssize_t)size)
                die("disktest: read");
        }
        MARK_END(MARK_DISK);
        printf("disktest read: %llu reads of %zu bytes, %llu ns each\n", (unsigned long long)first, size,
               (unsigned long long)((now_ns() - start) / (first ? first : 1)));
    } else {
        uint64_t range[2] = {first, second};
        if (ioctl(device, !strcmp(verb, "discard") ? BLKDISCARD : BLKZEROOUT, range))
            die(verb);
        printf("disktest %s: done\n", verb);
    }
    return 0;
}
