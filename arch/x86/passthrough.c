// SPDX-License-Identifier: Apache-2.0
#include <arch/passthrough.h>

#include <arch/apic.h>
#include <arch/pio.h>
#include <bulkhead/guest_map.h>
#include <core/arch.h>
#include <core/interrupt.h>
#include <core/log.h>
#include <libfdt.h>
#include <string.h>

#define FUNCTIONS_MAX 32
#define SHARED_PAGES_MAX 32
#define BUSES_MAX 2 /* kernel_map_device() has room for so many */
#define BUS_SIZE 0x100000u
#define FUNCTION_SIZE 0x1000u
#define UART_PORTS 8u
#define RTC_PORTS 2u

/* PCI local bus specification 3.0, 6.1 and 6.8.2 */
#define PCI_ID 0x00
#define PCI_COMMAND 0x04 /* and status, << 16 */
#define COMMAND_DECODE 0x3u
#define COMMAND_MASTER 0x4u
#define STATUS_HAS_CAPABILITIES (0x10u << 16)
#define PCI_HEADER 0x0c /* header type, << 16 */
#define HEADER_BRIDGE 0x00010000u
#define HEADER_TYPE 0x007f0000u
#define HEADER_MULTIFUNCTION 0x00800000u
#define PCI_BAR0 0x10
#define BAR_IO 0x1u
#define BAR_64_BITS 0x4u
#define BAR_TYPE 0x6u
#define PCI_BUSES 0x18 /* secondary bus << 8 */
#define PCI_CAPABILITIES 0x34
#define CAPABILITIES_MAX 48
#define CAPABILITY_MSI 0x05u
#define CAPABILITY_MSIX 0x11u
#define MSI_ENABLE (1u << 16)
#define MSIX_ENABLE (1u << 31)

static struct domain *serial_owner, *rtc_owner, *pci_owner;
static volatile uint8_t *functions[FUNCTIONS_MAX]; /* configuration spaces, bridges left out */
static uint32_t function_count, bus_count;

static uint32_t get(volatile uint8_t *function, uint32_t offset)
{
    return *(volatile uint32_t *)(function + offset);
}

static void set(volatile uint8_t *function, uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(function + offset) = value;
}

/* BARs that are smaller than a page may share one. */
static void map_registers(struct domain *domain, uint64_t base, uint64_t size)
{
    static uint64_t shared[SHARED_PAGES_MAX];
    static uint32_t shared_count;
    uint64_t page = base & ~(PAGE_SIZE - 1), end = (base + size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);

    if (size < PAGE_SIZE) {
        for (uint32_t i = 0; i < shared_count; i++)
            if (shared[i] == page)
                return;
        if (shared_count == SHARED_PAGES_MAX)
            return;
        shared[shared_count++] = page;
    }
    stage2_map(domain, ipa(page), hpa(page), end - page, STAGE2_READ | STAGE2_WRITE | STAGE2_DEVICE);
}

/* What a BAR decodes, by writing ones to it; it ends as it was. */
static uint64_t bar_size(volatile uint8_t *function, uint32_t at, bool wide)
{
    uint32_t low = get(function, at), high = wide ? get(function, at + 4) : ~0u;
    uint64_t mask;

    set(function, at, ~0u);
    if (wide)
        set(function, at + 4, ~0u);
    mask = (get(function, at) & ~15u) | (uint64_t)(wide ? get(function, at + 4) : ~0u) << 32;
    set(function, at, low);
    if (wide)
        set(function, at + 4, high);
    return -mask;
}

static void map_bars(struct domain *domain, volatile uint8_t *function)
{
    uint32_t command = get(function, PCI_COMMAND) & 0xffff;

    set(function, PCI_COMMAND, command & ~COMMAND_DECODE);
    for (uint32_t i = 0; i < 6; i++) {
        uint32_t at = PCI_BAR0 + 4 * i, low = get(function, at);
        bool wide = !(low & BAR_IO) && (low & BAR_TYPE) == BAR_64_BITS && i < 5;
        uint64_t base = (low & ~15u) | (wide ? (uint64_t)get(function, at + 4) << 32 : 0);

        if (base && !(low & BAR_IO))
            map_registers(domain, base, bar_size(function, at, wide));
        i += wide;
    }
    set(function, PCI_COMMAND, command);
}

static void add_bus(struct domain *domain, uint32_t bus);

static uint32_t add_function(struct domain *domain, uint32_t bus, volatile uint8_t *function)
{
    uint32_t header = get(function, PCI_HEADER);

    if ((get(function, PCI_ID) & 0xffff) == 0xffff)
        return 0;
    if ((header & HEADER_TYPE) == HEADER_BRIDGE) {
        uint32_t below = get(function, PCI_BUSES) >> 8 & 0xff;

        if (below > bus)
            add_bus(domain, below);
    } else if (function_count < FUNCTIONS_MAX) {
        functions[function_count++] = function;
        map_bars(domain, function);
    }
    return header;
}

/* As the firmware has numbered them: buses below bridges have higher numbers. */
static void add_bus(struct domain *domain, uint32_t bus)
{
    volatile uint8_t *window;

    if (bus != bus_count || bus > platform.arch.bus_last)
        return;
    if (bus == BUSES_MAX) {
        log_line("%s: PCI buses from %u on are left out", domain->config->name, bus);
        return;
    }
    bus_count++;
    window = kernel_map_device(hpa(platform.arch.ecam.value + bus * BUS_SIZE), BUS_SIZE);
    for (uint32_t device = 0; device < 32; device++, window += 8 * FUNCTION_SIZE) {
        bool several = add_function(domain, bus, window) & HEADER_MULTIFUNCTION;

        for (uint32_t i = 1; several && i < 8; i++)
            add_function(domain, bus, window + i * FUNCTION_SIZE);
    }
}

void passthrough_init(struct domain *domain)
{
    for (const char *const *name = domain->config->devices; name && *name; name++) {
        if (!strcmp(*name, "/serial@3f8") && platform.arch.serial_port) {
            serial_owner = domain;
            pio_pass_through(domain, platform.arch.serial_port, UART_PORTS);
            if (!ioapic_route_isa(GUEST_LINE_UART, domain->vcpu[0]->cpu))
                log_line("%s: no IOAPIC has the interrupt of '%s'", domain->config->name, *name);
        } else if (!strcmp(*name, "/rtc@70")) {
            rtc_owner = domain;
            pio_pass_through(domain, GUEST_PORT_RTC, RTC_PORTS);
        } else if (!strcmp(*name, "/pcie") && platform.arch.ecam.value) {
            pci_owner = domain;
            add_bus(domain, 0);
            map_registers(domain, platform.arch.ecam.value, bus_count * BUS_SIZE);
        } else {
            log_line("%s: the machine has no '%s'", domain->config->name, *name);
        }
    }
    passthrough_reset(domain);
}

bool passthrough_owns_serial(const struct domain *domain)
{
    return serial_owner == domain;
}

static void quieten(volatile uint8_t *function)
{
    uint32_t at = PCI_CAPABILITIES;

    set(function, PCI_COMMAND, get(function, PCI_COMMAND) & 0xffff & ~COMMAND_MASTER);
    if (!(get(function, PCI_COMMAND) & STATUS_HAS_CAPABILITIES))
        return;
    at = get(function, at) & 0xfc;
    for (uint32_t i = 0; at >= 0x40 && i < CAPABILITIES_MAX; i++) {
        uint32_t capability = get(function, at);

        if ((capability & 0xff) == CAPABILITY_MSIX)
            set(function, at, capability & ~MSIX_ENABLE);
        else if ((capability & 0xff) == CAPABILITY_MSI)
            set(function, at, capability & ~MSI_ENABLE);
        at = capability >> 8 & 0xfc;
    }
}

void passthrough_reset(struct domain *domain)
{
    for (uint32_t i = 0; pci_owner == domain && i < function_count; i++)
        quieten(functions[i]);
}

void passthrough_interrupt(uint32_t vector)
{
    if (vector == VECTOR_LINES + GUEST_LINE_UART && serial_owner)
        interrupt_raise(serial_owner, GUEST_LINE_UART);
    else if (vector - VECTOR_MESSAGES < MESSAGES_MAX && pci_owner)
        interrupt_raise(pci_owner, GUEST_LINES + (vector - VECTOR_MESSAGES));
}

static void put_node(void *tree, const char *name, const char *compatible, uint64_t base, uint64_t size)
{
    fdt64_t reg[] = {cpu_to_fdt64(base), cpu_to_fdt64(size)};

    fdt_begin_node(tree, name);
    fdt_property_string(tree, "compatible", compatible);
    fdt_property(tree, "reg", reg, sizeof(reg));
}

void passthrough_describe(struct domain *domain, void *tree)
{
    if (serial_owner == domain) {
        fdt32_t line[] = {cpu_to_fdt32(GUEST_LINE_UART), cpu_to_fdt32(1)}; /* edge */

        put_node(tree, "serial@3f8", "ns16550a", platform.arch.serial_port, UART_PORTS);
        fdt_property(tree, "interrupts", line, sizeof(line));
        fdt_end_node(tree);
    }
    if (rtc_owner == domain) {
        put_node(tree, "rtc@70", "motorola,mc146818", GUEST_PORT_RTC, RTC_PORTS);
        fdt_end_node(tree);
    }
    if (pci_owner == domain) {
        fdt32_t messages[MESSAGES_MAX][3];

        for (uint32_t i = 0; i < MESSAGES_MAX; i++) {
            messages[i][0] = cpu_to_fdt32(0xfee00000u | cpus[domain->vcpu[0]->cpu].id << 12);
            messages[i][1] = cpu_to_fdt32(VECTOR_MESSAGES + i);
            messages[i][2] = cpu_to_fdt32(GUEST_LINES + i);
        }
        put_node(tree, "pcie", "pci-host-ecam-generic", platform.arch.ecam.value, bus_count * BUS_SIZE);
        fdt_property(tree, "bulkhead,messages", messages, sizeof(messages));
        fdt_end_node(tree);
    }
}
