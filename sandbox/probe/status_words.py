"""The words of every library for the result of a solve, translated to `SolveStatus`.

Each table is one enumeration of a library. It maps a value of the enumeration to the name of the constant and to our
status, and says where the values are documented. Tests compare the tables with the installed libraries.

The rules of the translation:

- A solver that cannot distinguish infeasible from unbounded is reported as infeasible. The solver has excluded a
  finite optimum, and the program's model is more often infeasible than unbounded.
- A status that means a stop, for whatever reason, is "stopped": feasible with a solution, a limit without one.
- An inaccurate or local optimum is not proved, so it is feasible. A local infeasibility is not proved either, so it is
  a limit.
- A value that is in no table, from a later version of the library, is an error: it proves nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from storm_calm.sandbox.execution import SolveStatus

StatusWord = SolveStatus | Literal["stopped"]
"""A status, or "stopped": "feasible" if the solver has a solution, otherwise "limit"."""


@dataclass(frozen=True, slots=True)
class StatusTable:
    """One enumeration of a library."""

    enumeration: str
    """Its name in the library."""
    source: str
    """Where its values are documented."""
    words: Mapping[int | str, tuple[str, StatusWord]]
    """For each value, the name of the constant and the status."""

    def status(self, value: object, *, has_solution: object = False) -> SolveStatus:
        """Translate a value of the library. has_solution: whether the solver returned a feasible solution."""
        word = self.words[value][1] if isinstance(value, int | str) and value in self.words else "error"
        if word == "stopped":
            return "feasible" if has_solution else "limit"
        return word


def _by_name(words: Mapping[str, StatusWord]) -> dict[int | str, tuple[str, StatusWord]]:
    """Return the words of an enumeration whose values are read by the names of its constants."""
    return {name: (name, status) for name, status in words.items()}


CP_SAT = StatusTable(
    "operations_research.sat.CpSolverStatus",
    "https://github.com/google/or-tools/blob/stable/ortools/sat/cp_model.proto",
    _by_name(
        {
            "UNKNOWN": "limit",
            "MODEL_INVALID": "error",
            "FEASIBLE": "feasible",
            "INFEASIBLE": "infeasible",
            "OPTIMAL": "optimal",
        }
    ),
)

LINEAR_SOLVER = StatusTable(
    "operations_research.MPSolverResponseStatus, of which MPSolver::ResultStatus has the values 0 to 6",
    "https://github.com/google/or-tools/blob/stable/ortools/linear_solver/linear_solver.proto",
    {
        0: ("OPTIMAL", "optimal"),
        1: ("FEASIBLE", "feasible"),
        2: ("INFEASIBLE", "infeasible"),  # GLOP also returns it for unbounded models
        3: ("UNBOUNDED", "unbounded"),
        4: ("ABNORMAL", "error"),
        5: ("MODEL_INVALID", "error"),
        6: ("NOT_SOLVED", "limit"),
        7: ("SOLVER_TYPE_UNAVAILABLE", "error"),
        84: ("MODEL_INVALID_SOLUTION_HINT", "error"),
        85: ("MODEL_INVALID_SOLVER_PARAMETERS", "error"),
        97: ("MODEL_IS_VALID", "error"),
        98: ("CANCELLED_BY_USER", "limit"),
        99: ("UNKNOWN_STATUS", "limit"),
        113: ("INCOMPATIBLE_OPTIONS", "error"),
    },
)

MODEL_BUILDER = StatusTable(
    "ortools.linear_solver.python.model_builder.SolveStatus",
    "https://github.com/google/or-tools/blob/stable/ortools/linear_solver/wrappers/model_builder_helper.h",
    _by_name(
        {
            "OPTIMAL": "optimal",
            "FEASIBLE": "feasible",
            "INFEASIBLE": "infeasible",
            "UNBOUNDED": "unbounded",
            "ABNORMAL": "error",
            "NOT_SOLVED": "limit",
            "MODEL_IS_VALID": "error",
            "CANCELLED_BY_USER": "limit",
            "UNKNOWN_STATUS": "limit",
            "MODEL_INVALID": "error",
            "INVALID_SOLVER_PARAMETERS": "error",
            "SOLVER_TYPE_UNAVAILABLE": "error",
            "INCOMPATIBLE_OPTIONS": "error",
        }
    ),
)

MATH_OPT = StatusTable(
    "ortools.math_opt.python.mathopt.TerminationReason",
    "https://github.com/google/or-tools/blob/stable/ortools/math_opt/result.proto (TerminationReasonProto)",
    _by_name(
        {
            "OPTIMAL": "optimal",
            "INFEASIBLE": "infeasible",
            "UNBOUNDED": "unbounded",
            "INFEASIBLE_OR_UNBOUNDED": "infeasible",
            "IMPRECISE": "stopped",
            "FEASIBLE": "feasible",
            "NO_SOLUTION_FOUND": "limit",
            "NUMERICAL_ERROR": "error",
            "OTHER_ERROR": "error",
        }
    ),
)

ROUTING = StatusTable(
    "operations_research.RoutingSearchStatus.Value",
    "https://github.com/google/or-tools/blob/stable/ortools/constraint_solver/routing_enums.proto",
    {
        0: ("ROUTING_NOT_SOLVED", "limit"),
        1: ("ROUTING_SUCCESS", "feasible"),
        2: ("ROUTING_PARTIAL_SUCCESS_LOCAL_OPTIMUM_NOT_REACHED", "feasible"),
        3: ("ROUTING_FAIL", "limit"),
        4: ("ROUTING_FAIL_TIMEOUT", "limit"),
        5: ("ROUTING_INVALID", "error"),
        6: ("ROUTING_INFEASIBLE", "infeasible"),
        7: ("ROUTING_OPTIMAL", "optimal"),
    },
)

HIGHS = StatusTable(
    "HighsModelStatus",
    "https://ergo-code.github.io/HiGHS/stable/structures/enums/ (HighsModelStatus); values in highs/lp_data/HConst.h",
    {
        0: ("kNotset", "error"),
        1: ("kLoadError", "error"),
        2: ("kModelError", "error"),
        3: ("kPresolveError", "error"),
        4: ("kSolveError", "error"),
        5: ("kPostsolveError", "error"),
        6: ("kModelEmpty", "optimal"),
        7: ("kOptimal", "optimal"),
        8: ("kInfeasible", "infeasible"),
        9: ("kUnboundedOrInfeasible", "infeasible"),
        10: ("kUnbounded", "unbounded"),
        11: ("kObjectiveBound", "stopped"),
        12: ("kObjectiveTarget", "stopped"),
        13: ("kTimeLimit", "stopped"),
        14: ("kIterationLimit", "stopped"),
        15: ("kUnknown", "stopped"),
        16: ("kSolutionLimit", "stopped"),
        17: ("kInterrupt", "stopped"),
        18: ("kMemoryLimit", "stopped"),
        19: ("kHighsInterrupt", "stopped"),
    },
)

SCIPY = StatusTable(
    "status of scipy.optimize.OptimizeResult, from linprog and milp",
    "https://docs.scipy.org/doc/scipy/reference/generated/scipy.optimize.milp.html (Returns: status)",
    {
        0: ("optimal solution found", "optimal"),
        1: ("iteration or time limit reached", "stopped"),
        2: ("problem is infeasible", "infeasible"),
        3: ("problem is unbounded", "unbounded"),
        4: ("other; see message", "error"),  # the message has the value of HighsModelStatus
    },
)

CVXPY = StatusTable(
    "cvxpy.settings, constants for Problem.status",
    "https://www.cvxpy.org/tutorial/intro/index.html (Infeasible and unbounded problems; Other problem statuses)",
    {
        "optimal": ("OPTIMAL", "optimal"),
        "optimal_inaccurate": ("OPTIMAL_INACCURATE", "feasible"),
        "infeasible": ("INFEASIBLE", "infeasible"),
        "infeasible_inaccurate": ("INFEASIBLE_INACCURATE", "infeasible"),
        "unbounded": ("UNBOUNDED", "unbounded"),
        "unbounded_inaccurate": ("UNBOUNDED_INACCURATE", "unbounded"),
        "infeasible_or_unbounded": ("INFEASIBLE_OR_UNBOUNDED", "infeasible"),
        "user_limit": ("USER_LIMIT", "stopped"),
        "solver_error": ("SOLVER_ERROR", "error"),
    },
)

PULP = StatusTable(
    "pulp.constants.LpStatus",
    "https://coin-or.github.io/pulp/technical/constants.html",
    {
        0: ("LpStatusNotSolved", "stopped"),
        1: ("LpStatusOptimal", "optimal"),  # with LpSolutionIntegerFeasible as the solution status: feasible
        -1: ("LpStatusInfeasible", "infeasible"),
        -2: ("LpStatusUnbounded", "unbounded"),
        -3: ("LpStatusUndefined", "error"),
    },
)

PULP_SOLUTION = StatusTable(
    "pulp.constants.LpSolution",
    "https://coin-or.github.io/pulp/technical/constants.html",
    {
        0: ("LpSolutionNoSolutionFound", "limit"),
        1: ("LpSolutionOptimal", "optimal"),
        2: ("LpSolutionIntegerFeasible", "feasible"),
        -1: ("LpSolutionInfeasible", "infeasible"),
        -2: ("LpSolutionUnbounded", "unbounded"),
    },
)

PYOMO = StatusTable(
    "pyomo.opt.TerminationCondition",
    "https://pyomo.readthedocs.io/en/stable/api/pyomo.opt.results.solver.TerminationCondition.html",
    _by_name(
        {
            "unknown": "stopped",
            "maxTimeLimit": "stopped",
            "maxIterations": "stopped",
            "minFunctionValue": "stopped",
            "minStepLength": "stopped",
            "globallyOptimal": "optimal",
            "locallyOptimal": "feasible",
            "feasible": "feasible",
            "optimal": "optimal",
            "maxEvaluations": "stopped",
            "other": "stopped",
            "unbounded": "unbounded",
            "infeasible": "infeasible",
            "infeasibleOrUnbounded": "infeasible",
            "invalidProblem": "error",
            "intermediateNonInteger": "limit",
            "noSolution": "limit",
            "solverFailure": "error",
            "internalSolverError": "error",
            "error": "error",
            "userInterrupt": "stopped",
            "resourceInterrupt": "stopped",
            "licensingProblems": "error",
        }
    ),
)

PYOMO_APPSI = StatusTable(
    "pyomo.contrib.appsi.base.TerminationCondition",
    "https://pyomo.readthedocs.io/en/stable/api/pyomo.contrib.appsi.base.TerminationCondition.html",
    _by_name(
        {
            "unknown": "stopped",
            "maxTimeLimit": "stopped",
            "maxIterations": "stopped",
            "objectiveLimit": "stopped",
            "minStepLength": "stopped",
            "optimal": "optimal",
            "unbounded": "unbounded",
            "infeasible": "infeasible",
            "infeasibleOrUnbounded": "infeasible",
            "error": "error",
            "interrupted": "stopped",
            "licensingProblems": "error",
        }
    ),
)

PYOMO_SOLVER = StatusTable(
    "pyomo.contrib.solver.common.results.TerminationCondition",
    "https://pyomo.readthedocs.io/en/stable/api/pyomo.contrib.solver.common.results.TerminationCondition.html",
    _by_name(
        {
            "convergenceCriteriaSatisfied": "optimal",
            "maxTimeLimit": "stopped",
            "iterationLimit": "stopped",
            "objectiveLimit": "stopped",
            "minStepLength": "stopped",
            "unbounded": "unbounded",
            "provenInfeasible": "infeasible",
            "locallyInfeasible": "limit",
            "infeasibleOrUnbounded": "infeasible",
            "error": "error",
            "interrupted": "stopped",
            "licensingProblems": "error",
            "emptyModel": "optimal",
            "unknown": "stopped",
        }
    ),
)

SCIP = StatusTable(
    "pyscipopt.scip.PY_SCIP_STATUS, as the strings of Model.getStatus",
    "https://www.scipopt.org/doc/html/type__stat_8h.php (SCIP_Status)",
    {
        "unknown": ("UNKNOWN", "stopped"),
        "optimal": ("OPTIMAL", "optimal"),
        "infeasible": ("INFEASIBLE", "infeasible"),
        "unbounded": ("UNBOUNDED", "unbounded"),
        "inforunbd": ("INFORUNBD", "infeasible"),
        "userinterrupt": ("USERINTERRUPT", "stopped"),
        "nodelimit": ("NODELIMIT", "stopped"),
        "totalnodelimit": ("TOTALNODELIMIT", "stopped"),
        "stallnodelimit": ("STALLNODELIMIT", "stopped"),
        "timelimit": ("TIMELIMIT", "stopped"),
        "memlimit": ("MEMLIMIT", "stopped"),
        "gaplimit": ("GAPLIMIT", "stopped"),
        "primallimit": ("PRIMALLIMIT", "stopped"),
        "duallimit": ("DUALLIMIT", "stopped"),
        "sollimit": ("SOLLIMIT", "stopped"),
        "bestsollimit": ("BESTSOLLIMIT", "stopped"),
        "restartlimit": ("RESTARTLIMIT", "stopped"),
    },
)

GUROBI = StatusTable(
    "gurobipy.GRB.Status",
    "https://docs.gurobi.com/projects/optimizer/en/current/reference/numericcodes/statuscodes.html",
    {
        1: ("LOADED", "error"),
        2: ("OPTIMAL", "optimal"),
        3: ("INFEASIBLE", "infeasible"),
        4: ("INF_OR_UNBD", "infeasible"),
        5: ("UNBOUNDED", "unbounded"),
        6: ("CUTOFF", "stopped"),
        7: ("ITERATION_LIMIT", "stopped"),
        8: ("NODE_LIMIT", "stopped"),
        9: ("TIME_LIMIT", "stopped"),
        10: ("SOLUTION_LIMIT", "stopped"),
        11: ("INTERRUPTED", "stopped"),
        12: ("NUMERIC", "error"),
        13: ("SUBOPTIMAL", "stopped"),
        14: ("INPROGRESS", "stopped"),
        15: ("USER_OBJ_LIMIT", "stopped"),
        16: ("WORK_LIMIT", "stopped"),
        17: ("MEM_LIMIT", "stopped"),
        18: ("LOCALLY_OPTIMAL", "feasible"),
        19: ("LOCALLY_INFEASIBLE", "limit"),
    },
)

COPT = StatusTable(
    "coptpy.COPT, constants for the attributes LpStatus and MipStatus",
    "https://guide.coap.online/copt/en-doc/constant.html (Solution status)",
    {
        0: ("UNSTARTED", "error"),
        1: ("OPTIMAL", "optimal"),
        2: ("INFEASIBLE", "infeasible"),
        3: ("UNBOUNDED", "unbounded"),
        4: ("INF_OR_UNB", "infeasible"),
        5: ("NUMERICAL", "error"),
        6: ("NODELIMIT", "stopped"),
        7: ("IMPRECISE", "stopped"),
        8: ("TIMEOUT", "stopped"),
        9: ("UNFINISHED", "stopped"),
        10: ("INTERRUPTED", "stopped"),
        11: ("ITERLIMIT", "stopped"),
        20: ("LOCAL_OPTIMAL", "feasible"),
        21: ("LOCAL_INFEASIBLE", "limit"),
    },
)
