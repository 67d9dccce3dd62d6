"""One call of the API, from what is sent to what is returned, without any input or output.

A client drives the steps of a call: it sends the requests and waits out the pauses. So what a call does is written
once, for the client that blocks and for the one that does not.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import httpx

from . import _errors as errors
from ._models import TokenPair, make

T = TypeVar("T")

CSRF_COOKIES = ("__Host-nl_csrf", "nl_csrf")


@dataclass(frozen=True)
class Call(Generic[T]):
    """Says what is asked for, and how the answer is read."""

    method: str
    path: str
    read: Callable[[Any], T]
    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] | None = None
    csrf: bool = False
    # Whether it may be made twice: nobody knows what became of a request without an answer.
    repeatable: bool = False
    # Which credential goes along besides the cookies.
    bearer: str | None = None
    portal: bool = False


@dataclass(frozen=True)
class Request:
    """Is one request that a client has to send."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any] | None
    query: Mapping[str, Any] | None


# What a step asks for: a request, or a pause in seconds.
Step = Request | float
# What a client brings back: an answer, why there is none, or nothing after a pause.
Outcome = httpx.Response | errors.WhenceError | None
Steps = Generator[Step, Outcome, T]


@dataclass
class State:
    """Is what a client knows besides its cookies."""

    api_key: str | None = None
    max_retry_after: float = 3.0
    tokens: TokenPair | None = None
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)

    def csrf_token(self) -> str | None:
        """Returns the CSRF token of the session, by its cookie."""
        by_name = {cookie.name: cookie.value for cookie in self.cookies.jar}
        return next((by_name[name] for name in CSRF_COOKIES if by_name.get(name)), None)

    def steps(self, call: Call[T]) -> Steps[T]:
        """Makes a call, as the steps that a client takes."""
        bearer = self._bearer(call)
        response = yield from self._retried(call, bearer)
        if response.status_code == 401 and call.bearer == "session" and self._can_refresh():
            yield from self.refresh()
            response = yield from self._retried(call, self._bearer(call))
        elif response.status_code == 403 and call.csrf and _code(response).startswith("csrf_"):
            # The session was replaced since the token was read: the service has refused before it did anything.
            yield from self._send(Call("GET", "/v1/auth/me", read=_nothing), None)
            response = yield from self._retried(call, bearer)
        return call.read(_data(response, call.portal))

    def refresh(self) -> Steps[TokenPair]:
        """Exchanges the refresh token for the next pair."""
        token = self.tokens.refresh_token if self.tokens else None
        if not token:
            raise errors.UnauthenticatedError("unauthenticated", "There is no refresh token: log in.")
        # Twice within 30 seconds gives the same successor, so that a lost answer costs nothing.
        call = Call(
            "POST", "/api/v1/auth/refresh", read=lambda data: make(TokenPair, data),
            body={"refreshToken": token}, repeatable=True, portal=True,
        )
        response = yield from self._retried(call, None)
        self.tokens = call.read(_data(response, True))
        return self.tokens

    def _can_refresh(self) -> bool:
        return self.tokens is not None and self.tokens.refresh_token is not None

    def _bearer(self, call: Call[T]) -> str | None:
        if call.bearer == "key":
            if not self.api_key:
                raise TypeError("whence: this call takes an API key: WhenceClient(api_key=...)")
            return self.api_key
        return self.tokens.access_token if call.bearer == "session" and self.tokens else None

    def _retried(self, call: Call[T], bearer: str | None) -> Steps[httpx.Response]:
        """Sends a request, and once more where that is safe and helps."""
        outcome = yield from self._send(call, bearer)
        if isinstance(outcome, httpx.Response):
            wait = self._wait(call, outcome)
            if wait is None:
                return outcome
            yield wait + random.uniform(0, 0.2)
        elif isinstance(outcome, errors.NetworkError) and call.repeatable:
            yield random.uniform(0.2, 0.4)
        else:
            assert isinstance(outcome, errors.WhenceError)
            raise outcome
        outcome = yield from self._send(call, bearer)
        if isinstance(outcome, httpx.Response):
            return outcome
        assert isinstance(outcome, errors.WhenceError)
        raise outcome

    def _wait(self, call: Call[T], response: httpx.Response) -> float | None:
        """Returns after how many seconds the request is worth a second try; None when it is not."""
        after = _retry_after(response)
        if response.status_code == 429:
            # Nothing was done, so that it may be any call.
            wait = after
        elif response.status_code in (502, 503, 504) and call.repeatable:
            wait = after if after is not None else 0.3
        else:
            return None
        return wait if wait is not None and wait <= self.max_retry_after else None

    def _send(self, call: Call[T], bearer: str | None) -> Steps[Outcome]:
        headers: dict[str, str] = {}
        if bearer:
            headers["authorization"] = f"Bearer {bearer}"
        token = self.csrf_token() if call.csrf else None
        if token:
            headers["x-csrf-token"] = token
        outcome = yield Request(call.method, call.path, headers, call.body, call.query)
        return outcome


def _nothing(_: Any) -> None:
    return None


def _retry_after(response: httpx.Response) -> float | None:
    text = response.headers.get("retry-after", "")
    return float(text) if text.isdecimal() else None


def _json(response: httpx.Response) -> Mapping[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, Mapping) else {}


def _code(response: httpx.Response) -> str:
    said = _json(response).get("error")
    return said if isinstance(said, str) else ""


def _data(response: httpx.Response, portal: bool) -> Any:
    """Returns what an answer says, or raises the error that it is."""
    if response.is_success:
        body = _json(response)
        return body.get("data") if portal else body
    raise error_of(response)


def error_of(response: httpx.Response) -> errors.WhenceError:
    """Returns the error that an answer is, of either family."""
    body = _json(response)
    said = body.get("error")
    inner: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
    code = inner.get("code") if inner else said
    details = inner.get("details")
    status = response.status_code
    return errors.error_class(status)(
        str(code) if code else f"http_{status}",
        str(inner.get("message") or body.get("message") or ""),
        status=status,
        request_id=response.headers.get("x-request-id"),
        retry_after=_retry_after(response),
        i18n_key=inner.get("i18nKey"),
        i18n_vars=inner.get("i18nVars"),
        details=tuple(details) if isinstance(details, list) else (),
    )
