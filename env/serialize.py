"""Convert dataclasses to JSON data and back. JSON data are the types that `json.loads` returns.

    data = to_json(episode)
    episode = from_json(Episode, data)

The schema is the frozen dataclass. Validation is strict: each field has its type, numbers are finite, and unknown
fields are errors. Bytes are base64.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from storm_calm.env.jsonl import short

# Imported with the first value, so that a command that only shows its help starts quickly.
if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError
    from pydantic_core import SchemaSerializer, SchemaValidator

T = TypeVar("T")


def to_json(value: Any, *, digits: int | None = None) -> dict[str, Any]:
    """Return the JSON data of a dataclass instance. digits: round numbers to this many decimals."""
    cls: Any = type(value)
    data: dict[str, Any] = _schemas(cls)[1].to_python(value, mode="json", warnings=False)
    return data if digits is None else _rounded(data, digits)


def from_json(cls: type[T], data: object) -> T:
    """Return a `cls` from JSON data. Raises ValueError that names the field and the fix."""
    try:
        value: T = _schemas(cast(Any, cls))[0].validate_python(data)
    except ValueError as error:
        raise ValueError(_message(cast("ValidationError", error), data)) from error
    return value


def adapter(cls: type[T], *, described: bool = False) -> TypeAdapter[T]:
    """Return pydantic's adapter of a dataclass and its nested dataclasses, with our settings.

    described: read descriptions of fields from their docstrings in the source.
    """
    from pydantic import ConfigDict, TypeAdapter
    from typing_extensions import TypeAliasType

    settings = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=described)
    # Pydantic takes settings for an alias, not for a dataclass.
    return TypeAdapter(TypeAliasType(cls.__name__, cls), config=settings)  # type: ignore[arg-type]


@cache
def _schemas(cls: type) -> tuple[SchemaValidator, SchemaSerializer]:
    from pydantic_core import SchemaSerializer, SchemaValidator

    schema = _of_json(adapter(cls).core_schema)
    return SchemaValidator(schema), SchemaSerializer(schema)


def _of_json(schema: Any) -> Any:
    """Adapt a strict schema to JSON data, in which tuples are lists, dataclasses dicts, and bytes base64."""
    from pydantic_core import core_schema

    if isinstance(schema, list):
        return [_of_json(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    adapted = {name: part if name == "metadata" else _of_json(part) for name, part in schema.items()}
    match schema.get("type"):
        case "tuple" | "dataclass":
            adapted["strict"] = False
        case "bytes":
            encode = core_schema.plain_serializer_function_ser_schema(_encode, when_used="json")
            return core_schema.no_info_plain_validator_function(_decode, serialization=encode)
    return adapted


def _rounded(value: Any, digits: int) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(part, digits) for name, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part, digits) for part in value]
    return round(value, digits) if isinstance(value, float) else value


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _decode(content: object) -> bytes:
    if not isinstance(content, str):
        raise ValueError(f"{short(content)} is not a text; give bytes as base64")
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from error


_GIVE = {
    "string_type": "a text",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "none_required": "null",
    "tuple_type": "a list",
    "dict_type": "an object",
    "mapping_type": "an object",
    "dataclass_type": "an object",
}
"""The expected value by error type; for other types it is in pydantic's message."""


def _message(error: ValidationError, data: object) -> str:
    """Describe the first error: the field's path, such as "episode.usage" or "answers[2]", its value and the fix."""
    faults = error.errors(include_url=False)
    path = _path(faults[0], data)
    # Each member of a union has its own error at the same path.
    same = [fault for fault in faults if _path(fault, data) == path]
    first, name = same[0], f'"{path}"' if path else "it"
    match first["type"]:
        case "missing":
            return f"{name} is missing"
        case "unexpected_keyword_argument":
            return f"{name} is not a known field; remove it"
        case "value_error":
            words = str(first["ctx"]["error"])
            return f"{path}: {words}" if path else words
    fixes = [_GIVE.get(one["type"]) or one["msg"].removeprefix("Input should be ").replace("'", '"') for one in same]
    return f"{name} is {short(first['input'])}; give {' or '.join(dict.fromkeys(fixes))}"


def _path(fault: Any, data: Any) -> str:
    path = ""
    for part in fault["loc"]:
        if isinstance(part, int) and isinstance(data, list | tuple):
            path, data = f"{path}[{part}]", data[part]
        elif isinstance(data, Mapping) and (part in data or fault["type"] == "missing"):
            path, data = f"{path}.{part}" if path else part, data.get(part)
        # Anything else is the name of a union member, which is not in the data.
    return path
