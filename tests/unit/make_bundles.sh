#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make_bundles.sh DIR: small bundles for test_bundle.c, and the kernel's key as C (test_key.c; it takes version 3 and later).
set -eu
mkdir -p "$1"
tools=$PWD/tools
cd "$1"
for name in key other; do
    openssl ecparam -name prime256v1 -genkey -noout -out $name.pem
done
for name in 1:one:401 2:two:320 3:three:37; do # number, name, bytes; between two and three nothing is filled up
    IFS=: read -r number file size <<<"$name"
    yes "image $number" | head -c "$size" >"$file" || true
done

# bundle FILE VERSION
bundle() {
    {
        printf '/dts-v1/;\n/ { description = "test"; #address-cells = <1>; bulkhead,version = <%s>;\nimages {\n' "$2"
        for name in one two three; do
            printf '%s { data = /incbin/("%s"); type = "firmware"; arch = "arm64"; compression = "none"; hash-1 { algo = "sha256"; }; };\n' $name $name
        done
        printf '};\nconfigurations { default = "a"; a { description = "a"; firmware = "one"; }; };\n};\n'
    } >"$1.its"
    mkimage -E -B 40 -f "$1.its" "$1" >/dev/null
}
sign() { /usr/bin/python3 "$tools/sign_bundle.py" "$@"; }
bundle unsigned.itb 5
cp unsigned.itb good.itb
sign sign key.pem good.itb
cp unsigned.itb other.itb
sign sign other.pem other.itb
bundle old.itb 2
sign sign key.pem old.itb
cp unsigned.itb elsewhere.itb # signed by another program
openssl pkey -in key.pem -pubout -out key.pub
sign prepare key.pub elsewhere.itb signed
cp elsewhere.itb empty.itb
openssl dgst -sha256 -sign key.pem -out signature signed
sign attach key.pub elsewhere.itb signature
sign check key.pub elsewhere.itb >/dev/null
sign source --development --minimum 3 key.pem test_key.c
