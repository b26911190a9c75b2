"""`storm detectors`: figures of every trigger on played and on labelled traces, and what is left to another."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.fake_intervener_server import FakeIntervenerServer

pytestmark = pytest.mark.slow

LENIENT = ("--minimum-isolation", "limits", "--display", "none")

FLAWED = """---
id: {name}
trigger: {trigger}
quote: {quote}
why: What [bold]is[/bold] wrong \x1b[2J here.
answer: 12
---
# Question

A desk takes 2 hours and earns $6. Four hours are left. What is the largest profit?

# Run

{thought}

```python
from scipy.optimize import linprog
print(-linprog([-6], A_ub=[[2]], b_ub=[4]).fun)
```
```output
12.0
```

Good.
</think>

\\boxed{{{answer}}}
"""


@pytest.fixture
def traces(tmp_path):
    """Two flaws, of which a rule sees one, and a run without a flaw that looks like one."""
    folder = tmp_path / "traces"
    folder.mkdir()
    texts = {
        "seen": ("manual_computation", "by hand", "Let me work it out by hand: 12.", 12),
        "unseen": ("wrong_formulation", "earns six in all", "A desk earns six in all.", 12),
        "alarm": ("none", "", "I will do it manually.", 12),
    }
    for name, (trigger, quote, thought, answer) in texts.items():
        text = FLAWED.format(name=name, trigger=trigger, quote=quote, thought=thought, answer=answer)
        (folder / f"{name}.md").write_text(text.replace("quote: \n", ""))
    return folder


@pytest.fixture(scope="module")
def shown_on_nano():
    """What the command says without being told what to measure on, but for how many."""
    from typer.testing import CliRunner

    from storm_calm.cli.main import app

    return CliRunner().invoke(app, ["detectors", "--nano", "60", "--seed", "3", *LENIENT], env={"COLUMNS": "60"})


def test_the_rules_are_measured_on_played_traces_by_trigger(shown_on_nano):
    assert (shown_on_nano.exit_code, shown_on_nano.stderr) == (0, "")
    lines = shown_on_nano.stdout.splitlines()
    assert max(map(len, lines)) <= 60
    assert " ".join(lines[:2]).startswith("rules on 60 traces (nano, seed 3), 24 flawed, 36 clean")
    rows = [line.split() for line in lines]
    assert ["fragmented", "code", "100.0", "%", "61-100", "100.0", "%", "61-100"] in rows
    assert ["all", "23", "23", "1", "0"] in rows
    assert "false alarms on clean traces: 0 of 36" in lines


def test_the_same_seed_measures_the_same(storm, shown_on_nano):
    facts = json.loads(storm("detectors", "--nano", 60, "--seed", 3, *LENIENT, "--json").stdout)
    figures = facts["sets"]["nano, seed 3"]
    assert facts["intervener"] == "rules"
    assert (figures["traces"], figures["clean"], figures["false_alarms"]) == (60, 36, 0)
    assert (figures["all"]["found"], figures["all"]["missed"]) == (23, 1)
    (left,) = (one for one in figures["judged"] if one["verdict"] == "missed")
    assert left["id"] in shown_on_nano.stdout


def test_labelled_traces_are_measured_and_what_is_left_or_wrong_is_listed(storm, traces):
    result = storm("detectors", "--traces", traces, *LENIENT)
    assert (result.exit_code, result.stderr) == (0, "")
    assert max(map(len, result.stdout.splitlines())) <= 60
    shown = " ".join(result.stdout.split())
    assert "2 flawed, 1 clean" in shown
    assert "all 50.0 % 9-91 50.0 % 9-91" in shown
    assert "all 1 1 1 1" in shown
    left = shown.partition("missed, no finding")[2].partition("wrong,")[0]
    assert "unseen: wrong formulation" in left
    assert "seen: manual computation" not in shown
    assert "a finding in a clean trace: alarm: clean" in shown
    assert "-> manual computation (by_hand): manually" in shown


def test_what_a_file_says_is_never_markup_and_never_moves_the_cursor(storm, traces):
    shown = storm("detectors", "--traces", traces, *LENIENT).stdout
    assert "[bold]is[/bold]" in shown
    assert "\x1b" not in shown


def test_both_sets_are_measured_apart(storm, traces):
    result = storm("detectors", "--traces", traces / "seen.md", "--nano", 5, *LENIENT, "--json")
    sets = json.loads(result.stdout)["sets"]
    assert [one["traces"] for one in sets.values()] == [1, 5]
    assert list(sets) == [str(traces / "seen.md"), "nano, seed 1"]


MISREAD = """---
id: misread
trigger: wrong_formulation
quote: s.Maximize(6 * x)
why: The profit is 3 and not 6.
answer: 36
---
# Question

A workshop has 12 hours. A chair takes 1 hour and earns $3. What is the largest profit?

# Run

Let me solve it with code.
```python
from ortools.linear_solver import pywraplp
s = pywraplp.Solver.CreateSolver('GLOP')
x = s.NumVar(0, 12, '')
s.Maximize(6 * x)
s.Solve()
print(s.Objective().Value())
```
```output
72.0
```
</think>
\\boxed{72}
"""


def test_a_language_model_is_measured_as_the_rules_are_with_what_it_took(storm, tmp_path):
    (tmp_path / "misread.md").write_text(MISREAD)
    with FakeIntervenerServer() as judge:
        address = ("--intervener-url", judge.url, "--intervener-price", "1000,1000")
        given = ("detectors", "--traces", "misread.md", *address, *LENIENT)
        facts = json.loads(storm(*given, "--intervener", "llm", "--json").stdout)
        shown = " ".join(storm(*given, "--intervener", "rules+llm").stdout.split())
    figures = facts["sets"]["misread.md"]
    assert facts["intervener"] == "llm"
    assert figures["triggers"]["wrong_formulation"]["located"] == figures["all"]["found"] == 1
    assert figures["judged"][0]["finding"]["rule"] == "llm"
    tokens = judge.input_tokens + judge.output_tokens
    assert 2 * figures["cost"]["price"] == pytest.approx(tokens / 1000)
    assert "rules+llm on 1 traces" in shown
    assert f"1 requests, 0 cached, {judge.input_tokens // 2:,} tokens in" in shown


def test_what_a_language_model_said_is_kept_and_not_asked_again(storm, tmp_path):
    (tmp_path / "misread.md").write_text(MISREAD)
    with FakeIntervenerServer() as judge:
        given = ("detectors", "--traces", "misread.md", "--intervener", "llm", "--intervener-url", judge.url, *LENIENT)
        first, second = (
            json.loads(storm(*given, "--reply-cache", "said.jsonl", "--json").stdout)["sets"]["misread.md"]
            for _ in range(2)
        )
        assert judge.answered == 1
    assert (first["cost"]["calls"], second["cost"]["calls"], second["cost"]["cached"]) == (1, 0, 1)
    assert first["triggers"] == second["triggers"]


def test_an_endpoint_that_is_not_there_is_told(storm, tmp_path):
    (tmp_path / "misread.md").write_text(MISREAD)
    result = storm("detectors", "--traces", "misread.md", "--intervener", "llm", *LENIENT)
    assert (result.exit_code, result.stderr.startswith("storm: --intervener: llm needs an endpoint")) == (2, True)


def test_bad_input_is_told_in_one_line(storm, traces, tmp_path):
    (traces / "half.md").write_text("---\nid: half\n")
    for arguments, message in [
        (("--nano", 0), "--nano: 0 is not a whole number of at least 1"),
        (("--reply-cache", "said.jsonl"), "--reply-cache: needs --intervener llm or rules+llm; rules use no model"),
        (("--traces", "nowhere"), "nowhere: No such file or directory"),
        (("--traces", traces), f'{traces}/half.md:1: the lines "---" around the head are missing'),
    ]:
        result = storm("detectors", *arguments, *LENIENT)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == f"storm: {message}\n"


def test_ctrl_c_ends_with_130_and_one_line():
    arguments = ["--nano", "100000", "--minimum-isolation", "limits", "--display", "plain"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from storm_calm.cli.start import main; main()", "detectors", *arguments],
        cwd=Path(__file__).resolve().parents[2],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert "found" in process.stderr.readline()
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.endswith("storm: stopped; nothing is measured\n")
    assert "Traceback" not in errors
