"""Find the run folders of shards, and check that they are all shards of one finished run."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm_calm.agents.merge.mergeable_runs import MergeableRun, run_of
from storm_calm.agents.runs.price_options import COST_SETTINGS
from storm_calm.agents.runs.record_store import RecordStore
from storm_calm.agents.runs.run_folder import MAX_SHOWN, changed_settings, stored_settings
from storm_calm.agents.runs.shard import FILE, Shard, read_shard_problems
from storm_calm.env.atomic_write import is_draft

MAY_DIFFER = frozenset({"shard", "workers"}) | COST_SETTINGS
"""Settings that may differ between the shards of a run."""
GIVE = "give folders of storm curate --shard or storm eval --shard, or the folder that contains them"


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardFolder:
    """The run folder of a shard."""

    path: Path
    shard: Shard
    run: MergeableRun
    settings: dict[str, Any]

    @property
    def resume_command(self) -> str:
        return f"{self.run.command} --out {self.path} --resume"


def find_shards(paths: Iterable[Path]) -> list[ShardFolder]:
    """Return the shards in these folders by their number. Each path is a shard, or a folder that contains shards.

    Raises ValueError for anything else.
    """
    found: dict[Path, ShardFolder] = {}
    for path in paths:
        if not path.is_dir():
            raise ValueError(f"{path}: {'not a folder' if path.exists() else 'no such folder'}; {GIVE}")
        for folder in _inside(path):
            settings = stored_settings(folder) or {}
            found[folder.resolve()] = _shard_folder(folder, settings)
    if not found:
        raise ValueError(f"no shards; {GIVE}")
    return sorted(found.values(), key=lambda folder: folder.shard.number)


def _inside(path: Path) -> list[Path]:
    if stored_settings(path) is not None:
        return [path]
    # A folder beside the shards may be the merged run, or another one.
    folders = [one for one in sorted(path.iterdir()) if one.is_dir() and not is_draft(one)]
    shards = [one for one in folders if (stored_settings(one) or {}).get("shard")]
    if not shards:
        raise ValueError(f"{path}: has no shards in it; {GIVE}")
    return shards


def _shard_folder(path: Path, settings: dict[str, Any]) -> ShardFolder:
    run = run_of(settings)
    if run is None:
        raise ValueError(f"{path}: neither a curation nor an evaluation; {GIVE}")
    if not settings.get("shard"):
        raise ValueError(f"{path}: made without --shard, so there is nothing to merge; {GIVE}")
    try:
        shard = Shard.parse(settings["shard"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path / 'config.toml'}: shard: {error}") from error
    return ShardFolder(path=path, shard=shard, run=run, settings=settings)


def check_same_run(shards: Sequence[ShardFolder]) -> None:
    """Raise ValueError unless these are all shards of one run, each once."""
    first, *others = shards
    for other in others:
        places = f"{first.path} and {other.path}"
        if other.run is not first.run:
            nouns = f"{first.run.kind.noun} and {other.run.kind.noun}"
            raise ValueError(f"{places} are {nouns}; merge the shards of one run")
        if other.shard.count != first.shard.count:
            raise ValueError(f"{places} are shards {first.shard} and {other.shard}; merge the shards of one run")
        if changed := changed_settings(first.settings, other.settings, may_change=MAY_DIFFER):
            raise ValueError(f"{places} have different settings ({changed[0]}); {_fix(changed[0], other)}")
    for one, other in zip(shards, others, strict=False):
        if one.shard == other.shard:
            raise ValueError(f"{one.path} and {other.path} are both shard {one.shard}; give one of them")
    numbers = {one.shard.number for one in shards}
    missing = [f"{n}/{first.shard.count}" for n in range(1, first.shard.count + 1) if n not in numbers]
    if missing:
        listed = ", ".join(missing[:MAX_SHOWN]) + (", ..." if len(missing) > MAX_SHOWN else "")
        verb = "are" if len(missing) > 1 else "is"
        raise ValueError(
            f"{len(missing)} of {first.shard.count} shards {verb} missing: {listed}. Run each as the others, such as: "
            f"{first.run.command} --config {first.path / 'config.toml'} --shard {missing[0]} --out DIR"
        )


def _fix(change: str, other: ShardFolder) -> str:
    name = change.partition(":")[0]
    if name in other.run.kind.may_change:
        return f"make them equal, such as with {other.resume_command} --{name} VALUE"
    if name == "problems_digest":
        return "their problems differ; run all shards on the same problems"
    return "merge the shards of one run"


def check_finished(shards: Iterable[ShardFolder]) -> None:
    """Raise ValueError that names the unfinished shards, and how to resume them."""
    if unfinished := [shard for shard in shards if not _has_ended(shard)]:
        raise unfinished_error(unfinished)


def unfinished_error(shards: Sequence[ShardFolder]) -> ValueError:
    """Return the error that names these shards, what is missing in each, and how to resume them."""
    parts = [f"{shard.path} ({_missing(shard)})" for shard in shards[:MAX_SHOWN]]
    more = f" and {len(shards) - MAX_SHOWN} more" if len(shards) > MAX_SHOWN else ""
    resume = "Resume it with" if len(shards) == 1 else "Resume each, such as with"
    return ValueError(f"not finished: {', '.join(parts)}{more}. {resume}: {shards[0].resume_command}")


def _has_ended(shard: ShardFolder) -> bool:
    """Return whether the last session of a shard came to its end without errors."""
    file = shard.path / shard.run.end
    try:
        ended = json.loads(file.read_text(encoding="utf-8"))
        return bool(ended["errors"] == 0) and (shard.path / FILE).exists()
    except FileNotFoundError:
        return False
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file}: cannot be read; write it anew with {shard.resume_command}") from error


def _missing(shard: ShardFolder) -> str:
    if not (shard.path / FILE).exists():
        return "not started"
    total = missing = 0
    with RecordStore.open(shard.path, shard.run.records) as store:
        for one in read_shard_problems(shard.path):
            keys = shard.run.keys(one.id, shard.settings)
            total += len(keys)
            missing += sum(key not in store for key in keys)
    if not missing:
        return f"all {total} {shard.run.unit} are done, but the run did not end"
    return f"{missing} of {total} {shard.run.unit} missing"
