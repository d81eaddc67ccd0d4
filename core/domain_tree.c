// SPDX-License-Identifier: Apache-2.0
#include <core/domain_tree.h>

#include <bulkhead/guest_map.h>
#include <bulkhead/load_plan.h>
#include <core/channel.h>
#include <core/log.h>
#include <core/seed.h>
#include <core/status.h>
#include <core/vpci.h>
#include <libfdt.h>
#include <string.h>

void tree_begin(void *tree, const char *name, uint64_t address)
{
    char full[48];
    size_t length = strlen(name);
    unsigned shift = 60;

    CHECK(length < 30);
    memcpy(full, name, length);
    full[length++] = '@';
    while (shift > 0 && !(address >> shift & 15))
        shift -= 4;
    for (;; shift -= 4) {
        full[length++] = "0123456789abcdef"[address >> shift & 15];
        if (!shift)
            break;
    }
    full[length] = '\0';
    fdt_begin_node(tree, full);
}

void tree_put_reg(void *tree, const struct range64 *ranges, unsigned count)
{
    fdt64_t cells[2 * TREE_REGS_MAX];

    CHECK(count <= TREE_REGS_MAX);
    for (unsigned i = 0; i < count; i++) {
        cells[2 * i] = cpu_to_fdt64(ranges[i].base);
        cells[2 * i + 1] = cpu_to_fdt64(ranges[i].size);
    }
    fdt_property(tree, "reg", cells, (int)(count * sizeof(struct range64)));
}

void tree_put_reg1(void *tree, uint64_t base, uint64_t size)
{
    tree_put_reg(tree, &(struct range64){base, size}, 1);
}

static void put_chosen(void *tree, struct domain *domain, const struct load_plan *plan, const char *console)
{
    static const uint8_t seed[SEED_SIZE];
    uint64_t initrd = domain->memory_ipa.value + plan->initrd;

    fdt_begin_node(tree, "chosen");
    fdt_property_string(tree, "bootargs", domain->config->command_line);
    if (domain->config->flags & PARTITION_UART)
        fdt_property_string(tree, "stdout-path", console);
    if (plan->initrd_size) {
        fdt_property_u64(tree, "linux,initrd-start", initrd);
        fdt_property_u64(tree, "linux,initrd-end", initrd + plan->initrd_size);
    }
    if (domain->config->uart_console != 0xff)
        fdt_property_u32(tree, "bulkhead,console", domain->config->uart_console);
    if (vpci_host(domain).functions)
        fdt_property_u32(tree, "linux,pci-probe-only", 1);
    if (seed_available()) { /* tree_renew() writes them */
        fdt_property(tree, "rng-seed", seed, sizeof(seed));
        fdt_property(tree, "kaslr-seed", seed, sizeof(uint64_t));
    }
    fdt_end_node(tree);
}

void tree_put_root(void *tree, struct domain *domain, const struct load_plan *plan, const char *console)
{
    fdt_property_string(tree, "compatible", "bulkhead,domain");
    fdt_property_string(tree, "model", "Bulkhead domain");
    fdt_property_u32(tree, "#address-cells", 2);
    fdt_property_u32(tree, "#size-cells", 2);
    put_chosen(tree, domain, plan, console);
    tree_begin(tree, "memory", domain->memory_ipa.value);
    fdt_property_string(tree, "device_type", "memory");
    tree_put_reg1(tree, domain->memory_ipa.value, domain->memory_size);
    fdt_end_node(tree);
}

static void renew_seed(void *tree, int node, const char *name)
{
    uint8_t seed[SEED_SIZE];
    int length;
    void *property = fdt_getprop_w(tree, node, name, &length);

    if (!property)
        return;
    seed_take(seed);
    memcpy(property, seed, length < SEED_SIZE ? (size_t)length : SEED_SIZE);
}

void tree_renew(void *tree)
{
    int chosen = fdt_path_offset(tree, "/chosen");

    renew_seed(tree, chosen, "rng-seed");
    renew_seed(tree, chosen, "kaslr-seed");
}

void tree_put_front_ends(void *tree, struct domain *domain)
{
    for (uint32_t i = 0; i < channel_count; i++) {
        if (channels[i].front != domain->index)
            continue;
        tree_begin(tree, "virtio_mmio", GUEST_VIRTIO_BASE + channels[i].slot * PAGE_SIZE);
        fdt_property_string(tree, "compatible", "virtio,mmio");
        tree_put_reg1(tree, GUEST_VIRTIO_BASE + channels[i].slot * PAGE_SIZE, PAGE_SIZE);
        arch_tree_put_line(tree, guest_virtio_line(channels[i].slot), true);
        fdt_property(tree, "dma-coherent", "", 0);
        fdt_end_node(tree);
    }
}

void tree_put_bulkhead(void *tree)
{
    fdt_begin_node(tree, "bulkhead");
    fdt_property_string(tree, "compatible", "bulkhead,status");
    tree_put_reg1(tree, status_hpa().value, status_bytes());
    arch_tree_put_line(tree, GUEST_LINE_DOORBELL, false);
    fdt_end_node(tree);
}
