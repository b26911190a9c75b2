"""Streams become generations; an incomplete stream is an error."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env import Chunk, Generation, ReasonerError, Sampling, collect
from storm_calm.env.serialize import from_json, to_json


@given(st.lists(st.lists(st.text(max_size=3), max_size=4), max_size=5))
def test_a_stream_of_chunks_is_one_generation(parts):
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


def test_ids_are_given_up_only_when_text_comes_without_them():
    last = Chunk(text="", finish="stop")
    assert collect([Chunk(text="a", ids=(1,), ends=(1,)), last]).ids == (1,)
    assert collect([Chunk(text="a", ids=(1,), ends=(1,)), Chunk(text="b"), last]).ids is None


def test_a_stream_that_breaks_off_is_an_error():
    with pytest.raises(ReasonerError, match="after 3 characters"):
        collect([Chunk(text="abc")])


def test_ids_that_do_not_cover_the_text_are_refused():
    with pytest.raises(ValueError, match="cover 1 of 2"):
        Generation(text="ab", ids=(1,), ends=(1,), finish="stop")


@pytest.mark.parametrize("setting", [{"temperature": -1.0}, {"temperature": math.nan}, {"top_p": 0.0}, {"top_p": 2.0}])
def test_a_bad_sampling_setting_is_named(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        Sampling(**setting)


def test_sampling_comes_back_from_its_data():
    assert from_json(Sampling, to_json(Sampling(seed=3))) == Sampling(seed=3)
