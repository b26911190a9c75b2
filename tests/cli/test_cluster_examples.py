"""The examples for clusters: their commands start, resume and merge shards, and their files are complete."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from storm_calm.agents.runs.shard import Shard
from support.measurements import curation_results

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "cluster"
SHARDS = 2


def job_in(name):
    """Return the Job in a Kubernetes file."""
    (job,) = (one for one in yaml.safe_load_all((EXAMPLES / name).read_text()) if one["kind"] == "Job")
    return job


def container_in(name):
    (container,) = job_in(name)["spec"]["template"]["spec"]["containers"]
    return container


def task_in(name):
    """Return the task in a SkyPilot file."""
    return yaml.safe_load((EXAMPLES / name).read_text())


def in_shell(container):
    return [*container["command"], *container["args"]]


SYSTEMS = {
    "slurm": (
        ["bash", str(EXAMPLES / "slurm_curate.sh")],
        ["bash", str(EXAMPLES / "slurm_merge.sh")],
        lambda number: {"SLURM_ARRAY_TASK_ID": str(number), "SLURM_CPUS_PER_TASK": "2"},
    ),
    "kubernetes": (
        in_shell(container_in("kubernetes_curate.yaml")),
        in_shell(container_in("kubernetes_merge.yaml")),
        lambda number: {"JOB_COMPLETION_INDEX": str(number - 1)},
    ),
    "skypilot": (
        ["bash", "-c", task_in("skypilot_curate.yaml")["run"]],
        ["bash", "-c", task_in("skypilot_merge.yaml")["run"]],
        lambda number: {"SHARD": str(number)},
    ),
}
"""For each system the command of a shard, the command that merges, and the environment of a shard from its number."""


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_commands_start_resume_and_merge_shards(system, tmp_path):
    shard, merge, variables = SYSTEMS[system]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("STORM", "PYTEST", "SLURM"))},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "SHARDS": str(SHARDS),
        "RUN": str(tmp_path / "big"),
        "LIMIT": "3",
    }

    def call(command, **more):
        options = {"capture_output": True, "text": True, "check": False, "cwd": tmp_path}
        return subprocess.run(command, env=environment | more, **options)

    first = call(shard, **variables(1))
    assert first.returncode == 0, first.stderr
    refused = call(merge)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "1 of 2 shards is missing: 2/2" in refused.stderr
    # A system may start any shard again.
    for number in (1, 2):
        again = call(shard, **variables(number))
        assert again.returncode == 0, again.stderr
    merged = call(merge)
    assert merged.returncode == 0, merged.stderr
    lines, summary = curation_results(tmp_path / "big" / "merged")
    assert (summary["problems"], len(lines["episodes.jsonl"])) == (3, 3)


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.sh")), ids=lambda path: path.name)
def test_scripts_are_valid_and_directives_come_before_commands(script):
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    lines = script.read_text().splitlines()
    assert lines[0] == "#!/bin/bash"
    # Slurm reads no directive after the first command.
    first = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
    assert lines[first] == "set -euo pipefail"
    assert not any(line.startswith("#SBATCH") for line in lines[first:])


def test_the_shards_of_every_system_are_numbered_in_the_same_way():
    script = (EXAMPLES / "slurm_curate.sh").read_text()
    assert "#SBATCH --array=1-8\n" in script
    assert "SHARDS=${SHARDS:-8}" in script
    spec = job_in("kubernetes_curate.yaml")["spec"]
    variables = {one["name"]: one["value"] for one in container_in("kubernetes_curate.yaml")["env"]}
    assert (spec["completionMode"], spec["completions"], variables["SHARDS"]) == ("Indexed", 8, "8")
    envs = task_in("skypilot_curate.yaml")["envs"]
    assert Shard.parse(f"{envs['SHARD']}/{envs['SHARDS']}") == Shard(number=1, count=8)


@pytest.mark.parametrize("name", ["kubernetes_curate.yaml", "kubernetes_merge.yaml"])
def test_jobs_have_the_fields_that_kubernetes_requires(name):
    job = job_in(name)
    pod = job["spec"]["template"]["spec"]
    assert (job["apiVersion"], bool(job["metadata"]["name"])) == ("batch/v1", True)
    # Needed for backoffLimitPerIndex and podFailurePolicy.
    assert pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}
    assert all(isinstance(one["value"], str) for one in container["env"])
    for rule in job["spec"].get("podFailurePolicy", {}).get("rules", ()):
        assert rule.get("onExitCodes", {}).get("containerName", container["name"]) == container["name"]


@pytest.mark.parametrize("name", ["skypilot_curate.yaml", "skypilot_merge.yaml"])
def test_tasks_write_into_the_bucket_that_they_mount(name):
    task = task_in(name)
    ((place, bucket),) = task["file_mounts"].items()
    assert task["envs"]["RUN"].startswith(f"{place}/")
    # Records are appended, which a plain mount of a bucket cannot do.
    assert bucket["mode"] == "MOUNT_CACHED"
