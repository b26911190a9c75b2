"""Run problems with reasoner, sandbox, intervener and graph, which are opened once and shared by all threads."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.files import Folder
from storm_calm.agents.curation.records import Record
from storm_calm.agents.graphs import calm, native
from storm_calm.agents.graphs.checkpoints import open_checkpoints, run_graph, stored_threads
from storm_calm.agents.graphs.components import Parts
from storm_calm.agents.graphs.native import native_thread
from storm_calm.agents.interveners import Cost, Intervener, RejectedHint
from storm_calm.agents.interveners.cancellable import CancellableIntervener
from storm_calm.agents.interveners.open_intervener import open_configured_intervener
from storm_calm.agents.runs.cancellable_reasoner import CancellableReasoner
from storm_calm.agents.runs.job_usage import measured
from storm_calm.agents.runs.open_run import open_reasoner_and_sandbox
from storm_calm.env import Episode, Finding, Problem, Reasoner
from storm_calm.env.serialize import from_json, to_json


@dataclass(frozen=True, kw_only=True, slots=True)
class ProblemRunner:
    """A runner of problems. Thread-safe."""

    parts: Parts
    reasoner: CancellableReasoner
    """The reasoner of `parts`."""
    intervener: CancellableIntervener
    """The intervener of `parts`."""
    has_prices: bool
    """Whether the prices of the reasoner or of the intervener are known."""
    seed: int
    machine: Any
    """The compiled CALM graph, with checkpoints."""
    native: Any
    """The compiled graph without interventions, with the same checkpoints."""
    halves: set[str] = field(default_factory=set)
    """Ids of the problems in flight whose native run is finished."""

    def run(self, problem: Problem) -> Record:
        """Run a problem without interventions, then through CALM; both from their last checkpoints.

        Raises ReasonerError, and RunCancelledError if the curation was cancelled.
        """
        with measured() as meter:
            return replace(self._run(problem), reasoner_usage=meter.usage())

    def _run(self, problem: Problem) -> Record:
        question = {"problem": to_json(problem), "seed": self.seed}
        alone = run_graph(self.native, thread=native_thread(problem.id), question=question)
        self.halves.add(problem.id)
        try:
            state = run_graph(self.machine, thread=problem.id, question={**question, "native": alone["episode"]})
        finally:
            self.halves.discard(problem.id)
        return Record(
            seed=self.seed,
            outcome=state["outcome"],
            finding=from_json(Finding, state["finding"]) if state["finding"] else None,
            episode=from_json(Episode, state["episode"]),
            native=from_json(Episode, alone["episode"]),
            rejected_hints=tuple(from_json(RejectedHint, hint) for hint in state["rejected_hints"]),
            cost=from_json(Cost, state["cost"]),
        )

    def parts_done(self) -> float:
        """Return the finished work on problems in flight, in problems: half of one after its native run."""
        return len(self.halves) / 2

    def price(self) -> float | None:
        """Return the price of all requests of this session; None if no prices are known."""
        reasoner, intervener = self.reasoner.usage.price, self.intervener.price
        return (reasoner or 0.0) + intervener if self.has_prices else None

    def cancel(self) -> None:
        """Cancel all problems in flight."""
        self.reasoner.cancel()
        self.intervener.cancel()

    def unfinished(self) -> set[str]:
        """Return the ids of the problems that have checkpoints."""
        return {thread.removesuffix(native_thread("")) for thread in stored_threads(self.machine.checkpointer)}

    def forget(self, id: str) -> None:
        """Delete a problem's checkpoints. Call this once its record is stored; before, `run` resumes from them."""
        for thread in (id, native_thread(id)):
            self.machine.checkpointer.delete_thread(thread)


@contextmanager
def open_problem_runner(
    config: CurateConfig, folder: Folder, *, reasoner: Reasoner | None = None, intervener: Intervener | None = None
) -> Iterator[ProblemRunner]:
    """Open reasoner, sandbox, intervener and checkpoints.

    reasoner, intervener: replace the configured ones; they are not closed.
    Raises ReasonerError, SandboxUnavailableError, and ValueError for an unknown reasoner or an unreadable reply cache.
    """
    configured = open_configured_intervener(
        config, reply_cache=folder.intervener_replies, floor=config.confidence_floor
    )
    with (
        configured if intervener is None else nullcontext(intervener) as opened,
        open_reasoner_and_sandbox(config, reasoner) as (solver, sampling, sandbox),
        open_checkpoints(folder.checkpoints) as checkpointer,
    ):
        cancellable = CancellableIntervener(opened)
        parts = Parts(
            reasoner=solver,
            sandbox=sandbox,
            intervener=cancellable,
            sampling=sampling,
            max_executions=config.max_executions,
            max_tokens=config.max_tokens,
            confidence_floor=config.confidence_floor,
            patience=config.patience,
            max_interventions=config.max_interventions,
            max_hint_share=config.max_hint_share,
        )
        yield ProblemRunner(
            parts=parts,
            reasoner=solver,
            intervener=cancellable,
            has_prices=config.has_prices,
            seed=config.seed,
            machine=calm.build(lambda: parts, checkpointer=checkpointer),
            native=native.build(lambda: parts, checkpointer=checkpointer),
        )
