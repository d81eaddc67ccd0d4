# SPDX-License-Identifier: Apache-2.0
"""Load plans: kernel images of every format, what a guest is handed by its boot protocol, and what is said of files that cannot
be loaded (tools/resolver: kernel_image.py, handover.py, load_plan.py). What the kernel makes of a plan: unit test guest_boot."""

import random
import struct
import subprocess
import sys
from types import SimpleNamespace

import pytest
from appliance import TOP

sys.path.insert(0, str(TOP))
from tools.resolver.kernel_image import FLAT, LINUX, MULTIBOOT, PVH, TREE, ImageError, kind_of  # noqa: E402
from tools.resolver.limits import Limits  # noqa: E402
from tools.resolver.load_plan import HEADER, SEGMENT, CommandLineError, InitrdError, load_plan, place  # noqa: E402

pytestmark = pytest.mark.once
MIB = 1 << 20
MEMORY = 128 * MIB
LIMITS = {arch: Limits(TOP, arch) for arch in ("arm64", "x86")}
BASE = MEMORY - LIMITS["x86"].LOAD_DESCRIPTION_SIZE
BOOT = BASE + LIMITS["x86"].GUEST_DESCRIPTION_BOOT
KERNEL, INITRD, PLAN = 5, 6, 7


def partition(**changes):
    return SimpleNamespace(**(dict(index=1, memory=MEMORY, command_line="console=ttyS0", cpus=[1, 2], uart=True, uart_console=3, rtc=True, watchdog=True, pci=[]) | changes))


def bzimage(version=0x20F, flags=1, preferred=16 * MIB, wanted=64 * MIB, relocatable=1, size=16384, command_line_max=2047):
    data = bytearray(size)
    data[0x1F1] = 3
    data[0x1FE:0x200] = b"\x55\xaa"
    data[0x201] = 0x6A
    data[0x202:0x208] = b"HdrS" + struct.pack("<H", version)
    data[0x234] = relocatable
    struct.pack_into("<HI", data, 0x236, flags, command_line_max)
    struct.pack_into("<QI", data, 0x258, preferred, wanted)
    return bytes(data)


def arm64_image(offset=0, wanted=8 * MIB, size=4096):
    data = bytearray(size)
    struct.pack_into("<QQ", data, 8, offset, wanted)
    data[56:60] = b"ARM\x64"
    return bytes(data)


def elf64(machine, headers, kind=2, entry=0x200010, size=16384):
    data = bytearray(size)
    data[:64] = struct.pack("<4sBBB9xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, kind, machine, 1, entry, 64, 0, 0, 64, 56, len(headers), 0, 0, 0)
    for index, (what, at, address, length, memory) in enumerate(headers):
        struct.pack_into("<IIQQQQQQ", data, 64 + index * 56, what, 7, at, address, address, length, memory, 4096)
    return data


def elf32(headers, entry=0x100020):
    data = bytearray(16384)
    data[:52] = struct.pack("<4sBBB9xHHIIIIIHHHHHH", b"\x7fELF", 1, 1, 1, 2, 3, 1, entry, 0x400, 0, 0, 52, 32, len(headers), 0, 0, 0)
    for index, (what, at, address, length, memory) in enumerate(headers):
        struct.pack_into("<8I", data, 0x400 + index * 32, what, at, address, address, length, memory, 7, 4096)
    return data


def multiboot(flags=1 << 16, header=0x200040, load=0x200000, load_end=0x200400, bss_end=0x201000, entry=0x200123, data=None):
    data = bytearray(4096) if data is None else data
    struct.pack_into("<8I", data, 64, 0x1BADB002, flags, -(0x1BADB002 + flags) % 2**32, header, load, load_end, bss_end, entry)
    return bytes(data)


NOTE = struct.pack("<III4sI", 4, 4, 18, b"Xen\0", 0x200040)


def plan_of(data, arch="x86", kind=None, initrd_size=0, slots=(0,), **changes):
    """A plan's header by name, its segments as (image, start, size, to), and memory as it is loaded (bytes at an address)."""
    owner = partition(**changes)
    placement = place(owner, data, kind or kind_of(data, arch), initrd_size, arch, LIMITS[arch])
    image = load_plan(owner, placement, (KERNEL, INITRD, PLAN), slots, arch, LIMITS[arch])
    names = "magic protocol memory entry tree tree_size segments reserved".split()
    plan = SimpleNamespace(**dict(zip(names, struct.unpack_from(HEADER, image))))
    assert plan.magic == LIMITS[arch].LOAD_PLAN_MAGIC and plan.memory == owner.memory and plan.segments <= LIMITS[arch].LOAD_SEGMENTS_MAX
    size = struct.calcsize(SEGMENT)
    segments = [struct.unpack_from(SEGMENT, image, struct.calcsize(HEADER) + index * size) for index in range(plan.segments)]
    plan.segments = [(number, start, length, to) for number, _, start, length, to in segments]
    files = {KERNEL: len(data), INITRD: initrd_size, PLAN: len(image)}
    for number, start, length, to in plan.segments:  # what the kernel would refuse
        assert 0 <= start <= start + length <= files[number] and 0 <= to <= to + length <= owner.memory

    def at(address, length):
        for number, start, segment_length, to in plan.segments:
            if number == PLAN and to <= address and address + length <= to + segment_length:
                return image[start + address - to:][:length]
        raise AssertionError(f"nothing is loaded at {address:#x}")

    plan.at = at
    plan.initrd, plan.initrd_size = placement.initrd, placement.initrd_size
    assert (plan.tree_size != 0) == (plan.protocol == TREE) and plan.tree + plan.tree_size <= len(image)
    plan.tree = image[plan.tree:plan.tree + plan.tree_size]
    return plan


def words(plan, address, layout):
    return struct.unpack(layout, plan.at(address, struct.calcsize(layout)))


def text(plan, address):
    return plan.at(address, 256).partition(b"\0")[0]


def test_the_layout_is_the_kernels():
    header = (TOP / "include/bulkhead/load_plan.h").read_text()
    assert struct.calcsize(HEADER) == 48 and struct.calcsize(SEGMENT) == 32
    for words_ in ("LOAD_TREE = 0", "LOAD_LINUX = 1", "LOAD_PVH = 2", "LOAD_MULTIBOOT = 3", "LOAD_FLAT = 4"):
        assert words_ in header
    assert (TREE, LINUX, PVH, MULTIBOOT, FLAT) == (0, 1, 2, 3, 4)


def test_linux_goes_where_it_prefers_and_is_handed_its_zero_page():
    data = bzimage()
    plan = plan_of(data, initrd_size=12345)
    initrd = (BASE - 12345) & -4096
    assert (plan.protocol, plan.entry, plan.initrd, plan.initrd_size) == (LINUX, 16 * MIB + 0x200, initrd, 12345)
    assert (KERNEL, 2048, len(data) - 2048, 16 * MIB) in plan.segments and (INITRD, 0, 12345, initrd) in plan.segments
    assert plan.at(0xFFFF0, 9) == b"\xba\x02\x06\xb0\x01\xee\xf4\xeb\xfd"  # what asks for a reset
    assert plan.at(BOOT + 0x202, 4) == b"HdrS" and plan.at(BOOT + 0x210, 1) == b"\xff"
    assert words(plan, BOOT + 0x1FA, "<H") == (0xFFFF,)
    assert words(plan, BOOT + 0x218, "<II") == (initrd, 12345)
    assert text(plan, words(plan, BOOT + 0x228, "<I")[0]) == b"console=ttyS0"
    assert words(plan, BOOT + 0x250, "<Q") == (BASE + LIMITS["x86"].GUEST_DESCRIPTION_SEED,)
    assert plan.at(words(plan, BOOT + 0x70, "<Q")[0], 8) == b"RSD PTR "
    ranges = [words(plan, BOOT + 0x2D0 + index * 20, "<QQI") for index in range(plan.at(BOOT + 0x1E8, 1)[0])]
    assert ranges == [(0, 0xA0000, 1), (MIB, BASE - MIB, 1), (BASE, MEMORY - BASE, 3), (LIMITS["x86"].GUEST_PCI_ECAM, MIB, 2)]


def test_linux_moves_in_a_small_memory():
    assert plan_of(bzimage(), memory=72 * MIB).entry == MIB + 0x200
    with pytest.raises(ImageError, match="wants memory from 0x100000 to 0x4100000, but has 0x0 to 0x1ff0000"):
        plan_of(bzimage(), memory=32 * MIB)
    with pytest.raises(ImageError, match="runs only at 0x1000000"):
        plan_of(bzimage(relocatable=0), memory=72 * MIB)
    with pytest.raises(InitrdError, match="does not fit beside the kernel.*MEMORY=128 or more"):
        plan_of(bzimage(wanted=64 * MIB), memory=96 * MIB, initrd_size=46 * MIB)


def test_elf_is_native_or_pvh():
    load = (1, 0x1000, 0x200000, 100, 9999)
    plan = plan_of(bytes(elf64(62, [load])))
    assert (plan.protocol, plan.entry) == (TREE, 0x200010)
    assert plan.segments == [(KERNEL, 0x1000, 100, 0x200000), (PLAN, plan.segments[1][1], 9, 0xFFFF0)]
    data = elf64(62, [load, (4, 0x800, 0, len(NOTE), 0)])
    data[0x800:0x800 + len(NOTE)] = NOTE
    plan = plan_of(bytes(data), initrd_size=777)
    assert (plan.protocol, plan.entry) == (PVH, 0x200040)
    magic, version, _, modules, module, line, rsdp, memory, ranges = words(plan, BOOT, "<IIIIQQQQI")
    assert (magic, version, modules, ranges) == (0x336EC578, 1, 1, 4)
    assert words(plan, module, "<QQ") == (plan.initrd, 777) and text(plan, line) == b"console=ttyS0" and plan.at(rsdp, 8) == b"RSD PTR "
    assert words(plan, memory + 24, "<QQI") == (MIB, BASE - MIB, 1)
    struct.pack_into("<II", data, 0x800, 4, 0xFFFFFFFF)  # a note that does not end in the file
    assert plan_of(bytes(data)).protocol == TREE


def test_a_position_independent_program_may_lie_anywhere():
    data = bytes(elf64(183, [(1, 0x1000, 0, 4096, 4096), (1, 0x2000, 0x1000, 10, 0x3000)], kind=3, entry=0))
    plan = plan_of(data, "arm64", index=0)
    assert (plan.protocol, plan.entry) == (TREE, 0)
    assert plan.segments == [(KERNEL, 0x1000, 4096, 0), (KERNEL, 0x2000, 10, 0x1000)]
    with pytest.raises(ImageError, match="link it position-independent"):
        plan_of(bytes(elf64(183, [(1, 0x1000, 0x40080000, 100, 100)])), "arm64", index=0)


def test_images_of_arm64():
    plan = plan_of(arm64_image(offset=0x80000), "arm64", initrd_size=5000)
    assert (plan.protocol, plan.entry, plan.initrd) == (TREE, 0x80000, (BASE - 5000) & -4096)
    assert plan.segments == [(KERNEL, 0, 4096, 0x80000), (INITRD, 0, 5000, plan.initrd)]
    plan = plan_of(bytes(elf64(183, [(1, 0x1000, 0x40080000, 100, 200)], entry=0x40080010)), "arm64")
    assert plan.entry == 0x80010 and plan.segments == [(KERNEL, 0x1000, 100, 0x80000)]
    assert plan_of(b"\0" * 100, "arm64").segments == [(KERNEL, 0, 100, 0)]
    with pytest.raises(ImageError, match="wants memory from 0x200000 to 0x200064, but has 0x40000000 to 0x47ff0000"):
        plan_of(bytes(elf64(183, [(1, 0x1000, 0x40200000 - 0x40000000, 100, 100)])), "arm64")


def test_multiboot_by_addresses_and_by_elf():
    plan = plan_of(multiboot())
    assert (plan.protocol, plan.entry) == (MULTIBOOT, 0x200123) and plan.segments[0] == (KERNEL, 0, 0x400, 0x200000)
    flags, low, high, _, line, modules = words(plan, BOOT, "<6I")
    assert (flags, low, high, modules) == (0x4D, 640, (BASE - MIB) // 1024, 0) and text(plan, line) == b"console=ttyS0"
    length, memory = words(plan, BOOT + 44, "<II")
    assert length == 96 and words(plan, memory, "<IQQI") == (20, 0, 0xA0000, 1)
    data = elf32([(1, 0, 0x100000, 0x1000, 0x2000)])
    plan = plan_of(multiboot(0, data=data), initrd_size=100)
    assert plan.entry == 0x100020 and plan.segments[0] == (KERNEL, 0, 0x1000, 0x100000)
    assert words(plan, words(plan, BOOT + 24, "<I")[0], "<II") == (plan.initrd, plan.initrd + 100)


def test_anything_else_is_flat():
    plan = plan_of(b"\xf4\xeb\xfd" + bytes(4))
    assert (plan.protocol, plan.entry) == (FLAT, MIB) and plan.segments[0] == (KERNEL, 0, 7, MIB)
    assert words(plan, BOOT, "<I") == (0x336EC578,)


def tree_of(plan):
    """Node paths with their properties, as dtc reads the tree; it must have nothing to complain of."""
    done = subprocess.run(["dtc", "-I", "dtb", "-O", "dts", "-W", "no-interrupts_property", "-W", "no-interrupt_provider", "-W", "no-clocks_property"],
                          input=plan.tree, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
    complaints = [line for line in done.stderr.decode().splitlines() if "controller" not in line and "interrupt" not in line]
    assert not complaints, complaints
    nodes, path = {}, []
    for line in map(str.strip, done.stdout.decode().splitlines()):
        if line.endswith("{"):
            path.append(line[:-1].strip().strip("/"))
            nodes["/".join(path) or "/"] = {}
        elif line == "};":
            path.pop()
        elif path and line:
            name, _, value = line.rstrip(";").partition(" = ")
            nodes["/".join(path) or "/"][name] = value
    return nodes


def test_a_native_domain_gets_a_tree():
    data = bytes(elf64(62, [(1, 0x1000, 0x200000, 100, 9999)]))
    nodes = tree_of(plan_of(data, initrd_size=100, slots=(0, 3)))
    assert nodes["/chosen"]["bootargs"] == '"console=ttyS0"' and nodes["/chosen"]["stdout-path"] == '"/serial@3f8"'
    assert nodes["/chosen"]["bulkhead,console"] == "<0x03>" and nodes["/chosen"]["linux,initrd-end"].endswith(f"{((BASE - 100) & -4096) + 100:#x}>")
    assert {"/cpus/cpu@0", "/cpus/cpu@1", "/interrupt-controller@fec00000", "/rtc@70", "/watchdog@fea00000", "/virtio_mmio@feb03000"} < nodes.keys()
    assert nodes["/serial@3f8"]["interrupts"] == "<0x04 0x01>" and nodes["/virtio_mmio@feb03000"]["interrupts"] == "<0x0a 0x01>"
    nodes = tree_of(plan_of(data, slots=(), uart=False, rtc=False, watchdog=False, uart_console=0xFF))
    assert nodes.keys() == {"/", "/chosen", "/cpus", "/cpus/cpu@0", "/cpus/cpu@1", "/interrupt-controller@fec00000"}
    assert nodes["/chosen"].keys() == {"bootargs", "rng-seed", "kaslr-seed"}


def test_an_arm64_guest_gets_a_tree():
    nodes = tree_of(plan_of(arm64_image(), "arm64", slots=(0, 31), pci=[1], initrd_size=5000))
    assert nodes["/virtio_mmio@a01f000"]["interrupts"] == "<0x00 0x2f 0x04>" and nodes["/timer"]["interrupts"].startswith("<0x01 0x0d 0x04 ")
    assert nodes["/watchdog@9030000"]["reg"] == "<0x00 0x9030000 0x00 0x1000 0x00 0x9020000 0x00 0x1000>"
    assert nodes["/chosen"]["linux,pci-probe-only"] == "<0x01>" and nodes["/chosen"]["linux,initrd-start"] == f"<0x00 {0x40000000 + ((BASE - 5000) & -4096):#x}>"
    assert nodes["/pl011@9000000"]["clock-names"] == '"uartclk\\0apb_pclk"' and nodes["/psci"]["method"] == '"hvc"'
    with pytest.raises(InitrdError, match="management domain takes none"):
        plan_of(bytes(elf64(183, [(1, 0x1000, 0, 4096, 4096)], kind=3, entry=0)), "arm64", index=0, initrd_size=1)


LOADED = (1, 0x1000, 0x200000, 100, 100)
REFUSED = {
    "old bzImage": ("x86", bzimage(version=0x20B), "boot protocol is 2.11"),
    "32-bit bzImage": ("x86", bzimage(flags=0), "32-bit kernel"),
    "bzImage without its kernel": ("x86", bzimage(size=2048), "ends before its 64-bit part"),
    "bzImage far away": ("x86", bzimage(preferred=2**64 - 5, relocatable=0), "runs only at 0xfffffffffffffffb"),
    "cut header": ("x86", bzimage()[:0x240], "in the middle of its header"),
    "gzip": ("arm64", b"\x1f\x8b\x08" + bytes(100), r"compressed \(gzip\); unpack it"),
    "zstd": ("x86", b"\x28\xb5\x2f\xfd" + bytes(100), r"compressed \(zstd\)"),
    "EFI zboot": ("arm64", b"MZ\0\0zimg" + bytes(100), "compressed EFI program"),
    "program headers behind the end": ("x86", bytes(elf64(62, [LOADED])[:100]), "program headers lie behind the end"),
    "segment behind the end": ("x86", bytes(elf64(62, [LOADED])[:0x1010]), "behind the end of the file"),
    "segment beyond memory": ("x86", bytes(elf64(62, [LOADED[:2] + (MEMORY, 100, 100)])), "but has 0x0 to 0x7ff0000"),
    "segment at a huge address": ("x86", bytes(elf64(62, [LOADED[:2] + (2**64 - 50, 100, 100)])), "wants memory from 0xffffffffffffffce"),
    "segment with more file than memory": ("x86", bytes(elf64(62, [LOADED[:3] + (100, 50)])), "larger in the file"),
    "overlapping segments": ("x86", bytes(elf64(62, [LOADED, LOADED])), "overlaps another part of it at 0x200000"),
    "on the reset's code": ("x86", bytes(elf64(62, [LOADED, LOADED[:2] + (0xFF000, 100, 4096)])), "the code that a PC's reset jumps to at 0xffff0"),
    "entry nowhere": ("x86", bytes(elf64(62, [LOADED], entry=0x300000)), "its entry 0x300000 lies in no part"),
    "nothing to load": ("x86", bytes(elf64(62, [])), "nothing in it"),
    "too many parts": ("x86", bytes(elf64(62, [(1, 0x1000, 0x200000 + index * 4096, 100, 100) for index in range(14)])), "has 14 parts; at most 13"),
    "user program": ("x86", bytes(elf64(62, [LOADED, (3, 0, 0, 10, 10)])), "names an interpreter"),
    "Multiboot before its load address": ("x86", multiboot(header=0x1FFF00), "contradict each other"),
    "Multiboot header elsewhere": ("x86", multiboot(header=0x300040), "contradict each other"),
    "Multiboot that ends before it begins": ("x86", multiboot(load_end=0x100000), "contradict each other"),
    "Multiboot behind the end": ("x86", multiboot(load_end=0xFFFFFFFF, bss_end=0), "behind the end of the file"),
    "Multiboot with a video mode": ("x86", multiboot(flags=1 << 16 | 1 << 5), "requires what is not offered"),
    "Multiboot without addresses": ("x86", multiboot(flags=0), "gives no addresses"),
    "Multiboot ELF headers behind the end": ("x86", multiboot(0, data=elf32([(1, 0, 0x100000, 1, 1)])[:0x410]), "program headers lie behind"),
    "arm64 Image too large": ("arm64", arm64_image(wanted=MEMORY), "give the partition more memory"),
}


@pytest.mark.parametrize("case", REFUSED, ids=[case.replace(" ", "-") for case in REFUSED])
def test_a_kernel_that_cannot_be_loaded_is_explained(case):
    arch, data, said = REFUSED[case]
    with pytest.raises(ImageError, match=said):
        plan_of(data, arch)


def test_a_command_line_must_be_what_the_kernel_takes():
    with pytest.raises(CommandLineError, match="has 300 bytes, but this kernel takes 255"):
        plan_of(bzimage(command_line_max=255), command_line="x" * 300)
    with pytest.raises(CommandLineError, match="takes 4095"):
        plan_of(b"\xf4", command_line="x" * 4096)


def test_files_of_any_bytes_are_refused_or_stay_within_bounds():
    """plan_of() checks what the kernel checks. Always the same bytes, so that a failure can be seen again."""
    generator = random.Random(20260921)
    note = elf64(62, [LOADED, (4, 0x800, 0, len(NOTE), 0)])
    note[0x800:0x800 + len(NOTE)] = NOTE
    seeds = [("x86", bytes(data)) for data in (bzimage(), note, multiboot(), multiboot(0, data=elf32([(1, 0, 0x100000, 0x1000, 0x2000)])))]
    seeds += [("arm64", bytes(data)) for data in (arm64_image(), elf64(183, [(1, 0x1000, 0x40080000, 100, 200)], entry=0x40080010))]
    loaded = 0
    for _ in range(6000):
        arch, data = generator.choice(seeds)
        data = bytearray(data)
        for _ in range(generator.randrange(1, 6)):
            at = generator.choice((generator.randrange(128), 0x1F1 + generator.randrange(0x80), 0x400 + generator.randrange(32), 0x800 + generator.randrange(20)))
            value = generator.choice((0, 1, 0x7F, 0x80, 0xFF, generator.randrange(256)))
            data[at:at + generator.choice((1, 4, 8))] = bytes([value]) * generator.choice((1, 4, 8))
        try:
            plan_of(bytes(data[:generator.choice((len(data), generator.randrange(len(data))))]), arch, initrd_size=generator.choice((0, 10000)))
            loaded += 1
        except ImageError:
            pass
    assert loaded > 500
