"""Problem families: reproducible problems with confirmed answers and disjoint splits."""

import itertools
import math
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from storm_calm.env.problems.families import FAMILIES, choose, generate, instances
from storm_calm.env.problems.families.linear_model import LinearModel, confirmed_answer

HOUSE = Path(__file__).resolve().parents[2]


def draw(name, split, seed, count):
    return list(itertools.islice(instances([FAMILIES[name]], split=split, seed=seed), count))


def test_the_same_seed_gives_the_same_problems_and_another_seed_others():
    first = list(generate(["all"], split="train", seed=3, limit=36))
    assert first == list(generate(["all"], split="train", seed=3, limit=36))
    assert first != list(generate(["all"], split="train", seed=4, limit=36))


def test_a_larger_limit_extends_the_same_problems():
    assert list(generate(["all"], split="heldout", seed=7, limit=40))[:15] == list(
        generate(["all"], split="heldout", seed=7, limit=15)
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_splits_are_disjoint_for_all_seeds(name):
    train = {i.content for seed in range(5) for i in draw(name, "train", seed, 40)}
    heldout = {i.content for seed in range(5, 10) for i in draw(name, "heldout", seed, 40)}
    assert len(train) > 150
    assert not train & heldout


def test_rewording_a_question_does_not_change_its_content():
    instance = draw("knapsack", "train", 1, 1)[0]
    assert replace(instance, question="Something else entirely.").content == instance.content


def test_generated_problems_are_unique():
    problems = list(generate(["all"], split="heldout", seed=1, limit=240))
    assert len({problem.id for problem in problems}) == 240


@pytest.mark.parametrize("name", FAMILIES)
def test_the_question_contains_every_number_of_the_data(name):
    for instance in draw(name, "train", 11, 25):
        question = instance.question.replace(",", "")
        for value in numbers(instance.data):
            assert str(value) in question, (value, instance.question)


def numbers(data):
    for value in data.values() if isinstance(data, dict) else data:
        if isinstance(value, (list, dict)):
            yield from numbers(value)
        elif not isinstance(value, bool):
            yield value


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_has_varied_wordings_and_domains(name):
    questions = [instance.question for instance in draw(name, "train", 2, 80)]
    skeletons = {re.sub(r"\d[\d,]*", "#", question) for question in questions}
    nouns = [set(re.findall(r"[a-z]{4,}", question)) for question in questions]
    rare = {word for words in nouns for word in words if sum(word in other for other in nouns) < 60}
    assert len(skeletons) >= 12
    assert len(rare) >= 6


def test_a_few_instances_are_infeasible_and_most_are_not():
    problems = list(
        generate(["transportation", "investment", "production", "blending"], split="train", seed=5, limit=200)
    )
    infeasible = sum(problem.answers == ("infeasible",) for problem in problems)
    assert 5 <= infeasible <= 50


def test_some_questions_contain_irrelevant_numbers():
    drawn = [question for name in FAMILIES for question in (i.question for i in draw(name, "train", 9, 50))]
    distracted = sum("founded in" in q or "experience" in q or "team grew" in q or "meters tall" in q for q in drawn)
    assert 0.05 < distracted / len(drawn) < 0.25


def test_knapsack_answers_agree_with_enumeration():
    """Check the 0/1 knapsack with all subsets, a third method."""
    for instance in draw("knapsack", "heldout", 21, 15):
        weight, value, capacity = (instance.data[key] for key in ("weight", "value", "capacity"))
        best = max(
            sum(v for v, taken in zip(value, choice, strict=True) if taken)
            for choice in itertools.product((0, 1), repeat=len(weight))
            if sum(w for w, taken in zip(weight, choice, strict=True) if taken) <= capacity
        )
        assert math.isclose(instance.problem().answers[0], best)


def test_scheduling_answers_agree_with_enumeration():
    for instance in draw("scheduling", "heldout", 4, 10):
        time, machines = instance.data["time"], instance.data["machines"]
        best = min(
            max(sum(t for t, m in zip(time, on, strict=True) if m == machine) for machine in range(machines))
            for on in itertools.product(range(machines), repeat=len(time))
        )
        assert math.isclose(instance.problem().answers[0], best)


def test_disagreeing_solvers_are_an_error(monkeypatch):
    model = LinearModel("maximize")
    model.row({model.variable(1.0): 1.0}, high=3.0)
    assert confirmed_answer(model) == 3.0
    answers = iter([3.0, 4.0])
    monkeypatch.setattr("storm_calm.env.problems.families.linear_model._solve", lambda *_: next(answers))
    with pytest.raises(ArithmeticError, match=r"SCIP .*3\.0, .*CBC .*4\.0"):
        confirmed_answer(model)


def test_infeasible_and_unbounded_are_answers():
    impossible = LinearModel("minimize")
    impossible.row({impossible.variable(1.0, upper=1.0): 1.0}, low=2.0)
    endless = LinearModel("maximize")
    endless.variable(1.0)
    assert confirmed_answer(impossible) == "infeasible"
    assert confirmed_answer(endless) == "unbounded"


def test_a_difficulty_selects_its_families():
    assert [family.name for family in choose(["easy"])] == [f.name for f in FAMILIES.values() if f.difficulty == "easy"]
    assert choose(["diet", "all"])[0].name == "diet"
    assert len(choose(["diet", "all"])) == len(FAMILIES)


def test_error_for_an_unknown_family_or_split_lists_the_known_ones():
    with pytest.raises(ValueError, match=r'unknown family "diets"; known: all, easy, complex, product_mix'):
        choose(["diets"])
    with pytest.raises(ValueError, match="no family given"):
        choose([])
    with pytest.raises(ValueError, match=r'unknown split "test"'):
        next(generate(["all"], split="test", seed=1, limit=1))


def test_generation_uses_no_global_randomness():
    random.seed(1)
    state = random.getstate()
    draw("blending", "train", 1, 3)
    assert random.getstate() == state


def test_ctrl_c_stops_the_computation_of_an_answer():
    code = (
        "import random, time\nfrom storm_calm.env.problems.families.linear_model import LinearModel, confirmed_answer\n"
        "random.seed(1)\nmodel = LinearModel('maximize')\n"
        "columns = [model.variable(1.0, upper=1, integer=True) for _ in range(20)]\n"
        "for _ in range(3):\n"
        "    sizes = [random.randint(0, 99) for _ in columns]\n"
        "    model.row(dict(zip(columns, sizes)), low=sum(sizes) // 2, high=sum(sizes) // 2)\n"
        "print('begins', flush=True)\n"
        "try:\n    confirmed_answer(model)\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    print('stopped')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=HOUSE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "begins\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == ("stopped\n", "")
