# SPDX-License-Identifier: Apache-2.0
"""CPUs: each belongs to one partition, and exists."""

from ..errors import choices


def check(context):
    appliance, errors = context.appliance, context.errors
    count = min(appliance.board.cpus, context.limits.CPUS_MAX)
    if not 1 <= appliance.board.cpus <= context.limits.CPUS_MAX:
        errors.add("board", "BOARD_CPUS", appliance.board.cpus, f"1 to {context.limits.CPUS_MAX} are supported")
    owners = {}
    for partition in appliance.partitions:
        for cpu in partition.cpus or []:
            owners.setdefault(cpu, partition)
    free = [cpu for cpu in range(count) if cpu not in owners]
    for partition in appliance.partitions:
        if partition.cpus is None:
            partition.cpus = []  # reported when it was read
            continue
        value = context.config.text(f"P{partition.index}_CPUS")
        if not partition.cpus:
            errors.add(partition.subject, "CPUS", value or "(empty)", f"it needs a CPU of its own; choose from {choices(free)}")
        for cpu in partition.cpus:
            if cpu >= count:
                errors.add(partition.subject, "CPUS", value,
                           f"CPU {cpu} does not exist on board {appliance.board.name} (CPUs 0-{count - 1}); choose from {choices(free)}")
            elif owners[cpu] is not partition:
                errors.add(partition.subject, "CPUS", value,
                           f"CPU {cpu} belongs to {owners[cpu].subject}; choose from {choices(free)}")
