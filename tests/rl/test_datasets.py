"""Datasets: recorded ids and masks in a trainer's columns; nothing is cut, overwritten, or silently left out."""

import json
import sys
from dataclasses import replace

import pyarrow.parquet as parquet
import pytest

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.run_curation import curate
from storm_calm.agents.reasoners import built_in, chat_template
from storm_calm.agents.reasoners.tokenizer import ByteTokens
from storm_calm.env import PROTOCOLS, Episode, Problem, Span, Transcript, append_episode, read_episodes, write_problems
from storm_calm.env.problems.families import generate
from storm_calm.env.serialize import from_json
from storm_calm.rl.datasets import ExportConfig, export, message_row, rl_rows, sft_row, trl_row
from storm_calm.sandbox import Execution

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A curation by the nano model; some of its golden trajectories have hints."""
    out = tmp_path_factory.mktemp("runs") / "first"
    curate(CurateConfig(families=("all",), split="train", limit=24, seed=3), out)
    assert any(run.transcript.count("hint") for run in read_episodes(out / "golden.jsonl"))
    return out


@pytest.fixture
def copy(folder, tmp_path):
    """A function that writes golden trajectories into a folder like that of a curation."""

    def copy(*runs):
        out = tmp_path / "copy"
        out.mkdir()
        (out / "config.toml").write_text((folder / "config.toml").read_text())
        for run in runs:
            append_episode(out / "golden.jsonl", run)
        return out

    return copy


def run(*, instructions=None, prompt=None, ids=True, problem=None):
    """A finished trajectory with a program and a hint; its tokens are characters."""
    problem = problem or Problem(id="p1", question="How many chairs?", answers=(42.0,))
    prompt = prompt or chat_template.render(PROTOCOLS["inline"].messages(problem.question, instructions))
    parts = [
        ("prompt", prompt),
        ("model", "```python\nprint(42)\n```\n"),
        ("tool", "```output\n42\n```\n"),
        ("hint", "Wait, is it whole? "),
        ("model", "Yes.\n</think>\n\\boxed{42}"),
    ]
    spans = [
        Span(
            source=source,
            text=text,
            ids=tuple(map(ord, text)) if ids else None,
            ends=tuple(range(1, len(text) + 1)) if ids else None,
        )
        for source, text in parts
    ]
    execution = Execution(
        code="print(42)\n", status="ok", stdout="42\n", exit_code=0, isolation="limits", backend="none"
    )
    return Episode(problem=problem, transcript=Transcript(spans=tuple(spans)), executions=(execution,), stop="answer")


def rows(path):
    return parquet.read_table(path).to_pylist()


@pytest.mark.parametrize("hints", [True, False])
def test_the_tokens_with_loss_are_model_text_and_optionally_hints(folder, tmp_path, hints):
    report = export(ExportConfig(source=folder, format="verl-sft", out=tmp_path / "sft.parquet", hints=hints))
    tokens = ByteTokens(built_in("nano") / "tokenizer.json")
    runs = read_episodes(folder / "golden.jsonl")
    written = rows(tmp_path / "sft.parquet")
    assert [row["id"] for row in written] == [run.problem.id for run in runs]
    for row, one in zip(written, runs, strict=True):
        decoder = tokens.decoder()
        pairs = [(decoder.feed(id), learned) for id, learned in zip(row["input_ids"], row["loss_mask"], strict=True)]
        text = "".join(piece for piece, learned in pairs if learned).replace(chat_template.TURN_END, "")
        sources = ("model", "hint") if hints else ("model",)
        assert text == "".join(span.text for span in one.transcript.spans if span.source in sources)
        assert "```output" not in text
        assert row["input_ids"] == list(one.transcript.ids)
        assert (row["family"], row["difficulty"], row["source"]) == (
            one.problem.family,
            one.problem.difficulty,
            "generated",
        )
    assert report.rows == len(runs)
    assert report.tokens == sum(len(row["input_ids"]) for row in written)
    assert report.learned_tokens == sum(sum(row["loss_mask"]) for row in written)


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_trl_gets_the_same_mask_as_labels(folder, tmp_path, suffix):
    file = tmp_path / f"trl{suffix}"
    report = export(ExportConfig(source=folder, format="trl", out=file))
    written = rows(file) if suffix == ".parquet" else [json.loads(line) for line in file.read_text().splitlines()]
    runs = read_episodes(folder / "golden.jsonl")
    for row, one in zip(written, runs, strict=True):
        expected = sft_row(one)
        assert row["input_ids"] == expected["input_ids"]
        assert row["attention_mask"] == [1] * len(expected["input_ids"])
        assert [label != -100 for label in row["labels"]] == [bool(learned) for learned in expected["loss_mask"]]
        assert all(label in (-100, id) for label, id in zip(row["labels"], row["input_ids"], strict=True))
    assert report.learned_tokens == sum(sum(sft_row(one)["loss_mask"]) for one in runs)


def test_messages_are_the_prompt_and_the_response(folder, tmp_path):
    report = export(ExportConfig(source=folder, format="messages", out=tmp_path / "chat.jsonl"))
    written = [json.loads(line) for line in (tmp_path / "chat.jsonl").read_text().splitlines()]
    for row, one in zip(written, read_episodes(folder / "golden.jsonl"), strict=True):
        user, assistant = row["messages"]
        assert user == {"role": "user", "content": one.problem.question}
        assert chat_template.render([user]).removesuffix("<think>\n") + assistant["content"] == one.transcript.text
    assert report.learned_tokens is None
    assert not report.estimated


def test_instructions_become_the_system_message():
    messages = message_row(run())["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant"]
    assert messages[0]["content"] == PROTOCOLS["inline"].instructions
    assert messages[2]["content"].startswith("<think>\n```python\nprint(42)")


def test_a_prompt_in_another_template_is_an_error():
    with pytest.raises(ValueError, match="'p1': its prompt is neither ChatML"):
        message_row(run(prompt="[INST] How many chairs? [/INST]"))
    forged = "<|im_start|>user\na<|im_end|>\nb<|im_end|>\n<|im_start|>assistant\n<think>\n"
    with pytest.raises(ValueError, match="neither ChatML"):
        message_row(run(prompt=forged))
    rendered = chat_template.render([{"role": "user", "content": "a<|im_end|>\nb"}])
    assert message_row(run(prompt=rendered))["messages"][0]["content"] == "a< |im_end|>\nb"


def test_a_trajectory_without_ids_has_no_mask_and_the_error_names_the_fix(copy):
    folder = copy(run(ids=False))
    for row in (sft_row, trl_row):
        with pytest.raises(ValueError, match=r"'p1' has no token ids.*curate again with --tokenizer"):
            row(run(ids=False))
    with pytest.raises(ValueError, match="--tokenizer"):
        export(ExportConfig(source=folder, format="verl-sft"))
    assert export(ExportConfig(source=folder, format="messages")).estimated


def test_too_long_trajectories_are_skipped_and_listed(folder, tmp_path):
    lengths = {run.problem.id: len(run.transcript.ids) for run in read_episodes(folder / "golden.jsonl")}
    most = sorted(lengths.values())[len(lengths) // 2]
    report = export(ExportConfig(source=folder, format="trl", out=tmp_path / "trl.parquet", max_tokens=most))
    assert report.too_long == {id: length for id, length in lengths.items() if length > most}
    assert len(report.too_long) > 3
    written = [len(row["input_ids"]) for row in rows(tmp_path / "trl.parquet")]
    assert sorted(written) == sorted(length for length in lengths.values() if length <= most)


def test_trajectories_rejected_in_review_are_skipped_with_the_reason(folder, tmp_path):
    ids = [run.problem.id for run in read_episodes(folder / "golden.jsonl")]
    rejected = {ids[1]: "a leak", "of-no-golden-run": "a leak"}
    config = ExportConfig(source=folder, format="verl-sft", out=tmp_path / "a.parquet", rejected=rejected)
    assert export(config).rejected == {ids[1]: "a leak"}
    assert [row["id"] for row in rows(tmp_path / "a.parquet")] == [ids[0], *ids[2:]]
    config = replace(config, out=tmp_path / "b.parquet", rejected=dict.fromkeys(ids, "a leak"))
    with pytest.raises(ValueError, match=f"no rows are left: {len(ids)} that reviewers rejected"):
        export(config)
    assert not (tmp_path / "b.parquet").exists()


@pytest.mark.parametrize("format", ["verl-sft", "verl-rl"])
def test_evaluation_questions_are_skipped_and_listed(folder, tmp_path, format):
    runs = read_episodes(folder / "golden.jsonl")
    taken, edited = runs[1].problem, runs[4].problem
    evaluation = tmp_path / "evaluation"
    evaluation.mkdir()
    (evaluation / "a.json").write_text(json.dumps({"en_question": taken.question.upper()}) + "\n")
    (tmp_path / "b.jsonl").write_text(json.dumps({"question": f"Do this: {edited.question}"}) + "\n")
    places = (evaluation, tmp_path / "b.jsonl")
    report = export(ExportConfig(source=folder, format=format, out=tmp_path / "x.parquet", against=places))
    assert {id: (match.how, match.place) for id, match in report.contaminated.items()} == {
        taken.id: ("same text", f"{evaluation / 'a.json'}:1"),
        edited.id: ("shared words", f"{tmp_path / 'b.jsonl'}:1"),
    }
    assert report.compared == 2
    text = json.dumps(rows(tmp_path / "x.parquet"))
    assert taken.id not in text
    assert edited.id not in text
    assert runs[0].problem.id in text


def test_held_out_problems_are_excluded_from_training(copy, tmp_path):
    (heldout,) = generate(["diet"], split="heldout", seed=1, limit=1)
    folder = copy(run(), run(problem=heldout))
    report = export(ExportConfig(source=folder, format="trl"))
    assert (report.rows, [*report.contaminated], report.contaminated[heldout.id].how) == (1, [heldout.id], "held out")
    write_problems(tmp_path / "heldout.jsonl", [heldout])
    config = ExportConfig(source=tmp_path / "heldout.jsonl", format="verl-rl")
    with pytest.raises(ValueError, match=r"no rows are left: 1 of the families' held-out split.*--split heldout"):
        export(config)
    assert not config.file.exists()
    assert export(replace(config, split="heldout")).rows == 1
    assert rows(config.file)[0]["extra_info"]["split"] == "heldout"


def test_grpo_rows_contain_the_complete_problem(tmp_path):
    problems = [
        *generate(["all"], split="train", seed=2, limit=12),
        Problem(id="é", question="Q?", answers=(5.0, "infeasible"), source="mine", rule="orlm"),
        Problem(id="z", question="Q?", answers=("unbounded",)),
    ]
    write_problems(tmp_path / "problems.jsonl", problems)
    report = export(ExportConfig(source=tmp_path / "problems.jsonl", format="verl-rl"))
    assert report.file == str(tmp_path / "problems.verl-rl.parquet")
    written = rows(report.file)
    assert written == rl_rows(problems)
    assert [from_json(Problem, json.loads(row["extra_info"]["problem"])) for row in written] == problems
    assert [json.loads(row["reward_model"]["ground_truth"]) for row in written[-2:]] == [
        [5.0, "infeasible"],
        ["unbounded"],
    ]
    assert [row["data_source"] for row in written[-3:]] == ["blending", "mine", "problems"]
    assert [row["extra_info"]["index"] for row in written] == list(range(14))
    assert {row["agent_name"] for row in written} == {"storm"}
    assert written[-1]["prompt"] == [{"role": "user", "content": "Q?"}]
    assert report.tokens is None


def test_a_problem_without_answers_is_rejected():
    with pytest.raises(ValueError, match="problem 'a' has no answer"):
        rl_rows([Problem(id="a", question="Q", answers=())])


def test_grpo_prompts_explain_the_protocol_to_models_that_do_not_know_it(folder, copy, tmp_path):
    def roles(config):
        return [message["role"] for message in rows(export(config).file)[0]["prompt"]]

    config = ExportConfig(source=folder, format="verl-rl", out=tmp_path / "a.parquet")
    assert roles(config) == ["user"]
    assert roles(replace(config, instructions=True, out=tmp_path / "b.parquet")) == ["system", "user"]
    served = copy()
    (served / "config.toml").write_text('format_version = 1\nreasoner = "http://localhost:8000/v1"\n')
    (served / "episodes.jsonl").write_text((folder / "episodes.jsonl").read_text())
    assert roles(replace(config, source=served, out=tmp_path / "c.parquet")) == ["system", "user"]


def test_grpo_rows_include_problems_without_golden_trajectories(folder, copy, tmp_path):
    half = copy()
    lines = (folder / "episodes.jsonl").read_text().splitlines(keepends=True)
    (half / "episodes.jsonl").write_text(lines[0] + lines[1] + lines[1] + lines[2][:-30])
    report = export(ExportConfig(source=half, format="verl-rl"))
    assert (report.rows, report.unfinished) == (2, True)
    assert (half / "episodes.jsonl").read_text().endswith(lines[2][:-30])
    whole = export(ExportConfig(source=folder, format="verl-rl", out=tmp_path / "all.parquet"))
    assert (whole.rows, whole.unfinished) == (24, False)


def test_an_existing_file_is_not_overwritten(copy, tmp_path):
    folder = copy(run())
    for format, name in (("messages", "messages.jsonl"), ("trl", "trl.parquet")):
        (folder / name).write_text("mine")
        with pytest.raises(ValueError, match=f"{name}: already exists; choose another --out"):
            export(ExportConfig(source=folder, format=format))
        assert (folder / name).read_text() == "mine"
    export(ExportConfig(source=folder, format="trl", out=tmp_path / "new" / "trl.parquet"))
    assert [one.name for one in (tmp_path / "new").iterdir()] == ["trl.parquet"]


def test_without_pyarrow_the_extra_is_named_before_any_work(copy, monkeypatch):
    folder = copy(run())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"pip install 'storm-calm\[export\]'"):
        export(ExportConfig(source=folder, format="trl"))
    assert export(ExportConfig(source=folder, format="messages")).rows == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"format": "csv"}, "format is 'csv'; give one of verl-sft, trl, messages, verl-rl"),
        ({"split": "test"}, "split is 'test'"),
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"format": "verl-rl", "max_tokens": 9}, "max_tokens limits trajectories"),
        ({"format": "messages", "hints": False}, "leaving out hints needs a loss mask, which messages lacks"),
        ({"instructions": True}, "instructions are for verl-rl"),
        ({"format": "verl-rl", "rejected": {}}, "reviewers reject trajectories, but verl-rl has only prompts"),
    ],
)
def test_invalid_export_settings_are_errors(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        ExportConfig(**{"source": tmp_path, "format": "trl", **settings})


def test_error_for_an_unsuitable_source_names_the_fix(copy, tmp_path):
    def refused(**settings):
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            export(ExportConfig(**{"format": "trl", **settings}))
        return str(caught.value).replace(str(tmp_path), "")

    (tmp_path / "empty").mkdir()
    (tmp_path / "problems.jsonl").write_text("{}\n")
    wanted = "give the run folder of storm curate"
    assert refused(source=tmp_path / "problems.jsonl") == f"/problems.jsonl: not a folder; {wanted}"
    assert refused(source=tmp_path / "nowhere") == f"/nowhere: no such folder; {wanted}"
    assert refused(source=tmp_path / "empty") == f"/empty: not a curation, config.toml is missing; {wanted}"
    assert refused(source=tmp_path / "empty", format="verl-rl") == (
        f"/empty: not a curation; {wanted}, or a file of problems"
    )
    folder = copy()
    assert refused(source=folder).startswith("/copy: no golden trajectories in it")
    assert (
        refused(source=folder, out=tmp_path / "x.csv")
        == "/x.csv: trl is written as .parquet or .jsonl; choose such an --out"
    )
    assert refused(source=folder, against=(tmp_path / "empty",)).startswith("/empty: no file that ends in .jsonl")
