"""The review page as an ASGI app, for one reviewer: what there is to review goes out, ratings come in.

    GET  /TOKEN/               the page, and beside it its style and scripts
    GET  /TOKEN/review         the reviewer, the questions, the triggers, and how far each intervention is
    GET  /TOKEN/items/NUMBER   an intervention, from 0, and the reviewer's rating of it
    PUT  /TOKEN/items/NUMBER   {"answers", "right_trigger", "comment"}: kept on disk when the answer comes

Nothing of another reviewer is read here. Other web pages in the same browser can neither see nor send anything: the
address has a secret, the host has to be this one by name (against DNS rebinding), and a rating has to come from the
page itself.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route

from storm_calm.env import TRIGGER_CLASS
from storm_calm.serving.local_page import page_middleware
from storm_calm.serving.review.ratings import MAX_COMMENT, MEANINGS, NONE, QUESTIONS, Rating
from storm_calm.serving.review.review_items import Item
from storm_calm.serving.review.reviewer import Reviewer

FILES = Path(__file__).parent / "page"
ASSETS = ("review.css", "review.js", "saving.js", "text_blocks.js")
MAX_BYTES = 16 * MAX_COMMENT
"""Bytes of a rating: a comment whose characters are all written as escapes, and more."""
# All that the page needs is its own files, its icon and this server; whatever a model wrote can start nothing.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)


def create_app(reviewer: Reviewer, *, run: str, token: str) -> Starlette:
    """The app. run: the curation's name, to be shown. token: the secret in the address."""
    writing = asyncio.Lock()

    async def review(request: Request) -> Response:
        """All but the interventions themselves."""
        return JSONResponse(
            {
                "run": run,
                "reviewer": reviewer.name,
                "questions": [
                    {"name": name, "words": question.words, "help": question.help}
                    for name, question in QUESTIONS.items()
                ],
                "triggers": [
                    {"name": name, "class": TRIGGER_CLASS[name], "meaning": meaning}
                    for name, meaning in MEANINGS.items()
                ],
                "none": NONE,
                "longest_comment": MAX_COMMENT,
                "states": [_state(reviewer.latest.get(item.id)) for item in reviewer.items],
            }
        )

    async def show(request: Request) -> Response:
        """One intervention."""
        item = reviewer.items[_number(request)]
        return JSONResponse(_shown(item, reviewer.latest.get(item.id)))

    async def save(request: Request) -> Response:
        """Save a rating."""
        if request.headers.get("origin") != f"{request.url.scheme}://{request.headers['host']}":
            raise HTTPException(403, "ratings come from the review page alone")
        number = _number(request)
        try:
            data = json.loads(await _body(request))
            if not isinstance(data, dict):
                raise ValueError("a rating is an object")
            # One after another: a line is repaired, written and waited for, and the last one is what counts.
            async with writing:
                saved = await asyncio.to_thread(reviewer.save, number, data)
        except RecursionError as error:
            raise HTTPException(422, "the rating is nested too deep") from error
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        except OSError as error:
            raise HTTPException(507, f"the rating cannot be written: {error.strerror}") from error
        return JSONResponse({"state": _state(saved), "reviewed": reviewer.reviewed})

    def _number(request: Request) -> int:
        number: int = request.path_params["number"]
        if number >= len(reviewer.items):
            raise HTTPException(404, f"there is no intervention {number}; they go up to {len(reviewer.items) - 1}")
        return number

    return Starlette(
        routes=[
            Mount(
                f"/{token}",
                routes=[
                    Route("/", _file("review.html")),
                    *(Route(f"/{name}", _file(name)) for name in ASSETS),
                    Route("/review", review),
                    Route("/items/{number:int}", show),
                    Route("/items/{number:int}", save, methods=["PUT"]),
                ],
            )
        ],
        middleware=page_middleware(POLICY),
        exception_handlers={HTTPException: _failed},
    )


def _file(name: str) -> Any:
    async def file(request: Request) -> Response:
        return FileResponse(FILES / name)

    return file


async def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, status_code=error.status_code)


async def _body(request: Request) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BYTES:
            raise HTTPException(413, f"a rating has {MAX_BYTES} bytes at most")
    return body


def _state(rating: Rating | None) -> str:
    return "open" if rating is None else "reviewed" if rating.complete else "draft"


def _shown(item: Item, rating: Rating | None) -> dict[str, Any]:
    """What a reviewer is to see; not who found the flaw, and not what became of the run, which would sway."""
    finding = item.intervention.finding
    return {
        "id": item.id,
        "about": [word for word in (item.problem.family, item.problem.difficulty, item.problem.source) if word],
        "question": item.problem.question,
        "answers": [one if isinstance(one, str) else f"{one:.12g}" for one in item.problem.answers],
        "before": [{"source": part.source, "text": part.text} for part in item.before],
        "removed": item.intervention.removed,
        "hint": item.intervention.hint,
        "trigger": finding.trigger,
        "evidence": finding.evidence,
        "why": finding.why,
        "rating": rating
        and {"answers": rating.answers, "right_trigger": rating.right_trigger, "comment": rating.comment},
    }
