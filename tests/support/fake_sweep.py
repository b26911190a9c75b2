"""The folder of a sweep in the real file formats, generated without training, and stubs for the training commands."""

import json
import sys
from pathlib import Path

from storm_calm.agents.reasoners import built_in
from storm_calm.env.atomic_write import write_json
from storm_calm.env.serialize import to_json
from storm_calm.rl.reproduce.stage_records import StageRecord, write_record
from storm_calm.rl.sweep import sweep_stages
from storm_calm.rl.sweep.run_sweep import SweepRequest, plan_sweep, store_request
from storm_calm.rl.sweep.sft_mixtures import MixtureFacts, facts_file
from storm_calm.rl.sweep.studies import make_studies
from storm_calm.rl.sweep.sweep_config import SweepConfig
from support.fake_reproduction import PROBLEMS, evaluated

CONFIG = SweepConfig(heldout=len(PROBLEMS))

LIKE_THE_CLAIMS = {
    "base": 0.55,
    "sft-reference": 0.75,
    "sft-hints-none": 0.70,
    "sft-hints-all": 0.75,
    "sft-hints-all-masked": 0.76,
    "sft-hints-15": 0.74,
    "sft-hints-20": 0.65,
    "sft-hints-30": 0.55,
    "sft-hints-40": 0.40,
    "sft-flawed-10": 0.74,
    "sft-flawed-20": 0.65,
    "sft-flawed-30": 0.60,
    "sft-flawed-50": 0.50,
    "sft-golden-10": 0.60,
    "sft-golden-30": 0.70,
    "sft-golden-270": 0.76,
    "sft-golden-540": 0.76,
    "grpo-reference": 0.85,
    "grpo-flawed-20": 0.78,
    "grpo-flawed-50": 0.65,
    "grpo-rollouts-2": 0.80,
    "grpo-rollouts-8": 0.86,
    "grpo-rollouts-16": 0.82,
    "grpo-executions-1": 0.80,
    "grpo-executions-2": 0.84,
    "grpo-executions-8": 0.85,
    "grpo-rewards-plan": 0.86,
    "grpo-rewards-solver": 0.85,
    "grpo-rewards-format": 0.85,
    "grpo-rewards-length": 0.84,
    "grpo-rewards-process": 0.86,
}
"""Accuracies with which every claim holds."""


def swept(out, *, seeds=(0,), accuracies=LIKE_THE_CLAIMS, config=CONFIG, studies=None, without=()):
    """Write the folder of a sweep whose stages are all finished, except those of the models in `without`."""
    request = SweepRequest(config=config, studies=tuple(studies or make_studies(config)), seeds=tuple(seeds))
    out.mkdir(parents=True, exist_ok=True)
    for job in plan_sweep(request, out).jobs:
        model = job.name.removeprefix("eval-")
        if job.name.startswith("eval-") and model not in without:
            share = accuracies[model] + (0.02 * job.seed if model != "base" else 0.0)
            evaluated(job.folder, model, easy=share, complex=share)
        result = job.folder / job.result
        result.parent.mkdir(parents=True, exist_ok=True)
        result.touch()
        if model in without:
            result.unlink()
            continue
        if job.kind == "mix":
            write_json(facts_file(result), to_json(facts(job.settings)))
        write_record(
            job.folder,
            job.name,
            StageRecord(settings=job.settings, seconds=10.0 * job.typical_seconds, sessions=1, finished=True),
        )
    store_request(request, out)
    return out


def facts(settings):
    """Return what the mixture of a stage with these settings contains, a little less than requested."""
    count, flawed = int(settings["--count"]), float(settings.get("--flawed", 0))
    share = float(settings.get("--hint-tokens", 0)) or 0.08 * float(settings.get("--hinted", 0.5))
    share *= 0.99
    return MixtureFacts(
        trajectories=count,
        flawed=round(flawed * count),
        flawed_share=round(flawed * count) / count,
        hinted=count // 2,
        hint_tokens=round(1000 * share),
        model_tokens=round(1000 * (1 - share)),
        hint_share=share,
        learned_tokens=1000,
    )


STUB = """
import json, os, signal, shutil, sys, time
from pathlib import Path

here = Path({here!r})
with (here / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
if sys.argv[1] != "train":
    sys.argv[0] = "storm"
    from storm_calm.cli.start import main
    main()
    sys.exit()
out = Path(sys.argv[sys.argv.index("--out") + 1])
print("22 golden trajectories", flush=True)
if (here / "fail").exists() and (here / "fail").read_text() in str(out):
    sys.exit("storm: training ended early; the learning rate is a pear")
if (here / "stop").exists() and (here / "stop").read_text() in str(out):
    (here / "pid").write_text(str(os.getpid()))
    try:
        time.sleep(120)
    except KeyboardInterrupt:
        (here / "interrupted").touch()
        sys.exit("storm: stopped")
shutil.copytree({base!r}, out / "nano", dirs_exist_ok=True)
"""


def training_stubs(folder, monkeypatch):
    """Replace `storm train` by a stub whose trained model is the base model; other commands are real.

    Return the folder, in which the files "fail" and "stop" name the run folder for which it fails or waits.
    """
    folder.mkdir()
    script = folder / "storm_stub.py"
    script.write_text(STUB.format(here=str(folder), base=str(Path(built_in("nano-base")).resolve())))
    monkeypatch.setattr(sweep_stages, "STORM", (sys.executable, str(script)))
    return folder


def calls(folder):
    """Return the commands that ran, as lists of words."""
    file = folder / "calls.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
