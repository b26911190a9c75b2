"""Plans are counted by what their checker says; a broken checker is never a score."""

import json
from dataclasses import replace

import pytest

from storm_calm.agents.evaluation.config import EvalConfig, load_problems
from storm_calm.agents.evaluation.results import results_to_json, work_out
from storm_calm.agents.evaluation.run_evaluation import evaluate
from storm_calm.agents.evaluation.samples import read_samples
from storm_calm.env import write_problems
from storm_calm.env.problem import Checker, Output
from storm_calm.env.workspace import problem_file
from support.fake_reasoner import FakeReasoner, boxed, direct, workshop
from support.measurements import without_measurements

pytestmark = pytest.mark.slow

CHECK = """import json
chairs, hours = json.load(open("plan.json"))["chairs"], json.load(open("hours.json"))
violations = [f"{chairs} chairs need more than {hours} hours"] if chairs > hours else []
print(json.dumps({"feasible": not violations, "objective": 3 * chairs, "violations": violations}))
"""


def planner(hours, hints, outputs):
    """A role that writes an optimal, a suboptimal, an infeasible or no plan, depending on the hours."""
    chairs = {0: hours, 1: hours - 1, 2: hours + 1}.get(hours % 4)
    if outputs or chairs is None:
        return boxed(3 * (hours if chairs is None else chairs))
    return f"```python\nimport json\njson.dump({{'chairs': {chairs}}}, open('plan.json', 'w'))\n```\n"


@pytest.fixture
def config(tmp_path):
    """Four problems with a checker, and one without."""
    problems = [workshop(31)]
    for hours in (12, 13, 14, 15):
        folder = tmp_path / str(hours)
        folder.mkdir()
        (folder / "hours.json").write_text(str(hours))
        (folder / "check.py").write_text(CHECK)
        problems.append(
            replace(
                workshop(hours, family="chairs"),
                folder=str(folder),
                files=(problem_file(str(folder), "hours.json"),),
                outputs=(Output(path="plan.json"),),
                checker=Checker(program=problem_file(str(folder), "check.py")),
            )
        )
    write_problems(tmp_path / "problems.jsonl", problems)
    return EvalConfig(problems=str(tmp_path / "problems.jsonl"), samples=2, minimum_isolation="limits")


def test_plans_are_counted_by_what_their_checker_says(config, tmp_path):
    results = evaluate(config, tmp_path / "out", reasoner=FakeReasoner(planner))
    assert list(results.plans) == ["all", "chairs"]
    found = results.plans["all"]
    assert (found.samples, found.checked, found.checker_failures) == (8, 6, 0)
    assert found.feasible.mean == 0.5, "a missing plan is not feasible"
    assert found.within_tolerance.mean == 0.25
    assert (found.mean_gap, found.median_gap) == (pytest.approx(1 / 26), pytest.approx(1 / 26))
    assert results.rules["paper"]["pass@1"].mean == pytest.approx(2 / 5), "workshop-12 and the one without a checker"
    assert results.rules["paper"]["majority@2"].mean == pytest.approx(2 / 5)
    data = results_to_json(results)
    assert data["plans"]["all"]["feasible"]["mean"] == 0.5
    assert list(data)[-3:] == ["plans", "budget", "behaviour"]


def test_results_without_plans_have_no_such_section(tmp_path):
    write_problems(tmp_path / "problems.jsonl", [workshop(12)])
    config = EvalConfig(problems=str(tmp_path / "problems.jsonl"), minimum_isolation="limits")
    results = evaluate(config, tmp_path / "out", reasoner=FakeReasoner(direct))
    assert (results.plans, results.checker_failures) == ({}, 0)
    assert "plans" not in results_to_json(results)


def test_the_majority_is_among_feasible_plans(config, tmp_path):
    evaluate(replace(config, samples=3), tmp_path / "out", reasoner=FakeReasoner(planner))
    samples = list(read_samples(tmp_path / "out" / "samples.jsonl"))
    best = next(one for one in samples if one.id == "workshop-12")
    # Two infeasible plans with the same objective, and then a good one.
    worse = replace(best.episode, output_check=replace(best.episode.output_check, feasible=False, objective=99.0))
    samples = [replace(best, sample=number, episode=worse) for number in (0, 1)] + [replace(best, sample=2)]
    results = work_out(replace(config, samples=3), [best.episode.problem], samples)
    assert results.rules["paper"]["pass@1"].mean == pytest.approx(1 / 3)
    assert results.rules["paper"]["majority@3"].mean == 1.0


def test_a_failed_checker_is_counted_unscored_and_retried(config, tmp_path):
    out = tmp_path / "out"
    evaluate(config, out, reasoner=FakeReasoner(planner))
    lines = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    broken = next(line for line in lines if line["id"] == "workshop-12")
    broken["episode"]["output_check"] = {"fault": "checker check.py ended with timeout"}
    (out / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    results = work_out(config, load_problems(config).problems, read_samples(out / "samples.jsonl"))
    assert (results.scored, results.infrastructure, results.checker_failures) == (9, 0, 1)
    assert (results.plans["all"].samples, results.plans["all"].checked) == (7, 5)
    assert results.rules["paper"]["pass@1"].mean == pytest.approx(2 / 5)
    assert results.rules["paper"]["pass@2"].mean == pytest.approx(1 / 4), "of the problems with two scored samples"
    evaluate(config, out, resume=True, reasoner=FakeReasoner(planner))
    evaluate(config, tmp_path / "whole", reasoner=FakeReasoner(planner))
    again, whole = (
        without_measurements(json.loads((folder / "results.json").read_text())) for folder in (out, tmp_path / "whole")
    )
    assert again == whole
    assert again["plans"]["all"]["checker_failures"] == 0


def test_the_use_of_the_budget_is_counted(tmp_path):
    def busy(hours, hints, outputs):
        if hours == 11 or outputs < hours - 12:
            return f"Once more.\n```python\nprint({outputs})\n```\n"
        return boxed(3 * hours)

    write_problems(tmp_path / "problems.jsonl", [workshop(hours) for hours in (11, 12, 13, 14, 15)])
    config = EvalConfig(
        problems=str(tmp_path / "problems.jsonl"), max_executions=3, max_tokens=4000, minimum_isolation="limits"
    )
    results = evaluate(config, tmp_path / "out", reasoner=FakeReasoner(busy))
    found = results.budget
    assert (found.max_executions, found.max_tokens) == (3, 4000)
    # 3 (and one more that does not run), 0, 1, 2 and 3 programs.
    assert (found.executions.median, found.executions.p90, results.behaviour.executions) == (2.0, 3.0, 1.8)
    assert found.exhausted == 0.2
    assert 0 < found.model_tokens.median <= found.model_tokens.p90
    empty = work_out(config, load_problems(config).problems, []).budget
    assert (empty.executions.median, empty.model_tokens.p90, empty.exhausted) == (0.0, 0.0, 0.0)
