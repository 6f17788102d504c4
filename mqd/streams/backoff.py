"""Pauses between two tries: each twice as long as the one before, with chance in it."""

from __future__ import annotations

from collections.abc import Callable

Chance = Callable[[], float]
"""A source of chance: numbers from 0 to 1, as `random.Random(seed).random`."""


class Backoff:
    """The pauses of one thing that is tried again; chance keeps two desks from trying as one."""

    def __init__(self, first_pause_s: float, longest_pause_s: float, chance: Chance) -> None:
        self._first_s = first_pause_s
        self.longest_s = longest_pause_s
        self._chance = chance
        self._next_s = first_pause_s

    @property
    def is_longest(self) -> bool:
        """Whether the next pause is one of the longest kind."""
        return self._next_s >= self.longest_s

    def pause_s(self) -> float:
        """The next pause: between half and all of what is due, which doubles each time."""
        due_s = min(self._next_s, self.longest_s)
        self._next_s = min(2.0 * due_s, self.longest_s)
        return self._scattered(due_s)

    def longest_pause_s(self) -> float:
        """A pause of the longest kind, now and until the next success."""
        self._next_s = self.longest_s
        return self._scattered(self.longest_s)

    def reset(self) -> None:
        """It worked: the next pause is the first again."""
        self._next_s = self._first_s

    def _scattered(self, due_s: float) -> float:
        return due_s * (0.5 + 0.5 * self._chance())
