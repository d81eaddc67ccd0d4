# SPDX-License-Identifier: Apache-2.0
"""Supervision: deadlines and restart policies."""

LIMITS = (("RESTART_LIMIT", "limit", 1, 1000), ("RESTART_WINDOW", "window_s", 1, 86400), ("BACKOFF_MS", "backoff_ms", 0, 600000),
          ("BACKOFF_MAX_MS", "backoff_max_ms", 0, 600000))


def check(context):
    add = context.errors.add
    if not 1 <= context.appliance.console_port <= 65535:
        add("appliance", "CONSOLE_PORT", context.appliance.console_port, "is no TCP port; 1 to 65535, usually 992")
    trial, settle = context.appliance.trial_s, context.appliance.trial_settle_s
    if settle >= trial:
        add("appliance", "TRIAL_SETTLE_SECONDS", settle,
            f"no trial would ever be confirmed within its TRIAL_SECONDS, {trial}; make it {trial - 1} or less")
    for partition in context.appliance.partitions:
        good = True
        for option, field, lowest, highest in LIMITS:
            value = getattr(partition, field)
            if not lowest <= value <= highest:
                add(partition.subject, option, value, f"is out of range; {lowest} to {highest}")
                good = False
        if good and partition.backoff_max_ms < partition.backoff_ms:
            add(partition.subject, "BACKOFF_MAX_MS", partition.backoff_max_ms,
                f"is less than the first wait; {partition.backoff_ms} or more")
        for option, value in (("HEARTBEAT_MS", partition.heartbeat_ms), ("PROGRESS_MS", partition.progress_ms)):
            if value and not 100 <= value <= 600000:
                add(partition.subject, option, value, "is out of range; 0, or 100 to 600000")
        if partition.heartbeat_ms and not partition.native:
            add(partition.subject, "HEARTBEAT_MS", partition.heartbeat_ms,
                "only a native domain sends heartbeats; use 0 and the watchdog for this guest")
        if partition.index == 0 and partition.action == "stop":
            add(partition.subject, "POLICY_STOP", "y", "without the management domain nobody serves the guests; choose restart or reset")
        if partition.index == 0 and not partition.autostart:
            add(partition.subject, "AUTOSTART", "n", "nobody else could start the management domain; switch it on")
