"""One sandbox for all runs of a test module.

A run opens its sandbox, and its fork servers import solver libraries: two CPU seconds, more than most tests need for
all else.
"""

from contextlib import ExitStack

import pytest

from storm_calm.agents.runs import sandbox_options
from storm_calm.sandbox import open_sandbox


@pytest.fixture(scope="module", autouse=True)
def shared_sandbox():
    """Let runs with the same sandbox options share a sandbox, which is closed after the module's last test."""
    opened = {}
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:

        def open_once(backend, **options):
            key = (backend, *sorted(options.items()))
            if key not in opened:
                sandbox = opened[key] = open_sandbox(backend, **options)
                stack.callback(sandbox.close)
                sandbox.close = lambda: None
            return opened[key]

        patch.setattr(sandbox_options, "open_sandbox", open_once)
        yield
