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
def test_text_round_trips_and_token_ends_are_sorted(text):
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


def test_names_of_special_tokens_are_plain_text_in_encode():
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
def test_an_invalid_tokenizer_file_is_an_error(tmp_path, words):
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


def test_the_stop_string_that_ends_first_counts():
    assert feed("one two three", ("three", "two")).text == "one two"


def test_generation_stops_at_the_end_of_the_turn():
    generation = feed("Yes<|im_end|>\nno", ())
    assert (generation.text, generation.finish) == ("Yes", "end")
    assert generation.ids[-1] in TOKENS.end_ids


def spaced(folder, **changes):
    """Write a tokenizer with byte fallback and "▁" for spaces, as those of Gemma and Llama 2, and return it."""
    words = ["▁", "▁the", "the", "e", "\n", "ab", "é", "数"]
    tokens = ["<unk>", "<bos>", "<eos>", "<end_of_turn>", *(f"<0x{byte:02X}>" for byte in range(256))]
    vocabulary = {token: id for id, token in enumerate([*tokens, *"abcdefghijklmnopqrstuvwxyz", *words])}
    added = [
        {"id": vocabulary[name], "content": name, "special": True, "normalized": False}
        | {"single_word": False, "lstrip": False, "rstrip": True}
        for name in tokens[:4]
    ]
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    data = {
        "version": "1.0",
        "truncation": {"max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, replace]},
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": vocabulary,
            "merges": ["a b"],
        },
        **changes,
    }
    (folder / "tokenizer.json").write_text(json.dumps(data))
    return ByteTokens(folder / "tokenizer.json")


@pytest.fixture(scope="module")
def gemma(tmp_path_factory):
    return spaced(tmp_path_factory.mktemp("spaced"))


@given(text=st.text(alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="▁")))
@settings(max_examples=200, deadline=None)
def test_text_round_trips_with_byte_fallback(text, gemma):
    ids, ends = gemma.encode(text)
    decoder = gemma.decoder()
    assert "".join(decoder.feed(id) for id in ids) == text
    assert (ends[-1] if ends else 0) == len(text)


def test_segments_with_byte_fallback_have_no_space_in_front_and_special_tokens_only_if_marked(gemma):
    text = " the <end_of_turn>\n the"
    marked, ends = gemma.encode_marked(text)
    assert (marked.count(3), ends[-1]) == (1, len(text))
    assert 3 not in gemma.encode(text)[0]
    assert gemma.decoder().feed(gemma.encode("ab")[0][0]) == "ab"
    assert (gemma.end_id, gemma.end_ids) == (3, frozenset({2, 3}))


def test_metaspace_is_accepted_instead_of_a_normalizer(tmp_path):
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": False}
    tokens = spaced(tmp_path, normalizer=None, pre_tokenizer=metaspace)
    decoder = tokens.decoder()
    assert "".join(map(decoder.feed, tokens.encode("the ab")[0])) == "the ab"


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0]]}},
        {"model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"[UNK]": 0}}},
        {"normalizer": {"type": "Lowercase"}},
        {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}},
        {"model": None},
    ],
)
def test_error_for_another_kind_of_tokenizer_names_the_kinds_that_work(tmp_path, changes):
    with pytest.raises(ValueError, match=r"tokenizer\.json: .*; tokenizers of Qwen, SmolLM, Llama, Mistral"):
        spaced(tmp_path, **changes)


def nano_tokens(folder, change):
    data = json.loads((built_in("nano-base") / "tokenizer.json").read_text())
    change(data)
    (folder / "tokenizer.json").write_text(json.dumps(data))
    return ByteTokens(folder / "tokenizer.json")


def test_a_character_without_tokens_is_replaced_so_that_ids_cover_the_text(tmp_path):
    def drop(data):  # As in SmolLM2, whose unknown token is a special one.
        for name in ("Ħ", "ñ"):  # The bytes 4 and 0xF1.
            del data["model"]["vocab"][name]
        data["model"]["unk_token"] = "<|endoftext|>"

    tokens = nano_tokens(tmp_path, drop)
    text = "a\x04b\U00050000"
    for encode in (tokens.encode, tokens.encode_marked):
        ids, ends = encode(text)
        assert "".join(map(tokens.decoder().feed, encode("a\x05b")[0])) == "a\x05b"
        assert ends[-1] == len(text)
        assert not tokens.end_ids & set(ids)


def test_white_space_around_special_tokens_is_kept(tmp_path):
    def strip(data):
        for token in data["added_tokens"]:
            token.update(lstrip=True, rstrip=True)

    text = "a <|im_end|> \n b"
    ids, ends = nano_tokens(tmp_path, strip).encode_marked(text)
    assert ends[-1] == len(text)
    assert len(ids) == len(TOKENS.encode_marked(text)[0])


def test_the_end_of_a_turn_is_what_the_model_declares(tmp_path):
    def add(data):
        data["added_tokens"] += [{**data["added_tokens"][0], "id": 1024 + n, "content": f"<e{n}>"} for n in range(3)]

    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [1024, 7]}')
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": {"content": "<e2>"}}')
    tokens = nano_tokens(tmp_path, add)
    assert tokens.end_ids == TOKENS.end_ids | {1024, 1026}
    assert tokens.end_id == TOKENS.encode_marked("<|im_end|>")[0][0]


def test_white_space_tokens_are_not_names(tmp_path):
    def add(data):
        data["added_tokens"].append({**data["added_tokens"][0], "id": 1024, "content": "\n\n"})

    assert nano_tokens(tmp_path, add).names == TOKENS.names
