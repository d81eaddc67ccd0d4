#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""source.py --cache DIR NAME: fetch the pinned upstream source NAME; prints where the checked archive lies."""

import argparse
import glob
import os
import sys
import tempfile
import urllib.request

from apt import SUITE, AptError, PrivateApt, locked, say
from pinned import is_good, read_pins, sha256_of

PINS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "third_party", "pins.txt")


def from_debian(pin, cache, work):
    apt = PrivateApt(cache)
    for attempt in (1, 2):
        apt.prepare()
        try:
            apt.run(["apt-get", "source", "--quiet", "--download-only", "--tar-only", f"{pin['name']}/{SUITE}"], work)
            break
        except AptError:
            if attempt == 2:
                raise
            apt.forget_lists()
    found = glob.glob(os.path.join(glob.escape(work), "*.orig.tar.*"))
    if not found:
        raise AptError("the source package has no upstream archive")
    return found[0]


def from_upstream(pin, _cache, work):
    if pin["upstream"] == "-":
        raise AptError("upstream publishes no archive with these bytes")
    path = os.path.join(work, "upstream")
    with urllib.request.urlopen(pin["upstream"], timeout=60) as answer, open(path, "wb") as handle:
        handle.write(answer.read())
    return path


def fetch(pin, cache):
    """Path of the checked archive; ends the program with one message when no source has the right bytes."""
    target = os.path.join(cache, "downloads", pin["file"])
    with locked(target + ".lock"):
        if is_good(target, pin["sha256"]):
            return target
        problems = []
        for source, get in (("Debian", from_debian), ("upstream", from_upstream)):
            with tempfile.TemporaryDirectory(dir=os.path.dirname(target)) as work:
                say(f"{pin['file']} from {source}")
                try:
                    path = get(pin, cache, work)
                except (AptError, OSError) as error:
                    problems.append(f"{source}: {error}")
                    continue
                found = sha256_of(path)
                if found == pin["sha256"]:
                    os.replace(path, target)
                    return target
                problems.append(f"{source}: {os.path.basename(path)} has SHA-256 {found}")
    sys.exit(f"cannot fetch {pin['name']} (SHA-256 {pin['sha256']}):\n  " + "\n  ".join(problems) +
             f"\nPut the right file at {target} to go on without the network.")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", required=True)
    parser.add_argument("name")
    arguments = parser.parse_args()
    pins = {pin["name"]: pin for pin in read_pins(PINS, ("name", "file", "sha256", "upstream"))}
    print(fetch(pins[arguments.name], arguments.cache))


main()
