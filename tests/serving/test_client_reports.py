"""Public reports of requests that break OpenAI-compatible servers, and of answers that break their clients.

Each line of client_reports.jsonl has a client, the repository and number of the report, what broke, the request in
its form, and what to expect here: the status, and checks of this module by name with their arguments.
"""

import base64
import json
from pathlib import Path

import httpx
import pytest

from storm_calm.serving.api.auth import Keys, digest
from support.running_server import RunningServer

REPORTS = [json.loads(line) for line in Path(__file__).with_name("client_reports.jsonl").read_text().splitlines()]
KEY = "a-key-for-the-tests-only"
PAGE = "http://localhost:3000"


class Reply:
    """A response, and the prompt that the model saw. chunks: the data of a stream, without its end."""

    def __init__(self, response, asked):
        self.response, self.asked = response, asked
        self.streamed = response.headers.get("content-type", "").startswith("text/event-stream")
        lines = response.text.splitlines() if self.streamed else []
        self.data = [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]
        self.chunks = [json.loads(line) for line in self.data if line != "[DONE]"]

    @property
    def json(self):
        return self.response.json()

    @property
    def choices(self):
        return [choice for chunk in self.chunks for choice in chunk.get("choices", ())]

    def text(self, *fields):
        """Return the text of an answer in any form; of one of `fields` of a chat's message."""
        if self.streamed and "choices" in self.chunks[0]:
            return "".join(choice["delta"].get(field) or "" for choice in self.choices for field in fields)
        if self.streamed:
            kind = "response.output_text.delta"
            return "".join(chunk["delta"] for chunk in self.chunks if chunk["type"] == kind)
        if "choices" in self.json:
            return "".join(self.json["choices"][0]["message"][field] for field in fields)
        return "".join(
            part["text"] for item in self.json["output"] if item["type"] == "message" for part in item["content"]
        )


def turns(reply, expected):
    """Check the turns that the model sees, apart from the agent's own system message."""
    seen = [turn.removesuffix("\n").removesuffix("<|im_end|>") for turn in reply.asked["prompt"].split("<|im_start|>")]
    pairs = [turn.split("\n", 1) for turn in seen[1:-1]]
    assert [pair for pair in pairs if pair[0] != "system"] == expected
    assert reply.text("content")


def asked(reply, expected):
    """Check fields of the request to the model."""
    assert {name: reply.asked[name] for name in expected} == expected


def answer(reply, expected):
    """Check a part of the answer's text."""
    assert expected in reply.text("content")


def param(reply, expected):
    """Check the field that an error names, and the form of the error."""
    assert set(reply.json["error"]) == {"message", "type", "param", "code"}
    assert reply.json["error"]["param"] == expected


def says(reply, expected):
    """Check a part of an error's message."""
    assert expected in reply.json["error"]["message"]


def header(reply, expected):
    """Check words in the headers of the response."""
    for name, words in expected.items():
        assert words in reply.response.headers[name]


def models(reply, _):
    """Check the list of models."""
    assert reply.json["object"] == "list"
    assert [(type(one["created"]), one["object"], one["id"]) for one in reply.json["data"]] == [(int, "model", "storm")]


def done(reply, _):
    """Check that a stream ends with [DONE], once, and that all its other data are JSON of one answer."""
    assert reply.response.text.endswith("data: [DONE]\n\n")
    assert reply.data.count("[DONE]") == 1
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in reply.chunks}) == 1
    assert {chunk["object"] for chunk in reply.chunks} == {"chat.completion.chunk"}


def first_chunk(reply, _):
    """Check that a stream begins with the role and an empty text."""
    assert reply.choices[0]["delta"] == {"role": "assistant", "content": ""}
    assert all("role" not in choice["delta"] for choice in reply.choices[1:])


def no_empty_choices(reply, _):
    """Check that all chunks have a choice."""
    assert all(len(chunk["choices"]) == 1 for chunk in reply.chunks)
    assert all("usage" not in chunk for chunk in reply.chunks)


def usage_last(reply, _):
    """Check that the usage comes in a last chunk of its own."""
    *rest, last = reply.chunks
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == last["usage"]["prompt_tokens"] + last["usage"]["completion_tokens"] > 0
    assert all(chunk["usage"] is None and chunk["choices"] for chunk in rest)


def finish(reply, expected):
    """Check that only the last choice has a reason for the end, and that all others have null."""
    reasons = [choice["finish_reason"] for choice in reply.choices or reply.json["choices"]]
    assert reasons == [None] * (len(reasons) - 1) + [expected]


def at_most_tokens(reply, expected):
    """Check the number of generated tokens."""
    assert 0 < reply.json["usage"]["completion_tokens"] <= expected


def error_event(reply, _):
    """Check that a stream ends with an error in OpenAI's format."""
    assert set(reply.chunks[-1]["error"]) == {"message", "type", "param", "code"}
    assert reply.response.text.endswith("data: [DONE]\n\n")


def thoughts(reply, fields):
    """Check that each of the fields has all thoughts."""
    assert {reply.text(field) for field in fields} == {"Hm.\n"}


def no_thoughts_in_content(reply, _):
    """Check that the answer has no thoughts."""
    assert "Hm." not in reply.text("content")
    assert "think>" not in reply.text("content")


def reasoning_item(reply, expected):
    """Check that the thoughts come before the message, as items with this type of text."""
    kinds = [item["type"] for item in reply.json["output"]]
    assert kinds == ["reasoning", "code_interpreter_call", "reasoning", "message"]
    item = reply.json["output"][0]
    assert [part["type"] for part in item["summary"] + item["content"]] == [expected]
    assert (item["summary"] + item["content"])[0]["text"] == "I compute it.\n"


def lifecycle(reply, last):
    """Check that the events of a response are in sequence and of open items only. last: the type of the last event."""
    kinds = [event["type"] for event in reply.chunks]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == last
    assert [event["sequence_number"] for event in reply.chunks] == list(range(len(kinds)))
    output, part = [], None
    for event in reply.chunks[2:-1]:
        kind = event["type"]
        if kind == "response.output_item.added":
            output.append(event["item"]["id"])
        assert event["output_index"] == len(output) - 1
        assert event.get("item_id", event.get("item", {}).get("id")) == output[-1]
        if kind in ("response.content_part.added", "response.reasoning_summary_part.added"):
            part = output[-1]
        if kind in ("response.output_text.delta", "response.reasoning_summary_text.delta"):
            assert part == output[-1]
    response = reply.chunks[-1]["response"]
    assert [item["id"] for item in response["output"]] == output
    assert response["usage"]["total_tokens"] > 0
    assert response["id"] == reply.chunks[0]["response"]["id"]


CHECKS = {
    check.__name__: check
    for check in (
        *(turns, asked, answer, param, says, header, models, done, first_chunk, no_empty_choices, usage_last, finish),
        *(at_most_tokens, error_event, thoughts, no_thoughts_in_content, reasoning_item, lifecycle),
    )
}


@pytest.fixture(scope="module")
def servers(upstream, served):
    """Return the servers: open to all, with a key, and open to a page of another host."""
    with (
        RunningServer(upstream.url, keys=Keys({"ana": digest(KEY)})) as keys,
        RunningServer(upstream.url, origins=(PAGE,)) as origin,
    ):
        yield {"open": served, "keys": keys, "origin": origin}


@pytest.mark.parametrize("report", REPORTS, ids=[report["source"] for report in REPORTS])
def test_the_request_of_a_public_report_is_answered_rightly(servers, upstream, report):
    request = report["request"]
    headers = {name: value.replace("$KEY", KEY) for name, value in request.get("headers", {}).items()}
    content = base64.b64decode(request["body_base64"]) if "body_base64" in request else None
    url = servers[report.get("server", "open")].url.removesuffix("/v1") + request["path"]
    response = httpx.request(
        request["method"], url, headers=headers, json=request.get("body"), content=content, timeout=60
    )
    assert response.status_code == report["expected"]["status"], response.text
    reply = Reply(response, upstream.asked[-1] if upstream.asked else {})
    for name, argument in report["expected"]["checks"].items():
        CHECKS[name](reply, argument)


def test_the_reports_are_of_many_clients_and_each_is_there_once():
    sources = [report["source"] for report in REPORTS]
    assert len(set(sources)) == len(sources) >= 40
    assert {"Open WebUI", "Cherry Studio", "LibreChat", "Continue", "Cline", "Codex"} <= {
        report["client"] for report in REPORTS
    }
