"""The baseline: FastAPI and httpx, handing an upstream's bytes on as they come, and nothing more.

    python -m benchmarks.serving.passthrough http://127.0.0.1:9100/v1

It is what a gateway costs in Python before it does anything. Uvicorn, uvloop and httptools are as under `storm serve`.
"""

import contextlib
import socket
import sys
from collections.abc import AsyncIterator

import httpx
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask


def create_app(upstream: str) -> FastAPI:
    """The app. upstream: its address, up to `/v1`."""

    @contextlib.asynccontextmanager
    async def opened(app: FastAPI) -> AsyncIterator[None]:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        async with httpx.AsyncClient(limits=limits, timeout=None, trust_env=False) as client:
            app.state.client = client
            yield

    app = FastAPI(lifespan=opened)

    @app.post("/v1/{path:path}")
    async def hand_on(path: str, request: Request) -> StreamingResponse:
        client: httpx.AsyncClient = request.app.state.client
        headers = {"content-type": "application/json"}
        asked = client.build_request("POST", f"{upstream}/{path}", content=await request.body(), headers=headers)
        answer = await client.send(asked, stream=True)
        return StreamingResponse(
            answer.aiter_raw(),
            status_code=answer.status_code,
            media_type=answer.headers["content-type"],
            background=BackgroundTask(answer.aclose),
        )

    return app


def main() -> None:
    """The command."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as port:
        print(f"serving at http://127.0.0.1:{port.getsockname()[1]}/v1", flush=True)
        config = uvicorn.Config(
            create_app(sys.argv[1]),
            loop="uvloop",
            http="httptools",
            log_level="warning",
            access_log=False,
            backlog=4096,
        )
        uvicorn.Server(config).run(sockets=[port])


if __name__ == "__main__":
    main()
