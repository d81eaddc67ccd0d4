#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Signs bundles (docs/verified-boot.md has the format), with an ECDSA key on curve P-256 in a PEM file.

    sign_bundle.py sign KEY BUNDLE          signs it in place
    sign_bundle.py prepare PUBLIC BUNDLE OUTPUT    for a key kept elsewhere: writes what is to be signed
    sign_bundle.py attach PUBLIC BUNDLE SIGNATURE  and takes the signature that was made of it (SHA-256, DER)
    sign_bundle.py check PUBLIC BUNDLE      checks a bundle as the kernel does
    sign_bundle.py source [--development] [--minimum VERSION] KEY OUTPUT    the key as C, for the kernel

PUBLIC and source's KEY may be public or private keys. The nonce comes from the key and the message (RFC 6979), so that the same
bundle and key give the same bytes."""

import argparse
import hashlib
import hmac
import os
import struct
import subprocess
import sys
import tempfile

MAGIC = b"BHSIGN01"
TRUST_MARK = "BHTRUST1"  # core/bundle.h
BLOCK = struct.Struct(">8s8s32s64s")  # mark, key's id, SHA-256 of the tree before this block, r and s
FDT_MAGIC = 0xD00DFEED
P256_PUBLIC = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")  # SubjectPublicKeyInfo up to X
P256_PRIVATE = bytes.fromhex("30770201010420")  # ECPrivateKey up to the number

# The curve (FIPS 186-4, D.1.2.3).
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)


def openssl(*arguments, data=None):
    done = subprocess.run(["openssl", *arguments], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return done.stdout if done.returncode == 0 else None


def public_key(path):
    """X and Y, of a public or private key."""
    for kind in ([], ["-pubin"]):
        der = openssl("pkey", "-in", path, "-passin", "pass:", *kind, "-pubout", "-outform", "DER")
        if der:
            if der[:-64] != P256_PUBLIC:
                sys.exit(f"{path}: the key is not an ECDSA key on curve P-256 (prime256v1)")
            return der[-64:]
    sys.exit(f"{path}: there is no key in PEM form without passphrase")


def private_key(path):
    der = openssl("ec", "-in", path, "-passin", "pass:", "-outform", "DER")
    if not der or der[:7] != P256_PRIVATE:
        sys.exit(f"{path}: there is no private ECDSA key on curve P-256 (prime256v1) in PEM form without passphrase")
    return int.from_bytes(der[7:39], "big")


def key_id(public):
    return hashlib.sha256(public).digest()[:8]


def add(a, b):
    """Points of the curve; None is the one at infinity."""
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P) % P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(number, point):
    result = None
    for bit in f"{number:b}":
        result = add(result, result)
        if bit == "1":
            result = add(result, point)
    return result


def nonces(private, digest):
    """RFC 6979, 3.2."""
    seed = private.to_bytes(32, "big") + (int.from_bytes(digest, "big") % N).to_bytes(32, "big")
    key, value = bytes(32), b"\1" * 32
    for step in (b"\0", b"\1"):
        key = hmac.digest(key, value + step + seed, "sha256")
        value = hmac.digest(key, value, "sha256")
    while True:
        value = hmac.digest(key, value, "sha256")
        if 0 < int.from_bytes(value, "big") < N:
            yield int.from_bytes(value, "big")
        key = hmac.digest(key, value + b"\0", "sha256")
        value = hmac.digest(key, value, "sha256")


def signature(private, digest):
    for nonce in nonces(private, digest):
        r = multiply(nonce, G)[0] % N
        s = pow(nonce, -1, N) * (int.from_bytes(digest, "big") + r * private) % N
        if r and s:
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def der_integer(number):
    data = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return bytes([2, len(data)]) + data


def to_der(raw):
    body = der_integer(int.from_bytes(raw[:32], "big")) + der_integer(int.from_bytes(raw[32:], "big"))
    return bytes([0x30, len(body)]) + body


def from_der(der):
    raw, at = b"", 2
    try:
        for _ in range(2):
            raw += int.from_bytes(der[at + 2:at + 2 + der[at + 1]], "big").to_bytes(32, "big")
            at += 2 + der[at + 1]
    except (IndexError, OverflowError):
        at = 0
    if at != len(der) or to_der(raw) != der:
        sys.exit("the signature is not one of ECDSA in DER form")
    return raw


def genuine(public, message, raw):
    """OpenSSL's word for it."""
    with tempfile.TemporaryDirectory() as folder:
        key, sign = os.path.join(folder, "key"), os.path.join(folder, "sign")
        for path, data in ((key, openssl("pkey", "-pubin", "-inform", "DER", data=P256_PUBLIC + public)), (sign, to_der(raw))):
            with open(path, "wb") as handle:
                handle.write(data)
        return openssl("dgst", "-sha256", "-verify", key, "-signature", sign, data=message) is not None


class Bundle:
    """A FIT as mkimage -E makes it: a tree, then the images. The block is the tree's last bytes, which a flattened tree does
    not use: its total size is enlarged for it."""

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as handle:
            data = handle.read()
        self.fields = list(struct.unpack_from(">10I", data)) if len(data) >= 40 else [0] * 10
        total = self.fields[1]
        if self.fields[0] != FDT_MAGIC or total % 4 or not 40 <= total <= len(data):
            sys.exit(f"{path}: this is no bundle")
        self.tree, self.images = data[:total], data[total:]
        self.block = None
        if len(self.tree) > BLOCK.size and self.tree[-BLOCK.size:].startswith(MAGIC):
            self.tree, self.block = self.tree[:-BLOCK.size], self.tree[-BLOCK.size:]

    def make_room(self):
        """For the block: signed is the tree with its new size, and what is before the block is filled to keep images aligned."""
        if self.block is None:
            self.tree += bytes(-BLOCK.size % 64)
            self.tree = self.tree[:4] + struct.pack(">I", len(self.tree) + BLOCK.size) + self.tree[8:]
            self.images = self.images[:self.last_byte()]

    def get(self, *arguments):
        """The words of fdtget's answer."""
        done = subprocess.run(["fdtget", *arguments[:-2], self.path, *arguments[-2:]] if len(arguments) > 1 else ["fdtget", "-l", self.path, *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, text=True)
        return done.stdout.split()

    def places(self):
        """{name: (offset, end)} behind the tree."""
        found = {}
        for name in self.get("/images"):
            words = [word for value in ("data-offset", "data-size") for word in self.get("-tu", f"/images/{name}", value)]
            if len(words) != 2:
                sys.exit(f"{self.path}: image {name} lies inside of the tree; make the bundle with mkimage -E")
            found[name] = int(words[0]), int(words[0]) + int(words[1])
        return found

    def last_byte(self):
        """Where the last image ends: mkimage fills the file up behind it."""
        return max([end for _, end in self.places().values()], default=0)

    def attach(self, public, raw):
        self.block = BLOCK.pack(MAGIC, key_id(public), hashlib.sha256(self.tree).digest(), raw)
        with open(self.path + ".signed", "wb") as handle:
            handle.write(self.tree + self.block + self.images)
        os.replace(self.path + ".signed", self.path)


def sign(arguments):
    bundle, private, public = Bundle(arguments.bundle), private_key(arguments.key), public_key(arguments.key)
    bundle.make_room()
    raw = signature(private, hashlib.sha256(bundle.tree).digest())
    if not genuine(public, bundle.tree, raw):
        sys.exit(f"{arguments.bundle}: OpenSSL refuses the signature that was just made")
    bundle.attach(public, raw)


def prepare(arguments):
    bundle, public = Bundle(arguments.bundle), public_key(arguments.key)
    bundle.make_room()
    bundle.attach(public, bytes(64))
    with open(arguments.output, "wb") as handle:
        handle.write(bundle.tree)


def attach(arguments):
    bundle, public = Bundle(arguments.bundle), public_key(arguments.key)
    if bundle.block is None:
        sys.exit(f"{arguments.bundle}: it has not been prepared for a signature")
    with open(arguments.signature, "rb") as handle:
        raw = from_der(handle.read())
    if not genuine(public, bundle.tree, raw):
        sys.exit(f"{arguments.signature}: this is not {arguments.key}'s signature of this bundle")
    bundle.attach(public, raw)


def check(arguments):
    bundle, public = Bundle(arguments.bundle), public_key(arguments.key)
    if bundle.block is None:
        sys.exit(f"{arguments.bundle}: it is not signed")
    _, identity, digest, raw = BLOCK.unpack(bundle.block)
    if digest != hashlib.sha256(bundle.tree).digest():
        sys.exit(f"{arguments.bundle}: its tree is damaged")
    if identity != key_id(public):
        sys.exit(f"{arguments.bundle}: it is signed with another key ({identity.hex()}, not {key_id(public).hex()})")
    if not genuine(public, bundle.tree, raw):
        sys.exit(f"{arguments.bundle}: its signature is wrong")
    for name, (start, end) in bundle.places().items():
        words = bundle.get("-tx", f"/images/{name}/hash-1", "value")
        if hashlib.sha256(bundle.images[start:end]).hexdigest() != "".join(f"{int(word, 16):08x}" for word in words):
            sys.exit(f"{arguments.bundle}: image {name} is damaged")
    version = " ".join(bundle.get("-tu", "/", "bulkhead,version"))
    print(f"{arguments.bundle}: version {version}, signed with key {identity.hex()}")


def numbers(data):
    return ", ".join(f"{byte:#04x}" for byte in data)


def rows(data):
    return "".join(f"        {numbers(data[at:at + 16])},\n" for at in range(0, len(data), 16))


def source(arguments):
    public = public_key(arguments.key)
    letters = ", ".join(f"'{letter}'" for letter in TRUST_MARK)
    text = ("/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by tools/sign_bundle.py. */\n#include <core/bundle.h>\n\n"
            f"const struct bundle_trust bundle_trust = {{\n    {{{letters}}},\n    {{{numbers(key_id(public))}}},\n    {{\n{rows(public)}    }},\n"
            f"    .version_minimum = {arguments.minimum},\n    .is_development = {int(arguments.development)},\n}};\n")
    with open(arguments.output, "w", encoding="ascii") as handle:
        handle.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for command, names in ((sign, ("key", "bundle")), (prepare, ("key", "bundle", "output")), (attach, ("key", "bundle", "signature")),
                           (check, ("key", "bundle")), (source, ("key", "output"))):
        sub = commands.add_parser(command.__name__)
        for name in names:
            sub.add_argument(name)
        sub.set_defaults(command=command)
    sub.add_argument("--development", action="store_true")
    sub.add_argument("--minimum", type=int, default=0)
    arguments = parser.parse_args()
    arguments.command(arguments)


if __name__ == "__main__":
    main()
