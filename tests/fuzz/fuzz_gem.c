// SPDX-License-Identifier: Apache-2.0
/* A Cadence GEM whose registers read as any bytes, now and then as the driver hopes, and which writes what it likes
 * into descriptors and buffers: what is handed on lies in a buffer of the driver's, what is sent as well, and once the
 * device behaves again frames go out, unless the driver has given it up. */
#include "devices/nic/nic.c" /* its list of NICs begins anew with each input */

#include "devices/nic/gem.c"
#include "tests/unit/fake_pci.h"

#define STEPS_MAX 600u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *script;
static size_t left;
static bool honest; /* the device, from here on */
static uint64_t handed_on;

static uint32_t next(void)
{
    return left ? left--, *script++ : 0;
}
static uint32_t next_word(void)
{
    return next() | next() << 8 | next() << 16 | next() << 24;
}

static uint32_t hoped(uint32_t offset)
{
    switch (offset) {
    case NETWORK_STATUS:
        return STATUS_MDIO_IDLE;
    case PHY_MANAGEMENT:
        return PHY_STATUS_LINK;
    case INT_STATUS:
        return INT_RECEIVED | INT_TRANSMIT_USED;
    default:
        return 0;
    }
}

uint32_t model_read(uint32_t offset)
{
    uint32_t choice = honest ? 0 : next();

    if (offset >= REGISTERS_SIZE || offset % 4)
        abort();
    return choice < 200 ? hoped(offset) : choice < 250 ? hoped(offset) ^ next() << choice % 25 : next_word();
}

/* What it is told to read and write. */
void model_write(uint32_t offset, uint32_t value)
{
    uintptr_t rings = (uintptr_t)&all_rings[0];

    if (offset >= REGISTERS_SIZE || offset % 4)
        abort();
    if (((offset == RECEIVE_BASE_UPPER || offset == TRANSMIT_BASE_UPPER) && value != (uint32_t)(rings >> 32)) ||
        ((offset == RECEIVE_BASE || offset == TRANSMIT_BASE) && value - (uint32_t)rings >= sizeof all_rings[0]))
        abort();
}

int tree_compatible(int previous, const char *compatible)
{
    return previous < 0 && !strcmp(compatible, "xlnx,zynqmp-gem") ? 7 : -1;
}
struct tree_range tree_reg(int node, uint32_t index)
{
    (void)node, (void)index;
    return (struct tree_range){FAKE_REGISTERS, REGISTERS_SIZE};
}
uint32_t tree_interrupt(int node, uint32_t index, bool *level)
{
    (void)node, (void)index;
    *level = false;
    return 24;
}
bool tree_bytes(int node, const char *property, void *bytes, uint32_t length)
{
    (void)node, (void)property, (void)bytes, (void)length;
    return false;
}
void memory_map(uint64_t base, uint64_t size, enum memory_kind kind)
{
    (void)base, (void)size, (void)kind;
}
void memory_uncache(void *pages, size_t size)
{
    (void)pages, (void)size;
}
uint64_t counter_read(void)
{
    return 1;
}

static bool lies_in(const uint8_t *buffers, const void *at, size_t length)
{
    size_t offset = (size_t)((const uint8_t *)at - buffers);

    return offset < RING_SIZE * BUFFER_SIZE && length <= BUFFER_SIZE - offset % BUFFER_SIZE;
}

static void receive(void *user, const struct packet *packet)
{
    const struct gem *gem = user;
    uint8_t bytes[BUFFER_SIZE];
    size_t length = 0;

    if (packet->length < PACKET_LENGTH_MIN || packet->length > BUFFER_SIZE || !packet->segments ||
        packet->segment[0].base != packet->head)
        abort();
    for (uint32_t i = 0; i < packet->segments; i++) {
        length += packet->segment[i].length;
        if (i && !lies_in(gem->rx_buffers, packet->segment[i].base, packet->segment[i].length))
            abort();
    }
    if (length != packet->length || segments_read(packet->segment, packet->segments, 0, bytes, length) != length)
        abort();
    handed_on++;
}

static bool send(struct gem *gem, uint32_t length, uint8_t offload)
{
    uint8_t *frame = calloc(1, length);
    struct segment segment = {frame, length};
    struct packet packet = {.length = length, .segment = &segment, .segments = 1, .offload.flags = offload};
    uint32_t index = gem->tx_next;
    bool is_sent = gem->nic.transmit(&gem->nic, &packet);
    const struct descriptor *at = &gem->rings->tx[index];

    if (is_sent && (length > FRAME_MAX || (at->control & 0x3fff) != length || at->control & TX_DONE ||
                    !lies_in(gem->tx_buffers, (void *)((uint64_t)at->address_high << 32 | at->address), length)))
        abort();
    free(frame);
    return is_sent;
}

static void step(struct gem *gem)
{
    struct rings *rings = gem->rings;
    uint32_t choice = next(), index = next();
    struct descriptor *at = choice & 1 ? &rings->tx[index] : &rings->rx[index];

    switch (choice >> 1 & 7) {
    case 0: /* any descriptor becomes anything */
        *at = (struct descriptor){next_word(), next_word(), next_word(), next_word()};
        break;
    case 1: /* a frame arrives, more or less as it should, where the driver looks for it */
        at = &rings->rx[gem->rx_next];
        at->control = next_word() | (index & 3 ? RX_WHOLE : 0);
        at->address |= RX_DONE;
        break;
    case 2:
        memset(gem->rx_buffers + index * BUFFER_SIZE, (int)next(), BUFFER_SIZE);
        break;
    case 3: /* frames go out, with errors or without */
        for (uint32_t i = 0; i < index; i++)
            rings->tx[(gem->tx_clean + i) % RING_SIZE].control |= TX_DONE | (choice & 1 ? TX_ERRORS : 0);
        break;
    case 4:
        for (uint32_t i = 0; i < index; i++)
            send(gem, PACKET_LENGTH_MIN + next() * 8, choice & 1 ? (uint8_t)next() : 0);
        gem->nic.kick(&gem->nic);
        break;
    case 5:
        fake_pass(index * 20000000ull);
        break;
    case 6:
        fake_run();
        break;
    default:
        fake_interrupt();
        break;
    }
}

/* Finding the device takes much of an input and of a second: for few inputs it is done anew. */
static struct gem *begin(void)
{
    static struct gem *gem;

    honest = !gem || next() != 0xff;
    handed_on = 0;
    fake_pci_reset();
    fake_look_ns = 100000;
    if (!gem || !honest) {
        if (gem) {
            free(gem->rx_buffers);
            free(gem->tx_buffers);
            free(gem);
        }
        nic_count = gem_count = 0;
        gem_start();
        gem = (struct gem *)nic_get(0);
        if (!gem)
            abort();
        gem->nic.user = gem;
        gem->nic.receive = receive;
    } else {
        fake_handler = &gem->handler;
        gem->source.pending = gem->failed = false;
        gem->nic.rx_packets = gem->nic.resets = 0;
        gem->nic.link_up = true;
        start(gem);
        loop_timer_set(&gem->timer, LOOK_NS);
    }
    honest = false;
    return gem;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gem *gem;

    script = data;
    left = size;
    gem = begin();
    for (uint32_t i = 0; left && i < STEPS_MAX; i++)
        step(gem);
    fake_run();
    if (gem->nic.rx_packets != handed_on)
        abort();
    honest = true;
    for (uint32_t i = 0; i < 2; i++) { /* all that waits goes out; what was stopped begins anew */
        for (uint32_t at = 0; at < RING_SIZE; at++)
            gem->rings->tx[at].control |= TX_DONE;
        fake_interrupt();
        fake_pass(2 * LOOK_NS);
    }
    if (!gem->failed && (gem->stopped || !gem->nic.link_up || !send(gem, FRAME_MAX, 0)))
        abort();
    return 0;
}
