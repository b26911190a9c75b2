"""A reply is parsed, or is an error that describes the expected format."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.agents.interveners.reply_parser import SCHEMA, ParsedReply, ReplyError, read_reply
from storm_calm.env import TRIGGERS

GOOD = {"why": "So.", "flaw": True, "trigger": "solver_distrust", "quote": "No.", "hint": "Wait.", "confidence": 0.5}


def test_a_complete_object_is_parsed():
    parsed = read_reply(json.dumps(GOOD))
    assert parsed.model_dump() == GOOD
    assert parsed.known_trigger == "solver_distrust"


def test_the_schema_requires_exactly_the_parsed_fields():
    assert set(SCHEMA["properties"]) == set(SCHEMA["required"]) == set(ParsedReply.model_fields)
    assert SCHEMA["properties"]["trigger"]["enum"] == [*TRIGGERS, "none"]


@pytest.mark.parametrize("name", ["Solver Distrust", "solver-distrust", " SOLVER_DISTRUST\n"])
def test_spelling_variants_of_a_trigger_are_accepted(name):
    assert read_reply(json.dumps({**GOOD, "trigger": name})).known_trigger == "solver_distrust"


@pytest.mark.parametrize("name", ["none", "", "distrust", "solver_distrust_2"])
def test_an_unknown_trigger_is_none(name):
    assert read_reply(json.dumps({**GOOD, "trigger": name})).known_trigger is None


def test_without_a_flaw_other_fields_are_optional():
    assert read_reply('{"flaw": false}').flaw is False


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ("", "no JSON object"),
        ("All is well.", "no JSON object"),
        ('<think>{"flaw": false}', "no JSON object"),
        ('{"flaw": tr', "not valid JSON, or not all of it"),
        ("{" * 100_000, "not valid JSON"),
        ('{"a":' * 50_000 + "1" + "}" * 50_000, "not valid JSON"),
        ('{"flaw": "perhaps"}', "flaw: Input should be a valid boolean"),
        ("{}", "flaw: Field required"),
        ('{"flaw": true, "confidence": 90}', "confidence: Input should be less than or equal to 1"),
        ('{"flaw": true, "confidence": NaN}', "confidence"),
        ('{"flaw": true, "quote": ["a"]}', "quote: Input should be a valid string"),
    ],
)
def test_a_malformed_reply_is_an_error(reply, message):
    with pytest.raises(ReplyError, match=message):
        read_reply(reply)


def test_lone_surrogates_are_replaced():
    reply = r'{"flaw": true, "hint": "half \ud83d, whole \ud83d\ude00"}'
    assert read_reply(reply).hint == "half \ufffd, whole \U0001f600"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
FIELDS = {"flaw": st.booleans(), **dict.fromkeys(("trigger", "quote", "why", "hint"), TEXT)}


@given(
    st.fixed_dictionaries({**FIELDS, "confidence": st.floats(0, 1)}),
    st.sampled_from(["", "```json\n", "Here it is: ", "<think>{\"flaw\"}</think>", "<think>a</think>\n```\n"]),
    st.sampled_from(["", "\n```", "\n```\nThat is all."]),
    st.sampled_from([None, 1, "\t"]),
)  # fmt: skip
def test_surrounding_text_is_ignored(data, before, after, indent):
    assert read_reply(before + json.dumps(data, indent=indent) + after).model_dump() == data


@given(st.one_of(st.text(), st.text(st.sampled_from('{}[]",:\\ntruefalsw "'), max_size=80)))
def test_any_text_is_parsed_or_a_reply_error(reply):
    with suppress(ReplyError):
        assert isinstance(read_reply(reply), ParsedReply)
