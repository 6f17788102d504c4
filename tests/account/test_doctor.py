"""`mqd doctor`: what can be asked before the first order, and what stands in the way of one."""

from __future__ import annotations

import time
from typing import Any

import pytest

from mqd.app.settings import read_settings
from mqd.publish.before_a_run import warnings_before

FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "blocked": ({"kind": "account_says", "fields": {"trading_blocked": True}}, "account"),
    "not active": ({"kind": "account_says", "fields": {"status": "ONBOARDING"}}, "account"),
    "inactive": ({"kind": "asset_says", "fields": {"status": "inactive"}}, "asset"),
    "not tradable": ({"kind": "asset_says", "fields": {"tradable": False}}, "asset"),
    "no keys": ({"kind": "keys_revoked"}, "account"),
    "a day without hours": (
        {"kind": "missing_field", "request": "calendar", "field": "open"},
        "calendar",
    ),
    "no calendar": ({"kind": "http_500", "request": "calendar", "times": 0}, "calendar"),
}
REAL = "123456789"


def failed(document) -> set[str]:
    return {each["name"].split()[0] for each in document["checks"] if each["verdict"] == "failed"}


def symbol_of(book) -> str:
    return next(each.symbol for each in book.strategies if each.runs)


@pytest.fixture
def live(exchange, book, tmp_path):
    """A config for real money, every gate of it open, unless something else is said."""
    exchange.plan(kind="account_says", fields={"account_number": REAL})

    def written(**changes: str) -> str:
        values = {
            "profile": "live", "broker": "alpaca", "clock": "exchange", "journal": "var/desk.db",
            "account": f'"{REAL}"', "approved_rules": book.digest, **changes,
        }  # fmt: skip
        path = tmp_path / "live.yaml"
        path.write_text("".join(f"{name}: {value}\n" for name, value in values.items()))
        return str(path)

    return written


def test_an_account_that_is_fine(mqd):
    done = mqd("doctor", "--config", "practice", "--format", "json")
    assert done.code == 0, done.out + done.err
    assert done.document["fine"]
    said = {each["name"]: each["said"] for each in done.document["checks"]}
    assert said["account"].startswith("PA")
    assert said["account"].endswith(" for practice")
    assert said["cash"] == "100,000.00 USD"
    assert "shapes" in said
    text = mqd("doctor", "--config", "practice")
    assert text.code == 0
    assert text.out.splitlines()[-1] == f"practice: all {len(said)} checks are fine"


def test_it_changes_nothing(mqd, exchange, tmp_path):
    before = set(tmp_path.iterdir())
    mqd("doctor", "--config", "practice")
    assert {row["method"] for row in exchange.books()["requests"]} == {"GET"}
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", FAULTS)
def test_what_the_broker_says_is_told(mqd, exchange, book, name):
    fault, check = FAULTS[name]
    if fault["kind"] == "asset_says":
        fault = {**fault, "symbol": symbol_of(book)}
    exchange.plan(**fault)
    done = mqd("doctor", "--config", "practice", "--format", "json")
    assert done.code == 1
    assert not done.document["fine"]
    assert check in failed(done.document)
    if name != "no keys":
        assert failed(done.document) == {check}


def test_every_question_is_asked_though_the_keys_are_revoked(mqd, exchange, book):
    exchange.plan(kind="keys_revoked")
    done = mqd("doctor", "--config", "practice")
    assert done.code == 1
    lines = done.out.splitlines()
    for name in ("account", "clock", "calendar", f"asset {symbol_of(book)}", "shapes"):
        assert [line for line in lines if line.startswith(f"NO   {name}")], name
    assert lines[-1].startswith("practice: 5 of ")


def test_what_is_only_odd_is_a_warning(mqd, exchange, book):
    symbol = symbol_of(book)
    exchange.plan(kind="asset_says", symbol=symbol, fields={"fractionable": False})
    exchange.plan(kind="account_says", fields={"cash": None, "trading_blocked": None})
    done = mqd("doctor", "--config", "practice", "--format", "json")
    assert done.code == 0
    odd = {each["name"] for each in done.document["checks"] if each["verdict"] == "warning"}
    pending = {"strategies"} if warnings_before(book, "practice") else set()
    assert odd == {"account", "cash", f"asset {symbol}"} | pending


def test_a_clock_that_is_years_off(mqd, monkeypatch):
    monkeypatch.setenv("MQD_CLOCK", "wall")
    done = mqd("doctor", "--config", "practice", "--format", "json")
    assert done.code == 1
    assert failed(done.document) == {"clock"}
    (clock,) = [each for each in done.document["checks"] if each["name"] == "clock"]
    offset_s = float(clock["said"].split()[3])
    assert offset_s == pytest.approx(1_732_545_000 - time.time(), abs=86_400)
    assert clock["hint"]


def test_an_order_that_cannot_be_read(mqd, exchange, book):
    from alpaca.trading.client import TradingClient

    keys, url = exchange.keys, exchange.addresses.trading_url
    client = TradingClient(keys.key_id, keys.secret, raw_data=True, url_override=url)
    client.post(
        "/orders",
        {"symbol": symbol_of(book), "qty": "1", "side": "buy", "type": "limit",
         "limit_price": "1", "time_in_force": "day"},
    )  # fmt: skip
    client._session.close()
    assert mqd("doctor", "--config", "practice").code == 0
    exchange.plan(kind="missing_field", request="orders", field="client_order_id")
    done = mqd("doctor", "--config", "practice", "--format", "json")
    assert done.code == 1
    assert failed(done.document) == {"shapes"}


def test_real_money_takes_every_gate(mqd, live, monkeypatch):
    monkeypatch.setenv("MQD_LIVE", "yes")
    done = mqd("doctor", "--config", live(), "--format", "json")
    assert done.code == 0, done.out


@pytest.mark.parametrize(
    ("wish", "changes", "check"),
    [
        (None, {}, "MQD_LIVE"),
        ("true", {}, "MQD_LIVE"),
        ("yes", {"account": '""'}, "account"),
        ("yes", {"account": '"987654321"'}, "account"),
        ("yes", {"approved_rules": '""'}, "approved"),
        ("yes", {"approved_rules": "0" * 64}, "approved"),
    ],
)
def test_real_money_is_refused(mqd, live, monkeypatch, tmp_path, wish, changes, check):
    if wish:
        monkeypatch.setenv("MQD_LIVE", wish)
    config = live(**changes)
    done = mqd("doctor", "--config", config, "--format", "json")
    assert done.code == 1
    assert failed(done.document) == {check}
    started = mqd("run", "--config", config, "--db", "desk.db")
    assert (started.code, started.out) == (2, "")
    assert "does not start" in started.err
    assert started.err.count("\n") == 1
    assert not (tmp_path / "desk.db").exists()


def test_an_account_of_play_money_is_none_for_live(mqd, live, exchange, monkeypatch):
    monkeypatch.setenv("MQD_LIVE", "yes")
    config = live(account="PA1")
    exchange.plan(kind="account_says", fields={"account_number": "PA1"})
    done = mqd("doctor", "--config", config, "--format", "json")
    assert done.code == 1
    assert failed(done.document) == {"account"}


def test_the_shipped_config_for_live_starts_nothing(mqd, monkeypatch):
    """As it is delivered it names no account and approves no rules."""
    settings = read_settings("live")
    assert (settings.account, settings.approved_rules) == ("", "")
    monkeypatch.setenv("MQD_LIVE", "yes")
    done = mqd("doctor", "--config", "live", "--format", "json")
    assert done.code == 1
    assert {"account", "approved"} <= failed(done.document)


@pytest.mark.parametrize("profile", ["paper", "practice"])
def test_real_money_is_not_for_a_rehearsal(mqd, exchange, tmp_path, profile):
    (tmp_path / "own.yaml").write_text(f"profile: {profile}\nbroker: alpaca\nclock: exchange\n")
    exchange.plan(kind="account_says", fields={"account_number": REAL})
    done = mqd("doctor", "--config", "own.yaml", "--format", "json")
    assert ("account" in failed(done.document)) is (profile == "paper")


@pytest.mark.parametrize(
    "words",
    [
        ("--set", "volume_lookback=21"),
        ("--protections", "none"),
        ("--speed", "2"),
        ("--bars", "some.csv"),
    ],
)
def test_live_takes_its_rules_and_bars_as_they_are(mqd, live, monkeypatch, words):
    monkeypatch.setenv("MQD_LIVE", "yes")
    done = mqd("run", "--config", live(), *words)
    assert (done.code, done.out) == (2, "")
    assert f"{words[0]}: not with the profile live" in done.err


def test_what_keeps_it_from_asking_is_another_exit_code(mqd, monkeypatch):
    assert "no broker to ask" in mqd("doctor", "--config", "default").err
    monkeypatch.setenv("MQD_ALPACA_TRADING_URL", "http://elsewhere.example")
    refused = mqd("doctor", "--config", "practice")
    assert (refused.code, refused.out) == (2, "")
    monkeypatch.delenv("APCA_API_SECRET_KEY")
    monkeypatch.setenv("MQD_ALPACA_TRADING_URL", "http://127.0.0.1:9")
    assert "APCA_API_SECRET_KEY is not set" in mqd("doctor", "--config", "paper").err


def test_an_exchange_that_is_not_there(mqd, exchange):
    exchange.stop()
    done = mqd("doctor", "--config", "practice", "--format", "json")
    assert done.code == 1
    assert failed(done.document) == {"account"}
    started = mqd("run", "--config", "practice", "--db", "desk.db")
    assert started.code == 2
    assert started.err.count("\n") == 1
