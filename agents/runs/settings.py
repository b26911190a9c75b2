"""Settings as frozen dataclasses: their docstrings are the help texts, and a fingerprint stands for the problems."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
from collections.abc import Iterable
from dataclasses import fields
from functools import cache
from typing import Any

from storm_calm.env import Problem
from storm_calm.env.serialize import to_json

FAMILY_LIMIT = 100
"""Problems that are taken from families, which are endless, if nobody says how many."""


@cache
def help_texts(cls: Any) -> dict[str, str]:
    """The docstring of each field of the dataclass `cls`, by its name."""
    body = ast.parse(inspect.getsource(cls)).body[0]
    assert isinstance(body, ast.ClassDef)
    names = {field.name for field in fields(cls)}
    texts: dict[str, str] = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                texts[name] = words
    assert texts.keys() == names, "every field has a docstring"
    return texts


def to_toml(config: Any) -> dict[str, Any]:
    """Return settings as TOML data, which has no None: such fields are left out. `from_json` reads them."""
    return {name: value for name, value in to_json(config).items() if value is not None}


def digest(problems: Iterable[Problem]) -> str:
    """A fingerprint of the problems, by which a run notices that they are others than it began with."""
    lines = "\n".join(json.dumps(to_json(problem), sort_keys=True) for problem in problems)
    return hashlib.sha256(lines.encode()).hexdigest()[:16]
