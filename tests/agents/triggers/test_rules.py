"""The rules of the seven triggers: each fires on its flaw, at its place, and not on honest work."""

import pytest

from storm_calm.agents.interveners import RulesIntervener
from storm_calm.agents.interveners.hints import HINTS, hint_for
from storm_calm.agents.interveners.plain_hints import PLAIN_HINTS
from storm_calm.agents.triggers import TRIGGER_OF, findings
from storm_calm.agents.triggers.modelling import wanted_sense
from storm_calm.env import Episode, Problem, Span, Transcript
from storm_calm.env.intervention import TRIGGERS
from storm_calm.sandbox import Execution, SolverReport

QUESTION = (
    "A workshop makes chairs and tables. A chair needs 12 hours and earns $35. A table needs 25 hours and earns $80. "
    "At most 480 hours are available. Only whole units are possible. What is the maximum profit?"
)

RIGHT = """from ortools.linear_solver import pywraplp
s = pywraplp.Solver.CreateSolver('SCIP')
x = s.IntVar(0, s.infinity(), '')
y = s.IntVar(0, s.infinity(), '')
s.Add(12 * x + 25 * y <= 480)
s.Maximize(35 * x + 80 * y)
s.Solve()
print(s.Objective().Value())
"""


def clean(hint):
    """Accept every hint."""


def report(status="optimal", objective=1515.0, *, integer=2):
    return SolverReport(
        library="ortools.linear_solver", solver="SCIP", status=status, sense="maximize", objective=objective,
        bound=objective, gap=0.0, continuous=2 - integer, integer=integer, binary=0, constraints=1, seconds=0.01,
    )  # fmt: skip


def ran(code, stdout="1515.0\n", status="ok", stderr="", reports=None):
    return Execution(
        code=code, status=status, stdout=stdout, stderr=stderr, exit_code=int(status != "ok"), isolation="full",
        backend="local", reports=(report(),) if reports is None else reports,
    )  # fmt: skip


def episode(*parts, question=QUESTION, stop="answer"):
    """Return an episode of model texts and executions in turn. Every text except the last ends with a program."""
    spans = [Span(source="prompt", text=f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n<think>\n")]
    executions = []
    for part in parts:
        if isinstance(part, Execution):
            executions.append(part)
            spans.append(Span(source="tool", text=f"```output\n{(part.stdout + part.stderr).strip()}\n```\n"))
        elif isinstance(part, Span):
            spans.append(part)
        else:
            spans.append(Span(source="model", text=part))
    problem = Problem(id="p", question=question, answers=(1515.0,))
    return Episode(problem=problem, transcript=Transcript(spans=tuple(spans)), executions=tuple(executions), stop=stop)


def block(code):
    return f"```python\n{code}```\n"


def answer(value):
    return f"</think>\nThe answer is \\boxed{{{value}}}."


def rules(found):
    return [finding.rule for finding in found]


def at(one, found):
    return one.transcript.text[found.offset :]


def test_a_flawless_trajectory_has_no_finding():
    one = episode(
        f"Whole units, one limit.\n{block(RIGHT)}", ran(RIGHT), f"The solver returns 1515.0.\n{answer('1515')}"
    )
    assert findings(one) == []
    assert RulesIntervener().inspect(one, clean).finding is None


def test_a_repaired_program_is_not_a_flaw():
    broken = RIGHT.replace("Maximize", "maximise")
    failed = ran(broken, "", "error", "AttributeError: 'Solver' object has no attribute 'maximise'", ())
    one = episode(
        block(broken), failed, f"There is no such method. Let me mend it.\n{block(RIGHT)}", ran(RIGHT), answer(1515)
    )
    assert findings(one) == []


def test_repairing_a_program_after_an_implausible_result_is_not_a_flaw():
    wrong = RIGHT.replace("<=", ">=")
    one = episode(
        block(wrong),
        ran(wrong, "0.0\n", reports=(report(objective=0.0),)),
        f"A result of 0 does not look right. One inequality points the wrong way.\n{block(RIGHT)}",
        ran(RIGHT),
        answer(1515),
    )
    assert findings(one) == []


def test_working_by_hand_is_located_at_its_start():
    one = episode("Two products. Let me work it out by hand. 480 / 25 = 19 tables.", stop=None)
    (found,) = findings(one)
    assert (found.rule, found.trigger) == ("by_hand", "manual_computation")
    assert at(one, found).startswith("Let me work it out by hand.")


@pytest.mark.parametrize(
    "text",
    [
        "Instead of working by hand, I will write a program.",
        "I should not do this manually.",
        "Solving this by hand is unreliable, so I use code.",
        "A check: 12 * 40 = 480, which fits.",
    ],
)
def test_mentioning_work_by_hand_is_not_a_flaw(text):
    assert findings(episode(f"{text}\n", stop=None)) == []


def test_a_chain_of_worked_equations_without_a_program_is_working_by_hand():
    text = "Try tables only.\n19 * 80 = 1520\n19 * 25 = 475\n1520 + 35 = 1555\n"
    assert rules(findings(episode(text, stop=None))) == ["by_hand"]
    assert findings(episode(text + block(RIGHT), stop=None)) == []


def test_an_answer_without_an_execution_is_working_by_hand():
    assert rules(findings(episode(f"Tables pay best.\n{answer(1515)}"))) == ["by_hand"]


def test_a_program_fragment_is_located_at_its_block():
    one = episode(f"First the data.\n{block('p = [35, 80]')}", stop=None)
    (found,) = findings(one)
    assert found.rule == "fragment"
    assert at(one, found).startswith("```python\np = [35, 80]")


def test_enumeration_without_a_solver_is_not_a_fragment():
    code = "print(max(35 * a + 80 * b for a in range(41) for b in range(20) if 12 * a + 25 * b <= 480))\n"
    assert findings(episode(block(code), ran(code, reports=()), answer(1515))) == []


def test_an_imagined_output_is_found():
    one = episode("A program for this would print about 1500.\n", stop=None)
    assert rules(findings(one)) == ["imagined_output"]


def test_solver_distrust_is_located_at_the_doubt():
    one = episode(
        block(RIGHT),
        ran(RIGHT),
        f"The solver returns 1515.0.\nThat does not look right, I would expect 1600.\n{answer(1600)}",
    )
    (found,) = findings(one)
    assert found.trigger == "solver_distrust"
    assert at(one, found).startswith("That does not look right")


@pytest.mark.parametrize("value", ["1515", "1515.00", "1,515", "1514.9999"])
def test_a_rounded_answer_is_not_distrust(value):
    assert findings(episode(block(RIGHT), ran(RIGHT), answer(value))) == []


def test_the_wrong_sense_is_found_before_the_program_runs():
    code = RIGHT.replace("Maximize", "Minimize")
    (found,) = findings(episode(block(code), stop=None))
    assert (found.trigger, found.rule) == ("wrong_formulation", "wrong_sense")


@pytest.mark.parametrize(
    ("question", "sense"),
    [
        ("What is the maximum profit?", "maximize"),
        ("Use at most 40 hours and at least 3 workers. Minimize the cost.", "minimize"),
        ("What is the least total?", "minimize"),
        ("How much value can be taken at most?", "maximize"),
        ("At least 5 g are required. What does the cheapest mix cost?", "minimize"),
        ("Keep the maximum load low. What is the minimum number of trucks?", "minimize"),
        ("How many trucks are there?", None),
    ],
)
def test_the_wanted_sense_is_read_from_the_question(question, sense):
    assert wanted_sense(question) == sense


def test_a_limit_missing_from_the_program_is_a_missing_constraint():
    code = RIGHT.replace("s.Add(12 * x + 25 * y <= 480)\n", "")
    (found,) = findings(episode(block(code), stop=None))
    assert found.rule == "missing_constraint"
    assert "480" in found.evidence


def test_unused_data_is_a_missing_constraint():
    code = RIGHT.replace("x = s", "limit = [480]\nx = s", 1).replace("s.Add(12 * x + 25 * y <= 480)\n", "")
    (found,) = findings(episode(block(code), stop=None))
    assert found.evidence.startswith("limit is set")


def test_a_comprehension_variable_is_not_a_use_of_the_data():
    code = (
        "import pulp\na = [480]\np = pulp.LpProblem('x', pulp.LpMaximize)\nv = [pulp.LpVariable('v', cat='Integer')]\n"
        "p += sum(a * b for a, b in zip([35], v))\np.solve()\nprint(p)\n"
    )
    assert rules(findings(episode(block(code), stop=None))) == ["missing_constraint"]


def test_a_limit_applies_to_every_item_of_a_list():
    question = "A mix needs at least 28 g of protein, 61 g of fat and 179 g of iron. Minimize the cost."
    code = RIGHT.replace("<= 480)", ">= 28)\ns.Add(x >= 61)").replace("Maximize", "Minimize")
    (found,) = findings(episode(block(code), stop=None, question=question))
    assert "no 179 in the program" in found.evidence
    assert findings(episode(block(code.replace("61)", "61)\ns.Add(y >= 179)")), stop=None, question=question)) == []


def test_a_program_without_constraints_is_found_even_with_all_numbers():
    question = QUESTION.replace("earns $80", "earns $480")
    code = RIGHT.replace("s.Add(12 * x + 25 * y <= 480)\n", "").replace("80 * y", "480 * y")
    (found,) = findings(episode(block(code), stop=None, question=question))
    assert found.evidence == "the program has no constraint at all"


def test_an_irrelevant_number_may_be_missing():
    question = QUESTION.replace("A chair", "The workshop was founded in 1987. A chair", 1)
    assert findings(episode(block(RIGHT), stop=None, question=question)) == []


def test_a_percentage_may_be_written_as_a_fraction():
    question = "At most 35% of the 80 kg may be sand. Maximize the profit."
    code = "import scipy\nr = scipy.optimize.linprog([-1], A_ub=[[1]], b_ub=[0.35 * 80])\nprint(r.fun)\n"
    assert findings(episode(block(code), question=question, stop=None)) == []


def test_continuous_and_integer_variables_are_checked_against_the_question():
    relaxed = RIGHT.replace("IntVar", "NumVar")
    assert rules(findings(episode(block(relaxed), stop=None))) == ["wrong_type"]
    fractional = QUESTION.replace("Only whole units are possible.", "Fractional amounts are allowed.")
    assert rules(findings(episode(block(RIGHT), stop=None, question=fractional))) == ["wrong_type"]
    assert findings(episode(block(relaxed), stop=None, question=fractional)) == []


def test_a_relaxed_binary_variable_is_found():
    question = "5 files must go into disks of 480 GB at most. None of the files can be split. How few disks are enough?"
    code = RIGHT.replace("y = s.IntVar(0, s.infinity(), '')", "y = s.NumVar(0, 1, '')").replace("Maximize", "Minimize")
    assert rules(findings(episode(block(code), stop=None, question=question))) == ["wrong_type"]


@pytest.mark.parametrize("slip", ["490", "840", "48", "4800", "4480"])
def test_a_misread_number_is_implementation_drift(slip):
    (found,) = findings(episode(block(RIGHT.replace("480", slip)), stop=None))
    assert (found.rule, found.trigger) == ("misread_number", "implementation_drift")
    assert slip in found.evidence


def test_a_misread_number_is_found_even_if_the_right_one_occurs_elsewhere():
    question = QUESTION.replace("earns $35", "earns $25")
    code = RIGHT.replace("35 * x", "26 * x")
    assert rules(findings(episode(block(code), stop=None, question=question))) == ["misread_number"]


def test_a_number_repeated_in_the_question_may_occur_once_in_the_program():
    question = QUESTION.replace("At most 480", "Again: a chair needs 12 hours. At most 480")
    assert findings(episode(block(RIGHT), stop=None, question=question)) == []


def test_an_ignored_status_is_located_at_the_program():
    one = episode(block(RIGHT), ran(RIGHT, "0.0\n", reports=(report("infeasible", None),)), answer("0.0"))
    (found,) = findings(one)
    assert found.rule == "status_ignored"
    assert at(one, found).startswith("```python")


def test_an_answer_after_an_unrepaired_error_is_drift():
    failed = ran(RIGHT, "", "error", "NameError: name 's' is not defined", ())
    one = episode(block(RIGHT), failed, f"It should be about 1500.\n{answer(1500)}")
    (found,) = findings(one)
    assert found.rule == "unmended_error"
    assert at(one, found).startswith("It should be")


def test_the_types_of_the_solved_model_count_more_than_the_words_of_the_program():
    relaxed = RIGHT.replace("IntVar", "NumVar")
    assert rules(findings(episode(block(relaxed), ran(relaxed), answer(1515)))) == []
    of_reals = ran(RIGHT, reports=(report(integer=0),))
    assert rules(findings(episode(block(RIGHT), of_reals, answer(1515)))) == ["wrong_type"]


def test_the_first_of_several_flaws_is_returned():
    relaxed = RIGHT.replace("IntVar", "NumVar")
    solved = ran(relaxed, reports=(report(integer=0),))
    one = episode(f"Let me do it manually.\n{block(relaxed)}", solved, f"{answer(1600)}")
    assert RulesIntervener().inspect(one, clean).finding.rule == "by_hand"
    assert len(findings(one)) == 3


def test_text_of_hints_is_never_a_finding():
    hint = Span(source="hint", text="Wait, I did this by hand. A program would print it.\n")
    assert findings(episode("Two products.\n", hint, block(RIGHT), stop=None)) == []


@pytest.mark.parametrize("code", ["def f(:\n", "x = 1 +\n", "(" * 500 + "\n", "\0\n"])
def test_code_that_does_not_parse_is_not_a_finding(code):
    assert findings(episode(block(code), stop=None)) == []


def test_every_rule_has_a_trigger_and_hints_without_numbers_or_code():
    assert set(TRIGGER_OF.values()) == set(TRIGGERS)
    assert set(HINTS) < set(TRIGGER_OF) == set(PLAIN_HINTS)
    for wordings in HINTS.values():
        assert len(wordings) >= 2
        for wording in wordings:
            assert not any(sign.isdigit() or sign in "`{}\\" for sign in wording)
            assert len(wording) < 120


def test_the_wording_of_a_hint_depends_only_on_the_seed():
    assert hint_for("by_hand", "a") == hint_for("by_hand", "a")
    assert {hint_for("by_hand", str(n)) for n in range(20)} == set(HINTS["by_hand"])
    with pytest.raises(KeyError):
        hint_for("boredom", "a")
