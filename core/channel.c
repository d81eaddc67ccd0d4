/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/guest_map.h>
#include <bulkhead/hypercall.h>
#include <core/arch.h>
#include <core/channel.h>
#include <core/deadline.h>
#include <core/interrupt.h>
#include <core/log.h>
#include <core/memory.h>

#define VIRTIO_F_VERSION_1 (1ull << 32)
#define INTERRUPT_USED 1u
#define INTERRUPT_CONFIG 2u
#define HOLD_NS 10000000000ull /* how long a driver waits for the back-end at most */
#define REGISTERS_SIZE (VIRTIO_MMIO_CONFIG + CHANNEL_CONFIG_SIZE)

struct channel {
    struct spinlock lock; /* all of the page but InterruptStatus and the counters */
    const struct channel_config *config;
    struct domain *front, *back;
    uint8_t *page;
    struct channel_state *state; /* in the page */
    uint64_t features;           /* offered */
    uint32_t queues, size;       /* likewise */
    uint32_t device_select, driver_select, queue_select;
    uint64_t held_since; /* 0: the driver does not wait */
};

static struct channel table[BULKHEAD_CHANNELS_MAX];
static struct doorbell_page *doorbells[BULKHEAD_PARTITIONS_MAX]; /* by back-end's domain */

static uint32_t get(const struct channel *channel, enum virtio_mmio_register offset)
{
    return __atomic_load_n((uint32_t *)(channel->page + offset), __ATOMIC_RELAXED);
}

static void set(struct channel *channel, enum virtio_mmio_register offset, uint32_t value)
{
    __atomic_store_n((uint32_t *)(channel->page + offset), value, __ATOMIC_RELEASE);
}

/* --- Doorbells --- */

static void ring(const struct channel *channel, uint32_t bits)
{
    struct doorbell_page *page = doorbells[channel->back->index];
    uint32_t number = (uint32_t)(channel - table);

    __atomic_fetch_or((uint32_t *)&page->channel[number], bits, __ATOMIC_RELEASE);
    if (__atomic_fetch_or((uint64_t *)&page->summary, 1ull << number, __ATOMIC_ACQ_REL) == 0)
        interrupt_raise(channel->back, GUEST_LINE_DOORBELL);
}

void channel_ring_system(uint32_t bits)
{
    struct doorbell_page *page = doorbells[0];

    if (page != NULL && __atomic_fetch_or((uint32_t *)&page->system, bits, __ATOMIC_ACQ_REL) == 0)
        interrupt_raise(&domains[0], GUEST_LINE_DOORBELL);
}

/* --- What the front-end sees --- */

static void show_features(struct channel *channel)
{
    uint64_t features = channel->features;

    set(channel, VIRTIO_MMIO_DEVICE_FEATURES,
        channel->device_select == 0   ? (uint32_t)features
        : channel->device_select == 1 ? (uint32_t)(features >> 32)
                                      : 0);
}

static struct channel_queue *selected(struct channel *channel)
{
    return channel->queue_select < channel->queues ? &channel->state->queue[channel->queue_select] : NULL;
}

static void show_queue(struct channel *channel)
{
    const struct channel_queue *queue = selected(channel);

    set(channel, VIRTIO_MMIO_QUEUE_NUM_MAX, queue != NULL ? channel->size : 0);
    set(channel, VIRTIO_MMIO_QUEUE_READY, queue != NULL ? queue->ready : 0);
}

/*
 * InterruptStatus is changed without the lock, so that a driver's acknowledgement never waits for a back-end's signal.
 * Who takes it from zero or to zero has the line follow it, and looks again: so the last change is the one that the
 * line shows.
 */
static void follow_status(struct channel *channel)
{
    uint32_t *status = (uint32_t *)(channel->page + VIRTIO_MMIO_INTERRUPT_STATUS);
    bool level;

    do {
        level = __atomic_load_n(status, __ATOMIC_SEQ_CST) != 0;
        interrupt_set_level(channel->front, guest_virtio_line(channel->config->slot), level);
    } while ((__atomic_load_n(status, __ATOMIC_SEQ_CST) != 0) != level);
}

/* True if any of `bits` was not set before. */
static bool raise_interrupt(struct channel *channel, uint32_t bits)
{
    uint32_t *status = (uint32_t *)(channel->page + VIRTIO_MMIO_INTERRUPT_STATUS);
    uint32_t old = __atomic_fetch_or(status, bits, __ATOMIC_SEQ_CST);

    if (old == 0 && bits != 0)
        follow_status(channel);
    return bits & ~old;
}

static void acknowledge(struct channel *channel, uint32_t bits)
{
    uint32_t *status = (uint32_t *)(channel->page + VIRTIO_MMIO_INTERRUPT_STATUS);
    uint32_t old = __atomic_fetch_and(status, ~bits, __ATOMIC_SEQ_CST);

    if (old != 0) /* what is left is said again: the line may count edges */
        follow_status(channel);
}

static bool in_use(const struct channel *channel)
{
    bool used = get(channel, VIRTIO_MMIO_STATUS) != 0;

    for (uint32_t i = 0; i < BULKHEAD_QUEUES_MAX; i++)
        used |= channel->state->queue[i].ready != 0;
    return used;
}

/* The back-end has let go: the device is as at boot. */
static void finish_reset(struct channel *channel)
{
    struct channel_state *state = channel->state;

    for (uint32_t i = 0; i < BULKHEAD_QUEUES_MAX; i++)
        state->queue[i] = (struct channel_queue){0};
    state->driver_features = 0;
    state->generation++;
    state->resets++;
    channel->device_select = channel->driver_select = channel->queue_select = 0;
    channel->held_since = 0;
    set(channel, VIRTIO_MMIO_STATUS, 0);
    acknowledge(channel, UINT32_MAX);
    show_features(channel);
    show_queue(channel);
    __atomic_and_fetch(&state->flags, ~(uint32_t)CHANNEL_RESETTING, __ATOMIC_RELEASE);
    for (uint32_t i = 0; i < channel->front->vcpu_count; i++)
        cpu_request(channel->front->vcpu[i]->cpu, CPU_REQUEST_POWER); /* who waited for it looks again */
}

/* Ask the back-end to let go, if there is one and it may hold something. True: it is done already. */
static bool reset(struct channel *channel)
{
    struct channel_state *state = channel->state;

    if (state->flags & CHANNEL_RESETTING)
        return false;
    if (!in_use(channel))
        return true;
    if (!(state->flags & CHANNEL_ATTACHED)) {
        finish_reset(channel);
        return true;
    }
    __atomic_or_fetch(&state->flags, CHANNEL_RESETTING, __ATOMIC_RELEASE);
    ring(channel, DOORBELL_STATUS);
    return false;
}

/* The driver has to wait for the back-end: the access is repeated, for so long. Then the device is broken. */
static enum mmio_result hold(struct channel *channel)
{
    uint64_t now = time_ns();

    if (get(channel, VIRTIO_MMIO_STATUS) & VIRTIO_STATUS_FAILED) /* it has waited once: that was all */
        return MMIO_DONE;
    if (channel->held_since == 0)
        channel->held_since = now;
    if (now - channel->held_since < HOLD_NS)
        return MMIO_RETRY;
    channel->held_since = 0;
    channel->state->failures++;
    set(channel, VIRTIO_MMIO_STATUS,
        get(channel, VIRTIO_MMIO_STATUS) | VIRTIO_STATUS_NEEDS_RESET | VIRTIO_STATUS_FAILED);
    return MMIO_DONE;
}

static enum mmio_result write_status(struct channel *channel, uint32_t status)
{
    struct channel_state *state = channel->state;
    uint32_t old = get(channel, VIRTIO_MMIO_STATUS);

    if (status == 0) {
        if (!reset(channel))
            return hold(channel);
        channel->held_since = 0;
        return MMIO_DONE;
    }
    if ((state->flags & (CHANNEL_ATTACHED | CHANNEL_RESETTING)) != CHANNEL_ATTACHED)
        return hold(channel);
    channel->held_since = 0;
    status |= old & VIRTIO_STATUS_NEEDS_RESET;
    if (!(old & VIRTIO_STATUS_FEATURES_OK) && (status & VIRTIO_STATUS_FEATURES_OK) &&
        ((state->driver_features & ~channel->features) || !(state->driver_features & VIRTIO_F_VERSION_1)))
        status &= ~(uint32_t)VIRTIO_STATUS_FEATURES_OK;
    set(channel, VIRTIO_MMIO_STATUS, status & 0xff);
    ring(channel, DOORBELL_STATUS);
    return MMIO_DONE;
}

static void write_driver_features(struct channel *channel, uint32_t value)
{
    uint64_t *features = &channel->state->driver_features;

    if (get(channel, VIRTIO_MMIO_STATUS) & VIRTIO_STATUS_FEATURES_OK)
        return;
    if (channel->driver_select == 0)
        *features = (*features & ~0xffffffffull) | value;
    else if (channel->driver_select == 1)
        *features = (*features & 0xffffffffull) | (uint64_t)value << 32;
}

static void write_ready(struct channel *channel, struct channel_queue *queue, uint32_t value)
{
    bool valid = queue->size != 0 && queue->descriptors % 16 == 0 && queue->driver % 2 == 0 && queue->device % 4 == 0;

    if (value != 0 && valid && (get(channel, VIRTIO_MMIO_STATUS) & VIRTIO_STATUS_FEATURES_OK)) {
        __atomic_store_n(&queue->ready, 1, __ATOMIC_RELEASE);
    } else if (value == 0 && queue->ready) {
        __atomic_store_n(&queue->ready, 0, __ATOMIC_RELEASE);
        ring(channel, DOORBELL_STATUS);
    }
    show_queue(channel);
}

static void write_half(uint64_t *address, bool high, uint32_t value)
{
    if (high)
        *address = (*address & 0xffffffffull) | (uint64_t)value << 32;
    else
        *address = (*address & ~0xffffffffull) | value;
}

static void write_queue(struct channel *channel, enum virtio_mmio_register offset, uint32_t value)
{
    struct channel_queue *queue = selected(channel);
    bool high = offset & 4;

    if (queue == NULL)
        return;
    if (offset == VIRTIO_MMIO_QUEUE_READY)
        return write_ready(channel, queue, value);
    if (queue->ready) /* frozen */
        return;
    switch (offset) {
    case VIRTIO_MMIO_QUEUE_NUM:
        if (value != 0 && value <= channel->size && (value & (value - 1)) == 0)
            queue->size = value;
        break;
    case VIRTIO_MMIO_QUEUE_DESC_LOW:
    case VIRTIO_MMIO_QUEUE_DESC_HIGH:
        write_half(&queue->descriptors, high, value);
        break;
    case VIRTIO_MMIO_QUEUE_DRIVER_LOW:
    case VIRTIO_MMIO_QUEUE_DRIVER_HIGH:
        write_half(&queue->driver, high, value);
        break;
    default: /* VIRTIO_MMIO_QUEUE_DEVICE_LOW, _HIGH */
        write_half(&queue->device, high, value);
        break;
    }
}

static enum mmio_result write_register(struct channel *channel, uint64_t offset, uint32_t value)
{
    switch (offset) {
    case VIRTIO_MMIO_STATUS:
        return write_status(channel, value);
    case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
        channel->device_select = value;
        show_features(channel);
        break;
    case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
        channel->driver_select = value;
        break;
    case VIRTIO_MMIO_DRIVER_FEATURES:
        write_driver_features(channel, value);
        break;
    case VIRTIO_MMIO_QUEUE_SEL:
        channel->queue_select = value;
        show_queue(channel);
        break;
    case VIRTIO_MMIO_QUEUE_NUM:
    case VIRTIO_MMIO_QUEUE_READY:
    case VIRTIO_MMIO_QUEUE_DESC_LOW:
    case VIRTIO_MMIO_QUEUE_DESC_HIGH:
    case VIRTIO_MMIO_QUEUE_DRIVER_LOW:
    case VIRTIO_MMIO_QUEUE_DRIVER_HIGH:
    case VIRTIO_MMIO_QUEUE_DEVICE_LOW:
    case VIRTIO_MMIO_QUEUE_DEVICE_HIGH:
        write_queue(channel, (enum virtio_mmio_register)offset, value);
        break;
    default: /* read-only, device-specific configuration, or nothing */
        break;
    }
    return MMIO_DONE;
}

static void notify(struct channel *channel, uint64_t queue)
{
    if (queue >= channel->queues || !__atomic_load_n(&channel->state->queue[queue].ready, __ATOMIC_RELAXED))
        return;
    channel->state->notifies++;
    ring(channel, 1u << queue);
}

static enum mmio_result channel_access(struct vcpu *vcpu, void *device, struct mmio_access *access)
{
    struct channel *channel = device;
    enum mmio_result result;

    (void)vcpu;
    if (!access->write) { /* does not trap where the page is mapped */
        access->value = 0;
        for (uint32_t i = 0; i < access->width && access->offset + i < REGISTERS_SIZE; i++)
            access->value |= (uint64_t)channel->page[access->offset + i] << 8 * i;
        return MMIO_DONE;
    }
    if (access->width != 4 || access->offset % 4 != 0)
        return MMIO_DONE;
    if (access->offset == VIRTIO_MMIO_QUEUE_NOTIFY) {
        notify(channel, access->value);
        return MMIO_DONE;
    }
    if (access->offset == VIRTIO_MMIO_INTERRUPT_ACK) {
        acknowledge(channel, (uint32_t)access->value);
        return MMIO_DONE;
    }
    spinlock_acquire(&channel->lock);
    result = write_register(channel, access->offset, (uint32_t)access->value);
    spinlock_release(&channel->lock);
    return result;
}

/* --- Boot --- */

static void add_doorbell(const struct domain *domain)
{
    if (doorbells[domain->index] == NULL)
        doorbells[domain->index] = memory_pages(1);
}

void channel_init(void)
{
    CHECK(channel_count <= BULKHEAD_CHANNELS_MAX);
    if (partition_count > 0 && (partitions[0].flags & PARTITION_MANAGEMENT))
        add_doorbell(&domains[0]);
    for (uint32_t i = 0; i < channel_count; i++) {
        struct channel *channel = &table[i];

        channel->config = &channels[i];
        channel->front = &domains[channels[i].front];
        channel->back = &domains[channels[i].back];
        channel->page = memory_pages(1);
        channel->state = (struct channel_state *)(channel->page + CHANNEL_STATE_OFFSET);
        set(channel, VIRTIO_MMIO_MAGIC, VIRTIO_MMIO_MAGIC_VALUE);
        set(channel, VIRTIO_MMIO_VERSION, 2);
        set(channel, VIRTIO_MMIO_DEVICE_ID, channels[i].device_id);
        set(channel, VIRTIO_MMIO_VENDOR_ID, BULKHEAD_VIRTIO_VENDOR);
        set(channel, VIRTIO_MMIO_SHM_LEN_LOW, UINT32_MAX);
        set(channel, VIRTIO_MMIO_SHM_LEN_HIGH, UINT32_MAX);
        add_doorbell(channel->back);
        mmio_add(channel->front, &(struct mmio_region){GUEST_VIRTIO_BASE + channels[i].slot * PAGE_SIZE, PAGE_SIZE,
                                                       channel_access, channel, EXIT_CHANNEL});
    }
}

struct hpa channel_register_page(uint32_t channel)
{
    return kernel_hpa(table[channel].page);
}

struct hpa channel_doorbell_page(const struct domain *back)
{
    return doorbells[back->index] != NULL ? kernel_hpa(doorbells[back->index]) : hpa(0);
}

/* --- Stops --- */

bool channel_reset_front(struct domain *front)
{
    bool done = true;

    for (uint32_t i = 0; i < channel_count; i++) {
        if (table[i].front != front)
            continue;
        spinlock_acquire(&table[i].lock);
        done &= reset(&table[i]);
        spinlock_release(&table[i].lock);
    }
    return done;
}

void channel_reset_back(struct domain *back)
{
    struct doorbell_page *page = doorbells[back->index];

    for (uint32_t i = 0; i < channel_count; i++) {
        if (table[i].back != back)
            continue;
        spinlock_acquire(&table[i].lock);
        __atomic_and_fetch(&table[i].state->flags, ~(uint32_t)CHANNEL_ATTACHED, __ATOMIC_RELEASE);
        if (table[i].state->flags & CHANNEL_RESETTING)
            finish_reset(&table[i]);
        page->channel[i] = 0;
        spinlock_release(&table[i].lock);
    }
    if (page != NULL) {
        page->system = 0;
        page->summary = 0;
    }
}

/* --- Hypercalls of the back-end --- */

static int64_t check_back(const struct domain *caller, uint64_t channel)
{
    if (channel >= channel_count)
        return HC_E_RANGE;
    return table[channel].back == caller ? HC_OK : HC_E_DENIED;
}

int64_t channel_signal(struct domain *caller, uint64_t number, uint64_t bits)
{
    int64_t error = check_back(caller, number);
    struct channel *channel = &table[number % BULKHEAD_CHANNELS_MAX];

    if (error != HC_OK)
        return error;
    if ((get(channel, VIRTIO_MMIO_STATUS) & VIRTIO_STATUS_DRIVER_OK) &&
        raise_interrupt(channel, (uint32_t)bits & (INTERRUPT_USED | INTERRUPT_CONFIG)))
        channel->state->interrupts++;
    return HC_OK;
}

static int64_t offer(struct channel *channel, uint64_t features, uint64_t queues, uint64_t size)
{
    if (queues < 1 || queues > BULKHEAD_QUEUES_MAX || size < 1 || size > BULKHEAD_QUEUE_SIZE_MAX || (size & (size - 1)))
        return HC_E_RANGE;
    if (channel->state->flags & CHANNEL_ATTACHED)
        return HC_E_STATE;
    /* A restarted back-end cannot take back what the driver already relies on. */
    if ((get(channel, VIRTIO_MMIO_STATUS) & VIRTIO_STATUS_FEATURES_OK) &&
        ((channel->state->driver_features & ~features) || queues != channel->queues || size != channel->size))
        return HC_E_STATE;
    channel->features = features;
    channel->queues = (uint32_t)queues;
    channel->size = (uint32_t)size;
    show_features(channel);
    show_queue(channel);
    return HC_OK;
}

static int64_t write_config(struct channel *channel, uint64_t offset, uint64_t width, uint64_t value)
{
    if ((width != 1 && width != 2 && width != 4 && width != 8) || offset > CHANNEL_CONFIG_SIZE - width)
        return HC_E_RANGE;
    for (uint64_t i = 0; i < width; i++)
        channel->page[VIRTIO_MMIO_CONFIG + offset + i] = (uint8_t)(value >> 8 * i);
    set(channel, VIRTIO_MMIO_CONFIG_GENERATION, get(channel, VIRTIO_MMIO_CONFIG_GENERATION) + 1);
    return HC_OK;
}

static int64_t attach(struct channel *channel)
{
    uint32_t bits = DOORBELL_STATUS;

    if (channel->queues == 0)
        return HC_E_STATE;
    for (uint32_t i = 0; i < BULKHEAD_QUEUES_MAX; i++)
        bits |= channel->state->queue[i].ready ? 1u << i : 0;
    __atomic_or_fetch(&channel->state->flags, CHANNEL_ATTACHED, __ATOMIC_RELEASE);
    ring(channel, bits);
    return HC_OK;
}

static int64_t reset_done(struct channel *channel)
{
    if (!(channel->state->flags & CHANNEL_RESETTING))
        return HC_E_STATE;
    finish_reset(channel);
    return HC_OK;
}

static int64_t fail(struct channel *channel)
{
    channel->state->failures++;
    set(channel, VIRTIO_MMIO_STATUS, get(channel, VIRTIO_MMIO_STATUS) | VIRTIO_STATUS_NEEDS_RESET);
    raise_interrupt(channel, INTERRUPT_CONFIG);
    return HC_OK;
}

int64_t channel_call(struct domain *caller, const uint64_t *x)
{
    int64_t result = check_back(caller, x[1]);
    struct channel *channel = &table[x[1] % BULKHEAD_CHANNELS_MAX];

    if (result != HC_OK)
        return result;
    spinlock_acquire(&channel->lock);
    switch ((uint32_t)x[0]) {
    case HC_CHANNEL_OFFER:
        result = offer(channel, x[2], x[3], x[4]);
        break;
    case HC_CHANNEL_CONFIG:
        result = write_config(channel, x[2], x[3], x[4]);
        break;
    case HC_CHANNEL_ATTACH:
        result = attach(channel);
        break;
    case HC_CHANNEL_RESET_DONE:
        result = reset_done(channel);
        break;
    default: /* HC_CHANNEL_FAIL */
        result = fail(channel);
    }
    spinlock_release(&channel->lock);
    return result;
}
