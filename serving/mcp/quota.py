"""How much a client may keep on the server."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Quota:
    """The limits of one workspace."""

    jobs: int
    """Jobs that run or wait for a processor."""
    finished_jobs: int
    """Finished jobs whose results are kept."""
    sessions: int
    """Sessions at a time; another one closes the one that was used least recently."""
    runs: int
    """Runs that are kept; the oldest are dropped."""
    bytes: int
    """Bytes that the runs may take, about."""


ONE_CLIENT = Quota(jobs=8, finished_jobs=100, sessions=4, runs=200, bytes=128 << 20)
"""For a workspace of one client."""
MANY_CLIENTS = Quota(jobs=64, finished_jobs=800, sessions=32, runs=2000, bytes=512 << 20)
"""For a workspace that all clients with one key, or from one address, share."""
