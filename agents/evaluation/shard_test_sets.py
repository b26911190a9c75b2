"""The labels and files of test sets in the folder of a shard, so that merged samples are scored without the data."""

import json
from dataclasses import replace
from pathlib import Path

from storm_calm.env.atomic_write import write_json
from storm_calm.env.format_version import with_version, without_version
from storm_calm.env.jsonl import parse_object
from storm_calm.env.problems.benchmarks import Loaded
from storm_calm.env.serialize import from_json, to_json

FILE = "test_sets.json"


def write_test_sets(folder: Path, loaded: Loaded) -> None:
    """Write what was read with the problems into the folder of a shard. The problems themselves are in the samples."""
    write_json(folder / FILE, with_version(to_json(replace(loaded, problems=()))))


def read_test_sets(folder: Path) -> Loaded:
    """Return what was read with the problems, without them. Raises ValueError for an unreadable file."""
    file = folder / FILE
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{file}: is missing; write it with storm eval --out {folder} --resume") from None
    except ValueError as error:
        raise ValueError(f"{file}: not JSON: {error}") from error
    return parse_object(f"{file}: ", data, lambda found: from_json(Loaded, without_version(found)))
