"""The programs that the nano model learns to write: one short OR-Tools program for each problem family.

The lines have tags, so that flaws can be inserted: drop a "limit" line, relax the "variables", reverse the "objective".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Tag = Literal["import", "model", "data", "variables", "rule", "limit", "demand", "objective", "solve", "print"]
"""The purpose of a line. A "limit" can be dropped (a missing constraint that numbers reveal), a "demand" reversed
(an optimum of 0 that the model must notice); a "rule" is structure."""


@dataclass(frozen=True, slots=True)
class TaggedProgram:
    """A program as (tag, line) pairs; a line may contain line breaks."""

    lines: tuple[tuple[Tag, str], ...]

    @property
    def code(self) -> str:
        """The source code, ending with a newline."""
        return "".join(f"{line}\n" for _, line in self.lines)

    def tags(self, tag: Tag) -> list[int]:
        return [i for i, (found, _) in enumerate(self.lines) if found == tag]

    def without(self, index: int) -> "TaggedProgram":
        return TaggedProgram(self.lines[:index] + self.lines[index + 1 :])

    def rewrite(self, index: int, old: str, new: str) -> "TaggedProgram":
        """Return the program with `old` replaced by `new` in one line."""
        tag, line = self.lines[index]
        assert old in line, f"{old!r} is not in {line!r}"
        return TaggedProgram((*self.lines[:index], (tag, line.replace(old, new)), *self.lines[index + 1 :]))


def program(family: str, data: dict[str, Any]) -> TaggedProgram:
    """Return the correct program for the data of an instance."""
    return TaggedProgram(tuple(PROGRAMS[family](data)))


Lines = list[tuple[Tag, str]]


def _dot(coefficients: str | list[int]) -> str:
    return f"sum(a * v for a, v in zip({coefficients}, x))"


def _linear(engine: str, body: Lines) -> Lines:
    return [
        ("import", "from ortools.linear_solver import pywraplp"),
        ("model", f"s = pywraplp.Solver.CreateSolver('{engine}')"),
        *body,
        ("solve", "st = s.Solve()"),
        ("print", "print(round(s.Objective().Value(), 6) if st == s.OPTIMAL else 'infeasible')"),
    ]


def _constraint(body: Lines) -> Lines:
    return [
        ("import", "from ortools.sat.python import cp_model"),
        ("model", "m = cp_model.CpModel()"),
        *body,
        ("solve", "s = cp_model.CpSolver()\nst = s.solve(m)"),
        ("print", "print(s.objective_value if st == cp_model.OPTIMAL else 'infeasible')"),
    ]


def _kind(whole: bool) -> str:
    return "IntVar" if whole else "NumVar"


PROGRAMS: dict[str, Callable[[dict[str, Any]], Lines]] = {
    "product_mix": lambda data: _linear("SCIP", [
        ("data", f"p = {data['profit']}"),
        ("variables", f"x = [s.{_kind(data['whole'])}(0, s.infinity(), '') for _ in p]"),
        *(("limit", f"s.Add({_dot(row)} <= {top})") for row, top in zip(data["use"], data["limit"], strict=True)),
        ("objective", f"s.Maximize({_dot('p')})"),
    ]),
    "knapsack": lambda data: _constraint([
        ("data", f"w = {data['weight']}"),
        ("data", f"p = {data['value']}"),
        ("variables", "x = [m.new_bool_var('') for _ in w]"),
        ("limit", f"m.add({_dot('w')} <= {data['capacity']})"),
        ("objective", f"m.maximize({_dot('p')})"),
    ]),
    "diet": lambda data: _linear("SCIP", [
        ("data", f"c = {data['cost']}"),
        ("variables", f"x = [s.{_kind(data['whole'])}(0, s.infinity(), '') for _ in c]"),
        *(("limit", f"s.Add({_dot(row)} >= {low})") for row, low in zip(data["gives"], data["need"], strict=True)),
        ("objective", f"s.Minimize({_dot('c')})"),
    ]),
    "assignment": lambda data: _linear("SCIP", [
        ("data", f"c = {data['cost']}"),
        ("variables", "x = [[s.BoolVar('') for _ in c] for _ in c]"),
        ("rule", "for i in range(3):\n    s.Add(sum(x[i]) == 1)"),
        ("rule", "for j in range(3):\n    s.Add(sum(r[j] for r in x) == 1)"),
        ("objective", f"s.{'Maximize' if data['maximize'] else 'Minimize'}"
                      "(sum(a * v for r, q in zip(c, x) for a, v in zip(r, q)))"),
    ]),
    "transportation": lambda data: _linear("GLOP", [
        ("data", f"a = {data['supply']}"),
        ("data", f"c = {data['cost']}"),
        ("data", f"d = {data['demand']}"),
        ("variables", "x = [[s.NumVar(0, s.infinity(), '') for _ in d] for _ in c]"),
        ("limit", "for i in range(len(c)):\n    s.Add(sum(x[i]) <= a[i])"),
        ("demand", "for j in range(len(d)):\n    s.Add(sum(r[j] for r in x) >= d[j])"),
        ("objective", "s.Minimize(sum(k * v for r, q in zip(c, x) for k, v in zip(r, q)))"),
    ]),
    "investment": lambda data: _linear("GLOP", [
        ("data", f"r = {data['rate']}"),
        ("data", f"u = {data['cap']}"),
        ("variables", "x = [s.NumVar(0, k, '') for k in u]"),
        ("limit", f"s.Add(sum(x) <= {data['budget']})"),
        ("limit", f"s.Add(x[0] >= {data['least']})"),
        ("objective", "s.Maximize(sum(a * v / 100 for a, v in zip(r, x)))"),
    ]),
    "production": lambda data: _linear("GLOP", [
        ("data", f"d = {data['demand']}"),
        ("data", f"c = {data['cost']}"),
        ("variables", "x = [s.NumVar(0, s.infinity(), '') for _ in d]\nk = [s.NumVar(0, s.infinity(), '') for _ in d]"),
        ("limit", f"for v in x:\n    s.Add(v <= {data['capacity']})"),
        ("demand", "for t in range(len(d)):\n"
                   f"    s.Add((k[t - 1] if t else {data['stock']}) + x[t] == d[t] + k[t])"),
        ("objective", f"s.Minimize({_dot('c')} + {data['hold']} * sum(k))"),
    ]),
    "facility": lambda data: _linear("SCIP", [
        ("data", f"f = {data['fixed']}"),
        ("data", f"a = {data['capacity']}"),
        ("data", f"c = {data['cost']}"),
        ("data", f"d = {data['demand']}"),
        ("variables", "y = [s.BoolVar('') for _ in f]\nx = [[s.NumVar(0, s.infinity(), '') for _ in d] for _ in f]"),
        ("limit", "for i in range(len(f)):\n    s.Add(sum(x[i]) <= a[i] * y[i])"),
        ("demand", "for j in range(len(d)):\n    s.Add(sum(r[j] for r in x) >= d[j])"),
        ("objective", "s.Minimize(sum(a * v for a, v in zip(f, y)) + "
                      "sum(k * v for r, q in zip(c, x) for k, v in zip(r, q)))"),
    ]),
    "covering": lambda data: _linear("SCIP", [
        ("data", f"c = {data['cost']}"),
        ("data", f"z = {data['covers']}"),
        ("variables", "x = [s.BoolVar('') for _ in c]"),
        ("demand", f"for k in range(1, {data['zones'] + 1}):\n    s.Add(sum(v for v, r in zip(x, z) if k in r) >= 1)"),
        ("objective", f"s.Minimize({_dot('c')})"),
    ]),
    "bin_packing": lambda data: _linear("SCIP", [
        ("data", f"w = {data['size']}"),
        ("variables", "y = [s.BoolVar('') for _ in w]\nx = [[s.BoolVar('') for _ in w] for _ in w]"),
        ("demand", "for r in x:\n    s.Add(sum(r) == 1)"),
        ("rule", "for b in range(len(w)):\n"
                 f"    s.Add(sum(a * r[b] for a, r in zip(w, x)) <= {data['capacity']} * y[b])"),
        ("objective", "s.Minimize(sum(y))"),
    ]),
    "scheduling": lambda data: _constraint([
        ("data", f"t = {data['time']}"),
        ("variables", f"x = [[m.new_bool_var('') for _ in range({data['machines']})] for _ in t]\n"
                      "e = m.new_int_var(0, sum(t), '')"),
        ("demand", "for r in x:\n    m.add(sum(r) == 1)"),
        ("rule", f"for k in range({data['machines']}):\n    m.add(sum(a * r[k] for a, r in zip(t, x)) <= e)"),
        ("objective", "m.minimize(e)"),
    ]),
    "blending": lambda data: _linear("GLOP", [
        ("data", f"c = {data['cost']}"),
        ("data", f"q = {data['share']}"),
        ("data", f"u = {data['stock']}"),
        ("variables", "x = [s.NumVar(0, s.infinity(), '') for _ in c]"),
        ("limit", "for k, v in zip(u, x):\n    s.Add(v <= k)"),
        ("limit", f"s.Add(sum((a - {data['least']}) * v for a, v in zip(q, x)) >= 0)"),
        ("demand", f"s.Add(sum(x) == {data['total']})"),
        ("objective", f"s.Minimize({_dot('c')})"),
    ]),
}  # fmt: skip
