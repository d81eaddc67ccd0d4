# SPDX-License-Identifier: Apache-2.0
"""config.h: the options that are not of a partition or switch, as CONFIG_X. Those are in the tables instead, so that a
change of a partition does not compile the world again."""

import re

import kconfiglib


def config_header(config):
    lines = ["/* Made from .config by tools/resolver. */"]
    for symbol in config.kconfig.unique_defined_syms:
        name = symbol.name
        if re.match(r"(P|SWITCH|SRIOV)\d(_|$)", name) or name.startswith(("TLS_", "BUNDLE_")):
            continue
        if symbol.orig_type is kconfiglib.BOOL:
            if symbol.str_value == "y":
                lines.append(f"#define CONFIG_{name} 1")
        elif symbol.orig_type is kconfiglib.STRING:
            lines.append(f'#define CONFIG_{name} "{kconfiglib.escape(symbol.str_value)}"')
        elif symbol.orig_type is kconfiglib.HEX:
            lines.append(f"#define CONFIG_{name} {int(symbol.str_value or '0', 16):#x}")
        else:
            lines.append(f"#define CONFIG_{name} {symbol.str_value or 0}")
    return "\n".join(lines) + "\n"
