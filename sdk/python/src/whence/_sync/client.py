"""The client that blocks, made of the one that does not by ``generate_sync.py``."""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Any, TypeVar

import httpx

from .._calls import Call, Outcome, Request, State, Steps
from .._errors import NetworkError, TimeoutError, WhenceError
from .api import Auth, Portal, Referrals, Users

T = TypeVar("T")


class WhenceClient:
    """Is a client of whence for one person, or for one back-end.

    ``base_url`` says where whence is (without it: the variable ``WHENCE_URL``), ``api_key`` is the key of a back-end,
    ``timeout`` is in seconds for each step of a request (connecting, sending, reading). A call is tried twice where that
    is safe; ``max_retry_after`` is how many seconds of ``Retry-After`` are waited for. Cookies are kept in ``cookies``.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float = 30.0,
        max_retry_after: float = 3.0,
        cookies: httpx.Cookies | None = None,
        headers: dict[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        url = base_url or os.environ.get("WHENCE_URL")
        if not url:
            raise TypeError("whence: say where it is: base_url='https://login.example.com'")
        self._http = httpx.Client(
            base_url=url.rstrip("/"),
            timeout=timeout,
            cookies=cookies,
            transport=transport,
            headers=headers,
            # An answer that leads elsewhere would take the cookies and the body along.
            follow_redirects=False,
        )
        self._state = State(api_key=api_key, max_retry_after=max_retry_after, cookies=self._http.cookies)
        self.auth = Auth(self)
        self.referrals = Referrals(self)
        self.users = Users(self)
        self.portal = Portal(self)

    @property
    def cookies(self) -> httpx.Cookies:
        """Returns the cookies of the person, which are the session."""
        return self._http.cookies

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> WhenceClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, call: Call[T]) -> T:
        return self._drive(self._state.steps(call))

    def _drive(self, steps: Steps[T]) -> T:
        """Takes the steps of a call."""
        outcome: Outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(step, Request):
                outcome = self._send(step)
            else:
                time.sleep(step)
                outcome = None

    def _send(self, request: Request) -> httpx.Response | WhenceError:
        more: dict[str, Any] = {"json": dict(request.body)} if request.body is not None else {}
        try:
            return self._http.request(
                request.method, request.path, params=request.query, headers=dict(request.headers), **more
            )
        except httpx.TimeoutException as error:
            return TimeoutError("timeout", str(error) or "No answer in time.")
        except httpx.TransportError as error:
            return NetworkError("network", str(error) or "No answer.")
