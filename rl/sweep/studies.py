"""The studies of a sweep: each varies one quantity around the reference, which follows the paper's settings.

    SFT     112 golden trajectories, with hints as curated
    GRPO    4 rollouts per problem, at most 4 programs per rollout, a reward of 0 or 1 for correctness

A study is a list of models. Models with equal data and settings are the same model, which is trained once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from storm_calm.rl.sweep.sft_mixtures import Mixture
from storm_calm.rl.sweep.sweep_config import SweepConfig

ROLLOUTS = 32
"""Rollouts of a GRPO step, also if the number per problem differs, so that all models see equally many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SftData:
    """The data of an SFT."""

    name: str
    """Short and unique, for folders."""
    mixture: Mixture


@dataclass(frozen=True, kw_only=True, slots=True)
class Grpo:
    """The settings of a GRPO that starts from an SFT model."""

    name: str
    """Short and unique together with that of the SFT data, for folders."""
    rollouts: int = 4
    """Rollouts per problem (the group size)."""
    executions: int = 4
    """The most programs of a rollout."""
    reward: Mapping[str, float] = field(default_factory=dict)
    """Settings of `storm.reward` that differ from the defaults."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A model of a sweep: the base model, an SFT of it, or a GRPO of such an SFT."""

    sft: SftData | None = None
    grpo: Grpo | None = None

    @property
    def name(self) -> str:
        """The name of its stages and folders, such as "sft-flawed-20"."""
        if self.sft is None:
            return "base"
        return f"sft-{self.sft.name}" if self.grpo is None else f"grpo-{self.grpo.name}"

    @property
    def stage(self) -> str:
        """The training that it ends with."""
        return "base model" if self.sft is None else "SFT" if self.grpo is None else "SFT + GRPO"


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A value of the varied quantity, and the model with it."""

    label: str
    """The value, for tables."""
    value: float
    """The value on the axis; for shares measured on the data the request, in %."""
    model: Model
    quick: bool = False
    """Whether it is part of a quick sweep."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    name: str
    title: str
    axis: str
    """The label of the axis."""
    points: tuple[Point, ...]
    measured: str = ""
    """The field of `MixtureFacts` that replaces `Point.value`, for shares measured on the data."""
    log: bool = False
    """Whether the axis is logarithmic."""
    note: str
    """What is varied, and what is held constant."""

    def series(self) -> dict[str, tuple[Point, ...]]:
        """Return the points by the training that their models end with."""
        found: dict[str, list[Point]] = {}
        for point in self.points:
            found.setdefault(point.model.stage, []).append(point)
        return {stage: tuple(points) for stage, points in found.items()}


def reference_model(config: SweepConfig) -> Model:
    """Return the SFT model that all GRPO starts from."""
    return Model(sft=SftData(name="reference", mixture=Mixture(count=config.golden)))


def make_studies(config: SweepConfig, *, quick: bool = False) -> dict[str, Study]:
    """Return all studies by name. quick: with one extreme value each."""
    every = (
        _hints(config),
        _before_hints(config),
        _flawed(config),
        _golden(config),
        _rollouts(config),
        _executions(config),
        _rewards(config),
    )
    if not quick:
        return {study.name: study for study in every}
    return {study.name: replace(study, points=tuple(point for point in study.points if point.quick)) for study in every}


def _hints(config: SweepConfig) -> Study:
    count = config.golden
    none = SftData(name="hints-none", mixture=Mixture(count=count, hinted=0.0))
    longer = {
        share: SftData(name=f"hints-{share}", mixture=Mixture(count=count, hinted=1.0, hint_tokens=share / 100))
        for share in (15, 20, 30, 40)
    }
    return Study(
        name="hints",
        title="Hint tokens in the SFT data",
        axis="hint tokens in the SFT data, %",
        measured="hint_share",
        points=(
            Point(label="no hints", value=0, model=Model(sft=none), quick=True),
            Point(label="as curated", value=4, model=reference_model(config), quick=True),
            Point(label="all with hints", value=8, model=Model(sft=_all_hinted(config)), quick=True),
            *(
                Point(label=f"longer, {share} %", value=share, model=Model(sft=data), quick=share == 40)
                for share, data in longer.items()
            ),
        ),
        note=(
            "The number of trajectories and of steps is constant. Up to the share of trajectories with hints as they "
            "are, more of them are taken. Beyond it the same trajectories have longer hints, with other advice."
        ),
    )


def _before_hints(config: SweepConfig) -> Study:
    start = _all_hinted(config)
    masked = SftData(name="hints-all-masked", mixture=replace(start.mixture, loss_before_hints=False))
    return Study(
        name="before_hints",
        title="A loss on the text before hints",
        axis="loss on the text before hints",
        points=(
            Point(label="loss", value=0, model=Model(sft=start), quick=True),
            Point(label="no loss", value=1, model=Model(sft=masked), quick=True),
        ),
        note=(
            "All trajectories have hints. The text before a trajectory's last hint includes what led to the flaw. "
            "Without a loss on it, only the hint and the text after it are learned."
        ),
    )


def _all_hinted(config: SweepConfig) -> SftData:
    """Return the data in which every trajectory has hints."""
    return SftData(name="hints-all", mixture=Mixture(count=config.golden, hinted=1.0))


def _flawed(config: SweepConfig) -> Study:
    points = []
    for share in (0, 10, 20, 30, 50):
        data = SftData(name=f"flawed-{share}", mixture=Mixture(count=config.golden, flawed=share / 100))
        sft = Model(sft=data) if share else reference_model(config)
        points.append(Point(label=f"{share} %", value=share, model=sft, quick=share in (0, 50)))
        if share in (0, 20, 50):
            grpo = Grpo(name=f"flawed-{share}" if share else "reference")
            points.append(
                Point(label=f"{share} %", value=share, model=Model(sft=sft.sft, grpo=grpo), quick=share in (0, 50))
            )
    return Study(
        name="flawed",
        title="Flawed trajectories in the SFT data",
        axis="flawed trajectories in the SFT data, %",
        measured="flawed_share",
        points=tuple(points),
        note=(
            "Flawed trajectories of other problems replace golden ones, so the number of trajectories and of steps is "
            "constant. They are the base model's own, without hints: with a finding of the rules, or a wrong answer."
        ),
    )


def _golden(config: SweepConfig) -> Study:
    points = []
    for count in sorted({10, 30, config.golden, 270, 540}):
        data = SftData(name=f"golden-{count}", mixture=Mixture(count=count))
        model = reference_model(config) if count == config.golden else Model(sft=data)
        points.append(Point(label=str(count), value=count, model=model, quick=count in (10, config.golden)))
    return Study(
        name="golden",
        title="Golden trajectories in the SFT data",
        axis="golden trajectories",
        log=True,
        points=tuple(points),
        note=(
            "The number of steps is constant, so fewer trajectories are seen more often. A larger set contains the "
            "smaller ones."
        ),
    )


def _rollouts(config: SweepConfig) -> Study:
    start = reference_model(config).sft
    return Study(
        name="rollouts",
        title="Rollouts per problem in GRPO (N)",
        axis="rollouts per problem",
        log=True,
        points=tuple(
            Point(
                label=str(count),
                value=count,
                model=Model(sft=start, grpo=_varied(f"rollouts-{count}", Grpo(name="", rollouts=count))),
                quick=count in (4, 8),
            )
            for count in (2, 4, 8, 16)
        ),
        note=f"Each step has {ROLLOUTS} rollouts, so more rollouts per problem mean fewer problems per step.",
    )


def _executions(config: SweepConfig) -> Study:
    start = reference_model(config).sft
    return Study(
        name="executions",
        title="Programs per rollout in GRPO (T)",
        axis="the most programs of a rollout",
        log=True,
        points=tuple(
            Point(
                label=str(count),
                value=count,
                model=Model(sft=start, grpo=_varied(f"executions-{count}", Grpo(name="", executions=count))),
                quick=count in (1, 4),
            )
            for count in (1, 2, 4, 8)
        ),
        note="The limit holds in training. Evaluations allow 4 programs for every model.",
    )


REWARDS: Mapping[str, Mapping[str, float]] = {
    "0/1": {},
    "plan": {"plan": 0.5},
    "solver": {"solver": 0.5},
    "format": {"format": 0.3},
    # Half of nano's trajectories have more than 200 tokens, so the penalty has an effect.
    "length": {"length": 0.5, "soft_limit": 150},
    "process": {"process": 0.15},
}
"""The variants of the reward: the settings of `storm.reward`."""


def _rewards(config: SweepConfig) -> Study:
    start = reference_model(config).sft
    return Study(
        name="rewards",
        title="Reward variants in GRPO",
        axis="reward",
        points=tuple(
            Point(
                label=name,
                value=number,
                model=Model(sft=start, grpo=_varied(f"rewards-{name}", Grpo(name="", reward=reward))),
                quick=True,
            )
            for number, (name, reward) in enumerate(REWARDS.items())
        ),
        note="0/1 is correctness alone. Each variant adds one component, see the settings in its command.",
    )


def _varied(name: str, grpo: Grpo) -> Grpo:
    """Return the settings with a name: that of the reference if nothing differs from it."""
    return replace(grpo, name="reference" if grpo == Grpo(name="") else name)
