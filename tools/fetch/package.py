#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""package.py --cache DIR --architecture arm64|amd64 kernel|busybox [--package NAME]: fetch a Debian package for the guests;
prints where it lies. The pinned version where Debian still has it, else the newest."""

import argparse
import glob
import os
import re
import sys
import tempfile

from apt import AptError, PrivateApt, locked, say
from pinned import is_good, read_pins

PINS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "third_party", "debian.txt")


def download(apt, package, directory):
    apt.run(["apt-get", "download", "--quiet", package], directory)
    found = glob.glob(os.path.join(glob.escape(directory), "*.deb"))
    if not found:
        raise AptError(f"apt has fetched no {package}")
    return found[0]


def newest_kernel(apt):
    newest = f"linux-image-{apt.architecture}"  # depends on whatever kernel is the newest
    depends = apt.run(["apt-cache", "depends", "--important", newest])
    match = re.search(r"Depends: (linux-image-[\w.+-]+)", depends)
    if not match:
        raise AptError(f"{newest} names no kernel")
    return match[1]


def pinned(apt, pin, cache):
    target = os.path.join(cache, "downloads", f"{pin['package']}_{pin['version'].replace(':', '-')}_{apt.architecture}.deb")
    with locked(target + ".lock"):
        if is_good(target, pin["sha256"]):
            return target
        with tempfile.TemporaryDirectory(dir=os.path.dirname(target)) as work:
            apt.prepare()
            say(f"{pin['package']} {pin['version']}" + (" (about 90 MB, once)" if "linux-image" in pin["package"] else ""))
            path = download(apt, f"{pin['package']}={pin['version']}", work)
            if not is_good(path, pin["sha256"]):
                raise AptError(f"{pin['package']} {pin['version']} does not have the pinned SHA-256 {pin['sha256']}")
            os.replace(path, target)
    return target


def unpinned(apt, package, cache):
    """apt checks it against Debian's signed lists."""
    folder = os.path.join(cache, "downloads", package if package.endswith(apt.architecture) else f"{package}-{apt.architecture}")
    with locked(folder + ".lock"):
        have = glob.glob(os.path.join(glob.escape(folder), "*.deb"))
        if have:
            return have[0]
        os.makedirs(folder, exist_ok=True)
        apt.prepare()
        say(f"{package}, the version that Debian has now")
        return download(apt, package, folder)


def fetch(kind, wanted, architecture, cache):
    apt = PrivateApt(cache, architecture)
    pins = [pin for pin in read_pins(PINS, ("architecture", "package", "version", "sha256")) if pin["architecture"] == architecture]
    pin = next(pin for pin in pins if pin["package"].startswith({"kernel": "linux-image", "busybox": "busybox"}[kind]))
    if wanted and wanted != pin["package"]:
        return unpinned(apt, wanted, cache)
    for attempt in (1, 2):
        try:
            return pinned(apt, pin, cache)
        except AptError as error:
            if attempt == 1:
                apt.forget_lists()
                continue
            say(f"NOTE: the pinned {pin['package']} {pin['version']} is not to be had ({error}); taking the newest instead")
    return unpinned(apt, newest_kernel(apt) if kind == "kernel" else pin["package"], cache)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", required=True)
    parser.add_argument("--architecture", choices=("arm64", "amd64"), required=True)
    parser.add_argument("--package", default="")
    parser.add_argument("kind", choices=("kernel", "busybox"))
    arguments = parser.parse_args()
    try:
        print(fetch(arguments.kind, arguments.package, arguments.architecture, arguments.cache))
    except AptError as error:
        sys.exit(f"cannot fetch the guests' {arguments.kind} from Debian: {error}")


main()
