"""Compare prompts for models that do not know the protocol, on a server with raw completions.

    python -m benchmarks.prompts --url http://127.0.0.1:8100/v1 --problems FILE --out FOLDER
    python -m benchmarks.prompts ... --variants present,default --limit 16 --concurrency 4

All variants run in one go on the same problems, one after another. For each it prints the right answers with a 95 %
interval (Wilson), programs and failed programs, tokens of the model and seconds per problem, and how often each kind of
error ended a program. FOLDER gets the episodes (JSON Lines) and the transcripts as text.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.common import format_facts, machine, run_concurrently
from benchmarks.prompt_variants import VARIANTS, Variant
from storm_calm.agents.evaluation.intervals import mean_share
from storm_calm.agents.reasoners.completions import Completions
from storm_calm.env import Episode, Generation, Message, Problem, Sampling, SolverEnv, read_problems, score
from storm_calm.env.plain_errors import without_help
from storm_calm.env.protocol import PROTOCOLS
from storm_calm.env.records import append_episode
from storm_calm.env.solve_loop import run_episode
from storm_calm.sandbox import Limits, Sandbox, open_sandbox

THINK = "<think>\n"


class VariantReasoner(Completions):
    """A reasoner that renders the prompt of one variant."""

    def __init__(self, url: str, variant: Variant, *, model: str | None, segment: int) -> None:
        """segment: most tokens of one segment, so that a repeating model ends."""
        super().__init__(url, model=model, timeout=600)
        self.variant = variant
        self.segment = segment
        self.instructions = variant.instructions
        self.sampling = Sampling(temperature=variant.temperature, top_p=1.0)
        chatml = self.render
        self.render = lambda messages: self._rendered(chatml, messages)  # type: ignore[method-assign]

    def _rendered(self, chatml: Any, messages: Sequence[Message]) -> str:
        *before, question = messages
        text: str = chatml([*before, *self.variant.turns, question])
        return text if self.variant.thinking else text.removesuffix(THINK)

    def generate(self, prompt: Any, *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling) -> Generation:
        return super().generate(prompt, stop=stop, max_tokens=min(max_tokens, self.segment), sampling=sampling)


class PlainErrors(SolverEnv):
    """An environment whose observations have no help on errors."""

    def _run_alone(self, code: str) -> Any:
        return without_help(super()._run_alone(code))


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One problem under one variant."""

    episode: Episode
    seconds: float

    @property
    def right(self) -> bool:
        return score(self.episode).reward == 1.0


def run_variant(
    args: argparse.Namespace, variant: Variant, problems: Sequence[Problem], sandbox: Sandbox
) -> list[Result]:
    """Run all problems under one variant and keep their transcripts."""
    reasoner = VariantReasoner(args.url, variant, model=args.model, segment=args.segment)

    def run(problem: Problem) -> Result:
        cls = SolverEnv if variant.help else PlainErrors
        env = cls(
            sandbox,
            reasoner,
            protocol=PROTOCOLS[variant.protocol],
            max_executions=variant.executions,
            max_tokens=args.tokens,
            limits=Limits(seconds=20),
        )
        begin = time.perf_counter()
        episode = run_episode(env, reasoner, problem, seed=args.seed)
        result = Result(episode=episode, seconds=time.perf_counter() - begin)
        append_episode(args.out / f"{variant.name}.jsonl", episode)
        with open(args.out / f"{variant.name}.txt", "a", encoding="utf-8") as file:
            file.write(as_text(result))
        print(end="+" if result.right else ".", flush=True)
        return result

    # The server's prefix cache then has the system prompt; processors read 100 tokens a second.
    instructions, question = variant.instructions, problems[0].question
    warm = reasoner.render([{"role": "system", "content": instructions}, {"role": "user", "content": question}])
    reasoner.generate(warm, stop=(), max_tokens=1, sampling=reasoner.sampling)
    for old in ("jsonl", "txt"):
        (args.out / f"{variant.name}.{old}").unlink(missing_ok=True)
    results, _ = run_concurrently(run, problems, args.concurrency)
    reasoner.close()
    print(end="\r")
    return results


def as_text(result: Result) -> str:
    episode, found = result.episode, score(result.episode)
    head = (
        f"######## {episode.problem.id} {'right' if result.right else 'WRONG'} accepted {episode.problem.answers} "
        f"reason {found.reason} stop {episode.stop} tokens {episode.usage.model_tokens} seconds {result.seconds:.0f}\n"
    )
    spans = episode.transcript.spans
    parts = [f"[{span.source} {span.finish or ''}]\n{span.text}" for span in spans[1:]]
    return head + episode.problem.question + "\n" + "\n".join(parts) + "\n\n"


def summary(variant: Variant, results: Sequence[Result]) -> dict[str, object]:
    """Return the figures of a variant."""
    share = mean_share([float(one.right) for one in results])
    programs = [execution for one in results for execution in one.episode.executions]
    failed = [one for one in programs if one.status != "ok"]
    kinds = Counter((one.own_stderr.strip().splitlines() or [one.status])[-1][:60] for one in failed)
    return {
        "variant": variant.name,
        "right": sum(one.right for one in results),
        "of": len(results),
        "interval": [round(share.low, 2), round(share.high, 2)],
        "programs": round(len(programs) / len(results), 2),
        "failed": len(failed),
        "no_program": sum(not one.episode.executions for one in results),
        "answers": sum(one.episode.stop == "answer" for one in results),
        "stops": dict(Counter(str(one.episode.stop) for one in results)),
        "tokens": round(sum(one.episode.usage.model_tokens for one in results) / len(results)),
        "seconds": round(sum(one.seconds for one in results) / len(results), 1),
        "right_ids": [one.episode.problem.id for one in results if one.right],
        "errors": dict(kinds.most_common(8)),
    }


def line(figures: dict[str, Any]) -> str:
    low, high = figures["interval"]
    return (
        f"{figures['variant']:<22} {figures['right']:>3} of {figures['of']:<3} [{low:.2f}, {high:.2f}] "
        f"{figures['programs']:>8} {figures['failed']:>6} {figures['no_program']:>10} {figures['answers']:>7} "
        f"{figures['tokens']:>6} {figures['seconds']:>7}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:8100/v1")
    parser.add_argument("--model", default=None)
    parser.add_argument("--problems", type=Path, required=True, help="file of problems, as for `storm eval`")
    parser.add_argument("--out", type=Path, required=True, help="folder for the transcripts")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="names, separated by commas")
    parser.add_argument("--start", type=int, default=0, help="problems to skip")
    parser.add_argument("--limit", type=int, default=16)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--segment", type=int, default=900, help="most tokens of one segment")
    parser.add_argument("--tokens", type=int, default=3900, help="most tokens of a transcript with its prompt")
    parser.add_argument("--temperature", type=float, default=None, help="instead of the variants' own")
    parser.add_argument("--suffix", default="", help="appended to the names of the variants in FOLDER")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    problems = read_problems(args.problems)[args.start : args.start + args.limit]
    args.out.mkdir(parents=True, exist_ok=True)
    print(format_facts(machine()))
    print(f"{len(problems)} problems of {args.problems.name} from {args.start}, {args.concurrency} at once")
    print(
        f"{'variant':<22} {'right':>9} {'95 % interval':<13} {'programs':>8} {'failed':>6} {'no program':>10} "
        f"{'answers':>7} {'tokens':>6} {'seconds':>7}"
    )
    with open_sandbox() as sandbox:
        for name in args.variants.split(","):
            variant = VARIANTS[name]
            if args.temperature is not None:
                variant = replace(variant, temperature=args.temperature)
            variant = replace(variant, name=f"{variant.name}{args.suffix}")
            figures = summary(variant, run_variant(args, variant, problems, sandbox))
            print(line(figures), flush=True)
            with open(args.out / "figures.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps({**figures, "start": args.start, "time": time.strftime("%H:%M:%S")}) + "\n")


if __name__ == "__main__":
    main()
