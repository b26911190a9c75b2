"""Rules for flaws of small real models: turned limits, invented limits and calls, giving up."""

from dataclasses import replace
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.agents.triggers import findings
from storm_calm.agents.triggers.limit_directions import formula_limits, stated_limits
from storm_calm.agents.triggers.resources import stated_resources
from storm_calm.env import Episode, Problem, Span, Transcript
from storm_calm.sandbox import Execution, SolverReport

QUESTION = (
    "A shop packs boxes and crates. A box holds 12 kilograms and costs $35, a crate 25 kilograms and costs $80. "
    "At least 480 kilograms must be packed, and at most 30 boxes are there. What is the minimum cost?"
)
RIGHT = """from scipy.optimize import linprog
found = linprog([35, 80], A_ub=[[-12, -25], [1, 0]], b_ub=[-480, 30])
print(found.status, found.fun)
"""

WRONG = """import cvxpy as cp
x, y = cp.Variable(2)
cp.solve(cp.Minimize(35 * x + 80 * y), [12 * x + 25 * y >= 480, x <= 30])
print(x.value)
"""


def ran(code, stdout="0 1450.0\n", status="ok", stderr=""):
    return Execution(
        code=code, status=status, stdout=stdout, stderr=stderr, exit_code=int(status != "ok"), isolation="full",
        backend="local",
    )  # fmt: skip


def failed(code, error="AttributeError: module 'cvxpy' has no attribute 'solve'"):
    return ran(code, "", "error", f"Traceback (most recent call last):\n  File main.py\n{error}\n")


def block(code):
    return f"```python\n{code}```\n"


def rules(*parts, question=QUESTION, stop="answer"):
    """Return the rules that fire on an episode of model texts and executions."""
    spans = [Span(source="prompt", text="Q\n")]
    executions = [part for part in parts if isinstance(part, Execution)]
    for part in parts:
        if isinstance(part, Execution):
            spans.append(Span(source="tool", text=f"```output\n{part.stdout}{part.stderr}```\n"))
        else:
            spans.append(Span(source="model", text=part))
    problem = Problem(id="p", question=question, answers=(1450.0,))
    one = Episode(problem=problem, transcript=Transcript(spans=tuple(spans)), executions=tuple(executions), stop=stop)
    return [finding.rule for finding in findings(one)]


def test_a_right_model_in_formulas_and_program_has_no_finding():
    prose = "Minimize \\( 35x + 80y \\) with \\( 12x + 25y \\geq 480 \\) and \\( x \\leq 30 \\).\n"
    assert rules(prose + block(RIGHT), ran(RIGHT), "The answer is \\boxed{1450}.") == []


@pytest.mark.parametrize("formula", ["\\( 12x + 25y \\leq 480 \\)", "12x + 25y <= 480\n", "12x + 25y ≤ 480 (weight)"])
def test_a_limit_turned_around_in_a_formula_is_a_finding(formula):
    assert rules(f"The limit is {formula}.\n{block(RIGHT)}", stop=None) == ["turned_limit"]


STOCK = "A shop has 480 kilograms of flour. A loaf needs 12 kilograms, a cake 25. What is the largest profit?"


@pytest.mark.parametrize("formula", ["\\( 12x + 25y = 480 \\)", "12 * boxes + 25 * crates = 480\n"])
def test_an_equation_for_a_limit_is_a_finding(formula):
    assert rules(f"The limit is {formula}.\n{block(RIGHT)}", stop=None) == ["turned_limit"]


@pytest.mark.parametrize(
    "formula", ["Let \\( x = 30 \\)", "12x + 25y = 480 + s", "\\( 12x + 25y = 480, 12x + 25y \\geq 480 \\)"]
)
def test_other_equations_are_none(formula):
    assert rules(f"The limit is {formula}.\n{block(RIGHT)}", stop=None) == []


def test_what_is_there_is_no_demand_if_the_most_is_asked_for():
    assert stated_limits(STOCK) == {480.0: "<="}
    assert rules("The limit is \\( 12x + 25y \\geq 480 \\).", question=STOCK, stop=None) == ["turned_limit"]
    assert stated_limits(STOCK.replace("largest profit", "least cost")) == {}


def test_people_to_serve_are_a_demand_if_the_least_is_asked_for():
    question = "A school has 190 pupils and 7 teachers. A bus seats 48 pupils. What is the lowest cost?"
    assert stated_limits(question) == {190.0: ">="}
    assert stated_limits(question.replace("lowest cost", "largest number of trips"))[190.0] == "<="


@pytest.mark.parametrize(
    "constraint",
    [
        "s.Add(12 * x + 25 * y <= 480)",
        "s.Constraint(0, 480)",
        "limit = 480\np += 12 * x + 25 * y <= limit",
        "linprog([35, 80], A_ub=[[12, 25], [1, 0]], b_ub=[480, 30])",
        "minimize(f, [0, 0], constraints=[{'type': 'ineq', 'fun': lambda x: 480 - 12 * x[0] - 25 * x[1]}])",
    ],
)
def test_a_limit_turned_around_in_a_program_is_a_finding(constraint):
    assert "turned_in_program" in rules(block(f"{constraint}\nprint(s.Solve(), 12, 25, 30)\n"), stop=None)


@pytest.mark.parametrize(
    "constraint",
    [
        "s.Add(12 * x + 25 * y >= 480)",
        "s.Constraint(480, s.infinity())",
        "linprog([35, 80], A_ub=[[-12, -25], [1, 0]], b_ub=[-480, 30])",
        "minimize(f, [0, 0], constraints=[{'type': 'ineq', 'fun': lambda x: 12 * x[0] + 25 * x[1] - 480}])",
        "if total <= 480:\n    pass",
    ],
)
def test_a_limit_in_the_right_direction_is_none(constraint):
    assert "turned_in_program" not in rules(block(f"{constraint}\nprint(s.Solve(), 12, 25, 30)\n"), stop=None)


def test_a_number_with_two_directions_or_two_meanings_is_not_compared():
    assert stated_limits("At least 40 tins and at most 40 bags.") == {}
    assert stated_limits("At least 40 tins; a tin has 40 grams.") == {}
    assert stated_limits("At least 40% of the tins, and up to 1,200 bags.") == {1200.0: "<="}


def test_a_limit_that_is_not_in_the_question_is_a_finding():
    assert rules("We assume that \\( x + y \\leq 77 \\).\n", stop=None) == ["invented_limit"]
    assert rules("So \\( x + y \\leq 510 \\).\n", stop=None) == []  # 480 + 30.


@pytest.mark.parametrize("formula", ["\\( x \\leq y \\)", "$x_1 <= x_2$", "x ≥ y\n"])
def test_a_comparison_is_a_finding_if_the_question_compares_nothing(formula):
    assert rules(f"Balance: {formula}\n", stop=None) == ["invented_limit"]
    compared = f"{QUESTION} There must be more boxes than crates."
    assert rules(f"Balance: {formula}\n", question=compared, stop=None) == []


def test_bounds_and_sums_are_no_comparison():
    assert rules("\\( x \\leq 30 \\), \\( x + y \\leq z \\) and \\( 2x \\leq 3y \\).\n", stop=None) == []


def test_an_end_without_a_program_is_a_finding_unless_the_text_was_cut():
    assert rules("What is the minimum cost?", stop="malformed") == ["by_hand"]
    assert rules("What is the minimum cost?", stop="length") == []


def test_a_limit_that_is_dropped_after_an_infeasible_status_is_a_finding():
    loosened = RIGHT.replace("-480", "-4")
    first = [f"All limits.\n{block(RIGHT)}", ran(RIGHT, "Status: Infeasible\n"), f"I loosen it.\n{block(loosened)}"]
    assert rules(*first, stop=None) == ["missing_constraint"]
    solved = [f"All limits.\n{block(RIGHT)}", ran(RIGHT), f"What if?\n{block(loosened)}"]
    assert rules(*solved, stop=None) == []


def test_prose_with_only_the_other_sense_is_a_finding():
    assert rules("We maximize the cost.\n", stop=None) == ["sense_in_words"]
    assert rules("We maximize the negative cost.\n", stop=None) == []


def test_a_call_that_does_not_exist_is_a_finding_once_it_is_not_repaired():
    wrong = WRONG
    once = [block(wrong), failed(wrong)]
    assert "invented_call" not in rules(*once, f"Let me repair it.\n{block(RIGHT)}", ran(RIGHT), "\\boxed{1450}")
    assert "invented_call" in rules(*once, f"Again.\n{block(wrong)}", stop=None)
    other = wrong.replace("cp.solve", "cp.run")
    assert "invented_call" in rules(*once, block(other), failed(other), "Hm.", stop="length")


@pytest.mark.parametrize("text", ["You need to run pip install cvxpy.", "I cannot run this code here."])
def test_giving_up_after_a_failed_program_is_a_finding(text):
    wrong = WRONG
    assert rules(block(wrong), failed(wrong), text, stop="malformed") == ["gave_up"]


def test_a_proved_result_that_is_called_wrong_is_a_finding_if_the_same_is_solved_again():
    report = SolverReport(library="scipy.optimize", solver="HIGHS", status="optimal", objective=1450.0)
    proved = replace(ran(RIGHT), reports=(report,))
    doubt = "The value means that the solution is not feasible. Here is the corrected code:\n"
    assert rules(block(RIGHT), proved, doubt + block(RIGHT), stop=None) == ["rejected_result"]
    changed = RIGHT.replace("[1, 0]", "[1, 7]")
    assert "rejected_result" not in rules(block(RIGHT), proved, doubt + block(changed), stop=None)
    assert rules(block(RIGHT), ran(RIGHT), doubt + block(RIGHT), stop=None) == []


def test_an_end_without_an_answer_after_a_failed_program_is_giving_up():
    wrong = WRONG
    assert rules(block(wrong), failed(wrong), "There is an error.", stop="malformed") == ["gave_up"]
    assert rules(block(wrong), failed(wrong), "There is", stop=None) == []


@given(st.text(alphabet="x1 \\leq<>=≤≥$(){}.,+-0\n", max_size=300))
def test_any_text_has_formulas_or_none(text):
    assert all(direction in ("<=", ">=", "=") for _, direction, _ in formula_limits(text))


@pytest.mark.parametrize(
    "code",
    [
        "a0 = 1\n" + "".join(f"a{n + 1} = a{n} + a{n}\n" for n in range(2000)) + "s.Add(a2000 <= 480)\n" * 2000,
        "s.Add(" + " + ".join(["x"] * 5000) + " <= 480)\n",
        "s.Add(" + "(" * 80 + "x" + ")" * 80 + " <= 480)\n" * 3000,
    ],
    ids=["names", "sum", "brackets"],
)
@pytest.mark.slow
def test_long_programs_take_bounded_time(code):
    started = process_time()
    rules(block(f"{code}print(s.Solve())\n"), stop=None)
    assert process_time() - started < 10


@pytest.mark.parametrize(
    "text",
    ["x \\leq 480 " * 60_000, "(" * 500_000, "1(" * 300_000, "solve for " * 80_000],
    ids=["formulas", "brackets", "products", "words"],
)
@pytest.mark.slow
def test_long_prose_takes_bounded_time(text):
    started = process_time()
    rules(text, stop=None)
    assert process_time() - started < 10


REPORT = SolverReport(library="scipy.linprog", solver="", status="optimal", objective=1450.0)
PLAN_RUN = replace(ran(RIGHT, "Objective: 1450.0\nboxes = 30.0 crates = 5.0\n"), reports=(REPORT,))


@pytest.mark.parametrize(
    "answer",
    [
        "So the answer is \\boxed{30} boxes and \\boxed{5} crates.",
        "So the answer is \\(\\boxed{30 \\text{ boxes and } 5 \\text{ crates}}\\).",
    ],
)
def test_values_of_variables_in_the_box_are_a_finding(answer):
    assert rules(block(RIGHT), PLAN_RUN, answer) == ["boxed_plan"]


@pytest.mark.parametrize(
    "answer",
    [
        "30 boxes and 5 crates cost \\boxed{1450}.",
        "\\boxed{30} boxes and \\boxed{5} crates cost \\boxed{1450}.",
        "\\boxed{30}, \\boxed{77}",
    ],
)
def test_a_box_with_the_objective_or_other_numbers_is_no_plan(answer):
    assert "boxed_plan" not in rules(block(RIGHT), PLAN_RUN, answer)


def test_a_failed_program_that_runs_again_is_a_finding():
    assert "same_again" in rules(block(WRONG), failed(WRONG), f"Again:\n{block(WRONG)}", failed(WRONG), stop=None)
    assert "same_again" not in rules(block(WRONG), failed(WRONG), f"Again:\n{block(RIGHT)}", ran(RIGHT), stop=None)
    assert "same_again" not in rules(block(RIGHT), ran(RIGHT), f"To be sure:\n{block(RIGHT)}", ran(RIGHT), stop=None)


def test_programs_that_only_do_arithmetic_are_no_solution():
    most = "boxes = 480 / 12\ncrates = 480 / 25\nprint(min(boxes * 35, crates * 80))\n"
    answer = "So the answer is \\boxed{1400}."
    assert rules(block(most), ran(most, "1400.0\n"), answer)[0] == "fragment"
    assert "fragment" not in rules(block(most), ran(most, "1400.0\n"), block(RIGHT), ran(RIGHT), answer)
    search = "print(min(35 * x for x in range(99) if 12 * x >= 480))\n"
    assert "fragment" not in rules(block(search), ran(search, "1400\n"), answer)


def test_a_question_of_digits_is_read_in_linear_time():
    begin = process_time()
    assert stated_limits("1" * 20_000 + " kilograms are available. What is the minimum cost?") == {}
    assert stated_resources("1" * 20_000 + " kilograms of oil") == {}
    assert process_time() - begin < 2
