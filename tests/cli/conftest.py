"""The command line in an empty folder, and fake reasoners behind a real endpoint."""

import pytest
from typer.testing import CliRunner

from storm_calm.cli.main import app
from storm_calm.env import write_problems
from support.fake_completions_server import FakeCompletionsServer
from support.fake_reasoner import mixed, workshop
from support.shared_sandbox import shared_sandbox

__all__ = ["shared_sandbox"]


@pytest.fixture
def storm(monkeypatch, tmp_path):
    """Return a function that runs `storm` with these arguments, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "60")

    def storm(*arguments, stdin=None):
        result = CliRunner().invoke(app, list(map(str, arguments)), input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return storm


@pytest.fixture(scope="session")
def endpoint():
    """Yield a server that solves some problems directly and others after a hint."""
    with FakeCompletionsServer(mixed) as opened:
        yield opened


@pytest.fixture
def problems(tmp_path):
    """Write a file of eight problems."""
    path = tmp_path / "problems.jsonl"
    write_problems(path, [workshop(10 + number, family=("chairs", "stools")[number % 2]) for number in range(8)])
    return path
