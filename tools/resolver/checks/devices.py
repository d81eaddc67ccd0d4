# SPDX-License-Identifier: Apache-2.0
"""Physical devices: each with one owner, none over what is emulated, none that could write where it should not."""

PAGE = 4096


def check(context):
    claims = []  # (partition, option text, device)
    for partition in context.appliance.partitions:
        for name in partition.devices:
            found = context.appliance.board.find(name)
            if not found:
                context.errors.add(partition.subject, "DEVICES", name,
                                   f"board {context.appliance.board.name} has no such device; see board/{context.appliance.board.name}/devices.txt")
            elif any(device.kernel for device in found):
                context.errors.add(partition.subject, "DEVICES", name, "it is the kernel's own and cannot be passed through; take it out")
            elif partition.index != 0 and any(device.pci_host for device in found):
                context.errors.add(partition.subject, "DEVICES", name,
                                   "is the whole PCI host, which only partition 0 can have; choose single functions in this partition's menu (PCI function 0)")
            else:
                if partition.index != 0 and context.appliance.board.arch == "x86":
                    context.errors.add(partition.subject, "DEVICES", name, "on x86-64 only partition 0 can have physical devices; take it out")
                elif check_one_owner(context, claims, partition, name, found):
                    check_emulated(context, partition, name, found)
                claims += [(partition, name, device) for device in found]


def check_one_owner(context, claims, partition, name, found):
    for device in found:
        for other, _, theirs in claims:
            if theirs is device:
                if other is partition:
                    problem = f"{device.path} is listed twice; name it once"
                else:
                    problem = f"{device.path} belongs to {other.subject} already; give it to one of them"
            elif other is not partition and pages(theirs) & pages(device):
                problem = f"{device.path} shares a 4 KiB page with {theirs.path} of {other.subject}; give both to one of them"
            elif other is not partition and set(theirs.interrupts) & set(device.interrupts):
                problem = f"{device.path} shares an interrupt with {theirs.path} of {other.subject}; give both to one of them"
            else:
                continue
            context.errors.add(partition.subject, "DEVICES", name, problem)
            return False
        if device.dma and partition.index != 0:
            context.errors.add(partition.subject, "DEVICES", name,
                               f"{device.path} reaches memory by itself and no IOMMU of this board confines it; only partition 0 may have it")
            return False
    return True


def pages(device):
    """The 4 KiB pages of its registers; none of a device behind I/O ports, which no other overlaps."""
    if device.ports:
        return set()
    return set(range(device.base // PAGE, (device.base + device.size - 1) // PAGE + 1))


def emulated(context, partition):
    """(name, base, size, SPI or None) of what the kernel emulates for a guest on arm64."""
    limits = context.limits
    regions = [("the virtual GIC", limits.GUEST_GICD_BASE, 0x12000, None),
               ("the virtual GIC", limits.GUEST_GICR_BASE, 0x20000 * max(1, len(partition.cpus or [])), None),
               ("its memory", limits.GUEST_MEMORY_BASE, partition.memory, None)]
    if partition.uart:
        regions.append(("the emulated UART", limits.GUEST_UART_BASE, PAGE, limits.GUEST_LINE_UART))
    if partition.rtc:
        regions.append(("the emulated clock", limits.GUEST_RTC_BASE, PAGE, limits.GUEST_LINE_RTC))
    if partition.watchdog:
        regions.append(("the emulated watchdog", limits.GUEST_WATCHDOG_REFRESH, PAGE, None))
        regions.append(("the emulated watchdog", limits.GUEST_WATCHDOG_CONTROL, PAGE, limits.GUEST_LINE_WATCHDOG))
    slots = [channel.slot for channel in context.appliance.channels if channel.partition is partition]
    return regions + [(f"virtio slot {slot}", limits.GUEST_VIRTIO_BASE + slot * PAGE, PAGE, limits.GUEST_LINE_VIRTIO + slot) for slot in slots]


def check_emulated(context, partition, name, found):
    if partition.index == 0:
        return  # its devices stand where the host's do, and nothing is emulated there but the GIC, which is the kernel's
    for device in found:
        for what, base, size, interrupt in emulated(context, partition):
            if device.base < base + size and base < device.base + device.size:
                context.errors.add(partition.subject, "DEVICES", name,
                                   f"{device.path} ({device.base:#x}) overlaps {what} ({base:#x}); switch one of the two off")
                return
            if interrupt in device.interrupts:
                context.errors.add(partition.subject, "DEVICES", name,
                                   f"{device.path} has the interrupt (SPI {interrupt}) of {what}; switch one of the two off")
                return
