"""The LLM intervener: a language model behind any endpoint that speaks as OpenAI's does judges the run.

    intervener = LLMIntervener("http://localhost:8000/v1", model="Qwen/Qwen3-32B", prices=Prices(input=0.1, output=0.4))
    seen = intervener.inspect(episode, check_hint)

While a run goes on it judges the segment that was just written, in view of all before it; when the run is over, the
whole of it. A reply names the trigger, quotes the words at which the flaw begins, and words a hint. A quote that
does not stand in what the model wrote, or more than once, a trigger that there is none of, a hint that is not valid:
each is refused, and asked for again in the same conversation, with what was wrong. Every reply is kept
(`agents.interveners.reply_cache`), and what they cost is counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter

from storm_calm.agents.interveners import CheckHint, Cost, Fault, Inspection, RejectedHint, quote_matching
from storm_calm.agents.interveners.cost import Prices
from storm_calm.agents.interveners.llm_client import API_KEY_VARIABLE, LLMClient, RequestRejectedError
from storm_calm.agents.interveners.prompts import render
from storm_calm.agents.interveners.render_trajectory import opening, segment_start
from storm_calm.agents.interveners.reply_cache import Reply, ReplyCache, key_of
from storm_calm.agents.interveners.reply_parser import SCHEMA, ParsedReply, ReplyError, read_reply
from storm_calm.env.episode import Episode
from storm_calm.env.intervention import TRIGGERS, Finding, Trigger

__all__ = ["API_KEY_VARIABLE", "LLMIntervener"]

MAX_REPLIES = 3
"""Replies that a model may give to one question."""

MAX_KEPT_CHARS = 500
"""Characters of a rejected hint or reply that are kept, and of a quote as evidence."""

MAX_ECHOED_CHARS = 4000
"""Characters of an earlier reply that a model is shown when it is asked again."""


class LLMIntervener:
    """Judges runs by a language model. Any number of threads may use one at once."""

    name = "llm"

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        prices: Prices | None = None,
        reply_cache: ReplyCache | None = None,
        timeout: float = 120.0,
        max_retries: int = 4,
    ) -> None:
        """url: up to and with `/v1`, which is added where the path is empty.
        model: as the endpoint calls it; may be left out where it serves one only.
        api_key: `OPENAI_API_KEY` by default, and "none" where that is not set. prices: of tokens; nothing by default.
        reply_cache: earlier replies; kept in this process alone by default.
        timeout: seconds without data before the request fails. max_retries: of a request that fails.

        Raises ValueError for what is no address, ReasonerError where the endpoint does not answer, or not with a model.
        """
        self._client = LLMClient(url, model=model, api_key=api_key, timeout=timeout, max_retries=max_retries)
        self._prices = prices or Prices()
        self._reply_cache = reply_cache or ReplyCache()

    def inspect(self, episode: Episode, check_hint: CheckHint) -> Inspection:
        """The first flaw of the last segment, or of the whole run once it is over. Raises ReasonerError."""
        messages = opening(episode)
        rejected_hints: list[RejectedHint] = []
        cost = Cost()
        unhinted: Finding | None = None
        for _ in range(MAX_REPLIES):
            try:
                reply, took = self._reply(messages)
            except RequestRejectedError as error:
                rejected_hints.append(RejectedHint(reason="format", text=str(error)[:MAX_KEPT_CHARS]))
                break
            cost += took
            looked = _look(reply.text, episode, check_hint)
            if not looked.rejected_hints:
                return Inspection(
                    finding=looked.finding, hint=looked.hint, rejected_hints=tuple(rejected_hints), cost=cost
                )
            rejected_hints += looked.rejected_hints
            unhinted = looked.finding or unhinted
            messages += [
                {"role": "assistant", "content": _said(reply)},
                {"role": "user", "content": render("rejected.md", faults=looked.faults)},
            ]
        return Inspection(
            finding=unhinted, rejected_hints=tuple(rejected_hints), cost=cost, usable=unhinted is not None
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _reply(self, messages: list[dict[str, str]]) -> tuple[Reply, Cost]:
        """What the model says, now or earlier, and what it took now."""
        key = key_of(self._client.model, messages, SCHEMA)
        if (known := self._reply_cache.get(key)) is not None:
            return known, Cost(cached=1)
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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    """What a reply comes to."""

    finding: Finding | None = None
    """The flaw, where trigger and quote are right."""
    hint: str | None = None
    """The hint, if it is valid."""
    rejected_hints: tuple[RejectedHint, ...] = ()
    """What was refused."""
    faults: tuple[str, ...] = ()
    """The same in words, for the model."""


def _look(text: str, episode: Episode, check_hint: CheckHint) -> _Look:
    """Read a reply, find its quote, and have its hint checked."""
    try:
        parsed = read_reply(text)
    except ReplyError as error:
        return _Look(rejected_hints=(RejectedHint(reason="format", text=text[:MAX_KEPT_CHARS]),), faults=(f"{error}.",))
    if not parsed.flaw:
        return _Look()
    trigger, hint = parsed.known_trigger, parsed.hint.strip()
    place: tuple[int, int] | None = None
    wrong: list[tuple[Fault, str]] = []
    if trigger is None:
        message = f"trigger: there is none of that name; give one of {', '.join(TRIGGERS)}."
        wrong.append((Fault(reason="trigger", message=message), parsed.trigger))
    try:
        place = quote_matching.placed(parsed.quote, episode.transcript, since=segment_start(episode), sources={"model"})
    except quote_matching.QuoteError as error:
        message = f"quote: in what the reasoner wrote, {error}."
        wrong.append((Fault(reason="quote", message=message), parsed.quote))
    if not hint:
        wrong.append((Fault(reason="format", message="hint: it is empty; give one or two sentences."), hint))
    elif (fault := check_hint(hint)) is not None:
        wrong.append((replace(fault, message=f"hint: {fault.message}."), hint))
    return _Look(
        finding=None if trigger is None or place is None else _finding(parsed, trigger, place, episode),
        hint=None if wrong else hint,
        rejected_hints=tuple(
            RejectedHint(reason=fault.reason, trigger=trigger, text=said[:MAX_KEPT_CHARS]) for fault, said in wrong
        ),
        faults=tuple(fault.message for fault, _ in wrong),
    )


def _finding(parsed: ParsedReply, trigger: Trigger, place: tuple[int, int], episode: Episode) -> Finding:
    begin, end = place
    return Finding(
        trigger=trigger,
        offset=begin,
        evidence=episode.transcript.text[begin:end][:MAX_KEPT_CHARS],
        confidence=parsed.confidence,
        rule="llm",
        why=parsed.why.strip(),
    )


def _said(reply: Reply) -> str:
    """An earlier reply, as the model is shown it; most endpoints take no empty message."""
    return reply.text.rpartition("</think>")[2].strip()[:MAX_ECHOED_CHARS] or "(nothing)"
