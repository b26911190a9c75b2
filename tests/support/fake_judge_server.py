"""A chat completions endpoint over real HTTP that judges explanations of `support.explain_set`, correctly or badly.

A schedule decides its replies and failures, as in `support.fake_intervener_server`: a function of the `Look` that
returns a name of `REPLY_KINDS`, a fault of that module, or None.
"""

import json
from dataclasses import dataclass

from support.explain_set import PROMPT
from support.fake_intervener_server import FakeIntervenerServer

REPLY_KINDS = {
    "half": "JSON", "empty": "JSON", "filtered": "JSON", "prose": "JSON", "number": "JSON",
    "no decisions": "decisions", "other id": "decisions", "missing": "decisions", "twice": "decisions",
    "hit 2": "decisions", "hit text": "decisions",
    "too high": "scores", "negative": "scores", "not a number": "scores", "score text": "scores", "bare": "scores",
    "fenced": None, "thinking": None, "no reasons": None,
}  # fmt: skip
"""Kinds of unusual replies, each with what is wrong; None if the reply must be accepted."""


@dataclass(frozen=True)
class Look:
    """One request, as the endpoint parsed it."""

    given: dict
    """The input of the judge."""
    replies: int
    """Number of earlier replies to this question."""
    asked: int
    """Number of earlier requests with the same body."""


class FakeJudgeServer(FakeIntervenerServer):
    """The endpoint."""

    kinds = REPLY_KINDS

    def look(self, body):
        messages = body["messages"]
        assert messages[0] == {"role": "system", "content": PROMPT}
        key = json.dumps(messages)
        with self._lock:
            asked = self.requests[key]
            self.requests[key] += 1
            self.prompts.append(messages)
        replies = sum(message["role"] == "assistant" for message in messages)
        return Look(given=json.loads(messages[1]["content"]), replies=replies, asked=asked)

    def reply(self, look, kind):
        return reply(look, kind)


def decision(given):
    """Return the right judgment."""
    met = "because" in given["answer"].lower()
    ids = [one["criterion_id"] for one in given["checklist"] if one["checklist_type"] == "llm_boolean_judgment"]
    return {
        "llm_boolean_judgments": [{"criterion_id": id, "hit": int(met), "reason": "So it is."} for id in ids],
        "reasoning": {"score": 30 if met else 5, "reason": "A cause."},
        "grounding": {"score": 15.5 if met else 2, "reason": "In the files."},
        "answer_quality": {"score": 8, "reason": "Short."},
        "hallucination_penalty": {"score": 0 if met else 4, "reason": "Nothing."},
    }


def reply(look, kind):
    """Return the text of the reply and its finish reason."""
    data = decision(look.given)
    first = data["llm_boolean_judgments"][0]
    if kind in ("no decisions", "missing"):
        data["llm_boolean_judgments"] = [] if kind == "missing" else None
    if kind == "twice":
        data["llm_boolean_judgments"] *= 2
    first |= {"other id": {"criterion_id": "c1"}, "hit 2": {"hit": 2}, "hit text": {"hit": "1"}}.get(kind, {})
    if kind == "no reasons":
        del first["reason"]
    data |= {
        "too high": {"reasoning": {"score": 35.1, "reason": ""}},
        "negative": {"hallucination_penalty": {"score": -1, "reason": ""}},
        "not a number": {"grounding": {"score": float("nan"), "reason": ""}},
        "score text": {"grounding": {"score": "12", "reason": ""}},
        "bare": {"answer_quality": 8},
        "no reasons": {"answer_quality": {"score": 8}},
    }.get(kind, {})
    text = json.dumps(data)
    return {
        "half": (text[: len(text) // 2], "length"),
        "empty": ("", "stop"),
        "filtered": ("I cannot help with that.", "content_filter"),
        "prose": ("The explanation is quite good.", "stop"),
        "number": ("87", "stop"),
        "fenced": (f"My judgment:\n```json\n{text}\n```", "stop"),
        "thinking": (f'<think>Is it {{"hit": 1}}? Hm.</think>\n{text}', "stop"),
    }.get(kind, (text, "stop"))
