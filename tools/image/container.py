# SPDX-License-Identifier: Apache-2.0
"""python3 -m tools.image.container --config .config [--key KEY] [--tree DTB] [--starter FILE,ADDRESS,FILE,ADDRESS,ADDRESS] --output DIR:
writes DIR/generated/boot.its, the source of the FIT that a boot slot holds: the kernel and the bundle. With an RSA key (public or
private) it has a place for its signature. --starter: what U-Boot on x86 enters for a kernel, its boot parameters, and where it expects
the kernel's file (boot/starter/starter.c).
python3 -m tools.image.container --place SOURCE FIT BUNDLE: changes SOURCE so that the bundle begins at a page of the FIT, once it is made
again: no loader has to copy it.
python3 -m tools.image.container --seal FIT [--most HEX]: appends the SHA-256 of the whole FIT, since a signature leaves out its header
and what the signature itself is wrapped in. Refuses one of more bytes than U-Boot has room for."""

import argparse
import hashlib
import os
import sys

from tools.resolver.errors import Errors
from tools.resolver.kconfig import Config

from .control_tree import algorithm

ARCHITECTURES = {"arm64": "arm64", "x86": "x86_64"}
PAGE = 4096
PADDING = "padding"  # of the bundle's page: an empty property
KERNEL_OFFSET = 0x200000  # from the start of RAM: where the kernel's own header wants it


def signature(algo, more=()):
    images = ", ".join(f'"{name}"' for name in ("kernel", "ramdisk", *more))
    return f"""            signature-1 {{
                algo = "{algo}";
                key-name-hint = "slot";
                sign-images = {images};
            }};
"""


def program(name, description, kind, path, address):
    """An image that U-Boot on x86 puts where it belongs."""
    return f"""        {name} {{
            description = "{description}";
            data = /incbin/("{path}");
            type = "{kind}";
            arch = "x86_64";
            os = "linux";
            compression = "none";
            load = <0 {address}>;
            entry = <0 {address}>;
            hash-1 {{ algo = "sha256"; }};
        }};
"""


def device_tree(path, arch):
    """The board's, where neither firmware nor emulator makes one."""
    return f"""        tree {{
            description = "device tree";
            data = /incbin/("{path}");
            type = "flat_dt";
            arch = "{ARCHITECTURES[arch]}";
            compression = "none";
            hash-1 {{ algo = "sha256"; }};
        }};
"""


def source(arch, ram_base, output, signed, tree=None, starter=None):
    place = int(starter[4], 0) if starter else ram_base + KERNEL_OFFSET
    address = f"<{place >> 32:#x} {place & 0xffffffff:#x}>"
    more = program("starter", "starter", "kernel", *starter[:2]) + program("parameters", "boot parameters", "x86_setup", *starter[2:4]) if starter else ""
    names = 'kernel = "starter";\n            setup = "parameters";\n            loadables = "kernel";' if starter else 'kernel = "kernel";'
    return f"""/dts-v1/;
/* Made from .config by tools/image. */
/ {{
    description = "Bulkhead boot slot";
    #address-cells = <2>;

    images {{
        kernel {{
            description = "separation kernel";
            data = /incbin/("{output}/bulkhead.bin");
            type = "kernel";
            arch = "{ARCHITECTURES[arch]}";
            os = "linux";
            compression = "none";
            load = {address};
            entry = {address};
            hash-1 {{ algo = "sha256"; }};
        }};
{more}        bundle {{
            description = "bundle";
            {PADDING};
            data = /incbin/("{output}/bundle.itb");
            type = "ramdisk";
            arch = "{ARCHITECTURES[arch]}";
            os = "linux";
            compression = "none";
            hash-1 {{ algo = "sha256"; }};
        }};
{device_tree(tree, arch) if tree else ""}    }};

    configurations {{
        default = "bulkhead";
        bulkhead {{
            description = "Bulkhead";
            {names}
            ramdisk = "bundle";
{chr(32) * 12 + 'fdt = "tree";' + chr(10) if tree else ""}{signed}        }};
    }};
}};
"""


def place(path, fit, bundle):
    with open(bundle, "rb") as handle:
        start = handle.read(PAGE)
    with open(fit, "rb") as handle:
        missing = -handle.read().index(start) % PAGE
    with open(path, "r+", encoding="utf-8") as handle:
        text = handle.read().replace(f"{PADDING};", f"{PADDING} = [{'00' * missing}];" if missing else f"{PADDING};")
        handle.seek(0)
        handle.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config")
    parser.add_argument("--output")
    parser.add_argument("--key")
    parser.add_argument("--tree")
    parser.add_argument("--starter")
    parser.add_argument("--place", nargs=3)
    parser.add_argument("--seal")
    parser.add_argument("--most")
    arguments = parser.parse_args()
    if arguments.place:
        place(*arguments.place)
        return
    if arguments.seal:
        with open(arguments.seal, "r+b") as handle:
            fit = handle.read()
            if arguments.most and len(fit) > int(arguments.most, 16):
                sys.exit(f"boot.itb: kernel and bundle have {len(fit)} bytes, and this board's U-Boot takes at most {int(arguments.most, 16)}: "
                         "leave out images of the bundle, or make them smaller")
            handle.write(hashlib.sha256(fit).digest())
        return
    config = Config(os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..")), arguments.config, Errors())
    arch = "arm64" if config.on("ARCH_ARM64") else "x86"
    starter = arguments.starter.split(",") if arguments.starter else None
    more = ["fdt"] * bool(arguments.tree) + ["setup", "loadables"] * bool(starter)
    signed = signature(algorithm(arguments.key), more) if arguments.key else ""
    with open(os.path.join(arguments.output, "generated/boot.its"), "w", encoding="utf-8") as handle:
        handle.write(source(arch, config.number("BOARD_RAM_BASE"), os.path.abspath(arguments.output), signed, arguments.tree, starter))


if __name__ == "__main__":
    main()
