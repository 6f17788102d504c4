"""The HTTP policy, over real sockets, and what of alpaca-py and requests it leans on."""

from __future__ import annotations

import contextlib
import inspect
import socket
import sys
import threading
import time
import warnings
from typing import Any

import pytest
import requests

from mqd.brokers.alpaca.session import AlpacaSession, Call, PatientSession

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from alpaca.common.exceptions import APIError
    from alpaca.common.rest import RESTClient
    from alpaca.trading.client import TradingClient


@pytest.fixture
def session(words, make):
    made = []

    def at(url, **changes):
        calls: list[Call] = []
        limits = make.with_requests(words, **changes).requests
        made.append(AlpacaSession(make.keys, url, limits, make.clock(), calls.append))
        return made[-1], calls

    yield at
    for each in made:
        each.close()


# -- what is leant on -----------------------------------------------------------------------------


@pytest.mark.case(4)
def test_alpaca_py_still_has_the_private_names_that_are_set():
    client = TradingClient("k", "s", url_override="http://127.0.0.1:1")
    assert isinstance(client._session, requests.Session)
    assert isinstance(client._retry, int)
    assert isinstance(client._retry_codes, list)
    assert 504 in client._retry_codes, "the hidden repeat that has to be switched off"
    client._session.close()


@pytest.mark.case(4, 74)
def test_alpaca_py_still_sends_everything_through_its_session():
    asked = []

    class Listening(requests.Session):
        def request(self, method: str, url: Any, **options: Any) -> requests.Response:  # type: ignore[override]  # as the desk's
            asked.append((method, url, options))
            response = requests.Response()
            response.status_code, response._content = 504, b"<html>"
            response.request = requests.Request(method, url).prepare()
            return response

    client = TradingClient("key", "secret", raw_data=True, url_override="http://h")
    client._session, client._retry, client._retry_codes = Listening(), 0, []
    for ask in (
        lambda: client.post("/orders", {"qty": "1"}),
        lambda: client.get("/orders", {"limit": "5"}),
        lambda: client.delete("/orders/7"),
    ):
        with pytest.raises(APIError):
            ask()
    assert [each[:2] for each in asked] == [
        ("POST", "http://h/v2/orders"), ("GET", "http://h/v2/orders"),
        ("DELETE", "http://h/v2/orders/7"),
    ]  # fmt: skip
    assert asked[0][2]["json"] == {"qty": "1"}
    assert asked[1][2]["params"] == {"limit": "5"}
    assert asked[0][2]["headers"]["APCA-API-SECRET-KEY"] == "secret"
    assert all(each[2]["allow_redirects"] is False for each in asked)


@pytest.mark.case(4, 202)
def test_alpaca_py_still_repeats_nothing_where_it_is_told_not_to():
    source = inspect.getsource(RESTClient._one_request)
    assert "status_code in self._retry_codes" in source
    assert "while retry >= 0" in inspect.getsource(RESTClient._request)


def test_requests_still_keeps_an_answer_s_bytes_where_they_are_put():
    response = requests.Response()
    response._content = b'{"a": 1}'
    response.encoding = "utf-8"
    assert response.text == '{"a": 1}'
    assert response.json() == {"a": 1}


# -- time -----------------------------------------------------------------------------------------


def listening(answer):
    """A socket that does with each connection what `answer` does."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                with contextlib.suppress(OSError):
                    answer(connection)

    threading.Thread(target=serve, daemon=True).start()
    return server, f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.case(74, 201)
@pytest.mark.rule("read_timeout")
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_a_server_that_says_nothing_is_a_timeout(session, method):
    server, url = listening(lambda _connection: time.sleep(3))
    with server:
        asking, calls = session(url, read_timeout_s=0.2)
        started = time.monotonic()
        more: list[dict] = [{}] if method == "post" else []
        reply = getattr(asking, method)("kind", "/orders", *more)
    assert reply.status == "timeout"
    assert not reply.is_good
    assert time.monotonic() - started < 2
    assert [(call.kind, call.status) for call in calls] == [("kind", "timeout")]
    assert 0.15e9 < calls[0].latency_ns < 2e9


@pytest.mark.case(74, 201)
@pytest.mark.rule("read_timeout")
def test_a_server_that_answers_byte_by_byte_is_a_timeout(session):
    def drip(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(40):
            connection.sendall(b" ")
            time.sleep(0.05)

    server, url = listening(drip)
    with server:
        asking, _ = session(url, read_timeout_s=0.3)
        started = time.monotonic()
        assert asking.get("account", "/account").status == "timeout"
    assert time.monotonic() - started < 1.5


def test_a_body_that_ends_too_soon_is_no_answer(session):
    server, url = listening(
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
    )
    with server:
        asking, _ = session(url)
        assert asking.get("account", "/account").status == "connection"


@pytest.mark.case(4)
def test_a_connection_that_breaks_before_the_answer_is_not_proved(session, odd):
    odd.answer = lambda _asked: None
    asking, _ = session(odd.url)
    assert asking.post("submit", "/orders", {"a": "b"}).status == "connection"
    assert len(odd.asked) == 1


def test_where_nobody_listens_nothing_went_out(session):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    asking, _ = session(f"http://127.0.0.1:{port}")
    assert asking.post("submit", "/orders", {}).status == "unreachable"


@pytest.mark.case(74)
@pytest.mark.rule("connect_timeout")
@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse where Linux is silent")
def test_a_door_that_nobody_opens_is_unreachable_in_time(session):
    with contextlib.ExitStack() as held:
        server = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # who fills the queue before the door
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        asking, _ = session(f"http://127.0.0.1:{server.getsockname()[1]}", connect_timeout_s=0.3)
        started = time.monotonic()
        assert asking.post("submit", "/orders", {}).status == "unreachable"
        assert 0.25 < time.monotonic() - started < 2


def test_a_place_that_nobody_finds_is_unreachable(session):
    asking, _ = session("http://nobody.invalid:1")
    assert asking.get("account", "/account").status == "unreachable"


# -- one request, as it is ------------------------------------------------------------------------


@pytest.mark.case(4, 202)
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("text", ["<html><h1>502 Bad Gateway</h1></html>", '{"message":"x"}', ""])
def test_one_request_leaves_and_the_answer_s_text_is_kept(session, odd, status, text):
    odd.answer = lambda _asked: (status, text, {"Retry-After": "9"})
    asking, calls = session(odd.url)
    started = time.monotonic()
    reply = asking.post("submit", "/orders", {"client_order_id": "x"})
    assert (reply.status, reply.text) == (str(status), text)
    assert reply.headers["retry-after"] == "9"
    assert len(odd.asked) == 1
    assert len(calls) == 1
    assert time.monotonic() - started < 2


@pytest.mark.case(213)
def test_a_good_answer_s_numbers_keep_their_digits(session, odd):
    text = '{"cash": 0.1234567890123456789, "who": "Zoë"}'
    odd.answer = lambda _asked: (200, text)
    asking, _ = session(odd.url)
    reply = asking.get("account", "/account")
    assert reply.is_good
    assert reply.text == text


def test_the_keys_do_not_follow_a_redirect(session, odd):
    odd.answer = lambda asked: (
        (302, "", {"Location": f"{odd.url}/elsewhere"}) if "account" in asked.path else (200, "{}")
    )
    asking, _ = session(odd.url)
    reply = asking.get("account", "/account")
    assert (reply.status, reply.is_good) == ("302", False)
    assert [asked.path for asked in odd.asked] == ["/v2/account"]


def test_one_connection_serves_many_requests(session, odd):
    odd.answer = lambda asked: (204, "") if asked.method == "DELETE" else (200, "{}")
    asking, _ = session(odd.url)
    asking.get("account", "/account")
    asking.delete("cancel", "/orders/1")
    asking.post("submit", "/orders", {})
    assert len(odd.asked) == 3
    assert len(odd.peers) == 1


def test_an_answer_is_not_taken_for_the_one_before_it(session, odd):
    odd.answer = lambda _asked: (200, '{"a":1}') if len(odd.asked) == 1 else None
    asking, _ = session(odd.url)
    assert asking.get("account", "/account").is_good
    assert asking.get("account", "/account").status == "connection"


def test_a_proxy_of_the_environment_is_used(session, odd, monkeypatch):
    odd.answer = lambda _asked: (200, '{"through": "the proxy"}')
    monkeypatch.setenv("http_proxy", odd.url)
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    asking, _ = session("http://broker.invalid")
    assert asking.get("account", "/account").is_good
    assert odd.asked[0].path == "http://broker.invalid/v2/account"


def test_no_other_credentials_are_looked_for(session, odd, tmp_path, monkeypatch, make):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    odd.answer = lambda _asked: (200, "{}")
    asking, _ = session(odd.url)
    asking.get("account", "/account")
    headers = {name.lower(): value for name, value in odd.asked[0].headers.items()}
    assert "authorization" not in headers
    assert headers["apca-api-key-id"] == make.keys.key_id
    assert headers["apca-api-secret-key"] == make.keys.secret


def test_an_address_with_a_slash_at_its_end_is_the_same(session, odd):
    odd.answer = lambda _asked: (200, "{}")
    asking, _ = session(odd.url + "/")
    asking.get("account", "/account")
    assert odd.asked[0].path == "/v2/account"


def test_the_secret_shows_in_no_repr(session, odd, make, words):
    asking, _ = session(odd.url)
    for thing in (asking, make.keys, PatientSession(words.requests, make.clock())):
        assert make.keys.secret not in repr(thing)
