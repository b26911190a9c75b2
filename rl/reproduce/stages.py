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

from storm_calm.rl.reproduce.config import HELDOUT_SEED, MODEL, ReproduceConfig
from storm_calm.rl.reproduce.records import log_file
from storm_calm.rl.reproduce.training import train

Tell = Callable[[str], None]
"""Called now and then with a line on how far a stage is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
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
    run: Callable[[Place, Tell], None]
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


def _curate(place: Place, tell: Tell) -> None:
    from storm_calm.agents.curation.config import CurateConfig
    from storm_calm.agents.curation.run_curation import curate

    config = CurateConfig(
        families=("all",), split="train", limit=place.config.problems, seed=place.seed, reasoner=MODEL
    )
    summary = curate(
        config,
        place.folder / "curate",
        resume=True,
        on_progress=lambda progress: tell(
            f"{progress.done} of {progress.total} problems, {progress.counts.get('golden', 0)} golden"
        ),
    )
    if summary.errors:
        raise UnfinishedError(f"{summary.errors} problems are not done, the reasoner failed")


def _export(place: Place, tell: Tell) -> None:
    from storm_calm.agents.reasoners import built_in
    from storm_calm.rl.datasets import ExportConfig, export, sft_row
    from storm_calm.rl.datasets.files import check_file, write_rows
    from storm_calm.rl.datasets.sources import golden_runs
    from storm_calm.rl.prompt_renderer import CheckpointRenderer
    from storm_calm.rl.reproduce.plain_pairs import plain_pairs
    from storm_calm.sandbox import open_sandbox

    curation, file, plain = place.folder / "curate", place.folder / "sft.parquet", place.folder / "plain.parquet"
    if not file.exists():
        export(ExportConfig(source=curation, format="verl-sft", out=file))
    if not plain.exists():
        check_file(plain, "verl-sft")
        wanted = {run.problem.id for run in golden_runs(curation)}
        renderer = CheckpointRenderer(built_in(MODEL), instructions="")
        rows = []
        with open_sandbox() as sandbox:
            pairs = plain_pairs(
                wanted, seed=place.seed, problems=place.config.problems, renderer=renderer, sandbox=sandbox
            )
            for pair in pairs:
                rows.append(sft_row(pair))
                tell(f"{len(rows)} of {len(wanted)} plain pairs")
        write_rows(plain, rows, "verl-sft")


def _sft(data: str, out: str, place: Place, tell: Tell) -> None:
    # Without a path in it, the name of the model is the same in every place.
    words = ["--device", "cpu", "--data", str(place.folder / data), "--model", MODEL, "--out", str(place.folder / out)]
    words.append(f"trainer.total_epochs={place.config.epochs}")
    train("train_sft", words, log_file(place.folder, out), tell)


def _grpo(start: str, out: str, place: Place, tell: Tell) -> None:
    model = str(place.folder / start / "model") if start else MODEL
    words = ["--device", "cpu", "--model", model, "--out", str(place.folder / out)]
    words += [f"trainer.total_training_steps={place.config.steps}", f"storm.seed={place.seed}"]
    train("train_verl", words, log_file(place.folder, out), tell)


def _evaluate(model: str, place: Place, tell: Tell) -> None:
    from storm_calm.agents.evaluation.config import EvalConfig
    from storm_calm.agents.evaluation.run_evaluation import evaluate

    config = EvalConfig(
        families=("all",),
        split="heldout",
        limit=place.config.heldout,
        seed=HELDOUT_SEED,
        reasoner=str(place.folder / model / "nano") if model != "base" else MODEL,
    )
    results = evaluate(
        config,
        place.folder / f"eval-{model}",
        resume=True,
        on_progress=lambda progress: tell(
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


def _training(name: str, needs: str, run: Callable[[Place, Tell], None]) -> Stage:
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
