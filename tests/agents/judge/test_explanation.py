"""The explanation of a trajectory is the model's own text after its last program."""

import pytest

from storm_calm.agents.judge.explanation import explanation_of
from storm_calm.env import Episode, Problem, Span, Transcript
from storm_calm.sandbox import Execution

PROBLEM = Problem(id="a", question="Why?", answers=())


def episode(text, *, stop="answer", finish="end", before=()):
    spans = [Span(source="prompt", text="Why?"), *before, Span(source="model", text=text, finish=finish)]
    runs = [
        Execution(code="1", status="ok", isolation="full", backend="local") for span in spans if span.source == "tool"
    ]
    return Episode(problem=PROBLEM, transcript=Transcript(spans=tuple(spans)), executions=tuple(runs), stop=stop)


@pytest.mark.parametrize(
    ("text", "explanation"),
    [
        ("Because of `x`.\n\\boxed{done}", "Because of `x`."),
        ("Because of `x`.", "Because of `x`."),
        ("Hm, hm.\n</think>\n\nBecause.\n\n\\boxed{done}\n", "Because."),
        ("Because.\n$\\boxed{\\text{Done}}$.", "Because."),
        ("Because.\n\\[ \\boxed{ done } \\]", "Because."),
        ("Because \\boxed{done} is said.", "Because \\boxed{done} is said."),
        ("It rises by \\boxed{12,345}", "It rises by \\boxed{12,345}"),
        ("\\boxed{done}", ""),
        ("   ", ""),
    ],
)
def test_thoughts_and_the_closing_box_are_left_out(text, explanation):
    assert explanation_of(episode(text)) == explanation


def test_text_before_a_program_and_output_are_not_part_of_it():
    before = (Span(source="model", text="First.\n```python\n1\n```\n"), Span(source="tool", text="```output\n1\n```\n"))
    assert explanation_of(episode("Then so.", before=before)) == "Then so."


def test_a_missing_box_does_not_matter_but_a_missing_end_does():
    assert explanation_of(episode("Because.", stop="malformed")) == "Because."
    assert explanation_of(episode("Because.", stop="malformed", finish="stop")) == ""
    for stop in ("length", "budget", "repetition", "context", "infrastructure", None):
        assert explanation_of(episode("Because.", stop=stop)) == ""
