"""The daily report in words, section by section."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from mqd.cli.closed_sentences import closed_sentences
from mqd.cli.happenings import both_clocks, both_times, entered_text
from mqd.cli.journal_lines import end_text, stop_text, strategy_text
from mqd.cli.sections import Section
from mqd.cli.tag_sections import tag_sections
from mqd.ground.canonical import decimal_text
from mqd.publish.figures import (
    counts_text,
    duration_text,
    price_text,
    ratio_text,
    share_text,
    signed_usd,
)

if TYPE_CHECKING:
    from mqd.publish.daily import DailyReport, Idle
    from mqd.publish.risk import TradeRisk

_CENT = Decimal("0.01")
_TRADE_COLUMNS = (
    "Entry ET (UTC)", "Exit ET (UTC)", "Symbol", "Qty", "Entry", "Exit", "P&L USD", "Planned risk",
    "Beyond plan", "Unwatched", "Reason",
)  # fmt: skip


def title_of(found: DailyReport) -> str:
    """What the report is of."""
    return f"Daily report, {found.date}"


def sections_of(found: DailyReport) -> list[Section]:
    """The whole report."""
    return [
        Section("The day", facts=tuple(_day(found))),
        _trades(found),
        *tag_sections(found),
        *(section for idle in found.idle for section in _idle(idle)),
        *(
            [
                Section(
                    "Idle, and out of the ordinary", tuple(item.text for item in found.out_of_band)
                )
            ]
            if found.out_of_band
            else []
        ),
        Section("Entries refused", (counts_text(found.refused) or "none",)),
        Section("Protections", tuple(_tripped(found)) or ("none tripped",)),
        Section("Strategies", tuple(_strategies(found)) or ("none moved",)),
        Section(
            "Data",
            facts=(
                ("defects found by the feed", counts_text(found.defects) or "none"),
                ("bars set aside", counts_text(found.aside) or "none"),
            ),
        ),
        Section("Incidents", tuple(_incidents(found)) or ("none",)),
        Section("Buttons", tuple(_heard(found)) or ("nobody pressed any",)),
        _compared(found),
        _acted(found),
        Section(
            "The record",
            facts=(("journal", found.journal), ("rules", ", ".join(found.rules_digests))),
        ),
    ]


def _day(found: DailyReport) -> Iterator[tuple[str, str]]:
    count = len(found.trades)
    yield "session", "closed" if found.sessions_closed else "not closed yet"
    yield "bars", f"{found.bars_counted:,} counted, {found.bars_aside:,} set aside"
    won = f", {found.won} won ({share_text(found.won, count)})" if count else ""
    yield "trades", f"{count}{won}"
    yield "P&L", f"{signed_usd(found.pnl_usd)} USD"
    for held in found.open_positions:
        bought = f"{decimal_text(held.qty)} {held.symbol} bought at {price_text(held.entry_price)}"
        now = f"last {price_text(held.last_close)}, {signed_usd(held.unrealised_usd)} USD"
        yield "still open", f"{bought}, {now}"
    yield "desk state", found.desk_state


def _trades(found: DailyReport) -> Section:
    if not found.trades:
        return Section("Trades", ("none",))
    numbers = frozenset(_TRADE_COLUMNS[3:10])
    rows = tuple(_trade_row(item, found.unprotected_s(item.trade)) for item in found.trades)
    said = (*_risk_sentences(found), *_stop_sentences(found))
    return Section("Trades", said, (), _TRADE_COLUMNS, rows, numbers)


def _trade_row(item: TradeRisk, unprotected_s: int | None) -> tuple[str, ...]:
    trade = item.trade
    return (
        entered_text(trade), both_clocks(trade.exit_ns), trade.symbol,
        decimal_text(trade.qty), price_text(trade.entry_price), price_text(trade.exit_price),
        signed_usd(trade.pnl_usd), _cents(item.planned_usd), _cents(item.beyond_usd),
        "-" if unprotected_s is None else duration_text(unprotected_s), trade.exit_reason,
    )  # fmt: skip


def _stop_sentences(found: DailyReport) -> Iterator[str]:
    """For how long the broker held no stop, and how well one was filled."""
    for item in found.trades:
        note = found.watched(item.trade)
        if note is not None and note.stop_after_ms is not None:
            yield (
                f"{item.trade.symbol} of {entered_text(item.trade)}: "
                f"{stop_text(note).removeprefix(', ')}."
            )


def _risk_sentences(found: DailyReport) -> Iterator[str]:
    """Planned against realised risk, in a sentence."""
    stopped = found.stopped
    if not stopped.trades:
        yield "No trade was stopped out: nothing tested the planned risk."
        return
    trades = "trade was" if stopped.trades == 1 else "trades were"
    mean = _cents(stopped.mean_loss_usd)
    times = "" if stopped.mean_of_plan is None else (
        f", {stopped.mean_of_plan.quantize(_CENT)} times the planned risk"
    )  # fmt: skip
    if stopped.trades == 1:
        told = "beyond the planned risk" if stopped.over_plan else "within the planned risk"
        lost = f"it lost {mean} USD"
    else:
        told = f"{stopped.over_plan} of them beyond the planned risk"
        lost = f"they lost {mean} USD on average"
    yield (
        f"{stopped.trades} {trades} stopped out, {told}; {lost}{times}. "
        f"A stop is looked at when a bar closes."
    )


def _idle(item: Idle) -> Iterator[Section]:
    bars = f"{item.bars:,} bars decided, {item.in_window:,} of them inside the entry window"
    sentences = [f"{bars}: {counts_text(item.outcomes)}. A bar can have several reasons."]
    sentences += closed_sentences(item.strategy, item.closed)
    for code, reads in item.always:
        if code in item.known:
            continue  # said above: there is nothing to look for
        sentences.append(
            f"Look here: all {item.in_window:,} bars inside the window were blocked by {code}. "
            f"Either the day was like that, or something is wrong with what it reads: "
            f"{', '.join(reads)}."
        )
    rows = tuple(
        (reason.code, f"{reason.bars:,}", share_text(reason.bars, item.bars), reason.because)
        for reason in sorted(item.reasons, key=lambda reason: -reason.bars)
        if reason.bars
    )
    columns = ("Reason", "Bars", "Share", "Because")
    yield Section(
        f"Why it did not trade: {item.strategy}", tuple(sentences), (), columns, rows,
        frozenset({"Bars", "Share"}),
    )  # fmt: skip


def _tripped(found: DailyReport) -> Iterator[str]:
    for note in found.tripped:
        yield (f"{note.name} tripped at {both_times(note.at_ns)}, it holds until {end_text(note)}")


def _strategies(found: DailyReport) -> Iterator[str]:
    for note in found.strategy_news:
        yield f"{both_times(note.at_ns)} {strategy_text(note)}"


def _incidents(found: DailyReport) -> Iterator[str]:
    for note in found.incidents:
        yield f"{both_times(note.at_ns)} {note.severity} {note.error}: {note.message}"
    for change in found.desk_changes:
        yield (
            f"{both_times(change.at_ns)} the desk went from {change.from_state} to "
            f"{change.to_state} ({change.rule})"
        )


def _heard(found: DailyReport) -> Iterator[str]:
    for note in found.heard:
        button = f"{note.action} {note.strategy}".rstrip()
        yield f"{both_times(note.at_ns)} {button}, by {note.by}: {note.reason}. {note.result}"


def _compared(found: DailyReport) -> Section:
    """What the comparisons with the broker came to, and every difference they found."""
    title = "Compared with the broker"
    if not found.comparisons:
        return Section(title, ("not on this day",))
    verdicts = Counter(item.verdict for item in found.comparisons)
    last = found.comparisons[-1]
    sentence = f"{counts_text(verdicts.most_common())}; the last one at {both_clocks(last.at_ns)}"
    if last.refusals:
        sentence += f", refused by {', '.join(last.refusals)}"
    columns = ("At", "Difference", "Of", "Desk", "Broker", "Share", "Done")
    rows = tuple(
        (both_clocks(drift.at_ns), drift.kind, drift.subject, decimal_text(drift.local),
         decimal_text(drift.broker), "-" if drift.share is None else ratio_text(drift.share),
         drift.done)
        for drift in found.drifts
    )  # fmt: skip
    return Section(title, (f"{sentence}.",), (), columns, rows, frozenset(columns[3:6]))


def _acted(found: DailyReport) -> Section:
    rows = tuple(
        (item.watch, item.code, item.act, f"{item.times:,}", item.because) for item in found.acted
    )
    columns = ("Watch", "Rule", "Did", "Times", "Because")
    said = () if rows else ("none had to act",)
    return Section("Watch rules that acted", said, (), columns, rows, frozenset({"Times"}))


def _cents(amount: Decimal | None) -> str:
    return "-" if amount is None else f"{amount.quantize(_CENT)}"
