"""What a rollout leaves in its trace: the episode in STORM's form, from which rewards and metrics are computed.

It is in `trace.info["storm"]` and so in `traces.jsonl`: `vf-replay` scores a trace again without its sandbox.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import verifiers.v1 as vf

from storm_calm.env import Episode, Problem, Span, Transcript
from storm_calm.env.episode import StopReason
from storm_calm.env.protocol import Inline
from storm_calm.env.records import episode_from_json, episode_to_json
from storm_calm.sandbox import Execution

KEY = "storm"
"""The key in `trace.info`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RolloutRecord:
    """A finished rollout."""

    episode: Episode
    """The episode to score."""
    executions: int = 0
    """Programs that ran."""
    solver_reports: int = 0
    """Solves that they reported."""
    backed: bool = False
    """Whether a solver report supports the answer."""

    def write(self, trace: vf.Trace) -> None:
        trace.info[KEY] = {
            "episode": episode_to_json(self.episode),
            "executions": self.executions,
            "solver_reports": self.solver_reports,
            "backed": self.backed,
        }


def read_record(trace: vf.Trace, problem: Problem) -> RolloutRecord:
    """Return the record in a trace; of another harness's trace, one with the agent's last reply as its answer."""
    data: dict[str, Any] | None = trace.info.get(KEY)
    if data is None:
        return RolloutRecord(episode=replied(problem, trace.last_reply, whole=not trace.is_truncated))
    return RolloutRecord(**{**data, "episode": episode_from_json(data["episode"])})


def replied(problem: Problem, text: str, *, whole: bool = True) -> Episode:
    """Return the episode of an agent whose whole reply is `text`. whole: no limit ended it."""
    answered = Inline().read(text).kind == "answer"
    stop: StopReason = "length" if not whole else "answer" if answered else "malformed"
    return Episode(problem=problem, transcript=_transcript(problem).append(Span(source="model", text=text)), stop=stop)


def boxed_episode(
    problem: Problem, answer: float | str | None, *, stop: StopReason = "answer", files: Mapping[str, str] | None = None
) -> Episode:
    """Return an episode that ends with this answer in a box. files: those that its one program wrote, by path."""
    episode = Episode(problem=problem, transcript=_transcript(problem), stop=stop)
    if files:
        contents = {path: text.encode() for path, text in files.items()}
        run = Execution(code="", status="ok", isolation="limits", backend="agent", files=contents)
        transcript = episode.transcript.append(Span(source="model", text="")).append(Span(source="tool", text=""))
        episode = replace(episode, transcript=transcript, executions=(run,))
    text = "" if answer is None else f"\\boxed{{{answer}}}"
    return replace(episode, transcript=episode.transcript.append(Span(source="model", text=text)))


def _transcript(problem: Problem) -> Transcript:
    return Transcript(spans=(Span(source="prompt", text=problem.question),))
