# SPDX-License-Identifier: Apache-2.0
"""What bundle, boot slots, loader and kernel are signed with, and the bundle's version."""

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
    check_secure_boot(context)


def check_pair(context, what, kind):
    private = check_key(context, f"{what}_SIGNING_KEY", "private", [], kind)
    public = check_key(context, f"{what}_PUBLIC_KEY", "public", ["-pubin"], kind)
    if private and public and private != public:
        context.errors.add("appliance", f"{what}_PUBLIC_KEY", context.config.text(f"{what}_PUBLIC_KEY"),
                           f"it is not the public half of {what}_SIGNING_KEY; name that, or leave one of both empty")


def check_secure_boot(context):
    """UEFI's: keys come with certificates."""
    def error(option, text):
        context.errors.add("appliance", f"SECURE_BOOT_{option}", context.config.text(f"SECURE_BOOT_{option}"), text)

    signing, owner = (check_certified(context, f"SECURE_BOOT_{key}", f"SECURE_BOOT_{certificate}")
                      for key, certificate in (("SIGNING_KEY", "CERTIFICATE"), ("OWNER_KEY", "OWNER_CERTIFICATE")))
    if owner and not signing:
        error("OWNER_CERTIFICATE", "loader and kernel would be signed with a development key; name SECURE_BOOT_CERTIFICATE and its key as well")
    if context.config.on("SECURE_BOOT_ENROLL") and signing and not context.config.text("SECURE_BOOT_OWNER_KEY") and \
            (owner or not context.config.text("SECURE_BOOT_SIGNING_KEY")):
        context.errors.add("appliance", "SECURE_BOOT_ENROLL", "y", "the lists to be enrolled cannot be signed; name SECURE_BOOT_OWNER_KEY, or leave this off and enrol by hand")
    for path in context.config.text("SECURE_BOOT_MORE_CERTIFICATES").split():
        if not certificate_key(os.path.join(context.root, path)):
            error("MORE_CERTIFICATES", f"{path} holds no PEM certificate; name files that do")


def check_certified(context, key_option, certificate_option):
    """True if there is a certificate."""
    key, path = check_key(context, key_option, "private", [], RSA), context.config.text(certificate_option)
    if not path:
        if key:
            context.errors.add("appliance", certificate_option, path, f"is empty; name the certificate of {key_option}")
        return False
    public = certificate_key(os.path.join(context.root, path))
    if not public:
        context.errors.add("appliance", certificate_option, path, "the file cannot be read or holds no PEM certificate; name one that does")
    elif RSA[0] not in public:
        context.errors.add("appliance", certificate_option, path, f"the certificate's key is not {RSA[1]}; make one that is")
    elif key and key != public:
        context.errors.add("appliance", certificate_option, path, f"it is not the certificate of {key_option}; name that")
    return True


def certificate_key(path):
    """The public key in DER form, or nothing."""
    pem = subprocess.run(["openssl", "x509", "-in", path, "-noout", "-pubkey"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    return pem and subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=pem, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout


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
