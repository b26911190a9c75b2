"""One open sandbox for each isolation level, shared by all tests. Unavailable levels skip their tests."""

from collections.abc import Iterator

import pytest

from storm_calm.sandbox import ISOLATION_LEVELS, Isolation, Limits, Sandbox, SandboxUnavailableError, open_sandbox
from support import docker_test_engine

LIMITS = Limits(seconds=10, memory_mb=512)


@pytest.fixture(scope="session", params=ISOLATION_LEVELS)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Yield a sandbox of each isolation level, for properties of all of them."""
    with _open(request.param) as opened:
        yield opened


@pytest.fixture(scope="session", params=["full", "landlock"])
def walled(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Yield a sandbox of each isolation level that confines a program."""
    with _open(request.param) as opened:
        yield opened


@pytest.fixture(scope="session")
def full() -> Iterator[Sandbox]:
    """Yield a sandbox of the strongest isolation level."""
    with _open("full") as opened:
        yield opened


@pytest.fixture(scope="session")
def docker_image() -> Iterator[str]:
    """Yield the image of the "docker" sandbox in an engine that can run it."""
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
