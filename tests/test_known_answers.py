"""Round trips that are known: on real bars, on days built for one boundary, and worked by hand."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mqd.app.backtest import run_backtest
from mqd.app.end_of_data import END_OF_DATA
from mqd.brokers.simulated import SimulationSettings
from mqd.ground.times import iso_utc
from mqd.model.position import Trade
from mqd.rules.changes import Changes
from mqd.rules.validate import load_rules

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
STEP = Decimal("0.000001")
LOOSE = {"entry_deviation_pct": "0.002", "stop_loss_pct": "0.005", "max_trades_per_day": "3"}
FIELDS = (
    "strategy", "symbol", "entry_ts", "entry_price", "qty", "exit_ts", "exit_price",
    "exit_reason", "pnl",
)  # fmt: skip
EXPECTED = sorted((DATA / "expected").glob("*.csv"))
MANIFEST = DATA / "ties" / "manifest.json"
TIES: list[dict[str, Any]] = (
    json.loads(MANIFEST.read_text(encoding="utf-8"))["files"] if MANIFEST.exists() else []
)
ABSENT = "the known answers are not beside this checkout"
CLI = "import sys; from mqd.cli import main; sys.argv[0] = 'mqd'; main()"


def rounded(value: Decimal | str) -> Decimal:
    return Decimal(value).quantize(STEP)


def row_of(trade: Trade) -> tuple[object, ...]:
    return (
        trade.strategy, trade.symbol, iso_utc(trade.entry_ns), rounded(trade.entry_price),
        rounded(trade.qty), iso_utc(trade.exit_ns), rounded(trade.exit_price), trade.exit_reason,
        rounded(trade.pnl_usd),
    )  # fmt: skip


def row_in(found: dict[str, str]) -> tuple[object, ...]:
    numbers = {"entry_price", "qty", "exit_price", "pnl"}
    return tuple(rounded(found[name]) if name in numbers else found[name] for name in FIELDS)


def trades_of(
    path: Path, symbol: str, values: dict[str, str], **settings: Any
) -> list[tuple[object, ...]]:
    """The trades that the exact engine finds with protections off."""
    book = load_rules(ROOT / "rules", Changes(symbol=symbol, values=values, protections=()))
    result = run_backtest(book, [path], SimulationSettings(**settings))
    return [row_of(trade) for trade in result.trades]


def known(path: Path) -> tuple[Path, str, dict[str, str], list[tuple[object, ...]]]:
    """The bars, symbol, parameters and trades of one file of answers."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    base = path.stem.removesuffix("__loose")
    values = LOOSE if path.stem.endswith("__loose") else {}
    symbol = rows[0]["symbol"] if rows else base.split("_")[0].upper()
    return DATA / "bars" / f"{base}.parquet", symbol, values, [row_in(row) for row in rows]


def test_the_answers_are_all_there():
    if not DATA.exists():
        pytest.skip(ABSENT)
    assert len(EXPECTED) >= 16
    assert len(TIES) >= 74


@pytest.mark.rule("STOP_LOSS", "MEAN_REVERSION", "FORCE_FLAT", "OUTSIDE_WINDOW")
@pytest.mark.parametrize("path", EXPECTED or [None], ids=lambda path: path.stem if path else "-")
def test_real_bars(path: Path | None) -> None:
    if path is None:
        pytest.skip(ABSENT)
    bars, symbol, values, expected = known(path)
    assert trades_of(bars, symbol, values) == expected


@pytest.mark.rule(
    "STOP_LOSS", "MEAN_REVERSION", "FORCE_FLAT", "OUTSIDE_WINDOW", "MAX_TRADES_REACHED",
    "SIZE_IS_ZERO", "VWAP_WARMING_UP", "VWAP_UNAVAILABLE", "PRICE_ABOVE_THRESHOLD",
    "DAILY_LOSS_LIMIT_HIT", "ALREADY_IN_POSITION", "EXTENDED_HOURS",
)  # fmt: skip
@pytest.mark.parametrize("tie", TIES or [{}], ids=lambda tie: tie.get("file", "-"))
def test_days_built_on_a_boundary(tie: dict[str, Any]) -> None:
    if not tie:
        pytest.skip(ABSENT)
    expected = [row_in(trade) for trade in tie["trades"]]
    assert trades_of(DATA / "ties" / tie["file"], tie["symbol"], tie["parameters"]) == expected


def by_command(bars: Path, symbol: str, values: dict[str, str], out: Path) -> list[Any]:
    """The same through the command line, as a person would ask for it."""
    sets = [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
    asked = ["backtest", "--engine", "exact", "--protections", "none", "--symbol", symbol, *sets]
    done = subprocess.run(
        [sys.executable, "-c", CLI, *asked, "--bars", str(bars), "--trades", str(out)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    with out.open(encoding="utf-8", newline="") as file:
        return [row_in(row) for row in csv.DictReader(file)]


@pytest.mark.parametrize("number", [0, 1])
def test_the_command_line_gives_the_known_trades(tmp_path: Path, number: int) -> None:
    if not EXPECTED:
        pytest.skip(ABSENT)
    bars, symbol, values, expected = known(EXPECTED[number])
    assert by_command(bars, symbol, values, tmp_path / "trades.csv") == expected


# --------------------------------------------------------------------------- worked by hand


MORNING = [f"2024-10-07T13:{minute}:00Z" for minute in range(30, 60)]


def file_of(path: Path, rows: list[tuple[str, float, float]]) -> Path:
    """One-minute bars of SPY given as start, open and close, 100 shares each."""
    lines = ["symbol,ts,open,high,low,close,volume"]
    lines += [
        f"SPY,{start},{open_},{max(open_, close)},{min(open_, close)},{close},100"
        for start, open_, close in rows
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def dip(tmp_path: Path) -> Path:
    """Flat at 100 until 10:00, a dip to 99.50 that comes back, nothing else."""
    rows = [(start, 100.0, 100.0) for start in MORNING]
    rows += [
        ("2024-10-07T14:00:00Z", 99.9, 99.5),  # under 100 * 0.997, ends 10:01 ET: enter
        ("2024-10-07T14:01:00Z", 99.6, 99.7),
        ("2024-10-07T14:02:00Z", 99.8, 100.1),  # over VWAP, ends 10:03: exit
        ("2024-10-07T14:03:00Z", 100.2, 100.0),
    ]
    return file_of(tmp_path / "dip.csv", rows)


# qty: min(1.50 / (99.50 * 0.003), 500 / 99.50) = 5.0251... -> 5.025
ENTRY = ("vwap_micro_mean_reversion", "SPY")
QTY = Decimal("5.025000")


def test_a_fill_at_the_close_by_hand(dip: Path) -> None:
    assert trades_of(dip, "SPY", {}) == [
        (*ENTRY, "2024-10-07T14:01:00Z", rounded("99.5"), QTY,
         "2024-10-07T14:03:00Z", rounded("100.1"), "MEAN_REVERSION", rounded("3.015")),
    ]  # fmt: skip


def test_a_fill_at_the_next_open_by_hand(dip: Path) -> None:
    """Sized and decided on the close, traded at the next open; its time is that bar's start."""
    assert trades_of(dip, "SPY", {}, fill="next-open") == [
        (*ENTRY, "2024-10-07T14:01:00Z", rounded("99.6"), QTY,
         "2024-10-07T14:03:00Z", rounded("100.2"), "MEAN_REVERSION", rounded("3.015")),
    ]  # fmt: skip


def test_slippage_by_hand(dip: Path) -> None:
    """10 basis points: 99.5995 paid and 99.9999 received, 5.025 * 0.4004 = 2.01201."""
    trades = trades_of(dip, "SPY", {}, slippage_bps=Decimal(10))
    assert trades == [
        (*ENTRY, "2024-10-07T14:01:00Z", rounded("99.5995"), QTY,
         "2024-10-07T14:03:00Z", rounded("99.9999"), "MEAN_REVERSION", rounded("2.01201")),
    ]  # fmt: skip


def test_fees_by_hand(dip: Path) -> None:
    """Half a cent a share, both ways: 3.015 - 2 * 5.025 * 0.005 = 2.96475."""
    (trade,) = trades_of(dip, "SPY", {}, fee_per_share_usd=Decimal("0.005"))
    assert trade[-1] == rounded("2.96475")


def test_a_decision_on_the_last_bar_of_a_session_fills_at_no_later_open(tmp_path: Path) -> None:
    """Decision 42: the next open of the same session, else the order expires."""
    rows = [(start, 100.0, 100.0) for start in MORNING]
    rows += [("2024-10-07T14:00:00Z", 99.9, 99.5), ("2024-10-08T13:30:00Z", 90.0, 90.0)]
    path = file_of(tmp_path / "last.csv", rows)
    assert trades_of(path, "SPY", {}, fill="next-open") == []
    (trade,) = trades_of(path, "SPY", {})
    assert (trade[2], trade[5]) == ("2024-10-07T14:01:00Z", "2024-10-08T13:31:00Z")


def test_a_position_at_the_end_of_the_data(tmp_path: Path) -> None:
    rows = [(start, 100.0, 100.0) for start in MORNING]
    rows += [("2024-10-07T14:00:00Z", 99.9, 99.5), ("2024-10-07T14:01:00Z", 99.6, 99.7)]
    path = file_of(tmp_path / "end.csv", rows)
    assert trades_of(path, "SPY", {}) == [
        (*ENTRY, "2024-10-07T14:01:00Z", rounded("99.5"), QTY,
         "2024-10-07T14:02:00Z", rounded("99.7"), END_OF_DATA, rounded("1.005")),
    ]  # fmt: skip
    (late,) = trades_of(path, "SPY", {}, fill="next-open")
    assert (late[3], late[6], late[7]) == (rounded("99.6"), rounded("99.7"), END_OF_DATA)


def test_an_order_that_never_filled_is_no_trade(tmp_path: Path) -> None:
    rows = [(start, 100.0, 100.0) for start in MORNING] + [("2024-10-07T14:00:00Z", 99.9, 99.5)]
    assert trades_of(file_of(tmp_path / "none.csv", rows), "SPY", {}, fill="next-open") == []


def test_with_its_protections_the_answers_stay(dip: Path) -> None:
    """The shipped protections say what the strategy says of itself on an ordinary day."""
    book = load_rules(ROOT / "rules")
    result = run_backtest(book, [dip], SimulationSettings())
    assert [row_of(trade) for trade in result.trades] == trades_of(dip, "SPY", {})
