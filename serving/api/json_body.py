"""Parse request bodies as JSON with orjson, quickly and strictly.

Half a surrogate pair, unlimited nesting or a number of a million digits is a 400 here. A lenient parser would cause a
500, or seconds of work, later.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

FIELDS = 200
"""Most fields of a body; the API has about forty."""
LONG_BODY_BYTES = 1 << 16
"""Size from which bodies are parsed one at a time."""


class BodyRequest(Request):
    """A request whose body is parsed by orjson."""

    def __init__(self, request: Request, turn: asyncio.Lock) -> None:
        super().__init__(request.scope, request.receive)
        self._turn = turn

    async def json(self) -> Any:
        """Return the body's data. Raises ValueError if it is not JSON."""
        body = await self.body()
        if len(body) > LONG_BODY_BYTES:
            # Parsing and validating takes about 10 ms: at most one long body per iteration of the event loop.
            async with self._turn:
                await asyncio.sleep(0)
                data = orjson.loads(body)
        else:
            data = orjson.loads(body)
        if isinstance(data, dict) and len(data) > FIELDS:
            raise HTTPException(400, f"the body has {len(data)} fields; give at most {FIELDS}")
        return data


class BodyRoute(APIRoute):
    """A route with `BodyRequest` requests."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle, turn = super().get_route_handler(), asyncio.Lock()

        async def handled(request: Request) -> Response:
            return await handle(BodyRequest(request, turn))

        return handled
