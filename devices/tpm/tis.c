// SPDX-License-Identifier: Apache-2.0
#include <devices/tpm/tpm.h>
#include <lib/native.h>
#include <lib/tree.h>
#include <mgmt/loop.h>
#include <string.h>

#define ACCESS 0x00u
#define ACCESS_VALID 0x80u
#define ACCESS_ACTIVE 0x20u
#define ACCESS_REQUEST 0x02u
#define STATUS 0x18u
#define STATUS_VALID 0x80u
#define STATUS_READY 0x40u
#define STATUS_GO 0x20u
#define STATUS_DATA 0x10u
#define STATUS_EXPECT 0x08u
#define STATUS_BURST_SHIFT 8u
#define FIFO 0x24u
#define INTERFACE 0x30u
#define INTERFACE_TYPE 0xfu
#define INTERFACE_CRB 1u
#define IDENTITY 0xf00u
#define REGISTERS_BYTES 0x1000u

#define POLL_NS 500000u
#define BYTES_A_STEP 128u        /* of the FIFO: what one turn of the loop bears */
#define LOCALITY_NS 750000000ull /* TIMEOUT_A */
#define READY_NS 2000000000ull   /* TIMEOUT_B */
#define TRANSFER_NS 2000000000ull
#define ANSWER_NS 20000000000ull /* the longest command that is sent takes a few seconds */

enum step { STEP_IDLE, STEP_LOCALITY, STEP_READY, STEP_WRITE, STEP_ACCEPT, STEP_ANSWER, STEP_READ };

static uintptr_t base;
static struct {
    enum step step;
    uint64_t deadline;
    uint8_t command[TPM_COMMAND_MAX], response[TPM_RESPONSE_MAX];
    uint32_t length, at, size;
    const char *trouble;
    void (*done)(uint32_t code, const uint8_t *response, uint32_t size);
} exchange;
static void turn(struct loop_timer *timer);
static struct loop_timer timer = {.run = turn};

static uint32_t get32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static void enter(enum step step, uint64_t limit)
{
    exchange.step = step;
    exchange.deadline = time_ns() + limit;
    exchange.at = 0;
}

static void finish(const char *trouble)
{
    uint32_t code = trouble == NULL ? get32(exchange.response + 6) : 0;

    exchange.trouble = trouble;
    exchange.step = STEP_IDLE;
    mmio_write32(base + STATUS, STATUS_READY); /* the answer is done with, or is to be forgotten */
    exchange.done(code, trouble == NULL ? exchange.response : NULL, trouble == NULL ? exchange.size : 0);
}

static uint32_t burst(uint32_t status)
{
    uint32_t bytes = status >> STATUS_BURST_SHIFT & 0xffff;

    return bytes < BYTES_A_STEP ? bytes : BYTES_A_STEP;
}

static void write_bytes(uint32_t status)
{
    for (uint32_t room = burst(status); room > 0 && exchange.at < exchange.length; room--)
        mmio_write8(base + FIFO, exchange.command[exchange.at++]);
    if (exchange.at == exchange.length)
        enter(STEP_ACCEPT, TRANSFER_NS);
}

/* First the header, which says how long the answer is. */
static const char *read_bytes(uint32_t status)
{
    if (!(status & STATUS_DATA))
        return exchange.at < exchange.size ? "its answer is shorter than it says" : NULL;
    for (uint32_t there = burst(status); there > 0 && exchange.at < exchange.size; there--) {
        exchange.response[exchange.at++] = mmio_read8(base + FIFO);
        if (exchange.at != TPM_HEADER_BYTES)
            continue;
        exchange.size = get32(exchange.response + 2);
        if (exchange.size < TPM_HEADER_BYTES || exchange.size > TPM_RESPONSE_MAX) {
            exchange.size = TPM_HEADER_BYTES;
            return "its answer has a length that cannot be";
        }
    }
    return NULL;
}

static void take_status(uint32_t status)
{
    const char *trouble;

    switch (exchange.step) {
    case STEP_READY:
        if (status & STATUS_READY)
            enter(STEP_WRITE, TRANSFER_NS);
        else
            mmio_write32(base + STATUS, STATUS_READY); /* the first one may have ended what was under way */
        return;
    case STEP_WRITE:
        write_bytes(status);
        return;
    case STEP_ACCEPT:
        if (!(status & STATUS_VALID))
            return;
        if (status & STATUS_EXPECT) {
            finish("it wants more than the command has");
            return;
        }
        mmio_write32(base + STATUS, STATUS_GO);
        enter(STEP_ANSWER, ANSWER_NS);
        return;
    case STEP_ANSWER:
        if ((status & (STATUS_VALID | STATUS_DATA)) != (STATUS_VALID | STATUS_DATA))
            return;
        enter(STEP_READ, TRANSFER_NS);
        exchange.size = TPM_HEADER_BYTES;
        return;
    default: /* STEP_READ */
        if (!(status & STATUS_VALID))
            return;
        trouble = read_bytes(status);
        if (trouble != NULL || exchange.at == exchange.size)
            finish(trouble);
        return;
    }
}

static void turn(struct loop_timer *it)
{
    static const char *const late[] = {
        [STEP_LOCALITY] = "it does not give its locality 0",
        [STEP_READY] = "it does not become ready",
        [STEP_WRITE] = "it does not take the command",
        [STEP_ACCEPT] = "it does not take the command",
        [STEP_ANSWER] = "it does not answer",
        [STEP_READ] = "it does not give its answer",
    };
    uint8_t access;

    if (exchange.step == STEP_LOCALITY) {
        access = mmio_read8(base + ACCESS);
        if ((access & (ACCESS_VALID | ACCESS_ACTIVE)) == (ACCESS_VALID | ACCESS_ACTIVE)) {
            enter(STEP_READY, READY_NS);
            mmio_write32(base + STATUS, STATUS_READY);
        }
    } else {
        take_status(mmio_read32(base + STATUS));
    }
    if (exchange.step == STEP_IDLE || it->deadline_ns != 0) /* done() may have sent the next one */
        return;
    if (time_ns() >= exchange.deadline)
        finish(late[exchange.step]);
    else
        loop_timer_set(it, POLL_NS);
}

bool tpm_send(const uint8_t *command, uint32_t length,
              void (*done)(uint32_t code, const uint8_t *response, uint32_t size))
{
    if (exchange.step != STEP_IDLE || length < TPM_HEADER_BYTES || length > TPM_COMMAND_MAX)
        return false;
    memcpy(exchange.command, command, length);
    exchange.length = length;
    exchange.done = done;
    enter(STEP_LOCALITY, LOCALITY_NS);
    if (!(mmio_read8(base + ACCESS) & ACCESS_ACTIVE))
        mmio_write8(base + ACCESS, ACCESS_REQUEST);
    loop_timer_set(&timer, POLL_NS);
    return true;
}

const char *tpm_trouble(void)
{
    return exchange.trouble;
}

uint32_t tpm_identity(void)
{
    return mmio_read32(base + IDENTITY);
}

/* Where nothing is, all ones are read. */
bool tpm_open(uint64_t registers, const char **why)
{
    uint32_t identity;

    base = (uintptr_t)registers;
    identity = tpm_identity();
    *why = NULL;
    if (identity == 0 || identity == UINT32_MAX || !(mmio_read8(base + ACCESS) & ACCESS_VALID))
        *why = "there is none";
    else if ((mmio_read32(base + INTERFACE) & INTERFACE_TYPE) == INTERFACE_CRB)
        *why = "it has the CRB interface, for which there is no driver";
    return *why == NULL;
}

uint64_t tpm_find(void)
{
    struct tree_range range = tree_reg(tree_compatible(-1, "tcg,tpm-tis-mmio"), 0);

    if (range.size < REGISTERS_BYTES)
        return 0;
    memory_map(range.base, REGISTERS_BYTES, MEMORY_DEVICE);
    return range.base;
}
