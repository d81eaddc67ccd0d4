// SPDX-License-Identifier: Apache-2.0
#include <arch/passthrough.h>

#include <arch/host_tree.h>
#include <core/arch.h>
#include <core/channel.h>
#include <core/interrupt.h>
#include <core/log.h>
#include <libfdt.h>

#define REGS_MAX 8   /* a device's register windows, */
#define LINES_MAX 16 /* and interrupts */
#define VIRTIO_DEVICES_MAX 64
#define VIRTIO_RESET_READS_MAX 100000

/* Devices that read and write memory by themselves until they are reset: virtio transports by MMIO. */
static struct {
    struct domain *domain;
    volatile uint32_t *status;
} virtio[VIRTIO_DEVICES_MAX];
static uint32_t virtio_count;

void passthrough_each(struct domain *domain, void (*each)(struct domain *domain, int node, void *context),
                      void *context)
{
    if (!domain->config->devices)
        return;
    for (const char *const *name = domain->config->devices; *name; name++) {
        int node = host_tree_find(*name, -1);

        if (node < 0)
            log_line("%s: the machine has no '%s'", domain->config->name, *name);
        for (; node >= 0; node = host_tree_find(*name, node))
            each(domain, node, context);
    }
}

/* Devices may share a page. */
static void map_registers(struct domain *domain, struct memory_range range)
{
    uint64_t end = range.base.value + range.size;

    for (uint64_t page = range.base.value & ~(PAGE_SIZE - 1); page < end; page += PAGE_SIZE)
        if (!stage2_is_mapped(domain, ipa(page)))
            stage2_map(domain, ipa(page), hpa(page), PAGE_SIZE, STAGE2_READ | STAGE2_WRITE | STAGE2_DEVICE);
}

/* The transports stand close together: those in the page of the last one share its mapping. */
static void note_virtio(struct domain *domain, struct hpa base)
{
    static uint64_t page;
    static uint8_t *mapped;

    CHECK(virtio_count < VIRTIO_DEVICES_MAX);
    if (!mapped || page != (base.value & ~(PAGE_SIZE - 1))) {
        page = base.value & ~(PAGE_SIZE - 1);
        mapped = kernel_map_device(hpa(page), PAGE_SIZE);
    }
    virtio[virtio_count].domain = domain;
    virtio[virtio_count++].status = (void *)(mapped + (base.value - page) + VIRTIO_MMIO_STATUS);
}

static void add(struct domain *domain, int node, void *context)
{
    struct memory_range range;
    uint32_t intid;
    bool edge;

    (void)context;
    for (unsigned i = 0; i < REGS_MAX && host_tree_reg(node, i, &range); i++)
        map_registers(domain, range);
    for (unsigned i = 0; i < LINES_MAX && (intid = host_tree_interrupt(node, i, &edge)); i++)
        interrupt_pass_through(domain, intid);
    if (!fdt_node_check_compatible(platform.tree, node, "virtio,mmio") && host_tree_reg(node, 0, &range))
        note_virtio(domain, range.base);
}

void passthrough_init(struct domain *domain)
{
    passthrough_each(domain, add, NULL);
    passthrough_reset(domain);
}

void passthrough_reset(struct domain *domain)
{
    for (uint32_t i = 0; i < virtio_count; i++) {
        if (virtio[i].domain != domain)
            continue;
        *virtio[i].status = 0;
        for (uint32_t reads = 0; *virtio[i].status && reads < VIRTIO_RESET_READS_MAX; reads++)
            ;
    }
}
