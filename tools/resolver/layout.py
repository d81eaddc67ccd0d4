# SPDX-License-Identifier: Apache-2.0
"""Numbers that nobody configures: channels and their slots, console rings, MAC addresses, names in the bundle."""

import hashlib
import os
import re
from dataclasses import dataclass

from .model import Image

NET, BLOCK, CONSOLE, ENTROPY = 1, 2, 3, 4
NO_CONSOLE = 0xFF


@dataclass
class Channel:
    index: int
    device_id: int
    partition: object
    slot: int
    console: int
    device: object  # Nic, Disk or None


def made_mac(hostname, *words):
    """A locally administered address that the same configuration always gets."""
    digest = hashlib.sha256("/".join((hostname,) + words).encode()).digest()
    return b"\x02" + digest[:5]


def lay_out(appliance):
    lay_out_consoles_and_channels(appliance)
    lay_out_macs(appliance)
    lay_out_images(appliance)


def lay_out_consoles_and_channels(appliance):
    for partition in appliance.partitions:
        wanted = [(NET, nic) for nic in partition.nics] + [(BLOCK, disk) for disk in partition.disks]
        wanted += [(CONSOLE, None)] * partition.virtio_console + [(ENTROPY, None)] * partition.entropy
        if partition.uart or partition.native:
            partition.uart_console = _console(appliance, partition)
        for slot, (device_id, device) in enumerate(wanted):
            ring = _console(appliance, partition) if device_id == CONSOLE else NO_CONSOLE
            appliance.channels.append(Channel(len(appliance.channels), device_id, partition, slot, ring, device))


def _console(appliance, partition):
    appliance.console_owner.append(partition.index)
    return len(appliance.console_owner) - 1


def lay_out_macs(appliance):
    for switch in appliance.switches:
        if switch.mgmt and switch.mac is None:
            switch.mac = made_mac(appliance.hostname, "switch", str(switch.index))
    for partition in appliance.partitions:
        for nic in partition.nics:
            if nic.mac is None:
                nic.mac = made_mac(appliance.hostname, "partition", str(partition.index), str(nic.index))
        for pci in partition.pci:
            if pci.mac is None and pci.function and pci.function.vf is not None:
                pci.mac = made_mac(appliance.hostname, "partition", str(partition.index), "pci", str(pci.index))


def lay_out_images(appliance):
    """Equal images are one image in the bundle. Of load plans there are no equal ones."""
    known = {}
    names = set()
    for partition in appliance.partitions:
        for image in (partition.kernel, partition.initrd):
            if image is None:
                continue
            key = (image.source, os.path.realpath(image.path) if image.source == "file" else "", image.kind)
            if key not in known:
                image.node = _node_name(image, names)
                known[key] = image
                appliance.images.append(image)
            image.node = known[key].node
    for partition in appliance.partitions:
        partition.plan = Image("plan", partition.name, "plan")
        partition.plan.node = _node_name(partition.plan, names)
        appliance.images.append(partition.plan)


def _node_name(image, names):
    if image.source == "plan":
        name = f"plan-{image.path}"
    elif image.source != "file":
        name = {"management": "mgmt"}.get(image.source, image.source)
    else:
        name = re.sub(r"[^a-z0-9-]+", "-", os.path.basename(image.path.removeprefix("guest:")).lower()).strip("-") or "image"
    unique, number = name, 2
    while unique in names:
        unique, number = f"{name}-{number}", number + 1
    names.add(unique)
    return unique
