"""The processes of the benchmark: each on a processor of its own, with what it takes of processor and memory.

with pinned(0), server("upstream", [...], core=0) as upstream, storm([upstream.address], core=1) as target:
    target.processor_seconds(), target.names()
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

HOUSE = Path(__file__).resolve().parents[2]
"""Where the packages are."""
STARTING = 60.0
"""Seconds in which a server must have said its address."""
ROOMY = 100_000
"""A limit of the server that no load here comes near."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A server that is asked."""

    name: str
    """In tables."""
    address: str
    """Up to `/v1`."""
    model: str
    """What it calls its model."""
    agent: bool
    """Whether STORM answers, and not the upstream's words alone."""
    pid: int
    """Its process."""

    def processor_seconds(self) -> float:
        """What it and all that descend from it have used so far."""
        return common.processor_seconds(self.pid)

    def highest_mb(self) -> float:
        """The most memory that the process itself ever held, in MB."""
        return _field(f"/proc/{self.pid}/status", "VmHWM") / 1000

    def family_mb(self) -> float:
        """Memory that it holds with all that descend from it, in MB; pages that several share count once."""
        return sum(_field(f"/proc/{pid}/smaps_rollup", "Pss") for pid in process_tree(self.pid)) / 1000

    def names(self) -> set[str]:
        """The names of the processes that descend from it."""
        return {_text(f"/proc/{pid}/comm").strip() for pid in process_tree(self.pid)}


@contextlib.contextmanager
def upstream(core: int) -> Iterator[Target]:
    """The scripted upstream."""
    with _running("direct", [sys.executable, "-m", "benchmarks.serving.upstream"], {core}, agent=False) as target:
        yield target


@contextlib.contextmanager
def passthrough(of: str, core: int) -> Iterator[Target]:
    """The baseline, over the upstream at the address `of`."""
    command = [sys.executable, "-m", "benchmarks.serving.passthrough", of]
    with _running("passthrough", command, {core}, agent=False) as target:
        yield target


@contextlib.contextmanager
def storm(reasoner: str, cores: set[int], *, workers: int | None = None) -> Iterator[Target]:
    """`storm serve`. workers: programs that run at once; by default one a core."""
    command = [sys.executable, "-c", "from storm_calm.cli.start import main; main()", "serve", "--reasoner", reasoner]
    command += ["--port", "0", "--reasoning-field", "reasoning", "--drain-seconds", "0"]
    for limit in ("--max-running", "--key-running", "--key-per-minute"):
        command += [limit, str(ROOMY)]
    if workers is not None:
        command += ["--workers", str(workers)]
    with _running("storm serve", command, cores, agent=True) as target:
        yield target


@contextlib.contextmanager
def pinned(core: int) -> Iterator[None]:
    """This thread on one processor for a while."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def _running(name: str, command: Sequence[str], cores: set[int], *, agent: bool) -> Iterator[Target]:
    """A server from its address to its end. Raises SystemExit with the end of its log where it fails."""
    environment = {name: value for name, value in os.environ.items() if name != "STORM_API_KEYS"}
    with tempfile.NamedTemporaryFile("r", prefix="serving-", suffix=".log", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, cwd=HOUSE, env=environment, stdin=subprocess.DEVNULL, stdout=log.fileno(), stderr=log.fileno()
        )
        # Its threads and children come later, and are where it is.
        os.sched_setaffinity(process.pid, cores)
        try:
            address = _address(process, Path(log.name))
            if address is None:
                raise SystemExit(f"{name} does not start: {_text(log.name)[-2000:]}")
            model = "storm" if agent else MODEL
            yield Target(name=name, address=address, model=model, agent=agent, pid=process.pid)
        except OSError as error:
            raise SystemExit(f"{name} cannot be asked any more ({error}): {_text(log.name)[-2000:]}") from error
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str | None:
    """What the server says that it serves at; None where it ends, or says nothing."""
    end = time.monotonic() + STARTING
    while time.monotonic() < end and process.poll() is None:
        found = re.search(r" at (http://\S+/v1)$", _text(log), re.MULTILINE)
        if found:
            return found[1]
        time.sleep(0.02)
    return None


def _field(path: str, name: str) -> int:
    """Of a report with lines such as "VmHWM:   123 kB", bytes divided by 1,000; 0 where the process has gone."""
    found = re.search(rf"^{name}:\s+(\d+) kB", _text(path), re.MULTILINE)
    return int(found[1]) * 1024 // 1000 if found else 0


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
