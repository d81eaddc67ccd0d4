# SPDX-License-Identifier: Apache-2.0
"""Numbers that the C headers define, so that nothing is written down twice."""

import os
import re


class Limits:
    """Attributes are the names of plain numeric #defines of limits.h, load_plan.h, partition.h and guest_map.h, without BULKHEAD_."""

    def __init__(self, root, arch):
        for name in ("include/bulkhead/limits.h", "include/bulkhead/load_plan.h", "include/bulkhead/partition.h", f"arch/{arch}/include/bulkhead/guest_map.h"):
            with open(os.path.join(root, name), encoding="utf-8") as handle:
                for line in handle:
                    match = re.match(r"#define (?:BULKHEAD_)?(\w+) (0x[0-9a-fA-F]+|\d+)(?:u?l{0,2})\b", line)
                    if match:
                        setattr(self, match[1], int(match[2], 0))

    def __getattr__(self, name):
        raise AttributeError(f"the headers in <bulkhead/> define no {name}")
