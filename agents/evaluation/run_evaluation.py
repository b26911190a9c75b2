"""Many runs at once, kept one by one, and the results at the end.

Each run depends on the evaluation's seed, its problem and its number alone, so results are the same with any number of
workers, and after any number of kills.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from storm_calm.agents.evaluation.config import EvalConfig, load_problems
from storm_calm.agents.evaluation.results import Results, work_out
from storm_calm.agents.evaluation.samples import Sample, read_samples, sample_seed
from storm_calm.agents.runs.lines import append_line, write_lines, write_text
from storm_calm.agents.runs.open_run import open_reasoner_and_sandbox
from storm_calm.agents.runs.run_folder import RunKind, claim_run_folder
from storm_calm.agents.runs.settings import digest
from storm_calm.agents.runs.worker_pool import run_jobs
from storm_calm.env import Problem, Reasoner, SolverEnv, run_episode, score
from storm_calm.env.problems.benchmarks import Loaded

KIND = RunKind(noun="an evaluation", verb="evaluates", may_change=frozenset({"workers", "rule", "samples"}))

Job = tuple[Problem, int]
"""A problem, and which run at it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far an evaluation is. Counts are of samples and include those of earlier sessions."""

    total: int
    """Samples in all."""
    done: int
    """Those that have their line and that the sandbox did not fail."""
    right: int
    """Right ones, under the first rule."""
    in_flight: int
    """Those under way."""
    infrastructure: int
    """Those that the sandbox failed."""
    errors: int
    """Those that the reasoner failed, in this session."""
    tokens_per_second: float
    """Tokens that were written in this session, for each second of it."""
    error: str
    """What the last error was; "" without one."""


Report = Callable[[Progress], None]
"""Gets to hear how far an evaluation is, now and then, in the thread that started it."""


def evaluate(
    config: EvalConfig,
    out: Path,
    *,
    resume: bool = False,
    reasoner: Reasoner | None = None,
    on_progress: Report | None = None,
) -> Results:
    """Evaluate into the folder `out`. A run that is finished already is only scored anew.

    reasoner: instead of the one that the settings name; it is not closed.
    Raises ValueError and OSError for bad input, ReasonerError and SandboxUnavailableError where the parts cannot be
    opened, TooManyFailuresError where run after run fails. Whatever is raised, what was done can be resumed.
    """
    loaded = load_problems(config)
    file = out / "samples.jsonl"
    kept: list[Sample] = []

    def done() -> int | None:
        kept.extend(read_samples(file))
        most = 1 + max((sample.sample for sample in kept), default=0)
        if resume and most > config.samples:
            raise ValueError(f"{out}: has {most} samples of a problem; give --samples {most} or more, or another --out")
        return len({sample.id for sample in kept}) if file.exists() else None

    settings = {**config.to_dict(), "problems_digest": digest(loaded.problems)}
    with claim_run_folder(out, KIND, settings, done=done, resume=resume):
        session = _Session(config, file, loaded, kept)
        if session.left:
            # Figures of fewer samples would be taken for those of the samples beside them.
            (out / "results.json").unlink(missing_ok=True)
            session.run(reasoner, on_progress)
        return session.finish()


class _Session:
    """What one process knows of an evaluation."""

    def __init__(self, config: EvalConfig, file: Path, loaded: Loaded, kept: Sequence[Sample]) -> None:
        self.config, self.file, self.loaded = config, file, loaded
        self.done = {sample.key: sample for sample in kept}
        jobs = [(problem, sample) for sample in range(config.samples) for problem in loaded.problems]
        self.left = [job for job in jobs if not self._has(job)]
        self.total = len(jobs)
        self.errors: list[str] = []
        self.right = sum(self._is_right(sample) for sample in self.done.values())
        self.failed = sum(sample.failed for sample in self.done.values())
        self.earlier = max((sample.at_seconds for sample in self.done.values()), default=0.0)
        self.started = monotonic()

    def run(self, reasoner: Reasoner | None, on_progress: Report | None) -> None:
        """Make the runs that are left, keep each as it comes, and stop where nothing comes any more."""
        with open_reasoner_and_sandbox(self.config, reasoner) as (writer, sampling, sandbox):

            def work(job: Job) -> Sample:
                problem, number = job
                seed = sample_seed(self.config.seed, number, problem.id)
                env = SolverEnv(sandbox, writer)
                episode = run_episode(env, writer, problem, seed=seed, sampling=sampling)
                return Sample(sample=number, seed=seed, temperature=sampling.temperature, episode=episode)

            def tick(waiting: int, errors: list[str]) -> None:
                if on_progress:
                    on_progress(self._progress(waiting, errors, writer.tokens))

            self.errors = run_jobs(
                self.left, work, self._keep, workers=self.config.workers, cancel=writer.cancel, tick=tick, name="eval"
            )

    def finish(self) -> Results:
        """Put the files in order."""
        keys = [(problem.id, sample) for problem in self.loaded.problems for sample in range(self.config.samples)]
        samples = [self.done[key] for key in keys if key in self.done]
        results = work_out(
            self.config, self.loaded.problems, samples, errors=len(self.errors), unread=len(self.loaded.unread)
        )
        if self.left:
            write_lines(self.file, (sample.to_dict() for sample in samples))
        write_text(self.file.with_name("results.json"), json.dumps(results.to_dict(), indent=2) + "\n")
        return results

    def _has(self, job: Job) -> bool:
        found = self.done.get((job[0].id, job[1]))
        return found is not None and not found.failed

    def _keep(self, job: Job, sample: Sample) -> bool:
        sample = replace(sample, at_seconds=round(self.earlier + monotonic() - self.started, 3))
        append_line(self.file, sample.to_dict())
        before = self.done.get(sample.key)
        self.failed += sample.failed - (before.failed if before else 0)
        self.right += self._is_right(sample)
        self.done[sample.key] = sample
        return sample.failed

    def _is_right(self, sample: Sample) -> bool:
        return score(sample.episode, self.config.rule[0]).reward == 1.0

    def _progress(self, waiting: int, errors: list[str], tokens: int) -> Progress:
        return Progress(
            total=self.total,
            done=len(self.done) - self.failed,
            right=self.right,
            in_flight=min(waiting, self.config.workers),
            infrastructure=self.failed,
            errors=len(errors),
            tokens_per_second=tokens / max(monotonic() - self.started, 1e-9),
            error=errors[-1] if errors else "",
        )
