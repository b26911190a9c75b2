"""Plans: what was solved, examined outside of the program's reach.

from storm_calm.env.plans import check, examine, read_records

record           reading the record of a solve
check            whether the plan keeps its model, has the reported objective, and is optimal
feasibility, cp_sat    objective and violations of a solution, recomputed
plan             the values of the variables
sensitivity      what binds and what it is worth
conflict         why a model is infeasible, and the cheapest change that helps
unbounded        why a model is unbounded
model_change     other limits, bounds, costs and coefficients
second_solver    solving again, also with changes
export           the model as MPS and LP
examination      all of these for one solve
explanation      the examination in sentences
plan_files       the files of a plan
words            constraints in words
solver_process, inside    solving recorded models in a process of the sandbox
"""

from storm_calm.env.plans.checks import Check, check, confirm
from storm_calm.env.plans.examination import Examination, examine
from storm_calm.env.plans.explanation import explain
from storm_calm.env.plans.plan import Plan, plan_of
from storm_calm.env.plans.record import RecordedSolve, read_records

__all__ = [
    "Check",
    "Examination",
    "Plan",
    "RecordedSolve",
    "check",
    "confirm",
    "examine",
    "explain",
    "plan_of",
    "read_records",
]
