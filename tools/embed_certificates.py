# SPDX-License-Identifier: Apache-2.0
"""Writes the console's certificates and key as C arrays (include/bulkhead/management.h): the configured ones or the
development ones."""

import argparse
import os
import re

OPTIONS = (("tls_server_certificate", "TLS_SERVER_CERTIFICATE", "server.crt"), ("tls_server_key", "TLS_SERVER_KEY", "server.key"),
           ("tls_client_ca", "TLS_CLIENT_CA", "ca.crt"))


def configured(path):
    """The certificate paths of a .config, relative to the source tree."""
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    found = {}
    with open(path, encoding="utf-8") as handle:
        for line in handle:
            match = re.match(r'CONFIG_(TLS_\w+)="(.+)"$', line)
            if match:
                found[match[1]] = os.path.join(root, match[2])
    return found


def array(name, data):
    data += b"\0"  # PEM parsers want the NUL counted
    rows = [", ".join(str(byte) for byte in data[i:i + 24]) for i in range(0, len(data), 24)]
    return f"const unsigned char {name}[] = {{\n    " + ",\n    ".join(rows) + f"}};\nconst uint32_t {name}_size = {len(data)};\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("config", "development", "output"):
        parser.add_argument("--" + option, required=True)
    arguments = parser.parse_args()
    paths = configured(arguments.config)
    text = "/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by tools/embed_certificates.py. Holds a private key. */\n#include <bulkhead/management.h>\n\n"
    for name, option, file in OPTIONS:
        with open(paths[option] if paths else os.path.join(arguments.development, file), "rb") as handle:
            text += array(name, handle.read()) + "\n"
    text += f"const bool tls_development_certificates = {'false' if paths else 'true'};\n"
    old_mask = os.umask(0o077)
    with open(arguments.output, "w", encoding="utf-8") as handle:
        handle.write(text)
    os.umask(old_mask)


main()
