"""One worker's way to the broker: at the desk's pace, and what came of each request."""

from __future__ import annotations

import math
from collections.abc import Callable
from threading import Event as Signal
from typing import TypeVar

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
from mqd.ports.clock import Clock
from mqd.rules.book import BrokerAnswer, BrokerWords

_Read = TypeVar("_Read")
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

    def heed(self, reply: Reply) -> Reply:
        """Learn from a reply how many more requests the broker takes."""
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
            raise NoAnswerError(unreadable_answer(request, found.reason), found)
        return found

    def meaning(self, answer: Answer) -> BrokerAnswer:
        """What the rules say of an answer."""
        return meaning_of(self._words, answer)
