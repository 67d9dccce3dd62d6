"""What carries the calls of a client that blocks, made of the one that does not by ``generate_sync.py``."""

from __future__ import annotations

import time
from typing import Any, TypeVar

import httpx

from .._calls import Call, Outcome, Request, State, Steps
from .._errors import NetworkError, TimeoutError, WhenceError

T = TypeVar("T")


class Transport:
    """Sends the requests of calls, and keeps what is between them: cookies and tokens."""

    def __init__(self, http: httpx.Client, state: State) -> None:
        self._http = http
        self._state = state

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
