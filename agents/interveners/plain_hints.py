"""The hints for models that were not trained on those of `agents.interveners.hints`.

    hint = plain_hint(finding, episode)

An intervention cuts the text at the flaw, so a model reads its hint after the text before the flaw and no longer sees
the flaw itself. These hints therefore do not speak of "the program above" or "this number", but say what to do next,
in the first person. After an invented call the hint reminds of calls that exist, in general terms: no hint has a
number, an answer or code that could be run.
"""

import re

from storm_calm.env.episode import Episode
from storm_calm.env.intervention import Finding, Trigger
from storm_calm.env.protocol import Inline

MAX_PROGRAM_CHARS = 20_000
"""Characters of a program that are searched for its library."""

PLAIN_HINTS: dict[str, str] = {
    "by_hand": "Working this out by hand is easy to get wrong. I should write a program and let a solver do it.",
    "fragment": "I should write one complete program that builds the model, solves it and prints the result.",
    "imagined_output": "I cannot know what a program prints before it has run. I should write it and let it run.",
    "overruled": "The solver found this result for the model as I wrote it. I should report it and not guess.",
    "rejected_result": "The status is optimal, so I should trust this result. If I minimized the negative of "
    "what is asked, I only have to turn its sign.",
    "wrong_sense": "Before I write the program, I should read again what is asked: the largest value or the smallest. "
    "The objective must point that way.",
    "missing_constraint": "Before I write the program, I should go through the problem sentence by sentence: every "
    "limit in it must be a constraint of the program.",
    "wrong_type": "Before I write the program, I should decide which quantities must be whole numbers and which may be "
    "fractions, and declare the variables that way.",
    "misread_number": "Before I write the program, I should copy each number from the problem once more.",
    "status_ignored": "A value counts only if the solver's status is optimal. My program should print the status, and "
    "I should read it first.",
    "unmended_error": "The last program failed, so there is no result yet. I should read the error, repair that line "
    "and run the whole program again.",
    "turned_limit": "I should read each limit again: at least means >=, and at most means <=.",
    "invented_limit": "I should keep to the problem: every limit needs its sentence there, and no other is allowed.",
    "turned_in_program": "Before I write the program, I should check the direction of each limit: at least means >=, "
    "at most means <=. Where only <= is possible, both sides of an at-least limit must be negated.",
    "sense_in_words": "I should read the question again: does it ask for the largest value or for the smallest?",
    "gave_up": "The solver libraries are installed, and my programs do run here. I should read the error, repair that "
    "line and run the whole program again.",
    "invented_call": "I should use only calls that I am sure exist, and print the status and the objective value.",
}
"""The hint of each rule, for models that do not know those of `hints.HINTS`."""

TRIGGER_HINTS: dict[Trigger, str] = {
    "manual_computation": PLAIN_HINTS["by_hand"],
    "fragmented_code": PLAIN_HINTS["fragment"],
    "solver_distrust": PLAIN_HINTS["overruled"],
    "wrong_formulation": "I should read again what is asked: what each variable stands for, and what the objective is.",
    "missing_constraint": "I should go through the problem sentence by sentence: every limit in it must be a "
    "constraint, and there must be no other.",
    "wrong_variable_type": "I should decide which quantities must be whole numbers and which may be fractions, and "
    "declare the variables that way.",
    "implementation_drift": "I should write one program that does exactly what the model says, with the numbers of the "
    "problem, and check the solver's status.",
}
"""A hint for each trigger, if the flaw was found without a rule."""

REMINDERS: tuple[tuple[str, str], ...] = (
    (
        r"\bpulp\b",
        "In PuLP, I make an LpProblem, add the objective and then each constraint with +=, such as prob += expr <= "
        "limit, call solve on it, and read value(prob.objective).",
    ),
    (
        r"\bcp_model\b",
        "In cp_model, variables come from NewIntVar of a CpModel, a constraint is an argument of Add, such as "
        "expr <= limit, and Solve of a CpSolver takes the model.",
    ),
    (
        r"\bortools\b|\bpywraplp\b",
        "In pywraplp, Solver.CreateSolver makes the solver, a constraint is an argument of Add, such as expr <= limit, "
        "the objective of Minimize or Maximize, and solution_value reads a variable.",
    ),
    (
        r"\bcvxpy\b",
        "In CVXPY, a Problem takes Minimize or Maximize of an expression and a list of constraints such as "
        "expr <= limit. Its method solve returns the value.",
    ),
    (
        r"\blinprog\b|\bmilp\b|\bscipy\b",
        "In SciPy, linprog takes the list of costs, A_ub with b_ub for rows that mean <=, and bounds. It minimizes, so "
        "for a maximum the costs are negated, and so is the result.",
    ),
    (
        r"\bhighspy\b",
        "In highspy, a Highs object has addVariable and addConstr, which takes expr <= limit, and minimize or maximize "
        "takes the objective and solves.",
    ),
    (
        r"\bpyomo\b",
        "In Pyomo, a ConcreteModel has Var, Objective with expr and sense, and Constraint with expr, and a "
        "SolverFactory object solves the model.",
    ),
    (
        r"\bpyscipopt\b",
        "In PySCIPOpt, a Model has addVar, addCons, which takes expr <= limit, setObjective with the sense, optimize "
        "and getObjVal.",
    ),
)
"""What to remember of each library, by the words of a program that use it."""


def plain_hint(finding: Finding, episode: Episode) -> str:
    """Return the hint for a finding of a rule. Raises KeyError for an unknown rule."""
    hint = PLAIN_HINTS[finding.rule]
    return f"{hint} {_reminder(episode, finding.offset)}".strip() if finding.rule == "invented_call" else hint


def _reminder(episode: Episode, offset: int) -> str:
    """Return the reminder for the library of the program at `offset`; "" for another one."""
    transcript = episode.transcript
    start, end = transcript.turn(offset)
    program = Inline().read(transcript.text[start:end], ended=True).code or ""
    imports = "\n".join(re.findall(r"^[ \t]*(?:import|from)[ \t].*$", program[:MAX_PROGRAM_CHARS], re.MULTILINE))
    return next((text for words, text in REMINDERS if re.search(words, imports)), "")
