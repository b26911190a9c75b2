"""Merged shards are the run folder that one process writes, record by record, apart from measured values."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.run_curation import curate
from storm_calm.agents.evaluation.compare_runs import compare
from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.results import results_to_json
from storm_calm.agents.evaluation.run_evaluation import evaluate
from storm_calm.agents.merge.merge_shards import merge_shards
from storm_calm.env.serialize import to_json
from support.measurements import curation_results, without_measurements

pytestmark = pytest.mark.slow

COUNT = 3
ALL = {"families": ("all",), "limit": 12, "seed": 7, "minimum_isolation": "limits"}


def in_shards(work, config, folder):
    """Run each shard in a folder of its own, in another order than that of their numbers."""
    for number in range(COUNT, 0, -1):
        work(replace(config, shard=f"{number}/{COUNT}"), folder / f"part-{number}")


def evaluation_results(out):
    """Return the files of a finished evaluation without measured values."""
    lines = [without_measurements(json.loads(line)) for line in (out / "samples.jsonl").read_text().splitlines()]
    results = without_measurements(json.loads((out / "results.json").read_text()))
    return lines, results


def names(folder):
    return {path.name for path in folder.iterdir()} - {".lock"}


@pytest.fixture(scope="module")
def curated(tmp_path_factory):
    """Return a folder with a curation as one run, its shards, and the merged run."""
    folder, config = tmp_path_factory.mktemp("curated"), CurateConfig(**ALL)
    curate(config, folder / "single")
    in_shards(curate, config, folder / "shards")
    summary = merge_shards([folder / "shards"], folder / "merged")
    return folder, config, summary


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Return the same of an evaluation with several samples and seeds."""
    folder = tmp_path_factory.mktemp("evaluated")
    config = EvalConfig(**ALL, reasoner="nano", samples=2, seeds=2, rule=("paper", "orlm"))
    evaluate(config, folder / "single")
    in_shards(evaluate, config, folder / "shards")
    results = merge_shards([folder / "shards"], folder / "merged")
    return folder, config, results


def test_a_merged_curation_equals_one_run(curated):
    folder, _, summary = curated
    assert curation_results(folder / "merged") == curation_results(folder / "single")
    assert json.loads((folder / "merged" / "summary.json").read_text()) == to_json(summary)
    assert names(folder / "merged") == names(folder / "single")
    for name in ("config.toml", "prompt_format.json"):
        assert (folder / "merged" / name).read_bytes() == (folder / "single" / name).read_bytes()


def test_a_merged_evaluation_equals_one_run(evaluated):
    folder, _, results = evaluated
    assert evaluation_results(folder / "merged") == evaluation_results(folder / "single")
    assert json.loads((folder / "merged" / "results.json").read_text()) == results_to_json(results)
    assert names(folder / "merged") == names(folder / "single")
    for name in ("config.toml", "prompt_format.json"):
        assert (folder / "merged" / name).read_bytes() == (folder / "single" / name).read_bytes()


def test_a_shard_has_its_part_of_the_problems_and_the_digest_of_all(curated):
    folder, _, _ = curated
    parts = sorted((folder / "shards").iterdir())
    ids = [json.loads(line)["id"] for part in parts for line in (part / "episodes.jsonl").read_text().splitlines()]
    single = [json.loads(line)["id"] for line in (folder / "single" / "episodes.jsonl").read_text().splitlines()]
    assert sorted(ids) == sorted(single)
    settings = [tomllib.loads((part / "config.toml").read_text()) for part in parts]
    assert [one["shard"] for one in settings] == ["1/3", "2/3", "3/3"]
    whole = tomllib.loads((folder / "single" / "config.toml").read_text())
    assert {one["problems_digest"] for one in settings} == {whole["problems_digest"]}


def test_a_merged_run_can_be_resumed_and_compared_like_any_run(curated, evaluated):
    folder, config, summary = curated
    before = (folder / "merged" / "episodes.jsonl").read_bytes()
    assert curate(config, folder / "merged", resume=True) == summary
    assert (folder / "merged" / "episodes.jsonl").read_bytes() == before
    folder, config, _ = evaluated
    more = evaluate(replace(config, rule=("mamo",)), folder / "merged", resume=True)
    assert (list(more.rules), more.scored) == (["mamo"], 12 * 4)
    evaluate(config, folder / "merged", resume=True)
    assert compare([folder / "single", folder / "merged"]).differences[0].problems == 12


def test_files_of_generated_problems_move_with_the_merged_run(tmp_path):
    config = EvalConfig(
        families=("knapsack",), size=30, limit=4, seed=3, max_executions=1, max_tokens=900, minimum_isolation="limits"
    )
    evaluate(config, tmp_path / "single")
    in_shards(evaluate, config, tmp_path / "shards")
    (tmp_path / "shards").rename(tmp_path / "moved")
    merge_shards([tmp_path / "moved"], tmp_path / "merged")
    lines, results = evaluation_results(tmp_path / "merged")
    for line in lines:
        problem = line["episode"]["problem"]
        folder = Path(problem["folder"])
        assert folder.parent == tmp_path / "merged" / "workspaces"
        assert all((folder / file["path"]).exists() for file in problem["files"])
        problem["folder"] = problem["folder"].replace("merged", "single")
    assert (lines, results) == evaluation_results(tmp_path / "single")
    assert names(tmp_path / "merged" / "workspaces") == names(tmp_path / "single" / "workspaces")
    assert evaluate(config, tmp_path / "merged", resume=True).problems == 4
