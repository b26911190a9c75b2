"""For all tests: with STORM_NO_SKIP=1, as in CI, a skipped test is a failed one, so nothing is left out silently.

But for a reason that begins with "impossible here: ": no installation would make such a test run on this machine.
"""

import os
import signal

import pytest

# What a shell starts in the background ignores Ctrl-C, and so would all that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and os.environ.get("STORM_NO_SKIP") == "1" and not hasattr(report, "wasxfail"):
        if "impossible here: " in str(call.excinfo.value):
            return report
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped where nothing may be: {call.excinfo.value}"
    return report
