/* SPDX-License-Identifier: Apache-2.0 */
/* NVMe: submission and completion queues (2.0, 3.3). */
#include <devices/disk/nvme.h>
#include <string.h>

void nvme_queue_init(struct nvme_queue *queue, uint16_t size)
{
    queue->size = size;
    queue->tail = queue->head = 0;
    queue->phase = NVME_STATUS_PHASE;
    queue->tail_moved = queue->head_moved = false;
    memset(queue->submission, 0, DISK_PAGE);
    memset((void *)queue->completion, 0, DISK_PAGE);
}

/* There is room: no more commands are under way than a queue holds. */
void nvme_queue_put(struct nvme_queue *queue, const struct nvme_command *command)
{
    queue->submission[queue->tail] = *command;
    queue->tail = (uint16_t)((queue->tail + 1) % queue->size);
    queue->tail_moved = true;
}

bool nvme_queue_take(struct nvme_queue *queue, struct nvme_completion *done)
{
    volatile struct nvme_completion *next = &queue->completion[queue->head];

    if ((next->status & NVME_STATUS_PHASE) != queue->phase)
        return false;
    device_load_barrier();
    done->id = next->id;
    done->status = next->status;
    if (++queue->head == queue->size) {
        queue->head = 0;
        queue->phase ^= NVME_STATUS_PHASE;
    }
    queue->head_moved = true;
    return true;
}

void nvme_queue_ring(struct nvme_queue *queue)
{
    device_barrier();
    if (queue->head_moved)
        mmio_write32(queue->head_doorbell, queue->head);
    if (queue->tail_moved)
        mmio_write32(queue->tail_doorbell, queue->tail);
    queue->head_moved = queue->tail_moved = false;
}
