"""The verdict: one judgement of an answer, with warnings in words."""

from dataclasses import replace

import pytest

from storm_calm.agents.verdict import verdict
from storm_calm.env import Episode, Problem
from storm_calm.env.serialize import from_json, to_json
from support.answered_episode import CODE, QUESTION, answered, report

BACKED = {"reports": [report(objective=30.0, bound=30.0, gap=0.0)]}


def test_a_backed_answer_has_a_summary_and_no_warnings():
    found = verdict(answered(30, **BACKED))
    assert (found.backing, found.warnings) == ("backed", [])
    assert found.summary == "CP-SAT reported optimal with objective 30 (3 variables, 1 constraint)."
    assert any("formulation" in one or "describes" in one for one in found.not_checked)


def test_an_unbacked_answer_has_its_reason_as_the_first_warning():
    assert verdict(answered(30)).warnings[0] == ("No solver report supports this answer: no solver reported a result.")


def test_a_contradicted_answer_names_the_result():
    found = verdict(answered(30, reports=[report("infeasible")], stdout="infeasible\n"))
    assert found.backing == "contradicted"
    assert found.warnings[0] == "The last solve contradicts this answer: CP-SAT reported infeasible."


def test_findings_of_the_rules_are_warnings():
    short = CODE.replace("m.add(sum(w) <= 82)", "m.add(sum(w) <= 1)")
    question = "A bag holds at most 82 g. A rope has 31 g and earns 30. Which profit is the largest?"
    found = verdict(answered(30, code=short, question=question, **BACKED))
    assert found.backing == "backed"
    assert [finding.trigger for finding in found.findings] == ["missing_constraint"]
    assert "A constraint may be missing (no 82 in the program" in found.warnings[0]


def test_an_answer_by_hand_is_a_warning():
    warnings = verdict(answered(30, code=None)).warnings
    assert any("computed by hand" in warning for warning in warnings)


def test_invented_numbers_are_a_warning_unless_the_data_are_in_files():
    made_up = answered(30, code=CODE + "\nq = [47.5, 1200]", **BACKED)
    assert "you did not give (47.5, 1200)" in verdict(made_up).warnings[0]
    with_files = verdict(made_up, has_files=True)
    assert with_files.warnings == []
    assert any("files" in one for one in with_files.not_checked)
    percent = answered(30, code=CODE + "\nrate = 0.31", **BACKED)
    assert verdict(percent).warnings == []


def test_numbers_derived_from_earlier_turns_are_not_invented():
    turns = [QUESTION, "\\boxed{30}", "Now with 20 g more, and the rope 10 % dearer."]
    code = "w = [31]\np = [33]\nm.add(sum(w) <= 102)\nm.solve()"
    later = answered(33, code=code, reports=[report(objective=33.0)], question=turns[-1], stdout="33\n")
    assert verdict(later, messages=turns).invented == ()
    other = answered(33, code=code.replace("102", "103"), reports=[report(objective=33.0)], question=turns[-1])
    assert verdict(other, messages=turns).invented == (103.0,)


def test_numbers_in_words_are_given():
    question = "A bag holds eighty-two g. A rope has thirty-one g and earns 30. Which profit is the largest?"
    assert verdict(answered(30, question=question, **BACKED)).warnings == []


def test_a_number_of_the_question_replaced_by_a_small_one_is_a_warning():
    code = CODE.replace("31", "7").replace("82", "[82, 7]")
    found = verdict(answered(30, code=code, **BACKED))
    assert found.unused == (31.0,)
    assert "lacks numbers of the question (31)" in found.warnings[-1]


def test_irrelevant_numbers_of_the_question_are_no_warning():
    question = QUESTION.replace("Which", "The shop was founded in 1987. Which")
    assert verdict(answered(30, question=question, **BACKED)).warnings == []


def test_a_result_that_is_not_proved_optimal_is_a_warning():
    (warning,) = verdict(answered(30, reports=[report("feasible", 30.0, bound=33.0, gap=0.1)])).warnings
    assert "before it proved this result optimal (gap 10.00%)" in warning


def test_an_optimum_of_zero_is_a_warning():
    warnings = verdict(answered(0, reports=[report(objective=0.0)], stdout="0\n")).warnings
    assert any("optimum is 0" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "timeout", "wall_seconds": 9.97}, "Program 1 was stopped after 10.0 s."),
        ({"status": "memory_limit"}, "Program 1 ran out of memory."),
        ({"status": "output_limit"}, "Program 1 printed too much and was stopped."),
        ({"status": "killed"}, "Program 1 was killed."),
    ],
)
def test_limits_of_programs_are_warnings(fields, words):
    assert words in verdict(answered(30, **BACKED, **fields)).warnings


def test_a_trajectory_without_an_answer_has_no_warnings_about_one():
    found = verdict(Episode(problem=Problem(id="p", question="Q?", answers=()), stop="length"))
    assert (found.backing, found.warnings, found.not_checked) == ("no_answer", [], ())


def test_a_verdict_is_json_data():
    found = verdict(answered(30, code=None))
    assert from_json(type(found), to_json(found)) == found


TWO_STEPS = "A bag holds at most 82 g. A rope has 31 g and earns 30. Which profit is the largest?"
SHORT = CODE.replace("m.add(sum(w) <= 82)", "")


def two_programs(first, second, answer):
    """Return an episode with two programs, each a pair of code and reports."""
    one = answered(answer, code=first[0], reports=first[1], question=TWO_STEPS)
    two = answered(answer, code=second[0], reports=second[1], question=TWO_STEPS)
    spans = (*one.transcript.spans[:3], *two.transcript.spans[1:])
    return replace(two, transcript=replace(two.transcript, spans=spans), executions=(*one.executions, *two.executions))


def test_a_flaw_of_an_earlier_program_that_a_later_one_repaired_is_no_warning():
    fixed = two_programs((SHORT, [report(objective=60.0)]), (CODE, [report(objective=30.0)]), 30)
    found = verdict(fixed)
    assert [finding.rule for finding in found.repaired] == ["missing_constraint"]
    assert (found.backing, found.warnings) == ("backed", [])
    kept = verdict(two_programs((SHORT, [report(objective=30.0)]), (CODE, [report(objective=60.0)]), 30))
    assert "A constraint may be missing" in kept.warnings[0]


def test_a_fragment_before_the_program_that_solves_is_no_warning():
    pieces = two_programs(("w = [31]\n", []), (CODE, [report(objective=30.0)]), 30)
    assert verdict(pieces).warnings == []


def test_a_later_program_that_explains_an_infeasible_model_contradicts_nothing():
    without_a_rule = (CODE, [report("infeasible"), report("optimal", 9.0)])
    found = verdict(two_programs((CODE, [report("infeasible")]), without_a_rule, "infeasible"))
    assert found.backing == "backed"


def test_a_search_that_ends_with_an_infeasible_model_contradicts_nothing():
    sizes = [report("feasible"), report("optimal"), report("infeasible")]
    assert verdict(answered(40, reports=sizes, stdout="40\n")).backing == "unbacked"
    assert verdict(answered(41, reports=sizes, stdout="40\n")).backing == "contradicted"


def test_a_local_search_is_not_checked_for_a_global_optimum():
    fields = {"library": "scipy.optimize", "solver": "", "sense": "minimize", "continuous": 2, "integer": 0}
    found = verdict(answered(30, reports=[report("feasible", 30.0, **fields)]))
    assert (found.backing, found.warnings) == ("backed", [])
    assert any("global" in one for one in found.not_checked)
