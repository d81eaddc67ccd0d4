# SPDX-License-Identifier: Apache-2.0
"""PCI functions: each with one owner, isolation groups undivided, virtual functions that somebody switches on, and a
machine that can confine them. What only the machine knows, the kernel checks at boot."""

from ..errors import choices
from .switches import VLANS, vlan_is_good


def check(context):
    check_sriov(context)
    claims = []  # (partition, function's option, pci function)
    for partition in context.appliance.partitions:
        for pci in partition.pci:
            if pci.function is None:
                continue  # reported when it was read
            if check_function(context, partition, pci) and check_one_owner(context, claims, partition, pci):
                claims.append((partition, pci))
    if not 0 <= context.appliance.dma_fault_limit <= 1000000:
        context.errors.add("appliance", "DMA_FAULT_LIMIT", context.appliance.dma_fault_limit, "is out of range; 0 (never) to 1000000")


def same(one, other):
    """Whether two selectors are known to mean one function; ids and an address may still, and the kernel looks."""
    return one.text == other.text


def check_sriov(context):
    first = {}
    for entry in context.appliance.sriov:
        if entry.function is None:
            continue
        function, limit = entry.function, context.limits.SRIOV_VFS_MAX
        if not context.appliance.board.has("pci-host-ecam-generic"):
            context.errors.add(entry.subject, "FUNCTION", function, no_host(context))
        elif function.vf is not None:
            context.errors.add(entry.subject, "FUNCTION", function, f"is a virtual function, which has none of its own; write {function.text}")
        elif function.text in first:
            context.errors.add(entry.subject, "FUNCTION", function, f"is {first[function.text].subject} already; name it once")
        elif not 1 <= entry.vfs <= limit:
            context.errors.add(entry.subject, "VFS", entry.vfs, f"is out of range; 1 to {limit}")
        else:
            first[function.text] = entry


def no_host(context):
    return f"board {context.appliance.board.name} has no PCI host that the kernel drives (ECAM); take it out"


def check_function(context, partition, pci):
    before = len(context.errors.lines)
    option, function = f"PCI{pci.index}_FUNCTION", pci.function

    def add(text, name=option, value=function):
        context.errors.add(partition.subject, name, value, text)

    board = context.appliance.board
    known = board.function(function)
    if not board.has("pci-host-ecam-generic"):
        add(no_host(context))
    elif known and known.fixed:
        add(f"is {known.what} of board {board.name}, which nobody can have; choose another")
    elif function.vf is not None:
        check_virtual(context, partition, pci, add)
    elif any(entry.function and same(entry.function, function) for entry in context.appliance.sriov):
        add(f"has virtual functions, so it belongs to the management domain; choose one of them, such as {function.text}/vf0")
    elif known and not known.reset and partition.index != 0 and not pci.without_reset:
        add(f"{known.what} has no reset, so a restarted guest would find it as the last one left it; "
            f"choose another, or accept that with PCI{pci.index}_WITHOUT_RESET")
    if len(context.errors.lines) == before and partition.index != 0:
        check_machine(context, board, add)
    if function.vf is None and pci.mac:
        add("only a virtual function's address can be given; take it out", f"PCI{pci.index}_MAC", pci.mac.hex(":"))
    if function.vf is None and pci.vlan:
        add("only a virtual function's VLAN can be given; take it out", f"PCI{pci.index}_VLAN", pci.vlan)
    elif not vlan_is_good(pci.vlan):
        add(f"is out of range; {VLANS}", f"PCI{pci.index}_VLAN", pci.vlan)
    return len(context.errors.lines) == before


def check_virtual(context, partition, pci, add):
    function = pci.function
    entries = [entry for entry in context.appliance.sriov if entry.function and same(entry.function, function)]
    if not entries:
        known = [entry.function.text for entry in context.appliance.sriov if entry.function]
        add(f"nobody switches virtual functions of {function.text} on; name it as an SR-IOV device (menu Passthrough of devices)"
            + (f", written as there: {choices(known)}" if known else ""))
    elif function.vf >= entries[0].vfs:
        add(f"{entries[0].subject} has {entries[0].vfs} virtual function{'s' if entries[0].vfs > 1 else ''}; "
            f"choose vf0{f' to vf{entries[0].vfs - 1}' if entries[0].vfs > 1 else ''}, or give it more")


def check_machine(context, board, add):
    """What a machine must have before a guest may have a PCI function."""
    if board.iommu == "none" and not context.appliance.without_iommu:
        add(f"a PCI function reaches memory by itself, and board {board.name} is said to have no IOMMU that would confine it; "
            "choose the IOMMU that it has (menu Board), or keep the function with partition 0")
    elif board.iommu not in ("none", *board.iommu_drivers) and not context.appliance.without_iommu:
        add(f"a PCI function reaches memory by itself, and the kernel is built without a driver of the IOMMU that would confine it; "
            f"choose {board.iommu.upper()}_DRIVER (menu Board), or keep the function with partition 0")
    elif board.arch == "arm64" and not board.has("arm,gic-v3-its"):
        add(f"board {board.name} has no ITS, so nobody could confine the function's interrupt messages; keep it with partition 0")


def check_one_owner(context, claims, partition, pci):
    option, function, board = f"PCI{pci.index}_FUNCTION", pci.function, context.appliance.board
    for other, theirs in claims:
        if same(theirs.function, function) and theirs.function.vf == function.vf:
            where = f"belongs to {other.subject} already; give it to one of them" if other is not partition else "is named twice; name it once"
            context.errors.add(partition.subject, option, function, where)
            return False
        if other is not partition and one_group(board, theirs.function, function):
            context.errors.add(partition.subject, option, function,
                               f"is in one isolation group with {theirs.function} of {other.subject}: nothing keeps the two from reaching each other "
                               "past the IOMMU; give both to one of them")
            return False
    return check_rest(context, partition, pci)


def one_group(board, one, other):
    """Functions of one device cannot be kept apart unless the board's list says that they can."""
    if one.vf is not None or other.vf is not None:
        return False
    known = board.function(one), board.function(other)
    if all(known):
        return known[0].group == known[1].group
    return None not in (one.address, other.address) and one.address >> 3 == other.address >> 3


def check_rest(context, partition, pci):
    """What nobody names belongs to partition 0 where that has the PCI host: none of it in a guest's group."""
    appliance = context.appliance
    board, known = appliance.board, appliance.board.function(pci.function)
    rest = appliance.partitions[0]
    if partition is rest or not known or not any(device.pci_host for name in rest.devices for device in board.find(name)):
        return True
    named = [board.function(other.function) for other in partition.pci if other.function]
    for function in board.pci:
        if function.group == known.group and function is not known and not function.fixed and function not in named:
            address = f"{function.address >> 8:02x}:{function.address >> 3 & 31:02x}.{function.address & 7}"
            context.errors.add(partition.subject, f"PCI{pci.index}_FUNCTION", pci.function,
                               f"is in one isolation group with {address} ({function.what}), which {rest.subject} has since nobody names it; "
                               "give both to this partition")
            return False
    return True
