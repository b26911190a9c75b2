"""The time limit and the memory limit of running programs.

The fork server's loop checks them. The blocks of a session have their own limits, see `block_monitor`.
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
