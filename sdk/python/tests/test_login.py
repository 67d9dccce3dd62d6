"""What a login does, and what follows from it, against a real service."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from conftest import Service
from whence import (
    AsyncWhenceClient,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
    WhenceClient,
)


def fresh_address() -> str:
    return f"{uuid.uuid4().hex}@example.com"


def logged_in(service: Service, email: str | None = None) -> WhenceClient:
    email = email or fresh_address()
    client = WhenceClient(service.url)
    start = client.auth.email.start(email=email)
    client.auth.email.verify(request_id=start.request_id, code=service.code(email))
    return client


def test_a_mailed_code_logs_in(service: Service) -> None:
    email = fresh_address()
    with WhenceClient(service.url) as client:
        start = client.auth.email.start(email=email)
        result = client.auth.email.verify(request_id=start.request_id, code=service.code(email))
        assert result.user.email == email
        assert result.user.display_name == ""
        assert client.auth.me().user == result.user
        assert client.auth.me().provider == "email"
        assert result.user.created_at.utcoffset() is not None


def test_a_wrong_code_is_an_error_with_its_code(service: Service) -> None:
    email = fresh_address()
    client = WhenceClient(service.url)
    start = client.auth.email.start(email=email)
    wrong = f"{(int(service.code(email)) + 1) % 1_000_000:06}"
    with pytest.raises(InvalidRequestError) as caught:
        client.auth.email.verify(request_id=start.request_id, code=wrong)
    assert (caught.value.code, caught.value.status) == ("invalid_code", 400)
    assert caught.value.request_id
    with pytest.raises(InvalidRequestError, match="invalid_request"):
        client.auth.email.verify(request_id=str(uuid.uuid4()), code=wrong)
    with pytest.raises(InvalidRequestError, match="invalid_email"):
        client.auth.email.start(email="nobody")


def test_a_referral_that_is_none_raises_nothing(service: Service) -> None:
    result = logged_in(service).auth.attribute()
    assert (result.attributed, result.reason) == (False, "no_cookie")
    with pytest.raises(UnauthenticatedError) as caught:
        WhenceClient(service.url).auth.attribute()
    assert caught.value.code == "unauthenticated"


def test_a_referral_is_attributed(service: Service) -> None:
    referrer = logged_in(service)
    slug = f"py-{uuid.uuid4().hex[:12]}"
    code = referrer.referrals.code.choose(slug)
    assert code.code == slug and code.link.endswith(slug)
    email = fresh_address()
    client = WhenceClient(service.url)
    client._http.get(f"/r/{slug}?utm_source=py&utm_campaign=Spring")
    start = client.auth.email.start(email=email)
    user = client.auth.email.verify(request_id=start.request_id, code=service.code(email)).user
    origin = client.users.attribution()
    assert origin.referred_by == referrer.auth.me().user.id
    assert (origin.referral_code, origin.utm_source, origin.utm_term) == (slug, "py", None)
    assert client.auth.attribute().reason in ("already_attributed", "no_cookie")
    assert referrer.referrals.me().invitees == 1
    [invitee] = referrer.referrals.invitees(limit=10)
    assert invitee.user_id == user.id
    profile = client.users.profile()
    assert (profile.email, profile.id, profile.utm_campaign) == (email, user.id, origin.utm_campaign)
    referrer.referrals.code.give_up()
    assert referrer.referrals.me().custom_slug is None


def test_a_name_that_is_taken_is_a_conflict(service: Service) -> None:
    slug = f"py-{uuid.uuid4().hex[:12]}"
    logged_in(service).referrals.code.choose(slug)
    with pytest.raises(ConflictError, match="slug_taken"):
        logged_in(service).referrals.code.choose(slug)


def test_sessions_are_listed_and_ended(service: Service) -> None:
    email = fresh_address()
    first, second = logged_in(service, email), logged_in(service, email)
    assert [session.current for session in second.auth.sessions.list()] == [True, False]
    other = second.auth.sessions.list()[1]
    second.auth.sessions.revoke(other.id)
    with pytest.raises(UnauthenticatedError):
        first.auth.me()
    with pytest.raises(NotFoundError):
        second.auth.sessions.revoke(other.id)
    logged_in(service, email)
    assert second.auth.sessions.revoke_others() == 1
    second.auth.logout()
    with pytest.raises(UnauthenticatedError):
        second.auth.me()


@pytest.mark.anyio
async def test_the_client_that_does_not_block_does_the_same(service: Service) -> None:
    email = fresh_address()
    async with AsyncWhenceClient(service.url) as client:
        start = await client.auth.email.start(email=email)
        result = await client.auth.email.verify(request_id=start.request_id, code=service.code(email))
        assert result.user == (await client.auth.me()).user
        assert (await client.auth.attribute()).reason == "no_cookie"
        assert (await client.users.attribution()).referred_by is None
        await client.auth.logout()
        with pytest.raises(UnauthenticatedError):
            await client.auth.me()


def test_an_app_keeps_its_tokens(service: Service) -> None:
    email = fresh_address()
    client = WhenceClient(service.url)
    start = client.portal.start(email=email, utm_source="app", landing_page="/welcome")
    tokens = client.portal.login(request_id=start.request_id, code=service.code(email))
    assert tokens.is_new_user and tokens.refresh_token
    assert client.users.attribution().utm_source == "app"
    # An access token that is over is exchanged on the way.
    another = WhenceClient(service.url)
    another.portal.use(type(tokens)("over", 0, tokens.refresh_token))
    assert another.users.profile().email == email
    client.portal.use(type(tokens)("over", 0, "made-up"))
    with pytest.raises(UnauthenticatedError) as caught:
        client.users.profile()
    assert caught.value.i18n_key == "auth.refresh.invalid_token"
    another.portal.logout()
    with pytest.raises(UnauthenticatedError):
        another.users.profile()


def test_a_back_end_reads_with_its_key(service: Service) -> None:
    user = logged_in(service).auth.me().user
    scopes = ["users:read", "attribution:read", "billing:write"]
    made = service.operator("POST", "/api-keys", {"name": "py", "scopes": scopes})
    client = WhenceClient(service.url, api_key=made.json()["key"])
    assert client.users.get(user.id).email == user.email
    assert client.users.attribution_of(user.id).created_at.date() == user.created_at.date()
    unknown = str(uuid.uuid4())
    known, missing = client.users.attributions_of([user.id, unknown])
    assert known.found and known.attribution == client.users.attribution_of(user.id)
    assert (missing.user_id, missing.found, missing.attribution) == (unknown, False, None)
    client.users.set_billing_customer(user.id, "cus_1")
    assert client.users.get(user.id).billing_customer_id == "cus_1"
    with pytest.raises(TypeError):
        WhenceClient(service.url).users.get(user.id)
    with pytest.raises(UnauthenticatedError):
        WhenceClient(service.url, api_key="whk_made-up").users.get(user.id)


def test_the_readme_logs_in(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    sample = readme.split("```python\n")[1].split("```")[0]
    assert "http://localhost:8080" in sample
    monkeypatch.setattr("builtins.input", lambda _: service.code("ada@example.com"))
    exec(sample.replace("http://localhost:8080", service.url), {})
    said = capsys.readouterr().out
    assert "signed in as ada@example.com" in said and "nobody referred them: no_cookie" in said
