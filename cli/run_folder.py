"""What commands that write a run folder share: choosing the folder, and reporting how to resume."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from storm_calm.agents.runs.options import OptionError
from storm_calm.agents.runs.run_cost import CostLimitError
from storm_calm.agents.runs.worker_pool import RunStoppedError
from storm_calm.cli.errors import fail


def choose_folder(out: Path | None, *, resume: bool) -> Path:
    """Return `out`, or by default a new folder under runs/ named after the time. Raises OptionError."""
    if resume and out is None:
        raise OptionError("resume", "needs --out, the run folder to resume")
    return out or Path("runs") / f"{datetime.now():%Y%m%d-%H%M%S}"


COST_LIMIT_CODE = 3
"""The exit code of a run that has cost as much as it may: another start with the same options ends in the same way."""


def fail_at_limit(error: CostLimitError, command: str) -> None:
    """Print how to continue a run that reached its cost limit, and exit."""
    larger = float(f"{2 * max(error.limit, error.total):.2g}")
    fail(f"{error}. Finished work is kept. Continue with: {command} --max-cost {larger:g}", code=COST_LIMIT_CODE)


@contextmanager
def resumable(command: str, failure: type[Exception] = RunStoppedError) -> Iterator[None]:
    """On Ctrl-C, SIGTERM or `failure`, print the command line that resumes the run, and exit."""
    # Job schedulers and containers send SIGTERM, which would end the process silently.
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler) if in_main else None
    try:
        yield
    except KeyboardInterrupt:
        fail(f"stopped; all finished work is kept. Resume with: {command}", code=130)
    except CostLimitError as error:
        fail_at_limit(error, command)
    except failure as error:
        fail(f"{error}. Finished work is kept. Resume with: {command}", code=1)
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, before)
