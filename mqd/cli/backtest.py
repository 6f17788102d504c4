"""`mqd backtest`: the same rules over history."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mqd.cli.options import (
    BarsOption,
    ChangesOption,
    FillAt,
    FillOption,
    FormatOption,
    ProtectionsOption,
    RulesOption,
    SlippageOption,
    SymbolOption,
    TableFormat,
    parse_changes,
    parse_protections,
    simulation_of,
)
from mqd.cli.progress import bar_progress
from mqd.ground.errors import SettingsError

if TYPE_CHECKING:
    from mqd.app.backtest import BacktestResult
    from mqd.engine.state import DeskState
    from mqd.model.decision import Decision, Outcome
    from mqd.model.event import Event
    from mqd.model.position import Trade
    from mqd.publish.shadow import ShadowReport


class EngineName(StrEnum):
    """Which engine runs the rules."""

    exact = "exact"
    fast = "fast"


def backtest(
    bars: BarsOption,
    strategy: Annotated[
        str | None,
        typer.Option("--strategy", help="Only this one, or some joined by commas. Default: all."),
    ] = None,
    symbol: SymbolOption = None,
    changes: ChangesOption = None,
    fill: FillOption = FillAt.close,
    slippage_bps: SlippageOption = "0",
    engine: Annotated[
        EngineName, typer.Option("--engine", help="exact: the live loop, simulated broker.")
    ] = EngineName.exact,
    protections: ProtectionsOption = "all",
    trades: Annotated[
        Path | None, typer.Option("--trades", help="Write the trades to this CSV file.")
    ] = None,
    decisions: Annotated[
        Path | None,
        typer.Option("--decisions", help="Write every decision to this .csv or .parquet file."),
    ] = None,
    rules: RulesOption = None,
    form: FormatOption = TableFormat.text,
) -> None:
    """Run the rules over recorded bars and show the trades."""
    from mqd.app.backtest import run_backtest
    from mqd.app.settings import rules_folder
    from mqd.cli.console import print_sentence
    from mqd.publish.before_a_run import warnings_before
    from mqd.publish.tables import DecisionTable, trades_csv
    from mqd.rules.changes import Changes
    from mqd.rules.validate import load_rules

    if engine is EngineName.fast:
        raise SettingsError("--engine fast is not built yet; --engine exact gives the trades")
    _check_writable(trades, {".csv"}, "--trades")
    _check_writable(decisions, {".csv", ".parquet"}, "--decisions")
    simulation = simulation_of(fill, slippage_bps)
    wanted = Changes(strategy, symbol, parse_changes(changes), parse_protections(protections))
    book = load_rules(rules_folder(rules), wanted)
    keeper = _DecisionKeeper(keep=decisions is not None)
    with bar_progress() as watchers:
        result = run_backtest(book, bars, simulation, (keeper, *watchers), with_shadows=True)
    if trades is not None:
        trades.write_text(trades_csv(result.trades), encoding="utf-8")
    if decisions is not None:
        DecisionTable(result.book).write(keeper.kept, decisions)
    if form is TableFormat.json:
        typer.echo(json.dumps(_as_json(result, keeper), indent=1))
    else:
        for line in warnings_before(book, "backtest"):
            print_sentence(f"warning: {line}")
        _show(result, keeper)


class _DecisionKeeper:
    """Counts decisions, and keeps them when a file of them is wanted."""

    def __init__(self, *, keep: bool) -> None:
        from mqd.publish.no_trades import InTheWay

        self.kept: list[Decision] = []
        self.count = 0
        self.in_the_way = InTheWay()
        self._keep = keep

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        """Take note of one event's decisions."""
        for decision in outcome.decisions:
            self.count += 1
            self.in_the_way.count(decision)
        if self._keep:
            self.kept += outcome.decisions


def _check_writable(path: Path | None, endings: set[str], option: str) -> None:
    """A long run must not end with a file that cannot be written."""
    if path is None:
        return
    if path.suffix not in endings:
        raise SettingsError(f"{option} {path}: expected a name ending in {' or '.join(endings)}")
    if not path.parent.is_dir():
        raise SettingsError(f"{option} {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise SettingsError(f"{option} {path}: that is a folder, expected a file")


def _as_json(result: BacktestResult, keeper: _DecisionKeeper) -> dict[str, Any]:
    from mqd.ground.canonical import decimal_text
    from mqd.publish.tables import trade_row

    return {
        "digest": result.book.digest,
        "bars": result.bars,
        "decisions": keeper.count,
        "trades": [trade_row(trade) for trade in result.trades],
        "pnl": decimal_text(result.pnl_usd),
        "won": result.won,
        "counts": dict(sorted(result.state.counts.items())),
        "refused": keeper.in_the_way.refused(result.book.rules),
        "protections": None if result.shadows is None else result.shadows.to_json(),
    }


def _show(result: BacktestResult, keeper: _DecisionKeeper) -> None:
    from mqd.cli.console import print_sentence, print_trimmed, stdout_console
    from mqd.cli.tables import print_table

    console = stdout_console()
    if result.trades:
        rows = [_trade_row(trade) for trade in result.trades]
        numbers = frozenset(_COLUMNS[2:-1])
        print_trimmed(console, lambda: print_table(console, _COLUMNS, rows, numbers, "bold"))
    console.print(
        f"{len(result.trades)} trades, {result.won} won, P&L {result.pnl_usd:+.2f} USD; "
        f"{result.bars:,} bars, {keeper.count:,} decisions"
    )
    traded = {trade.strategy for trade in result.trades}
    for line in keeper.in_the_way.lines(result.book.rules, traded):
        print_sentence(line)
    if result.state.counts:
        told = ", ".join(f"{code} {count:,}" for code, count in sorted(result.state.counts.items()))
        console.print(f"set aside or mended: {told}")
    if result.shadows is not None and result.shadows.rows:
        _show_shadows(result.shadows)
    console.print(f"rules {result.book.digest}")


def _show_shadows(found: ShadowReport) -> None:
    """What protections kept out, one row for each that stood in the way of any bar."""
    from mqd.cli.console import print_trimmed, stdout_console
    from mqd.cli.shadow_sections import COLUMNS, sum_text, table_rows
    from mqd.cli.tables import print_table

    console = stdout_console()
    rows = table_rows(found)
    if rows:
        numbers = frozenset(COLUMNS[1:])
        print_trimmed(console, lambda: print_table(console, COLUMNS, rows, numbers, "bold"))
    console.print(sum_text(found))


_COLUMNS = ("entry (ET)", "exit", "shares", "bought", "sold", "P&L usd", "reason")


def _trade_row(trade: Trade) -> tuple[str, ...]:
    """A trade in exchange time."""
    from mqd.feeds.calendar import exchange_time_text
    from mqd.ground.canonical import decimal_text

    entry_date, entry_time, _ = exchange_time_text(trade.entry_ns).split(" ")
    exit_date, exit_time, _ = exchange_time_text(trade.exit_ns).split(" ")
    return (
        f"{entry_date} {entry_time}",
        exit_time if exit_date == entry_date else f"{exit_date} {exit_time}",
        decimal_text(trade.qty), decimal_text(trade.entry_price),
        decimal_text(trade.exit_price), f"{trade.pnl_usd:+.2f}", trade.exit_reason,
    )  # fmt: skip
