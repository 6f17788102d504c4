"""`mqd status`: how the desk stands, from its journal; works while the desk runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from mqd.cli.options import FormatOption, JournalOption, TableFormat

if TYPE_CHECKING:
    from mqd.cli.sections import Section
    from mqd.model.order import Order
    from mqd.publish.status import DeskStatus, Standing

_SQLITE = "sqlite:///"


def status(database: JournalOption = None, form: FormatOption = TableFormat.text) -> None:
    """Show the desk's state, positions, working orders, protections and today's results."""
    from mqd.app.run import latest_journal_url
    from mqd.app.status import desk_status
    from mqd.cli.console import print_trimmed, stdout_console
    from mqd.cli.sections import print_sections
    from mqd.runtime.clock import SystemClock
    from mqd.store.journal import open_journal

    with open_journal(database or latest_journal_url(), SystemClock(), write=False) as journal:
        found = desk_status(journal, journal.name.removeprefix(_SQLITE))
    if form is TableFormat.json:
        typer.echo(json.dumps(found.to_json(), indent=1))
        return
    console = stdout_console()
    title = f"The desk is {found.desk_state}, profile {found.profile}"
    print_trimmed(console, lambda: print_sections(console, title, _sections(found)))


def _sections(found: DeskStatus) -> list[Section]:
    from mqd.cli.sections import Section
    from mqd.cli.status_account import account_sections
    from mqd.cli.status_rules import distance_sections, protections_section

    return [
        Section("Now", facts=(*_stopped(found), *_now(found), *_compared(found))),
        _positions(found),
        _working(found),
        protections_section(found),
        _strategies(found),
        *account_sections(found),
        *distance_sections(found),
        Section(
            "The record",
            facts=(
                ("journal", found.journal),
                ("events", f"{found.events:,}"),
                ("rules", found.rules_digest),
            ),
        ),
    ]


def _stopped(found: DeskStatus) -> list[tuple[str, str]]:
    """What a person or an incident has done to the desk, and since when."""
    facts = []
    if found.standing is not None:
        facts.append((f"{found.desk_state} since", standing_text(found.standing)))
    facts += [
        (f"{item.strategy} is off since", standing_text(item.standing))
        for item in found.switched_off
    ]
    return facts


def standing_text(standing: Standing) -> str:
    """Since when, by whom, why, and by which rule."""
    from mqd.cli.happenings import both_times

    rule = f" ({standing.rule})" if standing.rule else ""
    why = f": {standing.why}" if standing.why else ""
    return f"{both_times(standing.since_ns)}, by {standing.by or 'nobody known'}{why}{rule}"


def _compared(found: DeskStatus) -> list[tuple[str, str]]:
    from mqd.cli.happenings import both_times

    text = "not yet"
    if found.compared is not None:
        last = found.compared
        text = f"{both_times(last.at_ns)}, {last.verdict}, {last.differences} differences"
        if last.refusals:
            text += f", refused by {', '.join(last.refusals)}"
    facts = [("compared with broker", text), *_lines(found)]
    if found.compared is not None and not found.is_in_step:
        facts.append(("in step", "no: nothing is opened until a comparison says so"))
    if found.unproved:
        ids = ", ".join(order.client_order_id for order in found.unproved)
        facts.append(("outcome unknown", ids))
    return facts


def _lines(found: DeskStatus) -> list[tuple[str, str]]:
    """What does not come in, and since when."""
    from mqd.cli.happenings import both_times

    facts = [
        (f"{item.stream} is down since", both_times(item.since_ns))
        for item in found.lines.streams_down
    ]
    facts.append(("breaker", _breaker(found)))
    for what, trouble in (
        ("no answer since", found.lines.unanswered),
        ("locked out since", found.lines.locked_out),
    ):
        if trouble is not None:
            facts.append((what, f"{both_times(trouble.since_ns)}: {trouble.reason}"))
    return facts


def _breaker(found: DeskStatus) -> str:
    """Its state, since when and why; nothing more of one that never moved."""
    from mqd.cli.happenings import both_times

    moved = found.lines.breaker_moved
    if moved is None or moved.to_state != found.breaker:
        return found.breaker or "not yet"
    return f"{found.breaker} since {both_times(moved.at_ns)}: {moved.text}"


def _now(found: DeskStatus) -> list[tuple[str, str]]:
    from mqd.cli.happenings import both_times
    from mqd.cli.status_account import series_facts
    from mqd.ground.units import PRICE
    from mqd.publish.figures import counts_text, exact, fact_text, signed_usd
    from mqd.publish.recorded_values import finite

    bar = found.last_bar
    last = "none yet"
    if bar is not None:
        close = fact_text(finite(bar.close), PRICE)
        last = f"{both_times(bar.at_ns)}, {bar.symbol} {close}"
    pnl, realised = signed_usd(exact(found.pnl_usd)), signed_usd(found.realised_usd)
    word = "open" if found.session_is_open else "closed"
    return [
        ("session", f"{found.session}, {word}" if found.session else "none yet"),
        ("last bar", last),
        ("P&L of the session", f"{pnl} USD, of it realised {realised} USD"),
        ("data defects", counts_text(found.defects) or "none in this session"),
        ("bars set aside", counts_text(found.aside) or "none in this session"),
        *((f"regime of {symbol}", regime) for symbol, regime in found.regimes),
        *series_facts(found),
        *(("idle, out of the ordinary", note.text) for note in found.idle),
    ]


def _positions(found: DeskStatus) -> Section:
    from mqd.cli.sections import Section
    from mqd.ground.canonical import decimal_text
    from mqd.publish.figures import duration_text, price_text, signed_usd

    unwatched = {item[:2]: duration_text(item.unprotected_s) for item in found.unwatched}
    columns = ("Symbol", "Strategy", "Qty", "Entry", "Last", "Unrealised USD", "Unwatched")
    rows = tuple(
        (held.symbol, held.strategy, decimal_text(held.qty), price_text(held.entry_price),
         price_text(held.last_close), signed_usd(held.unrealised_usd),
         unwatched.get((held.strategy, held.symbol), "-"))
        for held in found.positions
    )  # fmt: skip
    said = () if rows else ("none",)
    return Section("Positions", said, columns=columns, rows=rows, numbers=frozenset(columns[2:]))


def _working(found: DeskStatus) -> Section:
    from mqd.cli.happenings import both_times
    from mqd.cli.sections import Section
    from mqd.ground.canonical import decimal_text

    columns = ("Order", "State", "Side", "Qty", "Filled", "Since")
    rows = tuple(
        (order.client_order_id, order.state, _side_text(order), decimal_text(order.qty),
         decimal_text(order.filled_qty), both_times(order.created_ns))
        for order in found.working
    )  # fmt: skip
    said = () if rows else ("none",)
    numbers = frozenset({"Qty", "Filled"})
    return Section("Working orders", said, columns=columns, rows=rows, numbers=numbers)


def _side_text(order: Order) -> str:
    from mqd.publish.figures import price_text

    return order.side + (f", stop {price_text(order.stop_price)}" if order.stop_price else "")


def _strategies(found: DeskStatus) -> Section:
    from mqd.cli.sections import Section
    from mqd.publish.figures import signed_usd

    columns = ("Strategy", "Status", "Life", "May trade", "Entries", "Realised USD")
    rows = tuple(
        (item.strategy, item.status, f"{item.life} {item.life_row}".strip() or "-",
         "yes" if item.enabled else "no", str(item.entries_today),
         signed_usd(item.pnl_today_usd))
        for item in found.strategies
    )  # fmt: skip
    return Section("Strategies today", (), (), columns, rows, frozenset(columns[4:]))
