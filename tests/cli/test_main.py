"""The command itself: fast, helpful, and with working examples."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from storm_calm.env.problems.families import FAMILIES

HOUSE = Path(__file__).resolve().parents[2]


def examples(shown):
    """Return the example lines of a help text, unwrapped."""
    text = shown.partition("Examples:")[2]
    return [" ".join(part.split()) for part in text.split("\n \n") if part.strip()]


COMMANDS = [
    *("solve", "serve", "mcp", "key", "curate", "view", "review", "export", "families", "detectors", "eval", "compare"),
    *("judge", "doctor", "reproduce", "train", "sandbox"),
]


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_every_help_text_starts_with_the_purpose_and_ends_with_examples(storm, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "200")
    result = storm(*command, "--help")
    assert result.exit_code == 0
    lines = [line.strip() for line in result.stdout.splitlines() if line.strip()]
    assert lines[0].startswith("Usage:")
    assert lines[1].endswith(".")
    examples = lines[lines.index("Examples:") + 1 :]
    assert len(examples) >= 2
    assert all(line.startswith("storm ") for line in examples)


@pytest.mark.parametrize("command", [[name] for name in COMMANDS if name not in ("solve", "key", "train", "sandbox")])
def test_options_in_examples_exist(storm, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "200")
    shown = storm(*command, "--help").stdout
    for line in shown.splitlines()[-4:]:
        for word in shlex.split(line):
            if word.startswith("--"):
                assert word in shown.partition("Examples:")[0]


def test_storm_without_arguments_shows_first_steps_and_grouped_commands(storm, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = storm().output
    order = [
        "Three things to do first:",
        "storm solve '4 files",
        "\n storm serve",
        "\n storm doctor",
        "─ Solve and serve ─",
    ]
    order += [f"─ {heading} ─" for heading in ("Curate", "Evaluate", "Train", "Sandbox")]
    places = [shown.index(words) for words in order]
    assert places == sorted(places)
    listed = {line.split()[1] for line in shown.splitlines() if line.startswith("│ ")}
    assert set(COMMANDS) <= listed


def test_help_loads_no_heavy_libraries():
    code = (
        "import sys, contextlib\nfrom storm_calm.cli.main import app\n"
        "with contextlib.suppress(SystemExit): app(['--help'])\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True, check=True)
    heavy = {"langgraph", "langchain_core", "openai", "ortools", "numpy", "onnxruntime", "tokenizers", "jinja2"}
    assert heavy & set(run.stderr.split()) == set()


def test_the_version_is_printed(storm):
    result = storm("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("storm ")


def test_family_names_may_have_commas_or_spaces(storm, tmp_path):
    for names in (["knapsack,diet"], ["knapsack", "diet"]):
        out = tmp_path / f"{len(names)}.jsonl"
        assert "knapsack 2, diet 2" in storm("families", *names, "--limit", "4", "--out", str(out)).stdout


def test_families_are_listed_with_their_difficulty(storm):
    shown = [line.split() for line in storm("families").stdout.splitlines()]
    assert shown == [[family.name, family.difficulty] for family in FAMILIES.values()]
    assert json.loads(storm("families", "--json").stdout)["diet"] == {"difficulty": "easy"}


def test_an_example_question_of_a_family_is_shown(storm):
    question = storm("families", "--show", "knapsack").stdout
    problem = json.loads(storm("families", "--show", "knapsack", "--json").stdout)
    assert problem["question"] == question.rstrip("\n")
    assert problem["family"] == "knapsack"


def test_an_example_question_of_a_stress_kind_is_shown(storm):
    problem = json.loads(storm("families", "--show", "queueing", "--seed", "4", "--json").stdout)
    assert (problem["family"], problem["source"]) == ("queueing", "stress: outside")
    assert storm("families", "--show", "queueing", "--seed", "4").stdout.rstrip("\n") == problem["question"]


def test_error_for_an_unknown_family_lists_the_known_ones(storm):
    result = storm("families", "--show", "sudoku")
    assert result.exit_code == 2
    assert result.stderr.startswith('storm: unknown family "sudoku"; known: all,')


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("curate", "--familie", "x"), ("--familie", "Did you mean --families?", "'storm curate --help'")),
        (("curat",), ("'curat'", "Did you mean 'curate'?", "'storm --help'")),
        (("curate", "--limit", "x"), ("--limit", "integer", "'storm curate --help'")),
        (("curate", "--out"), ("--out", "argument", "'storm curate --help'")),
        (("view",), ("RUN", "'storm view --help'")),
        (("export", "run", "--format", "verl-stf"), ("--format", "Did you mean verl-sft", "'storm export --help'")),
        (("sandbox", "run", "-", "--sandbx", "x"), ("Did you mean --sandbox?", "'storm sandbox run --help'")),
    ],
)
def test_error_for_wrong_usage_names_the_option_and_the_help_command(storm, arguments, parts):
    result = storm(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("storm: ")
    assert result.stderr.count("\n") == 1
    for part in parts:
        assert part in result.stderr
