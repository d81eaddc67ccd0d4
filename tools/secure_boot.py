#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""UEFI Secure Boot: signs PE files and makes what firmware is to be told (docs/secure-boot.md).

    secure_boot.py sign KEY CERTIFICATE FILE             signs it in place
    secure_boot.py prepare CERTIFICATE FILE OUTPUT       for a key kept elsewhere: writes what is to be signed
    secure_boot.py attach CERTIFICATE FILE SIGNATURE     and takes the signature that was made of it (SHA-256, RSA PKCS #1 v1.5)
    secure_boot.py check CERTIFICATE FILE                checks a signature that was made here
    secure_boot.py lists [--owner-key KEY] [--time SECONDS] --owner CERTIFICATE --db CERTIFICATE... FOLDER
                                                         PK, KEK and db for FOLDER: .cer, .esl and, with the owner's key, .auth
    secure_boot.py revoke KEY CERTIFICATE FILE... OUTPUT a dbx.auth: these files, signed or not, are not to be started any more

Keys are RSA, certificates X.509, both in PEM form. Nothing in a signature is random or has a time: the same file and key give the
same bytes."""

import argparse
import hashlib
import os
import struct
import subprocess
import sys
import tempfile
import time
import uuid

RSA = "1.2.840.113549.1.1.1"
SHA256 = "2.16.840.1.101.3.4.2.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"  # PKCS #7 (RFC 2315)
DATA = "1.2.840.113549.1.7.1"
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
INDIRECT_DATA = "1.3.6.1.4.1.311.2.1.4"  # Windows Authenticode Portable Executable Signature Format 1.0
PE_IMAGE_DATA = "1.3.6.1.4.1.311.2.1.15"
ROW = 8  # what a certificate table and its entries are aligned to
REVISION, SIGNED_DATA_KIND, GUID_KIND = 0x200, 2, 0xEF1  # WIN_CERTIFICATE

# UEFI Specification 2.10, 8.2 and 32.4-32.6.
GLOBAL = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
SECURITY = uuid.UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f")
VENDOR = {"PK": GLOBAL, "KEK": GLOBAL, "db": SECURITY, "dbx": SECURITY}
CERT_X509 = uuid.UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072")
CERT_SHA256 = uuid.UUID("c1c41626-504c-4092-aca9-41f936934328")
CERT_PKCS7 = uuid.UUID("4aafd29d-68df-49ee-8aa9-347d375665a7")
OWNER = uuid.UUID("0a9f7c52-2f4e-5d0b-9a3c-5b1e7d3f6a10")  # ours
AUTHENTICATED, APPEND = 0x27, 0x40  # non-volatile, for boot and run time, written with a signature that has a time


def openssl(*arguments, data=None):
    done = subprocess.run(["openssl", *arguments], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return done.stdout if done.returncode == 0 else None


# --- DER ---

def der(tag, *parts):
    body = b"".join(parts)
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([len(body)]) if len(body) < 128 else bytes([0x80 | len(length)]) + length) + body


def sequence(*parts):
    return der(0x30, *parts)


def a_set(*parts):
    return der(0x31, *sorted(parts))


def explicit(number, *parts):
    return der(0xA0 | number, *parts)


def octets(data):
    return der(4, data)


def identifier(text):
    first, second, *others = map(int, text.split("."))
    body = b""
    for number in (first * 40 + second, *others):
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.insert(0, number & 0x7F | 0x80)
        body += bytes(groups)
    return der(6, body)


def algorithm(text):
    return sequence(identifier(text), der(5))


ONE = der(2, b"\1")


def item(data, at=0):
    """(whole, contents, where the next one begins) of the item there."""
    length, start = data[at + 1], at + 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[at + 2:start], "big")
    return data[at:start + length], data[start:start + length], start + length


# --- Signatures ---

class Certificate:
    def __init__(self, path):
        self.path = path
        self.der = openssl("x509", "-in", path, "-outform", "DER")
        key = self.der and openssl("x509", "-in", path, "-noout", "-pubkey")
        self.public = key and openssl("pkey", "-pubin", "-outform", "DER", data=key)
        if not self.public or identifier(RSA) not in self.public:
            sys.exit(f"{path}: there is no certificate of an RSA key in PEM form")
        _, certificate, _ = item(self.der)
        _, fields, _ = item(certificate)
        at = item(fields)[2] if fields[0] == 0xA0 else 0  # its version
        serial, _, at = item(fields, at)
        _, _, at = item(fields, at)
        self.name = sequence(item(fields, at)[0], serial)  # issuer and number

    def verify(self, message, signature):
        """OpenSSL's word for it."""
        with tempfile.TemporaryDirectory() as folder:
            key, sign = os.path.join(folder, "key"), os.path.join(folder, "sign")
            for path, data in ((key, openssl("pkey", "-pubin", "-inform", "DER", data=self.public)), (sign, signature)):
                with open(path, "wb") as handle:
                    handle.write(data)
            return openssl("dgst", "-sha256", "-verify", key, "-signature", sign, data=message) is not None


def signature_of(key, certificate, message):
    made = openssl("dgst", "-sha256", "-sign", key, "-passin", "pass:", data=message)
    if not made or not certificate.verify(message, made):
        sys.exit(f"{key}: this is not the private key, without passphrase, of {certificate.path}")
    return made


def signed_data(certificate, content, attributes, signature):
    signer = sequence(ONE, certificate.name, algorithm(SHA256), attributes, algorithm(RSA), octets(signature))
    return sequence(ONE, a_set(algorithm(SHA256)), content, explicit(0, certificate.der), a_set(signer))


class Image:
    """A PE file of 64 bits (PE Format, Authenticode's digest): all of it is signed but the checksum and the signature itself."""

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as handle:
            data = handle.read()
        try:
            head, = struct.unpack_from("<I", data, 0x3C)
            sections, size = struct.unpack_from("<6xH12xH", data, head)
            self.checksum, self.entry = head + 24 + 64, head + 24 + 112 + 4 * 8
            kind, = struct.unpack_from("<H", data, head + 24)
            end, = struct.unpack_from("<I", data, head + 24 + 60)
            entries, = struct.unpack_from("<I", data, head + 24 + 108)
            table, length = struct.unpack_from("<II", data, self.entry)
            placed = sorted(struct.unpack_from("<16xII", data, head + 24 + size + 40 * number)[::-1] for number in range(sections))
        except struct.error:
            sys.exit(f"{path}: this is no PE file")
        if data[:2] != b"MZ" or data[head:head + 4] != b"PE\0\0" or kind != 0x20B or entries < 5:
            sys.exit(f"{path}: this is no PE file of 64 bits with a place for a signature")
        for start, size in placed:  # then the digest of sections is that of the file
            if start != end:
                sys.exit(f"{path}: its sections do not lie one behind the other")
            end += size
        if end > len(data) or (length and table + length != len(data)):
            sys.exit(f"{path}: it is cut off, or something lies behind its signature")
        self.signature = data[table + 8:] if length else None
        self.data = data[:table] if length else data + bytes(-len(data) % ROW)

    def digest(self):
        return hashlib.sha256(self.data[:self.checksum] + self.data[self.checksum + 4:self.entry] + self.data[self.entry + 8:]).digest()

    def content(self):
        obsolete = explicit(0, explicit(2, der(0x80, "<<<Obsolete>>>".encode("utf-16-be"))))
        return sequence(sequence(identifier(PE_IMAGE_DATA), sequence(der(3, b"\0"), obsolete)), sequence(algorithm(SHA256), octets(self.digest())))

    def attributes(self):
        """What is signed: no time among it."""
        digest = hashlib.sha256(item(self.content())[1]).digest()
        return a_set(sequence(identifier(CONTENT_TYPE), a_set(identifier(INDIRECT_DATA))), sequence(identifier(MESSAGE_DIGEST), a_set(octets(digest))))

    def attach(self, certificate, signature):
        content = sequence(identifier(INDIRECT_DATA), explicit(0, self.content()))
        body = sequence(identifier(SIGNED_DATA), explicit(0, signed_data(certificate, content, b"\xa0" + self.attributes()[1:], signature)))
        block = struct.pack("<IHH", 8 + len(body), REVISION, SIGNED_DATA_KIND) + body
        block += bytes(-len(block) % ROW)
        with open(self.path + ".signed", "wb") as handle:
            handle.write(self.data[:self.entry] + struct.pack("<II", len(self.data), len(block)) + self.data[self.entry + 8:] + block)
        os.replace(self.path + ".signed", self.path)


def sign(arguments):
    image, certificate = Image(arguments.file), Certificate(arguments.certificate)
    image.attach(certificate, signature_of(arguments.key, certificate, image.attributes()))


def prepare(arguments):
    image = Image(arguments.file)
    Certificate(arguments.certificate)
    with open(arguments.output, "wb") as handle:
        handle.write(image.attributes())


def attach(arguments):
    image, certificate = Image(arguments.file), Certificate(arguments.certificate)
    with open(arguments.signature, "rb") as handle:
        signature = handle.read()
    if not certificate.verify(image.attributes(), signature):
        sys.exit(f"{arguments.signature}: this is not the signature of {arguments.file} by the key of {arguments.certificate}")
    image.attach(certificate, signature)


def check(arguments):
    image, certificate = Image(arguments.file), Certificate(arguments.certificate)
    if image.signature is None:
        sys.exit(f"{arguments.file}: it is not signed")
    at = image.signature.rfind(certificate.name + algorithm(SHA256) + b"\xa0" + image.attributes()[1:] + algorithm(RSA))
    start = at + len(certificate.name + algorithm(SHA256) + image.attributes() + algorithm(RSA))
    if at < 0 or not certificate.verify(image.attributes(), item(image.signature, start)[1]):
        sys.exit(f"{arguments.file}: it is damaged, or signed with another key or elsewhere")
    print(f"{arguments.file}: signed with the key of {arguments.certificate}")


# --- What firmware is told ---

def signature_list(kind, *entries):
    """EFI_SIGNATURE_LIST; all entries are of one length."""
    body = b"".join(OWNER.bytes_le + entry for entry in entries)
    return kind.bytes_le + struct.pack("<III", 28 + len(body), 0, 16 + len(entries[0])) + body


def authenticated(name, attributes, seconds, body, key, certificate):
    """A variable's new value, with EFI_VARIABLE_AUTHENTICATION_2 before it."""
    moment = time.gmtime(seconds)
    stamp = struct.pack("<H5B9x", *moment[:6])
    message = name.encode("utf-16-le") + VENDOR[name].bytes_le + struct.pack("<I", attributes) + stamp + body
    block = signed_data(certificate, sequence(identifier(DATA)), b"", signature_of(key, certificate, message))
    return stamp + struct.pack("<IHH", 24 + len(block), REVISION, GUID_KIND) + CERT_PKCS7.bytes_le + block + body


def lists(arguments):
    owner, db = Certificate(arguments.owner), [Certificate(path) for path in arguments.db]
    os.makedirs(arguments.folder, exist_ok=True)
    for name, certificates in (("PK", [owner]), ("KEK", [owner]), ("db", db)):
        body = b"".join(signature_list(CERT_X509, certificate.der) for certificate in certificates)
        made = {"cer": certificates[0].der, "esl": body}
        if arguments.owner_key:
            made["auth"] = authenticated(name, AUTHENTICATED, arguments.time, body, arguments.owner_key, owner)
        for suffix, data in made.items():
            with open(os.path.join(arguments.folder, f"{name}.{suffix}"), "wb") as handle:
                handle.write(data)


def revoke(arguments):
    digests = sorted({Image(path).digest() for path in arguments.files})
    body = signature_list(CERT_SHA256, *digests)
    with open(arguments.output, "wb") as handle:
        handle.write(authenticated("dbx", AUTHENTICATED | APPEND, arguments.time, body, arguments.key, Certificate(arguments.certificate)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for command, names in ((sign, ("key", "certificate", "file")), (prepare, ("certificate", "file", "output")),
                           (attach, ("certificate", "file", "signature")), (check, ("certificate", "file")),
                           (lists, ("folder",)), (revoke, ("key", "certificate", "files", "output"))):
        sub = commands.add_parser(command.__name__)
        for name in names:
            sub.add_argument(name, nargs="+" if name == "files" else None)
        if command in (lists, revoke):
            sub.add_argument("--time", type=int, default=int(time.time()), help="of the signature, in seconds since 1970")
        if command is lists:
            sub.add_argument("--owner", required=True)
            sub.add_argument("--owner-key")
            sub.add_argument("--db", required=True, action="append")
        sub.set_defaults(command=command)
    arguments = parser.parse_args()
    arguments.command(arguments)


if __name__ == "__main__":
    main()
