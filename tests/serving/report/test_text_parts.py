"""The parts of model text: thoughts, other text and programs, and their tokens."""

from hypothesis import given
from hypothesis import strategies as st

from storm_calm.env.transcript import Span, Transcript
from storm_calm.serving.report.text_parts import split, transcript_parts
from storm_calm.serving.report.token_ids import Vocabulary, token_data


def kinds(text, *, thinking=False):
    parts, ends_thinking = split(text, thinking=thinking)
    return [(part.kind, text[part.start : part.end]) for part in parts], ends_thinking


def test_thoughts_and_programs_are_split():
    text = "Let me see.\n```python\nprint(1)\n```\nSo.\n</think>\n\nThe answer is 1."
    assert kinds(text, thinking=True) == (
        [
            ("thought", "Let me see.\n"),
            ("program", "```python\nprint(1)\n```\n"),
            ("thought", "So.\n</think>\n\n"),
            ("text", "The answer is 1."),
        ],
        False,
    )


def test_an_opened_thought_continues():
    assert kinds("First.\n<think>\nThen") == ([("text", "First.\n"), ("thought", "<think>\nThen")], True)


def test_a_tool_call_is_a_program():
    call = '<tool_call>\n{"name": "run_python", "arguments": {"code": "print(1)"}}\n</tool_call>'
    parts, _ = split(f"Now: {call}", thinking=False)
    assert [(part.kind, part.code) for part in parts] == [("text", None), ("program", "print(1)")]


def test_thoughts_continue_over_hints_and_outputs():
    spans = (
        Span(source="prompt", text="How many?\n<think>\n"),
        Span(source="model", text="By hand."),
        Span(source="hint", text="Wait, use a program."),
        Span(source="model", text="Right.\n</think>\n"),
        Span(source="tool", text="```output\n1\n```\n"),
        Span(source="model", text="One."),
    )
    found = transcript_parts(Transcript(spans=spans))
    assert [parts and [part["kind"] for part in parts] for parts in found] == [
        None, ["thought"], None, ["thought"], None, ["text"],
    ]  # fmt: skip


def test_tokens_are_counted_per_part():
    text = "ab cd\n<think>ef"
    span = Span(source="model", text=text, ids=(1, 2, 3, 4, 5), ends=(2, 5, 6, 13, 15))
    (parts,) = transcript_parts(Transcript(spans=(span,)))
    assert [part["tokens"] for part in parts] == [3, 2]
    (parts,) = transcript_parts(Transcript(spans=(Span(source="model", text="x" * 41),)))
    assert parts[0]["tokens"] == 6


PIECES = st.sampled_from(
    ["<think>", "</think>", "\n", "```python\n", "```\n", "print(1)\n", "<tool_call>", "a ", "~~~", "😀"]
)


@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=100), st.booleans())
def test_the_parts_joined_are_the_text(text, thinking):
    parts, _ = split(text, thinking=thinking)
    assert "".join(text[part.start : part.end] for part in parts) == text
    assert all((part.code is not None) == (part.kind == "program") for part in parts)


@given(st.lists(st.tuples(st.text(max_size=4), st.integers(0, 3)), max_size=30))
def test_ids_are_packed_without_loss(tokens):
    text, ends, wide = "", [], []
    for token, _ in tokens:
        text += token
        ends.append(len(text))
        wide.append(len(token.encode("utf-16-le", "surrogatepass")) // 2)
    ids = tuple(id_ for _, id_ in tokens)
    data = token_data(Span(source="model", text=text, ids=ids, ends=tuple(ends)))
    assert data["lengths"] == wide
    vocabulary = Vocabulary()
    (packed,) = vocabulary.pack({"spans": [{"text": text, **data}]})
    lengths, other = packed if isinstance(packed, list) else (packed, {})
    assert [ord(code) - ord("0") for code in lengths] == wide
    assert tuple(other.get(place, vocabulary.ids.get(token)) for place, (token, _) in enumerate(tokens)) == ids
