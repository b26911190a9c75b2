"""The rules on texts of reasoning models: long prose, derived numbers, second programs, results in words."""

import pytest

from storm_calm.agents.triggers import findings
from storm_calm.agents.triggers.arithmetic import number_words, unit_factors, worked
from storm_calm.agents.triggers.modelling import stated_types, wanted_sense
from storm_calm.env import Episode, Problem, Span, Transcript
from storm_calm.sandbox import Execution, SolverReport

QUESTION = (
    "A cannery fills jars for two markets. A large jar takes 14 minutes and earns $31, a small one 8 minutes and $17. "
    "At most 650 minutes are left. Jars are sold in whole units. What is the largest gain?"
)

RIGHT = """from ortools.linear_solver import pywraplp
s = pywraplp.Solver.CreateSolver('SCIP')
x = s.IntVar(0, s.infinity(), '')
y = s.IntVar(0, s.infinity(), '')
s.Add(14 * x + 8 * y <= 650)
s.Maximize(31 * x + 17 * y)
s.Solve()
print(s.Objective().Value())
"""

SUMS = "46 × 31 = 1426. 46 × 14 = 644. And 1426 + 17 = 1443.\n"


def solved(objective=1435.0, status="optimal"):
    return SolverReport(library="ortools.linear_solver", solver="SCIP", status=status, objective=objective)


def ran(code, stdout="1435.0\n", reports=None):
    reports = (solved(),) if reports is None else reports
    return Execution(
        code=code, status="ok", stdout=stdout, exit_code=0, isolation="full", backend="local", reports=reports
    )


def rules(*parts, question=QUESTION, stop="answer"):
    """Return the rules that fire on a trajectory of model texts and executions, in order."""
    return [finding.rule for finding in findings(run(*parts, question=question, stop=stop))]


def run(*parts, question=QUESTION, stop="answer"):
    spans = [Span(source="prompt", text=f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n<think>\n")]
    for part in parts:
        tool = isinstance(part, Execution)
        spans.append(
            Span(source="tool", text=f"```output\n{part.stdout}```\n") if tool else Span(source="model", text=part)
        )
    executions = tuple(part for part in parts if isinstance(part, Execution))
    problem = Problem(id="p", question=question, answers=(1435.0,))
    return Episode(problem=problem, transcript=Transcript(spans=tuple(spans)), executions=executions, stop=stop)


def block(code):
    return f"```python\n{code}```\n"


def answer(value):
    return f"</think>\n\\boxed{{{value}}}"


def begin(*parts, question=QUESTION):
    return rules(*parts, question=question, stop=None)


# Manual computation


def test_many_equations_before_a_program_are_work_by_hand_but_a_few_are_not():
    assert begin(SUMS + block(RIGHT)) == []
    assert begin(SUMS * 2 + block(RIGHT)) == ["by_hand"]


def test_equations_in_words_count():
    text = "46 times 31 is 1426. 46 times 14 is 644. 1426 plus 17 makes 1443.\n"
    assert begin(text) == ["by_hand"]


def test_sums_after_a_result_are_a_check():
    one = (block(RIGHT), ran(RIGHT), f"Quick check by hand: {SUMS}{answer(1435)}")
    assert rules(*one) == []


@pytest.mark.parametrize(
    "text",
    [
        "I could do this by hand. There are not so many corners.\n",
        "Let me do it by hand... no, a program is safer, but first the model.\n",
        "Let me list the corners by hand. Hmm, that is error-prone with two limits.\n",
        "Doing it manually would be slow.\n",
        "I won't work this out by hand.\n",
    ],
)
def test_considering_work_by_hand_is_not_a_flaw(text):
    assert begin(text) == []


# Fragmented code


def test_a_block_that_prints_only_literals_is_a_fragment():
    assert begin(block("gain = [31, 17]\nprint('data are ready')\n")) == ["fragment"]
    assert begin(block("gain = [31, 17]\nprint('sum', sum(gain))\n")) == []


@pytest.mark.parametrize(
    ("text", "imagined"),
    [
        ("It would print a cost of 1435 then.\n", True),
        ("If I ran the program, the solver would print the plan. The script would return 1435.\n", True),
        ("I expect it to print x = 3.\n", True),
        ("The output would be about 7.\n", True),
        ("The program will print the status and the gain.\n", False),
        ("If nothing fits, the solver would return status 20.\n", False),
        ("The code should print all 12 values.\n", False),
        ("The solver would give a whole number anyway.\n", False),
    ],
)
def test_an_imagined_output_needs_a_result(text, imagined):
    assert begin(text) == (["imagined_output"] if imagined else [])


def test_an_imagined_output_is_located_at_its_first_mention():
    one = run("Fine.\nIf I ran it, the program would print the plan first. Then it would print 1435.\n", stop=None)
    (found,) = findings(one)
    assert one.transcript.text[found.offset :].startswith("If I ran it")


# Solver distrust, status and error


def test_rederiving_a_doubted_result_is_distrust_even_with_the_same_answer():
    doubted = f"1435 seems too low. {SUMS}So it is right.\n{answer(1435)}"
    assert rules(block(RIGHT), ran(RIGHT), doubted) == ["overruled"]
    assert rules(block(RIGHT), ran(RIGHT), f"1435 seems too low. But it is proven.\n{answer(1435)}") == []


@pytest.mark.parametrize("derived", ["1335", "14.35", "2870", "2066", "1435"])
def test_an_answer_one_step_from_the_result_is_not_distrust(derived):
    question = QUESTION.replace("At most", "Rent is $100, and $631 come from the shop for 2 stalls. At most")
    assert "overruled" not in rules(block(RIGHT), ran(RIGHT), answer(derived), question=question)


def test_an_answer_of_an_earlier_program_is_not_distrust():
    check = RIGHT.replace("650", "651")
    later = ran(check, "1437.0\n", reports=(solved(1437.0),))
    assert "overruled" not in rules(block(RIGHT), ran(RIGHT), f"What with 651?\n{block(check)}", later, answer(1435))


def test_doubting_an_infeasible_status_is_distrust_and_ignoring_it_is_drift():
    infeasible = ran(RIGHT, "infeasible\n", reports=(solved(None, "infeasible"),))
    assert rules(block(RIGHT), infeasible, f"That can't be. I take 1400.\n{answer(1400)}") == ["overruled"]
    assert rules(block(RIGHT), infeasible, f"So about 1400.\n{answer(1400)}") == ["status_ignored"]
    assert rules(block(RIGHT), infeasible, f"There is no plan.\n{answer('infeasible')}") == []


def test_an_infeasible_final_check_does_not_invalidate_the_optimum():
    check = RIGHT.replace("s.Solve()", "s.Add(31 * x + 17 * y >= 1436)\ns.Solve()")
    infeasible = ran(check, "no better plan\n", reports=(solved(None, "infeasible"),))
    assert "status_ignored" not in rules(block(RIGHT), ran(RIGHT), block(check), infeasible, answer(1435))


def test_a_caught_solver_failure_is_an_unrepaired_error():
    code = "try:\n" + "".join(f"    {line}\n" for line in RIGHT.splitlines()) + "except Exception as e:\n    print(e)\n"
    failed = ran(code, "no such solver, code 71\n", reports=())
    assert rules(block(code), failed, f"I estimate 1400.\n{answer(1400)}") == ["unmended_error"]


def test_a_failing_check_after_the_answer_is_not_a_flaw():
    failed = Execution(code=RIGHT, status="error", stderr="NameError", exit_code=1, isolation="full", backend="local")
    assert rules(block(RIGHT), ran(RIGHT), f"Again:\n{block(RIGHT)}", failed, answer(1435)) == []


# Wrong formulation


def test_a_negated_objective_is_not_the_wrong_sense():
    code = RIGHT.replace("s.Maximize(31", "s.Minimize(-31").replace("+ 17", "- 17")
    assert begin(block(code)) == []


def test_maximizing_with_linprog_without_negation_is_the_wrong_sense():
    code = "from scipy.optimize import linprog\nr = linprog([31, 17], A_ub=[[14, 8]], b_ub=[650])\nprint(r.fun)\n"
    assert "wrong_sense" in begin(block(code))
    assert "wrong_sense" not in begin(block(code.replace("[31, 17]", "[-31, -17]")))


def test_the_opposite_sense_in_a_second_program_is_not_a_flaw():
    other = RIGHT.replace("Maximize", "Minimize")
    assert "wrong_sense" not in begin(block(RIGHT), ran(RIGHT), f"The range:\n{block(other)}")


@pytest.mark.parametrize(
    ("question", "sense"),
    [
        ("At least as many pears as plums are packed. What is the largest gain?", "maximize"),
        ("At least as many pears as plums are packed. How much is earned?", None),
        ("She wants to minimise the cost. The largest van holds 9 boxes. Give the cost.", "minimize"),
        ("The largest van holds 9 boxes. What is the lowest cost?", "minimize"),
    ],
)
def test_limits_and_descriptions_do_not_set_the_sense(question, sense):
    assert wanted_sense(question) == sense


# Missing constraint and misread numbers


@pytest.mark.parametrize(
    ("limit", "code"),
    [
        ("At most 5 shifts of 130 minutes are left", "650"),
        ("At most 600 and 50 minutes are left", "650"),
        ("At most 13 hours, that is minutes, are left", "780"),
        ("At most 32.5 minutes are left", "325"),
    ],
)
def test_a_limit_in_another_form_is_not_missing(limit, code):
    question = QUESTION.replace("At most 650 minutes are left", limit)
    assert begin(block(RIGHT.replace("650", code)), question=question) == []


def test_a_stated_limit_missing_from_the_program_is_drift():
    code = RIGHT.replace("s.Add(14 * x + 8 * y <= 650)\n", "s.Add(x <= y)\n")
    assert begin(f"Time: 14 x + 8 y <= 650.\n{block(code)}") == ["misread_number"]
    assert begin(block(code)) == ["missing_constraint"]


def test_fewer_constraints_in_a_second_program_are_not_a_flaw():
    less = RIGHT.replace("s.Add(14 * x + 8 * y <= 650)\n", "s.Add(x <= 9)\n")
    assert begin(block(RIGHT), ran(RIGHT), f"Without the time:\n{block(less)}") == []


def test_unused_variables_are_missing_only_with_numbers_of_the_question():
    assert begin(block(RIGHT.replace("650)", "650)\nM = 1000\nname = ['a', 'b']"))) == []
    question = QUESTION.replace("At most", "It needs 45 lids. At most")
    assert begin(block(RIGHT.replace("650)", "650)\nlids = 45")), question=question) == ["missing_constraint"]


def test_constraint_methods_with_other_names_are_recognized():
    code = (
        "from ortools.sat.python import cp_model\nm = cp_model.CpModel()\n"
        "a = m.NewIntervalVar(0, 14, 650, 'a')\nb = m.NewIntervalVar(0, 8, 31, 'b')\nm.AddNoOverlap([a, b])\n"
        "print(cp_model.CpSolver().Solve(m), 17)\n"
    )
    assert "missing_constraint" not in begin(block(code))


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("The oven is free for two days of 40 hours.", "80"),
        ("It takes sixty jars.", "60"),
        ("It has fewer than 12 shelves.", "11"),
        ("A lid weighs 28.9 g.", "289"),
    ],
)
def test_a_number_derived_from_the_question_is_not_misread(words, number):
    question = QUESTION.replace("At most", f"{words} At most")
    assert "misread_number" not in begin(block(RIGHT.replace("650)", f"650)\ns.Add(x <= {number})")), question=question)


def test_a_number_printed_by_an_earlier_program_is_not_misread():
    later = RIGHT.replace("s.Solve()", "s.Add(x <= 651)\ns.Solve()").replace("<= 650", "<= 2 * 325")
    assert begin(block(later)) == ["misread_number"]
    first = ran(RIGHT, "651\n")
    assert "misread_number" not in begin(block(RIGHT), first, block(later))


# Wrong variable type


@pytest.mark.parametrize(
    ("question", "types"),
    [
        ("Fractional amounts are fine.", (False, True)),
        ("Fractional amounts are not allowed.", (True, False)),
        ("The tonnes need not be integers.", (False, True)),
        ("It can be poured in any amount.", (False, True)),
        ("Materials without a stock figure can be bought in any amount.", (False, True)),
        ("Solve it without any fractional amounts.", (True, False)),
        ("A fraction of the visitors walks.", (False, False)),
        ("The opening stock is 40.", (False, False)),
    ],
)
def test_a_negated_type_means_the_other_one(question, types):
    assert stated_types(question) == types


def test_a_deliberate_relaxation_is_not_a_flaw():
    relaxed = RIGHT.replace("IntVar", "NumVar")
    assert begin(block(relaxed)) == ["wrong_type"]
    assert begin(f"The LP relaxation gives a bound.\n{block(relaxed)}") == []
    assert begin(block(RIGHT), ran(RIGHT), f"Without whole units:\n{block(relaxed)}") == []


# Arithmetic in prose


def test_numbers_of_equations_in_prose_end_with_the_result():
    assert worked("12 jars × 5 = 60, so (3 * 40) is $120; and 2x + 3y = 7") == [[12.0, 5.0, 60.0], [3.0, 40.0, 120.0]]
    assert number_words("two weeks of forty hours") == {2.0, 40.0}
    assert unit_factors("How many minutes in a week?") == {7.0, 60.0}


@pytest.mark.parametrize("piece", ["(", "1", "1,", "1+", "1 a ", "by hand ", "it would print ", "program ", "not "])
def test_repetitive_text_is_processed_in_time(piece):
    found = begin(f"{piece * (60_000 // len(piece))}\n")
    assert found == (["by_hand"] if piece == "by hand " else [])


def test_numbers_too_large_for_floats_are_ignored():
    huge = "9" * 400
    question = QUESTION.replace("At most", f"It is number {huge}. At most")
    code = RIGHT.replace("650)", f"650)\nx = {huge}\ny = 1e999")
    executed = ran(code, f"{huge} 1435\n", reports=(solved(1e300), solved(None)))
    assert rules(f"{huge} * 2 = {huge}.\n{block(code)}", executed, answer(7), question=question) == ["overruled"]
