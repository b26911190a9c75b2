"""Check the outputs of variants and tasks: plans against revised data, and explanations against the truth.

The problem's checker has a file that the reasoner never sees: the data of the problem that is to be solved, or the
truth about a solved problem.
"""

from collections.abc import Mapping
from typing import Any

from storm_calm.env.output_check import OutputCheck
from storm_calm.env.problem import Problem
from storm_calm.env.problems.families.scaled import SCALED
from storm_calm.env.problems.families.scaled.scaled_family import PLAN
from storm_calm.env.problems.families.tasks.explanation import EXPLANATION
from storm_calm.env.problems.families.tasks.stored_task import TASK, task_of


def check_task(problem: Problem, files: Mapping[str, bytes], outputs: Mapping[str, Any]) -> OutputCheck:
    """Check the plan or the explanation."""
    task = task_of(problem)
    if task.truth is not None:
        return check_explanation(task.truth, outputs[EXPLANATION])
    if task.data is None:
        raise ValueError(f"{problem.folder}/{TASK}: has neither data nor truth")
    check = SCALED[problem.family].check(task.data, outputs[PLAN])
    return OutputCheck(feasible=not check.violations, objective=check.objective, violations=tuple(check.violations))


def check_explanation(truth: Mapping[str, Any], found: Mapping[str, Any]) -> OutputCheck:
    """Compare an explanation with the truth. Its objective is the number that sums it up.

    The violations never give the right answer away.
    """
    violations: list[str] = []
    if "binding" in truth:
        summary = float(len(set(found["binding"])))
        if set(found["binding"]) != set(truth["binding"]):
            violations.append("the named limits are not exactly those that bind")
    elif "conflict" in truth:
        named = set(found["conflict"])
        summary = float(len(named))
        if not any(named >= set(one) for one in truth["conflict"]):
            violations.append("a plan is possible with all named changes together")
        elif not any(named == set(one) for one in truth["conflict"]):
            violations.append("the named changes conflict even without one of them")
    else:
        name = "improvement" if "improvement" in truth else "optimum"
        violations += _wrong_numbers(name, truth[name], found[name])
        numbers = [value for value in found[name].values() if value is not None]
        choose = max if truth["first"] == "greatest" else min
        summary = float(choose(numbers, default=0.0))
    return OutputCheck(feasible=not violations, objective=summary, best=summary, violations=tuple(violations))


def _wrong_numbers(name: str, truth: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    wrong = []
    for label, span in truth.items():
        value = found[label]
        if value is span is None or (value is not None and span is not None and span[0] <= value <= span[1]):
            continue
        wrong.append(f"the {name} of {label} is wrong")
    return wrong
