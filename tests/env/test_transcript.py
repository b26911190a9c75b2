"""A transcript keeps every token id with its source."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env import Span, Transcript
from storm_calm.env.loss_mask import loss_mask
from storm_calm.env.serialize import from_json, to_json


@st.composite
def spans(draw, source, tokens=True):
    """Draw a span of up to six tokens, some without text, such as special tokens and partial characters."""
    pieces = draw(st.lists(st.text(alphabet="ab é\n`€", max_size=4), min_size=1, max_size=6))
    text = "".join(pieces)
    finish = draw(st.sampled_from([None, "end", "stop", "length"])) if source == "model" else None
    if not tokens:
        return Span(source=source, text=text, finish=finish)
    ids = draw(st.lists(st.integers(0, 99), min_size=len(pieces), max_size=len(pieces)))
    ends = tuple(len("".join(pieces[: n + 1])) for n in range(len(pieces)))
    return Span(source=source, text=text, ids=tuple(ids), ends=ends, finish=finish)


@st.composite
def transcripts(draw, tokens=True):
    parts = [draw(spans("prompt", tokens))]
    for source in draw(st.lists(st.sampled_from(["model", "tool", "hint"]), max_size=6)):
        parts.append(draw(spans(source, tokens)))
    return Transcript(spans=tuple(parts))


@st.composite
def cuts(draw, tokens=True):
    transcript = draw(transcripts(tokens))
    return transcript, draw(st.integers(transcript.prompt_end, len(transcript.text)))


def of(*spans):
    return Transcript(spans=tuple(Span(source=source, text=text) for source, text in spans))


@given(cuts())
def test_rewinding_keeps_a_prefix_of_the_ids_and_of_the_text(case):
    transcript, offset = case
    kept = transcript.rewind(offset)
    assert transcript.ids[: len(kept.ids)] == kept.ids
    assert transcript.text.startswith(kept.text)
    assert len(kept.text) <= offset


@given(cuts())
def test_rewinding_stops_at_the_nearest_token_or_output_boundary(case):
    transcript, offset = case
    kept = transcript.rewind(offset)
    boundaries = [0]
    for begin, span in zip(transcript.starts, transcript.spans, strict=True):
        ends = span.ends if span.source != "tool" else (len(span.text),)
        boundaries.extend(begin + end for end in (0, *ends))
    assert len(kept.text) == max(boundary for boundary in boundaries if boundary <= offset)


@given(cuts(), spans("hint"))
def test_a_hint_after_rewinding_keeps_the_earlier_ids(case, hint):
    transcript, offset = case
    kept = transcript.rewind(offset)
    hinted = kept.append(hint)
    assert hinted.ids == kept.ids + hint.ids
    assert hinted.ids[: len(kept.ids)] == transcript.ids[: len(kept.ids)]


@given(cuts())
def test_rewinding_is_idempotent(case):
    transcript, offset = case
    kept = transcript.rewind(offset)
    assert kept.rewind(len(kept.text)) == kept


@given(cuts(tokens=False))
def test_without_ids_rewinding_is_exact_except_in_output(case):
    transcript, offset = case
    kept = transcript.rewind(offset)
    inside = any(
        span.source == "tool" and begin < offset < begin + len(span.text)
        for begin, span in zip(transcript.starts, transcript.spans, strict=True)
    )
    assert len(kept.text) < offset if inside else kept.text == transcript.text[:offset]
    assert kept.ids is None or not kept.spans


@given(transcripts())
def test_masks_cover_every_token_once(transcript):
    rl, sft, bare = loss_mask(transcript, "rl"), loss_mask(transcript, "sft"), loss_mask(transcript, "sft", hints=False)
    assert len(rl) == len(sft) == len(transcript.ids) == transcript.count()
    assert sum(rl) == transcript.count("model")
    assert sum(sft) == transcript.count("model") + transcript.count("hint")
    assert bare == rl


@given(transcripts())
def test_a_transcript_round_trips(transcript):
    assert from_json(Transcript, to_json(transcript)) == transcript


@given(cuts())
def test_rewinding_to_a_boundary_keeps_all_text_before_the_offset(case):
    transcript, offset = case
    boundary = transcript.boundary(offset)
    assert boundary >= offset
    in_output = any(
        span.source == "tool" and begin < boundary < begin + len(span.text)
        for begin, span in zip(transcript.starts, transcript.spans, strict=True)
    )
    assert in_output or len(transcript.rewind(boundary).text) == boundary


def test_the_mask_covers_model_tokens_including_the_end_of_turn():
    transcript = Transcript(
        spans=(
            Span(source="prompt", text="Q", ids=(1,), ends=(1,)),
            Span(source="model", text="ab", ids=(2, 3), ends=(1, 2)),
            Span(source="tool", text="o", ids=(4,), ends=(1,)),
            Span(source="hint", text="h", ids=(5,), ends=(1,)),
            Span(source="model", text="c", ids=(6, 7), ends=(1, 1), finish="end"),
        )
    )
    assert loss_mask(transcript, "rl") == (0, 1, 1, 0, 0, 1, 1)
    assert loss_mask(transcript, "sft") == (0, 1, 1, 0, 1, 1, 1)
    assert loss_mask(transcript, "sft", hints=False) == loss_mask(transcript, "rl")
    assert transcript.rewind(len(transcript.text)).ids == (1, 2, 3, 4, 5, 6)


def test_a_cut_never_splits_a_character():
    span = Span(source="model", text="xé!", ids=(1, 2, 3, 4), ends=(1, 1, 2, 3))
    assert span.cut(1) == Span(source="model", text="x", ids=(1,), ends=(1,))
    assert span.cut(2).ids == (1, 2, 3)


def test_rewinding_outside_of_the_response_is_an_error():
    transcript = of(("prompt", "question"), ("model", "abc"))
    assert transcript.rewind(8).text == "question"
    for offset in (7, 12):
        with pytest.raises(ValueError, match=rf"offset {offset} .* 8, .* 11"):
            transcript.rewind(offset)


def test_a_mask_needs_ids():
    with pytest.raises(ValueError, match="prompt span has no token ids"):
        loss_mask(of(("prompt", "Q")), "rl")
    with pytest.raises(ValueError, match="neither"):
        loss_mask(Transcript(), "dpo")


def test_token_counts_are_estimated_without_ids():
    transcript = of(("prompt", "12345"), ("model", "1234"))
    assert transcript.ids is None
    assert (transcript.count("prompt"), transcript.count("model"), transcript.count()) == (5, 4, 9)


def test_turns_are_between_outputs():
    transcript = of(("prompt", "QQ"), ("model", "ab"), ("tool", "oo"), ("hint", "h"), ("model", "cd"))
    assert transcript.turn(2) == (2, 4)
    assert transcript.turn(4) == transcript.turn(5) == (2, 4)
    assert transcript.turn(6) == transcript.turn(9) == (6, 9)
    assert of(("prompt", "QQ")).turn(2) == (2, 2)
    assert transcript.model_text == "cd"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source": "user", "text": ""}, "source 'user'"),
        ({"source": "tool", "text": "", "finish": "end"}, "finish 'end'"),
        ({"source": "model", "text": "a", "ids": (1,)}, "same length"),
        ({"source": "model", "text": "a", "ids": (1,), "ends": (1, 1)}, "same length"),
        ({"source": "model", "text": "ab", "ids": (1,), "ends": (1,)}, "cover 1 of 2"),
        ({"source": "model", "text": "ab", "ids": (1, 2), "ends": (2, 1)}, "not decrease"),
        ({"source": "model", "text": "ab", "ids": (), "ends": ()}, "cover 0 of 2"),
    ],
)
def test_an_inconsistent_span_is_an_error(fields, message):
    with pytest.raises(ValueError, match=message):
        Span(**fields)


def test_prompt_spans_must_come_first():
    with pytest.raises(ValueError, match="prompt spans must come first"):
        of(("model", "a"), ("prompt", "Q"))
