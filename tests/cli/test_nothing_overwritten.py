"""No command writes over what is there: it names the file, says what to do, and leaves the file as it is."""

import shutil

import pytest
import typer

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.run_curation import curate
from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.run_evaluation import evaluate
from storm_calm.cli.main import app
from storm_calm.env import write_problems
from support.fake_reasoner import FakeReasoner, direct, workshop

FOLDER, FILE = "there", "there/kept.jsonl"
PROBLEMS = ("--problems", "problems.jsonl")
WRITERS = {
    ("solve", "--save"): ("solve", "2 + 2?", "--save", FOLDER),
    ("curate", "--out"): ("curate", *PROBLEMS, "--out", FOLDER),
    ("eval", "--out"): ("eval", *PROBLEMS, "--out", FOLDER),
    ("view", "--out"): ("view", "curated", "--out", FILE),
    ("review", "--export"): ("review", "curated", "--export", FILE),
    ("export", "--out"): ("export", "curated", "--format", "messages", "--out", FILE),
    ("families", "--out"): ("families", "knapsack", "--out", FILE),
    ("families", "--write"): (
        "families",
        "transportation,production",
        "--size",
        "30",
        "--limit",
        "2",
        "--seed",
        "3",
        "--write",
        FOLDER,
    ),
    ("merge", "--out"): ("merge", "curated", "--out", FOLDER),
    ("compare", "--out"): ("compare", "base", "tuned", "--out", FOLDER),
    ("reproduce", "--out"): ("reproduce", "--quick", "--out", FOLDER),
    ("sweep", "--out"): ("sweep", "--quick", "--out", FOLDER),
    ("sandbox run", "--out"): ("sandbox", "run", "-", "--result", "kept.jsonl", "--out", FOLDER),
}
"""A call for each option that names what to write."""
READERS = {
    "--config",
    "--data-dir",
    "--problem",
    "--problems",
    "--data",
    "--keys",
    "--against",
    "--eval-dir",
    "--rubric",
}
APPENDED = {"--reply-cache"}
"""A cache, which keeps its earlier content."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return a folder with problems, a curation and two evaluations."""
    folder = tmp_path_factory.mktemp("runs")
    file = folder / "problems.jsonl"
    write_problems(file, [workshop(hours) for hours in (8, 9)])
    settings = {"problems": str(file), "minimum_isolation": "limits"}
    curate(CurateConfig(**settings), folder / "curated", reasoner=FakeReasoner(direct))
    for name in ("base", "tuned"):
        evaluate(EvalConfig(**settings), folder / name, reasoner=FakeReasoner(direct))
    return folder


@pytest.mark.parametrize("writer", WRITERS, ids=" ".join)
def test_existing_files_are_refused_and_kept(storm, runs, tmp_path, writer):
    shutil.copytree(runs, tmp_path, dirs_exist_ok=True)
    kept = {name: tmp_path / FOLDER / name for name in ("kept.jsonl", "problems.jsonl")}
    (tmp_path / FOLDER).mkdir()
    for file in kept.values():
        file.write_text("mine")
    result = storm(*WRITERS[writer], stdin="open('kept.jsonl', 'w').write('theirs')")
    assert (result.exit_code, result.stdout) == (2, ""), result.stderr
    assert result.stderr.count("\n") == 1
    assert FOLDER in result.stderr
    assert any(words in result.stderr for words in ("choose another", "give a new folder")), result.stderr
    assert {name: file.read_text() for name, file in kept.items()} == dict.fromkeys(kept, "mine")
    assert sorted(path.name for path in (tmp_path / FOLDER).iterdir()) == sorted(kept)


def test_every_option_that_names_a_file_or_folder_to_write_is_tested():
    def options(command, path):
        for name, one in getattr(command, "commands", {}).items():
            yield from options(one, [*path, name])
        for parameter in command.params if not hasattr(command, "commands") else ():
            if parameter.metavar in ("DIR", "FILE") and parameter.opts[0].startswith("--"):
                yield " ".join(path), parameter.opts[0]

    found = {(name, option) for name, option in options(typer.main.get_command(app), [])}
    found = {(name, option) for name, option in found if option not in READERS | APPENDED | {"--file"}}
    assert found == set(WRITERS)
