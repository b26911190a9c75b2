"""Mix SFT data from a curation: how many golden trajectories, how many flawed ones instead, and how many hint tokens.

    python -m storm_calm.rl.sweep.sft_mixtures runs/curate --count 112 --flawed 0.2 --seed 0 --out mix.parquet

The format is that of `storm export --format verl-sft`. A flawed trajectory is one without hints that has a finding of
the rules or a wrong answer. What the data contain is measured on the trajectories themselves and written to mix.json.

Mixtures of a seed are nested: they begin with the same golden trajectories, and a larger share of flawed ones includes
those of a smaller share.
"""

import argparse
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm_calm.agents.curation.records import Record, read_records
from storm_calm.agents.triggers import findings
from storm_calm.env import Episode, score
from storm_calm.env.atomic_write import write_json
from storm_calm.env.prompt_format import read_prompt_format
from storm_calm.env.reasoner import Encoding
from storm_calm.env.serialize import to_json
from storm_calm.rl.datasets.dataset_files import check_dataset_file, write_rows
from storm_calm.rl.datasets.training_rows import sft_row
from storm_calm.rl.sweep.long_hints import lengthen_hints


@dataclass(frozen=True, kw_only=True, slots=True)
class Mixture:
    """The request for a mixture."""

    count: int
    """Trajectories in total."""
    flawed: float = 0.0
    """The share of flawed trajectories, in [0, 1]; they replace golden ones."""
    hinted: float | None = None
    """The share of golden trajectories with hints, in [0, 1]; None for that of the curation."""
    hint_tokens: float = 0.0
    """The share of hint tokens up to which hints are lengthened, in [0, 1), see `long_hints`; 0 for no longer hints."""
    loss_before_hints: bool = True
    """Whether model text before the last hint of a trajectory has a loss."""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count is {self.count}; give at least 1 trajectory")
        for name in ("flawed", "hinted", "hint_tokens"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} is {value:g}; give a share from 0 to 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class MixtureFacts:
    """What a mixture contains, measured on its trajectories."""

    trajectories: int
    flawed: int
    """Those with a finding of the rules or a wrong answer."""
    flawed_share: float
    hinted: int
    """Those with a hint."""
    hint_tokens: int
    model_tokens: int
    hint_share: float
    """Hint tokens of all trajectories as a share of their hint and model tokens."""
    learned_tokens: int
    """Tokens with a loss: those of hints and of the model."""


def mixture_row(episode: Episode, mixture: Mixture) -> dict[str, Any]:
    """Return a trajectory as a row of a dataset, see `rl.datasets.training_rows.sft_row`."""
    row = sft_row(episode)
    if not mixture.loss_before_hints:
        spans = episode.transcript.spans
        last = max((number for number, span in enumerate(spans) if span.source == "hint"), default=0)
        before = sum(len(span.ids or ()) for span in spans[:last])
        row["loss_mask"][:before] = [0] * before
    return row


def mix(
    records: Sequence[Record], mixture: Mixture, *, seed: int, encode: Callable[[str], Encoding]
) -> tuple[Episode, ...]:
    """Return the trajectories of a mixture: first golden ones, then flawed ones of other problems.

    encode: that of the model's tokenizer, for longer hints. Raises ValueError if the curation has too few of a kind.
    """
    drawn = random.Random(seed)
    golden = [record.episode for record in records if record.outcome == "golden"]
    flawed = [record.native for record in records if not record.failed and is_flawed(record.native)]
    drawn.shuffle(golden)
    drawn.shuffle(flawed)
    bad = round(mixture.flawed * mixture.count)
    kept = _golden(golden, mixture.count - bad, mixture.hinted)
    if mixture.hint_tokens:
        kept = [
            lengthen_hints(one, mixture.hint_tokens, seed=seed, encode=encode) if _is_hinted(one) else one
            for one in kept
        ]
    used = {one.problem.id for one in kept}
    others = [one for one in flawed if one.problem.id not in used]
    return (*kept, *_first(others, bad, "flawed trajectories of other problems"))


def is_flawed(episode: Episode) -> bool:
    """Return whether a trajectory has a finding of the rules, or no correct answer."""
    return score(episode).reason != "correct" or bool(findings(episode))


def measure(episodes: Sequence[Episode], mixture: Mixture) -> MixtureFacts:
    """Measure a mixture on its trajectories, which must have token ids."""
    hints, model = (sum(one.transcript.count(source) for one in episodes) for source in ("hint", "model"))
    flawed = sum(map(is_flawed, episodes))
    return MixtureFacts(
        trajectories=len(episodes),
        flawed=flawed,
        flawed_share=round(flawed / len(episodes), 6),
        hinted=sum(map(_is_hinted, episodes)),
        hint_tokens=hints,
        model_tokens=model,
        hint_share=round(hints / max(1, hints + model), 6),
        learned_tokens=sum(sum(mixture_row(one, mixture)["loss_mask"]) for one in episodes),
    )


def _golden(golden: Sequence[Episode], count: int, hinted: float | None) -> list[Episode]:
    if hinted is None:
        return _first(golden, count, "golden trajectories")
    with_hints = round(hinted * count)
    return [
        *_first([one for one in golden if _is_hinted(one)], with_hints, "golden trajectories with hints"),
        *_first(
            [one for one in golden if not _is_hinted(one)], count - with_hints, "golden trajectories without hints"
        ),
    ]


def _first(episodes: Sequence[Episode], count: int, noun: str) -> list[Episode]:
    if len(episodes) < count:
        raise ValueError(f"the curation has {len(episodes)} {noun}, but {count} are needed; curate more problems")
    return list(episodes[:count])


def _is_hinted(episode: Episode) -> bool:
    return any(span.source == "hint" for span in episode.transcript.spans)


def facts_file(path: Path) -> Path:
    """Return the file of the `MixtureFacts` of a dataset file."""
    return path.with_suffix(".json")


def write_mixture(curation: Path, mixture: Mixture, out: Path, *, seed: int) -> MixtureFacts:
    """Write a mixture and its facts. The dataset file, which is written last, shows that both are complete.

    Raises ValueError for a folder that is not a finished curation with nano, and if the file exists.
    """
    from storm_calm.agents.reasoners import built_in
    from storm_calm.rl.prompt_renderer import CheckpointRenderer
    from storm_calm.rl.reproduce.reproduce_config import MODEL

    check_dataset_file(out, "verl-sft")
    if not (curation / "summary.json").is_file():
        raise ValueError(f"{curation}: not a finished curation; give the run folder of storm curate")
    renderer = CheckpointRenderer(built_in(MODEL))
    try:
        episodes = mix(read_records(curation / "episodes.jsonl"), mixture, seed=seed, encode=renderer.encode)
    except ValueError as error:
        raise ValueError(f"{curation}: {error}") from error
    facts = measure(episodes, mixture)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(facts_file(out), to_json(facts))
    rows = [mixture_row(one, mixture) for one in episodes]
    write_rows(out, rows, "verl-sft", read_prompt_format(curation) or renderer.prompt_format)
    return facts


def main(words: Sequence[str] | None = None) -> None:
    """Run the command. words: the command line (default: the process's)."""
    parser = argparse.ArgumentParser(prog="python -m storm_calm.rl.sweep.sft_mixtures", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("curation", type=Path, help="run folder of a finished storm curate with nano-base")
    parser.add_argument("--count", type=int, required=True, help="trajectories in total")
    parser.add_argument("--flawed", type=float, default=0.0, help="share of flawed trajectories (default 0)")
    parser.add_argument("--hinted", type=float, help="share of trajectories with hints (default: as curated)")
    parser.add_argument("--hint-tokens", type=float, default=0.0, help="lengthen hints to this share of tokens")
    parser.add_argument("--no-loss-before-hints", action="store_true", help="no loss before the last hint")
    parser.add_argument("--seed", type=int, default=0, help="seed of the selection (default 0)")
    parser.add_argument("--out", type=Path, required=True, help="Parquet file to write")
    given = parser.parse_args(words)
    try:
        mixture = Mixture(
            count=given.count,
            flawed=given.flawed,
            hinted=given.hinted,
            hint_tokens=given.hint_tokens,
            loss_before_hints=not given.no_loss_before_hints,
        )
        facts = write_mixture(given.curation, mixture, given.out, seed=given.seed)
    except (ValueError, OSError) as error:
        sys.exit(f"sft_mixtures: {error}")
    print(
        f"{facts.trajectories} trajectories, {100 * facts.flawed_share:.1f} % flawed, "
        f"{100 * facts.hint_share:.1f} % hint tokens"
    )


if __name__ == "__main__":
    main()
