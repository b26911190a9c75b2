"""Bodies of requests: JSON, read quickly and strictly.

Strictly, because what is no text (half of a surrogate pair), nested without end, or a number of a million digits costs
an answer of 400 here, and a 500 or seconds later on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

FIELDS = 200
"""Fields that a body may have; the API has some forty."""
LONG_BODY_BYTES = 1 << 16
"""Size above which bodies are parsed one after another."""


class BodyRequest(Request):
    """A request whose body is read by orjson."""

    def __init__(self, request: Request, turn: asyncio.Lock) -> None:
        super().__init__(request.scope, request.receive)
        self._turn = turn

    async def json(self) -> Any:
        """Return the body's data. Raises ValueError if it is not JSON."""
        body = await self.body()
        if len(body) > LONG_BODY_BYTES:
            # Parsing and validating it takes some 10 ms: one in each turn of the event loop, however many came at once.
            async with self._turn:
                await asyncio.sleep(0)
                data = orjson.loads(body)
        else:
            data = orjson.loads(body)
        if isinstance(data, dict) and len(data) > FIELDS:
            raise HTTPException(400, f"the body has {len(data)} fields; at most {FIELDS} are read")
        return data


class BodyRoute(APIRoute):
    """A route with such requests."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle, turn = super().get_route_handler(), asyncio.Lock()

        async def handled(request: Request) -> Response:
            return await handle(BodyRequest(request, turn))

        return handled
