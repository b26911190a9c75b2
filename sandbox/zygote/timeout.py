"""The time limit and the memory limit of running programs.

The fork server checks them every `CHECK_INTERVAL_SECONDS`, and kills programs that exceed one. For the blocks of a
session, which have their own limits, `block_monitor` does this.
"""

import time
from typing import Literal

from storm_calm.sandbox.zygote.forked_process import ForkedProcess

CHECK_INTERVAL_SECONDS = 0.02


def exceeded_limit(process: ForkedProcess) -> Literal["timeout", "memory_limit"] | None:
    """Return the limit that a running program exceeds, or None. Updates `peak_bytes`."""
    if time.monotonic() - process.started >= process.limits.seconds:
        return "timeout"
    used = process.used_bytes()
    process.peak_bytes = max(process.peak_bytes, used)
    oom_killed = process.cgroup is not None and process.cgroup.oom_killed()
    return "memory_limit" if used > process.limits.memory_mb << 20 or oom_killed else None
