"""The files of a run folder that may be uploaded: those of a fixed list. Everything else stays here.

Settings, checkpoints, replies of an intervener's endpoint and logs are not on the list: they may name internal servers
and paths. Files on the list are searched for the secrets in the environment before an upload.
"""

import gzip
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

Config = Literal["records", "episodes", "golden", "samples", "verl-sft", "trl", "messages", "verl-rl"]
"""A part of the data set that `datasets.load_dataset` loads by this name."""

ALLOWED: Mapping[Config, tuple[str, ...]] = {
    "records": ("records.parquet",),
    "episodes": ("episodes.jsonl", "episodes/part-*.jsonl.gz"),
    "golden": ("golden.jsonl", "golden/part-*.jsonl.gz"),
    "samples": ("samples.jsonl", "samples/part-*.jsonl.gz"),
    "verl-sft": ("verl-sft.parquet",),
    "trl": ("trl.parquet", "trl.jsonl"),
    "messages": ("messages.jsonl",),
    "verl-rl": ("verl-rl.parquet",),
}
"""Patterns of the files of each config: records, and datasets that `storm export` wrote under their default names."""

FIGURES = ("summary.json", "results.json", "prompt_format.json")
"""Further files that are uploaded if they exist."""

SECRET_NAMES = re.compile(r"(?:^|_)(?:API_?KEYS?|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(?:_|$)", re.IGNORECASE)
"""Names of environment variables whose values are secrets."""
SHORTEST_SECRET = 12
"""Characters of the shortest secret that is searched for: shorter ones occur by chance."""
_TOKENS = re.compile(
    rb"\bhf_[A-Za-z0-9]{30,}\b|\bsk-[A-Za-z0-9_-]{32,}|\bghp_[A-Za-z0-9]{36}\b|-----BEGIN [A-Z ]*PRIVATE KEY"
)
_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadFile:
    """A file to upload."""

    path: Path
    name: str
    """Its path in the data set."""
    config: Config | None
    """The config that it belongs to; None for figures."""
    size: int
    """Bytes."""


def upload_files(run: Path) -> tuple[UploadFile, ...]:
    """Return the files of a run that may be uploaded. Raises ValueError if the folder has no records, or for a link."""
    found: list[UploadFile] = []
    for config, patterns in ALLOWED.items():
        found += [_file(run, path, config) for pattern in patterns for path in sorted(run.glob(pattern))]
    if not any(one.config in ("episodes", "samples") for one in found):
        raise ValueError(f"{run}: has no records; give the run folder of storm curate or storm eval")
    found += [_file(run, run / name, None) for name in FIGURES if (run / name).is_file()]
    return tuple(found)


def _file(run: Path, path: Path, config: Config | None) -> UploadFile:
    # A link could lead to any file of this machine.
    if path.is_symlink() or not path.resolve().is_relative_to(run.resolve()):
        raise ValueError(f"{path}: is a link; copy the file into the run folder to upload it")
    return UploadFile(path=path, name=path.relative_to(run).as_posix(), config=config, size=path.stat().st_size)


def check_no_secrets(file: UploadFile) -> None:
    """Raise ValueError if a file contains a secret of the environment, or a text with the form of a common API key.

    The message names the variable or the form, never the secret.
    """
    secrets = {
        value.encode(): name
        for name, value in os.environ.items()
        if SECRET_NAMES.search(name) and len(value) >= SHORTEST_SECRET
    }
    known = re.compile(b"|".join(map(re.escape, secrets))) if secrets else None
    with file.path.open("rb") as raw, _opened(file.path, raw) as data:
        for block in _blocks(data):
            match = known.search(block) if known else None
            if match or (match := _TOKENS.search(block)):
                what = f"the value of {secrets[match[0]]}" if match[0] in secrets else "a text like an API key"
                raise ValueError(
                    f"{file.path}: contains {what}, so nothing is uploaded. Remove the record that has it, or revoke "
                    "the key"
                )


def _opened(path: Path, raw: BinaryIO) -> BinaryIO:
    return gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw  # type: ignore[return-value]


def _blocks(data: BinaryIO) -> Iterator[bytes]:
    """Yield the data in blocks that overlap, so that a secret between two of them is found."""
    before = b""
    while block := data.read(_BLOCK):
        yield before + block
        before = block[-1024:]
