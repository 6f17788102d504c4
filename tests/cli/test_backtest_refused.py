"""`mqd backtest` counts the entries that checks and data rules refused, with trades and without."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mqd.feeds.samples import write_samples
from mqd.model.decision import ENTER, REFUSED, Decision
from mqd.publish.no_trades import InTheWay
from mqd.rules.book import RuleBook
from mqd.rules.validate import load_rules

ROOT = Path(__file__).resolve().parents[2]
STRATEGY = "vwap_micro_mean_reversion"
Mqd = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def book() -> RuleBook:
    return load_rules(ROOT / "rules")


def test_a_strategy_that_traded_says_what_checks_refused_it(mqd: Mqd, tmp_path: Path) -> None:
    """Two orders a day are left to the desk: an entry and its exit; other entries are refused."""
    rules = shutil.copytree(ROOT / "rules", tmp_path / "strict")
    checks = rules / "orders/checks.yaml"
    text = checks.read_text("utf-8")
    edited = text.replace(
        "desk.orders_today >= limits.max_orders_per_session",
        "desk.orders_today >= limits.max_orders_per_session - 38",
    )
    assert edited != text
    checks.write_text(edited, "utf-8")
    write_samples(tmp_path / "bars.csv")
    words = (
        "backtest", "--bars", "bars.csv", "--protections", "none",
        "--set", "max_trades_per_day=5", "--set", "entry_deviation_pct=0.002",
    )  # fmt: skip
    few, many = mqd(*words, "--rules", rules), mqd(*words)
    assert few.returncode == many.returncode == 0, few.stderr + many.stderr
    line = next(each for each in few.stdout.splitlines() if each.startswith(f"{STRATEGY}: "))
    assert "by checks or data rules, ORDER_COUNT_REACHED" in line
    assert "ORDER_COUNT_REACHED" not in many.stdout
    counted = found(mqd(*words, "--rules", rules, "--format", "json"))
    assert f"ORDER_COUNT_REACHED {counted[STRATEGY]['ORDER_COUNT_REACHED']:,}" in line
    assert "ORDER_COUNT_REACHED" not in found(mqd(*words, "--format", "json"))[STRATEGY]


def found(done: Any) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["refused"]


def decision(
    book: RuleBook, outcome: str, data: int = 0, protections: int = 0, checks: int = 0
) -> Decision:
    return Decision(
        0, STRATEGY, "SPY", outcome, 0, 0, data, protections, checks, (), book.digest
    )  # fmt: skip


def test_each_code_is_counted_and_protections_are_left_to_the_shadow_ledger(
    book: RuleBook,
) -> None:
    first, second = (rule.code for rule in book.entry_checks.conditions[:2])
    data = book.blocks_entries.conditions[0].code
    seen = InTheWay()
    for outcome, masks in (
        (REFUSED, {"checks": 0b11}),
        (REFUSED, {"checks": 0b01, "protections": 0b1}),
        (REFUSED, {"data": 0b1}),
        (REFUSED, {"protections": 0b1}),
        (ENTER, {}),
    ):
        seen.count(decision(book, outcome, **masks))
    assert seen.refused(book)[STRATEGY] == {first: 2, second: 1, data: 1}
    (line,) = seen.lines(book, {STRATEGY})
    assert line == (
        f"{STRATEGY}: 3 entries refused by checks or data rules, {first} 2, {second} 1, {data} 1"
    )
    (alone,) = seen.lines(book, set())
    assert alone.startswith(f"{STRATEGY} traded nothing: 4 entries refused, by {first} 2")


def test_who_was_refused_nothing_says_nothing(book: RuleBook) -> None:
    seen = InTheWay()
    seen.count(decision(book, ENTER))
    seen.count(decision(book, REFUSED, protections=0b1))
    assert list(seen.lines(book, {STRATEGY})) == []
    assert seen.refused(book) == {STRATEGY: {}}
