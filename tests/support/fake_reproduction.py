"""A reproduction's folder in the real file formats, generated without training.

The trajectories are synthetic: right and flawless, right by hand, or wrong by hand. The findings of the rules and all
figures are computed by the real code.
"""

import functools
import json
import shutil
from pathlib import Path

from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.results import results_to_json, work_out
from storm_calm.agents.evaluation.samples import Sample, sample_to_json
from storm_calm.agents.reasoners import built_in
from storm_calm.env import Episode, Problem, Span, Transcript, Usage
from storm_calm.rl.reproduce import train_subprocess
from storm_calm.rl.reproduce.reproduce_config import ReproduceConfig
from storm_calm.rl.reproduce.stage_records import StageRecord, write_record
from storm_calm.rl.reproduce.stages import BY_NAME, settings_of
from storm_calm.sandbox import Execution, SolverReport

PROBLEMS = tuple(
    Problem(
        id=f"p{number}",
        question=f"Question {number}?",
        answers=(float(number),),
        family="product_mix" if number % 2 else "covering",
        difficulty="easy" if number % 2 else "complex",
    )
    for number in range(1, 121)
)


def run(problem, how):
    """Return a finished trajectory. how: "solved", "guessed" (wrong, by hand), or "misread" (wrong, by a program)."""
    (answer,) = problem.answers
    prompt = Span(source="prompt", text=f"{problem.question}\n")
    if how == "guessed":
        text = f"</think>\nThe answer is \\boxed{{{answer + 0.5}}}."
        spans = (prompt, Span(source="model", text=f"Let me work it out by hand.\n{text}", finish="end"))
        return Episode(problem=problem, transcript=Transcript(spans=spans), stop="answer", usage=Usage(model_tokens=40))
    found = answer if how == "solved" else answer + 0.5
    code = (
        f"import pulp\nx = pulp.LpVariable('x', 0, {found})\np = pulp.LpProblem('p', pulp.LpMaximize)\np += x\n"
        "p.solve()\nprint(x.value())\n"
    )
    report = SolverReport(library="pulp", solver="CBC", status="optimal", objective=found)
    execution = Execution(
        code=code, status="ok", exit_code=0, stdout=f"{found}\n", isolation="full", backend="local", reports=(report,)
    )
    spans = (
        prompt,
        Span(source="model", text=f"```python\n{code}```\n"),
        Span(source="tool", text=f"```output\n{found}\n```\n"),
        Span(source="model", text=f"</think>\nThe answer is \\boxed{{{found}}}.", finish="end"),
    )
    return Episode(
        problem=problem,
        transcript=Transcript(spans=spans),
        executions=(execution,),
        stop="answer",
        usage=Usage(model_tokens=90),
    )


def evaluated(folder, name, *, easy, complex, guessed=1.0, problems=PROBLEMS):
    """Write an evaluation.

    easy, complex: the accuracy for each difficulty.
    guessed: the share of wrong trajectories that were worked by hand.
    """
    samples, results = _evaluation(easy, complex, guessed, tuple(problems))
    out = folder / f"eval-{name}"
    out.mkdir(parents=True)
    (out / "samples.jsonl").write_text(samples)
    (out / "results.json").write_text(results)
    return out


@functools.cache  # Most models of a reproduction are those of the last one.
def _evaluation(easy, complex, guessed, problems):
    """Return the samples and the results of an evaluation as text."""
    samples = []
    for difficulty, right in (("easy", easy), ("complex", complex)):
        part = [problem for problem in problems if problem.difficulty == difficulty]
        solved = round(right * len(part))
        by_hand = round(guessed * (len(part) - solved))
        hows = ["solved"] * solved + ["guessed"] * by_hand + ["misread"] * (len(part) - solved - by_hand)
        samples += [
            Sample(sample=0, seed=0, temperature=0.8, episode=run(*pair)) for pair in zip(part, hows, strict=True)
        ]
    results = work_out(EvalConfig(families=("all",)), problems, samples)
    lines = "".join(json.dumps(sample_to_json(one)) + "\n" for one in samples)
    return lines, json.dumps(results_to_json(results))


def trained(folder, name, accuracies):
    """Write a GRPO run with these accuracies, one per step."""
    lines = [
        {
            "step": number,
            "data": {
                "storm/accuracy": accuracy,
                "critic/rewards/mean": accuracy,
                "storm/executions": 0.9,
                "storm/model_tokens": 240 - number,
                "storm/zero_variance_groups": 0.25,
                "storm/environment_seconds": 1.0,
                "storm/generation_seconds": 4.0,
                "timing_s/update_actor": 3.0,
                "timing_s/step": 10.0,
            },
        }
        for number, accuracy in enumerate(accuracies, start=1)
    ]
    (folder / name).mkdir(parents=True)
    (folder / name / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def curated(folder, **counts):
    """Write the parts of a curation that the report reads."""
    summary = {
        "problems": 100,
        "native_correct": 57,
        "golden": 95,
        "interventions": 45,
        "hint_token_share_mean": 0.04,
        "by_trigger": {"manual_computation": 30, "missing_constraint": 15},
        **counts,
    }
    (folder / "curate").mkdir(parents=True)
    (folder / "curate" / "summary.json").write_text(json.dumps(summary))


CONFIG = ReproduceConfig()


def noted(folder, stage, *, seed, config=CONFIG, seconds=60.0, finished=True):
    """Write the record of a stage."""
    settings = settings_of(BY_NAME[stage], config, seed)
    write_record(folder, stage, StageRecord(settings=settings, seconds=seconds, sessions=1, finished=finished))


LIKE_THE_PAPER = {
    "base": {"easy": 0.60, "complex": 0.50, "guessed": 0.6},
    "sft": {"easy": 0.62, "complex": 0.50, "guessed": 0.1},
    "grpo": {"easy": 0.85, "complex": 0.75, "guessed": 0.1},
    "grpo-base": {"easy": 0.70, "complex": 0.58, "guessed": 0.6},
    "plain-sft": {"easy": 0.75, "complex": 0.20, "guessed": 0.0},
}
"""Models with the behaviour that the paper reports."""


def reproduction(out, *, seeds=(0,), models=LIKE_THE_PAPER, problems=PROBLEMS, config=CONFIG):
    """Write the folder of a reproduction whose stages are all finished."""
    for seed in seeds:
        folder = out / f"seed-{seed}"
        curated(folder)
        for name, shares in models.items():
            shift = 0.02 * seed if name != "base" else 0.0
            moved = {**shares, "easy": shares["easy"] + shift, "complex": shares["complex"] + shift}
            evaluated(folder, name, **moved, problems=problems)
        trained(folder, "grpo", [0.6 + 0.01 * step + 0.01 * seed for step in range(24)])
        trained(folder, "grpo-base", [0.5 + 0.005 * step + 0.01 * seed for step in range(24)])
        for stage in BY_NAME:
            result = folder / BY_NAME[stage].result
            result.parent.mkdir(parents=True, exist_ok=True)
            result.touch()
            noted(folder, stage, seed=seed, config=config, seconds=30.0 if stage.startswith("eval") else 300.0)
    return out


def stubs(folder, monkeypatch):
    """Replace the training commands by stubs. Return the folder of the stubs, see `fake_training`."""
    folder.mkdir()
    (folder / "__init__.py").touch()  # Otherwise Python could find another package of that name.
    for name in ("train_sft.py", "train_verl.py"):
        shutil.copyfile(Path(__file__).with_name("fake_training.py"), folder / name)
    (folder / "base").symlink_to(built_in("nano-base"))
    monkeypatch.setattr(train_subprocess, "PACKAGE", folder.name)
    monkeypatch.setenv("PYTHONPATH", str(folder.parent))
    return folder
