"""Measure what a PostgreSQL database adds to the answers of `storm serve`.

    python -m benchmarks.serving.database --database postgresql://storm@127.0.0.1/storm
    python -m benchmarks.serving.database --database ... --turns 20

A scripted upstream writes 8 tokens at once. Conversations of two turns over `previous_response_id` run through a server
with the database and one without, in turn, so that other load on the machine affects both. Each turn is a request that
is counted for the rate limit and stored.

    turn ms, p95        time of a request, one after another
    turns/s             with 16 conversations at a time
"""

import argparse
import os
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import httpx

from benchmarks.common import format_facts, machine, run_concurrently
from benchmarks.serving import servers
from benchmarks.serving.loads import percentile
from benchmarks.serving.script import Script
from storm_calm.agents.runs.database_url import ENVIRONMENT, read_database_url

CONCURRENT = 16
ROUNDS = 3


@contextmanager
def serving(upstream: str, database: str) -> Iterator[servers.Target]:
    """Run a server. database: its URL; "" for none."""
    before = os.environ.pop(ENVIRONMENT, None)
    try:
        if database:
            os.environ[ENVIRONMENT] = database
        with servers.storm(upstream, os.sched_getaffinity(0)) as target:
            yield target
    finally:
        os.environ.pop(ENVIRONMENT, None)
        if before is not None:
            os.environ[ENVIRONMENT] = before


def converse(http: httpx.Client) -> list[float]:
    """Return the seconds of two turns of a conversation."""
    previous, seconds = None, []
    for _ in range(2):
        began = perf_counter()
        body = {"model": "storm", "input": Script(tokens=8, rate=1e6, first=0.0).prompt}
        response = http.post("/responses", json={**body, "previous_response_id": previous})
        response.raise_for_status()
        seconds.append(perf_counter() - began)
        previous = response.json()["id"]
    return seconds


def measure(target: servers.Target, conversations: int) -> tuple[list[float], float]:
    """Return the seconds of all turns one after another, and turns per second of many at a time."""
    with httpx.Client(base_url=target.address, timeout=60) as http:
        alone = [second for _ in range(conversations) for second in converse(http)]
        found, seconds = run_concurrently(lambda _: converse(http), range(conversations * 2), CONCURRENT)
        return alone, sum(len(turns) for turns in found) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", required=True, metavar="URL", help="an empty database, or one of storm serve")
    parser.add_argument("--turns", type=int, default=200, help="turns of each server in each of three rounds")
    given = parser.parse_args()
    shown = read_database_url(given.database, "--database").shown
    print(f"{shown}; {format_facts(machine())}")
    with (
        servers.upstream(min(os.sched_getaffinity(0))) as upstream,
        serving(upstream.address, "") as without,
        serving(upstream.address, given.database) as shared,
    ):
        figures: dict[str, list[tuple[list[float], float]]] = {"without": [], "database": []}
        for _ in range(ROUNDS):
            for name, target in (("without", without), ("database", shared)):
                figures[name].append(measure(target, max(1, given.turns // 2)))
    print(f"{'':10} {'turn ms':>8} {'p95':>8} {'turns/s':>8}")
    for name, rounds in figures.items():
        seconds = [1000 * second for alone, _ in rounds for second in alone]
        rate = statistics.median(rate for _, rate in rounds)
        print(f"{name:10} {statistics.median(seconds):8.1f} {percentile(seconds, 0.95):8.1f} {rate:8.1f}")


if __name__ == "__main__":
    main()
