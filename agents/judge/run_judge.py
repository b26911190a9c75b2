"""Judge the explanations of a run: only those without a judgment for the same request, one line for each."""

from dataclasses import dataclass
from pathlib import Path

from storm_calm.agents.evaluation.samples import EVALUATION_SAMPLES
from storm_calm.agents.interveners.cost import Cost
from storm_calm.agents.judge.ask_judge import Judge, open_judge
from storm_calm.agents.judge.config import JudgeConfig
from storm_calm.agents.judge.explained_samples import ExplainedRun, ExplainedSample, read_run
from storm_calm.agents.judge.judged_results import JudgedResults, judged_results_to_json, work_out
from storm_calm.agents.judge.judged_sample import JudgedSample, judged_to_json, judgment_fields, read_judged
from storm_calm.agents.judge.judgment import without_explanation
from storm_calm.agents.judge.rubrics import Rubrics, read_rubrics
from storm_calm.agents.runs.cancellable_calls import CancellableCalls
from storm_calm.agents.runs.options import OptionError
from storm_calm.agents.runs.progress import OnProgress
from storm_calm.agents.runs.resume import KeptResult, ResumableWork
from storm_calm.agents.runs.run_folder import RunKind, lock_run_folder, stored_settings
from storm_calm.env.atomic_write import write_json
from storm_calm.env.jsonl import append_line
from storm_calm.env.token_estimate import estimate_tokens

KIND = RunKind(noun="an evaluation", verb="evaluates or judges", may_change=frozenset())


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgePlan:
    """What judging a run sends, if it has no judgments yet."""

    samples: int
    """Samples with or without an explanation."""
    empty: int
    """Of them without an explanation, which need no request."""
    infrastructure: int
    """Samples that the sandbox failed, which are not judged."""
    other: int
    """Samples of other test sets."""
    largest_characters: int
    """Characters of the largest request."""
    input_tokens: int
    """Estimated tokens of all requests, if each reply is a judgment."""
    output_tokens: int
    """The most tokens of their replies."""
    price: float
    """The most that this costs, in the currency of the given prices; 0 without prices."""


def judge(config: JudgeConfig, run: Path, *, on_progress: OnProgress | None = None) -> JudgedResults:
    """Judge the samples of an evaluation, and write the results to its folder.

    Raises ValueError and OSError for invalid input, ReasonerError if the judge cannot be opened, and
    TooManyFailuresError if sample after sample fails. After any error the same call continues.
    """
    if not config.url:
        raise OptionError("url", "give the judge's endpoint, such as http://localhost:8000/v1")
    rubrics, explained = _read(config, run)
    file = run / "judgments.jsonl"
    samples = next(iter(EVALUATION_SAMPLES.files(run)))
    identifies = samples.relative_to(run).parts[0]
    with lock_run_folder(run, KIND, settings_file=identifies), open_judge(config) as opened:
        requests = {sample.key: opened.key(sample.messages()) for sample in explained.samples}
        kept = [one for one in read_judged(file) if requests.get(one.key) == one.request]
        jobs = {sample.key: sample for sample in explained.samples}
        judged = {one.key: one for one in kept}
        work: ResumableWork[ExplainedSample, JudgedSample] = ResumableWork(
            jobs,
            (
                KeptResult(key=one.key, failed=one.failed, at_seconds=one.at_seconds, counts=_labels(one))
                for one in judged.values()
            ),
            labels=_labels,
        )
        calls = CancellableCalls()

        def ask(sample: ExplainedSample) -> JudgedSample:
            return calls.run(
                lambda: _judged(sample, opened, request=requests[sample.key], prompt_sha256=rubrics.prompt_sha256),
                name="judge",
            )

        def keep(one: JudgedSample) -> None:
            append_line(file, judged_to_json(one))
            judged[one.key] = one

        if work.any_left:
            # The old results may be another judge's.
            (run / "judged.json").unlink(missing_ok=True)
            work.run(
                ask,
                keep=keep,
                workers=config.workers,
                usage=lambda: opened.usage,
                cancel=calls.cancel,
                on_progress=on_progress,
                name="judge",
            )
        settings = stored_settings(run) or {}
        results = work_out(
            explained,
            {key: judged[key] for key in jobs if key in judged},
            rubrics,
            reasoner=str(settings.get("reasoner", "")),
            judge_model=opened.model,
            errors=len(work.errors),
        )
        write_json(run / "judged.json", judged_results_to_json(results))
        return results


def read_explained(config: JudgeConfig, run: Path) -> ExplainedRun:
    """Return the samples of an evaluation with their rubrics. Raises ValueError and OSError for invalid input."""
    return _read(config, run)[1]


def plan(config: JudgeConfig, run: Path) -> JudgePlan:
    """Return what judging a run would send. Raises ValueError and OSError for invalid input."""
    explained = read_explained(config, run)
    asked = [sample for sample in explained.samples if sample.explanation]
    sizes = [[message["content"] for message in sample.messages()] for sample in asked]
    input_tokens = sum(estimate_tokens(text) for texts in sizes for text in texts)
    output_tokens = len(asked) * config.max_reply_tokens
    return JudgePlan(
        samples=len(explained.samples),
        empty=len(explained.samples) - len(asked),
        infrastructure=explained.infrastructure,
        other=explained.other,
        largest_characters=max((sum(map(len, texts)) for texts in sizes), default=0),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        price=config.prices.of(input_tokens, output_tokens),
    )


def _read(config: JudgeConfig, run: Path) -> tuple[Rubrics, ExplainedRun]:
    rubrics = read_rubrics(Path(config.rubric))
    return rubrics, read_run(run, rubrics)


def _judged(sample: ExplainedSample, opened: Judge, *, request: str, prompt_sha256: str) -> JudgedSample:
    """Return the judgment on a sample. Without an explanation, the judge is not asked."""
    replied_by, replies, cost = "", 0, Cost()
    if sample.explanation:
        reply = opened.ask(sample.messages(), sample.rubric)
        judgment, replied_by, replies, cost = reply.judgment, reply.replied_by, reply.replies, reply.cost
    else:
        judgment = without_explanation(sample.rubric)
    return JudgedSample(
        **judgment_fields(judgment),
        instance_id=sample.rubric.instance_id,
        id=sample.id,
        repetition=sample.repetition,
        sample=sample.sample,
        judge_model=opened.model,
        judge_prompt_sha256=prompt_sha256,
        request=request,
        replied_by=replied_by,
        replies=replies,
        cost=cost,
    )


def _labels(judged: JudgedSample) -> dict[str, int]:
    return {"judged": 1}
