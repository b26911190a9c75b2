"""The guard watches answers of both APIs: a flaw is withdrawn, and a hint is visible in its place."""

import asyncio
import threading
import time

import httpx
import openai
import pytest
from aiohttp import web

from storm_calm.agents.reasoners.nano_scope import OUT_OF_SCOPE
from support.running_server import RunningServer

SHOP = "A workshop has 40 hours. Each chair takes one hour and earns 3. What is the largest profit?"
FLAWED = f"{SHOP} [[flawed]]"
ANSWER = "The largest profit is **120**.\n\nThe plan:\n"
HINT = "[guard: manual computation] Working this out by hand "


@pytest.fixture(scope="module")
def guarded(upstream):
    """Yield a client of a server with the guard."""
    with (
        RunningServer(upstream.url, guard=True) as live,
        openai.OpenAI(base_url=live.url, api_key="none", max_retries=0, timeout=60) as client,
    ):
        client.metrics = live.url.removesuffix("/v1") + "/metrics"
        yield client


def asked(client, question, **fields):
    return client.chat.completions.create(model="storm", messages=[{"role": "user", "content": question}], **fields)


def test_a_flawed_answer_is_withdrawn_and_the_model_continues_after_a_hint(guarded):
    answer = asked(guarded, FLAWED)
    message = answer.choices[0].message
    assert message.content.startswith(ANSWER)
    assert "by hand" in message.reasoning
    assert HINT in message.reasoning
    assert message.reasoning.index(HINT) < message.reasoning.index("```python")
    assert answer.storm["answer"]["value"] == 120.0
    (intervention,) = answer.storm["interventions"]
    assert (intervention["trigger"], intervention["hint"][:12]) == ("manual_computation", "Working this")
    assert answer.storm["verdict"]["backing"] == "backed"
    assert answer.storm["notes"] == []


def test_a_stream_shows_the_hint_and_never_the_withdrawn_answer_as_content(guarded):
    chunks = list(asked(guarded, FLAWED, stream=True))
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert "".join(delta.content or "" for delta in deltas).startswith(ANSWER)
    hints = [chunk.storm["intervention"] for chunk in chunks if "intervention" in (getattr(chunk, "storm", None) or {})]
    assert [hint["trigger"] for hint in hints] == ["manual_computation"]
    thoughts = "".join(getattr(delta, "reasoning", None) or "" for delta in deltas)
    assert HINT in thoughts


def test_a_response_shows_the_hint_among_the_thoughts(guarded):
    with guarded.responses.stream(model="storm", input=FLAWED) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text.startswith(ANSWER)
    thoughts = "".join(part.text for item in final.output if item.type == "reasoning" for part in item.content)
    assert HINT in thoughts
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == final.output_text


def test_a_flawless_answer_is_unchanged(guarded, client):
    alone, watched = (asked(one, f"{SHOP} [[solve]]") for one in (client, guarded))
    assert watched.choices[0].message.content == alone.choices[0].message.content
    assert watched.choices[0].message.reasoning == alone.choices[0].message.reasoning
    assert watched.storm["interventions"] == []


def test_without_the_guard_a_flawed_answer_has_a_warning(client):
    answer = asked(client, FLAWED)
    assert answer.storm["backed"] is False
    assert "Note: No solver report supports this answer: no program ran." in answer.choices[0].message.content
    assert any("computed by hand" in note for note in answer.storm["notes"])


def test_hints_are_counted(guarded):
    asked(guarded, FLAWED)
    assert 'storm_interventions_total{trigger="manual_computation"}' in httpx.get(guarded.metrics).text


@pytest.mark.parametrize("stream", [False, True])
def test_nano_says_which_questions_it_does_not_know(nano, stream):
    with openai.OpenAI(base_url=nano.url, api_key="none") as client:
        answer = asked(client, "hello, what can you do?", stream=stream)
        if stream:
            chunks = list(answer)
            text, facts = "".join(chunk.choices[0].delta.content or "" for chunk in chunks), chunks[-1].storm
        else:
            text, facts = answer.choices[0].message.content, answer.storm
    assert text == OUT_OF_SCOPE
    assert (facts["answer"], facts["stop"], facts["backed"]) == (None, "scope", False)


class SlowLLM:
    """A chat completions endpoint that never answers."""

    def __init__(self):
        self.asked = threading.Event()
        ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True).start()
        assert ready.wait(10)

    async def _serve(self, ready):
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._reply)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        ready.set()
        await asyncio.Event().wait()

    async def _models(self, request):
        return web.json_response({"object": "list", "data": [{"id": "watcher", "object": "model"}]})

    async def _reply(self, request):
        self.asked.set()
        await asyncio.Event().wait()


def test_a_slow_intervener_delays_neither_a_disconnect_nor_the_end_of_the_server(upstream):
    slow = SlowLLM()
    body = {"model": "storm", "messages": [{"role": "user", "content": FLAWED}], "stream": True}
    with RunningServer(upstream.url, intervener="llm", intervener_url=slow.url, guard=True) as live:
        with httpx.stream("POST", f"{live.url}/chat/completions", json=body, timeout=30) as response:
            lines = response.iter_lines()  # Kept: without it the connection closes.
            next(lines)
            assert slow.asked.wait(10)
        began = time.perf_counter()
        while live.running and time.perf_counter() - began < 5:
            time.sleep(0.05)
        assert live.running == 0
    assert time.perf_counter() - began < 10


def test_a_stop_string_in_a_withdrawn_answer_does_not_end_the_next_one(guarded):
    answer = asked(guarded, FLAWED, stop=["{7}"])
    assert answer.choices[0].message.content.startswith(ANSWER)
    assert answer.storm["stop"] == "answer"


def test_withdrawn_text_counts_as_used_tokens(guarded):
    flawed, direct = (asked(guarded, f"{SHOP} [[{play}]]") for play in ("flawed", "solve"))
    assert flawed.usage.completion_tokens > direct.usage.completion_tokens
    assert flawed.usage.prompt_tokens > direct.usage.prompt_tokens
