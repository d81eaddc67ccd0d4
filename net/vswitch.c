/* SPDX-License-Identifier: Apache-2.0 */
#include <net/offload.h>
#include <net/vswitch.h>
#include <string.h>

enum {
    ETHERNET_HEADER = 14,
    TAG = 4,
    TYPE_OFFSET = 12,
    TPID_CUSTOMER = 0x8100,
    TPID_SERVICE = 0x88a8,
    TPID_OLD_SERVICE = 0x9100,
    VLAN_MASK = 0xfff,
    VLAN_LAST = 4094,
    WAYS = 4,
    SETS = VSWITCH_ADDRESSES_MAX / WAYS,
    GUEST_ADDRESSES = 64,
    UPLINK_ADDRESSES = VSWITCH_ADDRESSES_MAX / 2,
};

struct vswitch_port {
    const struct vswitch_port_operations *operations;
    void *owner;
    struct vswitch_port *next; /* of the same switch */
    uint64_t address;          /* configured; 0: none */
    const struct vlan_range *allowed;
    uint32_t addresses; /* learned */
    uint32_t addresses_max;
    uint32_t offloads;
    uint16_t vlan;
    uint8_t switch_id;
    uint8_t index;
    uint8_t mode;
    bool up, uplink;
    bool dirty; /* something was delivered since the last flush */
    const char *name;
    struct vswitch_port_counters counters;
};

/* An address in its VLAN and switch; 0: an empty place. The key holds all three: switch << 60 | VLAN << 48 | address.
 */
struct entry {
    uint64_t key;
    uint8_t port;
    uint8_t age; /* ticks since it was seen */
};

static struct vswitch_port ports_of_all[VSWITCH_PORTS_MAX];
static uint32_t ports_in_use;
static struct vswitch_port *first_port[VSWITCH_SWITCHES_MAX];
static struct entry table[VSWITCH_ADDRESSES_MAX]; /* sets of WAYS */
static uint8_t dirty_ports[VSWITCH_PORTS_MAX];
static uint32_t dirty_count;

/* What the switch decides by, read from the packet's private head. */
struct frame {
    uint64_t destination, source;
    uint16_t vlan;
    bool tagged;
    bool inner_tag; /* a second tag follows, which must not come to light */
};

/* A packet in the other form: with a tag when it came without one, and the other way round. */
struct reframed {
    bool made;
    struct packet packet;
    struct segment segment[PACKET_SEGMENTS_MAX + 1];
};

static uint64_t address_of(const uint8_t bytes[6])
{
    uint64_t address = 0;

    for (int i = 0; i < 6; i++)
        address = address << 8 | bytes[i];
    return address;
}

static void address_bytes(uint64_t address, uint8_t bytes[6])
{
    for (int i = 5; i >= 0; i--, address >>= 8)
        bytes[i] = (uint8_t)address;
}

static bool is_group(uint64_t address)
{
    return address >> 40 & 1;
}

/* IEEE 802.1Q table 8-1: a bridge does not forward 01-80-c2-00-00-0x. */
static bool is_reserved(uint64_t address)
{
    return address >> 4 == 0x0180c200000;
}

static uint16_t read16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static bool is_tag(uint16_t type)
{
    return type == TPID_CUSTOMER || type == TPID_SERVICE || type == TPID_OLD_SERVICE;
}

struct vswitch_port *vswitch_port_add(uint32_t switch_id, const char *name, const struct port_config *config,
                                      const struct vswitch_port_operations *operations, void *owner)
{
    struct vswitch_port *port, **last;

    if (ports_in_use == VSWITCH_PORTS_MAX || switch_id >= VSWITCH_SWITCHES_MAX)
        return NULL;
    port = &ports_of_all[ports_in_use];
    *port = (struct vswitch_port){
        .operations = operations,
        .owner = owner,
        .name = name,
        .switch_id = (uint8_t)switch_id,
        .index = (uint8_t)ports_in_use,
        .mode = config ? config->mode : PORT_TRUNK,
        .uplink = !config,
        .addresses_max = config ? GUEST_ADDRESSES : UPLINK_ADDRESSES,
    };
    if (config) {
        port->vlan = config->vlan;
        port->allowed = config->allowed;
        port->address = address_of(config->mac);
    }
    ports_in_use++;
    for (last = &first_port[switch_id]; *last; last = &(*last)->next)
        ;
    *last = port;
    return port;
}

void vswitch_port_offloads(struct vswitch_port *port, uint32_t offloads)
{
    port->offloads = offloads;
}

void vswitch_port_link(struct vswitch_port *port, bool up)
{
    port->up = up;
    if (up)
        return;
    for (struct entry *entry = table; entry < table + VSWITCH_ADDRESSES_MAX; entry++) {
        if (entry->key && entry->port == port->index)
            entry->key = 0;
    }
    port->addresses = 0;
}

/* How a port carries a VLAN. */
enum carriage { CARRY_NOT, CARRY_UNTAGGED, CARRY_TAGGED };

static enum carriage carriage(const struct vswitch_port *port, uint16_t vlan)
{
    if (vlan == port->vlan)
        return CARRY_UNTAGGED;
    if (port->mode != PORT_TRUNK)
        return CARRY_NOT;
    if (port->uplink)
        return CARRY_TAGGED;
    for (const struct vlan_range *range = port->allowed; range && range->first; range++) {
        if (vlan >= range->first && vlan <= range->last)
            return CARRY_TAGGED;
    }
    return CARRY_NOT;
}

static struct entry *set_of(uint64_t key)
{
    return &table[WAYS * ((key * 0x9e3779b97f4a7c15ull) >> 56)];
}
_Static_assert(SETS == 256, "set_of() takes 8 bits of the hash");

static uint64_t key_of(const struct vswitch_port *port, uint16_t vlan, uint64_t address)
{
    return (uint64_t)port->switch_id << 60 | (uint64_t)vlan << 48 | address;
}

static struct entry *find(uint64_t key)
{
    struct entry *set = set_of(key);

    for (int i = 0; i < WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
    }
    return NULL;
}

/* The port of `port`'s switch that is configured with this address. */
static struct vswitch_port *configured(const struct vswitch_port *port, uint64_t address)
{
    struct vswitch_port *other;

    for (other = first_port[port->switch_id]; other && other->address != address; other = other->next)
        ;
    return other;
}

/* A place in the key's set: an empty one, else the one least recently seen, of this port's own when it has its share.
 */
static struct entry *place(struct vswitch_port *port, uint64_t key)
{
    struct entry *set = set_of(key), *best = NULL;
    bool full = port->addresses >= port->addresses_max;

    for (int i = 0; i < WAYS; i++) {
        if (full && (!set[i].key || set[i].port != port->index))
            continue;
        if (!set[i].key)
            return &set[i];
        if (!best || set[i].age > best->age)
            best = &set[i];
    }
    return best;
}

/* Notes where `source` is. False: it is another port's configured address. */
static bool learn(struct vswitch_port *port, const struct frame *frame)
{
    uint64_t key = key_of(port, frame->vlan, frame->source);
    struct entry *entry = find(key);
    struct vswitch_port *owner;

    if (entry && entry->port == port->index) {
        entry->age = 0;
        return true;
    }
    owner = configured(port, frame->source);
    if (owner && owner != port)
        return false;
    if (!entry)
        entry = place(port, key);
    if (!entry)
        return true;
    if (entry->key)
        ports_of_all[entry->port].addresses--;
    *entry = (struct entry){.key = key, .port = port->index};
    port->addresses++;
    return true;
}

/* Reads the private head. False: no frame that a switch may forward. */
static bool parse(const struct packet *packet, struct frame *frame)
{
    const uint8_t *head = packet->head;

    if (packet->length < PACKET_LENGTH_MIN || packet->length > PACKET_LENGTH_MAX || packet->segments == 0 ||
        packet->segments > PACKET_SEGMENTS_MAX)
        return false;
    frame->destination = address_of(head);
    frame->source = address_of(head + 6);
    frame->tagged = is_tag(read16(head + TYPE_OFFSET));
    frame->vlan = 0;
    frame->inner_tag = false;
    if (frame->tagged) {
        if (packet->length < ETHERNET_HEADER + TAG)
            return false;
        frame->vlan = read16(head + ETHERNET_HEADER) & VLAN_MASK;
        frame->inner_tag = is_tag(read16(head + ETHERNET_HEADER + 2));
    }
    /* A checksum that is stored later must not fall on what is decided by here. */
    if ((packet->offload.flags & VIRTIO_NET_NEEDS_CSUM) &&
        packet->offload.csum_start < ETHERNET_HEADER + (frame->tagged ? TAG : 0))
        return false;
    /* Zero is nobody's address: in the table and in ports it says that there is none. */
    return frame->destination != 0 && frame->source != 0 && !is_group(frame->source);
}

/* Makes `to` the packet with `header` in place of its first `skip` bytes, without touching the rest. */
static void replace_header(struct reframed *to, const struct packet *packet, const uint8_t *header, uint32_t size,
                           uint32_t skip)
{
    int32_t grown = (int32_t)size - (int32_t)skip;
    uint32_t head_length, taken, count = 1;
    struct packet *made = &to->packet;

    made->offload = packet->offload;
    if (made->offload.flags & VIRTIO_NET_NEEDS_CSUM)
        made->offload.csum_start = (uint16_t)(made->offload.csum_start + grown);
    if (made->offload.gso_type)
        made->offload.header_length = (uint16_t)(made->offload.header_length + grown);
    made->length = packet->length + (uint32_t)grown;
    head_length = made->length < PACKET_HEAD ? made->length : PACKET_HEAD;
    memcpy(made->head, header, size);
    taken = head_length - size + skip; /* bytes of the old frame that the new head stands for */
    if (taken <= PACKET_HEAD) {
        memcpy(made->head + size, packet->head + skip, taken - skip);
    } else {
        memcpy(made->head + size, packet->head + skip, PACKET_HEAD - skip);
        segments_read(packet->segment, packet->segments, PACKET_HEAD, made->head + size + PACKET_HEAD - skip,
                      taken - PACKET_HEAD);
    }
    to->segment[0] = (struct segment){made->head, head_length};
    for (uint32_t i = 0; i < packet->segments; i++) {
        struct segment from = packet->segment[i];

        if (taken >= from.length) {
            taken -= (uint32_t)from.length;
            continue;
        }
        to->segment[count++] = (struct segment){(uint8_t *)from.base + taken, from.length - taken};
        taken = 0;
    }
    made->segment = to->segment;
    made->segments = count;
    to->made = true;
}

static void add_tag(struct reframed *to, const struct packet *packet, uint16_t vlan)
{
    uint8_t header[ETHERNET_HEADER + TAG];

    memcpy(header, packet->head, TYPE_OFFSET);
    header[12] = TPID_CUSTOMER >> 8;
    header[13] = TPID_CUSTOMER & 0xff;
    header[14] = (uint8_t)(vlan >> 8);
    header[15] = (uint8_t)vlan;
    memcpy(header + ETHERNET_HEADER + 2, packet->head + TYPE_OFFSET, 2);
    replace_header(to, packet, header, sizeof(header), ETHERNET_HEADER);
}

static void remove_tag(struct reframed *to, const struct packet *packet)
{
    uint8_t header[ETHERNET_HEADER];

    memcpy(header, packet->head, TYPE_OFFSET);
    memcpy(header + TYPE_OFFSET, packet->head + ETHERNET_HEADER + 2, 2);
    replace_header(to, packet, header, sizeof(header), ETHERNET_HEADER + TAG);
}

static void deliver(struct vswitch_port *port, const struct packet *packet)
{
    bool taken;

    if (offload_fits(&packet->offload, port->offloads))
        taken = port->operations->deliver(port->owner, packet);
    else
        taken = offload_deliver(packet, port->operations->deliver, port->owner);
    if (!port->dirty) {
        port->dirty = true;
        dirty_ports[dirty_count++] = port->index;
    }
    if (taken) {
        port->counters.tx_packets++;
        port->counters.tx_bytes += packet->length;
    } else {
        port->counters.tx_dropped++;
    }
}

/* Gives the frame to one port in the form in which that carries it. False: it cannot. */
static bool forward(const struct vswitch_port *from, struct vswitch_port *to, const struct packet *packet,
                    const struct frame *frame, struct reframed *other)
{
    enum carriage carry = carriage(to, frame->vlan);

    if (to == from || !to->up || carry == CARRY_NOT || (from->uplink && to->uplink))
        return true;
    if (frame->tagged == (carry == CARRY_TAGGED)) {
        deliver(to, packet);
        return true;
    }
    if (frame->tagged && frame->inner_tag)
        return false;
    if (!other->made && frame->tagged)
        remove_tag(other, packet);
    else if (!other->made)
        add_tag(other, packet, frame->vlan);
    if (other->packet.length > PACKET_LENGTH_MAX || other->packet.segments > PACKET_SEGMENTS_MAX)
        return false;
    deliver(to, &other->packet);
    return true;
}

static void input(struct vswitch_port *port, const struct packet *packet, struct frame *frame)
{
    struct vswitch_port *to = NULL;
    struct reframed other;
    bool forwarded = true;

    if (!frame->tagged) {
        frame->vlan = port->vlan;
    } else if (read16(packet->head + TYPE_OFFSET) != TPID_CUSTOMER || frame->vlan > VLAN_LAST ||
               port->mode != PORT_TRUNK || carriage(port, frame->vlan) == CARRY_NOT) {
        port->counters.vlan_dropped++;
        return;
    }
    if (is_reserved(frame->destination) || !learn(port, frame)) {
        port->counters.rx_dropped++;
        return;
    }
    port->counters.rx_packets++;
    port->counters.rx_bytes += packet->length;
    other.made = false;
    if (!is_group(frame->destination)) {
        struct entry *entry = find(key_of(port, frame->vlan, frame->destination));

        to = entry ? &ports_of_all[entry->port] : configured(port, frame->destination);
    }
    if (to) {
        forwarded = forward(port, to, packet, frame, &other);
    } else {
        for (to = first_port[port->switch_id]; to; to = to->next)
            forwarded &= forward(port, to, packet, frame, &other);
    }
    if (!forwarded)
        port->counters.vlan_dropped++;
}

void vswitch_input(struct vswitch_port *port, const struct packet *packet)
{
    struct frame frame;

    if (!port->up) {
        port->counters.rx_dropped++;
        return;
    }
    if (!parse(packet, &frame)) {
        port->counters.malformed++;
        return;
    }
    if (frame.tagged && frame.vlan == 0) {
        /* A priority tag: the frame is untagged, and says so from here on. */
        struct reframed bare;

        if (frame.inner_tag || read16(packet->head + TYPE_OFFSET) != TPID_CUSTOMER) {
            port->counters.vlan_dropped++;
            return;
        }
        remove_tag(&bare, packet);
        frame.tagged = false;
        input(port, &bare.packet, &frame);
        return;
    }
    input(port, packet, &frame);
}

void vswitch_malformed(struct vswitch_port *port)
{
    port->counters.malformed++;
}

void vswitch_flush(void)
{
    while (dirty_count) {
        struct vswitch_port *port = &ports_of_all[dirty_ports[--dirty_count]];

        port->dirty = false;
        port->operations->flush(port->owner);
    }
}

void vswitch_tick(void)
{
    for (struct entry *entry = table; entry < table + VSWITCH_ADDRESSES_MAX; entry++) {
        if (entry->key && ++entry->age >= VSWITCH_AGE_TICKS) {
            entry->key = 0;
            ports_of_all[entry->port].addresses--;
        }
    }
}

bool vswitch_port_view(uint32_t index, struct vswitch_port_view *view)
{
    const struct vswitch_port *port = &ports_of_all[index];

    if (index >= ports_in_use)
        return false;
    *view = (struct vswitch_port_view){
        .name = port->name,
        .switch_id = port->switch_id,
        .up = port->up,
        .uplink = port->uplink,
        .mode = port->mode,
        .vlan = port->vlan,
        .addresses = port->addresses,
        .counters = port->counters,
    };
    address_bytes(port->address, view->mac);
    return true;
}

bool vswitch_address_view(uint32_t index, struct vswitch_address_view *view)
{
    const struct entry *entry;

    if (index >= VSWITCH_ADDRESSES_MAX)
        return false;
    entry = &table[index];
    if (!entry->key)
        return false;
    *view = (struct vswitch_address_view){
        .vlan = entry->key >> 48 & VLAN_MASK,
        .switch_id = (uint32_t)(entry->key >> 60),
        .port = ports_of_all[entry->port].name,
        .age_s = entry->age * VSWITCH_TICK_S,
    };
    address_bytes(entry->key & 0xffffffffffffull, view->mac);
    return true;
}
