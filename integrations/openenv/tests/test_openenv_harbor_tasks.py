"""`storm export --format harbor`: OpenEnv serves the tasks."""

from openenv.harbor.tasks import HarborTaskProvider, has_symlinks

from storm_calm.env import write_problems
from storm_calm.env.problems.families import generate
from storm_calm.rl.datasets import ExportConfig, export


def test_openenv_reads_exported_tasks(tmp_path):
    problems = list(generate(["knapsack"], split="train", seed=1, limit=3))
    write_problems(tmp_path / "problems.jsonl", problems)
    export(ExportConfig(source=tmp_path / "problems.jsonl", format="harbor", out=tmp_path / "tasks"))
    dataset = str(tmp_path / "tasks")
    tasks = HarborTaskProvider([dataset]).list_tasks(dataset)
    by_name = {task["task_name"]: task["instruction"] for task in tasks}
    assert by_name.keys() == {problem.id for problem in problems}
    assert all(by_name[problem.id].startswith(problem.question) for problem in problems)
    assert all(has_symlinks(tmp_path / "tasks" / problem.id) == [] for problem in problems)
