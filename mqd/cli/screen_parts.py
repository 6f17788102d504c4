"""What the screen shows, as lines of exactly one row each, so that nothing jumps or wraps."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from mqd.cli.happenings import Happening, Tone
from mqd.feeds.calendar import exchange_datetime, exchange_time_text
from mqd.ground.canonical import decimal_text
from mqd.ground.times import NS_PER_S, iso_utc
from mqd.model.order import ENTRY
from mqd.model.position import ZERO
from mqd.publish.figures import counts_text, duration_text, price_text, signed_usd
from mqd.publish.protection_status import ARMED, ProtectionStatus, protections_status
from mqd.publish.summary import open_positions, ranked, true_codes

if TYPE_CHECKING:
    from mqd.engine.state import DeskState
    from mqd.model.decision import Decision
    from mqd.model.order import Order
    from mqd.publish.summary import OpenPosition
    from mqd.publish.tally import Tally
    from mqd.rules.book import RuleBook, Strategy

_LABEL_WIDTH = 13
_LEAST_REASONS = 5
_MOST_REASONS = 7
_STYLES = {
    Tone.plain: "",
    Tone.quiet: "dim",
    Tone.good: "green",
    Tone.bad: "red",
    Tone.warning: "yellow",
}


class Shown(NamedTuple):
    """One frame's facts."""

    title: str
    book: RuleBook
    state: DeskState
    tally: Tally
    bars_to_come: int | None  # None: nobody knows
    decisions: dict[str, Decision]
    recent: tuple[Happening, ...]


def picture(shown: Shown, width: int, height: int) -> list[Text]:
    """The whole screen: `height` lines, none longer than `width`."""
    head = [*_head(shown, width), *_progress(shown, width), Text()]
    head += [
        *_money(shown.state),
        *_orders(shown.state),
        *_protections(shown),
        _data(shown),
        Text(),
    ]
    room = height - len(head) - 2
    reasons = max(_LEAST_REASONS, min(_MOST_REASONS * max(1, len(shown.decisions)), room // 2))
    lines = [*head, *_reasons(shown, reasons), Text()]
    lines += _recent(shown, height - len(lines))
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
        line.truncate(width, overflow="ellipsis")
    return lines[:height]


def _head(shown: Shown, width: int) -> list[Text]:
    name = _styled(" MiniQuantDesk", "bold")
    right = Text(f"{shown.title} ", "dim")
    gap = width - name.cell_len - right.cell_len
    return [
        name.append(" " * max(2, gap)).append_text(right),
        Text("─" * width, "dim"),
    ]


def _progress(shown: Shown, width: int) -> list[Text]:
    state, tally = shown.state, shown.tally
    session = state.session
    now = exchange_datetime(state.now_ns)
    line = _labelled("time").append(f"{now:%a %Y-%m-%d}  ").append(f"{now:%H:%M} ET", "bold")
    line.append(f"  {iso_utc(state.now_ns)[11:16]} UTC    ", "dim")
    gone_ns = min(state.now_ns, session.close_ns) - session.open_ns
    if session.is_open:
        left_s = max(0, session.close_ns - state.now_ns) // NS_PER_S
        line.append(f"{duration_text(left_s)} to the close")
    else:
        line.append("session closed", "dim")
    length_ns = session.close_ns - session.open_ns
    room = max(10, width - _LABEL_WIDTH - 27)
    whole = shown.bars_to_come
    of_whole = "" if whole is None else f" of {whole:,}"
    taken = f"{tally.bars:,}{of_whole}, session {len(tally.sessions)}"
    return [
        line,
        _labelled("session").append_text(_bar(gone_ns, length_ns, room))
        .append(f"  {_minutes(gone_ns)} of {_minutes(length_ns)} min", "dim"),
        _labelled("bars").append_text(_bar(tally.bars, whole or 0, room))
        .append(f"  {taken}", "dim"),
    ]  # fmt: skip


def _bar(part: int, whole: int, room: int) -> Text:
    full = max(0, min(room, part * room // whole)) if whole > 0 else 0
    return _styled("━" * full, "cyan").append("━" * (room - full), "bright_black")


def _minutes(duration_ns: int) -> int:
    return max(0, duration_ns) // (60 * NS_PER_S)


def _money(state: DeskState) -> list[Text]:
    held = open_positions(state)
    unrealised = sum((position.unrealised_usd for position in held), ZERO)
    realised = state.desk.realised_today
    line = _labelled("P&L today").append_text(_usd(realised + unrealised, "bold"))
    line.append("   realised ", "dim").append_text(_usd(realised))
    line.append("   unrealised ", "dim").append_text(_usd(unrealised))
    if not held:
        return [line, _labelled("position").append("none", "dim")]
    return [line, *(_held(position, state) for position in held)]


def _held(position: OpenPosition, state: DeskState) -> Text:
    line = _labelled("position").append(f"{decimal_text(position.qty)} {position.symbol}", "bold")
    line.append(
        f" @ {price_text(position.entry_price)}   last {price_text(position.last_close)}   "
    )
    line.append_text(_usd(position.unrealised_usd))
    stop = _stop_of(position, state)
    return line.append(f"   planned stop {price_text(stop)}", "dim") if stop else line


def _stop_of(position: OpenPosition, state: DeskState) -> Decimal | None:
    """The stop that the entry was made with; the newest entry is among the newest orders."""
    for order in islice(reversed(state.orders.values()), 20):
        if (order.strategy, order.symbol, order.role) == (
            position.strategy, position.symbol, ENTRY,
        ):  # fmt: skip
            return order.stop_loss
    return None


def _orders(state: DeskState) -> list[Text]:
    working = sorted(state.working)
    if not working:
        return [_labelled("orders").append("none working", "dim")]
    line = _labelled("orders").append_text(_order(state.orders[working[0]]))
    return [line.append(f"   and {len(working) - 1} more" if len(working) > 1 else "")]


def _order(order: Order) -> Text:
    filled = f", {decimal_text(order.filled_qty)} filled" if order.filled_qty else ""
    kind = order.type + (f" {price_text(order.stop_price)}" if order.stop_price else "")
    text = f"{order.side.upper()} {decimal_text(order.qty)} {order.symbol} {kind}{filled}  "
    return Text(text).append(order.state, "yellow")


def _protections(shown: Shown) -> list[Text]:
    """Those that stand in the way, each; of the others, how many watch."""
    line = _labelled("protections")
    found = protections_status(shown.state, shown.book)
    standing = [item for item in found if item.state != ARMED]
    for item in standing:
        line.append(f"{item.protection} ").append_text(_blocking(item)).append("   ")
    if not shown.book.protections:
        line.append("none in this run", "dim")
    elif len(standing) < len(found):
        line.append(f"{len(found) - len(standing)} ").append_text(Text("armed", "green"))
    if shown.state.state_name not in {"", shown.book.desk_machine.initial}:
        line.append(f"   desk {shown.state.state_name}", "bold red")
    if shown.state.breaker.state_name not in {"", shown.book.breaker_machine.initial}:
        line.append(f"   breaker {shown.state.breaker.state_name}", "yellow")
    return [line]


def _blocking(item: ProtectionStatus) -> Text:
    if item.until_ns is not None:
        return Text(f"tripped until {exchange_time_text(item.until_ns)[11:]}", "yellow")
    return Text(f"tripped {item.until}" if item.until else "blocks entries", "yellow")


def _data(shown: Shown) -> Text:
    tally = shown.tally
    parts = []
    if tally.bars_aside:
        parts.append(f"{tally.bars_aside:,} set aside ({counts_text(ranked(tally.aside))})")
    if tally.defects:
        parts.append(f"feed: {counts_text(ranked(tally.defects))}")
    return _labelled("data").append("; ".join(parts) or "no defects so far", "" if parts else "dim")


def _reasons(shown: Shown, most: int) -> list[Text]:
    """Exactly `most` lines and a heading: why nothing is opened now, per strategy."""
    lines: list[Text] = []
    names = sorted(shown.decisions)
    for name in names:
        decision = shown.decisions[name]
        strategy = shown.book.strategy(name)
        lines += _reasons_of(strategy, decision, shown.state)
    if len(lines) > most + 1:
        hidden = len(lines) - most
        lines = [*lines[:most], Text(f"   and {hidden} more", "dim")]
    if not lines:
        lines = [Text(" No decision yet", "bold")]
    return lines + [Text() for _ in range(most + 1 - len(lines))]


def _reasons_of(strategy: Strategy, decision: Decision, state: DeskState) -> list[Text]:
    facts = state.strategies.get(strategy.id)
    is_held = facts is not None and facts.position_open
    found = [rule for bit, rule in enumerate(strategy.no_trade) if decision.no_trade >> bit & 1]
    title = "Holding, no exit is true yet" if is_held else "Why no entry"
    if not found and not is_held:
        title = f"Entry: {decision.outcome.replace('_', ' ').lower()}"
    heading = _styled(f" {title}", "bold").append(f"  {strategy.id}", "dim")
    if is_held and decision.exits:
        codes = ", ".join(true_codes(strategy.exits, decision.exits))
        heading = _styled(f" Leaving: {codes}", "bold").append(f"  {strategy.id}", "dim")
    lines = [heading]
    rules: Iterable[tuple[str, str]] = [(rule.code, rule.because) for rule in found]
    if is_held:
        rules = [(rule.code, rule.because) for rule in strategy.exits]
    wide = max((len(code) for code, _ in rules), default=0)
    lines += [Text(f"   {code:<{wide}}  ").append(why, "dim") for code, why in rules]
    return lines


def _recent(shown: Shown, room: int) -> list[Text]:
    lines = [Text(" Last events", "bold")]
    newest = list(shown.recent)[-(room - 1):] if room > 1 else []  # fmt: skip
    for item in newest:
        moment = exchange_datetime(item.at_ns)
        line = _styled(f"   {moment:%m-%d %H:%M}  ", "dim")
        lines.append(line.append(item.text, _STYLES[item.tone]))
    return lines + [Text() for _ in range(room - len(lines))]


def _labelled(name: str) -> Text:
    return _styled(f" {name:<{_LABEL_WIDTH - 1}}", "dim")


def _styled(text: str, style: str) -> Text:
    """A piece of a line: unlike a style of the whole line, it does not reach what is appended."""
    return Text().append(text, style)


def _usd(amount: Decimal, style: str = "") -> Text:
    colour = "green" if amount > 0 else "red" if amount < 0 else ""
    return Text(signed_usd(amount), f"{style} {colour}".strip())
