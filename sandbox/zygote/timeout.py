"""Enforce the time limit, and the memory limit, of running programs.

The fork server asks every `CHECK_INTERVAL_SECONDS` which programs are over a limit, and kills those. The blocks of a
session are watched in the same way by `block_monitor`, as each has a limit of its own.
"""

from __future__ import annotations

import time
from typing import Literal

from storm_calm.sandbox.zygote.forked_process import ForkedProcess

CHECK_INTERVAL_SECONDS = 0.02
"""Between two checks of all running programs."""


def exceeded_limit(process: ForkedProcess) -> Literal["timeout", "memory_limit"] | None:
    """Return which limit a running program is over, or None; keeps `peak_bytes` up to date."""
    if time.monotonic() - process.started >= process.limits.seconds:
        return "timeout"
    used = process.used_bytes()
    process.peak_bytes = max(process.peak_bytes, used)
    ran_out = process.cgroup is not None and process.cgroup.ran_out()
    return "memory_limit" if used > process.limits.memory_mb << 20 or ran_out else None
