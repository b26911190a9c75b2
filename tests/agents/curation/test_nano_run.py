"""A curation with real components: the built-in model, the sandbox and the graph."""

import json
from dataclasses import replace

import pytest

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.run_curation import curate
from storm_calm.env.loss_mask import loss_mask
from storm_calm.env.records import episode_from_json

pytestmark = pytest.mark.slow

COUNT = 24


def lines(folder, name):
    """Return a run's records without times and other values that vary."""
    records = [json.loads(line) for line in (folder / name).read_text().splitlines()]
    for record in records:
        forget(record, {"at_seconds", "generation_seconds", "execution_seconds", "wall_seconds", "cpu_seconds",
                        "peak_memory_mb", "seconds", "reasoner_usage"})  # fmt: skip
    return records


def forget(data, keys):
    if isinstance(data, dict):
        for key in keys & data.keys():
            del data[key]
    for value in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        forget(value, keys)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "first"
    config = CurateConfig(families=("all",), split="heldout", limit=COUNT, seed=7)
    return config, folder, curate(config, folder)


def test_hints_improve_the_nano_model_and_give_golden_trajectories(run):
    _, _, summary = run
    assert summary.problems == COUNT
    assert summary.errors == 0
    assert 0.2 * COUNT < summary.native_correct < 0.75 * COUNT
    assert summary.final_correct >= summary.native_correct + 0.15 * COUNT
    assert summary.golden >= COUNT / 3
    assert 0 < summary.hint_token_share_mean < 0.10
    assert summary.interventions == sum(summary.by_trigger.values())


def test_a_seed_gives_the_same_records_with_any_number_of_workers(run, tmp_path):
    config, folder, _ = run
    small = replace(config, limit=8, workers=1)
    curate(small, tmp_path / "alone")
    assert lines(tmp_path / "alone", "episodes.jsonl") == lines(folder, "episodes.jsonl")[:8]


def test_golden_trajectories_are_correct_flawless_and_have_ids_and_masks(run):
    from storm_calm.agents.triggers import findings
    from storm_calm.env import score

    _, folder, summary = run
    golden = [json.loads(line) for line in (folder / "golden.jsonl").read_text().splitlines()]
    assert len(golden) == summary.golden
    for record in golden:
        episode = episode_from_json(record)
        assert score(episode).reward == 1.0
        assert findings(episode) == []
        mask = loss_mask(episode.transcript, "sft")
        assert len(mask) == len(episode.transcript.ids)
        assert 0 < sum(mask) < len(mask)
