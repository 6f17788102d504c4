"""What a session asked of the broker, beside what a desk without streams would have asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mqd.engine.state import DeskState
from mqd.model.command import SubmitOrder
from mqd.model.decision import Outcome
from mqd.model.event import BarClosed, Event
from mqd.publish.figures import counts_text
from mqd.publish.summary import ranked

STANDING_KINDS = frozenset({"account", "fills", "look_up", "orders", "positions"})
"""The calls that ask how things stand; a desk that polls makes others in their place."""
_EACH_CYCLE = 2
"""Without streams: the account, and what is held of the bar's symbol, before each decision."""


class ApiCalls(NamedTuple):
    """Calls by kind, and over how many cycles (one a bar) they were made.

    `busiest_minute` is the most in any 60 seconds; `order_questions` is how many calls it takes
    to ask once in each cycle after each order that was at work in it.
    """

    by_kind: Mapping[str, int]
    busiest_minute: int
    cycles: int
    order_questions: int

    @property
    def total(self) -> int:
        """All calls."""
        return sum(self.by_kind.values())

    @property
    def per_cycle(self) -> float | None:
        """Calls in the mean of all cycles, None before the first cycle."""
        return self.total / self.cycles if self.cycles else None

    @property
    def total_by_polling(self) -> int:
        """The calls of a desk that does the same and hears nothing by itself.

        In each cycle it asks after the account, the position in the bar's symbol and each order
        at work. It has no need of comparisons, so this desk's stand on one side only.
        """
        other = sum(count for kind, count in self.by_kind.items() if kind not in STANDING_KINDS)
        return other + _EACH_CYCLE * self.cycles + self.order_questions

    @property
    def reduction_pct(self) -> float | None:
        """By how much fewer calls there were than by polling; below 0: more. None: no calls."""
        polled = self.total_by_polling
        return (polled - self.total) / polled * 100 if polled else None

    def to_json(self) -> dict[str, Any]:
        """The calls for a program."""
        return {
            "calls": self.total,
            "by_kind": dict(ranked(self.by_kind)),
            "busiest_minute": self.busiest_minute,
            "cycles": self.cycles,
            "calls_per_cycle": self.per_cycle,
            "calls_by_polling": self.total_by_polling,
            "reduction_pct": self.reduction_pct,
        }

    def facts(self) -> Iterator[tuple[str, str]]:
        """The calls in words: a name and what it is."""
        yield "calls", f"{self.total:,}"
        yield "by kind", counts_text(ranked(self.by_kind)) or "none"
        yield "busiest minute", f"{self.busiest_minute:,}"
        if self.per_cycle is not None:
            yield "per cycle", f"{self.per_cycle:.2f} in {self.cycles:,} cycles"
        if self.reduction_pct is not None:
            how = "fewer" if self.reduction_pct >= 0 else "more"
            yield (
                "against polling",
                f"{abs(self.reduction_pct):.1f} % {how} than {self.total_by_polling:,}",
            )


class CycleWatch:
    """A watcher of the loop: how many cycles there were, and the orders at work in each."""

    def __init__(self) -> None:
        self.cycles = 0
        self._questions = 0
        self._at_work: set[str] = set()

    @property
    def order_questions(self) -> int:
        """The orders of every cycle, the one under way included."""
        return self._questions + len(self._at_work)

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        """Note which orders are at work; a bar ends one cycle and begins the next."""
        if type(event) is BarClosed:
            self.cycles += 1
            self._questions += len(self._at_work)
            self._at_work = set(state.working)
        else:
            self._at_work |= state.working
        self._at_work.update(
            command.client_order_id
            for command in outcome.commands
            if isinstance(command, SubmitOrder)
        )

    def with_calls(self, by_kind: Mapping[str, int], busiest_minute: int) -> ApiCalls:
        """The cycles so far with the calls that the adapter counted in them."""
        return ApiCalls(dict(by_kind), busiest_minute, self.cycles, self.order_questions)
