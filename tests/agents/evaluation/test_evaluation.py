"""An evaluation stores each sample and scores it under the given rules, without false credit."""

import json
import re
from dataclasses import replace

import pytest

from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.results import results_to_json
from storm_calm.agents.evaluation.run_evaluation import evaluate
from storm_calm.agents.evaluation.samples import read_samples
from storm_calm.agents.runs.options import to_toml
from storm_calm.agents.runs.worker_pool import TooManyFailuresError
from storm_calm.env import ReasonerError, Sampling, score, write_problems
from storm_calm.env.serialize import from_json
from support.fake_reasoner import FakeReasoner, boxed, direct, mixed, program, silent, stubborn, workshop, wrong
from support.measurements import without_measurements

pytestmark = pytest.mark.slow

COUNT = 8


@pytest.fixture
def config(tmp_path):
    """Eight problems of two families; `mixed` solves workshop-12 and -16 without hints."""
    problems = [workshop(10 + number, family=("chairs", "stools")[number % 2]) for number in range(COUNT)]
    write_problems(tmp_path / "problems.jsonl", problems)
    return EvalConfig(problems=str(tmp_path / "problems.jsonl"), seed=7, minimum_isolation="limits")


def left_in(out):
    """Return the files of a finished evaluation without measured times."""
    lines = [without_measurements(json.loads(line)) for line in (out / "samples.jsonl").read_text().splitlines()]
    return lines, without_measurements(json.loads((out / "results.json").read_text()))


class Chancy(FakeReasoner):
    """A reasoner that is correct or wrong depending on the seed, and records the seeds."""

    sampling = Sampling(temperature=0.7)

    def __init__(self):
        super().__init__(direct)
        self.seeds = []

    def stream(self, prompt, *, stop, max_tokens, sampling):
        self.seeds.append(sampling.seed)
        wrong = sampling.seed % 3 == 0
        role = (lambda hours, hints, outputs: boxed(-1)) if wrong else direct
        return FakeReasoner(role).stream(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling)


class Failing(FakeReasoner):
    """A reasoner that fails for these hours."""

    def __init__(self, role, *hours):
        super().__init__(role)
        self.hours = hours

    def stream(self, prompt, **settings):
        if any(f"has {hours} hours" in "".join(map(chr, prompt)) for hours in self.hours):
            raise ReasonerError("http://there answered 500")
        return super().stream(prompt, **settings)


def test_every_sample_is_stored_and_counted(config, tmp_path):
    results = results_to_json(evaluate(config, tmp_path / "out", reasoner=FakeReasoner(mixed)))
    samples = read_samples(tmp_path / "out" / "samples.jsonl")
    assert [sample.id for sample in samples] == [f"workshop-{10 + number}" for number in range(COUNT)]
    assert [score(sample.episode).reward for sample in samples] == [0, 0, 1, 0] * 2
    assert not any(sample.episode.interventions for sample in samples)
    assert {name: results[name] for name in ("problems", "samples", "scored", "infrastructure", "errors")} == {
        "problems": 8, "samples": 1, "scored": 8, "infrastructure": 0, "errors": 0,
    }  # fmt: skip
    assert results["rules"] == {"paper": {"pass@1": {"mean": 0.25, "low": 0.071479, "high": 0.590725}}}
    assert results["by_family"]["chairs"]["problems"] == 4
    assert results["by_family"]["chairs"]["paper"]["mean"] == 0.5
    assert results["by_family"]["stools"]["paper"]["mean"] == 0.0
    assert "by_difficulty" not in results
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == results


def test_behaviour_figures_describe_the_answers(config, tmp_path):
    figures = results_to_json(evaluate(config, tmp_path / "out", reasoner=FakeReasoner(mixed)))["behaviour"]
    # Of eight: two by hand without a program, two overruling the solver, two right, two right for another question.
    assert (figures["code_blocks"], figures["executions"]) == (0.75, 0.75)
    assert figures["execution_status"] == {"ok": 6}
    assert figures["solver_status"] == {"optimal": 6}
    assert figures["backed_by_report"] == 0.5
    assert figures["stops"] == {"answer": 1.0}
    assert (figures["flawed"], figures["class_1"], figures["class_2"]) == (0.5, 0.5, 0.0)
    assert {name: share for name, share in figures["first_finding"].items() if share} == {
        "manual_computation": 0.25, "solver_distrust": 0.25,
    }  # fmt: skip
    assert {name: count for name, count in figures["findings"].items() if count} == {
        "manual_computation": 2, "solver_distrust": 2,
    }  # fmt: skip
    assert figures["model_tokens"] > 0
    assert set(figures["seconds"]) == {"generation", "execution", "wall"}


def test_a_value_only_in_program_output_scores_0(config, tmp_path):
    def printing(hours, hints, outputs):
        return "I leave it at that." if outputs else program(hours)

    results = evaluate(replace(config, rule=("paper", "orlm")), tmp_path / "out", reasoner=FakeReasoner(printing))
    assert [figures["pass@1"].mean for figures in results.rules.values()] == [0.0, 0.0]
    assert results.behaviour.stops == {"malformed": 1.0}
    assert results.behaviour.backed_by_report == 0.0


def test_results_do_not_depend_on_the_number_of_workers(config, tmp_path):
    for workers in (1, 4):
        evaluate(replace(config, workers=workers, samples=2), tmp_path / str(workers), reasoner=Chancy())
    assert left_in(tmp_path / "1") == left_in(tmp_path / "4")


def test_every_sample_has_its_own_seed(config, tmp_path):
    results = evaluate(replace(config, samples=4), tmp_path / "out", reasoner=Chancy())
    samples = read_samples(tmp_path / "out" / "samples.jsonl")
    assert len({sample.seed for sample in samples}) == 4 * COUNT
    assert [sample.sample for sample in samples[:COUNT]] == [0, 1, 2, 3] * 2
    assert {sample.temperature for sample in samples} == {results.temperature} == {0.7}
    right = {}
    for sample in samples:
        right[sample.id] = right.get(sample.id, 0) + score(sample.episode).reward
    figures = results.rules["paper"]
    assert figures["pass@1"].mean == pytest.approx(sum(right.values()) / (4 * COUNT))
    assert figures["pass@4"].mean == pytest.approx(sum(count > 0 for count in right.values()) / COUNT)
    assert 0 < figures["pass@1"].mean < figures["pass@4"].mean


def test_more_samples_keep_the_existing_ones(config, tmp_path):
    evaluate(replace(config, samples=2), tmp_path / "out", reasoner=Chancy())
    before = (tmp_path / "out" / "samples.jsonl").read_text().splitlines()
    reasoner = Chancy()
    evaluate(replace(config, samples=3), tmp_path / "out", resume=True, reasoner=reasoner)
    after = (tmp_path / "out" / "samples.jsonl").read_text().splitlines()
    assert (len(before), len(after)) == (2 * COUNT, 3 * COUNT)
    assert set(before) < set(after)
    evaluate(replace(config, samples=3), tmp_path / "whole", reasoner=Chancy())
    assert left_in(tmp_path / "out") == left_in(tmp_path / "whole")
    with pytest.raises(ValueError, match=r"has 3 samples of a problem; give --samples 3 or more"):
        evaluate(replace(config, samples=2), tmp_path / "out", resume=True)


def test_another_rule_rescores_without_the_reasoner(config, tmp_path):
    def nearly(hours, hints, outputs):
        return boxed(3.02 * hours)

    first = evaluate(config, tmp_path / "out", reasoner=FakeReasoner(nearly))
    kept = (tmp_path / "out" / "samples.jsonl").read_bytes()
    again = evaluate(replace(config, rule=("orlm", "paper")), tmp_path / "out", resume=True, reasoner=None)
    assert (first.rules["paper"]["pass@1"].mean, again.rules["orlm"]["pass@1"].mean) == (0.0, 1.0)
    assert list(again.rules) == ["orlm", "paper"]
    assert (tmp_path / "out" / "samples.jsonl").read_bytes() == kept
    assert 'rule = [\n    "orlm",\n    "paper",\n]' in (tmp_path / "out" / "config.toml").read_text()


def test_resume_after_a_kill_during_a_write_gives_the_same_results(config, tmp_path):
    evaluate(config, tmp_path / "whole", reasoner=FakeReasoner(mixed))
    evaluate(config, tmp_path / "out", reasoner=FakeReasoner(mixed))
    (tmp_path / "out" / "results.json").unlink()
    lines = (tmp_path / "out" / "samples.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "out" / "samples.jsonl").write_bytes(lines[3] + lines[0] + lines[5][: len(lines[5]) // 2])
    assert {sample.id for sample in read_samples(tmp_path / "out" / "samples.jsonl")} == {"workshop-13", "workshop-10"}
    evaluate(config, tmp_path / "out", resume=True, reasoner=Failing(mixed, 10, 13))
    assert left_in(tmp_path / "out") == left_in(tmp_path / "whole")


def test_ctrl_c_keeps_finished_results(config, tmp_path):
    def interrupt(progress):
        if progress.done >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(config, tmp_path / "out", reasoner=FakeReasoner(mixed, pause=0.05), on_progress=interrupt)
    assert 3 <= len(read_samples(tmp_path / "out" / "samples.jsonl")) < COUNT
    evaluate(config, tmp_path / "out", resume=True, reasoner=FakeReasoner(mixed))
    with pytest.raises(KeyboardInterrupt):
        evaluate(
            replace(config, samples=2),
            tmp_path / "out",
            resume=True,
            reasoner=FakeReasoner(mixed, pause=0.05),
            on_progress=interrupt,
        )
    assert not (tmp_path / "out" / "results.json").exists(), "old figures do not stand beside new samples"
    config = replace(config, samples=2)
    evaluate(config, tmp_path / "out", resume=True, reasoner=FakeReasoner(mixed))
    evaluate(config, tmp_path / "whole", reasoner=FakeReasoner(mixed))
    assert left_in(tmp_path / "out") == left_in(tmp_path / "whole")


def test_a_sandbox_failure_is_counted_unscored_and_retried(config, tmp_path):
    out = tmp_path / "out"
    evaluate(replace(config, samples=2), out, reasoner=FakeReasoner(mixed))
    lines = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    # Both samples of workshop-10, which is wrong, and one of workshop-12, which is right.
    for number in (0, 1, 4):
        lines[number]["episode"]["stop"] = "infrastructure"
    (out / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    broken = replace(config, samples=2)
    with pytest.raises(TooManyFailuresError, match="5 problems failed one after another"):
        evaluate(replace(broken, samples=4), out, resume=True, reasoner=Failing(mixed, *range(10, 18)))
    from storm_calm.agents.evaluation.config import load_problems
    from storm_calm.agents.evaluation.results import work_out

    figures = work_out(broken, load_problems(broken).problems, read_samples(out / "samples.jsonl"))
    assert (figures.scored, figures.infrastructure) == (13, 3)
    assert figures.rules["paper"]["pass@1"].mean == pytest.approx(2 / 7), "of the seven problems with a score"
    assert figures.rules["paper"]["pass@2"].mean == pytest.approx(1 / 6), "of the six problems with both"
    assert figures.behaviour.stops == {"answer": 1.0}
    evaluate(broken, out, resume=True, reasoner=FakeReasoner(mixed))
    evaluate(broken, tmp_path / "whole", reasoner=FakeReasoner(mixed))
    assert left_in(out) == left_in(tmp_path / "whole")


def test_a_sample_with_a_reasoner_error_is_retried_on_resume(config, tmp_path):
    results = evaluate(config, tmp_path / "out", reasoner=Failing(mixed, 11, 14))
    assert (results.scored, results.errors, results.problems) == (6, 2, 8)
    assert results.rules["paper"]["pass@1"].mean == pytest.approx(2 / 6)
    results = evaluate(config, tmp_path / "out", resume=True, reasoner=FakeReasoner(mixed))
    assert (results.scored, results.errors) == (8, 0)


def test_the_macro_mean_weighs_benchmarks_equally(config, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for name, hours in (("nl4opt", range(10, 16)), ("OptMATH_Bench", range(12, 14))):
        rows = [{"en_question": workshop(one).question, "en_answer": str(3 * one)} for one in hours]
        rows.append({"en_question": workshop(9).question, "en_answer": "unclear"})
        (data / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sets = EvalConfig(benchmark=("nl4opt", "optmath"), data_dir=str(data), minimum_isolation="limits")
    results = evaluate(sets, tmp_path / "out", reasoner=FakeReasoner(mixed))
    assert (results.problems, results.unread_labels) == (8, 2)
    groups = results_to_json(results)["by_benchmark"]
    assert [(name, group["problems"], group["paper"]["mean"]) for name, group in groups.items()] == [
        ("nl4opt", 6, pytest.approx(1 / 6, abs=1e-6)), ("optmath", 2, 0.5),
    ]  # fmt: skip
    assert results.rules["paper"]["macro"].mean == pytest.approx((1 / 6 + 1 / 2) / 2)
    assert results.rules["paper"]["pass@1"].mean == pytest.approx(2 / 8)
    moved = data.rename(tmp_path / "moved")
    assert evaluate(replace(sets, data_dir=str(moved)), tmp_path / "out", resume=True) == results


def test_an_evaluation_with_other_settings_is_not_resumed(config, tmp_path):
    evaluate(config, tmp_path / "out", reasoner=FakeReasoner(mixed))
    with pytest.raises(ValueError, match=r"out: holds a run already \(8 of its problems done\); --resume it, or"):
        evaluate(config, tmp_path / "out", reasoner=FakeReasoner(mixed))
    changes = "seed: 7 -> 8, temperature: not set -> 0.5"
    with pytest.raises(ValueError, match=re.escape(f"made with other settings ({changes}); choose another --out")):
        evaluate(replace(config, seed=8, temperature=0.5, workers=2, rule=("orlm",)), tmp_path / "out", resume=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    with pytest.raises(ValueError, match="holds something else than an evaluation"):
        evaluate(config, tmp_path / "full", reasoner=FakeReasoner(mixed))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "give a file of problems, families, test sets or stress"),
        ({"problems": "a", "families": ("all",)}, "give a file of problems, families, test sets or stress"),
        ({"families": ("all",), "benchmark": ("nl4opt",)}, "give a file of problems, families, test sets or stress"),
        ({"families": ("all",), "data_dir": "data"}, "data_dir: needs --benchmark"),
        ({"stress": ("all",), "benchmark": ("nl4opt",)}, "give a file of problems, families, test sets or stress"),
        ({"families": ("all",), "split": "test"}, 'split: "test" is not one of'),
        ({"families": ("all",), "rule": ("exact",)}, 'rule: "exact" is unknown. Known: paper, sirl, orlm, mamo'),
        ({"families": ("all",), "rule": ()}, "give at least one rule"),
        ({"benchmark": ("nl4",)}, 'benchmark: "nl4" is unknown. Known: nl4opt'),
        ({"families": ("all",), "samples": 0}, "samples: 0 is not a"),
        ({"families": ("all",), "temperature": float("nan")}, "temperature: nan is not a"),
        ({"families": ("all",), "minimum_isolation": "none"}, 'minimum_isolation: "none" is not one of'),
    ],
)
def test_invalid_settings_are_errors(settings, message):
    with pytest.raises(ValueError, match=message):
        EvalConfig(**settings)


def test_settings_round_trip():
    config = EvalConfig(benchmark=("nl4opt", "optmath"), data_dir="data", rule=("orlm", "sirl"), samples=8)
    assert from_json(EvalConfig, to_toml(config)) == config
    stress = EvalConfig(stress=("qubo", "mixed"))
    assert from_json(EvalConfig, to_toml(stress)) == stress
    assert from_json(EvalConfig, {"families": ["all"]}).split == "heldout"


def test_stress_answers_are_grouped_by_their_evidence(tmp_path):
    def by_hours(hours, hints, outputs):
        return (direct, stubborn, wrong, silent)[hours % 4](hours, hints, outputs)

    problems = [
        replace(workshop(hours), family=("qubo", "see_reduction")[hours % 2], source=f"stress: {group}")
        for hours, group in zip(range(12, 20), ("outside", "mixed") * 4, strict=True)
    ]
    write_problems(tmp_path / "problems.jsonl", problems)
    config = EvalConfig(
        problems=str(tmp_path / "problems.jsonl"), rule=("paper", "orlm"), minimum_isolation="limits", samples=2
    )
    results = results_to_json(evaluate(config, tmp_path / "out", reasoner=FakeReasoner(by_hours)))
    found = results["by_report"]
    assert list(found) == ["all", "outside", "mixed", "qubo", "see_reduction"]
    assert found["all"]["with_report"]["problems"] == 4
    assert found["all"]["with_report"]["paper"] == {"mean": 0.5, "low": 0.150039, "high": 0.849961}
    assert found["all"]["with_report"]["orlm"] == found["all"]["with_report"]["paper"]
    assert found["all"]["without_report"]["paper"]["mean"] == 1.0
    assert (found["all"]["without_report"]["problems"], found["all"]["unanswered"]) == (2, 4)
    assert found["qubo"] == found["outside"]
    assert (found["qubo"]["with_report"]["problems"], found["qubo"]["without_report"]) == (4, None)
    assert found["see_reduction"] == found["mixed"]
    assert (found["mixed"]["with_report"], found["mixed"]["unanswered"]) == (None, 4)
    assert {name: group["problems"] for name, group in results["by_group"].items()} == {"outside": 4, "mixed": 4}
    write_problems(tmp_path / "problems.jsonl", [workshop(12)])
    ordinary = results_to_json(evaluate(config, tmp_path / "ordinary", reasoner=FakeReasoner(direct)))
    assert not {"by_report", "by_group"} & ordinary.keys()


def test_default_is_ten_stress_problems_per_kind():
    from storm_calm.agents.evaluation.config import load_problems

    problems = load_problems(EvalConfig(stress=("no_solver_needed", "robust"), seed=3)).problems
    assert [problem.family for problem in problems] == ["no_solver_needed", "robust"] * 10
    assert load_problems(EvalConfig(stress=("no_solver_needed", "robust"), seed=3, limit=3)).problems == problems[:3]
    with pytest.raises(ValueError, match='unknown kind of stress problem "sudoku"'):
        load_problems(EvalConfig(stress=("sudoku",)))


def test_the_nano_model_solves_few_stress_problems(tmp_path):
    config = EvalConfig(stress=("all",), limit=13, seed=7, minimum_isolation="limits")
    results = results_to_json(evaluate(config, tmp_path / "out"))
    assert results["scored"] == 13
    assert results["rules"]["paper"]["pass@1"]["mean"] < 0.4
    assert len(results["by_family"]) == 13
    whole = results["by_report"]["all"]
    parts = [whole[name]["problems"] for name in ("with_report", "without_report") if whole[name]]
    assert sum(parts) + whole["unanswered"] == 13


def test_the_nano_model_has_its_designed_accuracy_and_flaw_rate(tmp_path):
    config = EvalConfig(
        reasoner="nano-base",
        families=("all",),
        limit=16,
        seed=7,
        samples=2,
        rule=("paper", "sirl"),
        minimum_isolation="limits",
    )
    results = evaluate(config, tmp_path / "out")
    assert 0.3 < results.rules["sirl"]["pass@1"].mean < 0.9
    assert results.rules["sirl"]["pass@1"].mean <= results.rules["sirl"]["pass@2"].mean
    assert 0.2 < results.behaviour.flawed < 0.7
    assert results.behaviour.class_1 > results.behaviour.class_2
    assert set(results.groups) == {"by_family", "by_difficulty"}
    assert sum(group.problems for group in results.groups["by_difficulty"].values()) == 16
