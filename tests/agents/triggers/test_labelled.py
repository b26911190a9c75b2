"""Labelled traces are parsed from Markdown and executed. Errors name the file and the line."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storm_calm.agents.detectors.labelled_traces import read_traces
from storm_calm.agents.interveners import RulesIntervener
from storm_calm.env import Inline
from storm_calm.env.output_blocks import LAST_RUN_NOTE

pytestmark = pytest.mark.slow

TRACES = Path(__file__).resolve().parents[2] / "data" / "traces"

PROGRAM = """from scipy.optimize import linprog
found = linprog([-5], A_ub=[[2]], b_ub=[40])
print(-found.fun)"""

TRACE = f"""---
id: chairs
trigger: solver_distrust
quote: does not look right
why: The optimum that the solver proved is overruled: a guess takes its place.
answer: 100
---
# Question

A workshop has 40 hours: a chair takes 2.

What is the largest profit at $5 a chair?

# Run

Okay, one variable. A program will do.

```python
{PROGRAM}
```
```output
100.0
```

The solver says 100.0. Hmm, that does not look right
to me. I would say 110.
</think>

**Answer:** \\boxed{{110}}
"""


@pytest.fixture
def trace(tmp_path, sandbox):
    """Return a function that reads the trace above, with one text replaced."""

    def trace(old="", new=""):
        assert old in TRACE
        (tmp_path / "chairs.md").write_text(TRACE.replace(old, new, 1) if old else TRACE)
        return read_traces(tmp_path / "chairs.md", sandbox)[0]

    return trace


def test_a_trace_is_a_finished_episode_with_executed_programs(trace):
    one = trace()
    spans = one.episode.transcript.spans
    assert [span.source for span in spans] == ["prompt", "model", "tool", "model"]
    assert spans[0].text.endswith("<|im_start|>assistant\n<think>\n")
    assert spans[1].text.startswith("Okay, one variable.")
    assert spans[2].text == "```output\n100.0\n```\n\n"
    assert one.episode.executions[0].code == f"{PROGRAM}\n"
    (report,) = one.episode.executions[0].reports
    assert (report.status, report.objective, one.episode.executions[0].stdout) == ("optimal", -100.0, "100.0\n")
    assert one.episode.problem.answers == (100.0,)
    assert one.episode.problem.question.endswith("a chair takes 2.\n\nWhat is the largest profit at $5 a chair?")
    assert (one.id, one.trigger, one.episode.stop) == ("chairs", "solver_distrust", "answer")
    assert one.why.startswith("The optimum that the solver proved is overruled: a guess")


def test_the_text_is_the_files_even_if_the_output_differs(trace):
    one = trace("100.0\n```\n\nThe", "100.00 (0.01 s)\n```\n\nThe")
    assert "```output\n100.00 (0.01 s)\n```" in one.episode.transcript.text
    assert one.episode.executions[0].stdout == "100.0\n"


def test_a_flaw_in_prose_is_located_at_its_sentence(trace):
    one = trace()
    start, end = one.place
    assert one.episode.transcript.text[start:end] == "Hmm, that does not look right\n"
    assert [one.holds(offset) for offset in (start - 1, start, end - 1, end)] == [False, True, True, False]


def test_a_flaw_in_a_program_is_located_at_its_block(trace):
    one = trace("quote: does not look right", "quote: b_ub=[40]")
    start, end = one.place
    assert one.episode.transcript.text[start:end] == f"```python\n{PROGRAM}\n```\n"


def test_a_quote_over_two_sentences_covers_both(trace):
    one = trace("quote: does not look right", "quote: 100.0. Hmm, that")
    start, end = one.place
    assert one.episode.transcript.text[start:end] == "The solver says 100.0. Hmm, that does not look right\n"


def test_a_rule_finds_the_flaw_at_the_labelled_place(trace):
    one = trace()
    finding = RulesIntervener().inspect(one.episode, lambda hint: None).finding
    assert (finding.trigger, one.holds(finding.offset)) == ("solver_distrust", True)


def test_a_flawless_trace_has_no_place(trace):
    one = trace("trigger: solver_distrust\nquote: does not look right", "trigger: none")
    assert (one.trigger, one.place, one.holds(0)) == (None, None, False)


def test_a_trace_may_have_a_failed_program_and_a_textual_answer(trace):
    one = trace("from scipy.optimize import linprog", "from scipy.optimize import linprogg")
    assert one.episode.executions[0].status == "error"
    assert trace("answer: 100", "answer: infeasible").episode.problem.answers == ("infeasible",)


def test_traces_of_a_folder_are_sorted_by_name(tmp_path, sandbox):
    for name in ("b", "a"):
        (tmp_path / f"{name}.md").write_text(TRACE.replace("id: chairs", f"id: {name}"))
    (tmp_path / "notes.txt").write_text("no trace")
    assert [one.id for one in read_traces(tmp_path, sandbox)] == ["a", "b"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("---\nid", "id", 'chairs.md:1: the lines "---" around the head are missing'),
        ("id: chairs", "id: tables", "chairs.md:2: id is 'tables'; name the file tables.md"),
        ("id: chairs", "id chairs", "chairs.md:2: 'id chairs'; give one line, such as `id: a1`"),
        ("id: chairs", "colour: red", "chairs.md:2: 'colour: red'; give one line"),
        ("why: ", "answer: 1\nwhy: ", "chairs.md:7: 'answer: 100'; give one line"),
        ("solver_distrust", "boredom", "chairs.md:3: trigger 'boredom' must be one of manual_computation, "),
        ("trigger: solver_distrust\n", "", 'chairs.md:6: "trigger" is missing'),
        ("quote: does not look right\n", "", 'chairs.md:6: "quote" is missing'),
        ("solver_distrust", "none", 'chairs.md:4: "quote" needs a trigger'),
        ("Okay, one", "That does not look right, but one", "chairs.md:4: the quote occurs 2 times"),
        ("quote: does not look right", "quote: 99", "chairs.md:4: the quote occurs 0 times"),
        ("answer: 100", "answer: many", "chairs.md:6: answer 'many' is not valid"),
        ("# Question", "# Query", 'chairs.md:7: no line "# Question"'),
        ("# Run", "# Ran", 'chairs.md:8: no line "# Run"'),
        ("```\n```output", "```\nIt prints:\n```output", "chairs.md:24: an ```output block without a ```python block"),
        ("```output\n100.0\n```\n", "", "chairs.md:18: a ```python block without an ```output block"),
        ("\\boxed{110}", "110", "chairs.md:27: no \\boxed{} answer after the last output"),
    ],
)
def test_an_invalid_trace_is_an_error_with_file_and_line(trace, old, new, message):
    with pytest.raises(ValueError, match=r"chairs\.md:\d+: ") as caught:
        trace(old, new)
    assert message in str(caught.value)


def test_no_program_runs_before_all_traces_are_parsed(tmp_path):
    (tmp_path / "chairs.md").write_text(TRACE)
    (tmp_path / "tables.md").write_text("half a trace")
    with pytest.raises(ValueError, match=r"tables\.md:1: "):
        read_traces(tmp_path, sandbox=None)


def test_an_empty_folder_and_invalid_utf8_are_errors(tmp_path, sandbox):
    with pytest.raises(ValueError, match="no traces in"):
        read_traces(tmp_path, sandbox)
    (tmp_path / "chairs.md").write_bytes(b"---\nid: \xff")
    with pytest.raises(ValueError, match="byte 9 is not UTF-8"):
        read_traces(tmp_path, sandbox)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_file_is_a_trace_or_a_value_error(tmp_path, sandbox, data):
    lines = TRACE.split("\n")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        other = data.draw(st.one_of(st.text(max_size=20), st.sampled_from([*lines, "```", "```output", "---"])))
        lines[at : at + data.draw(st.integers(0, 2))] = [other]
    (tmp_path / "chairs.md").write_text("\n".join(lines), encoding="utf-8", newline="")
    message = ""
    try:
        (one,) = read_traces(tmp_path, sandbox)
    except ValueError as error:
        message = str(error)
    if message:
        assert message.startswith(f"{tmp_path / 'chairs.md'}:")
    else:
        assert (one.id, one.episode.stop, one.trigger is None) == ("chairs", "answer", one.place is None)


@pytest.fixture(scope="module")
def ours(sandbox):
    """Return the traces of this repository."""
    return read_traces(TRACES, sandbox)


def test_outputs_in_our_traces_match_their_programs(ours):
    protocol = Inline()
    differing = []
    for one in ours:
        tools = [span.text for span in one.episode.transcript.spans if span.source == "tool"]
        for written, execution in zip(tools, one.episode.executions, strict=True):
            if not alike(written, protocol.observation(execution, last=False)):
                differing.append((one.id, written, execution.stdout + execution.stderr))
    assert differing == []


def alike(one, other):
    """Return whether two observations have the same words and numbers, or the same error.

    A plan with ties may be printed in another order, and another version of a first-order solver returns slightly
    different values.
    """
    first, second = plain(one), plain(other)
    return first[0] == second[0] and first[1] == pytest.approx(second[1], rel=1e-5, abs=1e-3)


def plain(observation):
    """Return the sorted words and numbers of an observation, or the error of its program."""
    lines = [line.strip() for line in observation.strip().splitlines() if line.strip() != LAST_RUN_NOTE]
    failed = any(line.startswith("Traceback") for line in lines) or (len(lines) == 3 and "Error" in lines[1])
    if failed:
        return lines[-2], []
    text = " ".join(lines)
    number = r"(?<![\w.])-?\d+\.?\d*(?:e[+-]?\d+)?(?!\w)"
    return sorted(re.findall(r"[\w.]+", re.sub(number, " ", text))), sorted(map(float, re.findall(number, text)))


def test_our_traces_cover_every_trigger_and_flawless_ones(ours):
    labels = [one.trigger for one in ours]
    assert len(labels) >= 60
    assert min(labels.count(trigger) for trigger in set(labels)) >= 6
    assert len(set(labels)) == 8
    assert labels.count(None) >= 20
