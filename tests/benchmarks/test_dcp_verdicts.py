"""The comparison with the scorer of DCP-Bench-Open reads its summary, and changes solutions in known ways."""

import json

from benchmarks.dcp_changes import CHANGES, changed_texts, worst_program
from benchmarks.dcp_verdicts import Case, read_summary

SUMMARY = """
--- Model: a ---
      - CONSISTENCY: PASSED
      - OBJECTIVE CHECK: PASSED fully

--- Model: b ---
      - CONSISTENCY: PASSED
      - OBJECTIVE CHECK: FAILED, stdout: SUCCESS: Model is consistent

--- Model: c ---
      - CONSISTENCY: FAILED, stdout: ERROR: The model is unsatisfiable

--- Model: a ---
      - CHECK: FAILED (Error: timed out after 60 seconds)

--- Model: d ---
      - FAILED: No output from execution.

==============================
Overall Evaluation Statistics:
  Consistency perc: 40.00%
"""


def test_each_section_of_a_summary_is_a_verdict():
    assert read_summary(SUMMARY) == ["correct", "suboptimal", "infeasible", "no check", "no solution"]


def test_changes_are_other_texts_with_known_names():
    printed = '{"x": [1, 0, 2], "cost": 5}'
    changes = dict(changed_texts(printed))
    assert printed not in changes.values()
    assert set(CHANGES) <= changes.keys()
    assert json.loads(changes["first key left out"]) == {"cost": 5}
    assert json.loads(changes["elements by index"]) == {"cost": 5, "x[0]": 1, "x[1]": 0, "x[2]": 2}
    assert json.loads(changes["next value"]) == {"x": [2, 0, 2], "cost": 5}
    assert "shorter list" not in dict(changed_texts('{"cost": 5}'))


def test_the_worst_plan_has_the_opposite_objective():
    assert worst_program("model.minimize(cost)\nmodel.solve()") == "model.maximize(cost)\nmodel.solve()"
    assert worst_program("model.solve()") is None


def test_a_difference_counts_only_on_the_same_output():
    differs = Case(problem="a", program="", ours="correct", theirs="infeasible")
    assert not differs.explained
    assert Case(problem="a", program="", ours="correct", theirs="infeasible", theirs_on_our_output="correct").explained
    assert Case(problem="a", program="", ours="fault", theirs="no check").explained
