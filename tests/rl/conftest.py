"""The nano model's parts, a sandbox and a problem for the training tests."""

from pathlib import Path

import pytest

from storm_calm.agents.reasoners import built_in
from storm_calm.env import Problem
from storm_calm.rl.prompt_renderer import CheckpointRenderer
from storm_calm.sandbox import open_sandbox


@pytest.fixture(scope="session")
def nano():
    """The base model's folder: a checkpoint and its export for the nano reasoner."""
    return Path(built_in("nano-base"))


@pytest.fixture(scope="session")
def renderer(nano):
    return CheckpointRenderer(nano, context=1536)


@pytest.fixture(scope="session")
def sandbox():
    with open_sandbox(minimum_isolation="limits") as opened:
        yield opened


@pytest.fixture(scope="session")
def workshop():
    question = "A workshop has 7 hours. Each chair takes one hour and earns 3. What is the largest profit?"
    return Problem(id="workshop", question=question, answers=(21.0,))
