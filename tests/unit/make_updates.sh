#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make_updates.sh DIR: small updates for test_update.c, and the appliance's key as C (test_key.c; it takes version 3 and later).
set -eu
mkdir -p "$1"
tools=$PWD/tools
cd "$1"
for name in key other; do
    openssl ecparam -name prime256v1 -genkey -noout -out $name.pem
done
manifest() { /usr/bin/python3 "$tools/image/manifest.py" "$@"; }
# update FILE BYTES VERSION [KEY [BOARD]]
update() {
    yes "what update $1 is made of" | head -c "$2" >"$1.itb" || true
    manifest sign --board "${5:-test board}" --release "release $1" --version "$3" "${4:-key.pem}" "$1.itb" "$1.manifest"
    cat "$1.manifest" "$1.itb" >"$1.update"
}
update first 70001 4
update second 90000 5
update exact 131072 5
update large 131073 5
update old 5000 2
update other 5000 5 other.pem
update board 5000 5 key.pem "another board"
openssl pkey -in key.pem -pubout -out key.pub # signed by another program
manifest prepare --board "test board" --release "release elsewhere" --version 5 key.pub first.itb elsewhere.manifest signed
openssl dgst -sha256 -sign key.pem -out signature signed
manifest attach key.pub elsewhere.manifest signature
cat elsewhere.manifest first.itb >elsewhere.update
/usr/bin/python3 "$tools/sign_bundle.py" source --development --minimum 3 key.pem test_key.c
