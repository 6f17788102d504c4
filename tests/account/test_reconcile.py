"""`mqd reconcile` and the buttons on a desk with an account, against the practice exchange."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from threading import Event as Signal
from threading import Thread
from typing import Any

import pytest
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import LimitOrderRequest

from mqd.app.account import account_of
from mqd.app.live import LiveRun
from mqd.app.run import RunPlan
from mqd.app.settings import read_settings
from mqd.model.order import PROTECTIVE, Order
from mqd.runtime.clock import SystemClock
from mqd.runtime.recovery import rebuilt
from mqd.store.journal import open_journal
from mqd.store.verify import verify

SIGNED = ("--by", "ada", "--reason", "bought by hand")
JSON = ("--format", "json")


def rows(path) -> int:
    with open_journal(str(path), SystemClock(), write=False) as journal:
        assert verify(journal).ok
        return journal.head()[0]


def sent(exchange) -> list[str]:
    """Requests that change something at the broker."""
    return [row["path"] for row in exchange.books()["requests"] if row["method"] != "GET"]


def working(state) -> list[Order]:
    return [state.orders[order_id] for order_id in state.working]


def holds_shares(state) -> bool:
    """A position that is whole, with the stop that rests at the broker for it."""
    at_rest = [(each.role, each.state) for each in working(state)]
    return bool(state.holdings) and at_rest == [(PROTECTIVE, "SUBMITTED")]


def looks(exchange) -> int:
    """How often somebody asked what the account holds."""
    return sum(row["path"].endswith("/positions") for row in exchange.books()["requests"])


@contextmanager
def a_bar_after_each_look(exchange) -> Iterator[None]:
    """Time that passes at the exchange: a minute for each look at what it holds."""
    over = Signal()

    def play() -> None:
        seen = looks(exchange)
        while not over.wait(0.01):
            if looks(exchange) > seen:
                seen = looks(exchange)
                exchange.step()

    player = Thread(target=play)
    player.start()
    try:
        yield
    finally:
        over.set()
        player.join()


def test_where_both_sides_agree(mqd, desk, exchange):
    path = desk()
    before = rows(path)
    dry = mqd("reconcile", "--dry-run", "--db", path)
    assert dry.code == 0, dry.err
    assert "would be clean" in dry.out
    assert rows(path) == before, "a dry run writes nothing"
    done = mqd("reconcile", "--db", path, *JSON)
    assert done.code == 0, done.err
    assert (done.document["verdict"], done.document["differences"]) == ("clean", [])
    assert rows(path) > before
    assert not sent(exchange)
    assert mqd("journal", "replay", "--db", path).code == 0


def test_a_dry_run_tells_what_would_be_done(mqd, desk, exchange):
    path = desk()
    exchange.plan(kind="position_drift", symbol="SPY", qty="3")
    before = rows(path)
    done = mqd("reconcile", "--dry-run", "--db", path, *JSON)
    assert done.code == 1
    (drift,) = done.document["differences"]
    assert (drift["kind"], drift["subject"], drift["broker"]) == ("missing_local", "SPY", "3")
    assert done.document["desk_state"] == "HALTED"
    assert rows(path) == before
    settled = mqd("reconcile", "--db", path, *JSON)
    assert settled.document["verdict"] == "mended"
    again = mqd("reconcile", "--db", path, *JSON)
    assert (again.code, again.document["verdict"]) == (0, "clean")


def test_too_much_is_refused_until_somebody_adopts_it(mqd, desk, exchange):
    path = desk(holds_shares)
    exchange.plan(kind="position_drift", symbol="SPY", qty="3")
    with a_bar_after_each_look(exchange):  # as a stop rests there, one look may show its fill
        refused = mqd("reconcile", "--db", path, *JSON)
    assert refused.code == 1
    assert (refused.document["verdict"], refused.document["desk_state"]) == ("refused", "FROZEN")
    run = mqd("run", "--config", "practice", "--db", path)
    assert run.code == 1
    assert "mqd reconcile --adopt" in run.err
    adopted = mqd("reconcile", "--adopt", *SIGNED, "--db", path, *JSON)
    assert (adopted.code, adopted.document["verdict"]) == (0, "mended")
    assert mqd("reconcile", "--db", path, *JSON).document["verdict"] == "clean"


def test_only_a_dry_run_may_look_beside_a_desk_that_runs(mqd, exchange, variables, book, tmp_path):
    path, settings = tmp_path / "desk.db", read_settings("practice")
    plan = RunPlan(book, (), settings, str(path))
    run = LiveRun(plan, account_of(settings, variables), SystemClock())
    looked: list[Any] = []

    def look_once() -> bool:
        if run.desk.state.desk.is_in_step and not looked:
            run.journal.flush()
            looked.append(mqd("reconcile", "--dry-run", "--db", path, *JSON))
            looked.append(mqd("reconcile", "--db", path))
        return bool(looked)

    run.run((), look_once)
    dry, refused = looked
    assert (dry.code, dry.document["verdict"]) == (0, "clean")
    assert refused.code == 2
    assert "in use" in refused.err
    assert not sent(exchange)


def test_a_broker_that_does_not_say_is_no_empty_broker(mqd, desk, exchange, impatient):
    path = desk(holds_shares, impatient)
    assert mqd("status", "--db", path, *JSON).document["unanswered"] is None
    exchange.plan(kind="http_500", request="positions", times=0)
    done = mqd("reconcile", "--db", path)
    assert (done.code, done.out) == (2, "")
    *waited, said = done.err.splitlines()
    assert "the broker did not say what it holds" in said
    assert waited == ["mqd: waiting for what the broker holds"]
    told = mqd("status", "--db", path, *JSON).document
    assert told["unanswered"]["since"].startswith("2024-11-25")
    assert len(told["positions"]) == 1
    assert "no answer since" in mqd("status", "--db", path).out


def test_what_is_waited_for_is_said(mqd, desk, exchange):
    path = desk()
    exchange.plan(kind="slow_answer", request="positions", seconds=2.5)
    done = mqd("reconcile", "--dry-run", "--db", path, *JSON)
    assert (done.code, done.document["verdict"]) == (0, "clean")
    assert done.err == "mqd: waiting for what the broker holds\n"
    assert not mqd("reconcile", "--dry-run", "--db", path).err


def test_keys_that_do_not_work_compare_nothing(mqd, desk, exchange):
    path = desk()
    before = rows(path)
    exchange.plan(kind="keys_revoked")
    for words in (("--dry-run",), ()):
        done = mqd("reconcile", *words, "--db", path)
        assert (done.code, done.out) == (2, "")
        assert "account" in done.err
    assert rows(path) == before


@pytest.mark.parametrize("config", ["default", "paper"])
def test_another_account_is_not_compared_with(mqd, desk, config):
    path = desk()
    done = mqd("reconcile", "--dry-run", "--db", path, "--config", config)
    assert (done.code, done.out) == (2, "")
    assert "ran last as practice" in done.err


def test_a_journal_of_recorded_bars_has_no_account(mqd, tmp_path):
    assert mqd("run", "--db", "samples.db", *JSON).code == 0
    assert mqd("reconcile", "--dry-run", "--db", "samples.db").code == 0
    done = mqd("reconcile", "--dry-run", "--db", "samples.db", "--config", "practice")
    assert (done.code, done.out) == (2, "")
    assert "ran last as samples" in done.err


def test_a_flatten_while_no_desk_runs_is_sent_by_the_next_start(mqd, desk, exchange, impatient):
    path = desk(holds_shares, impatient)
    before = sent(exchange)
    done = mqd("flatten", "--by", "ada", "--reason", "going home", "--db", path)
    assert done.code == 0, done.err
    assert f"`mqd run --config practice --db {path}` starts FLATTENING" in done.out
    assert "when that has ended: sell" in done.out, "the stop at the broker holds the shares"
    assert sent(exchange) == before, "nothing is sent without a desk"
    told = mqd("status", "--db", path, *JSON).document
    assert told["desk_state"] == "FLATTENING"
    assert told["standing"]["since"].startswith("2024-11-25"), "the exchange's time, not ours"
    dry = mqd("reconcile", "--dry-run", "--db", path, *JSON)
    assert (dry.code, dry.document["verdict"]) == (0, "clean"), "the exit has not left yet"
    assert sent(exchange) == before
    exchange.play(60.0)  # a minute a second: an exit is sent again when nobody answered for it
    desk(lambda state: not state.holdings, impatient)
    truth = exchange.books()
    assert not [each for each in truth["positions"] if Decimal(each["qty"])]
    ids = [order["client_order_id"] for order in truth["orders"]]
    assert len(ids) == len(set(ids)) == 3, "the entry, its stop and the exit"


def test_a_halt_while_no_desk_runs_takes_entries_back_at_the_next_start(
    mqd, desk, exchange, impatient
):
    exchange.plan(kind="held_back", side="buy", bars=400)
    path = desk(lambda state: any(o.state == "SUBMITTED" for o in working(state)), impatient)
    done = mqd("halt", "--by", "ada", "--reason", "lunch", "--db", path)
    assert done.code == 0, done.err
    assert "ask " in done.out
    assert [order["status"] for order in exchange.books()["orders"]] == ["new"]
    exchange.play(60.0)
    desk(lambda state: not state.working, impatient)
    assert [order["status"] for order in exchange.books()["orders"]] == ["canceled"]


def test_a_halt_while_no_desk_runs_says_where_it_goes_on(mqd, desk):
    path = desk()
    done = mqd("halt", "--by", "ada", "--reason", "lunch", "--db", path)
    assert done.code == 0
    assert f"`mqd run --config practice --db {path}` starts HALTED" in done.out
    assert mqd("reconcile", "--db", path, *JSON).document["desk_state"] == "HALTED"


def test_status_tells_of_keys_that_stopped_working(mqd, desk, exchange):
    def revoke_once(state) -> bool:
        if state.desk.is_in_step and not revoked:
            revoked.append(exchange.plan(kind="keys_revoked"))
            exchange.plan(kind="stream_dropped", stream="trade_updates")
        return state.state_name == "HALTED"

    revoked: list[object] = []
    path = desk(revoke_once)
    found = mqd("status", "--db", path, *JSON).document
    assert found["locked_out"]["since"].startswith("2024-11-25")
    assert "trade_updates" in found["streams_down"]
    text = mqd("status", "--db", path).out
    assert "locked out since" in text
    assert "trade_updates is down since" in text
    assert json.dumps(found["locked_out"]).count("CANARY") == 0


def test_an_account_that_may_not_trade_is_compared_all_the_same(mqd, desk, exchange):
    """Nothing is opened by looking, and what is held has to be known all the more."""
    path = desk()
    exchange.plan(kind="account_says", fields={"trading_blocked": True})
    done = mqd("reconcile", "--db", path, *JSON)
    assert done.code == 0, done.err
    assert done.document["verdict"] == "clean"
    assert not sent(exchange)


def refused(state) -> list[Order]:
    return [order for order in state.orders.values() if order.state == "REJECTED"]


@pytest.mark.case(44)
@pytest.mark.rule("lost_order")
def test_the_way_out_of_an_order_that_ended_here_and_works_there(mqd, desk, exchange):
    """A resume, a comparison, an adoption halt the desk again; a cancel at the broker ends it."""
    exchange.plan(kind="refused", side="buy", reason="buying_power")
    path = desk(refused)
    with open_journal(str(path), SystemClock(), write=False) as journal:
        (order,) = refused(rebuilt(journal).state)
    client = TradingClient(
        exchange.keys.key_id, exchange.keys.secret, url_override=exchange.addresses.trading_url
    )
    works = client.submit_order(
        LimitOrderRequest(
            symbol=order.symbol, qty=float(order.qty), side=OrderSide.BUY, limit_price=1,
            time_in_force=TimeInForce.DAY, client_order_id=order.client_order_id,
        )
    )  # fmt: skip
    resume = ("resume", "--by", "ada", "--reason", "looked", "--db", path)
    for words in ((), (), ("--adopt", *SIGNED)):
        with a_bar_after_each_look(exchange):  # what has just ended is looked at again first
            found = mqd("reconcile", *words, "--db", path)
        assert "is HALTED" in found.out
        assert order.client_order_id in found.out
        assert "cancel it on the broker's page, then resume" in " ".join(found.out.split())
        assert mqd(*resume).code == 0
    client.cancel_order_by_id(works.id)
    found = mqd("reconcile", "--db", path, *JSON)
    assert (found.document["differences"], found.document["desk_state"]) == ([], "ACTIVE")
