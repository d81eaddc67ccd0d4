# SPDX-License-Identifier: Apache-2.0
"""rom.py DIRECTORY TREE ROM: the ROM of U-Boot on x86, of what was built in DIRECTORY (tools/third_party/u-boot.sh) and U-Boot's own
device tree. The ROM ends at 4 GiB. Its first stage (SPL) has to know where the second one lies and how long it is."""

import re
import sys
from pathlib import Path

END = 1 << 32


def main(directory, tree, rom):
    built = Path(directory)
    options = dict(re.findall(r"^CONFIG_(\w+)=(0x[0-9a-f]+)$", (built / ".config").read_text(), re.M))
    symbols = {name: int(value, 16) for value, _, name in (line.split() for line in (built / "u-boot-spl.symbols").read_text().splitlines())}
    size = int(options["ROM_SIZE"], 0)
    first, second = bytearray((built / "u-boot-spl.bin").read_bytes()), (built / "u-boot-nodtb.bin").read_bytes() + Path(tree).read_bytes()
    image, taken = bytearray(b"\xff" * size), []

    def put(name, address, data):
        start, end = address - (END - size), address - (END - size) + len(data)
        if start < 0 or end > size or any(start < other_end and other < end for other, other_end in taken):
            sys.exit(f"{rom}: {name}, {len(data)} bytes at {address:#x}, has no room in a ROM of {size} bytes")
        taken.append((start, end))
        image[start:end] = data

    place = int(options["X86_OFFSET_U_BOOT"], 0)
    for symbol, value in (("_binman_sym_magic", 0x4D595342), ("_binman_u_boot_any_prop_image_pos", place), ("_binman_u_boot_any_prop_size", len(second))):
        at = symbols[symbol] - symbols["__text_start"]
        first[at:at + 4] = value.to_bytes(4, "little")
    put("U-Boot", place, second)
    put("its first stage", int(options["X86_OFFSET_SPL"], 0), first)
    put("its 16-bit start", int(options["SYS_X86_START16"], 0), (built / "u-boot-x86-start16-spl.bin").read_bytes())
    put("its reset vector", int(options["RESET_VEC_LOC"], 0), (built / "u-boot-x86-reset16-spl.bin").read_bytes())
    Path(rom).write_bytes(image)


if __name__ == "__main__":
    main(*sys.argv[1:])
