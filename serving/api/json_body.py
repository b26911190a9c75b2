"""Bodies of requests: JSON, read quickly and strictly.

Strictly, because what is no text (half of a surrogate pair), nested without end, or a number of a million digits costs
an answer of 400 here, and a 500 or seconds later on.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

FIELDS = 200
"""Fields that a body may have; the API has some forty."""


class BodyRequest(Request):
    """A request whose body is read by orjson."""

    async def json(self) -> Any:
        """The body's data. Raises ValueError for what is no JSON."""
        data = orjson.loads(await self.body())
        if isinstance(data, dict) and len(data) > FIELDS:
            raise HTTPException(400, f"the body has {len(data)} fields; at most {FIELDS} are read")
        return data


class BodyRoute(APIRoute):
    """A route with such requests."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            return await handle(BodyRequest(request.scope, request.receive))

        return handled
