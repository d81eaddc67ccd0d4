/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver of SD host controllers (SD Host Controller Simplified Specification 3.00) with an SD memory card (SD Physical
 * Layer Simplified Specification 3.01): 3.3 V, default speed, four data lines.
 *
 * Data goes through the controller's buffer register, never by DMA: the boards that have such controllers have no IOMMU
 * that Bulkhead drives, so that a controller told to master the bus would reach all memory. What brings a card up, or
 * back after an error, is a list of steps that a timer walks. Requests go one by one and by interrupts.
 *
 * A WRITE is done when the card has released busy and says that it is in transfer state without an error. The
 * specification's cards keep nothing in a cache that nobody has switched on, so there is nothing to flush.
 *
 * After an error controller and card are reset, and the request is done again; one that has failed TRIES times, or is
 * late, fails. A card that was taken out has DISK_TIMEOUT_NS to come back; another one is not used.
 */
#include <devices/disk/driver.h>
#include <inttypes.h>
#include <lib/native.h>
#include <lib/tree.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/loop.h>
#include <mgmt/module.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 512u
#define TRANSFER_MAX (128u << 10)
#define PIECES_A_TURN 8u /* of the loop: blocks, and the short things between them */
#define TRIES 3u
#define REMOVALS_MAX 16u         /* in a row, */
#define REMOVAL_NS 1000000000ull /* each sooner than this after the card came up */
#define STEP_NS 1000000ull
#define RESET_LIMIT_NS 1000000000ull /* and until it is sure whether there is a card */
#define CLOCK_LIMIT_NS 150000000ull
#define POWER_NS 40000000ull /* 35 ms for the supply, 1 ms and 74 clocks for the card */
#define COMMAND_LIMIT_NS 500000000ull
#define POWER_UP_LIMIT_NS 1500000000ull /* ACMD41: the card has 1 s */
#define IDENTIFICATION_HZ 400000u
#define DEFAULT_SPEED_HZ 25000000u

/* Registers, 2.1.1: in words, since some controllers know no other accesses. */
#define REGISTERS 0x100u
#define R_BLOCK 0x04u
#define BLOCK_COUNT_SHIFT 16u
#define R_ARGUMENT 0x08u
#define R_COMMAND 0x0cu /* the command, and the mode of its transfer */
#define COMMAND_SHIFT 16u
#define MODE_COUNT (1u << 1)
#define MODE_AUTO_STOP (1u << 2) /* Auto CMD12 */
#define MODE_READ (1u << 4)
#define MODE_SEVERAL (1u << 5)
#define R_RESPONSE 0x10u
#define R_RESPONSE_STOP 0x1cu /* of Auto CMD12 */
#define R_BUFFER 0x20u
#define R_PRESENT 0x24u
#define PRESENT_COMMAND_INHIBIT (1u << 0)
#define PRESENT_DATA_INHIBIT (1u << 1)
#define PRESENT_CARD (1u << 16)
#define PRESENT_STABLE (1u << 17)
#define PRESENT_WRITABLE (1u << 19)
#define R_CONTROL 0x28u
#define CONTROL_4_LINES (1u << 1)
#define CONTROL_POWER_3V3 (0xfu << 8)
#define R_CLOCK 0x2cu
#define CLOCK_INTERNAL (1u << 0)
#define CLOCK_STABLE (1u << 1)
#define CLOCK_CARD (1u << 2)
#define CLOCK_DIVISOR(n) (((n)&0xffu) << 8 | ((n) >> 8 & 3u) << 6)
#define CLOCK_TIMEOUT (0xeu << 16) /* the longest */
#define CLOCK_RESET (1u << 24)     /* of all */
#define CLOCK_RESET_COMMAND (1u << 25)
#define R_STATUS 0x30u
#define STATUS_COMMAND (1u << 0)
#define STATUS_TRANSFER (1u << 1)
#define STATUS_WRITE_READY (1u << 4)
#define STATUS_READ_READY (1u << 5)
#define STATUS_REMOVED (1u << 7)
#define STATUS_ERROR (1u << 15)
#define STATUS_ERRORS_SHIFT 16u
#define ERROR_NO_ANSWER (1u << 0)
#define ERROR_ANSWER 0x00eu /* its CRC, its end, its index */
#define ERROR_DATA_LATE (1u << 4)
#define ERROR_DATA 0x060u /* its CRC, its end */
#define ERROR_POWER (1u << 7)
#define ERROR_STOP (1u << 8)
#define R_STATUS_ENABLE 0x34u
#define R_SIGNAL_ENABLE 0x38u
#define STATUS_WANTED                                                                                                  \
    (STATUS_COMMAND | STATUS_TRANSFER | STATUS_WRITE_READY | STATUS_READ_READY | STATUS_REMOVED |                      \
     0x1ffu << STATUS_ERRORS_SHIFT)
#define R_CAPABILITIES 0x40u
#define CAPABILITIES_MHZ(capabilities) ((capabilities) >> 8 & 0xffu)
#define CAPABILITIES_3V3 (1u << 24)
#define R_VERSION 0xfcu
#define VERSION(word) ((word) >> 16 & 0xffu)
#define VERSION_3 2u /* and up: dividers of 10 bits */
#define DIVISOR_MAX 0x3ffu
#define DIVISOR_MAX_OLD 0x80u /* a power of two */

/* The command register, 2.2.6, with the answer that the card gives (Physical Layer, 4.9). */
#define NO_ANSWER 0x00u
#define ANSWER_R1 0x1au
#define ANSWER_R1B 0x1bu
#define ANSWER_R2 0x09u
#define ANSWER_R3 0x02u
#define ANSWER_BUSY(command) (((command)&3u) == 3)
#define WITH_DATA 0x20u
#define COMMAND(index, answer) ((index) << 8 | (answer))
#define GO_IDLE_STATE COMMAND(0u, NO_ANSWER)
#define ALL_SEND_CID COMMAND(2u, ANSWER_R2)
#define SEND_RELATIVE_ADDR COMMAND(3u, ANSWER_R1)
#define SELECT_CARD COMMAND(7u, ANSWER_R1B)
#define SEND_IF_COND COMMAND(8u, ANSWER_R1)
#define SEND_CSD COMMAND(9u, ANSWER_R2)
#define SEND_STATUS COMMAND(13u, ANSWER_R1)
#define SET_BLOCKLEN COMMAND(16u, ANSWER_R1)
#define READ_SINGLE_BLOCK COMMAND(17u, ANSWER_R1 | WITH_DATA)
#define READ_MULTIPLE_BLOCK COMMAND(18u, ANSWER_R1 | WITH_DATA)
#define WRITE_BLOCK COMMAND(24u, ANSWER_R1 | WITH_DATA)
#define WRITE_MULTIPLE_BLOCK COMMAND(25u, ANSWER_R1 | WITH_DATA)
#define APP_CMD COMMAND(55u, ANSWER_R1)
#define SET_BUS_WIDTH COMMAND(6u, ANSWER_R1)    /* behind APP_CMD */
#define SD_SEND_OP_COND COMMAND(41u, ANSWER_R3) /* likewise */

#define IF_COND 0x1aau           /* 2.7 to 3.6 V, and a pattern to be sent back */
#define OCR_VOLTAGES 0x00300000u /* 3.2 to 3.4 V */
#define OCR_HIGH_CAPACITY (1u << 30)
#define OCR_POWERED_UP (1u << 31)
#define WIDTH_4 2u
/* Card status, 4.10.1 */
#define CARD_OUT_OF_RANGE (1u << 31)
#define CARD_ERRORS 0xfdf80000u
#define CARD_LOCKED (1u << 25)
#define CARD_READY (1u << 8)
#define CARD_APP_CMD (1u << 5)
#define CARD_STATE(status) ((status) >> 9 & 0xfu)
#define CARD_TRANSFER 4u
#define CARD_PROGRAMMING 7u

/* What brings a card up, in this order (4.2.3). */
enum step {
    STEP_IDLE,
    STEP_INTERFACE,
    STEP_POWER_UP_APP,
    STEP_POWER_UP,
    STEP_IDENTITY,
    STEP_ADDRESS,
    STEP_SPECIFIC_DATA,
    STEP_SELECT,
    STEP_WIDTH_APP,
    STEP_WIDTH,
    STEP_BLOCK_LENGTH,
    STEPS
};

static const uint16_t commands[STEPS] = {
    [STEP_IDLE] = GO_IDLE_STATE,       [STEP_INTERFACE] = SEND_IF_COND,    [STEP_POWER_UP_APP] = APP_CMD,
    [STEP_POWER_UP] = SD_SEND_OP_COND, [STEP_IDENTITY] = ALL_SEND_CID,     [STEP_ADDRESS] = SEND_RELATIVE_ADDR,
    [STEP_SPECIFIC_DATA] = SEND_CSD,   [STEP_SELECT] = SELECT_CARD,        [STEP_WIDTH_APP] = APP_CMD,
    [STEP_WIDTH] = SET_BUS_WIDTH,      [STEP_BLOCK_LENGTH] = SET_BLOCKLEN,
};

enum state { ABSENT, RESETTING, CLOCKING, POWERING, IDENTIFYING, SPEEDING, READY, GONE };
enum phase { MOVING, ASKING, ASKED }; /* of a request: its data; then, of a WRITE, the card's status */
enum answer { NOT_YET, ANSWERED, FAILED };

struct card {
    uint32_t identity[4]; /* CID */
    uint64_t sectors;
    uint32_t address; /* as commands have it */
    bool version_2;   /* it knows SEND_IF_COND */
    bool by_blocks;   /* it is addressed by blocks, not by bytes */
    bool write_protected;
};

struct sdhci {
    struct disk disk;
    uint64_t base; /* in lines of the log */
    uintptr_t registers;
    uint32_t clock_mhz; /* of the controller */
    bool detects;       /* whether there is a card */
    bool has_switch;    /* of a card's write protection */
    enum state state;
    uint64_t deadline_ns; /* of the state, and of some of its steps */
    enum step step;
    bool sent;         /* the step's command */
    uint32_t failures; /* of bringing it up, in a row */
    bool known;        /* `card` was brought up before */
    uint64_t ready_ns; /* when, the last time */
    uint32_t removals; /* soon after that, in a row */
    struct card card, found;
    struct disk_request *request; /* under way */
    enum phase phase;
    bool accepted; /* the request's command was answered */
    uint32_t blocks, moved;
    uint32_t tries; /* of this request, or of the first that waits */
    uint64_t late_ns;
    struct disk_list waiting;
    struct loop_source source;
    struct loop_timer timer;
    struct interrupt_handler handler;
    uint32_t block[BLOCK / 4];
};

static uint32_t get(const struct sdhci *host, uint32_t offset)
{
    return mmio_read32(host->registers + offset);
}

static void set(const struct sdhci *host, uint32_t offset, uint32_t value)
{
    mmio_write32(host->registers + offset, value);
}

/* --- Commands --- */

/* False: a former one has not ended. */
static bool send(const struct sdhci *host, uint32_t command, uint32_t argument, uint32_t mode)
{
    if (get(host, R_PRESENT) & (PRESENT_COMMAND_INHIBIT | PRESENT_DATA_INHIBIT))
        return false;
    set(host, R_STATUS, ~STATUS_REMOVED);
    set(host, R_ARGUMENT, argument);
    set(host, R_COMMAND, command << COMMAND_SHIFT | mode);
    return true;
}

static enum answer answer(const struct sdhci *host, uint32_t command)
{
    uint32_t status = get(host, R_STATUS);

    if (status & STATUS_ERROR)
        return FAILED;
    if (!(status & STATUS_COMMAND) || (ANSWER_BUSY(command) && get(host, R_PRESENT) & PRESENT_DATA_INHIBIT))
        return NOT_YET;
    return ANSWERED;
}

/* What an error status says. */
static const char *error_text(uint32_t errors)
{
    if (errors & ERROR_NO_ANSWER)
        return "the card does not answer";
    if (errors & ERROR_ANSWER)
        return "the card's answer is damaged";
    if (errors & ERROR_DATA_LATE)
        return "the card gives or takes no data";
    if (errors & ERROR_DATA)
        return "data were damaged on their way";
    if (errors & ERROR_POWER)
        return "the card draws too much current";
    return errors & ERROR_STOP ? "the transfer cannot be ended" : "the controller reports an error";
}

/* --- Life of the controller and its card --- */

static bool has_card(const struct sdhci *host)
{
    return !host->detects || get(host, R_PRESENT) & PRESENT_CARD;
}

static bool is_reset(const struct sdhci *host)
{
    return !(get(host, R_CLOCK) & CLOCK_RESET) && (!host->detects || get(host, R_PRESENT) & PRESENT_STABLE);
}

static void enter(struct sdhci *host, enum state state, uint64_t limit_ns)
{
    host->state = state;
    host->deadline_ns = time_ns() + limit_ns;
}

static void reset(struct sdhci *host)
{
    set(host, R_SIGNAL_ENABLE, 0);
    set(host, R_CLOCK, CLOCK_RESET);
    enter(host, RESETTING, RESET_LIMIT_NS);
    loop_timer_set(&host->timer, STEP_NS);
}

static void give_up(struct sdhci *host, const char *why)
{
    struct disk_request *request = host->request;

    bulkhead_log("sdhci %" PRIx64 ": %s%s", host->base, why, host->known ? "; it is not used any more" : "");
    host->state = GONE;
    host->request = NULL;
    set(host, R_SIGNAL_ENABLE, 0);
    set(host, R_CONTROL, 0);
    if (request)
        disk_finish(&host->disk, request, DISK_GONE);
    disk_finish_all(&host->disk, &host->waiting, DISK_GONE);
}

/* It does not come up: once more, or never. */
static void fail(struct sdhci *host, const char *why)
{
    if (host->failures++ < (host->known ? DISK_RESETS_MAX : 1) && has_card(host))
        reset(host);
    else
        give_up(host, why);
}

/* So that the card's clock is no faster than `hz`. */
static void start_clock(const struct sdhci *host, uint32_t hz)
{
    bool old = VERSION(get(host, R_VERSION)) < VERSION_3;
    uint32_t n = (host->clock_mhz * 1000000u + 2 * hz - 1) / (2 * hz), most = old ? DIVISOR_MAX_OLD : DIVISOR_MAX;

    if (old)
        for (uint32_t power = 1; power < DIVISOR_MAX_OLD * 2; power *= 2)
            if (power >= n) {
                n = power;
                break;
            }
    if (n > most)
        n = most;
    set(host, R_CLOCK, CLOCK_TIMEOUT); /* the card's clock stands while the divisor changes */
    set(host, R_CLOCK, CLOCK_TIMEOUT | CLOCK_DIVISOR(n) | CLOCK_INTERNAL);
}

/* Once its clock is stable, the card gets it. */
static bool clock_runs(const struct sdhci *host)
{
    uint32_t clock = get(host, R_CLOCK);

    if (!(clock & CLOCK_STABLE))
        return false;
    set(host, R_CLOCK, clock | CLOCK_CARD);
    return true;
}

/* Bits [high:low] of a CID or CSD, at most 32; the controller leaves out the last 8, a checksum. */
static uint32_t bits(const struct sdhci *host, uint32_t high, uint32_t low)
{
    uint32_t at = (low - 8) / 32, shift = (low - 8) % 32, width = high - low + 1;
    uint64_t words = get(host, R_RESPONSE + 4 * at);

    if (shift + width > 32)
        words |= (uint64_t)get(host, R_RESPONSE + 4 * at + 4) << 32;
    return (uint32_t)(words >> shift & ((1ull << width) - 1));
}

/* 5.3: what the card says of itself; false: nothing that is known. */
static bool read_specific_data(struct sdhci *host)
{
    uint32_t structure = bits(host, 127, 126), block_length = bits(host, 83, 80);

    host->found.write_protected = bits(host, 13, 12) != 0;
    if (structure != host->found.by_blocks)
        return false;
    if (structure == 0 && block_length >= 9 && block_length <= 11)
        host->found.sectors = (uint64_t)(bits(host, 73, 62) + 1) << (bits(host, 49, 47) + 2 + block_length - 9);
    else if (structure == 1)
        host->found.sectors = (uint64_t)(bits(host, 69, 48) + 1) << 10;
    else
        return false;
    return true;
}

static uint32_t step_argument(const struct sdhci *host)
{
    switch (host->step) {
    case STEP_INTERFACE:
        return IF_COND;
    case STEP_POWER_UP:
        return OCR_VOLTAGES | (host->found.version_2 ? OCR_HIGH_CAPACITY : 0);
    case STEP_SPECIFIC_DATA:
    case STEP_SELECT:
    case STEP_WIDTH_APP:
        return host->found.address;
    case STEP_WIDTH:
        return WIDTH_4;
    case STEP_BLOCK_LENGTH:
        return BLOCK;
    default:
        return 0;
    }
}

/* Takes the answer to the step's command and chooses the next one: NULL, or what is wrong. */
static const char *take_answer(struct sdhci *host)
{
    uint32_t response = get(host, R_RESPONSE);
    struct card *found = &host->found;

    switch (host->step++) {
    case STEP_INTERFACE:
        found->version_2 = true;
        return (response & 0xfff) == IF_COND ? NULL : "the card does not take 3.3 V";
    case STEP_POWER_UP_APP:
    case STEP_WIDTH_APP:
        return response & CARD_APP_CMD ? NULL : "it is no SD memory card";
    case STEP_POWER_UP:
        if (!(response & OCR_VOLTAGES))
            return "the card does not take 3.3 V";
        found->by_blocks = response & OCR_HIGH_CAPACITY;
        if (!(response & OCR_POWERED_UP))
            host->step = STEP_POWER_UP_APP;
        return response & OCR_POWERED_UP || time_ns() < host->deadline_ns ? NULL : "the card does not power up";
    case STEP_IDENTITY:
        for (uint32_t i = 0; i < 4; i++)
            found->identity[i] = get(host, R_RESPONSE + 4 * i);
        return NULL;
    case STEP_ADDRESS:
        found->address = response & 0xffff0000;
        return found->address ? NULL : "the card has no address";
    case STEP_SPECIFIC_DATA:
        return read_specific_data(host) ? NULL : "the card has a size that is not known";
    case STEP_SELECT:
        return response & CARD_LOCKED ? "the card is locked by a password" : NULL;
    default:
        return NULL;
    }
}

static void submit(struct disk *disk, struct disk_request *request)
{
    struct sdhci *host = (struct sdhci *)disk;

    disk_list_add(&host->waiting, request);
    loop_signal(&host->source);
}

/* The card is up. */
static void ready(struct sdhci *host)
{
    const struct card *found = &host->found;
    bool same =
        !memcmp(found->identity, host->card.identity, sizeof found->identity) && found->sectors == host->card.sectors;

    if (host->known && !same) {
        give_up(host, "it is another card now");
        return;
    }
    host->card = *found;
    host->failures = 0;
    host->ready_ns = time_ns();
    if (!host->known)
        host->disk = (struct disk){
            .sectors = found->sectors,
            .block_size = BLOCK,
            .segments_max = DISK_SEGMENTS_MAX,
            .max_transfer = TRANSFER_MAX,
            .submit = submit,
        };
    host->disk.read_only = found->write_protected || (host->has_switch && !(get(host, R_PRESENT) & PRESENT_WRITABLE));
    host->known = true;
    host->state = READY;
    loop_signal(&host->source);
}

/* False: the card has not answered yet. */
static bool identify(struct sdhci *host)
{
    uint32_t command = commands[host->step], was = host->step;
    enum answer result = host->sent ? answer(host, command) : NOT_YET;
    const char *why = NULL;

    if (!host->sent) {
        host->sent = send(host, command, step_argument(host), 0);
        return host->sent;
    }
    if (result == NOT_YET)
        return false;
    host->sent = false;
    if (result == ANSWERED) {
        why = take_answer(host);
    } else if (was == STEP_INTERFACE) {
        /* A card made before version 2. The next command is to find its line free. */
        set(host, R_CLOCK, get(host, R_CLOCK) | CLOCK_RESET_COMMAND);
        host->step++;
    } else {
        why = error_text(get(host, R_STATUS) >> STATUS_ERRORS_SHIFT);
    }
    if (why) {
        fail(host, why);
    } else if (host->step == STEPS) {
        set(host, R_CONTROL, CONTROL_POWER_3V3 | CONTROL_4_LINES);
        start_clock(host, DEFAULT_SPEED_HZ);
        enter(host, SPEEDING, CLOCK_LIMIT_NS);
    } else if (was != STEP_POWER_UP_APP && host->step > was) {
        host->deadline_ns = time_ns() + (was == STEP_INTERFACE ? POWER_UP_LIMIT_NS : COMMAND_LIMIT_NS);
    }
    return true;
}

static void come_out_of_reset(struct sdhci *host)
{
    if (!has_card(host)) {
        /* A card that bounces in its socket comes back. */
        enter(host, ABSENT, host->known ? DISK_TIMEOUT_NS : 0);
        return;
    }
    set(host, R_STATUS_ENABLE, host->detects ? STATUS_WANTED : STATUS_WANTED & ~STATUS_REMOVED);
    set(host, R_CONTROL, CONTROL_POWER_3V3);
    start_clock(host, IDENTIFICATION_HZ);
    enter(host, CLOCKING, CLOCK_LIMIT_NS);
}

static void begin_identifying(struct sdhci *host)
{
    host->step = STEP_IDLE;
    host->sent = false;
    host->found = (struct card){0};
    enter(host, IDENTIFYING, COMMAND_LIMIT_NS);
}

/* Looks how far it has come. */
static void step(struct sdhci *host)
{
    bool late = time_ns() >= host->deadline_ns;

    if (host->state == POWERING) {
        if (late)
            begin_identifying(host);
    } else if (host->state == RESETTING && is_reset(host)) {
        come_out_of_reset(host);
    } else if (host->state == CLOCKING && clock_runs(host)) {
        enter(host, POWERING, POWER_NS);
    } else if (host->state == SPEEDING && clock_runs(host)) {
        ready(host);
    } else if (host->state == ABSENT && has_card(host)) {
        reset(host);
    } else if (host->state == ABSENT && late) {
        give_up(host, host->known ? "the card was taken out" : "no card");
    } else if ((host->state != IDENTIFYING || !identify(host)) && late) {
        fail(host, host->state == IDENTIFYING ? "the card does not answer" : "the controller does not answer");
    }
}

/* --- Requests --- */

/* What is under way has failed, or the card is not there any more. */
static void trouble(struct sdhci *host, const char *why, bool again)
{
    struct disk_request *request = host->request;

    host->disk.resets++;
    reset(host);
    host->request = NULL;
    if (request && again && ++host->tries < TRIES) {
        disk_list_again(&host->waiting, request);
    } else if (request) {
        host->tries = 0;
        bulkhead_log("sdhci %" PRIx64 ": sector %" PRIu64 " cannot be %s: %s", host->base, request->sector,
                     request->operation == DISK_READ ? "read" : "written", why);
        disk_finish(&host->disk, request, DISK_IO_ERROR);
    }
}

/* It may come back; one that comes and goes all the time is none. */
static void removed(struct sdhci *host)
{
    host->removals = time_ns() - host->ready_ns < REMOVAL_NS ? host->removals + 1 : 0;
    if (host->removals > REMOVALS_MAX)
        give_up(host, "the card comes and goes");
    else
        trouble(host, "the card was taken out", true);
}

static bool is_read(const struct sdhci *host)
{
    return host->request->operation == DISK_READ;
}

static void start(struct sdhci *host, struct disk_request *request)
{
    uint32_t blocks = (uint32_t)request->sectors, command, mode = 0, argument = (uint32_t)request->sector;
    bool read = request->operation == DISK_READ;

    host->request = request;
    host->phase = MOVING;
    host->accepted = false;
    host->blocks = blocks;
    host->moved = 0;
    host->late_ns = time_ns() + DISK_TIMEOUT_NS;
    if (blocks > 1) {
        command = read ? READ_MULTIPLE_BLOCK : WRITE_MULTIPLE_BLOCK;
        mode = MODE_COUNT | MODE_AUTO_STOP | MODE_SEVERAL;
    } else {
        command = read ? READ_SINGLE_BLOCK : WRITE_BLOCK;
    }
    set(host, R_BLOCK, BLOCK | blocks << BLOCK_COUNT_SHIFT);
    if (!send(host, command, host->card.by_blocks ? argument : argument * BLOCK, mode | (read ? MODE_READ : 0)))
        trouble(host, "the controller stays busy", true);
}

/* One block, through the buffer that is ready for it. */
static void move(struct sdhci *host)
{
    const struct disk_request *request = host->request;
    uint64_t at = (uint64_t)host->moved++ * BLOCK;

    if (is_read(host)) {
        for (uint32_t i = 0; i < BLOCK / 4; i++)
            host->block[i] = get(host, R_BUFFER);
        segments_write(request->segment, request->segments, at, host->block, BLOCK);
    } else {
        segments_read(request->segment, request->segments, at, host->block, BLOCK);
        for (uint32_t i = 0; i < BLOCK / 4; i++)
            set(host, R_BUFFER, host->block[i]);
    }
}

static void complete(struct sdhci *host)
{
    struct disk_request *request = host->request;

    host->request = NULL;
    host->tries = 0;
    disk_finish(&host->disk, request, DISK_OK);
}

/* All has been moved. A card that stops at its very end may report that end. */
static void end_transfer(struct sdhci *host)
{
    if (host->blocks > 1 && get(host, R_RESPONSE_STOP) & CARD_ERRORS & ~CARD_OUT_OF_RANGE)
        trouble(host, "the card reports an error at the end", true);
    else if (is_read(host))
        complete(host);
    else
        host->phase = ASKING;
}

/* Whether what was written is safe; false: the card is to be asked again a little later. */
static bool take_status(struct sdhci *host, uint32_t status)
{
    uint32_t state = CARD_STATE(status);

    if (status & CARD_ERRORS) {
        trouble(host, "the card reports an error", true);
    } else if (state == CARD_TRANSFER && status & CARD_READY) {
        complete(host);
    } else if (state == CARD_TRANSFER || state == CARD_PROGRAMMING) {
        host->phase = ASKING;
        loop_timer_set(&host->timer, STEP_NS);
        return false;
    } else {
        trouble(host, "the card is not in its transfer state", true);
    }
    return true;
}

/* Whether that is reported, which is answered: a report that stays would interrupt again and again. */
static bool take(const struct sdhci *host, uint32_t status, uint32_t report)
{
    if (!(status & report))
        return false;
    set(host, R_STATUS, report);
    return true;
}

/* One piece of what is under way; false: the controller has to report something first, or some time to pass. */
static bool advance(struct sdhci *host)
{
    uint32_t status = get(host, R_STATUS), buffer = is_read(host) ? STATUS_READ_READY : STATUS_WRITE_READY;

    if (status & STATUS_ERROR) {
        trouble(host, error_text(status >> STATUS_ERRORS_SHIFT), true);
    } else if (host->phase == ASKING) {
        host->phase = ASKED;
        if (!send(host, SEND_STATUS, host->card.address, 0))
            trouble(host, "the controller stays busy", true);
    } else if (host->phase == ASKED) {
        return take(host, status, STATUS_COMMAND) && take_status(host, get(host, R_RESPONSE));
    } else if (!host->accepted) {
        host->accepted = take(host, status, STATUS_COMMAND);
        if (host->accepted && get(host, R_RESPONSE) & CARD_ERRORS)
            trouble(host, "the card refuses the command", true);
        return host->accepted;
    } else if (host->moved < host->blocks && take(host, status, buffer)) {
        move(host); /* the next one may be ready with the last word of this one */
    } else if (take(host, status, STATUS_TRANSFER)) {
        if (host->moved < host->blocks)
            trouble(host, "the transfer ends too early", true);
        else
            end_transfer(host);
    } else {
        return false;
    }
    return true;
}

/* False: nothing waits. */
static bool start_next(struct sdhci *host)
{
    struct disk_request *request = disk_list_take(&host->waiting);
    enum disk_result result = request ? disk_check(&host->disk, request) : DISK_OK;

    if (result != DISK_OK)
        disk_finish(&host->disk, request, result);
    else if (request)
        start(host, request);
    return request;
}

static void serve(struct loop_source *source)
{
    struct sdhci *host = source->owner;
    uint32_t pieces = 0;

    if (host->state == GONE)
        disk_finish_all(&host->disk, &host->waiting, DISK_GONE);
    else if (host->state == READY && (!has_card(host) || get(host, R_STATUS) & STATUS_REMOVED))
        removed(host);
    while (host->state == READY && pieces < PIECES_A_TURN && (host->request ? advance(host) : start_next(host)))
        pieces++;
    if (host->state != READY)
        return;
    if (host->request && !host->timer.deadline_ns)
        loop_timer_set(&host->timer, DISK_LOOK_NS);
    if (pieces == PIECES_A_TURN)
        loop_signal(source);
    else
        set(host, R_SIGNAL_ENABLE, host->request && host->phase != ASKING ? STATUS_WANTED : STATUS_REMOVED);
}

static void look(struct loop_timer *timer)
{
    struct sdhci *host = timer->owner;

    if (host->state == GONE)
        return;
    if (host->state != READY) {
        step(host);
        if (host->state != READY && host->state != GONE)
            loop_timer_set(timer, STEP_NS);
    } else if (host->request && time_ns() >= host->late_ns) {
        trouble(host, "the card takes too long", false);
    } else if (host->request) {
        loop_signal(&host->source);
    }
}

/* It is quiet until the loop has looked at it; the read makes sure that it is so before this returns. */
static INTERRUPT_CONTEXT void interrupted(struct interrupt_handler *handler)
{
    struct sdhci *host = handler->owner;

    mmio_write32(host->registers + R_SIGNAL_ENABLE, 0);
    mmio_read32(host->registers + R_SIGNAL_ENABLE);
    loop_signal(&host->source);
}

/* --- Finding it --- */

/* NULL, or why it is not used. */
static const char *open_registers(struct sdhci *host, int node, uint32_t clock_mhz)
{
    struct tree_range range = tree_reg(node, 0);
    uint32_t capabilities;

    host->base = range.base;
    if (range.size < REGISTERS)
        return "it has no registers";
    memory_map(range.base, REGISTERS, MEMORY_DEVICE);
    host->registers = (uintptr_t)range.base;
    capabilities = get(host, R_CAPABILITIES);
    if (!(capabilities & CAPABILITIES_3V3))
        return "it has no 3.3 V";
    host->clock_mhz = CAPABILITIES_MHZ(capabilities) > clock_mhz ? CAPABILITIES_MHZ(capabilities) : clock_mhz;
    host->detects = !tree_has(node, "broken-cd") && !tree_has(node, "non-removable");
    host->has_switch = !tree_has(node, "disable-wp");
    reset(host); /* whatever its former life has left under way */
    return NULL;
}

static void found(int node, uint32_t clock_mhz)
{
    struct sdhci *host = calloc(1, sizeof *host);
    const char *why;
    uint32_t interrupt;
    bool level;

    if (!host)
        panic("no memory for a disk");
    host->source = (struct loop_source){.run = serve, .owner = host};
    host->timer = (struct loop_timer){.run = look, .owner = host};
    host->handler = (struct interrupt_handler){.handle = interrupted, .owner = host, .name = "sdhci"};
    why = open_registers(host, node, clock_mhz);
    loop_timer_cancel(&host->timer);
    if (why) {
        bulkhead_log("sdhci %" PRIx64 ": %s; it is not used", host->base, why);
        return;
    }
    while (host->state != READY && host->state != GONE)
        step(host);
    loop_timer_cancel(&host->timer);
    if (host->state != READY)
        return;
    /* Controllers without a card may share its interrupt. */
    interrupt = tree_interrupt(node, 0, &level);
    if (!interrupt || !interrupt_register(interrupt, level, &host->handler))
        give_up(host, "it has no interrupt");
    else
        disk_add(&host->disk);
}

static void sdhci_start(void)
{
    /* How fast its clock may be, whatever the capabilities say: they are not always true, or do not say it. */
    static const struct {
        const char *compatible;
        uint32_t clock_mhz;
    } known[] = {{"arasan,sdhci-8.9a", 200}, {"brcm,bcm2711-emmc2", 100}, {"brcm,bcm2835-sdhci", 250}};

    for (uint32_t i = 0; i < sizeof known / sizeof *known; i++)
        for (int node = -1; (node = tree_compatible(node, known[i].compatible)) >= 0;)
            found(node, known[i].clock_mhz);
}
MODULE(MODULE_DEVICE, sdhci, sdhci_start);
