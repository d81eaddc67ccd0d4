# SPDX-License-Identifier: Apache-2.0
"""Reads .config through kconfiglib. What Kconfig would pass over with a warning is an error here."""

import os
import re

import kconfiglib


class Config:
    def __init__(self, root, path, errors):
        os.environ["srctree"] = root
        self.kconfig = kconfiglib.Kconfig("Kconfig", warn_to_stderr=False)
        self.kconfig.warn_assign_undef = True
        self.kconfig.warn_assign_redun = False
        self.kconfig.warn_assign_override = False
        self.kconfig.load_config(path)
        self.path = path
        for warning in self.kconfig.warnings:
            self._report(warning, errors)
        self._report_ignored(errors)

    def _report(self, warning, errors):
        invalid = re.search(r"the value '(.*)' is invalid for (\w+) .*which has type (\w+)", warning)
        unknown = re.search(r"attempt to assign the value '(.*)' to the undefined symbol (\w+)", warning)
        if invalid:
            value, name, kind = invalid.groups()
            kind = {"int": "whole number", "hex": "hexadecimal number (0x...)", "bool": "yes or no (y, n)"}.get(kind, kind)
            errors.add(self.subject(name), self.option(name), value, f"is no {kind}; write one")
        elif unknown:
            errors.add("configuration", unknown[2], unknown[1], "there is no such option; find the right one in `make menuconfig`")
        else:
            errors.lines.append("configuration: " + re.sub(r"^.*?warning: ", "", warning))

    def _report_ignored(self, errors):
        """A value that was set by hand but cannot take effect is a misunderstanding; say so. Not of what is off as a whole."""
        for symbol in self.kconfig.unique_defined_syms:
            wanted = symbol.user_value
            if wanted in (None, "", "0", "0x0") or symbol.orig_type is kconfiglib.BOOL or symbol.visibility or wanted == symbol.str_value:
                continue
            words = symbol.name.split("_")
            parents = ["_".join(words[:length]) for length in range(1, len(words))]
            if all(self.on(name) for name in parents if name in self.kconfig.syms and re.search(r"\d$", name)):
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
        match = re.match(r"SRIOV(\d)(?:_|$)", name)
        if match:
            return f"SR-IOV device {match[1]}"
        return "appliance"

    @staticmethod
    def option(name):
        """A symbol's name without the number of what it belongs to."""
        return re.sub(r"^(?:P|SWITCH|SRIOV)\d_", "", name)
