"""What schemathesis needs to know of the service that it calls: how callers prove who they are.

Users log in with addresses of development (`test+123456@...`), whose code is always 123456. A session that a
call has ended is replaced by another one.
"""

import itertools
import json
import os
import random
import re
import threading
import time
import urllib.parse
import urllib.request

import schemathesis

SERVICE = os.environ["WHENCE_URL"]
OPERATOR = os.environ["WHENCE_OPERATOR_TOKEN"]
METRICS = os.environ["WHENCE_METRICS_TOKEN"]
CODE = "123456"
SCOPES = ["users:read", "attribution:read", "analytics:read", "billing:write"]

numbers = itertools.count()
random = random.Random(1)
lock = threading.RLock()
kept = {}


def call(method, path, body=None, headers=None):
    """Returns the answer to a call and its headers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(SERVICE + path, data, headers or {}, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"null"), answer.headers


def address():
    """Returns an address that nobody had before."""
    return f"test+{CODE}@n{next(numbers)}.example.com"


def cookies(headers):
    """Returns the cookies that an answer sets."""
    lines = headers.get_all("set-cookie") or []
    return dict(line.split(";")[0].split("=", 1) for line in lines)


def session():
    """Returns the cookies of a new session, its user and their address."""
    email = address()
    start, _ = call("POST", "/v1/auth/email/start", {"email": email})
    tried = {"request_id": start["request_id"], "code": CODE}
    user, headers = call("POST", "/v1/auth/email/verify", tried)
    return cookies(headers) | {"user": user["user"]["id"], "email": email}


def tokens():
    """Returns the access token of a new session and its refresh token."""
    start, _ = call("POST", "/api/v1/auth/login/start", {"email": address()})
    tried = {"requestId": start["data"]["requestId"], "code": CODE, "tokenDelivery": "body"}
    answer, _ = call("POST", "/api/v1/auth/login", tried)
    return answer["data"]


def api_key():
    """Returns a new API key and its id."""
    key = {"name": "schemathesis", "scopes": SCOPES}
    answer, _ = call("POST", "/v1/admin/api-keys", key, {"X-Admin-Token": OPERATOR})
    return answer


def awaited(what):
    """Returns what is there after a moment."""
    for _ in range(200):
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise RuntimeError(f"{what} was awaited in vain")


def code():
    """Returns the referral code of a new user."""
    cookie = {"Cookie": "nl_session=" + session()["nl_session"]}
    return awaited(lambda: call("GET", "/v1/referrals/me", headers=cookie)[0]["primary_code"])


def objection():
    """Returns what the owner of an address can object with to the change of it."""
    own = session()
    headers = {"Cookie": "nl_session=" + own["nl_session"], "X-CSRF-Token": own["nl_csrf"]}
    start, _ = call("POST", "/v1/auth/email/change", {"email": address()}, headers)
    tried = {"request_id": start["request_id"], "code": CODE}
    call("POST", "/v1/auth/email/change/verify", tried, headers)

    def told():
        mails, _ = call("GET", "/dev/mail.json?to=" + urllib.parse.quote(own["email"]))
        return re.findall(r"/v1/auth/email/objection/([^\s>]+)", "\n".join(mail["text"] for mail in mails["mails"]))

    return awaited(told)[0]


MAKERS = {"session": session, "tokens": tokens, "api_key": api_key, "code": code, "objection": objection}


def made(kind):
    """Returns what was made before, or something new."""
    with lock:
        if kind not in kept:
            kept[kind] = MAKERS[kind]()
        return kept[kind]


def alternatives(operation):
    """Returns the ways in which an operation can be called, each with its schemes."""
    return [sorted(way) for way in operation.definition.raw.get("security", [])]


@schemathesis.auth(refresh_interval=None)
class Credentials:
    """Proves who calls, in one of the ways that the specification of the operation names."""

    def get(self, case, context):
        """Returns the headers and cookies of the way that is taken this time."""
        ways = [way for way in alternatives(case.operation) if way]
        if not ways:
            return None
        headers, jar = {}, {}
        for scheme in random.choice(ways):
            if scheme == "session":
                jar["nl_session"] = made("session")["nl_session"]
            elif scheme == "csrf":
                headers["X-CSRF-Token"] = made("session")["nl_csrf"]
            elif scheme == "bearer":
                headers["Authorization"] = "Bearer " + made("tokens")["accessToken"]
            elif scheme == "refresh":
                jar["whence_refresh"] = made("tokens")["refreshToken"]
            elif scheme == "apiKey":
                headers["Authorization"] = "Bearer " + made("api_key")["key"]
            elif scheme == "operator":
                headers["X-Admin-Token"] = OPERATOR
            elif scheme == "metricsToken":
                headers["Authorization"] = "Bearer " + METRICS
        return headers, jar

    def set(self, case, data, context):
        """Adds them to a call."""
        headers, jar = data
        case.headers.update(headers)
        case.cookies.update(jar)


def is_generated(case, mode):
    """Returns whether a call was made up, in a mode, and not led to by another one."""
    return case.meta is not None and case.meta.generation.mode == mode


@schemathesis.hook
def before_call(context, case, kwargs):
    """Lets most well-formed calls be about something that there is."""
    if not is_generated(case, schemathesis.GenerationMode.POSITIVE) or random.random() < 0.3:
        return
    path, places, body = case.operation.path, case.path_parameters, case.body
    if "/users/{id}" in path:
        places["id"] = made("session")["user"]
    elif "/api-keys/{id}" in path:
        places["id"] = made("api_key")["id"]
    elif "{code}" in path:
        places["code"] = made("code")
    elif "/objection/{token}" in path:
        places["token"] = made("objection")
    if not isinstance(body, dict):
        return
    fields = {
        "email": address(),
        "code": CODE,
        "reason": "A report of abuse.",
        "slug": f"slug-{next(numbers)}",
        "handle": f"handle{next(numbers)}",
        "location": "http://localhost/?ref=" + CODE,
    }
    body.update((name, value) for name, value in fields.items() if name in body)
    if path == "/api/v1/auth/login":
        body["tokenDelivery"] = "body"


@schemathesis.hook
def after_call(context, case, response):
    """Forgets credentials and places that are over."""
    if response.status_code in (401, 403) or "/objection/" in case.operation.path:
        with lock:
            kept.clear()
