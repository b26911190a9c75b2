"""Outputs are parsed strictly and checked; a broken checker is never a score."""

import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env import Problem, Sampling, SolverEnv, run_episode, score
from storm_calm.env.checkers import FUNCTIONS, MAX_OUTPUT_BYTES, check_outputs, read_result
from storm_calm.env.intervention import Finding
from storm_calm.env.problem import Checker, Output
from storm_calm.env.workspace import problem_file
from storm_calm.sandbox import Execution, Limits, SandboxUnavailableError, open_sandbox

SCHEMA = {
    "type": "object",
    "required": ["take"],
    "properties": {"take": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "maxItems": 3}},
    "additionalProperties": False,
}
CHECK = """import csv, json
rows = {row["item"]: row for row in csv.DictReader(open("items.csv"))}
take = set(json.load(open("plan.json"))["take"])
weight = sum(int(rows[item]["weight"]) for item in take)
value = sum(int(rows[item]["value"]) for item in take)
violations = [f"the bag holds {weight} kg of 4"] if weight > 4 else []
print("checked")
print(json.dumps({"feasible": not violations, "objective": value, "violations": violations}))
"""


@pytest.fixture(scope="module")
def real_sandbox():
    with open_sandbox(workers=1, limits=Limits(seconds=10)) as sandbox:
        yield sandbox


@pytest.fixture
def bag(tmp_path):
    """Return a function that makes a workspace with a checker's program."""
    (tmp_path / "items.csv").write_text("item,value,weight\na,4,3\nb,2,1\nc,3,2\n")

    def make(check=CHECK, **fields):
        (tmp_path / "check.py").write_text(check)
        folder = str(tmp_path)
        values = {
            "answers": (6.0,),
            "outputs": (Output(path="plan.json", schema=SCHEMA),),
            "checker": Checker(program=problem_file(folder, "check.py")),
        }
        files = (problem_file(folder, "items.csv"),)
        return Problem(id="bag", question="What goes in?", folder=folder, files=files, **{**values, **fields})

    return make


@pytest.fixture
def solve(real_sandbox, script):
    """Return a function that runs a program on a problem, and then gives the answer."""

    def run(problem, program, answer="6", **options):
        reasoner = script(f"```python\n{program}\n```\n", f"\\boxed{{{answer}}}")
        return run_episode(SolverEnv(real_sandbox, reasoner, **options), reasoner, problem, sampling=Sampling())

    return run


def writes(take):
    return f"import json\njson.dump({{'take': {take!r}}}, open('plan.json', 'w'))"


def outcome(episode):
    scored = score(episode)
    return scored.reward, scored.reason, scored.feasible, scored.objective, scored.gap


@pytest.mark.parametrize(
    ("take", "answer", "expected"),
    [
        (["a", "b"], "6", (1.0, "correct", True, 6.0, 0.0)),
        (["a", "c"], "7", (0.0, "infeasible_plan", False, 7.0, None)),
        (["b", "c"], "5", (0.0, "suboptimal_plan", True, 5.0, pytest.approx(1 / 6))),
        (["a", "b"], "5", (0.0, "wrong_answer", True, 6.0, 0.0)),
        (["a", "b"], "much", (0.0, "no_answer", True, 6.0, 0.0)),
        (["a", "z"], "6", (0.0, "no_output", None, None, None)),
    ],
)
@pytest.mark.parametrize("sessions", [False, True])
def test_a_plan_is_correct_if_it_is_feasible_and_best_and_the_answer_is_its_value(
    bag, solve, take, answer, expected, sessions
):
    assert outcome(solve(bag(), writes(take), answer, sessions=sessions)) == expected


def test_violations_are_in_the_score(bag, solve):
    assert score(solve(bag(), writes(["a", "c"]))).violations == ("the bag holds 5 kg of 4",)


def test_a_gap_within_the_tolerance_is_correct(bag, solve):
    assert outcome(solve(bag(tolerance=0.2), writes(["b", "c"]), "5"))[:2] == (1.0, "correct")


def test_a_problem_without_accepted_answers_is_scored_by_its_checker(bag, solve):
    assert outcome(solve(bag(answers=()), writes(["b", "c"]), "done")) == (1.0, "correct", True, 5.0, None)


def test_the_checker_may_know_the_best_value(bag, solve):
    check = CHECK.replace('"violations"', '"best": 6, "violations"')
    assert outcome(solve(bag(check, answers=()), writes(["b", "c"]), "done"))[1] == "suboptimal_plan"


def test_an_infeasible_problem_needs_no_plan(bag, solve):
    episode = solve(bag(answers=("infeasible",)), "print(1)", "infeasible")
    assert episode.output_check is None
    assert outcome(episode)[:2] == (1.0, "correct")
    assert outcome(solve(bag(), "print(1)", "infeasible"))[:2] == (0.0, "wrong_answer")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("print(1)", "no program wrote plan.json"),
        ("open('plan.json', 'w').write('{')", "plan.json is not JSON"),
        ("open('plan.json', 'w').write('{\"take\": [NaN]}')", "plan.json is not JSON"),
        ("open('plan.json', 'w').write('[' * 5000)", "plan.json is not JSON"),
        ("open('plan.json', 'w').write('[]')", "plan.json does not fit its schema at $: [] is not of type 'object'"),
        ("open('plan.json', 'w').write('{\"take\": 1}')", "at $.take: 1 is not of type 'array'"),
        (f"open('plan.json', 'w').write('x' * {MAX_OUTPUT_BYTES + 1})", f"has {MAX_OUTPUT_BYTES + 1} bytes, more than"),
        ("import os\nos.symlink('/etc/hostname', 'plan.json')", "no program wrote plan.json"),
        ("import os\nos.mkdir('plan.json')", "no program wrote plan.json"),
    ],
)
def test_an_unusable_output_is_named(bag, solve, program, message):
    scored = score(solve(bag(), program))
    assert (scored.reward, scored.reason) == (0.0, "no_output")
    assert message in scored.violations[0]


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ("raise SystemError('lost')", "checker check.py ended with error: SystemError: lost"),
        ("import os\nos._exit(3)", "checker check.py ended with error"),
        ("print('fine')", "its last line is not JSON: fine"),
        ("", "its last line is not JSON: nothing"),
        ("print('{}')", '"feasible" is not true or false'),
        ("print('{\"feasible\": 1}')", '"feasible" is not true or false'),
        ('print(\'{"feasible": true, "objective": "5"}\')', '"objective" is not a finite number or null'),
        ('print(\'{"feasible": true, "violations": "none"}\')', '"violations" is not a list of texts'),
    ],
)
def test_a_broken_checker_is_never_a_score(bag, solve, check, message):
    scored = score(solve(bag(check), writes(["a", "b"])))
    assert (scored.reward, scored.reason) == (None, "checker")
    assert message in scored.violations[0]


def test_a_checker_that_hangs_is_stopped_and_named(bag, solve, monkeypatch):
    monkeypatch.setattr("storm_calm.env.checkers.LIMITS", Limits(seconds=1.0))
    scored = score(solve(bag("while True:\n    pass"), writes(["a", "b"])))
    assert (scored.reward, scored.reason) == (None, "checker")
    assert scored.violations == ("checker check.py ended with timeout",)


def test_a_trusted_function_that_raises_is_a_fault(bag, solve, monkeypatch):
    monkeypatch.setitem(FUNCTIONS, "broken", "json:loads")
    scored = score(solve(bag(checker=Checker(function="broken")), writes(["a", "b"])))
    assert (scored.reward, scored.reason) == (None, "checker")
    assert "checker 'broken': TypeError" in scored.violations[0]


def test_an_unknown_function_is_a_fault(bag, solve):
    scored = score(solve(bag(checker=Checker(function="none")), writes([])))
    assert "no checker 'none'; known: family" in scored.violations[0]


def test_a_failing_sandbox_is_no_fault_of_the_checker(bag, sandbox):
    ran = Execution(code="", status="ok", isolation="limits", backend="open", files={"plan.json": b'{"take": []}'})
    sandbox.down = True
    with pytest.raises(SandboxUnavailableError):
        check_outputs(bag(), (ran,), sandbox)


def test_the_last_version_of_an_output_counts(bag, real_sandbox, script):
    first, second = (f"```python\n{writes(take)}\n```\n" for take in (["a", "c"], ["a", "b"]))
    reasoner = script(first, second, "```python\nprint(1)\n```\n", "\\boxed{6}")
    episode = run_episode(SolverEnv(real_sandbox, reasoner), reasoner, bag(), sampling=Sampling())
    assert outcome(episode)[:2] == (1.0, "correct")


def test_an_intervention_drops_the_check(bag, solve, real_sandbox, renderer):
    episode = solve(bag(), writes(["a", "c"]))
    env = SolverEnv(real_sandbox, renderer)
    env.restore(episode)
    offset = episode.transcript.text.rindex("\\boxed")
    env.intervene(Finding(trigger="fragmented_code", offset=offset, evidence="x", confidence=1.0), "Go on.")
    assert env.episode.output_check is None


def test_printed_objects_are_outputs(bag, solve):
    check = CHECK.replace("plan.json", "stdout.json")
    problem = bag(check, outputs=(Output(path="-", schema=SCHEMA),))
    program = "print('Solution:')\nprint('{\"take\": [\"a\",')\nprint('\"b\"]}')"
    assert outcome(solve(problem, program))[:2] == (1.0, "correct")
    assert score(solve(problem, "print(7)")).violations == ("no program printed a JSON object",)


def test_outputs_without_a_checker_must_only_fit(bag, solve):
    problem = bag(checker=None)
    assert outcome(solve(problem, writes(["a", "c"]), "6")) == (1.0, "correct", None, None, None)
    assert outcome(solve(problem, writes(["a", "c"]), "7"))[:2] == (0.0, "wrong_answer")
    assert outcome(solve(problem, "print(1)", "6"))[:2] == (0.0, "no_output")


def test_outputs_are_known_by_their_hash(bag, solve):
    episode = solve(bag(), writes(["a", "b"]))
    assert list(episode.output_check.outputs) == ["plan.json"]
    changed = replace(episode, output_check=None)
    assert score(changed).reason == "checker"


@given(st.text() | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_any_last_line_is_a_result_or_a_named_fault(line):
    with suppress(ValueError):
        assert read_result(line, {}).feasible in (True, False)
