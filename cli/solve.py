"""`storm solve`: solve one problem and print its trajectory as it is generated."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, cast

import typer

from storm_calm.agents.runs.options import Config, Option, check_options
from storm_calm.agents.runs.reasoner_options import ReasonerOptions
from storm_calm.agents.runs.sandbox_options import EpisodeOptions
from storm_calm.cli.errors import fail, report_errors
from storm_calm.cli.options import AsJson, Given, argument, option, options_of, read_config

EXAMPLES = (
    "Examples:\n\nstorm solve 'A workshop has 40 hours. A chair takes 2 and earns 5. What is the largest profit?'\n\n"
    "storm families --show knapsack | storm solve -"
)


@dataclass(frozen=True, kw_only=True)
class SolveConfig(ReasonerOptions, EpisodeOptions, Config):
    """The model that solves a problem, and its limits."""

    group: ClassVar[str] = ReasonerOptions.group

    seed: Annotated[int, Option(metavar="S")] = 0
    """Random seed; another seed gives another attempt."""

    def __post_init__(self) -> None:
        check_options(self)


@options_of(SolveConfig)
def solve(
    given: Given,
    text: Annotated[str | None, argument("TEXT", 'The problem, stated in words; "-" for standard input.')] = None,
    *,
    file: Annotated[Path | None, option("FILE", "File with the problem, instead of TEXT.")] = None,
    as_json: AsJson = False,
) -> None:
    """Solve one optimization problem stated in words. Print reasoning, code, solver reports and answer as they come."""
    with report_errors():
        from storm_calm.agents.reasoners import BUILT_IN

        config = read_config(SolveConfig, given)
        question = _question(text, file)
        if config.reasoner in BUILT_IN:
            typer.echo(f"storm: {config.reasoner} is a model organism that only knows the `storm families`", err=True)
        try:
            state = _solve(question, config, show=not as_json)
        except KeyboardInterrupt:
            fail("stopped", code=130)
    answer = state["answer"]
    if as_json:
        typer.echo(json.dumps(_facts(state, config), indent=2))
    if answer is None:
        fail(f"no answer: {_REASONS[state['episode']['stop']]}", code=1)


_REASONS = {
    "answer": "the text in the box cannot be read",
    "budget": "the model wrote another program after its last allowed execution",
    "length": "the model ran out of tokens",
    "malformed": "the model ended without a box",
    "infrastructure": "the sandbox failed",
}
"""Stop reasons of trajectories without an answer, in words."""


def _question(text: str | None, file: Path | None) -> str:
    if (text is None) == (file is None):
        raise ValueError("give the problem as TEXT, as - for standard input, or as --file FILE; only one of them")
    if file is not None:
        question = file.read_text(encoding="utf-8")
    else:
        question = sys.stdin.read() if text == "-" else cast(str, text)
    if not question.strip():
        raise ValueError("the problem is empty; describe the decisions, the constraints and the objective in words")
    return question.strip()


def _solve(question: str, config: SolveConfig, *, show: bool) -> dict[str, Any]:
    """Run the graph and return its final state. show: print its events."""
    from storm_calm.agents.graphs import storm
    from storm_calm.agents.graphs.components import Parts
    from storm_calm.agents.runs.open_run import open_reasoner_and_sandbox
    from storm_calm.cli.solve_display import Printer

    with open_reasoner_and_sandbox(config) as (reasoner, sampling, sandbox):
        parts = Parts(
            reasoner=reasoner,
            sandbox=sandbox,
            sampling=sampling,
            max_executions=config.max_executions,
            max_tokens=config.max_tokens,
            streaming=show,
        )
        question_state: Any = {"messages": [{"role": "user", "content": question}], "seed": config.seed}
        printer = Printer() if show else None
        state: dict[str, Any] = {}
        for mode, event in storm.build(lambda: parts).stream(question_state, stream_mode=["custom", "values"]):
            if mode == "values":
                state = cast(dict[str, Any], event)
            elif printer:
                printer.event(cast(dict[str, Any], event))
        if printer:
            printer.end(state["answer"])
    return state


def _facts(state: dict[str, Any], config: SolveConfig) -> dict[str, Any]:
    episode = state["episode"]
    return {
        "question": episode["problem"]["question"],
        "answer": state["answer"],
        "stop": episode["stop"],
        "reasoner": config.reasoner,
        "seed": config.seed,
        "text": "".join(span["text"] for span in episode["transcript"]["spans"] if span["source"] != "prompt"),
        "executions": episode["executions"],
        "usage": episode["usage"],
    }
