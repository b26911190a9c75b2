"""Finished episodes with one program, its solver reports and an answer, built without a model or a sandbox."""

from storm_calm.env import Episode, Problem, Span, Transcript
from storm_calm.sandbox import Execution, SolverReport

QUESTION = "A bag holds 82 g. A rope has 31 g and earns 30. Which profit is the largest?"
CODE = """from solver import Model
m = Model()
w = [31]
p = [30]
m.add(sum(w) <= 82)
m.maximize(sum(p))
m.solve()
print(m.objective)"""


def report(status="optimal", objective=None, **fields):
    """Return a report of a solve with three integer variables."""
    values = {"library": "ortools.cp_model", "solver": "CP-SAT", "sense": "maximize", "integer": 3, "constraints": 1}
    return SolverReport(**values | {"status": status, "objective": objective} | fields)


def answered(answer, *, code=CODE, reports=(), stdout="30\n", question=QUESTION, prose="", **execution):
    """Return an episode with one program and this answer. code: None for an answer without a program."""
    spans = [Span(source="prompt", text="<|im_start|>")]
    executions = []
    if code is not None:
        values = {"status": "ok", "exit_code": 0, "isolation": "full", "backend": "local"}
        executions = [Execution(code=code, stdout=stdout, reports=tuple(reports), **values | execution)]
        spans += [
            Span(source="model", text=f"Let me use code.\n```python\n{code}\n```\n", finish="stop"),
            Span(source="tool", text=f"```output\n{stdout}```\n"),
        ]
    spans.append(Span(source="model", text=f"{prose}</think>\\boxed{{{answer}}}", finish="end"))
    problem = Problem(id="p", question=question, answers=())
    return Episode(
        problem=problem, transcript=Transcript(spans=tuple(spans)), executions=tuple(executions), stop="answer"
    )
