// SPDX-License-Identifier: Apache-2.0
#include <arch/passthrough.h>

#include <arch/apic.h>
#include <arch/pio.h>
#include <arch/stage2.h>
#include <bulkhead/guest_map.h>
#include <core/arch.h>
#include <core/interrupt.h>
#include <core/log.h>
#include <core/vpci.h>
#include <libfdt.h>
#include <string.h>

#define UART_PORTS 8u
#define MESSAGES (VIOAPIC_LINES - GUEST_LINES) /* of a native domain */
#define PORTS_END 0x10000u

static struct domain *serial_owner;
/* What has its place on every machine that has it: ports, or a page of registers. Whether it is there, its registers say. */
static struct fixed {
    const char *path, *compatible;
    uint32_t base, size;
    struct domain *owner;
} fixed[] = {{"/rtc@70", "motorola,mc146818", GUEST_PORT_RTC, 2, NULL},
             {"/watchdog@660", "intel,ich9-tco", 0x660, 32, NULL},
             {"/tpm@fed40000", "tcg,tpm-tis-mmio", 0xfed40000, PAGE_SIZE, NULL}}; /* locality 0 (TCG PTP, 6.3.2) */

static struct fixed *find_fixed(const char *path)
{
    for (uint32_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
        if (!strcmp(path, fixed[i].path))
            return &fixed[i];
    return NULL;
}

void passthrough_init(struct domain *domain)
{
    for (const char *const *name = domain->config->devices; name && *name; name++) {
        struct fixed *device = find_fixed(*name);

        if (!strcmp(*name, "/serial@3f8") && platform.arch.serial_port) {
            serial_owner = domain;
            pio_pass_through(domain, platform.arch.serial_port, UART_PORTS);
            if (!ioapic_route_isa(GUEST_LINE_UART, domain->vcpu[0]->cpu))
                log_line("%s: no IOAPIC has the interrupt of '%s'", domain->config->name, *name);
        } else if (device) {
            device->owner = domain;
            if (device->base < PORTS_END)
                pio_pass_through(domain, (uint16_t)device->base, (uint16_t)device->size);
            else
                stage2_map(domain, ipa(device->base), hpa(device->base), device->size,
                           STAGE2_READ | STAGE2_WRITE | STAGE2_DEVICE);
        } else if (strcmp(*name, "/pcie") || !platform.pci.ecam.value) { /* core/vpci.c has that */
            log_line("%s: the machine has no '%s'", domain->config->name, *name);
        }
    }
}

bool passthrough_owns_serial(const struct domain *domain)
{
    return serial_owner == domain;
}

/* The chipset's wiring of bus 0, which no static table tells (board: PCI_LINES). Edges do: vpci_interrupt() sees to it
 * that the line falls, and a level would need the IOMMU and the EOI to know of it. */
uint32_t arch_pci_line(struct domain *domain, uint32_t device, uint32_t pin, uint32_t slot)
{
    static const struct domain *owners[4];
    uint32_t index = (device + pin - 1) % 4;

    if (!CONFIG_PCI_LINES || (owners[index] && owners[index] != domain) || slot > GUEST_PCI_SLOTS ||
        !ioapic_route(CONFIG_PCI_LINES + index, domain->vcpu[0]->cpu, VECTOR_PCI, false, true))
        return 0;
    owners[index] = domain;
    return guest_pci_line(slot);
}

void passthrough_interrupt(uint32_t vector)
{
    if (vector == VECTOR_PCI && vcpu_current()->domain)
        vpci_interrupt(vcpu_current()->domain);
    if (vector == VECTOR_LINES + GUEST_LINE_UART && serial_owner)
        interrupt_raise(serial_owner, GUEST_LINE_UART);
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
    struct vpci_host host = vpci_host(domain);

    if (serial_owner == domain) {
        fdt32_t line[] = {cpu_to_fdt32(GUEST_LINE_UART), cpu_to_fdt32(1)}; /* edge */

        put_node(tree, "serial@3f8", "ns16550a", platform.arch.serial_port, UART_PORTS);
        fdt_property(tree, "interrupts", line, sizeof(line));
        fdt_end_node(tree);
    }
    for (uint32_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++) {
        if (fixed[i].owner != domain)
            continue;
        put_node(tree, fixed[i].path + 1, fixed[i].compatible, fixed[i].base, fixed[i].size);
        fdt_end_node(tree);
    }
    if (host.functions) {
        fdt32_t messages[MESSAGES][3];

        for (uint32_t i = 0; i < MESSAGES; i++) {
            messages[i][0] = cpu_to_fdt32(GUEST_APIC_BASE); /* its vCPU 0 */
            messages[i][1] = cpu_to_fdt32(VIOAPIC_MESSAGE_VECTOR + GUEST_LINES + i);
            messages[i][2] = cpu_to_fdt32(GUEST_LINES + i);
        }
        put_node(tree, "pcie", "pci-host-ecam-generic", host.ecam.value, host.buses * MIB);
        fdt_property(tree, "bulkhead,messages", messages, sizeof(messages));
        fdt_end_node(tree);
    }
}
