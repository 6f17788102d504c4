"""The attribution report in words, section by section."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from mqd.cli.happenings import both_times
from mqd.cli.sections import Section
from mqd.ground.canonical import decimal_text
from mqd.publish.figures import price_text, share_text, signed_usd

if TYPE_CHECKING:
    from mqd.publish.attribution import AttributionReport, EndedEntry, Group, TradeAttribution

TITLE = "Whose result each trade was"
_NOT_KNOWN = "-"
_FINE = Decimal("0.0001")
_GROUP_COLUMNS = ("Trades", "Won", "Share", "P&L USD", "At decided prices USD", "Slippage USD")
_TRADE_COLUMNS = (
    "Entry", "Tag", "Counts as", "Regime", "P&L USD", "Signal", "Execution", "Entry slip",
    "Exit slip", "Beyond stop", "Planned risk", "Beyond plan", "Failure regimes",
)  # fmt: skip


def sections_of(found: AttributionReport) -> list[Section]:
    """The whole report."""
    if not found.trades and not found.entries:
        return [Section("Trades", ("none has finished yet",)), _record(found)]
    return [
        Section(
            "In short",
            (
                "Results of trading and of execution are kept apart, as the rules have each end.",
                "Slippage is what the fills cost against the prices that were decided on.",
            ),
        ),
        _groups("By kind of result", "Counts as", found.by_kind),
        _groups("By what ended the trade", "Tag", found.by_tag),
        _groups("By regime of the market", "Regime", found.by_regime),
        _groups("By strategy", "Strategy", found.by_strategy),
        _groups("By failure regime", "Failure regime", found.by_failure),
        Section("Planned risk and realised loss", facts=tuple(_risk(found))),
        _trades(found),
        entries_section(found.entries),
        _record(found),
    ]


def _groups(title: str, name: str, groups: tuple[Group, ...]) -> Section:
    if not groups:
        return Section(title, ("none",))
    rows = tuple(
        (group.name, f"{group.trades:,}", f"{group.won:,}", share_text(group.won, group.trades),
         signed_usd(group.pnl_usd), signed_usd(group.signal_usd),
         signed_usd(group.slippage_usd.copy_negate()))
        for group in groups
    )  # fmt: skip
    return Section(title, (), (), (name, *_GROUP_COLUMNS), rows, frozenset(_GROUP_COLUMNS))


def _risk(found: AttributionReport) -> Iterator[tuple[str, str]]:
    risk = found.risk
    yield "losing trades", f"{risk.losing:,}, of them beyond the planned risk {risk.over_plan:,}"
    if risk.mean is not None and risk.worst is not None:
        yield "lost, as a multiple of the plan, in the mean", _fine(risk.mean)
        for percent, value in risk.percentiles:
            yield f"{percent} of 100 lost at most", _fine(value)
        yield "the worst", _fine(risk.worst)
    yield "lost beyond planned stops, together", f"{signed_usd(-found.beyond_stop_usd)} USD"


def _trades(found: AttributionReport) -> Section:
    rows = tuple(_trade(item) for item in found.trades)
    numbers = frozenset(_TRADE_COLUMNS[4:12])
    return Section("Trades", () if rows else ("none",), (), _TRADE_COLUMNS, rows, numbers)


def _trade(item: TradeAttribution) -> tuple[str, ...]:
    risk = item.risk
    return (
        both_times(risk.trade.entry_ns), item.tag, item.counts_as, item.regime,
        signed_usd(risk.trade.pnl_usd), _percent(item.signal_quality),
        _percent(item.execution_quality), _price(item.entry_slippage), _price(item.exit_slippage),
        _price(item.beyond_stop), _price(risk.planned_usd), _price(risk.beyond_usd),
        ", ".join(item.failures) or _NOT_KNOWN,
    )  # fmt: skip


def entries_section(entries: tuple[EndedEntry, ...]) -> Section:
    """Entries that ended without all of their shares, and how each is known to fail."""
    title = "Entries that ended short of their shares"
    rows = tuple(_entry(item) for item in entries)
    columns = ("Made", "Order", "State", "Qty", "Filled", "Failure regimes")
    return Section(
        title, () if rows else ("none",), (), columns, rows, frozenset({"Qty", "Filled"})
    )


def _entry(item: EndedEntry) -> tuple[str, ...]:
    order = item.order
    return (
        both_times(order.created_ns), order.client_order_id, order.state, decimal_text(order.qty),
        decimal_text(order.filled_qty), ", ".join(item.failures) or _NOT_KNOWN,
    )  # fmt: skip


def _record(found: AttributionReport) -> Section:
    return Section("The record", facts=(("journal", found.journal),))


def _price(value: Decimal | None) -> str:
    return _NOT_KNOWN if value is None else price_text(value.quantize(_FINE))


def _percent(value: Decimal | None) -> str:
    return _NOT_KNOWN if value is None else f"{value * 100:+.3f} %"


def _fine(value: Decimal) -> str:
    return f"{value:.2f}"
