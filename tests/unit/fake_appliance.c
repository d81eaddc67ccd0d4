// SPDX-License-Identifier: Apache-2.0
#include <bulkhead/console.h>
#include <bulkhead/management.h>
#include <bulkhead/partition.h>
#include <devices/nic/nic.h>
#include <lib/hypercall.h>
#include <lib/native.h>
#include <mgmt/console_attach.h>
#include <mgmt/console_input.h>
#include <mgmt/doorbell.h>
#include <mgmt/interrupt_watch.h>
#include <mgmt/loop.h>
#include <mgmt/platform.h>
#include <mgmt/session_internal.h>
#include <mgmt/supervisor.h>
#include <mgmt/trial.h>
#include <mgmt/watchdog.h>
#include <mgmt/worker.h>
#include <net/password_hash.h>
#include <net/status.h>
#include <net/vswitch.h>
#include <stdio.h>
#include <stdlib.h>
#include <storage/state_partition.h>
#include <storage/status.h>
#include <storage/update.h>
#include <string.h>

#include "fake_appliance.h"

/* What the resolver would have written. */

const char hostname[] = "edge-1";
const bool tls_development_certificates = true;
const struct partition_config partitions[] = {
    {.name = "mgmt",
     .flags = PARTITION_MANAGEMENT,
     .cpus = 1,
     .memory_size = 64 << 20,
     .kernel = "mgmt",
     .initrd = "",
     .command_line = "",
     .uart_console = 0},
    {.name = "linux1",
     .flags = PARTITION_AUTOSTART | PARTITION_UART | PARTITION_WATCHDOG,
     .cpus = 6,
     .memory_size = 512 << 20,
     .kernel = "linux",
     .initrd = "initrd",
     .command_line = "console=ttyAMA0 name=\"quoted\\\" path\"",
     .uart_console = 1},
    {.name = "linux2",
     .flags = PARTITION_AUTOSTART | PARTITION_UART,
     .cpus = 8,
     .memory_size = 512 << 20,
     .kernel = "linux",
     .initrd = "initrd",
     .command_line = "console=ttyAMA0",
     .uart_console = 3},
};
const uint32_t partition_count = 3;
const struct channel_config channels[] = {
    {.device_id = VIRTIO_ID_NET, .front = 1, .back = 0, .slot = 0, .console = 0xff},
    {.device_id = VIRTIO_ID_CONSOLE, .front = 1, .back = 0, .slot = 1, .console = 2},
};
const uint32_t channel_count = 2;
const uint32_t console_count = 4;
const uint8_t console_owner[] = {0, 1, 1, 2};
const struct switch_config switches[] = {
    {.name = "lan", .kind = SWITCH_EXTERNAL, .uplink = 0, .mgmt_port = true, .mgmt_dhcp = true},
    {.name = "backplane", .kind = SWITCH_PRIVATE, .uplink = 0xff},
};
const uint32_t switch_count = 2;
const struct policy_config policies[] = {
    {0},
    {.action = POLICY_RESTART, .limit = 5, .window_s = 600, .backoff_ms = 1000, .backoff_max_ms = 5000},
    {.action = POLICY_STOP, .critical = true, .limit = 1, .window_s = 60, .backoff_ms = 1000, .backoff_max_ms = 5000},
};

/* The kernel. */

#define RING_SIZE 4096u
struct status_page fake_status;
static _Alignas(64) uint8_t ring_memory[5][sizeof(struct byte_ring) + RING_SIZE]; /* the last one is the log's */
static uint8_t channel_page[4096];
static uint64_t now_ns;

static struct byte_ring *ring_at(unsigned index)
{
    return (struct byte_ring *)ring_memory[index];
}

struct fake_control fake_controls[256];
unsigned fake_control_count;
int64_t fake_control_result;
unsigned fake_resets, fake_power_offs;
char fake_console_input[4096];
size_t fake_console_input_length;
uint32_t fake_console_room;
bool fake_crowd;

static struct doorbell_system_handler *system_handlers;
static struct loop_source *signalled;
static struct loop_timer *timers;

const struct status_page *platform_status(void)
{
    return &fake_status;
}
const struct byte_ring *platform_log_ring(void)
{
    return ring_at(4);
}
const struct byte_ring *platform_console_ring(uint32_t index)
{
    return index < 4 ? ring_at(index) : NULL;
}
const volatile uint8_t *platform_channel_page(uint32_t channel)
{
    return channel < 2 ? channel_page : NULL;
}

void doorbell_register_system(struct doorbell_system_handler *handler)
{
    handler->next = system_handlers;
    system_handlers = handler;
}

static void ring_append(unsigned index, const void *data, size_t length)
{
    struct byte_ring *ring = ring_at(index);

    for (size_t i = 0; i < length; i++) {
        ring->data[ring->head % RING_SIZE] = ((const uint8_t *)data)[i];
        ring->head++;
    }
}

void fake_ring_write(uint32_t console, const void *data, size_t length)
{
    ring_append(console, data, length);
    console_attach_rings_grew();
}

void fake_log_write(const char *text)
{
    ring_append(4, text, strlen(text));
    output_wake();
}

static void event(uint32_t partition, enum event_kind kind, enum stop_cause cause, uint64_t detail)
{
    uint64_t sequence = fake_status.event_head + 1;

    fake_status.event[sequence % BULKHEAD_EVENTS_MAX] = (struct supervision_event){
        .sequence = sequence,
        .boot = fake_status.boot,
        .milliseconds = now_ns / FAKE_MS - 1000, /* the counter did not begin at the boot */
        .wall_seconds = 1700000000 + now_ns / FAKE_S,
        .detail = detail,
        .partition = (uint8_t)partition,
        .kind = (uint8_t)kind,
        .cause = (uint8_t)cause,
    };
    fake_status.event_head = sequence;
}

void fake_stop(uint32_t partition, enum domain_state state, enum stop_cause cause, uint64_t detail)
{
    struct domain_status *status = &fake_status.domain[partition];

    status->cause = cause;
    status->detail = detail;
    status->stopped_ns = ++now_ns; /* no two stops at one time */
    status->crashes += cause != CAUSE_REQUEST && cause != CAUSE_POWER_OFF;
    status->state = state;
    event(partition, state == DOMAIN_CRASHED ? EVENT_CRASH : EVENT_STOP, cause, detail);
    supervisor_domain_changed();
}

void fake_start(uint32_t partition)
{
    struct domain_status *status = &fake_status.domain[partition];

    status->state = DOMAIN_RUNNING;
    status->started_ns = now_ns;
    event(partition, EVENT_START, CAUSE_NONE, status->starts++);
    supervisor_domain_changed();
}

int64_t hypercall_domain_control(uint32_t partition, enum domain_operation operation)
{
    bool runs = fake_status.domain[partition].state == DOMAIN_RUNNING;

    if (fake_control_result != HC_OK)
        return fake_control_result;
    if ((operation == DOMAIN_OP_START && runs) || (operation == DOMAIN_OP_STOP && !runs))
        return HC_E_STATE;
    if (fake_control_count < 256)
        fake_controls[fake_control_count++] = (struct fake_control){partition, operation, now_ns};
    if (operation != DOMAIN_OP_START && runs)
        fake_stop(partition, DOMAIN_STOPPED, CAUSE_REQUEST, 0);
    if (operation != DOMAIN_OP_STOP)
        fake_start(partition);
    return HC_OK;
}

int64_t hypercall_system(bool power_off, enum stop_cause cause)
{
    (void)cause;
    *(power_off ? &fake_power_offs : &fake_resets) += 1;
    return HC_OK;
}

int64_t hypercall_event(uint32_t partition, enum event_kind kind, enum stop_cause cause, uint64_t detail)
{
    event(partition, kind, cause, detail);
    return HC_OK;
}

int64_t hypercall_log_write(const void *data, uint32_t length)
{
    ring_append(4, data, length);
    return HC_OK;
}

uint32_t console_input(uint32_t console, const void *data, uint32_t length)
{
    uint32_t taken = length < fake_console_room ? length : fake_console_room;

    (void)console;
    if (taken > sizeof fake_console_input - fake_console_input_length)
        taken = (uint32_t)(sizeof fake_console_input - fake_console_input_length);
    memcpy(fake_console_input + fake_console_input_length, data, taken);
    fake_console_input_length += taken;
    fake_console_room -= taken;
    return taken;
}

/* The loop. */

uint64_t time_ns(void)
{
    return now_ns;
}
uint64_t time_wall_s(void)
{
    return 1700000000 + now_ns / FAKE_S;
}

void loop_signal(struct loop_source *source)
{
    if (source->pending)
        return;
    source->pending = true;
    source->next = signalled;
    signalled = source;
}

void loop_timer_cancel(struct loop_timer *timer)
{
    struct loop_timer **at;

    for (at = &timers; *at != NULL; at = &(*at)->next) {
        if (*at == timer) {
            *at = timer->next;
            break;
        }
    }
    timer->deadline_ns = 0;
}

void loop_timer_set(struct loop_timer *timer, uint64_t after_ns)
{
    loop_timer_cancel(timer);
    timer->deadline_ns = now_ns + after_ns;
    timer->next = timers;
    timers = timer;
}

static struct loop_timer *earliest(void)
{
    struct loop_timer *timer, *first = timers;

    for (timer = timers; timer != NULL; timer = timer->next)
        first = timer->deadline_ns < first->deadline_ns ? timer : first;
    return first;
}

void fake_run(uint64_t ns)
{
    uint64_t end = now_ns + ns;
    struct loop_timer *timer;
    unsigned turns = 0;

    for (;;) {
        if (signalled != NULL) {
            struct loop_source *source = signalled;

            signalled = source->next;
            source->pending = false;
            source->run(source);
            if (++turns > 100000) {
                fprintf(stderr, "the loop never comes to rest\n");
                abort();
            }
        } else if ((timer = earliest()) != NULL && timer->deadline_ns <= end) {
            now_ns = timer->deadline_ns > now_ns ? timer->deadline_ns : now_ns;
            loop_timer_cancel(timer);
            timer->run(timer);
        } else {
            break;
        }
    }
    now_ns = end;
}

void fake_reset(void)
{
    unsigned n;

    memset(&fake_status, 0, sizeof fake_status);
    memset(ring_memory, 0, sizeof ring_memory);
    for (n = 0; n < 5; n++)
        *ring_at(n) = (struct byte_ring){.magic = RING_MAGIC, .size = RING_SIZE};
    fake_status.magic = STATUS_MAGIC;
    fake_status.abi_version = BULKHEAD_ABI_VERSION;
    fake_status.partitions = partition_count;
    fake_status.cpus = 4;
    fake_status.boot = 7;
    fake_status.kernel_bytes = 95 * 1024;
    fake_status.kernel_pages_bytes = 1536 * 1024;
    fake_status.first_guest_ns = 123456789;
    strcpy(fake_status.kernel_version, "0.2-test");
    strcpy(fake_status.iommu, "VT-d");
    fake_status.devices = 3;
    fake_status.device[0] =
        (struct device_status){.vendor = 0x8086, .device = 0x29c0, .class_code = 0x060000, .owner = 0xff};
    fake_status.device[1] = (struct device_status){.requester = 0x0020,
                                                   .group = 0x0020,
                                                   .vendor = 0x8086,
                                                   .device = 0x10d3,
                                                   .class_code = 0x020000,
                                                   .owner = 1,
                                                   .state = DEVICE_OWNED,
                                                   .flags = DEVICE_IOMMU | DEVICE_REMAPPED,
                                                   .reset = RESET_FUNCTION,
                                                   .faults = 3,
                                                   .fault_address = 0xdead0000,
                                                   .fault_ns = FAKE_S,
                                                   .messages = 12,
                                                   .resets = 2};
    fake_status.device[2] = (struct device_status){.requester = 0x0280,
                                                   .group = 0x0280,
                                                   .vendor = 0x8086,
                                                   .device = 0x10ca,
                                                   .class_code = 0x020000,
                                                   .owner = 2,
                                                   .state = DEVICE_REFUSED,
                                                   .flags = DEVICE_VIRTUAL,
                                                   .reset = 200};
    for (n = 0; n < partition_count; n++) {
        strcpy(fake_status.domain[n].name, partitions[n].name);
        fake_status.domain[n].vcpus = (uint32_t)__builtin_popcount(partitions[n].cpus);
        fake_status.domain[n].memory_size = partitions[n].memory_size;
        fake_status.domain[n].memory_ipa = 0x40000000;
        fake_status.domain[n].state = DOMAIN_RUNNING;
    }
    now_ns = 5 * FAKE_S;
    timers = NULL;
    signalled = NULL;
    fake_control_count = fake_resets = fake_power_offs = 0;
    fake_control_result = HC_OK;
    fake_console_input_length = 0;
    fake_console_room = UINT32_MAX;
    fake_crowd = false;
    for (n = 0; n < partition_count; n++) {
        fake_status.domain[n].starts = 1;
        fake_status.domain[n].started_ns = now_ns;
        event(n, EVENT_START, CAUSE_NONE, 0);
    }
    supervisor_init();
}

/* Network and storage, as their listings show them. */

bool net_interface_status(uint32_t index, struct net_interface_status *status)
{
    *status = (struct net_interface_status){.switch_name = "lan",
                                            .address = 0x0a00020f,
                                            .netmask = 0xffffff00,
                                            .gateway = 0x0a000202,
                                            .dhcp = true,
                                            .dhcp_state = "bound",
                                            .mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56}};
    return index == 0;
}

const struct interrupt_handler *interrupt_trouble(const struct interrupt_handler *before)
{
    static const struct interrupt_handler stuck = {.name = "serial line", .id = 33, .watch.storms = 7};

    return before == NULL ? &stuck : NULL;
}

struct memory_use memory_use(void)
{
    return (struct memory_use){1, 2, 3, 4};
}

void net_tls_status(struct net_tls_status *status)
{
    *status = (struct net_tls_status){
        .port = 992, .on = false, .development = tls_development_certificates, .why = "no entropy source"};
}

static struct nic nic = {.name = "virtio-net0", .mac = {0x52, 0x54, 0, 0x12, 0x34, 0x57}};

struct nic *nic_get(uint32_t index)
{
    return index == 0 ? &nic : NULL;
}

bool vswitch_port_view(uint32_t index, struct vswitch_port_view *view)
{
    *view = (struct vswitch_port_view){.name = "linux1:0", .up = true, .counters = {.rx_packets = index}};
    return index < (fake_crowd ? 90 : 2);
}

bool vswitch_address_view(uint32_t index, struct vswitch_address_view *view)
{
    *view = (struct vswitch_address_view){
        .mac = {2, 0, 0, 0, (uint8_t)(index >> 8), (uint8_t)index}, .port = "linux1:0", .age_s = index};
    return fake_crowd ? index % 2 == 1 : index == 5;
}

static struct disk disk = {.name = "virtio-blk0", .sectors = 1 << 20};
static const struct disk_config disk_config = {.label = "linux1"};
static const struct volume volume = {
    .config = &disk_config, .label = "linux1", .disk = &disk, .state = VOLUME_READY, .status = "ready"};

struct disk *disk_get(uint32_t index)
{
    return index == 0 ? &disk : NULL;
}

bool storage_status_get(uint32_t index, struct storage_status *status)
{
    *status = (struct storage_status){.volume = &volume, .partition = "linux1", .source = "partition"};
    return index == 0;
}

/* What is kept on the disk: stored at once. */

bool fake_no_state;
static struct state fake_store = {.disk = &disk, .sequence = 3};

struct state *state_store(void)
{
    return fake_no_state ? NULL : &fake_store;
}

const char *state_store_status(void)
{
    return fake_no_state ? "no disk has a partition \"state\"" : "stored";
}

bool state_store_commit(void)
{
    fake_store.sequence++;
    return !fake_no_state;
}

bool slots_get(struct slots *slots)
{
    *slots = (struct slots){.last = 0};
    slots_confirm(slots, 0);
    slots_trial(slots, 1);
    return !fake_no_state;
}

/* An update is waiting for its trial in slot b. */
static const struct manifest manifests[2] = {
    {.version = 4, .bytes = 20 << 20, .board = "test board", .release = "0.2"},
    {.version = 5, .bytes = 21 << 20, .board = "test board", .release = "0.3"},
};
static struct update_status fake_update;
static void (*update_changed)(void *owner);
static void *update_owner;
struct slots fake_put;
enum trial_state fake_trial = TRIAL_NONE;

const struct update_status *update_status(void)
{
    return &fake_update;
}

bool update_busy(void)
{
    return fake_update.phase != UPDATE_IDLE && fake_update.phase < UPDATE_DONE;
}

int update_running(void)
{
    return fake_no_state ? -1 : 0;
}

const struct manifest *update_manifest(uint32_t slot)
{
    return &manifests[slot];
}

uint32_t update_version_minimum(void)
{
    return 4;
}

const char *update_begin(void (*changed)(void *owner), void *owner)
{
    if (update_busy())
        return "another update is under way; 'slots' shows it";
    update_changed = changed;
    update_owner = owner;
    fake_update = (struct update_status){.phase = UPDATE_WRITING, .slot = 1, .total = 10};
    return NULL;
}

static void update_end(enum update_phase phase)
{
    fake_update.phase = phase;
    if (update_changed != NULL)
        update_changed(update_owner);
}

/* Ten bytes are an update, unless one of them is '!'. */
size_t update_receive(const uint8_t *data, size_t length)
{
    if (!update_busy())
        return length;
    fake_update.done += length;
    if (memchr(data, '!', length) != NULL) {
        strcpy(fake_update.problem, "its signature is wrong");
        update_end(UPDATE_FAILED);
    } else if (fake_update.done >= fake_update.total) {
        update_end(UPDATE_DONE);
    }
    return length;
}

bool update_abandon(const char *why)
{
    bool busy = update_busy();

    if (busy) {
        snprintf(fake_update.problem, sizeof fake_update.problem, "%s", why);
        update_end(UPDATE_FAILED);
    }
    return busy;
}

void update_forget(void)
{
    update_changed = NULL;
}

bool slots_put(const struct slots *slots, void (*done)(bool success))
{
    fake_put = *slots;
    done(true);
    return true;
}

enum trial_state trial_state(void)
{
    return fake_trial;
}

const char *trial_waits_for(void)
{
    return "linux1 does not run";
}

void state_when_settled(void (*settled)(struct state *store))
{
    settled(state_store());
}

/* Work is done when a test says so. */
struct work *fake_work;

void worker_submit(struct work *work)
{
    fake_work = work;
}

void fake_work_do(void)
{
    struct work *work = fake_work;

    fake_work = NULL;
    work->run(work);
    work->done(work);
}

bool password_salt(uint8_t salt[PASSWORD_SALT_BYTES])
{
    memset(salt, 0x5a, PASSWORD_SALT_BYTES);
    return true;
}

bool password_hash(const char *password, size_t length, const uint8_t salt[PASSWORD_SALT_BYTES], uint32_t iterations,
                   uint8_t hash[PASSWORD_HASH_BYTES])
{
    memset(hash, (int)(salt[0] ^ length ^ iterations), PASSWORD_HASH_BYTES);
    memcpy(hash, password, length < PASSWORD_HASH_BYTES ? length : PASSWORD_HASH_BYTES);
    return true;
}

const uint32_t watchdog_s = 60;
static const struct hardware_watchdog watchdog = {.name = "fake", .has_reset = true};
bool fake_watchdog = true;

const struct hardware_watchdog *watchdog_hardware(void)
{
    return fake_watchdog ? &watchdog : NULL;
}

uint64_t watchdog_fed(void)
{
    return 7;
}

bool trial_confirm(void)
{
    return fake_trial == TRIAL_ON;
}

/* Transports. */

static size_t transport_write(void *owner, const void *data, size_t length)
{
    struct fake_transport *transport = owner;

    if (transport->room != SIZE_MAX) {
        length = length < transport->room ? length : transport->room;
        transport->room -= length;
    }
    while (transport->length + length + 1 > transport->size) {
        transport->size = transport->size * 2 + 4096;
        transport->text = realloc(transport->text, transport->size);
    }
    memcpy(transport->text + transport->length, data, length);
    transport->length += length;
    transport->text[transport->length] = 0;
    return length;
}

static void transport_close(void *owner)
{
    ((struct fake_transport *)owner)->closes++;
}

static void transport_resume(void *owner)
{
    ((struct fake_transport *)owner)->resumes++;
}

void fake_open(struct fake_transport *transport, enum session_mode mode)
{
    static const struct session_transport operations = {"test", transport_write, transport_close, transport_resume,
                                                        false};

    *transport = (struct fake_transport){.room = SIZE_MAX};
    transport_write(transport, "", 0);
    transport->session = session_open(&operations, transport, mode);
}

void fake_open_serial(struct fake_transport *transport)
{
    static const struct session_transport operations = {"serial", transport_write, transport_close, transport_resume,
                                                        .asks_password = true};

    *transport = (struct fake_transport){.room = SIZE_MAX};
    transport_write(transport, "", 0);
    transport->session = session_open(&operations, transport, SESSION_INTERACTIVE);
}

void fake_type(struct fake_transport *transport, const char *text)
{
    session_receive(transport->session, text, strlen(text));
    fake_run(0);
}

const char *fake_taken(struct fake_transport *transport)
{
    static char *text;

    free(text);
    text = strdup(transport->text);
    transport->length = 0;
    transport->text[0] = 0;
    return text;
}

void fake_close(struct fake_transport *transport)
{
    if (transport->session != NULL)
        session_closed(transport->session);
    free(transport->text);
    fake_run(0);
    *transport = (struct fake_transport){0};
}
