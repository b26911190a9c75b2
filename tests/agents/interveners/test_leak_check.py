"""A hint is a light thought of the reasoner's own: whatever says more is refused, and says what is wrong with it."""

import ast
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.agents.interveners.hints import HINTS
from storm_calm.agents.interveners.leak_check import MAX_HINT_CHARS, faults, gives_away
from storm_calm.agents.triggers import number_words
from storm_calm.env import Episode, Problem, Span, Transcript
from support.fake_reasoner import PLAN, program, workshop


def written(text=PLAN, answers=(42.0,)):
    """A run at a workshop of 14 hours in which this was written."""
    problem = replace(workshop(14), answers=answers)
    spans = (Span(source="prompt", text=f"Q: {problem.question} 99999\n"), Span(source="model", text=text))
    return Episode(problem=problem, transcript=Transcript(spans=spans))


def reasons(hint, episode=None):
    """Why a hint is refused."""
    return [fault.reason for fault in faults(hint, episode or written())]


@pytest.mark.parametrize("hint", [wording for wordings in HINTS.values() for wording in wordings])
def test_every_wording_of_the_rules_is_clean(hint):
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
def test_a_light_thought_passes(hint):
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
def test_what_is_more_than_that_is_refused_for_its_reason(hint, reason):
    assert reason in reasons(hint)


def test_a_number_may_come_from_the_question_or_from_the_run_and_from_nowhere_else():
    hint = "Wait, I should look at the 1,250 again."
    assert reasons(hint) == ["number"]
    assert reasons(hint, written(f"{PLAN} That makes 1250 in all.")) == []
    assert reasons("Wait, there are 14 hours, I think.") == []


def test_the_answer_is_refused_also_where_the_run_has_said_it():
    assert reasons("Wait, the solver said 42 and I should trust it.", written(f"{PLAN} It is 42.")) == ["answer"]


def test_the_message_is_the_same_for_a_number_and_a_word_and_does_not_say_what_is_right():
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
def test_a_hint_gives_away_what_would_count_as_right(hint, accepted, away):
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
def test_no_way_to_write_the_answer_passes(value, style):
    text = style.format(value)
    problem = Problem(id="p", question="How much?", answers=(float(text.replace(",", "")),))
    episode = Episode(problem=problem, transcript=Transcript(spans=(Span(source="prompt", text="How much?"),)))
    assert "answer" in reasons(f"Wait, I get {text} here.", episode)


@pytest.mark.parametrize("line", [line for line in program(14).splitlines()[1:-1] if not line.startswith("print")])
def test_no_line_of_a_program_passes(line):
    assert ast.parse(line)
    assert "code" in reasons(f"Wait, I should write\n{line}")


def test_the_longest_hint_may_be_as_long_as_it_says():
    hint = "Wait, I " + "w" * (MAX_HINT_CHARS - 8)
    assert reasons(hint) == []
    assert reasons(hint + "w") == ["length"]
