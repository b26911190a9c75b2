"""The page around the data: one template, its styles and its scripts inlined, and a policy that knows them by hash."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from storm_calm.env import TRIGGER_CLASS
from storm_calm.serving.report.report_entries import FIELDS
from storm_calm.serving.report.run_files import RunFiles

ASSETS = Path(__file__).parent / "assets"
SCRIPTS = (
    "text.js", "data.js", "filters.js", "charts.js", "overview.js", "curation.js", "evaluation.js", "list.js",
    "code.js", "trajectory.js", "episode.js", "keys.js", "main.js",
)  # fmt: skip
"""The page's scripts, in the order in which they are joined into one."""
STYLES = ("base.css", "figures.css", "episode.css", "screens.css")
"""Its styles, likewise."""

MARK = '<meta name="generator" content="storm view">'
"""By this, near its beginning, a file is known as a report of ours."""
MARK_WITHIN = 400
"""Bytes within which the mark stands."""


def facts(run: RunFiles) -> dict[str, Any]:
    """What the page says of a run beside its records."""
    return {
        "name": run.name,
        "kind": run.kind,
        "finished": run.finished,
        "expected": run.expected,
        "settings": dict(run.settings),
        "triggers": dict(TRIGGER_CLASS),
        "fields": FIELDS,
    }


def as_json(data: Any) -> str:
    """Data as JSON that a browser reads, in ASCII: so half a surrogate pair, which UTF-8 has no bytes for, is kept."""
    try:
        return json.dumps(data, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(_finite(data), separators=(",", ":"))


def _finite(data: Any) -> Any:
    """The same with words for numbers that JSON has none for, such as an objective that is infinite."""
    if isinstance(data, Mapping):
        return {name: _finite(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return str(data) if isinstance(data, float) and not math.isfinite(data) else data


def packed(text: str) -> str:
    """Text as gzip in base64: nothing in it can end an element or begin one, whatever a model wrote."""
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=6, mtime=0)).decode()


def page(run: RunFiles, index: str, blocks: Iterable[str], *, live: bool) -> Iterator[str]:
    """The page, piece by piece.

    index, blocks: as `packed` gives them; a live page asks for its blocks instead.
    """
    style, script = style_text(), script_text()
    yield from _template().generate(
        mark=MARK,
        title=run.name,
        policy=policy(live=live),
        style=style,
        script=script,
        index=index,
        blocks=blocks,
        live=live,
    )


def policy(*, live: bool) -> str:
    """The content security policy: our script and our styles, and no address but our own server's, if there is one."""
    parts = [
        "default-src 'none'",
        f"script-src '{_digest(script_text())}'",
        f"style-src '{_digest(style_text())}'",
        "img-src data:",
        "connect-src 'self'" if live else "connect-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(parts)


@cache
def style_text() -> str:
    """The styles."""
    return _joined(STYLES)


@cache
def script_text() -> str:
    """All scripts as one, closed to the outside."""
    return '"use strict";\n(() => {\n' + _joined(SCRIPTS) + "})();\n"


def is_ours(path: Path) -> bool:
    """Whether a file is a report that was written here."""
    with path.open("rb") as file:
        return MARK.encode() in file.read(MARK_WITHIN)


def _joined(names: Sequence[str]) -> str:
    return "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in names)


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")
