"""Mixtures of SFT data: sizes, shares, masks and determinism, on a real curation of the nano model."""

import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.records import read_records
from storm_calm.agents.curation.run_curation import curate
from storm_calm.agents.graphs.hint_share import hint_share
from storm_calm.env import Transcript, score
from storm_calm.env.loss_mask import loss_mask
from storm_calm.rl.prompt_renderer import CheckpointRenderer
from storm_calm.rl.sweep.curation_yield import curation_yields
from storm_calm.rl.sweep.long_hints import lengthen_hints
from storm_calm.rl.sweep.sft_mixtures import Mixture, is_flawed, main, measure, mix, mixture_row

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def curation(tmp_path_factory):
    """Curate 40 problems with the base model."""
    folder = tmp_path_factory.mktemp("mixtures") / "curate"
    curate(CurateConfig(families=("all",), split="train", limit=40, seed=1, reasoner="nano-base"), folder)
    return folder


@pytest.fixture(scope="module")
def records(curation):
    return read_records(curation / "episodes.jsonl")


@pytest.fixture(scope="module")
def encode(nano):
    return CheckpointRenderer(nano).encode


@pytest.fixture
def mixed(records, encode):
    """Return a function that makes a mixture from the records."""
    return lambda seed=0, **request: mix(records, Mixture(**request), seed=seed, encode=encode)


def hinted(episode):
    return any(span.source == "hint" for span in episode.transcript.spans)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 16), flawed=st.floats(0, 0.5), seed=st.integers(0, 5))
def test_a_mixture_has_the_requested_size_and_flawed_share_and_no_problem_twice(mixed, count, flawed, seed):
    episodes = mixed(count=count, flawed=flawed, seed=seed)
    bad = [one for one in episodes if is_flawed(one)]
    assert len(episodes) == count
    assert len(bad) == round(flawed * count)
    assert not any(hinted(one) for one in bad)
    assert len({one.problem.id for one in episodes}) == count
    assert all(score(one).reason == "correct" for one in episodes if one not in bad)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0.1, 0.5), seed=st.integers(0, 5))
def test_hint_tokens_come_close_to_the_requested_share(mixed, share, seed):
    episodes = mixed(count=8, hinted=1.0, hint_tokens=share, seed=seed)
    natural = mixed(count=8, hinted=1.0, seed=seed)
    assert all(map(hinted, episodes))
    for longer, before in zip(episodes, natural, strict=True):
        # A sentence of advice has up to 30 tokens, of at least 80 that the model wrote.
        assert hint_share(before) <= hint_share(longer)
        assert abs(hint_share(longer) - max(share, hint_share(before))) < 0.12
    assert measure(episodes, Mixture(count=8)).hint_share == pytest.approx(
        sum(one.usage.hint_tokens for one in episodes)
        / sum(one.usage.hint_tokens + one.usage.model_tokens for one in episodes),
        abs=1e-6,
    )


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.5, 4), (1.0, 8)])
def test_the_share_of_trajectories_with_hints_is_the_requested_one(mixed, share, count):
    assert sum(map(hinted, mixed(count=8, hinted=share))) == count


def test_the_same_seed_gives_the_same_mixture_and_another_seed_another(mixed):
    first, again, other = (mixed(count=12, flawed=0.25, hint_tokens=0.2, seed=seed) for seed in (3, 3, 4))
    assert [one.transcript for one in first] == [one.transcript for one in again]
    assert {one.problem.id for one in first} != {one.problem.id for one in other}


def test_mixtures_of_a_seed_are_nested(mixed):
    small, large = mixed(count=5), mixed(count=20)
    assert large[:5] == small
    few, many = mixed(count=10, flawed=0.2), mixed(count=10, flawed=0.5)
    assert {one.problem.id for one in few if is_flawed(one)} <= {one.problem.id for one in many if is_flawed(one)}


def test_a_longer_hint_has_the_ids_and_mask_that_the_environment_would_give(mixed, encode):
    (before,), (longer,) = mixed(count=1, hinted=1.0), mixed(count=1, hinted=1.0, hint_tokens=0.4)
    changed = [
        (old, new) for old, new in zip(before.transcript.spans, longer.transcript.spans, strict=True) if old != new
    ]
    assert {new.source for _, new in changed} == {"hint"}
    for old, new in changed:
        assert new.text.startswith(old.text.rstrip())
        assert new.text.endswith("\n")
        assert (new.ids, new.ends) == encode(new.text)
    prompt = sum(len(span.ids) for span in longer.transcript.spans if span.source == "prompt")
    mask = loss_mask(longer.transcript, "sft")
    assert not any(mask[:prompt])
    assert sum(mask) == longer.usage.hint_tokens + longer.usage.model_tokens
    assert longer.usage.hint_tokens == Transcript(spans=longer.transcript.spans).count("hint")


@pytest.mark.parametrize("limit", [0, 1])
def test_the_yield_under_a_limit_on_interventions_is_that_of_a_curation_with_it(records, tmp_path, limit):
    config = CurateConfig(
        families=("all",), split="train", limit=40, seed=1, reasoner="nano-base", max_interventions=limit
    )
    found = {one.limit: one for one in curation_yields(records)}
    assert found[limit].golden == curate(config, tmp_path / "curate").golden
    assert found[5].golden == sum(record.outcome == "golden" for record in records)
    assert found[5].share.low < found[5].share.mean <= found[5].share.high


def test_longer_hints_are_not_flaws(mixed):
    assert measure(mixed(count=8, hinted=1.0, hint_tokens=0.4), Mixture(count=8)).flawed == 0


def test_without_a_loss_before_hints_only_the_last_hint_and_the_text_after_it_are_learned(mixed):
    masked = Mixture(count=8, hinted=0.5, loss_before_hints=False)
    for episode in mixed(count=8, hinted=0.5):
        whole, row = mixture_row(episode, Mixture(count=8)), mixture_row(episode, masked)
        assert row["input_ids"] == whole["input_ids"]
        spans = episode.transcript.spans
        first = 0
        if hinted(episode):
            last = max(number for number, span in enumerate(spans) if span.source == "hint")
            first = sum(len(span.ids) for span in spans[:last])
            assert sum(row["loss_mask"]) < sum(whole["loss_mask"])
        assert not any(row["loss_mask"][:first])
        assert row["loss_mask"][first:] == whole["loss_mask"][first:]


def test_error_for_too_few_trajectories_has_their_number(mixed):
    with pytest.raises(ValueError, match=r"the curation has \d+ golden trajectories, but 100 are needed; curate more"):
        mixed(count=100)
    with pytest.raises(ValueError, match=r"has \d+ golden trajectories with hints, but 40 are needed"):
        mixed(count=40, hinted=1.0)
    with pytest.raises(ValueError, match=r"has \d+ flawed trajectories of other problems, but 30 are needed"):
        mixed(count=30, flawed=1.0)


def test_a_trajectory_without_hints_cannot_get_longer_ones(mixed, encode):
    (plain,) = mixed(count=1, hinted=0.0)
    with pytest.raises(ValueError, match="has no hint that could be lengthened"):
        lengthen_hints(plain, 0.2, seed=0, encode=encode)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"count": 0}, "count is 0; give at least 1 trajectory"),
        ({"count": 1, "flawed": 1.5}, "flawed is 1.5; give a share from 0 to 1"),
        ({"count": 1, "hinted": -1.0}, "hinted is -1; give a share from 0 to 1"),
    ],
)
def test_error_for_an_impossible_request_names_it(request_, message):
    with pytest.raises(ValueError, match=message):
        Mixture(**request_)


def test_the_command_writes_rows_for_the_trainer_and_what_they_contain(curation, tmp_path):
    import pyarrow.parquet

    from storm_calm.rl.datasets.dataset_files import read_dataset_format

    out = tmp_path / "mix" / "sft.parquet"
    command = [sys.executable, "-m", "storm_calm.rl.sweep.sft_mixtures", str(curation), "--out", str(out)]
    done = subprocess.run([*command, "--count", "8", "--flawed", "0.25"], capture_output=True, text=True, check=True)
    facts = json.loads(out.with_suffix(".json").read_text())
    rows = pyarrow.parquet.read_table(out).to_pylist()
    assert (len(rows), facts["trajectories"], facts["flawed"], facts["flawed_share"]) == (8, 8, 2, 0.25)
    assert sum(sum(row["loss_mask"]) for row in rows) == facts["learned_tokens"]
    assert facts["learned_tokens"] == facts["hint_tokens"] + facts["model_tokens"]
    assert done.stdout.startswith("8 trajectories, 25.0 % flawed, ")
    assert read_dataset_format(out) is not None


def test_the_command_overwrites_nothing_and_names_a_wrong_source(curation, tmp_path):
    out = tmp_path / "sft.parquet"
    out.touch()
    with pytest.raises(SystemExit, match=r"sft_mixtures: .*sft\.parquet: already exists; choose another --out"):
        main([str(curation), "--count", "4", "--out", str(out)])
    with pytest.raises(SystemExit, match="not a finished curation; give the run folder of storm curate"):
        main([str(tmp_path), "--count", "4", "--out", str(tmp_path / "other.parquet")])
