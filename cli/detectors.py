"""`storm detectors`: precision and recall of every trigger's detector on labelled traces."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from storm_calm.agents.detectors.measure import measurement_to_json
from storm_calm.agents.runs.intervener_options import IntervenerOptions
from storm_calm.agents.runs.options import Config, Option, OptionError, check_options
from storm_calm.agents.runs.sandbox_options import SandboxOptions
from storm_calm.cli.errors import fail, report_errors
from storm_calm.cli.options import AsJson, Display, Given, options_of, read_config

if TYPE_CHECKING:
    from storm_calm.agents.detectors.labelled_traces import LabelledTrace
    from storm_calm.agents.detectors.measure import Measurement
    from storm_calm.agents.interveners import Intervener
    from storm_calm.sandbox import Sandbox

EXAMPLES = "Examples:\n\nstorm detectors\n\nstorm detectors --nano 1200 --seed 3 --json"
NANO = 400
"""Traces to generate by default."""


@dataclass(frozen=True, kw_only=True)
class DetectorsConfig(IntervenerOptions, SandboxOptions, Config):
    """The traces to measure detectors on."""

    group: ClassVar[str] = "Traces"

    nano: Annotated[int | None, Option(metavar="N", least=1)] = None
    """Labelled traces to generate, of the kind the nano model was trained on. Default: 400; 0 with --traces."""
    seed: Annotated[int, Option(metavar="S")] = 1
    """Seed of the generated traces. None of them is in the training data of the nano model."""
    traces: Annotated[Path | None, Option(metavar="DIR|FILE")] = None
    """Traces labelled by people: a Markdown file, a folder of them, or of recorded trajectories with labels."""
    records: bool = True
    """Let the rules see the models that programs solved, as in a curation; --no-records shows what these add."""
    reply_cache: Annotated[Path | None, Option(metavar="FILE")] = None
    """Cache file for LLM replies. A cached reply is not requested again."""

    def __post_init__(self) -> None:
        check_options(self)
        if self.reply_cache is not None and self.intervener == "rules":
            raise OptionError("reply_cache", "needs --intervener llm or rules+llm; rules use no model")


@options_of(DetectorsConfig)
def detectors(given: Given, *, as_json: AsJson = False, display: Display = None) -> None:
    """Measure how well flaws are detected: precision and recall of each trigger on labelled traces."""
    from storm_calm.agents.detectors.labelled_episodes import is_labelled_folder, read_labelled_episodes
    from storm_calm.agents.detectors.labelled_traces import read_traces
    from storm_calm.agents.interveners.open_intervener import open_configured_intervener

    measured: dict[str, Measurement] = {}
    with report_errors():
        config = read_config(DetectorsConfig, given)
        opened = open_configured_intervener(config, reply_cache=config.reply_cache)
        try:
            with opened as intervener, config.open_sandbox() as sandbox:
                if config.traces is not None:
                    recorded = is_labelled_folder(config.traces)
                    labelled = (
                        read_labelled_episodes(config.traces) if recorded else read_traces(config.traces, sandbox)
                    )
                    measured[str(config.traces)] = _measure(labelled, len(labelled), intervener, config, display)
                if config.nano is not None or config.traces is None:
                    count = config.nano or NANO
                    generated = _generate(count, config.seed, sandbox)
                    measured[f"nano, seed {config.seed}"] = _measure(generated, count, intervener, config, display)
        except KeyboardInterrupt:
            kept = f"; LLM replies are kept in {config.reply_cache}" if config.reply_cache is not None else ""
            fail(f"stopped; nothing is measured{kept}", code=130)
    if as_json:
        sets = {name: measurement_to_json(one) for name, one in measured.items()}
        facts = {"intervener": config.intervener, "model": config.intervener_model, "sets": sets}
        typer.echo(json.dumps(facts, indent=2))
        return
    from storm_calm.cli.detectors_display import print_measured

    print_measured(config.intervener, measured)


def _generate(count: int, seed: int, sandbox: Sandbox) -> Iterator[LabelledTrace]:
    """Yield traces generated with their labels, as in the nano model's corpus but from other seeds."""
    from itertools import islice

    from storm_calm.agents.detectors.labelled_traces import LabelledTrace
    from storm_calm.agents.reasoners import built_in
    from storm_calm.agents.triggers import TRIGGER_OF
    from storm_calm.rl.nano.nano_tokenizer import NanoRenderer
    from storm_calm.rl.nano.pretraining_corpus import traces

    renderer = NanoRenderer(built_in("nano-base") / "tokenizer.json")
    for trace in islice(traces(renderer, sandbox, seed=f"detectors/{seed}", record=True), count):
        trigger = None if trace.hinted else TRIGGER_OF.get(trace.kind)
        at = trace.flaw_offset
        yield LabelledTrace(
            id=trace.episode.problem.id,
            episode=trace.episode,
            trigger=trigger,
            place=None if trigger is None or at is None else (at, at + 1),
            why="" if trigger is None else trace.kind,
        )


def _measure(
    traces: Iterable[LabelledTrace], total: int, intervener: Intervener, config: DetectorsConfig, display: Any
) -> Measurement:
    from storm_calm.agents.detectors.measure import measure
    from storm_calm.cli.display import progress_display

    if not config.records:
        traces = map(_without_records, traces)
    with progress_display(display) as on_progress:
        return measure(traces, intervener, total=total, on_progress=on_progress)


def _without_records(trace: LabelledTrace) -> LabelledTrace:
    runs = tuple(replace(run, solve_records=()) for run in trace.episode.executions)
    return replace(trace, episode=replace(trace.episode, executions=runs))
