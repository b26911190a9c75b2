"""A reviewer's file: every word on disk, the last one counts, drafts for nothing, one process at a time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env import TRIGGERS
from storm_calm.env.serialize import from_json, to_json
from storm_calm.serving.review.ratings import ANSWERS, MAX_COMMENT, MEANINGS, QUESTIONS, Rating
from storm_calm.serving.review.review_sample import read_sample, sampled
from storm_calm.serving.review.reviewer import read_ratings, read_reviewers, reviewer_file, reviewing

pytestmark = pytest.mark.slow

FINE = {"finding": "yes", "trigger": "yes", "hint": "yes", "lightweight": "yes", "leak": "no"}

DRAFTS = st.builds(
    lambda answers, right, comment: {
        "answers": answers,
        "right_trigger": right if answers.get("trigger") == "no" else None,
        "comment": comment,
    },
    st.dictionaries(st.sampled_from(list(QUESTIONS)), st.sampled_from(ANSWERS)),
    st.sampled_from([None, "none", *TRIGGERS]),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20),
)


def test_every_trigger_is_explained_to_reviewers():
    assert tuple(MEANINGS) == TRIGGERS


@given(DRAFTS)
def test_a_judgement_comes_back_from_its_line(said):
    one = Rating(item="a#0", digest="d", **said)
    assert from_json(Rating, json.loads(json.dumps(to_json(one)))) == one
    whole = set(said["answers"]) == set(QUESTIONS)
    assert one.complete == (whole and (said["answers"]["trigger"] != "no" or said["right_trigger"] is not None))


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (
            {"answers": {"taste": "yes"}},
            "unknown question 'taste'; give one of finding, trigger, hint, lightweight, leak",
        ),
        ({"answers": {"leak": "maybe"}}, '"answers.leak" is "maybe"; give "yes", "no" or "cannot_say"'),
        ({"answers": {"leak": ["yes"]}}, r'"answers.leak" is \["yes"\]'),
        ({"answers": "yes"}, '"answers" is "yes"; give an object'),
        (
            {"answers": FINE, "right_trigger": "none"},
            "right_trigger is 'none', but the trigger is not rated as wrong",
        ),
        ({"answers": {"trigger": "no"}, "right_trigger": "laziness"}, "right_trigger is 'laziness'; give one of"),
        ({"comment": 7}, '"comment" is 7; give a text'),
        (
            {"comment": "a" * (MAX_COMMENT + 1)},
            f"the comment has {MAX_COMMENT + 1} characters; give at most {MAX_COMMENT}",
        ),
        ({"comment": "half: \ud83d"}, "the comment is not valid text from character 7"),
        ({"mood": "good"}, '"mood" is not a known field; remove it'),
    ],
)
def test_what_is_no_rating_is_refused_and_not_kept(run, said, fault):
    with reviewing(run, "ana", sampled(run)) as ana:
        with pytest.raises(ValueError, match=fault):
            ana.save(0, said)
        assert ana.latest == {}
    assert not reviewer_file(run, "ana").exists()


def test_the_trigger_that_fired_is_not_the_right_one_where_it_is_wrong(run):
    items = sampled(run)
    fired = items[0].intervention.finding.trigger
    with reviewing(run, "ana", items) as ana, pytest.raises(ValueError, match="the trigger that is rated as wrong"):
        ana.save(0, {"answers": {"trigger": "no"}, "right_trigger": fired})


def test_the_last_word_counts_and_a_draft_takes_nothing_back(run):
    items = sampled(run)
    with reviewing(run, "ana", items) as ana:
        ana.save(0, {"answers": FINE, "comment": "first"})
        ana.save(0, {"answers": {**FINE, "leak": "yes"}, "comment": "second"})
        ana.save(0, {"answers": {**FINE, "trigger": "no"}, "comment": "changing my mind"})
        ana.save(1, {"answers": {"finding": "no"}})
        assert ana.reviewed == 0
    lines = reviewer_file(run, "ana").read_text().splitlines()
    assert [json.loads(line)["comment"] for line in lines] == ["first", "second", "changing my mind", ""]
    (counted,) = read_reviewers(run, read_sample(run))["ana"]
    assert (counted.item, counted.answers["leak"], counted.comment) == (items[0].id, "yes", "second")
    with reviewing(run, "ana", items) as again:
        assert again.latest[items[0].id].comment == "changing my mind"
        assert again.latest[items[1].id].answers == {"finding": "no"}


def test_a_line_that_a_kill_cut_short_costs_no_other(run):
    items = sampled(run)
    with reviewing(run, "ana", items) as ana:
        ana.save(0, {"answers": FINE})
        ana.save(1, {"answers": FINE})
    file = reviewer_file(run, "ana")
    file.write_bytes(file.read_bytes()[:-20])
    with reviewing(run, "ana", items) as ana:
        assert list(ana.latest) == [items[0].id]
        ana.save(2, {"answers": FINE})
    assert [one.item for one in read_ratings(file, read_sample(run).items)] == [items[0].id, items[2].id]


def test_a_line_that_is_no_rating_of_this_sample_is_named(run):
    items = sampled(run)
    with reviewing(run, "ana", items) as ana:
        ana.save(0, {"answers": FINE})
    file = reviewer_file(run, "ana")
    good = file.read_text()
    for line, fault in [
        ("{}", 'ana.jsonl:2: not a rating of this review: "item" is missing'),
        ("mine", "ana.jsonl:2: not a rating of this review: not JSON: Expecting value"),
        (good.strip().replace('"digest": "', '"digest": "x'), "ana.jsonl:2: .* is not in the sample"),
    ]:
        file.write_text(f"{good}{line}\n")
        with pytest.raises(ValueError, match=fault), reviewing(run, "ana", items):
            pass
        assert file.read_text() == f"{good}{line}\n"


@pytest.mark.parametrize("name", ["", "a b", "../ana", ".ana", "-ana", "ána", "a" * 65, "ana.drafts", "ana\n"])
def test_what_is_no_name_is_refused(run, name):
    with pytest.raises(ValueError, match="is not a name of letters, digits, - and _"):
        reviewer_file(run, name)


def test_a_reviewer_rates_in_one_process_at_a_time_and_two_reviewers_in_two(run):
    items = sampled(run)
    hold = (
        "import sys; from pathlib import Path; from storm_calm.serving.review.reviewer import reviewing\n"
        "with reviewing(Path(sys.argv[1]), 'ana', ()): print('held', flush=True); sys.stdin.read()"
    )
    house = Path(__file__).parents[3]
    command = [sys.executable, "-c", hold, str(run)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=house) as other:
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(ValueError, match=r"ana.jsonl: ana reviews in another process"),
            reviewing(run, "ana", items),
        ):
            pass
        with reviewing(run, "ben", items) as ben:
            ben.save(0, {"answers": FINE})
        other.kill()
    with reviewing(run, "ana", items) as ana:
        assert ana.latest == {}
