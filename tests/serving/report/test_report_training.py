"""The page of a GRPO run: rollouts with rewards and advantages, and the learning curve, also during training."""

import json
import re

import numpy as np
import pytest

from storm_calm.agents.evaluation.samples import read_samples
from storm_calm.agents.runs.rollout_record import Rollout, RolloutRecord, rollout_to_json, step_file
from storm_calm.env import score
from storm_calm.env.loss_mask import loss_mask
from storm_calm.rl.rollout.rewards import RewardSettings, compute_reward
from storm_calm.serving.report import open_run, write_report
from storm_calm.serving.report.live_server import LiveIndex
from storm_calm.serving.report.report_page import facts
from support.browser_pages import expect
from support.report_server import Served

pytestmark = pytest.mark.slow

CONFIG = """
actor_rollout_ref: {model: {path: /models/nano/base}, rollout: {n: 2}}
algorithm: {adv_estimator: grpo, norm_adv_by_std_in_grpo: true}
data: {train_batch_size: 3, max_response_length: 700}
storm: {families: [all], seed: 0, keep_rollouts: %d, reward: {format: 0.1, length: 0.2, plan: 0.0}}
trainer: {total_training_steps: 9}
"""
SETTINGS = RewardSettings(format=0.1, length=0.2, soft_limit=100, response_length=700)


@pytest.fixture(scope="session")
def rollouts(evaluated):
    """Return rollouts of two steps with three groups of two each: episodes of the nano model with shaped rewards."""
    records = []
    for place, sample in enumerate(read_samples(evaluated / "samples.jsonl")):
        episode, scored = sample.episode, score(sample.episode)
        start = len(episode.transcript.spans[0].ids)
        ids, mask = list(episode.transcript.ids[start:]), list(loss_mask(episode.transcript, "rl")[start:])
        records.append(
            RolloutRecord(
                step=1 + place // 6,
                group=f"{place // 2}0123456-group",
                session=place % 2,
                score=scored,
                reward=compute_reward(episode, scored, None, [], SETTINGS).to_dict(),
                rollout=Rollout(
                    prompt_ids=list(episode.transcript.ids[:start]),
                    response_ids=ids,
                    mask=mask,
                    logprobs=[0.0] * len(ids),
                ),
                episode=episode,
            )
        )
    return records


@pytest.fixture
def run(tmp_path):
    """Return the folder of a training that has just started."""
    folder = tmp_path / "grpo"
    (folder / "rollouts").mkdir(parents=True)
    (folder / "metrics").mkdir()
    (folder / "config.yaml").write_text(CONFIG % 1)
    return folder


def add(folder, record, *, end="\n"):
    with step_file(folder, record.step).open("a") as file:
        file.write(json.dumps(rollout_to_json(record)) + end)


def measure(folder, step, accuracy, *, session=1):
    data = {
        "storm/accuracy": accuracy,
        "critic/score/mean": accuracy + 0.1,
        "storm/model_tokens": 200,
        "storm/executions": 1,
    }
    parts = {"storm/reward/total": accuracy + 0.1, "storm/reward/format": 0.1, "storm/reward/plan": 0.0}
    with (folder / "metrics" / f"{session:03d}.jsonl").open("a") as file:
        file.write(json.dumps({"step": step, "data": data | parts}) + "\n")


def rows(index):
    _, found, failure = index.since(0, "")
    return [row[0] for row in found], failure


def advantages(records):
    """Return the advantage of each record by GRPO's formula."""
    found = []
    for record in records:
        group = [one.reward["total"] for one in records if one.group == record.group]
        found.append((record.reward["total"] - np.mean(group)) / (np.std(group, ddof=1) + 1e-6))
    return found


def test_rollouts_appear_as_files_and_lines_are_added(run, rollouts):
    index = LiveIndex(open_run(run))
    assert rows(index) == ([], "")
    add(run, rollouts[0])
    add(run, rollouts[6])
    stamp, found, failure = index.since(0, "")
    assert ([row[0].split("/")[0] for row in found], failure) == (["1", "2"], "")
    # Steps may finish out of order, and the last line may be incomplete.
    add(run, rollouts[1])
    line = json.dumps(rollout_to_json(rollouts[7]))
    with step_file(run, 2).open("a") as file:
        file.write(line[:200])
    same, found, failure = index.since(2, stamp)
    assert (same, [row[0].split("/")[-1] for row in found], failure) == (stamp, ["1"], "")
    with step_file(run, 2).open("a") as file:
        file.write(line[200:] + "\n")
    same, found, failure = index.since(3, stamp)
    assert (same, len(found), failure) == (stamp, 1, "")
    details = index.details(stamp, 0, 9)
    assert [one["reward"]["total"] for one in details] == [rollouts[place].reward["total"] for place in (0, 6, 1, 7)]


def test_an_invalid_rollout_is_an_error_with_its_file_and_line(run, rollouts):
    add(run, rollouts[0])
    with step_file(run, 1).open("a") as file:
        file.write("{}\n")
    with pytest.raises(ValueError, match=r"step-000001\.jsonl:2: not a record of this training: .*format_version"):
        write_report(open_run(run), run / "report.html")


def test_the_tokens_that_were_trained_on_are_those_of_the_mask(run, rollouts):
    add(run, rollouts[0])
    index = LiveIndex(open_run(run))
    stamp, _, _ = index.since(0, "")
    (details,) = index.details(stamp, 0, 1)
    spans = details["trajectory"]["spans"]
    assert sum(span["trained"] for span in spans) == sum(rollouts[0].rollout.mask) > 0
    assert all((span["trained"] == len(span["ids"])) == (span["source"] == "model") for span in spans)


def test_a_resumed_session_replaces_the_steps_after_its_first(run):
    for step, accuracy in ((1, 0.1), (2, 0.2), (3, 0.3)):
        measure(run, step, accuracy)
    opened = open_run(run)
    assert facts(opened)["curve"]["step"] == [1, 2, 3]
    assert not opened.finished
    measure(run, 3, 0.5, session=2)
    (run / "metrics.jsonl").write_text("")
    found = facts(opened)
    assert (found["curve"]["accuracy"], found["curve"]["parts"]) == ([0.1, 0.2, 0.5], {"format": [0.1, 0.1, 0.1]})
    assert found["finished"]
    assert found["settings"]["rollouts_per_problem"] == 2
    assert found["settings"]["reward_length"] == 0.2


def test_folders_that_are_not_grpo_runs_are_errors(run, tmp_path):
    with pytest.raises(ValueError, match="has no records yet; wait for the first, or use --serve"):
        write_report(open_run(run), run / "report.html")
    (run / "config.yaml").write_text("model: {path: x}")
    with pytest.raises(ValueError, match=r"nor config\.yaml of a GRPO run; give the --out of storm curate"):
        open_run(run)
    (run / "config.yaml").write_text("{")
    with pytest.raises(ValueError, match=r"config\.yaml: not YAML"):
        open_run(run)


def test_training_runs_are_not_compared(run, rollouts, evaluated):
    add(run, rollouts[0])
    with pytest.raises(ValueError, match="a training run; compare evaluations of its model"):
        write_report(open_run(run), run / "report.html", other=open_run(evaluated))


@pytest.mark.parametrize(
    ("every", "words"), [(0, "storm.keep_rollouts=0 keeps no rollouts"), (10, "keeps the rollouts of steps 10, 20")]
)
def test_without_kept_rollouts_the_page_has_the_curve_and_says_why(run, look, every, words):
    (run / "config.yaml").write_text(CONFIG % every)
    measure(run, 1, 0.25)
    measure(run, 2, 0.5)
    page = look(run)
    expect(page.locator(".card", has_text="Steps with rollouts")).to_contain_text(words)
    expect(page.locator(".curve", has_text="accuracy").locator("b")).to_have_text("50.0\u00a0%")
    assert page.locator(".curve polyline").first.get_attribute("points") == "0.00,38.00 100.00,2.00"


def test_the_list_sorts_and_filters_by_step_reward_advantage_and_length(run, rollouts, look):
    for record in rollouts:
        add(run, record)
    page = look(run, "#/episodes?sort=advantage")
    expected = sorted(range(len(rollouts)), key=lambda place: -advantages(rollouts)[place])
    cells = page.locator("table.episodes tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.children].map(cell => cell.textContent))"
    )
    assert [float(cell[5]) for cell in cells] == [
        pytest.approx(round(rollouts[place].reward["total"], 3)) for place in expected
    ]
    assert [float(cell[6]) for cell in cells] == [
        pytest.approx(advantages(rollouts)[place], abs=0.006) for place in expected
    ]
    for sort, key in (
        ("reward", lambda one: -one.reward["total"]),
        ("low", lambda one: one.reward["total"]),
        ("tokens", lambda one: -one.episode.usage.model_tokens),
        ("", lambda one: -one.step),
    ):
        page.select_option("#filter-sort", sort)
        expect(page.locator("a.open")).to_have_text([one.episode.problem.id for one in sorted(rollouts, key=key)])
    page.select_option("#filter-step", "2")
    page.select_option("#filter-advantage", "positive")
    positive = [
        one.episode.problem.id
        for one, above in zip(rollouts, advantages(rollouts), strict=True)
        if one.step == 2 and above > 0.005
    ]
    expect(page.locator("a.open")).to_have_text(positive)
    expect(page).to_have_url(re.compile("step=2&advantage=positive"))


def test_an_episode_has_its_reward_and_links_to_its_group(run, rollouts, look):
    for record in rollouts[:2]:
        add(run, record)
    first, second = rollouts[:2]
    page = look(run, f"#/episode/1%2F{first.episode.problem.id}%2F00123456%2F0")
    section = page.locator("section.reward")
    expect(section).to_contain_text(f"reward{round(first.reward['total'], 3):g}")
    expect(section).to_contain_text("(reward − mean of the group) / (standard deviation + 1e-6)")
    section.locator("a", has_text="rollout 2").click()
    expect(page.locator("h1 small")).to_have_text("rollout 2")
    expect(page.locator("section.reward")).to_contain_text(f"reward{round(second.reward['total'], 3):g}")


def test_a_group_that_is_completed_gets_its_advantages_while_an_episode_is_open(run, rollouts, page):
    add(run, rollouts[0])
    measure(run, 1, 0.25)
    with Served(run) as live:
        page.goto(f"{live.url}#/episode/1%2F{rollouts[0].episode.problem.id}%2F00123456%2F0")
        expect(page.locator("section.reward")).to_contain_text("The page has 1 of the 2 rollouts of this group")
        add(run, rollouts[1])
        expect(page.locator("section.reward a")).to_have_text(["rollout 2"])
        expect(page.locator("section.reward")).not_to_contain_text("The page has")
        page.goto(f"{live.url}#/")
        expect(page.locator(".tile").first).to_contain_text("1of 9")
        measure(run, 2, 0.5)
        expect(page.locator(".tile").first).to_contain_text("2of 9")
