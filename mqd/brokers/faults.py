"""What can go wrong between a desk and a broker, and the seeded chance that decides when."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from random import Random

from mqd.ground.errors import SettingsError


@dataclass(frozen=True, slots=True)
class FaultRates:
    """How often each fault happens where it can: a share from 0 to 1.

    Raises:
        SettingsError: a rate is not such a share; the message names it.
    """

    # a request to the broker
    submit_lost: float = 0.0  # it never arrives, and no answer tells
    reply_lost: float = 0.0  # the order is there, and no answer tells
    not_taken: float = 0.0  # too many requests: it provably did not arrive
    rejected: float = 0.0  # refused at once
    rejected_later: float = 0.0  # acknowledged and rejected after that
    cancel_lost: float = 0.0  # the wish to have an order back never arrives
    cancel_refused: float = 0.0  # the broker keeps an order that works
    look_up_failed: float = 0.0  # no answer at all
    snapshot_failed: float = 0.0  # an error instead of an answer
    snapshot_silent: float = 0.0  # no answer at all
    answer_late: float = 0.0  # a look-up or a snapshot that news overtakes
    # what the market does with an order
    partial_fill: float = 0.0  # it trades in parts
    slow_fill: float = 0.0  # it trades later
    no_fill: float = 0.0  # it never trades
    fill_crosses_cancel: float = 0.0  # it trades while its cancel is on the way
    # what the stream tells
    duplicated: float = 0.0
    reordered: float = 0.0  # told after news that is newer
    late_bar: float = 0.0  # told minutes later
    late_session: float = 0.0  # told in the next session
    dropped: float = 0.0  # never told
    ack_missing: float = 0.0  # the first news of an order is not its acknowledgement
    stream_lost: float = 0.0  # nothing is told until it is back
    # what the account does by itself
    busted: float = 0.0  # an execution is taken back
    corrected: float = 0.0  # an execution was another one
    fee_later: float = 0.0
    manual_order: float = 0.0  # somebody else's order, on this account
    manual_position: float = 0.0  # shares that come with no order
    # what begins at one moment of the market and passes after minutes
    account_restricted: float = 0.0  # no order is taken
    power_short: float = 0.0  # no entry can be paid for
    not_tradable: float = 0.0  # no order of the symbol is taken
    whole_only: float = 0.0  # parts of a share are not sold

    def __post_init__(self) -> None:
        for each in fields(self):
            rate = getattr(self, each.name)
            if not (isinstance(rate, float) and 0.0 <= rate <= 1.0):
                raise SettingsError(f"{each.name} is {rate!r}, expected a share from 0 to 1")


FAULTS = tuple(each.name for each in fields(FaultRates))


class Dice:
    """One seeded source of chance that counts what it let happen; calm, nothing happens."""

    def __init__(self, random: Random, rates: FaultRates) -> None:
        self.is_calm = False
        self.happened: Counter[str] = Counter()
        self._random = random
        self._rates = {name: getattr(rates, name) for name in FAULTS}

    def happens(self, fault: str) -> bool:
        """Whether this fault happens here and now."""
        if self.is_calm or self._random.random() >= self._rates[fault]:
            return False
        self.happened[fault] += 1
        return True

    def roll(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""
        return low + int(self._random.random() * (high - low + 1))
