"""A reply is parsed, or an error that says what is wanted instead; whatever it is, nothing else happens."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.agents.interveners.reply_parser import SCHEMA, ParsedReply, ReplyError, read_reply
from storm_calm.env import TRIGGERS

GOOD = {"why": "So.", "flaw": True, "trigger": "solver_distrust", "quote": "No.", "hint": "Wait.", "confidence": 0.5}


def test_a_whole_object_is_read():
    parsed = read_reply(json.dumps(GOOD))
    assert parsed.model_dump() == GOOD
    assert parsed.known_trigger == "solver_distrust"


def test_the_schema_asks_for_what_is_read_and_for_all_of_it():
    assert set(SCHEMA["properties"]) == set(SCHEMA["required"]) == set(ParsedReply.model_fields)
    assert SCHEMA["properties"]["trigger"]["enum"] == [*TRIGGERS, "none"]


@pytest.mark.parametrize("name", ["Solver Distrust", "solver-distrust", " SOLVER_DISTRUST\n"])
def test_the_way_a_trigger_is_written_is_forgiven(name):
    assert read_reply(json.dumps({**GOOD, "trigger": name})).known_trigger == "solver_distrust"


@pytest.mark.parametrize("name", ["none", "", "distrust", "solver_distrust_2"])
def test_a_trigger_that_there_is_none_of_is_none(name):
    assert read_reply(json.dumps({**GOOD, "trigger": name})).known_trigger is None


def test_without_a_flaw_nothing_else_is_needed():
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
def test_what_is_no_judgement_is_said_to_be_none(reply, message):
    with pytest.raises(ReplyError, match=message):
        read_reply(reply)


def test_half_a_character_is_replaced_so_that_files_can_hold_it():
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
def test_a_judgement_is_read_whatever_stands_around_it(data, before, after, indent):
    assert read_reply(before + json.dumps(data, indent=indent) + after).model_dump() == data


@given(st.one_of(st.text(), st.text(st.sampled_from('{}[]",:\\ntruefalsw "'), max_size=80)))
def test_any_text_is_a_judgement_or_a_reply_error(reply):
    with suppress(ReplyError):
        assert isinstance(read_reply(reply), ParsedReply)
