"""The arguments of the tools; the field docstrings are what an agent reads about them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_FILES = 20
"""Files that a program gets, and files that it gives back."""

Id = Annotated[str, Field(max_length=100)]
Solve = Annotated[int, Field(ge=0, le=1_000_000)]


class Arguments(BaseModel):
    """Arguments of a tool. Unknown ones are rejected, since ignoring them would change what the caller meant."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid", frozen=True, allow_inf_nan=False)


class FileArguments(Arguments):
    """Files for a program."""

    files: Annotated[dict[str, str], Field(max_length=MAX_FILES)] = {}
    """Text files for the program's working directory, by name, such as {"orders.csv": "item,count\\nbolt,5\\n"}."""
    paths: Annotated[list[str], Field(max_length=MAX_FILES)] = []
    """Files of the server's machine to copy there, by path. Only under the folders that the server was started with
    (--root); a relative path is looked for in each of them."""


class ProgramArguments(FileArguments):
    """A program to run."""

    code: str
    """A complete Python program. It has pulp, ortools, highspy, pyscipopt, cvxpy, pyomo, scipy, numpy, pandas and
    networkx, and no network. Name variables and constraints: the names appear in checks, what-ifs and exports."""
    outputs: Annotated[list[str], Field(max_length=MAX_FILES)] = []
    """Names of files that the program writes into its working directory and that you want to read as resources."""


class RunProgram(ProgramArguments):
    """Arguments of `run_program`."""

    session: Id = ""
    """Empty: a process of its own. "new": open a session, in which later programs see the variables and files of the
    earlier ones. An ID that an earlier call returned: continue that session."""
    seconds: Annotated[float, Field(ge=0)] = 0.0
    """Time limit of the program; 0 for the server's default. At most 25: use `submit` for more."""


class Submit(ProgramArguments):
    """Arguments of `submit`."""

    seconds: Annotated[float, Field(ge=0)] = 0.0
    """Time limit of the program; 0 for the longest that the server allows."""


class JobArguments(Arguments):
    """A job."""

    job_id: Id
    """The ID that `submit`, `run_program` or `ask` returned."""


class Status(JobArguments):
    """Arguments of `status`."""

    wait_seconds: Annotated[float, Field(ge=0, le=20)] = 10.0
    """Wait up to this long for the job to end or its message to change."""


class RecordArguments(Arguments):
    """A recorded solve."""

    record_id: Id
    """The `record_id` of a run."""
    solve: Solve = 0
    """Which solve of the run, counted from 1; 0 for the last."""


class CheckPlan(RecordArguments):
    """Arguments of `check_plan`."""

    plan: dict[str, Annotated[float, Field(ge=-1e15, le=1e15)]] = {}
    """Empty: check the solver's own plan. Else a plan of yours, by the names of the variables; those left out are 0.
    It is checked against the recorded model: whether it keeps all limits, and its objective."""


class ModelChangeArguments(Arguments):
    """A change of the recorded model."""

    kind: Literal["row_upper", "row_lower", "upper", "lower", "cost", "coefficient"]
    """row_upper, row_lower: the limit of a constraint. upper, lower: the bound of a variable. cost: its coefficient in
    the objective. coefficient: its coefficient in a constraint."""
    name: Annotated[str, Field(max_length=1000)]
    """The constraint or variable, by the program's name."""
    value: float | None
    """The new number; null removes a limit."""
    variable: Annotated[str, Field(max_length=1000)] = ""
    """Only for kind coefficient: the variable in the constraint."""


class WhatIf(RecordArguments):
    """Arguments of `what_if`."""

    changes: Annotated[list[ModelChangeArguments], Field(min_length=1, max_length=1000)]
    """The changes; all are made together."""


class ExportModel(RecordArguments):
    """Arguments of `export_model`."""

    format: Literal["mps", "lp", "csv", "xlsx"]
    """mps, lp: the model, for other solvers (CP-SAT models: the text of their protocol buffer). csv, xlsx: the plan."""


class Ask(FileArguments):
    """Arguments of `ask`."""

    question: Annotated[str, Field(min_length=1, max_length=1_000_000)]
    """The whole problem in words, with all its numbers or with files that have them: decisions, limits, objective."""
