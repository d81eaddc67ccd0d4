// SPDX-License-Identifier: Apache-2.0
/* An NVMe controller that now and then does as the driver hopes: its registers, what it says of itself and what it
 * completes are any bytes otherwise. What the driver lets it read and write is a request's memory or the driver's own;
 * each request is answered once, and nothing of it is touched afterwards. */
#include "devices/disk/driver.c" /* its list of disks begins anew with each input */

#include <devices/disk/nvme.h>
#include <string.h>
#include <tests/unit/fake_pci.h>

#define REQUESTS 64u
#define PIECES 5u
#define STEPS_MAX 400u
#define PATIENCE_NS 100000000000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *script;
static size_t left;
static bool honest;
static struct nvme *nvme; /* NULL: it is still being found */
static uint32_t functions, given, answered;

static struct test {
    struct disk_request request;
    struct segment segment[PIECES];
    uint32_t serial; /* 0: free */
} tests[REQUESTS];

/* The controller: its queues as it was told of them, and I/O commands that it has not completed. */
static struct {
    uint32_t control, head[2], tail[2], size[2];
    uint16_t phase[2];
    struct nvme_command *submission[2];
    struct nvme_completion *completion[2];
    uint64_t admin[2];
    struct held {
        struct nvme_command command;
        uint32_t serial;
    } held[NVME_SLOTS];
    uint32_t held_count;
} c;

static uint32_t next(void)
{
    return left ? left--, *script++ : 0;
}
static uint32_t next_word(void)
{
    return next() | next() << 8 | next() << 16 | next() << 24;
}

uint32_t pci_virtual_count(const struct pci_function *function)
{
    (void)function;
    return functions;
}

static void post(uint32_t queue, uint16_t id, uint16_t status)
{
    struct nvme_completion *done = &c.completion[queue][c.tail[queue]];

    done->id = id;
    done->status = (uint16_t)(status << 1 | c.phase[queue]);
    if (++c.tail[queue] == c.size[queue]) {
        c.tail[queue] = 0;
        c.phase[queue] ^= 1;
    }
}

/* --- DMA: what AddressSanitizer does not let through, the driver should not have given --- */

static void touch(uint64_t address, uint64_t length, bool write)
{
    volatile uint8_t *at = (volatile uint8_t *)address;

    for (uint64_t i = 0; i < length; i++)
        if (write)
            at[i] = 0x5a;
        else
            (void)at[i];
}

static void touch_sgl(const struct nvme_command *command, uint64_t bytes, bool write)
{
    struct sgl {
        uint64_t address;
        uint32_t length;
        uint8_t reserved[3], type;
    } first, *list = &first;
    uint32_t count = 1;

    memcpy(&first, command->data, sizeof first);
    if (first.type == 0x30) {
        list = (struct sgl *)first.address;
        count = first.length / sizeof *list;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (list[i].type != 0 || list[i].length > bytes)
            abort();
        touch(list[i].address, list[i].length, write);
        bytes -= list[i].length;
    }
    if (bytes)
        abort();
}

static void touch_prp(const struct nvme_command *command, uint64_t bytes, bool write)
{
    uint64_t address = command->data[0], part = DISK_PAGE - address % DISK_PAGE;
    const uint64_t *list = bytes > part + DISK_PAGE ? (const uint64_t *)command->data[1] : &command->data[1];

    if (address % 4)
        abort();
    for (uint32_t i = 0;; i++) {
        part = part < bytes ? part : bytes;
        touch(address, part, write);
        bytes -= part;
        if (!bytes)
            return;
        address = list[i];
        part = DISK_PAGE;
        if (address % DISK_PAGE)
            abort();
    }
}

/* The request that a command was made of, if it is not answered yet. */
static const struct nvme_slot *slot_of(const struct held *held)
{
    const struct nvme_slot *slot = &nvme->slot[held->command.id];
    const struct test *test = (const struct test *)slot->request;

    return test && test->serial == held->serial ? slot : NULL;
}

static void carry_out(const struct held *held)
{
    const struct nvme_command *command = &held->command;
    const struct nvme_slot *slot = slot_of(held);
    uint64_t bytes = command->dword[2] + 1ull;

    if (!slot || !fake_master)
        return;
    bytes <<= 9 + slot->disk->block_shift;
    if (command->opcode == 9)
        touch(command->data[0], 16, false);
    else if (command->opcode == 1 || command->opcode == 2)
        (command->flags & 0x40 ? touch_sgl : touch_prp)(command, bytes, command->opcode == 2);
}

/* --- Commands --- */

static void put_field(uint8_t *page, uint32_t offset, uint64_t value, uint32_t bytes)
{
    memcpy(page + offset, &value, bytes);
}

static void identify(const struct nvme_command *command)
{
    uint8_t *page = (uint8_t *)command->data[0];

    put_field(page, 0, command->dword[0] == 0 ? 1u << 14 : 1, 8);
    put_field(page, 4, command->dword[0] == 2 ? 2 : 0, 4);
    put_field(page, 32, 8, 4);
    put_field(page, 64, 4, 4);
    put_field(page, 128, (command->namespace_id == 2 ? 12u : 9u) << 16, 4);
    put_field(page, 520, 0x0c, 2);
    page[525] = 1;
    for (uint32_t i = honest ? 0 : next() % 8; i > 0; i--)
        page[next_word() % DISK_PAGE] = (uint8_t)next();
}

static void administrate(const struct nvme_command *command)
{
    uint32_t choice = honest ? 0 : next();

    switch (command->opcode) {
    case ADMIN_IDENTIFY:
        identify(command);
        break;
    case ADMIN_CREATE_COMPLETION:
        c.completion[1] = (struct nvme_completion *)command->data[0];
        c.size[1] = (command->dword[0] >> 16) + 1;
        c.tail[1] = 0;
        c.phase[1] = 1;
        break;
    case ADMIN_CREATE_SUBMISSION:
        c.submission[1] = (struct nvme_command *)command->data[0];
        c.head[1] = 0;
        break;
    default:
        break;
    }
    if (choice < 250)
        post(0, command->id, choice < 240 ? 0 : (uint16_t)next());
}

static void doorbell(uint32_t queue, uint32_t tail)
{
    if (!c.submission[queue] || tail >= c.size[queue])
        abort();
    while (c.head[queue] != tail) {
        struct held held = {.command = c.submission[queue][c.head[queue]]};

        c.head[queue] = (c.head[queue] + 1) % c.size[queue];
        if (queue == 0) {
            administrate(&held.command);
            continue;
        }
        if (held.command.id >= nvme->slots || !nvme->slot[held.command.id].request || c.held_count == NVME_SLOTS)
            abort();
        held.serial = ((struct test *)nvme->slot[held.command.id].request)->serial;
        if (honest) {
            carry_out(&held);
            post(1, held.command.id, 0);
            fake_interrupt();
        } else {
            c.held[c.held_count++] = held;
        }
    }
}

uint32_t model_read(uint32_t offset)
{
    uint32_t hoped = offset == CAP       ? NVME_SLOTS | 2u << CAP_TIMEOUT_SHIFT
                     : offset == CAP + 4 ? CAP_NVM_COMMANDS
                                         : c.control & CSTS_READY;
    uint32_t choice = honest || !fake_handler ? 0 : next();

    if (offset == CAP && !honest)
        hoped ^= next() & CAP_QUEUE_ENTRIES;
    return choice < 245 ? hoped : choice < 252 ? hoped ^ next() : next_word();
}

void model_write(uint32_t offset, uint32_t value)
{
    switch (offset) {
    case CC:
        if (value & 1 && !(c.control & 1)) {
            c.submission[0] = (struct nvme_command *)c.admin[0];
            c.completion[0] = (struct nvme_completion *)c.admin[1];
            c.size[0] = 4;
            c.head[0] = c.tail[0] = 0;
            c.phase[0] = 1;
        }
        if (!(value & 1)) {
            c.held_count = 0;
            c.submission[0] = c.submission[1] = NULL;
            c.completion[0] = c.completion[1] = NULL;
        }
        c.control = value;
        break;
    case ASQ:
    case ACQ:
        c.admin[offset == ACQ] = value;
        break;
    case ASQ + 4:
    case ACQ + 4:
        c.admin[offset == ACQ + 4] |= (uint64_t)value << 32;
        break;
    case DOORBELLS:
        doorbell(0, value);
        break;
    case DOORBELLS + 8:
        doorbell(1, value);
        break;
    default:
        break;
    }
}

/* --- Requests --- */

static void done(struct disk_request *request, enum disk_result result)
{
    struct test *test = (struct test *)request;

    (void)result;
    if (!test->serial)
        abort(); /* twice */
    for (uint32_t i = 0; i < request->segments; i++)
        free(test->segment[i].base);
    test->serial = 0;
    answered++;
}

/* A piece at any place, or pieces of whole pages, or odd ones. */
static void give(void)
{
    uint32_t kind = next(), pieces = kind % 3 == 0 ? 1 : 1 + next() % PIECES, number = 0;
    uint64_t sectors = (kind & 64 ? 8 : 1) * (1 + next() % 32), bytes = sectors * 512, sector = next() * 64;
    struct disk *disk;
    struct test *test;

    while (number < REQUESTS && tests[number].serial)
        number++;
    if (number == REQUESTS)
        return;
    test = &tests[number];
    test->serial = ++given;
    test->request = (struct disk_request){.operation = (uint8_t)(next() % 12 > 5 ? next() % 2 : next() % 6),
                                          .segment = test->segment,
                                          .sector = sector,
                                          .sectors = sectors,
                                          .done = done};
    for (uint32_t i = 0; i < pieces && bytes; i++) {
        size_t length = i + 1 == pieces ? bytes : kind % 3 == 1 ? DISK_PAGE : 1 + next() * 3;

        length = length < bytes ? length : bytes;
        test->segment[i] = (struct segment){
            kind % 3 == 1 ? aligned_alloc(DISK_PAGE, (length + DISK_PAGE - 1) & ~(size_t)(DISK_PAGE - 1))
                          : malloc(length),
            length};
        memset(test->segment[i].base, 0, length);
        bytes -= length;
        test->request.segments++;
    }
    disk = disk_get(next() % disk_count);
    disk->submit(disk, &test->request);
}

static void complete(uint32_t index, uint16_t status)
{
    struct held held = c.held[index];

    c.held[index] = c.held[--c.held_count];
    carry_out(&held);
    post(1, held.command.id, status);
}

static void step(void)
{
    uint32_t choice = next(), value = next();

    switch (choice % 8) {
    case 0:
    case 1:
        if (disk_count)
            give();
        break;
    case 2:
        for (uint32_t i = 0; c.completion[1] && c.held_count && i <= value % 8; i++)
            complete(next() % c.held_count, value > 200 ? (uint16_t)next() : 0);
        break;
    case 3: /* any bytes, anywhere in what the driver reads */
        if (c.completion[1] && c.size[1])
            memset((uint8_t *)c.completion[1] + next() * 4, (int)next(), 4);
        break;
    case 4:
        if (c.completion[1] && value > 128)
            post(1, (uint16_t)next(), (uint16_t)next());
        break;
    case 5:
        fake_pass(value * 20000000ull);
        break;
    case 6:
        fake_run();
        break;
    default:
        fake_interrupt();
        break;
    }
}

static void forget(void)
{
    free(nvme->lists);
    free(nvme->page);
    free(nvme->admin.submission);
    free((void *)nvme->admin.completion);
    free(nvme->io.submission);
    free((void *)nvme->io.completion);
    free(nvme);
    nvme = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    script = data;
    left = size;
    memset(&c, 0, sizeof c);
    honest = false;
    given = answered = disk_count = 0;
    functions = next() > 200 ? next() % 20 : 0;
    fake_pci_reset();
    fake_class = 0x010802;
    fake_look_ns = 10000000;
    nvme_probe(&fake_function);
    if (!fake_handler)
        return 0; /* no controller for this driver */
    nvme = ((struct loop_source *)fake_handler->owner)->owner;
    for (uint32_t i = 0; left && i < STEPS_MAX; i++)
        step();
    honest = true;
    for (uint32_t i = 0; i < 2 * DISK_RESETS_MAX && answered != given; i++) {
        fake_interrupt();
        fake_pass(PATIENCE_NS);
    }
    if (answered != given)
        abort();
    forget();
    return 0;
}
