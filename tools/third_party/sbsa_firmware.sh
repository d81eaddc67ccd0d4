#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sbsa_firmware.sh TRUSTED_FIRMWARE U_BOOT DIRECTORY CROSS_COMPILE: build the firmware of QEMU's sbsa-ref from its sources into
# DIRECTORY: flash0.fd (Trusted Firmware-A: BL1, BL2, BL31) and flash1.fd (U-Boot, which is the UEFI and makes ACPI's tables).
set -euo pipefail
trusted_source=$1
uboot_source=$2
directory=$3
cross=$4
top=$(cd "$(dirname "$0")/../.." && pwd)
board=$top/board/sbsa-ref
jobs=${JOBS:-2}

exec 9>"$directory.lock"
flock 9
[ -e "$directory/.built" ] && exit 0

work=$directory.build
rm -rf "$work" "$directory"
mkdir -p "$work/u-boot"
printf '  %-9s%s\n' BUILD "firmware of sbsa-ref: TF-A and U-Boot (once, about two minutes)"
# Nothing of this machine, and no time, enters it.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
export SOURCE_DATE_EPOCH=1736121600
fail() {
    tail -30 "$directory.log"
    echo "sbsa-ref's firmware did not build; all of it: $directory.log" >&2
    exit 1
}

trusted() {
    make -C "$trusted_source" -j "$jobs" CROSS_COMPILE="$cross" PLAT=qemu_sbsa BUILD_BASE="$work/trusted" \
        BUILD_STRING=bulkhead BUILD_MESSAGE_TIMESTAMP='"of Debian"' bl1 bl2 bl31 fip
}
# U-Boot's source is shared with other boards: the patch goes to a copy.
uboot() {
    cp -r "$uboot_source" "$work/source"
    patch -d "$work/source" -p1 <"$board/u-boot.patch"
    cat "$work/source/configs/qemu-arm-sbsa_defconfig" "$board/firmware.config" >"$work/u-boot/.config"
    for goal in olddefconfig u-boot.bin; do
        env KBUILD_BUILD_USER=bulkhead KBUILD_BUILD_HOST=build make -C "$work/source" O="$work/u-boot" -j "$jobs" CROSS_COMPILE="$cross" \
            KCFLAGS="-ffile-prefix-map=$work/source=u-boot -ffile-prefix-map=$work/u-boot=build" "$goal"
    done
}
: >"$directory.log"
trusted >>"$directory.log" 2>&1 || fail
uboot >>"$directory.log" 2>&1 || fail
while read -r line; do
    grep -qxF -- "$line" "$work/u-boot/.config" || { echo "U-Boot: $line has no effect" >&2; exit 1; }
done < <(grep '^CONFIG_' "$board/firmware.config")

# Two banks of NOR flash of 256 MiB each, almost all holes. BL1 is at the start, the FIP behind the room for BL1.
mkdir "$directory.new"
truncate -s 256M "$directory.new/flash0.fd" "$directory.new/flash1.fd"
release=$work/trusted/qemu_sbsa/release
dd status=none if="$release/bl1.bin" of="$directory.new/flash0.fd" conv=notrunc
dd status=none if="$release/fip.bin" of="$directory.new/flash0.fd" conv=notrunc bs=4096 seek=$((0x12000 / 4096))
dd status=none if="$work/u-boot/u-boot.bin" of="$directory.new/flash1.fd" conv=notrunc
rm -rf "$work"
touch "$directory.new/.built"
mv "$directory.new" "$directory"
