# SPDX-License-Identifier: Apache-2.0
"""The information flow as an SVG: who can reach whom, through what. Guests stand left, what connects them in the middle,
the outside world right. What is not on the picture cannot communicate."""

from html import escape

BOX_WIDTH = 250
COLUMNS = (30, 390, 750)
TOP = 86
ROW = 20
GAP = 26
COLOURS = {"guest": ("#e8f0fe", "#3b6fc4"), "mgmt": ("#fdf0d5", "#b9770e"), "switch": ("#e6f4ea", "#2e7d4f"),
           "volume": ("#f1e9f7", "#7b4fa3"), "outside": ("#f2f2f2", "#666666")}


class Box:
    def __init__(self, kind, title, rows):
        self.kind, self.title, self.rows = kind, title, list(rows)
        self.x = self.y = 0

    @property
    def height(self):
        return 34 + ROW * len(self.rows)

    def anchor(self, row=None):
        """Height of a row's middle (of the title's without one)."""
        return self.y + (18 if row is None else 34 + ROW * row + ROW // 2 - 3)


class Picture:
    def __init__(self):
        self.columns = ([], [], [])
        self.edges = []

    def add(self, column, box):
        self.columns[column].append(box)
        return box

    def join(self, start, row, end, end_row=None, dashed=False):
        self.edges.append((start, row, end, end_row, dashed))


def port_text(nic):
    vlans = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in nic.allowed)
    if nic.trunk:
        return f"NIC {nic.index}: trunk, VLANs {vlans or 'none'}{f', native {nic.vlan}' if nic.vlan else ''}"
    return f"NIC {nic.index}: VLAN {nic.vlan}" if nic.vlan else f"NIC {nic.index}"


def own_devices(partition):
    words = [word for word, on in (("UART", partition.uart), ("virtio console", partition.virtio_console), ("entropy", partition.entropy)) if on]
    return ", ".join(words)


def volume_key(disk):
    return disk.device, disk.source, disk.label, disk.offset, disk.size


def volume_rows(disk):
    if disk.source == "whole":
        return ["the whole disk"]
    if disk.source == "gpt":
        return ["GPT partition"]
    return [f"{disk.offset:#x} .. {f'{disk.offset + disk.size:#x}' if disk.size else 'end'}"]


def join_function(picture, box, pci, physical, place_outside):
    """A PCI function of its own, or a virtual one of a box that stands there already."""
    words = [f"PCI {pci.function}", f"VLAN {pci.vlan}" if pci.vlan else "", "no reset" if pci.without_reset else ""]
    box.rows.append(", ".join(word for word in words if word))
    outside = physical[pci.function.text] if pci.function.vf is not None else place_outside(("pci", str(pci.function)), words[0], ["passed through"])
    picture.join(box, len(box.rows) - 1, outside)


def draw(appliance):
    picture = Picture()
    management = appliance.partitions[0]
    mgmt = picture.add(1, Box("mgmt", f"{management.name} (management)", ["consoles, entropy, supervision", "drivers"]))
    switches, volumes, outside = {}, {}, {}

    def place_outside(key, title, rows=()):
        if key not in outside:
            outside[key] = picture.add(2, Box("outside", title, rows))
        return outside[key]

    passed = place_outside("mgmt", f"passed through to {management.name}", management.devices) if management.devices else None
    if passed:
        picture.join(mgmt, 1, passed)
    for switch in appliance.switches:
        box = switches[switch.name] = picture.add(1, Box("switch", f"switch {switch.name}", [switch.kind]))
        if switch.mgmt:
            box.rows.append(f"port of {management.name}" + (f": VLAN {switch.vlan}" if switch.vlan else ""))
            picture.join(box, 1, mgmt, 0)
        if switch.kind == "external":
            picture.join(box, 0, place_outside(("nic", switch.uplink), f"NIC {switch.uplink}", ["the network outside"]))
    physical = {}
    for entry in appliance.sriov:
        box = physical[entry.function.text] = place_outside(("pci", entry.function.text), f"PCI {entry.function}", [f"SR-IOV: {entry.vfs} virtual"])
        picture.join(mgmt, 0, box)
    for pci in management.pci:
        join_function(picture, mgmt, pci, physical, place_outside)
    for partition in appliance.partitions[1:]:
        guest = picture.add(0, Box("guest", partition.name, []))
        if own_devices(partition):
            guest.rows.append(own_devices(partition))
            picture.join(guest, len(guest.rows) - 1, mgmt, 0)
        for nic in partition.nics:
            guest.rows.append(port_text(nic))
            picture.join(guest, len(guest.rows) - 1, switches[nic.switch])
        for disk in partition.disks:
            guest.rows.append(f"disk {disk.index}: {'read-only' if disk.read_only else 'read-write'}")
            key = volume_key(disk)
            if key not in volumes:
                volumes[key] = picture.add(1, Box("volume", f"volume {disk.label}" if disk.label else f"volume disk {disk.device}", volume_rows(disk)))
                picture.join(volumes[key], 0, place_outside(("disk", disk.device), f"physical disk {disk.device}"))
            picture.join(guest, len(guest.rows) - 1, volumes[key], None, disk.read_only)
        for pci in partition.pci:
            join_function(picture, guest, pci, physical, place_outside)
        for name in partition.devices:
            guest.rows.append(name)
            picture.join(guest, len(guest.rows) - 1, place_outside(("device", name), name, ["passed through"]))
    return picture


def place(picture):
    bottoms = []
    for x, column in zip(COLUMNS, picture.columns):
        y = TOP
        for box in column:
            box.x, box.y = x, y
            y += box.height + GAP
        bottoms.append(y)
    return max(bottoms)


def edge_svg(start, row, end, end_row, dashed):
    y1, y2 = start.anchor(row), end.anchor(end_row)
    x1 = start.x + BOX_WIDTH
    if start.x == end.x:  # two boxes of one column: around their right side
        x2, bend = end.x + BOX_WIDTH, 46
        path = f"M{x1},{y1} C{x1 + bend},{y1} {x2 + bend},{y2} {x2},{y2}"
    else:
        x2 = end.x
        middle = (x1 + x2) // 2
        path = f"M{x1},{y1} C{middle},{y1} {middle},{y2} {x2},{y2}"
    colour = COLOURS[end.kind if end.kind != "outside" else start.kind][1]
    dash = ' stroke-dasharray="6 4"' if dashed else ""
    return (f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.6"{dash}/>'
            f'<circle cx="{x1}" cy="{y1}" r="3" fill="{colour}"/><circle cx="{x2}" cy="{y2}" r="3" fill="{colour}"/>')


def fit(text, limit=36):
    return text if len(text) <= limit else text[:limit - 1] + "\u2026"


def box_svg(box):
    fill, line = COLOURS[box.kind]
    out = [f'<rect x="{box.x}" y="{box.y}" width="{BOX_WIDTH}" height="{box.height}" rx="6" fill="{fill}" stroke="{line}" stroke-width="1.4"/>',
           f'<text x="{box.x + 12}" y="{box.y + 22}" font-weight="bold">{escape(fit(box.title, 32))}</text>']
    for index, row in enumerate(box.rows):
        out.append(f'<text x="{box.x + 12}" y="{box.y + 34 + ROW * index + 11}" font-size="12" fill="#333">{escape(fit(row))}</text>')
    return "".join(out)


def flow_svg(appliance):
    picture = draw(appliance)
    bottom = place(picture)
    notes = ["Lines are the only ways to communicate. A dashed line is read-only.",
             f"{appliance.partitions[0].name} carries all of them: it can read and write the memory of the guests that it serves."]
    width, height = COLUMNS[2] + BOX_WIDTH + 30, bottom + 20 * len(notes) + 10
    boxes = [box for column in picture.columns for box in column]
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
             'font-family="Helvetica, Arial, sans-serif" font-size="14">',
             f'<rect width="{width}" height="{height}" fill="white"/>',
             f'<text x="{COLUMNS[0]}" y="34" font-size="18" font-weight="bold">{escape(appliance.hostname)}: who can reach whom, through what</text>']
    for x, title in zip(COLUMNS, ("guests", "what connects them", "outside")):
        parts.append(f'<text x="{x}" y="68" font-size="13" fill="#666">{title}</text>')
    parts += [edge_svg(*edge) for edge in picture.edges] + [box_svg(box) for box in boxes]
    for index, note in enumerate(notes):
        parts.append(f'<text x="{COLUMNS[0]}" y="{bottom + 8 + 20 * index}" font-size="12" fill="#666">{escape(note)}</text>')
    return "\n".join(parts + ["</svg>"]) + "\n"
