"""`storm solve`: one problem, its reasoning, code, solver result and answer as they come."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from storm_calm.agents.reasoners import BUILT_IN
from storm_calm.cli.errors import fail, told

EXAMPLES = (
    "Examples:\n\nstorm solve 'A workshop has 40 hours. A chair takes 2 and earns 5. What is the largest profit?'\n\n"
    "storm families --show knapsack | storm solve -"
)


def solve(
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help='The problem in words; "-" for standard input.')
    ] = None,
    file: Annotated[Path | None, typer.Option(metavar="FILE", help="Read the problem from a file.")] = None,
    reasoner: Annotated[
        str, typer.Option(metavar="nano|FOLDER|URL|chat:URL", help="Who solves it, as in storm curate.")
    ] = "nano",
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model's name, where a server has several.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(metavar="T", help="How freely tokens are drawn; the reasoner's own way by default.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="S", help="Another attempt for another seed.")] = 0,
    minimum_isolation: Annotated[
        str, typer.Option(metavar="ISOLATION", help="The weakest sandbox to accept: full, landlock or limits.")
    ] = "landlock",
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="Print one JSON object at the end and nothing else.")
    ] = False,
) -> None:
    """Solve one optimization problem in words, and show the reasoning, code, solver result and answer as they come."""
    with told():
        question = _question(text, file)
        if reasoner in BUILT_IN:
            typer.echo(f"storm: {reasoner} is a model organism that knows the `storm families` and no more", err=True)
        try:
            state = _solved(question, reasoner, model, temperature, seed, minimum_isolation, show=not as_json)
        except KeyboardInterrupt:
            fail("stopped", code=130)
    answer = state["answer"]
    if as_json:
        typer.echo(json.dumps(_facts(state, reasoner, seed), indent=2))
    if answer is None:
        fail(f"no answer: {_REASONS[state['episode']['stop']]}", code=1)


_REASONS = {
    "answer": "what stands in the box cannot be read",
    "budget": "it wrote another program after its last run",
    "length": "it ran out of tokens",
    "malformed": "it ended without a box",
    "infrastructure": "the sandbox failed",
}
"""What each stop reason means where there is no answer."""


def _question(text: str | None, file: Path | None) -> str:
    if (text is None) == (file is None):
        raise ValueError("give the problem as TEXT, as - for standard input, or as --file FILE, and only one of them")
    if file is not None:
        question = file.read_text(encoding="utf-8")
    else:
        question = sys.stdin.read() if text == "-" else cast(str, text)
    if not question.strip():
        raise ValueError("the problem is empty; say in words what is to be decided, and what is best")
    return question.strip()


def _solved(
    question: str,
    spec: str,
    model: str | None,
    temperature: float | None,
    seed: int,
    minimum_isolation: Any,
    *,
    show: bool,
) -> dict[str, Any]:
    """The final state of the machine."""
    from storm_calm.agents.graphs import storm
    from storm_calm.agents.graphs.components import Parts
    from storm_calm.agents.reasoners import open_reasoner
    from storm_calm.cli.solve_display import Printer
    from storm_calm.sandbox import open_sandbox

    with (
        closing(open_reasoner(spec, model=model)) as reasoner,
        open_sandbox(minimum_isolation=minimum_isolation) as sandbox,
    ):
        sampling = replace(reasoner.sampling, temperature=temperature) if temperature is not None else None
        parts = Parts(reasoner=reasoner, sandbox=sandbox, sampling=sampling, streaming=show)
        question_state: Any = {"messages": [{"role": "user", "content": question}], "seed": seed}
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


def _facts(state: dict[str, Any], reasoner: str, seed: int) -> dict[str, Any]:
    episode = state["episode"]
    return {
        "question": episode["problem"]["question"],
        "answer": state["answer"],
        "stop": episode["stop"],
        "reasoner": reasoner,
        "seed": seed,
        "text": "".join(span["text"] for span in episode["transcript"]["spans"] if span["source"] != "prompt"),
        "executions": episode["executions"],
        "usage": episode["usage"],
    }
