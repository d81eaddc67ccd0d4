// SPDX-License-Identifier: Apache-2.0
/* A domain's device tree, written in one pass at boot. Bindings are Linux's. */
#include <arch/host_tree.h>
#include <arch/passthrough.h>
#include <bulkhead/guest_map.h>
#include <core/arch.h>
#include <core/domain_tree.h>
#include <core/log.h>
#include <libfdt.h>
#include <string.h>

#define PHANDLE_GIC 1
#define PHANDLE_CLOCK 2
#define GICD_BYTES 0x10000
#define GICR_BYTES 0x20000
#define REGS_MAX 8        /* register windows of a device */
#define CLOCK_HZ 24000000 /* of the UART: it only shapes the baud rate that nobody sees */
enum line_type { SPI = 0, PPI = 1 };
enum line_trigger { EDGE = 1, LEVEL = 4 };

static bool is_management(const struct domain *domain)
{
    return domain->config->flags & PARTITION_MANAGEMENT;
}

static void put_interrupt(void *tree, enum line_type type, uint32_t number, enum line_trigger trigger)
{
    fdt32_t cells[] = {cpu_to_fdt32(type), cpu_to_fdt32(number), cpu_to_fdt32(trigger)};

    fdt_property(tree, "interrupts", cells, sizeof(cells));
}

static void put_clocks(void *tree, const char *names, int length)
{
    fdt32_t cells[] = {cpu_to_fdt32(PHANDLE_CLOCK), cpu_to_fdt32(PHANDLE_CLOCK)};

    fdt_property(tree, "clocks", cells, memchr(names, '\0', (size_t)length - 1) ? 8 : 4);
    fdt_property(tree, "clock-names", names, length);
}
#define UART_CLOCKS "uartclk\0apb_pclk"
#define PUT_STRINGS(tree, name, strings) fdt_property(tree, name, strings, sizeof(strings))

static void put_cpus(void *tree, struct domain *domain)
{
    fdt_begin_node(tree, "cpus");
    fdt_property_u32(tree, "#address-cells", 1);
    fdt_property_u32(tree, "#size-cells", 0);
    for (uint32_t i = 0; i < domain->vcpu_count; i++) {
        tree_begin(tree, "cpu", i);
        fdt_property_string(tree, "device_type", "cpu");
        fdt_property_string(tree, "compatible", "arm,armv8");
        fdt_property_string(tree, "enable-method", "psci");
        fdt_property_u32(tree, "reg", i);
        fdt_end_node(tree);
    }
    fdt_end_node(tree);
    fdt_begin_node(tree, "psci");
    PUT_STRINGS(tree, "compatible", "arm,psci-1.0\0arm,psci-0.2");
    fdt_property_string(tree, "method", "hvc");
    fdt_end_node(tree);
}

static void put_gic(void *tree, struct domain *domain)
{
    struct range64 ranges[] = {{GUEST_GICD_BASE, GICD_BYTES}, {GUEST_GICR_BASE, domain->vcpu_count * GICR_BYTES}};

    if (is_management(domain)) {
        ranges[0].base = platform.arch.gicd.value;
        ranges[1].base = platform.arch.gicr[0].base.value;
    }
    tree_begin(tree, "intc", ranges[0].base);
    fdt_property_string(tree, "compatible", "arm,gic-v3");
    fdt_property_u32(tree, "#interrupt-cells", 3);
    fdt_property_u32(tree, "#address-cells", 2);
    fdt_property_u32(tree, "#size-cells", 2);
    fdt_property(tree, "ranges", NULL, 0);
    fdt_property(tree, "interrupt-controller", NULL, 0);
    fdt_property_u32(tree, "phandle", PHANDLE_GIC);
    tree_put_reg(tree, ranges, 2);
    fdt_end_node(tree);
}

static void put_timer(void *tree)
{
    static const uint32_t numbers[] = {13, 14, 11,
                                       10}; /* secure, physical, virtual, hypervisor: only the virtual one is there */
    fdt32_t cells[12];

    for (unsigned i = 0; i < 4; i++) {
        cells[3 * i] = cpu_to_fdt32(PPI);
        cells[3 * i + 1] = cpu_to_fdt32(numbers[i]);
        cells[3 * i + 2] = cpu_to_fdt32(LEVEL);
    }
    fdt_begin_node(tree, "timer");
    fdt_property_string(tree, "compatible", "arm,armv8-timer");
    fdt_property(tree, "interrupts", cells, sizeof(cells));
    fdt_property(tree, "always-on", NULL, 0);
    fdt_end_node(tree);
}

static void put_clock(void *tree)
{
    fdt_begin_node(tree, "apb-pclk");
    fdt_property_string(tree, "compatible", "fixed-clock");
    fdt_property_u32(tree, "#clock-cells", 0);
    fdt_property_u32(tree, "clock-frequency", CLOCK_HZ);
    fdt_property_u32(tree, "phandle", PHANDLE_CLOCK);
    fdt_end_node(tree);
}

static void put_emulated(void *tree, uint32_t flags)
{
    if (flags & PARTITION_UART) {
        tree_begin(tree, "pl011", GUEST_UART_BASE);
        PUT_STRINGS(tree, "compatible", "arm,pl011\0arm,primecell");
        tree_put_reg1(tree, GUEST_UART_BASE, PAGE_SIZE);
        put_interrupt(tree, SPI, GUEST_LINE_UART, LEVEL);
        put_clocks(tree, UART_CLOCKS, sizeof(UART_CLOCKS));
        fdt_end_node(tree);
    }
    if (flags & PARTITION_RTC) {
        tree_begin(tree, "pl031", GUEST_RTC_BASE);
        PUT_STRINGS(tree, "compatible", "arm,pl031\0arm,primecell");
        tree_put_reg1(tree, GUEST_RTC_BASE, PAGE_SIZE);
        put_interrupt(tree, SPI, GUEST_LINE_RTC, LEVEL);
        put_clocks(tree, "apb_pclk", sizeof("apb_pclk"));
        fdt_end_node(tree);
    }
    if (flags & PARTITION_WATCHDOG) {
        struct range64 frames[] = {{GUEST_WATCHDOG_CONTROL, PAGE_SIZE}, {GUEST_WATCHDOG_REFRESH, PAGE_SIZE}};

        tree_begin(tree, "watchdog", GUEST_WATCHDOG_CONTROL);
        fdt_property_string(tree, "compatible", "arm,sbsa-gwdt");
        tree_put_reg(tree, frames, 2);
        put_interrupt(tree, SPI, GUEST_LINE_WATCHDOG, LEVEL);
        fdt_end_node(tree);
    }
}

/* What a driver needs of a passed-through device's node; the clocks become ours. */
static void put_device(int node, void *tree)
{
    static const char *const kept[] = {"compatible", "interrupts", "dma-coherent"};
    struct range64 ranges[REGS_MAX];
    struct memory_range regs[REGS_MAX];
    unsigned count = host_tree_regs(node, regs, REGS_MAX);
    int length;

    for (unsigned i = 0; i < count; i++)
        ranges[i] = (struct range64){regs[i].base.value, regs[i].size};
    fdt_begin_node(tree, host_tree_name(node));
    tree_put_reg(tree, ranges, count);
    for (unsigned i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
        const void *value = host_tree_property(node, kept[i], &length);

        if (value)
            fdt_property(tree, kept[i], value, length);
    }
    if (host_tree_is_compatible(node, "arm,pl011"))
        put_clocks(tree, UART_CLOCKS, sizeof(UART_CLOCKS));
    else if (host_tree_is_compatible(node, "arm,primecell"))
        put_clocks(tree, "apb_pclk", sizeof("apb_pclk"));
    fdt_end_node(tree);
}

void arch_tree_put_line(void *tree, uint32_t line, bool level)
{
    put_interrupt(tree, SPI, line, level ? LEVEL : EDGE);
}

void arch_domain_renew(void *description)
{
    tree_renew(description);
}

struct description arch_domain_describe(struct domain *domain, const struct guest_images *images, void *tree,
                                        size_t size)
{
    /* Without a search for each name: the names of a tree take less than a page anyway. */
    fdt_create_with_flags(tree, (int)size, FDT_CREATE_FLAG_NO_NAME_DEDUP);
    fdt_finish_reservemap(tree);
    fdt_begin_node(tree, "");
    fdt_property_u32(tree, "interrupt-parent", PHANDLE_GIC);
    tree_put_root(tree, domain, images, "/pl011@9000000");
    put_cpus(tree, domain);
    put_gic(tree, domain);
    put_timer(tree);
    put_clock(tree);
    put_emulated(tree, domain->config->flags);
    tree_put_front_ends(tree, domain);
    passthrough_each(domain, put_device, tree);
    if (is_management(domain))
        tree_put_bulkhead(tree, domain);
    fdt_end_node(tree);
    CHECK(!fdt_finish(tree)); /* else `size` is too small */
    return (struct description){.size = fdt_totalsize(tree)};
}
