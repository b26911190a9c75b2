"""Runs on a real Ray cluster equal those on one machine, also with a killed node, a killed driver and faults."""

import io
import json
import shutil
import signal
import subprocess
import sys
import time

import pytest
import ray
from ray.cluster_utils import Cluster
from ray.data._internal.planner.planner import Planner

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.run_curation import curate
from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.run_evaluation import evaluate
from storm_calm.agents.ray.cluster import ActorSize, RayRunError, check_shared
from storm_calm.agents.ray.jobs import key_of_attempt
from storm_calm.agents.ray.pool import RayPool
from storm_calm.agents.ray.rows import RayFolder
from storm_calm.env import write_problems
from support.bags import bag_settings, write_bags
from support.fake_completions_server import FakeCompletionsServer
from support.fake_reasoner import direct, workshop
from support.measurements import curation_results, without_measurements

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

COUNT = 16
UNLUCKY = 13
"""The hours of the workshop about which the server fails."""


@pytest.fixture(scope="module")
def cluster():
    """Start a cluster of two nodes, whose head runs no programs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        quick = {"health_check_period_ms": 500, "health_check_failure_threshold": 20, "worker_niceness": 0}
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 80 << 20, "_system_config": quick}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            join(cluster)
            join(cluster)
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


def join(cluster):
    return cluster.add_node(num_cpus=1, object_store_memory=80 << 20)


@pytest.fixture(scope="module")
def bags(tmp_path_factory):
    """Return a folder with problems, and their curation on one machine."""
    folder = tmp_path_factory.mktemp("bags")
    write_bags(folder, COUNT, seconds=0.2)
    curate(CurateConfig(**bag_settings(folder)), folder / "single")
    return folder


def command(bags, cluster, out):
    """Return the command line of a curation on the cluster."""
    storm = [sys.executable, "-c", "from storm_calm.cli.start import main; main()"]
    options = [f"--{name.replace('_', '-')}={value}" for name, value in bag_settings(bags).items()]
    return [
        *storm,
        "curate",
        *options,
        "--workers=1",
        "--on=ray",
        f"--address={cluster.address}",
        f"--out={out}",
        "--resume",
    ]


def records_of(out):
    file = out / "episodes.jsonl"
    return file.read_text().splitlines() if file.exists() else []


def skipped_jobs(out):
    """Return the jobs that Ray Data must skip."""
    jobs = map(json.loads, RayFolder.of(out).jobs.read_text().splitlines())
    return [key_of_attempt(job["id"]) for job in jobs if "job" not in job]


def wait_for_records(process, out, count):
    wait_until(lambda: len(records_of(out)) >= count, process)


def wait_until(condition, process):
    while not condition():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)


def test_a_lost_node_costs_no_problem_and_the_records_are_those_of_one_machine(bags, cluster, tmp_path):
    lost = []

    def on_progress(progress):
        if progress.done >= 3 and not lost:
            lost.append(cluster.worker_nodes.copy().pop())
            cluster.remove_node(lost[0], allow_graceful=False)
            join(cluster)

    pool = RayPool(cluster.address)
    config = CurateConfig(**bag_settings(bags), workers=1)
    summary = curate(config, tmp_path / "ray", pool=pool, on_progress=on_progress)
    assert lost
    assert (summary.problems, summary.errors) == (COUNT, 0)
    assert curation_results(tmp_path / "ray") == curation_results(bags / "single")
    assert {file.name for file in (tmp_path / "ray").iterdir()} == {file.name for file in (bags / "single").iterdir()}


def test_a_killed_driver_resumes_on_ray_and_on_one_machine(bags, cluster, tmp_path):
    out, config = tmp_path / "ray", CurateConfig(**bag_settings(bags))
    arguments = command(bags, cluster, out)
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as driver:
        wait_for_records(driver, out, 2)
        driver.kill()
    shutil.copytree(out, tmp_path / "one")
    # Terminated by a scheduler, it says how to resume.
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as driver:
        wait_until(lambda: skipped_jobs(out), driver)
        wait_for_records(driver, out, len(records_of(out)) + 1)
        driver.send_signal(signal.SIGTERM)
        message = driver.communicate()[1]
        assert driver.returncode == 130
    assert f"Resume with: storm curate --out {out} --resume --on ray --address {cluster.address}" in message
    curate(config, out, resume=True, pool=RayPool(cluster.address))
    assert curation_results(out) == curation_results(bags / "single")
    curate(config, tmp_path / "one", resume=True)
    assert curation_results(tmp_path / "one") == curation_results(bags / "single")
    assert not RayFolder.of(tmp_path / "one").path.exists()


class UnluckyServer(FakeCompletionsServer):
    """A server that rejects requests about one problem, while `unlucky` is True."""

    unlucky = True

    def _handler(self):
        server, base = self, super()._handler()

        class Handler(base):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if server.unlucky and f"has {UNLUCKY} hours" in json.loads(body)["prompt"]:
                    return self.answer(400, "application/json", json.dumps({"error": {"message": "unlucky"}}))
                self.rfile = io.BytesIO(body)
                return super().do_POST()

        return Handler


def test_a_fault_is_a_row_and_is_retried_by_resume(cluster, tmp_path):
    write_problems(tmp_path / "problems.jsonl", [workshop(10 + number) for number in range(6)])
    with UnluckyServer(direct) as server:
        config = EvalConfig(
            problems=str(tmp_path / "problems.jsonl"), reasoner=server.url, samples=2, minimum_isolation="limits"
        )
        pool = RayPool(cluster.address)
        messages = []
        results = evaluate(config, tmp_path / "ray", pool=pool, on_progress=lambda now: messages.append(now.last_error))
        assert (results.errors, results.scored) == (2, 10)
        assert "unlucky" in messages[-1]
        server.unlucky = False
        evaluate(config, tmp_path / "ray", pool=pool, resume=True)
        evaluate(config, tmp_path / "single")
    assert samples_in(tmp_path / "ray") == samples_in(tmp_path / "single")


def samples_in(out):
    return [without_measurements(json.loads(line)) for line in (out / "samples.jsonl").read_text().splitlines()]


def test_a_plan_that_ray_data_does_not_checkpoint_is_an_error_before_any_work(bags, cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(Planner, "_check_supports_checkpointing", lambda self, logical_plan: False)
    with pytest.raises(RayRunError, match="Ray Data has no checkpoints for this plan"):
        curate(CurateConfig(**bag_settings(bags)), tmp_path / "ray", pool=RayPool(cluster.address))
    assert not records_of(tmp_path / "ray")


def test_a_node_without_the_run_folder_is_named(tmp_path):
    folder = RayFolder.of(tmp_path)
    with pytest.raises(RayRunError, match=r"does not have the run folder .* under the same path"):
        check_shared(folder, "token of another machine")


def test_two_actors_share_a_node_and_its_problems_in_flight():
    size = ActorSize.of([8.0, 8.0, 2.0, 8.0], workers=6)
    assert (size.processors, size.in_flight, size.actors) == (4, 3, 6)
    assert ActorSize.of([1.0, 1.0], workers=4) == ActorSize(processors=1, in_flight=4, actors=2)
