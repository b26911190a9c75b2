"""The stages of a model: each is a command that exists, run as a subprocess in the sweep's folder.

    curate -> mix-DATA -> sft-DATA -> grpo-NAME -> eval-MODEL

Models share stages with equal names. Paths in commands are relative to the sweep's folder, so that its results do not
depend on where it is, and a command can be repeated as it is shown.
"""

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from storm_calm.rl.reproduce.reproduce_config import HELDOUT_SEED, MODEL
from storm_calm.rl.sweep.studies import ROLLOUTS, Grpo, Model, SftData
from storm_calm.rl.sweep.sweep_config import SweepConfig

STORM = (sys.executable, "-c", "from storm_calm.cli.start import main; main()")
"""The command `storm`, of this Python."""
MIX = "storm_calm.rl.sweep.sft_mixtures"
BATCH = 8
"""Trajectories of an SFT step: fewer than the smallest mixture has."""
RESPONSE_TOKENS = 512
"""The most tokens of a rollout; nano's have about 250."""

TYPICAL_SECONDS: dict[str, Callable[[SweepConfig], float]] = {
    "curate": lambda config: 10 + 0.3 * config.problems,
    "mix": lambda config: 8.0,
    "sft": lambda config: 40 + 0.8 * config.sft_steps,
    "grpo": lambda config: 50 + 10 * config.grpo_steps,
    "eval": lambda config: 8 + 0.12 * config.heldout,
}
"""Estimated seconds of a stage on two cores, by its kind. Measured times of finished stages replace them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepStage:
    name: str
    kind: str
    """A key of `TYPICAL_SECONDS`."""
    needs: tuple[str, ...]
    """The names of the stages whose results it reads."""
    words: tuple[str, ...]
    """The command that starts or resumes it, in the sweep's folder."""
    result: str
    """The file in the seed's folder that exists once the stage is finished."""
    restarts: bool = False
    """Whether the command cannot resume, so that its folder is deleted first."""

    @property
    def command(self) -> str:
        """The command line."""
        return shlex.join(self.words)

    @property
    def settings(self) -> dict[str, str]:
        """Return the options and settings of the command by name, to detect changes."""
        found: dict[str, str] = {}
        name = ""
        for word in self.words:
            if word.startswith("--"):
                name = word
                found[name] = ""
            elif name:
                found[name], name = word, ""
            elif "=" in word:
                key, _, value = word.partition("=")
                found[key] = value
        return found

    @property
    def argv(self) -> tuple[str, ...]:
        """The command as an argument list for this Python."""
        program, *rest = self.words
        return (*STORM, *rest) if program == "storm" else (sys.executable, *rest)


def model_stages(model: Model, config: SweepConfig, seed: int) -> tuple[SweepStage, ...]:
    """Return all stages of a model in order, its evaluation last."""
    stages: list[SweepStage] = []
    if model.sft is not None:
        stages += [_curate(config, seed), _mix(model.sft, seed), _sft(model.sft, config, seed)]
    if model.sft is not None and model.grpo is not None:
        stages.append(_grpo(model.grpo, model.sft, config, seed))
    return (*stages, _evaluate(model, config, seed))


def plan_stages(models: Sequence[Model], config: SweepConfig, seed: int) -> tuple[SweepStage, ...]:
    """Return the stages of all models, each once, in an order in which they can run."""
    stages: dict[str, SweepStage] = {}
    for model in models:
        for stage in model_stages(model, config, seed):
            if stages.setdefault(stage.name, stage) != stage:
                raise AssertionError(f"two stages are named {stage.name}")
    return tuple(stages.values())


def _curate(config: SweepConfig, seed: int) -> SweepStage:
    words = f"storm curate --families all --split train --limit {config.problems} --seed {seed} --reasoner {MODEL}"
    return SweepStage(
        name="curate",
        kind="curate",
        needs=(),
        words=(*words.split(), "--out", f"seed-{seed}/curate", "--resume"),
        result="curate/summary.json",
    )


def _mix(data: SftData, seed: int) -> SweepStage:
    name, mixture = f"mix-{data.name}", data.mixture
    words = ["python", "-m", MIX, f"seed-{seed}/curate", "--count", str(mixture.count), "--seed", str(seed)]
    words += ["--flawed", f"{mixture.flawed:g}"] if mixture.flawed else []
    words += ["--hinted", f"{mixture.hinted:g}"] if mixture.hinted is not None else []
    words += ["--hint-tokens", f"{mixture.hint_tokens:g}"] if mixture.hint_tokens else []
    words += [] if mixture.loss_before_hints else ["--no-loss-before-hints"]
    file = f"{name}/sft.parquet"
    words += ["--out", f"seed-{seed}/{file}"]
    return SweepStage(name=name, kind="mix", needs=("curate",), words=tuple(words), result=file, restarts=True)


def _sft(data: SftData, config: SweepConfig, seed: int) -> SweepStage:
    name, needed = f"sft-{data.name}", f"mix-{data.name}"
    words = ["storm", "train", "sft", "--device", "cpu", "--model", MODEL]
    words += ["--data", f"seed-{seed}/{needed}/sft.parquet", "--out", f"seed-{seed}/{name}"]
    # Equal steps for all mixtures; more epochs than any of them needs.
    words += [f"data.train_batch_size={min(BATCH, data.mixture.count)}", f"trainer.total_epochs={config.sft_steps}"]
    words += [f"trainer.total_training_steps={config.sft_steps}", f"trainer.save_freq={config.sft_steps}"]
    return SweepStage(name=name, kind="sft", needs=(needed,), words=tuple(words), result=f"{name}/nano/model.onnx")


def _grpo(grpo: Grpo, start: SftData, config: SweepConfig, seed: int) -> SweepStage:
    name, needed = f"grpo-{grpo.name}", f"sft-{start.name}"
    problems = ROLLOUTS // grpo.rollouts
    words = ["storm", "train", "grpo", "--device", "cpu", "--model", f"seed-{seed}/{needed}/model"]
    words += ["--out", f"seed-{seed}/{name}", f"storm.seed={seed}", f"storm.max_executions={grpo.executions}"]
    words += [f"storm.reward.{component}={value:g}" for component, value in grpo.reward.items()]
    words += [f"actor_rollout_ref.rollout.n={grpo.rollouts}", f"data.train_batch_size={problems}"]
    words += [f"actor_rollout_ref.actor.ppo_mini_batch_size={problems}", f"data.max_response_length={RESPONSE_TOKENS}"]
    words += [f"trainer.total_training_steps={config.grpo_steps}"]
    return SweepStage(name=name, kind="grpo", needs=(needed,), words=tuple(words), result=f"{name}/nano/model.onnx")


def _evaluate(model: Model, config: SweepConfig, seed: int) -> SweepStage:
    name = f"eval-{model.name}"
    reasoner = f"seed-{seed}/{model.name}/nano" if model.sft is not None else MODEL
    # The problems, and the sampling on them, are the same for all models and seeds.
    words = f"storm eval --families all --split heldout --limit {config.heldout} --seed {HELDOUT_SEED}"
    return SweepStage(
        name=name,
        kind="eval",
        needs=(model.name,) if model.sft is not None else (),
        words=(*words.split(), "--reasoner", reasoner, "--out", f"seed-{seed}/{name}", "--resume"),
        result=f"{name}/results.json",
    )
