"""The summary of a run, for people: the same tables on a terminal and in a pipe."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from mqd.cli.happenings import both_times, clock_of
from mqd.cli.journal_lines import end_text, strategy_text
from mqd.feeds.calendar import exchange_datetime
from mqd.ground.canonical import decimal_text
from mqd.ground.times import iso_utc
from mqd.model.decision import AllocationChanged
from mqd.publish.figures import counts_text, price_text, share_text, signed_usd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from decimal import Decimal

    from rich.console import Console, RenderableType

    from mqd.model.position import Trade
    from mqd.publish.api_calls import ApiCalls
    from mqd.publish.summary import RunSummary, StrategySummary

_WIDE = 100
_LABEL_WIDTH = 14  # two blanks and twelve letters: a digest still fits beside it in 80 columns
SYNTHETIC = "synthetic samples, made up by a formula, not market data"


def print_summary(console: Console, summary: RunSummary, calls: ApiCalls | None = None) -> None:
    """Print everything the end of a run has to say."""
    console.print(_heading(f"Summary: {summary.label.ended}"))
    console.print(_facts(_what_ran(summary)))
    console.print(_heading("Trades"))
    if summary.trades:
        console.print(_trades(summary.trades, wide=console.width >= _WIDE))
    console.print(_facts(_results(summary)))
    for strategy in summary.strategies:
        console.print(_heading(f"Why it did not trade: {strategy.strategy}"))
        console.print(Text("  (a bar can have several reasons)", "dim"))
        console.print(_reasons(strategy))
    console.print(_heading("The desk"))
    console.print(_facts(_desk(summary)))
    if calls is not None:
        console.print(_heading("Asked of the broker"))
        console.print(_facts(list(calls.facts())))
    console.print(_heading("The record"))
    console.print(_facts(_record(summary)))


def money(amount: Decimal, unit: str = " USD") -> Text:
    """Money with its sign, in the colour of its sign."""
    style = "green" if amount > 0 else "red" if amount < 0 else ""
    return Text(f"{signed_usd(amount)}{unit}", style)


def _heading(text: str) -> Text:
    return Text(f"\n{text}", "bold")


def _facts(rows: Iterable[tuple[str, RenderableType]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", min_width=_LABEL_WIDTH, no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(f"  {name}", value)
    return table


def _what_ran(summary: RunSummary) -> list[tuple[str, RenderableType]]:
    label = summary.label
    sessions = summary.sessions
    days = f" ({sessions[0]} to {sessions[-1]})" if len(sessions) > 1 else ""
    rows: list[tuple[str, RenderableType]] = [
        ("bars from", SYNTHETIC if label.is_synthetic else ", ".join(label.bars)),
        ("sessions", f"{len(sessions)} opened, {summary.sessions_closed} closed{days}"),
        ("bars", f"{summary.bars_counted:,} counted, {summary.bars_aside:,} set aside"),
    ]
    if label.going_on_after_ns is not None:
        rows.insert(0, ("goes on from", both_times(label.going_on_after_ns)))
    if summary.aside:
        rows.append(("set aside", counts_text(summary.aside)))
    if summary.defects:
        rows.append(("feed defects", counts_text(summary.defects)))
    return rows


def _trades(trades: tuple[Trade, ...], *, wide: bool) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    several = len({trade.strategy for trade in trades}) > 1
    names = ["  Date", "Entry ET", *(["(UTC)"] if wide else []), "Exit ET"]
    names += ["(UTC)"] if wide else []
    for name in names:
        table.add_column(name, no_wrap=True)
    for name in ("Qty", "Entry", "Exit", "P&L USD"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Reason")
    if several:
        table.add_column("Strategy")
    for trade in trades:
        entered, left = exchange_datetime(trade.entry_ns), exchange_datetime(trade.exit_ns)
        same_day = entered.date() == left.date()
        cells: list[RenderableType] = [f"  {entered:%Y-%m-%d}", clock_of(trade.entry_ns)]
        cells += [_utc_clock(trade.entry_ns)] if wide else []
        cells.append(clock_of(trade.exit_ns) if same_day else f"{left:%Y-%m-%d %H:%M}")
        cells += [_utc_clock(trade.exit_ns)] if wide else []
        cells += [decimal_text(trade.qty), price_text(trade.entry_price)]
        cells += [price_text(trade.exit_price), money(trade.pnl_usd, ""), trade.exit_reason]
        table.add_row(*cells, *([trade.strategy] if several else []))
    return table


def _utc_clock(at_ns: int) -> Text:
    return Text(f"{iso_utc(at_ns)[11:16]}Z", "dim")


def _results(summary: RunSummary) -> list[tuple[str, RenderableType]]:
    count = len(summary.trades)
    won = f"{summary.won} of {count} ({share_text(summary.won, count)})" if count else "no trades"
    rows: list[tuple[str, RenderableType]] = [
        ("trades", f"{count}"),
        ("P&L", money(summary.pnl_usd)),
        ("won", won),
    ]
    for held in summary.open_positions:
        text = Text(
            f"{decimal_text(held.qty)} {held.symbol} bought at {price_text(held.entry_price)}, "
            f"last {price_text(held.last_close)}, "
        )
        rows.append(("still open", text.append_text(money(held.unrealised_usd))))
    return rows


def _reasons(strategy: StrategySummary) -> Table:
    """The distribution of NO-TRADE codes; the outcomes stand below."""
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("  Code", no_wrap=True)
    table.add_column("Bars", justify="right")
    table.add_column("Share", justify="right", no_wrap=True)
    table.add_column("Because", overflow="fold")
    for reason in sorted(strategy.no_trade, key=lambda reason: -reason.bars):
        share = share_text(reason.bars, strategy.bars)
        style = "" if reason.bars else "dim"
        table.add_row(
            f"  {reason.code}", f"{reason.bars:,}", share, Text(reason.because, "dim"), style=style
        )
    outcomes = counts_text(strategy.outcomes)
    table.caption = f"  {strategy.bars:,} bars decided: {outcomes}"
    table.caption_justify = "left"
    table.caption_style = "dim"
    return table


def _desk(summary: RunSummary) -> list[tuple[str, RenderableType]]:
    tripped = [f"{note.name} at {both_times(note.at_ns)} until {end_text(note)}"
               for note in summary.tripped]  # fmt: skip
    incidents = [f"{both_times(note.at_ns)} {note.error}: {note.message}"
                 for note in summary.incidents]  # fmt: skip
    return [
        ("refused", counts_text(summary.refused) or "no entry"),
        ("protections", "\n".join(tripped) or "none tripped"),
        ("strategies", "\n".join(_strategies(summary)) or "none moved"),
        ("incidents", Text("\n".join(incidents), "red") if incidents else "none"),
        ("desk state", summary.desk_state),
        ("orders", counts_text(summary.order_states) or "none"),
    ]


def _strategies(summary: RunSummary) -> Iterator[str]:
    """Every move and promotion; of changed shares, which may be many, the first and the last."""
    changes: dict[str, list[AllocationChanged]] = {}
    for note in summary.strategy_news:
        if isinstance(note, AllocationChanged):
            changes.setdefault(note.strategy, []).append(note)
        else:
            yield f"{both_times(note.at_ns)} {strategy_text(note)}"
    for strategy, notes in changes.items():
        was, now = (decimal_text(s * 100) for s in (notes[0].from_share, notes[-1].to_share))
        why = counts_text(Counter(note.why for note in notes).most_common())
        yield f"{strategy} may use {now} % of the account, at the start {was} % ({why})"


def _record(summary: RunSummary) -> list[tuple[str, RenderableType]]:
    label = summary.label
    return [
        ("bar decided", _latency_text(summary.latency_us, "decided")),
        ("order sent", _latency_text(summary.latency_with_orders_us, "durable")),
        ("rules", summary.rules_digest),
        ("profile", label.profile),
        ("journal", label.journal),
        ("look further", f"mqd why --db {label.journal}"),
        ("", f"mqd journal verify --db {label.journal}"),
    ]


def _latency_text(latency_us: dict[str, float], until: str) -> str:
    if not latency_us:
        return "nothing to measure"
    shown = "  ".join(f"{name} {value:,.0f}" for name, value in latency_us.items())
    return f"{shown}  microseconds, {until}"
