"""Streams become generations; an incomplete stream is an error."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env import Chunk, Generation, ReasonerError, Sampling, collect
from storm_calm.env.serialize import from_json, to_json


@given(st.lists(st.lists(st.text(max_size=3), max_size=4), max_size=5))
def test_chunks_are_joined_into_one_generation(parts):
    chunks = []
    for pieces in parts:
        ends = tuple(len("".join(pieces[: n + 1])) for n in range(len(pieces)))
        chunks.append(Chunk(text="".join(pieces), ids=tuple(range(len(pieces))), ends=ends))
    chunks.append(Chunk(text="", ids=(99,), ends=(0,), finish="end"))
    generation = collect(chunks)
    assert generation.text == "".join(chunk.text for chunk in chunks)
    assert generation.ids == tuple(id for chunk in chunks for id in chunk.ids)
    assert generation.ends[-1] == len(generation.text)
    assert generation.finish == "end"


def test_token_ids_are_dropped_only_if_a_chunk_has_none():
    last = Chunk(text="", finish="stop")
    assert collect([Chunk(text="a", ids=(1,), ends=(1,)), last]).ids == (1,)
    assert collect([Chunk(text="a", ids=(1,), ends=(1,)), Chunk(text="b"), last]).ids is None


def test_an_incomplete_stream_is_an_error():
    with pytest.raises(ReasonerError, match="after 3 characters"):
        collect([Chunk(text="abc")])


def test_token_ids_must_cover_the_text():
    with pytest.raises(ValueError, match="cover 1 of 2"):
        Generation(text="ab", ids=(1,), ends=(1,), finish="stop")


@pytest.mark.parametrize("setting", [{"temperature": -1.0}, {"temperature": math.nan}, {"top_p": 0.0}, {"top_p": 2.0}])
def test_error_for_an_invalid_sampling_setting_names_it(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        Sampling(**setting)


def test_sampling_round_trips():
    assert from_json(Sampling, to_json(Sampling(seed=3))) == Sampling(seed=3)
