"""What a client does when answers fail, against a server that fails as it is said to."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from whence import NetworkError, RateLimitedError, ServerError, TimeoutError, WhenceClient

Answer = tuple[int, dict[str, str], bytes]
ME = b'{"user":{"id":"1","email":"a@b.c","display_name":"","avatar_url":"","billing_customer_id":"",\
"created_at":"2026-01-05T09:00:00Z","updated_at":"2026-01-05T09:00:00Z","later":1},"provider":"email"}'
DROP = (0, {}, b"")
STALL = (1, {}, b"")


@contextmanager
def answering(*answers: Answer) -> Iterator[tuple[str, list[tuple[str, str, dict[str, str]]]]]:
    """Serves these answers in turn, and says what was asked."""
    left, asked, go = list(answers), [], threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            asked.append((self.command, self.path, {name.lower(): value for name, value in self.headers.items()}))
            status, headers, body = left.pop(0)
            if status == 1:
                go.wait(30)
            if status < 100:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        go.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_may_be_repeated_is_asked_twice_and_no_more() -> None:
    with answering(DROP, (200, {}, ME)) as (url, asked):
        assert WhenceClient(url).auth.me().user.email == "a@b.c"
        assert len(asked) == 2
    with answering((503, {}, b""), (503, {"retry-after": "0"}, b'{"error":"unavailable"}')) as (url, asked):
        with pytest.raises(ServerError, match="unavailable"):
            WhenceClient(url).auth.me()
        assert len(asked) == 2


def test_a_code_is_not_sent_twice_when_nobody_knows_whether_it_arrived() -> None:
    with answering(DROP) as (url, asked):
        with pytest.raises(NetworkError):
            WhenceClient(url).auth.email.verify(request_id="1", code="123456")
        assert len(asked) == 1
    with answering((503, {"retry-after": "0"}, b"")) as (url, asked):
        with pytest.raises(ServerError):
            WhenceClient(url).auth.email.start(email="a@b.c")
        assert len(asked) == 1


def test_a_short_wait_is_waited_and_a_long_one_is_an_error() -> None:
    ok = (200, {}, b'{"request_id":"7"}')
    with answering((429, {"retry-after": "0"}, b""), ok) as (url, _):
        assert WhenceClient(url).auth.email.start(email="a@b.c").request_id == "7"
    with answering((429, {"retry-after": "3600"}, b'{"error":"rate_limited"}')) as (url, asked):
        with pytest.raises(RateLimitedError) as caught:
            WhenceClient(url).auth.email.start(email="a@b.c")
        assert (caught.value.retry_after, len(asked)) == (3600, 1)


def test_a_csrf_token_of_a_replaced_session_is_read_again() -> None:
    answers = [
        (200, {"set-cookie": "nl_csrf=old; Path=/"}, ME),
        (403, {}, b'{"error":"csrf_invalid"}'),
        (200, {"set-cookie": "nl_csrf=new; Path=/"}, ME),
        (200, {}, b'{"ok":true}'),
    ]
    with answering(*answers) as (url, asked):
        client = WhenceClient(url)
        client.auth.me()
        client.auth.logout()
        assert [headers.get("x-csrf-token") for _, _, headers in asked] == [None, "old", None, "new"]


def test_an_answer_that_does_not_come_is_a_timeout() -> None:
    with answering(STALL) as (url, _), pytest.raises(TimeoutError):
        WhenceClient(url, timeout=0.2).auth.me()


def test_what_is_no_json_is_an_error_all_the_same() -> None:
    with answering((502, {}, b"<html>"), (502, {}, b"<html>")) as (url, _):
        with pytest.raises(ServerError) as caught:
            WhenceClient(url).auth.me()
        assert caught.value.code == "http_502"


def test_a_redirect_is_not_followed() -> None:
    with answering((302, {"location": "http://127.0.0.1:1/"}, b"")) as (url, asked):
        with pytest.raises(Exception, match="http_302"):
            WhenceClient(url).auth.me()
        assert len(asked) == 1


def test_the_blocking_client_is_as_generated() -> None:
    script = Path(__file__).parent.parent / "generate_sync.py"
    subprocess.run([sys.executable, str(script), "--check"], check=True)
