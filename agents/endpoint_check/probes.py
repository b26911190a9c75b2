"""The checks of an open reasoner: what its server describes, and what its answers show.

Each check makes at most a few short requests. A check that fails reports the error instead of raising it.
"""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Literal

from storm_calm.agents.reasoners.chat import Chat
from storm_calm.agents.reasoners.completions import Completions
from storm_calm.agents.reasoners.server_tokenizer import SAMPLE
from storm_calm.env import (
    Chunk,
    Generation,
    Problem,
    ReasonerError,
    Sampling,
    SolverEnv,
    collect,
    run_episode,
    score,
)
from storm_calm.env.code_fences import FENCE
from storm_calm.sandbox import Sandbox

State = Literal["ok", "warning", "problem", "not measured"]
EndpointModel = Completions | Chat

SMALL_CONTEXT = 8192
"""A context below this many tokens is too small for most trajectories: thoughts, four programs and their output."""
SPEED_TOKENS = 48
"""Tokens of one answer of the speed check."""
AT_ONCE = 4
"""Requests at once in the speed check; the default number of workers."""
PROBE_SECONDS = 10.0
"""After this time an answer is cut."""
PROBLEM_TOKENS = 600
"""Tokens for the tiny problem."""
TINY = Problem(
    id="tiny",
    question="A workshop has 40 hours. A chair takes 2 hours and brings a profit of 3. A table takes 5 hours and "
    "brings a profit of 8. At most 6 tables can be sold. What is the largest profit?",
    answers=(63.0,),
)
# 6 tables take 30 hours and bring 48; 5 chairs take the other 10 and bring 15.

GREEDY = Sampling(temperature=0.0, seed=1)

_MARK = re.compile(r"<\|?[A-Za-z_]{2,40}\|?>|\[/?INST\]")
_COUNTING = "Count from 1 to 30, separated by commas, and write nothing else."


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """The result of one check."""

    state: State
    figure: str
    """What was found."""
    advice: str = ""
    """What to do about a warning or problem; else ""."""
    name: str = ""
    """The check's name, see `PROBES`."""


Probe = Callable[[EndpointModel], Check]


def context(model: EndpointModel) -> Check:
    """Compare the context with what trajectories need."""
    capabilities = model.capabilities
    if capabilities.context is None:
        return Check(
            state="warning",
            figure="unknown",
            advice="the server does not report it; give --max-tokens with the context that you know",
        )
    figure = f"{capabilities.context:,} tokens a request"
    if capabilities.parallel:
        figure += f", {capabilities.parallel} requests at once"
    if capabilities.context < SMALL_CONTEXT:
        trained = capabilities.trained_context
        more = f"; the model was made for {trained:,}" if trained and trained > capabilities.context else ""
        return Check(
            state="warning",
            figure=f"{figure}{more}",
            advice=f"trajectories often need more than {SMALL_CONTEXT:,}; give the server a larger context",
        )
    return Check(state="ok", figure=figure)


def template(model: EndpointModel) -> Check:
    """Compare the prompt's special tokens with the model's template."""
    source = model.capabilities.template
    if isinstance(model, Chat):
        language = ", written in Go" if model.capabilities.server == "ollama" else ""
        return Check(state="ok", figure=f"applied by the server{language}")
    prompt = model.render([{"role": "user", "content": "x"}])
    marks = sorted({mark for mark in _MARK.findall(prompt) if "think" not in mark})
    shown = ", ".join(marks) or "none"
    if source is None:
        return Check(
            state="warning",
            figure=f"unknown; prompts use {shown}",
            advice="give --tokenizer with the model's folder or name, which brings its chat template",
        )
    missing = [mark for mark in marks if mark not in source]
    if missing:
        return Check(
            state="problem",
            figure=f"the model's own template cannot be used: it has no {', '.join(missing)}",
            advice="use chat: and the URL, so that the server applies the template, or give --prompt-format",
        )
    return Check(state="ok", figure=f"Jinja, {len(source):,} characters; prompts use {shown}")


def thinking(model: EndpointModel) -> Check:
    """Report whether the model writes thoughts."""
    figure = {True: "yes", False: "no", None: "unknown"}[model.capabilities.thinking]
    return Check(state="ok", figure=figure)


def token_ids(model: EndpointModel) -> Check:
    """Check that sampled ids arrive, which training by token needs."""
    if isinstance(model, Chat):
        return Check(state="ok", figure="none: training by token is not possible")
    written = _write(model, _prompt(model, "Hello"), max_tokens=4)
    if written.ids is not None:
        return Check(state="ok", figure="as sampled: trajectories can be trained on")
    if model.capabilities.token_ids:
        return Check(
            state="warning",
            figure="none without the model's tokenizer",
            advice="give --tokenizer with the model's folder or name, or storm export cannot make rows for training",
        )
    return Check(state="warning", figure="none: training by token is not possible")


def tokenizer(model: EndpointModel) -> Check:
    """Compare the tokenizer with the server's, if there are both."""
    ours, theirs = model.encode(SAMPLE), model.server_ids(SAMPLE)
    if ours is None:
        figure = f"the server's: {len(theirs)} tokens for {len(SAMPLE)} characters" if theirs else "none"
        return Check(state="ok" if theirs else "not measured", figure=figure)
    if theirs is None:
        return Check(state="ok", figure="given; the server cannot confirm it")
    if ours[0] == theirs:
        return Check(state="ok", figure="encodes as the server does")
    return Check(
        state="problem",
        figure="encodes differently from the server",
        advice="give --tokenizer with the folder or name of the model that is served",
    )


def continuing(model: EndpointModel) -> Check:
    """Check that the model continues a half-finished turn, as after a hint."""
    if isinstance(model, Chat):
        return Check(state="ok", figure="as user messages, since a turn cannot be continued")
    begun = _prompt(model, _COUNTING) + "1, 2, 3, 4, 5, 6, 7, 8,"
    written = _write(model, begun, max_tokens=6).text
    if re.match(r"\s*9\b", written):
        return Check(state="ok", figure="the model continues a half-finished turn")
    return Check(
        state="warning",
        figure=f"after 1, ..., 8, it continues with {written[:20]!r}",
        advice="the model is very small, or the server changes the prompt; chat: and the URL avoids the latter",
    )


def stop_strings(model: EndpointModel) -> Check:
    """Check that a stream ends at a stop string, and keeps it."""
    if isinstance(model, Chat):
        return Check(state="ok", figure="not needed: programs are tool calls")
    written = _write(model, _prompt(model, _COUNTING) + "1, 2, 3,", stop=("5", " "), max_tokens=24)
    reported = "reported by the server" if model.capabilities.stop_reported else "cut here, the server reports none"
    if written.finish == "stop" and written.text.endswith(("5", " ")):
        return Check(state="ok", figure=reported)
    return Check(
        state="warning",
        figure=f"the text {written.text[-20:]!r} ended with {written.finish!r}",
        advice="the model's turn ended before one could appear; storm solve shows more",
    )


def tool_calls(model: EndpointModel) -> Check:
    """Check that a program arrives as a call, on the chat API."""
    if not isinstance(model, Chat):
        return Check(state="not measured", figure="not needed: programs are fenced blocks")
    prompt = model.render([{"role": "user", "content": "Call run_python with the code print(6 * 7)."}])
    written = _write(model, prompt, stop=(f"{FENCE}\n",), max_tokens=200).text
    if f"{FENCE}python\n" in written:
        return Check(state="ok", figure="the program arrives as a call")
    return Check(
        state="problem" if model.capabilities.tool_calls is False else "warning",
        figure=f"no call in the answer {written[:40]!r}",
        advice="start the server with tool calls (vLLM: --enable-auto-tool-choice --tool-call-parser hermes; "
        "llama.cpp: --jinja), or use a model that was trained on them",
    )


def seeds(model: EndpointModel) -> Check:
    """Check that the same seed gives the same text."""
    prompt = _prompt(model, "Name an animal and describe it.")
    texts = [
        _write(model, prompt, max_tokens=16, sampling=Sampling(temperature=1.0, seed=seed)).text for seed in (7, 7, 8)
    ]
    # A slow answer is cut.
    length = min(map(len, texts))
    texts = [text[:length] for text in texts]
    if texts[0] != texts[1]:
        return Check(
            state="warning",
            figure="the same seed gives different texts",
            advice="a run cannot be repeated exactly; results need several samples",
        )
    figure = "honoured" if texts[0] != texts[2] else "the same text for two seeds: not sampled, or a very sure model"
    return Check(state="ok", figure=figure)


def speed(model: EndpointModel) -> Check:
    """Measure the first token and the tokens per second, of one request and of several at once."""

    def write(seed: int) -> tuple[float, int, float]:
        started = perf_counter()
        first, tokens = 0.0, 0
        prompt = _prompt(model, f"Describe the number {seed} in many words.")
        sampling = Sampling(seed=seed)
        with closing(model.stream(prompt, stop=(), max_tokens=SPEED_TOKENS, sampling=sampling)) as chunks:
            for chunk in chunks:
                now = perf_counter() - started
                first = first or now
                tokens += len(chunk.ids) if chunk.ids is not None else bool(chunk.text)
                if now > PROBE_SECONDS:
                    break
        return first, tokens, perf_counter() - started

    first, tokens, seconds = write(1)
    alone = tokens / max(seconds, 1e-3)
    started = perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        together = sum(count for _, count, _ in threads.map(write, range(2, 2 + AT_ONCE)))
    rate = together / max(perf_counter() - started, 1e-3)
    figure = f"first token {first:.1f} s, {alone:.0f} tokens/s; {AT_ONCE} at once {rate:.0f} tokens/s"
    if tokens > 1 and first > 0.9 * seconds:
        return Check(
            state="warning",
            figure=f"{figure}; not streamed",
            advice="the text arrives at once at the end; a proxy before the server may buffer it",
        )
    if rate * 60 < 300:
        return Check(
            state="warning",
            figure=figure,
            advice="a problem takes 500 to 5,000 tokens; curate few problems, or use a faster server",
        )
    return Check(state="ok", figure=figure)


def tiny_problem(model: EndpointModel, sandbox: Sandbox) -> Check:
    """Solve a problem with two variables, with programs in the sandbox."""
    started = perf_counter()
    env = SolverEnv(sandbox, model, max_executions=2)
    env.reset(TINY)
    env.max_tokens = min(env.max_tokens, env.max_tokens - env.remaining + PROBLEM_TOKENS)
    episode = run_episode(env, model, TINY, seed=1, sampling=GREEDY)
    runs = ", ".join(execution.status for execution in episode.executions) or "none"
    figure = f"{perf_counter() - started:.0f} s, programs: {runs}"
    if score(episode).reward == 1.0:
        return Check(state="ok", figure=f"right in {figure}")
    return Check(
        state="warning",
        figure=f"not solved within {PROBLEM_TOKENS} tokens; {figure}",
        advice="small models and models that think long need more; storm solve shows what this one writes",
    )


PROBES: dict[str, Probe] = {
    "context": context,
    "template": template,
    "thinking": thinking,
    "tokenizer": tokenizer,
    "token ids": token_ids,
    "hints": continuing,
    "stop strings": stop_strings,
    "tool calls": tool_calls,
    "seed": seeds,
    "speed": speed,
}
"""The checks without a sandbox by name, cheap ones first."""


def results(model: EndpointModel, *, over: Callable[[], bool]) -> Iterator[Check]:
    """Yield the results in order. over: whether the time for all checks is used up."""
    for name, probe in PROBES.items():
        if over():
            check = Check(state="not measured", figure="no time left")
        else:
            try:
                check = probe(model)
            except ReasonerError as error:
                check = Check(state="problem", figure=str(error), advice="see the server's log")
        yield replace(check, name=name)


def _prompt(model: EndpointModel, question: str) -> str:
    return model.render([{"role": "user", "content": question}])


def _write(
    model: EndpointModel, prompt: str, *, stop: tuple[str, ...] = (), max_tokens: int, sampling: Sampling = GREEDY
) -> Generation:
    """Return the model's text, cut with finish "length" after `PROBE_SECONDS`."""
    ends = perf_counter() + PROBE_SECONDS

    def chunks() -> Iterator[Chunk]:
        with closing(model.stream(prompt, stop=stop, max_tokens=max_tokens, sampling=sampling)) as stream:
            for chunk in stream:
                if chunk.finish is None and perf_counter() > ends:
                    yield replace(chunk, finish="length")
                    return
                yield chunk

    return collect(chunks())
