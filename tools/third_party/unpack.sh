#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# unpack.sh CACHE NAME DIRECTORY: fetch the pinned source NAME into CACHE, check it and unpack it as DIRECTORY.
set -euo pipefail
cache=$1
name=$2
directory=$3
here=$(cd "$(dirname "$0")" && pwd)

mkdir -p "$cache"
exec 9>"$directory.lock"
flock 9
[ -e "$directory/.unpacked" ] && exit 0

archive=$(/usr/bin/python3 "$here/../fetch/source.py" --cache "$cache" "$name")
printf '  %-9s%s\n' UNPACK "$(basename "$archive")"
rm -rf "$directory.new" "$directory"
mkdir -p "$directory.new"
tar -C "$directory.new" --strip-components=1 --no-same-owner -xf "$archive"
mv "$directory.new" "$directory"
touch "$directory/.unpacked"
