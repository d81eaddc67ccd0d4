# SPDX-License-Identifier: Apache-2.0
"""Pinned files: read the lists of pins, check a file against its pin."""

import hashlib
import os


def read_pins(path, fields):
    """Lines of `path` as dictionaries of the named fields, in order; '#' starts a comment line."""
    pins = []
    with open(path, encoding="utf-8") as handle:
        for line in handle:
            if line.strip() and not line.startswith("#"):
                pins.append(dict(zip(fields, line.split(), strict=True)))
    return pins


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        for block in iter(lambda: handle.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def is_good(path, sha256):
    return os.path.exists(path) and sha256_of(path) == sha256
