"""For all tests: what may be skipped, what is slow, and what runs beside what.

With STORM_NO_SKIP=1, as in CI, a skipped test is a failed one, so nothing is left out silently; except if its reason
begins with "impossible here: ", because no installation would make such a test run on this machine.

Several processes (`-n 2`) share the tests by file: a file is the unit, so its fixtures are made once. Files that share
something expensive, or that must not run at the same time, are one unit (`GROUPS`). Tests marked `alone` measure time
or count what the whole machine runs; `make test` runs them afterwards, in one process.
"""

import os
import re
import signal
import sys

import hypothesis
import pytest

# Limits on the time of examples would fail on a busy machine; what takes long is measured by the benchmarks.
hypothesis.settings.register_profile("tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("tests")

# Several processes share the processors: more than one thread in each makes matrix products slower, not faster.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Without bytecode, each of the hundreds of processes that tests start would compile the packages again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# What a shell starts in the background ignores Ctrl-C, and so would all that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

NEEDS = {"browser": "browser", "docker_image": "docker", "image": "docker"}
"""Fixtures and the mark of the tests that use them; all of these tests are slow."""
GROUPS = {
    "docker": ("tests/sandbox/test_docker", "tests/serving/test_serving_image"),
    "report": ("tests/serving/report/",),
    "review": ("tests/serving/review/",),
    # Each has a Ray cluster, those of training of about five gigabytes.
    "trainer": (
        *("tests/rl/test_train_verl", "tests/rl/test_train_async", "tests/rl/test_train_lora"),
        "tests/agents/ray/test_ray_runs",
    ),
}
"""Units of several files, by the beginnings of their paths."""
WEAKER = ("sandbox-landlock", "sandbox-limits")
"""Units that repeat for the weaker isolation levels what `sandbox-full` tests for the strongest; slow, all in all."""
LONGEST = (
    *(
        *GROUPS["trainer"],
        "tests/agents/reasoners/test_vllm",
        "tests/installed/",
        "tests/rl/test_train_sft",
        "tests/rl/test_public_tokenizers",
        "tests/docs/",
        "tests/sandbox/test_ray",
    ),
    *("tests/sandbox/test_docker", "tests/serving/test_serving_image", "tests/serving/test_"),
)
"""Units that begin first, so that none of them is left for the end."""


def group(file, callspec):
    """Return the unit of a test: a file, several files, a page of the docs, or what runs in the same sandbox."""
    for name in ("sandbox", "walled"):
        if callspec and file.startswith("tests/sandbox/") and name in callspec.params:
            return f"sandbox-{callspec.params[name]}"
    if callspec and "installed" in callspec.params:
        return f"installed-{callspec.params['installed']}"
    if callspec and file.startswith("tests/docs/") and "page" in callspec.params:
        return f"page-{callspec.params['page'].name}"
    return next((name for name, starts in GROUPS.items() if file.startswith(starts)), file)


def pytest_ignore_collect(collection_path, config):
    """Leave out a file without importing it, if its text shows that none of its tests is wanted."""
    if collection_path.suffix != ".py" or not collection_path.name.startswith("test_"):
        return None
    text, wanted = collection_path.read_text(encoding="utf-8"), config.option.markexpr
    if wanted == "alone" and "mark.alone" not in text:
        return True
    if "not slow" in wanted and re.search(r"^pytestmark = .*mark\.slow\b", text, re.MULTILINE):
        return True
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    def rank(item):
        found = [number for number, start in enumerate(LONGEST) if item.nodeid.startswith(start)]
        return found[0] if found else len(LONGEST)

    for item in items:
        unit = group(item.nodeid.partition("::")[0], getattr(item, "callspec", None))
        marks = {NEEDS[fixture] for fixture in set(NEEDS) & set(item.fixturenames)}
        for mark in [*sorted(marks), *(["slow"] if marks or unit in WEAKER else [])]:
            item.add_marker(mark)
        item.add_marker(pytest.mark.xdist_group(unit))
    items.sort(key=rank)


@pytest.fixture(scope="session")
def postgres():
    """Yield a PostgreSQL server."""
    # Here and not at the top: few tests need a database.
    from support.postgres_server import PostgresServer

    with PostgresServer() as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and os.environ.get("STORM_NO_SKIP") == "1" and not hasattr(report, "wasxfail"):
        if "impossible here: " in str(call.excinfo.value):
            return report
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped where nothing may be: {call.excinfo.value}"
    return report
