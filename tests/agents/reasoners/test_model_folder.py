"""`agents.reasoners.model_folder`: the tokenizer and the prompt format in a model's folder."""

import json

import pytest

from storm_calm.agents.reasoners.model_folder import (
    folder_prompt_format,
    given_prompt_format,
    tokenizer_file,
)
from storm_calm.env.prompt_format import FILE_NAME, PromptFormat
from support.chat_templates import DEFAULT_SYSTEM, HEADERS


@pytest.mark.parametrize("place", ["jinja", "json", "config", "list"])
def test_the_chat_template_of_a_folder_is_found(folder, place):
    config = {"bos_token": {"content": "<s>"}, "eos_token": "</s>"}
    if place == "jinja":
        (folder / "chat_template.jinja").write_text(HEADERS)
        config["chat_template"] = DEFAULT_SYSTEM
    elif place == "json":
        (folder / "chat_template.json").write_text(json.dumps({"chat_template": HEADERS}))
    elif place == "config":
        config["chat_template"] = HEADERS
    else:
        other = {"name": "tool_use", "template": DEFAULT_SYSTEM}
        config["chat_template"] = [other, {"name": "default", "template": HEADERS}]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    expected = PromptFormat(template=HEADERS, thinking="none", bos_token="<s>", eos_token="</s>")
    assert folder_prompt_format(folder) == given_prompt_format(str(folder)) == expected


def test_a_folder_without_any_format(folder):
    assert folder_prompt_format(folder) is None
    with pytest.raises(ValueError, match=f"no {FILE_NAME} and no chat template in it"):
        given_prompt_format(str(folder))


def test_a_tokenizer_is_a_file_a_folder_or_a_name_on_the_hub(folder, monkeypatch):
    hub = pytest.importorskip("huggingface_hub")
    assert tokenizer_file(folder) == tokenizer_file(folder / "tokenizer.json") == folder / "tokenizer.json"
    asked = []
    monkeypatch.setattr(
        hub, "snapshot_download", lambda name, allow_patterns: asked.append((name, allow_patterns)) or str(folder)
    )
    assert tokenizer_file("maker/model") == folder / "tokenizer.json"
    assert asked[0][0] == "maker/model"
    assert {"tokenizer.json", FILE_NAME} <= set(asked[0][1])
