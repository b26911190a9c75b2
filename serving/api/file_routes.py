"""Routes for files: uploads of clients, and the files of answers (containers)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPBearer
from starlette.datastructures import FormData, UploadFile

from storm_calm.serving.api.agent_request import check_file_name
from storm_calm.serving.api.agent_tasks import Agent
from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.json_body import BodyRoute
from storm_calm.serving.api.middleware import caller_of
from storm_calm.serving.api.request_body import InputMessage, file_parts
from storm_calm.serving.api.stored import Stored
from storm_calm.serving.api.stored_files import FileStore, StoredFile

KEY = [Depends(HTTPBearer(auto_error=False))]
FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string"},
                        "expires_after[anchor]": {"type": "string"},
                        "expires_after[seconds]": {"type": "integer"},
                    },
                }
            }
        },
    }
}
MAX_REQUEST_BYTES = 32 << 20
"""Bytes of all uploaded files that one request uses."""
PAGE = 100
"""Files in a list, by default and at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """A form with a file."""

    name: str
    content: bytes
    purpose: str
    seconds: float | None
    """Lifetime; None for that of the server."""


def file_routes() -> APIRouter:
    """Return the routes. They use `app.state.agent.stored`."""
    router = APIRouter(route_class=BodyRoute, dependencies=KEY, tags=["files"])

    @router.post("/v1/files", openapi_extra=FORM)
    async def upload(http: Request) -> Response:
        """Upload a file, for `file_id` in messages."""
        async with await stored_of(http).rate_limit.admit(caller_of(http.scope)):
            given = await read_upload(http)
            store = stored_of(http).uploads
            file = await store.add(
                caller_of(http.scope), given.name, given.content, purpose=given.purpose, seconds=given.seconds
            )
        return _json(upload_data(file))

    @router.get("/v1/files")
    async def uploads(
        http: Request, after: str = "", limit: int = PAGE, order: str = "desc", purpose: str = ""
    ) -> Response:
        """List the uploaded files of this key."""
        files = [upload_data(one) for one in await stored_of(http).uploads.list(caller_of(http.scope))]
        return _json(page([one for one in files if purpose in ("", one["purpose"])], after, limit, order))

    @router.get("/v1/files/{file_id}")
    async def uploaded(http: Request, file_id: str) -> Response:
        """Describe an uploaded file."""
        return _json(upload_data(await stored_of(http).uploads.get(caller_of(http.scope), file_id)))

    @router.get("/v1/files/{file_id}/content")
    async def uploaded_content(http: Request, file_id: str) -> Response:
        """Download an uploaded file."""
        return await _download(http, stored_of(http).uploads, file_id)

    @router.delete("/v1/files/{file_id}")
    async def delete_upload(http: Request, file_id: str) -> Response:
        """Delete an uploaded file."""
        await stored_of(http).uploads.delete(caller_of(http.scope), file_id)
        return _json({"id": file_id, "object": "file", "deleted": True})

    @router.get("/v1/containers/{container_id}/files")
    async def results(
        http: Request, container_id: str, after: str = "", limit: int = PAGE, order: str = "asc"
    ) -> Response:
        """List the files of an answer."""
        files = await stored_of(http).results.list(caller_of(http.scope), container_id)
        if not files:
            raise ApiError(404, f"no files of container {container_id[:100]!r}; they may have expired")
        return _json(page([result_data(one) for one in files], after, limit, order))

    @router.get("/v1/containers/{container_id}/files/{file_id}")
    async def result(http: Request, container_id: str, file_id: str) -> Response:
        """Describe a file of an answer."""
        return _json(result_data(await stored_of(http).results.get(caller_of(http.scope), file_id, container_id)))

    @router.get("/v1/containers/{container_id}/files/{file_id}/content")
    async def result_content(http: Request, container_id: str, file_id: str) -> Response:
        """Download a file of an answer."""
        return await _download(http, stored_of(http).results, file_id, container_id)

    @router.delete("/v1/containers/{container_id}/files/{file_id}")
    async def delete_result(http: Request, container_id: str, file_id: str) -> Response:
        """Delete a file of an answer."""
        await stored_of(http).results.delete(caller_of(http.scope), file_id, container_id)
        return _json({"id": file_id, "object": "container.file.deleted", "deleted": True})

    return router


def stored_of(http: Request) -> Stored:
    """Return the stores of the server."""
    agent: Agent = http.app.state.agent
    assert agent.stored is not None, "agents of servers have stores"
    return agent.stored


async def attach_uploads(http: Request, messages: Sequence[InputMessage], param: str) -> None:
    """Read the uploaded files that messages refer to. Raises ApiError for unknown ones, and for too many bytes.

    param: the path of the messages in the body.
    """
    store, caller = stored_of(http).uploads, caller_of(http.scope)
    found: dict[str, tuple[str, bytes]] = {}
    left = MAX_REQUEST_BYTES
    for path, data in file_parts(messages):
        place = f"{param}.{path}.file_id"
        id = data.file_id or ""
        if id not in found:
            try:
                file = await store.get(caller, id)
                left -= file.bytes
                if left < 0:
                    raise ApiError(400, f"the files have over {MAX_REQUEST_BYTES >> 20} MiB together; give less data")
                found[id] = file.name, await store.read(caller, id)
            except ApiError as error:
                raise ApiError(400, error.message, param=place, code=error.code) from None
        data.uploaded(*found[id])


async def read_upload(http: Request) -> Upload:
    """Read a form with a file. Raises ApiError for another one; the middleware limits its size."""
    # Starlette moves files above 1 MB to disk while it reads them.
    form = await http.form(max_files=1, max_fields=10, max_part_size=1000)
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile) or not file.filename:
            raise ApiError(400, "the form needs a file with a name in its field `file`", param="file")
        purpose = form.get("purpose")
        if not isinstance(purpose, str) or not re.fullmatch(r"[a-z_-]{1,40}", purpose):
            raise ApiError(400, "give the purpose of the file, such as user_data", param="purpose")
        name = check_file_name(file.filename, "file")
        seconds = _lifetime(form)
        return Upload(name=name, content=await file.read(), purpose=purpose, seconds=seconds)
    finally:
        await form.close()


def _lifetime(form: FormData) -> float | None:
    seconds, anchor = form.get("expires_after[seconds]"), form.get("expires_after[anchor]")
    if seconds is None and anchor is None:
        return None
    if anchor != "created_at" or not isinstance(seconds, str) or not re.fullmatch(r"[1-9]\d{0,8}", seconds):
        message = "give the anchor created_at, and seconds as a positive integer"
        raise ApiError(400, f"expires_after: {message}", param="expires_after")
    return float(seconds)


def upload_data(file: StoredFile) -> dict[str, Any]:
    """Return an upload as OpenAI's file object."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": int(file.created),
        "expires_at": int(file.expires),
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }


def result_data(file: StoredFile) -> dict[str, Any]:
    """Return a file of an answer as OpenAI's container file object."""
    return {
        "id": file.id,
        "object": "container.file",
        "bytes": file.bytes,
        "container_id": file.group,
        "created_at": int(file.created),
        "path": f"/mnt/data/{file.name}",
        "source": "assistant",
    }


def page(files: list[dict[str, Any]], after: str, limit: int, order: str) -> dict[str, Any]:
    """Return a part of a list of files, the oldest first. after: the ID before the part. order: asc or desc."""
    if order not in ("asc", "desc"):
        raise ApiError(400, "order is asc or desc", param="order")
    ordered = files if order == "asc" else files[::-1]
    if after:
        ids = [file["id"] for file in ordered]
        if after not in ids:
            raise ApiError(400, f"no file {after[:100]!r} in the list", param="after")
        ordered = ordered[ids.index(after) + 1 :]
    # Clients ask for up to 10,000.
    shown = ordered[: min(max(1, limit), PAGE)]
    ends = {"first_id": shown[0]["id"] if shown else None, "last_id": shown[-1]["id"] if shown else None}
    return {"object": "list", "data": shown, **ends, "has_more": len(shown) < len(ordered)}


async def _download(http: Request, store: FileStore, id: str, group: str = "") -> Response:
    caller = caller_of(http.scope)
    file = await store.get(caller, id, group)
    content = await store.read(caller, id, group)
    # A browser must save it: a page in it would run with this server's origin.
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox",
        "cache-control": "no-store",
    }
    return Response(content, media_type="application/octet-stream", headers=headers)


def _json(data: Any) -> Response:
    return Response(orjson.dumps(data), media_type="application/json")
