"""API errors in OpenAI's JSON format, which its clients turn into exceptions.

raise ApiError(400, "n is 3; only 1 is supported", param="n")
{"error": {"message": "n is 3; only 1 is supported", "type": "invalid_request_error", "param": "n", "code": null}}
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

log = logging.getLogger("storm")

TYPES = {
    **dict.fromkeys((400, 404, 405, 413, 415, 426, 431), "invalid_request_error"),
    401: "authentication_error",
    408: "timeout_error",
    429: "rate_limit_error",
    502: "upstream_error",
    503: "overloaded_error",
}
"""Error types by status; any other is a "server_error"."""


class ErrorFields(BaseModel):
    """The fields of an error."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    message: str
    """What is wrong, where, and what to do."""
    type: str
    """The kind of error, by its status."""
    param: str | None
    """The wrong field of the body."""
    code: str | None
    """A code for programs."""


class ErrorBody(BaseModel):
    """The body of an error, as documented at /docs."""

    error: ErrorFields


def as_api_error(error: Exception) -> ApiError:
    """Return the error for the client. An unexpected error is logged and its details are not sent."""
    if isinstance(error, ApiError):
        return error
    # The message may contain user text or paths, so only the type and the traceback are logged.
    log.exception("failed with %s", type(error).__name__)
    return ApiError(500, "internal server error")


class ApiError(Exception):
    """An error that is sent to the client."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        """status: HTTP status. param: the wrong field. code: an error code for programs. retry_after: seconds."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.retry_after = retry_after

    @property
    def body(self) -> dict[str, Any]:
        kind = TYPES.get(self.status, "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    @property
    def headers(self) -> Mapping[str, str]:
        headers = {} if self.retry_after is None else {"retry-after": str(max(1, round(self.retry_after)))}
        return headers | ({"www-authenticate": "Bearer"} if self.status == 401 else {})
