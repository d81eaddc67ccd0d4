# SPDX-License-Identifier: Apache-2.0
"""Certificates: all three paths or none, and PEM files behind them."""

import os

OPTIONS = (("TLS_SERVER_CERTIFICATE", "CERTIFICATE"), ("TLS_SERVER_KEY", "PRIVATE KEY"), ("TLS_CLIENT_CA", "CERTIFICATE"))


def check(context):
    paths = {option: context.config.text(option) for option, _ in OPTIONS}
    given = " and ".join(name for name in paths if paths[name])
    missing = [name for name in paths if not paths[name]]
    if not given:
        return
    if missing:
        context.errors.add("appliance", " and ".join(missing), "(empty)", f"belongs together with {given}; give all three, or none")
        return
    for option, content in OPTIONS:
        path = paths[option]
        try:
            with open(os.path.join(context.root, path), encoding="ascii", errors="replace") as handle:
                text = handle.read()
        except OSError as error:
            context.errors.add("appliance", option, path, f"the file cannot be read ({error.strerror}); name one that can")
            continue
        if f"{content}-----" not in text:
            context.errors.add("appliance", option, path, f"the file holds no PEM {content.lower()}; name one that does")
        elif "ENCRYPTED" in text:
            context.errors.add("appliance", option, path, "the key has a passphrase, which nobody could type; name one without")
