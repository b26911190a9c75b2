"""`storm export --format harbor`: TRL reads the tasks."""

from pathlib import Path

from trl.experimental.harbor import HarborSpec

from storm_calm.env import write_problems
from storm_calm.env.problems.families import generate
from storm_calm.rl.datasets import ExportConfig, export


def test_trl_reads_exported_tasks_and_no_answers(tmp_path):
    problems = list(generate(["knapsack"], split="train", seed=1, limit=3))
    write_problems(tmp_path / "problems.jsonl", problems)
    export(ExportConfig(source=tmp_path / "problems.jsonl", format="harbor", out=tmp_path / "tasks"))
    rows = HarborSpec(str(tmp_path / "tasks")).train_dataset
    assert sorted(Path(row["task_dir"]).name for row in rows) == sorted(problem.id for problem in problems)
    assert {row["gold_answer"] for row in rows} == {None}
    assert all((Path(row["task_dir"]) / "environment" / "Dockerfile").is_file() for row in rows)
