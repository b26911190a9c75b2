"""The LLM intervener: a language model behind an OpenAI-compatible endpoint finds flaws and writes hints.

    intervener = LLMIntervener("http://localhost:8000/v1", model="Qwen/Qwen3-32B", prices=Prices(input=0.1, output=0.4))
    seen = intervener.inspect(episode, check_hint)

In an unfinished trajectory it judges the last segment, with the text before it as context, else all of the trajectory.
A reply names the trigger, quotes the words at which the flaw begins, and gives a hint. If one of them is invalid, the
model is asked again in the same conversation, with a list of the faults. If its last hint is rejected too, the finding
gets the rules' hint for its trigger. Replies are cached (`agents.interveners.reply_cache`).
"""

from dataclasses import replace
from time import perf_counter

from storm_calm.agents.interveners import CheckHint, Cost, Inspection, RejectedHint, RejectionReason, quote_matching
from storm_calm.agents.interveners.cost import Prices
from storm_calm.agents.interveners.llm_client import LLMClient, RequestRejectedError
from storm_calm.agents.interveners.prompts import render
from storm_calm.agents.interveners.render_trajectory import opening, segment_start
from storm_calm.agents.interveners.reply_cache import Reply, ReplyCache, key_of
from storm_calm.agents.interveners.reply_parser import SCHEMA, ReplyError, read_reply
from storm_calm.agents.interveners.rules import rule_hint
from storm_calm.agents.reasoners.limits import Limits
from storm_calm.env.episode import Episode
from storm_calm.env.intervention import TRIGGERS, Finding

MAX_REPLIES = 3
"""Replies per inspection, including rejected ones."""

MAX_KEPT_CHARS = 500
"""The length limit of rejected texts and of evidence, in characters."""

MAX_ECHOED_CHARS = 4000
"""The length limit of a rejected reply in the conversation, in characters."""


class LLMIntervener:
    """An intervener that asks a language model. Thread-safe."""

    name = "llm"

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        prices: Prices | None = None,
        limits: Limits | None = None,
        reply_cache: ReplyCache | None = None,
        timeout: float = 120.0,
        max_retries: int = 4,
    ) -> None:
        """url: up to and including `/v1`, which is added if the path is empty.
        model: the endpoint's name for it; optional if it serves only one.
        api_key: by default the variable OPENAI_API_KEY, or "none" if it is not set. prices: of tokens; 0 by default.
        limits: rate limits of the endpoint and key. reply_cache: by default in memory only.
        timeout: seconds without data before the request fails.

        Raises ValueError for an invalid URL, ReasonerError if the endpoint is unreachable or does not have the model.
        """
        self._client = LLMClient(
            url, model=model, api_key=api_key, timeout=timeout, max_retries=max_retries, limits=limits
        )
        self._prices = prices or Prices()
        self._reply_cache = reply_cache or ReplyCache()

    def inspect(self, episode: Episode, check_hint: CheckHint) -> Inspection:
        """Return the first flaw of the last segment, or of a finished trajectory. Raises ReasonerError."""
        messages = opening(episode)
        rejected_hints: list[RejectedHint] = []
        cost = Cost()
        finding: Finding | None = None
        for _ in range(MAX_REPLIES):
            try:
                reply, reply_cost = self._reply(messages)
            except RequestRejectedError as error:
                rejected_hints.append(RejectedHint(reason="format", text=str(error)[:MAX_KEPT_CHARS]))
                break
            cost += reply_cost
            inspection, faults = _validate(reply.text, episode, check_hint)
            if not faults:
                return replace(inspection, rejected_hints=tuple(rejected_hints), cost=cost)
            rejected_hints += inspection.rejected_hints
            finding = inspection.finding or finding
            # Most endpoints reject an empty message.
            echo = reply.text.rpartition("</think>")[2].strip()[:MAX_ECHOED_CHARS] or "(nothing)"
            messages += [
                {"role": "assistant", "content": echo},
                {"role": "user", "content": render("rejected.md", faults=faults)},
            ]
        # A right finding must not go without a hint because the model cannot write one.
        hint = rule_hint(finding, episode) if finding is not None else None
        return Inspection(
            finding=finding,
            hint=hint if hint is not None and check_hint(hint) is None else None,
            rejected_hints=tuple(rejected_hints),
            cost=cost,
            usable=finding is not None,
        )

    def close(self) -> None:
        self._client.close()

    def _reply(self, messages: list[dict[str, str]]) -> tuple[Reply, Cost]:
        """Return the model's reply from the cache or the endpoint, and its cost."""
        key = key_of(self._client.model, messages, SCHEMA)
        if (cached := self._reply_cache.get(key)) is not None:
            return cached, Cost(cached=1)
        started = perf_counter()
        reply = self._client.ask(messages)
        self._reply_cache.add(key, reply)
        return reply, Cost(
            calls=1,
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
            price=self._prices.of(reply.input_tokens, reply.output_tokens),
            seconds=perf_counter() - started,
        )


def _validate(text: str, episode: Episode, check_hint: CheckHint) -> tuple[Inspection, list[str]]:
    """Parse a reply, locate its quote and check its hint. Return the inspection, and the faults for the model."""
    try:
        parsed = read_reply(text)
    except ReplyError as error:
        rejected = RejectedHint(reason="format", text=text[:MAX_KEPT_CHARS])
        return Inspection(rejected_hints=(rejected,)), [f"{error}."]
    if not parsed.flaw:
        return Inspection(), []
    trigger, hint = parsed.known_trigger, parsed.hint.strip()
    place: tuple[int, int] | None = None
    rejected_hints: list[RejectedHint] = []
    faults: list[str] = []

    def reject(reason: RejectionReason, value: str, fault: str) -> None:
        rejected_hints.append(RejectedHint(reason=reason, trigger=trigger, text=value[:MAX_KEPT_CHARS]))
        faults.append(fault)

    if trigger is None:
        fault = f"trigger: there is none of that name; give one of {', '.join(TRIGGERS)}."
        reject("trigger", parsed.trigger, fault)
    try:
        place = quote_matching.placed(parsed.quote, episode.transcript, since=segment_start(episode), sources={"model"})
    except quote_matching.QuoteError as error:
        reject("quote", parsed.quote, f"quote: in what the reasoner wrote, {error}.")
    if not hint:
        reject("format", hint, "hint: it is empty; give one or two sentences.")
    elif (invalid := check_hint(hint)) is not None:
        reject(invalid.reason, hint, f"hint: {invalid.message}.")
    finding = None
    if trigger is not None and place is not None:
        finding = Finding(
            trigger=trigger,
            offset=place[0],
            evidence=episode.transcript.text[slice(*place)][:MAX_KEPT_CHARS],
            confidence=parsed.confidence,
            rule="llm",
            why=parsed.why.strip(),
        )
    return Inspection(finding=finding, hint=None if faults else hint, rejected_hints=tuple(rejected_hints)), faults
