"""The API on the port of `langgraph dev`, beside the routes of Studio: `http.app` in `langgraph.json`.

    STORM_REASONER=http://localhost:8000/v1 STORM_API_KEYS=... langgraph dev
    curl localhost:2024/v1/models

This is for experiments on one machine; use `storm serve` in production. Only `/v1` is available here: `/metrics` and
`/docs` are Studio's, whose list of operations includes these.
"""

import contextlib
import os
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from storm_calm.serving.api.app import create_app, open_agent
from storm_calm.serving.api.auth import ENVIRONMENT, read_keys
from storm_calm.serving.api.config import ServeConfig
from storm_calm.serving.api.metrics import Metrics

BLOCKED = ("/deploy", "/internal")
"""Routes of `langgraph dev` that answer 404 here: one uploads this folder to a service, without asking for a key."""


class BlockedRoutes:
    """The ASGI middleware that answers 404 for routes that no setting of langgraph.json turns off."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request to other routes."""
        path = scope.get("path", "")
        if scope["type"] == "http" and any(path == one or path.startswith(f"{one}/") for one in BLOCKED):
            await JSONResponse({"detail": "Not Found"}, status_code=404)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def beside_studio() -> FastAPI:
    """Return an app that forwards `/v1` to the API; `langgraph dev` adds its routes to it.

    The reasoner comes from STORM_REASONER (default: nano), the keys from STORM_API_KEYS. Raises ValueError for a short
    key.
    """
    # The server of Studio checks the Host header.
    config = ServeConfig(reasoner=(os.environ.get("STORM_REASONER") or "nano",), allowed_hosts=("*",))
    metrics = Metrics()
    api = create_app(config, keys=read_keys(None, os.environ.get(ENVIRONMENT)), metrics=metrics)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_agent(config, metrics) as agent:
            api.state.agent = agent
            yield

    # A nested app, so that the middleware of the API does not apply to Studio's routes. Not a mount, which would strip
    # "/v1" from the paths.
    outer = FastAPI(title=api.title, version=api.version, lifespan=lifespan, openapi_url=None)
    outer.add_middleware(BlockedRoutes)
    outer.router.routes.append(Route("/v1/{path:path}", api, include_in_schema=False))
    # Studio lists the operations of the app. /health and /metrics cannot be reached here.
    document = api.openapi()
    paths = {path: operations for path, operations in document["paths"].items() if path.startswith("/v1/")}
    outer.openapi = lambda: {**document, "paths": paths}  # type: ignore[method-assign]
    return outer


app = beside_studio()  # Named in `langgraph.json`.
