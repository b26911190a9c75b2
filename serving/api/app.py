"""The API as an ASGI app: routes, authentication, limits and errors around the agent.

async with open_agent(config, metrics) as agent:
    app = create_app(config, keys=Keys({}), metrics=metrics)
    app.state.agent = agent
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from time import time
from typing import Any

import orjson
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from prometheus_client import generate_latest
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from storm_calm.agents.reasoners.async_reasoners import open_async
from storm_calm.agents.reasoners.model_folder import given_prompt_format
from storm_calm.agents.reasoners.nano_scope import is_nano
from storm_calm.agents.runs.database_url import DatabaseUrl
from storm_calm.agents.runs.reasoner_options import given_limits
from storm_calm.serving.api.agent_request import AgentRequest, check_size
from storm_calm.serving.api.agent_tasks import Agent, AgentTask
from storm_calm.serving.api.api_errors import ApiError, ErrorBody
from storm_calm.serving.api.auth import Keys
from storm_calm.serving.api.chat_completions import ChatCompletion
from storm_calm.serving.api.chat_request import ChatRequest
from storm_calm.serving.api.conclusion import raise_for_failure
from storm_calm.serving.api.config import ServeConfig
from storm_calm.serving.api.file_routes import attach_uploads, file_routes, stored_of
from storm_calm.serving.api.json_body import BodyRoute
from storm_calm.serving.api.metrics import Metrics
from storm_calm.serving.api.middleware import ApiMiddleware, Drain, caller_of
from storm_calm.serving.api.model_responses import ModelResponse, OnEnd, OnEvent
from storm_calm.serving.api.plan_routes import plan_routes
from storm_calm.serving.api.rate_limit import Limits
from storm_calm.serving.api.readiness import Readiness
from storm_calm.serving.api.response_routes import response_routes, start_in_background
from storm_calm.serving.api.responses_request import ResponsesRequest
from storm_calm.serving.api.sse import DisconnectedError, EventStream, until_disconnect
from storm_calm.serving.api.stored import open_stored
from storm_calm.serving.web.page import web_routes

KEY = [Depends(HTTPBearer(auto_error=False))]
"""Documents the API keys in OpenAPI; `ApiMiddleware` checks them."""
ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorBody, "description": "The request is wrong, or is refused for now."},
    "5XX": {"model": ErrorBody, "description": "The server cannot answer; retry."},
}
"""Documents the errors in OpenAPI."""
FIRST_TEXT_SECONDS = 4.0
"""Seconds that a stream waits for the first text before it sends its headers. Failover between replicas is quicker."""
PROGRAM_THREADS = 256
"""Threads that wait for programs; further answers queue for a thread."""


@contextlib.asynccontextmanager
async def open_agent(
    config: ServeConfig, metrics: Metrics, *, database: DatabaseUrl | None = None
) -> AsyncIterator[Agent]:
    """Open the agent with its reasoner and sandbox; stop its tasks at the end.

    database: has what several servers share; None for one server alone.

    Raises ReasonerError, SandboxUnavailableError, and ValueError for wrong settings.
    """
    # In a thread: it waits for processes, and blocking the event loop is an error under `langgraph dev`.
    sandbox = await asyncio.to_thread(config.open_sandbox, workers=config.workers)
    threads = ThreadPoolExecutor(PROGRAM_THREADS, thread_name_prefix="program")
    guards = contextlib.ExitStack()
    try:
        given = given_prompt_format(config.prompt_format) if config.prompt_format else None
        async with open_async(
            config.reasoner,
            model=config.model,
            tokenizer=config.tokenizer,
            prompt_format=given,
            limits=given_limits(config.rpm, config.tpm),
        ) as reasoner:
            # In a thread: an LLM intervener asks its endpoint for the models.
            guard = await asyncio.to_thread(guards.enter_context, config.open_guard(reasoner))
            limits = Limits(
                running=config.max_running, key_running=config.key_running, key_per_minute=config.key_per_minute
            )
            async with open_stored(limits, database) as stored:
                agent = Agent(reasoner, sandbox, config, metrics, threads, guard, stored)
                try:
                    yield agent
                finally:
                    await agent.stop()
    finally:
        await asyncio.to_thread(guards.close)
        await asyncio.to_thread(threads.shutdown)
        await asyncio.to_thread(sandbox.close)


def create_app(config: ServeConfig, *, keys: Keys, metrics: Metrics) -> FastAPI:
    """Return the app. Set `app.state.agent`, from `open_agent`, before the first request."""
    # FastAPIOffline serves the scripts of /docs and /redoc from this server.
    app = FastAPIOffline(
        title="STORM",
        summary="Solve optimization problems stated in words with an agent that reasons and runs solver code.",
        version=version("storm-calm"),
        responses=ERRORS,
    )
    app.router.route_class = BodyRoute
    drain = Drain()
    app.state.drain = drain
    readiness = Readiness(drain)

    def check_model(model: str) -> None:
        if model != config.name:
            message = f"unknown model {model[:100]!r}; give {config.name!r}"
            raise ApiError(404, message, param="model", code="model_not_found")

    async def answer(
        http: Request,
        request: AgentRequest,
        stream: bool | None,
        render: Callable[[AgentTask], ChatCompletion | ModelResponse],
    ) -> Response:
        """Answer a request, whole or as an event stream, in the format of one API."""
        agent: Agent = http.app.state.agent
        async with contextlib.AsyncExitStack() as stack:
            slot = await stack.enter_async_context(await stored_of(http).rate_limit.admit(caller_of(http.scope)))
            task = agent.start(check_size(request, agent.reasoner.context))
            stack.callback(task.cancel)
            rendering = render(task)
            if not stream:
                return json_response(await until_disconnect(http, rendering.whole()))
            # A failure before the first text gets its own HTTP status.
            if await until_disconnect(http, task.started(FIRST_TEXT_SECONDS)):
                raise_for_failure(task.outcome(), request.param)
            stack.pop_all()

        def end() -> None:
            task.cancel()
            slot.release()

        return EventStream(rendering.stream(), on_disconnect=end)

    @app.post("/v1/chat/completions", tags=["openai"], dependencies=KEY)
    async def chat_completions(http: Request, body: ChatRequest) -> Response:
        """Answer a chat with the help of solvers; with `stream`, as an event stream."""
        check_model(body.model)
        await attach_uploads(http, body.messages, "messages")
        request = body.agent_request()
        return await answer(
            http, request, body.stream, lambda task: ChatCompletion(body, request, task, field=config.reasoning_field)
        )

    @app.post("/v1/responses", tags=["openai"], dependencies=KEY)
    async def responses(http: Request, body: ResponsesRequest) -> Response:
        """Answer in the format of OpenAI's Responses API: thoughts, programs and the answer are items."""
        check_model(body.model)
        caller, stored = caller_of(http.scope), stored_of(http)
        if not isinstance(body.input, str):
            await attach_uploads(http, body.input, "input")
        previous = body.previous_response_id
        request = body.agent_request(await stored.responses.conversation(caller, previous) if previous else None)

        def render(task: AgentTask, on_end: OnEnd | None, on_event: OnEvent | None = None) -> ModelResponse:
            return ModelResponse(
                body, request, task, results=stored.results, caller=caller, on_end=on_end, on_event=on_event
            )

        if body.background:
            return await start_in_background(http, request, render, stream=bool(body.stream))
        keep = partial(stored.responses.add, caller) if body.stored else None
        return await answer(http, request, body.stream, lambda task: render(task, keep))

    @app.post("/v1/responses/compact", include_in_schema=False, dependencies=KEY)
    async def compact() -> Response:
        """Reject compaction, which clients ask for beside a response's ID."""
        raise ApiError(404, "compaction is not supported; send the input as it is, or a part of it")

    created = int(time())

    @app.get("/v1/models", tags=["openai"], dependencies=KEY)
    async def models(http: Request) -> Response:
        """List the only model."""
        return json_response({"object": "list", "data": [model_entry(http.app.state.agent, created)]})

    @app.get("/v1/models/{model}", tags=["openai"], dependencies=KEY)
    async def model(http: Request, model: str) -> Response:
        """Describe the model."""
        check_model(model)
        return json_response(model_entry(http.app.state.agent, created))

    app.include_router(file_routes())
    app.include_router(response_routes())
    app.include_router(plan_routes())

    @app.get("/health", tags=["operation"])
    async def health() -> Response:
        """Report that the process lives. For load balancers use /ready."""
        return json_response({"status": "stopping" if drain.stopping else "ok"})

    @app.get("/ready", tags=["operation"])
    async def ready(http: Request) -> Response:
        """Report whether requests should be sent to this server; otherwise with 503 and what is not ready."""
        checks = await readiness.checks(http.app.state.agent)
        faults = [name for name, well in checks.items() if not well]
        data = {"status": "ready" if not faults else "not ready", "checks": checks}
        return json_response(data, status=503 if faults else 200, headers={"retry-after": "5"} if faults else None)

    @app.get("/metrics", tags=["operation"])
    async def prometheus() -> Response:
        """Report metrics for Prometheus."""
        return Response(generate_latest(metrics.registry), media_type="text/plain; version=0.0.4")

    @app.exception_handler(ApiError)
    async def answer_error(request: Request, error: ApiError) -> Response:
        return json_response(error.body, status=error.status, headers=dict(error.headers))

    @app.exception_handler(RequestValidationError)
    async def answer_invalid(request: Request, error: RequestValidationError) -> Response:
        return await answer_error(request, invalid(error))

    @app.exception_handler(HTTPException)
    async def answer_http(request: Request, error: HTTPException) -> Response:
        known = missing_route(request) if error.status_code == 404 else ApiError(error.status_code, str(error.detail))
        headers = {**known.headers, **(error.headers or {})}
        if error.status_code == 405:  # The routing knows the methods of the first route with this path only.
            operations = app.openapi()["paths"].get(getattr(request.scope.get("route"), "path", ""), {})
            headers |= {"Allow": ", ".join(name.upper() for name in operations)} if operations else {}
        return json_response(known.body, status=known.status, headers=headers)

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
        origins=config.origins,
    )
    if config.origins:
        # Added last, so outermost: CORS preflight requests have no key.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(config.origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
        )
    app.router.routes.extend(web_routes())
    return app


def json_response(data: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(data), status_code=status, headers=headers, media_type="application/json")


def model_entry(agent: Agent, created: int) -> dict[str, Any]:
    """Return the model as OpenAI's API lists it, with the fields in which other servers have the context.

    created: Unix time.
    """
    nano = is_nano(agent.reasoner)
    return {
        "id": agent.config.name,
        "object": "model",
        "created": created,
        "owned_by": "storm",
        "context_length": agent.reasoner.context,
        "max_model_len": agent.reasoner.context,
        "capabilities": {
            "streaming": True,
            "reasoning": True,
            "code_interpreter": True,
            "files": True,
            "structured_outputs": True,
            "function_calling": False,
            "vision": False,
        },
        # Nano knows a few problem families only: a page should say so.
        "storm": {"reasoner": "nano" if nano else "other", "demo": nano},
    }


def missing_route(request: Request) -> ApiError:
    """Return the error for an unknown path, most often due to a wrong base URL."""
    path = request.url.path[:100]
    message = f"no route {request.method} {path}; the API is at /v1/chat/completions, /v1/responses and /v1/models"
    return ApiError(404, f"{message}, so base URLs of clients end in one /v1")


def invalid(error: RequestValidationError) -> ApiError:
    """Return the error for the first invalid field of a body, without repeating long values."""
    errors = error.errors()
    # A field with several types has an error for each. The one that is not about the type, or the deepest, is meant.
    same = [one for one in errors if one["loc"][:2] == errors[0]["loc"][:2]]
    first = max(same, key=lambda one: (not one["type"].endswith("_type"), len(one["loc"])))
    # For a field with several types, pydantic adds the type to the location.
    parts = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "str")]
    place = ".".join(part for part in parts if "[" not in part)
    if first["type"] == "json_invalid":
        return ApiError(400, f"the body is not JSON: {first.get('ctx', {}).get('error', '')}"[:200])
    return ApiError(400, f"{place or 'the body'}: {first['msg']}"[:300], param=place or None)
