# SPDX-License-Identifier: Apache-2.0
"""partitions.c and management.c: the tables of include/bulkhead/partition.h and management.h."""

from .layout import BLOCK, NET

HEADER = "/* SPDX-License-Identifier: Apache-2.0 */\n/* Made from .config by tools/resolver. */\n"
DEVICE_NAMES = {1: "VIRTIO_ID_NET", 2: "VIRTIO_ID_BLOCK", 3: "VIRTIO_ID_CONSOLE", 4: "VIRTIO_ID_ENTROPY"}


def string(text):
    """A C string literal."""
    out = ""
    for byte in text.encode():
        character = chr(byte)
        if character in '"\\':
            out += "\\" + character
        elif 32 <= byte < 127:
            out += character
        else:
            out += f"\\{byte:03o}"
    return f'"{out}"'


def boolean(value):
    return "true" if value else "false"


def mac_bytes(mac):
    return "{" + ", ".join(f"{byte:#04x}" for byte in mac or bytes(6)) + "}"


def array(declaration, entries):
    """An array; an empty one has one zero element, since C has no empty arrays."""
    return f"const {declaration} = {{\n" + "".join(f"    {entry},\n" for entry in entries or ["{}"]) + "};\n"


def selector(function):
    if function.address is not None:
        return f"{{.address = {function.address:#06x}, .text = {string(function.text)}}}"
    return (f"{{.by_id = true, .instance = {function.instance}, .vendor = {function.vendor:#06x}, .device = {function.device:#06x}, "
            f".text = {string(function.text)}}}")


def pci_entry(pci):
    virtual = pci.function.vf is not None
    flags = [name for name, on in (("PCI_VIRTUAL", virtual), ("PCI_WITHOUT_RESET", pci.without_reset)) if on]
    return (f"{{.function = {selector(pci.function)}, .flags = {' | '.join(flags) or '0'}, .vf = {pci.function.vf or 0}, .vlan = {pci.vlan}, "
            f".mac = {mac_bytes(pci.mac)}}}")


def partition_entry(partition, board):
    flags = [name for name, on in (
        ("PARTITION_MANAGEMENT", partition.index == 0), ("PARTITION_AUTOSTART", partition.autostart),
        ("PARTITION_UART", partition.uart), ("PARTITION_RTC", partition.rtc), ("PARTITION_WATCHDOG", partition.watchdog),
        ("PARTITION_PCI_REST", partition.index == 0 and any(device.pci_host for name in partition.devices for device in board.find(name)))) if on]
    functions = ", ".join(pci_entry(pci) for pci in partition.pci)
    mask = sum(1 << cpu for cpu in partition.cpus)
    return "\n".join([
        "{",
        f"        .name = {string(partition.name)},",
        f"        .flags = {' | '.join(flags) or '0'},",
        f"        .cpus = {mask:#x},",
        f"        .memory_size = {partition.memory:#x},",
        f"        .memory_base = {partition.memory_base:#x},",
        f"        .plan = {string(partition.plan.node)},",
        f"        .kernel = {string(partition.kernel.node)},",
        f"        .initrd = {string(partition.initrd.node if partition.initrd else '')},",
        f"        .command_line = {string(partition.command_line)},",
        f"        .heartbeat_ms = {partition.heartbeat_ms},",
        f"        .progress_ms = {partition.progress_ms},",
        f"        .uart_console = {partition.uart_console:#x},",
        f"        .devices = (const char *const[]){{{''.join(string(name) + ', ' for name in partition.devices)}NULL}},",
        f"        .pci = {f'(const struct pci_config[]){{{functions}}}' if functions else 'NULL'},",
        f"        .pci_count = {len(partition.pci)},",
        "    }"])


def partitions_source(appliance):
    channels = [
        f"{{.device_id = {DEVICE_NAMES[channel.device_id]}, .front = {index_of(appliance, channel.partition)}, .back = 0, "
        f".slot = {channel.slot}, .console = {channel.console:#x}}}" for channel in appliance.channels]
    owners = [str(index_of_number(appliance, owner)) for owner in appliance.console_owner]
    return "\n".join([
        HEADER + "#include <bulkhead/channel.h>\n#include <bulkhead/partition.h>\n#include <stddef.h>\n",
        array("struct partition_config partitions[]", [partition_entry(partition, appliance.board) for partition in appliance.partitions]),
        f"const uint32_t partition_count = {len(appliance.partitions)};\n",
        array("struct channel_config channels[]", channels),
        f"const uint32_t channel_count = {len(channels)};\n",
        array("uint8_t console_owner[]", owners or ["0"]),
        f"const uint32_t console_count = {len(owners)};\n",
        array("struct sriov_config sriov[]", [f"{{.function = {selector(entry.function)}, .vfs = {entry.vfs}}}" for entry in appliance.sriov]),
        f"const uint32_t sriov_count = {len(appliance.sriov)};\n"])


def index_of(appliance, partition):
    """Partitions are numbered without gaps in the image, whatever numbers menuconfig gave them."""
    return index_of_number(appliance, partition.index)


def index_of_number(appliance, number):
    return [partition.index for partition in appliance.partitions].index(number)


def switch_entry(switch):
    network = switch.interface
    return (f"{{.name = {string(switch.name)}, .kind = SWITCH_{switch.kind.upper()}, .uplink = {switch.uplink:#x}, "
            f".mgmt_vlan = {switch.vlan}, .mgmt_port = {boolean(switch.mgmt)}, .mgmt_dhcp = {boolean(switch.mgmt and switch.dhcp)},\n"
            f"     .mgmt_address = {int(network.ip) if network else 0:#x}, .mgmt_netmask = {int(network.netmask) if network else 0:#x}, "
            f".mgmt_gateway = {int(switch.gateway) if switch.gateway else 0:#x}, .mgmt_mac = {mac_bytes(switch.mac)}}}")


def port_entry(appliance, channel):
    nic = channel.device
    switch_id = [switch.name for switch in appliance.switches].index(nic.switch)
    allowed = ", ".join(f"{{{first}, {last}}}" for first, last in nic.allowed + [(0, 0)])
    return (f"{{.channel = {channel.index}, .switch_id = {switch_id}, .mode = PORT_{'TRUNK' if nic.trunk else 'ACCESS'}, .vlan = {nic.vlan}, "
            f".allowed = (const struct vlan_range[]){{{allowed}}}, .mac = {mac_bytes(nic.mac)}}}")


def disk_entry(channel):
    disk = channel.device
    return (f"{{.channel = {channel.index}, .device = {disk.device}, .source = DISK_{disk.source.upper()}, "
            f".read_only = {boolean(disk.read_only)}, .label = {string(disk.label)}, .offset = {disk.offset:#x}, .size = {disk.size:#x}, "
            f".serial = {string(disk.serial)}}}")


def policy_entry(partition):
    action = {"restart": "POLICY_RESTART", "stop": "POLICY_STOP", "reset": "POLICY_RESET_APPLIANCE"}[partition.action]
    return (f"{{.action = {action}, .critical = {boolean(partition.critical)}, .limit = {partition.limit}, "
            f".window_s = {partition.window_s}, .backoff_ms = {partition.backoff_ms}, .backoff_max_ms = {partition.backoff_max_ms}}}")


def management_source(appliance):
    ports = [port_entry(appliance, channel) for channel in appliance.channels if channel.device_id == NET]
    disks = [disk_entry(channel) for channel in appliance.channels if channel.device_id == BLOCK]
    return "\n".join([
        HEADER + "#include <bulkhead/management.h>\n",
        array("struct switch_config switches[]", [switch_entry(switch) for switch in appliance.switches]),
        f"const uint32_t switch_count = {len(appliance.switches)};\n",
        array("struct port_config ports[]", ports),
        f"const uint32_t port_count = {len(ports)};\n",
        array("struct disk_config disks[]", disks),
        f"const uint32_t disk_count = {len(disks)};\n",
        array("struct policy_config policies[]", [policy_entry(partition) for partition in appliance.partitions]),
        f"const uint16_t console_tls_port = {appliance.console_port};",
        f"const char hostname[] = {string(appliance.hostname)};",
        f"const char board_name[] = {string(appliance.board.identity)};",
        f"const uint32_t trial_s = {appliance.trial_s}, trial_settle_s = {appliance.trial_settle_s};",
        f"const uint32_t watchdog_s = {appliance.watchdog_s};\n"])
