#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# dependencies.sh run|test...: make sure of the Debian packages that building and running (run) or testing (test) need.
# As root they are installed; otherwise the one command that does it is shown.
set -euo pipefail

packages="build-essential gcc-aarch64-linux-gnu libc6-dev-arm64-cross python3 python3-kconfiglib meson ninja-build
    device-tree-compiler u-boot-tools openssl fdisk xz-utils bzip2 qemu-system-arm"
for purpose in "$@"; do
    [ "$purpose" = test ] && packages="$packages python3-pytest python3-pexpect libcmocka-dev libfdt-dev u-boot-qemu"
done

missing=
for package in $packages; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
# Debian 12's own QEMU (7.2) is too old; its backports have 10.0.
too_old=
if version=$(dpkg-query -W -f '${Version}' qemu-system-arm 2>/dev/null) && dpkg --compare-versions "$version" lt 1:8; then
    too_old=y
    missing="$missing qemu-system-arm"
fi
[ -z "$missing" ] && exit 0

from=
case " $missing " in
*" qemu-system-arm "*)
    if apt-cache policy qemu-system-arm 2>/dev/null | grep -q bookworm-backports; then
        from="-t bookworm-backports"
    elif grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release; then
        echo "  NOTE     add bookworm-backports to this machine's apt sources for QEMU 10"
        [ -n "$too_old" ] && missing=${missing% qemu-system-arm}
    fi
    ;;
esac
others=$(printf '%s\n' $missing | grep -vx qemu-system-arm | sort -u | tr '\n' ' ' || true)
commands=()
[ -n "$others" ] && commands+=("apt-get install -y --no-install-recommends $others")
case " $missing " in
*" qemu-system-arm "*) commands+=("apt-get install -y --no-install-recommends $from qemu-system-arm") ;;
esac
[ ${#commands[@]} -eq 0 ] && exit 0

if [ "$(id -u)" != 0 ]; then
    echo "These Debian packages are missing:$missing" >&2
    printf 'Install them with:  sudo sh -c "apt-get update' >&2
    printf ' && %s' "${commands[@]}" >&2
    printf '"\n' >&2
    exit 1
fi
printf '  %-9s%s\n' INSTALL "$(echo $missing)"
apt-get update -q >/dev/null
for command in "${commands[@]}"; do
    DEBIAN_FRONTEND=noninteractive $command >/tmp/bulkhead-apt.$$ 2>&1 || { tail -20 /tmp/bulkhead-apt.$$; exit 1; }
done
rm -f /tmp/bulkhead-apt.$$
