"""An upstream server over real HTTP whose model follows the play named in the question. It logs how each request ended.

A question may contain one of the words below in double brackets. The text has `</think>` only if the play writes it.

    [[solve]]       a program, then its output is the answer
    [[chat]]        an answer without a program, the default; it quotes the whole conversation
    [[flawed]]      an answer by hand, outside of the thoughts; after a hint the program of [[solve]]
    [[plan]] [[reply]]    a program that writes plan.json or answer.json
    [[endless]]     endless text, 200 words a second
    [[sleep]]       a program that sleeps for 30 seconds
    [[500]] [[429]] an error before the first token     [[half]]      the stream breaks off
    [[long]]        the error of a prompt that does not fit the context
    [[silent]]      nothing for 30 seconds
"""

import asyncio
import itertools
import json
import re
import threading

from aiohttp import web

from support.fake_reasoner import count_hints

PROGRAM = """I compute it.
```python
from ortools.linear_solver import pywraplp
s = pywraplp.Solver.CreateSolver('GLOP')
x = s.NumVar(0, 40, '')
s.Maximize(3 * x)
print(s.Objective().Value() if s.Solve() == 0 else 'infeasible')
```
"""
PLAYS = {
    "solve": (PROGRAM, "It is optimal.\n</think>\nThe largest profit is \\boxed{{{output}}}."),
    "sleep": ("```python\nimport time\nprint(1, flush=True)\ntime.sleep(30)\n```\n", "</think>\n\\boxed{1}"),
    "plan": (
        "```python\nimport json\njson.dump({'chairs': 40}, open('plan.json', 'w'))\nprint(120)\n```\n",
        "</think>\nIt is \\boxed{{120}}.",
    ),
    "reply": (
        "```python\nimport json\njson.dump({'chairs': 40}, open('answer.json', 'w'))\nprint(120)\n```\n",
        "</think>\nIt is \\boxed{{120}}.",
    ),
    "file": ("```python\nprint(open('costs.csv').read())\n```\n", "</think>\nThe file says {output}. \\boxed{{1}}"),
    "infeasible": (PROGRAM, "</think>\nNo plan meets all demands: \\boxed{{infeasible}}."),
    "asks": ("How many hours are there?\n</think>\nThe question does not say how many hours there are.",),
    "thinks": ("I never come out of my thoughts: the answer is \\boxed{7}",),
    "budget": (PROGRAM,) * 9,
}


class FakeUpstream:
    """The server, in its own thread."""

    def __init__(self, *, owner="tests", rate=500.0):
        """Start the server. owner: `owned_by` in its list of models. rate: tokens per second."""
        self.owner, self.rate = owner, rate
        self.context = 4000
        """The model's context in tokens, as its list of models says."""
        self.asked = []
        """The bodies of all requests."""
        self.ended = []
        """How each request ended: done, left (the client disconnected), or the injected fault."""
        self.open = 0
        """Number of requests in progress."""
        self.failures = 0
        """Number of further requests to answer with 503, whatever the play."""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def close(self):
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def _run(self):
        asyncio.run(self._serve())

    async def _serve(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(client_max_size=1 << 26)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/completions", self._complete)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _models(self, request):
        entry = {"id": "player", "object": "model", "created": 1, "owned_by": self.owner, "max_model_len": self.context}
        return web.json_response({"object": "list", "data": [entry]})

    async def _complete(self, request):
        asked = await request.json()
        self.asked.append(asked)
        self.open += 1
        ended = "left"
        try:
            ended, response = await self._play(request, asked)
            return response
        except ConnectionResetError:
            return web.Response()
        finally:
            self.open -= 1
            self.ended.append(ended)

    async def _play(self, request, asked):
        prompt = asked["prompt"]
        last = prompt.rpartition("<|im_start|>user\n")[2]
        play = re.search(r"\[\[(\w+)\]\]", last)
        play = play[1] if play else "chat"
        if self.failures:
            self.failures -= 1
            return "503", web.json_response({"error": {"message": "not yet"}}, status=503)
        if play in ("500", "429", "400"):
            headers = {"retry-after": "60"} if play == "429" else {}
            return play, web.json_response({"error": {"message": "played"}}, status=int(play), headers=headers)
        if play == "long":
            message = "This model's maximum context length is 4000 tokens. However, you requested 4100 tokens."
            return play, web.json_response({"error": {"message": message, "code": 400}}, status=400)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        if play == "silent":
            await asyncio.sleep(30)
        if play == "endless":
            for number in itertools.count():  # The same word again and again would be a loop, which is stopped.
                await response.write(event(f"word {number} "))
                await asyncio.sleep(0.005)
        text = self._text(play, prompt, last)
        words = re.findall(r"\s*\S+\s*|\s+", text)
        room, finish = asked["max_tokens"], "stop"
        if room < len(words):
            words, finish = words[:room], "length"
        for number, word in enumerate(words):
            if play == "half" and number == len(words) // 2:
                request.transport.abort()
                return "half", response
            await response.write(event(word))
            await asyncio.sleep(1 / self.rate)
        await response.write(event("", finish))
        usage = {"prompt_tokens": len(prompt) // 4, "completion_tokens": len(words)}
        if (asked.get("stream_options") or {}).get("include_usage"):
            await response.write(line({"choices": [], "usage": usage}))
        await response.write(b"data: [DONE]\n\n")
        return "done", response

    def _text(self, play, prompt, last):
        if play == "chat":
            turns = re.findall(r"<\|im_start\|>(\w+)\n(.*?)<\|im_end\|>", prompt, re.DOTALL)
            return "Hm.\n</think>\n" + " | ".join(f"{role}: {text}" for role, text in turns if role != "system")
        if play == "flawed" and not count_hints(last):
            return "I do it by hand.\n</think>\nThe largest profit is \\boxed{7}."
        outputs = re.findall(r"```output\n(.*?)\n```", last, re.DOTALL)
        texts = PLAYS.get(play, PLAYS["solve"])
        output = outputs[-1] if outputs else ""
        return (
            texts[min(len(outputs), len(texts) - 1)].replace("{output}", output).replace("{{", "{").replace("}}", "}")
        )


def event(text, finish=None):
    return line({"choices": [{"index": 0, "text": text, "finish_reason": finish}]})


def line(data):
    return f"data: {json.dumps({'id': 'c', 'object': 'text_completion', 'created': 1, **data})}\n\n".encode()
