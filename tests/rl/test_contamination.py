"""The contamination gate: an edited question is found, and another problem with the same words is not."""

import itertools
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env import Problem
from storm_calm.env.problems.families import FAMILIES, choose, instances
from storm_calm.env.problems.heldout import is_heldout
from storm_calm.env.problems.stress.kinds import generate
from storm_calm.env.question_words import words
from storm_calm.rl.contamination import ContaminationGate, EvalQuestion, read_question_files, read_questions

BAKERY = (
    "A bakery makes rye bread and wheat bread. A loaf of rye needs 3 minutes in the oven and 400 grams of flour and "
    "earns $2.50; a loaf of wheat needs 5 minutes and 350 grams and earns $3. The oven is free for 480 minutes, and "
    "there are 40,000 grams of flour. What is the largest profit?"
)


def gate(*texts):
    return ContaminationGate(
        EvalQuestion(place=f"eval.jsonl:{number}", text=text) for number, text in enumerate(texts, start=1)
    )


def drawn(names, split, count, seed=1):
    return list(itertools.islice(instances(choose(names), split=split, seed=seed), count))


pieces = st.one_of(
    st.text(alphabet="abcdefgzéüñç", min_size=1, max_size=7), st.integers(0, 99999).map(str), st.just("2.75")
)
marks = st.sampled_from([" ", "  ", "\n", "\t", ", ", ". ", "! ", " - ", ' "', "; ", " (", ") ", " * "])


@given(st.lists(pieces, min_size=1, max_size=40), st.data())
def test_case_punctuation_and_white_space_are_ignored(tokens, data):
    changed = "".join(
        data.draw(st.sampled_from([word, word.upper(), word.title()])) + data.draw(marks) for word in tokens
    )
    assert gate(" ".join(tokens)).match(changed).how == "same text"


@given(st.lists(pieces, min_size=1, max_size=40), st.lists(pieces, min_size=1, max_size=40))
def test_questions_with_other_words_are_not_the_same_text(first, second):
    match = gate(" ".join(first)).match(" ".join(second))
    assert (match is not None and match.how == "same text") == (words(" ".join(first)) == words(" ".join(second)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It costs $1,200.50.", ("it", "costs", "1200.5")),
        ("5% of 3.0 kg, i.e. 40,000,000 t", ("5", "of", "3", "kg", "i", "e", "40000000", "t")),
        ("units of 3,4 and 12,34", ("units", "of", "3", "4", "and", "12", "34")),
        ("CAFÉ Straße ﬁve ²", ("cafe", "strasse", "five", "2")),
        ("$x_1 \\leq 10$", ("x", "1", "leq", "10")),
        ("…", ()),
    ],
)
def test_text_is_split_into_words_and_numbers(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("A bakery", "The town's largest bakery").replace(
            "largest profit", "most it can earn"
        ),
        lambda text: text + " The owner has 23 years of experience. Give the answer with 2 decimals.",
        lambda text: text.replace(" and there are 40,000 grams of flour.", ""),
        lambda text: "Solve this problem with a solver and print the optimum. " + text,
    ],
)
def test_an_edited_copy_is_found_with_its_original(edit):
    others = [instance.question for instance in drawn(["all"], "heldout", 30)]
    assert edit(BAKERY) != BAKERY
    match = gate(*others, BAKERY).match(edit(BAKERY))
    assert (match.place, match.how) == ("eval.jsonl:31", "shared words")
    assert 0.5 <= match.share <= 1


def test_the_same_words_with_other_numbers_are_another_problem():
    other = "".join(str((int(sign) + 3) % 10) if sign.isdigit() else sign for sign in BAKERY)
    assert gate(BAKERY).match(other) is None


def test_the_same_numbers_in_other_words_are_not_found():
    """A limit of the gate; families separate their splits by data instead."""
    assert gate(BAKERY).match(" ".join(word for word in words(BAKERY) if word[0].isdigit())) is None


def test_a_short_question_matches_as_a_whole_only():
    assert gate("What is 6 times 7?").match("what is 6 times 7").how == "same text"
    assert gate("What is 6 times 7?").match("So what is 6 times 7?") is None


def test_a_question_without_numbers_is_compared_by_all_its_words():
    text = (
        "A farmer with little land and many animals wants to feed them all at the lowest cost that can be had anywhere"
    )
    assert gate(text).match(f"Once more: {text}, please").share == 1.0
    assert (
        gate(text).match("A farmer with little land and many trees wants to cut them down as soon as it gets cold")
        is None
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_train_questions_do_not_match_held_out_ones(name):
    heldout = gate(*(instance.question for instance in drawn([name], "heldout", 150, seed=2)))
    train = drawn([name], "train", 150)
    assert [(one.question, match) for one in train if (match := heldout.match(one.question))] == []


@pytest.mark.parametrize("name", FAMILIES)
def test_held_out_questions_with_an_added_sentence_are_found(name):
    heldout = drawn([name], "heldout", 30, seed=2)
    all_of_them = gate(*(instance.question for instance in heldout))
    for number, one in enumerate(heldout, start=1):
        first, _, rest = one.question.partition(". ")
        assert all_of_them.match(f"{first}. It was founded in 1987. {rest}").place == f"eval.jsonl:{number}"


@pytest.mark.parametrize("name", FAMILIES)
def test_the_split_of_a_generated_problem_is_read_from_its_id(name):
    rng = random.Random(5)
    drawn = [FAMILIES[name].instance(rng) for _ in range(40)]
    splits = ["heldout" if is_heldout(one.problem()) else "train" for one in drawn]
    assert splits == [one.split for one in drawn]
    assert set(splits) == {"heldout", "train"}


def test_stress_problems_are_held_out_regardless_of_their_id():
    assert all(map(is_heldout, generate(["all"], seed=4, limit=13)))
    assert not is_heldout(Problem(id="mine", question="Q", answers=(1.0,), source="stress: of my own"))


def test_problems_from_other_sources_are_not_held_out():
    assert is_heldout(Problem(id="mix-000000000000", question="Q", answers=(1.0,), source="generated"))
    assert not is_heldout(Problem(id="mix-000000000000", question="Q", answers=(1.0,), source="mine"))
    assert not is_heldout(Problem(id="mix-1", question="Q", answers=(1.0,), source="generated"))


def test_questions_are_read_from_all_published_fields(tmp_path):
    lines = [{"question": "One?\u2028More."}, {"en_question": "Two?", "en_answer": "2"}, {"Question": "Three?"}]
    path = tmp_path / "benchmark.jsonl"
    text = "\n\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    path.write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\n")
    found = read_questions(path)
    assert [(one.place, one.text) for one in found] == [
        (f"{path}:1", "One?\u2028More."),
        (f"{path}:3", "Two?"),
        (f"{path}:5", "Three?"),
    ]


def test_questions_are_read_from_arrays_and_tables(tmp_path):
    (tmp_path / "array.json").write_text(json.dumps([{"en_question": "One?"}], indent=1))
    (tmp_path / "table.csv").write_text('\ufeffquestion,answer\n"Two, or three?",5\n')
    found = read_question_files([tmp_path])
    assert [(one.place, one.text) for one in found] == [
        (f"{tmp_path}/array.json: item 1", "One?"),
        (f"{tmp_path}/table.csv:2", "Two, or three?"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"question": "Q"}\n{"text": "Q"}\n', ':2: no question: null; give a text as "en_question", "question" or'),
        (b'{"question": 3}\n', ":1: no question: 3"),
        (b"[1]\n", ": item 1: not a JSON object but 1"),
        (b'{"question": "Q"}\n{"question"\n', ":2: not JSON: "),
        (b"\n \n", ": no questions in it"),
        (b'{"question": "\xff"}\n', ":1: byte 15 is not UTF-8; save the file as UTF-8"),
    ],
)
def test_error_for_an_invalid_file_has_the_line_number(tmp_path, content, message):
    path = tmp_path / "benchmark.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="benchmark") as caught:
        read_questions(path)
    assert str(caught.value).startswith(f"{path}{message}")
