"""Shards are merged only if they are all of one finished run; an error names the folders and the fix."""

import fcntl
import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.run_curation import curate
from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.results import results_to_json
from storm_calm.agents.evaluation.run_evaluation import evaluate
from storm_calm.agents.merge import merge_shards as merging
from storm_calm.agents.merge.merge_shards import merge_shards
from storm_calm.agents.runs.shard import Shard
from storm_calm.env import ReasonerError, write_problems
from storm_calm.env.prompt_format import PromptFormat, read_prompt_format, write_prompt_format
from support.fake_reasoner import FakeReasoner, direct, workshop
from support.measurements import curation_results, without_measurements

pytestmark = pytest.mark.slow

COUNT = 3


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with a problem file, and shards of a curation and of an evaluation of it."""
    folder = tmp_path_factory.mktemp("made")
    write_problems(folder / "problems.jsonl", [workshop(10 + number) for number in range(8)])
    settings = {"problems": str(folder / "problems.jsonl"), "minimum_isolation": "limits"}
    for number in range(1, COUNT + 1):
        shard = f"{number}/{COUNT}"
        curate(CurateConfig(**settings, shard=shard), folder / "c" / str(number), reasoner=FakeReasoner(direct))
        evaluate(EvalConfig(**settings, shard=shard), folder / "e" / str(number), reasoner=FakeReasoner(direct))
    curate(CurateConfig(**settings), folder / "single", reasoner=FakeReasoner(direct))
    return folder


@pytest.fixture
def runs(made, tmp_path, monkeypatch):
    """Copy these, and work in their folder, so that messages have short paths."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path.relative_to(tmp_path)


def config(runs, number=1, kind=CurateConfig, **settings):
    shard = f"{number}/{COUNT}"
    problems = tomllib.loads((runs / "c/1/config.toml").read_text())["problems"]
    return kind(problems=problems, minimum_isolation="limits", shard=shard, **settings)


def edit(file, change):
    lines = file.read_text().splitlines(keepends=True)
    change(lines)
    file.write_text("".join(lines))


def count(runs, number):
    return len((runs / f"c/{number}/shard.jsonl").read_text().splitlines())


def refused(paths, out="merged"):
    """Return the message, after checking that nothing was written."""
    before = {path.name for path in Path().iterdir()}
    with pytest.raises(ValueError, match=r".+") as error:
        merge_shards([Path(path) for path in paths], Path(out))
    assert {path.name for path in Path().iterdir()} == before
    return str(error.value)


def test_shards_and_the_folder_of_shards_give_the_same_run(runs):
    merge_shards([runs / "c"], runs / "a")
    merge_shards([runs / "c" / str(number) for number in (3, 1, 2)], runs / "b")
    assert curation_results(runs / "a") == curation_results(runs / "b") == curation_results(runs / "single")
    # A merged run or another folder beside the shards does not matter.
    merge_shards([runs / "c", runs / "c/1"], runs / "c/merged")
    merge_shards([runs / "c"], runs / "d")
    assert curation_results(runs / "d") == curation_results(runs / "single")


def test_a_missing_shard_is_named_with_the_command_that_runs_it(runs):
    assert refused(["c/1", "c/3"]) == (
        "1 of 3 shards is missing: 2/3. Run each as the others, such as: "
        "storm curate --config c/1/config.toml --shard 2/3 --out DIR"
    )


def test_a_shard_that_is_there_twice_is_an_error(runs):
    shutil.copytree(runs / "c/2", runs / "again")
    assert refused(["c", "again"]) == "c/2 and again are both shard 2/3; give one of them"


def test_shards_of_different_runs_are_an_error_with_the_first_difference(runs):
    curate(config(runs, 2, seed=5, max_interventions=2), runs / "other", reasoner=FakeReasoner(direct))
    assert refused(["c/1", "other", "c/3"]) == (
        "c/1 and other have different settings (seed: 0 -> 5); merge the shards of one run"
    )
    assert refused(["c/1", "e/2", "c/3"]) == (
        "c/1 and e/2 are a curation and an evaluation; merge the shards of one run"
    )
    curate(replace(config(runs), shard="4/4"), runs / "quarter", reasoner=FakeReasoner(direct))
    assert refused(["c", "quarter"]) == "c/1 and quarter are shards 1/3 and 4/4; merge the shards of one run"


def test_shards_of_other_problems_are_an_error_and_other_paths_are_not(runs):
    more = runs / "more.jsonl"
    write_problems(more, [workshop(10 + number) for number in range(9)])
    curate(replace(config(runs, 2), problems="more.jsonl"), runs / "other", reasoner=FakeReasoner(direct))
    assert refused(["c/1", "other", "c/3"]).startswith("c/1 and other have different settings (problems: ")
    write_problems(more, [workshop(10 + number) for number in range(8)])
    curate(replace(config(runs, 2), problems="more.jsonl", workers=2), runs / "same", reasoner=FakeReasoner(direct))
    merge_shards([runs / "c/1", runs / "same", runs / "c/3"], runs / "merged")
    assert curation_results(runs / "merged") == curation_results(runs / "single")


def test_other_numbers_of_samples_are_an_error_with_the_option_that_helps(runs):
    evaluate(config(runs, 2, EvalConfig, samples=2), runs / "e/2", resume=True, reasoner=FakeReasoner(direct))
    assert refused(["e"]) == (
        "e/1 and e/2 have different settings (samples: 1 -> 2); "
        "make them equal, such as with storm eval --out e/2 --resume --samples VALUE"
    )


def test_an_unfinished_shard_is_named_with_what_is_missing_and_its_command(runs):
    edit(runs / "c/2/episodes.jsonl", lambda lines: lines.pop(0))
    (runs / "c/2/summary.json").unlink()
    total = count(runs, 2)
    assert refused(["c"]) == (
        f"not finished: c/2 (1 of {total} problems missing). Resume it with: storm curate --out c/2 --resume"
    )
    (runs / "c/3/summary.json").unlink()
    assert refused(["c"]) == (
        f"not finished: c/2 (1 of {total} problems missing), "
        f"c/3 (all {count(runs, 3)} problems are done, but the run did not end). "
        "Resume each, such as with: storm curate --out c/2 --resume"
    )
    for number in (2, 3):
        curate(config(runs, number), runs / f"c/{number}", resume=True, reasoner=FakeReasoner(direct))
    merge_shards([runs / "c"], runs / "merged")
    assert curation_results(runs / "merged") == curation_results(runs / "single")


def test_a_shard_whose_reasoner_failed_is_not_finished(runs):
    def failing(hours, hints, outputs):
        if hours == 10:
            raise ReasonerError("the server is down")
        return direct(hours, hints, outputs)

    number = next(n for n in range(1, COUNT + 1) if Shard(number=n, count=COUNT).holds("workshop-10"))
    own = runs / f"c/{number}"
    shutil.rmtree(own)
    assert curate(config(runs, number), own, reasoner=FakeReasoner(failing)).errors == 1
    assert refused(["c"]).startswith(f"not finished: {own} (1 of {count(runs, number)} problems missing)")


@pytest.mark.parametrize("change", [lambda lines: lines.pop(), lambda lines: lines.append(lines[0]), list.reverse])
def test_missing_doubled_and_reordered_records_are_found(runs, change):
    edit(runs / "c/1/episodes.jsonl", change)
    assert refused(["c"]).startswith("not finished: c/1 (")


def test_positions_that_do_not_fit_together_are_an_error(runs):
    def shift(lines):
        for place, line in enumerate(lines):
            data = json.loads(line)
            lines[place] = json.dumps({**data, "position": data["position"] + 1}) + "\n"

    edit(runs / "c/1/shard.jsonl", shift)
    assert "shard.jsonl" in (message := refused(["c"]))
    assert "--resume" in message
    # Resuming writes the file anew.
    curate(config(runs, 1), runs / "c/1", resume=True)
    merge_shards([runs / "c"], runs / "merged")


def test_a_shard_in_use_is_not_merged(runs):
    with (runs / "c/2/.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert refused(["c"]) == "c/2: another process curates into it; wait for it"
    (runs / "c/2/.lock").unlink()
    merge_shards([runs / "c"], runs / "merged")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("single", "single: made without --shard, so there is nothing to merge; give folders of"),
        ("nowhere", "nowhere: no such folder; give folders of storm curate --shard or storm eval --shard"),
        ("problems.jsonl", "problems.jsonl: not a folder; give folders of"),
        ("empty", "empty: has no shards in it; give folders of"),
    ],
)
def test_anything_else_than_shards_is_an_error(runs, path, message):
    (runs / "empty").mkdir()
    assert refused([path]).startswith(message)


def test_nothing_is_overwritten(runs):
    (runs / "mine").mkdir()
    (runs / "mine/kept.txt").write_text("mine")
    assert refused(["c"], "mine") == "mine: exists already; choose another --out"
    assert refused(["c"], "problems.jsonl") == "problems.jsonl: exists already; choose another --out"
    assert refused(["c"], "single") == "single: exists already; choose another --out"
    (runs / "empty").mkdir()
    merge_shards([runs / "c"], runs / "empty")
    merge_shards([runs / "c"], runs / "new/folder")
    assert curation_results(runs / "empty") == curation_results(runs / "new/folder")


def test_a_crash_leaves_nothing_that_looks_like_a_run(runs, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(merging, "summarize", crash)
        with pytest.raises(KeyboardInterrupt):
            merge_shards([runs / "c"], runs / "merged")
    assert not (runs / "merged").exists()
    # As `kill -9` leaves it.
    (runs / "merged.1.part").mkdir()
    shutil.copy(runs / "c/1/config.toml", runs / "merged.1.part")
    merge_shards([runs / "c"], runs / "merged")
    assert curation_results(runs / "merged") == curation_results(runs / "single")


def test_a_shard_without_problems_finishes_and_is_merged(runs):
    write_problems(runs / "two.jsonl", [workshop(10), workshop(11)])
    for kind, work, name in ((CurateConfig, curate, "curated"), (EvalConfig, evaluate, "evaluated")):
        whole = kind(problems="two.jsonl", minimum_isolation="limits")
        work(whole, runs / name, reasoner=FakeReasoner(direct))
        for number in range(1, 7):
            work(replace(whole, shard=f"{number}/6"), runs / f"{name}-6" / str(number), reasoner=FakeReasoner(direct))
        merge_shards([runs / f"{name}-6"], runs / f"{name}-merged")
    assert curation_results(runs / "curated-merged") == curation_results(runs / "curated")
    results = [json.loads((runs / name / "results.json").read_text()) for name in ("evaluated", "evaluated-merged")]
    assert without_measurements(results[0]) == without_measurements(results[1])


def test_each_reply_of_an_llm_intervener_is_merged_once(runs):
    replies = {1: ["a", "b"], 3: ["b", "c"]}
    for number, keys in replies.items():
        lines = [json.dumps({"key": key, "text": f"of {key}"}) + "\n" for key in keys]
        (runs / f"c/{number}/intervener_replies.jsonl").write_text("".join(lines))
    merge_shards([runs / "c"], runs / "merged")
    lines = (runs / "merged/intervener_replies.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == ["a", "b", "c"]


def test_shards_whose_models_had_other_prompts_are_an_error(runs):
    for number, instructions in ((1, "Be brief."), (3, "Be thorough.")):
        write_prompt_format(runs / f"c/{number}", PromptFormat(instructions=instructions))
    message = refused(["c"])
    assert "c/1/prompt_format.json" in message
    assert "c/3/prompt_format.json" in message
    write_prompt_format(runs / "c/3", PromptFormat(instructions="Be brief."))
    merge_shards([runs / "c"], runs / "merged")
    assert read_prompt_format(runs / "merged") == PromptFormat(instructions="Be brief.")


def test_test_sets_are_scored_under_all_their_releases_without_their_files(tmp_path):
    def write(name, rows):
        lines = [json.dumps({"question": workshop(hours).question, "answer": label}) for hours, label in rows]
        (tmp_path / "data" / name).write_text("\n".join(lines) + "\n")

    (tmp_path / "data").mkdir()
    write("industryor.jsonl", [(hours, 3 * hours) for hours in range(10, 16)] + [(20, "unknown")])
    write("optimind_industryor.jsonl", [(10, 30), (11, 34)])
    whole = EvalConfig(
        benchmark=("industryor",), data_dir=str(tmp_path / "data"), release=("original", "optimind"),
        minimum_isolation="limits",
    )  # fmt: skip
    single = evaluate(whole, tmp_path / "single", reasoner=FakeReasoner(direct))
    assert (single.unread_labels, single.problems) == (1, 6)
    for number in (1, 2):
        part = replace(whole, shard=f"{number}/2")
        evaluate(part, tmp_path / "parts" / str(number), reasoner=FakeReasoner(direct))
    shutil.rmtree(tmp_path / "data")
    merged = merge_shards([tmp_path / "parts"], tmp_path / "merged")
    assert without_measurements(results_to_json(merged)) == without_measurements(results_to_json(single))
