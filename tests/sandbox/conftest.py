"""One open sandbox for each isolation level, shared by all tests; one that this machine lacks skips with the reason."""

from collections.abc import Iterator

import pytest

from storm_calm.sandbox import ISOLATION_LEVELS, Isolation, Limits, Sandbox, SandboxUnavailableError, open_sandbox
from support import docker_test_engine

LIMITS = Limits(seconds=10, memory_mb=512)


@pytest.fixture(scope="session", params=ISOLATION_LEVELS)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Every isolation level in turn: what holds for all of them."""
    with _open(request.param) as opened:
        yield opened


@pytest.fixture(scope="session", params=["full", "landlock"])
def walled(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """The isolation levels that keep a program from reaching outside."""
    with _open(request.param) as opened:
        yield opened


@pytest.fixture(scope="session")
def full() -> Iterator[Sandbox]:
    """The strongest isolation level."""
    with _open("full") as opened:
        yield opened


@pytest.fixture(scope="session")
def docker_image() -> Iterator[str]:
    """The image of the "docker" sandbox, in an engine where it can be opened."""
    try:
        with docker_test_engine.running_engine() as client:
            yield docker_test_engine.build_image(client)
    except docker_test_engine.ImpossibleError as error:
        pytest.skip(f"impossible here: {error}")
    except docker_test_engine.NoEngineError as error:
        pytest.skip(str(error))


def _open(isolation: Isolation) -> Sandbox:
    try:
        return open_sandbox(isolation=isolation, minimum_isolation=isolation, workers=4, limits=LIMITS)
    except SandboxUnavailableError as error:
        pytest.skip(str(error))
