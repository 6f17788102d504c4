"""`mqd doctor` against the practice exchange: each question answered yes, and no."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mqd.cli import main

ROOT = Path(__file__).resolve().parents[2]
Asked = tuple[int, dict[str, dict[str, str]]]


@pytest.fixture
def doctor(tmp_path, monkeypatch, capsys) -> Callable[..., Asked]:
    """The exit code, and of each question its worst answer."""
    monkeypatch.chdir(tmp_path)

    def run(server: Any, *words: str) -> Asked:
        monkeypatch.setenv("MQD_ALPACA_TRADING_URL", server.addresses.trading_url)
        monkeypatch.setenv("APCA_API_KEY_ID", server.keys.key_id)
        monkeypatch.setenv("APCA_API_SECRET_KEY", server.keys.secret)
        asked = ["doctor", "--config", "practice", "--rules", str(ROOT / "rules"), *words]
        monkeypatch.setattr(sys, "argv", ["mqd", *asked, "--format", "json"])
        with pytest.raises(SystemExit) as ended:
            main()
        told = json.loads(capsys.readouterr().out)
        assert isinstance(ended.value.code, int)
        assert told["fine"] is (ended.value.code == 0)
        worst: dict[str, dict[str, str]] = {}
        for check in sorted(told["checks"], key=lambda each: each["verdict"] == "failed"):
            worst[check["name"]] = check
        return ended.value.code, worst

    return run


def failed(found: dict[str, dict[str, str]]) -> set[str]:
    return {name for name, check in found.items() if check["verdict"] == "failed"}


def test_an_exchange_on_which_all_is_well(practice, doctor, tmp_path) -> None:
    exchange = practice()
    exchange.step(3)
    exchange.send()
    code, found = doctor(exchange.server)
    assert code == 0
    names = {"rules", "disk", "account", "cash", "clock", "calendar", "asset SPY", "shapes"}
    assert set(found) == names | {"strategies"}
    assert {found[name]["verdict"] for name in names} == {"ok"}
    assert found["strategies"]["verdict"] == "warning"  # its claim waits for evidence
    assert found["strategies"]["said"].startswith("thesis TH-001 is PENDING: ")
    assert found["shapes"]["said"] == "read: 1 orders, 1 positions, 1 executions"
    assert not list(tmp_path.iterdir()), "it makes nothing"


@pytest.mark.parametrize(
    ("fault", "name", "said"),
    [
        ({"kind": "account_says", "fields": {"trading_blocked": True}}, "account", "is blocked"),
        ({"kind": "account_says", "fields": {"status": "INACTIVE"}}, "account", "is INACTIVE"),
        ({"kind": "asset_says", "symbol": "SPY", "fields": {"tradable": False}}, "asset SPY",
         "tradable: False"),
        ({"kind": "http_500", "request": "calendar", "times": 0}, "calendar", "/calendar: 500"),
        ({"kind": "html_body", "request": "clock"}, "clock", ""),
        ({"kind": "unauthorized", "request": "positions", "times": 0}, "shapes",
         "/positions: 401"),
    ],
    ids=lambda each: each["kind"] if isinstance(each, dict) else "",
)  # fmt: skip
def test_one_thing_that_is_wrong_hides_no_other_answer(practice, doctor, fault, name, said) -> None:
    exchange = practice()
    exchange.server.plan(**fault)
    code, found = doctor(exchange.server)
    assert code == 1
    assert failed(found) == {name}
    assert said in found[name]["said"]
    assert len(found) == 9


@pytest.mark.parametrize("kind", ["http_500", "unauthorized"])
def test_one_bad_moment_is_asked_about_again(practice, doctor, kind) -> None:
    exchange = practice()
    exchange.server.plan(kind=kind, request="positions")
    code, found = doctor(exchange.server)
    assert (code, failed(found)) == (0, set())


def test_shares_that_trade_whole_only_are_a_warning(practice, doctor) -> None:
    exchange = practice()
    exchange.server.plan(kind="asset_says", symbol="SPY", fields={"fractionable": False})
    code, found = doctor(exchange.server)
    assert (code, found["asset SPY"]["verdict"]) == (0, "warning")


def test_a_journal_in_the_config_that_is_none(practice, doctor, tmp_path) -> None:
    config = tmp_path / "mine.yaml"
    text = (ROOT / "config" / "practice.yaml").read_text("utf-8")
    config.write_text(text.replace("var/practice", "notes.db"), "utf-8")
    (tmp_path / "notes.db").write_text("not a journal\n", "utf-8")
    code, found = doctor(practice().server, "--config", str(config))
    assert (code, failed(found)) == (1, {"journal"})
    assert "notes.db is not a journal" in found["journal"]["said"]
    (tmp_path / "notes.db").unlink()
    assert doctor(practice().server, "--config", str(config))[0] == 0


def test_an_exchange_that_is_gone(practice, doctor) -> None:
    server = practice().server
    server.stop()
    code, found = doctor(server)
    assert code == 1
    assert failed(found) == {"account"}, "it is said once"
    assert server.addresses.trading_url in found["account"]["said"]
    assert "`mqd exchange`" in found["account"]["hint"]
