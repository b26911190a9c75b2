"""Stored responses: fetching, following, cancelling and deleting them; and answers in the background."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.security import HTTPBearer

from storm_calm.serving.api.agent_request import AgentRequest, check_size
from storm_calm.serving.api.agent_tasks import Agent, AgentTask
from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.file_routes import stored_of
from storm_calm.serving.api.json_body import BodyRoute
from storm_calm.serving.api.middleware import caller_of
from storm_calm.serving.api.model_responses import ModelResponse, OnEnd, OnEvent
from storm_calm.serving.api.rate_limit import RateLimit
from storm_calm.serving.api.sse import EventStream
from storm_calm.serving.api.stored_responses import BackgroundAnswer, Conversation, StoredResponse

Render = Callable[[AgentTask, OnEnd | None, OnEvent | None], ModelResponse]


def response_routes() -> APIRouter:
    """Return the routes. They use `app.state.agent.stored`."""
    key = [Depends(HTTPBearer(auto_error=False))]
    router = APIRouter(route_class=BodyRoute, dependencies=key, tags=["openai"])

    @router.get("/v1/responses/{response_id}")
    async def fetch(
        http: Request,
        response_id: str,
        stream: bool = False,
        starting_after: Annotated[int, Query(ge=-1)] = -1,
    ) -> Response:
        """Return a stored response, also an unfinished one; with `stream`, the events of one in the background."""
        response = stored_of(http).responses.get(caller_of(http.scope), response_id)
        if stream:
            return follow(response, starting_after + 1)
        return Response(response.shown, media_type="application/json")

    @router.post("/v1/responses/{response_id}/cancel")
    async def cancel(http: Request, response_id: str) -> Response:
        """Cancel an answer in the background."""
        response = stored_of(http).responses.get(caller_of(http.scope), response_id)
        if response.background is None:
            raise ApiError(400, "only an answer in the background can be cancelled", param="response_id")
        response.background.cancel()
        return Response(response.shown, media_type="application/json")

    @router.delete("/v1/responses/{response_id}")
    async def delete(http: Request, response_id: str) -> Response:
        """Delete a stored response; one in the background is cancelled."""
        stored_of(http).responses.delete(caller_of(http.scope), response_id)
        deleted = {"id": response_id, "object": "response.deleted", "deleted": True}
        return Response(orjson.dumps(deleted), media_type="application/json")

    return router


def follow(response: StoredResponse, number: int) -> EventStream:
    """Return the events of an answer in the background, from a number on. Its clients come and go."""
    background = response.background
    if background is None or not background.keep_events:
        raise ApiError(400, "only answers in the background with stream: true have events to follow", param="stream")
    return EventStream(background.follow(number), on_disconnect=lambda: None)


async def start_in_background(
    http: Request, request: AgentRequest, render: Render, rate_limit: RateLimit, *, stream: bool
) -> Response:
    """Start an answer without a client, and return its unfinished response, or with `stream` its events."""
    agent: Agent = http.app.state.agent
    caller, store = caller_of(http.scope), stored_of(http).responses
    background = BackgroundAnswer(keep_events=stream)
    with contextlib.ExitStack() as stack:
        stack.enter_context(rate_limit.admit(caller))
        task = agent.start(check_size(request, agent.reasoner.context))
        stack.callback(task.cancel)

        def end(id: str, body: bytes, conversation: Conversation | None) -> None:
            if not response.body:  # Not cancelled.
                store.end(caller, response, body, conversation)

        rendering = render(task, end, background.log if stream else None)
        response = store.start(caller, rendering.id, background)
        running = stack.pop_all()

    async def write() -> None:
        try:
            async for _ in rendering.stream():
                pass
        finally:
            background.finish()
            running.close()

    writer = asyncio.create_task(write())

    def cancel() -> None:
        if not response.body:
            store.end(caller, response, rendering.cancelled(), None)
            writer.cancel()
            # If the writer has not started, it never ends by itself.
            background.finish()
            running.close()

    background.cancel, background.snapshot = cancel, rendering.snapshot
    return follow(response, 0) if stream else Response(response.shown, media_type="application/json")
