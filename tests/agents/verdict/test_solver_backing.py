"""An answer is compared with the solver reports: backed, contradicted or unbacked."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.agents.verdict import backed_by_report, solver_backing, verdict
from storm_calm.env import Episode, Problem, SolverEnv
from support.answered_episode import CODE, QUESTION, answered, report
from support.fake_reasoner import FakeReasoner, direct


def backing(answer, *reports, **more):
    found = solver_backing(answered(answer, reports=reports, **more))
    return found.backing, found.match


@pytest.mark.parametrize(
    ("answer", "objective", "match"),
    [
        ("30", 30.0, "exact"),
        ("30.00", 30.000001, "exact"),
        ("1333.33", 1333.3333333, "exact"),
        ("30", -30.0, "sign"),
        ("1047.6", 1047.6363636, "rounded"),
        ("123457", 123456.7, "rounded"),
        ("31", 30.0, None),
        ("3.2", 3.14159, None),
        ("30", 30.4, None),
    ],
)
def test_a_number_is_backed_up_to_sign_and_rounding(answer, objective, match):
    # The program prints neither, so one more operation is no explanation.
    wanted = ("contradicted", None) if match is None else ("backed", match)
    assert backing(answer, report(objective=objective), stdout="done\n") == wanted


@pytest.mark.parametrize(
    ("answer", "code", "stdout", "backed"),
    [
        ("130", CODE + " + 100", "130\n", True),
        ("0.3", CODE + " / 100", "0.3\n", True),
        ("130", CODE + " + 100", "done\n", False),
        ("137", CODE + " + 100", "137\n", False),
    ],
)
def test_one_more_operation_of_the_program_is_backed_if_it_was_printed(answer, code, stdout, backed):
    found = backing(answer, report(objective=30.0), code=code, stdout=stdout)
    assert found == (("backed", "derived") if backed else (found[0], None))
    assert (found[0] == "backed") is backed


@pytest.mark.parametrize(
    ("question", "answer", "objective", "stdout", "wanted"),
    [
        ("A bag of 82 and 31. Round to whole dollars.", 93, 92.7436, "92.7436\n", ("backed", "rounded")),
        ("A bag of 82 and 31. How many dollars?", 93, 92.7436, "92.7436\n", ("contradicted", None)),
        ("A bag of 82 and 31 is taxed at 12%.", 88, 100.0, "88.0\n", ("backed", "derived")),
        ("A bag of 82 and 31 lasts 4 weeks.", 400, 100.0, "100.0\n", ("unbacked", None)),
        ("A bag of 82 and 31 lasts 4 weeks.", 410, 100.0, "100.0\n", ("contradicted", None)),
        ("Three slots for six exams. Which profit?", 30, 30.0, "30\n", ("backed", "exact")),
    ],
)
def test_rounding_taxes_and_one_operation_in_the_text(question, answer, objective, stdout, wanted):
    assert backing(answer, report(objective=objective), question=question, stdout=stdout) == wanted


@pytest.mark.parametrize("kinds", [{"integer": 0}, {"integer": 0, "constraints": 5}, {"fixed": 3}])
def test_a_solve_without_free_variables_backs_nothing(kinds):
    found = solver_backing(answered(30, reports=[report(objective=30.0, **kinds)]))
    assert (found.backing, found.reason) == ("unbacked", "the solved model has no free variables")


def test_a_solve_without_the_numbers_of_the_question_backs_nothing():
    code = "x = m.var(30, 30)\nm.minimize(x)\nm.solve()"
    # Numbers in a comment are not used.
    for program in (code, f"# {QUESTION}\n{code}", f"{code}  # {QUESTION}", f"{code}\n# {QUESTION}\nif ("):
        found = solver_backing(answered(30, code=program, reports=[report(objective=30.0)]))
        assert (found.backing, found.reason) == ("unbacked", "the programs use few of the numbers in the question")
    data = f'data = """# {QUESTION}"""\n{code}'
    assert solver_backing(answered(30, code=data, reports=[report(objective=30.0)])).backing == "backed"


@pytest.mark.parametrize(
    "code",
    ["rows = '31 82 30'", "w, c, p = 0.31, 0.82, 30", "import csv\nrows = csv.reader(open('costs.csv'))"],
    ids=["in a string", "as shares", "in a file"],
)
def test_numbers_of_the_question_may_be_in_strings_converted_or_in_files(code):
    question = "A bag holds 82% of 31 g. It earns 30."
    assert backing(30, report(objective=30.0), code=code, question=question)[0] == "backed"


@pytest.mark.parametrize(
    ("answer", "statuses", "wanted"),
    [
        ("infeasible", ["infeasible"], "backed"),
        ("unbounded", ["unbounded"], "backed"),
        ("unbounded", ["infeasible"], "unbacked"),
        ("infeasible", ["optimal"], "contradicted"),
        ("infeasible", ["infeasible", "optimal"], "contradicted"),
        ("30", ["infeasible"], "contradicted"),
        ("30", ["unbounded"], "contradicted"),
        ("30", ["limit"], "unbacked"),
        ("30", ["error"], "unbacked"),
    ],
)
def test_statuses_are_compared_with_the_last_solve(answer, statuses, wanted):
    reports = [report(status, 50.0 if status == "optimal" else None) for status in statuses]
    assert backing(answer, *reports, stdout="done\n")[0] == wanted


def test_an_earlier_solve_backs_an_answer():
    assert backing(30, report(objective=30.0), report("infeasible"))[0] == "backed"


def test_an_answer_without_a_program_or_a_report_is_unbacked():
    assert solver_backing(answered(30, code=None)).reason == "no program ran"
    assert solver_backing(answered(30)).reason == "no solver reported a result"


def test_an_episode_without_an_answer_has_no_backing():
    episode = Episode(problem=Problem(id="p", question="Q?", answers=()), stop="length")
    assert solver_backing(episode).backing == "no_answer"


def test_scipy_maximizes_by_minimizing_the_negative(sandbox):
    env = SolverEnv(sandbox, FakeReasoner(direct))
    env.reset(Problem(id="p", question="A shed has 7 m. One plank takes 1 m and earns 4. What profit?", answers=()))
    program = "from scipy.optimize import linprog\nr = linprog([-4], bounds=[(0, 7)])\nprint(-r.fun)"
    env.step(f"```python\n{program}\n```\n")
    env.step("\\boxed{28}")
    found = solver_backing(env.episode)
    assert (found.backing, found.match) == ("backed", "sign")


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_the_comparison_never_raises_and_exact_answers_are_backed(answer, objective):
    text = f"{answer:.6f}"
    found = solver_backing(answered(text, reports=[report(objective=objective)], stdout=f"{objective}\n"))
    assert found.backing in ("backed", "contradicted", "unbacked")
    if math.isclose(float(text), objective, rel_tol=1e-7):
        assert backed_by_report(answered(text, reports=[report(objective=objective)]))


def test_a_follow_up_question_has_its_data_in_an_earlier_message():
    turns = [QUESTION, "\\boxed{30}", "And with 40 g more?"]
    code = CODE.replace("82", "122")
    follow_up = answered(60, code=code, question=turns[-1], reports=[report(objective=60.0)], stdout="60\n")
    assert solver_backing(follow_up, turns).backing == "backed"
    assert solver_backing(follow_up).reason == "the programs use few of the numbers in the question"


def test_thousands_of_numbers_and_solves_are_judged():
    weights = ", ".join(str(7 * number + 13) for number in range(5000))
    code = f"{CODE}\nothers = [{', '.join(f'{7 * number + 11.3:.1f}' for number in range(5000))}]"
    reports = [report(objective=100.5 + number) for number in range(1000)]
    many = answered(30, code=code, question=f"{QUESTION} Weights: {weights}.", reports=reports, stdout=weights)
    assert verdict(many).backing in ("unbacked", "contradicted")
