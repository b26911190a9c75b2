"""Run an evaluation on a worker pool: store each sample when it is done, then compute the results."""

from functools import partial
from pathlib import Path

from storm_calm.agents.evaluation.config import EvalConfig, load_problems
from storm_calm.agents.evaluation.results import Results, results_to_json, work_out
from storm_calm.agents.evaluation.samples import Sample, read_samples, sample_seed, sample_to_json
from storm_calm.agents.runs.open_run import open_reasoner_and_sandbox
from storm_calm.agents.runs.options import to_toml
from storm_calm.agents.runs.problem_options import digest
from storm_calm.agents.runs.progress import OnProgress
from storm_calm.agents.runs.prompt_format_record import record_prompt_format
from storm_calm.agents.runs.resume import ResumableWork
from storm_calm.agents.runs.run_folder import RunKind, claim_run_folder
from storm_calm.env import Problem, Reasoner, SolverEnv, run_episode, score
from storm_calm.env.atomic_write import write_json
from storm_calm.env.jsonl import append_line, write_lines

KIND = RunKind(noun="an evaluation", verb="evaluates", may_change=frozenset({"workers", "rule", "samples", "price"}))

Job = tuple[Problem, int]
"""A problem and the number of the sample."""


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
    loaded = load_problems(config)
    file = out / "samples.jsonl"
    kept: list[Sample] = []

    def done() -> int | None:
        kept.extend(read_samples(file))
        most = 1 + max((sample.sample for sample in kept), default=0)
        if resume and most > config.samples:
            raise ValueError(f"{out}: has {most} samples of a problem; give --samples {most} or more, or another --out")
        return len({sample.id for sample in kept}) if file.exists() else None

    settings = {**to_toml(config), "problems_digest": digest(loaded.problems)}
    with claim_run_folder(out, KIND, settings, done=done, resume=resume):
        jobs = {
            (problem.id, number): (problem, number) for number in range(config.samples) for problem in loaded.problems
        }
        work: ResumableWork[Job, Sample] = ResumableWork(jobs, kept, labels=partial(_labels, config.rule[0]))
        if work.left:
            # The old results would not match the new samples.
            (out / "results.json").unlink(missing_ok=True)
            with open_reasoner_and_sandbox(config, reasoner) as (opened, sampling, sandbox):
                record_prompt_format(out, opened)

                def solve(job: Job) -> Sample:
                    problem, number = job
                    seed = sample_seed(config.seed, number, problem.id)
                    env = SolverEnv(sandbox, opened, max_executions=config.max_executions, max_tokens=config.max_tokens)
                    episode = run_episode(env, opened, problem, seed=seed, sampling=sampling)
                    return Sample(sample=number, seed=seed, temperature=sampling.temperature, episode=episode)

                work.run(
                    solve,
                    keep=lambda sample: append_line(file, sample_to_json(sample)),
                    workers=config.workers,
                    usage=lambda: opened.usage,
                    cancel=opened.cancel,
                    on_progress=on_progress,
                    name="eval",
                )
        keys = [(problem.id, number) for problem in loaded.problems for number in range(config.samples)]
        samples = [work.results[key] for key in keys if key in work.results]
        results = work_out(config, loaded.problems, samples, errors=len(work.errors), unread=len(loaded.unread))
        if work.left:
            write_lines(file, map(sample_to_json, samples))
        write_json(out / "results.json", results_to_json(results))
        return results


def _labels(rule: str, sample: Sample) -> dict[str, int]:
    return {"right": score(sample.episode, rule).reward == 1.0}
