"""Export problems as Harbor tasks: folders with an instruction, an environment and a hidden verifier.

write_tasks(Path("tasks"), problems)

tasks/mix-1/task.toml                 limits, the files that the verifier gets, and labels
tasks/mix-1/instruction.md            the question, and where to write the answer
tasks/mix-1/environment/Dockerfile    Python, the solver libraries and the problem's data files
tasks/mix-1/tests/                    the accepted answers and `verifier.py`; the agent never sees them
"""

from storm_calm.rl.datasets.harbor.task_folder import task_files, task_names, write_tasks

__all__ = ["task_files", "task_names", "write_tasks"]
