// SPDX-License-Identifier: Apache-2.0
/* The boot CPU's way from the architecture's entry to its first guest. */
#include <core/arch.h>
#include <core/bundle.h>
#include <core/console.h>
#include <core/loader.h>
#include <core/log.h>
#include <core/memory.h>
#include <core/persistent.h>
#include <core/status.h>
#include <core/vpci.h>
#include <devices/iommu/iommu.h>
#include <devices/serial/early.h>
#include <version.h>

static uint64_t ram_bytes(void)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < platform.ram_count; i++)
        bytes += platform.ram[i].size;
    return bytes;
}

static uint32_t cpus_present(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < BULKHEAD_CPUS_MAX; i++)
        count += cpus[i].present;
    return count;
}

void kernel_main(struct hpa handover)
{
    arch_init(handover);
    serial_early_init();
    log_init();
    log_line("Bulkhead %s, boot %lu", BULKHEAD_VERSION, persistent->boot);
    crash_report();
    status_init();
    pci_init();
    iommu_init();
    cpus_start();
    memory_place();
    loader_init();
    cpus_await();
    log_line("%u CPUs, %lu MiB of RAM", cpus_present(), ram_bytes() / MIB);
    console_init();
    vpci_claim();
    domain_init();
    arch_close();
    memory_seal();

    status_page->cpus = cpus_present();
    status_page->bundle_version = bundle_version();
    status_page->bundle_development = bundle_trust.is_development;
    status_page->boot_slot = (uint8_t)platform.slot;
    status_page->kernel_bytes = kernel_pages_base() - (uint64_t)kernel_image();
    status_page->kernel_pages_bytes = memory_kernel_bytes();
    log_line("Kernel: %lu KiB in use, %lu of it image", memory_kernel_bytes() / 1024, status_page->kernel_bytes / 1024);
    log_event(UINT8_MAX, EVENT_BOOT, CAUSE_NONE, persistent->boot > 1);
    domain_start_all();
    vcpu_park(vcpu_current());
    vcpu_enter(vcpu_current());
}
