#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# [UBOOT=1] [UEFI=1] [IMAGE=1] [SECURE=1] [TPM=1] [ACCEL=tcg|kvm] run.sh OUTPUT BOARD CPU SMP MEMORY TLS_PORT: the appliance in its emulator, its serial line on this terminal.
set -euo pipefail
UBOOT=${UBOOT:-}
output=$1 board=$2 cpu=$3 smp=$4 memory=$5 port=$6

if [ "$board" = bochs ]; then
    exec /usr/bin/python3 -B "$(dirname "$0")/../tests/system/bochs.py" "$output"
fi

# Debian 12's QEMU 7.2 lacks a board that QEMU 9 and later have.
knows_machine() {
    local qemu=${QEMU:-qemu-system-aarch64}

    [[ $("$qemu" -M help) != *$'\n'"$1 "* ]] || return 0
    echo "QEMU $("$qemu" --version | sed -n 's/^QEMU emulator version \([^ ]*\).*/\1/p') has no machine $1: install a newer one (Debian: backports), or name one by QEMU=PATH" >&2
    exit 1
}
case $board in
rpi4) knows_machine raspi4b ;;
zcu102) knows_machine xlnx-zcu102 ;;
esac

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
while ! port_is_free "$port"; do
    port=$((port + 1))
done

# Why KVM cannot run the kernel on this machine; empty: it can.
kvm_lacks() {
    local module
    case $(grep -m1 -owE 'svm|vmx' /proc/cpuinfo) in
    svm) module=kvm_amd ;;
    vmx) module=kvm_intel ;;
    *)
        echo "this machine's CPU shows no hardware virtualization"
        return
        ;;
    esac
    if ! (exec 3<>/dev/kvm) 2>/dev/null; then
        echo "/dev/kvm cannot be opened"
    elif ! grep -qs '[Y1]' "/sys/module/$module/parameters/nested"; then
        echo "$module lends it to no guest (parameter nested)"
    elif ! timeout 20 "$1" -M none -accel kvm -nodefaults -display none -monitor stdio <<<quit >/dev/null 2>&1; then
        echo "$(basename "$1") cannot use it"
    fi
}

# What can be reached, and how; paths as short as they can be said from here.
certificates=$(realpath --relative-to=. "$output/certificates")
console_port=$(sed -n 's/^#define CONFIG_CONSOLE_PORT //p' "$output/generated/config.h")
mapfile -t guests < <(awk '$1 ~ /^[1-9]/ { print $2 }' "$output/partitions.txt")
others=${guests[*]:1}
echo
[ ${#guests[@]} = 0 ] ||
    echo "Guests' consoles:  console ${guests[0]}${others:+   (or ${others// /, })} in the management shell below; Ctrl-] detaches"
if grep -q '^CONFIG_SWITCH[0-9]*_EXTERNAL=y' "$output/.config"; then
    echo "TLS console:       openssl s_client -quiet -connect localhost:$port -CAfile $certificates/ca.crt -cert $certificates/client.crt -key $certificates/client.key"
    echo "One command:       tools/bhctl --certificates $certificates localhost:$port domain list"
else
    echo "TLS console:       none: this configuration has no network to the outside"
fi
printf 'Ctrl-A X ends QEMU.\n\n'

# UBOOT=1: U-Boot starts first and takes kernel and bundle from QEMU's fw_cfg (its boot target qfw, then booti); on q35 our U-Boot
# starts, from a copy of the disk image.
# UEFI=1: OVMF or edk2 starts first and finds both on a disk made of a folder; on arm64 with the loader, and ACPI only.
# IMAGE=1: U-Boot or OVMF (arm64 with UEFI=1: edk2) starts from a copy of the disk image, which stays as long as the image does.
# SECURE=1: as IMAGE=1 by OVMF or edk2, with Secure Boot: the first start gives its variables the keys (docs/secure-boot.md).
image=$output/disk.img
start=(-kernel "$output/bulkhead.bin" -initrd "$output/bundle.itb")
uboot=/usr/lib/u-boot/qemu_arm64/u-boot.bin
case $board in
q35) uefi=/usr/share/ovmf/OVMF.fd esp=ide-hd,bus=ide.5 secure=/usr/share/OVMF/OVMF_CODE_4M.fd empty=/usr/share/OVMF/OVMF_VARS_4M.fd ;;
*) uefi=/usr/share/qemu-efi-aarch64/QEMU_EFI.fd esp=virtio-blk-device secure=/usr/share/AAVMF/AAVMF_CODE.fd empty=/usr/share/AAVMF/AAVMF_VARS.fd ;;
esac
if [ -n "${IMAGE:-}${SECURE:-}" ] || [ "$board" = sbsa-ref ] || [ "$board$UBOOT" = q351 ]; then
    image=$output/run.img
    [ "$image" -nt "$output/bulkhead.img" ] || cp --sparse=always "$output/bulkhead.img" "$image"
    start=(-bios "$uefi")
fi
if [ -n "${SECURE:-}" ]; then
    variables=$output/variables.fd
    if [ ! -e "$variables" ]; then
        cp --sparse=always "$empty" "$variables"
        mcopy -o -i "$image@@$(awk '$1 == "esp" { print $2 }' "$output/bulkhead.txt")" "$output/secure-boot/enroll" ::EFI/keys/enroll
    fi
    start=(-drive "if=pflash,unit=0,format=raw,readonly=on,file=$secure" -drive "if=pflash,unit=1,format=raw,file=$variables")
elif [ -n "${IMAGE:-}" ] || [ "$board" = sbsa-ref ] || [ "$board$UBOOT" = q351 ]; then
    [ "$board" = q35 ] || [ -n "${UEFI:-}" ] || start=(-bios "$output/u-boot.bin")
    [ "$board$UBOOT" != q351 ] || start=(-bios "$output/u-boot.rom")
elif [ -n "${UBOOT:-}" ]; then
    start=(-bios "$uboot" -kernel "$output/bulkhead.bin" -initrd "$output/bundle.uimg")
elif [ -n "${UEFI:-}" ]; then
    mkdir -p "$output/esp/EFI/BOOT"
    cp "$output/bulkhead.bin" "$output/bundle.itb" "$output/esp"
    case $board in
    q35) cp "$output/bulkhead.bin" "$output/esp/EFI/BOOT/BOOTX64.EFI" ;;
    *) cp "$output/boot.efi" "$output/esp/EFI/BOOT/BOOTAA64.EFI" ;;
    esac
    start=(-bios "$uefi" -drive "if=none,id=esp,file=fat:rw:$output/esp,format=raw" -device "$esp,drive=esp,bootindex=0")
fi

case $board in
q35)
    qemu=qemu-system-x86_64
    machine=(-M q35)
    case ${ACCEL:-} in
    kvm) lacks= ;;
    tcg) lacks=ACCEL=tcg ;;
    *) lacks=$(kvm_lacks "${QEMU:-$qemu}") ;;
    esac
    if [ -z "$lacks" ]; then
        machine=(-M q35 -accel kvm)
        cpu=host
        echo "Runs on this machine's own virtualization (KVM, nested); ACCEL=tcg: emulated."
    else
        echo "Runs emulated (TCG, CPU $cpu): $lacks."
    fi
    virtio() { echo "virtio-$1-pci,disable-legacy=on"; }
    ;;
zcu102 | rpi4) # nothing can be plugged in but a card
    machine=(-M raspi4b)
    sd=0
    [ "$board" = rpi4 ] || machine=(-M xlnx-zcu102,virtualization=on,secure=off -audio none) sd=1
    tree=(-dtb "$output/board.dtb")
    # The board's own Ethernet controller is the last of the SoC's four.
    net=()
    [ "$board" = rpi4 ] || net=(-net nic -net nic -net nic -net user,restrict=on
        -net nic,netdev=n0 -netdev "user,id=n0,hostfwd=tcp:127.0.0.1:$port-:$console_port")
    # The disk is an SD card, whose size is a power of two.
    size=$((1 << 28))
    while [ "$size" -lt "$(stat -c %s "$image")" ]; do size=$((size * 2)); done
    truncate -s "$size" "$image"
    card=(-drive "if=sd,index=$sd,file=$image,format=raw")
    if [ -n "${IMAGE:-}" ]; then
        start=(-kernel "$output/u-boot.bin")
        # Its other CPUs spin until the kernel wants them, at the cost of the first one.
        [ "$board" != rpi4 ] || start+=(-accel tcg,thread=single)
        tree=()
    fi
    exec "${QEMU:-qemu-system-aarch64}" "${machine[@]}" -cpu "$cpu" -smp "$smp" -m "$memory" -nographic \
        "${net[@]}" "${tree[@]}" "${start[@]}" "${card[@]}"
    ;;
sbsa-ref) # its firmware finds the image on an NVMe disk
    qemu=qemu-system-aarch64
    machine=(-M sbsa-ref -nic none -vga none)
    start=(-drive "if=pflash,format=raw,file=$output/flash0.fd" -drive "if=pflash,format=raw,file=$output/flash1.fd")
    virtio() { echo "virtio-$1-pci,disable-legacy=on"; }
    ;;
*)
    qemu=qemu-system-aarch64
    gic=3
    ! grep -q '^#define CONFIG_GIC_V2 1' "$output/generated/config.h" || gic=2
    machine=(-M "virt,virtualization=on,gic-version=$gic" -global virtio-mmio.force-legacy=false)
    if grep -q pci-host "$output/partitions.txt"; then
        virtio() { echo "virtio-$1-pci,disable-legacy=on"; }
    else
        virtio() { echo "virtio-$1-device"; }
    fi
    ;;
esac

# The NIC and the disk that the configuration asks for (tools/kconfig/run.kconfig).
chosen() { sed -n "s/^#define CONFIG_RUN_$1 \"\(.*\)\"/\1/p" "$output/generated/config.h"; }
case $(chosen NIC) in
e1000e) nic=e1000e ;;
igb) nic=igb ;;
*) nic=$(virtio net) ;;
esac
controller=()
case $(chosen DISK) in
nvme) disk="nvme,serial=bulkhead0" ;;
ahci)
    disk="ide-hd,bus=ide.0"
    [ "$board" = q35 ] || controller=(-device "ich9-ahci,id=ahci0") disk="ide-hd,bus=ahci0.0"
    ;;
*) disk=$(virtio blk) ;;
esac

# The IOMMU that the board is said to have, before everything that is to stand behind it. QEMU 10.0 translates for AMD-Vi with
# pt=off only.
behind=
case $(sed -n 's/^#define CONFIG_BOARD_IOMMU "\(.*\)"/\1/p' "$output/generated/config.h") in
vtd) machine+=(-device "intel-iommu,intremap=on") behind=,iommu_platform=on ;;
amdvi) machine+=(-device "amd-iommu,intremap=on,pt=off") behind=,iommu_platform=on ;;
smmuv3) [ "$board" = sbsa-ref ] || machine+=(-M "iommu=smmuv3") ;;
esac
# A TPM 2.0, whose state stays beside the image (swtpm ends with QEMU).
if [ -n "${TPM:-}" ]; then
    mkdir -p "$output/tpm"
    rm -f "$output/tpm/socket"
    swtpm socket --tpm2 --terminate --tpmstate "dir=$output/tpm" --ctrl "type=unixio,path=$output/tpm/socket" --daemon
    case $board in
    q35) tpm=tpm-tis ;;
    *) tpm=tpm-tis-device ;;
    esac
    machine+=(-chardev "socket,id=tpm,path=$output/tpm/socket" -tpmdev "emulator,id=tpm0,chardev=tpm" -device "$tpm,tpmdev=tpm0")
fi

# KVM's own IOAPIC knows no interrupt remapping.
[ -z "$behind" ] || [[ " ${machine[*]} " != *" kvm "* ]] || machine+=(-M "kernel-irqchip=split")
behind() { case $1 in virtio-*-pci*) echo "$1$behind" ;; *) echo "$1" ;; esac; }

# PASSED: more of QEMU's options, for devices that guests are to have.
exec "${QEMU:-$qemu}" "${machine[@]}" -cpu "$cpu" -smp "$smp" -m "$memory" -nographic \
    -netdev "user,id=n0,hostfwd=tcp:127.0.0.1:$port-:$console_port" -device "$(behind "$nic"),netdev=n0" \
    "${controller[@]}" -drive "if=none,id=d0,file=$image,format=raw" -device "$(behind "$disk"),drive=d0" \
    -device "$(behind "$(virtio rng)")" ${PASSED:-} "${start[@]}"
