"""Replay the published programs of test sets with files through the harness, and list what differs from the answers.

    python -m benchmarks.workspaces MIPLIB-NL --solver-seconds 120
    python -m benchmarks.workspaces OR-Space --scorer OR-Space/evaluation_programs/build_revise/score_objectives.py

DIR has one of the sets or several. Each instance that the programs do not reproduce is listed with the reason: the size
limit of gurobipy's licence, time, an error of the program, or another value. The run folders are kept with --out.

--scorer is OR-Space's own. It scores our results and changed ones: 0.5 % and 2 % larger, infeasible, and missing. Each
instance on which its verdict differs from ours is listed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.run_evaluation import evaluate
from storm_calm.agents.evaluation.samples import Sample, read_samples
from storm_calm.env import Answer, Episode, Span, Transcript, read_answer, score
from storm_calm.env.problems.benchmarks.workspaces import WORKSPACES
from storm_calm.sandbox import SolverReport

LICENCE = "size-limited license"
"""Part of gurobipy's error for a model of more than 2,000 variables or constraints."""
CHANGES: dict[str, Callable[[float], str | None]] = {
    "as it is": repr,
    "0.5 % more": lambda value: repr(value * 1.005),
    "2 % more": lambda value: repr(value * 1.02),
    "infeasible": lambda value: "infeasible",
    "missing": lambda value: None,
}
"""What is in the box instead of a number, and None for no answer."""


def reason(sample: Sample) -> str:
    """Return why a sample is not correct, in words."""
    episode = sample.episode
    run = episode.executions[-1] if episode.executions else None
    if run is None:
        return episode.transcript.model_text.strip()
    if run.status == "error" and LICENCE in run.stderr:
        size = f" ({_size(run.reports[-1])})" if run.reports else ""
        return f"larger than gurobipy's free licence{size}"
    if run.status != "ok":
        return f"{run.status} after {run.wall_seconds:.0f} s" if run.status == "timeout" else run.error_line[:100]
    answer = read_answer(episode.transcript) if episode.stop == "answer" else None
    if answer is None:
        return "the program printed no result"
    proved = run.reports[-1].status in ("optimal", "infeasible", "unbounded") if run.reports else True
    return f"found {answer.text}{'' if proved else ', not proved optimal in time'}"


def _size(report: SolverReport) -> str:
    count = report.continuous + report.integer + report.binary
    return f"{count:,} variables, {report.constraints:,} constraints"


def table(samples: Sequence[Sample]) -> Iterator[str]:
    """Yield the lines of a Markdown table with the samples that are not correct."""
    wrong = [sample for sample in samples if score(sample.episode).reward != 1.0]
    yield f"{len(samples) - len(wrong)} of {len(samples)} reproduced"
    if wrong:
        yield "\n| instance | published | reason |\n|---|---|---|"
    for sample in sorted(wrong, key=lambda one: (reason(one)[:12], one.id)):
        published = ", ".join(str(answer) for answer in sample.episode.problem.answers)
        yield f"| {sample.id} | {published} | {reason(sample)} |"


def compare_scorers(samples: Sequence[Sample], scorer: Path, references: Path) -> Iterator[str]:
    """Yield how many verdicts of OR-Space's scorer and of ours agree, with each that does not."""
    for name, change in CHANGES.items():
        changed = {sample.id: _changed(sample.episode, change) for sample in samples}
        ours = {id: score(episode, "or_space").reward == 1.0 for id, episode in changed.items()}
        theirs = _published_verdicts(changed, scorer, references)
        differing = [id for id, right in ours.items() if theirs[id] != right]
        passed = sum(ours.values())
        yield f"{name}: {len(ours) - len(differing)} of {len(ours)} verdicts agree, {passed} pass; {differing or ''}"


def _changed(episode: Episode, change: Callable[[float], str | None]) -> Episode:
    """Return the episode with another answer. One without a number stays as it is."""
    answer = read_answer(episode.transcript) if episode.stop == "answer" else None
    if answer is None or answer.value is None:
        return episode
    box = change(answer.value)
    if box is None:
        return replace(episode, stop="malformed")
    span = Span(source="model", text=f"\\boxed{{{box}}}\n", finish="end")
    return replace(episode, transcript=Transcript(spans=(*episode.transcript.spans[:-1], span)))


def _published_verdicts(episodes: dict[str, Episode], scorer: Path, references: Path) -> dict[str, bool]:
    """Return what the published scorer says of each episode that has an answer; the others count as missing."""
    with tempfile.TemporaryDirectory() as folder:
        predictions, scored = Path(folder) / "predictions.jsonl", Path(folder) / "scored.jsonl"
        rows = [_prediction(id, read_answer(one.transcript)) for id, one in episodes.items() if one.stop == "answer"]
        predictions.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        command = [sys.executable, str(scorer), "--references", str(references), "--predictions", str(predictions)]
        command += ["--output", str(scored), "--summary", str(Path(folder) / "summary.json")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        lines = [json.loads(line) for line in scored.read_text(encoding="utf-8").splitlines()]
    return {line["workspace_id"]: line["passed"] for line in lines}


def _prediction(id: str, answer: Answer | None) -> dict[str, object]:
    if answer is None or answer.value is None:
        status = "Unknown" if answer is None else answer.status.capitalize()
        return {"workspace_id": id, "status": status, "objective": None}
    return {"workspace_id": id, "status": "Optimal", "objective": answer.value}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder with a test set and its programs")
    parser.add_argument("--out", type=Path, help="folder for the run folders; by default a temporary one")
    parser.add_argument(
        "--scorer", type=Path, help="score_objectives.py of OR-Space, to compare its verdicts with ours"
    )
    parser.add_argument("--solver-seconds", type=float, default=60.0, help="time limit of each program")
    parser.add_argument("--workers", type=int, default=2, help="programs at the same time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for name, one in WORKSPACES.items():
            root = one.find(options.folder)
            if root is None or not next(iter(one.references(options.folder)), None):
                continue
            config = EvalConfig(
                benchmark=(name,),
                data_dir=str(options.folder),
                reasoner=f"replay:{options.folder}",
                solver_seconds=options.solver_seconds,
                workers=options.workers,
                memory_mb=2048,
            )
            out = (options.out or Path(temporary)) / name
            evaluate(config, out)
            samples = read_samples(out / "samples.jsonl")
            print(f"\n## {name}\n", *table(samples), sep="\n")
            if options.scorer is not None and name.startswith("or_space_"):
                references = root / "evaluation" / f"{name.removeprefix('or_space_')}_evaluation"
                print(*compare_scorers(samples, options.scorer, references / "reference_objectives.csv"), sep="\n")


if __name__ == "__main__":
    main()
