"""The content shown to reviewers: the trajectory as the intervener saw it, including text removed later."""

from hypothesis import given
from hypothesis import strategies as st

from storm_calm.agents.curation.records import read_records
from storm_calm.env import Episode, Finding, Intervention, Span, Transcript
from storm_calm.serving.review.review_items import items_of, read_items
from support.fake_reasoner import workshop

TEXT = st.text(alphabet="ab\n`", min_size=1, max_size=12)


@given(st.lists(st.tuples(TEXT, TEXT, st.floats(0, 1, exclude_max=True)), min_size=1, max_size=6), TEXT)
def test_each_intervention_has_the_transcript_of_its_time(steps, last):
    """Write, cut at a random place and add a hint, repeatedly. A cut may remove earlier hints."""
    transcript = Transcript(spans=(Span(source="prompt", text="Q?"),))
    seen, interventions = [], []
    for written, hint, share in steps:
        transcript = transcript.append(Span(source="model", text=written))
        text = transcript.text
        cut = 2 + int(share * (len(text) - 2))
        seen.append((text[2:cut], text[cut:]))
        finding = Finding(trigger="solver_distrust", offset=cut, evidence="")
        interventions.append(Intervention(finding=finding, hint=hint, cut=cut, removed=text[cut:]))
        transcript = transcript.rewind(cut).append(Span(source="hint", text=hint))
    transcript = transcript.append(Span(source="model", text=last))
    episode = Episode(problem=workshop(8), transcript=transcript, interventions=tuple(interventions))
    items = items_of(episode)
    assert [("".join(part.text for part in item.before), item.intervention.removed) for item in items] == seen
    assert [item.id for item in items] == [f"workshop-8#{index}" for index in range(len(steps))]


def test_sources_are_known_for_text_that_was_not_removed_later():
    finding = Finding(trigger="solver_distrust", offset=5, evidence="")
    spans = [("prompt", "Q?"), ("model", "ab"), ("hint", "second"), ("model", "end")]
    episode = Episode(
        problem=workshop(8),
        transcript=Transcript(spans=tuple(Span(source=source, text=text) for source, text in spans)),
        interventions=(
            Intervention(finding=finding, hint="first", cut=5, removed="by hand"),
            Intervention(finding=finding, hint="second", cut=4, removed="cfirst and more"),
        ),
    )
    first, second = items_of(episode)
    assert [(part.source, part.text) for part in first.before] == [("model", "ab"), ("cut", "c")]
    assert [(part.source, part.text) for part in second.before] == [("model", "ab")]


def test_all_interventions_of_a_curation_are_found_in_order(curated):
    expected = [
        (record.id, index, one)
        for record in read_records(curated / "episodes.jsonl")
        for index, one in enumerate(record.episode.interventions)
    ]
    items = read_items(curated)
    assert len(expected) == 6
    assert [(item.problem.id, item.index, item.intervention) for item in items] == expected
    overruled = next(item for item in items if item.stratum == ("solver_distrust", "rules"))
    assert [part.source for part in overruled.before] == ["model", "tool", "model"]
    assert overruled.intervention.removed.startswith("That does not look right")


def test_the_digest_covers_all_content_shown_to_reviewers(intervened):
    (plain,) = items_of(intervened(workshop(8)))
    others = [
        intervened(workshop(9)),
        intervened(workshop(8), before="I thought. "),
        intervened(workshop(8), removed="By hand: 8."),
        intervened(workshop(8), hint="Wait."),
        intervened(workshop(8), trigger="solver_distrust"),
        intervened(workshop(8), evidence="hand"),
        intervened(workshop(8), why="It is."),
        intervened(workshop(8), rule="llm"),
    ]
    digests = {item.digest for one in others for item in items_of(one)}
    assert len(digests) == len(others)
    assert plain.digest not in digests
    assert items_of(intervened(workshop(8)))[0].digest == plain.digest
