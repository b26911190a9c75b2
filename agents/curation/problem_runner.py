"""Run one problem: reasoner, sandbox, intervener and graph, opened once and shared by all threads.

    with open_problem_runner(config, folder) as runner:
        record = runner.run(problem)
        runner.forget(problem.id)

Once a record is kept somewhere safe, its problem is forgotten; until then it can be worked on again at no loss.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.files import Folder
from storm_calm.agents.curation.records import Record
from storm_calm.agents.graphs import calm
from storm_calm.agents.graphs.checkpoints import open_checkpoints, run_graph
from storm_calm.agents.graphs.components import Parts
from storm_calm.agents.interveners import Cost, Intervener, RejectedHint
from storm_calm.agents.interveners.cancellable import CancellableIntervener
from storm_calm.agents.interveners.open_intervener import open_configured_intervener
from storm_calm.agents.runs.cancellable_reasoner import CancellableReasoner
from storm_calm.agents.runs.open_run import open_reasoner_and_sandbox
from storm_calm.env import Episode, Finding, Problem, Reasoner, run_episode
from storm_calm.env.serialize import from_json, to_json


@dataclass(frozen=True, kw_only=True, slots=True)
class ProblemRunner:
    """Runs problems; any number of threads may use it at once."""

    parts: Parts
    """Of both runs."""
    reasoner: CancellableReasoner
    """The one in `parts`, which can be cancelled."""
    intervener: CancellableIntervener
    """The one in `parts`, likewise."""
    seed: int
    """Of both runs."""
    machine: Any
    """CALM, with checkpoints."""

    def run(self, problem: Problem) -> Record:
        """Run a problem without interventions, then through CALM, which goes on from its last checkpoint.

        The first run has no checkpoints: after a kill it is made again, and comes out the same.
        Raises ReasonerError, and RunCancelledError if the curation was cancelled.
        """
        native = run_episode(
            self.parts.env(), self.parts.reasoner, problem, seed=self.seed, sampling=self.parts.sampling
        )
        state = run_graph(self.machine, thread=problem.id, question={"problem": to_json(problem), "seed": self.seed})
        return Record(
            seed=self.seed,
            outcome=state["outcome"],
            finding=from_json(Finding, state["finding"]) if state["finding"] else None,
            episode=from_json(Episode, state["episode"]),
            native=native,
            rejected_hints=tuple(from_json(RejectedHint, one) for one in state["rejected_hints"]),
            cost=from_json(Cost, state["cost"]),
        )

    def cancel(self) -> None:
        """Cancel whatever is under way."""
        self.reasoner.cancel()
        self.intervener.cancel()

    def forget(self, id: str) -> None:
        """Drop a problem's checkpoints, so that their file stays small."""
        self.machine.checkpointer.delete_thread(id)


@contextmanager
def open_problem_runner(
    config: CurateConfig, folder: Folder, *, reasoner: Reasoner | None = None, intervener: Intervener | None = None
) -> Iterator[ProblemRunner]:
    """Open reasoner, sandbox, intervener and checkpoints.

    reasoner, intervener: instead of the configured ones; they are not closed.
    Raises ReasonerError, SandboxUnavailableError, and ValueError for a reasoner that nobody knows and for a file of
    cached replies that cannot be read.
    """
    opened_intervener = open_configured_intervener(
        config, reply_cache=folder.intervener_replies, floor=config.confidence_floor
    )
    with (
        opened_intervener if intervener is None else nullcontext(intervener) as watcher,
        open_reasoner_and_sandbox(config, reasoner) as (writer, sampling, sandbox),
        open_checkpoints(folder.checkpoints) as checkpointer,
    ):
        cancellable = CancellableIntervener(watcher)
        parts = Parts(
            reasoner=writer,
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
        machine = calm.build(lambda: parts, checkpointer=checkpointer)
        yield ProblemRunner(parts=parts, reasoner=writer, intervener=cancellable, seed=config.seed, machine=machine)
