"""The replay of test sets with files: reasons for differences, and verdicts of another scorer."""

import pytest

from benchmarks.workspaces import compare_scorers, table
from storm_calm.agents.evaluation.samples import Sample
from storm_calm.env import Episode, Problem, Span, Transcript
from storm_calm.sandbox import Execution, SolverReport

SCORER = """
import argparse, csv, json
parser = argparse.ArgumentParser()
for name in ("references", "predictions", "output", "summary"):
    parser.add_argument(f"--{name}")
options = parser.parse_args()
given = {row["workspace_id"]: row for row in map(json.loads, open(options.predictions))}
with open(options.output, "w") as output:
    for row in csv.DictReader(open(options.references)):
        one = given.get(row["workspace_id"], {})
        optimal, reference = one.get("status") == "Optimal", float(row["reference_objective"])
        passed = optimal and abs(one["objective"] - reference) <= TOLERANCE
        output.write(json.dumps({"workspace_id": row["workspace_id"], "passed": passed}) + "\\n")
"""


def sample(id, text, *, answer=100.0, status="ok", stderr="", solved="optimal", stop="answer"):
    report = SolverReport(library="gurobipy", solver="GUROBI", status=solved, integer=1_600, constraints=2_400)
    run = Execution(
        code="x", status=status, stderr=stderr, wall_seconds=120.2, isolation="full", backend="local", reports=(report,)
    )
    spans = [Span(source="prompt", text="Q"), Span(source="model", text="```python\nx\n```\n")]
    spans += [Span(source="tool", text="```output\n```\n"), Span(source="model", text=text, finish="end")]
    problem = Problem(id=id, question="Q?", answers=(answer,), rule="or_space")
    episode = Episode(problem=problem, transcript=Transcript(spans=tuple(spans)), executions=(run,), stop=stop)
    return Sample(sample=0, seed=1, temperature=0.0, episode=episode)


def test_each_difference_has_its_reason():
    error = "gurobipy._exception.GurobiError: Model too large for size-limited license; visit us"
    samples = [
        sample("right", "\\boxed{100}"),
        sample("large", "", status="error", stderr=error, solved="error", stop="malformed"),
        sample("late", "", status="timeout", stop="malformed"),
        sample("other", "\\boxed{90}"),
        sample("unproved", "\\boxed{90}", solved="feasible"),
        sample("broken", "", status="error", stderr="Traceback\nKeyError: 'id'", stop="malformed"),
    ]
    lines = list(table(samples))
    assert lines[0] == "1 of 6 reproduced"
    assert set(lines[2:]) == {
        "| large | 100.0 | larger than gurobipy's free licence (1,600 variables, 2,400 constraints) |",
        "| late | 100.0 | timeout after 120 s |",
        "| other | 100.0 | found 90 |",
        "| unproved | 100.0 | found 90, not proved optimal in time |",
        "| broken | 100.0 | KeyError: 'id' |",
    }


@pytest.mark.parametrize(("tolerance", "agree"), [("1.0", "2 of 2"), ("5.0", "1 of 2")])
def test_verdicts_of_another_scorer_are_compared(tmp_path, tolerance, agree):
    (tmp_path / "scorer.py").write_text(SCORER.replace("TOLERANCE", tolerance))
    references = tmp_path / "references.csv"
    references.write_text("workspace_id,reference_objective\na,100.0\nb,100.0\n")
    samples = [sample("a", "\\boxed{100}"), sample("b", "\\boxed{97}")]
    lines = list(compare_scorers(samples, tmp_path / "scorer.py", references))
    assert lines[0].startswith(f"as it is: {agree} verdicts agree, 1 pass")
    assert lines[-1].startswith("missing: 2 of 2 verdicts agree, 0 pass")
