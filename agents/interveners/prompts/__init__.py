"""The prompts of the LLM intervener: jinja2 templates in Markdown, next to this file.

    render("segment.md", question="How many?", parts=parts, mark="3f2a91c4")

- `intervener.md`: the system prompt; includes `triggers.md` and `hints.md`
- `segment.md`, `run.md`: the request for an unfinished and for a finished trajectory; both include `frame.md`
- `rejected.md`: the faults of a reply

Values are inserted as text and never parsed as templates.
"""

from functools import cache
from pathlib import Path
from typing import Any


def render(name: str, **values: Any) -> str:
    """Render a prompt. Raises jinja2.UndefinedError if a value is missing."""
    return str(_environment().get_template(name).render(**values))


@cache
def _environment() -> Any:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent, encoding="utf-8"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # Prompts are not HTML.
        trim_blocks=True,
        lstrip_blocks=True,
    )
