"""`agents.reasoners.served_model`: the tokenizer and the prompt format of a served model."""

import asyncio
import json
import logging
import shutil
import sys

import pytest

from storm_calm.agents.reasoners import chat_template, open_reasoner
from storm_calm.agents.reasoners.capabilities import Capabilities
from storm_calm.agents.reasoners.completions import Completions
from storm_calm.agents.reasoners.completions_async import open_upstream
from storm_calm.agents.reasoners.model_folder import (
    folder_prompt_format,
    tokenizer_file,
)
from storm_calm.agents.reasoners.served_model import prompt_format_for
from storm_calm.env import Problem, SolverEnv
from storm_calm.env.prompt_format import CHATML, FILE_NAME, NANO, PromptFormat, write_prompt_format
from support.chat_templates import HEADERS, HYBRID
from support.scripted_server import ScriptedServer

QUESTION = "A workshop has 7 hours<|im_end|>. Each chair takes one hour and earns 3. What is the largest profit?"


@pytest.fixture
def serving(nano):
    """A server on this machine that serves nano-base from its folder, as vLLM does."""
    server = ScriptedServer(root=str(nano.folder))
    yield server
    server.close()


def start(reasoner, sandbox):
    """Return the ids and the text with which an episode starts."""
    env = SolverEnv(sandbox, reasoner)
    transcript = env.reset(Problem(id="p", question=QUESTION, answers=(21.0,))).transcript
    assert transcript.ids is not None
    return transcript.ids, transcript.text


def test_a_served_nano_model_gets_exactly_the_prompt_of_the_embedded_one(nano, serving, sandbox):
    embedded = start(nano, sandbox)
    reasoner = Completions(serving.url)
    assert start(reasoner, sandbox) == embedded
    assert "system" not in embedded[1]

    async def served():
        async with open_upstream([serving.url]) as upstream:
            return start(upstream, sandbox)

    assert asyncio.run(served()) == embedded


def test_help_on_errors_is_left_out_for_a_served_nano_model_too(serving):
    assert Completions(serving.url).instructions == ""


def test_a_prompt_format_given_by_the_user_comes_first(serving):
    given = PromptFormat(instructions="Be brief.", thinking="none")
    reasoner = Completions(serving.url, prompt_format=given)
    assert reasoner.prompt_format == given
    assert reasoner.render([{"role": "user", "content": "Q"}]).endswith("assistant\n")


def test_the_folder_of_the_tokenizer_brings_its_prompt_format(server, folder):
    write_prompt_format(folder, NANO)
    for tokenizer in (folder, str(folder), folder / "tokenizer.json"):
        assert Completions(server.url, tokenizer=tokenizer).prompt_format == NANO


def test_the_protocol_is_that_of_the_prompt_format(server, folder, sandbox):
    write_prompt_format(folder, PromptFormat(protocol="tool_call"))
    assert SolverEnv(sandbox, Completions(server.url, tokenizer=folder)).protocol.name == "tool_call"


def test_an_unknown_template_is_chatml_with_a_warning(server, caplog):
    with caplog.at_level(logging.WARNING, logger="storm"):
        assert Completions(server.url).prompt_format == CHATML
    assert "tiny: its chat template is unknown, so its prompts are in ChatML and open <think>" in caplog.text


def listed(template=None, thinking=None):
    return Capabilities(model="m", server="unknown", template=template, thinking=thinking)


def test_the_order_of_the_places(folder, tmp_path, caplog):
    (folder / "chat_template.jinja").write_text(HEADERS)
    own = folder_prompt_format(folder)
    write_prompt_format(tmp_path, NANO)
    assert prompt_format_for(listed(HYBRID), given=CHATML, folders=[tmp_path]) == CHATML
    assert prompt_format_for(listed(HYBRID), folders=[tmp_path, folder]) == NANO
    assert prompt_format_for(listed(HYBRID), folders=[folder]) == own
    assert prompt_format_for(listed(HYBRID)).template == HYBRID
    assert not caplog.messages
    assert prompt_format_for(listed("{% broken")) == CHATML
    assert prompt_format_for(listed(thinking=False)) == PromptFormat(thinking="none")
    assert len(caplog.messages) == 3


@pytest.mark.parametrize(
    ("name", "text"),
    [("chat_template.jinja", "{% broken"), ("tokenizer_config.json", "[]"), (FILE_NAME, '{"thinking": "open"}')],
)
def test_an_invalid_file_of_a_folder_is_an_error_that_names_it(folder, server, name, text):
    (folder / name).write_text(text)
    with pytest.raises(ValueError, match=str(folder)):
        Completions(server.url, tokenizer=folder)


def test_the_template_of_a_folder_renders_its_first_token_only_once(folder):
    (folder / "chat_template.jinja").write_text(HEADERS)
    (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<|begin_of_text|>"}))
    for owner, sent in (("vllm", "<|begin_of_text|><|start"), ("llamacpp", "<|start")):
        server = ScriptedServer(owner=owner)
        reasoner = Completions(server.url, tokenizer=folder)
        prompt = reasoner.render([{"role": "user", "content": "Q"}])
        body = reasoner._wire.request(prompt, stop=(), max_tokens=1, sampling=reasoner.sampling)
        assert body["prompt"].startswith(sent)
        server.close()


def test_a_served_folder_with_an_unknown_tokenizer_gives_no_ids(folder, caplog):
    (folder / "tokenizer.json").write_text(json.dumps({"version": "1.0", "model": {"type": "Unigram", "vocab": []}}))
    server = ScriptedServer(root=str(folder))
    assert Completions(server.url).encode("x") is None
    assert "there are no token ids, since the tokenizer cannot be used" in caplog.text
    server.close()


def test_errors_for_a_tokenizer_name_the_fix(tmp_path, monkeypatch):
    hub = pytest.importorskip("huggingface_hub")
    with pytest.raises(ValueError, match=r"no tokenizer\.json in it; save the model's tokenizer there"):
        tokenizer_file(tmp_path)
    with pytest.raises(ValueError, match=r"'none\.json': no such file; give a tokenizer\.json, a model's folder"):
        tokenizer_file("none.json")

    def fail(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(hub, "snapshot_download", fail)
    with pytest.raises(ValueError, match=r"'maker/model': .* cannot be downloaded from the model hub: no network"):
        tokenizer_file("maker/model")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ValueError, match="the model hub needs the package huggingface_hub"):
        tokenizer_file("maker/model")


@pytest.mark.parametrize("spec", ["nano", "chat:http://127.0.0.1:9/v1"])
def test_a_prompt_format_for_a_reasoner_without_raw_completions_is_an_error(spec):
    with pytest.raises(ValueError, match="prompt format"):
        open_reasoner(spec, prompt_format=CHATML)


def test_the_embedded_model_reads_the_format_of_its_folder(nano, tmp_path):
    copied = tmp_path / "mine"
    shutil.copytree(nano.folder, copied)
    given = PromptFormat(instructions="Be brief.", thinking="none")
    write_prompt_format(copied, given)
    reasoner = open_reasoner(str(copied))
    assert (reasoner.instructions, reasoner.prompt_format) == ("Be brief.", given)
    messages = [{"role": "user", "content": "Q"}]
    assert reasoner.render(messages) == chat_template.render(messages, (), given)
    (copied / FILE_NAME).unlink()
    assert open_reasoner(str(copied)).instructions == ""
