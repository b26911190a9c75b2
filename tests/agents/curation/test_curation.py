"""A curation turns problems into records, stores them, and rejects changed settings."""

import itertools
import json
import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.records import read_records, record_from_json, record_to_json
from storm_calm.agents.curation.run_curation import curate
from storm_calm.agents.curation.summary import summarize
from storm_calm.agents.graphs.hint_share import hint_positions, hint_share
from storm_calm.agents.interveners import Cost, RejectedHint
from storm_calm.agents.runs.options import option_fields, to_toml
from storm_calm.agents.runs.worker_pool import TooManyFailuresError
from storm_calm.env import ReasonerError, Sampling, read_episodes, write_problems
from storm_calm.env.serialize import from_json, to_json
from support.fake_reasoner import FakeReasoner, by_hand, direct, mixed, stubborn, workshop
from support.measurements import curation_results

pytestmark = pytest.mark.slow


@pytest.fixture
def config(tmp_path):
    """Eight problems of two families."""
    problems = [workshop(10 + number, family=("chairs", "stools")[number % 2]) for number in range(8)]
    write_problems(tmp_path / "problems.jsonl", problems)
    return CurateConfig(problems=str(tmp_path / "problems.jsonl"), seed=7, minimum_isolation="limits")


def test_native_and_final_trajectories_are_stored_and_counted(config, tmp_path):
    summary = to_json(curate(config, tmp_path / "out", reasoner=FakeReasoner(mixed)))
    records = read_records(tmp_path / "out" / "episodes.jsonl")
    assert [record.id for record in records] == [f"workshop-{10 + number}" for number in range(8)]
    assert [record.native_correct for record in records] == [False, False, True, False] * 2
    assert [record.final_correct for record in records] == [True, False, True, True] * 2
    golden = read_episodes(tmp_path / "out" / "golden.jsonl")
    assert list(golden) == [record.episode for record in records if record.outcome == "golden"]
    shares = [hint_share(episode) for episode in golden]
    assert {name: summary[name] for name in ("problems", "native_correct", "final_correct", "corrected", "golden")} == {
        "problems": 8, "native_correct": 2, "final_correct": 6, "corrected": 4, "golden": 6,
    }  # fmt: skip
    assert summary["by_family"] == {
        "chairs": {"problems": 4, "native_correct": 2, "final_correct": 4, "golden": 4},
        "stools": {"problems": 4, "native_correct": 0, "final_correct": 2, "golden": 2},
    }
    assert summary["interventions"] == 4
    assert {name: count for name, count in summary["by_trigger"].items() if count} == {
        "manual_computation": 2,
        "solver_distrust": 2,
    }
    assert summary["discarded"] == {"wrong_answer": 2}
    assert summary["hint_token_share_mean"] == pytest.approx(sum(shares) / len(shares), abs=1e-6)
    assert summary["hint_token_share_max"] == pytest.approx(max(shares), abs=1e-6)
    positions = [position for episode in golden for position in hint_positions(episode)]
    assert len(positions) == summary["interventions"] == 4
    assert all(0 < position < 1 for position in positions)
    assert summary["hint_position_mean"] == pytest.approx(sum(positions) / len(positions), abs=1e-6)
    assert (summary["rejected_hints"], summary["cost"]["calls"]) == ({}, 0)
    assert summary["isolation"] in ("full", "landlock", "limits")
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == summary


class Drifting(FakeReasoner):
    """A reasoner that never repeats a text for the same seed, as a busy server does; it counts its characters."""

    def __init__(self, role):
        super().__init__(lambda *situation: f"Attempt {next(self.attempts)}. {role(*situation)}")
        self.attempts = itertools.count()
        self.written = 0

    def stream(self, *arguments, **options):
        for chunk in super().stream(*arguments, **options):
            self.written += len(chunk.text)
            yield chunk


def test_text_of_the_native_run_is_not_generated_again(config, tmp_path):
    reasoner = Drifting(direct)
    curate(config, tmp_path / "out", reasoner=reasoner)
    records = read_records(tmp_path / "out" / "episodes.jsonl")
    assert all(record.episode.transcript == record.native.transcript for record in records)
    assert reasoner.written == sum(record.native.usage.model_tokens for record in records) - len(records)


def test_each_record_has_hint_share_and_hint_positions(config, tmp_path):
    curate(config, tmp_path / "out", reasoner=FakeReasoner(mixed))
    for line in (tmp_path / "out" / "episodes.jsonl").read_text().splitlines():
        record = json.loads(line)
        spans = [span for span in record["episode"]["transcript"]["spans"] if span["source"] != "prompt"]
        length = sum(len(span["text"]) for span in spans)
        before = [
            sum(len(one["text"]) for one in spans[:n]) for n, span in enumerate(spans) if span["source"] == "hint"
        ]
        assert record["hint_positions"] == pytest.approx([start / length for start in before], abs=1e-6)
        usage = record["episode"]["usage"]
        written = usage["hint_tokens"] + usage["model_tokens"]
        assert record["hint_share"] == pytest.approx(usage["hint_tokens"] / written, abs=1e-6)


def test_rejected_hints_and_costs_are_stored_in_the_record(config, tmp_path):
    curate(replace(config, limit=1), tmp_path / "out", reasoner=FakeReasoner(direct))
    (record,) = read_records(tmp_path / "out" / "episodes.jsonl")
    rejected = RejectedHint(reason="answer", trigger="solver_distrust", text="Wait, it is 42.")
    more = replace(record, rejected_hints=(rejected,), cost=Cost(calls=3, cached=1, input_tokens=900, price=0.25))
    assert record_from_json(json.loads(json.dumps(record_to_json(more)))) == more
    summary = summarize(config, [more, more])
    assert summary.rejected_hints == {"answer": 2}
    assert (summary.cost.calls, summary.cost.price) == (6, 0.5)


def test_results_do_not_depend_on_the_number_of_workers(config, tmp_path):
    for workers in (1, 4):
        curate(replace(config, workers=workers), tmp_path / str(workers), reasoner=FakeReasoner(mixed))
    assert curation_results(tmp_path / "1") == curation_results(tmp_path / "4")


def test_resuming_a_finished_curation_returns_its_summary_without_the_reasoner(config, tmp_path):
    first = curate(config, tmp_path / "out", reasoner=FakeReasoner(mixed))
    kept = (tmp_path / "out" / "episodes.jsonl").read_bytes()
    assert curate(config, tmp_path / "out", resume=True, reasoner=None) == first
    assert (tmp_path / "out" / "episodes.jsonl").read_bytes() == kept


def test_a_folder_with_results_needs_resume(config, tmp_path):
    curate(config, tmp_path / "out", reasoner=FakeReasoner(mixed))
    with pytest.raises(ValueError, match=r"out: holds a run already \(8 of its problems done\); --resume it, or"):
        curate(config, tmp_path / "out", reasoner=FakeReasoner(mixed))


def test_error_for_changed_settings_lists_them(config, tmp_path):
    curate(config, tmp_path / "out", reasoner=FakeReasoner(mixed))
    other = replace(config, seed=8, reasoner="nano", temperature=0.5, workers=2)
    changes = "seed: 7 -> 8, reasoner: nano-base -> nano, temperature: not set -> 0.5"
    message = f"{tmp_path / 'out'}: made with other settings ({changes}); choose another --out, or use the old"
    with pytest.raises(ValueError, match=re.escape(message)):
        curate(other, tmp_path / "out", resume=True)


def test_a_changed_problem_file_is_detected(config, tmp_path):
    curate(config, tmp_path / "out", reasoner=FakeReasoner(mixed))
    write_problems(config.problems, [workshop(99)])
    with pytest.raises(ValueError, match=r"made with other settings \(problems_digest: \w+ -> \w+\)"):
        curate(config, tmp_path / "out", resume=True)


def test_the_problem_file_may_be_moved(config, tmp_path):
    first = curate(config, tmp_path / "out", reasoner=FakeReasoner(mixed))
    moved = Path(config.problems).rename(tmp_path / "moved.jsonl")
    assert curate(replace(config, problems=str(moved)), tmp_path / "out", resume=True) == first


def test_a_folder_with_other_files_is_left_unchanged(config, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("x")
    with pytest.raises(ValueError, match="holds something else than a curation"):
        curate(config, tmp_path / "out", reasoner=FakeReasoner(mixed))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_two_processes_do_not_share_a_folder(config, tmp_path):
    raised = []

    class Slow(FakeReasoner):
        def stream(self, *args, **settings):
            if not raised:
                with pytest.raises(ValueError, match="another process curates into it") as error:
                    curate(config, tmp_path / "out", resume=True, reasoner=FakeReasoner(direct))
                raised.append(error)
            return super().stream(*args, **settings)

    curate(replace(config, workers=1), tmp_path / "out", reasoner=Slow(direct))
    assert len(raised) == 1


class Failing(FakeReasoner):
    """A reasoner that fails for problems of these hours."""

    def __init__(self, role, *hours):
        super().__init__(role)
        self.hours = hours

    def stream(self, prompt, **settings):
        text = "".join(map(chr, prompt))
        if any(f"has {hours} hours" in text for hours in self.hours):
            raise ReasonerError("http://there answered 500")
        return super().stream(prompt, **settings)


def test_a_problem_with_a_reasoner_error_is_retried_on_resume(config, tmp_path):
    summary = curate(config, tmp_path / "out", reasoner=Failing(mixed, 11, 14))
    assert (summary.problems, summary.errors) == (6, 2)
    done = {record.id for record in read_records(tmp_path / "out" / "episodes.jsonl")}
    assert done.isdisjoint({"workshop-11", "workshop-14"})
    summary = curate(config, tmp_path / "out", resume=True, reasoner=FakeReasoner(mixed))
    assert (summary.problems, summary.errors) == (8, 0)
    curate(config, tmp_path / "whole", reasoner=FakeReasoner(mixed))
    assert curation_results(tmp_path / "out") == curation_results(tmp_path / "whole")


def test_curation_stops_after_several_consecutive_failures(config, tmp_path):
    with pytest.raises(TooManyFailuresError, match=r"5 problems failed one after another.* answered 500"):
        curate(config, tmp_path / "out", reasoner=Failing(mixed, *range(10, 18)))
    assert curate(config, tmp_path / "out", resume=True, reasoner=FakeReasoner(mixed)).problems == 8


def test_ctrl_c_keeps_finished_results(config, tmp_path):
    def interrupt(progress):
        if progress.done >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        curate(config, tmp_path / "out", reasoner=FakeReasoner(mixed, pause=0.05), on_progress=interrupt)
    done = [record.id for record in read_records(tmp_path / "out" / "episodes.jsonl")]
    assert 3 <= len(done) < 8
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("curate")]
    curate(config, tmp_path / "out", resume=True, reasoner=FakeReasoner(mixed))
    curate(config, tmp_path / "whole", reasoner=FakeReasoner(mixed))
    assert curation_results(tmp_path / "out") == curation_results(tmp_path / "whole")


def test_a_problem_with_a_sandbox_failure_is_not_scored_and_is_retried(config, tmp_path):
    out = tmp_path / "out"
    curate(config, out, reasoner=FakeReasoner(mixed))
    lines = [json.loads(line) for line in (out / "episodes.jsonl").read_text().splitlines()]
    broken = lines[2]
    broken["outcome"] = broken["episode"]["stop"] = "infrastructure"
    (out / "episodes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    record = read_records(out / "episodes.jsonl")[2]
    assert (record.failed, record.final_correct, record_to_json(record)["score"]["reward"]) == (True, False, None)
    assert curate(config, out, resume=True, reasoner=FakeReasoner(mixed)).discarded == {"wrong_answer": 2}
    curate(config, tmp_path / "whole", reasoner=FakeReasoner(mixed))
    assert curation_results(out) == curation_results(tmp_path / "whole")


def test_progress_reports_all_problems_and_outcomes(config, tmp_path):
    seen = []
    curate(config, tmp_path / "out", reasoner=FakeReasoner(mixed), on_progress=seen.append)
    last = seen[-1]
    assert (last.total, last.done) == (8, 8)
    assert last.counts == {"golden": 6, "corrected": 4, "discarded": 2}
    assert (last.elapsed_seconds > 0, last.seconds_left) == (True, 0)
    assert (last.in_flight, last.errors) == (0, 0)
    assert last.tokens_per_second > 0
    assert all(0 <= progress.in_flight <= 4 for progress in seen)


def test_limits_in_the_settings_take_effect(config, tmp_path):
    unhinted = curate(replace(config, max_interventions=0), tmp_path / "none", reasoner=FakeReasoner(by_hand))
    assert (unhinted.interventions, unhinted.final_correct) == (0, 0)
    strict = curate(replace(config, max_hint_share=0.0), tmp_path / "strict", reasoner=FakeReasoner(by_hand))
    assert strict.discarded == {"hint_share": 8}
    left = curate(replace(config, max_interventions=1), tmp_path / "left", reasoner=FakeReasoner(stubborn))
    assert (left.discarded, left.final_correct) == ({"finding_left": 8}, 8)


def test_temperature_and_seed_reach_the_reasoner(config, tmp_path):
    drawn = []

    class Listening(FakeReasoner):
        sampling = Sampling(temperature=0.9, top_p=0.8)

        def stream(self, *args, sampling, **settings):
            drawn.append(sampling)
            return super().stream(*args, sampling=sampling, **settings)

    curate(replace(config, temperature=0.25), tmp_path / "out", reasoner=Listening(direct))
    assert {(sampling.temperature, sampling.top_p) for sampling in drawn} == {(0.25, 0.8)}
    drawn.clear()
    curate(replace(config, top_p=1.0), tmp_path / "other", reasoner=Listening(direct))
    assert {(sampling.temperature, sampling.top_p) for sampling in drawn} == {(0.9, 1.0)}
    assert all(sampling.seed is not None for sampling in drawn)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "give a file of problems or families"),
        ({"problems": "a", "families": ("all",)}, "give a file of problems or families"),
        ({"families": ("all",), "split": "test"}, 'split: "test" is not one of'),
        ({"families": ("all",), "limit": 0}, "limit: 0 is not a"),
        ({"families": ("all",), "workers": 0}, "workers: 0 is not a"),
        ({"families": ("all",), "max_interventions": -1}, "max_interventions: -1 is not a"),
        ({"families": ("all",), "max_hint_share": 1.5}, "max_hint_share: 1.5 is not a"),
        ({"families": ("all",), "temperature": float("nan")}, "temperature: nan is not a"),
        ({"families": ("all",), "minimum_isolation": "none"}, 'minimum_isolation: "none" is not one of'),
    ],
)
def test_invalid_settings_are_errors(settings, message):
    with pytest.raises(ValueError, match=message):
        CurateConfig(**settings)


def test_settings_round_trip():
    config = CurateConfig(families=("diet", "covering"), limit=5, temperature=0.5)
    assert from_json(CurateConfig, to_toml(config)) == config
    assert "None" not in str(to_toml(config))


def test_every_setting_has_a_help_text():
    assert all(field.help.endswith(".") for field in option_fields(CurateConfig))
