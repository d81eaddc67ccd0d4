#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make_iso.sh KERNEL BUNDLE ISO: a CD that boots both through GRUB's Multiboot, for machines (and emulators) with a BIOS.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/cd/boot/grub"
ln "$1" "$work/cd/bulkhead.bin" 2>/dev/null || cp -L "$1" "$work/cd/bulkhead.bin"
ln "$2" "$work/cd/bundle.itb" 2>/dev/null || cp -L "$2" "$work/cd/bundle.itb"
cat >"$work/cd/boot/grub/grub.cfg" <<END
multiboot /bulkhead.bin
module /bundle.itb
boot
END
grub-mkrescue --directory=/usr/lib/grub/i386-pc --install-modules="multiboot biosdisk iso9660 normal" \
    --fonts= --themes= --locales= --compress=no -o "$3.new" "$work/cd" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
mv "$3.new" "$3"
