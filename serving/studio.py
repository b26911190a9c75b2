"""The API on the port of `langgraph dev`, beside Studio's own routes: `http.app` in `langgraph.json`.

    STORM_REASONER=http://localhost:8000/v1 STORM_API_KEYS=... langgraph dev
    curl localhost:2024/v1/models

For trying both against each other on one machine; what serves for good is `storm serve`. Of the API only `/v1` is here:
`/metrics` and `/docs` are Studio's, whose page of operations names ours too.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.routing import Route

from storm_calm.serving.api.app import create_app, open_agent
from storm_calm.serving.api.auth import ENVIRONMENT, read_keys
from storm_calm.serving.api.config import ServeConfig
from storm_calm.serving.api.metrics import Metrics


def beside_studio() -> FastAPI:
    """An app that passes `/v1` on, for `langgraph dev` to add its routes to.

    It reads the reasoner from STORM_REASONER, or else takes nano, and the keys from STORM_API_KEYS. Raises ValueError
    for what is no key.
    """
    # By which name it may be called is for Studio's server to say.
    config = ServeConfig(reasoner=(os.environ.get("STORM_REASONER") or "nano",), allowed_hosts=("*",))
    metrics = Metrics()
    api = create_app(config, keys=read_keys(None, os.environ.get(ENVIRONMENT)), metrics=metrics)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_agent(config, metrics) as agent:
            api.state.agent = agent
            yield

    # An app within the app: what the API has around its routes (keys, sizes, the shape of errors) is not for Studio's.
    # A route and no mount, which would take "/v1" off the paths.
    outer = FastAPI(title=api.title, version=api.version, lifespan=lifespan, openapi_url=None)
    outer.router.routes.append(Route("/v1/{path:path}", api, include_in_schema=False))
    # Studio asks the app for its operations: ours, without /health and /metrics, which cannot be reached here.
    describe_files = api.openapi()
    paths = {path: what for path, what in describe_files["paths"].items() if path.startswith("/v1/")}
    outer.openapi = lambda: {**describe_files, "paths": paths}  # type: ignore[method-assign]
    return outer


app = beside_studio()
"""For `langgraph.json`."""
