"""The answers of the API as values. A field that a newer service adds is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class LoginStarted:
    """Names a login whose code was mailed."""

    request_id: str


@dataclass(frozen=True)
class User:
    """Is an account, as its owner sees it; texts are empty where nothing is known."""

    id: str
    email: str
    display_name: str
    avatar_url: str
    billing_customer_id: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class LoggedIn:
    """Is the answer to the right code."""

    user: User


@dataclass(frozen=True)
class Me:
    """Says who is logged in, and how."""

    user: User
    provider: str


@dataclass(frozen=True)
class Attributed:
    """Says whether a referral was attributed, or else why not."""

    attributed: bool
    reason: str | None = None


@dataclass(frozen=True)
class Session:
    """Is a session of the user."""

    id: str
    device_class: str | None
    ip: str | None
    country: str | None
    current: bool
    created_at: datetime
    last_active_at: datetime


@dataclass(frozen=True)
class Referrals:
    """Is the referral code of the user, and what came of it."""

    primary_code: str | None
    custom_slug: str | None
    link: str | None
    invitees: int
    clicks: int
    inviter_display: str | None
    attributed_at: datetime | None
    disabled_codes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Invitee:
    """Is a user who registered by a code of this one."""

    user_id: str
    display_name: str | None
    signed_at: datetime


@dataclass(frozen=True)
class ReferralCode:
    """Is a code of the user's own choice."""

    code: str
    kind: str
    link: str


@dataclass(frozen=True)
class Attribution:
    """Is the attribution snapshot of a user, which never changes."""

    referred_by: str | None
    referral_code: str | None
    first_referrer_url: str | None
    first_landing_page: str | None
    acquired_via_creator_id: str | None
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None
    utm_term: str | None
    utm_content: str | None
    registration_device: str | None
    registration_country: str | None
    created_at: datetime


@dataclass(frozen=True)
class Profile(Attribution):
    """Is a user with the attribution snapshot."""

    id: str
    email: str
    display_name: str
    avatar_url: str
    billing_customer_id: str
    provider: str
    updated_at: datetime


@dataclass(frozen=True)
class UserRecord:
    """Is a user as the platform's back-ends read it with an API key."""

    id: str
    email: str
    display_name: str
    avatar_url: str
    billing_customer_id: str
    provider: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class FoundAttribution:
    """Is one answer of a batch: the snapshot, or that there is no such user."""

    user_id: str
    found: bool
    attribution: Attribution | None


@dataclass(frozen=True)
class TokenPair:
    """Is what an app without cookies keeps of a login."""

    access_token: str
    expires_in: int
    refresh_token: str | None = None
    is_new_user: bool | None = None


def snake(name: str) -> str:
    """Returns a name of the portal family as it is spelled here: ``utmSource`` is ``utm_source``."""
    return "".join("_" + c.lower() if c.isupper() else c for c in name)


def camel(name: str) -> str:
    """Returns a name as the portal family spells it: ``utm_source`` is ``utmSource``."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def time(text: str) -> datetime:
    """Returns a time of RFC 3339."""
    # Python 3.10 does not know the Z.
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def make(model: type[T], data: Mapping[str, Any]) -> T:
    """Returns a value of a model from a JSON object of either family."""
    values: dict[str, Any] = {}
    given = {snake(name): value for name, value in data.items()}
    for field in fields(model):  # type: ignore[arg-type]
        if field.name not in given:
            continue
        value = given[field.name]
        if field.name.endswith("_at") and isinstance(value, str):
            value = time(value)
        elif isinstance(value, list):
            value = tuple(value)
        elif value is None and field.type == "str":
            value = ""
        values[field.name] = value
    return model(**values)
