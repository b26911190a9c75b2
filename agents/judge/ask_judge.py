"""Ask the judge until its reply is a judgment.

    with open_judge(config) as judge:
        reply = judge.ask(messages, rubric)

The first request is the published one: the published prompt and input, temperature 0, any JSON object as the reply. If
the reply is not a judgment, the judge is asked again in the same conversation, with the fault. So a judgment with one
reply is exactly one of the published protocol.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from storm_calm.agents.interveners.cost import Cost, Prices
from storm_calm.agents.interveners.llm_client import LLMClient, RequestQuirks, RequestRejectedError
from storm_calm.agents.interveners.reply_cache import Reply, key_of
from storm_calm.agents.judge.config import API_KEY_VARIABLE, JudgeConfig
from storm_calm.agents.judge.judgment import Judgment, JudgmentError, read_judgment
from storm_calm.agents.judge.rubrics import Rubric
from storm_calm.agents.runs.progress import SessionUsage
from storm_calm.env import ReasonerError

MAX_REPLIES = 3
"""Replies per explanation, including those that are not judgments."""
MAX_ECHOED_CHARS = 4000
"""The length limit of such a reply in the conversation, in characters."""
JSON_OBJECT: dict[str, Any] = {"type": "json_object"}
"""The published response format."""
TIMEOUT_SECONDS = 120.0
"""Seconds without data before a request fails."""
MAX_RETRIES = 4
"""Retries of a failed request."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeReply:
    """A judgment, and what it took."""

    judgment: Judgment
    replied_by: str
    """The model, as the endpoint names it in the reply."""
    replies: int
    """Replies until the judgment, including it."""
    cost: Cost


@contextmanager
def open_judge(config: JudgeConfig) -> Iterator[Judge]:
    """Open the configured judge. Raises ReasonerError if the endpoint is unreachable or does not have the model."""
    client = LLMClient(
        config.url,
        model=config.model or None,
        api_key=os.environ.get(API_KEY_VARIABLE),
        timeout=TIMEOUT_SECONDS,
        max_retries=MAX_RETRIES,
        role="judge",
        key=API_KEY_VARIABLE,
        quirks=RequestQuirks(formats=(JSON_OBJECT, None), max_tokens=config.max_reply_tokens),
    )
    with closing(client):
        yield Judge(client, prices=config.prices)


class Judge:
    """A judge behind an endpoint. Thread-safe."""

    def __init__(self, client: LLMClient, *, prices: Prices) -> None:
        self._client = client
        self._prices = prices
        self._lock = threading.Lock()
        self._cost = Cost()

    @property
    def model(self) -> str:
        """The model, as requests name it."""
        return self._client.model

    @property
    def usage(self) -> SessionUsage:
        """Tokens of all replies so far, and their price."""
        cost = self._cost
        price = cost.price if self._prices != Prices() else None
        return SessionUsage(input_tokens=cost.input_tokens, output_tokens=cost.output_tokens, price=price)

    def key(self, messages: Sequence[dict[str, str]]) -> str:
        """Return what identifies the first request: a hash of the model, the messages and the response format."""
        return key_of(self.model, messages, JSON_OBJECT)

    def ask(self, messages: Sequence[dict[str, str]], rubric: Rubric) -> JudgeReply:
        """Return the judgment. Raises ReasonerError if the endpoint fails or if no reply is a judgment."""
        conversation = list(messages)
        cost = Cost()
        fault = ""
        for number in range(1, MAX_REPLIES + 1):
            reply, reply_cost = self._reply(conversation, rubric)
            cost += reply_cost
            try:
                judgment = read_judgment(reply.text, rubric)
            except JudgmentError as error:
                fault = f"{error} (the reply was cut at the token limit)" if reply.finish == "length" else str(error)
            else:
                return JudgeReply(judgment=judgment, replied_by=reply.model, replies=number, cost=cost)
            # Most endpoints reject an empty message.
            echo = reply.text.rpartition("</think>")[2].strip()[:MAX_ECHOED_CHARS] or "(nothing)"
            correction = f"This is not a judgment: {fault}. Give the whole JSON object again, alone."
            conversation += [{"role": "assistant", "content": echo}, {"role": "user", "content": correction}]
        raise ReasonerError(
            f"the judge: no judgment on {rubric.workspace_id} in {MAX_REPLIES} replies, the last one because {fault}"
        )

    def _reply(self, messages: Sequence[dict[str, str]], rubric: Rubric) -> tuple[Reply, Cost]:
        started = perf_counter()
        try:
            reply = self._client.ask(messages)
        except RequestRejectedError as error:
            raise ReasonerError(f"the judge: the request on {rubric.workspace_id} is rejected: {error}") from None
        cost = Cost(
            calls=1,
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
            price=self._prices.of(reply.input_tokens, reply.output_tokens),
            seconds=perf_counter() - started,
        )
        with self._lock:
            self._cost += cost
        return reply, cost
