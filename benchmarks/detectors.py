"""How well the rules find the seven flaws: precision and recall of each trigger on labelled nano traces.

    python -m benchmarks.detectors --traces 400
    python -m benchmarks.detectors --traces 400 --json

The traces are played as those of the nano model's corpus are, with a seed that the corpus does not use, so each carries
its label from birth: the trigger of the flaw in it, or none. A trace counts as found when the first finding has the
label's trigger, and as located when it begins exactly where the flaw does. Recall is over the flaws that these traces
hold; what no rule looks for (a wrong objective of the right sense, a structural constraint) is not among them.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from itertools import islice

from rich.console import Console
from rich.table import Table

from agents.reasoners import built_in
from agents.triggers import TRIGGER_OF, findings
from env.intervention import TRIGGERS
from rl.nano.corpus import traces
from rl.nano.tokenizer import NanoCodec
from sandbox import open_sandbox


def measure(count: int, seed: int) -> dict[str, dict[str, float | int | None]]:
    """Figures by trigger, and for all of them together under "all"."""
    hits: Counter[str] = Counter()
    false: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    located: Counter[str] = Counter()
    with open_sandbox() as sandbox:
        codec = NanoCodec(built_in("nano-base") / "tokenizer.json")
        for trace in islice(traces(codec, sandbox, seed=f"detectors/{seed}"), count):
            label = None if trace.hinted else TRIGGER_OF.get(trace.kind)
            first = next(iter(findings(trace.episode)), None)
            if first is not None and first.trigger == label:
                hits[first.trigger] += 1
                located[first.trigger] += first.offset == trace.flaw_offset
            else:
                false.update([first.trigger] if first else [])
                missed.update([label] if label else [])
    for counter in (hits, false, missed, located):
        counter["all"] = sum(counter.values())
    return {
        trigger: {
            "found": hits[trigger],
            "false": false[trigger],
            "missed": missed[trigger],
            "precision": _share(hits[trigger], hits[trigger] + false[trigger]),
            "recall": _share(hits[trigger], hits[trigger] + missed[trigger]),
            "located": _share(located[trigger], hits[trigger]),
        }
        for trigger in (*TRIGGERS, "all")
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=400, help="labelled traces to play (default 400)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the traces (default 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    arguments = parser.parse_args()
    figures = measure(arguments.traces, arguments.seed)
    if arguments.json:
        print(json.dumps({"traces": arguments.traces, "seed": arguments.seed, "triggers": figures}))
        return
    table = Table(title=f"Rules on {arguments.traces} labelled traces")
    for name in ("trigger", "precision", "recall", "located", "found", "false", "missed"):
        table.add_column(name, justify="left" if name == "trigger" else "right")
    for trigger, row in figures.items():
        shares = ["-" if row[key] is None else f"{row[key]:.3f}" for key in ("precision", "recall", "located")]
        table.add_row(trigger, *shares, *(str(row[key]) for key in ("found", "false", "missed")))
    Console().print(table)


if __name__ == "__main__":
    main()
