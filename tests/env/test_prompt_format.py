"""`env.prompt_format`: the file that says how a model's prompts are made."""

import json

import pytest

from storm_calm.agents.reasoners import BUILT_IN, built_in
from storm_calm.env import PROTOCOLS
from storm_calm.env.prompt_format import (
    CHATML,
    FILE_NAME,
    MAX_TEMPLATE,
    NANO,
    PromptFormat,
    parse_prompt_format,
    prompt_format_text,
    read_prompt_format,
    write_prompt_format,
)
from storm_calm.env.system_prompt import system_prompt


def test_a_written_format_is_read_with_the_text_of_its_system_prompt(tmp_path):
    written = PromptFormat(protocol="tool_call", thinking="none", template="{{ messages }}", bos_token="<s>")
    write_prompt_format(tmp_path, written)
    read = read_prompt_format(tmp_path)
    assert read == written.resolved()
    assert read.instructions == system_prompt("tool_call", thinking=False)
    assert parse_prompt_format(prompt_format_text(written)) == read


def test_a_folder_without_the_file_has_no_format(tmp_path):
    assert read_prompt_format(tmp_path) is None


def test_the_system_prompt_is_empty_only_if_that_is_written():
    assert NANO.system_prompt == ""
    assert CHATML.system_prompt == PROTOCOLS["inline"].instructions


def test_a_model_that_answers_without_a_thought_gets_the_prompt_with_an_example():
    plain = PromptFormat(thinking="none")
    assert plain.system_prompt == system_prompt("inline", thinking=False) != CHATML.system_prompt


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_models_of_the_package_record_that_they_need_no_system_prompt(name):
    assert read_prompt_format(built_in(name)) == NANO


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol": "json"}, r'"protocol" is "json"; give "inline" or "tool_call"'),
        ({"thinking": True}, r'"thinking" is [Tt]rue; give "open" or "none"'),
        ({"instructions": 3}, r'"instructions" is 3; give a text'),
        ({"system": "x"}, r'"system" is not a known field; remove it'),
        ({"format_version": 9}, "written by another version"),
        ({"template": "x" * (MAX_TEMPLATE + 1)}, "template has 200001 characters"),
    ],
)
def test_error_for_an_invalid_file_names_the_file_and_the_field(tmp_path, change, message):
    write_prompt_format(tmp_path, NANO)
    file = tmp_path / FILE_NAME
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ValueError, match=message) as error:
        read_prompt_format(tmp_path)
    assert str(error.value).startswith(f"{file}: ")


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "[" * 100_000])
def test_other_text_is_not_a_format(text):
    with pytest.raises(ValueError, match=r"not a? ?JSON"):
        parse_prompt_format(text)
