"""Runs of many problems have their records in compressed parts, and otherwise equal small runs, record by record."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.records import CURATION_RECORDS, GOLDEN_EPISODES, run_records
from storm_calm.agents.curation.run_curation import curate
from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.run_evaluation import evaluate
from storm_calm.agents.evaluation.samples import EVALUATION_SAMPLES, run_samples
from storm_calm.agents.merge.merge_shards import merge_shards
from storm_calm.agents.runs import record_files, record_store, stored_problems
from storm_calm.agents.runs.record_store import RecordStore
from storm_calm.env import read_episodes
from support.measurements import without_measurements

pytestmark = pytest.mark.slow

ALL = {"families": ("all",), "limit": 12, "seed": 7, "minimum_isolation": "limits"}
CURATION = CurateConfig(**ALL)
EVALUATION = EvalConfig(**ALL, reasoner="nano", samples=2, rule=("paper", "orlm"))


def in_parts(patch):
    patch.setattr(record_store, "PARTS_FROM", 2)
    patch.setattr(record_files, "PART_RECORDS", 5)
    patch.setattr(stored_problems, "IN_MEMORY", 2)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    in_parts(monkeypatch)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return a folder with a curation and an evaluation in both forms, and shards of them in parts."""
    folder = tmp_path_factory.mktemp("runs")
    curate(CURATION, folder / "plain/c")
    evaluate(EVALUATION, folder / "plain/e")
    with pytest.MonkeyPatch.context() as patch:
        in_parts(patch)
        curate(CURATION, folder / "parts/c")
        evaluate(EVALUATION, folder / "parts/e")
        for number in (2, 1):
            curate(replace(CURATION, shard=f"{number}/2"), folder / f"shards/c/{number}")
            evaluate(replace(EVALUATION, shard=f"{number}/2"), folder / f"shards/e/{number}")
    return folder


def content(run):
    """Return all records and the figures of a run, without measured values."""
    lines = {}
    for kind in (CURATION_RECORDS, GOLDEN_EPISODES, EVALUATION_SAMPLES):
        with RecordStore.open(run, kind) as store:
            lines[kind.name] = [without_measurements(data) for data in store.records()]
    [file] = [run / name for name in ("summary.json", "results.json") if (run / name).exists()]
    return lines, without_measurements(json.loads(file.read_text()))


@pytest.mark.parametrize("kind", ["c", "e"])
def test_a_run_in_parts_equals_a_plain_one(runs, kind):
    assert content(runs / "parts" / kind) == content(runs / "plain" / kind)
    name = {"c": "episodes", "e": "samples"}[kind]
    files = [file.name for file in (runs / "parts" / kind / name).iterdir()]
    assert "index.sqlite" in files
    assert len(files) == 1 + {"c": 3, "e": 5}[kind]
    assert not (runs / "parts" / kind / f"{name}.jsonl").exists()


def test_golden_trajectories_are_those_of_the_plain_run(runs):
    golden = [record.episode for record in run_records(runs / "parts/c") if record.outcome == "golden"]
    with RecordStore.open(runs / "parts/c", GOLDEN_EPISODES) as store:
        assert list(store.keys()) == [episode.problem.id for episode in golden]
    ids = [episode.problem.id for episode in read_episodes(runs / "plain/c/golden.jsonl")]
    assert [episode.problem.id for episode in golden] == ids != []


@pytest.mark.parametrize("kind", ["c", "e"])
def test_shards_in_parts_are_merged_into_parts(runs, kind, tmp_path):
    merge_shards([runs / "shards" / kind], tmp_path / "merged")
    assert content(tmp_path / "merged") == content(runs / "plain" / kind)
    assert {"c": CURATION_RECORDS, "e": EVALUATION_SAMPLES}[kind].parts_folder(tmp_path / "merged").is_dir()


def test_a_run_in_parts_resumes_what_is_missing(runs, tmp_path):
    out = tmp_path / "c"
    config = replace(CURATION, workers=1)

    class Stopped(Exception):
        pass

    def stop_after(progress):
        if progress.done >= 4:
            raise Stopped

    with pytest.raises(Stopped):
        curate(config, out, on_progress=stop_after)
    done = len(list(run_records(out)))
    assert 4 <= done < 12
    last = CURATION_RECORDS.files(out)[-1]
    last.write_bytes(last.read_bytes()[:-10])  # A crash tore the last record.
    assert len(list(run_records(out))) == done - 1
    curate(config, out, resume=True)
    assert content(out) == content(runs / "plain/c")
    before = snapshot(out)
    curate(config, out, resume=True)
    assert snapshot(out) == before, "a finished run is not written again"


def snapshot(run: Path):
    files = [*CURATION_RECORDS.files(run), *GOLDEN_EPISODES.files(run)]
    return {file: (file.stat().st_ino, file.stat().st_mtime_ns) for file in files}


def test_an_evaluation_in_parts_takes_more_samples(runs, tmp_path):
    out = tmp_path / "e"
    evaluate(replace(EVALUATION, samples=1), out)
    evaluate(EVALUATION, out, resume=True)
    assert content(out) == content(runs / "plain/e")
    assert len(list(run_samples(out))) == 24
