"""The calls that a client has, in groups. They block, and are made of those that do not by ``generate_sync.py``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from .. import _models as models
from .._calls import Call
from .._models import make
from .transport import Transport


class _Group:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport


class EmailLogin(_Group):
    """Logs in with a code that is mailed."""

    def start(self, *, email: str) -> models.LoginStarted:
        """Mails a code to an address."""
        return self._transport._call(
            Call("POST", "/v1/auth/email/start", lambda data: make(models.LoginStarted, data), {"email": email})
        )

    def verify(self, *, request_id: str, code: str) -> models.LoggedIn:
        """Logs in with the mailed code, and registers who is new."""
        return self._transport._call(
            Call(
                "POST", "/v1/auth/email/verify", lambda data: models.LoggedIn(make(models.User, data["user"])),
                {"request_id": request_id, "code": code},
            )
        )


class Sessions(_Group):
    """Shows and ends the sessions of the user."""

    def list(self) -> tuple[models.Session, ...]:
        """Returns the sessions, the newest first."""
        return self._transport._call(
            Call(
                "GET", "/v1/auth/sessions",
                lambda data: tuple(make(models.Session, item) for item in data["items"]), repeatable=True,
            )
        )

    def revoke(self, session_id: str) -> None:
        """Ends a session."""
        path = f"/v1/auth/sessions/{quote(session_id, safe='')}"
        self._transport._call(Call("DELETE", path, lambda _: None, csrf=True))

    def revoke_others(self) -> int:
        """Ends all sessions but this one, and returns how many that were."""
        return self._transport._call(
            Call("POST", "/v1/auth/sessions/revoke-all", lambda data: int(data["revoked"]), csrf=True, repeatable=True)
        )


class Auth(_Group):
    """Logs in and out, and says who is logged in."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self.email = EmailLogin(transport)
        self.sessions = Sessions(transport)

    def me(self) -> models.Me:
        """Returns who is logged in; raises ``UnauthenticatedError`` when nobody is."""
        return self._transport._call(
            Call(
                "GET", "/v1/auth/me",
                lambda data: models.Me(make(models.User, data["user"]), data["provider"]), repeatable=True,
            )
        )

    def attribute(self) -> models.Attributed:
        """Links the new account to the referral code that its visitor came with.

        That no referral was attributed is an answer and no error; it is one that nobody is logged in.
        """
        return self._transport._call(
            Call("POST", "/v1/auth/attribute", lambda data: make(models.Attributed, data), {}, repeatable=True)
        )

    def logout(self) -> None:
        """Ends the session."""
        self._transport._call(Call("POST", "/v1/auth/logout", lambda _: None, csrf=True, repeatable=True))


class Code(_Group):
    """Chooses a referral code of one's own."""

    def choose(self, slug: str) -> models.ReferralCode:
        """Gives the user this code, which nobody else has."""
        return self._transport._call(
            Call(
                "POST", "/v1/referrals/code", lambda data: make(models.ReferralCode, data["code"]),
                {"slug": slug}, csrf=True,
            )
        )

    def give_up(self) -> None:
        """Disables the chosen code."""
        self._transport._call(Call("DELETE", "/v1/referrals/code", lambda _: None, csrf=True, repeatable=True))


class Referrals(_Group):
    """Shows the referral code of the user, and who came by it."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self.code = Code(transport)

    def me(self) -> models.Referrals:
        """Returns the code of the user, its link and its numbers."""
        return self._transport._call(
            Call("GET", "/v1/referrals/me", lambda data: make(models.Referrals, data), repeatable=True)
        )

    def invitees(self, *, limit: int = 50, offset: int = 0) -> tuple[models.Invitee, ...]:
        """Returns a page of the users who registered by a code of this one."""
        return self._transport._call(
            Call(
                "GET", "/v1/referrals/invitees",
                lambda data: tuple(make(models.Invitee, item) for item in data["items"]),
                query={"limit": limit, "offset": offset}, repeatable=True,
            )
        )


class Users(_Group):
    """Reads where users came from: the one who is logged in, or with an API key any."""

    def attribution(self) -> models.Attribution:
        """Returns the attribution snapshot of the user who is logged in."""
        return self._read("/api/v1/users/attribution", models.Attribution)

    def profile(self) -> models.Profile:
        """Returns the user who is logged in, with the attribution snapshot."""
        return self._read("/api/v1/users/profile", models.Profile)

    def get(self, user_id: str) -> models.UserRecord:
        """Returns a user, with an API key for ``users:read``."""
        return self._read(f"/api/v1/users/{quote(user_id, safe='')}", models.UserRecord, "key")

    def attribution_of(self, user_id: str) -> models.Attribution:
        """Returns the snapshot of a user, with an API key for ``attribution:read``."""
        path = f"/api/v1/users/{quote(user_id, safe='')}/attribution"
        return self._read(path, models.Attribution, "key")

    def attributions_of(self, user_ids: Sequence[str]) -> tuple[models.FoundAttribution, ...]:
        """Returns the snapshots of up to 100 users in the order of the ids, with an API key for ``attribution:read``."""
        return self._transport._call(
            Call(
                "POST", "/api/v1/users/attribution/batch",
                lambda data: tuple(_found(item) for item in data["items"]),
                {"ids": list(user_ids)}, repeatable=True, bearer="key", portal=True,
            )
        )

    def set_billing_customer(self, user_id: str, billing_customer_id: str) -> None:
        """Links a user to a customer of the billing system, with an API key for ``billing:write``."""
        path = f"/api/v1/users/{quote(user_id, safe='')}/billing-customer"
        body = {"billingCustomerId": billing_customer_id}
        self._transport._call(
            Call("PUT", path, lambda _: None, body, repeatable=True, bearer="key", portal=True)
        )

    def _read(self, path: str, model: type[models.T], bearer: str = "session") -> models.T:
        return self._transport._call(
            Call("GET", path, lambda data: make(model, data), repeatable=True, bearer=bearer, portal=True)
        )


class Portal(_Group):
    """Logs in an app that keeps its tokens itself, such as a native one."""

    def start(self, *, email: str, **landing: str) -> models.LoginStarted:
        """Mails a code to an address.

        An app without cookies says by further fields what brought its user: ``referral_code``, ``utm_source`` and the
        like, ``landing_page``, ``referrer_url``, ``consent``.
        """
        body = {"email": email, **{models.camel(name): value for name, value in landing.items()}}
        return self._transport._call(
            Call(
                "POST", "/api/v1/auth/login/start", lambda data: make(models.LoginStarted, data), body, portal=True
            )
        )

    def login(self, *, request_id: str, code: str) -> models.TokenPair:
        """Logs in with the mailed code. The client uses the tokens from now on, and exchanges them when it has to."""
        body = {"requestId": request_id, "code": code, "tokenDelivery": "body"}
        tokens = self._transport._call(
            Call("POST", "/api/v1/auth/login", lambda data: make(models.TokenPair, data), body, portal=True)
        )
        self._transport._state.tokens = tokens
        return tokens

    def refresh(self) -> models.TokenPair:
        """Exchanges the refresh token for the next pair."""
        return self._transport._drive(self._transport._state.refresh())

    def use(self, tokens: models.TokenPair) -> None:
        """Goes on with the tokens of an earlier login."""
        self._transport._state.tokens = tokens

    def logout(self) -> None:
        """Ends the session of the tokens."""
        tokens, self._transport._state.tokens = self._transport._state.tokens, None
        body = {"refreshToken": tokens.refresh_token} if tokens and tokens.refresh_token else {}
        self._transport._call(
            Call("POST", "/api/v1/auth/logout", lambda _: None, body, repeatable=True, portal=True)
        )


def _found(item: dict[str, Any]) -> models.FoundAttribution:
    attribution = item.get("attribution")
    return models.FoundAttribution(
        user_id=item["userId"],
        found=item["found"],
        attribution=make(models.Attribution, attribution) if attribution else None,
    )
