"""Stored responses: fetching, following, cancelling and deleting them; and answers in the background."""

import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.security import HTTPBearer

from storm_calm.serving.api.agent_request import AgentRequest, check_size
from storm_calm.serving.api.agent_tasks import Agent, AgentTask
from storm_calm.serving.api.file_routes import stored_of
from storm_calm.serving.api.json_body import BodyRoute
from storm_calm.serving.api.middleware import caller_of
from storm_calm.serving.api.model_responses import ModelResponse, OnEnd, OnEvent
from storm_calm.serving.api.sse import EventStream
from storm_calm.serving.api.stored_responses import BackgroundAnswer

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
        store, caller = stored_of(http).responses, caller_of(http.scope)
        if stream:
            return follow(await store.follow(caller, response_id, starting_after + 1))
        return Response(await store.fetch(caller, response_id), media_type="application/json")

    @router.post("/v1/responses/{response_id}/cancel")
    async def cancel(http: Request, response_id: str) -> Response:
        """Cancel an answer in the background."""
        cancelled = await stored_of(http).responses.cancel(caller_of(http.scope), response_id)
        return Response(cancelled, media_type="application/json")

    @router.delete("/v1/responses/{response_id}")
    async def delete(http: Request, response_id: str) -> Response:
        """Delete a stored response; one in the background is cancelled."""
        await stored_of(http).responses.delete(caller_of(http.scope), response_id)
        deleted = {"id": response_id, "object": "response.deleted", "deleted": True}
        return Response(orjson.dumps(deleted), media_type="application/json")

    return router


def follow(events: AsyncIterator[bytes]) -> EventStream:
    """Return the events of an answer in the background. Its clients come and go."""
    return EventStream(events, on_disconnect=lambda: None)


async def start_in_background(http: Request, request: AgentRequest, render: Render, *, stream: bool) -> Response:
    """Start an answer without a client, and return its unfinished response, or with `stream` its events."""
    agent: Agent = http.app.state.agent
    caller, stored = caller_of(http.scope), stored_of(http)
    store = stored.responses
    background = BackgroundAnswer(keep_events=stream)
    async with contextlib.AsyncExitStack() as stack:
        slot = await stack.enter_async_context(await stored.rate_limit.admit(caller))
        task = agent.start(check_size(request, agent.reasoner.context))
        stack.callback(task.cancel)
        rendering = render(task, partial(store.end, caller), background.log if stream else None)
        background.snapshot, background.cancelled = rendering.snapshot, rendering.cancelled
        await store.start(caller, rendering.id, background)
        stack.pop_all()

    async def write() -> None:
        try:
            async for _ in rendering.stream():
                pass
        finally:
            end()

    def end() -> None:
        background.finish()
        task.cancel()
        slot.release()

    writer = agent.write_in_background(write())

    def stop() -> None:
        writer.cancel()
        # If the writer has not started, it never ends by itself.
        end()

    background.stop = stop
    if stream:
        return follow(background.follow(0))
    return Response(background.snapshot(), media_type="application/json")
