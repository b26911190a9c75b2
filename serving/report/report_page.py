"""Render the page: a template with inlined styles and scripts, which the content security policy allows by hash."""

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
from storm_calm.serving.report.training_run import learning_curve

ASSETS = Path(__file__).parent / "assets"
SCRIPTS = (
    "text.js", "data.js", "filters.js", "figures.js", "paging.js", "charts.js", "overview.js", "curation.js",
    "evaluation.js", "training.js", "list.js", "code.js", "markdown.js", "parts.js", "outline.js", "trajectory.js",
    "episode.js", "compare.js", "find.js", "keys.js", "main.js",
)  # fmt: skip
"""The scripts, in the order in which they are joined."""
STYLES = ("base.css", "figures.css", "episode.css", "reading.css", "screens.css")

MARK = '<meta name="generator" content="storm view">'
"""Identifies a file as a report."""
MARK_WITHIN = 400
"""Bytes from the beginning of the file that contain the mark."""


def facts(run: RunFiles, *, live: bool = False) -> dict[str, Any]:
    """Return the data of a run besides its records. live: for a page whose server has the records."""
    return {
        "name": run.name,
        "kind": run.kind,
        "finished": run.finished,
        "paged": live and run.large,
        "expected": run.expected,
        "settings": dict(run.settings),
        "triggers": dict(TRIGGER_CLASS),
        "fields": FIELDS,
        "curve": learning_curve(run.path) if run.kind == "training" else None,
    }


def as_json(data: Any) -> str:
    """Return standard JSON in ASCII, which can represent half surrogate pairs."""
    try:
        return json.dumps(data, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(_finite(data), separators=(",", ":"))


def _finite(data: Any) -> Any:
    """Replace infinite numbers and NaN, which JSON lacks, by text."""
    if isinstance(data, Mapping):
        return {name: _finite(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return str(data) if isinstance(data, float) and not math.isfinite(data) else data


def packed(text: str) -> str:
    """Return text as gzip in base64, which cannot contain HTML tags."""
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=6, mtime=0)).decode()


def page(run: RunFiles, index: str, blocks: Iterable[str], *, live: bool) -> Iterator[str]:
    """Yield the page in pieces. index, blocks: results of `packed`; a live page requests its blocks instead."""
    yield from _template().generate(
        mark=MARK,
        title=run.name,
        policy=policy(live=live),
        style=style_text(),
        script=script_text(),
        index=index,
        blocks=blocks,
        live=live,
    )


def policy(*, live: bool) -> str:
    """Return the content security policy: the inlined script and styles, and the own server if `live`."""
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
    return _joined(STYLES)


@cache
def script_text() -> str:
    """Return all scripts in one function scope."""
    return '"use strict";\n(() => {\n' + _joined(SCRIPTS) + "})();\n"


def is_ours(path: Path) -> bool:
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
