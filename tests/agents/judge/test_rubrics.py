"""Rubrics are read from the folder of a user, and a wrong line is an error with its place."""

import json

import pytest

from storm_calm.agents.judge.rubrics import read_rubrics
from support.explain_set import PROMPT, rubric


def test_rubrics_are_found_in_the_folder_of_the_set_and_below_it(explain_set):
    for folder in (explain_set.parent, explain_set, explain_set / "evaluation" / "explain_evaluation"):
        found = read_rubrics(folder)
        assert list(found.by_id) == ["or_space_001_explain", "or_space_002_explain", "or_space_003_explain"]
        assert found.prompt == PROMPT
    first = found.by_id["or_space_001_explain"]
    assert [(one.id, one.criterion_id, one.text) for one in first.entities] == [
        ("c1.e1", "c1", "max_hours"), ("c1.e2", "c1", "workshop.csv"), ("c3.e1", "c3", "300"),
    ]  # fmt: skip
    assert (first.criteria, first.instance_id, first.dimension) == (("c2",), "OR_explain_001", "Reading duals")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": " "}, '"question" is " "; give a text'),
        ({"instance_id": 7}, '"instance_id" is 7; give a text'),
        ({"checklist": []}, '"checklist" is []; give a list of items'),
        ({"checklist": ["c1"]}, 'item 1 of "checklist" has the type null'),
        ({"checklist": [{"checklist_type": "fuzzy"}]}, 'item 1 of "checklist" has the type "fuzzy"; give exact_match'),
        (
            {"checklist": [{"checklist_type": "exact_match", "criterion_id": "c2", "target_entities": []}]},
            'item 1 of "checklist" has the id "c2"; give c1',
        ),
        ({"checklist": [{"checklist_type": "exact_match"}]}, '"target_entities" of c1 is null; give a list of texts'),
        (
            {"checklist": [{"checklist_type": "exact_match", "target_entities": [5]}]},
            '"target_entities" of c1 is [5]; give a list of texts',
        ),
    ],
)
def test_a_wrong_rubric_is_an_error_with_its_line(explain_set, change, message):
    path = explain_set / "evaluation" / "explain_evaluation" / "rubrics.jsonl"
    path.write_text(json.dumps(rubric(1, 11)) + "\n" + json.dumps(rubric(2, 12) | change) + "\n")
    with pytest.raises(ValueError, match=r"rubrics.jsonl:2: not a rubric: ") as error:
        read_rubrics(explain_set)
    assert message in str(error.value)


def test_a_problem_with_two_rubrics_is_an_error(explain_set):
    path = explain_set / "evaluation" / "explain_evaluation" / "rubrics.jsonl"
    path.write_text((json.dumps(rubric(1, 11)) + "\n") * 2)
    with pytest.raises(ValueError, match=r"rubrics.jsonl:2: \"workspace_id\" 'or_space_001_explain' is already used"):
        read_rubrics(explain_set)


def test_a_folder_without_rubrics_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"no rubrics.jsonl in it; give the folder of OR-Space"):
        read_rubrics(tmp_path)
