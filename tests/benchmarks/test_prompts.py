"""The benchmark of prompts: its variants, a small complete run, and its figures."""

import json
from dataclasses import replace

import pytest

from benchmarks import prompts
from benchmarks.prompt_variants import VARIANTS
from storm_calm.env import Inline
from storm_calm.env.system_prompt import system_prompt
from storm_calm.sandbox import open_sandbox
from support.scripted_server import Reply, ScriptedServer, event

STEPS = ["```python\nprint(6 * 7 * undefined)\n```\n", "```python\nprint(6 * 7)\n```\n"]
WARM = Reply([event(" ", "length")])
"""The answer to the request that fills the prefix cache, the first of each variant."""
ANSWER = Reply([event("It is \\boxed{42}."), event("", "stop", stop_reason=None)])


def programs():
    return [Reply([event(text), event("", "stop", stop_reason="```\n")]) for text in STEPS]


@pytest.fixture
def server():
    server = ScriptedServer()
    yield server
    server.close()


def run(server, tmp_path, monkeypatch, variants, **options):
    problems = tmp_path / "problems.jsonl"
    problems.write_text(json.dumps({"id": "a", "question": "6 * 7?", "answer": 42}))
    arguments = {"url": server.url, "problems": problems, "out": tmp_path / "out", "variants": variants, **options}
    monkeypatch.setattr("sys.argv", ["prompts", *(f"--{name}={value}" for name, value in arguments.items())])
    prompts.main()
    return [json.loads(line) for line in (tmp_path / "out" / "figures.jsonl").read_text().splitlines()]


def test_the_default_variant_is_the_prompt_in_use():
    assert VARIANTS["default"].instructions == system_prompt("inline", thinking=False)
    assert VARIANTS["present"].instructions == Inline().instructions


@pytest.mark.parametrize("name", ["default", "asks_value", "brief_end", "pywraplp"])
def test_the_example_of_a_variant_prints_its_output(name):
    example = VARIANTS[name].instructions.partition("Question: ")[2]
    with open_sandbox(workers=1) as sandbox:
        execution = sandbox.run(Inline().read(example).code)
    assert f"```output\n{execution.stdout}```\n" in example


def test_variants_differ():
    assert len({str(replace(variant, name="")) for variant in VARIANTS.values()}) == len(VARIANTS)


def test_a_run_keeps_figures_and_transcripts(server, tmp_path, monkeypatch, capsys):
    server.play(WARM, *programs(), ANSWER, WARM, *programs(), ANSWER)
    present, default = run(server, tmp_path, monkeypatch, "present,default")
    assert (present["right"], default["right"], default["of"]) == (1, 1, 1)
    assert (default["programs"], default["failed"], default["no_program"]) == (2.0, 1, 0)
    assert list(default["errors"]) == ["NameError: name 'undefined' is not defined"]
    assert server.requests[1]["prompt"].endswith("<think>\n")
    assert server.requests[5]["prompt"].endswith("<|im_start|>assistant\n")
    assert [request["max_tokens"] for request in server.requests[:2]] == [1, 900]
    assert server.requests[0]["prompt"] == server.requests[1]["prompt"]
    assert "right" in (tmp_path / "out" / "default.txt").read_text()
    assert "default" in capsys.readouterr().out


def test_a_variant_may_hide_help(server, tmp_path, monkeypatch):
    server.play(WARM, *programs(), ANSWER, WARM, *programs(), ANSWER)
    run(server, tmp_path, monkeypatch, "no_help,default")
    without, with_help = server.requests[2]["prompt"], server.requests[6]["prompt"]
    assert "Help: " not in without.partition("NameError")[2]
    assert "Help: " in with_help.partition("NameError")[2]


def test_a_variant_may_show_the_example_as_an_earlier_turn(server, tmp_path, monkeypatch):
    server.play(WARM, ANSWER)
    run(server, tmp_path, monkeypatch, "example_turn")
    prompt = server.requests[1]["prompt"]
    assert [part.partition("\n")[0] for part in prompt.split("<|im_start|>")[1:]] == [
        *("system", "user", "assistant", "user", "assistant")
    ]
