"""A hint may only be a short thought in the reasoner's voice. Any other hint is rejected with a reason."""

import ast
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.agents.interveners.hints import HINTS
from storm_calm.agents.interveners.leak_check import MAX_HINT_CHARS, faults, gives_away
from storm_calm.agents.interveners.plain_hints import PLAIN_HINTS, REMINDERS, SENSES, TRIGGER_HINTS
from storm_calm.agents.triggers import number_words
from storm_calm.env import Episode, Problem, Span, Transcript
from support.fake_reasoner import PLAN, program, workshop


def written(text=PLAN, answers=(42.0,)):
    """Return an episode with this text on a workshop problem of 14 hours."""
    problem = replace(workshop(14), answers=answers)
    spans = (Span(source="prompt", text=f"Q: {problem.question} 99999\n"), Span(source="model", text=text))
    return Episode(problem=problem, transcript=Transcript(spans=spans))


def reasons(hint, episode=None):
    """Return the reasons for rejecting a hint."""
    return [fault.reason for fault in faults(hint, episode or written())]


PLAIN = [
    *PLAIN_HINTS.values(),
    *TRIGGER_HINTS.values(),
    *SENSES.values(),
    *(f"{PLAIN_HINTS['invented_call']} {text}" for _, text in REMINDERS),
]


@pytest.mark.parametrize("hint", [*(wording for wordings in HINTS.values() for wording in wordings), *PLAIN])
def test_hints_of_the_rules_are_accepted(hint):
    assert reasons(hint) == []


@pytest.mark.parametrize(
    "hint",
    [
        "Wait, all 14 hours count. I should put the limit in.",
        "Hmm, I think the amounts must be whole; IntVar fits better than NumVar.",
        "Let me run the program instead of guessing what it prints.",
        "Hold on: the constraint on hours is missing.",
        "Actually, my objective should be the profit, not the revenue.",
        "Wait, the model minimizes, but the question asks for the largest profit.",
        "Wait, is x (the chairs) an integer? I should check.",
        "Hmm, the user asks for the largest profit, and I minimize.",
    ],
)
def test_lightweight_hints_are_accepted(hint):
    assert reasons(hint) == []


@pytest.mark.parametrize(
    ("hint", "reason"),
    [
        ("Wait, I should think again. " * 20, "length"),
        ("You should write a program.", "voice"),
        ("Wait, please check your objective.", "voice"),
        ("The assistant forgot a constraint.", "voice"),
        ("A constraint is missing here.", "voice"),
        ("Wait, I should end with \\boxed{}.", "marks"),
        ("Wait.</think> I know it.", "marks"),
        ("Wait, I know.<|im_end|>", "marks"),
        ("Wait.</hint> I know it.", "marks"),
        ("Wait, I should write:\n```python\npass\n```", "code"),
        ("Wait, I need solver.Add(x + y <= hours).", "code"),
        ("Wait, I should say\nx = solver", "code"),
        ("Wait, I forgot\nimport pulp", "code"),
        ("Wait, I need linprog(c, bounds=limits).", "code"),
        ("Wait, I should use 17 hours.", "number"),
        ("Wait, I should use 99999 hours.", "number"),
        ("Wait, I think it is 42.", "answer"),
        ("Wait, I think it is 42.001.", "answer"),
    ],
)
def test_other_hints_are_rejected_with_the_reason(hint, reason):
    assert reason in reasons(hint)


def test_numbers_must_be_in_the_question_or_the_trajectory():
    hint = "Wait, I should look at the 1,250 again."
    assert reasons(hint) == ["number"]
    assert reasons(hint, written(f"{PLAN} That makes 1250 in all.")) == []
    assert reasons("Wait, there are 14 hours, I think.") == []


def test_the_answer_is_rejected_even_if_the_trajectory_contains_it():
    assert reasons("Wait, the solver said 42 and I should trust it.", written(f"{PLAN} It is 42.")) == ["answer"]


def test_the_rejection_message_does_not_reveal_the_answer():
    (number,) = faults("Wait, I think it is 42.", written())
    (word,) = faults("Wait, I think it is infeasible.", written(answers=("infeasible",)))
    assert number.message == word.message
    assert "42" not in number.message


@pytest.mark.parametrize(
    ("hint", "accepted", "away"),
    [
        ("Wait, it is 1,515.", 1515.0, True),
        ("Wait, it is 1515.02.", 1515.0, True),
        ("Wait, -3 is right.", -3.0, True),
        ("Wait, a loss of 3 is right.", -3.0, True),
        ("Wait, there are 14 hours.", 42.0, False),
        ("Wait, I should run it.", 42.0, False),
        ("Wait, it is Infeasible.", "infeasible", True),
        ("Wait, is it unbounded?", "infeasible", False),
        ("Wait, it should be forty-two.", 42.0, True),
        ("Wait, two conditions are missing.", 2.0, True),
        ("Wait, one condition is missing.", 1.0, False),
    ],
)
def test_a_hint_leaks_any_value_within_the_tolerance(hint, accepted, away):
    assert gives_away(hint, replace(workshop(14), answers=(accepted,))) is away
    assert not gives_away(hint, replace(workshop(14), answers=()))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("one thousand five hundred and fifteen units", [1515.0]),
        ("Twenty-one hundred, or three million and two", [2100.0, 3_000_002.0]),
        ("a hundred and ninety nine", [199.0]),
        ("one program, zero doubt, someone often weighs a stone", []),
        ("seventeen", [17.0]),
    ],
)
def test_numbers_in_words_are_read(text, values):
    assert number_words.numbers(text) == values


@given(st.floats(0.01, 1e9), st.sampled_from(["{:.2f}", "{:,.2f}", "{:.4e}"]))
def test_every_notation_of_the_answer_is_rejected(value, style):
    text = style.format(value)
    problem = Problem(id="p", question="How much?", answers=(float(text.replace(",", "")),))
    episode = Episode(problem=problem, transcript=Transcript(spans=(Span(source="prompt", text="How much?"),)))
    assert "answer" in reasons(f"Wait, I get {text} here.", episode)


@pytest.mark.parametrize("line", [line for line in program(14).splitlines()[1:-1] if not line.startswith("print")])
def test_lines_of_code_are_rejected(line):
    assert ast.parse(line)
    assert "code" in reasons(f"Wait, I should write\n{line}")


def test_the_length_limit_is_exact():
    hint = "Wait, I " + "w" * (MAX_HINT_CHARS - 8)
    assert reasons(hint) == []
    assert reasons(hint + "w") == ["length"]
