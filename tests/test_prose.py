"""Prose is plain technical English, in docstrings, comments, help texts, errors and docs."""

import pytest

from support.prose import CEILINGS, Passage, passages, places, rates

KINDS = ("docstring", "comment", "help", "error", "docs")


@pytest.fixture(scope="module")
def prose():
    """Return all passages of the packages and the docs."""
    return list(passages())


@pytest.mark.parametrize("kind", KINDS)
def test_vague_words_are_rare(kind, prose):
    found = [passage for passage in prose if passage.kind == kind]
    measured = rates(found)
    too_many = {name: rate for name, rate in measured.items() if rate > CEILINGS[name][1]}
    assert too_many == {}, "\n".join(place for place in places(found) if any(f"[{name}]" in place for name in too_many))


def test_discouraged_words_are_not_used(prose):
    assert [place for place in places(prose) if not any(f"[{name}]" in place for name in CEILINGS)] == []


def test_every_kind_of_prose_is_found(prose):
    assert {passage.kind for passage in prose} == set(KINDS)


def test_places_name_file_line_and_word():
    passage = Passage("docstring", "a.py", 3, "First line.\nIt runs where it can.\nNobody waits.")
    assert list(places([passage])) == [
        "a.py:4 [where] First line. It runs where it can. Nobody waits.",
        "a.py:5 [nobody] First line. It runs where it can. Nobody waits.",
    ]


def test_rates_count_occurrences_in_10_000_words():
    assert rates([Passage("docs", "a.md", 1, "It is said. " + "word " * 997)])["said"] == pytest.approx(10.0)
