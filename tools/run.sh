#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# [UBOOT=1] run.sh OUTPUT CPU SMP MEMORY TLS_PORT: the appliance in QEMU, its serial line on this terminal.
set -euo pipefail
output=$1 cpu=$2 smp=$3 memory=$4 port=$5

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
while ! port_is_free "$port"; do
    port=$((port + 1))
done

# Paths as short as they can be said from here.
certificates=$(realpath --relative-to=. "$output/certificates")
cat <<TEXT

Guests' consoles:  console linux1   (or linux2) in the management shell below; Ctrl-] detaches
TLS console:       openssl s_client -quiet -connect localhost:$port -CAfile $certificates/ca.crt -cert $certificates/client.crt -key $certificates/client.key
One command:       tools/bhctl --certificates $certificates localhost:$port domain list
Ctrl-A X ends QEMU.

TEXT
# UBOOT=1: U-Boot starts first and takes kernel and bundle from QEMU's fw_cfg (its boot target qfw, then booti).
bundle=$output/bundle.itb
firmware=()
if [ -n "${UBOOT:-}" ]; then
    bundle=$output/bundle.uimg
    firmware=(-bios /usr/lib/u-boot/qemu_arm64/u-boot.bin)
fi

exec "${QEMU:-qemu-system-aarch64}" -M virt,virtualization=on,gic-version=3 -cpu "$cpu" -smp "$smp" -m "$memory" -nographic \
    -kernel "$output/bulkhead.bin" -initrd "$bundle" -global virtio-mmio.force-legacy=false \
    -netdev "user,id=n0,hostfwd=tcp:127.0.0.1:$port-:992" -device virtio-net-device,netdev=n0 \
    -drive "if=none,id=d0,file=$output/disk.img,format=raw" -device virtio-blk-device,drive=d0 \
    -device virtio-rng-device "${firmware[@]}"
