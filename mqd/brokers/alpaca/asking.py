"""One worker's way to the broker: at the desk's pace, and what came of each request."""

from __future__ import annotations

import math
from collections.abc import Callable
from threading import Event as Signal
from typing import NamedTuple, TypeVar

from mqd.brokers.alpaca.answers import (
    Answer,
    allowance_of,
    answer_of,
    meaning_of,
    unreadable_answer,
)
from mqd.brokers.alpaca.fields import Unreadable, reading
from mqd.brokers.alpaca.pace import Pace
from mqd.brokers.alpaca.session import AlpacaSession, Reply
from mqd.ground.times import NS_PER_S
from mqd.model.event import ANSWERED, NOT_TAKEN, UNPROVED
from mqd.ports.clock import Clock
from mqd.rules.book import BrokerAnswer, BrokerWords

_Read = TypeVar("_Read")
_FAILED = (NOT_TAKEN, UNPROVED)  # the second is the worse: nobody knows what came of it
_NS_PER_MS = 1_000_000
_LONGEST_NAP_S = 0.2  # the clock may be another one than the machine's
_TOO_MANY = "429"


class ClosingError(Exception):
    """The desk goes down; the request was not sent."""


class NoAnswerError(Exception):
    """The broker's answer is no success; `unreadable` is what came, where it was one."""

    def __init__(self, answer: Answer, unreadable: Unreadable | None = None) -> None:
        super().__init__(answer.words)
        self.answer = answer
        self.unreadable = unreadable


class CameTo(NamedTuple):
    """What the requests of one command came to: the worst outcome and the slowest, in ms."""

    outcome: str
    took_ms: int


class Asker:
    """Sends requests through one session, each when the pace allows it."""

    def __init__(
        self,
        session: AlpacaSession,
        pace: Pace,
        words: BrokerWords,
        clock: Clock,
        closing: Signal,
    ) -> None:
        self.session = session
        self.clock = clock
        self._pace = pace
        self._words = words
        self._closing = closing
        self._came_to: CameTo | None = None

    def may_go(self) -> int:
        """Take a token for what is not urgent; 0, or the nanoseconds until there may be one."""
        return self._pace.take(is_urgent=False)

    def wait(self, *, is_urgent: bool, patience_s: float = math.inf) -> None:
        """Wait for a token; after `patience_s` as one who is in haste.

        Raises:
            ClosingError: the desk goes down meanwhile.
        """
        started_ns = self.clock.monotonic_ns()
        while True:
            if self._closing.is_set():
                raise ClosingError
            has_waited = self.clock.monotonic_ns() - started_ns >= patience_s * NS_PER_S
            wait_ns = self._pace.take(is_urgent=is_urgent or has_waited)
            if wait_ns == 0:
                return
            self._closing.wait(min(wait_ns / NS_PER_S, _LONGEST_NAP_S))

    def pause(self, pause_s: float) -> None:
        """Wait for a while.

        Raises:
            ClosingError: the desk goes down meanwhile.
        """
        if self._closing.wait(pause_s):
            raise ClosingError

    def heed(self, request: str, reply: Reply) -> Reply:
        """Learn from a reply how the broker does, and how many more requests it takes."""
        means = ANSWERED if reply.is_good else self.meaning(answer_of(request, reply)).means
        self._note(means, -(-reply.took_ns // _NS_PER_MS))  # any part of one is a whole one
        allowance = allowance_of(reply.headers, self.clock.now_ns())
        if reply.status == _TOO_MANY:
            self._pace.was_refused(allowance.pause_s)
        elif reply.status.isdigit():
            self._pace.was_taken(allowance.left, allowance.back_s)
        return reply

    def read(self, request: str, reply: Reply, read: Callable[[object], _Read]) -> _Read:
        """What a reply says.

        Raises:
            NoAnswerError: it is no success, or one that cannot be read.
        """
        if not reply.is_good:
            raise NoAnswerError(answer_of(request, reply))
        found = reading(read, reply.text)
        if isinstance(found, Unreadable):
            self._note(UNPROVED, 0)
            raise NoAnswerError(unreadable_answer(request, found.reason), found)
        return found

    def take_what_it_came_to(self) -> CameTo | None:
        """What the requests since the last call came to, None where there was none."""
        came_to, self._came_to = self._came_to, None
        return came_to

    def _note(self, means: str, took_ms: int) -> None:
        outcome, before = means if means in _FAILED else ANSWERED, self._came_to
        if before is not None:
            outcome = max(outcome, before.outcome, key=(ANSWERED, *_FAILED).index)
            took_ms = max(took_ms, before.took_ms)
        self._came_to = CameTo(outcome, took_ms)

    def meaning(self, answer: Answer) -> BrokerAnswer:
        """What the rules say of an answer."""
        return meaning_of(self._words, answer)
