"""Harbor tasks: the verifier's reward is ours, the agent cannot read the answers, and nothing is overwritten."""

import hashlib
import json
import os
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from storm_calm.env import (
    Episode,
    Inline,
    Output,
    Problem,
    SolverEnv,
    Span,
    Transcript,
    last_boxed,
    read_problems,
    score,
    write_problems,
)
from storm_calm.env.problem_line import read_problem
from storm_calm.env.problems.families import generate
from storm_calm.rl.datasets import ExportConfig, export
from storm_calm.rl.datasets.harbor import task_names, write_tasks
from storm_calm.rl.datasets.harbor.verifier import verify
from support.bag_workspace import write_bag

ANSWERS = (
    "{right}", "{right}", "{right}", "{wrong}", "infeasible", "about {right} or {wrong}", "\\text{{{right}}} EUR", "",
)  # fmt: skip
"""What the models of the transcripts put into the box, if they write one."""


def transcripts():
    """Yield 200 finished episodes on 40 problems of all families, with right, wrong and unreadable answers."""
    for problem in generate(["all"], split="train", seed=11, limit=40):
        right = problem.answers[0]
        wrong = 1.5 * right + 1 if isinstance(right, float) else 7
        for number in range(5):
            pattern = ANSWERS[(number + int(hashlib.sha256(problem.id.encode()).hexdigest(), 16)) % len(ANSWERS)]
            box = f"\\boxed{{{pattern.format(right=right, wrong=wrong)}}}" if pattern else "I do not know."
            spans = (Span(source="prompt", text="?"), Span(source="model", text=f"</think>\n{box}", finish="end"))
            stop = "answer" if pattern else "malformed"
            yield Episode(problem=problem, transcript=Transcript(spans=spans), stop=stop)


def problem_in(task):
    tests = task / "tests"
    return read_problem(json.loads((tests / "problem.json").read_text()), tests)


def run_verifier(task, folder):
    """Run a task's test script as its container does, and return its exit code, reward and details."""
    logs = folder.parent / f"{folder.name}-logs"
    environment = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", str(task / "tests" / "test.sh"), str(folder), str(logs)]
    code = subprocess.run(command, env=environment, capture_output=True, timeout=60).returncode
    reward = logs / "reward.json"
    details = json.loads((logs / "score.json").read_text()) if (logs / "score.json").exists() else None
    return code, json.loads(reward.read_text()) if reward.exists() else None, details


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def bag(tmp_path):
    """A function that exports a problem with data and a checker's program, and returns the problem and its task."""

    def bag(**options):
        source = tmp_path / "bag"
        source.mkdir()
        problem = read_problems(write_bag(source, **options))[0]
        write_tasks(tmp_path / "tasks", [problem])
        return problem, tmp_path / "tasks" / "bag"

    return bag


def left(tmp_path, **files):
    """Return a working directory with these files, `_` in their names for a dot."""
    folder = tmp_path / "workdir"
    folder.mkdir()
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_text(content)
    return folder


@pytest.mark.slow
def test_rewards_equal_ours_on_200_transcripts(tmp_path):
    episodes = list(transcripts())
    assert len(episodes) == 200
    problems = list({episode.problem.id: episode.problem for episode in episodes}.values())
    write_tasks(tmp_path / "tasks", problems)
    exported = {task.name: problem_in(task) for task in (tmp_path / "tasks").iterdir()}
    rewards = []
    for number, episode in enumerate(episodes):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        if episode.stop == "answer":
            (folder / "answer.txt").write_text(last_boxed(episode.transcript.model_text))
        result, ours = verify(exported[episode.problem.id], folder), score(episode)
        assert (result.reward, result.rule) == (ours.reward, ours.rule)
        rewards.append(result.reward)
    assert 40 < rewards.count(1.0) < 160


@pytest.mark.slow
def test_the_script_needs_only_the_files_of_the_task(tmp_path):
    problem = next(generate(["transportation"], split="train", seed=1, limit=1))
    write_tasks(tmp_path / "tasks", [problem])
    task = tmp_path / "tasks" / problem.id
    folder = left(tmp_path, answer_txt=f"{problem.answers[0]}\n")
    assert run_verifier(task, folder)[:2] == (0, {"reward": 1.0})
    # The same modules, and from nowhere else.
    code = (
        "import runpy, sys\nsys.argv = sys.argv[1:]\nsys.path.insert(0, sys.argv[0])\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\nexcept SystemExit: pass\n"
        "print(*{m.__file__ for n, m in sys.modules.items() if n.startswith('storm_calm')}, sep='\\n')"
    )
    archive = task / "tests" / "verifier.pyz"
    command = [sys.executable, "-I", "-c", code, str(archive), str(folder), str(tmp_path / "logs")]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert loaded
    assert [file for file in loaded if not file.startswith(str(archive))] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "plan", "reason"),
    [
        ("6", '{"take": ["camera", "radio"]}', "correct"),
        ("\\boxed{6}", '{"take": ["camera", "radio"]}', "correct"),
        ("6", '{"take": ["lamp"]}', "suboptimal_plan"),
        ("7", '{"take": ["lamp", "radio"]}', "infeasible_plan"),
        ("5", '{"take": ["camera", "radio"]}', "wrong_answer"),
        ("6", '{"take": ["piano"]}', "no_output"),
        ("6", None, "no_output"),
        ("infeasible", None, "wrong_answer"),
        (None, '{"take": ["camera", "radio"]}', "malformed"),
    ],
)
def test_a_plan_is_scored_as_the_environment_scores_it(bag, tmp_path, sandbox, answer, plan, reason):
    problem, task = bag()
    env = SolverEnv(sandbox, Renderer(), protocol=Inline())
    env.reset(problem)
    if plan is not None:
        env.step(f"```python\nopen('plan.json', 'w').write('''{plan}''')\n```\n")
    env.step(f"The answer is \\boxed{{{answer}}}." if answer else "I do not know.")
    ours = score(env.episode)
    files = {name: text for name, text in (("answer_txt", answer), ("plan_json", plan)) if text is not None}
    code, reward, details = run_verifier(task, left(tmp_path, **files))
    assert (code, reward["reward"], details["reason"]) == (0, ours.reward, ours.reason)
    assert details["reason"] == reason
    assert (details["feasible"], details["objective"]) == (ours.feasible, ours.objective)


@pytest.mark.slow
def test_a_failed_checker_gives_no_reward(bag, tmp_path):
    _, task = bag(check="raise SystemExit(3)\n")
    code, reward, details = run_verifier(task, left(tmp_path, answer_txt="6", plan_json='{"take": []}'))
    assert (code, reward, details["reward"], details["reason"]) == (1, None, None, "checker")


@pytest.mark.slow
@pytest.mark.parametrize("task", ["plan", "explain"])
def test_families_with_files_are_checked_by_our_functions(tmp_path, task):
    problem = next(
        generate(["transportation"], split="train", seed=2, limit=1, size=40, folder=tmp_path / "data", task=task)
    )
    write_tasks(tmp_path / "tasks", [problem])
    (exported,) = (tmp_path / "tasks").iterdir()
    assert files_of(exported / "environment" / "data") == {
        file.path: (Path(problem.folder) / file.path).read_bytes() for file in problem.files
    }
    output = problem.outputs[0].path.replace(".", "_")
    code, reward, details = run_verifier(exported, left(tmp_path, answer_txt="1", **{output: "{}"}))
    assert (code, reward) == (0, {"reward": 0.0})
    assert details["reason"] in ("no_output", "infeasible_plan")


def test_a_printed_object_is_asked_for_as_a_file(tmp_path):
    problem = Problem(id="printed", question="Which?", answers=(3.0,), outputs=(Output(path="-"),))
    write_tasks(tmp_path / "tasks", [problem])
    task = tmp_path / "tasks" / "printed"
    assert "write the result to the file stdout.json" in (task / "instruction.md").read_text()
    assert tomllib.loads((task / "task.toml").read_text())["artifacts"] == [
        "/workdir/answer.txt",
        "/workdir/stdout.json",
    ]
    folder = left(tmp_path, answer_txt="3", stdout_json='{"x": 3}')
    assert verify(problem_in(task), folder).reason == "correct"
    (folder / "stdout.json").unlink()
    assert verify(problem_in(task), folder).reason == "no_output"


def test_links_in_the_working_directory_are_not_followed(tmp_path):
    problem = Problem(id="p", question="How many?", answers=(42.0,))
    (tmp_path / "hidden").write_text("42")
    folder = left(tmp_path)
    (folder / "answer.txt").symlink_to(tmp_path / "hidden")
    assert verify(problem, folder).reason == "malformed"
    (folder / "answer.txt").unlink()
    os.link(tmp_path / "hidden", folder / "answer.txt")
    assert verify(problem, folder).reason == "malformed"


@pytest.mark.parametrize("answer", ["4" * 20_000, "```python\nopen('ran', 'w')\n```", "42} \\boxed{41", "\0"])
def test_an_odd_answer_is_read_and_never_run(tmp_path, answer):
    folder = left(tmp_path, answer_txt=answer)
    assert verify(Problem(id="p", question="How many?", answers=(42.0,)), folder).reward == 0.0
    assert not (folder / "ran").exists()


def test_the_agent_cannot_read_the_answers(bag):
    _, task = bag()
    seen = files_of(task / "environment") | {"instruction.md": (task / "instruction.md").read_bytes()}
    assert set(seen) == {"Dockerfile", "data/items.csv", "instruction.md"}
    hidden = files_of(task / "tests")
    assert set(hidden) == {"test.sh", "verifier.pyz", "problem.json", "data/items.csv", "data/check.py"}
    settings = tomllib.loads((task / "task.toml").read_text())
    assert settings["verifier"]["environment_mode"] == "separate"
    assert "answer" not in settings["metadata"]
    assert settings["artifacts"] == ["/workdir/answer.txt", "/workdir/plan.json"]
    assert "COPY data/ /workdir/" in (task / "environment" / "Dockerfile").read_text()


def test_the_image_has_what_programs_and_the_verifier_import(bag):
    _, task = bag()
    lines = (task / "environment" / "Dockerfile").read_text()
    for name in ("pulp", "ortools", "pyscipopt", "orjson", "pydantic", "jsonschema", "json-repair"):
        assert f"    '{name}" in lines
    assert "gurobipy" not in lines
    assert "pulp" in (task / "instruction.md").read_text()


def test_the_same_problems_give_the_same_bytes(tmp_path):
    problems = list(generate(["all"], split="train", seed=5, limit=6))
    write_tasks(tmp_path / "first", problems)
    write_tasks(tmp_path / "second", problems)
    assert files_of(tmp_path / "first") == files_of(tmp_path / "second")
    assert os.access(tmp_path / "first" / problems[0].id / "tests" / "test.sh", os.X_OK)


def test_names_are_allowed_by_harbor_and_distinct():
    names = list(task_names(["mix-1", "MIX-1", "a/b", "a b", "../..", "größe", "x" * 200]))
    assert names[0] == "mix-1"
    assert len({name.lower() for name in names}) == len(names)
    assert all(name.isascii() and ".." not in name and "/" not in name and len(name) <= 90 for name in names)


def test_export_writes_a_folder_beside_the_problems_and_never_overwrites_one(tmp_path):
    source = tmp_path / "problems.jsonl"
    write_problems(source, generate(["knapsack"], split="train", seed=1, limit=2))
    report = export(ExportConfig(source=source, format="harbor"))
    assert (report.rows, report.file, report.tokens) == (2, str(tmp_path / "problems.harbor"), None)
    assert sorted(task.name for task in (tmp_path / "problems.harbor").iterdir()) == sorted(
        problem.id for problem in read_problems(source)
    )
    before = files_of(tmp_path / "problems.harbor")
    with pytest.raises(ValueError, match=r"problems\.harbor: already exists; choose another --out"):
        export(ExportConfig(source=source, format="harbor"))
    assert files_of(tmp_path / "problems.harbor") == before


def test_an_unusable_problem_leaves_nothing_behind(tmp_path):
    good = Problem(id="good", question="How many?", answers=(1.0,))
    clash = replace(good, id="clash", outputs=(Output(path="answer.txt"),))
    with pytest.raises(ValueError, match=r"problem 'clash': answer\.txt is where the agent writes its answer"):
        write_tasks(tmp_path / "tasks", [good, clash])
    assert list(tmp_path.iterdir()) == []
    write_problems(tmp_path / "p.jsonl", [good, Problem(id="open", question="How many?", answers=(1.0,))])
    with pytest.raises(ValueError, match="max_tokens limits trajectories, but harbor has only prompts"):
        ExportConfig(source=tmp_path / "p.jsonl", format="harbor", max_tokens=9)


class Renderer:
    """Renders the question alone."""

    instructions = ""
    context = None
    hint_marks = ("", "")

    def render(self, messages):
        return messages[-1]["content"] + "\n"

    def encode(self, text):
        return None

    encode_marked = encode
