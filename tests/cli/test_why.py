"""`mqd why`: the record in words, how far each condition was from turning, and what would."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mqd.cli.moments import Moment
from mqd.ground.errors import SettingsError
from mqd.ground.times import NS_PER_MINUTE, parse_iso
from mqd.ground.units import BOOL, DURATION, PRICE, RATIO, SHARES, TIME_OF_DAY, USD
from mqd.model.command import SubmitOrder
from mqd.model.decision import EXIT_WAITS, REFUSED, Decision, IncidentRaised, ProtectionTripped
from mqd.model.event import BarClosed
from mqd.publish.answer import answer_of
from mqd.publish.figures import fact_text, signed_usd
from mqd.publish.why import Explanation, explain_decision
from mqd.rules.compile.book import CompiledBook, compile_book
from mqd.rules.validate import load_rules

ROOT = Path(__file__).resolve().parents[2]
AT = parse_iso("2024-11-25T15:31:00Z")
STRATEGY = "vwap_micro_mean_reversion"


def answer(done: Any) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["decisions"]


@pytest.mark.parametrize(
    "time", ["2024-11-25T15:31:00Z", "2024-11-25 10:31", "2024-11-25T10:31:00-05:00"]
)
def test_the_same_bar_by_every_kind_of_time(
    mqd: Callable[..., Any], sample_journal: Path, time: str
) -> None:
    (found,) = answer(mqd("why", "--db", sample_journal, "--at", time, "--format", "json"))
    assert found["at"] == "2024-11-25T15:31:00Z"
    assert found["outcome"] == "ENTER"
    assert found["blocked_by"] == []
    assert found["orders"][0].startswith("BUY 0.84 SPY market")
    groups = {group["name"]: group for group in found["groups"]}
    assert set(groups) == {
        "exits", "no_trade", "blocks_entries", "protections", "checks", "sets_aside",
    }  # fmt: skip
    assert len(groups["no_trade"]["conditions"]) == 9
    assert groups["exits"]["reached"] is False
    size = groups["no_trade"]["conditions"][-1]["values"][0]
    assert (size["name"], size["text"]) == ("entry.qty", "0.84 shares")


def test_a_clock_time_means_the_last_such_day(
    mqd: Callable[..., Any], sample_journal: Path
) -> None:
    (found,) = answer(mqd("why", "--db", sample_journal, "--at", "15:59", "--format", "json"))
    assert found["at"] == "2024-12-02T20:59:00Z"


def test_the_last_decision_in_words(mqd: Callable[..., Any], sample_journal: Path) -> None:
    done = mqd("why", "--db", sample_journal)
    assert done.returncode == 0, done.stderr
    for piece in (
        "2024-12-02 16:00 ET (21:00Z)",
        "no trade: OUTSIDE_WINDOW, MAX_TRADES_REACHED",
        "clock.time 16:00, trade_window 10:00-11:30",
        "entry_deviation_pct 0.003 (0.3 %)",
        "The close is at or above the VWAP less 0.3 % (entry_deviation_pct).",
        "close 603.58, threshold 600.7496: 2.8304 USD too high",
        "exchange time 16:00, 10:00-11:30 closed 4h 30m before; enough: clock.time 11:29",
        "No single change would have done it: 4 conditions stood against it",
        "One idea a day is enough.",
        "not looked at: no position was open",
        "not asked: no order was made",
        "desk's P&L of the session ",
        ", threshold -10.00 USD: ",
        "desk.open_positions 0 positions, limits.max_open_positions 1 position",
        "all together.",
        "All together, all else as recorded, lead to ENTER",
    ):
        assert piece in done.stdout
    assert "\x1b" not in done.stdout


def test_the_short_answer_is_a_few_lines(mqd: Callable[..., Any], sample_journal: Path) -> None:
    done = mqd("why", "--db", sample_journal, "--at", "2024-11-26 10:30", "--brief")
    lines = done.stdout.splitlines()
    assert lines[1:4] == [
        "  no trade: PRICE_ABOVE_THRESHOLD",
        "  - PRICE_ABOVE_THRESHOLD: close 597.81, threshold 597.4658: 0.3442 USD too high",
        "  - It would have entered with bar.close 597.46 instead of 597.81 (0.35 USD lower).",
    ]
    assert len(lines) == 5
    rule = "with entry_deviation_pct 0.00242 instead of 0.003 (0.058 percentage points lower)."
    assert lines[4] == f"  - By the rules alone: {rule}"


def test_the_decision_that_made_an_order(mqd: Callable[..., Any], sample_journal: Path) -> None:
    order = f"mqd-{STRATEGY}-SPY-20241125T153100Z-entry-1"
    (found,) = answer(mqd("why", order, "--db", sample_journal, "--format", "json"))
    assert (found["at"], found["outcome"]) == ("2024-11-25T15:31:00Z", "ENTER")
    assert found["order_ids"] == [order]
    none = mqd("why", order[:-1] + "2", "--db", sample_journal)
    assert none.returncode == 1
    assert none.stderr.count("\n") == 1


def test_distances_and_flips_as_json(mqd: Callable[..., Any], sample_journal: Path) -> None:
    words = ("--at", "2024-11-26 10:30", "--format", "json")
    (found,) = answer(mqd("why", "--db", sample_journal, *words))
    assert found["flips"]["towards"] == "ENTER"
    flips = {item["name"]: item for item in found["flips"]["changes"]}
    assert flips["bar.close"]["after"] == 597.46
    assert flips["entry_deviation_pct"]["after"] == 0.00242
    assert flips["bar.close"]["leads_to"] == "ENTER"
    groups = {group["name"]: group["conditions"] for group in found["groups"]}
    above = next(item for item in groups["no_trade"] if item["code"] == "PRICE_ABOVE_THRESHOLD")
    assert above["distances"][0]["gap"] == pytest.approx(0.3442, abs=1e-4)
    assert {item["name"] for item in above["flips"]} >= {"bar.close", "vwap"}
    assert found["answer"][0].startswith("no trade")


def test_the_last_few(mqd: Callable[..., Any], sample_journal: Path) -> None:
    words = ("--last", "40", "--strategy", STRATEGY, "--format", "json")
    found = answer(mqd("why", "--db", sample_journal, *words))
    assert len(found) == 40
    assert [item["at"] for item in found] == sorted(item["at"] for item in found)


def test_a_bar_that_was_set_aside(mqd: Callable[..., Any], sample_journal: Path) -> None:
    done = mqd("why", "--db", sample_journal, "--at", "2024-11-27 09:27")
    assert "set aside: EXTENDED_HOURS, because: Bars outside" in done.stdout


def test_an_unknown_time_names_the_nearest(mqd: Callable[..., Any], sample_journal: Path) -> None:
    done = mqd("why", "--db", sample_journal, "--at", "2024-11-28 12:00")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "2024-11-27 16:03 ET" in done.stderr
    assert "2024-11-29 09:31 ET" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "piece"),
    [
        (["--at", "noon"], 2, "--at noon: not a time"),
        (["--at", "2024-11-25"], 2, "not a time"),
        (["--at", "25:00"], 2, "not a time"),
        (["--at", "10:31", "--last", "2"], 2, "one or the other"),
        (["--strategy", "other"], 1, "no decision of the strategy other"),
        (["--at", "10:31", "--strategy", "other"], 1, "other decided nothing"),
    ],
)
def test_what_cannot_be_answered_is_one_line(
    mqd: Callable[..., Any], sample_journal: Path, words: list[str], code: int, piece: str
) -> None:
    done = mqd("why", "--db", sample_journal, *words)
    assert done.returncode == code
    assert piece in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_a_journal_it_says_how_to_get_one(mqd: Callable[..., Any]) -> None:
    done = mqd("why")
    assert done.returncode == 2
    assert "mqd run" in done.stderr


def test_each_decision_is_told_under_its_own_rules(mqd: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "mine.db"
    assert mqd("run", "--db", path, "--sessions", "3").returncode == 0
    assert mqd("run", "--db", path, "--set", "entry_deviation_pct=0.004").returncode == 0
    texts = [mqd("why", "--at", time, "--db", path).stdout for time in
             ("2024-11-26 10:05", "2024-11-29 10:05", "2024-11-27 16:02")]  # fmt: skip
    assert "entry_deviation_pct 0.003 " in texts[0]
    assert "entry_deviation_pct 0.004 " in texts[1]
    assert "set aside: EXTENDED_HOURS" in texts[2]
    exported = mqd("journal", "export", "--decisions", "--db", path).stdout
    assert len({line.rsplit(",", 1)[1] for line in exported.splitlines()[1:]}) == 2


# -- explanations of records that the samples do not hold --------------------------------------


@pytest.fixture(scope="module")
def book() -> CompiledBook:
    return compile_book(load_rules(ROOT / "rules"))


def explained(
    book: CompiledBook, facts: dict[str, Any], *records: Any, **fields: Any
) -> Explanation:
    names = book.strategy(STRATEGY).fact_names
    known = {"bar.close": 600.0, "position.is_open": False, "today.pnl": 0.0} | facts
    values = tuple(known.get(name) for name in names)
    empty = Decision(AT, STRATEGY, "SPY", "NO_TRADE", 0, 0, 0, 0, 0, values, book.digest)
    bar = BarClosed(AT, "SPY", AT - NS_PER_MINUTE, 600.0, 600.0, 600.0, 600.0, float("nan"))
    return explain_decision(7, bar, empty._replace(**fields), records, book)


def judged(found: Explanation, code: str) -> Any:
    return next(item for group in found.groups for item in group.conditions if item.code == code)


def test_an_unknown_value_makes_the_answer_unknown(book: CompiledBook) -> None:
    bit = [rule.code for rule in book.strategy(STRATEGY).rules.no_trade].index(
        "PRICE_ABOVE_THRESHOLD"
    )
    found = explained(book, {"vwap": None}, no_trade=1 << bit)
    assert judged(found, "PRICE_ABOVE_THRESHOLD").truth == "unknown"
    assert judged(found, "PRICE_ABOVE_THRESHOLD").counts
    assert judged(found, "VWAP_UNAVAILABLE").truth == "false"
    assert {shown.text for shown in judged(found, "VWAP_UNAVAILABLE").values} == {"unknown"}
    assert found.to_json()["bar"]["volume"] is None


def test_a_refused_entry_names_what_refused_it(book: CompiledBook) -> None:
    window = [each.id for each in book.rules.protections].index("time_window")
    found = explained(book, {}, outcome=REFUSED, protections=1 << window, checks=0b1, data=0b1)
    assert found.blocked_by == ("SESSION_INCOMPLETE", "time_window", "DESK_NOT_ACTIVE")
    assert found.headline.startswith("the entry was wanted and refused by SESSION_INCOMPLETE")


def test_a_refusal_without_a_code_shows_the_incident(book: CompiledBook) -> None:
    incident = IncidentRaised(AT, "MalformedSignalError", "CRITICAL", STRATEGY, "signal qty is 0")
    found = explained(book, {}, incident, outcome=REFUSED)
    assert found.incidents == ("signal qty is 0",)
    assert "an incident" in found.headline


def test_a_check_that_nobody_asked_is_told_where_it_would_have_refused(book: CompiledBook) -> None:
    """The desk was halted, and the price alone kept the strategy from wishing anything."""
    states = [item.name for item in book.rules.desk_machine.states]
    quiet = {
        "vwap": 600.0, "clock.time": 37_860, "session.bars": 61, "session.time_to_close": 19_740,
        "strategy.enabled": True, "strategy.thesis": 0, "today.entries": 0,
        "session.is_complete": True,
        "desk.profile": 0, "desk.pnl": -3.2, "desk.state": states.index("HALTED"),
        "symbol.working_orders": 0, "symbol.position_qty": 0.0, "desk.open_positions": 0,
        "desk.orders_today": 0, "symbol.working_exits": 0, "desk.is_in_step": True,
        "broker.breaker": 0, "desk.queued_orders": 0,
        "symbol.unknown_orders": 0, "symbol.external_orders": 0,
        "symbol.previous_close": 600.0,
    }  # fmt: skip
    bit = [rule.code for rule in book.strategy(STRATEGY).rules.no_trade].index(
        "PRICE_ABOVE_THRESHOLD"
    )
    found = explained(book, quiet, no_trade=1 << bit)
    assert found.blocked_by == ("PRICE_ABOVE_THRESHOLD",)
    halted, other = judged(found, "DESK_NOT_ACTIVE"), judged(found, "ORDER_WORKING")
    assert (halted.would_be, halted.counts, other.would_be) == ("true", False, "false")
    assert halted.values[0].text == "HALTED"
    lines = {line.codes: line.text for line in answer_of(found)}
    assert "not asked" in lines["DESK_NOT_ACTIVE"]
    assert "desk.state ACTIVE instead of HALTED" in lines[""]
    shown = found.to_json()
    checks = next(group for group in shown["groups"] if group["name"] == "checks")
    assert checks["conditions"][0]["truth"] is None
    assert checks["conditions"][0]["would_be"] == "true"
    assert {item["name"] for item in shown["flips"]["together"]} == {"bar.close", "desk.state"}


def test_a_protection_that_tripped_earlier_says_that_it_holds(book: CompiledBook) -> None:
    bit = [item.id for item in book.rules.protections].index("daily_loss_limit")
    trip = ProtectionTripped(AT, "daily_loss_limit", AT + NS_PER_MINUTE)
    facts = {"desk.pnl": -10.4, "vwap": 605.0, "strategy.enabled": True, "clock.time": 37_860}
    now = explained(book, facts, trip, outcome=REFUSED, protections=1 << bit)
    later = explained(book, facts, outcome=REFUSED, protections=1 << bit)
    assert not judged(now, "daily_loss_limit").holds
    assert "too low" in judged(now, "daily_loss_limit").distances[0].text
    assert "rest of the session" in judged(later, "daily_loss_limit").holds


def test_an_exit_that_waits_names_both_sides(book: CompiledBook) -> None:
    found = explained(
        book, {"position.is_open": True}, outcome=EXIT_WAITS, exits=0b100, checks=0b100
    )
    assert found.headline == "exit waits: FORCE_FLAT is true, held back by EXIT_WORKING"


def test_an_exit_names_the_others_too(book: CompiledBook) -> None:
    order = SubmitOrder(
        AT, f"mqd-{STRATEGY}-SPY-x-exit-1", "SPY", "sell", Decimal(1), "market", "day"
    )
    found = explained(book, {"position.is_open": True}, order, outcome="EXIT", exits=0b101)
    assert found.headline == "exited: STOP_LOSS (also true: FORCE_FLAT)"
    assert found.orders[0].startswith("SELL 1 SPY")
    assert not judged(found, "EXIT_WORKING").counts


def test_values_are_told_with_their_units() -> None:
    assert fact_text(None, PRICE) == "unknown"
    assert fact_text(595.1, PRICE) == "595.10"
    assert fact_text(595.12345678, PRICE) == "595.1235"
    assert fact_text(-10.0, USD) == "-10.00 USD"
    assert fact_text(0.003, RATIO) == "0.003 (0.3 %)"
    assert fact_text(300, DURATION) == "5m"
    assert fact_text(-90, DURATION) == "-1m 30s"
    assert fact_text(37_860, TIME_OF_DAY) == "10:31"
    assert fact_text(True, BOOL) == "yes"
    assert fact_text(1_234_567.5, SHARES) == "1,234,567.5 shares"
    assert fact_text(1, BOOL, ("a", "b")) == "b"
    assert signed_usd(Decimal("-0.001")) == "0.00"
    assert signed_usd(Decimal("1234.5")) == "+1,234.50"


def test_a_clock_time_over_a_change_of_the_clocks() -> None:
    instants = [parse_iso("2024-11-01T14:31:00Z"), parse_iso("2024-11-04T14:31:00Z")]
    assert Moment("10:31").among(instants) == instants[0]
    assert Moment("09:31").among(instants) == instants[1]
    assert Moment("9:31").among(instants) == instants[1]
    assert Moment("12:00").among(instants) is None
    assert Moment("12:00").nearest(instants) == [instants[1]]
    assert Moment("2024-11-02 12:00").nearest(instants) == instants
    assert Moment("2024-01-02 12:00").nearest(instants) == instants[:1]
    assert Moment("2024-01-02 12:00").nearest([]) == []
    with pytest.raises(SettingsError):
        Moment("99999-01-01T00:00:00Z")
