"""Recorded trajectories of real models are read with their labels; errors name the file and the line."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from storm_calm.agents.detectors.labelled_episodes import is_labelled_folder, read_labelled_episodes
from storm_calm.env import Episode, Problem, Span, Transcript
from storm_calm.env.intervention import TRIGGERS
from storm_calm.env.serialize import to_json

FOLDER = Path(__file__).resolve().parents[2] / "data" / "trajectories"
CODE = "```python\nprint(6 * 7)\n```\n"


@pytest.fixture
def folder(tmp_path):
    """Return a function that writes a folder with one trajectory and this label."""

    def folder(**label):
        spans = (
            Span(source="prompt", text="Q: at most 40. "),
            Span(source="model", text=f"First. We need x >= 40. Then a program:\n{CODE}", finish="end"),
        )
        problem = Problem(id="p", question="At most 40.", answers=(42.0,))
        episode = Episode(problem=problem, transcript=Transcript(spans=spans), stop="malformed")
        line = {"id": "a", "model": "m", "prompt": "think", "hints": "none", "episode": to_json(episode)}
        (tmp_path / "episodes.jsonl").write_text(json.dumps(line) + "\n")
        (tmp_path / "labels.jsonl").write_text(json.dumps({"id": "a", **label}) + "\n")
        return tmp_path

    return folder


def test_a_quote_in_prose_is_located_at_its_sentence(folder):
    (one,) = read_labelled_episodes(folder(trigger="missing_constraint", quote="x >= 40", why="turned"))
    text = one.episode.transcript.text[slice(*one.place)]
    assert (one.id, one.trigger, one.why, text) == ("a", "missing_constraint", "turned", "We need x >= 40.")


def test_a_quote_in_a_program_is_located_at_its_block(folder):
    (one,) = read_labelled_episodes(folder(trigger="fragmented_code", quote="6 * 7"))
    assert one.episode.transcript.text[slice(*one.place)] == CODE


def test_a_trajectory_without_a_flaw_has_no_place(folder):
    (one,) = read_labelled_episodes(folder(trigger=None))
    assert (one.trigger, one.place) == (None, None)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ({"trigger": "boredom", "quote": "x"}, "labels.jsonl:1: .*trigger"),
        ({"trigger": "missing_constraint"}, "labels.jsonl:1: .*belong together"),
        ({"trigger": None, "quote": "x"}, "labels.jsonl:1: .*belong together"),
        ({"trigger": "missing_constraint", "quote": "y >= 40"}, "labels.jsonl:1: the quote 'y >= 40' is not in"),
        ({"id": "b", "trigger": None}, "labels.jsonl:1: no episode 'b'"),
    ],
)
def test_an_invalid_label_is_an_error_with_file_and_line(folder, label, message):
    with pytest.raises(ValueError, match=message):
        read_labelled_episodes(folder(**label))


def test_a_folder_with_labels_is_told_from_a_folder_of_traces(folder, tmp_path):
    assert not is_labelled_folder(tmp_path)
    assert is_labelled_folder(folder(trigger=None))


@pytest.fixture(scope="module")
def ours():
    return read_labelled_episodes(FOLDER)


def test_our_trajectories_are_all_labelled_and_name_no_path_of_a_machine(ours):
    lines = (FOLDER / "episodes.jsonl").read_text().splitlines()
    assert len(lines) == len(ours)
    assert not re.search(r"/(?:tmp|work|home|root)/", "\n".join(lines))
    assert {one.trigger for one in ours} - {None} <= set(TRIGGERS)


def test_the_first_and_the_second_pass_are_recorded_for_each_label(ours):
    passes = [json.loads(line) for line in (FOLDER / "passes.jsonl").read_text().splitlines()]
    labels = {one.id: one.trigger for one in ours}
    assert sorted(one["id"] for one in passes) == sorted(labels)
    for one in passes:
        if one["first"] == one["second"]:
            assert labels[one["id"]] == one["first"]
        else:
            assert one["note"]


def test_answers_of_our_problems_are_those_of_a_solver():
    for line in (FOLDER / "problems.jsonl").read_text().splitlines():
        problem = json.loads(line)
        assert solved(problem["model"]) == pytest.approx(problem["answer"]), problem["id"]


def solved(model):
    """Return the optimum of a problem's model, or "infeasible"."""
    sign = 1 if model["sense"] == "min" else -1
    rows = np.array([row for row, _, _ in model["rows"]], dtype=float)
    low = [-np.inf if way == "<=" else limit for _, way, limit in model["rows"]]
    high = [np.inf if way == ">=" else limit for _, way, limit in model["rows"]]
    found = milp(
        sign * np.array(model["objective"]), constraints=LinearConstraint(rows, low, high),
        integrality=[int(model["integer"])] * len(model["objective"]), bounds=Bounds(0, np.inf),
    )  # fmt: skip
    return "infeasible" if found.status == 2 else sign * found.fun
