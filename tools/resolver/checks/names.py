# SPDX-License-Identifier: Apache-2.0
"""Names: of the appliance, of partitions, of switches. And that there is a management domain at all."""

import re


def check(context):
    appliance, add = context.appliance, context.errors.add
    longest = context.limits.NAME_MAX - 1
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]{0,29}[A-Za-z0-9])?", appliance.hostname):
        add("appliance", "HOSTNAME", appliance.hostname, "use letters, digits and hyphens, at most 31, no hyphen at either end")
    if not appliance.partitions or appliance.partitions[0].index != 0:
        add("partition 0", "P0", "n", "there is no management partition, which backs all devices; switch partition 0 on")
    for kind, things in (("partition", appliance.partitions), ("switch", appliance.switches)):
        owner = {}
        for thing in things:
            if not re.fullmatch(rf"[A-Za-z0-9_-]{{1,{longest}}}", thing.name):
                add(thing.subject, "NAME", thing.name, f"use 1 to {longest} letters, digits, '-' or '_'")
            elif thing.name in owner:
                add(thing.subject, "NAME", thing.name, f"{kind} {owner[thing.name].index} has that name already; choose another")
            else:
                owner[thing.name] = thing
