"""Start the servers of the benchmark, each pinned to CPU cores, and measure their CPU time and memory.

with upstream(0) as scripted, storm(scripted.address, {1}) as target:
    target.cpu_seconds(), target.names()
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import common
from benchmarks.serving.events import MODEL
from storm_calm.sandbox.zygote.processes import process_tree

ROOT = Path(__file__).resolve().parents[2]
"""Root of the repository."""
START_SECONDS = 60.0
"""Seconds within which a server must print its address."""
NO_LIMIT = 100_000
"""Value of the server's rate limits that no load here reaches."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A running server."""

    name: str
    """Name in tables."""
    address: str
    """Base URL up to `/v1`."""
    model: str
    """Name of its model."""
    agent: bool
    """Whether it is `storm serve`, not the upstream or a proxy for it."""
    pid: int
    """Process id."""

    def cpu_seconds(self) -> float:
        """Return the CPU time that the process and its descendants have used so far."""
        return common.cpu_seconds(self.pid)

    def highest_mb(self) -> float:
        """Return the peak RSS of the process itself, in MB."""
        return _field(f"/proc/{self.pid}/status", "VmHWM") / 1000

    def family_mb(self) -> float:
        """Return the PSS of the process and its descendants, in MB; shared pages count once."""
        return sum(_field(f"/proc/{pid}/smaps_rollup", "Pss") for pid in process_tree(self.pid)) / 1000

    def names(self) -> set[str]:
        """Return the names of the process and its descendants."""
        return {_text(f"/proc/{pid}/comm").strip() for pid in process_tree(self.pid)}


@contextlib.contextmanager
def upstream(core: int) -> Iterator[Target]:
    """Run the scripted upstream."""
    with _running("direct", [sys.executable, "-m", "benchmarks.serving.upstream"], {core}, agent=False) as target:
        yield target


@contextlib.contextmanager
def passthrough(upstream: str, core: int) -> Iterator[Target]:
    """Run the baseline proxy. upstream: the base URL of the upstream."""
    command = [sys.executable, "-m", "benchmarks.serving.passthrough", upstream]
    with _running("passthrough", command, {core}, agent=False) as target:
        yield target


@contextlib.contextmanager
def storm(reasoner: str, cores: set[int], *, workers: int | None = None) -> Iterator[Target]:
    """Run `storm serve`. workers: programs that run at once; by default one per core."""
    command = [sys.executable, "-c", "from storm_calm.cli.start import main; main()", "serve", "--reasoner", reasoner]
    command += ["--port", "0", "--reasoning-field", "reasoning", "--drain-seconds", "0"]
    for limit in ("--max-running", "--key-running", "--key-per-minute"):
        command += [limit, str(NO_LIMIT)]
    if workers is not None:
        command += ["--workers", str(workers)]
    with _running("storm serve", command, cores, agent=True) as target:
        yield target


@contextlib.contextmanager
def _running(name: str, command: Sequence[str], cores: set[int], *, agent: bool) -> Iterator[Target]:
    """Start a server, wait for its address, and stop it at the end.

    Raises SystemExit with the end of its log if it does not start, or if it cannot be reached later.
    """
    environment = {name: value for name, value in os.environ.items() if name != "STORM_API_KEYS"}
    with tempfile.NamedTemporaryFile("r", prefix="serving-", suffix=".log", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log.fileno(), stderr=log.fileno()
        )
        # Threads and children that it starts later inherit this.
        os.sched_setaffinity(process.pid, cores)
        try:
            address = _address(process, Path(log.name))
            if address is None:
                raise SystemExit(f"{name} did not start: {_text(log.name)[-2000:]}")
            model = "storm" if agent else MODEL
            yield Target(name=name, address=address, model=model, agent=agent, pid=process.pid)
        except OSError as error:
            raise SystemExit(f"{name} is unreachable ({error}): {_text(log.name)[-2000:]}") from error
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str | None:
    """Return the address that the server prints; None if it ends, or prints none within `START_SECONDS`."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        found = re.search(r" at (http://\S+/v1)$", _text(log), re.MULTILINE)
        if found:
            return found[1]
        time.sleep(0.02)
    return None


def _field(path: str, name: str) -> int:
    """Return a field such as "VmHWM:   123 kB" (1,024 bytes each) in units of 1,000 bytes; 0 if it is missing."""
    found = re.search(rf"^{name}:\s+(\d+) kB", _text(path), re.MULTILINE)
    return int(found[1]) * 1024 // 1000 if found else 0


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
