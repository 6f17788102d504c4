"""How long orders took, by the desk's own clock: one row for each order, percentiles by session."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from io import StringIO
from typing import Any, NamedTuple

from mqd.ground.times import NS_PER_S, iso_utc
from mqd.publish.figures import PERCENTS, in_ms, nearest_rank
from mqd.rules.book import Limit
from mqd.rules.words.reporting import SLOWEST

SUBMITTED = "submitted"
ACKNOWLEDGED = "acknowledged"
FIRST_FILLED = "first_filled"
FILLED = "filled"
CANCEL_ASKED = "cancel_asked"
CANCEL_CONFIRMED = "cancel_confirmed"
INSTANTS = (SUBMITTED, ACKNOWLEDGED, FIRST_FILLED, FILLED, CANCEL_ASKED, CANCEL_CONFIRMED)

BAR_TO_DECISION = "bar_to_decision"
SPANS = {
    "submit_to_ack": (SUBMITTED, ACKNOWLEDGED),
    "submit_to_first_fill": (SUBMITTED, FIRST_FILLED),
    "submit_to_fill": (SUBMITTED, FILLED),
    "cancel_to_confirmed": (CANCEL_ASKED, CANCEL_CONFIRMED),
}
"""What is measured of an order, from which of its instants to which."""

CLOCK = (
    "Times are the desk's own: each tick and each message of a stream carries a reading of its "
    "clock. An execution carries the broker's clock and is dated by the message it came in. An "
    "answer to a request is dated by what it says, never before the reading before it nor after "
    "the next one."
)
NO_ORDER = "No order was sent in this session."
SIMULATED = (
    "No message of a broker's stream came: the broker was simulated and answers in no time of its "
    "own, so these times say nothing about a real broker."
)
NO_CLOCK = "The desk's clock was not read here, so bar to decision cannot be told."
BEFORE_ANY = "before the first session"


@dataclass(slots=True)
class OrderTimes:
    """One order: `at_ns` has each instant that came, None where it came and cannot be dated yet.

    `decided_ns` is the instant of what the order was decided on, such as the end of its bar. What
    an order was sent again for counts into its times: they begin when it was sent first.
    """

    session: str
    order_id: str
    strategy: str
    symbol: str
    side: str
    role: str
    decided_ns: int
    state: str = ""
    at_ns: dict[str, int | None] = field(default_factory=dict)
    times_sent: int = 0
    look_ups: int = 0
    unknown_outcomes: int = 0

    def span_ns(self, name: str) -> int | None:
        """How long one of `SPANS` took, None where an end of it is not known."""
        start_ns, end_ns = (self.at_ns.get(instant) for instant in SPANS[name])
        return None if start_ns is None or end_ns is None else max(0, end_ns - start_ns)

    def row(self) -> dict[str, Any]:
        """The order for a program: times in UTC, spans in milliseconds, None where not known."""
        told = {name: self.at_ns.get(name) for name in INSTANTS}
        return {
            "session": self.session,
            "order_id": self.order_id,
            "strategy": self.strategy,
            "symbol": self.symbol,
            "side": self.side,
            "role": self.role,
            "state": self.state,
            "decided_at": iso_utc(self.decided_ns),
            **{f"{name}_at": None if at is None else iso_utc(at) for name, at in told.items()},
            **{f"{name}_ms": in_ms(self.span_ns(name)) for name in SPANS},
            "times_sent": self.times_sent,
            "look_ups": self.look_ups,
            "unknown_outcomes": self.unknown_outcomes,
        }


COLUMNS = tuple(OrderTimes("", "", "", "", "", "", 0).row())


class Slow(NamedTuple):
    """A step that took longer than the rules say it may, 95 times of 100; in nanoseconds."""

    step: str
    p95_ns: int
    most_ns: int

    @property
    def text(self) -> str:
        """It in words."""
        return f"{self.step} p95 {in_ms(self.p95_ns):,} ms, at most {in_ms(self.most_ns):,} ms"


class Spread(NamedTuple):
    """How a time is spread: percentiles by nearest rank and the largest, in nanoseconds."""

    times: int
    percentiles_ns: tuple[int, ...]
    largest_ns: int

    @property
    def p95_ns(self) -> int:
        """The time that 95 of 100 did not pass."""
        return self.percentiles_ns[PERCENTS.index(95)]

    @classmethod
    def of(cls, times_ns: Iterable[int]) -> Spread | None:
        """The spread of these times, None where there is none."""
        ordered = sorted(times_ns)
        if not ordered:
            return None
        ranks = tuple(nearest_rank(ordered, percent) for percent in PERCENTS)
        return cls(len(ordered), ranks, ordered[-1])

    def to_json(self) -> dict[str, Any]:
        """The spread for a program, in milliseconds."""
        ranks = zip(PERCENTS, self.percentiles_ns, strict=True)
        return {
            "count": self.times,
            **{f"p{percent}_ms": in_ms(time_ns) for percent, time_ns in ranks},
            "largest_ms": in_ms(self.largest_ns),
        }


@dataclass(slots=True)
class SessionTimes:
    """One session: its orders, from every bar's end to its decision, and what told the time.

    `messages` are those of the broker's and the bars' streams, `readings` all that read the clock.
    `most_ns` is how long a step may take 95 times of 100, for those that the rules say it of.
    """

    date: str
    profile: str = ""
    orders: list[OrderTimes] = field(default_factory=list)
    bar_to_decision_ns: list[int] = field(default_factory=list)
    messages: int = 0
    readings: int = 0
    most_ns: dict[str, int] = field(default_factory=dict)

    @property
    def sent_again(self) -> int:
        """How often an order was sent under an id that had been sent before."""
        return sum(order.times_sent - 1 for order in self.orders)

    @property
    def look_ups(self) -> int:
        """How often the broker was asked what became of one of the orders."""
        return sum(order.look_ups for order in self.orders)

    @property
    def unknown_outcomes(self) -> int:
        """How often a request about one of the orders came to nothing that is proved."""
        return sum(order.unknown_outcomes for order in self.orders)

    def spreads(self) -> dict[str, Spread | None]:
        """Everything that is measured, None where there is no time of it."""
        found = {
            name: Spread.of(
                span_ns for order in self.orders if (span_ns := order.span_ns(name)) is not None
            )
            for name in SPANS
        }
        return found | {BAR_TO_DECISION: Spread.of(self.bar_to_decision_ns)}

    def too_slow(self) -> tuple[Slow, ...]:
        """The steps that took longer than they may; exactly as long is not too long."""
        return tuple(
            Slow(step, spread.p95_ns, self.most_ns[step])
            for step, spread in self.spreads().items()
            if spread is not None and spread.p95_ns > self.most_ns.get(step, spread.p95_ns)
        )

    def remarks(self) -> tuple[str, ...]:
        """What these figures cannot say, in words."""
        said = []
        if not self.orders:
            said.append(NO_ORDER)
        elif not self.messages:
            said.append(SIMULATED)
        if not self.readings:
            said.append(NO_CLOCK)
        return tuple(said)

    def to_json(self) -> dict[str, Any]:
        """The session for a program; a spread without a time is None."""
        return {
            "date": self.date,
            "profile": self.profile,
            "orders": len(self.orders),
            "sent_again": self.sent_again,
            "look_ups": self.look_ups,
            "unknown_outcomes": self.unknown_outcomes,
            "stream_messages": self.messages,
            "clock_readings": self.readings,
            **{
                name: None if spread is None else spread.to_json()
                for name, spread in self.spreads().items()
            },
            "most_p95_ms": {step: in_ms(most_ns) for step, most_ns in self.most_ns.items()},
            "too_slow": [slow.step for slow in self.too_slow()],
            "remarks": list(self.remarks()),
        }


def most_of(limits: Iterable[Limit]) -> dict[str, int]:
    """How long each step may take 95 times of 100, in nanoseconds, where the rules say it."""
    return {
        limit.name.removesuffix("_p95"): int(limit.value) * NS_PER_S
        for limit in limits
        if limit.name in SLOWEST and isinstance(limit.value, Decimal)
    }


class LatencyReport(NamedTuple):
    """The sessions of a journal, in order."""

    journal: str
    sessions: tuple[SessionTimes, ...]

    @property
    def orders(self) -> tuple[OrderTimes, ...]:
        """Every order of these sessions."""
        return tuple(order for session in self.sessions for order in session.orders)

    @property
    def too_slow(self) -> tuple[tuple[str, Slow], ...]:
        """Each step of a session that took longer than the rules say it may."""
        return tuple((each.date, slow) for each in self.sessions for slow in each.too_slow())

    def to_json(self) -> dict[str, Any]:
        """The report for a program."""
        return {
            "journal": self.journal,
            "clock": CLOCK,
            "sessions": [session.to_json() for session in self.sessions],
            "orders": [order.row() for order in self.orders],
        }

    def to_csv(self) -> str:
        """One line for each order, with a header; what is not known is empty."""
        out = StringIO()
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(order.row() for order in self.orders)
        return out.getvalue()
