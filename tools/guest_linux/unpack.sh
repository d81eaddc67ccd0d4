#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# unpack.sh CACHE ARCHITECTURE kernel|busybox OUTPUT [PACKAGE]: fetch the Debian package and make OUTPUT a link to where it is
# unpacked.
set -euo pipefail
cache=$1
architecture=$2
kind=$3
output=$4
package=${5:-}
here=$(cd "$(dirname "$0")" && pwd)

deb=$(/usr/bin/python3 "$here/../fetch/package.py" --cache "$cache" --architecture "$architecture" --package "$package" "$kind")
directory=$cache/debian/$(basename "$deb" .deb)
mkdir -p "$cache/debian"
exec 9>"$directory.lock"
flock 9
if [ ! -e "$directory" ]; then
    printf '  %-9s%s\n' UNPACK "$(basename "$deb")"
    rm -rf "$directory.new"
    dpkg-deb -x "$deb" "$directory.new"
    if [ "$kind" = kernel ]; then
        # One name for whichever version it is. Debian's arm64 kernel is a plain Image, amd64's a bzImage; a compressed one is unpacked.
        image=("$directory.new"/boot/vmlinuz-*)
        case $(head -c2 "${image[0]}" | od -An -tx1 | tr -d ' ') in
        1f8b) gzip -dc "${image[0]}" >"$directory.new/Image" ;;
        *) cp --reflink=auto "${image[0]}" "$directory.new/Image" ;;
        esac
    fi
    mv "$directory.new" "$directory"
fi
ln -sfn "$directory" "$output"
