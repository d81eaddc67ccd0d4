// SPDX-License-Identifier: Apache-2.0
#include <core/status.h>

#include <bulkhead/hypercall.h>
#include <bulkhead/partition.h>
#include <core/arch.h>
#include <core/format.h>
#include <core/log.h>
#include <core/memory.h>
#include <core/persistent.h>
#include <string.h>
#include <version.h>

struct status_page *status_page;

uint64_t status_bytes(void)
{
    return (sizeof(struct status_page) + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

struct hpa status_hpa(void)
{
    return kernel_hpa(status_page);
}

void status_init(void)
{
    status_page = memory_pages(status_bytes() / PAGE_SIZE);
    status_page->abi_version = BULKHEAD_ABI_VERSION;
    status_page->partitions = partition_count;
    status_page->boot = persistent->boot;
    memcpy(status_page->kernel_version, BULKHEAD_VERSION,
           sizeof(BULKHEAD_VERSION) < sizeof(status_page->kernel_version) ? sizeof(BULKHEAD_VERSION)
                                                                          : sizeof(status_page->kernel_version) - 1);
    for (uint32_t i = 0; i < partition_count; i++)
        memcpy(status_page->domain[i].name, partitions[i].name, BULKHEAD_NAME_MAX);
    memcpy(status_page->event, persistent->event, sizeof(status_page->event));
    status_page->event_head = persistent->event_head;
    status_page->magic = STATUS_MAGIC;
}

void status_event(const struct supervision_event *event)
{
    if (!status_page)
        return;
    status_page->event[event->sequence % BULKHEAD_EVENTS_MAX] = *event;
    __atomic_store_n(&status_page->event_head, event->sequence, __ATOMIC_RELEASE);
}

void status_measured(const char *name, const uint8_t sha256[32])
{
    struct measured *measured = &status_page->measured[status_page->measured_count++];

    CHECK(status_page->measured_count <= BULKHEAD_MEASURED_MAX);
    format_print(measured->name, sizeof(measured->name), "%s", name);
    memcpy(measured->sha256, sha256, sizeof(measured->sha256));
}
