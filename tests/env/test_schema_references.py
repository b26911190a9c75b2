"""References of a client's schema are replaced by what they refer to, within limits."""

import pydantic
import pytest

from storm_calm.env.json_schema import check_plain, check_schema, schema_fault, without_references


class Stop(pydantic.BaseModel):
    town: str
    load: float | None = None


class Route(pydantic.BaseModel):
    truck: str
    stops: list[Stop]


class Routes(pydantic.BaseModel):
    routes: list[Route]
    depot: Stop


def test_the_schema_of_nested_models_validates_as_before():
    schema = without_references(Routes.model_json_schema())
    check_plain(schema)
    check_schema(schema)
    stop = {"town": "A", "load": 2.5}
    assert schema_fault(schema, {"routes": [{"truck": "1", "stops": [stop]}], "depot": stop}) == ""
    assert schema_fault(schema, {"routes": [{"truck": "1", "stops": [{"load": 1}]}], "depot": stop}) == (
        "$.routes[0].stops[0]: 'town' is a required property"
    )


def test_a_schema_without_references_is_unchanged():
    schema = {"type": "object", "properties": {"a": {"type": "integer", "description": "x"}}, "required": ["a"]}
    assert without_references(schema) == schema


def test_words_beside_a_reference_stay():
    schema = {"$defs": {"A": {"type": "integer", "title": "A"}}, "items": {"$ref": "#/$defs/A", "title": "B"}}
    assert without_references(schema) == {"items": {"type": "integer", "title": "B"}}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"$ref": "#"}, "refers to #; refer to its"),
        ({"$ref": "#/$defs/B", "$defs": {"A": {}}}, "refers to #/$defs/B; refer to its"),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"not": {"$ref": "#/$defs/A"}}}}, "inside of itself"),
        ({"enum": list(range(6000))}, "over 5000 parts"),
    ],
)
def test_other_references_are_rejected(schema, message):
    with pytest.raises(ValueError, match="the schema ") as caught:
        without_references(schema)
    assert message in str(caught.value)


def test_a_property_with_the_name_of_a_reference_stays():
    schema = {"properties": {"$ref": {"type": "string"}}}
    assert without_references(schema) == schema
