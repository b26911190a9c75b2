"""What the two training commands have in common: their options, their configuration, and the model they name."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from storm_calm.rl.compose import compose, environment, names


def parser_of(text: str, name: str) -> argparse.ArgumentParser:
    """Return the parser of a training command. text: its module's docstring; the examples go to the end of the help."""
    paragraphs = text.strip().split("\n\n")
    examples = "\n".join(part for part in paragraphs if part.startswith("    "))
    return argparse.ArgumentParser(
        prog=name,
        description="\n\n".join(part for part in paragraphs if not part.startswith("    ")),
        epilog=f"Examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def parse_options(
    parser: argparse.ArgumentParser, words: Sequence[str], defaults: Mapping[str, str], *, out: str, **keys: str
) -> tuple[Any, argparse.Namespace]:
    """The configuration that the command line asks for, and the options themselves.

    words: the command line. defaults: the configuration for each device. out: the default folder. keys: the setting
    that an option stands for.
    Raises ValueError for options, settings and configurations that are none.
    """
    some = ", ".join(names())
    parser.add_argument("--device", choices=tuple(defaults), help="by default what the configuration says, or cpu")
    parser.add_argument("--config", help=f"{some}, or a .yaml file; by default {' or '.join(defaults.values())}")
    parser.add_argument("--model", help="the checkpoint to train: a folder, or a name on the model hub")
    parser.add_argument("--out", default=out, help=f"folder of the run (default {out})")
    parser.add_argument("--dry-run", action="store_true", help="check everything, print the settings, start nothing")
    parser.add_argument("settings", nargs="*", metavar="key=value", help="settings to change")
    arguments, rest = parser.parse_known_args(words)
    unknown = [word for word in rest if word.startswith("-")]
    if unknown:
        raise ValueError(f"there is no option {unknown[0]!r}; see --help")
    name = arguments.config or defaults[arguments.device or "cpu"]
    overrides = [f"storm.out={Path(arguments.out).resolve()}"]
    overrides += [f"{key}={value}" for option, key in keys.items() if (value := getattr(arguments, option))]
    config = compose(name, [*overrides, *arguments.settings, *rest])
    if arguments.device not in (None, config.trainer.device):
        raise ValueError(f"{name} is a configuration for --device {config.trainer.device}")
    # Before veRL is imported for the first time: it asks for its platform then.
    os.environ.update(environment(config.trainer.device))
    return config, arguments


def local_model(section: Any) -> Path:
    """The folder of the model to train, fetched from the hub where it is a name there.

    section: of the configuration, with the model's `path`, which is set to that folder.
    """
    from storm_calm.agents.reasoners import BUILT_IN, built_in

    path = built_in(section.path) if section.path in BUILT_IN else Path(section.path).expanduser()
    if not path.is_dir():
        if len(path.parts) != 2:
            known = ", ".join(BUILT_IN)
            raise ValueError(f"model {section.path!r} is no folder here, none of {known}, and no name on the hub")
        from huggingface_hub import snapshot_download

        try:
            path = Path(snapshot_download(section.path))
        except Exception as error:  # The network, a typing error, a licence: all look different.
            raise ValueError(f"model {section.path!r} is no folder, and the hub did not give it: {error}") from error
    section.path = str(path.resolve())
    return path.resolve()
