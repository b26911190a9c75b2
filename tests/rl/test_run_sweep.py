"""Running a sweep: stages run once, survive Ctrl-C and kill -9, and fail alone.

Curation, mixtures and evaluations are real; the training commands are stubs.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from storm_calm.rl.reproduce.stage_records import read_record
from storm_calm.rl.sweep.run_sweep import SweepFailedError, SweepRequest, plan_sweep, read_request, sweep
from storm_calm.rl.sweep.sweep_config import SweepConfig
from support.fake_sweep import calls, swept, training_stubs

pytestmark = pytest.mark.slow

TINY = SweepConfig(problems=12, golden=2, sft_steps=1, grpo_steps=1, heldout=2)


def request(*studies, seeds=(3,), config=TINY):
    return SweepRequest(config=config, studies=studies or ("rollouts",), seeds=seeds, quick=True)


@pytest.fixture
def stubs(tmp_path, monkeypatch):
    return training_stubs(tmp_path / "stubs", monkeypatch)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Run a quick study. Return its folder, progress reports and commands."""
    folder = tmp_path_factory.mktemp("made")
    reports, evaluations = [], []
    with pytest.MonkeyPatch.context() as patch:
        scripts = training_stubs(folder / "stubs", patch)
        sweep(
            request(), folder / "out", on_progress=reports.append, on_evaluation=lambda: evaluations.append(reports[-1])
        )
    return folder / "out", reports, evaluations, calls(scripts)


@pytest.fixture
def out(made, tmp_path):
    """Return a copy that tests may change."""
    shutil.copytree(made[0], tmp_path / "out")
    return tmp_path / "out"


def test_every_stage_leaves_its_result_and_a_record(made):
    out, reports, evaluations, _ = made
    plan = plan_sweep(request(), out)
    assert plan.left == ()
    assert all(read_record(job.folder, job.name).sessions == 1 for job in plan.jobs)
    finished = [one.stage for one in reports if one.finished]
    assert finished == [job.name for job in plan.jobs]
    assert [one.stage for one in evaluations] == [name for name in finished if name.startswith("eval-")]
    assert read_request(out) == request()
    facts = json.loads((out / "seed-3" / "mix-reference" / "sft.json").read_text())
    assert (facts["trajectories"], facts["flawed"]) == (2, 0)


def test_the_commands_that_ran_are_those_of_the_plan(made):
    out, _, _, called = made
    planned = [stage.words[1:] for stage in plan_sweep(request(), out).stages.values() if stage.words[0] == "storm"]
    assert [tuple(call) for call in called] == planned


def test_finished_stages_are_not_run_again(out, stubs):
    sweep(request(), out)
    assert calls(stubs) == []


def test_another_study_reuses_the_shared_stages(out, stubs):
    sweep(request("executions"), out)
    assert [call[:2] for call in calls(stubs)] == [["train", "grpo"], ["eval", "--families"]]
    assert read_request(out).studies == ("rollouts", "executions")


def test_error_for_a_changed_size_names_it_before_any_run(out, stubs):
    changed = SweepConfig(problems=12, golden=2, sft_steps=1, grpo_steps=5, heldout=2)
    with pytest.raises(ValueError, match=r"made with other settings \(grpo_steps: 1 -> 5\); choose another --out"):
        sweep(request(config=changed), out)
    assert calls(stubs) == []


def test_error_for_a_stage_of_another_version_names_its_setting(out, stubs, monkeypatch):
    monkeypatch.setattr("storm_calm.rl.sweep.sweep_stages.RESPONSE_TOKENS", 256)
    with pytest.raises(
        ValueError,
        match=r"stage grpo-reference is finished with other settings \(data.max_response_length: 512 -> 256",
    ):
        sweep(request(), out)


def test_a_failed_stage_stops_only_the_models_that_need_it(out, stubs):
    (stubs / "fail").write_text("sft-golden-10")
    failures = []
    config = SweepConfig(problems=24, golden=2, sft_steps=1, grpo_steps=1, heldout=2)
    out = out.with_name("other")
    with pytest.raises(SweepFailedError) as caught:
        sweep(request("golden", "executions", config=config), out, on_failure=failures.append)
    assert failures == [str(caught.value).partition("; 1 stages that need them did not run")[0]]
    assert failures[0].startswith("stage sft-golden-10 of seed 3 failed: storm: training ended early")
    assert str(out / "seed-3" / "stages" / "sft-golden-10.err") in failures[0]
    left = [job.name for job in plan_sweep(request("golden", "executions", config=config), out).left]
    assert left == ["sft-golden-10", "eval-sft-golden-10"]
    (stubs / "fail").unlink()
    sweep(request("golden", "executions", config=config), out)
    assert read_record(out / "seed-3", "sft-golden-10").sessions == 2


SCRIPT = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from storm_calm.rl.sweep import sweep_stages
from storm_calm.rl.sweep.run_sweep import SweepRequest, sweep
from storm_calm.rl.sweep.sweep_config import SweepConfig
sweep_stages.STORM = {storm!r}
config = SweepConfig(problems=12, golden=2, sft_steps=1, grpo_steps=1, heldout=2)
sweep(SweepRequest(config=config, studies=("executions",), seeds=(3,), quick=True), Path({out!r}))
"""


def begun(out, stubs, tmp_path):
    """Start a sweep in a process of its own. Return it and the waiting command, once its training waits."""
    from storm_calm.rl.sweep import sweep_stages

    (stubs / "stop").write_text("grpo-executions-1")
    script = SCRIPT.format(path=sys.path, storm=sweep_stages.STORM, out=str(out))
    process = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stderr=subprocess.PIPE)
    while not (stubs / "pid").exists() or not (stubs / "pid").read_text():
        assert process.poll() is None, process.stderr.read()
    return process, psutil.Process(int((stubs / "pid").read_text()))


def test_ctrl_c_stops_the_running_command_and_leaves_nothing_behind(out, stubs, tmp_path):
    process, command = begun(out, stubs, tmp_path)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) != 0
    assert not command.is_running()
    assert (stubs / "interrupted").exists()
    assert not list(out.glob("seed-3/stages/*.pid"))
    (stubs / "stop").unlink()
    sweep(request("executions"), out)
    assert read_record(out / "seed-3", "grpo-executions-1").sessions == 2


def test_after_kill_9_the_next_call_stops_the_orphan_and_resumes(out, stubs, tmp_path):
    process, command = begun(out, stubs, tmp_path)
    process.kill()
    process.wait(60)
    assert command.is_running()
    assert [file.name for file in out.glob("seed-3/stages/*.pid")] == ["grpo-executions-1.pid"]
    (stubs / "stop").unlink()
    sweep(request("executions"), out)
    assert not command.is_running() or command.status() == psutil.STATUS_ZOMBIE
    assert (stubs / "interrupted").exists()
    assert plan_sweep(request("executions"), out).left == ()
    assert not list(out.glob("seed-3/stages/*.pid"))


def test_a_mixture_that_was_killed_after_its_file_is_made_again(out, stubs):
    record = out / "seed-3" / "stages" / "mix-reference.json"
    data = json.loads(record.read_text())
    record.write_text(json.dumps({**data, "finished": False}))
    before = (out / "seed-3" / "mix-reference" / "sft.parquet").read_bytes()
    sweep(request(), out)
    assert read_record(out / "seed-3", "mix-reference").sessions == 2
    assert (out / "seed-3" / "mix-reference" / "sft.parquet").read_bytes() == before


def test_two_sweeps_cannot_run_in_one_folder(out, stubs, tmp_path):
    process, _ = begun(out, stubs, tmp_path)
    with pytest.raises(ValueError, match="another process sweeps into it; wait for it, or choose another --out"):
        sweep(request("executions"), out)
    os.kill(process.pid, signal.SIGINT)
    process.wait(60)


def test_a_folder_with_other_files_is_an_error(tmp_path, stubs):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text.tex").touch()
    with pytest.raises(ValueError, match="holds something else than a sweep; choose another --out"):
        sweep(request(), tmp_path / "thesis")


def test_error_for_an_invalid_file_of_the_sweep_names_it(out):
    (out / "sweep.json").write_text("{}")
    with pytest.raises(ValueError, match=r"sweep\.json: not the file of a sweep"):
        read_request(out)


def test_the_time_left_comes_from_finished_stages(tmp_path):
    full = SweepConfig()
    finished = swept(tmp_path / "out", studies=("golden",), config=full)
    wanted = SweepRequest(config=full, studies=("golden", "executions"), seeds=(0,))
    plan = plan_sweep(wanted, finished)
    typical = sum(job.typical_seconds for job in plan.left if job.kind != "eval")
    evaluations = [job for job in plan.jobs if job.kind == "eval"]
    own = sum(10 * job.typical_seconds for job in plan.left if job.kind == "eval")
    # Stages took ten times as long as usual.
    assert plan.seconds_left == pytest.approx(10 * typical + own, rel=0.01)
    assert {Path(job.result).name for job in evaluations} == {"results.json"}
