"""The command line that `train_sft` and `train_verl` share: options, configuration, and the model to train."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from storm_calm.rl.compose import compose, environment, names
from storm_calm.rl.preflight_checks import check_checkpoints, check_disk, count_weights


def parser_of(text: str, name: str) -> argparse.ArgumentParser:
    """Return the parser of a training command.

    text: the docstring of its module, whose examples are moved to the end of the help. name: the command's name.
    """
    paragraphs = text.strip().split("\n\n")
    examples = "\n".join(part for part in paragraphs if part.startswith("    "))
    return argparse.ArgumentParser(
        prog=name,
        description="\n\n".join(part for part in paragraphs if not part.startswith("    ")),
        epilog=f"Examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def run_command(
    train: Callable[..., None],
    script: str,
    parser: argparse.ArgumentParser,
    words: Sequence[str],
    defaults: Mapping[str, str],
    *,
    out: str,
    **keys: str,
) -> None:
    """Parse the command line `words` and train. On an error or Ctrl-C, exit with a message that begins with `script`.

    defaults: the configuration for each device. out: the default run folder. keys: the setting that each option sets.
    """
    try:
        config, dry_run = _configure(parser, words, defaults, out, keys)
        train(config, dry_run=dry_run)
    except (ValueError, OSError) as error:
        sys.exit(f"{script}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"{script}: stopped; the last checkpoint is kept. Run the same command again to resume from it")


def _configure(
    parser: argparse.ArgumentParser,
    words: Sequence[str],
    defaults: Mapping[str, str],
    out: str,
    keys: Mapping[str, str],
) -> tuple[Any, bool]:
    """Return the composed configuration, and whether this is a dry run."""
    known = ", ".join(names())
    parser.add_argument("--device", choices=tuple(defaults), help="default: that of the configuration, or cpu")
    parser.add_argument("--config", help=f"{known}, or a .yaml file (default {' or '.join(defaults.values())})")
    parser.add_argument("--model", help="the checkpoint to train: a folder, or a name on the model hub")
    parser.add_argument("--out", default=out, help=f"run folder (default {out})")
    parser.add_argument("--dry-run", action="store_true", help="check everything, print the settings, start nothing")
    parser.add_argument("settings", nargs="*", metavar="key=value", help="settings to change")
    arguments, rest = parser.parse_known_args(words)
    unknown = [word for word in rest if word.startswith("-")]
    if unknown:
        raise ValueError(f"unknown option {unknown[0]!r}; see --help")
    name = arguments.config or defaults[arguments.device or "cpu"]
    overrides = [f"storm.out={Path(arguments.out).resolve()}"]
    overrides += [f"{key}={value}" for option, key in keys.items() if (value := getattr(arguments, option))]
    config = compose(name, [*overrides, *arguments.settings, *rest])
    if arguments.device not in (None, config.trainer.device):
        raise ValueError(f"{name} is a configuration for --device {config.trainer.device}")
    # Before the first import of veRL, which selects its platform.
    os.environ.update(environment(config.trainer.device))
    return config, arguments.dry_run


def end_dry_run(config: Any, section: Any) -> None:
    """Print the settings and, for GPUs, the estimated memory.

    section: the configuration of the model, in `config`. Raises ValueError if the model's sizes cannot be found.
    """
    from omegaconf import OmegaConf

    from storm_calm.rl.memory_settings import describe_memory

    print(OmegaConf.to_yaml(config, resolve=True))
    if config.trainer.device != "cpu":
        print(f"{describe_memory(config, section)}\n")
    if is_on_hub(section):
        print(
            f"note: {section.path} is not on this machine, so its tokenizer, its prompts and the data were not checked"
        )


def train_in_folder(
    config: Any, out: Path, model: Path, *, steps: float, checkpoints: int, run: Callable[[Any, Path, int], None]
) -> None:
    """Train up to step `steps` unless that is done, and write the trained model into the run folder.

    model: the folder of the model to train. checkpoints: the number of checkpoints to keep. run: starts the training;
    its last argument is the number of weights.
    """
    from storm_calm.rl.merge_checkpoint import finish

    done = check_checkpoints(Path(config.trainer.default_local_dir))
    if done >= steps:
        print(f"{out}: all {done} steps are already done")
    else:
        weights = count_weights(model)
        check_disk(out, weights, checkpoints)
        print(f"{out}: from step {done} to {steps}", flush=True)
        run(config, out, weights)
    finish(out, base=model, export=config.storm.export)


def is_on_hub(section: Any) -> bool:
    """Return whether the model to train is a name on the model hub that was not downloaded yet.

    section: the configuration of the model.
    """
    from storm_calm.agents.reasoners import BUILT_IN

    path = Path(section.path).expanduser()
    if section.path in BUILT_IN or path.is_dir() or len(path.parts) != 2:
        return False
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(section.path, local_files_only=True)
    except Exception:  # Each reason has its own type, and means that it is not on this machine.
        return True
    return False


def local_model(section: Any) -> Path:
    """Return the folder of the model to train, downloaded from the hub if needed.

    section: the configuration of the model; its `path` is replaced by that folder.
    """
    from storm_calm.agents.reasoners import BUILT_IN, built_in

    path = built_in(section.path) if section.path in BUILT_IN else Path(section.path).expanduser()
    if not path.is_dir():
        if len(path.parts) != 2:
            known = ", ".join(BUILT_IN)
            raise ValueError(f"model {section.path!r} is not a folder, one of {known}, or a name on the model hub")
        from huggingface_hub import snapshot_download

        try:
            path = Path(snapshot_download(section.path))
        except Exception as error:  # A network failure, a typing error, a license: each has its own type.
            raise ValueError(
                f"model {section.path!r} is not a folder, and cannot be downloaded from the hub: {error}"
            ) from error
    section.path = str(path.resolve())
    return path.resolve()
