"""JSON Schemas of plans: strict and bounded, and short enough for the prompt.

plan_schema(shipments=rows(5000, plant_id=TEXT, customer_id=TEXT, tons=AMOUNT))
"""

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "maxLength": 40}
"""An identifier; the checker knows which ones exist."""
AMOUNT: Schema = {"type": "number", "minimum": 0, "maximum": 1e9}


def whole(least: int, most: int) -> Schema:
    """Return the schema of a whole number."""
    return {"type": "integer", "minimum": least, "maximum": most}


def listing(most: int, item: Schema) -> Schema:
    """Return the schema of a list with at most this many items."""
    return {"type": "array", "maxItems": most, "items": item}


def rows(most: int, **fields: Schema) -> Schema:
    """Return the schema of a list of objects that have all of these fields and no others."""
    return listing(most, _object(fields))


def plan_schema(**fields: Schema) -> Schema:
    """Return the schema of a plan with these fields."""
    return _object(fields)


def _object(fields: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
