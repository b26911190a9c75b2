"""Compare veRL's trainer modes on nano if solves are slow: learning curve, seconds of a step, utilization, staleness.

    python -m benchmarks.async_training --out runs/async
    python -m benchmarks.async_training --out runs/async --modes sync,separate_async --seeds 0,1,2 --steps 16

A share of the programs (`--slow`, 0.3) waits for two seconds before it runs, without using the processor, as if a
solver on another machine did the work. Each mode trains from the same model on the same problems; only the mode
differs. Finished runs are not repeated, and a stopped one resumes, so the command can be repeated. The output is two
Markdown tables. The first has a row for each run:

seconds      of all steps but the first, which loads caches; the median and the sum
accuracy     of the rollouts: of the first and of the last third of the steps
held-out     accuracy of the trained model on `--heldout` problems, the same for all
share of time in which the trainer works, and in which rollouts are generated
staleness    in updates, the mean over rollouts

The second compares each mode with the first one: the ratio of their seconds, and the difference of held-out accuracy
over all seeds, paired over problems, with its 95 % interval.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from statistics import fmean, median
from typing import Any

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from benchmarks.common import format_facts, machine
from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.run_evaluation import evaluate
from storm_calm.agents.evaluation.samples import Sample, read_samples
from storm_calm.agents.runs.training_steps import merged_steps
from storm_calm.rl.doctor.measurements import thirds
from storm_calm.rl.nano.export_onnx import export
from storm_calm.rl.reproduce.paired_differences import contrast, values

CONFIGS = {
    "sync": "grpo_nano_cpu",
    "colocate_async": "grpo_nano_cpu_colocate_async",
    "separate_async": "grpo_nano_cpu_separate_async",
}
AGENT_LOOPS = """- name: storm
  _target_: benchmarks.slow_agent_loop.SlowAgentLoop
  share: {share}
"""


def train(mode: str, seed: int, out: Path, *, steps: int, slow: float, settings: list[str]) -> list[dict[str, Any]]:
    """Train, and return the metrics of each step."""
    loops = out.parent / f"agent_loops_{slow:g}.yaml"
    loops.parent.mkdir(parents=True, exist_ok=True)
    loops.write_text(AGENT_LOOPS.format(share=slow), encoding="utf-8")
    words = ["--config", CONFIGS[mode], "--out", str(out), f"storm.seed={seed}"]
    words += [f"trainer.total_training_steps={steps}", "trainer.save_freq=8", "storm.export=false"]
    words += [f"actor_rollout_ref.rollout.agent.agent_loop_config_path={loops.resolve()}"]
    # A waiting program keeps a worker.
    words += ["storm.workers=16", *settings]
    subprocess.run([sys.executable, "-m", "storm_calm.rl.train_verl", *words], check=True)
    return [step["data"] for step in merged_steps(out)]


def heldout(run: Path, problems: int) -> list[Sample]:
    """Evaluate the trained model on held-out problems."""
    if not (run / "nano" / "model.onnx").is_file():
        export(run / "model", run / "nano")
    config = EvalConfig(families=("all",), limit=problems, seed=7, reasoner=str((run / "nano").resolve()))
    evaluate(config, run / "eval", resume=True)
    return list(read_samples(run / "eval" / "samples.jsonl"))


def row(mode: str, seed: int, steps: list[dict[str, Any]], right: float) -> tuple[str, ...]:
    seconds = step_seconds(steps)
    accuracy = [step["storm/accuracy"] for step in steps]
    first, last = (fmean(third) for third in thirds(accuracy))

    def mean(name: str) -> str:
        values = [step[name] for step in steps[1:] if name in step]
        return f"{fmean(values):.2f}" if values else ""

    return (
        mode,
        str(seed),
        f"{median(seconds):.1f}",
        f"{sum(seconds):.0f}",
        f"{first:.3f}",
        f"{last:.3f}",
        f"{right:.3f}",
        mean("storm/utilization/training"),
        mean("storm/utilization/generating"),
        mean("training/off_policy/trajectory_staleness/mean"),
    )


def step_seconds(steps: list[dict[str, Any]]) -> list[float]:
    return [step["timing_s/step"] for step in steps[1:]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/async"), help="folder of the run folders")
    parser.add_argument("--modes", default=",".join(CONFIGS), help="default: all")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--heldout", type=int, default=240, help="held-out problems")
    parser.add_argument("--slow", type=float, default=0.3, help="share of slow programs")
    parser.add_argument("settings", nargs="*", metavar="key=value", help="settings of the training to change")
    arguments = parser.parse_args()
    modes, seeds = arguments.modes.split(","), [int(seed) for seed in arguments.seeds.split(",")]
    if unknown := set(modes) - set(CONFIGS):
        parser.error(f"unknown mode {sorted(unknown)[0]!r}; give {', '.join(CONFIGS)}")
    table = Table(
        *("mode", "seed", "median seconds", "all seconds", "accuracy at first", "at last", "held-out"),
        *("training", "generating", "staleness"),
        box=MARKDOWN,
    )
    print(format_facts(machine()))
    seconds: dict[str, float] = dict.fromkeys(modes, 0.0)
    samples: dict[str, dict[int, list[Sample]]] = {mode: {} for mode in modes}
    # Seeds in the outer loop, so that a disturbance of the machine affects all modes.
    for seed in seeds:
        for mode in modes:
            out = arguments.out / f"{mode}-{seed}"
            steps = train(mode, seed, out, steps=arguments.steps, slow=arguments.slow, settings=arguments.settings)
            samples[mode][seed] = heldout(out, arguments.heldout)
            seconds[mode] += sum(step_seconds(steps))
            right = fmean(one["right"] for one in values(samples[mode])[seed].values())
            table.add_row(*row(mode, seed, steps, right))
    compared = Table("mode", "seconds, ratio", "held-out accuracy, difference", box=MARKDOWN)
    measured = {mode: values(samples[mode]) for mode in modes}
    for mode in modes[1:]:
        change = contrast("right", ((-1.0, measured[modes[0]]), (1.0, measured[mode])))
        assert change is not None, "all have the same problems"
        difference = f"{change.mean:+.3f} ({change.low:+.3f} to {change.high:+.3f})"
        compared.add_row(f"{mode} / {modes[0]}", f"{seconds[mode] / seconds[modes[0]]:.2f}", difference)
    Console(width=200).print(table, compared)


if __name__ == "__main__":
    main()
