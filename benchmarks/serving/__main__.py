"""What `storm serve` adds over its upstream, beside a client without a server and a bare pass-through.

    python -m benchmarks.serving
    python -m benchmarks.serving --runs 1 --streams 5 --tokens 50
    python -m benchmarks.serving --nano

A scripted upstream streams tokens at an exact rate. It shares one processor with the clients; the server that is
measured has another to itself, with all its programs, and is started anew for each number of streams. A run is: for
each number of streams, answers straight from the upstream ("direct"), through the pass-through, and through `storm
serve`; for the first number also answers with a program in the middle, and clients of which a third leave, while text
is streamed, while an answer is not streamed ("whole"), and while a program sleeps. Runs follow one another, so that
whatever else the machine does falls on all servers; figures are medians over the runs.

    first ms, p95       from the request to the first token; added ms: more than direct, in the same run
    share               of the tokens per second that come directly
    CPU s/1k            processor seconds of the server and all its processes for 1,000 tokens
    MB, MB all          the most that the server's process held; with its children afterwards, shared pages once
    ideal, own ms       what the upstream takes for both segments, and the program; the program alone
    left, in text, in code    clients that left; of them while the upstream wrote, and between its segments
    ended, after ms     upstream requests that the hang-up ended, and how long after it
    requests, programs  what of theirs ran on 2 seconds later

Every answer is looked at: text, token counts, finish and end. If one is wrong, the exit code is 1.
With --nano: chats of the embedded model instead, beside its engine alone.
"""

import argparse
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.common import described, machine
from benchmarks.serving import loads, nano, servers, table
from benchmarks.serving.faults import faults
from benchmarks.serving.leaving import leaving
from benchmarks.serving.loads import Place
from benchmarks.serving.script import Script
from benchmarks.serving.servers import Target

NAMES = (table.DIRECT, "passthrough", "storm serve")
"""The ways that are compared."""
CHATS = 16
"""Chats at once with --nano."""


@contextmanager
def way(name: str, upstream: Target, core: int, workers: int | None = None) -> Iterator[Place]:
    """One of `NAMES`, ready."""
    if name == table.DIRECT:
        yield Place(target=upstream, upstream=upstream)
    elif name == "passthrough":
        with servers.passthrough(upstream.address, core) as target:
            yield Place(target=target, upstream=upstream)
    else:
        with servers.storm(upstream.address, {core}, workers=workers) as target:
            yield Place(target=target, upstream=upstream)


def run(upstream: Target, core: int, script: Script, streams: list[int], *, seed: int, first: bool) -> table.Run:
    """One run. core: the servers' one. first: whether to look at faults too."""
    figures: table.Run = {"answers": {}, "leaving": {}, "faults": {}}
    for count in streams:
        rows = figures["answers"][f"{count} streams"] = {}
        for name in NAMES:
            with way(name, upstream, core) as place:
                rows[name] = loads.answers(place, script, count)
                if place.target.agent and "programs" not in figures:
                    figures["programs"] = loads.programs(place, script, count)
    for name in NAMES[1:]:
        # A worker for each answer, so that every program gets to sleep at once.
        with way(name, upstream, core, workers=streams[0]) as place:
            modes = {"streamed": (script, True), "whole": (script, False)}
            if place.target.agent:
                programs = Script(mode="script", tokens=script.tokens, rate=script.rate)
                modes |= {"program, streamed": (programs, True), "program, whole": (programs, False)}
            figures["leaving"][name] = {
                mode: leaving(place, played, streams[0], stream=stream, seed=seed)
                for mode, (played, stream) in modes.items()
            }
            if first:
                figures["faults"][name] = faults(place, script)
    return figures


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=3, help="runs (default: 3)")
    parser.add_argument(
        "--streams", type=_counts, metavar="N,N", default="50,200", help="streams at once (default: 50,200)"
    )
    parser.add_argument("--tokens", type=int, default=200, help="tokens of a segment (default: 200)")
    parser.add_argument("--rate", type=float, default=100.0, help="tokens a second of a stream (default: 100)")
    parser.add_argument("--nano", action="store_true", help=f"{CHATS} chats of the embedded model at once instead")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    settings = parser.parse_args()
    try:
        script = Script(tokens=settings.tokens, rate=settings.rate)
    except ValueError as error:
        parser.error(f"--{error}")
    if settings.runs < 1 or min(settings.streams) < 1:
        parser.error("--runs and --streams need numbers of at least 1")
    facts = machine()
    if settings.nano:
        chats = nano.measure(settings.runs, CHATS)
        _print(facts, chats, list(nano.lines(chats)), chats["faults"], as_json=settings.json)
        return
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("two processors are needed, one of them for the server alone; there is one here")
    with servers.pinned(cores[0]), servers.upstream(cores[0]) as upstream:
        runs = [
            run(upstream, cores[1], script, settings.streams, seed=number, first=number == 0)
            for number in range(settings.runs)
        ]
    figures = table.summed(runs)
    _print(facts, figures, list(table.lines(figures)), table.wrongs(figures), as_json=settings.json)


def _counts(text: str) -> list[int]:
    """Numbers with commas between them. Raises ArgumentTypeError for other words."""
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers; give one like 50,200") from None


def _print(
    facts: dict[str, object], figures: dict[str, object], lines: list[str], wrong: list[str], *, as_json: bool
) -> None:
    if as_json:
        print(json.dumps({"machine": facts, **figures}, indent=2))
    else:
        print("\n".join([described(facts), *lines, *(f"WRONG {fault}" for fault in wrong)]))
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
