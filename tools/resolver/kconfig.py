# SPDX-License-Identifier: Apache-2.0
"""Reads .config through kconfiglib. What Kconfig would pass over with a warning is an error here."""

import os
import re

import kconfiglib


class Config:
    def __init__(self, root, path, errors):
        os.environ["srctree"] = root
        self.kconfig = kconfiglib.Kconfig("Kconfig", warn_to_stderr=False)
        self.kconfig.warn_assign_redun = False
        self.kconfig.warn_assign_override = False
        self.kconfig.load_config(path)
        self.path = path
        for warning in self.kconfig.warnings:
            self._report(warning, errors)
        self._report_ignored(errors)

    def _report(self, warning, errors):
        place, _, text = warning.partition(": warning: ")
        match = re.search(r"'(.*)' is not a valid value for the (?:\w+ )?symbol (\w+) \(defined|"
                          r"attempt to assign the value '(.*)' to the undefined symbol (\w+)", text or warning)
        if match and match[2]:
            kind = kconfiglib.TYPE_TO_STR[self.kconfig.syms[match[2]].type]
            errors.add(self.subject(match[2]), self.option(match[2]), match[1], f"is no {kind}; see its help in `make menuconfig`")
        elif match:
            errors.add("configuration", match[4], match[3], "there is no such option; find the right one in `make menuconfig`")
        else:
            errors.lines.append(f"configuration: {place}: {text or warning}".rstrip(": "))

    def _report_ignored(self, errors):
        """A value that was set by hand but cannot take effect is a misunderstanding; say so."""
        for symbol in self.kconfig.unique_defined_syms:
            wanted = symbol.user_value
            if wanted is None or not symbol.name or symbol.orig_type is kconfiglib.BOOL:
                continue
            if wanted != symbol.str_value and symbol.visibility == 0 and wanted not in ("", "0", "0x0"):
                errors.add(self.subject(symbol.name), self.option(symbol.name), wanted,
                           "has no effect here, since what it depends on is off; switch that on, or take this out")

    def text(self, name):
        return self.kconfig.syms[name].str_value

    def number(self, name):
        value = self.kconfig.syms[name].str_value
        return int(value, 16 if self.kconfig.syms[name].orig_type is kconfiglib.HEX else 10) if value else 0

    def on(self, name):
        return self.kconfig.syms[name].str_value == "y"

    def first(self, *names):
        """The choice that is on: the lower-case last word of its name, for example 'external'."""
        for name in names:
            if self.on(name):
                return name.rpartition("_")[2].lower()
        return ""

    def subject(self, name):
        """What a symbol belongs to, as errors name it."""
        match = re.match(r"P(\d)(?:_|$)", name)
        if match:
            return f"partition {match[1]} '{self.text(f'P{match[1]}_NAME')}'"
        match = re.match(r"SWITCH(\d)(?:_|$)", name)
        if match:
            return f"switch {match[1]} '{self.text(f'SWITCH{match[1]}_NAME')}'"
        return "appliance"

    @staticmethod
    def option(name):
        """A symbol's name without the number of what it belongs to."""
        return re.sub(r"^(?:P|SWITCH)\d_", "", name)
