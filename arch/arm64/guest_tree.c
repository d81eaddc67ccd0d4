// SPDX-License-Identifier: Apache-2.0
/* A domain's device tree, written in one pass at boot. Bindings are Linux's. */
#include <arch/host_tree.h>
#include <arch/passthrough.h>
#include <bulkhead/guest_map.h>
#include <core/arch.h>
#include <core/channel.h>
#include <core/console.h>
#include <core/log.h>
#include <core/seed.h>
#include <core/status.h>
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

struct range64 {
    uint64_t base, size;
};

static bool is_management(const struct domain *domain)
{
    return domain->config->flags & PARTITION_MANAGEMENT;
}

/* Errors end up in the tree's header: fdt_finish() tells. */
static void begin(void *tree, const char *name, uint64_t address)
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

static void put_reg(void *tree, const struct range64 *ranges, unsigned count)
{
    fdt64_t cells[2 * BULKHEAD_CHANNELS_MAX];

    CHECK(count <= BULKHEAD_CHANNELS_MAX);
    for (unsigned i = 0; i < count; i++) {
        cells[2 * i] = cpu_to_fdt64(ranges[i].base);
        cells[2 * i + 1] = cpu_to_fdt64(ranges[i].size);
    }
    fdt_property(tree, "reg", cells, (int)(count * sizeof(struct range64)));
}

static void put_reg1(void *tree, uint64_t base, uint64_t size)
{
    put_reg(tree, &(struct range64){base, size}, 1);
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

static void put_chosen(void *tree, struct domain *domain, const struct guest_images *images)
{
    static const uint8_t seed[SEED_SIZE];

    fdt_begin_node(tree, "chosen");
    fdt_property_string(tree, "bootargs", domain->config->command_line);
    if (domain->config->flags & PARTITION_UART)
        fdt_property_string(tree, "stdout-path", "/pl011@9000000");
    if (images->initrd_size) {
        fdt_property_u64(tree, "linux,initrd-start", images->initrd.value);
        fdt_property_u64(tree, "linux,initrd-end", images->initrd.value + images->initrd_size);
    }
    if (domain->config->uart_console != 0xff)
        fdt_property_u32(tree, "bulkhead,console", domain->config->uart_console);
    if (seed_available()) { /* arch_domain_renew() writes them */
        fdt_property(tree, "rng-seed", seed, sizeof(seed));
        fdt_property(tree, "kaslr-seed", seed, sizeof(uint64_t));
    }
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

void arch_domain_renew(void *description)
{
    int chosen = fdt_path_offset(description, "/chosen");

    renew_seed(description, chosen, "rng-seed");
    renew_seed(description, chosen, "kaslr-seed");
}

static void put_cpus(void *tree, struct domain *domain)
{
    fdt_begin_node(tree, "cpus");
    fdt_property_u32(tree, "#address-cells", 1);
    fdt_property_u32(tree, "#size-cells", 0);
    for (uint32_t i = 0; i < domain->vcpu_count; i++) {
        begin(tree, "cpu", i);
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
    begin(tree, "intc", ranges[0].base);
    fdt_property_string(tree, "compatible", "arm,gic-v3");
    fdt_property_u32(tree, "#interrupt-cells", 3);
    fdt_property_u32(tree, "#address-cells", 2);
    fdt_property_u32(tree, "#size-cells", 2);
    fdt_property(tree, "ranges", NULL, 0);
    fdt_property(tree, "interrupt-controller", NULL, 0);
    fdt_property_u32(tree, "phandle", PHANDLE_GIC);
    put_reg(tree, ranges, 2);
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
        begin(tree, "pl011", GUEST_UART_BASE);
        PUT_STRINGS(tree, "compatible", "arm,pl011\0arm,primecell");
        put_reg1(tree, GUEST_UART_BASE, PAGE_SIZE);
        put_interrupt(tree, SPI, GUEST_LINE_UART, LEVEL);
        put_clocks(tree, UART_CLOCKS, sizeof(UART_CLOCKS));
        fdt_end_node(tree);
    }
    if (flags & PARTITION_RTC) {
        begin(tree, "pl031", GUEST_RTC_BASE);
        PUT_STRINGS(tree, "compatible", "arm,pl031\0arm,primecell");
        put_reg1(tree, GUEST_RTC_BASE, PAGE_SIZE);
        put_interrupt(tree, SPI, GUEST_LINE_RTC, LEVEL);
        put_clocks(tree, "apb_pclk", sizeof("apb_pclk"));
        fdt_end_node(tree);
    }
    if (flags & PARTITION_WATCHDOG) {
        struct range64 frames[] = {{GUEST_WATCHDOG_CONTROL, PAGE_SIZE}, {GUEST_WATCHDOG_REFRESH, PAGE_SIZE}};

        begin(tree, "watchdog", GUEST_WATCHDOG_CONTROL);
        fdt_property_string(tree, "compatible", "arm,sbsa-gwdt");
        put_reg(tree, frames, 2);
        put_interrupt(tree, SPI, GUEST_LINE_WATCHDOG, LEVEL);
        fdt_end_node(tree);
    }
}

static void put_front_ends(void *tree, struct domain *domain)
{
    for (uint32_t i = 0; i < channel_count; i++) {
        if (channels[i].front != domain->index)
            continue;
        begin(tree, "virtio_mmio", GUEST_VIRTIO_BASE + channels[i].slot * PAGE_SIZE);
        fdt_property_string(tree, "compatible", "virtio,mmio");
        put_reg1(tree, GUEST_VIRTIO_BASE + channels[i].slot * PAGE_SIZE, PAGE_SIZE);
        put_interrupt(tree, SPI, guest_virtio_line(channels[i].slot), LEVEL);
        fdt_property(tree, "dma-coherent", NULL, 0);
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
    put_reg(tree, ranges, count);
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

static void put_shared(void *tree, const char *name, const char *compatible, uint64_t base, uint64_t size)
{
    fdt_begin_node(tree, name);
    fdt_property_string(tree, "compatible", compatible);
    put_reg1(tree, base, size);
    fdt_end_node(tree);
}

static void put_grant(void *tree, uint32_t partition)
{
    const struct domain *front = &domains[partition];

    begin(tree, "grant", partition);
    fdt_property_string(tree, "compatible", "bulkhead,grant");
    put_reg1(tree, front->memory.value, front->memory_size);
    fdt_property_u32(tree, "bulkhead,partition", partition);
    fdt_property_u64(tree, "bulkhead,guest-base", front->memory_ipa.value);
    fdt_end_node(tree);
}

/* What the kernel shares with the domain that serves the others. */
static void put_bulkhead(void *tree, struct domain *domain)
{
    struct range64 ranges[BULKHEAD_CHANNELS_MAX];

    fdt_begin_node(tree, "bulkhead");
    fdt_property_string(tree, "compatible", "bulkhead");
    fdt_property_u32(tree, "#address-cells", 2);
    fdt_property_u32(tree, "#size-cells", 2);
    fdt_property(tree, "ranges", NULL, 0);
    put_shared(tree, "status", "bulkhead,status", status_hpa().value, status_bytes());
    put_shared(tree, "log", "bulkhead,log", log_ring_page().value, log_ring_bytes());
    fdt_begin_node(tree, "doorbell");
    fdt_property_string(tree, "compatible", "bulkhead,doorbell");
    put_reg1(tree, channel_doorbell_page(domain).value, PAGE_SIZE);
    put_interrupt(tree, SPI, GUEST_LINE_DOORBELL, EDGE);
    fdt_end_node(tree);
    fdt_begin_node(tree, "consoles");
    fdt_property_string(tree, "compatible", "bulkhead,consoles");
    for (uint32_t i = 0; i < console_count; i++)
        ranges[i] = (struct range64){console_ring_page(i).value, console_ring_bytes()};
    put_reg(tree, ranges, console_count);
    fdt_end_node(tree);
    fdt_begin_node(tree, "channels");
    fdt_property_string(tree, "compatible", "bulkhead,channels");
    for (uint32_t i = 0; i < channel_count; i++)
        ranges[i] = (struct range64){channel_register_page(i).value, PAGE_SIZE};
    put_reg(tree, ranges, channel_count);
    fdt_end_node(tree);
    for (uint32_t i = 0; i < partition_count; i++)
        if (domain_grants(&domains[i], domain))
            put_grant(tree, i);
    fdt_end_node(tree);
}

struct description arch_domain_describe(struct domain *domain, const struct guest_images *images, void *tree,
                                        size_t size)
{
    /* Without a search for each name: the names of a tree take less than a page anyway. */
    fdt_create_with_flags(tree, (int)size, FDT_CREATE_FLAG_NO_NAME_DEDUP);
    fdt_finish_reservemap(tree);
    fdt_begin_node(tree, "");
    fdt_property_string(tree, "compatible", "bulkhead,domain");
    fdt_property_string(tree, "model", "Bulkhead domain");
    fdt_property_u32(tree, "#address-cells", 2);
    fdt_property_u32(tree, "#size-cells", 2);
    fdt_property_u32(tree, "interrupt-parent", PHANDLE_GIC);
    put_chosen(tree, domain, images);
    begin(tree, "memory", domain->memory_ipa.value);
    fdt_property_string(tree, "device_type", "memory");
    put_reg1(tree, domain->memory_ipa.value, domain->memory_size);
    fdt_end_node(tree);
    put_cpus(tree, domain);
    put_gic(tree, domain);
    put_timer(tree);
    put_clock(tree);
    put_emulated(tree, domain->config->flags);
    put_front_ends(tree, domain);
    passthrough_each(domain, put_device, tree);
    if (is_management(domain))
        put_bulkhead(tree, domain);
    fdt_end_node(tree);
    CHECK(!fdt_finish(tree)); /* else `size` is too small */
    return (struct description){.size = fdt_totalsize(tree)};
}
