"""The client that does not block. The blocking one is made of this file by ``generate_sync.py``."""

from __future__ import annotations

import os
from types import TracebackType

import httpx

from .._calls import State
from .api import Auth, Portal, Referrals, Users
from .transport import AsyncTransport


class AsyncWhenceClient(AsyncTransport):
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
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        url = base_url or os.environ.get("WHENCE_URL")
        if not url:
            raise TypeError("whence: say where it is: base_url='https://login.example.com'")
        http = httpx.AsyncClient(
            base_url=url.rstrip("/"),
            timeout=timeout,
            cookies=cookies,
            transport=transport,
            headers=headers,
            # An answer that leads elsewhere would take the cookies and the body along.
            follow_redirects=False,
        )
        state = State(api_key=api_key, max_retry_after=max_retry_after, cookies=http.cookies)
        super().__init__(http, state)
        self.auth = Auth(self)
        self.referrals = Referrals(self)
        self.users = Users(self)
        self.portal = Portal(self)

    @property
    def cookies(self) -> httpx.Cookies:
        """Returns the cookies of the person, which are the session."""
        return self._http.cookies

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncWhenceClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
