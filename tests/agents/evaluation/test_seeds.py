"""An evaluation with several seeds repeats itself on the same problems, resumes, and reports the spread."""

import json
from dataclasses import replace
from statistics import fmean, stdev

import pytest

from storm_calm.agents.evaluation.config import EvalConfig, load_problems
from storm_calm.agents.evaluation.results import results_to_json, work_out
from storm_calm.agents.evaluation.run_evaluation import evaluate
from storm_calm.agents.evaluation.samples import read_samples, sample_seed
from storm_calm.env import Sampling, score, write_problems
from support.fake_reasoner import FakeReasoner, boxed, direct, mixed, workshop
from support.measurements import without_measurements

pytestmark = pytest.mark.slow

COUNT = 6


class Chancy(FakeReasoner):
    """A reasoner that is correct or wrong depending on the seed."""

    sampling = Sampling(temperature=0.7)

    def __init__(self, pause=0.0):
        super().__init__(direct, pause=pause)

    def stream(self, prompt, *, stop, max_tokens, sampling):
        wrong = sampling.seed % 3 == 0
        role = (lambda hours, hints, outputs: boxed(-1 - sampling.seed % 2)) if wrong else direct
        chosen = FakeReasoner(role, pause=self.pause)
        return chosen.stream(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling)


@pytest.fixture
def config(tmp_path):
    """Six problems of two families, three seeds, two samples with each."""
    problems = [workshop(10 + number, family=("chairs", "stools")[number % 2]) for number in range(COUNT)]
    write_problems(tmp_path / "problems.jsonl", problems)
    return EvalConfig(problems=str(tmp_path / "problems.jsonl"), seed=7, seeds=3, samples=2, minimum_isolation="limits")


def left_in(out):
    """Return the files of a finished evaluation without measured times."""
    lines = [without_measurements(json.loads(line)) for line in (out / "samples.jsonl").read_text().splitlines()]
    return lines, without_measurements(json.loads((out / "results.json").read_text()))


def test_each_repetition_has_the_samples_of_an_evaluation_with_the_next_seed(config, tmp_path):
    evaluate(config, tmp_path / "out", reasoner=Chancy())
    samples = read_samples(tmp_path / "out" / "samples.jsonl")
    assert [(one.id, one.repetition, one.sample) for one in samples[:6]] == [
        ("workshop-10", repetition, number) for repetition in range(3) for number in range(2)
    ]
    assert all(one.seed == sample_seed(7 + one.repetition, one.sample, one.id) for one in samples)
    assert len({one.seed for one in samples}) == len(samples) == 3 * 2 * COUNT
    for repetition in range(3):
        alone = replace(config, seed=7 + repetition, seeds=1)
        evaluate(alone, tmp_path / str(repetition), reasoner=Chancy())
        own = [replace(one, repetition=0) for one in samples if one.repetition == repetition]
        again = read_samples(tmp_path / str(repetition) / "samples.jsonl")
        assert [(one.seed, one.episode.transcript) for one in own] == [
            (one.seed, one.episode.transcript) for one in again
        ]


def test_generated_problems_are_those_of_the_first_seed():
    config = EvalConfig(families=("diet",), limit=3, seed=4)
    assert load_problems(replace(config, seeds=5)).problems == load_problems(config).problems


def test_the_table_has_the_mean_and_the_sample_deviation_over_seeds(config, tmp_path):
    results = evaluate(config, tmp_path / "out", reasoner=Chancy())
    samples = read_samples(tmp_path / "out" / "samples.jsonl")

    def accuracies(family):
        return [
            fmean(
                score(one.episode).reward
                for one in samples
                if one.repetition == repetition and family in (one.episode.problem.family, "all")
            )
            for repetition in range(3)
        ]

    rows = results.table["paper"]
    assert list(rows) == ["all", "chairs", "stools"]
    assert [row.problems for row in rows.values()] == [6, 3, 3]
    for name, row in rows.items():
        assert row.by_seed == pytest.approx(accuracies(name))
        assert row.accuracy == pytest.approx(fmean(row.by_seed))
        assert row.deviation == pytest.approx(stdev(row.by_seed))
    assert rows["all"].deviation > 0
    assert rows["all"].accuracy == pytest.approx(results.rules["paper"]["pass@1"].mean)
    assert list(results.rules["paper"]) == ["pass@1", "pass@2", "majority@2"]
    assert rows["all"].pass_at_k == pytest.approx(results.rules["paper"]["pass@2"].mean)
    assert rows["all"].majority_at_k == pytest.approx(results.rules["paper"]["majority@2"].mean)
    data = results_to_json(results)
    assert data["seeds"] == 3
    assert data["table"]["paper"]["all"]["by_seed"] == pytest.approx(rows["all"].by_seed, abs=1e-6)


def test_majority_and_pass_at_k_are_means_over_the_seeds(config, tmp_path):
    config = replace(config, samples=3)
    results = evaluate(config, tmp_path / "out", reasoner=Chancy())
    rewards, answers = {}, {}
    for one in read_samples(tmp_path / "out" / "samples.jsonl"):
        found = score(one.episode)
        rewards.setdefault((one.id, one.repetition), []).append(found.reward)
        answers.setdefault((one.id, one.repetition), []).append(found.answer.value)
    passed = fmean(any(found) for found in rewards.values())
    # The right answer is one of three: it wins with two votes, or as the first one if all differ.
    right = fmean(sum(found) >= 2 or (len(set(answers[key])) == 3 and found[0] == 1) for key, found in rewards.items())
    assert results.rules["paper"]["pass@3"].mean == pytest.approx(passed)
    assert results.rules["paper"]["majority@3"].mean == pytest.approx(right)
    assert 0 < right < passed


def test_one_seed_has_no_deviation_and_the_table_no_k_for_one_sample(config, tmp_path):
    results = evaluate(replace(config, seeds=1, samples=1), tmp_path / "out", reasoner=FakeReasoner(mixed))
    row = results.table["paper"]["all"]
    assert (row.deviation, row.pass_at_k, row.majority_at_k, row.by_seed) == (None, None, None, (row.accuracy,))
    assert list(results.rules["paper"]) == ["pass@1"]


def test_a_larger_number_of_seeds_adds_the_missing_samples(config, tmp_path):
    evaluate(replace(config, seeds=1), tmp_path / "out", reasoner=Chancy())
    before = (tmp_path / "out" / "samples.jsonl").read_text().splitlines()
    evaluate(replace(config, seeds=2), tmp_path / "out", resume=True, reasoner=Chancy())
    evaluate(replace(config, samples=3), tmp_path / "out", resume=True, reasoner=Chancy())
    after = (tmp_path / "out" / "samples.jsonl").read_text().splitlines()
    assert (len(before), len(after)) == (2 * COUNT, 3 * 3 * COUNT)
    assert set(before) < set(after)
    evaluate(replace(config, samples=3), tmp_path / "whole", reasoner=Chancy())
    assert left_in(tmp_path / "out") == left_in(tmp_path / "whole")
    with pytest.raises(ValueError, match=r"has samples with 3 seeds; give --seeds 3 or more, or another --out"):
        evaluate(replace(config, samples=3, seeds=2), tmp_path / "out", resume=True)


def test_an_interrupted_evaluation_with_seeds_resumes_to_the_same_results(config, tmp_path):
    def interrupt(progress):
        if progress.done >= 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(config, tmp_path / "out", reasoner=Chancy(pause=0.03), on_progress=interrupt)
    assert 15 <= len(read_samples(tmp_path / "out" / "samples.jsonl")) < 36
    evaluate(replace(config, seeds=4), tmp_path / "out", resume=True, reasoner=Chancy())
    evaluate(replace(config, seeds=4), tmp_path / "whole", reasoner=Chancy())
    assert left_in(tmp_path / "out") == left_in(tmp_path / "whole")


def test_a_run_from_before_the_option_can_be_scored_and_extended(config, tmp_path):
    out = tmp_path / "out"
    evaluate(replace(config, seeds=1), out, reasoner=Chancy())
    lines = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    for line in lines:
        del line["repetition"]
    (out / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    settings = (out / "config.toml").read_text()
    assert "seeds = 1\n" in settings
    (out / "config.toml").write_text(settings.replace("seeds = 1\n", ""))
    old = (out / "samples.jsonl").read_text()
    evaluate(replace(config, seeds=1), out, resume=True)
    assert (out / "samples.jsonl").read_text() == old, "nothing was missing"
    evaluate(config, out, resume=True, reasoner=Chancy())
    evaluate(config, tmp_path / "whole", reasoner=Chancy())
    lines, results = left_in(out)
    assert ([{"repetition": 0, **line} for line in lines], results) == left_in(tmp_path / "whole")


def test_a_seed_without_scored_samples_is_left_out_of_the_mean(config, tmp_path):
    evaluate(config, tmp_path / "out", reasoner=Chancy())
    samples = [
        replace(one, episode=replace(one.episode, stop="infrastructure")) if one.repetition == 1 else one
        for one in read_samples(tmp_path / "out" / "samples.jsonl")
    ]
    results = work_out(config, load_problems(config).problems, samples)
    row = results.table["paper"]["all"]
    assert row.by_seed[1] is None
    assert row.accuracy == pytest.approx(fmean((row.by_seed[0], row.by_seed[2])))
    assert row.deviation == pytest.approx(stdev((row.by_seed[0], row.by_seed[2])))
    assert (results.scored, results.infrastructure) == (4 * COUNT, 2 * COUNT)


def test_several_test_sets_have_a_row_each_and_one_for_their_mean(tmp_path):
    for name, hours in (("nl4opt", range(10, 16)), ("OptMATH_Bench", range(12, 14))):
        rows = [{"en_question": workshop(one).question, "en_answer": str(3 * one)} for one in hours]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = EvalConfig(
        benchmark=("nl4opt", "optmath"), data_dir=str(tmp_path), seeds=3, samples=2, minimum_isolation="limits"
    )
    results = evaluate(config, tmp_path / "out", reasoner=Chancy())
    rows = results.table["paper"]
    assert list(rows) == ["all", "nl4opt", "optmath", "macro"]
    assert rows["macro"].by_seed == pytest.approx(
        [fmean(pair) for pair in zip(rows["nl4opt"].by_seed, rows["optmath"].by_seed, strict=True)]
    )
    assert rows["macro"].accuracy == pytest.approx(results.rules["paper"]["macro"].mean)
    assert rows["macro"].problems == 8


def test_the_nano_model_varies_between_seeds(tmp_path):
    config = EvalConfig(
        reasoner="nano-base", families=("easy",), limit=6, seed=7, seeds=2, samples=2, minimum_isolation="limits"
    )
    results = evaluate(config, tmp_path / "out")
    row = results.table["paper"]["all"]
    assert (results.scored, len(row.by_seed)) == (24, 2)
    assert row.majority_at_k <= row.pass_at_k
    assert results.budget.max_executions == 4
    assert 0 < results.budget.model_tokens.median <= results.budget.model_tokens.p90


def test_results_are_the_same_from_an_iterator_and_from_a_list_in_the_order_of_the_repetitions(config, tmp_path):
    expected = results_to_json(evaluate(replace(config, rule=("paper", "orlm")), tmp_path / "out", reasoner=Chancy()))
    config = replace(config, rule=("paper", "orlm"))
    samples = read_samples(tmp_path / "out" / "samples.jsonl")
    problems = load_problems(config).problems
    assert results_to_json(work_out(config, iter(problems), iter(samples))) == expected
    by_repetition = sorted(samples, key=lambda one: (one.repetition, one.sample))
    figures = results_to_json(work_out(config, problems, by_repetition))
    for data in (figures, expected):
        del data["behaviour"], data["budget"]  # Sums of seconds depend on the order.
    assert figures == expected
