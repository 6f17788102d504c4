"""The run as plain lines, for a pipe or a terminal without a cursor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from mqd.cli.happenings import Happening, Teller, both_times

if TYPE_CHECKING:
    from mqd.engine.state import DeskState
    from mqd.model.decision import Outcome
    from mqd.model.event import Event
    from mqd.rules.book import RuleBook


class PlainLines:
    """A watcher that prints what happens, as it happens."""

    def __init__(self, book: RuleBook) -> None:
        self._teller = Teller(book, order_states=False)
        self._now_ns = 0

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        """Print the lines of one event."""
        self._now_ns = max(self._now_ns, event.at_ns)
        _print(self._teller.told(event, outcome, state))

    def finish(self) -> None:
        """Print what has not been told yet."""
        _print(self._teller.left_over(self._now_ns))


def _print(happenings: Iterable[Happening]) -> None:
    for item in happenings:
        typer.echo(f"{both_times(item.at_ns)}  {item.text}")
