"""Data that a row has apart from its text: part of the question, so that the problem can be solved.

    The question in words.

    Data:
    - supply = [20, 30]: amount of goods at each origin

ComplexOR and NLP4LP publish it as JSON beside the text.
"""

import ast
import contextlib
import json
import re
from collections.abc import Mapping
from typing import Any

HEADING = "\n\nData:\n"
"""What separates the data from the text."""


def with_data(text: str, fields: Mapping[str, Any]) -> str:
    """Return the question: the text, and the data if the row has any."""
    data, meanings = _data(fields), _meanings(fields)
    lines = [f"- {name} = {json.dumps(value, ensure_ascii=False)}" for name, value in data.items()]
    lines = [f"{line}: {meanings[name]}" if name in meanings else line for line, name in zip(lines, data, strict=True)]
    return text.rstrip() + HEADING + "\n".join(lines) if lines else text


def text_and_data(question: str) -> tuple[str, str]:
    """Return the text of a question and its data, "" if it has none."""
    text, _, data = question.partition(HEADING)
    return text, data


def parsed(value: object) -> object:
    """Return a value that can be written as JSON text, as on the Hub; text that is not JSON is returned as it is."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(value)
    return value


def first_sample(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the first sample of a ComplexOR row, an object with "input" and "output"; empty without any."""
    samples = parsed(fields.get("sample"))
    first = samples[0] if isinstance(samples, list) and samples else samples
    return first if isinstance(first, dict) else {}


def _data(fields: Mapping[str, Any]) -> dict[str, Any]:
    data = first_sample(fields).get("input") or parsed(fields.get("parameters")) or parsed(fields.get("data"))
    if not isinstance(data, dict):
        return {}
    return {name: _inside(value, "value", value) for name, value in data.items()}


def _meanings(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return what the data mean, by name, as far as the row says it."""
    info = parsed(fields.get("problem_info"))
    described: dict[str, Any] = {}
    for found in (first_sample(fields).get("input"), info.get("parameters") if isinstance(info, dict) else None):
        described |= found if isinstance(found, dict) else {}
    meanings = {name: _inside(value, "description", "") for name, value in described.items()}
    meanings |= _arguments(fields.get("code_example"))
    return {name: text for name, text in meanings.items() if isinstance(text, str) and text}


def _inside(value: Any, name: str, otherwise: Any) -> Any:
    """Return a field of an object such as {"value": 3, "description": "..."}; `otherwise` for any other value."""
    described = isinstance(value, dict) and "description" in value
    return value.get(name, otherwise) if described else otherwise


def _arguments(code: object) -> dict[str, str]:
    """Return the descriptions of arguments in the docstring of a program's first function."""
    if not isinstance(code, str):
        return {}
    try:
        functions = [node for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    docstring = ast.get_docstring(functions[0]) if functions else None
    section = re.search(r"Args:\n(.*?)(?:\n\s*Returns:|\Z)", docstring or "", re.DOTALL)
    return dict(re.findall(r"^\s+(\w+): *(.+)$", section[1], re.MULTILINE)) if section else {}
