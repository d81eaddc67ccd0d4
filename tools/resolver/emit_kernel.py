# SPDX-License-Identifier: Apache-2.0
"""kernel.mk: the parts of the kernel that this configuration has a use for. A folder's module.mk says which objects a part
is, and which stand in for one that is left out (no-PART). And the interrupt controller, of which arch/arm64 has two."""


def uses_pci(appliance):
    """Whether any domain can have a PCI function, or devices are behind an IOMMU."""
    board = appliance.board
    named = [device for partition in appliance.partitions for name in partition.devices for device in board.find(name)]
    return bool(appliance.sriov or board.iommu != "none" or any(partition.pci for partition in appliance.partitions)
                or any(device.pci_host for device in named))


def kernel_makefile(appliance):
    pci = uses_pci(appliance)
    drivers = appliance.board.iommu_drivers if pci else []
    there = {"pci": pci, **({"sriov": bool(appliance.sriov)} if pci else {}), "iommu": bool(drivers), **{name: name in drivers for name in ("vtd", "amdvi", "smmuv3")}}
    parts = " ".join(part if on else f"no-{part}" for part, on in there.items())
    return f"# Made from .config by tools/resolver.\nkernel-parts := {parts}\ngic := {appliance.board.gic}\n"
