"""Problems, transcripts, the solver environment, answers, rewards and records.

    from storm_calm.env import SolverEnv, read_problems, run_episode, score

    env = SolverEnv(sandbox, reasoner)
    for problem in read_problems("problems.jsonl"):
        print(problem.id, score(run_episode(env, reasoner, problem)).reward)

This package imports `sandbox`, the standard library and pydantic only.
"""

from storm_calm.env.answers import Answer, last_boxed, parse_answer, read_answer
from storm_calm.env.episode import Episode, StopReason, Usage
from storm_calm.env.intervention import TRIGGER_CLASS, TRIGGERS, Finder, Finding, Intervention, Trigger, TriggerClass
from storm_calm.env.problem import AnswerKey, Checker, Output, Problem, ProblemFile
from storm_calm.env.protocol import PROTOCOLS, Action, Inline, Protocol, ToolCall
from storm_calm.env.reasoner import (
    Chunk,
    ContextLengthError,
    Generation,
    Message,
    PromptRenderer,
    Reasoner,
    ReasonerError,
    Sampling,
    collect,
)
from storm_calm.env.records import append_episode, read_episodes, read_problems, write_problems
from storm_calm.env.reward import RULES, Rule, Score, score
from storm_calm.env.solve_loop import (
    SegmentRequest,
    next_segment,
    run_episode,
    segment_seed,
    solve_async,
    write_segment,
)
from storm_calm.env.solver_env import SolverEnv, StepResult
from storm_calm.env.transcript import Finish, Source, Span, Transcript

__all__ = [
    "PROTOCOLS",
    "RULES",
    "TRIGGERS",
    "TRIGGER_CLASS",
    "Action",
    "Answer",
    "AnswerKey",
    "Checker",
    "Chunk",
    "ContextLengthError",
    "Episode",
    "Finder",
    "Finding",
    "Finish",
    "Generation",
    "Inline",
    "Intervention",
    "Message",
    "Output",
    "Problem",
    "ProblemFile",
    "PromptRenderer",
    "Protocol",
    "Reasoner",
    "ReasonerError",
    "Rule",
    "Sampling",
    "Score",
    "SegmentRequest",
    "SolverEnv",
    "Source",
    "Span",
    "StepResult",
    "StopReason",
    "ToolCall",
    "Transcript",
    "Trigger",
    "TriggerClass",
    "Usage",
    "append_episode",
    "collect",
    "last_boxed",
    "next_segment",
    "parse_answer",
    "read_answer",
    "read_episodes",
    "read_problems",
    "run_episode",
    "score",
    "segment_seed",
    "solve_async",
    "write_problems",
    "write_segment",
]
