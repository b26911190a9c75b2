"""The API as an ASGI app: routes, keys, limits and errors around the runs of the agent.

async with opened(config, metrics) as agent:
    app = create_app(config, keys=Keys({}), metrics=metrics)
    app.state.agent = agent
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from time import time
from typing import Any

import orjson
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from storm_calm.agents.reasoners.async_reasoners import open_async
from storm_calm.serving.api.agent_request import Ask, check_size
from storm_calm.serving.api.agent_runs import Agent, Run
from storm_calm.serving.api.auth import Keys, Limits
from storm_calm.serving.api.chat import Chat
from storm_calm.serving.api.chat_request import ChatRequest
from storm_calm.serving.api.config import ServeConfig
from storm_calm.serving.api.errors import ApiError
from storm_calm.serving.api.json_body import BodyRoute
from storm_calm.serving.api.metrics import Metrics
from storm_calm.serving.api.middleware import Drain, Gate, caller_of
from storm_calm.serving.api.responses import Responses
from storm_calm.serving.api.responses_request import ResponsesRequest
from storm_calm.serving.api.results import check
from storm_calm.serving.api.sse import EventStream, LeftError, unless_left

KEY = [Depends(HTTPBearer(auto_error=False))]
"""Says in the OpenAPI document that there are keys; `Gate` is what looks at them."""
BEGIN = 4.0
"""Seconds that a stream waits for the model's first text before it begins without; replicas are tried for less."""
WAITING = 256
"""Threads that wait for programs; more runs than that wait for a thread."""


@contextlib.asynccontextmanager
async def opened(config: ServeConfig, metrics: Metrics) -> AsyncIterator[Agent]:
    """The agent, with its reasoner and its sandbox; what it works on is stopped at the end.

    Raises ReasonerError, SandboxUnavailableError and ValueError where a part can't be opened.
    """
    # In threads: both wait for processes, and an event loop must not; that of `langgraph dev` raises an error.
    sandbox = await asyncio.to_thread(config.open_sandbox, workers=config.workers)
    threads = ThreadPoolExecutor(WAITING, thread_name_prefix="program")
    try:
        async with open_async(config.reasoner, model=config.model, tokenizer=config.tokenizer) as reasoner:
            agent = Agent(reasoner, sandbox, config, metrics, threads)
            try:
                yield agent
            finally:
                await agent.stop()
    finally:
        await asyncio.to_thread(threads.shutdown)
        await asyncio.to_thread(sandbox.close)


def create_app(config: ServeConfig, *, keys: Keys, metrics: Metrics) -> FastAPI:
    """The app; before the first request, `app.state.agent` must be set to what `opened` gives."""
    limits = Limits(running=config.max_running, key_running=config.key_running, key_per_minute=config.key_per_minute)
    # Its pages at /docs and /redoc come from here, scripts and all.
    app = FastAPIOffline(
        title="STORM",
        summary="Optimization problems in words, solved by an agent that reasons, runs solver code and answers.",
        version=version("storm-calm"),
    )
    app.router.route_class = BodyRoute
    drain = Drain()
    app.state.drain = drain

    def check_model(model: str) -> None:
        if model != config.name:
            raise ApiError(
                404,
                f"there is no model {model[:100]!r}; there is {config.name!r}",
                param="model",
                code="model_not_found",
            )

    async def answer(
        request: Request, ask: Ask, stream: bool | None, made: Callable[[Run], Chat | Responses]
    ) -> Response:
        """Work on it, whole or as a stream; `made` says by which API it is told."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(limits.counted(caller_of(request.scope)))
            run = request.app.state.agent.start(check_size(ask, request.app.state.agent.reasoner.context))
            stack.callback(run.cancel)
            telling = made(run)
            if not stream:
                return json_response(await unless_left(request, telling.whole()))
            # What fails before anything is said is an error with a status of its own.
            if await unless_left(request, run.begun(BEGIN)):
                check(run.ended())
            return EventStream(telling.stream(), left=stack.pop_all().close)

    @app.post("/v1/chat/completions", tags=["openai"], dependencies=KEY)
    async def chat_completions(request: Request, body: ChatRequest) -> Response:
        """Answer a chat, with solvers; whole, or with `stream` as it is written."""
        check_model(body.model)
        ask = body.ask()
        return await answer(
            request,
            ask,
            body.stream,
            lambda run: Chat(ask, run, name=config.name, field=config.reasoning_field, usage_wanted=body.usage_wanted),
        )

    @app.post("/v1/responses", tags=["openai"], dependencies=KEY)
    async def responses(request: Request, body: ResponsesRequest) -> Response:
        """Answer as OpenAI's Responses API does: thoughts, programs and the answer as items."""
        check_model(body.model)
        ask = body.ask()
        return await answer(request, ask, body.stream, lambda run: Responses(body, ask, run, name=config.name))

    entry = {"id": config.name, "object": "model", "created": int(time()), "owned_by": "storm"}

    @app.get("/v1/models", tags=["openai"], dependencies=KEY)
    async def models() -> Response:
        """The one model that there is."""
        return json_response({"object": "list", "data": [entry]})

    @app.get("/v1/models/{model}", tags=["openai"], dependencies=KEY)
    async def model(model: str) -> Response:
        """That model."""
        check_model(model)
        return json_response(entry)

    @app.get("/health", tags=["operation"])
    async def health() -> Response:
        """Whether the server takes requests."""
        return json_response({"status": "draining" if drain.draining else "ok"}, status=503 if drain.draining else 200)

    @app.get("/metrics", tags=["operation"])
    async def figures() -> Response:
        """Figures for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    @app.exception_handler(ApiError)
    async def answer_error(request: Request, error: ApiError) -> Response:
        return json_response(error.body, status=error.status, headers=dict(error.headers))

    @app.exception_handler(RequestValidationError)
    async def answer_invalid(request: Request, error: RequestValidationError) -> Response:
        return await answer_error(request, invalid(error))

    @app.exception_handler(HTTPException)
    async def answer_http(request: Request, error: HTTPException) -> Response:
        return await answer_error(request, ApiError(error.status_code, str(error.detail)))

    @app.exception_handler(LeftError)
    async def answer_nobody(request: Request, error: LeftError) -> Response:
        return Response(status_code=499)

    app.add_middleware(
        Gate,
        keys=keys,
        metrics=metrics,
        drain=drain,
        most_bytes=round(config.max_body_mb * 1_000_000),
        hosts=config.hosts,
    )
    if config.origins:
        # Added last, so outermost: a browser asks without a key whether it may ask with one.
        app.add_middleware(
            CORSMiddleware, allow_origins=list(config.origins), allow_methods=["GET", "POST"], allow_headers=["*"]
        )
    return app


def json_response(data: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Data as JSON."""
    return Response(orjson.dumps(data), status_code=status, headers=headers, media_type="application/json")


def invalid(error: RequestValidationError) -> ApiError:
    """What is wrong with a body, of its first fault; what was sent is not repeated at length."""
    first = error.errors()[0]
    # Of a field that may be of several types, pydantic names the type as well.
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "str")]
    where = [part for part in place if "[" not in part]
    if first["type"] == "json_invalid":
        return ApiError(400, f"the body is no JSON: {first.get('ctx', {}).get('error', '')}"[:200])
    return ApiError(400, f"{'.'.join(where) or 'the body'}: {first['msg']}"[:300], param=".".join(where) or None)
