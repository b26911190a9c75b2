"""`--max-cost` and `--estimate` of `storm curate` and `storm eval`, with servers whose answers vary in length."""

import json
import random

import pytest

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.job_costs import read_job_costs
from storm_calm.agents.curation.records import run_records
from storm_calm.agents.runs.estimate import estimate
from storm_calm.agents.runs.run_cost import read_cost
from storm_calm.env import write_problems
from support.fake_completions_server import FakeCompletionsServer
from support.fake_intervener_server import FakeIntervenerServer
from support.fake_reasoner import THOUGHT, direct, workshop

pytestmark = pytest.mark.slow

COUNT = 48


def varying(hours, hints, outputs):
    """A role whose thoughts differ in length by a factor of more than 10."""
    sentences = int(40 * random.Random(hours).lognormvariate(-2, 0.8))
    thoughts = "".join(f"Step {number} of {hours}: {THOUGHT}" for number in range(sentences))
    return ("" if outputs else thoughts) + direct(hours, hints, outputs)


@pytest.fixture(scope="module")
def server():
    with FakeCompletionsServer(varying) as opened:
        yield opened


@pytest.fixture
def file(tmp_path):
    write_problems(tmp_path / "problems.jsonl", [workshop(10 + number) for number in range(COUNT)])
    return tmp_path / "problems.jsonl"


def options(file, server, **more):
    words = {"problems": file, "reasoner": server.url, "minimum-isolation": "limits", "price": "1,4", **more}
    return [word for name, value in words.items() for word in (f"--{name}", value)]


def test_the_estimate_from_a_sample_covers_the_cost_of_the_whole_run(storm, file, server, tmp_path):
    arguments = options(file, server, estimate=20, out=tmp_path / "run", workers=6)
    sampled = storm("curate", *arguments, "--gpus", 2, "--gpu-price", 3, "--json")
    assert sampled.exit_code == 0
    found = json.loads(sampled.stdout)
    assert (found["jobs"], found["sample"]) == (COUNT, 20)
    paid = {record.id: record.at_seconds for record in run_records(tmp_path / "run")}
    assert len(paid) == 20
    asked = len(server.asked)

    # Again: nothing runs twice.
    again = storm("curate", "--out", tmp_path / "run", "--resume", "--estimate", 20)
    assert len(server.asked) == asked
    assert "Estimate for 48 problems from 20, with 6 workers" in again.stdout
    assert f"Run the rest with: storm curate --out {tmp_path / 'run'} --resume" in again.stdout

    assert storm("curate", "--out", tmp_path / "run", "--resume").exit_code == 0
    records = list(run_records(tmp_path / "run"))
    assert len(records) == COUNT
    assert paid.items() <= {record.id: record.at_seconds for record in records}.items()

    config = CurateConfig(problems=str(file), reasoner=server.url, price="1,4")
    costs = read_job_costs(config, tmp_path / "run", {record.id for record in records})
    whole = {
        "input_tokens": sum(cost.input_tokens for cost in costs),
        "output_tokens": sum(cost.output_tokens for cost in costs),
    }
    for name, total in whole.items():
        assert found[name]["low"] <= total <= found[name]["high"]
    assert sum(cost.price for cost in costs) == pytest.approx(read_cost(tmp_path / "run"), abs=1e-5)

    # Of samples of the same run, most cover.
    draw = random.Random(1)
    covered = 0
    for _ in range(200):
        figure = estimate(draw.sample(costs, 20), total=COUNT, workers=6).output_tokens
        covered += figure.low <= whole["output_tokens"] <= figure.high
    assert covered > 170


def test_a_run_stops_at_its_cost_limit_and_continues_with_a_larger_one(storm, file, server, tmp_path):
    run = tmp_path / "run"
    stopped = storm("curate", *options(file, server, out=run, workers=2), "--max-cost", 0.01)
    assert stopped.exit_code == 3
    assert "problems by http" in stopped.stdout
    assert "--max-cost 0.01 is reached: the run has cost 0.01" in stopped.stderr
    assert f"Continue with: storm curate --out {run} --resume --max-cost 0.02" in stopped.stderr
    done = len(list(run_records(run)))
    assert 2 < done < COUNT
    # At most the problems in flight cost more.
    assert 0.01 <= read_cost(run) < 0.02
    assert len(json.loads((run / "summary.json").read_text())["by_family"]) == 1

    asked = len(server.asked)
    assert storm("curate", "--out", run, "--resume").exit_code == 3
    assert len(server.asked) == asked

    assert storm("curate", "--out", run, "--resume", "--max-cost", 50).exit_code == 0
    assert len(list(run_records(run))) == COUNT


def test_the_cost_of_the_intervener_counts(storm, file, server, tmp_path, monkeypatch):
    monkeypatch.setenv("STORM_INTERVENER_KEY", "sk-secret-of-the-intervener")
    with FakeIntervenerServer() as intervener:
        arguments = options(file, server, out=tmp_path / "run", limit=8, workers=1, intervener="llm")
        priced = ["--intervener-url", intervener.url, "--intervener-price", "100,100", "--max-cost", 0.2]
        stopped = storm("curate", *arguments, *priced)
    assert stopped.exit_code == 3
    assert len(list(run_records(tmp_path / "run"))) < 8
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"sk-secret" in path.read_bytes()]


def test_an_evaluation_has_the_same_options(storm, file, server, tmp_path):
    run = tmp_path / "run"
    sampled = storm("eval", *options(file, server, out=run, estimate=4, limit=6), "--samples", 2)
    assert sampled.exit_code == 0
    assert "Estimate for 12 trajectories from 4" in sampled.stdout
    stopped = storm("eval", "--out", run, "--resume", "--max-cost", 0.001)
    assert (stopped.exit_code, "8 trajectories are not started" in stopped.stderr) == (3, True)
    assert storm("eval", "--out", run, "--resume", "--max-cost", 10).exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--max-cost", 5], "--max-cost: needs the prices of tokens, such as --price 1.25,10"),
        (["--max-cost", 0, "--price", "1,1"], "--max-cost: 0.0 is not a number above 0"),
        (["--estimate", 1], "--estimate: 1 is not a whole number of at least 2"),
        (["--gpus", 2], "--gpus: goes with --estimate"),
        (["--estimate", 5, "--gpu-price", 0], "--gpu-price: 0.0 is not a price above 0"),
        (["--rpm", 0], "--rpm: 0 is not a whole number of at least 1"),
    ],
)
def test_wrong_options_are_errors(storm, words, message, tmp_path):
    result = storm("curate", "--families", "easy", *words, "--out", tmp_path / "run")
    assert (result.exit_code, message in result.stderr) == (2, True), result.stderr
    assert not (tmp_path / "run").exists()


def test_a_merged_run_has_the_cost_of_all_shards(storm, file, server, tmp_path):
    for number in (1, 2):
        shard = ["--limit", 6, "--shard", f"{number}/2"]
        assert storm("curate", *options(file, server, out=tmp_path / f"shards/{number}"), *shard).exit_code == 0
    assert storm("merge", tmp_path / "shards", "--out", tmp_path / "merged").exit_code == 0
    costs = [read_cost(tmp_path / name) for name in ("shards/1", "shards/2", "merged")]
    assert costs[0] > 0 < costs[1]
    assert sum(costs[:2]) == pytest.approx(costs[2])
