// SPDX-License-Identifier: Apache-2.0
/* The device tree of a native domain. */
#include "guest_tree.h"

#include <arch/passthrough.h>
#include <bulkhead/guest_map.h>
#include <core/channel.h>
#include <core/domain_tree.h>
#include <core/log.h>
#include <libfdt.h>

#define PHANDLE_IOAPIC 1
#define EDGE 1

/* All lines are edge-triggered: the EOI of a level-triggered one would exit. */
void arch_tree_put_line(void *tree, uint32_t line, bool level)
{
    fdt32_t cells[] = {cpu_to_fdt32(line), cpu_to_fdt32(EDGE)};

    (void)level;
    fdt_property(tree, "interrupts", cells, sizeof(cells));
}

static void put_cpus(void *tree, const struct domain *domain)
{
    fdt_begin_node(tree, "cpus");
    fdt_property_u32(tree, "#address-cells", 1);
    fdt_property_u32(tree, "#size-cells", 0);
    fdt_property_u64(tree, "timebase-frequency", platform.arch.tsc_hz);
    for (uint32_t i = 0; i < domain->vcpu_count; i++) {
        tree_begin(tree, "cpu", i);
        fdt_property_string(tree, "device_type", "cpu");
        fdt_property_u32(tree, "reg", i);
        fdt_end_node(tree);
    }
    fdt_end_node(tree);
}

static void put_ioapic(void *tree)
{
    tree_begin(tree, "interrupt-controller", GUEST_IOAPIC_BASE);
    fdt_property_string(tree, "compatible", "intel,ce4100-ioapic");
    fdt_property_u32(tree, "#interrupt-cells", 2);
    fdt_property(tree, "interrupt-controller", "", 0);
    fdt_property_u32(tree, "phandle", PHANDLE_IOAPIC);
    tree_put_reg1(tree, GUEST_IOAPIC_BASE, PAGE_SIZE);
    fdt_end_node(tree);
}

/* `reg` of the UART and the clock: I/O ports. */
static void put_emulated(void *tree, uint32_t flags)
{
    if (flags & PARTITION_UART) {
        tree_begin(tree, "serial", GUEST_PORT_UART);
        fdt_property_string(tree, "compatible", "ns16550a");
        tree_put_reg1(tree, GUEST_PORT_UART, 8);
        arch_tree_put_line(tree, GUEST_LINE_UART, false);
        fdt_end_node(tree);
    }
    if (flags & PARTITION_RTC) {
        tree_begin(tree, "rtc", GUEST_PORT_RTC);
        fdt_property_string(tree, "compatible", "motorola,mc146818");
        tree_put_reg1(tree, GUEST_PORT_RTC, 2);
        fdt_end_node(tree);
    }
    if (flags & PARTITION_WATCHDOG) {
        tree_begin(tree, "watchdog", GUEST_WATCHDOG_BASE);
        fdt_property_string(tree, "compatible", "bulkhead,wdat");
        tree_put_reg1(tree, GUEST_WATCHDOG_BASE, PAGE_SIZE);
        fdt_end_node(tree);
    }
}

uint64_t guest_tree_write(struct domain *domain, const struct load_plan *plan, void *tree, size_t size)
{
    fdt_create_with_flags(tree, (int)size, FDT_CREATE_FLAG_NO_NAME_DEDUP);
    fdt_finish_reservemap(tree);
    fdt_begin_node(tree, "");
    fdt_property_u32(tree, "interrupt-parent", PHANDLE_IOAPIC);
    tree_put_root(tree, domain, plan, "/serial@3f8");
    put_cpus(tree, domain);
    put_ioapic(tree);
    put_emulated(tree, domain->config->flags);
    tree_put_front_ends(tree, domain);
    passthrough_describe(domain, tree);
    if (domain->config->flags & PARTITION_MANAGEMENT)
        tree_put_bulkhead(tree);
    fdt_end_node(tree);
    CHECK(!fdt_finish(tree)); /* else `size` is too small */
    return fdt_totalsize(tree);
}
