"""Programs convert and combine the numbers of a question: that is no invention, a changed number is one."""

import time

import pytest

from storm_calm.agents.verdict import verdict
from storm_calm.agents.verdict.given_numbers import GivenNumbers, enumerations
from support.answered_episode import answered, report

WEIGHTS = "Boxes weigh 43, 36, 29, 55, 17, 68, 31 and 22 kg. A van carries 140 kg. Maximize the load."
MARGINS = "A jar sells for $13.40 and costs $5.90; a bowl sells for $31 and costs $16.25. 45 hours. Maximize the gain."


def judged(question, code, answer=30, **fields):
    reports = [report(objective=float(answer), **fields)]
    code = f"from pulp import *\n{code}\nm.solve()\nprint({answer})"
    return verdict(answered(answer, code=code, question=question, reports=reports, stdout=f"{answer}\n"))


@pytest.mark.parametrize(
    ("question", "code"),
    [
        ("A press runs 9 hours. A poster takes 14 minutes.", "m += 14 * x <= 540"),
        ("A smith has 1.8 kg of silver; a ring takes 7 g.", "m += 7 * x <= 1800"),
        ("A farm has 4 hectares; carrots take 0.06 h per square meter.", "m += 0.06 * x <= 40000"),
        ("A firm has $2,350,000. An ad costs $85,000.", "m += 85 * x <= 2350"),
        ("Times are 34.1, 40.2 and 29.8 seconds.", "t = [341, 402, 298]"),
        ("A coat at $90 is sold 30% cheaper.", "m += 90 * 0.7 * x"),
        ("A coat at $90 is sold 30% cheaper, 45 at most.", "m += 63 * x\nm += x <= 45"),
        ("Two fifths of 350 kg must be oil.", "m += x >= 0.4 * 350"),
        ("Deliver 45, 80, 25, 65 and 35 boxes.", "d = [45, 80, 25, 65, 35]\nm += sum(d) * x <= 250"),
        ("There are fewer than 15 parts and 60 hours.", "m += x <= 14\nm += y <= 60"),
        (MARGINS, "m += 7.5 * x + 14.75 * y\nm += x <= 45"),
        ("Three crews with 1,850 hours each; a robot takes 25.", "m += 25 * x <= 5550"),
        ("A bus seats 47; 230 pupils go.", "b = LpVariable('b', 0, 99)\nm += 47 * b >= 230"),
        ("A bus seats 47; 230 pupils go.", "solver.parameters.max_time_in_seconds = 30\nm += 47 * b >= 230"),
        ("A table: | A | 41 | 72 | 38 |. Limit is at most 41 hours.", "m += read('A,41,72,38') <= 1"),
        ("At least 11 from 6 to 12, and 17 from 12 to 18.", "m += sum([11, 17]) <= x"),
        ("They need at most 260 kg with at least 35% soy.", "m += x >= 91\nm += x + y <= 260"),
    ],
)
def test_converted_and_combined_numbers_are_no_warning(question, code):
    found = judged(f"{question} Maximize the gain.", code)
    assert (found.backing, found.warnings) == ("backed", [])


@pytest.mark.parametrize(
    ("question", "code", "invented", "unused"),
    [
        ("Ale gains 14, lager 22. Malt is limited.", "m += 14*x + 22*y\nm += 2*x + 3*y <= 487", (487.0,), ()),
        (WEIGHTS, "w = [43, 36, 29, 55, 17, 31, 22]\nm += x <= 140", (), (68.0,)),
        (WEIGHTS, "w = [43, 36, 29, 55, 17, 86.5, 31, 22]\nm += x <= 140", (86.5,), (68.0,)),
        (MARGINS, "m += 7.5 * x + 14.75 * y\nm += x <= 547", (547.0,), (13.4, 16.25, 31.0, 45.0)),
    ],
)
def test_missing_and_foreign_numbers_are_warnings(question, code, invented, unused):
    found = judged(question, code)
    assert (found.invented, found.unused) == (invented, unused)


def test_enumerations_are_read_with_thousands_and_words():
    assert enumerations("Costs are 1,200, 950 and $1,340.50 in 3 towns") == [[1200.0, 950.0, 1340.5]]
    assert enumerations("open from 9.30 to 18.00, then 5, 6") == []


def test_a_known_number_is_used_as_it_is():
    given = GivenNumbers(["A bag holds 82 g."], [102.0])
    assert given.explains(102)
    assert not given.explains(103)


@pytest.mark.slow
def test_a_question_with_a_thousand_numbers_is_judged_in_seconds():
    values = [round(1.7 * number + 0.3, 1) for number in range(1000)]
    question = f"At most 35%. Costs: {', '.join(map(str, values))}. Minimize the cost."
    began = time.perf_counter()
    judged(question, f"c = {values[:-1]}\nm += sum(c) <= 35")
    assert time.perf_counter() - began < 10
