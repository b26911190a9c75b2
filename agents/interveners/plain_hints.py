"""The hints for models that were not trained on those of `agents.interveners.hints`.

    hint = plain_hint(finding, episode)

An intervention cuts the text at the flaw, so a model reads its hint after the text before the flaw and no longer sees
the flaw itself. These hints therefore do not speak of "the program above" or "this number", but say what to do next,
in the first person. After an invented call the hint reminds of calls that exist, in general terms: no hint has a
number, an answer or code that could be run.
"""

import re

from storm_calm.agents.triggers.modelling import wanted_sense
from storm_calm.env.episode import Episode
from storm_calm.env.intervention import Finding, Trigger
from storm_calm.env.protocol import Inline

MAX_PROGRAM_CHARS = 20_000
"""Characters of a program that are searched for its library."""

WRITE = "Here is the program:"
"""The end of a hint in place of a program. Without it, small models promise a program again and again."""

PLAIN_HINTS: dict[str, str] = {
    "by_hand": "Working this out by hand is easy to get wrong. I should write a program and let a solver do it.",
    "fragment": f"I need one complete program that builds the model, solves it and prints the result. {WRITE}",
    "imagined_output": "I cannot know what a program prints before it has run. I should write it and let it run.",
    "overruled": "The solver found this result for the model as I wrote it. I should report it and not guess.",
    "rejected_result": "The status is optimal, so I should trust this result. If I minimized the negative of what is "
    "asked, I only have to turn its sign.",
    "boxed_plan": "The answer is one number, the objective value that the solver reported. I put that number into the "
    "box.",
    "wrong_sense": f"The objective must point the way that I am asked for. {WRITE}",
    "missing_constraint": "I go through the problem sentence by sentence: every limit in it becomes a constraint. "
    f"{WRITE}",
    "wrong_type": "Before I declare the variables: I count some things only in whole numbers, others may be fractions. "
    f"{WRITE}",
    "misread_number": f"I copy each number from the problem with care. {WRITE}",
    "status_ignored": "A value counts only if the solver's status is optimal. My program should print the status, and "
    "I should read it first.",
    "unmended_error": "The last program failed, so there is no result yet. I should read the error, repair that line "
    "and run the whole program again.",
    "turned_limit": "I should read each limit again: at least means >=, and at most means <=.",
    "share_of_one": "I should read the share again: a share of all is a share of the total, of the sum of all parts.",
    "mixed_resource": "Each limit counts one resource: I add up only what each activity needs of that resource.",
    "invented_limit": "I should keep to the problem: every limit needs its sentence there, and no other is allowed.",
    "turned_in_program": "I check the direction of each limit: at least means >=, at most means <=. Where only <= is "
    f"possible, both sides of an at-least limit are negated. {WRITE}",
    "left_out_data": "Most numbers of the problem are not in my program. I should name the things that can be chosen, "
    f"declare one variable for each, and use all numbers of each. {WRITE}",
    "sense_in_words": "I should read the question again: does it ask for the largest value or for the smallest?",
    "gave_up": "The solver libraries are installed, and my programs do run here. I should read the error, repair that "
    "line and run the whole program again.",
    "same_again": "The same program gives the same result. I compare each of its lines with the problem, and change "
    f"what is wrong. {WRITE}",
    "fractional_plan": "The plan has a fraction of something that only exists as a whole. I declare those variables as "
    f"integers and let the solver find the best whole plan; rounding afterwards can miss it. {WRITE}",
    "subtours": "The plan falls apart into separate rounds, so it is no single tour. I need constraints against such "
    f"rounds, or a circuit constraint, and solve again. {WRITE}",
    "invented_call": "I use only calls that I am sure exist.",
}
"""The hint of each rule, for models that do not know those of `hints.HINTS`."""

SENSES = {
    "minimize": "I am asked for the smallest value. linprog and minimize take such an objective as it is, without a "
    f"minus. {WRITE}",
    "maximize": "I am asked for the largest value. linprog and minimize need the negated objective for it, and the "
    f"sign of their result is turned back. {WRITE}",
}
"""The hint of `wrong_sense`, by the sense that the question asks for."""

LEFT_OUT = re.compile(r'but "([^"\n]{10,200}?)[.,;]?" in the question$')
"""The words of the question in the evidence of `missing_constraint`, if they are short enough for a hint."""

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
    if finding.rule == "wrong_sense":
        return SENSES.get(wanted_sense(episode.problem.question) or "", hint)
    if finding.rule == "invented_call":
        return " ".join(filter(None, (hint, _reminder(episode, finding.offset), WRITE)))
    if finding.rule == "missing_constraint" and (left_out := LEFT_OUT.search(finding.evidence)):
        hint = f'I have not used this limit yet: "{left_out[1]}". {WRITE}'
    if any(intervention.hint == hint for intervention in episode.interventions):
        # It did not help, so the flaw is named in other words.
        return TRIGGER_HINTS[finding.trigger]
    return hint


def _reminder(episode: Episode, offset: int) -> str:
    """Return the reminder for the library of the program at `offset`; "" for another one."""
    transcript = episode.transcript
    start, end = transcript.turn(offset)
    program = Inline().read(transcript.text[start:end], ended=True).code or ""
    imports = "\n".join(re.findall(r"^[ \t]*(?:import|from)[ \t].*$", program[:MAX_PROGRAM_CHARS], re.MULTILINE))
    return next((text for words, text in REMINDERS if re.search(words, imports)), "")
