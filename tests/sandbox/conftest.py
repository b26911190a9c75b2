"""One open sandbox for each tier, shared by all tests; a tier that this machine can't reach skips with the reason."""

from __future__ import annotations

from collections.abc import Iterator

import engine
import pytest

from storm_calm.sandbox import TIERS, Limits, Sandbox, SandboxUnavailableError, Tier, open_sandbox

LIMITS = Limits(seconds=10, memory_mb=512)


@pytest.fixture(scope="session", params=TIERS)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Every tier in turn: what holds for all of them."""
    with _open(request.param) as opened:
        yield opened


@pytest.fixture(scope="session", params=["full", "landlock"])
def walled(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """The tiers that keep a program from reaching outside."""
    with _open(request.param) as opened:
        yield opened


@pytest.fixture(scope="session")
def full() -> Iterator[Sandbox]:
    """The strongest tier."""
    with _open("full") as opened:
        yield opened


@pytest.fixture(scope="session")
def docker_image() -> Iterator[str]:
    """The image of the "docker" sandbox, in an engine where it can be opened."""
    try:
        with engine.running_engine() as client:
            yield engine.build_image(client)
    except engine.ImpossibleError as error:
        pytest.skip(f"impossible here: {error}")
    except engine.NoEngineError as error:
        pytest.skip(str(error))


def _open(tier: Tier) -> Sandbox:
    try:
        return open_sandbox(tier=tier, minimum_tier=tier, workers=4, limits=LIMITS)
    except SandboxUnavailableError as error:
        pytest.skip(str(error))
