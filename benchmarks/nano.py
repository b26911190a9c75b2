"""Measure the embedded reasoner: tokens per second of one and of many streams, and the latency of a hint.

    python -m benchmarks.nano
    python -m benchmarks.nano --reasoner runs/mine/model --json

Figures are medians. The measurements alternate, so that other load on the machine affects all of them.

    hint after rewind         ms from a hint to the next token if the KV cache before the hint is reused
    hint after recomputing    the same with an empty KV cache
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
"""Tokens that the model generates before the hint; the last third is removed."""


def write(reasoner: Nano, tokens: int, seed: int) -> int:
    """Generate at least `tokens` tokens, in as many segments as needed; return their number."""
    ids = reasoner.encode(reasoner.render([{"role": "user", "content": QUESTION}]))[0]
    written = 0
    while written < tokens:
        sampling = Sampling(temperature=0.6, top_p=0.95, seed=seed + written)
        generation = reasoner.generate(ids, stop=(), max_tokens=tokens - written, sampling=sampling)
        written += len(generation.ids or ())
    return written


def speed(reasoner: Nano, tokens: int, streams: int) -> float:
    """Return tokens per second, summed over streams in one thread each. The prompt is already in the KV cache."""
    write(reasoner, 1, seed=0)
    with ThreadPoolExecutor(streams) as pool:
        started = time.perf_counter()
        written = sum(pool.map(lambda stream: write(reasoner, tokens, seed=1000 * stream), range(streams)))
        return written / (time.perf_counter() - started)


def hint(reasoner: Nano, *, cached: bool) -> float:
    """Return milliseconds from a hint to the first token after it. cached: keep the KV cache of the text before it."""
    reasoner.close()  # Clear the KV caches of the previous repeat.
    prompt = reasoner.encode(reasoner.render([{"role": "user", "content": QUESTION}]))[0]
    written = reasoner.generate(prompt, stop=(), max_tokens=WRITTEN, sampling=Sampling(seed=1)).ids or ()
    if not cached:
        reasoner.close()
    hinted = prompt + written[: len(written) * 2 // 3] + reasoner.encode(HINT)[0]
    started = time.perf_counter()
    next(iter(reasoner.stream(hinted, stop=(), max_tokens=1, sampling=Sampling(seed=1))))
    return 1000 * (time.perf_counter() - started)


def measure(reasoner: Nano, *, tokens: int, streams: int, repeats: int) -> dict[str, float]:
    """Return the median of each measurement."""
    jobs: dict[str, Callable[[], float]] = {
        "one_stream_tokens_per_second": lambda: speed(reasoner, tokens, 1),
        f"{streams}_streams_tokens_per_second": lambda: speed(reasoner, tokens, streams),
        "hint_after_rewind_ms": lambda: hint(reasoner, cached=True),
        "hint_after_recomputing_ms": lambda: hint(reasoner, cached=False),
    }
    results: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            results[name].append(job())
    return {name: round(statistics.median(values), 2) for name, values in results.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--reasoner", default="nano-base", help="nano, nano-base or the folder of a nano model (default: nano-base)"
    )
    parser.add_argument("--tokens", type=int, default=200, help="tokens per stream (default: 200)")
    parser.add_argument("--streams", type=int, default=8, help="concurrent streams (default: 8)")
    parser.add_argument("--repeats", type=int, default=7, help="repeats of each measurement (default: 7)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    arguments = parser.parse_args()
    reasoner = open_reasoner(arguments.reasoner)
    if not isinstance(reasoner, Nano):
        parser.error(f"--reasoner: {arguments.reasoner!r} is not a nano model; use nano or a model folder")
    figures = measure(reasoner, tokens=arguments.tokens, streams=arguments.streams, repeats=arguments.repeats)
    if arguments.json:
        print(json.dumps({"reasoner": reasoner.name, "cores": len(os.sched_getaffinity(0)), **figures}))
        return
    print(f"{reasoner.name} on {len(os.sched_getaffinity(0))} cores, medians of {arguments.repeats}")
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):40} {value:10,.1f}")


if __name__ == "__main__":
    main()
