# SPDX-License-Identifier: Apache-2.0
"""Collects what is wrong with a configuration: one line each, all of it in one run."""


class Errors:
    def __init__(self):
        self.lines = []

    def add(self, subject, option, value, text):
        """`subject` is what the option belongs to (a partition, a switch, the board), `text` says what would be right."""
        line = f"{subject}: {option}={value}: {text}"
        if line not in self.lines:
            self.lines.append(line)

    def __bool__(self):
        return bool(self.lines)


def choices(values):
    """'3', '1 or 3', '1, 2 or 3', or 'none is left'."""
    words = [str(value) for value in values]
    if not words:
        return "none is left"
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]
