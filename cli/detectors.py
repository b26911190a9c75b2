"""`storm detectors`: precision and recall of every trigger's detector on labelled traces."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.detectors.measure import measurement_to_json
from storm_calm.cli.errors import fail, told
from storm_calm.cli.options import option_texts

if TYPE_CHECKING:
    from storm_calm.agents.detectors.labelled_traces import LabelledTrace
    from storm_calm.agents.detectors.measure import Measurement
    from storm_calm.agents.interveners import Intervener
    from storm_calm.sandbox import Sandbox

EXAMPLES = "Examples:\n\nstorm detectors\n\nstorm detectors --nano 1200 --seed 3 --json"
TEXTS = option_texts(CurateConfig)
NANO = 400
"""Traces that are played where nobody says what to measure on."""


def detectors(
    nano: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help=f"Labelled traces to play as those are that the nano model learned from. Default: {NANO}, or none "
            "with --traces.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="S", help="Which traces are played; the model learned from none of them.")
    ] = 1,
    traces: Annotated[
        Path | None,
        typer.Option(metavar="DIR|FILE", help="Traces that somebody has labelled, a Markdown file for each."),
    ] = None,
    intervener: Annotated[
        str, typer.Option(metavar="rules|llm|rules+llm", help='Who looks for flaws: "rules", "llm", or "rules+llm".')
    ] = "rules",
    intervener_url: Annotated[str, typer.Option(metavar="URL", help=TEXTS["intervener_url"], show_default=False)] = "",
    intervener_model: Annotated[
        str, typer.Option(metavar="NAME", help=TEXTS["intervener_model"], show_default=False)
    ] = "",
    intervener_price: Annotated[
        str, typer.Option(metavar="IN,OUT", help=TEXTS["intervener_price"], show_default=False)
    ] = "",
    reply_cache: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where an llm's replies are kept; what stands there is not asked again."),
    ] = None,
    minimum_isolation: Annotated[
        str, typer.Option(metavar="ISOLATION", help="The weakest sandbox to accept: full, landlock or limits.")
    ] = "landlock",
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="Print figures and every judgement as one JSON object.")
    ] = False,
    display: Annotated[
        Literal["rich", "plain", "none"] | None,
        typer.Option(
            metavar="rich|plain|none", help="What to show meanwhile: a live bar, lines now and then, nothing."
        ),
    ] = None,
) -> None:
    """Measure how well the flaws of a run are found: precision and recall of each trigger on labelled traces."""
    from storm_calm.agents.detectors.labelled_traces import read_traces
    from storm_calm.agents.interveners.open_intervener import open_intervener
    from storm_calm.sandbox import open_sandbox

    measured: dict[str, Measurement] = {}
    with told():
        if nano is not None and nano < 1:
            raise ValueError(f"nano is {nano}; give at least 1")
        if reply_cache is not None and intervener == "rules":
            raise ValueError("--reply-cache goes with --intervener llm or rules+llm; rules ask nobody")
        asked = open_intervener(
            intervener,
            url=intervener_url,
            model=intervener_model,
            price=intervener_price,
            reply_cache=reply_cache,
        )
        try:
            with asked as watching, open_sandbox(minimum_isolation=cast(Any, minimum_isolation)) as sandbox:
                if traces is not None:
                    read = read_traces(traces, sandbox)
                    measured[str(traces)] = _measured(read, len(read), watching, display)
                if nano is not None or traces is None:
                    count = nano or NANO
                    measured[f"nano, seed {seed}"] = _measured(_played(count, seed, sandbox), count, watching, display)
        except KeyboardInterrupt:
            kept = f"; what the llm said is kept in {reply_cache}" if reply_cache is not None else ""
            fail(f"stopped; nothing is measured{kept}", code=130)
    if as_json:
        sets = {name: measurement_to_json(one) for name, one in measured.items()}
        typer.echo(json.dumps({"intervener": intervener, "model": intervener_model, "sets": sets}, indent=2))
        return
    from storm_calm.cli.detectors_display import print_measured

    print_measured(intervener, measured)


def _played(count: int, seed: int, sandbox: Sandbox) -> Iterator[LabelledTrace]:
    """Traces as those of the nano model's corpus, which carry their labels from birth; its seeds are none of these."""
    from itertools import islice

    from storm_calm.agents.detectors.labelled_traces import LabelledTrace
    from storm_calm.agents.reasoners import built_in
    from storm_calm.agents.triggers import TRIGGER_OF
    from storm_calm.rl.nano.corpus import traces
    from storm_calm.rl.nano.tokenizer import NanoRenderer

    renderer = NanoRenderer(built_in("nano-base") / "tokenizer.json")
    for trace in islice(traces(renderer, sandbox, seed=f"detectors/{seed}"), count):
        trigger = None if trace.hinted else TRIGGER_OF.get(trace.kind)
        at = trace.flaw_offset
        yield LabelledTrace(
            id=trace.episode.problem.id,
            episode=trace.episode,
            trigger=trigger,
            place=None if trigger is None or at is None else (at, at + 1),
            why="" if trigger is None else trace.kind,
        )


def _measured(traces: Iterable[LabelledTrace], total: int, intervener: Intervener, display: Any) -> Measurement:
    from storm_calm.agents.detectors.measure import measure
    from storm_calm.cli.display import progress_display

    with progress_display(display) as on_progress:
        return measure(traces, intervener, total=total, on_progress=on_progress)
