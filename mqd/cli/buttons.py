"""The buttons: `mqd halt`, `reduce`, `flatten`, `resume`; of a strategy `disable` and others; of a
protection `rearm`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mqd.cli.options import JournalOption
from mqd.ground.errors import SettingsError

if TYPE_CHECKING:
    from mqd.app.operate import Pressed
    from mqd.model.command import Command, SubmitOrder
    from mqd.model.order import Order
    from mqd.publish.status import DeskStatus

_WAIT_S = 5.0
_SQLITE = "sqlite:///"
_REFUSED = "refused: "  # what the desk puts before the reason

ByOption = Annotated[str, typer.Option("--by", metavar="NAME", help="Your name; it is journaled.")]
ReasonOption = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why you do it; it is journaled.")
]
ProtectionArgument = Annotated[
    str,
    typer.Argument(
        metavar="PROTECTION", help="Its id in the rules, or ID/STRATEGY as `mqd status` shows it."
    ),
]
StrategyArgument = Annotated[str, typer.Argument(metavar="STRATEGY", help="Its id in the rules.")]


def halt(by: ByOption, reason: ReasonOption, database: JournalOption = None) -> None:
    """Stop opening: entries are asked back, exits go on. Stays until somebody resumes it."""
    press_button("halt", "", by, reason, database)


def reduce(by: ByOption, reason: ReasonOption, database: JournalOption = None) -> None:
    """Open nothing more; what works may end by itself, exits go on."""
    press_button("reduce", "", by, reason, database)


def flatten(by: ByOption, reason: ReasonOption, database: JournalOption = None) -> None:
    """Close every position of the desk, ask its entries back, and open nothing more."""
    press_button("flatten", "", by, reason, database)


def resume(by: ByOption, reason: ReasonOption, database: JournalOption = None) -> None:
    """Let a stopped desk open positions again, and say what it was stopped for and by whom."""
    press_button("resume", "", by, reason, database)


def disable(
    strategy: StrategyArgument,
    by: ByOption,
    reason: ReasonOption,
    database: JournalOption = None,
) -> None:
    """Switch one strategy off, now: it opens nothing, its exits go on."""
    press_button("disable", strategy, by, reason, database)


def enable(
    strategy: StrategyArgument,
    by: ByOption,
    reason: ReasonOption,
    database: JournalOption = None,
) -> None:
    """Put a strategy back that was switched off, flagged, paused or retired."""
    press_button("enable", strategy, by, reason, database)


def rearm(
    protection: ProtectionArgument,
    by: ByOption,
    reason: ReasonOption,
    database: JournalOption = None,
) -> None:
    """Arm a protection again whose block ends by a person's word only."""
    press_button("rearm", protection, by, reason, database)


def approve(
    strategy: StrategyArgument,
    by: ByOption,
    reason: ReasonOption,
    database: JournalOption = None,
) -> None:
    """Agree that a strategy has more to work with from the next session on, where its record was
    good enough to ask.
    """
    press_button("approve", strategy, by, reason, database)


def press_button(action: str, strategy: str, by: str, reason: str, database: str | None) -> None:
    """Press it, say what came of it, and exit with 1 where the desk did not do it."""
    from mqd.app.kill_file import is_there, kill_file
    from mqd.app.operate import Button, press
    from mqd.app.run import latest_journal_url
    from mqd.runtime.clock import SystemClock

    button = Button(action, strategy, signed("--by", by), signed("--reason", reason))
    place = database or latest_journal_url()
    file = kill_file("", place)
    if action in {"resume", "flatten"} and file is not None and is_there(file):
        typer.echo(f"mqd: {file} is there and halts the desk: remove it, then {action}", err=True)
        raise typer.Exit(1)
    pressed = press(place, button, SystemClock(), _WAIT_S)
    for line in _lines(button.action, button.strategy, pressed, database):
        typer.echo(line)
    if pressed.unread or (pressed.after is not None and not pressed.obeyed):
        raise typer.Exit(1)


def signed(option: str, text: str) -> str:
    """A name or a reason on one line.

    Raises:
        SettingsError: it says nothing, or holds what no terminal shows.
    """
    line = " ".join(text.split())
    if not line or not line.isprintable():
        raise SettingsError(f"{option}: expected {'a name' if option == '--by' else 'a reason'}")
    return line


def _lines(action: str, strategy: str, pressed: Pressed, database: str | None) -> list[str]:
    from mqd.cli.status import standing_text

    before, after = pressed.before, pressed.after
    lines = []
    if action == "resume" and before is not None and before.standing is not None:
        lines.append(f"it was {before.desk_state} since {standing_text(before.standing)}")
    if pressed.unread:
        lines.append(f"taken by the desk; what came of it cannot be told: {pressed.unread}")
        return lines
    if after is None:
        lines.append("written; the desk takes it with its next event")
        return lines
    if not pressed.obeyed:
        lines.append(f"not done: {pressed.result.removeprefix(_REFUSED)}")
        if after.standing is not None:
            lines.append(f"desk is {after.desk_state} since {standing_text(after.standing)}")
    elif strategy:
        lines.append(f"taken: {pressed.result}; desk is {after.desk_state}")
    else:
        lines += [f"taken: desk is {after.desk_state}", pressed.result, pressed.means]
    if not pressed.is_running:
        lines += _next_start(after, pressed, database)
    return lines


def _next_start(after: DeskStatus, pressed: Pressed, database: str | None) -> list[str]:
    """What a desk that does not run now does when it is started."""
    from mqd.app.settings import WITH_A_BROKER
    from mqd.store.database import shown

    place = shown(database or after.journal.removeprefix(_SQLITE))
    config = f"--config {after.profile} " if after.profile in WITH_A_BROKER else ""
    word = f"mqd run {config}--db {place}"
    lines = [f"no desk runs on this journal; `{word}` starts {after.desk_state}"]
    lines += [f"  and then: {command_text(command)}" for command in pressed.kept]
    lines += [f"  when that has ended: {_order_text(order)}" for order in pressed.waiting]
    return lines


def _order_text(order: SubmitOrder | Order) -> str:
    from mqd.ground.canonical import decimal_text

    shares = f"{decimal_text(order.qty)} {order.symbol}"
    stop = f" at a stop of {decimal_text(order.stop_price)}" if order.stop_price else ""
    return f"{order.side} {shares}{stop} ({order.client_order_id})"


def command_text(command: Command) -> str:
    """A command in words."""
    from mqd.model.command import CancelOrder, LookUpOrder, SubmitOrder

    match command:
        case SubmitOrder():
            return _order_text(command)
        case CancelOrder():
            return f"ask {command.client_order_id} back"
        case LookUpOrder():
            return f"ask what became of {command.client_order_id}"
    return "compare itself with the broker"
