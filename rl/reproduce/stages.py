"""What is done for one seed, stage by stage. Each leaves its result in the seed's folder and can be gone on with:

curate/                       golden runs of the base model, with hints
sft.parquet, plain.parquet    the same as training data, and plain pairs of the same problems
sft/, plain-sft/              the base model trained on the one and on the other
grpo/, grpo-base/             GRPO from the SFT model, and from the base model
eval-NAME/                    each model on the same held-out problems
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from storm_calm.rl.reproduce.reproduce_config import HELDOUT_SEED, MODEL, ReproduceConfig
from storm_calm.rl.reproduce.stage_records import log_file
from storm_calm.rl.reproduce.train_subprocess import train

OnMessage = Callable[[str], None]
"""Called now and then with a line on how far a stage is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StageContext:
    """Where a stage works, and how."""

    folder: Path
    """Of the seed; absolute, since the settings that stages store name files in it."""
    seed: int
    """For the problems to curate and to train on, and for all draws but those of the evaluations."""
    config: ReproduceConfig
    """The settings."""


class UnfinishedError(RuntimeError):
    """A stage came to its end, and some of it is not done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One stage."""

    name: str
    """As on the command line."""
    needs: tuple[str, ...]
    """Stages whose results it works on."""
    settings: tuple[str, ...]
    """Fields of the settings that it depends on itself."""
    result: str
    """The file, in the seed's folder, that is there when it is done."""
    run: Callable[[StageContext, OnMessage], None]
    """Do it, or go on with it."""
    typical: Callable[[ReproduceConfig], float]
    """A rough guess of its seconds on two cores; what stages really took corrects it."""
    kind: str
    """Stages of one kind take about as long."""


def settings_of(stage: Stage, config: ReproduceConfig, seed: int) -> dict[str, int]:
    """All settings that count for a stage: its own, and those of what it builds on."""
    found: dict[str, int] = {}
    for name in stage.needs:
        found |= settings_of(BY_NAME[name], config, seed)
    return found | {name: getattr(config, name) for name in stage.settings} | {"seed": seed}


def _curate(context: StageContext, on_message: OnMessage) -> None:
    from storm_calm.agents.curation.config import CurateConfig
    from storm_calm.agents.curation.run_curation import curate

    config = CurateConfig(
        families=("all",), split="train", limit=context.config.problems, seed=context.seed, reasoner=MODEL
    )
    summary = curate(
        config,
        context.folder / "curate",
        resume=True,
        on_progress=lambda progress: on_message(
            f"{progress.done} of {progress.total} problems, {progress.counts.get('golden', 0)} golden"
        ),
    )
    if summary.errors:
        raise UnfinishedError(f"{summary.errors} problems are not done, the reasoner failed")


def _export(context: StageContext, on_message: OnMessage) -> None:
    from storm_calm.agents.reasoners import built_in
    from storm_calm.rl.datasets import ExportConfig, export, sft_row
    from storm_calm.rl.datasets.dataset_files import check_dataset_file, write_rows
    from storm_calm.rl.datasets.sources import golden_trajectories
    from storm_calm.rl.prompt_renderer import CheckpointRenderer
    from storm_calm.rl.reproduce.plain_pairs import plain_pairs
    from storm_calm.sandbox import open_sandbox

    curation, file, plain = context.folder / "curate", context.folder / "sft.parquet", context.folder / "plain.parquet"
    if not file.exists():
        export(ExportConfig(source=curation, format="verl-sft", out=file))
    if not plain.exists():
        check_dataset_file(plain, "verl-sft")
        wanted = {run.problem.id for run in golden_trajectories(curation)}
        renderer = CheckpointRenderer(built_in(MODEL), instructions="")
        rows = []
        with open_sandbox() as sandbox:
            pairs = plain_pairs(
                wanted, seed=context.seed, problems=context.config.problems, renderer=renderer, sandbox=sandbox
            )
            for pair in pairs:
                rows.append(sft_row(pair))
                on_message(f"{len(rows)} of {len(wanted)} plain pairs")
        write_rows(plain, rows, "verl-sft")


def _sft(data: str, out: str, context: StageContext, on_message: OnMessage) -> None:
    # Without a path in it, the name of the model is the same in every place.
    words = ["--device", "cpu", "--model", MODEL, f"trainer.total_epochs={context.config.epochs}"]
    words += ["--data", str(context.folder / data), "--out", str(context.folder / out)]
    train("train_sft", words, log_file(context.folder, out), on_message)


def _grpo(start: str, out: str, context: StageContext, on_message: OnMessage) -> None:
    model = str(context.folder / start / "model") if start else MODEL
    words = ["--device", "cpu", "--model", model, "--out", str(context.folder / out)]
    words += [f"trainer.total_training_steps={context.config.steps}", f"storm.seed={context.seed}"]
    train("train_verl", words, log_file(context.folder, out), on_message)


def _evaluate(model: str, context: StageContext, on_message: OnMessage) -> None:
    from storm_calm.agents.evaluation.config import EvalConfig
    from storm_calm.agents.evaluation.run_evaluation import evaluate

    config = EvalConfig(
        families=("all",),
        split="heldout",
        limit=context.config.heldout,
        seed=HELDOUT_SEED,
        reasoner=str(context.folder / model / "nano") if model != "base" else MODEL,
    )
    results = evaluate(
        config,
        context.folder / f"eval-{model}",
        resume=True,
        on_progress=lambda progress: on_message(
            f"{progress.done} of {progress.total} problems, {progress.counts.get('right', 0)} right"
        ),
    )
    if results.errors:
        raise UnfinishedError(f"{results.errors} problems are not done, the reasoner failed")


def _evaluation(model: str) -> Stage:
    return Stage(
        name=f"eval-{model}",
        needs=() if model == "base" else (model,),
        settings=("heldout",),
        result=f"eval-{model}/results.json",
        run=partial(_evaluate, model),
        typical=lambda config: 3 + 0.12 * config.heldout,
        kind="eval",
    )


def _training(name: str, needs: str, run: Callable[[StageContext, OnMessage], None]) -> Stage:
    if name.startswith("grpo"):
        return Stage(
            name=name,
            needs=(needs,) if needs else (),
            settings=("steps",),
            result=f"{name}/nano/model.onnx",
            run=run,
            typical=lambda config: 60 + 25 * config.steps,
            kind="grpo",
        )
    return Stage(
        name=name,
        needs=(needs,),
        settings=("epochs",),
        result=f"{name}/nano/model.onnx",
        run=run,
        typical=lambda config: 40 + 0.1 * config.problems * config.epochs,
        kind="sft",
    )


STAGES = (
    Stage(
        name="curate",
        needs=(),
        settings=("problems",),
        result="curate/summary.json",
        run=_curate,
        typical=lambda config: 5 + 0.3 * config.problems,
        kind="curate",
    ),
    Stage(
        name="export",
        needs=("curate",),
        settings=(),
        result="plain.parquet",
        run=_export,
        typical=lambda config: 3 + 0.1 * config.problems,
        kind="export",
    ),
    _evaluation("base"),
    _training("sft", "export", partial(_sft, "sft.parquet", "sft")),
    _evaluation("sft"),
    _training("plain-sft", "export", partial(_sft, "plain.parquet", "plain-sft")),
    _evaluation("plain-sft"),
    _training("grpo", "sft", partial(_grpo, "sft", "grpo")),
    _evaluation("grpo"),
    _training("grpo-base", "", partial(_grpo, "", "grpo-base")),
    _evaluation("grpo-base"),
)
"""All stages, in the order in which they are done."""

BY_NAME = {stage.name: stage for stage in STAGES}
