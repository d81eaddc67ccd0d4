# SPDX-License-Identifier: Apache-2.0
"""What bundle and boot slots are signed with, and the bundle's version."""

import os
import subprocess

VERSION_MAX = 2**31 - 1
# Object identifiers of the keys' kinds.
P256 = bytes.fromhex("2a8648ce3d030107"), "an ECDSA key on curve P-256 (prime256v1)"
RSA = bytes.fromhex("2a864886f70d010101"), "an RSA key"


def check(context):
    version, oldest = (check_number(context, name) for name in ("BUNDLE_VERSION", "BUNDLE_VERSION_MINIMUM"))
    if oldest > version:
        context.errors.add("appliance", "BUNDLE_VERSION_MINIMUM", str(oldest),
                           f"the kernel would refuse its own bundle, whose BUNDLE_VERSION is {version}; make it {version} or less")
    check_pair(context, "BUNDLE", P256)
    check_pair(context, "SLOT", RSA)


def check_pair(context, what, kind):
    private = check_key(context, f"{what}_SIGNING_KEY", "private", [], kind)
    public = check_key(context, f"{what}_PUBLIC_KEY", "public", ["-pubin"], kind)
    if private and public and private != public:
        context.errors.add("appliance", f"{what}_PUBLIC_KEY", context.config.text(f"{what}_PUBLIC_KEY"),
                           f"it is not the public half of {what}_SIGNING_KEY; name that, or leave one of both empty")


def check_number(context, option):
    number = context.config.number(option)
    if not 0 <= number <= VERSION_MAX:
        context.errors.add("appliance", option, str(number), f"is no version; choose 0 to {VERSION_MAX}")
    return number


def check_key(context, option, half, arguments, kind):
    """The public half in DER form, or None after saying what is wrong."""
    path = context.config.text(option)
    if not path:
        return None
    full = os.path.join(context.root, path)
    try:
        with open(full, "rb") as handle:
            text = handle.read()
    except OSError as error:
        context.errors.add("appliance", option, path, f"the file cannot be read ({error.strerror}); name one that can")
        return None
    der = subprocess.run(["openssl", "pkey", "-in", full, "-passin", "pass:", *arguments, "-pubout", "-outform", "DER"],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    if b"ENCRYPTED" in text:
        context.errors.add("appliance", option, path, f"the key has a passphrase, which nobody could type; name one without, or sign elsewhere with {option.replace('SIGNING', 'PUBLIC')} alone")
    elif not der:
        context.errors.add("appliance", option, path, f"the file holds no PEM {half} key; name one that does")
    elif kind[0] not in der:
        context.errors.add("appliance", option, path, f"the key is not {kind[1]}; make one that is")
    else:
        return der
    return None
