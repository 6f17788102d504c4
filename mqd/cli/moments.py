"""Times as an operator types them: UTC, the exchange's date and time, or its clock alone."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta

from mqd.feeds.calendar import EXCHANGE_ZONE, exchange_datetime
from mqd.ground.errors import SettingsError
from mqd.ground.times import parse_iso, to_ns

_EXPECTED = (
    "expected UTC as in 2024-11-25T15:31:00Z, or exchange time as in "
    "'2024-11-25 10:31' or 10:31 (the last such day)"
)
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")
_NEAREST = 2


class Moment:
    """What `--at` named."""

    def __init__(self, text: str) -> None:
        """Read what was typed.

        Raises:
            SettingsError: it is no time.
        """
        self.text = text.strip()
        self._clock: time | None = None
        self._at_ns = 0
        try:
            if _CLOCK.fullmatch(self.text):
                self._clock = time.fromisoformat(self.text.zfill(5))
            else:
                self._at_ns = _instant(self.text)
        except (ValueError, OverflowError):
            raise SettingsError(f"--at {text}: not a time; {_EXPECTED}") from None

    def among(self, instants: Sequence[int]) -> int | None:
        """The instant that is meant, if it is one of these (sorted)."""
        if self._clock is None:
            return self._at_ns if _holds(instants, self._at_ns) else None
        for day_ns in self._days(instants):
            if _holds(instants, day_ns):
                return day_ns
        return None

    def nearest(self, instants: Sequence[int]) -> list[int]:
        """The instants just before and after the one that is meant."""
        at_ns = self._at_ns
        if self._clock is not None and instants:
            at_ns = next(self._days(instants))
        place = bisect_left(instants, at_ns)
        return list(instants[max(0, place - 1) : place - 1 + _NEAREST] if place else instants[:1])

    def _days(self, instants: Sequence[int]) -> Iterator[int]:
        """This clock time on every exchange day from the last to the first."""
        if not instants or self._clock is None:
            return
        day = exchange_datetime(instants[-1]).date()
        first = exchange_datetime(instants[0]).date()
        while day >= first:
            yield to_ns(datetime.combine(day, self._clock, EXCHANGE_ZONE).astimezone(UTC))
            day -= timedelta(days=1)


def _instant(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        if len(text) <= len("2024-11-25"):
            raise ValueError(text)
        return to_ns(moment.replace(tzinfo=EXCHANGE_ZONE).astimezone(UTC))
    return parse_iso(text)


def _holds(instants: Sequence[int], at_ns: int) -> bool:
    place = bisect_left(instants, at_ns)
    return place < len(instants) and instants[place] == at_ns
