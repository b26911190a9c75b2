"""Answers in JSON: exactly what a program wrote if it fits the schema, or else a refusal with the reason."""

import json
from itertools import pairwise

import openai
import pydantic
import pytest

SHOP = "How many chairs?"


class Chairs(pydantic.BaseModel):
    chairs: int


class Line(pydantic.BaseModel):
    product: str
    amount: int


class Lines(pydantic.BaseModel):
    lines: list[Line]


def asked(client, question, **fields):
    return client.chat.completions.create(model="storm", messages=[{"role": "user", "content": question}], **fields)


SCHEMA = {"type": "json_schema", "json_schema": {"name": "plan", "strict": True, "schema": Chairs.model_json_schema()}}


def test_a_chat_returns_exactly_the_json_of_the_program(client, upstream):
    answer = asked(client, f"{SHOP} [[reply]]", response_format=SCHEMA)
    message = answer.choices[0].message
    assert (message.content, message.refusal) == ('{"chairs": 40}', None)
    assert "It is \\boxed{120}." in message.reasoning
    assert "write the result to the file answer.json in the working directory" in upstream.asked[-1]["prompt"]
    assert answer.storm["answer"]["value"] == 120.0


def test_openai_parses_it_into_a_model(client):
    answer = client.chat.completions.parse(
        model="storm", messages=[{"role": "user", "content": f"{SHOP} [[reply]]"}], response_format=Chairs
    )
    assert answer.choices[0].message.parsed == Chairs(chairs=40)
    response = client.responses.parse(model="storm", input=f"{SHOP} [[reply]]", text_format=Chairs)
    assert response.output_parsed == Chairs(chairs=40)
    assert response.text.format.name == "Chairs"


def test_nested_models_are_accepted_and_missing_json_is_a_refusal(client):
    answer = client.chat.completions.parse(
        model="storm", messages=[{"role": "user", "content": f"{SHOP} [[reply]]"}], response_format=Lines
    )
    message = answer.choices[0].message
    assert (message.content, message.parsed) == (None, None)
    assert message.refusal.startswith("There is no JSON: answer.json does not fit its schema at $: ")


@pytest.mark.parametrize("play", ["solve", "chat", "infeasible"])
def test_without_a_file_there_is_a_refusal(client, play):
    message = asked(client, f"{SHOP} [[{play}]]", response_format={"type": "json_object"}).choices[0].message
    assert message.content is None
    assert message.refusal.startswith("There is no JSON: no program wrote answer.json.")


def test_a_stream_has_the_json_as_its_only_content(client):
    chunks = list(asked(client, f"{SHOP} [[reply]]", response_format=SCHEMA, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == '{"chairs": 40}'
    chunks = list(asked(client, f"{SHOP} [[solve]]", response_format=SCHEMA, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ""
    assert "There is no JSON" in "".join(chunk.choices[0].delta.refusal or "" for chunk in chunks)


def test_a_response_has_the_json_or_a_refusal_as_its_message(client):
    text = {"format": {"type": "json_schema", "name": "plan", "schema": Chairs.model_json_schema()}}
    response = client.responses.create(model="storm", input=f"{SHOP} [[reply]]", text=text)
    assert response.output_text == '{"chairs": 40}'
    with client.responses.stream(model="storm", input=f"{SHOP} [[solve]]", text=text) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    (part,) = final.output[-1].content
    assert part.type == "refusal"
    assert part.refusal.startswith("There is no JSON: no program wrote answer.json.")
    assert kinds[-6:] == [
        "response.content_part.added",
        "response.refusal.delta",
        "response.refusal.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]


def test_the_file_of_the_answer_has_a_name_of_its_own(client, upstream):
    files = {"answer.json": "{}", "answer_2.json": "{}"}
    asked(client, f"{SHOP} [[solve]]", response_format=SCHEMA, extra_body={"storm": {"files": files}})
    assert "write the result to the file answer_3.json" in upstream.asked[-1]["prompt"]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (None, "give a schema, or the type json_object"),
        ({"type": "plan"}, "the schema is invalid"),
        ({"$ref": "http://a/b"}, "the schema refers to http://a/b; refer to its $defs only"),
        ({"properties": {"a": {"pattern": "(a+)+$"}}}, "the keyword pattern is not supported"),
        ({"$defs": {"A": {"items": {"$ref": "#/$defs/A"}}}, "$ref": "#/$defs/A"}, "inside of itself"),
        ({"title": "x" * 20_000}, "over 16384 bytes"),
    ],
)
def test_unusable_schemas_are_rejected(client, schema, message):
    with pytest.raises(openai.BadRequestError) as caught:
        asked(client, SHOP, response_format={"type": "json_schema", "json_schema": {"name": "p", "schema": schema}})
    assert message in caught.value.message
    assert caught.value.param == "response_format.json_schema.schema"
    format = {"type": "json_schema", "name": "p", "schema": schema}
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="storm", input=SHOP, text={"format": format})
    assert caught.value.param == "text.format.schema"


def test_a_schema_cannot_grow_without_limit_by_references(client):
    names = [f"A{number}" for number in range(40)]
    twice = {
        name: {"properties": {"a": {"$ref": f"#/$defs/{after}"}, "b": {"$ref": f"#/$defs/{after}"}}}
        for name, after in pairwise(names)
    }
    schema = {"$defs": {**twice, names[-1]: {"type": "integer"}}, "$ref": "#/$defs/A0"}
    with pytest.raises(openai.BadRequestError, match="over 5000 parts"):
        asked(client, SHOP, response_format={"type": "json_schema", "json_schema": {"name": "p", "schema": schema}})


def test_text_formats_change_nothing(client):
    answer = asked(client, f"{SHOP} [[chat]]", response_format={"type": "text"})
    assert SHOP in answer.choices[0].message.content
    assert json.loads(client.responses.create(model="storm", input="[[chat]]").to_json())["text"] == {
        "format": {"type": "text"}
    }
