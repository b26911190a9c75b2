"""The prompt format of training: model, data and run agree, and the trained model records it."""

import json
import logging
import shutil
from dataclasses import replace

import pytest
from omegaconf import OmegaConf

from storm_calm.agents.reasoners import chat_template
from storm_calm.env import PROTOCOLS, Problem, Span, Transcript, read_episodes
from storm_calm.env.episode import Episode
from storm_calm.env.prompt_format import CHATML, FILE_NAME, NANO, PromptFormat, read_prompt_format, write_prompt_format
from storm_calm.env.records import append_episode
from storm_calm.rl import merge_checkpoint
from storm_calm.rl.compose import compose
from storm_calm.rl.datasets import ExportConfig, export, message_row, rl_rows
from storm_calm.rl.datasets.dataset_files import read_dataset_format, write_rows
from storm_calm.rl.preflight_checks import check_rl_data, is_nano, longest_prompt
from storm_calm.rl.prompt_formats import grpo_prompt_format, sft_prompt_format
from storm_calm.rl.prompt_renderer import CheckpointRenderer
from storm_calm.rl.rollout.agent_loop import renderer as rollout_renderer
from storm_calm.rl.train_sft import train as train_sft
from storm_calm.rl.train_verl import train as train_grpo
from storm_calm.sandbox import Execution
from support.chat_templates import FORMATS, HEADERS

ROW = {"id": "a", "family": "", "difficulty": "", "source": "", "input_ids": [5, 6], "loss_mask": [0, 1]}
GUIDED = PromptFormat(instructions="Use PuLP.")


@pytest.fixture
def public(nano, tmp_path):
    """The folder of a public checkpoint, which records no prompt format."""
    folder = tmp_path / "public"
    folder.mkdir()
    for name in ("tokenizer.json", "config.json"):
        shutil.copyfile(nano / name, folder / name)
    return folder


def sft_file(folder, prompt_format):
    write_rows(folder / "sft.parquet", [ROW], "verl-sft", prompt_format)
    return folder / "sft.parquet"


def rl_file(folder, problem, instructions, prompt_format=None):
    write_rows(folder / "rl.parquet", rl_rows([problem], instructions=instructions), "verl-rl", prompt_format)
    return folder / "rl.parquet"


@pytest.mark.parametrize("prompt_format", [NANO, GUIDED, *FORMATS.values()])
def test_a_dataset_records_its_prompt_format(tmp_path, prompt_format):
    assert read_dataset_format(sft_file(tmp_path, prompt_format)) == prompt_format.resolved()


def test_a_dataset_without_a_format(tmp_path):
    assert read_dataset_format(sft_file(tmp_path, None)) is None
    (tmp_path / "text.parquet").write_text("no")
    assert read_dataset_format(tmp_path / "text.parquet") is None


def test_a_model_without_a_format_gets_that_of_its_data(tmp_path, public, workshop):
    assert sft_prompt_format(public, sft_file(tmp_path, GUIDED)) == GUIDED
    file = rl_file(tmp_path, workshop, "Use PuLP.", GUIDED)
    assert grpo_prompt_format(public, file, instructions=None) == GUIDED


def test_rows_without_a_format_have_at_least_their_system_prompt(tmp_path, public, workshop):
    (public / "chat_template.jinja").write_text(HEADERS)
    chosen = grpo_prompt_format(public, rl_file(tmp_path, workshop, "Be brief."), instructions=None)
    assert (chosen.instructions, chosen.template, chosen.thinking) == ("Be brief.", HEADERS, "none")


def test_a_model_keeps_its_own_format(tmp_path, nano):
    assert sft_prompt_format(nano, sft_file(tmp_path, None)) == NANO
    assert grpo_prompt_format(nano, tmp_path / "none.parquet", instructions=None) == NANO
    assert grpo_prompt_format(nano, tmp_path / "none.parquet", instructions="") == NANO


def test_a_model_without_any_format_gets_the_default_system_prompt(tmp_path, public):
    none = tmp_path / "none.parquet"
    assert grpo_prompt_format(public, none, instructions=None).resolved() == CHATML.resolved()
    assert grpo_prompt_format(public, none, instructions="").instructions == ""


def test_data_that_record_nothing_are_named(tmp_path, public, caplog):
    with caplog.at_level(logging.WARNING, logger="storm"):
        assert sft_prompt_format(public, sft_file(tmp_path, None)) is None
    assert "does not record the prompts it was made with" in caplog.text


def test_different_formats_of_model_and_data_are_an_error(tmp_path, nano, workshop):
    message = r"prompt_format\.json and .*\.parquet have different prompt formats: system prompt none and 'Use PuLP\.'"
    with pytest.raises(ValueError, match=message):
        sft_prompt_format(nano, sft_file(tmp_path, GUIDED))
    with pytest.raises(ValueError, match=message):
        grpo_prompt_format(nano, rl_file(tmp_path, workshop, "Use PuLP.", GUIDED), instructions=None)
    with pytest.raises(ValueError, match=r"prompt_format\.json and storm\.instructions have different"):
        grpo_prompt_format(nano, tmp_path / "none.parquet", instructions="Use PuLP.")


def test_rows_with_another_system_prompt_than_the_models_are_an_error(tmp_path, renderer, workshop):
    file = rl_file(tmp_path, workshop, None)
    message = r"row 0 \(workshop\) has the system prompt 'Solve .*', but the model is trained with no system prompt;"
    with pytest.raises(ValueError, match=message):
        check_rl_data(file, renderer, prompt=512, response=512)


def test_the_longest_prompt_counts_the_system_prompt(tmp_path, nano, workshop):
    short = longest_prompt(rl_file(tmp_path, workshop, ""), CheckpointRenderer(nano))
    long = longest_prompt(tmp_path / "rl.parquet", CheckpointRenderer(nano, CHATML))
    assert long > short + 200


def test_a_checkpoint_renders_in_its_own_template(public):
    (public / "chat_template.jinja").write_text(HEADERS)
    messages = [{"role": "user", "content": "Q"}]
    assert CheckpointRenderer(public).render(messages).endswith("<|start_header_id|>assistant<|end_header_id|>\n\n")


def test_only_nano_has_the_size_of_nano(nano, public):
    assert is_nano(nano)
    config = json.loads((public / "config.json").read_text())
    (public / "config.json").write_text(json.dumps(config | {"vocab_size": 49152}))
    assert not is_nano(public)


def test_rollouts_use_the_format_of_their_run(tmp_path, public):
    write_prompt_format(tmp_path, GUIDED)
    assert rollout_renderer(str(public), str(tmp_path)).instructions == "Use PuLP."


@pytest.mark.parametrize("recorded", [True, False])
def test_the_trained_model_records_the_format_of_the_run_or_else_of_its_base(tmp_path, nano, recorded, monkeypatch):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "latest_checkpointed_iteration.txt").write_text("3")
    monkeypatch.setattr(merge_checkpoint, "merge", lambda checkpoint, model, *, base: model.mkdir())
    if recorded:
        write_prompt_format(tmp_path, GUIDED)
    merge_checkpoint.finish(tmp_path, base=nano, export=False)
    assert read_prompt_format(tmp_path / "model") == (GUIDED if recorded else NANO)


def trajectory(prompt_format, problem):
    """A finished trajectory whose prompt is in a format; its tokens are characters."""
    messages = PROTOCOLS["inline"].messages(problem.question, prompt_format.system_prompt)
    prompt = chat_template.render(messages, (), prompt_format)
    parts = [("prompt", prompt), ("model", "```python\nprint(21)\n```\n"), ("tool", "```output\n21\n```\n")]
    spans = [
        Span(source=source, text=text, ids=tuple(map(ord, text)), ends=tuple(range(1, len(text) + 1)))
        for source, text in [*parts, ("model", "\\boxed{21}")]
    ]
    ran = Execution(code="print(21)\n", status="ok", stdout="21\n", exit_code=0, isolation="limits", backend="none")
    return Episode(problem=problem, transcript=Transcript(spans=tuple(spans)), executions=(ran,), stop="answer")


@pytest.fixture
def curated(tmp_path, workshop):
    """A function that writes the folder of a curation with trajectories in a prompt format."""

    def curated(prompt_format, *, recorded):
        folder = tmp_path / "curated"
        folder.mkdir()
        (folder / "config.toml").write_text('format_version = 1\nreasoner = "http://localhost:8000/v1"\n')
        episode = trajectory(prompt_format, workshop)
        append_episode(folder / "golden.jsonl", episode)
        write_prompt_format(folder, recorded)
        return folder

    return curated


@pytest.mark.parametrize("name", FORMATS)
def test_exports_record_the_format_of_the_run_and_have_messages(curated, tmp_path, name, workshop):
    prompt_format = replace(FORMATS[name], instructions="Use PuLP.")
    folder = curated(prompt_format, recorded=prompt_format)
    report = export(ExportConfig(source=folder, format="verl-sft", out=tmp_path / "sft.parquet"))
    assert read_dataset_format(tmp_path / "sft.parquet") == prompt_format
    assert report.rows == 1
    (episode,) = read_episodes(folder / "golden.jsonl")
    system, user, assistant = message_row(episode, prompt_format)["messages"]
    assert (system["content"], user["content"]) == ("Use PuLP.", workshop.question)
    opened = "<think>\n" if prompt_format.thinking == "open" else ""
    assert assistant["content"].startswith(f"{opened}```python\nprint(21)")


def test_a_trajectory_in_another_format_than_its_run_is_an_error(curated):
    folder = curated(CHATML, recorded=NANO)
    with pytest.raises(ValueError, match=rf"'workshop' has a prompt in another format than .*{FILE_NAME}"):
        export(ExportConfig(source=folder, format="verl-sft"))


def test_a_question_with_names_of_special_tokens_is_in_the_format_of_its_run(curated, workshop):
    question = "How many <|im_end|> of <|x|>?  "
    prompt_format = FORMATS["headers"]
    episode = trajectory(prompt_format, Problem(id="p", question=question, answers=(1.0,)))
    row = message_row(episode, prompt_format)
    assert row["messages"][1]["content"] == "How many < |im_end|> of < |x|>?"


def other_model(folder):
    """Give a checkpoint another size than nano's."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 32768}))
    return folder


def test_training_says_that_the_settings_of_nano_do_not_fit_another_model(tmp_path, public, nano, capsys):
    file = tmp_path / "sft.parquet"
    write_rows(file, [ROW] * 16, "verl-sft", GUIDED)
    words = [f"data.train_files={file}", f"storm.out={tmp_path / 'run'}"]
    train_sft(compose("sft_nano_cpu", [*words, f"model.path={other_model(public)}"]), dry_run=True)
    assert "note: the settings are for nano models, and" in capsys.readouterr().out
    write_rows(file, [ROW] * 16, "verl-sft", NANO)
    train_sft(compose("sft_nano_cpu", [*words, f"model.path={nano}"]), dry_run=True)
    assert "note:" not in capsys.readouterr().out


@pytest.mark.slow
def test_grpo_says_which_system_prompt_it_uses(tmp_path, public, nano, capsys):
    words = [f"storm.out={tmp_path / 'run'}"]
    train_grpo(compose("grpo_nano_cpu", [*words, f"actor_rollout_ref.model.path={nano}"]), dry_run=True)
    output = capsys.readouterr().out
    assert "no system prompt" in output
    assert "note:" not in output
    model = f"actor_rollout_ref.model.path={other_model(public)}"
    train_grpo(compose("grpo_nano_cpu", [*words, model]), dry_run=True)
    output = capsys.readouterr().out
    assert f"a system prompt of {len(CHATML.system_prompt)} characters" in output
    assert "responses of 768 tokens" in output


def test_nano_configurations_take_the_system_prompt_of_the_model():
    config = compose("grpo_nano_cpu", ["storm.out=x"])
    assert (config.storm.instructions, config.data.max_prompt_length) == (None, None)
    assert OmegaConf.select(compose("grpo_qwen3_4b_h100x8", ["storm.out=x"]), "data.max_prompt_length") == 2048
