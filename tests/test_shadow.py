"""The shadow ledger: what protections kept out, against the run in which they do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from mqd.app.backtest import BacktestResult, run_backtest
from mqd.app.end_of_data import END_OF_DATA
from mqd.brokers.simulated import SimulationSettings
from mqd.model.position import Trade
from mqd.rules.book import RuleBook
from mqd.rules.changes import Changes
from mqd.rules.validate import load_rules
from mqd.store.memory import MemoryJournal

ROOT = Path(__file__).resolve().parents[1]
BARS = ROOT.parent / "shared" / "data" / "bars"
BOTH = "vwap_micro_mean_reversion,momentum_following"
STRATEGY = "strategies/vwap_micro_mean_reversion.yaml"
OPEN = datetime(2024, 10, 7, 13, 30, tzinfo=UTC)
ALL_DAY = {
    STRATEGY: {
        "{value: limits.entry_window}": "{value: 10:00-15:00, min: 09:30, max: 16:00, "
        "unit: exchange_time}"
    }
}
WINDOW = ("time_window",)
NOON = 150
"""Minutes from the open: the desk takes no entry any more, the strategy of `ALL_DAY` would."""


def bars_of(path: Path, closes: Sequence[float], opens: datetime = OPEN) -> Path:
    """Bars from the open on, one a minute."""
    lines = ["symbol,ts,open,high,low,close,volume"]
    for minute, close in enumerate(closes):
        start = (opens + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")
        before = closes[minute - 1] if minute else close
        high, low = max(before, close), min(before, close)
        lines.append(f"SPY,{start},{before},{high},{low},{close},1000")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def run(book: RuleBook, path: Path, **settings: object) -> BacktestResult:
    return run_backtest(book, [path], SimulationSettings(**settings), with_shadows=True)  # type: ignore[arg-type]  # a test's own


def same(trade: Trade) -> tuple[object, ...]:
    """All of a trade but the rules that it was made under."""
    return trade[:-1]


@pytest.fixture
def noon(tmp_path: Path) -> Path:
    """A dip after the desk's window, which comes back to the VWAP, and another."""
    closes = [100.0] * NOON + [99.5, 99.6, 100.5] + [100.0] * 20 + [99.4, 99.4, 100.6]
    return bars_of(tmp_path / "noon.csv", closes + [100.5] * 5)


def test_a_blocked_entry_is_followed_to_its_own_exit(edited: Callable[..., RuleBook], noon: Path):
    """(100.5 - 99.5) * 5.025 by hand, as the run without the protection makes it."""
    found = run(edited(ALL_DAY, protections=WINDOW), noon)
    assert not found.trades
    assert found.shadows is not None
    (shadow,) = found.shadows.trades
    assert shadow.trade.pnl_usd == Decimal("5.025")
    assert (shadow.protections, shadow.is_postponed) == (WINDOW, False)
    (bare,) = run(edited(ALL_DAY, protections=()), noon).trades
    assert same(shadow.trade) == same(bare)


def test_every_wish_counts_and_only_a_new_entry_is_a_trade(
    edited: Callable[..., RuleBook], noon: Path
):
    """Four cheap bars are wishes; one trade a day is one trade, so the second dip is none."""
    found = run(edited(ALL_DAY, protections=WINDOW), noon).shadows
    assert found is not None
    (row,) = found.rows
    assert (row.wishes, row.trades, row.won, row.alone) == (4, 1, 1, 1)
    assert row.pnl_usd == row.alone_usd == found.pnl_usd == Decimal("5.025")
    several = run(edited(ALL_DAY, protections=WINDOW, values={"max_trades_per_day": "2"}), noon)
    assert several.shadows is not None
    assert [item.trade.pnl_usd for item in several.shadows.trades] == [
        Decimal("5.025"), Decimal("6.036"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        {"fill": "next-open"}, {"slippage_bps": Decimal(2)},
        {"fee_per_share_usd": Decimal("0.005")}, {"largest_fill_shares": Decimal(2)},
    ],
    ids=lambda settings: next(iter(settings)),
)  # fmt: skip
def test_its_fills_and_costs_are_those_of_the_run(
    edited: Callable[..., RuleBook], noon: Path, settings: dict[str, object]
):
    found = run(edited(ALL_DAY, protections=WINDOW), noon, **settings).shadows
    bare = run(edited(ALL_DAY, protections=()), noon, **settings).trades
    assert found is not None
    assert bare
    assert [same(item.trade) for item in found.trades] == [same(trade) for trade in bare]


def test_what_a_check_refuses_too_is_a_wish_and_no_trade(
    edited: Callable[..., RuleBook], noon: Path
):
    small = {"rules": "max_order_notional_usd:\n    value: 1000"}
    edits = ALL_DAY | {"limits/desk.yaml": {small["rules"]: small["rules"][:-4] + "10"}}
    found = run(edited(edits, protections=WINDOW), noon).shadows
    assert found is not None
    assert (found.rows[0].wishes, found.trades) == (4, ())


def test_what_nobody_wants_is_not_blocked(tmp_path: Path, edited: Callable[..., RuleBook]):
    calm = bars_of(tmp_path / "calm.csv", [100.0] * 200)
    found = run(edited(ALL_DAY, protections=WINDOW), calm).shadows
    assert found is not None
    (row,) = found.rows
    assert (row.wishes, row.trades, row.pnl_usd) == (0, 0, Decimal(0))
    assert row.bars == 29 + 81  # before 10:00, and from 11:30 on


def test_a_shadow_that_is_open_ends_with_the_bars(tmp_path: Path, edited: Callable[..., RuleBook]):
    path = bars_of(tmp_path / "end.csv", [100.0] * NOON + [99.5, 99.6])
    found = run(edited(ALL_DAY, protections=WINDOW), path).shadows
    assert found is not None
    (shadow,) = found.trades
    assert shadow.trade.exit_reason == END_OF_DATA
    assert shadow.trade.pnl_usd == Decimal("0.5025")


def test_a_shadow_that_ends_on_the_next_day_is_no_entry_of_that_day(
    tmp_path: Path, edited: Callable[..., RuleBook]
):
    """Its exit is made on the last bar of the first day; the second day has its own one trade."""
    first = bars_of(tmp_path / "first.csv", [100.0] * NOON + [99.5, 99.6, 100.5])
    second = bars_of(
        tmp_path / "second.csv",
        [101.0] * NOON + [100.4, 100.5, 101.5] + [101.0] * 5,
        OPEN + timedelta(days=1),
    )  # fmt: skip
    simulation = SimulationSettings(fill="next-open")
    book = edited(ALL_DAY, protections=WINDOW)
    found = run_backtest(book, [first, second], simulation, with_shadows=True).shadows
    bare = run_backtest(edited(ALL_DAY, protections=()), [first, second], simulation).trades
    assert found is not None
    assert [same(item.trade) for item in found.trades] == [same(trade) for trade in bare]
    assert len(bare) == 2


def test_where_its_exit_is_filled_at_the_next_open_that_bar_may_want_in_again(
    tmp_path: Path, edited: Callable[..., RuleBook]
):
    closes = [100.0] * NOON + [99.5, 99.5, 100.6, 99.3, 99.3, 100.7, 100.0, 100.0]
    path = bars_of(tmp_path / "again.csv", closes)
    values = {"max_trades_per_day": "2"}
    found = run(edited(ALL_DAY, protections=WINDOW, values=values), path, fill="next-open").shadows
    bare = run(edited(ALL_DAY, protections=(), values=values), path, fill="next-open").trades
    assert found is not None
    assert [same(item.trade) for item in found.trades] == [same(trade) for trade in bare]
    assert len(bare) == 2


def test_the_size_is_the_one_that_protections_had_left(
    tmp_path: Path, edited: Callable[..., RuleBook]
):
    """What makes entries smaller stays in the shadow: the order would have had that size."""
    tripped = {
        "protections/half_size.yaml": {
            "desk.pnl <= -limits.daily_loss_usd": "desk.pnl <= limits.daily_loss_usd"
        }
    }
    path = bars_of(tmp_path / "half.csv", [100.0] * NOON + [99.5, 100.5])
    found = run(edited(ALL_DAY | tripped, protections=(*WINDOW, "half_size")), path).shadows
    assert found is not None
    (shadow,) = found.trades
    assert [row.protection for row in found.rows] == ["time_window"]
    assert shadow.trade.qty == Decimal("2.512")


@pytest.mark.parametrize("most", ["1", "5"])
def test_on_real_bars_both_strategies_and_all_protections(most: str):
    """The run is the same with and without shadows; each is a trade of the run without blocks."""
    real = [BARS / "spy_2024-09-03_2024-10-31.parquet"]
    if not real[0].exists():
        pytest.skip("the real bars are not beside this checkout")
    values = {"max_trades_per_day": most}
    book = load_rules(ROOT / "rules", Changes(BOTH, values=values))
    plain, beside = MemoryJournal(), MemoryJournal()
    run_backtest(book, real, SimulationSettings(), journal=plain)
    found = run_backtest(book, real, SimulationSettings(), journal=beside, with_shadows=True)
    assert plain.head() == beside.head()
    assert found.shadows is not None
    assert found.shadows.stopped == 0
    sizing = tuple(item.id for item in book.protections if item.sizes is not None)
    bare = run_backtest(
        load_rules(ROOT / "rules", Changes(BOTH, values=values, protections=sizing)),
        real, SimulationSettings(),
    )  # fmt: skip
    made = {same(trade) for trade in bare.trades}
    assert all(same(item.trade) in made for item in found.shadows.trades)
    kept_out = {name for item in found.shadows.trades for name in item.protections}
    several = {"consecutive_losses", "cooldown_period", "equity_curve"}
    assert kept_out == ({"equity_curve"} if most == "1" else several)
    for row in found.shadows.rows:
        own = [item for item in found.shadows.trades if row.protection in item.protections]
        assert row.pnl_usd == sum((item.trade.pnl_usd for item in own), Decimal(0))
        assert row.trades == len(own) <= row.wishes <= row.bars
