"""The format of an answer: text, or JSON that a program writes and that fits a schema.

    ResponseFormat(type="json_schema", json_schema=...).schema_of("response_format")
    NamedFormat(type="json_object").schema_of("text.format")    # {"type": "object"}

A model's words are never parsed: the agent is asked to write a file, as with `storm.outputs`.
"""

from collections.abc import Collection
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from storm_calm.env.json_schema import check_plain, without_references
from storm_calm.env.problem import Output
from storm_calm.serving.api.api_errors import ApiError

MAX_SCHEMA_BYTES = 16 << 10
"""Bytes of a schema as JSON."""

FormatType = Literal["text", "json_object", "json_schema"]


class NamedFormat(BaseModel):
    """The format of an answer in the Responses API."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: FormatType = "text"
    """text, json_object, or json_schema for JSON with a schema."""
    name: str | None = Field(default=None, max_length=64)
    """Name of the schema."""
    description: str | None = None
    """What the schema is for."""
    json_schema: dict[str, Any] | None = Field(default=None, alias="schema")
    """JSON Schema (2020-12)."""
    strict: bool | None = None
    """Answers always fit the schema exactly."""

    @property
    def shown(self) -> dict[str, Any]:
        """The format in a response."""
        return self.model_dump(by_alias=True, exclude_none=True)

    def schema_of(self, param: str) -> dict[str, Any] | None:
        """Return the schema of the answer; None for text. Raises ApiError. param: the place of the format."""
        if self.type == "text":
            return None
        if self.type == "json_object":
            return {"type": "object"}
        return read_schema(self.json_schema, f"{param}.schema")


class SchemaFormat(BaseModel):
    """A schema with a name, in the chat API."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str | None = Field(default=None, max_length=64)
    """Name of the schema."""
    description: str | None = None
    """What the schema is for."""
    json_schema: dict[str, Any] | None = Field(default=None, alias="schema")
    """JSON Schema (2020-12)."""
    strict: bool | None = None
    """Answers always fit the schema exactly."""


class ResponseFormat(BaseModel):
    """The format of an answer in the chat API."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: FormatType = "text"
    """text, json_object, or json_schema for JSON with a schema."""
    json_schema: SchemaFormat | None = None
    """The schema."""

    def schema_of(self, param: str) -> dict[str, Any] | None:
        """Return the schema of the answer; None for text. Raises ApiError. param: the place of the format."""
        if self.type == "text":
            return None
        if self.type == "json_object":
            return {"type": "object"}
        given = self.json_schema.json_schema if self.json_schema else None
        return read_schema(given, f"{param}.json_schema.schema")


def read_schema(schema: dict[str, Any] | None, param: str) -> dict[str, Any]:
    """Return a schema of a client without references. Raises ApiError for an invalid one."""
    if schema is None:
        raise ApiError(400, "give a schema, or the type json_object", param=param)
    if len(orjson.dumps(schema)) > MAX_SCHEMA_BYTES:
        raise ApiError(400, f"the schema has over {MAX_SCHEMA_BYTES} bytes; shorten it", param=param)
    try:
        plain = without_references(schema)
        check_plain(plain)
        return Output(path="answer.json", schema=plain).schema or {}
    except ValueError as error:
        raise ApiError(400, str(error), param=param) from None


def reply_output(schema: dict[str, Any], taken: Collection[str]) -> Output:
    """Return the output of a program that is the answer. taken: the paths of other files."""
    names = ("answer.json", *(f"answer_{number}.json" for number in range(2, len(taken) + 3)))
    return Output(path=next(name for name in names if name not in taken), schema=schema)
