"""Run an evaluation on a worker pool: store each sample when it is done, then compute the results."""

from collections.abc import Iterable
from functools import partial
from itertools import product
from pathlib import Path

from storm_calm.agents.evaluation.config import EvalConfig, load_problems
from storm_calm.agents.evaluation.results import Results, results_to_json, work_out
from storm_calm.agents.evaluation.samples import Sample, read_samples, sample_seed, sample_to_json
from storm_calm.agents.evaluation.shard_test_sets import write_test_sets
from storm_calm.agents.runs.open_run import open_reasoner_and_sandbox
from storm_calm.agents.runs.options import to_toml
from storm_calm.agents.runs.problem_options import digest
from storm_calm.agents.runs.progress import OnProgress
from storm_calm.agents.runs.prompt_format_record import record_prompt_format
from storm_calm.agents.runs.resume import ResumableWork
from storm_calm.agents.runs.run_folder import WORKSPACES, RunKind, check_run_folder, claim_run_folder, stored_settings
from storm_calm.agents.runs.shard import write_shard_problems
from storm_calm.env import Problem, Reasoner, SolverEnv, run_episode, score
from storm_calm.env.atomic_write import write_json
from storm_calm.env.jsonl import append_line, write_lines
from storm_calm.env.reward import scorable

SAMPLES, RESULTS = "samples.jsonl", "results.json"

KIND = RunKind(
    noun="an evaluation",
    verb="evaluates",
    may_change=frozenset({"workers", "rule", "release", "samples", "seeds", "price"}),
)

Job = tuple[Problem, int, int]
"""A problem, and the numbers of the repetition and the sample."""


def evaluate(
    config: EvalConfig,
    out: Path,
    *,
    resume: bool = False,
    reasoner: Reasoner | None = None,
    on_progress: OnProgress | None = None,
) -> Results:
    """Evaluate into the folder `out`, or score a finished run anew.

    reasoner: replaces the configured one; it is not closed.
    Raises ValueError and OSError for invalid input, ReasonerError and SandboxUnavailableError if the components cannot
    be opened, and TooManyFailuresError if sample after sample fails. After any error the run can be resumed.
    """
    if config.size is not None:
        check_run_folder(out, KIND, to_toml(config))
    loaded = load_problems(config, out / WORKSPACES)
    problems = config.in_shard(loaded.problems)
    file = out / SAMPLES
    kept: list[Sample] = []

    def done() -> int | None:
        kept.extend(read_samples(file))
        if resume:
            _check_release(config, out, settings["problems_digest"])
            _check_numbers(config, out, kept)
        return len({sample.id for sample in kept}) if file.exists() else None

    settings = {**to_toml(config), "problems_digest": digest(loaded.problems)}
    with claim_run_folder(out, KIND, settings, done=done, resume=resume):
        if config.chosen_shard is not None:
            write_shard_problems(out, config.chosen_shard, loaded.problems)
            write_test_sets(out, loaded)
        jobs = {
            (problem.id, repetition, number): (problem, repetition, number)
            for repetition in range(config.seeds)
            for number in range(config.samples)
            for problem in problems
        }
        work: ResumableWork[Job, Sample] = ResumableWork(jobs, kept, labels=partial(_labels, config.rule[0]))
        if work.left:
            # The old results would not match the new samples.
            (out / RESULTS).unlink(missing_ok=True)
            with open_reasoner_and_sandbox(config, reasoner) as (opened, sampling, sandbox):
                record_prompt_format(out, opened)

                def solve(job: Job) -> Sample:
                    problem, repetition, number = job
                    seed = sample_seed(config.seed + repetition, number, problem.id)
                    env = SolverEnv(sandbox, opened, max_executions=config.max_executions, max_tokens=config.max_tokens)
                    episode = run_episode(env, opened, problem, seed=seed, sampling=sampling)
                    return Sample(
                        sample=number,
                        repetition=repetition,
                        seed=seed,
                        temperature=sampling.temperature,
                        episode=episode,
                    )

                work.run(
                    solve,
                    keep=lambda sample: append_line(file, sample_to_json(sample)),
                    workers=config.workers,
                    usage=lambda: opened.usage,
                    cancel=opened.cancel,
                    on_progress=on_progress,
                    name="eval",
                )
        numbers = list(product(range(config.seeds), range(config.samples)))
        keys = [(problem.id, *pair) for problem in problems for pair in numbers]
        samples = [work.results[key] for key in keys if key in work.results]
        results = work_out(
            config,
            problems,
            samples,
            errors=len(work.errors),
            unread=len(loaded.unread),
            releases=loaded.releases,
        )
        # A crash may have left all samples in the order in which they were done.
        if not (out / RESULTS).exists():
            write_lines(file, map(sample_to_json, samples))
        write_json(out / RESULTS, results_to_json(results))
        return results


def _check_release(config: EvalConfig, out: Path, problems_digest: str) -> None:
    """Raise ValueError if the questions are now those of another release."""
    before = stored_settings(out) or {}
    other = before.get("problems_digest") != problems_digest
    if other and config.release and list(config.release) != before.get("release"):
        raise ValueError(
            f"{out}: its samples are on other questions than those of the release {config.release[0]}; "
            "give their release first, such as --release original,optimind, or another --out"
        )


def _check_numbers(config: EvalConfig, out: Path, kept: Iterable[Sample]) -> None:
    """Raise ValueError if there are more samples or repetitions than the settings ask for."""
    samples = 1 + max((sample.sample for sample in kept), default=0)
    seeds = 1 + max((sample.repetition for sample in kept), default=0)
    if samples > config.samples:
        raise ValueError(
            f"{out}: has {samples} samples of a problem; give --samples {samples} or more, or another --out"
        )
    if seeds > config.seeds:
        raise ValueError(f"{out}: has samples with {seeds} seeds; give --seeds {seeds} or more, or another --out")


def _labels(rule: str, sample: Sample) -> dict[str, int]:
    if not scorable(sample.episode.problem):
        return {"needs a judge": sample.needs_judge}
    return {"right": score(sample.episode, rule).reward == 1.0}
