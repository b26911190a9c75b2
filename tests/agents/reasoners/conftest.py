"""A scripted server, and the model that comes with the package."""

from collections.abc import Iterator

import pytest

from storm_calm.agents.reasoners import built_in
from storm_calm.agents.reasoners.nano import Nano
from support.scripted_server import ScriptedServer


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server that identifies as vLLM."""
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


@pytest.fixture(scope="session")
def nano() -> Iterator[Nano]:
    """The model that comes with the package."""
    reasoner = Nano(built_in("nano-base"), name="nano-base")
    yield reasoner
    reasoner.close()
