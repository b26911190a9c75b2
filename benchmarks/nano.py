"""How fast the embedded reasoner writes, alone and many at once, and what rewinding to take a hint costs.

    python -m benchmarks.nano
    python -m benchmarks.nano --reasoner runs/mine/model --json

Every figure is a median over repeats that take turns, so that whatever else the machine does falls on all of them.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from storm_calm.agents.reasoners import open_reasoner
from storm_calm.agents.reasoners.nano import Nano
from storm_calm.env.reasoner import Sampling

QUESTION = (
    "A workshop makes chairs, tables and shelves. A chair earns 12 and takes 3 hours of work and 2 boards; a table "
    "earns 31 and takes 7 hours and 5 boards; a shelf earns 19 and takes 4 hours and 4 boards. There are 120 hours and "
    "90 boards. Only whole pieces can be sold, and at most 10 tables. What is the largest profit?"
)
HINT = "Wait, I should let the solver work this out instead of guessing. Whole pieces need integer variables.\n"
WRITTEN = 150
"""Tokens of the model's own before the hint; a third of them is taken back."""


def write(reasoner: Nano, tokens: int, seed: int) -> int:
    """Have `tokens` or a few more tokens written, in as many segments as it takes; how many it were."""
    ids = reasoner.encode(reasoner.render([{"role": "user", "content": QUESTION}]))[0]
    written = 0
    while written < tokens:
        sampling = Sampling(temperature=0.6, top_p=0.95, seed=seed + written)
        generation = reasoner.generate(ids, stop=(), max_tokens=tokens - written, sampling=sampling)
        written += len(generation.ids or ())
    return written


def speed(reasoner: Nano, tokens: int, streams: int) -> float:
    """Tokens a second of all streams together, each a thread; the prompt is known before."""
    write(reasoner, 1, seed=0)
    with ThreadPoolExecutor(streams) as pool:
        started = time.perf_counter()
        written = sum(pool.map(lambda stream: write(reasoner, tokens, seed=1000 * stream), range(streams)))
        return written / (time.perf_counter() - started)


def hint(reasoner: Nano, *, known: bool) -> float:
    """Milliseconds from a hint to the first token after it. known: the prompt before is still in memory."""
    reasoner.close()  # Nothing is known from the repeat before.
    prompt = reasoner.encode(reasoner.render([{"role": "user", "content": QUESTION}]))[0]
    written = reasoner.generate(prompt, stop=(), max_tokens=WRITTEN, sampling=Sampling(seed=1)).ids or ()
    if not known:
        reasoner.close()
    hinted = prompt + written[: len(written) * 2 // 3] + reasoner.encode(HINT)[0]
    started = time.perf_counter()
    next(iter(reasoner.stream(hinted, stop=(), max_tokens=1, sampling=Sampling(seed=1))))
    return 1000 * (time.perf_counter() - started)


def measure(reasoner: Nano, *, tokens: int, streams: int, repeats: int) -> dict[str, float]:
    """The medians."""
    jobs: dict[str, Callable[[], float]] = {
        "one_stream_tokens_per_second": lambda: speed(reasoner, tokens, 1),
        f"{streams}_streams_tokens_per_second": lambda: speed(reasoner, tokens, streams),
        "hint_after_rewind_ms": lambda: hint(reasoner, known=True),
        "hint_after_recomputing_ms": lambda: hint(reasoner, known=False),
    }
    results: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            results[name].append(job())
    return {name: round(statistics.median(values), 2) for name, values in results.items()}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description="Time the embedded reasoner.",
        epilog="examples: python -m benchmarks.nano    python -m benchmarks.nano --streams 16 --json",
    )
    parser.add_argument("--reasoner", default="nano-base", help='"nano-base" or the folder of a nano model')
    parser.add_argument("--tokens", type=int, default=200, help="tokens that each stream writes (default 200)")
    parser.add_argument("--streams", type=int, default=8, help="streams at once (default 8)")
    parser.add_argument("--repeats", type=int, default=7, help="repeats of each measurement (default 7)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    reasoner = open_reasoner(arguments.reasoner)
    if not isinstance(reasoner, Nano):
        parser.error("give a nano model; a server is not timed here")
    figures = measure(reasoner, tokens=arguments.tokens, streams=arguments.streams, repeats=arguments.repeats)
    if arguments.json:
        print(json.dumps({"reasoner": reasoner.name, "cores": len(os.sched_getaffinity(0)), **figures}))
        return
    print(f"{reasoner.name} on {len(os.sched_getaffinity(0))} cores, medians of {arguments.repeats}")
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):40} {value:10,.1f}")


if __name__ == "__main__":
    main()
