// SPDX-License-Identifier: Apache-2.0
#include "fake_tpm.h"
#include <devices/tpm/tpm.h>
#include <lib/native.h>
#include <lib/tree.h>
#include <mbedtls/sha256.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/loop.h>
#include <mgmt/platform.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage/state_partition.h>
#include <string.h>

#define ROUNDS_MAX 1000000u

struct fake_tpm fake_tpm;
struct status_page fake_status;
char fake_said[4096];

static struct loop_timer *timers;
static uint64_t now;
static void (*when_settled)(struct state *store);
static struct state store;
static struct {
    bool active, ready, answers;
    uint8_t command[1024], answer[1024];
    uint32_t written, size, read;
} it;

/* --- The loop --- */

uint64_t time_ns(void)
{
    return now += 1000;
}
void loop_timer_set(struct loop_timer *timer, uint64_t after_ns)
{
    if (!timer->deadline_ns) {
        timer->next = timers;
        timers = timer;
    }
    timer->deadline_ns = now + after_ns;
}
void fake_tpm_run(void)
{
    for (uint32_t rounds = 0; timers; rounds++) {
        struct loop_timer *timer = timers;

        if (rounds == ROUNDS_MAX)
            abort();
        timers = timer->next;
        if (now < timer->deadline_ns)
            now = timer->deadline_ns;
        timer->deadline_ns = 0;
        timer->run(timer);
    }
}

/* --- What else is around --- */

void mbedtls_platform_zeroize(void *buffer, size_t size);
void mbedtls_platform_zeroize(void *buffer, size_t size)
{
    memset(buffer, 0, size);
}

void bulkhead_log(const char *format, ...)
{
    size_t length = strlen(fake_said);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(fake_said + length, sizeof(fake_said) - length - 1, format, arguments);
    va_end(arguments);
    strcat(fake_said, "\n");
}
const struct status_page *platform_status(void)
{
    return &fake_status;
}
void memory_map(uint64_t base, uint64_t size, enum memory_kind kind)
{
    (void)base, (void)size, (void)kind;
}
int tree_compatible(int previous, const char *compatible)
{
    (void)previous;
    return fake_tpm.there && strcmp(compatible, "tcg,tpm-tis-mmio") == 0 ? 1 : -1;
}
struct tree_range tree_reg(int node, uint32_t index)
{
    (void)index;
    return node < 0 ? (struct tree_range){0, 0} : (struct tree_range){FAKE_TPM_BASE, 0x5000};
}
void state_when_settled(void (*settled)(struct state *found))
{
    when_settled = settled;
}
void fake_settle(const uint8_t *values, uint32_t length)
{
    if (values != NULL)
        memcpy(store.values, values, length);
    store.length = length;
    when_settled(values != NULL ? &store : NULL);
    fake_tpm_run();
}

/* --- The TPM --- */

static void put(uint32_t width, uint32_t value)
{
    for (uint32_t i = width; i-- > 0;)
        it.answer[it.size++] = (uint8_t)(value >> 8 * i);
}

static void read_pcr(void)
{
    uint32_t selected = it.command[17] | (uint32_t)it.command[18] << 8, pcr = 0;

    while (!(selected >> pcr & 1))
        pcr++;
    put(4, 7);
    put(4, 1);
    put(2, 11);
    put(1, 3);
    put(3, selected);
    put(4, fake_tpm.no_bank ? 0 : 1);
    if (fake_tpm.no_bank)
        return;
    put(2, 32);
    memcpy(it.answer + it.size, fake_tpm.pcr[pcr], 32);
    it.size += 32;
    fake_tpm.reads++;
}

static void extend_pcr(void)
{
    uint8_t both[64], *pcr = fake_tpm.pcr[it.command[13]];

    memcpy(both, pcr, 32);
    memcpy(both + 32, it.command + 33, 32);
    mbedtls_sha256(both, 64, pcr, 0);
    fake_tpm.extends++;
}

static void put_number(uint8_t fill, uint32_t bytes)
{
    put(2, bytes);
    memset(it.answer + it.size, fill, bytes);
    it.size += bytes;
}

static void create_key(void)
{
    put(4, 0x80000000);
    put(4, 90);
    put(2, 87);
    memcpy(it.answer + it.size, it.command + 35, 20); /* the template as it was given */
    it.size += 20;
    put_number(0x11, 32);
    put_number(0x22, 31); /* one begins with a zero byte */
    put_number(0, 30);    /* what follows is not looked at */
}

static void quote(void)
{
    put(4, 0);
    put_number(0x55, 129);
    put(2, 0x18);
    put(2, 0x0b);
    put_number(0x33, 32);
    put_number(0x44, 32);
    put(4, 0);
}

static void put_raw(void)
{
    uint32_t length = fake_tpm.raw_left > 0 ? *fake_tpm.raw : 0;

    fake_tpm.raw += fake_tpm.raw_left > 0;
    fake_tpm.raw_left -= fake_tpm.raw_left > 0;
    if (length > fake_tpm.raw_left)
        length = fake_tpm.raw_left;
    memcpy(it.answer + it.size, fake_tpm.raw, length);
    it.size += length;
    fake_tpm.raw += length;
    fake_tpm.raw_left -= length;
}

static void answer(void)
{
    uint32_t command = (uint32_t)it.command[8] << 8 | it.command[9], code = fake_tpm.code, size;

    it.size = 0;
    put(2, 0x8001);
    put(4, 0);
    if (command == 0x144)
        fake_tpm.started = true;
    if (!fake_tpm.started)
        code = 0x100;
    if (command == 0x182 && fake_tpm.extends == fake_tpm.stops_after)
        code = 0x101;
    put(4, code);
    if (fake_tpm.raw != NULL) {
        put_raw();
        command = 0;
    }
    if (code == 0 && command == 0x17e)
        read_pcr();
    if (code == 0 && command == 0x182)
        extend_pcr();
    if (code == 0 && command == 0x131)
        create_key();
    if (code == 0 && command == 0x158)
        quote();
    if (command == fake_tpm.cut_command)
        it.size -= fake_tpm.cut < it.size - 10 ? fake_tpm.cut : it.size - 10;
    size = fake_tpm.answer_size ? fake_tpm.answer_size : it.size;
    for (uint32_t i = 0; i < 4; i++)
        it.answer[2 + i] = (uint8_t)(size >> 8 * (3 - i));
    it.answers = !fake_tpm.never_answers;
    it.read = it.written = 0;
}

static uint32_t scripted(uint32_t width)
{
    uint32_t value = 0;

    for (uint32_t i = 0; i < width; i++) {
        value |= (uint32_t)(fake_tpm.script_left > 0 ? *fake_tpm.script : 0) << 8 * i;
        fake_tpm.script += fake_tpm.script_left > 0;
        fake_tpm.script_left -= fake_tpm.script_left > 0;
    }
    return value;
}

uint8_t mmio_read8(uintptr_t address)
{
    if (fake_tpm.script != NULL)
        return (uint8_t)scripted(1);
    if (address == FAKE_TPM_BASE)
        return it.active ? 0xa1 : 0x81;
    return address == FAKE_TPM_BASE + 0x24 && it.answers && it.read < it.size ? it.answer[it.read++] : 0xff;
}
uint32_t mmio_read32(uintptr_t address)
{
    uint32_t expected = it.written >= 6 ? (uint32_t)it.command[4] << 8 | it.command[5] : 1024;

    if (fake_tpm.script != NULL)
        return scripted(4);
    if (address == FAKE_TPM_BASE + 0xf00)
        return 0x00011014;
    if (address != FAKE_TPM_BASE + 0x18)
        return 0;
    return 0x80 | 37u << 8 | (it.ready && !fake_tpm.never_ready ? 0x40u : 0) |
           (fake_tpm.wants_more || (it.written > 0 && it.written < expected) ? 0x8u : 0) |
           (it.answers && it.read < it.size ? 0x10u : 0);
}
void mmio_write8(uintptr_t address, uint8_t value)
{
    if (address == FAKE_TPM_BASE && value == 0x02)
        it.active = true;
    if (address == FAKE_TPM_BASE + 0x24 && it.active && it.written < sizeof(it.command)) {
        it.command[it.written++] = value;
        it.ready = false;
    }
}
void mmio_write32(uintptr_t address, uint32_t value)
{
    if (address != FAKE_TPM_BASE + 0x18 || !it.active)
        return;
    if (value == 0x40) {
        it.ready = true;
        it.answers = false;
        it.written = 0;
    }
    if (value == 0x20)
        answer();
}

void fake_tpm_reset(void)
{
    fake_tpm = (struct fake_tpm){.there = true, .started = true, .stops_after = UINT32_MAX};
    memset(&it, 0, sizeof(it));
    memset(&fake_status, 0, sizeof(fake_status));
    fake_said[0] = 0;
    timers = NULL;
}
