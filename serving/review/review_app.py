"""The review page as an ASGI app for one reviewer.

    GET  /TOKEN/               the page, and beside it its style and scripts
    GET  /TOKEN/review         the reviewer, the questions, the triggers, and the state of each intervention
    GET  /TOKEN/items/NUMBER   an intervention, from 0, and its rating
    PUT  /TOKEN/items/NUMBER   {"answers", "right_trigger", "comment"}: on disk before the response is sent

The app never reads ratings of other reviewers. Other web pages in the same browser have no access: the URL contains a
secret, the Host header is checked against DNS rebinding, and a rating must have the origin of the page.
"""

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
from storm_calm.env.workspace import shown_question
from storm_calm.serving.local_page import page_middleware
from storm_calm.serving.review.ratings import MAX_COMMENT, MEANINGS, NONE, QUESTIONS, Rating
from storm_calm.serving.review.review_items import Item
from storm_calm.serving.review.reviewer import Reviewer

FILES = Path(__file__).parent / "page"
ASSETS = ("review.css", "review.js", "saving.js", "text_blocks.js")
MAX_BYTES = 16 * MAX_COMMENT
"""Most bytes of a rating: enough for a comment in which all characters are escaped."""
# Only files of the page, its icon and requests to this server are allowed; model text cannot run scripts.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)


def create_app(reviewer: Reviewer, *, run: str, token: str) -> Starlette:
    """Return the app. run: the name of the curation to show. token: the secret in the URL."""
    writing = asyncio.Lock()

    async def review(request: Request) -> Response:
        questions = [{"name": name, "words": one.words, "help": one.help} for name, one in QUESTIONS.items()]
        triggers = [{"name": name, "class": TRIGGER_CLASS[name], "meaning": text} for name, text in MEANINGS.items()]
        return JSONResponse(
            {
                "run": run,
                "reviewer": reviewer.name,
                "questions": questions,
                "triggers": triggers,
                "none": NONE,
                "longest_comment": MAX_COMMENT,
                "states": [_state(reviewer.latest.get(item.id)) for item in reviewer.items],
            }
        )

    async def show(request: Request) -> Response:
        item = reviewer.items[_number(request)]
        return JSONResponse(_shown(item, reviewer.latest.get(item.id)))

    async def save(request: Request) -> Response:
        if request.headers.get("origin") != f"{request.url.scheme}://{request.headers['host']}":
            raise HTTPException(403, "a rating must come from the review page; open the page and rate there")
        number = _number(request)
        try:
            data = json.loads(await _body(request))
            if not isinstance(data, dict):
                raise ValueError("a rating must be a JSON object")
            # One at a time: each write may repair the file, and the last line of an intervention counts.
            async with writing:
                saved = await asyncio.to_thread(reviewer.save, number, data)
        except RecursionError as error:
            raise HTTPException(422, "the rating is nested too deeply") from error
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        except OSError as error:
            raise HTTPException(507, f"the rating cannot be written: {error.strerror}") from error
        return JSONResponse({"state": _state(saved), "reviewed": reviewer.reviewed})

    def _number(request: Request) -> int:
        number: int = request.path_params["number"]
        if number >= len(reviewer.items):
            raise HTTPException(404, f"no intervention {number}; the last is {len(reviewer.items) - 1}")
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
            raise HTTPException(413, f"a rating can have at most {MAX_BYTES} bytes")
    return body


def _state(rating: Rating | None) -> str:
    return "open" if rating is None else "reviewed" if rating.complete else "draft"


def _shown(item: Item, rating: Rating | None) -> dict[str, Any]:
    """Return the data of an intervention, without its finder and the outcome, which would bias the reviewer."""
    finding = item.intervention.finding
    return {
        "id": item.id,
        "about": [word for word in (item.problem.family, item.problem.difficulty, item.problem.source) if word],
        "question": shown_question(item.problem),
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
