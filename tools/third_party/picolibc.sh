#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# picolibc.sh SOURCE DIRECTORY CROSS: build picolibc for native domains into DIRECTORY/{include,lib}. No semihosting, no start-up
# files, plain global errno; locks are the program's (sys/lock.h), as are start.S and stdout.
set -euo pipefail
source_directory=$1
directory=$2
cross=$3
here=$(cd "$(dirname "$0")" && pwd)

exec 9>"$directory.lock"
flock 9
[ -e "$directory/.built" ] && exit 0

work=$directory.build
rm -rf "$work" "$directory"
printf '  %-9s%s\n' BUILD "picolibc (once, about half a minute)"
{
    CFLAGS="-ffile-prefix-map=$source_directory=third-party/picolibc -ffile-prefix-map=$work=build" \
        meson setup "$work/build" "$source_directory" --cross-file "$here/$cross" --prefix=/ --includedir=include --libdir=lib \
        -Dbuildtype=plain -Doptimization=2 -Dmultilib=false -Dtests=false -Dpicocrt=false -Dpicocrt-lib=false \
        -Dsemihost=false -Dspecsdir=none -Dthread-local-storage=false -Dsingle-thread=false -Dnewlib-global-errno=true \
        -Dio-long-long=true -Dformat-default=double
    ninja -C "$work/build" -j "${JOBS:-2}"
    DESTDIR="$work/install" meson install -C "$work/build" --no-rebuild
} >"$directory.log" 2>&1 || { tail -30 "$directory.log"; echo "picolibc did not build; all of it: $directory.log" >&2; exit 1; }
mv "$work/install" "$directory"
rm -rf "$work"
touch "$directory/.built"
