# SPDX-License-Identifier: Apache-2.0
"""All checks, in the order in which their errors are shown."""

from dataclasses import dataclass

from .checks import bundle, certificates, channels, cpus, devices, disks, images, memory, names, pci, supervision, switches


@dataclass
class Context:
    appliance: object
    config: object
    limits: object
    root: str
    errors: object


def check(appliance, config, limits, root, errors):
    """Reports everything that cannot work."""
    context = Context(appliance, config, limits, root, errors)
    for module in (names, cpus, memory, devices, pci, switches, channels, disks, images, supervision, certificates, bundle):
        module.check(context)
