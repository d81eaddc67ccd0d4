# SPDX-License-Identifier: Apache-2.0
"""python3 -m tools.image.control_tree [--development] [--config .config] KEY OUTPUT: what U-Boot's own device tree
needs besides the board: the public key that each slot has to be signed with (KEY: RSA, PEM, public or private), that it runs in its
secure mode, and the configuration's button that asks for a factory reset. As a source for dtc, to be appended to the board's."""

import argparse
import os
import subprocess
import sys

from tools.resolver.errors import Errors
from tools.resolver.kconfig import Config

RSA = bytes.fromhex("2a864886f70d010101")  # rsaEncryption's object identifier
BITS = (2048, 3072, 4096)  # that U-Boot has names for
DANGER = "DANGER: this U-Boot starts slots that are signed with a DEVELOPMENT key"


def der_items(data):
    """Contents of the DER items that stand one after the other in `data`."""
    at = 0
    while at < len(data):
        length, start = data[at + 1], at + 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[at + 2:start], "big")
        yield data[start:start + length]
        at = start + length


def public_numbers(path):
    """(modulus, exponent) of an RSA key in PEM form."""
    for kind in ([], ["-pubin"]):
        der = subprocess.run(["openssl", "pkey", "-in", path, "-passin", "pass:", *kind, "-pubout", "-outform", "DER"],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
        if der and RSA in der:
            info, = der_items(der)
            _, bits = der_items(info)
            numbers, = der_items(bits[1:])
            return tuple(int.from_bytes(number, "big") for number in der_items(numbers))
    sys.exit(f"{path}: there is no RSA key in PEM form without passphrase")


def algorithm(path):
    bits = public_numbers(path)[0].bit_length()
    if bits not in BITS:
        sys.exit(f"{path}: an RSA key of {bits} bits; U-Boot takes {', '.join(map(str, BITS))}")
    return f"sha256,rsa{bits}"


def cells(number, bits):
    return " ".join(f"{number >> shift & 0xffffffff:#010x}" for shift in range(bits - 32, -1, -32))


def source(path, development, button=()):
    algo, (modulus, exponent) = algorithm(path), public_numbers(path)
    bits = modulus.bit_length()
    # U-Boot complains aloud of a property that it asks for and that is not there.
    danger = f'\n        bulkhead,danger = "{DANGER if development else ""}";'
    danger += "".join(f'\n        bulkhead,button-{name} = "{value:x}";' for name, value in zip(("mask", "register", "pressed"), button or [0]))
    return f"""/* Made by tools/image. */
/ {{
    config {{
        bootsecure = <1>;
        bootcmd = "bootd";{danger}
    }};

    signature {{
        key-slot {{
            required = "conf";
            algo = "{algo}";
            key-name-hint = "slot";
            rsa,num-bits = <{bits}>;
            rsa,n0-inverse = <{-pow(modulus, -1, 1 << 32) % (1 << 32):#010x}>;
            rsa,exponent = <{cells(exponent, 64)}>;
            rsa,modulus = <{cells(modulus, bits)}>;
            rsa,r-squared = <{cells(pow(1 << bits, 2, modulus), bits)}>;
        }};
    }};
}};
"""


def button(path):
    """Mask, register, and what is there while it is held."""
    config = Config(os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..")), path, Errors())
    return [config.number(f"FACTORY_RESET_{name}") for name in ("MASK", "REGISTER", "PRESSED")] if config.on("FACTORY_RESET_BUTTON") else []


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--development", action="store_true")
    parser.add_argument("--config")
    parser.add_argument("key")
    parser.add_argument("output")
    arguments = parser.parse_args()
    with open(arguments.output, "w", encoding="ascii") as handle:
        handle.write(source(arguments.key, arguments.development, button(arguments.config) if arguments.config else ()))


if __name__ == "__main__":
    main()
