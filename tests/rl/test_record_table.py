"""`storm export --format parquet`: a flat row for each record, of runs of any size, in row groups of bounded size."""

import json
from pathlib import Path

import pandas
import pyarrow.parquet as parquet
import pytest

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.records import CURATION_RECORDS, GOLDEN_EPISODES
from storm_calm.agents.curation.run_curation import curate
from storm_calm.agents.evaluation.compare_runs import compare
from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.run_evaluation import evaluate
from storm_calm.agents.evaluation.samples import EVALUATION_SAMPLES
from storm_calm.agents.runs import record_files, record_store
from storm_calm.agents.runs.record_store import RecordStore
from storm_calm.rl.datasets import ExportConfig, dataset_files, export, export_report
from storm_calm.rl.datasets.record_table import RecordRow
from storm_calm.rl.doctor import examine

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A curation and two evaluations on the same problems."""
    folder = tmp_path_factory.mktemp("runs")
    curate(CurateConfig(families=("all",), limit=24, seed=3), folder / "curated")
    for name, reasoner in (("base", "nano-base"), ("tuned", "nano")):
        evaluate(EvalConfig(families=("easy",), limit=12, seed=7, reasoner=reasoner), folder / name)
    return folder


@pytest.fixture
def in_parts(tmp_path, monkeypatch):
    """Return a function that copies a run into a folder with its records in parts of 5."""

    def in_parts(run):
        folder = tmp_path / "parts" / run.name
        folder.mkdir(parents=True)
        monkeypatch.setattr(record_store, "PARTS_FROM", 0)
        monkeypatch.setattr(record_files, "PART_RECORDS", 5)
        for file in run.iterdir():
            if file.suffix in (".toml", ".json"):
                (folder / file.name).write_bytes(file.read_bytes())
        for kind in (CURATION_RECORDS, GOLDEN_EPISODES, EVALUATION_SAMPLES):
            if kind.plain_file(run).exists():
                with RecordStore.open(folder, kind, write=True, expected=1) as store:
                    for line in kind.plain_file(run).read_text().splitlines():
                        store.append(json.loads(line))
                assert not kind.plain_file(folder).exists()
        return folder

    return in_parts


def test_a_curation_has_a_row_for_each_problem(runs, tmp_path):
    report = export(ExportConfig(source=runs / "curated", format="parquet", out=tmp_path / "new" / "x.parquet"))
    table = pandas.read_parquet(report.file)
    summary = json.loads((runs / "curated" / "summary.json").read_text())
    assert list(table.columns) == list(RecordRow.__annotations__)
    assert (report.rows, len(table), report.unfinished) == (24, 24, False)
    assert table.right.sum() == summary["final_correct"]
    assert table.native_right.sum() == summary["native_correct"]
    assert (table.outcome == "golden").sum() == summary["golden"]
    assert table.triggers.map(len).sum() == summary["interventions"]
    assert table.model_tokens.sum() + table.native_tokens.sum() == summary["tokens"]
    right = table[table.right & (table.rule == "sirl") & table.answer_value.notna()]
    accepted = right.accepted.map(lambda text: json.loads(text)[0])
    assert (right.answer_value - accepted).abs().max() < 1
    assert set(table.backing) <= {"backed", "contradicted", "unbacked", "no_answer"}
    assert table.question.str.len().min() > 50


def test_an_evaluation_has_a_row_for_each_sample_under_its_first_rule(runs):
    config = ExportConfig(source=runs / "base", format="parquet")
    table = pandas.read_parquet(export(config).file)
    results = json.loads((runs / "base" / "results.json").read_text())
    assert config.file == runs / "base" / "records.parquet"
    assert set(table.rule) == {"paper"}
    assert table.right.mean() == pytest.approx(results["rules"]["paper"]["pass@1"]["mean"], abs=1e-6)
    assert table.groupby("family").right.mean().to_dict() == pytest.approx(
        {name: found["paper"]["mean"] for name, found in results["by_family"].items()}, abs=1e-6
    )
    assert set(table.triggers.map(len)) == {0}
    config.file.unlink()


@pytest.mark.parametrize("format", ["verl-sft", "trl", "messages", "verl-rl", "parquet"])
def test_a_run_in_parts_gives_the_same_rows(runs, in_parts, tmp_path, monkeypatch, format):
    monkeypatch.setattr(dataset_files, "GROUP_SIZE", 3000)
    files = []
    for name, run in (("small", runs / "curated"), ("large", in_parts(runs / "curated"))):
        suffix = dataset_files.SUFFIXES[format][0]
        report = export(ExportConfig(source=run, format=format, out=tmp_path / f"{name}{suffix}"))
        files.append(Path(report.file))
    if format == "messages":
        assert files[0].read_bytes() == files[1].read_bytes()
        return
    small, large = map(parquet.ParquetFile, files)
    assert small.read().to_pylist() == large.read().to_pylist()
    assert large.num_row_groups > 1
    assert small.schema_arrow.metadata == large.schema_arrow.metadata


def test_doctor_and_compare_read_parts_as_a_small_run(runs, in_parts):
    small, large = runs / "curated", in_parts(runs / "curated")
    assert [one.figure for one in examine(small)] == [one.figure for one in examine(large)]
    found = compare([runs / "base", runs / "tuned"])
    parts = compare([in_parts(runs / "base"), in_parts(runs / "tuned")])
    assert found.differences == parts.differences
    assert found.differences[0].problems == 12


def test_a_report_lists_some_rows_and_counts_all(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(export_report, "MAX_LISTED", 3)
    lengths = pandas.read_parquet(
        export(ExportConfig(source=runs / "curated", format="verl-sft", out=tmp_path / "all.parquet")).file
    ).input_ids.map(len)
    most = int(lengths.median())
    report = export(
        ExportConfig(source=runs / "curated", format="verl-sft", max_tokens=most, out=tmp_path / "short.parquet")
    )
    assert len(report.too_long) == 3
    assert report.left_out == {"too_long": int((lengths > most).sum()), "contaminated": 0, "rejected": 0}


def test_a_table_needs_records_and_takes_no_options_of_training_data(tmp_path):
    with pytest.raises(ValueError, match="for analysis, not for training; leave out --max-tokens"):
        ExportConfig(source=tmp_path, format="parquet", max_tokens=100)
    with pytest.raises(ValueError, match="not a run folder; give the --out of storm curate or storm eval"):
        export(ExportConfig(source=tmp_path, format="parquet"))
    (tmp_path / "config.toml").write_text('format_version = 1\nreasoner = "nano"\n')
    (tmp_path / "episodes.jsonl").write_text("")
    with pytest.raises(ValueError, match="has no records yet"):
        export(ExportConfig(source=tmp_path, format="parquet"))
    assert not (tmp_path / "records.parquet").exists()


def test_the_columns_are_documented():
    page = (Path(__file__).parents[2] / "docs" / "file_formats.md").read_text()
    for name in RecordRow.__annotations__:
        assert f"| `{name}` |" in page
