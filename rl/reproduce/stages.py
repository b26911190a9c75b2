"""The stages of one seed. Each writes its result into the seed's folder, and can be resumed.

curate/                       golden trajectories of the base model, with hints
sft.parquet, plain.parquet    the same as training data, and plain pairs of the same problems
sft/, plain-sft/              the base model trained on the first and on the second
grpo/, grpo-base/             GRPO from the SFT model, and from the base model
eval-NAME/                    each model on the same held-out problems
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from storm_calm.agents.runs.progress import Progress
from storm_calm.rl.reproduce.reproduce_config import HELDOUT_SEED, MODEL, ReproduceConfig
from storm_calm.rl.reproduce.stage_jobs import OnMessage, UnfinishedError
from storm_calm.rl.reproduce.stage_records import log_file
from storm_calm.rl.reproduce.train_subprocess import train


@dataclass(frozen=True, kw_only=True, slots=True)
class StageContext:
    """The seed's folder, and the settings of its stages."""

    folder: Path
    """Absolute, since the settings that stages store contain paths in it."""
    seed: int
    """Seed of the curated problems, of training, and of all sampling except in evaluations."""
    config: ReproduceConfig


RunStage = Callable[[StageContext, OnMessage], None]
"""Starts or resumes a stage."""


TYPICAL_SECONDS: dict[str, Callable[[ReproduceConfig], float]] = {
    "curate": lambda config: 5 + 0.3 * config.problems,
    "export": lambda config: 3 + 0.1 * config.problems,
    "eval": lambda config: 3 + 0.12 * config.heldout,
    "sft": lambda config: 40 + 0.1 * config.problems * config.epochs,
    "grpo": lambda config: 60 + 25 * config.steps,
}
"""Estimated seconds of a stage on two cores, by its kind. Measured times of finished stages replace them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    name: str
    kind: str
    """A key of `TYPICAL_SECONDS`."""
    needs: tuple[str, ...] = ()
    """Stages whose results it reads."""
    settings: tuple[str, ...] = ()
    """Fields of `ReproduceConfig` that it depends on directly."""
    result: str
    """The file in the seed's folder that exists once the stage is finished."""
    run: RunStage

    def typical_seconds(self, config: ReproduceConfig) -> float:
        return TYPICAL_SECONDS[self.kind](config)


def settings_of(stage: Stage, config: ReproduceConfig, seed: int) -> dict[str, int]:
    """Return the settings that a stage's result depends on: its own, and those of the stages it needs."""
    found: dict[str, int] = {}
    for name in stage.needs:
        found |= settings_of(BY_NAME[name], config, seed)
    return found | {name: getattr(config, name) for name in stage.settings} | {"seed": seed}


def _shown(progress: Progress, count: str) -> str:
    return f"{progress.done} of {progress.total} problems, {progress.counts.get(count, 0)} {count}"


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
        on_progress=lambda progress: on_message(_shown(progress, "golden")),
    )
    if summary.errors:
        raise UnfinishedError(f"{summary.errors} problems failed because of the reasoner")


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
        ids = {golden.problem.id for golden in golden_trajectories(curation)}
        renderer = CheckpointRenderer(built_in(MODEL))
        rows = []
        with open_sandbox() as sandbox:
            pairs = plain_pairs(
                ids, seed=context.seed, problems=context.config.problems, renderer=renderer, sandbox=sandbox
            )
            for pair in pairs:
                rows.append(sft_row(pair))
                on_message(f"{len(rows)} of {len(ids)} plain pairs")
        write_rows(plain, rows, "verl-sft", renderer.prompt_format)


def _sft(data: str, out: str, context: StageContext, on_message: OnMessage) -> None:
    # The model's name instead of its path, so that the stored settings are the same on every machine.
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
        on_progress=lambda progress: on_message(_shown(progress, "right")),
    )
    if results.errors:
        raise UnfinishedError(f"{results.errors} problems failed because of the reasoner")


def _evaluation(model: str) -> Stage:
    name, needs = f"eval-{model}", () if model == "base" else (model,)
    run, result = partial(_evaluate, model), f"{name}/results.json"
    return Stage(name=name, kind="eval", needs=needs, settings=("heldout",), result=result, run=run)


def _sft_training(name: str, *, data: str) -> Stage:
    run, result = partial(_sft, data, name), f"{name}/nano/model.onnx"
    return Stage(name=name, kind="sft", needs=("export",), settings=("epochs",), result=result, run=run)


def _grpo_training(name: str, *, start: str) -> Stage:
    run, result = partial(_grpo, start, name), f"{name}/nano/model.onnx"
    needs = (start,) if start else ()
    return Stage(name=name, kind="grpo", needs=needs, settings=("steps",), result=result, run=run)


STAGES = (
    Stage(name="curate", kind="curate", settings=("problems",), result="curate/summary.json", run=_curate),
    Stage(name="export", kind="export", needs=("curate",), result="plain.parquet", run=_export),
    _evaluation("base"),
    _sft_training("sft", data="sft.parquet"),
    _evaluation("sft"),
    _sft_training("plain-sft", data="plain.parquet"),
    _evaluation("plain-sft"),
    _grpo_training("grpo", start="sft"),
    _evaluation("grpo"),
    _grpo_training("grpo-base", start=""),
    _evaluation("grpo-base"),
)
"""All stages, in the order in which they run."""

BY_NAME = {stage.name: stage for stage in STAGES}
