#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# dependencies.sh [run] [image] [test] arm64|x86...: make sure of the Debian packages that building and running (run), making
# a disk image (image) or testing (test) need for these architectures. As root they are installed; otherwise the one command that does it is shown.
set -euo pipefail

packages="build-essential python3 python3-kconfiglib meson ninja-build device-tree-compiler u-boot-tools openssl sbsigntool faketime fdisk xz-utils bzip2"
want() { [[ " $purposes " == *" $1 "* ]]; }
purposes=$*
want arm64 && packages="$packages gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-system-arm"
want x86 && packages="$packages qemu-system-x86"
want x86 && [ "$(dpkg --print-architecture)" != amd64 ] && packages="$packages gcc-x86-64-linux-gnu libc6-dev-amd64-cross"
want image && packages="$packages dosfstools mtools efitools"
(want image || want test) && packages="$packages bison flex"
want test && packages="$packages dosfstools mtools gdisk bmap-tools efitools swtpm"
want test && packages="$packages python3-pytest python3-pexpect libcmocka-dev libfdt-dev"
want test && want arm64 && packages="$packages u-boot-qemu qemu-efi-aarch64 acpica-tools libssl-dev"
want test && want x86 && packages="$packages acpica-tools zstd ovmf bochs bochsbios vgabios grub-common grub-pc-bin xorriso mtools"

missing=()
for package in $packages; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

# Debian 12's QEMU is 7.2; where its backports are set up, their QEMU 10 is what Bulkhead is developed with.
backports=
if [[ "${missing[*]}" == *qemu-system-* ]] && apt-cache policy 2>/dev/null | grep -q bookworm-backports; then
    for package in ${missing[*]} qemu-system-common qemu-system-data; do
        [[ $package == qemu-system-* ]] && backports="$backports $package/bookworm-backports"
    done
fi
command="apt-get install -y --no-install-recommends ${missing[*]} $backports"

if [ "$(id -u)" != 0 ]; then
    echo "These Debian packages are missing: ${missing[*]}" >&2
    echo "Install them with:  sudo sh -c 'apt-get update && $command'" >&2
    exit 1
fi
printf '  %-9s%s\n' INSTALL "${missing[*]}"
log=$(mktemp)
{ apt-get update -q && DEBIAN_FRONTEND=noninteractive $command; } >"$log" 2>&1 || { tail -20 "$log"; exit 1; }
rm -f "$log"
