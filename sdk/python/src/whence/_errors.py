"""The errors of a client: one class for each kind of answer, each with the code of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class WhenceError(Exception):
    """Is the base of all errors of this package.

    ``code`` is the code of the API, such as ``invalid_code``; ``status`` the HTTP status, 0 without an answer;
    ``request_id`` names the request in the logs of the service; ``retry_after`` is in seconds.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 0,
        request_id: str | None = None,
        retry_after: float | None = None,
        i18n_key: str | None = None,
        i18n_vars: Mapping[str, Any] | None = None,
        details: tuple[Any, ...] = (),
    ) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after
        self.i18n_key = i18n_key
        self.i18n_vars = dict(i18n_vars or {})
        self.details = details


class NetworkError(WhenceError):
    """Says that no answer came: there was no connection, or it broke."""


class TimeoutError(WhenceError):  # noqa: A001 - the name that callers look for
    """Says that no answer came in time."""


class InvalidRequestError(WhenceError):
    """Says that the service does not take what was sent (400, 405, 413 and the like)."""


class UnauthenticatedError(WhenceError):
    """Says that nobody is logged in, or that the token or key counts no more (401)."""


class ForbiddenError(WhenceError):
    """Says that this session or key may not do that (403)."""


class NotFoundError(WhenceError):
    """Says that there is no such thing (404)."""


class ConflictError(WhenceError):
    """Says that it contradicts what is there, such as a name that is taken (409)."""


class RateLimitedError(WhenceError):
    """Says that it was asked for too often (429)."""


class ServerError(WhenceError):
    """Says that the service could not do it (5xx)."""


def error_class(status: int) -> type[WhenceError]:
    """Returns the class of the errors with this HTTP status."""
    classes = {401: UnauthenticatedError, 403: ForbiddenError, 404: NotFoundError, 409: ConflictError}
    if status == 429:
        return RateLimitedError
    if status >= 500:
        return ServerError
    return classes.get(status, InvalidRequestError)
