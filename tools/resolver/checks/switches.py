# SPDX-License-Identifier: Apache-2.0
"""Switches and what is plugged into them."""

from ..errors import choices

VLANS = "1 to 4094, or 0 for untagged"


def vlan_is_good(vlan):
    return 0 <= vlan <= 4094


def check(context):
    check_uplinks(context)
    check_management_ports(context)
    check_nics(context)
    check_macs(context)


def check_uplinks(context):
    users = {}
    for switch in context.appliance.switches:
        if switch.kind != "external":
            continue
        value = context.config.text(f"SWITCH{switch.index}_UPLINK") or "(empty)"
        if value == "(empty)" or not 0 <= switch.uplink <= 15:
            context.errors.add(switch.subject, "UPLINK", value, "an external switch needs a physical NIC; give its number, 0 to 15")
        elif switch.uplink in users:
            context.errors.add(switch.subject, "UPLINK", value,
                               f"NIC {switch.uplink} is the uplink of {users[switch.uplink].subject}; choose another, or make this switch internal")
        else:
            users[switch.uplink] = switch


def check_management_ports(context):
    for switch in context.appliance.switches:
        if not switch.mgmt:
            continue
        if not vlan_is_good(switch.vlan):
            context.errors.add(switch.subject, "MGMT_VLAN", switch.vlan, f"is out of range; {VLANS}")
        if switch.interface and switch.gateway and switch.gateway not in switch.interface.network:
            context.errors.add(switch.subject, "MGMT_GATEWAY", switch.gateway, f"is not in the network {switch.interface.network}; choose one that is")


def check_nics(context):
    known = [switch.name for switch in context.appliance.switches]
    for partition in context.appliance.partitions:
        for nic in partition.nics:
            option = f"NIC{nic.index}"
            if nic.switch not in known:
                context.errors.add(partition.subject, f"{option}_SWITCH", nic.switch or "(empty)",
                                   f"there is no such switch, so the NIC would have one end; choose {choices(known)}")
            if not vlan_is_good(nic.vlan):
                context.errors.add(partition.subject, f"{option}_VLAN", nic.vlan, f"is out of range; {VLANS}")


def check_macs(context):
    owners = {}
    ports = [(switch.subject, "MGMT_MAC", switch.mac) for switch in context.appliance.switches if switch.mgmt]
    ports += [(partition.subject, f"NIC{nic.index}_MAC", nic.mac) for partition in context.appliance.partitions for nic in partition.nics]
    ports += [(partition.subject, f"PCI{pci.index}_MAC", pci.mac) for partition in context.appliance.partitions for pci in partition.pci]
    for subject, option, mac in ports:
        if mac in owners:
            context.errors.add(subject, option, mac.hex(":"), f"{owners[mac]} has that address already; choose another, or leave it empty")
        elif mac:
            owners[mac] = subject
