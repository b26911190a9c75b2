"""The API as an ASGI app: routes, keys, limits and errors around the agent.

async with open_agent(config, metrics) as agent:
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
from storm_calm.serving.api.agent_request import AgentRequest, check_size
from storm_calm.serving.api.agent_tasks import Agent, AgentTask
from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.auth import Keys
from storm_calm.serving.api.chat_completions import ChatCompletion
from storm_calm.serving.api.chat_request import ChatRequest
from storm_calm.serving.api.conclusion import raise_for_failure
from storm_calm.serving.api.config import ServeConfig
from storm_calm.serving.api.json_body import BodyRoute
from storm_calm.serving.api.metrics import Metrics
from storm_calm.serving.api.middleware import ApiMiddleware, Drain, caller_of
from storm_calm.serving.api.model_responses import ModelResponse
from storm_calm.serving.api.rate_limit import RateLimit
from storm_calm.serving.api.responses_request import ResponsesRequest
from storm_calm.serving.api.sse import DisconnectedError, EventStream, until_disconnect

KEY = [Depends(HTTPBearer(auto_error=False))]
"""Says in the OpenAPI document that there are keys; `ApiMiddleware` is what looks at them."""
FIRST_TEXT_SECONDS = 4.0
"""Seconds that a stream waits for the model's first text before it starts without; replicas are tried for less."""
PROGRAM_THREADS = 256
"""Threads that wait for programs; more answers than that wait for a thread."""


@contextlib.asynccontextmanager
async def open_agent(config: ServeConfig, metrics: Metrics) -> AsyncIterator[Agent]:
    """Open the agent with its reasoner and its sandbox, and stop its tasks at the end.

    Raises ReasonerError, SandboxUnavailableError and ValueError if a part can't be opened.
    """
    # In threads: both wait for processes, and an event loop must not; that of `langgraph dev` raises an error.
    sandbox = await asyncio.to_thread(config.open_sandbox, workers=config.workers)
    threads = ThreadPoolExecutor(PROGRAM_THREADS, thread_name_prefix="program")
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
    rate_limit = RateLimit(
        running=config.max_running, key_running=config.key_running, key_per_minute=config.key_per_minute
    )
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
        http: Request,
        request: AgentRequest,
        stream: bool | None,
        render: Callable[[AgentTask], ChatCompletion | ModelResponse],
    ) -> Response:
        """Answer a request, whole or as a stream, in the shape of one of the two APIs."""
        agent: Agent = http.app.state.agent
        with contextlib.ExitStack() as stack:
            stack.enter_context(rate_limit.admit(caller_of(http.scope)))
            task = agent.start(check_size(request, agent.reasoner.context))
            stack.callback(task.cancel)
            rendering = render(task)
            if not stream:
                return json_response(await until_disconnect(http, rendering.whole()))
            # What fails before the first text is an error with a status of its own.
            if await until_disconnect(http, task.started(FIRST_TEXT_SECONDS)):
                raise_for_failure(task.outcome())
            return EventStream(rendering.stream(), on_disconnect=stack.pop_all().close)

    @app.post("/v1/chat/completions", tags=["openai"], dependencies=KEY)
    async def chat_completions(http: Request, body: ChatRequest) -> Response:
        """Answer a chat, with solvers; whole, or with `stream` as it is written."""
        check_model(body.model)
        request = body.agent_request()
        return await answer(
            http, request, body.stream, lambda task: ChatCompletion(body, request, task, field=config.reasoning_field)
        )

    @app.post("/v1/responses", tags=["openai"], dependencies=KEY)
    async def responses(http: Request, body: ResponsesRequest) -> Response:
        """Answer as OpenAI's Responses API does: thoughts, programs and the answer as items."""
        check_model(body.model)
        request = body.agent_request()
        return await answer(http, request, body.stream, lambda task: ModelResponse(body, request, task))

    entry = {"id": config.name, "object": "model", "created": int(time()), "owned_by": "storm"}

    @app.get("/v1/models", tags=["openai"], dependencies=KEY)
    async def models() -> Response:
        """List the one model."""
        return json_response({"object": "list", "data": [entry]})

    @app.get("/v1/models/{model}", tags=["openai"], dependencies=KEY)
    async def model(model: str) -> Response:
        """Describe the model."""
        check_model(model)
        return json_response(entry)

    @app.get("/health", tags=["operation"])
    async def health() -> Response:
        """Report whether the server takes requests."""
        return json_response({"status": "draining" if drain.draining else "ok"}, status=503 if drain.draining else 200)

    @app.get("/metrics", tags=["operation"])
    async def prometheus() -> Response:
        """Report figures for Prometheus."""
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

    @app.exception_handler(DisconnectedError)
    async def answer_disconnected(request: Request, error: DisconnectedError) -> Response:
        return Response(status_code=499)

    app.add_middleware(
        ApiMiddleware,
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
    """Return data as JSON."""
    return Response(orjson.dumps(data), status_code=status, headers=headers, media_type="application/json")


def invalid(error: RequestValidationError) -> ApiError:
    """Return the error for the first fault of a body, without repeating at length what was sent."""
    first = error.errors()[0]
    # Of a field that may be of several types, pydantic names the type as well.
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "str")]
    where = [part for part in place if "[" not in part]
    if first["type"] == "json_invalid":
        return ApiError(400, f"the body is no JSON: {first.get('ctx', {}).get('error', '')}"[:200])
    return ApiError(400, f"{'.'.join(where) or 'the body'}: {first['msg']}"[:300], param=".".join(where) or None)
