"""What is looked after: orders, positions, the desk, its broker, and what must always hold."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from mqd.rules.expressions.ir import Numeric
from mqd.rules.problems import Place
from mqd.rules.said import Condition, Header, Limit
from mqd.rules.words.acts import ANY
from mqd.rules.words.orders import PART, WHOLE


@dataclass(frozen=True, slots=True)
class WatchRow:
    """What a watch does while a condition is true; `at` is the price of what it sends, if any.

    `until` ends a strategy's pause, `by` is the share by which a promotion lets it grow.
    """

    condition: Condition
    do: str
    at: Numeric | None = None
    until: Condition | None = None
    by: Numeric | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What is looked at after every event: each working order, each position, or the desk.

    The first row that is true acts, and no other one; an unknown answer counts as no. A strategy
    is looked at when something of its record is new; that looks `over` so many sessions back. The
    mean of `curve` trades is a point of its equity curve; 0: no row asks for it.
    """

    header: Header
    rows: tuple[WatchRow, ...]
    over: int = 0
    curve: int = 0

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions of the rows, in their order."""
        return tuple(row.condition for row in self.rows)


@dataclass(frozen=True, slots=True)
class Difference:
    """What is done about one kind of difference between the desk and the broker."""

    kind: str
    do: str
    because: str
    place: Place


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """How the desk is compared with the broker.

    A position's difference that any of `looks_again` is true for is not acted on yet; one that any
    of `tolerates` is true for does not count. A whole comparison
    that any of `refuses` is true for refuses the start and freezes a running desk; there an
    unknown answer counts as yes.
    """

    header: Header
    differences: tuple[Difference, ...]
    looks_again: tuple[Condition, ...]
    tolerates: tuple[Condition, ...]
    refuses: tuple[Condition, ...]

    def difference(self, kind: str) -> Difference:
        """What is done about this kind of difference."""
        return next(each for each in self.differences if each.kind == kind)


@dataclass(frozen=True, slots=True)
class Invariants:
    """What must hold after every step; the `when` of each condition is what holds."""

    header: Header
    always: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class BrokerWord:
    """What one of a broker's words means to the desk, for an order's state or in its news."""

    word: str
    means: str
    because: str
    place: Place


@dataclass(frozen=True, slots=True)
class BrokerAnswer:
    """What an answer of the broker that is no success means; the first that fits decides.

    `request` is one of `REQUESTS` or `any`. `status` is the answer's number ("422"), a hundred of
    them ("5xx"), one of `NO_ANSWERS`, or `any`. `error_code` is the code of the body and `says` a
    part of its message in lower case; None asks for nothing.
    """

    code: str
    request: str
    status: str
    error_code: str | None
    says: str | None
    means: str
    because: str
    place: Place

    def fits(self, request: str, status: str, error_code: str | None, message: str) -> bool:
        """Whether this is what such an answer means, where nothing above it fits."""
        return (
            self.request in {ANY, request}
            and self.status in {ANY, status, f"{status[:1]}xx" if status.isdigit() else status}
            and self.error_code in {None, error_code}
            and (self.says is None or self.says in message.lower())
        )


@dataclass(frozen=True, slots=True)
class BrokerForm:
    """Whether a broker takes an order of some form; the first that fits decides.

    `type`, `time_in_force` and `shares` are words of `mqd.rules.words.orders`, or `any`.
    """

    code: str
    type: str
    time_in_force: str
    shares: str
    is_taken: bool
    because: str
    place: Place

    def fits(self, type_: str, time_in_force: str, shares: str) -> bool:
        """Whether an order of this form is meant, where nothing above fits it."""
        return (
            self.type in {ANY, type_}
            and self.time_in_force in {ANY, time_in_force}
            and self.shares in {ANY, shares}
        )


@dataclass(frozen=True, slots=True)
class SentForm:
    """The form in which orders of one role leave; `type` is `any` where strategies say it."""

    type: str
    time_in_force: str
    because: str
    place: Place


@dataclass(frozen=True, slots=True)
class Sends:
    """In which forms the desk's orders leave."""

    entry: SentForm
    exit: SentForm


@dataclass(frozen=True, slots=True)
class BrokerRequests:
    """How the broker is asked: how long, how often, how many at once.

    `kept_for_exits` is the share of `most_per_minute` that only exits, cancels and look-ups may
    use; `stale_after_bars` counts bars that should have come; `history_page` rows of a list. What
    is said of a symbol is taken for true for `symbols_every_s`.
    """

    connect_timeout_s: float
    read_timeout_s: float
    most_per_minute: int
    kept_for_exits: float
    most_queued: int
    first_pause_s: float
    longest_pause_s: float
    stale_after_bars: int
    tick_s: float
    most_clock_offset_s: float
    symbols_every_s: float
    history_page: int


@dataclass(frozen=True, slots=True)
class BrokerWords:
    """All that one broker says, and how it is asked.

    A word that is not among them is an incident. `request_limits` are the numbers of `requests`
    as the rules say them, with their ranges and reasons.
    """

    header: Header
    statuses: tuple[BrokerWord, ...]
    news: tuple[BrokerWord, ...]
    answers: tuple[BrokerAnswer, ...]
    forms: tuple[BrokerForm, ...]
    request_limits: tuple[Limit, ...]
    requests: BrokerRequests

    def meaning(self, word: str) -> str | None:
        """What the word for a state means, or None where nobody ever explained it."""
        return next((each.means for each in self.statuses if each.word == word), None)

    def news_meaning(self, word: str) -> str | None:
        """What the word for a piece of news means, or None where nobody ever explained it."""
        return next((each.means for each in self.news if each.word == word), None)

    def takes(self, type_: str, time_in_force: str, *, is_part: bool) -> bool:
        """Whether the broker takes an order of this form; one that nothing fits it does not."""
        shares = PART if is_part else WHOLE
        found = (each for each in self.forms if each.fits(type_, time_in_force, shares))
        return any(each.is_taken for each in islice(found, 1))

    def answer(
        self, request: str, status: str, error_code: str | None = None, message: str = ""
    ) -> BrokerAnswer:
        """What an answer to one of `REQUESTS` means; the check proved that something always fits.

        `status` is the number as text ("422") or one of `NO_ANSWERS`; `error_code` and `message`
        are those of the body as text, `message` the whole body where it has none.
        """
        return next(
            each for each in self.answers if each.fits(request, status, error_code, message)
        )
