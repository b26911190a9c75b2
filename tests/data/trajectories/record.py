"""Record trajectories of a served model: each problem natively, and with the rules' hints if they find a flaw.

    python tests/data/trajectories/record.py http://127.0.0.1:8110/v1 qwen2.5-coder-0.5b plain problems.jsonl out.jsonl

The lines of `out.jsonl` belong into `episodes.jsonl`, in place of earlier ones with the same id. They need labels, see
`README.md`.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from storm_calm.agents.detectors.labelled_episodes import RecordedEpisode
from storm_calm.agents.graphs import calm
from storm_calm.agents.graphs.components import Parts
from storm_calm.agents.reasoners.completions import Completions
from storm_calm.env import Episode, Problem, Sampling, read_problems, run_episode
from storm_calm.env.prompt_format import PromptFormat
from storm_calm.env.reasoner import Generation
from storm_calm.env.serialize import from_json, to_json
from storm_calm.sandbox import open_sandbox

MAX_TOKENS = 3000
"""Tokens of a transcript."""
MAX_SEGMENT_TOKENS = 900
"""Tokens of one generation, so that a model that repeats itself ends."""
SEED = 7
CONCURRENCY = 28


class Bounded(Completions):
    """A reasoner with short segments."""

    def __init__(self, url: str, *, think: bool) -> None:
        super().__init__(url, timeout=900, prompt_format=PromptFormat(thinking="open" if think else "none"))
        self.sampling = Sampling(temperature=0.6, top_p=1.0)

    def generate(self, prompt, *, stop, max_tokens: int, sampling: Sampling) -> Generation:  # type: ignore[no-untyped-def]
        most = min(max_tokens, MAX_SEGMENT_TOKENS)
        return super().generate(prompt, stop=stop, max_tokens=most, sampling=sampling)


def main(url: str, model: str, prompt: str, problems: str, out: str) -> None:
    """Append a line to `out` for each trajectory."""
    reasoner = Bounded(url, think=prompt == "think")
    with open_sandbox() as sandbox, Path(out).open("a") as file, ThreadPoolExecutor(CONCURRENCY) as pool:
        parts = Parts(reasoner=reasoner, sandbox=sandbox, max_tokens=MAX_TOKENS, max_interventions=3)
        machine = calm.build(lambda: parts)

        def keep(episode: Episode, hints: str) -> None:
            kind = "native" if hints == "none" else "hints"
            id = f"{model}-{prompt}-{episode.problem.id}-{kind}"
            line = RecordedEpisode(id=id, model=model, prompt=prompt, hints=hints, episode=episode)
            file.write(json.dumps(to_json(line), ensure_ascii=False) + "\n")
            file.flush()

        def record(problem: Problem) -> None:
            native = run_episode(parts.env(), reasoner, problem, seed=SEED)
            keep(native, "none")
            question = {"problem": to_json(problem), "seed": SEED, "native": to_json(native)}
            state = machine.invoke(question, {"recursion_limit": 200})
            episode = from_json(Episode, state["episode"])
            if episode.interventions:
                keep(episode, "rules")

        first, *others = read_problems(problems)
        record(first)  # The server's prefix cache then has the system prompt.
        list(pool.map(record, others))
    reasoner.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
