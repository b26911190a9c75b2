"""What a language model that watches is told: Markdown files beside this one, with places to fill in.

    render("segment.md", question="How many?", parts=parts, mark="3f2a91c4")

- `intervener.md`: who it is, what it is shown and what it answers; with `triggers.md` and `hints.md`
- `segment.md`, `run.md`: what it is asked while a run goes on, and when it is over; both with `frame.md`
- `rejected.md`: what was wrong with its answer

The places are jinja2's. What is filled in is text: it is never read as a template.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any


def render(name: str, **values: Any) -> str:
    """A prompt with its places filled in. Raises jinja2.UndefinedError for a place without a value."""
    return str(_environment().get_template(name).render(**values))


@cache
def _environment() -> Any:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent, encoding="utf-8"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # Prompts are no markup.
        trim_blocks=True,
        lstrip_blocks=True,
    )
