"""A real curation to review, copies of it, and synthetic curations for cases that our runs do not produce."""

import shutil
from pathlib import Path

import pytest

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.records import Record, record_to_json
from storm_calm.agents.curation.run_curation import curate
from storm_calm.env import Episode, Finding, Intervention, Span, Transcript, write_problems
from storm_calm.env.jsonl import write_lines
from storm_calm.env.records import episode_to_json
from support.browser_pages import browser, page
from support.fake_reasoner import FakeReasoner, mixed, workshop

__all__ = ["browser", "page"]


@pytest.fixture(scope="session")
def curated(tmp_path_factory):
    """Curate twelve problems: three trajectories work by hand at first, three doubt the solver."""
    folder = tmp_path_factory.mktemp("runs")
    write_problems(folder / "problems.jsonl", [workshop(hours) for hours in range(8, 20)])
    config = CurateConfig(problems=str(folder / "problems.jsonl"), minimum_isolation="limits", workers=1)
    assert curate(config, folder / "first", reasoner=FakeReasoner(mixed)).interventions == 6
    return folder / "first"


@pytest.fixture
def run(curated, tmp_path):
    """Return a copy of that curation, without a review."""
    return Path(shutil.copytree(curated, tmp_path / "first"))


@pytest.fixture
def made(tmp_path):
    """Return a function that writes a finished curation of these episodes."""

    def made(*episodes):
        folder = tmp_path / "made"
        folder.mkdir()
        (folder / "config.toml").write_text('format_version = 1\nreasoner = "nano"\n')
        records = [
            Record(
                seed=0,
                outcome="golden",
                finding=None,
                episode=one,
                native=Episode(problem=one.problem, stop="malformed"),
            )
            for one in episodes
        ]
        write_lines(folder / "episodes.jsonl", map(record_to_json, records))
        write_lines(folder / "golden.jsonl", map(episode_to_json, episodes))
        (folder / "summary.json").write_text("{}\n")
        return folder

    return made


@pytest.fixture
def intervened():
    """Return a function that makes an episode with one intervention, whose details can be set."""

    def intervened(problem, *, before="I think. ", removed="By hand: 7.", hint="Wait, use code.", **finding):
        finding = {"trigger": "manual_computation", "evidence": "By hand", **finding}
        spans = [Span(source="prompt", text="Q"), Span(source="model", text=before), Span(source="hint", text=hint)]
        cut = 1 + len(before)
        one = Intervention(finding=Finding(offset=cut, **finding), hint=hint, cut=cut, removed=removed)
        return Episode(problem=problem, transcript=Transcript(spans=tuple(spans)), interventions=(one,), stop="answer")

    return intervened
