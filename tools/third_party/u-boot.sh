#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# u-boot.sh SOURCE DIRECTORY CROSS_COMPILE DEFCONFIG BOARD: build U-Boot for a board into DIRECTORY: u-boot-nodtb.bin, and
# u-boot.dtb where the board has no tree of ours; on x86 what else its ROM is made of (tools/image/rom.py). Without a key: that
# goes into the tree behind it (tools/build/image.mk).
set -euo pipefail
source_directory=$1
directory=$2
cross=$3
defconfig=$4
board=$5
top=$(cd "$(dirname "$0")/../.." && pwd)

exec 9>"$directory.lock"
flock 9
[ -e "$directory/.built" ] && exit 0

work=$directory.build
rm -rf "$work" "$directory"
mkdir -p "$work"
printf '  %-9s%s\n' BUILD "U-Boot for $board (once, about half a minute)"

# The source is shared with other boards: the patches go to a copy (of links, which patch breaks for what it changes).
cp -rl "$source_directory" "$work/source"
source_directory=$work/source
for changes in "$top/boot/u-boot/u-boot.patch" "$top/board/$board/u-boot.patch"; do
    [ ! -e "$changes" ] || patch -s -d "$source_directory" -p1 <"$changes"
done

fragments=("$top/boot/u-boot/locked.config" "$top/board/$board/u-boot.config")
# The script as one line: comments and empty lines out, a command a line.
script=$(cat "$top/board/$board/u-boot.cmd" "$top/boot/u-boot/boot.cmd" | sed '/^#/d; /^$/d' | paste -sd ';' | sed 's/\\/\\\\/g; s/"/\\"/g')
{ cat "$source_directory/configs/${defconfig}_defconfig" "${fragments[@]}"
    printf 'CONFIG_USE_BOOTCOMMAND=y\nCONFIG_BOOTCOMMAND="%s"\n' "$script"; } >"$work/.config"

# Every build of this release says its own date; nothing of this machine enters it.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
run() {
    env SOURCE_DATE_EPOCH=1736121600 KBUILD_BUILD_USER=bulkhead KBUILD_BUILD_HOST=build \
        make -C "$source_directory" O="$work" CROSS_COMPILE="$cross" KCFLAGS="-ffile-prefix-map=$source_directory=u-boot -ffile-prefix-map=$work=build" "$@"
}
fail() {
    tail -30 "$directory.log"
    echo "U-Boot did not build; all of it: $directory.log" >&2
    exit 1
}
run olddefconfig >"$directory.log" 2>&1 || fail

# An option that U-Boot does not know, or has turned off again, is no small thing here.
for option in $(cat "${fragments[@]}" | sed -n 's/^# \(CONFIG_[A-Z0-9_]*\) is not set$/\1/p'); do
    ! grep -q "^$option=" "$work/.config" || { echo "U-Boot: $option is on, though board/$board or boot/u-boot turn it off" >&2; exit 1; }
done
while read -r line; do
    grep -qxF -- "$line" "$work/.config" || { echo "U-Boot: $line has no effect" >&2; exit 1; }
done < <(cat "${fragments[@]}" | grep '^CONFIG_')

# A number without a default would be asked for, again and again.
new=$(run -s listnewconfig 2>>"$directory.log" | grep '^CONFIG_' || true)
[ -z "$new" ] || { echo "U-Boot: board/$board has to give or turn off:" $new >&2; exit 1; }

products="u-boot-nodtb.bin"
[ -e "$top/board/$board/u-boot.dts" ] || products="$products u-boot.dtb"
! grep -q '^CONFIG_X86=y' "$work/.config" || products="$products spl/u-boot-spl.bin"
# Python is for assembling images, which is done without U-Boot's tools.
run -j "${JOBS:-2}" CONFIG_PYLIBFDT= $products >>"$directory.log" 2>&1 || fail
mkdir "$directory.new"
(cd "$work" && cp $products $(ls spl/u-boot-x86-{start,reset}16-spl.bin 2>/dev/null) .config "$directory.new/")
[ ! -e "$work/spl/u-boot-spl" ] || "${cross}nm" "$work/spl/u-boot-spl" | grep -E ' (__text_start|_binman_.*)$' >"$directory.new/u-boot-spl.symbols"
rm -rf "$work"
touch "$directory.new/.built"
mv "$directory.new" "$directory"
