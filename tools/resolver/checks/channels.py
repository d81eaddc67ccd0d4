# SPDX-License-Identifier: Apache-2.0
"""Numbers that the kernel's tables are made for: channels, slots, console rings."""


def check(context):
    limits, appliance = context.limits, context.appliance
    if len(appliance.channels) > limits.CHANNELS_MAX:
        context.errors.add("appliance", "channels", len(appliance.channels),
                           f"at most {limits.CHANNELS_MAX} virtual NICs, disks, consoles and entropy devices in all; take some away")
    if len(appliance.console_owner) > limits.CONSOLES_MAX:
        context.errors.add("appliance", "consoles", len(appliance.console_owner),
                           f"at most {limits.CONSOLES_MAX} UARTs and virtio consoles in all; switch some off")
    for partition in appliance.partitions:
        slots = sum(channel.partition is partition for channel in appliance.channels)
        if slots > limits.GUEST_VIRTIO_SLOTS:
            context.errors.add(partition.subject, "virtio devices", slots, f"at most {limits.GUEST_VIRTIO_SLOTS} a partition")
