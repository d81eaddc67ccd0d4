// SPDX-License-Identifier: Apache-2.0
#include <bulkhead/partition.h>
#include <devices/virtio/backend.h>
#include <devices/virtio/blk.h>
#include <devices/virtio/blk_backend.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/loop.h>
#include <mgmt/module.h>
#include <stdlib.h>
#include <storage/status.h>
#include <storage/volume.h>
#include <string.h>

#define SECTOR 512u
#define REQUESTS_MAX 128u /* taken from one guest at a time; the rest waits in its ring */
#define SEGMENTS_MAX 128u /* of data in a request */
#define SERVE_MAX 64u     /* requests taken before the loop gets its turn */

/* Where the disk cannot write zeros by itself they are written from here. */
#define ZERO_BYTES 65536u
#define ZERO_SECTORS_MAX 8192u /* of one WRITE_ZEROES then */
static const uint8_t zeros[ZERO_BYTES];

/*
 * One request of the guest. It goes to the volume in one piece, or in several one after the other where the disk takes
 * less at once. What is still to be transferred: data[first..end), which is `sectors` at `sector`.
 */
struct blk_request {
    struct volume_request piece;
    struct blk_device *device;
    struct blk_request *next_free;
    uint8_t *status; /* the guest's */
    uint64_t sector, sectors;
    uint64_t cut;     /* bytes that the piece leaves of its last segment for the next piece */
    uint32_t type;    /* enum virtio_blk_type */
    uint32_t written; /* what the used ring says if all goes well */
    uint16_t position;
    uint16_t first, end;
    struct segment data[SEGMENTS_MAX + 2]; /* and header and status, as virtqueue_take() gives them */
};

struct blk_device {
    struct backend backend;
    struct volume *volume;
    struct blk_request *request; /* [REQUESTS_MAX] */
    struct blk_request *free;
    uint32_t in_flight;
    bool attached;
    bool starved;              /* serve() stopped because no request was free */
    bool stopping;             /* stop() found requests in flight: the last one says backend_stopped() */
    struct loop_source signal; /* one interrupt for all that a turn of the loop completes */
    uint64_t requests, failed, malformed;
};

static struct blk_device devices[BULKHEAD_CHANNELS_MAX]; /* index as in disks[] */

static void request_continue(struct blk_request *request);

static bool running(const struct blk_device *device)
{
    return device->backend.state == BACKEND_RUNNING;
}

static struct blk_request *request_get(struct blk_device *device)
{
    struct blk_request *request = device->free;

    device->free = request->next_free;
    device->in_flight++;
    return request;
}

static void request_put(struct blk_request *request)
{
    struct blk_device *device = request->device;

    request->next_free = device->free;
    device->free = request;
    device->in_flight--;
}

/* Answers a request; one whose queue is gone since is dropped. The last one ends the wait of a reset. */
static void request_finish(struct blk_request *request, enum virtio_blk_status status)
{
    struct blk_device *device = request->device;

    if (running(device)) {
        device->failed += status != VIRTIO_BLK_S_OK;
        *(volatile uint8_t *)request->status = (uint8_t)status;
        virtqueue_complete(&device->backend.queue[0], request->position,
                           status == VIRTIO_BLK_S_OK ? request->written : 0);
        loop_signal(&device->signal);
        if (device->starved) {
            device->starved = false;
            backend_wake(&device->backend, 1);
        }
    }
    request_put(request);
    if (device->stopping && device->in_flight == 0) {
        device->stopping = false;
        backend_stopped(&device->backend);
    }
}

static void signal_run(struct loop_source *source)
{
    struct blk_device *device = source->owner;

    if (running(device))
        backend_signal(&device->backend, &device->backend.queue[0]);
}

/* The disk is done with the piece: move on to what it has left. */
static void advance(struct blk_request *request)
{
    request->sector += request->piece.disk.sectors;
    request->sectors -= request->piece.disk.sectors;
    request->first += request->piece.disk.segments;
    if (request->cut != 0) {
        struct segment *rest = &request->data[--request->first];

        rest->base = (uint8_t *)rest->base + rest->length;
        rest->length = request->cut;
        request->cut = 0;
    }
}

static void piece_done(struct volume_request *piece, enum disk_result result)
{
    struct blk_request *request = piece->owner;

    if (result == DISK_UNSUPPORTED)
        request_finish(request, VIRTIO_BLK_S_UNSUPP);
    else if (result != DISK_OK || !running(request->device))
        request_finish(request, VIRTIO_BLK_S_IOERR);
    else if (piece->disk.operation == DISK_FLUSH)
        request_finish(request, VIRTIO_BLK_S_OK);
    else {
        advance(request);
        request_continue(request);
    }
}

static void submit(struct blk_request *request, enum disk_operation operation, uint16_t segments, uint64_t sectors)
{
    struct disk_request *disk = &request->piece.disk;

    disk->operation = (uint8_t)operation;
    disk->segments = segments;
    disk->segment = &request->data[request->first];
    disk->sector = operation == DISK_FLUSH ? 0 : request->sector;
    disk->sectors = sectors;
    request->piece.done = piece_done;
    request->piece.owner = request;
    if (!volume_submit(request->device->volume, &request->piece))
        request_finish(request, VIRTIO_BLK_S_IOERR);
}

/* Whole blocks that the disk takes in one READ or WRITE, in bytes. */
static uint64_t transfer_max(const struct disk *disk)
{
    return disk->max_transfer - disk->max_transfer % disk->block_size;
}

/* The next piece of a READ or WRITE: as many segments as the disk takes, cut so that the piece ends with a block. */
static void submit_transfer(struct blk_request *request, enum disk_operation operation)
{
    const struct disk *disk = request->device->volume->disk;
    struct segment *data = &request->data[request->first];
    uint64_t most = transfer_max(disk), bytes = 0, excess;
    uint16_t count = 0;

    while (request->first + count < request->end && count < disk->segments_max && bytes < most)
        bytes += data[count++].length;
    excess = bytes > most ? bytes - most : bytes % disk->block_size;
    bytes -= excess;
    if (bytes == 0) {
        request_finish(request, VIRTIO_BLK_S_IOERR); /* no data, or in too small pieces */
        return;
    }
    while (data[count - 1].length <= excess)
        excess -= data[--count].length;
    data[count - 1].length -= excess;
    request->cut = excess;
    submit(request, operation, count, bytes / SECTOR);
}

/* The next piece of a WRITE_ZEROES for a disk that has none: a WRITE of zeros. */
static void submit_zeros(struct blk_request *request)
{
    const struct disk *disk = request->device->volume->disk;
    uint32_t segments = disk->segments_max < SEGMENTS_MAX ? disk->segments_max : SEGMENTS_MAX;
    uint64_t bytes = request->sectors * SECTOR;
    uint16_t count = 0;

    if (bytes > (uint64_t)segments * ZERO_BYTES)
        bytes = (uint64_t)segments * ZERO_BYTES;
    if (bytes > transfer_max(disk))
        bytes = transfer_max(disk);
    request->first = 0;
    for (uint64_t left = bytes; left > 0; left -= request->data[count++].length)
        request->data[count] = (struct segment){(void *)(uintptr_t)zeros, left < ZERO_BYTES ? left : ZERO_BYTES};
    submit(request, DISK_WRITE, count, bytes / SECTOR);
}

/* What was written is to be stable before it is answered: the driver knows of no FLUSH, and the disk has a cache. */
static bool write_through(const struct blk_request *request)
{
    return request->device->volume->disk->has_flush && !(request->device->backend.features & VIRTIO_BLK_F_FLUSH) &&
           (request->type == VIRTIO_BLK_T_OUT || request->type == VIRTIO_BLK_T_WRITE_ZEROES);
}

static void request_continue(struct blk_request *request)
{
    const struct disk *disk = request->device->volume->disk;

    if (request->sectors == 0) {
        if (write_through(request))
            submit(request, DISK_FLUSH, 0, 0);
        else
            request_finish(request, VIRTIO_BLK_S_OK);
        return;
    }
    switch (request->type) {
    case VIRTIO_BLK_T_IN:
        submit_transfer(request, DISK_READ);
        break;
    case VIRTIO_BLK_T_OUT:
        submit_transfer(request, DISK_WRITE);
        break;
    case VIRTIO_BLK_T_DISCARD:
        submit(request, DISK_DISCARD, 0, request->sectors);
        break;
    default: /* VIRTIO_BLK_T_WRITE_ZEROES */
        if (disk->has_write_zeroes)
            submit(request, DISK_WRITE_ZEROES, 0, request->sectors);
        else
            submit_zeros(request);
        break;
    }
}

static uint32_t write_zeroes_max(const struct disk *disk)
{
    return disk->has_write_zeroes ? disk->max_write_zeroes : ZERO_SECTORS_MAX;
}

/* Whether all of the request lies in the volume, so that none of its pieces is refused after others were done. */
static bool in_volume(const struct blk_request *request)
{
    const struct volume *volume = request->device->volume;
    uint32_t sectors_a_block = volume->disk->block_size / SECTOR;

    return request->sectors != 0 && request->sector < volume->sectors &&
           request->sectors <= volume->sectors - request->sector && request->sector % sectors_a_block == 0 &&
           request->sectors % sectors_a_block == 0;
}

/* DISCARD or WRITE_ZEROES: the data is one range, since that is all that we offer. */
static void begin_range(struct blk_request *request)
{
    const struct volume *volume = request->device->volume;
    bool discard = request->type == VIRTIO_BLK_T_DISCARD;
    uint32_t flags = discard ? 0 : VIRTIO_BLK_RANGE_UNMAP, most;
    struct virtio_blk_range range;
    uint16_t count = request->end - request->first;

    if (segments_read(&request->data[request->first], count, 0, &range, sizeof(range)) != sizeof(range)) {
        request_finish(request, VIRTIO_BLK_S_IOERR);
        return;
    }
    if ((discard && !volume->disk->has_discard) || (range.flags & ~flags) != 0) {
        request_finish(request, VIRTIO_BLK_S_UNSUPP);
        return;
    }
    most = discard ? volume->disk->max_discard : write_zeroes_max(volume->disk);
    request->sector = range.sector;
    request->sectors = range.sectors;
    request->end = request->first;
    if (volume->read_only || range.sectors > most || !in_volume(request))
        request_finish(request, VIRTIO_BLK_S_IOERR);
    else
        request_continue(request);
}

static void begin_get_id(struct blk_request *request)
{
    const char *serial = request->device->volume->config->serial;

    request->written +=
        segments_write(&request->data[request->first], request->end - request->first, 0, serial, VIRTIO_BLK_ID_BYTES);
    request_finish(request, VIRTIO_BLK_S_OK);
}

static void begin_transfer(struct blk_request *request, uint64_t bytes)
{
    bool refused = request->type == VIRTIO_BLK_T_OUT && request->device->volume->read_only;

    request->sectors = bytes / SECTOR;
    if (refused || bytes % SECTOR != 0 || !in_volume(request))
        request_finish(request, VIRTIO_BLK_S_IOERR);
    else
        request_continue(request);
}

/* Leaves `bytes`, which are there, out of data[first..end). */
static void skip_bytes(struct blk_request *request, size_t bytes)
{
    while (request->data[request->first].length <= bytes) {
        bytes -= request->data[request->first++].length;
        if (bytes == 0)
            return;
    }
    request->data[request->first].base = (uint8_t *)request->data[request->first].base + bytes;
    request->data[request->first].length -= bytes;
}

/* False: it is no request. The chain's layout is free (virtio 1.2, 2.7.4.2): only the number of bytes tells what is
 * header, data and status. */
static bool request_begin(struct blk_request *request, const struct virtqueue_chain *chain)
{
    struct virtio_blk_header header;
    struct segment *last;
    uint32_t data_in, data_out;
    bool to_guest;

    if (chain->readable_bytes < sizeof(header) || chain->writable_bytes < 1)
        return false;
    data_in = chain->writable_bytes - 1;
    data_out = chain->readable_bytes - (uint32_t)sizeof(header);
    last = &request->data[chain->readable + chain->writable - 1];
    segments_read(request->data, chain->readable, 0, &header, sizeof(header));
    request->status = (uint8_t *)last->base + --last->length;
    request->position = chain->position;
    request->type = header.type;
    request->sector = header.sector;
    request->sectors = 0;
    request->cut = 0;
    request->written = 1;

    to_guest = header.type == VIRTIO_BLK_T_IN || header.type == VIRTIO_BLK_T_GET_ID;
    request->first = (uint16_t)(to_guest ? chain->readable : 0);
    request->end = (uint16_t)(chain->readable + (to_guest ? chain->writable : 0));
    if (to_guest)
        request->end -= last->length == 0; /* status alone */
    else
        skip_bytes(request, sizeof(header));

    if (header.type == VIRTIO_BLK_T_GET_ID) {
        begin_get_id(request);
        return true;
    }
    if (request->device->volume->state != VOLUME_READY) {
        request_finish(request, VIRTIO_BLK_S_IOERR);
        return true;
    }
    switch (header.type) {
    case VIRTIO_BLK_T_IN:
        request->written += data_in;
        begin_transfer(request, data_in);
        break;
    case VIRTIO_BLK_T_OUT:
        begin_transfer(request, data_out);
        break;
    case VIRTIO_BLK_T_FLUSH:
        if (request->device->volume->disk->has_flush)
            submit(request, DISK_FLUSH, 0, 0);
        else
            request_finish(request, VIRTIO_BLK_S_OK); /* no cache */
        break;
    case VIRTIO_BLK_T_DISCARD:
    case VIRTIO_BLK_T_WRITE_ZEROES:
        begin_range(request);
        break;
    default:
        request_finish(request, VIRTIO_BLK_S_UNSUPP);
        break;
    }
    return true;
}

static void malformed(struct blk_device *device)
{
    device->malformed++;
    backend_fail(&device->backend);
}

static bool serve(struct backend *backend, uint32_t queues)
{
    struct blk_device *device = backend->owner;
    struct virtqueue *queue = &backend->queue[0];

    (void)queues;
    virtqueue_notify_disable(queue);
    for (uint32_t i = 0; i < SERVE_MAX; i++) {
        struct blk_request *request;
        struct virtqueue_chain chain;
        enum virtqueue_result result;

        if (device->free == NULL) {
            device->starved = true;
            return false;
        }
        request = request_get(device);
        result = virtqueue_take(queue, &chain, request->data, SEGMENTS_MAX + 2);
        if (result == VIRTQUEUE_EMPTY) {
            request_put(request);
            return virtqueue_notify_enable(queue);
        }
        device->requests++;
        if (result == VIRTQUEUE_TOO_LONG || !request_begin(request, &chain)) {
            request_put(request);
            malformed(device);
            return false;
        }
    }
    return true;
}

static void start(struct backend *backend)
{
    struct blk_device *device = backend->owner;

    device->starved = false;
}

static bool stop(struct backend *backend)
{
    struct blk_device *device = backend->owner;

    device->stopping = device->in_flight != 0;
    return !device->stopping;
}

static const struct backend_operations operations = {.start = start, .serve = serve, .stop = stop};

static void attach(struct blk_device *device)
{
    const struct volume *volume = device->volume;
    const struct disk *disk = volume->disk;
    struct virtio_blk_config config = {.capacity = volume->sectors, .seg_max = SEGMENTS_MAX, .blk_size = SECTOR};
    uint64_t features =
        VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_BLK_SIZE;

    if (volume->read_only)
        features |= VIRTIO_BLK_F_RO;
    if (volume->state == VOLUME_READY) {
        config.blk_size = disk->block_size;
        if (disk->has_flush)
            features |= VIRTIO_BLK_F_FLUSH;
        if (!volume->read_only) {
            features |= VIRTIO_BLK_F_WRITE_ZEROES;
            config.max_write_zeroes_sectors = write_zeroes_max(disk);
            config.max_write_zeroes_seg = 1;
        }
        if (!volume->read_only && disk->has_discard) {
            features |= VIRTIO_BLK_F_DISCARD;
            config.max_discard_sectors = disk->max_discard;
            config.max_discard_seg = 1;
            config.discard_sector_alignment = disk->block_size / SECTOR;
        }
    }
    device->attached = backend_attach(&device->backend, volume->config->channel, &operations, features, 1, &config,
                                      offsetof(struct virtio_blk_config, unused1));
}

static void volume_opened(struct volume *volume)
{
    attach(volume->user);
}

void blk_backend_start(void)
{
    for (uint32_t i = 0; i < disk_count; i++) {
        struct blk_device *device = &devices[i];

        device->backend.owner = device;
        device->signal = (struct loop_source){.run = signal_run, .owner = device};
        device->volume = volume_get(i);
        device->request = calloc(REQUESTS_MAX, sizeof(*device->request));
        if (device->request == NULL) {
            bulkhead_log("volume %u: no memory for its requests; it is not served", (unsigned)i);
            continue;
        }
        for (uint32_t n = 0; n < REQUESTS_MAX; n++) {
            device->request[n].device = device;
            device->request[n].next_free = device->free;
            device->free = &device->request[n];
        }
        if (device->volume->state == VOLUME_OPENING) {
            device->volume->user = device;
            device->volume->opened = volume_opened;
        } else {
            attach(device);
        }
    }
}

MODULE(MODULE_BACKEND, blk_backend, blk_backend_start);

bool storage_status_get(uint32_t index, struct storage_status *status)
{
    static const char *const sources[] = {[DISK_WHOLE] = "disk", [DISK_GPT] = "partition", [DISK_REGION] = "region"};
    const struct volume *volume = volume_get(index);
    const struct blk_device *device;

    if (volume == NULL)
        return false;
    device = &devices[index];
    *status = (struct storage_status){
        .volume = volume,
        .partition = partitions[channels[volume->config->channel].front].name,
        .source = sources[volume->config->source],
        .channel = volume->config->channel,
        .attached = device->attached,
        .in_flight = device->in_flight,
        .requests = device->requests,
        .failed = device->failed,
        .malformed = device->malformed,
        .resets = device->backend.stops,
    };
    return true;
}
