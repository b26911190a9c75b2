"""The evidence that the rules read: an episode split into turns, programs, solver reports and numbers.

A turn is the model's text between two outputs. It ends with a program that runs, or with the answer. Hints are replaced
by spaces, so no rule fires on the text of an intervener.
"""

import ast
import builtins
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from storm_calm.env.answers import Answer, AnswerStatus, read_answer
from storm_calm.env.episode import Episode, StopReason
from storm_calm.env.problem import Problem
from storm_calm.env.protocol import Inline
from storm_calm.sandbox import Execution
from storm_calm.sandbox.syntax_tree import parse

SOLVING = {
    "Solve", "solve", "optimize", "run", "linprog", "milp", "minimize_scalar", "SolveWithParameters",
    "SearchForAllSolutions",
}  # fmt: skip
"""Names of functions that solve a model."""

LIST_MARK = re.compile(r"[ \t]*(?:\d{1,3}[.)]|[-*+])[ \t]+")
"""The beginning of a line of a list, which belongs to the sentence after it."""

SENTENCE_ENDS = (". ", "! ", "? ", "\n")
PRINTED = re.compile(r"(?<![\w.])\d+(?:\.\d*)?(?:[eE][-+]?\d+)?(?![\w])")
"""A number in a program's output; scientific notation is allowed."""
NUMBER = re.compile(r"(?<![\w.])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d])|(?<![\w.])\d+(?:\.\d+)?(?![\d])")


Node = TypeVar("Node", bound=ast.AST)


@dataclass(frozen=True)
class Code:
    """A parsed program."""

    tree: ast.Module

    def nodes(self, kind: type[Node]) -> Iterator[Node]:
        """Yield all nodes of this type."""
        return (node for node in ast.walk(self.tree) if isinstance(node, kind))

    @cached_property
    def numbers(self) -> Counter[float]:
        """The numeric literals, with their counts."""
        return Counter(value for node in ast.walk(self.tree) if (value := literal(node)) is not None)

    @cached_property
    def rounded(self) -> Counter[float]:
        """The numeric literals, rounded to nine digits, with their counts."""
        rounded: Counter[float] = Counter()
        for value, count in self.numbers.items():
            rounded[float(f"{value:.9g}")] += count
        return rounded

    @cached_property
    def text_numbers(self) -> frozenset[float]:
        """The numbers of strings with at least three, such as a table in CSV or JSON; a message may name a limit."""
        texts = [node.value for node in self.nodes(ast.Constant) if isinstance(node.value, str)]
        found = [[value for value, _ in numbers_in(text.replace(",", " "))] for text in texts]
        return frozenset(value for values in found if len(values) > 2 for value in values)

    @cached_property
    def calls(self) -> frozenset[str]:
        """The last names of all called functions: `Solve` for `solver.Solve()`."""
        return frozenset(last_name(call.func) for call in self.nodes(ast.Call))

    @cached_property
    def words(self) -> frozenset[str]:
        """All attributes, names, keywords and strings."""
        words = {attribute.attr for attribute in self.nodes(ast.Attribute)} | {name.id for name in self.nodes(ast.Name)}
        words |= {keyword.arg for keyword in self.nodes(ast.keyword) if keyword.arg is not None}
        words |= {constant.value for constant in self.nodes(ast.Constant) if isinstance(constant.value, str)}
        return frozenset(words)

    @cached_property
    def loaded(self) -> frozenset[str]:
        """Names that are read; loop variables of a comprehension are local to it."""
        return frozenset(_loads(self.tree, frozenset()))

    @cached_property
    def undefined(self) -> frozenset[str]:
        """Names that are read and never defined: the program will fail."""
        defined = set(dir(builtins))
        for node in ast.walk(self.tree):
            match node:
                case ast.Name(ctx=ast.Store() | ast.Del()):
                    defined.add(node.id)
                case ast.alias():
                    defined.add((node.asname or node.name).split(".")[0])
                    if node.name == "*":
                        return frozenset()
                case ast.FunctionDef() | ast.ClassDef() | ast.AsyncFunctionDef():
                    defined.add(node.name)
                case ast.arg():
                    defined.add(node.arg)
                case ast.ExceptHandler(name=str(name)):
                    defined.add(name)
        return self.loaded - defined

    @cached_property
    def prints(self) -> bool:
        """Whether it prints anything but constants. A `print` that is not called, but passed on, counts."""
        names = [name for name in self.nodes(ast.Name) if name.id == "print"]
        calls = [call for call in self.nodes(ast.Call) if call.func in names]
        return len(names) > len(calls) or any(not isinstance(arg, ast.Constant) for call in calls for arg in call.args)

    @property
    def solves(self) -> bool:
        return bool(self.calls & SOLVING)

    @property
    def complete(self) -> bool:
        """Whether it solves a model and reads no undefined names."""
        return self.solves and not self.undefined


@dataclass(frozen=True)
class Turn:
    """The model's text between two outputs."""

    start: int
    """Offset of `text` in the transcript."""
    text: str
    """The text with its program; hints are replaced by spaces."""
    block: int | None
    """Offset of the program's block in the transcript; None without one."""
    source: str | None
    """The program; None without one."""
    execution: Execution | None
    """The program's execution; None before it ran."""

    @cached_property
    def code(self) -> Code | None:
        """The parsed program; None without one, or if it does not parse."""
        tree = None if self.source is None else parse(self.source)
        return None if tree is None else Code(tree)

    @property
    def prose(self) -> str:
        """The text before the program."""
        return self.text if self.block is None else self.text[: self.block - self.start]


@dataclass(frozen=True)
class Evidence:
    """An episode, split into turns."""

    question: str
    turns: tuple[Turn, ...]
    """The turns, in order; the program of the last one may not have run yet."""
    answer: Answer | None
    """The final answer; None before there is one."""
    stop: StopReason | None = None
    """Why the episode ended; None before its end."""
    problem: Problem | None = None
    """The problem, for its files."""

    @cached_property
    def numbers(self) -> Counter[float]:
        """The numbers in the question, with their counts."""
        return Counter(value for value, _ in numbers_in(self.question))

    @cached_property
    def runs(self) -> tuple[Execution, ...]:
        """The successful executions."""
        return tuple(turn.execution for turn in self.turns if turn.execution and turn.execution.status == "ok")

    def programs(self) -> Iterator[tuple[Turn, Code, int]]:
        """Yield each turn with a parsed program, the program, and the offset of its block in the turn's text."""
        for turn in self.turns:
            if turn.code is not None and turn.block is not None:
                yield turn, turn.code, turn.block - turn.start

    def result_before(self, turn: Turn) -> bool:
        """Return whether an earlier program printed a number or solved a model."""
        earlier = (one.execution for one in self.turns if one.start < turn.start)
        return any(run and run.status == "ok" and (run.reports or numbers_in(run.stdout)) for run in earlier)

    def printed_before(self, turn: Turn) -> set[float]:
        """Return the numbers that earlier programs printed."""
        earlier = (one.execution.stdout for one in self.turns if one.start < turn.start and one.execution)
        return {value for printed in earlier for value, _ in numbers_in(printed.replace("-", " "))}

    @property
    def last_execution(self) -> Execution | None:
        return next((turn.execution for turn in reversed(self.turns) if turn.execution), None)


def gather(episode: Episode) -> Evidence:
    """Split an episode with inline code into turns."""
    transcript = episode.transcript
    blanked = "".join(" " * len(span.text) if span.source == "hint" else span.text for span in transcript.spans)
    turns: list[Turn] = []
    offset = transcript.prompt_end
    executions = iter(episode.executions)
    while True:
        start, end = transcript.turn(offset)
        text = blanked[start:end]
        action = Inline().read(text, ended=end < len(blanked))
        block = None if action.start is None else start + action.start
        execution = next(executions) if end < len(blanked) else None
        turns.append(Turn(start=start, text=text, block=block, source=action.code, execution=execution))
        if execution is None:
            break
        offset = end + len(next(s.text for s, b in zip(transcript.spans, transcript.starts, strict=True) if b == end))
    answer = read_answer(transcript) if episode.stop == "answer" else None
    return Evidence(
        question=episode.problem.question,
        turns=tuple(turns),
        answer=answer,
        stop=episode.stop,
        problem=episode.problem,
    )


def numbers_in(text: str) -> list[tuple[float, int]]:
    """Return the numbers in prose with their offsets; 1,200 is one number."""
    found = ((float(one[0].replace(",", "")), one.start()) for one in NUMBER.finditer(text))
    return [(value, at) for value, at in found if math.isfinite(value)]


def literal(node: ast.AST) -> float | None:
    """Return the absolute value of a numeric literal; None for any other node, or if no float can hold it."""
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
        return None
    try:
        value = abs(float(node.value))
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def said_status(execution: Execution) -> AnswerStatus | None:
    """Return the status that a program printed, None without one."""
    words: tuple[AnswerStatus, ...] = ("infeasible", "unbounded")
    return next((word for word in words if word in execution.stdout.lower()), None)


def backs(execution: Execution, answer: Answer) -> bool:
    """Return whether the output or a solver report has the answer, up to rounding and sign."""
    if answer.value is None:
        reported = {report.status for report in execution.reports}
        return answer.status in reported or answer.status == said_status(execution)
    wanted = abs(answer.value)
    known = [abs(float(found)) for found in PRINTED.findall(execution.stdout.replace(",", ""))]
    known += [value for value, _ in numbers_in(execution.stdout.replace("-", " "))]
    known += [abs(report.objective) for report in execution.reports if report.objective is not None]
    return any(math.isclose(wanted, value, rel_tol=1e-3, abs_tol=0.51 if value > 1000 else 1e-3) for value in known)


def sentence_start(text: str, offset: int) -> int:
    """Return the offset at which the sentence or line around `offset` begins."""
    ends = [(text.rfind(mark, 0, offset), mark) for mark in SENTENCE_ENDS]
    start = max((at + len(mark) for at, mark in ends if at >= 0), default=0)
    while 0 < start < offset and text[start].isspace():
        start += 1
    line = text.rfind("\n", 0, start) + 1
    return line if LIST_MARK.fullmatch(text, line, start) else start


def _loads(node: ast.AST, hidden: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in hidden:
        yield node.id
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
        # The first iterable is evaluated outside the comprehension.
        yield from _loads(node.generators[0].iter, hidden)
        targets = (n for g in node.generators for n in ast.walk(g.target))
        hidden |= {n.id for n in targets if isinstance(n, ast.Name)}
    for child in ast.iter_child_nodes(node):
        yield from _loads(child, hidden)


def last_name(function: ast.expr) -> str:
    """Return the name of a called function without its object or module; "" if it has none."""
    match function:
        case ast.Name():
            return function.id
        case ast.Attribute():
            return function.attr
    return ""
