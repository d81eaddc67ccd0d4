# SPDX-License-Identifier: Apache-2.0
"""All checks, in the order in which their errors are shown."""


def check(appliance, config, limits, root, errors):
    """Reports everything that cannot work."""
