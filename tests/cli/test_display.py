"""The progress display fits the terminal, and breaks between its words."""

import pytest
from rich.console import Console

from storm_calm.agents.runs.progress import Progress, SessionUsage
from storm_calm.cli.display import _bar, usage_words

PROGRESS = Progress(
    total=60,
    done=2,
    in_flight=4,
    errors=1,
    last_error="http://localhost:8000/v1 answered 500: out of memory, and more words than a terminal shows",
    elapsed_seconds=754,
    seconds_left=20_000,
    usage=SessionUsage(input_tokens=9000, output_tokens=12_345, price=0.0421),
    tokens_per_second=3.64,
    counts={"golden": 1, "corrected": 1, "discarded": 1},
)


@pytest.mark.parametrize("width", [60, 120])
def test_the_display_fits_the_terminal(width):
    console = Console(width=width, record=True, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(_bar(PROGRESS, width))
    lines = [line.rstrip() for line in capture.get().splitlines()]
    assert max(map(len, lines)) <= width
    shown = " · ".join(lines[1:-1])
    words = ["golden 1", "in flight 4", "errors 1", "3.6 tokens/s", "12,345 tokens", "price 0.0421", "12 min 34 s"]
    assert [word for word in [*words, "about 5 h 33 min left"] if word not in shown.split(" · ")] == []
    assert len(lines) == (5 if width == 60 else 4)


def test_the_price_of_a_session_is_shown_at_its_end():
    assert usage_words(PROGRESS.usage) == "Reasoner in this session: 9,000 tokens in, 12,345 out, price 0.0421"
