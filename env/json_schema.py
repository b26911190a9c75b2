"""Validate JSON data against a JSON Schema (2020-12) that never leads to the network."""

from typing import Any

from storm_calm.env.one_line import MAX_CHARS, one_line

MAX_PARTS = 5000
"""Parts of a schema without references, with all its names and values."""
PLAIN = frozenset(
    {
        *("type", "enum", "const", "title", "description", "default", "examples", "$schema"),
        # Not validated: annotations.
        *("format", "discriminator", "$comment"),
        *("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
        *("items", "prefixItems", "minItems", "maxItems", "minLength", "maxLength"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "anyOf", "allOf", "oneOf", "not"),
    }
)
"""Keywords whose validation takes time in proportion to schema and data."""


def check_plain(schema: Any) -> None:
    """Raise ValueError if the schema of a client has keywords that could make its validation endless.

    References can double the work with each level, patterns can backtrack, and unique items are compared in pairs.
    """
    parts = [schema]
    while parts:
        part = parts.pop()
        if isinstance(part, bool):
            continue
        if not isinstance(part, dict):
            raise ValueError("a part of the schema is neither an object nor true or false")
        if odd := sorted(set(part) - PLAIN):
            raise ValueError(f"the keyword {one_line(odd[0])} is not supported in schemas; leave it out")
        properties = part.get("properties", {})
        parts += properties.values() if isinstance(properties, dict) else []
        parts += [part[name] for name in ("items", "additionalProperties", "not") if name in part]
        for name in ("prefixItems", "anyOf", "allOf", "oneOf"):
            parts += part[name] if isinstance(part.get(name), list) else []


def without_references(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with each reference to its $defs replaced by what it refers to, as pydantic's models have them.

    Raises ValueError for other references, for recursive ones, and if the result becomes too large.
    """
    definitions = {
        f"#/{key}/{name}": part
        for key in ("$defs", "definitions")
        for name, part in (schema[key].items() if isinstance(schema.get(key), dict) else ())
    }
    left = MAX_PARTS

    def resolved(part: Any, inside: tuple[str, ...]) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError(f"the schema has over {MAX_PARTS} parts without its references; simplify it")
        if isinstance(part, list):
            return [resolved(one, inside) for one in part]
        if not isinstance(part, dict):
            return part
        rest = {key: resolved(value, inside) for key, value in part.items() if key != "$ref"}
        reference = part.get("$ref")
        if not isinstance(reference, str):
            return rest if reference is None else {**rest, "$ref": resolved(reference, inside)}
        if reference not in definitions:
            raise ValueError(f"the schema refers to {one_line(reference)}; refer to its $defs only")
        if reference in inside:
            raise ValueError(f"the schema refers to {one_line(reference)} inside of itself; limit its depth")
        target = resolved(definitions[reference], (*inside, reference))
        return {**target, **rest} if isinstance(target, dict) else target

    try:
        plain: dict[str, Any] = resolved(
            {key: value for key, value in schema.items() if key not in ("$defs", "definitions")}, ()
        )
    except RecursionError:
        raise ValueError("the schema is nested too deep; simplify it") from None
    return plain


def check_schema(schema: dict[str, Any]) -> None:
    """Raise ValueError if a schema is invalid, or has a reference that leads out of it."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"the schema is invalid at {error.json_path}: {one_line(error.message)}") from None
    except RecursionError:
        raise ValueError("the schema is nested too deep; simplify it") from None
    for reference in _references(schema):
        if not reference.startswith("#"):
            raise ValueError(f"the schema refers to {one_line(reference)}; include that part under $defs")


def schema_fault(schema: dict[str, Any], value: Any) -> str:
    """Return the place and the text of the first violation of a checked schema; "" if `value` fits it."""
    from jsonschema import Draft202012Validator

    try:
        fault = next(Draft202012Validator(schema).iter_errors(value), None)
    except RecursionError:
        return "$: it is nested too deep"
    return "" if fault is None else f"{fault.json_path}: {_shortened(fault.message)}"


def _shortened(message: str) -> str:
    """Return a message on one line. A long one begins with the value, and ends with what is wrong with it."""
    if len(message) <= MAX_CHARS:
        return one_line(message)
    return f"{one_line(message[:100])} ... {one_line(message[-80:])}"


def _references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [value for key, value in part.items() if key in ("$ref", "$dynamicRef") and isinstance(value, str)]
        return own + [one for value in part.values() for one in _references(value)]
    return [one for value in part for one in _references(value)] if isinstance(part, list) else []
