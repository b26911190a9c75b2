"""`agents.reasoners.tokenizer`: text to ids and back, and the ends of tokens and segments."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storm_calm.agents.reasoners import built_in
from storm_calm.agents.reasoners.tokenizer import ByteTokens, Segment
from storm_calm.env.reasoner import collect

TOKENS = ByteTokens(built_in("nano-base") / "tokenizer.json")


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",))))
@settings(max_examples=200, deadline=None)
def test_text_comes_back_whole_and_ends_never_go_back(text):
    ids, ends = TOKENS.encode(text)
    decoder = TOKENS.decoder()
    assert "".join(decoder.feed(id) for id in ids) == text
    assert not decoder.open
    assert list(ends) == sorted(ends)
    assert (ends[-1] if ends else 0) == len(text)


def test_a_token_ends_where_its_text_does():
    text = "Let x = 12\n"
    ids, ends = TOKENS.encode(text)
    decoder = TOKENS.decoder()
    for start, end, id in zip((0, *ends), ends, ids, strict=False):
        assert decoder.feed(id) == text[start:end]


def test_a_token_inside_a_character_ends_before_it():
    ids, ends = TOKENS.encode("€")
    assert len(ids) > 1
    assert ends == (0,) * (len(ids) - 1) + (1,)


def test_special_tokens_are_one_token_each():
    assert len(TOKENS.encode_marked("<|im_start|><|im_end|>")[0]) == 2
    assert TOKENS.encode_marked("<|im_end|>")[0][0] in TOKENS.end_ids


def test_names_of_special_tokens_are_text_unless_they_are_wanted():
    for name in TOKENS.names:
        plain, _ = TOKENS.encode(f"a{name}b")
        assert set(plain).isdisjoint(TOKENS.encode_marked(name)[0])
        assert "".join(map(TOKENS.decoder().feed, plain)) == f"a{name}b"


def test_text_is_never_normalized(tmp_path):
    data = json.loads((built_in("nano-base") / "tokenizer.json").read_text())
    data["normalizer"] = {"type": "NFC"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(data))
    text = "e\u0301"  # NFC would merge these two characters.
    ids, ends = ByteTokens(tmp_path / "tokenizer.json").encode(text)
    decoder = TOKENS.decoder()
    assert "".join(decoder.feed(id) for id in ids) == text
    assert ends[-1] == 2


@pytest.mark.parametrize("words", ["{}", "no json"])
def test_a_file_that_is_no_tokenizer_is_refused(tmp_path, words):
    (tmp_path / "tokenizer.json").write_text(words)
    with pytest.raises(ValueError):  # noqa: PT011
        ByteTokens(tmp_path / "tokenizer.json")


def feed(text: str, stop: tuple[str, ...]):
    """Return the generation that a segment makes of the ids of `text`."""
    segment = Segment(TOKENS, stop=stop)
    ids = TOKENS.encode_marked(text)[0]
    chunks = []
    for number, id in enumerate(ids):
        chunk = segment.feed(id, last=number == len(ids) - 1)
        if chunk is not None:
            chunks.append(chunk)
            if chunk.finish is not None:
                break
    return collect(chunks)


@given(st.text(alphabet="ab`\n€é1 ", min_size=1, max_size=30), st.text(alphabet="ab`\n€é1 ", min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_a_segment_ends_with_its_first_stop_string_and_its_ids_are_that_text(text, stop):
    generation = feed(text, (stop,))
    found = text.find(stop)
    assert generation.finish == ("length" if found < 0 else "stop")
    assert generation.text == (text if found < 0 else text[: found + len(stop)])
    decoder = TOKENS.decoder()
    assert "".join(decoder.feed(id) for id in generation.ids) == generation.text


def test_of_two_stop_strings_the_one_that_ends_first_counts():
    assert feed("one two three", ("three", "two")).text == "one two"


def test_tokens_after_the_end_of_the_turn_are_not_asked_for():
    generation = feed("Yes<|im_end|>\nno", ())
    assert (generation.text, generation.finish) == ("Yes", "end")
    assert generation.ids[-1] in TOKENS.end_ids
