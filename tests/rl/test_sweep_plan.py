"""The plan of a sweep: studies, points and stages, of which equal ones are shared."""

from dataclasses import replace

import pytest

from storm_calm.rl.compose import compose
from storm_calm.rl.rollout.rewards import RewardSettings
from storm_calm.rl.sweep.run_sweep import SweepRequest, plan_sweep
from storm_calm.rl.sweep.studies import REWARDS, ROLLOUTS, make_studies, reference_model
from storm_calm.rl.sweep.sweep_config import QUICK, SweepConfig
from storm_calm.rl.sweep.sweep_stages import BATCH, model_stages

CONFIG = SweepConfig()
STUDIES = make_studies(CONFIG)


def plan(out, *studies, seeds=(0,), config=CONFIG, quick=False):
    return plan_sweep(SweepRequest(config=config, studies=studies or tuple(STUDIES), seeds=seeds, quick=quick), out)


def values(name):
    return [point.value for point in STUDIES[name].points]


def test_the_studies_cover_the_open_thresholds():
    assert values("hints") == [0, 4, 8, 15, 20, 30, 40]
    assert sorted(set(values("flawed"))) == [0, 10, 20, 30, 50]
    assert values("golden") == [10, 30, 112, 270, 540]
    assert values("rollouts") == [2, 4, 8, 16]
    assert values("executions") == [1, 2, 4, 8]
    assert [point.label for point in STUDIES["rewards"].points] == list(REWARDS)


def test_every_study_has_the_reference_model():
    for study in STUDIES.values():
        models = {point.model.name for point in study.points}
        # The study of the text before hints needs trajectories with hints alone.
        own = {"sft-hints-all"} if study.name == "before_hints" else set()
        assert models & {"sft-reference", "grpo-reference", *own}
        assert "grpo-reference" in models or study.name in ("hints", "before_hints", "golden")


def test_equal_stages_run_once(tmp_path):
    found = plan(tmp_path)
    names = [job.name for job in found.jobs]
    assert len(names) == len(set(names))
    counts = {kind: sum(job.kind == kind for job in found.jobs) for kind in ("curate", "mix", "sft", "grpo", "eval")}
    # 7 + 1 + 5 + 5 mixtures, of which the reference is in three studies; GRPO 3 + 4 + 4 + 6, reference in each.
    assert counts == {"curate": 1, "mix": 16, "sft": 16, "grpo": 14, "eval": 31}
    assert found.unshared > 2 * len(found.jobs)
    assert len(plan(tmp_path, seeds=(0, 1, 2)).jobs) == 3 * len(names)


def test_all_grpo_of_the_settings_studies_starts_from_the_same_sft_model(tmp_path):
    found = plan(tmp_path, "rollouts", "executions", "rewards")
    assert [job.name for job in found.jobs if job.kind == "sft"] == ["sft-reference"]
    assert {stage.needs for stage in found.stages.values() if stage.kind == "grpo"} == {("sft-reference",)}


def test_a_stage_comes_after_all_that_it_needs(tmp_path):
    found = plan(tmp_path)
    names = [job.name for job in found.jobs]
    for name in names:
        for need in found.stages[0, name].needs:
            assert names.index(need) < names.index(name)


def test_every_sft_has_equally_many_steps_and_trajectories_per_step():
    commands = [
        model_stages(point.model, CONFIG, 0)[2].settings
        for name in ("hints", "before_hints", "flawed", "golden")
        for point in STUDIES[name].points
    ]
    assert {one["trainer.total_training_steps"] for one in commands} == {str(CONFIG.sft_steps)}
    assert {one["data.train_batch_size"] for one in commands} == {str(BATCH)}
    # An epoch has at least a step, so these epochs are enough for the steps.
    assert {one["trainer.total_epochs"] for one in commands} == {str(CONFIG.sft_steps)}


def test_every_grpo_step_has_equally_many_rollouts():
    for study in ("flawed", "rollouts", "executions", "rewards"):
        for point in STUDIES[study].points:
            if point.model.grpo is None:
                continue
            command = model_stages(point.model, CONFIG, 0)[3].settings
            assert int(command["actor_rollout_ref.rollout.n"]) * int(command["data.train_batch_size"]) == ROLLOUTS


def test_every_evaluation_has_the_same_problems_and_sampling(tmp_path):
    found = plan(tmp_path, seeds=(0, 7))
    fixed = ("--families", "--split", "--limit", "--seed")
    assert len({tuple(job.settings[name] for name in fixed) for job in found.jobs if job.kind == "eval"}) == 1


def test_commands_are_valid_settings_of_the_trainers():
    for study in STUDIES.values():
        for point in study.points:
            for stage in model_stages(point.model, CONFIG, 0):
                changed = [word for word in stage.words if "=" in word]
                if stage.kind in ("sft", "grpo"):
                    config = compose(f"{stage.kind}_nano_cpu", ["storm.out=out", *changed])
                    if stage.kind == "grpo":
                        length = config.data.max_response_length
                        RewardSettings.of(config.storm.reward, response_length=length)


def test_each_reward_variant_adds_one_component():
    for name, settings in REWARDS.items():
        assert set(settings) - {"soft_limit"} == (set() if name == "0/1" else {name})


def test_commands_have_paths_relative_to_the_folder_of_the_sweep(tmp_path):
    (curate, mixture, sft, evaluation) = model_stages(reference_model(CONFIG), CONFIG, 3)
    assert curate.command == (
        "storm curate --families all --split train --limit 600 --seed 3 --reasoner nano-base --out seed-3/curate "
        "--resume"
    )
    assert mixture.command == (
        "python -m storm_calm.rl.sweep.sft_mixtures seed-3/curate --count 112 --seed 3 "
        "--out seed-3/mix-reference/sft.parquet"
    )
    assert "--data seed-3/mix-reference/sft.parquet --out seed-3/sft-reference data.train_batch_size=8" in sft.command
    assert "--reasoner seed-3/sft-reference/nano --out seed-3/eval-sft-reference" in evaluation.command


def test_a_quick_sweep_has_the_reference_and_an_extreme_value_of_each_study(tmp_path):
    studies = make_studies(QUICK, quick=True)
    assert {name: len(study.points) for name, study in studies.items()} == {
        "hints": 4, "before_hints": 2, "flawed": 4, "golden": 2, "rollouts": 2, "executions": 2, "rewards": 6,
    }  # fmt: skip
    assert len(plan(tmp_path, config=QUICK, quick=True).jobs) < 45


def test_a_plan_estimates_hours_and_writes_nothing(tmp_path):
    found = plan(tmp_path / "out", seeds=(0,))
    assert 0.5 < found.seconds_left / 3600 < 3
    assert found.left == found.jobs
    assert not (tmp_path / "out").exists()


def test_error_for_an_unknown_study_has_the_known_ones():
    with pytest.raises(ValueError, match="unknown study 'hint'; known: hints, before_hints, flawed, golden, rollouts"):
        SweepRequest(config=CONFIG, studies=("hint",), seeds=(0,))


def test_another_reference_size_is_a_point_of_the_study_of_the_number():
    points = make_studies(replace(CONFIG, golden=50))["golden"].points
    assert [point.value for point in points] == [10, 30, 50, 270, 540]
    assert points[2].model.name == "sft-reference"
