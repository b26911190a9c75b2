"""The pretraining traces: played in the environment, with correct labels."""

import itertools
import random

import numpy as np
import pytest

from storm_calm.agents.reasoners import built_in
from storm_calm.agents.triggers.names import TRIGGER_OF
from storm_calm.env.problems.families import FAMILIES, instances
from storm_calm.env.reward import score
from storm_calm.env.solver_env import SolverEnv
from storm_calm.rl.nano.family_programs import program
from storm_calm.rl.nano.nano_tokenizer import NanoRenderer, train_tokenizer
from storm_calm.rl.nano.play_traces import MIX, play
from storm_calm.rl.nano.pretraining_corpus import Corpus, build, traces
from storm_calm.rl.nano.trace_builder import UnsuitableInstanceError
from storm_calm.sandbox import open_sandbox

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sandbox():
    with open_sandbox() as opened:
        yield opened


@pytest.fixture(scope="module")
def renderer():
    return NanoRenderer(built_in("nano-base") / "tokenizer.json")


@pytest.fixture(scope="module")
def played(sandbox, renderer):
    return list(itertools.islice(traces(renderer, sandbox, seed="tests"), 120))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_correct_program_finds_the_confirmed_answer(name, sandbox):
    for instance in itertools.islice(instances([FAMILIES[name]], split="train", seed=8), 6):
        printed = sandbox.run(program(name, instance.data).code).stdout.strip()
        (answer,) = instance.problem().answers
        if isinstance(answer, str):
            assert printed == answer
        else:
            assert float(printed) == pytest.approx(answer, rel=1e-6, abs=1e-6)


def test_correct_traces_score_1_and_flawed_ones_mostly_0(played):
    right = [score(t.episode).reward for t in played if t.hinted or t.kind not in TRIGGER_OF]
    flawed = [score(t.episode).reward for t in played if not t.hinted and t.kind in TRIGGER_OF]
    assert set(right) == {1.0}
    # A flaw can have no effect: dropping a constraint that does not bind, or a wrong type that makes no difference.
    assert sum(flawed) / len(flawed) < 0.35


def test_every_trace_ends_with_an_answer_within_the_context(played, renderer):
    assert {trace.episode.stop for trace in played} == {"answer"}
    assert max(len(trace.episode.transcript.ids) for trace in played) < renderer.context


def test_a_hint_replaces_the_flaw_and_learning_starts_after_it(played):
    hinted = [trace for trace in played if trace.hinted]
    assert hinted
    for trace in hinted:
        spans = trace.episode.transcript.spans
        assert spans[trace.learn_from - 1].source == "hint"
        assert all(span.source in ("model", "tool") for span in spans[trace.learn_from :])
        assert trace.flaw_offset is None
        (intervention,) = trace.episode.interventions
        assert intervention.removed
        assert intervention.removed not in trace.episode.transcript.text[intervention.cut :]


def test_segments_are_encoded_separately(played, renderer):
    for trace in played[:40]:
        for span in trace.episode.transcript.spans:
            if span.source == "prompt":
                assert renderer.encode_marked(span.text)[0] == span.ids
            elif span.source in ("tool", "hint"):
                assert renderer.encode(span.text)[0] == span.ids


def test_every_kind_of_flaw_can_be_played(sandbox, renderer):
    env = SolverEnv(sandbox, renderer)
    shown = set()
    for number, instance in enumerate(itertools.islice(instances(list(FAMILIES.values()), split="train", seed=5), 72)):
        for kind in (kind for difficulty in MIX.values() for kind in difficulty if kind not in shown):
            try:
                play(env, instance, instance.problem(), kind, hinted=False, rng=random.Random(number))
            except UnsuitableInstanceError:
                continue
            shown.add(kind)
    assert shown == {kind for difficulty in MIX.values() for kind in difficulty}


def test_an_unsuitable_instance_is_an_error(sandbox, renderer):
    instance = next(instances([FAMILIES["assignment"]], split="train", seed=1))
    env = SolverEnv(sandbox, renderer)
    for kind, hinted in (("mended_zero", False), ("direct", True), ("wrong_type", False)):
        with pytest.raises(UnsuitableInstanceError):
            play(env, instance, instance.problem(), kind, hinted=hinted, rng=random.Random(1))


def test_rates_of_the_mix_sum_to_1():
    for mix in MIX.values():
        assert sum(mix.values()) == pytest.approx(1)


def test_a_corpus_is_reproducible_and_round_trips_through_a_file(renderer, tmp_path):
    corpus = build(renderer, count=12, seed=1, workers=2)
    again = build(renderer, count=12, seed=1, workers=2)
    corpus.save(tmp_path / "corpus.npz")
    loaded = Corpus.load(tmp_path / "corpus.npz")
    for other in (again, loaded):
        assert np.array_equal(corpus.ids, other.ids)
        assert np.array_equal(corpus.learn, other.learn)
        assert np.array_equal(corpus.starts, other.starts)
    assert len(corpus.labels) == len(corpus.right) == len(corpus.starts) - 1 == 12
    assert sum(rate for kind, rate in corpus.rates().items() if kind != "hinted") == pytest.approx(1)


def test_outputs_prompts_and_hints_are_never_learned(played):
    from storm_calm.rl.nano.pretraining_corpus import _row

    for trace in played[:60]:
        _, learn, _, _ = _row(trace)
        sources = [span.source for span in trace.episode.transcript.spans for _ in span.ids]
        assert all(source == "model" for source, one in zip(sources, learn, strict=True) if one)


def test_digits_and_line_breaks_are_single_tokens(tmp_path):
    tokenizer = train_tokenizer(["x = [12, 345]\nprint(x)\n"] * 50)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    ids, ends = NanoRenderer(tmp_path / "tokenizer.json").encode("12345\n\n")
    assert ends == (1, 2, 3, 4, 5, 6, 7)
    assert len(set(ids)) == 6
