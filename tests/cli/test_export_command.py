"""`storm export` and `storm families --out`: training files, and a report of included and excluded rows."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.run_curation import curate
from storm_calm.env import read_problems, write_problems
from storm_calm.env.problems.families import generate
from storm_calm.serving.review.review_sample import sampled
from storm_calm.serving.review.reviewer import reviewing
from support.fake_reasoner import FakeReasoner, direct, mixed, workshop

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Curate twelve problems, all golden. Tokens are characters."""
    folder = tmp_path_factory.mktemp("runs")
    write_problems(folder / "problems.jsonl", [workshop(hours) for hours in range(8, 20)])
    config = CurateConfig(problems=str(folder / "problems.jsonl"), minimum_isolation="limits")
    assert curate(config, folder / "first", reasoner=FakeReasoner(direct)).golden == 12
    return folder / "first"


@pytest.fixture(scope="module")
def with_hints(tmp_path_factory):
    """Curate eight problems. Four of the trajectories have a hint."""
    folder = tmp_path_factory.mktemp("runs")
    write_problems(folder / "problems.jsonl", [workshop(hours) for hours in range(8, 16)])
    config = CurateConfig(problems=str(folder / "problems.jsonl"), minimum_isolation="limits")
    assert curate(config, folder / "hinted", reasoner=FakeReasoner(mixed)).interventions == 4
    return folder / "hinted"


@pytest.fixture
def hinted(with_hints, tmp_path):
    """Return a copy of that curation, which may be reviewed."""
    return Path(shutil.copytree(with_hints, tmp_path / "hinted"))


def test_the_report_counts_included_and_excluded_rows(storm, run, tmp_path):
    lines = [{"question": workshop(hours).question} for hours in (11, 13)]
    (tmp_path / "eval.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = storm("export", run, "--format", "verl-sft", "--against", "eval.jsonl", "--out", "sft.parquet")
    assert (result.exit_code, result.stderr) == (0, "")
    assert max(map(len, result.stdout.splitlines())) <= 60
    shown = " ".join(result.stdout.split())
    table = parquet.read_table(tmp_path / "sft.parquet").to_pylist()
    tokens, learned = (sum(len(row["input_ids"]) for row in table), sum(sum(row["loss_mask"]) for row in table))
    assert f"rows 10 tokens {tokens:,} learned {learned:,} ({learned / tokens:.0%})" in shown
    assert "contaminated 2 left out; compared with 2 questions" in shown
    assert "workshop-11: same text (100%): eval.jsonl:1" in shown
    assert result.stdout.endswith("sft.parquet: written\n")


def test_json_output_is_a_single_object(storm, run, tmp_path):
    lengths = [len(row["input_ids"]) for row in export_rows(storm, run, tmp_path)]
    arguments = ("--format", "trl", "--max-tokens", max(lengths) - 1, "--out", "trl.jsonl", "--json")
    result = storm("export", run, *arguments)
    facts = json.loads(result.stdout)
    assert (result.exit_code, result.stderr) == (0, "")
    assert facts["rows"] == len((tmp_path / "trl.jsonl").read_text().splitlines()) == 12 - len(facts["too_long"])
    assert set(facts["too_long"].values()) == {max(lengths)}
    assert facts["file"] == "trl.jsonl"


def export_rows(storm, run, tmp_path):
    assert storm("export", run, "--format", "verl-sft", "--out", "all.parquet").exit_code == 0
    return parquet.read_table(tmp_path / "all.parquet").to_pylist()


def test_a_long_list_of_excluded_rows_is_truncated_only_on_screen(storm, run, tmp_path):
    longest = max(len(row["input_ids"]) for row in export_rows(storm, run, tmp_path))
    write_problems(tmp_path / "eval.jsonl", [workshop(hours) for hours in range(8, 19)])
    arguments = ("--format", "verl-sft", "--against", "eval.jsonl", "--max-tokens", longest)
    assert "and 1 more; --json lists them all" in storm("export", run, *arguments, "--out", "a.parquet").stdout
    facts = json.loads(storm("export", run, *arguments, "--out", "b.parquet", "--json").stdout)
    assert len(facts["contaminated"]) == 11
    assert facts["contaminated"]["workshop-10"] == {"place": "eval.jsonl:3", "how": "same text", "share": 1.0}


def test_messages_export_warns_that_the_format_has_no_masks(storm, run, tmp_path):
    result = storm("export", run, "--format", "messages", "--out", "chat.jsonl")
    assert "This format has no masks" in result.stdout
    assert "learned" not in result.stdout.partition("This format")[0]
    assert len((tmp_path / "chat.jsonl").read_text().splitlines()) == 12


def test_the_default_file_is_in_the_run_folder_and_never_overwritten(storm, run):
    assert storm("export", run, "--format", "trl").exit_code == 0
    before = (run / "trl.parquet").read_bytes()
    result = storm("export", run, "--format", "trl", "--no-hints")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"storm: {run}/trl.parquet: already exists; choose another --out\n"
    assert (run / "trl.parquet").read_bytes() == before


def test_export_reports_an_unfinished_curation(storm, run, tmp_path):
    half = tmp_path / "half"
    half.mkdir()
    for name in ("config.toml", "golden.jsonl"):
        (half / name).write_text((run / name).read_text())
    assert "The curation is not finished" in storm("export", half, "--format", "trl").stdout


def test_trajectories_rejected_in_review_are_dropped_on_request(storm, hinted):
    items = sampled(hinted)
    fine = {"finding": "yes", "trigger": "yes", "hint": "yes", "lightweight": "yes", "leak": "no"}
    with reviewing(hinted, "ana", items) as ana:
        ana.save(0, {"answers": {**fine, "leak": "yes"}})
        ana.save(1, {"answers": fine})
    result = storm("export", hinted, "--format", "messages", "--drop-rejected", "--out", "kept.jsonl")
    assert (result.exit_code, result.stderr) == (0, "")
    shown = " ".join(result.stdout.split())
    rejected = items[0].problem.id
    assert "rejected 1 left out; 2 of 4 interventions are reviewed" in shown
    assert f"Rejected: {rejected}: #0: 1 of 1 reviewers: leak" in shown
    plain = json.loads(storm("export", hinted, "--format", "messages", "--out", "all.jsonl", "--json").stdout)
    facts = json.loads(
        storm("export", hinted, "--format", "messages", "--drop-rejected", "--out", "again.jsonl", "--json").stdout
    )
    assert (plain["rejected"], facts["rejected"]) == ({}, {rejected: "#0: 1 of 1 reviewers: leak"})
    assert facts["rows"] == plain["rows"] - 1


def test_drop_rejected_needs_a_review_of_the_same_run(storm, hinted):
    none = storm("export", hinted, "--format", "messages", "--drop-rejected")
    assert none.stderr == f"storm: {hinted}: has no review; start one with storm review {hinted} --reviewer NAME\n"
    items = sampled(hinted)
    begun = storm("export", hinted, "--format", "messages", "--drop-rejected")
    assert "is reviewed yet" in begun.stderr
    with reviewing(hinted, "ana", items) as ana:
        ana.save(
            0, {"answers": {"finding": "yes", "trigger": "yes", "hint": "yes", "lightweight": "yes", "leak": "no"}}
        )
    for_grpo = storm("export", hinted, "--format", "verl-rl", "--drop-rejected")
    assert "verl-rl has only prompts; leave out --drop-rejected" in for_grpo.stderr
    episodes = hinted / "episodes.jsonl"
    episodes.write_text(episodes.read_text().replace("Let me work it out by hand", "Let me work it out by mind"))
    anew = storm("export", hinted, "--format", "messages", "--drop-rejected")
    assert "has changed, so the run was curated again" in anew.stderr
    assert {one.exit_code for one in (none, begun, for_grpo, anew)} == {2}
    assert not (hinted / "messages.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere", "--format", "trl"), "nowhere: no such folder"),
        (("nowhere.jsonl", "--format", "verl-rl"), "nowhere.jsonl: No such file or directory"),
        ((".", "--format", "trl", "--against", "nowhere.jsonl"), "nowhere.jsonl: No such file or directory"),
        ((".", "--format", "trl", "--eval-dir", "nowhere"), "nowhere: no such folder"),
        ((".", "--format", "trl", "--max-tokens", "0"), "max_tokens is 0"),
        ((".", "--format", "trl"), ".: not a curation"),
        ((".", "--format", "messages", "--no-hints"), "leaving out hints needs a loss mask"),
    ],
)
def test_bad_usage_is_a_one_line_error(storm, arguments, message):
    result = storm("export", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"storm: {message}")
    assert result.stderr.count("\n") == 1


def test_generated_problem_files_can_be_curated_and_exported(storm, tmp_path):
    arguments = ("diet", "knapsack", "--limit", 5, "--seed", 7, "--split", "heldout", "--out", "new/problems.jsonl")
    result = storm("families", *arguments)
    assert result.stdout == "new/problems.jsonl: 5 problems, diet 3, knapsack 2\n"
    problems = read_problems(tmp_path / "new" / "problems.jsonl")
    assert list(problems) == list(generate(["diet", "knapsack"], split="heldout", seed=7, limit=5))
    exported = storm("export", "new/problems.jsonl", "--format", "verl-rl", "--split", "heldout", "--json")
    assert json.loads(exported.stdout)["rows"] == 5


def test_families_never_overwrite_a_file(storm, tmp_path):
    (tmp_path / "mine.jsonl").write_text("mine")
    for arguments, message in [
        (("--out", "mine.jsonl"), "mine.jsonl: already exists; choose another --out"),
        (("sudoku", "--out", "new.jsonl"), 'unknown family "sudoku"'),
        (("--out", "new.jsonl", "--limit", "0"), "--limit: 0 is not a whole number of at least 1"),
        (("--out", "new.jsonl", "--show", "diet"), "--show prints one question, --out writes many"),
        (("diet",), "family names and --limit need --out FILE"),
    ]:
        result = storm("families", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"storm: {message}")
    assert (tmp_path / "mine.jsonl").read_text() == "mine"
    assert not (tmp_path / "new.jsonl").exists()
    facts = json.loads(storm("families", "--out", "all.jsonl", "--limit", 12, "--json").stdout)
    assert (facts["problems"], len(facts["by_family"])) == (12, 12)


def test_harbor_tasks_are_written_to_a_new_folder(storm, run, tmp_path):
    result = storm("export", run, "--format", "harbor", "--out", "tasks")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "rows 12" in " ".join(result.stdout.split())
    assert result.stdout.endswith("tasks: written\n")
    assert {task.name for task in (tmp_path / "tasks").iterdir()} == {f"workshop-{hours}" for hours in range(8, 20)}
    again = storm("export", run, "--format", "harbor", "--out", "tasks")
    assert (again.exit_code, again.stderr) == (2, "storm: tasks: already exists; choose another --out\n")
