"""The sample: proportional to triggers and finders, drawn once, the same for all reviewers, tied to its run."""

import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env import Episode
from storm_calm.serving.review.review_items import read_items
from storm_calm.serving.review.review_sample import draw, sample_file, sampled, shares
from support.fake_reasoner import workshop

SIZES = st.dictionaries(
    st.tuples(st.sampled_from("abcdefg"), st.sampled_from(["llm", "rules"])), st.integers(1, 40), min_size=1
)


@given(SIZES, st.integers(1, 300))
def test_strata_get_their_share_and_at_least_one_if_possible(sizes, size):
    given_shares = shares(sizes, size)
    total = sum(sizes.values())
    assert sum(given_shares.values()) == min(size, total)
    assert all(given_shares[stratum] <= sizes[stratum] for stratum in sizes)
    if size >= len(sizes):
        assert min(given_shares.values()) >= 1
    for stratum, count in given_shares.items():
        exact = sizes[stratum] * min(size, total) / total
        # No stratum gets more than its share, except for the one that it always gets.
        assert count <= max(1, exact + 1)


def test_shares_are_exact_if_they_are_whole_numbers():
    sizes = {("a", "rules"): 60, ("b", "rules"): 30, ("b", "llm"): 10}
    assert shares(sizes, 10) == {("a", "rules"): 6, ("b", "rules"): 3, ("b", "llm"): 1}
    assert shares(sizes, 3) == {("a", "rules"): 1, ("b", "rules"): 1, ("b", "llm"): 1}
    assert shares(sizes, 2) == {("a", "rules"): 1, ("b", "rules"): 1, ("b", "llm"): 0}


def test_the_seed_determines_the_sample_and_its_order(made, intervened):
    items = read_items(made(*(intervened(workshop(hours)) for hours in range(40))))
    first = draw(items, size=12, seed=1)
    assert (first, len(first.items), first.drawn_from) == (draw(items, size=12, seed=1), 12, 40)
    assert set(first.items) != set(draw(items, size=12, seed=2).items)
    assert list(first.items) != [item.id for item in items if item.id in first.items]


def test_a_sample_is_drawn_once_and_shared_by_all_reviewers(run):
    drawn = sampled(run, size=4, seed=3)
    kept = sample_file(run).read_bytes()
    assert {item.stratum for item in drawn} == {("manual_computation", "rules"), ("solver_distrust", "rules")}
    assert sampled(run) == sampled(run, size=4) == sampled(run, seed=3) == drawn
    for other in ({"size": 5}, {"seed": 0}, {"size": 4, "seed": 2}):
        with pytest.raises(ValueError, match="drawn with --sample 4 --seed 3, and it is the same for all reviewers"):
            sampled(run, **other)
    assert sample_file(run).read_bytes() == kept


def test_concurrent_reviewers_get_the_same_sample(run):
    found = []
    threads = [
        threading.Thread(target=lambda seed=seed: found.append(_drawn(run, seed)), daemon=True) for seed in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = list(json.loads(sample_file(run).read_text())["items"])
    assert len(found) == 8
    assert kept in found
    assert all(one == kept or "the same for all reviewers" in one for one in found)


def _drawn(run, seed):
    try:
        return [item.id for item in sampled(run, size=3, seed=seed)]
    except ValueError as error:
        return str(error)


def test_unfinished_and_empty_curations_cannot_be_reviewed(run, made):
    (run / "summary.json").unlink()
    with pytest.raises(ValueError, match=r"first: the curation is not finished.*storm curate --out .*first --resume"):
        sampled(run)
    assert not sample_file(run).parent.exists()
    folder = made(Episode(problem=workshop(8), stop="malformed"))
    with pytest.raises(ValueError, match=r"made: nothing to review, the curation has no interventions"):
        sampled(folder)
    assert not sample_file(folder).parent.exists()


@pytest.mark.parametrize("size", [0, -3])
def test_the_sample_size_must_be_positive(run, size):
    with pytest.raises(ValueError, match=f"the sample size is {size}; give --sample of at least 1"):
        sampled(run, size=size)
    assert not sample_file(run).parent.exists()


def test_a_changed_run_does_not_match_its_sample(run):
    sampled(run)
    kept = sample_file(run).read_bytes()
    records = (run / "episodes.jsonl").read_text()
    for changed in (
        records.replace("Let me work it out by hand", "Let me find it out by hand"),
        "".join(line for line in records.splitlines(keepends=True) if "workshop-9" not in line),
    ):
        (run / "episodes.jsonl").write_text(changed)
        with pytest.raises(
            ValueError, match=r"sample.json: intervention workshop-\d+#0 has changed, so the run was curated again"
        ):
            sampled(run)
    assert sample_file(run).read_bytes() == kept
    (run / "episodes.jsonl").write_text(records)
    assert len(sampled(run)) == 6


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not a sample: Expecting value"),
        ("[]", r"not a sample: it is \[\]; give an object"),
        ('{"size": 4}', 'not a sample: "seed" is missing'),
        ('{"size": 4, "seed": 0, "drawn_from": 4, "items": []}', r'not a sample: "items" is \[\]; give an object'),
    ],
)
def test_an_invalid_sample_file_is_an_error_and_kept(run, text, fault):
    sampled(run)
    sample_file(run).write_text(text)
    with pytest.raises(ValueError, match=rf"sample.json: {fault}.*move .*review away"):
        sampled(run)
    assert sample_file(run).read_text() == text


@pytest.mark.parametrize(
    ("break_it", "fault"),
    [
        (lambda run: (run / "config.toml").unlink(), "first: contains no curation, config.toml is missing"),
        (lambda run: (run / "episodes.jsonl").unlink(), "first: contains no curation, episodes.jsonl is missing"),
        (lambda run: (run / "config.toml").write_text("= 1"), r"config.toml: not TOML"),
        (
            lambda run: (run / "episodes.jsonl").write_text('{"format_version": 1, "id": "a"}\n'),
            'episodes.jsonl:1: not a record of this curation: "seed" is missing',
        ),
    ],
)
def test_error_for_an_invalid_curation_has_the_reason(run, break_it, fault):
    break_it(run)
    with pytest.raises(ValueError, match=fault):
        sampled(run)
    assert not sample_file(run).parent.exists()
