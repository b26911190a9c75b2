"""A run records the prompt format of its reasoner, and keeps it."""

import pytest

from storm_calm import CurateConfig, EvalConfig, curate, evaluate
from storm_calm.agents.runs.prompt_format_record import record_prompt_format
from storm_calm.env.prompt_format import CHATML, NANO, PromptFormat, read_prompt_format


class Reasoner:
    name = "qwen"

    def __init__(self, prompt_format):
        self.prompt_format = prompt_format


def test_the_format_is_written_once_and_another_one_is_an_error(tmp_path):
    record_prompt_format(tmp_path, Reasoner(CHATML))
    assert read_prompt_format(tmp_path) == CHATML.resolved()
    record_prompt_format(tmp_path, Reasoner(CHATML))
    message = r"prompt_format\.json and the reasoner qwen have different prompt formats: thinking 'open' and 'none'"
    with pytest.raises(ValueError, match=message):
        record_prompt_format(tmp_path, Reasoner(PromptFormat(thinking="none")))


def test_a_chat_endpoint_has_no_prompt_format(tmp_path):
    record_prompt_format(tmp_path, Reasoner(None))
    assert read_prompt_format(tmp_path) is None


def test_curation_and_evaluation_record_it(tmp_path):
    common = {"families": ("knapsack",), "limit": 1, "reasoner": "nano-base", "minimum_isolation": "limits"}
    curate(CurateConfig(**common), tmp_path / "curated")
    evaluate(EvalConfig(**common), tmp_path / "evaluated")
    assert read_prompt_format(tmp_path / "curated") == read_prompt_format(tmp_path / "evaluated") == NANO
