# SPDX-License-Identifier: Apache-2.0
"""The partitions as a table for people."""


def mib(size):
    return f"{size >> 20} MiB"


def devices(partition):
    """One short word for each device of a partition."""
    words = [f"{nic.switch}{f'.{nic.vlan}' if nic.vlan else ''}{'(trunk)' if nic.trunk else ''}" for nic in partition.nics]
    for disk in partition.disks:
        words.append(f"disk{disk.device}{':' + disk.label if disk.label else ''}{' (ro)' if disk.read_only else ''}")
    words += [word for word, on in (("uart", partition.uart), ("hvc", partition.virtio_console), ("rtc", partition.rtc),
                                    ("rng", partition.entropy), ("watchdog", partition.watchdog)) if on]
    for pci in partition.pci:
        words.append(f"pci {pci.function}{f' VLAN {pci.vlan}' if pci.vlan else ''}{' (no reset)' if pci.without_reset else ''}")
    return words + partition.devices


def rows(appliance):
    yield "no", "partition", "CPUs", "memory", "kernel", "initrd", "start", "on a crash", "devices"
    for number, partition in enumerate(appliance.partitions):
        policy = partition.action if partition.action != "restart" else f"restart ({partition.limit} in {partition.window_s} s)"
        yield (str(number), partition.name, ",".join(map(str, partition.cpus)), mib(partition.memory), partition.kernel.node,
               partition.initrd.node if partition.initrd else "-", "auto" if partition.autostart else "by hand", policy,
               ", ".join(devices(partition)))


def table(appliance):
    lines = list(rows(appliance))
    widths = [max(len(row[column]) for row in lines) for column in range(len(lines[0]) - 1)]
    text = [("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[-1]])).rstrip() for row in lines]
    text.insert(1, "  ".join(["-" * width for width in widths] + ["-" * 7]))
    used = sum(partition.memory for partition in appliance.partitions)
    free = sorted(set(range(appliance.board.cpus)) - {cpu for partition in appliance.partitions for cpu in partition.cpus})
    text.append(f"board {appliance.board.name}: {mib(used)} of {mib(appliance.board.ram_size)} given to partitions; "
                f"CPUs that belong to nobody: {', '.join(map(str, free)) or 'none'}")
    for entry in appliance.sriov:
        text.append(f"SR-IOV: {entry.function} of {appliance.partitions[0].name} has {entry.vfs} virtual function{'s' if entry.vfs > 1 else ''}")
    if any(partition.pci for partition in appliance.partitions[1:]):
        text.append(f"IOMMU: {appliance.board.iommu}" + ("; DANGER: passthrough is allowed without one" if appliance.without_iommu else ""))
    return "\n".join(text) + "\n"
