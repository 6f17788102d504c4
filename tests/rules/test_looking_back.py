"""What is looked for in what is over: read, said in words, and the bands to their very ends."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from mqd.publish.speaker import Speaker
from mqd.rules.book import Band, RuleBook
from mqd.rules.problems import Place
from mqd.rules.validate import load_rules, rules_from_text

ROOT = Path(__file__).resolve().parents[2]
SAID = {
    "GAP_THROUGH_STOP": "A stop ended the trade, and the open of the bar that ended the trade is "
    "below the stop that its entry planned.",
    "WIDE_SPREAD": "The trade's entry price is above the price that the entry was decided at plus "
    "0.2 % (`wide_spread_pct`).",
    "ENTRY_RAN_OUT_OF_TIME": "The order is CANCELLED or EXPIRED, and the shares filled are fewer "
    "than the order's shares, and the order's age is 10 minutes (`entry_ttl`) or more.",
    "STOPPED_AT_ONCE": "A stop ended the trade, and the time that the trade was held is 2 minutes "
    "(`stopped_at_once`) or less.",
    "TRADE_COUNT_EXCEEDED": "The session's filled entries up to this one's are more than 1 "
    "(`max_trades_per_day`).",
    "HIGH_VOL": "The usual range is at or above 1.2 % (`high_range_pct`) of the last close.",
    "CHOPPY": "The size of the drift is below 20 % (`trend_share`) of the usual range.",
    "BROKER_REJECT": "The trade's rejected exits are more than 0.",
    "EXECUTION_ERROR": "The trade's exits that ended short are more than 0.",
}


@pytest.fixture(scope="module")
def book() -> RuleBook:
    return load_rules(ROOT / "rules")


@pytest.mark.rule(
    "GAP_THROUGH_STOP", "WIDE_SPREAD", "ENTRY_RAN_OUT_OF_TIME", "STOPPED_AT_ONCE",
    "TRADE_COUNT_EXCEEDED", "HIGH_VOL", "CHOPPY", "BROKER_REJECT", "EXECUTION_ERROR",
)  # fmt: skip
def test_what_is_looked_for_reads_well(book) -> None:
    speaker = Speaker(book)
    strategy = book.strategy("vwap_micro_mean_reversion")
    assert book.regimes is not None
    assert book.attribution is not None
    conditions = (
        *(failure.condition for failure in strategy.failure_regimes),
        *book.regimes.tags,
        *(tag.condition for tag in book.attribution.tags),
    )
    said = {rule.code: speaker.sentence(rule) for rule in conditions}
    assert {code: said[code] for code in SAID} == SAID


def test_a_journal_keeps_it_all(book) -> None:
    again = rules_from_text(book.canonical)
    assert again.digest == book.digest
    strategy, kept = book.strategies[0], again.strategies[0]
    assert [item.text for item in kept.expected] == [item.text for item in strategy.expected]
    assert [item.sessions for item in kept.expected] == [20, 1]
    assert [item.code for item in kept.failure_regimes] == [
        item.code for item in strategy.failure_regimes
    ]
    assert kept.exit_kinds == strategy.exit_kinds
    assert again.regimes is not None
    assert book.regimes is not None
    assert [tag.text for tag in again.regimes.tags] == [tag.text for tag in book.regimes.tags]
    assert again.regimes.forgets_after_s == book.regimes.forgets_after_s == 604_800
    assert again.attribution is not None


def test_exits_say_whose_result_they_are_and_trading_is_what_they_say_without_a_word(
    edited,
) -> None:
    stop = "    because: The trade has lost what it may lose.\n"
    found = edited(
        {"strategies/vwap_micro_mean_reversion.yaml": {stop: f"    counts_as: operator\n{stop}"}}
    )
    assert found.strategies[0].exit_kinds == (
        ("STOP_LOSS", "operator"), ("MEAN_REVERSION", "trading"), ("FORCE_FLAT", "trading"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("times", "bars", "inside"),
    [(2, 90, False), (3, 90, True), (89, 90, True), (90, 90, False), (999, 1000, True)],
)
def test_a_band_has_both_its_ends(times, bars, inside) -> None:
    band = Band("A", Decimal("0.03"), Decimal("0.999"), 1, "", Place("", 1, 1))
    assert band.holds(times, bars) is inside
    assert band.text == "3% to 99.9%"
    assert Band("A", Decimal("0.03"), Decimal("0.03"), 1, "", Place("", 1, 1)).holds(3, 100)


def test_rules_without_any_of_it_are_whole(edited) -> None:
    """An older book knows neither regimes nor whose result a trade is; nothing else asks."""

    found = edited()
    root = Path(found.strategies[0].header.place.file).parents[1]
    bare = root.parent / "bare"
    shutil.copytree(root, bare)
    (bare / "data/regimes.yaml").unlink()
    (bare / "desk/attribution.yaml").unlink()
    book = load_rules(bare)
    assert book.regimes is None
    assert book.attribution is None
