"""`storm solve`: solve one problem and print its trajectory as it is generated."""

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

import typer

from storm_calm.agents.runs.guard_options import GuardOptions
from storm_calm.agents.runs.options import Config, Option, check_options
from storm_calm.agents.runs.reasoner_options import ReasonerOptions
from storm_calm.agents.runs.sandbox_options import EpisodeOptions
from storm_calm.cli.errors import fail, report_errors
from storm_calm.cli.new_folder import check_new_folder, write_new_folder
from storm_calm.cli.options import AsJson, Given, argument, option, options_of, read_config
from storm_calm.env.data_files import read_data_files

if TYPE_CHECKING:
    from storm_calm.agents.verdict import ExaminedSolve, Verdict

EXAMPLES = (
    "Examples:\n\nstorm solve '4 files of 20, 51, 30 and 24 GB must go into disks. Each of the disks holds at most 60 "
    "GB. None of the files can be split. How few disks are enough?'\n\n"
    "storm families --show knapsack | storm solve -\n\n"
    "storm solve --problem question.txt --data orders.csv --reasoner http://localhost:8000/v1 --save plan"
)


@dataclass(frozen=True, kw_only=True)
class SolveConfig(ReasonerOptions, GuardOptions, EpisodeOptions, Config):
    """The model that solves a problem, its guard and its limits."""

    group: ClassVar[str] = ReasonerOptions.group

    seed: Annotated[int, Option(metavar="S")] = 0
    """Random seed; another seed gives another attempt."""

    def __post_init__(self) -> None:
        check_options(self)
        self.check_guard()


@options_of(SolveConfig)
def solve(
    given: Given,
    text: Annotated[str | None, argument("TEXT", 'The problem, stated in words; "-" for standard input.')] = None,
    *,
    problem: Annotated[Path | None, option("FILE", "File with the problem in words, instead of TEXT.")] = None,
    data: Annotated[
        list[Path] | None,
        option("FILE", "Data file for the programs: CSV, TSV, XLSX, JSON, Parquet or text. Repeatable."),
    ] = None,
    save: Annotated[
        Path | None,
        option("DIR", "New folder for the plan (CSV, XLSX), the program, the model (MPS, LP) and a report."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Solve one optimization problem stated in words. Print reasoning, code, solver reports and answer as they come.

    At the end it prints the verdict: whether a solver report supports the answer, and warnings. Then it prints the
    plan, what a check of it found, which constraints bind and what they are worth; for an infeasible problem the
    constraints that cannot hold together. The exit code is 1 without an answer that a solver report supports.
    """
    with report_errors():
        config = read_config(SolveConfig, given)
        question = _question(text, problem)
        files = read_data_files(data or ())
        check_new_folder(save)
        try:
            solved = _solve(question, config, files, save, show=not as_json)
        except KeyboardInterrupt:
            fail("stopped", code=130)
    if as_json:
        typer.echo(json.dumps(_facts(solved, config), indent=2))
    if solved.state["declined"]:
        fail(solved.state["declined"], code=1)
    if solved.state["answer"] is None:
        fail(f"no answer: {_REASONS[solved.state['episode']['stop']]}", code=1)
    if solved.verdict.backing != "backed":
        raise typer.Exit(1)


@dataclass(frozen=True, kw_only=True)
class Solved:
    """A solved problem."""

    state: dict[str, Any]
    """The final state of the graph."""
    verdict: "Verdict"
    examined: "ExaminedSolve | None"
    """The solve behind the answer; None if no solve was recorded."""


_REASONS = {
    "answer": "the text in the box cannot be read",
    "budget": "the model wrote another program after its last allowed execution",
    "length": "the model ran out of tokens",
    "context": "the problem and the text so far do not fit the context of the model",
    "repetition": "the model repeated itself without end",
    "malformed": "the model ended without a box",
    "infrastructure": "the sandbox failed",
}
"""Stop reasons of trajectories without an answer, in words."""


def _question(text: str | None, problem: Path | None) -> str:
    if (text is None) == (problem is None):
        raise ValueError("give the problem as TEXT, as - for standard input, or as --problem FILE; only one of them")
    if problem is not None:
        question = problem.read_text(encoding="utf-8")
    else:
        question = sys.stdin.read() if text == "-" else cast(str, text)
    if not question.strip():
        raise ValueError("the problem is empty; describe the decisions, the constraints and the objective in words")
    return question.strip()


def _solve(question: str, config: SolveConfig, files: Mapping[str, bytes], save: Path | None, *, show: bool) -> Solved:
    """Run the graph, examine the plan, and save its files. show: print events, verdict and plan."""
    from storm_calm.agents.graphs import storm
    from storm_calm.agents.graphs.components import Parts
    from storm_calm.agents.interveners.cancellable import CancellableIntervener
    from storm_calm.agents.runs.open_run import open_reasoner_and_sandbox
    from storm_calm.agents.verdict import examined_answer, verdict
    from storm_calm.cli.plan_display import print_plan
    from storm_calm.cli.solve_display import Printer, Waiting
    from storm_calm.env import Episode
    from storm_calm.env.plans.plan_files import plan_files
    from storm_calm.env.serialize import from_json

    with ExitStack() as stack:
        waiting = Waiting(until_text=show)
        reasoner, sampling, sandbox = stack.enter_context(open_reasoner_and_sandbox(config))
        guard = stack.enter_context(config.open_guard(reasoner))
        parts = Parts(
            reasoner=reasoner,
            sandbox=sandbox,
            sampling=sampling,
            max_executions=config.max_executions,
            max_tokens=config.max_tokens,
            files=files,
            streaming=show or waiting.shown,
        )
        if guard is not None:
            intervener = CancellableIntervener(guard.intervener)
            stack.enter_context(_cancelled_at_interrupt(intervener.cancel))
            parts = replace(parts, guarded=True, intervener=intervener, max_interventions=guard.max_interventions)
        question_state: Any = {"messages": [{"role": "user", "content": question}], "seed": config.seed}
        printer = Printer() if show else None
        state: dict[str, Any] = {}
        with waiting:
            for mode, event in storm.build(lambda: parts).stream(question_state, stream_mode=["custom", "values"]):
                if mode == "values":
                    state = cast(dict[str, Any], event)
                    continue
                waiting.event(cast(dict[str, Any], event))
                if printer:
                    printer.event(cast(dict[str, Any], event))
        episode = from_json(Episode, state["episode"])
        examined = examined_answer(episode, state["examination"])
        checked = examined.examination.check if examined and examined.backs else None
        solved = Solved(
            state=state,
            verdict=verdict(episode, has_files=bool(files), checked=checked),
            examined=examined,
        )
        if printer:
            printer.end(state["answer"], solved.verdict)
            if examined:
                print_plan(examined)
        if save is not None:
            saved = plan_files(examined.code, examined.solve, examined.examination, sandbox) if examined else {}
            saved["result.json"] = json.dumps(_facts(solved, config), indent=2).encode()
            write_new_folder(save, saved)
            if printer:
                printer.saved(save, saved)
    return solved


@contextmanager
def _cancelled_at_interrupt(cancel: Callable[[], None]) -> Iterator[None]:
    """Call `cancel` at Ctrl-C, before KeyboardInterrupt: LangGraph waits for its threads before it passes that on."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        cancel()
        signal.default_int_handler(number, frame)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _facts(solved: Solved, config: SolveConfig) -> dict[str, Any]:
    from storm_calm.env.serialize import to_json

    episode = solved.state["episode"]
    plan = solved.examined.examination.plan if solved.examined else None
    return {
        "question": episode["problem"]["question"],
        "answer": solved.state["answer"],
        "verdict": {**to_json(solved.verdict), "warnings": solved.verdict.warnings},
        "stop": episode["stop"],
        "reasoner": config.reasoner,
        "seed": config.seed,
        "text": "".join(span["text"] for span in episode["transcript"]["spans"] if span["source"] != "prompt"),
        "plan": None if plan is None else {line.name: line.value for line in plan.lines},
        "examination": None if solved.examined is None else to_json(solved.examined.examination),
        "executions": [{name: run[name] for name in run if name != "solve_records"} for run in episode["executions"]],
        "interventions": episode["interventions"],
        "usage": episode["usage"],
    }
