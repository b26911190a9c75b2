"""Measure how much of the prompts several vLLM servers find in their prefix caches, by the way requests are shared.

    python -m benchmarks.replicas http://localhost:8001/v1 http://localhost:8002/v1
    python -m benchmarks.replicas http://localhost:8001/v1 http://localhost:8002/v1 --limit 100 --json

Start the servers with the folder models/nano/base and with prefix caching, which is on by default. `affinity` is the
way of `--reasoner URL,URL`: all turns of a trajectory at one server. `random` draws a server for each request. Both
solve problems of their own, so neither finds the other's prompts; the instructions are in all caches before.
"""

import argparse
import json
import random
import re
import urllib.request
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import closing
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from benchmarks.common import format_facts, machine, run_concurrently
from storm_calm.agents.reasoners.async_interface import Prompt
from storm_calm.agents.reasoners.completions import Completions
from storm_calm.agents.reasoners.replicas import Server, open_replicas
from storm_calm.agents.reasoners.routing import Router
from storm_calm.env import Problem, SolverEnv, run_episode
from storm_calm.env.problems.families import generate
from storm_calm.sandbox import Sandbox, open_sandbox

_problem: ContextVar[str] = ContextVar("problem", default="")
_requests: Counter[tuple[str, str]] = Counter()
"""Requests by problem and server."""


class Affinity(Router[Server]):
    """The router of replicas, which counts."""

    def choose(self, prompt: Prompt, *, without: Collection[Server] = ()) -> Server:
        server = super().choose(prompt, without=without)
        _requests[_problem.get(), server.url] += 1
        return server


class Random(Affinity):
    """A router that draws a server for each request."""

    def _with_trajectory(self, prompt: Prompt, candidates: Sequence[Server]) -> Server:
        return random.choice(candidates)


def cache_tokens(urls: Sequence[str]) -> tuple[float, float]:
    """Return the tokens of prompts that all servers looked up in their caches, and those that they found."""
    sums = Counter[str]()
    for url in urls:
        parts = urlsplit(url)
        with urllib.request.urlopen(f"{parts.scheme}://{parts.netloc}/metrics", timeout=30) as response:
            text = response.read().decode()
        for name in ("queries", "hits"):
            values = re.findall(rf"^vllm:prefix_cache_{name}_total\{{[^}}]*\}} (\S+)$", text, re.MULTILINE)
            sums[name] += sum(map(float, values))
    return sums["queries"], sums["hits"]


def measure(
    urls: Sequence[str], router: type[Affinity], problems: Sequence[Problem], sandbox: Sandbox, *, workers: int
) -> dict[str, Any]:
    """Solve the problems. Return the share of prompt tokens that was in the caches, and facts on the requests."""
    _requests.clear()
    with closing(open_replicas(urls, lambda url: Completions(url, max_retries=0), router=router)) as opened:
        reasoner: Any = opened

        def solve(problem: Problem) -> None:
            _problem.set(problem.id)
            run_episode(SolverEnv(sandbox, reasoner), reasoner, problem, seed=7)

        before = cache_tokens(urls)
        run_concurrently(solve, problems, workers)
        after = cache_tokens(urls)
    looked_up, found = (end - start for start, end in zip(before, after, strict=True))
    servers = Counter(problem for problem, _ in _requests)
    return {
        "requests": _requests.total(),
        "trajectories_at_one_server": sum(count == 1 for count in servers.values()) / len(servers),
        "prompt_tokens": round(looked_up),
        "computed_tokens": round(looked_up - found),
        "cached": found / looked_up if looked_up else 0.0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("urls", nargs="+", help="vLLM servers of the nano base model, up to /v1")
    parser.add_argument("--limit", type=int, default=40, help="problems of each way (default: 40)")
    parser.add_argument("--workers", type=int, default=8, help="problems at once (default: 8)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    arguments = parser.parse_args()
    count = arguments.limit
    problems = list(generate(["all"], split="heldout", seed=7, limit=2 * count + len(arguments.urls)))
    found: dict[str, dict[str, Any]] = {}
    with open_sandbox() as sandbox:
        for url, problem in zip(arguments.urls, problems[2 * count :], strict=True):
            measure([url], Affinity, [problem], sandbox, workers=1)  # The instructions.
        for name, router, part in (
            ("random", Random, problems[:count]),
            ("affinity", Affinity, problems[count : 2 * count]),
        ):
            found[name] = measure(arguments.urls, router, part, sandbox, workers=arguments.workers)
    facts = {**machine(), "servers": len(arguments.urls), "problems": count}
    if arguments.json:
        print(json.dumps({"facts": facts, **found}, indent=2))
        return
    print(format_facts(facts))
    for name, one in found.items():
        print(
            f"{name:9} {one['cached']:6.1%} of {one['prompt_tokens']:,} prompt tokens were cached, "
            f"{one['computed_tokens']:,} were computed; {one['requests']} requests, "
            f"{one['trajectories_at_one_server']:.0%} of trajectories at one server"
        )


if __name__ == "__main__":
    main()
