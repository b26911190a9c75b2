"""A scripted server, and the model that comes with the package."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from storm_calm.agents.reasoners import built_in
from storm_calm.agents.reasoners.nano import Nano
from support.scripted_server import ScriptedServer


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """Yield a server that identifies as vLLM."""
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


@pytest.fixture(scope="session")
def nano() -> Iterator[Nano]:
    """The model that comes with the package."""
    reasoner = Nano(built_in("nano-base"), name="nano-base")
    yield reasoner
    reasoner.close()


@pytest.fixture
def folder(nano: Nano, tmp_path: Path) -> Path:
    """A model's folder with a tokenizer, and without a prompt format."""
    made = tmp_path / "model"
    made.mkdir()
    for name in ("tokenizer.json", "config.json"):
        shutil.copyfile(nano.folder / name, made / name)
    return made
