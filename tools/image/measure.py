#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""measure.py --release R KERNEL BUNDLE OUTPUT: what a measured boot of these files gives (docs/attestation.md): each stage's SHA-256, and the
PCRs that hold nothing else. `bhctl HOST attest --expect OUTPUT` compares an appliance with it."""

import argparse
import hashlib
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from tools.sign_bundle import Bundle  # noqa: E402

PCR_KERNEL, PCR_BUNDLE, PCR_IMAGES = 8, 9, 11


def sha256(data):
    return hashlib.sha256(data).digest()


def stages(kernel, bundle):
    """(PCR, stage, SHA-256) in the order in which they are measured."""
    with open(kernel, "rb") as handle:
        yield PCR_KERNEL, "kernel", sha256(handle.read())
    signed = Bundle(bundle)
    yield PCR_BUNDLE, "bundle", sha256(signed.tree)
    for name, (begins, end) in signed.places().items():
        yield PCR_IMAGES, name, sha256(signed.images[begins:end])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", required=True)
    for name in ("kernel", "bundle", "output"):
        parser.add_argument(name)
    arguments = parser.parse_args()
    pcrs, events = {}, []
    for pcr, stage, digest in stages(arguments.kernel, arguments.bundle):
        pcrs[str(pcr)] = sha256(pcrs.get(str(pcr), bytes(32)) + digest)
        events.append({"pcr": pcr, "stage": stage, "sha256": digest.hex()})
    with open(arguments.output + ".new", "w", encoding="utf-8") as handle:
        json.dump({"release": arguments.release, "pcrs": {pcr: value.hex() for pcr, value in pcrs.items()}, "events": events}, handle, indent=1)
        handle.write("\n")
    os.replace(arguments.output + ".new", arguments.output)


if __name__ == "__main__":
    main()
