/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cadence's gigabit Ethernet controller as the Zynq UltraScale+ has it (AMD UG1085, chapter 34; registers: UG1087,
 * GEM). One queue each way, 64-bit addresses, one buffer a frame, all checksums in software: the device would put right
 * what others have sent wrong.
 *
 * It does not see the caches: its descriptors are not cached, frames are cleaned before it reads and discarded after it
 * wrote. Clocks, pins and the PHY's delays are the firmware's, so the PHY offers nothing but 1000BASE-T, which that
 * clock is for.
 *
 * What it says of a frame is checked. After an error of its DMA, or when it does not go on sending, it begins anew.
 */
#include <devices/nic/nic.h>
#include <lib/native.h>
#include <lib/tree.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/loop.h>
#include <mgmt/module.h>
#include <stdlib.h>
#include <string.h>

#define GEMS_MAX 4u
#define RING_SIZE 256u
#define BUFFER_SIZE 2048u
#define FRAME_MAX 1518u /* with a VLAN tag, without check sequence */
#define RX_BURST 64u    /* frames a turn of the loop */
#define HANG_NS 2000000000ull
#define STOP_LIMIT_NS 1000000ull
#define MDIO_LIMIT_NS 1000000ull
#define LOOK_NS 1000000000ull   /* at link and counters */
#define RESTART_NS 100000000ull /* after an error */

#define NETWORK_CONTROL 0x000u
#define CONTROL_RECEIVE (1u << 2)
#define CONTROL_TRANSMIT (1u << 3)
#define CONTROL_MDIO (1u << 4)
#define CONTROL_CLEAR_COUNTERS (1u << 5)
#define CONTROL_START (1u << 9)
#define CONTROL_RUNNING (CONTROL_RECEIVE | CONTROL_TRANSMIT | CONTROL_MDIO)
#define NETWORK_CONFIG 0x004u
/* Full duplex, all addresses, 1536 bytes, gigabit, check sequence left out, MDC: clock / 64, 64-bit bus */
#define CONFIG_WANTED (1u << 1 | 1u << 4 | 1u << 8 | 1u << 10 | 1u << 17 | 4u << 18 | 1u << 21)
#define NETWORK_STATUS 0x008u
#define STATUS_MDIO_IDLE (1u << 2)
#define DMA_CONFIG 0x010u
/* Bursts of 16, all of the packet buffers, 64-bit addresses */
#define DMA_WANTED (16u | 3u << 8 | 1u << 10 | BUFFER_SIZE / 64 << 16 | 1u << 30)
#define TRANSMIT_STATUS 0x014u
#define TRANSMIT_GOES (1u << 3)
#define RECEIVE_BASE 0x018u
#define TRANSMIT_BASE 0x01cu
#define RECEIVE_STATUS 0x020u
#define INT_STATUS 0x024u
#define INT_ENABLE 0x028u
#define INT_DISABLE 0x02cu
#define INT_RECEIVED (1u << 1)
#define INT_RECEIVE_USED (1u << 2)  /* no buffer */
#define INT_TRANSMIT_USED (1u << 3) /* nothing more to send */
#define INT_UNDER_RUN (1u << 4)
#define INT_RETRY_LIMIT (1u << 5)
#define INT_AMBA_ERROR (1u << 6)
#define INT_OVERRUN (1u << 10)
#define INT_RESPONSE (1u << 11) /* the bus refused */
#define INT_ERRORS (INT_UNDER_RUN | INT_RETRY_LIMIT | INT_AMBA_ERROR | INT_RESPONSE)
#define INT_WANTED (INT_RECEIVED | INT_RECEIVE_USED | INT_TRANSMIT_USED | INT_OVERRUN | INT_ERRORS)
#define PHY_MANAGEMENT 0x034u
#define PHY_READ (1u << 30 | 2u << 28 | 2u << 16)
#define PHY_WRITE (1u << 30 | 1u << 28 | 2u << 16)
#define ADDRESS_LOW 0x088u
#define ADDRESS_HIGH 0x08cu
#define LOST_FIRST 0x184u /* counters, which reading clears, of frames that it did not pass on: undersize ... */
#define LOST_LAST 0x1a4u  /* ... overrun */
#define DESIGN_QUEUES 0x294u
#define QUEUES_MASK 0xfeu
#define TRANSMIT_BASE_OF(queue) (0x440u + 4 * ((queue)-1))
#define RECEIVE_BASE_OF(queue) (0x480u + 4 * ((queue)-1))
#define INT_DISABLE_OF(queue) (0x620u + 4 * ((queue)-1))
#define TRANSMIT_BASE_UPPER 0x4c8u
#define RECEIVE_BASE_UPPER 0x4d4u
#define REGISTERS_SIZE 0x1000u

/* In a descriptor's address, and its control */
#define RX_DONE 1u
#define RX_WRAP 2u
#define RX_LENGTH 0x1fffu
#define RX_WHOLE (3u << 14) /* begins and ends there */
#define TX_LAST (1u << 15)
#define TX_ERRORS (1u << 27 | 1u << 28 | 1u << 29)
#define TX_WRAP (1u << 30)
#define TX_DONE (1u << 31)

/* PHY registers (IEEE 802.3, clause 22) */
#define PHYS 32u
#define PHY_NONE PHYS
#define PHY_CONTROL 0u
#define PHY_CONTROL_NEGOTIATE (1u << 12 | 1u << 9)
#define PHY_STATUS 1u
#define PHY_STATUS_LINK (1u << 2)
#define PHY_IDENTIFIER 2u
#define PHY_OFFERS 4u
#define PHY_OFFERS_SLOW 0x03e0u
#define PHY_OFFERS_GIGABIT 9u
#define PHY_GIGABIT_MASK (3u << 8)
#define PHY_GIGABIT_FULL (2u << 8)

struct descriptor {
    uint32_t address, control, address_high, unused;
};

/* All that the device writes to, beside receive buffers. In one block of 4 GiB, as the upper halves of bases are one
 * register. */
struct rings {
    struct descriptor rx[RING_SIZE], tx[RING_SIZE];
    struct descriptor rx_idle, tx_idle; /* of the queues that are not used */
    uint8_t rest[4096 - 2 * sizeof(struct descriptor)];
} __attribute__((aligned(16384)));

struct gem {
    struct nic nic;
    uintptr_t registers;
    struct rings *rings;
    uint8_t *rx_buffers, *tx_buffers; /* one a descriptor */
    struct loop_source source;
    struct loop_timer timer;
    struct interrupt_handler handler;
    uint32_t phy;
    uint32_t rx_next;  /* the one that the device fills next */
    uint32_t tx_next;  /* the first free one */
    uint32_t tx_clean; /* the first that the device may still have */
    bool tx_added;
    uint64_t tx_full_ns; /* since when the oldest frame keeps others out; 0: it does not */
    bool stopped;        /* until the timer's next turn */
    bool failed;
};

/* The program's data, not its heap: in pages of their own. */
static struct rings all_rings[GEMS_MAX];
static uint32_t gem_count;

static uint32_t get(const struct gem *gem, uint32_t offset)
{
    return mmio_read32(gem->registers + offset);
}

static INTERRUPT_CONTEXT void set(const struct gem *gem, uint32_t offset, uint32_t value)
{
    mmio_write32(gem->registers + offset, value);
}

/* False: not within the limit. */
static bool wait_bit(const struct gem *gem, uint32_t offset, uint32_t bit, bool is_set, uint64_t limit_ns)
{
    uint64_t end = time_ns() + limit_ns;

    while (!(get(gem, offset) & bit) == is_set)
        if (time_ns() > end)
            return false;
    return true;
}

/* --- PHY --- */

/* What was read; all ones: nobody answered, or not in time. */
static uint32_t phy_access(const struct gem *gem, uint32_t phy, uint32_t index, uint32_t what)
{
    if (!wait_bit(gem, NETWORK_STATUS, STATUS_MDIO_IDLE, true, MDIO_LIMIT_NS))
        return 0xffff;
    set(gem, PHY_MANAGEMENT, what | phy << 23 | index << 18);
    if (!wait_bit(gem, NETWORK_STATUS, STATUS_MDIO_IDLE, true, MDIO_LIMIT_NS))
        return 0xffff;
    return get(gem, PHY_MANAGEMENT) & 0xffff;
}

static uint32_t phy_read(const struct gem *gem, uint32_t index)
{
    return phy_access(gem, gem->phy, index, PHY_READ);
}

static void phy_write(const struct gem *gem, uint32_t index, uint32_t value)
{
    phy_access(gem, gem->phy, index, PHY_WRITE | value);
}

static uint32_t phy_find(const struct gem *gem)
{
    for (uint32_t phy = 0; phy < PHYS; phy++) {
        uint32_t identifier = phy_access(gem, phy, PHY_IDENTIFIER, PHY_READ);

        if (identifier && identifier != 0xffff)
            return phy;
    }
    return PHY_NONE;
}

/* A link that is up already stays so, if the PHY offers what it should. */
static void phy_start(const struct gem *gem)
{
    uint32_t slow, gigabit;

    if (gem->phy == PHY_NONE)
        return;
    slow = phy_read(gem, PHY_OFFERS);
    gigabit = phy_read(gem, PHY_OFFERS_GIGABIT);
    if (!(slow & PHY_OFFERS_SLOW) && (gigabit & PHY_GIGABIT_MASK) == PHY_GIGABIT_FULL)
        return;
    phy_write(gem, PHY_OFFERS, slow & ~PHY_OFFERS_SLOW);
    phy_write(gem, PHY_OFFERS_GIGABIT, (gigabit & ~PHY_GIGABIT_MASK) | PHY_GIGABIT_FULL);
    phy_write(gem, PHY_CONTROL, phy_read(gem, PHY_CONTROL) | PHY_CONTROL_NEGOTIATE);
}

/* Without a PHY that answers, the wires end in something that is always there. */
static bool link_is_up(const struct gem *gem)
{
    uint32_t status;

    if (gem->phy == PHY_NONE)
        return true;
    phy_read(gem, PHY_STATUS); /* a link that was lost since the last look shows once */
    status = phy_read(gem, PHY_STATUS);
    return status != 0xffff && status & PHY_STATUS_LINK;
}

/* --- Receiving --- */

static void put_address(volatile struct descriptor *at, const void *buffer, uint32_t flags)
{
    at->address_high = (uint32_t)((uintptr_t)buffer >> 32);
    device_store_barrier();
    at->address = (uint32_t)(uintptr_t)buffer | flags;
}

static void rx_give(struct gem *gem, uint32_t index)
{
    volatile struct descriptor *at = &gem->rings->rx[index];

    at->control = 0;
    put_address(at, gem->rx_buffers + index * BUFFER_SIZE, index == RING_SIZE - 1 ? RX_WRAP : 0);
}

static void hand_on(struct gem *gem, uint8_t *frame, uint32_t length)
{
    struct segment segment[2];
    struct packet packet = {.length = length, .segment = segment, .segments = 2};
    uint32_t head = length < PACKET_HEAD ? length : PACKET_HEAD;

    memory_discard(frame, length);
    /* Segment 0 is the copy that is looked at, the buffer follows without it. */
    memcpy(packet.head, frame, head);
    segment[0] = (struct segment){packet.head, head};
    segment[1] = (struct segment){frame + head, length - head};
    packet.segments = length > head ? 2 : 1;
    gem->nic.rx_packets++;
    gem->nic.rx_bytes += length;
    if (gem->nic.receive)
        gem->nic.receive(gem->nic.user, &packet);
}

static bool rx_waits(const struct gem *gem)
{
    const volatile struct descriptor *at = &gem->rings->rx[gem->rx_next];

    return at->address & RX_DONE;
}

/* Takes one buffer off the ring; false: there is none. */
static bool receive_one(struct gem *gem)
{
    uint32_t index = gem->rx_next, control, length;
    const volatile struct descriptor *at = &gem->rings->rx[index];

    if (!rx_waits(gem))
        return false;
    device_load_barrier();
    control = at->control;
    length = control & RX_LENGTH;
    if ((control & RX_WHOLE) != RX_WHOLE || length < PACKET_LENGTH_MIN || length > BUFFER_SIZE)
        gem->nic.rx_dropped++;
    else
        hand_on(gem, gem->rx_buffers + index * BUFFER_SIZE, length);
    rx_give(gem, index);
    gem->rx_next = (index + 1) % RING_SIZE;
    return true;
}

/* --- Sending --- */

static void tx_reclaim(struct gem *gem)
{
    uint32_t before = gem->tx_clean;

    for (; gem->tx_clean != gem->tx_next; gem->tx_clean = (gem->tx_clean + 1) % RING_SIZE) {
        uint32_t control = *(volatile uint32_t *)&gem->rings->tx[gem->tx_clean].control;

        if (!(control & TX_DONE))
            break;
        gem->nic.tx_dropped += (control & TX_ERRORS) != 0;
    }
    if (gem->tx_clean != before)
        gem->tx_full_ns = 0;
}

static void stop_for_now(struct gem *gem)
{
    gem->stopped = true;
    loop_timer_set(&gem->timer, RESTART_NS);
}

/* The oldest frame is in the way of another. It has its time, while there is a link. */
static void tx_full(struct gem *gem)
{
    uint64_t now = time_ns();

    if (!gem->tx_full_ns || !gem->nic.link_up)
        gem->tx_full_ns = now;
    else if (now - gem->tx_full_ns > HANG_NS && !gem->stopped)
        stop_for_now(gem);
}

static bool tx_room(struct gem *gem)
{
    if ((gem->tx_next + 1) % RING_SIZE == gem->tx_clean)
        tx_reclaim(gem);
    return (gem->tx_next + 1) % RING_SIZE != gem->tx_clean;
}

static bool transmit(struct nic *nic, const struct packet *packet)
{
    struct gem *gem = (struct gem *)nic;
    uint32_t index = gem->tx_next;
    volatile struct descriptor *at = &gem->rings->tx[index];
    uint8_t *to = gem->tx_buffers + index * BUFFER_SIZE;
    bool room = tx_room(gem);

    if (gem->failed || gem->stopped || !room || packet->length > FRAME_MAX ||
        packet->offload.flags & VIRTIO_NET_NEEDS_CSUM) {
        if (!room)
            tx_full(gem);
        nic->tx_dropped++;
        return false;
    }
    segments_read(packet->segment, packet->segments, 0, to, packet->length);
    memory_clean(to, packet->length);
    put_address(at, to, 0);
    device_store_barrier();
    at->control = packet->length | TX_LAST | (index == RING_SIZE - 1 ? TX_WRAP : 0);
    gem->tx_next = (index + 1) % RING_SIZE;
    gem->tx_added = true;
    nic->tx_packets++;
    nic->tx_bytes += packet->length;
    return true;
}

static void kick(struct nic *nic)
{
    struct gem *gem = (struct gem *)nic;

    if (gem->failed || gem->stopped || !gem->tx_added)
        return;
    gem->tx_added = false;
    device_barrier();
    set(gem, NETWORK_CONTROL, CONTROL_RUNNING | CONTROL_START);
}

/* --- Life of the device --- */

/* Nothing of it touches memory any more. */
static void stop(struct gem *gem)
{
    uint32_t queues = get(gem, DESIGN_QUEUES) & QUEUES_MASK;

    set(gem, INT_DISABLE, ~0u);
    for (uint32_t queue = 1; queue < 8; queue++)
        if (queues & 1u << queue)
            set(gem, INT_DISABLE_OF(queue), ~0u);
    set(gem, NETWORK_CONTROL, CONTROL_MDIO);
    wait_bit(gem, TRANSMIT_STATUS, TRANSMIT_GOES, false, STOP_LIMIT_NS);
    set(gem, TRANSMIT_STATUS, ~0u);
    set(gem, RECEIVE_STATUS, ~0u);
    set(gem, INT_STATUS, get(gem, INT_STATUS)); /* cleared by the one or the other */
}

static void make_rings(struct gem *gem)
{
    struct rings *rings = gem->rings;

    memset(rings, 0, sizeof *rings);
    memory_discard(gem->rx_buffers, RING_SIZE * BUFFER_SIZE);
    for (uint32_t i = 0; i < RING_SIZE; i++) {
        rx_give(gem, i);
        rings->tx[i].control = TX_DONE | (i == RING_SIZE - 1 ? TX_WRAP : 0);
    }
    rings->rx_idle.address = RX_DONE | RX_WRAP;
    rings->tx_idle.control = TX_DONE | TX_WRAP;
    gem->rx_next = gem->tx_next = gem->tx_clean = 0;
    gem->tx_full_ns = 0;
    gem->tx_added = gem->stopped = false;
}

static void start(struct gem *gem)
{
    const struct rings *rings = gem->rings;
    uint32_t queues = get(gem, DESIGN_QUEUES) & QUEUES_MASK;
    uint64_t address = 0;

    make_rings(gem);
    set(gem, NETWORK_CONTROL, CONTROL_MDIO | CONTROL_CLEAR_COUNTERS);
    set(gem, NETWORK_CONFIG, CONFIG_WANTED);
    set(gem, DMA_CONFIG, DMA_WANTED);
    set(gem, RECEIVE_BASE_UPPER, (uint32_t)((uintptr_t)rings >> 32));
    set(gem, TRANSMIT_BASE_UPPER, (uint32_t)((uintptr_t)rings >> 32));
    set(gem, RECEIVE_BASE, (uint32_t)(uintptr_t)rings->rx);
    set(gem, TRANSMIT_BASE, (uint32_t)(uintptr_t)rings->tx);
    for (uint32_t queue = 1; queue < 8; queue++)
        if (queues & 1u << queue) {
            set(gem, RECEIVE_BASE_OF(queue), (uint32_t)(uintptr_t)&rings->rx_idle);
            set(gem, TRANSMIT_BASE_OF(queue), (uint32_t)(uintptr_t)&rings->tx_idle);
        }
    memcpy(&address, gem->nic.mac, sizeof gem->nic.mac);
    set(gem, ADDRESS_LOW, (uint32_t)address);
    set(gem, ADDRESS_HIGH, (uint32_t)(address >> 32));
    device_barrier();
    set(gem, NETWORK_CONTROL, CONTROL_RUNNING);
    set(gem, INT_ENABLE, INT_WANTED);
}

static void set_link(struct gem *gem, bool up)
{
    if (gem->nic.link_up == up)
        return;
    gem->nic.link_up = up;
    if (gem->nic.link_changed)
        gem->nic.link_changed(gem->nic.user);
}

static void fail(struct gem *gem, const char *why)
{
    bulkhead_log("gem at %lx: %s; it is not used any more", (unsigned long)gem->registers, why);
    set(gem, NETWORK_CONTROL, 0);
    gem->failed = true;
    set_link(gem, false);
}

/* Once a second, and soon after an error. */
static void look(struct loop_timer *timer)
{
    struct gem *gem = timer->owner;

    if (gem->failed)
        return;
    if (gem->stopped) {
        gem->nic.resets++;
        if (!(gem->nic.resets & (gem->nic.resets - 1))) /* ever more seldom */
            bulkhead_log("gem at %lx: an error of its DMA, or it does not go on sending; reset number %lu",
                         (unsigned long)gem->registers, (unsigned long)gem->nic.resets);
        stop(gem);
        start(gem);
    }
    for (uint32_t counter = LOST_FIRST; counter <= LOST_LAST; counter += 4)
        gem->nic.rx_dropped += get(gem, counter) & 0xffff;
    set_link(gem, link_is_up(gem));
    loop_timer_set(timer, LOOK_NS);
}

static void serve(struct loop_source *source)
{
    struct gem *gem = source->owner;
    uint32_t frames = 0, causes;

    if (gem->failed || gem->stopped)
        return;
    causes = get(gem, INT_STATUS);
    set(gem, INT_STATUS, causes);
    if (causes == ~0u) {
        fail(gem, "does not answer any more");
        return;
    }
    while (frames < RX_BURST && receive_one(gem))
        frames++;
    if (frames && gem->nic.receive_end)
        gem->nic.receive_end(gem->nic.user);
    if (causes & INT_ERRORS) {
        set(gem, NETWORK_CONTROL, CONTROL_MDIO);
        stop_for_now(gem);
        return;
    }
    if (causes & (INT_RECEIVE_USED | INT_OVERRUN)) /* there are buffers again */
        set(gem, NETWORK_CONTROL, CONTROL_RUNNING);
    /* What was added while it looked for the last time has to be told of again. */
    tx_reclaim(gem);
    if (causes & INT_TRANSMIT_USED && gem->tx_clean != gem->tx_next)
        set(gem, NETWORK_CONTROL, CONTROL_RUNNING | CONTROL_START);
    if (frames == RX_BURST) {
        loop_signal(source);
        return;
    }
    set(gem, INT_ENABLE, INT_WANTED);
    if (rx_waits(gem)) /* since the last look: what comes while interrupts are off may raise none */
        loop_signal(source);
}

static INTERRUPT_CONTEXT void interrupted(struct interrupt_handler *handler)
{
    struct gem *gem = handler->owner;

    set(gem, INT_DISABLE, ~0u);
    loop_signal(&gem->source);
}

/* --- Finding it --- */

static void *allocate(size_t size)
{
    void *memory = aligned_alloc(BUFFER_SIZE, (size + BUFFER_SIZE - 1) & ~(size_t)(BUFFER_SIZE - 1));

    if (!memory)
        panic("no memory for a network device");
    return memset(memory, 0, size);
}

static bool is_address(const uint8_t mac[6])
{
    static const uint8_t none[6];

    return !(mac[0] & 1) && memcmp(mac, none, sizeof none);
}

/* The device tree's, the one that firmware left in the device, the configuration's. Else one of our own, that is
 * another after each start. */
static void choose_address(struct gem *gem, int node, uint32_t index)
{
    uint64_t left = get(gem, ADDRESS_LOW) | (uint64_t)(get(gem, ADDRESS_HIGH) & 0xffff) << 32;
    uint64_t configured = __builtin_bswap64(CONFIG_GEM_MAC) >> 16;
    uint8_t *mac = gem->nic.mac;

    if ((tree_bytes(node, "local-mac-address", mac, 6) || tree_bytes(node, "mac-address", mac, 6)) && is_address(mac))
        return;
    memcpy(mac, &left, 6);
    if (is_address(mac))
        return;
    memcpy(mac, &configured, 6);
    mac[5] = (uint8_t)(mac[5] + index);
    if (configured && is_address(mac))
        return;
    left = counter_read() * 0x9e3779b97f4a7c15ull;
    memcpy(mac, (uint8_t *)&left + 2, 6);
    mac[0] = (uint8_t)((mac[0] & 0xfc) | 2);
    bulkhead_log("gem at %lx: nobody gives it an address; it takes one for this start", (unsigned long)gem->registers);
}

static void probe(int node)
{
    struct tree_range registers = tree_reg(node, 0);
    struct gem *gem;
    uint32_t interrupt;
    bool level = false;

    if (registers.size < REGISTERS_SIZE || gem_count == GEMS_MAX)
        return;
    memory_map(registers.base, registers.size, MEMORY_DEVICE);
    gem = allocate(sizeof *gem);
    gem->registers = registers.base;
    gem->rings = &all_rings[gem_count];
    stop(gem); /* firmware's or a former life's rings */
    memory_uncache(gem->rings, sizeof *gem->rings);
    gem->rx_buffers = allocate(RING_SIZE * BUFFER_SIZE);
    gem->tx_buffers = allocate(RING_SIZE * BUFFER_SIZE);
    gem->source = (struct loop_source){.run = serve, .owner = gem};
    gem->timer = (struct loop_timer){.run = look, .owner = gem};
    gem->handler = (struct interrupt_handler){.handle = interrupted, .owner = gem, .name = "gem"};
    interrupt = tree_interrupt(node, 0, &level);
    if (!interrupt || !interrupt_register(interrupt, level, &gem->handler)) {
        bulkhead_log("gem at %lx: it has no interrupt; not used", (unsigned long)gem->registers);
        return;
    }
    choose_address(gem, node, gem_count++);
    set(gem, NETWORK_CONFIG, CONFIG_WANTED); /* MDC's clock */
    gem->phy = phy_find(gem);
    phy_start(gem);
    gem->nic.link_up = link_is_up(gem);
    gem->nic.transmit = transmit;
    gem->nic.kick = kick;
    start(gem);
    nic_add(&gem->nic);
    loop_timer_set(&gem->timer, LOOK_NS);
    loop_signal(&gem->source);
}

static void gem_start(void)
{
    static const char *const compatible[] = {"xlnx,zynqmp-gem", "cdns,zynqmp-gem"}; /* the latter: in older trees */

    for (uint32_t i = 0; i < sizeof compatible / sizeof *compatible; i++)
        for (int node = -1; (node = tree_compatible(node, compatible[i])) >= 0;)
            probe(node);
}
MODULE(MODULE_DEVICE, gem, gem_start);
