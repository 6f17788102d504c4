"""What one step gathers on its way through the engine; at its end it becomes the outcome."""

from __future__ import annotations

from mqd.engine.orders import TransactionLog
from mqd.engine.state import DeskState
from mqd.model.command import Command
from mqd.model.decision import Decision, Note, Outcome
from mqd.model.position import ZERO, Trade


class Step:
    """What one step gathers: it becomes the outcome.

    `booked` are the positions that the ledger moved, `cash_moved_usd` by how much by the
    executions themselves; `state_before` is the desk's state when the step began.
    """

    __slots__ = (
        "at_ns", "booked", "cash_before_usd", "cash_moved_usd", "commands", "decisions",
        "log", "notes", "state_before", "trades",
    )  # fmt: skip

    def __init__(self, at_ns: int, state: DeskState) -> None:
        self.at_ns = at_ns
        self.state_before = state.state_name
        self.booked: list[tuple[str, str]] = []
        self.cash_before_usd = state.ledger.cash_delta_usd
        self.cash_moved_usd = ZERO
        self.decisions: list[Decision] = []
        self.log = TransactionLog()
        self.trades: list[Trade] = []
        self.notes: list[Note] = []
        self.commands: list[Command] = []

    def outcome(self) -> Outcome:
        """The step as an outcome; of most bars there is nothing but decisions."""
        if not (self.commands or self.notes or self.trades or self.log.entries):
            return Outcome(tuple(self.decisions))
        return Outcome(
            tuple(self.decisions),
            tuple(self.log.entries),
            tuple(self.trades),
            tuple(self.notes),
            tuple(self.commands),
        )
