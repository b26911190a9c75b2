"""Recorded solves outside of an answer, for the API's plan routes and the MCP server.

solve = last_solve(execution)
report = report_on(solve, sandbox)
changed = solve_with_changes(solve, changes, sandbox)
name, content = export_plan(solve, "mps", sandbox)

Everything here is stateless: a record is data of the caller, and as untrusted as the program that wrote it.
"""

from storm_calm.serving.plans.export import EXPORT_FORMATS, ExportedFile, ExportFormat, export_plan
from storm_calm.serving.plans.solves import (
    ChangedSolve,
    Difference,
    last_solve,
    read_record,
    record_data,
    report_on,
    solve_with_changes,
)

__all__ = [
    "EXPORT_FORMATS",
    "ChangedSolve",
    "Difference",
    "ExportFormat",
    "ExportedFile",
    "export_plan",
    "last_solve",
    "read_record",
    "record_data",
    "report_on",
    "solve_with_changes",
]
