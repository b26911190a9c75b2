"""Solve the jobs of an evaluation with a reasoner and a sandbox, which are opened once and shared by all threads."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.samples import Sample, sample_seed
from storm_calm.agents.runs.cancellable_reasoner import CancellableReasoner
from storm_calm.agents.runs.job_usage import measured
from storm_calm.agents.runs.open_run import open_reasoner_and_sandbox
from storm_calm.env import Problem, Reasoner, Sampling, SolverEnv, run_episode
from storm_calm.sandbox import Sandbox

Job = tuple[Problem, int, int]
"""A problem, and the numbers of the repetition and the sample."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleRunner:
    """A runner of jobs. Thread-safe."""

    config: EvalConfig
    reasoner: CancellableReasoner
    sampling: Sampling
    sandbox: Sandbox

    def run(self, job: Job) -> Sample:
        """Solve a problem once. Raises ReasonerError, and RunCancelledError if the evaluation was cancelled."""
        problem, repetition, number = job
        seed = sample_seed(self.config.seed + repetition, number, problem.id)
        env = SolverEnv(
            self.sandbox,
            self.reasoner,
            max_executions=self.config.max_executions,
            max_tokens=self.config.max_tokens,
        )
        with measured() as meter:
            episode = run_episode(env, self.reasoner, problem, seed=seed, sampling=self.sampling)
        return Sample(
            sample=number,
            repetition=repetition,
            seed=seed,
            temperature=self.sampling.temperature,
            episode=episode,
            reasoner_usage=meter.usage(),
        )


@contextmanager
def open_sample_runner(config: EvalConfig, *, reasoner: Reasoner | None = None) -> Iterator[SampleRunner]:
    """Open reasoner and sandbox. reasoner: replaces the configured one; it is not closed.

    Raises ReasonerError, SandboxUnavailableError, and ValueError for an unknown reasoner.
    """
    with open_reasoner_and_sandbox(config, reasoner) as (opened, sampling, sandbox):
        yield SampleRunner(config=config, reasoner=opened, sampling=sampling, sandbox=sandbox)
