"""Extract the English text of the project and measure it: docstrings, comments, help texts, errors and docs.

`python -m support.prose [PATH ...]` (from the folder tests/) prints the rates and every place that counts.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "docs", "examples", "models")
PACKAGES = ("agents", "cli", "env", "integrations", "rl", "sandbox", "serving", "storm_calm/__init__.py")

CEILINGS = {
    "where": (r"\bwhere (?:it|they|there|an?|the|that|this|no|nothing|one|its|what)\b", 6.0),
    "said": (r"\b(?:said|says?|saying)\b", 6.0),
    "is no": (r"\b(?:is|are) (?:no|none)\b", 5.0),
    "told": (r"\b(?:told|tells?|telling)\b", 3.0),
    "stands": (r"\b(?:stands?|stood|standing)\b", 2.0),
}
"""Per word: its pattern, and the most occurrences allowed in 10,000 words.

verifiers, inspect_ai, torchtitan and llm have 1 to 3, 0 to 3.4, 1.4 to 3.9, 0 to 1.4, and 0.2 to 0.7.
"""

WORDS = {
    "whoever": "the caller, the user",
    "nobody": "no user, no process",
    "somebody": "a user, another process",
    "mend": "repair, fix",
    "mended": "repaired, fixed",
    "mends": "repairs, fixes",
    "borne": "allowed",
    "goes on": "continues",
    "go on": "continue",
    "going on": "continuing",
    "went on": "continued",
    "gone on": "continued",
    "is none of": "must be one of",
    "what is no": "an invalid",
    "as ever": "as usual",
    "sent home": "cancelled",
    "come to one": "finished",
    "for ever": "forever, without limit",
    "once and for all": "once",
    "out of hand": "immediately",
    "comes of": "results from",
    "came of": "resulted from",
    "thereby": "so",
    "thereof": "of it",
    "therein": "in it",
    "hence": "so",
    "lest": "so that ... not",
    "braked": "cancelled",
    "halted": "cancelled, stopped",
    "torn line": "incomplete line",
}
"""Words and phrases that are not technical English, each with what to write instead."""


@dataclass(frozen=True)
class Passage:
    """A stretch of prose with its kind ("docstring", "comment", "help", "error", "docs"), file and line."""

    kind: str
    path: str
    line: int
    text: str


def passages(*paths: str) -> Iterator[Passage]:
    """Yield all prose below `paths` (default: the packages and the docs)."""
    for path in paths or (*PACKAGES, *PAGES):
        top = ROOT / path
        for file in sorted([top] if top.is_file() else top.rglob("*.py" if path in PACKAGES else "*.[pm][yd]")):
            if "node_modules" in file.parts or not file.exists():
                continue
            name, text = str(file.relative_to(ROOT)), file.read_text(encoding="utf-8")
            yield from _python(name, text) if file.suffix == ".py" else _markdown(name, text)


def _python(path: str, text: str) -> Iterator[Passage]:
    tree = ast.parse(text)
    inside_errors: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            kind = "help" if path.startswith("cli/") else "docstring"
            yield Passage(kind, path, node.lineno, _without_code(node.value.value))
        elif isinstance(node, ast.Raise) and node.exc is not None:
            yield from _strings(path, node.exc, inside_errors)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in MESSAGES or called.endswith("Error"):
                yield from _strings(path, node, inside_errors)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not re.match(r"#\s*(?:noqa|type:|!|mypy|fmt|ruff)", token.string):
            yield Passage("comment", path, token.start[0], token.string.lstrip("# "))


MESSAGES = {
    *("print", "echo", "fail", "warn", "warning", "info", "error", "debug", "exception", "critical"),
    *("Option", "Argument", "BadParameter", "UsageError", "problem", "reject", "note"),
}
"""Functions whose strings a person reads."""


def _strings(path: str, node: ast.AST, seen: set[int]) -> Iterator[Passage]:
    """Yield the text of strings in an expression, an f-string's values as "X"."""
    for child in ast.walk(node):
        if id(child) in seen:
            continue
        if isinstance(child, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "X" for part in child.values]
            seen.update(id(part) for part in ast.walk(child))
            yield Passage("error", path, child.lineno, _without_code("".join(parts)))
        elif isinstance(child, ast.Constant) and isinstance(child.value, str) and " " in child.value:
            seen.add(id(child))
            yield Passage("error", path, child.lineno, _without_code(child.value))


def _markdown(path: str, text: str) -> Iterator[Passage]:
    fenced = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith("    "):
            yield Passage("docs", path, number, _without_code(line))


def _without_code(text: str) -> str:
    """Drop fenced and quoted code, and the addresses of links."""
    text = re.sub(r"```.*?```", " ", text, flags=re.DOTALL)
    return re.sub(r"`[^`\n]*`|\]\([^)]*\)", " ", text)


def words(text: str) -> int:
    return len(re.findall(r"[A-Za-z][A-Za-z'-]*", text))


def rates(found: list[Passage]) -> dict[str, float]:
    """Return occurrences per 10,000 words, for each entry of CEILINGS."""
    total = sum(words(passage.text) for passage in found) or 1
    return {
        name: sum(len(re.findall(pattern, passage.text, re.IGNORECASE)) for passage in found) * 10_000 / total
        for name, (pattern, _) in CEILINGS.items()
    }


def places(found: list[Passage]) -> Iterator[str]:
    """Yield "file:line [word] text" for each occurrence of a counted or discouraged word."""
    patterns = {name: pattern for name, (pattern, _) in CEILINGS.items()} | {word: rf"\b{word}\b" for word in WORDS}
    for passage in found:
        for name, pattern in patterns.items():
            for match in re.finditer(pattern, passage.text, re.IGNORECASE):
                line = passage.line + passage.text.count("\n", 0, match.start())
                around = passage.text[max(0, match.start() - 40) : match.end() + 40].replace("\n", " ")
                yield f"{passage.path}:{line} [{name}] {around}"


if __name__ == "__main__":
    everything = list(passages(*sys.argv[1:]))
    print("\n".join(places(everything)))
    for kind in ("docstring", "comment", "help", "error", "docs"):
        of_kind = [passage for passage in everything if passage.kind == kind]
        print(
            f"{kind:10} {sum(words(p.text) for p in of_kind):7,} words",
            *(f"{name} {rate:.1f}/{CEILINGS[name][1]}" for name, rate in rates(of_kind).items()),
        )
