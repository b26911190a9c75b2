"""Run verifiers as a user does, and read what it records."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import verifiers.v1 as vf
from verifiers.v1.cli.eval.runner import run_eval
from verifiers.v1.configs.cli.eval import EvalConfig

from storm_calm.env.records import episode_from_json


def run_command(name, *arguments, folder):
    """Run a command of verifiers in `folder`, which is also its home, and return its output."""
    command = [str(Path(sys.executable).parent / name), *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PRIME_")}
    environment |= {"HOME": str(folder), "POLICY_KEY": "none"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def evaluate(url, *options, folder):
    """Run `vf-eval` against a model server and return the traces."""
    output = run_command(
        "vf-eval", "storm_verifiers", "-m", "storm", "--no-push", "--no-rich", "-o", "runs", "--run.name", "run",
        "--client.base-url", url, "--client.api-key-var", "POLICY_KEY", *options, folder=folder,
    )  # fmt: skip
    lines = (folder / "runs" / "run" / "traces.jsonl").read_text(encoding="utf-8").splitlines()
    traces = [trace for line in lines for trace in json.loads(line)["traces"]]
    assert traces, output
    return traces


def evaluate_here(url, count, folder, **env):
    """Do the same as `vf-eval` in this process. env: the options `--env.*`."""
    config = EvalConfig.model_validate(
        {
            "env": vf.resolve_env_config(env),
            "model": "storm",
            "client": {"base_url": url, "api_key_var": "POLICY_KEY"},
            "select": {"limit": count},
            "push": False,
            "rich": None,
            "output_dir": folder,
        }
    )
    episodes = asyncio.run(run_eval(config))
    return [trace.model_dump(mode="json", exclude_none=True) for episode in episodes for trace in episode.traces]


def reward(trace):
    """Return the reward that verifiers recorded."""
    assert not trace.get("errors"), trace["errors"]
    (given,) = trace["rewards"].values()
    return given["score"] * given["weight"]


def episode(trace):
    """Return the episode in a trace."""
    return episode_from_json(trace["info"]["storm"]["episode"])
