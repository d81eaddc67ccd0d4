#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Manifests of boot slots (storage/manifest.h has the format), and updates: a manifest, then a slot's container.

    manifest.py sign --board B --release R --version N KEY CONTAINER MANIFEST
    manifest.py prepare --board B --release R --version N PUBLIC CONTAINER MANIFEST TBS    for a key kept elsewhere
    manifest.py attach PUBLIC MANIFEST SIGNATURE    and takes the signature that was made of TBS (SHA-256, DER)
    manifest.py show UPDATE                         what an update, or a manifest, says"""

import argparse
import hashlib
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tools.sign_bundle import from_der, genuine, key_id, private_key, public_key, signature  # noqa: E402

SIZE, SIGNED = 512, 448
IN_SLOT = 4096  # of the end of a slot's partition
BODY = struct.Struct("<8s8sIIQ32s32s64s288x")
MAGIC = b"BHUPDT01"


def body(arguments, public):
    with open(arguments.container, "rb") as handle:
        data = handle.read()
    texts = []
    for name, text, size in (("board", arguments.board, 32), ("release", arguments.release[:63], 64)):
        if not text or len(text) >= size or not text.isascii() or not text.isprintable():
            sys.exit(f"{arguments.container}: the {name} '{text}' is no text of 1 to {size - 1} printable characters")
        texts.append(text.encode())
    return BODY.pack(MAGIC, key_id(public), arguments.version, 0, len(data), hashlib.sha256(data).digest(), *texts)


def write(path, data):
    with open(path + ".new", "wb") as handle:
        handle.write(data)
    os.replace(path + ".new", path)


def sign(arguments):
    public = public_key(arguments.key)
    signed = body(arguments, public)
    raw = signature(private_key(arguments.key), hashlib.sha256(signed).digest())
    if not genuine(public, signed, raw):
        sys.exit(f"{arguments.manifest}: OpenSSL refuses the signature that was just made")
    write(arguments.manifest, signed + raw)


def prepare(arguments):
    signed = body(arguments, public_key(arguments.key))
    write(arguments.manifest, signed + bytes(64))
    write(arguments.tbs, signed)


def attach(arguments):
    with open(arguments.manifest, "rb") as handle:
        signed = handle.read()[:SIGNED]
    with open(arguments.signature, "rb") as handle:
        raw = from_der(handle.read())
    if not genuine(public_key(arguments.key), signed, raw):
        sys.exit(f"{arguments.signature}: this is not {arguments.key}'s signature of this manifest")
    write(arguments.manifest, signed + raw)


def parse(data):
    """{...}, or None where it is no manifest."""
    if len(data) < SIZE or data[:8] != MAGIC:
        return None
    _, identity, version, _, size, digest, board, release = BODY.unpack(data[:SIGNED])
    return {"version": version, "release": release.rstrip(b"\0").decode("ascii", "replace"), "board": board.rstrip(b"\0").decode("ascii", "replace"),
            "bytes": size, "sha256": digest.hex(), "key": identity.hex()}


def show(arguments):
    with open(arguments.update, "rb") as handle:
        found = parse(handle.read(SIZE))
    if found is None:
        sys.exit(f"{arguments.update}: this is no update, and no manifest")
    print("".join(f"{name + ':':<9} {value}\n" for name, value in found.items()), end="")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for command, names in ((sign, ("key", "container", "manifest")), (prepare, ("key", "container", "manifest", "tbs")),
                           (attach, ("key", "manifest", "signature")), (show, ("update",))):
        sub = commands.add_parser(command.__name__)
        if command in (sign, prepare):
            sub.add_argument("--board", required=True)
            sub.add_argument("--release", required=True)
            sub.add_argument("--version", type=int, required=True)
        for name in names:
            sub.add_argument(name)
        sub.set_defaults(command=command)
    arguments = parser.parse_args()
    arguments.command(arguments)


if __name__ == "__main__":
    main()
