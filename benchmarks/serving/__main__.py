"""Measure the overhead of `storm serve` over its upstream, compared with a pass-through proxy.

    python -m benchmarks.serving
    python -m benchmarks.serving --runs 1 --streams 5 --tokens 50
    python -m benchmarks.serving --nano

A scripted upstream streams tokens at an exact rate. It shares one CPU core with the clients. The measured server and
its programs have another core; the server is restarted for each number of streams.

For each number of streams, a run measures answers from the upstream ("direct"), through the pass-through, and through
`storm serve`. For the first number it also measures answers with a program in the middle, and disconnects: a third of
the clients disconnect during a streamed answer, an answer that is not streamed ("whole"), or a program that sleeps.
Runs are sequential, so that other load on the machine affects all servers. Figures are medians over the runs.

    first ms, p95       time from the request to the first token; added ms: difference to direct in the same run
    share               tokens per second relative to direct
    CPU s/1k            CPU seconds of the server and its descendants per 1,000 tokens
    MB, MB all          peak RSS of the server process; PSS of it and its descendants after the load
    ideal, own ms       time of the upstream for both segments plus the program's; time of the program alone
    left                clients that disconnected
    in text, in code    of these: while the upstream was writing; between its two segments, during the program
    ended, after ms     upstream requests ended by the disconnect, and the delay
    requests, programs  upstream requests and programs of these clients that still ran 2 seconds later

Each answer is checked: text, token counts, finish reason, and end. The exit code is 1 if one is wrong.
With --nano, chats with the embedded model are compared with its engine alone instead.
"""

import argparse
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.common import format_facts, machine, pinned
from benchmarks.serving import loads, nano, servers, table
from benchmarks.serving.faults import faults
from benchmarks.serving.leaving import leaving
from benchmarks.serving.loads import Route
from benchmarks.serving.script import Script
from benchmarks.serving.servers import Target

NAMES = (table.DIRECT, "passthrough", "storm serve")
"""The routes that are compared."""
CHATS = 16
"""Concurrent chats with --nano."""


@contextmanager
def open_route(name: str, upstream: Target, core: int, workers: int | None = None) -> Iterator[Route]:
    """Start the server of a route, one of `NAMES`."""
    if name == table.DIRECT:
        yield Route(target=upstream, upstream=upstream)
    elif name == "passthrough":
        with servers.passthrough(upstream.address, core) as target:
            yield Route(target=target, upstream=upstream)
    else:
        with servers.storm(upstream.address, {core}, workers=workers) as target:
            yield Route(target=target, upstream=upstream)


def run(upstream: Target, core: int, script: Script, streams: list[int], *, seed: int, first: bool) -> table.Run:
    """Measure everything once. core: the CPU core of the servers. first: whether to measure faults, too."""
    figures: table.Run = {"answers": {}, "leaving": {}, "faults": {}}
    for count in streams:
        rows = figures["answers"][f"{count} streams"] = {}
        for name in NAMES:
            with open_route(name, upstream, core) as route:
                rows[name] = loads.answers(route, script, count)
                if route.target.agent and "programs" not in figures:
                    figures["programs"] = loads.programs(route, script, count)
    for name in NAMES[1:]:
        # One worker per answer, so that all programs can sleep concurrently.
        with open_route(name, upstream, core, workers=streams[0]) as route:
            modes = {"streamed": (script, True), "whole": (script, False)}
            if route.target.agent:
                programs = Script(mode="script", tokens=script.tokens, rate=script.rate)
                modes |= {"program, streamed": (programs, True), "program, whole": (programs, False)}
            figures["leaving"][name] = {
                mode: leaving(route, played, streams[0], stream=stream, seed=seed)
                for mode, (played, stream) in modes.items()
            }
            if first:
                figures["faults"][name] = faults(route, script)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=3, help="runs (default: 3)")
    parser.add_argument(
        "--streams", type=_counts, metavar="N,N", default="50,200", help="concurrent streams (default: 50,200)"
    )
    parser.add_argument("--tokens", type=int, default=200, help="tokens per segment (default: 200)")
    parser.add_argument("--rate", type=float, default=100.0, help="tokens per second and stream (default: 100)")
    parser.add_argument(
        "--nano", action="store_true", help=f"measure {CHATS} concurrent chats with the embedded model instead"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    settings = parser.parse_args()
    try:
        script = Script(tokens=settings.tokens, rate=settings.rate)
    except ValueError as error:
        parser.error(f"--{error}")
    if settings.runs < 1 or min(settings.streams) < 1:
        parser.error("--runs and --streams must be at least 1")
    facts = machine()
    if settings.nano:
        chats = nano.measure(settings.runs, CHATS)
        _print(facts, chats, list(nano.lines(chats)), chats["faults"], as_json=settings.json)
        return
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("this benchmark needs two CPU cores, one of them for the server; one is available")
    with pinned(cores[0]), servers.upstream(cores[0]) as upstream:
        runs = [
            run(upstream, cores[1], script, settings.streams, seed=number, first=number == 0)
            for number in range(settings.runs)
        ]
    figures = table.summarize(runs)
    _print(facts, figures, list(table.lines(figures)), table.wrongs(figures), as_json=settings.json)


def _counts(text: str) -> list[int]:
    """Parse numbers separated by commas. Raises ArgumentTypeError for other text."""
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers; give one such as 50,200") from None


def _print(
    facts: dict[str, object], figures: dict[str, object], lines: list[str], wrong: list[str], *, as_json: bool
) -> None:
    if as_json:
        print(json.dumps({"machine": facts, **figures}, indent=2))
    else:
        print("\n".join([format_facts(facts), *lines, *(f"WRONG {fault}" for fault in wrong)]))
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
