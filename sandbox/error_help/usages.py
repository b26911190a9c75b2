"""One-line usages of the solver libraries, by object and by what a program wants to do.

Keys of `USAGES` are modules, and classes as "module.Class"; the module of a class may be any part of its path. All
numbers and names in usages are neutral: they belong to no problem.
"""

import re

CREATE, VARIABLE, CONSTRAINT, OBJECTIVE, SOLVE, VALUE, STATUS, LIMIT = (
    *("create", "variable", "constraint", "objective", "solve", "value", "status", "limit"),
)

_WORDS = {
    CONSTRAINT: "constraint constraints constr constrs cons addconstraint addconstraints addconstr addconstrs addcons "
    "addconss addlconstr addlinearconstraint addlinearconstraints addlinear addrow linearconstraint subjectto st "
    "ge le geq leq eq inequality greaterequal lessequal require addinequality addequality addineq addeq enforce post "
    "constraintlist append add",
    VARIABLE: "variable variables var vars addvar addvars addvariable addvariables addcol addcolumn newvar newvariable "
    "createvar createvariable makevar intvar numvar boolvar binaryvar binvar floatvar realvar newintvar newboolvar "
    "newnumvar newrealvar newfloatvar newcontinuousvar newbinaryvar addintvar "
    "addintegervariable addboolvar addbinary addinteger integer integers "
    "integervariable intvariable binary binaries boolean real reals continuous continuousvariable lpvariable "
    "nonnegative addbinaryvar addcontinuous",
    OBJECTIVE: "objective setobjective addobjective setobj setobjectivefunction objectivefunction minimize maximize "
    "minimise maximise minimum maximum setminimize setmaximize setminimization setmaximization setsense min max "
    "maximization minimization changeobjectivesense addobj setcoefficient minimizeobjective maximizeobjective "
    "lpobjective",
    SOLVE: "solve optimize optimise run solvemodel solveproblem runsolver solver execute lpsolve call",
    VALUE: "value values val x xn getvalue getval varvalue variablevalue solutionvalue solution getsolution solvalue "
    "sol getsol primal result optimalvalue objectivevalue objvalue objval getobjval getobjectivevalue getobjvalue "
    "objectivevalues bestobjectivevalue bestobjective fun obj optimum varvalues getx level",
    STATUS: "status solvestatus getstatus statusname optimal infeasible unbounded feasible success message "
    "modelstatus terminationcondition isoptimal statuscode",
    LIMIT: "settimelimit timelimit maxtime setmaxtime maxtimeinseconds settimeout timeout maxseconds",
    CREATE: "createsolver create linearsolver simplelinearsolver linearprogramming linearprogram lp mip milp lpsolver "
    "mipsolver problem model lpproblem linearmodel integerprogramming mpsolver newmodel lpmodel optimizationmodel "
    "glop cbc scip sat linprog programming cpmodel",
}
_WANTED = {word: wanted for wanted, words in _WORDS.items() for word in words.split()}

_PYWRAPLP = 'from ortools.linear_solver import pywraplp; solver = pywraplp.Solver.CreateSolver("SCIP")'
_SCIPY = "from scipy.optimize import linprog; res = linprog([2, 3], A_ub=[[1, 1]], b_ub=[10], bounds=[(0, None)] * 2)"
_LINPROG = (
    "`linprog([2, 3], A_ub=[[1, 1]], b_ub=[10], bounds=[(0, None), (0, 4)])`; it minimizes, so negate the first list "
    "to maximize; one row per constraint, both sides negated for >=; one (low, high) pair per variable"
)
_MILP = (
    "milp([2, 3], constraints=LinearConstraint([[1, 1]], -np.inf, [10]), integrality=[1, 1], bounds=Bounds(0, np.inf))"
)
_MINIMIZE = "minimize(lambda v: v[0] ** 2, x0=[1.0], bounds=[(0, 5)], constraints=[])"

USAGES: dict[str, dict[str, str]] = {
    "ortools": {CREATE: _PYWRAPLP},
    "ortools.linear_solver": {CREATE: _PYWRAPLP},
    "ortools.linear_solver.pywraplp": {
        CREATE: 'solver = pywraplp.Solver.CreateSolver("SCIP")',
        STATUS: "solver.Solve() == pywraplp.Solver.OPTIMAL",
    },
    "pywraplp.Solver": {
        CREATE: 'solver = pywraplp.Solver.CreateSolver("SCIP")',
        VARIABLE: '`x = solver.NumVar(0, solver.infinity(), "x")`, or `solver.IntVar(0, 9, "x")`',
        CONSTRAINT: "solver.Add(2 * x + 3 * y <= 10)",
        OBJECTIVE: "solver.Maximize(2 * x + 3 * y)",
        SOLVE: "status = solver.Solve()",
        VALUE: "`x.solution_value()` and `solver.Objective().Value()`",
        STATUS: "solver.Solve() == pywraplp.Solver.OPTIMAL",
        LIMIT: "`solver.SetTimeLimit(5000)` (milliseconds)",
    },
    "pywraplp.Variable": {VALUE: "x.solution_value()"},
    "linear_solver.VariableExpr": {VALUE: "x.solution_value()"},
    "linear_solver.LinearExpr": {VALUE: "expression.solution_value()"},
    "pywraplp.Constraint": {
        CONSTRAINT: "solver.Add(2 * x + 3 * y <= 10)",
        OBJECTIVE: "constraint.SetCoefficient(x, 2)",
        VALUE: "constraint.dual_value()",
    },
    "pywraplp.Objective": {
        VALUE: "solver.Objective().Value()",
        OBJECTIVE: "solver.Maximize(2 * x + 3 * y)",
    },
    "ortools.sat": {CREATE: "from ortools.sat.python import cp_model; model = cp_model.CpModel()"},
    "ortools.sat.python.cp_model": {
        CREATE: "model = cp_model.CpModel()",
        SOLVE: "solver = cp_model.CpSolver(); status = solver.solve(model)",
        STATUS: "status in (cp_model.OPTIMAL, cp_model.FEASIBLE)",
    },
    "cp_model.CpModel": {
        VARIABLE: '`x = model.new_int_var(0, 9, "x")`, or `model.new_bool_var("b")`',
        CONSTRAINT: "model.add(2 * x + 3 * y <= 10)",
        OBJECTIVE: "model.maximize(2 * x + 3 * y)",
        SOLVE: "solver = cp_model.CpSolver(); status = solver.solve(model)",
        VALUE: "`solver.value(x)` and `solver.objective_value`",
        STATUS: "status in (cp_model.OPTIMAL, cp_model.FEASIBLE)",
    },
    "cp_model.CpSolver": {
        SOLVE: "status = solver.solve(model)",
        VALUE: "`solver.value(x)` and `solver.objective_value`",
        STATUS: "solver.status_name(status)",
        LIMIT: "solver.parameters.max_time_in_seconds = 5",
        CONSTRAINT: "`model.add(2 * x + 3 * y <= 10)` on the `CpModel`",
        OBJECTIVE: "`model.maximize(2 * x + 3 * y)` on the `CpModel`",
        VARIABLE: '`model.new_int_var(0, 9, "x")` on the `CpModel`',
    },
    "cp_model.IntVar": {VALUE: "solver.value(x)"},
    "model_builder.Model": {
        VARIABLE: 'x = model.new_num_var(0, 9, "x")',
        CONSTRAINT: "model.add(2 * x + 3 * y <= 10)",
        OBJECTIVE: "model.maximize(2 * x + 3 * y)",
        SOLVE: 'solver = model_builder.Solver("scip"); status = solver.solve(model)',
        VALUE: "`solver.value(x)` and `solver.objective_value`",
    },
    "scipy": {CREATE: _SCIPY},
    "scipy.optimize": {
        CREATE: _SCIPY,
        SOLVE: _SCIPY,
        OBJECTIVE: _MINIMIZE,
        CONSTRAINT: "LinearConstraint([[1, 1]], -np.inf, [10])",
        VARIABLE: _MILP,
    },
    "scipy.OptimizeResult": {
        VALUE: "`res.x` (variables) and `res.fun` (objective)",
        STATUS: "`res.status`, `res.message` and `res.success`",
        OBJECTIVE: "res.fun",
    },
    "linprog": {CREATE: _LINPROG},
    "milp": {CREATE: _MILP},
    "minimize": {CREATE: _MINIMIZE},
    "cvxpy": {
        CREATE: "problem = cp.Problem(cp.Maximize(2 * x), [x <= 5]); problem.solve()",
        SOLVE: "problem = cp.Problem(cp.Maximize(2 * x), [x <= 5]); problem.solve()",
        VARIABLE: "`x = cp.Variable(nonneg=True)`, or `cp.Variable(3, integer=True)`, `cp.Variable(boolean=True)`",
        CONSTRAINT: "constraints = [x >= 1, 2 * x + y <= 10]",
        OBJECTIVE: "cp.Maximize(2 * x + 3 * y)",
        VALUE: "`x.value` and `problem.value`",
        STATUS: "problem.status == cp.OPTIMAL",
    },
    "cvxpy.Problem": {
        CREATE: "problem = cp.Problem(cp.Maximize(2 * x), [x <= 5])",
        VARIABLE: "x = cp.Variable(nonneg=True)",
        SOLVE: "problem.solve()",
        CONSTRAINT: "problem = cp.Problem(cp.Maximize(2 * x), [x <= 5])",
        OBJECTIVE: "problem = cp.Problem(cp.Maximize(2 * x), [x <= 5])",
        VALUE: "`problem.value` and `x.value`",
        STATUS: "problem.status",
    },
    "cvxpy.Objective": {
        SOLVE: "problem = cp.Problem(cp.Maximize(2 * x), [x <= 5]); problem.solve()",
        VALUE: "`problem.value` and `x.value`",
        STATUS: "problem.status",
    },
    "cvxpy.Variable": {VARIABLE: "x = cp.Variable(2, integer=True, bounds=[0, 9])", VALUE: "x.value"},
    "cvxpy.Leaf": {
        VARIABLE: "x = cp.Variable(2, integer=True, bounds=[0, 9])",
        CREATE: "x = cp.Variable(2, integer=True, bounds=[0, 9])",
    },
    "cvxpy.Expression": {VALUE: "expression.value"},
    "pulp": {
        CREATE: 'problem = pulp.LpProblem("plan", pulp.LpMaximize)',
        VARIABLE: 'x = pulp.LpVariable("x", lowBound=0, upBound=9, cat="Integer")',
        CONSTRAINT: "problem += 2 * x + 3 * y <= 10",
        OBJECTIVE: '`problem = pulp.LpProblem("plan", pulp.LpMaximize)`, then `problem += 2 * x + 3 * y`',
        SOLVE: "problem.solve(pulp.PULP_CBC_CMD(msg=False))",
        VALUE: "`pulp.value(problem.objective)` and `x.value()`",
        STATUS: "pulp.LpStatus[problem.status]",
    },
    "pulp.LpProblem": {
        CREATE: '`problem = pulp.LpProblem("plan", pulp.LpMaximize)`, then `problem += 2 * x + 3 * y`, the objective',
        VARIABLE: 'x = pulp.LpVariable("x", lowBound=0, upBound=9, cat="Integer")',
        CONSTRAINT: "problem += 2 * x + 3 * y <= 10",
        OBJECTIVE: "problem += 2 * x + 3 * y",
        SOLVE: "problem.solve(pulp.PULP_CBC_CMD(msg=False))",
        VALUE: "`pulp.value(problem.objective)` and `x.value()`",
        STATUS: "pulp.LpStatus[problem.status]",
        LIMIT: "pulp.PULP_CBC_CMD(msg=False, timeLimit=5)",
    },
    "pulp.LpVariable": {
        VARIABLE: 'x = pulp.LpVariable("x", lowBound=0, upBound=9, cat="Integer")',
        CREATE: 'x = pulp.LpVariable("x", lowBound=0, upBound=9, cat="Integer")',
        VALUE: "x.value()",
    },
    "pulp.LpAffineExpression": {VALUE: "pulp.value(expression)"},
    "pyomo": {CREATE: "import pyomo.environ as pyo; model = pyo.ConcreteModel()"},
    "pyomo.environ": {
        CREATE: "model = pyo.ConcreteModel()",
        VARIABLE: "model.x = pyo.Var(domain=pyo.NonNegativeReals, bounds=(0, 9))",
        CONSTRAINT: "model.limit = pyo.Constraint(expr=2 * model.x <= 10)",
        OBJECTIVE: "model.goal = pyo.Objective(expr=2 * model.x, sense=pyo.maximize)",
        SOLVE: 'pyo.SolverFactory("appsi_highs").solve(model)',
        VALUE: "`pyo.value(model.x)` and `pyo.value(model.goal)`",
        STATUS: "results.solver.termination_condition == pyo.TerminationCondition.optimal",
    },
    "pyomo.ConcreteModel": {
        VARIABLE: "model.x = pyo.Var(domain=pyo.NonNegativeReals, bounds=(0, 9))",
        CONSTRAINT: "model.limit = pyo.Constraint(expr=2 * model.x <= 10)",
        OBJECTIVE: "model.goal = pyo.Objective(expr=2 * model.x, sense=pyo.maximize)",
        SOLVE: 'pyo.SolverFactory("appsi_highs").solve(model)',
        VALUE: "`pyo.value(model.x)` and `pyo.value(model.goal)`",
    },
    "pyomo.ConstraintList": {
        CONSTRAINT: "model.limits = pyo.ConstraintList(); model.limits.add(2 * model.x <= 10)",
    },
    "highspy": {CREATE: "h = highspy.Highs()", SOLVE: "h = highspy.Highs(); ...; h.maximize(2 * x)"},
    "highspy.Highs": {
        CREATE: "h = highspy.Highs()",
        VARIABLE: "`x = h.addVariable(lb=0, ub=9)`, or `h.addIntegral(lb=0, ub=9)`",
        CONSTRAINT: "h.addConstr(2 * x + 3 * y <= 10)",
        OBJECTIVE: "`h.maximize(2 * x + 3 * y)` (it also solves)",
        SOLVE: "`h.maximize(2 * x + 3 * y)`, or `h.run()`",
        VALUE: "`h.val(x)` and `h.getObjectiveValue()`",
        STATUS: "h.modelStatusToString(h.getModelStatus())",
        LIMIT: 'h.setOptionValue("time_limit", 5.0)',
    },
    "highspy.highs_var": {VALUE: "h.val(x)"},
    "pyscipopt": {CREATE: "from pyscipopt import Model; model = Model()"},
    "pyscipopt.Model": {
        CREATE: "model = Model()",
        VARIABLE: 'x = model.addVar("x", vtype="I", lb=0, ub=9)',
        CONSTRAINT: "model.addCons(2 * x + 3 * y <= 10)",
        OBJECTIVE: 'model.setObjective(2 * x + 3 * y, "maximize")',
        SOLVE: "model.optimize()",
        VALUE: "`model.getVal(x)` and `model.getObjVal()`",
        STATUS: "model.getStatus()",
        LIMIT: 'model.setParam("limits/time", 5)',
    },
    "pyscipopt.Variable": {VALUE: "model.getVal(x)"},
    "gurobipy": {
        CREATE: "import gurobipy as gp; model = gp.Model()",
        OBJECTIVE: "model.setObjective(2 * x + 3 * y, gp.GRB.MAXIMIZE)",
        STATUS: "model.Status == gp.GRB.OPTIMAL",
    },
    "gurobipy.Model": {
        CREATE: "model = gp.Model()",
        VARIABLE: 'x = model.addVar(lb=0, ub=9, vtype=gp.GRB.INTEGER, name="x")',
        CONSTRAINT: "model.addConstr(2 * x + 3 * y <= 10)",
        OBJECTIVE: "model.setObjective(2 * x + 3 * y, gp.GRB.MAXIMIZE)",
        SOLVE: "model.optimize()",
        VALUE: "`x.X` and `model.ObjVal`",
        STATUS: "model.Status == gp.GRB.OPTIMAL",
        LIMIT: "model.Params.TimeLimit = 5",
    },
    "gurobipy.GRB": {
        OBJECTIVE: "model.setObjective(2 * x + 3 * y, gp.GRB.MAXIMIZE)",
        VARIABLE: 'x = model.addVar(lb=0, ub=9, vtype=gp.GRB.INTEGER, name="x")',
        STATUS: "model.Status == gp.GRB.OPTIMAL",
    },
    "gurobipy.Var": {VALUE: "x.X"},
    "coptpy": {CREATE: 'import coptpy as cp; model = cp.Envr().createModel("plan")'},
    "coptpy.Model": {
        VARIABLE: "x = model.addVar(lb=0, ub=9)",
        CONSTRAINT: "model.addConstr(2 * x + 3 * y <= 10)",
        OBJECTIVE: "model.setObjective(2 * x + 3 * y, sense=COPT.MAXIMIZE)",
        SOLVE: "model.solve()",
        VALUE: "`x.x` and `model.objval`",
        STATUS: "model.status == COPT.OPTIMAL",
    },
}


def wanted(name: str) -> str | None:
    """Return what a program that uses the name `name` wants to do; None if that is not clear."""
    return _WANTED.get(normalized(name))


def normalized(name: str) -> str:
    """Return a name in lower case without underscores and final digits."""
    return re.sub(r"\d+\Z", "", name.replace("_", "").lower())


def usage(owner: str, name: str) -> str:
    """Return the usage of `owner`, a key of `USAGES`, for the name `name`; "" if there is none.

    For modules it is at least how to start.
    """
    known = USAGES.get(owner, {})
    found = known.get(wanted(name) or "") or (known.get(CREATE) if owner == owner.lower() else None)
    if found and normalized(name).removeprefix("set").removeprefix("lp").startswith("min"):
        found = minimizing(found)
    return quoted(found) if found else ""


def minimizing(text: str) -> str:
    """Return a text about usages with the other sense; those of `USAGES` maximize."""
    for maximize, minimize in (("aximize", "inimize"), ("AXIMIZE", "INIMIZE")):
        text = re.sub(f"([Mm]){maximize}", rf"\1{minimize}", text)
    return text


def quoted(text: str) -> str:
    """Return a usage with its code in backticks. Usages with further words have them already."""
    return text if "`" in text else f"`{text}`"


def owner_of_class(cls: type) -> str | None:
    """Return the key of `USAGES` for a class, such as "pywraplp.Solver", or for its nearest base class."""
    for base in cls.__mro__:
        parts = base.__module__.split(".")
        for owner in USAGES:
            module, _, name = owner.rpartition(".")
            if module and name == base.__name__ and any(part.startswith(module) for part in parts):
                return owner
    return None
