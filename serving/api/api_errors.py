"""Errors in the shape that OpenAI's API gives them, and that its clients turn into exceptions of their own.

raise ApiError(400, "n is 3; one answer a request", param="n")
{"error": {"message": "n is 3; one answer a request", "type": "invalid_request_error", "param": "n", "code": null}}
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

log = logging.getLogger("storm")

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    408: "timeout_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    431: "invalid_request_error",
    429: "rate_limit_error",
    502: "upstream_error",
    503: "overloaded_error",
}
"""Types by status; all others are a "server_error"."""


def as_api_error(error: Exception) -> ApiError:
    """Return the error for the client; an unexpected one goes to the log, and its details stay there."""
    if isinstance(error, ApiError):
        return error
    # The message may hold what a user wrote, or a path: the type is enough to look for, with the traceback.
    log.exception("failed with %s", type(error).__name__)
    return ApiError(500, "the server failed; this is its fault")


class ApiError(Exception):
    """What a request is answered with instead."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        """status: of HTTP. param: the field that is wrong. code: a word for programs.

        retry_after: seconds after which it may go better.
        """
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.retry_after = retry_after

    @property
    def body(self) -> dict[str, Any]:
        """The answer's JSON data."""
        return {
            "error": {
                "message": self.message,
                "type": TYPES.get(self.status, "server_error"),
                "param": self.param,
                "code": self.code,
            }
        }

    @property
    def headers(self) -> Mapping[str, str]:
        """The answer's headers."""
        headers = {} if self.retry_after is None else {"retry-after": str(max(1, round(self.retry_after)))}
        return headers | ({"www-authenticate": "Bearer"} if self.status == 401 else {})
