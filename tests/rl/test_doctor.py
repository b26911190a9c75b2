"""The doctor: each signature is found if present and only then, and a missing measurement is never ok."""

import json
from dataclasses import replace

import pytest

from storm_calm.agents.reasoners import chat_template
from storm_calm.env import Episode, Problem, Span, Transcript, Usage, append_episode
from storm_calm.rl.doctor import examine
from storm_calm.rl.doctor.signatures import SIGNATURES
from storm_calm.sandbox import Execution, SolverReport

HEALTHY = {
    "critic/rewards/mean": lambda step: 0.4 + 0.02 * step,
    "response_length/mean": lambda step: 300 - 2 * step,
    "actor/entropy": lambda step: 0.5,
    "storm/zero_variance_groups": lambda step: 0.3,
    "storm/failed_executions": lambda step: 0.05,
    "storm/backed": lambda step: 0.98,
    "storm/infrastructure": lambda step: 0.0,
    "storm/groups": lambda step: 8.0,
    "storm/utilization/training": lambda step: 0.9,
    "training/off_policy/trajectory_staleness_worst/mean": lambda step: 1.1,
}


def grpo(folder, *, steps=20, without=(), mode="separate_async", **changed):
    """The run folder of a GRPO run. changed: other metrics, as functions of the step; "/" is written "__"."""
    metrics = HEALTHY | {name.replace("__", "/"): metric for name, metric in changed.items()}
    lines = [
        {"step": step, "data": {name: metric(step) for name, metric in metrics.items() if name not in without}}
        for step in range(1, steps + 1)
    ]
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "config.yaml").write_text(json.dumps({"trainer": {"v1": {"trainer_mode": mode}}}))
    return folder


def evaluation(folder, *, complex_families=0.5, tokens=300.0, backed=0.95, statuses=None, spread=0.03, lost=0):
    """The run folder of an evaluation."""
    score = {"mean": complex_families, "low": complex_families - spread, "high": complex_families + spread}
    results = {
        "scored": 100 - lost,
        "infrastructure": lost,
        "rules": {"sirl": {"pass@1": score}},
        "by_difficulty": {
            "easy": {"problems": 50, "sirl": {"mean": 0.7, "low": 0.6, "high": 0.8}},
            "complex": {"problems": 50, "sirl": score},
        },
        "behaviour": {
            "code_blocks": 1.5,
            "model_tokens": tokens,
            "backed_by_report": backed,
            "execution_status": statuses or {"ok": 95, "error": 5},
        },
    }
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def golden(*, hints, backed=True):
    """A golden trajectory with this many hint tokens and 100 model tokens."""
    prompt = chat_template.render([{"role": "user", "content": "Q?"}])
    spans = (
        Span(source="prompt", text=prompt),
        Span(source="model", text="```python\n```\n"),
        Span(source="tool", text="```output\n42\n```\n"),
        Span(source="model", text="\\boxed{42}", finish="end"),
    )
    report = SolverReport(library="pulp", solver="CBC", status="optimal", objective=42.0 if backed else 7.0, integer=2)
    execution = Execution(code="", status="ok", exit_code=0, isolation="limits", backend="none", reports=(report,))
    return Episode(
        problem=Problem(id="p", question="Q?", answers=(42.0,)),
        transcript=Transcript(spans=spans),
        executions=(execution,),
        stop="answer",
        usage=Usage(model_tokens=100, hint_tokens=hints),
    )


def curation(folder, runs, statuses=("ok",)):
    """The run folder of a curation. statuses: those of the programs in an extra record."""
    folder.mkdir(parents=True)
    (folder / "golden.jsonl").touch()
    for number, run in enumerate(runs):
        append_episode(folder / "golden.jsonl", replace(run, problem=replace(run.problem, id=str(number))))
    runs = {"executions": [{"status": status} for status in statuses]}
    (folder / "episodes.jsonl").write_text(json.dumps({"episode": runs, "native": {"executions": []}}) + "\n")
    return folder


def state(folder, check, baseline=None):
    """Return the state and the figure of the only result of a check."""
    (verdict,) = [one for one in examine(folder, baseline) if one.check == check]
    return verdict.state, verdict.figure


def test_a_healthy_run_has_no_problems_or_remedies(tmp_path):
    grpo(tmp_path / "grpo")
    evaluation(tmp_path / "eval-base")
    evaluation(tmp_path / "eval-sft", complex_families=0.55, tokens=280)
    curation(tmp_path / "curate", [golden(hints=3)] * 4)
    verdicts = examine(tmp_path)
    assert {one.state for one in verdicts} == {"ok"}
    assert {one.check for one in verdicts} == {one.name for one in SIGNATURES}
    assert {one.cause + one.remedy for one in verdicts} == {""}
    assert {one.run for one in verdicts} == {"grpo", "eval-sft", "curate"}


def test_missing_figures_are_not_measured_and_never_ok(tmp_path):
    bare = grpo(tmp_path / "bare", without=set(HEALTHY) - {"actor/entropy"}, critic__other=lambda step: 1.0)
    assert {one.state for one in examine(bare)} == {"not measured"}
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "results.json").write_text("{}")
    assert {one.state for one in examine(tmp_path / "empty")} == {"not measured"}
    assert {one.state for one in examine(tmp_path / "empty", evaluation(tmp_path / "base"))} == {"not measured"}
    none = curation(tmp_path / "none", [], statuses=())
    assert {one.state for one in examine(none)} == {"not measured"}
    missing = {one.figure for one in examine(bare)}
    assert "needs storm/backed in metrics.jsonl" in missing
    assert "needs an evaluation" in missing


@pytest.mark.parametrize(
    ("now", "spread", "expected"),
    [
        (0.50, 0.03, "ok"),
        (0.485, 0.03, "ok"),
        (0.475, 0.03, "warning"),
        (0.44, 0.03, "problem"),
        (0.44, 0.1, "warning"),
    ],
)
def test_a_significant_drop_on_complex_problems_is_a_problem(tmp_path, now, spread, expected):
    base = evaluation(tmp_path / "before", complex_families=0.5, spread=spread)
    after = evaluation(tmp_path / "after", complex_families=now)
    assert state(after, "complex problems", base) == (expected, f"pass@1 50.0% -> {now:.1%} (rule sirl)")
    assert state(after, "complex problems")[0] == "not measured"


@pytest.mark.parametrize(
    ("reward", "expected"),
    [
        (lambda step: 0.4 + 0.02 * step, "ok"),
        (lambda step: 0.4, "problem"),
        (lambda step: 0.6 - 0.01 * step, "problem"),
        (lambda step: 0.4 + 0.002 * step + 0.1 * (step % 2), "warning"),
        (lambda step: 0.98, "ok"),
        (lambda step: 0.98 - 0.02 * step, "problem"),
        (lambda step: float("nan"), "not measured"),
    ],
)
def test_a_flat_reward_is_a_problem_unless_it_is_high(tmp_path, reward, expected):
    assert state(grpo(tmp_path / "grpo", critic__rewards__mean=reward), "reward flat")[0] == expected


def test_a_few_steps_are_too_few_for_a_trend(tmp_path):
    folder = grpo(tmp_path / "grpo", steps=8, critic__rewards__mean=lambda step: 0.1)
    assert state(folder, "reward flat") == ("not measured", "needs critic/rewards/mean of 9 steps (there are 8)")
    assert state(folder, "verbosity")[0] == "not measured"
    assert state(folder, "groups alike")[0] == "ok"


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"storm__zero_variance_groups": lambda step: 0.6}, "no variance"),
        ({"storm__failed_executions": lambda step: 0.4}, "programs fail"),
        ({"storm__infrastructure": lambda step: 0.2}, "the sandbox loses rollouts"),
        ({"actor__entropy": lambda step: 0.001}, "entropy has collapsed"),
        ({}, "not calibrated"),
    ],
)
def test_other_figures_suggest_the_cause_of_a_flat_reward(tmp_path, changed, cause):
    folder = grpo(tmp_path / "grpo", critic__rewards__mean=lambda step: 0.3, **changed)
    (verdict,) = [one for one in examine(folder) if one.check == "reward flat"]
    assert cause in verdict.cause
    assert verdict.remedy


@pytest.mark.parametrize(("reward", "word"), [(0.9, "easy"), (0.1, "hard")])
def test_groups_without_variance_are_too_easy_or_too_hard(tmp_path, reward, word):
    changed = {"storm__zero_variance_groups": lambda step: 0.85, "critic__rewards__mean": lambda step: reward}
    (verdict,) = [one for one in examine(grpo(tmp_path / "grpo", **changed)) if one.check == "groups alike"]
    assert (verdict.state, verdict.figure) == ("problem", "85% of groups")
    assert f"too {word}" in verdict.cause


@pytest.mark.parametrize(("factor", "expected"), [(0.75, "ok"), (1.05, "ok"), (1.2, "warning"), (1.4, "problem")])
def test_growing_responses_are_detected_in_evaluations_and_training(tmp_path, factor, expected):
    base, after = evaluation(tmp_path / "before", tokens=200), evaluation(tmp_path / "after", tokens=200 * factor)
    assert state(after, "verbosity", base)[0] == expected
    growing = grpo(tmp_path / "grpo", response_length__mean=lambda step: 200 if step < 10 else 200 * factor)
    assert state(growing, "verbosity")[0] == expected


@pytest.mark.parametrize(("failing", "expected"), [(5, "ok"), (15, "warning"), (40, "problem")])
def test_failing_programs_are_detected_in_all_kinds_of_runs(tmp_path, failing, expected):
    statuses = {"ok": 100 - failing, "error": failing - 2, "timeout": 2}
    after = evaluation(tmp_path / "after", statuses=statuses)
    figure = f"{failing:.1f}% of programs (error {failing - 2:.1f}%, timeout 2.0%)"
    assert state(after, "programs failing") == (expected, figure)
    listed = [status for status, count in statuses.items() for _ in range(count)]
    curated = curation(tmp_path / "curate", [golden(hints=0)], statuses=listed)
    assert state(curated, "programs failing") == (expected, figure)
    trained = grpo(tmp_path / "grpo", storm__failed_executions=lambda step: failing / 100)
    assert state(trained, "programs failing") == (expected, f"{failing:.1f}% of programs")


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [((3, 0, 2), "ok"), ((10, 8, 9), "warning"), ((30, 20, 25), "problem"), ((20, 0, 0, 0, 0), "warning")],
)
def test_a_large_hint_share_is_a_problem(tmp_path, tokens, expected):
    folder = curation(tmp_path / "curate", [golden(hints=one) for one in tokens])
    assert state(folder, "hint share")[0] == expected


@pytest.mark.parametrize(("unbacked", "expected"), [(0, "ok"), (2, "warning"), (5, "problem")])
def test_unbacked_answers_are_detected_in_all_kinds_of_runs(tmp_path, unbacked, expected):
    runs = [golden(hints=0, backed=number >= unbacked) for number in range(10)]
    figure = f"{unbacked * 10:.1f}% of"
    curated = state(curation(tmp_path / "curate", runs), "answers unbacked")
    after = state(evaluation(tmp_path / "after", backed=1 - unbacked / 10), "answers unbacked")
    trained = state(grpo(tmp_path / "grpo", storm__backed=lambda step: 1 - unbacked / 10), "answers unbacked")
    assert curated == (expected, f"{figure} golden trajectories")
    assert after == (expected, f"{figure} numbers answered")
    assert trained == (expected, f"{figure} right answers")


def test_trajectories_lost_to_the_sandbox_are_a_problem(tmp_path):
    assert state(evaluation(tmp_path / "after", lost=5), "runs lost") == ("warning", "5.0% of trajectories")
    assert state(grpo(tmp_path / "grpo", storm__infrastructure=lambda step: 0.2), "runs lost")[0] == "problem"


@pytest.mark.parametrize(
    ("changed", "expected", "figure"),
    [
        ({}, "ok", "1.1 updates old, 0.0% of groups dropped, 0.0% of the effective sample size lost"),
        ({"training__off_policy__trajectory_staleness_worst__mean": lambda step: 2.5}, "warning", "2.5 updates old"),
        ({"training__off_policy__trajectory_staleness_worst__mean": lambda step: 5.0}, "problem", "5.0 updates old"),
        ({"training__off_policy__evicted_samples": lambda step: 2.0}, "problem", "20.0% of groups dropped"),
        ({"rollout_corr__rollout_is_eff_sample_size": lambda step: 0.8}, "warning", "20.0% of the effective sample"),
    ],
)
def test_rollouts_from_old_weights_are_a_problem(tmp_path, changed, expected, figure):
    found = state(grpo(tmp_path / "grpo", **changed), "rollouts stale")
    assert found[0] == expected
    assert figure in found[1]


def test_a_trainer_that_waits_is_a_problem_only_in_an_asynchronous_run(tmp_path):
    idle = {"storm__utilization__training": lambda step: 0.3, "storm__utilization__generating": lambda step: 0.95}
    figure = "waits 70% of the time; rollouts generate 95% of the time"
    assert state(grpo(tmp_path / "async", **idle), "trainer waiting") == ("problem", figure)
    assert state(grpo(tmp_path / "busy"), "trainer waiting")[0] == "ok"
    assert state(grpo(tmp_path / "sync", mode="sync", **idle), "trainer waiting")[0] == "not measured"


def test_a_run_in_progress_is_read_from_the_files_of_its_sessions(tmp_path):
    folder = grpo(tmp_path / "grpo", storm__infrastructure=lambda step: 0.5)
    (folder / "metrics").mkdir()
    (folder / "metrics.jsonl").rename(folder / "metrics" / "001.jsonl")
    assert state(folder, "runs lost")[0] == "problem"
    resumed = "".join(json.dumps({"step": step, "data": {"storm/infrastructure": 0.0}}) + "\n" for step in range(9, 21))
    (folder / "metrics" / "002.jsonl").write_text(resumed + '{"step": 21, "da')
    assert state(folder, "runs lost") == ("ok", "0.0% of rollouts")


def test_shares_use_only_the_last_third_of_the_steps(tmp_path):
    repaired = grpo(tmp_path / "grpo", storm__failed_executions=lambda step: 0.9 if step <= 12 else 0.02)
    assert state(repaired, "programs failing") == ("ok", "2.0% of programs")


def test_growing_metrics_are_read_and_repeated_steps_count_once(tmp_path):
    folder = grpo(tmp_path / "grpo", storm__infrastructure=lambda step: 0.5)
    text = (folder / "metrics.jsonl").read_text()
    again = "".join(json.dumps({"step": step, "data": {"storm/infrastructure": 0.0}}) + "\n" for step in range(1, 21))
    (folder / "metrics.jsonl").write_text(text + again + '{"step": 21, "da')
    assert state(folder, "runs lost") == ("ok", "0.0% of rollouts")
    assert state(folder, "reward flat")[1].endswith("over 20 steps")


def test_runs_and_the_baseline_are_found_in_a_folder(tmp_path):
    for name in ("eval-base", "eval-sft", "eval-grpo"):
        evaluation(tmp_path / "all" / name)
    sft = tmp_path / "all" / "sft"
    sft.mkdir()
    (sft / "metrics.jsonl").write_text('{"step": 1, "data": {"train/loss": 0.5}}\n')
    assert {one.run for one in examine(tmp_path / "all")} == {"", "eval-grpo", "eval-sft"}
    other = examine(tmp_path / "all", tmp_path / "all" / "eval-sft")
    assert {one.run for one in other} == {"", "eval-base", "eval-grpo"}
    assert {one.run for one in examine(tmp_path / "all" / "eval-base")} == {"", "eval-base"}


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("other.txt", "", ": no run in it; give the run folder of a curation"),
        ("results.json", "{", "/results.json: not JSON"),
        ("results.json", "[]", "/results.json: not a JSON object"),
        ("metrics.jsonl", '{"step": 1}\n', "/metrics.jsonl:1: not the metrics of a step"),
        ("metrics.jsonl", "", ": no run in it"),
        ("golden.jsonl", "{}\n", "/golden.jsonl:1: written by another version of storm"),
    ],
)
def test_error_for_an_invalid_folder_names_it(tmp_path, file, content, message):
    (tmp_path / file).write_text(content)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        examine(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}{message}")


def test_error_for_an_invalid_run_or_baseline_names_it(tmp_path):
    after = evaluation(tmp_path / "after")
    with pytest.raises(ValueError, match="nowhere: no such folder; give a run folder"):
        examine(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"results\.json: not a folder"):
        examine(after / "results.json")
    with pytest.raises(ValueError, match=r"nowhere: no results\.json in it; give the run folder of an evaluation"):
        examine(after, tmp_path / "nowhere")
