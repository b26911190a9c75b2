"""What six kinds of model server are and can do, from their own descriptions, none of which is trusted."""

import asyncio
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storm_calm.agents.reasoners import capabilities as module
from storm_calm.agents.reasoners import open_reasoner, server_answers
from storm_calm.agents.reasoners.async_reasoners import ThreadedReasoner, open_async
from storm_calm.agents.reasoners.capabilities import Capabilities, discover
from storm_calm.agents.reasoners.chat import Chat
from storm_calm.agents.reasoners.completions import Completions
from storm_calm.agents.reasoners.endpoint import Endpoint
from storm_calm.env import PROTOCOLS, ReasonerError, Sampling, SolverEnv
from support.fake_model_servers import CHATML, FOLDER, KINDS, FakeModelServer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
FIELDS = st.sampled_from(
    [
        "models",
        "data",
        "default_generation_settings",
        "n_ctx",
        "total_slots",
        "chat_template",
        "chat_template_caps",
        "model_info",
        "parameters",
        "general.architecture",
        "capabilities",
        "version",
        "tokens",
        "meta",
        "root",
        "pricing",
        "prompt",
        "completion",
        "supported_parameters",
        "id",
        "name",
        "context_length",
        "max_total_num_tokens",
    ]
)
PAGES = st.recursive(JSON, lambda inner: st.dictionaries(FIELDS, inner, max_size=6) | st.lists(inner, max_size=2))


def found(url, model=None):
    endpoint = Endpoint(url, kind="raw completions", api_key=None, timeout=10.0, max_retries=0)
    try:
        return discover(endpoint, model)
    finally:
        endpoint.close()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("vllm", {"version": "0.32.0", "token_ids": True, "tokenize": True, "stop_reported": True, "folder": FOLDER}),
        ("sglang", {"version": "0.5.3", "token_ids": False, "stop_reported": True, "tool_calls": False}),
        (
            "llama.cpp",
            {"tokenize": True, "template": CHATML, "parallel": 4, "trained_context": 32768, "thinking": False},
        ),
        ("ollama", {"raw_completions": False, "template": None, "thinking": True, "trained_context": 40960}),
        ("lmstudio", {"raw_completions": True, "tool_calls": True, "trained_context": 40960, "template": None}),
        ("hosted", {"raw_completions": False, "tool_calls": True, "token_ids": False, "price": (0.15, 0.6)}),
    ],
)
def test_each_server_is_recognized_with_its_context(kind, expected):
    with FakeModelServer(kind, context=8192) as server:
        capabilities = found(server.url)
    assert (capabilities.server, capabilities.context, capabilities.model) == (kind, 8192, server.model)
    assert {name: getattr(capabilities, name) for name in expected} == pytest.approx(expected)
    assert capabilities.traps


def test_the_template_of_a_server_on_this_machine_is_read_from_its_folder():
    with FakeModelServer("vllm") as server:
        assert "<|im_start|>" in found(server.url).template


def test_a_folder_that_another_machine_names_is_not_read(monkeypatch):
    monkeypatch.setattr(module, "LOCAL_HOSTS", ())
    with FakeModelServer("vllm") as server:
        capabilities = found(server.url)
    assert (capabilities.folder, capabilities.template) == (None, None)


def test_ollama_has_its_smallest_context_until_the_model_is_loaded():
    with FakeModelServer("ollama", context=8192, pages={"/api/ps": {"models": []}}) as server:
        capabilities = found(server.url)
    assert capabilities.context == 4096
    assert "lose their beginning without an error" in capabilities.traps[0].problem


def test_a_context_in_ollamas_model_file_is_used():
    pages = {"/api/ps": {"models": []}, "/api/show": {"parameters": 'stop "x"\nnum_ctx                        12000'}}
    with FakeModelServer("ollama", pages=pages) as server:
        assert found(server.url).context == 12000


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(page=PAGES, listed=st.dictionaries(FIELDS, PAGES, max_size=4))
def test_no_page_of_a_server_raises(page, listed):
    class Answers:
        def get(self, path, body=None):
            return page

        post = get

        def request(self, method, path, body=None, *, api=False):
            return 404, b""

    for kind, describe in module._DESCRIBE.items():
        capabilities = describe(Capabilities(model="m", server=kind), listed, Answers())
        assert capabilities.context is None or capabilities.context > 0
        assert capabilities.template is None or isinstance(capabilities.template, str)


def test_an_answer_that_is_too_long_is_ignored(monkeypatch):
    monkeypatch.setattr(server_answers, "MAX_BYTES", 300)
    with FakeModelServer("llama.cpp", template="x" * 1000) as server:
        capabilities = found(server.url)
    assert (capabilities.template, capabilities.context) == (None, 16384)


@pytest.mark.parametrize("kind", KINDS)
def test_a_plain_url_becomes_raw_completions_or_chat_as_the_server_can(kind, caplog):
    with FakeModelServer(kind, context=8192) as server, caplog.at_level(logging.WARNING, "storm"):
        reasoner = open_reasoner(server.url)
        assert reasoner.context == 8192
        chat = kind in ("ollama", "hosted")
        assert isinstance(reasoner, Chat if chat else Completions)
        messages = [record.message for record in caplog.records]
        if chat:
            assert messages == [
                f"{server.url} has no raw completions that continue a turn; using chat completions with tool calls"
            ]
        else:
            # LM Studio does not report the template.
            assert ["its chat template is unknown" in message for message in messages] == [True] * (kind == "lmstudio")
        reasoner.close()


@pytest.mark.parametrize(("kind", "chat"), [("vllm", False), ("ollama", True)])
def test_the_asynchronous_reasoner_chooses_alike(kind, chat):
    async def opened(url):
        async with open_async([url]) as reasoner:
            assert reasoner.context == 16384
            return isinstance(reasoner, ThreadedReasoner)

    with FakeModelServer(kind) as server:
        assert asyncio.run(opened(server.url)) is chat


def test_only_a_server_on_this_machine_names_a_folder_here():
    with FakeModelServer("vllm") as server:
        assert found(server.url).folder == FOLDER
        assert found(server.url.replace("127.0.0.1", "0.0.0.0")).folder is None


def test_chat_before_a_url_forces_chat():
    with FakeModelServer("llama.cpp", context=8192) as server:
        reasoner = open_reasoner(f"chat:{server.url}")
        assert (type(reasoner), reasoner.context) == (Chat, 8192)


def test_the_text_protocol_of_raw_completions_can_be_set(sandbox):
    with FakeModelServer("vllm") as server:
        reasoner = open_reasoner(server.url, protocol="tool_call")
        assert SolverEnv(sandbox, reasoner).protocol is PROTOCOLS["tool_call"]
    with pytest.raises(ValueError, match="nano models know only the protocol inline"):
        open_reasoner("nano", protocol="tool_call")


def test_token_ids_need_no_option_if_the_server_names_the_models_folder():
    with FakeModelServer("vllm") as server:
        reasoner = open_reasoner(server.url)
        written = reasoner.generate("1, 2, 3,", stop=(), max_tokens=3, sampling=Sampling(seed=1))
        assert written.ids == reasoner.encode(" 4, 5, 6,")[0]


def test_a_tokenizer_of_another_model_is_an_error(tmp_path):
    import json

    settings = json.loads((FOLDER / "tokenizer.json").read_text())
    settings["model"]["merges"] = []
    (tmp_path / "tokenizer.json").write_text(json.dumps(settings))
    with (
        FakeModelServer("vllm") as server,
        pytest.raises(ReasonerError, match=r"encodes text differently .* give the tokenizer.json of the model"),
    ):
        open_reasoner(server.url, tokenizer=tmp_path / "tokenizer.json")
